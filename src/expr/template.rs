//! Text with holes: `/orders/{{ order_id }}/refund`.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use minijinja::machinery::{self, ast};
use minijinja::{Environment, Expression};
use serde_json::Value;

use super::analysis::{self, Calls, Names};
use super::{EvalError, Lookup, ParseError, depth, engine};

/// Bytes of a text at the most: what the fuel of one hole allows. So much has a whole JSON
/// tree at the most, too.
pub(crate) const LONGEST: usize = 64 << 20;

/// A template, compiled once. Cheap to clone.
#[derive(Clone)]
pub struct Template(Arc<Compiled>);

struct Compiled {
    source: String,
    names: Names,
    program: Program,
}

/// The cheapest way to fill in the template. Most are text with names in it and need no interpreter.
enum Program {
    /// No holes.
    Text,
    /// Nothing but one hole; keeps the type of its value.
    Hole(Hole),
    /// Text and holes in turn.
    Parts(Vec<Part>),
    /// With statements (`{% if %}`): the whole is a program, the only template of its own environment.
    Statements(Box<Environment<'static>>),
}

enum Part {
    Text(String),
    Hole(Hole),
}

enum Hole {
    /// `{{ name }}`
    Name(String),
    /// Anything else between braces.
    Expression(Expression<'static, 'static>),
}

/// A piece of a filled text.
pub enum TextPiece<'t> {
    /// What the template itself says.
    Written(Cow<'t, str>),
    /// What stands in the place of a hole.
    Filled(Filled),
}

/// What stands in the place of a hole.
pub struct Filled {
    /// The value as text.
    pub text: String,
    /// Whether it was known before the first request: a parameter or a constant of the spec, or made of these.
    pub is_constant: bool,
    /// Whether it is encoded already: `{{ tag | urlencode }}`, `{{ tag | safe }}`.
    pub is_safe: bool,
}

/// Name of the template within its environment.
const ONLY: &str = "template";

impl Template {
    /// Compiles a template.
    pub fn parse(source: &str) -> Result<Self, ParseError> {
        if !["{{", "{%", "{#"].iter().any(|open| source.contains(open)) {
            return Ok(Self::literal(source));
        }
        depth::check(source, false)?;
        let tree = machinery::parse(source, ONLY, engine::syntax())
            .map_err(|error| engine::parse_error(&error, source))?;
        let names = analysis::of_template(&tree)?;
        let ast::Stmt::Template(root) = &tree else {
            return Err(ParseError {
                message: "not a template".to_owned(),
                range: 0..source.len(),
                help: None,
            });
        };
        let program = if let Some(parts) = parts(&root.children, source)? {
            match <[Part; 1]>::try_from(parts) {
                Ok([Part::Hole(hole)]) => Program::Hole(hole),
                Ok([text]) => Program::Parts(vec![text]),
                Err(parts) => Program::Parts(parts),
            }
        } else {
            let mut environment = engine::environment().clone();
            environment
                .add_template_owned(ONLY, source.to_owned())
                .map_err(|error| engine::parse_error(&error, source))?;
            Program::Statements(Box::new(environment))
        };
        Ok(Self(Arc::new(Compiled {
            source: source.to_owned(),
            names,
            program,
        })))
    }

    /// A template without holes, whatever its text.
    pub fn literal(text: &str) -> Self {
        Self(Arc::new(Compiled {
            source: text.to_owned(),
            names: Names::default(),
            program: Program::Text,
        }))
    }

    /// Its text, as the spec has it.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// Whether it is nothing but a name in braces: `{{ ids }}`.
    pub fn is_name(&self) -> bool {
        let name = self.source().strip_prefix("{{");
        let name = name.and_then(|rest| rest.strip_suffix("}}"));
        name.is_some_and(|name| {
            let letters = name.trim();
            let is_letter = |letter: char| letter.is_alphanumeric() || letter == '_';
            !letters.is_empty() && letters.chars().all(is_letter)
        })
    }

    /// The name of the value with which its text begins: `loc` of `{{ loc }}/refund`.
    pub fn begins_with(&self) -> Option<&str> {
        let first = match &self.0.program {
            Program::Hole(hole) => hole,
            Program::Parts(parts) => match parts.first()? {
                Part::Hole(hole) => hole,
                Part::Text(_) => return None,
            },
            Program::Text | Program::Statements(_) => return None,
        };
        match first {
            Hole::Name(name) => Some(name),
            Hole::Expression(_) => None,
        }
    }

    /// Whether it has no holes, so that it always yields its own text.
    pub fn is_literal(&self) -> bool {
        matches!(self.0.program, Program::Text)
    }

    /// Names it reads, in the order of first appearance.
    pub fn reads(&self) -> &[String] {
        &self.0.names.reads
    }

    /// Names without which it cannot be rendered. Those in a test or filter that accepts an undefined value
    /// (`x is defined`, `x | default(1)`), and those that are read in some cases only, are not among them.
    pub fn requires(&self) -> &[String] {
        &self.0.names.requires
    }

    /// The functions that it calls.
    pub fn calls(&self) -> &Calls {
        &self.0.names.calls
    }

    /// As text: a string as it is, any other value as JSON.
    pub fn render(&self, values: &Arc<dyn Lookup>) -> Result<String, EvalError> {
        match &self.0.program {
            Program::Text => Ok(self.0.source.clone()),
            Program::Hole(hole) => {
                let mut text = String::new();
                self.fill(hole, values, &mut text)?;
                Ok(text)
            }
            Program::Parts(parts) => {
                let mut text = String::with_capacity(self.0.source.len() + 16);
                for part in parts {
                    match part {
                        Part::Text(constant) => text.push_str(constant),
                        Part::Hole(hole) => {
                            self.fill(hole, values, &mut text)?;
                        }
                    }
                    if text.len() > LONGEST {
                        let limit = format_args!("it yields more than {} MB", LONGEST >> 20);
                        return Err(self.error(&limit));
                    }
                }
                Ok(text)
            }
            Program::Statements(environment) => environment
                .get_template(ONLY)
                .and_then(|template| template.render(engine::scope(values)))
                .map_err(|error| engine::eval_error(&error, values, self.source(), &self.0.names)),
        }
    }

    /// The pieces of its text in turn: what is written, and what is filled in. A template with statements is one written piece,
    /// for what it fills in cannot be told from the rest.
    pub fn pieces(&self, values: &Arc<dyn Lookup>) -> Result<Vec<TextPiece<'_>>, EvalError> {
        let filled = |hole: &Hole| -> Result<TextPiece<'_>, EvalError> {
            let mut text = String::new();
            let is_safe = self.fill(hole, values, &mut text)?;
            let is_constant = match hole {
                Hole::Name(name) => values.is_constant(name),
                Hole::Expression(_) => self.reads().iter().all(|name| values.is_constant(name)),
            };
            Ok(TextPiece::Filled(Filled {
                text,
                is_constant,
                is_safe,
            }))
        };
        match &self.0.program {
            Program::Hole(hole) => Ok(vec![filled(hole)?]),
            Program::Parts(parts) => parts
                .iter()
                .map(|part| match part {
                    Part::Text(text) => Ok(TextPiece::Written(Cow::Borrowed(text))),
                    Part::Hole(hole) => filled(hole),
                })
                .collect(),
            Program::Text | Program::Statements(_) => {
                Ok(vec![TextPiece::Written(self.render(values)?.into())])
            }
        }
    }

    /// With its type: a template that is nothing but `{{ expr }}` yields the value of the expression, any other its
    /// text.
    pub fn evaluate(&self, values: &Arc<dyn Lookup>) -> Result<Value, EvalError> {
        match &self.0.program {
            Program::Hole(hole) => self.value(hole, values),
            _ => self.render(values).map(Value::String),
        }
    }

    /// Appends what stands in the place of a hole; whether it is said to be safe, that is encoded already.
    fn fill(
        &self,
        hole: &Hole,
        values: &Arc<dyn Lookup>,
        text: &mut String,
    ) -> Result<bool, EvalError> {
        let (written, is_safe) = match hole {
            Hole::Name(name) => match values.lookup(name) {
                Some(value) => (engine::write_text(text, value), false),
                None => return Err(self.undefined(name)),
            },
            Hole::Expression(expression) => {
                let value = engine::evaluate(expression, values, self.source(), &self.0.names)?;
                let json = engine::to_json(&value).map_err(|problem| self.error(&problem))?;
                (engine::write_text(text, &json), value.is_safe())
            }
        };
        written.map_err(|_| self.error(&"a value could not be written as text"))?;
        Ok(is_safe)
    }

    fn value(&self, hole: &Hole, values: &Arc<dyn Lookup>) -> Result<Value, EvalError> {
        match hole {
            Hole::Name(name) => values
                .lookup(name)
                .cloned()
                .ok_or_else(|| self.undefined(name)),
            Hole::Expression(expression) => {
                let value = engine::evaluate(expression, values, self.source(), &self.0.names)?;
                engine::to_json(&value).map_err(|problem| self.error(&problem))
            }
        }
    }

    fn undefined(&self, name: &str) -> EvalError {
        self.error(&format_args!("`{name}` is not defined"))
    }

    fn error(&self, problem: &dyn fmt::Display) -> EvalError {
        EvalError {
            message: format!("`{}`: {problem}", self.source()),
        }
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Template")
            .field(&self.source())
            .finish()
    }
}

/// The template as text and holes in turn; `None` when it has statements.
fn parts(children: &[ast::Stmt<'_>], source: &str) -> Result<Option<Vec<Part>>, ParseError> {
    let mut parts = Vec::with_capacity(children.len());
    for child in children {
        parts.push(match child {
            ast::Stmt::EmitRaw(text) => Part::Text(text.raw.to_owned()),
            ast::Stmt::EmitExpr(emit) => Part::Hole(if let ast::Expr::Var(variable) = &emit.expr {
                Hole::Name(variable.id.to_owned())
            } else {
                let span = emit.span();
                let text = &source[span.start_offset as usize..span.end_offset as usize];
                Hole::Expression(engine::compile(text)?)
            }),
            _ => return Ok(None),
        });
    }
    Ok(Some(parts))
}
