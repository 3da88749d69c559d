//! A PostgreSQL server for tests: thrown away afterwards.
//!
//! One server for the whole test process, in a temporary folder of its own, reached over a Unix socket; one fresh
//! database for each test. A shell waits for the end of the process, however it ends, stops the server and removes the
//! folder. Where `VENOMQA_TEST_POSTGRES` holds the URL of a superuser's database, that server is used instead; where
//! `VENOMQA_TEST_POSTGRES_BIN` names a folder with `initdb`, `postgres` and `psql`, the server is started from there.
//!
//! The server does not run as root: started by root, it switches to the user `postgres`, or else `nobody`.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};
use std::{env, fs};

/// The server of this process.
pub struct Cluster {
    host: Host,
    // Its input closes when this process ends: that is what the guard waits for.
    guard: Mutex<Option<Child>>,
    server: Mutex<Option<Child>>,
    // The socket's name ends with it.
    port: AtomicU16,
}

enum Host {
    Own { folder: PathBuf, port: u16 },
    Given(String),
}

/// A database that no other test uses. A server that is not the tests' own gets rid of it in the end.
pub struct Database {
    pub name: String,
    cluster: &'static Cluster,
}

/// A role that may log in, with its name as its password. It is gone in the end, whatever it was granted.
pub struct Role {
    pub name: &'static str,
    database: String,
    cluster: &'static Cluster,
}

static NEXT: AtomicU32 = AtomicU32::new(0);

/// The server of this process, started when first asked for.
pub fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| match env::var("VENOMQA_TEST_POSTGRES") {
        Ok(url) => Cluster {
            host: Host::Given(url),
            guard: Mutex::new(None),
            server: Mutex::new(None),
            port: AtomicU16::new(0),
        },
        Err(_) => Cluster::start(),
    })
}

impl Cluster {
    /// A server of its own, for a test that restarts it.
    pub fn start() -> Self {
        let bin = binaries();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("venomqa-pg-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder for the server");
        // The server's own user must get in.
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).expect("an open folder");
        let port = 5432;
        let data = folder.join("data");
        let made = as_server_user(&bin.join("initdb"))
            .args([
                "-U",
                "postgres",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--no-locale",
                "--no-sync",
                "-D",
            ])
            .arg(&data)
            .output()
            .expect("initdb runs");
        assert!(
            made.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        // Reads until its input closes, which the end of this process does, then stops the server.
        let script = "trap '' INT TERM HUP; cat >/dev/null; [ -f \"$1/data/postmaster.pid\" ] && \
                      kill -QUIT \"$(head -n 1 \"$1/data/postmaster.pid\")\"; sleep 0.2; rm -rf \"$1\"";
        let guard = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell to watch over the server");
        let cluster = Self {
            host: Host::Own { folder, port },
            guard: Mutex::new(Some(guard)),
            server: Mutex::new(None),
            port: AtomicU16::new(port),
        };
        cluster.up();
        cluster
    }

    /// Starts the server of a cluster that was stopped.
    pub fn up(&self) {
        self.up_on(None);
    }

    /// Starts it with a TCP port of this machine.
    pub fn up_on(&self, tcp: Option<u16>) {
        let Host::Own { folder, port } = &self.host else {
            return;
        };
        let listen = if tcp.is_some() { "127.0.0.1" } else { "" };
        let port = tcp.unwrap_or(*port);
        let mut config = fs::OpenOptions::new()
            .append(true)
            .open(folder.join("data/postgresql.auto.conf"))
            .expect("the server's configuration");
        writeln!(
            config,
            "listen_addresses = '{listen}'\nunix_socket_directories = '{}'\nport = {port}\nfsync = off\nmax_connections = 200\n\
             max_locks_per_transaction = 256\nmax_prepared_transactions = 10\nautovacuum_naptime = 2s",
            folder.display()
        )
        .expect("the server's configuration");
        self.port.store(port, Ordering::Relaxed);
        let log = fs::File::create(folder.join("log")).expect("a log file");
        let server = as_server_user(&binaries().join("postgres"))
            .arg("-D")
            .arg(folder.join("data"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the server starts");
        *self.server.lock().expect("nobody panics here") = Some(server);
        let until = Instant::now() + Duration::from_secs(30);
        while self.try_psql("postgres", "SELECT 1").is_err() {
            assert!(
                Instant::now() < until,
                "the server does not start: {}",
                fs::read_to_string(folder.join("log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Makes a stopped server speak TLS over TCP as well, with a certificate for `localhost` that it issues itself, and
    /// ask for a password there. Returns the port and the certificate; `None` where there is no `openssl`.
    pub fn speak_tls(&self) -> Option<(u16, PathBuf)> {
        let Host::Own { folder, .. } = &self.host else {
            return None;
        };
        let data = folder.join("data");
        let made = as_server_user(Path::new("openssl"))
            .args([
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=localhost",
            ])
            .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(data.join("server.key"))
            .arg("-out")
            .arg(data.join("server.crt"))
            .output()
            .ok()
            .filter(|output| output.status.success());
        made?;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its number").port();
        drop(listener);
        // The server reads the last of several settings of one name.
        let mut config = fs::OpenOptions::new()
            .append(true)
            .open(data.join("postgresql.conf"))
            .expect("the server's configuration");
        writeln!(config, "ssl = on").expect("the server's configuration");
        fs::write(
            data.join("pg_hba.conf"),
            "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n",
        )
        .expect("the server's rules");
        let certificate = folder.join("server.crt");
        fs::copy(data.join("server.crt"), &certificate).expect("a copy of the certificate");
        Some((port, certificate))
    }

    /// Stops the server at once, as a power cut would.
    pub fn crash(&self) {
        self.stop("QUIT");
    }

    /// Stops the server by a signal: `INT` is `pg_ctl stop -m fast`, which ends all sessions in an orderly way, `QUIT` is
    /// `-m immediate`.
    pub fn stop(&self, signal: &str) {
        let Host::Own { folder, .. } = &self.host else {
            return;
        };
        let file = folder.join("data/postmaster.pid");
        let process = fs::read_to_string(&file).expect("a running server");
        let process = process.lines().next().expect("its number").to_owned();
        Command::new("kill")
            .args([format!("-{signal}"), process])
            .status()
            .expect("kill runs");
        if let Some(mut server) = self.server.lock().expect("nobody panics here").take() {
            server.wait().expect("the server ends");
        }
    }

    /// The folder of an own server: its socket is there.
    pub fn folder(&self) -> Option<&Path> {
        match &self.host {
            Host::Own { folder, .. } => Some(folder),
            Host::Given(_) => None,
        }
    }

    /// The URL of a database, as a role without password.
    pub fn url(&self, role: &str, database: &str) -> String {
        match &self.host {
            Host::Own { folder, .. } => format!(
                "postgres://{role}@{}:{}/{database}",
                folder.display().to_string().replace('/', "%2F"),
                self.port.load(Ordering::Relaxed)
            ),
            Host::Given(url) => {
                let (base, options) = url.split_once('?').unwrap_or((url, ""));
                let (server, _) = base.rsplit_once('/').expect("a database in the URL");
                let host = server.rsplit_once('@').map_or_else(
                    || server.split_once("://").expect("a scheme").1,
                    |(_, host)| host,
                );
                let server = if role == "postgres" {
                    server.to_owned()
                } else {
                    format!("postgres://{role}:{role}@{host}")
                };
                if options.is_empty() {
                    format!("{server}/{database}")
                } else {
                    format!("{server}/{database}?{options}")
                }
            }
        }
    }

    /// A fresh database.
    pub fn database(&'static self) -> Database {
        let name = format!(
            "t{}_{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        self.psql(self.first(), &format!("CREATE DATABASE {name}"));
        Database {
            name,
            cluster: self,
        }
    }

    /// Runs a script through `psql`; its output without decoration.
    pub fn psql(&self, database: &str, script: &str) -> String {
        self.try_psql(database, script)
            .unwrap_or_else(|error| panic!("psql: {error}\n{script}"))
    }

    fn first(&self) -> &str {
        match &self.host {
            Host::Own { .. } => "postgres",
            Host::Given(url) => {
                let base = url.split('?').next().unwrap_or(url);
                base.rsplit('/').next().unwrap_or("postgres")
            }
        }
    }

    fn try_psql(&self, database: &str, script: &str) -> Result<String, String> {
        let mut child = Command::new(binaries().join("psql"))
            .args([
                "-XqtA",
                "-v",
                "ON_ERROR_STOP=1",
                "-d",
                &self.url("postgres", database),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("psql runs");
        let mut input = child.stdin.take().expect("its input");
        let script = script.to_owned();
        let writer = std::thread::spawn(move || {
            // A script that fails leaves the rest unread.
            let _ = input.write_all(script.as_bytes());
        });
        let output = child.wait_with_output().expect("psql ends");
        writer.join().expect("its input is written");
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout)
                .trim_end()
                .to_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }
}

impl Cluster {
    /// Stops the server and removes its folder. The server of the process needs no call: its end does the same.
    pub fn shut(&self) {
        if let Some(mut guard) = self.guard.lock().ok().and_then(|mut guard| guard.take()) {
            drop(guard.stdin.take());
            let _ = guard.wait();
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.shut();
    }
}

impl Database {
    /// Its URL, as superuser.
    pub fn url(&self) -> String {
        self.cluster.url("postgres", &self.name)
    }

    /// Its URL, as another role.
    pub fn url_as(&self, role: &str) -> String {
        self.cluster.url(role, &self.name)
    }

    /// Runs a script in it.
    pub fn psql(&self, script: &str) -> String {
        self.cluster.psql(&self.name, script)
    }

    /// A new role.
    pub fn role(&self, name: &'static str) -> Role {
        self.psql(&format!("CREATE ROLE {name} LOGIN PASSWORD '{name}'"));
        Role {
            name,
            database: self.name.clone(),
            cluster: self.cluster,
        }
    }

    /// What lets a role act as a replica. Before PostgreSQL 15 there is no right for it.
    pub fn replica(&self, role: &str) -> String {
        let version: u32 = self
            .psql("SHOW server_version_num")
            .parse()
            .expect("a number");
        if version >= 150_000 {
            format!("GRANT SET ON PARAMETER session_replication_role TO \"{role}\";")
        } else {
            format!("ALTER ROLE \"{role}\" SUPERUSER;")
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if matches!(self.cluster.host, Host::Given(_)) {
            let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
            unless_panicking(self.cluster.try_psql(self.cluster.first(), &drop));
        }
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let drop = format!("DROP OWNED BY {0} CASCADE; DROP ROLE {0}", self.name);
        let dropped = self.cluster.try_psql(&self.database, &drop).or_else(|_| {
            // Its database may be gone before it.
            self.cluster.try_psql(self.cluster.first(), &drop)
        });
        unless_panicking(dropped);
    }
}

/// A second panic would end the process, and with it all other tests.
fn unless_panicking(done: Result<String, String>) {
    if let Err(error) = done {
        assert!(std::thread::panicking(), "psql: {error}");
    }
}

/// Where the server's programs are.
fn binaries() -> &'static Path {
    static BINARIES: OnceLock<PathBuf> = OnceLock::new();
    BINARIES.get_or_init(|| {
        if let Some(folder) = env::var_os("VENOMQA_TEST_POSTGRES_BIN") {
            return folder.into();
        }
        let versions = fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path().join("bin"));
        let path = env::var_os("PATH").unwrap_or_default();
        let mut found: Vec<PathBuf> = env::split_paths(&path)
            .chain(versions)
            .filter(|folder| ["initdb", "postgres", "psql"].iter().all(|name| folder.join(name).is_file()))
            .collect();
        found.sort();
        found.pop().unwrap_or_else(|| {
            panic!(
                "no PostgreSQL server programs are installed: `apt-get install postgresql`, or set VENOMQA_TEST_POSTGRES \
                 to the URL of a superuser's database"
            )
        })
    })
}

/// A command of the server, not as root.
fn as_server_user(program: &Path) -> Command {
    let id = |args: &[&str]| {
        let output = Command::new("id").args(args).output().ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    if id(&["-u"]).as_deref() != Some("0") {
        return Command::new(program);
    }
    let user = if id(&["-u", "postgres"]).is_some() {
        "postgres"
    } else {
        "nobody"
    };
    let mut command = Command::new("setpriv");
    command
        .args(["--clear-groups", "--reuid", user, "--regid"])
        .arg(id(&["-g", user]).unwrap_or_default())
        .arg(program)
        .current_dir("/");
    command
}
