//! The spanned tree: what a text says, and where it says it.

use std::ops::Range;

use granit_parser::ScalarStyle;
use indexmap::IndexMap;
use serde_json::Value;

use super::Node;
use super::characters;
use crate::diagnostic::{Lines, Path, Segment, SourceId};
use crate::spec::environment;

/// A YAML text, read. Merge keys (`<<`) are applied; merged values and aliases lead to the place where the text is.
#[derive(Clone, Debug)]
pub(in crate::spec) struct Tree {
    pub(super) source: SourceId,
    pub(super) text: String,
    pub(super) nodes: Vec<Spanned>,
    /// `None` where the text holds nothing, or is not usable.
    pub(super) root: Option<NodeId>,
}

pub(super) type NodeId = usize;

#[derive(Clone, Debug)]
pub(super) struct Spanned {
    /// For block collections the first key or element, so that an underline stays on one line.
    pub(super) range: Range<usize>,
    pub(super) kind: Kind,
    /// Values at and below it, those behind aliases as often as they are repeated.
    pub(super) size: usize,
    /// Levels at and below it.
    pub(super) height: usize,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Scalar(Value, ScalarStyle),
    /// A scalar that stands for nothing a spec can hold. That has been reported.
    Refused,
    Mapping(IndexMap<String, Entry>),
    Sequence(Vec<NodeId>),
    Alias(NodeId),
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: Range<usize>,
    pub(super) value: NodeId,
}

/// A text that was cut off by a comma.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::spec) struct CutText {
    /// The key that it stands under.
    pub(in crate::spec) key: String,
    /// The part before the comma.
    pub(in crate::spec) range: Range<usize>,
    /// The whole text, as it was probably meant.
    pub(in crate::spec) text: String,
}

impl CutText {
    /// The whole text in quotes.
    pub(in crate::spec) fn quoted(&self) -> String {
        if self.text.contains(['"', '\\']) {
            format!("'{}'", self.text.replace('\'', "''"))
        } else {
            format!("\"{}\"", self.text)
        }
    }
}

impl Tree {
    /// The text that the places point into.
    pub(in crate::spec) fn source(&self) -> SourceId {
        self.source
    }

    /// The bytes of the value at a path, at most one line of a collection. `None` when nothing is there.
    pub(in crate::spec) fn value(&self, path: &Path) -> Option<Range<usize>> {
        let (_, node) = self.find(path)?;
        Some(self.nodes[node].range.clone())
    }

    /// The bytes of the key that leads to a path. `None` when nothing is there, or it is a list element.
    pub(in crate::spec) fn key(&self, path: &Path) -> Option<Range<usize>> {
        self.find(path)?.0.cloned()
    }

    /// The bytes to underline for a value: its own, or those of the nearest value above that is written down.
    pub(in crate::spec) fn nearest(&self, path: &Path) -> Range<usize> {
        let mut path = path.clone();
        loop {
            if let Some(range) = self.value(&path) {
                return range;
            }
            if path.pop().is_none() {
                return 0..0;
            }
        }
    }

    /// The bytes to underline for a key: its own, or as [`Self::nearest`].
    pub(in crate::spec) fn nearest_key(&self, path: &Path) -> Range<usize> {
        self.key(path).unwrap_or_else(|| self.nearest(path))
    }

    /// The bytes of a part of the text value at a path; the whole value where the place of the part is not certain.
    pub(in crate::spec) fn inside(
        &self,
        path: &Path,
        value: &str,
        part: &Range<usize>,
    ) -> Range<usize> {
        let narrowed = self
            .scalar(path)
            .and_then(|(range, style)| characters::narrow(&self.text, range, style, value, part));
        narrowed.unwrap_or_else(|| self.nearest(path))
    }

    /// For each character of the text value at a path, the byte at which it is written, where it has one; `None` where
    /// that is not certain.
    pub(in crate::spec) fn characters(
        &self,
        path: &Path,
        value: &str,
    ) -> Option<Vec<Option<usize>>> {
        let (range, style) = self.scalar(path)?;
        characters::characters(&self.text, range, style, value)
    }

    /// Whether the value at a path was refused when the text was read.
    pub(in crate::spec) fn is_refused(&self, path: &Path) -> bool {
        self.find(path)
            .is_some_and(|(_, node)| matches!(self.nodes[self.resolve(node)].kind, Kind::Refused))
    }

    /// The lines of the text.
    pub(in crate::spec) fn lines(&self) -> Lines<'_> {
        Lines::of(&self.text)
    }

    /// The document as it is written, with `${NAME}` and templates still open; `None` where there is none.
    pub(in crate::spec) fn written(&self) -> Option<Node> {
        Some(self.node(self.root?))
    }

    /// Neither deep nor large, whatever the aliases: `parse` has seen to that.
    fn node(&self, node: NodeId) -> Node {
        match &self.nodes[self.resolve(node)].kind {
            Kind::Scalar(Value::String(text), ScalarStyle::Plain)
                if environment::is_only_a_reference(text) =>
            {
                Node::Bare(text.clone())
            }
            Kind::Scalar(value, _) => Node::Scalar(value.clone()),
            Kind::Refused | Kind::Alias(_) => Node::Scalar(Value::Null),
            Kind::Sequence(items) => {
                Node::List(items.iter().map(|item| self.node(*item)).collect())
            }
            Kind::Mapping(entries) => Node::map(
                entries
                    .iter()
                    .map(|(key, entry)| (key.as_str(), self.node(entry.value))),
            ),
        }
    }

    /// An alias leads to a value that began before it, and never to another alias.
    pub(super) fn resolve(&self, node: NodeId) -> NodeId {
        match self.nodes[node].kind {
            Kind::Alias(target) => target,
            _ => node,
        }
    }

    /// Where the key at a path is no key but a part of a text without quotes, which a comma between braces has ended: the text.
    pub(in crate::spec) fn cut_text(&self, path: &Path) -> Option<CutText> {
        let mut parent = path.clone();
        let Some(Segment::Key(last)) = parent.pop() else {
            return None;
        };
        let mapping = &self.nodes[self.resolve(self.find(&parent)?.1)];
        let Kind::Mapping(entries) = &mapping.kind else {
            return None;
        };
        if !self.text[mapping.range.start..].starts_with('{') {
            return None;
        }
        let is_part = |entry: &Entry| {
            let behind = self.text[entry.key.end..].trim_start();
            behind.starts_with([',', '}'])
        };
        let at = entries.get_index_of(&last)?;
        let parts = |range: Range<usize>| entries.values().take(range.end).skip(range.start);
        let before = parts(0..at + 1)
            .rev()
            .take_while(|entry| is_part(entry))
            .count();
        if before == 0 {
            return None;
        }
        let (key, beginning) = entries.get_index((at + 1).checked_sub(before + 1)?)?;
        let Spanned { range, kind, .. } = &self.nodes[beginning.value];
        let end = parts(at..entries.len())
            .take_while(|entry| is_part(entry))
            .last()?
            .key
            .end;
        let written = self.text.get(range.start..end)?;
        matches!(kind, Kind::Scalar(_, ScalarStyle::Plain)).then(|| CutText {
            key: key.clone(),
            range: range.clone(),
            text: written.split_whitespace().collect::<Vec<_>>().join(" "),
        })
    }

    fn scalar(&self, path: &Path) -> Option<(&Range<usize>, ScalarStyle)> {
        let node = &self.nodes[self.resolve(self.find(path)?.1)];
        match node.kind {
            Kind::Scalar(_, style) => Some((&node.range, style)),
            _ => None,
        }
    }

    /// The key that leads to a path, and what stands there.
    fn find(&self, path: &Path) -> Option<(Option<&Range<usize>>, NodeId)> {
        let mut found = (None, self.root?);
        for segment in path.segments() {
            found = match (segment, &self.nodes[self.resolve(found.1)].kind) {
                (Segment::Index(index), Kind::Sequence(items)) => (None, *items.get(*index)?),
                (Segment::Key(key), Kind::Mapping(entries)) => {
                    let entry = entries.get(key)?;
                    (Some(&entry.key), entry.value)
                }
                _ => return None,
            };
        }
        Some(found)
    }
}
