//! The records of the steps of a walk, kept out of memory: a long walk takes hundreds of thousands of steps, and hardly any
//! of their records is read again but those on the paths of violations.

use std::fmt::Display;
use std::io;
use std::sync::Arc;

use crate::model::{Request, Response, Row, RowChange, RowDelta, RowKey, StepRecord, Table, json};
use crate::world::{Warning, WarningCode};

use super::spool::{Place, Spool};

/// The records of many steps.
#[derive(Debug, Default)]
pub(super) struct StepRecords {
    spool: Spool,
    /// The tables whose rows the records hold; a row refers to its table by the position here.
    tables: Vec<Arc<Table>>,
    warnings: Vec<Warning>,
}

/// Where a record is kept.
pub(super) type RecordId = Place;

/// A row that changed: its table, its key, what it was and is.
type Change<K, R> = (u32, K, R, R);

impl StepRecords {
    /// Keeps a record; `None`, with a warning, where that cannot be done.
    pub(super) fn keep(&mut self, record: &StepRecord) -> Option<RecordId> {
        let bytes = self
            .encode(record)
            .map_err(|error| self.lost(&error))
            .ok()?;
        let (id, written) = self.spool.add(&bytes);
        if let Err(error) = written {
            self.warn(format!(
                "the records of steps cannot be written to a temporary file in `{}`: {error}; they stay in memory, which grows with every step",
                std::env::temp_dir().display()
            ));
        }
        Some(id)
    }

    /// A record that was kept; `None`, with a warning, where it cannot be read.
    pub(super) fn get(&mut self, id: RecordId) -> Option<StepRecord> {
        let bytes = self.spool.read(id);
        let record = bytes.and_then(|bytes| self.decode(&bytes));
        record.map_err(|error| self.lost(&error)).ok()
    }

    /// The warnings since the last call.
    pub(super) fn take_warnings(&mut self) -> Vec<Warning> {
        std::mem::take(&mut self.warnings)
    }

    fn lost(&mut self, error: &dyn Display) {
        self.warn(format!(
            "the record of a step is lost: {error}; a path may lack what was sent and answered in it"
        ));
    }

    fn warn(&mut self, message: String) {
        let warning = Warning::new(WarningCode::StepRecords, message);
        let warning = warning.with_help(
            "let `TMPDIR` name a folder on a disk with room, for example `TMPDIR=/var/tmp`",
        );
        self.warnings.push(warning);
    }

    fn encode(&mut self, record: &StepRecord) -> io::Result<Vec<u8>> {
        let StepRecord {
            request,
            response,
            extracted,
            extract_failures,
            rows,
        } = record;
        let rows: Vec<Change<&RowKey, &Option<Row>>> = rows
            .changes()
            .iter()
            .map(|change| {
                let table = self.number(&change.table);
                (table, &change.key, &change.before, &change.after)
            })
            .collect();
        // The format does not say what type a value is of, as JSON does.
        let extracted = serde_json::to_string(extracted)?;
        let whole = (request, response, extracted, extract_failures, rows);
        postcard::to_allocvec(&whole).map_err(io::Error::other)
    }

    fn number(&mut self, table: &Arc<Table>) -> u32 {
        let known = self
            .tables
            .iter()
            .position(|known| Arc::ptr_eq(known, table));
        let position = known.unwrap_or_else(|| {
            self.tables.push(table.clone());
            self.tables.len() - 1
        });
        position as u32
    }

    fn decode(&self, bytes: &[u8]) -> io::Result<StepRecord> {
        type Whole = (
            Request,
            Response,
            String,
            Vec<String>,
            Vec<Change<RowKey, Option<Row>>>,
        );
        let (request, response, extracted, extract_failures, rows): Whole =
            postcard::from_bytes(bytes).map_err(io::Error::other)?;
        let rows = rows
            .into_iter()
            .map(|(table, key, before, after)| RowChange {
                table: self.tables[table as usize].clone(),
                key,
                before,
                after,
            });
        Ok(StepRecord {
            request,
            response,
            extracted: json::read_own(extracted.as_bytes())?,
            extract_failures,
            rows: RowDelta::new(rows.collect()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::model::{Body, Cell, TableId, TableKind, row_key};

    fn table(id: u32) -> Arc<Table> {
        Arc::new(Table {
            id: TableId(id),
            system: "db".into(),
            name: format!("t{id}"),
            columns: vec!["id".to_owned()],
            kind: TableKind::Rows,
            observed: true,
            ignored_columns: vec![false],
        })
    }

    #[test]
    fn a_record_is_read_as_it_was_kept() {
        let tables = [table(1), table(2)];
        let cells: Row = [
            Cell::Null,
            Cell::Integer(-1),
            Cell::real(f64::NAN),
            Cell::text("\u{0}é"),
            Cell::Text([0xff].into()),
            Cell::Blob([0, 255].into()),
        ]
        .into();
        let change = |table: &Arc<Table>, before, after| RowChange {
            table: table.clone(),
            key: row_key([Cell::Integer(1)]),
            before,
            after,
        };
        let whole = StepRecord {
            request: Request {
                method: "POST".to_owned(),
                target: "/a?b".to_owned(),
                headers: vec![("x".to_owned(), String::new())],
                body: Some([0xff, 0].into()),
            },
            response: Response {
                status: 201,
                headers: vec![("a".to_owned(), "b".to_owned()); 2],
                body: Body::cut_at(*b"{\"a\": 1", 90),
                duration: Duration::from_nanos(1_234_567),
                no_answer: None,
                is_rate_limit: false,
                has_errors: false,
                is_unready: false,
                retries: 0,
                target: String::new(),
            },
            extracted: vec![("id".to_owned(), json!({ "n": [1, 0.1, -3, null, "x"] }))],
            extract_failures: vec!["nothing at `$.b`".to_owned()],
            rows: RowDelta::new(vec![
                change(&tables[1], None, Some(cells.clone())),
                change(&tables[0], Some(cells), None),
            ]),
        };
        let empty = StepRecord {
            request: Request {
                method: "GET".to_owned(),
                target: "/".to_owned(),
                headers: Vec::new(),
                body: None,
            },
            response: Response {
                status: 200,
                headers: Vec::new(),
                body: Body::default(),
                duration: Duration::ZERO,
                no_answer: None,
                is_rate_limit: false,
                has_errors: false,
                is_unready: false,
                retries: 0,
                target: String::new(),
            },
            extracted: Vec::new(),
            extract_failures: Vec::new(),
            rows: RowDelta::default(),
        };
        let mut records = StepRecords::default();
        let ids = [&whole, &empty].map(|record| records.keep(record).unwrap());
        for (id, record) in ids.into_iter().zip([&whole, &empty]) {
            let read = records.get(id).unwrap();
            assert_eq!(format!("{read:?}"), format!("{record:?}"));
        }
        let read = records.get(ids[0]).unwrap();
        assert!(Arc::ptr_eq(&read.rows.changes()[1].table, &tables[1]));
        assert!(records.take_warnings().is_empty());
    }
}
