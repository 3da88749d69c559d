//! Finds where the characters of a scalar's value stand in the YAML text: quotes, escapes and indentation move them.

use std::ops::Range;

use granit_parser::ScalarStyle;

/// The bytes of the source that hold `inner`, a range within the scalar's value. `None` when they are not certain: the
/// scalar is folded over lines, or the value is not what is written there.
pub(super) fn narrow(
    source: &str,
    outer: &Range<usize>,
    style: ScalarStyle,
    value: &str,
    inner: &Range<usize>,
) -> Option<Range<usize>> {
    let places = places(source, outer, style, value)?;
    Some(places.start_of(inner.start)?..places.end_of(inner.end)?)
}

/// For each character of a value, the byte of the source at which it begins; `None` as for [`narrow`]. Line breaks of a
/// block have no place of their own.
pub(super) fn characters(
    source: &str,
    outer: &Range<usize>,
    style: ScalarStyle,
    value: &str,
) -> Option<Vec<Option<usize>>> {
    let Places(places) = places(source, outer, style, value)?;
    let mut places = places.into_iter().peekable();
    Some(
        value
            .char_indices()
            .map(|(at, _)| Some(places.next_if(|(byte, _)| *byte == at)?.1.start))
            .collect(),
    )
}

fn places(source: &str, outer: &Range<usize>, style: ScalarStyle, value: &str) -> Option<Places> {
    let written = source.get(outer.clone())?;
    let mut places = match style {
        ScalarStyle::Plain => (written == value).then(|| Places::direct(0, value)),
        ScalarStyle::SingleQuoted => single(written, value),
        ScalarStyle::DoubleQuoted => double(written, value),
        ScalarStyle::Literal => return literal(source, outer.start, value),
        ScalarStyle::Folded => None,
    }?;
    for (_, place) in &mut places.0 {
        *place = outer.start + place.start..outer.start + place.end;
    }
    Some(places)
}

/// For each character of a value, where it begins and ends in the text.
struct Places(Vec<(usize, Range<usize>)>);

impl Places {
    fn direct(offset: usize, value: &str) -> Self {
        Self(
            value
                .char_indices()
                .map(|(at, char)| (at, offset + at..offset + at + char.len_utf8()))
                .collect(),
        )
    }

    fn start_of(&self, byte: usize) -> Option<usize> {
        match self.0.iter().find(|(at, _)| *at >= byte) {
            Some((_, place)) => Some(place.start),
            None => self.0.last().map(|(_, place)| place.end),
        }
    }

    fn end_of(&self, byte: usize) -> Option<usize> {
        match self.0.iter().rev().find(|(at, _)| *at < byte) {
            Some((_, place)) => Some(place.end),
            None => self.0.first().map(|(_, place)| place.start),
        }
    }
}

fn single(written: &str, value: &str) -> Option<Places> {
    let content = written.strip_prefix('\'')?.strip_suffix('\'')?;
    collect(content, value, |rest| {
        if rest.starts_with("''") {
            Some((2, '\''))
        } else {
            rest.chars().next().map(|char| (char.len_utf8(), char))
        }
    })
}

fn double(written: &str, value: &str) -> Option<Places> {
    let content = written.strip_prefix('"')?.strip_suffix('"')?;
    collect(content, value, |rest| {
        let mut chars = rest.chars();
        match chars.next()? {
            '\\' => escape(rest, chars.next()?),
            char => Some((char.len_utf8(), char)),
        }
    })
}

fn escape(rest: &str, kind: char) -> Option<(usize, char)> {
    let code = |digits: usize| {
        let number = u32::from_str_radix(rest.get(2..2 + digits)?, 16).ok()?;
        Some((2 + digits, char::from_u32(number)?))
    };
    let simple = |char| Some((1 + kind.len_utf8(), char));
    match kind {
        'x' => code(2),
        'u' => code(4),
        'U' => code(8),
        '0' => simple('\0'),
        'a' => simple('\u{7}'),
        'b' => simple('\u{8}'),
        't' | '\t' => simple('\t'),
        'n' => simple('\n'),
        'v' => simple('\u{b}'),
        'f' => simple('\u{c}'),
        'r' => simple('\r'),
        'e' => simple('\u{1b}'),
        ' ' | '"' | '/' | '\\' => simple(kind),
        'N' => simple('\u{85}'),
        '_' => simple('\u{a0}'),
        'L' => simple('\u{2028}'),
        'P' => simple('\u{2029}'),
        _ => None,
    }
}

/// Walks the content, one character of the value after the other; `None` when they do not agree.
fn collect(
    content: &str,
    value: &str,
    next: impl Fn(&str) -> Option<(usize, char)>,
) -> Option<Places> {
    let mut places = Vec::new();
    let mut at = 0;
    for (position, expected) in value.char_indices() {
        let (length, found) = next(&content[at..])?;
        if found != expected {
            return None;
        }
        // The opening quote comes first.
        places.push((position, 1 + at..1 + at + length));
        at += length;
    }
    (at == content.len()).then_some(Places(places))
}

/// `start` is where the first line with content begins, behind its indentation.
fn literal(source: &str, start: usize, value: &str) -> Option<Places> {
    let mut line_start = source.get(..start)?.rfind('\n').map_or(0, |at| at + 1);
    let indent = start - line_start;
    let mut places = Vec::new();
    let content = value.trim_start_matches('\n');
    let mut position = value.len() - content.len();
    for line in content.split_inclusive('\n') {
        let source_line = source.get(line_start..)?.split_inclusive('\n').next()?;
        let text = line.trim_end_matches('\n');
        if !text.is_empty() {
            let at = line_start + indent;
            if !source.get(at..)?.starts_with(text) {
                return None;
            }
            places.extend(
                text.char_indices()
                    .map(|(byte, char)| (position + byte, at + byte..at + byte + char.len_utf8())),
            );
        }
        position += line.len();
        line_start += source_line.len();
    }
    Some(Places(places))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'s>(
        source: &'s str,
        outer: Range<usize>,
        style: ScalarStyle,
        value: &str,
        inner: &str,
    ) -> Option<&'s str> {
        let at = value.find(inner).unwrap();
        narrow(source, &outer, style, value, &(at..at + inner.len())).map(|range| &source[range])
    }

    #[test]
    fn a_place_inside_a_plain_or_quoted_scalar_is_exact() {
        assert_eq!(
            found("a: x {{ y }}", 3..12, ScalarStyle::Plain, "x {{ y }}", "y"),
            Some("y")
        );
        assert_eq!(
            found(
                "'it''s {{ y }}'",
                0..15,
                ScalarStyle::SingleQuoted,
                "it's {{ y }}",
                "y"
            ),
            Some("y")
        );
        assert_eq!(
            found(
                r#""\u00e9\t{{ y }}""#,
                0..17,
                ScalarStyle::DoubleQuoted,
                "é\t{{ y }}",
                "{{ y"
            ),
            Some("{{ y")
        );
    }

    #[test]
    fn a_place_inside_a_block_is_found_on_its_line() {
        let source = "sql: |\n  SELECT 1\n\n  FROM  orders\n";
        assert_eq!(
            found(
                source,
                9..source.len(),
                ScalarStyle::Literal,
                "SELECT 1\n\nFROM  orders\n",
                "orders"
            ),
            Some("orders")
        );
    }

    #[test]
    fn a_value_that_is_not_what_is_written_has_no_inner_places() {
        assert_eq!(
            found("${PATH_}", 0..8, ScalarStyle::Plain, "/orders", "ord"),
            None
        );
        assert_eq!(
            found("\"a\n  b\"", 0..7, ScalarStyle::DoubleQuoted, "a b", "b"),
            None
        );
    }
}
