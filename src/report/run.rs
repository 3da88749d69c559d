//! One run as reports read it, and its outcome.

use crate::model::Severity;

use super::text::{count, thousands};
use crate::event::{
    Action, ActionTally, Closed, ConfirmationResult, Event, Failure, Figures, Finished, Initial,
    Limits, Merges, RegressionOutcome, Started, Step, Stop, Time, Violation,
};

/// One run of one spec, built from its events.
#[derive(Clone, Debug, PartialEq)]
pub struct RunReport {
    /// The spec, the strategy and the limits.
    pub started: Started,
    /// Fingerprint of the initial state; `None` where the run ended before that state was known.
    pub initial: Option<String>,
    /// The steps, in the order taken; empty where no report keeps them.
    pub steps: Vec<Step>,
    /// How the run ended, and its results.
    pub summary: Finished,
    /// Why the databases could not be put back to their content before the run, or the service could not be stopped.
    pub cleanup: Option<Failure>,
}

impl RunReport {
    /// A run that has begun. Unless more events follow, it was cut off.
    pub fn begun(started: Started) -> Self {
        let summary = Finished {
            figures: Figures {
                step: 0,
                max_steps: started.limits.max_steps,
                states: 0,
                coverage: 0.0,
                violations: 0,
            },
            stop: Stop::CutOff,
            transitions: 0,
            untried: 0,
            postponed: 0,
            repetitions: 0,
            merges: Merges::default(),
            deepest: 0,
            unchanged_steps: 0,
            actions: vec![ActionTally::default(); started.actions.len()],
            invariants: Vec::new(),
            violations: Vec::new(),
            known_not_seen: Vec::new(),
            process_unknown: None,
            corpus: Vec::new(),
            warnings: Vec::new(),
            time: Time::default(),
        };
        Self {
            started,
            initial: None,
            steps: Vec::new(),
            summary,
            cleanup: None,
        }
    }
}

impl RunReport {
    /// The events from which this run would be built again.
    pub fn into_entries(self) -> impl Iterator<Item = Event> {
        let initial = self.initial.map(|fingerprint| Initial { fingerprint });
        let end = [
            Event::Finished(Box::new(self.summary)),
            Event::Closed(Closed {
                cleanup: self.cleanup,
                // They stand with the others.
                warnings: Vec::new(),
                // Each stands with its violation.
                replay: Vec::new(),
            }),
        ];
        [Event::Started(Box::new(self.started))]
            .into_iter()
            .chain(initial.map(Event::Initial))
            .chain(
                self.steps
                    .into_iter()
                    .map(|step| Event::Step(Box::new(step))),
            )
            .chain(end)
    }
}

/// The outcome of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every action ran, and no oracle found a violation.
    Clean,
    /// No oracle found a violation, but [`RunReport::gaps`] names what the run did not try.
    Incomplete,
    /// At least one oracle found a violation.
    Violations,
    /// The run could not be carried out, or its verdicts cannot be relied on.
    Failed,
    /// The user interrupted the run.
    Interrupted,
}

impl Outcome {
    /// The word used in the JSON report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Incomplete => "incomplete",
            Self::Violations => "violations",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}

/// Why a run is [`Outcome::Failed`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The run could not go on.
    Stopped(String),
    /// The run ended, but the databases could not be restored or the service could not be stopped.
    Cleanup(String),
    /// A warning shows that verdicts cannot be relied on.
    Untrusted(String),
    /// The run took no step.
    NoStep,
}

/// How much a violation counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It fails the run.
    Counts,
    /// It could not be confirmed.
    Unconfirmed,
    /// It follows from another one, which is told with it.
    Consequence,
    /// The baseline accepts it.
    Known,
}

impl Standing {
    /// All, in the order in which they are told.
    pub const ALL: [Self; 4] = [
        Self::Counts,
        Self::Consequence,
        Self::Unconfirmed,
        Self::Known,
    ];

    /// How much this violation counts.
    pub fn of(found: &Violation) -> Self {
        if found.known {
            Self::Known
        } else if found.confirmation.result == ConfirmationResult::Unconfirmed {
            Self::Unconfirmed
        } else if found.consequence_of.is_some() {
            Self::Consequence
        } else {
            Self::Counts
        }
    }
}

/// How a run, or a part of a merged one, ended.
struct End<'r> {
    stop: &'r Stop,
    steps: u64,
    cleanup: Option<&'r Failure>,
}

impl RunReport {
    /// The outcome: the worst that applies.
    pub fn outcome(&self) -> Outcome {
        if self.summary.stop == Stop::Interrupted {
            Outcome::Interrupted
        } else if !self.causes().is_empty() {
            Outcome::Failed
        } else if self.count(Standing::Counts) + self.count(Standing::Consequence) > 0 {
            Outcome::Violations
        } else if !self.gaps().is_empty() {
            Outcome::Incomplete
        } else {
            Outcome::Clean
        }
    }

    /// Everything that makes the outcome [`Outcome::Failed`]; empty where the run did not fail.
    pub fn causes(&self) -> Vec<Cause> {
        let mut causes = Vec::new();
        let summary = &self.summary;
        for end in self.ends() {
            let cause = match end.stop {
                Stop::Failed { error, .. } => Cause::Stopped(error.message.clone()),
                Stop::CutOff => Cause::Stopped("the run was killed".to_owned()),
                Stop::Interrupted | Stop::FailFast { .. } if end.steps == 0 => continue,
                _ if end.steps == 0 => Cause::NoStep,
                _ => continue,
            };
            if !causes.contains(&cause) {
                causes.push(cause);
            }
        }
        causes.extend(
            summary
                .warnings
                .iter()
                .filter(|warning| warning.untrusted)
                .map(|warning| Cause::Untrusted(warning.message.clone())),
        );
        for error in self.ends().into_iter().filter_map(|end| end.cleanup) {
            let cause = Cause::Cleanup(error.message.clone());
            if !causes.contains(&cause) {
                causes.push(cause);
            }
        }
        causes
    }

    /// How the run ended; of a merged run, how each of its parts ended.
    fn ends(&self) -> Vec<End<'_>> {
        let parts = &self.started.merged;
        if parts.is_empty() {
            return vec![End {
                stop: &self.summary.stop,
                steps: self.summary.figures.step,
                cleanup: self.cleanup.as_ref(),
            }];
        }
        parts
            .iter()
            .map(|part| End {
                stop: &part.stop,
                steps: part.steps,
                cleanup: part.cleanup.as_ref(),
            })
            .collect()
    }

    /// What went wrong with the run itself, each once.
    pub fn errors(&self) -> Vec<&Failure> {
        let mut errors: Vec<&Failure> = Vec::new();
        for end in self.ends() {
            let stopped = match end.stop {
                Stop::Failed { error, .. } => Some(error),
                _ => None,
            };
            for error in stopped.into_iter().chain(end.cleanup) {
                if !errors.contains(&error) {
                    errors.push(error);
                }
            }
        }
        errors
    }

    /// Strategy and seed: `dfs, seed 1`; of a merged run those of all parts: `bfs, dfs, seeds 1, 2`.
    pub fn strategy(&self) -> String {
        let started = &self.started;
        if started.merged.is_empty() {
            return format!("{}, seed {}", started.strategy, started.seed);
        }
        let mut seeds: Vec<u64> = started.merged.iter().map(|part| part.seed).collect();
        seeds.sort_unstable();
        seeds.dedup();
        let noun = if seeds.len() == 1 { "seed" } else { "seeds" };
        let seeds: Vec<String> = seeds.iter().map(u64::to_string).collect();
        format!("{}, {noun} {}", started.strategy, seeds.join(", "))
    }

    /// The violations that count so much.
    pub fn standing(&self, standing: Standing) -> impl Iterator<Item = &Violation> {
        let all = self.summary.violations.iter();
        all.filter(move |found| Standing::of(found) == standing)
    }

    fn count(&self, standing: Standing) -> usize {
        self.standing(standing).count()
    }

    /// How many violations did not happen again, or not each time.
    pub fn unconfirmed(&self) -> usize {
        self.count(Standing::Unconfirmed)
    }

    /// What a run did not prove or did not try, in words. A run without confirmed violations must not hide these; empty where
    /// there is nothing.
    pub fn gaps(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        match self.unconfirmed() {
            0 => {}
            1 => gaps.push("1 finding could not be confirmed".to_owned()),
            several => gaps.push(format!("{several} findings could not be confirmed")),
        }
        let warned = |code: &str| {
            let warnings = self.summary.warnings.iter();
            warnings.filter(|warning| warning.code == code).count()
        };
        if warned("unanswered-at-the-end") > 0 {
            gaps.push("a request was not answered when the run ended".to_owned());
        }
        let lost = self.summary.warnings.iter();
        gaps.extend(
            lost.filter(|warning| warning.code == "answers-lost")
                .map(|warning| warning.message.clone()),
        );
        match warned("late-write") {
            0 => {}
            1 => gaps.push("rows that came late may not have been judged".to_owned()),
            several => gaps.push(format!(
                "rows that came late {several} times may not have been judged"
            )),
        }
        if warned("given-up") > 0 {
            gaps.push("what is never answered was not tried everywhere".to_owned());
        }
        if warned("unsendable") > 0 {
            gaps.push("what cannot stand in a URL was not asked for".to_owned());
        }
        if warned("not-settled") > 0 {
            gaps.push("rows were read before the service had settled".to_owned());
        }
        let never = self.never_ran().count() as u64;
        if never > 0 {
            gaps.push(format!(
                "{} of {} never ran",
                thousands(never),
                count(self.able() as u64, "action")
            ));
        }
        let ran = self.actions().filter(|(_, seen)| seen.runs > 0).count();
        let refused = self.always_refused().count();
        if ran > 0 && refused == ran {
            gaps.push("every request was refused".to_owned());
        }
        let seen = || self.started.invariants.iter().zip(&self.summary.invariants);
        let never: Vec<String> = seen()
            .filter(|(_, seen)| seen.judged == 0 && seen.unjudged == 0)
            .map(|(invariant, _)| format!("`{}`", invariant.name))
            .collect();
        match never.len() {
            0 => {}
            1 => gaps.push(format!("{} was never judged", never[0])),
            several => gaps.push(format!(
                "{several} of {} were never judged: {}",
                count(self.started.invariants.len() as u64, "invariant"),
                never.join(", ")
            )),
        }
        for (invariant, seen) in seen().filter(|(_, seen)| seen.unjudged > 0) {
            gaps.push(format!(
                "`{}` could not be judged {}",
                invariant.name,
                count(seen.unjudged, "time")
            ));
        }
        let corpus = self.summary.corpus.iter();
        let not_judged = corpus.filter(|tried| tried.outcome == RegressionOutcome::NotJudged);
        let not_judged = not_judged.count() as u64;
        if not_judged > 0 {
            gaps.push(format!(
                "{} found before could not be judged",
                count(not_judged, "violation")
            ));
        }
        gaps
    }

    /// Why an invariant without violations has not passed; `None` where it has.
    pub fn unjudged(&self, name: &str) -> Option<String> {
        let known = self.started.invariants.iter().zip(&self.summary.invariants);
        let (_, seen) = known.into_iter().find(|(known, _)| known.name == name)?;
        match (seen.judged, seen.unjudged) {
            (0, 0) => Some("it was never judged: nothing was seen that it speaks of".to_owned()),
            (_, 0) => None,
            (_, times) => Some(format!("it could not be judged {}", count(times, "time"))),
        }
    }

    /// The outcome in one line.
    pub fn headline(&self) -> String {
        let summary = &self.summary;
        let found = summary.violations.len() as u64;
        let steps = summary.figures.step;
        match self.outcome() {
            Outcome::Interrupted => {
                format!(
                    "interrupted after {}: {} so far",
                    count(steps, "step"),
                    if found == 0 {
                        "no violation".to_owned()
                    } else {
                        format!("{}{}", self.tally(), self.and_more(true))
                    }
                )
            }
            Outcome::Failed => {
                let verb = match self.causes().first() {
                    Some(Cause::NoStep) if summary.stop == Stop::TimeLimit => {
                        "nothing was tested: `--time-limit` was reached before the first step"
                    }
                    Some(Cause::NoStep) => {
                        "nothing was tested: no action can run in the initial state"
                    }
                    Some(Cause::Stopped(_)) => "the run failed",
                    Some(Cause::Cleanup(_)) => "the run left traces",
                    Some(Cause::Untrusted(_)) | None => "the run cannot be trusted",
                };
                let steps = count(steps, "step");
                match (summary.figures.step, found) {
                    (0, _) => verb.to_owned(),
                    (_, 0) => {
                        format!("{verb} after {steps}: no violation so far, which proves nothing")
                    }
                    _ => {
                        let (tally, more) = (self.tally(), self.and_more(true));
                        format!("{verb} after {steps}: {tally}{more}")
                    }
                }
            }
            Outcome::Violations => format!(
                "{} in {}{}",
                self.tally(),
                count(steps, "step"),
                self.and_more(true)
            ),
            Outcome::Incomplete => format!(
                "no {}violation found in {}, but {}{}",
                self.which(),
                count(steps, "step"),
                self.gaps().join(" and "),
                self.and_more(false)
            ),
            Outcome::Clean => format!(
                "no {}violation in {}, {}{}",
                self.which(),
                count(steps, "step"),
                count(summary.figures.states, "state"),
                self.and_more(false)
            ),
        }
    }

    /// Of which violations there was none, where there were others.
    fn which(&self) -> &'static str {
        if self.count(Standing::Known) > 0 {
            "new "
        } else if self.summary.violations.is_empty() {
            ""
        } else {
            "confirmed "
        }
    }

    /// `3 violations (2 critical, 1 low)`; those that could not be confirmed are not among them.
    fn tally(&self) -> String {
        let found: Vec<&Violation> = self.standing(Standing::Counts).collect();
        if found.is_empty() {
            return format!("no {}violation", self.which());
        }
        let parts: Vec<String> = Severity::ALL
            .iter()
            .rev()
            .filter_map(|severity| {
                let number = found
                    .iter()
                    .filter(|violation| violation.severity == *severity)
                    .count();
                (number > 0).then(|| format!("{number} {severity}"))
            })
            .collect();
        let number = count(found.len() as u64, "violation");
        format!("{number} ({})", parts.join(", "))
    }

    /// What else was found, behind another sentence; empty where there is nothing. What could not be confirmed is a gap of a run
    /// without violations.
    fn and_more(&self, names_unconfirmed: bool) -> String {
        let number = |standing| self.count(standing) as u64;
        let parts = [
            (number(Standing::Consequence) > 0).then(|| {
                let all = count(number(Standing::Consequence), "consequence");
                format!(", with {all}")
            }),
            (names_unconfirmed && self.unconfirmed() > 0).then(|| {
                let all = count(number(Standing::Unconfirmed), "finding");
                format!("; {all} could not be confirmed")
            }),
            (number(Standing::Known) > 0)
                .then(|| format!("; {} known (baseline)", thousands(number(Standing::Known)))),
        ];
        parts.into_iter().flatten().collect()
    }

    /// Why the run ended, as a clause.
    pub fn stop_sentence(&self) -> String {
        let summary = &self.summary;
        let parts = &self.started.merged;
        if summary.stop != Stop::Several {
            return stop_sentence(
                &summary.stop,
                &self.started.limits,
                (summary.untried, summary.postponed),
                !parts.is_empty(),
            );
        }
        let parts: Vec<String> = parts
            .iter()
            .map(|part| {
                let ended = stop_sentence(&part.stop, &part.limits, (part.untried, 0), false);
                format!("{}, seed {}: {ended}", part.strategy, part.seed)
            })
            .collect();
        format!("{}: {}", count(parts.len() as u64, "run"), parts.join("; "))
    }

    /// Every action with its tally.
    pub fn actions(&self) -> impl Iterator<Item = (&Action, &ActionTally)> {
        let all = self.started.actions.iter().zip(&self.summary.actions);
        all.filter(|(action, seen)| !action.older || seen.runs > 0)
    }

    /// The actions that can run: those that the spec does not switch off.
    pub fn able(&self) -> usize {
        let actions = self.started.actions.iter();
        actions.filter(|action| action.counts()).count()
    }

    /// Actions that never ran, and are not switched off.
    pub fn never_ran(&self) -> impl Iterator<Item = (&Action, &ActionTally)> {
        self.actions()
            .filter(|(action, seen)| seen.runs == 0 && action.counts())
    }

    /// Actions that were answered with 4xx or 5xx each time, although the spec does not expect that.
    pub fn always_refused(&self) -> impl Iterator<Item = (&Action, &ActionTally)> {
        self.actions().filter(|(_, seen)| seen.always_refused)
    }
}

/// Why a run ended, as a clause. Of the untried pairs some are postponed. In a merged run one part may have tried the pairs that
/// another part left.
fn stop_sentence(
    stop: &Stop,
    limits: &Limits,
    (untried, postponed): (u64, u64),
    merged: bool,
) -> String {
    let untried = if untried == 0 {
        String::new()
    } else if untried == postponed {
        let pairs = count(postponed, "postponed pair");
        format!("; complete but for {pairs}, which would most likely repeat what is known")
    } else {
        let most = if merged { "at most " } else { "" };
        let pairs = count(untried, "enabled (state, action) pair");
        let postponed = match postponed {
            0 => String::new(),
            some => format!(", {some} of them postponed"),
        };
        format!("; {most}{pairs} left to try{postponed}")
    };
    match stop {
        Stop::Complete {
            depth_limited: false,
        } => "complete: every reachable state within these limits was visited".to_owned(),
        Stop::Complete {
            depth_limited: true,
        } => format!(
            "complete to depth {}: every state that near was visited, deeper ones were not (`--max-depth`)",
            limits.max_depth
        ),
        Stop::MaxSteps if limits.max_steps == 1 => {
            format!("`--max-steps`: the only step was taken{untried}")
        }
        Stop::MaxSteps => format!(
            "`--max-steps`: all {} steps were taken{untried}",
            limits.max_steps
        ),
        Stop::TimeLimit => format!("`--time-limit` was reached{untried}"),
        Stop::CoverageTarget => format!("`--coverage-target` was reached{untried}"),
        Stop::FailFast { severity } => {
            format!("`--fail-fast`: a violation of severity {severity} was found{untried}")
        }
        Stop::RateLimited => {
            format!("every action was tried, but answers were lost to rate limits{untried}")
        }
        Stop::LoginLost => format!("the login of the run was lost{untried}"),
        Stop::Interrupted => format!("interrupted{untried}"),
        Stop::Failed { error, .. } => format!("failed: {}", error.message),
        Stop::CutOff => "cut off: the run was killed before it was over".to_owned(),
        Stop::Several => "for several reasons".to_owned(),
    }
}
