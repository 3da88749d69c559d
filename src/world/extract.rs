//! What an answer leaves in the context.

use std::borrow::Cow;

use cookie_store::RawCookie;
use regex::Regex;
use serde_json::Value;
use url::Url;

use crate::model::{
    Action, Context, ExtractSource, Extraction, Model, NoJson, Pools, Response, VariableId,
};

/// What extraction found.
#[derive(Debug, Default)]
pub(super) struct Extracted {
    /// New values in order; `None` forgets the variable.
    pub(super) changes: Vec<(VariableId, Option<Value>)>,
    /// Names and values, for the record.
    pub(super) found: Vec<(String, Value)>,
    /// What was due and not there, in words.
    pub(super) failures: Vec<String>,
    /// Which of the variables are places of a pool.
    pub(super) pools: Pools,
}

impl Extracted {
    /// What an action extracts and clears after this answer.
    pub(super) fn by_action(model: &Model, action: &Action, response: &Response) -> Self {
        let Some(on_answer) = action.on_answer(response) else {
            return Self::default();
        };
        let mut extracted = Self::by(&on_answer.extract, response);
        let cleared = on_answer.clear.iter().map(|variable| (*variable, None));
        extracted.changes.extend(cleared);
        extracted.pools = model.pools.clone();
        extracted
    }

    /// What these extractions find in an answer.
    pub(super) fn by(extractions: &[Extraction], response: &Response) -> Self {
        let mut extracted = Self::default();
        for extraction in extractions {
            match find(extraction, response) {
                Ok(value) => {
                    extracted
                        .found
                        .push((extraction.name.clone(), value.clone()));
                    extracted.changes.push((extraction.variable, Some(value)));
                }
                Err(Missing::NotThere(_)) if extraction.optional => {}
                // What could not be looked at is not known to be missing.
                Err(Missing::NotThere(why) | Missing::Unread(why)) => extracted
                    .failures
                    .push(format!("`{}`: {why}", extraction.name)),
            }
        }
        extracted
    }

    /// The context after the answer.
    pub(super) fn applied_to(&self, context: &Context) -> Context {
        let changes = self.changes.iter();
        changes.fold(context.clone(), |context, (variable, value)| {
            self.pools.set(&context, *variable, value.clone())
        })
    }
}

/// Why there is no value, as a clause.
enum Missing {
    /// The answer does not hold one.
    NotThere(String),
    /// Nobody could look.
    Unread(String),
}

fn find(extraction: &Extraction, response: &Response) -> Result<Value, Missing> {
    let mut found = texts_or_nodes(&extraction.source, response)?;
    if let Some(pattern) = &extraction.pattern {
        let matches: Vec<Value> = found
            .iter()
            .flat_map(|value| matches(pattern, value))
            .collect();
        if matches.is_empty() {
            let place = place(&extraction.source);
            return Err(Missing::NotThere(format!(
                "`{pattern}` matches nothing in {place}"
            )));
        }
        found = matches;
    }
    if extraction.all {
        return Ok(Value::Array(found));
    }
    match found.into_iter().next() {
        Some(Value::String(link)) if extraction.is_link => {
            Ok(complete(&link, &response.target).unwrap_or(link).into())
        }
        Some(value) => Ok(value),
        None => Err(Missing::NotThere(format!(
            "nothing is found in {}",
            place(&extraction.source)
        ))),
    }
}

/// Everything that is there: the nodes of a JSONPath, or texts. It is never empty.
fn texts_or_nodes(source: &ExtractSource, response: &Response) -> Result<Vec<Value>, Missing> {
    let headers = |name: &str| -> Vec<&str> {
        let named = response.headers.iter();
        named
            .filter(|(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    };
    let texts = |texts: Vec<&str>| texts.into_iter().map(Value::from).collect::<Vec<_>>();
    let found = match source {
        ExtractSource::JsonPath(path) => {
            let path_source = path.source();
            let body = response.body.read_json().map_err(|why| {
                let said = format!("`{path_source}` finds nothing, {}", why.in_words());
                match why {
                    NoJson::Unreadable(_) => Missing::Unread(said),
                    NoJson::Empty | NoJson::Other => Missing::NotThere(said),
                }
            })?;
            let nodes = path
                .query(body)
                .map_err(|why| Missing::Unread(format!("`{path_source}` was not tried: {why}")))?;
            if nodes.is_empty() {
                let what = format!("`{path_source}` finds nothing in the body");
                return Err(Missing::NotThere(what));
            }
            nodes.into_iter().cloned().collect()
        }
        ExtractSource::Header(name) => texts(headers(name)),
        ExtractSource::Cookie(name) => {
            let cookies = headers("set-cookie").into_iter().filter_map(|header| {
                let cookie = RawCookie::parse(header).ok()?;
                (cookie.name() == name).then(|| Value::from(cookie.value()))
            });
            cookies.collect()
        }
        ExtractSource::Body if response.body.is_cut() => {
            return Err(Missing::Unread(format!(
                "the {} bytes of the body are more than `http.max_body`",
                response.body.length
            )));
        }
        ExtractSource::Body => texts(vec![&response.body.text()]),
    };
    if found.is_empty() {
        let what = match source {
            ExtractSource::Cookie(name) => format!("the answer sets no cookie `{name}`"),
            _ => format!("the answer has no {}", place(source)),
        };
        return Err(Missing::NotThere(what));
    }
    Ok(found)
}

/// The target of a link that is relative to the one that answered (RFC 9110, section 10.2.2; RFC 3986, section 5.2); `None` where it
/// needs nothing before it.
fn complete(link: &str, answered: &str) -> Option<String> {
    let needs_nothing = link.is_empty() || link.starts_with('/') || Url::parse(link).is_ok();
    if needs_nothing || answered.is_empty() {
        return None;
    }
    // A target within the service says no host, and neither does what it is made of.
    let host = Url::parse("http://host").ok()?;
    let from = host.join(answered).ok()?;
    let to = from.join(link).ok()?;
    Some(if from.origin() == host.origin() {
        to[url::Position::BeforePath..].to_owned()
    } else {
        to.into()
    })
}

/// What a pattern finds in a text, in any other value in what that is as JSON.
fn matches(pattern: &Regex, value: &Value) -> Vec<Value> {
    let text = match value {
        Value::String(text) => Cow::Borrowed(text.as_str()),
        other => other.to_string().into(),
    };
    let found = pattern.captures_iter(&text);
    found
        .filter_map(|captures| captures.get(1).or_else(|| captures.get(0)))
        .map(|found| found.as_str().into())
        .collect()
}

/// Where a value comes from, in words.
fn place(source: &ExtractSource) -> String {
    match source {
        ExtractSource::JsonPath(path) => format!("what `{}` finds", path.source()),
        ExtractSource::Header(name) => format!("header `{name}`"),
        ExtractSource::Cookie(name) => format!("the cookie `{name}`"),
        ExtractSource::Body => "the body".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_link_starts_where_the_answer_came_from() {
        let from = "/api/orders/?all=1";
        for (link, to) in [
            ("1", Some("/api/orders/1")),
            ("./1?full=1", Some("/api/orders/1?full=1")),
            ("../users/2", Some("/api/users/2")),
            ("?page=2", Some("/api/orders/?page=2")),
            ("a:b/1", None),
            ("/orders/1", None),
            ("//other/orders/1", None),
            ("http://other/1", None),
            ("", None),
        ] {
            assert_eq!(complete(link, from).as_deref(), to, "{link}");
        }
        let elsewhere = complete("1", "http://other:81/orders/");
        assert_eq!(elsewhere.as_deref(), Some("http://other:81/orders/1"));
        assert_eq!(complete("1", ""), None);
    }
}
