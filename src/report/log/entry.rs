//! What can stand in a run log.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::exchange::{Exchange, PathStep};
use crate::diagnostic::Place;
use crate::model::{Evidence, Severity};

/// One line of a run log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Entry {
    /// A run begins. Always the first.
    Started(Box<Started>),
    /// The initial state is reached: setup went well.
    Initial(Initial),
    /// A step was taken and judged.
    Step(Box<Step>),
    /// An oracle said no for the first time about an action.
    ///
    /// The violation is whole but for what only the end of the run tells: its path has no requests, and nobody has tried
    /// to make it happen again.
    Violation(Box<Violation>),
    /// How far the run is.
    Progress(Figures),
    /// Something the user should know.
    Warning(Warning),
    /// The walk is over.
    Finished(Box<Finished>),
    /// What the run had touched has been put back. Always the last; a log without it is that of a run that was killed.
    Closed(Closed),
}

/// What a run is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Started {
    /// [`VERSION`](super::VERSION) of the format.
    pub version: u32,
    /// Version of the program.
    pub venomqa: String,
    /// When, RFC 3339 in UTC.
    pub started_at: String,
    /// Which spec.
    pub spec: SpecName,
    /// Name of the strategy.
    pub strategy: String,
    /// The seed of every random choice.
    pub seed: u64,
    /// The limits.
    pub limits: Limits,
    /// The command that does the same again.
    pub repeat: String,
    /// Everything that can be done, in the order of the spec.
    pub actions: Vec<Action>,
    /// Everything that must hold, in the order of the spec.
    pub invariants: Vec<Invariant>,
    /// Of what this run was merged; empty for a run that was run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub merged: Vec<Part>,
}

/// One of the runs that a merged run was made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// When, RFC 3339 in UTC.
    pub started_at: String,
    /// Name of the strategy.
    pub strategy: String,
    /// The seed of every random choice.
    pub seed: u64,
    /// The limits.
    pub limits: Limits,
    /// The command that does the same again.
    pub repeat: String,
    /// What identifies its initial state; `None` where it did not get that far.
    pub initial: Option<String>,
    /// Steps taken.
    pub steps: u64,
    /// States known, the initial one included.
    pub states: u64,
    /// Enabled (state, action) pairs that were left.
    pub untried: u64,
    /// Why it ended.
    pub stop: Stop,
    /// Why something could not be put back as it was before the run.
    pub cleanup: Option<Failure>,
}

/// A spec as it was named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecName {
    /// `name:` in the spec.
    pub name: String,
    /// As given on the command line.
    pub path: String,
}

/// The limits of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Steps to take at the most.
    pub max_steps: u64,
    /// Longest path.
    pub max_depth: u32,
    /// Stop once this share of the actions has run.
    pub coverage_target: Option<f64>,
    /// Stop after this time, in milliseconds.
    pub time_limit_ms: Option<f64>,
    /// Stop at a violation of this severity.
    pub fail_fast: Option<Severity>,
}

/// One action of the spec.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// With its parameters: `refund_order(n=50)`.
    pub name: String,
    /// As the spec declares it: `refund_order`.
    pub base_name: String,
    /// Of its request.
    pub method: String,
    /// The template of its path.
    pub path: String,
    /// Where it stands in the spec.
    pub place: Option<Place>,
}

/// One invariant of the spec.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Invariant {
    /// Its name.
    pub name: String,
    /// How bad it is when it does not hold.
    pub severity: Severity,
    /// Where it stands in the spec.
    pub place: Option<Place>,
}

/// The state in which the walk begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Initial {
    /// What identifies it, in hexadecimal: see [`Step::fingerprint`].
    pub fingerprint: String,
}

/// One step as it ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// From 1.
    pub step: u64,
    /// Number of the state where it began; 0 is the initial one.
    pub from: u32,
    /// Position in [`Started::actions`].
    pub action: u32,
    /// Number of the state where it led.
    pub to: u32,
    /// Whether nobody had been there before.
    pub new_state: bool,
    /// What identifies the state where it led, in hexadecimal: the same on every run over the same spec and data.
    pub fingerprint: String,
    /// Status of the answer; 0 in worlds without HTTP.
    pub status: u16,
    /// Names of the oracles that were asked, in the order of the spec.
    pub judged: Vec<String>,
    /// Names of those that said no.
    pub broken: Vec<String>,
    /// What was seen. Left out where no report asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exchange: Option<Exchange>,
}

/// Figures of the progress line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
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

/// Something the user should know although the run goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// Stable code, explained in `docs/diagnostics.md`.
    pub code: String,
    /// What was seen.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Whether verdicts can no longer be relied on.
    pub untrusted: bool,
}

/// How a walk ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// Last figures.
    pub figures: Figures,
    /// Why it ended.
    pub stop: Stop,
    /// Distinct (state, action) pairs that were tried.
    pub transitions: u64,
    /// Enabled (state, action) pairs that were left.
    pub untried: u64,
    /// Greatest depth of a state, in steps.
    pub deepest: u32,
    /// Steps that left the state as it was.
    pub unchanged_steps: u64,
    /// What is known of each action, in the order of [`Started::actions`].
    pub actions: Vec<ActionTally>,
    /// The worst first, each with its shortest path.
    pub violations: Vec<Violation>,
    /// What became of the reproductions that were tried before the walk.
    #[serde(default)]
    pub corpus: Vec<Regression>,
    /// Warnings of the whole run, each once.
    pub warnings: Vec<Warning>,
    /// Where the time went.
    pub time: Time,
}

/// What a run knows of one action.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ActionTally {
    /// Steps that ran it.
    pub runs: u64,
    /// Runs by status of the answer, ascending.
    pub statuses: Vec<(u16, u64)>,
    /// Runs that led to a state nobody had been in.
    pub new_states: u64,
    /// Runs that left the state as it was.
    pub unchanged: u64,
    /// Whether it ran and every answer was 400 or above without the spec expecting that.
    pub always_refused: bool,
    /// For an action that never ran: what kept it away.
    pub never_ran: Option<String>,
    /// Advice about the action.
    pub advice: Option<String>,
}

/// Why a run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum Stop {
    /// Every enabled action was tried in every reachable state.
    Complete {
        /// Whether `max_depth` kept some states from being expanded.
        depth_limited: bool,
    },
    /// `max_steps` were taken.
    MaxSteps,
    /// `time_limit` is over.
    TimeLimit,
    /// `coverage_target` is reached.
    CoverageTarget,
    /// A violation of this severity was found.
    FailFast {
        /// The severity.
        severity: Severity,
    },
    /// The user asked to stop.
    Interrupted,
    /// The run cannot go on or cannot be trusted.
    Failed {
        /// What happened.
        error: Failure,
        /// The actions from the initial state to the failure, the failing one last; empty when it failed elsewhere.
        path: Vec<String>,
    },
    /// The log ends here: the run was killed.
    CutOff,
    /// The runs that were merged ended for several reasons, see [`Started::merged`].
    Several,
}

/// Something that went wrong with the run itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Which part: `service`, `system`, `restore`, `request`, `interrupted`.
    pub kind: String,
    /// What happened.
    pub message: String,
    /// Lines that help to understand it.
    pub details: Vec<String>,
    /// What to do next.
    pub help: Option<String>,
}

/// What an oracle is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OracleKind {
    /// Declared in the spec.
    Invariant,
    /// Built in.
    Check,
}

/// A bug.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Violation {
    /// In the order found, from 1.
    pub number: u32,
    /// Who said no.
    pub oracle: OracleKind,
    /// Its name.
    pub name: String,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// The action whose step broke it; `None` where the initial state is broken already.
    pub action: Option<String>,
    /// At which step of the run it was first seen.
    pub first_step: u64,
    /// In how many transitions the same action broke the same thing.
    pub occurrences: u64,
    /// Which of the things that the oracle looks at it was: the status, the name of an extraction, a JSONPath.
    pub kind: String,
    /// How the path was made short.
    pub shrink: Shrink,
    /// Whether it happened again.
    pub confirmation: Confirmation,
    /// What proves it.
    pub evidence: Evidence,
    /// The shortest path known, the breaking step last.
    pub path: Vec<PathStep>,
    /// The command that runs the path again, where there is a file with it. In a log it stands in the last entry.
    #[serde(default)]
    pub replay: Option<String>,
}

/// A reproduction that was tried before the walk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Regression {
    /// Its file.
    pub file: String,
    /// Who said no when it was written.
    pub oracle: OracleKind,
    /// Name of that oracle.
    pub name: String,
    /// The action whose step broke it; `None` where the initial state was broken.
    pub action: Option<String>,
    /// What became of it.
    pub outcome: RegressionOutcome,
    /// Why it was not tried.
    pub reason: Option<String>,
}

/// What became of a reproduction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegressionOutcome {
    /// It still happens, and is among the violations of the run.
    StillFailing,
    /// It does not happen any more.
    Fixed,
    /// It cannot be tried any more.
    NotTried,
}

/// How a path was made short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shrink {
    /// What came of it.
    pub result: ShrinkResult,
    /// Steps of the shortest path that the walk had found.
    pub found_length: u32,
    /// Requests that the search sent.
    pub requests: u64,
    /// For all but `minimal`: why.
    pub reason: Option<String>,
}

/// What came of making a path short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShrinkResult {
    /// Not tried.
    NotTried,
    /// Without any one of its steps it does not happen.
    Minimal,
    /// The shortest found until something ended the search.
    Unfinished,
    /// A shorter path did not happen again from the initial state: this is the one that the walk found.
    TakenBack,
}

/// Whether a violation happened again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// In a word.
    pub result: ConfirmationResult,
    /// In how many attempts it happened again; `None` where nobody tried.
    pub times: Option<u32>,
    /// How many attempts there were; `None` where nobody tried.
    pub of: Option<u32>,
    /// For the last two results: what happened instead, or why it was not tried.
    pub reason: Option<String>,
}

/// Whether a violation happened again, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConfirmationResult {
    /// It did, each time.
    Confirmed,
    /// It did not, or not each time.
    Unconfirmed,
    /// Nobody tried.
    NotTried,
}

/// Where the time of a run went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Time {
    /// The walk: the next four, and the engine itself.
    #[serde(rename = "total_ms", with = "super::milliseconds")]
    pub total: Duration,
    /// Waiting for answers of the service.
    #[serde(rename = "http_ms", with = "super::milliseconds")]
    pub http: Duration,
    /// Reading journals.
    #[serde(rename = "journal_ms", with = "super::milliseconds")]
    pub journal: Duration,
    /// Writing rows back, and proving it.
    #[serde(rename = "restore_ms", with = "super::milliseconds")]
    pub restore: Duration,
    /// Judging.
    #[serde(rename = "oracles_ms", with = "super::milliseconds")]
    pub oracles: Duration,
    /// Choosing, hashing, recording.
    #[serde(rename = "engine_ms", with = "super::milliseconds")]
    pub engine: Duration,
    /// Looking for shorter paths, after the walk.
    #[serde(rename = "shrink_ms", with = "super::milliseconds")]
    pub shrink: Duration,
    /// Running violations again, after that.
    #[serde(rename = "confirm_ms", with = "super::milliseconds")]
    pub confirm: Duration,
}

/// What is left to say once everything has been put back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// Why something could not be put back as it was before the run.
    pub cleanup: Option<Failure>,
    /// For each violation of [`Finished`], the command that runs its path again, where there is a file with it.
    #[serde(default)]
    pub replay: Vec<Option<String>>,
}
