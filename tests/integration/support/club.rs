//! A club on `club.db`: members may edit.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use rusqlite::Connection;

/// The club on this file. A forgetful one asks only once whether somebody is a member, and never again, and
/// remembers by itself that somebody has voted.
pub(crate) fn router(path: &Path, is_forgetful: bool) -> Router {
    let connection = Arc::new(Mutex::new(Connection::open(path).unwrap()));
    let known: Mutex<Option<bool>> = Mutex::new(None);
    let execute = move |sql: &str| connection.lock().unwrap().execute(sql, []).unwrap();
    let (join, leave, edit) = (execute.clone(), execute.clone(), execute.clone());
    let (vote, recount) = (execute.clone(), execute);
    let has_voted = AtomicBool::new(false);
    let vote = move || {
        let is_new = !is_forgetful || !has_voted.swap(true, Ordering::SeqCst);
        if is_new && vote("UPDATE club SET edits = 1 WHERE edits = 0") == 1 {
            StatusCode::OK
        } else {
            StatusCode::CONFLICT
        }
    };
    let edit = move || {
        let is_member = || edit("UPDATE club SET member = 1 WHERE member = 1") == 1;
        let may_edit = if is_forgetful {
            *known.lock().unwrap().get_or_insert_with(is_member)
        } else {
            is_member()
        };
        if !may_edit {
            return StatusCode::CONFLICT;
        }
        edit(
            "UPDATE club SET edits = edits + 1, edited_by_a_stranger = edited_by_a_stranger + (member = 0)",
        );
        StatusCode::OK
    };
    let (edit, vote) = (Arc::new(edit), Arc::new(vote));
    Router::new()
        .route("/", get(async || "ready"))
        .route(
            "/join",
            post(async move || {
                join("UPDATE club SET member = 1");
            }),
        )
        .route(
            "/leave",
            post(async move || {
                leave("UPDATE club SET member = 0");
            }),
        )
        .route("/edit", post(async move || edit()))
        .route("/vote", post(async move || vote()))
        .route(
            "/recount",
            post(async move || {
                recount("UPDATE club SET edits = 0");
            }),
        )
}
