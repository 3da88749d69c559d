//! Equal findings grouped: one violation for each oracle, kind of finding and action, with its shortest path.

use indexmap::IndexMap;

use crate::model::{
    ActionId, Confirmation, Finding, Model, OracleId, PathStep, Severity, Shrink, ShrinkResult,
    Violation,
};

use super::graph::{Graph, TransitionId};

/// The violations found so far, in the order found.
#[derive(Debug, Default)]
pub(super) struct Violations {
    groups: IndexMap<(OracleId, String, String), Group>,
    worst: Option<Severity>,
}

/// Findings of one kind of one oracle about one action, whatever its parameters.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) finding: Finding,
    /// Transitions that showed it, at most [`Group::KEPT`]; `None` is the initial state.
    seen: Vec<Option<TransitionId>>,
    /// A path that an earlier run found and that still shows it.
    known: Option<Vec<PathStep>>,
    first_step: u64,
    occurrences: u64,
}

impl Group {
    /// Occurrences remembered to choose the shortest path from.
    const KEPT: usize = 64;

    /// The occurrence with the shortest path.
    pub(super) fn shortest(&self, graph: &Graph) -> Option<TransitionId> {
        self.seen
            .iter()
            .copied()
            .min_by_key(|seen| seen.map(|id| graph.depth(graph.transition(id).from)))
            .flatten()
    }
}

impl Violations {
    /// Takes a finding in; says whether it is the first of its kind, and its number.
    pub(super) fn add(
        &mut self,
        model: &Model,
        action: Option<ActionId>,
        at: Option<TransitionId>,
        step: u64,
        finding: Finding,
    ) -> Option<usize> {
        let culprit = action.map_or(String::new(), |id| model.action(id).base_name.clone());
        let key = (finding.oracle, finding.kind.clone(), culprit);
        if let Some(group) = self.groups.get_mut(&key) {
            group.occurrences += 1;
            if group.first_step == 0 && at.is_some() {
                group.first_step = step;
            }
            if group.seen.len() < Group::KEPT {
                group.seen.push(at);
            }
            return None;
        }
        self.worst = self.worst.max(Some(finding.severity));
        let group = Group {
            finding,
            seen: vec![at],
            known: None,
            first_step: step,
            occurrences: 1,
        };
        Some(self.groups.insert_full(key, group).0)
    }

    /// Takes in what an earlier run found and what still happens; says whether it is the first of its kind, and its number.
    pub(super) fn add_regression(
        &mut self,
        model: &Model,
        path: Vec<PathStep>,
        finding: Finding,
    ) -> Option<usize> {
        let culprit = path.last().map_or(String::new(), |step| {
            model.action(step.action).base_name.clone()
        });
        let key = (finding.oracle, finding.kind.clone(), culprit);
        if let Some(group) = self.groups.get_mut(&key) {
            let is_shorter = |known: &Vec<PathStep>| path.len() < known.len();
            if group.known.as_ref().is_none_or(is_shorter) {
                group.known = Some(path);
            }
            return None;
        }
        self.worst = self.worst.max(Some(finding.severity));
        let group = Group {
            finding,
            seen: Vec::new(),
            known: Some(path),
            first_step: 0,
            occurrences: 0,
        };
        Some(self.groups.insert_full(key, group).0)
    }

    pub(super) fn len(&self) -> usize {
        self.groups.len()
    }

    /// The worst severity found.
    pub(super) fn worst(&self) -> Option<Severity> {
        self.worst
    }

    /// What an oracle said when it was first heard.
    pub(super) fn said_by(&self, oracle: OracleId) -> Option<&Finding> {
        self.groups
            .values()
            .map(|group| &group.finding)
            .find(|finding| finding.oracle == oracle)
    }

    pub(super) fn get(&self, index: usize) -> &Group {
        &self.groups[index]
    }

    /// A violation with the shortest path known; without records, unless an earlier run found it.
    pub(super) fn violation(&self, index: usize, graph: &Graph) -> Violation {
        let group = self.get(index);
        let walked: Vec<PathStep> = group.shortest(graph).map_or_else(Vec::new, |last| {
            let before = graph.path_to(graph.transition(last).from);
            let step = |id| PathStep {
                action: graph.transition(id).action,
                record: None,
            };
            before.into_iter().chain([last]).map(step).collect()
        });
        let path = match &group.known {
            // The initial state is broken, or the walk found a way that is at least as short.
            Some(known) if group.seen.is_empty() || known.len() < walked.len() => known.clone(),
            _ => walked,
        };
        let not_over = "the run is not over".to_owned();
        Violation {
            number: index as u32 + 1,
            finding: group.finding.clone(),
            action: path.last().map(|last| last.action),
            first_step: group.first_step,
            occurrences: group.occurrences,
            shrink: Shrink {
                found_length: path.len() as u32,
                requests: 0,
                result: ShrinkResult::NotTried(not_over.clone()),
            },
            confirmation: Confirmation::NotTried(not_over),
            path,
        }
    }
}
