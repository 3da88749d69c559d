//! Splits many rows into batches, each for one statement.

use std::ops::Range;

use tokio_postgres::{Client, Error, Statement};

/// Rows in one statement, and bytes of their texts. The server accepts no message of a gigabyte.
const AT_ONCE: usize = 5_000;
const BYTES_AT_ONCE: usize = 16 * 1024 * 1024;

/// The rows of each batch. A row that is larger than a batch may be has one of its own.
pub(super) fn batches(rows: &[impl AsRef<str>]) -> Vec<Range<usize>> {
    let mut batches = Vec::new();
    let (mut from, mut bytes) = (0, 0);
    for (number, row) in rows.iter().enumerate() {
        let length = row.as_ref().len();
        if number > from && (number - from == AT_ONCE || bytes + length > BYTES_AT_ONCE) {
            batches.push(from..number);
            (from, bytes) = (number, 0);
        }
        bytes += length;
    }
    if from < rows.len() {
        batches.push(from..rows.len());
    }
    batches
}

/// Entries for the past of the journal: the tables, whether a row was removed or added, and the rows as texts.
pub(super) struct Noted<'a> {
    tables: Vec<u32>,
    went: Vec<bool>,
    rows: Vec<&'a str>,
}

impl<'a> Noted<'a> {
    /// These rows, in batches.
    pub(super) fn of(rows: &[(u32, bool, &'a str)]) -> Vec<Self> {
        let texts: Vec<&str> = rows.iter().map(|(_, _, row)| *row).collect();
        batches(&texts)
            .into_iter()
            .map(|part| {
                let rows = &rows[part.clone()];
                Self {
                    tables: rows.iter().map(|(table, _, _)| *table).collect(),
                    went: rows.iter().map(|(_, went, _)| *went).collect(),
                    rows: texts[part].to_vec(),
                }
            })
            .collect()
    }

    /// Writes the entries. `note` is [`super::journal::NOTE`], prepared.
    pub(super) async fn write(&self, client: &Client, note: &Statement) -> Result<(), Error> {
        client
            .execute(note, &[&self.tables, &self.went, &self.rows])
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_parted_by_number_and_by_size() {
        let none: [&str; 0] = [];
        assert!(batches(&none).is_empty());
        let small = vec!["x"; 2 * AT_ONCE + 1];
        let middle = AT_ONCE..2 * AT_ONCE;
        assert_eq!(
            batches(&small),
            [0..AT_ONCE, middle, 2 * AT_ONCE..2 * AT_ONCE + 1]
        );
        let large = "y".repeat(BYTES_AT_ONCE / 2);
        let huge = "z".repeat(BYTES_AT_ONCE + 1);
        let rows = [&*large, &large, "x", &huge, "x"];
        assert_eq!(batches(&rows), [0..2, 2..3, 3..4, 4..5]);
    }
}
