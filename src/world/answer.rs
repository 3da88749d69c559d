//! What a read-only action answered, for comparing it with another answer.

use crate::model::{ActionId, Digest, Response};

/// What a read-only action answered in some state: status and body, as digests.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    action: ActionId,
    status: u16,
    body: Digest,
    in_any_order: Digest,
}

/// How much two answers of an action are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Likeness {
    /// The same, byte for byte, but for the blanks of JSON.
    Same,
    /// The members of some list come in another order.
    Reordered,
    /// Something else.
    Different,
}

impl Answer {
    /// What is kept of an answer.
    pub(super) fn new(action: ActionId, response: &Response) -> Self {
        let body = &response.body;
        Self {
            action,
            status: response.status,
            body: Digest::from_hash(&blake3::hash(&body.bytes)),
            in_any_order: body.digest_in_any_order(),
        }
    }

    /// The action.
    pub(super) fn action(&self) -> ActionId {
        self.action
    }

    /// Status of the answer.
    pub(super) fn status(&self) -> u16 {
        self.status
    }

    /// How much both are alike.
    pub(super) fn likeness(&self, other: &Self) -> Likeness {
        if self.status != other.status || self.in_any_order != other.in_any_order {
            Likeness::Different
        } else if self.body == other.body {
            Likeness::Same
        } else {
            Likeness::Reordered
        }
    }

    /// Whether both are the same answer, but for the order of lists.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.likeness(other) != Likeness::Different
    }
}
