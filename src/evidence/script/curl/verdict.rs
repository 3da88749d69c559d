//! Whether the bug is there: the end of a script.

use std::fmt::Write as _;

use super::super::{classes_of_an_end, not_dealt_with, one_line};
use super::{has_jars, jar_of, request};
use crate::model::{Assertion, Reproduction, StatusPattern};
use crate::shell::quoted;
use crate::spec::reproduction::outline::{Holds, Outline, Values};

/// A command that succeeds once the bug is not there; `None` where no answer shows that.
pub(super) fn test(holds: &Holds) -> Option<String> {
    Some(match holds {
        Holds::Status(patterns) => {
            let patterns: Vec<String> = patterns.iter().copied().map(status).collect();
            let patterns = patterns.join(" | ");
            format!("case $(cat \"$folder/status\") in {patterns}) true ;; *) false ;; esac")
        }
        Holds::Values(values) => {
            let filters: Option<Vec<String>> = values.iter().map(filter).collect();
            let filter = filters?.join(" and ");
            format!(
                "jq -e {} \"$folder/body\" >\"$folder/verdict\"",
                quoted(filter)
            )
        }
        Holds::Header(name) => format!("header {} | grep -q .", quoted(name)),
        Holds::Otherwise(_) => return None,
    })
}

/// A status as a pattern of `case`.
pub(super) fn status(pattern: StatusPattern) -> String {
    match pattern {
        StatusPattern::Code(code) => code.to_string(),
        StatusPattern::Class(class) => format!("{class}??"),
    }
}

/// The request of an invariant, and the commands that find out whether the bug is there.
pub(super) fn verdict(
    reproduction: &Reproduction,
    outline: &Outline,
    test: Option<&str>,
) -> Result<String, String> {
    let name = one_line(reproduction.oracle.name());
    let message = one_line(&reproduction.message);
    let seen = outline.requests.last().and_then(|sent| sent.status);
    let holds = &outline.verdict.holds;
    let mut text = String::new();
    if let Some(seen) = seen {
        let unclear = format!("unclear {} {seen}", quoted(name.clone()));
        let others = |expected: &[StatusPattern]| {
            let statuses = not_dealt_with(expected).filter(|status| *status != seen);
            let statuses: Vec<String> = statuses.map(|status| status.to_string()).collect();
            statuses.join(" | ")
        };
        // Writing to a string cannot fail.
        let _ = match (holds, test) {
            (Holds::Status(patterns), _) => {
                let others = others(patterns.as_slice());
                let status = "\ncase $(cat \"$folder/status\") in";
                writeln!(text, "{status} {others}) {unclear} ;; esac")
            }
            (_, Some(_)) => Ok(()),
            (_, None) => {
                let gone = quoted(format!(
                    "{name}: it does not happen any more, {seen} was the answer when it was found"
                ));
                let others = others(&[]);
                let ends: Vec<String> = classes_of_an_end(seen)
                    .iter()
                    .map(|class| format!("{class}??) echo {gone} && exit 0 ;;\n"))
                    .collect();
                writeln!(
                    text,
                    "\ncase $(cat \"$folder/status\") in\n{seen}) ;;\n{others}) {unclear} ;;\n{}*) {unclear} ;;\nesac",
                    ends.concat()
                )
            }
        };
    }
    if let Some(probe) = &outline.verdict.probe {
        text.push('\n');
        if has_jars(outline) {
            text.push_str(&jar_of(probe, &mut Some("")));
        }
        let any_status = matches!(holds, Holds::Status(_));
        text.push_str(&request(probe, outline, any_status)?);
    }
    let found = format!("{name}: {message}");
    if let Some(test) = test {
        let holds = quoted(format!("{name}: it holds"));
        let found = quoted(found);
        let unread = quoted(format!("{name}: it cannot be judged by the answer"));
        let _ = write!(
            text,
            "\nif {test}; then\n    echo {holds}\nelif [ $? = 1 ]; then\n    echo {found} >&2\n    answer >&2\n    exit 1\n\
             else\n    echo {unread} >&2\n    answer >&2\n    exit 3\nfi\n"
        );
    } else {
        let found = quoted(format!(
            "{found} (every answer is as it was when this was found; only the database can tell more)"
        ));
        let _ = write!(text, "\necho {found} >&2\nanswer >&2\nexit 1\n");
    }
    Ok(text)
}

/// A filter of jq that yields whether values are as they must be; `None` where jq cannot say that.
pub(super) fn filter(values: &Values) -> Option<String> {
    let nodes = values.path.to_jq_nodes()?;
    let one = values.path.is_singular();
    let assertions: Option<Vec<String>> = values
        .assertions
        .iter()
        .map(|assertion| {
            let holds = match assertion {
                Assertion::Equals(value) => format!("(. == [{value}] or . == {value})"),
                Assertion::NotEquals(value) => format!("(. == [{value}] or . == {value} | not)"),
                Assertion::AtLeast(value) => format!("all(type == ({value} | type) and . >= {value})"),
                Assertion::AtMost(value) => format!("all(type == ({value} | type) and . <= {value})"),
                Assertion::Empty => "length == 0".to_owned(),
                Assertion::NotEmpty => "length > 0".to_owned(),
                Assertion::Count(range) if *range.end() == u64::MAX => {
                    format!("length >= {}", range.start())
                }
                Assertion::Count(range) => {
                    format!("(length >= {} and length <= {})", range.start(), range.end())
                }
                Assertion::Contains(value) => format!(
                    "(any(. == {value}) or (length == 1 and (.[0] | (arrays | any(. == {value})), (strings | contains({value} | strings)) // false)))"
                ),
                Assertion::Matches(pattern) => {
                    let pattern = serde_json::Value::from(pattern.as_str());
                    format!("all(strings | test({pattern}))")
                }
                Assertion::EqualsSql(_) => return None,
            };
            let counts = matches!(assertion, Assertion::Empty | Assertion::NotEmpty | Assertion::Count(_));
            Some(match (counts, values.is_due) {
                (false, false) => format!("(length == 0 or {holds})"),
                (false, true) if one && !matches!(assertion, Assertion::NotEquals(_)) => {
                    format!("length > 0 and {holds}")
                }
                _ => holds,
            })
        })
        .collect();
    Some(format!("([{nodes}] | {})", assertions?.join(" and ")))
}
