//! Clients that a QUIC endpoint has not let in.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pith_quic::{
    ClientConfig, Connection, ConnectionId, Ecn, Endpoint, EndpointConfig, Retrying, Route, Routed,
};
use pith_tests::ceilings::ceiling;
use pith_tests::heap::{Counter, measured};
use pith_tests::pair::{name, trust};
use pith_tests::pki::Pki;

use crate::bench::{at, route};

#[test]
fn clients_that_are_not_let_in_hold_no_more_than_their_ceilings() {
    let name = "endpoint::clients_that_are_not_let_in_hold_no_more_than_their_ceilings";
    measured(name, env!("CARGO_TARGET_TMPDIR"), measure);
}

fn measure(counter: &Counter) {
    // Its hello does not fit into one datagram.
    let tls = pith_tls::ClientConfig::new(trust(&Pki::new())).alpn(&[b"test"]);
    let client = ClientConfig::new(tls.build().unwrap()).build().unwrap();
    let hellos: Vec<_> = (0..=MANY).map(|_| hello(&client)).collect();
    for (ceiling, kind) in [
        (ceiling("quic-attempt"), Kind::Half),
        (ceiling("quic-refused"), Kind::Refused),
        (ceiling("quic-retried"), Kind::Retried),
    ] {
        let mut endpoint = Endpoint::new(EndpointConfig::server().unwrap(), at(NOW)).unwrap();
        if kind == Kind::Retried {
            endpoint.set_retrying(Retrying::Always);
        }
        // The first makes room in tables.
        come(&mut endpoint, kind, &hellos[0], route(1));
        let before = counter.bytes();
        for (hello, port) in hellos[1..].iter().zip(2..) {
            come(&mut endpoint, kind, hello, route(port));
        }
        let retried = if kind == Kind::Retried { MANY + 1 } else { 0 };
        assert!(endpoint.stats().retries >= u64::from(retried), "told so");
        let held = counter.bytes() - before;
        match kind {
            Kind::Half => ceiling.holds(held / i64::from(MANY)),
            Kind::Refused | Kind::Retried => ceiling.leaves(held),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Half a hello comes, in as many bytes as are kept.
    Half,
    /// The application does not want it.
    Refused,
    /// It is told to come again.
    Retried,
}

fn come(endpoint: &mut Endpoint, kind: Kind, hello: &[Vec<u8>], from: Route) {
    let mut reply = [0; 1200];
    let datagrams = match kind {
        Kind::Half => &hello[..1],
        Kind::Refused | Kind::Retried => hello,
    };
    for datagram in datagrams {
        let taken = BytesMut::from(&datagram[..]);
        match (
            kind,
            endpoint.receive(at(NOW), from, Ecn::NotEct, taken, &mut reply),
        ) {
            (_, Routed::Incoming(incoming)) => {
                assert!(endpoint.refuse(&incoming, &mut reply).is_some());
            }
            (Kind::Retried, Routed::Reply(_)) => {}
            (_, routed) => assert!(matches!(routed, Routed::Nothing)),
        }
    }
}

/// The datagrams of a client's hello.
fn hello(config: &ClientConfig) -> Vec<Vec<u8>> {
    let id = ConnectionId::new(&[7; 8]).unwrap();
    let made = Connection::client(config, name(), route(9), id, Bytes::new(), at(NOW));
    let mut buffer = [0; 4 * 1500];
    let batch = made.unwrap().transmit(at(NOW), &mut buffer).unwrap();
    let datagrams = buffer[..batch.length].chunks(batch.segment);
    datagrams.map(<[u8]>::to_vec).collect()
}

const NOW: Duration = Duration::from_secs(100);

/// So many come, fewer than those from which on clients are sent a Retry.
const MANY: u16 = 50;
