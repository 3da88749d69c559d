//! The engine alone, on a world in memory: transitions per second, whether the cost per step stays the same when there
//! are ten times as many steps, and bytes per state; then the canonical form of a state, per step.
//!
//! `cargo bench --bench engine`

#![expect(clippy::print_stdout, reason = "a benchmark is a program that prints")]

use std::time::{Duration, Instant};

use venomqa::event::{Detail, Event};
use venomqa::explorer::budget::Limits;
use venomqa::explorer::{Observer, Options, explore, strategy};
use venomqa::identity::{Canonical, Change, ColumnRole, Identity, Schema, TableNumber, TableRoles};
use venomqa::interrupt::Interrupt;
use venomqa::model::{Action, Cell, Model, Row};
use venomqa::oracle::Unjudged;
use venomqa::world::mock::MockWorld;

const ACTIONS: u32 = 30;

fn main() {
    println!("strategy     steps      time  transitions/s  cost/step vs 10x fewer  bytes/state");
    for name in strategy::NAMES {
        let mut before: Option<Duration> = None;
        for steps in [10_000_u64, 100_000, 1_000_000] {
            let memory = resident();
            let (time, states, after) = measure(name, steps);
            let per_step = time / u32::try_from(steps).expect("fits");
            let ratio = before.map_or_else(String::new, |before| {
                format!("{:.2}", per_step.as_secs_f64() / before.as_secs_f64())
            });
            before = Some(per_step);
            println!(
                "{name:<9} {steps:>8} {:>8.1}ms {:>14.0} {ratio:>23} {:>12}",
                time.as_secs_f64() * 1e3,
                steps as f64 / time.as_secs_f64(),
                after.saturating_sub(memory) / states.max(1),
            );
        }
    }
    println!("\ncanonical form of a state with 20 rows      time");
    for (name, size) in [
        ("all rows in one component", 20),
        ("a component of 5 rows changed", 5),
    ] {
        println!("{name:<38} {:>6.1}us", canonical(size).as_secs_f64() * 1e6);
    }
}

/// The time for the canonical form after a step that changed one row, where components have so many rows: an order and its
/// lines, one of them named by a variable.
fn canonical(size: i64) -> Duration {
    const STEPS: u32 = 100_000;
    let roles = |name: &str, roles: &[ColumnRole]| TableRoles {
        name: name.to_owned(),
        keys_are_generated: true,
        columns: Vec::new(),
        roles: roles.to_vec(),
    };
    let orders = [ColumnRole::Key, ColumnRole::Value];
    let lines = [
        ColumnRole::Key,
        ColumnRole::Reference(TableNumber(0)),
        ColumnRole::Value,
    ];
    let mut identity = Identity::new(Schema {
        tables: vec![roles("orders", &orders), roles("lines", &lines)],
    });
    let line = |id: i64, amount: i64| -> ([Cell; 1], Row) {
        let order = Cell::Integer(id / size);
        let cells = [Cell::Integer(id), order, Cell::Integer(amount)];
        ([Cell::Integer(id)], cells.into())
    };
    let order = |id: i64| -> ([Cell; 1], Row) {
        (
            [Cell::Integer(id)],
            [Cell::Integer(id), Cell::text("open")].into(),
        )
    };
    let orders: Vec<_> = (0..20 / size).map(order).collect();
    let lines: Vec<_> = (0..20)
        .filter(|id| id % size != 0)
        .map(|id| line(id, id % 3))
        .collect();
    let inserted = |table: u32, rows: &'static [([Cell; 1], Row)]| {
        rows.iter().map(move |(key, row)| Change {
            table: TableNumber(table),
            key,
            before: None,
            after: Some(row),
        })
    };
    let (orders, lines): (&'static [_], &'static [_]) = (orders.leak(), lines.leak());
    let names = [
        (0, TableNumber(0), &b"0"[..]),
        (1, TableNumber(1), &b"1"[..]),
    ];
    let rows = inserted(0, orders).chain(inserted(1, lines));
    let mut state: Canonical = identity.after(&Canonical::default(), rows, names);
    let mut before = line(2, 2).1;
    let clock = Instant::now();
    for step in 0..STEPS {
        let (key, after) = line(2, 100 + i64::from(step));
        let change = Change {
            table: TableNumber(1),
            key: &key,
            before: Some(&before),
            after: Some(&after),
        };
        state = identity.after(&state, [change], names);
        before = after;
    }
    clock.elapsed() / STEPS
}

/// A walk over a space far larger than the steps; resident memory is read while the graph is still there.
fn measure(strategy: &str, steps: u64) -> (Duration, u64, u64) {
    let model = Model {
        actions: (0..ACTIONS)
            .map(|index| Action::named(&format!("a{index}")))
            .collect(),
        ..Model::default()
    };
    let mut world = MockWorld::new(1_u64, |state, action| {
        // Two thirds of the steps lead to one of 2^40 states, the others nowhere.
        if action.0 % 3 == 0 {
            *state
        } else {
            let mixed =
                (state + 1 + (u64::from(action.0) << 41)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            mixed >> 24
        }
    });
    let options = Options {
        strategy: strategy.to_owned(),
        limits: Limits {
            max_steps: steps,
            max_depth: 20,
            progress_every: u64::MAX,
            ..Limits::default()
        },
        seed: 1,
        postpone: true,
        interrupt: Interrupt::default(),
        regressions: Vec::new(),
        known: std::collections::BTreeSet::new(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let clock = Instant::now();
    let mut memory = MemoryAtTheEnd(0);
    let finished = runtime.block_on(explore(
        &model,
        &mut world,
        &mut Unjudged,
        &options,
        &mut memory,
    ));
    (clock.elapsed(), finished.figures.states, memory.0)
}

/// Asks for no step, and reads how much memory is taken while the graph is still there.
struct MemoryAtTheEnd(u64);

impl Observer for MemoryAtTheEnd {
    fn detail(&self) -> Detail {
        Detail::None
    }

    fn event(&mut self, event: Event) {
        if matches!(event, Event::Finished(_)) {
            self.0 = resident();
        }
    }
}

/// Resident memory in bytes; 0 where `/proc` does not exist.
fn resident() -> u64 {
    std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok())
        .map_or(0, |pages| pages * 4096)
}
