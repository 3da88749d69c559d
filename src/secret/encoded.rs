//! Words of a text that are another text in base64 or hexadecimal digits.

use std::ops::Range;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// A shorter word encodes no secret that would be hidden inside of a text.
const LEAST: usize = 6;

/// Base64 with or without `=` at its end.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The words of a text that can be decoded, and what they say. A word that is one by chance says nonsense, in which no secret
/// is found.
pub(super) fn encoded_words(text: &str) -> impl Iterator<Item = (Range<usize>, String)> {
    words(text, |byte| {
        byte.is_ascii_alphanumeric() || b"+/_-=".contains(&byte)
    })
    .flat_map(|word| {
        let (mut found, is_text) = match decoded(&text[word.clone()]) {
            Some((says, is_text)) => (vec![(word.clone(), says)], is_text),
            None => (Vec::new(), false),
        };
        if !is_text {
            // It may be bytes around a text, or a part of a path or of `name=value`.
            let parts = words(&text[word.clone()], |byte| !b"/=".contains(&byte))
                .map(|part| word.start + part.start..word.start + part.end)
                .filter(|part| *part != word);
            found.extend(parts.filter_map(|part| Some((part.clone(), decoded(&text[part])?.0))));
        }
        found
    })
}

/// Where runs of such bytes stand that are long enough.
fn words(text: &str, is_part: impl Fn(u8) -> bool) -> impl Iterator<Item = Range<usize>> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() {
            let start = at;
            while at < bytes.len() && is_part(bytes[at]) {
                at += 1;
            }
            if at - start >= LEAST {
                return Some(start..at);
            }
            at += usize::from(at == start);
        }
        None
    })
}

/// What a word says, and whether that is a text as a whole. Of other bytes what is text among them is read, also that in two
/// bytes a letter.
fn decoded(word: &str) -> Option<(String, bool)> {
    let bytes = hexadecimal(word).or_else(|| {
        let word = word.replace('-', "+").replace('_', "/");
        BASE64.decode(word).ok()
    })?;
    let (text, is_text) = match String::from_utf8(bytes) {
        Ok(text) => (text, true),
        Err(error) => (
            String::from_utf8_lossy(error.as_bytes()).into_owned(),
            false,
        ),
    };
    Some((text.replace('\0', ""), is_text))
}

fn hexadecimal(word: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let pairs = word.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => u8::try_from(digit(high)? << 4 | digit(low)?).ok(),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_in_base64_or_hexadecimal_digits_is_read_wherever_it_stands() {
        for (text, word, says) in [
            ("Basic Ym9iOmh1bnRlcg==", "Ym9iOmh1bnRlcg==", "bob:hunter"),
            ("/auth/Ym9iOmh1bnRlcg/now", "Ym9iOmh1bnRlcg", "bob:hunter"),
            ("t=Ym9iOmh1bnRlcg", "Ym9iOmh1bnRlcg", "bob:hunter"),
            ("x'68756e746572'", "68756e746572", "hunter"),
            ("8J-YgPCfmIA", "8J-YgPCfmIA", "😀😀"),
            (
                "//5odW50ZXL/",
                "//5odW50ZXL/",
                "\u{fffd}\u{fffd}hunter\u{fffd}",
            ),
            ("aAB1AG4AdABlAHIA", "aAB1AG4AdABlAHIA", "hunter"),
        ] {
            let found = encoded_words(text).find(|(_, found)| found == says);
            assert_eq!(found.map(|(place, _)| &text[place]), Some(word), "{text}");
        }
    }
}
