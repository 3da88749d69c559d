//! What makes a violation believable: its path is made as short as it can be, it is run again, and what was seen is kept.

mod again;
mod confirm;
mod corpus;
mod difference;
mod reproduction;
mod rerun;
mod script;
mod shrink;
mod simplicity;
mod slice;

pub(crate) use again::{ask, is_broken};
pub(crate) use confirm::{Claim, Confirmed, confirm};
pub(crate) use corpus::{Corpus, Place, TO_SPEC};
pub(crate) use difference::differences;
pub(crate) use reproduction::{body, invariants_of, oracle_name, reproduction, seen, shown};
pub(crate) use rerun::Rerun;
pub(crate) use script::{Language, script};
pub(crate) use shrink::{Stop, Trial, shrink};
pub(crate) use simplicity::simpler;
pub(crate) use slice::guesses;
