//! Styled lines. Every line can be understood without colour.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Effects, Style};

use crate::model::Severity;

pub(super) const BOLD: Style = Style::new().effects(Effects::BOLD);
pub(super) const DIM: Style = Style::new().effects(Effects::DIMMED);
pub(super) const GOOD: Style = AnsiColor::Green.on_default().effects(Effects::BOLD);
pub(super) const BAD: Style = AnsiColor::Red.on_default().effects(Effects::BOLD);
pub(super) const DOUBT: Style = AnsiColor::Yellow.on_default().effects(Effects::BOLD);
pub(super) const HINT: Style = AnsiColor::Cyan.on_default();
pub(super) const ADDED: Style = AnsiColor::Green.on_default();
pub(super) const REMOVED: Style = AnsiColor::Red.on_default();
pub(super) const CHANGED: Style = AnsiColor::Yellow.on_default();

/// The style of a severity.
pub(super) fn severity(severity: Severity) -> Style {
    match severity {
        Severity::Critical => AnsiColor::White.on(AnsiColor::Red).effects(Effects::BOLD),
        Severity::High => BAD,
        Severity::Medium => DOUBT,
        Severity::Low => HINT,
    }
}

/// The style of a status: a refusal (4xx) is normal, an error of the server (5xx) is not.
pub(super) fn status(status: u16) -> Style {
    match status {
        200..400 => GOOD,
        400..500 => DOUBT,
        _ => BAD,
    }
}

/// The text in this style.
pub(super) fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// A report under construction.
pub(super) struct Page {
    text: String,
    width: usize,
}

impl Page {
    pub(super) fn new(width: usize) -> Self {
        Self {
            text: String::new(),
            width,
        }
    }

    /// Columns that remain after an indentation.
    pub(super) fn room(&self, indent: usize) -> usize {
        self.width.saturating_sub(indent).max(20)
    }

    /// Adds a line; blanks at its end are dropped.
    pub(super) fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// Adds an empty line.
    pub(super) fn gap(&mut self) {
        self.text.push('\n');
    }

    /// Adds a rule across the page with a title in it.
    pub(super) fn rule(&mut self, title: &str) {
        let dashes = "─".repeat(
            self.width
                .saturating_sub(super::super::text::width(title) + 4),
        );
        // Writing to a string cannot fail.
        let _ = writeln!(
            self.text,
            "{DIM}──{DIM:#} {BOLD}{title}{BOLD:#} {DIM}{dashes}{DIM:#}"
        );
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}
