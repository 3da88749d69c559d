//! Conditions: `order_id is defined and amount > 10`.

use std::fmt;
use std::sync::Arc;

use minijinja::value::ValueKind;
use minijinja::{Expression, machinery};

use super::analysis::{self, Calls, Names};
use super::{EvalError, Lookup, ParseError, depth, engine};

/// An expression that yields true or false. Cheap to clone.
#[derive(Clone)]
pub struct Condition(Arc<Compiled>);

struct Compiled {
    source: String,
    names: Names,
    expression: Expression<'static, 'static>,
}

impl Condition {
    /// Compiles a condition.
    pub fn parse(source: &str) -> Result<Self, ParseError> {
        depth::check(source, true)?;
        let names = {
            let tree = machinery::parse_expr(source)
                .map_err(|error| engine::parse_error(&error, source))?;
            analysis::of_expression(&tree)?
        };
        Ok(Self(Arc::new(Compiled {
            source: source.to_owned(),
            names,
            expression: engine::compile(source)?,
        })))
    }

    /// Its text, as the spec has it.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// Names it reads, in the order of first appearance.
    pub fn reads(&self) -> &[String] {
        &self.0.names.reads
    }

    /// Names of which it reads more than whether they are defined.
    pub fn compares(&self) -> &[String] {
        &self.0.names.compares
    }

    /// The functions that it calls.
    pub fn calls(&self) -> &Calls {
        &self.0.names.calls
    }

    /// Names without which it cannot be decided; see [`Template::requires`](super::Template::requires).
    pub fn requires(&self) -> &[String] {
        &self.0.names.requires
    }

    /// Whether it holds. A result other than true and false is an error, and so is reading a name without a value.
    pub fn holds(&self, values: &Arc<dyn Lookup>) -> Result<bool, EvalError> {
        let value = engine::evaluate(&self.0.expression, values, self.source(), &self.0.names)?;
        if value.kind() == ValueKind::Bool {
            return Ok(value.is_true());
        }
        let yielded = match engine::to_json(&value) {
            Ok(json) => format!("`{json}` ({})", value.kind()),
            Err(problem) => problem.to_string(),
        };
        Err(EvalError {
            message: format!(
                "`{}`: a condition must yield true or false, not {yielded}",
                self.source()
            ),
        })
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Condition")
            .field(&self.source())
            .finish()
    }
}
