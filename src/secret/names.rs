//! Which names say that what stands under them is secret.

/// Words in the names of fields that hold secrets.
const WORDS: [&str; 8] = [
    "password",
    "passwd",
    "secret",
    "token",
    "credential",
    "api_key",
    "apikey",
    "private_key",
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

/// Whether a field of a body, a parameter of a query or form, or a column of that name is likely to hold a secret.
/// Stricter than [`is_secret_name`]: `key` and `author` are ordinary names there.
pub(crate) fn is_secret_field(name: &str) -> bool {
    let name = normalized(name);
    WORDS.iter().any(|word| name.contains(word))
}

/// Whether even a number under that name is likely to be a secret: a `token` is, `max_tokens` and `token_count` are
/// counts.
pub(super) fn is_secret_number(name: &str) -> bool {
    let name = normalized(name);
    WORDS.iter().any(|word| name.ends_with(word))
}

/// Whether a variable or an environment variable of that name is likely to hold a secret.
pub(crate) fn is_secret_name(name: &str) -> bool {
    let name = normalized(name);
    // An author is nobody's credential, an authorization is.
    let without_author = name.replace("authori", "auth_").replace("author", "");
    is_secret_field(&name)
        || (name.contains("key") && !name.contains("idempotency"))
        || without_author.contains("auth")
        || name.contains("cookie")
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
