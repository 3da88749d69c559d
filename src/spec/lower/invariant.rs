//! Invariants.

use super::Lowering;
use crate::diagnostic::{Code, Diagnostic, Path};
use crate::model::{Assertion, Expectation, Invariant, Severity, Subject};
use crate::spec::document::{Document, Invariant as Written, InvariantExpect};
use crate::spec::names::Scope;

impl Lowering<'_> {
    pub(super) fn invariants(&mut self, document: &Document) -> Vec<Invariant> {
        let invariants = &document.invariants;
        let section = Path::root().key("invariants");
        self.duplicates(
            "invariants",
            invariants.iter().map(|invariant| {
                (
                    invariant.name.as_str(),
                    section.index(invariant.position).key("name"),
                )
            }),
        );
        invariants
            .iter()
            .filter_map(|invariant| {
                self.invariant(&section.index(invariant.position), invariant, document)
            })
            .collect()
    }

    fn invariant(
        &mut self,
        at: &Path,
        written: &Written,
        document: &Document,
    ) -> Option<Invariant> {
        if written.name.trim().is_empty() {
            self.at_value(
                &at.key("name"),
                "",
                Diagnostic::error(Code::BadName, "an invariant needs a name"),
            );
        }
        let system_at = at.key("system");
        let system = written.system.as_deref().map(|name| (name, &system_at));
        let subject = self.subject(at, written, system, document)?;
        let expect_at = at.key("expect");
        let expectation = match &written.expect {
            Some(InvariantExpect::Empty) => only(Assertion::Empty),
            Some(InvariantExpect::NotEmpty) => only(Assertion::NotEmpty),
            Some(InvariantExpect::Assertions(assertions)) => {
                self.expectation(&expect_at, assertions, system)
            }
            None if matches!(subject, Subject::Sql(_)) => only(Assertion::Empty),
            None => {
                if !self.compiler.problems.is_broken(&expect_at) {
                    self.at_value(
                        &at.key("name"),
                        "what must it be?",
                        Diagnostic::error(
                            Code::MissingKey,
                            format!("the invariant `{}` lacks `expect`", written.name),
                        )
                        .help("say what must be found: `expect: empty`, `expect: { equals: 1 }`; only `sql` has a default"),
                    );
                }
                Expectation::default()
            }
        };
        Some(Invariant {
            name: written.name.clone(),
            severity: written.severity.map_or(Severity::Medium, Into::into),
            message: written.message.clone(),
            subject,
            expectation,
        })
    }

    fn subject(
        &mut self,
        at: &Path,
        written: &Written,
        system: Option<(&str, &Path)>,
        document: &Document,
    ) -> Option<Subject> {
        let principal = self.actor(&at.key("as"), written.actor.as_ref(), document);
        if written.actor.is_some() && written.request.is_none() {
            let diagnostic = Diagnostic::error(
                Code::Contradiction,
                "`as` says who sends the `request` of an invariant, and there is none",
            );
            self.at_key(&at.key("as"), "", diagnostic);
        }
        if written.retry.is_some() && written.request.is_none() {
            let diagnostic = Diagnostic::error(
                Code::Contradiction,
                "`retry` sends the `request` of an invariant again, and there is none",
            );
            self.at_key(&at.key("retry"), "", diagnostic);
        }
        if let Some(text) = &written.sql {
            for (key, there) in [
                ("request", written.request.is_some()),
                ("jsonpath", written.jsonpath.is_some()),
            ] {
                if there {
                    self.at_key(
                        &at.key(key),
                        "",
                        Diagnostic::error(
                            Code::Contradiction,
                            format!("an invariant looks at `sql` or at `{key}`, not at both"),
                        )
                        .help("make two invariants, or compare with `expect: { equals_sql: ... }`"),
                    );
                }
            }
            let at = at.key("sql");
            let system = self.system(system, &at);
            return Some(Subject::Sql(self.compiler.sql(&at, text, system)));
        }
        let jsonpath = match &written.jsonpath {
            Some(text) => self.compiler.jsonpath(&at.key("jsonpath"), text),
            None => None,
        };
        if let Some(request) = &written.request {
            let mut request = self.request(&at.key("request"), request, Scope::Path(&[]));
            request.principal = principal;
            request.retry = self.retry(&at.key("retry"), written.retry.as_ref());
            let jsonpath = match &written.jsonpath {
                Some(_) => jsonpath?,
                None => crate::expr::JsonPath::parse("$").ok()?,
            };
            return Some(Subject::Probe {
                request: Box::new(request),
                jsonpath,
            });
        }
        if written.jsonpath.is_none() {
            if !["sql", "request", "jsonpath"]
                .iter()
                .any(|key| self.compiler.problems.is_broken(&at.key(key)))
            {
                self.at_value(
                    &at.key("name"),
                    "looks at nothing",
                    Diagnostic::error(
                        Code::MissingKey,
                        format!("the invariant `{}` looks at nothing", written.name),
                    )
                    .help("add `sql`, `request` or `jsonpath`"),
                );
            }
            return None;
        }
        Some(Subject::Response {
            jsonpath: jsonpath?,
        })
    }
}

fn only(assertion: Assertion) -> Expectation {
    Expectation {
        assertions: vec![assertion],
    }
}
