//! Asking again until something is ready.

use std::time::Duration;

use super::{ExpectedResponse, Response};

/// `retry:` a request is sent again until its answer is what is waited for; the last answer counts.
#[derive(Clone, Debug)]
pub struct Retry {
    /// The answer that is waited for.
    pub until: ExpectedResponse,
    /// How long it is asked for, from the first request to the sending of the last.
    pub at_most: Duration,
    /// The pause between an answer and the next request.
    pub every: Duration,
}

impl Retry {
    /// Whether this answer is what was waited for.
    pub fn is_over(&self, response: &Response) -> bool {
        let allowed = self.until.duration;
        self.until.is_met_by(response) && allowed.is_none_or(|most| response.duration <= most)
    }
}
