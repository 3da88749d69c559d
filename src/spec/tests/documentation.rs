//! The examples of the documentation.

use super::*;
use crate::diagnostic::Code;

const PAGE: &str = include_str!("../../../docs/spec.md");

/// The YAML blocks, and the line each begins at. What a fragment leaves out of a whole spec is added.
fn blocks() -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut lines = PAGE.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(kind) = line.strip_prefix("```yaml") else {
            continue;
        };
        let mut text: String = lines
            .by_ref()
            .map(|(_, line)| line)
            .take_while(|line| *line != "```")
            .fold(String::new(), |text, line| text + line + "\n");
        if kind == " fragment" {
            let has = |key: &str| text.lines().any(|line| line.starts_with(key));
            let mut missing = String::new();
            if !has("http:") && !has("service:") {
                missing.push_str("http: { base_url: \"http://127.0.0.1:8080\" }\n");
            }
            if !has("restore:") && !has("systems:") && !has("service:") {
                missing.push_str("restore: none\n");
            }
            text = format!("venomqa: 1\n{missing}{text}");
        }
        blocks.push((number + 1, text));
    }
    blocks
}

#[test]
fn every_example_loads_without_a_word() {
    let blocks = blocks();
    assert!(blocks.len() > 10);
    for (line, text) in blocks {
        let loaded = crate::spec::parse(
            Path::new("docs/spec.md"),
            &text,
            &Environment {
                variable: &variable,
                overrides: &[],
                base_url: None,
                vocabulary: REAL,
            },
        );
        let said = render(&loaded.diagnostics, &loaded.sources, false);
        assert_eq!(said, "", "the example at line {line} of docs/spec.md");
    }
}

#[test]
fn every_key_and_every_code_is_in_the_page() {
    let schema = crate::spec::schema();
    let mut keys: Vec<String> = Vec::new();
    let mut objects = vec![&schema];
    objects.extend(schema["$defs"].as_object().unwrap().values());
    for object in objects {
        if let Some(properties) = object["properties"].as_object() {
            keys.extend(properties.keys().cloned());
        }
    }
    assert!(keys.len() > 50);
    for key in keys {
        let marks = ["`", "."].iter().any(|before| {
            ["`", ":", "."]
                .iter()
                .any(|after| PAGE.contains(&format!("{before}{key}{after}")))
        });
        assert!(marks, "docs/spec.md does not explain the key `{key}`");
    }
    for code in Code::ALL {
        assert!(
            PAGE.contains(&format!("`{code}`")),
            "docs/spec.md does not explain `{code}`"
        );
    }
}
