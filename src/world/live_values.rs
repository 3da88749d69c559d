//! The values that requests are filled with, where they differ from those that the states remember.

use crate::model::{Context, VariableId};

/// A service that makes up random ids gives out other ones each time a path is replayed. The states keep the values of
/// the first time; requests have to name those of the last.
#[derive(Debug, Default)]
pub(super) struct LiveValues(Option<(Context, Context)>);

impl LiveValues {
    /// The context as the service knows it now: a value that the state remembers is replaced by the one the last replay
    /// got in its place.
    pub(super) fn context(&self, context: &Context) -> Context {
        let Some((remembered, live)) = &self.0 else {
            return context.clone();
        };
        if context.same_allocation(remembered) {
            return live.clone();
        }
        let mut translated = context.clone();
        for variable in (0..context.values().len() as u32).map(VariableId) {
            if context.get(variable) == remembered.get(variable) {
                translated = translated.with(variable, live.get(variable).cloned());
            }
        }
        translated
    }

    /// The world stands where the states remember `remembered` and the service knows `live`.
    pub(super) fn set(&mut self, remembered: &Context, live: Context) {
        self.0 = (*remembered != live).then(|| (remembered.clone(), live));
    }
}
