//! The report for people: every violation with its path, then the summary of the run, then the headline.

mod brief;
mod multipart;
mod style;
mod summary;
mod violation;

use std::io::Write;

use super::{Destination, Report, ReportError, RunReport, Standing};
use crate::event::Violation;
use style::Page;

/// Writes each run as soon as it is over.
pub struct Console {
    destination: Destination,
    width: usize,
    is_verbose: bool,
    failed: Option<ReportError>,
}

impl Console {
    /// Columns where the width of the output is unknown.
    pub const DEFAULT_WIDTH: usize = 100;
    /// The least width: a narrower terminal wraps the lines.
    const MIN_WIDTH: usize = 60;
    /// The greatest width: longer lines are hard to read on any screen.
    const MAX_WIDTH: usize = 160;

    /// A report on standard output or another destination. Escape codes are removed unless `color` is set.
    pub fn new(writer: Box<dyn Write>, color: bool, width: usize) -> Self {
        let choice = if color {
            anstream::ColorChoice::Always
        } else {
            anstream::ColorChoice::Never
        };
        Self {
            destination: Destination::stdout(Box::new(anstream::AutoStream::new(writer, choice))),
            width: width.clamp(Self::MIN_WIDTH, Self::MAX_WIDTH),
            is_verbose: false,
            failed: None,
        }
    }

    /// The same report; `is_verbose` shows of every violation all rows, headers and bodies.
    #[must_use]
    pub fn verbose(self, is_verbose: bool) -> Self {
        Self { is_verbose, ..self }
    }

    /// The same report, in a file and without colour.
    pub fn to_file(destination: Destination) -> Self {
        Self {
            destination: destination.without_escape_codes(),
            width: Self::DEFAULT_WIDTH,
            is_verbose: false,
            failed: None,
        }
    }
}

impl Report for Console {
    fn run(&mut self, run: &RunReport) {
        if self.failed.is_none() {
            self.failed = self
                .destination
                .write("console", &page(run, self.width, self.is_verbose))
                .err();
        }
    }

    fn finish(&mut self, _exit_code: u8) -> Result<(), ReportError> {
        self.failed.take().map_or(Ok(()), Err)
    }
}

/// The whole report of one run.
fn page(run: &RunReport, width: usize, is_verbose: bool) -> String {
    let mut page = Page::new(width);
    for (title, found) in titled(run, is_verbose) {
        if is_verbose {
            violation::write(&mut page, run, found, &title);
        } else {
            brief::write(&mut page, run, found, &title);
        }
    }
    summary::write(&mut page, run);
    page.into_text()
}

/// The violations to show, each with its title: those that count, what could not be confirmed, and where everything is shown what
/// follows from them and what the baseline knows.
fn titled(run: &RunReport, is_verbose: bool) -> Vec<(String, &Violation)> {
    let kinds = Standing::ALL.iter().flat_map(|standing| {
        let all: Vec<_> = run.standing(*standing).collect();
        let of = all.len();
        let entries = all.into_iter().enumerate();
        entries.map(move |(position, found)| {
            let number = position + 1;
            let title = match standing {
                Standing::Counts => format!("violation {number} of {of}"),
                Standing::Unconfirmed => format!("unconfirmed finding {number} of {of}"),
                Standing::Consequence => format!("consequence {number} of {of}"),
                Standing::Known => format!("known violation {number} of {of}"),
            };
            (*standing, title, found)
        })
    });
    let is_shown = |standing: &Standing| {
        is_verbose || matches!(standing, Standing::Counts | Standing::Unconfirmed)
    };
    kinds
        .filter(|(standing, ..)| is_shown(standing))
        .map(|(_, title, found)| (title, found))
        .collect()
}

#[cfg(test)]
mod tests;
