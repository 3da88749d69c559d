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

/// The last words of names of fields that hold secrets; whole words, for `spin` and `opinion` hold `pin`.
const LAST_WORDS: [&str; 27] = [
    "pwd",
    "passcode",
    "password_salt",
    "pin",
    "pin_code",
    "otp",
    "totp",
    "otp_code",
    "mfa_code",
    "auth_code",
    "authorization_code",
    "verification_code",
    "recovery_code",
    "recovery_codes",
    "backup_code",
    "backup_codes",
    "jwt",
    "csrf",
    "xsrf",
    "cvv",
    "cvc",
    "authorization",
    "session_id",
    "sessionid",
    "access_key",
    "signing_key",
    "encryption_key",
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
const HEADERS: [&str; 3] = ["cookie", "set_cookie", "ocp_apim_subscription_key"];

/// Words that no name of a header holds unless its value lets somebody act as the user.
const HEADER_WORDS: [&str; 6] = ["auth", "authorization", "csrf", "xsrf", "jwt", "session"];

fn normalized(name: &str) -> String {
    name.to_ascii_lowercase().replace(['-', '.'], "_")
}

/// The name in lower case with `_` between its words, which may be written as `sessionId` or `X-Session-ID`.
fn in_words(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 4);
    let mut letters = name.chars().peekable();
    let mut before = None;
    while let Some(letter) = letters.next() {
        let next_is_small = letters.peek().is_some_and(char::is_ascii_lowercase);
        let begins = letter.is_ascii_uppercase()
            && before.is_some_and(|before: char| {
                before.is_ascii_lowercase()
                    || before.is_ascii_digit()
                    || (before.is_ascii_uppercase() && next_is_small)
            });
        if begins {
            words.push('_');
        }
        words.push(letter);
        before = Some(letter);
    }
    normalized(&words)
}

/// What a name of a form says of its value: `user[password][]` and `password[0]` hold passwords.
pub(super) fn innermost(name: &str) -> &str {
    let is_position = |part: &str| part.bytes().all(|digit| digit.is_ascii_digit());
    let mut parts = name.split(['[', ']']).rev();
    parts.find(|part| !is_position(part)).unwrap_or(name)
}

fn ends_with_word(name: &str) -> bool {
    WORDS.iter().any(|word| name.ends_with(word))
}

/// Whether the last words of a name, which has `_` between its words, are among these.
fn has_last_words(name: &str) -> bool {
    LAST_WORDS.iter().any(|last| {
        let before = name.strip_suffix(last);
        before.is_some_and(|before| before.is_empty() || before.ends_with('_'))
    })
}

/// Whether a field of a body, a parameter of a query or form, or a column of that name is likely to hold a secret: it ends
/// with such a word, perhaps in the plural or numbered (`token_2`). `token_type`, `password_hint` and `pinned` do not.
/// Stricter than [`is_secret_name`]: `key` and `author` are ordinary names there.
pub(crate) fn is_secret_field(name: &str) -> bool {
    let name = innermost(name);
    let unnumbered = |name: &str| {
        let name = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
        name.trim_end_matches('_').to_owned()
    };
    let joined = unnumbered(&normalized(name));
    ends_with_word(&joined)
        || joined.strip_suffix('s').is_some_and(ends_with_word)
        || has_last_words(&joined)
        || has_last_words(&unnumbered(&in_words(name)))
}

/// Whether a field of that name holds a password, which may be any word.
pub(super) fn is_password(name: &str) -> bool {
    let name = normalized(innermost(name));
    ["password", "passwd", "passphrase"]
        .iter()
        .any(|word| name.ends_with(word))
}

/// Whether even a number under that name is likely to be a secret: a `token` is, `max_tokens` and `token_count` are
/// counts.
pub(super) fn is_secret_number(name: &str) -> bool {
    let name = innermost(name);
    ends_with_word(&normalized(name)) || has_last_words(&in_words(name))
}

/// Whether a variable or an environment variable of that name is likely to hold a secret.
pub(crate) fn is_secret_name(name: &str) -> bool {
    if is_secret_field(name) {
        return true;
    }
    let words = in_words(name);
    if words.split('_').any(|word| HEADER_WORDS.contains(&word)) || words.ends_with("_pass") {
        return !ABOUT.iter().any(|about| words.ends_with(about));
    }
    let name = normalized(name);
    // An author is nobody's credential, an authorization is.
    let name = name.replace("authori", "auth_").replace("author", "");
    PARTS.iter().any(|part| name.contains(part))
        && !name.contains("idempotency")
        && !ABOUT.iter().any(|about| name.ends_with(about))
}

/// Whether the value of a header lets somebody act as the user.
pub(crate) fn is_secret_header(name: &str) -> bool {
    let words = in_words(name);
    HEADERS.contains(&words.as_str())
        || is_secret_field(name)
        || words.split('_').any(|word| HEADER_WORDS.contains(&word))
        || (words.starts_with("x_") && words.ends_with("_key") && !words.contains("idempotency"))
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
            ("authorization", true, true, true),
            ("Authorization", true, true, true),
            ("author", false, false, false),
            ("X-Author", false, false, false),
            ("name", false, false, false),
            ("jwt", true, true, true),
            ("idJWT", true, true, true),
            ("sessionId", true, true, true),
            ("X-Session-ID", true, true, true),
            ("sessionid", true, true, true),
            ("X-Csrf", true, true, true),
            ("X-XSRF-Value", false, true, true),
            ("X-Auth-User", false, true, true),
            ("otp", true, true, true),
            ("user.pin", true, true, true),
            ("pinCode", true, true, true),
            ("passphrase", true, true, true),
            ("private_key", true, true, true),
            ("aws_secret_access_key", true, true, true),
            ("db_pwd", true, true, true),
            ("DB_PASS", false, false, true),
            ("cvv", true, true, true),
            ("backupCodes", true, true, true),
            ("pinned", false, false, false),
            ("pin_count", false, false, false),
            ("pins", false, false, false),
            ("opinion", false, false, false),
            ("spin", false, false, false),
            ("shipping_code", false, false, false),
            ("country_code", false, false, false),
            ("session_count", false, true, false),
            ("tokens_used", false, false, true),
            ("compass", false, false, false),
            ("accessKeyId", false, false, true),
            ("status", false, false, false),
            ("user[password]", true, true, true),
            ("user[password][]", true, true, true),
            ("filter[api_key][0]", true, true, true),
            ("password[hint]", false, false, true),
            ("[]", false, false, false),
        ] {
            assert_eq!(is_secret_field(name), field, "{name}");
            assert_eq!(is_secret_header(name), header, "{name}");
            assert_eq!(is_secret_name(name), variable, "{name}");
        }
        assert!(is_secret_number("access_token"));
        assert!(is_secret_number("pin"));
        assert!(!is_secret_number("max_tokens"));
        assert!(!is_secret_number("pins"));
    }
}
