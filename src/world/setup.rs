//! `setup:` the requests that run once, before the initial state, and the logins of the principals.

use super::config::SetupStep;
use super::deployment::{Deployment, Outgoing};
use super::extract::Extracted;
use super::principals::{Sessions, log_in, log_in_all};
use super::send::{Exchange, refused, shown};
use super::{WorldError, WorldErrorKind};
use crate::model::{Bindings, Context};

/// Runs every setup request, and logs every principal in: before its first request, or when setup is over. Each must be
/// answered with 2xx, or as the spec says, and yield what it is to yield.
///
/// What it sends and gets is where most secrets come from; no error shows them.
pub(super) async fn run(deployment: &mut Deployment) -> Result<(Context, Sessions), WorldError> {
    match send(deployment).await {
        Err(error) => Err(error.without(deployment.secrets())),
        done => done,
    }
}

async fn send(deployment: &mut Deployment) -> Result<(Context, Sessions), WorldError> {
    let model = deployment.model();
    let mut context = Context::empty(model.names.variables.len());
    let mut sessions = Sessions::nobody(&deployment.principals());
    let mut logged_in = Vec::new();
    let steps = deployment.setup();
    for (position, step) in steps.iter().enumerate() {
        if let Some(id) = step.request.principal
            && !logged_in.contains(&id)
        {
            Box::pin(log_in(deployment, &mut sessions, id)).await?;
            logged_in.push(id);
        }
        let name = format!("setup request {}", position + 1);
        let bindings = model.bindings(&context);
        let mut extracted = answered(deployment, &name, step, bindings, &mut sessions).await?;
        extracted.pools = model.pools.clone();
        deployment.secrets().learn_extracted(&extracted.found);
        context = extracted.applied_to(&context);
    }
    Box::pin(log_in_all(deployment, &mut sessions, &logged_in)).await?;
    deployment.renewals().count_as_newest(&mut sessions);
    if deployment.sender().requests() > 0 {
        deployment.settle(None, &context).await?;
    }
    Ok((context, sessions))
}

/// Sends a request whose answer must be good, and hold what is to be taken from it.
pub(super) async fn answered(
    deployment: &mut Deployment,
    name: &str,
    step: &SetupStep,
    bindings: Bindings,
    sessions: &mut Sessions,
) -> Result<Extracted, WorldError> {
    let outgoing = Outgoing {
        name,
        template: &step.request,
        bindings,
        known: None,
        listed: &step.status,
        is_forbidden: false,
    };
    let Exchange {
        request,
        response: answer,
    } = deployment.exchange(outgoing, sessions).await?;
    let is_good = if step.status.is_empty() {
        answer.is_success()
    } else {
        let mut good = step.status.iter();
        good.any(|pattern| pattern.matches(answer.status))
    };
    if !is_good || answer.has_errors || answer.is_unready {
        let error = refused(name, &request, &answer, &step.status);
        if answer.is_unready {
            let tries = u64::from(answer.retries) + 1;
            return Err(error.with_help(format!(
                "`retry` has waited for another answer, in {tries} tries; raise its `at_most` where this takes longer"
            )));
        }
        return Err(if (300..400).contains(&answer.status) {
            error.with_help(format!(
                "where this redirect is the answer to a login that worked, say so: `expect: {{ status: {} }}`",
                answer.status
            ))
        } else {
            error
        });
    }
    let extracted = Extracted::by(&step.extract, &answer);
    if extracted.failures.is_empty() {
        return Ok(extracted);
    }
    let message = format!(
        "{name}: `{} {}`: cannot extract {}",
        request.method,
        request.target,
        extracted.failures.join("; ")
    );
    Err(WorldError::new(WorldErrorKind::Service, message).with_details([shown(&answer)]))
}
