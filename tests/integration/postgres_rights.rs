//! Who may do what: roles without rights, hosts that are not this machine, and passwords that nobody sees.

use crate::postgres_for_tests::{Cluster, Role, cluster};
use crate::support::{
    Finished, PostgresStore, Running, Sandbox, eventually, items, postgres_store, store, violations,
};

/// Explores the store as a role.
fn explore_as(role: &Role, store: &PostgresStore, sandbox: &Sandbox) -> Finished {
    let spec = postgres_store::spec(&store.database.url_as(role.name));
    sandbox.write("venomqa.yaml", &spec);
    sandbox
        .venomqa("explore --max-steps 300 --report json")
        .at(&store.url())
        .run()
}

#[test]
fn a_role_without_rights_is_refused_and_the_statements_that_it_is_shown_are_enough() {
    let store = PostgresStore::start(cluster().database(), true);
    store.database.psql(
        "REVOKE ALL ON SCHEMA public FROM public; GRANT CREATE, USAGE ON SCHEMA public TO postgres",
    );
    let before = store.dump();
    let sandbox = Sandbox::new();
    let role = store.database.role("venomqa_nobody");
    let mut rounds = 0;
    let finished = loop {
        let finished = explore_as(&role, &store, &sandbox);
        if finished.status.code() != Some(3) {
            break finished;
        }
        let error = finished.only_run()["stop"]["error"].clone();
        let message = error["message"].as_str().unwrap();
        assert!(
            message.contains("the role `venomqa_nobody` may not do what a restore in"),
            "{finished}"
        );
        let help = error["help"].as_str().unwrap();
        assert!(
            help.contains("have a superuser run these statements"),
            "{finished}"
        );
        assert!(
            help.contains("neither triggers nor foreign keys answer"),
            "{finished}"
        );
        assert_eq!(
            store.dump(),
            before,
            "a refusal changes nothing: {finished}"
        );
        let statements: Vec<&str> = items(&error["details"])
            .iter()
            .map(|line| line.as_str().unwrap())
            .collect();
        assert!(
            statements.iter().all(|line| line.ends_with(';')),
            "{statements:#?}"
        );
        if rounds == 0 {
            let wanted = store.database.replica("venomqa_nobody");
            assert!(statements.contains(&wanted.as_str()), "{statements:#?}");
        }
        // Exactly as they are printed, nothing else.
        store.database.psql(&statements.join("\n"));
        rounds += 1;
        assert!(rounds <= 1, "one refusal names everything: {statements:#?}");
    };
    assert_eq!(rounds, 1, "{finished}");
    // Not an owner, not a superuser: everything of a run works all the same.
    let finished = finished.code(1);
    assert_eq!(violations(&finished.only_run()), [store::BUG], "{finished}");
    assert_eq!(store.dump(), before, "{finished}");
}

#[test]
fn what_a_role_without_superuser_rights_left_behind_is_put_back_by_it() {
    let store = PostgresStore::start(cluster().database(), true);
    let before = store.dump();
    let sandbox = Sandbox::new();
    let role = store.database.role("venomqa_modest");
    let refused = explore_as(&role, &store, &sandbox).code(3).only_run();
    let lines = items(&refused["stop"]["error"]["details"]);
    for line in lines {
        store.database.psql(line.as_str().unwrap());
    }
    for strategy in ["bfs", "mcts"] {
        let mut run = sandbox
            .venomqa("explore --progress-every 1 --max-steps 100000")
            .args(["--strategy", strategy])
            .at(&store.url())
            .start();
        run.wait_for_stderr("step 30/");
        run.kill();
        assert_ne!(store.dump(), before);
        sandbox
            .venomqa("restore")
            .run()
            .code(0)
            .says(&["was put back"]);
        assert_eq!(store.dump(), before);
    }
}

/// A spec with the store's actions on a database at this URL.
fn at(url: &str) -> Sandbox {
    Sandbox::with_spec(&postgres_store::spec(url))
}

#[test]
fn a_database_that_is_not_on_this_machine_is_refused_however_it_is_written() {
    let store = PostgresStore::start(cluster().database(), false);
    for url in [
        "postgres://qa:s3cret@db.example.org/shop",
        "postgresql://qa@db:5432/shop",
        "postgres://10.0.0.7/shop",
        "postgres://0.0.0.0/shop",
        "postgres://[2001:db8::7]:5432/shop",
        "postgres://[::ffff:10.0.0.7]/shop",
        "postgres://localhost.example.org/shop",
        "postgres://127.0.0.1.example.org/shop",
        "postgres://localhost@db.example.org/shop",
        "postgres://localhost:5432@db.example.org/shop",
        "postgres://localhost,db.example.org/shop",
        "postgres://db.example.org,localhost/shop",
        "postgres://127.0.0.1:5432,[2001:db8::7]:5433/shop",
        "postgres:///shop?host=db.example.org",
        "postgres://localhost/shop?host=db.example.org",
        "postgres://localhost/shop?hostaddr=10.0.0.7",
        "postgres:///shop?host=localhost&hostaddr=10.0.0.7",
        "postgres://%64%62.example.org/shop",
    ] {
        for command in ["explore", "restore"] {
            let sandbox = at(url);
            let invocation = sandbox.venomqa([command]);
            let finished = if command == "explore" {
                invocation.at(&store.url()).run()
            } else {
                invocation.run()
            }
            .code(3)
            .never_says("s3cret");
            let said = finished.stdout.clone() + &finished.stderr;
            assert!(said.contains("is not on this machine"), "{url}: {finished}");
            assert!(said.contains("allow_remote: true"), "{url}: {finished}");
        }
    }
}

#[test]
fn settings_from_elsewhere_do_not_lead_to_another_machine() {
    let store = PostgresStore::start(cluster().database(), false);
    // What libpq would take from the environment or from a service file.
    let sandbox = at("postgres://postgres@127.0.0.1:1/shop");
    let file = sandbox.write("pg_service.conf", "[away]\nhost=10.0.0.7\n");
    sandbox
        .venomqa("explore")
        .at(&store.url())
        .env("PGHOST", "10.0.0.7")
        .env("PGHOSTADDR", "10.0.0.7")
        .env("PGSERVICE", "away")
        .env("PGSERVICEFILE", &file)
        .run()
        .code(3)
        .says(&["cannot connect to `postgres://postgres@127.0.0.1:1/shop`"]);
    at("postgres://127.0.0.1/shop?service=away")
        .venomqa("explore")
        .at(&store.url())
        .env("PGSERVICEFILE", &file)
        .run()
        .code(3)
        .says(&["is no PostgreSQL URL", "service"]);
}

#[test]
fn a_database_on_another_machine_is_reached_where_the_spec_allows_it() {
    let store = PostgresStore::start(cluster().database(), false);
    let sandbox = Sandbox::with_spec(
        &postgres_store::spec("postgres://db.invalid/shop")
            .replace("ignore_columns", "allow_remote: true, ignore_columns"),
    );
    let finished = sandbox.venomqa("explore").at(&store.url()).run().code(3);
    assert!(finished.stdout.contains("cannot connect to"), "{finished}");
}

const SECRET: &str = "s3cret-of-nobody";

/// What the processes of a sandbox show of their arguments to everybody on the machine, without venomqa itself.
fn arguments_of_children(sandbox: &Sandbox, run: &Running) -> String {
    sandbox
        .processes()
        .into_iter()
        .filter(|id| *id != run.id())
        .filter_map(|id| std::fs::read(format!("/proc/{id}/cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " ") + "\n")
        .collect()
}

#[test]
fn settings_as_libpq_takes_them_are_refused_without_their_password() {
    let store = PostgresStore::start(cluster().database(), false);
    let spec = postgres_store::spec("{{ dsn }}").replace(
        "\nname: store\n",
        "\nname: store\nvariables: { dsn: none }\n",
    );
    let sandbox = Sandbox::with_spec(&spec);
    let set = format!("dsn=host=127.0.0.1 password = 'top {SECRET}'");
    for command in ["explore", "restore"] {
        let finished = sandbox
            .venomqa([command, "--set", &set])
            .env("STORE_URL", store.url())
            .run()
            .code(3)
            .never_says(SECRET);
        let said = finished.stdout.clone() + &finished.stderr;
        for told in ["host=127.0.0.1 password = [redacted]", "write it as a URL"] {
            assert!(said.contains(told), "{told} is not in {finished}");
        }
    }
}

#[test]
fn a_password_is_shown_to_nobody() {
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start()));
    let Some(folder) = cluster.folder() else {
        return;
    };
    // Only over TCP is a password asked for.
    cluster.stop("INT");
    let rules = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
    std::fs::write(folder.join("data/pg_hba.conf"), rules).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    cluster.up_on(Some(port));
    let database = cluster.database();
    // PostgreSQL 13 keeps an MD5 sum by default, which the rule above does not accept.
    database.psql(&format!(
        "SET password_encryption = 'scram-sha-256'; CREATE ROLE keeper SUPERUSER LOGIN PASSWORD '{SECRET}'"
    ));
    let url = |password: &str, database: &str| {
        format!("postgres://keeper:{password}@127.0.0.1:{port}/{database}")
    };
    let right = url(SECRET, &database.name);
    let sandbox = Sandbox::with_shop();

    // A run that ends well, with all its reports, and one with violations; by `--set` and by `demo --db`.
    let set = format!("db={right}");
    for arguments in [
        format!("explore --set {set} --max-steps 60 --report console --report json=report.json"),
        format!("explore --set {set} --max-steps 60 --report json --set bugs=none"),
        format!("demo --db {right} --max-steps 60 --report json"),
    ] {
        let finished = sandbox.venomqa(arguments).run().never_says(SECRET);
        assert!(matches!(finished.status.code(), Some(0 | 1)), "{finished}");
    }
    assert!(!sandbox.read("report.json").contains(SECRET));
    assert!(
        sandbox.read("report.json").contains("[redacted]"),
        "{}",
        sandbox.read("report.json")
    );

    // What others see of the service that venomqa starts.
    let mut run = sandbox
        .venomqa(format!(
            "explore --set {set} --max-steps 100000 --progress-every 1"
        ))
        .start();
    run.wait_for_stderr("step 20/");
    let shown = eventually("the shop is there", || {
        Some(arguments_of_children(&sandbox, &run)).filter(|shown| !shown.is_empty())
    });
    assert!(!shown.contains(SECRET), "{shown}");
    // Nor does the server learn it, from a connection's name for example.
    let sessions = database.psql("SELECT string_agg(application_name || query, ' ') FROM pg_stat_activity WHERE pid <> pg_backend_pid()");
    assert!(!sessions.contains(SECRET), "{sessions}");
    run.kill();
    sandbox.kill_processes();
    sandbox
        .venomqa(["restore", "--set", &set])
        .run()
        .code(0)
        .never_says(SECRET);

    // Runs that fail: another password, no such database, no such server, no URL at all.
    let store = PostgresStore::start(cluster.database(), false);
    let wrong = SECRET.to_owned() + "x";
    for url in [
        url(&wrong, &database.name),
        url(SECRET, "no_such_database"),
        format!("postgres://keeper:{SECRET}@127.0.0.1:1/shop"),
        format!("postgres://keeper:{SECRET}@127.0.0.1:port/shop"),
        format!("postgres://127.0.0.1:{port}/shop?password={SECRET}&user=keeper"),
        format!("postgres://keeper:{SECRET}@127.0.0.1/shop?sslmode=perhaps"),
        format!("postgres://keeper:{SECRET}@db.example.org/shop"),
        format!("postgres://keeper:{SECRET}/with/slashes@127.0.0.1:{port}/shop"),
        format!("postgres://keeper:{SECRET}@"),
        format!("host=127.0.0.1 password={SECRET}"),
        format!("host=127.0.0.1 PASSWORD = 'it is {SECRET}' user=keeper"),
    ] {
        for command in ["explore", "restore", "demo"] {
            let set = format!("db={url}");
            let arguments = if command == "demo" {
                ["demo", "--db", &url]
            } else {
                [command, "--set", &set]
            };
            let finished = sandbox.venomqa(arguments).run().never_says(SECRET);
            assert!(matches!(finished.status.code(), Some(2 | 3)), "{finished}");
        }
        let direct = at(&url);
        direct
            .venomqa("explore --report json")
            .at(&store.url())
            .run()
            .code(3)
            .never_says(SECRET);
        direct.venomqa("validate").run().never_says(SECRET);
    }
    cluster.shut();
}
