//! The JSON Schema of a spec, from the document types: editors complete and check YAML with it.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use serde_json::Value;

use super::document::Document;

/// The JSON Schema (draft 2020-12) of the spec format.
pub fn schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.root_schema_for::<Document>();
    RecursiveTransform(without_null).transform(&mut schema);
    schema.insert("title".to_owned(), "venomqa spec".into());
    // The document has them as options, to distinguish an absent key from a wrong value.
    schema.insert(
        "required".to_owned(),
        serde_json::json!(["venomqa", "actions"]),
    );
    // Keys for anchors to merge from.
    schema.insert(
        "patternProperties".to_owned(),
        serde_json::json!({ "^x-": true }),
    );
    schema.to_value()
}

/// `Option` means that a key may be left out, never that it may be null: a key with nothing behind it is a mistake.
fn without_null(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if object.get("default") == Some(&Value::Null) {
        object.remove("default");
    }
    let Some(Value::Array(any)) = object.get_mut("anyOf") else {
        return;
    };
    any.retain(|one| one.get("type") != Some(&Value::from("null")));
    if let [only] = any.as_slice()
        && let Value::Object(only) = only.clone()
    {
        object.remove("anyOf");
        for (key, value) in only {
            object.entry(key).or_insert(value);
        }
    }
}
