//! Scalars to values: the core schema of YAML 1.2, and binary numbers (`0b101`) as well.

use granit_parser::{ScalarStyle, Tag};
use serde_json::{Number, Value};

use super::node::Node;
use super::tree::Tree;
use crate::diagnostic::SourceId;

/// The value of a scalar, or why a spec cannot hold it.
pub(super) fn resolve(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    let is_text = match tag {
        None => style != ScalarStyle::Plain,
        Some(tag) => !["null", "bool", "int", "float"]
            .iter()
            .any(|kind| tag.is_yaml_core_schema_tag(kind)),
    };
    if is_text {
        return Ok(Value::String(text.to_owned()));
    }
    let value = plain(text)?;
    let fits = match tag.and_then(Tag::core_suffix) {
        Some("null") => value.is_null(),
        Some("bool") => value.is_boolean(),
        Some("int") => value.is_i64() || value.is_u64(),
        Some("float") => value.is_number(),
        _ => true,
    };
    match tag {
        Some(tag) if !fits => Err(format!("`{text}` is no `{}`", tag.original())),
        _ => Ok(value),
    }
}

/// The value of a scalar without quotes.
fn plain(text: &str) -> Result<Value, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        ".nan" | ".NaN" | ".NAN" => return Err(format!("`{text}` is no JSON number")),
        _ => {}
    }
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => ("-", &text[1..]),
        Some(b'+') => ("", &text[1..]),
        _ => ("", text),
    };
    if let ".inf" | ".Inf" | ".INF" = digits {
        return Err(format!("`{text}` is no JSON number"));
    }
    let (radix, digits) = [("0x", 16), ("0o", 8), ("0b", 2)]
        .into_iter()
        .find_map(|(prefix, radix)| Some((radix, digits.strip_prefix(prefix)?)))
        .unwrap_or((10, digits));
    if !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix)) {
        // `007` stays text: as a number it would lose its zeros.
        if radix == 10 && digits.len() > 1 && digits.starts_with('0') {
            return Ok(Value::String(text.to_owned()));
        }
        let number = format!("{sign}{digits}");
        return u64::from_str_radix(&number, radix)
            .map(Value::from)
            .or_else(|_| i64::from_str_radix(&number, radix).map(Value::from))
            .or_else(|error| match number.parse::<Number>() {
                Ok(exact) if radix == 10 => Ok(Value::Number(exact)),
                _ => Err(error),
            })
            .map_err(|_| format!("the number `{text}` has more than 64 bits"));
    }
    let exact = text.parse::<Number>().ok();
    let float = exact.or_else(|| text.parse().ok().and_then(Number::from_f64));
    Ok(float.map_or_else(|| Value::String(text.to_owned()), Value::Number))
}

/// The value of a text from outside, read as a YAML scalar: `5` is a number, `true` a boolean, `'5'` and `[` are text.
pub(in crate::spec) fn scalar(text: &str) -> Value {
    let (tree, problems) = Tree::parse(SourceId(0), text);
    match tree.written() {
        Some(Node::Scalar(value)) if problems.is_empty() && !text.is_empty() => value,
        _ => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_from_outside_is_a_scalar_and_never_yaml() {
        assert_eq!(scalar("5"), serde_json::json!(5));
        assert_eq!(scalar("true"), serde_json::json!(true));
        assert_eq!(scalar("~"), serde_json::json!(null));
        for text in ["yes", "[1, 2]", "a: b", "", "\"unclosed", "#1"] {
            assert_eq!(scalar(text), serde_json::json!(text));
        }
        assert_eq!(scalar("'5'"), serde_json::json!("5"));
    }

    #[test]
    fn a_number_that_a_spec_cannot_hold_is_refused_and_never_rounded() {
        for text in [
            "0x10000000000000000",
            "-0x8000000000000001",
            ".inf",
            "-.INF",
            ".nan",
        ] {
            assert!(plain(text).is_err(), "{text}");
        }
        assert_eq!(plain("18446744073709551615"), Ok(u64::MAX.into()));
        assert_eq!(plain("-9223372036854775808"), Ok(i64::MIN.into()));
        for text in [
            "18446744073709551616",
            "-9223372036854775809",
            "0.10",
            "1e400",
        ] {
            let number = plain(text).unwrap();
            assert_eq!(number, Value::Number(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn a_tag_of_the_core_schema_must_fit() {
        assert_eq!(scalar("!!str 5"), serde_json::json!("5"));
        assert_eq!(scalar("!!int '5'"), serde_json::json!(5));
        assert_eq!(scalar("!!float 5"), serde_json::json!(5));
        let (_, problems) = Tree::parse(SourceId(0), "!!int five");
        assert_eq!(problems[0].message, "`five` is no `!!int`");
    }
}
