//! Sending requests from a state whose rows should stay as they are: refusals, reads, probes.

use std::sync::Arc;

use super::super::checkpoint::Checkpoint;
use super::super::databases::Change;
use super::super::deployment::{Deployment, Outgoing};
use super::super::extract::Extracted;
use super::super::principals::Sessions;
use super::super::send::Exchange;
use super::super::system::SystemState;
use super::super::way_back::{Position, WayBack};
use super::super::{Warning, WorldError};
use super::late_rows::{LateRows, Source};
use crate::model::{
    Action, ActionId, Bindings, Context, RequestTemplate, Response, RowChange, RowDelta,
    StatusPattern, Table,
};

/// A request that was sent from a state, and what came of it.
pub(super) struct Sent {
    pub(super) exchange: Exchange,
    /// Those of the state, with the cookies that the answer set.
    pub(super) sessions: Sessions,
    /// Nothing where there was no answer.
    pub(super) change: Change,
}

/// A request that is sent from a state.
pub(super) struct Sending<'s> {
    pub(super) name: &'s str,
    pub(super) template: &'s RequestTemplate,
    pub(super) bindings: Bindings,
    pub(super) now: &'s Checkpoint,
    /// The statuses that the spec lists for the answer.
    pub(super) listed: &'s [StatusPattern],
    /// Whether whoever sends it may not do this.
    pub(super) is_forbidden: bool,
    /// Which action it is; `None` where it is none.
    pub(super) action: Option<ActionId>,
    /// The values that it is filled with.
    pub(super) live: &'s Context,
}

impl Sending<'_> {
    /// The request; for `known` see [`Outgoing::known`].
    pub(super) fn outgoing<'o>(&'o self, known: Option<&'o [SystemState]>) -> Outgoing<'o> {
        Outgoing {
            name: self.name,
            template: self.template,
            bindings: self.bindings.clone(),
            known,
            listed: self.listed,
            is_forbidden: self.is_forbidden,
        }
    }

    /// Sends the request once, and reads what it changed relative to `known`.
    pub(super) async fn once(
        &self,
        deployment: &mut Deployment,
        known: &Arc<[SystemState]>,
    ) -> Result<Sent, WorldError> {
        let mut sessions = self.now.sessions().clone();
        let outgoing = self.outgoing(Some(&**known));
        let exchange = deployment.attempt(outgoing, &mut sessions).await?;
        let change = if exchange.response.no_answer.is_some() {
            Change::default()
        } else {
            let after = self.context_after(deployment, &exchange.response);
            deployment.settle(self.action, &after).await?;
            deployment.databases().read(known).await?
        };
        Ok(Sent {
            exchange,
            sessions,
            change,
        })
    }

    /// What the service knows once it has answered.
    fn context_after(&self, deployment: &Deployment, answer: &Response) -> Context {
        let Some(action) = self.action else {
            return self.live.clone();
        };
        let model = deployment.model();
        Extracted::by_action(&model, model.action(action), answer).applied_to(self.live)
    }

    /// Sends again what should have changed no row and did. Rows that come again are its own. Of those that do not it is found
    /// out where they come from: those of a request before it, or of a job, are put back, and that is said; those that nobody
    /// else makes are its own, made once in the life of the process.
    pub(super) async fn again(
        &self,
        deployment: &mut Deployment,
        way_back: &mut dyn WayBack,
        position: &mut Position,
        late: &mut LateRows,
        first: Sent,
    ) -> Result<Sent, WorldError> {
        let Some(found) = first.change.content.clone() else {
            return Ok(first);
        };
        // Bookkeeping that the spec leaves out blames nobody.
        if !first.change.rows.rows().any(RowChange::is_observed) {
            return Ok(first);
        }
        if !way_back.can_restore() {
            return self.again_without_restore(deployment, first, &found).await;
        }
        way_back
            .come_back(deployment, position, &found, self.now)
            .await?;
        let second = self.once(deployment, position.now.content()).await?;
        if deployment.is_lost() {
            return Ok(second);
        }
        let tables = only_in(&first.change.rows, &second.change.rows);
        let twice = in_both(&first.change.rows, &second.change.rows);
        let request = format!("{} {}", self.name, self.template.path.source());
        let are_proven = late.are_proven(&request, &twice);
        if tables.is_empty() && are_proven {
            return Ok(second);
        }
        if let Some(found) = &second.change.content {
            way_back
                .come_back(deployment, position, found, self.now)
                .await?;
        }
        // A request before it may have left something to be done in this state, which is done again each time.
        if !are_proven
            && let Some(source) = late
                .comes_by_itself(deployment, way_back, position, &twice, &request)
                .await?
        {
            source.warn(deployment, &twice);
            return Ok(Sent {
                change: Change::default(),
                ..second
            });
        }
        if tables.is_empty() {
            return put(deployment, position, second).await;
        }
        let source = late
            .source(deployment, way_back, position, &tables, Some(self))
            .await?;
        let chosen = match source {
            Source::Nobody => first,
            source => {
                source.warn(deployment, &tables);
                second
            }
        };
        put(deployment, position, chosen).await
    }

    /// Where nothing can be put back, nobody can tell whose rows they are that do not come again.
    async fn again_without_restore(
        &self,
        deployment: &mut Deployment,
        first: Sent,
        found: &Arc<[SystemState]>,
    ) -> Result<Sent, WorldError> {
        let mut second = self.once(deployment, found).await?;
        if deployment.is_lost() {
            return Ok(second);
        }
        let tables = only_in(&first.change.rows, &second.change.rows);
        if !tables.is_empty() {
            deployment.warn(Warning::unclear_rows(&tables, self.name));
        }
        second.change.content.get_or_insert_with(|| found.clone());
        Ok(second)
    }
}

/// Whether an action that was answered like this may change rows: it is not safe, and was accepted.
pub(super) fn may_write(action: &Action, exchange: &Exchange) -> bool {
    !action.request.is_safe() && action.accepts(&exchange.response)
}

/// Puts the content in place that a request left behind, which was undone meanwhile.
async fn put(
    deployment: &mut Deployment,
    position: &Position,
    sent: Sent,
) -> Result<Sent, WorldError> {
    if let Some(after) = &sent.change.content {
        let now = position.now.content();
        deployment.databases().restore(now, after).await?;
    }
    Ok(sent)
}

/// The tables of which rows changed in the first delta only.
fn only_in(first: &RowDelta, second: &RowDelta) -> Vec<Arc<Table>> {
    tables_where(first, |table| !touches(second, table))
}

/// The tables of which rows changed in both deltas.
fn in_both(first: &RowDelta, second: &RowDelta) -> Vec<Arc<Table>> {
    tables_where(first, |table| touches(second, table))
}

fn touches(rows: &RowDelta, table: &Arc<Table>) -> bool {
    rows.rows().any(|change| change.table == *table)
}

fn tables_where(rows: &RowDelta, is_meant: impl Fn(&Arc<Table>) -> bool) -> Vec<Arc<Table>> {
    let mut tables: Vec<Arc<Table>> = rows
        .rows()
        .filter(|change| change.is_observed() && is_meant(&change.table))
        .map(|change| change.table.clone())
        .collect();
    tables.dedup_by_key(|table| table.id);
    tables
}
