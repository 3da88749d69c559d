//! Secrets in commands that are printed: a word that names the environment variable with the secret, never the secret.

use super::surroundings::Surroundings;
use crate::secret::is_secret_name;

/// What a POSIX shell replaces by a secret of this name: the environment variable that holds it now. Where none does, `fallback`
/// is the one that has to be set first, and the shell says so.
pub(super) fn word(surroundings: &Surroundings, name: &str, value: &str, fallback: &str) -> String {
    let holds = |(variable, held): &(&String, &String)| {
        held.as_str() == value
            && (variable.eq_ignore_ascii_case(name) || is_secret_name(variable))
            && is_name(variable)
    };
    let mut variables = surroundings.variables.iter();
    match variables.find(holds).filter(|_| !value.is_empty()) {
        Some((variable, _)) => format!("\"${variable}\""),
        None => format!("\"${{{fallback}:?must be set to the secret first}}\""),
    }
}

/// Whether a shell takes a text for the name of a variable.
fn is_name(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.bytes().all(is_letter) && !text.starts_with(|first: char| first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_that_holds_a_secret_stands_for_it() {
        let variables = [("USER", "s3cret"), ("DB_PASSWORD", "s3cret"), ("PIN", "1")];
        let surroundings = Surroundings {
            variables: variables
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            ..Surroundings::default()
        };
        for (name, value, expected) in [
            ("password", "s3cret", "\"$DB_PASSWORD\""),
            ("pin", "1", "\"$PIN\""),
            ("pin", "2", "\"${X:?must be set to the secret first}\""),
            ("pin", "", "\"${X:?must be set to the secret first}\""),
        ] {
            assert_eq!(word(&surroundings, name, value, "X"), expected);
        }
    }
}
