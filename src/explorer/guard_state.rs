//! What guards read of a state: its context and the facts.
//!
//! Many states share a guard state (they differ in rows only), so it is interned, and the actions that it enables are
//! found once.

use std::hash::BuildHasher as _;

use hashbrown::HashTable;

use crate::model::{ActionId, Context, Digest, Effect, Facts, Model, VariableId};

use super::enabled;

/// The guard states met so far.
#[derive(Debug)]
pub(super) struct GuardStates {
    /// What each context variable adds to the identity, by its number.
    parts: Vec<IdentityPart>,
    all: Vec<GuardState>,
    by_content: HashTable<GuardStateId>,
    condition_errors: Vec<(ActionId, String)>,
}

/// How much of a context variable is part of the identity of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum IdentityPart {
    Nothing,
    /// Whether it is defined: a request needs it.
    Presence,
    /// Its value: the spec says so, or a condition reads it.
    Value,
}

/// Number of a guard state, in the order met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GuardStateId(u32);

#[derive(Debug)]
struct GuardState {
    context: Context,
    facts: Facts,
    /// What the identity of a state takes from it.
    digest: Digest,
    /// Bits of the enabled actions.
    enabled: Box<[u64]>,
}

impl GuardStates {
    /// No guard state has been met.
    /// What `row_variables` hold is told apart by the world.
    pub(super) fn new(model: &Model, row_variables: &[VariableId]) -> Self {
        Self {
            parts: identity_parts(model, row_variables),
            all: Vec::new(),
            by_content: HashTable::new(),
            condition_errors: Vec::new(),
        }
    }

    pub(super) fn context(&self, id: GuardStateId) -> &Context {
        &self.get(id).context
    }

    pub(super) fn facts(&self, id: GuardStateId) -> &Facts {
        &self.get(id).facts
    }

    /// Its context and its facts.
    pub(super) fn parts(&self, id: GuardStateId) -> (&Context, &Facts) {
        let GuardState { context, facts, .. } = self.get(id);
        (context, facts)
    }

    /// Whether the guard state enables an action.
    pub(super) fn enables(&self, id: GuardStateId, action: ActionId) -> bool {
        let word = self.enabled(id)[action.0 as usize / 64];
        word & (1 << (action.0 % 64)) != 0
    }

    pub(super) fn enabled(&self, id: GuardStateId) -> &[u64] {
        &self.get(id).enabled
    }

    /// Preconditions that could not be evaluated, in the order met.
    pub(super) fn condition_errors(&self) -> &[(ActionId, String)] {
        &self.condition_errors
    }

    /// Every guard state met, in that order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Context, &Facts)> {
        self.all
            .iter()
            .map(|guard_state| (&guard_state.context, &guard_state.facts))
    }

    fn get(&self, id: GuardStateId) -> &GuardState {
        &self.all[id.0 as usize]
    }

    /// The fingerprint of a state in this guard state whose world looks like this.
    pub(super) fn fingerprint(&self, id: GuardStateId, world: Digest) -> u128 {
        fingerprint(self.get(id).digest, world)
    }

    /// The guard state after an action ran in `before`, came to this and left this context.
    pub(super) fn after(
        &mut self,
        model: &Model,
        before: GuardStateId,
        action: ActionId,
        effect: Effect,
        context: &Context,
    ) -> GuardStateId {
        let facts = self.facts_after(model, before, action, effect);
        if self.is_same(before, context, &facts) {
            return before;
        }
        self.intern(model, context, &facts)
    }

    /// The fingerprint of the state there, where the world looks like this. It learns nothing.
    pub(super) fn fingerprint_after(
        &self,
        model: &Model,
        before: GuardStateId,
        action: ActionId,
        effect: Effect,
        (context, world): (&Context, Digest),
    ) -> u128 {
        let facts = self.facts_after(model, before, action, effect);
        fingerprint(digest(&self.parts, context, &facts), world)
    }

    fn facts_after(
        &self,
        model: &Model,
        before: GuardStateId,
        action: ActionId,
        effect: Effect,
    ) -> Facts {
        let counts = &model.action(action).counts;
        self.get(before).facts.counted(counts, &model.facts, effect)
    }

    /// A cheap test that is allowed to miss.
    fn is_same(&self, id: GuardStateId, context: &Context, facts: &Facts) -> bool {
        let known = self.get(id);
        known.context.same_allocation(context) && known.facts == *facts
    }

    fn find(&self, context: &Context, facts: &Facts) -> Option<GuardStateId> {
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
    ) -> GuardStateId {
        if let Some(id) = self.find(context, facts) {
            return id;
        }
        let id = GuardStateId(self.all.len() as u32);
        let all = &self.all;
        self.by_content
            .insert_unique(content_hash(context, facts), id, |id| {
                let known = &all[id.0 as usize];
                content_hash(&known.context, &known.facts)
            });
        let enabled = enabled::enabled(model, context, facts);
        self.condition_errors.extend(enabled.errors);
        self.all.push(GuardState {
            context: context.clone(),
            facts: facts.clone(),
            digest: digest(&self.parts, context, facts),
            enabled: enabled.actions,
        });
        id
    }
}

fn fingerprint(guards: Digest, world: Digest) -> u128 {
    let mut both = [0; 32];
    both[..16].copy_from_slice(&guards.0.to_le_bytes());
    both[16..].copy_from_slice(&world.0.to_le_bytes());
    Digest::from_hash(&blake3::hash(&both)).0
}

fn content_hash(context: &Context, facts: &Facts) -> u64 {
    rustc_hash::FxBuildHasher.hash_one((context, facts))
}

/// What each context variable adds to the identity. Whatever a guard reads is part of the identity, even where
/// `state_from_context` leaves it out: otherwise two states that enable different actions would be one state.
fn identity_parts(model: &Model, row_variables: &[VariableId]) -> Vec<IdentityPart> {
    let mut parts: Vec<IdentityPart> = model
        .identity_variables
        .iter()
        .map(|counts| match counts {
            true => IdentityPart::Value,
            false => IdentityPart::Nothing,
        })
        .collect();
    let mut add = |variable: VariableId, least: IdentityPart| {
        if let Some(part) = parts.get_mut(variable.0 as usize) {
            *part = least.max(*part);
        }
    };
    for action in &model.actions {
        for variable in &action.requires {
            add(*variable, IdentityPart::Presence);
        }
    }
    for variable in model.guarding_variables() {
        add(variable, IdentityPart::Value);
    }
    for variable in row_variables {
        parts[variable.0 as usize] = IdentityPart::Nothing;
    }
    parts
}

/// The identity's part of the variables, and the counts of all facts.
fn digest(parts: &[IdentityPart], context: &Context, facts: &Facts) -> Digest {
    let mut hasher = blake3::Hasher::new();
    for (index, (value, part)) in context.values().iter().zip(parts).enumerate() {
        let Some(value) = value else { continue };
        match part {
            IdentityPart::Nothing => {}
            IdentityPart::Presence => {
                hasher.update(&(index as u32).to_le_bytes());
            }
            IdentityPart::Value => {
                hasher.update(&(index as u32).to_le_bytes());
                hash_json(value, &mut hasher);
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::Condition;
    use crate::model::{Action, Names, Precondition};
    use serde_json::json;

    #[test]
    fn what_a_guard_reads_distinguishes_states() {
        let model = Model {
            actions: vec![
                Action {
                    requires: vec![VariableId(0)],
                    ..Action::named("needs_a_tag")
                },
                Action {
                    preconditions: vec![Precondition::Holds(
                        Condition::parse("amount is defined and amount > 1").unwrap(),
                    )],
                    ..Action::named("needs_more_than_one")
                },
            ],
            names: std::sync::Arc::new(Names {
                variables: ["tag", "amount", "other"].map(str::to_owned).into(),
                ..Names::default()
            }),
            identity_variables: vec![false; 3],
            ..Model::default()
        };
        let mut guard_states = GuardStates::new(&model, &[]);
        let mut with = |variable: u32, value: serde_json::Value| {
            let context = Context::empty(3).with(VariableId(variable), Some(value));
            let id = guard_states.intern(&model, &context, &Facts::none(0));
            guard_states.get(id).digest
        };
        let tagged = with(0, json!("a"));
        assert_eq!(with(0, json!("b")), tagged, "any tag will do");
        assert_ne!(
            with(2, json!(1)),
            tagged,
            "without a tag the action is not possible"
        );
        assert_ne!(with(1, json!(1)), with(1, json!(2)));
        assert_eq!(with(2, json!(1)), with(2, json!(2)), "nobody reads it");
    }
}
