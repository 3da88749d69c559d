//! `graphql:` an operation as the body that servers take (GraphQL over HTTP, section 5.4).

use serde_json::{Map, Value};

use super::Lowering;
use crate::diagnostic::{Code, Diagnostic, Path};
use crate::expr::JsonTemplate;
use crate::model::Operation;
use crate::spec::document::{GraphQl, GraphQlQuery};
use crate::spec::names::Scope;

impl Lowering<'_> {
    /// The body, and what the operation does.
    pub(super) fn graphql(
        &mut self,
        at: &Path,
        written: &GraphQl,
        scope: Scope<'_>,
    ) -> Option<(JsonTemplate, Operation)> {
        let query = self.query(&at.key("query"), &written.query);
        let variables_at = at.key("variables");
        let variables = match &written.variables {
            None => None,
            Some(json) if json.0.is_object() => self.compiler.json(&variables_at, &json.0, scope),
            // All variables at once, from a value of the context.
            Some(json) if json.0.is_string() => self.compiler.json(&variables_at, &json.0, scope),
            Some(_) => {
                self.at_value(
                    &variables_at,
                    "expected a mapping",
                    Diagnostic::error(
                        Code::WrongType,
                        "the variables of an operation have names: write a mapping",
                    ),
                );
                None
            }
        };
        let query = query?;
        // Without a parser: a query that is taken for a mutation is only asked more often.
        let mut words = ["mutation", "subscription"].iter();
        let operation = if words.any(|word| query.contains(word)) {
            Operation::Mutation
        } else {
            Operation::Query
        };
        let mut constants = Map::new();
        constants.insert("query".to_owned(), query.into());
        if let Some(name) = &written.operation_name {
            constants.insert("operationName".to_owned(), Value::from(name.as_str()));
        }
        let filled = variables.map(|variables| ("variables".to_owned(), variables));
        Some((JsonTemplate::object(constants, filled), operation))
    }

    /// The text of a document. It takes no templates: `{{` cannot stand in one, and values have a place of their own.
    fn query(&mut self, at: &Path, written: &GraphQlQuery) -> Option<String> {
        let (at, text) = match written {
            GraphQlQuery::Text(text) => (at.clone(), text.clone()),
            GraphQlQuery::File(file) => {
                let at = at.key("file");
                let bytes = self.file(&at, file)?;
                (at, String::from_utf8_lossy(&bytes.bytes).into_owned())
            }
        };
        if text.trim().is_empty() {
            let message = "the document of GraphQL is empty";
            self.at_value(&at, "", Diagnostic::error(Code::BadValue, message));
        }
        if text.contains("{{") {
            self.at_value(
                &at,
                "",
                Diagnostic::error(Code::BadTemplate, "a document of GraphQL takes no templates")
                    .help("declare a variable of the operation, `query ($id: ID!) { order(id: $id) { total } }`, and give it a value: `variables: { id: \"{{ order_id }}\" }`"),
            );
        }
        Some(text)
    }
}
