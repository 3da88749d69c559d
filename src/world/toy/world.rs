//! A toy service as a world that the engine can walk.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde_json::Value as Json;

use crate::identity::{
    self, Canonical, Change, ColumnRole, LeftOut, Schema, TableNumber, TableRoles, Touched,
};
use crate::interrupt::Interrupt;
use crate::model::{self, ActionId, Cell, Context, Digest, Effect, Situation, VariableId};
use crate::oracle::{Judge, Judged, Judgement};
use crate::world::{Arrival, World, WorldError};

use super::Toy;
use super::rows::{Column, Keys, Outside, Row, Rows, State, Value};

/// When two states of a toy service are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Rows and variables are equal.
    Exact,
    /// Rows and variables are equal but for the names of ids and for volatile columns.
    Canonical,
}

/// A toy service, and a client that can put it back.
#[derive(Debug)]
pub struct ToyWorld {
    toy: &'static Toy,
    identity: Identity,
    forms: identity::Identity,
    texts: identity::Texts,
    counted_again: Option<LeftOut>,
    age: u32,
    at: Remembered,
    outside: Outside,
    requests: u64,
}

/// A state as the client remembers it.
#[derive(Clone, Debug)]
pub struct Remembered {
    /// The rows and the variables.
    pub state: Arc<State>,
    canonical: Canonical,
    /// How often what is known of tables had changed when it was put into that form.
    age: u32,
}

impl ToyWorld {
    /// The service before its first request.
    pub fn new(toy: &'static Toy, identity: Identity) -> Self {
        Self {
            toy,
            identity,
            forms: identity::Identity::new(schema(toy)),
            texts: identity::Texts::default(),
            counted_again: None,
            age: 0,
            at: initial(toy),
            outside: Outside {
                keys: toy.keys,
                counter: 0,
            },
            requests: 0,
        }
    }

    /// The same service with keys from elsewhere.
    #[must_use]
    pub fn with_keys(mut self, keys: Keys) -> Self {
        self.outside.keys = keys;
        self
    }

    fn identity_of(&self, at: &Remembered) -> Digest {
        match self.identity {
            Identity::Exact => digest(&(&at.state.tables, &at.state.held)),
            Identity::Canonical => at.canonical.digest(),
        }
    }

    fn arrival(&self, context: Context, effect: Effect, status: u16) -> Arrival<Remembered> {
        Arrival {
            context,
            identity: self.identity_of(&self.at),
            checkpoint: self.at.clone(),
            status,
            effect,
            wrote: effect == Effect::Changed,
            record: None,
        }
    }

    /// Moves on to this state.
    fn move_to(&mut self, state: State) {
        self.at = self.after(&self.at.clone(), state);
    }

    /// The same state in the form that it has by now.
    fn seen_anew(&mut self, at: &Remembered) -> Remembered {
        self.after(&initial(self.toy), (*at.state).clone())
    }

    fn after(&mut self, from: &Remembered, state: State) -> Remembered {
        let mut changes = Vec::new();
        for (table, rows) in state.tables.iter().enumerate() {
            let before = &from.state.tables[table];
            if Arc::ptr_eq(before, rows) {
                continue;
            }
            for row in rows.iter() {
                let old = before.iter().find(|old| old[0] == row[0]);
                if old != Some(row) {
                    changes.push((table, old.map(cells), Some(cells(row))));
                }
            }
            for old in before.iter() {
                if rows.iter().all(|row| row[0] != old[0]) {
                    changes.push((table, Some(cells(old)), None));
                }
            }
        }
        let changes = changes.iter().map(|(table, before, after)| Change {
            table: TableNumber(*table as u32),
            key: (before.as_ref().or(after.as_ref())).map_or(&[][..], |row| &row[..1]),
            before: before.as_ref(),
            after: after.as_ref(),
        });
        let held = state.held.iter().enumerate();
        let names: Vec<(u32, TableNumber, String)> = held
            .filter_map(|(variable, id)| {
                let table = TableNumber(self.toy.variables[variable].1 as u32);
                Some((variable as u32, table, (*id)?.to_string()))
            })
            .collect();
        let names = names
            .iter()
            .map(|(variable, table, id)| (*variable, *table, id.as_bytes()));
        Remembered {
            canonical: self.forms.after(&from.canonical, changes, names),
            state: Arc::new(state),
            age: self.age,
        }
    }
}

fn initial(toy: &Toy) -> Remembered {
    Remembered {
        state: Arc::new(State::empty(toy.tables.len(), toy.variables.len())),
        canonical: Canonical::default(),
        age: 0,
    }
}

fn touched(state: &State) -> Vec<(TableNumber, Vec<Cell>, model::Row)> {
    let tables = state.tables.iter().enumerate();
    tables
        .flat_map(|(table, rows)| {
            let table = TableNumber(table as u32);
            rows.iter().map(move |row| {
                let row = cells(row);
                (table, row[..1].to_vec(), row)
            })
        })
        .collect()
}

fn borrowed(rows: &[(TableNumber, Vec<Cell>, model::Row)]) -> impl Iterator<Item = Touched<'_>> {
    (rows.iter()).map(|(table, key, row)| (*table, key.clone(), Some(row)))
}

fn schema(toy: &Toy) -> Schema {
    let role = |column: &Column| match column {
        Column::Key => ColumnRole::Key,
        Column::Reference(table) => ColumnRole::Reference(TableNumber(*table as u32)),
        Column::Plain => ColumnRole::Value,
        Column::Volatile => ColumnRole::Volatile,
    };
    let roles = |columns: &&[Column]| TableRoles {
        keys_are_generated: true,
        roles: columns.iter().map(role).collect(),
        ..TableRoles::default()
    };
    Schema {
        tables: toy.tables.iter().map(roles).collect(),
    }
}

fn cells(row: &Row) -> model::Row {
    let cell = |value: &Value| match value {
        Value::Null => Cell::Null,
        Value::Number(number) => Cell::Integer(*number),
        Value::Text(text) => Cell::text(text),
    };
    row.iter().map(cell).collect()
}

impl World for ToyWorld {
    type Checkpoint = Remembered;

    async fn begin(&mut self) -> Result<Arrival<Remembered>, WorldError> {
        let context = Context::empty(self.toy.variables.len());
        Ok(self.arrival(context, Effect::None, 0))
    }

    async fn act(
        &mut self,
        action: ActionId,
        context: &Context,
    ) -> Result<Arrival<Remembered>, WorldError> {
        self.requests += 1;
        let request = &self.toy.requests[action.0 as usize];
        let ids = request.needs.iter();
        let ids: Vec<i64> = ids.filter_map(|at| self.at.state.held[*at]).collect();
        let mut rows = Rows {
            state: (*self.at.state).clone(),
            outside: &mut self.outside,
        };
        let answer = (request.run)(&mut rows, &ids);
        let mut state = rows.state;
        let mut context = context.clone();
        let status = match answer {
            // A refused request changes nothing, as a transaction that is rolled back.
            Err(status) => return Ok(self.arrival(context, Effect::None, status)),
            Ok(None) => 200,
            Ok(Some((variable, id))) => {
                state.held[variable] = Some(id);
                // To which row a variable refers is the world's part of the identity; guards ask only whether it is defined.
                context = context.with(VariableId(variable as u32), Some(Json::Bool(true)));
                201
            }
        };
        let effect = if state == *self.at.state {
            Effect::Accepted
        } else {
            self.move_to(state);
            Effect::Changed
        };
        Ok(self.arrival(context, effect, status))
    }

    async fn restore(&mut self, to: &Remembered) -> Result<(), WorldError> {
        // What was learned since has made forms useless.
        self.at = if to.age == self.age {
            to.clone()
        } else {
            self.seen_anew(to)
        };
        Ok(())
    }

    async fn renew(&mut self) -> Result<Arrival<Remembered>, WorldError> {
        self.at = initial(self.toy);
        self.begin().await
    }

    fn requests(&self) -> u64 {
        self.requests
    }

    fn identity(&mut self, at: &Remembered) -> Option<Digest> {
        let at = self.seen_anew(at);
        Some(self.identity_of(&at))
    }

    fn left_out(&mut self, a: &Remembered, b: &Remembered) -> Option<LeftOut> {
        if self.identity == Identity::Exact || Arc::ptr_eq(&a.state, &b.state) {
            return None;
        }
        let (these, those) = (touched(&a.state), touched(&b.state));
        let mut left_out =
            LeftOut::between(self.forms.schema(), borrowed(&these), borrowed(&those));
        let held = a.state.held.iter().zip(&b.state.held).enumerate();
        let others = held.filter(|(_, (a, b))| a != b);
        let tables = others.map(|(variable, _)| self.toy.variables[variable].1);
        (left_out.keys).extend(tables.map(|table| TableNumber(table as u32)));
        (!left_out.is_empty()).then_some(left_out)
    }

    fn count_again(&mut self, left_out: &LeftOut, _why: &str) {
        let mut schema = self.forms.schema().clone();
        let mut again = LeftOut::default();
        for table in &left_out.keys {
            let roles = &mut schema.tables[table.0 as usize];
            if std::mem::take(&mut roles.keys_are_generated) {
                again.keys.insert(*table);
            }
        }
        if again.keys.is_empty() {
            for (table, column) in &left_out.columns {
                schema.tables[table.0 as usize].roles[*column] = ColumnRole::Value;
                again.columns.insert((*table, *column));
            }
        }
        self.forms.begin_anew(schema);
        self.age += 1;
        self.counted_again.get_or_insert_default().add(again);
    }

    fn take_counted_again(&mut self) -> Option<LeftOut> {
        self.counted_again.take()
    }

    fn situations(
        &mut self,
        at: &Remembered,
        _context: &Context,
        named: &[&[VariableId]],
    ) -> Option<Vec<Situation>> {
        let state = if at.age == self.age {
            at.canonical.clone()
        } else {
            self.seen_anew(at).canonical
        };
        let situation = |variables: &&[VariableId]| {
            let variables: Vec<u32> = variables.iter().map(|it| it.0).collect();
            let (forms, state) = (&self.forms, &state);
            Situation {
                // All lists and all creations are alike: what they answer depends on no row that is named.
                components: match &*variables {
                    [] => 0,
                    variables => forms.components_named(state, variables),
                },
                neighbourhood: forms.neighbourhood(state, &variables, &mut self.texts),
            }
        };
        Some(named.iter().map(situation).collect())
    }
}

/// A hash that is the same in every build.
fn digest(content: &impl Hash) -> Digest {
    /// Feeds what is hashed to BLAKE3.
    struct Feed(blake3::Hasher);
    impl Hasher for Feed {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            0
        }
    }
    let mut feed = Feed(blake3::Hasher::new());
    content.hash(&mut feed);
    Digest::from_hash(&feed.0.finalize())
}

/// Notes at which step each planted bug showed first, and ends the walk once all have.
#[derive(Debug)]
pub struct Planted {
    toy: &'static Toy,
    /// Asked to stop once every bug was seen.
    pub interrupt: Interrupt,
    /// Steps taken so far.
    pub steps: u64,
    /// The step at which each bug showed first.
    pub seen: Vec<Option<u64>>,
}

impl Planted {
    /// Nothing was seen yet.
    pub fn new(toy: &'static Toy) -> Self {
        Self {
            toy,
            interrupt: Interrupt::default(),
            steps: 0,
            seen: vec![None; toy.bugs.len()],
        }
    }
}

impl Judge<ToyWorld> for Planted {
    async fn judge(
        &mut self,
        _world: &mut ToyWorld,
        step: Judged<'_, Remembered>,
    ) -> Result<Judgement, WorldError> {
        self.steps += u64::from(step.action.is_some());
        for (bug, seen) in self.toy.bugs.iter().zip(&mut self.seen) {
            if seen.is_none() && (bug.shows)(&step.arrival.checkpoint.state) {
                *seen = Some(self.steps);
            }
        }
        if !self.seen.is_empty() && self.seen.iter().all(Option::is_some) {
            self.interrupt.request();
        }
        Ok(Judgement::default())
    }
}
