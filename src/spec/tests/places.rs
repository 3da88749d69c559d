//! Properties of the tree: the place of everything, and the values that another reader of YAML finds.

use proptest::prelude::*;
use serde_json::Value;

use crate::diagnostic::{Path as DocumentPath, SourceId};
use crate::spec::yaml::{self, Tree};

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

fn check(map: &Tree, text: &str, value: &Value, path: &DocumentPath) {
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

/// Pieces of YAML, put together without regard to sense.
fn yaml_like() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-c]: ",
        3 => Just("\n".to_owned()),
        3 => "\n {1,6}",
        3 => "- |\\? |: |, |\\[|\\]|\\{|\\}",
        2 => "&[xy] |\\*[xy]|<<: \\*[xy]|!!str |!!int ",
        2 => "\\|[-+]?\n +|>[-+]?\n +|---\n|\t|\r\n|# ",
        3 => scalars(),
        3 => "'[a ']{0,4}'|\"([a ]|\\\\n|\\\\x41){0,4}\"|[a-z ]{1,5}",
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn scalars() -> impl Strategy<Value = String> {
    prop_oneof![
        "[-+]?[0-9]{1,22}",
        "[-+.0-9eExob_af]{1,8}",
        "[-+]?0[xob][0-9a-f]{0,5}",
        "[-+]?\\.(inf|Inf|nan|NaN)|[-+]?(inf|nan|infinity)",
        "true|True|tRUE|false|FALSE|null|Null|nULL|~|yes|no",
    ]
}

/// What the parser of libyaml finds; `None` where it refuses the text or finds something that JSON does not have.
fn other_reader(text: &str) -> Option<Value> {
    let mut yaml: serde_yaml::Value = serde_yaml::from_str(text).ok()?;
    for _ in 0..8 {
        yaml.apply_merge().ok()?;
    }
    if yaml.is_null() && text.trim().is_empty() {
        return None;
    }
    let json = serde_json::to_value(&yaml).ok()?;
    let again: serde_yaml::Value = serde_yaml::to_value(&json).ok()?;
    (again == yaml).then_some(json)
}

proptest! {
    // Enough to find what goes wrong at all, cheap enough for every run; PROPTEST_CASES asks for more.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn every_path_of_a_document_is_in_its_index(document in documents()) {
        let text = serde_yaml::to_string(&document).unwrap();
        prop_assume!(!is_disputed(&text));
        let (map, problems) = Tree::parse(SourceId(0), &text);
        prop_assert_eq!(problems, vec![]);
        check(&map, &text, &document, &DocumentPath::root());
    }

    #[test]
    fn the_values_are_those_that_another_reader_finds(text in yaml_like()) {
        prop_assume!(!is_disputed(&text));
        let (tree, problems) = Tree::parse(SourceId(0), &text);
        if let (Some(read), true, Some(other)) = (tree.written(), problems.is_empty(), other_reader(&text)) {
            prop_assert_eq!(Value::from(&read), other, "{}", text);
        }
    }

    #[test]
    fn a_scalar_is_what_another_reader_takes_it_for(text in scalars()) {
        let other = other_reader(&text).filter(|other| !other.is_array() && !other.is_object());
        if let Some(other) = other {
            prop_assert_eq!(yaml::scalar(&text), other, "{}", text);
        }
    }

    #[test]
    fn no_text_makes_the_loader_panic(text in "([a-z:\\-\\[\\]{}&*!|>'\"$ \n#,?]|<<|\\PC){0,80}") {
        let loaded = super::read(&text);
        prop_assert!(loaded.spec.is_none());
        prop_assert!(!super::render(&loaded.diagnostics, &loaded.sources, false).is_empty());
    }
}
