//! What a request is sent again for, as another program can see it.

use std::time::Duration;

use super::Values;
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
    /// What the body has to hold. What only venomqa waits for, such as headers, is left out.
    pub values: Vec<Values>,
}

impl SentRetry {
    /// What the template says.
    pub(super) fn of(template: &RequestTemplate) -> Option<Self> {
        let retry = template.retry.as_ref()?;
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
            values: values.collect(),
        })
    }
}
