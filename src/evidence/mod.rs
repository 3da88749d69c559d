//! What makes a violation believable: its path is made as short as it can be, it is run again, and what was seen is kept.

mod again;
mod confirm;
mod difference;
mod shrink;
mod simplicity;
mod slice;

pub(crate) use again::{ask, is_broken};
pub(crate) use confirm::{Claim, Confirmed, confirm};
pub(crate) use difference::differences;
pub(crate) use shrink::{Stop, Trial, shrink};
pub(crate) use simplicity::simpler;
pub(crate) use slice::guesses;
