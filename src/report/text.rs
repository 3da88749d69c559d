//! Small pieces of plain text: numbers with their nouns, values cut to a width, aligned tables.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

pub(super) use crate::visible::line as printable;

/// `1 step`, `2 steps`, `1,000 steps`.
pub(super) fn count(number: u64, noun: &str) -> String {
    let plural = match noun {
        _ if number == 1 => noun.to_owned(),
        _ if noun.ends_with('y') => format!("{}ies", &noun[..noun.len() - 1]),
        _ => format!("{noun}s"),
    };
    format!("{} {plural}", thousands(number))
}

/// `1,234,567`.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share of one as a whole percentage. Only everything is 100 %, and only nothing is 0 %.
pub(super) fn percent(share: f64) -> u64 {
    let rounded = (share * 100.0).round() as u64;
    if share < 1.0 && rounded >= 100 {
        99
    } else if share > 0.0 && rounded == 0 {
        1
    } else {
        rounded
    }
}

/// The parts of a whole as whole percentages that add up to 100: each part is rounded down, and the remaining points go to
/// the parts that lost most by rounding. All zero where the whole is zero.
pub(super) fn percentages(parts: &[f64]) -> Vec<u64> {
    let whole: f64 = parts.iter().sum();
    if whole <= 0.0 {
        return vec![0; parts.len()];
    }
    let exact: Vec<f64> = parts.iter().map(|part| part / whole * 100.0).collect();
    let mut rounded: Vec<u64> = exact.iter().map(|share| share.floor() as u64).collect();
    let lost = |part: usize| exact[part] - exact[part].floor();
    let mut most_lost: Vec<usize> = (0..parts.len()).collect();
    most_lost.sort_by(|one, other| lost(*other).total_cmp(&lost(*one)));
    let missing = 100_u64.saturating_sub(rounded.iter().sum()) as usize;
    for part in most_lost.into_iter().take(missing) {
        rounded[part] += 1;
    }
    rounded
}

/// `850 ms`, `1.25 s`, `3 m 20 s`.
pub(super) fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 0.001 {
        format!("{} us", time.as_micros())
    } else if seconds < 1.0 {
        format!("{} ms", time.as_millis())
    } else if seconds < 60.0 {
        format!("{seconds:.2} s")
    } else {
        format!("{} m {} s", time.as_secs() / 60, time.as_secs() % 60)
    }
}

/// The number of terminal columns that the text takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// As much of the text as fits, with an ellipsis where its end is missing.
pub(super) fn clip(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut clipped = String::new();
    let mut taken = 1; // the ellipsis
    for character in text.chars() {
        taken += character.width().unwrap_or(0);
        if taken > columns {
            break;
        }
        clipped.push(character);
    }
    clipped.push('…');
    clipped
}

/// A value in at most `columns` columns. Where it does not fit, long texts and lists in it are shortened first, because the
/// names in an object say more than the end of its first text; then the value is cut.
pub(super) fn json(value: &Value, columns: usize) -> String {
    let whole = render(value, usize::MAX, usize::MAX);
    if whole.width() <= columns {
        return whole;
    }
    let mut shown = whole;
    for (text, items) in [(40, 3), (20, 1), (30, 0), (12, 0)] {
        shown = render(value, text, items);
        if shown.width() <= columns {
            break;
        }
    }
    clip(&shown, columns)
}

fn render(value: &Value, text: usize, items: usize) -> String {
    match value {
        Value::String(string) => {
            let shown = if string.width() > text {
                clip(string, text)
            } else {
                string.clone()
            };
            // Beside what JSON must escape, C1 control characters are commands to some terminals.
            printable(&Value::String(shown).to_string())
        }
        Value::Array(list) if items == 0 && !list.is_empty() => {
            format!("[… {}]", count(list.len() as u64, "item"))
        }
        Value::Array(list) => {
            let mut parts: Vec<String> = list
                .iter()
                .take(items)
                .map(|item| render(item, text, items))
                .collect();
            if list.len() > items {
                parts.push(format!("… {} more", list.len() - items));
            }
            format!("[{}]", parts.join(", "))
        }
        Value::Object(fields) => {
            let parts: Vec<String> = fields
                .iter()
                .map(|(name, item)| {
                    let name = Value::String(name.clone()).to_string();
                    format!("{}: {}", printable(&name), render(item, text, items))
                })
                .collect();
            format!("{{{}}}", parts.join(", "))
        }
        scalar => scalar.to_string(),
    }
}

/// Joins parts with `, ` into lines of at most so many columns. A longer part gets a line of its own and is cut.
pub(super) fn wrap(parts: &[String], columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (position, part) in parts.iter().enumerate() {
        let comma = if position + 1 < parts.len() { "," } else { "" };
        let part = format!("{}{comma}", clip(part, columns.saturating_sub(1)));
        match lines.last_mut() {
            Some(line) if line.width() + 1 + part.width() <= columns => {
                line.push(' ');
                line.push_str(&part);
            }
            _ => lines.push(part),
        }
    }
    lines
}

/// A sentence in lines of at most so many columns.
pub(super) fn wrap_words(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Rows of cells under their headings; a column of numbers is aligned to the right.
pub(super) struct Table {
    headings: Vec<String>,
    rows: Vec<Vec<String>>,
    right: Vec<bool>,
}

impl Table {
    pub(super) fn new<T: Into<String>>(headings: impl IntoIterator<Item = T>) -> Self {
        let headings: Vec<String> = headings.into_iter().map(Into::into).collect();
        Self {
            right: vec![true; headings.len()],
            headings,
            rows: Vec::new(),
        }
    }

    /// Adds a row. A column in which some cell is not a number is aligned to the left.
    pub(super) fn push(&mut self, cells: Vec<String>) {
        for (right, cell) in self.right.iter_mut().zip(&cells) {
            *right &= cell.is_empty()
                || cell
                    .chars()
                    .all(|character| character.is_ascii_digit() || "-,.e".contains(character));
        }
        self.rows.push(cells);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The headings, then the rows, as lines of at most so many columns. Where the table is too wide, its widest columns are
    /// narrowed first.
    pub(super) fn lines(&self, columns: usize) -> (String, Vec<String>) {
        const GAP: usize = 2;
        let mut widths: Vec<usize> = (0..self.headings.len())
            .map(|column| {
                self.rows
                    .iter()
                    .filter_map(|row| row.get(column))
                    .chain([&self.headings[column]])
                    .map(|cell| cell.width())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let room = columns.saturating_sub(GAP * widths.len().saturating_sub(1));
        while widths.iter().sum::<usize>() > room {
            match widths.iter_mut().max() {
                Some(widest) if *widest > 4 => *widest -= 1,
                _ => break,
            }
        }
        let line = |cells: &[String]| {
            let mut line = String::new();
            for (position, (cell, width)) in cells.iter().zip(&widths).enumerate() {
                let cell = clip(cell, *width);
                let padding = " ".repeat(width - cell.width().min(*width));
                let gap = if position == 0 { "" } else { "  " };
                // Writing to a string cannot fail.
                let _ = if self.right[position] {
                    write!(line, "{gap}{padding}{cell}")
                } else {
                    write!(line, "{gap}{cell}{padding}")
                };
            }
            clip(line.trim_end(), columns)
        };
        (
            line(&self.headings),
            self.rows.iter().map(|row| line(row)).collect(),
        )
    }
}

/// `2026-11-23T18:30:00Z` (RFC 3339).
pub fn date(time: SystemTime) -> String {
    // A clock before 1970 is shown as 1970: a date is no reason to fail.
    let seconds = time
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days to civil date after Howard Hinnant: years begin in March, so that the leap day comes last.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        rest / 3600,
        rest % 3600 / 60,
        rest % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_share_is_100_percent_only_when_it_is_everything() {
        assert_eq!(percent(0.999), 99);
        assert_eq!(percent(1.0), 100);
        assert_eq!(percent(0.001), 1);
        assert_eq!(percent(0.0), 0);
    }

    #[test]
    fn percentages_of_a_whole_add_up_to_100() {
        assert_eq!(percentages(&[1.0, 1.0, 1.0]), [34, 33, 33]);
        assert_eq!(
            percentages(&[98.0, 0.4, 0.4, 0.4, 0.4, 0.4]),
            [98, 1, 1, 0, 0, 0]
        );
        assert_eq!(percentages(&[5.0]), [100]);
        assert_eq!(percentages(&[0.0, 0.0]), [0, 0]);
    }

    #[test]
    fn nouns_agree_with_their_numbers() {
        assert_eq!(count(1, "step"), "1 step");
        assert_eq!(count(0, "query"), "0 queries");
        assert_eq!(count(1_234_567, "row"), "1,234,567 rows");
    }

    #[test]
    fn a_wide_value_keeps_its_names_and_loses_its_long_texts() {
        let value =
            json!({ "id": 7, "text": "x".repeat(200), "list": [1, 2, 3, 4, 5], "last": true });
        let shown = json(&value, 80);
        assert!(super::width(&shown) <= 80, "{shown}");
        assert!(shown.contains("\"last\": true"), "{shown}");
        assert!(
            shown.contains("… 2 more") || shown.contains("… 4 more"),
            "{shown}"
        );
    }

    #[test]
    fn a_list_folds_before_the_names_after_it_are_cut() {
        let value = json!({ "id": 1, "lines": [{ "product": 1, "quantity": 100 }], "total": 5 });
        assert_eq!(
            json(&value, 50),
            r#"{"id": 1, "lines": [… 1 item], "total": 5}"#
        );
    }

    #[test]
    fn escape_codes_of_a_service_do_not_reach_the_terminal() {
        assert_eq!(
            printable("a\u{1b}[31mb\nc\u{9b}"),
            "a\\u{1b}[31mb\\nc\\u{9b}"
        );
        assert!(!json(&json!("\u{1b}[2J\u{9b}"), 80).contains(['\u{1b}', '\u{9b}']));
    }

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(clip("日本語", 5), "日本…");
    }

    #[test]
    fn a_table_aligns_numbers_to_the_right_and_never_exceeds_its_width() {
        let mut table = Table::new(["id", "name"]);
        table.push(vec!["1".into(), "short".into()]);
        table.push(vec!["100".into(), "a name that is quite long".into()]);
        let (heading, rows) = table.lines(20);
        assert_eq!(heading, " id  name");
        assert_eq!(rows, ["  1  short", "100  a name that is…"]);
    }

    #[test]
    fn dates_are_rfc_3339() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_458_377, "2026-11-23T18:26:17Z"),
        ] {
            assert_eq!(date(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }
}
