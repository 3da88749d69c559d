//! The parameters of an SQL text, found without a database.

use std::ops::Range;

/// What a text binds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters {
    /// `:name`, every occurrence, without the colon.
    pub named: Vec<(String, Range<usize>)>,
    /// `?`, `?1`, `@name`, `$name`: forms that SQLite would silently bind to NULL.
    pub foreign: Vec<Range<usize>>,
}

/// Finds the parameters; quotes, comments and `::` casts are passed over.
pub(super) fn parameters(text: &str) -> Parameters {
    let bytes = text.as_bytes();
    let mut found = Parameters::default();
    let mut at = 0;
    while at < bytes.len() {
        at = match bytes[at] {
            quote @ (b'\'' | b'"' | b'`') => after_quote(bytes, at, quote),
            b'-' if bytes.get(at + 1) == Some(&b'-') => {
                text[at..].find('\n').map_or(bytes.len(), |end| at + end)
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => text[at + 2..]
                .find("*/")
                .map_or(bytes.len(), |end| at + 2 + end + 2),
            b':' if bytes.get(at + 1) == Some(&b':') => at + 2,
            b':' => {
                let end = after_name(bytes, at + 1);
                if end > at + 1 {
                    found.named.push((text[at + 1..end].to_owned(), at..end));
                }
                end.max(at + 1)
            }
            b'?' => {
                let end = after_name(bytes, at + 1);
                found.foreign.push(at..end);
                end
            }
            b'@' | b'$' if after_name(bytes, at + 1) > at + 1 => {
                let end = after_name(bytes, at + 1);
                found.foreign.push(at..end);
                end
            }
            // A whole word, so that the `$` inside a name is none.
            byte if is_name(byte) => after_word(bytes, at),
            _ => at + 1,
        };
    }
    found
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn after_name(bytes: &[u8], start: usize) -> usize {
    bytes[start..]
        .iter()
        .position(|byte| !is_name(*byte))
        .map_or(bytes.len(), |length| start + length)
}

fn after_word(bytes: &[u8], start: usize) -> usize {
    bytes[start..]
        .iter()
        .position(|byte| !is_name(*byte) && *byte != b'$')
        .map_or(bytes.len(), |length| start + length)
}

fn after_quote(bytes: &[u8], start: usize, quote: u8) -> usize {
    // A doubled quote closes and opens again, which comes to the same.
    bytes[start + 1..]
        .iter()
        .position(|byte| *byte == quote)
        .map_or(bytes.len(), |length| start + 1 + length + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        parameters(text)
            .named
            .into_iter()
            .map(|(name, _)| name)
            .collect()
    }

    #[test]
    fn parameters_are_found_outside_quotes_comments_and_casts() {
        assert_eq!(
            names(
                "SELECT ':a', \":b\", `:c`, x::text, 'it''s :d' -- :e\n FROM t /* :f */ WHERE id = :id AND n>:n"
            ),
            ["id", "n"]
        );
        assert_eq!(names("WHERE a = ':x"), Vec::<String>::new());
        assert_eq!(names("a = : b"), Vec::<String>::new());
    }

    #[test]
    fn a_parameter_keeps_its_place() {
        let text = "WHERE id = :order_id";
        assert_eq!(
            parameters(text).named,
            [("order_id".to_owned(), 11..text.len())]
        );
    }

    #[test]
    fn forms_that_would_bind_nothing_are_noticed() {
        let text = "WHERE a = ? AND b = @b AND c = $c AND d$e = '?'";
        let foreign: Vec<&str> = parameters(text)
            .foreign
            .into_iter()
            .map(|range| &text[range])
            .collect();
        assert_eq!(foreign, ["?", "@b", "$c"]);
    }
}
