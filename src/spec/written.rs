//! A spec as it was written: merge keys followed, but `${NAME}` and templates still open. What is copied from it into
//! another file carries no value of the environment along.

use serde_yaml::Value as Yaml;

use super::environment;
use super::yaml::{Entry, Node};
use crate::diagnostic::{Path, Segment, SourceMap};

/// The text of a spec as a tree, and what the command line put in its place.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// The sections in their order.
    pub(super) sections: Vec<Entry>,
    /// Names of the variables that `--set` replaced.
    pub(super) replaced: Vec<String>,
    /// `--base-url`.
    pub(super) base_url: Option<String>,
}

impl Written {
    /// The section of that name.
    pub(super) fn section(&self, name: &str) -> Option<&Node> {
        self.sections
            .iter()
            .find(|entry| entry.key == name)
            .map(|entry| &entry.node)
    }
}

/// The sections of a document; nothing where it is no mapping.
pub(super) fn sections(yaml: &Yaml, map: &SourceMap) -> Vec<Entry> {
    match (Reader {
        map,
        path: Path::root(),
    })
    .node(yaml)
    {
        Node::Map(entries) => entries,
        _ => Vec::new(),
    }
}

struct Reader<'m> {
    map: &'m SourceMap,
    path: Path,
}

impl Reader<'_> {
    fn node(&mut self, yaml: &Yaml) -> Node {
        match yaml {
            Yaml::Null => Node::Scalar(serde_json::Value::Null),
            Yaml::Bool(value) => Node::Scalar((*value).into()),
            Yaml::Number(number) => Node::Scalar(self::number(number)),
            Yaml::String(text) => self.text(text),
            Yaml::Sequence(items) => Node::List(
                items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| self.below(Segment::Index(index), item))
                    .collect(),
            ),
            Yaml::Mapping(mapping) => Node::Map(
                mapping
                    .iter()
                    .filter_map(|(key, value)| {
                        let key = key.as_str()?;
                        Some(Entry::new(
                            key,
                            self.below(Segment::Key(key.to_owned()), value),
                        ))
                    })
                    .collect(),
            ),
            Yaml::Tagged(tagged) => self.node(&tagged.value),
        }
    }

    fn below(&mut self, segment: Segment, yaml: &Yaml) -> Node {
        self.path.push(segment);
        let node = self.node(yaml);
        self.path.pop();
        node
    }

    /// Quotes around a reference make what it stands for a text, so they are kept, and so is their absence.
    fn text(&self, text: &str) -> Node {
        let bare = environment::is_only_a_reference(text)
            && self
                .map
                .value(&self.path)
                .and_then(|range| self.map.slice(&range))
                == Some(text);
        if bare {
            Node::Bare(text.to_owned())
        } else {
            Node::text(text)
        }
    }
}

fn number(number: &serde_yaml::Number) -> serde_json::Value {
    match (number.as_u64(), number.as_i64(), number.as_f64()) {
        (Some(value), _, _) => value.into(),
        (None, Some(value), _) => value.into(),
        // What is no JSON number ends the reading of the spec elsewhere.
        (None, None, value) => value.into(),
    }
}
