//! YAML: one tree with the place of everything in it, read from the events of granit-parser, and the writer.

mod characters;
mod node;
mod parse;
mod scalar;
mod tree;
mod write;

use serde_json::Value;

use crate::diagnostic::{Lines, SourceId};

pub(super) use node::{Entry, Node};
pub(super) use scalar::scalar;
pub(super) use tree::{CutText, Tree};
pub(super) use write::document;

/// The values of a text, with `${NAME}` still open. An error is a sentence.
pub(super) fn read(text: &str) -> Result<Value, String> {
    let (tree, problems) = Tree::parse(SourceId(0), text);
    if let Some(problem) = problems.first() {
        let place = problem
            .position()
            .map(|(_, byte)| Lines::of(text).place(byte));
        let (line, column) = place.unwrap_or((1, 1));
        return Err(format!(
            "{} at line {line} column {column}",
            problem.message
        ));
    }
    Ok(tree.written().as_ref().map_or(Value::Null, Value::from))
}
