//! Where rows come from that a request should not have changed, and that do not come again when it is sent again.
//!
//! They may have come late, from a request before it; from a job of the service; or the request made them after all, once in
//! the life of the process (a key that the service remembers). Guessing would blame an innocent action, so it is tried:
//!
//! 1. Nothing is sent. Where rows come, a job makes them.
//! 2. The state before an earlier request is restored, that request is sent, then the one in question. Where the rows come
//!    now, the earlier request has to do with them: without it, they did not.
//! 3. The earlier request alone is sent. Where the rows come by themselves, it makes them. Where they come only with the request in
//!    question, nobody can tell from outside whether the earlier one has put off its own write, or the later one writes for itself what the
//!    earlier one has marked as stale in the memory of the service. Either way something in the process decides, and that is said.
//!
//! What was found out about tables holds for the rest of the run.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::checkpoint::Checkpoint;
use super::super::deployment::{Deployment, Outgoing};
use super::super::extract::Extracted;
use super::super::system::SystemState;
use super::super::way_back::{Position, WayBack};
use super::super::{Warning, WorldError};
use super::sending::Sending;
use crate::model::{ActionId, Context, RowDelta, Table, TableId};

/// Earlier requests that are suspected, the newest of them.
const WRITERS: usize = 3;

/// How long a job is waited for.
const JOB: Duration = Duration::from_secs(1);

/// Shortest and longest wait for rows that come late.
const LATE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));

/// How often a request is sent again to see how late its rows come.
const TIMES: u32 = 3;

/// How long, at least and at most, a request may go on writing that was not answered in time.
const GOES_ON: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));

/// First and longest pause between two looks.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(40));

/// What is known of rows that come by themselves.
#[derive(Default)]
pub(super) struct LateRows {
    /// The newest first.
    writers: VecDeque<Writer>,
    /// The last request that a service, which goes on running, has not answered.
    unanswered: Option<Unanswered>,
    known: Vec<Known>,
    /// Requests that change rows of a table each time, while none come in the same state when nothing is sent.
    proven: HashSet<(String, Arc<str>, TableId)>,
}

/// A request that may have changed rows.
#[derive(Clone)]
struct Writer {
    action: ActionId,
    context: Context,
    before: Checkpoint,
    answered: Instant,
}

/// A request without an answer, and until when it may go on writing.
struct Unanswered {
    request: String,
    until: Instant,
}

/// Rows that may come late.
struct Awaited<'a> {
    tables: &'a [Arc<Table>],
    window: Duration,
}

/// What became of rows that were waited for.
enum Came {
    /// So long after the answer.
    After(Duration),
    Never,
    /// A request was not answered.
    Unanswered,
}

/// What was found out about some tables.
struct Known {
    tables: Vec<Arc<Table>>,
    /// The request for which it was found out that nobody else makes the rows.
    request: Option<String>,
    source: Source,
}

/// Where rows come from.
#[derive(Clone)]
pub(super) enum Source {
    /// An earlier request, whose rows come within this time after its answer: twice as late as was seen.
    Writer(ActionId, Duration),
    /// They come when this request follows an earlier one, and with neither of them alone.
    Together(ActionId, String),
    /// A request that was not answered a while ago, as far as anybody knows.
    Unanswered(String),
    /// A job: they come while no request runs.
    Job,
    /// Nobody else.
    Nobody,
}

impl Source {
    /// Says where the rows come from, in place of whatever was said about them before.
    pub(super) fn warn(&self, deployment: &mut Deployment, tables: &[Arc<Table>]) {
        let warning = match self {
            Self::Writer(action, since) => {
                let model = deployment.model();
                Warning::late_write(&model.action(*action).name, *since, tables)
            }
            Self::Together(action, request) => {
                let model = deployment.model();
                Warning::put_off_write(&model.action(*action).name, request, tables)
            }
            Self::Unanswered(request) => Warning::late_write_of_unanswered(request, tables),
            Self::Job => {
                for table in tables {
                    let warnings = deployment.databases().warnings();
                    warnings.explain(table, Some(Warning::job(table)));
                }
                return;
            }
            Self::Nobody => {
                deployment.databases().warnings().release();
                return;
            }
        };
        let warnings = deployment.databases().warnings();
        for table in tables {
            warnings.explain(table, None);
        }
        warnings.add(warning);
    }
}

impl LateRows {
    /// A request was answered whose method may change something.
    pub(super) fn note(&mut self, action: ActionId, context: &Context, before: &Checkpoint) {
        self.writers.truncate(WRITERS - 1);
        self.writers.push_front(Writer {
            action,
            context: context.clone(),
            before: before.clone(),
            answered: Instant::now(),
        });
    }

    /// A request was not answered by a service that goes on running, although it was waited for so long.
    pub(super) fn note_unanswered(&mut self, request: &str, waited: Duration) {
        self.unanswered = Some(Unanswered {
            request: request.to_owned(),
            until: Instant::now() + (waited * 2).clamp(GOES_ON.0, GOES_ON.1),
        });
    }

    /// The request that was not answered, as long as it may go on writing.
    fn writing_yet(&self) -> Option<Source> {
        let unanswered = self.unanswered.as_ref()?;
        (Instant::now() < unanswered.until).then(|| Source::Unanswered(unanswered.request.clone()))
    }

    /// Where rows of these tables come from. `request` is the one that was under way when they came; `None` where none was.
    /// The world must stand where it says that it stands, and does so afterwards.
    pub(super) async fn source(
        &mut self,
        deployment: &mut Deployment,
        way_back: &mut dyn WayBack,
        position: &mut Position,
        tables: &[Arc<Table>],
        request: Option<&Sending<'_>>,
    ) -> Result<Source, WorldError> {
        if let Some(known) = self.known(tables, request) {
            return Ok(known);
        }
        self.trace(deployment, way_back, position, tables, request)
            .await
    }

    /// Where rows of these tables come from that came by themselves after the newest answer. What is known of others that write
    /// the same tables late does not count.
    pub(super) async fn of_newest(
        &mut self,
        deployment: &mut Deployment,
        way_back: &mut dyn WayBack,
        position: &mut Position,
        tables: &[Arc<Table>],
    ) -> Result<Source, WorldError> {
        let is_of_job = |known: &Known| {
            matches!(known.source, Source::Job) && tables.iter().all(|it| known.tables.contains(it))
        };
        if self.known.iter().any(is_of_job) {
            return Ok(Source::Job);
        }
        self.trace(deployment, way_back, position, tables, None)
            .await
    }

    /// Where rows of these tables come from, if they come in this state also when nothing is sent: then they are not those of this
    /// request, although they have come each time that it was sent. Otherwise they are [proven](Self::are_proven) to be.
    pub(super) async fn comes_by_itself(
        &mut self,
        deployment: &mut Deployment,
        way_back: &mut dyn WayBack,
        position: &mut Position,
        tables: &[Arc<Table>],
        request: &str,
    ) -> Result<Option<Source>, WorldError> {
        let here = position.now.clone();
        if comes_by_itself(deployment, way_back, position, &here, tables).await? {
            let source = self.source(deployment, way_back, position, tables, None);
            return source.await.map(Some);
        }
        let proven = tables.iter().map(|table| key(request, table));
        self.proven.extend(proven);
        Ok(None)
    }

    /// Whether rows of these tables are surely those of this request.
    pub(super) fn are_proven(&self, request: &str, tables: &[Arc<Table>]) -> bool {
        let mut keys = tables.iter().map(|table| key(request, table));
        keys.all(|key| self.proven.contains(&key))
    }

    async fn trace(
        &mut self,
        deployment: &mut Deployment,
        way_back: &mut dyn WayBack,
        position: &mut Position,
        tables: &[Arc<Table>],
        request: Option<&Sending<'_>>,
    ) -> Result<Source, WorldError> {
        // Whatever is tried out meanwhile proves nothing.
        if let Some(unanswered) = self.writing_yet() {
            return Ok(unanswered);
        }
        let source = self
            .find_out(deployment, way_back, position, tables, request)
            .await?;
        if let Source::Writer(action, time) = source {
            deployment.settling().wait_for(action, time);
        }
        self.known.push(Known {
            tables: tables.to_vec(),
            request: request.map(|request| request.name.to_owned()),
            source: source.clone(),
        });
        Ok(source)
    }

    fn known(&self, tables: &[Arc<Table>], request: Option<&Sending<'_>>) -> Option<Source> {
        let is_here = |known: &&Known| match &known.source {
            Source::Job => true,
            Source::Unanswered(_) => false,
            // A worker may do it in any state in which something was left to be done.
            Source::Writer(..) if request.is_none() => true,
            Source::Writer(action, _) | Source::Together(action, _) => {
                self.writers.iter().any(|it| it.action == *action)
            }
            Source::Nobody => known.request.as_deref() == request.map(|request| request.name),
        };
        let has_all = |known: &&Known| tables.iter().all(|table| known.tables.contains(table));
        let known = self.known.iter().filter(has_all).find(is_here)?;
        Some(known.source.clone())
    }

    async fn find_out(
        &mut self,
        deployment: &mut Deployment,
        way_back: &mut dyn WayBack,
        position: &mut Position,
        tables: &[Arc<Table>],
        request: Option<&Sending<'_>>,
    ) -> Result<Source, WorldError> {
        let now = position.now.clone();
        let writers: Vec<(Writer, Duration)> = (self.writers.iter())
            .map(|writer| (writer.clone(), writer.answered.elapsed()))
            .collect();
        let (is_job, content) = watch(deployment, now.content(), Some(tables), JOB).await?;
        deployment
            .databases()
            .put_back(&content, now.content())
            .await?;
        // Where a request has left something to be done, rows come by themselves too, but not in the state before it.
        if is_job {
            let Some((writer, _)) = writers.last() else {
                return Ok(Source::Job);
            };
            let is_everywhere =
                comes_by_itself(deployment, way_back, position, &writer.before, tables);
            if is_everywhere.await? {
                return Ok(Source::Job);
            }
        }
        for (writer, since) in writers {
            let window = (since * 2).clamp(LATE.0, LATE.1);
            let rows = Awaited { tables, window };
            let position = &mut *position;
            if let Some(request) = request {
                let came =
                    writer.brings(deployment, way_back, position, &now, &rows, Some(request));
                match came.await? {
                    Came::Unanswered => return Ok(Source::Nobody),
                    Came::Never => continue,
                    Came::After(_) => {}
                }
            }
            let alone = writer.brings(deployment, way_back, position, &now, &rows, None);
            let mut came = alone.await?;
            // Another time it may take longer.
            for _ in 1..TIMES {
                let Came::After(seen) = came else { break };
                let again = writer.brings(deployment, way_back, position, &now, &rows, None);
                if let Came::After(time) = again.await? {
                    came = Came::After(time.max(seen));
                }
            }
            return Ok(match (came, request) {
                (Came::After(time), _) => Source::Writer(writer.action, time * 2),
                (Came::Never, None) => continue,
                (Came::Never, Some(request)) => {
                    Source::Together(writer.action, request.name.to_owned())
                }
                (Came::Unanswered, _) => Source::Nobody,
            });
        }
        Ok(Source::Nobody)
    }
}

impl Writer {
    /// Whether these rows come when the request is sent again from where it was sent, with `after` behind it where there is
    /// one. The world stands at `now`, before and afterwards.
    async fn brings(
        &self,
        deployment: &mut Deployment,
        way_back: &mut dyn WayBack,
        position: &mut Position,
        now: &Checkpoint,
        rows: &Awaited<'_>,
        after: Option<&Sending<'_>>,
    ) -> Result<Came, WorldError> {
        way_back
            .come_back(deployment, position, now.content(), &self.before)
            .await?;
        let sent = self.send_again(deployment, way_back, &position.now, after);
        let Some(content) = sent.await? else {
            // Bringing the service back puts everything where the world stands.
            way_back.bring_back(deployment, position).await?;
            let content = position.now.content().clone();
            way_back
                .come_back(deployment, position, &content, now)
                .await?;
            return Ok(Came::Unanswered);
        };
        let answered = Instant::now();
        let (came, content) = watch(deployment, &content, Some(rows.tables), rows.window).await?;
        let time = answered.elapsed();
        way_back
            .come_back(deployment, position, &content, now)
            .await?;
        Ok(if came { Came::After(time) } else { Came::Never })
    }

    /// Sends the request again from where it was sent, and then `request`. The world stands at `before`. Returns the content that the first of them left
    /// behind; `None` where one was not answered.
    async fn send_again(
        &self,
        deployment: &mut Deployment,
        way_back: &dyn WayBack,
        before: &Checkpoint,
        request: Option<&Sending<'_>>,
    ) -> Result<Option<Arc<[SystemState]>>, WorldError> {
        let model = deployment.model();
        let action = model.action(self.action);
        let name = format!("action `{}`, sent again", action.name);
        let live = way_back.live_values(&self.context);
        let bindings = model.action_bindings(self.action, &live);
        let mut sessions = before.sessions().clone();
        let outgoing = Outgoing {
            name: &name,
            template: &action.request,
            bindings,
            known: None,
            listed: &action.expect.status,
            is_forbidden: action.forbidden.is_some(),
        };
        let sent = deployment.attempt(outgoing, &mut sessions).await?;
        if deployment.is_lost() {
            return Ok(None);
        }
        let after = Extracted::by_action(&model, action, &sent.response).applied_to(&live);
        deployment.settle(None, &after).await?;
        let content = deployment.databases().content(before.content()).await?;
        if let Some(request) = request {
            let outgoing = request.outgoing(None);
            deployment.attempt(outgoing, &mut sessions).await?;
        }
        Ok((!deployment.is_lost()).then_some(content))
    }
}

fn key(request: &str, table: &Table) -> (String, Arc<str>, TableId) {
    (request.to_owned(), table.system.clone(), table.id)
}

/// Whether rows of these tables come in a state in which nothing is sent. The world stands where it says, before and afterwards.
async fn comes_by_itself(
    deployment: &mut Deployment,
    way_back: &mut dyn WayBack,
    position: &mut Position,
    at: &Checkpoint,
    tables: &[Arc<Table>],
) -> Result<bool, WorldError> {
    let now = position.now.clone();
    way_back
        .come_back(deployment, position, now.content(), at)
        .await?;
    let there = position.now.content().clone();
    let (came, content) = watch(deployment, &there, Some(tables), JOB).await?;
    way_back
        .come_back(deployment, position, &content, &now)
        .await?;
    Ok(came)
}

/// Waits until rows of these tables change, or of any where there are none, at most so long. Says whether they did, and what the
/// content is then, which was `known`.
pub(super) async fn watch(
    deployment: &mut Deployment,
    known: &Arc<[SystemState]>,
    tables: Option<&[Arc<Table>]>,
    limit: Duration,
) -> Result<(bool, Arc<[SystemState]>), WorldError> {
    let began = Instant::now();
    let mut content = known.clone();
    let mut pause = PAUSES.0;
    loop {
        let change = deployment.databases().read(&content).await?;
        content = change.content.unwrap_or(content);
        if touches(&change.rows, tables) {
            return Ok((true, content));
        }
        if began.elapsed() >= limit || !deployment.wait(pause).await {
            return Ok((false, content));
        }
        pause = (pause * 2).min(PAUSES.1);
    }
}

fn touches(rows: &RowDelta, tables: Option<&[Arc<Table>]>) -> bool {
    rows.rows()
        .any(|change| tables.is_none_or(|tables| tables.contains(&change.table)))
}
