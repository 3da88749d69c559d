//! The report for people: every violation with its path, then the summary of the run, then the headline.

mod style;
mod summary;
mod violation;

use std::io::Write;

use super::{Destination, Report, ReportError, RunReport};
use style::Page;

/// Writes each run as soon as it is over.
pub struct Console {
    destination: Destination,
    width: usize,
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
            failed: None,
        }
    }

    /// The same report, in a file and without colour.
    pub fn to_file(destination: Destination) -> Self {
        Self {
            destination: destination.without_escape_codes(),
            width: Self::DEFAULT_WIDTH,
            failed: None,
        }
    }
}

impl Report for Console {
    fn run(&mut self, run: &RunReport) {
        if self.failed.is_none() {
            self.failed = self
                .destination
                .write("console", &page(run, self.width))
                .err();
        }
    }

    fn finish(&mut self, _exit_code: u8) -> Result<(), ReportError> {
        self.failed.take().map_or(Ok(()), Err)
    }
}

/// The whole report of one run.
fn page(run: &RunReport, width: usize) -> String {
    let mut page = Page::new(width);
    for (position, found) in run.summary.violations.iter().enumerate() {
        violation::write(&mut page, run, found, position + 1);
    }
    summary::write(&mut page, run);
    page.into_text()
}

#[cfg(test)]
mod tests;
