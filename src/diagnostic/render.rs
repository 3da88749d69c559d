//! Renders problems as text, with the source underlined.

use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::{Diagnostic, Label, Severity, Source, SourceId, Sources};
use crate::secret::HiddenSource;

/// Characters of a name that a message shows.
const LONGEST_NAME: usize = 200;

/// The problems as text, an empty line between two, in the order given. With `color` the text carries ANSI escapes.
pub fn render(diagnostics: &[Diagnostic], sources: &Sources, color: bool) -> String {
    let renderer = if color {
        Renderer::styled()
    } else {
        Renderer::plain()
    }
    .decor_style(DecorStyle::Ascii);
    let (diagnostics, sources) = without_secrets(diagnostics, sources);
    let (diagnostics, sources) = (&diagnostics, &sources);
    let mut text = String::new();
    for diagnostic in diagnostics {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&renderer.render(&[group(diagnostic, sources)]));
        text.push('\n');
    }
    text
}

/// The same problems without the secrets that stand in these texts.
fn without_secrets(diagnostics: &[Diagnostic], sources: &Sources) -> (Vec<Diagnostic>, Sources) {
    let mut sources = sources.clone();
    let mut secrets = Vec::new();
    for file in &mut sources.files {
        let hidden = HiddenSource::of(&file.text);
        file.text = hidden.text;
        secrets.push(hidden.secrets);
    }
    let hide = |text: &mut String| {
        for secrets in &secrets {
            *text = secrets.hide(text).into_owned();
        }
        *text = shortened(text);
    };
    let mut diagnostics = diagnostics.to_vec();
    for diagnostic in &mut diagnostics {
        hide(&mut diagnostic.message);
        diagnostic.help.iter_mut().for_each(hide);
        for label in &mut diagnostic.labels {
            hide(&mut label.text);
        }
    }
    (diagnostics, sources)
}

/// A message with the names in it cut that nobody could read.
fn shortened(message: &str) -> String {
    let part = |(position, part): (usize, &str)| match part.char_indices().nth(LONGEST_NAME) {
        // Every second part stands between backticks.
        Some((end, _)) if position % 2 == 1 => format!("{}…", &part[..end]),
        _ => part.to_owned(),
    };
    let parts: Vec<String> = message.split('`').enumerate().map(part).collect();
    parts.join("`")
}

fn group<'a>(diagnostic: &'a Diagnostic, sources: &'a Sources) -> Group<'a> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(
        level
            .primary_title(&*diagnostic.message)
            .id(diagnostic.code.id()),
    );
    for source in sources_of(diagnostic) {
        if let Some(file) = sources.get(source) {
            group = group.element(snippet(diagnostic, source, file));
        }
    }
    match &diagnostic.help {
        Some(help) => group.element(Level::HELP.message(&**help)),
        None => group,
    }
}

/// The texts a problem points into, that of the problem itself first.
fn sources_of(diagnostic: &Diagnostic) -> Vec<SourceId> {
    let mut ids: Vec<SourceId> = Vec::new();
    let primary_first = |label: &&Label| !label.primary;
    let mut labels: Vec<&Label> = diagnostic.labels.iter().collect();
    labels.sort_by_key(primary_first);
    for label in labels {
        if !ids.contains(&label.source) {
            ids.push(label.source);
        }
    }
    ids
}

fn snippet<'a>(
    diagnostic: &'a Diagnostic,
    source: SourceId,
    file: &'a Source,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let labels = || {
        diagnostic
            .labels
            .iter()
            .filter(|label| label.source == source)
    };
    let ranges: Vec<Range<usize>> = labels()
        .map(|label| within(&file.text, &label.range))
        .collect();
    // The renderer gets only the lines between the labels: it would scan a long file again for every problem.
    let first = ranges.iter().map(|range| range.start).min().unwrap_or(0);
    let last = ranges.iter().map(|range| range.end).max().unwrap_or(0);
    let start = file.text[..first].rfind('\n').map_or(0, |at| at + 1);
    let end = file.text[last..]
        .find('\n')
        .map_or(file.text.len(), |at| last + at);
    let line = file.text[..start].matches('\n').count() + 1;
    Snippet::source(&file.text[start..end])
        .path(&*file.name)
        .line_start(line)
        .annotations(labels().zip(ranges).map(|(label, range)| {
            let kind = if label.primary {
                AnnotationKind::Primary
            } else {
                AnnotationKind::Context
            };
            let annotation = kind.span(range.start - start..range.end - start);
            if label.text.is_empty() {
                annotation
            } else {
                annotation.label(&*label.text)
            }
        }))
}

/// The range, clamped to the text and to whole characters, so that rendering a problem never fails.
fn within(text: &str, range: &Range<usize>) -> Range<usize> {
    let floor = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = floor(range.start);
    start..floor(range.end).max(start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Code;

    #[test]
    fn a_problem_is_drawn_with_file_line_and_column() {
        let mut sources = Sources::default();
        let id = sources.add("venomqa.yaml", "venomqa: 1\nacions: []\n");
        let diagnostic = Diagnostic::error(Code::UnknownKey, "unknown key `acions`")
            .at(id, 11..17, "not a key of a spec")
            .help("did you mean `actions`?");
        insta::assert_snapshot!(render(&[diagnostic], &sources, false), @r"
        error[unknown-key]: unknown key `acions`
         --> venomqa.yaml:2:1
          |
        2 | acions: []
          | ^^^^^^ not a key of a spec
          |
          = help: did you mean `actions`?
        ");
    }

    #[test]
    fn colour_is_there_only_when_asked_for() {
        let mut sources = Sources::default();
        let id = sources.add("a.yaml", "a: 1");
        let diagnostic = Diagnostic::warning(Code::UnusedVariable, "unused").at(id, 0..1, "");
        assert!(!render(std::slice::from_ref(&diagnostic), &sources, false).contains('\u{1b}'));
        assert!(render(&[diagnostic], &sources, true).contains('\u{1b}'));
    }

    #[test]
    fn a_range_outside_the_text_is_drawn_at_its_end() {
        let mut sources = Sources::default();
        let id = sources.add("a.yaml", "ß");
        let diagnostic = Diagnostic::error(Code::BadValue, "odd").at(id, 1..99, "here");
        assert!(render(&[diagnostic], &sources, false).contains("a.yaml:1:1"));
    }
}
