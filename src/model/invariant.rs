//! Invariants: what the user says must hold in every state.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::context::{Context, VariableId};
use super::expectation::Expectation;
use super::request::RequestTemplate;
use crate::expr::JsonPath;

/// Number of an invariant: its position in [`Model::invariants`](super::Model::invariants).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InvariantId(pub u32);

/// An assertion that must hold.
#[derive(Clone, Debug)]
pub struct Invariant {
    /// Its name in the spec.
    pub name: String,
    /// How bad it is when it does not hold.
    pub severity: Severity,
    /// What it means when it does not hold, in the user's words.
    pub message: Option<String>,
    /// What is looked at.
    pub subject: Subject,
    /// What it must be.
    pub expectation: Expectation,
}

/// What an invariant looks at.
#[derive(Clone, Debug)]
pub enum Subject {
    /// The rows of a query, in every state.
    Sql(SqlQuery),
    /// The answer to a request of its own, in every state. The request must leave no row delta.
    Probe {
        /// The request.
        request: Box<RequestTemplate>,
        /// What is taken from its answer; the whole body where the spec does not say.
        jsonpath: JsonPath,
    },
    /// The answer of every step that has a JSON body.
    Response {
        /// What is taken from the answer.
        jsonpath: JsonPath,
    },
}

/// A query over one system, context values bound by name.
#[derive(Clone, Debug)]
pub struct SqlQuery {
    /// Position of the system in the world's configuration.
    pub system: usize,
    /// The SQL, with `:name` parameters.
    pub text: String,
    /// The parameters in the text, by name without the colon, each once.
    pub parameters: Vec<(String, SqlParameter)>,
    /// Where the text stands in the spec; `None` for one that comes from elsewhere.
    pub origin: Option<SqlOrigin>,
}

impl SqlQuery {
    /// The values of its parameters, in their order; `None` when the context does not define one of them.
    pub fn parameter_values(&self, context: &Context) -> Option<Vec<Value>> {
        let values = self
            .parameters
            .iter()
            .map(|(_, parameter)| match parameter {
                SqlParameter::Variable(variable) => context.get(*variable).cloned(),
                SqlParameter::Constant(value) => Some(value.clone()),
            });
        values.collect()
    }
}

/// Where a text of the spec stands in its file. Lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlOrigin {
    file: Arc<str>,
    start: (usize, usize),
    /// Characters that stand side by side: the first one's number, line and column.
    runs: Vec<(usize, usize, usize)>,
}

impl SqlOrigin {
    /// A text that begins at this line and column of a file. `characters` are the line and column of each of its characters,
    /// as far as they are known: none is where the text is folded or put together.
    pub fn new(
        file: Arc<str>,
        start: (usize, usize),
        characters: impl IntoIterator<Item = Option<(usize, usize)>>,
    ) -> Self {
        let mut runs: Vec<(usize, usize, usize)> = Vec::new();
        for (number, place) in characters.into_iter().enumerate() {
            let Some((line, column)) = place else {
                continue;
            };
            let continues = runs
                .last()
                .is_some_and(|(first, at, from)| *at == line && from + (number - first) == column);
            if !continues {
                runs.push((number, line, column));
            }
        }
        Self { file, start, runs }
    }

    /// `file:line:column` of a character of the text, counted from 0; of the text's beginning where that is not known.
    pub fn place(&self, character: usize) -> String {
        let run = self
            .runs
            .iter()
            .rev()
            .find(|(first, ..)| *first <= character);
        let (line, column) = run.map_or(self.start, |(first, line, column)| {
            (*line, column + (character - first))
        });
        format!("{}:{line}:{column}", self.file)
    }
}

/// Where the value of an SQL parameter comes from.
#[derive(Clone, Debug)]
pub enum SqlParameter {
    /// From the context; where it is not defined, the query is not run.
    Variable(VariableId),
    /// A constant of the spec.
    Constant(Value),
}

/// How bad a violation is. Ordered: `Low < Critical`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Cosmetic.
    Low,
    /// The default of an invariant.
    Medium,
    /// Wrong for users.
    High,
    /// Money, data or access is lost.
    Critical,
}

impl Severity {
    /// All, the mildest first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The word used in the spec and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl std::fmt::Display for Severity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_is_found_on_its_line_and_the_text_where_that_is_not_known() {
        // `a`, a line break, `bc'd` with the quote written twice.
        let places = [
            Some((3, 5)),
            None,
            Some((4, 5)),
            Some((4, 6)),
            Some((4, 7)),
            Some((4, 9)),
        ];
        let origin = SqlOrigin::new("a.yaml".into(), (3, 5), places);
        let place = |character| origin.place(character);
        assert_eq!(
            [0, 2, 4, 5].map(place),
            ["a.yaml:3:5", "a.yaml:4:5", "a.yaml:4:7", "a.yaml:4:9"]
        );
        assert_eq!(place(6), "a.yaml:4:10", "the end of the text");
        assert_eq!(
            SqlOrigin::new("a.yaml".into(), (3, 5), []).place(7),
            "a.yaml:3:5"
        );
    }
}
