//! When a query of the spec has to end.

use std::time::{Duration, Instant};

use super::QueryRows;
use crate::interrupt::{Ending, Interrupt};
use crate::world::{WorldError, WorldErrorKind};

/// Pause between two looks at whether it is over.
const PAUSE: Duration = Duration::from_millis(20);

/// Bytes that the rows of a query may take, counted generously.
const LARGEST: usize = 256 << 20;

/// The limits of one query that is under way: its own (`query_timeout`), and those of the run.
#[derive(Clone, Debug)]
pub(super) struct QueryLimit {
    timeout: Duration,
    interrupt: Interrupt,
    began: Instant,
}

impl QueryLimit {
    /// The query begins now.
    pub(super) fn begin(timeout: Duration, interrupt: &Interrupt) -> Self {
        Self {
            timeout,
            interrupt: interrupt.clone(),
            began: Instant::now(),
        }
    }

    /// Whether the query has to end by now.
    pub(super) fn is_over(&self) -> bool {
        self.began.elapsed() >= self.timeout || self.interrupt.ending().is_some()
    }

    /// Completes when the query has to end.
    pub(super) async fn over(&self) {
        while !self.is_over() {
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The error of a query that had to end.
    pub(super) fn error(&self) -> WorldError {
        let error = |message| WorldError::new(WorldErrorKind::System, message);
        match self.interrupt.ending() {
            Some(Ending::Requested) => WorldError::interrupted(),
            Some(ending) if self.began.elapsed() < self.timeout => error(format!(
                "it was given up after {:.1} s, because {ending}",
                self.began.elapsed().as_secs_f64()
            ))
            .with_help("if the query takes too long, add an index, narrow it, or end its recursion"),
            _ => error(format!("it ran for more than {:?}", self.timeout)).with_help(
                "add an index, narrow the query, or end its recursion; `query_timeout` of the system gives it more time",
            ),
        }
    }
}

/// The rows of a query as they come, as many as memory should hold.
#[derive(Debug)]
pub(super) struct Collected {
    rows: QueryRows,
    bytes: usize,
}

impl Collected {
    /// None yet.
    pub(super) fn new(columns: Vec<String>) -> Self {
        Self {
            rows: QueryRows {
                columns,
                rows: Vec::new(),
            },
            bytes: 0,
        }
    }

    /// Adds a row; says whether there is room for more.
    pub(super) fn add(&mut self, row: Vec<serde_json::Value>) -> bool {
        let bytes = |value: &serde_json::Value| 64 + value.as_str().map_or(0, str::len);
        self.bytes += 32 + row.iter().map(bytes).sum::<usize>();
        self.rows.rows.push(row);
        self.bytes <= LARGEST
    }

    /// All rows. An error where there was no room for them.
    pub(super) fn finish(self) -> Result<QueryRows, WorldError> {
        if self.bytes <= LARGEST {
            return Ok(self.rows);
        }
        let message = format!(
            "it yields more than {} MB, {} rows so far",
            LARGEST >> 20,
            self.rows.rows.len()
        );
        Err(WorldError::new(WorldErrorKind::System, message)
            .with_help("let the query yield only what offends, or count it"))
    }
}
