//! Which extracted values are links: those of `Location` and `Content-Location` with which paths begin. Such a link may be relative
//! (RFC 9110, section 10.2.2); a value that stands within a path is a part of it, as it is.

use std::collections::HashSet;
use std::sync::Arc;

use super::places::requests;
use crate::expr::Template;
use crate::model::{Action, ExtractSource, Extraction, Invariant, RequestTemplate};
use crate::world::config::WorldConfig;

/// Marks the extractions that are links.
pub(super) fn mark(world: &mut WorldConfig, actions: &mut [Action], invariants: &mut [Invariant]) {
    let all = requests(world, actions, invariants);
    let links = Links::of(all.iter().map(|(_, request)| &**request));
    for step in &mut world.setup {
        links.mark(&mut step.extract);
    }
    for action in actions {
        let others = action.on.iter_mut().map(|(_, on_answer)| on_answer);
        for on_answer in others.chain([&mut action.accepted]) {
            links.mark(&mut on_answer.extract);
        }
    }
    for principal in Arc::make_mut(&mut world.principals) {
        let own = Links::of(principal.login.iter().map(|step| &step.request));
        for step in &mut principal.login {
            own.mark(&mut step.extract);
        }
    }
}

/// Names with which paths begin, and that stand in no path further on.
struct Links(HashSet<String>);

impl Links {
    fn of<'r>(requests: impl Iterator<Item = &'r RequestTemplate> + Clone) -> Self {
        let paths = requests.map(|request| &request.path);
        let begins = paths.clone().filter_map(Template::begins_with);
        let mut links: HashSet<String> = begins.map(str::to_owned).collect();
        for path in paths {
            let begins = path.begins_with();
            for name in path.reads() {
                if begins != Some(name.as_str()) {
                    links.remove(name);
                }
            }
        }
        Self(links)
    }

    fn mark(&self, extractions: &mut [Extraction]) {
        for extraction in extractions {
            extraction.is_link = self.0.contains(&extraction.name)
                && extraction.pattern.is_none()
                && matches!(&extraction.source, ExtractSource::Header(name) if is_link(name));
        }
    }
}

/// Whether a header holds a reference to a URL.
fn is_link(header: &str) -> bool {
    ["location", "content-location"].contains(&header.to_ascii_lowercase().as_str())
}
