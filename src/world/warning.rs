//! What the user should know although the run goes on.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::About;
use super::united::{SETTLE, UNTIL};
use crate::model::{Cell, RowChange, RowDelta, Table, TableKind};

/// Something the user should know although the run goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// What it is about.
    pub code: WarningCode,
    /// What was seen.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Whether verdicts can no longer be relied on; the run then ends with exit code 3 although it goes on.
    pub untrusted: bool,
    /// What it is about, where it is united with others of its kind.
    pub(super) about: Option<Box<About>>,
    /// Systems and tables of which it says why their rows come or do not.
    pub(super) explains: BTreeSet<(String, String)>,
}

/// What a warning is about. Each code has a section in `docs/diagnostics.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WarningCode {
    /// Answers never came, because the service limits how many requests it takes.
    AnswersLost,
    /// A function that is evaluated when rows are written may find another thing in another session.
    AmbiguousFunction,
    /// Rows changed while no request ran.
    BackgroundWrite,
    /// Columns hold another value each time, or follow keys: found out before the walk.
    Calibrated,
    /// A precondition could not be evaluated.
    ConditionFailed,
    /// The schema of a database changed, or its file was replaced; it was put back as a whole.
    DatabaseReplaced,
    /// `weighted` has no weights to go by.
    EqualWeights,
    /// An action that was not answered again and again was not tried everywhere.
    GivenUp,
    /// A table keeps its ids in the identity of states, because they are held where no reference is known.
    IdsKept,
    /// A request without fault changed rows later than its answer came.
    LateWrite,
    /// What was accepted from a state is refused in that state with 401 or 403.
    LoginLost,
    /// States that had been merged behave differently, so they are told apart again.
    MergeTakenBack,
    /// The same action led from the same state to another one.
    NonDeterministic,
    /// An invariant could not be judged.
    NotJudged,
    /// No request was accepted.
    NothingAccepted,
    /// Something in a database is not put back.
    NotRestored,
    /// A system had not settled in time after an answer.
    NotSettled,
    /// The service could not be started again to see whether it keeps state in its process.
    NotStartedAgain,
    /// A transaction of the service was still open after the answer.
    OpenTransaction,
    /// A pattern of the spec matches nothing.
    PatternMatchesNothing,
    /// A list comes in another order after a restore.
    OrderDiffers,
    /// The service asked to come back later, and that was waited for.
    RateLimited,
    /// What a killed run had left behind was put back.
    Recovered,
    /// A redirect leads to another origin.
    RedirectNotFollowed,
    /// A value is another one each time that a path is replayed.
    ReplayDiffers,
    /// The service keeps state outside the declared systems.
    StateOutsideSystems,
    /// The records of steps cannot be kept in a file.
    StepRecords,
    /// A request had not been answered when the run ended.
    UnansweredAtTheEnd,
    /// An action was not tried in a state, because a value cannot stand in a URL.
    Unsendable,
    /// Every state is a copy of the whole database.
    WholeCopies,
}

impl WarningCode {
    /// The code as reports show it; it never changes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AmbiguousFunction => "ambiguous-function",
            Self::AnswersLost => "answers-lost",
            Self::BackgroundWrite => "background-write",
            Self::Calibrated => "calibrated",
            Self::ConditionFailed => "condition-failed",
            Self::DatabaseReplaced => "database-replaced",
            Self::EqualWeights => "equal-weights",
            Self::GivenUp => "given-up",
            Self::IdsKept => "ids-kept",
            Self::LateWrite => "late-write",
            Self::LoginLost => "login-lost",
            Self::MergeTakenBack => "merge-taken-back",
            Self::NonDeterministic => "non-deterministic",
            Self::NotJudged => "not-judged",
            Self::NothingAccepted => "nothing-accepted",
            Self::NotRestored => "not-restored",
            Self::NotSettled => "not-settled",
            Self::NotStartedAgain => "not-started-again",
            Self::OpenTransaction => "open-transaction",
            Self::OrderDiffers => "order-differs",
            Self::PatternMatchesNothing => "pattern-matches-nothing",
            Self::RateLimited => "rate-limited",
            Self::Recovered => "recovered",
            Self::RedirectNotFollowed => "redirect-not-followed",
            Self::ReplayDiffers => "replay-differs",
            Self::StateOutsideSystems => "state-outside-systems",
            Self::StepRecords => "step-records",
            Self::UnansweredAtTheEnd => "unanswered-at-the-end",
            Self::Unsendable => "unsendable",
            Self::WholeCopies => "whole-copies",
        }
    }
}

impl Warning {
    /// A warning that leaves the verdicts what they are.
    pub fn new(code: WarningCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            help: None,
            untrusted: false,
            about: None,
            explains: BTreeSet::new(),
        }
    }

    /// Says what to do about it.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The verdicts can no longer be relied on.
    #[must_use]
    pub fn untrusted(mut self) -> Self {
        self.untrusted = true;
        self
    }

    /// It says why rows of these tables come or do not.
    fn explaining(mut self, tables: &[Arc<Table>]) -> Self {
        let names = tables
            .iter()
            .map(|it| (it.system.to_string(), it.name.clone()));
        self.explains.extend(names);
        self
    }

    /// What changed while no request ran: the tables, and where no row did, the sequences.
    pub(crate) fn background_writes(delta: &RowDelta) -> Vec<Self> {
        let rows: Vec<Self> = delta.rows().map(Self::background_write).collect();
        if !rows.is_empty() {
            return rows;
        }
        let sequences = delta.changes().iter();
        sequences.map(Self::background_write).collect()
    }

    /// Rows of these tables come after the answer to an action, within this time.
    pub(super) fn late_write(action: &str, since: Duration, tables: &[Arc<Table>]) -> Self {
        let message = format!(
            "action `{action}` writes after it has answered: rows of {} came late",
            names(tables)
        );
        let settle = (since.as_millis() / 20 + 1) * 20;
        let warning = Self::new(WarningCode::LateWrite, message).explaining(tables);
        warning.with_help(format!(
            "from then on {settle} ms were waited after each answer to `{action}`. So that no row is missed, give the service time to write before its rows are read: `settle: {settle}ms` at the top level of the spec; or, where a query tells that all is written, under the system `{UNTIL}`"
        ))
    }

    /// Rows of these tables change when `request` follows an action, and with neither of them alone.
    pub(super) fn put_off_write(action: &str, request: &str, tables: &[Arc<Table>]) -> Self {
        let names = names(tables);
        let message = format!(
            "rows of {names} change when {request} follows `{action}`, but neither when {request} is sent without it nor when nothing follows `{action}`: this service keeps state in its process. Either `{action}` puts its write off until the next request, or {request} writes what `{action}` has left to be done; nobody can tell from outside, so the rows were put back and not judged"
        );
        let mut ignored: Vec<String> = Vec::new();
        for table in tables {
            let (system, name) = (&table.system, &table.name);
            ignored.push(format!(
                "under `systems: {system}:` the line `ignore_tables: [{name}]`"
            ));
        }
        Self::new(WarningCode::StateOutsideSystems, message)
            .with_help(format!(
                "`restore: replay` sends each path in one piece, so that such a write belongs to its path; where these rows are mere bookkeeping, leave them alone: {}",
                ignored.join(", ")
            ))
            .untrusted()
    }

    /// Rows of these tables come after a request that was never answered, from a service that went on running.
    pub(super) fn late_write_of_unanswered(request: &str, tables: &[Arc<Table>]) -> Self {
        let message = format!(
            "rows of {} came late, while {request}, which was not answered, may still have been at work: they were put back, and nobody knows whose they are",
            names(tables)
        );
        let warning = Self::new(WarningCode::LateWrite, message).explaining(tables);
        warning.with_help(
            "let venomqa start the service (`service.command`): after a missing answer it is started again, and nothing is written late",
        )
    }

    /// Rows of these tables changed while a request was sent that should not have changed them, and did not when it was sent once
    /// more; nothing can be put back to find out why.
    pub(super) fn unclear_rows(tables: &[Arc<Table>], request: &str) -> Self {
        let message = format!(
            "rows of {} changed while {request} was sent, and did not when it was sent once more: they came late from a request before it, or from a job, and were not judged",
            names(tables)
        );
        Self::new(WarningCode::LateWrite, message).with_help(
            format!("give the service time to write before its rows are read: `{SETTLE}` at the top level of the spec; a job: name its tables under `ignore_tables`"),
        )
    }

    /// A job writes rows of this table: they come while no request runs.
    pub(super) fn job(table: &Table) -> Self {
        let (name, system) = (&table.name, &table.system);
        let message = format!(
            "a job of the service writes rows of `{name}` (system `{system}`) while no request runs; they have been put back"
        );
        Self::new(WarningCode::BackgroundWrite, message).with_help(format!(
            "leave its table alone, under `systems: {system}:` of the spec: `ignore_tables: [{name}]`; or switch the job off"
        ))
    }

    /// Rows of a table changed while no request ran.
    pub(crate) fn background_rows(system: &str, table: &str) -> Self {
        Self::about(About::BackgroundRows {
            system: system.to_owned(),
            tables: BTreeSet::from([table.to_owned()]),
        })
    }

    fn background_write(change: &RowChange) -> Self {
        let table = &change.table;
        match table.kind {
            TableKind::Rows => Self::background_rows(&table.system, &table.name),
            TableKind::Sequence => {
                let message = format!(
                    "the sequence `{}` (system `{}`) moved while no request ran; it has been put back",
                    change.key.first().map(Cell::to_string).unwrap_or_default(),
                    table.system
                );
                Self::new(WarningCode::BackgroundWrite, message).with_help(
                    format!("where the service takes numbers after it has answered: `{SETTLE}` at the top level of the spec"),
                )
            }
        }
    }
}

fn names(tables: &[Arc<Table>]) -> String {
    let names: Vec<String> = tables.iter().map(|it| format!("`{}`", it.name)).collect();
    names.join(", ")
}

/// The warnings of a world, each text once.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    said: HashSet<(WarningCode, String)>,
    fresh: Vec<Warning>,
    are_released: bool,
}

impl Warnings {
    /// Adds a warning, unless it has been added before.
    pub(super) fn add(&mut self, warning: Warning) {
        if self.said.insert((warning.code, warning.message.clone())) {
            self.fresh.push(warning);
        }
    }

    /// Adds each of these.
    pub(super) fn extend(&mut self, warnings: impl IntoIterator<Item = Warning>) {
        for warning in warnings {
            self.add(warning);
        }
    }

    /// It was found out why rows of this table change while no request runs: says that instead of that they do.
    pub(super) fn explain(&mut self, table: &Table, instead: Option<Warning>) {
        let vague = Warning::background_rows(&table.system, &table.name);
        self.fresh
            .retain(|warning| warning.message != vague.message);
        self.said.insert((vague.code, vague.message));
        self.extend(instead);
    }

    /// Nothing more will be found out about rows that changed while no request ran.
    pub(super) fn release(&mut self) {
        self.are_released = true;
    }

    /// Those that were added since the last call. What may be explained yet is kept back.
    pub(super) fn take(&mut self) -> Vec<Warning> {
        let is_vague =
            |it: &Warning| matches!(it.about.as_deref(), Some(About::BackgroundRows { .. }));
        let fresh = std::mem::take(&mut self.fresh).into_iter();
        let (kept, taken) = fresh.partition(|it| !self.are_released && is_vague(it));
        self.fresh = kept;
        taken
    }

    /// Whether a warning with this code was ever added.
    pub(super) fn have(&self, code: WarningCode) -> bool {
        self.said.iter().any(|(said, _)| *said == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_warning_is_explained_in_the_docs() {
        let docs = include_str!("../../docs/diagnostics.md");
        for code in [
            WarningCode::AmbiguousFunction,
            WarningCode::AnswersLost,
            WarningCode::BackgroundWrite,
            WarningCode::ConditionFailed,
            WarningCode::DatabaseReplaced,
            WarningCode::EqualWeights,
            WarningCode::GivenUp,
            WarningCode::LateWrite,
            WarningCode::LoginLost,
            WarningCode::NonDeterministic,
            WarningCode::NotJudged,
            WarningCode::NothingAccepted,
            WarningCode::NotRestored,
            WarningCode::NotSettled,
            WarningCode::NotStartedAgain,
            WarningCode::UnansweredAtTheEnd,
            WarningCode::Unsendable,
            WarningCode::OpenTransaction,
            WarningCode::OrderDiffers,
            WarningCode::PatternMatchesNothing,
            WarningCode::RateLimited,
            WarningCode::Recovered,
            WarningCode::RedirectNotFollowed,
            WarningCode::ReplayDiffers,
            WarningCode::StateOutsideSystems,
            WarningCode::StepRecords,
            WarningCode::WholeCopies,
        ] {
            let heading = format!("\n### {}\n", code.name());
            assert!(docs.contains(&heading), "{code:?}");
        }
    }
}
