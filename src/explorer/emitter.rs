//! Passes events to the observer of a run.

use crate::model::{ActionId, Model, Violation};
use crate::world::{Warning, WarningCode, World};

use super::event::Event;
use super::graph::Graph;

/// Sends events, and each warning only once.
pub(super) struct Emitter<'o> {
    observer: &'o mut dyn FnMut(Event<'_>),
    warnings: Vec<Warning>,
    /// How many failed conditions have been turned into warnings.
    conditions: usize,
}

impl<'o> Emitter<'o> {
    /// Nothing has been sent.
    pub(super) fn new(observer: &'o mut dyn FnMut(Event<'_>)) -> Self {
        Self {
            observer,
            warnings: Vec::new(),
            conditions: 0,
        }
    }

    pub(super) fn emit(&mut self, event: Event<'_>) {
        (self.observer)(event);
    }

    /// A violation was found for the first time.
    pub(super) fn violation(&mut self, violation: &Violation) {
        self.emit(Event::Violation { violation });
    }

    /// Sends a warning, unless it has been sent before.
    pub(super) fn warn(&mut self, warning: Warning) {
        if !self.warnings.contains(&warning) {
            self.emit(Event::Warning(&warning));
            self.warnings.push(warning);
        }
    }

    /// Sends what the world and the preconditions have to warn of since the last call.
    pub(super) fn pass_on_warnings<W: World>(
        &mut self,
        model: &Model,
        world: &mut W,
        graph: &Graph,
    ) {
        for warning in world.take_warnings() {
            self.warn(warning);
        }
        let errors = graph.condition_errors().get(self.conditions..);
        for (action, error) in errors.unwrap_or_default() {
            self.conditions += 1;
            self.warn(condition_failed(model, *action, error));
        }
    }

    /// The warnings of the run so far.
    pub(super) fn take_warnings(&mut self) -> Vec<Warning> {
        std::mem::take(&mut self.warnings)
    }
}

fn condition_failed(model: &Model, action: ActionId, error: &str) -> Warning {
    Warning {
        code: WarningCode::ConditionFailed,
        message: format!(
            "a precondition of `{}` could not be judged: {error}",
            model.action(action).name
        ),
        help: Some(
            "the action was taken as not enabled there; write the condition so that it holds for every value"
                .to_owned(),
        ),
        untrusted: false,
    }
}
