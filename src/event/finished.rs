//! How a run ends, and what is counted on the way.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{OracleKind, Violation};
use crate::model::Severity;
use crate::world::{self, WorldError, WorldErrorKind};

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
    /// How many of them are put off, because they would most likely repeat what is known.
    #[serde(default)]
    pub postponed: u64,
    /// Steps that had been put off before they were taken.
    #[serde(default)]
    pub repetitions: u64,
    /// Steps that led to a known state which differs in what the identity leaves out.
    #[serde(default)]
    pub merges: Merges,
    /// Greatest depth of a state, in steps.
    pub deepest: u32,
    /// Steps that left the state as it was.
    pub unchanged_steps: u64,
    /// What is known of each action, in the order of [`Started::actions`](super::Started::actions).
    pub actions: Vec<ActionTally>,
    /// What is known of each invariant, in the order of [`Started::invariants`](super::Started::invariants).
    #[serde(default)]
    pub invariants: Vec<InvariantTally>,
    /// The worst first, each with its shortest path.
    pub violations: Vec<Violation>,
    /// Causes of the baseline that the run did not see.
    #[serde(default)]
    #[serde(serialize_with = "crate::secret::as_format")]
    pub known_not_seen: Vec<String>,
    /// Why nobody knows whether the service keeps state in its process, which a restore does not reach; `None` where that was looked
    /// into, or does not matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "crate::secret::as_format")]
    pub process_unknown: Option<String>,
    /// What became of the reproductions that were tried before the walk.
    #[serde(default)]
    pub corpus: Vec<Regression>,
    /// Warnings of the whole run, each once.
    pub warnings: Vec<Warning>,
    /// Where the time went.
    pub time: Time,
}

/// Merges of states that are equal but for generated ids and for values that are another one each time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merges {
    /// Steps that led to a known state which differs in what the identity leaves out.
    pub steps: u64,
    /// How many of them were looked into: the same actions were run from both states.
    pub audited: u64,
    /// How many of these were wrong. They were taken back, with all others of their kind.
    pub wrong: u64,
}

impl Merges {
    /// Takes in those of another run.
    pub fn add(&mut self, other: Self) {
        self.steps += other.steps;
        self.audited += other.audited;
        self.wrong += other.wrong;
    }
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

/// How far the run is with what it has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proving {
    /// What is done with it.
    pub phase: Phase,
    /// Which violation it is the turn of, from 1.
    pub number: u32,
    /// How many there are.
    pub of: u32,
}

/// What is done after the walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Shorter paths are looked for.
    Shrinking,
    /// Their paths are run again.
    Confirming,
    /// The service is asked whether it keeps state in its process.
    Process,
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
    /// Every enabled action was tried in every state that was reached, but answers were lost to rate limits; a warning says more.
    RateLimited,
    /// The service no longer knew the login of the run; a warning says more.
    LoginLost,
    /// The user asked to stop.
    Interrupted,
    /// The run cannot go on or cannot be trusted.
    Failed {
        /// What happened.
        error: Failure,
        /// The actions from the initial state to the failure, the failing one last; empty when it failed elsewhere.
        #[serde(serialize_with = "crate::secret::as_format")]
        path: Vec<String>,
    },
    /// The log ends here: the run was killed.
    CutOff,
    /// The runs that were merged ended for several reasons, see [`Started::merged`](super::Started::merged).
    Several,
}

/// Something that went wrong with the run itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Which part: `service`, `system`, `restore`, `request`, `interrupted`.
    #[serde(serialize_with = "crate::secret::as_format")]
    pub kind: String,
    /// What happened.
    pub message: String,
    /// Lines that help to understand it.
    pub details: Vec<String>,
    /// What to do next.
    pub help: Option<String>,
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
    /// Whether it ran and no answer was an acceptance, nor one that the spec lists.
    pub always_refused: bool,
    /// For an action that never ran: what kept it away.
    pub never_ran: Option<String>,
    /// Advice about the action.
    pub advice: Option<String>,
}

/// What a run knows of one invariant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvariantTally {
    /// Answers and states on which it could be judged.
    pub judged: u64,
    /// Answers and states on which it should have been judged, and could not be.
    pub unjudged: u64,
}

/// A reproduction that was tried before the walk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Regression {
    /// Its file.
    #[serde(serialize_with = "crate::secret::as_format")]
    pub file: String,
    /// Who said no when it was written.
    pub oracle: OracleKind,
    /// Name of that oracle.
    #[serde(serialize_with = "crate::secret::as_format")]
    pub name: String,
    /// The action whose step broke it; `None` where the initial state was broken.
    #[serde(serialize_with = "crate::secret::as_format")]
    pub action: Option<String>,
    /// What became of it.
    pub outcome: RegressionOutcome,
    /// Why it was not tried, or could not be judged.
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
    /// It was tried, and its oracle could not say whether it still happens.
    NotJudged,
    /// It cannot be tried any more.
    NotTried,
}

/// Something the user should know although the run goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// Stable code, explained in `docs/diagnostics.md`.
    #[serde(serialize_with = "crate::secret::as_format")]
    pub code: String,
    /// What was seen.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Whether verdicts can no longer be relied on.
    pub untrusted: bool,
}

/// Where the time of a run went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Time {
    /// The walk and what comes after it: all that follow.
    #[serde(rename = "total_ms", with = "super::milliseconds")]
    pub total: Duration,
    /// Waiting for answers of the service to the requests of steps.
    #[serde(rename = "http_ms", with = "super::milliseconds")]
    pub http: Duration,
    /// Reading journals.
    #[serde(rename = "journal_ms", with = "super::milliseconds")]
    pub journal: Duration,
    /// Writing rows back, and proving it.
    #[serde(rename = "restore_ms", with = "super::milliseconds")]
    pub restore: Duration,
    /// Waiting for what the service writes after it has answered (`settle`).
    #[serde(rename = "settle_ms", default, with = "super::milliseconds")]
    pub settle: Duration,
    /// Starting the service again, until it was ready.
    #[serde(rename = "start_ms", default, with = "super::milliseconds")]
    pub start: Duration,
    /// Judging, with the probes of invariants.
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
    /// What was seen while everything was put back, and what was left as it is.
    #[serde(default)]
    pub warnings: Vec<Warning>,
    /// For each violation of [`Finished`], the command that runs its path again, where there is a file with it.
    #[serde(default)]
    #[serde(serialize_with = "crate::secret::as_format")]
    pub replay: Vec<Option<String>>,
}

impl Stop {
    /// The reason that an error is. `path` names the actions that lead to the step that failed, that step last; it is empty
    /// where no step failed.
    pub fn of_error(error: &WorldError, path: Vec<String>) -> Self {
        if error.kind == WorldErrorKind::Interrupted {
            return Self::Interrupted;
        }
        if error.kind == WorldErrorKind::LoginLost {
            return Self::LoginLost;
        }
        if error.kind == WorldErrorKind::TimeOver {
            return Self::TimeLimit;
        }
        Self::Failed {
            error: error.into(),
            path,
        }
    }
}

impl From<&WorldError> for Failure {
    fn from(error: &WorldError) -> Self {
        Self {
            kind: error.kind.name().to_owned(),
            message: error.message.clone(),
            details: error.details.clone(),
            help: error.help.clone(),
        }
    }
}

impl From<world::Warning> for Warning {
    fn from(warning: world::Warning) -> Self {
        Self {
            code: warning.code.name().to_owned(),
            message: warning.message,
            help: warning.help,
            untrusted: warning.untrusted,
        }
    }
}
