//! Patterns of a spec for names of tables and columns, and which of them match nothing.

use super::config::SystemConfig;
use super::{Warning, WarningCode};
use crate::diagnostic::did_you_mean;
use crate::secret::Secrets;

/// How many names a warning lists.
const LISTED: usize = 20;

/// A pattern as the spec has it; `*` stands for any run of characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// As it is written.
    pub text: String,
    /// `file:line:column`, where it comes from a spec.
    pub place: Option<String>,
}

impl Pattern {
    /// Whether what it matches is left out: it begins with `!`.
    pub fn leaves_out(&self) -> bool {
        self.text.starts_with('!')
    }

    /// The pattern of names.
    fn names(&self) -> &str {
        self.text.strip_prefix('!').unwrap_or(&self.text)
    }
}

impl<T: Into<String>> From<T> for Pattern {
    fn from(text: T) -> Self {
        Self {
            text: text.into(),
            place: None,
        }
    }
}

/// The names under which patterns match a table: each as people write it (`orders`), and with its schema
/// (`public.orders`). A part of something larger (a partition, a shadow of a virtual table) also goes by the name of that.
#[derive(Clone, Debug, Default)]
pub struct TableNames(Vec<(String, String)>);

impl TableNames {
    /// Adds a name, as it is written and with its schema.
    #[must_use]
    pub fn or(mut self, short: impl Into<String>, long: impl Into<String>) -> Self {
        self.0.push((short.into(), long.into()));
        self
    }

    /// Whether a pattern matches one of the names; with a column, `name.column`.
    pub(super) fn match_one_of<'p>(
        &self,
        patterns: impl IntoIterator<Item = &'p Pattern>,
        column: Option<&str>,
    ) -> bool {
        patterns
            .into_iter()
            .any(|pattern| self.match_pattern(pattern, column))
    }

    fn match_pattern(&self, pattern: &Pattern, column: Option<&str>) -> bool {
        let pattern = pattern.names();
        let full = |name: &str| {
            column.map_or_else(|| name.to_owned(), |column| format!("{name}.{column}"))
        };
        self.0.iter().any(|(short, long)| {
            let (short, long) = (full(short), full(long));
            // A schema is only meant where the pattern has a place for it: `p*` is not all of `public`.
            is_match(pattern, &short) || (dots(pattern) >= dots(&long) && is_match(pattern, &long))
        })
    }
}

/// A table that is there, watched or not.
#[derive(Debug)]
pub(super) struct TableThere {
    /// What patterns may call it.
    pub(super) names: TableNames,
    /// Its name as people write it; `None` where it is no table of its own.
    pub(super) shown: Option<String>,
    /// Its columns.
    pub(super) columns: Vec<String>,
}

/// A warning for each pattern of a system that matches nothing of what is there.
pub(super) fn unmatched(config: &SystemConfig, tables: &[TableThere]) -> Vec<Warning> {
    let of_tables = [
        ("observe_tables", config.observe_tables.as_deref()),
        ("ignore_tables", Some(config.ignore_tables.as_slice())),
        ("keep_ids", Some(config.keep_ids.as_slice())),
        ("ensure.changes", Some(config.ensured_tables.as_slice())),
    ];
    let mut warnings = Vec::new();
    let mut warn = |key: &str, pattern: &Pattern, what: &str, help: String| {
        let Pattern { text, place } = pattern;
        let place = place
            .as_ref()
            .map_or_else(String::new, |it| format!(" ({it})"));
        let system = &config.name;
        let message =
            format!("`{text}` under `{key}` of system `{system}` matches no {what}{place}");
        warnings.push(Warning::new(WarningCode::PatternMatchesNothing, message).with_help(help));
    };
    for (key, patterns) in of_tables {
        for pattern in patterns.into_iter().flatten() {
            if !tables
                .iter()
                .any(|table| table.names.match_pattern(pattern, None))
            {
                let sign = if pattern.leaves_out() { "!" } else { "" };
                let there = tables.iter().filter_map(|table| table.shown.clone());
                warn(
                    key,
                    pattern,
                    "table",
                    meant(pattern.names(), sign, &there.collect::<Vec<_>>(), "tables"),
                );
            }
        }
    }
    let ignored = (config.ignore_columns.iter()).map(|pattern| ("ignore_columns", pattern));
    let volatile = (config.volatile.iter().flatten()).map(|pattern| ("volatile", pattern));
    for (key, pattern) in ignored.chain(volatile) {
        let is_there = |table: &TableThere| {
            let mut columns = table.columns.iter();
            columns.any(|column| table.names.match_pattern(pattern, Some(column)))
        };
        if !tables.iter().any(is_there) {
            warn(key, pattern, "column", columns_meant(&pattern.text, tables));
        }
    }
    warnings
}

/// A warning for each name under `secrets:` that nothing had which was sent, answered or stored.
pub(crate) fn unmatched_secrets(secrets: &Secrets) -> Vec<Warning> {
    let (unmet, others) = secrets.unmet();
    let warning = |name: &String| {
        let message = format!(
            "`{name}` under `secrets` hides nothing: no variable, header, parameter, field or column of that name was seen"
        );
        let help = meant(name, "", &others, "names");
        Warning::new(WarningCode::PatternMatchesNothing, message).with_help(help)
    };
    unmet.iter().map(warning).collect()
}

/// The columns of the tables that the pattern names; where it names none, those tables are the question.
fn columns_meant(pattern: &str, tables: &[TableThere]) -> String {
    let (of, _) = pattern.rsplit_once('.').unwrap_or(("*", pattern));
    let tables = tables.iter().filter(|table| table.shown.is_some());
    let is_named = |table: &&TableThere| table.names.match_pattern(&of.into(), None);
    let named: Vec<_> = tables.clone().filter(is_named).collect();
    let mut there: Vec<String> = if named.is_empty() {
        let all = tables.clone().flat_map(|table| in_full(table, None));
        all.collect()
    } else {
        let columns = named.iter();
        columns
            .flat_map(|table| in_full(table, of.contains('*').then_some(of)))
            .collect()
    };
    there.sort();
    there.dedup();
    meant(pattern, "", &there, "columns")
}

/// The columns of a table, each with the table's name, or with the pattern of tables before it.
fn in_full(table: &TableThere, tables: Option<&str>) -> Vec<String> {
    let name = tables.or(table.shown.as_deref()).unwrap_or_default();
    let columns = table.columns.iter();
    columns.map(|column| format!("{name}.{column}")).collect()
}

/// What was probably meant, and what there is.
fn meant(written: &str, sign: &str, there: &[String], what: &str) -> String {
    let meant = did_you_mean(written, there.iter().map(String::as_str))
        .map(|name| format!("did you mean `{sign}{name}`? "))
        .unwrap_or_default();
    if there.is_empty() {
        return format!("there are no {what} when the run begins: remove it");
    }
    let listed: Vec<String> = there
        .iter()
        .take(LISTED)
        .map(|it| format!("`{it}`"))
        .collect();
    let more = match there.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "{meant}The {what} are {}{more}; correct it, or remove it",
        listed.join(", ")
    )
}

/// Whether a name matches a pattern in which `*` stands for any run of characters.
pub(crate) fn is_match(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((prefix, rest)) => name.strip_prefix(prefix).is_some_and(|tail| {
            tail.char_indices()
                .map(|(at, _)| at)
                .chain([tail.len()])
                .any(|at| is_match(rest, &tail[at..]))
        }),
    }
}

fn dots(text: &str) -> usize {
    text.matches('.').count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::system::Location;
    use crate::world::system::sqlite::Sqlite;

    fn table(name: &str, columns: &[&str]) -> TableThere {
        TableThere {
            names: TableNames::default().or(name, format!("main.{name}")),
            shown: Some(name.to_owned()),
            columns: columns.iter().map(|it| (*it).to_owned()).collect(),
        }
    }

    /// Message and help of each warning.
    fn said(change: impl FnOnce(&mut SystemConfig)) -> Vec<(String, String)> {
        let mut config = SystemConfig::new("db", Location::new(&Sqlite, "shop.db"));
        change(&mut config);
        let tables = [
            table("audit", &["id", "at"]),
            table("orders", &["id", "changed", "total"]),
        ];
        let warnings = unmatched(&config, &tables).into_iter();
        warnings
            .map(|it| (it.message, it.help.unwrap_or_default()))
            .collect()
    }

    #[test]
    fn a_pattern_that_matches_nothing_is_named_with_its_place_and_what_there_is() {
        let written = Pattern {
            text: "ordres".to_owned(),
            place: Some("shop.yaml:4:9".to_owned()),
        };
        let said = said(|config| {
            config.observe_tables = Some(vec!["orders".into(), written, "!adit".into()]);
            config.ignore_tables = vec!["tmp_*".into()];
            config.ensured_tables = vec!["audti".into(), "aud*".into(), "orders".into()];
            config.ignore_columns = vec!["orders.chnaged".into(), "*.att".into(), "x.at".into()];
        });
        let texts: Vec<&str> = said
            .iter()
            .flat_map(|(a, b)| [a.as_str(), b.as_str()])
            .collect();
        assert_eq!(
            texts,
            [
                "`ordres` under `observe_tables` of system `db` matches no table (shop.yaml:4:9)",
                "did you mean `orders`? The tables are `audit`, `orders`; correct it, or remove it",
                "`!adit` under `observe_tables` of system `db` matches no table",
                "did you mean `!audit`? The tables are `audit`, `orders`; correct it, or remove it",
                "`tmp_*` under `ignore_tables` of system `db` matches no table",
                "The tables are `audit`, `orders`; correct it, or remove it",
                "`audti` under `ensure.changes` of system `db` matches no table",
                "did you mean `audit`? The tables are `audit`, `orders`; correct it, or remove it",
                "`orders.chnaged` under `ignore_columns` of system `db` matches no column",
                "did you mean `orders.changed`? The columns are `orders.changed`, `orders.id`, `orders.total`; correct it, or remove it",
                "`*.att` under `ignore_columns` of system `db` matches no column",
                "did you mean `*.at`? The columns are `*.at`, `*.changed`, `*.id`, `*.total`; correct it, or remove it",
                "`x.at` under `ignore_columns` of system `db` matches no column",
                "The columns are `audit.at`, `audit.id`, `orders.changed`, `orders.id`, `orders.total`; correct it, or remove it",
            ]
        );
    }

    #[test]
    fn a_secret_that_nothing_has_is_named_with_what_there_is() {
        let secrets = Secrets::named(["pasword".to_owned(), "PIN".to_owned()]);
        let fields = serde_json::json!({ "password": "abc", "pin": 1234, "name": "x" });
        secrets.learn_field("user", &fields);
        let said = unmatched_secrets(&secrets);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said[0]
                .message
                .starts_with("`pasword` under `secrets` hides nothing")
        );
        let help = said[0].help.as_deref().unwrap_or_default();
        assert!(help.contains("did you mean `password`?"), "{help}");
        assert!(help.contains("`name`, `password`, `user`"), "{help}");
    }

    #[test]
    fn patterns_that_match_something_are_not_spoken_of() {
        let said = said(|config| {
            config.observe_tables = Some(vec!["main.orders".into(), "*".into(), "!audit".into()]);
            config.ignore_tables = vec!["aud*".into()];
            config.ignore_columns = vec!["*.at".into(), "audit.id".into(), "orders.*".into()];
        });
        assert!(said.is_empty(), "{said:?}");
    }
}
