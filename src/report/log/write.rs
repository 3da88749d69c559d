//! The report that is the run log itself: one JSON object a line, written while the run goes on.

use crate::event::{Detail, Event};
use crate::report::{Destination, Form, Report, ReportError};

/// Writes each event as it happens: a run that is killed leaves every step that it had taken.
pub struct Log {
    destination: Destination,
    failed: Option<ReportError>,
}

impl Log {
    /// A log that is written to this destination.
    pub fn new(destination: Destination) -> Self {
        Self {
            destination: destination.of(Form::Json).buffered(),
            failed: None,
        }
    }
}

impl Report for Log {
    fn detail(&self) -> Detail {
        Detail::Whole
    }

    fn kept(&self) -> Detail {
        Detail::None
    }

    fn entry(&mut self, entry: &Event) {
        if self.failed.is_some() {
            return;
        }
        let mut line = match serde_json::to_string(entry) {
            Ok(line) => line,
            Err(error) => {
                self.failed = Some(self.destination.error("log", error.into()));
                return;
            }
        };
        line.push('\n');
        // Every step at once would cost more than many a step itself; progress is when people look.
        let flush = !matches!(entry, Event::Step(_));
        self.failed = self.destination.append("log", &line, flush).err();
    }

    fn finish(&mut self, _exit_code: u8) -> Result<(), ReportError> {
        self.failed.take().map_or(Ok(()), Err)
    }
}
