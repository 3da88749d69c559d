//! What is known of the graph.

/// Number of a state, in the order found; the initial state is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct StateId(pub u32);
