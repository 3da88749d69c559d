//! States in canonical form, each computed from the one before.

use std::sync::Arc;

use super::components::{Component, ComponentId, Components};
use super::pool::{KnownRow, NodeId, Origin, Pool, Presence, RowId};
use super::schema::{Schema, TableNumber};
use crate::model::{Cell, Digest, Row};

/// Computes the canonical form of states, and keeps what they have in common. The form of a state costs what the rows of one
/// step cost, and the components to which they belong.
#[derive(Debug, Default)]
pub struct Identity {
    schema: Schema,
    pool: Pool,
    components: Components,
    is_shifted: bool,
}

/// One state in canonical form, relative to the initial state. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Canonical {
    components: Arc<[ComponentId]>,
    /// Which node each variable names that refers to a row; ascending.
    names: Arc<[(u32, NodeId)]>,
    digest: Digest,
}

/// One row before and after a step.
#[derive(Clone, Debug)]
pub struct Change<'r> {
    /// Where the row lives.
    pub table: TableNumber,
    /// Its key: one cell where other rows may refer to it.
    pub key: &'r [Cell],
    /// The row as it was.
    pub before: Option<&'r Row>,
    /// The row as it is.
    pub after: Option<&'r Row>,
}

impl Canonical {
    /// The same for two states that are equal but for generated ids and what is left out.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The components, in no order that means anything.
    pub fn components(&self) -> &[ComponentId] {
        &self.components
    }
}

impl Identity {
    /// For states with these tables.
    pub fn new(schema: Schema) -> Self {
        Self {
            schema,
            ..Self::default()
        }
    }

    /// What the columns are.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// There are more tables than before; what is known of the others is as it was.
    pub fn extend(&mut self, schema: Schema) {
        self.schema = schema;
    }

    /// More is known of the tables than before, so every form is another one: those that were computed are of no use any more. What
    /// is known of rows stays.
    pub fn begin_anew(&mut self, schema: Schema) {
        self.schema = schema;
        self.components = Components::default();
        self.pool.keep_initial_rows_anew(&self.schema);
    }

    /// Whether, since the last call, a row was inserted to which a state before had referred: its id meant something there and
    /// means nothing now, so every form is to be computed anew.
    pub fn take_shifted(&mut self) -> bool {
        std::mem::take(&mut self.is_shifted)
    }

    /// Whether this is the id of a row that the run has inserted.
    pub fn has_inserted(&self, table: TableNumber, id: &[u8]) -> bool {
        let node = self.pool.find_node(table, id);
        node.is_some_and(|node| self.pool.node(node).origin == Origin::Inserted)
    }

    /// The state after a step. `names` are the variables that refer to rows in that state, in ascending order, each with the table
    /// and the id as text.
    pub fn after<'n>(
        &mut self,
        before: &Canonical,
        changes: impl IntoIterator<Item = Change<'n>>,
        names: impl IntoIterator<Item = (u32, TableNumber, &'n [u8])>,
    ) -> Canonical {
        let known = self.pool.node_count();
        let changed: Vec<(NodeId, Presence)> = changes
            .into_iter()
            .map(|change| self.presence(&change, known))
            .collect();
        let names: Vec<(u32, NodeId)> = names
            .into_iter()
            .map(|(variable, table, id)| (variable, self.pool.keep_node_of(table, id)))
            .collect();
        let touched = self.touched(&changed, before, &names);
        if touched.is_empty() {
            return before.clone();
        }
        let (affected, mut kept): (Vec<ComponentId>, Vec<ComponentId>) =
            before.components.iter().partition(|id| {
                let component = self.components.get(**id);
                touched.iter().any(|node| component.find(*node).is_some())
            });
        let mut digest = before.digest.0;
        let mut nodes = changed;
        for id in affected {
            let component = self.components.get(id);
            digest = digest.wrapping_sub(component.form);
            nodes.extend(
                component
                    .nodes()
                    .iter()
                    .filter(|(_, it)| *it != Presence::Named),
            );
        }
        // What changed stands before what was.
        nodes.sort_by_key(|(node, _)| *node);
        nodes.dedup_by_key(|(node, _)| *node);
        let mut named: Vec<(u32, NodeId)> = (names.iter().copied())
            .filter(|(_, node)| {
                kept.iter()
                    .all(|id| self.components.get(*id).find(*node).is_none())
            })
            .collect();
        named.sort_unstable_by_key(|(variable, node)| (*node, *variable));
        let targets = nodes
            .iter()
            .flat_map(|(_, presence)| self.pool.targets(*presence));
        let mut mentioned: Vec<NodeId> =
            targets.chain(named.iter().map(|(_, node)| *node)).collect();
        mentioned.sort_unstable();
        mentioned.dedup();
        // A row that is as in the initial state matters only where something refers to it.
        nodes.retain(|(_, presence)| *presence != Presence::Named);
        mentioned.retain(|node| nodes.binary_search_by_key(node, |(node, _)| *node).is_err());
        nodes.extend(mentioned.into_iter().map(|node| (node, Presence::Named)));
        nodes.sort_unstable_by_key(|(node, _)| *node);
        let fresh = self
            .components
            .split(&self.schema, &self.pool, &nodes, &named);
        for id in &fresh {
            digest = digest.wrapping_add(self.components.get(*id).form);
        }
        kept.extend(fresh);
        Canonical {
            components: kept.into(),
            names: names.into(),
            digest: Digest(digest),
        }
    }

    /// The component to which a node belongs in a state.
    pub fn component_of(&self, state: &Canonical, node: NodeId) -> Option<&Component> {
        let mut components = state.components.iter().map(|id| self.components.get(*id));
        components.find(|component| component.find(node).is_some())
    }

    /// The node that a variable names in a state.
    pub fn named(&self, state: &Canonical, variable: u32) -> Option<NodeId> {
        let names = &state.names;
        let at = names.binary_search_by_key(&variable, |(variable, _)| *variable);
        at.ok().map(|at| names[at].1)
    }

    /// The component that a variable names in a state.
    pub fn component_named(&self, state: &Canonical, variable: u32) -> Option<&Component> {
        self.component_of(state, self.named(state, variable)?)
    }

    /// A component.
    pub fn component(&self, id: ComponentId) -> &Component {
        self.components.get(id)
    }

    /// The node of a row, if it has been met.
    pub fn node(&self, table: TableNumber, key: &Cell) -> Option<NodeId> {
        match key {
            Cell::Text(id) => self.pool.find_node(table, id),
            other => self.pool.find_node(table, other.to_string().as_bytes()),
        }
    }

    /// The content of a row.
    pub fn row(&self, id: RowId) -> &KnownRow {
        self.pool.row(id)
    }

    /// The table and the id of a node.
    pub fn place(&self, node: NodeId) -> (TableNumber, &[u8]) {
        let node = self.pool.node(node);
        (node.table, &node.id)
    }

    /// What there is of a row after a change. The first change of a row tells whether the initial state has it.
    /// Of the nodes, so many had been met before the step.
    fn presence(&mut self, change: &Change<'_>, known: usize) -> (NodeId, Presence) {
        let node = self.pool.keep_node(change.table, change.key);
        if self.pool.node(node).origin == Origin::Unknown {
            let origin = match change.before {
                Some(row) => Origin::Initial(self.pool.keep_row(&self.schema, node, row)),
                None => Origin::Inserted,
            };
            self.is_shifted |= origin == Origin::Inserted && (node.0 as usize) < known;
            self.pool.set_origin(node, origin);
        }
        let row = change
            .after
            .map(|row| self.pool.keep_row(&self.schema, node, row));
        let presence = match (row, self.pool.node(node).origin) {
            (Some(row), Origin::Initial(initial)) if row == initial => Presence::Named,
            (Some(row), _) => Presence::Row(row),
            (None, Origin::Initial(_)) => Presence::Deleted,
            (None, Origin::Inserted | Origin::Unknown) => Presence::Named,
        };
        (node, presence)
    }

    /// The nodes whose components have to be written anew, ascending.
    fn touched(
        &self,
        changed: &[(NodeId, Presence)],
        before: &Canonical,
        names: &[(u32, NodeId)],
    ) -> Vec<NodeId> {
        let mut touched = Vec::new();
        for (node, presence) in changed {
            touched.push(*node);
            touched.extend(self.pool.targets(*presence));
        }
        if *names != *before.names {
            let other = |these: &[(u32, NodeId)], those: &[(u32, NodeId)]| {
                let not_there = these.iter().filter(|it| !those.contains(it));
                not_there.map(|(_, node)| *node).collect::<Vec<_>>()
            };
            touched.extend(other(names, &before.names));
            touched.extend(other(&before.names, names));
        }
        touched.sort_unstable();
        touched.dedup();
        touched
    }
}
