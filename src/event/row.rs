//! A changed row in words.

use serde_json::{Map, Value};

use super::{PathStep, RowChange};
use crate::secret::REDACTED;

/// One changed row in words.
pub(crate) struct RowText {
    /// `+`, `-` or `~`.
    pub(crate) sign: char,
    /// `orders[1]`
    pub(crate) name: String,
    /// One for each column that has something to say.
    pub(crate) parts: Vec<String>,
}

/// Whether rows of more than one system changed on a path.
pub(crate) fn several_systems(path: &[PathStep]) -> bool {
    let mut systems = path
        .iter()
        .filter_map(|step| step.exchange.as_ref())
        .flat_map(|seen| &seen.rows)
        .map(|change| &change.system);
    let first = systems.next();
    systems.any(|system| Some(system) != first)
}

impl RowChange {
    /// The change in words, each value written by `cell`; the system is named where there are several. Columns that tell no
    /// states apart (`ignore_columns`) are left out: they hold dates and the like, other ones on every run.
    pub(crate) fn in_words(
        &self,
        several_systems: bool,
        cell: impl Fn(&Value) -> String,
    ) -> Option<RowText> {
        let key: Vec<String> = self.key.iter().map(&cell).collect();
        let system = if several_systems {
            format!("{}.", self.system)
        } else {
            String::new()
        };
        let shown = |column: &String| !self.ignored.contains(column);
        let all = |row: &Map<String, Value>| -> Vec<String> {
            row.iter()
                .filter(|(column, _)| shown(column))
                .map(|(column, value)| format!("{column} {}", cell(value)))
                .collect()
        };
        let (sign, parts) = match (&self.before, &self.after) {
            (Some(before), Some(after)) => {
                let changed = |is_changed: &dyn Fn(&Value, &Value) -> bool| -> Vec<String> {
                    after
                        .iter()
                        .filter(|(column, _)| shown(column))
                        .filter_map(|(column, after)| {
                            let before = before.get(column)?;
                            is_changed(before, after)
                                .then(|| format!("{column} {} -> {}", cell(before), cell(after)))
                        })
                        .collect()
                };
                let mut parts = changed(&|before, after| before != after);
                // Secrets look the same before and after.
                if parts.is_empty() && before == after {
                    parts = changed(&|before, _| before == REDACTED);
                }
                ('~', parts)
            }
            (None, Some(after)) => ('+', all(after)),
            (Some(before), None) => ('-', all(before)),
            (None, None) => return None,
        };
        Some(RowText {
            sign,
            name: format!("{system}{}[{}]", self.table, key.join(", ")),
            parts,
        })
    }
}
