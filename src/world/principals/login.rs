//! Logins: the requests that a principal is logged in with.

use super::{Session, Sessions};
use crate::model::{Bindings, PrincipalId};
use crate::world::WorldError;
use crate::world::deployment::Deployment;
use crate::world::setup::answered;

/// Logs in everybody who is not among these yet, in the order of the spec.
pub(in crate::world) async fn log_in_all(
    deployment: &mut Deployment,
    sessions: &mut Sessions,
    done: &[PrincipalId],
) -> Result<(), WorldError> {
    for id in 0..deployment.principals().len() as u32 {
        let id = PrincipalId(id);
        if !done.contains(&id) {
            log_in(deployment, sessions, id).await?;
        }
    }
    Ok(())
}

/// Logs a principal in: afterwards its session holds what this login has left, and nothing else. An error where a request is
/// not answered as it should be; the session is then as it was.
pub(in crate::world) async fn log_in(
    deployment: &mut Deployment,
    sessions: &mut Sessions,
    id: PrincipalId,
) -> Result<(), WorldError> {
    let principals = deployment.principals();
    let Some(principal) = principals.get(id.0 as usize) else {
        return Ok(());
    };
    let mut fresh = sessions.clone();
    fresh.set(id, principal.nobody());
    let turn = deployment.renewals().next_login(id);
    for (position, step) in principal.login.iter().enumerate() {
        let name = match principal.login.len() {
            1 => format!("the login of `{}`", principal.name),
            _ => format!(
                "the login of `{}`, request {}",
                principal.name,
                position + 1
            ),
        };
        let Some(session) = fresh.of(id) else { break };
        let bindings = Bindings {
            turn,
            ..principal.bindings(session)
        };
        let extracted = answered(deployment, &name, step, bindings, &mut fresh).await?;
        for (_, value) in &extracted.found {
            deployment.secrets().learn_credential(value);
        }
        if let Some(session) = fresh.of(id) {
            let values = extracted.applied_to(&session.values);
            let session = Session {
                values,
                ..session.clone()
            };
            fresh.set(id, session);
        }
    }
    *sessions = fresh;
    Ok(())
}
