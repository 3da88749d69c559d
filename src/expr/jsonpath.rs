//! JSONPath queries (RFC 9535). The only module that knows the crate behind them.

mod comparison;
mod search;
mod work;

use std::fmt::{self, Write as _};
use std::ops::Range;
use std::sync::Arc;

use jsonpath_rust::parser::errors::JsonPathError;
use jsonpath_rust::parser::model::{JpQuery, Segment, Selector};
use jsonpath_rust::parser::parse_json_path;
use pest::error::InputLocation;
use serde_json::Value;

use super::ParseError;

pub use work::TooMuchWork;

use search::Searching;

/// A JSONPath query, parsed once. Cheap to clone.
#[derive(Clone)]
pub struct JsonPath(Arc<Parsed>);

struct Parsed {
    source: String,
    query: JpQuery,
    searching: Option<Searching>,
    singular: bool,
}

impl JsonPath {
    /// Parses a query.
    pub fn parse(source: &str) -> Result<Self, ParseError> {
        if let Some(gap) = gap_in_a_name(source) {
            return Err(ParseError {
                message: "not a JSONPath: a space within a name".to_owned(),
                range: gap,
                help: Some("quote a name that has spaces in it: `$['first name']`".to_owned()),
            });
        }
        if let Some(range) = work::calls_too_deep(source) {
            return Err(ParseError {
                message: "not a JSONPath: too many functions within functions".to_owned(),
                range,
                help: None,
            });
        }
        let query = parse_json_path(source).map_err(|error| parse_error(&error, source))?;
        let singular = query.segments.iter().all(|segment| {
            matches!(
                segment,
                Segment::Selector(Selector::Name(_) | Selector::Index(_))
            )
        });
        Ok(Self(Arc::new(Parsed {
            source: source.to_owned(),
            searching: Searching::new(&query.segments),
            query,
            singular,
        })))
    }

    /// Its text, as the spec has it.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// Whether it can find at most one node: nothing but names and positions.
    pub fn is_singular(&self) -> bool {
        self.0.singular
    }

    /// The query as a filter of jq that yields the first node; `None` where it has a filter, a slice or several selectors
    /// side by side.
    pub fn to_jq(&self) -> Option<String> {
        let mut filter = String::new();
        // From here on there may be several nodes, of any type, and those without the next name are passed over.
        let mut several = false;
        for segment in &self.0.query.segments {
            let selector = match segment {
                Segment::Selector(selector) => selector,
                Segment::Descendant(below) => {
                    filter.push_str(if filter.is_empty() { ".." } else { " | .." });
                    several = true;
                    match &**below {
                        Segment::Selector(selector) => selector,
                        _ => return None,
                    }
                }
                Segment::Selectors(_) => return None,
            };
            let maybe = if several { "?" } else { "" };
            if let (Selector::Name(name), true) = (selector, several) {
                let name = Value::from(name.as_str());
                let _ = write!(filter, " | objects | select(has({name}))");
            }
            let dot = if filter.is_empty() { "." } else { "" };
            // Writing to a string cannot fail.
            let _ = match selector {
                Selector::Name(name) if is_word(name) => write!(filter, ".{name}"),
                Selector::Name(name) => {
                    write!(filter, "{dot}[{}]", Value::from(name.as_str()))
                }
                Selector::Index(index) => write!(filter, "{dot}[{index}]{maybe}"),
                Selector::Wildcard => write!(filter, "{dot}[]?"),
                Selector::Slice(..) | Selector::Filter(_) => return None,
            };
            several |= *selector == Selector::Wildcard;
        }
        Some(match (several, filter.is_empty()) {
            (_, true) => ".".to_owned(),
            (true, _) => format!("first({filter})"),
            (false, _) => filter,
        })
    }

    /// The query as a filter of jq that yields every node, and none where there is none; `None` as for [`Self::to_jq`].
    pub fn to_jq_nodes(&self) -> Option<String> {
        let mut filter = String::from(".");
        for segment in &self.0.query.segments {
            let selector = match segment {
                Segment::Selector(selector) => selector,
                Segment::Descendant(below) => match &**below {
                    Segment::Selector(selector) => {
                        filter.push_str(" | ..");
                        selector
                    }
                    _ => return None,
                },
                Segment::Selectors(_) => return None,
            };
            // Writing to a string cannot fail.
            let _ = match selector {
                Selector::Name(name) => {
                    let name = Value::from(name.as_str());
                    write!(filter, " | objects | select(has({name})) | .[{name}]")
                }
                Selector::Index(index) => {
                    let least = if *index < 0 { -index } else { index + 1 };
                    write!(filter, " | arrays | select(length >= {least}) | .[{index}]")
                }
                Selector::Wildcard => write!(filter, " | .[]?"),
                Selector::Slice(..) | Selector::Filter(_) => return None,
            };
        }
        Some(filter)
    }

    /// The nodes found, in order. An error, before anything is tried, where that may take more than a second or so.
    pub fn query<'v>(&self, value: &'v Value) -> Result<Vec<&'v Value>, TooMuchWork> {
        let Parsed {
            query, searching, ..
        } = &*self.0;
        if !self.is_singular() {
            let is_compiled = searching.as_ref().is_some_and(Searching::is_compiled);
            work::check(&query.segments, value, is_compiled)?;
        }
        Ok(match searching {
            Some(searching) => searching.query(value),
            None => search::nodes_of(query, value),
        })
    }
}

impl fmt::Debug for JsonPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("JsonPath")
            .field(&self.source())
            .finish()
    }
}

fn is_word(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Finds spaces within a name outside quotes. The RFC forbids them; the parser would skip them and read `$.first name` as
/// `$.firstname`.
fn gap_in_a_name(source: &str) -> Option<Range<usize>> {
    let in_name = |character: char| {
        character.is_ascii_alphanumeric() || character == '_' || !character.is_ascii()
    };
    let mut quote = None;
    let mut escaped = false;
    let mut name_end = None;
    for (at, character) in source.char_indices() {
        if escaped {
            escaped = false;
        } else if let Some(open) = quote {
            match character {
                '\\' => escaped = true,
                _ if character == open => quote = None,
                _ => {}
            }
        } else if matches!(character, ' ' | '\t' | '\n' | '\r') {
            continue;
        } else {
            if matches!(character, '\'' | '"') {
                quote = Some(character);
            }
            if in_name(character) {
                if let Some(end) = name_end.filter(|end| *end < at) {
                    return Some(end..at);
                }
                name_end = Some(at + character.len_utf8());
                continue;
            }
        }
        name_end = None;
    }
    None
}

fn parse_error(error: &JsonPathError, source: &str) -> ParseError {
    let (message, range) = match error {
        JsonPathError::PestError(error) => {
            let (start, end) = match error.location {
                InputLocation::Pos(at) => (at, at + 1),
                InputLocation::Span(span) => span,
            };
            (error.variant.message().replace('_', " "), start..end)
        }
        other => (other.to_string(), 0..source.len()),
    };
    // The range must hold whole characters. At the end of the text it holds the last one.
    let whole = |mut at: usize| {
        while !source.is_char_boundary(at) {
            at += 1;
        }
        at
    };
    let last = source.char_indices().next_back().map_or(0, |(at, _)| at);
    let start = whole(range.start.min(last));
    let end = whole(
        range
            .end
            .clamp(start, source.len())
            .max(start + 1)
            .min(source.len()),
    );
    let range = start..end;
    ParseError {
        message: format!("not a JSONPath: {message}"),
        range,
        help: (!source.starts_with('$')).then(|| "a JSONPath begins with `$`".to_owned()),
    }
}
