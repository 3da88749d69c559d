//! One run as reports see it, and what it means.

use std::sync::Arc;

use crate::explorer::budget::Limits;
use crate::explorer::event::{ActionSummary, Progress, StopReason, Summary, TimeSpent};
use crate::model::{Action, ActionId, Model, Severity};
use crate::world::{WorldError, WorldErrorKind};

use super::text::{count, thousands};

/// One run of one spec, when it is over.
#[derive(Clone, Debug)]
pub struct Run {
    /// The spec as it was named on the command line.
    pub spec: String,
    /// What was explored.
    pub model: Arc<Model>,
    /// Name of the strategy.
    pub strategy: String,
    /// The seed of every random choice.
    pub seed: u64,
    /// The limits.
    pub limits: Limits,
    /// The command that does the same again.
    pub repeat: String,
    /// How it ended.
    pub summary: Summary,
    /// Why the databases could not be put back to their content before the run, or the service could not be stopped.
    pub cleanup: Option<WorldError>,
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
    /// The summary of a run whose world did not even start.
    pub fn not_started(model: &Model, limits: &Limits, error: &WorldError) -> Summary {
        Summary {
            progress: Progress {
                step: 0,
                max_steps: limits.max_steps,
                states: 0,
                coverage: 0.0,
                violations: 0,
            },
            stop: if error.kind == WorldErrorKind::Interrupted {
                StopReason::Interrupted
            } else {
                StopReason::Failed {
                    kind: error.kind,
                    message: error.message.clone(),
                    details: error.details.clone(),
                    help: error.help.clone(),
                    path: Vec::new(),
                }
            },
            transitions: 0,
            untried: 0,
            deepest: 0,
            unchanged_steps: 0,
            actions: vec![
                ActionSummary {
                    never_ran: Some("the run did not get that far".to_owned()),
                    ..ActionSummary::default()
                };
                model.actions.len()
            ],
            violations: Vec::new(),
            warnings: Vec::new(),
            time: TimeSpent::default(),
        }
    }

    /// What the run means. The worst counts.
    pub fn outcome(&self) -> Outcome {
        if self.summary.stop == StopReason::Interrupted {
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
        if let StopReason::Failed { message, .. } = &summary.stop {
            causes.push(Cause::Stopped(message.clone()));
        } else if summary.progress.step == 0 && summary.stop != StopReason::Interrupted {
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
                count(self.model.actions.len() as u64, "action")
            ));
        }
        let ran = self.actions().filter(|(_, _, seen)| seen.runs > 0).count();
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
        let steps = summary.progress.step;
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
                match (summary.progress.step, found) {
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
                count(summary.progress.states, "state")
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
                    .filter(|violation| violation.finding.severity == *severity)
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
            StopReason::Complete {
                depth_limited: false,
            } => "complete: every reachable state within these limits was visited".to_owned(),
            StopReason::Complete {
                depth_limited: true,
            } => format!(
                "complete to depth {}: every state that near was visited, deeper ones were not (`--max-depth`)",
                self.limits.max_depth
            ),
            StopReason::MaxSteps => format!(
                "`--max-steps`: all {} were taken{untried}",
                count(self.limits.max_steps, "step")
            ),
            StopReason::TimeLimit => format!("`--time-limit` was reached{untried}"),
            StopReason::CoverageTarget => format!("`--coverage-target` was reached{untried}"),
            StopReason::FailFast(severity) => {
                format!("`--fail-fast`: a violation of severity {severity} was found{untried}")
            }
            StopReason::Interrupted => format!("interrupted{untried}"),
            StopReason::Failed { message, .. } => format!("failed: {message}"),
        }
    }

    /// Every action with what is known of it.
    pub fn actions(&self) -> impl Iterator<Item = (ActionId, &Action, &ActionSummary)> {
        self.model
            .action_ids()
            .zip(&self.model.actions)
            .zip(&self.summary.actions)
            .map(|((id, action), summary)| (id, action, summary))
    }

    /// Actions that never ran.
    pub fn never_ran(&self) -> impl Iterator<Item = (&Action, &ActionSummary)> {
        self.actions()
            .filter(|(_, _, seen)| seen.runs == 0)
            .map(|(_, action, seen)| (action, seen))
    }

    /// Actions that ran and were answered with 4xx or 5xx each time, without the spec expecting that.
    pub fn always_refused(&self) -> impl Iterator<Item = (&Action, &ActionSummary)> {
        self.actions()
            .filter(|(_, action, seen)| {
                let expected =
                    |status: u16| !action.expect.status.is_empty() && action.expect.allows(status);
                seen.runs > 0
                    && !seen.statuses.is_empty()
                    && seen
                        .statuses
                        .iter()
                        .all(|(status, _)| *status >= 400 && !expected(*status))
            })
            .map(|(_, action, seen)| (action, seen))
    }
}
