//! Warnings that several causes have and one cure: they become one, whose help is one block to paste.

use std::collections::BTreeSet;

use indexmap::IndexSet;

use super::{Warning, WarningCode};
use crate::model::{Differences, Model};

/// What a warning is about that is united with others of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// Rows of tables changed while no request ran.
    BackgroundRows {
        /// Name of the system.
        system: String,
        /// The tables.
        tables: BTreeSet<String>,
    },
    /// Actions did something else when they were run again from the same state.
    Unsteady {
        /// Names of the actions, in the order seen.
        actions: IndexSet<String>,
        /// What differed.
        differences: Differences,
        /// The extracted values that tell states apart, besides those that guards read.
        identity: Vec<String>,
        /// The extracted values that a precondition reads: these always tell states apart.
        guarding: BTreeSet<String>,
    },
}

impl About {
    /// An action that was run twice from the same state.
    pub(crate) fn unsteady(model: &Model, action: &str, differences: Differences) -> Self {
        let variables = &model.names.variables;
        let name = |index: usize| variables.get_index(index).cloned();
        let identity = (0..variables.len()).filter(|index| model.identity_variables[*index]);
        let guarding = model.guarding_variables().map(|id| id.0 as usize);
        Self::Unsteady {
            actions: IndexSet::from([action.to_owned()]),
            differences,
            identity: identity.filter_map(name).collect(),
            guarding: guarding.filter_map(name).collect(),
        }
    }

    /// Takes the other in. Returns `false`, and changes nothing, where they are not of one kind.
    fn unite(&mut self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::BackgroundRows { system, tables },
                Self::BackgroundRows {
                    system: same,
                    tables: more,
                },
            ) if system == same => tables.extend(more.iter().cloned()),
            (
                Self::Unsteady {
                    actions,
                    differences,
                    ..
                },
                Self::Unsteady {
                    actions: more,
                    differences: others,
                    ..
                },
            ) => {
                actions.extend(more.iter().cloned());
                differences.unite(others);
            }
            _ => return false,
        }
        true
    }

    /// Whether it is only about rows that come or do not, all of them of these systems and tables.
    fn is_of_rows(&self, of: &BTreeSet<(String, String)>) -> bool {
        let Self::Unsteady { differences, .. } = self else {
            return false;
        };
        let Differences {
            statuses,
            values,
            columns,
            tables,
        } = differences;
        let mut names = tables
            .iter()
            .flat_map(|(system, names)| names.iter().map(move |name| (system, name)));
        !tables.is_empty()
            && statuses.is_empty()
            && values.is_empty()
            && columns.is_empty()
            && names.all(|(system, name)| of.contains(&(system.clone(), name.clone())))
    }

    const fn code(&self) -> WarningCode {
        match self {
            Self::BackgroundRows { .. } => WarningCode::BackgroundWrite,
            Self::Unsteady { .. } => WarningCode::NonDeterministic,
        }
    }

    fn message(&self) -> String {
        match self {
            Self::BackgroundRows { system, tables } => format!(
                "rows of {} (system `{system}`) changed while no request ran; they have been put back",
                quoted(tables)
            ),
            Self::Unsteady {
                actions,
                differences,
                ..
            } => {
                let were = if actions.len() == 1 {
                    "was"
                } else {
                    "were each"
                };
                let mut what = differences.in_words().join(", ");
                if what.is_empty() {
                    "another state".clone_into(&mut what);
                }
                format!(
                    "{} {were} run twice from the same state, and differed in: {what}",
                    quoted(actions)
                )
            }
        }
    }

    fn help(&self) -> String {
        match self {
            Self::BackgroundRows { system, tables } => format!(
                "where a job writes them by itself, under `systems: {system}:` of the spec: `ignore_tables: [{}]`; \
                 where the service writes them after it has answered, give it at least twice the time that this takes: `{SETTLE}` at \
                 the top level, or, where a query tells that all is written, under the system `{UNTIL}`",
                list(tables)
            ),
            Self::Unsteady {
                differences,
                identity,
                guarding,
                ..
            } => cures(differences, identity, guarding).join("; "),
        }
    }
}

/// Gives a service time that writes after its answer, where nobody knows how long it takes.
pub(super) const SETTLE: &str = "settle: 200ms";

/// Waits no longer than needed.
pub(super) const UNTIL: &str =
    r#"settle: { until: "SELECT count(*) = 0 FROM outbox", at_most: 2s }"#;

/// What to write, by what differs.
fn cures(
    differences: &Differences,
    identity: &[String],
    guarding: &BTreeSet<String>,
) -> Vec<String> {
    let mut cures: Vec<String> = Vec::new();
    for (system, columns) in &differences.columns {
        cures.push(format!(
            "where these columns hold what is another value each time (a date, a random number), under `systems: {system}:` \
             of the spec: `ignore_columns: [{}]`",
            list(columns)
        ));
    }
    let differs = |name: &&String| differences.values.contains(*name);
    let kept: Vec<&String> = identity.iter().filter(|name| !differs(name)).collect();
    if kept.len() < identity.len() {
        cures.push(format!(
            "so that only the other extracted values tell states apart, at the top level: `state_from_context: [{}]`",
            list(kept)
        ));
    }
    let guarding: Vec<&String> = guarding.iter().filter(differs).collect();
    if !guarding.is_empty() {
        cures.push(format!(
            "{} always tells states apart, because a precondition reads it: let the condition read something that lasts",
            quoted(guarding)
        ));
    }
    for (system, tables) in &differences.tables {
        cures.push(format!(
            "where the service writes after it has answered, at the top level: `{SETTLE}`; where a job writes these rows, \
             under `systems: {system}:`: `ignore_tables: [{}]`",
            list(tables)
        ));
    }
    if !differences.statuses.is_empty() {
        cures.push(
            "an answer with another status is chance, or comes from something that the process remembers: \
             for that, `restore: full` at the top level"
                .to_owned(),
        );
    }
    if cures.is_empty() {
        cures.push(format!(
            "a service that writes after it has answered: `{SETTLE}` at the top level of the spec"
        ));
    }
    cures
}

fn quoted(names: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let names: Vec<String> = (names.into_iter())
        .map(|name| format!("`{}`", name.as_ref()))
        .collect();
    names.join(", ")
}

/// The items of a YAML list on one line.
fn list(names: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let is_plain = |name: &str| {
        let mut letters = name.chars();
        letters.all(|letter| letter.is_alphanumeric() || "._-".contains(letter))
    };
    let names: Vec<String> = (names.into_iter())
        .map(|name| match name.as_ref() {
            plain if is_plain(plain) => plain.to_owned(),
            other => serde_json::Value::from(other).to_string(),
        })
        .collect();
    names.join(", ")
}

impl Warning {
    /// Leaves out what others among them explain: one cause is one warning.
    pub(crate) fn without_explained(all: &mut Vec<Self>) {
        let explained: BTreeSet<(String, String)> = all
            .iter()
            .flat_map(|it| it.explains.iter().cloned())
            .collect();
        all.retain(|it| !(it.about.as_deref()).is_some_and(|about| about.is_of_rows(&explained)));
    }

    /// A warning about this, which is united with others of its kind.
    pub(crate) fn about(about: About) -> Self {
        let mut warning = Self::new(about.code(), about.message()).with_help(about.help());
        warning.about = Some(Box::new(about));
        warning
    }

    /// Takes another warning in. Returns `false`, and changes nothing, where they are not of one kind.
    pub(crate) fn unite(&mut self, other: &Self) -> bool {
        let (Some(mine), Some(others)) = (&mut self.about, &other.about) else {
            return false;
        };
        if !mine.unite(others) {
            return false;
        }
        self.message = mine.message();
        self.help = Some(mine.help());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differences(columns: &[&str], values: &[&str]) -> Differences {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Differences {
            columns: [("db".to_owned(), names(columns))].into(),
            values: names(values),
            ..Differences::default()
        }
    }

    fn unsteady(action: &str, differences: Differences) -> Warning {
        Warning::about(About::Unsteady {
            actions: IndexSet::from([action.to_owned()]),
            differences,
            identity: vec!["order_id".to_owned(), "token".to_owned()],
            guarding: BTreeSet::new(),
        })
    }

    #[test]
    fn one_block_holds_the_columns_of_all_actions() {
        let mut warning = unsteady("create", differences(&["orders.at"], &["token"]));
        let more = differences(&["orders.at", "Bad Name.x"], &[]);
        assert!(warning.unite(&unsteady("touch", more)));
        assert_eq!(
            warning.message,
            "`create`, `touch` were each run twice from the same state, and differed in: Bad Name.x, extracted `token`, orders.at"
        );
        assert_eq!(
            warning.help.unwrap(),
            "where these columns hold what is another value each time (a date, a random number), under `systems: db:` of the \
             spec: `ignore_columns: [\"Bad Name.x\", orders.at]`; so that only the other extracted values tell states apart, at \
             the top level: `state_from_context: [order_id]`"
        );
    }

    #[test]
    fn a_value_that_tells_no_states_apart_needs_no_cure() {
        let warning = unsteady("create", differences(&["orders.at"], &["etag"]));
        let help = warning.help.unwrap();
        assert!(!help.contains("state_from_context"), "{help}");
    }

    #[test]
    fn tables_of_a_job_are_one_list_for_each_system() {
        let rows = |system: &str, table: &str| {
            Warning::about(About::BackgroundRows {
                system: system.to_owned(),
                tables: BTreeSet::from([table.to_owned()]),
            })
        };
        let mut warning = rows("db", "jobs");
        assert!(warning.unite(&rows("db", "audit")));
        assert!(!warning.unite(&rows("other", "audit")));
        assert!(!warning.unite(&unsteady("a", Differences::default())));
        assert!(warning.message.contains("`audit`, `jobs`"));
        let help = warning.help.unwrap();
        assert!(help.contains("`ignore_tables: [audit, jobs]`"), "{help}");
    }
}
