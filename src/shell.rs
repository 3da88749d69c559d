//! Words as a POSIX shell reads them.

use std::fmt::Write as _;

use crate::visible::Guard;

/// A word in which nothing is filled in. What a terminal would obey is printed by the shell itself, as is what is no text.
pub(crate) fn quoted(word: impl AsRef<[u8]>) -> String {
    let word = word.as_ref();
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_./:=,%+@".contains(byte);
    if !word.is_empty() && word.iter().all(is_plain) {
        return String::from_utf8_lossy(word).into_owned();
    }
    let mut text = String::new();
    for piece in pieces(word) {
        match piece {
            Piece::Plain(plain) => {
                let _ = write!(text, "'{}'", plain.replace('\'', r"'\''"));
            }
            Piece::Printed(octal) => {
                let _ = write!(text, "\"$(printf '{octal}')\"");
            }
        }
    }
    if text.is_empty() {
        "''".to_owned()
    } else {
        text
    }
}

/// A path as a word that is no option.
pub(crate) fn quoted_path(path: &std::path::Path) -> String {
    let quoted = quoted(path.as_os_str().as_encoded_bytes());
    if quoted.starts_with('-') || quoted.starts_with("'-") {
        format!("./{quoted}")
    } else {
        quoted
    }
}

/// A text as it may stand between double quotes or in the lines below a command, where these characters mean something else.
pub(crate) fn within(text: &str, special: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for piece in pieces(text.as_bytes()) {
        match piece {
            Piece::Plain(plain) => {
                for letter in plain.chars() {
                    if special.contains(letter) {
                        shown.push('\\');
                    }
                    shown.push(letter);
                }
            }
            Piece::Printed(octal) => {
                let _ = write!(shown, "$(printf '{octal}')");
            }
        }
    }
    shown
}

/// A command that prints a text, byte by byte.
pub(crate) fn print(text: &str) -> String {
    // No word of a shell can hold it.
    if text.contains('\0') {
        format!("printf '{}'", octal(text.as_bytes()))
    } else {
        format!("printf %s {}", quoted(text))
    }
}

enum Piece {
    Plain(String),
    /// For the format of `printf`.
    Printed(String),
}

fn pieces(text: &[u8]) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let print = |pieces: &mut Vec<Piece>, bytes: &[u8]| match pieces.last_mut() {
        Some(Piece::Printed(before)) => before.push_str(&octal(bytes)),
        _ => pieces.push(Piece::Printed(octal(bytes))),
    };
    let mut guard = Guard::within_line();
    for chunk in text.utf8_chunks() {
        for letter in chunk.valid().chars() {
            if guard.stops(letter) {
                print(&mut pieces, letter.encode_utf8(&mut [0; 4]).as_bytes());
            } else if let Some(Piece::Plain(plain)) = pieces.last_mut() {
                plain.push(letter);
            } else {
                pieces.push(Piece::Plain(letter.to_string()));
            }
        }
        if !chunk.invalid().is_empty() {
            print(&mut pieces, chunk.invalid());
        }
    }
    pieces
}

/// `\033`
fn octal(bytes: &[u8]) -> String {
    let mut octal = String::with_capacity(bytes.len() * 4);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(octal, "\\{byte:03o}");
    }
    octal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_word_is_taken_for_a_command() {
        for (word, expected) in [
            (&b"specs/a.yaml"[..], "specs/a.yaml"),
            (b"", "''"),
            (b"it's $(rm -rf /)", r"'it'\''s $(rm -rf /)'"),
            (b"a\n::error::b", "'a\n:'\"$(printf '\\072')\"'error::b'"),
            (b"caf\xe9\x1b[1m", "'caf'\"$(printf '\\351\\033')\"'[1m'"),
        ] {
            assert_eq!(quoted(word), expected);
        }
        assert_eq!(quoted_path("-a.yaml".as_ref()), "./-a.yaml");
        assert_eq!(
            within("a\"`$x\\\u{7f}", "\"\\$`"),
            "a\\\"\\`\\$x\\\\$(printf '\\177')"
        );
    }
}
