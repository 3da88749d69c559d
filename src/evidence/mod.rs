//! What makes a violation believable: it is run again, and what was seen is kept.

mod confirm;

pub(crate) use confirm::{Attempt, confirm};
