//! How many steps each strategy takes to find planted bugs, on toy services in memory: no service is needed.
//!
//! ```text
//! cargo bench --bench search                                 # 30 seeds, at most 20,000 steps
//! cargo bench --bench search -- --seeds 3 --steps 2000       # a sample
//! cargo bench --bench search -- --strategy auto --toy shop   # one strategy, one service
//! cargo bench --bench search -- --write docs/strategies.md   # writes the tables there
//! ```

#![expect(clippy::print_stdout, reason = "a benchmark is a program that prints")]

mod tables;
mod walks;

use std::path::PathBuf;

use clap::Parser;

/// Steps to planted bugs, and to exhaust a depth.
#[derive(Debug, Parser)]
struct Budget {
    /// Seeds 1 to this are walked.
    #[arg(long, default_value_t = 30)]
    seeds: u64,
    /// Steps that a walk may take.
    #[arg(long, default_value_t = 20_000)]
    steps: u64,
    /// Only this strategy.
    #[arg(long)]
    strategy: Option<String>,
    /// Only this service.
    #[arg(long)]
    toy: Option<String>,
    /// Writes the tables between the marks in this file.
    #[arg(long)]
    write: Option<PathBuf>,
    /// `cargo bench` gives every bench this flag.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> std::io::Result<()> {
    let budget = Budget::parse();
    let tables = tables::all(&budget);
    println!("{tables}");
    match &budget.write {
        Some(file) => tables::write(file, &tables),
        None => Ok(()),
    }
}
