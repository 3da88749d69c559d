//! What a restore leaves as it is on purpose: tables that `ignore_tables` names.

use std::collections::{BTreeMap, BTreeSet};

use crate::world::{Warning, WarningCode};

/// Rows beyond which an ignored table is not counted: that would take longer than it is worth.
pub(super) const COUNTED: u64 = 1_000_000;

/// How many rows the ignored tables have, by name; `None` where one has too many to be counted.
#[derive(Clone, Debug, Default)]
pub(super) struct LeftAlone(BTreeMap<String, Option<u64>>);

impl LeftAlone {
    /// Remembers a table, with its rows counted as far as one beyond [`COUNTED`].
    pub(super) fn add(&mut self, table: String, rows: u64) {
        self.0.insert(table, (rows <= COUNTED).then_some(rows));
    }

    /// What is to be said at the end of a run that began with these: the tables that have more or fewer rows `now`.
    pub(super) fn differences(&self, now: &Self, system: &str) -> Vec<Warning> {
        let names: BTreeSet<&String> = self.0.keys().chain(now.0.keys()).collect();
        let differences = names.into_iter().filter_map(|name| {
            let what = match (self.0.get(name), now.0.get(name)) {
                (Some(Some(before)), Some(Some(now))) if now > before => {
                    format!("has {} more than", rows(now - before))
                }
                (Some(Some(before)), Some(Some(now))) if now < before => {
                    format!("has {} fewer than", rows(before - now))
                }
                (Some(_), None) => "is gone, which it was not".to_owned(),
                (None, Some(_)) => "is new, it was not there".to_owned(),
                _ => return None,
            };
            Some(Warning::new(
                WarningCode::NotRestored,
                format!(
                    "`{name}` (system `{system}`) {what} before the run: `ignore_tables` names it, so it was left as it is"
                ),
            ))
        });
        differences.collect()
    }
}

fn rows(count: u64) -> String {
    let noun = if count == 1 { "row" } else { "rows" };
    format!("{count} {noun}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_with_more_or_fewer_rows_are_named() {
        let counted = |tables: &[(&str, u64)]| {
            let mut left = LeftAlone::default();
            for (table, rows) in tables {
                left.add((*table).to_owned(), *rows);
            }
            left
        };
        let before = counted(&[("same", 1), ("more", 1), ("fewer", 9), ("gone", 0)]);
        let huge = counted(&[("huge", COUNTED + 1)]);
        let now = counted(&[("same", 1), ("more", 2), ("fewer", 7), ("new", 0)]);
        let warnings = before.differences(&now, "db");
        let lines: Vec<&str> = warnings.iter().map(|it| it.message.as_str()).collect();
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert!(lines[0].starts_with("`fewer` (system `db`) has 2 rows fewer than before"));
        assert!(lines[1].starts_with("`gone` (system `db`) is gone"));
        assert!(lines[2].starts_with("`more` (system `db`) has 1 row more than before"));
        assert!(lines[3].starts_with("`new` (system `db`) is new"));
        assert!(huge.differences(&huge, "db").is_empty());
    }
}
