//! Full-text indexes, copied with the whole database, and spatial ones, journalled through the tables that hold them.

use super::fixture::Walk;
use crate::world::system::SystemState;

fn hits<const WAL: bool>(walk: &Walk<WAL>, word: &str) -> i64 {
    walk.service
        .query_row(
            "SELECT count(*) FROM texts WHERE texts MATCH ?1",
            [word],
            |row| row.get(0),
        )
        .unwrap()
}

#[test]
fn a_full_text_index_goes_back_with_its_rows() {
    goes_back_with_its_rows::<true>();
    goes_back_with_its_rows::<false>();
}

fn goes_back_with_its_rows<const WAL: bool>() {
    let mut walk = Walk::<WAL>::in_mode(
        "CREATE VIRTUAL TABLE texts USING fts5(note); INSERT INTO texts VALUES ('red fox')",
    );
    let initial = walk.dump();
    let changes = walk.act("INSERT INTO texts VALUES ('blue fox')");
    let names: Vec<&str> = changes
        .iter()
        .map(|change| change.table.name.as_str())
        .collect();
    assert_eq!(names, ["texts"]);
    assert_eq!((hits(&walk, "fox"), hits(&walk, "blue")), (2, 1));
    let there = walk.state.clone();
    walk.restore(&SystemState::default());
    assert_eq!((hits(&walk, "fox"), hits(&walk, "blue")), (1, 0));
    assert_eq!(walk.dump(), initial);
    walk.restore(&there);
    assert_eq!((hits(&walk, "fox"), hits(&walk, "blue")), (2, 1));
    walk.service
        .execute_batch("INSERT INTO texts (texts) VALUES ('integrity-check')")
        .unwrap();
    walk.finish();
}

#[test]
fn the_same_texts_are_the_same_state_however_their_index_came_about() {
    let mut walk = Walk::begin(
        "CREATE VIRTUAL TABLE texts USING fts5(note); INSERT INTO texts VALUES ('red fox')",
    );
    let initial = walk.state.delta.digest();
    walk.act("INSERT INTO texts VALUES ('blue fox')");
    assert_ne!(walk.state.delta.digest(), initial);
    walk.act("DELETE FROM texts WHERE rowid = 2");
    assert_eq!(walk.state.delta.digest(), initial);
}

#[test]
fn an_index_without_its_own_content_is_part_of_the_state() {
    let mut walk = Walk::begin("CREATE VIRTUAL TABLE texts USING fts5(note, content='')");
    let initial = walk.state.delta.digest();
    walk.act("INSERT INTO texts (rowid, note) VALUES (1, 'red')");
    let red = (walk.state.clone(), walk.dump());
    assert_ne!(red.0.delta.digest(), initial);
    walk.restore(&SystemState::default());
    walk.act("INSERT INTO texts (rowid, note) VALUES (1, 'tan')");
    assert_ne!(walk.state.delta.digest(), red.0.delta.digest());
    walk.restore(&red.0);
    assert_eq!(
        (walk.dump(), hits(&walk, "red"), hits(&walk, "tan")),
        (red.1, 1, 0)
    );
}

#[test]
fn a_spatial_index_goes_back() {
    let mut walk = Walk::<false>::in_mode(
        "CREATE VIRTUAL TABLE places USING rtree(id, x0, x1); INSERT INTO places VALUES (1, 0, 1)",
    );
    let initial = (walk.dump(), walk.state.delta.digest());
    walk.act("INSERT INTO places SELECT value, value, value + 1 FROM json_each('[2,3,4,5,6,7,8]'); DELETE FROM places WHERE id = 1");
    assert_ne!(walk.state.delta.digest(), initial.1);
    walk.restore(&SystemState::default());
    assert_eq!(walk.dump(), initial.0);
    let check: String = walk
        .service
        .query_row("SELECT rtreecheck('places')", [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
}
