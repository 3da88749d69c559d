//! What a path has made possible: its context and the facts that guards read.
//!
//! Many states share a situation (they differ in rows only), so it is interned, and the actions that it enables are
//! found once.

use std::hash::BuildHasher as _;

use hashbrown::HashTable;

use crate::model::{ActionId, Context, Digest, Facts, Model};

use super::guard;

/// The situations met so far.
#[derive(Debug, Default)]
pub(super) struct Situations {
    all: Vec<Situation>,
    by_content: HashTable<SituationId>,
    condition_errors: Vec<(ActionId, String)>,
}

/// Number of a situation, in the order met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SituationId(u32);

#[derive(Debug)]
struct Situation {
    context: Context,
    facts: Facts,
    /// What the identity of a state takes from it.
    digest: Digest,
    /// Bits of the enabled actions.
    enabled: Box<[u64]>,
}

impl Situations {
    pub(super) fn context(&self, id: SituationId) -> &Context {
        &self.get(id).context
    }

    pub(super) fn enabled(&self, id: SituationId) -> &[u64] {
        &self.get(id).enabled
    }

    /// Conditions that could not be judged, in the order met.
    pub(super) fn condition_errors(&self) -> &[(ActionId, String)] {
        &self.condition_errors
    }

    /// Every situation met, in that order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Context, &Facts)> {
        self.all
            .iter()
            .map(|situation| (&situation.context, &situation.facts))
    }

    fn get(&self, id: SituationId) -> &Situation {
        &self.all[id.0 as usize]
    }

    /// The fingerprint of a state in this situation whose world looks like this.
    pub(super) fn fingerprint(&self, id: SituationId, world: Digest) -> u128 {
        let mut both = [0; 32];
        both[..16].copy_from_slice(&self.get(id).digest.0.to_le_bytes());
        both[16..].copy_from_slice(&world.0.to_le_bytes());
        Digest::from_hash(&blake3::hash(&both)).0
    }

    /// The situation after an action ran in `before` and left this context.
    pub(super) fn after(
        &mut self,
        model: &Model,
        before: SituationId,
        action: ActionId,
        context: &Context,
    ) -> SituationId {
        let facts = self.facts_after(model, before, action);
        if self.is_same(before, context, &facts) {
            return before;
        }
        self.intern(model, context, &facts)
    }

    /// The same, but only where that situation has been met.
    pub(super) fn find_after(
        &self,
        model: &Model,
        before: SituationId,
        action: ActionId,
        context: &Context,
    ) -> Option<SituationId> {
        let facts = self.facts_after(model, before, action);
        self.find(context, &facts)
    }

    fn facts_after(&self, model: &Model, before: SituationId, action: ActionId) -> Facts {
        let counts = &model.action(action).counts;
        self.get(before).facts.counted(counts, &model.facts)
    }

    /// A cheap test that is allowed to miss.
    fn is_same(&self, id: SituationId, context: &Context, facts: &Facts) -> bool {
        let known = self.get(id);
        known.context.same_allocation(context) && known.facts == *facts
    }

    fn find(&self, context: &Context, facts: &Facts) -> Option<SituationId> {
        self.by_content
            .find(content_hash(context, facts), |id| {
                let known = self.get(*id);
                known.facts == *facts && known.context == *context
            })
            .copied()
    }

    pub(super) fn intern(
        &mut self,
        model: &Model,
        context: &Context,
        facts: &Facts,
    ) -> SituationId {
        if let Some(id) = self.find(context, facts) {
            return id;
        }
        let id = SituationId(self.all.len() as u32);
        let all = &self.all;
        self.by_content
            .insert_unique(content_hash(context, facts), id, |id| {
                let known = &all[id.0 as usize];
                content_hash(&known.context, &known.facts)
            });
        let allowed = guard::allowed(model, context, facts);
        self.condition_errors.extend(allowed.errors);
        self.all.push(Situation {
            context: context.clone(),
            facts: facts.clone(),
            digest: digest(model, context, facts),
            enabled: allowed.actions,
        });
        id
    }
}

fn content_hash(context: &Context, facts: &Facts) -> u64 {
    rustc_hash::FxBuildHasher.hash_one((context, facts))
}

/// Values of the variables that are part of the identity, and the counts of all facts.
fn digest(model: &Model, context: &Context, facts: &Facts) -> Digest {
    let mut hasher = blake3::Hasher::new();
    for (index, value) in context.values().iter().enumerate() {
        let counts = model.identity_variables.get(index).copied();
        if let (Some(value), Some(true)) = (value, counts) {
            hasher.update(&(index as u32).to_le_bytes());
            hash_json(value, &mut hasher);
        }
    }
    hasher.update(&[0xff]);
    for count in facts.counts() {
        hasher.update(&count.to_le_bytes());
    }
    Digest::from_hash(&hasher.finalize())
}

/// Feeds a JSON value to a hash, the keys of objects sorted: their order means nothing.
fn hash_json(value: &serde_json::Value, hasher: &mut blake3::Hasher) {
    use serde_json::Value;
    match value {
        Value::Array(items) => {
            hasher
                .update(b"[")
                .update(&(items.len() as u64).to_le_bytes());
            for item in items {
                hash_json(item, hasher);
            }
        }
        Value::Object(map) => {
            hasher
                .update(b"{")
                .update(&(map.len() as u64).to_le_bytes());
            let mut keys: Vec<_> = map.keys().collect();
            keys.sort_unstable();
            for key in keys {
                hasher
                    .update(&(key.len() as u64).to_le_bytes())
                    .update(key.as_bytes());
                hash_json(&map[key], hasher);
            }
        }
        scalar => {
            let text = scalar.to_string();
            hasher
                .update(&(text.len() as u64).to_le_bytes())
                .update(text.as_bytes());
        }
    }
}
