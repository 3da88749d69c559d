//! What a run changed beside rows: things that it made, dropped or defined anew. Row triggers tell nothing of that, so the
//! [definitions](super::definitions) are kept in the journal at the start, and compared with those of the end.
//!
//! What was dropped or changed is made again as it was. What is new is dropped at the end of a run, unless it holds rows; what it
//! was is said, for nobody knows who made it. After a kill it stays: it may be somebody's work of a week.

use std::collections::{BTreeMap, HashSet};

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error};

use super::connections::Connections;
use super::definitions::DEFINITIONS;
use crate::world::config::{SystemConfig, TableNames};

/// The writer's plans are those of statements that look for single rows. The whole catalogue is none.
const PLANS: &str = "SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on";

/// Kind and name.
type Key = (String, String);

/// Something as it is at one moment; the fields are those of [`DEFINITIONS`].
#[derive(Clone, Debug, PartialEq, Eq)]
struct Object {
    parent: Option<String>,
    of_table: Vec<String>,
    number: Option<String>,
    definition: String,
    undo: Option<String>,
}

/// What is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Difference {
    Dropped(Object),
    New(Object),
    Changed { before: Object, now: Object },
}

use Difference::{Changed, Dropped, New};

type Differences = BTreeMap<Key, Difference>;

/// What stands beside rows, while it is put back.
pub(super) struct Objects<'a> {
    connections: &'a Connections,
    /// The configuration of a run that comes to its end; there is none where it was killed.
    of_run: Option<&'a SystemConfig>,
    /// What the run had left.
    found: Option<Differences>,
    /// What is still not as it was.
    left: Differences,
    /// Why a statement failed.
    refusals: BTreeMap<Key, String>,
}

/// Keeps the definitions in the journal, as they are before the run.
pub(super) fn keep() -> String {
    format!(
        "{PLANS}; CREATE TABLE venomqa.objects AS {DEFINITIONS}; CREATE TABLE venomqa.ignored (of_table text[]);"
    )
}

/// Looks no more at functions, conditions and indexes that are as they were: one of them refuses rows that have to be put back, and
/// what is changed from here on is the cure.
pub(super) async fn await_cure(client: &Client) -> Result<(), Error> {
    let forget = format!(
        "BEGIN; {PLANS};
         WITH now AS MATERIALIZED ({DEFINITIONS})
         UPDATE venomqa.objects AS o SET definition = NULL FROM now
         WHERE o.kind IN ('function', 'constraint', 'index') AND (o.kind, o.name, o.definition) = (now.kind, now.name, now.definition);
         COMMIT"
    );
    client.batch_execute(&forget).await
}

/// Forgets what belongs to tables that the run ignores: that is left as it is, also by a recovery, which does not know what the run
/// was told.
pub(super) async fn forget_ignored(
    connections: &Connections,
    config: &SystemConfig,
) -> Result<(), Error> {
    let client = &connections.writer;
    let names = "SELECT DISTINCT of_table FROM venomqa.objects WHERE of_table IS NOT NULL";
    for row in client.query(names, &[]).await? {
        let of_table: Vec<String> = row.get(0);
        if is_ignored(connections, config, &of_table) {
            for forget in [
                "DELETE FROM venomqa.objects WHERE of_table = $1",
                "INSERT INTO venomqa.ignored VALUES ($1)",
            ] {
                client.execute(forget, &[&of_table]).await?;
            }
        }
    }
    Ok(())
}

fn is_ignored(connections: &Connections, config: &SystemConfig, of_table: &[String]) -> bool {
    of_table.chunks_exact(2).any(|name| {
        let long = format!("{}.{}", name[0], name[1]);
        let is_default = connections.default_schema.as_deref() == Some(&*name[0]);
        let short = if is_default { &name[1] } else { &long };
        config.ignores(&TableNames::default().or(&**short, &*long))
    })
}

impl<'a> Objects<'a> {
    pub(super) fn new(connections: &'a Connections, of_run: Option<&'a SystemConfig>) -> Self {
        Self {
            connections,
            of_run,
            found: None,
            left: Differences::new(),
            refusals: BTreeMap::new(),
        }
    }

    /// Puts back what can be put back without touching rows. Some things need the rows, and some rows need them: so this is called
    /// before the rows are back and once more after that.
    pub(super) async fn put_back(&mut self, rows_are_back: bool) -> Result<(), Error> {
        let client = &self.connections.writer;
        let mut seen: Vec<Differences> = Vec::new();
        let mut is_blocked = false;
        loop {
            self.left = self.compare().await?;
            self.found.get_or_insert_with(|| self.left.clone());
            // What needs another thing has a second try when that is back. Two rounds without a change are the end.
            let is_stuck = seen.len() >= 2 && seen[seen.len() - 2] == self.left;
            if self.left.is_empty() || is_stuck || is_blocked {
                break;
            }
            let by_removal = seen.len() % 2 == 1;
            seen.push(self.left.clone());
            let renamed = renamed(&self.left);
            let statements = if renamed.is_empty() || by_removal {
                self.statements(by_removal, rows_are_back)
            } else {
                renamed
            };
            for (key, statement) in statements {
                let Err(error) = client.batch_execute(&statement).await else {
                    self.refusals.remove(&key);
                    continue;
                };
                let Some(why) = error.as_db_error() else {
                    return Err(error);
                };
                self.refusals.insert(key, why.message().to_owned());
                // Each statement waits for locks; that many waits are enough.
                if why.code() == &SqlState::LOCK_NOT_AVAILABLE {
                    is_blocked = true;
                    break;
                }
            }
        }
        // A sequence that was made again has another number.
        client
            .batch_execute(
                "UPDATE venomqa.sequences SET oid = to_regclass(name) WHERE oid <> to_regclass(name)",
            )
            .await
    }

    /// What is to be said of it in the end: what was put back, and what was not.
    pub(super) fn describe(&self) -> (Vec<String>, Vec<String>) {
        let nothing = Differences::new();
        let found = self.found.as_ref().unwrap_or(&nothing);
        let back = independent(found)
            .filter(|(key, _)| !self.left.contains_key(*key))
            .map(|(key, difference)| difference.put_back(key));
        let left = independent(&self.left).map(|(key, difference)| {
            let mut text = difference.left_behind(key);
            if let Some(why) = self.refusals.get(key) {
                text.extend([" (", why, ")"]);
            }
            text
        });
        (back.collect(), left.collect())
    }

    /// What would put each of the differences back, one way or the other.
    fn statements(&self, by_removal: bool, rows_are_back: bool) -> Vec<(Key, String)> {
        let statements = independent(&self.left).filter_map(|(key, difference)| {
            if key.0 == "materialized view" && !rows_are_back {
                return None;
            }
            Some((
                key.clone(),
                difference.statement(by_removal, self.of_run.is_some())?,
            ))
        });
        statements.collect()
    }

    async fn compare(&self) -> Result<Differences, Error> {
        let client = &self.connections.writer;
        client.batch_execute(&format!("BEGIN; {PLANS}")).await?;
        let compared = compare(client).await;
        client.batch_execute("ROLLBACK").await?;
        let mut differences = compared?;
        if let Some(config) = self.of_run {
            differences.retain(|_, difference| {
                let (Dropped(object) | New(object) | Changed { now: object, .. }) = difference;
                !is_ignored(self.connections, config, &object.of_table)
            });
        }
        Ok(differences)
    }
}

/// What is not as it was. Nothing where nothing is known of what was.
async fn compare(client: &Client) -> Result<Differences, Error> {
    let text = format!(
        "WITH now AS MATERIALIZED ({DEFINITIONS}), cured AS (SELECT kind, name FROM venomqa.objects WHERE definition IS NULL)
         SELECT * FROM (
           SELECT true AS is_now, * FROM (SELECT * FROM now EXCEPT TABLE venomqa.objects) AS a WHERE EXISTS (SELECT FROM venomqa.objects)
           UNION ALL SELECT false, * FROM (TABLE venomqa.objects EXCEPT SELECT * FROM now) AS b) AS d
         WHERE NOT EXISTS (SELECT FROM cured c WHERE c.kind = d.kind AND c.name = d.name OR c.name = d.parent)
           AND NOT EXISTS (SELECT FROM venomqa.ignored i WHERE i.of_table = d.of_table)"
    );
    let mut differences = Differences::new();
    for row in client.query(&text, &[]).await? {
        let key: Key = (row.get(1), row.get(2));
        let object = Object {
            parent: row.get(3),
            of_table: row.get::<_, Option<_>>(4).unwrap_or_default(),
            number: row.get(5),
            definition: row.get(6),
            undo: row.get(7),
        };
        let is_now: bool = row.get(0);
        let difference = match (differences.remove(&key), is_now) {
            (Some(Dropped(before)), true) => Changed {
                before,
                now: object,
            },
            (Some(New(now)), false) => Changed {
                before: object,
                now,
            },
            (_, true) => New(object),
            (_, false) => Dropped(object),
        };
        differences.insert(key, difference);
    }
    Ok(differences)
}

/// Tables and columns that have another name.
fn renamed(differences: &Differences) -> Vec<(Key, String)> {
    let mut statements = Vec::new();
    for (key, difference) in differences {
        let (New(now), true) = (difference, ["table", "column"].contains(&&*key.0)) else {
            continue;
        };
        let before = differences
            .iter()
            .find_map(|(other, difference)| match difference {
                Dropped(before) if before.number == now.number && now.number.is_some() => {
                    Some((other, before))
                }
                _ => None,
            });
        let Some((other, before)) = before else {
            continue;
        };
        let (Some(bare), Some(bare_now)) = (last(&other.1), last(&key.1)) else {
            continue;
        };
        // In another schema, or of a table that is renamed itself, it is not simply renamed.
        if other.1.strip_suffix(&bare) != key.1.strip_suffix(&bare_now)
            || before.parent != now.parent
        {
            continue;
        }
        let statement = match &now.parent {
            Some(table) => format!("ALTER TABLE {table} RENAME COLUMN {bare_now} TO {bare}"),
            None => format!("ALTER TABLE {} RENAME TO {bare}", key.1),
        };
        statements.push((other.clone(), statement));
    }
    statements
}

/// The last part of a qualified name, quoted as it is there.
fn last(name: &str) -> Option<String> {
    let mut part = String::new();
    let mut in_quotes = false;
    for letter in name.chars() {
        match letter {
            '.' if !in_quotes => part.clear(),
            _ => {
                in_quotes ^= letter == '"';
                part.push(letter);
            }
        }
    }
    (!part.is_empty()).then_some(part)
}

/// Without what only follows from another difference, such as the columns of a table that was dropped.
fn independent(differences: &Differences) -> impl Iterator<Item = (&Key, &Difference)> {
    let whole: HashSet<&str> = differences
        .iter()
        // What is `of` something has its name.
        .filter(|((kind, _), difference)| !kind.ends_with(" of") && difference.is_whole())
        .map(|((_, name), _)| &**name)
        .collect();
    differences.iter().filter(move |(_, difference)| {
        let (Dropped(object) | New(object) | Changed { before: object, .. }) = difference;
        !object
            .parent
            .as_deref()
            .is_some_and(|parent| whole.contains(parent))
    })
}

impl Object {
    /// The statement that makes it; `None` where none does.
    fn made_by(&self) -> Option<&str> {
        Some(&*self.definition).filter(|definition| !definition.starts_with("--"))
    }

    /// The definition, for people.
    fn shown(&self) -> &str {
        self.definition.trim_start_matches("--").trim()
    }
}

impl Difference {
    /// Whether the thing is not the one that was there, so that what goes with it is not either.
    fn is_whole(&self) -> bool {
        match self {
            Dropped(_) | New(_) => true,
            Changed { before, now } => before.number != now.number,
        }
    }

    /// The statement that puts it back, at once or by way of its removal.
    fn statement(&self, by_removal: bool, is_of_run: bool) -> Option<String> {
        match self {
            Dropped(before) => before.made_by().map(str::to_owned),
            New(now) => now.undo.clone().filter(|_| is_of_run),
            Changed { .. } if self.is_whole() => None,
            Changed { before, now } => {
                let made_by = before.made_by()?;
                Some(match &now.undo {
                    Some(undo) if by_removal => format!("{undo}; {made_by}"),
                    _ => made_by.to_owned(),
                })
            }
        }
    }

    /// What was put back, for people.
    fn put_back(&self, (kind, name): &Key) -> String {
        let was = if is_plural(kind) { "were" } else { "was" };
        match self {
            Dropped(_) => format!("the {kind} `{name}` {was} dropped, and {was} made again"),
            New(now) => format!(
                "the {kind} `{name}` {was} new, and {was} dropped: `{}`",
                now.shown()
            ),
            Changed { now, .. } => format!(
                "the {kind} `{name}` {was} changed, and put back; it had become `{}`",
                now.shown()
            ),
        }
    }

    /// What was not put back, for people.
    fn left_behind(&self, (kind, name): &Key) -> String {
        let (was, is, stays) = if is_plural(kind) {
            ("were", "are", "they stay, for they")
        } else {
            ("was", "is", "it stays, for it")
        };
        match self {
            Dropped(before) if before.number.is_some() => {
                format!("the {kind} `{name}` {was} dropped, and what it held is lost")
            }
            Dropped(before) => format!(
                "the {kind} `{name}` {was} dropped; the definition was `{}`",
                before.shown()
            ),
            New(_) => {
                format!("the {kind} `{name}` {is} new; {stays} may be somebody else's")
            }
            Changed { .. } if self.is_whole() => format!(
                "the {kind} `{name}` was dropped and made again: what it holds now stays, and what it held before is lost"
            ),
            Changed { before, now } => format!(
                "the {kind} `{name}` {is} not as before; it was `{}`, and is `{}`",
                before.shown(),
                now.shown()
            ),
        }
    }
}

/// Whether this kind of thing is spoken of in the plural.
fn is_plural(kind: &str) -> bool {
    kind.contains("privileges")
        || kind.contains("settings")
        || kind.contains("parameters")
        || kind == "statistics"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(parent: Option<&str>, number: Option<&str>, definition: &str) -> Object {
        Object {
            parent: parent.map(str::to_owned),
            of_table: Vec::new(),
            number: number.map(str::to_owned),
            definition: definition.to_owned(),
            undo: None,
        }
    }

    fn key(kind: &str, name: &str) -> Key {
        (kind.to_owned(), name.to_owned())
    }

    #[test]
    fn what_goes_with_a_table_that_was_dropped_is_not_named_beside_it() {
        let differences = Differences::from([
            (
                key("table", "public.t"),
                Dropped(object(None, Some("7"), "--")),
            ),
            (
                key("owner of", "public.t"),
                Dropped(object(Some("public.t"), None, "x")),
            ),
            (
                key("column", "public.t.n"),
                Dropped(object(Some("public.t"), Some("7 1"), "--")),
            ),
            (
                key("default of", "public.t.n"),
                Dropped(object(Some("public.t.n"), None, "x")),
            ),
            (
                key("default of", "public.u.n"),
                Dropped(object(Some("public.u.n"), None, "x")),
            ),
        ]);
        let named: Vec<&str> = independent(&differences).map(|(key, _)| &*key.1).collect();
        assert_eq!(named, ["public.u.n", "public.t"]);
    }

    #[test]
    fn a_table_or_column_with_another_name_is_renamed() {
        let renaming = |kind, before, now, parent| {
            let differences = Differences::from([
                (key(kind, before), Dropped(object(parent, Some("7"), "--"))),
                (key(kind, now), New(object(parent, Some("7"), "--"))),
            ]);
            renamed(&differences).pop().map(|(_, statement)| statement)
        };
        let found = renaming("table", "public.\"a.b\"", "public.c", None);
        assert_eq!(
            found.as_deref(),
            Some("ALTER TABLE public.c RENAME TO \"a.b\"")
        );
        let found = renaming("column", "s.t.n", "s.t.\"M\"", Some("s.t"));
        assert_eq!(
            found.as_deref(),
            Some("ALTER TABLE s.t RENAME COLUMN \"M\" TO n")
        );
        assert_eq!(renaming("table", "public.a", "other.a", None), None);
    }

    #[test]
    fn what_holds_rows_is_neither_made_nor_dropped() {
        let table = |number| object(None, Some(number), "-- holds rows");
        let changed = Changed {
            before: table("1"),
            now: table("2"),
        };
        for difference in [Dropped(table("1")), New(table("1")), changed] {
            assert_eq!(difference.statement(true, true), None, "{difference:?}");
        }
    }

    #[test]
    fn what_is_new_is_dropped_at_the_end_of_a_run_and_stays_after_a_kill() {
        let mut view = object(None, None, "CREATE VIEW v");
        view.undo = Some("DROP VIEW v".to_owned());
        assert_eq!(
            New(view.clone()).statement(false, true).as_deref(),
            Some("DROP VIEW v")
        );
        assert_eq!(New(view).statement(false, false), None);
    }
}
