//! Patience with a service that asks for it: an answer 429 (or 420, or 403 with what is left), or 503 with `Retry-After`, says nothing about the request, and is
//! asked for again later.

use std::time::{Duration, SystemTime};

use indexmap::IndexMap;

use super::{Warning, WarningCode};
use crate::model::{Response, StatusPattern};

/// Longest time that one answer is waited for, all its repetitions together.
const LONGEST: Duration = Duration::from_secs(30);

/// First wait where the service does not say how long; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(100);

/// What was waited for in a run, and what was lost all the same.
#[derive(Debug)]
pub(super) struct Patience {
    is_on: bool,
    waits: u64,
    waited: Duration,
    /// How often in a row a request was waited for in vain, by its name.
    in_vain: IndexMap<String, u32>,
    /// Answers that never came, by the name of the request.
    lost: IndexMap<String, u64>,
}

/// What one answer has cost so far.
#[derive(Debug, Default)]
pub(super) struct Waited {
    times: u32,
    time: Duration,
}

impl Patience {
    /// Nothing was waited for yet. Where it is not `is_on`, nothing will be.
    pub(super) fn new(is_on: bool) -> Self {
        Self {
            is_on,
            waits: 0,
            waited: Duration::ZERO,
            in_vain: IndexMap::new(),
            lost: IndexMap::new(),
        }
    }

    /// How long to wait before the request is sent again; `None` where the answer is one, or was waited for long enough.
    /// `listed` are the statuses that the spec lists for it: what stands there by its code is an answer like any other.
    pub(super) fn wait(
        &mut self,
        name: &str,
        response: &Response,
        listed: &[StatusPattern],
        so_far: &mut Waited,
    ) -> Option<Duration> {
        let asked = retry_after(response, SystemTime::now());
        let is_later = is_rate_limit(response) || response.status == 503 && asked.is_some();
        if !is_later || is_listed(response.status, listed) {
            if so_far.times > 0 {
                self.in_vain.shift_remove(name);
            }
            return None;
        }
        // Whoever says "at once" is taken at their word, but not again and again.
        let backoff = match (so_far.times, asked) {
            (0, Some(Duration::ZERO)) => Duration::ZERO,
            (times, _) => FIRST.saturating_mul(1 << times.min(10)),
        };
        let wait = asked.unwrap_or_default().max(backoff);
        // What was waited for in vain is not likely to come the next time: a run must not spend its hours on that.
        let in_vain = self.in_vain.get(name).copied().unwrap_or_default();
        let bound = LONGEST / 4_u32.pow(in_vain.min(8));
        if self.is_on && so_far.time + wait <= bound {
            so_far.times += 1;
            so_far.time += wait;
            self.waits += 1;
            self.waited += wait;
            return Some(wait);
        }
        if self.is_on {
            *self.in_vain.entry(name.to_owned()).or_default() += 1;
        }
        if is_rate_limit(response) {
            *self.lost.entry(name.to_owned()).or_default() += 1;
        }
        None
    }

    /// Whether this answer, which is not waited for any more, stands in the place of the right one.
    pub(super) fn is_in_the_way(&self, response: &Response, listed: &[StatusPattern]) -> bool {
        self.is_on && is_rate_limit(response) && !is_listed(response.status, listed)
    }

    /// Whether answers never came.
    pub(super) fn has_lost(&self) -> bool {
        !self.lost.is_empty()
    }

    /// What there is to say once the run is over.
    pub(super) fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if self.waits > 0 {
            let message = format!(
                "the service asked {} to come back later (429, or 503 with `Retry-After`): {:.1} s were waited, and the requests sent again",
                times(self.waits),
                self.waited.as_secs_f64()
            );
            warnings.push(Warning::new(WarningCode::RateLimited, message).with_help(
                "raise the limit of the service under test, or send more slowly: `http: { rate_limit: 20/s }`",
            ));
        }
        let lost: u64 = self.lost.values().sum();
        if lost > 0 {
            let names: Vec<String> = self
                .lost
                .iter()
                .map(|(name, times)| format!("{name} {times}"))
                .collect();
            let answers = if lost == 1 {
                "1 answer was"
            } else {
                &format!("{lost} answers were")
            };
            let message = format!("{answers} lost to rate limits (429): {}", names.join(", "));
            warnings.push(Warning::new(WarningCode::AnswersLost, message).with_help(
                "raise the limit of the service under test, or send more slowly (`http: { rate_limit: 20/s }`); where 429 is the right answer, list it: `expect: { status: [200, 429] }`",
            ));
        }
        warnings
    }
}

fn times(number: u64) -> String {
    match number {
        1 => "once".to_owned(),
        several => format!("{several} times"),
    }
}

/// Whether the spec lists this status by its code. A class such as `4xx` means the refusals of a request, not of all requests.
pub(super) fn is_listed(status: u16, listed: &[StatusPattern]) -> bool {
    listed.contains(&StatusPattern::Code(status))
}

/// Whether an answer says that there were too many requests: 429, 420 as it was at Twitter, and 403 as it is at GitHub, beside a header
/// that says when to come back or that nothing is left.
fn is_rate_limit(response: &Response) -> bool {
    let has = |wanted: &str, is_so: fn(&str) -> bool| {
        let mut headers = response.headers.iter();
        headers.any(|(name, text)| name.eq_ignore_ascii_case(wanted) && is_so(text.trim()))
    };
    match response.status {
        420 | 429 => true,
        403 => {
            has("retry-after", |_| true)
                || has("x-ratelimit-remaining", |left| left == "0")
                || has("ratelimit-remaining", |left| left == "0")
        }
        _ => false,
    }
}

/// The time that `Retry-After` names: seconds, or a date.
fn retry_after(response: &Response, now: SystemTime) -> Option<Duration> {
    let mut headers = response.headers.iter();
    let (_, text) = headers.find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))?;
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, retry_after: Option<&str>) -> Response {
        Response {
            status,
            headers: retry_after
                .map(|text| ("retry-after".to_owned(), text.to_owned()))
                .into_iter()
                .collect(),
            ..Response::default()
        }
    }

    /// The waits for an answer that stays what it is.
    fn waits(patience: &mut Patience, response: &Response, listed: &[StatusPattern]) -> Vec<u128> {
        let mut so_far = Waited::default();
        let next = || patience.wait("action `pay`", response, listed, &mut so_far);
        std::iter::from_fn(next)
            .map(|wait| wait.as_millis())
            .collect()
    }

    #[test]
    fn too_many_requests_is_said_in_several_ways() {
        let with = |status: u16, header: &str, text: &str| Response {
            status,
            headers: vec![(header.to_owned(), text.to_owned())],
            ..Response::default()
        };
        assert!(is_rate_limit(&response(429, None)));
        assert!(is_rate_limit(&response(420, None)));
        assert!(is_rate_limit(&response(403, Some("7"))));
        assert!(is_rate_limit(&with(403, "X-RateLimit-Remaining", "0")));
        assert!(!is_rate_limit(&with(403, "X-RateLimit-Remaining", "3")));
        assert!(!is_rate_limit(&response(403, None)));
        assert!(!is_rate_limit(&with(200, "X-RateLimit-Remaining", "0")));
    }

    #[test]
    fn retry_after_is_a_number_of_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:30 GMT").unwrap();
        for (text, seconds) in [
            ("7", Some(7)),
            (" 7 ", Some(7)),
            ("0", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(7)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
            ("", None),
        ] {
            let found = retry_after(&response(503, Some(text)), now);
            assert_eq!(found, seconds.map(Duration::from_secs), "{text:?}");
        }
    }

    #[test]
    fn an_answer_is_waited_for_longer_each_time_and_for_half_a_minute_at_most() {
        let mut patience = Patience::new(true);
        let waited = waits(&mut patience, &response(429, None), &[]);
        assert_eq!(waited[..4], [100, 200, 400, 800]);
        assert!(waited.iter().sum::<u128>() <= 30_000, "{waited:?}");
        assert!(patience.has_lost());
        let again = waits(&mut patience, &response(429, None), &[]);
        assert!(
            again.len() < waited.len(),
            "the second time less: {again:?}"
        );
    }

    #[test]
    fn what_the_service_asks_for_is_waited_for_unless_that_is_too_long() {
        let mut patience = Patience::new(true);
        assert_eq!(
            waits(&mut patience, &response(503, Some("10")), &[])[..2],
            [10_000; 2]
        );
        assert!(!patience.has_lost(), "a 503 is judged");
        let mut patience = Patience::new(true);
        let at_once = waits(&mut patience, &response(503, Some("0")), &[]);
        assert_eq!(at_once[..4], [0, 200, 400, 800]);
        let mut patience = Patience::new(true);
        assert_eq!(
            waits(&mut patience, &response(429, Some("3600")), &[]),
            [0; 0]
        );
        assert!(patience.has_lost());
    }

    #[test]
    fn other_answers_and_those_that_the_spec_lists_by_their_code_are_not_waited_for() {
        let mut patience = Patience::new(true);
        let [code, class] = [StatusPattern::Code(429), StatusPattern::Class(4)];
        assert_eq!(waits(&mut patience, &response(503, None), &[]), [0; 0]);
        assert_eq!(waits(&mut patience, &response(200, Some("1")), &[]), [0; 0]);
        assert_eq!(waits(&mut patience, &response(429, None), &[code]), [0; 0]);
        assert!(!patience.has_lost());
        assert!(patience.warnings().is_empty());
        assert!(!waits(&mut patience, &response(429, None), &[class]).is_empty());
    }

    #[test]
    fn where_it_is_switched_off_nothing_is_waited_for_and_what_is_lost_is_counted() {
        let mut patience = Patience::new(false);
        assert_eq!(waits(&mut patience, &response(429, None), &[]), [0; 0]);
        let [lost] = &patience.warnings()[..] else {
            panic!("one warning")
        };
        assert_eq!(
            lost.message,
            "1 answer was lost to rate limits (429): action `pay` 1"
        );
    }
}
