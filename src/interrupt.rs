//! What ends a run before it is through: the user's request to stop, and the time that it may take. Seen by everything that
//! waits.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// How long a request or a query that is under way may still take.
const PATIENCE: Duration = Duration::from_millis(500);

/// Shared by the signal handler, the engine and the world. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Interrupt(Arc<watch::Sender<State>>);

#[derive(Clone, Copy, Debug, Default)]
struct State {
    urgency: Urgency,
    requested_at: Option<Instant>,
    time_over_at: Option<Instant>,
}

impl State {
    fn ending(self) -> Option<Ending> {
        let is_over = |at: Option<Instant>| at.is_some_and(|at| at.elapsed() >= PATIENCE);
        if self.urgency == Urgency::Now || is_over(self.requested_at) {
            Some(Ending::Requested)
        } else if is_over(self.time_over_at) {
            Some(Ending::TimeOver)
        } else {
            None
        }
    }
}

/// Completes at this time; never where there is none.
async fn sleep_until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

/// How urgent the user's request to stop is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// There is no request.
    #[default]
    None,
    /// Requested once: what is under way may take half a second more, then clean up.
    Soon,
    /// Requested again: give up the HTTP request under way, then clean up.
    Now,
}

/// Why what is under way has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The user wants to stop.
    Requested,
    /// `time_limit` is over.
    TimeOver,
}

impl fmt::Display for Ending {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Requested => "the run was interrupted",
            Self::TimeOver => "the time of the run (`time_limit`) was over",
        })
    }
}

impl Default for Interrupt {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(State::default())))
    }
}

impl Interrupt {
    /// Requests to stop; a second request is more urgent.
    pub fn request(&self) {
        self.0.send_modify(|state| {
            state.requested_at.get_or_insert_with(Instant::now);
            state.urgency = match state.urgency {
                Urgency::None => Urgency::Soon,
                Urgency::Soon | Urgency::Now => Urgency::Now,
            };
        });
    }

    /// From now on, what is under way may take this long.
    pub fn limit_time(&self, limit: Option<Duration>) {
        let at = limit.and_then(|limit| Instant::now().checked_add(limit));
        self.0.send_modify(|state| state.time_over_at = at);
    }

    /// How urgent it is now.
    pub fn urgency(&self) -> Urgency {
        self.0.borrow().urgency
    }

    /// Whether there is a request to stop.
    pub fn is_requested(&self) -> bool {
        self.urgency() > Urgency::None
    }

    /// Why what is still under way has to end now, if so: what is short may finish.
    pub fn ending(&self) -> Option<Ending> {
        self.0.borrow().ending()
    }

    /// Completes when what is under way has to end.
    pub async fn ended(&self) -> Ending {
        let mut receiver = self.0.subscribe();
        loop {
            let state = *receiver.borrow_and_update();
            if let Some(ending) = state.ending() {
                return ending;
            }
            let at = [state.requested_at, state.time_over_at];
            let next = at.into_iter().flatten().min();
            tokio::select! {
                // The sender lives as long as `self`, so waiting cannot fail.
                _ = receiver.changed() => {}
                () = sleep_until(next.and_then(|at| at.checked_add(PATIENCE))) => {}
            }
        }
    }

    /// The time that the run may still take, where that is limited.
    pub fn time_left(&self) -> Option<Duration> {
        let at = self.0.borrow().time_over_at?;
        Some(at.saturating_duration_since(Instant::now()))
    }

    /// Whether the time of the run is over.
    pub fn is_time_over(&self) -> bool {
        self.time_left().is_some_and(|left| left.is_zero())
    }

    /// Completes once it is at least this urgent.
    pub async fn reached(&self, urgency: Urgency) {
        let mut receiver = self.0.subscribe();
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = receiver.wait_for(|state| state.urgency >= urgency).await;
    }
}
