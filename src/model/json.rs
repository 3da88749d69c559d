//! JSON as services send it: everything that RFC 8259 allows is read.
//!
//! `serde_json` refuses two things that the grammar allows: escapes of lone surrogates, and more than 128 levels. A text that it
//! refuses is mended and read once more.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Number, Value};

/// Deeper than this nobody's lists and objects are; each level costs whoever walks the tree a part of the stack.
const DEEPEST: usize = 512;

/// Levels that a text of venomqa has around a body.
const AROUND_A_BODY: usize = 64;

const TOO_DEEP: &str = "recursion limit exceeded";

/// How `serde_json` says that it refuses what the grammar allows.
const MENDED: [&str; 3] = [
    TOO_DEEP,
    "lone leading surrogate in hex escape",
    "unexpected end of hex escape",
];

/// Reads one JSON text. The error says what is wrong, and where.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).or_else(|refused| {
        let refused = refused.to_string();
        if !MENDED.iter().any(|why| refused.starts_with(why)) {
            return Err(refused);
        }
        let depth = depth(text);
        if depth > DEEPEST {
            return Err(format!(
                "{depth} levels of lists and objects; {DEEPEST} are read"
            ));
        }
        let mended = mended(text);
        let mut reader = serde_json::Deserializer::from_str(&mended);
        reader.disable_recursion_limit();
        Value::deserialize(&mut reader)
            .and_then(|value| reader.end().map(|()| value))
            // The first error has the place in the text as it came.
            .map_err(|_| refused)
    })
}

/// Reads what venomqa has written: it may hold a body, which may be as deep as bodies are. It becomes a value first, because numbers
/// with all their digits cannot be read where serde has to look for the kind of a thing before.
pub(crate) fn read_own<T: DeserializeOwned>(json: &[u8]) -> serde_json::Result<T> {
    let value: Value = serde_json::from_slice(json).or_else(|refused| {
        let is_deep = refused.to_string().starts_with(TOO_DEEP);
        let text = std::str::from_utf8(json)
            .ok()
            .filter(|text| is_deep && depth(text) <= DEEPEST + AROUND_A_BODY);
        let Some(text) = text else {
            return Err(refused);
        };
        let mut reader = serde_json::Deserializer::from_str(text);
        reader.disable_recursion_limit();
        Value::deserialize(&mut reader).and_then(|value| reader.end().map(|()| value))
    })?;
    T::deserialize(with_long_numbers(value))
}

/// The value with integers of more than 64 bits as serde passes them on: it drops them where it looks for the kind of a thing first.
pub(crate) fn with_long_numbers(value: Value) -> Value {
    match value {
        Value::Number(number) if is_long(&number) => {
            let digits = Value::String(number.to_string());
            Value::Object([(NUMBER.to_owned(), digits)].into_iter().collect())
        }
        Value::Array(items) => items.into_iter().map(with_long_numbers).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, field)| (name, with_long_numbers(field)))
            .collect(),
        other => other,
    }
}

fn is_long(number: &Number) -> bool {
    !number.is_i64() && !number.is_u64() && !number.to_string().contains(['.', 'e', 'E'])
}

/// The structure as which `serde_json` passes on a number with all its digits.
pub(crate) const NUMBER: &str = "$serde_json::private::Number";

/// Reads a text with one JSON text on each line, as a list.
pub(super) fn parse_lines(text: &str) -> Result<Value, String> {
    let lines = text.lines().enumerate();
    lines
        .map(|(index, line)| {
            (
                index,
                line.trim_matches(|letter: char| letter == '\u{1e}' || letter.is_whitespace()),
            )
        })
        .filter(|(_, line)| !line.is_empty())
        .map(|(index, line)| parse(line).map_err(|why| format!("line {}: {why}", index + 1)))
        .collect()
}

/// How deep lists and objects lie in each other.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for token in tokens(text) {
        match token {
            Token::Other(b'[' | b'{') => depth += 1,
            Token::Other(b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// The text with U+FFFD in place of a lone surrogate, as a text decoder puts it.
fn mended(text: &str) -> String {
    let mut mended = String::with_capacity(text.len());
    for token in tokens(text) {
        match token {
            Token::Text(text) => push_text(&mut mended, text),
            Token::Other(byte) => mended.push(char::from(byte)),
            Token::Foreign(letter) => mended.push(letter),
        }
    }
    mended
}

fn push_text(mended: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        mended.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = match (surrogate(rest), rest.get(6..).and_then(surrogate)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
            (Some(_), _) => {
                mended.push_str("\\ufffd");
                rest = &rest[6..];
                continue;
            }
            (None, _) => rest.chars().take(2).map(char::len_utf8).sum(),
        };
        mended.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    mended.push_str(rest);
}

/// The half of a letter whose escape a text begins with.
fn surrogate(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let unit = u16::from_str_radix(digits, 16).ok()?;
    (0xD800..=0xDFFF).contains(&unit).then_some(unit)
}

/// A part of a JSON text.
enum Token<'t> {
    /// A string with its quotes.
    Text(&'t str),
    /// Any other letter of ASCII.
    Other(u8),
    /// A letter that may stand in strings only.
    Foreign(char),
}

fn tokens(text: &str) -> impl Iterator<Item = Token<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let length = match first {
            '"' => length_of_text(rest),
            other => other.len_utf8(),
        };
        let (token, behind) = rest.split_at(length);
        rest = behind;
        Some(match first {
            '"' => Token::Text(token),
            _ => u8::try_from(first).map_or(Token::Foreign(first), |byte| {
                if byte.is_ascii() {
                    Token::Other(byte)
                } else {
                    Token::Foreign(first)
                }
            }),
        })
    })
}

fn length_of_text(text: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn everything_that_the_grammar_allows_is_read() {
        assert_eq!(
            parse(r#"["\ud800", "\uD83D\ude00", "\\ud800", "\udc00\ud83d\ude00"]"#).unwrap(),
            json!(["\u{fffd}", "😀", "\\ud800", "\u{fffd}😀"])
        );
        for digits in [
            "1e+999",
            "18446744073709551616",
            "0.1234567890123456789",
            "1.10",
        ] {
            assert_eq!(parse(digits).unwrap().to_string(), digits);
        }
        let deep = |levels: usize| format!("{}7{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(&deep(DEEPEST)).is_ok());
        assert!(
            parse(&deep(100_000))
                .unwrap_err()
                .starts_with("100000 levels")
        );
    }

    #[test]
    fn numbers_come_back_from_what_venomqa_has_written_with_all_their_digits() {
        #[derive(Debug, PartialEq, Deserialize, serde::Serialize)]
        #[serde(tag = "kind")]
        enum Line {
            Found { value: Value, share: f64 },
        }
        let digits = "[18446744073709551616,-9223372036854775809,0.12345678901234567890,1e999,7]";
        let line = Line::Found {
            value: parse(digits).unwrap(),
            share: 0.1 + 0.2,
        };
        let written = serde_json::to_vec(&line).unwrap();
        let read: Line = read_own(&written).unwrap();
        assert_eq!(read, line);
    }

    #[test]
    fn what_was_written_around_the_deepest_body_is_read_again_and_nothing_deeper() {
        let body =
            |levels: usize| format!("{{\"body\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        let read: Value = read_own(body(DEEPEST).as_bytes()).unwrap();
        assert_eq!(read.to_string(), body(DEEPEST));
        let error = read_own::<Value>(body(100_000).as_bytes()).unwrap_err();
        assert!(error.to_string().starts_with(TOO_DEEP));
    }

    #[test]
    fn what_is_no_json_stays_refused_with_its_place() {
        for text in [
            "",
            "{",
            "[1,]",
            "NaN",
            "[1e999,]",
            r#""\ud80""#,
            "01",
            "\"a\nb\"",
            "é",
            "1 2",
            "--1",
        ] {
            let refused = serde_json::from_str::<Value>(text).unwrap_err().to_string();
            assert_eq!(parse(text).unwrap_err(), refused, "{text}");
        }
    }
}
