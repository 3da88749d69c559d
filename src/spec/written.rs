//! A spec as it was written: merge keys followed, but `${NAME}` and templates still open. What is copied from it into
//! another file carries no value of the environment along.

use super::yaml::{Entry, Node};

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
