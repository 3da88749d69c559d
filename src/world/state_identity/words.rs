//! What is said of identities.

use std::collections::BTreeMap;

use super::super::warning::{Warning, WarningCode};
use crate::identity::{LeftOut, TableNumber, Tables};

/// What was found out, as one block to paste.
pub(super) fn calibrated(
    volatile: &BTreeMap<String, Vec<String>>,
    references: &[String],
) -> Option<Warning> {
    let mut message = Vec::new();
    let columns: Vec<String> = (volatile.values().flatten())
        .map(|column| format!("`{column}`"))
        .collect();
    if !columns.is_empty() {
        let columns = columns.join(", ");
        message.push(format!(
            "each time there is another value in {columns}: only whether there is one tells states apart"
        ));
    }
    if !references.is_empty() {
        let references = references.join(", ");
        message.push(format!(
            "these columns follow the keys of tables, and are taken for references: {references}"
        ));
    }
    let blocks = volatile.iter().map(|(system, columns)| {
        let columns: Vec<String> = columns.iter().map(|it| quoted_if_needed(it)).collect();
        format!(
            "under `systems: {system}:` of the spec: `volatile: [{}]`",
            columns.join(", ")
        )
    });
    let blocks: Vec<String> = blocks.collect();
    let warning = Warning::new(WarningCode::Calibrated, message.join("; "));
    let warning = if blocks.is_empty() {
        warning
    } else {
        warning.with_help(format!(
            "so that nothing is searched for any more, {}",
            blocks.join("; ")
        ))
    };
    (!message.is_empty()).then_some(warning)
}

/// A pattern as YAML has it.
fn quoted_if_needed(pattern: &str) -> String {
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '.');
    if pattern.chars().all(is_plain) {
        pattern.to_owned()
    } else {
        format!("{pattern:?}")
    }
}

/// The warning that states are told apart again.
pub(super) fn taken_back(tables_known: &Tables, again: &LeftOut, why: &str) -> Warning {
    let quoted = |names: &[String]| {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        names.join(", ")
    };
    let name = |table: &TableNumber| tables_known.shape(*table).table.name.clone();
    let tables: Vec<String> = again.keys.iter().map(name).collect();
    let columns: Vec<String> = (again.columns.iter())
        .map(|(table, column)| {
            let table = &tables_known.shape(*table).table;
            format!("{}.{}", table.name, table.columns[*column])
        })
        .collect();
    let mut systems: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for table in &again.keys {
        let table = &tables_known.shape(*table).table;
        let names = systems.entry(&table.system).or_default();
        names.push(quoted_if_needed(&table.name));
    }
    let (message, help) = if tables.is_empty() {
        (
            format!(
                "{} decides what the service does, although it looks like a value that is another one each time: {why}; it tells states apart from now on",
                quoted(&columns)
            ),
            format!(
                "leave {} out of `volatile`, or use `identity: exact`",
                quoted(&columns)
            ),
        )
    } else {
        let blocks: Vec<String> = (systems.iter())
            .map(|(system, names)| {
                let names = names.join(", ");
                format!("under `systems: {system}:` of the spec: `keep_ids: [{names}]`")
            })
            .collect();
        (
            format!(
                "rows of {} that are equal but for their ids, or their order, are not the same to the service: {why}; these ids tell states apart from now on",
                quoted(&tables)
            ),
            format!(
                "so that nothing has to be merged first, {}",
                blocks.join("; ")
            ),
        )
    };
    Warning::new(WarningCode::MergeTakenBack, message).with_help(help)
}
