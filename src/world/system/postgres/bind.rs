//! The parameters of a query: `:name` in the spec, `$1` on the wire; and JSON values as PostgreSQL reads them.

use bytes::BytesMut;
use serde_json::Value;
use tokio_postgres::types::{Format, IsNull, Kind, ToSql, Type};

/// A query as PostgreSQL takes it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bound {
    /// The text with `$1`, `$2`, ... in the place of names; each occurrence has its own number, so that one name may
    /// stand where different types are asked for.
    pub(super) text: String,
    /// For each number, the position of its name in the list.
    pub(super) order: Vec<usize>,
    /// Where pieces of the original begin, in characters: in `text`, in the original.
    pieces: Vec<(usize, usize)>,
}

impl Bound {
    /// Replaces the names of a text. Quotes, comments and casts are passed over; so is a name that is not in the list,
    /// for `a[1:n]` is a slice.
    pub(super) fn new(text: &str, names: &[&str]) -> Self {
        let mut bound = Self {
            text: String::with_capacity(text.len()),
            order: Vec::new(),
            pieces: vec![(0, 0)],
        };
        let mut at = 0;
        let mut copied = 0;
        let (mut written, mut read) = (0, 0);
        while at < text.len() {
            let rest = &text[at..];
            let named = rest
                .strip_prefix(':')
                .filter(|_| !text[..at].ends_with(':'));
            let length = named.map_or(0, |rest| {
                rest.find(|character: char| !is_word(character))
                    .unwrap_or(rest.len())
            });
            let found = named.and_then(|rest| {
                let name = &rest[..length];
                names.iter().position(|known| *known == name)
            });
            let Some(position) = found else {
                at += skip(rest);
                continue;
            };
            let before = &text[copied..at];
            bound.order.push(position);
            let number = format!("${}", bound.order.len());
            bound.text.push_str(before);
            bound.text.push_str(&number);
            at += 1 + length;
            written += before.chars().count() + number.len();
            read += before.chars().count() + 1 + length;
            bound.pieces.push((written, read));
            copied = at;
        }
        bound.text.push_str(&text[copied..]);
        bound
    }

    /// The place in the original of a place in the text, both in characters from 0.
    pub(super) fn original(&self, position: usize) -> usize {
        let piece = self
            .pieces
            .partition_point(|(written, _)| *written <= position)
            .saturating_sub(1);
        let (written, read) = self.pieces[piece];
        let place = read + (position - written);
        // Within a `$1` the place is that of its name.
        match self.pieces.get(piece + 1) {
            Some((_, next)) => place.min(*next),
            None => place,
        }
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// How many bytes belong together at the start of a text: a quoted thing, a comment, a word, a cast, or one character.
fn skip(text: &str) -> usize {
    let until = |start: usize, end: &str| {
        text[start..]
            .find(end)
            .map_or(text.len(), |place| start + place + end.len())
    };
    let mut characters = text.chars();
    let first = characters.next().unwrap_or_default();
    match (first, characters.next()) {
        // In `E'...'` a backslash takes the next character's meaning.
        ('e' | 'E', Some('\'')) => 1 + escaped(&text[1..]),
        ('\'' | '"', _) => until(1, &first.to_string()),
        ('-', Some('-')) => until(2, "\n"),
        ('/', Some('*')) => comment(text),
        (':', Some(':')) => 2,
        ('$', _) => {
            let tag = text[1..].find('$').map(|end| &text[..end + 2]);
            match tag {
                Some(tag) if tag[1..tag.len() - 1].chars().all(is_word) => until(tag.len(), tag),
                _ => 1,
            }
        }
        _ if is_word(first) => text
            .find(|character: char| !is_word(character) && character != '$')
            .unwrap_or(text.len()),
        _ => first.len_utf8(),
    }
}

fn escaped(text: &str) -> usize {
    let mut characters = text.char_indices().skip(1);
    while let Some((place, character)) = characters.next() {
        match character {
            '\\' => {
                characters.next();
            }
            '\'' => return place + 1,
            _ => {}
        }
    }
    text.len()
}

/// Comments nest in PostgreSQL.
fn comment(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0_usize, 0);
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => {
                depth += 1;
                at += 2;
            }
            b"*/" => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    text.len()
}

/// A JSON value in the text form that a type reads.
#[derive(Debug)]
pub(super) struct Parameter<'a>(pub(super) &'a Value);

impl ToSql for Parameter<'_> {
    fn to_sql(
        &self,
        wanted: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        Ok(match text(self.0, wanted) {
            None => IsNull::Yes,
            Some(text) => {
                out.extend_from_slice(text.as_bytes());
                IsNull::No
            }
        })
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(
        &self,
        wanted: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        self.to_sql(wanted, out)
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }
}

/// The text of a value for a type; `None` is NULL.
fn text(value: &Value, wanted: &Type) -> Option<String> {
    if let Kind::Domain(base) = wanted.kind() {
        return text(value, base);
    }
    let is_json = matches!(*wanted, Type::JSON | Type::JSONB);
    match value {
        Value::Null => None,
        _ if is_json => Some(value.to_string()),
        Value::String(text) => Some(text.clone()),
        // 3.0 is an integer to whoever wrote it into JSON, not to PostgreSQL.
        Value::Number(number) => Some(match number.as_f64() {
            Some(real)
                if number.is_f64()
                    && matches!(*wanted, Type::INT2 | Type::INT4 | Type::INT8)
                    && real.fract() == 0.0
                    && real.abs() < 9e15 =>
            {
                format!("{real:.0}")
            }
            _ => number.to_string(),
        }),
        Value::Array(items) => match wanted.kind() {
            Kind::Array(element) => {
                let items: Vec<String> = items
                    .iter()
                    .map(|item| match (item, text(item, element)) {
                        (_, None) => "NULL".to_owned(),
                        // A nested list is a further dimension of the same array.
                        (Value::Array(_), _) if !matches!(*element, Type::JSON | Type::JSONB) => {
                            text(item, wanted).unwrap_or_default()
                        }
                        (_, Some(text)) => {
                            format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
                        }
                    })
                    .collect();
                Some(format!("{{{}}}", items.join(",")))
            }
            _ => Some(value.to_string()),
        },
        Value::Bool(_) | Value::Object(_) => Some(value.to_string()),
    }
}

/// A value of a type as JSON, from its text.
pub(super) fn json(text: Option<&str>, found: &Type) -> Value {
    let Some(text) = text else {
        return Value::Null;
    };
    match found.kind() {
        Kind::Domain(base) => return json(Some(text), base),
        Kind::Array(element) => {
            return array(text, element).unwrap_or_else(|| text.into());
        }
        _ => {}
    }
    match *found {
        Type::BOOL => Value::Bool(text == "t"),
        Type::INT2 | Type::INT4 | Type::INT8 | Type::OID => text
            .parse::<i64>()
            .map_or_else(|_| text.into(), Value::from),
        Type::FLOAT4 | Type::FLOAT8 | Type::NUMERIC => number(text),
        Type::JSON | Type::JSONB => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
        _ => text.into(),
    }
}

/// A number where JSON can hold it exactly; its text where it cannot (`NaN`, more digits than a double has).
fn number(text: &str) -> Value {
    if let Ok(integer) = text.parse::<i64>() {
        return integer.into();
    }
    let digits = text
        .split(['e', 'E'])
        .next()
        .unwrap_or_default()
        .trim_start_matches(['-', '0', '.'])
        .bytes()
        .filter(u8::is_ascii_digit)
        .count();
    text.parse::<f64>()
        .ok()
        .filter(|_| digits <= 17)
        .and_then(serde_json::Number::from_f64)
        .filter(|number| digits <= 15 || number.to_string() == text)
        .map_or_else(|| text.into(), Value::Number)
}

/// An array in PostgreSQL's text form: `{1,NULL,"a \"b\""}`; `None` where it is written in another way (`[2:3]={...}`).
fn array(text: &str, element: &Type) -> Option<Value> {
    let mut characters = text.chars().peekable();
    let value = items(&mut characters, element)?;
    characters.next().is_none().then_some(value)
}

fn items(
    characters: &mut std::iter::Peekable<std::str::Chars<'_>>,
    element: &Type,
) -> Option<Value> {
    if characters.next()? != '{' {
        return None;
    }
    let mut values = Vec::new();
    if characters.peek() == Some(&'}') {
        characters.next();
        return Some(Value::Array(values));
    }
    loop {
        match characters.peek()? {
            '{' => values.push(items(characters, element)?),
            '"' => {
                characters.next();
                let mut item = String::new();
                loop {
                    match characters.next()? {
                        '"' => break,
                        '\\' => item.push(characters.next()?),
                        other => item.push(other),
                    }
                }
                values.push(json(Some(&item), element));
            }
            _ => {
                let mut item = String::new();
                while let Some(character) = characters.next_if(|next| !matches!(next, ',' | '}')) {
                    item.push(character);
                }
                values.push(if item == "NULL" {
                    Value::Null
                } else {
                    json(Some(&item), element)
                });
            }
        }
        match characters.next()? {
            ',' => {}
            '}' => return Some(Value::Array(values)),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json as j;

    #[test]
    fn names_become_numbers_outside_quotes_comments_casts_and_slices() {
        let bound = Bound::new(
            "SELECT ':a', \":a\", a::text, $$ :a $$, $x$ :a $x$, E'\\':a', arr[1:n] -- :a\n /* /* :a */ :a */ WHERE a = :a AND b=:b OR c = :a",
            &["a", "b"],
        );
        assert!(
            bound.text.ends_with("WHERE a = $1 AND b=$2 OR c = $3"),
            "{}",
            bound.text
        );
        assert!(bound.text.contains("arr[1:n] -- :a\n"));
        assert_eq!(bound.order, [0, 1, 0]);
    }

    #[test]
    fn places_are_those_of_the_spec() {
        let text = "SELECT ü WHERE a = :order_id AND nope = :b";
        let bound = Bound::new(text, &["order_id", "b"]);
        let sent = bound.text.chars().collect::<String>();
        let place = |needle: &str| sent[..sent.find(needle).unwrap()].chars().count();
        let original = |needle: &str| text[..text.find(needle).unwrap()].chars().count();
        for word in ["ü", "a =", "nope"] {
            assert_eq!(bound.original(place(word)), original(word), "{word}");
        }
        assert!(bound.original(place("$1")) >= original(":order_id"));
    }

    #[test]
    fn json_becomes_what_the_type_reads() {
        let of = |value: Value, wanted: Type| text(&value, &wanted);
        assert_eq!(of(j!(3.0), Type::INT8).as_deref(), Some("3"));
        assert_eq!(of(j!(3.5), Type::NUMERIC).as_deref(), Some("3.5"));
        assert_eq!(of(j!("a"), Type::JSONB).as_deref(), Some("\"a\""));
        assert_eq!(of(j!("a"), Type::TEXT).as_deref(), Some("a"));
        assert_eq!(of(j!(true), Type::BOOL).as_deref(), Some("true"));
        assert_eq!(of(j!(null), Type::JSON), None);
        assert_eq!(
            of(j!(["a\"b", null, "c\\"]), Type::TEXT_ARRAY).as_deref(),
            Some(r#"{"a\"b",NULL,"c\\"}"#)
        );
        assert_eq!(
            of(j!([[1, 2], [3, 4]]), Type::INT4_ARRAY).as_deref(),
            Some(r#"{{"1","2"},{"3","4"}}"#)
        );
    }

    #[test]
    fn values_become_json_and_keep_every_digit() {
        assert_eq!(json(Some("t"), &Type::BOOL), j!(true));
        assert_eq!(json(Some("9223372036854775807"), &Type::INT8), j!(i64::MAX));
        assert_eq!(json(Some("19.99"), &Type::NUMERIC), j!(19.99));
        assert_eq!(json(Some("100.00"), &Type::NUMERIC), j!(100.0));
        let long = "12345678901234567890.123456789";
        assert_eq!(json(Some(long), &Type::NUMERIC), j!(long));
        assert_eq!(json(Some("NaN"), &Type::FLOAT8), j!("NaN"));
        assert_eq!(
            json(Some("0.30000000000000004"), &Type::FLOAT8),
            j!(0.1 + 0.2)
        );
        assert_eq!(json(Some("{\"a\": [1]}"), &Type::JSONB), j!({"a": [1]}));
        assert_eq!(
            json(Some(r#"{{a,NULL},{"b \" c","{}"}}"#), &Type::TEXT_ARRAY),
            j!([["a", null], ["b \" c", "{}"]])
        );
        assert_eq!(json(Some("{}"), &Type::INT4_ARRAY), j!([]));
        assert_eq!(
            json(Some("[2:3]={1,2}"), &Type::INT4_ARRAY),
            j!("[2:3]={1,2}")
        );
        assert_eq!(json(None, &Type::TEXT), Value::Null);
    }
}
