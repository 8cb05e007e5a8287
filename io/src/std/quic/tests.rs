//! Endpoints over the loopback. A generous bound ends what hangs; no test depends on how long anything takes.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use bytes::Bytes;
use pith_quic::{
    ClientConfig, ConnectionError, DatagramError, EndpointConfig, ServerConfig, VarInt,
};
use pith_tests::network::Link;
use pith_tests::network::proxy::Proxy;
use pith_tests::pair::{NAME, credential, trust};
use pith_tests::pki::Pki;
use pith_tls::{Answer, EarlyData, Group, Question, SessionStore, StrikeRegister, Topic};

use super::*;
use crate::clock::Clock;

/// Nothing takes so long.
const LIMIT: Option<Duration> = Some(Duration::from_secs(60));

struct World {
    client: Endpoint,
    config: ClientConfig,
    server: Endpoint,
}

fn tls_server(pki: &Pki) -> pith_tls::ServerConfigBuilder {
    pith_tls::ServerConfig::new(credential(&pki.leaf(NAME))).alpn(&[b"test"])
}

fn server_config(pki: &Pki) -> ServerConfig {
    let tls = tls_server(pki).build().unwrap();
    ServerConfig::new(tls).datagrams(1200).build().unwrap()
}

fn client_config(pki: &Pki) -> ClientConfig {
    let tls = pith_tls::ClientConfig::new(trust(pki)).alpn(&[b"test"]);
    let config = ClientConfig::new(tls.build().unwrap());
    config.datagrams(1200).build().unwrap()
}

impl World {
    fn new() -> Self {
        let pki = Pki::new();
        Self::with(&pki, server_config(&pki))
    }

    fn with(pki: &Pki, config: ServerConfig) -> Self {
        Self::of(pki, Endpoint::server("127.0.0.1:0", config).unwrap())
    }

    fn of(pki: &Pki, mut server: Endpoint) -> Self {
        let mut client = Endpoint::client("127.0.0.1:0").unwrap();
        server.set_timeout(LIMIT);
        client.set_timeout(LIMIT);
        Self {
            client,
            config: client_config(pki),
            server,
        }
    }

    fn connect(&self) -> Result<Connection, Error> {
        let mut connection = self
            .client
            .connect(&self.config, self.server.local_addr(), NAME)?;
        connection.set_timeout(LIMIT);
        Ok(connection)
    }

    fn accept(&self) -> Result<Connection, Error> {
        let mut connection = self.server.accept()?.accept()?;
        connection.set_timeout(LIMIT);
        Ok(connection)
    }

    /// A connection as its client and as its server have it.
    fn connected(&self) -> (Connection, Connection) {
        thread::scope(|scope| {
            let accepting = scope.spawn(|| self.accept().unwrap());
            (self.connect().unwrap(), accepting.join().unwrap())
        })
    }
}

fn data(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 % 251) as u8).collect()
}

fn is_closed(error: &Error, code: u8) -> bool {
    let want = u64::from(code);
    matches!(error, Error::Connection(ConnectionError::ApplicationClosed { code, .. }) if *code == want)
}

#[test]
fn handles_go_to_other_threads() {
    fn goes<T: Send + 'static>() {}
    fn is_shared<T: Send + Sync + Clone>() {}
    is_shared::<Endpoint>();
    is_shared::<Connection>();
    goes::<Incoming>();
    goes::<SendStream>();
    goes::<RecvStream>();
}

#[test]
fn several_threads_serve_one_address_and_all_end() {
    let pki = Pki::new();
    let config = server_config(&pki);
    let mut server = Endpoint::server_workers("127.0.0.1:0", config, 2).unwrap();
    server.set_timeout(LIMIT);
    let address = server.local_addr();
    let config = client_config(&pki);
    thread::scope(|scope| {
        for _ in 0..24 {
            scope.spawn(|| {
                let mut client = Endpoint::client("127.0.0.1:0").unwrap();
                client.set_timeout(LIMIT);
                let mut connection = client.connect(&config, address, NAME).unwrap();
                connection.set_timeout(LIMIT);
                let (mut send, mut recv) = connection.open_bi().unwrap();
                send.write_all(b"hello").unwrap();
                send.finish().unwrap();
                assert_eq!(recv.read_to_end(9).unwrap(), b"hello");
            });
        }
        for _ in 0..24 {
            let mut connection = server.accept().unwrap().accept().unwrap();
            connection.set_timeout(LIMIT);
            scope.spawn(move || {
                let (mut send, mut recv) = connection.accept_bi().unwrap();
                send.write_all(&recv.read_to_end(9).unwrap()).unwrap();
                send.finish().unwrap();
            });
        }
    });
    let workers = server.worker_stats();
    assert!(workers.iter().all(|worker| worker.accepted > 0));
    assert_eq!(
        workers.iter().map(|worker| worker.accepted).sum::<u64>(),
        24
    );
    server.shutdown(Duration::from_secs(60));
    assert_eq!(server.stats().connections, 0);
}

#[test]
fn streams_are_read_and_written_both_ways_and_datagrams_pass() {
    let world = World::new();
    let (client, server) = world.connected();
    assert_eq!(client.summary().unwrap().group, Group::X25519MlKem768);
    assert_eq!(client.remote(), world.server.local_addr());
    assert_eq!(server.remote(), world.client.local_addr());
    let long = data(3_000_000);
    thread::scope(|scope| {
        // An echo of whatever comes.
        scope.spawn(|| {
            let (mut send, mut receive) = server.accept_bi().unwrap();
            io::copy(&mut receive, &mut send).unwrap();
        });
        let (mut send, mut receive) = client.open_bi().unwrap();
        let long = &long;
        scope.spawn(move || {
            send.write_all(long).unwrap();
            send.finish().unwrap();
            send.flush().unwrap();
            let late = send.write(b"more").unwrap_err();
            assert_eq!(late.kind(), ErrorKind::InvalidInput);
            assert_eq!(send.stopped().unwrap(), None);
        });
        let mut got = Vec::new();
        Read::read_to_end(&mut receive, &mut got).unwrap();
        assert!(got == *long);
        assert_eq!(receive.read(&mut [0; 9]).unwrap(), 0, "the end stays");
    });
    let mut send = server.open_uni().unwrap();
    send.write_bytes(&mut Bytes::from_static(b"one way"))
        .unwrap();
    drop(send);
    let mut receive = client.accept_uni().unwrap();
    let error = receive.read_to_end(3).unwrap_err();
    assert!(matches!(error, Error::TooLong(3)));
    assert_eq!(receive.read_to_end(100).unwrap(), b"one way");
    server.send_datagram(Bytes::from_static(b"whole")).unwrap();
    assert_eq!(client.read_datagram().unwrap(), "whole");
    let most = client.largest_datagram().unwrap();
    let large = client.send_datagram(vec![0; most + 1].into());
    assert!(matches!(
        large,
        Err(Error::Datagram(DatagramError::TooLarge))
    ));
    let mut exported = [[0; 32]; 2];
    client.export(b"label", b"", &mut exported[0]).unwrap();
    server.export(b"label", b"", &mut exported[1]).unwrap();
    assert_eq!(exported[0], exported[1]);
    client.close(VarInt::from(7_u8), b"enough");
    assert!(is_closed(&server.closed(), 7));
    assert!(matches!(
        client.closed(),
        Error::Connection(ConnectionError::LocallyClosed)
    ));
    assert!(client.open_bi().is_err() && server.accept_bi().is_err());
}

#[test]
fn who_waits_alone_drives_and_who_waits_for_nothing_need_not() {
    let world = World::new();
    let (client, server) = world.connected();
    let (mut send, mut recv) = client.open_bi().unwrap();
    send.write_all(b"?").unwrap();
    let (mut back, mut there) = server.accept_bi().unwrap();
    let (done, is_done) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            for _ in 0..ROUNDS {
                there.read_exact(&mut [0]).unwrap();
                back.write_all(b"!").unwrap();
            }
            // The last byte was written, and this thread waits for nothing of the endpoint's.
            assert!(is_done.recv().is_err());
        });
        for round in 0..ROUNDS {
            if round > 0 {
                send.write_all(b"?").unwrap();
            }
            recv.read_exact(&mut [0]).unwrap();
        }
        drop(done);
    });
    assert!(world.client.thread.taken() > 0);
}

/// Questions and answers in a row.
const ROUNDS: u32 = 50;

#[test]
fn resets_and_stops_carry_their_codes() {
    let world = World::new();
    let (client, server) = world.connected();
    let (mut send, mut receive) = client.open_bi().unwrap();
    send.write_all(b"hello").unwrap();
    let (mut back, mut there) = server.accept_bi().unwrap();
    assert_eq!(there.read_chunk(100).unwrap().unwrap(), "hello");
    send.reset(VarInt::from(5_u8));
    let reset = there.read(&mut [0; 9]).unwrap_err();
    assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
    let inner = reset.get_ref().and_then(|inner| inner.downcast_ref());
    assert!(matches!(inner, Some(Error::Reset(code)) if *code == VarInt::from(5_u8)));
    receive.stop(VarInt::from(6_u8));
    assert_eq!(back.stopped().unwrap(), Some(VarInt::from(6_u8)));
    let stopped = back.write(b"unwanted").unwrap_err();
    assert_eq!(stopped.kind(), ErrorKind::BrokenPipe);
}

#[test]
fn what_times_out_can_be_done_again() {
    let world = World::new();
    let short = Some(Duration::from_millis(20));
    let mut server = world.server.clone();
    server.set_timeout(short);
    let error = server.accept().unwrap_err();
    assert!(matches!(error, Error::TimedOut(limit) if Some(limit) == short));
    let (client, there) = world.connected();

    let mut impatient = there.clone();
    impatient.set_timeout(short);
    assert!(matches!(impatient.accept_bi(), Err(Error::TimedOut(_))));
    assert!(matches!(impatient.accept_uni(), Err(Error::TimedOut(_))));
    assert!(matches!(impatient.read_datagram(), Err(Error::TimedOut(_))));
    assert!(matches!(impatient.closed(), Error::TimedOut(_)));

    // Nobody reads: the windows fill, and no byte is lost or sent twice.
    let mut send = client.open_uni().unwrap();
    send.set_timeout(short);
    let long = data(3_000_000);
    let mut written = 0;
    let error = loop {
        match send.write(&long[written..]) {
            Ok(count) => written += count,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(written > 0 && written < long.len(), "{written}");
    let mut receive = there.accept_uni().unwrap();
    receive.set_timeout(short);
    thread::scope(|scope| {
        scope.spawn(|| {
            send.set_timeout(LIMIT);
            send.write_all(&long[written..]).unwrap();
            drop(send);
        });
        let mut got = Vec::new();
        let mut part = [0; 100_000];
        while got.len() < long.len() {
            match receive.read(&mut part) {
                Ok(count) => got.extend_from_slice(&part[..count]),
                Err(error) => assert_eq!(error.kind(), ErrorKind::TimedOut),
            }
        }
        assert!(got == long);
    });
    let (mut open, _receive) = client.open_bi().unwrap();
    let (_send, mut silent) = {
        open.write_all(b"1").unwrap();
        there.accept_bi().unwrap()
    };
    assert_eq!(silent.read(&mut [0; 9]).unwrap(), 1);
    silent.set_timeout(short);
    assert_eq!(
        silent.read(&mut [0; 9]).unwrap_err().kind(),
        ErrorKind::TimedOut
    );
    open.write_all(b"2").unwrap();
    silent.set_timeout(LIMIT);
    let mut byte = [0; 9];
    assert_eq!(silent.read(&mut byte).unwrap(), 1);
    assert_eq!(byte[0], b'2');
}

#[test]
fn the_last_handle_waits_until_everything_has_arrived() {
    // (name, the order in which a client drops its handles)
    let orders: [(&str, [u8; 3]); 4] = [
        ("as locals go", [0, 1, 2]),
        ("the endpoint first", [2, 1, 0]),
        ("the connection first", [1, 2, 0]),
        ("the stream last but one", [1, 0, 2]),
    ];
    for (name, order) in orders {
        let World {
            client: endpoint,
            config,
            server,
        } = World::new();
        let long = data(200_000); // within the windows: no reader is needed
        thread::scope(|scope| {
            let accepting = scope.spawn(|| server.accept().unwrap().accept().unwrap());
            let connection = endpoint
                .connect(&config, server.local_addr(), NAME)
                .unwrap();
            let mut send = connection.open_uni().unwrap();
            send.write_all(&long).unwrap();
            let mut handles = (Some(send), Some(connection), Some(endpoint));
            for handle in order {
                match handle {
                    0 => drop(handles.0.take()),
                    1 => drop(handles.1.take()),
                    _ => drop(handles.2.take()),
                }
            }
            let mut there = accepting.join().unwrap();
            // All is here by now: nothing is waited for.
            there.set_timeout(Some(Duration::ZERO));
            let mut receive = there.accept_uni().unwrap();
            assert!(receive.read_to_end(1_000_000).unwrap() == long, "{name}");
            there.set_timeout(LIMIT);
            assert!(is_closed(&there.closed(), 0), "{name}");
        });
    }
}

#[test]
fn a_thread_that_panics_waits_for_nobody() {
    let World {
        client: endpoint,
        config,
        server,
    } = World::new();
    let link = Link::default;
    let proxy = Proxy::new(server.local_addr(), 1, link(), link()).unwrap();
    let began = Instant::now();
    thread::scope(|scope| {
        let accepting = scope.spawn(|| server.accept().unwrap().accept().unwrap());
        let client = endpoint.connect(&config, proxy.address(), NAME).unwrap();
        let mut send = client.open_uni().unwrap();
        let _there = accepting.join().unwrap();
        // Nothing arrives any more.
        drop(proxy);
        send.write_all(&data(100_000)).unwrap();
        let panicking = scope.spawn(move || {
            let _handles = (send, client, endpoint);
            std::panic::panic_any("the test's own");
        });
        assert!(panicking.join().is_err());
    });
    assert!(began.elapsed() < Duration::from_secs(30), "it waited");
}

#[test]
fn threads_share_a_connection_and_an_endpoint() {
    const CONNECTIONS: usize = 5;
    const STREAMS: usize = 8;
    let world = World::new();
    thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                let connection = world.accept().unwrap();
                thread::scope(|scope| {
                    for _ in 0..STREAMS {
                        scope.spawn(|| {
                            let (mut send, mut receive) = connection.accept_bi().unwrap();
                            let got = receive.read_to_end(1_000_000).unwrap();
                            send.write_all(&got).unwrap();
                        });
                    }
                });
            });
        }
        for number in 0..CONNECTIONS {
            let world = &world;
            scope.spawn(move || {
                let connection = world.connect().unwrap();
                thread::scope(|scope| {
                    for stream in 0..STREAMS {
                        let connection = connection.clone();
                        scope.spawn(move || {
                            let sent = data(10_000 * number + 1000 * stream + 1);
                            let (mut send, mut receive) = connection.open_bi().unwrap();
                            send.write_all(&sent).unwrap();
                            send.finish().unwrap();
                            assert!(receive.read_to_end(1_000_000).unwrap() == sent);
                        });
                    }
                });
            });
        }
    });
}

#[test]
fn a_shut_endpoint_lets_nobody_in_and_ends_within_its_limit() {
    let world = World::new();
    let (client, there) = world.connected();
    let mut send = client.open_uni().unwrap();
    send.write_all(b"before").unwrap();
    let mut receive = there.accept_uni().unwrap();
    thread::scope(|scope| {
        let accepting = scope.spawn(|| world.server.accept());
        let shutting = scope.spawn(|| world.server.shutdown(Duration::from_secs(60)));
        assert!(matches!(accepting.join().unwrap(), Err(Error::ShutDown)));
        // Who is there may go on.
        send.write_all(b", and after").unwrap();
        send.finish().unwrap();
        assert_eq!(receive.read_to_end(100).unwrap(), b"before, and after");
        client.close(VarInt::from(0_u8), b"");
        shutting.join().unwrap();
    });
    assert!(matches!(world.server.accept(), Err(Error::ShutDown)));

    let world = World::new();
    let (client, _there) = world.connected();
    world.server.shutdown(Duration::ZERO);
    assert!(is_closed(&client.closed(), 0));
    assert!(matches!(
        world
            .client
            .clone()
            .connect(&world.config, "0.0.0.0:1".parse().unwrap(), NAME),
        Err(Error::Address(..))
    ));
}

#[test]
fn clients_are_turned_away_or_asked_to_come_again() {
    let world = World::new();
    thread::scope(|scope| {
        let connecting = scope.spawn(|| world.connect());
        let incoming = world.server.accept().unwrap();
        assert_eq!(incoming.server_name(), Some(NAME));
        assert_eq!(incoming.alpn(), [b"test"]);
        assert!(!incoming.is_validated());
        incoming.retry().unwrap();
        let incoming = world.server.accept().unwrap();
        assert!(incoming.is_validated());
        let incoming = incoming.retry().unwrap_err();
        incoming.refuse();
        let refused = connecting.join().unwrap().unwrap_err();
        assert!(
            matches!(
                refused,
                Error::Connection(ConnectionError::PeerClosed { .. })
            ),
            "{refused}"
        );
    });
}

#[test]
fn a_running_server_takes_another_configuration() {
    let pki = Pki::new();
    let world = World::with(&pki, server_config(&pki));
    let (before, _there) = world.connected();
    let tls = pith_tls::ServerConfig::new(credential(&pki.leaf(NAME))).alpn(&[b"other"]);
    let other = ServerConfig::new(tls.build().unwrap()).build().unwrap();
    world.server.set_server_config(other);
    thread::scope(|scope| {
        let accepting = scope.spawn(|| world.accept());
        assert!(world.connect().is_err(), "no protocol in common any more");
        assert!(accepting.join().unwrap().is_err());
    });
    assert!(before.error().is_none());
    thread::scope(|scope| {
        let connecting = scope.spawn(|| world.connect());
        let incoming = world.server.accept().unwrap();
        let there = incoming.with_config(server_config(&pki)).accept().unwrap();
        assert!(connecting.join().unwrap().is_ok());
        drop(there);
    });
}

#[test]
fn questions_are_answered_in_the_thread_that_waits() {
    let pki = Pki::new();
    let asks = tls_server(&pki).ask_config(true).build().unwrap();
    let world = World::with(&pki, ServerConfig::new(asks).build().unwrap());
    let answer_with = |config| {
        let mut config = Some(config);
        move |question: Question| -> Result<Answer, Error> {
            assert!(matches!(question.topic, Topic::Config(_)));
            Ok(Answer::config(&question, config.take()))
        }
    };
    let config = tls_server(&pki).build().unwrap();
    thread::scope(|scope| {
        let connecting = scope.spawn(|| world.connect());
        let incoming = world.server.accept().unwrap();
        let there = incoming.accept_with(answer_with(config)).unwrap();
        connecting.join().unwrap().unwrap();
        drop(there);
    });
    thread::scope(|scope| {
        let connecting = scope.spawn(|| world.connect());
        let incoming = world.server.accept().unwrap();
        assert!(matches!(incoming.accept(), Err(Error::Question)));
        assert!(connecting.join().unwrap().is_err());
    });
}

#[test]
fn early_data_is_answered_early() {
    let pki = Pki::new();
    // It has been there for a while.
    let mut began = Clock::system().now();
    began.unix -= Duration::from_secs(100);
    let tls = tls_server(&pki).early_data(u32::MAX, StrikeRegister::new(began));
    let config = ServerConfig::new(tls.build().unwrap()).build().unwrap();
    let mut world = World::with(&pki, config);
    let tls = pith_tls::ClientConfig::new(trust(&pki))
        .sessions(SessionStore::new())
        .early_data(true)
        .alpn(&[b"test"]);
    world.config = ClientConfig::new(tls.build().unwrap()).build().unwrap();
    let World {
        client,
        config,
        server,
    } = &world;
    for (want, remembered) in [
        (EarlyData::NotOffered, None),
        (EarlyData::Accepted, Some("")),
    ] {
        // Once the server answers, the time for early data is over.
        let (written, writes) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(move || {
                if remembered.is_some() {
                    writes.recv().unwrap();
                }
                let mut there = server.accept().unwrap().accept_early().unwrap();
                there.set_timeout(LIMIT);
                let (mut send, mut receive) = there.accept_bi().unwrap();
                assert_eq!(receive.read_to_end(9).unwrap(), b"hello");
                assert_eq!(receive.is_early(), remembered.is_some());
                send.write_all(b"answer").unwrap();
                send.finish().unwrap();
                assert_eq!(there.handshake().unwrap(), want);
                there.closed();
            });
            let address = server.local_addr();
            let mut connection = client.connect_early(config, address, NAME).unwrap();
            connection.set_timeout(LIMIT);
            let before = connection.remembered();
            assert_eq!(before.as_deref(), remembered.map(str::as_bytes));
            let (mut send, mut receive) = connection.open_bi().unwrap();
            send.write_all(b"hello").unwrap();
            send.finish().unwrap();
            let _received = written.send(());
            assert_eq!(receive.read_to_end(9).unwrap(), b"answer");
            assert!(!receive.is_early());
            assert_eq!(connection.handshake().unwrap(), want);
        });
    }
}

#[test]
fn who_never_answers_is_named() {
    let world = World::new();
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let remote: SocketAddr = silent.local_addr().unwrap();
    let pki = Pki::new();
    let tls = pith_tls::ClientConfig::new(trust(&pki)).alpn(&[b"test"]);
    let config = ClientConfig::new(tls.build().unwrap())
        .handshake_timeout(Duration::from_millis(50))
        .build()
        .unwrap();
    let error = world.client.connect(&config, remote, NAME).unwrap_err();
    assert!(matches!(error, Error::NoAnswer(address) if address == remote));
    let mut impatient = world.client.clone();
    impatient.set_timeout(Some(Duration::from_millis(10)));
    let error = impatient.connect(&world.config, remote, NAME).unwrap_err();
    assert!(matches!(error, Error::TimedOut(_)));
    let error = impatient
        .connect(&world.config, remote, "not a name")
        .unwrap_err();
    assert!(matches!(error, Error::Name));
}

#[test]
fn a_socket_of_the_callers_serves_both_families() {
    let pki = Pki::new();
    let Ok(socket) = UdpSocket::bind("[::]:0") else {
        println!("SKIPPED: udp_ipv6: no IPv6");
        return;
    };
    let port = socket.local_addr().unwrap().port();
    let endpoint = EndpointConfig::server().unwrap();
    let server = Endpoint::new(endpoint, Some(server_config(&pki)), socket).unwrap();
    let client = Endpoint::client("[::]:0").unwrap();
    let config = client_config(&pki);
    for host in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"] {
        let remote: SocketAddr = format!("{host}:{port}").parse().unwrap();
        thread::scope(|scope| {
            let accepting = scope.spawn(|| server.accept().unwrap().accept().unwrap());
            let connection = client.connect(&config, remote, NAME).unwrap();
            let there = accepting.join().unwrap();
            assert_eq!(there.remote().ip(), remote.ip().to_canonical(), "{host}");
            assert_eq!(
                connection.remote().ip(),
                remote.ip().to_canonical(),
                "{host}"
            );
        });
    }
}

#[test]
fn connections_go_on_when_their_socket_is_replaced() {
    let world = World::new();
    let (client, server) = world.connected();
    let long = data(500_000);
    let there = |client: &Connection, server: &Connection| {
        thread::scope(|scope| {
            let long = &long;
            scope.spawn(move || {
                let mut send = client.open_uni().unwrap();
                send.write_all(long).unwrap();
                send.finish().unwrap();
                send.flush().unwrap();
            });
            let mut receive = server.accept_uni().unwrap();
            let mut got = vec![0; 1000];
            Read::read_exact(&mut receive, &mut got).unwrap();
            // In the middle of it.
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            world.client.rebind(socket).unwrap();
            Read::read_to_end(&mut receive, &mut got).unwrap();
            assert!(got == *long);
        });
    };
    for round in 1..=2 {
        there(&client, &server);
        assert_eq!((client.stats().moves, server.stats().moves), (round, round));
        assert_eq!(server.remote(), world.client.local_addr());
    }
    let refused = world
        .server
        .rebind(UdpSocket::bind("127.0.0.1:0").unwrap())
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
}

/// Two addresses of this host: another port, or another address too.
const PREFERRED: [(&str, &str); 2] = [
    ("127.0.0.1:0", "127.0.0.1:0"),
    ("127.0.0.1:0", "127.0.0.2:0"),
];

fn preferring(pki: &Pki, preferred: SocketAddr, moves: bool) -> ServerConfig {
    let tls = tls_server(pki).build().unwrap();
    let SocketAddr::V4(preferred) = preferred else {
        panic!("IPv4");
    };
    let config = ServerConfig::new(tls).preferred_address(Some(preferred), None);
    config.active_migration(moves).build().unwrap()
}

/// Sends there and back until the connection has moved on both sides, and once more.
fn until_both_moved(client: &Connection, server: &Connection, long: &[u8]) {
    thread::scope(|scope| {
        scope.spawn(|| {
            while let Ok(mut stream) = server.accept_bi() {
                let mut got = Vec::new();
                Read::read_to_end(&mut stream.1, &mut got).unwrap();
                stream.0.write_all(&got).unwrap();
                stream.0.finish().unwrap();
            }
        });
        let moved = || client.stats().moves > 0 && server.stats().moves > 0;
        let mut last = false;
        while !last {
            last = moved();
            let (mut send, mut receive) = client.open_bi().unwrap();
            let mut got = Vec::new();
            thread::scope(|scope| {
                scope.spawn(move || {
                    send.write_all(long).unwrap();
                    send.finish().unwrap();
                });
                Read::read_to_end(&mut receive, &mut got).unwrap();
            });
            assert!(got == long);
        }
        client.close(VarInt::ZERO, b"");
    });
}

#[test]
fn clients_go_to_a_second_socket_that_their_server_prefers() {
    for (first, second) in PREFERRED {
        for moves in [true, false] {
            let pki = Pki::new();
            let sockets = [first, second].map(|at| UdpSocket::bind(at).unwrap());
            let [first, second] = sockets.each_ref().map(|s| s.local_addr().unwrap());
            let config = preferring(&pki, second, moves);
            let endpoint = EndpointConfig::server().unwrap();
            let server = Endpoint::new_at(endpoint, Some(config), vec![sockets.into()]).unwrap();
            let world = World::of(&pki, server);
            assert_eq!(world.server.local_addr(), first);
            let (client, server) = world.connected();
            until_both_moved(&client, &server, &data(100_000));
            assert_eq!(client.remote(), second);
            assert_eq!((client.stats().moves, server.stats().moves), (1, 1));
        }
    }
}

/// One socket has all addresses of the host.
#[test]
fn clients_go_to_another_address_of_the_same_socket() {
    let pki = Pki::new();
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let preferred = SocketAddr::from(([127, 0, 0, 2], port));
    let config = preferring(&pki, preferred, true);
    let endpoint = EndpointConfig::server().unwrap();
    let server = Endpoint::new(endpoint, Some(config), socket).unwrap();
    let world = World::of(&pki, server);
    let (client, server) = thread::scope(|scope| {
        let accepting = scope.spawn(|| world.accept().unwrap());
        let remote = SocketAddr::from(([127, 0, 0, 1], port));
        let mut client = world.client.connect(&world.config, remote, NAME).unwrap();
        client.set_timeout(LIMIT);
        (client, accepting.join().unwrap())
    });
    until_both_moved(&client, &server, &data(100_000));
    assert_eq!(client.remote(), preferred);
}

#[test]
fn clients_without_ids_are_told_apart_by_their_servers() {
    let pki = Pki::new();
    let tls = pith_tls::ClientConfig::new(trust(&pki)).alpn(&[b"test"]);
    let config = ClientConfig::new(tls.build().unwrap()).empty_ids(true);
    let two = World::with(&pki, server_config(&pki));
    let world = World {
        config: config.build().unwrap(),
        ..World::with(&pki, server_config(&pki))
    };
    let worlds = [&world, &two].map(|served| {
        thread::scope(|scope| {
            let accepting = scope.spawn(|| served.accept().unwrap());
            let remote = served.server.local_addr();
            let client = world.client.connect(&world.config, remote, NAME).unwrap();
            (client, accepting.join().unwrap())
        })
    });
    let remote = world.server.local_addr();
    let refused = world.client.connect(&world.config, remote, NAME);
    let refused = refused.map(drop).unwrap_err();
    assert!(matches!(
        refused,
        Error::Connection(ConnectionError::Ambiguous)
    ));
    assert_eq!(io::Error::from(refused).kind(), ErrorKind::AddrInUse);
    let long = data(50_000);
    for (client, server) in worlds {
        let mut send = client.open_uni().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                send.write_all(&long).unwrap();
                send.finish().unwrap();
            });
            let mut got = Vec::new();
            let mut receive = server.accept_uni().unwrap();
            Read::read_to_end(&mut receive, &mut got).unwrap();
            assert!(got == long);
        });
    }
}
