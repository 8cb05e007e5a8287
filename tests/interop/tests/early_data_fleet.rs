//! Early data before a fleet: servers that share nothing but the secret of their tickets and a Redis, which knows the hellos that came
//! before (RFC 9846 section 8.1). How a server asks it is [`Fleet::is_first`].
#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs
)]

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use pith_interop::{LIMIT, Listener, Process, folder, program};
use pith_io::std::Stream;
use pith_tests::pair::NAME;
use pith_tests::pki::{Identity, Pki};
use pith_tls::{
    Answer, ClientConfig, Credential, EarlyData, ServerConfig, SessionStore, Tickets, Topic, Trust,
};

/// One server of the fleet.
struct Fleet {
    config: Arc<ServerConfig>,
    redis: u16,
}

impl Fleet {
    fn server(leaf: &Identity, redis: u16) -> Self {
        let credential =
            Credential::from_pem(leaf.chain_pem.as_bytes(), leaf.key_pem.as_bytes()).unwrap();
        let config = ServerConfig::new(credential)
            .tickets(Tickets::fleet(b"what all servers of a fleet share").unwrap())
            .early_data_asked(1_000);
        Self {
            config: config.build().unwrap(),
            redis,
        }
    }

    /// Whether no server of the fleet has seen this hello: whoever sets its key is the first, and the key goes when no copy
    /// could pass for fresh any more.
    fn is_first(&self, hello: &[u8; 32], window: Duration) -> io::Result<bool> {
        let mut redis = TcpStream::connect((Ipv4Addr::LOCALHOST, self.redis))?;
        redis.set_read_timeout(Some(LIMIT))?;
        let mut command = "SET pith:".to_owned();
        for byte in hello {
            write!(command, "{byte:02x}").map_err(io::Error::other)?;
        }
        write!(command, " 1 NX PX {}\r\n", window.as_millis()).map_err(io::Error::other)?;
        redis.write_all(command.as_bytes())?;
        let mut answer = String::new();
        BufReader::new(redis).read_line(&mut answer)?;
        match answer.as_str() {
            "+OK\r\n" => Ok(true),
            "$-1\r\n" => Ok(false),
            _ => Err(ErrorKind::InvalidData.into()),
        }
    }

    /// Serves as far as the first early data, or the end of the handshake where there is none. Where nobody knows whether a hello came
    /// before, its early data is rejected, and the handshake goes on.
    fn early(&self, socket: TcpStream) -> io::Result<(Stream, Vec<u8>)> {
        let mut stream = Stream::server(Arc::clone(&self.config), socket);
        let mut early = [0; 100];
        loop {
            match stream.read_early(&mut early) {
                Ok(count) => return Ok((stream, early[..count].to_vec())),
                Err(error) => {
                    let Some(question) = stream.question() else {
                        return Err(error);
                    };
                    let Topic::EarlyDataReplay { hello, window } = &question.topic else {
                        panic!("another question: {question:?}");
                    };
                    let first = self.is_first(hello, *window).unwrap_or(false);
                    stream.answer(Answer::early_data(question, first))?;
                }
            }
        }
    }
}

/// A Redis of the test's own, which keeps nothing, and its port.
fn redis() -> Option<(Process, u16)> {
    let redis = program("PITH_REDIS", "redis/redis-server", ".ci/run peers")?;
    // It takes no port of the system's choice.
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let folder = folder();
    let mut command = Command::new(redis);
    command.current_dir(&folder).args(["--bind", "127.0.0.1"]);
    command.args(["--port", &port.to_string(), "--save", ""]);
    let process = Process::start(&mut command, folder);
    process.wait_for("Ready to accept connections", 1);
    Some((process, port))
}

fn bounded(port: u16) -> TcpStream {
    let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    socket.set_write_timeout(Some(LIMIT)).unwrap();
    socket
}

/// A client's connection to one server, and what became of early data at both; with what the server read of it.
fn meet(fleet: &Fleet, client: &Arc<ClientConfig>, early: &[u8]) -> ([EarlyData; 2], Vec<u8>) {
    let listener = Listener::new();
    let socket = bounded(listener.port());
    thread::scope(|scope| {
        let served = scope.spawn(|| {
            let (mut stream, early) = fleet.early(listener.accept_tcp()).unwrap();
            stream.handshake().unwrap();
            // The client's tickets come before it.
            stream.write_all(b"answer").unwrap();
            (stream.early_data(), early)
        });
        let mut stream = Stream::client(Arc::clone(client), NAME, socket).unwrap();
        stream.write_early(early).unwrap();
        let mut answer = [0; 6];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"answer");
        let (theirs, read) = served.join().unwrap();
        ([stream.early_data(), theirs], read)
    })
}

/// A client's hello with early data, as somebody on the way records it.
fn record(client: &Arc<ClientConfig>, early: &[u8]) -> Vec<u8> {
    let listener = Listener::new();
    let mut stream = Stream::client(Arc::clone(client), NAME, bounded(listener.port())).unwrap();
    assert_eq!(stream.write_early(early).unwrap(), early.len());
    stream.flush().unwrap();
    let mut recorder = listener.accept_tcp();
    drop(stream);
    let mut flight = Vec::new();
    recorder.read_to_end(&mut flight).unwrap();
    flight
}

/// Sends a recorded flight to a server; what it read as early data.
fn replay(fleet: &Fleet, flight: &[u8], start: &Barrier) -> Vec<u8> {
    let listener = Listener::new();
    let mut socket = bounded(listener.port());
    let accepted = listener.accept_tcp();
    socket.write_all(flight).unwrap();
    // Who replays cannot go on with the handshake.
    socket.shutdown(Shutdown::Write).unwrap();
    start.wait();
    match fleet.early(accepted) {
        Ok((stream, early)) => {
            assert_eq!(stream.early_data(), EarlyData::Accepted);
            early
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{error}");
            Vec::new()
        }
    }
}

const COPIES: usize = 16;

#[test]
fn a_fleet_takes_early_data_once() {
    let Some((mut redis, port)) = redis() else {
        return;
    };
    let pki = Pki::new();
    let servers = [(); 2].map(|()| Fleet::server(&pki.leaf(NAME), port));
    let trust = Trust::roots_from_pem(pki.root_pem().as_bytes()).unwrap();
    let client = ClientConfig::new(trust)
        .sessions(SessionStore::new())
        .early_data(true);
    let client = client.build().unwrap();

    let none = ([EarlyData::NotOffered; 2], Vec::new());
    assert_eq!(meet(&servers[0], &client, b"early"), none);
    // The other server knows the tickets of the first.
    let taken = ([EarlyData::Accepted; 2], b"early".to_vec());
    assert_eq!(meet(&servers[1], &client, b"early"), taken);

    let flight = record(&client, b"transfer");
    let start = Barrier::new(COPIES);
    let read: Vec<Vec<u8>> = thread::scope(|scope| {
        let copies = (0..COPIES).map(|copy| {
            let (server, flight, start) = (&servers[copy % 2], &flight, &start);
            scope.spawn(move || replay(server, flight, start))
        });
        let copies: Vec<_> = copies.collect();
        copies
            .into_iter()
            .map(|copy| copy.join().unwrap())
            .collect()
    });
    let taken = read.iter().filter(|early| *early == b"transfer").count();
    let nothing = read.iter().filter(|early| early.is_empty()).count();
    assert_eq!((taken, nothing), (1, COPIES - 1));

    // Without it early data alone is rejected.
    redis.kill();
    let rejected = ([EarlyData::Rejected; 2], Vec::new());
    assert_eq!(meet(&servers[0], &client, b"early"), rejected);
}
