//! What will be done: flags, the spec's `explore:` section and the defaults, put together and checked.

use std::io;

use super::args::{ExploreFlags, SpecValues};
use super::formats::ReportRequest;
use super::surroundings::Surroundings;
use super::values::Assignment;
use super::{Problem, Session, formats, secret_words};
use crate::explorer::budget::Limits;
use crate::explorer::strategy;
use crate::random::Random;
use crate::report::{Progress, Report, Reports};
use crate::secret;
use crate::shell::quoted;
use crate::spec::{self, ExploreSection, Spec};
use crate::world::config::{IdentityMode, RestoreMode};

/// How one spec is explored.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) strategy: String,
    pub(super) seed: u64,
    /// Where it is another than that of the spec.
    pub(super) identity: Option<IdentityMode>,
    pub(super) postpone: bool,
    pub(super) limits: Limits,
    only: Vec<String>,
    skip: Vec<String>,
}

impl Plan {
    /// A flag beats the spec, which beats the default.
    pub(super) fn new(flags: &ExploreFlags, section: &ExploreSection) -> Self {
        let defaults = Limits::default();
        Self {
            strategy: flags
                .strategy
                .clone()
                .or_else(|| section.strategy.clone())
                .unwrap_or_else(|| strategy::DEFAULT.to_owned()),
            identity: flags.identity.as_deref().and_then(IdentityMode::named),
            seed: flags.seed.or(section.seed).unwrap_or(Random::DEFAULT_SEED),
            postpone: !flags.no_postpone && section.postpone.unwrap_or(true),
            limits: Limits {
                max_steps: flags
                    .max_steps
                    .or(section.max_steps)
                    .unwrap_or(defaults.max_steps),
                max_depth: flags
                    .max_depth
                    .or(section.max_depth)
                    .unwrap_or(defaults.max_depth),
                coverage_target: flags
                    .coverage_target
                    .or(section.coverage_target)
                    .or(defaults.coverage_target),
                time_limit: flags
                    .time_limit
                    .or(section.time_limit)
                    .or(defaults.time_limit),
                fail_fast: flags.fail_fast.or(section.fail_fast).or(defaults.fail_fast),
                progress_every: flags
                    .progress_every
                    .or(section.progress_every)
                    .unwrap_or(defaults.progress_every),
            },
            only: flags.only.clone(),
            skip: flags.skip.clone(),
        }
    }

    /// The plan of this spec, unless it cannot be carried out there.
    pub(super) fn of(spec: &Spec, flags: &ExploreFlags) -> Result<Self, Problem> {
        let plan = Self::new(flags, &spec.explore);
        let able = strategy::without_restore();
        if spec.world.restore == RestoreMode::None && !able.contains(&plan.strategy.as_str()) {
            let able: Vec<String> = able
                .iter()
                .map(|name| format!("`--strategy {name}`"))
                .collect();
            return Err(Problem::usage(format!(
                "strategy `{}` goes back to earlier states, and `{}` says `restore: none`",
                plan.strategy,
                spec.path.display()
            ))
            .help(format!("use {}, or another `restore:`", able.join(" or "))));
        }
        Ok(plan)
    }

    /// The command that does the same again.
    pub(super) fn repeat(
        &self,
        command: &[String],
        values: &SpecValues,
        surroundings: &Surroundings,
    ) -> String {
        let defaults = Limits::default();
        let limits = &self.limits;
        let mut words = vec!["venomqa".to_owned()];
        words.extend(command.iter().map(quoted));
        let mut flag = |name: &str, value: String| words.extend([name.to_owned(), quoted(&value)]);
        flag("--strategy", self.strategy.clone());
        flag("--seed", self.seed.to_string());
        if let Some(identity) = self.identity {
            flag("--identity", identity.name().to_owned());
        }
        flag("--max-steps", limits.max_steps.to_string());
        if limits.max_depth != defaults.max_depth {
            flag("--max-depth", limits.max_depth.to_string());
        }
        if let Some(share) = limits.coverage_target {
            flag("--coverage-target", share.to_string());
        }
        if let Some(time) = limits.time_limit {
            let milliseconds = time.as_millis();
            let text = if milliseconds.is_multiple_of(1000) {
                format!("{}s", milliseconds / 1000)
            } else {
                format!("{milliseconds}ms")
            };
            flag("--time-limit", text);
        }
        for name in &self.only {
            flag("--only", name.clone());
        }
        for name in &self.skip {
            flag("--skip", name.clone());
        }
        if let Some(url) = &values.base_url {
            flag("--base-url", url.clone());
        }
        for Assignment { name, value } in &values.set {
            if secret::is_secret_name(name) {
                let fallback = spec::reproduction::environment_name(name);
                let word = secret_words::word(surroundings, name, value, &fallback);
                words.push(format!("--set {}{word}", quoted(format!("{name}="))));
            } else {
                let value = secret::without_password(value);
                words.push(format!("--set {}", quoted(format!("{name}={value}"))));
            }
        }
        if let Some(severity) = limits.fail_fast {
            words.push(format!("--fail-fast={severity}"));
        }
        if !self.postpone {
            words.push("--no-postpone".to_owned());
        }
        words.join(" ")
    }
}

/// The reports on a run that is about to begin, and its progress. The console report goes to standard output unless
/// another one does.
pub(super) fn reports(
    session: &Session<'_>,
    requests: &[ReportRequest],
) -> Result<Reports, Problem> {
    let asked = formats::open(session, "--report", requests)?;
    let mut reports: Vec<Box<dyn Report>> =
        vec![Box::new(if session.surroundings.stderr_is_terminal {
            Progress::bar()
        } else {
            Progress::lines(Box::new(io::stderr()))
        })];
    // The one that people read comes first: it is shown even if another cannot be written.
    if requests.iter().all(|request| request.path.is_some()) {
        reports.push(formats::console(session));
    }
    reports.extend(asked);
    Ok(Reports::new(reports))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::Severity;

    #[test]
    fn a_flag_beats_the_spec_which_beats_the_default() {
        let section = ExploreSection {
            strategy: Some("bfs".to_owned()),
            max_steps: Some(7),
            seed: Some(3),
            ..ExploreSection::default()
        };
        let flags = ExploreFlags {
            max_steps: Some(9),
            fail_fast: Some(Severity::High),
            ..ExploreFlags::default()
        };
        let plan = Plan::new(&flags, &section);
        assert_eq!(plan.strategy, "bfs");
        assert_eq!(plan.seed, 3);
        assert_eq!(
            plan.limits,
            Limits {
                max_steps: 9,
                fail_fast: Some(Severity::High),
                ..Limits::default()
            }
        );
    }

    #[test]
    fn without_flags_and_section_the_defaults_hold() {
        let plan = Plan::new(&ExploreFlags::default(), &ExploreSection::default());
        assert_eq!(plan.limits, Limits::default());
        assert_eq!((plan.strategy.as_str(), plan.seed), ("auto", 1));
    }

    #[test]
    fn the_command_that_repeats_a_run_is_whole_quoted_and_without_secrets() {
        let flags = ExploreFlags {
            time_limit: Some(Duration::from_secs(90)),
            max_depth: Some(4),
            fail_fast: Some(Severity::Low),
            ..ExploreFlags::default()
        };
        let values = SpecValues {
            base_url: Some("http://127.0.0.1:8000".to_owned()),
            set: ["name=it's", "api_token=s3cret"]
                .map(|text| {
                    let (name, value) = text.split_once('=').unwrap();
                    Assignment {
                        name: name.to_owned(),
                        value: value.to_owned(),
                    }
                })
                .into(),
        };
        let plan = Plan::new(&flags, &ExploreSection::default());
        assert_eq!(
            plan.repeat(
                &["explore".to_owned(), "my specs/a.yaml".to_owned()],
                &values,
                &Surroundings::default()
            ),
            r#"venomqa explore 'my specs/a.yaml' --strategy auto --seed 1 --max-steps 500 --max-depth 4 --time-limit 90s --base-url http://127.0.0.1:8000 --set 'name=it'\''s' --set api_token="${VENOMQA_API_TOKEN:?must be set to the secret first}" --fail-fast=low"#
        );
    }
}
