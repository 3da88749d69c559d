//! Where requests stand that make values up: each gets a name, and numbers of its own for `counter()`.

use std::sync::Arc;

use crate::expr::{Place, Template};
use crate::model::{Action, Invariant, PrincipalId, RequestTemplate, Subject};
use crate::world::config::{Reset, WorldConfig};

/// Gives each request that makes values up its place. `given` are the calls of `counter()` as a reproduction has them, by the
/// names of their requests; a spec has none. Returns the calls in their order.
pub(super) fn number(
    world: &mut WorldConfig,
    actions: &mut [Action],
    invariants: &mut [Invariant],
    given: &[String],
) -> Vec<String> {
    let of_http = Made::by(world.http.headers.iter().map(|(_, template)| template));
    let of_principals: Vec<Made> = world
        .principals
        .iter()
        .map(|principal| {
            let carried = principal.headers.iter().chain(&principal.query);
            Made::by(carried.map(|(_, template)| template))
        })
        .collect();
    let carried = |principal: Option<PrincipalId>| {
        let own = principal.and_then(|id| of_principals.get(id.0 as usize));
        of_http.and(own.copied().unwrap_or_default())
    };
    let mut calls: Vec<String> = Vec::new();
    let mut requests = requests(world, actions, invariants);
    for (name, request) in &mut requests {
        let made = Made::by(request.templates()).and(carried(request.principal));
        if made.is_any {
            let name = std::mem::take(name);
            calls.extend((0..made.counters).map(|_| name.clone()));
            request.place = Some(Arc::new(Place {
                name,
                ..Place::default()
            }));
        }
    }
    if !given.is_empty() {
        given.clone_into(&mut calls);
    }
    for (_, request) in requests {
        if let Some(place) = &mut request.place {
            let first = calls.iter().position(|name| *name == place.name);
            let place = Arc::make_mut(place);
            place.first = first.unwrap_or_default() as u64;
            place.all = calls.len().max(1) as u64;
        }
    }
    calls
}

/// What templates make up.
#[derive(Clone, Copy, Default)]
struct Made {
    is_any: bool,
    counters: u64,
}

impl Made {
    fn by<'t>(templates: impl IntoIterator<Item = &'t Template>) -> Self {
        let calls = templates.into_iter().map(Template::calls);
        calls.fold(Self::default(), |made, calls| Self {
            is_any: made.is_any || calls.made_up().is_some(),
            counters: made.counters + calls.counters,
        })
    }

    fn and(self, other: Self) -> Self {
        Self {
            is_any: self.is_any || other.is_any,
            counters: self.counters + other.counters,
        }
    }
}

/// Every request of a spec, with a name of its own.
pub(super) fn requests<'s>(
    world: &'s mut WorldConfig,
    actions: &'s mut [Action],
    invariants: &'s mut [Invariant],
) -> Vec<(String, &'s mut RequestTemplate)> {
    let mut all = Vec::new();
    for (position, step) in world.setup.iter_mut().enumerate() {
        all.push((format!("setup {}", position + 1), &mut step.request));
    }
    for principal in Arc::make_mut(&mut world.principals) {
        let name = principal.name.clone();
        for (position, step) in principal.login.iter_mut().enumerate() {
            let name = format!("login {} of {name}", position + 1);
            all.push((name, &mut step.request));
        }
    }
    for action in actions {
        all.push((action.name.clone(), &mut action.request));
    }
    for invariant in invariants {
        if let Subject::Probe { request, .. } = &mut invariant.subject {
            all.push((format!("invariant {}", invariant.name), &mut **request));
        }
    }
    for (position, request) in world.after_restore.iter_mut().enumerate() {
        all.push((format!("after_restore {}", position + 1), request));
    }
    if let Some(Reset::Request(request)) = &mut world.reset {
        all.push(("reset".to_owned(), &mut **request));
    }
    all
}
