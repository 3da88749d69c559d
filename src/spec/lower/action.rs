//! Actions: one for each combination of parameter values.

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value;

use super::Lowering;
use super::request::is_identifier;
use crate::diagnostic::{Code, Diagnostic, Path, did_you_mean};
use crate::model::{
    Action, Assertion, Effect, Ensure, Ensured, Expectation, ExpectedResponse, FactId, FactRule,
    OnAnswer, Parameter, Precondition, SqlParameter, StatusPattern, VariableId,
};
use crate::spec::document::{
    Action as Written, ActionExpect, Document, HeaderExpect, OnAnswer as WrittenOnAnswer, STATUS,
    status_key,
};
use crate::spec::lower::for_each::Object;
use crate::spec::names::{Scope, ordinal};
use crate::spec::reachability::Dependencies;

/// More actions than this from one entry are a mistake.
const MAX_VARIANTS: usize = 10_000;

/// The facts that guards read, numbered in the order of their first use.
#[derive(Default)]
struct FactBook {
    rules: Vec<FactRule>,
    /// "Was accepted" facts, by action name.
    accepted: HashMap<String, FactId>,
}

impl FactBook {
    fn add(&mut self, action: &str, cap: u16, counts: Effect) -> FactId {
        self.rules.push(FactRule {
            action: action.to_owned(),
            cap,
            counts,
        });
        FactId(self.rules.len() as u32 - 1)
    }

    fn accepted(&mut self, action: &str) -> FactId {
        if let Some(fact) = self.accepted.get(action) {
            return *fact;
        }
        let fact = self.add(action, 1, Effect::Accepted);
        self.accepted.insert(action.to_owned(), fact);
        fact
    }
}

/// One of the actions that an entry makes.
struct Variant {
    action: Action,
    parameters: Vec<Parameter>,
    actor: Option<String>,
    /// `None` for the newest.
    object: Option<Object>,
    max_calls: Option<u16>,
}

impl Lowering<'_> {
    pub(super) fn actions(
        &mut self,
        document: &Document,
    ) -> (Vec<Action>, Vec<FactRule>, Vec<Dependencies>) {
        let section = Path::root().key("actions");
        let at = |action: &Written| section.index(action.position);
        self.duplicates(
            "actions",
            document
                .actions
                .iter()
                .map(|action| (action.name.as_str(), at(action).key("name"))),
        );
        // Where two actions have one name, preconditions mean the first.
        let mut positions: HashMap<&str, usize> = HashMap::new();
        for (index, action) in document.actions.iter().enumerate() {
            positions.entry(&action.name).or_insert(index);
        }
        let mut facts = FactBook::default();
        let mut actions = Vec::new();
        let mut dependencies = Vec::new();
        for written in &document.actions {
            let at = at(written);
            self.action_name(&at.key("name"), &written.name);
            let parameters: Vec<String> = written.parameters.keys().cloned().collect();
            let template = self.action(&at, written, &parameters, &mut facts);
            self.never_accepted(&at, written, &template.expect, document);
            dependencies.push(self.dependencies(&at, written, &template, &positions));
            let actors = self.actors(
                &at,
                written.actors.as_ref(),
                written.allow.as_ref(),
                document,
            );
            let objects = self.objects(&at, written, &template);
            for parameters in self.variants(&at, written) {
                for (actor, object) in
                    (actors.iter()).flat_map(|actor| objects.iter().map(move |it| (actor, it)))
                {
                    let suffix = actor.as_ref().and_then(|actor| actor.suffix.clone());
                    let action = match actor {
                        Some(actor) => actor.acts(template.clone()),
                        None => template.clone(),
                    };
                    actions.push(Variant {
                        action,
                        parameters: parameters.clone(),
                        actor: suffix,
                        object: object.clone(),
                        max_calls: written.max_calls,
                    });
                }
            }
        }
        let mut limits: HashMap<String, FactId> = HashMap::new();
        // Facts for `max_calls` come last: only now are all "was accepted" facts known.
        let actions = actions
            .into_iter()
            .map(|variant| {
                let Variant {
                    mut action,
                    parameters,
                    actor,
                    object,
                    max_calls,
                } = variant;
                action.counts.extend(facts.accepted.get(&action.base_name));
                let of_any = name_of(&action.base_name, &parameters, actor.as_deref(), None);
                if let Some(limit) = max_calls {
                    // Calls count together, whichever object each of them acts on.
                    let fact = match limits.get(&of_any) {
                        Some(fact) => *fact,
                        None => facts.add(&of_any, limit, Effect::Changed),
                    };
                    limits.insert(of_any, fact);
                    action.counts.push(fact);
                    action.max_calls = Some((fact, limit));
                }
                action.name = name_of(
                    &action.base_name,
                    &parameters,
                    actor.as_deref(),
                    object.as_ref(),
                );
                bind(&mut action.ensure, &parameters);
                action.parameters = Arc::new(parameters);
                match object {
                    Some(object) => object.chosen_by(action),
                    None => action,
                }
            })
            .collect();
        (actions, facts.rules, dependencies)
    }

    /// Compiles an action, still without the values of its parameters and the facts that it counts.
    fn action(
        &mut self,
        at: &Path,
        written: &Written,
        parameters: &[String],
        facts: &mut FactBook,
    ) -> Action {
        let scope = Scope::Path(parameters);
        for name in parameters {
            if !is_identifier(name) {
                self.at_key(
                    &at.key("parameters").key(name),
                    "",
                    Diagnostic::error(
                        Code::BadName,
                        format!("`{name}` cannot be read by a template"),
                    )
                    .help("a name is made of letters, digits and `_`, and starts with a letter"),
                );
            }
        }
        let mut request = self.request(&at.key("request"), &written.request, scope);
        request.retry = self.retry(&at.key("retry"), written.retry.as_ref());
        let requires = self.requires(&request, parameters);
        let mut expect = self.expect(&at.key("expect"), written.expect.as_ref());
        // What is waited for is what is expected, unless the spec says so.
        if expect.status.is_empty()
            && let Some(retry) = &request.retry
        {
            expect.status.clone_from(&retry.until.status);
        }
        Action {
            name: written.name.clone(),
            base_name: written.name.clone(),
            parameters: Arc::default(),
            chosen: None,
            preconditions: self.preconditions(at, written, scope, facts),
            max_calls: None,
            requires,
            counts: Vec::new(),
            weight: self.weight(at, written.weight),
            request,
            expect,
            accepted: OnAnswer {
                extract: self.extractions(&at.key("extract"), &written.extract),
                clear: self.clear(&at.key("clear"), &written.clear),
            },
            on: self.on(&at.key("on"), &written.on),
            ensure: self.ensure(&at.key("ensure"), &written.ensure, parameters),
            forbidden: None,
            switched_off: None,
        }
    }

    /// Warns where something waits for an acceptance that no legal status is.
    fn never_accepted(
        &mut self,
        at: &Path,
        written: &Written,
        expect: &ExpectedResponse,
        document: &Document,
    ) {
        if (200..400).any(|status| expect.accepts(status)) {
            return;
        }
        let awaits = document.actions.iter().find(|other| {
            let mut preconditions = other.preconditions.iter();
            preconditions.any(|name| *name == written.name)
        });
        let (idle, help) = if let Some(other) = awaits {
            let help =
                "list the status that accepts it, or write a condition over what is there instead";
            (
                format!("the precondition of `{}` never holds", other.name),
                help,
            )
        } else if !written.extract.is_empty() || !written.clear.is_empty() {
            let help = "say what to do after a refusal under `on`: `on: { 409: { extract: ... } }`";
            ("`extract` and `clear` never act".to_owned(), help)
        } else if written.max_calls.is_some_and(|limit| limit > 0) {
            let help = "calls that are not accepted use nothing up: remove `max_calls`";
            ("`max_calls` never counts".to_owned(), help)
        } else {
            return;
        };
        let message = format!("`{}` is never accepted, so {idle}", written.name);
        self.at_value(
            &at.key("expect").key("status"),
            "no 2xx, and no 3xx",
            Diagnostic::warning(Code::NeverAccepted, message).help(help),
        );
    }

    /// What answers with certain statuses leave in the context.
    fn on(
        &mut self,
        at: &Path,
        written: &IndexMap<String, WrittenOnAnswer>,
    ) -> Vec<(StatusPattern, OnAnswer)> {
        let mut lowered = Vec::new();
        for (status, entry) in written {
            let at = at.key(status);
            let on_answer = OnAnswer {
                extract: self.extractions(&at.key("extract"), &entry.extract),
                clear: self.clear(&at.key("clear"), &entry.clear),
            };
            match status_key(status) {
                Some(pattern) => lowered.push((pattern, on_answer)),
                None => self.at_key(
                    &at,
                    &format!("expected {STATUS}"),
                    Diagnostic::error(Code::BadValue, format!("`{status}` is no status")),
                ),
            }
        }
        lowered
    }

    /// The extracted values without which a request cannot be sent. A constant of the same name stands in for one.
    fn requires(
        &self,
        request: &crate::model::RequestTemplate,
        parameters: &[String],
    ) -> Vec<VariableId> {
        let mut requires = Vec::new();
        for template in request.templates() {
            for name in template.requires() {
                if parameters.contains(name) || self.known.constants.contains_key(name) {
                    continue;
                }
                if let Some(index) = self.known.variables.get_index_of(name) {
                    let variable = VariableId(index as u32);
                    if !requires.contains(&variable) {
                        requires.push(variable);
                    }
                }
            }
        }
        requires
    }

    fn action_name(&mut self, at: &Path, name: &str) {
        let letters = |letter: char| letter.is_alphanumeric() || "_-./:".contains(letter);
        let is_word = [
            "true", "false", "none", "not", "and", "or", "in", "is", "True", "False", "None",
        ]
        .contains(&name);
        let starts_well = name.starts_with(|first: char| first.is_alphabetic() || first == '_');
        if is_word {
            self.at_value(
                at,
                "",
                Diagnostic::error(
                    Code::BadName,
                    format!("an action cannot be called `{name}`: as a precondition that is an expression"),
                ),
            );
        } else if !starts_well || !name.chars().all(letters) {
            self.at_value(
                at,
                "",
                Diagnostic::error(
                    Code::BadName,
                    format!("`{name}` cannot be the name of an action, because it could not be a precondition"),
                )
                .help("letters, digits, `_`, `-`, `.`, `/` and `:` make a name; a letter comes first"),
            );
        }
    }

    fn preconditions(
        &mut self,
        at: &Path,
        written: &Written,
        scope: Scope<'_>,
        facts: &mut FactBook,
    ) -> Vec<Precondition> {
        let section = at.key("preconditions");
        if self.compiler.problems.is_broken(&section) {
            return Vec::new();
        }
        let mut lowered = Vec::new();
        for (index, text) in written.preconditions.iter().enumerate() {
            let at = section.index(index);
            if self.known.actions.contains_key(text) {
                lowered.push(Precondition::Accepted(facts.accepted(text)));
            } else if let Some((label, help)) = self.meant_an_action(text, scope) {
                self.at_value(
                    &at,
                    label,
                    Diagnostic::error(Code::UnknownAction, format!("unknown action `{text}`"))
                        .help(help),
                );
            } else {
                lowered.extend(
                    self.compiler
                        .condition(&at, text, scope)
                        .map(Precondition::Holds),
                );
            }
        }
        lowered
    }

    /// Label and help for a precondition that was probably meant to name an action.
    fn meant_an_action(&self, text: &str, scope: Scope<'_>) -> Option<(&'static str, String)> {
        if let Some((name, _)) = text.split_once('(')
            && self.known.actions.contains_key(name)
        {
            return Some((
                "an action with its parameters",
                format!("write `{name}`: any of its parameter values will do"),
            ));
        }
        let is_name = text
            .chars()
            .all(|letter| letter.is_alphanumeric() || "_-./:".contains(letter))
            && text.starts_with(|first: char| first.is_alphabetic() || first == '_');
        let is_parameter =
            matches!(scope, Scope::Path(parameters) if parameters.iter().any(|p| p == text));
        if !is_name
            || self.known.is_value(text)
            || is_parameter
            || ["true", "false"].contains(&text)
        {
            return None;
        }
        match did_you_mean(text, self.known.actions.keys().map(String::as_str)) {
            Some(meant) => Some(("no such action", format!("did you mean `{meant}`?"))),
            None if is_identifier(text) => Some((
                "neither an action nor a value",
                "name an action, or write a condition such as `order_id is defined`".to_owned(),
            )),
            None => None,
        }
    }

    fn weight(&mut self, at: &Path, weight: Option<f64>) -> f64 {
        let weight = weight.unwrap_or(1.0);
        if weight <= 0.0 || !weight.is_finite() {
            self.at_value(
                &at.key("weight"),
                "expected more than 0",
                Diagnostic::error(
                    Code::BadValue,
                    format!("a weight must be more than 0, not `{weight}`"),
                )
                .help("to switch an action off, write `max_calls: 0`"),
            );
        }
        weight
    }

    pub(super) fn expect(&mut self, at: &Path, written: Option<&ActionExpect>) -> ExpectedResponse {
        let Some(expect) = written else {
            return ExpectedResponse::default();
        };
        if let Some(status) = &expect.status
            && status.0.is_empty()
            && !self.compiler.problems.is_broken(&at.key("status"))
        {
            self.at_value(
                &at.key("status"),
                "",
                Diagnostic::error(Code::BadValue, "no status is legal here")
                    .help("name at least one status, or remove `status`"),
            );
        }
        let section = at.key("body");
        let mut body = Vec::new();
        if !self.compiler.problems.is_broken(&section) {
            for (index, written) in expect.body.iter().enumerate() {
                let at = section.index(index);
                let assertions = self.assertions(&at, written.assertions());
                self.not_nothing(&at, written.assertions(), false);
                let path = match &written.jsonpath {
                    None => Some(None),
                    Some(text) => self.compiler.jsonpath(&at.key("jsonpath"), text).map(Some),
                };
                if let Some(path) = path {
                    body.push((path, Expectation { assertions }));
                }
            }
        }
        let mut headers = Vec::new();
        for (name, written) in &expect.headers {
            let at = at.key("headers").key(name);
            self.header_name(&at, name);
            let assertions = match written {
                HeaderExpect::Text(text) => {
                    let text = self.compiler.constant_text(&at, &text.0);
                    vec![Assertion::Equals(text.into())]
                }
                HeaderExpect::Assertions(written) => {
                    self.not_nothing(&at, written.assertions(), false);
                    self.assertions(&at, written.assertions())
                }
            };
            headers.push((name.clone(), Expectation { assertions }));
        }
        ExpectedResponse {
            headers,
            duration: expect.duration.as_ref().map(|written| written.at_most.0),
            status: expect
                .status
                .as_ref()
                .map(|status| status.0.clone())
                .unwrap_or_default(),
            body,
        }
    }

    fn clear(&mut self, at: &Path, names: &[String]) -> Vec<VariableId> {
        if self.compiler.problems.is_broken(at) {
            return Vec::new();
        }
        let mut cleared = Vec::new();
        for (index, name) in names.iter().enumerate() {
            match self.known.variables.get_index_of(name) {
                Some(variable) => cleared.push(VariableId(variable as u32)),
                None => self.never_extracted(name, &at.index(index)),
            }
        }
        cleared
    }

    /// Every combination of parameter values; one empty combination where there are no parameters.
    fn variants(&mut self, at: &Path, written: &Written) -> Vec<Vec<Parameter>> {
        let section = at.key("parameters");
        let mut variants: Vec<Vec<Parameter>> = vec![Vec::new()];
        for (name, values) in &written.parameters {
            let at = section.key(name);
            if self.compiler.problems.is_broken(&at) {
                continue;
            }
            if values.is_empty() {
                self.at_value(
                    &at,
                    "",
                    Diagnostic::error(
                        Code::BadValue,
                        format!("the parameter `{name}` has no values"),
                    )
                    .help("list at least one value, or remove the parameter"),
                );
                continue;
            }
            if variants.len().saturating_mul(values.len()) > MAX_VARIANTS {
                self.at_key(
                    &section,
                    "",
                    Diagnostic::error(
                        Code::BadValue,
                        format!("these parameters make more than {MAX_VARIANTS} actions"),
                    )
                    .help("list fewer values: every combination becomes an action"),
                );
                break;
            }
            self.repeated(&at, values.iter().map(|value| &value.0));
            variants = variants
                .into_iter()
                .flat_map(|variant| {
                    values.iter().map(move |value| {
                        let mut variant = variant.clone();
                        variant.push((name.clone(), value.0.clone()));
                        variant
                    })
                })
                .collect();
        }
        variants
    }

    fn repeated<'v>(&mut self, at: &Path, values: impl Iterator<Item = &'v Value>) {
        let mut seen = std::collections::HashSet::new();
        for (index, value) in values.enumerate() {
            if !seen.insert(shown(value)) {
                self.at_value(
                    &at.index(index),
                    "again here",
                    Diagnostic::error(
                        Code::DuplicateName,
                        format!("the value `{}` is listed twice", shown(value)),
                    )
                    .help("two actions would have the same name: remove one of the two"),
                );
            }
        }
    }

    /// What an action waits for, to find out whether it can ever run.
    fn dependencies(
        &self,
        at: &Path,
        written: &Written,
        action: &Action,
        positions: &HashMap<&str, usize>,
    ) -> Dependencies {
        let section = at.key("preconditions");
        let needs = action
            .requires
            .iter()
            .filter_map(|variable| self.known.variables.get_index(variable.0 as usize))
            .filter(|name| !self.known.from_setup.contains(*name))
            .cloned()
            .collect();
        Dependencies {
            name: written.name.clone(),
            at: at.clone(),
            after: written
                .preconditions
                .iter()
                .enumerate()
                .filter_map(|(index, text)| {
                    Some((*positions.get(text.as_str())?, section.index(index)))
                })
                .collect(),
            needs,
            extracts: written.extracted().cloned().collect(),
            switched_off: written.max_calls == Some(0),
        }
    }
}

/// Gives the parameters of an action in the queries of its post-conditions their values.
fn bind(ensure: &mut [Ensure], parameters: &[Parameter]) {
    let queries = ensure
        .iter_mut()
        .filter_map(|ensure| match &mut ensure.subject {
            Ensured::Rows(query, _) => Some(query),
            Ensured::Changes(_) => None,
        });
    for (name, source) in queries.flat_map(|query| &mut query.parameters) {
        if let Some((_, value)) = parameters.iter().find(|(known, _)| known == name) {
            *source = SqlParameter::Constant(value.clone());
        }
    }
}

/// `refund_order(n=50, as=anna, order_id=2nd newest)`
fn name_of(
    base: &str,
    parameters: &[Parameter],
    actor: Option<&str>,
    object: Option<&Object>,
) -> String {
    let values = parameters
        .iter()
        .map(|(name, value)| format!("{name}={}", shown(value)));
    let actor = actor.map(|name| format!("as={name}"));
    let object = object.map(|object| format!("{}={}", object.name, ordinal(object.place)));
    let values: Vec<String> = values.chain(actor).chain(object).collect();
    if values.is_empty() {
        return base.to_owned();
    }
    format!("{base}({})", values.join(", "))
}

/// A parameter value in a name: text without quotes, anything else as JSON.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
