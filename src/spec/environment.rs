//! `${NAME}`: what a spec takes from the environment.

use std::ops::Range;

/// Names that are known only when the run starts; see [`RunText`](crate::world::config::RunText).
pub(super) const RUN_NAMES: [&str; 3] = ["port", "workdir", "venomqa"];

/// A reference that cannot be filled in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unfilled {
    /// Where in the text.
    pub range: Range<usize>,
    /// Why.
    pub why: Why,
}

/// Why a reference cannot be filled in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The variable is not set and the text gives no default.
    NotSet(String),
    /// A name that only the run knows, in a text that the run does not fill in.
    KnownOnlyInRun(String),
    /// An escaped name that only the run knows. The run would fill it in all the same.
    CannotEscape(String),
    /// `${` without a name behind it.
    NotAName,
}

/// Fills in `${NAME}` and `${NAME:-default}`; `$${` stands for `${`. `filled_in_run` says that the run fills in the text
/// once more: the names that only the run knows then stay as they are. `${{` is a dollar sign before a template.
pub(super) fn fill(
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
    filled_in_run: bool,
) -> Result<String, Vec<Unfilled>> {
    let mut filled = String::with_capacity(text.len());
    let mut unfilled = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find("${") {
        let start = at + found;
        let escaped = text[at..start].ends_with('$');
        filled.push_str(&text[at..if escaped { start - 1 } else { start }]);
        if escaped {
            filled.push_str("${");
            at = start + 2;
            if let Some(Reference { name, length, .. }) = reference(&text[start..])
                && filled_in_run
                && RUN_NAMES.contains(&name)
            {
                unfilled.push(Unfilled {
                    range: start - 1..start + length,
                    why: Why::CannotEscape(name.to_owned()),
                });
            }
            continue;
        }
        if text[start..].starts_with("${{") {
            filled.push_str("${");
            at = start + 2;
            continue;
        }
        let Some(Reference {
            name,
            default,
            length,
        }) = reference(&text[start..])
        else {
            unfilled.push(Unfilled {
                range: start..start + 2,
                why: Why::NotAName,
            });
            at = start + 2;
            continue;
        };
        let range = start..start + length;
        at = range.end;
        if RUN_NAMES.contains(&name) {
            if filled_in_run {
                filled.push_str(&text[range]);
            } else {
                unfilled.push(Unfilled {
                    range,
                    why: Why::KnownOnlyInRun(name.to_owned()),
                });
            }
            continue;
        }
        // As in a shell, `:-` also replaces a value that is set to nothing.
        match (variable(name), default) {
            (Some(value), None) => filled.push_str(&value),
            (Some(value), Some(_)) if !value.is_empty() => filled.push_str(&value),
            (_, Some(default)) => filled.push_str(default),
            (None, None) => unfilled.push(Unfilled {
                range,
                why: Why::NotSet(name.to_owned()),
            }),
        }
    }
    filled.push_str(&text[at..]);
    if unfilled.is_empty() {
        Ok(filled)
    } else {
        Err(unfilled)
    }
}

/// Whether the text is nothing but one reference.
pub(super) fn is_only_a_reference(text: &str) -> bool {
    text.starts_with("${") && reference(text).is_some_and(|found| found.length == text.len())
}

struct Reference<'t> {
    name: &'t str,
    default: Option<&'t str>,
    length: usize,
}

/// The reference that a text starts with.
fn reference(text: &str) -> Option<Reference<'_>> {
    let close = text.find('}')?;
    let content = &text[2..close];
    let (name, default) = match content.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (content, None),
    };
    let mut letters = name.chars();
    let is_name = letters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    is_name.then_some(Reference {
        name,
        default,
        length: close + 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str, filled_in_run: bool) -> Result<String, Vec<Unfilled>> {
        let variable = |name: &str| match name {
            "USER" => Some("qa".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        fill(text, &variable, filled_in_run)
    }

    #[test]
    fn names_defaults_and_escapes_are_filled_in() {
        for (text, expected) in [
            ("x", "x"),
            ("${USER}@${HOST:-localhost}", "qa@localhost"),
            ("${EMPTY}|${EMPTY:-full}|${NONE:-}", "|full|"),
            (
                "$${USER} costs ${{ n }} or $5",
                "${USER} costs ${{ n }} or $5",
            ),
        ] {
            assert_eq!(filled(text, false).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn names_that_only_the_run_knows_stay_open_where_it_fills_them_in() {
        assert_eq!(
            filled("${workdir}/${USER}", true).as_deref(),
            Ok("${workdir}/qa")
        );
        assert_eq!(
            filled("a ${port}", false),
            Err(vec![Unfilled {
                range: 2..9,
                why: Why::KnownOnlyInRun("port".to_owned())
            }])
        );
    }

    #[test]
    fn what_cannot_be_filled_in_is_found_at_its_place() {
        assert_eq!(
            filled("a ${NONE} ${a b}", false),
            Err(vec![
                Unfilled {
                    range: 2..9,
                    why: Why::NotSet("NONE".to_owned())
                },
                Unfilled {
                    range: 10..12,
                    why: Why::NotAName
                }
            ])
        );
    }

    #[test]
    fn only_a_reference_is_told_from_a_text_with_one() {
        assert!(is_only_a_reference("${STEPS:-100}"));
        assert!(!is_only_a_reference("${A}${B}"));
        assert!(!is_only_a_reference("x"));
    }
}
