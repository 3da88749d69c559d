//! When two states of a live world are the same.

mod ids;
mod words;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::SystemTime;

use rustc_hash::FxHasher;
use serde_json::Value;

use super::checkpoint::Checkpoint;
use super::config::{IdentityMode, SystemConfig, TableNames, WorldConfig};
use super::warning::{Warning, WarningCode};
use ids::{for_each_id, id_of, written_ids};
use words::{calibrated, taken_back};

use crate::identity::{
    Calibration, Canonical, Change, ColumnRole, Identity, KeyKind, LeftOut, TableNumber,
    TableShape, Tables, Texts, Touched, looks_random,
};
use crate::model::{
    Cell, Context, Digest, Model, Row, RowChange, RowDelta, Situation, StepRecord, Table,
    VariableId,
};

/// Brings states into canonical form, and says what identifies them.
#[derive(Debug, Default)]
pub(super) struct StateIdentity {
    mode: IdentityMode,
    systems: Vec<SystemConfig>,
    tables: Tables,
    identity: Identity,
    /// The table to whose rows each variable refers, by variable.
    variables: Vec<Option<TableNumber>>,
    /// What is found out of columns, while that goes on.
    calibration: Option<Calibration>,
    /// Counts how often what is known of columns has changed: forms of different ages cannot be compared.
    age: u32,
    /// Whether anybody asks for situations: then forms follow from step to step where identity is exact, too.
    tells_situations: bool,
    texts: Texts,
    /// The first id of a table that a column was seen to hold, although it is no known reference: column, then the other table.
    mentions: BTreeMap<(TableNumber, usize, TableNumber), Box<[u8]>>,
    /// What counts again since somebody has asked, where anything was learned that changes forms.
    counted_again: Option<LeftOut>,
    warnings: Vec<Warning>,
}

/// A change of a row, with the key by which others refer to it.
type Keyed<'r> = (TableNumber, Vec<Cell>, Option<&'r Row>, Option<&'r Row>);

impl StateIdentity {
    /// Nothing is known of the tables yet.
    pub(super) fn new(config: &WorldConfig) -> Self {
        Self {
            mode: config.identity,
            systems: config.systems.clone(),
            ..Self::default()
        }
    }

    /// The tables are these.
    pub(super) fn begin(&mut self, shapes: Vec<TableShape>, model: &Model) {
        self.tables = Tables::new(shapes);
        for number in self.tables.numbers() {
            let table = &self.tables.shape(number).table;
            let names = TableNames::default().or(&table.name, format!("main.{}", table.name));
            if self
                .config(table)
                .is_some_and(|config| config.keeps_ids(&names))
            {
                self.tables.set_key_kind(number, KeyKind::Meaningful);
            }
        }
        for name in written_ids(model) {
            if let Some(number) = self.tables.called(&name) {
                self.tables.set_key_kind(number, KeyKind::Meaningful);
            }
        }
        for number in self.tables.numbers() {
            let table = self.tables.shape(number).table.clone();
            let names = TableNames::default().or(&table.name, format!("main.{}", table.name));
            for (position, column) in table.columns.iter().enumerate() {
                if self.tables.role(number, position) == ColumnRole::Value
                    && (self.config(&table)).is_some_and(|it| it.is_volatile(&names, column))
                {
                    self.tables.set_role(number, position, ColumnRole::Volatile);
                }
            }
        }
        self.variables = (model.names.variables.iter().enumerate())
            .map(|(variable, name)| {
                let counts = model.identity_variables.get(variable) == Some(&true);
                let is_compared = (model.compared_variables())
                    .any(|compared| compared == VariableId(variable as u32));
                (counts && !is_compared)
                    .then(|| self.tables.named(name))
                    .flatten()
            })
            .collect();
        self.identity = Identity::new(self.tables.schema());
        let is_searched = self.mode == IdentityMode::Canonical
            && self.systems.iter().any(|config| config.volatile.is_none());
        self.calibration = is_searched.then(Calibration::default);
    }

    #[cfg(test)]
    pub(super) fn set_mode(&mut self, mode: IdentityMode) {
        self.mode = mode;
    }

    fn config(&self, table: &Table) -> Option<&SystemConfig> {
        let mut systems = self.systems.iter();
        systems.find(|config| *config.name == *table.system)
    }

    /// Whether runs of actions are to be compared, before the walk.
    pub(super) fn is_calibrating(&self) -> bool {
        self.calibration.is_some()
    }

    /// Two runs of one action from the same state.
    pub(super) fn compare(&mut self, before: &StepRecord, now: &StepRecord) {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        if let (Some(calibration), Ok(time)) = (&mut self.calibration, since_1970) {
            calibration.compare(&self.tables, (&before.rows, &now.rows), time.as_secs_f64());
        }
    }

    /// From now on, what was found out counts.
    pub(super) fn end_calibration(&mut self) {
        let Some(found) = self.calibration.take() else {
            return;
        };
        let mut volatile: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (number, position) in found.volatile() {
            let table = self.tables.shape(number).table.clone();
            if self
                .config(&table)
                .is_some_and(|config| config.volatile.is_none())
            {
                self.tables.set_role(number, position, ColumnRole::Volatile);
                let columns = volatile.entry(table.system.to_string()).or_default();
                columns.push(format!("{}.{}", table.name, table.columns[position]));
            }
        }
        let mut references = Vec::new();
        for (number, position, to) in found.references() {
            self.tables
                .set_role(number, position, ColumnRole::Reference(to));
            let table = &self.tables.shape(number).table;
            let to = &self.tables.shape(to).table.name;
            references.push(format!(
                "`{}.{}` (to `{to}`)",
                table.name, table.columns[position]
            ));
        }
        if !volatile.is_empty() || !references.is_empty() {
            self.learned(LeftOut::default());
        }
        self.warnings.extend(calibrated(&volatile, &references));
    }

    /// The variables whose values are part of what is said of rows, and of nothing else.
    pub(super) fn row_variables(&self) -> Vec<VariableId> {
        if self.mode == IdentityMode::Exact {
            return Vec::new();
        }
        let variables = self.variables.iter().enumerate();
        variables
            .filter(|(_, table)| table.is_some())
            .map(|(variable, _)| VariableId(variable as u32))
            .collect()
    }

    /// What identifies a state, as far as the world goes. `from` is the state before and the rows that led from there, if that is how
    /// the state was reached.
    pub(super) fn of(&mut self, at: &Checkpoint, from: Option<(&Checkpoint, &RowDelta)>) -> Digest {
        if self.mode == IdentityMode::Exact {
            if self.tells_situations {
                self.canonical(at, from);
            }
            return at.identity();
        }
        let rows = self.canonical(at, from).digest();
        at.identity_with(rows)
    }

    /// What requests meet in a state that name these variables; `None` where no system says what its tables are.
    pub(super) fn situations(
        &mut self,
        at: &Checkpoint,
        context: &Context,
        named: &[&[VariableId]],
    ) -> Option<Vec<Situation>> {
        self.tables.numbers().next()?;
        self.tells_situations = true;
        let state = self.canonical(at, None);
        let situation = |variables: &&[VariableId]| {
            // What names no row counts by its value.
            let of_row = |it: &VariableId| self.variables[it.0 as usize].is_some();
            let (rows, others): (Vec<VariableId>, Vec<VariableId>) =
                variables.iter().copied().partition(of_row);
            let rows: Vec<u32> = rows.iter().map(|variable| variable.0).collect();
            let mut hasher = FxHasher::default();
            for variable in others {
                let value = context.get(variable).map(Value::to_string);
                value.hash(&mut hasher);
            }
            let components = self.identity.components_named(&state, &rows);
            let neighbourhood = self.identity.neighbourhood(&state, &rows, &mut self.texts);
            Situation {
                components: components.wrapping_add(hasher.finish()),
                neighbourhood,
            }
        };
        Some(named.iter().map(situation).collect())
    }

    /// What tells two states apart that are taken for one; `None` where nothing does.
    pub(super) fn left_out(&mut self, a: &Checkpoint, b: &Checkpoint) -> Option<LeftOut> {
        let same_rows = a.is(b) || a.identity() == b.identity();
        if self.mode == IdentityMode::Exact || same_rows && a.context() == b.context() {
            return None;
        }
        let (these, those) = (self.touched(a), self.touched(b));
        let mut left_out = LeftOut::between(self.identity.schema(), these, those);
        let values = a.context().values().iter().zip(b.context().values());
        for (table, _) in (self.variables.iter().zip(values)).filter(|(_, (a, b))| a != b) {
            left_out.keys.extend(table);
        }
        (!left_out.is_empty()).then_some(left_out)
    }

    /// The rows that the run has touched on the way to a state.
    fn touched<'c>(&mut self, at: &'c Checkpoint) -> Vec<Touched<'c>> {
        let systems = at.content().iter();
        let changes = systems.flat_map(|system| system.delta.changes());
        let keyed = self.keyed(changes).into_iter();
        keyed
            .map(|(table, key, _, after)| (table, key, after))
            .collect()
    }

    /// States were taken for one that behave differently, as `why` says: what they differ in counts from now on.
    pub(super) fn count_again(&mut self, left_out: &LeftOut, why: &str) {
        let mut again = LeftOut::default();
        for table in &left_out.keys {
            if self.tables.key_kind(*table) != KeyKind::Meaningful {
                self.tables.set_key_kind(*table, KeyKind::Meaningful);
                again.keys.insert(*table);
            }
        }
        // An id is the likelier reason: values that differ each time differ here, too.
        if again.keys.is_empty() {
            for (table, column) in &left_out.columns {
                self.tables.set_role(*table, *column, ColumnRole::Value);
                again.columns.insert((*table, *column));
            }
        }
        if again.is_empty() {
            return;
        }
        self.warnings.push(taken_back(&self.tables, &again, why));
        self.learned(again);
    }

    /// What counts again since the last call; `None` where all states are what they were.
    pub(super) fn take_counted_again(&mut self) -> Option<LeftOut> {
        let learned = self.counted_again.take()?;
        (self.mode == IdentityMode::Canonical).then_some(learned)
    }

    /// More is known of tables than before, so every form is another one. What is in `again` had been left out, and counts now.
    fn learned(&mut self, again: LeftOut) {
        self.identity.begin_anew(self.tables.schema());
        self.age += 1;
        self.counted_again.get_or_insert_default().add(again);
    }

    /// A state in canonical form.
    pub(super) fn canonical(
        &mut self,
        at: &Checkpoint,
        from: Option<(&Checkpoint, &RowDelta)>,
    ) -> Canonical {
        loop {
            if let Some(known) = at.canonical(self.age) {
                return known;
            }
            let before = from.and_then(|(from, rows)| Some((from.canonical(self.age)?, rows)));
            let found = if let Some((before, rows)) = before {
                self.after(&before, rows.rows(), at.context())
            } else {
                let systems = at.content().iter();
                let content = systems.flat_map(|system| system.delta.changes());
                self.after(&Canonical::default(), content, at.context())
            };
            // What is learned, is learned once: of a table, of a column, of an id.
            if let Some(found) = found {
                at.set_canonical(self.age, found.clone());
                return found;
            }
        }
    }

    /// What there is to warn of since the last call.
    pub(super) fn take_warnings(&mut self) -> Vec<Warning> {
        std::mem::take(&mut self.warnings)
    }

    /// The state after these changes; `None` where they have shown something that makes every form another one.
    fn after<'r>(
        &mut self,
        before: &Canonical,
        changes: impl Iterator<Item = &'r RowChange>,
        context: &Context,
    ) -> Option<Canonical> {
        let age = self.age;
        let keyed = self.keyed(changes);
        self.decide_keys(&keyed);
        self.keep_mentioned_ids(&keyed);
        if self.age != age {
            return None;
        }
        let changes = keyed.iter().map(|(table, key, before, after)| Change {
            table: *table,
            key,
            before: *before,
            after: *after,
        });
        let named = self.names(context);
        let names = named
            .iter()
            .map(|(variable, table, id)| (*variable, *table, id.as_bytes()));
        let found = self.identity.after(before, changes, names);
        if self.identity.take_shifted() {
            self.learned(LeftOut::default());
            return None;
        }
        Some(found)
    }

    /// The changes of tables that take part, with the keys of their rows.
    fn keyed<'r>(&mut self, changes: impl Iterator<Item = &'r RowChange>) -> Vec<Keyed<'r>> {
        let mut keyed: Vec<Keyed<'_>> = Vec::new();
        for change in changes {
            let known = self.tables.number(&change.table);
            let Some(number) = known.or_else(|| self.unknown(&change.table)) else {
                continue;
            };
            let key = |row: &'r Row| self.tables.key(number, change, row);
            let (before, after) = (change.before.as_ref(), change.after.as_ref());
            match (before.map(key), after.map(key)) {
                (Some(old), Some(new)) if old != new => {
                    keyed.push((number, old, before, None));
                    keyed.push((number, new, None, after));
                }
                (Some(key), _) | (None, Some(key)) => keyed.push((number, key, before, after)),
                (None, None) => {}
            }
        }
        keyed
    }

    /// The number of a table that no schema has told of, such as one that no journal can watch.
    fn unknown(&mut self, table: &Arc<Table>) -> Option<TableNumber> {
        if self.tables.add_unknown(table) {
            self.identity.extend(self.tables.schema());
        }
        self.tables.number(table)
    }

    /// The rows that the context names: variable, table, id.
    fn names<'c>(&self, context: &'c Context) -> Vec<(u32, TableNumber, Cow<'c, str>)> {
        let variables = context.values().iter().zip(&self.variables).enumerate();
        let named = variables.filter_map(|(variable, (value, table))| {
            Some((variable as u32, (*table)?, id_of(value.as_ref()?)))
        });
        named.collect()
    }

    /// Where nobody has declared it, the first row of a table that the run inserts tells whether its keys are made up at random.
    fn decide_keys(&mut self, changes: &[Keyed<'_>]) {
        for (table, key, before, after) in changes {
            if before.is_some()
                || after.is_none()
                || self.tables.key_kind(*table) != KeyKind::Undecided
            {
                continue;
            }
            let is_random = matches!(&**key, [Cell::Text(id)] if looks_random(id));
            let kind = if is_random {
                KeyKind::Generated
            } else {
                KeyKind::Meaningful
            };
            self.tables.set_key_kind(*table, kind);
            if is_random {
                self.learned(LeftOut::default());
            }
        }
    }

    /// A table whose ids turn up where no reference is known keeps them from now on: they must not be renamed in one place and
    /// not in the other. A single small number is no evidence, for `1` may as well be a yes or an amount; two ids in one column are.
    fn keep_mentioned_ids(&mut self, changes: &[Keyed<'_>]) {
        for (table, _, before, after) in changes {
            let Some(after) = after else { continue };
            for (position, cell) in after.iter().enumerate() {
                let is_new = before.is_none_or(|before| before.get(position) != Some(cell));
                if !is_new || !self.may_mention(*table, position) {
                    continue;
                }
                let mut mentioned: Vec<(TableNumber, Box<[u8]>)> = Vec::new();
                for_each_id(cell, &mut |id| {
                    let of_id = self.tables.numbers().filter(|number| {
                        self.tables.key_kind(*number) == KeyKind::Generated
                            && self.tables.shape(*number).key.len() == 1
                            && self.identity.has_inserted(*number, id)
                    });
                    mentioned.extend(of_id.map(|number| (number, id.into())));
                });
                for (number, id) in mentioned {
                    let first = self.mentions.entry((*table, position, number));
                    if looks_random(&id) || *first.or_insert_with(|| id.clone()) != id {
                        self.keep_ids(number, *table, position);
                    }
                }
            }
        }
    }

    /// Whether a column may hold ids although it is no known reference: a text, or a number that is called an id.
    fn may_mention(&self, table: TableNumber, position: usize) -> bool {
        use crate::identity::ValueKind;
        let roles = &self.identity.schema().tables[table.0 as usize];
        let shape = &self.tables.shape(table).columns[position];
        let name = roles.columns[position].to_ascii_lowercase();
        roles.role(position) == ColumnRole::Value
            && match shape.kind {
                ValueKind::Integer => name.ends_with("id"),
                ValueKind::Time => false,
                ValueKind::Uuid | ValueKind::Text | ValueKind::Other => true,
            }
    }

    fn keep_ids(&mut self, table: TableNumber, holder: TableNumber, column: usize) {
        if self.tables.key_kind(table) != KeyKind::Generated {
            return;
        }
        self.tables.set_key_kind(table, KeyKind::Meaningful);
        let again = LeftOut {
            keys: [table].into(),
            ..LeftOut::default()
        };
        self.learned(again);
        if self.mode == IdentityMode::Exact {
            return;
        }
        let schema = self.identity.schema();
        let name = |number: TableNumber| &schema.tables[number.0 as usize].name;
        let columns = &schema.tables[holder.0 as usize].columns;
        let message = format!(
            "ids of `{}` tell states apart, although `identity: canonical` is asked for: `{}.{}` holds some of them and is no known reference",
            name(table),
            name(holder),
            columns[column],
        );
        let help = "declare a foreign key for that column if it is a reference; otherwise nothing has to be done";
        let warning = Warning::new(WarningCode::IdsKept, message).with_help(help);
        self.warnings.push(warning);
    }
}
