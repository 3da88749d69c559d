//! The text of a spec as messages show parts of it: secrets covered, everything else in its place.

use std::ops::Range;

use serde_json::Value;

use super::names::{is_secret_name, is_secret_number};
use super::{Secrets, literal_words};

/// Keys of the format that sound like names of secrets: what stands under them is no secret.
const OF_FORMAT: [&str; 2] = ["secrets", "cookie"];

/// Bytes of a value that are covered at the most.
const LONGEST_VALUE: usize = 4096;

/// A text whose secrets are covered.
#[derive(Debug)]
pub(crate) struct HiddenSource {
    /// As many bytes as before in as many lines, so that every place is where it was.
    pub(crate) text: String,
    /// What was covered.
    pub(crate) secrets: Secrets,
}

impl HiddenSource {
    /// Covers what stands under names of secrets in YAML, whether or not it can be read, and wherever the same stands again.
    pub(crate) fn of(text: &str) -> Self {
        let named = names(text);
        let secrets = Secrets::named(named.iter().cloned());
        let mut places = Vec::new();
        let mut start = 0;
        // Lines deeper than this belong to a secret above.
        let mut below: Option<usize> = None;
        for line in text.split_inclusive('\n') {
            let indent = line.len() - line.trim_start_matches([' ', '-']).len();
            let content = line.trim_end();
            if !content.is_empty() {
                if below.is_some_and(|depth| indent > depth) && !content.contains(": ") {
                    places.extend(words(text, start..start + content.len(), 0));
                } else {
                    below = None;
                }
                for (key, value) in values(content) {
                    let is_secret =
                        !OF_FORMAT.contains(&key) && (secrets.has_name(key) || is_secret_name(key));
                    if !is_secret {
                        continue;
                    }
                    let shown = &content[value.clone()];
                    if shown.is_empty() || shown.starts_with(['|', '>']) {
                        below = Some(indent);
                        continue;
                    }
                    let is_number = shown.bytes().all(|byte| byte.is_ascii_digit());
                    if is_number && !secrets.has_name(key) && !is_secret_number(key) {
                        continue;
                    }
                    if is_path(shown) {
                        continue;
                    }
                    // `Bearer` and the like are no secret, and good to know.
                    let scheme = shown.find(' ').map_or(0, |end| end + 1);
                    let is_credential = key.to_ascii_lowercase().contains("authorization");
                    let from = if is_credential { scheme } else { 0 };
                    if !shown.contains("{{") && !shown.contains("${") {
                        secrets.learn_likely("password", &Value::from(&shown[from..]));
                    }
                    let value = start + value.start..start + value.end;
                    places.extend(words(text, value, from));
                }
            }
            start += line.len();
        }
        let mut covered = text.to_owned();
        for place in places.into_iter().chain(secrets.places(text)) {
            cover(&mut covered, place);
        }
        Self {
            text: covered,
            secrets,
        }
    }
}

/// Where the words of a part of a text stand that are not filled in later, from this byte of the part on.
fn words(text: &str, part: Range<usize>, from: usize) -> impl Iterator<Item = Range<usize>> {
    let words = literal_words(&text[part.clone()]).into_iter();
    words
        .filter(move |word| word.start >= from)
        .map(move |word| part.start + word.start..part.start + word.end)
}

/// Whether a value says where an answer holds a secret, and is none itself.
fn is_path(value: &str) -> bool {
    value.starts_with('$') && !value.starts_with("${")
}

/// Covers a part of a text, byte for byte.
fn cover(text: &mut String, place: Range<usize>) {
    let covered: String = text[place.clone()]
        .chars()
        .flat_map(|letter| {
            let (cover, count) = match letter {
                '\n' | '\r' => (letter, 1),
                letter => ('*', letter.len_utf8()),
            };
            std::iter::repeat_n(cover, count)
        })
        .collect();
    text.replace_range(place, &covered);
}

/// The names under `secrets:`, in brackets or line by line.
fn names(text: &str) -> Vec<String> {
    let mut lines = text
        .lines()
        .skip_while(|line| !line.starts_with("secrets:"));
    let Some(first) = lines.next() else {
        return Vec::new();
    };
    let below =
        lines.take_while(|line| line.trim_start().starts_with('-') || line.trim().is_empty());
    let is_between = |letter: char| letter.is_whitespace() || "[],\"'".contains(letter);
    std::iter::once(&first["secrets:".len()..])
        .chain(below.map(|line| line.trim_start().trim_start_matches('-')))
        .flat_map(|names| names.split(is_between))
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The beginning of a text, of so many bytes and up to the end of a letter.
fn head(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end += 1;
    }
    &text[..end]
}

/// The keys of a line of YAML, each with the place of its value, without quotes. No more of a value is looked at than
/// [`LONGEST_VALUE`], for a line may be long and full of keys.
fn values(line: &str) -> Vec<(&str, Range<usize>)> {
    let mut found = Vec::new();
    let mut is_flow = false;
    let mut seen = 0;
    for (at, _) in line.match_indices(':') {
        is_flow |= line[seen..at].contains(['{', '[']);
        seen = at;
        let behind = &line[at + 1..];
        if !(behind.is_empty() || behind.starts_with([' ', '\t'])) {
            continue;
        }
        let key = line[..at].trim_end().trim_end_matches(['"', '\'']);
        let is_of_key = |letter: char| letter.is_alphanumeric() || "_-.".contains(letter);
        let key = &key[key.trim_end_matches(is_of_key).len()..];
        let start = line.len() - behind.trim_start().len();
        let line = &line[..start + head(&line[start..], LONGEST_VALUE).len()];
        let value = &line[start..];
        let quote = value.chars().next().filter(|first| "\"'".contains(*first));
        let (start, end) = if let Some(quote) = quote {
            let end = value[1..].find(quote);
            (start + 1, end.map_or(line.len(), |end| start + 1 + end))
        } else {
            let comment = value.find(" #").unwrap_or(value.len());
            let flow = value
                .find([',', '}'])
                .filter(|_| is_flow && !value.starts_with("{{"));
            let length = flow.map_or(comment, |end| end.min(comment));
            (start, start + value[..length].trim_end().len())
        };
        if !line[start..].starts_with(['{', '*', '&', '!']) || line[start..].starts_with("{{") {
            found.push((key, start..end));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_under_names_of_secrets_is_covered_and_nothing_moves() {
        for (text, shown) in [
            ("password: hunter2", "password: *******"),
            (
                "  password: 'hunter 2' # old",
                "  password: '********' # old",
            ),
            (
                "- { user: qa, password: \"hunter2\", n: 1 }",
                "- { user: qa, password: \"*******\", n: 1 }",
            ),
            ("{ pin: 4711, page: 4711 }", "{ pin: ****, page: 4711 }"),
            (
                "password: hunter2\npath: /a/hunter2",
                "password: *******\npath: /a/*******",
            ),
            (
                "Authorization: ApiKey {{ a }}:hunter2",
                "Authorization: ApiKey {{ a }}:*******",
            ),
            (
                "db: postgres://u:hunter2@h/d",
                "db: postgres://u:*******@h/d",
            ),
            (
                "api_key: |\n  hunter2\nname: x",
                "api_key: |\n  *******\nname: x",
            ),
            (
                "tokens:\n  - hunter2\nname: x",
                "tokens:\n  - *******\nname: x",
            ),
            ("secrets: [ssn]\nssn: abcdef", "secrets: [ssn]\nssn: ******"),
            ("password: é\n", "password: **\n"),
        ] {
            let covered = HiddenSource::of(text).text;
            assert_eq!(covered, shown);
            assert_eq!(covered.len(), text.len());
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            "secrets: [token, ssn]",
            "extract: { token: $.token, sid: { cookie: sid } }",
            "password: ${PASSWORD}",
            "headers: { Authorization: \"{{ token }}\" }",
            "max_tokens: 5",
            "Authorization: Bearer {{ token }}",
            "- name: create_token",
            "token: { header: X-Session-Token }",
            "author: somebody",
            "preconditions: [\"token is defined\"]",
        ] {
            assert_eq!(HiddenSource::of(text).text, text);
        }
    }
}
