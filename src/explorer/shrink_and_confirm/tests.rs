use super::*;
use crate::event::{Event, Finished};
use crate::explorer::Options;
use crate::explorer::budget::Limits;
use crate::explorer::testing::{self, Forbid};
use crate::interrupt::Interrupt;
use crate::model::Severity;
use crate::world::mock::{MockCall, MockWorld};

/// How far the three steps have come that break it, and what has nothing to do with them.
type State = (u8, u64);

/// Actions 0, 1 and 2 break it one after the other; the other twenty always lead somewhere new.
fn rule(state: &State, action: ActionId) -> State {
    match action.0 {
        next @ 0..=2 if u32::from(state.0) == next => (state.0 + 1, state.1),
        0..=2 => *state,
        other => (
            state.0,
            (state.1.wrapping_mul(31)).wrapping_add(u64::from(other)),
        ),
    }
}

fn run<F: FnMut(&State, ActionId) -> State>(
    world: &mut MockWorld<State, F>,
    seed: u64,
) -> Finished {
    let options = Options {
        strategy: "random".to_owned(),
        limits: Limits {
            max_steps: 5_000,
            max_depth: 5_000,
            fail_fast: Some(Severity::Low),
            ..Limits::default()
        },
        seed,
        postpone: true,
        interrupt: Interrupt::default(),
        regressions: Vec::new(),
        known: std::collections::BTreeSet::new(),
    };
    let mut judge = Forbid(|state: &State| state.0 >= 3);
    testing::run(
        &testing::actions(23),
        world,
        &mut judge,
        &options,
        &mut |_: Event| {},
    )
}

fn path(violation: &event::Violation) -> Vec<&str> {
    let steps = violation.path.iter();
    steps.map(|step| step.action.as_str()).collect()
}

#[test]
fn a_long_walk_is_shrunk_to_three_steps_and_the_reported_cost_is_true() {
    let mut longest = 0;
    for seed in 0..40 {
        let mut world = MockWorld::new((0, 1), rule as fn(&State, ActionId) -> State).logged();
        let summary = run(&mut world, seed);
        let violation = &summary.violations[0];
        assert_eq!(path(violation), ["a0", "a1", "a2"], "seed {seed}");
        assert_eq!(violation.shrink.result, ShrinkResult::Minimal);
        assert_eq!(violation.confirmation, Confirmation::tried(3, 3, None));
        let acts = world
            .log
            .iter()
            .filter(|call| matches!(call, MockCall::Act(..)));
        let walked = summary.figures.step;
        // Nothing but the walk, the trials and the three attempts of three steps. Where the walk restored a state, a step
        // or two were taken again to see whether the world is deterministic.
        let reported = walked + violation.shrink.requests + 9;
        let again = world
            .log
            .iter()
            .take_while(|call| **call != MockCall::Renew);
        let restores = again
            .filter(|call| matches!(call, MockCall::Restore(_)))
            .count() as u64;
        let acts = acts.count() as u64;
        assert!(
            (reported..=reported + restores).contains(&acts),
            "{acts} {reported}"
        );
        assert!(
            violation.shrink.requests < 100,
            "{}",
            violation.shrink.requests
        );
        let renewals = world.log.iter().filter(|call| **call == MockCall::Renew);
        assert_eq!(renewals.count(), 1);
        longest = longest.max(violation.shrink.found_length);
    }
    assert!(longest > 100, "{longest}");
}

/// Steps that were taken, and then a violation; each trial would need a request, and none is allowed.
fn shrunk_without_requests(rule: fn(&State, ActionId) -> State, steps: [u32; 3]) -> Candidate {
    use crate::explorer::explored::Explored;
    use crate::explorer::graph::StateId;
    let model = testing::actions(23);
    let mut world = MockWorld::new((0, 1), rule);
    let mut judge = Forbid(|state: &State| state.0 >= 1);
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(async {
        let initial = world.begin().await.unwrap();
        let mut explored = Explored::new(&model, 100, true, &initial, Vec::new());
        let mut violations = Violations::new(std::collections::BTreeSet::new());
        let mut at = StateId::INITIAL;
        for (taken, action) in (1..).zip(steps.map(ActionId)) {
            let context = explored.graph().context(at).clone();
            let arrival = world.act(action, &context).await.unwrap();
            let judged = crate::oracle::Judged {
                action: Some(action),
                context_before: &context,
                arrival: &arrival,
                new_state: true,
                broken_before: &[],
                only: None,
            };
            let judgement = judge.judge(&mut world, judged).await.unwrap();
            let identity = explored.identify(&model, at, action, &arrival);
            let count = judgement.findings.len();
            let recorded = explored.record(at, action, identity, arrival, count);
            for finding in judgement.findings {
                let seen = Some((action, recorded.transition, taken));
                violations.add(&model, seen, taken.into(), finding);
            }
            at = explored.graph().transition(recorded.transition).to;
        }
        let interrupt = Interrupt::default();
        let mut replay = PathReplay::new(&model, &mut world, &mut judge, &explored, &interrupt);
        let mut candidate = Candidate::new(violations.violation(0, explored.graph()));
        let allowance = Allowance {
            requests: 0,
            deadline: Instant::now() + LEAST_TIME,
        };
        candidate
            .shrink(&mut replay, allowance, None)
            .await
            .unwrap();
        candidate
    })
}

#[test]
fn where_no_trial_was_possible_the_likeliest_path_is_run_in_one_piece() {
    let broken_by_the_last = |state: &State, action: ActionId| match action.0 {
        0 => (1, state.1),
        _ => rule(state, action),
    };
    let candidate = shrunk_without_requests(broken_by_the_last, [4, 5, 0]);
    let violation = &candidate.violation;
    let path: Vec<u32> = violation.path.iter().map(|step| step.action.0).collect();
    assert_eq!(path, [0]);
    assert_eq!(violation.shrink.result, ShrinkResult::Unfinished);
}

#[test]
fn a_likely_path_that_does_not_show_it_changes_nothing() {
    // All three steps are needed.
    let needs_all = |state: &State, action: ActionId| match (action.0, state.1) {
        (0, 6) => (1, 6),
        (4, 1) => (0, 5),
        (5, 5) => (0, 6),
        _ => *state,
    };
    let candidate = shrunk_without_requests(needs_all, [4, 5, 0]);
    let violation = &candidate.violation;
    assert_eq!(violation.path.len(), 3);
    assert_eq!(violation.shrink.result, ShrinkResult::Unfinished);
    let reason = violation.shrink.reason.as_deref().unwrap_or_default();
    assert!(reason.contains("it ended after 0 requests"), "{reason}");
}

#[test]
fn without_restores_a_violation_is_neither_shrunk_nor_confirmed() {
    let mut world = MockWorld::new((0, 1), rule as fn(&State, ActionId) -> State).without_restore();
    let summary = run(&mut world, 1);
    let violation = &summary.violations[0];
    assert_eq!(violation.shrink.result, ShrinkResult::NotTried);
    assert_eq!(violation.confirmation.result, ConfirmationResult::NotTried);
    assert_eq!(violation.path.len(), violation.shrink.found_length as usize);
}

#[test]
fn a_violation_that_happens_only_once_is_not_confirmed() {
    let mut has_happened = false;
    let mut world = MockWorld::new((0, 1), move |state: &State, action| {
        let next = rule(state, action);
        if next.0 < 3 || !std::mem::replace(&mut has_happened, true) {
            return next;
        }
        *state
    });
    let summary = run(&mut world, 1);
    let violation = &summary.violations[0];
    assert_eq!(violation.shrink.result, ShrinkResult::NotTried);
    let Confirmation {
        result, times, of, ..
    } = violation.confirmation;
    assert_eq!(result, ConfirmationResult::Unconfirmed);
    assert_eq!((times, of), (Some(0), Some(3)));
    let reason = violation.confirmation.reason.as_deref().unwrap_or_default();
    assert!(
        reason.contains("`forbidden` had nothing to object to"),
        "{reason}"
    );
}
