//! Why a merged run ended.

use crate::event::{Part, Stop};

/// The worst reason of all parts. Where all parts ended regularly: what they reached together, in so many states.
pub(super) fn stop(parts: &[Part], states: u64) -> Stop {
    let stops = || parts.iter().map(|part| &part.stop);
    let failed = stops()
        .filter(|stop| matches!(stop, Stop::Failed { .. }))
        .min_by_key(|stop| serde_json::to_string(stop).unwrap_or_default());
    let bad = failed
        .or_else(|| stops().find(|stop| **stop == Stop::CutOff))
        .or_else(|| stops().find(|stop| **stop == Stop::Interrupted));
    if let Some(bad) = bad {
        return bad.clone();
    }
    complete(parts, states).unwrap_or_else(|| {
        let mut reasons = stops();
        match reasons.next() {
            Some(first) if reasons.all(|other| other == first) && !is_complete(first) => {
                first.clone()
            }
            _ => Stop::Several,
        }
    })
}

fn is_complete(stop: &Stop) -> bool {
    matches!(stop, Stop::Complete { .. })
}

/// Whether some part visited every state. A part did not if another part was in states that the first does not know: then the
/// two services differ, and the number of all states is unknown.
fn complete(parts: &[Part], states: u64) -> Option<Stop> {
    let whole = |depth_limited: bool| {
        parts
            .iter()
            .filter(move |part| part.stop == Stop::Complete { depth_limited })
            .any(|part| part.states == states)
    };
    [false, true]
        .into_iter()
        .find(|depth_limited| whole(*depth_limited))
        .map(|depth_limited| Stop::Complete { depth_limited })
}
