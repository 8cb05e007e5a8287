//! Servers that would rather be elsewhere, and clients without connection ids.

use std::cell::Cell;

use super::*;

/// Another host, and another port.
const ELSEWHERE: [SocketAddrV4; 2] = [
    SocketAddrV4::new(std::net::Ipv4Addr::new(10, 0, 0, 3), 443),
    SocketAddrV4::new(std::net::Ipv4Addr::new(10, 0, 0, 2), 4443),
];

fn lossy(seed: u64) -> Link {
    Link {
        loss: (seed % 4) as u32 * 30,
        reorder: (100, 20 * MS),
        duplicate: 20,
        ..usual()
    }
}

/// What the client and the server of a connection have come to.
fn check(network: &Network<Host>, preferred: SocketAddr, name: &str) {
    let [client, server] = [CLIENT, SERVER].map(|node| {
        let ends = network.nodes[node].ends.values();
        ends.last().unwrap()
    });
    assert_eq!(client.failed, [], "{name}");
    assert_eq!(client.connection.route().remote, preferred, "{name}");
    let arrived = client.went.iter().filter(|route| route.remote == preferred);
    assert_eq!(arrived.count(), 1, "{name}");
    assert_eq!(server.connection.route().local, Some(preferred), "{name}");
    assert_eq!(client.connection.stats().moves, 1, "{name}");
}

/// Whether the client has gone to the preferred address. A probe that is lost is sent again once before the client gives up for good (RFC 9000 sections 8.2.4 and
/// 9.6.1): it may stay where it was, if the network loses anything, and says so then.
fn has_gone(network: &Network<Host>, preferred: SocketAddr, name: &str) -> bool {
    let client = network.nodes[CLIENT].ends.values().last().unwrap();
    if client.failed.is_empty() {
        check(network, preferred, name);
        return true;
    }
    assert_eq!(client.failed, [route(preferred)], "{name}");
    assert_eq!(client.went, [], "{name}");
    assert_eq!(client.connection.route().remote, address(2, 443), "{name}");
    let server = network.nodes[SERVER].ends.values().last().unwrap();
    let local = server.connection.route().local;
    assert_eq!(local, Some(address(2, 443)), "{name}");
    false
}

/// Runs until both sides are where they go on: a server asks anew whether its client is there when that says something more.
fn settle(network: &mut Network<Host>) {
    for _ in 0..30 {
        let asks = network.run(SECOND, |nodes, _| {
            let [client, server] = [CLIENT, SERVER].map(|node| {
                let end = nodes[node].ends.values().last().unwrap();
                (end, end.connection.route())
            });
            let decided = !client.0.went.is_empty() || !client.0.failed.is_empty();
            decided && server.1.local == Some(client.1.remote)
        });
        if asks.is_some() {
            return;
        }
        let client = network.nodes[CLIENT].ends.values_mut().last().unwrap();
        client.connection.ping();
    }
}

#[test]
fn transfers_go_on_at_the_preferred_address_through_loss_and_a_nat_that_forgets() {
    let (runs, gone) = (Cell::new(0), Cell::new(0));
    for_each_seed(0..8, |seed| {
        let preferred = ELSEWHERE[seed as usize % 2];
        for (name, rebinds, empty, moves) in [
            ("usual", false, false, true),
            ("clients are to stay", false, false, false),
            ("a NAT that forgets at the same time", true, false, true),
            ("without ids", false, true, true),
            ("without ids through a NAT", true, true, true),
        ] {
            let tune = Tune {
                seed,
                preferred: Some(preferred),
                moves,
                empty,
                ..USUAL
            };
            let link = lossy(seed);
            let (mut network, config) = scene(tune, link.clone(), link.clone());
            let began = network.now();
            let key = network.nodes[CLIENT].connect(&config, &[250_000; 2], began);
            // Handshakes end where they begin: nothing could tell a server then that its client is elsewhere.
            let confirmed = |nodes: &mut [Host], _| nodes[CLIENT].ends[&key].confirmed;
            network.run(60 * SECOND, confirmed).unwrap();
            if rebinds {
                // While the first probe or its answer is under way, or soon after.
                let at = network.now() + (seed % 8) as u32 * 10 * MS;
                network.rebind(CLIENT, at, address(1, 50_001));
            }
            let answered = |nodes: &mut [Host], _| nodes[CLIENT].ends[&key].answered == 2;
            let took = network.run(60 * SECOND, answered);
            let closed = network.nodes[CLIENT].closed();
            assert!(took.is_some(), "{name}: {closed:?}");
            settle(&mut network);
            let has_gone = has_gone(&network, preferred.into(), name);
            assert!(has_gone || link.loss > 0, "{name}");
            runs.set(runs.get() + 1);
            gone.set(gone.get() + u32::from(has_gone));
        }
    });
    let (runs, gone) = (runs.get(), gone.get());
    assert!(gone * 2 > runs, "only {gone} of {runs} have gone");
}

#[test]
fn a_client_that_comes_back_goes_to_the_first_address_and_where_it_is_asked_to_now() {
    let tune = Tune {
        sessions: true,
        early: true,
        preferred: Some(ELSEWHERE[0]),
        ..USUAL
    };
    let (mut network, config) = scene(tune, usual(), usual());
    fetch(&mut network, &config, &[100_000], 10 * SECOND).unwrap();
    network.run(SECOND, |_, _| false);
    check(&network, ELSEWHERE[0].into(), "first");
    let before = network.nodes[CLIENT].ends.len();
    let now = network.now();
    let key = network.nodes[CLIENT].connect(&config, &[100_000], now);
    let first = network.nodes[CLIENT].ends[&key].connection.route();
    assert_eq!(first.remote, address(2, 443));
    let mut seen = Vec::new();
    network.run(10 * SECOND, |nodes, _| {
        let end = &nodes[CLIENT].ends[&key];
        seen.push((
            end.connection.is_established(),
            end.connection.route().remote,
        ));
        end.answered == 1 && !end.went.is_empty()
    });
    // Nothing of what the connection before was told is used for this one before it is told again.
    let early = seen.iter().filter(|(established, _)| !established);
    assert!(early.clone().count() > 0);
    assert!(early.clone().all(|(_, remote)| *remote == address(2, 443)));
    assert_eq!(network.nodes[CLIENT].ends.len(), before + 1);
    check(&network, ELSEWHERE[0].into(), "again");
}
