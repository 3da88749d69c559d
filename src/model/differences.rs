//! In what two runs of one action differ.

use std::collections::{BTreeMap, BTreeSet};

use super::{RowChange, StepRecord};

/// In what runs of actions differ that should be alike. Columns that the identity of states leaves out do not count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Two statuses, in words: `200 and 409`.
    pub statuses: BTreeSet<String>,
    /// Names of extracted values.
    pub values: BTreeSet<String>,
    /// `table.column`, by system.
    pub columns: BTreeMap<String, BTreeSet<String>>,
    /// Tables of which one run changed other rows than the other, by system.
    pub tables: BTreeMap<String, BTreeSet<String>>,
}

impl Differences {
    /// In what two steps of one action differ.
    pub fn between(before: &StepRecord, now: &StepRecord) -> Self {
        let mut differences = Self::default();
        let (was, is) = (before.response.status, now.response.status);
        if was != is {
            differences.statuses.insert(format!("{was} and {is}"));
        }
        for (name, value) in &before.extracted {
            let mut again = now.extracted.iter();
            if again.any(|(other, again)| other == name && again != value) {
                differences.values.insert(name.clone());
            }
        }
        let first: Vec<_> = before.rows.rows().collect();
        let second: Vec<_> = now.rows.rows().collect();
        let touched =
            |rows: &[&RowChange]| -> Vec<u32> { rows.iter().map(|row| row.table.id.0).collect() };
        if touched(&first) == touched(&second) {
            // The same rows in the same order, as far as tables go: name the columns.
            for (before, now) in first.iter().zip(&second) {
                differences.add_columns(before, now);
            }
        } else {
            for change in first.iter().chain(&second) {
                let tables = (differences.tables).entry(change.table.system.to_string());
                tables.or_default().insert(change.table.name.clone());
            }
        }
        differences
    }

    fn add_columns(&mut self, before: &RowChange, now: &RowChange) {
        let table = &before.table;
        let (Some(was), Some(is)) = (&before.after, &now.after) else {
            return;
        };
        let cells = was.iter().zip(is.iter());
        for (index, (column, (was, is))) in table.columns.iter().zip(cells).enumerate() {
            let ignored = table.ignored_columns.get(index).copied();
            if was != is && ignored != Some(true) && table.observed {
                let columns = self.columns.entry(table.system.to_string()).or_default();
                columns.insert(format!("{}.{column}", table.name));
            }
        }
    }

    /// Adds those of other runs.
    pub fn unite(&mut self, other: &Self) {
        self.statuses.extend(other.statuses.iter().cloned());
        self.values.extend(other.values.iter().cloned());
        for (all, more) in [
            (&mut self.columns, &other.columns),
            (&mut self.tables, &other.tables),
        ] {
            for (system, names) in more {
                let known = all.entry(system.clone()).or_default();
                known.extend(names.iter().cloned());
            }
        }
    }

    /// Each difference in words, sorted; none where there is none.
    pub fn in_words(&self) -> Vec<String> {
        let columns = self.columns.values().flatten().cloned();
        let values = self.values.iter().map(|name| format!("extracted `{name}`"));
        let tables = self.tables.values().flatten();
        let statuses = self.statuses.iter().map(|both| format!("status ({both})"));
        let mut words: Vec<String> = columns
            .chain(values)
            .chain(tables.map(|name| format!("rows of {name}")))
            .chain(statuses)
            .collect();
        words.sort();
        words
    }
}
