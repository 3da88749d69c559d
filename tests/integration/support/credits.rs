//! A service that keeps all it knows in memory: credits, which can be bought and spent.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

/// What can be done with it; without `service` or `http`, `restore` or `reset`.
pub(crate) const SPEC: &str = "
venomqa: 1
name: credits
state_from_context: [credits, spent]
actions:
  - name: buy
    request: { method: POST, path: /credits }
    extract: &seen { credits: $.credits, spent: $.spent }
    max_calls: 1
  - name: spend
    request: { method: POST, path: /spend }
    expect: { status: [200, 409] }
    extract: *seen
  - name: undo
    request: { method: POST, path: /undo }
    expect: { status: [200, 409] }
    extract: *seen
invariants:
  - name: nothing_is_free
    severity: critical
    message: there are more credits than were bought
    jsonpath: $.free
    expect: { at_most: 0 }
";

#[derive(Default)]
struct Account {
    bought: i64,
    spent: i64,
    given_back: i64,
    bug: bool,
}

impl Account {
    fn credits(&self) -> i64 {
        self.bought - self.spent + self.given_back
    }

    fn answer(&self, status: StatusCode) -> (StatusCode, Json<Value>) {
        let credits = self.credits();
        let shown = json!({
            "credits": credits,
            "free": credits - self.bought,
            "spent": self.spent,
        });
        (status, Json(shown))
    }
}

type Shared = State<Arc<Mutex<Account>>>;
type Answer = (StatusCode, Json<Value>);

/// With the bug, one undo too many makes a credit out of nothing.
pub(crate) fn router(bug: bool) -> Router {
    let account = Account {
        bug,
        ..Account::default()
    };
    Router::new()
        .route("/", get(show))
        .route("/credits", post(buy))
        .route("/spend", post(spend))
        .route("/undo", post(undo))
        .route("/reset", post(reset))
        .with_state(Arc::new(Mutex::new(account)))
}

async fn show(State(account): Shared) -> Answer {
    account.lock().unwrap().answer(StatusCode::OK)
}

async fn buy(State(account): Shared) -> Answer {
    let mut account = account.lock().unwrap();
    account.bought += 1;
    account.answer(StatusCode::CREATED)
}

async fn spend(State(account): Shared) -> Answer {
    let mut account = account.lock().unwrap();
    if account.credits() < 1 || account.spent > 0 {
        return account.answer(StatusCode::CONFLICT);
    }
    account.spent += 1;
    account.answer(StatusCode::OK)
}

async fn undo(State(account): Shared) -> Answer {
    let mut account = account.lock().unwrap();
    let undone = if account.bug { 0 } else { account.given_back };
    // Never more than a few, so that the model stays small.
    if undone >= account.spent || account.given_back == 3 {
        return account.answer(StatusCode::CONFLICT);
    }
    account.given_back += 1;
    account.answer(StatusCode::OK)
}

async fn reset(State(account): Shared) -> StatusCode {
    let mut account = account.lock().unwrap();
    *account = Account {
        bug: account.bug,
        ..Account::default()
    };
    StatusCode::NO_CONTENT
}
