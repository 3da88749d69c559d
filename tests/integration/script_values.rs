//! Random values through bash, curl, jq and hurl themselves: what a script sends arrives as what venomqa sends.
//!
//! `VENOMQA_SCRIPT_ROUNDS` says how many rounds there are; the seed of a round is its number.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::support::{Running, Sandbox, Server, hurl};

/// What some shell, URL, form, template or terminal could take for its own.
const FRAGMENTS: &[&str] = &[
    "@private.txt",
    "\"",
    "'",
    "\\",
    "\n",
    "\r\n",
    "$HOME",
    "${HOME}",
    "$(id)",
    "`id`",
    "[1-9]",
    "{a,b}",
    "{{ n }}",
    "{%",
    "{#",
    "#",
    "&",
    "=",
    "+",
    " ",
    "%41",
    "%",
    "%zz",
    "?",
    "/",
    ";",
    "\t",
    "é",
    "日本",
    "😀",
    "\u{7f}",
    "\u{1b}[31m",
    "\u{202e}",
    "\u{200b}",
    "\u{85}",
    "\u{2028}",
    "::error::x",
    "\n::error::x",
    "\n  ##[error]x",
    "-d",
    "--",
    "\nJSON\n",
    "*",
    "~",
    "!",
    "<",
    ">",
    "|",
    "^",
    ",",
    ":",
    "\\n",
    "\\u0041",
    "\0",
    "%s%d",
    "true",
    "12",
    "null",
    "word",
];

fn value() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(FRAGMENTS), 0..6).prop_map(|parts| parts.concat())
}

/// A text as YAML has it, in which no variable of the environment is asked for.
fn yaml(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.replace("${", "$${").chars() {
        match letter {
            ' '..='~' if letter != '"' && letter != '\\' => quoted.push(letter),
            other => write!(quoted, "\\U{:08x}", u32::from(other)).unwrap(),
        }
    }
    quoted.push('"');
    quoted
}

/// Whether HTTP has no place for this value in a header. Hurl sends none with nothing but blanks.
fn is_no_header(value: &str) -> bool {
    let is_control = |letter: char| {
        letter.is_control() && letter != '\t' && !('\u{80}'..='\u{9f}').contains(&letter)
    };
    value.chars().any(is_control) || (value.trim().is_empty() && !value.is_empty())
}

/// A reproduction that sends each value in every place: as a constant, and as it came in an answer.
fn reproduction(values: &[String]) -> String {
    let mut path = String::new();
    let mut actions = String::new();
    let mut constants = String::new();
    let mut step = |name: &str, more: &str, rest: &str| {
        writeln!(path, "  - {{ action: {name}, status: 200{more} }}").unwrap();
        writeln!(actions, "  - {{ name: {name}, {rest} }}").unwrap();
    };
    for (number, value) in values.iter().enumerate() {
        writeln!(constants, "  c{number}: {}", yaml(value)).unwrap();
        let seen = format!(", extracted: {{ x{number}: {} }}", yaml(value));
        step(
            &format!("give{number}"),
            &seen,
            &format!("request: {{ path: /give/{number} }}, extract: {{ x{number}: $.x }}"),
        );
        for name in [format!("c{number}"), format!("x{number}")] {
            let filled = format!("{{{{ {name} }}}}");
            let mut send = |kind: &str, request: &str| {
                step(
                    &format!("{kind}_{name}"),
                    "",
                    &format!("request: {{ {request} }}"),
                );
            };
            send(
                "text",
                &format!("method: POST, path: /, text: \"{filled}\""),
            );
            send(
                "within",
                &format!("method: POST, path: /, text: \"<{filled}>\""),
            );
            send(
                "json",
                &format!("method: PUT, path: /, json: {{ x: \"{filled}\", both: \"<{filled}>\" }}"),
            );
            send(
                "form",
                &format!("method: PATCH, path: /, form: {{ \"f[]\": \"{filled}\" }}"),
            );
            send(
                "query",
                &format!("path: \"/q/[1-3]/{{a,b}}\", query: {{ \"q[] :\": \"{filled}\" }}"),
            );
            send("path", &format!("path: \"/p/{filled}\""));
            if !is_no_header(value) {
                send(
                    "header",
                    &format!("path: /, headers: {{ X-H: \"{filled}\", X-W: \"<{filled}>\" }}"),
                );
            }
        }
    }
    format!(
        "
venomqa: 1
name: values
reproduction:
  check: server-error
  severity: high
  message: it was refused
  confirmed: 3 of 3
  folder: .
path:
{path}
http: {{ base_url: \"${{ECHO_URL}}\" }}
restore: none
variables:
{constants}
actions:
{actions}"
    )
}

/// A service that gives the values away and notes what comes back, every encoding undone.
fn echo(values: &[String], notes: Arc<Mutex<Vec<String>>>) -> Server {
    let values = values.to_vec();
    Server::start(Router::new().fallback(async move |request: Request| {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let header = |name| {
            parts
                .headers
                .get(name)
                .map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned())
        };
        let pairs =
            |text: &[u8]| -> Vec<_> { url::form_urlencoded::parse(text).into_owned().collect() };
        let sent = match header("content-type").as_deref() {
            Some("application/json") => serde_json::from_slice::<Value>(&body)
                .unwrap_or_else(|error| json!([error.to_string(), String::from_utf8_lossy(&body)]))
                .to_string(),
            Some("application/x-www-form-urlencoded") => format!("{:?}", pairs(&body)),
            _ => format!("{body:?}"),
        };
        let path = parts.uri.path();
        // A plus sign is no space there.
        let decoded = pairs(
            format!(
                "={}",
                path.replace('&', "%26")
                    .replace('=', "%3D")
                    .replace('+', "%2B")
            )
            .as_bytes(),
        );
        let query = pairs(parts.uri.query().unwrap_or_default().as_bytes());
        notes.lock().unwrap().push(format!(
            "{} {decoded:?} {query:?} {:?} {:?} {:?} {sent}",
            parts.method,
            header("content-type"),
            header("x-h"),
            header("x-w"),
        ));
        let number = path
            .strip_prefix("/give/")
            .and_then(|number| number.parse::<usize>().ok());
        axum::Json(json!({ "x": number.map(|number| &values[number]) }))
    }))
}

/// Sends the values by venomqa and by each of the scripts. The first value that arrives otherwise is the failure.
fn check(values: &[String]) -> Result<(), TestCaseError> {
    let sandbox = Sandbox::with_spec(&reproduction(values));
    sandbox.write("private.txt", "private");
    let notes = Arc::default();
    let server = echo(values, Arc::clone(&notes));
    let noted = || std::mem::take(&mut *notes.lock().unwrap());
    let venomqa = |arguments: &[&str]| {
        let run = sandbox
            .venomqa(arguments)
            .env("ECHO_URL", server.url())
            .run();
        run.code(0).stdout
    };
    venomqa(&["replay", "venomqa.yaml"]);
    let mut expected = noted();
    // Whether the service answers at all is asked first.
    let first = expected
        .iter()
        .position(|note| note.contains("/give/0"))
        .unwrap();
    expected.drain(..first);
    let script = venomqa(&["replay", "venomqa.yaml", "--to", "curl"]);
    sandbox.write("repro.sh", &script);
    let hurl_file = venomqa(&["replay", "venomqa.yaml", "--to", "hurl"]);
    sandbox.write("repro.hurl", &hurl_file);
    for text in [&script, &hurl_file] {
        let is_hidden = |letter: char| {
            letter.is_control() && letter != '\n' && letter != '\t'
                || "\u{202e}\u{200b}\u{2028}".contains(letter)
        };
        prop_assert!(!text.contains(is_hidden), "{text:?}");
        let is_command = |line: &str| line.trim_start().starts_with("::") || line.contains("##[");
        prop_assert!(!text.lines().any(is_command), "{text}");
    }
    let url = format!("base_url={}", server.url());
    // Hurl writes them into JSON as they are, where a value comes from an answer.
    let is_bare = |letter: char| letter < ' ' && !"\n\r\t".contains(letter);
    let is_too_much_for_hurl = values.iter().any(|value| value.contains(is_bare));
    for words in [
        &["sh", "repro.sh"][..],
        &["bash", "repro.sh"],
        &[
            hurl().to_str().unwrap(),
            "--test",
            "--variable",
            &url,
            "repro.hurl",
        ],
    ] {
        if words.contains(&"repro.hurl") && is_too_much_for_hurl {
            continue;
        }
        let mut command = sandbox.command(words[0]);
        command.args(&words[1..]).env("ECHO_URL", server.url());
        let finished = Running::spawn(&mut command, sandbox.dir()).wait();
        let seen = noted();
        for (seen, expected) in seen.iter().zip(&expected) {
            prop_assert_eq!(seen, expected, "{:?}: {}", words, finished);
        }
        prop_assert_eq!(seen.len(), expected.len(), "{:?}: {}", words, finished);
        prop_assert!(finished.status.success(), "{}", finished);
    }
    Ok(())
}

#[test]
fn random_values_arrive_as_venomqa_sends_them() {
    let rounds = std::env::var("VENOMQA_SCRIPT_ROUNDS").map_or(2, |text| text.parse().unwrap());
    for round in 0..rounds {
        let config = Config {
            cases: 1,
            failure_persistence: None,
            max_shrink_iters: 40,
            ..Config::default()
        };
        let seed = [u8::try_from(round % 251).unwrap(); 32];
        let mut runner =
            TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
        let values = prop::collection::vec(value(), 1..8);
        runner
            .run(&values, |values| check(&values))
            .unwrap_or_else(|error| panic!("round {round}: {error}"));
    }
}
