//! The path of a request: what the spec writes, and the values in it.
//!
//! No value silently changes which request is sent. A value within a path is one segment of it (`a/b` becomes `a%2Fb`), a value
//! within a query one value of it. A path that *begins* with a value from an answer follows a link: such a value is a URL reference
//! (RFC 3986, 4.1), so a `/` at its start is the root of the host, whatever path `http.base_url` has. Characters that cannot
//! stand in a URL are percent-encoded; `.` and `..` segments, which URLs resolve, are refused by the caller.

use crate::expr::{Filled, TextPiece};

/// What a path starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// `http.base_url`.
    Base,
    /// The root of its host.
    Root,
    /// The scheme of `http.base_url`: the path names another host.
    Scheme,
    /// Nothing: it is a whole URL.
    Nothing,
}

/// A path, encoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) start: Start,
    pub(super) text: String,
}

impl Path {
    /// Puts the pieces of a filled path together.
    pub(super) fn of(pieces: &[TextPiece<'_>]) -> Self {
        let mut path = Self {
            start: Start::Base,
            text: String::new(),
        };
        let is_alone = pieces.len() == 1;
        let mut in_query = false;
        for (position, piece) in pieces.iter().enumerate() {
            match piece {
                TextPiece::Written(text) => {
                    if position == 0 && is_url(text) {
                        path.start = Start::Nothing;
                    }
                    path.push(text, &mut in_query, true);
                }
                TextPiece::Filled(value) if position == 0 && is_reference(value, is_alone) => {
                    path.start = start_of(value);
                    path.push(sent_part(value), &mut in_query, is_alone);
                }
                TextPiece::Filled(value) if value.is_safe || path.wants_pairs() => {
                    path.push(&value.text, &mut in_query, true);
                }
                TextPiece::Filled(value) if !in_query && path.goes_on_with(&value.text) => {
                    path.push(&value.text, &mut in_query, false);
                }
                TextPiece::Filled(value) => {
                    let kept = if in_query { IN_VALUE } else { IN_SEGMENT };
                    encode(&mut path.text, &value.text, kept);
                }
            }
        }
        path
    }

    /// Whether a value may bring whole pairs of a query: `/orders?{{ filter }}`.
    fn wants_pairs(&self) -> bool {
        self.text.ends_with(['?', '&'])
    }

    /// Whether a value brings the segments that follow: `/api{{ link }}`, but not `/orders/x-{{ id }}`.
    fn goes_on_with(&self, value: &str) -> bool {
        value.starts_with('/')
            && self
                .text
                .ends_with(|last: char| last.is_ascii_alphanumeric())
    }

    /// Appends a text that is one of URLs, percent-encoding what cannot stand there.
    fn push(&mut self, text: &str, in_query: &mut bool, may_begin_query: bool) {
        let bytes = text.as_bytes();
        for (at, &byte) in bytes.iter().enumerate() {
            let keep = match byte {
                b'%' => {
                    let hex =
                        |offset: usize| bytes.get(at + offset).is_some_and(u8::is_ascii_hexdigit);
                    hex(1) && hex(2)
                }
                b'?' if may_begin_query || *in_query => {
                    *in_query = true;
                    true
                }
                b'?' | b'"' | b'#' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => {
                    false
                }
                // The URL parser encodes it in queries only.
                b'\'' => !*in_query,
                byte => byte.is_ascii_graphic(),
            };
            if keep {
                self.text.push(char::from(byte));
            } else {
                self.text.extend(percent(byte));
            }
        }
    }
}

/// Beside letters, digits and `-._~`, what stays in a segment (RFC 3986, 3.3).
const IN_SEGMENT: &[u8] = b"!$&'()*+,;=:@";

/// What stays in a value of a query: nothing that a form means otherwise.
const IN_VALUE: &[u8] = b"!$()*,/:@";

fn encode(text: &mut String, value: &str, kept: &[u8]) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || kept.contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.extend(percent(byte));
        }
    }
}

fn is_url(text: &str) -> bool {
    let begins = |scheme: &str| {
        let start = text.get(..scheme.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    begins("http://") || begins("https://")
}

/// Whether a value at the beginning of a path is a link, or the path itself.
fn is_reference(value: &Filled, is_alone: bool) -> bool {
    is_alone || value.text.starts_with('/') || is_url(&value.text)
}

/// A link without its fragment, which is the reader's own and never sent.
fn sent_part(link: &Filled) -> &str {
    match link.text.split_once('#') {
        Some((sent, _)) if !link.is_constant => sent,
        _ => &link.text,
    }
}

fn start_of(value: &Filled) -> Start {
    if is_url(&value.text) {
        Start::Nothing
    } else if value.is_constant {
        Start::Base
    } else if value.text.starts_with("//") {
        Start::Scheme
    } else if value.text.starts_with('/') {
        Start::Root
    } else {
        Start::Base
    }
}

/// `%2F`
fn percent(byte: u8) -> [char; 3] {
    let digit = |value: u8| {
        char::from_digit(u32::from(value), 16)
            .unwrap_or('0')
            .to_ascii_uppercase()
    };
    ['%', digit(byte >> 4), digit(byte & 15)]
}
