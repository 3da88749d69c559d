//! Logins that are lost while requests are sent.

use std::sync::Arc;

use super::super::WorldError;
use super::super::checkpoint::Checkpoint;
use super::super::deployment::Deployment;
use super::super::principals::{Refused, Sessions};
use super::super::system::SystemState;
use super::super::way_back::{Position, WayBack};
use super::sending::{Sending, Sent};

impl<'s> Sending<'s> {
    /// The same request, from another state.
    pub(super) fn at<'n>(&self, now: &'n Checkpoint) -> Sending<'n>
    where
        's: 'n,
    {
        Sending {
            now,
            bindings: self.bindings.clone(),
            ..*self
        }
    }

    /// Sends the request once. Where it is refused in a state whose login is known to be lost, logs in there and sends it again.
    /// Returns the state that it was sent from in the end, in which the world stands.
    pub(super) async fn logged_in(
        &self,
        deployment: &mut Deployment,
        position: &mut Position,
    ) -> Result<(Sent, Checkpoint), WorldError> {
        let first = Box::pin(self.once(deployment, self.now.content())).await?;
        let refused = self.refused(first.exchange.response.status);
        let left = first.change.content.as_ref();
        // A login is rare, and its future large.
        let renewed = Box::pin(refused.renewed_if_older(deployment, self.now, left));
        let renewed = match renewed.await? {
            Some(renewed) => renewed,
            None => match Box::pin(self.renewed_once(deployment, refused, left)).await? {
                Some(renewed) => renewed,
                None => return Ok((first, self.now.clone())),
            },
        };
        position.now = renewed.clone();
        let again = self.at(&renewed);
        let second = Box::pin(again.once(deployment, renewed.content())).await?;
        let still = self.refused(second.exchange.response.status);
        if still.denied(&deployment.principals()).is_none() {
            let path = self.template.path.source();
            deployment.renewals().forget_denials(path);
        }
        Ok((second, renewed))
    }

    /// A refusal may come of a login that is used up, in a state where nobody has seen it accepted. So whoever is refused is logged in
    /// again once, but where that does not help, less and less often.
    async fn renewed_once(
        &self,
        deployment: &mut Deployment,
        refused: Refused<'_>,
        left: Option<&Arc<[SystemState]>>,
    ) -> Result<Option<Checkpoint>, WorldError> {
        let Some(id) = refused.denied(&deployment.principals()) else {
            return Ok(None);
        };
        if !deployment.renewals().is_due(self.template.path.source()) {
            return Ok(None);
        }
        if let Some(left) = left {
            deployment
                .databases()
                .put_back(left, self.now.content())
                .await?;
        }
        refused.renewed(deployment, self.now, id).await.map(Some)
    }

    /// Sends the request of an invariant. Where it is denied, the login may be lost: then it is done again first.
    pub(super) async fn looked_into(
        &self,
        deployment: &mut Deployment,
        way_back: &mut dyn WayBack,
        position: &mut Position,
    ) -> Result<(Sent, Checkpoint), WorldError> {
        let (sent, now) = self.logged_in(deployment, position).await?;
        let refused = self.refused(sent.exchange.response.status);
        let denied = refused
            .denied(&deployment.principals())
            .filter(|_| way_back.can_restore());
        let Some(id) = denied else {
            return Ok((sent, now));
        };
        if !deployment.renewals().is_due(self.template.path.source()) {
            return Ok((sent, now));
        }
        if let Some(found) = &sent.change.content {
            deployment
                .databases()
                .put_back(found, now.content())
                .await?;
        }
        let logins = deployment.logins();
        let initial = Box::pin(self.look_into_denial(deployment, way_back, position)).await?;
        // It is answered there in another session, which says nothing of this one.
        if deployment.logins() == logins && !position.now.sessions().is_from_login_of(&initial, id)
        {
            let now = position.now.clone();
            position.now = Box::pin(refused.renewed(deployment, &now, id)).await?;
        }
        if deployment.logins() > logins {
            let path = self.template.path.source();
            deployment.renewals().forget_denials(path);
        }
        let here = position.now.clone();
        Box::pin(self.at(&here).logged_in(deployment, position)).await
    }

    /// Looks whether the request is denied in the initial state too, where everybody was logged in: then the login is done again there,
    /// and is known to be lost elsewhere. The world stands where it stood. Returns the sessions of the initial state.
    async fn look_into_denial(
        &self,
        deployment: &mut Deployment,
        way_back: &mut dyn WayBack,
        position: &mut Position,
    ) -> Result<Sessions, WorldError> {
        let here = position.now.clone();
        let initial = position.initial.newest();
        way_back.go_back(deployment, position, &initial).await?;
        position.use_newest(deployment);
        let there = position.now.clone();
        let (sent, there) = self.at(&there).logged_in(deployment, position).await?;
        if let Some(found) = &sent.change.content {
            deployment
                .databases()
                .put_back(found, there.content())
                .await?;
        }
        let refused = self.refused(sent.exchange.response.status);
        if let Some(id) = refused.denied(&deployment.principals()) {
            position.now = refused.renewed(deployment, &there, id).await?;
        }
        way_back
            .go_back(deployment, position, &here.newest())
            .await?;
        position.use_newest(deployment);
        Ok(there.sessions().clone())
    }

    fn refused(&self, status: u16) -> Refused<'_> {
        Refused {
            name: self.name,
            principal: self.template.principal,
            status,
            listed: self.listed,
        }
    }
}
