//! Where an operand of PostgreSQL begins and ends, as far as its words say. A colon or a `?` means one thing after an
//! operand and another thing where an operand is expected.

use std::ops::Range;

use super::Bracket;
use super::token::Token;

/// Words that are never the name of a column and are no value either: after them an operand begins, or none can follow.
/// They are the words that PostgreSQL reserves, without the values among them, such as `NULL` and `CURRENT_DATE`, and
/// without `END`, which ends an operand.
#[rustfmt::skip]
const RESERVED: [&str; 82] = [
    "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "authorization", "binary", "both",
    "case", "cast", "check", "collate", "collation", "column", "concurrently", "constraint", "create", "cross",
    "deferrable", "desc", "distinct", "do", "else", "except", "fetch", "for", "foreign", "freeze", "from", "full",
    "grant", "group", "having", "ilike", "in", "initially", "inner", "intersect", "into", "is", "join", "lateral",
    "leading", "left", "like", "limit", "natural", "not", "offset", "on", "only", "or", "order", "outer", "overlaps",
    "placing", "primary", "references", "returning", "right", "select", "similar", "some", "symmetric", "table",
    "tablesample", "then", "to", "trailing", "union", "unique", "using", "variadic", "verbose", "when", "where",
    "window", "with",
];

/// Reserved words with which an operand can begin.
const BEGIN_OPERAND: [&str; 10] = [
    "all",
    "any",
    "array",
    "case",
    "cast",
    "collation",
    "left",
    "not",
    "right",
    "some",
];

/// Operators with a `?` behind another character. The second is of `PGroonga`.
const ENDING_IN_MARK: [&str; 2] = ["@?", "&?"];

/// Operators with a `?` that have no operand on their left.
const PREFIX: [&str; 2] = ["?-", "?|"];

/// Whether an operand ends with this word. Words that are not reserved name a column, but for the places where PostgreSQL
/// takes them for a keyword.
pub(super) fn ends_operand(
    word: &str,
    before: &str,
    is_after_operand: bool,
    bracket: Option<Bracket>,
) -> bool {
    if before == "." {
        return true;
    }
    let follows = |words: &[&str]| is_one_of(before, words);
    let is_keyword = match word.to_ascii_lowercase().as_str() {
        "between" => is_after_operand || follows(&["not"]),
        "by" => follows(&["group", "order", "partition"]),
        "escape" => is_after_operand,
        "first" | "next" => follows(&["fetch"]),
        // `AT TIME ZONE`, but not the type `timestamp with time zone`.
        "time" => follows(&["at"]),
        "value" => is_after_operand && bracket == Some(Bracket::Json),
        "zone" => follows(&["time"]) && !is_after_operand,
        other => RESERVED.contains(&other),
    };
    !is_keyword
}

/// The `?` of an operator that is none: it stands where an operand is expected.
pub(super) fn placeholder(
    text: &str,
    operator: &Range<usize>,
    is_after_operand: bool,
    next: Option<(Token, Range<usize>)>,
) -> Option<Range<usize>> {
    let word = &text[operator.clone()];
    let mark = word.find('?')?;
    let is_operator = if mark > 0 && !is_one_of(word, &ENDING_IN_MARK) {
        false
    } else if is_after_operand {
        let has_right = next.is_some_and(|(token, range)| begins_operand(token, &text[range]));
        !word.ends_with('?') || has_right
    } else {
        is_one_of(word, &PREFIX)
    };
    let place = operator.start + mark;
    (!is_operator).then_some(place..place + 1)
}

/// Whether an operand may begin with this token.
fn begins_operand(token: Token, word: &str) -> bool {
    match token {
        Token::Symbol => matches!(word, "(" | "."),
        // No prefix operator begins like this.
        Token::Operator => !word.starts_with(['=', '<', '>', '*', '/', '%']),
        Token::Word => {
            is_one_of(word, &BEGIN_OPERAND)
                || !is_one_of(word, &RESERVED) && !word.eq_ignore_ascii_case("end")
        }
        _ => true,
    }
}

fn is_one_of(word: &str, words: &[&str]) -> bool {
    words.iter().any(|known| word.eq_ignore_ascii_case(known))
}
