//! What was measured, as tables in Markdown.

use std::fmt::Write as _;
use std::path::Path;

use venomqa::explorer::strategy::NAMES;
use venomqa::world::toy::{ALL, Identity, SHOP, Toy};

use super::Budget;
use super::walks::{Way, exhaust, hunt};

/// At so many steps the bugs found are counted.
const MARKS: [u64; 4] = [100, 500, 1_000, 2_000];

const BEGIN: &str = "<!-- measured: cargo bench --bench search -- --write docs/strategies.md -->";
const END: &str = "<!-- end of what was measured -->";

/// All tables.
pub(crate) fn all(budget: &Budget) -> String {
    let mut text = String::new();
    let names: Vec<&str> = (NAMES.iter().copied())
        .filter(|name| budget.strategy.as_deref().is_none_or(|only| only == *name))
        .collect();
    for toy in toys(budget) {
        bugs(&mut text, budget, toy, &names);
    }
    if budget.strategy.is_none() {
        depths(&mut text, budget);
    }
    text
}

/// Puts the tables between the marks of a file.
pub(crate) fn write(file: &Path, tables: &str) -> std::io::Result<()> {
    let text = std::fs::read_to_string(file)?;
    let parts = text.split_once(BEGIN).zip(text.split_once(END));
    let Some(((before, _), (_, behind))) = parts else {
        let problem = format!("{} has no marks `{BEGIN}` and `{END}`", file.display());
        return Err(std::io::Error::other(problem));
    };
    std::fs::write(file, format!("{before}{BEGIN}\n\n{tables}\n{END}{behind}"))
}

fn toys(budget: &Budget) -> impl Iterator<Item = &'static Toy> {
    let only = budget.toy.clone();
    let is_asked = move |toy: &&Toy| only.as_ref().is_none_or(|only| only == toy.name);
    ALL.into_iter().filter(is_asked)
}

/// Steps to each bug of a service.
fn bugs(text: &mut String, budget: &Budget, toy: &'static Toy, names: &[&str]) {
    let Budget { seeds, steps, .. } = budget;
    let (actions, planted) = (toy.requests.len(), toy.bugs.len());
    line(
        text,
        format!(
            "`{}`: {actions} actions, bugs planted: {planted}. Steps until a bug was seen, median of {seeds} seeds (the worst seed), at most {steps}:\n",
            toy.name
        ),
    );
    let bugs = toy.bugs.iter();
    let heads: Vec<String> =
        (bugs.map(|bug| format!(" {} ({}) |", bug.name, bug.depth()))).collect();
    let marks: Vec<String> = MARKS.iter().map(|mark| format!(" @{mark} |")).collect();
    let (heads, marks) = (heads.concat(), marks.concat());
    line(text, format!("| strategy | identity | all |{heads}{marks}"));
    let columns = 3 + planted + MARKS.len();
    line(text, format!("|---|---|{}", "---:|".repeat(columns - 2)));
    for strategy in names {
        for identity in [Identity::Exact, Identity::Canonical] {
            let way = Way {
                strategy,
                identity,
                postpone: true,
            };
            let seen: Vec<_> = (1..=*seeds)
                .map(|seed| hunt(toy, way, seed, *steps))
                .collect();
            let all: Vec<Option<u64>> = seen
                .iter()
                .map(|seen| {
                    seen.iter()
                        .copied()
                        .try_fold(0, |last, at| Some(last.max(at?)))
                })
                .collect();
            let mut cells = format!(
                "| `{strategy}` | {} | **{}** |",
                name(identity),
                spread(all)
            );
            for bug in 0..planted {
                let _ = write!(cells, " {} |", spread(seen.iter().map(|seen| seen[bug])));
            }
            for mark in MARKS {
                let by_then = |at: &&Option<u64>| at.is_some_and(|at| at <= mark);
                let found: usize = seen
                    .iter()
                    .map(|seen| seen.iter().filter(by_then).count())
                    .sum();
                let _ = write!(cells, " {:.1} |", found as f64 / seen.len() as f64);
            }
            line(text, cells);
        }
    }
    line(text, "");
}

/// The median and the greatest, or how many seeds did not get there.
fn spread(steps: impl IntoIterator<Item = Option<u64>>) -> String {
    let mut steps: Vec<u64> = steps.into_iter().map(|at| at.unwrap_or(u64::MAX)).collect();
    steps.sort_unstable();
    let (all, found) = (
        steps.len(),
        steps.iter().filter(|at| **at != u64::MAX).count(),
    );
    let worst = match steps.last() {
        Some(&worst) if worst != u64::MAX => thousands(worst),
        _ => format!("{found} of {all}"),
    };
    match steps.get(steps.len() / 2) {
        Some(&median) if median != u64::MAX => format!("{} ({worst})", thousands(median)),
        _ => format!("- ({worst})"),
    }
}

/// States and steps to exhaust a depth.
fn depths(text: &mut String, budget: &Budget) {
    line(
        text,
        "Everything to a depth, with `bfs`. *Steps* count those before the first postponed pair is taken up; the others leave the state as it was:\n",
    );
    line(
        text,
        "| service, depth | identity | states | steps, `--no-postpone` | unchanged | steps | unchanged |",
    );
    line(text, "|---|---|---:|---:|---:|---:|---:|");
    for toy in toys(budget) {
        let depth = if toy.name == SHOP.name { 5 } else { 7 };
        for identity in [Identity::Exact, Identity::Canonical] {
            let way = |postpone| Way {
                strategy: "bfs",
                identity,
                postpone,
            };
            let plain = exhaust(toy, way(false), depth);
            let saving = exhaust(toy, way(true), depth);
            let steps = plain.figures.step;
            // What was put off changed nothing, as the numbers of states prove.
            let put_off = saving.repetitions;
            let states = if saving.figures.states == plain.figures.states {
                thousands(plain.figures.states)
            } else {
                format!("{} / {}", plain.figures.states, saving.figures.states)
            };
            let share = |unchanged: u64, steps: u64| 100 * unchanged / steps.max(1);
            line(
                text,
                format!(
                    "| {}, {depth} | {} | {states} | {} | {} % | {} | {} % |",
                    toy.name,
                    name(identity),
                    thousands(steps),
                    share(plain.unchanged_steps, steps),
                    thousands(saving.figures.step - put_off),
                    share(
                        saving.unchanged_steps - put_off,
                        saving.figures.step - put_off
                    ),
                ),
            );
        }
    }
}

fn name(identity: Identity) -> &'static str {
    match identity {
        Identity::Exact => "exact",
        Identity::Canonical => "canonical",
    }
}

fn line(text: &mut String, line: impl AsRef<str>) {
    text.push_str(line.as_ref());
    text.push('\n');
}

/// `12345` as `12,345`.
fn thousands(number: u64) -> String {
    if number < 1_000 {
        number.to_string()
    } else {
        format!("{},{:03}", thousands(number / 1_000), number % 1_000)
    }
}
