//! The triggers of a table: they tell the journal which rows a statement touches.
//!
//! What the triggers rely on: those created last fire first, so that an application's own trigger which changes the new
//! row finds it journalled already; and a conflict clause of the application's statement (`INSERT OR REPLACE`) also holds
//! for the statements inside the triggers, so that those must never conflict: they only append.
//!
//! What they must not be in the way of: `ALTER TABLE ... DROP COLUMN`, which SQLite refuses where a trigger names the column. So a
//! column that could be dropped is read from the table by its bare name, within a query that knows another column of that name,
//! of no value: there the name leads once the column is gone. Columns of keys and unique indexes are named; a key cannot be
//! dropped.
//!
//! What they cost is paid within the service's own requests. Appending to one table dirties one page more in each
//! transaction, however many rows and tables it writes. Looking up in the triggers whether a key is known already would
//! save the repeated rows, and cost a second page and a transient table for each statement: twice the time of a small
//! transaction instead of a third more.

use super::catalog::{Key, Term, Unique, Watched, comma};
use super::journal::{key_columns, row_columns};
use super::listing::PREFIX;
use super::sql::{mentions, quoted};

/// The statements that make the triggers of a table.
pub(super) fn of(watched: &Watched) -> String {
    let id = watched.table.id.0;
    let table = quoted(&watched.table.name);
    let keys = watched.key.names(&watched.table.columns);
    let new_key = conflict_on_key(&keys, &[]);
    let before_insert = [new_key]
        .into_iter()
        .chain(
            watched
                .uniques
                .iter()
                .map(|unique| conflict_on(unique, watched)),
        )
        .map(|conflict| touch_rows(watched, &keys, &conflict))
        .collect::<String>();
    let before_update = [conflict_on_key(&keys, &keys)]
        .into_iter()
        .chain(
            watched
                .uniques
                .iter()
                .map(|unique| format!("{} AND {}", conflict_on(unique, watched), not_old(&keys))),
        )
        .map(|conflict| touch_rows(watched, &keys, &conflict))
        .collect::<String>();
    let old = touch_old(watched, &keys);
    let born = touch_absent(watched, &keys);
    // What SQLite calls equal is not always the same: a primary key may change from `a` to `A`, from 1 to 1.0.
    let moved = match &watched.key {
        Key::Rowid { name, .. } => format!("WHEN NEW.{0} <> OLD.{0}", quoted(name)),
        Key::Primary(_) => String::new(),
    };
    format!(
        "CREATE TRIGGER {PREFIX}{id}_insert BEFORE INSERT ON {table} BEGIN\n{before_insert}END;
         CREATE TRIGGER {PREFIX}{id}_inserted AFTER INSERT ON {table} BEGIN\n{born}END;
         CREATE TRIGGER {PREFIX}{id}_update BEFORE UPDATE ON {table} BEGIN\n{old}{before_update}END;
         CREATE TRIGGER {PREFIX}{id}_moved AFTER UPDATE ON {table} {moved} BEGIN\n{born}END;
         CREATE TRIGGER {PREFIX}{id}_delete BEFORE DELETE ON {table} BEGIN\n{old}END;"
    )
}

/// The name under which the triggers see the rows of the table.
const ROW: &str = "venomqa_row";

/// Rows that have the new row's key. In a `BEFORE INSERT` trigger a rowid yet to be chosen is -1.
fn conflict_on_key(keys: &[String], other_than: &[String]) -> String {
    let same = all(keys
        .iter()
        .map(|key| format!("{ROW}.{0} = NEW.{0}", quoted(key))));
    if other_than.is_empty() {
        same
    } else {
        format!("{same} AND {}", not_old(other_than))
    }
}

fn not_old(keys: &[String]) -> String {
    let same = all(keys
        .iter()
        .map(|key| format!("{ROW}.{0} IS OLD.{0}", quoted(key))));
    format!("NOT ({same})")
}

/// Rows that stand in the way of the new row in a unique index. Written so that SQLite finds them through that index:
/// with its collations, its expressions, and its condition where it is partial.
fn conflict_on(unique: &Unique, watched: &Watched) -> String {
    let terms = unique.terms.iter().map(|(term, collation)| {
        let collation = quoted(collation);
        match term {
            Term::Column(name) => {
                format!("{ROW}.{0} COLLATE {collation} = NEW.{0}", quoted(name))
            }
            // The expression over the new row: its columns are given to it under their own names.
            Term::Expression(expression) => {
                let columns = comma(
                    watched
                        .all_columns
                        .iter()
                        .filter(|column| mentions(expression, column))
                        .map(|column| format!("NEW.{0} AS {0}", quoted(column))),
                );
                format!(
                    "({expression}\n) COLLATE {collation} = (SELECT {expression}\n FROM (SELECT {columns}))"
                )
            }
        }
    });
    let conditions = unique.condition.iter();
    all(terms.chain(conditions.map(|condition| format!("({condition}\n)"))))
}

/// Journals the rows of the table that meet a condition.
fn touch_rows(watched: &Watched, keys: &[String], condition: &str) -> String {
    let found = comma(
        keys.iter()
            .enumerate()
            .map(|(position, key)| format!("{ROW}.{} AS {PREFIX}key{position}", quoted(key))),
    );
    let key_of_hit = |position: usize| format!("{PREFIX}hit.{PREFIX}key{position}");
    let hits = format!(
        "(SELECT {found} FROM {} AS {ROW} WHERE {condition}) AS {PREFIX}hit",
        quoted(&watched.table.name)
    );
    let row = Row {
        watched,
        keys,
        key: comma((0..keys.len()).map(key_of_hit)),
        is_it: all((0..keys.len()).map(|position| is_same(&keys[position], &key_of_hit(position)))),
        named: None,
    };
    row.journalled(Some(&hits))
}

/// Journals the old row.
fn touch_old(watched: &Watched, keys: &[String]) -> String {
    let old = |key: &String| format!("OLD.{}", quoted(key));
    let row = Row {
        watched,
        keys,
        key: comma(keys.iter().map(old)),
        is_it: all(keys.iter().map(|key| is_same(key, &old(key)))),
        named: Some("OLD"),
    };
    row.journalled(None)
}

/// The condition that a column of a key is this one. The collation of a column may call others equal that the key tells apart.
fn is_same(key: &str, value: &str) -> String {
    format!(
        "{ROW}.{0} = {value} AND {ROW}.{0} = {value} COLLATE BINARY",
        quoted(key)
    )
}

/// A row that is in the table while a trigger runs.
struct Row<'w> {
    watched: &'w Watched,
    keys: &'w [String],
    /// Its key.
    key: String,
    /// The condition that finds it under [`ROW`].
    is_it: String,
    /// What its columns may be named by where they cannot be dropped.
    named: Option<&'w str>,
}

impl Row<'_> {
    /// The statement that journals it, and as often as `from` has rows.
    fn journalled(&self, from: Option<&str>) -> String {
        let columns = &self.watched.table.columns;
        let table = quoted(&self.watched.table.name);
        let mut absent = Vec::new();
        let cells = columns.iter().map(|column| {
            let name = quoted(column);
            match self.named {
                Some(row) if self.stays(column) => format!("{row}.{name}"),
                _ => {
                    absent.push(format!("NULL AS {name}"));
                    format!("(SELECT {name} FROM {table} AS {ROW} WHERE {})", self.is_it)
                }
            }
        });
        let cells = comma(cells);
        let absent =
            (!absent.is_empty()).then(|| format!("(SELECT {}) AS {PREFIX}none", absent.join(", ")));
        let sources: Vec<&str> = from.into_iter().chain(absent.as_deref()).collect();
        let from = if sources.is_empty() {
            String::new()
        } else {
            format!(" FROM {}", sources.join(", "))
        };
        format!(
            "INSERT INTO {PREFIX}journal (tbl, {names}, existed, {row}) SELECT {id}, {key}, 1, {cells}{from};\n",
            names = key_columns(self.keys.len()),
            row = row_columns(columns.len()),
            id = self.watched.table.id.0,
            key = self.key,
        )
    }

    /// Whether a column is one of a key or a unique index.
    fn stays(&self, column: &String) -> bool {
        let is_it =
            |(term, _): &(Term, String)| matches!(term, Term::Column(name) if name == column);
        let mut uniques = self.watched.uniques.iter();
        self.keys.contains(column) || uniques.any(|unique| unique.terms.iter().any(is_it))
    }
}

fn all(conditions: impl Iterator<Item = String>) -> String {
    conditions.collect::<Vec<_>>().join(" AND ")
}

/// Journals a row under a key that had none.
fn touch_absent(watched: &Watched, keys: &[String]) -> String {
    let key = comma(keys.iter().map(|key| format!("NEW.{}", quoted(key))));
    let names = key_columns(keys.len());
    format!(
        "INSERT INTO {PREFIX}journal (tbl, {names}, existed) VALUES ({id}, {key}, 0);\n",
        id = watched.table.id.0,
    )
}
