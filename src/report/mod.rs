//! What people and programs get to read: progress while a run goes on, reports once it is over.
//!
//! Reports read [`event`](crate::event)s and nothing else: what they say of a run that has just ended they say of one that
//! was written down in a run [`log`], too. [`Watch`] takes secrets out before any report sees an event. What a run *means* (clean, incomplete,
//! violations, failed) is decided once, in [`RunReport::outcome`], so that the headline, the JSON and the exit code cannot
//! disagree. A new format is one new file here and one entry in `cli::formats`.

mod console;
#[cfg(test)]
mod fixture;
mod github;
mod html;
mod json;
mod junit;
pub mod log;
mod markdown;
mod merge;
mod progress;
pub mod replay;
mod run;
mod run_builder;
mod sarif;
mod text;
mod violation_text;
mod watch;

use std::io;

use crate::visible;

use crate::event::{Detail, Event, Started};
use crate::secret::Secrets;

pub use console::Console;
pub use github::Github;
pub use html::Html;
pub use json::{Json, VERSION as JSON_VERSION};
pub use junit::Junit;
pub use markdown::Markdown;
pub use merge::Merge;
pub use progress::Progress;
pub use run::{Cause, Outcome, RunReport};
pub use sarif::Sarif;
pub use text::date;
pub use watch::Watch;

use run_builder::RunBuilder;

/// A reader of runs.
pub trait Report {
    /// How much it wants to know of each step.
    fn detail(&self) -> Detail {
        Detail::None
    }

    /// How much of each step it wants to find in a [`RunReport`] once that is over: what is kept there is kept in memory.
    fn kept(&self) -> Detail {
        self.detail()
    }

    /// Something happened during a run.
    fn entry(&mut self, entry: &Event) {
        let _ = entry;
    }

    /// The run of one spec is over, and what it had touched has been put back.
    fn run(&mut self, run: &RunReport) {
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

    /// How much they want to know of each step, the most curious of them.
    pub fn detail(&self) -> Detail {
        self.0
            .iter()
            .map(|report| report.detail())
            .max()
            .unwrap_or_default()
    }

    /// How much of each step they want to find in a run that is over.
    fn kept(&self) -> Detail {
        self.0
            .iter()
            .map(|report| report.kept())
            .max()
            .unwrap_or_default()
    }

    /// Begins to report a run that goes on. What `secrets` knows is hidden, also what it learns on the way: it is the world's.
    pub fn watch(&mut self, started: Started, secrets: Secrets) -> Watch<'_> {
        Watch::begin(self, started, secrets)
    }

    /// Begins to report the entries of a run log.
    pub fn log_replay(&mut self) -> LogReplay<'_> {
        LogReplay {
            kept: self.kept(),
            reports: self,
            builder: None,
        }
    }

    /// Reports a run that is over to all of them.
    pub fn run(&mut self, run: &RunReport) {
        for report in &mut self.0 {
            report.run(run);
        }
    }

    /// Reports a run that is over to all of them as if it went on now.
    pub fn report(&mut self, run: RunReport) {
        self.run(&run);
        for entry in run.into_entries() {
            self.entry(&entry);
        }
    }

    /// Finishes all of them: one that fails does not keep the others from being written.
    pub fn finish(&mut self, exit_code: u8) -> Vec<ReportError> {
        self.0
            .iter_mut()
            .filter_map(|report| report.finish(exit_code).err())
            .collect()
    }

    fn entry(&mut self, entry: &Event) {
        for report in &mut self.0 {
            report.entry(entry);
        }
    }
}

/// Runs that arrive entry by entry, and the reports about them.
pub struct LogReplay<'r> {
    reports: &'r mut Reports,
    kept: Detail,
    builder: Option<RunBuilder>,
}

impl LogReplay<'_> {
    /// The next entry. Returns the run that is over with it: the one that it closes, or, where another begins, one that
    /// was cut off.
    pub fn entry(&mut self, entry: Event) -> Option<RunReport> {
        let closes = matches!(entry, Event::Closed(_));
        let cut_off = match entry {
            Event::Started(_) => self.end(),
            _ => None,
        };
        self.reports.entry(&entry);
        match (entry, &mut self.builder) {
            (Event::Started(started), _) => {
                self.builder = Some(RunBuilder::new(*started, self.kept));
            }
            (entry, Some(builder)) => builder.add(entry),
            (_, None) => {}
        }
        if closes { self.end() } else { cut_off }
    }

    /// There are no more entries. Returns the run that was cut off by that.
    pub fn end(&mut self) -> Option<RunReport> {
        let run = self.builder.take()?.into_report();
        self.reports.run(&run);
        Some(run)
    }
}

/// Where a report goes. Whatever is written there goes through here, and the texts of others in it are made safe to show.
pub struct Destination {
    name: String,
    writer: Box<dyn io::Write>,
    form: Form,
}

/// What is written, which decides how a letter is written that must not stand there as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Lines for people; escape codes that set colours are venomqa's own.
    Lines,
    /// JSON, one document or one in a line.
    Json,
    /// XML.
    Xml,
    /// Something whose parts have been made safe one by one: a page, or commands that a CI server is to obey.
    Safe,
}

impl Destination {
    /// Standard output, or anything else that a reader may close early: a broken pipe is no error there.
    pub fn stdout(writer: Box<dyn io::Write>) -> Self {
        Self {
            name: "standard output".to_owned(),
            writer,
            form: Form::Lines,
        }
    }

    /// A file that is open for writing.
    pub fn file(path: &std::path::Path, file: std::fs::File) -> Self {
        Self {
            name: format!("`{}`", path.display()),
            writer: Box::new(file),
            form: Form::Lines,
        }
    }

    /// The same place, for something of this form.
    fn of(self, form: Form) -> Self {
        Self { form, ..self }
    }

    /// The same place, where escape codes do not arrive.
    fn without_escape_codes(self) -> Self {
        Self {
            name: self.name,
            writer: Box::new(anstream::StripStream::new(self.writer)),
            form: self.form,
        }
    }

    /// The same place, written to in larger pieces.
    fn buffered(self) -> Self {
        Self {
            name: self.name,
            writer: Box::new(io::BufWriter::new(self.writer)),
            form: self.form,
        }
    }

    /// Writes all of it. A reader that has gone away is no error.
    fn write(&mut self, format: &'static str, text: &str) -> Result<(), ReportError> {
        self.append(format, text, true)
    }

    /// Writes whole lines more, and sees them on their way if `flush`.
    fn append(&mut self, format: &'static str, text: &str, flush: bool) -> Result<(), ReportError> {
        let safe = match self.form {
            Form::Lines => visible::lines(text, true),
            Form::Json => visible::json(text),
            Form::Xml => visible::xml(text),
            Form::Safe => text.to_owned(),
        };
        let written = self
            .writer
            .write_all(safe.as_bytes())
            .and_then(|()| if flush { self.writer.flush() } else { Ok(()) });
        match written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(self.error(format, error))
            }
            _ => Ok(()),
        }
    }

    fn error(&self, format: &'static str, error: io::Error) -> ReportError {
        ReportError {
            format,
            destination: self.name.clone(),
            error,
        }
    }
}
