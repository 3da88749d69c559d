//! Values that are secret for what stands in front of them in the same text: the password of a URL, a parameter of a query,
//! a field of JSON that is kept as text, an element of XML.

use std::ops::Range;

/// A name may be so long in bytes.
const LONGEST_NAME: usize = 64;

/// Where values stand in a text, each with the name in front of it that `is_secret`. A password in a URL needs none.
pub(super) fn labelled<'t>(
    text: &'t str,
    is_secret: &dyn Fn(&str) -> bool,
) -> Vec<(&'t str, Range<usize>)> {
    let mut found = Vec::new();
    for (at, sign) in text.match_indices([':', '=', '>']) {
        let (before, after) = (&text[..at], &text[at + 1..]);
        let (name, value) = match sign {
            ":" if after.starts_with("//") => (Some("password"), password_of_url(text, at)),
            ":" => (quoted_name(before), literal(text, at + 1)),
            "=" => {
                let end = at + 1 + length_until(after, "&#;\"'<>\\");
                (parameter_name(before), Some(at + 1..end))
            }
            _ => {
                let end = after.find('<').map_or(text.len(), |length| at + 1 + length);
                (element_name(before), Some(at + 1..end))
            }
        };
        let found_here = name.filter(|name| is_secret(name)).zip(value);
        found.extend(found_here.filter(|(_, place)| !place.is_empty()));
    }
    found
}

/// Where the password stands in a URL whose `://` is here. That of a database may hold anything, an unescaped slash too.
fn password_of_url(text: &str, scheme_end: usize) -> Option<Range<usize>> {
    let (scheme, from) = (&text[..scheme_end], scheme_end + 3);
    let is_database = scheme.ends_with("postgres") || scheme.ends_with("postgresql");
    let ends = if is_database { "?#\"'<>" } else { "/?#\"'<>\\" };
    let authority = &text[from..][..length_until(&text[from..], ends)];
    let at = authority.rfind('@')?;
    let colon = authority[..at].find(':')?;
    Some(from + colon + 1..from + at)
}

/// How far a text goes until one of these letters or a blank.
fn length_until(text: &str, ends: &str) -> usize {
    text.find(|letter: char| letter.is_whitespace() || ends.contains(letter))
        .unwrap_or(text.len())
}

/// The name in quotes in which a text ends: `{"token"`, `'token' `.
fn quoted_name(before: &str) -> Option<&str> {
    let before = before.trim_end();
    let quote = before
        .chars()
        .next_back()
        .filter(|quote| "\"'".contains(*quote))?;
    let name = &before[..before.len() - 1];
    let start = name.rfind(quote)? + 1;
    Some(&name[start..]).filter(|name| name.len() <= LONGEST_NAME)
}

/// The name of a parameter in which a text ends: `?token`, `a=1&token`, `#token`.
fn parameter_name(before: &str) -> Option<&str> {
    let start = before
        .rfind(|letter: char| !(letter.is_alphanumeric() || "_-.[]".contains(letter)))
        .map_or(0, |at| at + 1);
    let is_parameter = start == 0 || before[..start].ends_with(['?', '&', '#', ';']);
    let name = before[start..].trim_end_matches("[]");
    (is_parameter && name.len() <= LONGEST_NAME).then_some(name)
}

/// The name of the element that begins where a text ends: `<a><token`.
fn element_name(before: &str) -> Option<&str> {
    let name = &before[before.rfind('<')? + 1..];
    let name = name.rsplit(':').next().unwrap_or(name);
    Some(name).filter(|name| {
        name.len() <= LONGEST_NAME
            && name
                .chars()
                .all(|letter| letter.is_alphanumeric() || "_-.".contains(letter))
    })
}

/// Where the text or number stands that begins here in a JSON text, without its quotes.
fn literal(text: &str, from: usize) -> Option<Range<usize>> {
    let start = text.len() - text[from..].trim_start().len();
    let rest = &text[start..];
    let first = rest.chars().next()?;
    if first == '"' || first == '\'' {
        let mut escaped = false;
        let end = rest[1..].find(|letter| {
            let ends = letter == first && !escaped;
            escaped = letter == '\\' && !escaped;
            ends
        });
        return Some(start + 1..end.map_or(text.len(), |end| start + 1 + end));
    }
    let length = length_until(rest, ",}]");
    first.is_ascii_digit().then_some(start..start + length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::is_secret_field;

    fn found(text: &str) -> Vec<&str> {
        labelled(text, &is_secret_field)
            .into_iter()
            .map(|(_, place)| &text[place])
            .collect()
    }

    #[test]
    fn what_stands_behind_a_secret_name_is_found_whatever_the_text_is() {
        for (text, secrets) in [
            (
                "see https://bob:hunter@host/a and http://host",
                &["hunter"][..],
            ),
            ("<https://u:p:w@h/>; rel=next", &["p:w"]),
            ("postgres://u:p/w@h/db", &["p/w"]),
            ("/cb#access_token=abc&token_type=Bearer", &["abc"]),
            ("api_key=abc&page=2&tokens[]=x", &["abc", "x"]),
            (
                "{\"password\": \"a\\\"b\", \"name\": \"bob\"}\n{\"token\":\"t",
                &["a\\\"b", "t"],
            ),
            ("{'secret': 'x', 'token': 12}", &["x", "12"]),
            ("<a><ns:password>p w</ns:password><b>1</b></a>", &["p w"]),
        ] {
            assert_eq!(found(text), secrets, "{text}");
        }
    }

    #[test]
    fn texts_that_only_speak_of_secrets_are_left_alone() {
        for text in [
            "SELECT id FROM users WHERE token = 'x' AND password=?",
            "the token: expired",
            "{\"token\": null, \"password\": [], \"token_type\": \"Bearer\"}",
            "http://host:8080/a@b",
            "page=2&sort=name",
            "<p class=\"password\">",
        ] {
            assert!(found(text).is_empty(), "{text}: {:?}", found(text));
        }
    }
}
