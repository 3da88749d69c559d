//! Filters that search with a constant regular expression, or that compare. The crate behind JSONPath compiles the expression again
//! for each node, which takes a hundred times as long as to search, and compares numbers as doubles; here it is compiled once, and
//! [comparisons](super::comparison) are exact. Everything else is left to that crate.

use std::collections::HashSet;

use jsonpath_rust::parser::model::{
    Filter, FilterAtom, FnArg, JpQuery, Literal, Segment, Selector, Test, TestFunction,
};
use jsonpath_rust::query::js_path_process;
use regex::Regex;
use serde_json::Value;

use super::comparison::Comparison;

/// A query with such filters.
#[derive(Debug)]
pub(super) struct Searching(Vec<Step>);

#[derive(Debug)]
enum Step {
    /// What the crate evaluates.
    Plain(JpQuery),
    /// Every list and object from here on.
    Descend,
    /// The children of which this is true.
    Filter(Condition),
    /// What each of these finds, one after the other.
    Each(Vec<Self>),
}

#[derive(Debug)]
enum Condition {
    /// A filter that the crate evaluates, on the parent of what it is true of.
    Plain(JpQuery),
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    /// The text that the query finds below a node holds a match; never where the expression is invalid.
    Search(JpQuery, Option<Regex>),
    Compare(Comparison),
    /// The query finds something below a node.
    Exists(Searching),
}

impl Searching {
    /// The query with its regular expressions compiled and its comparisons exact; `None` where it has none, or where they stand in a
    /// place that only the crate can evaluate.
    pub(super) fn new(segments: &[Segment]) -> Option<Self> {
        if segments.iter().all(|segment| !is_own(segment)) {
            return None;
        }
        let mut steps = Vec::new();
        for segment in segments {
            let mut inner = segment;
            while let (Segment::Descendant(next), true) = (inner, is_own(segment)) {
                steps.push(Step::Descend);
                inner = next;
            }
            steps.push(match inner {
                Segment::Selectors(selectors) if is_own(segment) => {
                    Step::Each(selectors.iter().map(Step::new).collect::<Option<_>>()?)
                }
                Segment::Selector(selector) => Step::new(selector)?,
                other => Step::Plain(below(other.clone())?),
            });
        }
        Some(Self(steps))
    }

    /// Whether regular expressions are compiled once.
    pub(super) fn is_compiled(&self) -> bool {
        format!("{self:?}").contains("Search(")
    }

    /// The nodes found, in order.
    pub(super) fn query<'v>(&self, value: &'v Value) -> Vec<&'v Value> {
        self.below(value, value)
    }

    /// The nodes found below a node of the root.
    fn below<'v>(&self, root: &'v Value, node: &'v Value) -> Vec<&'v Value> {
        let steps = self.0.iter();
        steps.fold(vec![node], |found, step| {
            let nodes = found.into_iter();
            nodes.flat_map(|node| step.found(root, node)).collect()
        })
    }
}

impl Step {
    fn new(selector: &Selector) -> Option<Self> {
        Some(match selector {
            Selector::Filter(filter) if is_own(filter) => Self::Filter(Condition::new(filter)?),
            other => Self::Plain(below(Segment::Selector(other.clone()))?),
        })
    }

    fn found<'v>(&self, root: &'v Value, node: &'v Value) -> Vec<&'v Value> {
        match self {
            Self::Plain(query) => nodes_of(query, node),
            Self::Descend => descendants(node),
            Self::Filter(condition) => condition.true_of(root, node),
            Self::Each(steps) => {
                let steps = steps.iter();
                steps.flat_map(|step| step.found(root, node)).collect()
            }
        }
    }
}

/// A segment as a query that the crate evaluates below a node; `None` where it begins at the root again.
fn below(segment: Segment) -> Option<JpQuery> {
    (!begins_at_root(&segment)).then(|| JpQuery::new(vec![segment]))
}

impl Condition {
    fn new(filter: &Filter) -> Option<Self> {
        let plain = || {
            let filter = Segment::Selector(Selector::Filter(filter.clone()));
            below(filter).map(Self::Plain)
        };
        if !is_own(filter) {
            return plain();
        }
        let all = |filters: &[Filter]| filters.iter().map(Self::new).collect::<Option<_>>();
        let (condition, not) = match filter {
            Filter::And(filters) => (Self::All(all(filters)?), false),
            Filter::Or(filters) => (Self::Any(all(filters)?), false),
            Filter::Atom(FilterAtom::Filter { expr, not }) => (Self::new(expr)?, *not),
            Filter::Atom(FilterAtom::Test { expr, not }) => match &**expr {
                Test::Function(function) => (Self::search(function)?, *not),
                Test::RelQuery(segments) => (Self::Exists(Searching::new(segments)?), *not),
                Test::AbsQuery(_) => return None,
            },
            Filter::Atom(FilterAtom::Comparison(comparison)) => match Comparison::new(comparison) {
                Some(comparison) => (Self::Compare(comparison), false),
                None if searches(filter) => return None,
                None => return plain(),
            },
        };
        Some(if not {
            Self::Not(Box::new(condition))
        } else {
            condition
        })
    }

    fn search(function: &TestFunction) -> Option<Self> {
        let (text, pattern, whole) = match function {
            TestFunction::Search(text, pattern) => (text, pattern, false),
            TestFunction::Match(text, pattern) => (text, pattern, true),
            _ => return None,
        };
        let (FnArg::Test(text), FnArg::Literal(Literal::String(pattern))) = (text, pattern) else {
            return None;
        };
        let Test::RelQuery(segments) = &**text else {
            return None;
        };
        if begins_at_root(segments) {
            return None;
        }
        let regex = Regex::new(&translated(pattern, whole)).ok();
        Some(Self::Search(JpQuery::new(segments.clone()), regex))
    }

    /// The children of a node of which it is true, in order.
    fn true_of<'v>(&self, root: &'v Value, parent: &'v Value) -> Vec<&'v Value> {
        let children: Vec<&Value> = match parent {
            Value::Array(items) => items.iter().collect(),
            Value::Object(fields) => fields.values().collect(),
            _ => Vec::new(),
        };
        let holds = self.holds(root, parent, &children);
        let kept = children.into_iter().zip(holds);
        kept.filter_map(|(child, holds)| holds.then_some(child))
            .collect()
    }

    fn holds(&self, root: &Value, parent: &Value, children: &[&Value]) -> Vec<bool> {
        let each = |conditions: &[Self], start: bool| {
            let mut result = vec![start; children.len()];
            for condition in conditions {
                for (all, one) in result
                    .iter_mut()
                    .zip(condition.holds(root, parent, children))
                {
                    *all = if start { *all && one } else { *all || one };
                }
            }
            result
        };
        match self {
            Self::All(conditions) => each(conditions, true),
            Self::Any(conditions) => each(conditions, false),
            Self::Not(condition) => {
                let holds = condition.holds(root, parent, children).into_iter();
                holds.map(|holds| !holds).collect()
            }
            Self::Plain(filter) => {
                let found = nodes_of(filter, parent).into_iter().map(std::ptr::from_ref);
                let found: HashSet<*const Value> = found.collect();
                let is_found = |child: &&Value| found.contains(&std::ptr::from_ref(*child));
                children.iter().map(is_found).collect()
            }
            Self::Compare(comparison) => {
                let holds = |child: &&Value| comparison.holds(root, child);
                children.iter().map(holds).collect()
            }
            Self::Exists(query) => {
                let exists = |child: &&Value| !query.below(root, child).is_empty();
                children.iter().map(exists).collect()
            }
            Self::Search(text, regex) => {
                let matches = |child: &&Value| match (nodes_of(text, child).as_slice(), regex) {
                    ([Value::String(text)], Some(regex)) => regex.is_match(text),
                    _ => false,
                };
                children.iter().map(matches).collect()
            }
        }
    }
}

/// What the crate finds. The only error says that a node is not part of the value; a parsed query cannot cause it.
pub(super) fn nodes_of<'v>(query: &JpQuery, value: &'v Value) -> Vec<&'v Value> {
    js_path_process(query, value)
        .map(|nodes| nodes.into_iter().map(|node| node.val).collect())
        .unwrap_or_default()
}

/// The lists and objects from a node on, in order.
fn descendants(node: &Value) -> Vec<&Value> {
    let mut found = Vec::new();
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        match node {
            Value::Array(items) => open.extend(items.iter().rev()),
            Value::Object(fields) => open.extend(fields.values().rev()),
            _ => continue,
        }
        found.push(node);
    }
    found
}

/// Whether a part of a query holds what is evaluated here.
fn is_own(part: &impl std::fmt::Debug) -> bool {
    searches(part) || format!("{part:?}").contains("Comparison(")
}

fn searches(part: &impl std::fmt::Debug) -> bool {
    let text = format!("{part:?}");
    text.contains("Search(") || text.contains("Match(")
}

/// Whether a part of a query begins at the root again, so that it cannot be evaluated below it.
fn begins_at_root(part: &impl std::fmt::Debug) -> bool {
    let text = format!("{part:?}");
    text.contains("AbsQuery(") || text.contains("Root(")
}

/// An I-Regexp (RFC 9485) in the syntax of the crate `regex`: a dot matches no line break. `whole` says that the whole text has to
/// match.
fn translated(pattern: &str, whole: bool) -> String {
    let mut translated = String::with_capacity(pattern.len());
    let mut letters = pattern.chars();
    let mut in_class = false;
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => {
                translated.push(letter);
                translated.extend(letters.next());
                continue;
            }
            '.' if !in_class => {
                translated.push_str(r"[^\n\r]");
                continue;
            }
            '[' => in_class = true,
            ']' => in_class = false,
            _ => {}
        }
        translated.push(letter);
    }
    if whole {
        format!("^(?:{translated})$")
    } else {
        translated
    }
}

#[cfg(test)]
mod tests {
    use jsonpath_rust::parser::parse_json_path;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_same_is_found_as_by_the_crate_and_in_the_same_order() {
        let value = json!({
            "items": [
                { "name": "ab", "n": 1, "tags": ["x.y", "xzy"] },
                { "name": "cab\n", "n": 2, "tags": { "a": "x" } },
                { "name": 7, "n": 3 },
                { "n": 4, "inner": { "deep": [{ "name": "ab" }, "ab"] } },
                "ab", null, ["ab", ["b"]],
            ],
            "name": "ab",
        });
        for source in [
            "$.items[?search(@.name, 'a')]",
            "$.items[?match(@.name, 'a.')].n",
            "$.items[?!match(@.name, 'a.')]",
            "$.items[?match(@.name, 'a.') && @.n > 0 || @.n == 3]",
            "$.items[?!(search(@.name, 'b$') || @.n >= 3)].name",
            "$..[?search(@, 'a')]",
            "$..[?search(@.name, 'a')]",
            "$..[?match(@['name'], 'ab|cd')]..name",
            "$.items[*].tags[?search(@, 'x\\\\.y|[.]')]",
            "$.items[?search(@.name, '(')]",
            "$.items[?search(@.tags[0], 'y')]",
            "$.items[?search(@.name, 'a') && @.n == $.items[1].n]",
            "$.items[?@.n == 1]",
            "$.items[?length(@.name) > 2]",
            "$.items[?@ == 'ab' || @ == null]",
            "$[?@[0].name <= @[1].name]",
        ] {
            let query = parse_json_path(source).unwrap();
            let searching = Searching::new(&query.segments).unwrap_or_else(|| panic!("{source}"));
            assert_eq!(
                searching.query(&value),
                nodes_of(&query, &value),
                "{source}"
            );
        }
    }

    #[test]
    fn what_begins_at_the_root_again_is_left_to_the_crate() {
        for source in [
            "$.items[?search(@.name, $.pattern)]",
            "$.items[?search($.name, 'a')]",
            "$.items[?search(@.name, 'a') && $.n]",
            "$.items[?search(@.name, @.pattern)]",
        ] {
            let query = parse_json_path(source).unwrap();
            assert!(Searching::new(&query.segments).is_none(), "{source}");
        }
    }
}
