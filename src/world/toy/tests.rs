//! The toy services are what they are said to be: their numbers of states, and their bugs.

use std::sync::Arc;

use crate::event::{Event, Finished, Stop};
use crate::explorer::budget::Limits;
use crate::explorer::{Options, explore};
use crate::interrupt::Interrupt;
use crate::model::ActionId;
use crate::oracle::Unjudged;
use crate::world::World as _;

use super::{ALL, BOOKING, Identity, Keys, Planted, Toy, ToyWorld, WORKFLOW, traps};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future)
}

fn options(strategy: &str, seed: u64, max_steps: u64, max_depth: u32) -> Options {
    Options {
        strategy: strategy.to_owned(),
        limits: Limits {
            max_steps,
            max_depth,
            ..Limits::default()
        },
        seed,
        postpone: true,
        interrupt: Interrupt::default(),
        regressions: Vec::new(),
        known: std::collections::BTreeSet::new(),
    }
}

/// Everything to a depth.
fn exhaust(toy: &'static Toy, mut world: ToyWorld, depth: u32, postpone: bool) -> Finished {
    let options = Options {
        postpone,
        ..options("bfs", 1, 1_000_000, depth)
    };
    let mut nobody = |_: Event| {};
    let model = toy.model();
    let finished = block_on(explore(
        &model,
        &mut world,
        &mut Unjudged,
        &options,
        &mut nobody,
    ));
    assert!(matches!(finished.stop, Stop::Complete { .. }));
    finished
}

#[test]
fn the_states_to_a_depth_are_those_of_the_prototype() {
    let known = [
        (&BOOKING, Identity::Exact, 4, 111, 146),
        (&BOOKING, Identity::Exact, 5, 572, 813),
        (&BOOKING, Identity::Canonical, 5, 134, 295),
        (&BOOKING, Identity::Canonical, 6, 442, 1_128),
        (&WORKFLOW, Identity::Exact, 4, 208, 385),
        (&WORKFLOW, Identity::Canonical, 5, 205, 667),
        (&WORKFLOW, Identity::Canonical, 6, 511, 1_870),
    ];
    for (toy, identity, depth, states, steps) in known {
        let finished = exhaust(toy, ToyWorld::new(toy, identity), depth, false);
        let figures = finished.figures;
        let what = format!("{} to depth {depth}, {identity:?}", toy.name);
        assert_eq!((figures.states, figures.step), (states, steps), "{what}");
    }
}

#[test]
fn canonical_states_do_not_depend_on_where_keys_come_from() {
    for keys in [Keys::Restored, Keys::Burnt, Keys::Random] {
        for (toy, states) in [(&BOOKING, 134), (&WORKFLOW, 205)] {
            let world = ToyWorld::new(toy, Identity::Canonical).with_keys(keys);
            let finished = exhaust(toy, world, 5, false);
            assert_eq!(finished.figures.states, states, "{} {keys:?}", toy.name);
        }
    }
}

#[test]
fn postponing_repetitions_saves_steps_and_loses_no_state() {
    // Depth, states, steps without the rule, steps with it: what comes before the first postponed pair.
    let known = [(&BOOKING, 6, 442, 1_128), (&WORKFLOW, 6, 511, 1_870)];
    for (toy, depth, states, steps) in known {
        let world = ToyWorld::new(toy, Identity::Canonical);
        let finished = exhaust(toy, world, depth, true);
        let figures = finished.figures;
        assert_eq!(
            (figures.states, figures.step),
            (states, steps),
            "{}",
            toy.name
        );
        let before = figures.step - finished.repetitions;
        assert!(before * 10 < steps * 8, "{}: {before} of {steps}", toy.name);
    }
}

#[test]
fn a_bug_that_the_rule_of_repetition_could_hide_is_found_with_every_seed() {
    for seed in 1..=30 {
        let mut judge = Planted::new(&traps::BULK);
        let options = Options {
            interrupt: judge.interrupt.clone(),
            ..options("auto", seed, 2_000, 20)
        };
        let mut world = ToyWorld::new(&traps::BULK, Identity::Canonical);
        let mut nobody = |_: Event| {};
        let model = traps::BULK.model();
        block_on(explore(
            &model,
            &mut world,
            &mut judge,
            &options,
            &mut nobody,
        ));
        assert!(judge.seen[0].is_some(), "seed {seed}");
    }
}

#[test]
fn every_planted_bug_shows_at_the_end_of_its_path_and_not_before() {
    let bugs = ALL
        .into_iter()
        .flat_map(|toy| toy.bugs.iter().map(move |bug| (toy, bug)));
    for (toy, bug) in bugs {
        let mut world = ToyWorld::new(toy, Identity::Exact);
        let mut at = block_on(world.begin()).unwrap();
        for step in bug.path.split(' ') {
            let name = bug.name;
            assert!(
                !(bug.shows)(&at.checkpoint.state),
                "{name} shows before {step}"
            );
            let action = toy.requests.iter().position(|it| it.name == step);
            let action = ActionId(action.unwrap() as u32);
            at = block_on(world.act(action, &at.context)).unwrap();
            assert!(at.status < 300, "{name}: {step} was answered {}", at.status);
        }
        assert!((bug.shows)(&at.checkpoint.state), "{}", bug.name);
    }
}

#[test]
fn a_state_is_restored_as_it_was() {
    let mut world = ToyWorld::new(&BOOKING, Identity::Exact);
    let initial = block_on(world.begin()).unwrap();
    let later = block_on(world.act(ActionId(0), &initial.context)).unwrap();
    assert_ne!(later.identity, initial.identity);
    block_on(world.restore(&initial.checkpoint)).unwrap();
    let again = block_on(world.act(ActionId(9), &initial.context)).unwrap();
    assert!(Arc::ptr_eq(
        &again.checkpoint.state,
        &initial.checkpoint.state
    ));
    assert_eq!(again.identity, initial.identity);
}

/// Expiry, where nobody takes the time for volatile.
const EXPIRY_TOLD: Toy = Toy {
    tables: &[
        &[super::Column::Key, super::Column::Plain],
        &[super::Column::Key],
    ],
    ..traps::EXPIRY
};

#[test]
fn merges_that_the_service_tells_apart_are_taken_back() {
    // What is left to merge afterwards is what another world merges that knows it from the beginning.
    let services: [(&'static Toy, &'static Toy, Identity); 3] = [
        (&traps::FIFO, &traps::FIFO, Identity::Exact),
        (&traps::UNDECLARED, &traps::UNDECLARED, Identity::Exact),
        (&traps::EXPIRY, &EXPIRY_TOLD, Identity::Canonical),
    ];
    for (toy, other, identity) in services {
        let merged = exhaust(toy, ToyWorld::new(toy, Identity::Canonical), 5, false);
        let told = exhaust(other, ToyWorld::new(other, identity), 5, false);
        let merges = merged.merges;
        assert!(merges.wrong > 0, "{}: {merges:?}", toy.name);
        let states = told.figures.states;
        assert_eq!(merged.figures.states, states, "{}: {merges:?}", toy.name);
    }
}

#[test]
fn merges_that_the_service_cannot_tell_apart_stay() {
    for (toy, states) in [(&BOOKING, 442), (&WORKFLOW, 511)] {
        let finished = exhaust(toy, ToyWorld::new(toy, Identity::Canonical), 6, false);
        let merges = finished.merges;
        assert!(merges.audited >= 3 && merges.wrong == 0, "{merges:?}");
        assert_eq!(finished.figures.states, states, "{}: {merges:?}", toy.name);
    }
}

#[test]
fn an_id_that_comes_back_to_life_is_noticed_by_some_tail() {
    let noticed = (1..=10).filter(|seed| {
        let options = Options {
            postpone: false,
            ..options("bfs", *seed, 1_000_000, 6)
        };
        let mut world = ToyWorld::new(&traps::REUSE, Identity::Canonical);
        let model = traps::REUSE.model();
        let mut nobody = |_: Event| {};
        let finished = block_on(explore(
            &model,
            &mut world,
            &mut Unjudged,
            &options,
            &mut nobody,
        ));
        finished.merges.wrong > 0
    });
    assert!(noticed.count() >= 7);
}
