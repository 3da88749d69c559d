//! Every strategy against small models whose states can be counted by hand.

use crate::event::{ConfirmationResult, Event, Finished, Stop};
use crate::explorer::Options;
use crate::explorer::budget::Limits;
use crate::explorer::strategy::NAMES;
use crate::explorer::testing::{self, Forbid, actions};
use crate::interrupt::Interrupt;
use crate::model::{Action, ActionId, Effect, FactId, FactRule, Model, Precondition, Severity};
use crate::oracle::{Judge, Unjudged};
use crate::world::World;
use crate::world::mock::{MockCall, MockWorld};

fn model(actions: impl IntoIterator<Item = Action>) -> Model {
    Model {
        actions: actions.into_iter().collect(),
        ..Model::default()
    }
}

fn options(strategy: &str, max_steps: u64) -> Options {
    Options {
        strategy: strategy.to_owned(),
        limits: Limits {
            max_steps,
            max_depth: 1_000,
            ..Limits::default()
        },
        seed: 1,
        postpone: true,
        interrupt: Interrupt::default(),
        regressions: Vec::new(),
        known: std::collections::BTreeSet::new(),
    }
}

fn run<W: World, J: Judge<W>>(
    model: &Model,
    world: &mut W,
    judge: &mut J,
    options: &Options,
) -> (Finished, Vec<(u32, u32)>) {
    let mut steps = Vec::new();
    let mut observer = |event: Event| {
        if let Event::Step(step) = event {
            steps.push((step.from, step.action));
        }
    };
    let summary = testing::run(model, world, judge, options, &mut observer);
    (summary, steps)
}

fn complete(summary: &Finished) -> bool {
    summary.stop
        == Stop::Complete {
            depth_limited: false,
        }
}

/// Two counters from 0 to 9, each with its own action: 100 states, 200 transitions.
type Rule<S> = fn(&S, ActionId) -> S;

fn two_counters() -> MockWorld<(u8, u8), Rule<(u8, u8)>> {
    MockWorld::new((0, 0), |(left, right), action| match action.0 {
        0 => ((left + 1).min(9), *right),
        _ => (*left, (right + 1).min(9)),
    })
}

#[test]
fn every_strategy_exhausts_a_finite_graph_without_repeating_a_step() {
    for strategy in NAMES {
        let (summary, steps) = run(
            &actions(2),
            &mut two_counters(),
            &mut Unjudged,
            &options(strategy, 10_000),
        );
        assert!(complete(&summary), "{strategy}: {:?}", summary.stop);
        assert_eq!(summary.figures.states, 100, "{strategy}");
        assert_eq!(summary.transitions, 200, "{strategy}");
        assert_eq!(summary.figures.step, 200, "{strategy}");
        assert_eq!(summary.untried, 0, "{strategy}");
        // The counters stand still at their end: ten states each way.
        assert_eq!(summary.unchanged_steps, 20, "{strategy}");
        let mut once = steps.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), steps.len(), "{strategy} took a step twice");
    }
}

#[test]
fn the_same_seed_takes_the_same_steps_and_another_seed_takes_others() {
    for strategy in NAMES {
        let walk = |seed| {
            let options = Options {
                seed,
                ..options(strategy, 150)
            };
            run(&actions(2), &mut two_counters(), &mut Unjudged, &options).1
        };
        assert_eq!(walk(7), walk(7), "{strategy}");
        // Two actions have two orders only.
        let differs = (8..20).any(|seed| walk(seed) != walk(7));
        assert!(differs, "{strategy}");
    }
}

#[test]
fn no_strategy_starves_actions_behind_one_that_always_makes_a_new_state() {
    for strategy in NAMES {
        let mut world = MockWorld::new((0_u32, 0_u32), |(first, others), action| match action.0 {
            0 => (first + 1, *others),
            other => (*first, others | 1 << other),
        });
        let options = Options {
            limits: Limits {
                max_steps: 500,
                ..Limits::default()
            },
            ..options(strategy, 500)
        };
        let (summary, _) = run(&actions(30), &mut world, &mut Unjudged, &options);
        assert_eq!(summary.stop, Stop::MaxSteps, "{strategy}");
        assert!(
            summary.actions.iter().all(|action| action.runs > 0),
            "{strategy} starved {:?}",
            summary
                .actions
                .iter()
                .map(|action| action.runs)
                .collect::<Vec<_>>()
        );
        assert!((summary.figures.coverage - 1.0).abs() < f64::EPSILON);
    }
}

#[test]
fn every_strategy_confirms_a_shortest_path_after_an_exhaustive_walk() {
    for strategy in NAMES {
        let mut judge = Forbid(|state: &(u8, u8)| *state == (3, 2));
        let (summary, _) = run(
            &actions(2),
            &mut two_counters(),
            &mut judge,
            &options(strategy, 10_000),
        );
        // The state can be entered by either action, which is one violation.
        assert_eq!(summary.violations.len(), 1, "{strategy}");
        for violation in &summary.violations {
            // Shorter paths found later count as well, so after an exhaustive walk every path is a shortest one.
            assert_eq!(violation.path.len(), 5, "{strategy}");
            let confirmation = violation.confirmation.result;
            assert_eq!(confirmation, ConfirmationResult::Confirmed, "{strategy}");
        }
    }
}

#[test]
fn bfs_reports_the_shortest_path_at_once() {
    let mut judge = Forbid(|state: &(u8, u8)| state.0 + state.1 == 4);
    let mut options = options("bfs", 10_000);
    options.limits.fail_fast = Some(Severity::Low);
    let (summary, _) = run(&actions(2), &mut two_counters(), &mut judge, &options);
    assert_eq!(
        summary.stop,
        Stop::FailFast {
            severity: Severity::High
        }
    );
    assert_eq!(summary.violations[0].path.len(), 4);
    assert_eq!(summary.violations.len(), 1);
}

#[test]
fn a_broken_state_is_reported_where_it_breaks_and_not_behind_it() {
    let mut judge = Forbid(|state: &(u8, u8)| state.0 >= 5);
    let (summary, _) = run(
        &actions(2),
        &mut two_counters(),
        &mut judge,
        &options("bfs", 10_000),
    );
    assert_eq!(summary.violations.len(), 1);
    // It breaks on the step from 4 to 5 of the first counter, at each of the ten values of the second one.
    assert_eq!(summary.violations[0].path.len(), 5);
    assert_eq!(summary.violations[0].occurrences, 10);
}

#[test]
fn the_shortest_path_into_a_broken_state_is_reported_whichever_action_ends_it() {
    // 0 -> 1 -> 2 -> 3 -> 4 (broken) by `step`; `jump` leads from 1 to 4 at once.
    let world = || {
        MockWorld::new(0_u8, |state, action| match (action.0, state) {
            (0, _) => (state + 1).min(5),
            (_, 1) => 4,
            _ => *state,
        })
    };
    for strategy in NAMES {
        let mut judge = Forbid(|state: &u8| *state >= 4);
        let (summary, _) = run(
            &actions(2),
            &mut world(),
            &mut judge,
            &options(strategy, 1_000),
        );
        let lengths: Vec<_> = summary
            .violations
            .iter()
            .map(|violation| (violation.action.as_deref(), violation.path.len()))
            .collect();
        assert_eq!(lengths, [(Some("a1"), 2)], "{strategy}");
        let others: Vec<_> = (summary.violations[0].also_by.iter())
            .map(|other| (other.action.as_str(), other.steps))
            .collect();
        assert_eq!(others, [("a0", 4)], "{strategy}");
        assert!(
            summary
                .violations
                .iter()
                .all(|violation| violation.confirmation.result == ConfirmationResult::Confirmed),
            "{strategy}"
        );
    }
}

#[test]
fn preconditions_and_limits_count_per_path_not_per_run() {
    // create (at most twice) -> close, which needs a create before it on the same path.
    let mut create = Action::named("create");
    create.max_calls = Some((FactId(0), 2));
    create.counts = vec![FactId(0), FactId(1)];
    let mut close = Action::named("close");
    close.preconditions = vec![Precondition::Accepted(FactId(1))];
    let mut small_model = model([create, close]);
    let rule = |cap| FactRule {
        action: "create".to_owned(),
        cap,
        counts: Effect::Accepted,
    };
    small_model.facts = vec![rule(2), rule(1)];
    for strategy in NAMES {
        let mut world = MockWorld::new(0_u8, |open, action| match action.0 {
            0 => open + 1,
            _ => open.saturating_sub(1),
        })
        .logged();
        let (summary, steps) = run(
            &small_model,
            &mut world,
            &mut Unjudged,
            &options(strategy, 1_000),
        );
        // (open, creates so far): (0,0) (1,1) (2,2) (0,1) (1,2) (0,2).
        assert_eq!(summary.figures.states, 6, "{strategy}");
        // create in (0,0) (1,1) (0,1), close in all but (0,0).
        assert_eq!(summary.transitions, 8, "{strategy}");
        assert!(complete(&summary), "{strategy}");
        assert!(
            !steps.contains(&(0, 1)),
            "{strategy} closed what nobody had created"
        );
    }
}

#[test]
fn an_action_that_never_ran_says_what_kept_it_away() {
    let mut ghost = Action::named("ghost");
    ghost.preconditions = vec![Precondition::Accepted(FactId(0))];
    let mut never = Action::named("never");
    never.max_calls = Some((FactId(1), 0));
    let mut small_model = model([Action::named("a"), ghost, never]);
    small_model.facts = vec![
        FactRule {
            action: "summon".to_owned(),
            cap: 1,
            counts: Effect::Accepted,
        },
        FactRule {
            action: "never".to_owned(),
            cap: 1,
            counts: Effect::Accepted,
        },
    ];
    let mut world = MockWorld::new(0_u8, |state, _| (state + 1) % 3);
    let (summary, _) = run(
        &small_model,
        &mut world,
        &mut Unjudged,
        &options("dfs", 100),
    );
    assert!(complete(&summary));
    assert_eq!(
        summary.actions[1].never_ran.as_deref(),
        Some("`summon` had not been accepted before it")
    );
    assert_eq!(
        summary.actions[2].never_ran.as_deref(),
        Some("`max_calls: 0` switches it off")
    );
    assert_eq!(summary.actions[0].never_ran, None);
}

#[test]
fn a_shorter_path_found_later_reopens_a_state_under_max_depth() {
    // A chain 0 -> 1 -> ... -> 9, and a shortcut from 0 to 5.
    let chain = || {
        MockWorld::new(0_u8, |state, action| match (action.0, state) {
            (0, _) => (state + 1).min(9),
            (_, 0) => 5,
            _ => *state,
        })
    };
    for strategy in NAMES {
        let mut options = options(strategy, 1_000);
        options.limits.max_depth = 6;
        let (summary, _) = run(&actions(2), &mut chain(), &mut Unjudged, &options);
        // 9 is 5 steps away through the shortcut, however a strategy came to 5 first.
        assert_eq!(summary.figures.states, 10, "{strategy}");
        assert_eq!(
            summary.stop,
            Stop::Complete {
                depth_limited: false
            },
            "{strategy}"
        );
        options.limits.max_depth = 3;
        let (summary, _) = run(&actions(2), &mut chain(), &mut Unjudged, &options);
        // 0 1 2 3 and 5 6 7.
        assert_eq!(summary.figures.states, 7, "{strategy}");
        assert_eq!(
            summary.stop,
            Stop::Complete {
                depth_limited: true
            },
            "{strategy}"
        );
    }
}

#[test]
fn coverage_target_stops_the_run_once_reached() {
    let mut options = options("coverage", 1_000);
    options.limits.coverage_target = Some(0.5);
    let (summary, _) = run(&actions(2), &mut two_counters(), &mut Unjudged, &options);
    assert_eq!(summary.stop, Stop::CoverageTarget);
    assert_eq!(summary.figures.step, 1);
}

#[test]
fn an_interrupt_ends_the_run_with_what_is_known() {
    let options = options("dfs", 1_000);
    options.interrupt.request();
    let (summary, steps) = run(&actions(2), &mut two_counters(), &mut Unjudged, &options);
    assert_eq!(summary.stop, Stop::Interrupted);
    assert!(steps.is_empty());
}

#[test]
fn a_world_without_a_way_back_is_walked_forward_only() {
    for strategy in ["auto", "random", "weighted"] {
        let mut world = two_counters().without_restore().logged();
        let (summary, steps) = run(
            &actions(2),
            &mut world,
            &mut Unjudged,
            &options(strategy, 100),
        );
        assert_eq!(summary.stop, Stop::MaxSteps, "{strategy}");
        assert_eq!(steps.len(), 100);
        assert!(
            world
                .log
                .iter()
                .all(|call| matches!(call, MockCall::Act(..))),
            "{strategy} restored a state"
        );
    }
}

#[test]
fn dfs_goes_on_from_the_newest_state_and_rarely_restores() {
    let mut world = MockWorld::new(0_u32, |state, _| state + 1).logged();
    let (_, steps) = run(&actions(1), &mut world, &mut Unjudged, &options("dfs", 50));
    assert!(steps.iter().enumerate().all(|(n, step)| step.0 == n as u32));
    assert!(
        !world
            .log
            .iter()
            .any(|call| matches!(call, MockCall::Restore(_)))
    );
}

#[test]
fn a_dive_ends_at_the_depth_limit_and_the_next_one_begins_at_a_shallow_state() {
    // A tree in which every step leads to a new state.
    let mut world = MockWorld::new(1_u64, |state, action| state * 3 + u64::from(action.0));
    let mut options = options("dfs", 300);
    options.limits.max_depth = 10;
    let mut begun: Vec<u32> = Vec::new();
    let (_, steps) = run(&actions(3), &mut world, &mut Unjudged, &options);
    let mut depths = vec![0_u32];
    for (before, (from, _)) in steps.iter().enumerate() {
        let depth = depths[*from as usize];
        if *from as usize != before {
            begun.push(depth);
        }
        depths.push(depth + 1);
    }
    let shallow = begun.iter().filter(|depth| **depth < 5).count();
    assert!(begun.len() >= 20, "{begun:?}");
    assert!(shallow * 4 > begun.len(), "{begun:?}");
}

#[test]
fn a_service_that_is_not_deterministic_is_told_apart() {
    let mut calls = 0_u32;
    let mut world = MockWorld::new((0_u8, 0_u32), |(level, _), _| {
        calls += 1;
        ((level + 1).min(5), calls)
    });
    let (summary, _) = run(&actions(3), &mut world, &mut Unjudged, &options("bfs", 60));
    let codes: Vec<_> = summary
        .warnings
        .iter()
        .map(|warning| warning.code.as_str())
        .collect();
    assert!(codes.contains(&"non-deterministic"), "{codes:?}");
}

#[test]
fn a_deterministic_service_is_not_accused() {
    for strategy in NAMES {
        let (summary, _) = run(
            &actions(2),
            &mut two_counters(),
            &mut Unjudged,
            &options(strategy, 10_000),
        );
        let accused = (summary.warnings.iter()).find(|warning| warning.code != "equal-weights");
        assert!(accused.is_none(), "{strategy}: {accused:?}");
    }
}

#[test]
fn weighted_without_weights_says_that_it_is_random() {
    let warned = |weight| {
        let heavy = Action {
            weight,
            ..Action::named("heavy")
        };
        let small_model = model([heavy, Action::named("light")]);
        let options = options("weighted", 10);
        let (summary, _) = run(&small_model, &mut two_counters(), &mut Unjudged, &options);
        let mut codes = summary.warnings.into_iter().map(|warning| warning.code);
        codes.any(|code| code == "equal-weights")
    };
    assert!(warned(1.0));
    assert!(!warned(2.0));
}

#[test]
fn weights_steer_the_weighted_walk() {
    let mut heavy = Action::named("heavy");
    heavy.weight = 9.0;
    let small_model = model([heavy, Action::named("light")]);
    let mut world = MockWorld::new((0_u32, 0_u32), |(heavy, light), action| match action.0 {
        0 => (heavy + 1, *light),
        _ => (*heavy, light + 1),
    });
    let (summary, _) = run(
        &small_model,
        &mut world,
        &mut Unjudged,
        &options("weighted", 400),
    );
    assert!(summary.actions[0].runs > 2 * summary.actions[1].runs);
}

/// A lock that opens only to one sequence of seven actions out of ten: a wrong one starts over.
fn lock() -> MockWorld<u8, impl FnMut(&u8, ActionId) -> u8> {
    const CODE: [u32; 7] = [3, 1, 4, 1, 5, 9, 2];
    MockWorld::new(0_u8, |right, action| match CODE.get(usize::from(*right)) {
        Some(next) if *next == action.0 => right + 1,
        Some(_) => 0,
        None => *right,
    })
}

#[test]
fn every_strategy_opens_the_lock_because_states_are_merged() {
    for strategy in NAMES {
        let mut judge = Forbid(|state: &u8| *state == 7);
        let (summary, _) = run(
            &actions(10),
            &mut lock(),
            &mut judge,
            &options(strategy, 1_000),
        );
        assert_eq!(summary.figures.states, 8, "{strategy}");
        assert_eq!(summary.violations.len(), 1, "{strategy}");
        assert_eq!(summary.violations[0].path.len(), 7, "{strategy}");
    }
}
