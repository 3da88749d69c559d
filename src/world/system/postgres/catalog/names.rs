//! The names of tables, and which tables the spec names.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_postgres::Error;

use super::super::connections::Connections;
use super::super::sql::quoted;
use super::Column;
use super::listing::Listed;
use crate::model::{Table, TableId, TableKind};
use crate::world::config::{SystemConfig, TableNames};
use crate::world::patterns::TableThere;

/// The names of tables as people write them.
pub(super) struct Names<'a> {
    /// The schema whose tables need no schema before their name.
    pub(super) default_schema: Option<&'a str>,
    /// The system's configuration in the spec; `None`: watch everything.
    pub(super) config: Option<&'a SystemConfig>,
}

impl Names<'_> {
    /// Whether the spec leaves the table alone.
    pub(super) fn is_ignored(&self, table: &Listed) -> bool {
        self.config
            .is_some_and(|config| config.ignores(&self.of(table)))
    }

    /// A name as people write it.
    pub(super) fn shown(&self, schema: &str, name: &str) -> String {
        if self.default_schema == Some(schema) {
            name.to_owned()
        } else {
            format!("{schema}.{name}")
        }
    }

    /// Name of the system in the spec.
    pub(super) fn system(&self) -> Arc<str> {
        self.config.map_or("", |config| config.name.as_str()).into()
    }

    /// The [`Table`] for a table with these columns.
    pub(super) fn describe(
        &self,
        id: TableId,
        table: &Listed,
        shown: String,
        columns: Vec<String>,
    ) -> Table {
        let names = self.of(table);
        Table {
            id,
            system: self.system(),
            name: shown,
            kind: TableKind::Rows,
            observed: self.config.is_none_or(|config| config.observes(&names)),
            ignored_columns: columns
                .iter()
                .map(|column| {
                    self.config
                        .is_some_and(|config| config.ignores_column(&names, column))
                })
                .collect(),
            columns,
        }
    }

    /// The table as patterns may name it.
    pub(super) fn there(
        &self,
        table: &Listed,
        columns: &BTreeMap<u32, Vec<(i16, Column)>>,
    ) -> TableThere {
        let columns = columns.get(&table.oid).into_iter().flatten();
        TableThere {
            names: self.of(table),
            shown: (table.kind == b'r').then(|| self.shown(&table.schema, &table.name)),
            columns: columns.map(|(_, column)| column.name.clone()).collect(),
        }
    }

    /// The table's own name, and that of the partitioned table that it is a part of.
    fn of(&self, table: &Listed) -> TableNames {
        let own = Some((table.schema.clone(), table.name.clone()));
        own.iter()
            .chain(&table.root)
            .fold(TableNames::default(), |names, (schema, name)| {
                names.or(self.shown(schema, name), format!("{schema}.{name}"))
            })
    }
}

/// `"schema"."table"`.
pub(super) fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", quoted(schema), quoted(name))
}

/// The schemas of the role's own `search_path`, then every other one of the application.
pub(super) async fn search_path(connections: &Connections) -> Result<String, Error> {
    let own = connections
        .reader
        .query_one("SELECT current_schemas(false)::text[]", &[])
        .await?;
    let mut path: Vec<String> = own.get(0);
    let others = connections
        .writer
        .query(
            "SELECT nspname::text FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'venomqa') \
             ORDER BY nspname COLLATE \"C\"",
            &[],
        )
        .await?;
    for row in others {
        let name = row.get(0);
        if !path.contains(&name) {
            path.push(name);
        }
    }
    let path: Vec<String> = path.iter().map(|schema| quoted(schema)).collect();
    Ok(path.join(", "))
}
