//! From a text to its tree, over the events of granit-parser. Finds what is wrong with the text as YAML.

use std::collections::HashMap;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, Span, StructureStyle, Tag, options};
use indexmap::IndexMap;
use serde_json::Value;

use super::scalar::resolve;
use super::tree::{Entry, Kind, NodeId, Spanned, Tree};
use crate::diagnostic::{Code, Diagnostic, SourceId};

/// Deeper documents are refused: nothing that people write is. Recursion over a tree relies on it.
const MAX_DEPTH: usize = 100;

/// Values that all aliases of a document may repeat together; a few lines of aliases of aliases could repeat more than
/// any memory holds.
const MAX_REPEATED: usize = 1_000_000;

const MERGE: &str = "<<";

impl Tree {
    /// Reads a text. Duplicate keys, keys that are no text and numbers that JSON does not have are reported, and the rest
    /// can be used. After a syntax error, a tag, a second document, nesting beyond 100 levels, aliases that repeat too
    /// much, or a merge of nothing that can be merged, nothing can. An empty text is no problem here.
    pub(in crate::spec) fn parse(source: SourceId, text: &str) -> (Self, Vec<Diagnostic>) {
        let mut builder = Builder {
            tree: Self {
                source,
                text: text.to_owned(),
                nodes: Vec::new(),
                root: None,
            },
            open: Vec::new(),
            anchors: HashMap::new(),
            repeated: 0,
            documents: 0,
            usable: true,
            problems: Vec::new(),
        };
        let options = options! {
            emit_comments: false,
            // As other readers of YAML have it.
            block_scalar_eof_without_line_feed: true,
        };
        for event in Parser::new_from_str_with_options(text, options) {
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
                    } else if is_behind_bracket(text, at) {
                        diagnostic = diagnostic.help(
                            "between `{ }` and `[ ]` a text with any of `, [ ] { }` or a colon needs quotes around it: `sql: \"SELECT ...\"`",
                        );
                    }
                    builder.unusable(diagnostic, at..end, "");
                    break;
                }
            }
        }
        if !builder.usable {
            builder.tree.root = None;
        }
        (builder.tree, builder.problems)
    }
}

/// Whether a bracket opens a collection on the line of a byte, before it. The text may be one that a bracket of its own has ended.
fn is_behind_bracket(text: &str, at: usize) -> bool {
    let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
    at < text.len() && text[line..at].contains(['{', '['])
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
    tree: Tree,
    open: Vec<Open>,
    anchors: HashMap<usize, NodeId>,
    /// Values that aliases repeat, so far.
    repeated: usize,
    documents: usize,
    usable: bool,
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
                    return self.refuse(
                        range,
                        "a second document in one file",
                        "one spec per file",
                    );
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.tag(tag.as_deref(), &range);
                if self.expects_key() {
                    let is_block = self.open.last().is_some_and(|open| open.block);
                    if is_block && self.is_behind_tab(range.start) {
                        return self.refuse_tab(range);
                    }
                    self.key(text.into_owned(), range, style, tag.as_deref());
                } else {
                    let kind = self.scalar(&text, style, tag.as_deref(), &range);
                    let node = self.add(self.without_line_end(range), kind);
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
            Event::Alias(anchor) => return self.alias(anchor, range),
            _ => {}
        }
        true
    }

    fn report(&mut self, diagnostic: Diagnostic, range: Range<usize>, label: &str) {
        self.problems
            .push(diagnostic.at(self.tree.source, range, label));
    }

    /// Reports a problem after which the tree cannot be used.
    fn unusable(&mut self, diagnostic: Diagnostic, range: Range<usize>, label: &str) {
        self.usable = false;
        self.report(diagnostic, range, label);
    }

    /// Reports a part of YAML that a spec does not use. Always false: reading ends here.
    fn refuse(&mut self, range: Range<usize>, message: &str, help: &str) -> bool {
        let diagnostic = Diagnostic::error(Code::SyntaxError, message).help(help);
        self.unusable(diagnostic, range, "");
        false
    }

    fn tag(&mut self, tag: Option<&Tag>, range: &Range<usize>) {
        if let Some(tag) = tag.filter(|tag| tag.is_custom()) {
            let message = format!("the tag `{}` means nothing here", tag.original());
            let help = format!(
                "remove it; where it is text, put it in quotes: \"{}\"",
                tag.original()
            );
            self.refuse(range.clone(), &message, &help);
        }
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        range: &Range<usize>,
    ) -> Kind {
        match resolve(text, style, tag) {
            Ok(value) => Kind::Scalar(value, style),
            Err(message) => {
                let diagnostic = Diagnostic::error(Code::BadValue, message)
                    .help("put it in quotes to make it text");
                self.report(diagnostic, range.clone(), "");
                Kind::Refused
            }
        }
    }

    fn alias(&mut self, anchor: usize, range: Range<usize>) -> bool {
        if self.expects_key() {
            return self.refuse(range, "an alias as a key", "write the key itself");
        }
        let Some(target) = self.anchors.get(&anchor).copied() else {
            return self.refuse(range, "an alias for a key", "write the text itself");
        };
        if self.open.iter().any(|open| open.node == target) {
            return self.refuse(
                range,
                "an alias for something that contains it",
                "a document must end somewhere: write the value itself",
            );
        }
        let Spanned { size, height, .. } = self.tree.nodes[target];
        self.repeated = self.repeated.saturating_add(size);
        if self.repeated > MAX_REPEATED {
            let message = format!("the aliases repeat more than {MAX_REPEATED} values");
            return self.refuse(
                range,
                &message,
                "no spec needs that; is this the right file?",
            );
        }
        if self.open.len() + height > MAX_DEPTH {
            return self.too_deep(range);
        }
        let node = self.add(range, Kind::Alias(target));
        self.measure(node, [target]);
        self.place(node);
        true
    }

    fn too_deep(&mut self, range: Range<usize>) -> bool {
        self.refuse(
            range,
            &format!("nested more than {MAX_DEPTH} levels deep"),
            "no spec needs that; is this the right file?",
        )
    }

    /// Whether a tab indents what begins here. The parser counts it as one space where others refuse it.
    fn is_behind_tab(&self, at: usize) -> bool {
        let before = self.tree.text.get(..at).unwrap_or_default();
        let indent = &before[before.rfind('\n').map_or(0, |line| line + 1)..];
        indent.contains('\t') && indent.trim_start().is_empty()
    }

    fn refuse_tab(&mut self, range: Range<usize>) -> bool {
        self.refuse(
            range,
            "a tab in the indentation",
            "indent with spaces; YAML counts them",
        )
    }

    /// A block scalar reaches to the next line; the underline stops at the text.
    fn without_line_end(&self, range: Range<usize>) -> Range<usize> {
        let written = self.tree.text.get(range.clone()).unwrap_or_default();
        range.start..range.start + written.trim_end_matches(['\n', '\r']).len()
    }

    fn add(&mut self, range: Range<usize>, kind: Kind) -> NodeId {
        self.tree.nodes.push(Spanned {
            range,
            kind,
            size: 1,
            height: 1,
        });
        self.tree.nodes.len() - 1
    }

    /// Notes how much stands at a value and below it, now that it is complete.
    fn measure(&mut self, node: NodeId, parts: impl IntoIterator<Item = NodeId>) {
        let (mut size, mut height) = (1_usize, 0);
        for part in parts {
            size = size.saturating_add(self.tree.nodes[part].size);
            height = height.max(self.tree.nodes[part].height);
        }
        self.tree.nodes[node].size = size;
        self.tree.nodes[node].height = height + 1;
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
                && matches!(self.tree.nodes[open.node].kind, Kind::Mapping(_))
        })
    }

    fn key(&mut self, key: String, range: Range<usize>, style: ScalarStyle, tag: Option<&Tag>) {
        let Some(open) = self.open.last_mut() else {
            return;
        };
        let node = &mut self.tree.nodes[open.node];
        let Kind::Mapping(entries) = &node.kind else {
            return;
        };
        if open.block && entries.is_empty() {
            node.range = range.clone();
        }
        let first = entries.get(&key).map(|first| first.key.clone());
        if let Some(first) = first {
            open.skipped = true;
            let message = format!("the key `{key}` is there twice");
            let diagnostic = Diagnostic::error(Code::DuplicateKey, message)
                .beside(self.tree.source, first, "first here")
                .help("keep one of the two");
            self.report(diagnostic, range, "again here");
        } else if matches!(resolve(&key, style, tag), Ok(Value::String(_)))
            || key.parse::<u64>().is_ok()
        {
            // A whole number is the text that is written: the status `404`, the key of a JSON object.
            open.key = Some((key, range));
        } else {
            open.skipped = true;
            let message = format!("the key `{key}` is not text");
            let diagnostic = Diagnostic::error(Code::WrongType, message)
                .help(format!("put it in quotes: \"{key}\""));
            self.report(diagnostic, range, "expected text");
        }
    }

    fn start(
        &mut self,
        range: Range<usize>,
        style: StructureStyle,
        anchor: usize,
        kind: Kind,
    ) -> bool {
        if self.expects_key() {
            return self.refuse(
                range,
                "a key that is a list or a mapping",
                "keys are text; templates such as `{{ name }}` need quotes around them",
            );
        }
        if self.open.len() >= MAX_DEPTH {
            return self.too_deep(range);
        }
        if style == StructureStyle::Block && self.is_behind_tab(range.start) {
            return self.refuse_tab(range);
        }
        let start = range.start;
        let node = self.add(range, kind);
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
            let end = self.tree.text[open.start..range.end]
                .find('\n')
                .map_or(range.end, |line| open.start + line);
            self.tree.nodes[open.node].range = open.start..end;
        }
        self.merge(open.node);
        let parts: Vec<NodeId> = match &self.tree.nodes[open.node].kind {
            Kind::Mapping(entries) => entries.values().map(|entry| entry.value).collect(),
            Kind::Sequence(items) => items.clone(),
            _ => Vec::new(),
        };
        self.measure(open.node, parts);
        self.place(open.node);
    }

    /// Applies the merge key of a complete mapping, if it has one. What the mapping itself says goes first, then what is
    /// merged first.
    fn merge(&mut self, mapping: NodeId) {
        let Kind::Mapping(entries) = &mut self.tree.nodes[mapping].kind else {
            return;
        };
        let Some(merge) = entries.shift_remove(MERGE) else {
            return;
        };
        let sources = match &self.tree.nodes[self.tree.resolve(merge.value)].kind {
            Kind::Sequence(items) => items.clone(),
            _ => vec![merge.value],
        };
        for source in sources {
            let source = &self.tree.nodes[self.tree.resolve(source)].kind;
            let Kind::Mapping(merged) = source else {
                let message = format!("`{MERGE}` has nothing that can be merged");
                return self.unusable(
                    Diagnostic::error(Code::WrongType, message)
                        .help(format!("write an alias: `{MERGE}: *name`")),
                    self.tree.nodes[merge.value].range.clone(),
                    "expected a mapping or a list of mappings",
                );
            };
            let merged = merged.clone();
            if let Kind::Mapping(entries) = &mut self.tree.nodes[mapping].kind {
                for (key, entry) in merged {
                    entries.entry(key).or_insert(entry);
                }
            }
        }
    }

    /// Hangs a complete value where it belongs.
    fn place(&mut self, node: NodeId) {
        let Some(open) = self.open.last_mut() else {
            self.tree.root = Some(node);
            return;
        };
        let range = self.tree.nodes[node].range.clone();
        let parent = &mut self.tree.nodes[open.node];
        match &mut parent.kind {
            Kind::Sequence(items) => {
                if open.block && items.is_empty() {
                    parent.range = range;
                }
                items.push(node);
            }
            Kind::Mapping(entries) => match open.key.take() {
                Some((key, place)) => {
                    let entry = Entry {
                        key: place,
                        value: node,
                    };
                    entries.insert(key, entry);
                }
                None => open.skipped = false,
            },
            Kind::Scalar(..) | Kind::Refused | Kind::Alias(_) => {}
        }
    }
}
