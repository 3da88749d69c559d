//! Runs a path again, step by step, and evaluates whether a step shows the finding that is wanted.

use crate::model::{
    ActionId, Context, Finding, Model, OracleId, PathStep, Response, SeenStep, StepRecord,
};
use crate::oracle::{Judge, Judged, Judgement};
use crate::world::{Arrival, World, WorldError};

/// A path that is run again. The world must stand where it begins.
#[derive(Debug)]
pub(crate) struct Rerun<C> {
    /// Where the last step began; where the path begins, if none was taken.
    pub(crate) before: Arrival<C>,
    /// Where the world stands.
    pub(crate) here: Arrival<C>,
    /// The steps taken so far, with their records.
    pub(crate) path: Vec<PathStep>,
}

impl<C: Clone> Rerun<C> {
    /// A path that begins in this state.
    pub(crate) fn new(initial: Arrival<C>) -> Self {
        Self {
            before: initial.clone(),
            here: initial,
            path: Vec::new(),
        }
    }

    /// A variable that the request of an action needs and that no step of the path has bound. The request cannot be sent
    /// without it.
    pub(crate) fn undefined<'m>(&self, model: &'m Model, action: ActionId) -> Option<&'m str> {
        let mut needed = model.action(action).requires.iter();
        let missing = needed.find(|variable| self.here.context.get(**variable).is_none())?;
        let name = model.names.variables.get_index(missing.0 as usize)?;
        Some(name)
    }

    /// Takes the next step.
    pub(crate) async fn step<W: World<Checkpoint = C>>(
        &mut self,
        world: &mut W,
        action: ActionId,
    ) -> Result<(), WorldError> {
        let arrival = world.act(action, &self.here.context).await?;
        self.path.push(PathStep {
            action,
            record: arrival.record.clone().map(StepRecord::compact),
        });
        self.before = std::mem::replace(&mut self.here, arrival);
        Ok(())
    }

    /// What all oracles, or one, say of the last step and of the state it led to. Nothing where no step was taken.
    pub(crate) async fn judge_last<W: World<Checkpoint = C>, J: Judge<W>>(
        &self,
        world: &mut W,
        judge: &mut J,
        only: Option<OracleId>,
    ) -> Result<Judgement, WorldError> {
        let Some(last) = self.path.last() else {
            return Ok(Judgement::default());
        };
        let judged = Judged {
            action: Some(last.action),
            context_before: &self.before.context,
            arrival: &self.here,
            new_state: true,
            broken_before: &[],
            only,
        };
        judge.judge(world, judged).await
    }
}

/// What one oracle found when a step was evaluated.
#[derive(Debug)]
pub(crate) struct Evaluation {
    /// The wanted finding, as this step shows it.
    pub(crate) same: Option<Finding>,
    /// A finding of the same oracle that is another bug.
    pub(crate) other: Option<Finding>,
    /// Whether the oracle judged the state that the step led to. Such a finding counts only where the state before the step
    /// did not have it.
    pub(crate) of_state: bool,
    /// Where there is no finding at all: why the oracle could not be evaluated, as a clause, if it could not.
    pub(crate) unjudged: Option<String>,
}

impl Evaluation {
    /// Why it cannot be said that the wanted finding is gone although it was not seen, as a sentence; `None` where the oracle
    /// had nothing to object to.
    pub(crate) fn doubt(&self) -> Option<String> {
        doubt(self.other.as_ref(), self.unjudged.as_deref())
    }
}

/// Why it cannot be said that a finding is gone: the oracle found something else, or could not be evaluated.
pub(crate) fn doubt(other: Option<&Finding>, unjudged: Option<&str>) -> Option<String> {
    match (other, unjudged) {
        (Some(other), _) => Some(format!("it objects to something else: {}", other.message)),
        (None, Some(why)) => Some(why.to_owned()),
        (None, None) => None,
    }
}

/// Why the end of a path proves nothing where the finding is not seen: a step before the last one that was accepted is refused
/// now, or the other way round, so the path no longer leads where it led. A clause; `None` where each step went as recorded.
pub(crate) fn strayed(model: &Model, recorded: &[SeenStep], path: &[PathStep]) -> Option<String> {
    let (_, before) = path.split_last()?;
    let steps = before.iter().zip(recorded).enumerate();
    for (position, (step, recorded)) in steps {
        let (action, Some(record)) = (model.action(step.action), &step.record) else {
            continue;
        };
        let (is, was) = (record.response.status, recorded.status);
        // Of one who may not, a refusal is expected; what was accepted all the same was accepted.
        let accepted = |status: u16| match status {
            200..300 => true,
            _ => action.forbidden.is_none() && action.expect.accepts(status),
        };
        // A file may leave out what was seen.
        if was != 0 && accepted(is) != accepted(was) {
            let (is, was) = (
                Response::status_in_words(is),
                Response::status_in_words(was),
            );
            return Some(format!(
                "step {} (`{}`) was answered with {is}, it was {was}, so the path no longer leads where it led",
                position + 1,
                action.name
            ));
        }
    }
    None
}

/// Evaluates the oracle of the finding `wanted` on the step that led to `arrival`. `action` is `None` for the initial state.
pub(crate) async fn evaluate<W: World, J: Judge<W>>(
    world: &mut W,
    judge: &mut J,
    wanted: &Finding,
    action: Option<ActionId>,
    context_before: &Context,
    arrival: &Arrival<W::Checkpoint>,
) -> Result<Evaluation, WorldError> {
    let step = Judged {
        action,
        context_before,
        arrival,
        new_state: true,
        broken_before: &[],
        only: Some(wanted.oracle),
    };
    let judgement = judge.judge(world, step).await?;
    let of_state = judgement.broken.contains(&wanted.oracle);
    let unjudged = judgement.why_unjudged(wanted.oracle).map(str::to_owned);
    let (same, other): (Vec<Finding>, Vec<Finding>) = judgement
        .findings
        .into_iter()
        .filter(|finding| finding.oracle == wanted.oracle)
        .partition(|finding| finding.same_kind(wanted));
    Ok(Evaluation {
        same: same.into_iter().next(),
        other: other.into_iter().next(),
        of_state,
        unjudged,
    })
}

/// Whether a state breaks an oracle. The world stands in that state afterwards.
pub(crate) async fn is_broken<W: World, J: Judge<W>>(
    world: &mut W,
    judge: &mut J,
    oracle: OracleId,
    state: &Arrival<W::Checkpoint>,
) -> Result<bool, WorldError> {
    world.restore(&state.checkpoint).await?;
    let looked_at = Arrival {
        record: None,
        ..state.clone()
    };
    let judged = Judged {
        action: None,
        context_before: &state.context,
        arrival: &looked_at,
        new_state: true,
        broken_before: &[],
        only: Some(oracle),
    };
    let judgement = judge.judge(world, judged).await?;
    Ok(judgement.broken.contains(&oracle))
}
