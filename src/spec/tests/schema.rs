//! The JSON Schema in the tree.

use std::path::PathBuf;

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("venomqa.schema.json")
}

/// `VENOMQA_BLESS=1 cargo test schema` writes the file.
#[test]
fn the_schema_in_the_tree_is_that_of_the_types() {
    let text = format!(
        "{}\n",
        serde_json::to_string_pretty(&crate::spec::schema()).unwrap()
    );
    if std::env::var_os("VENOMQA_BLESS").is_some() {
        std::fs::write(file(), &text).unwrap();
    }
    let committed = std::fs::read_to_string(file()).unwrap_or_default();
    assert!(
        committed == text,
        "venomqa.schema.json is out of date: run `venomqa schema > venomqa.schema.json`"
    );
}

#[test]
fn no_key_may_be_null_and_none_may_be_unknown() {
    let text = crate::spec::schema().to_string();
    assert!(!text.contains("\"null\""), "{text}");
    assert!(text.contains("\"additionalProperties\":false"));
    assert_eq!(
        crate::spec::schema()["required"],
        serde_json::json!(["venomqa", "actions"])
    );
}
