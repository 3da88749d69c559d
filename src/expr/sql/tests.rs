use std::fmt::Write as _;

use proptest::prelude::*;

use super::Dialect::{Postgres, Sqlite};
use super::token::Tokens;
use super::*;

fn names(text: &str, dialect: Dialect) -> Vec<String> {
    let read = SqlText::read(text, dialect);
    assert!(read.unbound.is_empty(), "{text}: {read:?}");
    read.parameters
        .into_iter()
        .map(|found| {
            assert_eq!(text[found.range][1..], found.name);
            found.name
        })
        .collect()
}

fn unbound(text: &str, dialect: Dialect) -> Vec<&str> {
    let read = SqlText::read(text, dialect);
    read.unbound.into_iter().map(|range| &text[range]).collect()
}

/// Pieces in which there is no parameter.
const EITHER: &[&str] = &[
    "':x'",
    "'it''s :x'",
    "\":x\"",
    "'a\\'",
    "-- :x ' \n",
    "/* :x ' */",
    "a::text",
    "1.5",
    "t.\"é:x\"",
    "ä",
    "a$b",
    "x'0a'",
    "'?'",
    "'{:x}'",
    "(1)",
    ", ",
    "'/*'",
    "\"--\"",
    "'a' || 'b'",
    "a <> b",
    "a - -1",
];

const POSTGRES: &[&str] = &[
    "data ? 'a'",
    "data ?| array['a']",
    "data ?& array['a']",
    "data @? '$.a'",
    "data @@ '$.a'",
    "data @> '{}'",
    "a <@ b",
    "@-@ path",
    "@amount",
    "@ amount",
    "a @-1",
    "$$ it's :x $$",
    "$t$ :x $$ $ $u$ $t$",
    "$é1$ :x $é1$",
    "/* /* :x */ ' :x */",
    "E'it\\'s :x'",
    "e'\\\\'",
    "E'a''\\' :x'",
    "E'a'\n  'b\\' :x'",
    "U&'d\\0061 :x'",
    "U&\"d :x\"",
    "B'01'",
    "N':x'",
    "(a)[1:2]",
    "a[2:]",
    "a[ 1 : n ]",
    "a[x:y]",
    "a[f(1):n$1]",
    "a[b[1]:n]",
    "a[(1):n]",
    "a[1:2][3:n]",
    "array[[1,2],[3,4]][1:n]",
    "json_object('k':v)",
    "JSON_OBJECTAGG (k:v)",
    "f(a := 1, b => 2)",
    "-- :x\r",
    "a #>> '{b,c}'",
    "a->>'b'",
    "a OPERATOR(pg_catalog.?) 'b'",
    "a OPERATOR(?) 'b'",
    "a ` 1",
    "a ~* 'b'",
    "|/ 25",
    "?- lseg",
    "?| lseg",
    "a ?-| b",
    "a ?# b",
    "NULL ? 'a'",
    "t.limit ? 'a'",
    "f(a) ? 'b'",
    "a[1] ? 'b'",
    "1_000",
    "a[1]",
    "a[n]",
    "a[between:n]",
    "a[value:n]",
    "a[t.and:n]",
    "a[NULL:n]",
    "a[CASE WHEN b THEN 1 END:n]",
    "a[CURRENT_USER:n]",
    "json_object(value:v)",
    "json_object('k' VALUE value, 'l':v)",
    "json_object('k':CASE WHEN b THEN 1 END, x:v)",
    "n BETWEEN 1 AND 2",
    "data ? between",
    "data ? left('abc', 1)",
    "data ? CASE WHEN b THEN 'a' END",
    "data ? ANY (keys)",
    "data ? CAST(1 AS text)",
    "data ? /* ) */ 'a'",
    "data::jsonb ? 'a'",
    "now ? lower('A') AND b",
    "CURRENT_SETTING('a')::jsonb ? 'a'",
    "data &? 'a'",
    "labels ?@> path",
    "labels ?~ query",
    "a OPERATOR(public.=?) 'b'",
    "ts AT TIME ZONE 'UTC'",
    "$body$ $1 ? :x $body$",
    "'a'\n':x'",
    "a COLLATE \"C\"",
    "INTERVAL '1:30'",
];

const SQLITE: &[&str] = &[
    "`:x`",
    "`a``:x`",
    "[:x ?1 @y]",
    "[a'b]",
    "a->'$.b'",
    "a ->> 1",
    "/* /* :x */",
    "x'3a78'",
    "a == b",
    "'\\'",
    "a\u{a0}b",
    "~1",
    "a % 2",
    "e'a'",
    "\"a\"\"?\"",
];

#[test]
fn what_is_quoted_or_an_operator_is_no_parameter() {
    for (dialect, own) in [(Postgres, POSTGRES), (Sqlite, SQLITE)] {
        for piece in EITHER.iter().chain(own) {
            let text = format!("SELECT {piece} = :v");
            assert_eq!(names(&text, dialect), ["v"], "{text}");
        }
    }
}

/// Texts, and the parameters in them.
const PARAMETERS: &[(Dialect, &str, &str)] = &[
    (Postgres, "a=:a AND b>:b::int", "a b"),
    (Postgres, "ARRAY[:a, :b]", "a b"),
    (Postgres, "array [[:a], [:b, :c]]", "a b c"),
    (Postgres, "a[(:a):(:b)]", "a b"),
    (Postgres, "a[ (:a) : :b ]", "a b"),
    (Postgres, "a[1 + :a:n]", "a"),
    (Postgres, "a[CASE WHEN b THEN 1 ELSE :a END]", "a"),
    (Postgres, "a[f(:a, :b)]", "a b"),
    (Postgres, "json_object(:a : :b)", "a b"),
    (Postgres, "json_object('k' VALUE 1, 'l': :b)", "b"),
    (Postgres, "f(a := :a, b=>:b)", "a b"),
    (Postgres, "data ? :a", "a"),
    (Postgres, "data ?| ARRAY[:a]", "a"),
    (Postgres, "@:a - :b", "a b"),
    (Postgres, "a OPERATOR(pg_catalog.+) :a", "a"),
    (Postgres, "DISTINCT ON (a) :a", "a"),
    (Postgres, "a@--:b\n:a", "a"),
    (Postgres, "é = :größe", "größe"),
    (Postgres, "json_object('a' VALUE :x)", "x"),
    (
        Postgres,
        "json_object(:k VALUE :x, value value :y)",
        "k x y",
    ),
    (Postgres, "json_objectagg(k VALUE :x)", "x"),
    (Postgres, "json_object('k': x BETWEEN :a AND :b)", "a b"),
    (Postgres, "json_object('k': x NOT BETWEEN :a AND 2)", "a"),
    (Postgres, "json_object('k': x LIKE :a ESCAPE :b)", "a b"),
    (Postgres, "json_object('k': x AT TIME ZONE :z)", "z"),
    (Postgres, "json_object('k': x IS DISTINCT FROM :a)", "a"),
    (Postgres, "json_object('k': x SIMILAR TO :a)", "a"),
    (Postgres, "a[CASE WHEN x BETWEEN :a AND 3 THEN 1 END]", "a"),
    (Postgres, "a[CASE x WHEN :a THEN :b ELSE :c END]", "a b c"),
    (Postgres, "data ->> :k ? 'a'", "k"),
    (Postgres, "data -> :k ? :l", "k l"),
    (Postgres, "data ?| :k AND data ?& :l", "k l"),
    (Postgres, "data ? 'a' AND data ? :l::text", "l"),
    (Postgres, "data @> :x::jsonb", "x"),
    (Postgres, "INTERVAL :x", "x"),
    (Postgres, "ts AT TIME ZONE :tz ? 1", "tz"),
    (Postgres, "count(*) FILTER (WHERE a !~ :re)", "re"),
    (Postgres, "a LIKE :p ESCAPE '\\' AND b = :q", "p q"),
    (Postgres, "a SIMILAR TO :x COLLATE \"C\"", "x"),
    (Postgres, "t.a[:i] + (t.a)[:i]", "i i"),
    (Postgres, "(:a)::int + CAST(:b AS int)", "a b"),
    (Postgres, "~:a||:b|| - :c-:d", "a b c d"),
    (Postgres, "a<:a OR b>=:b OR c<>:c OR d!=:d", "a b c d"),
    (Postgres, "FETCH FIRST :n ROWS ONLY", "n"),
    (Postgres, "ROWS :n PRECEDING", "n"),
    (Sqlite, "json_object('a', x GLOB :g)", "g"),
    (Sqlite, "a LIKE :p ESCAPE '\\' AND b = :q", "p q"),
    (Sqlite, "a BETWEEN :a AND :b LIMIT :n OFFSET :m", "a b n m"),
    (Sqlite, "~:a||:b|| - :c-:d", "a b c d"),
    (Sqlite, "a ->> :k", "k"),
    (Sqlite, "count(*) FILTER (WHERE a REGEXP :re)", "re"),
    (Sqlite, "a=:a AND b>:b", "a b"),
    (Sqlite, "a->:a", "a"),
    (Sqlite, "'a\\' || :a || '\\'", "a"),
    (Sqlite, "a IN (:a,:b,:a)", "a b a"),
    (Sqlite, "é = :größe", "größe"),
    (Sqlite, "/* /* */ :a", "a"),
];

#[test]
fn parameters_are_found_wherever_a_value_may_stand() {
    for &(dialect, text, expected) in PARAMETERS {
        assert_eq!(names(text, dialect).join(" "), expected, "{text}");
    }
}

#[test]
fn a_name_that_opens_a_subscript_may_be_a_slice() {
    let is_open = |text| {
        let read = SqlText::read(text, Postgres);
        read.parameters[0].may_be_slice
    };
    assert!(is_open("a[:n]"));
    assert!(is_open("a[1][ :n]"));
    assert!(!is_open("a[(:n)]"));
    assert!(!is_open("ARRAY[:n]"));
}

#[test]
fn forms_that_would_bind_nothing_are_noticed() {
    for (dialect, text, expected) in [
        (
            Sqlite,
            "a = ? AND b = @b AND c = $c AND d$e = '?'",
            "? @b $c",
        ),
        (Sqlite, "?1, :a::int, :b(c), :d$e", "?1 :a::int :b(c) :d$e"),
        (Postgres, "a = $1 AND b = $12", "$1 $12"),
        (Postgres, "a = ? AND b IN (?, ?)", "? ? ?"),
        (Postgres, "a LIKE ?", "?"),
        (Postgres, "a=?", "?"),
        (Postgres, "a = $name", "$name"),
        (Postgres, "n BETWEEN ? AND 3", "?"),
        (Postgres, "n NOT BETWEEN ? AND ? ORDER BY 1", "? ?"),
        (Postgres, "id=? AND x<? OR y>? OR z+?=1", "? ? ? ?"),
        (Postgres, "?=id AND ?::int = 1 AND ?||'a' = b", "? ? ?"),
        (Postgres, "a LIKE '%'||?||'%'", "?"),
        (Postgres, "a LIKE ? ESCAPE ? AND b", "? ?"),
        (Postgres, "a IN (?,?) LIMIT ? OFFSET ?", "? ? ? ?"),
        (Postgres, "b -> ? ->> ? = 'x'", "? ?"),
        (Postgres, "ts AT TIME ZONE ? > 1", "?"),
        (Postgres, "now() - INTERVAL ? < ts", "?"),
        (Postgres, "CASE WHEN ? THEN ? ELSE ? END", "? ? ?"),
        (Postgres, "ORDER BY ? DESC FETCH FIRST ? ROWS ONLY", "? ?"),
        (Postgres, "data ? ?", "?"),
        (Postgres, "data @> ?::jsonb AND @? > 3", "? ?"),
        (Postgres, "a[?] = ARRAY[?, ?]", "? ? ?"),
        (Postgres, "a=?--b\nAND c", "?"),
    ] {
        assert_eq!(unbound(text, dialect).join(" "), expected, "{text}");
    }
}

#[test]
fn templates_are_noticed_but_in_comments() {
    let read = SqlText::read(
        "SELECT {{ a }}, '{{ b }}', '{{1,2},{3}}' -- {{ c }}",
        Postgres,
    );
    let found: Vec<(&str, bool)> = read
        .templates
        .iter()
        .map(|template| (template.source.as_str(), template.is_quoted))
        .collect();
    assert_eq!(found, [("a", false), ("b", true), ("1,2},{3", true)]);
}

#[test]
fn a_statement_ends_before_its_semicolon() {
    for (text, end) in [
        ("SELECT 1", "SELECT 1"),
        ("SELECT 1 -- a;", "SELECT 1 -- a;"),
        ("SELECT ';' ; -- a\n /* b */ ", "SELECT ';'"),
        ("SELECT 1;;", "SELECT 1"),
        ("SELECT 1; SELECT 2", "SELECT 1; SELECT 2"),
    ] {
        for dialect in [Postgres, Sqlite] {
            assert_eq!(&text[..SqlText::read(text, dialect).end], end);
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_read_and_its_tokens_are_the_text(text in "[a-e:$@?'\"`\\[\\](){}/*\\-\\\\;.,= \nEé1]{0,40}") {
        for dialect in [Postgres, Sqlite] {
            let joined: String = Tokens::new(&text, dialect).map(|(_, range)| &text[range]).collect();
            prop_assert_eq!(&joined, &text);
            let read = SqlText::read(&text, dialect);
            prop_assert!(text.is_char_boundary(read.end));
        }
    }

    #[test]
    fn parameters_among_pieces_are_those_that_are_found(
        is_postgres: bool,
        pieces in proptest::collection::vec((any::<prop::sample::Index>(), 0_u8..4), 0..12),
    ) {
        let (dialect, own) = if is_postgres { (Postgres, POSTGRES) } else { (Sqlite, SQLITE) };
        let all: Vec<&str> = EITHER.iter().chain(own).copied().collect();
        let mut text = String::from("SELECT ");
        let mut expected = Vec::new();
        for (number, (piece, is_parameter)) in pieces.iter().enumerate() {
            if *is_parameter == 0 {
                expected.push(format!("p{number}"));
                let _ = write!(text, "f(:p{number}) ");
            } else {
                text.push_str(all[piece.index(all.len())]);
                // What is quoted ends on its own; a word does not.
                text.push_str(" = ");
            }
        }
        prop_assert_eq!(names(&text, dialect), expected, "{}", text);
    }
}
