//! The parameters of an SQL text, found in the dialect of the database that runs it, without asking that database.

mod operand;
#[cfg(test)]
mod tests;
mod token;

use std::ops::Range;

use token::{Token, Tokens};

/// Whose rules for quotes, comments and operators a text follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// PostgreSQL, with `standard_conforming_strings` on.
    Postgres,
    /// SQLite.
    Sqlite,
}

/// What stands in an SQL text outside of its quotes and comments. All places are in bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SqlText {
    /// Every `:name`, in order.
    pub parameters: Vec<SqlName>,
    /// Other forms of parameters, to which nothing would be bound: `?`, `?1`, `@name`, `$name`, `$1`.
    pub unbound: Vec<Range<usize>>,
    /// Every `{{ ... }}`, which SQL does not take.
    pub templates: Vec<SqlTemplate>,
    /// Whether it says in which order its rows come: an `ORDER BY` that is not within brackets.
    pub is_ordered: bool,
    /// Where the statement ends: before a final `;` and the comments around it.
    pub end: usize,
}

/// A `:name` in an SQL text.
#[derive(Debug, PartialEq, Eq)]
pub struct SqlName {
    /// The name, without the colon.
    pub name: String,
    /// Where it stands, colon included.
    pub range: Range<usize>,
    /// It is the first thing in a subscript: `a[:n]`. PostgreSQL reads that as the slice up to the column `n`, so it is a
    /// parameter only where the spec has a value of that name.
    pub may_be_slice: bool,
}

/// A `{{ ... }}` in an SQL text.
#[derive(Debug, PartialEq, Eq)]
pub struct SqlTemplate {
    /// What stands between the braces.
    pub source: String,
    /// Where it stands, braces included.
    pub range: Range<usize>,
    /// Within quotes braces are legal, if seldom meant: `'{{1,2},{3,4}}'` is an array of arrays.
    pub is_quoted: bool,
}

/// What an opened bracket holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bracket {
    /// `a[...]`, where a colon after an operand parts the bounds of a slice.
    Subscript,
    /// `ARRAY[...]`
    List,
    /// `json_object(...)`, where a colon after an operand parts key and value.
    Json,
    /// `OPERATOR(...)`
    Operator,
    Other,
}

impl SqlText {
    /// Reads a text. One that does not parse is read as far as its words go: the database says what is wrong with it.
    pub fn read(text: &str, dialect: Dialect) -> Self {
        let mut read = Self {
            end: text.len(),
            ..Self::default()
        };
        let mut brackets: Vec<Bracket> = Vec::new();
        // The token before, and whether an operand ends with it.
        let (mut before, mut is_after_operand) = ("", false);
        let mut statement_end = 0;
        let mut tokens = Tokens::new(text, dialect);
        while let Some((token, range)) = tokens.next() {
            let word = &text[range.clone()];
            let bracket = brackets.last().copied();
            let is_operand = match token {
                Token::Blank => continue,
                Token::Parameter => {
                    if is_after_operand
                        && matches!(bracket, Some(Bracket::Subscript | Bracket::Json))
                    {
                        // A colon of its own; what follows is not ours.
                        tokens.back_to(range.start + 1);
                        false
                    } else {
                        read.parameters.push(SqlName {
                            name: word[1..].to_owned(),
                            range: range.clone(),
                            may_be_slice: bracket == Some(Bracket::Subscript) && before == "[",
                        });
                        true
                    }
                }
                Token::Unbound => {
                    read.unbound.push(range.clone());
                    true
                }
                Token::Template => {
                    read.templates.push(template(text, &range, false));
                    true
                }
                Token::Quoted => {
                    read.templates.extend(quoted_templates(text, &range));
                    true
                }
                Token::Word => operand::ends_operand(word, before, is_after_operand, bracket),
                Token::Operator if bracket == Some(Bracket::Operator) => false,
                Token::Operator => {
                    let next = tokens.peek();
                    match operand::placeholder(text, &range, is_after_operand, next) {
                        None => false,
                        Some(mark) => {
                            tokens.back_to(mark.end);
                            read.unbound.push(mark);
                            true
                        }
                    }
                }
                Token::Symbol => match word {
                    "[" => {
                        let is_list = before.eq_ignore_ascii_case("array")
                            || bracket == Some(Bracket::List) && matches!(before, "[" | ",");
                        brackets.push(if is_list {
                            Bracket::List
                        } else {
                            Bracket::Subscript
                        });
                        false
                    }
                    "(" => {
                        brackets.push(match before.to_ascii_lowercase().as_str() {
                            "json_object" | "json_objectagg" if dialect == Dialect::Postgres => {
                                Bracket::Json
                            }
                            "operator" => Bracket::Operator,
                            _ => Bracket::Other,
                        });
                        false
                    }
                    ")" | "]" => brackets.pop() != Some(Bracket::Operator),
                    _ => false,
                },
            };
            if brackets.is_empty()
                && token == Token::Word
                && before.eq_ignore_ascii_case("order")
                && word.eq_ignore_ascii_case("by")
            {
                read.is_ordered = true;
            }
            is_after_operand = is_operand;
            before = word;
            if word != ";" {
                statement_end = range.end;
            }
        }
        if before == ";" {
            read.end = statement_end;
        }
        read
    }
}

fn template(text: &str, range: &Range<usize>, is_quoted: bool) -> SqlTemplate {
    SqlTemplate {
        source: text[range.clone()]
            .trim_matches(['{', '}'])
            .trim()
            .to_owned(),
        range: range.clone(),
        is_quoted,
    }
}

/// The templates in a quoted text.
fn quoted_templates(text: &str, quoted: &Range<usize>) -> impl Iterator<Item = SqlTemplate> {
    text[quoted.clone()]
        .match_indices("{{")
        .filter_map(|(open, _)| {
            let start = quoted.start + open;
            let end = start + text[start..quoted.end].find("}}")? + 2;
            Some(template(text, &(start..end), true))
        })
}
