//! In what situation each action is in each state.

use rustc_hash::FxHashMap;

use crate::model::{ActionId, Model, Situation, VariableId};

use super::StateId;

/// The situations of all states, where the world can tell them.
#[derive(Debug)]
pub(super) struct Situations {
    /// The sets of variables that requests name, each once.
    named: Vec<Vec<VariableId>>,
    /// Which set the request of an action names, by action.
    set_of: Vec<u32>,
    /// For each state the numbers of its situations, by set; empty where the world cannot tell.
    by_state: Vec<u32>,
    /// Each situation once.
    all: Vec<Situation>,
    numbers: FxHashMap<Situation, u32>,
}

impl Situations {
    pub(super) fn new(model: &Model) -> Self {
        let mut named: Vec<Vec<VariableId>> = Vec::new();
        let mut set = |variables: &[VariableId]| {
            let known = named.iter().position(|set| set == variables);
            let number = known.unwrap_or_else(|| {
                named.push(variables.to_vec());
                named.len() - 1
            });
            number as u32
        };
        let actions = model.actions.iter();
        let set_of = actions.map(|action| set(&action.requires)).collect();
        Self {
            named,
            set_of,
            by_state: Vec::new(),
            all: Vec::new(),
            numbers: FxHashMap::default(),
        }
    }

    /// The sets of variables of which a world is to tell the situation.
    pub(super) fn named(&self) -> Vec<&[VariableId]> {
        self.named.iter().map(Vec::as_slice).collect()
    }

    /// Which set the request of an action names.
    pub(super) fn set_of(&self, action: ActionId) -> u32 {
        self.set_of[action.0 as usize]
    }

    /// Notes the situations of the newest state, by set.
    pub(super) fn add(&mut self, situations: &[Situation]) {
        for situation in situations {
            let next = self.all.len() as u32;
            let number = *self.numbers.entry(*situation).or_insert(next);
            if number == next {
                self.all.push(*situation);
            }
            self.by_state.push(number);
        }
    }

    /// The situation of an action in a state.
    pub(super) fn of(&self, state: StateId, action: ActionId) -> Option<Situation> {
        let at = state.index() * self.named.len() + self.set_of(action) as usize;
        let number = self.by_state.get(at)?;
        Some(self.all[*number as usize])
    }
}
