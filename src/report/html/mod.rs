//! The report for exploring a run by hand: one HTML file that needs no other file, described in `docs/html.md`.
//!
//! The page is plain HTML, CSS and JavaScript in the files beside this one, embedded as they are: no framework, no build
//! step. The page reads the runs as JSON in data blocks, never as markup. Its content security policy forbids it to load or
//! send anything and to run any other script. The same spec, service and seed give the same bytes, apart from durations and dates.

mod data;
#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};

use super::{Destination, Form, Report, ReportError, RunReport};
use crate::event::Detail;
use data::Encoded;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");

/// The scripts of the page, each after those that it needs; they share one scope.
const SCRIPTS: [&str; 11] = [
    include_str!("js/dom.js"),
    include_str!("js/data.js"),
    include_str!("js/values.js"),
    include_str!("js/steps.js"),
    include_str!("js/layout.js"),
    include_str!("js/canvas.js"),
    include_str!("js/search.js"),
    include_str!("js/graph.js"),
    include_str!("js/lists.js"),
    include_str!("js/keys.js"),
    include_str!("js/main.js"),
];

/// Bytes that all requests, answers and rows may take in a page. A run may use half of what the runs before it left, so that
/// no number of runs exceeds this limit.
const BUDGET: usize = 30_000_000;

/// Collects runs and writes them as one page.
pub struct Html {
    destination: Destination,
    runs: Vec<Encoded>,
    headlines: Vec<String>,
    budget: usize,
    failed: Option<ReportError>,
}

impl Html {
    /// A report that is written to this destination once all runs are over.
    pub fn new(destination: Destination) -> Self {
        Self {
            destination: destination.of(Form::Safe),
            runs: Vec::new(),
            headlines: Vec::new(),
            budget: BUDGET,
            failed: None,
        }
    }
}

impl Report for Html {
    fn detail(&self) -> Detail {
        Detail::Whole
    }

    fn run(&mut self, run: &RunReport) {
        match data::encode(run, self.budget / 2) {
            Ok(encoded) => {
                self.budget = self.budget.saturating_sub(encoded.exchanges.len());
                self.headlines
                    .push(format!("{}: {}", run.started.spec.name, run.headline()));
                self.runs.push(encoded);
            }
            Err(error) => self.failed = Some(self.destination.error("html", error.into())),
        }
    }

    fn finish(&mut self, _exit_code: u8) -> Result<(), ReportError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let page = page(&self.runs, &self.headlines);
        self.destination.write("html", &page)
    }
}

/// The whole page. The template is split at its placeholders once, so that no text in the data is taken for a placeholder.
fn page(runs: &[Encoded], headlines: &[String]) -> String {
    let script = format!("\"use strict\";\n(() => {{\n{}}})();\n", SCRIPTS.join("\n"));
    let mut page = String::new();
    for piece in PAGE.split_inclusive("-->") {
        let Some((before, mark)) = piece.split_once("<!--") else {
            page.push_str(piece);
            continue;
        };
        page.push_str(before);
        match mark {
            "POLICY-->" => page.push_str(&policy(&script)),
            "STYLE-->" => page.push_str(STYLE),
            "SCRIPT-->" => page.push_str(&script),
            "HEADLINES-->" => {
                for headline in headlines {
                    page.push_str("<li><bdi>");
                    page.push_str(&escaped(headline));
                    page.push_str("</bdi></li>\n");
                }
            }
            "DATA-->" => {
                for (number, run) in runs.iter().enumerate() {
                    block(&mut page, &format!("run-{number}"), &run.summary);
                    block(&mut page, &format!("exchanges-{number}"), &run.exchanges);
                }
            }
            // A comment of the template.
            _ => {}
        }
    }
    page
}

/// The content security policy: the page may run its one script and use its one style. It may not load, connect, embed,
/// submit, or turn text into markup.
fn policy(script: &str) -> String {
    let hash = |text: &str| BASE64_STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; img-src data:; base-uri 'none'; form-action 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
        hash(script),
        hash(STYLE),
    )
}

/// A block of data. Without `<` nothing in the data can end the block or begin a comment. In JSON `<` stands only inside
/// texts, where its escape means the same.
fn block(page: &mut String, id: &str, json: &str) {
    page.push_str("<script type=\"application/json\" id=\"");
    page.push_str(id);
    page.push_str("\">");
    page.push_str(&crate::visible::json(json).replace('<', "\\u003c"));
    page.push_str("</script>\n");
}

/// Text as HTML, without characters that no document may hold.
fn escaped(text: &str) -> String {
    let mut shown = String::new();
    for character in super::text::printable(text).chars() {
        match character {
            '&' => shown.push_str("&amp;"),
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '"' => shown.push_str("&quot;"),
            '\'' => shown.push_str("&#39;"),
            other => shown.push(other),
        }
    }
    crate::visible::xml(&shown)
}
