//! Servers that would rather be elsewhere, and clients without connection ids.

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

#[test]
fn transfers_go_on_at_the_preferred_address_through_loss_and_a_nat_that_forgets() {
    for seed in 0..8 {
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
            let (mut network, config) = scene(tune, lossy(seed), lossy(seed));
            if rebinds {
                // Around the time of the probes.
                let at = (60 + seed * 10) as u32 * MS;
                network.rebind(CLIENT, at, address(1, 50_001));
            }
            let took = fetch(&mut network, &config, &[250_000; 2], 60 * SECOND);
            assert!(
                took.is_some(),
                "{name}: {:?}",
                network.nodes[CLIENT].closed()
            );
            network.run(SECOND, |_, _| false);
            check(&network, preferred.into(), name);
        }
    }
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
