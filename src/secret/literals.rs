//! The parts of a text that stand in it as they are, between what is filled in later.

use std::ops::Range;

/// What is filled in later, with its ends.
const OPEN: [(&str, &str); 4] = [("{{", "}}"), ("{%", "%}"), ("{#", "#}"), ("${", "}")];

/// Where the parts of a text stand that are not filled in later.
pub(crate) fn literals(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let opens = OPEN
            .iter()
            .filter_map(|(open, close)| Some((rest.find(open)?, open.len(), *close)));
        let Some((start, length, close)) = opens.min() else {
            found.push(at..text.len());
            break;
        };
        found.push(at..at + start);
        let inside = at + start + length;
        at = text[inside..]
            .find(close)
            .map_or(text.len(), |end| inside + end + close.len());
    }
    found.retain(|part| !part.is_empty());
    found
}

/// Where words stand in the literal parts of a text that is partly filled in later: `ApiKey` and `s3cret` in
/// `ApiKey {{ user }}:s3cret`. The name in `name=value` is none.
pub(crate) fn literal_words(text: &str) -> Vec<Range<usize>> {
    let is_between = |letter: char| letter.is_whitespace() || ":;,&\"'<>()[]{}".contains(letter);
    let mut found = Vec::new();
    for part in literals(text) {
        let mut at = part.start;
        for word in text[part.clone()].split(is_between) {
            let start = at;
            at += word.len();
            at += text[at..part.end].chars().next().map_or(0, char::len_utf8);
            let name = word.find('=').map_or(0, |sign| sign + 1);
            let value = &word[name..];
            if value.chars().any(char::is_alphanumeric) {
                found.push(start + name..start + word.len());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_beside_what_is_filled_in_later_are_found() {
        for (text, words) in [
            ("s3cret", &["s3cret"][..]),
            ("{{ a }}", &[]),
            ("Bearer {{ a }}", &["Bearer"]),
            ("ApiKey {{ a }}:s3-cret", &["ApiKey", "s3-cret"]),
            ("a={{ a }}; b=s3cret", &["s3cret"]),
            ("{{ a }}:{{ b }}", &[]),
            ("${A}é{% if x %}b{# c #}", &["é", "b"]),
            ("{{ never closed", &[]),
        ] {
            let found: Vec<&str> = literal_words(text)
                .into_iter()
                .map(|word| &text[word])
                .collect();
            assert_eq!(found, words, "{text}");
        }
    }
}
