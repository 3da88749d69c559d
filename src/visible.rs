//! Text of others, made safe to show and to pass on: names, answers, paths, messages of databases.
//!
//! A terminal obeys control characters, and some characters that cannot be seen change the order or the look of what stands
//! around them. CI servers obey lines: GitHub those that begin with `::`, and several of them whatever looks like `##[` or
//! `##vso[`.

use std::fmt::Write as _;

/// Whether the character makes its reader do something, or hides, instead of being seen. Line breaks and tabs do not count.
pub(crate) fn is_obeyed(letter: char) -> bool {
    match letter {
        '\n' | '\t' => false,
        // Soft hyphen, direction marks, joiners, spaces without width, directions, line and paragraph separators,
        // invisible operators, byte order mark, interlinear annotations, tags.
        '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => true,
        other => other.is_control(),
    }
}

/// Finds what must be written in another way, letter by letter.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    /// Nothing but blanks so far on this line.
    at_start: bool,
    /// The last letter was the first of the line, a colon.
    colon: bool,
    marker: Marker,
}

/// How much of `##vso[` has been seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Marker {
    Nothing,
    Hash,
    Word,
}

impl Guard {
    /// At the beginning of a line.
    pub(crate) fn at_line_start() -> Self {
        Self {
            at_start: true,
            colon: false,
            marker: Marker::Nothing,
        }
    }

    /// In the middle of a line.
    pub(crate) fn within_line() -> Self {
        Self {
            at_start: false,
            ..Self::at_line_start()
        }
    }

    /// Whether the next letter must be written in another way.
    pub(crate) fn stops(&mut self, letter: char) -> bool {
        let is_command = match letter {
            ':' => self.colon,
            '[' => self.marker == Marker::Word,
            _ => is_obeyed(letter),
        };
        self.colon = letter == ':' && self.at_start;
        let is_blank = letter.is_whitespace() && !is_obeyed(letter);
        self.at_start = letter == '\n' || (self.at_start && is_blank);
        self.marker = match (self.marker, letter) {
            (Marker::Nothing, '#') => Marker::Hash,
            (Marker::Hash | Marker::Word, '#') => Marker::Word,
            (Marker::Word, letter) if letter.is_ascii_alphabetic() => Marker::Word,
            _ => Marker::Nothing,
        };
        is_command
    }
}

/// A text of several lines, in which everything can be seen and no line is a command. `style` says that escape codes which only
/// set colours stay: those of venomqa's own decoration.
pub(crate) fn lines(text: &str, style: bool) -> String {
    let mut guard = Guard::at_line_start();
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let code = if style { colour(rest) } else { 0 };
        if code > 0 {
            shown.push_str(&rest[..code]);
            rest = &rest[code..];
            continue;
        }
        rest = &rest[letter.len_utf8()..];
        if !guard.stops(letter) {
            shown.push(letter);
        } else if is_obeyed(letter) {
            shown.extend(letter.escape_default());
        } else {
            shown.push('\\');
            shown.push(letter);
        }
    }
    shown
}

/// The length of an escape code at the beginning of a text that sets colours, bold or dim, or ends them; 0 where there is none.
fn colour(text: &str) -> usize {
    let Some(codes) = text.strip_prefix("\u{1b}[") else {
        return 0;
    };
    let Some((codes, _)) = codes.split_once('m') else {
        return 0;
    };
    let is_harmless = |code: &str| {
        matches!(
            code.parse::<u8>(),
            Ok(0..=4 | 22..=24 | 30..=37 | 39..=47 | 49 | 90..=97 | 100..=107)
        )
    };
    if codes.is_empty() || codes.split(';').all(is_harmless) {
        codes.len() + 3
    } else {
        0
    }
}

/// XML or HTML with references for what a CI server would obey, and what cannot be seen as it is written in the source of a
/// program.
pub(crate) fn xml(text: &str) -> String {
    let mut guard = Guard::at_line_start();
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if !guard.stops(letter) {
            shown.push(letter);
        } else if is_obeyed(letter) {
            shown.extend(letter.escape_default());
        } else {
            // Writing to a string cannot fail.
            let _ = write!(shown, "&#{};", u32::from(letter));
        }
    }
    shown
}

/// The text on one line, in which everything can be seen, and nothing is a command wherever in a line it stands.
pub(crate) fn line(text: &str) -> String {
    let mut guard = Guard::within_line();
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        let is_stopped = guard.stops(letter);
        if letter.is_control() || is_obeyed(letter) {
            shown.extend(letter.escape_default());
        } else if is_stopped {
            shown.push('\\');
            shown.push(letter);
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// A JSON text with escapes for what cannot be seen or would be obeyed. It means the same: such letters stand within strings.
pub(crate) fn json(text: &str) -> String {
    let mut guard = Guard::at_line_start();
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if guard.stops(letter) {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(letter);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stopped(text: &str) -> String {
        let mut guard = Guard::at_line_start();
        text.chars()
            .map(|letter| if guard.stops(letter) { '!' } else { letter })
            .collect()
    }

    #[test]
    fn what_a_ci_server_would_take_for_a_command_is_stopped_and_nothing_else() {
        for (text, expected) in [
            ("::error::x", ":!error::x"),
            ("a ::error::x", "a ::error::x"),
            ("a\n \t\u{a0}::error", "a\n \t\u{a0}:!error"),
            (": :x", ": :x"),
            ("## [x]", "## [x]"),
            ("a ##[error]x", "a ##!error]x"),
            ("###vso[task]", "###vso!task]"),
            ("#[cfg]", "#[cfg]"),
            ("\r::x", "!::x"),
            ("a\u{1b}[31mb\u{202e}c\u{85}", "a![31mb!c!"),
        ] {
            assert_eq!(stopped(text), expected, "{text:?}");
        }
    }

    #[test]
    fn lines_keep_their_own_colours_and_nothing_else_that_a_terminal_obeys() {
        let text = "\u{1b}[1m::error\u{1b}[0m\n  ::warning::\u{1b}[8m\u{1b}[2J##[group]\t";
        assert_eq!(
            lines(text, true),
            "\u{1b}[1m:\\:error\u{1b}[0m\n  :\\:warning::\\u{1b}[8m\\u{1b}[2J##\\[group]\t"
        );
        assert!(!lines(text, false).contains('\u{1b}'));
    }

    #[test]
    fn json_and_xml_mean_the_same_after_it() {
        let value = serde_json::json!({ "a": "##[x]\u{202e}\u{e0041}\u{9b}" });
        let text = json(&value.to_string());
        assert!(text.is_ascii() && !text.contains("##["), "{text}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            value
        );
        assert_eq!(xml("<a>\n::b ##[c]"), "<a>\n:&#58;b ##&#91;c]");
    }

    #[test]
    fn a_line_shows_what_cannot_be_seen() {
        assert_eq!(
            line("a\u{1b}[31mb\nc\u{9b}\u{202e}\u{200b}é ##[error]"),
            "a\\u{1b}[31mb\\nc\\u{9b}\\u{202e}\\u{200b}é ##\\[error]"
        );
    }
}
