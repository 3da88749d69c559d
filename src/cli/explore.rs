//! `venomqa explore`: one run after another, and the reports of all of them.

use std::collections::BTreeSet;
use std::iter;
use std::path::PathBuf;
use std::time::SystemTime;

use super::args::{Explore, ExploreFlags, SpecValues};
use super::options::{self, Plan};
use super::{ExitCode, Problem, Session, corpus, runtime, selection, signals, specs};
use crate::diagnostic::Place;
use crate::event::{self, Event, SpecName, Started};
use crate::evidence::{Baseline, Corpus};
use crate::explorer::{self, Observer as _};
use crate::interrupt::Interrupt;
use crate::oracle::Oracles;
use crate::report::{Outcome, Reports, date};
use crate::spec::Spec;
use crate::world::{LiveWorld, unmatched_secrets};

pub(super) fn run(session: &Session<'_>, explore: &Explore) -> Result<ExitCode, Problem> {
    let paths = specs::find(&explore.specs.specs)?;
    let loaded = match specs::load(session, &paths, &explore.values) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    let named = loaded
        .into_iter()
        .map(|spec| {
            let path = spec.path.display().to_string();
            Named {
                command: vec!["explore".to_owned(), path.clone()],
                name: path,
                keeps_corpus: !explore.flags.no_corpus,
                spec,
            }
        })
        .collect();
    explore_all(session, named, &explore.flags, &explore.values)
}

/// A spec, and how the command line named it.
pub(super) struct Named {
    pub(super) spec: Spec,
    /// As reports call it.
    pub(super) name: String,
    /// The words after `venomqa` that explore it.
    pub(super) command: Vec<String>,
    /// Where reproductions are kept: beside the spec, if it is a file.
    pub(super) keeps_corpus: bool,
}

impl Named {
    /// The reproductions that earlier runs of this spec have kept. A file that cannot be read is a warning, not a failure.
    fn corpus(&self, session: &Session<'_>) -> Option<Corpus> {
        self.keeps_corpus.then(|| {
            let (corpus, problems) = Corpus::read(&self.spec.path);
            for problem in problems {
                session.note(&format!("  warning: {problem}"));
            }
            corpus
        })
    }
}

/// One spec, everything decided.
struct Job {
    named: Named,
    plan: Plan,
    strict: bool,
    /// Whether the run accepts what it confirms.
    updates_baseline: bool,
    repeat: String,
}

/// Explores the specs in turn. All of them are checked, and the reports are open, before the first service is started.
pub(super) fn explore_all(
    session: &Session<'_>,
    mut specs: Vec<Named>,
    flags: &ExploreFlags,
    values: &SpecValues,
) -> Result<ExitCode, Problem> {
    let all = specs.iter_mut().map(|named| &mut named.spec);
    let mut have_any = selection::select(session, flags, all)?.into_iter();
    specs.retain(|_| have_any.next().unwrap_or(true));
    let mut jobs = Vec::new();
    for named in specs {
        let plan = Plan::of(&named.spec, flags)?;
        let repeat = plan.repeat(&named.command, values, session.surroundings);
        jobs.push(Job {
            strict: flags.strict,
            updates_baseline: flags.update_baseline,
            named,
            plan,
            repeat,
        });
    }
    let mut baseline = baseline(flags)?;
    let mut reports = options::reports(session, &flags.report)?;
    let interrupt = Interrupt::default();
    let mut code = runtime()?.block_on(async {
        signals::listen(interrupt.clone())?;
        Ok(Box::pin(run_all(
            session,
            &jobs,
            &interrupt,
            &mut reports,
            baseline.as_mut(),
        ))
        .await)
    })?;
    let baseline = baseline.filter(|_| flags.update_baseline);
    let written = baseline.map(|baseline| baseline.write().map(|()| baseline.in_words()));
    if let Some(Err(error)) = &written {
        session.complain(&format!("the baseline cannot be written: {error}"), None);
        code = code.max(ExitCode::Failed);
    }
    for error in reports.finish(code.number()) {
        session.complain(&error.to_string(), None);
        code = code.max(ExitCode::Failed);
    }
    // Reports that go to the console come before it.
    if let Some(Ok(written)) = written {
        session.note(&written);
    }
    Ok(code)
}

/// The baseline that the command line names.
fn baseline(flags: &ExploreFlags) -> Result<Option<Baseline>, Problem> {
    let read = |file: &PathBuf| {
        Baseline::read(file, flags.update_baseline).map_err(|error| {
            Problem::usage(format!(
                "cannot read the baseline `{}`: {error}",
                file.display()
            ))
            .help("`--baseline FILE --update-baseline` writes one")
        })
    };
    flags.baseline.as_ref().map(read).transpose()
}

async fn run_all(
    session: &Session<'_>,
    jobs: &[Job],
    interrupt: &Interrupt,
    reports: &mut Reports,
    mut baseline: Option<&mut Baseline>,
) -> ExitCode {
    let mut code = ExitCode::Success;
    for job in jobs {
        if interrupt.is_requested() {
            session.note(&format!("  not explored: {}", job.named.name));
            code = code.max(ExitCode::Interrupted);
            continue;
        }
        if jobs.len() > 1 {
            session.note(&format!("  exploring {}", job.named.name));
        }
        code = code.max(
            Box::pin(run_one(
                session,
                job,
                interrupt,
                reports,
                baseline.as_deref_mut(),
            ))
            .await,
        );
    }
    code
}

/// Starts the world, walks it, puts everything back.
async fn run_one(
    session: &Session<'_>,
    job: &Job,
    interrupt: &Interrupt,
    reports: &mut Reports,
    baseline: Option<&mut Baseline>,
) -> ExitCode {
    let spec = &job.named.spec;
    let model = &spec.model;
    let corpus = job.named.corpus(session);
    let mut watch = reports.watch(job.started(), spec.world.secrets.clone());
    if job.updates_baseline {
        watch.accept_confirmed();
    }
    let mut oracles = Oracles::new(model.clone(), &spec.checks);
    let options = explorer::Options {
        strategy: job.plan.strategy.clone(),
        limits: job.plan.limits.clone(),
        seed: job.plan.seed,
        postpone: job.plan.postpone,
        interrupt: interrupt.clone(),
        regressions: corpus.as_ref().map_or_else(Vec::new, |corpus| {
            corpus::regressions(corpus, model, &oracles)
        }),
        known: (baseline.as_ref())
            .map_or_else(BTreeSet::new, |baseline| baseline.causes(&model.name)),
    };
    interrupt.limit_time(job.plan.limits.time_limit);
    let mut config = spec.world.clone();
    config.identity = job.plan.identity.unwrap_or(config.identity);
    config.seed = job.plan.seed;
    let world = LiveWorld::start(&config, model.clone(), interrupt.clone()).await;
    let (put_back, replay) = match world {
        Err(error) => {
            let finished = explorer::not_started(model, &options, &error);
            watch.event(Event::Finished(Box::new(finished)));
            (Ok(Vec::new()), Vec::new())
        }
        Ok(mut world) => {
            explorer::explore(model, &mut world, &mut oracles, &options, &mut watch).await;
            interrupt.limit_time(None);
            let put_back = world.finish().await.map(|mut told| {
                told.extend(unmatched_secrets(&spec.world.secrets));
                told
            });
            let replay =
                corpus
                    .zip(watch.finished())
                    .map_or_else(Vec::new, |(corpus, finished)| {
                        let origin = (job.plan.strategy.as_str(), job.plan.seed);
                        corpus::keep(session, spec, &corpus, finished, origin)
                    });
            (put_back, replay)
        }
    };
    // A run that did not even begin has tested nothing.
    let Some(run) = watch.close(put_back.as_deref(), replay) else {
        return ExitCode::Failed;
    };
    if let Some(baseline) = baseline.filter(|_| job.updates_baseline) {
        let off = model.actions.iter().filter(|it| it.is_switched_off());
        let off = off.map(|action| action.name.as_str()).collect();
        baseline.update(&model.name, &run.summary, &off);
    }
    if job.strict && run.outcome() == Outcome::Incomplete {
        session.note(&format!(
            "`--strict` fails this run: {}",
            run.gaps().join(" and ")
        ));
    }
    ExitCode::of_run(&run, job.strict)
}

impl Job {
    /// How the run begins.
    fn started(&self) -> Started {
        let spec = &self.named.spec;
        let (model, places) = (&spec.model, &spec.places);
        Started {
            version: event::VERSION,
            venomqa: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: date(SystemTime::now()),
            spec: SpecName {
                name: model.name.clone(),
                path: self.named.name.clone(),
            },
            strategy: self.plan.strategy.clone(),
            seed: self.plan.seed,
            limits: (&self.plan.limits).into(),
            repeat: self.repeat.clone(),
            actions: (model.actions.iter().zip(places_or_none(&places.actions)))
                .map(|(action, place)| event::Action::of(action, place))
                .collect(),
            invariants: (model
                .invariants
                .iter()
                .zip(places_or_none(&places.invariants)))
            .map(|(invariant, place)| event::Invariant::of(invariant, place))
            .collect(),
            merged: Vec::new(),
        }
    }
}

/// Where things stand in the spec; nowhere for those behind the last that is known.
fn places_or_none(known: &[Option<Place>]) -> impl Iterator<Item = Option<Place>> + '_ {
    known.iter().copied().chain(iter::repeat(None))
}
