//! One run as reports see it, and what it means.

use crate::model::Severity;

use super::log::{
    Action, ActionTally, Entry, Failure, Figures, Finished, Started, Step, Stop, Time,
};
use super::text::{count, thousands};

/// One run of one spec: the entries of its log, folded.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// What it is about.
    pub started: Started,
    /// The steps, in the order taken; empty where nobody asked for them.
    pub steps: Vec<Step>,
    /// How it ended.
    pub summary: Finished,
    /// Why the databases could not be put back to their content before the run, or the service could not be stopped.
    pub cleanup: Option<Failure>,
}

impl Run {
    /// A run of which nothing is known but that it began: unless more entries follow, it was cut off.
    pub fn begun(started: Started) -> Self {
        let summary = Finished {
            figures: Figures {
                step: 0,
                max_steps: started.limits.max_steps,
                states: 0,
                coverage: 0.0,
                violations: 0,
            },
            stop: Stop::CutOff,
            transitions: 0,
            untried: 0,
            deepest: 0,
            unchanged_steps: 0,
            actions: vec![ActionTally::default(); started.actions.len()],
            violations: Vec::new(),
            corpus: Vec::new(),
            warnings: Vec::new(),
            time: Time::default(),
        };
        Self {
            started,
            steps: Vec::new(),
            summary,
            cleanup: None,
        }
    }

    /// What the next entry of the log adds.
    pub fn add(&mut self, entry: Entry) {
        match entry {
            // A log holds one such entry for each run: whoever reads it begins another run there.
            Entry::Started(started) => *self = Self::begun(*started),
            Entry::Step(step) => {
                self.count(&step);
                self.steps.push(*step);
            }
            // The summary has it whole; of a run that was cut off only the number is known.
            Entry::Violation(seen) => {
                self.summary.figures.violations =
                    self.summary.figures.violations.max(u64::from(seen.number));
            }
            Entry::Progress(figures) => self.summary.figures = figures,
            Entry::Warning(warning) => {
                if !self.summary.warnings.contains(&warning) {
                    self.summary.warnings.push(warning);
                }
            }
            Entry::Finished(summary) => self.summary = *summary,
            Entry::Closed(closed) => {
                self.cleanup = closed.cleanup;
                for (violation, replay) in self.summary.violations.iter_mut().zip(closed.replay) {
                    violation.replay = replay;
                }
            }
        }
    }

    /// What a step says about the figures, for the case that the run is cut off before it sums up.
    fn count(&mut self, step: &Step) {
        let summary = &mut self.summary;
        summary.figures.step = step.step;
        if let Some(seen) = summary.actions.get_mut(step.action as usize) {
            seen.runs += 1;
            seen.new_states += u64::from(step.new_state);
            seen.unchanged += u64::from(step.from == step.to);
            match seen
                .statuses
                .iter_mut()
                .find(|(status, _)| *status == step.status)
            {
                Some((_, runs)) => *runs += 1,
                None => seen.statuses.push((step.status, 1)),
            }
        }
    }
}

/// What a run means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every action ran, and no oracle said no.
    Clean,
    /// No oracle said no, but [`Run::gaps`] says what the run did not try.
    Incomplete,
    /// At least one oracle said no.
    Violations,
    /// The run could not be carried out, or its verdicts cannot be relied on.
    Failed,
    /// The user asked to stop before it was over.
    Interrupted,
}

impl Outcome {
    /// The word used in the JSON report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Incomplete => "incomplete",
            Self::Violations => "violations",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}

/// Why a run is [`Outcome::Failed`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It could not go on.
    Stopped(String),
    /// It ended, but the databases or the service could not be left as they were found.
    Cleanup(String),
    /// What the world said shows that verdicts cannot be relied on.
    Untrusted(String),
    /// It took no step at all.
    NoStep,
}

impl Run {
    /// What the run means. The worst counts.
    pub fn outcome(&self) -> Outcome {
        if self.summary.stop == Stop::Interrupted {
            Outcome::Interrupted
        } else if !self.causes().is_empty() {
            Outcome::Failed
        } else if !self.summary.violations.is_empty() {
            Outcome::Violations
        } else if !self.gaps().is_empty() {
            Outcome::Incomplete
        } else {
            Outcome::Clean
        }
    }

    /// Everything that makes the run one that failed; empty when it did not.
    pub fn causes(&self) -> Vec<Cause> {
        let mut causes = Vec::new();
        let summary = &self.summary;
        if let Stop::Failed { error, .. } = &summary.stop {
            causes.push(Cause::Stopped(error.message.clone()));
        } else if summary.stop == Stop::CutOff {
            causes.push(Cause::Stopped("the run was killed".to_owned()));
        } else if summary.figures.step == 0
            && !matches!(summary.stop, Stop::Interrupted | Stop::FailFast { .. })
        {
            causes.push(Cause::NoStep);
        }
        causes.extend(
            summary
                .warnings
                .iter()
                .filter(|warning| warning.untrusted)
                .map(|warning| Cause::Untrusted(warning.message.clone())),
        );
        causes.extend(
            self.cleanup
                .iter()
                .map(|error| Cause::Cleanup(error.message.clone())),
        );
        causes
    }

    /// What a run without violations must not hide: in words, empty when there is nothing.
    pub fn gaps(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        let never = self.never_ran().count() as u64;
        if never > 0 {
            gaps.push(format!(
                "{} of {} never ran",
                thousands(never),
                count(self.started.actions.len() as u64, "action")
            ));
        }
        let ran = self.actions().filter(|(_, seen)| seen.runs > 0).count();
        let refused = self.always_refused().count();
        if ran > 0 && refused == ran {
            gaps.push("every request was refused".to_owned());
        }
        gaps
    }

    /// One line that says how it went.
    pub fn headline(&self) -> String {
        let summary = &self.summary;
        let found = summary.violations.len() as u64;
        let steps = summary.figures.step;
        match self.outcome() {
            Outcome::Interrupted => {
                format!(
                    "interrupted after {}: {} so far",
                    count(steps, "step"),
                    if found == 0 {
                        "no violation".to_owned()
                    } else {
                        self.tally()
                    }
                )
            }
            Outcome::Failed => {
                let verb = match self.causes().first() {
                    Some(Cause::NoStep) => {
                        "nothing was tested: no action can run in the initial state"
                    }
                    Some(Cause::Stopped(_)) => "the run failed",
                    Some(Cause::Cleanup(_)) => "the run left traces",
                    Some(Cause::Untrusted(_)) | None => "the run cannot be trusted",
                };
                let steps = count(steps, "step");
                match (summary.figures.step, found) {
                    (0, _) => verb.to_owned(),
                    (_, 0) => {
                        format!("{verb} after {steps}: no violation so far, which proves nothing")
                    }
                    _ => format!("{verb} after {steps}: {}", self.tally()),
                }
            }
            Outcome::Violations => format!("{} in {}", self.tally(), count(steps, "step")),
            Outcome::Incomplete => format!(
                "no violation found in {}, but {}",
                count(steps, "step"),
                self.gaps().join(" and ")
            ),
            Outcome::Clean => format!(
                "no violation in {}, {}",
                count(steps, "step"),
                count(summary.figures.states, "state")
            ),
        }
    }

    /// `3 violations (2 critical, 1 low)`.
    fn tally(&self) -> String {
        let found = &self.summary.violations;
        let parts: Vec<String> = Severity::ALL
            .iter()
            .rev()
            .filter_map(|severity| {
                let number = found
                    .iter()
                    .filter(|violation| violation.severity == *severity)
                    .count();
                (number > 0).then(|| format!("{number} {severity}"))
            })
            .collect();
        format!(
            "{} ({})",
            count(found.len() as u64, "violation"),
            parts.join(", ")
        )
    }

    /// Why the run ended, as a clause.
    pub fn stop_sentence(&self) -> String {
        let summary = &self.summary;
        let untried = if summary.untried == 0 {
            String::new()
        } else {
            format!(
                "; {} left to try",
                count(summary.untried, "enabled (state, action) pair")
            )
        };
        match &summary.stop {
            Stop::Complete {
                depth_limited: false,
            } => "complete: every reachable state within these limits was visited".to_owned(),
            Stop::Complete {
                depth_limited: true,
            } => format!(
                "complete to depth {}: every state that near was visited, deeper ones were not (`--max-depth`)",
                self.started.limits.max_depth
            ),
            Stop::MaxSteps => format!(
                "`--max-steps`: all {} were taken{untried}",
                count(self.started.limits.max_steps, "step")
            ),
            Stop::TimeLimit => format!("`--time-limit` was reached{untried}"),
            Stop::CoverageTarget => format!("`--coverage-target` was reached{untried}"),
            Stop::FailFast { severity } => {
                format!("`--fail-fast`: a violation of severity {severity} was found{untried}")
            }
            Stop::Interrupted => format!("interrupted{untried}"),
            Stop::Failed { error, .. } => format!("failed: {}", error.message),
            Stop::CutOff => "cut off: the run was killed before it was over".to_owned(),
        }
    }

    /// Every action with what is known of it.
    pub fn actions(&self) -> impl Iterator<Item = (&Action, &ActionTally)> {
        self.started.actions.iter().zip(&self.summary.actions)
    }

    /// Actions that never ran.
    pub fn never_ran(&self) -> impl Iterator<Item = (&Action, &ActionTally)> {
        self.actions().filter(|(_, seen)| seen.runs == 0)
    }

    /// Actions that ran and were answered with 4xx or 5xx each time, without the spec expecting that.
    pub fn always_refused(&self) -> impl Iterator<Item = (&Action, &ActionTally)> {
        self.actions().filter(|(_, seen)| seen.always_refused)
    }
}
