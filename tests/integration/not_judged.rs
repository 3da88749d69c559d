//! A violation that could not be judged again is neither reproduced nor gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::routing::{get, post};

use crate::support::{Sandbox, Server, violations};

/// What the service answers.
#[derive(Clone, Copy)]
enum Answer {
    Bad,
    Unreadable,
    Good,
}

/// A balance that the invariants judge, once in the answer of the action and once in one of their own.
const SPEC: &str = "
venomqa: 1
name: account
restore: replay
reset: { request: { path: / } }
actions:
  - name: look
    request: { path: /balance }
invariants:
  - name: no_debt_in_the_answer
    jsonpath: $.balance
    expect: { at_least: 0 }
  - name: no_debt_in_the_account
    request: { path: /balance }
    jsonpath: $.balance
    expect: { at_least: 0 }
";

struct Account {
    server: Server,
    answer: Arc<AtomicU8>,
}

impl Account {
    fn start() -> Self {
        let answer = Arc::new(AtomicU8::new(Answer::Bad as u8));
        let current = answer.clone();
        let balance = async move || {
            let body = match current.load(Ordering::SeqCst) {
                bad if bad == Answer::Bad as u8 => r#"{"balance": -5}"#,
                good if good == Answer::Good as u8 => r#"{"balance": 5}"#,
                _ => r#"{"balance": -"#,
            };
            ([(CONTENT_TYPE, "application/json")], body)
        };
        let router = Router::new()
            .route("/", get(async || "ready"))
            .route("/balance", get(balance));
        Self {
            server: Server::start(router),
            answer,
        }
    }

    fn answers(&self, answer: Answer) {
        self.answer.store(answer as u8, Ordering::SeqCst);
    }
}

/// A sandbox with the reproductions of both violations in it.
fn explored() -> (Sandbox, Account) {
    let sandbox = Sandbox::with_spec(SPEC);
    let account = Account::start();
    let run = sandbox
        .venomqa(["explore", "--max-steps", "3", "--report", "json"])
        .args(["--base-url", &account.server.url()])
        .run()
        .code(1)
        .only_run();
    assert_eq!(violations(&run).len(), 2, "{run:#}");
    (sandbox, account)
}

fn files(sandbox: &Sandbox) -> Vec<String> {
    let mut files: Vec<String> = std::fs::read_dir(sandbox.path(".venomqa"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|file| file.extension().is_some_and(|kind| kind == "yaml"))
        .map(|file| file.display().to_string())
        .collect();
    files.sort();
    assert_eq!(files.len(), 2, "{files:?}");
    files
}

#[test]
fn a_replay_that_cannot_be_judged_is_a_result_of_its_own() {
    let (sandbox, account) = explored();
    let files = files(&sandbox);
    for (answer, code, said) in [
        (Answer::Bad, 1, "reproduced: "),
        (Answer::Unreadable, 3, "could not be judged: whether `"),
        (Answer::Good, 0, "not reproduced: "),
    ] {
        account.answers(answer);
        for file in &files {
            let replayed = sandbox
                .venomqa(["replay", file, "--base-url", &account.server.url()])
                .run()
                .code(code)
                .says(&[said]);
            if code == 3 {
                replayed.never_says("reproduced");
            }
        }
    }
}

#[test]
fn a_regression_that_cannot_be_judged_is_not_called_fixed_and_spoils_the_clean_pass() {
    let (sandbox, account) = explored();
    let before: Vec<String> = files(&sandbox);
    let explore = |answer: Answer| {
        account.answers(answer);
        sandbox
            .venomqa(["explore", "--max-steps", "3", "--report", "json"])
            .args(["--base-url", &account.server.url()])
            .run()
            .only_run()
    };
    let run = explore(Answer::Unreadable);
    for tried in run["corpus"].as_array().unwrap() {
        assert_eq!(tried["outcome"], "not-judged", "{tried:#}");
        assert_ne!(tried["reason"], serde_json::Value::Null);
    }
    let gaps = run["headline"].as_str().unwrap_or_default().to_owned();
    assert_ne!(run["outcome"], "clean", "{gaps}");
    // What could not be read in the initial state is a violation of its own, with a file of its own.
    for file in before {
        assert!(std::path::Path::new(&file).exists(), "{file}");
    }
    let run = explore(Answer::Good);
    for tried in run["corpus"].as_array().unwrap() {
        assert_eq!(tried["outcome"], "fixed", "{tried:#}");
    }
    assert_eq!(run["outcome"], "clean", "{run:#}");
}

/// An account that can be overdrawn once it is open.
const OPENED: &str = "
venomqa: 1
name: account
restore: replay
reset: { request: { path: / } }
actions:
  - name: open
    request: { method: POST, path: /open }
  - name: draw
    request: { method: POST, path: /draw }
invariants:
  - name: no_debt
    request: { path: /balance }
    jsonpath: $.balance
    expect: { at_least: 0 }
";

/// Set where the account cannot be opened, and where it cannot be overdrawn.
const SHUT: u8 = 1;
const CURED: u8 = 2;

/// The account; the number says how it behaves.
fn account() -> (Server, Arc<AtomicU8>) {
    let behaviour = Arc::new(AtomicU8::new(0));
    let is_open = Arc::new(AtomicU8::new(0));
    let balance = Arc::new(AtomicU8::new(0));
    let reset = {
        let (is_open, balance) = (is_open.clone(), balance.clone());
        async move || {
            is_open.store(0, Ordering::SeqCst);
            balance.store(0, Ordering::SeqCst);
            "ready"
        }
    };
    let open = {
        let (is_open, behaviour) = (is_open.clone(), behaviour.clone());
        async move || {
            if behaviour.load(Ordering::SeqCst) == SHUT {
                return StatusCode::FORBIDDEN;
            }
            is_open.store(1, Ordering::SeqCst);
            StatusCode::CREATED
        }
    };
    let draw = {
        let (balance, behaviour) = (balance.clone(), behaviour.clone());
        async move || {
            if is_open.load(Ordering::SeqCst) == 0 || behaviour.load(Ordering::SeqCst) == CURED {
                return StatusCode::CONFLICT;
            }
            balance.store(5, Ordering::SeqCst);
            StatusCode::OK
        }
    };
    let shown = async move || {
        let debt = balance.load(Ordering::SeqCst);
        let body = format!(r#"{{"balance": {}}}"#, -i16::from(debt));
        ([(CONTENT_TYPE, "application/json")], body)
    };
    let router = Router::new()
        .route("/", get(reset))
        .route("/open", post(open))
        .route("/draw", post(draw))
        .route("/balance", get(shown));
    (Server::start(router), behaviour)
}

#[test]
fn a_bug_is_not_called_gone_where_an_earlier_step_is_refused_now() {
    let sandbox = Sandbox::with_spec(OPENED);
    let (server, behaviour) = account();
    let explore = |flags: &str| {
        let explore = sandbox.venomqa(format!("explore --max-steps 30 --report json {flags}"));
        explore.at(&server.url()).run()
    };
    let run = explore("").code(1).only_run();
    assert_eq!(violations(&run), ["no_debt"], "{run:#}");
    let file = ".venomqa/no_debt-draw.yaml";
    let reason = "step 1 (`open`) was answered with 403";
    for (how, code, said, outcome) in [
        (0, 1, "reproduced: ", "still-failing"),
        (SHUT, 3, reason, "not-judged"),
        // The last step is the one that is answered otherwise.
        (CURED, 0, "not reproduced: ", "fixed"),
    ] {
        behaviour.store(how, Ordering::SeqCst);
        let replay = sandbox.venomqa(["replay", file]).at(&server.url()).run();
        replay.code(code).says(&[said]);
        let run = explore("").only_run();
        let tried = &run["corpus"][0];
        assert_eq!(tried["outcome"], outcome, "{run:#}");
        if how == SHUT {
            assert!(
                tried["reason"].as_str().unwrap().contains(reason),
                "{tried:#}"
            );
            assert_ne!(run["outcome"], "clean");
        }
        assert!(sandbox.path(file).exists());
    }
}
