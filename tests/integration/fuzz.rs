//! What the fuzz targets (`fuzz/`) claim, on the stable toolchain: over their corpus, and over mutations of it.
//!
//! The mutations come from the seeded generator of the program itself: what is fuzzed are texts, which splicing and swapping
//! changes better than the generated values of a property test, and a round that fails is the same for everybody.
//! `VENOMQA_FUZZ_ROUNDS` says how many there are of each target, `VENOMQA_FUZZ_SEED` which.

use std::any::Any;
use std::fs;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};

use venomqa::random::Random;

use crate::support::PATIENCE;

#[path = "../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "shared with the fuzz targets")]
mod targets;

/// Mutations of each target that are a test.
const SAMPLE: u64 = 300;

/// What the small languages are made of.
const WORDS: [&str; 40] = [
    "{{",
    "}}",
    "{%",
    "%}",
    "${",
    "}",
    "[",
    "]",
    "(",
    ")",
    "\"",
    "'",
    "\\",
    "\n",
    "\n  ",
    ": ",
    "- ",
    "&a ",
    "*a",
    "<<: *a",
    "|\n",
    "!!str ",
    "---\n",
    "..",
    "*",
    "?@",
    ".a",
    "$",
    "~",
    "|",
    " and ",
    "not ",
    "null",
    "true",
    "-1",
    "1e999",
    "9223372036854775808",
    "\u{feff}",
    "\\ud800",
    "é",
];

#[test]
fn no_bytes_break_what_reads_a_spec_its_expressions_answers_logs_or_reproductions() {
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| text.parse().unwrap())
    };
    let rounds = number("VENOMQA_FUZZ_ROUNDS", SAMPLE);
    let first = number("VENOMQA_FUZZ_SEED", 1);
    std::thread::scope(|scope| {
        for target in targets::ALL {
            scope.spawn(move || try_out(target, first, rounds));
        }
    });
}

fn try_out((name, target): targets::Target, first: u64, rounds: u64) {
    let corpus = corpus(name);
    for (file, input) in &corpus {
        hold(target, input, &format!("fuzz/corpus/{name}/{file}"));
    }
    for seed in first..first + rounds {
        let input = mutated(&corpus, &mut Random::new(seed));
        let again = format!(
            "VENOMQA_FUZZ_SEED={seed} VENOMQA_FUZZ_ROUNDS=1 cargo test --test integration fuzz::"
        );
        hold(target, &input, &format!("{name}, again with\n{again}"));
    }
}

/// Fails where the target fails, or comes to no end.
#[track_caller]
fn hold(target: fn(&[u8]), input: &[u8], shown: &str) {
    let (done, wait) = mpsc::channel();
    let bytes = input.to_vec();
    let thread = std::thread::spawn(move || {
        target(&bytes);
        // Nobody waits any more for what took too long.
        let _ = done.send(());
    });
    if let Err(RecvTimeoutError::Timeout) = wait.recv_timeout(PATIENCE) {
        panic!(
            "no end within {PATIENCE:?}: {shown}\n{}",
            input.escape_ascii()
        );
    }
    if let Err(panic) = thread.join() {
        panic!(
            "{}: {shown}\n{}",
            said(panic.as_ref()),
            input.escape_ascii()
        );
    }
}

fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic")
}

/// The files of a target, by name.
fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(name);
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(Result::unwrap)
        .map(|entry| {
            (
                entry.file_name().into_string().unwrap(),
                fs::read(entry.path()).unwrap(),
            )
        })
        .collect();
    // Folders have no order.
    files.sort();
    files
}

/// One file of the corpus, changed in up to six places.
fn mutated(corpus: &[(String, Vec<u8>)], random: &mut Random) -> Vec<u8> {
    let any = |random: &mut Random| corpus[random.below(corpus.len())].1.clone();
    let mut input = any(random);
    for _ in 0..=random.below(6) {
        let at = random.below(input.len() + 1);
        let end = at + random.below((input.len() - at).min(40) + 1);
        match random.below(7) {
            0 => drop(input.drain(at..end)),
            1 => drop(input.splice(at..at, WORDS[random.below(WORDS.len())].bytes())),
            2 => drop(input.splice(at..end, WORDS[random.below(WORDS.len())].bytes())),
            3 => {
                let part = input[at..end].repeat(1 + random.below(100));
                drop(input.splice(at..at, part));
            }
            4 => {
                let other = any(random);
                let from = random.below(other.len() + 1);
                let to = from + random.below((other.len() - from).min(400) + 1);
                drop(input.splice(at..end, other[from..to].iter().copied()));
            }
            5 if at < input.len() => input[at] ^= 1 << random.below(8),
            _ => input.truncate(end),
        }
    }
    input
}
