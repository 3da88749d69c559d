//! What a process left to look at.

use std::fmt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

static DATE: LazyLock<Regex> = LazyLock::new(|| regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"));
static WRAPPED: LazyLock<Regex> = LazyLock::new(|| regex(r"\n +"));
static TIME: LazyLock<Regex> = LazyLock::new(|| regex(r"(?m)^(  time +).*(\n {15}.*)*"));
static PORT: LazyLock<Regex> = LazyLock::new(|| regex(r"127\.0\.0\.1:\d+"));

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).unwrap()
}

/// A command that is over.
pub(crate) struct Finished {
    pub(crate) command: String,
    pub(crate) dir: PathBuf,
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// Fails unless it ended with this code.
    #[track_caller]
    pub(crate) fn code(self, expected: i32) -> Self {
        assert_eq!(self.status.code(), Some(expected), "exit code of {self}");
        self
    }

    /// Fails unless it ended with one of these codes.
    #[track_caller]
    pub(crate) fn code_among(self, expected: &[i32]) -> Self {
        let code = self.status.code();
        let is_expected = code.is_some_and(|code| expected.contains(&code));
        assert!(is_expected, "exit code of {self}");
        self
    }

    /// Fails unless its standard output has each of these in it.
    #[track_caller]
    pub(crate) fn says(self, texts: &[&str]) -> Self {
        let stdout = self.unwrapped(&self.stdout);
        for text in texts {
            assert!(stdout.contains(text), "`{text}` is not in stdout of {self}");
        }
        self
    }

    /// Fails unless its standard error has each of these in it.
    #[track_caller]
    pub(crate) fn complains(self, texts: &[&str]) -> Self {
        let stderr = self.unwrapped(&self.stderr);
        for text in texts {
            assert!(stderr.contains(text), "`{text}` is not in stderr of {self}");
        }
        self
    }

    /// Fails when any output has this in it.
    #[track_caller]
    pub(crate) fn never_says(self, text: &str) -> Self {
        for output in [&self.stdout, &self.stderr] {
            assert!(
                !self.unwrapped(output).contains(text),
                "`{text}` should not be in the output of {self}"
            );
        }
        self
    }

    /// Standard output as a JSON report.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("no JSON report ({error}) in {self}"))
    }

    /// The only run of a JSON report on standard output.
    #[track_caller]
    pub(crate) fn only_run(&self) -> Value {
        let mut report = self.json();
        assert_eq!(report["runs"].as_array().map(Vec::len), Some(1), "{self}");
        report["runs"][0].take()
    }

    /// The folder of the test as `[DIR]`, and lines that were wrapped to the width of the report as one: a message can
    /// then be looked for without knowing where it was broken.
    fn unwrapped(&self, text: &str) -> String {
        WRAPPED
            .replace_all(text, " ")
            .replace(&self.dir.display().to_string(), "[DIR]")
    }

    /// Standard output without what differs between two equal runs.
    pub(crate) fn report(&self) -> String {
        self.filtered(&self.stdout)
    }

    /// Standard error without what differs between two equal runs.
    pub(crate) fn notes(&self) -> String {
        self.filtered(&self.stderr)
    }

    fn filtered(&self, text: &str) -> String {
        let text = text.replace(&self.dir.display().to_string(), "[DIR]");
        let text = TIME.replace_all(&text, "$1[TIME]");
        let text = PORT.replace_all(&text, "127.0.0.1:[PORT]");
        DATE.replace_all(&text, "[DATE]").into()
    }
}

/// Everything that is needed to understand a failure.
impl fmt::Display for Finished {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "`{}`\nin {}\nended with {}\n--- stdout ---\n{}--- stderr ---\n{}---",
            self.command,
            self.dir.display(),
            self.status,
            self.stdout,
            self.stderr
        )
    }
}

/// A JSON report without what differs between two equal runs: times, and dates wherever they stand.
pub(crate) fn without_times(mut report: Value) -> Value {
    fn clean(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.retain(|name, _| !name.ends_with("_ms") && name != "started_at");
                fields.values_mut().for_each(clean);
            }
            Value::Array(items) => items.iter_mut().for_each(clean),
            Value::String(text) => {
                *text = DATE.replace_all(text, "[DATE]").into();
            }
            _ => {}
        }
    }
    clean(&mut report);
    report
}

/// The items of a list in a JSON report.
#[track_caller]
pub(crate) fn items(list: &Value) -> &[Value] {
    list.as_array()
        .unwrap_or_else(|| panic!("no list: {list:#}"))
}

/// A text of each item of a list in a JSON report.
#[track_caller]
pub(crate) fn texts<'r>(list: &'r Value, key: &str) -> Vec<&'r str> {
    let text = |item: &'r Value| item[key].as_str().unwrap();
    items(list).iter().map(text).collect()
}

/// The first item with this value in a list of a JSON report.
#[track_caller]
pub(crate) fn one<'r>(list: &'r Value, key: &str, value: &str) -> &'r Value {
    let found = items(list).iter().find(|item| item[key] == value);
    found.unwrap_or_else(|| panic!("no {key} `{value}` in {list:#}"))
}

/// The names of the violations in a run of a JSON report, sorted.
#[track_caller]
pub(crate) fn violations(run: &Value) -> Vec<&str> {
    let mut names = texts(&run["violations"], "name");
    names.sort_unstable();
    names.dedup();
    names
}

/// The actions on the path of a violation in a JSON report.
#[track_caller]
pub(crate) fn actions(violation: &Value) -> Vec<&str> {
    texts(&violation["path"], "action")
}

/// The codes of the warnings in a run of a JSON report.
#[track_caller]
pub(crate) fn warnings(run: &Value) -> Vec<&str> {
    texts(&run["warnings"], "code")
}
