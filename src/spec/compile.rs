//! Compiles the expressions of a spec: templates, conditions, JSONPath, regular expressions, SQL. An expression that does
//! not parse, or reads a name that nothing defines, is reported at the exact place inside the scalar.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use super::names::{DeclaredNames, Scope};
use super::problems::Problems;
use crate::diagnostic::{Code, Diagnostic, Path, did_you_mean};
use crate::expr::{
    Calls, Condition, Dialect, JsonPath, JsonTemplate, Lookup, ParseError, SqlText, Template,
};
use crate::model::{Bindings, Context, Names, SqlParameter, SqlQuery, VariableId};

/// Mistakes of one kind that are shown in one text.
const MANY: usize = 20;

/// Compiles expressions, and records which names they read.
pub(super) struct Compiler<'a> {
    /// The problems found so far.
    pub problems: &'a mut Problems,
    /// The names that the spec declares.
    pub known: &'a DeclaredNames,
    /// Every name that an expression reads.
    pub read: HashSet<String>,
    /// The dialect of each system that is lowered already.
    pub dialects: Vec<Dialect>,
    /// The path of the spec as it was given.
    file: Arc<str>,
    constants: Arc<dyn Lookup>,
}

impl<'a> Compiler<'a> {
    pub(super) fn new(
        problems: &'a mut Problems,
        known: &'a DeclaredNames,
        file: &std::path::Path,
    ) -> Self {
        let names = Names {
            constants: known.constants.clone(),
            variables: indexmap::IndexSet::new(),
        };
        let constants = Arc::new(Bindings {
            names: Arc::new(names),
            context: Context::empty(0),
            parameters: Arc::default(),
            chosen: None,
            draws: None,
            turn: 0,
        });
        Self {
            problems,
            known,
            read: HashSet::new(),
            dialects: Vec::new(),
            file: file.display().to_string().into(),
            constants,
        }
    }

    /// Compiles a template. One that does not parse is reported and replaced by its literal text.
    pub(super) fn template(&mut self, at: &Path, text: &str, scope: Scope<'_>) -> Template {
        match Template::parse(text) {
            Ok(template) => {
                self.names(at, text, template.reads(), scope, Language::Template);
                self.calls(at, text, template.calls(), scope, Language::Template);
                template
            }
            Err(error) => {
                self.unparsed(at, text, error, Code::BadTemplate, "template");
                Template::literal(text)
            }
        }
    }

    /// A tree in which every text and every key is a template.
    pub(super) fn json(
        &mut self,
        at: &Path,
        value: &Value,
        scope: Scope<'_>,
    ) -> Option<JsonTemplate> {
        // Each text is compiled by itself first, so that each mistake gets its place. Compiling the whole finds no more.
        self.json_texts(at, value, scope);
        JsonTemplate::parse(value).ok()
    }

    fn json_texts(&mut self, at: &Path, value: &Value, scope: Scope<'_>) {
        match value {
            Value::String(text) => {
                self.template(at, text, scope);
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.json_texts(&at.index(index), item, scope);
                }
            }
            Value::Object(object) => {
                for (key, item) in object {
                    let at = at.key(key);
                    self.template(&at, key, scope);
                    self.json_texts(&at, item, scope);
                }
            }
            _ => {}
        }
    }

    /// Renders a text whose templates read constants alone.
    pub(super) fn constant_text(&mut self, at: &Path, text: &str) -> String {
        let before = self.problems.count();
        let template = self.template(at, text, Scope::Constants);
        if template.is_literal() || self.problems.count() > before {
            return text.to_owned();
        }
        template.render(&self.constants).unwrap_or_else(|error| {
            self.unfilled(at, &error.message);
            text.to_owned()
        })
    }

    /// Evaluates a tree whose templates read constants alone.
    pub(super) fn constant_json(&mut self, at: &Path, value: &Value) -> Value {
        let before = self.problems.count();
        let template = self.json(at, value, Scope::Constants);
        match template {
            Some(template) if self.problems.count() == before => {
                template.evaluate(&self.constants).unwrap_or_else(|error| {
                    self.unfilled(at, &error.message);
                    Value::Null
                })
            }
            _ => value.clone(),
        }
    }

    fn unfilled(&mut self, at: &Path, message: &str) {
        self.problems.at_value(
            at,
            "",
            Diagnostic::error(Code::BadTemplate, format!("cannot be filled in: {message}")),
        );
    }

    /// A condition.
    pub(super) fn condition(
        &mut self,
        at: &Path,
        text: &str,
        scope: Scope<'_>,
    ) -> Option<Condition> {
        match Condition::parse(text) {
            Ok(condition) => {
                self.names(at, text, condition.reads(), scope, Language::Condition);
                self.calls(at, text, condition.calls(), scope, Language::Condition);
                Some(condition)
            }
            Err(error) => {
                self.unparsed(at, text, error, Code::BadCondition, "condition");
                None
            }
        }
    }

    /// A JSONPath.
    pub(super) fn jsonpath(&mut self, at: &Path, text: &str) -> Option<JsonPath> {
        JsonPath::parse(text)
            .map_err(|error| self.unparsed(at, text, error, Code::BadJsonPath, "JSONPath"))
            .ok()
    }

    /// A regular expression.
    pub(super) fn regex(&mut self, at: &Path, text: &str) -> Option<regex::Regex> {
        match regex::Regex::new(text) {
            Ok(regex) => Some(regex),
            Err(error) => {
                // The message of the crate repeats the expression; its last line is the reason.
                let whole = error.to_string();
                let reason = whole.lines().last().unwrap_or_default();
                let reason = reason.strip_prefix("error: ").unwrap_or(reason);
                self.problems.at_value(
                    at,
                    "",
                    Diagnostic::error(
                        Code::BadRegex,
                        format!("the regular expression does not parse: {reason}"),
                    ),
                );
                None
            }
        }
    }

    /// A query with its parameters.
    pub(super) fn sql(&mut self, at: &Path, text: &str, system: usize) -> SqlQuery {
        self.sql_with(at, text, system, &[])
    }

    /// The same, which may also read these parameters of an action; their values are null until they are known.
    pub(super) fn sql_with(
        &mut self,
        at: &Path,
        text: &str,
        system: usize,
        of_action: &[String],
    ) -> SqlQuery {
        if text.trim().is_empty() {
            self.problems.at_key(
                at,
                "",
                Diagnostic::error(Code::BadSql, format!("`{at}` is an empty query")),
            );
        }
        // Where there is no such system, only that mistake is reported.
        let dialect = self.dialects.get(system).copied();
        let read = SqlText::read(text, dialect.unwrap_or(Dialect::Sqlite));
        for template in read.templates.iter().take(MANY) {
            let name = &template.source;
            let diagnostic = if !template.is_quoted || self.known.is_value(name) {
                Diagnostic::error(
                    Code::BadSql,
                    "SQL takes no templates: values are bound, never spliced",
                )
                .help(if is_name(name) {
                    format!("write `:{name}`")
                } else {
                    "write `:name`, the name of a value".to_owned()
                })
            } else if is_name(name) {
                Diagnostic::warning(
                    Code::BadSql,
                    format!(
                        "SQL takes no templates: `{{{{ {name} }}}}` is part of the quoted text"
                    ),
                )
            } else {
                continue;
            };
            self.problems
                .inside(at, text, &template.range, "", diagnostic);
        }
        for range in read.unbound.iter().take(MANY) {
            self.problems.inside(
                at,
                text,
                range,
                "",
                Diagnostic::error(
                    Code::BadSql,
                    format!("`{}` would be bound to nothing", &text[range.clone()]),
                )
                .help("bind a value of the context by its name: `:order_id`"),
            );
        }
        let mut parameters: Vec<(String, SqlParameter)> = Vec::new();
        let mut places = Vec::new();
        for found in read.parameters {
            let name = found.name;
            let is_value = self.known.is_value(&name) || of_action.contains(&name);
            if found.may_be_slice && !is_value {
                self.slice(at, text, &name, &found.range);
                continue;
            }
            let known = parameters.iter().position(|(known, _)| *known == name);
            places.push((found.range.clone(), known.unwrap_or(parameters.len())));
            if known.is_some() {
                continue;
            }
            self.name(at, text, &name, Some(found.range), Scope::Path(of_action));
            let source = match self.known.variables.get_index_of(&name) {
                _ if of_action.contains(&name) => SqlParameter::Constant(Value::Null),
                Some(index) => SqlParameter::Variable(VariableId(index as u32)),
                None => SqlParameter::Constant(
                    self.known.constants.get(&name).cloned().unwrap_or_default(),
                ),
            };
            parameters.push((name, source));
        }
        SqlQuery {
            system,
            text: text[..read.end].to_owned(),
            parameters,
            places,
            is_ordered: read.is_ordered,
            origin: Some(self.problems.origin(&self.file, at, text)),
        }
    }

    /// `file:line:column` of the text at a path.
    pub(super) fn place(&self, at: &Path, text: &str) -> String {
        self.problems.origin(&self.file, at, text).place(0)
    }

    /// Warns about a slice up to a column whose name looks like a value's.
    fn slice(&mut self, at: &Path, text: &str, name: &str, range: &Range<usize>) {
        // Names of a few letters resemble each other by chance.
        if name.len() > 3
            && let Some(meant) = self.known.meant(name)
        {
            let message = format!("`[:{name}` is a slice up to the column `{name}`");
            self.problems.inside(
                at,
                text,
                range,
                "",
                Diagnostic::warning(Code::BadSql, message)
                    .help(format!("if you mean the value, write `:{meant}`")),
            );
        }
    }

    fn unparsed(&mut self, at: &Path, text: &str, error: ParseError, code: Code, what: &str) {
        let mut diagnostic = Diagnostic::error(
            code,
            format!("the {what} does not parse: {}", error.message),
        );
        diagnostic.help = error.help;
        self.problems.inside(at, text, &error.range, "", diagnostic);
    }

    fn names(
        &mut self,
        at: &Path,
        text: &str,
        names: &[String],
        scope: Scope<'_>,
        language: Language,
    ) {
        for name in names {
            self.name(at, text, name, place_of(text, name, language), scope);
        }
    }

    /// Reports functions that cannot be called here.
    fn calls(
        &mut self,
        at: &Path,
        text: &str,
        calls: &Calls,
        scope: Scope<'_>,
        language: Language,
    ) {
        let is_parameter = |name: &String| matches!(scope, Scope::Path(all) if all.contains(name));
        for name in &calls.names {
            if self.known.is_value(name) || is_parameter(name) {
                let message = format!("`{name}` is a value of this spec, so it cannot be called");
                let diagnostic =
                    Diagnostic::error(Code::BadName, message).help("give the value another name");
                self.at_word(at, text, name, diagnostic);
            }
        }
        let once = match (scope, language) {
            (Scope::Constants, _) => "this is filled in once, when the spec is loaded",
            (_, Language::Condition) => "a condition is asked in every state",
            _ => return,
        };
        if let Some(name) = calls.made_up() {
            let message = format!("`{name}` makes values up for requests, and {once}");
            let diagnostic = Diagnostic::error(Code::BadTemplate, message)
                .help("call it in a `request`, and `extract` what the service made of it");
            self.at_word(at, text, name, diagnostic);
        }
    }

    /// Reports a problem where a word stands in the text at a path.
    fn at_word(&mut self, at: &Path, text: &str, word: &str, diagnostic: Diagnostic) {
        let start = text.find(word);
        let range = start.map_or(0..text.len(), |start| start..start + word.len());
        self.problems.inside(at, text, &range, "", diagnostic);
    }

    /// Records that a name is read, and reports it where it may not be.
    fn name(
        &mut self,
        at: &Path,
        text: &str,
        name: &str,
        range: Option<Range<usize>>,
        scope: Scope<'_>,
    ) {
        let known = self.known;
        let allowed = match scope {
            Scope::Path(parameters) => {
                if parameters.iter().any(|parameter| parameter == name) {
                    return;
                }
                known.is_value(name)
            }
            Scope::Setup(so_far) | Scope::Principal(so_far) => {
                known.constants.contains_key(name) || so_far.contains(name)
            }
            Scope::Constants => known.constants.contains_key(name),
        };
        if allowed {
            // What a principal extracts is another value than one of that name elsewhere.
            let is_own = matches!(scope, Scope::Principal(own) if own.contains(name));
            if !is_own && !self.read.contains(name) {
                self.read.insert(name.to_owned());
            }
            return;
        }
        let (message, label, help) = refusal(known, name, scope);
        let range = range.unwrap_or(0..text.len());
        self.problems.inside(
            at,
            text,
            &range,
            &label,
            Diagnostic::error(Code::UnknownName, message).help(help),
        );
    }
}

/// Message, label and help for a name that may not be read.
fn refusal(known: &DeclaredNames, name: &str, scope: Scope<'_>) -> (String, String, String) {
    match scope {
        Scope::Constants if known.is_value(name) => (
            format!("`{name}` has no value yet when the spec is loaded"),
            "only constants can be read here".to_owned(),
            "define it under `variables`".to_owned(),
        ),
        Scope::Principal(_) if known.is_value(name) => (
            format!("`{name}` is no value of this principal"),
            "only constants and what its own `login` has extracted before can be read here"
                .to_owned(),
            "extract it in the `login`, or define it under `variables`".to_owned(),
        ),
        Scope::Setup(_) if known.is_value(name) => (
            format!("`{name}` has no value yet at this point"),
            "only constants and what `setup` has extracted before can be read here".to_owned(),
            "extract it in an earlier entry of `setup`, or define it under `variables`".to_owned(),
        ),
        Scope::Path(parameters) if !parameters.is_empty() || !known.actions.contains_key(name) => {
            let parameter = did_you_mean(name, parameters.iter().map(String::as_str));
            let help = match parameter.map(str::to_owned).or_else(|| known.meant(name)) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None if known.parameters.contains(name) => format!(
                    "only other actions have a parameter `{name}`: declare it under `parameters` here as well"
                ),
                None => extract_it(name),
            };
            unknown(name, help)
        }
        Scope::Path(_) if known.actions.contains_key(name) => unknown(
            name,
            format!(
                "`{name}` is an action: make it an entry of `preconditions` of its own to ask whether it has run"
            ),
        ),
        Scope::Principal(own) => {
            let help = match did_you_mean(name, own.iter().map(String::as_str)) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!(
                    "let the login of the principal extract it: `extract: {{ {name}: $.{name} }}`"
                ),
            };
            unknown(name, help)
        }
        _ => {
            let help = match known.meant(name) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("define it: `variables: {{ {name}: ... }}`"),
            };
            unknown(name, help)
        }
    }
}

fn unknown(name: &str, help: String) -> (String, String, String) {
    (
        format!("`{name}` is used but never extracted or defined"),
        "nothing gives this a value".to_owned(),
        help,
    )
}

fn extract_it(name: &str) -> String {
    format!(
        "let an action extract it (`extract: {{ {name}: $.{name} }}`), or define it under `variables`"
    )
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Language {
    Template,
    Condition,
}

pub(super) fn is_name(text: &str) -> bool {
    text.chars()
        .all(|letter| letter.is_alphanumeric() || letter == '_')
        && !text.starts_with(|first: char| first.is_ascii_digit())
        && !text.is_empty()
}

/// Where a name is read for the first time.
fn place_of(text: &str, name: &str, language: Language) -> Option<Range<usize>> {
    let is_letter = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.match_indices(name).find_map(|(start, _)| {
        let end = start + name.len();
        let before = &text[..start];
        let whole = !before
            .ends_with(|letter| is_letter(letter) || matches!(letter, '.' | '\'' | '"'))
            && !text[end..].starts_with(is_letter);
        // In a template, only the text between braces is code.
        let is_code = language == Language::Condition
            || ["{{", "{%"].iter().any(|open| {
                before.rfind(open).is_some_and(|opened| {
                    before[opened..].find("}}").is_none() && before[opened..].find("%}").is_none()
                })
            });
        (whole && is_code).then_some(start..end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_where_it_is_code() {
        let text = "/id/{{ x.id }}/{{ id }}";
        assert_eq!(place_of(text, "id", Language::Template), Some(18..20));
        assert_eq!(place_of("a.n > n", "n", Language::Condition), Some(6..7));
        assert_eq!(place_of("'n' == m", "n", Language::Condition), None);
    }
}
