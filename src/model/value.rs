//! Rows as the database holds them.
//!
//! A cell keeps exactly what the engine stored, not what a program would like it to be: an integer in a text
//! column stays an integer, text may hold NUL or bytes that are not UTF-8, a real keeps its bits. A restore that went
//! through a friendlier type would not be exact.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// One value of one row, in the storage class the database used.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Cell {
    /// SQL `NULL`.
    Null,
    /// A 64-bit integer.
    Integer(i64),
    /// A 64-bit float, kept as its bits so that equality and hashing are exact.
    Real(u64),
    /// Text in the database's encoding (UTF-8), possibly with NUL, possibly malformed. PostgreSQL values of every type
    /// are kept as their text form.
    Text(Arc<[u8]>),
    /// Bytes.
    Blob(Arc<[u8]>),
}

impl Cell {
    /// A text cell.
    pub fn text(text: &str) -> Self {
        Self::Text(text.as_bytes().into())
    }

    /// A real cell.
    pub fn real(value: f64) -> Self {
        Self::Real(value.to_bits())
    }

    /// Feeds the cell to a hash so that different cells, also neighbours in a row, never look alike.
    pub fn hash_into(&self, hasher: &mut blake3::Hasher) {
        match self {
            Self::Null => {
                hasher.update(&[0]);
            }
            Self::Integer(value) => {
                hasher.update(&[1]).update(&value.to_le_bytes());
            }
            Self::Real(bits) => {
                hasher.update(&[2]).update(&bits.to_le_bytes());
            }
            Self::Text(bytes) => {
                hasher
                    .update(&[3])
                    .update(&(bytes.len() as u64).to_le_bytes())
                    .update(bytes);
            }
            Self::Blob(bytes) => {
                hasher
                    .update(&[4])
                    .update(&(bytes.len() as u64).to_le_bytes())
                    .update(bytes);
            }
        }
    }

    /// The cell as JSON, as reports and expectations see it. Blobs become `x'0aff'`, malformed text is shown with
    /// replacement characters.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Integer(value) => (*value).into(),
            Self::Real(bits) => serde_json::Number::from_f64(f64::from_bits(*bits)).map_or_else(
                || f64::from_bits(*bits).to_string().into(),
                serde_json::Value::Number,
            ),
            Self::Text(bytes) => String::from_utf8_lossy(bytes).into_owned().into(),
            Self::Blob(bytes) => blob_literal(bytes).into(),
        }
    }
}

fn blob_literal(bytes: &[u8]) -> String {
    use fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2 + 3);
    text.push_str("x'");
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text.push('\'');
    text
}

impl fmt::Display for Cell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => formatter.write_str("NULL"),
            Self::Integer(value) => write!(formatter, "{value}"),
            Self::Real(bits) => write!(formatter, "{:?}", f64::from_bits(*bits)),
            Self::Text(bytes) => formatter.write_str(&String::from_utf8_lossy(bytes)),
            Self::Blob(bytes) => formatter.write_str(&blob_literal(bytes)),
        }
    }
}

impl fmt::Debug for Cell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(bytes) => write!(formatter, "{:?}", String::from_utf8_lossy(bytes)),
            other => write!(formatter, "{other}"),
        }
    }
}

/// The cells of a row, in the order of [`Table::columns`](super::delta::Table::columns).
pub type Row = Arc<[Cell]>;
