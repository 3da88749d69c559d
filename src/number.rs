//! Numbers by their value, exactly, whatever their size: `1` is `1.0` is `10e-1`, and 2^64 is not 2^64 + 1.

use std::cmp::Ordering;

use serde_json::Number;

/// Order of numbers by value.
pub(crate) fn compare(a: &Number, b: &Number) -> Ordering {
    if let (Some(a), Some(b)) = (a.as_i64(), b.as_i64()) {
        return a.cmp(&b);
    }
    let (a, b) = (a.to_string(), b.to_string());
    let (a, b) = (Decimal::of(&a), Decimal::of(&b));
    match (a.sign(), b.sign()) {
        (1, 1) => a.size().cmp(&b.size()),
        (-1, -1) => b.size().cmp(&a.size()),
        (a, b) => a.cmp(&b),
    }
}

/// A number as `0.DIGITS` times ten to the power of `exponent`, without zeros at either end of the digits.
struct Decimal {
    is_negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// The text is a number of JSON.
    fn of(text: &str) -> Self {
        let (is_negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, power) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        // A power beyond 64 bits is beyond everything that anybody compares.
        let beyond = if power.starts_with('-') {
            i64::MIN / 2
        } else {
            i64::MAX / 2
        };
        let power = power.parse().unwrap_or(beyond);
        let all = format!("{whole}{fraction}");
        let digits = all.trim_start_matches('0');
        let length = |text: &str| i64::try_from(text.len()).unwrap_or(i64::MAX);
        let leading = length(&all) - length(digits);
        Self {
            is_negative,
            digits: digits.trim_end_matches('0').to_owned(),
            exponent: (length(whole) - leading).saturating_add(power),
        }
    }

    fn sign(&self) -> i8 {
        match (self.digits.is_empty(), self.is_negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        }
    }

    /// What orders two numbers of the same sign. The digits stand behind the point, so their order is that of texts.
    fn size(&self) -> (i64, &str) {
        (self.exponent, &self.digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_by_value_whatever_their_size_and_form() {
        // Each row ascends; all of one entry are equal.
        let ascending: [&[&str]; 11] = [
            &["-1e400"],
            &["-18446744073709551617"],
            &["-18446744073709551616", "-1.8446744073709551616e19"],
            &["-0.5", "-5e-1"],
            &["0", "-0", "0.000", "0e9"],
            &["1e-400"],
            &["0.1", "1E-1", "0.10"],
            &["1", "1.0", "10e-1", "0.01e2"],
            &["12345678901234567890.000000000000000001"],
            &["12345678901234567890.000000000000000002"],
            &["1e400", "10e399"],
        ];
        let number = |text: &str| text.parse::<Number>().unwrap();
        for (i, row) in ascending.iter().enumerate() {
            for (j, other) in ascending.iter().enumerate() {
                for (a, b) in row.iter().flat_map(|a| other.iter().map(move |b| (a, b))) {
                    assert_eq!(compare(&number(a), &number(b)), i.cmp(&j), "{a} {b}");
                }
            }
        }
    }
}
