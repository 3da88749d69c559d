//! Why a run ends.

use crate::model::{ActionId, Severity};
use crate::world::{WorldError, WorldErrorKind};

/// Why a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum StopReason {
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
    /// `--fail-fast`: a violation of this severity was found.
    FailFast(Severity),
    /// The user asked to stop.
    Interrupted,
    /// The run cannot go on or cannot be trusted.
    Failed {
        /// Which part.
        kind: WorldErrorKind,
        /// What happened.
        message: String,
        /// Lines that help to understand it.
        details: Vec<String>,
        /// What to do next.
        help: Option<String>,
        /// The actions from the initial state to the failure, the failing one last; empty when it failed elsewhere.
        path: Vec<ActionId>,
    },
}

impl StopReason {
    /// The reason that an error is. `path` leads to the step that failed, that step last; it is empty where no step failed.
    pub(super) fn of_error(error: WorldError, path: Vec<ActionId>) -> Self {
        if error.kind == WorldErrorKind::Interrupted {
            return Self::Interrupted;
        }
        Self::Failed {
            kind: error.kind,
            message: error.message,
            details: error.details,
            help: error.help,
            path,
        }
    }
}
