//! What must hold for any bytes, one function for each thing that venomqa reads. Each panics where it does not hold.
//!
//! `libFuzzer` calls these functions (`fuzz_targets/`), and so do the ordinary tests, over the corpus and its mutations.

use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};
use venomqa::diagnostic::{Diagnostic, Sources, render};
use venomqa::event::Detail;
use venomqa::evidence::{self, Language};
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
pub const ALL: [Target; 8] = [
    ("spec", spec),
    ("template", template),
    ("condition", condition),
    ("jsonpath", jsonpath),
    ("body", body),
    ("log", log),
    ("reproduction", reproduction),
    ("script", script),
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
    // The scripts, or what a script cannot say.
    let _ = scripts(&case);
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

/// A text is a word of a shell script as it is, wherever the request has it, and no script has a line that a terminal or a CI server
/// would obey.
pub fn script(data: &[u8]) {
    // The empty word is left out here, and no word can hold the one or is so long.
    let Some(text) = std::str::from_utf8(data)
        .ok()
        .filter(|text| !text.is_empty() && !text.contains('\0') && text.len() < 4096)
    else {
        return;
    };
    let case = read_reproduction(&sending(text)).unwrap_or_else(|| panic!("{}", sending(text)));
    let [curl, hurl] = scripts(&case).map(Result::unwrap);
    for script in [&curl, &hurl] {
        for line in script.lines() {
            let is_command = ["::", "##["]
                .iter()
                .any(|start| line.trim_start().starts_with(start));
            let is_obeyed = line.contains(|letter: char| letter.is_control() && letter != '\t');
            assert!(!is_command && !is_obeyed, "{line:?}");
        }
    }
    let sent = |title: &str| {
        let start = curl.find(&format!("\nrequest {title} ")).unwrap();
        let words = words(&curl[start + 1..]);
        move |option: &str| {
            let mut behind = words.iter().skip_while(|word| *word != option);
            behind.nth(1).cloned()
        }
    };
    let as_text = sent("one");
    assert_eq!(as_text("--data-raw").as_deref(), Some(text));
    if !text.trim().is_empty() {
        assert_eq!(as_text("--header"), Some(format!("X-H: {text}")));
    }
    let json = sent("two")("--data-raw").and_then(|json| serde_json::from_str::<Value>(&json).ok());
    assert_eq!(json, Some(json!({ "x": text, "y": format!("<{text}>") })));
}

/// Both scripts, or why there is none.
fn scripts(case: &CompiledReproduction) -> [Result<String, String>; 2] {
    [Language::Curl, Language::Hurl].map(|language| {
        let outline = outline::outline(case)?;
        evidence::script(language, &case.reproduction, &outline)
    })
}

/// A reproduction that sends a text.
fn sending(text: &str) -> String {
    let mut quoted = String::new();
    for letter in text.replace("${", "$${").chars() {
        // Writing to a string cannot fail.
        let _ = write!(quoted, "\\U{:08x}", u32::from(letter));
    }
    format!(
        "
venomqa: 1
name: a
reproduction: {{ check: server-error, severity: high, message: \"{quoted}\", confirmed: 3 of 3, folder: . }}
path: [{{ action: one, status: 200 }}, {{ action: two, status: 500 }}]
http: {{ base_url: \"http://127.0.0.1:9\" }}
restore: none
variables: {{ c: \"{quoted}\" }}
actions:
  - {{ name: one, request: {{ method: POST, path: /, headers: {{ X-H: \"{{{{ c }}}}\" }}, text: \"{{{{ c }}}}\" }} }}
  - {{ name: two, request: {{ method: POST, path: \"/{{{{ c }}}}\", query: {{ q: \"{{{{ c }}}}\" }}, json: {{ x: \"{{{{ c }}}}\", y: \"<{{{{ c }}}}>\" }} }} }}
"
    )
}

/// The words of a command up to its end, as a shell reads them. The only commands within it print bytes.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![Vec::new()];
    let mut in_quotes = false;
    let mut rest = command;
    while let Some(letter) = rest.chars().next() {
        rest = &rest[letter.len_utf8()..];
        let word = words.last_mut().unwrap();
        match letter {
            '\'' if !in_quotes => {
                let (inner, behind) = rest.split_once('\'').unwrap();
                word.extend(inner.bytes());
                rest = behind;
            }
            '"' => in_quotes = !in_quotes,
            '\\' if rest.starts_with('\n') => rest = &rest[1..],
            '\\' if !in_quotes || rest.starts_with(['"', '\\', '$', '`']) => {
                let next = rest.chars().next().unwrap();
                word.extend(next.to_string().bytes());
                rest = &rest[next.len_utf8()..];
            }
            '$' => {
                let printed = rest
                    .strip_prefix("(printf '\\")
                    .map(|rest| rest.split_once("')").unwrap());
                let Some((octal, behind)) = printed else {
                    // A variable of the script.
                    word.push(b'$');
                    continue;
                };
                word.extend(
                    octal
                        .split('\\')
                        .map(|byte| u8::from_str_radix(byte, 8).unwrap()),
                );
                rest = behind;
            }
            '`' => panic!("a command in {command}"),
            '\n' if !in_quotes => break,
            ' ' if !in_quotes => words.push(Vec::new()),
            other => word.extend(other.to_string().bytes()),
        }
    }
    words.retain(|word| !word.is_empty());
    words
        .into_iter()
        .map(|word| String::from_utf8(word).unwrap())
        .collect()
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
