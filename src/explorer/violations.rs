//! Findings grouped into violations: one for each oracle, kind of finding and action, with its shortest path.

use std::sync::Arc;

use indexmap::IndexMap;
use indexmap::map::Entry;

use crate::event::{self, Confirmation, Exchange, Shrink, ShrinkResult};
use crate::model::{ActionId, Finding, Model, OracleId, PathStep, Severity, StepRecord};

use super::explored::Explored;
use super::graph::{Graph, TransitionId};

/// The violations found so far, in the order found.
#[derive(Debug, Default)]
pub(super) struct Violations {
    groups: IndexMap<(OracleId, String, String), Group>,
    worst: Option<Severity>,
}

/// Findings of one kind, by one oracle, about one action whatever its parameters.
#[derive(Debug)]
struct Group {
    finding: Finding,
    /// Transitions that showed it, at most [`Group::KEPT`]; `None` is the initial state.
    seen: Vec<Option<TransitionId>>,
    /// The shortest path of a regression that still shows it.
    regression: Option<Vec<PathStep>>,
    first_step: u64,
    occurrences: u64,
}

impl Group {
    /// Occurrences that are kept; the shortest path is chosen among them.
    const KEPT: usize = 64;

    /// The transition with the shortest path.
    fn shortest(&self, graph: &Graph) -> Option<TransitionId> {
        self.seen
            .iter()
            .copied()
            .min_by_key(|seen| seen.map(|id| graph.depth(graph.transition(id).from)))
            .flatten()
    }
}

/// A bug: the findings of a group, with a path that shows them.
#[derive(Clone, Debug)]
pub(super) struct Violation {
    /// Number in the order found, from 1.
    pub(super) number: u32,
    /// The finding on the path.
    pub(super) finding: Finding,
    /// At which step of the run it was first seen.
    pub(super) first_step: u64,
    /// In how many transitions the same action broke the same thing.
    pub(super) occurrences: u64,
    /// The shortest path known, the breaking step last. Records are from the last attempt in which it happened again,
    /// where there was one.
    pub(super) path: Vec<PathStep>,
    /// How that path was made short.
    pub(super) shrink: Shrink,
    /// Whether it happened again when the path was run from the initial state.
    pub(super) confirmation: Confirmation,
}

impl Violation {
    /// The violation in the names of the model.
    pub(super) fn event(&self, model: &Model) -> event::Violation {
        let finding = &self.finding;
        let name = |id| model.action(id).name.clone();
        event::Violation {
            number: self.number,
            oracle: finding.oracle.into(),
            name: finding.name.to_string(),
            severity: finding.severity,
            message: finding.message.clone(),
            action: self.path.last().map(|last| name(last.action)),
            first_step: self.first_step,
            occurrences: self.occurrences,
            kind: finding.kind.clone(),
            shrink: self.shrink.clone(),
            confirmation: self.confirmation.clone(),
            evidence: finding.evidence.clone(),
            path: self
                .path
                .iter()
                .map(|step| event::PathStep {
                    action: name(step.action),
                    exchange: step.record.as_deref().map(Exchange::of),
                })
                .collect(),
            replay: None,
        }
    }
}

impl Violations {
    /// Adds a finding of the walk. `at` is the step that showed it, `None` for the initial state; `step` is its number.
    /// Returns the position of the violation where the finding is the first of its kind.
    pub(super) fn add(
        &mut self,
        model: &Model,
        at: Option<(ActionId, TransitionId)>,
        step: u64,
        finding: Finding,
    ) -> Option<usize> {
        let (new, group) = self.group(model, at.map(|(action, _)| action), finding);
        group.occurrences += 1;
        if group.first_step == 0 && at.is_some() {
            group.first_step = step;
        }
        if group.seen.len() < Group::KEPT {
            group.seen.push(at.map(|(_, transition)| transition));
        }
        new
    }

    /// Adds what the path of a regression still shows. Returns the position of the violation where the finding is the first
    /// of its kind.
    pub(super) fn add_regression(
        &mut self,
        model: &Model,
        path: Vec<PathStep>,
        finding: Finding,
    ) -> Option<usize> {
        let (new, group) = self.group(model, path.last().map(|step| step.action), finding);
        let is_shorter = |known: &Vec<PathStep>| path.len() < known.len();
        if group.regression.as_ref().is_none_or(is_shorter) {
            group.regression = Some(path);
        }
        new
    }

    /// The group of a finding, and its position where the finding is the first of it.
    fn group(
        &mut self,
        model: &Model,
        action: Option<ActionId>,
        finding: Finding,
    ) -> (Option<usize>, &mut Group) {
        let base_name = action.map_or(String::new(), |id| model.action(id).base_name.clone());
        match (self.groups).entry((finding.oracle, finding.kind.clone(), base_name)) {
            Entry::Occupied(group) => (None, group.into_mut()),
            Entry::Vacant(place) => {
                self.worst = self.worst.max(Some(finding.severity));
                let position = place.index();
                let group = place.insert(Group {
                    finding,
                    seen: Vec::new(),
                    regression: None,
                    first_step: 0,
                    occurrences: 0,
                });
                (Some(position), group)
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.groups.len()
    }

    /// The worst severity found.
    pub(super) fn worst(&self) -> Option<Severity> {
        self.worst
    }

    /// The first finding of an oracle.
    pub(super) fn first_of(&self, oracle: OracleId) -> Option<&Finding> {
        self.groups
            .values()
            .map(|group| &group.finding)
            .find(|finding| finding.oracle == oracle)
    }

    /// The violation at a position, with the shortest path known. Only the path of a regression has records.
    pub(super) fn violation(&self, position: usize, graph: &Graph) -> Violation {
        self.build(position, graph, |_| None)
    }

    /// All violations, each with the shortest path known and its records.
    pub(super) fn all<C: Clone>(&self, explored: &Explored<C>) -> Vec<Violation> {
        let record = |id| explored.step_record(id);
        (0..self.len())
            .map(|position| self.build(position, explored.graph(), record))
            .collect()
    }

    fn build(
        &self,
        position: usize,
        graph: &Graph,
        record: impl Fn(TransitionId) -> Option<Arc<StepRecord>>,
    ) -> Violation {
        let group = &self.groups[position];
        let walked: Vec<PathStep> = group.shortest(graph).map_or_else(Vec::new, |last| {
            let before = graph.path_to(graph.transition(last).from);
            let step = |id| PathStep {
                action: graph.transition(id).action,
                record: record(id),
            };
            before.into_iter().chain([last]).map(step).collect()
        });
        let path = match &group.regression {
            // Otherwise the initial state shows it, or the walk found a path that is at least as short.
            Some(known) if group.seen.is_empty() || known.len() < walked.len() => known.clone(),
            _ => walked,
        };
        let not_over = "the run is not over";
        Violation {
            number: position as u32 + 1,
            finding: group.finding.clone(),
            first_step: group.first_step,
            occurrences: group.occurrences,
            shrink: Shrink {
                found_length: path.len() as u32,
                requests: 0,
                result: ShrinkResult::NotTried,
                reason: Some(not_over.to_owned()),
            },
            confirmation: Confirmation::not_tried(not_over),
            path,
        }
    }
}
