//! Worlds in memory with exactly known state spaces: engine and strategies are tested and measured against them, not
//! against a network.

use std::fmt;
use std::hash::{Hash, Hasher};

use crate::model::{ActionId, Context, Digest, Effect};

use super::{Arrival, World, WorldError};

/// A world whose whole state is one value, and whose rules are one function.
pub struct MockWorld<S, F> {
    initial: S,
    state: S,
    requests: u64,
    rule: F,
    can_restore: bool,
    /// The status of each answer: by the state before, the action, and the state after.
    status: fn(&S, ActionId, &S) -> u16,
    /// What starting the service again does, where that is possible.
    restart: Option<Box<dyn FnMut()>>,
    /// Every step and restore, for tests of what the engine did.
    pub log: Vec<MockCall<S>>,
    logging: bool,
}

/// What the engine called on a [`MockWorld`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MockCall<S> {
    /// An action was executed in this state.
    Act(S, ActionId),
    /// This state was restored.
    Restore(S),
    /// The initial state was renewed.
    Renew,
}

impl<S: fmt::Debug, F> fmt::Debug for MockWorld<S, F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("MockWorld")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl<S: Clone + Hash, F: FnMut(&S, ActionId) -> S> MockWorld<S, F> {
    /// A world that begins in this state and moves by this rule.
    pub fn new(initial: S, rule: F) -> Self {
        Self {
            initial: initial.clone(),
            state: initial,
            requests: 0,
            rule,
            can_restore: true,
            status: |_, _, _| 200,
            restart: None,
            log: Vec::new(),
            logging: false,
        }
    }

    /// The same world without a way back.
    #[must_use]
    pub fn without_restore(mut self) -> Self {
        self.can_restore = false;
        self
    }

    /// The same world, with other answers than 200. Only 2xx are acceptances.
    #[must_use]
    pub fn answering(mut self, status: fn(&S, ActionId, &S) -> u16) -> Self {
        self.status = status;
        self
    }

    /// The same world, on a service that can be started again, which does this to it.
    #[must_use]
    pub fn starting_anew(mut self, restart: impl FnMut() + 'static) -> Self {
        self.restart = Some(Box::new(restart));
        self
    }

    /// The same world, recording what the engine calls.
    #[must_use]
    pub fn logged(mut self) -> Self {
        self.logging = true;
        self
    }

    fn arrival(&self, context: &Context, effect: Effect, status: u16) -> Arrival<S> {
        Arrival {
            context: context.clone(),
            identity: digest(&self.state),
            checkpoint: self.state.clone(),
            status,
            effect,
            wrote: effect == Effect::Changed,
            record: None,
        }
    }
}

impl<S: Clone + Hash + PartialEq, F: FnMut(&S, ActionId) -> S> World for MockWorld<S, F> {
    type Checkpoint = S;

    async fn begin(&mut self) -> Result<Arrival<S>, WorldError> {
        Ok(self.arrival(&Context::empty(0), Effect::None, 200))
    }

    async fn act(&mut self, action: ActionId, context: &Context) -> Result<Arrival<S>, WorldError> {
        if self.logging {
            self.log.push(MockCall::Act(self.state.clone(), action));
        }
        self.requests += 1;
        let next = (self.rule)(&self.state, action);
        let status = (self.status)(&self.state, action, &next);
        let effect = match (status, next == self.state) {
            (200..300, true) => Effect::Accepted,
            (200..300, false) => Effect::Changed,
            _ => Effect::None,
        };
        self.state = next;
        Ok(self.arrival(context, effect, status))
    }

    async fn restore(&mut self, to: &S) -> Result<(), WorldError> {
        if self.state != *to {
            if self.logging {
                self.log.push(MockCall::Restore(to.clone()));
            }
            self.state = to.clone();
        }
        Ok(())
    }

    async fn renew(&mut self) -> Result<Arrival<S>, WorldError> {
        if self.logging {
            self.log.push(MockCall::Renew);
        }
        if let Some(restart) = &mut self.restart {
            restart();
        }
        self.state = self.initial.clone();
        Ok(self.arrival(&Context::empty(0), Effect::None, 200))
    }

    fn requests(&self) -> u64 {
        self.requests
    }

    fn can_restore(&self) -> bool {
        self.can_restore
    }

    fn starts_anew(&self) -> bool {
        self.restart.is_some()
    }
}

/// A digest with fixed keys, so that a world looks the same in every build.
fn digest(state: &impl Hash) -> Digest {
    struct Spread(u64, u64);
    impl Hasher for Spread {
        fn write(&mut self, bytes: &[u8]) {
            for byte in bytes {
                self.write_u8(*byte);
            }
        }
        fn write_u8(&mut self, byte: u8) {
            self.write_u64(u64::from(byte));
        }
        fn write_u32(&mut self, value: u32) {
            self.write_u64(u64::from(value));
        }
        fn write_u64(&mut self, value: u64) {
            // The engine hashes this digest again, so it only has to differ between states.
            self.0 = (self.0 ^ value)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .rotate_left(29);
            self.1 = (self.1.wrapping_add(value))
                .wrapping_mul(0xd6e8_feb8_6659_fd93)
                .rotate_left(31);
        }
        fn finish(&self) -> u64 {
            self.0
        }
    }
    let mut spread = Spread(1, 2);
    state.hash(&mut spread);
    Digest(u128::from(spread.0) << 64 | u128::from(spread.1))
}
