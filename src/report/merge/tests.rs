//! Runs over a small graph, merged in every order.

use std::time::Duration;

use proptest::prelude::*;

use super::super::{Outcome, Reports, fixture};
use super::*;
use crate::event::{Failure, Figures, Finished, Step, Stop, Time, Warning};

/// A walk over a graph that is the same for all: state `s` and action `a` lead to `(2 s + a) % 7`. Each run numbers states
/// in its own order.
fn walk(seed: u64, moves: &[u32], stop: Stop) -> RunReport {
    let mut run = fixture::run();
    run.started.seed = seed;
    run.started.repeat = format!("venomqa explore --seed {seed}");
    run.initial = Some("state-0".to_owned());
    let mut known = vec![0];
    let mut statuses = [0_u64; 2];
    for (number, action) in (1..).zip(moves) {
        // From a state that is known, as a run does.
        let from = known[*action as usize % known.len()];
        let to = (2 * from + action % 2) % 7;
        let new_state = !known.contains(&to);
        if new_state {
            known.push(to);
        }
        let place = |state| known.iter().position(|one| *one == state).unwrap() as u32;
        statuses[(action % 2) as usize] += 1;
        run.steps.push(Step {
            step: number,
            from: place(from),
            action: action % 2,
            to: place(to),
            new_state,
            fingerprint: format!("state-{to}"),
            status: 200,
            judged: Vec::new(),
            broken: Vec::new(),
            exchange: None,
        });
    }
    let pairs: std::collections::BTreeSet<_> = run
        .steps
        .iter()
        .map(|step| (step.from, step.action))
        .collect();
    run.summary = Finished {
        figures: Figures {
            step: moves.len() as u64,
            max_steps: 500,
            states: known.len() as u64,
            coverage: 0.0,
            violations: 0,
        },
        stop,
        transitions: pairs.len() as u64,
        untried: 3,
        actions: statuses
            .iter()
            .map(|runs| fixture::seen(*runs, &[(200, *runs)], 0))
            .collect(),
        time: Time {
            total: Duration::from_millis(seed),
            ..Time::default()
        },
        ..run.summary
    };
    run
}

/// The walk that tries everything.
fn whole(seed: u64) -> RunReport {
    let mut moves = Vec::new();
    for state in 0..7_u32 {
        moves.extend([state * 14, state * 14 + 7]);
    }
    let mut run = walk(
        seed,
        &moves,
        Stop::Complete {
            depth_limited: false,
        },
    );
    run.summary.untried = 0;
    run
}

fn merged(runs: impl IntoIterator<Item = RunReport>) -> RunReport {
    let mut merge = Merge::new(&Reports::default());
    for run in runs {
        merge.add(run);
    }
    let mut runs = merge.into_runs();
    assert_eq!(runs.len(), 1);
    runs.remove(0)
}

fn any_run() -> impl Strategy<Value = RunReport> {
    let stop = prop_oneof![
        Just(Stop::MaxSteps),
        Just(Stop::TimeLimit),
        Just(Stop::CutOff),
        Just(Stop::Interrupted),
        Just(Stop::Complete {
            depth_limited: false
        }),
        Just(Stop::Failed {
            error: Failure {
                kind: "service".to_owned(),
                message: "gone".to_owned(),
                details: Vec::new(),
                help: None,
            },
            path: Vec::new(),
        }),
    ];
    let moves = proptest::collection::vec(0..98_u32, 0..20);
    (1..4_u64, moves, stop, 0..4_u32, any::<bool>()).prop_map(
        |(seed, moves, stop, found, warned)| {
            let mut run = walk(seed, &moves, stop);
            for kind in 0..found {
                let mut violation = fixture::refunded_twice();
                violation.kind = (kind % 2).to_string();
                violation.first_step = u64::from(kind) + seed;
                violation
                    .path
                    .truncate(1 + (kind + seed as u32) as usize % 3);
                if kind == 3 {
                    violation.name = "another".to_owned();
                }
                run.summary.violations.push(violation);
            }
            if warned {
                run.summary.warnings.push(Warning {
                    code: "a".to_owned(),
                    message: seed.to_string(),
                    help: None,
                    untrusted: seed == 2,
                });
            }
            run
        },
    )
}

proptest! {
    #[test]
    fn the_order_in_which_runs_are_merged_does_not_matter(a in any_run(), b in any_run(), c in any_run()) {
        let all = merged([a.clone(), b.clone(), c.clone()]);
        prop_assert_eq!(&all, &merged([c.clone(), a.clone(), b.clone()]));
        prop_assert_eq!(&all, &merged([merged([a.clone(), b.clone()]), c.clone()]));
        prop_assert_eq!(&all, &merged([a, merged([b, c])]));
    }

    #[test]
    fn a_merged_run_is_folded_back_from_its_entries(a in any_run(), b in any_run()) {
        let all = merged([a, b]);
        let mut entries = all.clone().into_entries();
        let Some(Event::Started(started)) = entries.next() else { panic!("no start") };
        let mut builder = RunBuilder::new(*started, Detail::Whole);
        entries.for_each(|entry| builder.add(entry));
        prop_assert_eq!(all, builder.into_report());
    }
}

#[test]
fn states_are_united_and_steps_add_up() {
    // 0 -1-> 1 -0-> 2, and 0 -0-> 0, 0 -1-> 1 -1-> 3.
    let one = walk(1, &[1, 0, 1], Stop::MaxSteps);
    let other = walk(2, &[0, 1, 3], Stop::MaxSteps);
    let states = |run: &RunReport| -> std::collections::BTreeSet<String> {
        run.steps
            .iter()
            .map(|step| step.fingerprint.clone())
            .collect()
    };
    let together: std::collections::BTreeSet<_> = states(&one)
        .union(&states(&other))
        .cloned()
        .chain(["state-0".to_owned()])
        .collect();
    let all = merged([one, other]);
    assert_eq!(all.summary.figures.step, 6);
    assert_eq!(all.summary.figures.states, together.len() as u64);
    let new = all.steps.iter().filter(|step| step.new_state).count();
    assert_eq!(new + 1, together.len());
    let sum: u64 = all.summary.actions.iter().map(|seen| seen.new_states).sum();
    assert_eq!(sum, new as u64);
    assert_eq!(all.summary.stop, Stop::MaxSteps);
    assert_eq!(all.started.limits.max_steps, 1000);
    assert_eq!(all.strategy(), "dfs, seeds 1, 2");
    assert_eq!(all.summary.time.total, Duration::from_millis(3));
}

#[test]
fn it_is_complete_when_one_run_was_and_knew_every_state() {
    let part = walk(2, &[1, 0, 1], Stop::MaxSteps);
    let all = merged([whole(1), part.clone()]);
    assert_eq!(
        all.summary.stop,
        Stop::Complete {
            depth_limited: false
        }
    );
    assert_eq!(all.summary.untried, 0);
    // A state that the complete run does not know: the service was not the same.
    let mut elsewhere = part;
    elsewhere.steps[0].fingerprint = "elsewhere".to_owned();
    let all = merged([whole(1), elsewhere]);
    assert_eq!(all.summary.stop, Stop::Several);
    let sentence = all.stop_sentence();
    assert!(
        sentence.contains("complete") && sentence.contains("--max-steps"),
        "{sentence}"
    );
}

#[test]
fn one_run_that_failed_makes_the_merged_one_fail() {
    let bad = |stop: Stop| merged([whole(1), walk(2, &[1], stop), whole(3)]);
    let killed = bad(Stop::CutOff);
    assert_eq!(killed.outcome(), Outcome::Failed);
    assert_eq!(bad(Stop::Interrupted).outcome(), Outcome::Interrupted);
    let mut nothing = walk(2, &[], Stop::MaxSteps);
    nothing.summary.actions.clear();
    assert_eq!(merged([whole(1), nothing]).outcome(), Outcome::Failed);
    let mut traces = whole(2);
    traces.cleanup = Some(Failure {
        kind: "restore".to_owned(),
        message: "rows differ".to_owned(),
        details: Vec::new(),
        help: None,
    });
    let all = merged([whole(1), traces]);
    assert_eq!(all.outcome(), Outcome::Failed);
    assert_eq!(all.errors()[0].message, "rows differ");
}

#[test]
fn equal_violations_become_one_with_the_shortest_path() {
    let found = |seed, length: usize, confirmed: bool| {
        let mut run = whole(seed);
        let mut violation = fixture::refunded_twice();
        violation.path.truncate(length);
        violation.first_step = seed;
        if !confirmed {
            violation.confirmation.result = crate::event::ConfirmationResult::NotTried;
        }
        run.summary.violations.push(violation);
        run
    };
    let all = merged([found(5, 3, true), found(3, 2, true), found(4, 1, false)]);
    let [violation] = &all.summary.violations[..] else {
        panic!("{:?}", all.summary.violations)
    };
    assert_eq!(violation.path.len(), 2);
    assert_eq!(violation.occurrences, 12);
    assert_eq!(violation.first_step, 3);
    assert_eq!(all.outcome(), Outcome::Violations);
}

#[test]
fn runs_over_different_specs_stay_apart() {
    let mut other = whole(1);
    other.started.actions[0].name = "another".to_owned();
    let mut merge = Merge::new(&Reports::default());
    for run in [whole(1), other, whole(2)] {
        merge.add(run);
    }
    let runs = merge.into_runs();
    assert_eq!(runs.len(), 2);
    let parts: Vec<usize> = runs.iter().map(|run| run.started.merged.len()).collect();
    assert_eq!(parts, [0, 2]);
}

#[test]
fn different_initial_states_are_told() {
    let mut other = whole(2);
    other.initial = Some("elsewhere".to_owned());
    let all = merged([whole(1), other]);
    assert_eq!(all.summary.warnings[0].code, "merged-states-apart");
    // One warning for all runs together, however they were merged.
    let again = merged([all, whole(3)]);
    assert_eq!(again.summary.warnings.len(), 1);
}
