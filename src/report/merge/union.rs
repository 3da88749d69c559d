//! The union of the states and transitions of several runs, by fingerprint.

use std::collections::{HashMap, VecDeque};

use crate::event::Step;

/// Number of the initial state, as in each run. All merged runs share it.
const INITIAL: u32 = 0;

/// The graph that several runs have seen.
#[derive(Debug)]
pub(super) struct Union {
    /// By fingerprint; the initial state is not among them.
    known: HashMap<String, u32>,
    /// Fingerprints by number. That of the initial state is not used.
    fingerprints: Vec<String>,
    /// By state, action and state.
    steps: HashMap<(u32, u32, u32), Step>,
}

/// The same graph with numbers that do not depend on the order of the runs.
#[derive(Debug, Default)]
pub(super) struct Numbered {
    /// One for each transition, from the initial state outwards.
    pub(super) steps: Vec<Step>,
    /// Greatest depth of a state, in steps.
    pub(super) deepest: u32,
    /// Distinct pairs of a state and an action.
    pub(super) pairs: u64,
}

impl Union {
    pub(super) fn new() -> Self {
        Self {
            known: HashMap::new(),
            fingerprints: vec![String::new()],
            steps: HashMap::new(),
        }
    }

    /// States known, the initial one included.
    pub(super) fn states(&self) -> u64 {
        self.fingerprints.len() as u64
    }

    /// Adds the steps of a run.
    pub(super) fn add(&mut self, steps: Vec<Step>) {
        let mut numbers: HashMap<u32, u32> = HashMap::from([(INITIAL, INITIAL)]);
        for step in steps {
            // In a log that is whole, each step begins in a state that an earlier step reached. In another log, the unknown
            // state is identified by its number.
            let from = match numbers.get(&step.from) {
                Some(from) => *from,
                None => self.number(&format!("state {}", step.from)),
            };
            let to = match numbers.get(&step.to) {
                Some(to) => *to,
                None => self.number(&step.fingerprint),
            };
            numbers.insert(step.from, from);
            numbers.insert(step.to, to);
            let kept = self.steps.entry((from, step.action, to));
            kept.and_modify(|known| {
                // Any rule will do that does not ask who came first.
                if content(&step) < content(known) {
                    *known = step.clone();
                }
            })
            .or_insert(step);
        }
    }

    fn number(&mut self, fingerprint: &str) -> u32 {
        if let Some(number) = self.known.get(fingerprint) {
            return *number;
        }
        let number = self.fingerprints.len() as u32;
        self.fingerprints.push(fingerprint.to_owned());
        self.known.insert(fingerprint.to_owned(), number);
        number
    }

    /// Numbers states and steps: breadth first, actions in the order of the spec.
    pub(super) fn numbered(self) -> Numbered {
        let mut away: Vec<Vec<(u32, u32)>> = vec![Vec::new(); self.fingerprints.len()];
        for (from, action, to) in self.steps.keys() {
            away[*from as usize].push((*action, *to));
        }
        let name = |state: u32| &self.fingerprints[state as usize];
        for ways in &mut away {
            ways.sort_unstable_by(|(one, to_one), (other, to_other)| {
                (one, name(*to_one)).cmp(&(other, name(*to_other)))
            });
        }
        // What cannot be reached, in a log that somebody has cut, comes behind what can.
        let mut roots: Vec<u32> = (0..away.len() as u32).collect();
        roots.sort_unstable_by_key(|state| name(*state));
        let mut steps = self.steps;
        let mut numbered = Numbered::default();
        let mut numbers: Vec<Option<(u32, u32)>> = vec![None; away.len()];
        let mut next = 0..;
        let mut queue = VecDeque::new();
        for root in roots {
            if numbers[root as usize].is_none() {
                numbers[root as usize] = next.next().map(|number| (number, 0));
                queue.push_back(root);
            }
            while let Some(state) = queue.pop_front() {
                let Some((from, depth)) = numbers[state as usize] else {
                    continue;
                };
                let mut last = None;
                for (action, to) in &away[state as usize] {
                    numbered.pairs += u64::from(last != Some(*action));
                    last = Some(*action);
                    let known = &mut numbers[*to as usize];
                    let new_state = known.is_none();
                    let (number, _) = *known.get_or_insert_with(|| {
                        queue.push_back(*to);
                        (next.next().unwrap_or_default(), depth + 1)
                    });
                    if new_state {
                        numbered.deepest = numbered.deepest.max(depth + 1);
                    }
                    if let Some(step) = steps.remove(&(state, *action, *to)) {
                        numbered.steps.push(Step {
                            step: numbered.steps.len() as u64 + 1,
                            from,
                            to: number,
                            new_state,
                            ..step
                        });
                    }
                }
            }
        }
        numbered
    }
}

/// A step without the numbers that its run assigned.
fn content(step: &Step) -> String {
    let content = (
        step.status,
        &step.fingerprint,
        &step.judged,
        &step.broken,
        &step.exchange,
    );
    serde_json::to_string(&content).unwrap_or_default()
}
