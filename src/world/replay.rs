//! `restore: replay`: back to a state of a service that has no database to write to.
//!
//! The service is reset (a request, a command, or a restart), `setup` runs again, then every step of the path. Each
//! step must be answered with the status it was answered with before; anything else means that the reset does not reset
//! all, or that the service is not deterministic, and no verdict could be relied on.
//!
//! **Ids may differ.** A service that makes up random ids gives out new ones each time. The values that the path
//! extracts while it is replayed are what later requests are filled with (the *live* context), while the state keeps the
//! values of the first time: they name the same things.
//!
//! **Safe methods do not move the world.** A `GET` that bound nothing leaves the world where it was, so going back costs
//! nothing after it. There is no database to prove that; the method promises it.
//!
//! **What a state is, where no rows can be seen.** Without a system two paths cannot be told apart by what they left
//! behind, so all but the plainest repetition counts as different: the identity takes the sequence of steps with an unsafe
//! method that were not refused. Were it left to the context alone, `refund` would lead back to where it began, and
//! `refund -> refund` would never be tried.

use std::sync::Arc;
use std::time::Duration;

use super::checkpoint::{Checkpoint, Place};
use super::config::Reset;
use super::extract::Extracted;
use super::live_world::LiveWorld;
use super::service::{Launch, Service, ending};
use super::{Warning, WorldError, WorldErrorKind};
use crate::interrupt::Urgency;
use crate::model::{ActionId, Context, Digest, VariableId};

/// Longest run of `reset: { command: ... }`.
const RESET_COMMAND: Duration = Duration::from_secs(60);

/// The steps from the initial state, the newest first; each shared by all paths that go on from it.
#[derive(Clone, Debug, Default)]
pub(super) struct Path(Option<Arc<Node>>);

/// One step of a path, and what it led to.
#[derive(Debug)]
struct Node {
    before: Path,
    action: ActionId,
    status: u16,
    identity: Digest,
    context: Context,
}

impl Path {
    /// The path after one more step.
    pub(super) fn then(
        &self,
        action: ActionId,
        status: u16,
        identity: Digest,
        context: Context,
    ) -> Self {
        Self(Some(Arc::new(Node {
            before: self.clone(),
            action,
            status,
            identity,
            context,
        })))
    }

    /// Whether both are one and the same walk, so that where one ends the other does.
    pub(super) fn same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// The steps in the order they were taken.
    fn steps(&self) -> Vec<Arc<Node>> {
        let mut steps: Vec<Arc<Node>> =
            std::iter::successors(self.0.clone(), |node| node.before.0.clone()).collect();
        steps.reverse();
        steps
    }
}

impl Drop for Path {
    /// Step by step: a walk may be longer than the stack is deep.
    fn drop(&mut self) {
        let mut next = self.0.take();
        while let Some(node) = next {
            next = Arc::into_inner(node).and_then(|mut node| node.before.0.take());
        }
    }
}

/// The trail after one more step: a digest of the steps so far that may have changed something. A refusal (4xx) and a safe
/// method leave it as it is.
pub(super) fn trail(before: Digest, action: ActionId, is_safe: bool, status: u16) -> Digest {
    if is_safe || (400..500).contains(&status) {
        return before;
    }
    let mut hasher = blake3::Hasher::new();
    hasher
        .update(&before.0.to_le_bytes())
        .update(&action.0.to_le_bytes())
        .update(&status.to_le_bytes());
    Digest::from_hash(&hasher.finalize())
}

/// The values that later requests are filled with, where they differ from those that the states remember.
#[derive(Debug, Default)]
pub(super) struct LiveValues(Option<(Context, Context)>);

impl LiveValues {
    /// The context as the service knows it now: a value that the state remembers is replaced by the one the last replay
    /// got in its place.
    pub(super) fn context(&self, context: &Context) -> Context {
        let Some((remembered, live)) = &self.0 else {
            return context.clone();
        };
        if context.same_allocation(remembered) {
            return live.clone();
        }
        let mut translated = context.clone();
        for variable in (0..context.values().len() as u32).map(VariableId) {
            if context.get(variable) == remembered.get(variable) {
                translated = translated.with(variable, live.get(variable).cloned());
            }
        }
        translated
    }

    /// The world stands where the states remember `remembered` and the service knows `live`.
    pub(super) fn set(&mut self, remembered: &Context, live: Context) {
        self.0 = (*remembered != live).then(|| (remembered.clone(), live));
    }
}

impl LiveWorld {
    /// Resets the service and walks the path again.
    pub(super) async fn replay(&mut self, to: &Checkpoint) -> Result<(), WorldError> {
        self.reset().await?;
        let (mut live, mut cookies) = self.run_setup().await?;
        let initial = self.initial()?;
        self.compare_context("setup", &initial.context, &live);
        let mut place = initial;
        let mut content = self.now()?.content.clone();
        if let Some(found) = self.databases.read(&content).await?.content {
            content = found;
        }
        let steps = to.0.path.steps();
        let model = self.model.clone();
        for (position, step) in steps.iter().enumerate() {
            if self.interrupt.urgency() >= Urgency::Now {
                return Err(super::send::interrupted());
            }
            let action = model.action(step.action);
            let name = format!("action `{}`, replayed", action.name);
            let bindings = model.action_bindings(step.action, &live);
            let rendered = self.render(&name, &action.request, bindings, &cookies)?;
            let answer = self.exchange(&name, &rendered, &mut cookies).await?;
            self.settle().await;
            if let Some(found) = self.databases.read(&content).await?.content {
                content = found;
            }
            live = Extracted::by_action(action, &answer).applied_to(&live);
            let observed = self
                .databases
                .observe(&live, &crate::model::RowDelta::default(), None)
                .await?;
            let next = Place::new(
                content.clone(),
                observed,
                self.trail_after(&place, step.action, answer.status),
                step.context.clone(),
                cookies.clone(),
                Path::default(),
            );
            let differs = if answer.status != step.status {
                Some(format!(
                    "it was answered with {} when it first ran, and with {} now",
                    step.status, answer.status
                ))
            } else if next.identity != step.identity {
                Some("it left other rows than when it first ran".to_owned())
            } else {
                None
            };
            if let Some(differs) = differs {
                return Err(WorldError::new(
                    WorldErrorKind::Restore,
                    format!(
                        "replaying a path went another way at step {} of {}, `{}`: {differs}",
                        position + 1,
                        steps.len(),
                        action.name
                    ),
                )
                .with_details([format!(
                    "the path: {}",
                    steps
                        .iter()
                        .map(|step| model.action(step.action).name.as_str())
                        .collect::<Vec<_>>()
                        .join(" -> ")
                )])
                .with_help(
                    "either `reset` does not put everything back, or the service does not do the same thing twice; try `reset: restart`, or `ignore_columns` for values that are different each time",
                ));
            }
            self.compare_context(&format!("`{}`", action.name), &step.context, &live);
            place = Arc::new(next);
        }
        self.send_after_restore(&live, &cookies).await?;
        // The place is the remembered one, for it is what comparisons go by; the content is what is there now.
        self.stand_at(Arc::new(Place::new(
            content,
            place.observed.clone(),
            place.trail,
            to.0.context.clone(),
            cookies,
            to.0.path.clone(),
        )));
        self.live.set(&to.0.context, live);
        Ok(())
    }

    /// The trail after a step from this place; where rows can be seen there is none.
    pub(super) fn trail_after(&self, place: &Place, action: ActionId, status: u16) -> Digest {
        if !self.databases.is_empty() {
            return Digest::default();
        }
        let is_safe = self.model.action(action).request.is_safe();
        trail(place.trail, action, is_safe, status)
    }

    /// Says once for each variable that its value is another one than the first time.
    fn compare_context(&mut self, source: &str, remembered: &Context, live: &Context) {
        let names = self.model.names.clone();
        for (position, name) in names.variables.iter().enumerate() {
            let variable = VariableId(position as u32);
            if remembered.get(variable) != live.get(variable) {
                self.warnings.say(Warning {
                    code: "replay-differs",
                    message: format!(
                        "{source} yields another `{name}` each time that it is replayed"
                    ),
                    help: Some(
                        "the new value is used from then on; ids that follow from the requests make runs reproducible"
                            .to_owned(),
                    ),
                    untrusted: false,
                });
            }
        }
    }

    async fn reset(&mut self) -> Result<(), WorldError> {
        match self.config.reset.clone() {
            Some(Reset::Request(request)) => {
                let name = "the `reset` request";
                let initial = self.initial()?;
                let bindings = self.model.bindings(&self.live.context(&initial.context));
                let mut cookies = initial.cookies.clone();
                let rendered = self.render(name, &request, bindings, &cookies)?;
                let answer = self.exchange(name, &rendered, &mut cookies).await?;
                if !(200..300).contains(&answer.status) {
                    return Err(super::setup::refused(name, &rendered, &answer));
                }
                self.settle().await;
                Ok(())
            }
            Some(Reset::Command(command)) => {
                let launch = Launch {
                    command: command.iter().map(|part| self.names.text(part)).collect(),
                    env: Vec::new(),
                    cwd: self.names.base_dir().to_owned(),
                };
                run_to_end(&launch).await
            }
            Some(Reset::Restart) | None => self.restart_service().await,
        }
    }
}

async fn run_to_end(launch: &Launch) -> Result<(), WorldError> {
    let mut process = Service::spawn(launch)?;
    let status = process.exits_within(RESET_COMMAND).await;
    if status.is_some_and(|status| status.success()) {
        return Ok(());
    }
    let what = status.map_or_else(
        || format!("was still running after {RESET_COMMAND:?}"),
        ending,
    );
    let details = process.log_details().await;
    process.stop().await;
    Err(WorldError::new(
        WorldErrorKind::Restore,
        format!("the `reset` command `{}` {what}", launch.shown()),
    )
    .with_details(details))
}
