//! Makes events of what happens, in the names of the model, and passes them to the observer of a run.

use crate::event::{self, Detail, Event, Phase, Proving, Step};
use crate::model::{ActionId, Model};
use crate::world::{Warning, WarningCode, World};

use super::graph::Graph;
use super::observer::Observer;
use super::violations::Violation;

/// Emits events, and each warning only once.
pub(super) struct Emitter<'o> {
    model: &'o Model,
    observer: &'o mut dyn Observer,
    warnings: Vec<Warning>,
    /// How many failed conditions have been turned into warnings.
    conditions: usize,
}

impl<'o> Emitter<'o> {
    /// Nothing has been emitted.
    pub(super) fn new(model: &'o Model, observer: &'o mut dyn Observer) -> Self {
        Self {
            model,
            observer,
            warnings: Vec::new(),
            conditions: 0,
        }
    }

    pub(super) fn emit(&mut self, event: Event) {
        self.observer.event(event);
    }

    /// Emits a step. It is built only where somebody wants to know of it, with or without what was exchanged: that would
    /// cost more than many a step itself.
    pub(super) fn step(&mut self, build: impl FnOnce(Detail) -> Step) {
        let detail = self.observer.detail();
        if detail != Detail::None {
            self.emit(Event::Step(Box::new(build(detail))));
        }
    }

    /// A violation was found for the first time.
    pub(super) fn violation(&mut self, violation: &Violation) {
        self.emit(Event::Violation(Box::new(violation.event(self.model))));
    }

    /// It is the turn of the violation at this position, of so many.
    pub(super) fn proving(&mut self, phase: Phase, position: usize, of: usize) {
        self.emit(Event::Proving(Proving {
            phase,
            number: position as u32 + 1,
            of: of as u32,
        }));
    }

    /// Whether one of these warnings was given.
    pub(super) fn has_warned(&self, is_it: impl Fn(&Warning) -> bool) -> bool {
        self.warnings.iter().any(is_it)
    }

    /// Emits a warning, unless it has been emitted before. At the end of the run it is one with others of its kind.
    pub(super) fn warn(&mut self, warning: Warning) {
        for known in &mut self.warnings {
            if *known == warning {
                return;
            }
            let before = known.message.clone();
            if known.unite(&warning) {
                if known.message != before {
                    self.observer.event(Event::Warning(warning.into()));
                }
                return;
            }
        }
        self.emit(Event::Warning(warning.clone().into()));
        self.warnings.push(warning);
    }

    /// Emits what the world and the preconditions have to warn of since the last call.
    pub(super) fn pass_on_warnings<W: World>(&mut self, world: &mut W, graph: &Graph) {
        for warning in world.take_warnings() {
            self.warn(warning);
        }
        let errors = graph.condition_errors().get(self.conditions..);
        for (action, error) in errors.unwrap_or_default() {
            self.conditions += 1;
            self.warn(condition_failed(self.model, *action, error));
        }
    }

    /// The warnings of the run so far.
    pub(super) fn take_warnings(&mut self) -> Vec<event::Warning> {
        let mut warnings = std::mem::take(&mut self.warnings);
        Warning::without_explained(&mut warnings);
        warnings.into_iter().map(event::Warning::from).collect()
    }
}

fn condition_failed(model: &Model, action: ActionId, error: &str) -> Warning {
    let name = &model.action(action).name;
    let message = format!("a precondition of `{name}` could not be judged: {error}");
    Warning::new(WarningCode::ConditionFailed, message).with_help(
        "the action was taken as not enabled there; write the condition so that it holds for every value",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Asks(Detail);

    impl Observer for Asks {
        fn detail(&self) -> Detail {
            self.0
        }

        fn event(&mut self, _event: Event) {
            panic!("nobody wants to know of it");
        }
    }

    #[test]
    fn a_step_that_nobody_wants_to_know_of_is_not_even_built() {
        let model = Model::default();
        let mut observer = Asks(Detail::None);
        Emitter::new(&model, &mut observer).step(|_| panic!("built"));
    }
}
