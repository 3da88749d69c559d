//! `setup:` the requests that run once, before the initial state.

use super::cookies::Cookies;
use super::deployment::{Deployment, Outgoing};
use super::extract::Extracted;
use super::send::{Exchange, refused, shown};
use super::{WorldError, WorldErrorKind};
use crate::model::Context;

/// Runs every setup request. Each must be answered with 2xx and yield what it is to yield.
///
/// What it sends and gets is where most secrets come from; no error shows them.
pub(super) async fn run(deployment: &mut Deployment) -> Result<(Context, Cookies), WorldError> {
    match send(deployment).await {
        Err(error) => Err(error.without(deployment.secrets())),
        done => done,
    }
}

async fn send(deployment: &mut Deployment) -> Result<(Context, Cookies), WorldError> {
    let model = deployment.model();
    let mut context = Context::empty(model.names.variables.len());
    let mut cookies = Cookies::default();
    let steps = deployment.setup();
    for (position, step) in steps.iter().enumerate() {
        let name = format!("setup request {}", position + 1);
        let bindings = model.bindings(&context);
        let outgoing = Outgoing {
            name: &name,
            template: &step.request,
            bindings,
            known: None,
            listed: &step.status,
        };
        let Exchange {
            request,
            response: answer,
        } = deployment.exchange(outgoing, &mut cookies).await?;
        let is_good = if step.status.is_empty() {
            answer.is_success()
        } else {
            step.status
                .iter()
                .any(|pattern| pattern.matches(answer.status))
        };
        if !is_good {
            let error = refused(&name, &request, &answer, &step.status);
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
        if !extracted.failures.is_empty() {
            return Err(WorldError::new(
                WorldErrorKind::Service,
                format!(
                    "{name}: `{} {}`: cannot extract {}",
                    request.method,
                    request.target,
                    extracted.failures.join("; ")
                ),
            )
            .with_details([shown(&answer)]));
        }
        deployment.secrets().learn_extracted(&extracted.found);
        context = extracted.applied_to(&context);
    }
    if !steps.is_empty() {
        deployment.settle().await?;
    }
    Ok((context, cookies))
}
