//! The only way out of the engine: an observer is told what happens, as it happens.

use crate::event::{Detail, Event};

/// Observes a run.
///
/// It gets every [`Event`] of it but `Started` and `Closed`: these say what only the caller of
/// [`explore`](super::explore) knows. Secrets are still in them.
pub trait Observer {
    /// How much it wants to know of each step.
    fn detail(&self) -> Detail;

    /// Something happened.
    fn event(&mut self, event: Event);
}

/// A function is told where each step led.
impl<F: FnMut(Event)> Observer for F {
    fn detail(&self) -> Detail {
        Detail::Brief
    }

    fn event(&mut self, event: Event) {
        self(event);
    }
}
