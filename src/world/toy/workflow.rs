//! Thirteen actions in two areas that never touch: tags, and deployments with their runs.

use super::Column::{Key, Plain, Reference, Volatile};
use super::Value::{Number, Text};
use super::{Answer, Bug, Keys, Request, Rows, Toy};

const TAGS: usize = 0;
const DEPLOYMENTS: usize = 1;
const RUNS: usize = 2;

const TAG: usize = 0;
const DEPLOYMENT: usize = 1;
const RUN: usize = 2;

const STATUS: usize = 2;
const SUSPENDED: usize = 3;
const CANCELLED: usize = 4;
const UPDATED: usize = 5;

/// Resuming wakes a run that was cancelled while it was suspended: `create_deployment`, `publish`, `start_run`, `pause`,
/// `cancel_run`, `resume`.
pub const WORKFLOW: Toy = Toy {
    name: "workflow",
    keys: Keys::Restored,
    tables: &[
        &[Key, Plain, Plain, Volatile],
        &[Key, Plain, Volatile],
        &[Key, Reference(DEPLOYMENTS), Plain, Plain, Plain, Volatile],
    ],
    variables: &[
        ("tag_id", TAGS),
        ("deployment_id", DEPLOYMENTS),
        ("run_id", RUNS),
    ],
    requests: &[
        Request::write("create_tag", &[], |rows, _| {
            let now = rows.now();
            let tag = rows.insert(TAGS, &[Text("a"), Text("red"), now]);
            Ok(Some((TAG, tag)))
        }),
        Request::write("rename_tag", &[TAG], |rows, ids| {
            rows.get(TAGS, ids[0])?;
            let now = rows.now();
            rows.update(TAGS, ids[0], |tag| {
                tag[1] = Text(if tag[1] == "a" { "b" } else { "a" });
                tag[3] = now;
            });
            Ok(None)
        }),
        Request::write("recolour_tag", &[TAG], |rows, ids| {
            rows.get(TAGS, ids[0])?;
            let now = rows.now();
            rows.update(TAGS, ids[0], |tag| {
                tag[2] = match tag[2] {
                    Text("red") => Text("green"),
                    Text("green") => Text("blue"),
                    _ => Text("red"),
                };
                tag[3] = now;
            });
            Ok(None)
        }),
        Request::write("delete_tag", &[TAG], |rows, ids| {
            rows.get(TAGS, ids[0])?;
            rows.delete(TAGS, |tag| tag[0] == ids[0]);
            Ok(None)
        }),
        Request::read("list_tags", &[], |_, _| Ok(None)),
        Request::write("create_deployment", &[], |rows, _| {
            let now = rows.now();
            let deployment = rows.insert(DEPLOYMENTS, &[Text("draft"), now]);
            Ok(Some((DEPLOYMENT, deployment)))
        }),
        Request::write("publish", &[DEPLOYMENT], |rows, ids| {
            advance(rows, ids[0], "draft", "live")
        }),
        Request::write("start_run", &[DEPLOYMENT], |rows, ids| {
            if rows.get(DEPLOYMENTS, ids[0])?[1] != "live" {
                return Err(409);
            }
            let now = rows.now();
            let run = [Number(ids[0]), Text("running"), Number(0), Number(0), now];
            Ok(Some((RUN, rows.insert(RUNS, &run))))
        }),
        Request::write("pause", &[DEPLOYMENT], |rows, ids| {
            advance(rows, ids[0], "live", "paused")?;
            for run in runs_of(rows, ids[0]) {
                let now = rows.now();
                rows.update(RUNS, run, |run| {
                    if run[STATUS] == "running" {
                        run[STATUS] = Text("suspended");
                        run[SUSPENDED] = Number(1);
                        run[UPDATED] = now;
                    }
                });
            }
            Ok(None)
        }),
        Request::write("resume", &[DEPLOYMENT], |rows, ids| {
            advance(rows, ids[0], "paused", "live")?;
            for run in runs_of(rows, ids[0]) {
                let now = rows.now();
                rows.update(RUNS, run, |run| {
                    // The bug: it should ask whether the status is `suspended`.
                    if run[SUSPENDED] == 1 {
                        run[STATUS] = Text("running");
                        run[SUSPENDED] = Number(0);
                        run[UPDATED] = now;
                    }
                });
            }
            Ok(None)
        }),
        Request::write("cancel_run", &[RUN], |rows, ids| {
            let run = rows.get(RUNS, ids[0])?;
            if run[STATUS] != "running" && run[STATUS] != "suspended" {
                return Err(409);
            }
            let now = rows.now();
            rows.update(RUNS, ids[0], |run| {
                run[STATUS] = Text("cancelled");
                run[CANCELLED] = Number(1);
                run[UPDATED] = now;
            });
            Ok(None)
        }),
        Request::write("finish_run", &[RUN], |rows, ids| {
            if rows.get(RUNS, ids[0])?[STATUS] != "running" {
                return Err(409);
            }
            let now = rows.now();
            rows.update(RUNS, ids[0], |run| {
                run[STATUS] = Text("done");
                run[UPDATED] = now;
            });
            Ok(None)
        }),
        Request::read("get_deployment", &[DEPLOYMENT], |_, _| Ok(None)),
    ],
    bugs: &[Bug {
        name: "zombie_run",
        path: "create_deployment publish start_run pause cancel_run resume",
        shows: |state| {
            let mut runs = state.tables[RUNS].iter();
            runs.any(|run| run[STATUS] == "running" && run[CANCELLED] == 1)
        },
    }],
};

fn advance(rows: &mut Rows<'_>, deployment: i64, from: &'static str, to: &'static str) -> Answer {
    if rows.get(DEPLOYMENTS, deployment)?[1] != from {
        return Err(409);
    }
    let now = rows.now();
    rows.update(DEPLOYMENTS, deployment, |row| {
        row[1] = Text(to);
        row[2] = now;
    });
    Ok(None)
}

fn runs_of(rows: &Rows<'_>, deployment: i64) -> Vec<i64> {
    let runs = rows.all(RUNS).iter().filter(|run| run[1] == deployment);
    runs.filter_map(|run| super::rows::key(run[0])).collect()
}
