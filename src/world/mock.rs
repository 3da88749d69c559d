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

    /// The same world, recording what the engine calls.
    #[must_use]
    pub fn logged(mut self) -> Self {
        self.logging = true;
        self
    }

    fn arrival(&self, context: &Context, effect: Effect) -> Arrival<S> {
        Arrival {
            context: context.clone(),
            identity: digest(&self.state),
            checkpoint: self.state.clone(),
            status: 200,
            effect,
            wrote: effect == Effect::Changed,
            record: None,
        }
    }
}

impl<S: Clone + Hash + PartialEq, F: FnMut(&S, ActionId) -> S> World for MockWorld<S, F> {
    type Checkpoint = S;

    async fn begin(&mut self) -> Result<Arrival<S>, WorldError> {
        Ok(self.arrival(&Context::empty(0), Effect::None))
    }

    async fn act(&mut self, action: ActionId, context: &Context) -> Result<Arrival<S>, WorldError> {
        if self.logging {
            self.log.push(MockCall::Act(self.state.clone(), action));
        }
        self.requests += 1;
        let next = (self.rule)(&self.state, action);
        let effect = if next == self.state {
            Effect::Accepted
        } else {
            Effect::Changed
        };
        self.state = next;
        Ok(self.arrival(context, effect))
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
        self.state = self.initial.clone();
        Ok(self.arrival(&Context::empty(0), Effect::None))
    }

    fn requests(&self) -> u64 {
        self.requests
    }

    fn can_restore(&self) -> bool {
        self.can_restore
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
