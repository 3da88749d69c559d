//! `setup:` the requests that run once, before the initial state.

use super::cookies::Cookies;
use super::extract::Extracted;
use super::live_world::LiveWorld;
use super::render::Rendered;
use super::{WorldError, WorldErrorKind};
use crate::model::{Context, Response};

/// Characters of an answer that an error shows.
const SHOWN_BODY: usize = 400;

impl LiveWorld {
    /// Runs every setup request. Each must be answered with 2xx and yield what it is to yield.
    ///
    /// What it sends and gets is where most secrets come from; no error shows them.
    pub(super) async fn run_setup(&mut self) -> Result<(Context, Cookies), WorldError> {
        match self.set_up().await {
            Err(error) => Err(error.without(&self.config.secrets)),
            done => done,
        }
    }

    async fn set_up(&mut self) -> Result<(Context, Cookies), WorldError> {
        let mut context = Context::empty(self.model.names.variables.len());
        let mut cookies = Cookies::default();
        let steps = self.config.setup.clone();
        for (position, step) in steps.iter().enumerate() {
            let name = format!("setup request {}", position + 1);
            let bindings = self.model.bindings(&context);
            let rendered = self.render(&name, &step.request, bindings, &cookies)?;
            let secrets = &mut self.config.secrets;
            for (name, value) in &rendered.record.headers {
                secrets.learn_header(name, value);
            }
            if let Some(sent) = &rendered.record.body
                && let Ok(sent) = serde_json::from_slice(sent)
            {
                secrets.learn_fields(&sent);
            }
            let answer = self.exchange(&name, &rendered, &mut cookies).await?;
            let secrets = &mut self.config.secrets;
            for (name, value) in &answer.headers {
                secrets.learn_header(name, value);
            }
            if let Some(got) = answer.body.json() {
                secrets.learn_fields(got);
            }
            if !(200..300).contains(&answer.status) {
                return Err(refused(&name, &rendered, &answer));
            }
            let extracted = Extracted::by(&step.extract, &answer);
            if !extracted.failures.is_empty() {
                return Err(WorldError::new(
                    WorldErrorKind::Service,
                    format!(
                        "{name}: `{} {}`: cannot extract {}",
                        rendered.record.method,
                        rendered.record.target,
                        extracted.failures.join("; ")
                    ),
                )
                .with_details(shown(&answer)));
            }
            for (name, value) in &extracted.found {
                if secrets.has_name(name) {
                    secrets.learn(value);
                }
            }
            context = extracted.applied_to(&context);
        }
        if !steps.is_empty() {
            self.settle().await;
        }
        Ok((context, cookies))
    }
}

/// The error for an answer that had to be 2xx.
pub(super) fn refused(name: &str, request: &Rendered, answer: &Response) -> WorldError {
    WorldError::new(
        WorldErrorKind::Service,
        format!(
            "{name}: `{} {}`: expected a 2xx answer, got {}",
            request.record.method, request.record.target, answer.status
        ),
    )
    .with_details(shown(answer))
}

fn shown(answer: &Response) -> Vec<String> {
    if answer.body.length == 0 {
        return vec!["the answer has no body".to_owned()];
    }
    let text: String = answer
        .body
        .text()
        .chars()
        .take(SHOWN_BODY)
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .collect();
    vec![format!("the answer: {text}")]
}
