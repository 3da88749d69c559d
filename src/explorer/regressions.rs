//! Before the walk: what earlier runs found is run again. It takes no step of the walk and changes nothing in the graph.

use std::time::{Duration, Instant};

use crate::event::{self, OracleKind, RegressionOutcome};
use crate::evidence::{self, Stop};
use crate::model::{ActionId, Finding, OracleName, Regression, SeenStep};
use crate::oracle::{Judge, Judgement};
use crate::world::{World, WorldError};

use super::emitter::Emitter;
use super::path_replay::{Allowance, PathReplay, Replayed};
use super::violations::Violations;

/// Time that one regression may take.
const TIME: Duration = Duration::from_secs(60);

/// What became of a regression, and why it was not tried.
type Outcome = (RegressionOutcome, Option<String>);

fn not_tried(why: impl Into<String>) -> Outcome {
    (RegressionOutcome::NotTried, Some(why.into()))
}

/// Runs every regression again, and adds one outcome for each; `initial` is what was said of the initial state. What still happens becomes a violation of this run. Afterwards
/// the world stands in the initial state.
pub(super) async fn run_again<W: World, J: Judge<W>>(
    regressions: &[Regression],
    initial: &Judgement,
    mut replay: PathReplay<'_, W, J>,
    violations: &mut Violations,
    emitter: &mut Emitter<'_>,
    outcomes: &mut Vec<event::Regression>,
) -> Result<(), WorldError> {
    for regression in regressions {
        let (outcome, reason) = match &regression.path {
            Err(why) => not_tried(why.as_str()),
            Ok((finding, path)) if path.is_empty() => in_initial_state(initial, finding),
            Ok((finding, path)) => {
                if let Some(why) = replay.cannot_run() {
                    not_tried(why)
                } else {
                    let wanted = (finding, &*regression.seen);
                    run_path(&mut replay, wanted, path, violations, emitter).await?
                }
            }
        };
        let (oracle, name) = match &regression.oracle {
            OracleName::Invariant(name) => (OracleKind::Invariant, name),
            OracleName::Check(name) => (OracleKind::Check, name),
        };
        outcomes.push(event::Regression {
            file: regression.file.clone(),
            oracle,
            name: name.clone(),
            action: regression.action.clone(),
            outcome,
            reason,
        });
    }
    if !regressions.is_empty() && replay.cannot_run().is_none() {
        replay.restore_initial().await?;
    }
    Ok(())
}

/// What became of a finding in the initial state, which has been judged already.
fn in_initial_state(initial: &Judgement, wanted: &Finding) -> Outcome {
    let findings = initial.findings.iter();
    let mut found = findings.filter(|found| found.oracle == wanted.oracle);
    if found.clone().any(|found| found.same_kind(wanted)) {
        return (RegressionOutcome::StillFailing, None);
    }
    match evidence::doubt(found.next(), initial.why_unjudged(wanted.oracle)) {
        Some(why) => (RegressionOutcome::NotJudged, Some(why)),
        None => (RegressionOutcome::Fixed, None),
    }
}

async fn run_path<W: World, J: Judge<W>>(
    replay: &mut PathReplay<'_, W, J>,
    (finding, seen): (&Finding, &[SeenStep]),
    path: &[ActionId],
    violations: &mut Violations,
    emitter: &mut Emitter<'_>,
) -> Result<Outcome, WorldError> {
    let model = replay.model();
    let graph = replay.explored().graph();
    let allowance = Allowance {
        requests: u64::MAX,
        deadline: Instant::now() + TIME,
    };
    let mut trials = replay.trials(finding, allowance);
    Ok(match trials.run(path).await {
        Ok(Replayed::Shows(shown)) => {
            let steps = trials.steps(path);
            if let Some(new) = violations.add_regression(model, steps, shown) {
                emitter.violation(&violations.violation(new, graph));
            }
            (RegressionOutcome::StillFailing, None)
        }
        Ok(Replayed::ShowsNothing) => match evidence::strayed(model, seen, &trials.steps(path)) {
            Some(why) => (RegressionOutcome::NotJudged, Some(why)),
            None => (RegressionOutcome::Fixed, None),
        },
        Ok(Replayed::NotJudged(why)) => (RegressionOutcome::NotJudged, Some(why)),
        Ok(Replayed::NotEnabled { position, why }) => {
            let name = &model.action(path[position]).name;
            let step = position + 1;
            not_tried(format!("step {step} (`{name}`) is not possible: {why}"))
        }
        Err(Stop::Budget(why)) => not_tried(why),
        Err(Stop::Error(error)) => return Err(error),
    })
}
