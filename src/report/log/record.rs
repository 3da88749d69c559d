//! From the explorer's events to entries: every number becomes a name, every secret goes.

use crate::diagnostic::Place;
use crate::event::{
    Action, ActionTally, Closed, Confirmation, ConfirmationResult, Event, Exchange, Failure,
    Figures, Finished, Initial, Invariant, Limits, OracleKind, PathStep, Regression,
    RegressionOutcome, Shrink, ShrinkResult, SpecName, Started, Step, Stop, Time, VERSION,
    Violation, Warning,
};
use crate::explorer::event::{
    ActionSummary, Event as Observed, RunInfo, StepInfo, StopReason, Summary, TimeSpent,
};
use crate::model::{self, ActionId, InvariantId, Model, OracleId, OracleName, RegressionStatus};
use crate::secret::Secrets;
use crate::world::{self, WorldError};

/// What the events themselves do not say about a run.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The spec as it was named on the command line.
    pub spec: String,
    /// The command that does the same again.
    pub repeat: String,
    /// When the run was started, RFC 3339 in UTC.
    pub started_at: String,
    /// Where each action stands in the spec.
    pub actions: Vec<Option<Place>>,
    /// Where each invariant stands in the spec.
    pub invariants: Vec<Option<Place>>,
    /// What must not be shown: the secrets of the world, which goes on to learn.
    pub secrets: Secrets,
}

/// How much of each step is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// Nobody asks for steps.
    #[default]
    None,
    /// Where it led.
    Brief,
    /// Request, answer and rows too.
    Whole,
}

/// Makes entries of events.
pub struct Recorder<'m> {
    model: &'m Model,
    subject: Subject,
    detail: Detail,
}

impl<'m> Recorder<'m> {
    /// A recorder of one run over this model.
    pub fn new(model: &'m Model, subject: Subject, detail: Detail) -> Self {
        Self {
            model,
            subject,
            detail,
        }
    }

    /// The entry for an event; `None` for one that nobody asks for.
    pub fn entry(&mut self, event: &Observed<'_>) -> Option<Event> {
        let entry = match event {
            Observed::Started(info) => Event::Started(Box::new(self.started(info))),
            Observed::Initial { fingerprint } => Event::Initial(Initial {
                fingerprint: fingerprint.to_string(),
            }),
            Observed::Step(info) => {
                if self.detail == Detail::None {
                    return None;
                }
                Event::Step(Box::new(self.step(info)))
            }
            Observed::Violation { violation } => {
                Event::Violation(Box::new(self.violation(violation)))
            }
            // Figures hold no text.
            Observed::Progress(progress) => return Some(Event::Progress(figures(progress))),
            // The summary has all of them.
            Observed::Regression(_) => return None,
            Observed::Warning(said) => Event::Warning(warning(said)),
            Observed::Finished(summary) => Event::Finished(Box::new(self.finished(summary))),
        };
        Some(self.without_secrets(&entry))
    }

    /// The last entry: everything has been put back, or could not be. `replay` has the command that runs it again for each
    /// violation of the summary.
    pub fn closed(&self, cleanup: Option<&WorldError>, replay: Vec<Option<String>>) -> Event {
        self.without_secrets(&Event::Closed(Closed {
            cleanup: cleanup.map(failure),
            replay,
        }))
    }

    /// The event without secrets. A run whose end cannot be shown without them has failed.
    fn without_secrets(&self, event: &Event) -> Event {
        const MESSAGE: &str = "a word of the log's format is a secret, and cannot be hidden";
        self.subject
            .secrets
            .hidden(event)
            .unwrap_or_else(|_| match event {
                Event::Finished(finished) => Event::Finished(Box::new(Finished {
                    stop: Stop::Failed {
                        error: Failure {
                            kind: "report".to_owned(),
                            message: MESSAGE.to_owned(),
                            details: Vec::new(),
                            help: Some("give the secret another value".to_owned()),
                        },
                        path: Vec::new(),
                    },
                    actions: vec![ActionTally::default(); finished.actions.len()],
                    violations: Vec::new(),
                    corpus: Vec::new(),
                    warnings: Vec::new(),
                    ..Finished::clone(finished)
                })),
                _ => Event::Warning(Warning {
                    code: "secret-word".to_owned(),
                    message: format!("an event is left out: {MESSAGE}"),
                    help: Some("give the secret another value".to_owned()),
                    untrusted: true,
                }),
            })
    }

    fn started(&self, info: &RunInfo<'_>) -> Started {
        Started {
            version: VERSION,
            venomqa: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.subject.started_at.clone(),
            spec: SpecName {
                name: info.model.name.clone(),
                path: self.subject.spec.clone(),
            },
            strategy: info.strategy.to_owned(),
            seed: info.seed,
            limits: Limits {
                max_steps: info.limits.max_steps,
                max_depth: info.limits.max_depth,
                coverage_target: info.limits.coverage_target,
                time_limit_ms: info
                    .limits
                    .time_limit
                    .map(|limit| limit.as_micros() as f64 / 1000.0),
                fail_fast: info.limits.fail_fast,
            },
            repeat: self.subject.repeat.clone(),
            merged: Vec::new(),
            actions: info
                .model
                .actions
                .iter()
                .zip(places(&self.subject.actions))
                .map(|(action, place)| Action {
                    name: action.name.clone(),
                    base_name: action.base_name.clone(),
                    method: action.request.method.clone(),
                    path: action.request.path.source().to_owned(),
                    place,
                })
                .collect(),
            invariants: info
                .model
                .invariants
                .iter()
                .zip(places(&self.subject.invariants))
                .map(|(invariant, place)| Invariant {
                    name: invariant.name.clone(),
                    severity: invariant.severity,
                    place,
                })
                .collect(),
        }
    }

    fn step(&self, info: &StepInfo<'_>) -> Step {
        let mut broken: Vec<String> = Vec::new();
        for finding in info.findings {
            if !broken.iter().any(|name| **name == *finding.name) {
                broken.push(finding.name.to_string());
            }
        }
        Step {
            step: info.step,
            from: info.from.0,
            action: info.action.0,
            to: info.to.0,
            new_state: info.new_state,
            fingerprint: info.fingerprint.to_string(),
            status: info.status,
            judged: info
                .evaluated
                .iter()
                .filter_map(|oracle| match oracle {
                    OracleId::Invariant(InvariantId(id)) => {
                        Some(self.model.invariants[*id as usize].name.clone())
                    }
                    OracleId::Check(_) => None,
                })
                .collect(),
            broken,
            exchange: info
                .record
                .filter(|_| self.detail == Detail::Whole)
                .map(Exchange::of),
        }
    }

    fn finished(&self, summary: &Summary) -> Finished {
        Finished {
            figures: figures(&summary.progress),
            stop: self.stop(&summary.stop),
            transitions: summary.transitions,
            untried: summary.untried,
            deepest: summary.deepest,
            unchanged_steps: summary.unchanged_steps,
            actions: self
                .model
                .actions
                .iter()
                .zip(&summary.actions)
                .map(|(action, seen)| tally(action, seen))
                .collect(),
            corpus: summary.regressions.iter().map(Self::regression).collect(),
            violations: summary
                .violations
                .iter()
                .map(|found| self.violation(found))
                .collect(),
            warnings: summary.warnings.iter().map(warning).collect(),
            time: time(&summary.time),
        }
    }

    fn stop(&self, stop: &StopReason) -> Stop {
        match stop {
            StopReason::Complete { depth_limited } => Stop::Complete {
                depth_limited: *depth_limited,
            },
            StopReason::MaxSteps => Stop::MaxSteps,
            StopReason::TimeLimit => Stop::TimeLimit,
            StopReason::CoverageTarget => Stop::CoverageTarget,
            StopReason::FailFast(severity) => Stop::FailFast {
                severity: *severity,
            },
            StopReason::Interrupted => Stop::Interrupted,
            StopReason::Failed {
                kind,
                message,
                details,
                help,
                path,
            } => Stop::Failed {
                error: Failure {
                    kind: kind.name().to_owned(),
                    message: message.clone(),
                    details: details.clone(),
                    help: help.clone(),
                },
                path: path.iter().map(|id| self.action_name(*id)).collect(),
            },
        }
    }

    fn violation(&self, found: &model::Violation) -> Violation {
        let finding = &found.finding;
        Violation {
            number: found.number,
            oracle: match finding.oracle {
                OracleId::Invariant(_) => OracleKind::Invariant,
                OracleId::Check(_) => OracleKind::Check,
            },
            name: finding.name.to_string(),
            severity: finding.severity,
            message: finding.message.clone(),
            action: found.action.map(|id| self.action_name(id)),
            first_step: found.first_step,
            occurrences: found.occurrences,
            kind: finding.kind.clone(),
            shrink: shrink(&found.shrink),
            confirmation: confirmation(&found.confirmation),
            evidence: finding.evidence.clone(),
            replay: None,
            path: found
                .path
                .iter()
                .map(|step| PathStep {
                    action: self.action_name(step.action),
                    exchange: step.record.as_deref().map(Exchange::of),
                })
                .collect(),
        }
    }

    fn regression(tried: &model::RegressionOutcome) -> Regression {
        let (oracle, name) = match &tried.oracle {
            OracleName::Invariant(name) => (OracleKind::Invariant, name),
            OracleName::Check(name) => (OracleKind::Check, name),
        };
        let (outcome, reason) = match &tried.status {
            RegressionStatus::StillFailing => (RegressionOutcome::StillFailing, None),
            RegressionStatus::Fixed => (RegressionOutcome::Fixed, None),
            RegressionStatus::NotTried(why) => (RegressionOutcome::NotTried, Some(why.clone())),
        };
        Regression {
            file: tried.file.clone(),
            oracle,
            name: name.clone(),
            action: tried.action.clone(),
            outcome,
            reason,
        }
    }

    fn action_name(&self, id: ActionId) -> String {
        self.model.action(id).name.clone()
    }
}

fn shrink(shrink: &model::Shrink) -> Shrink {
    let (result, reason) = match &shrink.result {
        model::ShrinkResult::NotTried(reason) => (ShrinkResult::NotTried, Some(reason)),
        model::ShrinkResult::Minimal => (ShrinkResult::Minimal, None),
        model::ShrinkResult::Unfinished(reason) => (ShrinkResult::Unfinished, Some(reason)),
        model::ShrinkResult::TakenBack(reason) => (ShrinkResult::TakenBack, Some(reason)),
    };
    Shrink {
        result,
        found_length: shrink.found_length,
        requests: shrink.requests,
        reason: reason.cloned(),
    }
}

fn confirmation(confirmation: &model::Confirmation) -> Confirmation {
    let (result, attempts, reason) = match confirmation {
        model::Confirmation::Confirmed { times, of } => {
            (ConfirmationResult::Confirmed, Some((*times, *of)), None)
        }
        model::Confirmation::Unconfirmed { times, of, reason } => (
            ConfirmationResult::Unconfirmed,
            Some((*times, *of)),
            Some(reason),
        ),
        model::Confirmation::NotTried(reason) => (ConfirmationResult::NotTried, None, Some(reason)),
    };
    Confirmation {
        result,
        times: attempts.map(|(times, _)| times),
        of: attempts.map(|(_, of)| of),
        reason: reason.cloned(),
    }
}

fn places(known: &[Option<Place>]) -> impl Iterator<Item = Option<Place>> + '_ {
    known.iter().copied().chain(std::iter::repeat(None))
}

fn figures(progress: &crate::explorer::event::Progress) -> Figures {
    Figures {
        step: progress.step,
        max_steps: progress.max_steps,
        states: progress.states,
        coverage: progress.coverage,
        violations: progress.violations,
    }
}

fn warning(warning: &world::Warning) -> Warning {
    Warning {
        code: warning.code.name().to_owned(),
        message: warning.message.clone(),
        help: warning.help.clone(),
        untrusted: warning.untrusted,
    }
}

fn failure(error: &WorldError) -> Failure {
    Failure {
        kind: error.kind.name().to_owned(),
        message: error.message.clone(),
        details: error.details.clone(),
        help: error.help.clone(),
    }
}

fn tally(action: &model::Action, seen: &ActionSummary) -> ActionTally {
    let expected = |status: u16| !action.expect.status.is_empty() && action.expect.allows(status);
    ActionTally {
        runs: seen.runs,
        statuses: seen.statuses.clone(),
        new_states: seen.new_states,
        unchanged: seen.unchanged,
        always_refused: seen.runs > 0
            && !seen.statuses.is_empty()
            && seen
                .statuses
                .iter()
                .all(|(status, _)| *status >= 400 && !expected(*status)),
        never_ran: seen.never_ran.clone(),
        advice: seen.advice.clone(),
    }
}

fn time(time: &TimeSpent) -> Time {
    Time {
        total: time.total,
        http: time.http,
        journal: time.journal,
        restore: time.restore,
        oracles: time.oracles,
        engine: time.engine(),
        shrink: time.shrink,
        confirm: time.confirm,
    }
}
