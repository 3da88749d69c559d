//! What a JSONPath costs at the most on a body, counted before it is tried: a few descents side by side (`$..*..*..*`) find
//! a node once for each way that leads to it, and no query can be interrupted.

use jsonpath_rust::parser::model::{
    Comparable, Filter, FilterAtom, FnArg, Literal, Segment, Selector, Test, TestFunction,
};
use regex::{Error, RegexBuilder};
use serde_json::Value;

/// Visits of nodes at the most: about a second.
const MOST: f64 = 4e6;

/// The same where regular expressions are compiled once: a visit takes less time.
const MOST_SEARCHING: f64 = 2e7;

/// What a search costs, in visits, where its regular expression is compiled once.
const SEARCH: f64 = 4.0;

/// What a regular expression costs, in visits, where it is compiled for each node.
const REGEX: f64 = 1e3;

/// The same for one that is large, or that the body holds.
const LARGE_REGEX: f64 = 1e5;

/// Bytes that a regular expression compiles to that is not large.
const REGEX_SIZE: usize = 1 << 18;

/// Calls within calls at the most: the time to parse one that is wrong grows threefold with each.
const NESTED_CALLS: usize = 8;

/// A query that would find too much, or take too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "it is too much work on a body of {0} values; look for less, and descend (`..`) once at the most"
)]
pub struct TooMuchWork(u64);

/// Refuses a query that would be too much work on this value; `compiled` says that its regular expressions are compiled once.
pub(super) fn check(
    segments: &[Segment],
    value: &Value,
    compiled: bool,
) -> Result<(), TooMuchWork> {
    let whole = Extent {
        compiled,
        ..Extent::of(value)
    };
    let most = if compiled { MOST_SEARCHING } else { MOST };
    if visits(segments, whole, whole) > most {
        return Err(TooMuchWork(whole.nodes as u64));
    }
    Ok(())
}

/// The part of a text in which calls nest so deep that it cannot be parsed in time.
pub(super) fn calls_too_deep(source: &str) -> Option<std::ops::Range<usize>> {
    let (mut open, mut depth) = (Vec::new(), 0);
    let (mut quote, mut escaped, mut before) = (None, false, b' ');
    for (at, byte) in source.bytes().enumerate() {
        match (quote, byte) {
            _ if escaped => escaped = false,
            (Some(_), b'\\') => escaped = true,
            (Some(mark), _) if mark == byte => quote = None,
            (None, b'\'' | b'"') => quote = Some(byte),
            (None, b'(') => {
                let is_call = before.is_ascii_alphanumeric() || before == b'_';
                depth += usize::from(is_call);
                open.push(is_call);
            }
            (None, b')') => depth -= usize::from(open.pop() == Some(true)),
            _ => {}
        }
        if depth > NESTED_CALLS {
            return Some(at..at + 1);
        }
        before = byte;
    }
    None
}

/// Values and levels of a body, and of the part of it below one of its nodes as that is on the average.
#[derive(Clone, Copy, Debug)]
struct Extent {
    nodes: f64,
    depth: f64,
    /// Whether regular expressions are compiled once, and not for each node.
    compiled: bool,
}

impl Extent {
    fn of(value: &Value) -> Self {
        let mut extent = Self {
            nodes: 0.0,
            depth: 0.0,
            compiled: false,
        };
        let mut open = vec![(value, 1.0_f64)];
        while let Some((value, level)) = open.pop() {
            extent.nodes += 1.0;
            extent.depth = level.max(extent.depth);
            match value {
                Value::Array(items) => open.extend(items.iter().map(|item| (item, level + 1.0))),
                Value::Object(items) => {
                    open.extend(items.values().map(|item| (item, level + 1.0)));
                }
                _ => {}
            }
        }
        extent
    }

    /// The nodes below all nodes of a tree, each counted once for each node above it, are its nodes times its depth.
    fn below(self) -> Self {
        Self {
            nodes: self.depth,
            ..self
        }
    }
}

/// Visits that these segments need from the root of `here`; filters may begin again at the root of `whole`.
fn visits(segments: &[Segment], here: Extent, whole: Extent) -> f64 {
    // Nodes found so far, and how often each may be among them.
    let (mut found, mut copies) = (1.0_f64, 1.0_f64);
    let mut visits = 0.0;
    for segment in segments {
        let mut inner = segment;
        while let Segment::Descendant(next) = inner {
            copies = found.min(copies * here.depth);
            found = copies * here.nodes;
            visits += found;
            inner = next;
        }
        let selectors = match inner {
            Segment::Selector(selector) => std::slice::from_ref(selector),
            Segment::Selectors(selectors) => selectors,
            Segment::Descendant(_) => &[],
        };
        let mut next = 0.0;
        for selector in selectors {
            let (many, each) = match selector {
                Selector::Name(_) | Selector::Index(_) => (found, 1.0),
                Selector::Wildcard | Selector::Slice(..) => (copies * here.nodes, 1.0),
                Selector::Filter(filter) => (copies * here.nodes, filter_visits(filter, whole)),
            };
            next += many;
            visits += many * each;
        }
        found = next;
        copies *= selectors.len().max(1) as f64;
    }
    visits
}

fn filter_visits(filter: &Filter, whole: Extent) -> f64 {
    match filter {
        Filter::Or(all) | Filter::And(all) => all.iter().map(|one| filter_visits(one, whole)).sum(),
        Filter::Atom(FilterAtom::Filter { expr, .. }) => filter_visits(expr, whole),
        Filter::Atom(FilterAtom::Test { expr, .. }) => test_visits(expr, whole),
        Filter::Atom(FilterAtom::Comparison(comparison)) => {
            let (left, right) = comparison.vals();
            comparable_visits(left, whole) + comparable_visits(right, whole)
        }
    }
}

fn test_visits(test: &Test, whole: Extent) -> f64 {
    match test {
        Test::RelQuery(segments) => visits(segments, whole.below(), whole),
        Test::AbsQuery(query) => visits(&query.segments, whole, whole),
        Test::Function(function) => function_visits(function, whole),
    }
}

fn comparable_visits(comparable: &Comparable, whole: Extent) -> f64 {
    match comparable {
        Comparable::Literal(_) => 1.0,
        Comparable::Function(function) => function_visits(function, whole),
        // What they find is compared as a whole.
        Comparable::SingularQuery(_) => whole.depth,
    }
}

fn function_visits(function: &TestFunction, whole: Extent) -> f64 {
    let argument = |argument: &FnArg| match argument {
        FnArg::Literal(_) => 1.0,
        FnArg::Test(test) => test_visits(test, whole),
        FnArg::Filter(filter) => filter_visits(filter, whole),
    };
    match function {
        TestFunction::Length(one) => argument(one),
        TestFunction::Value(one) | TestFunction::Count(one) => argument(one),
        TestFunction::Search(text, pattern) | TestFunction::Match(text, pattern) => {
            argument(text) + argument(pattern) + regex_visits(pattern, whole)
        }
        // Lists are compared item by item.
        TestFunction::Custom(_, all) => whole.nodes + all.iter().map(argument).sum::<f64>(),
    }
}

fn regex_visits(pattern: &FnArg, whole: Extent) -> f64 {
    if whole.compiled {
        return SEARCH;
    }
    let is_small = |pattern: &str| {
        let compiled = RegexBuilder::new(pattern).size_limit(REGEX_SIZE).build();
        !matches!(compiled, Err(Error::CompiledTooBig(_)))
    };
    match pattern {
        FnArg::Literal(Literal::String(pattern)) if is_small(pattern) => REGEX,
        _ => LARGE_REGEX,
    }
}
