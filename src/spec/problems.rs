//! Collects the problems that the stages of loading find. A stage names a document path; the diagnostic gets the bytes.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::read::{Mistake, MistakeKind, one_of, read};
use super::yaml::{CutText, Tree};
use crate::diagnostic::{Code, Diagnostic, Path, did_you_mean};
use crate::model::SqlOrigin;

/// The problems of one spec.
pub(super) struct Problems {
    tree: Tree,
    list: Vec<Diagnostic>,
    /// Paths of values that could not be read. Nothing more is reported about them.
    broken: HashSet<Path>,
    /// These paths, and every path above one of them.
    above_broken: HashSet<Path>,
    /// Paths of values that were replaced after a problem was reported. A wrong type there is no second problem.
    explained: HashSet<Path>,
    /// Where the texts begin that were reported as cut off by a comma.
    cut: HashSet<usize>,
}

impl Problems {
    pub(super) fn new(tree: Tree, list: Vec<Diagnostic>) -> Self {
        Self {
            tree,
            list,
            broken: HashSet::new(),
            above_broken: HashSet::new(),
            explained: HashSet::new(),
            cut: HashSet::new(),
        }
    }

    /// Adds a problem whose places are known.
    pub(super) fn add(&mut self, diagnostic: Diagnostic) {
        self.list.push(diagnostic);
    }

    /// Adds a problem of the value at a path.
    pub(super) fn at_value(&mut self, at: &Path, label: &str, diagnostic: Diagnostic) {
        let range = self.tree.nearest(at);
        self.add(diagnostic.at(self.tree.source(), range, label));
    }

    /// Suppresses problems about the type of the value at a path: another problem, already reported, is the reason.
    pub(super) fn explain(&mut self, at: &Path) {
        self.explained.insert(at.clone());
    }

    /// Adds a problem of the key at a path.
    pub(super) fn at_key(&mut self, at: &Path, label: &str, diagnostic: Diagnostic) {
        let range = self.tree.nearest_key(at);
        self.add(diagnostic.at(self.tree.source(), range, label));
    }

    /// Adds a problem of a part of the text at a path.
    pub(super) fn inside(
        &mut self,
        at: &Path,
        text: &str,
        part: &Range<usize>,
        label: &str,
        diagnostic: Diagnostic,
    ) {
        let range = self.tree.inside(at, text, part);
        self.add(diagnostic.at(self.tree.source(), range, label));
    }

    /// The same problem with a second place: the value at a path.
    pub(super) fn beside(&self, at: &Path, label: &str, diagnostic: Diagnostic) -> Diagnostic {
        diagnostic.beside(self.tree.source(), self.tree.nearest(at), label)
    }

    /// Whether a value at, below or above a path could not be read.
    pub(super) fn is_broken(&self, at: &Path) -> bool {
        if self.broken.is_empty() {
            return false;
        }
        self.above_broken.contains(at) || above(at).any(|place| self.broken.contains(&place))
    }

    /// How many problems there are so far.
    pub(super) fn count(&self) -> usize {
        self.list.len()
    }

    /// Whether there is an error so far.
    pub(super) fn has_errors(&self) -> bool {
        self.list.iter().any(Diagnostic::is_error)
    }

    /// Where the text value at a path stands in this file.
    pub(super) fn origin(&self, file: &Arc<str>, at: &Path, text: &str) -> SqlOrigin {
        let lines = self.tree.lines();
        let start = lines.place(self.tree.nearest(at).start);
        let characters = self.tree.characters(at, text).unwrap_or_default();
        let mut place = lines.places();
        let places = characters.into_iter().map(|byte| Some(place(byte?)));
        SqlOrigin::new(file.clone(), start, places)
    }

    /// The tree of the text.
    pub(super) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Everything found, in the order of the text.
    pub(super) fn finish(mut self) -> Vec<Diagnostic> {
        self.list.sort_by_key(Diagnostic::position);
        self.list
    }

    /// Reads the value at `at` and adds what is wrong with it; the keys in `hide` are not looked at.
    pub(super) fn read<T: DeserializeOwned>(
        &mut self,
        value: &Value,
        at: &Path,
        hide: &[&str],
    ) -> Option<T> {
        let read = read(value, at, hide);
        for mistake in read.mistakes {
            self.mistake(mistake);
        }
        read.value
    }

    fn mistake(&mut self, mistake: Mistake) {
        let Mistake { at, kind } = mistake;
        // An unknown key may be the misspelling of one that is reported as missing.
        self.broken.insert(at.clone());
        self.above_broken.extend(above(&at));
        if self.explained.contains(&at) || self.tree.is_refused(&at) {
            return;
        }
        if let Some(cut) = self.tree.cut_text(&at) {
            self.cut_by_comma(&at, &cut);
            return;
        }
        let name = if at.segments().is_empty() {
            "the spec".to_owned()
        } else {
            format!("`{at}`")
        };
        match kind {
            MistakeKind::UnknownKey(known) => {
                let key = at.last_key().unwrap_or_default().to_owned();
                // Keys for anchors to merge from, as in Compose files.
                if at.segments().len() == 1 && key.starts_with("x-") {
                    return;
                }
                let help = match did_you_mean(&key, known.iter().copied()) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("known here: {}", known.join(", ")),
                };
                self.at_key(
                    &at,
                    "not known here",
                    Diagnostic::error(Code::UnknownKey, format!("unknown key `{key}`")).help(help),
                );
            }
            MistakeKind::MissingKey(key) => {
                self.at_key(
                    &at,
                    &format!("`{key}` belongs here"),
                    Diagnostic::error(Code::MissingKey, format!("{name} lacks the key `{key}`")),
                );
            }
            MistakeKind::WrongType(expected, found) => {
                let mut diagnostic = Diagnostic::error(
                    Code::WrongType,
                    format!("{name} must be {expected}, not {found}"),
                );
                if found == "nothing" {
                    diagnostic = diagnostic.help("write a value, or remove the key");
                    self.at_key(&at, &format!("expected {expected}"), diagnostic);
                } else {
                    if expected == "text" && found != "a list" && found != "a mapping" {
                        diagnostic = diagnostic.help("put it in quotes to make it text");
                    } else if expected.starts_with("a duration") && found.starts_with("the number")
                    {
                        diagnostic = diagnostic.help("add a unit: `ms`, `s`, `m` or `h`");
                    }
                    self.at_value(&at, &format!("expected {expected}"), diagnostic);
                }
            }
            MistakeKind::BadValue(expected, found) => self.at_value(
                &at,
                &format!("expected {expected}"),
                Diagnostic::error(
                    Code::BadValue,
                    format!("{name} must be {expected}, not {found}"),
                ),
            ),
            MistakeKind::UnknownWord(known, found) => {
                let mut diagnostic = Diagnostic::error(
                    Code::BadValue,
                    format!("{name} must be {}, not `{found}`", one_of(known)),
                );
                if let Some(meant) = did_you_mean(&found, known.iter().copied()) {
                    diagnostic = diagnostic.help(format!("did you mean `{meant}`?"));
                }
                self.at_value(&at, &format!("expected {}", one_of(known)), diagnostic);
            }
            MistakeKind::Other(message) => self.at_value(
                &at,
                "",
                Diagnostic::error(Code::BadValue, format!("{name}: {message}")),
            ),
        }
    }
}

impl Problems {
    /// Says once for each text that it needs quotes.
    fn cut_by_comma(&mut self, at: &Path, cut: &CutText) {
        if !self.cut.insert(cut.range.start) {
            return;
        }
        let message = format!("the text of `{}` ends at a comma", cut.key);
        let diagnostic = Diagnostic::error(Code::UnknownKey, message)
            .beside(self.tree.source(), cut.range.clone(), "the text")
            .help(format!(
                "between `{{ }}` a text with a comma needs quotes: `{}: {}`",
                cut.key,
                cut.quoted()
            ));
        self.at_key(at, "read as a key of its own", diagnostic);
    }
}

/// A place and everything above it.
fn above(at: &Path) -> impl Iterator<Item = Path> + use<> {
    let mut next = Some(at.clone());
    std::iter::from_fn(move || {
        let place = next.take()?;
        let mut parent = place.clone();
        next = parent.pop().map(|_| parent);
        Some(place)
    })
}
