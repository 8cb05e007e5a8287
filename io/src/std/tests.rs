//! Both ends of a connection over a socket that stalls, splits and fills, in one thread and without a system clock.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pith_tests::pki::Pki;
use pith_tls::{
    Answer, ClientConfig, Connection, Error, ServerConfig, SessionStore, Tickets, Trust,
};

use super::{Acceptor, HANDSHAKE_LIMIT, Socket, Stream, Timeouts};
use crate::buffer::{BATCH, RECORD};
use crate::clock::Clock;
use crate::conformance::{
    Configs, Driver, EASY, End, Manners, Who, configs, conform, credential, pattern, server_config,
    slices, tls_error,
};

mod early;

/// Two streams that have not begun.
fn streams(manners: Manners) -> (Stream<End>, Stream<End>) {
    let (client, server) = configs();
    let time = Arc::new(AtomicU64::new(0));
    let clock = Clock::Test(Arc::clone(&time));
    let (ours, theirs) = End::pair(manners, &time);
    (
        Stream::client_at(clock.clone(), client, "example.org", ours).unwrap(),
        Stream::new(clock, Connection::server(server), theirs),
    )
}

/// Two streams after their handshake.
fn connected(manners: Manners) -> (Stream<End>, Stream<End>) {
    let (mut client, mut server) = streams(manners);
    together(
        &format!("handshake with {manners:?}"),
        || client.handshake(),
        || server.handshake(),
    );
    (client, server)
}

/// Whether an error is one after which the call is made again.
fn again(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

/// Calls both in turn until both are done; stalls are called again.
fn together(
    name: &str,
    mut first: impl FnMut() -> io::Result<()>,
    mut second: impl FnMut() -> io::Result<()>,
) {
    let mut open = [true, true];
    for _ in 0..200_000 {
        for (side, open) in open.iter_mut().enumerate() {
            if !*open {
                continue;
            }
            match if side == 0 { first() } else { second() } {
                Ok(()) => *open = false,
                Err(error) if again(&error) => {}
                Err(error) => panic!("{name}: {error}"),
            }
        }
        if open == [false, false] {
            return;
        }
    }
    panic!("{name}: no end");
}

/// Writes the rest of `data` from `at` on, which it moves; then flushes.
fn send(stream: &mut Stream<End>, data: &[u8], at: &mut usize) -> io::Result<()> {
    while *at < data.len() {
        *at += stream.write(&data[*at..])?;
    }
    stream.flush()
}

/// Reads until `data` has `len` bytes.
fn receive(stream: &mut Stream<End>, data: &mut Vec<u8>, len: usize) -> io::Result<()> {
    let mut buffer = [0; 7_000];
    while data.len() < len {
        match stream.read(&mut buffer)? {
            0 => panic!("an end after {} bytes", data.len()),
            count => data.extend_from_slice(&buffer[..count]),
        }
    }
    Ok(())
}

#[test]
fn every_way_of_stalling_splitting_and_filling() {
    conform::<Blocking>();
}

/// Calls both streams in turn, again and again.
struct Blocking {
    client: Stream<End>,
    server: Stream<End>,
}

impl Blocking {
    /// The stream of `at`, and the other.
    fn ends(&mut self, at: Who) -> (&mut Stream<End>, &mut Stream<End>) {
        match at {
            Who::Client => (&mut self.client, &mut self.server),
            Who::Server => (&mut self.server, &mut self.client),
        }
    }
}

impl Driver for Blocking {
    const WAKES: bool = false;

    fn connected((ours, theirs): (End, End), (client, server): &Configs) -> Self {
        let clock = Clock::Test(Arc::default());
        let client = Arc::clone(client);
        let mut client = Stream::client_at(clock.clone(), client, "example.org", ours).unwrap();
        let mut server = Stream::new(clock, Connection::server(Arc::clone(server)), theirs);
        together("handshake", || client.handshake(), || server.handshake());
        Self { client, server }
    }

    fn send(&mut self, from: Who, data: &[u8], sliced: bool) -> Vec<u8> {
        let (from, to) = self.ends(from);
        let (mut sent, mut received) = (0, Vec::new());
        together(
            "send",
            || {
                if !sliced {
                    return send(from, data, &mut sent);
                }
                while sent < data.len() {
                    sent += from.write_vectored(&slices(&data[sent..]))?;
                }
                from.flush()
            },
            || receive(to, &mut received, data.len()),
        );
        received
    }

    fn exchange(&mut self, ours: &[u8], theirs: &[u8]) -> [Vec<u8>; 2] {
        let mut received = [Vec::new(), Vec::new()];
        let [to_client, to_server] = &mut received;
        let (client, server) = (&mut self.client, &mut self.server);
        let (mut client_sent, mut server_sent) = (Some(0), Some(0));
        together(
            "exchange",
            || both(client, (ours, &mut client_sent), (to_client, theirs.len())),
            || both(server, (theirs, &mut server_sent), (to_server, ours.len())),
        );
        received
    }

    fn update_keys(&mut self, at: Who) {
        self.ends(at).0.update_keys(true).unwrap();
    }

    fn close(&mut self, at: Who) {
        let (here, there) = self.ends(at);
        let end = || there.read(&mut [0]).map(|count| assert_eq!(count, 0));
        together("close", || here.close(), end);
    }

    fn write_error(&mut self, at: Who) -> io::Error {
        let here = self.ends(at).0;
        error_of(|| here.write(b"x"))
    }

    fn read_errors(&mut self, first: Who) -> [io::Error; 2] {
        [self.read_error(first), self.read_error(first.other())]
    }

    fn read_error(&mut self, at: Who) -> io::Error {
        let here = self.ends(at).0;
        error_of(|| here.read(&mut [0; 9]))
    }

    fn socket(&mut self, at: Who) -> &mut End {
        &mut self.ends(at).0.socket
    }
}

/// The error of a call that is made again after stalls.
fn error_of(mut call: impl FnMut() -> io::Result<usize>) -> io::Error {
    for _ in 0..10_000 {
        match call() {
            Err(error) if again(&error) => {}
            other => return other.unwrap_err(),
        }
    }
    panic!("only stalls");
}

/// Sends from `at` on until it is done, which is `None`, and receives although that stalls.
fn both(
    stream: &mut Stream<End>,
    (data, at): (&[u8], &mut Option<usize>),
    (received, len): (&mut Vec<u8>, usize),
) -> io::Result<()> {
    let sent = at.as_mut().map_or(Ok(()), |at| send(stream, data, at));
    if sent.is_ok() {
        *at = None;
    }
    match sent {
        Err(error) if !again(&error) => Err(error),
        sent => receive(stream, received, len).and(sent),
    }
}

#[test]
fn an_end_without_close_notify_is_an_error_that_stays() {
    for at_client in [true, false] {
        let (client, server) = connected(EASY);
        let (mut here, mut there) = if at_client {
            (client, server)
        } else {
            (server, client)
        };
        there.write_all(b"half of it").unwrap();
        drop(there);
        let mut received = Vec::new();
        let error = here.read_to_end(&mut received).unwrap_err();
        assert_eq!(received, b"half of it", "what came is handed out first");
        for error in [
            error,
            here.read(&mut [0; 9]).unwrap_err(),
            here.write(b"x").unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{error}");
            assert_eq!(tls_error(&error), Some(&Error::Truncated));
        }
    }
}

/// The transport ends, and so does the handshake, after every byte of each flight. R03 of tests/attacks.tsv.
#[test]
fn an_end_at_every_byte_of_the_handshake() {
    let (mut client, mut server) = streams(EASY);
    let mut flights: [Vec<u8>; 2] = Default::default();
    assert!(again(&client.handshake().unwrap_err()));
    flights[0].extend(&server.socket.receive.borrow().bytes);
    assert!(again(&server.handshake().unwrap_err()));
    flights[1].extend(&client.socket.receive.borrow().bytes);

    for (to_server, flight) in [(true, &flights[0]), (false, &flights[1])] {
        for cut in 0..flight.len() {
            let (mut client, mut server) = streams(EASY);
            let here = if to_server { &mut server } else { &mut client };
            {
                let mut lane = here.socket.receive.borrow_mut();
                lane.ended = true;
                // Only the first record of the server's flight opens under this client's keys: that is enough to get in its middle.
                lane.bytes.extend(&flight[..cut]);
            }
            let error = here.handshake().unwrap_err();
            assert!(tls_error(&error).is_some(), "cut at {cut}: {error}");
            assert!(
                here.socket.calls < 40,
                "cut at {cut}: {} calls",
                here.socket.calls
            );
            let repeated = here.handshake().unwrap_err();
            assert_eq!(tls_error(&repeated), tls_error(&error), "cut at {cut}");
        }
    }
}

#[test]
fn a_goodbye_in_the_handshake_ends_it() {
    for to_server in [true, false] {
        let (mut client, mut server) = streams(EASY);
        let here = if to_server { &mut server } else { &mut client };
        let close_notify = [21, 3, 3, 0, 2, 1, 0];
        here.socket.receive.borrow_mut().bytes.extend(close_notify);
        let error = here.handshake().unwrap_err();
        assert!(
            tls_error(&error).is_some(),
            "to server {to_server}: {error}"
        );
        assert!(
            here.socket.calls < 10,
            "to server {to_server}: {} calls",
            here.socket.calls
        );
    }
}

/// R13 of tests/attacks.tsv.
#[test]
fn a_byte_a_second_does_not_extend_the_deadline() {
    for at_client in [false, true] {
        let (mut client, mut server) = streams(EASY);
        assert!(again(&client.handshake().unwrap_err()), "the hello is out");
        let here = if at_client { &mut client } else { &mut server };
        let own = Timeouts {
            read: Some(Duration::from_secs(3)),
            write: None,
        };
        here.socket.timeouts = own;
        here.socket.takes.0 = 1_000;
        here.socket.manners.piece = 1;
        // A record header that promises much, and then its bytes without end.
        let mut bytes = VecDeque::from([22, 3, 3, 0x40, 0]);
        bytes.extend([0_u8; 1000]);
        here.socket.receive.borrow_mut().bytes = bytes;
        here.socket.calls = 0;
        let error = here.handshake().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
        assert!(tls_error(&error).is_none());
        assert_eq!(here.socket.calls as u64, HANDSHAKE_LIMIT.as_secs());
        assert_eq!(here.socket.timeouts, own, "the caller's timeouts are back");
        assert_eq!(here.handshake().unwrap_err().kind(), ErrorKind::TimedOut);
    }
}

/// A client that takes nothing: its server stalls in writing until the deadline.
#[test]
fn a_peer_that_takes_nothing_does_not_extend_the_deadline() {
    let (mut client, mut server) = streams(EASY);
    assert!(again(&client.handshake().unwrap_err()));
    server.socket.manners.capacity = 10;
    server.socket.takes.0 = 1_000;
    let mut calls = 0;
    let error = loop {
        calls += 1;
        let error = server.handshake().unwrap_err();
        if error.kind() != ErrorKind::WouldBlock {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    assert!(calls <= HANDSHAKE_LIMIT.as_secs(), "{calls}");
}

/// Remembers the timeouts at each read.
struct Watched(End, Rc<RefCell<Vec<Timeouts>>>);

impl Read for Watched {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.1.borrow_mut().push(self.0.timeouts);
        self.0.read(out)
    }
}

impl Write for Watched {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Socket for Watched {
    fn timeouts(&self) -> io::Result<Timeouts> {
        self.0.timeouts()
    }

    fn set_timeouts(&mut self, timeouts: Timeouts) -> io::Result<()> {
        self.0.set_timeouts(timeouts)
    }
}

#[test]
fn each_read_of_the_handshake_may_block_until_the_deadline_and_no_longer() {
    let (_, config) = configs();
    let time = Arc::new(AtomicU64::new(0));
    let (_client, mut end) = End::pair(Manners { piece: 1, ..EASY }, &time);
    end.takes.0 = 4_000;
    end.receive
        .borrow_mut()
        .bytes
        .extend([22, 3, 3, 0x40, 0, 1, 1, 1]);
    let seen = Rc::default();
    let socket = Watched(end, Rc::clone(&seen));
    let mut server = Stream::new(Clock::Test(time), Connection::server(config), socket);
    let error = server.handshake().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    let tick = Duration::from_millis(10);
    let want = [10, 6, 2].map(|seconds| Some(Duration::from_secs(seconds) + tick));
    let seen: Vec<_> = seen.borrow().iter().map(|timeouts| timeouts.read).collect();
    assert_eq!(seen, want);
}

#[test]
#[allow(clippy::disallowed_methods)]
fn a_silent_client_is_cut_off_at_the_deadline_over_tcp() {
    let (_, config) = configs();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let _silent = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut tcp, _) = listener.accept().unwrap();
    let own = Timeouts {
        read: Some(Duration::from_secs(600)),
        write: None,
    };
    tcp.set_timeouts(own).unwrap();
    let deadline = Instant::now() + Duration::from_millis(50);
    let error = Stream::accept_by(config, &tcp, deadline)
        .map(drop)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    assert!(Instant::now() >= deadline);
    assert_eq!(tcp.timeouts().unwrap(), own);
}

#[test]
fn an_error_sends_its_alert_and_is_repeated() {
    for at_client in [true, false] {
        let (client, server) = connected(EASY);
        let (mut here, there) = if at_client {
            (client, server)
        } else {
            (server, client)
        };
        let before = here.socket.send.borrow().passed;
        let garbage = [23, 3, 3, 0, 20].into_iter().chain([0; 20]);
        here.socket.receive.borrow_mut().bytes.extend(garbage);
        let error = here.read(&mut [0; 9]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
        let fault = tls_error(&error).unwrap().clone();
        assert!(
            here.socket.send.borrow().passed > before,
            "no alert: {error}"
        );
        for repeated in [
            here.read(&mut [0; 9]).unwrap_err(),
            here.write(b"x").unwrap_err(),
            here.close().unwrap_err(),
        ] {
            assert_eq!(tls_error(&repeated), Some(&fault));
        }
        let mut there = there;
        let error = there.read(&mut [0; 9]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionAborted, "{error}");
        assert_eq!(
            tls_error(&error),
            Some(&Error::Alert(fault.alert().unwrap()))
        );
    }
}

#[test]
fn a_peer_that_takes_no_alert_does_not_hide_the_error() {
    let (mut client, _server) = connected(EASY);
    client.socket.manners.capacity = client.socket.send.borrow().bytes.len();
    let garbage = [23, 3, 3, 0, 20].into_iter().chain([0; 20]);
    client.socket.receive.borrow_mut().bytes.extend(garbage);
    let error = client.read(&mut [0; 9]).unwrap_err();
    assert!(
        matches!(tls_error(&error), Some(Error::Fault(_))),
        "{error}"
    );
}

/// R13 of tests/attacks.tsv: what is unread stays in the socket, and the peer is held back by it.
#[test]
fn nothing_is_read_from_the_socket_while_plaintext_lies_unread() {
    let (mut client, mut server) = connected(EASY);
    client.write_all(&pattern(10 * RECORD)).unwrap();
    let mut byte = [0];
    assert_eq!(server.read(&mut byte).unwrap(), 1);
    let waiting = server.socket.receive.borrow().bytes.len();
    let calls = server.socket.calls;
    for _ in 1..1 << 14 {
        assert_eq!(server.read(&mut byte).unwrap(), 1);
    }
    assert_eq!(server.socket.receive.borrow().bytes.len(), waiting);
    assert_eq!(
        server.socket.calls, calls,
        "the first record is still being read"
    );
}

#[test]
fn a_write_that_stalls_long_after_the_handshake_keeps_nobody_from_reading() {
    let (mut client, mut server) = connected(EASY);
    client.socket.manners.capacity = 100;
    client
        .socket
        .takes
        .1
        .fetch_add(3_600_000, Ordering::Relaxed); // an hour
    assert_eq!(
        client.write(&pattern(1000)).unwrap(),
        1000,
        "sealed, and sent in part"
    );
    assert_eq!(
        client.write(b"more").unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    server.write_all(b"answer").unwrap();
    let mut received = [0; 6];
    client.read_exact(&mut received).unwrap();
    assert_eq!(&received, b"answer");
    assert_eq!(
        client.socket.send.borrow().bytes.len(),
        100,
        "reading writes nothing"
    );
    client.socket.manners.capacity = usize::MAX;
    client.flush().unwrap();
    let mut received = Vec::new();
    receive(&mut server, &mut received, 1000).unwrap();
    assert_eq!(received, pattern(1000));
}

#[test]
fn one_write_for_a_flight_and_for_many_records() {
    let (mut client, mut server) = streams(EASY);
    assert!(again(&client.handshake().unwrap_err()));
    assert_eq!(client.socket.send.borrow().writes, 1, "ClientHello");
    assert!(again(&server.handshake().unwrap_err()));
    assert_eq!(server.socket.send.borrow().writes, 1, "the server's flight");
    client.handshake().unwrap();
    assert_eq!(client.socket.send.borrow().writes, 2, "Finished");
    server.handshake().unwrap();
    assert_eq!(client.write(&pattern(BATCH)).unwrap(), BATCH);
    assert_eq!(client.socket.send.borrow().writes, 3, "four records");
    client.update_keys(true).unwrap();
    client.write_all(b"x").unwrap();
    assert_eq!(client.socket.send.borrow().writes, 4, "KeyUpdate and data");
}

#[test]
fn exporters_agree_and_summaries_too() {
    let (client, server) = connected(EASY);
    let mut secrets = [[0; 40]; 2];
    client
        .export(b"EXPORTER-test", b"x", &mut secrets[0])
        .unwrap();
    server
        .export(b"EXPORTER-test", b"x", &mut secrets[1])
        .unwrap();
    assert_eq!(secrets[0], secrets[1]);
    assert_eq!(client.channel_binding(), server.channel_binding());
    assert!(client.channel_binding().is_ok());
    let (ours, theirs) = (client.summary().unwrap(), server.summary().unwrap());
    assert_eq!(ours.group, theirs.group);
    assert!(ours.group.is_post_quantum());
    assert_eq!(ours.suite, theirs.suite);
    assert_eq!(theirs.server_name.as_deref(), Some("example.org"));
}

#[test]
fn the_first_read_or_write_does_the_handshake() {
    let (mut client, mut server) = streams(EASY);
    let mut received = [0; 2];
    let mut sent = 0;
    together(
        "first use",
        || send(&mut client, b"hi", &mut sent),
        || server.read_exact(&mut received),
    );
    assert_eq!(&received, b"hi");
}

#[test]
fn a_new_configuration_leaves_connections_alone() {
    let pki = Pki::new();
    let (old, new) = (pki.leaf("old.example"), pki.leaf("new.example"));
    let trust = Trust::roots_from_pem(pki.root_pem().as_bytes()).unwrap();
    let client = ClientConfig::new(trust).build().unwrap();
    let acceptor = Acceptor::new(server_config(&old));
    let time = Arc::new(AtomicU64::new(0));
    let meet = |name: &str, replace: Option<Arc<ServerConfig>>| {
        let (ours, theirs) = End::pair(EASY, &time);
        let clock = Clock::Test(Arc::clone(&time));
        let mut ours = Stream::client_at(clock.clone(), Arc::clone(&client), name, ours).unwrap();
        let mut theirs = Stream::new(clock, Connection::server(acceptor.config()), theirs);
        if let Some(config) = replace {
            acceptor.replace(config); // in the middle of a handshake
        }
        together(name, || ours.handshake(), || theirs.handshake());
        (ours, theirs)
    };
    let (mut ours, mut theirs) = meet("old.example", Some(server_config(&new)));
    meet("new.example", None);
    ours.write_all(b"still here").unwrap();
    let mut received = [0; 10];
    theirs.read_exact(&mut received).unwrap();
    assert_eq!(&received, b"still here");
}

#[test]
fn a_question_waits_for_its_answer() {
    let pki = Pki::new();
    let leaf = pki.leaf("example.org");
    let trust = Trust::roots_from_pem(pki.root_pem().as_bytes()).unwrap();
    let client = ClientConfig::new(trust).build().unwrap();
    let shown = server_config(&leaf);
    let asking = ServerConfig::new(credential(&leaf)).ask_config(true);
    let asking = asking.build().unwrap();
    let time = Arc::new(AtomicU64::new(0));
    let clock = Clock::Test(Arc::clone(&time));
    let (ours, theirs) = End::pair(EASY, &time);
    let mut client = Stream::client_at(clock.clone(), client, "example.org", ours).unwrap();
    let mut server = Stream::new(clock, Connection::server(asking), theirs);
    assert!(server.question().is_none());
    assert!(again(&client.handshake().unwrap_err()));
    for _ in 0..2 {
        let error = server.handshake().unwrap_err();
        assert!(error.to_string().contains("Stream::question"), "{error}");
    }
    let answer = Answer::config(server.question().unwrap(), Some(shown));
    server.answer(answer).unwrap();
    together("answered", || client.handshake(), || server.handshake());
    assert!(server.question().is_none());
}

/// What is asked right behind the handshake, for tickets that the application keeps, is a question like the others.
#[test]
fn a_server_is_asked_to_keep_its_sessions() {
    let pki = Pki::new();
    let trust = Trust::roots_from_pem(pki.root_pem().as_bytes()).unwrap();
    let store = SessionStore::bounded(2, 2);
    let client = ClientConfig::new(trust).sessions(store.clone());
    let server = ServerConfig::new(credential(&pki.leaf("example.org"))).tickets(Tickets::asked());
    let (client, server) = (client.build().unwrap(), server.build().unwrap());
    let time = Arc::new(AtomicU64::new(0));
    let clock = Clock::Test(Arc::clone(&time));
    let (ours, theirs) = End::pair(EASY, &time);
    let mut client = Stream::client_at(clock.clone(), client, "example.org", ours).unwrap();
    let mut server = Stream::new(clock, Connection::server(server), theirs);
    let mut kept = 0;
    while kept < 2 {
        drop(client.handshake());
        drop(server.handshake());
        if let Some(question) = server.question() {
            kept += 1;
            let answer = Answer::kept(question, Some(vec![kept]));
            server.answer(answer).unwrap();
        }
    }
    together("answered", || client.handshake(), || server.handshake());
    server.write_all(b"hi").unwrap();
    server.flush().unwrap();
    let mut received = [0; 2];
    client.read_exact(&mut received).unwrap();
    assert_eq!((&received, store.len()), (b"hi", 2));
}

#[test]
fn dropping_sends_nothing() {
    let (client, server) = connected(EASY);
    let before = client.socket.send.borrow().passed;
    drop(client);
    assert_eq!(server.socket.receive.borrow().passed, before);
}

#[test]
fn a_name_that_is_none_is_refused_before_anything_is_sent() {
    let (config, _) = configs();
    let (end, other) = End::pair(EASY, &Arc::default());
    let error = Stream::connect(config, "not a name", end)
        .map(drop)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(other.receive.borrow().passed, 0);
}

#[test]
fn halves_work_from_two_threads_and_close_apart() {
    use std::os::unix::net::UnixStream;
    let (client, server) = configs();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let second = theirs.try_clone().unwrap();
    const LEN: usize = 4 << 20; // far more than a socket holds: each side must read while it writes
    let serve = std::thread::Builder::new()
        .spawn(move || echo(Stream::accept(server, theirs).unwrap(), second))
        .unwrap();
    let second = ours.try_clone().unwrap();
    let tls = Stream::connect(client, "example.org", ours).unwrap();
    let (mut reader, mut writer) = tls.split(second).unwrap();
    let sender = std::thread::Builder::new()
        .spawn(move || {
            writer.write_all(&pattern(LEN)).unwrap();
            writer.close().unwrap();
            assert!(writer.write(b"x").is_err());
        })
        .unwrap();
    let mut received = Vec::new();
    reader.read_to_end(&mut received).unwrap();
    assert!(received == pattern(LEN));
    sender.join().unwrap();
    serve.join().unwrap();
}

fn echo(tls: Stream<std::os::unix::net::UnixStream>, second: std::os::unix::net::UnixStream) {
    let (mut reader, mut writer) = tls.split(second).unwrap();
    io::copy(&mut reader, &mut writer).unwrap();
    writer.close().unwrap();
}

#[test]
fn a_failure_of_one_half_reaches_the_other() {
    let (client, mut server) = connected(EASY);
    let mut spare = End::pair(EASY, &Arc::default()).0;
    spare.send = Rc::clone(&client.socket.send);
    let (mut reader, mut writer) = client.split(spare).unwrap();
    let garbage = [23, 3, 3, 0, 20].into_iter().chain([0; 20]);
    server.socket.send.borrow_mut().bytes.extend(garbage);
    let error = reader.read(&mut [0; 9]).unwrap_err();
    let fault = tls_error(&error).unwrap().clone();
    assert_eq!(tls_error(&writer.write(b"x").unwrap_err()), Some(&fault));
    assert_eq!(
        tls_error(&reader.read(&mut [0; 9]).unwrap_err()),
        Some(&fault)
    );
    let alert = server.read(&mut [0; 9]).unwrap_err();
    assert_eq!(
        tls_error(&alert),
        Some(&Error::Alert(fault.alert().unwrap()))
    );
}

fn assert_send<T: Send>() {}

#[test]
fn streams_can_move_between_threads() {
    assert_send::<Stream>();
    assert_send::<super::Reader<TcpStream>>();
    assert_send::<super::Writer<TcpStream>>();
    assert_send::<Arc<Acceptor>>();
}
