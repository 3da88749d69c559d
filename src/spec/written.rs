//! A spec as it was written: merge keys are applied, `${NAME}` and templates are still open. So a copy of a part of it holds
//! no value of the environment.

use super::yaml::{Entry, Node};

/// A spec as it was written, and what the command line replaced in it.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// The sections in their order.
    pub(super) sections: Vec<Entry>,
    /// Names of the variables that `--set` replaced.
    pub(crate) replaced: Vec<String>,
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
