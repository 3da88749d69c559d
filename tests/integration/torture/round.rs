//! One round: a database, a service, a run, and what happens to it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;
use venomqa::random::Random;

use super::Kind;
use super::disk::SmallDisk;
use super::judge::{differences, shown, untold};
use super::schema::{Schema, chance, one_of};
use super::subject::{self, Contents, Subject};
use crate::support::{self, Finished, Running, Sandbox, Server, SqlService, Statement};

/// Everything that a seed decides.
#[derive(Debug)]
pub(super) struct Round {
    kind: Kind,
    seed: u64,
    misfortune: Misfortune,
    /// What the requests do beside writing rows.
    habit: Habit,
    /// Whether venomqa starts the service.
    owns_service: bool,
    is_wal: bool,
    has_safety_copy: bool,
    ignored: &'static [&'static str],
    strategy: &'static str,
    /// The step at which it happens, and how much later, in microseconds.
    moment: (u64, u64),
}

/// What happens to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Misfortune {
    Nothing,
    Interrupted,
    Killed,
    /// Killed, and then the database is tidied up before anything is put back.
    KilledAndTidied,
    /// Killed, and the next run puts the content back.
    KilledAndRunAgain,
    /// Stopped for a moment, in which somebody else writes.
    Stopped,
    ServiceKilled,
    DiskFull,
    /// Of PostgreSQL.
    ConnectionsCut,
    ServerRestarted,
    ServerCrashed,
}

const OF_ALL: [Misfortune; 9] = [
    Misfortune::Nothing,
    Misfortune::Nothing,
    Misfortune::Interrupted,
    Misfortune::Killed,
    Misfortune::KilledAndTidied,
    Misfortune::KilledAndRunAgain,
    Misfortune::Stopped,
    Misfortune::ServiceKilled,
    Misfortune::DiskFull,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Habit {
    /// `VACUUM`, `ANALYZE` and the like.
    Upkeep,
    /// The schema.
    Ddl,
    /// The file as a whole.
    File,
}

pub(super) struct Outcome {
    pub(super) verdict: Verdict,
    pub(super) misfortune: String,
    pub(super) took_steps: bool,
}

pub(super) enum Verdict {
    /// The database is as it was.
    Same,
    /// It is not, and the output names each thing that is not.
    Told,
    Fault(String),
}

impl Round {
    pub(super) fn new(kind: Kind, seed: u64) -> Self {
        // The schema has a generator of its own, so that a change here does not change it.
        let random = &mut Random::new(seed.wrapping_mul(2));
        let is_postgres = kind == Kind::Postgres;
        let habit = match random.below(6) {
            0 => Habit::Ddl,
            1 if is_postgres => Habit::Ddl,
            1 => Habit::File,
            _ => Habit::Upkeep,
        };
        Self {
            kind,
            seed,
            misfortune: match random.below(12) {
                9 if is_postgres => Misfortune::ConnectionsCut,
                10 if is_postgres => Misfortune::ServerRestarted,
                11 if is_postgres => Misfortune::ServerCrashed,
                number => OF_ALL[number % OF_ALL.len()],
            },
            habit,
            // What SQLite knows of a file is shared within a process, also when the file is another by now: who looks at it
            // must not be the one who keeps it open.
            owns_service: habit == Habit::File || chance(random, 40),
            is_wal: chance(random, 50),
            has_safety_copy: is_postgres || chance(random, 75),
            ignored: if chance(random, 30) { &["log"] } else { &[] },
            strategy: ["dfs", "bfs", "random", "coverage"][random.below(4)],
            moment: (random.below(25) as u64, random.below(8000) as u64),
        }
    }

    /// Plays it.
    pub(super) fn run(&self) -> Outcome {
        let sandbox = Sandbox::new();
        let is_small = self.misfortune == Misfortune::DiskFull;
        let (subject, disk) = match self.kind {
            Kind::Sqlite => Subject::sqlite(&sandbox, is_small),
            Kind::Postgres => Subject::postgres(is_small),
        };
        let service = self.prepare(&sandbox, &subject);
        let server = (!self.owns_service).then(|| Server::start(service.router()));
        if self.misfortune == Misfortune::ServerCrashed {
            subject.checkpoint();
        }
        let before = subject.contents();
        let play = Play {
            round: self,
            sandbox: &sandbox,
            subject: &subject,
            disk: disk.as_ref(),
            server: server.as_ref(),
            said: Vec::new(),
        };
        let outcome = play.run_to_the_end(&before);
        drop(server);
        sandbox.kill_processes();
        drop(subject);
        outcome
    }

    /// Makes the database, what the service is told, and the spec.
    fn prepare(&self, sandbox: &Sandbox, subject: &Subject) -> SqlService {
        let random = &mut Random::new(self.seed.wrapping_mul(2) + 1);
        let schema = Schema::random(random, self.kind);
        let mut statements = schema.ddl.clone();
        if self.kind == Kind::Sqlite && self.is_wal {
            statements.insert(0, "PRAGMA journal_mode = wal".to_owned());
        }
        statements.extend(schema.content(random));
        subject.fill(&statements);
        let mut operations = schema.writes(random, 6);
        operations.extend(match self.habit {
            Habit::Upkeep => schema.upkeep(random, 4),
            Habit::Ddl => [schema.upkeep(random, 1), schema.ddl_of_a_service(random, 2)].concat(),
            Habit::File => {
                let how = one_of(
                    random,
                    &[Statement::Remove, Statement::Truncate, Statement::Replace],
                );
                [schema.upkeep(random, 1), vec![vec![how.clone()]]].concat()
            }
        });
        let actions: Vec<_> = (0..operations.len())
            .map(|number| {
                json!({
                    "name": format!("op{number}"),
                    "request": { "method": "POST", "path": format!("/{number}") },
                    "max_calls": 2,
                })
            })
            .collect();
        let opening = match self.kind {
            Kind::Sqlite if chance(random, 60) => "PRAGMA foreign_keys = on",
            _ => "",
        };
        let service = SqlService {
            database: subject.location(),
            operations,
            opening: opening.to_owned(),
            keeps_connection: chance(random, 60),
            seed: self.seed,
        };
        sandbox.write(SqlService::FILE, &serde_json::to_string(&service).unwrap());
        let mut system = subject.system();
        system["ignore_tables"] = json!(self.ignored);
        if !self.has_safety_copy {
            system["safety_copy"] = json!("never");
        }
        let spec = json!({ "systems": { "db": system }, "actions": actions, "checks": { "server-error": "off" } });
        let mut text = "venomqa: 1\nname: torture\n".to_owned();
        if self.owns_service {
            text += "http: { base_url: \"http://127.0.0.1:${port}\" }\n";
            text += &support::service(support::Kind::Sql);
        } else {
            // The run is told where the service is.
            text += "http: { base_url: \"http://127.0.0.1:9\" }\n";
        }
        let sections = spec.as_object().unwrap().iter();
        text.extend(sections.map(|(section, value)| {
            format!(
                "{section}: {value}
"
            )
        }));
        sandbox.write("venomqa.yaml", &text);
        service
    }
}

/// A round under way.
struct Play<'r> {
    round: &'r Round,
    sandbox: &'r Sandbox,
    subject: &'r Subject,
    disk: Option<&'r SmallDisk>,
    server: Option<&'r Server>,
    /// Every command so far, with its output.
    said: Vec<Finished>,
}

impl Play<'_> {
    fn run_to_the_end(mut self, before: &Contents) -> Outcome {
        let run = self.start();
        let took_steps = self.let_it_happen(run);
        self.round_off(before);
        let verdict = self.judge(before);
        let disk = if self.disk.is_some() {
            " of a small disk"
        } else {
            ""
        };
        Outcome {
            verdict,
            misfortune: format!("{:?}{disk}", self.round.misfortune),
            took_steps,
        }
    }

    fn start(&self) -> Running {
        let seed = self.round.seed.to_string();
        let mut arguments = vec![
            "explore",
            "--strategy",
            self.round.strategy,
            "--seed",
            &seed,
        ];
        arguments.extend(["--max-steps", "60", "--progress-every", "1"]);
        let url = self.server.map(Server::url);
        if let Some(url) = &url {
            arguments.extend(["--base-url", url.as_str()]);
        }
        self.sandbox.venomqa(arguments).start()
    }

    /// Returns whether the run took a step.
    fn let_it_happen(&mut self, mut run: Running) -> bool {
        let misfortune = self.round.misfortune;
        let (step, later) = self.round.moment;
        if misfortune != Misfortune::Nothing {
            if step > 0 {
                run.wait_for_stderr_or_end(&format!("step {step}/"));
            }
            std::thread::sleep(Duration::from_micros(later));
        }
        match misfortune {
            Misfortune::Nothing => {}
            Misfortune::Interrupted => run.signal("INT"),
            Misfortune::Killed | Misfortune::KilledAndTidied | Misfortune::KilledAndRunAgain => {
                run.kill();
                // What venomqa started outlives it, and may write once more.
                std::thread::sleep(Duration::from_micros(later));
                self.sandbox.kill_processes();
                self.wait_for_silence();
            }
            Misfortune::Stopped => {
                run.signal("STOP");
                // Before the journal is there, or once it watches nothing any more, nobody undoes what somebody else writes.
                if self.watches_log() {
                    let stray = "INSERT INTO log VALUES ('stray', 'stray')".to_owned();
                    self.subject.fill(&[stray]);
                }
                run.signal("CONT");
            }
            Misfortune::ServiceKilled => {
                let own = run.id();
                for id in self.sandbox.processes().into_iter().filter(|id| *id != own) {
                    support::signal(id, "KILL");
                }
            }
            Misfortune::DiskFull => {
                if let Some(disk) = self.disk {
                    disk.fill(later as usize * 8);
                }
            }
            Misfortune::ConnectionsCut => self.subject.cut_connections(),
            Misfortune::ServerRestarted => {
                subject::server().stop("INT");
                subject::server().up();
            }
            Misfortune::ServerCrashed => {
                subject::server().stop("QUIT");
                subject::server().up();
            }
        }
        let finished = run.wait();
        let took_steps = finished.stderr.contains("step 1/");
        self.said.push(finished);
        took_steps
    }

    /// Until whatever the killed run had begun is over.
    fn wait_for_silence(&self) {
        if let Some(server) = self.server {
            let mut stream = TcpStream::connect(server.port().0).unwrap();
            let request = b"GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";
            stream.write_all(request).unwrap();
            stream.read_to_string(&mut String::new()).unwrap();
        }
        self.subject.wait_for_silence();
    }

    /// What somebody does who finds the database changed.
    fn round_off(&mut self, before: &Contents) {
        if let Some(disk) = self.disk {
            disk.give_room();
        }
        match self.round.misfortune {
            // Where the run was killed before it had begun, this would be no doing of its own.
            Misfortune::KilledAndTidied if self.has_journal() => {
                self.subject.fill(&["VACUUM".to_owned()]);
            }
            Misfortune::KilledAndRunAgain => {
                let again = self.start().wait();
                self.said.push(again);
            }
            _ => {}
        }
        // A second time, for what was in the way the first time.
        for _ in 0..2 {
            if self.is_as_before(before) {
                break;
            }
            let restored = self.sandbox.venomqa(["restore"]).start().wait();
            self.said.push(restored);
        }
    }

    fn has_journal(&self) -> bool {
        let contents = self.subject.contents();
        contents
            .iter()
            .any(|(object, _)| object.starts_with("venomqa"))
    }

    fn watches_log(&self) -> bool {
        self.subject
            .contents()
            .iter()
            .any(|(object, line)| match self.round.kind {
                Kind::Sqlite => {
                    object.starts_with("venomqa_") && line.starts_with("trigger of log:")
                }
                Kind::Postgres => object == "log" && line.starts_with("trigger venomqa_"),
            })
    }

    fn is_as_before(&self, before: &Contents) -> bool {
        let after = self.subject.contents();
        differences(before, &after, self.round.ignored).is_empty()
            && self.subject.strangers().is_empty()
    }

    fn judge(&self, before: &Contents) -> Verdict {
        let everything = || {
            self.said
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n")
        };
        for finished in &self.said {
            let was_killed = finished.status.code().is_none() && self.kills();
            let is_known = matches!(finished.status.code(), Some(0 | 1 | 3 | 130));
            if !(was_killed || is_known) || finished.stderr.contains("panicked at") {
                return Verdict::Fault(format!(
                    "an end that no run should have:\n{}",
                    everything()
                ));
            }
        }
        let after = self.subject.contents();
        let differences = differences(before, &after, self.round.ignored);
        let mut strangers = self.subject.strangers();
        // What a restore has put something over is saved, and said to be.
        strangers.retain(|path| !everything().contains(&path.display().to_string()));
        if differences.is_empty() && strangers.is_empty() {
            return Verdict::Same;
        }
        let told = self.said.iter().any(|finished| {
            finished.status.code() == Some(3) || finished.stdout.contains("not put back: ")
        });
        let mut untold = untold(&differences, &everything());
        if self.round.habit == Habit::File && everything().contains("a.db") {
            // Where the file is gone, its name stands for everything that was in it.
            untold.clear();
        }
        // With a copy, everything comes back. Without one, what a journal cannot watch is lost, and said to be.
        let may_lose = self.round.habit != Habit::Upkeep || !self.round.has_safety_copy;
        let keeps_all = self.round.kind == Kind::Sqlite && self.round.has_safety_copy;
        if told && may_lose && !keeps_all && untold.is_empty() {
            return Verdict::Told;
        }
        Verdict::Fault(format!(
            "the database is not as it was before:\n{}not named: {untold:?}\nleft beside it: {strangers:?}\nafter\n{}",
            shown(&differences),
            everything()
        ))
    }

    fn kills(&self) -> bool {
        let kills = [
            Misfortune::Killed,
            Misfortune::KilledAndTidied,
            Misfortune::KilledAndRunAgain,
        ];
        kills.contains(&self.round.misfortune)
    }
}
