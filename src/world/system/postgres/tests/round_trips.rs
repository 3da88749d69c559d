//! What a step costs in round trips, counted on the wire: whatever the size of the database.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::Host;

use super::fixture::{Walk, config, run};
use crate::world::system::postgres::PostgresSystem;
use crate::world::system::{System as _, SystemState};

/// A client that sends nothing for so long waits for an answer.
const QUIET: Duration = Duration::from_millis(30);

/// Stands between venomqa and the server. While it counts, it keeps back every answer until the client can do nothing
/// without one: what the client sends between two waits is one trip.
struct Proxy {
    url: String,
    counts: Arc<AtomicBool>,
    trips: Arc<AtomicUsize>,
}

trait Stream: Read + Write + Send {
    fn wait_at_most(&self, time: Option<Duration>);
}

impl Stream for TcpStream {
    fn wait_at_most(&self, time: Option<Duration>) {
        self.set_read_timeout(time).unwrap();
    }
}

impl Stream for UnixStream {
    fn wait_at_most(&self, time: Option<Duration>) {
        self.set_read_timeout(time).unwrap();
    }
}

impl Proxy {
    fn before(url: &str) -> Self {
        let server: Config = url.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let user = server.get_user().unwrap();
        let password = server.get_password().map_or_else(String::new, |password| {
            format!(":{}", String::from_utf8_lossy(password))
        });
        let url = format!(
            "postgres://{user}{password}@127.0.0.1:{port}/{}?sslmode=disable",
            server.get_dbname().unwrap()
        );
        let counts = Arc::new(AtomicBool::new(false));
        let trips = Arc::new(AtomicUsize::new(0));
        let (counting, counted) = (counts.clone(), trips.clone());
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), dial(&server));
                let (counting, counted) = (counting.clone(), counted.clone());
                std::thread::spawn(move || {
                    // A connection that ends is the end of the thread.
                    let _ = between(client, server, &counting, &counted);
                });
            }
        });
        Self { url, counts, trips }
    }

    /// The trips that something takes.
    async fn trips<T>(&self, what: impl Future<Output = T>) -> (T, usize) {
        self.trips.store(0, Ordering::SeqCst);
        self.counts.store(true, Ordering::SeqCst);
        let result = what.await;
        self.counts.store(false, Ordering::SeqCst);
        (result, self.trips.load(Ordering::SeqCst))
    }
}

fn dial(server: &Config) -> Box<dyn Stream> {
    let port = server.get_ports().first().copied().unwrap_or(5432);
    match &server.get_hosts()[0] {
        Host::Tcp(host) => Box::new(TcpStream::connect((host.as_str(), port)).unwrap()),
        Host::Unix(folder) => {
            Box::new(UnixStream::connect(folder.join(format!(".s.PGSQL.{port}"))).unwrap())
        }
    }
}

/// Takes what the client has to say, until it waits; passes it on; takes all that the server answers; and so on.
fn between(
    mut client: TcpStream,
    mut server: Box<dyn Stream>,
    counts: &AtomicBool,
    trips: &AtomicUsize,
) -> std::io::Result<()> {
    // The first message has no kind; what follows until the server is ready is not told apart.
    let mut is_ready = false;
    loop {
        client.wait_at_most(None);
        let mut said = some(&mut client)?;
        if counts.load(Ordering::SeqCst) {
            trips.fetch_add(1, Ordering::SeqCst);
            client.wait_at_most(Some(QUIET));
            while let Ok(more) = some(&mut client) {
                said.extend(more);
            }
        }
        // What was read may end in the middle of a message.
        while is_ready && !messages(&said).1 {
            said.extend(some(&mut client)?);
        }
        server.write_all(&said)?;
        let asked = messages(&said).0;
        let asked = asked.iter().filter(|kind| matches!(kind, b'S' | b'Q'));
        let awaited = if is_ready { asked.count() } else { 0 };
        let mut answer = Vec::new();
        loop {
            answer.extend(some(&mut *server)?);
            let (kinds, is_whole) = messages(&answer);
            let ready = kinds
                .iter()
                .map(|kind| usize::from(*kind == b'Z'))
                .sum::<usize>();
            if is_whole && ready >= awaited {
                // Before it is ready for the first time, the server asks as well: for a password.
                is_ready = is_ready || ready > 0;
                break;
            }
        }
        client.write_all(&answer)?;
    }
}

fn some(stream: &mut (impl Read + ?Sized)) -> std::io::Result<Vec<u8>> {
    let mut buffer = vec![0; 65_536];
    let length = stream.read(&mut buffer)?;
    if length == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    buffer.truncate(length);
    Ok(buffer)
}

/// The kinds of the messages, and whether the last one is whole.
fn messages(mut bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut kinds = Vec::new();
    while let [kind, a, b, c, d, ..] = bytes {
        let length = 1 + u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        if bytes.len() < length {
            return (kinds, false);
        }
        kinds.push(*kind);
        bytes = &bytes[length..];
    }
    (kinds, bytes.is_empty())
}

#[test]
fn a_step_takes_one_round_trip_to_read_and_one_to_restore_however_large_the_database() {
    run(async {
        for (tables, rows) in [(5, 10), (5, 50_000), (300, 10)] {
            let mut walk = Walk::new(&format!(
                "DO $$ BEGIN FOR i IN 1..{tables} LOOP EXECUTE format('CREATE TABLE t%s (id serial PRIMARY KEY, n int)', i); END LOOP; END $$;
                 INSERT INTO t1 (n) SELECT i FROM generate_series(1, {rows}) i"
            ))
            .await;
            walk.system.uninstall().await.unwrap();
            let proxy = Proxy::before(&walk.database.url());
            walk.system = PostgresSystem::open(&config(&proxy.url), &proxy.url).unwrap();
            walk.system.install().await.unwrap();
            walk.system.mark_initial().await.unwrap();
            let start = SystemState::default();
            for round in 0..4 {
                walk.sql("INSERT INTO t1 (n) VALUES (1); INSERT INTO t2 (n) VALUES (1); UPDATE t1 SET n = 5 WHERE id = 1; SELECT nextval('t5_id_seq')")
                    .await;
                let (reading, trips) = proxy.trips(walk.system.read(&start)).await;
                let reading = reading.unwrap();
                assert_eq!(reading.delta.changes().len(), 6);
                assert_eq!(
                    trips, 1,
                    "to read, {tables} tables, {rows} rows, round {round}"
                );
                let state = SystemState {
                    delta: start.delta.after(&reading.delta),
                    image: None,
                };
                let (again, trips) = proxy.trips(walk.system.read(&state)).await;
                assert!(again.unwrap().delta.is_empty());
                assert_eq!(trips, 1, "to look again, round {round}");
                let (restored, trips) = proxy.trips(walk.system.restore(&state, &start)).await;
                restored.unwrap();
                // The first time, statements are prepared: that is what the count looks like when there are more.
                if round == 0 {
                    assert!(trips > 1, "{trips}");
                } else {
                    assert_eq!(
                        trips, 1,
                        "to restore, {tables} tables, {rows} rows, round {round}"
                    );
                }
            }
            walk.finish().await;
        }
    });
}
