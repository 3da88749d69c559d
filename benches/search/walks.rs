//! Walks over toy services.

use venomqa::event::{Event, Finished};
use venomqa::explorer::budget::Limits;
use venomqa::explorer::{Options, explore};
use venomqa::interrupt::Interrupt;
use venomqa::oracle::Unjudged;
use venomqa::world::toy::{Identity, Planted, Toy, ToyWorld};

/// How a walk is done.
#[derive(Clone, Copy)]
pub(crate) struct Way<'a> {
    pub(crate) strategy: &'a str,
    pub(crate) identity: Identity,
    pub(crate) postpone: bool,
}

/// The step at which each bug of a service showed first.
pub(crate) fn hunt(toy: &'static Toy, way: Way<'_>, seed: u64, steps: u64) -> Vec<Option<u64>> {
    let mut judge = Planted::new(toy);
    let options = Options {
        seed,
        interrupt: judge.interrupt.clone(),
        ..options(way, steps, 20)
    };
    let mut world = ToyWorld::new(toy, way.identity);
    let mut nobody = |_: Event| {};
    let model = toy.model();
    let walk = explore(&model, &mut world, &mut judge, &options, &mut nobody);
    runtime().block_on(walk);
    judge.seen
}

/// Everything to a depth.
pub(crate) fn exhaust(toy: &'static Toy, way: Way<'_>, depth: u32) -> Finished {
    let mut world = ToyWorld::new(toy, way.identity);
    let mut nobody = |_: Event| {};
    let (model, options) = (toy.model(), options(way, u64::MAX, depth));
    runtime().block_on(explore(
        &model,
        &mut world,
        &mut Unjudged,
        &options,
        &mut nobody,
    ))
}

fn options(way: Way<'_>, max_steps: u64, max_depth: u32) -> Options {
    Options {
        strategy: way.strategy.to_owned(),
        limits: Limits {
            max_steps,
            max_depth,
            progress_every: u64::MAX,
            ..Limits::default()
        },
        seed: 1,
        postpone: way.postpone,
        interrupt: Interrupt::default(),
        regressions: Vec::new(),
        known: std::collections::BTreeSet::new(),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    let builder = &mut tokio::runtime::Builder::new_current_thread();
    builder.build().expect("a runtime")
}
