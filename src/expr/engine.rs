//! minijinja as venomqa configures it, and the conversion of values into and out of it.

use std::fmt;
use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Enumerator, Object, ObjectRepr, ValueKind};
use minijinja::{AutoEscape, Environment, ErrorKind, Expression, UndefinedBehavior, Value};
use serde_json::{Number, Value as Json};

use super::analysis::Names;
use super::{EvalError, Lookup, ParseError, draws, now};

/// Instructions of one evaluation at the most: far more than a sensible template needs, and executed in under a second.
const FUEL: u64 = 1_000_000;

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_syntax(syntax());
    // The debug feature gives syntax errors their places; its records at run time would slow every evaluation down.
    environment.set_debug(false);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    environment.add_function("uuid", draws::uuid);
    environment.add_function("counter", draws::counter);
    environment.add_function("random_int", draws::random_int);
    environment.add_function("now", now::now);
    environment.add_global("fake", Value::from_object(draws::Fakes));
    environment.add_filter("urlencode", urlencode);
    environment.add_filter("b64encode", b64encode);
    environment.add_filter("b64decode", b64decode);
    environment.set_formatter(|output, _state, value| {
        let json = to_json(value).map_err(|problem| {
            minijinja::Error::new(ErrorKind::InvalidOperation, problem.to_string())
        })?;
        write_text(output, &json).map_err(minijinja::Error::from)
    });
    environment
});

/// The filter `urlencode`: as minijinja has it, but marked as encoded, so that a path does not encode it once more.
fn urlencode(value: &Value) -> Result<Value, minijinja::Error> {
    minijinja::filters::urlencode(value).map(Value::from_safe_string)
}

/// The filter `b64encode`: a value as text, in base64.
fn b64encode(value: &Value) -> Result<String, minijinja::Error> {
    Ok(BASE64.encode(text_of(value)?))
}

/// The filter `b64decode`: the text that stands in base64, of either alphabet, with or without `=` at its end.
fn b64decode(value: &Value) -> Result<String, minijinja::Error> {
    let text = text_of(value)?.replace('-', "+").replace('_', "/");
    let bytes = BASE64
        .decode(text.trim())
        .map_err(|error| invalid(&error))?;
    String::from_utf8(bytes).map_err(|error| invalid(&error))
}

/// A value as text for a filter.
fn text_of(value: &Value) -> Result<String, minijinja::Error> {
    match to_json(value) {
        Ok(json) => Ok(text(&json)),
        Err(NotJson::Undefined) => Err(ErrorKind::UndefinedError.into()),
        Err(problem) => Err(invalid(&problem)),
    }
}

fn invalid(problem: &dyn std::fmt::Display) -> minijinja::Error {
    minijinja::Error::new(ErrorKind::InvalidOperation, problem.to_string())
}

/// Base64 with or without `=` at its end.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The one environment that every expression is compiled in.
pub(super) fn environment() -> &'static Environment<'static> {
    &ENVIRONMENT
}

/// Jinja's delimiters. A final newline is kept, because it is part of a body.
pub(super) fn syntax() -> SyntaxConfig {
    let mut builder = SyntaxConfig::builder();
    builder.keep_trailing_newline(true);
    // Only delimiters can be invalid, and these are the built-in ones.
    builder.build().unwrap_or_default()
}

/// Compiles an expression whose syntax has been checked.
pub(super) fn compile(source: &str) -> Result<Expression<'static, 'static>, ParseError> {
    environment()
        .compile_expression_owned(source.to_owned())
        .map_err(|error| parse_error(&error, source))
}

/// Evaluates an expression. `shown` is its text for messages.
pub(super) fn evaluate(
    expression: &Expression<'static, 'static>,
    values: &Arc<dyn Lookup>,
    shown: &str,
    names: &Names,
) -> Result<Value, EvalError> {
    expression
        .eval(scope(values))
        .map_err(|error| eval_error(&error, values, shown, names))
}

/// The values for minijinja. A value is converted when it is read.
pub(super) fn scope(values: &Arc<dyn Lookup>) -> Value {
    Value::from_object(Scope(values.clone()))
}

#[derive(Debug)]
struct Scope(Arc<dyn Lookup>);

impl Object for Scope {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        if key == draws::NAME {
            let draws = self.0.draws()?.clone();
            return Some(Value::from_object(draws::Handle(draws)));
        }
        self.0.lookup(key).map(from_json)
    }
}

fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(value) => Value::from(*value),
        Json::String(text) => Value::from(text.as_str()),
        Json::Number(number) => from_number(number),
        Json::Array(items) => items.iter().map(from_json).collect(),
        Json::Object(fields) => Value::from_object(Fields(fields.clone())),
    }
}

/// An object of JSON, its fields in the order in which they came.
#[derive(Debug)]
struct Fields(serde_json::Map<String, Json>);

impl Object for Fields {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_str()?).map(from_json)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.keys().map(|name| name.as_str().into()).collect())
    }
}

/// A number of the template language; one that it cannot hold is passed on as it is, and only cannot be computed with.
fn from_number(number: &Number) -> Value {
    /// Digits that a double keeps, however they are chosen.
    const KEPT: usize = 15;
    if let Some(integer) = number.as_i64() {
        return Value::from(integer);
    }
    let text = number.to_string();
    if let Ok(integer) = text.parse::<i128>() {
        return Value::from(integer);
    }
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    // Zeros at the end of a fraction say nothing: PostgreSQL writes an average as `100.0000000000000000`.
    let significant = if mantissa.contains('.') {
        mantissa.trim_end_matches('0')
    } else {
        mantissa
    };
    let digits = significant.bytes().filter(u8::is_ascii_digit).count();
    match number.as_f64() {
        Some(float) if digits <= KEPT && float.is_normal() => Value::from(float),
        Some(float) if Number::from_f64(float).is_some_and(|kept| kept.to_string() == text) => {
            Value::from(float)
        }
        _ => Value::from_object(Exact(text)),
    }
}

/// A number with more digits than the template language has.
#[derive(Debug)]
struct Exact(String);

impl Object for Exact {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Why a value of the template language is no JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotJson {
    #[error("the result, or a part of it, is not defined")]
    Undefined,
    #[error("the number does not fit into JSON")]
    Number,
    #[error("the result is not a value but a function or an object of the template language")]
    Other,
}

/// The value as JSON, numbers as they are. Keys that are numbers become text, as JSON has it.
pub(super) fn to_json(value: &Value) -> Result<Json, NotJson> {
    Ok(match value.kind() {
        ValueKind::Undefined => return Err(NotJson::Undefined),
        ValueKind::None => Json::Null,
        ValueKind::Bool => Json::Bool(value.is_true()),
        ValueKind::Number => number(value)?,
        ValueKind::String => Json::String(value.as_str().ok_or(NotJson::Other)?.to_owned()),
        ValueKind::Seq | ValueKind::Iterable => value
            .try_iter()
            .map_err(|_| NotJson::Other)?
            .map(|item| to_json(&item))
            .collect::<Result<_, _>>()?,
        ValueKind::Map => {
            let mut map = serde_json::Map::new();
            for key in value.try_iter().map_err(|_| NotJson::Other)? {
                let item = value.get_item(&key).map_err(|_| NotJson::Other)?;
                map.insert(text(&to_json(&key)?), to_json(&item)?);
            }
            Json::Object(map)
        }
        _ => {
            let exact = value.downcast_object_ref::<Exact>();
            let number = exact.and_then(|Exact(digits)| digits.parse().ok());
            Json::Number(number.ok_or(NotJson::Other)?)
        }
    })
}

fn number(value: &Value) -> Result<Json, NotJson> {
    // A float that happens to be whole must stay a float, so integers come first.
    if value.is_integer() {
        if let Some(signed) = value.as_i64() {
            return Ok(signed.into());
        }
        let digits = value.to_string();
        return digits
            .parse()
            .map(Json::Number)
            .map_err(|_| NotJson::Number);
    }
    let float = f64::try_from(value.clone()).map_err(|_| NotJson::Number)?;
    serde_json::Number::from_f64(float)
        .map(Json::Number)
        .ok_or(NotJson::Number)
}

/// A value where text is wanted: a string as it is, anything else as JSON.
pub(super) fn text(json: &Json) -> String {
    match json {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Appends a value where text is wanted.
pub(super) fn write_text(output: &mut impl std::fmt::Write, json: &Json) -> std::fmt::Result {
    match json {
        Json::String(text) => output.write_str(text),
        other => write!(output, "{other}"),
    }
}

/// What minijinja says about a text that does not parse.
pub(super) fn parse_error(error: &minijinja::Error, source: &str) -> ParseError {
    let range = error.range().unwrap_or(0..source.len());
    // minijinja shows a letter that it does not expect as one byte, and letters have more.
    let (mut start, mut end) = (range.start.min(source.len()), range.end.min(source.len()));
    while !source.is_char_boundary(start) {
        start -= 1;
    }
    while !source.is_char_boundary(end) {
        end += 1;
    }
    ParseError {
        message: describe(error),
        range: start..end,
        help: None,
    }
}

/// What minijinja says about an evaluation that failed; undefined names by name.
pub(super) fn eval_error(
    error: &minijinja::Error,
    values: &Arc<dyn Lookup>,
    shown: &str,
    names: &Names,
) -> EvalError {
    let undefined = |names: &[String]| -> Vec<String> {
        names
            .iter()
            .filter(|name| values.lookup(name).is_none())
            .map(|name| format!("`{name}`"))
            .collect()
    };
    // Arithmetic on a missing value fails with a type error; that the value is missing explains more.
    let mut missing = undefined(&names.requires);
    if missing.is_empty() && error.kind() == ErrorKind::UndefinedError {
        missing = undefined(&names.reads);
    }
    let problem = match (missing.as_slice(), error.kind()) {
        ([name], _) => format!("{name} is not defined"),
        ([], ErrorKind::UndefinedError) => "reads a part of a value that does not exist".to_owned(),
        ([], ErrorKind::OutOfFuel) => "takes too long to evaluate".to_owned(),
        ([], _) => describe(error),
        (several, _) => format!("not defined: {}", several.join(", ")),
    };
    EvalError {
        message: format!("`{shown}`: {problem}"),
    }
}

/// Detail where there is one, else the kind; one line, lower case at the start.
fn describe(error: &minijinja::Error) -> String {
    let text = error
        .detail()
        .map_or_else(|| error.kind().to_string(), str::to_owned);
    match std::error::Error::source(error) {
        Some(cause) => format!("{text}: {cause}"),
        None => text,
    }
}
