//! What an endpoint without connections holds: from the start, and again once all that came is gone.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pith_quic::{
    ClientConfig, Connection, Ecn, Endpoint, EndpointConfig, Retrying, Route, Routed, ServerConfig,
    VarInt,
};
use pith_tests::ceilings::ceiling;
use pith_tests::heap::{Counter, measured};
use pith_tests::pair::{NOW, name};
use pith_tls::Now;

use crate::pair::configs;

#[test]
fn an_endpoint_without_connections_is_small() {
    let name = "endpoint::an_endpoint_without_connections_is_small";
    measured(name, env!("CARGO_TARGET_TMPDIR"), measure);
}

fn measure(counter: &Counter) {
    let (client, server) = configs();
    let before = counter.bytes();
    let config = EndpointConfig::server().unwrap();
    let config = config.retrying(Retrying::From(usize::MAX));
    let mut endpoint = Endpoint::new(config, NOW).unwrap();
    let most = ceiling("quic-endpoint");
    let holds = |when: &str, endpoint: &Endpoint| {
        assert_eq!(endpoint.stats().connections, 0, "{when}");
        let held = counter.bytes() - before + size_of_val(endpoint) as i64;
        println!("an endpoint, {when}: {held} bytes");
        most.holds(held);
    };
    holds("new", &endpoint);
    let mut now = NOW;
    for round in 0..ROUNDS {
        half_hellos(&mut endpoint, &client, round, now);
        let held = counter.bytes() - before;
        assert!(held > most.bytes / 2, "nothing was held: {held} bytes");
        connections(&mut endpoint, (&client, &server), round, &mut now);
        now.monotonic += Duration::from_secs(60);
        endpoint.on_deadline(now);
        assert_eq!(endpoint.stats().attempts, 0);
        holds("after clients that came and went", &endpoint);
    }
}

/// Clients of which nothing comes but the first half of a hello.
fn half_hellos(endpoint: &mut Endpoint, client: &ClientConfig, round: usize, now: Now) {
    for at in 0..CLIENTS {
        let route = route(round, at);
        let (_, datagrams) = hello(client, route, now);
        let datagram = BytesMut::from(&datagrams[0][..]);
        let routed = endpoint.receive(now, route, Ecn::NotEct, datagram, &mut [0; 1200]);
        assert!(matches!(routed, Routed::Nothing));
    }
}

/// Clients that are let in, and go.
fn connections(
    endpoint: &mut Endpoint,
    (client, server): (&ClientConfig, &ServerConfig),
    round: usize,
    now: &mut Now,
) {
    let mut open = Vec::new();
    for at in 0..CLIENTS {
        let route = route(round, CLIENTS + at);
        let (_, datagrams) = hello(client, route, *now);
        for datagram in datagrams {
            let datagram = BytesMut::from(&datagram[..]);
            let routed = endpoint.receive(*now, route, Ecn::NotEct, datagram, &mut [0; 1200]);
            if let Routed::Incoming(incoming) = routed {
                open.push(endpoint.accept(incoming, server, *now).unwrap());
            }
        }
    }
    assert_eq!(open.len(), CLIENTS);
    for (key, connection) in &mut open {
        connection.close(VarInt::from(0_u8), Bytes::new(), *now);
        endpoint.settle(*key, connection, *now);
    }
    while endpoint.stats().connections > 0 {
        now.monotonic += Duration::from_secs(1);
        for (key, connection) in &mut open {
            connection.on_deadline(*now);
            endpoint.settle(*key, connection, *now);
        }
    }
}

/// A client and the datagrams of its hello.
fn hello(config: &ClientConfig, route: Route, now: Now) -> (Connection, Vec<Vec<u8>>) {
    let mut endpoint = Endpoint::new(EndpointConfig::client().unwrap(), now).unwrap();
    let connected = endpoint.connect(config, name(), route, Bytes::new(), now);
    let (_, mut connection) = connected.unwrap();
    let mut buffer = [0; 4 * 1200];
    let batch = connection.transmit(now, &mut buffer).unwrap();
    let datagrams = buffer[..batch.length].chunks(batch.segment);
    let datagrams = datagrams.map(<[u8]>::to_vec).collect();
    (connection, datagrams)
}

fn route(round: usize, at: usize) -> Route {
    let [low, high, ..] = at.to_le_bytes();
    let ip = [10, round as u8, high, low];
    Route {
        local: None,
        remote: SocketAddr::from((ip, 4433)),
    }
}

const ROUNDS: usize = 3;

/// Of each kind in a round.
const CLIENTS: usize = 200;
