//! What people write, 1:1. Every doc comment here is also what editors show, through the generated JSON Schema.
//!
//! No `flatten` and no `untagged`: both lose the place of a mistake. Where a value has two forms, a visitor says so.

mod assertion;
mod for_each;
mod principal;
mod request;
mod scalars;
mod system;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

pub(super) use assertion::{
    Assertions, Changes, Count, Ensure, HeaderExpect, InvariantExpect, RowCounts, Written,
};
pub(super) use principal::{Actors, LoginStep, Principal};
pub(super) use request::{
    ActionExpect, Basic, Extract, GraphQl, GraphQlQuery, Part, Parts, Request, Retry, STATUS,
    Status, Texts, status_key,
};
pub use scalars::duration;
pub(super) use scalars::{
    CheckLevel, DurationText, FailFast, IdentityWord, Json, Level, ProxyText, RateText,
    RestoreWord, SafetyCopyWord, ScalarText, SizeText, Wrong, scalar,
};
pub(super) use system::{Settle, System, location_keys};

/// A venomqa spec: what a service can do (actions), and what must hold whatever is done (invariants).
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    /// Version of the spec format: `1`.
    #[schemars(range(min = 1, max = 1))]
    pub venomqa: Option<u64>,
    /// Name of the spec in reports. Default: the file name without its ending.
    pub name: Option<String>,
    /// Constants, by name. Templates, conditions and SQL parameters can read them; `--set NAME=VALUE` replaces them.
    #[serde(default)]
    pub variables: IndexMap<String, Json>,
    /// The service to start. Without it, `http.base_url` must answer already.
    pub service: Option<Service>,
    /// How to talk to the service.
    #[serde(default)]
    pub http: Http,
    /// Who acts, by a name of your choice.
    #[serde(default)]
    pub principals: IndexMap<String, Principal>,
    /// The databases under the service, by a name of your choice.
    #[serde(default)]
    pub systems: IndexMap<String, System>,
    /// Names of extracted values that tell states apart. Default: those that a template, condition or SQL parameter reads.
    pub state_from_context: Option<Vec<String>>,
    /// How to get back to an earlier state. Default: `database` where a system is declared, `replay` elsewhere.
    pub restore: Option<RestoreWord>,
    /// How `restore: replay` gets back to the initial state. Default: restart the service.
    pub reset: Option<Reset>,
    /// Requests sent after every restore, for services that cache.
    #[serde(default)]
    pub after_restore: Vec<AfterRestore>,
    /// Wait after each answer before the databases are read, for services that write after they answer. `0s` says that this one
    /// never does. Default: none, but late rows are looked for.
    pub settle: Option<DurationText>,
    /// Requests run once, before the initial state.
    #[serde(default)]
    pub setup: Vec<Setup>,
    /// Everything that can be done.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub actions: Vec<Action>,
    /// Everything that must hold in every state.
    #[serde(default)]
    pub invariants: Vec<Invariant>,
    /// Built-in checks, by name: a severity, or `off`.
    #[serde(default)]
    pub checks: IndexMap<String, CheckLevel>,
    /// How to explore; flags of the command line come first.
    #[serde(default)]
    pub explore: Explore,
    /// Names whose values no report, log or reproduction shows: variables, headers, fields of JSON objects, columns.
    /// The values are hidden wherever they turn up. `Authorization`, `Cookie`, `Set-Cookie`, `X-Api-Key` and passwords
    /// in URLs are hidden anyway.
    #[serde(default)]
    pub secrets: Vec<String>,
}

/// An item of a section that is a list.
pub(super) trait Item: DeserializeOwned {
    /// The section.
    const SECTION: &'static str;

    /// Records its position in the section, which leads to the place of a mistake.
    fn stands_at(&mut self, position: usize);
}

macro_rules! items {
    ($($item:ident in $section:literal,)*) => {$(
        impl Item for $item {
            const SECTION: &'static str = $section;

            fn stands_at(&mut self, position: usize) {
                self.position = position;
            }
        }
    )*};
}

items! {
    Action in "actions",
    Invariant in "invariants",
    Setup in "setup",
    AfterRestore in "after_restore",
}

/// A service that venomqa starts and stops.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Service {
    /// Program and arguments, no shell. May use `${port}`, `${workdir}`, `${venomqa}` and templates over `variables`.
    pub command: Vec<ScalarText>,
    /// Environment variables, added to those of venomqa.
    #[serde(default)]
    pub env: IndexMap<String, ScalarText>,
    /// Working directory. Default: the folder of the spec.
    pub cwd: Option<String>,
    /// When it is ready.
    pub ready: Option<Ready>,
    /// Whether it may be started again during the run, to see whether a violation happens again without what the
    /// service has in its memory. Default: `true`.
    pub restart: Option<bool>,
}

/// How to know that a service is ready.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Ready {
    /// Path that answers with a status below 500 once the service is ready. Default: `/`.
    pub path: Option<String>,
    /// How long it may take. Default: `30s`.
    pub timeout: Option<DurationText>,
}

/// How to talk to the service.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Http {
    /// Scheme, host, port and, where there is one, a path prefix. Default with a `service`: `http://127.0.0.1:${port}`.
    pub base_url: Option<String>,
    /// Longest wait for a complete answer. Default: `10s`.
    pub timeout: Option<DurationText>,
    /// Other origins, such as `http://127.0.0.1:9000`, to which a URL of an answer may lead. Credentials never go there.
    #[serde(default)]
    pub origins: Vec<String>,
    /// Headers of every request to the service. One whose template reads a value that is not defined yet is left out.
    #[serde(default)]
    pub headers: IndexMap<String, ScalarText>,
    /// Largest body that is read. Default: `16MB`.
    pub max_body: Option<SizeText>,
    /// How many redirects in a row are followed; one that `expect.status` lists by its code is not. Default: `0`.
    #[serde(default)]
    pub follow_redirects: u32,
    /// Whether an answer 429, or 503 with `Retry-After`, is waited for and asked again. Default: `true`.
    pub retry_after: Option<bool>,
    /// Most requests in a time: `50/s`, `600/m`. Default: no limit.
    pub rate_limit: Option<RateText>,
    /// File with certificates (PEM) that are trusted over `https`, beside those that this machine trusts. Its path starts at the
    /// folder of the spec.
    pub ca_file: Option<String>,
    /// Whether every certificate is trusted. Default: `false`.
    #[serde(default)]
    pub insecure: bool,
    /// URL of the proxy that all requests go through. Default: `null`, none, whatever `HTTP_PROXY` says.
    #[serde(default)]
    pub proxy: ProxyText,
    /// Name of a header with an id of its own for each request, such as `X-Request-Id`. Default: none is sent.
    pub request_id: Option<String>,
}

/// How to get back to the initial state: exactly one of the keys.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reset {
    /// Send this request; it must answer 2xx.
    pub request: Option<Request>,
    /// Run this program to its end; no shell.
    pub command: Option<Vec<ScalarText>>,
    /// Restart `service.command`.
    pub restart: Option<bool>,
}

/// A request sent after every restore.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AfterRestore {
    /// The principal that sends it.
    #[serde(rename = "as")]
    pub actor: Option<String>,
    /// What is sent.
    pub request: Request,
    #[serde(skip)]
    pub position: usize,
}

/// A request run once, before the initial state.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Setup {
    /// The principal that sends it; it is logged in before.
    #[serde(rename = "as")]
    pub actor: Option<String>,
    /// What is sent; an answer that is not 2xx, and not listed under `expect`, ends the run.
    pub request: Request,
    /// Asks again until something is ready.
    pub retry: Option<Retry>,
    /// What a good answer looks like. Default: any 2xx.
    pub expect: Option<SetupExpect>,
    /// Values to remember from the answer, by name.
    #[serde(default)]
    pub extract: IndexMap<String, Extract>,
    #[serde(skip)]
    pub position: usize,
}

/// What a good answer to a request of `setup` looks like.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetupExpect {
    /// Good statuses: `302`, `2xx`, or a list of these.
    pub status: Status,
}

/// One thing that can be done.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Action {
    /// Its name: letters, digits, `_`, `-`, `.`, `/`, `:`.
    pub name: String,
    /// What it does, for readers.
    #[serde(default)]
    #[expect(
        dead_code,
        reason = "for the readers of the spec; part of what people may write"
    )]
    pub description: Option<String>,
    /// What must be true of the path: names of actions that were accepted, or conditions (`order_id is defined and amount > 10`).
    #[serde(default)]
    pub preconditions: Vec<String>,
    /// The principal that sends it. With a list, one action is made for each.
    #[serde(rename = "as")]
    pub actors: Option<Actors>,
    /// Those of `as` who may do this. The others must be refused, and change no row.
    pub allow: Option<Actors>,
    /// What is sent.
    pub request: Request,
    /// Asks again until something is ready. What counts as the answer is the last one.
    pub retry: Option<Retry>,
    /// One action is made for each value (for each combination, when several names are given).
    #[serde(default)]
    pub parameters: IndexMap<String, Vec<Json>>,
    /// It may act on any object that the path knows, not only on the newest: the variable that holds their ids.
    pub for_each: Option<for_each::ForEach>,
    /// What a good answer looks like. Default: any status below 500.
    pub expect: Option<ActionExpect>,
    /// Values to remember from an accepted answer, by name.
    #[serde(default)]
    pub extract: IndexMap<String, Extract>,
    /// Values to forget after an accepted answer.
    #[serde(default)]
    pub clear: Vec<String>,
    /// What to do after answers with these statuses instead, by status: `404`, `4xx`.
    #[serde(default)]
    pub on: IndexMap<String, OnAnswer>,
    /// Post-conditions: what an accepted call must have done.
    #[serde(default)]
    pub ensure: Vec<Ensure>,
    /// How often it may be accepted and change something on one path. Default: no limit.
    pub max_calls: Option<u16>,
    /// How likely `weighted` and other strategies take it, relative to the rest. Default: `1`.
    pub weight: Option<f64>,
    #[serde(skip)]
    pub position: usize,
}

impl Action {
    /// The names of everything that some answer yields.
    pub(super) fn extracted(&self) -> impl Iterator<Item = &String> {
        let others = self.on.values().flat_map(|entry| entry.extract.keys());
        self.extract.keys().chain(others)
    }
}

/// What to do after an answer.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OnAnswer {
    /// Values to remember, by name.
    #[serde(default)]
    pub extract: IndexMap<String, Extract>,
    /// Values to forget.
    #[serde(default)]
    pub clear: Vec<String>,
}

/// Something that must hold. Looks at `sql`, at the answer to a `request` of its own, or (only `jsonpath`) at every answer.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Invariant {
    /// Its name.
    pub name: String,
    /// How bad it is when it does not hold. Default: `medium`.
    pub severity: Option<Level>,
    /// What it means when it does not hold.
    pub message: Option<String>,
    /// Which system `sql` and `equals_sql` run on; needed only where there are several.
    pub system: Option<String>,
    /// A query; `:name` binds a value of the context.
    pub sql: Option<String>,
    /// A request, sent in every new state. It must not change anything.
    pub request: Option<Request>,
    /// The principal that sends the request.
    #[serde(rename = "as")]
    pub actor: Option<String>,
    /// Asks again until something is ready.
    pub retry: Option<Retry>,
    /// What is taken from the answer. Default with a `request`: `$`, the whole body.
    pub jsonpath: Option<String>,
    /// What the result must be. Default for `sql`: `empty`.
    pub expect: Option<InvariantExpect>,
    #[serde(skip)]
    pub position: usize,
}

/// How to explore.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Explore {
    /// Which action to try next: `auto`, `dfs`, `bfs`, `coverage`, `random`, `mcts`, `weighted`.
    pub strategy: Option<String>,
    /// When two states are the same: `exact` or `canonical`. Default: `exact`.
    pub identity: Option<IdentityWord>,
    /// Steps to take at the most.
    pub max_steps: Option<u64>,
    /// Longest path, in steps.
    pub max_depth: Option<u32>,
    /// Stop once this share of the actions has run, 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    pub coverage_target: Option<f64>,
    /// Stop after this time.
    pub time_limit: Option<DurationText>,
    /// Seed of every random choice.
    pub seed: Option<u64>,
    /// Whether steps that would most likely repeat what is known come last; `true` unless it says otherwise.
    pub postpone: Option<bool>,
    /// Steps between two lines of progress.
    pub progress_every: Option<u64>,
    /// Stop at the first violation: `true`, or the mildest severity that counts.
    pub fail_fast: Option<FailFast>,
}
