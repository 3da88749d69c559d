//! A document as it is written: read from a spec, cut, and written again.

use serde_json::Value;

/// A value as it is written.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::spec) enum Node {
    /// A scalar; never a list or a mapping.
    Scalar(Value),
    /// A reference `${NAME}` without quotes. The value that replaces it decides the type.
    Bare(String),
    /// A list.
    List(Vec<Self>),
    /// A mapping, in this order.
    Map(Vec<Entry>),
}

/// One key of a mapping, and what stands under it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::spec) struct Entry {
    /// The key.
    pub(in crate::spec) key: String,
    /// The value.
    pub(in crate::spec) node: Node,
}

impl Node {
    /// A text.
    pub(in crate::spec) fn text(text: impl Into<String>) -> Self {
        Self::Scalar(Value::String(text.into()))
    }

    /// A mapping.
    pub(in crate::spec) fn map<'k>(entries: impl IntoIterator<Item = (&'k str, Self)>) -> Self {
        Self::Map(
            entries
                .into_iter()
                .map(|(key, node)| Entry::new(key, node))
                .collect(),
        )
    }

    /// Keys and values of a mapping; none of anything else.
    pub(in crate::spec) fn entries(&self) -> &[Entry] {
        match self {
            Self::Map(entries) => entries,
            _ => &[],
        }
    }

    /// Elements of a list; none of anything else.
    pub(in crate::spec) fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// The value of a key.
    pub(in crate::spec) fn field(&self, key: &str) -> Option<&Self> {
        self.entries()
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| &entry.node)
    }

    /// The text that it is.
    pub(in crate::spec) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Scalar(Value::String(text)) | Self::Bare(text) => Some(text),
            _ => None,
        }
    }
}

impl Entry {
    pub(in crate::spec) fn new(key: impl Into<String>, node: Node) -> Self {
        Self {
            key: key.into(),
            node,
        }
    }
}

impl From<&Value> for Node {
    fn from(value: &Value) -> Self {
        match value {
            Value::Array(items) => Self::List(items.iter().map(Self::from).collect()),
            Value::Object(fields) => Self::Map(
                fields
                    .iter()
                    .map(|(key, value)| Entry::new(key, Self::from(value)))
                    .collect(),
            ),
            scalar => Self::Scalar(scalar.clone()),
        }
    }
}

/// What is written, with `${NAME}` still open.
impl From<&Node> for Value {
    fn from(node: &Node) -> Self {
        match node {
            Node::Scalar(value) => value.clone(),
            Node::Bare(text) => Self::String(text.clone()),
            Node::List(items) => Self::Array(items.iter().map(Self::from).collect()),
            Node::Map(entries) => Self::Object(
                entries
                    .iter()
                    .map(|entry| (entry.key.clone(), Self::from(&entry.node)))
                    .collect(),
            ),
        }
    }
}
