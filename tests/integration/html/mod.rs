//! The HTML report, opened from its file in a real browser and used by mouse and by keyboard.

mod data;
mod look;
mod views;

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Browser, Sandbox};

/// Explores the shop; the report, and what the JSON report says of the same run.
fn explore(sandbox: &Sandbox, more: &str, code: i32) -> (PathBuf, Value) {
    let run = sandbox
        .venomqa("explore --report html=report.html --report json")
        .args(more)
        .run()
        .code(code)
        .only_run();
    (sandbox.path("report.html"), run)
}

fn opened(sandbox: &Sandbox, report: &Path) -> Browser {
    let browser = Browser::start(sandbox);
    browser.open(report);
    browser
}

/// The entries of a real run log, for tests that change them.
fn log_of(sandbox: &Sandbox, steps: &str) -> Vec<Value> {
    let arguments = ["explore", "--strategy", "bfs", "--max-steps", steps];
    sandbox
        .venomqa(arguments)
        .args("--report log=run.log")
        .run();
    let text = sandbox.read("run.log");
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The page that the built program makes of these log entries.
fn page_of(sandbox: &Sandbox, entries: &[Value]) -> PathBuf {
    let lines: Vec<String> = entries.iter().map(Value::to_string).collect();
    sandbox.write("changed.log", &(lines.join("\n") + "\n"));
    sandbox
        .venomqa("report changed.log --to html=page.html")
        .run()
        .code(0);
    sandbox.path("page.html")
}

#[track_caller]
fn assert_quiet(browser: &Browser) {
    let said = browser.console();
    assert!(said.is_empty(), "the browser's console: {said:#?}");
}
