//! Which names say that what stands under them is secret.

/// With what the names of fields end that hold secrets.
const WORDS: [&str; 19] = [
    "password",
    "password_hash",
    "passwordhash",
    "password_digest",
    "password_confirmation",
    "passwordconfirmation",
    "passwd",
    "passphrase",
    "secret",
    "secret_key",
    "secretkey",
    "token",
    "token_hash",
    "tokenhash",
    "credential",
    "api_key",
    "apikey",
    "private_key",
    "privatekey",
];

/// What names of variables may hold anywhere.
const PARTS: [&str; 8] = [
    "password",
    "passwd",
    "secret",
    "token",
    "credential",
    "key",
    "auth",
    "cookie",
];

/// With what a name ends that says something about a secret and does not hold it.
const ABOUT: [&str; 14] = [
    "type",
    "count",
    "hint",
    "ttl",
    "expiry",
    "expires",
    "expires_in",
    "expires_at",
    "length",
    "policy",
    "kind",
    "status",
    "limit",
    "algorithm",
];

/// Headers whose values let somebody act as the user, whatever they are.
const HEADERS: [&str; 5] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
];

fn normalized(name: &str) -> String {
    name.to_ascii_lowercase().replace('-', "_")
}

fn ends_with_word(name: &str) -> bool {
    WORDS.iter().any(|word| name.ends_with(word))
}

/// Whether a field of a body, a parameter of a query or form, or a column of that name is likely to hold a secret: it ends
/// with such a word, perhaps in the plural or numbered (`token_2`). `token_type` and `password_hint` do not.
/// Stricter than [`is_secret_name`]: `key` and `author` are ordinary names there.
pub(crate) fn is_secret_field(name: &str) -> bool {
    let name = normalized(name);
    let name = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let name = name.trim_end_matches('_');
    ends_with_word(name) || name.strip_suffix('s').is_some_and(ends_with_word)
}

/// Whether a field of that name holds a password, which may be any word.
pub(super) fn is_password(name: &str) -> bool {
    let name = normalized(name);
    ["password", "passwd", "passphrase"]
        .iter()
        .any(|word| name.ends_with(word))
}

/// Whether even a number under that name is likely to be a secret: a `token` is, `max_tokens` and `token_count` are
/// counts.
pub(super) fn is_secret_number(name: &str) -> bool {
    ends_with_word(&normalized(name))
}

/// Whether a variable or an environment variable of that name is likely to hold a secret.
pub(crate) fn is_secret_name(name: &str) -> bool {
    let name = normalized(name);
    if is_secret_field(&name) {
        return true;
    }
    // An author is nobody's credential, an authorization is.
    let name = name.replace("authori", "auth_").replace("author", "");
    PARTS.iter().any(|part| name.contains(part))
        && !name.contains("idempotency")
        && !ABOUT.iter().any(|about| name.ends_with(about))
}

/// Whether the value of a header lets somebody act as the user.
pub(crate) fn is_secret_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    HEADERS.contains(&name.as_str())
        || is_secret_field(&name)
        || (name.starts_with("x-") && name.ends_with("-key") && !name.contains("idempotency"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_fields_headers_and_variables_say_what_is_secret() {
        for (name, field, header, variable) in [
            ("password", true, true, true),
            ("sessionToken", true, true, true),
            ("Session-Token", true, true, true),
            ("X-Api-Key", true, true, true),
            ("X-Functions-Key", false, true, true),
            ("X-Idempotency-Key", false, false, false),
            ("Cookie", false, true, true),
            ("key", false, false, true),
            ("token_2", true, true, true),
            ("user_credentials", true, true, true),
            ("password_hash", true, true, true),
            ("token_of_alice", false, false, true),
            ("token_type", false, false, false),
            ("token_count", false, false, false),
            ("password_hint", false, false, false),
            ("secretary", false, false, true),
            ("oauth", false, false, true),
            ("authorization", false, true, true),
            ("author", false, false, false),
            ("name", false, false, false),
        ] {
            assert_eq!(is_secret_field(name), field, "{name}");
            assert_eq!(is_secret_header(name), header, "{name}");
            assert_eq!(is_secret_name(name), variable, "{name}");
        }
        assert!(is_secret_number("access_token"));
        assert!(!is_secret_number("max_tokens"));
    }
}
