//! The index of a YAML text: document path -> bytes. Also finds what is wrong with the text as YAML.

use std::collections::HashMap;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, Span, StructureStyle, Tag};
use indexmap::IndexMap;

use super::Lines;
use super::scalar::{self, Style};
use super::{Code, Diagnostic, Path, Segment, SourceId};

/// Deeper documents are refused: nothing that people write is.
const MAX_DEPTH: usize = 100;

/// Where everything in a document is. Merged keys (`<<`) and aliases lead to the place where the text is.
#[derive(Clone, Debug)]
pub struct SourceMap {
    source: SourceId,
    text: String,
    nodes: Vec<Node>,
    root: Option<NodeId>,
}

type NodeId = usize;

#[derive(Clone, Debug)]
struct Node {
    /// For block collections the first key or element, so that an underline stays on one line.
    range: Range<usize>,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Scalar(Style),
    Mapping(IndexMap<String, Entry>),
    Sequence(Vec<NodeId>),
    Alias(NodeId),
}

#[derive(Clone, Debug)]
struct Entry {
    key: Range<usize>,
    value: NodeId,
}

/// A place that was found.
struct Place<'m> {
    key: Option<&'m Range<usize>>,
    node: NodeId,
}

impl SourceMap {
    /// Reads a text. The problems are syntax errors (then the map ends there), duplicate keys, keys that are no text,
    /// tags, a second document, and nesting beyond 100 levels; an empty text is no problem here.
    pub fn build(source: SourceId, text: &str) -> (Self, Vec<Diagnostic>) {
        let mut builder = Builder {
            map: Self {
                source,
                text: text.to_owned(),
                nodes: Vec::new(),
                root: None,
            },
            open: Vec::new(),
            anchors: HashMap::new(),
            documents: 0,
            problems: Vec::new(),
        };
        for event in Parser::new_from_str(text) {
            match event {
                Ok((event, span)) => {
                    if !builder.event(event, &span) {
                        break;
                    }
                }
                Err(error) => {
                    let at = error
                        .marker()
                        .byte_offset()
                        .unwrap_or(text.len())
                        .min(text.len());
                    let end = text[at..].chars().next().map_or(at, |c| at + c.len_utf8());
                    let message = format!("not YAML: {}", error.info());
                    let mut diagnostic = Diagnostic::error(Code::SyntaxError, message);
                    if text[..at].ends_with('$') && text[at..].starts_with('{') {
                        diagnostic = diagnostic.help(
                            "between `{ }` and `[ ]` a text with `${NAME}` needs quotes around it",
                        );
                    }
                    builder.problems.push(diagnostic.at(source, at..end, ""));
                    break;
                }
            }
        }
        (builder.map, builder.problems)
    }

    /// Whether the text holds nothing at all.
    pub fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// The text this is the map of.
    pub fn source(&self) -> SourceId {
        self.source
    }

    /// The text at some bytes.
    pub fn slice(&self, range: &Range<usize>) -> Option<&str> {
        self.text.get(range.clone())
    }

    /// The bytes of the value at a path, at most one line of a collection. `None` when nothing is there.
    pub fn value(&self, path: &Path) -> Option<Range<usize>> {
        Some(self.nodes[self.find(path)?.node].range.clone())
    }

    /// The bytes of the key that leads to a path. `None` when nothing is there, or it is a list element.
    pub fn key(&self, path: &Path) -> Option<Range<usize>> {
        self.find(path)?.key.cloned()
    }

    /// The bytes to underline for a value: its own, or those of the nearest thing above that is written down.
    pub fn nearest(&self, path: &Path) -> Range<usize> {
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
    pub fn nearest_key(&self, path: &Path) -> Range<usize> {
        self.key(path).unwrap_or_else(|| self.nearest(path))
    }

    /// The bytes of a part of the text value at a path; the whole value where the part cannot be told exactly.
    pub fn inside(&self, path: &Path, value: &str, inner: &Range<usize>) -> Range<usize> {
        let narrowed = self.find(path).and_then(|place| {
            let node = &self.nodes[self.resolve(place.node)];
            match node.kind {
                Kind::Scalar(style) => scalar::narrow(&self.text, &node.range, style, value, inner),
                _ => None,
            }
        });
        narrowed.unwrap_or_else(|| self.nearest(path))
    }

    /// For each character of the text value at a path, the byte at which it is written, where it has one; `None` where that
    /// cannot be told exactly.
    pub fn characters(&self, path: &Path, value: &str) -> Option<Vec<Option<usize>>> {
        let node = &self.nodes[self.resolve(self.find(path)?.node)];
        match node.kind {
            Kind::Scalar(style) => scalar::characters(&self.text, &node.range, style, value),
            _ => None,
        }
    }

    /// The lines of the text.
    pub fn lines(&self) -> Lines<'_> {
        Lines::of(&self.text)
    }

    fn resolve(&self, mut node: NodeId) -> NodeId {
        // An alias leads to a node that began before it, and never to an alias; the loop is for good measure.
        while let Kind::Alias(target) = self.nodes[node].kind {
            node = target;
        }
        node
    }

    fn find(&self, path: &Path) -> Option<Place<'_>> {
        let mut place = Place {
            key: None,
            node: self.root?,
        };
        for segment in path.segments() {
            let node = self.resolve(place.node);
            place = match (segment, &self.nodes[node].kind) {
                (Segment::Index(index), Kind::Sequence(items)) => Place {
                    key: None,
                    node: *items.get(*index)?,
                },
                (Segment::Key(key), Kind::Mapping(_)) => self.find_key(node, key, 0)?,
                _ => return None,
            };
        }
        Some(place)
    }

    fn find_key(&self, mapping: NodeId, key: &str, depth: usize) -> Option<Place<'_>> {
        let Kind::Mapping(entries) = &self.nodes[self.resolve(mapping)].kind else {
            return None;
        };
        if let Some(entry) = entries.get(key) {
            return Some(Place {
                key: Some(&entry.key),
                node: entry.value,
            });
        }
        if depth > MAX_DEPTH {
            return None;
        }
        let merged = self.resolve(entries.get("<<")?.value);
        match &self.nodes[merged].kind {
            Kind::Sequence(items) => items
                .iter()
                .find_map(|item| self.find_key(*item, key, depth + 1)),
            _ => self.find_key(merged, key, depth + 1),
        }
    }
}

/// A collection that is being read.
struct Open {
    node: NodeId,
    start: usize,
    block: bool,
    /// In a mapping: the key whose value comes next.
    key: Option<(String, Range<usize>)>,
    /// In a mapping: the next value belongs to a key that was refused.
    skipped: bool,
}

struct Builder {
    map: SourceMap,
    open: Vec<Open>,
    anchors: HashMap<usize, NodeId>,
    documents: usize,
    problems: Vec<Diagnostic>,
}

impl Builder {
    /// Takes one event; false when reading on makes no sense.
    fn event(&mut self, event: Event<'_>, span: &Span) -> bool {
        let range = span.byte_range().unwrap_or(0..0);
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.problem(range, "a second document in one file", "one spec per file");
                    return false;
                }
            }
            Event::Scalar(value, style, anchor, tag) => {
                self.tag(tag.as_deref(), &range);
                if self.expects_key() {
                    self.key(value.into_owned(), range);
                } else {
                    let range = self.without_line_end(range);
                    let node = self.node(range, Kind::Scalar(style_of(style)));
                    self.anchor(anchor, node);
                    self.place(node);
                }
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.tag(tag.as_deref(), &range);
                return self.start(range, style, anchor, Kind::Sequence(Vec::new()));
            }
            Event::MappingStart(style, anchor, tag) => {
                self.tag(tag.as_deref(), &range);
                return self.start(range, style, anchor, Kind::Mapping(IndexMap::new()));
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(&range),
            Event::Alias(anchor) => {
                if self.expects_key() {
                    self.problem(range, "an alias as a key", "write the key itself");
                    return false;
                }
                let target = self.anchors.get(&anchor).copied();
                match target {
                    Some(target) if !self.open.iter().any(|open| open.node == target) => {
                        let node = self.node(range, Kind::Alias(target));
                        self.place(node);
                    }
                    _ => {
                        self.problem(
                            range,
                            "an alias for something that contains it",
                            "a document must end somewhere: write the value itself",
                        );
                        return false;
                    }
                }
            }
            _ => {}
        }
        true
    }

    fn problem(&mut self, range: Range<usize>, message: &str, help: &str) {
        let source = self.map.source;
        self.problems.push(
            Diagnostic::error(Code::SyntaxError, message)
                .at(source, range, "")
                .help(help),
        );
    }

    fn tag(&mut self, tag: Option<&Tag>, range: &Range<usize>) {
        if let Some(tag) = tag.filter(|tag| tag.is_custom()) {
            self.problem(
                range.clone(),
                &format!("the tag `{}` means nothing here", tag.original()),
                "remove the tag",
            );
        }
    }

    /// A block scalar reaches to the next line; nobody wants that underlined.
    fn without_line_end(&self, range: Range<usize>) -> Range<usize> {
        let written = self.map.slice(&range).unwrap_or_default();
        range.start..range.start + written.trim_end_matches(['\n', '\r']).len()
    }

    fn node(&mut self, range: Range<usize>, kind: Kind) -> NodeId {
        self.map.nodes.push(Node { range, kind });
        self.map.nodes.len() - 1
    }

    fn anchor(&mut self, anchor: usize, node: NodeId) {
        if anchor != 0 {
            self.anchors.insert(anchor, node);
        }
    }

    fn expects_key(&self) -> bool {
        self.open.last().is_some_and(|open| {
            open.key.is_none()
                && !open.skipped
                && matches!(self.map.nodes[open.node].kind, Kind::Mapping(_))
        })
    }

    fn key(&mut self, key: String, range: Range<usize>) {
        let source = self.map.source;
        let Some(open) = self.open.last_mut() else {
            return;
        };
        let node = &mut self.map.nodes[open.node];
        if let Kind::Mapping(entries) = &node.kind
            && let Some(first) = entries.get(&key)
        {
            self.problems.push(
                Diagnostic::error(
                    Code::DuplicateKey,
                    format!("the key `{key}` is there twice"),
                )
                .at(source, range, "again here")
                .beside(source, first.key.clone(), "first here")
                .help("keep one of the two"),
            );
            open.skipped = true;
            return;
        }
        if open.block && matches!(&node.kind, Kind::Mapping(entries) if entries.is_empty()) {
            node.range = range.clone();
        }
        open.key = Some((key, range));
    }

    fn start(
        &mut self,
        range: Range<usize>,
        style: StructureStyle,
        anchor: usize,
        kind: Kind,
    ) -> bool {
        if self.expects_key() {
            self.problem(
                range,
                "a key that is a list or a mapping",
                "keys are text; templates such as `{{ name }}` need quotes around them",
            );
            return false;
        }
        if self.open.len() >= MAX_DEPTH {
            self.problem(
                range,
                &format!("nested more than {MAX_DEPTH} levels deep"),
                "no spec needs that; is this the right file?",
            );
            return false;
        }
        let start = range.start;
        let node = self.node(range, kind);
        self.anchor(anchor, node);
        self.open.push(Open {
            node,
            start,
            block: style == StructureStyle::Block,
            key: None,
            skipped: false,
        });
        true
    }

    fn end(&mut self, range: &Range<usize>) {
        let Some(open) = self.open.pop() else {
            return;
        };
        if !open.block {
            let end = self.map.text[open.start..range.end]
                .find('\n')
                .map_or(range.end, |line| open.start + line);
            self.map.nodes[open.node].range = open.start..end;
        }
        self.place(open.node);
    }

    /// Hangs a complete node where it belongs.
    fn place(&mut self, node: NodeId) {
        let Some(open) = self.open.last_mut() else {
            self.map.root = Some(node);
            return;
        };
        let range = self.map.nodes[node].range.clone();
        let parent = &mut self.map.nodes[open.node];
        match &mut parent.kind {
            Kind::Sequence(items) => {
                if open.block && items.is_empty() {
                    parent.range = range;
                }
                items.push(node);
            }
            Kind::Mapping(entries) => match open.key.take() {
                Some((key, place)) => {
                    entries.insert(
                        key,
                        Entry {
                            key: place,
                            value: node,
                        },
                    );
                }
                None => open.skipped = false,
            },
            Kind::Scalar(_) | Kind::Alias(_) => {}
        }
    }
}

fn style_of(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted => Style::Single,
        ScalarStyle::DoubleQuoted => Style::Double,
        ScalarStyle::Literal => Style::Literal,
        ScalarStyle::Folded => Style::Other,
    }
}
