//! Clients that ask, endpoints that end, and sockets that fail.

use std::time::Duration;

use pith_quic::{Code, ConnectionError, ServerConfig, limits};
use pith_tests::pair::NAME;

use super::world::{ALPN, Manners, SERVER, World, pattern, server_tls};
use crate::quic::{Connection, Error, Incoming};

/// Whether a client was told that it is not let in.
fn is_refused(result: &Result<Connection, Error>) -> bool {
    matches!(result, Err(Error::Connection(ConnectionError::PeerClosed { code, .. }))
        if *code == Code::CONNECTION_REFUSED)
}

/// Connects, while the server does something with the client that asks.
fn meet<T>(
    world: &mut World,
    decide: impl AsyncFnOnce(Incoming) -> T,
) -> (Result<Connection, Error>, T) {
    let (client, server) = (world.client(), world.server());
    let config = world.client_config.clone();
    world.run(async move {
        let decide = async { decide(server.accept().await.unwrap()).await };
        tokio::join!(client.connect(&config, SERVER, NAME), decide)
    })
}

#[test]
fn clients_are_refused_sent_away_or_let_in_as_the_application_decides() {
    let mut world = World::new(Manners::default());
    let (client, ()) = meet(&mut world, async |incoming| {
        assert_eq!(incoming.remote().ip().to_string(), "192.0.2.1");
        assert_eq!(incoming.server_name(), Some(NAME));
        assert_eq!(incoming.alpn(), [ALPN]);
        assert!(!incoming.is_validated());
        incoming.refuse();
    });
    assert!(is_refused(&client));
    let (client, ()) = meet(&mut world, async |incoming| drop(incoming));
    assert!(is_refused(&client), "dropped");
    let server = world.server();
    let (client, accepted) = meet(&mut world, async |incoming| {
        incoming.ignore();
        server.accept().await.unwrap().accept().await
    });
    assert!(
        client.is_ok() && accepted.is_ok(),
        "ignored, it comes again"
    );
    let (client, accepted) = meet(&mut world, async |incoming| {
        incoming.retry().unwrap();
        let incoming = server.accept().await.unwrap();
        assert!(incoming.is_validated());
        let incoming = incoming.retry().unwrap_err();
        incoming.accept().await
    });
    assert!(client.is_ok() && accepted.is_ok(), "after a Retry");
    let other = ServerConfig::new(server_tls(&world.pki, b"other"))
        .build()
        .unwrap();
    let (client, accepted) = meet(&mut world, async |incoming| {
        incoming.with_config(other).await
    });
    assert!(client.is_err() && matches!(accepted, Err(Error::Connection(_))));
    assert_eq!(world.server().stats().refused, 2);
}

#[test]
fn a_client_that_nobody_looks_at_is_forgotten_and_comes_again() {
    let mut world = World::new(Manners::default());
    let (client, server) = (world.client(), world.server());
    let config = world.client_config.clone();
    let mut connecting = Box::pin(client.connect(&config, SERVER, NAME));
    let wait = limits::ATTEMPT_TIME + Duration::from_secs(5);
    assert!(world.run_for(wait, connecting.as_mut()).is_none());
    let (client, accepted) = world.run(async {
        let accept = async { server.accept().await.unwrap().await };
        tokio::join!(connecting, accept)
    });
    assert!(client.is_ok() && accepted.is_ok());
    // The one that asked first is not handed out late.
    assert!(
        world
            .run_for(Duration::from_secs(60), server.accept())
            .is_none()
    );
}

#[test]
fn whoever_gives_a_handshake_up_is_gone() {
    let mut world = World::new(Manners::default());
    let (client, server) = (world.client(), world.server());
    let config = world.client_config.clone();
    let connecting = Box::pin(client.connect(&config, SERVER, NAME));
    let incoming = world.run(async {
        tokio::select! {
            _ = connecting => panic!("too early"),
            incoming = server.accept() => incoming.unwrap(),
        }
    });
    // The first word of the connection is that it is closed.
    let accepted = world.run(incoming.accept());
    assert!(matches!(
        accepted,
        Err(Error::Connection(ConnectionError::PeerClosed { .. }))
    ));
    world.run(async {
        tokio::join!(
            client.shutdown(Duration::MAX),
            server.shutdown(Duration::MAX)
        )
    });
}

#[test]
fn who_is_let_in_and_leaves_before_anybody_looks_has_left_his_data() {
    let mut world = World::new(Manners::default());
    let (endpoint, server) = (world.client(), world.server());
    let config = world.client_config.clone();
    let connecting = endpoint.connect(&config, SERVER, NAME);
    let mut accept = Box::pin(async { server.accept().await.unwrap().accept().await });
    world.run(async {
        // Polled until the client is connected, and then not for a long time.
        let client = tokio::select! {
            client = connecting => client.unwrap(),
            accepted = &mut accept => panic!("too early: {accepted:?}"),
        };
        let mut send = client.open_uni().await.unwrap();
        send.write_all(b"was here").await.unwrap();
    });
    world.pass(Duration::from_secs(100));
    let accepted = world.run(accept).unwrap();
    let mut recv = world.run(accepted.accept_uni()).unwrap();
    assert_eq!(world.run(recv.read_to_end(99)).unwrap(), b"was here");
    assert!(matches!(
        world.run(accepted.closed()),
        Error::Connection(ConnectionError::ApplicationClosed { code: 0, .. })
    ));
}

#[test]
fn an_answer_that_never_comes_ends_with_the_handshakes_deadline() {
    let mut world = World::new(Manners::default());
    let credential = pith_tests::pair::credential(&world.pki.leaf(NAME));
    let asking = pith_tls::ServerConfig::new(credential)
        .alpn(&[ALPN])
        .ask_config(true);
    let asking = ServerConfig::new(asking.build().unwrap())
        .handshake_timeout(Duration::from_secs(4))
        .build()
        .unwrap();
    world.server().set_server_config(&asking);
    let began = world.now();
    let (client, accepted) = meet(&mut world, async |incoming| {
        let never = |_| std::future::pending::<Result<_, Error>>();
        incoming.accept_with(never).await
    });
    assert!(client.is_err());
    assert!(matches!(
        accepted,
        Err(Error::Connection(ConnectionError::HandshakeTimeout))
    ));
    let took = world.now() - began;
    assert!(
        took >= Duration::from_secs(4) && took < Duration::from_secs(5),
        "{took:?}"
    );
}

#[test]
fn a_shutdown_ends_when_connections_have_or_at_its_deadline() {
    for (name, leaves, least, most) in
        [("they end", true, 0, 2), ("they are closed", false, 20, 22)]
    {
        let mut world = World::with(Manners::default(), |client, server| {
            (client.idle_timeout(None), server.idle_timeout(None))
        });
        let (client, server) = world.connect();
        let began = world.now();
        let endpoint = world.server();
        let mut shutdown = Box::pin(endpoint.shutdown(Duration::from_secs(20)));
        assert!(
            world
                .run_for(Duration::from_millis(1), shutdown.as_mut())
                .is_none()
        );
        assert!(world.run(endpoint.accept()).is_none());
        // What is there goes on.
        world.run(async {
            let mut send = client.open_uni().await.unwrap();
            send.write_all(b"x").await.unwrap();
            send.finish().unwrap();
            let mut recv = server.accept_uni().await.unwrap();
            assert_eq!(recv.read_to_end(1).await.unwrap(), b"x");
        });
        let kept = (!leaves).then_some((client, server));
        world.run(shutdown);
        let took = world.now() - began;
        let range = Duration::from_secs(least)..Duration::from_secs(most);
        assert!(range.contains(&took), "{name}: {took:?}");
        if let Some((client, server)) = kept {
            assert!(matches!(
                client.error(),
                Some(Error::Connection(ConnectionError::ApplicationClosed {
                    code: 0,
                    ..
                }))
            ));
            assert!(server.error().is_some());
        }
        let late = world.run(connect(&world));
        assert!(matches!(late, Err(Error::NoAnswer(SERVER))), "{name}");
    }
}

fn connect(world: &World) -> impl Future<Output = Result<Connection, Error>> + use<> {
    let (client, config) = (world.client(), world.client_config.clone());
    async move { client.connect(&config, SERVER, NAME).await }
}

#[test]
fn whoever_waits_hears_that_nothing_drives_the_endpoint() {
    let mut world = World::new(Manners::default());
    let (client, _server) = world.connect();
    let (mut send, recv) = world.run(client.open_bi()).unwrap();
    let endpoint = world.client();
    let mut waits = Box::pin(client.accept_bi());
    assert!(
        world
            .run_for(Duration::from_secs(1), waits.as_mut())
            .is_none()
    );
    world.client.driver = None;
    assert!(matches!(world.run(waits), Err(Error::NotDriven)));
    assert!(matches!(world.run(client.closed()), Error::NotDriven));
    assert!(matches!(world.run(send.write(b"x")), Err(Error::NotDriven)));
    assert!(matches!(world.run(connect(&world)), Err(Error::NotDriven)));
    world.run(endpoint.shutdown(Duration::MAX));
    // Nothing of it stays.
    let hub = std::sync::Arc::downgrade(&endpoint.workers.hubs[0]);
    world.client.endpoint = None;
    drop((endpoint, client, send, recv));
    assert_eq!(hub.strong_count(), 0);
}

#[test]
fn a_socket_may_fail_now_and_then_but_not_for_good() {
    let mut world = World::new(Manners::default());
    let (client, _server) = world.connect();
    world.client.wire.fails = 99;
    world.client.turns = 0;
    world.pass(Duration::from_secs(5));
    assert!(client.error().is_none());
    assert!(world.client.turns < 300, "{} turns", world.client.turns);
    assert_eq!(world.client.wire.fails, 0);
    world.client.wire.fails = 100;
    let end = world.run(client.closed());
    let Error::Socket(error) = end else {
        panic!("{end:?}");
    };
    assert_eq!(error.kind(), std::io::ErrorKind::OutOfMemory);
    assert!(world.client.driver.is_none());
}

#[test]
fn nothing_is_done_while_there_is_nothing_to_do() {
    let mut world = World::with(Manners::default(), |client, server| {
        (client.idle_timeout(None), server.idle_timeout(None))
    });
    let (client, server) = world.connect();
    world.pass(Duration::from_secs(2));
    let turns = |world: &World| world.client.turns + world.server.turns;
    let before = turns(&world);
    world.pass(Duration::from_secs(600));
    assert!(turns(&world) - before < 10, "{}", turns(&world) - before);
    // What there is to do is done at once.
    let (mut send, mut recv) = world.run(async {
        let mut send = client.open_uni().await.unwrap();
        send.write_all(b"x").await.unwrap();
        (send, server.accept_uni().await.unwrap())
    });
    world.pass(Duration::from_secs(60));
    let at_once = world.run_for(Duration::from_millis(5), async {
        send.write_all(b"y").await.unwrap();
        let mut got = Vec::new();
        while got.len() < 2 {
            got.extend_from_slice(&recv.read_chunk(2).await.unwrap().unwrap());
        }
    });
    assert!(at_once.is_some());
    // A socket that takes nothing for a while is not asked all the time, and what was written is not lost.
    world.client.wire.is_stuck = true;
    let data = pattern(200_000);
    world.run(async {
        let mut send = client.open_uni().await.unwrap();
        send.write_all(&data).await.unwrap();
    });
    let before = turns(&world);
    world.pass(Duration::from_secs(10));
    assert!(turns(&world) - before < 1100, "{}", turns(&world) - before);
    world.client.wire.is_stuck = false;
    let read = world.run(async {
        let mut recv = server.accept_uni().await.unwrap();
        recv.read_to_end(200_000).await
    });
    assert!(read.unwrap() == data);
}

#[test]
fn a_connection_that_has_much_to_send_does_not_hold_up_others() {
    let mut world = World::new(Manners::default());
    let (big, sink) = world.connect();
    let (small, _other) = world.connect();
    // The window of the big one grows.
    world.run(async {
        let data = pattern(4_000_000);
        let send = async {
            let mut send = big.open_uni().await.unwrap();
            send.write_all(&data).await.unwrap();
        };
        let receive = async {
            let mut recv = sink.accept_uni().await.unwrap();
            recv.read_to_end(4_000_000).await.unwrap();
        };
        tokio::join!(send, receive);
    });
    world.pass(Duration::from_millis(20));
    let before = big.stats().bytes_sent;
    world.client.wire.log.clear();
    let write = async {
        for _ in 0..2 {
            let mut send = big.open_uni().await.unwrap();
            send.write_all(&pattern(200_000)).await.unwrap();
        }
        let mut send = small.open_uni().await.unwrap();
        send.write_all(b"me too").await.unwrap();
    };
    world.run_for(Duration::ZERO, write).unwrap();
    let small_before = small.stats().bytes_sent;
    let driver = world.client.driver.as_mut().unwrap();
    driver.turn(&mut world.client.wire);
    assert!(big.stats().bytes_sent > before + 40_000);
    assert!(small.stats().bytes_sent > small_before, "it had its turn");
    assert!(
        world.client.wire.log.len() < 8,
        "and the first had its part"
    );
    // Two batches at most.
    let batch = limits::BATCH * u64::from(limits::MTU);
    assert!(big.stats().bytes_sent <= before + 2 * batch);
}
