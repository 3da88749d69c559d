//! Values of flags: how people write them, and what is wrong when they cannot be read.

use std::ffi::OsStr;
use std::time::Duration;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::ErrorKind;

use super::formats::{self, ReportRequest};
use crate::explorer::strategy;
use crate::model::Severity;
use crate::spec;

/// `--set NAME=VALUE`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Assignment {
    pub(super) name: String,
    pub(super) value: String,
}

pub(super) fn parse_assignment(text: &str) -> Result<Assignment, String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok(Assignment {
            name: name.trim().to_owned(),
            value: value.to_owned(),
        }),
        _ => Err("expected a name and a value: `--set amount=100`".to_owned()),
    }
}

pub(super) fn parse_base_url(text: &str) -> Result<String, String> {
    let url = url::Url::parse(text)
        .map_err(|error| format!("{error}; expected something like `http://127.0.0.1:8000`"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err("expected `http://` or `https://` and a host".to_owned());
    }
    Ok(text.to_owned())
}

pub(super) fn parse_report(text: &str) -> Result<ReportRequest, String> {
    let (name, path) = match text.split_once('=') {
        Some((name, path)) => (name, Some(path)),
        None => (text, None),
    };
    let Some(format) = formats::ALL.iter().find(|known| known.name == name) else {
        let names: Vec<&str> = formats::ALL.iter().map(|known| known.name).collect();
        return Err(format!(
            "there is no report format `{name}`{}; the formats are {}",
            did_you_mean(name, &names),
            names.join(", ")
        ));
    };
    match path {
        Some("") => Err(format!(
            "expected a path after `{name}=`; leave out the `=` for standard output"
        )),
        // The habit of other tools.
        Some("-") | None => Ok(ReportRequest { format, path: None }),
        Some(path) => Ok(ReportRequest {
            format,
            path: Some(path.into()),
        }),
    }
}

/// A format and perhaps a path, with the formats for help and completions.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReportParser;

impl TypedValueParser for ReportParser {
    type Value = ReportRequest;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<ReportRequest, clap::Error> {
        parse_report.parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(formats::ALL.iter().map(|format| {
            PossibleValue::new(format.name).help(format.about)
        })))
    }
}

pub(super) fn parse_severity(text: &str) -> Result<Severity, String> {
    Severity::ALL
        .into_iter()
        .find(|severity| severity.name() == text)
        .ok_or_else(|| {
            let names = Severity::ALL.map(Severity::name);
            format!(
                "there is no severity `{text}`{}; the severities are {}",
                did_you_mean(text, &names),
                names.join(", ")
            )
        })
}

/// `0.8`, or `80%`: more than nothing, at most everything.
pub(super) fn parse_share(text: &str) -> Result<f64, String> {
    let share = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse().map(|value: f64| value / 100.0),
        None => text.parse(),
    };
    match share {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
        _ => Err("expected a share above 0 and up to 1, like `0.8` or `80%`".to_owned()),
    }
}

/// A name of a strategy. A parser of its own, because clap's idea of a similar name does not reach from `dsf` to `dfs`.
#[derive(Clone, Copy, Debug)]
pub(super) struct StrategyName;

impl TypedValueParser for StrategyName {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        _argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        let text = value.to_string_lossy();
        if strategy::NAMES.contains(&&*text) {
            return Ok(text.into_owned());
        }
        let message = format!(
            "there is no strategy `{text}`{}; the strategies are {}\n",
            did_you_mean(&text, strategy::NAMES),
            strategy::NAMES.join(", ")
        );
        Err(clap::Error::raw(ErrorKind::InvalidValue, message).with_cmd(command))
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(strategy::NAMES.iter().map(PossibleValue::new)))
    }
}

/// ` (did you mean ...?)`, or nothing where no name is near.
fn did_you_mean(text: &str, names: &[&str]) -> String {
    crate::diagnostic::did_you_mean(text, names.iter().copied())
        .map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"))
}

/// `500ms`, `30s`, `5m`, `1h30m`: more than nothing.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    const EXPECTED: &str = "expected a time above 0, like `30s`, `5m` or `1h30m`";
    match spec::duration(text) {
        Some(time) if !time.is_zero() => Ok(time),
        _ if text.parse::<f64>().is_ok_and(|number| number > 0.0) => {
            Err(format!("`{text}` has no unit; {EXPECTED}"))
        }
        _ => Err(EXPECTED.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("1.5s", 1500),
            ("1m 30s", 90_000),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        for text in [
            "",
            "5",
            "m",
            "5 parsecs",
            "0s",
            "-1s",
            "1e400s",
            "99999999999999999999h",
            "1..5s",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shares_are_fractions_or_percentages() {
        assert_eq!(parse_share("0.8"), Ok(0.8));
        assert_eq!(parse_share("80%"), Ok(0.8));
        assert_eq!(parse_share("1"), Ok(1.0));
        for text in ["0", "1.2", "120%", "NaN", "inf", "-1", "most"] {
            assert!(parse_share(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_report_is_a_format_and_perhaps_a_path() {
        let json = |path: Option<&str>| {
            Ok(ReportRequest {
                format: formats::ALL
                    .iter()
                    .find(|format| format.name == "json")
                    .unwrap(),
                path: path.map(Into::into),
            })
        };
        assert_eq!(parse_report("json"), json(None));
        assert_eq!(parse_report("json=-"), json(None));
        assert_eq!(
            parse_report("json=out/a=b.json"),
            json(Some("out/a=b.json"))
        );
        assert!(parse_report("json=").is_err());
        let error = parse_report("jsno=x").unwrap_err();
        assert!(error.contains("did you mean `json`?"), "{error}");
    }

    #[test]
    fn a_value_may_contain_an_equals_sign_but_a_name_may_not_be_missing() {
        assert_eq!(
            parse_assignment("query=a=b"),
            Ok(Assignment {
                name: "query".to_owned(),
                value: "a=b".to_owned()
            })
        );
        assert!(parse_assignment("=b").is_err());
        assert!(parse_assignment("query").is_err());
    }

    #[test]
    fn a_base_url_needs_a_scheme_and_a_host() {
        assert!(parse_base_url("http://127.0.0.1:8000/api").is_ok());
        for text in ["127.0.0.1:8000", "localhost:8000", "ftp://host", "http://"] {
            assert!(parse_base_url(text).is_err(), "{text}");
        }
    }
}
