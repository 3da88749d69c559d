//! The canonical form of one component: colour refinement, then the first branch of individualisation, then everything
//! written out with ids replaced by positions.
//!
//! Colours guide the order only; the form is what is written out. So equal forms mean equal components but for the names of
//! generated ids, whatever colours cannot tell apart.

use super::components::Content;
use super::pool::{NodeId, Origin, Pool, Presence};
use super::schema::Schema;
use crate::model::Digest;

/// What may be spent on one component, in nodes that are looked at. What is beyond keeps its ids: then states that differ in
/// ids only are taken for different ones.
const EFFORT: usize = 60_000;

const NONE: u32 = u32::MAX;

/// The canonical form of a component, in 128 bits.
pub(super) fn form(schema: &Schema, pool: &Pool, content: &Content) -> u128 {
    let mut graph = Graph::new(schema, pool, content);
    let order = graph.order().unwrap_or_else(|| graph.order_by_id(pool));
    graph.write(&order)
}

/// What tells a node from others, its neighbours aside.
#[derive(Clone, Copy)]
struct Signature<'c> {
    table: u32,
    presence: u8,
    /// Digest of the id, where it means something by itself; 0 elsewhere.
    id: u128,
    values: u128,
    /// The variables that name it, ascending; which node that is means nothing.
    variables: &'c [(u32, NodeId)],
}

struct Graph<'c> {
    nodes: Vec<NodeId>,
    signatures: Vec<Signature<'c>>,
    /// Where the references of a node begin in `out`; one more at the end.
    out_at: Vec<u32>,
    /// Where each reference leads, nulls included.
    out: Vec<u32>,
    in_at: Vec<u32>,
    /// Who refers to a node, as which reference of which table.
    incoming: Vec<(u64, u32)>,
    effort: usize,
}

impl<'c> Graph<'c> {
    fn new(schema: &Schema, pool: &Pool, content: &'c Content) -> Self {
        let nodes: Vec<NodeId> = content.nodes.iter().map(|(node, _)| *node).collect();
        let place = |node: NodeId| nodes.binary_search(&node).map_or(NONE, |at| at as u32);
        let mut graph = Graph {
            signatures: Vec::with_capacity(nodes.len()),
            out_at: Vec::with_capacity(nodes.len() + 1),
            out: Vec::new(),
            in_at: vec![0; nodes.len() + 1],
            incoming: Vec::new(),
            nodes: Vec::new(),
            effort: 0,
        };
        let mut links = Vec::new();
        for (at, (node, presence)) in content.nodes.iter().enumerate() {
            let known = pool.node(*node);
            let table = known.table.0;
            graph.out_at.push(graph.out.len() as u32);
            let mut values = 0;
            if let Presence::Row(row) = presence {
                let row = pool.row(*row);
                values = row.values;
                for (column, to) in &row.references {
                    let to = to.map_or(NONE, place);
                    graph.out.push(to);
                    if to != NONE {
                        links.push((to, u64::from(table) << 32 | u64::from(*column), at as u32));
                        graph.in_at[to as usize + 1] += 1;
                    }
                }
            }
            let is_renamed = schema.tables[table as usize].keys_are_generated
                && known.origin == Origin::Inserted;
            let from = content.named.partition_point(|(_, named)| named < node);
            let to = content.named.partition_point(|(_, named)| named <= node);
            graph.signatures.push(Signature {
                table,
                presence: match presence {
                    Presence::Row(_) => 0,
                    Presence::Deleted => 1,
                    Presence::Named => 2,
                },
                // 0 stands for an id that means nothing, so no digest may be that.
                id: if is_renamed { 0 } else { known.id_digest | 1 },
                values,
                variables: &content.named[from..to],
            });
        }
        graph.out_at.push(graph.out.len() as u32);
        for at in 1..graph.in_at.len() {
            graph.in_at[at] += graph.in_at[at - 1];
        }
        links.sort_unstable();
        graph.incoming = links
            .into_iter()
            .map(|(_, label, from)| (label, from))
            .collect();
        graph.nodes = nodes;
        graph
    }

    fn len(&self) -> usize {
        self.nodes.len()
    }

    fn out(&self, node: usize) -> &[u32] {
        &self.out[self.out_at[node] as usize..self.out_at[node + 1] as usize]
    }

    fn incoming(&self, node: usize) -> &[(u64, u32)] {
        &self.incoming[self.in_at[node] as usize..self.in_at[node + 1] as usize]
    }

    /// What orders nodes at first.
    fn compare(&self, a: u32, b: u32) -> std::cmp::Ordering {
        let (a, b) = (&self.signatures[a as usize], &self.signatures[b as usize]);
        let variables = |of: &Signature<'c>| of.variables.iter().map(|(variable, _)| *variable);
        (a.table, a.presence, a.id, a.values)
            .cmp(&(b.table, b.presence, b.id, b.values))
            .then_with(|| variables(a).cmp(variables(b)))
    }

    /// The nodes in canonical order; `None` where finding it would take too long.
    fn order(&mut self) -> Option<Vec<u32>> {
        let n = self.len();
        let mut order: Vec<u32> = (0..n as u32).collect();
        if n == 1 {
            return Some(order);
        }
        order.sort_unstable_by(|a, b| self.compare(*a, *b));
        let mut colours = vec![0_u32; n];
        let mut count = 1;
        for pair in order.windows(2) {
            count += u32::from(self.compare(pair[0], pair[1]).is_ne());
            colours[pair[1] as usize] = count - 1;
        }
        let mut refinement = Refinement::default();
        loop {
            refinement.refine(self, &mut colours, &mut count)?;
            if count as usize == n {
                break;
            }
            order.sort_unstable_by_key(|node| (colours[*node as usize], *node));
            let classes = order.chunk_by(|a, b| colours[*a as usize] == colours[*b as usize]);
            let Some(first) = classes
                .filter(|class| class.len() > 1)
                .find(|class| !self.are_twins(class))
                .map(|class| class[0])
            else {
                break;
            };
            // It gets a colour of its own, before the others of its class.
            let own = colours[first as usize];
            for (node, colour) in colours.iter_mut().enumerate() {
                *colour += u32::from(*colour >= own && node != first as usize);
            }
            count += 1;
        }
        order.sort_unstable_by_key(|node| (colours[*node as usize], *node));
        Some(order)
    }

    /// Whether exchanging the members of a class changes nothing: they refer to the same rows, and nobody refers to them.
    fn are_twins(&self, class: &[u32]) -> bool {
        let first = self.out(class[0] as usize);
        class.iter().all(|node| {
            self.incoming(*node as usize).is_empty() && self.out(*node as usize) == first
        })
    }

    /// The nodes in the order of their ids, which are made part of what tells them apart.
    fn order_by_id(&mut self, pool: &Pool) -> Vec<u32> {
        for (signature, node) in self.signatures.iter_mut().zip(&self.nodes) {
            signature.id = pool.node(*node).id_digest | 1;
        }
        let mut order: Vec<u32> = (0..self.len() as u32).collect();
        order.sort_unstable_by(|a, b| self.compare(*a, *b));
        order
    }

    /// Everything there is of the component, its nodes in this order.
    fn write(&self, order: &[u32]) -> u128 {
        let mut positions = vec![0_u32; self.len()];
        for (position, node) in order.iter().enumerate() {
            positions[*node as usize] = position as u32;
        }
        let mut text = Vec::with_capacity(order.len() * 64);
        for node in order {
            let signature = &self.signatures[*node as usize];
            text.extend_from_slice(&signature.table.to_le_bytes());
            text.push(signature.presence);
            text.extend_from_slice(&signature.id.to_le_bytes());
            text.extend_from_slice(&signature.values.to_le_bytes());
            text.extend_from_slice(&(signature.variables.len() as u32).to_le_bytes());
            for (variable, _) in signature.variables {
                text.extend_from_slice(&variable.to_le_bytes());
            }
            let out = self.out(*node as usize);
            text.extend_from_slice(&(out.len() as u32).to_le_bytes());
            for to in out {
                let position = positions.get(*to as usize).copied().unwrap_or(NONE);
                text.extend_from_slice(&position.to_le_bytes());
            }
        }
        Digest::from_hash(&blake3::hash(&text)).0
    }
}

/// Room for refining, used again in each round.
#[derive(Default)]
struct Refinement {
    /// For each node what it is told apart by, one after the other.
    text: Vec<u64>,
    at: Vec<u32>,
    order: Vec<u32>,
    next: Vec<u32>,
}

impl Refinement {
    /// Splits colours by those of the neighbours until no more are told apart. `None` where that takes too long.
    fn refine(
        &mut self,
        graph: &mut Graph<'_>,
        colours: &mut [u32],
        count: &mut u32,
    ) -> Option<()> {
        let n = colours.len();
        loop {
            graph.effort += n + graph.out.len();
            if graph.effort > EFFORT {
                return None;
            }
            self.text.clear();
            self.at.clear();
            for (node, colour) in colours.iter().enumerate() {
                self.at.push(self.text.len() as u32);
                self.text.push(u64::from(*colour));
                let out = graph.out(node).iter();
                (self.text).extend(out.map(|to| {
                    colours
                        .get(*to as usize)
                        .map_or(0, |colour| 1 + u64::from(*colour))
                }));
                let from = self.text.len();
                for (label, who) in graph.incoming(node) {
                    // Two words for one reference would have to be sorted as pairs.
                    let (table, column) = (label >> 32, label & 0xffff);
                    let colour = u64::from(colours[*who as usize]);
                    self.text.push(table << 44 | column << 28 | colour);
                }
                self.text[from..].sort_unstable();
            }
            self.at.push(self.text.len() as u32);
            let (text, at) = (&self.text, &self.at);
            let of = |node: u32| &text[at[node as usize] as usize..at[node as usize + 1] as usize];
            self.order.clear();
            self.order.extend(0..n as u32);
            self.order.sort_unstable_by(|a, b| of(*a).cmp(of(*b)));
            self.next.clear();
            self.next.resize(n, 0);
            let mut rank = 0;
            for pair in self.order.windows(2) {
                rank += u32::from(of(pair[0]) != of(pair[1]));
                self.next[pair[1] as usize] = rank;
            }
            let is_settled = rank + 1 == *count;
            colours.copy_from_slice(&self.next);
            *count = rank + 1;
            if is_settled || *count as usize == n {
                return Some(());
            }
        }
    }
}
