//! Early data: sent at once, told apart until the handshake is complete, and never taken for something else when it was rejected.

use std::task::Poll;
use std::time::Duration;

use pith_quic::ServerConfig;
use pith_tests::pair::NAME;
use pith_tls::EarlyData;

use super::world::{SERVER, World, early_server_tls};
use crate::quic::{Connection, Error};

/// Meets the server once, so that there is a session, and connects again.
fn again(world: &mut World) -> Connection {
    let (client, server) = world.connect();
    assert_eq!(
        world.run(client.handshake()).unwrap(),
        EarlyData::NotOffered
    );
    // The tickets come after this.
    client.remember("settled".into()).unwrap();
    world.pass(Duration::from_secs(1));
    client.close(pith_quic::VarInt::ZERO, b"");
    drop((client, server));
    world.pass(Duration::from_secs(1));
    let (endpoint, config) = (world.client(), world.client_config.clone());
    let connecting = endpoint.connect_early(&config, SERVER, NAME);
    world.run_for(Duration::ZERO, connecting).unwrap().unwrap()
}

#[test]
fn early_data_is_read_and_answered_before_the_handshake_is_complete() {
    let mut world = World::early();
    let client = again(&mut world);
    assert_eq!(client.remembered().unwrap(), "settled");
    assert!(client.summary().is_none());
    let server = world.server();
    let (accepted, asked) = world.run(async {
        let (mut send, mut recv) = client.open_bi().await.unwrap();
        send.write_all(b"early").await.unwrap();
        send.finish().unwrap();
        client.send_datagram("early too".into()).unwrap();
        let accepted = server.accept().await.unwrap().accept_early().unwrap();
        let (mut answer, mut asked) = accepted.accept_bi().await.unwrap();
        assert!(
            accepted.summary().is_none(),
            "the handshake is not complete"
        );
        assert!(asked.is_early());
        let held = std::future::poll_fn(|cx| Poll::Ready(asked.poll_chunk(cx, 9).is_pending()));
        assert!(held.await, "not where it was not asked for");
        asked.allow_early();
        assert_eq!(asked.read_to_end(9).await.unwrap(), b"early");
        answer.write_all(b"answer").await.unwrap();
        answer.finish().unwrap();
        assert_eq!(recv.read_to_end(9).await.unwrap(), b"answer");
        assert!(!recv.is_early());
        assert_eq!(client.handshake().await.unwrap(), EarlyData::Accepted);
        assert!(client.remembered().is_none());
        assert_eq!(accepted.handshake().await.unwrap(), EarlyData::Accepted);
        assert_eq!(accepted.read_datagram().await.unwrap(), "early too");
        (accepted, asked)
    });
    assert!(asked.is_early(), "and it stays what it was");
    let late = world.run(async {
        let mut send = client.open_uni().await.unwrap();
        send.write_all(b"late").await.unwrap();
        accepted.accept_uni().await.unwrap()
    });
    assert!(!late.is_early());
}

#[test]
fn early_data_that_nobody_waits_for_arrives() {
    let mut world = World::early();
    let client = again(&mut world);
    let server = world.server();
    world.run(async {
        let mut send = client.open_uni().await.unwrap();
        send.write_all(b"fire and forget").await.unwrap();
    });
    drop(client);
    let accepted = world.run(async { server.accept().await.unwrap().accept().await });
    let accepted = accepted.unwrap();
    let mut recv = world.run(accepted.accept_uni()).unwrap();
    assert_eq!(world.run(recv.read_to_end(99)).unwrap(), b"fire and forget");
    world.run(accepted.closed());
}

#[test]
fn rejected_early_data_is_gone_and_never_another_streams() {
    let mut world = World::early();
    let client = again(&mut world);
    // Its tickets are another's.
    let other = ServerConfig::new(early_server_tls(&world.pki)).datagrams(1000);
    let server = world.server();
    server.set_server_config(&other.build().unwrap());
    let (mut send, mut recv) = world.run(client.open_bi()).unwrap();
    world.run(send.write_all(b"early")).unwrap();
    let read = async {
        let waiting = recv.read_chunk(9).await;
        assert!(
            matches!(waiting, Err(Error::EarlyDataRejected)),
            "{waiting:?}"
        );
    };
    let accept = async { server.accept().await.unwrap().accept().await.unwrap() };
    let ((), accepted) = world.run(async { tokio::join!(read, accept) });
    assert_eq!(world.run(client.handshake()).unwrap(), EarlyData::Rejected);
    // The same ids mean something else now, which the old handles do not touch.
    let (mut again, answer) = world.run(client.open_bi()).unwrap();
    assert_eq!((again.id(), answer.id()), (send.id(), recv.id()));
    world.run(async {
        assert!(matches!(
            send.write(b"x").await,
            Err(Error::EarlyDataRejected)
        ));
        assert!(matches!(send.finish(), Err(Error::EarlyDataRejected)));
        assert!(matches!(
            send.stopped().await,
            Err(Error::EarlyDataRejected)
        ));
        send.reset(pith_quic::VarInt::ZERO);
        recv.stop(pith_quic::VarInt::ZERO);
        drop((send, recv));
        again.write_all(b"once more").await.unwrap();
        again.finish().unwrap();
        let (_, mut asked) = accepted.accept_bi().await.unwrap();
        assert!(!asked.is_early());
        assert_eq!(asked.read_to_end(9).await.unwrap(), b"once more");
        assert_eq!(again.stopped().await.unwrap(), None);
    });
}

#[test]
fn without_a_session_it_is_a_handshake_like_any_other() {
    let mut world = World::early();
    let (endpoint, server) = (world.client(), world.server());
    let config = world.client_config.clone();
    let (client, accepted) = world.run(async {
        let accept = async { server.accept().await.unwrap().await };
        tokio::join!(endpoint.connect_early(&config, SERVER, NAME), accept)
    });
    assert!(client.unwrap().summary().is_some() && accepted.is_ok());
}
