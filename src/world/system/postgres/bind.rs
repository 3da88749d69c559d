//! The parameters of a query: `:name` in the spec, `$1` on the wire; and JSON values as PostgreSQL reads them.

use bytes::BytesMut;
use serde_json::Value;
use tokio_postgres::types::{Format, IsNull, Kind, ToSql, Type};

use crate::model::SqlQuery;

/// A query as PostgreSQL takes it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bound {
    /// The text with `$1`, `$2`, ... in the place of names; each occurrence has its own number, so that one name may
    /// stand where different types are asked for.
    pub(super) text: String,
    /// For each number, the position of its name among the parameters.
    pub(super) order: Vec<usize>,
    /// Where pieces of the original begin, in characters: in `text`, in the original.
    pieces: Vec<(usize, usize)>,
}

impl Bound {
    pub(super) fn new(query: &SqlQuery) -> Self {
        let mut pieces = vec![(0, 0)];
        let text = written(query, |position, before| {
            let number = format!("${}", position + 1);
            let (sent, read) = pieces[position];
            let (before, name) = (
                before.chars().count(),
                &query.text[query.places[position].0.clone()],
            );
            pieces.push((
                sent + before + number.len(),
                read + before + name.chars().count(),
            ));
            number
        });
        Self {
            text,
            order: query
                .places
                .iter()
                .map(|(_, parameter)| *parameter)
                .collect(),
            pieces,
        }
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

/// The text of a query with something in the place of each name, made from the number of its place and the text between
/// the name before and this one.
pub(super) fn written(query: &SqlQuery, mut replace: impl FnMut(usize, &str) -> String) -> String {
    let mut text = String::with_capacity(query.text.len());
    let mut copied = 0;
    for (number, (place, _)) in query.places.iter().enumerate() {
        let before = &query.text[copied..place.start];
        text.push_str(before);
        text.push_str(&replace(number, before));
        copied = place.end;
    }
    text.push_str(&query.text[copied..]);
    text
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

/// A number with all its digits; its text where JSON has no such number (`NaN`, `Infinity`).
fn number(text: &str) -> Value {
    text.parse::<serde_json::Number>()
        .map_or_else(|_| text.into(), Value::Number)
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
    use crate::expr::Dialect;
    use serde_json::json as j;

    fn query(text: &str, names: &[&str]) -> SqlQuery {
        SqlQuery::for_tests(Dialect::Postgres, text, names)
    }

    #[test]
    fn each_occurrence_of_a_name_has_its_own_number() {
        let bound = Bound::new(&query(
            "SELECT ':a' -- :a\n WHERE a = :a AND b=:b OR c = :a",
            &["a", "b"],
        ));
        assert_eq!(
            bound.text,
            "SELECT ':a' -- :a\n WHERE a = $1 AND b=$2 OR c = $3"
        );
        assert_eq!(bound.order, [0, 1, 0]);
    }

    #[test]
    fn places_are_those_of_the_spec() {
        let text = "SELECT ü WHERE a = :order_id AND nope = :b";
        let bound = Bound::new(&query(text, &["order_id", "b"]));
        let place = |text: &str, needle: &str| text[..text.find(needle).unwrap()].chars().count();
        for word in ["ü", "a =", "nope"] {
            assert_eq!(
                bound.original(place(&bound.text, word)),
                place(text, word),
                "{word}"
            );
        }
        assert!(bound.original(place(&bound.text, "$1")) >= place(text, ":order_id"));
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
        for digits in ["100.00", "12345678901234567890.123456789", "-0.10"] {
            let number = json(Some(digits), &Type::NUMERIC);
            assert!(number.is_number());
            assert_eq!(number.to_string(), digits);
        }
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
