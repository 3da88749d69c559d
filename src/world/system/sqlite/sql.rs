//! The little SQL text work that the schema asks for: quoting, and taking `CREATE INDEX` and `CREATE VIRTUAL TABLE`
//! statements apart, because SQLite tells the expressions of an index in no other way.

/// A name in double quotes.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text in single quotes.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// What stands in a `CREATE INDEX` statement.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct IndexText {
    /// Each column or expression, without `ASC` or `DESC`.
    pub(super) terms: Vec<String>,
    /// The condition of a partial index.
    pub(super) condition: Option<String>,
}

/// The parts of a `CREATE INDEX` statement; `None` where it is not understood.
pub(super) fn index_text(sql: &str) -> Option<IndexText> {
    let tokens = tokens(sql);
    let open = tokens.iter().position(|token| token.text(sql) == "(")?;
    let mut depth = 0_usize;
    let mut close = None;
    let mut commas = Vec::new();
    for (position, token) in tokens.iter().enumerate().skip(open) {
        match token.text(sql) {
            "(" => depth += 1,
            ")" => {
                depth -= 1;
                if depth == 0 {
                    close = Some(position);
                    break;
                }
            }
            "," if depth == 1 => commas.push(position),
            _ => {}
        }
    }
    let close = close?;
    let mut terms = Vec::new();
    let mut start = open + 1;
    for end in commas.into_iter().chain([close]) {
        let term = tokens.get(start..end)?;
        let last = term.last()?;
        let term = match last.text(sql).to_ascii_uppercase().as_str() {
            "ASC" | "DESC" if term.len() > 1 => &term[..term.len() - 1],
            _ => term,
        };
        terms.push(sql[term.first()?.start..term.last()?.end].to_owned());
        start = end + 1;
    }
    let rest: Vec<_> = tokens[close + 1..]
        .iter()
        .filter(|token| token.text(sql) != ";")
        .collect();
    let condition = match rest.split_first() {
        None => None,
        Some((first, condition)) if first.text(sql).eq_ignore_ascii_case("where") => {
            Some(sql[condition.first()?.start..condition.last()?.end].to_owned())
        }
        Some(_) => return None,
    };
    Some(IndexText { terms, condition })
}

/// The module of a `CREATE VIRTUAL TABLE` statement, in lower case.
pub(super) fn module(sql: &str) -> Option<String> {
    let tokens = tokens(sql);
    let using = tokens
        .iter()
        .position(|token| token.text(sql).eq_ignore_ascii_case("using"))?;
    let name = tokens.get(using + 1)?.text(sql);
    Some(name.trim_matches(['"', '`', '[', ']', '\'']).to_lowercase())
}

/// Whether a name may stand for a column in an expression.
pub(super) fn mentions(expression: &str, name: &str) -> bool {
    tokens(expression).iter().any(|token| {
        let text = token.text(expression);
        let bare = match text.as_bytes() {
            [b'"' | b'`' | b'[', .., b'"' | b'`' | b']'] => &text[1..text.len() - 1],
            _ => text,
        };
        let is_quoted = bare.contains(['"', '`']);
        is_quoted || bare.eq_ignore_ascii_case(name)
    })
}

struct Token {
    start: usize,
    end: usize,
}

impl Token {
    fn text<'sql>(&self, sql: &'sql str) -> &'sql str {
        &sql[self.start..self.end]
    }
}

/// Words, quoted things and single signs; comments and blanks left out.
fn tokens(sql: &str) -> Vec<Token> {
    let bytes = sql.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let end = match byte {
            b'\'' | b'"' | b'`' => end_of_quoted(bytes, at, byte),
            b'[' => find(bytes, at, b"]"),
            b'-' if bytes.get(at + 1) == Some(&b'-') => {
                at = find(bytes, at, b"\n");
                continue;
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                at = find(bytes, at + 2, b"*/");
                continue;
            }
            _ if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            _ if is_word(byte) => bytes[at..]
                .iter()
                .position(|byte| !is_word(*byte))
                .map_or(bytes.len(), |length| at + length),
            _ => at + 1,
        };
        tokens.push(Token { start: at, end });
        at = end;
    }
    tokens
}

/// Every byte of a character beyond ASCII belongs to a word, so a token never ends inside one.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || !byte.is_ascii()
}

/// Behind the next `needle`, or the end.
fn find(bytes: &[u8], from: usize, needle: &[u8]) -> usize {
    bytes[from..]
        .windows(needle.len())
        .position(|window| window == needle)
        .map_or(bytes.len(), |length| from + length + needle.len())
}

/// Behind the closing quote; a doubled quote stands for itself.
fn end_of_quoted(bytes: &[u8], start: usize, quote: u8) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        if bytes[at] == quote {
            if bytes.get(at + 1) != Some(&quote) {
                return at + 1;
            }
            at += 1;
        }
        at += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_falls_into_its_terms_and_its_condition() {
        assert_eq!(
            index_text(
                "CREATE UNIQUE INDEX \"i (\" ON t (lower(a, ')') COLLATE NOCASE DESC, \"b,\" asc /* ) */, c) \
                 WHERE state = 'op''en (' AND x IN (1, 2) -- the rest"
            ),
            Some(IndexText {
                terms: vec![
                    "lower(a, ')') COLLATE NOCASE".to_owned(),
                    "\"b,\"".to_owned(),
                    "c".to_owned()
                ],
                condition: Some("state = 'op''en (' AND x IN (1, 2)".to_owned()),
            })
        );
    }

    #[test]
    fn an_index_without_a_condition_has_none() {
        let text = index_text("create unique index größe on t(größe)").unwrap();
        assert_eq!(text.terms, ["größe"]);
        assert_eq!(text.condition, None);
    }

    #[test]
    fn the_module_of_a_virtual_table_is_found() {
        assert_eq!(
            module("CREATE VIRTUAL TABLE \"using\" USING FTS5(title, content='')").as_deref(),
            Some("fts5")
        );
    }
}
