//! Takes secrets out of whatever can be serialised: a field that is added later cannot be forgotten.
//!
//! A value is serialised, every text, key and number in it is hidden where it is a secret or stands under a name that says
//! so, and the value is read back. Names of structures and of their variants are the format's own words and stay.

use std::fmt::Display;

use serde::de::DeserializeOwned;
use serde::ser::{self, Serialize, Serializer};
use serde_json::{Error, Map, Value};

use super::names::{is_secret_field, is_secret_header, is_secret_name, is_secret_number};
use super::values::Scope;
use super::{REDACTED, Secrets};
use crate::model::json::{NUMBER, with_long_numbers};

/// The name under which [`as_format`] passes a value on.
const FORMAT: &str = "venomqa::Format";
/// The name under which [`as_data`] passes a value on.
const DATA: &str = "venomqa::Data";

/// Fields that hold the variant of an enum, by structure. They hold words of the format, and could not be read back if
/// such a word were a secret.
const TAGS: [(&str, &str); 2] = [("Stop", "reason"), ("Evidence", "kind")];

/// A value that is venomqa's own (a digest) or a word of the spec (the name of an action): it is never hidden, so reports can
/// join by names.
pub(crate) struct Format<'v, T: ?Sized>(pub(crate) &'v T);

impl<T: Serialize + ?Sized> Serialize for Format<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        as_format(self.0, serializer)
    }
}

/// For `serialize_with`: see [`Format`].
pub(crate) fn as_format<T: Serialize + ?Sized, S: Serializer>(
    value: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_newtype_struct(FORMAT, value)
}

/// Fields with maps whose keys are names of variables or columns.
const KEYS_ARE_NAMES: [&str; 3] = ["before", "after", "extracted"];

/// For `serialize_with`: where the value is a number it comes from outside, and may be a secret. Numbers in lists and maps
/// need not be marked.
pub(crate) fn as_data<T: Serialize + ?Sized, S: Serializer>(
    value: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_newtype_struct(DATA, value)
}

impl Secrets {
    /// The same value without secrets. It fails only where a word of the format itself had to be hidden.
    pub(crate) fn hidden<T: Serialize + DeserializeOwned>(&self, value: &T) -> Result<T, Error> {
        T::deserialize(with_long_numbers(value.serialize(Hider::new(self))?))
    }

    /// Whether a value under this name is hidden for its name alone.
    fn hides_by_name(&self, name: &str, value: &Value) -> bool {
        match value {
            Value::Null => false,
            _ if self.has_name(name) => true,
            Value::String(text) => !text.is_empty() && is_secret_field(name),
            Value::Number(_) => is_secret_number(name),
            _ => false,
        }
    }

    /// Hides a value for its name, and what it consists of if it is a list or an object.
    fn hide_if_named(&self, name: &str, value: &mut Value) {
        if self.hides_by_name(name, value) {
            *value = REDACTED.into();
            return;
        }
        let parts: &mut dyn Iterator<Item = &mut Value> = match value {
            Value::Array(items) => &mut items.iter_mut(),
            Value::Object(fields) => &mut fields.values_mut(),
            _ => return,
        };
        if is_secret_field(name) {
            parts.for_each(|part| self.hide_if_named(name, part));
        }
    }

    /// Hides what the parts of an object say about each other: a header or parameter (`name`, `value`), and the rows of a
    /// table below the names of its columns (`columns`, `rows`).
    fn hide_by_neighbours(&self, fields: &mut Map<String, Value>) {
        if let (Some(Value::String(name)), Some(Value::String(_))) =
            (fields.get("name"), fields.get("value"))
            && (self.has_name(name) || is_secret_header(name))
        {
            fields.insert("value".to_owned(), REDACTED.into());
        }
        let Some(Value::Array(columns)) = fields.get("columns").cloned() else {
            return;
        };
        let Some(Value::Array(rows)) = fields.get_mut("rows") else {
            return;
        };
        for cells in rows.iter_mut().filter_map(Value::as_array_mut) {
            for (column, cell) in columns.iter().zip(cells) {
                if let Value::String(column) = column {
                    self.hide_if_named(column, cell);
                }
            }
        }
    }
}

/// Hides the variables whose names say that they are secret.
fn hide_variables(variables: &mut Value) {
    for (name, value) in variables.as_object_mut().into_iter().flatten() {
        if value.is_string() && is_secret_name(name) {
            *value = REDACTED.into();
        }
    }
}

/// A serializer into JSON values without secrets.
#[derive(Clone, Copy)]
struct Hider<'s> {
    secrets: &'s Secrets,
    /// Whether a number here comes from outside. A number of the format itself counts or measures something, and is no
    /// secret even where it is equal to one.
    is_data: bool,
    /// Whether the keys of a map here are words of the spec or of the database: names of variables or columns.
    keeps_keys: bool,
}

impl<'s> Hider<'s> {
    fn new(secrets: &'s Secrets) -> Self {
        Self {
            secrets,
            is_data: false,
            keeps_keys: false,
        }
    }

    fn data(secrets: &'s Secrets) -> Self {
        Self {
            secrets,
            is_data: true,
            keeps_keys: false,
        }
    }

    fn text(self, text: &str) -> Value {
        self.secrets.hide(text).into_owned().into()
    }

    /// A number is secret as a whole or not at all.
    fn number(self, number: Value) -> Value {
        let is_secret = self.is_data
            && self.secrets.values().scope(&number.to_string()) == Some(Scope::Everywhere);
        if is_secret { REDACTED.into() } else { number }
    }

    fn parts(self, variant: Option<&'static str>, structure: &'static str) -> Parts<'s> {
        Parts {
            hider: self,
            variant,
            structure,
            items: Vec::new(),
            number: None,
            fields: Map::new(),
            key: String::new(),
            keeps_keys: false,
        }
    }
}

/// A list, map or structure under way.
struct Parts<'s> {
    hider: Hider<'s>,
    /// The variant of an enum that it is the content of.
    variant: Option<&'static str>,
    structure: &'static str,
    items: Vec<Value>,
    /// The number that it is.
    number: Option<Value>,
    fields: Map<String, Value>,
    /// The key whose value comes next, as it is.
    key: String,
    keeps_keys: bool,
}

impl Parts<'_> {
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.items.push(value.serialize(self.hider)?);
        Ok(())
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        if self.structure == NUMBER {
            let digits = serde_json::to_value(value)?;
            let number = digits.as_str().and_then(|digits| digits.parse().ok());
            self.number = Some(
                self.hider
                    .number(Value::Number(number.unwrap_or_else(|| 0.into()))),
            );
            return Ok(());
        }
        let value = if (name == "event" && self.fields.is_empty())
            || TAGS.contains(&(self.structure, name))
        {
            serde_json::to_value(value)?
        } else if self.is_cut_off(name) {
            let beginning = serde_json::to_value(value)?;
            let text = beginning.as_str().unwrap_or_default();
            self.hider.secrets.hide_beginning(text).into()
        } else {
            let mut value = value.serialize(Hider {
                keeps_keys: KEYS_ARE_NAMES.contains(&name),
                ..Hider::new(self.hider.secrets)
            })?;
            // What the format calls its fields is not what the spec calls secret.
            if value.is_string() && is_secret_field(name) {
                value = REDACTED.into();
            }
            if name == "extracted" {
                hide_variables(&mut value);
            }
            value
        };
        self.fields.insert(name.to_owned(), value);
        Ok(())
    }

    /// Whether this is the text of a body of which not everything was kept.
    fn is_cut_off(&self, name: &str) -> bool {
        (self.structure, name) == ("Body", "text") && self.fields.get("cut") == Some(&true.into())
    }

    fn finished(self, value: Value) -> Value {
        match self.variant {
            Some(variant) => Map::from_iter([(variant.to_owned(), value)]).into(),
            None => value,
        }
    }

    fn list(mut self) -> Value {
        let items = std::mem::take(&mut self.items);
        self.finished(items.into())
    }

    fn object(mut self) -> Value {
        if let Some(number) = self.number.take() {
            return self.finished(number);
        }
        let mut fields = std::mem::take(&mut self.fields);
        self.hider.secrets.hide_by_neighbours(&mut fields);
        self.finished(fields.into())
    }
}

impl<'s> Serializer for Hider<'s> {
    type Ok = Value;
    type Error = Error;
    type SerializeSeq = Parts<'s>;
    type SerializeTuple = Parts<'s>;
    type SerializeTupleStruct = Parts<'s>;
    type SerializeTupleVariant = Parts<'s>;
    type SerializeMap = Parts<'s>;
    type SerializeStruct = Parts<'s>;
    type SerializeStructVariant = Parts<'s>;

    fn serialize_bool(self, value: bool) -> Result<Value, Error> {
        Ok(value.into())
    }

    fn serialize_i8(self, value: i8) -> Result<Value, Error> {
        Ok(self.number(value.into()))
    }

    fn serialize_i16(self, value: i16) -> Result<Value, Error> {
        Ok(self.number(value.into()))
    }

    fn serialize_i32(self, value: i32) -> Result<Value, Error> {
        Ok(self.number(value.into()))
    }

    fn serialize_i64(self, value: i64) -> Result<Value, Error> {
        Ok(self.number(value.into()))
    }

    fn serialize_u8(self, value: u8) -> Result<Value, Error> {
        Ok(self.number(value.into()))
    }

    fn serialize_u16(self, value: u16) -> Result<Value, Error> {
        Ok(self.number(value.into()))
    }

    fn serialize_u32(self, value: u32) -> Result<Value, Error> {
        Ok(self.number(value.into()))
    }

    fn serialize_u64(self, value: u64) -> Result<Value, Error> {
        Ok(self.number(value.into()))
    }

    fn serialize_f32(self, value: f32) -> Result<Value, Error> {
        Ok(self.number(value.into()))
    }

    fn serialize_f64(self, value: f64) -> Result<Value, Error> {
        Ok(self.number(value.into()))
    }

    fn serialize_char(self, value: char) -> Result<Value, Error> {
        Ok(self.text(value.encode_utf8(&mut [0; 4])))
    }

    fn serialize_str(self, value: &str) -> Result<Value, Error> {
        Ok(self.text(value))
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<Value, Error> {
        Ok(self.text(&value.to_string()))
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Value, Error> {
        Ok(self.text(&String::from_utf8_lossy(value)))
    }

    fn serialize_none(self) -> Result<Value, Error> {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value, Error> {
        Ok(Value::Null)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<Value, Error> {
        Ok(Value::Null)
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<Value, Error> {
        Ok(variant.into())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<Value, Error> {
        match name {
            FORMAT => serde_json::to_value(value),
            DATA => value.serialize(Self::data(self.secrets)),
            _ => value.serialize(self),
        }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, Error> {
        let content = value.serialize(self)?;
        Ok(self.parts(Some(variant), name).finished(content))
    }

    fn serialize_seq(self, _length: Option<usize>) -> Result<Parts<'s>, Error> {
        Ok(Self::data(self.secrets).parts(None, ""))
    }

    fn serialize_tuple(self, _length: usize) -> Result<Parts<'s>, Error> {
        Ok(Self::new(self.secrets).parts(None, ""))
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        _length: usize,
    ) -> Result<Parts<'s>, Error> {
        Ok(Self::new(self.secrets).parts(None, name))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Parts<'s>, Error> {
        Ok(Self::new(self.secrets).parts(Some(variant), name))
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<Parts<'s>, Error> {
        Ok(Parts {
            keeps_keys: self.keeps_keys,
            ..Self::data(self.secrets).parts(None, "")
        })
    }

    fn serialize_struct(self, name: &'static str, _length: usize) -> Result<Parts<'s>, Error> {
        Ok(self.parts(None, name))
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Parts<'s>, Error> {
        Ok(self.parts(Some(variant), name))
    }
}

/// The parts of a list, whatever kind of list it is.
macro_rules! list {
    ($($kind:ident $add:ident),*) => {$(
        impl ser::$kind for Parts<'_> {
            type Ok = Value;
            type Error = Error;

            fn $add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.item(value)
            }

            fn end(self) -> Result<Value, Error> {
                Ok(self.list())
            }
        }
    )*};
}

list!(
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field
);

/// The fields of a structure, alone or in a variant.
macro_rules! structure {
    ($($kind:ident),*) => {$(
        impl ser::$kind for Parts<'_> {
            type Ok = Value;
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Error> {
                self.field(name, value)
            }

            fn end(self) -> Result<Value, Error> {
                Ok(self.object())
            }
        }
    )*};
}

structure!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Parts<'_> {
    type Ok = Value;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.key = match serde_json::to_value(key)? {
            Value::String(key) => key,
            other => other.to_string(),
        };
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let mut value = value.serialize(self.hider)?;
        self.hider.secrets.hide_if_named(&self.key, &mut value);
        let key = if self.keeps_keys {
            self.key.clone()
        } else {
            self.hider.secrets.hide(&self.key).into_owned()
        };
        self.fields.insert(key, value);
        Ok(())
    }

    fn end(self) -> Result<Value, Error> {
        Ok(self.object())
    }
}
