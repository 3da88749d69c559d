//! Which tables belong to virtual tables, and which of those can be journalled.

use std::collections::{BTreeMap, HashSet};

use super::listing::Listed;
use super::sql::module;
use crate::world::config::TableNames;

/// The shadow tables of a database: the ordinary tables in which virtual tables keep their content. Most modules write them
/// through SQL.
///
/// Triggers on the shadow tables of an R-tree are safe. On those of a full-text index they are not: the index writes within a
/// savepoint callback, a statement that fires a trigger opens a savepoint, and the recursion would end the service. Only an
/// R-tree is journalled, because other modules may also write past SQL (`sqlite3_blob_write`).
#[derive(Default)]
pub(super) struct Shadows {
    /// Virtual table of each shadow table.
    pub(super) owners: BTreeMap<String, String>,
    /// Tables that must have no trigger.
    pub(super) untouchable: HashSet<String>,
    /// Virtual tables that cannot be watched: the reason, and the tables that hold their content.
    pub(super) unwatchable: BTreeMap<String, (String, Vec<String>)>,
}

impl Shadows {
    /// The names by which a pattern may match a table: its own name, and the name of the virtual table that it belongs to.
    pub(super) fn names_of(&self, table: &str) -> TableNames {
        let owner = self.owners.get(table).map_or(table, String::as_str);
        [table, owner]
            .into_iter()
            .fold(TableNames::default(), |names, name| {
                names.or(name, format!("main.{name}"))
            })
    }

    /// Finds the shadow tables among these tables.
    pub(super) fn of(listed: &BTreeMap<String, Listed>) -> Self {
        let mut shadows = Self::default();
        for virtual_table in listed.values().filter(|table| table.kind == "virtual") {
            let name = &virtual_table.name;
            let module = module(&virtual_table.sql).unwrap_or_default();
            // Which tables are shadows is known for the modules of this SQLite only; by convention all are named so.
            let own: Vec<String> = listed
                .values()
                .filter(|table| table.kind != "virtual")
                .filter(|table| {
                    table
                        .name
                        .strip_prefix(name.as_str())
                        .is_some_and(|rest| rest.starts_with('_'))
                })
                .filter(|table| table.kind == "shadow" || !is_built_in(&module))
                .map(|table| table.name.clone())
                .collect();
            shadows
                .owners
                .extend(own.iter().map(|table| (table.clone(), name.clone())));
            match module.as_str() {
                // The first four hold nothing of their own.
                "fts5vocab" | "fts4aux" | "fts3tokenize" | "dbstat" | "rtree" | "rtree_i32" => {}
                "fts3" | "fts4" | "fts5" => {
                    shadows.untouchable.extend(own.iter().cloned());
                    let content = format!("{name}_content");
                    // The texts identify a state; the index over them also depends on the order of the writes. Where
                    // the texts are not kept, the index has to do.
                    let sources =
                        if own.contains(&content) && !virtual_table.sql.contains("contentless") {
                            let config = format!("{name}_config");
                            own.into_iter()
                                .filter(|table| *table == content || *table == config)
                                .collect()
                        } else {
                            own
                        };
                    let reason = "it is a full-text index".to_owned();
                    shadows.unwatchable.insert(name.clone(), (reason, sources));
                }
                _ => {
                    shadows.untouchable.extend(own.iter().cloned());
                    let reason = format!("it is a virtual table of the module `{module}`");
                    shadows.unwatchable.insert(name.clone(), (reason, own));
                }
            }
        }
        shadows
    }
}

fn is_built_in(module: &str) -> bool {
    ["fts", "rtree", "dbstat"]
        .iter()
        .any(|built_in| module.starts_with(built_in))
}
