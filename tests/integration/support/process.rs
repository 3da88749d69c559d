//! Services that need a process of their own, because they die, or because a restart is how they forget.
//!
//! The test binary starts itself once more and runs nothing but the test in this file, which serves instead of testing
//! when the environment says so.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::{env, fmt};

use serde_json::json;

use super::server::{runtime, serve};
use super::{Running, Sandbox, SqlService, bank, club, credits, notes, store};

const KIND: &str = "TEST_SERVICE_KIND";
const PORT: &str = "TEST_SERVICE_PORT";

/// What kind of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Credits in memory: they can be spent below zero, but only after an undo.
    Credits,
    /// The same without the bug.
    CleanCredits,
    /// The store, on `store.db` of its working directory.
    Store,
    /// The store, but it aborts once a refund is committed.
    DyingStore,
    /// The bank, on `bank.db` of its working directory, with the bug that is in its data.
    Bank,
    /// The bank with a bug that is in its memory.
    TiredBank,
    /// The bank, which throws its file away when it starts.
    BankOnANewFile,
    /// The club, on `club.db` of its working directory.
    Club,
    /// The club, which keeps in its memory who is a member.
    ForgetfulClub,
    /// The notes, on `notes.db` of its working directory.
    Notes,
    /// Never listens.
    NeverReady,
    /// Ends at once, and says why.
    ExitsAtOnce,
    /// The store in a grandchild, and deaf to SIGTERM.
    Stubborn,
    /// Runs the statements that it finds in a file of its working directory.
    Sql,
}

const KINDS: [Kind; 14] = [
    Kind::Credits,
    Kind::CleanCredits,
    Kind::Store,
    Kind::DyingStore,
    Kind::Bank,
    Kind::TiredBank,
    Kind::BankOnANewFile,
    Kind::Club,
    Kind::ForgetfulClub,
    Kind::Notes,
    Kind::NeverReady,
    Kind::ExitsAtOnce,
    Kind::Stubborn,
    Kind::Sql,
];

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, formatter)
    }
}

/// The name of the test below, as the harness knows it.
const TEST: &str = "support::process::a_service_of_the_tests_answers_from_a_process_of_its_own";

/// The `service:` section of a spec that starts it.
pub(crate) fn service(kind: Kind) -> String {
    let program = env::current_exe().unwrap();
    let command = json!([program, TEST, "--exact", "--nocapture", "--quiet"]);
    format!(
        "service:\n  command: {command}\n  env: {{ {KIND}: {kind}, {PORT}: \"${{port}}\" }}\n  ready: {{ path: /, timeout: 30s }}\n"
    )
}

#[test]
fn a_service_of_the_tests_answers_from_a_process_of_its_own() {
    if let Ok(name) = env::var(KIND) {
        let kind = KINDS.into_iter().find(|kind| kind.to_string() == name);
        return run(kind.unwrap(), env::var(PORT).unwrap().parse().unwrap());
    }
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(env::current_exe().unwrap());
    command
        .args([TEST, "--exact", "--nocapture"])
        .env(KIND, Kind::Credits.to_string())
        .env(PORT, "0");
    let mut child = Running::spawn(&mut command, sandbox.dir());
    let said = child.wait_for_stderr("\n");
    let address = said.trim().strip_prefix("listening on ").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    child.kill();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(
        answer.ends_with(r#"{"credits":0,"free":0,"spent":0}"#),
        "{answer}"
    );
}

#[expect(
    clippy::print_stderr,
    reason = "these services write logs as services do"
)]
fn run(kind: Kind, port: u16) {
    let listen = || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        eprintln!("listening on {}", listener.local_addr().unwrap());
        listener
    };
    let store = || store::router(&env::current_dir().unwrap().join("store.db"), true);
    let bank = |flaw| {
        let file = env::current_dir().unwrap().join("bank.db");
        bank::router(&file, flaw, Arc::default())
    };
    let club = |is_forgetful| {
        let file = env::current_dir().unwrap().join("club.db");
        club::router(&file, is_forgetful)
    };
    match kind {
        Kind::Credits => runtime().block_on(serve(listen(), credits::router(true))),
        Kind::CleanCredits => runtime().block_on(serve(listen(), credits::router(false))),
        Kind::Store => runtime().block_on(serve(listen(), store())),
        Kind::DyingStore => {
            let dying = store().layer(axum::middleware::from_fn(die_after_refunds));
            runtime().block_on(serve(listen(), dying));
        }
        Kind::Bank => runtime().block_on(serve(listen(), bank(bank::Flaw::Melts))),
        Kind::TiredBank => runtime().block_on(serve(listen(), bank(bank::Flaw::Tires))),
        Kind::BankOnANewFile => {
            let _ = std::fs::remove_file(env::current_dir().unwrap().join("bank.db"));
            runtime().block_on(serve(listen(), bank(bank::Flaw::Melts)));
        }
        Kind::Club => runtime().block_on(serve(listen(), club(false))),
        Kind::ForgetfulClub => runtime().block_on(serve(listen(), club(true))),
        Kind::Notes => {
            let file = env::current_dir().unwrap().join("notes.db");
            runtime().block_on(serve(listen(), notes::router(&file)));
        }
        Kind::NeverReady => loop {
            std::thread::park();
        },
        Kind::ExitsAtOnce => {
            eprintln!("no licence found, giving up");
            #[expect(
                clippy::exit,
                reason = "to end with a code of its own is what it is for"
            )]
            std::process::exit(7);
        }
        Kind::Stubborn => stubborn(port),
        Kind::Sql => runtime().block_on(serve(listen(), SqlService::read().router())),
    }
}

async fn die_after_refunds(
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> axum::response::Response {
    let dies = request.uri().path().ends_with("/refunds");
    let response = next.run(request).await;
    if dies {
        use std::io::Write as _;
        // Unbuffered, because nothing is flushed when a process aborts.
        let _ = std::io::stderr().write_all(b"thread panicked at refunds: index out of bounds\n");
        std::process::abort();
    }
    response
}

/// Starts the store as a child of its own, and is deaf to being told to stop.
fn stubborn(port: u16) {
    let program = env::current_exe().unwrap();
    let store = std::process::Command::new(program)
        .args([TEST, "--exact", "--nocapture"])
        .env(KIND, Kind::Store.to_string())
        .env(PORT, port.to_string())
        .spawn();
    runtime().block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate()).unwrap();
        while store.is_ok() {
            terminate.recv().await;
        }
    });
}
