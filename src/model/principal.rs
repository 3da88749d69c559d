//! Who acts.

/// Number of a principal: its position in the section `principals` of the spec.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PrincipalId(pub u32);

/// What may not be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forbidden {
    /// The name of who may not.
    pub principal: String,
    /// The names of those who may.
    pub allowed: Vec<String>,
}
