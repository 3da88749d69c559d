//! Random schemas, random services, random misfortunes: the database is as it was before the run, or the run says what is not.
//!
//! Every round makes a database and a service of its own from a seed, explores it, and does something to the run meanwhile (or
//! nothing). A few rounds are a test; as many as there is time for are a search:
//!
//! ```sh
//! VENOMQA_TORTURE_ROUNDS=1000 VENOMQA_TORTURE_SEED=7 cargo test --test integration torture::
//! ```

mod disk;
mod judge;
mod round;
mod schema;
mod subject;

use std::collections::BTreeMap;
use std::env;

use round::{Round, Verdict};

/// The kinds of databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Sqlite,
    Postgres,
}

/// Rounds that are a test: so many that all of them take some seconds.
const SAMPLE: u64 = 6;

/// Faults after which a search ends.
const FAULTS: usize = 10;

#[test]
fn a_sqlite_database_survives_whatever_happens_or_the_run_says_what_it_lost() {
    torture(Kind::Sqlite);
}

#[test]
fn a_postgresql_database_survives_whatever_happens_or_the_run_says_what_it_lost() {
    torture(Kind::Postgres);
}

fn torture(kind: Kind) {
    let number = |name: &str, default: u64| {
        env::var(name).map_or(default, |text| {
            text.parse()
                .unwrap_or_else(|_| panic!("{name}: `{text}` is no number"))
        })
    };
    let rounds = number("VENOMQA_TORTURE_ROUNDS", SAMPLE);
    let first = number("VENOMQA_TORTURE_SEED", 1);
    let mut faults = Vec::new();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut steps = 0;
    for seed in first..first + rounds {
        let round = Round::new(kind, seed);
        let shown = format!("{round:?}");
        let outcome = round.run();
        steps += usize::from(outcome.took_steps);
        let verdict = match outcome.verdict {
            Verdict::Same => "as before",
            Verdict::Told => "told",
            Verdict::Fault(fault) => {
                faults.push(format!(
                    "seed {seed}: {shown}\n{fault}\nrepeat it (what happens when is not quite the same each time):\n\
                     VENOMQA_TORTURE_SEED={seed} VENOMQA_TORTURE_ROUNDS=20 cargo test --test integration torture::a_{}",
                    match kind { Kind::Sqlite => "sqlite", Kind::Postgres => "postgresql" },
                ));
                "fault"
            }
        };
        *counts
            .entry(format!("{}, {verdict}", outcome.misfortune))
            .or_default() += 1;
        if faults.len() == FAULTS {
            break;
        }
    }
    assert!(
        faults.is_empty(),
        "{counts:#?}\n{} rounds of {rounds} show a fault:\n\n{}",
        faults.len(),
        faults.join("\n\n")
    );
    // A run that does not begin cannot harm anything.
    assert!(
        steps as u64 * 2 >= rounds,
        "{steps} of {rounds} runs took steps: {counts:#?}"
    );
}
