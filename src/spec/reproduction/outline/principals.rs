//! Who sends the requests of an outline: logins come first, and each principal has values of its own.

use super::writer::{Writer, scalar};
use super::{Part, Sent, SentRetry, entries, text_of};
use crate::spec::yaml::{Entry, Node};

/// What a request carries because of who sends it.
#[derive(Default)]
pub(super) struct Carried {
    pub(super) headers: Vec<(String, Vec<Part>)>,
    pub(super) query: Vec<(String, Vec<Part>)>,
    pub(super) basic: Option<(Vec<Part>, Vec<Part>)>,
}

impl<'c> Writer<'c> {
    /// The requests that log in those of these who have not logged in yet.
    pub(super) fn logins(&mut self, names: &[&str]) -> Result<Vec<Sent>, String> {
        let mut requests = Vec::new();
        let all = entries(self.case.spec.written.section("principals"));
        for entry in all.iter().filter(|entry| names.contains(&&*entry.key)) {
            if self.logged_in.contains(&entry.key) {
                continue;
            }
            self.logged_in.push(entry.key.clone());
            let steps = match entry.node.field("login") {
                Some(Node::List(steps)) => steps.as_slice(),
                Some(step) => std::slice::from_ref(step),
                None => &[],
            };
            self.scope = Some(&entry.key);
            let principals = &self.case.spec.world.principals;
            let known = principals.iter().find(|known| known.name == entry.key);
            for (position, step) in steps.iter().enumerate() {
                let title = format!("login {} {}", entry.key, position + 1);
                let request = known.and_then(|known| known.login.get(position));
                self.draw_for(request.map(|step| &step.request), 0);
                let mut sent = self.sent(title, step, &[], None)?;
                sent.retry =
                    request.and_then(|it| SentRetry::of(self.case, &it.request, &it.status));
                requests.push(sent);
            }
            self.scope = None;
        }
        Ok(requests)
    }

    /// The name of a value as the requests have it: that of a principal begins with its name.
    pub(super) fn named(&self, name: &str) -> String {
        let own = self.scope.map(|principal| format!("{principal}_{name}"));
        own.filter(|own| self.defined.contains(own))
            .or_else(|| self.pools.named(name).map(str::to_owned))
            .unwrap_or_else(|| name.to_owned())
    }

    /// Who sends a request: of a step, whoever sent it when it was seen.
    pub(super) fn actor(&self, node: &Node, position: Option<usize>) -> Option<&'c Entry> {
        let step = position.and_then(|position| self.case.path.get(position));
        let name = match (step, self.scope) {
            (_, Some(name)) => name,
            (Some(id), None) => {
                let principal = self.case.spec.model.action(*id).request.principal?;
                let all = &self.case.spec.world.principals;
                &all.get(principal.0 as usize)?.name
            }
            (None, None) => text_of(node.field("as"))?,
        };
        let all = entries(self.case.spec.written.section("principals"));
        all.iter().find(|entry| entry.key == name)
    }

    /// What the requests of a principal carry, as far as its values are there.
    pub(super) fn carried(
        &mut self,
        actor: Option<&'c Entry>,
        title: &str,
    ) -> Result<Carried, String> {
        let Some(actor) = actor else {
            return Ok(Carried::default());
        };
        let before = self.scope.replace(&actor.key);
        let mut pairs = |key: &str| {
            let mut pairs = Vec::new();
            for entry in entries(actor.node.field(key)) {
                let text = scalar(Some(&entry.node));
                if self.is_defined(&text) {
                    pairs.push((entry.key.clone(), self.text(&text, &[], title)?));
                }
            }
            Ok::<_, String>(pairs)
        };
        let (headers, query) = (pairs("headers")?, pairs("query")?);
        let basic = match actor.node.field("basic") {
            Some(basic) => {
                let mut part = |key: &str| self.text(&scalar(basic.field(key)), &[], title);
                Some((part("user")?, part("password")?))
            }
            None => None,
        };
        self.scope = before;
        Ok(Carried {
            headers,
            query,
            basic,
        })
    }
}
