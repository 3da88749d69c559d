//! The oracles: the invariants of the spec and the built-in checks.
//!
//! *Response oracles* judge every step: the checks on answers, and invariants on answers. *State oracles* judge every
//! new state: SQL invariants and probes. A state oracle reports a violation where the step broke it, not in each state
//! that inherits the damage, and is not evaluated again where nothing that it reads has changed. In a known state only
//! those SQL invariants are evaluated that read something which the step wrote and the identity leaves out.
//!
//! Oracles read the world through [`Observe`] and leave it as it was. They print nothing and count no violations: grouping
//! findings is the explorer's work.

pub mod checks;
mod ensure;
mod jsonpath;
mod judge;
mod response;
mod sql;

use std::sync::Arc;

use indexmap::IndexMap;

use crate::model::{
    Action, Context, Evidence, Failure, Finding, Invariant, InvariantId, Model, OracleId,
    OracleName, Severity, StepRecord, Subject,
};
use crate::world::{Observe, World, WorldError};

pub use judge::{Judge, Judged, Judgement, Unjudged};

use checks::{Active, Evaluate};
use sql::Reads;

/// The oracles of a run.
#[derive(Clone, Debug)]
pub struct Oracles {
    model: Arc<Model>,
    checks: Vec<Active>,
    /// For each invariant, its name as findings carry it and what its queries read.
    invariants: Vec<(Arc<str>, Reads)>,
}

/// What an oracle objects to, before it is known whether the state before the step showed it already.
#[derive(Clone, Debug)]
struct Objection {
    /// See [`Finding::kind`].
    kind: String,
    message: String,
    evidence: Evidence,
}

impl Objection {
    /// The same, of an answer that came after the request had been sent so often again.
    fn after(mut self, retries: u32) -> Self {
        if retries > 0 {
            let tries = u64::from(retries) + 1;
            self.message = format!("{}, after {tries} tries", self.message);
        }
        self
    }
}

/// What came of evaluating an invariant.
#[derive(Clone, Debug)]
enum Verdict {
    /// It holds.
    Holds,
    /// There is nothing here that it speaks of.
    Vacuous,
    /// It does not hold.
    Broken(Objection),
    /// It cannot be said; why, as a clause.
    Unjudged(String),
}

impl From<Option<Objection>> for Verdict {
    fn from(objection: Option<Objection>) -> Self {
        objection.map_or(Self::Holds, Self::Broken)
    }
}

impl Verdict {
    /// Notes the verdict on an invariant; the objection, if there is one.
    fn noted(self, id: InvariantId, judgement: &mut Judgement) -> Option<Objection> {
        if let Self::Unjudged(why) = self {
            judgement.unjudged.push((id, why));
            return None;
        }
        judgement.evaluated.push(OracleId::Invariant(id));
        match self {
            Self::Broken(objection) => return Some(objection),
            Self::Vacuous => judgement.vacuous.push(id),
            Self::Holds | Self::Unjudged(_) => {}
        }
        None
    }
}

impl Oracles {
    /// The oracles of a model, with the built-in checks as the spec sets them: a severity, or `None` for off. Names
    /// of no check are ignored; loading a spec refuses them.
    pub fn new(model: Arc<Model>, checks: &IndexMap<String, Option<Severity>>) -> Self {
        Self {
            checks: checks::active(checks),
            invariants: model
                .invariants
                .iter()
                .map(|invariant| (invariant.name.as_str().into(), Reads::default()))
                .collect(),
            model,
        }
    }

    /// The oracle of this name; `None` where there is none, or a check is off.
    pub fn find(&self, wanted: &OracleName) -> Option<OracleId> {
        match wanted {
            OracleName::Invariant(name) => numbered(&self.model)
                .find(|(_, invariant)| invariant.name == *name)
                .map(|(id, _)| OracleId::Invariant(id)),
            OracleName::Check(name) => self
                .checks
                .iter()
                .find(|active| active.check.name == name)
                .map(|active| OracleId::Check(active.number)),
        }
    }

    fn finding(&self, id: InvariantId, objection: Objection) -> Finding {
        Finding {
            oracle: OracleId::Invariant(id),
            name: self.invariants[id.0 as usize].0.clone(),
            severity: self.model.invariants[id.0 as usize].severity,
            kind: objection.kind,
            offends: self.invariants[id.0 as usize].1.names(self.model.systems),
            message: objection.message,
            evidence: objection.evidence,
        }
    }

    /// Judges the answer of a step.
    async fn judge_response<W: Observe>(
        &self,
        world: &mut W,
        action: &Action,
        record: &StepRecord,
        (context_before, context): (&Context, &Context),
        judgement: &mut Judgement,
    ) -> Result<(), WorldError> {
        // A 429 in the place of an answer says nothing about the request.
        let is_answered = record.response.no_answer.is_none() && !record.response.is_rate_limit;
        for (id, invariant) in numbered(&self.model).filter(|_| is_answered) {
            if let Subject::Response { jsonpath } = &invariant.subject {
                let verdict =
                    jsonpath::judge_answer(world, invariant, jsonpath, record, context).await?;
                let objection = verdict.noted(id, judgement);
                let finding = objection.map(|objection| self.finding(id, objection));
                judgement.findings.extend(finding);
            }
        }
        let findings = &mut judgement.findings;
        for active in &self.checks {
            let is_reported = |name: &&str| {
                findings.iter().any(|finding| {
                    matches!(finding.oracle, OracleId::Check(_)) && *finding.name == **name
                })
            };
            if active.check.yields_to.iter().any(is_reported) {
                continue;
            }
            let objection = match active.check.evaluate {
                Evaluate::Rows(judge) if is_answered => {
                    let objection = judge(action, record);
                    findings.extend(objection.map(|objection| Finding {
                        offends: checks::written(record, self.model.systems),
                        ..active.finding(objection)
                    }));
                    continue;
                }
                Evaluate::NoAnswer(judge) => judge(&format!("`{}`", action.name), record),
                Evaluate::Step(judge) if is_answered => judge(action, record),
                Evaluate::Body if is_answered => response::judge_body(action, record)?,
                Evaluate::Ensure if is_answered => {
                    ensure::judge(world, action, record, (context_before, context)).await?
                }
                Evaluate::Step(_)
                | Evaluate::Rows(_)
                | Evaluate::Body
                | Evaluate::Ensure
                | Evaluate::Probe => None,
            };
            let told = objection.map(|objection| objection.after(record.response.retries));
            findings.extend(told.map(|objection| active.finding(objection)));
        }
        Ok(())
    }

    /// Whether states have to be judged where only this oracle counts.
    fn evaluates_states(&self, only: Option<OracleId>) -> bool {
        let Some(OracleId::Check(number)) = only else {
            return true;
        };
        self.checks.iter().any(|active| {
            let evaluate = active.check.evaluate;
            active.number == number && matches!(evaluate, Evaluate::Probe | Evaluate::NoAnswer(_))
        })
    }

    /// Judges a new state.
    async fn judge_state<W: World + Observe>(
        &mut self,
        world: &mut W,
        step: &Judged<'_, W::Checkpoint>,
        judgement: &mut Judgement,
    ) -> Result<(), WorldError> {
        let model = self.model.clone();
        let record = step.arrival.record.as_deref();
        let rows = record.map(|record| &record.rows);
        let contexts = (step.context_before, &step.arrival.context);
        let was_broken = |oracle| step.broken_before.binary_search(&oracle).is_ok();
        let answers_as_before = changed_nothing(&model, step);
        let mut wrote = Vec::new();
        let mut unanswered = Vec::new();
        let mut is_probe_inherited = false;

        for (id, invariant) in numbered(&model) {
            let oracle = OracleId::Invariant(id);
            let is_wanted = match step.only {
                None => true,
                Some(OracleId::Check(_)) => matches!(invariant.subject, Subject::Probe { .. }),
                only => only == Some(oracle),
            };
            if !is_wanted {
                continue;
            }
            let verdict = match &invariant.subject {
                Subject::Response { .. } => continue,
                Subject::Sql(query) => {
                    let reads = &mut self.invariants[id.0 as usize].1;
                    if !reads.changed(world, invariant, rows, contexts).await? {
                        judgement
                            .broken
                            .extend(was_broken(oracle).then_some(oracle));
                        continue;
                    }
                    sql::judge(world, invariant, query, contexts.1).await?
                }
                Subject::Probe { request, jsonpath } => {
                    if answers_as_before {
                        is_probe_inherited = true;
                        judgement
                            .broken
                            .extend(was_broken(oracle).then_some(oracle));
                        continue;
                    }
                    let probed =
                        jsonpath::probe(world, invariant, request, jsonpath, contexts.1).await?;
                    wrote.extend(probed.wrote);
                    let sent = |record| (&*invariant.name, record);
                    unanswered.extend(probed.unanswered.map(sent));
                    probed.verdict
                }
            };
            if let Some(objection) = verdict.noted(id, judgement) {
                judgement.broken.push(oracle);
                if !was_broken(oracle) {
                    judgement.findings.push(self.finding(id, objection));
                }
            }
        }

        for active in &self.checks {
            let objection = match active.check.evaluate {
                Evaluate::Probe => (!wrote.is_empty()).then(|| probes_wrote(&wrote)),
                Evaluate::NoAnswer(judge) => unanswered.iter().find_map(|(name, record)| {
                    judge(&format!("the request of the invariant `{name}`"), record)
                }),
                Evaluate::Step(_) | Evaluate::Rows(_) | Evaluate::Body | Evaluate::Ensure => {
                    continue;
                }
            };
            let oracle = OracleId::Check(active.number);
            let broken_before = was_broken(oracle);
            if objection.is_some() || is_probe_inherited && broken_before {
                judgement.broken.push(oracle);
            }
            if !broken_before {
                let finding = objection.map(|objection| active.finding(objection));
                judgement.findings.extend(finding);
            }
        }
        // Invariants come before checks in the order of oracles, so `broken` is ascending already.
        Ok(())
    }
}

impl Oracles {
    /// Judges what a step to a known state wrote and the identity leaves out: tables that are not observed, ignored columns,
    /// context values that are no part of the identity. It may differ from what was judged when the state was new.
    async fn judge_left_out<W: World + Observe>(
        &mut self,
        world: &mut W,
        step: &Judged<'_, W::Checkpoint>,
        judgement: &mut Judgement,
    ) -> Result<(), WorldError> {
        let Some(record) = step.arrival.record.as_deref() else {
            return Ok(());
        };
        let model = self.model.clone();
        let contexts = (step.context_before, &step.arrival.context);
        for (id, invariant) in numbered(&model) {
            let Subject::Sql(query) = &invariant.subject else {
                continue;
            };
            let reads = &self.invariants[id.0 as usize].1;
            if !reads.changed_unseen(&model, invariant, &record.rows, contexts) {
                continue;
            }
            let oracle = OracleId::Invariant(id);
            let verdict = sql::judge(world, invariant, query, contexts.1).await?;
            if let Some(objection) = verdict.noted(id, judgement)
                && step.broken_before.binary_search(&oracle).is_err()
            {
                judgement.findings.push(self.finding(id, objection));
            }
        }
        Ok(())
    }
}

impl<W: World + Observe> Judge<W> for Oracles {
    async fn judge(
        &mut self,
        world: &mut W,
        step: Judged<'_, W::Checkpoint>,
    ) -> Result<Judgement, WorldError> {
        let mut judgement = Judgement::default();
        if let (Some(action), Some(record)) = (step.action, &step.arrival.record) {
            let model = self.model.clone();
            self.judge_response(
                world,
                model.action(action),
                record,
                (step.context_before, &step.arrival.context),
                &mut judgement,
            )
            .await?;
        }
        if !self.evaluates_states(step.only) {
            return Ok(judgement);
        }
        if step.new_state {
            self.judge_state(world, &step, &mut judgement).await?;
        } else {
            self.judge_left_out(world, &step, &mut judgement).await?;
        }
        judgement.evaluated.sort_unstable();
        Ok(judgement)
    }
}

impl Active {
    fn finding(&self, objection: Objection) -> Finding {
        Finding {
            oracle: OracleId::Check(self.number),
            name: self.check.name.into(),
            severity: self.severity,
            kind: objection.kind,
            offends: Vec::new(),
            message: objection.message,
            evidence: objection.evidence,
        }
    }
}

fn numbered(model: &Model) -> impl Iterator<Item = (InvariantId, &Invariant)> {
    model
        .invariants
        .iter()
        .enumerate()
        .map(|(index, invariant)| (InvariantId(index as u32), invariant))
}

/// Whether the service must answer every request as it did before the step: nothing was written, the context is as it
/// was, no cookie was set, and the method promises to change nothing even where no journal could see it.
fn changed_nothing<C>(model: &Model, step: &Judged<'_, C>) -> bool {
    let (Some(action), Some(record)) = (step.action, &step.arrival.record) else {
        return false;
    };
    let sets_cookie = record
        .response
        .headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    let context = &step.arrival.context;
    !step.arrival.wrote
        && !sets_cookie
        && model.action(action).request.is_safe()
        && (step.context_before.same_allocation(context) || step.context_before == context)
}

/// What is said of requests of invariants that changed rows; each is a clause.
fn probes_wrote(wrote: &[String]) -> Objection {
    let wrote = wrote.join(", and ");
    Objection {
        kind: "rows".to_owned(),
        message: format!("the request of an invariant should only look, but {wrote}"),
        evidence: Evidence::Values {
            expected: "no changed row".to_owned(),
            actual: wrote,
        },
    }
}

/// The message of a finding: the user's, or a sentence made of what was expected and what was there.
fn message(invariant: &Invariant, failure: &Failure) -> String {
    invariant.message.clone().unwrap_or_else(|| {
        format!(
            "`{}` expects {}, but {}",
            invariant.name, failure.expected, failure.actual
        )
    })
}

#[cfg(test)]
mod tests;
