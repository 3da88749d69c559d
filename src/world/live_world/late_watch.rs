//! Does an action write after it has answered? Its rows would come while the next request is under way, and look like that one's.
//!
//! So after the first answers of each action nothing is sent for a while, and rows are looked for that come by themselves. Where
//! some do, it is found out whether the action makes them ([`LateRows::of_newest`]). From then on it is waited for after each of
//! its answers, and its rows are its own. The wait is short, and bounded for the whole run, unless something hints at late rows.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::databases::Databases;
use super::super::deployment::Deployment;
use super::super::system::SystemState;
use super::super::way_back::{Position, WayBack};
use super::super::{Warning, WorldError};
use super::late_rows::{LateRows, Source, watch};
use super::sending::{Sending, Sent, may_write};
use crate::model::{ActionId, RowChange, Table};

/// What all waits of a run may cost together.
const ALL: Duration = Duration::from_secs(2);

/// What they may cost however short the walk is.
const SHORT: Duration = Duration::from_millis(600);

/// What they may cost of the time of the walk so far, as its divisor.
const PART: u32 = 4;

/// How long an action is waited for that was accepted and has left something to be done, as far as its first answers tell: no row
/// has changed, or its status is 202.
const UNDONE: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(150)];

/// The longest and the shortest wait for any other action; in between lies its share of what a short walk allows for.
const DONE: (Duration, Duration) = (Duration::from_millis(150), Duration::from_millis(50));

/// What all waits may cost, and how long each is, where something hints at late rows.
const HINTED: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(1));

/// No wait takes more than this share of the time that is left of a run.
const SHARE: u32 = 20;

/// Accepted: the answer of an action that promises to do something later.
const ACCEPTED: u16 = 202;

/// Which actions have been waited for.
#[derive(Debug)]
pub(super) struct LateWatch {
    /// Answers after which there was a wait: of those that had left something to be done, and of others.
    waited: HashMap<ActionId, (usize, usize)>,
    began: Instant,
    spent: Duration,
    is_hinted: bool,
}

impl Default for LateWatch {
    fn default() -> Self {
        Self {
            waited: HashMap::new(),
            began: Instant::now(),
            spent: Duration::ZERO,
            is_hinted: false,
        }
    }
}

/// Rows that came by themselves.
struct Late {
    tables: Vec<Arc<Table>>,
    /// How long after the answer the last of them came.
    since: Duration,
}

impl LateWatch {
    /// Something hints at late rows: every action is waited for once more, and longer.
    pub(super) fn listen(&mut self) {
        if !self.is_hinted {
            *self = Self {
                is_hinted: true,
                ..Self::default()
            };
        }
    }

    /// How long this accepted answer is to be waited for, so long after the walk began. `actions` are so many that may write. What
    /// does not fit yet is due at a later answer.
    fn window(
        &mut self,
        action: ActionId,
        is_undone: bool,
        actions: usize,
        walk: Duration,
    ) -> Duration {
        let short = (walk / PART).clamp(SHORT, ALL);
        let (undone, done) = self.waited.entry(action).or_default();
        let (window, all) = if self.is_hinted {
            let is_due = *undone + *done == 0;
            (is_due.then_some(HINTED.1), HINTED.0)
        } else if is_undone {
            (UNDONE.get(*undone).copied(), short)
        } else {
            let share = SHORT / u32::try_from(actions.max(1)).unwrap_or(u32::MAX);
            let is_due = *done == 0;
            (is_due.then(|| share.clamp(DONE.1, DONE.0)), short)
        };
        let fitting = window.filter(|it| self.spent + *it <= all);
        if fitting.is_some() {
            let waits = if is_undone { undone } else { done };
            *waits += 1;
        }
        fitting.unwrap_or_default()
    }

    /// What came of a request once its late rows are there, where it is one of those that are waited for. Rows that nobody but
    /// this action makes are its own from now on, for it is sent again and waited for; others are put back.
    pub(super) async fn completed(
        &mut self,
        deployment: &mut Deployment,
        way_back: &mut dyn WayBack,
        position: &mut Position,
        late: &mut LateRows,
        (sending, sent): (&Sending<'_>, Sent),
    ) -> Result<Sent, WorldError> {
        let Some(action) = sending.action else {
            return Ok(sent);
        };
        let model = deployment.model();
        if !may_write(model.action(action), &sent.exchange) {
            return Ok(sent);
        }
        let settling = deployment.settling();
        if settling.is_ruled_out() || settling.is_late(action) || deployment.databases().are_none()
        {
            return Ok(sent);
        }
        let wrote = sent.change.rows.rows().next().is_some();
        let is_undone = !wrote || sent.exchange.response.status == ACCEPTED;
        let writers = model.actions.iter().filter(|it| !it.request.is_safe());
        let mut window = self.window(action, is_undone, writers.count(), self.began.elapsed());
        window = window.saturating_sub(deployment.settling().pause());
        if let Some(left) = deployment.time_left() {
            window = window.min(left / SHARE);
        }
        if window.is_zero() {
            return Ok(sent);
        }
        let began = Instant::now();
        let known = sent
            .change
            .content
            .as_ref()
            .unwrap_or(sending.now.content());
        let (rows, content) = wait_for_rows(deployment, known, window).await?;
        let took = began.elapsed();
        self.spent += took;
        deployment.settling().count(took);
        let Some(rows) = rows else {
            return Ok(sent);
        };
        if way_back.can_restore() {
            let found = Found {
                action,
                rows,
                content,
            };
            found
                .traced(deployment, way_back, position, late, (sending, sent))
                .await
        } else {
            taken_as_they_are(deployment, action, &rows, content, (sending, sent)).await
        }
    }
}

/// Rows that came after the answer to an action, and what the content is then.
struct Found {
    action: ActionId,
    rows: Late,
    content: Arc<[SystemState]>,
}

impl Found {
    async fn traced(
        self,
        deployment: &mut Deployment,
        way_back: &mut dyn WayBack,
        position: &mut Position,
        late: &mut LateRows,
        (sending, sent): (&Sending<'_>, Sent),
    ) -> Result<Sent, WorldError> {
        let tables = &self.rows.tables;
        way_back
            .come_back(deployment, position, &self.content, sending.now)
            .await?;
        let mut source = late
            .of_newest(deployment, way_back, position, tables)
            .await?;
        if let Source::Writer(action, time) = &mut source
            && *action == self.action
        {
            *time = (*time).max(self.rows.since * 2);
            deployment.settling().wait_for(*action, *time);
        }
        if let Source::Nobody = source {
            let rows = tables
                .iter()
                .map(|it| Warning::background_rows(&it.system, &it.name));
            deployment.databases().warnings().extend(rows);
        }
        source.warn(deployment, tables);
        if matches!(source, Source::Writer(action, _) if action == self.action) {
            let now = position.now.clone();
            return sending.at(&now).once(deployment, now.content()).await;
        }
        if let Some(after) = &sent.change.content {
            let now = position.now.content();
            deployment.databases().restore(now, after).await?;
        }
        Ok(sent)
    }
}

/// Where nothing can be put back, the rows stay. They are those of the action, unless more of them come with nothing sent.
async fn taken_as_they_are(
    deployment: &mut Deployment,
    action: ActionId,
    rows: &Late,
    content: Arc<[SystemState]>,
    (sending, mut sent): (&Sending<'_>, Sent),
) -> Result<Sent, WorldError> {
    let (more, content) = wait_for_rows(deployment, &content, HINTED.1).await?;
    let source = match more {
        Some(_) => Source::Job,
        None => Source::Writer(action, rows.since * 2),
    };
    source.warn(deployment, &rows.tables);
    if let Source::Writer(_, time) = source {
        deployment.settling().wait_for(action, time);
    }
    sent.change.rows = Databases::rows_between(sending.now.content(), &content);
    sent.change.content = Some(content);
    Ok(sent)
}

/// Waits so long for rows that come by themselves. Returns those that the identity sees, and the content, which was `known`.
async fn wait_for_rows(
    deployment: &mut Deployment,
    known: &Arc<[SystemState]>,
    window: Duration,
) -> Result<(Option<Late>, Arc<[SystemState]>), WorldError> {
    let began = Instant::now();
    let mut content = known.clone();
    let mut late: Option<Late> = None;
    loop {
        let left = window.saturating_sub(began.elapsed());
        let (came, found) = watch(deployment, &content, None, left).await?;
        let rows = Databases::rows_between(&content, &found);
        content = found;
        let seen = rows.rows().filter(|change| RowChange::is_observed(change));
        let mut tables: Vec<Arc<Table>> = seen.map(|change| change.table.clone()).collect();
        if !tables.is_empty() {
            let late = late.get_or_insert_with(|| Late {
                tables: Vec::new(),
                since: Duration::ZERO,
            });
            late.since = began.elapsed();
            late.tables.append(&mut tables);
        }
        if !came {
            break;
        }
    }
    if let Some(late) = &mut late {
        late.tables
            .sort_by(|a, b| (&a.system, a.id).cmp(&(&b.system, b.id)));
        late.tables.dedup();
    } else if !Arc::ptr_eq(&content, known) {
        // What the identity leaves out blames nobody.
        deployment.databases().put_back(&content, known).await?;
        content = known.clone();
    }
    Ok((late, content))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: ActionId = ActionId(0);
    const SECOND: ActionId = ActionId(1);
    const NO_TIME: Duration = Duration::ZERO;

    #[test]
    fn an_action_that_leaves_something_to_be_done_is_waited_for_longer_and_twice() {
        let mut watch = LateWatch::default();
        let windows =
            [true, true, true, false, false].map(|it| watch.window(FIRST, it, 2, NO_TIME));
        assert_eq!(windows, [UNDONE[0], UNDONE[1], NO_TIME, DONE.0, NO_TIME]);
        assert_eq!(watch.window(SECOND, false, 6, NO_TIME), SHORT / 6);
        assert_eq!(watch.window(ActionId(2), false, 500, NO_TIME), DONE.1);
    }

    #[test]
    fn what_does_not_fit_waits_until_the_walk_is_older_and_a_hint_allows_for_more_once() {
        let mut watch = LateWatch {
            spent: SHORT,
            ..LateWatch::default()
        };
        assert_eq!(watch.window(FIRST, true, 1, NO_TIME), NO_TIME);
        assert_eq!(watch.window(FIRST, true, 1, ALL), NO_TIME);
        assert_eq!(watch.window(FIRST, true, 1, ALL * 2), UNDONE[0]);
        watch.spent = ALL;
        assert_eq!(watch.window(SECOND, true, 1, ALL * 100), NO_TIME);
        watch.listen();
        assert_eq!(watch.window(FIRST, true, 1, NO_TIME), HINTED.1);
        assert_eq!(watch.window(FIRST, false, 1, NO_TIME), NO_TIME);
        watch.listen();
        assert_eq!(watch.window(FIRST, true, 1, NO_TIME), NO_TIME);
        watch.spent = HINTED.0;
        assert_eq!(watch.window(SECOND, true, 1, NO_TIME), NO_TIME);
    }
}
