//! Values that are made up for a request: `uuid()`, `counter()`, `random_int(1, 9)`, `fake.email()`.
//!
//! They follow from the seed of the run and from their *place*: which request it is, how often it was sent on this path before
//! and had an effect, and how many values the request has made up so far. So the same step from the same state sends the same
//! values, and a path that is run again sends what it sent; on one path no value comes twice; and independent requests send
//! the same values in whatever order they come, so that their orders lead to one state.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use fake::Fake as _;
use fake::faker::address::en::{CityName, CountryCode, CountryName, PostCode, StreetName};
use fake::faker::company::en::CompanyName;
use fake::faker::internet::en::{IPv4, Password};
use fake::faker::lorem::en::{Paragraph, Sentence, Word};
use fake::faker::name::en::{FirstName, LastName, Name};
use fake::faker::phone_number::en::PhoneNumber;
use minijinja::value::{Object, from_args};
use minijinja::{Error, ErrorKind, State, Value};
use rand::SeedableRng as _;
use rand::rand_core::Rng as _;
use rand_chacha::ChaCha8Rng;

/// What `fake.` offers.
pub(super) const FAKES: [&str; 19] = [
    "city",
    "company",
    "country",
    "country_code",
    "domain",
    "email",
    "first_name",
    "ipv4",
    "last_name",
    "name",
    "paragraph",
    "password",
    "phone",
    "postcode",
    "sentence",
    "street",
    "url",
    "username",
    "word",
];

/// Functions that make values up, beside `fake`.
pub(super) const FUNCTIONS: [&str; 3] = ["uuid", "counter", "random_int"];

/// The name under which functions find [`Draws`]. No template can read it.
pub(super) const NAME: &str = " draws";

/// Which numbers `counter()` gives in a request: each has its own, in whatever order requests are sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// What tells this request from all others.
    pub name: String,
    /// How many calls of `counter()` stand in requests before this one.
    pub first: u64,
    /// How many stand in all requests; at least 1.
    pub all: u64,
}

/// Makes values up for one request.
#[derive(Debug)]
pub struct Draws {
    seed: u64,
    place: Place,
    turn: u32,
    made: AtomicU32,
    counted: AtomicU64,
}

impl Draws {
    /// For a request at this place that had an effect so often before.
    pub fn new(seed: u64, place: &Place, turn: u32) -> Self {
        Self {
            seed,
            place: place.clone(),
            turn,
            made: AtomicU32::new(0),
            counted: AtomicU64::new(0),
        }
    }

    /// A generator for the next value.
    fn next(&self) -> ChaCha8Rng {
        let mut hasher = blake3::Hasher::new();
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        hasher
            .update(&self.seed.to_le_bytes())
            .update(&self.turn.to_le_bytes())
            .update(&number.to_le_bytes())
            .update(self.place.name.as_bytes());
        ChaCha8Rng::from_seed(*hasher.finalize().as_bytes())
    }

    fn uuid(&self) -> String {
        let mut bytes = [0; 16];
        self.next().fill_bytes(&mut bytes);
        // Version 4, variant 1 (RFC 9562, 5.4).
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let digits = format!("{:032x}", u128::from_be_bytes(bytes));
        [0..8, 8..12, 12..16, 16..20, 20..32]
            .map(|part| &digits[part])
            .join("-")
    }

    fn counter(&self) -> u64 {
        let number = self.counted.fetch_add(1, Ordering::Relaxed);
        u64::from(self.turn) * self.place.all + self.place.first + number + 1
    }

    fn random_int(&self, low: i64, high: i64) -> Result<i64, Error> {
        if low > high {
            let message = format!("no whole number is at least {low} and at most {high}");
            return Err(Error::new(ErrorKind::InvalidOperation, message));
        }
        let span = high.abs_diff(low);
        let bits = self.next().next_u64();
        // Multiply and shift (Lemire 2019).
        let above = ((u128::from(bits) * (u128::from(span) + 1)) >> 64) as u64;
        Ok(low.wrapping_add_unsigned(above))
    }

    fn invent(&self, what: &str) -> Option<String> {
        let generator = &mut self.next();
        // What has to be somebody's own comes with something that nobody else has.
        let tail = |generator: &mut ChaCha8Rng| format!("{:08x}", generator.next_u64() >> 32);
        let handle = |generator: &mut ChaCha8Rng| -> String {
            let first: String = FirstName().fake_with_rng(generator);
            let letters = first.chars().filter(char::is_ascii_alphabetic);
            let first: String = letters.collect::<String>().to_ascii_lowercase();
            format!("{first}.{}", tail(generator))
        };
        Some(match what {
            "city" => CityName().fake_with_rng(generator),
            "company" => CompanyName().fake_with_rng(generator),
            "country" => CountryName().fake_with_rng(generator),
            "country_code" => CountryCode().fake_with_rng(generator),
            "domain" => format!("{}.example.com", tail(generator)),
            "email" => format!("{}@example.com", handle(generator)),
            "first_name" => FirstName().fake_with_rng(generator),
            "ipv4" => IPv4().fake_with_rng(generator),
            "last_name" => LastName().fake_with_rng(generator),
            "name" => Name().fake_with_rng(generator),
            "paragraph" => Paragraph(2..4).fake_with_rng(generator),
            "password" => Password(12..20).fake_with_rng(generator),
            "phone" => PhoneNumber().fake_with_rng(generator),
            "postcode" => PostCode().fake_with_rng(generator),
            "sentence" => Sentence(4..9).fake_with_rng(generator),
            "street" => StreetName().fake_with_rng(generator),
            "url" => format!("https://example.com/{}", tail(generator)),
            "username" => handle(generator),
            "word" => Word().fake_with_rng(generator),
            _ => return None,
        })
    }
}

/// What functions find the draws of a request by.
#[derive(Debug)]
pub(super) struct Handle(pub(super) Arc<Draws>);

impl Object for Handle {}

/// `fake`, with a method for each kind of value.
#[derive(Debug)]
pub(super) struct Fakes;

impl Object for Fakes {
    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let () = from_args(args)?;
        let made = draws(state)?.0.invent(method);
        made.map(Value::from).ok_or_else(|| {
            let message = format!("there is no `fake.{method}()`");
            Error::new(ErrorKind::UnknownMethod, message)
        })
    }
}

/// The function `uuid`.
pub(super) fn uuid(state: &State<'_, '_>) -> Result<String, Error> {
    Ok(draws(state)?.0.uuid())
}

/// The function `counter`.
pub(super) fn counter(state: &State<'_, '_>) -> Result<u64, Error> {
    Ok(draws(state)?.0.counter())
}

/// The function `random_int`.
pub(super) fn random_int(state: &State<'_, '_>, low: i64, high: i64) -> Result<i64, Error> {
    draws(state)?.0.random_int(low, high)
}

fn draws(state: &State<'_, '_>) -> Result<Arc<Handle>, Error> {
    let found = state.lookup(NAME);
    let handle = found.and_then(|value| value.downcast_object::<Handle>());
    handle.ok_or_else(|| {
        let message = "values are made up for requests only";
        Error::new(ErrorKind::InvalidOperation, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str, first: u64, all: u64) -> Place {
        Place {
            name: name.to_owned(),
            first,
            all,
        }
    }

    #[test]
    fn values_follow_from_the_seed_and_the_place_and_never_come_twice() {
        let mut seen = std::collections::HashSet::new();
        for (seed, name, turn) in [(1, "a", 0), (1, "a", 1), (1, "b", 0), (2, "a", 0)] {
            let values = || {
                let draws = Draws::new(seed, &place(name, 0, 1), turn);
                let fakes = ["email", "username", "url", "domain"].map(|what| draws.invent(what));
                let uuids = [draws.uuid(), draws.uuid()].map(Some);
                fakes.into_iter().chain(uuids).collect::<Vec<_>>()
            };
            assert_eq!(values(), values());
            for value in values() {
                assert!(seen.insert(value.clone()), "{value:?} came twice");
            }
        }
        let uuid = Draws::new(1, &place("a", 0, 1), 0).uuid();
        assert_eq!(uuid.len(), 36);
        assert_eq!(&uuid[14..15], "4");
    }

    #[test]
    fn counters_of_all_requests_are_apart_in_whatever_order_they_are_sent() {
        let numbers = |first, calls, turn| -> Vec<u64> {
            let draws = Draws::new(1, &place("any", first, 3), turn);
            (0..calls).map(|_| draws.counter()).collect()
        };
        // One request calls it once, another twice.
        assert_eq!(numbers(0, 1, 0), [1]);
        assert_eq!(numbers(1, 2, 0), [2, 3]);
        assert_eq!(numbers(0, 1, 1), [4]);
        assert_eq!(numbers(1, 2, 1), [5, 6]);
        let alone = Draws::new(1, &place("any", 0, 1), 6);
        assert_eq!(alone.counter(), 7);
    }

    #[test]
    fn whole_numbers_lie_within_their_bounds_which_may_be_any() {
        let draws = Draws::new(1, &place("a", 0, 1), 0);
        let rolls: std::collections::BTreeSet<i64> =
            (0..200).map(|_| draws.random_int(1, 6).unwrap()).collect();
        assert_eq!(rolls.into_iter().collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
        assert_eq!(draws.random_int(-3, -3).unwrap(), -3);
        draws.random_int(i64::MIN, i64::MAX).unwrap();
        assert!(draws.random_int(2, 1).is_err());
    }

    #[test]
    fn every_fake_makes_something() {
        let draws = Draws::new(1, &place("a", 0, 1), 0);
        for what in FAKES {
            assert!(!draws.invent(what).unwrap().is_empty(), "{what}");
        }
        assert_eq!(draws.invent("emial"), None);
    }
}
