//! `ensure:` the post-conditions of an accepted call.

use std::ops::RangeInclusive;

use indexmap::IndexMap;
use regex::Regex;

use super::Lowering;
use crate::diagnostic::{Code, Diagnostic, Path};
use crate::model::{AllowedChanges, Assertion, Counts, Ensure, Ensured, Expectation};
use crate::spec::document::{Changes, Count, Document, Ensure as Written, RowCounts};
use crate::world::config::Pattern;

impl Lowering<'_> {
    pub(super) fn ensure(
        &mut self,
        at: &Path,
        written: &[Written],
        parameters: &[String],
    ) -> Vec<Ensure> {
        if self.compiler.problems.is_broken(at) {
            return Vec::new();
        }
        let written = written.iter().enumerate();
        written
            .filter_map(|(index, ensure)| {
                let subject = self.ensured(&at.index(index), ensure, parameters)?;
                Some(Ensure {
                    message: ensure.message.clone(),
                    subject,
                })
            })
            .collect()
    }

    /// The tables that post-conditions name.
    pub(super) fn ensured_tables(&self, document: &Document) -> Vec<Pattern> {
        let section = Path::root().key("actions");
        let mut tables: Vec<Pattern> = Vec::new();
        for action in &document.actions {
            let at = section.index(action.position).key("ensure");
            for (index, ensure) in action.ensure.iter().enumerate() {
                let at = at.index(index).key("changes");
                for table in ensure.changes.iter().flat_map(IndexMap::keys) {
                    // Each is said once, and `*` is the rest, whatever there is.
                    if table != "*" && tables.iter().all(|known| known.text != *table) {
                        tables.push(Pattern {
                            text: table.clone(),
                            place: Some(self.compiler.place(&at.key(table), table)),
                        });
                    }
                }
            }
        }
        tables
    }

    fn ensured(&mut self, at: &Path, written: &Written, parameters: &[String]) -> Option<Ensured> {
        match (&written.sql, &written.changes) {
            (Some(text), None) => {
                let system_at = at.key("system");
                let named = written.system.as_deref().map(|name| (name, &system_at));
                let sql_at = at.key("sql");
                let system = self.system(named, &sql_at);
                let query = self.compiler.sql_with(&sql_at, text, system, parameters);
                let mut assertions = self.assertions(at, written.assertions());
                if assertions.is_empty() {
                    assertions.push(Assertion::Empty);
                }
                Some(Ensured::Rows(query, Expectation { assertions }))
            }
            (None, Some(changes)) => {
                if !written.assertions().is_nothing() {
                    let message = "assertions are about the rows of `sql`, and there is none";
                    self.at_key(
                        &at.key("changes"),
                        "",
                        Diagnostic::error(Code::Contradiction, message)
                            .help("make two entries of `ensure`"),
                    );
                }
                let section = at.key("changes");
                if changes.is_empty() && !self.compiler.problems.is_broken(&section) {
                    let message = "`changes` names no table";
                    self.at_key(
                        &section,
                        "",
                        Diagnostic::error(Code::MissingKey, message)
                            .help("write `changes: { orders: { update: 1 }, \"*\": none }`"),
                    );
                }
                let entries = changes.iter();
                let allowed = entries
                    .map(|(table, changes)| self.allowed(&section.key(table), table, changes));
                Some(Ensured::Changes(allowed.collect()))
            }
            (Some(_), Some(_)) => {
                let message = "a post-condition looks at `sql` or at `changes`, not at both";
                self.at_key(
                    &at.key("changes"),
                    "",
                    Diagnostic::error(Code::Contradiction, message)
                        .help("make two entries of `ensure`"),
                );
                None
            }
            (None, None) => {
                if !self.compiler.problems.is_broken(at) {
                    let message = format!("`{at}` lacks `sql` or `changes`");
                    self.at_key(at, "", Diagnostic::error(Code::MissingKey, message));
                }
                None
            }
        }
    }

    fn allowed(&mut self, at: &Path, table: &str, changes: &Changes) -> AllowedChanges {
        let pattern = table.contains('*').then(|| {
            let parts: Vec<String> = table.split('*').map(regex::escape).collect();
            Regex::new(&format!("^{}$", parts.join(".*")))
        });
        let counts = match changes {
            Changes::Any => None,
            Changes::None => Some(RowCounts::default()),
            Changes::Counts(counts) => Some(RowCounts {
                insert: counts.insert,
                update: counts.update,
                delete: counts.delete,
            }),
        };
        AllowedChanges {
            written: table.to_owned(),
            // An escaped text is an expression.
            pattern: pattern.and_then(Result::ok),
            counts: counts.map(|counts| Counts {
                insert: self.range(&at.key("insert"), counts.insert),
                update: self.range(&at.key("update"), counts.update),
                delete: self.range(&at.key("delete"), counts.delete),
            }),
        }
    }

    /// How many rows; none where nothing is written.
    fn range(&mut self, at: &Path, count: Option<Count>) -> RangeInclusive<u64> {
        match count {
            None => 0..=0,
            Some(count) => self.count_range(at, count),
        }
    }
}
