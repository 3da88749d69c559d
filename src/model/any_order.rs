//! A digest of JSON in which the order of lists does not count.
//!
//! A service that promises no order (SQL without `ORDER BY`) may send its rows in another one each time.

use serde_json::Value;

use super::Digest;

/// The digest. Lists with the same members, each as often, have the same one.
pub(super) fn digest(value: &Value) -> Digest {
    let mut hasher = blake3::Hasher::new();
    match value {
        Value::Array(members) => add_all(&mut hasher, "[", members.iter().map(digest)),
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| {
                let mut hasher = blake3::Hasher::new();
                hasher.update(&(name.len() as u64).to_le_bytes());
                hasher.update(name.as_bytes());
                hasher.update(&digest(value).0.to_le_bytes());
                Digest::from_hash(&hasher.finalize())
            });
            add_all(&mut hasher, "{", members);
        }
        scalar => {
            hasher.update(scalar.to_string().as_bytes());
        }
    }
    Digest::from_hash(&hasher.finalize())
}

/// The sum of all digests does not depend on their order.
fn add_all(hasher: &mut blake3::Hasher, kind: &str, members: impl Iterator<Item = Digest>) {
    let sum = members.fold(0u128, |sum, member| sum.wrapping_add(member.0));
    hasher.update(kind.as_bytes()).update(&sum.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_lists_does_not_count_and_everything_else_does() {
        let digest = |text: &str| digest(&serde_json::from_str(&text.replace('\'', "\"")).unwrap());
        for (a, b, same) in [
            ("[1, 2, 3]", "[3, 1, 2]", true),
            ("[[1, 'a'], [2, 'b']]", "[['b', 2], [1, 'a']]", true),
            ("{'a': [1, 2], 'b': 0}", "{'b': 0, 'a': [2, 1]}", true),
            ("[1, 1, 2]", "[1, 2, 2]", false),
            ("[1, 2]", "[1, 2, 3]", false),
            ("[]", "{}", false),
            ("[]", "[[]]", false),
            ("[1]", "['1']", false),
            ("{'a': 1}", "{'a': 2}", false),
            ("{'a': 1, 'b': 2}", "{'a': 2, 'b': 1}", false),
            ("[{'a': 1}, {'b': 2}]", "[{'a': 2}, {'b': 1}]", false),
            ("'[]'", "[]", false),
        ] {
            assert_eq!(digest(a) == digest(b), same, "{a} {b}");
        }
    }
}
