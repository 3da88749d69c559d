//! Principals, and who may do what.

use std::collections::HashSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use indexmap::{IndexMap, IndexSet};

use super::Lowering;
use crate::diagnostic::{Code, Diagnostic, Path, did_you_mean};
use crate::expr::Template;
use crate::model::{
    Action, ExpectedResponse, Forbidden, Names, PrincipalId, RequestTemplate, StatusPattern,
    VariableId,
};
use crate::spec::document::{
    Actors, Basic, Document, LoginStep, Principal as Written, SetupExpect,
};
use crate::spec::names::Scope;
use crate::world::config::{Principal, SetupStep};

/// One of those who send an action.
pub(super) struct Actor {
    pub(super) principal: PrincipalId,
    /// Its name, where that is a part of the action's name.
    pub(super) suffix: Option<String>,
    /// Where it is not allowed: who is.
    pub(super) forbidden: Option<Forbidden>,
}

impl Actor {
    /// The action as this one sends it. Where that is forbidden, it has to be refused, whatever it answers to others.
    pub(super) fn acts(&self, mut action: Action) -> Action {
        action.request.principal = Some(self.principal);
        if let Some(forbidden) = &self.forbidden {
            action.forbidden = Some(forbidden.clone());
            action.expect = ExpectedResponse {
                status: vec![StatusPattern::Class(4)],
                ..ExpectedResponse::default()
            };
            // Whoever may not do it is not kept waiting.
            action.request.retry = None;
        }
        action
    }
}

/// The statuses of a good answer to a request of `setup` or of a login: what it says, or else what its `retry` waits for.
pub(super) fn good_statuses(
    request: &RequestTemplate,
    written: Option<&SetupExpect>,
) -> Vec<StatusPattern> {
    match (written, &request.retry) {
        (Some(expect), _) => expect.status.0.clone(),
        (None, Some(retry)) => retry.until.status.clone(),
        (None, None) => Vec::new(),
    }
}

impl Lowering<'_> {
    pub(super) fn principals(&mut self, document: &Document) -> Vec<Principal> {
        let section = Path::root().key("principals");
        let all = document.principals.iter().enumerate();
        all.map(|(position, (name, written))| {
            self.principal(
                &section.key(name),
                name,
                written,
                PrincipalId(position as u32),
            )
        })
        .collect()
    }

    fn principal(
        &mut self,
        at: &Path,
        name: &str,
        written: &Written,
        id: PrincipalId,
    ) -> Principal {
        let is_letter = |letter: char| letter.is_alphanumeric() || "_-.@".contains(letter);
        if name.is_empty() || !name.chars().all(is_letter) {
            self.at_key(
                at,
                "",
                Diagnostic::error(
                    Code::BadName,
                    format!("`{name}` cannot be the name of a principal"),
                )
                .help("letters, digits, `_`, `-`, `.` and `@` make a name"),
            );
        }
        let steps: &[LoginStep] = written.login.as_ref().map_or(&[], |login| &login.steps);
        let own: IndexSet<String> = steps
            .iter()
            .flat_map(|step| step.extract.keys().cloned())
            .collect();
        let is_list = written.login.as_ref().is_some_and(|login| login.is_list);
        let mut so_far = HashSet::new();
        let mut login = Vec::new();
        for (position, step) in steps.iter().enumerate() {
            let section = at.key("login");
            let at = if is_list {
                section.index(position)
            } else {
                section
            };
            let scope = Scope::Principal(&so_far);
            let mut request = self.request(&at.key("request"), &step.request, scope);
            request.principal = Some(id);
            request.retry = self.retry(&at.key("retry"), step.retry.as_ref());
            let number = |name: &str| {
                let position = own.get_index_of(name)?;
                Some(VariableId(position as u32))
            };
            login.push(SetupStep {
                status: good_statuses(&request, step.expect.as_ref()),
                request,
                extract: self.extractions_as(&at.key("extract"), &step.extract, &number),
            });
            so_far.extend(step.extract.keys().cloned());
        }
        let scope = Scope::Principal(&so_far);
        let mut headers = self.headers(&at.key("headers"), &written.headers, scope);
        let query = self.templates(&at.key("query"), &written.query, scope);
        if let Some(basic) = &written.basic {
            let header = self.basic(&at.key("basic"), basic);
            if let Some(own) = written
                .headers
                .keys()
                .find(|name| name.eq_ignore_ascii_case(&header.0))
            {
                let diagnostic = Diagnostic::error(
                    Code::Contradiction,
                    "`basic` is the header `Authorization`, and there is another one",
                );
                self.at_key(&at.key("headers").key(own), "", diagnostic);
            }
            headers.push(header);
        }
        let renew_on = match &written.renew_on {
            Some(statuses) => statuses.0.clone(),
            None => vec![StatusPattern::Code(401)],
        };
        if steps.is_empty() && written.renew_on.is_some() {
            let diagnostic = Diagnostic::warning(
                Code::Contradiction,
                format!("`{name}` has no login that could be renewed"),
            );
            self.at_key(
                &at.key("renew_on"),
                "",
                diagnostic.help("add `login`, or remove this"),
            );
        }
        Principal {
            name: name.to_owned(),
            names: Arc::new(Names {
                constants: self.known.constants.clone(),
                variables: own,
            }),
            login,
            headers,
            query,
            renew_on,
        }
    }

    fn basic(&mut self, at: &Path, basic: &Basic) -> (String, Template) {
        let user = self.compiler.constant_text(&at.key("user"), &basic.user.0);
        let password = self
            .compiler
            .constant_text(&at.key("password"), &basic.password.0);
        if user.contains(':') {
            let diagnostic = Diagnostic::error(
                Code::BadValue,
                "the name of a user cannot hold `:` in basic authentication",
            );
            self.at_value(&at.key("user"), "", diagnostic);
        }
        let encoded = BASE64_STANDARD.encode(format!("{user}:{password}"));
        (
            "Authorization".to_owned(),
            Template::literal(&format!("Basic {encoded}")),
        )
    }

    /// Who sends an action; one without a principal where the spec names none.
    pub(super) fn actors(
        &mut self,
        at: &Path,
        actors: Option<&Actors>,
        allow: Option<&Actors>,
        document: &Document,
    ) -> Vec<Option<Actor>> {
        let allowed = allow.map(|allow| {
            self.principal_ids(&at.key("allow"), allow, document);
            allow.names.clone()
        });
        let Some(actors) = actors else {
            if allow.is_some() && !self.compiler.problems.is_broken(&at.key("as")) {
                let diagnostic = Diagnostic::error(
                    Code::MissingKey,
                    "`allow` says who of `as` may do this, and there is no `as`",
                );
                let help = "list everybody who shall try: `as: [admin, anna, nobody]`";
                self.at_key(&at.key("allow"), "", diagnostic.help(help));
            }
            return vec![None];
        };
        let ids = self.principal_ids(&at.key("as"), actors, document);
        let mut all = Vec::new();
        for (name, id) in ids {
            let is_allowed = allowed
                .as_ref()
                .is_none_or(|allowed| allowed.contains(&name));
            all.push(Some(Actor {
                principal: id,
                forbidden: (!is_allowed).then(|| Forbidden {
                    principal: name.clone(),
                    allowed: allowed.clone().unwrap_or_default(),
                }),
                suffix: actors.is_list.then_some(name),
            }));
        }
        // The rest is checked all the same.
        if all.is_empty() { vec![None] } else { all }
    }

    /// Who sends a request that only one can send.
    pub(super) fn actor(
        &mut self,
        at: &Path,
        actor: Option<&String>,
        document: &Document,
    ) -> Option<PrincipalId> {
        let name = actor?;
        self.principal_id(at, name, &document.principals)
    }

    fn principal_ids(
        &mut self,
        at: &Path,
        actors: &Actors,
        document: &Document,
    ) -> Vec<(String, PrincipalId)> {
        let mut found: Vec<(String, PrincipalId)> = Vec::new();
        for (position, name) in actors.names.iter().enumerate() {
            let at = if actors.is_list {
                at.index(position)
            } else {
                at.clone()
            };
            if found.iter().any(|(known, _)| known == name) {
                let diagnostic = Diagnostic::error(
                    Code::DuplicateName,
                    format!("the principal `{name}` is listed twice"),
                );
                self.at_value(&at, "again here", diagnostic.help("remove one of the two"));
            } else if let Some(id) = self.principal_id(&at, name, &document.principals) {
                found.push((name.clone(), id));
            }
        }
        found
    }

    fn principal_id(
        &mut self,
        at: &Path,
        name: &str,
        principals: &IndexMap<String, Written>,
    ) -> Option<PrincipalId> {
        if let Some(position) = principals.get_index_of(name) {
            return Some(PrincipalId(position as u32));
        }
        let section = Path::root().key("principals");
        // One that is wrong itself is reported there.
        let is_declared = self
            .compiler
            .problems
            .tree()
            .value(&section.key(name))
            .is_some();
        if is_declared || self.compiler.problems.is_broken(&section) {
            return None;
        }
        let names: Vec<&str> = principals.keys().map(String::as_str).collect();
        let known = crate::spec::read::one_of(&names);
        let help = match did_you_mean(name, names.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`? Declared are {known}"),
            None if names.is_empty() => {
                format!("declare it: `principals: {{ {name}: {{ headers: ... }} }}`")
            }
            None => format!("declared are {known}"),
        };
        self.at_value(
            at,
            "no such principal",
            Diagnostic::error(
                Code::UnknownPrincipal,
                format!("unknown principal `{name}`"),
            )
            .help(help),
        );
        None
    }
}
