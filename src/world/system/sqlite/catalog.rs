//! Reads the schema: which tables there are, what identifies their rows, and which indexes a row must be unique in.

use std::collections::HashSet;
use std::sync::Arc;

use rusqlite::Connection;

use super::listing::{Listed, list};
use super::shadows::Shadows;
use super::sql::{index_text, quoted};
use crate::model::{Row, RowKey, Table, TableId, TableKind, row_key};
use crate::world::config::SystemConfig;
use crate::world::patterns::TableThere;

/// The tables of a database, as the journal and the restore see them.
#[derive(Debug)]
pub(super) struct Catalog {
    /// Tables whose rows are journalled and put back, by [`TableId`].
    pub(super) tables: Vec<Watched>,
    /// Numbers that belong to no row.
    pub(super) counters: Counters,
    /// Names of views: what a query reads through them is told apart from that.
    pub(super) views: HashSet<String>,
    /// Tables that no journal can watch, and why. A database that has one is copied as a whole.
    pub(super) unwatchable: Vec<Unwatchable>,
}

/// A table whose rows are journalled and put back.
#[derive(Debug)]
pub(super) struct Watched {
    /// What the rest of the program knows of it. Its columns are those that can be written: generated ones are left
    /// out, they follow from the others.
    pub(super) table: Arc<Table>,
    /// What identifies a row.
    pub(super) key: Key,
    /// Whether `VACUUM` numbers the rows anew by which they are known: nothing else in the table depends on the numbers.
    pub(super) is_renumbered: bool,
    /// Every index in which rows must be unique, beside the key.
    pub(super) uniques: Vec<Unique>,
    /// All columns, generated ones too: what an index expression may name.
    pub(super) all_columns: Vec<String>,
    /// Statements of the loop.
    pub(super) statements: Statements,
}

/// What identifies a row.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// The rowid, under a name that no column shadows.
    Rowid {
        /// `rowid`, `_rowid_`, `oid`, or the column that is an alias for it.
        name: String,
        /// Whether it is one of the columns (`INTEGER PRIMARY KEY`), and so is written with them.
        is_column: bool,
    },
    /// The primary key of a `WITHOUT ROWID` table: positions in the columns.
    Primary(Vec<usize>),
}

/// An index in which rows must be unique.
#[derive(Debug)]
pub(super) struct Unique {
    /// Expression over a row of the table, collation.
    pub(super) terms: Vec<(Term, String)>,
    /// The condition of a partial index.
    pub(super) condition: Option<String>,
}

/// One column or expression of an index.
#[derive(Debug)]
pub(super) enum Term {
    /// A column, by name.
    Column(String),
    /// An expression over unqualified column names.
    Expression(String),
}

/// The statements that read and write single rows.
#[derive(Debug)]
pub(super) struct Statements {
    /// The row with a key.
    pub(super) fetch: String,
    /// Every row, behind its rowid where it has one; at most as many as the parameter says.
    pub(super) scan: String,
    /// Removes the row with a key.
    pub(super) delete: String,
    /// Writes a row; the key first where it is not one of the columns.
    pub(super) insert: String,
}

/// Numbers that belong to no row: the counters behind `AUTOINCREMENT`, and those in the header of the file. They take no
/// trigger.
#[derive(Debug)]
pub(super) struct Counters {
    /// What the rest of the program knows of them: a name and a number each.
    pub(super) table: Arc<Table>,
    /// Whether there is `sqlite_sequence`, because a table has an `AUTOINCREMENT` key.
    pub(super) of_tables: bool,
    /// Tables in `ignore_tables`, whose counters are left alone.
    pub(super) ignored: HashSet<String>,
}

/// A table that no journal can watch.
#[derive(Debug)]
pub(super) struct Unwatchable {
    /// Its name.
    pub(super) name: String,
    /// Why it cannot be watched.
    pub(super) reason: String,
    /// The tables whose rows are its content.
    pub(super) content: Vec<String>,
    /// Whether it takes part in the identity of a state.
    pub(super) observed: bool,
}

struct Column {
    name: String,
    declared_type: String,
    primary: usize,
    generated: bool,
}

impl Catalog {
    /// The watched table with this number.
    pub(super) fn watched(&self, id: TableId) -> Option<&Watched> {
        self.tables.get(id.0 as usize)
    }

    /// Reads the schema of a database. Tables are numbered by name, so the same schema gives the same numbers.
    pub(super) fn read(connection: &Connection, config: &SystemConfig) -> rusqlite::Result<Self> {
        let system: Arc<str> = config.name.as_str().into();
        let listed = list(connection)?;
        let shadows = Shadows::of(&listed);
        let (mut tables, mut unwatchable_tables) = (Vec::new(), Vec::new());
        let mut ignored = HashSet::new();
        for (name, table) in &listed {
            let names = shadows.names_of(name);
            if config.ignores(&names) {
                ignored.insert(name.clone());
                continue;
            }
            let observed = config.observes(&names);
            let unwatchable = |reason: String, content: Vec<String>| Unwatchable {
                name: name.clone(),
                reason,
                content,
                observed,
            };
            if let Some((reason, content)) = shadows.unwatchable.get(name) {
                unwatchable_tables.push(unwatchable(reason.clone(), content.clone()));
            }
            if table.kind == "virtual" || shadows.untouchable.contains(name) {
                continue;
            }
            let id = TableId(tables.len() as u32);
            let describe = |columns: &[String]| {
                Arc::new(Table {
                    id,
                    system: system.clone(),
                    name: name.clone(),
                    columns: columns.to_vec(),
                    kind: TableKind::Rows,
                    observed,
                    ignored_columns: columns
                        .iter()
                        .map(|column| config.ignores_column(&names, column))
                        .collect(),
                })
            };
            match watch(connection, table, describe)? {
                Ok(watched) => tables.push(watched),
                Err(reason) => unwatchable_tables.push(unwatchable(reason, vec![name.clone()])),
            }
        }
        let views = connection
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'view'")?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let of_tables = connection.query_row(
            "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence')",
            [],
            |row| row.get(0),
        )?;
        let counters = Counters {
            table: Arc::new(Table {
                id: TableId(tables.len() as u32),
                system,
                name: "sqlite_sequence".to_owned(),
                columns: vec!["name".to_owned(), "seq".to_owned()],
                kind: TableKind::Sequence,
                observed: false,
                ignored_columns: vec![false, false],
            }),
            of_tables,
            ignored,
        };
        Ok(Self {
            tables,
            counters,
            views,
            unwatchable: unwatchable_tables,
        })
    }
}

/// Every table as patterns may name it, with all columns, generated ones too.
pub(super) fn there(connection: &Connection) -> rusqlite::Result<Vec<TableThere>> {
    let listed = list(connection)?;
    let shadows = Shadows::of(&listed);
    let there = |(name, table): (&String, &Listed)| {
        // The columns of a virtual table are known to its module only, which the application may have alone.
        let columns = match table.kind.as_str() {
            "virtual" => Vec::new(),
            _ => columns(connection, name)?,
        };
        Ok(TableThere {
            names: shadows.names_of(name),
            shown: (table.kind != "shadow").then(|| name.clone()),
            columns: columns.into_iter().map(|column| column.name).collect(),
        })
    };
    listed.iter().map(there).collect()
}

/// A table with all that is needed to watch it, or the reason why that cannot be done.
fn watch(
    connection: &Connection,
    listed: &Listed,
    describe: impl Fn(&[String]) -> Arc<Table>,
) -> rusqlite::Result<Result<Watched, String>> {
    let all = columns(connection, &listed.name)?;
    let written: Vec<&Column> = all.iter().filter(|column| !column.generated).collect();
    let names: Vec<String> = written.iter().map(|column| column.name.clone()).collect();
    let indexes = match unique_indexes(connection, &listed.name)? {
        Ok(indexes) => indexes,
        Err(reason) => return Ok(Err(reason)),
    };
    let key = if listed.without_rowid {
        let mut positions: Vec<usize> = (0..written.len())
            .filter(|position| written[*position].primary > 0)
            .collect();
        positions.sort_by_key(|position| written[*position].primary);
        Key::Primary(positions)
    } else if let Some(name) = rowid_alias(&all, &indexes) {
        Key::Rowid {
            name,
            is_column: true,
        }
    } else if let Some(name) = row_number(&all) {
        Key::Rowid {
            name: name.to_owned(),
            is_column: false,
        }
    } else {
        return Ok(Err(
            "its columns `rowid`, `_rowid_` and `oid` hide every name of the row number".to_owned(),
        ));
    };
    let statements = Statements::new(&listed.name, &key, &names);
    for statement in [&statements.fetch, &statements.delete, &statements.insert] {
        // A function or collation that only the application registers: its rows can be told, but not written, by us.
        if let Err(error) = connection.prepare(statement) {
            return Ok(Err(error.to_string()));
        }
    }
    let has_index: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM pragma_index_list(?1))",
        [&listed.name],
        |row| row.get(0),
    )?;
    Ok(Ok(Watched {
        table: describe(&names),
        is_renumbered: key.is_apart() && !has_index,
        key,
        uniques: indexes.into_iter().map(|(_, unique)| unique).collect(),
        all_columns: all.into_iter().map(|column| column.name).collect(),
        statements,
    }))
}

/// The columns of a table that can be written, the row number among them where it has a name and is not one of the others.
pub(super) fn written_columns(
    connection: &Connection,
    table: &str,
) -> rusqlite::Result<Vec<String>> {
    let all = columns(connection, table)?;
    let without_rowid: bool = connection.query_row(
        "SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ?1",
        [table],
        |row| row.get(0),
    )?;
    let number = row_number(&all).filter(|_| !without_rowid);
    let written = all.iter().filter(|column| !column.generated);
    Ok(number
        .map(str::to_owned)
        .into_iter()
        .chain(written.map(|column| column.name.clone()))
        .collect())
}

/// A name of the row number that no column hides.
fn row_number(columns: &[Column]) -> Option<&'static str> {
    ["rowid", "_rowid_", "oid"].into_iter().find(|name| {
        !columns
            .iter()
            .any(|column| column.name.eq_ignore_ascii_case(name))
    })
}

fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Column>> {
    connection
        .prepare("SELECT name, type, pk, hidden FROM pragma_table_xinfo(?1) WHERE hidden <> 1")?
        .query_map([table], |row| {
            Ok(Column {
                name: row.get(0)?,
                declared_type: row.get(1)?,
                primary: row.get::<_, u32>(2)? as usize,
                generated: row.get::<_, i64>(3)? != 0,
            })
        })?
        .collect()
}

/// The column that is another name for the rowid: a single `INTEGER PRIMARY KEY` that needs no index of its own (as
/// `INTEGER PRIMARY KEY DESC` does, for historical reasons).
fn rowid_alias(columns: &[Column], indexes: &[(bool, Unique)]) -> Option<String> {
    let mut primary = columns.iter().filter(|column| column.primary > 0);
    let only = primary.next()?;
    let is_alias = primary.next().is_none()
        && only.declared_type.eq_ignore_ascii_case("integer")
        && !indexes.iter().any(|(is_primary, _)| *is_primary);
    is_alias.then(|| only.name.clone())
}

/// Every unique index, with whether it is that of the primary key; or why one of them is not understood.
fn unique_indexes(
    connection: &Connection,
    table: &str,
) -> rusqlite::Result<Result<Vec<(bool, Unique)>, String>> {
    let listed: Vec<(String, bool, Option<String>)> = connection
        .prepare(
            "SELECT list.name, list.origin = 'pk', schema.sql FROM pragma_index_list(?1) AS list \
             LEFT JOIN sqlite_schema AS schema ON schema.type = 'index' AND schema.name = list.name \
             WHERE list.\"unique\" ORDER BY list.name",
        )?
        .query_map([table], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut uniques = Vec::new();
    for (index, is_primary, sql) in listed {
        let columns: Vec<(Option<String>, String)> = connection
            .prepare("SELECT name, coll FROM pragma_index_xinfo(?1) WHERE key ORDER BY seqno")?
            .query_map([&index], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let text = match sql.as_deref().map(index_text) {
            // Made by a constraint: columns only, no condition.
            None => None,
            Some(Some(text)) if text.terms.len() == columns.len() => Some(text),
            Some(_) => return Ok(Err(format!("its index `{index}` is not understood"))),
        };
        let (expressions, condition) =
            text.map_or((Vec::new(), None), |text| (text.terms, text.condition));
        let terms = columns
            .into_iter()
            .enumerate()
            .map(|(position, (name, collation))| {
                let term = match name {
                    Some(name) => Term::Column(name),
                    None => Term::Expression(expressions[position].clone()),
                };
                (term, collation)
            })
            .collect();
        uniques.push((is_primary, Unique { terms, condition }));
    }
    Ok(Ok(uniques))
}

impl Statements {
    fn new(name: &str, key: &Key, columns: &[String]) -> Self {
        let table = quoted(name);
        let keys = key.names(columns);
        let list = comma(columns.iter().map(|column| quoted(column)));
        let is_key = keys
            .iter()
            .enumerate()
            .map(|(position, key)| format!("{} = ?{}", quoted(key), position + 1))
            .collect::<Vec<_>>()
            .join(" AND ");
        let written = key.written(columns);
        let parameters = comma((1..=written.len()).map(|position| format!("?{position}")));
        Self {
            fetch: format!("SELECT {list} FROM {table} WHERE {is_key}"),
            scan: format!(
                "SELECT {}, {list} FROM {table} LIMIT ?1",
                match key {
                    Key::Rowid { name, .. } => quoted(name),
                    Key::Primary(_) => "NULL".to_owned(),
                }
            ),
            delete: format!("DELETE FROM {table} WHERE {is_key}"),
            // The words say that no conflict clause of the schema may make room by deleting other rows.
            insert: format!(
                "INSERT OR ABORT INTO {table} ({}) VALUES ({parameters})",
                comma(written.iter().map(|column| quoted(column)))
            ),
        }
    }
}

impl Key {
    /// Names of the columns of the key.
    pub(super) fn names(&self, columns: &[String]) -> Vec<String> {
        match self {
            Self::Rowid { name, .. } => vec![name.clone()],
            Self::Primary(positions) => positions
                .iter()
                .map(|position| columns[*position].clone())
                .collect(),
        }
    }

    /// Names of the columns that are written: the key first where it is not one of them.
    pub(super) fn written(&self, columns: &[String]) -> Vec<String> {
        match self {
            Self::Rowid {
                name,
                is_column: false,
            } => std::iter::once(name).chain(columns).cloned().collect(),
            _ => columns.to_vec(),
        }
    }

    /// The key of a row that was found under an equal one.
    pub(super) fn of(&self, found_under: &RowKey, row: &Row) -> RowKey {
        match self {
            Self::Rowid { .. } => found_under.clone(),
            Self::Primary(positions) => {
                row_key(positions.iter().map(|position| row[*position].clone()))
            }
        }
    }

    /// Whether the key is written apart from the columns.
    pub(super) fn is_apart(&self) -> bool {
        matches!(
            self,
            Self::Rowid {
                is_column: false,
                ..
            }
        )
    }
}

/// Joined by commas.
pub(super) fn comma(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}
