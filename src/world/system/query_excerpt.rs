//! A place in a query, shown to people: where that is in the spec, the line, and a mark below it.

use crate::model::SqlQuery;

/// The lines that show a character of a query's text, counted from 0. A tab takes one column, so that the mark stands where
/// it should whatever shows it.
pub(super) fn query_excerpt(query: &SqlQuery, character: usize) -> Vec<String> {
    let mut left = character;
    let mut line = "";
    for candidate in query.text.split('\n') {
        line = candidate;
        let length = candidate.chars().count();
        if left <= length {
            break;
        }
        left -= length + 1;
    }
    let place = query
        .origin
        .as_ref()
        .map(|origin| format!("--> {}", origin.place(character)));
    let mark = " ".repeat(left.min(line.chars().count()));
    place
        .into_iter()
        .chain([line.replace('\t', " "), format!("{mark}^")])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::Dialect;
    use crate::model::SqlOrigin;

    #[test]
    fn a_place_is_marked_below_its_line() {
        let text = "SELECT id\n\tFROM ordrs\nWHERE true";
        let mut query = SqlQuery::for_tests(Dialect::Sqlite, text, &[]);
        let place = query.text.find("ordrs").unwrap();
        assert_eq!(query_excerpt(&query, place), [" FROM ordrs", "      ^"]);
        assert_eq!(query_excerpt(&query, 99)[0], "WHERE true");
        query.origin = Some(SqlOrigin::new("a.yaml".into(), (3, 9), [Some((3, 9))]));
        assert_eq!(
            query_excerpt(&query, 1),
            ["--> a.yaml:3:10", "SELECT id", " ^"]
        );
    }
}
