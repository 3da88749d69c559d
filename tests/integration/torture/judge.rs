//! Whether a database is what it was, and if not, whether somebody was told.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::subject::Contents;

/// Lines that only one of the two has, without the rows of tables that are ignored.
pub(super) fn differences<'c>(
    before: &'c Contents,
    after: &'c Contents,
    ignored: &[&str],
) -> Vec<(char, &'c (String, String))> {
    let only = |sign, mine: &'c Contents, other: &Contents| {
        let mut other: Vec<&(String, String)> = other.iter().collect();
        mine.iter()
            .filter(|line| !ignored.contains(&bare(&line.0).as_str()))
            // Equal rows count.
            .filter(|line| match other.iter().position(|one| one == line) {
                Some(at) => {
                    other.swap_remove(at);
                    false
                }
                None => true,
            })
            .map(|line| (sign, line))
            .collect::<Vec<_>>()
    };
    let mut all = only('-', before, after);
    all.extend(only('+', after, before));
    all
}

/// The things that differ and that no output names. What goes with a table (its key's index, its sequences) needs no name of its
/// own where the table is named.
pub(super) fn untold(differences: &[(char, &(String, String))], output: &str) -> Vec<String> {
    let output = output.split_whitespace().collect::<Vec<_>>().join(" ");
    let is_named =
        |name: &str| output.contains(name) || output.contains(&name.replace('"', "\"\""));
    // An index may be named by its table.
    let is_index_of_named = |line: &str| {
        line.strip_prefix("index of ")
            .and_then(|rest| rest.split_once(": "))
            .is_some_and(|(table, _)| is_named(&bare(table)))
    };
    let names: BTreeSet<String> = differences
        .iter()
        .filter(|(_, (_, line))| !is_index_of_named(line))
        .map(|(_, (object, _))| bare(object))
        .collect();
    // Rows that wait there are told of with the schema.
    let keeps_journal =
        is_named("DROP SCHEMA venomqa CASCADE") || is_named("begin with `venomqa_`");
    names
        .iter()
        .filter(|name| !is_named(name))
        .filter(|name| !(keeps_journal && name.starts_with("venomqa")))
        .filter(|name| {
            let of_a_table = name.trim_start_matches("sqlite_autoindex_");
            !names
                .iter()
                .any(|other| of_a_table.starts_with(&format!("{other}_")) && is_named(other))
        })
        .cloned()
        .collect()
}

/// A name without its schema, its quotes, and what makes it the name of a list.
fn bare(object: &str) -> String {
    let object = object.trim_end_matches("[]");
    match object
        .strip_suffix('"')
        .and_then(|object| object.split_once('"'))
    {
        Some((_, name)) => name.replace("\"\"", "\""),
        None => object.to_owned(),
    }
}

/// The first of these lines, for people.
pub(super) fn shown(differences: &[(char, &(String, String))]) -> String {
    differences
        .iter()
        .take(12)
        .fold(String::new(), |mut text, (sign, (object, line))| {
            let line: String = line.chars().take(600).collect();
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{sign} {object}: {line}");
            text
        })
}
