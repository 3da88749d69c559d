//! A connection to a service that goes wrong: what a service does is done, and what it answers does not arrive as it
//! should.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use super::{PATIENCE, Port};

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The connection is closed instead.
    Closed,
    /// Nothing comes, and the connection stays open.
    Silence,
    /// Bytes that are no HTTP come instead.
    Garbage,
    /// Its body ends before it is complete.
    HalfABody,
    /// Ten million bytes come instead.
    TenMegabytes,
}

/// Stands between venomqa and a service. Passes everything on, except for the answers to requests for refunds.
pub(crate) struct Wire {
    port: Port,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Wire {
    pub(crate) fn to(service: Port, fault: Fault) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = Port(listener.local_addr().unwrap());
        let over = Arc::new(AtomicBool::new(false));
        let done = over.clone();
        let thread = std::thread::spawn(move || {
            let mut silent = Vec::new();
            for client in listener.incoming() {
                if done.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(client) = client else { continue };
                // Whoever went away does not get an answer; the rest is the test's business.
                if let Ok(Some(kept)) = pass_on(client, service, fault) {
                    silent.push(kept);
                }
            }
        });
        Self {
            port,
            over,
            thread: Some(thread),
        }
    }

    pub(crate) fn url(&self) -> String {
        self.port.url()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes the thread up.
        let _ = TcpStream::connect(self.port.0);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One request and its answer. Returns a connection that is to stay open.
fn pass_on(mut client: TcpStream, service: Port, fault: Fault) -> io::Result<Option<TcpStream>> {
    client.set_read_timeout(Some(PATIENCE))?;
    let request = read_request(&mut client)?;
    let strikes = {
        let line = request.split(|byte| *byte == b'\n').next().unwrap_or(&[]);
        String::from_utf8_lossy(line).contains("/refunds")
    };
    let mut upstream = TcpStream::connect(service.0)?;
    upstream.write_all(&request)?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer)?;
    if !strikes {
        client.write_all(&answer)?;
        return Ok(None);
    }
    match fault {
        Fault::Closed => {}
        Fault::Silence => return Ok(Some(client)),
        Fault::Garbage => client.write_all(b"\x00\xff what is this?\r\n\r\n")?,
        Fault::HalfABody => client.write_all(&answer[..answer.len() - 5])?,
        Fault::TenMegabytes => {
            let body = vec![b'x'; 10_000_000];
            let head = format!(
                "HTTP/1.1 201 Created\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            client.write_all(head.as_bytes())?;
            client.write_all(&body)?;
        }
    }
    Ok(None)
}

/// Reads one request, and asks for the connection to be closed after its answer.
fn read_request(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    let head = loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        let length = client.read(&mut buffer)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        read.extend_from_slice(&buffer[..length]);
    };
    let lines = String::from_utf8_lossy(&read[..head]).to_lowercase();
    let body: usize = lines
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
        .unwrap_or(0);
    while read.len() < head + 4 + body {
        let length = client.read(&mut buffer)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        read.extend_from_slice(&buffer[..length]);
    }
    let rest = read.split_off(head);
    read.extend_from_slice(b"\r\nconnection: close");
    read.extend_from_slice(&rest);
    Ok(read)
}
