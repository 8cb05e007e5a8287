//! Clients that come back: with a token, with early data, and with early data that overtakes their hello.

use pith_tls::{EarlyData, SessionStore, StrikeRegister};

use super::*;
use crate::streams::Read;
use crate::token_store::TokenStore;
use crate::wire::Dir;

/// A client that has been here, and may send early data.
fn returning(config: EndpointConfig) -> (Net, TokenStore) {
    let mut net = Net::new(config);
    let pki = Pki::with(Kind::Ed25519, 0);
    let tokens = TokenStore::new();
    let tls = pith_tls::ClientConfig::new(trust(&pki))
        .alpn(&[b"test"])
        .sessions(SessionStore::new())
        .early_data(true);
    let client = ClientConfig::new(tls.build().unwrap()).tokens(tokens.clone());
    net.client_config = client.build().unwrap();
    let identity = pki.leaf_with(Kind::Ed25519, &[NAME], |_| ());
    let tls = pith_tls::ServerConfig::new(credential(&identity))
        .alpn(&[b"test"])
        .early_data(1, StrikeRegister::new(at(Duration::ZERO)));
    net.server_config = ServerConfig::new(tls.build().unwrap()).build().unwrap();
    net.connect();
    net.run();
    assert!(net.is_connected(), "{:?}", net.client_error());
    assert!(net.token.is_empty(), "the store keeps it");
    assert_eq!(tokens.len(), 1);
    (net.client_connection, net.server_connection) = (None, None);
    (net, tokens)
}

/// The client comes back and sends so many bytes at once.
fn come_back(net: &mut Net, length: usize) {
    net.connect();
    let (_, client) = net.client_connection.as_mut().unwrap();
    let id = client.open(Dir::Uni).unwrap();
    let data = Bytes::from(vec![7; length]);
    assert_eq!(client.send(id, &mut data.clone()), Ok(length));
    client.finish(id).unwrap();
}

/// How much the server has of it, and whether that is early data.
fn heard(net: &mut Net) -> (usize, bool) {
    let Some((_, server)) = &mut net.server_connection else {
        return (0, false);
    };
    let id = server.accept(Dir::Uni);
    let (mut length, mut all) = (0, true);
    while let Some(Ok(Read::Data { bytes, early, .. })) = id.map(|id| server.read_early(id, 9999)) {
        length += bytes.len();
        all &= early;
    }
    (length, all)
}

#[test]
fn a_client_that_comes_back_shows_its_token_and_its_early_data_needs_no_retry() {
    let (mut net, tokens) = returning(serving().retrying(Retrying::Always));
    let retries = net.server.stats().retries;
    for _ in 0..3 {
        come_back(&mut net, 3000);
        assert!(tokens.is_empty(), "it is used once");
        net.run();
        assert_eq!(heard(&mut net), (3000, true));
        assert_eq!(net.server.stats().retries, retries);
        let (_, client) = net.client_connection.as_ref().unwrap();
        assert_eq!(client.early_data(), EarlyData::Accepted);
        assert_eq!(tokens.len(), 1, "the next one");
    }
}

#[test]
fn early_data_is_sent_again_after_a_retry() {
    let (mut net, tokens) = returning(serving().retrying(Retrying::Always));
    assert!(tokens.take(&name(), SERVER.1, Version::V1).is_some());
    let retries = net.server.stats().retries;
    come_back(&mut net, 3000);
    net.log.clear();
    net.run();
    assert!(net.server.stats().retries > retries);
    assert_eq!(heard(&mut net), (3000, true));
    for end in [&net.client_connection, &net.server_connection] {
        let (_, connection) = end.as_ref().unwrap();
        assert_eq!(connection.early_data(), EarlyData::Accepted);
    }
}

#[test]
fn early_data_that_overtakes_the_hello_waits_for_it() {
    for order in [[2, 3, 0, 1], [0, 3, 2, 1], [3, 1, 2, 0], [0, 1, 2, 3]] {
        let (mut net, _) = returning(serving());
        come_back(&mut net, 2000);
        let flight = net.flights(Side::Client);
        assert_eq!(flight.len(), 4, "two for the hello");
        for at in order {
            net.server_receives(&flight[at]);
        }
        assert_eq!(heard(&mut net), (2000, true), "{order:?}");
        assert_eq!(net.server.strays.deadline(), None, "{order:?}");
        net.run();
        assert!(net.is_connected(), "{order:?}");
    }
}

#[test]
fn early_data_waits_while_the_application_decides() {
    let (mut net, _) = returning(serving());
    come_back(&mut net, 3000);
    let flight = net.flights(Side::Client);
    let route = from(CLIENT.0, CLIENT.1);
    drop(net.server_takes(route, &flight[0]));
    let Routed::Incoming(incoming) = net.server_takes(route, &flight[1]).0 else {
        panic!("no client");
    };
    for late in &flight[2..] {
        assert_eq!(kind(&net.server_takes(route, late).0), "nothing");
    }
    let now = at(net.now);
    let accepted = net.server.accept(incoming, &net.server_config, now);
    net.server_connection = Some(accepted.unwrap());
    assert_eq!(heard(&mut net), (3000, true));
}

#[test]
fn early_data_of_nobody_is_dropped_in_time_and_where_nobody_is_let_in() {
    let route = from(CLIENT.0, CLIENT.1);
    let (mut net, _) = returning(serving());
    let packet = zero_rtt(&net.hello()[0], 1200);
    assert_eq!(kind(&net.server_takes(route, &packet).0), "nothing");
    let dropped = net.server.stats().dropped;
    let ends = net.now + limits::HELD_TIME;
    assert_eq!(net.server.deadline(), Some(ends));
    net.server.on_deadline(at(ends));
    assert_eq!(net.server.strays.deadline(), None);
    assert_eq!(net.server.stats().dropped, dropped + 1);
    for _ in 0..=limits::STRAYS {
        drop(net.server_takes(route, &packet));
    }
    assert_eq!(net.server.stats().dropped, dropped + 2);
    // A client's endpoint, a port that answers everything, an end in sight.
    let mut client = Net::new(EndpointConfig::client().unwrap());
    drop(client.server_takes(route, &packet));
    assert_eq!(client.server.strays.deadline(), None);
    let mut net = Net::new(serving());
    drop(net.server_takes(from(1, 53), &packet));
    net.server.shutdown(net.now);
    drop(net.server_takes(route, &packet));
    assert_eq!(net.server.strays.deadline(), None);
    assert_eq!(net.server.stats().dropped, 2);
}
