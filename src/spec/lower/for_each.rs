//! `for_each`: one variant of an action for each object that a path may know.

use super::Lowering;
use crate::diagnostic::{Code, Diagnostic, Path};
use crate::model::{Action, Chosen, Ensured, SqlParameter, VariableId};
use crate::spec::document::Action as Written;
use crate::spec::names::OBJECTS;

/// More objects than this are a mistake.
const MOST: u16 = 100;

/// An object that is not the newest of its kind.
#[derive(Clone, Debug)]
pub(super) struct Object {
    /// The name that the action uses.
    pub(super) name: String,
    /// 2 for the second newest.
    pub(super) place: u16,
    newest: VariableId,
    variable: VariableId,
}

impl Lowering<'_> {
    /// The objects on which an action acts, the newest (`None`) first.
    pub(super) fn objects(
        &mut self,
        at: &Path,
        written: &Written,
        action: &Action,
    ) -> Vec<Option<Object>> {
        let Some(for_each) = &written.for_each else {
            return vec![None];
        };
        let at = at.key("for_each");
        let name = &for_each.name;
        let most = for_each.most.unwrap_or(OBJECTS);
        if most == 0 || most > MOST {
            let message = format!("an action cannot act on {most} objects");
            let help = format!("write a number from 1 to {MOST}, or leave it out");
            let diagnostic = Diagnostic::error(Code::BadValue, message).help(help);
            self.at_value(&at, &format!("expected 1 to {MOST}"), diagnostic);
            return vec![None];
        }
        let Some(newest) = self.known.in_pool(name, 1) else {
            self.never_extracted(name, &at);
            return vec![None];
        };
        if !action.requires.contains(&newest) {
            let (message, help) = if written.parameters.contains_key(name) {
                (
                    format!(
                        "`{name}` of `{}` is a parameter, which comes before the objects",
                        written.name
                    ),
                    format!("remove `{name}` from `parameters`, or remove `for_each`"),
                )
            } else {
                (
                    format!("the request of `{}` does not use `{name}`", written.name),
                    format!(
                        "name the object in the request, as in `path: /orders/{{{{ {name} }}}}`, or remove `for_each`"
                    ),
                )
            };
            let diagnostic = Diagnostic::error(Code::BadValue, message).help(help);
            self.at_value(&at, "acts on no object", diagnostic);
            return vec![None];
        }
        let older = (2..=most).filter_map(|place| {
            Some(Object {
                name: name.clone(),
                place,
                newest,
                variable: self.known.in_pool(name, place)?,
            })
        });
        std::iter::once(None).chain(older.map(Some)).collect()
    }
}

impl Object {
    /// The action, acting on this object.
    pub(super) fn chosen_by(self, mut action: Action) -> Action {
        let replace = |variable: &mut VariableId| {
            if *variable == self.newest {
                *variable = self.variable;
            }
        };
        action.requires.iter_mut().for_each(replace);
        let others = action.on.iter_mut().map(|(_, on_answer)| on_answer);
        for on_answer in std::iter::once(&mut action.accepted).chain(others) {
            on_answer.clear.iter_mut().for_each(replace);
            for extraction in &mut on_answer.extract {
                replace(&mut extraction.variable);
            }
        }
        for ensure in &mut action.ensure {
            let Ensured::Rows(query, _) = &mut ensure.subject else {
                continue;
            };
            for (_, source) in &mut query.parameters {
                if let SqlParameter::Variable(variable) = source {
                    replace(variable);
                }
            }
        }
        action.chosen = Some(Chosen {
            name: self.name,
            variable: self.variable,
        });
        action
    }
}
