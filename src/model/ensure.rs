//! `ensure:` what an accepted call must have done to the database.

use std::ops::RangeInclusive;

use regex::Regex;

use super::{Expectation, RowChange, RowDelta, SqlQuery};

/// A post-condition of an accepted call.
#[derive(Clone, Debug)]
pub struct Ensure {
    /// What it means when it does not hold, in the user's words.
    pub message: Option<String>,
    /// What is looked at.
    pub subject: Ensured,
}

/// What a post-condition looks at.
#[derive(Clone, Debug)]
pub enum Ensured {
    /// The rows of a query, and what they must be.
    Rows(SqlQuery, Expectation),
    /// The rows that the call changed.
    Changes(Vec<AllowedChanges>),
}

/// Which rows of some tables a call may change.
#[derive(Clone, Debug)]
pub struct AllowedChanges {
    /// The name of a table, or a pattern, as the spec has it.
    pub written: String,
    /// For a pattern, the names that it stands for.
    pub pattern: Option<Regex>,
    /// How many rows may come, change and go; `None` where any may.
    pub counts: Option<Counts>,
}

/// How many rows may come, change and go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Rows that come.
    pub insert: RangeInclusive<u64>,
    /// Rows that change.
    pub update: RangeInclusive<u64>,
    /// Rows that go.
    pub delete: RangeInclusive<u64>,
}

/// Changes of one table that are not allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongChanges {
    /// The table.
    pub table: String,
    /// What is allowed, in words.
    pub allowed: String,
    /// What happened, in words.
    pub happened: String,
    /// The rows, by their keys.
    pub rows: Vec<String>,
}

impl AllowedChanges {
    /// The first table of which other rows were changed than these entries allow. Where several entries stand for a table, its
    /// name comes before patterns, and these count in their order. A pattern stands for tables that are observed; a table for
    /// which nothing stands may change.
    pub fn first_wrong(entries: &[Self], rows: &RowDelta) -> Option<WrongChanges> {
        let mut tables: Vec<&str> = (entries.iter())
            .filter(|entry| entry.pattern.is_none())
            .map(|entry| entry.written.as_str())
            .collect();
        for change in rows.rows() {
            if !tables.contains(&change.table.name.as_str()) {
                tables.push(&change.table.name);
            }
        }
        tables.into_iter().find_map(|table| {
            let changes: Vec<&RowChange> = rows
                .rows()
                .filter(|change| change.table.name == table)
                .collect();
            let is_observed = changes.iter().any(|change| change.table.observed);
            let mut named = entries.iter();
            let named = named.find(|entry| entry.pattern.is_none() && entry.written == table);
            let entry = named.or_else(|| {
                let mut patterns = entries.iter().filter(|_| is_observed);
                patterns.find(|entry| entry.pattern.as_ref().is_some_and(|it| it.is_match(table)))
            })?;
            entry.wrong(table, &changes)
        })
    }

    fn wrong(&self, table: &str, changes: &[&RowChange]) -> Option<WrongChanges> {
        let allowed = self.counts.as_ref()?;
        let count = |wanted: (bool, bool)| {
            let kind = |change: &RowChange| (change.before.is_some(), change.after.is_some());
            changes
                .iter()
                .filter(|change| kind(change) == wanted)
                .count() as u64
        };
        let happened = [(false, true), (true, true), (true, false)].map(count);
        let ranges = [&allowed.insert, &allowed.update, &allowed.delete];
        if ranges
            .iter()
            .zip(happened)
            .all(|(range, count)| range.contains(&count))
        {
            return None;
        }
        let exact = |count: &u64| (*count > 0).then(|| count.to_string());
        Some(WrongChanges {
            table: table.to_owned(),
            allowed: in_words(ranges.map(range_in_words)),
            happened: in_words([0, 1, 2].map(|kind| exact(&happened[kind]))),
            rows: changes
                .iter()
                .map(|change| {
                    let key: Vec<String> = change.key.iter().map(ToString::to_string).collect();
                    format!("{table}[{}]", key.join(", "))
                })
                .collect(),
        })
    }
}

/// `1 updated, 2 inserted`
fn in_words(counts: [Option<String>; 3]) -> String {
    let verbs = ["inserted", "updated", "deleted"];
    let told = counts.into_iter().zip(verbs);
    let told: Vec<String> = told
        .filter_map(|(count, verb)| count.map(|count| format!("{count} {verb}")))
        .collect();
    if told.is_empty() {
        "no row changed".to_owned()
    } else {
        told.join(", ")
    }
}

/// How many; `None` where none is allowed.
fn range_in_words(range: &RangeInclusive<u64>) -> Option<String> {
    match (*range.start(), *range.end()) {
        (_, 0) => None,
        (0, u64::MAX) => Some("any number".to_owned()),
        (least, u64::MAX) => Some(format!("at least {least}")),
        (0, most) => Some(format!("at most {most}")),
        (least, most) if least == most => Some(least.to_string()),
        (least, most) => Some(format!("{least} to {most}")),
    }
}
