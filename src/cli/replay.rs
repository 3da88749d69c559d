//! `venomqa replay`: a reproduction, run again or printed as a script.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::args::{Replay, ScriptLanguage, SpecValues};
use super::pause::{Answer, Pause};
use super::{ExitCode, Problem, Session, runtime, signals, specs};
use crate::diagnostic;
use crate::event;
use crate::evidence::{self, Rerun};
use crate::interrupt::Interrupt;
use crate::model::{Finding, OracleId, OracleName, PathStep};
use crate::oracle::{Judge as _, Judged, Judgement, Oracles, checks};
use crate::report::replay::{self as page, Verdict};
use crate::secret::Secrets;
use crate::spec::reproduction::CompiledReproduction;
use crate::spec::reproduction::outline::outline;
use crate::spec::{self, Environment};
use crate::world::config::WorldConfig;
use crate::world::{LiveWorld, World as _, WorldError, WorldErrorKind};

pub(super) fn run(session: &Session<'_>, replay: &Replay) -> Result<ExitCode, Problem> {
    let case = match load(session, &replay.file, &replay.values) {
        Ok(case) => case,
        Err(code) => return Ok(code),
    };
    if let Some(language) = replay.to {
        return print(session, &case, language);
    }
    let pause = replay.step.then(|| Pause::new(session)).transpose()?;
    let interrupt = Interrupt::default();
    runtime()?.block_on(async {
        signals::listen(interrupt.clone())?;
        start(session, &case, &interrupt, pause).await
    })
}

/// The requests as a program of another language.
fn print(
    session: &Session<'_>,
    case: &CompiledReproduction,
    language: ScriptLanguage,
) -> Result<ExitCode, Problem> {
    let language = match language {
        ScriptLanguage::Curl => evidence::Language::Curl,
        ScriptLanguage::Hurl => evidence::Language::Hurl,
    };
    let text = outline(case)
        .and_then(|outline| evidence::script(language, &case.reproduction, &outline))
        .map_err(Problem::usage)?;
    session.program(&text)?;
    Ok(ExitCode::Success)
}

/// Reads a reproduction; what is wrong with it has been said when there is none.
fn load(
    session: &Session<'_>,
    path: &Path,
    values: &SpecValues,
) -> Result<CompiledReproduction, ExitCode> {
    let loaded = specs::with_environment(session, values, |environment| {
        let secrets = spec::secrets_of_reproduction(path, environment, evidence::invariants_of);
        let variable = |name: &str| {
            let set = (environment.variable)(name);
            set.or_else(|| secrets.get(name).cloned())
        };
        let environment = Environment {
            variable: &variable,
            ..*environment
        };
        spec::load_reproduction(path, &environment)
    });
    if !loaded.diagnostics.is_empty() {
        session.note(&diagnostic::render(
            &loaded.diagnostics,
            &loaded.sources,
            session.color_stderr,
        ));
    }
    loaded.case.ok_or_else(|| {
        session.complain("the reproduction has errors; nothing was started", None);
        ExitCode::Usage
    })
}

/// Starts the world, replays, and puts everything back.
async fn start(
    session: &Session<'_>,
    case: &CompiledReproduction,
    interrupt: &Interrupt,
    pause: Option<Pause>,
) -> Result<ExitCode, Problem> {
    let model = case.spec.model.clone();
    let secrets = case.spec.world.secrets.clone();
    let config = WorldConfig {
        seed: case.reproduction.origin.seed,
        ..case.spec.world.clone()
    };
    let mut world = match LiveWorld::start(&config, model.clone(), interrupt.clone()).await {
        Ok(world) => world,
        Err(error) => {
            let error = error.without(&secrets);
            return Ok(failed(session, "the replay could not be started", &error));
        }
    };
    let mut replay = Running {
        session,
        case,
        interrupt,
        pause,
        secrets,
    };
    let ended = replay.run(&mut world).await;
    let secrets = replay.secrets;
    for warning in world.take_warnings() {
        session.note(&format!("  warning: {}", secrets.hide(&warning.message)));
    }
    let put_back = world.finish().await;
    let failed = |what, error: WorldError| failed(session, what, &error.without(&secrets));
    let mut code = match ended {
        Ok(code) => code,
        Err(Stopped::World(error)) => failed("the replay could not be run", error),
        Err(Stopped::Output(problem)) => session.report(&problem),
    };
    match put_back {
        Ok(warnings) => {
            for warning in warnings {
                session.note(&format!("  warning: {}", secrets.hide(&warning.message)));
            }
        }
        Err(error) => code = code.max(failed("the replay left traces", error)),
    }
    Ok(code)
}

fn failed(session: &Session<'_>, what: &str, error: &WorldError) -> ExitCode {
    if error.kind == WorldErrorKind::Interrupted {
        session.note("  interrupted");
        return ExitCode::Interrupted;
    }
    session.complain(&format!("{what}: {}", error.message), error.help.as_deref());
    for detail in &error.details {
        session.note(&format!("  {detail}"));
    }
    ExitCode::Failed
}

/// Why a replay ended before its verdict.
enum Stopped {
    World(WorldError),
    Output(Problem),
}

impl From<WorldError> for Stopped {
    fn from(error: WorldError) -> Self {
        Self::World(error)
    }
}

impl From<Problem> for Stopped {
    fn from(problem: Problem) -> Self {
        Self::Output(problem)
    }
}

/// A replay under way.
struct Running<'r> {
    session: &'r Session<'r>,
    case: &'r CompiledReproduction,
    interrupt: &'r Interrupt,
    pause: Option<Pause>,
    secrets: Secrets,
}

impl Running<'_> {
    async fn run(&mut self, world: &mut LiveWorld) -> Result<ExitCode, Stopped> {
        let case = self.case;
        let reproduction = &case.reproduction;
        let mut oracles = self.oracles();
        let only = oracles.find(&reproduction.oracle);
        let initial = world.begin().await?;
        self.session.page(&page::title(reproduction))?;
        let step = Judged {
            only,
            ..Judged::initial(&initial)
        };
        let judgement = oracles.judge(world, step).await?;
        if judgement.findings.iter().any(|found| self.is_meant(found)) {
            self.session
                .note("  it is broken in the initial state already, before the first step");
        }
        let mut verdict = Verdict::NotReproduced;
        if case.path.is_empty() {
            verdict = self.verdict(&judgement, only)?;
        }
        let mut rerun = Rerun::new(initial);
        for (position, action) in case.path.iter().enumerate() {
            let is_last = position + 1 == case.path.len();
            rerun.step(world, *action).await?;
            self.tell(position, &rerun.path)?;
            if is_last {
                let judgement = rerun.judge_last(world, &mut oracles, only).await?;
                verdict = self.verdict(&judgement, only)?;
                let model = &case.spec.model;
                if verdict == Verdict::NotReproduced
                    && let Some(why) = evidence::strayed(model, &reproduction.path, &rerun.path)
                {
                    verdict = Verdict::NotJudged(why);
                }
            }
            if self.interrupt.is_requested() || !self.goes_on(world, position).await {
                self.session.note("  stopped; everything is put back");
                return Ok(ExitCode::Interrupted);
            }
        }
        self.session.page(&page::verdict(reproduction, &verdict))?;
        Ok(match verdict {
            Verdict::Reproduced => ExitCode::Violations,
            Verdict::NotReproduced => ExitCode::Success,
            Verdict::NotJudged(_) => ExitCode::Failed,
        })
    }

    /// What the one oracle said of the end of the path; shows what it found.
    fn verdict(&self, judgement: &Judgement, only: Option<OracleId>) -> Result<Verdict, Problem> {
        let mut findings = judgement.findings.iter();
        if let Some(finding) = findings.clone().find(|finding| self.is_meant(finding)) {
            self.found(finding)?;
            return Ok(Verdict::Reproduced);
        }
        let meant = &self.case.reproduction.oracle;
        let other = findings.find(|finding| evidence::oracle_name(finding) == *meant);
        let unjudged = only.and_then(|oracle| judgement.why_unjudged(oracle));
        Ok(match evidence::doubt(other, unjudged) {
            Some(why) => Verdict::NotJudged(self.secrets.hide(&why).into_owned()),
            None => Verdict::NotReproduced,
        })
    }

    /// The one oracle, and those that it cannot do without.
    fn oracles(&self) -> Oracles {
        let reproduction = &self.case.reproduction;
        let settings = checks::NAMES
            .iter()
            .map(|name| {
                let is_meant = reproduction.oracle == OracleName::Check((*name).to_owned());
                (
                    (*name).to_owned(),
                    is_meant.then_some(reproduction.severity),
                )
            })
            .collect();
        Oracles::new(self.case.spec.model.clone(), &settings)
    }

    fn is_meant(&self, finding: &Finding) -> bool {
        let reproduction = &self.case.reproduction;
        evidence::oracle_name(finding) == reproduction.oracle
            && (reproduction.kind.is_empty() || finding.kind == reproduction.kind)
    }

    /// Shows the last step, and where it went another way than the file says.
    fn tell(&mut self, position: usize, path: &[PathStep]) -> Result<(), Problem> {
        let Some(step) = path.last() else {
            return Ok(());
        };
        let mut shown = event::PathStep {
            action: self.case.spec.model.action(step.action).name.clone(),
            exchange: None,
        };
        if let Some(record) = &step.record {
            shown.exchange = Some(self.hidden(&event::Exchange::of(record))?);
        }
        let several = self.case.spec.world.systems.len() > 1;
        let seen = evidence::seen(&shown, several);
        let exchange = shown.exchange.as_ref();
        let answer = exchange.and_then(|seen| seen.response.body.as_ref());
        let answer = answer.map(evidence::body);
        let recorded = &self.case.reproduction.path[position];
        let width = self.session.surroundings.report_columns();
        self.session.page(&page::step(
            position + 1,
            &seen,
            answer.as_deref(),
            recorded,
            width,
        ))
    }

    fn found(&self, finding: &Finding) -> Result<(), Problem> {
        let (expected, found) = evidence::shown(&self.hidden(&finding.evidence)?);
        self.session.page(&page::evidence(&expected, &found))
    }

    /// The same without secrets.
    fn hidden<T: Serialize + DeserializeOwned>(&self, value: &T) -> Result<T, Problem> {
        let hidden = self.secrets.hidden(value);
        hidden.map_err(|error| Problem::usage(format!("a step cannot be shown: {error}")))
    }

    /// Waits for the user, if that was asked for.
    async fn goes_on(&mut self, world: &LiveWorld, position: usize) -> bool {
        let Some(pause) = &mut self.pause else {
            return true;
        };
        let steps = self.case.path.len();
        let next = match self.case.path.get(position + 1) {
            Some(next) => format!("Enter sends `{}`", self.case.spec.model.action(*next).name),
            None => "Enter puts everything back".to_owned(),
        };
        let mut lines = vec![format!(
            "\n  after step {} of {steps}; the database holds exactly this state, have a look:",
            position + 1
        )];
        lines.extend(world.addresses().iter().map(|(name, address)| {
            format!("    {name:<8}{}", crate::secret::without_password(address))
        }));
        lines.push(format!("  {next}, `q` and Enter stops: "));
        pause.ask(&lines.join("\n"), self.interrupt).await == Answer::GoOn
    }
}
