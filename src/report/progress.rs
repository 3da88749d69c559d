//! Progress on stderr: one line every N steps, or a bar where stderr is a terminal.

use std::io::Write;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Report;
use super::text::percent;
use crate::event::{Detail, Event, Figures};

/// Shows how far a run is.
pub enum Progress {
    /// One line for each progress event.
    Lines(Box<dyn Write>),
    /// A bar that moves with every step; violations are printed above it as they are found.
    Bar(Option<ProgressBar>),
}

impl Progress {
    /// Lines, for pipes and logs.
    pub fn lines(writer: Box<dyn Write>) -> Self {
        Self::Lines(writer)
    }

    /// A bar on stderr, which must be a terminal: elsewhere indicatif shows nothing at all.
    pub fn bar() -> Self {
        Self::Bar(None)
    }
}

impl Report for Progress {
    fn detail(&self) -> Detail {
        match self {
            Self::Lines(_) => Detail::None,
            Self::Bar(_) => Detail::Brief,
        }
    }

    fn kept(&self) -> Detail {
        Detail::None
    }

    fn entry(&mut self, entry: &Event) {
        match self {
            Self::Lines(writer) => {
                if let Event::Progress(figures) = entry {
                    // Progress that nobody can read is no reason to end a run.
                    let _ = writeln!(writer, "{}", line(figures));
                }
            }
            Self::Bar(bar) => match entry {
                Event::Started(info) => *bar = Some(new_bar(info.limits.max_steps)),
                Event::Step(step) => {
                    if let Some(bar) = bar {
                        bar.set_position(step.step);
                    }
                }
                Event::Progress(figures) => {
                    if let Some(bar) = bar {
                        bar.set_position(figures.step);
                        bar.set_message(tail(figures));
                    }
                }
                Event::Violation(seen) => {
                    if let Some(bar) = bar {
                        bar.println(format!(
                            "  found {} {} at step {}",
                            seen.severity,
                            crate::visible::line(&seen.name),
                            seen.first_step
                        ));
                    }
                }
                Event::Finished(_) => {
                    if let Some(bar) = bar.take() {
                        bar.finish_and_clear();
                    }
                }
                Event::Initial(_) | Event::Warning(_) | Event::Closed(_) => {}
            },
        }
    }
}

fn new_bar(steps: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr());
    // The template is a constant that parses; were it not, the default bar would do.
    if let Ok(style) = ProgressStyle::with_template("  {bar:24} step {pos}/{len}{msg}") {
        bar.set_style(style.progress_chars("━━╌"));
    }
    bar
}

/// `  step 50/500 | states 12 | coverage 60% | violations 0`
fn line(figures: &Figures) -> String {
    format!(
        "  step {}/{}{}",
        figures.step,
        figures.max_steps,
        tail(figures)
    )
}

fn tail(figures: &Figures) -> String {
    format!(
        " | states {} | coverage {}% | violations {}",
        figures.states,
        percent(figures.coverage),
        figures.violations
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_has_the_agreed_form() {
        let figures = Figures {
            step: 50,
            max_steps: 500,
            states: 12,
            coverage: 0.6,
            violations: 0,
        };
        assert_eq!(
            line(&figures),
            "  step 50/500 | states 12 | coverage 60% | violations 0"
        );
    }
}
