//! What a spec says that nobody may see, known before the first request.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use std::sync::Arc;

use indexmap::IndexSet;
use serde_json::Value;

use super::Lowering;
use crate::expr::{Lookup, Template};
use crate::model::{
    Action, Bindings, BodyTemplate, Context, Invariant, Names, Parameter, PartContent,
    RequestTemplate,
};
use crate::secret::Secrets;
use crate::spec::document::Document;
use crate::world::config::{Principal, RunText, WorldConfig, secrets_of};
use crate::world::system::LocationKind;

impl Lowering<'_> {
    /// What the spec itself says that nobody may see.
    pub(super) fn known_secrets(
        &self,
        document: &Document,
        world: &WorldConfig,
        actions: &[Action],
        invariants: &[Invariant],
    ) -> Secrets {
        let secrets = Secrets::named(document.secrets.iter().cloned())
            .with_own_words(self.own_words(actions, invariants));
        let learn = |name: &str, value: &Value| {
            secrets.learn_variable(name, value);
            if let Value::String(text) = value {
                secrets.learn_url(text);
            }
        };
        for (name, value) in &self.known.constants {
            learn(name, value);
        }
        for (name, RunText(text)) in world.service.iter().flat_map(|service| &service.env) {
            learn(name, &Value::String(text.clone()));
        }
        for system in &world.systems {
            if system.location.engine.location_kind() == LocationKind::Url {
                secrets.learn_url(&system.location.text.0);
            }
        }
        let mut sent = Sent {
            secrets: &secrets,
            values: self.values(&Arc::default()),
        };
        sent.headers(&world.http.headers);
        for step in &world.setup {
            sent.request(&step.request);
        }
        for principal in &*world.principals {
            sent.credentials(principal);
        }
        for action in actions {
            sent.values = self.values(&action.parameters);
            sent.headers(&world.http.headers);
            sent.request(&action.request);
        }
        secrets
    }

    /// What is known of values before the first request.
    fn values(&self, parameters: &Arc<Vec<Parameter>>) -> Arc<dyn Lookup> {
        Arc::new(Bindings {
            names: Arc::new(Names {
                constants: self.known.constants.clone(),
                variables: IndexSet::new(),
            }),
            context: Context::empty(0),
            parameters: parameters.clone(),
            chosen: None,
            draws: None,
            turn: 0,
        })
    }

    /// What reports call things, and the words of paths.
    fn own_words(&self, actions: &[Action], invariants: &[Invariant]) -> Vec<String> {
        let of_actions = actions.iter().flat_map(|action| {
            let path = action.request.path.source();
            let path = path.split('?').next().unwrap_or_default();
            path.split(|letter: char| !letter.is_alphanumeric() && !"-_".contains(letter))
                .chain([&*action.name, &*action.base_name])
        });
        of_actions
            .chain(invariants.iter().map(|invariant| &*invariant.name))
            .chain(self.known.variables.iter().map(|name| &**name))
            .chain(self.known.constants.keys().map(|name| &**name))
            .chain(self.systems.iter().map(|name| &**name))
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    }
}

/// Learns from requests what will be sent whatever happens: nothing that is shown before it is sent may show it.
struct Sent<'s> {
    secrets: &'s Secrets,
    values: Arc<dyn Lookup>,
}

impl Sent<'_> {
    fn request(&self, request: &RequestTemplate) {
        self.fields(&request.query);
        if let Some(path) = self.known(&request.path) {
            self.secrets.learn_target(&path);
        }
        self.headers(&request.headers);
        if let Some((user, password)) = &request.basic
            && let (Some(user), Some(password)) = (self.known(user), self.known(password))
        {
            let digits = BASE64_STANDARD.encode(format!("{user}:{password}"));
            self.secrets
                .learn_header("Authorization", &format!("Basic {digits}"));
            self.secrets.learn_field("password", &password.into());
        }
        match &request.body {
            BodyTemplate::Json(json) => {
                self.secrets
                    .learn_fields(&json.filled_where_known(&self.values));
            }
            BodyTemplate::Form(fields) => self.fields(fields),
            BodyTemplate::Multipart(parts) => {
                let texts = parts.iter().filter_map(|part| match &part.content {
                    PartContent::Text(text, _) => Some((part.name.clone(), text.clone())),
                    PartContent::File(_) => None,
                });
                self.fields(&texts.collect::<Vec<_>>());
            }
            BodyTemplate::None | BodyTemplate::Text(_) | BodyTemplate::Bytes(_) => {}
        }
    }

    /// What somebody is known by, as far as that needs no login.
    fn credentials(&self, principal: &Principal) {
        for step in &principal.login {
            self.request(&step.request);
        }
        self.headers(&principal.headers);
        self.fields(&principal.query);
        let all = principal.headers.iter().chain(&principal.query);
        let texts: Vec<_> = all
            .filter_map(|(name, template)| Some((name.clone(), self.known(template)?)))
            .collect();
        for value in secrets_of(texts) {
            self.secrets.learn_credential(&value.into());
        }
    }

    fn headers(&self, headers: &[(String, Template)]) {
        for (name, template) in headers {
            if let Some(text) = self.known(template) {
                self.secrets.learn_header(name, &text);
            }
        }
    }

    fn fields(&self, fields: &[(String, Template)]) {
        for (name, template) in fields {
            if let Some(text) = self.known(template) {
                self.secrets.learn_field(name, &text.into());
            }
        }
    }

    /// The text of a template that needs nothing from an answer.
    fn known(&self, template: &Template) -> Option<String> {
        template.render(&self.values).ok()
    }
}
