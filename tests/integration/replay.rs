//! Services without a database: `restore: replay` and `restore: none`.

use serde_json::Value;

use crate::support::{Kind, Sandbox, Server, actions, credits, service, violations};

/// Explores the credits, which nobody but the service knows of.
fn explore(sandbox: &Sandbox, more: &str, code: i32) -> Value {
    sandbox
        .venomqa("explore --report json")
        .args(more)
        .run()
        .code(code)
        .only_run()
}

#[test]
fn a_restart_gets_back_to_every_state_of_a_service_that_keeps_all_in_memory() {
    let sandbox = Sandbox::with_spec(&format!("{}{}", credits::SPEC, service(Kind::Credits)));
    let run = explore(&sandbox, "--strategy bfs --max-steps 40", 1);
    assert_eq!(violations(&run), ["nothing_is_free"]);
    let violation = &run["violations"][0];
    assert_eq!(
        violation["confirmation"]["result"], "confirmed",
        "{violation:#}"
    );
    assert_eq!(actions(violation), ["buy", "spend", "undo", "undo"]);

    let sandbox = Sandbox::with_spec(&format!("{}{}", credits::SPEC, service(Kind::CleanCredits)));
    let run = explore(&sandbox, "--strategy bfs --max-steps 40", 0);
    assert_eq!(run["outcome"], "clean", "{run:#}");
    assert_eq!(run["stop"]["reason"], "complete", "{run:#}");
}

#[test]
fn a_request_that_resets_the_service_does_as_well_for_every_strategy() {
    let reset = "reset: { request: { method: POST, path: /reset } }\nrestore: replay\n";
    for strategy in ["dfs", "bfs", "coverage", "random", "mcts", "weighted"] {
        let sandbox = Sandbox::with_spec(&format!("{}{reset}", credits::SPEC));
        let buggy = Server::start(credits::router(true));
        let run = explore(
            &sandbox,
            &format!("--strategy {strategy} --base-url {}", buggy.url()),
            1,
        );
        assert_eq!(violations(&run), ["nothing_is_free"], "{strategy}");
        assert_eq!(
            run["violations"][0]["confirmation"]["result"], "confirmed",
            "{strategy}"
        );
        let clean = Server::start(credits::router(false));
        let run = explore(
            &sandbox,
            &format!("--strategy {strategy} --base-url {}", clean.url()),
            0,
        );
        assert_eq!(run["outcome"], "clean", "{strategy}: {run:#}");
    }
}

#[test]
fn a_reset_that_does_not_put_everything_back_is_noticed() {
    let sandbox = Sandbox::with_spec(&format!(
        "{}reset: {{ request: {{ method: GET, path: / }} }}\nrestore: replay\n",
        credits::SPEC
    ));
    let server = Server::start(credits::router(false));
    sandbox
        .venomqa("explore --strategy bfs")
        .at(&server.url())
        .run()
        .code(3);
}

#[test]
fn replay_without_a_way_to_reset_is_refused() {
    let sandbox = Sandbox::with_spec(&format!("{}restore: replay\n", credits::SPEC));
    let server = Server::start(credits::router(false));
    let finished = sandbox.venomqa("explore").at(&server.url()).run();
    assert!(matches!(finished.status.code(), Some(2 | 3)), "{finished}");
    let said = finished.stdout.clone() + &finished.stderr;
    assert!(said.contains("reset"), "{finished}");
}

#[test]
fn without_any_restore_a_random_walk_only_goes_forward() {
    let sandbox = Sandbox::with_spec(&format!("{}restore: none\n", credits::SPEC));
    let server = Server::start(credits::router(true));
    let flags = format!(
        "--strategy random --max-steps 60 --base-url {}",
        server.url()
    );
    let run = explore(&sandbox, &flags, 1);
    assert_eq!(violations(&run), ["nothing_is_free"]);
    assert_eq!(run["violations"][0]["confirmation"]["result"], "not-tried");
}

#[test]
fn without_any_restore_a_strategy_that_goes_back_is_refused() {
    let sandbox = Sandbox::with_spec(&format!("{}restore: none\n", credits::SPEC));
    for strategy in ["dfs", "bfs", "coverage", "mcts"] {
        let finished = sandbox
            .venomqa(format!(
                "explore --strategy {strategy} --base-url http://127.0.0.1:9"
            ))
            .run()
            .code(2);
        finished.complains(&["restore: none", strategy]);
    }
}
