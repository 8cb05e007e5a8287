//! No branch and no index of QUIC depends on a secret: handshakes with Retry tokens, tickets and early data, and Stateless Resets.

use pith_tests::memcheck::depends_on_no_secret;

use super::*;

#[test]
fn tokens_and_tickets() {
    depends_on_no_secret("constant_time::tokens_and_tickets", || {
        let tune = Tune {
            sessions: true,
            early: true,
            retry: true,
            ..USUAL
        };
        let (mut network, config) = scene(tune, usual(), usual());
        for _ in 0..2 {
            fetch(&mut network, &config, &[5000; 3], 10 * SECOND).unwrap();
            network.run(SECOND, |_, _| false);
        }
        let last = network.nodes[SERVER].ends.values().next_back().unwrap();
        let summary = last.connection.summary().unwrap();
        assert!(summary.resumed() && summary.early_data == EarlyData::Accepted);
    });
}

/// A server that has forgotten all but its key resets the connection of a client, which looks its datagram up among the tokens that it knows.
#[test]
fn stateless_resets() {
    depends_on_no_secret("constant_time::stateless_resets", || {
        let (mut network, config) = scene(USUAL, usual(), usual());
        let forget = |host: &mut Host, now| {
            let end = EndpointConfig::server().unwrap();
            let end = end.reset_key(b"32 bytes of a key, it may be any").unwrap();
            host.endpoint = Endpoint::new(end, clock(now)).unwrap();
            host.endpoint.set_versions(host.config.as_ref().unwrap());
            host.ends.clear();
        };
        let now = network.now();
        forget(&mut network.nodes[SERVER], now);
        fetch(&mut network, &config, &[1000], 10 * SECOND).unwrap();
        let now = network.now();
        forget(&mut network.nodes[SERVER], now);
        let client = &mut network.nodes[CLIENT];
        let key = *client.ends.keys().next().unwrap();
        client.ends.get_mut(&key).unwrap().asks.push(1000);
        client.work(key, now);
        network.run(SECOND, |nodes, _| nodes[CLIENT].closed().is_some());
        let closed = network.nodes[CLIENT].closed();
        assert!(matches!(closed, Some(ConnectionError::Reset)), "{closed:?}");
    });
}
