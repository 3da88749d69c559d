//! Values that are secret for what stands in front of them in the same text: the password of a URL, a parameter of a query,
//! a field of JSON that is kept as text, an element of XML.

use std::ops::Range;

/// A name may be so long in bytes.
const LONGEST_NAME: usize = 64;

/// The tag of a field may be so long in bytes.
const LONGEST_TAG: usize = 4096;

/// Where values stand in a text, each with the name in front of it that `is_secret`. A password in a URL needs none.
pub(super) fn labelled<'t>(
    text: &'t str,
    is_secret: &dyn Fn(&str) -> bool,
) -> Vec<(&'t str, Range<usize>)> {
    let mut found = Vec::new();
    for (at, sign) in text.match_indices([':', '=', '>', '<']) {
        let (before, after) = (&text[..at], &text[at + 1..]);
        let (name, value) = match sign {
            ":" if after.starts_with("//") => (Some("password"), password_of_url(text, at)),
            ":" => (quoted_name(before), literal(text, at + 1)),
            "=" => match parameter_name(before) {
                Some(name) => {
                    let end = at + 1 + length_until(after, "&#;\"'<>\\");
                    (Some(name), Some(at + 1..end))
                }
                None => match setting_name(before).filter(|name| is_secret(name)) {
                    Some(name) => (Some(name), setting(text, at + 1)),
                    None => (None, None),
                },
            },
            "<" => match field_of_form(after, is_secret) {
                Some((name, place)) => {
                    let place = at + 1 + place.start..at + 1 + place.end;
                    (Some(name), Some(place))
                }
                None => (None, None),
            },
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
    let is_of_name = |letter: char| letter.is_alphanumeric() || "_-.[]".contains(letter);
    let name = &before[before.trim_end_matches(is_of_name).len()..];
    let before = &before[..before.len() - name.len()];
    let is_parameter = before.is_empty() || before.ends_with(['?', '&', '#', ';']);
    let name = name.trim_end_matches("[]");
    (is_parameter && name.len() <= LONGEST_NAME).then_some(name)
}

/// The name of a setting in which a text ends, within other words: `user=bob password`. Not that of a column in a condition of
/// SQL.
fn setting_name(before: &str) -> Option<&str> {
    let start =
        before.rfind(|letter: char| !(letter.is_alphanumeric() || "_-.".contains(letter)))?;
    let between = before[start..].chars().next()?;
    let (before, name) = (&before[..start], &before[start + between.len_utf8()..]);
    let is_apart = between.is_whitespace() || ",([{|\"'".contains(between);
    let is_condition = ["where", "and", "or", "on", "when"]
        .iter()
        .any(|word| ends_with_word(before.trim_end(), word));
    (is_apart && !is_condition && name.len() <= LONGEST_NAME).then_some(name)
}

/// Whether the last word of a text is this one.
fn ends_with_word(text: &str, word: &str) -> bool {
    let start = text.len().checked_sub(word.len());
    start.is_some_and(|start| {
        let end = text.get(start..);
        end.is_some_and(|end| end.eq_ignore_ascii_case(word))
            && !text[..start].ends_with(char::is_alphanumeric)
    })
}

/// Where the value of a setting stands that begins here; nowhere where something else is filled in there.
fn setting(text: &str, from: usize) -> Option<Range<usize>> {
    let after = &text[from..];
    let is_filled_in =
        |text: &str| text.starts_with(['$', '?', ':', '@', '%', '(', '{', '[', '=', '<']);
    if after.starts_with(['"', '\'']) {
        return literal(text, from).filter(|place| !is_filled_in(&text[place.clone()]));
    }
    let length = length_until(after, "&;,)]}\"'<>\\|");
    (!is_filled_in(after)).then_some(from..from + length)
}

/// The value of a field of a form, where its tag stands here behind its `<`: with its name, or because it is a password.
fn field_of_form<'t>(
    after: &'t str,
    is_secret: &dyn Fn(&str) -> bool,
) -> Option<(&'t str, Range<usize>)> {
    let end = after
        .bytes()
        .take(LONGEST_TAG)
        .position(|byte| byte == b'>')?;
    let tag = &after[..end];
    if !tag.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return None;
    }
    let mut value = None;
    let mut name = None;
    for (attribute, place) in attributes(tag) {
        let content = &tag[place.clone()];
        match attribute.to_ascii_lowercase().as_str() {
            "value" | "content" => value = Some(place),
            "type" if content.eq_ignore_ascii_case("password") => name = Some(content),
            "name" | "id" | "property" if is_secret(content) => name = Some(content),
            _ => {}
        }
    }
    name.zip(value)
}

/// The attributes of a tag, each with the place of its value.
fn attributes(tag: &str) -> Vec<(&str, Range<usize>)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(sign) = tag[at..].find('=').map(|sign| at + sign) {
        let name = tag[at..sign].split_whitespace().next_back();
        let start = tag.len() - tag[sign + 1..].trim_start().len();
        let quote = tag[start..]
            .chars()
            .next()
            .filter(|first| "\"'".contains(*first));
        let (from, end) = match quote {
            Some(quote) => {
                let end = tag[start + 1..].find(quote);
                (start + 1, end.map_or(tag.len(), |end| start + 1 + end))
            }
            None => (start, start + length_until(&tag[start..], "")),
        };
        found.extend(name.map(|name| (name, from..end)));
        at = (end + usize::from(quote.is_some())).min(tag.len());
    }
    found
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
            ("user=b password=x, note=y", &["x"]),
            ("login failed (pin=4711)", &["4711"]),
            ("error password=x", &["x"]),
            ("\u{1f574}a=b \u{e9} token=x", &["x"]),
            ("level=info password=\"p w\" user='b'", &["p w"]),
            ("<input name=password value=p>", &["p"]),
            (
                "<input value='a b' type='hidden' name='csrf_token'><input name=q value=c>",
                &["a b"],
            ),
            ("<INPUT TYPE=\"Password\" Value=\"p w\" name=p>", &["p w"]),
            ("<meta name=\"csrf-token\" content=\"t\"/>", &["t"]),
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
            "<input name=password placeholder=secret>",
            "<input name=q value=password>",
            "a < b, value=1 name=password",
            "run --set password=\"$PASSWORD\" or token=${T}",
            "SELECT 1 WHERE a = 1 and pin='1'",
            "pinned=1 author=bob token_count=5",
        ] {
            assert!(found(text).is_empty(), "{text}: {:?}", found(text));
        }
    }
}
