//! Text that a terminal or a CI server would obey, pushed through every channel into every format.

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode};
use axum::response::IntoResponse as _;

use crate::support::{Database, Finished, Sandbox, Server};

/// Escape codes, C1, directions, letters without width, line separators, and commands at every place where a line could
/// begin.
const HOSTILE: &str = "::error::x \u{1b}[38;5;201m\u{1b}[8m\u{1b}]0;t\u{7}\u{9b}2J\u{85}::warning::y\r::debug::z\u{2028}\u{202e}\u{200b}\u{feff}\u{7f} ##[error]a ##vso[task.complete]b";
const FORMATS: [&str; 8] = [
    "console", "json", "log", "html", "junit", "markdown", "github", "sarif",
];

/// The hostile text as YAML has it, many times over so that it is wrapped at every word.
fn yaml(lines: bool) -> String {
    let between = if lines { "\n  " } else { " " };
    let text = [HOSTILE; 4].join(between);
    serde_json::Value::from(text)
        .to_string()
        .chars()
        .flat_map(|letter| match letter {
            ' '..='~' => vec![letter],
            other => format!("\\u{:04x}", u32::from(other)).chars().collect(),
        })
        .collect()
}

/// Fails where something of the output would be obeyed. `decorated`: escape codes that set colours are fine.
#[track_caller]
fn assert_harmless(output: &str, what: &str, decorated: bool) {
    let plain = if decorated {
        let colours =
            regex::Regex::new("\u{1b}\\[(?:[0-4]|[349][0-7]|39|49)?(?:;[0-9]+)*m").unwrap();
        assert!(
            !output.contains("\u{1b}[38;5;201") && !output.contains("\u{1b}[8m"),
            "{what}: {output}"
        );
        colours.replace_all(output, "").into_owned()
    } else {
        output.to_owned()
    };
    let is_obeyed = |letter: char| {
        letter.is_control() && letter != '\n' && letter != '\t'
            || "\u{2028}\u{202e}\u{200b}\u{feff}".contains(letter)
    };
    for line in plain.split('\n') {
        assert!(!line.contains(is_obeyed), "{what}: {line:?}");
        let own = ["::error file=", "::warning file=", "::notice file="];
        let is_own = what.contains("github") && own.iter().any(|start| line.starts_with(start));
        // The style sheet of the page is no text of others.
        let is_style =
            what.contains("html") && line.trim_start().starts_with("::") && line.contains('{');
        let is_command = line.trim_start().starts_with("::") && !is_own && !is_style;
        assert!(!is_command, "{what}: {line}");
        assert!(
            is_own || !line.contains("##[") && !line.contains("##vso["),
            "{what}: {line}"
        );
    }
}

#[track_caller]
fn assert_finished(finished: &Finished, what: &str) {
    assert_harmless(&finished.stdout, what, false);
    assert_harmless(&finished.stderr, &format!("stderr of {what}"), false);
}

fn server() -> Server {
    Server::start(Router::new().fallback(async |request: Request| {
        let path = request.uri().path().to_owned();
        let text = [HOSTILE; 4].join(" ");
        let status = match path.as_str() {
            "/broken" => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::OK,
        };
        let value = HeaderValue::from_bytes("::error::x \u{202e}".as_bytes()).unwrap();
        let body = match path.as_str() {
            "/json" | "/" => serde_json::json!({ text.clone(): [text], "id": HOSTILE }).to_string(),
            _ => text,
        };
        (status, [("x-hostile", value)], body).into_response()
    }))
}

fn sandbox() -> Sandbox {
    let (line, lines) = (yaml(false), yaml(true));
    let sandbox = Sandbox::with_spec(&format!(
        "
venomqa: 1
name: {line}
systems: {{ db: {{ sqlite: a.db }} }}
actions:
  - {{ name: broken, request: {{ path: /broken }}, max_calls: 1 }}
  - name: json
    request: {{ method: POST, path: /json, headers: {{ X-A: '::error::x' }}, json: {{ a: {lines} }} }}
    extract: {{ id: $.id }}
    max_calls: 1
  - {{ name: again, request: {{ method: POST, path: /again, text: '{{{{ id }}}}' }} , max_calls: 1 }}
invariants:
  - name: never
    message: {lines}
    sql: \"SELECT x AS \\\"{}\\\" FROM t\"
  - name: listed
    message: {line}
    request: {{ path: /json }}
    jsonpath: $.id
    expect: {{ equals: {line} }}
",
        &line[1..line.len() - 1]
    ));
    let database = Database::at(sandbox.path("a.db"));
    database
        .open()
        .execute("CREATE TABLE t (x TEXT)", [])
        .unwrap();
    database
        .open()
        .execute("INSERT INTO t VALUES (?1)", [HOSTILE])
        .unwrap();
    sandbox
}

#[test]
fn nothing_that_others_wrote_is_obeyed_in_any_report() {
    let sandbox = sandbox();
    let server = server();
    for format in FORMATS {
        let explore = || sandbox.venomqa("explore --max-steps 8").at(&server.url());
        for color in ["never", "always"] {
            let finished = explore()
                .args(format!("--report {format}=report --color {color}"))
                .env("GITHUB_ACTIONS", "true")
                .run()
                .code(1);
            assert_harmless(&finished.stdout, "console", color == "always");
            assert_harmless(&finished.stderr, "stderr", color == "always");
            assert_harmless(&sandbox.read("report"), format, false);
        }
        if format != "html" {
            let finished = explore().args(["--report", format]).run().code(1);
            assert_finished(&finished, format);
        }
    }
    sandbox
        .venomqa("explore --max-steps 8 --report log=run.log")
        .at(&server.url())
        .run()
        .code(1);
    for format in FORMATS {
        let to = format!("{format}=report");
        assert_finished(
            &sandbox
                .venomqa(format!("report run.log --to {to}"))
                .run()
                .code(0),
            format,
        );
        assert_harmless(&sandbox.read("report"), format, false);
    }
}

#[test]
fn nothing_that_others_wrote_is_obeyed_in_a_replay_or_a_script() {
    let sandbox = sandbox();
    let server = server();
    sandbox
        .venomqa("explore --max-steps 8")
        .at(&server.url())
        .run()
        .code(1);
    let mut files = 0;
    for entry in std::fs::read_dir(sandbox.path(".venomqa")).unwrap() {
        let file = entry.unwrap().path();
        let text = std::fs::read_to_string(&file).unwrap();
        let is_hidden = |letter: char| letter.is_control() && letter != '\n';
        assert!(
            !text.contains(is_hidden) && !text.contains('\u{202e}'),
            "{text}"
        );
        let file = file.to_str().unwrap();
        for more in [
            &[][..],
            &["--color", "always"],
            &["--to", "curl"],
            &["--to", "hurl"],
        ] {
            let finished = sandbox.venomqa([&["replay", file], more].concat()).run();
            let decorated = more.contains(&"always");
            assert_harmless(&finished.stdout, &format!("replay {more:?}"), decorated);
            assert_harmless(&finished.stderr, &format!("replay {more:?}"), decorated);
        }
        files += 1;
    }
    assert!(files >= 2, "{files}");
}

#[test]
fn nothing_is_obeyed_in_what_is_said_of_wrong_specs_arguments_and_files() {
    let sandbox = Sandbox::new();
    let (line, lines) = (yaml(false), yaml(true));
    for (number, spec) in [
        format!("venomqa: 1\n{lines}: 1\nactions: []\n"),
        format!("venomqa: 1\nactions:\n  - {{ name: {line}, request: {{ path: / }}, preconditions: [{lines}] }}\n"),
        format!("venomqa: 1\nactions: [{{ name: a, request: {{ path: / }}, extract: {{ x: {line} }} }}]\n"),
        format!("venomqa: 1\nactions: {HOSTILE}\n"),
        format!("venomqa: 1\n# {HOSTILE}\n::error::x: ##[error]\n"),
        "venomqa: 1\nactions: [{ name: a, request: { path: '${X:::error}' } }]\nx: |\n  ::error::y\n".to_owned(),
    ]
    .iter()
    .enumerate()
    {
        sandbox.write("wrong.yaml", spec);
        for color in ["never", "always"] {
            let finished = sandbox.venomqa(format!("validate wrong.yaml --color {color}")).run().code(2);
            assert_harmless(&finished.stderr, &format!("spec {number}"), color == "always");
            assert_harmless(&finished.stdout, &format!("spec {number}"), color == "always");
        }
    }
    let hostile = format!("\n{HOSTILE}");
    for arguments in [
        &["explore", &hostile][..],
        &["replay", &hostile],
        &["report", &hostile],
        &["explore", "--strategy", &hostile],
        &["explore", "--report", &hostile],
        &["explore", "--set", &hostile, "demo"],
        &[&hostile],
    ] {
        let finished = sandbox.venomqa(arguments).run().code(2);
        assert_finished(&finished, &format!("{arguments:?}"));
    }
}
