//! A problem that has a place: code, message, underlined source, help; and the one renderer for all of them.
//!
//! Rules use document paths ([`Path`]); the tree of the document turns a path into bytes when a [`Diagnostic`] is made.
//! Nothing here knows YAML, or what a spec means.

mod code;
mod path;
mod render;

use std::ops::Range;

pub use code::Code;
pub use path::{Path, Segment};
pub use render::render;

/// One problem, as a person should read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Which kind of problem; stable, documented in `docs/spec.md`.
    pub code: Code,
    /// Whether it stops the run.
    pub severity: Severity,
    /// What is wrong: lower case, no closing period, expected beside actual.
    pub message: String,
    /// Where. The first primary label gives the file, line and column.
    pub labels: Vec<Label>,
    /// What to do next.
    pub help: Option<String>,
}

/// Whether a problem stops the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The spec cannot be run before this is fixed.
    Error,
    /// Probably a mistake; the run goes on.
    Warning,
}

/// A place with a text about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Which text.
    pub source: SourceId,
    /// Which bytes of it.
    pub range: Range<usize>,
    /// The text beside the underline; may be empty.
    pub text: String,
    /// Whether this is the place of the problem itself; otherwise the place explains it.
    pub primary: bool,
}

impl Diagnostic {
    /// An error without a place yet.
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            labels: Vec::new(),
            help: None,
        }
    }

    /// A warning without a place yet.
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, message)
        }
    }

    /// The same problem with its place.
    #[must_use]
    pub fn at(mut self, source: SourceId, range: Range<usize>, text: impl Into<String>) -> Self {
        self.labels.push(Label {
            source,
            range,
            text: text.into(),
            primary: true,
        });
        self
    }

    /// The same problem with a place that explains it.
    #[must_use]
    pub fn beside(
        mut self,
        source: SourceId,
        range: Range<usize>,
        text: impl Into<String>,
    ) -> Self {
        self.labels.push(Label {
            source,
            range,
            text: text.into(),
            primary: false,
        });
        self
    }

    /// The same problem with what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Whether it stops the run.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// Where it is, for sorting: source, then byte.
    pub fn position(&self) -> Option<(SourceId, usize)> {
        let label = self.labels.iter().find(|label| label.primary)?;
        Some((label.source, label.range.start))
    }
}

/// Number of a text within [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);

/// The texts that labels point into.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<Source>,
}

/// One text.
#[derive(Clone, Debug)]
pub struct Source {
    /// Name shown to people: the path as it was given.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// Line and column of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

/// Where the lines of a text begin.
#[derive(Clone, Debug)]
pub struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    /// Finds the lines of a text.
    pub fn of(text: &'t str) -> Self {
        let after = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            text,
            starts: std::iter::once(0).chain(after).collect(),
        }
    }

    /// Line and column of a byte, both from 1; the column counts characters. A byte beyond the text, or inside a
    /// character, counts as the last one before it.
    pub fn place(&self, byte: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= byte).max(1);
        let before = self.text[self.starts[line - 1]..].char_indices();
        let start = self.starts[line - 1];
        (
            line,
            before.take_while(|(at, _)| start + at < byte).count() + 1,
        )
    }

    /// The same for bytes that mostly rise: each is looked for from the one before, however long the line is.
    pub fn places(&self) -> impl FnMut(usize) -> (usize, usize) {
        let mut last: Option<(usize, (usize, usize))> = None;
        move |byte| {
            let place = last
                .filter(|(_, (line, _))| self.starts.get(*line).is_none_or(|next| byte < *next))
                .and_then(|(before, (line, column))| {
                    Some((line, column + self.text.get(before..byte)?.chars().count()))
                })
                .unwrap_or_else(|| self.place(byte));
            last = Some((byte, place));
            place
        }
    }
}

impl Sources {
    /// Adds a text.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> SourceId {
        self.files.push(Source {
            name: name.into(),
            text: text.into(),
        });
        SourceId(self.files.len() as u32 - 1)
    }

    /// A text that was added.
    pub fn get(&self, id: SourceId) -> Option<&Source> {
        self.files.get(id.0 as usize)
    }

    /// Line and column of a byte, both from 1; the column counts characters.
    pub fn line_and_column(&self, id: SourceId, byte: usize) -> Option<(usize, usize)> {
        Some(Lines::of(&self.get(id)?.text).place(byte))
    }
}

/// The candidate that was probably meant: the closest one, if it is close at all.
pub fn did_you_mean<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let lower = word.to_lowercase();
    let length = word.chars().count();
    candidates
        .into_iter()
        .filter(|candidate| *candidate != word)
        .filter_map(|candidate| {
            let other = candidate.chars().count();
            // With more than a third of the letters wrong it is another word.
            let allowed = length.max(other).div_ceil(3);
            if length.abs_diff(other) > allowed {
                return None;
            }
            let distance = strsim::osa_distance(&lower, &candidate.to_lowercase());
            (distance <= allowed).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_the_word_and_another_word_does_not() {
        let words = ["create_order", "refund_order", "max_calls"];
        assert_eq!(did_you_mean("max_call", words), Some("max_calls"));
        assert_eq!(did_you_mean("create_ordr", words), Some("create_order"));
        assert_eq!(did_you_mean("banana", words), None);
    }

    #[test]
    fn columns_count_characters_and_lines_start_at_one() {
        let mut sources = Sources::default();
        let id = sources.add("a.yaml", "a: 1\nß: x\n");
        assert_eq!(sources.line_and_column(id, 0), Some((1, 1)));
        assert_eq!(sources.line_and_column(id, 9), Some((2, 4)));
    }
}
