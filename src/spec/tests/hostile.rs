//! Texts that are no specs: too deep, too big, not even text.

use std::fmt::Write as _;

use super::*;
use crate::spec::load;

fn load_bytes(name: &str, bytes: &[u8]) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    load_path(&path)
}

fn load_path(path: &Path) -> Loaded {
    load(
        path,
        &Environment {
            variable: &variable,
            overrides: &[],
            base_url: None,
            vocabulary: VOCABULARY,
        },
    )
}

#[test]
fn a_missing_file_and_a_directory_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = load_path(&folder.path().join("venomqa.yaml"));
    assert!(
        missing.diagnostics[0]
            .message
            .starts_with("there is no file `")
    );
    let directory = load_path(folder.path());
    assert!(
        directory.diagnostics[0]
            .message
            .ends_with("is a directory, not a spec")
    );
    assert!(missing.spec.is_none() && directory.spec.is_none());
    let text = render(&missing.diagnostics, &missing.sources, false);
    assert!(text.contains("venomqa init"), "{text}");
}

#[test]
fn a_file_that_is_too_large_for_a_spec_is_not_read_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    // Sparse: it takes no room.
    std::fs::File::create(&path)
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    let loaded = load_path(&path);
    assert_eq!(loaded.diagnostics.len(), 1);
    assert!(
        loaded.diagnostics[0]
            .message
            .ends_with("is larger than 50 MB")
    );
}

#[test]
fn a_byte_that_is_not_utf_8_is_pointed_at() {
    let loaded = load_bytes("a.yaml", b"venomqa: 1\nname: caf\xe9\n");
    assert_eq!(loaded.diagnostics.len(), 1);
    let label = &loaded.diagnostics[0].labels[0];
    assert_eq!(
        loaded
            .sources
            .line_and_column(label.source, label.range.start),
        Some((2, 10))
    );
    assert!(render(&loaded.diagnostics, &loaded.sources, false).contains("not UTF-8"));
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_no_problem() {
    let text = format!("\u{feff}{}", ORDERS.trim_start().replace('\n', "\r\n"));
    let loaded = load_bytes("a.yaml", text.as_bytes());
    assert_eq!(render(&loaded.diagnostics, &loaded.sources, false), "");
    assert!(loaded.spec.is_some());
}

#[test]
fn deep_nesting_is_refused_and_overflows_nothing() {
    for text in [
        "[".repeat(200_000),
        format!("a: {}", "{a: ".repeat(20_000)),
        format!("{}x", "- ".repeat(100_000)),
        (0..2000).fold(String::new(), |text, depth| {
            text + &" ".repeat(depth) + "a:\n"
        }),
    ] {
        let loaded = read(&text);
        assert!(loaded.spec.is_none());
        assert!(!render(&loaded.diagnostics, &loaded.sources, false).is_empty());
    }
}

#[test]
fn a_bomb_of_aliases_is_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        writeln!(text, "a{level}: &a{level} [{aliases}]").unwrap();
    }
    let loaded = read(&text);
    assert!(loaded.spec.is_none());
    assert_eq!(loaded.diagnostics.len(), 1, "{:?}", loaded.diagnostics);
}

#[test]
fn aliases_that_nest_or_merge_without_end_are_refused() {
    let chain = |first: &str, next: &dyn Fn(usize) -> String| {
        (1..20_000).fold(first.to_owned(), |text, level| text + &next(level))
    };
    for text in [
        chain("a0: &a0 [x]\n", &|level| {
            format!("a{level}: &a{level} [*a{}]\n", level - 1)
        }),
        chain("a0: &a0 { k0: x }\n", &|level| {
            format!(
                "a{level}: &a{level} {{ <<: *a{}, k{level}: x }}\n",
                level - 1
            )
        }),
        chain("a0: &a0 { k: x }\n", &|level| {
            let again = format!("*a{}", level - 1);
            format!("a{level}: &a{level} {{ <<: [{again}, {again}], k: {again} }}\n")
        }),
    ] {
        let loaded = read(&text);
        assert!(loaded.spec.is_none());
        assert_eq!(loaded.diagnostics.len(), 1, "{:?}", loaded.diagnostics);
    }
}

#[test]
fn a_scalar_and_a_mapping_of_any_size_are_read_in_linear_time() {
    let keys = (0..50_000).fold(String::new(), |text, key| text + &format!("  k{key}: 1\n"));
    let text = format!("x-keys:\n{keys}x-text: \"{}\"\n", "\\u00e9".repeat(100_000));
    let loaded = read(&(text + &sound("actions: [{ name: a, request: { path: / } }]")));
    assert_eq!(render(&loaded.diagnostics, &loaded.sources, false), "");
}

#[test]
fn an_sql_text_of_any_length_is_read_in_linear_time() {
    let long = |link: &str| {
        sound(&format!(
            "systems: {{ db: {{ sqlite: a.db }} }}\nactions: [{{ name: a, request: {{ path: / }} }}]\n\
             invariants: [{{ name: i, sql: \"select 1{}\" }}]",
            link.repeat(20_000)
        ))
    };
    for link in [" + 1", " union select 1", "/*", "(", " || ''"] {
        assert!(read(&long(link)).diagnostics.is_empty(), "{link}");
    }
    // Twenty places are enough to see the mistake.
    assert_eq!(read(&long(" + ?")).diagnostics.len(), 20);
}

#[test]
fn expressions_that_nest_or_chain_without_end_are_pointed_at() {
    let chain = "+1".repeat(20_000);
    let calls = "length(".repeat(100);
    for (text, code) in [
        (
            format!("{{ name: a, request: {{ path: \"/{{{{ 1{chain} }}}}\" }} }}"),
            "bad-template",
        ),
        (
            format!("{{ name: a, request: {{ path: / }}, preconditions: [\"1{chain} > 1\"] }}"),
            "bad-condition",
        ),
        (
            format!("{{ name: a, request: {{ path: / }}, extract: {{ x: \"$[?{calls}@.a]\" }} }}"),
            "bad-jsonpath",
        ),
    ] {
        let found = listed(&sound(&format!("actions: [{text}]")));
        assert_eq!(found.len(), 1);
        assert!(found[0].contains(code) && found[0].len() < 300, "{found:?}");
    }
}

#[test]
fn parameters_that_explode_are_refused() {
    let list = (0..100)
        .map(|n| n.to_string())
        .collect::<Vec<_>>()
        .join(", ");
    let found = listed(&sound(&format!(
        "actions: [{{ name: a, request: {{ path: / }}, parameters: {{ a: [{list}], b: [{list}], c: [{list}] }} }}]"
    )));
    assert_eq!(found.len(), 1);
    assert!(
        found[0].ends_with("these parameters make more than 10000 actions"),
        "{found:?}"
    );
}

#[test]
fn five_thousand_actions_are_read_and_each_mistake_in_them_is_found() {
    let mut text = sound("actions:");
    for number in 0..5000 {
        let before = if number == 0 {
            String::new()
        } else {
            format!("a{}", number - 1)
        };
        write!(
            text,
            "  - name: a{number}\n    preconditions: [{before}]\n    request: {{ method: POST, path: \"/x/{{{{ id }}}}\", json: {{ n: \"{{{{ id }}}}\" }} }}\n    extract: {{ v{number}: $.id }}\n"
        )
        .unwrap();
    }
    text.push_str("setup: [{ request: { path: / }, extract: { id: $.id } }]\n");
    let loaded = read(&text);
    assert_eq!(loaded.spec.unwrap().model.actions.len(), 5000);
    let wrong = text.replace("method: POST", "methud: POST");
    assert_eq!(read(&wrong).diagnostics.len(), 5000);
    let unknown = text.replace("n: \"{{ id }}\"", "n: \"{{ di }}\"");
    assert_eq!(read(&unknown).diagnostics.len(), 5000);
}
