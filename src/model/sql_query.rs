//! A query of an invariant, and where its text stands in the spec.

use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use super::context::{Context, VariableId};

/// A query over one system, context values bound by name.
#[derive(Clone, Debug)]
pub struct SqlQuery {
    /// Position of the system in the world's configuration.
    pub system: usize,
    /// The SQL, with `:name` parameters.
    pub text: String,
    /// The parameters in the text, by name without the colon, each once.
    pub parameters: Vec<(String, SqlParameter)>,
    /// Where they stand in the text, colon included, in bytes and in order; each with its position in `parameters`.
    pub places: Vec<(Range<usize>, usize)>,
    /// Whether it says in which order its rows come.
    pub is_ordered: bool,
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

#[cfg(test)]
impl SqlQuery {
    /// The query of a text, with these names as its parameters.
    pub(crate) fn for_tests(dialect: crate::expr::Dialect, text: &str, names: &[&str]) -> Self {
        let read = crate::expr::SqlText::read(text, dialect);
        let place = |found: crate::expr::SqlName| {
            let parameter = names.iter().position(|name| *name == found.name)?;
            Some((found.range, parameter))
        };
        Self {
            system: 0,
            text: text[..read.end].to_owned(),
            parameters: names
                .iter()
                .map(|name| ((*name).to_owned(), SqlParameter::Constant(Value::Null)))
                .collect(),
            places: read.parameters.into_iter().filter_map(place).collect(),
            is_ordered: read.is_ordered,
            origin: None,
        }
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
