//! What makes a violation believable: its path is shortened and run again, and the result is kept as a file.

mod baseline;
mod confirm;
mod corpus;
mod difference;
mod reproduce;
mod reproduction;
mod script;
mod shrink;
mod simplicity;
mod slice;

pub(crate) use baseline::Baseline;
pub(crate) use confirm::{Claim, Confirmed, confirm, run_once};
pub(crate) use corpus::{Corpus, Destination, TO_SPEC};
pub(crate) use reproduce::{Rerun, doubt, evaluate, is_broken, strayed};
pub(crate) use reproduction::{body, invariants_of, oracle_name, reproduction, seen, shown};
pub use script::{Language, script};
pub(crate) use shrink::{Stop, Trial, shrink};
pub(crate) use simplicity::simpler;
pub(crate) use slice::guesses;
