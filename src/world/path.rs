//! The steps that lead to a state, for ways back that walk them again.

use std::sync::Arc;

use crate::model::{ActionId, Context, Digest};

/// The steps from the initial state, the newest first; each is shared by all paths that go on from it.
#[derive(Clone, Debug, Default)]
pub(super) struct Path(Option<Arc<PathStep>>);

/// One step of a path, and the state it led to.
#[derive(Debug)]
pub(super) struct PathStep {
    before: Path,
    /// What ran.
    pub(super) action: ActionId,
    /// Status of the answer.
    pub(super) status: u16,
    /// Identity of the state after the step.
    pub(super) identity: Digest,
    /// Context of the state after the step.
    pub(super) context: Context,
}

impl Path {
    /// The path after one more step.
    pub(super) fn then(
        &self,
        action: ActionId,
        status: u16,
        identity: Digest,
        context: Context,
    ) -> Self {
        Self(Some(Arc::new(PathStep {
            before: self.clone(),
            action,
            status,
            identity,
            context,
        })))
    }

    /// Whether both are one and the same walk, so that they end in the same place.
    pub(super) fn same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// The steps in the order they were taken.
    pub(super) fn steps(&self) -> Vec<Arc<PathStep>> {
        let mut steps: Vec<Arc<PathStep>> =
            std::iter::successors(self.0.clone(), |step| step.before.0.clone()).collect();
        steps.reverse();
        steps
    }
}

impl Drop for Path {
    /// Step by step: a walk may be longer than the stack is deep.
    fn drop(&mut self) {
        let mut next = self.0.take();
        while let Some(step) = next {
            next = Arc::into_inner(step).and_then(|mut step| step.before.0.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_very_long_path_is_dropped_without_a_deep_stack() {
        let mut path = Path::default();
        for _ in 0..300_000 {
            path = path.then(ActionId(0), 200, Digest::default(), Context::empty(0));
        }
        drop(path);
    }
}
