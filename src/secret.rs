//! What no message and no report shows.

/// What stands in place of a secret.
pub(crate) const REDACTED: &str = "[redacted]";

/// Whether something of that name is likely to hold what nobody may see.
pub(crate) fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [
        "token",
        "secret",
        "password",
        "passwd",
        "key",
        "auth",
        "cookie",
        "credential",
    ]
    .iter()
    .any(|word| name.contains(word))
}

/// A text that may be or end in a URL, without the password in it: `--db=postgres://user:[redacted]@host/database`.
pub(crate) fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let (place, options) = match rest.split_once('?') {
        Some((place, options)) => (place, Some(options)),
        None => (rest, None),
    };
    // A password may hold anything, an unescaped slash too: better to hide too much than too little.
    let user_and_host = place
        .rsplit_once('@')
        .and_then(|(user, host)| Some((user.split_once(':')?.0, host)));
    let place = user_and_host.map_or_else(
        || place.to_owned(),
        |(user, host)| format!("{user}:{REDACTED}@{host}"),
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
    format!("{scheme}://{place}{options}")
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
            ("10:30@noon", "10:30@noon"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }
}
