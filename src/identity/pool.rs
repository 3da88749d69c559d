//! Nodes and rows that any state had, each kept once under a small number.

use hashbrown::HashTable;
use rustc_hash::FxHasher;
use std::hash::{Hash as _, Hasher as _};

use super::schema::{ColumnRole, Schema, TableNumber};
use crate::model::{Cell, Digest, Row};

/// Number of a node: a (table, id) pair that was met as a row or as the target of a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

/// Number of the content of a row, as far as the identity sees it. The same content of the same row has the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId(pub u32);

/// What there is of a node in one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Presence {
    /// A row that the run wrote.
    Row(RowId),
    /// A row of the initial state that is deleted.
    Deleted,
    /// Something refers to it, and it is as in the initial state: there is no such row, or a row that the run has not touched.
    Named,
}

/// A row with this content.
#[derive(Debug)]
pub struct KnownRow {
    /// Whose content it is.
    pub node: NodeId,
    /// A digest of everything but keys, references and what is left out.
    pub values: u128,
    /// Where each reference leads, by position of the column; `None` is null.
    pub references: Box<[(u32, Option<NodeId>)]>,
    /// The row as it was seen first: volatile columns may hold something else by now.
    pub cells: Row,
}

/// What is known of a node.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) table: TableNumber,
    /// Its id as text.
    pub(super) id: Box<[u8]>,
    /// Digest of the id.
    pub(super) id_digest: u128,
    /// Whether it has been met as a row, and where that came from.
    pub(super) origin: Origin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// It was only referred to.
    Unknown,
    /// The run inserted it.
    Inserted,
    /// It is a row of the initial state, with this content there.
    Initial(RowId),
}

/// All nodes and rows.
#[derive(Debug, Default)]
pub(super) struct Pool {
    nodes: Vec<Node>,
    by_id: HashTable<NodeId>,
    rows: Vec<KnownRow>,
    by_content: HashTable<RowId>,
    scratch: Vec<u8>,
}

impl Pool {
    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    pub(super) fn row(&self, id: RowId) -> &KnownRow {
        &self.rows[id.0 as usize]
    }

    /// How many nodes have been met.
    pub(super) fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// What columns are is another thing now, so the rows of the initial state have other numbers.
    pub(super) fn keep_initial_rows_anew(&mut self, schema: &Schema) {
        for at in 0..self.nodes.len() {
            if let Origin::Initial(row) = self.nodes[at].origin {
                let cells = self.row(row).cells.clone();
                let row = self.keep_row(schema, NodeId(at as u32), &cells);
                self.nodes[at].origin = Origin::Initial(row);
            }
        }
    }

    pub(super) fn set_origin(&mut self, id: NodeId, origin: Origin) {
        self.nodes[id.0 as usize].origin = origin;
    }

    /// The node with this key, kept from now on.
    pub(super) fn keep_node(&mut self, table: TableNumber, key: &[Cell]) -> NodeId {
        let mut id = std::mem::take(&mut self.scratch);
        write_id(key, &mut id);
        let node = self.keep_node_of(table, &id);
        self.scratch = id;
        node
    }

    /// The node with this id in the form of a text.
    pub(super) fn keep_node_of(&mut self, table: TableNumber, id: &[u8]) -> NodeId {
        let hash = node_hash(table, id);
        let nodes = &self.nodes;
        let is_same = |other: &NodeId| {
            let other = &nodes[other.0 as usize];
            other.table == table && *other.id == *id
        };
        if let Some(known) = self.by_id.find(hash, is_same) {
            return *known;
        }
        let new = NodeId(self.nodes.len() as u32);
        self.nodes.push(Node {
            table,
            id: id.into(),
            id_digest: Digest::from_hash(&blake3::hash(id)).0,
            origin: Origin::Unknown,
        });
        let nodes = &self.nodes;
        self.by_id.insert_unique(hash, new, |id| {
            let node = &nodes[id.0 as usize];
            node_hash(node.table, &node.id)
        });
        new
    }

    /// The node with this id, where it has been met.
    pub(super) fn find_node(&self, table: TableNumber, id: &[u8]) -> Option<NodeId> {
        let is_same = |other: &NodeId| {
            let other = self.node(*other);
            other.table == table && *other.id == *id
        };
        self.by_id.find(node_hash(table, id), is_same).copied()
    }

    /// The content of a row, kept from now on.
    pub(super) fn keep_row(&mut self, schema: &Schema, node: NodeId, cells: &Row) -> RowId {
        let roles = &schema.tables[self.node(node).table.0 as usize];
        let mut hasher = blake3::Hasher::new();
        let mut references = Vec::new();
        for (position, cell) in cells.iter().enumerate() {
            let place = (position as u32).to_le_bytes();
            match roles.role(position) {
                ColumnRole::Key if roles.keys_are_generated => {}
                ColumnRole::Ignored => {}
                ColumnRole::Volatile => {
                    hasher
                        .update(&place)
                        .update(&[u8::from(*cell != Cell::Null)]);
                }
                ColumnRole::Reference(to) => {
                    let to = (*cell != Cell::Null)
                        .then(|| self.keep_node(to, std::slice::from_ref(cell)));
                    references.push((position as u32, to));
                }
                ColumnRole::Key | ColumnRole::Value => {
                    hasher.update(&place);
                    cell.hash_into(&mut hasher);
                }
            }
        }
        let values = Digest::from_hash(&hasher.finalize()).0;
        let hash = row_hash(node, values, &references);
        let is_same = |other: &RowId| {
            let other = self.row(*other);
            other.node == node && other.values == values && *other.references == *references
        };
        if let Some(known) = self.by_content.find(hash, is_same) {
            return *known;
        }
        let new = RowId(self.rows.len() as u32);
        self.rows.push(KnownRow {
            node,
            values,
            references: references.into(),
            cells: cells.clone(),
        });
        let rows = &self.rows;
        self.by_content.insert_unique(hash, new, |id| {
            let row = &rows[id.0 as usize];
            row_hash(row.node, row.values, &row.references)
        });
        new
    }

    /// The nodes to which a row refers.
    pub(super) fn targets(&self, presence: Presence) -> impl Iterator<Item = NodeId> + '_ {
        let references = match presence {
            Presence::Row(row) => &*self.row(row).references,
            Presence::Deleted | Presence::Named => &[],
        };
        references.iter().filter_map(|(_, to)| *to)
    }
}

/// Writes a key as one text: databases and answers write the same id as a number or as a text.
fn write_id(key: &[Cell], id: &mut Vec<u8>) {
    use std::io::Write as _;
    id.clear();
    for cell in key {
        let start = id.len();
        match cell {
            Cell::Text(bytes) => id.extend_from_slice(bytes),
            // Writing to a vector cannot fail.
            other => drop(write!(id, "{other}")),
        }
        if key.len() > 1 {
            let length = (id.len() - start) as u64;
            id.extend_from_slice(&length.to_le_bytes());
        }
    }
}

fn node_hash(table: TableNumber, id: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    (table, id).hash(&mut hasher);
    hasher.finish()
}

fn row_hash(node: NodeId, values: u128, references: &[(u32, Option<NodeId>)]) -> u64 {
    let mut hasher = FxHasher::default();
    (node, values, references).hash(&mut hasher);
    hasher.finish()
}
