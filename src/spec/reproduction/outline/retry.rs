//! What a request is sent again for, as another program can see it.

use std::time::Duration;

use super::{CompiledReproduction, Values};
use crate::model::{RequestTemplate, StatusPattern};

/// A request that is sent until something is ready.
#[derive(Clone, Debug)]
pub struct SentRetry {
    /// How often it is sent at the most.
    pub times: u64,
    /// The pause in between.
    pub every: Duration,
    /// The statuses that are waited for; none where each below 500 will do.
    pub status: Vec<StatusPattern>,
    /// The statuses that end it at once: they say that whoever sends it has to log in again.
    pub ends: Vec<StatusPattern>,
    /// The server errors that do not end it: those of a gateway that waits for the service, and those that the spec lists.
    pub waited_out: Vec<StatusPattern>,
    /// What the body has to hold. What only venomqa waits for, such as headers, is left out.
    pub values: Vec<Values>,
}

impl SentRetry {
    /// What the template says; `listed` are the statuses that the spec lists for its answer.
    pub(super) fn of(
        case: &CompiledReproduction,
        template: &RequestTemplate,
        listed: &[StatusPattern],
    ) -> Option<Self> {
        let retry = template.retry.as_ref()?;
        let principals = &case.spec.world.principals;
        let principal = template.principal.map(|id| id.0 as usize);
        let principal = principal.and_then(|position| principals.get(position));
        let is_error = |pattern: &&StatusPattern| {
            matches!(
                pattern,
                StatusPattern::Code(500..) | StatusPattern::Class(5)
            )
        };
        let listed = listed.iter().chain(&retry.until.status).filter(is_error);
        let gateway = [502, 503, 504].map(StatusPattern::Code);
        let values = retry.until.body.iter().filter_map(|(path, expectation)| {
            Some(Values {
                path: path.clone()?,
                assertions: expectation.assertions.clone(),
                is_due: true,
            })
        });
        let pauses = retry.at_most.as_millis() / retry.every.as_millis().max(1);
        Some(Self {
            times: u64::try_from(pauses).unwrap_or(u64::MAX).saturating_add(1),
            every: retry.every,
            status: retry.until.status.clone(),
            ends: principal.map(|it| it.renew_on.clone()).unwrap_or_default(),
            waited_out: gateway.iter().chain(listed).copied().collect(),
            values: values.collect(),
        })
    }

    /// Whether an answer with this status ends it because the server failed.
    pub fn ends_at_failure(&self, status: u16) -> bool {
        status >= 500
            && !self
                .waited_out
                .iter()
                .any(|pattern| pattern.matches(status))
    }
}
