//! SQL texts: names, literals, and rows as PostgreSQL writes them.

use crate::model::Cell;

/// A name in double quotes.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text in single quotes.
pub(super) fn literal(text: &str) -> String {
    let quoted = format!("'{}'", text.replace('\'', "''"));
    if quoted.contains('\\') {
        format!("E{}", quoted.replace('\\', "\\\\"))
    } else {
        quoted
    }
}

/// The fields of a row as `row::text` writes them: `(1,,"a ""b"" c")`. `None` where the text is no row.
pub(super) fn fields(text: &str) -> Option<Vec<Option<String>>> {
    let inner = text.strip_prefix('(')?.strip_suffix(')')?;
    let mut fields = Vec::new();
    let mut characters = inner.chars().peekable();
    loop {
        let mut field = String::new();
        let mut is_null = true;
        let mut in_quotes = false;
        loop {
            match characters.peek() {
                None if in_quotes => return None,
                None => break,
                Some(',') if !in_quotes => break,
                Some(_) => {}
            }
            is_null = false;
            match characters.next()? {
                '"' if in_quotes && characters.peek() == Some(&'"') => {
                    characters.next();
                    field.push('"');
                }
                '"' => in_quotes = !in_quotes,
                '\\' => field.push(characters.next()?),
                other => field.push(other),
            }
        }
        fields.push((!is_null).then_some(field));
        if characters.next().is_none() {
            return Some(fields);
        }
    }
}

/// A row in the form that a cast to the table's row type reads. Every field is quoted, so none needs to be looked at.
pub(super) fn row_text<'a>(fields: impl Iterator<Item = Option<&'a Cell>>) -> String {
    use std::fmt::Write as _;
    let mut text = String::from("(");
    for (position, field) in fields.enumerate() {
        if position > 0 {
            text.push(',');
        }
        match field {
            None | Some(Cell::Null) => {}
            Some(Cell::Integer(number)) => {
                // Writing to a string cannot fail.
                let _ = write!(text, "{number}");
            }
            Some(cell) => {
                text.push('"');
                for character in cell.to_string().chars() {
                    if matches!(character, '"' | '\\') {
                        text.push(character);
                    }
                    text.push(character);
                }
                text.push('"');
            }
        }
    }
    text.push(')');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_taken_apart_as_postgresql_writes_it() {
        assert_eq!(
            fields(r#"(1,,"","a ""b"" \\ c","{""x,y"",NULL}",plain)"#).unwrap(),
            [
                Some("1".to_owned()),
                None,
                Some(String::new()),
                Some(r#"a "b" \ c"#.to_owned()),
                Some(r#"{"x,y",NULL}"#.to_owned()),
                Some("plain".to_owned()),
            ]
        );
        assert_eq!(fields("()").unwrap(), [None]);
        assert_eq!(fields("(,)").unwrap(), [None, None]);
        assert_eq!(fields("(\"a\nb\")").unwrap(), [Some("a\nb".to_owned())]);
        assert_eq!(fields("a"), None);
        assert_eq!(fields("(\"a)"), None);
    }

    #[test]
    fn a_row_is_written_so_that_its_fields_come_back() {
        let cells = [
            Cell::Null,
            Cell::Integer(-7),
            Cell::text(""),
            Cell::text(r#"a "b" \ , (c)"#),
            Cell::text("NULL"),
        ];
        let text = row_text(cells.iter().map(Some));
        let back: Vec<Cell> = fields(&text)
            .unwrap()
            .into_iter()
            .map(|field| field.map_or(Cell::Null, |text| Cell::text(&text)))
            .collect();
        assert_eq!(back[0], Cell::Null);
        assert_eq!(back[1], Cell::text("-7"));
        assert_eq!(back[2..], cells[2..]);
    }

    #[test]
    fn names_and_literals_are_quoted() {
        assert_eq!(quoted("Mixed \"case\""), "\"Mixed \"\"case\"\"\"");
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal(r"a\'b"), r"E'a\\''b'");
    }
}
