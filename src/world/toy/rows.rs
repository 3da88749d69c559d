//! The rows of a toy service, and what its requests do with them.

use std::sync::Arc;

/// A value in a row. Texts are a few fixed words, so that a state is cheap to copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// Nothing is there.
    Null,
    /// A number; keys are numbers as well.
    Number(i64),
    /// A word.
    Text(&'static str),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(text)
    }
}

impl PartialEq<i64> for Value {
    fn eq(&self, other: &i64) -> bool {
        *self == Self::Number(*other)
    }
}

impl PartialEq<&'static str> for Value {
    fn eq(&self, other: &&'static str) -> bool {
        *self == Self::Text(other)
    }
}

/// What a column holds. The first column of each table is its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// A generated key.
    Key,
    /// The key of a row of the table with this number, or null.
    Reference(usize),
    /// A value that means something.
    Plain,
    /// A time, or whatever else differs from run to run.
    Volatile,
}

/// A row: one value for each column of its table.
pub type Row = Vec<Value>;

/// Everything that a toy service and its client know. Cheap to copy: tables are shared until they change.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The rows of each table, in the order of their creation.
    pub tables: Vec<Arc<Vec<Row>>>,
    /// For each variable, the id that was extracted last.
    pub held: Vec<Option<i64>>,
    /// For each table, the key of the next row, where keys come from sequences that are restored.
    pub next_keys: Vec<i64>,
}

impl State {
    pub(super) fn empty(tables: usize, variables: usize) -> Self {
        Self {
            tables: vec![Arc::default(); tables],
            held: vec![None; variables],
            next_keys: vec![1; tables],
        }
    }

    /// The row with this key.
    pub fn row(&self, table: usize, key: i64) -> Option<&Row> {
        self.tables[table].iter().find(|row| row[0] == key)
    }
}

/// Where keys of new rows come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keys {
    /// From a sequence that is restored with the rows.
    #[default]
    Restored,
    /// From a sequence that goes on, whatever is restored.
    Burnt,
    /// From chance, as UUIDs do.
    Random,
}

/// What no restore puts back: the clock, and keys that do not come from restored sequences.
#[derive(Clone, Debug)]
pub(super) struct Outside {
    pub(super) keys: Keys,
    pub(super) counter: i64,
}

/// A request at work: it reads and writes rows.
#[derive(Debug)]
pub struct Rows<'a> {
    pub(super) state: State,
    pub(super) outside: &'a mut Outside,
}

/// The answer to a request: an id that the client keeps in a variable, or the status of a refusal.
pub type Answer = Result<Option<(usize, i64)>, u16>;

impl Rows<'_> {
    /// All rows of a table.
    pub fn all(&self, table: usize) -> &[Row] {
        &self.state.tables[table]
    }

    /// The row with this key; a refusal where it is gone.
    pub fn get(&self, table: usize, key: i64) -> Result<&Row, u16> {
        self.state.row(table, key).ok_or(404)
    }

    /// A moment that never comes again.
    pub fn now(&mut self) -> Value {
        self.outside.counter += 1;
        Value::Number(1_000_000 + self.outside.counter)
    }

    /// Adds a row with these values behind its key, and returns the key.
    pub fn insert(&mut self, table: usize, values: &[Value]) -> i64 {
        let key = match self.outside.keys {
            Keys::Restored => {
                let next = &mut self.state.next_keys[table];
                *next += 1;
                *next - 1
            }
            Keys::Burnt => {
                self.outside.counter += 1;
                self.outside.counter
            }
            Keys::Random => {
                self.outside.counter += 1;
                // A bijection that spreads: no key comes twice, and their order means nothing.
                let mixed = (self.outside.counter as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                ((mixed ^ (mixed >> 31)) >> 1).cast_signed()
            }
        };
        let mut row = vec![Value::Number(key)];
        row.extend_from_slice(values);
        Arc::make_mut(&mut self.state.tables[table]).push(row);
        key
    }

    /// Changes the row with this key, if it is there.
    pub fn update(&mut self, table: usize, key: i64, change: impl FnOnce(&mut Row)) {
        let rows = Arc::make_mut(&mut self.state.tables[table]);
        if let Some(row) = rows.iter_mut().find(|row| row[0] == key) {
            change(row);
        }
    }

    /// Sets one column of the row with this key, if it is there.
    pub fn set(&mut self, table: usize, key: i64, column: usize, value: Value) {
        self.update(table, key, |row| row[column] = value);
    }

    /// Deletes the rows that the function accepts.
    pub fn delete(&mut self, table: usize, accepts: impl Fn(&Row) -> bool) {
        if self.all(table).iter().any(&accepts) {
            Arc::make_mut(&mut self.state.tables[table]).retain(|row| !accepts(row));
        }
    }

    /// The key that the next row of a table gets, where sequences are restored.
    pub fn set_next_key(&mut self, table: usize, key: i64) {
        self.state.next_keys[table] = key;
    }
}

/// The key that a reference holds.
pub(super) fn key(value: Value) -> Option<i64> {
    match value {
        Value::Number(key) => Some(key),
        Value::Null | Value::Text(_) => None,
    }
}
