//! Secrets that no report shows.

pub(super) use crate::secret::REDACTED;

/// Headers whose values let somebody act as the user.
const SECRET_HEADERS: [&str; 5] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
];

/// The value of a header as reports show it.
pub(super) fn header_value<'a>(name: &str, value: &'a str) -> &'a str {
    if SECRET_HEADERS
        .iter()
        .any(|secret| name.eq_ignore_ascii_case(secret))
    {
        REDACTED
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_redacted_whatever_the_case_of_the_header() {
        for name in [
            "Authorization",
            "proxy-AUTHORIZATION",
            "Cookie",
            "set-cookie",
            "X-API-Key",
        ] {
            assert_eq!(header_value(name, "s3cret"), REDACTED, "{name}");
        }
    }

    #[test]
    fn other_headers_are_shown() {
        assert_eq!(header_value("Content-Type", "text/plain"), "text/plain");
    }
}
