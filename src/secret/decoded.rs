//! Texts with their escapes read: as a URL or a form, as the inside of a JSON text, and as HTML or XML.

use std::ops::Range;

/// How often a text is decoded: a URL that is a parameter of another URL, a JSON text inside of another.
const DEPTH: usize = 2;

/// A text whose escapes are read, and where in the original each of its bytes stood.
#[derive(Debug)]
pub(super) struct Decoded {
    pub(super) text: String,
    /// One for each byte, and one for the end.
    places: Vec<usize>,
}

impl Decoded {
    /// Where in the original a part of the text stood.
    pub(super) fn place(&self, part: &Range<usize>) -> Range<usize> {
        self.places[part.start]..self.places[part.end]
    }

    fn push(&mut self, text: &str, place: usize) {
        self.text.push_str(text);
        self.places.resize(self.text.len(), place);
    }

    /// The same text as a decoding of what `self` is a decoding of.
    fn within(mut self, outer: Option<&Self>) -> Self {
        if let Some(outer) = outer {
            for place in &mut self.places {
                *place = outer.places[*place];
            }
        }
        self
    }
}

/// Every reading of a text but the text itself. `spaces` is whether a `+` may stand for a space.
pub(super) fn readings(text: &str, spaces: bool) -> Vec<Decoded> {
    let mut readings: Vec<Decoded> = Vec::new();
    let mut next = 0;
    add_readings(&mut readings, text, None, spaces);
    for _ in 1..DEPTH {
        let until = readings.len();
        for outer in next..until {
            let mut more = Vec::new();
            let outer = &readings[outer];
            add_readings(&mut more, &outer.text, Some(outer), false);
            readings.extend(more);
        }
        next = until;
    }
    readings
}

fn add_readings(readings: &mut Vec<Decoded>, text: &str, outer: Option<&Decoded>, spaces: bool) {
    let has_percent = text.contains('%');
    if has_percent {
        readings.push(percent(text, false).within(outer));
    }
    if spaces && text.contains('+') {
        readings.push(percent(text, true).within(outer));
    }
    if text.contains('\\') {
        readings.push(backslash(text).within(outer));
    }
    if text.contains('&') && text.contains(';') {
        readings.push(entities(text).within(outer));
    }
}

fn decode(text: &str, mut escape: impl FnMut(&str) -> Option<(usize, String)>) -> Decoded {
    let mut decoded = Decoded {
        text: String::with_capacity(text.len()),
        places: Vec::with_capacity(text.len() + 1),
    };
    let mut at = 0;
    while let Some(letter) = text[at..].chars().next() {
        if let Some((length, read)) = escape(&text[at..]) {
            decoded.push(&read, at);
            at += length;
        } else {
            // A letter that is not escaped: each of its bytes stands where it stood.
            for byte in 0..letter.len_utf8() {
                decoded.places.push(at + byte);
            }
            decoded.text.push(letter);
            at += letter.len_utf8();
        }
    }
    decoded.places.push(text.len());
    decoded
}

/// `%2F` read as `/`, and `+` as a space where it may stand for one. Bytes that are no UTF-8 stay escaped.
fn percent(text: &str, spaces: bool) -> Decoded {
    decode(text, |rest| {
        if spaces && rest.starts_with('+') {
            return Some((1, " ".to_owned()));
        }
        // The bytes of one letter.
        let mut bytes = Vec::new();
        while bytes.len() < 4 {
            let escape = rest.as_bytes().get(bytes.len() * 3..bytes.len() * 3 + 3)?;
            let [b'%', high, low] = escape else {
                return None;
            };
            bytes.push(hex(*high)? << 4 | hex(*low)?);
            if let Ok(letter) = std::str::from_utf8(&bytes) {
                return Some((bytes.len() * 3, letter.to_owned()));
            }
        }
        None
    })
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// The inside of a JSON text as it is read.
fn backslash(text: &str) -> Decoded {
    decode(text, |rest| {
        let escape = rest.strip_prefix('\\')?;
        let short = match escape.chars().next()? {
            'n' => "\n",
            'r' => "\r",
            't' => "\t",
            'b' => "\u{8}",
            'f' => "\u{c}",
            '"' => "\"",
            '\\' => "\\",
            '/' => "/",
            'u' => return unicode(rest),
            _ => return None,
        };
        Some((2, short.to_owned()))
    })
}

/// `\u00e9`, and the two of them that stand for a letter beyond 16 bits.
fn unicode(text: &str) -> Option<(usize, String)> {
    let unit = |at: usize| {
        let digits = text.get(at..)?.strip_prefix("\\u")?.get(..4)?;
        u16::from_str_radix(digits, 16).ok()
    };
    let first = unit(0)?;
    if let Some(Ok(letter)) = char::decode_utf16([first]).next() {
        return Some((6, letter.to_string()));
    }
    let letter = char::decode_utf16([first, unit(6)?]).next()?.ok()?;
    Some((12, letter.to_string()))
}

/// `&amp;`, `&#39;` and `&#x27;` read as HTML and XML read them; of the names those that must be escaped.
fn entities(text: &str) -> Decoded {
    const NAMES: [(&str, &str); 5] = [
        ("amp", "&"),
        ("lt", "<"),
        ("gt", ">"),
        ("quot", "\""),
        ("apos", "'"),
    ];
    decode(text, |rest| {
        let name = rest.strip_prefix('&')?;
        let name = &name[..name.find(';').filter(|length| *length <= 8)?];
        let number = |digits: &str, radix| {
            let number = u32::from_str_radix(digits, radix).ok()?;
            char::from_u32(number).map(String::from)
        };
        let read = match name.strip_prefix('#') {
            Some(digits) => match digits.strip_prefix(['x', 'X']) {
                Some(digits) => number(digits, 16)?,
                None => number(digits, 10)?,
            },
            None => NAMES.iter().find(|(known, _)| *known == name)?.1.to_owned(),
        };
        Some((name.len() + 2, read))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_decoded_text_is_found_again_where_it_stood() {
        for (text, part, stood) in [
            ("/a?p=x%20y&q", "x y", "x%20y"),
            ("/a?p=x+y&q", "x y", "x+y"),
            ("/a?p=%C3%a9t%C3%A9!", "été", "%C3%a9t%C3%A9"),
            ("u=%252Fab", "/ab", "%252Fab"),
            (r#"said "{\"p\":\"a\\\"b\"}""#, r#"a\"b"#, r#"a\\\"b"#),
            (r"\u00e9\ud83d\ude00.", "é😀", r"\u00e9\ud83d\ude00"),
            ("é%zz%41", "é%zzA", "é%zz%41"),
            (
                "<b>a&amp;b&#39;&#x63;&nope;</b>",
                "a&b'c",
                "a&amp;b&#39;&#x63;",
            ),
        ] {
            let found = readings(text, true).into_iter().find_map(|reading| {
                let start = reading.text.find(part)?;
                Some(&text[reading.place(&(start..start + part.len()))])
            });
            assert_eq!(found, Some(stood), "{text}");
        }
        assert!(readings("nothing to read", true).is_empty());
    }
}
