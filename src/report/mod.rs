//! Progress while a run goes on, and reports for people and programs once it is over.
//!
//! Reports read [`event`](crate::event)s and nothing else, so every report can be rebuilt from a run [`log`]. [`Watch`] takes
//! secrets out before any report sees an event. What a run *means* (clean, incomplete, violations, failed) is decided once, in
//! [`RunReport::outcome`], so that the headline, the JSON and the exit code cannot
//! disagree. A new format is one new file here and one entry in `cli::formats`.

mod console;
mod explain_states;
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
pub use explain_states::ExplainStates;
pub use github::Github;
pub use html::Html;
pub use json::{Json, VERSION as JSON_VERSION};
pub use junit::Junit;
pub use markdown::Markdown;
pub use merge::Merge;
pub use progress::Progress;
pub use run::{Cause, Outcome, RunReport, Standing};
pub use sarif::Sarif;
pub use text::date;
pub use watch::Watch;

use run_builder::RunBuilder;

/// A report format: it reads runs and writes them somewhere.
pub trait Report {
    /// How much of each step this report reads.
    fn detail(&self) -> Detail {
        Detail::None
    }

    /// How much of each step a [`RunReport`] must keep for this report. What it keeps stays in memory until the run is over.
    fn kept(&self) -> Detail {
        self.detail()
    }

    /// Something happened during a run.
    fn entry(&mut self, entry: &Event) {
        let _ = entry;
    }

    /// The run of one spec is over, and its databases have been restored.
    fn run(&mut self, run: &RunReport) {
        let _ = run;
    }

    /// All runs are over: writes what has not been written yet. `exit_code` is the exit code that follows from the runs; a
    /// report that cannot be written may still change it.
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
    /// The destination: a path in backticks, or `standard output`.
    pub destination: String,
    /// Why it could not be written.
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

    /// The greatest detail of a step that one of them reads.
    pub fn detail(&self) -> Detail {
        self.0
            .iter()
            .map(|report| report.detail())
            .max()
            .unwrap_or_default()
    }

    /// The greatest detail of a step that one of them needs once the run is over.
    fn kept(&self) -> Detail {
        self.0
            .iter()
            .map(|report| report.kept())
            .max()
            .unwrap_or_default()
    }

    /// Begins to report a run that goes on. `secrets` is shared with the world: secrets that it learns during the run are
    /// hidden as well.
    pub fn watch(&mut self, started: Started, secrets: Secrets) -> Watch<'_> {
        Watch::begin(self, started, secrets)
    }

    /// Begins to report the events of a run log.
    pub fn log_replay(&mut self) -> LogReplay<'_> {
        LogReplay {
            kept: self.kept(),
            reports: self,
            builder: None,
        }
    }

    /// Reports a run that is over to every report.
    pub fn run(&mut self, run: &RunReport) {
        for report in &mut self.0 {
            report.run(run);
        }
    }

    /// Reports a run that is over to every report, event by event, as if the run went on now.
    pub fn report(&mut self, run: RunReport) {
        self.run(&run);
        for entry in run.into_entries() {
            self.entry(&entry);
        }
    }

    /// Finishes every report. One that fails does not keep the others from being written.
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

/// Runs that arrive event by event, and the reports about them.
pub struct LogReplay<'r> {
    reports: &'r mut Reports,
    kept: Detail,
    builder: Option<RunBuilder>,
}

impl LogReplay<'_> {
    /// Adds the next event. Returns the run that ends with it: the event closes this run, or begins another and leaves this one
    /// cut off.
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

    /// No more events follow. Returns the run that is cut off by that.
    pub fn end(&mut self) -> Option<RunReport> {
        let run = self.builder.take()?.into_report();
        self.reports.run(&run);
        Some(run)
    }
}

/// Where a report is written. It makes text that comes from the service or the spec safe to show.
pub struct Destination {
    name: String,
    writer: Box<dyn io::Write>,
    form: Form,
}

/// The form of what is written. It decides how characters that must not stand there are escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Lines for people; escape codes that set colours are venomqa's own.
    Lines,
    /// JSON, one document or one in a line.
    Json,
    /// XML.
    Xml,
    /// A page, or commands of a CI server: their parts have been made safe one by one.
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

    /// The same destination, for a report in this form.
    fn of(self, form: Form) -> Self {
        Self { form, ..self }
    }

    /// The same destination, without escape codes.
    fn without_escape_codes(self) -> Self {
        Self {
            name: self.name,
            writer: Box::new(anstream::StripStream::new(self.writer)),
            form: self.form,
        }
    }

    /// The same destination, written in larger pieces.
    fn buffered(self) -> Self {
        Self {
            name: self.name,
            writer: Box::new(io::BufWriter::new(self.writer)),
            form: self.form,
        }
    }

    /// Writes the whole text. A reader that has gone away is no error.
    fn write(&mut self, format: &'static str, text: &str) -> Result<(), ReportError> {
        self.append(format, text, true)
    }

    /// Appends whole lines; `flush` hands them to the operating system at once.
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
