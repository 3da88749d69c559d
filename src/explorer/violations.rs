//! Findings grouped into violations: one for each cause, with its shortest path.

use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::IndexMap;
use indexmap::map::Entry;

use crate::event::{self, AlsoBy, Confirmation, Exchange, Shrink, ShrinkResult};
use crate::model::{ActionId, Finding, Model, OracleId, PathStep, Severity, StepRecord};

use super::causes::Cause;
use super::explored::Explored;
use super::graph::{Graph, TransitionId};

/// The violations found so far, in the order found.
#[derive(Debug, Default)]
pub(super) struct Violations {
    groups: IndexMap<Cause, Group>,
    /// Causes that are accepted.
    known: BTreeSet<String>,
    /// How many violations are not accepted.
    new_ones: usize,
    worst: Option<Severity>,
}

/// Findings of one cause.
#[derive(Debug)]
struct Group {
    finding: Finding,
    /// Transitions that showed it, at most [`Group::KEPT`]; `None` is the initial state.
    seen: Vec<Option<TransitionId>>,
    /// The shortest path of a regression that still shows it.
    regression: Option<Vec<PathStep>>,
    first_step: u64,
    occurrences: u64,
    /// The actions that showed it, without their parameters.
    actions: IndexMap<String, Showing>,
}

/// How often an action showed a violation.
#[derive(Clone, Copy, Debug)]
struct Showing {
    occurrences: u64,
    /// Steps of the shortest path that it ends.
    steps: u32,
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
    /// In how many transitions it was seen.
    pub(super) occurrences: u64,
    /// See [`event::Violation::cause`].
    pub(super) cause: String,
    /// Whether it is accepted.
    pub(super) is_known: bool,
    /// Actions that showed it as well.
    pub(super) also_by: Vec<AlsoBy>,
    /// Number of the violation that it follows from.
    pub(super) consequence_of: Option<u32>,
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
        let last = self
            .path
            .last()
            .map(|last| &model.action(last.action).base_name);
        let mut also_by = self.also_by.clone();
        also_by.retain(|other| Some(&other.action) != last);
        event::Violation {
            cause: self.cause.clone(),
            also_by,
            consequence_of: self.consequence_of,
            known: self.is_known,
            runs: Vec::new(),
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
    /// Nothing has been found; these causes are accepted.
    pub(super) fn new(known: BTreeSet<String>) -> Self {
        Self {
            known,
            ..Self::default()
        }
    }

    /// Adds a finding of the walk. `at` is the step that showed it, `None` for the initial state; `step` is its number.
    /// Returns the position of the violation, and whether the finding is the first of it.
    pub(super) fn add(
        &mut self,
        model: &Model,
        at: Option<(ActionId, TransitionId, u32)>,
        step: u64,
        finding: Finding,
    ) -> (usize, bool) {
        let (new, position, group) = self.group(model, at.map(|(action, ..)| action), finding);
        group.occurrences += 1;
        if let Some((action, _, steps)) = at {
            let name = model.action(action).base_name.clone();
            let showing = group.actions.entry(name);
            let showing = showing.or_insert(Showing {
                occurrences: 0,
                steps,
            });
            showing.occurrences += 1;
            showing.steps = showing.steps.min(steps);
        }
        if group.first_step == 0 && at.is_some() {
            group.first_step = step;
        }
        if group.seen.len() < Group::KEPT {
            group.seen.push(at.map(|(_, transition, _)| transition));
        }
        (position, new)
    }

    /// Adds what the path of a regression still shows. Returns the position of the violation where the finding is the first
    /// of its kind.
    pub(super) fn add_regression(
        &mut self,
        model: &Model,
        path: Vec<PathStep>,
        finding: Finding,
    ) -> Option<usize> {
        let action = path.last().map(|step| step.action);
        let (new, position, group) = self.group(model, action, finding);
        let is_shorter = |known: &Vec<PathStep>| path.len() < known.len();
        if group.regression.as_ref().is_none_or(is_shorter) {
            group.regression = Some(path);
        }
        new.then_some(position)
    }

    /// The group of a finding, its position, and whether the finding is the first of it.
    fn group(
        &mut self,
        model: &Model,
        action: Option<ActionId>,
        finding: Finding,
    ) -> (bool, usize, &mut Group) {
        let cause = Cause::of(model, action, &finding);
        let is_known = !self.known.is_empty() && self.known.contains(&cause.key());
        match self.groups.entry(cause) {
            Entry::Occupied(group) => (false, group.index(), group.into_mut()),
            Entry::Vacant(place) => {
                if !is_known {
                    self.worst = self.worst.max(Some(finding.severity));
                    self.new_ones += 1;
                }
                let position = place.index();
                let group = place.insert(Group {
                    finding,
                    seen: Vec::new(),
                    regression: None,
                    first_step: 0,
                    occurrences: 0,
                    actions: IndexMap::new(),
                });
                (true, position, group)
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.groups.len()
    }

    /// How many of them are not accepted.
    pub(super) fn new_ones(&self) -> usize {
        self.new_ones
    }

    /// How long the shortest path of each is.
    pub(super) fn lengths(&self, graph: &Graph) -> impl Iterator<Item = u32> {
        let groups = self.groups.values();
        groups.map(|group| {
            let last = group.shortest(graph);
            last.map_or(0, |last| graph.depth(graph.transition(last).from) + 1)
        })
    }

    /// The accepted causes that were not seen.
    pub(super) fn known_not_seen(&self) -> Vec<String> {
        let seen: BTreeSet<String> = self.groups.keys().map(Cause::key).collect();
        self.known.difference(&seen).cloned().collect()
    }

    /// The worst severity found among those that are not accepted.
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
        let (cause, group) = match self.groups.get_index(position) {
            Some((cause, group)) => (cause.key(), group),
            None => unreachable!("positions are those of groups"),
        };
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
            is_known: self.known.contains(&cause),
            cause,
            also_by: (group.actions.iter())
                .map(|(action, showing)| AlsoBy {
                    action: action.clone(),
                    occurrences: showing.occurrences,
                    steps: showing.steps,
                })
                .collect(),
            consequence_of: None,
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
