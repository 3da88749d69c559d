//! Does the service keep state in its process? Then a restore does not bring all of it back, and no verdict can be relied on.
//!
//! A walk does not show that by itself: what is remembered for good makes the service answer alike wherever it is put. So
//! after the walk its newest steps are taken again, each on its whole path, first on the service as it runs, then on one that
//! was started again. The newest come first, for what the walk did first is what such a service is likely to remember.
//! Only what differs each time counts.

use crate::evidence::{self, Claim, Rerun};
use crate::model::{ActionId, Effect, Finding, Model, PathStep, Response};
use crate::oracle::Judge;
use crate::world::{Arrival, Warning, WarningCode, World, WorldError};

use super::explored::Explored;
use super::graph::{Graph, StateId, TransitionId};
use super::path_replay::PathReplay;

/// Steps that are taken again, at most one for each action.
const SAMPLES: usize = 12;

/// Requests that taking all of them again may cost, on each service.
const REQUESTS: usize = 100;

/// A path, and the statuses with which its steps were answered.
#[derive(Debug)]
pub(super) struct Sample {
    path: Vec<ActionId>,
    statuses: Vec<u16>,
}

/// The newest steps of the walk that are answered as they were when they are taken again, on the service as it runs.
pub(super) async fn steady<W: World, J: Judge<W>>(
    replay: &mut PathReplay<'_, W, J>,
) -> Result<Vec<Sample>, WorldError> {
    let model = replay.model();
    let (world, _, explored) = replay.leave();
    let mut samples = Vec::new();
    let initial = initial(explored);
    for sample in newest(explored.graph()) {
        if statuses(model, world, &initial, &sample.path).await? == sample.statuses {
            samples.push(sample);
        }
    }
    Ok(samples)
}

/// A warning if a service that was started again answers otherwise, each time.
pub(super) async fn find<W: World, J: Judge<W>>(
    replay: &mut PathReplay<'_, W, J>,
    samples: &[Sample],
) -> Result<Option<Warning>, WorldError> {
    let model = replay.model();
    let (world, _, explored) = replay.leave();
    let Some((at, first)) = differing(model, world, explored, samples).await? else {
        return Ok(None);
    };
    // Once may be chance.
    let again = differing(model, world, explored, &samples[..=at]).await?;
    if again.as_ref() != Some(&(at, first.clone())) {
        return Ok(None);
    }
    let Sample { path, statuses } = &samples[at];
    let differs = |(was, is): (&u16, &u16)| was != is;
    let step = statuses.iter().zip(&first).position(differs);
    Ok(step.map(|step| {
        let name = &model.action(path[step]).name;
        warning(&format!(
            "`{name}` is answered {} as long as the service runs, and {} once it has been started again",
            Response::status_in_words(statuses[step]),
            Response::status_in_words(first[step])
        ))
    }))
}

/// Whether a path, run in one piece from the initial state of the walk, shows a finding each of so many times, on the service as it
/// runs.
pub(super) async fn happens<W: World, J: Judge<W>>(
    replay: &mut PathReplay<'_, W, J>,
    finding: &Finding,
    path: &[PathStep],
    times: u32,
) -> Result<bool, WorldError> {
    let model = replay.model();
    let (world, judge, explored) = replay.leave();
    let claim = Claim {
        finding,
        path,
        initial: explored.initial(),
    };
    let initial = initial(explored);
    for _ in 0..times {
        let shown = evidence::run_once(model, world, judge, claim, &initial).await?;
        if shown.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The warning; `what` says how it shows.
pub(super) fn warning(what: &str) -> Warning {
    Warning::new(
        WarningCode::StateOutsideSystems,
        format!("{what}: this service keeps state in its process, which a restore does not reach"),
    )
    .with_help(
        "write `restore: full`, which starts the service again for each restore; or empty what it keeps with a request under `after_restore`, which is faster",
    )
    .untrusted()
}

/// The newest step of each action, the newest first.
fn newest(graph: &Graph) -> Vec<Sample> {
    let mut seen: Vec<ActionId> = Vec::new();
    let mut samples = Vec::new();
    let mut requests = 0;
    for id in (0..graph.transition_count() as u32).rev().map(TransitionId) {
        if samples.len() == SAMPLES || seen.len() == graph.actions_run() {
            break;
        }
        let last = graph.transition(id);
        if seen.contains(&last.action) {
            continue;
        }
        seen.push(last.action);
        let mut path = graph.path_to(last.from);
        path.push(id);
        let steps = || path.iter().map(|id| graph.transition(*id));
        // A request without an answer costs a restart.
        let is_answered = steps().all(|step| step.status != Response::NO_ANSWER);
        if is_answered && requests + path.len() <= REQUESTS {
            requests += path.len();
            samples.push(Sample {
                path: steps().map(|step| step.action).collect(),
                statuses: steps().map(|step| step.status).collect(),
            });
        }
    }
    samples
}

/// The initial state of the walk.
pub(super) fn initial<C: Clone>(explored: &Explored<C>) -> Arrival<C> {
    Arrival {
        context: explored.graph().context(StateId::INITIAL).clone(),
        identity: explored.initial(),
        checkpoint: explored.checkpoint(StateId::INITIAL).clone(),
        status: 0,
        effect: Effect::None,
        wrote: false,
        record: None,
    }
}

/// The first sample that is answered otherwise by a service that was started again, and how.
async fn differing<W: World>(
    model: &Model,
    world: &mut W,
    explored: &Explored<W::Checkpoint>,
    samples: &[Sample],
) -> Result<Option<(usize, Vec<u16>)>, WorldError> {
    if samples.is_empty() {
        return Ok(None);
    }
    let initial = world.renew().await?;
    if initial.identity != explored.initial() {
        return Ok(None);
    }
    for (at, sample) in samples.iter().enumerate() {
        let now = statuses(model, world, &initial, &sample.path).await?;
        if now.len() == sample.statuses.len() && now != sample.statuses {
            return Ok(Some((at, now)));
        }
    }
    Ok(None)
}

/// The statuses of a path that is run in one piece, as far as it can be sent.
async fn statuses<W: World>(
    model: &Model,
    world: &mut W,
    initial: &Arrival<W::Checkpoint>,
    path: &[ActionId],
) -> Result<Vec<u16>, WorldError> {
    world.restore(&initial.checkpoint).await?;
    let mut rerun = Rerun::new(initial.clone());
    let mut statuses = Vec::new();
    for action in path {
        if rerun.undefined(model, *action).is_some() {
            break;
        }
        rerun.step(world, *action).await?;
        statuses.push(rerun.here.status);
    }
    Ok(statuses)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use crate::event::{Event, Finished};
    use crate::explorer::Options;
    use crate::explorer::budget::Limits;
    use crate::explorer::testing::{self, Forbid};
    use crate::interrupt::Interrupt;
    use crate::model::ActionId;
    use crate::world::mock::MockWorld;

    /// 0 at first, 1 after `a0`, and back after `a1`; `a2` leads to 9, but to a member only.
    fn honest(state: &u128, action: ActionId) -> u128 {
        match (state, action.0) {
            (_, 0) => 1,
            (_, 1) => 0,
            (1, 2) => 9,
            (state, _) => *state,
        }
    }

    fn run(
        mut world: MockWorld<u128, impl FnMut(&u128, ActionId) -> u128>,
        strategy: &str,
    ) -> Finished {
        let options = Options {
            strategy: strategy.to_owned(),
            limits: Limits::default(),
            seed: 1,
            interrupt: Interrupt::default(),
            regressions: Vec::new(),
            known: std::collections::BTreeSet::new(),
        };
        let mut judge = Forbid(|state: &u128| *state == 7);
        let model = testing::actions(3);
        testing::run(&model, &mut world, &mut judge, &options, &mut |_: Event| {})
    }

    /// Whoever is not a member is told so.
    fn answer(before: &u128, action: ActionId, after: &u128) -> u16 {
        if action.0 == 2 && before == after {
            409
        } else {
            200
        }
    }

    /// A service that denies for good whom it has denied once.
    fn denies_for_good(denied: Rc<Cell<bool>>) -> impl FnMut(&u128, ActionId) -> u128 {
        move |state, action| {
            if action.0 != 2 {
                return honest(state, action);
            }
            denied.set(denied.get() || *state == 0);
            if denied.get() {
                *state
            } else {
                honest(state, action)
            }
        }
    }

    #[test]
    fn what_a_process_remembers_for_good_is_found_by_every_strategy() {
        for strategy in ["bfs", "mcts", "dfs", "coverage", "random", "weighted"] {
            let denied = Rc::new(Cell::new(false));
            let restarted = denied.clone();
            let world = MockWorld::new(0, denies_for_good(denied))
                .answering(answer)
                .starting_anew(move || restarted.set(false));
            let found = run(world, strategy);
            if found.figures.states == 3 {
                continue; // A member came first, so the walk has missed nothing.
            }
            let warning = &found.warnings[0];
            assert_eq!(warning.code, "state-outside-systems", "{strategy}");
            assert!(warning.untrusted);
            let message = &warning.message;
            let what = "`a2` is answered 409 as long as the service runs, and 200 once";
            assert!(message.contains(what), "{message}");
        }
    }

    #[test]
    fn an_honest_service_is_trusted() {
        for strategy in ["bfs", "mcts", "dfs"] {
            let world = MockWorld::new(0, honest as fn(&u128, ActionId) -> u128)
                .answering(answer)
                .starting_anew(|| {});
            assert!(run(world, strategy).warnings.is_empty(), "{strategy}");
        }
    }

    #[test]
    fn a_violation_that_only_the_running_process_shows_is_told_as_that() {
        // Whoever has been a member once is let in for good, where nobody should be.
        let member = Rc::new(Cell::new(false));
        let restarted = member.clone();
        let world = MockWorld::new(0, move |state: &u128, action: ActionId| {
            member.set(member.get() || action.0 == 0);
            match (state, action.0) {
                (0, 2) if member.get() => 7,
                _ => honest(state, action),
            }
        })
        .starting_anew(move || restarted.set(false));
        let found = run(world, "bfs");
        assert!(
            found
                .warnings
                .iter()
                .any(|warning| warning.message.contains("`forbidden`")
                    && warning
                        .message
                        .contains("this service keeps state in its process")),
            "{found:?}"
        );
    }
}
