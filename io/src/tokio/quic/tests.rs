//! Endpoints over loopback, on both kinds of runtime.

mod preferred;
mod workers;

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pith_quic::{
    ClientConfig, ConnectionError, PreferredAddresses, Retrying, ServerConfig, VarInt,
};
use pith_tests::pair::{NAME, credential, trust};
use pith_tests::pki::{Kind, Pki};
use pith_tls::{Answer, Credential, EarlyData, Question, SessionStore, StrikeRegister, Topic};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::{join, try_join};

use super::{Connection, Endpoint, Error, Incoming, RecvStream, SendStream};
use crate::clock::Clock;

const LIMIT: Duration = Duration::from_secs(60);

/// Runs a test on a runtime of one thread, and on one of several.
fn on_both<F: Future<Output = ()>>(test: impl Fn() -> F) {
    let one = Builder::new_current_thread().enable_all().build();
    let several = Builder::new_multi_thread()
        .worker_threads(3)
        .enable_all()
        .build();
    for runtime in [one.unwrap(), several.unwrap()] {
        run(&runtime, test());
    }
}

fn run<T>(runtime: &Runtime, test: impl Future<Output = T>) -> T {
    let test = async { tokio::time::timeout(LIMIT, test).await };
    runtime.block_on(test).unwrap()
}

struct Configs {
    pki: Pki,
    client: ClientConfig,
    server: ServerConfig,
}

fn configs() -> Configs {
    let pki = Pki::with(Kind::P256, 0);
    Configs {
        client: client_of(&pki, &[b"echo"]),
        server: server_of(&pki, b"echo"),
        pki,
    }
}

fn client_of(pki: &Pki, protocols: &[&[u8]]) -> ClientConfig {
    let tls = pith_tls::ClientConfig::new(trust(pki)).alpn(protocols);
    let config = ClientConfig::new(tls.build().unwrap()).datagrams(1200);
    config.build().unwrap()
}

fn leaf(pki: &Pki) -> Credential {
    credential(&pki.leaf_with(Kind::P256, &[NAME], |_| ()))
}

fn server_of(pki: &Pki, protocol: &[u8]) -> ServerConfig {
    let tls = pith_tls::ServerConfig::new(leaf(pki)).alpn(&[protocol]);
    let config = ServerConfig::new(tls.build().unwrap()).datagrams(1200);
    config.build().unwrap()
}

/// A server that echoes all streams and datagrams of all clients, and what it makes of them.
fn echoing(configs: &Configs) -> Endpoint {
    let server = Endpoint::server("127.0.0.1:0", configs.server.clone()).unwrap();
    echo_on(&server);
    server
}

fn echo_on(server: &Endpoint) {
    let endpoint = server.clone();
    tokio::spawn(async move {
        while let Some(incoming) = endpoint.accept().await {
            tokio::spawn(async move { serve(incoming.await?).await });
        }
    });
}

async fn serve(connection: Connection) -> Result<(), Error> {
    loop {
        tokio::select! {
            stream = connection.accept_bi() => {
                let (send, mut recv) = stream?;
                recv.allow_early();
                tokio::spawn(echo(send, recv));
            }
            datagram = connection.read_datagram() => connection.send_datagram(datagram?)?,
        }
    }
}

async fn echo(mut send: SendStream, mut recv: RecvStream) -> io::Result<u64> {
    tokio::io::copy(&mut recv, &mut send).await
}

fn pattern(length: usize, seed: usize) -> Vec<u8> {
    (0..length)
        .map(|at| (at ^ (at >> 8) ^ (at >> 16) ^ seed) as u8)
        .collect()
}

async fn there_and_back(connection: &Connection, data: &[u8]) -> Result<Vec<u8>, Error> {
    let (mut send, mut recv) = connection.open_bi().await?;
    let write = async {
        send.write_all(data).await?;
        send.finish()
    };
    Ok(try_join!(write, recv.read_to_end(data.len()))?.1)
}

#[test]
fn handles_go_between_threads() {
    fn check<T: Send + Sync + 'static>() {}
    check::<Endpoint>();
    check::<Incoming>();
    check::<Connection>();
    check::<SendStream>();
    check::<RecvStream>();
    check::<Error>();
}

#[test]
fn megabytes_go_there_and_back() {
    on_both(|| async {
        let configs = configs();
        let server = echoing(&configs);
        let client = Endpoint::client("[::]:0").unwrap();
        let connection = client
            .connect(&configs.client, server.local_addr(), NAME)
            .await
            .unwrap();
        let summary = connection.summary().unwrap();
        assert!(summary.group.is_post_quantum());
        let data = pattern(5_000_000, 0);
        let got = there_and_back(&connection, &data).await.unwrap();
        assert!(got == data);
        let stats = connection.stats();
        assert!(stats.bytes_sent > 5_000_000 && stats.bytes_received > 5_000_000);
        drop(connection);
        join!(client.shutdown(LIMIT), server.shutdown(LIMIT));
        let late = client
            .connect(&configs.client, server.local_addr(), NAME)
            .await;
        assert!(matches!(late, Err(Error::ShutDown)));
    });
}

#[test]
fn datagrams_become_as_long_as_the_loopback_carries_and_what_the_system_refuses_harms_nobody() {
    // (the longest that is tried, the least and the most that is found): IPv4 carries no more than the last, and the system says so
    let rows = [
        (1200, 1200, 1200),
        (1452, 1452, 1452),
        (9000, 9000, 9000),
        (65_527, 30_000, 65_507),
    ];
    on_both(|| async {
        let pki = Pki::with(Kind::P256, 0);
        let credential = leaf(&pki);
        for (largest, least, most) in rows {
            let tls = pith_tls::ServerConfig::new(credential.clone()).alpn(&[b"echo"]);
            let config = ServerConfig::new(tls.build().unwrap()).mtu(largest);
            let server = Endpoint::server("127.0.0.1:0", config.build().unwrap()).unwrap();
            echo_on(&server);
            let tls = pith_tls::ClientConfig::new(trust(&pki)).alpn(&[b"echo"]);
            let config = ClientConfig::new(tls.build().unwrap()).mtu(largest);
            let config = config.build().unwrap();
            let client = Endpoint::client("127.0.0.1:0").unwrap();
            let connection = client.connect(&config, server.local_addr(), NAME);
            let connection = connection.await.unwrap();
            let data = pattern(500_000, 3);
            let mut found = 0;
            while found < least {
                let got = there_and_back(&connection, &data).await.unwrap();
                assert!(got == data, "{largest}");
                found = connection.stats().mtu;
                assert!((1200..=most).contains(&found), "{largest}: {found}");
            }
            drop(connection);
            join!(client.shutdown(LIMIT), server.shutdown(LIMIT));
        }
    });
}

#[test]
fn a_socket_that_is_full_at_every_other_call_delays_and_loses_nothing() {
    on_both(|| async {
        let configs = configs();
        let server = Endpoint::stalling(configs.server.clone());
        echo_on(&server);
        let client = Endpoint::client("127.0.0.1:0").unwrap();
        let connection = client
            .connect(&configs.client, server.local_addr(), NAME)
            .await
            .unwrap();
        let data = pattern(1_000_000, 5);
        let got = there_and_back(&connection, &data).await.unwrap();
        assert!(got == data);
        drop(connection);
        join!(client.shutdown(LIMIT), server.shutdown(LIMIT));
    });
}

#[test]
fn many_streams_of_many_connections_run_side_by_side() {
    on_both(|| async {
        let configs = configs();
        let server = echoing(&configs);
        let client = Endpoint::client("127.0.0.1:0").unwrap();
        let mut tasks = JoinSet::new();
        for number in 0..8 {
            let connection = client
                .connect(&configs.client, server.local_addr(), NAME)
                .await
                .unwrap();
            // More than the peer allows at once.
            for stream in 0..150 {
                let connection = connection.clone();
                tasks.spawn(async move {
                    let data = pattern(10_000 + stream, number * 7 + stream);
                    there_and_back(&connection, &data).await.unwrap() == data
                });
            }
        }
        let mut done = 0;
        while let Some(same) = tasks.join_next().await {
            assert!(same.unwrap());
            done += 1;
        }
        assert_eq!(done, 8 * 150);
        join!(client.shutdown(LIMIT), server.shutdown(LIMIT));
    });
}

#[test]
fn handles_that_are_dropped_right_after_a_write_deliver_everything() {
    on_both(|| async {
        let configs = configs();
        let server = Endpoint::server("127.0.0.1:0", configs.server.clone()).unwrap();
        let data = pattern(250_000, 3);
        let send = async {
            let client = Endpoint::client("127.0.0.1:0").unwrap();
            let connection = client
                .connect(&configs.client, server.local_addr(), NAME)
                .await
                .unwrap();
            for _ in 0..4 {
                let mut stream = connection.open_uni().await.unwrap();
                stream.write_all(&data).await.unwrap();
            }
        };
        let receive = async {
            let connection = server.accept().await.unwrap().accept().await.unwrap();
            let read = async || {
                let mut stream = connection.accept_uni().await.unwrap();
                assert!(stream.read_to_end(data.len()).await.unwrap() == data);
            };
            join!(read(), read(), read(), read());
            connection.closed().await
        };
        let ((), end) = join!(send, receive);
        let closed = ConnectionError::ApplicationClosed {
            code: 0,
            reason: Bytes::new(),
        };
        assert!(matches!(end, Error::Connection(error) if error == closed));
    });
}

#[test]
fn a_shutdown_lets_what_runs_finish_and_nobody_in() {
    on_both(|| async {
        let configs = configs();
        let server = Arc::new(echoing(&configs));
        let client = Endpoint::client("127.0.0.1:0").unwrap();
        let connect = || client.connect(&configs.client, server.local_addr(), NAME);
        let connection = connect().await.unwrap();
        let (mut send, mut recv) = connection.open_bi().await.unwrap();
        send.write_all(b"before").await.unwrap();
        let ending = tokio::spawn({
            let server = Arc::clone(&server);
            async move { server.shutdown(LIMIT).await }
        });
        while server.accept().await.is_some() {}
        let refused = connect().await.unwrap_err();
        assert!(
            matches!(&refused, Error::Connection(ConnectionError::PeerClosed { code, .. })
                if *code == pith_quic::Code::CONNECTION_REFUSED),
            "{refused:?}"
        );
        assert!(!ending.is_finished());
        send.write_all(b" and after").await.unwrap();
        send.finish().unwrap();
        assert_eq!(recv.read_to_end(99).await.unwrap(), b"before and after");
        drop((connection, send, recv));
        ending.await.unwrap();
        // Who does not end by himself is closed.
        let server = echoing(&configs);
        let connection = client.connect(&configs.client, server.local_addr(), NAME);
        let connection = connection.await.unwrap();
        let got = there_and_back(&connection, b"hello").await.unwrap();
        assert_eq!(got, b"hello");
        server.shutdown(Duration::ZERO).await;
        assert!(matches!(
            connection.closed().await,
            Error::Connection(ConnectionError::ApplicationClosed { code: 0, .. })
        ));
    });
}

#[test]
fn a_server_takes_another_configuration_while_it_runs() {
    on_both(|| async {
        let configs = configs();
        let server = echoing(&configs);
        let client = Endpoint::client("127.0.0.1:0").unwrap();
        let both = client_of(&configs.pki, &[b"echo", b"next"]);
        let connect = || client.connect(&both, server.local_addr(), NAME);
        let old = connect().await.unwrap();
        server.set_server_config(server_of(&configs.pki, b"next"));
        let new = connect().await.unwrap();
        for (connection, protocol) in [(old, &b"echo"[..]), (new, b"next")] {
            let summary = connection.summary().unwrap();
            assert_eq!(summary.protocol.as_deref(), Some(protocol));
            let got = there_and_back(&connection, b"hello").await.unwrap();
            assert_eq!(got, b"hello");
        }
    });
}

#[test]
fn a_port_where_nobody_listens_shows_at_the_deadline() {
    on_both(|| async {
        let configs = configs();
        // Bound and never read: nobody else gets the port meanwhile.
        let nobody = super::endpoint::bind("127.0.0.1:0").unwrap();
        let remote = nobody.local_addr().unwrap();
        let tls = pith_tls::ClientConfig::new(trust(&configs.pki)).alpn(&[b"echo"]);
        let config = ClientConfig::new(tls.build().unwrap())
            .handshake_timeout(Duration::from_millis(50))
            .build()
            .unwrap();
        let client = Endpoint::client("127.0.0.1:0").unwrap();
        let error = client.connect(&config, remote, NAME).await.unwrap_err();
        assert!(matches!(error, Error::NoAnswer(to) if to == remote));
        let error = io::Error::from(error);
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        let text = error.to_string();
        assert!(text.contains("is a QUIC server listening there"), "{text}");
        // One that listens to somebody else's protocol.
        drop(nobody);
        let server = echoing(&configs);
        let config = client_of(&configs.pki, &[b"other"]);
        let error = client.connect(&config, server.local_addr(), NAME).await;
        assert!(matches!(
            error,
            Err(Error::Connection(ConnectionError::PeerClosed { code, .. }))
                if code.alert() == Some(pith_tls::AlertDescription::NO_APPLICATION_PROTOCOL)
        ));
    });
}

#[test]
fn streams_are_tokios_too_and_errors_become_its() {
    on_both(|| async {
        let configs = configs();
        let server = Endpoint::server("127.0.0.1:0", configs.server.clone()).unwrap();
        let client = Endpoint::client("127.0.0.1:0").unwrap();
        let (here, there) = join!(
            client.connect(&configs.client, server.local_addr(), NAME),
            async { server.accept().await.unwrap().await }
        );
        let (here, there) = (here.unwrap(), there.unwrap());
        let (mut send, mut recv) = here.open_bi().await.unwrap();
        AsyncWriteExt::write_all(&mut send, b"ab").await.unwrap();
        send.flush().await.unwrap();
        let (mut answer, mut asked) = there.accept_bi().await.unwrap();
        assert_eq!(asked.read_u8().await.unwrap(), b'a');
        send.shutdown().await.unwrap();
        send.shutdown().await.unwrap();
        let mut rest = Vec::new();
        AsyncReadExt::read_to_end(&mut asked, &mut rest)
            .await
            .unwrap();
        assert_eq!(rest, b"b");
        answer.reset(VarInt::from(9_u8));
        let error = recv.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        assert!(matches!(inner, Some(Error::Reset(code)) if code.get() == 9));
        let (mut send, _recv) = here.open_bi().await.unwrap();
        send.write_all(b"x").await.unwrap();
        let (_answer, mut asked) = there.accept_bi().await.unwrap();
        asked.stop(VarInt::from(8_u8));
        assert_eq!(send.stopped().await.unwrap(), Some(VarInt::from(8_u8)));
        let error = AsyncWriteExt::write_all(&mut send, b"x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        here.close(VarInt::from(5_u8), b"enough");
        let error = there.accept_uni().await.unwrap_err();
        assert_eq!(io::Error::from(error).kind(), ErrorKind::ConnectionAborted);
        let error = here.open_uni().await.unwrap_err();
        assert_eq!(io::Error::from(error).kind(), ErrorKind::NotConnected);
    });
}

#[test]
fn questions_are_answered_by_functions() {
    on_both(|| async {
        let configs = configs();
        let tls = pith_tls::ServerConfig::new(leaf(&configs.pki))
            .alpn(&[b"other"])
            .ask_config(true);
        let asking = ServerConfig::new(tls.build().unwrap()).build().unwrap();
        let server = Endpoint::server("127.0.0.1:0", asking).unwrap();
        let client = Endpoint::client("127.0.0.1:0").unwrap();
        let connect = || client.connect(&configs.client, server.local_addr(), NAME);
        let chosen = pith_tls::ServerConfig::new(leaf(&configs.pki)).alpn(&[b"echo"]);
        let chosen = chosen.build().unwrap();
        let answer = |question: Question| {
            let chosen = Arc::clone(&chosen);
            async move {
                tokio::task::yield_now().await;
                match &question.topic {
                    Topic::Config(hello) if hello.server_name.as_deref() == Some(NAME) => {
                        Ok(Answer::config(&question, Some(chosen)))
                    }
                    topic => panic!("{topic:?}"),
                }
            }
        };
        let accept = async {
            let incoming = server.accept().await.unwrap();
            assert_eq!(incoming.server_name(), Some(NAME));
            assert_eq!(incoming.alpn(), [b"echo"]);
            incoming.accept_with(answer).await
        };
        let (here, there) = join!(connect(), accept);
        let (here, there): (Connection, io::Result<Connection>) = (here.unwrap(), there);
        assert_eq!(
            here.summary().unwrap().protocol.as_deref(),
            Some(&b"echo"[..])
        );
        let (mut ours, mut theirs) = ([0; 32], [0; 32]);
        here.export(b"label", b"", &mut ours).unwrap();
        there.unwrap().export(b"label", b"", &mut theirs).unwrap();
        assert_eq!(ours, theirs);
        // Without an answer, with one that fails, and with one that never comes.
        let accept = async { server.accept().await.unwrap().accept().await };
        let (here, there) = join!(connect(), accept);
        assert!(here.is_err() && matches!(there, Err(Error::Question)));
        let fail = |_| async { Err(io::Error::from(ErrorKind::OutOfMemory)) };
        let accept = async { server.accept().await.unwrap().accept_with(fail).await };
        let (here, there) = join!(connect(), accept);
        assert!(here.is_err());
        assert_eq!(there.unwrap_err().kind(), ErrorKind::OutOfMemory);
        let accept = async {
            let incoming = server.accept().await.unwrap();
            incoming
                .accept_with(|_| std::future::pending::<Result<_, Error>>())
                .await
        };
        let give_up = async {
            let connecting = connect();
            let limit = Duration::from_millis(200);
            assert!(tokio::time::timeout(limit, connecting).await.is_err());
        };
        let ((), there) = join!(give_up, accept);
        assert!(matches!(there, Err(Error::Connection(_))));
    });
}

#[test]
fn early_data_is_answered_early() {
    on_both(|| async {
        let Configs { pki, .. } = configs();
        let client = pith_tls::ClientConfig::new(trust(&pki))
            .sessions(SessionStore::new())
            .early_data(true)
            .alpn(&[b"echo"]);
        let client = ClientConfig::new(client.build().unwrap()).build().unwrap();
        // It has been there for a while.
        let mut began = Clock::system().now();
        began.unix -= Duration::from_secs(100);
        let register = StrikeRegister::new(began);
        let tls = pith_tls::ServerConfig::new(leaf(&pki))
            .early_data(u32::MAX, register)
            .alpn(&[b"echo"]);
        let tls = tls.build().unwrap();
        let server = ServerConfig::new(tls).build().unwrap();
        let server = Endpoint::server("127.0.0.1:0", server).unwrap();
        let endpoint = Endpoint::client("127.0.0.1:0").unwrap();
        let ask = async || {
            let connecting = endpoint.connect_early(&client, server.local_addr(), NAME);
            let connection = connecting.await.unwrap();
            let got = there_and_back(&connection, b"hello").await.unwrap();
            assert_eq!(got, b"hello");
            connection.handshake().await.unwrap()
        };
        let serving = async {
            for _ in 0..2 {
                let connection = server.accept().await.unwrap().accept_early().unwrap();
                tokio::spawn(serve(connection));
            }
        };
        let asking = async { [ask().await, ask().await] };
        let (early, ()) = join!(asking, serving);
        assert_eq!(early, [EarlyData::NotOffered, EarlyData::Accepted]);
    });
}

#[test]
fn addresses_are_validated_by_a_retry() {
    on_both(|| async {
        let configs = configs();
        let server = Endpoint::server("[::]:0", configs.server.clone()).unwrap();
        server.set_retrying(Retrying::Always);
        let client = Endpoint::client("[::]:0").unwrap();
        let port = server.local_addr().port();
        for host in ["127.0.0.1", "::1"] {
            let remote = SocketAddr::new(host.parse().unwrap(), port);
            let accept = async {
                let incoming = server.accept().await.unwrap();
                assert!(incoming.is_validated());
                assert_eq!(incoming.remote().ip(), remote.ip());
                incoming.accept().await
            };
            let (here, there) = join!(client.connect(&configs.client, remote, NAME), accept);
            assert_eq!(here.unwrap().remote(), remote);
            assert_eq!(there.unwrap().local_ip(), Some(remote.ip()));
        }
    });
}

#[test]
fn whoever_waits_hears_that_the_runtime_has_ended() {
    let configs = configs();
    let build = || {
        Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
    };
    let (first, second) = (build().unwrap(), build().unwrap());
    let server = first.block_on(async { echoing(&configs) });
    let (endpoint, connection) = run(&first, async {
        let client = Endpoint::client("127.0.0.1:0").unwrap();
        let connection = client.connect(&configs.client, server.local_addr(), NAME);
        (client.clone(), connection.await.unwrap())
    });
    let waiting = second.spawn(async move { connection.closed().await });
    drop(first);
    let end = run(&second, waiting).unwrap();
    assert!(matches!(end, Error::NotDriven));
    run(&second, endpoint.shutdown(LIMIT));
    let error = Endpoint::client("127.0.0.1:0").err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Other);
}

#[test]
fn connections_go_on_when_their_socket_is_replaced() {
    on_both(|| async {
        let configs = configs();
        let server = echoing(&configs);
        let client = Endpoint::client("127.0.0.1:0").unwrap();
        let first = client.local_addr();
        let remote = server.local_addr();
        let one = client.connect(&configs.client, remote, NAME).await.unwrap();
        let two = client.connect(&configs.client, remote, NAME).await.unwrap();
        let data = pattern(300_000, 1);
        for connection in [&one, &two] {
            assert_eq!(there_and_back(connection, &data).await.unwrap(), data);
        }
        for round in 1..=2 {
            // In the middle of a transfer, too.
            let moving = async { client.rebind(super::endpoint::bind("127.0.0.1:0").unwrap()) };
            let (moved, got) = join!(moving, there_and_back(&one, &data));
            moved.unwrap();
            assert_eq!(got.unwrap(), data, "{round}");
            assert_eq!(there_and_back(&two, &data).await.unwrap(), data);
            assert_eq!(one.stats().moves, round);
            assert_eq!(two.stats().moves, round);
        }
        assert_ne!(client.local_addr(), first);
        let refused = server.rebind(super::endpoint::bind("127.0.0.1:0").unwrap());
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}
