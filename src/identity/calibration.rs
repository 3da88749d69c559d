//! Which columns hold another value each time: found by running actions twice from the same states.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::DateTime;

use super::schema::{ColumnRole, TableNumber};
use super::tables::{Tables, looks_random};
use crate::model::{Cell, Row, RowChange, RowDelta};

/// How far a clock of a service may be from ours, in seconds.
const CLOCK: f64 = 60.0;

/// What is known of columns so far.
#[derive(Debug, Default)]
pub struct Calibration {
    volatile: BTreeSet<(TableNumber, usize)>,
    /// Columns that followed the keys of a table, and whether they always did.
    following: BTreeMap<(TableNumber, usize), Option<TableNumber>>,
}

impl Calibration {
    /// Takes note of what two runs of one action changed, both from the same state. `now` is the time of the second, in seconds since
    /// 1970.
    pub fn compare(&mut self, tables: &Tables, (first, second): (&RowDelta, &RowDelta), now: f64) {
        let pairs = pairs(tables, first, second);
        // What the keys of the first run are in the second.
        let mut renamed: Vec<(TableNumber, &Cell, &Cell)> = Vec::new();
        for (table, before, after) in &pairs {
            if let [key] = *tables.shape(*table).key
                && before[key] != after[key]
            {
                renamed.push((*table, &before[key], &after[key]));
            }
        }
        for (table, before, after) in &pairs {
            for (position, (was, is)) in before.iter().zip(after.iter()).enumerate() {
                if tables.role(*table, position) != ColumnRole::Value {
                    continue;
                }
                if is_now(was, now) && is_now(is, now) {
                    self.volatile.insert((*table, position));
                    continue;
                }
                if was == is {
                    continue;
                }
                let mut followed = renamed
                    .iter()
                    .filter(|(_, old, new)| *old == was && *new == is);
                match followed.next() {
                    Some((to, ..)) => {
                        let known = self
                            .following
                            .entry((*table, position))
                            .or_insert(Some(*to));
                        if *known != Some(*to) {
                            *known = None;
                        }
                    }
                    None if is_noise(was) && is_noise(is) => {
                        self.volatile.insert((*table, position));
                    }
                    // A price or a status that varies is something to find out, and no noise.
                    None => {}
                }
            }
        }
    }

    /// The columns of which only the presence of a value tells states apart.
    pub fn volatile(&self) -> impl Iterator<Item = (TableNumber, usize)> + '_ {
        let those = self.volatile.iter();
        those
            .copied()
            .filter(|place| !self.following.contains_key(place))
    }

    /// The columns that hold keys of another table, although nothing declares that.
    pub fn references(&self) -> impl Iterator<Item = (TableNumber, usize, TableNumber)> + '_ {
        let those = self.following.iter();
        those.filter_map(|((table, position), to)| Some((*table, *position, (*to)?)))
    }
}

/// The rows that both runs left: those with one key, and those that were inserted where each run inserted one.
fn pairs<'r>(
    tables: &Tables,
    first: &'r RowDelta,
    second: &'r RowDelta,
) -> Vec<(TableNumber, &'r Row, &'r Row)> {
    let inserted = |delta: &'r RowDelta, of: &RowChange| -> Vec<&'r Row> {
        (delta.rows())
            .filter(|change| change.before.is_none() && change.table == of.table)
            .filter_map(|change| change.after.as_ref())
            .collect()
    };
    let mut pairs = Vec::new();
    for change in first.rows() {
        let (Some(table), Some(row)) = (tables.number(&change.table), &change.after) else {
            continue;
        };
        let same = second
            .rows()
            .find(|other| other.table == change.table && other.key == change.key);
        let other = same.and_then(|other| other.after.as_ref()).or_else(|| {
            match (&*inserted(first, change), &*inserted(second, change)) {
                ([_], [other]) if change.before.is_none() => Some(*other),
                _ => None,
            }
        });
        pairs.extend(other.map(|other| (table, row, other)));
    }
    pairs
}

/// Whether a value is the time of the step.
fn is_now(cell: &Cell, now: f64) -> bool {
    moment(cell).is_some_and(|moment| (moment - now).abs() < CLOCK)
}

/// Whether a value may be another one each time without meaning anything: a moment, or something random.
fn is_noise(cell: &Cell) -> bool {
    match cell {
        Cell::Text(text) => moment(cell).is_some() || looks_random(text),
        Cell::Blob(bytes) => bytes.len() >= 8,
        other => moment(other).is_some(),
    }
}

/// A value as a moment, in seconds since 1970.
fn moment(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::Integer(number) => since_1970(*number as f64),
        Cell::Real(bits) => since_1970(f64::from_bits(*bits)),
        Cell::Text(bytes) => {
            let text = std::str::from_utf8(bytes).ok()?;
            if let Ok(number) = text.parse::<f64>() {
                return since_1970(number);
            }
            let moment = text.parse::<Timestamp>().or_else(|_| {
                let moment = text.parse::<DateTime>()?;
                moment
                    .to_zoned(jiff::tz::TimeZone::UTC)
                    .map(|zoned| zoned.timestamp())
            });
            let moment = moment
                .ok()
                .filter(|_| text.len() >= "2026-01-01 00:00".len())?;
            Some(moment.as_millisecond() as f64 / 1e3)
        }
        Cell::Null | Cell::Blob(_) => None,
    }
}

/// A number as a moment: seconds, milliseconds, microseconds or nanoseconds, between 2001 and 2096.
fn since_1970(number: f64) -> Option<f64> {
    let scales = [1.0, 1e3, 1e6, 1e9];
    let mut seconds = scales.iter().map(|scale| number / scale);
    seconds.find(|seconds| (1e9..4e9).contains(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_known_in_every_way_of_writing_it() {
        let now = 1_780_000_000.0;
        for text in [
            "2026-05-28T20:26:40Z",
            "2026-05-28 20:26:40",
            "2026-05-28 20:26:40.123456+00",
            "2026-05-28T22:26:41+02:00",
            "1780000000",
            "1780000000123",
        ] {
            assert!(is_now(&Cell::text(text), now), "{text}");
        }
        assert!(is_now(&Cell::Integer(1_780_000_003), now));
        assert!(is_now(&Cell::real(1_780_000_000.5), now));
        for other in ["2026-05-28T21:26:40Z", "2026-05-28", "17", "", "open"] {
            assert!(!is_now(&Cell::text(other), now), "{other}");
        }
    }

    #[test]
    fn a_status_that_varies_is_no_noise() {
        for value in [
            Cell::text("open"),
            Cell::Integer(17),
            Cell::text("12.50"),
            Cell::Null,
        ] {
            assert!(!is_noise(&value), "{value:?}");
        }
        assert!(is_noise(&Cell::text("9f86d081884c7d659a2feaa0c55ad015")));
    }
}
