//! `settle:` gives a service time to write what it writes after it has answered, before its rows are read.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::config::WorldConfig;
use super::databases::Databases;
use super::system::QueryRows;
use super::{Warning, WarningCode, WorldError};
use crate::interrupt::Interrupt;
use crate::model::{ActionId, Context, SqlQuery};

/// First and longest pause between two questions.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));

/// Waits after each answer: for a fixed time, and until a query of each system that has one says that all is done.
#[derive(Debug)]
pub(super) struct Settle {
    pause: Option<Duration>,
    questions: Vec<Question>,
    /// Actions that were seen to write later than that, and how long each is waited for.
    late: HashMap<ActionId, Duration>,
    answers: u64,
    spent: Duration,
}

/// `settle: { until: ... }` of a system.
#[derive(Debug)]
struct Question {
    system: String,
    until: SqlQuery,
    at_most: Duration,
    is_prepared: bool,
    /// After how many answers it did not become true in time.
    missed: u64,
}

impl Settle {
    /// What the spec asks for.
    pub(super) fn new(config: &WorldConfig) -> Self {
        let questions = config.systems.iter().filter_map(|system| {
            let settle = system.settle.as_ref()?;
            Some(Question {
                system: system.name.clone(),
                until: settle.until.clone(),
                at_most: settle.at_most,
                is_prepared: false,
                missed: 0,
            })
        });
        Self {
            pause: config.settle,
            questions: questions.collect(),
            late: HashMap::new(),
            answers: 0,
            spent: Duration::ZERO,
        }
    }

    /// Time spent so far.
    pub(super) fn spent(&self) -> Duration {
        self.spent
    }

    /// How long is waited after each answer, whatever was asked.
    pub(super) fn pause(&self) -> Duration {
        self.pause.unwrap_or_default()
    }

    /// Whether the spec says that the service writes nothing after its answers: `settle: 0s`.
    pub(super) fn is_ruled_out(&self) -> bool {
        self.pause == Some(Duration::ZERO)
    }

    /// An action writes after it has answered: from now on it is waited for so long.
    pub(super) fn wait_for(&mut self, action: ActionId, time: Duration) {
        let known = self.late.entry(action).or_default();
        *known = time.max(*known);
    }

    /// Whether an action is known to write after it has answered.
    pub(super) fn is_late(&self, action: ActionId) -> bool {
        self.late.contains_key(&action)
    }

    /// Adds time that was spent on the same elsewhere.
    pub(super) fn count(&mut self, time: Duration) {
        self.spent += time;
    }

    /// Waits for what the service writes after it has answered: the action, where it was one, after which the context is this. An
    /// error where the run has to end meanwhile, or where a query fails.
    pub(super) async fn wait(
        &mut self,
        databases: &mut Databases,
        interrupt: &Interrupt,
        action: Option<ActionId>,
        context: &Context,
    ) -> Result<(), WorldError> {
        let late = action.and_then(|action| self.late.get(&action));
        let pause = self.pause().max(late.copied().unwrap_or_default());
        if pause.is_zero() && self.questions.is_empty() {
            return Ok(());
        }
        let began = Instant::now();
        self.answers += 1;
        let outcome = self.all(databases, interrupt, pause, context).await;
        self.spent += began.elapsed();
        outcome
    }

    async fn all(
        &mut self,
        databases: &mut Databases,
        interrupt: &Interrupt,
        pause: Duration,
        context: &Context,
    ) -> Result<(), WorldError> {
        if !pause.is_zero() {
            sleep(pause, interrupt).await?;
        }
        for question in &mut self.questions {
            question.wait(databases, interrupt, context).await?;
        }
        Ok(())
    }

    /// Says which systems had not settled in time.
    pub(super) fn warnings(&self) -> impl Iterator<Item = Warning> + '_ {
        let missed = self.questions.iter().filter(|it| it.missed > 0);
        missed.map(|question| {
            let message = format!(
                "the system `{}` had not settled {:?} after the answer, {} of {} times: `{}` was not true yet, so rows may be missing, or belong to a request before",
                question.system, question.at_most, question.missed, self.answers, question.until.text
            );
            Warning::new(WarningCode::NotSettled, message).with_help(
                "give it more time (`at_most`), or let `until` ask for what a single request leaves to do",
            )
        })
    }
}

impl Question {
    async fn wait(
        &mut self,
        databases: &mut Databases,
        interrupt: &Interrupt,
        context: &Context,
    ) -> Result<(), WorldError> {
        let began = Instant::now();
        let mut pause = PAUSES.0;
        while !self.is_true(databases, context).await? {
            let left = self.at_most.saturating_sub(began.elapsed());
            if left.is_zero() {
                self.missed += 1;
                return Ok(());
            }
            sleep(pause.min(left), interrupt).await?;
            pause = (pause * 2).min(PAUSES.1);
        }
        Ok(())
    }

    /// Whether the query is true. Where the context lacks a value that it asks for, there is nothing to wait for.
    async fn is_true(
        &mut self,
        databases: &mut Databases,
        context: &Context,
    ) -> Result<bool, WorldError> {
        let owner = || format!("`settle.until` of the system `{}`", self.system);
        if !self.is_prepared {
            let prepared = databases.prepare(&self.until).await;
            prepared.map_err(|error| error.of_query(&owner(), &self.until))?;
            self.is_prepared = true;
        }
        let found = databases.query(&self.until, context).await;
        let found = found.map_err(|error| error.of_query(&owner(), &self.until))?;
        Ok(found.is_none_or(|rows| yields_true(&rows)))
    }
}

/// Whether a query yields one value, and that is true: `true`, a number that is not 0, or `t`.
fn yields_true(found: &QueryRows) -> bool {
    let [row] = &found.rows[..] else {
        return false;
    };
    let [value] = &row[..] else {
        return false;
    };
    match value {
        serde_json::Value::Bool(value) => *value,
        serde_json::Value::Number(number) => number.as_f64() != Some(0.0),
        serde_json::Value::String(text) => matches!(&**text, "t" | "true" | "1"),
        _ => false,
    }
}

async fn sleep(time: Duration, interrupt: &Interrupt) -> Result<(), WorldError> {
    tokio::select! {
        () = tokio::time::sleep(time) => Ok(()),
        ending = interrupt.ended() => Err(WorldError::ended(ending)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_query_is_true_where_its_only_value_is() {
        let yields = |rows: Value| {
            let rows = serde_json::from_value(rows).unwrap();
            yields_true(&QueryRows {
                columns: Vec::new(),
                rows,
            })
        };
        for rows in [
            json!([[true]]),
            json!([[1]]),
            json!([["t"]]),
            json!([[-2.5]]),
        ] {
            assert!(yields(rows.clone()), "{rows}");
        }
        for rows in [
            json!([]),
            json!([[0]]),
            json!([[false]]),
            json!([[null]]),
            json!([["f"]]),
            json!([[1, 1]]),
            json!([[1], [1]]),
        ] {
            assert!(!yields(rows.clone()), "{rows}");
        }
    }
}
