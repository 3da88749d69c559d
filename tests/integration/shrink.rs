//! A long path becomes the short one that matters, at a price that can be counted at the service.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::Value;

use crate::support::bank::{self, Asked, Flaw};
use crate::support::{
    Database, Kind, Sandbox, Server, actions, credits, items, service, violations,
};

/// A bank that runs already, on a file with the tables in it.
struct Scene {
    sandbox: Sandbox,
    database: Database,
    server: Server,
    asked: Arc<Asked>,
}

impl Scene {
    fn new(flaw: Flaw) -> Self {
        let sandbox = Sandbox::with_spec(bank::SPEC);
        let database = Database::at(sandbox.path("bank.db"));
        let asked = Arc::new(Asked::default());
        let server = Server::start(bank::router(database.path(), flaw, asked.clone()));
        Self {
            sandbox,
            database,
            server,
            asked,
        }
    }

    fn explore(&self, flags: &str, code: i32) -> Value {
        self.sandbox
            .venomqa("explore --report json")
            .args(flags)
            .at(&self.server.url())
            .run()
            .code(code)
            .only_run()
    }
}

/// Steps of the three attempts to confirm a path of three steps.
const CONFIRMING: u64 = 3 * 3;

#[test]
fn a_random_path_of_forty_steps_and_more_shrinks_to_the_three_that_matter_in_under_200_requests() {
    let mut long = 0;
    for seed in 1..=12 {
        let scene = Scene::new(Flaw::Melts);
        let before = scene.database.dump();
        let seed = seed.to_string();
        let run = scene.explore(
            &format!(
                "--strategy random --max-depth 400 --max-steps 2000 --fail-fast --seed {seed}"
            ),
            1,
        );
        assert_eq!(violations(&run), ["nothing_leaves_a_frozen_account"]);
        let violation = &run["violations"][0];
        assert_eq!(
            actions(violation),
            ["open", "freeze", "withdraw(amount=20)"],
            "seed {seed}: {violation:#}"
        );
        assert_eq!(violation["confirmation"]["result"], "confirmed");
        let shrink = &violation["shrink"];
        assert_eq!(shrink["result"], "minimal");
        let requests = shrink["requests"].as_u64().unwrap();
        // What the report says is what the service saw.
        let seen = scene.asked.since_the_bug.load(Ordering::SeqCst);
        assert_eq!(seen, requests + CONFIRMING, "seed {seed}");
        assert!(requests < 200, "seed {seed}: {requests}");
        long += usize::from(shrink["found_length"].as_u64() >= Some(40));
        assert_eq!(scene.database.dump(), before);
    }
    assert!(
        long >= 6,
        "only {long} of the paths were long enough to prove anything"
    );
}

#[test]
fn a_clean_bank_has_nothing_to_shrink() {
    let scene = Scene::new(Flaw::Nothing);
    let before = scene.database.dump();
    let run = scene.explore("--strategy random --max-depth 400", 0);
    assert_eq!(violations(&run), [""; 0]);
    assert_eq!(scene.database.dump(), before);
}

#[test]
fn parameters_of_one_action_are_one_violation_with_the_simplest_value() {
    let scene = Scene::new(Flaw::Melts);
    let run = scene.explore("--strategy random --max-depth 60 --max-steps 600", 1);
    assert_eq!(
        violations(&run),
        ["nothing_leaves_a_frozen_account"],
        "{run:#}"
    );
    let violation = &run["violations"][0];
    assert!(violation["occurrences"].as_u64() > Some(1), "{violation:#}");
    assert_eq!(violation["action"], "withdraw(amount=20)");
    assert_eq!(
        actions(violation),
        ["open", "freeze", "withdraw(amount=20)"]
    );
}

#[test]
fn the_same_seed_shrinks_to_the_same_report() {
    let run = || {
        let scene = Scene::new(Flaw::Melts);
        let flags = "--strategy random --max-depth 100 --seed 5";
        scene.explore(flags, 1)["violations"].take()
    };
    let (first, second) = (run(), run());
    for violation in items(&first) {
        assert_eq!(violation["shrink"]["result"], "minimal");
    }
    assert_eq!(
        crate::support::without_times(first),
        crate::support::without_times(second)
    );
}

#[test]
fn without_a_database_a_path_is_shrunk_by_replaying() {
    let sandbox = Sandbox::with_spec(&format!("{}{}", credits::SPEC, service(Kind::Credits)));
    let run = sandbox
        .venomqa("explore --strategy dfs --max-steps 60 --report json")
        .run()
        .code(1)
        .only_run();
    let violation = &run["violations"][0];
    assert_eq!(
        actions(violation),
        ["buy", "spend", "undo", "undo"],
        "{violation:#}"
    );
    assert_eq!(violation["shrink"]["result"], "minimal");
    assert_eq!(violation["confirmation"]["result"], "confirmed");
}

#[test]
fn what_cannot_be_put_back_is_not_shrunk_and_that_is_said() {
    let sandbox = Sandbox::with_spec(&format!("{}restore: none\n", credits::SPEC));
    let server = Server::start(credits::router(true));
    sandbox
        .venomqa("explore -v --strategy random --max-steps 60")
        .at(&server.url())
        .run()
        .code(1)
        .says(&["not shrunk: the service cannot be put back (`restore: none`)"]);
}
