//! The oracle of a reproduction as another program can judge it, from answers alone.

use serde_json::Value;

use super::{CompiledReproduction, Sent, text_of};
use crate::expr::JsonPath;
use crate::model::{
    Action, Assertion, ExtractSource, Invariant, OracleName, StatusPattern, Subject,
};
use crate::spec::yaml::Node;

/// What shows whether the bug is there.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// What the oracle looks at and what it expects, line by line.
    pub about: Vec<String>,
    /// The request of an invariant. It is sent after the path.
    pub probe: Option<Sent>,
    /// What holds once the bug is not there.
    pub holds: Holds,
}

/// What holds, of the last answer.
#[derive(Clone, Debug)]
pub enum Holds {
    /// Its status is one of these.
    Status(Vec<StatusPattern>),
    /// Its body has these values.
    Values(Vec<Values>),
    /// It has this header.
    Header(String),
    /// Only the database can tell. As long as the last request of the path is answered with this status, everything that can
    /// be seen is as it was when the violation was found. 0 where nothing can be seen at all.
    Otherwise(u16),
}

/// What a JSONPath must find.
#[derive(Clone, Debug)]
pub struct Values {
    /// The path.
    pub path: JsonPath,
    /// All of them must hold.
    pub assertions: Vec<Assertion>,
    /// Whether nothing found is wrong by itself, where the path names one place.
    pub is_due: bool,
}

/// The verdict of a reproduction, its probe aside. `node` is what the file says of the oracle: the invariant, or the last
/// action for a check.
pub(super) fn verdict(case: &CompiledReproduction, node: Option<&Node>) -> Verdict {
    let reproduction = &case.reproduction;
    let holds = match &reproduction.oracle {
        OracleName::Invariant(name) => {
            let mut invariants = case.spec.model.invariants.iter();
            invariants
                .find(|known| known.name == *name)
                .and_then(invariant)
        }
        OracleName::Check(name) => {
            let last = case.path.last().map(|id| case.spec.model.action(*id));
            last.and_then(|action| check(name, &reproduction.kind, action))
        }
    };
    let expected = node.and_then(|node| node.field("expect"));
    let judged = holds.filter(|holds| match holds {
        // What the environment says may be a secret.
        Holds::Values(values) => {
            !expected.is_some_and(asks_environment)
                && !values
                    .iter()
                    .flat_map(|values| &values.assertions)
                    .any(|assertion| matches!(assertion, Assertion::EqualsSql(_)))
        }
        _ => true,
    });
    let mut about = Vec::new();
    let sql = |node: Option<&Node>| text_of(node?.field("sql")).map(str::to_owned);
    let equals = expected.and_then(|node| text_of(node.field("equals_sql")).map(str::to_owned));
    for query in [sql(node), equals].into_iter().flatten() {
        about.push("The SQL:".to_owned());
        about.extend(query.lines().map(|line| format!("  {line}")));
    }
    if !reproduction.expected.is_empty() {
        about.push(format!("Expected: {}", reproduction.expected));
    }
    match &reproduction.found {
        Value::Null => {}
        Value::String(found) => about.push(format!("Found: {found}")),
        found => about.push(format!("Found: {found}")),
    }
    let seen = reproduction.path.last().map_or(0, |step| step.status);
    Verdict {
        about,
        probe: None,
        holds: judged.unwrap_or(Holds::Otherwise(seen)),
    }
}

fn asks_environment(node: &Node) -> bool {
    match node {
        Node::Bare(_) => true,
        Node::Scalar(value) => value.as_str().is_some_and(|text| text.contains("${")),
        Node::List(items) => items.iter().any(asks_environment),
        Node::Map(entries) => entries.iter().any(|entry| asks_environment(&entry.node)),
    }
}

/// What an invariant looks at, where an answer shows it.
fn invariant(invariant: &Invariant) -> Option<Holds> {
    let (path, is_due) = match &invariant.subject {
        Subject::Sql(_) => return None,
        Subject::Probe { jsonpath, .. } => (jsonpath, true),
        Subject::Response { jsonpath } => (jsonpath, false),
    };
    let mut assertions = invariant.expectation.assertions.clone();
    if assertions.is_empty() {
        assertions.push(Assertion::Empty);
    }
    Some(Holds::Values(vec![Values {
        path: path.clone(),
        assertions,
        is_due,
    }]))
}

/// What a built-in check looks at, where an answer shows it.
fn check(name: &str, kind: &str, action: &Action) -> Option<Holds> {
    let listed = &action.expect.status;
    match name {
        // An error of GraphQL, which a status does not show: the reproduction says so.
        "server-error" if !kind.is_empty() && kind.parse::<u16>().is_err() => {
            let errors = JsonPath::parse("$.errors").ok()?;
            Some(Holds::Values(vec![Values {
                path: errors,
                assertions: vec![Assertion::Empty],
                is_due: false,
            }]))
        }
        "server-error" => {
            let below = (1..5).map(StatusPattern::Class);
            let above = listed
                .iter()
                .copied()
                .filter(|pattern| (500..600).any(|status| pattern.matches(status)));
            Some(Holds::Status(below.chain(above).collect()))
        }
        "no-answer" => Some(Holds::Status((1..6).map(StatusPattern::Class).collect())),
        "unexpected-status" => Some(Holds::Status(listed.clone())),
        "unexpected-body" => {
            let bodies = action.expect.body.iter();
            let values = bodies.map(|(path, expectation)| {
                Some(Values {
                    path: path.clone()?,
                    assertions: expectation.assertions.clone(),
                    is_due: true,
                })
            });
            Some(Holds::Values(values.collect::<Option<_>>()?))
        }
        "extract-failed" => {
            let extraction = action
                .extractions()
                .find(|extraction| extraction.name == kind)?;
            if extraction.pattern.is_some() {
                return None;
            }
            Some(match &extraction.source {
                ExtractSource::JsonPath(path) => Holds::Values(vec![Values {
                    path: path.clone(),
                    assertions: vec![Assertion::NotEmpty],
                    is_due: true,
                }]),
                ExtractSource::Header(name) => Holds::Header(name.clone()),
                ExtractSource::Cookie(_) | ExtractSource::Body => return None,
            })
        }
        _ => None,
    }
}
