//! The user's request to stop, seen by everything that waits.

use std::sync::Arc;

use tokio::sync::watch;

/// Shared by the signal handler, the engine and the world. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Interrupt(Arc<watch::Sender<Urgency>>);

/// How urgent the user's request to stop is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// There is no request.
    #[default]
    None,
    /// Requested once: finish the HTTP request under way, then clean up.
    Soon,
    /// Requested again: give up the HTTP request under way, then clean up.
    Now,
}

impl Default for Interrupt {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Urgency::None)))
    }
}

impl Interrupt {
    /// Requests to stop; a second request is more urgent.
    pub fn request(&self) {
        self.0.send_modify(|urgency| {
            *urgency = match urgency {
                Urgency::None => Urgency::Soon,
                Urgency::Soon | Urgency::Now => Urgency::Now,
            };
        });
    }

    /// How urgent it is now.
    pub fn urgency(&self) -> Urgency {
        *self.0.borrow()
    }

    /// Whether there is a request to stop.
    pub fn is_requested(&self) -> bool {
        self.urgency() > Urgency::None
    }

    /// Completes once it is at least this urgent.
    pub async fn reached(&self, urgency: Urgency) {
        let mut receiver = self.0.subscribe();
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = receiver.wait_for(|now| *now >= urgency).await;
    }
}
