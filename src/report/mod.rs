//! What people and programs get to read: progress while a run goes on, reports once it is over.
//!
//! A [`Report`] folds [`Event`]s and finished [`Run`]s; it never explores and never judges. What a run *means*
//! (clean, incomplete, violations, failed) is decided once, in [`Run::outcome`], so that the headline, the JSON and the exit
//! code cannot disagree. A new format is one new file here and one line in `cli::options`.

mod console;
mod json;
mod progress;
mod redact;
mod run;
#[cfg(test)]
mod sample;
mod text;

use std::io;

use crate::explorer::event::Event;

pub use console::Console;
pub use json::{Json, VERSION as JSON_VERSION};
pub use progress::Progress;
pub use run::{Cause, Outcome, Run};

/// A reader of runs.
pub trait Report {
    /// Something happened during a run.
    fn event(&mut self, event: &Event<'_>) {
        let _ = event;
    }

    /// The run of one spec is over, and what it had touched has been put back.
    fn run(&mut self, run: &Run) {
        let _ = run;
    }

    /// All runs are over: writes what has not been written yet. `exit_code` is what the process will end with as far as the
    /// runs themselves decide it.
    fn finish(&mut self, exit_code: u8) -> Result<(), ReportError> {
        let _ = exit_code;
        Ok(())
    }
}

/// A report that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the {format} report could not be written to {destination}: {error}")]
pub struct ReportError {
    /// Name of the format: `json`.
    pub format: &'static str,
    /// Where it should have gone: a path in backticks, or `standard output`.
    pub destination: String,
    /// Why not.
    pub error: io::Error,
}

/// Several reports that read the same runs.
#[derive(Default)]
pub struct Reports(Vec<Box<dyn Report>>);

impl Reports {
    /// These reports, in this order.
    pub fn new(reports: Vec<Box<dyn Report>>) -> Self {
        Self(reports)
    }

    /// Tells all of them.
    pub fn event(&mut self, event: &Event<'_>) {
        for report in &mut self.0 {
            report.event(event);
        }
    }

    /// Tells all of them.
    pub fn run(&mut self, run: &Run) {
        for report in &mut self.0 {
            report.run(run);
        }
    }

    /// Finishes all of them: one that fails does not keep the others from being written.
    pub fn finish(&mut self, exit_code: u8) -> Vec<ReportError> {
        self.0
            .iter_mut()
            .filter_map(|report| report.finish(exit_code).err())
            .collect()
    }
}

/// Where a report goes.
pub struct Destination {
    name: String,
    writer: Box<dyn io::Write>,
}

impl Destination {
    /// Standard output, or anything else that a reader may close early: a broken pipe is no error there.
    pub fn stdout(writer: Box<dyn io::Write>) -> Self {
        Self {
            name: "standard output".to_owned(),
            writer,
        }
    }

    /// A file that is open for writing.
    pub fn file(path: &std::path::Path, file: std::fs::File) -> Self {
        Self {
            name: format!("`{}`", path.display()),
            writer: Box::new(file),
        }
    }

    /// The same place, where escape codes do not arrive.
    fn without_escape_codes(self) -> Self {
        Self {
            name: self.name,
            writer: Box::new(anstream::StripStream::new(self.writer)),
        }
    }

    /// Writes all of it. A reader that has gone away is no error.
    fn write(&mut self, format: &'static str, text: &str) -> Result<(), ReportError> {
        let written = self
            .writer
            .write_all(text.as_bytes())
            .and_then(|()| self.writer.flush());
        match written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(ReportError {
                format,
                destination: self.name.clone(),
                error,
            }),
            _ => Ok(()),
        }
    }
}
