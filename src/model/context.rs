//! The values that a path has bound: what actions extracted and later requests use.

use std::sync::Arc;

use serde_json::Value;

/// Number of a context variable: its position in [`Names::variables`](super::Names::variables).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VariableId(pub u32);

/// The context of one state: a value, or none, for each variable of the model. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Context(Arc<[Option<Value>]>);

impl Context {
    /// A context in which nothing is defined yet.
    pub fn empty(variables: usize) -> Self {
        Self(vec![None; variables].into())
    }

    /// The value of a variable, if this path has bound one.
    pub fn get(&self, variable: VariableId) -> Option<&Value> {
        self.0.get(variable.0 as usize)?.as_ref()
    }

    /// A context in which the variable has this value (`None` clears it). Returns the same context when it is so already.
    #[must_use]
    pub fn with(&self, variable: VariableId, value: Option<Value>) -> Self {
        let slot = variable.0 as usize;
        if self.0[slot] == value {
            return self.clone();
        }
        let mut values = self.0.to_vec();
        values[slot] = value;
        Self(values.into())
    }

    /// All values, by variable.
    pub fn values(&self) -> &[Option<Value>] {
        &self.0
    }

    /// Whether both are one and the same allocation: a cheap hint that they are equal.
    pub fn same_allocation(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
