//! Components: rows that refer to each other, directly or by way of others, with the variables that name them.

use std::hash::{Hash as _, Hasher as _};

use hashbrown::HashTable;
use rustc_hash::FxHasher;

use super::form::form;
use super::pool::{NodeId, Pool, Presence};
use super::schema::Schema;

/// Number of a component. Components of the same content, ids included, have the same number, whichever states have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ComponentId(pub u32);

/// A component that some state has.
#[derive(Debug)]
pub struct Component {
    /// The canonical form: the same for components that are equal but for generated ids.
    pub form: u128,
    content: Content,
}

/// The content of a component, ids included.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Content {
    /// Ascending.
    pub(super) nodes: Vec<(NodeId, Presence)>,
    /// The variables that name a node, by node and variable.
    pub(super) named: Vec<(u32, NodeId)>,
}

impl Component {
    /// Its nodes, ascending, and what there is of each.
    pub fn nodes(&self) -> &[(NodeId, Presence)] {
        &self.content.nodes
    }

    /// The variables of the context that name a node of it, with that node.
    pub fn named(&self) -> &[(u32, NodeId)] {
        &self.content.named
    }

    /// What there is of a node in it.
    pub fn find(&self, node: NodeId) -> Option<Presence> {
        let nodes = self.nodes();
        let at = nodes.binary_search_by_key(&node, |(node, _)| *node).ok()?;
        Some(nodes[at].1)
    }
}

/// All components that any state has.
#[derive(Debug, Default)]
pub(super) struct Components {
    all: Vec<Component>,
    by_content: HashTable<ComponentId>,
}

impl Components {
    pub(super) fn get(&self, id: ComponentId) -> &Component {
        &self.all[id.0 as usize]
    }

    /// The component with this content, kept from now on.
    fn keep(&mut self, schema: &Schema, pool: &Pool, content: Content) -> ComponentId {
        let hash = hash(&content);
        let is_same = |id: &ComponentId| self.get(*id).content == content;
        if let Some(known) = self.by_content.find(hash, is_same) {
            return *known;
        }
        let new = ComponentId(self.all.len() as u32);
        self.all.push(Component {
            form: form(schema, pool, &content),
            content,
        });
        let all = &self.all;
        let hash_of = |id: &ComponentId| self::hash(&all[id.0 as usize].content);
        self.by_content.insert_unique(hash, new, hash_of);
        new
    }

    /// The components of which these nodes (ascending) and names (by node and variable) consist.
    pub(super) fn split(
        &mut self,
        schema: &Schema,
        pool: &Pool,
        nodes: &[(NodeId, Presence)],
        named: &[(u32, NodeId)],
    ) -> Vec<ComponentId> {
        let mut sets = DisjointSets::new(nodes.len());
        for (at, (_, presence)) in nodes.iter().enumerate() {
            for to in pool.targets(*presence) {
                if let Ok(to) = nodes.binary_search_by_key(&to, |(node, _)| *node) {
                    sets.unite(at, to);
                }
            }
        }
        let mut members: Vec<(usize, usize)> =
            (0..nodes.len()).map(|at| (sets.root(at), at)).collect();
        members.sort_unstable();
        let components = members.chunk_by(|(a, _), (b, _)| a == b).map(|set| {
            let mut content = Content::default();
            for (_, at) in set {
                content.nodes.push(nodes[*at]);
                let node = nodes[*at].0;
                let from = named.partition_point(|(_, named)| *named < node);
                let names = named[from..].iter().take_while(|(_, named)| *named == node);
                content.named.extend(names);
            }
            self.keep(schema, pool, content)
        });
        components.collect()
    }
}

fn hash(content: &Content) -> u64 {
    let mut hasher = FxHasher::default();
    content.hash(&mut hasher);
    hasher.finish()
}

/// Union-find.
struct DisjointSets(Vec<usize>);

impl DisjointSets {
    fn new(count: usize) -> Self {
        Self((0..count).collect())
    }

    fn root(&mut self, mut of: usize) -> usize {
        while self.0[of] != of {
            self.0[of] = self.0[self.0[of]];
            of = self.0[of];
        }
        of
    }

    fn unite(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        // The least member is the root, so that sets come in the order of their first members.
        self.0[a.max(b)] = a.min(b);
    }
}
