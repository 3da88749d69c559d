//! Builds runs from events.

use std::cmp::Reverse;

use super::RunReport;
use crate::event::{Detail, Event, Finished, Started, Step, Stop};

/// A run that is being built: more events may follow.
#[derive(Debug)]
pub(super) struct RunBuilder {
    run: RunReport,
    kept: Detail,
    /// The depth of each state, in steps from the initial state, on the path by which it was found.
    depths: Vec<u32>,
}

impl RunBuilder {
    /// A run that has begun. Unless more events follow, it was cut off. `detail` says how much of each step is kept.
    pub(super) fn new(started: Started, kept: Detail) -> Self {
        Self {
            run: RunReport::begun(started),
            kept,
            depths: vec![0],
        }
    }

    /// Adds the next event.
    pub(super) fn add(&mut self, entry: Event) {
        let run = &mut self.run;
        match entry {
            // A log holds one such entry for each run: its reader begins another builder there.
            Event::Started(started) => *self = Self::new(*started, self.kept),
            Event::Initial(initial) => {
                run.initial = Some(initial.fingerprint);
                run.summary.figures.states = 1;
            }
            Event::Step(mut step) => {
                self.count(&step);
                match self.kept {
                    Detail::None => return,
                    Detail::Brief => step.exchange = None,
                    Detail::Whole => {}
                }
                self.run.steps.push(*step);
            }
            Event::Violation(mut found) => {
                let killed = "the run was killed before";
                found.confirmation.reason = Some(killed.to_owned());
                found.shrink.reason = Some(killed.to_owned());
                run.summary.violations.push(*found);
                run.summary.figures.violations = run.summary.violations.len() as u64;
            }
            Event::Progress(figures) => run.summary.figures = figures,
            Event::Proving(_) => {}
            Event::Warning(warning) => {
                if !run.summary.warnings.contains(&warning) {
                    run.summary.warnings.push(warning);
                }
            }
            // The summary repeats the violations and warnings of earlier events, with more detail.
            Event::Finished(summary) => run.summary = *summary,
            Event::Closed(closed) => {
                run.cleanup = closed.cleanup;
                for warning in closed.warnings {
                    if !run.summary.warnings.contains(&warning) {
                        run.summary.warnings.push(warning);
                    }
                }
                for (violation, replay) in run.summary.violations.iter_mut().zip(closed.replay) {
                    violation.replay = replay;
                }
            }
        }
    }

    /// How the run ended, or its figures so far.
    pub(super) fn finished(&self) -> &Finished {
        &self.run.summary
    }

    /// The run, when no more events follow.
    pub(super) fn into_report(mut self) -> RunReport {
        let summary = &mut self.run.summary;
        if summary.stop == Stop::CutOff {
            // As the explorer does at the end of a run.
            summary
                .violations
                .sort_by_key(|found| (Reverse(found.severity), found.number));
        }
        self.run
    }

    /// Adds a step to the figures, because a run that is cut off has no summary.
    fn count(&mut self, step: &Step) {
        let summary = &mut self.run.summary;
        let figures = &mut summary.figures;
        figures.step = step.step;
        figures.states += u64::from(step.new_state);
        summary.transitions += 1;
        summary.unchanged_steps += u64::from(step.from == step.to);
        if step.new_state {
            let depth = self
                .depths
                .get(step.from as usize)
                .map_or(0, |from| from + 1);
            summary.deepest = summary.deepest.max(depth);
            let to = step.to as usize;
            // States are numbered as they are found; a log that says otherwise is no reason to fill the memory.
            if to == self.depths.len() {
                self.depths.push(depth);
            }
        }
        let Some(seen) = summary.actions.get_mut(step.action as usize) else {
            return;
        };
        seen.runs += 1;
        seen.new_states += u64::from(step.new_state);
        seen.unchanged += u64::from(step.from == step.to);
        match seen
            .statuses
            .binary_search_by_key(&step.status, |(status, _)| *status)
        {
            Ok(position) => seen.statuses[position].1 += 1,
            Err(position) => seen.statuses.insert(position, (step.status, 1)),
        }
        let actions = self.run.started.actions.iter().zip(&summary.actions);
        let able = actions.filter(|(action, _)| action.counts());
        let ran = able.clone().filter(|(_, seen)| seen.runs > 0).count();
        figures.coverage = ran as f64 / able.count() as f64;
    }
}
