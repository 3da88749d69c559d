//! The world that is really there: a service reached over HTTP, with its databases.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::checkpoint::{Checkpoint, State};
use super::config::WorldConfig;
use super::databases::Open;
use super::deployment::Deployment;
use super::extract::Extracted;
use super::live_values::LiveValues;
use super::path::Path;
use super::principals::Refused;
use super::send::Exchange;
use super::setup_again::setup_again;
use super::state_identity::StateIdentity;
use super::system::QueryRows;
use super::way_back::{self, Position, Step, WayBack};
use super::{Arrival, Observe, Warning, WarningCode, World, WorldError, WorldErrorKind, WorldTime};
use crate::expr::Lookup as _;
use crate::identity::LeftOut;
use crate::interrupt::Interrupt;
use crate::model::{
    Action, ActionId, Context, Digest, Effect, Model, Request, RequestTemplate, Response, RowDelta,
    Situation, SqlQuery, StepRecord, Table, VariableId,
};
use late_rows::{LateRows, watch};
use late_watch::LateWatch;
use sending::{Sending, Sent, may_write};

mod late_rows;
mod late_watch;
mod logins;
mod sending;

/// How long a service that was not stopped after a missing answer may take to write what it was asked for.
const UNANSWERED: Duration = Duration::from_millis(250);

/// A service and the systems under it.
///
/// [`LiveWorld::start`] makes them ready, [`World::begin`] runs `setup`; [`LiveWorld::finish`] must be called at the end,
/// whatever happened in between: it puts the databases back. A world that is merely dropped stops its service, and
/// leaves the databases to the recovery of the next run.
pub struct LiveWorld {
    deployment: Deployment,
    way_back: Box<dyn WayBack>,
    model: Arc<Model>,
    position: Option<Position>,
    /// What `setup` extracted when it was sent again.
    setup_values: LiveValues,
    late: LateRows,
    late_watch: LateWatch,
    identity: StateIdentity,
}

impl LiveWorld {
    /// Starts or finds the service, then opens the systems (a database that the service creates is there by now) and
    /// installs their journals: the content at this moment is what the end of the run goes back to. Where this fails,
    /// everything is left as it was.
    pub async fn start(
        config: &WorldConfig,
        model: Arc<Model>,
        interrupt: Interrupt,
    ) -> Result<Self, WorldError> {
        Self::start_with(config, model, interrupt, &super::system::open).await
    }

    /// [`LiveWorld::start`] with another way to open systems.
    pub(super) async fn start_with(
        config: &WorldConfig,
        model: Arc<Model>,
        interrupt: Interrupt,
        open: Open<'_>,
    ) -> Result<Self, WorldError> {
        let way_back = way_back::chosen(config)?;
        Ok(Self {
            deployment: Box::pin(Deployment::start(config, model.clone(), interrupt, open)).await?,
            way_back,
            model,
            position: None,
            setup_values: LiveValues::default(),
            late: LateRows::default(),
            late_watch: LateWatch::default(),
            identity: StateIdentity::new(config),
        })
    }

    /// Puts every database back to its content before the run, removes the journals, stops the service and removes its
    /// temporary folder. Returns what is left to say. Goes on after an error; all of them are in the one that is returned.
    pub async fn finish(self) -> Result<Vec<Warning>, WorldError> {
        Box::pin(self.deployment.finish()).await
    }

    /// Where the service and the databases are, by name, for people who want to look into them. Addresses of databases
    /// may hold passwords.
    pub fn addresses(&self) -> Vec<(String, String)> {
        self.deployment.addresses()
    }

    /// The last lines that the service wrote; empty where venomqa did not start it.
    pub async fn service_log(&mut self) -> Vec<String> {
        self.deployment.process().log_tail().await
    }

    /// Brings back a service that gave no answer, and its systems with it.
    async fn bring_back(&mut self) -> Result<(), WorldError> {
        match &mut self.position {
            Some(position) if self.deployment.is_lost() => {
                let deployment = &mut self.deployment;
                self.way_back.bring_back(deployment, position).await?;
                if deployment.process().may_restart() {
                    return Ok(());
                }
                // What still goes on in a service that was not stopped may write yet.
                let known = position.now.content();
                let (_, content) = watch(deployment, known, None, UNANSWERED).await?;
                deployment.databases().put_back(&content, known).await
            }
            _ => Ok(()),
        }
    }

    /// Puts back rows that changed while no request ran, and finds out where they come from.
    async fn put_back_strays(&mut self) -> Result<(), WorldError> {
        let deployment = &mut self.deployment;
        let position = self.position.as_mut().ok_or_else(not_begun)?;
        if deployment.databases().are_at_rest() {
            return Ok(());
        }
        let known = position.now.content();
        let tables = deployment.databases().put_back_strays(known).await?;
        if tables.is_empty() || !self.way_back.can_restore() {
            return Ok(());
        }
        let way_back = &mut *self.way_back;
        let source = self
            .late
            .source(deployment, way_back, position, &tables, None);
        Box::pin(source).await?.warn(&mut self.deployment, &tables);
        Ok(())
    }

    async fn go_back(&mut self, to: &Checkpoint) -> Result<(), WorldError> {
        self.deployment.check_interrupt()?;
        self.bring_back().await?;
        let position = self.position.as_mut().ok_or_else(not_begun)?;
        let to = &to.newest();
        if position.now.is(to) {
            return Ok(());
        }
        self.way_back
            .go_back(&mut self.deployment, position, to)
            .await
    }

    /// The values that a request has to be filled with where a state remembers these.
    fn live_values(&self, remembered: &Context) -> Context {
        self.setup_values
            .context(&self.way_back.live_values(remembered))
    }

    async fn begin_again(&mut self) -> Result<Arrival<Checkpoint>, WorldError> {
        self.deployment.check_interrupt()?;
        self.bring_back().await?;
        let position = self.position.as_mut().ok_or_else(not_begun)?;
        self.way_back.renew(&mut self.deployment, position).await?;
        Ok(arrival(&position.now, &mut self.identity))
    }
}

impl World for LiveWorld {
    type Checkpoint = Checkpoint;

    async fn begin(&mut self) -> Result<Arrival<Checkpoint>, WorldError> {
        let initial = Checkpoint::new(self.deployment.begin().await?, Path::default());
        let shapes = self.deployment.databases().shapes().await?;
        self.identity.begin(shapes, &self.model);
        self.position = Some(Position {
            initial: initial.clone(),
            now: initial.clone(),
        });
        Ok(arrival(&initial, &mut self.identity))
    }

    async fn act(
        &mut self,
        action: ActionId,
        context: &Context,
    ) -> Result<Arrival<Checkpoint>, WorldError> {
        self.deployment.check_interrupt()?;
        self.bring_back().await?;
        self.put_back_strays().await?;
        let live = self.live_values(context);
        let deployment = &mut self.deployment;
        let position = self.position.as_mut().ok_or_else(not_begun)?;
        position.use_newest(deployment);
        let before = position.now.clone();
        let declared = self.model.action(action);
        let name = format!("action `{}`", declared.name);
        let sending = Sending {
            name: &name,
            template: &declared.request,
            bindings: before.turns().bindings(&self.model, action, &live),
            now: &before,
            listed: &declared.expect.status,
            is_forbidden: declared.forbidden.is_some(),
            action: Some(action),
            live: &live,
        };
        let is_safe = declared.request.is_safe();
        let sent_at = Instant::now();
        let (mut sent, now) = sending.logged_in(deployment, position).await?;
        let sending = sending.at(&now);
        let (way_back, late) = (&mut *self.way_back, &mut self.late);
        // The row may have come late, from the request before.
        if !may_write(declared, &sent.exchange) {
            let again = sending.again(deployment, way_back, position, late, sent);
            sent = Box::pin(again).await?;
        }
        if !is_safe {
            late.note(action, context, &now);
        }
        let sent = (&sending, sent);
        let watched = (self.late_watch).completed(deployment, way_back, position, late, sent);
        let Sent {
            exchange,
            sessions,
            change,
        } = Box::pin(watched).await?;
        if exchange.response.no_answer.is_some() {
            if !deployment.process().may_restart() {
                self.late.note_unanswered(&name, sent_at.elapsed());
            }
            return Ok(unanswered(&now, exchange, &mut self.identity));
        }
        let response = exchange.response;
        let extracted = Extracted::by_action(&self.model, declared, &response);
        deployment.secrets().learn_extracted(&extracted.found);
        deployment.secrets().learn_rows(&change.rows);
        let next = extracted.applied_to(context);
        let before = Some((now.context(), now.observed()));
        let observed = deployment
            .databases()
            .observe(&next, &change.rows, before)
            .await?;

        let wrote = change.content.is_some();
        let is_refused = declared.refuses(&response) || response.is_rate_limit;
        let after = State::new(
            change.content.unwrap_or_else(|| now.content().clone()),
            observed,
            now.unsafe_requests_after(action, is_safe || is_refused, response.status),
            next.clone(),
            sessions,
        )
        .behind(&now, action, &declared.request);
        let stays = !wrote && after.is_like(&now);
        let step = Step {
            action,
            is_safe,
            wrote,
            context,
            live: &live,
            response: &response,
            extracted: &extracted,
            after: &after,
            stays,
        };
        let effect = effect(declared, &response, stays);
        let path = self.way_back.remember(&now, &step);
        if !stays || !path.same(now.path()) {
            position.now = Checkpoint::new(after, path);
        }
        let wrote = change.rows.rows().next().is_some();
        let from = Some((&now, &change.rows));
        let identity = self.identity.of(&position.now, from);
        Ok(Arrival {
            context: next,
            identity,
            checkpoint: position.now.clone(),
            status: response.status,
            effect,
            wrote,
            record: Some(record(exchange.request, response, extracted, change.rows)),
        })
    }

    async fn restore(&mut self, to: &Checkpoint) -> Result<(), WorldError> {
        let (began, before) = (Instant::now(), self.time());
        let outcome = self.go_back(to).await;
        self.deployment.count_as_restore(before, began.elapsed());
        outcome
    }

    async fn renew(&mut self) -> Result<Arrival<Checkpoint>, WorldError> {
        let (began, before) = (Instant::now(), self.time());
        let outcome = self.begin_again().await;
        self.deployment.count_as_restore(before, began.elapsed());
        outcome
    }

    async fn renew_login(&mut self, action: ActionId, status: u16) -> Result<bool, WorldError> {
        let declared = self.model.action(action);
        let name = format!("action `{}`", declared.name);
        let refused = Refused {
            name: &name,
            principal: declared.request.principal,
            status,
            listed: &declared.expect.status,
        };
        let position = self.position.as_mut().ok_or_else(not_begun)?;
        let deployment = &mut self.deployment;
        if declared.request.principal.is_none() && self.way_back.replays_nothing() {
            let again = Box::pin(setup_again(deployment, position)).await?;
            let is_done = again.is_some();
            self.setup_values = again.unwrap_or_else(|| std::mem::take(&mut self.setup_values));
            return Ok(is_done);
        }
        let Some(id) = refused.denied(&deployment.principals()) else {
            return Ok(false);
        };
        position.now = Box::pin(refused.renewed(deployment, &position.now, id)).await?;
        Ok(true)
    }

    fn logins(&self) -> u64 {
        self.deployment.logins()
    }

    fn requests(&self) -> u64 {
        self.deployment.sender().requests()
    }

    async fn conclude(&mut self) -> Result<(), WorldError> {
        self.bring_back().await?;
        self.deployment.conclude().await
    }

    fn can_restore(&self) -> bool {
        self.way_back.can_restore()
    }

    fn starts_anew(&self) -> bool {
        self.way_back.starts_anew()
    }

    fn leaves_process(&self) -> bool {
        self.way_back.leaves_process()
    }

    fn take_suspects(&mut self) -> Vec<ActionId> {
        self.way_back.take_suspects()
    }

    fn has_late_rows(&mut self) -> bool {
        let warnings = self.deployment.databases().warnings();
        warnings.have(WarningCode::BackgroundWrite) || warnings.have(WarningCode::LateWrite)
    }

    fn writes_late(&mut self, action: ActionId) -> bool {
        self.deployment.settling().is_late(action)
    }

    fn listen(&mut self) {
        self.late_watch.listen();
    }

    fn time(&self) -> WorldTime {
        self.deployment.time()
    }

    fn situations(
        &mut self,
        at: &Checkpoint,
        context: &Context,
        named: &[&[VariableId]],
    ) -> Option<Vec<Situation>> {
        self.identity.situations(at, context, named)
    }

    fn is_calibrating(&self) -> bool {
        self.identity.is_calibrating() && self.way_back.can_restore()
    }

    fn compare(&mut self, before: &StepRecord, now: &StepRecord) {
        self.identity.compare(before, now);
    }

    fn end_calibration(&mut self) {
        self.identity.end_calibration();
    }

    fn identity(&mut self, at: &Checkpoint) -> Option<Digest> {
        Some(self.identity.of(at, None))
    }

    fn left_out(&mut self, a: &Checkpoint, b: &Checkpoint) -> Option<LeftOut> {
        self.identity.left_out(a, b)
    }

    fn count_again(&mut self, left_out: &LeftOut, why: &str) {
        self.identity.count_again(left_out, why);
    }

    fn take_counted_again(&mut self) -> Option<LeftOut> {
        self.identity.take_counted_again()
    }

    fn row_variables(&self) -> Vec<VariableId> {
        self.identity.row_variables()
    }

    fn take_warnings(&mut self) -> Vec<Warning> {
        let mut warnings = self.deployment.databases().warnings().take();
        warnings.extend(self.identity.take_warnings());
        warnings
    }

    fn has_lost_answers(&self) -> bool {
        self.deployment.patience().has_lost()
    }

    fn sum_up(&self) -> Vec<Warning> {
        let mut warnings = self.deployment.patience().warnings();
        warnings.extend(self.deployment.unsettled());
        warnings
    }
}

impl Observe for LiveWorld {
    async fn tables_read(
        &mut self,
        query: &SqlQuery,
    ) -> Result<Option<Vec<Arc<Table>>>, WorldError> {
        self.deployment.databases().prepare(query).await
    }

    async fn query(
        &mut self,
        query: &SqlQuery,
        context: &Context,
    ) -> Result<Option<QueryRows>, WorldError> {
        let live = self.live_values(context);
        let found = self.deployment.databases().query(query, &live).await?;
        if let Some(found) = &found {
            let secrets = self.deployment.secrets();
            secrets.learn_found(&found.columns, &found.rows);
        }
        Ok(found)
    }

    async fn probe(
        &mut self,
        request: &RequestTemplate,
        context: &Context,
    ) -> Result<Option<StepRecord>, WorldError> {
        const NAME: &str = "the request of an invariant";
        self.deployment.check_interrupt()?;
        self.bring_back().await?;
        let live = self.live_values(context);
        let deployment = &mut self.deployment;
        let position = self.position.as_mut().ok_or_else(not_begun)?;
        position.use_newest(deployment);
        let before = position.now.clone();
        let bindings = self.model.bindings(&live);
        let defined = request
            .templates()
            .iter()
            .flat_map(|template| template.requires())
            .all(|name| bindings.lookup(name).is_some());
        if !defined {
            return Ok(None);
        }
        let sending = Sending {
            name: NAME,
            template: request,
            bindings,
            now: &before,
            listed: &[],
            is_forbidden: false,
            action: None,
            live: &live,
        };
        let way_back = &mut *self.way_back;
        let (sent, now) = sending.looked_into(deployment, way_back, position).await?;
        let sending = sending.at(&now);
        let again = sending.again(deployment, way_back, position, &mut self.late, sent);
        let sent = Box::pin(again).await?;
        // Its cookies are thrown away: a probe leaves everything as it was.
        let Sent {
            exchange, change, ..
        } = sent;
        if let Some(found) = &change.content {
            let databases = deployment.databases();
            databases.put_back(found, position.now.content()).await?;
        }
        deployment.secrets().learn_rows(&change.rows);
        Ok(Some(StepRecord {
            rows: change.rows,
            ..exchange.into()
        }))
    }
}

fn record(
    request: Request,
    response: Response,
    extracted: Extracted,
    rows: RowDelta,
) -> Arc<StepRecord> {
    Arc::new(StepRecord {
        request,
        response,
        extracted: extracted.found,
        extract_failures: extracted.failures,
        rows,
    })
}

/// What an answer comes to, where the state stays as it was or not.
fn effect(action: &Action, response: &Response, stays: bool) -> Effect {
    match (action.accepts(response), stays) {
        (false, _) => Effect::None,
        (true, true) => Effect::Accepted,
        (true, false) => Effect::Changed,
    }
}

/// Arriving in an initial state.
fn arrival(initial: &Checkpoint, identity: &mut StateIdentity) -> Arrival<Checkpoint> {
    Arrival {
        context: initial.context().clone(),
        identity: identity.of(initial, None),
        checkpoint: initial.clone(),
        status: 0,
        effect: Effect::None,
        wrote: false,
        record: None,
    }
}

/// What comes of a request that was not answered: the state before it, to which the service is brought back.
fn unanswered(
    now: &Checkpoint,
    exchange: Exchange,
    identity: &mut StateIdentity,
) -> Arrival<Checkpoint> {
    Arrival {
        record: Some(Arc::new(exchange.into())),
        ..arrival(now, identity)
    }
}

fn not_begun() -> WorldError {
    WorldError::new(
        WorldErrorKind::Service,
        "the world was used before `begin` or after it had failed",
    )
}

#[cfg(test)]
mod process_tests;
#[cfg(test)]
mod shop;
#[cfg(test)]
mod tests;
