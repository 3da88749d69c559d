//! Where passwords stand in texts: in URLs, and in settings as libpq takes them.

use std::ops::Range;

use super::REDACTED;
use super::names::{is_secret_field, is_secret_name};

/// A text that may be or end in a URL, without the password in it: `--db=postgres://user:[redacted]@host/database`.
/// A URL whose scheme was forgotten (`user:password@host`) is one as well, and so are settings as libpq takes them
/// (`host=127.0.0.1 password=[redacted]`).
pub(crate) fn without_password(text: &str) -> String {
    let mut text = text.to_owned();
    for value in settings(&text).into_iter().rev() {
        text.replace_range(value, REDACTED);
    }
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), text.as_str()),
    };
    let (place, options) = match rest.split_once('?') {
        Some((place, options)) => (place, Some(options)),
        None => (rest, None),
    };
    // A password may hold anything, an unescaped slash too: better to hide too much than too little.
    let place = user_information(place).map_or_else(
        || place.to_owned(),
        |(user, _, host)| format!("{user}:{REDACTED}@{host}"),
    );
    let options = options.map_or_else(String::new, |options| {
        let shown = options
            .split('&')
            .map(|option| match option.split_once('=') {
                Some((name, _)) if is_secret_name(name) => format!("{name}={REDACTED}"),
                _ => option.to_owned(),
            });
        format!("?{}", shown.collect::<Vec<_>>().join("&"))
    });
    format!("{scheme}{place}{options}")
}

/// User, password and host of what stands behind the scheme of a URL.
fn user_information(place: &str) -> Option<(&str, &str, &str)> {
    let (user, host) = place.rsplit_once('@')?;
    let (user, password) = user.split_once(':')?;
    Some((user, password, host))
}

/// The passwords in a text that is a URL or consists of settings as libpq takes them; empty for any other text.
pub(super) fn passwords(text: &str) -> Vec<String> {
    let parsed = url::Url::parse(text).ok();
    // One with several hosts is none for everybody else.
    let is_database = ["postgres://", "postgresql://"]
        .iter()
        .any(|scheme| text.starts_with(scheme));
    if parsed.is_none() && !is_database {
        return setting_passwords(text);
    }
    let place = text.split_once("://").map_or(text, |(_, rest)| rest);
    let end = place.find(['/', '?', '#']).unwrap_or(place.len());
    let written = user_information(&place[..end]).map(|(_, password, _)| password.to_owned());
    let understood = parsed.and_then(|url| url.password().map(str::to_owned));
    let query = text.split_once('?').map_or("", |(_, query)| query);
    let query = query.split('#').next().unwrap_or_default();
    let options = url::form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| is_secret_field(name))
        .map(|(_, value)| value.into_owned());
    written
        .into_iter()
        .chain(understood)
        .chain(options)
        .collect()
}

/// The passwords in settings, as libpq reads them.
fn setting_passwords(text: &str) -> Vec<String> {
    let read = |value: Range<usize>| {
        let mut letters = text[value].chars();
        let mut read = String::new();
        while let Some(letter) = letters.next() {
            read.extend(match letter {
                '\\' => letters.next(),
                letter => Some(letter),
            });
        }
        read
    };
    settings_of_database(text).into_iter().map(read).collect()
}

/// Where the passwords stand in a text that is nothing but settings as libpq takes them, without the quotes around them. A
/// sentence or a query in which `password = $1` stands begins otherwise.
pub(crate) fn settings_of_database(text: &str) -> Vec<Range<usize>> {
    const NAMES: [&str; 8] = [
        "host", "hostaddr", "port", "dbname", "user", "password", "sslmode", "service",
    ];
    let begins_with_one = text.split_once('=').is_some_and(|(name, _)| {
        NAMES
            .iter()
            .any(|known| name.trim().eq_ignore_ascii_case(known))
    });
    if !begins_with_one {
        return Vec::new();
    }
    let unquoted = |value: Range<usize>| {
        let behind = text[value.clone()].trim_start_matches(QUOTES);
        let start = value.end - behind.len();
        start..start + behind.trim_end_matches(QUOTES).len()
    };
    settings(text).into_iter().map(unquoted).collect()
}

/// What a value may be put in.
const QUOTES: [char; 2] = ['\'', '"'];

/// Where values of settings stand that nobody may see: `password=secret`, `PASSWORD = 'top secret'`. Not those in the query
/// string of a URL, which end elsewhere.
fn settings(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for (equals, _) in text.match_indices('=') {
        if found.last().is_some_and(|value| equals < value.end) {
            continue;
        }
        let (before, name) = split_name(text[..equals].trim_end());
        if !is_secret_field(name) || before.ends_with(['?', '&']) {
            continue;
        }
        let value = text[equals + 1..].trim_start();
        let start = text.len() - value.len();
        if !value.is_empty() {
            found.push(start..start + length_of_setting(value));
        }
    }
    found
}

/// How far the value of a setting goes that begins here: up to a space outside of its quotes.
fn length_of_setting(text: &str) -> usize {
    let may_be_quoted = text.starts_with(QUOTES);
    let mut quote = None;
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            letter if quote == Some(letter) => quote = None,
            letter if quote.is_none() && may_be_quoted && QUOTES.contains(&letter) => {
                quote = Some(letter);
            }
            letter if quote.is_none() && letter.is_whitespace() => return at,
            _ => {}
        }
    }
    text.len()
}

/// Splits the name that a text ends in from what stands before it.
fn split_name(text: &str) -> (&str, &str) {
    let name = text.trim_end_matches(is_of_name);
    text.split_at(name.len())
}

fn is_of_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || ['_', '-', '.'].contains(&letter)
}

/// Whether what stands between these two is a password.
pub(super) fn is_place(before: &str, after: &str) -> bool {
    let is_in_url = [":", "%3A", "%3a"].iter().any(|end| before.ends_with(end))
        && ["@", "%40"].iter().any(|start| after.starts_with(start));
    if is_in_url {
        return true;
    }
    // The first letters of another value.
    if after.starts_with(|letter: char| letter.is_alphanumeric() || letter == '_') {
        return false;
    }
    let is_quote = |letter: char| QUOTES.contains(&letter) || letter == '\\';
    let before = before.trim_end_matches(is_quote).trim_end();
    ["=", ":", "=>", "%3D", "%3d"]
        .iter()
        .find_map(|sign| before.strip_suffix(sign))
        .is_some_and(|before| {
            let (_, name) = split_name(before.trim_end().trim_end_matches(is_quote));
            is_secret_field(name)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_password() {
        for (url, shown) in [
            (
                "postgres://qa:s3c@ret@127.0.0.1/shop?password=s3cret&sslmode=require",
                "postgres://qa:[redacted]@127.0.0.1/shop?password=[redacted]&sslmode=require",
            ),
            (
                "--db=postgres://qa:s3cret@127.0.0.1/shop",
                "--db=postgres://qa:[redacted]@127.0.0.1/shop",
            ),
            (
                "postgres://qa@127.0.0.1/shop",
                "postgres://qa@127.0.0.1/shop",
            ),
            (
                "http://127.0.0.1:8000/a@b:c",
                "http://127.0.0.1:[redacted]@b:c",
            ),
            ("sqlite:a.db", "sqlite:a.db"),
            ("10:30@noon", "10:[redacted]@noon"),
            ("qa:s3cret@host", "qa:[redacted]@host"),
            ("a sentence: nothing to hide", "a sentence: nothing to hide"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }

    #[test]
    fn settings_are_shown_without_their_password() {
        for (settings, shown) in [
            (
                "host=127.0.0.1 password=topsecret dbname=shop",
                "host=127.0.0.1 password=[redacted] dbname=shop",
            ),
            (
                "host=h PASSWORD = 'top secret' user=qa",
                "host=h PASSWORD = [redacted] user=qa",
            ),
            (
                r"password='it\'s top secret' host=h",
                "password=[redacted] host=h",
            ),
            (r"password=top\ secret host=h", "password=[redacted] host=h"),
            (
                "password=it's host=h sslpassword=\"top secret\"",
                "password=[redacted] host=h sslpassword=[redacted]",
            ),
            ("password='top secret host=h", "password=[redacted]"),
            (
                "password=top=secret://or@else? host=h",
                "password=[redacted] host=h",
            ),
            ("host=h user=qa password=", "host=h user=qa password="),
            ("host=h user=qa", "host=h user=qa"),
        ] {
            assert_eq!(without_password(settings), shown, "{settings}");
        }
    }
}
