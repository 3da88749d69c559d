//! Sending one request until there is an answer: over another connection, after a wait, along redirects.

use std::time::Instant;

use super::super::cookies::Cookies;
use super::super::http::{Failure, FailureKind};
use super::super::patience::{Waited, is_listed};
use super::super::principals::Sessions;
use super::super::render::{Redirect, Rendered};
use super::super::send::Exchange;
use super::super::service::ending;
use super::super::system::SystemState;
use super::super::{Warning, WarningCode, WorldError, WorldErrorKind};
use super::Deployment;
use crate::model::{Bindings, NoAnswer, PrincipalId, RequestTemplate, Response, StatusPattern};

/// A request that is about to be sent.
pub(in crate::world) struct Outgoing<'o> {
    /// What messages call it.
    pub(in crate::world) name: &'o str,
    /// What is sent.
    pub(in crate::world) template: &'o RequestTemplate,
    /// What fills it.
    pub(in crate::world) bindings: Bindings,
    /// What the systems hold, where the rows of a request that came to nothing may be put back before it is sent again.
    pub(in crate::world) known: Option<&'o [SystemState]>,
    /// The statuses that the spec lists for its answer.
    pub(in crate::world) listed: &'o [StatusPattern],
    /// Whether whoever sends it may not do this. Then a redirect to another page is a refusal, and the page no acceptance.
    pub(in crate::world) is_forbidden: bool,
}

impl Deployment {
    /// Fills and sends a request that has to be answered; `sessions` take in the cookies that the answer sets.
    pub(in crate::world) async fn exchange(
        &mut self,
        outgoing: Outgoing<'_>,
        sessions: &mut Sessions,
    ) -> Result<Exchange, WorldError> {
        let (rendered, outcome) = Box::pin(self.send_until_ready(&outgoing, sessions)).await?;
        let failure = match outcome {
            Ok(response) => {
                return Ok(Exchange {
                    request: rendered.record,
                    response,
                });
            }
            Err(failure) => failure,
        };
        let (NoAnswer { why, details }, help) = self.explain(failure).await?;
        let (method, target) = (&rendered.record.method, &rendered.record.target);
        let message = format!("{}: `{method} {target}`: {why}", outgoing.name);
        Err(WorldError {
            help,
            ..WorldError::new(WorldErrorKind::Service, message).with_details(details)
        })
    }

    /// Fills and sends a request whose answer is judged. Where no complete answer comes, the response says why, and
    /// the service [is lost](Deployment::is_lost).
    pub(in crate::world) async fn attempt(
        &mut self,
        outgoing: Outgoing<'_>,
        sessions: &mut Sessions,
    ) -> Result<Exchange, WorldError> {
        let began = Instant::now();
        let (rendered, outcome) = Box::pin(self.send_until_ready(&outgoing, sessions)).await?;
        let response = match outcome {
            Ok(response) => response,
            Err(failure) => {
                let took = began.elapsed();
                let (mut no_answer, help) = self.explain(failure).await?;
                no_answer.details.extend(help);
                self.is_lost = true;
                Response::none(no_answer, took)
            }
        };
        Ok(Exchange {
            request: rendered.record,
            response,
        })
    }

    /// Sends a request until the answer is the one that its `retry` waits for. Returns what was sent last. The waits count as time
    /// that the service took. A denial ends it, for whoever was logged out is not ready at any time; and so does a server error.
    async fn send_until_ready(
        &mut self,
        outgoing: &Outgoing<'_>,
        sessions: &mut Sessions,
    ) -> Result<(Rendered, Result<Response, Failure>), WorldError> {
        let template = outgoing.template;
        let Some(retry) = &template.retry else {
            return self.send(outgoing, sessions).await;
        };
        let began = Instant::now();
        let mut known = outgoing.known;
        let mut retries = 0;
        loop {
            let again = Outgoing {
                bindings: outgoing.bindings.clone(),
                known,
                ..*outgoing
            };
            let (rendered, mut outcome) = self.send(&again, sessions).await?;
            // What earlier tries have done is not to be put back.
            known = None;
            let Ok(answer) = &mut outcome else {
                return Ok((rendered, outcome));
            };
            answer.retries = retries;
            answer.is_unready = !retry.is_over(answer);
            let is_late = began.elapsed() + retry.every > retry.at_most;
            let is_denial = self.denies(template.principal, answer.status);
            let listed = outgoing.listed.iter().chain(&retry.until.status);
            let is_failure = answer.failure().is_some()
                && !listed.copied().any(|listed| listed.matches(answer.status));
            if !answer.is_unready || is_late || is_denial || is_failure || answer.is_rate_limit {
                return Ok((rendered, outcome));
            }
            self.sender.wait(retry.every).await?;
            self.http += retry.every;
            retries += 1;
        }
    }

    /// Sends a request and follows where it is redirected to. Returns what was sent first.
    async fn send(
        &mut self,
        outgoing: &Outgoing<'_>,
        sessions: &mut Sessions,
    ) -> Result<(Rendered, Result<Response, Failure>), WorldError> {
        let first = self.sender.render(
            outgoing.name,
            outgoing.template,
            outgoing.bindings.clone(),
            sessions,
        )?;
        let mut cookies = sessions.cookies(outgoing.template.principal).clone();
        let mut outcome = self
            .send_patiently(outgoing, &first, &mut cookies, outgoing.known)
            .await?;
        let mut last: Option<Box<Rendered>> = None;
        for _ in 0..self.sender.target().follow_redirects() {
            let Ok(answer) = &outcome else { break };
            // A redirect to a login page is a denial, and the page behind it would be taken for an acceptance.
            let is_denial = self.denies(outgoing.template.principal, answer.status);
            if is_listed(answer.status, outgoing.listed) || is_denial {
                break;
            }
            let from = last.as_deref().unwrap_or(&first);
            let next = match self.sender.target().redirected(from, answer, &cookies) {
                Redirect::None => break,
                Redirect::To(next) if outgoing.is_forbidden && !same_page(from, &next) => break,
                Redirect::To(next) => next,
                Redirect::Away(url) => {
                    self.warn(redirected_away(outgoing.name, &url));
                    break;
                }
            };
            let cookies_set = set_cookies(answer);
            outcome = self
                .send_patiently(outgoing, &next, &mut cookies, None)
                .await?;
            if let Ok(answer) = &mut outcome {
                // What was set on the way came with this answer.
                answer.headers.splice(0..0, cookies_set);
            }
            last = Some(next);
        }
        sessions.set_cookies(outgoing.template.principal, cookies);
        if let Ok(answer) = &mut outcome {
            answer.has_errors = outgoing.template.operation.is_some() && has_errors(answer);
        }
        Ok((first, outcome))
    }

    /// Whether an answer with this status says that the login of a principal is not good.
    fn denies(&self, principal: Option<PrincipalId>, status: u16) -> bool {
        let principals = self.principals();
        let principal = principal.and_then(|id| principals.get(id.0 as usize));
        principal.is_some_and(|it| it.renew_on.iter().any(|pattern| pattern.matches(status)))
    }

    /// Sends a request until the service no longer asks to come back later. `known` is for the first request of a row of
    /// redirects: what that has done is not to be put back.
    async fn send_patiently(
        &mut self,
        outgoing: &Outgoing<'_>,
        request: &Rendered,
        cookies: &mut Cookies,
        known: Option<&[SystemState]>,
    ) -> Result<Result<Response, Failure>, WorldError> {
        let mut waited = Waited::default();
        let before = cookies.clone();
        loop {
            let mut outcome = self.send_once(request, cookies, known).await?;
            let Ok(response) = &mut outcome else {
                return Ok(outcome);
            };
            let (name, listed) = (outgoing.name, outgoing.listed);
            let Some(wait) = self.patience.wait(name, response, listed, &mut waited) else {
                response.is_rate_limit = self.patience.is_in_the_way(response, listed);
                return Ok(outcome);
            };
            self.sender.wait(wait).await?;
            // What a refusal writes is its own; the answer that counts begins where the request was sent first.
            if let Some(known) = known.filter(|known| !known.is_empty()) {
                self.databases.undo(known).await?;
            }
            cookies.clone_from(&before);
        }
    }

    /// Sends a request. A failure that may come from a connection that idled for too long is tried once more, if the
    /// method is safe, or if the systems still hold what is `known`, so that nothing happens twice.
    ///
    /// Here secrets are learned from everything that is sent and received: from the request before it is sent, for an error
    /// shows it too.
    async fn send_once(
        &mut self,
        request: &Rendered,
        cookies: &mut Cookies,
        known: Option<&[SystemState]>,
    ) -> Result<Result<Response, Failure>, WorldError> {
        self.sender.keep_pace().await?;
        let began = Instant::now();
        self.secrets.learn_request(&request.record);
        for value in &request.credentials {
            self.secrets.learn_credential(&value.as_str().into());
        }
        self.databases.disturb();
        let mut outcome = self.sender.send(request, cookies).await;
        if matches!(&outcome, Err(failure) if failure.kind == FailureKind::MaybeIdle)
            && self.did_nothing(request, known).await?
        {
            let again = self.sender.send_again(request, cookies).await;
            // Where there is nobody to connect to any more, the first failure says what happened.
            if !matches!(&again, Err(failure) if failure.kind == FailureKind::Unsent) {
                outcome = again;
            }
        }
        self.http += began.elapsed();
        if let Ok(response) = &outcome {
            self.secrets.learn_response(response);
        }
        Ok(outcome)
    }

    /// Whether a request without an answer did nothing; what it did is put back.
    async fn did_nothing(
        &mut self,
        request: &Rendered,
        known: Option<&[SystemState]>,
    ) -> Result<bool, WorldError> {
        if request.wire.method().is_safe() {
            return Ok(true);
        }
        match known {
            Some(known) if !known.is_empty() => {
                let Some(found) = self.databases.read(known).await?.content else {
                    return Ok(true);
                };
                // What has been read is not found a second time.
                self.databases.put_back(&found, known).await?;
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    /// Why there is no answer, and what to do next. An error where the user interrupted the request.
    async fn explain(
        &mut self,
        failure: Failure,
    ) -> Result<(NoAnswer, Option<String>), WorldError> {
        self.sender.give_up(&failure);
        if let FailureKind::Ended(ending) = failure.kind {
            return Err(WorldError::ended(ending));
        }
        let mut why = failure.what;
        // Before the service is looked at, which takes a while: what it holds may go meanwhile.
        let mut details = if failure.kind == FailureKind::TimedOut {
            self.databases.lock_holders().await
        } else {
            Vec::new()
        };
        let mut help = (!details.is_empty()).then(|| {
            "a transaction that is open holds locks, which this request may be waiting for; find the path on which a handler \
             neither commits nor rolls back"
                .to_owned()
        });
        if let Some(status) = self.process.death().await {
            why = format!("{why}; the service {}", ending(status));
        } else if self.process.is_running() {
            help.get_or_insert_with(|| {
                "the service is still running; its log may say more".to_owned()
            });
        }
        details.extend(self.process.log_details().await);
        Ok((NoAnswer { why, details }, help))
    }
}

/// Whether a redirect only spells the path in another way, with a slash at its end or without.
fn same_page(from: &Rendered, to: &Rendered) -> bool {
    let path = |request: &Rendered| request.wire.url().path().trim_end_matches('/').to_owned();
    path(from) == path(to)
}

/// Whether an answer of GraphQL says that something went wrong, with data or without (GraphQL, section 7.1.2).
fn has_errors(answer: &Response) -> bool {
    let errors = answer.body.json().and_then(|json| json.get("errors"));
    errors
        .and_then(serde_json::Value::as_array)
        .is_some_and(|errors| !errors.is_empty())
}

/// The cookies that an answer sets, as headers.
fn set_cookies(answer: &Response) -> Vec<(String, String)> {
    let headers = answer.headers.iter();
    headers
        .filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"))
        .cloned()
        .collect()
}

fn redirected_away(name: &str, url: &url::Url) -> Warning {
    let origin = url.origin().ascii_serialization();
    let message = format!(
        "{name} is redirected to another origin, `{origin}`: that was not followed, so the redirect is its answer"
    );
    Warning::new(WarningCode::RedirectNotFollowed, message).with_help(format!(
        "if the service means to lead there, allow it: `http: {{ origins: [\"{origin}\"] }}`; only `GET` goes there, without credentials"
    ))
}
