//! Principals: who acts, what each may do, and logins that are lost and done again.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get};
use rusqlite::{Connection, OptionalExtension as _};
use serde_json::{Value, json};

use crate::support::{Database, Finished, Sandbox, Server, actions, items, violations, warnings};

/// How somebody logs in, and what is wrong with the service.
#[derive(Clone, Copy, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a way of a service by itself"
)]
struct House {
    /// Sessions stand in a table, not in memory.
    in_database: bool,
    /// The token is a cookie, and the answer to a login a redirect.
    cookies: bool,
    /// A session is good for so many requests; 0 is for ever.
    uses: u32,
    /// What is answered to strangers; a redirect leads to a login page.
    denial: u16,
    /// Everybody may cancel.
    is_open: bool,
    /// A stranger who cancels is refused, but it is done.
    does_it_all_the_same: bool,
    /// Nobody can log in a second time.
    only_once: bool,
}

const TABLES: &str = "CREATE TABLE sessions (token TEXT PRIMARY KEY, user TEXT, uses INT);
    CREATE TABLE orders (id INTEGER PRIMARY KEY, owner TEXT, state TEXT);";

/// What the service remembers beside its database.
#[derive(Default)]
struct Memory {
    logins: u32,
    sessions: HashMap<String, (String, u32)>,
    uses: u32,
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

impl House {
    fn start(self, path: &Path) -> Server {
        let connection = Mutex::new(Connection::open(path).unwrap());
        let memory = Mutex::new(Memory::default());
        let answer = move |method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]| {
            let connection = connection.lock().unwrap();
            let mut memory = memory.lock().unwrap();
            self.answer(
                &connection,
                &mut memory,
                (method.as_str(), uri),
                headers,
                body,
            )
        };
        let answer = Arc::new(answer);
        let handler = async move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            answer(&method, &uri, &headers, &body)
        };
        let router = Router::new().route("/", get(async || "ready"));
        Server::start(router.fallback(any(handler)))
    }

    fn answer(
        self,
        connection: &Connection,
        memory: &mut Memory,
        (method, uri): (&str, &Uri),
        headers: &HeaderMap,
        body: &[u8],
    ) -> Response {
        if uri.path() == "/login" {
            return self.log_in(connection, memory, body);
        }
        let query = uri.query().unwrap_or_default();
        let who = self.who(connection, memory, headers, query);
        let change = |sql: &str| connection.execute(sql, []).unwrap();
        match (method, uri.path(), who.as_deref()) {
            ("POST", "/orders", Some(user)) => {
                change(&format!(
                    "INSERT INTO orders (owner, state) VALUES ('{user}', 'open')"
                ));
                (StatusCode::CREATED, axum::Json(json!({ "by": user }))).into_response()
            }
            ("POST", "/cancel", user) => {
                let is_allowed = self.is_open || user == Some("root");
                if is_allowed || self.does_it_all_the_same {
                    change("UPDATE orders SET state = 'cancelled'");
                }
                match (is_allowed, user) {
                    (true, _) => StatusCode::NO_CONTENT.into_response(),
                    (false, None) => self.deny(),
                    (false, Some(_)) => StatusCode::FORBIDDEN.into_response(),
                }
            }
            // A session that is over is told from none.
            ("GET", "/who", None)
                if ["authorization", "cookie"]
                    .iter()
                    .any(|name| !header(headers, name).is_empty()) =>
            {
                self.deny()
            }
            ("GET", "/login-page", _) => "who are you?".into_response(),
            ("GET", "/who", user) => axum::Json(json!({ "user": user })).into_response(),
            (_, _, None) => self.deny(),
            _ => StatusCode::NOT_FOUND.into_response(),
        }
    }

    fn deny(self) -> Response {
        let status = StatusCode::from_u16(self.denial).unwrap();
        (status, [("location", "/login-page")]).into_response()
    }

    fn log_in(self, connection: &Connection, memory: &mut Memory, body: &[u8]) -> Response {
        let form: HashMap<String, String> = serde_json::from_slice(body).expect("a login is JSON");
        if form["password"] != format!("pa55word-of-{}", form["user"]) {
            return StatusCode::FORBIDDEN.into_response();
        }
        memory.logins += 1;
        if self.only_once && memory.logins > 2 {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        let (user, number) = (&form["user"], memory.logins);
        let token = format!("t0ken-{number}-of-{user}");
        if self.in_database {
            let sql = "INSERT INTO sessions VALUES (?1, ?2, ?3)";
            connection.execute(sql, (&token, user, number)).unwrap();
        }
        memory
            .sessions
            .insert(token.clone(), (user.clone(), self.uses));
        if self.cookies {
            let cookie = format!("sid={token}; Path=/; HttpOnly");
            return (
                StatusCode::FOUND,
                [("location", "/"), ("set-cookie", &cookie)],
            )
                .into_response();
        }
        axum::Json(json!({ "token": token })).into_response()
    }

    /// Who asks; nobody where the session is not known, or has been used up.
    fn who(
        self,
        connection: &Connection,
        memory: &mut Memory,
        headers: &HeaderMap,
        query: &str,
    ) -> Option<String> {
        // Basic authentication of `root` with its password, and the key of `robot`.
        if header(headers, "authorization") == "Basic cm9vdDpwYTU1d29yZC1vZi1yb290" {
            return Some("root".to_owned());
        }
        if header(headers, "x-robot") == "r0bot-key-77" || query.contains("api_key=r0bot-key-77") {
            return Some("robot".to_owned());
        }
        let bearer = header(headers, "authorization").strip_prefix("Bearer ");
        let cookie = header(headers, "cookie").strip_prefix("sid=");
        let token = if self.cookies { cookie } else { bearer }?;
        if self.in_database {
            let sql = "SELECT user FROM sessions WHERE token = ?1";
            let known: Option<String> = connection
                .query_row(sql, [token], |row| row.get(0))
                .optional()
                .unwrap();
            known?;
        }
        memory.uses += 1;
        let (user, left) = memory.sessions.get_mut(token)?;
        if self.uses > 0 {
            *left = left.checked_sub(1)?;
        }
        Some(user.clone())
    }
}

const BY_TOKEN: &str = r#"{ login: { request: { method: POST, path: /login, json: { user: USER, password: pa55word-of-USER } }, extract: { token: $.token } }, headers: { Authorization: "Bearer {{ token }}" } }"#;
const BY_COOKIE: &str = "{ login: { request: { method: POST, path: /login, json: { user: USER, password: pa55word-of-USER } }, expect: { status: 302 } }, renew_on: [401, 302] }";

/// The house with these principals; `root` and `anna` are written out for how they log in.
fn spec(how: &str, more: &str) -> String {
    let [root, anna] = ["root", "anna"].map(|user| how.replace("USER", user));
    format!(
        "
venomqa: 1
name: house
systems: {{ db: {{ sqlite: house.db }} }}
principals:
  admin: {root}
  anna: {anna}
  nobody: {{}}
{more}
actions:
  - {{ name: order, as: [anna, admin], request: {{ method: POST, path: /orders }}, expect: {{ status: 201 }}, max_calls: 2 }}
  - {{ name: cancel, as: [admin, anna, nobody], allow: [admin], preconditions: [order], request: {{ method: POST, path: /cancel }} }}
invariants:
  - {{ name: anna_is_anna, as: anna, request: {{ path: /who }}, jsonpath: $.user, expect: {{ equals: anna }} }}
  - {{ name: nobody_is_nobody, request: {{ path: /who }}, jsonpath: $.user, expect: {{ equals: null }} }}
"
    )
}

fn run(house: House, spec: &str, strategy: &str) -> (Sandbox, Server, Finished) {
    let sandbox = Sandbox::with_spec(spec);
    let database = Database::at(sandbox.path("house.db"));
    database.execute(TABLES);
    let before = database.dump();
    let server = house.start(&sandbox.path("house.db"));
    let finished = sandbox
        .venomqa(["explore", "--strategy", strategy, "--report", "json"])
        .at(&server.url())
        .run();
    assert_eq!(before, database.dump(), "{finished}");
    (sandbox, server, finished)
}

fn explore(house: House, spec: &str, strategy: &str) -> Value {
    run(house, spec, strategy).2.only_run()
}

fn states(run: &Value) -> u64 {
    run["figures"]["states"].as_u64().unwrap()
}

const CLEAN: House = House {
    in_database: false,
    cookies: false,
    uses: 0,
    denial: 401,
    is_open: false,
    does_it_all_the_same: false,
    only_once: false,
};

#[test]
fn each_principal_acts_with_a_session_of_its_own_and_those_who_may_not_are_refused() {
    for (in_database, cookies, denial) in [
        (false, false, 401),
        (true, false, 403),
        (false, true, 302),
        (true, true, 401),
    ] {
        let house = House {
            in_database,
            cookies,
            denial,
            ..CLEAN
        };
        let how = if cookies { BY_COOKIE } else { BY_TOKEN };
        let run = explore(house, &spec(how, ""), "bfs");
        assert_eq!(run["outcome"], "clean", "{run:#}");
        assert_eq!(warnings(&run), [""; 0], "{run:#}");
        let names: Vec<&str> = items(&run["actions"])
            .iter()
            .map(|it| it["name"].as_str().unwrap())
            .collect();
        let wanted = [
            "order(as=anna)",
            "order(as=admin)",
            "cancel(as=admin)",
            "cancel(as=anna)",
            "cancel(as=nobody)",
        ];
        assert_eq!(names, wanted);
        let refused = &run["actions"][4]["statuses"][denial.to_string()];
        assert_ne!(*refused, Value::Null, "{run:#}");
    }
}

#[test]
fn a_login_page_behind_a_redirect_is_no_acceptance() {
    for (is_open, found) in [(false, &[][..]), (true, &["access-control"][..])] {
        let house = House {
            cookies: true,
            denial: 302,
            is_open,
            ..CLEAN
        };
        let spec = spec(BY_COOKIE, "http: { follow_redirects: 5 }");
        let run = explore(house, &spec, "bfs");
        assert_eq!(violations(&run), found, "{run:#}");
        assert_eq!(run["stop"]["reason"], "complete", "{run:#}");
    }
}

#[test]
fn a_request_after_a_restore_logs_in_again_where_the_login_is_used_up() {
    let more = "after_restore: [{ as: anna, request: { path: /who } }]";
    for in_database in [false, true] {
        let house = House {
            uses: 12,
            in_database,
            ..CLEAN
        };
        let run = explore(house, &spec(BY_TOKEN, more), "bfs");
        assert_eq!(violations(&run), [""; 0], "{run:#}");
        assert_eq!(run["stop"]["reason"], "complete", "{run:#}");
    }
}

#[test]
fn what_somebody_does_who_is_not_allowed_is_a_violation() {
    for (is_open, does_it_all_the_same, kind) in [
        (true, false, "answered with 204"),
        (false, true, "changed 1 row"),
    ] {
        let house = House {
            is_open,
            does_it_all_the_same,
            ..CLEAN
        };
        let run = explore(house, &spec(BY_TOKEN, ""), "bfs");
        assert_eq!(violations(&run), ["access-control"], "{run:#}");
        let mut who = Vec::new();
        for violation in items(&run["violations"]) {
            assert_eq!(violation["severity"], "critical");
            assert_eq!(
                violation["confirmation"]["result"], "confirmed",
                "{violation:#}"
            );
            let message = violation["message"].as_str().unwrap();
            assert!(
                message.contains(kind) && message.contains("only `admin` is"),
                "{message}"
            );
            let actions = actions(violation);
            assert_eq!(actions.len(), 2, "{violation:#}");
            who.push(actions[1].to_owned());
        }
        who.sort();
        assert_eq!(who, ["cancel(as=anna)", "cancel(as=nobody)"]);
    }
}

#[test]
fn what_a_baseline_accepts_of_one_hides_no_hole_for_another() {
    for (is_open, does_it_all_the_same) in [(true, false), (false, true)] {
        let house = House {
            is_open,
            does_it_all_the_same,
            ..CLEAN
        };
        let strict = spec(BY_TOKEN, "");
        let lax = strict.replace("allow: [admin]", "allow: [admin, nobody]");
        let (sandbox, server, _) = run(house, &lax, "bfs");
        let explore = |flags: &str| {
            let explore = sandbox.venomqa(format!(
                "explore --strategy bfs --baseline known.json {flags}"
            ));
            explore.at(&server.url()).run()
        };
        explore("--update-baseline").code(0);
        explore("")
            .code(0)
            .says(&["no new violation", "1 known (baseline)"]);
        sandbox.write("venomqa.yaml", &strict);
        explore("").code(1).says(&[
            "1 violation (1 critical)",
            "cancel(as=nobody)",
            "1 known (baseline)",
        ]);
        // As it was written before it said who.
        let known = sandbox
            .read("known.json")
            .replace("cancel(as=anna)", "cancel");
        sandbox.write("known.json", &known);
        explore("")
            .code(1)
            .says(&["2 violations (2 critical)", "not seen (of the baseline"]);
    }
}

#[test]
fn basic_authentication_and_keys_in_headers_and_in_the_query_need_no_login() {
    let principals = "
  robot: { headers: { X-Robot: r0bot-key-77 } }
  other: { query: { api_key: r0bot-key-77 } }
";
    let admin = "{ basic: { user: root, password: pa55word-of-root } }";
    let text = spec(BY_TOKEN, principals).replace(&BY_TOKEN.replace("USER", "root"), admin);
    let text = text.replace("as: [anna, admin]", "as: [anna, admin, robot, other]");
    let house = House {
        is_open: true,
        ..CLEAN
    };
    let (_, _, finished) = run(house, &text, "bfs");
    let run = finished.only_run();
    assert_eq!(run["actions"][2]["name"], "order(as=robot)");
    for action in items(&run["actions"]).iter().take(4) {
        assert_ne!(action["statuses"]["201"], Value::Null, "{action:#}");
    }
    // A violation shows requests and answers; none of them shows who was who.
    for secret in [
        "r0bot-key-77",
        "cm9vdDpwYTU1d29yZC1vZi1yb290",
        "pa55word",
        "t0ken-",
    ] {
        assert!(!finished.stdout.contains(secret), "{secret} in {finished}");
    }
}

#[test]
fn a_login_that_is_used_up_is_done_again_and_the_graph_is_the_same() {
    for in_database in [false, true] {
        for cookies in [false, true] {
            let how = if cookies { BY_COOKIE } else { BY_TOKEN };
            let house = House {
                in_database,
                cookies,
                ..CLEAN
            };
            let wanted = explore(house, &spec(how, ""), "bfs");
            for strategy in ["bfs", "dfs", "mcts"] {
                let run = explore(House { uses: 25, ..house }, &spec(how, ""), strategy);
                assert_eq!(run["outcome"], "clean", "{strategy}: {run:#}");
                assert_eq!(states(&run), states(&wanted), "{strategy}: {run:#}");
                let orders = items(&run["actions"]).iter().take(2);
                let statuses: Vec<String> = orders.map(|it| it["statuses"].to_string()).collect();
                assert!(
                    statuses.iter().all(|it| !it.contains("401")),
                    "{statuses:?}"
                );
            }
        }
    }
}

#[test]
fn a_login_that_cannot_be_done_again_ends_the_run() {
    let house = House {
        uses: 12,
        only_once: true,
        ..CLEAN
    };
    let (_, _, finished) = run(house, &spec(BY_TOKEN, ""), "bfs");
    let run = finished.code(3).only_run();
    assert_eq!(run["stop"]["reason"], "login-lost", "{run:#}");
    assert!(warnings(&run).contains(&"login-lost"), "{run:#}");
}

#[test]
fn a_reproduction_carries_its_principals_to_replay_and_to_curl() {
    for how in [BY_TOKEN, BY_COOKIE] {
        let house = House {
            is_open: true,
            cookies: how == BY_COOKIE,
            ..CLEAN
        };
        let (sandbox, server, finished) = run(house, &spec(how, ""), "bfs");
        let finished = finished.code(1);
        let file = std::fs::read_dir(sandbox.path(".venomqa"))
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert!(!text.contains("pa55word"), "{text}");
        let path = file.path().display().to_string();
        sandbox
            .venomqa(["replay", &path])
            .at(&server.url())
            .run()
            .code(1);
        let script = sandbox
            .venomqa(["replay", &path, "--to", "curl"])
            .run()
            .code(0);
        sandbox.write("bug.sh", &script.stdout);
        let mut command = sandbox.command("sh");
        command.arg("bug.sh").env("BASE_URL", server.url());
        for (name, value) in taken_out(&script.stdout) {
            command.env(name, value);
        }
        let code = command.status().unwrap().code();
        assert_eq!(code, Some(1), "{}\n{finished}", script.stdout);
    }
}

/// What the script asks the environment for: the password of whoever it is about.
fn taken_out(script: &str) -> Vec<(String, String)> {
    let names = script
        .split("${")
        .skip(1)
        .filter_map(|rest| rest.split([':', '}']).next());
    let names = names.filter(|name| name.starts_with("VENOMQA_"));
    let user = if script.contains("\"user\":\"anna\"") {
        "anna"
    } else {
        "root"
    };
    names
        .map(|name| (name.to_owned(), format!("pa55word-of-{user}")))
        .collect()
}

#[test]
fn a_principal_that_is_not_declared_is_a_mistake_with_those_that_are() {
    let text = spec(BY_TOKEN, "").replace("as: [anna, admin]", "as: [ana, admin]");
    let sandbox = Sandbox::with_spec(&text);
    sandbox
        .venomqa("validate --base-url http://127.0.0.1:9")
        .run()
        .code(2)
        .complains(&[
            "unknown-principal",
            "unknown principal `ana`",
            "did you mean `anna`?",
            "`admin`, `anna` or `nobody`",
        ]);
}
