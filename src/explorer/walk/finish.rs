//! The end of a walk: what is summed up when nothing more is asked.

use crate::event::{ActionTally, Event, Figures, Finished, Merges, Stop, Time};
use crate::model::Model;
use crate::oracle::Judge;
use crate::world::{Warning, WarningCode, World, WorldError};

use super::super::action_tally::action_tallies;
use super::super::violations::Violation;
use super::{Options, Walk};

/// How a run ends whose world did not even start.
pub fn not_started(model: &Model, options: &Options, error: &WorldError) -> Finished {
    let never_ran = ActionTally {
        never_ran: Some("the run did not get that far".to_owned()),
        ..ActionTally::default()
    };
    Finished {
        figures: Figures {
            step: 0,
            max_steps: options.limits.max_steps,
            states: 0,
            coverage: 0.0,
            violations: 0,
        },
        stop: Stop::of_error(error, Vec::new()),
        transitions: 0,
        untried: 0,
        postponed: 0,
        repetitions: 0,
        merges: Merges::default(),
        deepest: 0,
        unchanged_steps: 0,
        actions: vec![never_ran; model.actions.len()],
        invariants: Vec::new(),
        violations: Vec::new(),
        known_not_seen: options.known.iter().cloned().collect(),
        process_unknown: None,
        corpus: Vec::new(),
        warnings: Vec::new(),
        time: Time::default(),
    }
}

impl<W: World, J: Judge<W>> Walk<'_, W, J> {
    /// Warns where no request was accepted: then nothing was found out about the service.
    fn warn_of_refusals(&mut self, actions: &[ActionTally]) {
        let graph = self.explored.graph();
        let mut tallies = self.model.action_ids().map(|id| graph.tally(id));
        let is_refused = actions.iter().any(|action| action.always_refused);
        if is_refused && self.violations.len() == 0 && tallies.all(|tally| tally.accepted == 0) {
            let message = "no request was accepted, so the run proves nothing";
            let warning = Warning::new(WarningCode::NothingAccepted, message)
                .with_help("look at the answers: a login may be missing or wrong; a redirect is an acceptance only where `expect.status` lists it")
                .untrusted();
            self.emitter.warn(warning);
        }
    }

    /// Sums up.
    pub(super) fn finish(
        &mut self,
        violations: &[Violation],
        process_unknown: Option<&str>,
        stop: Stop,
        time: Time,
    ) -> Finished {
        let writes_late = |id| self.world.writes_late(id);
        let actions = action_tallies(self.model, &self.explored, &stop, writes_late);
        self.warn_of_refusals(&actions);
        for warning in self.silence.warnings(self.model) {
            self.emitter.warn(warning);
        }
        self.pass_on_warnings();
        for warning in self.world.sum_up() {
            self.emitter.warn(warning);
        }
        let figures = self.figures();
        if self.steps == 0 || !self.is_progress_due() {
            self.emitter.emit(Event::Progress(figures));
        }
        let graph = self.explored.graph();
        let unchanged = |id| graph.tally(id).unchanged;
        let finished = Finished {
            figures,
            stop,
            transitions: graph.transition_count() as u64,
            untried: graph.untried_count(),
            postponed: graph.postponed_count(),
            repetitions: self.repetitions,
            merges: self.merges.tally(),
            deepest: graph.deepest(),
            unchanged_steps: self.model.action_ids().map(unchanged).sum(),
            actions,
            invariants: self.invariants.tallies().to_vec(),
            violations: violations
                .iter()
                .map(|found| found.event(self.model))
                .collect(),
            known_not_seen: self.violations.known_not_seen(),
            process_unknown: process_unknown.map(str::to_owned),
            corpus: std::mem::take(&mut self.regressions),
            warnings: self.emitter.take_warnings(),
            time,
        };
        let last = Event::Finished(Box::new(finished.clone()));
        self.emitter.emit(last);
        finished
    }
}
