//! `retry:` what a request is sent again for.

use std::sync::Arc;
use std::time::Duration;

use super::Lowering;
use crate::diagnostic::{Code, Diagnostic, Path};
use crate::model::Retry;
use crate::spec::document::Retry as Written;

const DEFAULT_AT_MOST: Duration = Duration::from_secs(5);
const DEFAULT_EVERY: Duration = Duration::from_millis(100);

impl Lowering<'_> {
    pub(super) fn retry(&mut self, at: &Path, written: Option<&Written>) -> Option<Arc<Retry>> {
        let written = written?;
        let until_at = at.key("until");
        let until = self.expect(&until_at, Some(&written.until));
        let asks_for_nothing = until.status.is_empty()
            && until.headers.is_empty()
            && until.body.is_empty()
            && until.duration.is_none();
        if asks_for_nothing && !self.compiler.problems.is_broken(&until_at) {
            let message =
                format!("`{until_at}` waits for nothing: every answer below 500 is ready");
            self.at_key(
                &until_at,
                "",
                Diagnostic::error(Code::MissingKey, message)
                    .help("say what is waited for: `until: { status: 200 }`, `until: { body: [{ jsonpath: $.state, equals: done }] }`"),
            );
        }
        let time = |written: Option<crate::spec::document::DurationText>, default: Duration| {
            written.map_or(default, |time| time.0)
        };
        let retry = Retry {
            until,
            at_most: time(written.at_most, DEFAULT_AT_MOST),
            every: time(written.every, DEFAULT_EVERY),
        };
        self.not_zero(&at.key("every"), retry.every);
        if retry.every > retry.at_most {
            let message = "the first pause is longer than all the time, so nothing is sent again";
            self.at_key(
                at,
                "",
                Diagnostic::error(Code::Contradiction, message)
                    .help("raise `at_most`, or shorten `every`"),
            );
        }
        Some(Arc::new(retry))
    }
}
