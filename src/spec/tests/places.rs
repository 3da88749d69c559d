//! Properties of the source map.

use proptest::prelude::*;
use serde_json::Value;

use crate::diagnostic::{Path as DocumentPath, SourceId, SourceMap};

fn keys() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,4}",
        "[a-zß ]{1,5}",
        "\\PC{0,6}",
        Just("<".to_owned())
    ]
}

/// The two parsers disagree about these: line breaks in YAML 1.1, letters in 1.2. Nobody writes them in a spec, and a
/// place that is not found falls back to what surrounds it.
fn is_disputed(text: &str) -> bool {
    text.contains(['\u{85}', '\u{2028}', '\u{2029}'])
}

fn documents() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        "([a-z {}:#'\"\n]|\\\\){0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((keys(), inner), 0..5)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

fn check(map: &SourceMap, text: &str, value: &Value, path: &DocumentPath) {
    let range = map
        .value(path)
        .unwrap_or_else(|| panic!("`{path}` is not in the index of:\n{text}"));
    assert!(text.get(range).is_some(), "`{path}`:\n{text}");
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                check(map, text, item, &path.index(index));
            }
        }
        Value::Object(object) => {
            for (key, item) in object {
                let path = path.key(key);
                assert!(map.key(&path).is_some(), "`{path}` has no key");
                check(map, text, item, &path);
            }
        }
        Value::String(content) => {
            // A part of a text lies within the text.
            let whole = map.value(path).unwrap();
            let inner = map.inside(path, content, &(0..content.len()));
            assert!(
                whole.start <= inner.start && inner.end <= whole.end,
                "`{path}`:\n{text}"
            );
        }
        _ => {}
    }
}

proptest! {
    // Enough to find what goes wrong at all, cheap enough for every run; PROPTEST_CASES asks for more.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn every_path_of_a_document_is_in_its_index(document in documents()) {
        let text = serde_yaml::to_string(&document).unwrap();
        prop_assume!(!is_disputed(&text));
        let (map, problems) = SourceMap::build(SourceId(0), &text);
        prop_assert_eq!(problems, vec![]);
        check(&map, &text, &document, &DocumentPath::root());
    }

    #[test]
    fn no_text_makes_the_loader_panic(text in "([a-z:\\-\\[\\]{}&*!|>'\"$ \n#,?]|<<|\\PC){0,80}") {
        let loaded = super::read(&text);
        prop_assert!(loaded.spec.is_none());
        prop_assert!(!super::render(&loaded.diagnostics, &loaded.sources, false).is_empty());
    }
}
