//! What a request meets in a state: the components of the rows that it names, and what is near them.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use rustc_hash::{FxHashMap, FxHashSet};

use super::canonical::{Canonical, Identity};
use super::components::Component;
use super::pool::{NodeId, Presence};
use super::schema::{ColumnRole, TableNumber};
use crate::model::{Cell, Digest};

/// References that are followed from a named row.
const RADIUS: u32 = 2;

/// Texts of one column that are told apart.
const TEXTS: usize = 8;

/// Texts seen, by column: where there are many, they say nothing of a situation.
#[derive(Debug, Default)]
pub struct Texts(FxHashMap<(TableNumber, u32), FxHashSet<Cell>>);

/// A row in short: its table, whether a variable names it, and of each value what kind of value it is; `None` where there is no row.
type Kind = (TableNumber, bool, Option<Vec<Short>>);

/// A value in short.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Short {
    Null,
    /// Negative, 0, 1, or more.
    Number(i8),
    /// One of a few texts.
    Text(Cell),
    Any,
}

impl Identity {
    /// A digest of the components that these variables name, in canonical form. Without variables: of all components of the state,
    /// where more than one of a form counts as two.
    pub fn components_named(&self, state: &Canonical, variables: &[u32]) -> u64 {
        if variables.is_empty() {
            let mut forms: BTreeMap<u128, u8> = BTreeMap::new();
            for id in state.components() {
                let count = forms.entry(self.component(*id).form).or_default();
                *count = (*count + 1).min(2);
            }
            return digest(&forms);
        }
        let forms = variables.iter().map(|variable| {
            let component = self.component_named(state, *variable);
            component.map(|component| component.form)
        });
        digest(&forms.collect::<Vec<_>>())
    }

    /// A digest of what is within two references of the rows that these variables name, in either direction: of each row its kind, and
    /// whether there is one or more of it.
    pub fn neighbourhood(&self, state: &Canonical, variables: &[u32], texts: &mut Texts) -> u64 {
        let mut kinds: BTreeMap<Kind, u8> = BTreeMap::new();
        let mut seen: BTreeSet<NodeId> = BTreeSet::new();
        for variable in variables {
            let Some(start) = self.named(state, *variable) else {
                continue;
            };
            let Some(component) = self.component_of(state, start) else {
                continue;
            };
            let mut level = vec![start];
            for distance in 0..=RADIUS {
                let mut next = Vec::new();
                for node in level {
                    if !seen.insert(node) {
                        continue;
                    }
                    let count = kinds.entry(self.kind(component, node, texts)).or_default();
                    *count = (*count + 1).min(2);
                    if distance < RADIUS {
                        next.extend(self.neighbours(component, node));
                    }
                }
                level = next;
            }
        }
        digest(&kinds)
    }

    /// The nodes to which a node refers, and those that refer to it.
    fn neighbours(&self, component: &Component, node: NodeId) -> Vec<NodeId> {
        let targets = |presence: Presence| {
            let row = match presence {
                Presence::Row(row) => Some(self.row(row)),
                Presence::Deleted | Presence::Named => None,
            };
            let references = row.into_iter().flat_map(|row| row.references.iter());
            references.filter_map(|(_, to)| *to)
        };
        let own = component.find(node).into_iter().flat_map(targets);
        let others = component.nodes().iter();
        let referring = others.filter(|(_, presence)| targets(*presence).any(|to| to == node));
        own.chain(referring.map(|(other, _)| *other)).collect()
    }

    fn kind(&self, component: &Component, node: NodeId, texts: &mut Texts) -> Kind {
        let (table, _) = self.place(node);
        let is_named = component.named().iter().any(|(_, named)| *named == node);
        let Some(Presence::Row(row)) = component.find(node) else {
            return (table, is_named, None);
        };
        let roles = &self.schema().tables[table.0 as usize];
        let cells = self.row(row).cells.iter().enumerate();
        let values = cells.filter_map(|(position, cell)| match roles.role(position) {
            ColumnRole::Key | ColumnRole::Ignored => None,
            ColumnRole::Reference(_) | ColumnRole::Volatile => Some(if *cell == Cell::Null {
                Short::Null
            } else {
                Short::Any
            }),
            ColumnRole::Value => Some(texts.short((table, position as u32), cell)),
        });
        (table, is_named, Some(values.collect()))
    }
}

impl Texts {
    fn short(&mut self, column: (TableNumber, u32), cell: &Cell) -> Short {
        let text = match cell {
            Cell::Null => return Short::Null,
            Cell::Integer(number) => return Short::Number((*number).clamp(-1, 2) as i8),
            Cell::Real(bits) => return short_number(f64::from_bits(*bits)),
            Cell::Text(text) => text,
            Cell::Blob(_) => return Short::Any,
        };
        let number = std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.parse::<f64>().ok());
        if let Some(number) = number {
            return short_number(number);
        }
        let known = self.0.entry(column).or_default();
        if known.len() <= TEXTS {
            known.insert(cell.clone());
        }
        if known.len() > TEXTS {
            return Short::Any;
        }
        Short::Text(cell.clone())
    }
}

fn short_number(number: f64) -> Short {
    Short::Number(number.clamp(-1.0, 2.0).floor() as i8)
}

/// A digest that is the same in every build.
fn digest(content: &impl Hash) -> u64 {
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
    Digest::from_hash(&feed.0.finalize()).0 as u64
}
