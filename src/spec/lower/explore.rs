//! `explore:`

use super::Lowering;
use crate::diagnostic::{Code, Diagnostic, Path, did_you_mean};
use crate::spec::document::Document;
use crate::spec::read::one_of;
use crate::spec::{ExploreSection, Vocabulary};
use crate::world::config::{RestoreMode, WorldConfig};

impl Lowering<'_> {
    pub(super) fn explore(&mut self, document: &Document, world: &WorldConfig) -> ExploreSection {
        let explore = &document.explore;
        let at = Path::root().key("explore");
        if let Some(strategy) = explore.strategy.as_deref() {
            let at = at.key("strategy");
            let Vocabulary {
                strategies,
                strategies_without_restore,
                ..
            } = self.vocabulary;
            if !strategies.contains(&strategy) {
                let help = match did_you_mean(strategy, strategies.iter().copied()) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("there is {}", one_of(strategies)),
                };
                self.at_value(
                    &at,
                    "no such strategy",
                    Diagnostic::error(
                        Code::UnknownStrategy,
                        format!("unknown strategy `{strategy}`"),
                    )
                    .help(help),
                );
            } else if world.restore == RestoreMode::None
                && !strategies_without_restore.contains(&strategy)
            {
                let diagnostic = self.compiler.problems.beside(
                    &Path::root().key("restore"),
                    "never goes back",
                    Diagnostic::error(
                        Code::Contradiction,
                        format!("the strategy `{strategy}` goes back to earlier states, and `restore: none` never does"),
                    )
                    .help(format!("explore with {}, or let states be restored", one_of(strategies_without_restore))),
                );
                self.at_value(&at, "goes back", diagnostic);
            }
        }
        if let Some(target) = explore.coverage_target
            && !(0.0..=1.0).contains(&target)
        {
            self.at_value(
                &at.key("coverage_target"),
                "expected 0 to 1",
                Diagnostic::error(
                    Code::BadValue,
                    format!("a coverage target is a share from 0 to 1, not `{target}`"),
                )
                .help("80% is written `0.8`"),
            );
        }
        for (key, is_zero) in [
            ("max_steps", explore.max_steps == Some(0)),
            ("max_depth", explore.max_depth == Some(0)),
            ("progress_every", explore.progress_every == Some(0)),
        ] {
            if is_zero {
                self.at_value(
                    &at.key(key),
                    "expected 1 or more",
                    Diagnostic::error(
                        Code::BadValue,
                        format!("`explore.{key}` must be at least 1"),
                    ),
                );
            }
        }
        ExploreSection {
            strategy: explore.strategy.clone(),
            max_steps: explore.max_steps,
            max_depth: explore.max_depth,
            coverage_target: explore.coverage_target,
            time_limit: explore.time_limit.map(|limit| limit.0),
            seed: explore.seed,
            postpone: explore.postpone,
            progress_every: explore.progress_every,
            fail_fast: explore.fail_fast.and_then(|fail_fast| fail_fast.0),
        }
    }
}
