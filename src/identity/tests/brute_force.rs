//! Random small states: those that are equal but for ids have one form, and no others.

use std::collections::BTreeMap;

use super::small_world::{At, SmallWorld, digest, go, schema};
use crate::identity::{ColumnRole, Identity, Schema, TableNumber};
use crate::model::Cell;
use crate::random::Random;

/// Ids of each table: 1, 2 and 3.
const IDS: i64 = 3;

/// A schema of two or three tables that refer to each other at random.
fn random_schema(random: &mut Random) -> Schema {
    let tables = 2 + random.below(2);
    let columns: Vec<Vec<ColumnRole>> = (0..tables)
        .map(|_| {
            (0..=random.below(2))
                .map(|_| match random.below(4) {
                    0 => ColumnRole::Value,
                    1 => ColumnRole::Volatile,
                    _ => ColumnRole::Reference(TableNumber(random.below(tables) as u32)),
                })
                .collect()
        })
        .collect();
    let named: Vec<_> = columns
        .iter()
        .map(|roles| ("t", roles.as_slice()))
        .collect();
    schema(&named)
}

fn random_id(random: &mut Random) -> i64 {
    1 + i64::try_from(random.below(3)).unwrap()
}

fn random_row(random: &mut Random, schema: &Schema, table: u32) -> Vec<Cell> {
    let roles = &schema.tables[table as usize].roles[1..];
    let cells = roles.iter().map(|role| match role {
        _ if random.below(5) == 0 => Cell::Null,
        ColumnRole::Value => Cell::Integer(i64::from(random.below(2) == 0)),
        ColumnRole::Volatile => Cell::Integer(i64::try_from(random.below(1_000)).unwrap()),
        _ => Cell::Integer(random_id(random)),
    });
    cells.collect()
}

/// The state after a random step.
fn stepped(random: &mut Random, schema: &Schema, world: &SmallWorld) -> SmallWorld {
    let mut next = world.clone();
    let table = random.below(schema.tables.len()) as u32;
    let place = (table, random_id(random));
    match random.below(6) {
        0 => {
            next.rows.remove(&place);
        }
        1 => {
            next.names.insert(random.below(2) as u32, place);
        }
        2 => {
            next.names.remove(&(random.below(2) as u32));
        }
        _ => {
            next.rows.insert(place, random_row(random, schema, table));
        }
    }
    next
}

/// The state with its ids replaced, volatile values all the same.
fn renamed(schema: &Schema, world: &SmallWorld, ids: &[Vec<i64>]) -> SmallWorld {
    let new = |table: u32, id: i64| ids[table as usize][usize::try_from(id).unwrap() - 1];
    let row = |table: u32, cells: &Vec<Cell>| {
        let roles = &schema.tables[table as usize].roles[1..];
        let cells = cells
            .iter()
            .zip(roles)
            .map(|(cell, role)| match (role, cell) {
                (ColumnRole::Reference(to), Cell::Integer(id)) => Cell::Integer(new(to.0, *id)),
                (ColumnRole::Volatile, Cell::Integer(_)) => Cell::Integer(0),
                (_, cell) => cell.clone(),
            });
        cells.collect()
    };
    SmallWorld {
        rows: (world.rows.iter())
            .map(|((table, id), cells)| ((*table, new(*table, *id)), row(*table, cells)))
            .collect(),
        names: (world.names.iter())
            .map(|(variable, (table, id))| (*variable, (*table, new(*table, *id))))
            .collect(),
    }
}

/// Every way to replace the ids of so many tables.
fn renamings(tables: usize) -> Vec<Vec<Vec<i64>>> {
    let orders = [
        [1, 2, 3],
        [1, 3, 2],
        [2, 1, 3],
        [2, 3, 1],
        [3, 1, 2],
        [3, 2, 1],
    ];
    (0..tables).fold(vec![Vec::new()], |so_far, _| {
        let longer = so_far.iter().flat_map(|before: &Vec<Vec<i64>>| {
            orders.iter().map(|order| {
                let mut next = before.clone();
                next.push(order.to_vec());
                next
            })
        });
        longer.collect()
    })
}

/// The least of all states that are equal to it but for ids.
fn least(schema: &Schema, world: &SmallWorld) -> SmallWorld {
    let all = renamings(schema.tables.len());
    let states = all.iter().map(|ids| renamed(schema, world, ids));
    states.min().unwrap()
}

#[test]
fn states_that_are_equal_but_for_ids_and_only_those_have_one_form() {
    let mut random = Random::new(1);
    let mut merged = 0;
    for _ in 0..25 {
        let schema = random_schema(&mut random);
        let mut identity = Identity::new(schema.clone());
        // Every id is one of the run: otherwise it would mean something by itself.
        let mut all = SmallWorld::default();
        for table in 0..schema.tables.len() as u32 {
            for id in 1..=IDS {
                let columns = schema.tables[table as usize].roles.len() - 1;
                all.rows.insert((table, id), vec![Cell::Null; columns]);
            }
        }
        go(&mut identity, &At::default(), all);
        let mut states = vec![At::default()];
        let (mut by_form, mut by_least) = (BTreeMap::new(), BTreeMap::new());
        for _ in 0..90 {
            let from = states[random.below(states.len())].clone();
            let to = stepped(&mut random, &schema, &from.world);
            let at = go(&mut identity, &from, to);
            let least = least(&schema, &at.world);
            let form = at.canonical.digest();
            assert_eq!(form.0, digest(&mut identity, &at.world), "by another way");
            let known = by_form.entry(form).or_insert_with(|| least.clone());
            assert_eq!(*known, least, "one form, two states: {schema:?}");
            let known = by_least.entry(least).or_insert((form, at.world.clone()));
            assert_eq!(
                known.0, form,
                "two forms, one state: {schema:?} {:?} {:?}",
                known.1, at.world
            );
            merged += usize::from(known.1 != at.world);
            states.push(at);
        }
    }
    assert!(merged > 200, "{merged}");
}

#[test]
fn many_creations_give_as_many_states_as_there_are_sets_of_them() {
    let mut identity = Identity::new(schema(&[("things", &[ColumnRole::Value])]));
    // Ten kinds of things are created in random orders, each with the next id.
    let mut random = Random::new(1);
    let mut forms = BTreeMap::new();
    for _ in 0..1_000 {
        let mut at = At::default();
        let mut kinds = 0_u32;
        for id in 1..=10 {
            let kind = random.below(10) as u32;
            if kinds & (1 << kind) != 0 {
                break;
            }
            kinds |= 1 << kind;
            let next = at.world.with(0, id, [Cell::Integer(i64::from(kind))]);
            at = go(&mut identity, &at, next);
            let form = at.canonical.digest();
            assert_eq!(*forms.entry(kinds).or_insert(form), form);
        }
    }
    let distinct: std::collections::BTreeSet<_> = forms.values().collect();
    assert_eq!(distinct.len(), forms.len());
}
