//! What must hold for any bytes, one function for each thing that venomqa reads. Each panics where it does not hold.
//!
//! `libFuzzer` calls these functions (`fuzz_targets/`), and so do the ordinary tests, over the corpus and its mutations.

use std::io;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};
use venomqa::diagnostic::{Diagnostic, Sources, render};
use venomqa::event::Detail;
use venomqa::explorer::strategy;
use venomqa::expr::{Condition, EvalError, JsonPath, Lookup, Template};
use venomqa::model::{Body, OracleName};
use venomqa::oracle::checks;
use venomqa::report::{
    Console, Destination, Github, Html, Json, Junit, Markdown, Merge, Report, Reports, Sarif, log,
};
use venomqa::spec::reproduction::{CompiledReproduction, WriteOptions, outline, write};
use venomqa::spec::{Environment, Vocabulary, parse, parse_reproduction};

/// Something to try: its name is that of its folder in the corpus.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const ALL: [Target; 7] = [
    ("spec", spec),
    ("template", template),
    ("condition", condition),
    ("jsonpath", jsonpath),
    ("body", body),
    ("log", log),
    ("reproduction", reproduction),
];

/// A spec is read, or what is wrong with it can be drawn; and again with the same outcome.
pub fn spec(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let read = || {
        let loaded = parse(Path::new("specs/venomqa.yaml"), text, &environment());
        let drawn = drawn(&loaded.diagnostics, &loaded.sources);
        assert_eq!(
            loaded.spec.is_none(),
            loaded.diagnostics.iter().any(Diagnostic::is_error)
        );
        (loaded.spec.map(|spec| format!("{:?}", spec.model)), drawn)
    };
    assert_eq!(read(), read());
}

/// A template has an end, and yields as text what it yields as a value.
pub fn template(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let template = match Template::parse(text) {
        Ok(template) => template,
        Err(error) => return assert_within(text, &error.range),
    };
    assert!(
        template
            .requires()
            .iter()
            .all(|name| template.reads().contains(name))
    );
    let values = values();
    let value = template.evaluate(values);
    let rendered = template.render(values);
    match (value, rendered) {
        (Ok(Value::String(value)), Ok(rendered)) => assert_eq!(value, rendered),
        (Ok(value), Ok(rendered)) => assert_eq!(value.to_string(), rendered),
        (Err(EvalError { .. }), Err(EvalError { .. })) => {}
        (value, rendered) => panic!("as a value {value:?}, as text {rendered:?}"),
    }
}

/// A condition has an end, and the same outcome each time.
pub fn condition(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match Condition::parse(text) {
        Ok(condition) => {
            let values = values();
            assert_eq!(condition.holds(values), condition.holds(values));
        }
        Err(error) => assert_within(text, &error.range),
    }
}

/// A JSONPath (the first line) has an end on any document (the others).
pub fn jsonpath(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (query, document) = text.split_once('\n').unwrap_or((text, ""));
    let path = match JsonPath::parse(query) {
        Ok(path) => path,
        Err(error) => return assert_within(query, &error.range),
    };
    // Both are written into scripts.
    let _ = (path.to_jq(), path.to_jq_nodes());
    let document = serde_json::from_str(document).unwrap_or_else(|_| document_of_the_tests());
    if let Ok(nodes) = path.query(&document) {
        assert!(
            nodes.len() <= 1 || !path.is_singular(),
            "{} nodes",
            nodes.len()
        );
    }
}

/// The body of an answer (behind the first line, which is its `Content-Type`) is read, or it is said why not; what was read is
/// read as the same again.
pub fn body(data: &[u8]) {
    let at = data
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(data.len());
    let (head, rest) = data.split_at(at);
    let content_type = std::str::from_utf8(head)
        .ok()
        .filter(|head| !head.is_empty());
    let bytes = rest.get(1..).unwrap_or_default();
    let whole = Body::new(bytes).of_type(content_type);
    let _ = whole.text();
    match whole.read_json() {
        Ok(value) => {
            let again = Body::new(value.to_string().into_bytes());
            assert_eq!(again.read_json(), Ok(value));
        }
        Err(why) => assert!(!why.in_words().is_empty()),
    }
    let cut = Body::cut_at(bytes, bytes.len() as u64 + 1).of_type(content_type);
    let _ = cut.text();
    assert!(cut.read_json().is_err());
}

/// A run log is read, reported in every format, and merged with itself.
pub fn log(data: &[u8]) {
    let mut reports = reports();
    let mut replay = reports.log_replay();
    let read = log::read("a.log", data, |entry| {
        let _ = replay.entry(entry);
    });
    replay.end();
    let _ = reports.finish(0);
    let mut reports = self::reports();
    let mut merge = Merge::new(&reports);
    for name in ["a.log", "b.log"] {
        assert_eq!(merge.read(name, data).is_ok(), read.is_ok());
    }
    for run in merge.into_runs() {
        reports.report(run);
    }
    let _ = reports.finish(0);
}

/// A reproduction is read, and what is written of it is read as the same.
pub fn reproduction(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Some(case) = read_reproduction(text) else {
        return;
    };
    // The words of the scripts, or what a script cannot say.
    let _ = outline::outline(&case);
    let written = written(&case);
    let Some(first) = read_reproduction(&written) else {
        let loaded = parse_reproduction(Path::new(FILE), &written, &environment());
        panic!("{}\n{written}", drawn(&loaded.diagnostics, &loaded.sources));
    };
    // What the first writing takes out as a secret stays out.
    let twice = self::written(&first);
    let second = read_reproduction(&twice);
    let second = second.unwrap_or_else(|| panic!("{written}\nbecame\n{twice}"));
    assert_eq!(
        first.reproduction, second.reproduction,
        "{written}\nbecame\n{twice}"
    );
    assert_eq!(first.path, second.path, "{written}\nbecame\n{twice}");
    // The comment at the top names only what this writing has taken out.
    let body = |text: &str| {
        text.split_once("\nvenomqa: 1")
            .map(|(_, body)| body.to_owned())
    };
    assert_eq!(body(&written), body(&twice));
}

/// Where reproductions are.
const FILE: &str = ".venomqa/found.yaml";

fn read_reproduction(text: &str) -> Option<CompiledReproduction> {
    let loaded = parse_reproduction(Path::new(FILE), text, &environment());
    let _ = drawn(&loaded.diagnostics, &loaded.sources);
    loaded.case
}

fn written(case: &CompiledReproduction) -> String {
    let invariants = match &case.reproduction.oracle {
        OracleName::Invariant(name) => vec![name.clone()],
        OracleName::Check(_) => Vec::new(),
    };
    let options = WriteOptions {
        file: FILE,
        folder: "..",
        invariants: &invariants,
        secrets: &case.spec.world.secrets,
    };
    write(&case.spec, &case.reproduction, options)
}

/// Whether the place of an error is one that can be shown.
fn assert_within(text: &str, range: &std::ops::Range<usize>) {
    assert!(text.get(range.clone()).is_some(), "{range:?} of {text:?}");
}

fn drawn(diagnostics: &[Diagnostic], sources: &Sources) -> String {
    render(diagnostics, sources, false)
}

fn environment() -> Environment<'static> {
    Environment {
        // What was taken out of a reproduction as a secret, and one name more.
        variable: &|name| {
            (name == "HOME" || name.starts_with("VENOMQA_")).then(|| "a-value".to_owned())
        },
        overrides: &[],
        base_url: None,
        vocabulary: Vocabulary {
            strategies: strategy::NAMES,
            strategies_without_restore: &["random", "weighted"],
            checks: checks::NAMES,
        },
    }
}

fn reports() -> Reports {
    let sink = || Destination::stdout(Box::new(io::sink()));
    let reports: Vec<Box<dyn Report>> = vec![
        Box::new(Console::new(Box::new(io::sink()), true, 80)),
        Box::new(Json::new(sink())),
        Box::new(Html::new(sink())),
        Box::new(Junit::new(sink())),
        Box::new(Markdown::new(sink())),
        Box::new(Github::new(sink())),
        Box::new(Sarif::new(sink())),
    ];
    let reports = Reports::new(reports);
    assert!(reports.detail() > Detail::None);
    reports
}

/// A value of each kind, by names of one letter.
#[derive(Debug)]
struct Values(Value);

impl Lookup for Values {
    fn lookup(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }
}

fn values() -> &'static Arc<dyn Lookup> {
    static VALUES: LazyLock<Arc<dyn Lookup>> = LazyLock::new(|| {
        let long: Vec<usize> = (0..1000).collect();
        Arc::new(Values(json!({
            "a": null, "b": true, "i": -7, "u": u64::MAX, "f": 1.5, "s": "a text, \u{e9}", "l": [1, "two", [3]],
            "o": {"a": 1, "b": {"c": [2]}}, "n": long,
        })))
    });
    &VALUES
}

fn document_of_the_tests() -> Value {
    json!({
        "a": [{"b": 1, "c": "x"}, {"b": 2, "c": null}, [1, [2, [3, [4]]]]],
        "o": {"é": true, "first name": "y", "n": {"n": {"n": {"n": 1.5}}}},
    })
}
