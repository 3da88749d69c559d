//! The words of an SQL text. Together they are the text: each byte is in exactly one of them.

use std::ops::Range;

use super::Dialect;

/// What a piece of an SQL text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// Blanks, or a comment.
    Blank,
    /// A string, a quoted name, a dollar-quoted text.
    Quoted,
    /// A name, a keyword, a number.
    Word,
    /// `:name`
    Parameter,
    /// A parameter in a form that nothing is bound to.
    Unbound,
    /// `{{ ... }}`
    Template,
    /// An operator of PostgreSQL, as long as it gets.
    Operator,
    /// Any other character, and `::`, `:=`.
    Symbol,
}

/// Goes through a text.
#[derive(Clone)]
pub(super) struct Tokens<'t> {
    text: &'t str,
    dialect: Dialect,
    at: usize,
}

impl<'t> Tokens<'t> {
    pub(super) fn new(text: &'t str, dialect: Dialect) -> Self {
        Self {
            text,
            dialect,
            at: 0,
        }
    }

    /// Goes on from this byte, the first of a character.
    pub(super) fn back_to(&mut self, at: usize) {
        self.at = at;
    }

    /// The next token that is no blank, which stays to be read.
    pub(super) fn peek(&self) -> Option<(Token, Range<usize>)> {
        self.clone().find(|(token, _)| *token != Token::Blank)
    }

    fn token(&self) -> Option<(Token, usize)> {
        let rest = &self.text[self.at..];
        let bytes = rest.as_bytes();
        let first = *bytes.first()?;
        let second = bytes.get(1).copied().unwrap_or_default();
        Some(match (first, second) {
            (b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c, _) => (Token::Blank, 1),
            (b'-', b'-') | (b'/', b'*') => (Token::Blank, self.comment(rest)),
            (b'\'' | b'"', _) => (Token::Quoted, until(rest, 1, &rest[..1])),
            (b'{', b'{') => (Token::Template, until(rest, 2, "}}")),
            _ => match self.dialect {
                Dialect::Postgres => postgres(rest, first, second),
                Dialect::Sqlite => sqlite(rest, first),
            },
        })
    }

    fn comment(&self, rest: &str) -> usize {
        match self.dialect {
            _ if rest.starts_with('-') => {
                let is_end =
                    |letter| letter == '\n' || letter == '\r' && self.dialect == Dialect::Postgres;
                rest.find(is_end).unwrap_or(rest.len())
            }
            Dialect::Sqlite => until(rest, 2, "*/"),
            Dialect::Postgres => nested_comment(rest),
        }
    }
}

impl Iterator for Tokens<'_> {
    type Item = (Token, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        let (token, length) = self.token()?;
        let start = self.at;
        self.at += length;
        Some((token, start..self.at))
    }
}

fn postgres(rest: &str, first: u8, second: u8) -> (Token, usize) {
    match (first, second) {
        (b'e' | b'E', b'\'') => (Token::Quoted, escape_string(rest)),
        (b'$', _) => {
            let tag = rest[1..].find('$').map(|end| &rest[..end + 2]);
            match tag {
                Some(tag) if is_tag(&tag[1..tag.len() - 1]) => {
                    (Token::Quoted, until(rest, tag.len(), tag))
                }
                _ => unbound_name(rest),
            }
        }
        (b':', b':' | b'=') => (Token::Symbol, 2),
        (b':', _) => match run(rest, 1, is_name) {
            1 => (Token::Symbol, 1),
            end => (Token::Parameter, end),
        },
        _ if is_name(first) => (Token::Word, run(rest, 1, is_name_or_dollar)),
        _ if is_operator(first) => {
            // A comment begins wherever it is written, within an operator as well.
            let whole = &rest[..run(rest, 1, is_operator)];
            let comment = ["--", "/*"].iter().filter_map(|open| whole.find(open));
            (Token::Operator, comment.min().unwrap_or(whole.len()))
        }
        _ => (Token::Symbol, 1),
    }
}

fn sqlite(rest: &str, first: u8) -> (Token, usize) {
    match first {
        b'`' => (Token::Quoted, until(rest, 1, "`")),
        b'[' => (Token::Quoted, until(rest, 1, "]")),
        b'?' => (Token::Unbound, run(rest, 1, |byte| byte.is_ascii_digit())),
        b':' if rest[1..].starts_with(':') => (Token::Symbol, 2),
        b':' => match (run(rest, 1, is_name), tcl_name(rest)) {
            (1, 1) => (Token::Symbol, 1),
            (name, whole) if name == whole => (Token::Parameter, name),
            (_, whole) => (Token::Unbound, whole),
        },
        b'@' | b'$' => match tcl_name(rest) {
            1 => (Token::Symbol, 1),
            whole => (Token::Unbound, whole),
        },
        _ if is_name(first) => (Token::Word, run(rest, 1, is_name_or_dollar)),
        _ => (Token::Symbol, 1),
    }
}

/// How long a parameter is for SQLite, which reads `:a$b`, `:a::b` and `:a(b)` as one name.
fn tcl_name(rest: &str) -> usize {
    let mut end = run(rest, 1, is_name_or_dollar);
    while end > 1 && rest[end..].starts_with("::") {
        end = run(rest, end + 2, is_name_or_dollar);
    }
    if end > 1 && rest[end..].starts_with('(') {
        let is_end = |letter: char| letter.is_ascii_whitespace() || letter == ')';
        if let Some(length) = rest[end..].find(is_end)
            && rest[end + length..].starts_with(')')
        {
            end += length + 1;
        }
    }
    end
}

fn unbound_name(rest: &str) -> (Token, usize) {
    match run(rest, 1, is_name) {
        1 => (Token::Symbol, 1),
        end => (Token::Unbound, end),
    }
}

/// Where a run of such bytes ends that starts at a byte.
fn run(text: &str, start: usize, is_part: impl Fn(u8) -> bool) -> usize {
    text.as_bytes()[start..]
        .iter()
        .position(|byte| !is_part(*byte))
        .map_or(text.len(), |length| start + length)
}

/// The end of the first such text from a byte on. A doubled quote closes and opens again, which comes to the same.
fn until(text: &str, start: usize, end: &str) -> usize {
    text[start..]
        .find(end)
        .map_or(text.len(), |place| start + place + end.len())
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn is_name_or_dollar(byte: u8) -> bool {
    is_name(byte) || byte == b'$'
}

fn is_operator(byte: u8) -> bool {
    b"~!@#^&|`?+-*/%<>=".contains(&byte)
}

/// What may stand between the dollars that open a text.
fn is_tag(tag: &str) -> bool {
    !tag.starts_with(|first: char| first.is_ascii_digit()) && tag.bytes().all(is_name)
}

/// In `E'...'` a backslash takes the meaning of the next character. A further quoted piece on a line below belongs to the
/// same string.
fn escape_string(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 2;
    loop {
        match bytes.get(at) {
            None => return text.len(),
            Some(b'\\') => at = (at + 2).min(text.len()),
            Some(b'\'') => {
                at += 1;
                let next = at + text[at..].len() - text[at..].trim_ascii_start().len();
                let is_continued = text[at..next].contains('\n') || next == at;
                if !(is_continued && bytes.get(next) == Some(&b'\'')) {
                    return at;
                }
                at = next + 1;
            }
            Some(_) => at += 1,
        }
    }
}

fn nested_comment(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0_usize, 0);
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => {
                depth += 1;
                at += 2;
            }
            b"*/" => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    text.len()
}
