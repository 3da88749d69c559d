//! Merges runs over one spec.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::super::RunReport;
use super::super::violation_text;
use super::stop;
use super::union::Union;
use crate::event::{
    Action, ActionTally, AlsoBy, ConfirmationResult, Figures, Finished, Invariant, InvariantTally,
    Limits, Merges, OracleKind, Part, Regression, RegressionOutcome, SpecName, Started, Stop, Time,
    VERSION, Violation, Warning,
};

/// Code of the warning that states could not be united.
const APART: &str = "merged-states-apart";

/// Runs over the same spec.
#[derive(Debug)]
pub(super) struct Group {
    /// The only run so far, as it is.
    single: Option<RunReport>,
    /// The sum, once there is more than one run.
    sum: Option<Box<Sum>>,
    names: Vec<String>,
}

/// The identity of a spec: its name, its actions and its invariants.
pub(super) fn names(run: &RunReport) -> impl Iterator<Item = &str> {
    let started = &run.started;
    [started.spec.name.as_str()]
        .into_iter()
        .chain(started.actions.iter().map(|action| action.name.as_str()))
        // No action has this name: it separates the two lists.
        .chain(["\0"])
        .chain(started.invariants.iter().map(|known| known.name.as_str()))
}

impl Group {
    pub(super) fn new(run: RunReport) -> Self {
        Self {
            names: names(&run).map(str::to_owned).collect(),
            single: Some(run),
            sum: None,
        }
    }

    /// Whether the run belongs to the spec of this group.
    pub(super) fn takes(&self, run: &RunReport) -> bool {
        names(run).eq(self.names.iter().map(String::as_str))
    }

    pub(super) fn add(&mut self, run: RunReport) {
        if let Some(first) = self.single.take() {
            self.sum = Some(Box::new(Sum::new(first)));
        }
        if let Some(sum) = &mut self.sum {
            sum.add(run);
        }
    }

    pub(super) fn into_report(self) -> RunReport {
        match (self.single, self.sum) {
            (Some(run), _) => run,
            (None, Some(sum)) => sum.into_report(),
            (None, None) => unreachable!("a group begins with a run"),
        }
    }
}

/// A violation of several runs.
#[derive(Debug)]
struct Found {
    violation: Violation,
    /// The runs that found it, as positions in [`Sum::parts`].
    runs: Vec<usize>,
    /// The cause of the violation from which it follows in each run that found it.
    follows_from: Option<String>,
}

/// The sum of several runs.
#[derive(Debug)]
struct Sum {
    spec: SpecName,
    actions: Vec<Action>,
    invariants: Vec<Invariant>,
    parts: Vec<Part>,
    union: Union,
    tallies: Vec<ActionTally>,
    judged: Vec<InvariantTally>,
    unchanged_steps: u64,
    merges: Merges,
    violations: BTreeMap<(OracleKind, String, String, String), Found>,
    warnings: Vec<Warning>,
    corpus: Vec<Regression>,
    /// Causes of baselines that none of the runs saw.
    known_not_seen: Option<Vec<String>>,
    /// One of each run; see [`Finished::process_unknown`].
    process_unknown: Vec<Option<String>>,
    time: Time,
}

impl Sum {
    fn new(run: RunReport) -> Self {
        let started = &run.started;
        let mut sum = Self {
            spec: started.spec.clone(),
            actions: started.actions.clone(),
            invariants: started.invariants.clone(),
            parts: Vec::new(),
            union: Union::new(),
            tallies: vec![ActionTally::default(); started.actions.len()],
            judged: Vec::new(),
            unchanged_steps: 0,
            merges: Merges::default(),
            violations: BTreeMap::new(),
            warnings: Vec::new(),
            corpus: Vec::new(),
            known_not_seen: None,
            process_unknown: Vec::new(),
            time: Time::default(),
        };
        sum.add(run);
        sum
    }

    fn add(&mut self, run: RunReport) {
        let begins = self.parts.len();
        for found in &run.summary.violations {
            self.violation(&run, found, begins);
        }
        let mut run = run;
        self.union.add(std::mem::take(&mut run.steps));
        let parts = std::mem::take(&mut run.started.merged);
        if parts.is_empty() {
            self.parts.push(part(&run));
        } else {
            self.parts.extend(parts);
        }
        let Started {
            spec,
            actions,
            invariants,
            ..
        } = run.started;
        // Places may differ between versions of a spec: which of them is kept must not depend on the order of the runs.
        let places = |spec: &SpecName, actions: &[Action], invariants: &[Invariant]| {
            serde_json::to_string(&(&spec.path, actions, invariants)).unwrap_or_default()
        };
        // An action counts where one of the runs could take it.
        let off: Vec<bool> = (self.actions.iter().zip(&actions))
            .map(|(one, other)| one.switched_off && other.switched_off)
            .collect();
        if places(&spec, &actions, &invariants)
            < places(&self.spec, &self.actions, &self.invariants)
        {
            (self.spec, self.actions, self.invariants) = (spec, actions, invariants);
        }
        for (action, is_off) in self.actions.iter_mut().zip(off) {
            action.switched_off = is_off;
        }
        for (sum, seen) in self.tallies.iter_mut().zip(run.summary.actions) {
            add_tally(sum, seen);
        }
        let seen = run.summary.invariants;
        let known = self.judged.len().max(seen.len());
        self.judged.resize(known, InvariantTally::default());
        for (sum, seen) in self.judged.iter_mut().zip(seen) {
            sum.judged += seen.judged;
            sum.unjudged += seen.unjudged;
        }
        self.unchanged_steps += run.summary.unchanged_steps;
        self.merges.add(run.summary.merges);
        for warning in run.summary.warnings {
            // This warning is computed anew for all runs together.
            if warning.code != APART && !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
        for regression in run.summary.corpus {
            self.regression(regression);
        }
        self.process_unknown.push(run.summary.process_unknown);
        let not_seen = run.summary.known_not_seen;
        match &mut self.known_not_seen {
            None => self.known_not_seen = Some(not_seen),
            Some(known) => known.retain(|cause| not_seen.contains(cause)),
        }
        add_time(&mut self.time, &run.summary.time);
    }

    /// Adds a violation of a run whose parts begin at a position.
    fn violation(&mut self, run: &RunReport, found: &Violation, begins: usize) {
        // A log of a venomqa that knew no causes has the action instead.
        let cause = match &*found.cause {
            "" => violation_text::base_action(run, found).unwrap_or_default(),
            cause => cause,
        };
        let key = (
            found.oracle,
            found.name.clone(),
            found.kind.clone(),
            cause.to_owned(),
        );
        let parts: Vec<usize> = match &*found.runs {
            [] => vec![begins],
            runs => (runs.iter())
                .map(|number| begins + (*number as usize).saturating_sub(1))
                .collect(),
        };
        let mut all = run.summary.violations.iter();
        let root = all.find(|other| Some(other.number) == found.consequence_of);
        let follows_from = root.map(|root| root.cause.clone());
        let mut found = found.clone();
        found
            .also_by
            .sort_by(|one, other| one.action.cmp(&other.action));
        let Some(sum) = self.violations.get_mut(&key) else {
            let sum = Found {
                violation: found,
                runs: parts,
                follows_from,
            };
            self.violations.insert(key, sum);
            return;
        };
        sum.runs.extend(parts);
        sum.follows_from = (sum.follows_from.take()).filter(|it| Some(it) == follows_from.as_ref());
        let known = &mut sum.violation;
        let occurrences = known.occurrences + found.occurrences;
        // 0 where the walk did not see the violation and only its reproduction failed.
        let first_step = match (known.first_step, found.first_step) {
            (0, step) | (step, 0) => step,
            (one, other) => one.min(other),
        };
        let mut also_by = std::mem::take(&mut known.also_by);
        add_actions(&mut also_by, &found.also_by);
        let is_known = known.known && found.known;
        if better(&found) < better(known) {
            *known = found;
        }
        known.occurrences = occurrences;
        known.first_step = first_step;
        known.also_by = also_by;
        known.known = is_known;
    }

    fn regression(&mut self, tried: Regression) {
        let same = |regression: &&mut Regression| {
            (
                &regression.file,
                regression.oracle,
                &regression.name,
                &regression.action,
            ) == (&tried.file, tried.oracle, &tried.name, &tried.action)
        };
        match self.corpus.iter_mut().find(same) {
            Some(regression) if rank(&tried) < rank(regression) => *regression = tried,
            Some(_) => {}
            None => self.corpus.push(tried),
        }
    }

    /// The positions of the parts in an order that does not depend on that of the runs.
    fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.parts.len()).collect();
        order.sort_by_cached_key(|position| {
            let part = &self.parts[*position];
            // Parts that are equal in all else differ in what they found.
            let found = self.violations.iter();
            let found: Vec<_> = found
                .filter(|(_, found)| found.runs.contains(position))
                .map(|(key, _)| key.clone())
                .collect();
            (
                part.strategy.clone(),
                part.seed,
                serde_json::to_string(part).unwrap_or_default(),
                found,
            )
        });
        order
    }

    fn into_report(mut self) -> RunReport {
        let order = self.order();
        self.parts = (order.iter())
            .map(|position| self.parts[*position].clone())
            .collect();
        let number = |position: usize| {
            let mut at = order.iter();
            at.position(|other| *other == position)
                .map(|place| place as u32 + 1)
        };
        let initial: Vec<&String> =
            sorted(self.parts.iter().filter_map(|part| part.initial.as_ref()));
        if initial.len() > 1 {
            self.warnings.push(apart(initial.len()));
        }
        let initial = initial.first().map(|fingerprint| (*fingerprint).clone());
        self.warnings.sort_by(|one, other| {
            (!one.untrusted, &one.code, &one.message, &one.help).cmp(&(
                !other.untrusted,
                &other.code,
                &other.message,
                &other.help,
            ))
        });
        self.corpus
            .sort_by_cached_key(|regression| serde_json::to_string(regression).unwrap_or_default());
        let states = if initial.is_some() {
            self.union.states()
        } else {
            0
        };
        let graph = self.union.numbered();
        for sum in &mut self.tallies {
            sum.new_states = 0;
        }
        for step in graph.steps.iter().filter(|step| step.new_state) {
            if let Some(sum) = self.tallies.get_mut(step.action as usize) {
                sum.new_states += 1;
            }
        }
        let stop = stop::stop(&self.parts, states);
        let untried = match stop {
            Stop::Complete {
                depth_limited: false,
            } => 0,
            _ => self.parts.iter().map(|part| part.untried).sum(),
        };
        let violations = numbered(self.violations.into_values(), number);
        let limits = limits(&self.parts);
        let counted = self.actions.iter().zip(&self.tallies);
        let counted = counted.filter(|(action, _)| action.counts());
        let ran = counted.clone().filter(|(_, sum)| sum.runs > 0).count();
        let able = counted.count();
        let figures = Figures {
            step: self.parts.iter().map(|part| part.steps).sum(),
            max_steps: limits.max_steps,
            states,
            coverage: if able == 0 {
                0.0
            } else {
                ran as f64 / able as f64
            },
            violations: violations.len() as u64,
        };
        // Each part has its own error; readers of the report expect one, so the first is kept.
        let mut cleanups: Vec<_> = self
            .parts
            .iter()
            .filter_map(|part| part.cleanup.clone())
            .collect();
        cleanups.sort_by_key(|error| error.message.clone());
        RunReport {
            started: started(self.spec, self.actions, self.invariants, limits, self.parts),
            initial,
            steps: graph.steps,
            summary: Finished {
                figures,
                stop,
                transitions: graph.pairs,
                untried,
                postponed: 0,
                repetitions: 0,
                merges: self.merges,
                deepest: graph.deepest,
                unchanged_steps: self.unchanged_steps,
                actions: self.tallies,
                invariants: self.judged,
                violations,
                warnings: self.warnings,
                known_not_seen: self.known_not_seen.unwrap_or_default(),
                // Where one of them has looked, it is known.
                process_unknown: (self.process_unknown.into_iter())
                    .collect::<Option<Vec<String>>>()
                    .and_then(|all| all.into_iter().next()),
                corpus: self.corpus,
                time: self.time,
            },
            cleanup: cleanups.into_iter().next(),
        }
    }
}

fn part(run: &RunReport) -> Part {
    let started = &run.started;
    Part {
        started_at: started.started_at.clone(),
        strategy: started.strategy.clone(),
        seed: started.seed,
        limits: started.limits.clone(),
        repeat: started.repeat.clone(),
        initial: run.initial.clone(),
        steps: run.summary.figures.step,
        states: run.summary.figures.states,
        untried: run.summary.untried,
        stop: run.summary.stop.clone(),
        cleanup: run.cleanup.clone(),
    }
}

/// The violations, the worst first, with new numbers. `number` is that of the run at a position.
fn numbered(
    all: impl Iterator<Item = Found>,
    number: impl Fn(usize) -> Option<u32>,
) -> Vec<Violation> {
    let mut follow = BTreeMap::new();
    let mut violations: Vec<Violation> = Vec::new();
    for found in all {
        let mut violation = found.violation;
        violation.runs = sorted(found.runs.into_iter().filter_map(&number));
        if let Some(root) = found.follows_from {
            follow.insert(violation.cause.clone(), root);
        }
        violations.push(violation);
    }
    // Those of equal severity and length stay in the order of their keys.
    violations.sort_by_key(|found| (Reverse(found.severity), found.path.len()));
    for (number, found) in (1..).zip(&mut violations) {
        found.number = number;
    }
    let numbers: BTreeMap<String, u32> = (violations.iter())
        .map(|found| (found.cause.clone(), found.number))
        .collect();
    for found in &mut violations {
        let root = follow.get(&found.cause);
        found.consequence_of = root.and_then(|root| numbers.get(root)).copied();
    }
    violations
}

/// Adds the actions of another run that showed the same violation.
fn add_actions(sum: &mut Vec<AlsoBy>, others: &[AlsoBy]) {
    for other in others {
        match sum.iter_mut().find(|known| known.action == other.action) {
            Some(known) => {
                known.occurrences += other.occurrences;
                known.steps = known.steps.min(other.steps);
            }
            None => sum.push(other.clone()),
        }
    }
    sum.sort_by(|one, other| one.action.cmp(&other.action));
}

/// Each once, in order.
fn sorted<T: Ord>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut all: Vec<T> = all.collect();
    all.sort();
    all.dedup();
    all
}

fn apart(number: usize) -> Warning {
    Warning {
        code: APART.to_owned(),
        message: format!(
            "the merged runs begin in {number} different initial states, so that a state that two of them were in may be counted twice"
        ),
        help: Some(
            "leave values that differ on each run out of the identity: `state_from_context`, `ignore_columns`"
                .to_owned(),
        ),
        untrusted: false,
    }
}

fn started(
    spec: SpecName,
    actions: Vec<Action>,
    invariants: Vec<Invariant>,
    limits: Limits,
    parts: Vec<Part>,
) -> Started {
    let all = |text: fn(&Part) -> &String, between: &str| {
        let texts: Vec<&str> = sorted(parts.iter().map(text).map(String::as_str));
        texts.join(between)
    };
    Started {
        version: VERSION,
        venomqa: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: parts
            .iter()
            .map(|part| part.started_at.clone())
            .min()
            .unwrap_or_default(),
        spec,
        strategy: all(|part| &part.strategy, ", "),
        seed: parts.iter().map(|part| part.seed).min().unwrap_or_default(),
        limits,
        repeat: all(|part| &part.repeat, "; "),
        actions,
        invariants,
        merged: parts,
    }
}

/// The limits of a merged run: the steps add up; another limit is kept where all parts agree on it.
fn limits(parts: &[Part]) -> Limits {
    fn agreed<T: PartialEq + Copy>(
        parts: &[Part],
        limit: impl Fn(&Limits) -> Option<T>,
    ) -> Option<T> {
        let mut all = parts.iter().map(|part| limit(&part.limits));
        let first = all.next()??;
        all.all(|other| other == Some(first)).then_some(first)
    }
    let each = || parts.iter().map(|part| &part.limits);
    Limits {
        max_steps: each().map(|limits| limits.max_steps).sum(),
        max_depth: each().map(|limits| limits.max_depth).max().unwrap_or(0),
        coverage_target: agreed(parts, |limits| limits.coverage_target),
        time_limit_ms: agreed(parts, |limits| limits.time_limit_ms),
        fail_fast: agreed(parts, |limits| limits.fail_fast),
    }
}

/// Adds the tally of an action in one run.
fn add_tally(sum: &mut ActionTally, seen: ActionTally) {
    // What the merged run says about an action must be true in each run that ran this action.
    match (sum.runs > 0, seen.runs > 0) {
        (true, true) => {
            sum.always_refused &= seen.always_refused;
            sum.advice = sum
                .advice
                .take()
                .zip(seen.advice)
                .map(|(one, other)| one.min(other));
        }
        (false, true) => {
            sum.always_refused = seen.always_refused;
            sum.advice = seen.advice;
        }
        (_, false) => {}
    }
    sum.runs += seen.runs;
    sum.unchanged += seen.unchanged;
    sum.never_ran = match (sum.runs, sum.never_ran.take(), seen.never_ran) {
        (0, Some(one), Some(other)) => Some(one.min(other)),
        (0, one, other) => one.or(other),
        _ => None,
    };
    for (status, runs) in seen.statuses {
        match sum
            .statuses
            .binary_search_by_key(&status, |(known, _)| *known)
        {
            Ok(position) => sum.statuses[position].1 += runs,
            Err(position) => sum.statuses.insert(position, (status, runs)),
        }
    }
}

fn add_time(sum: &mut Time, time: &Time) {
    sum.total += time.total;
    sum.http += time.http;
    sum.journal += time.journal;
    sum.restore += time.restore;
    sum.oracles += time.oracles;
    sum.settle += time.settle;
    sum.start += time.start;
    sum.engine += time.engine;
    sum.shrink += time.shrink;
    sum.confirm += time.confirm;
}

/// Ranks outcomes of one reproduction in several runs; the least is reported. A reproduction that still fails in one run is
/// not fixed, nor is one that a run could not judge, and one that was tried in one run was tried.
fn rank(regression: &Regression) -> (u8, Option<&String>) {
    let outcome = match regression.outcome {
        RegressionOutcome::StillFailing => 0,
        RegressionOutcome::NotJudged => 1,
        RegressionOutcome::Fixed => 2,
        RegressionOutcome::NotTried => 3,
    };
    (outcome, regression.reason.as_ref())
}

/// Ranks equal violations of several runs; the least is shown.
fn better(found: &Violation) -> (u8, usize, String) {
    let doubt = match found.confirmation.result {
        ConfirmationResult::Confirmed => 0,
        ConfirmationResult::Unconfirmed => 1,
        ConfirmationResult::NotTried => 2,
    };
    let content = (
        &found.path,
        &found.evidence,
        &found.message,
        &found.action,
        found.severity,
        &found.confirmation,
        &found.shrink,
        &found.replay,
    );
    (
        doubt,
        found.path.len(),
        serde_json::to_string(&content).unwrap_or_default(),
    )
}
