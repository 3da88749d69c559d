//! Progress on stderr: one line every N steps, or a bar where stderr is a terminal.

use std::io::Write;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Report;
use super::text::percent;
use crate::event::{Detail, Event, Figures, Phase, Proving, Violation};

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
                let told = match entry {
                    Event::Progress(figures) => line(figures),
                    Event::Violation(seen) => found(seen),
                    Event::Proving(proving) => proved(proving),
                    _ => return,
                };
                // Progress that nobody can read is no reason to end a run.
                let _ = writeln!(writer, "{told}");
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
                        bar.println(found(seen));
                    }
                }
                Event::Proving(proving) => {
                    if let Some(bar) = bar {
                        show(bar, proving);
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

/// Turns the bar of the walk into one of what comes after it.
fn show(bar: &ProgressBar, proving: &Proving) {
    // As above.
    if let Ok(style) = ProgressStyle::with_template("  {bar:24}{msg}") {
        bar.set_style(style.progress_chars("━━╌"));
    }
    bar.set_length(u64::from(proving.of));
    bar.set_position(u64::from(proving.number) - 1);
    bar.set_message(proved(proving));
    bar.tick();
}

/// `  found high no_over_refund after refund_order at step 37`
fn found(seen: &Violation) -> String {
    let place = match (&seen.action, seen.first_step) {
        (None, _) => "in the initial state".to_owned(),
        (Some(action), 0) => format!("after {action}, by its reproduction"),
        (Some(action), step) => format!("after {action} at step {step}"),
    };
    let verb = if seen.known { "known:" } else { "found" };
    let told = format!("{verb} {} {} {place}", seen.severity, seen.name);
    format!("  {}", crate::visible::line(&told))
}

/// `  shrinking violation 2 of 5`
fn proved(proving: &Proving) -> String {
    let what = match proving.phase {
        Phase::Shrinking => "shrinking violation",
        Phase::Confirming => "confirming violation",
        Phase::Process => "looking for state in the process, part",
    };
    format!("  {what} {} of {}", proving.number, proving.of)
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
