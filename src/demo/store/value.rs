//! What goes into a statement and comes out of a row.

use std::borrow::Cow;

use super::Failure;

/// A value of a column or a placeholder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::demo) enum Value<'a> {
    Null,
    Integer(i64),
    Text(Cow<'a, str>),
}

/// A row that a query found.
#[derive(Debug)]
pub(in crate::demo) struct Row(pub(super) Vec<Value<'static>>);

/// What a column can be read as.
pub(in crate::demo) trait FromValue: Sized {
    /// `None` where the value is of another kind.
    fn from_value(value: &Value<'_>) -> Option<Self>;
}

impl Row {
    /// The value of a column, counted from 0.
    pub(in crate::demo) fn get<T: FromValue>(&self, column: usize) -> Result<T, Failure> {
        let value = self.0.get(column);
        value
            .and_then(T::from_value)
            .ok_or_else(|| Failure(format!("column {column} holds {value:?}")))
    }
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(Cow::Borrowed(value))
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(value: &'a String) -> Self {
        Self::from(value.as_str())
    }
}

impl FromValue for i64 {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        match value {
            Value::Integer(value) => Some(*value),
            _ => None,
        }
    }
}

impl FromValue for bool {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        i64::from_value(value).map(|value| value != 0)
    }
}

impl FromValue for String {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        match value {
            Value::Text(value) => Some(value.clone().into_owned()),
            _ => None,
        }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &Value<'_>) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}
