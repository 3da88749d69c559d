//! What is known of one action.

use crate::model::Effect;

/// The figures of one action.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Steps that ran it.
    pub runs: u64,
    /// Runs that were accepted.
    pub accepted: u64,
    /// Runs that were accepted and changed something, be it only what the identity leaves out.
    pub changed: u64,
    /// Runs that led to a new state.
    pub new_states: u64,
    /// Runs that left the state as it was.
    pub unchanged: u64,
    /// Runs by status, in the order first seen.
    pub statuses: Vec<(u16, u64)>,
}

impl Tally {
    /// Counts a run. Says whether its status is a new one.
    pub(super) fn add(
        &mut self,
        (status, effect): (u16, Effect),
        new_state: bool,
        unchanged: bool,
    ) -> bool {
        self.runs += 1;
        self.accepted += u64::from(effect != Effect::None);
        self.changed += u64::from(effect == Effect::Changed);
        self.new_states += u64::from(new_state);
        self.unchanged += u64::from(unchanged);
        let known = self.statuses.iter_mut().find(|(seen, _)| *seen == status);
        let is_new = known.is_none();
        match known {
            Some((_, runs)) => *runs += 1,
            None => self.statuses.push((status, 1)),
        }
        is_new
    }
}
