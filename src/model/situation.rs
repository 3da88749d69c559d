//! What an action meets in a state.

/// What an action meets in a state: what the rows look like that its request names. Digests, to be compared and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Situation {
    /// Of the connected components in which these rows lie, in canonical form: two states in which they are equal differ, as
    /// far as these rows and all that they are connected with go, by the names of ids alone.
    pub components: u64,
    /// Of what is near these rows, roughly: of each row within two references its table, and of each value what kind of value
    /// it is. The same for many states.
    pub neighbourhood: u64,
}
