//! The only way out of the engine: what happens, as it happens.
//!
//! Reports fold these and nothing else, so a report can be rebuilt from the event log alone.

use crate::model::{
    ActionId, Digest, Finding, Model, OracleId, RegressionOutcome, StepRecord, Violation,
};
use crate::world::{Warning, WorldError};

use super::graph::StateId;

pub use super::clock::TimeSpent;
pub use super::stop::StopReason;

/// Something that happened during a run.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// The run begins.
    Started(RunInfo<'a>),
    /// The world is in its initial state, which is about to be judged.
    Initial {
        /// What identifies it.
        fingerprint: Digest,
    },
    /// A step was taken and judged.
    Step(StepInfo<'a>),
    /// A violation was found for the first time.
    Violation {
        /// As known so far: not yet confirmed, the path without records.
        violation: &'a Violation,
    },
    /// A violation that an earlier run found was run again.
    Regression(&'a RegressionOutcome),
    /// Every `progress_every` steps, and after the last one.
    Progress(Progress),
    /// Something the user should know.
    Warning(&'a Warning),
    /// The walk is over, its violations are shrunk and confirmed as far as possible.
    Finished(&'a Summary),
}

/// What a run is about.
#[derive(Clone, Debug)]
pub struct RunInfo<'a> {
    /// What is explored.
    pub model: &'a Model,
    /// Name of the strategy.
    pub strategy: &'a str,
    /// The seed of every random choice.
    pub seed: u64,
    /// The limits.
    pub limits: &'a super::budget::Limits,
}

/// One step, as it ended.
#[derive(Clone, Debug)]
pub struct StepInfo<'a> {
    /// Number of the step, from 1.
    pub step: u64,
    /// Where it began.
    pub from: StateId,
    /// What was done.
    pub action: ActionId,
    /// Where it led.
    pub to: StateId,
    /// Whether the step led to a new state.
    pub new_state: bool,
    /// What identifies the state where it led.
    pub fingerprint: Digest,
    /// Status of the answer; 0 in worlds without HTTP.
    pub status: u16,
    /// The invariants that were evaluated, ascending.
    pub evaluated: &'a [OracleId],
    /// The new findings.
    pub findings: &'a [Finding],
    /// What was seen.
    pub record: Option<&'a StepRecord>,
}

/// Figures of the progress line: `step 50/500 | states 12 | coverage 60% | violations 0`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Steps taken.
    pub step: u64,
    /// Steps allowed.
    pub max_steps: u64,
    /// States known, the initial one included.
    pub states: u64,
    /// Share of the actions that ran at least once, 0 to 1.
    pub coverage: f64,
    /// Violations so far, equal ones counted once.
    pub violations: u64,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Last figures.
    pub progress: Progress,
    /// Why it ended.
    pub stop: StopReason,
    /// Transitions recorded: distinct (state, action) pairs that were tried.
    pub transitions: u64,
    /// Enabled (state, action) pairs that were not tried within the limits.
    pub untried: u64,
    /// Greatest depth of a state.
    pub deepest: u32,
    /// Steps that left the state as it was.
    pub unchanged_steps: u64,
    /// What is known of each action, by [`ActionId`].
    pub actions: Vec<ActionSummary>,
    /// The violations, the worst first, each with its shortest path.
    pub violations: Vec<Violation>,
    /// Whether the violations that earlier runs found still happen.
    pub regressions: Vec<RegressionOutcome>,
    /// Warnings of the whole run, each once.
    pub warnings: Vec<Warning>,
    /// Where the time went.
    pub time: TimeSpent,
}

/// What a run knows of one action.
#[derive(Clone, Debug, Default)]
pub struct ActionSummary {
    /// Steps that ran it.
    pub runs: u64,
    /// Runs by status of the answer, ascending.
    pub statuses: Vec<(u16, u64)>,
    /// Runs that led to a new state.
    pub new_states: u64,
    /// Runs that left the state as it was.
    pub unchanged: u64,
    /// For an action that never ran: what kept it from being enabled.
    pub never_ran: Option<String>,
    /// Advice about the action, for example to add a precondition.
    pub advice: Option<String>,
}

impl Summary {
    /// The summary of a run whose world did not even start.
    pub fn not_started(model: &Model, limits: &super::budget::Limits, error: &WorldError) -> Self {
        Self {
            progress: Progress {
                step: 0,
                max_steps: limits.max_steps,
                states: 0,
                coverage: 0.0,
                violations: 0,
            },
            stop: StopReason::of_error(error.clone(), Vec::new()),
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
            regressions: Vec::new(),
            warnings: Vec::new(),
            time: TimeSpent::default(),
        }
    }
}
