//! What a world has to say that is no reason to stop.

use std::collections::HashSet;

use crate::model::{Cell, RowChange, RowDelta, TableKind};

/// Something the user should know although the run goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Stable kebab-case code with an anchor in `docs/diagnostics.md`.
    pub code: &'static str,
    /// What was seen.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Whether verdicts can no longer be relied on; the run then ends with exit code 3 although it goes on.
    pub untrusted: bool,
}

impl Warning {
    /// A warning that leaves the verdicts what they are.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            help: None,
            untrusted: false,
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

    /// What changed while no request ran: the tables, and where no row did, the sequences.
    pub(crate) fn background_writes(delta: &RowDelta) -> Vec<Self> {
        let rows: Vec<Self> = delta.rows().map(Self::background_write).collect();
        if !rows.is_empty() {
            return rows;
        }
        let sequences = delta.changes().iter();
        sequences.map(Self::background_write).collect()
    }

    fn background_write(change: &RowChange) -> Self {
        let table = &change.table;
        let message = match table.kind {
            TableKind::Rows => format!(
                "rows of `{}` (system `{}`) changed while no request ran; they have been put back",
                table.name, table.system
            ),
            TableKind::Sequence => format!(
                "the sequence `{}` (system `{}`) moved while no request ran; it has been put back",
                change.key.first().map(Cell::to_string).unwrap_or_default(),
                table.system
            ),
        };
        Self::new("background-write", message).with_help(
            "a job that writes by itself: name its tables under `ignore_tables`; a service that writes after it has answered: give it time with `settle: 20ms`",
        )
    }
}

/// The warnings of a world, each text once.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    said: HashSet<(&'static str, String)>,
    fresh: Vec<Warning>,
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

    /// Those that were added since the last call.
    pub(super) fn take(&mut self) -> Vec<Warning> {
        std::mem::take(&mut self.fresh)
    }

    /// Whether a warning with this code was ever added.
    pub(super) fn have(&self, code: &str) -> bool {
        self.said.iter().any(|(said, _)| *said == code)
    }
}
