//! The smallest states that a wrong identity merges.

use super::small_world::{At, SmallWorld, digest, go, schema};
use crate::identity::{ColumnRole, Identity, Schema, TableNumber};
use crate::model::Cell;
use crate::random::Random;

const VALUE: ColumnRole = ColumnRole::Value;

fn text(text: &str) -> Cell {
    Cell::text(text)
}

fn refers_to(table: u32) -> ColumnRole {
    ColumnRole::Reference(TableNumber(table))
}

/// A schema in which one table keeps its keys.
fn keeping_keys(mut schema: Schema, table: usize) -> Schema {
    schema.tables[table].keys_are_generated = false;
    schema
}

#[test]
fn a_table_whose_keys_are_held_by_an_undeclared_column_has_to_keep_them() {
    let tables = schema(&[("items", &[VALUE]), ("settings", &[VALUE])]);
    let state = |first: &str, second: &str| {
        SmallWorld::default()
            .with(0, 1, [text(first)])
            .with(0, 2, [text(second)])
            .with(0, 3, [text("red")])
            .with(1, 1, [text("2")])
            .naming(0, 0, 3)
    };
    let (blue_is_default, red_is_default) = (state("red", "blue"), state("blue", "red"));
    let mut wrong = Identity::new(tables.clone());
    assert_eq!(
        digest(&mut wrong, &blue_is_default),
        digest(&mut wrong, &red_is_default)
    );
    let mut right = Identity::new(keeping_keys(tables, 0));
    assert_ne!(
        digest(&mut right, &blue_is_default),
        digest(&mut right, &red_is_default)
    );
    let mut referring = Identity::new(schema(&[
        ("items", &[VALUE]),
        ("settings", &[refers_to(0)]),
    ]));
    assert_ne!(
        digest(&mut referring, &blue_is_default),
        digest(&mut referring, &red_is_default)
    );
}

#[test]
fn the_order_of_creation_tells_states_apart_in_a_table_that_keeps_its_keys() {
    let queue = schema(&[("jobs", &[VALUE])]);
    let jobs = |first: &str, second: &str| {
        SmallWorld::default()
            .with(0, 1, [text(first)])
            .with(0, 2, [text(second)])
    };
    let mut merging = Identity::new(queue.clone());
    assert_eq!(
        digest(&mut merging, &jobs("a", "b")),
        digest(&mut merging, &jobs("b", "a"))
    );
    let mut keeping = Identity::new(keeping_keys(queue, 0));
    assert_ne!(
        digest(&mut keeping, &jobs("a", "b")),
        digest(&mut keeping, &jobs("b", "a"))
    );
}

#[test]
fn an_id_that_may_come_back_tells_states_apart_in_a_table_that_keeps_its_keys() {
    let notes = schema(&[("notes", &[VALUE])]);
    let state = |row: i64, named: i64| {
        let both = SmallWorld::default()
            .with(0, 1, [text("mine")])
            .with(0, 2, [text("mine")]);
        both.without(0, 3 - row).naming(0, 0, named)
    };
    let in_order = |identity: &mut Identity, row, named| {
        let both = SmallWorld::default()
            .with(0, 1, [text("mine")])
            .with(0, 2, [text("mine")]);
        let at = go(identity, &At::default(), both);
        go(identity, &at, state(row, named)).canonical.digest()
    };
    let mut merging = Identity::new(notes.clone());
    assert_eq!(in_order(&mut merging, 2, 1), in_order(&mut merging, 1, 2));
    let mut keeping = Identity::new(keeping_keys(notes, 0));
    assert_ne!(in_order(&mut keeping, 2, 1), in_order(&mut keeping, 1, 2));
}

#[test]
fn a_volatile_column_still_tells_whether_there_is_a_value() {
    let mut identity = Identity::new(schema(&[("vouchers", &[ColumnRole::Volatile])]));
    let used = |at: Cell| SmallWorld::default().with(0, 1, [at]);
    let never = digest(&mut identity, &used(Cell::Null));
    assert_eq!(
        digest(&mut identity, &used(Cell::Integer(5))),
        digest(&mut identity, &used(Cell::Integer(6)))
    );
    assert_ne!(digest(&mut identity, &used(Cell::Integer(5))), never);
    let mut deciding = Identity::new(schema(&[("vouchers", &[VALUE])]));
    assert_ne!(
        digest(&mut deciding, &used(Cell::Integer(99))),
        digest(&mut deciding, &used(Cell::Integer(-1)))
    );
}

#[test]
fn an_id_without_a_row_is_still_one_id() {
    let mut identity = Identity::new(schema(&[("customers", &[]), ("carts", &[refers_to(0)])]));
    let with_two =
        SmallWorld::default()
            .with(0, 1, [])
            .with(0, 2, [])
            .with(1, 1, [Cell::Integer(1)]);
    let at = go(&mut identity, &At::default(), with_two.naming(0, 0, 1));
    let gone = |named: i64| with_two.without(0, 1).without(0, 2).naming(0, 0, named);
    let mine = go(&mut identity, &at, gone(1)).canonical;
    let other = go(&mut identity, &at, gone(2)).canonical;
    assert_ne!(
        mine.digest(),
        other.digest(),
        "the cart is that of the customer that the context holds"
    );
    assert_eq!((mine.components().len(), other.components().len()), (1, 2));
}

#[test]
fn which_of_two_variables_names_a_row_is_told_apart() {
    let mut identity = Identity::new(schema(&[("guests", &[VALUE])]));
    let both = SmallWorld::default()
        .with(0, 1, [text("ann")])
        .with(0, 2, [text("bob")]);
    let ann_last = both.naming(0, 0, 1).naming(1, 0, 2);
    let bob_last = both.naming(0, 0, 2).naming(1, 0, 1);
    assert_ne!(
        digest(&mut identity, &ann_last),
        digest(&mut identity, &bob_last)
    );
}

#[test]
fn rows_that_nobody_names_count() {
    let mut identity = Identity::new(schema(&[("orders", &[VALUE])]));
    let mut world = SmallWorld::default().naming(0, 0, 1);
    let mut seen = Vec::new();
    for id in 1..=6 {
        world = world.with(0, id, [text("open")]);
        seen.push(digest(&mut identity, &world));
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 6);
}

/// Rows of `joins` that tie `a` and `b` of these ids together, as a ring.
fn ring(mut world: SmallWorld, ids: &[i64], next_join: &mut i64) -> SmallWorld {
    for (at, id) in ids.iter().enumerate() {
        world = world.with(0, *id, []).with(1, *id, []);
        for b in [*id, ids[(at + 1) % ids.len()]] {
            world = world.with(2, *next_join, [Cell::Integer(*id), Cell::Integer(b)]);
            *next_join += 1;
        }
    }
    world
}

fn rings(of: &[&[i64]]) -> SmallWorld {
    let mut next_join = 1;
    of.iter().fold(SmallWorld::default(), |world, ids| {
        ring(world, ids, &mut next_join)
    })
}

#[test]
fn shapes_that_colours_cannot_separate_are_told_apart() {
    let tables = schema(&[
        ("a", &[]),
        ("b", &[]),
        ("joins", &[refers_to(0), refers_to(1)]),
    ]);
    let mut identity = Identity::new(tables);
    let (one, two) = (rings(&[&[1, 2, 3, 4]]), rings(&[&[1, 2], &[3, 4]]));
    assert_ne!(digest(&mut identity, &one), digest(&mut identity, &two));
}

#[test]
fn both_shapes_in_one_state_have_one_form_whatever_their_ids() {
    let tables = schema(&[
        ("a", &[]),
        ("b", &[]),
        ("joins", &[refers_to(0), refers_to(1)]),
    ]);
    let mut identity = Identity::new(tables);
    let mut random = Random::new(1);
    let mut ids: Vec<i64> = (1..=8).collect();
    let expected = digest(&mut identity, &rings(&[&ids[..4], &ids[4..6], &ids[6..]]));
    for _ in 0..200 {
        for at in (1..ids.len()).rev() {
            ids.swap(at, random.below(at + 1));
        }
        let state = rings(&[&ids[..4], &ids[4..6], &ids[6..]]);
        assert_eq!(digest(&mut identity, &state), expected);
    }
}

#[test]
fn a_variable_that_moves_on_changes_the_state_although_no_row_does() {
    let mut identity = Identity::new(schema(&[("guests", &[VALUE])]));
    let both = SmallWorld::default()
        .with(0, 1, [text("ann")])
        .with(0, 2, [text("bob")]);
    let ann = go(&mut identity, &At::default(), both.naming(0, 0, 1));
    let bob = go(&mut identity, &ann, both.naming(0, 0, 2));
    assert_ne!(ann.canonical.digest(), bob.canonical.digest());
    let none = go(&mut identity, &bob, both.clone());
    let back = go(&mut identity, &none, both.naming(0, 0, 1));
    assert_eq!(back.canonical.digest(), ann.canonical.digest());
    let form = |at: &At| identity.component_named(&at.canonical, 0).map(|it| it.form);
    assert!(form(&none).is_none() && form(&ann) == form(&back) && form(&ann) != form(&bob));
}

#[test]
fn a_row_of_the_initial_state_keeps_its_id_and_leaves_no_trace_when_it_is_put_back() {
    let mut identity = Identity::new(schema(&[("users", &[VALUE])]));
    let initial = At {
        world: SmallWorld::default()
            .with(0, 1, [text("ann")])
            .with(0, 2, [text("ann")]),
        ..At::default()
    };
    let first = go(
        &mut identity,
        &initial,
        initial.world.with(0, 1, [text("bob")]),
    );
    let second = go(
        &mut identity,
        &initial,
        initial.world.with(0, 2, [text("bob")]),
    );
    assert_ne!(first.canonical.digest(), second.canonical.digest());
    let gone = go(&mut identity, &first, initial.world.without(0, 1));
    assert_ne!(gone.canonical.digest(), initial.canonical.digest());
    let back = go(&mut identity, &gone, initial.world.clone());
    assert_eq!(back.canonical.digest(), initial.canonical.digest());
}

#[test]
fn a_component_that_would_take_too_long_keeps_its_ids() {
    let mut identity = Identity::new(schema(&[
        ("a", &[]),
        ("b", &[]),
        ("joins", &[refers_to(0), refers_to(1)]),
    ]));
    let ids: Vec<i64> = (1..=400).collect();
    let mut turned = ids.clone();
    turned.swap(3, 77);
    let (one, other) = (rings(&[&ids]), rings(&[&turned]));
    assert_eq!(digest(&mut identity, &one), digest(&mut identity, &one));
    assert_ne!(digest(&mut identity, &one), digest(&mut identity, &other));
}
