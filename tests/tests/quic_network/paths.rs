//! A client that moves by itself, and paths that carry longer datagrams than others, or less than they did.

use super::*;

const MB: usize = 1_000_000;

fn carrying(mtu: Vec<(Duration, usize)>) -> Link {
    Link { mtu, ..usual() }
}

/// Runs a transfer of 10 MB, and has the client's socket replaced at these times.
fn migrate(
    network: &mut Network<Host>,
    config: &ClientConfig,
    at: &[Duration],
) -> Option<Duration> {
    let key = network.nodes[CLIENT].connect(config, &[10 * MB], Duration::ZERO);
    for (number, at) in (1..).zip(at) {
        network.rebind(CLIENT, *at, address(10 + number, 50_000));
    }
    let mut left = at.to_vec();
    network.run(60 * SECOND, |nodes, now| {
        let host = &mut nodes[CLIENT];
        if left.first().is_some_and(|at| *at <= now) {
            left.remove(0);
            let end = host.ends.get_mut(&key).unwrap();
            end.connection.rebind(clock(now)).unwrap();
            host.work(key, now);
        }
        let end = &host.ends[&key];
        end.answered == 1 || end.closed.is_some()
    })
}

#[test]
fn a_client_that_moves_gets_its_data_in_time_and_is_met_by_another_id_each_time() {
    let (mut network, config) = scene(USUAL, usual(), usual());
    let at = [2 * SECOND, 4 * SECOND, 6 * SECOND];
    let took = migrate(&mut network, &config, &at);
    // What is on its way is lost each time, and the window begins anew.
    let most = Duration::from_millis(10_500);
    let why = network.nodes[CLIENT].closed();
    assert!(took.is_some_and(|took| took <= most), "{took:?} {why:?}");
    for host in &network.nodes {
        assert_eq!(host.connection().unwrap().stats().moves, 3);
    }
    let server = network.nodes[SERVER].connection().unwrap();
    assert_eq!(server.route(), route(address(13, 50_000)));
}

#[test]
fn both_sides_find_what_their_path_carries_and_notice_that_it_carries_less() {
    let always = |mtu| vec![(Duration::ZERO, mtu)];
    let shrinks = |mtu| vec![(2 * SECOND, mtu)];
    // (name, what the path carries and from when on, the least that is found in the end, black holes, how long it may take)
    let rows = [
        ("1200", always(1200), 1200, 0, 8500),
        ("1280", always(1280), 1260, 0, 8500),
        ("1400", always(1400), 1380, 0, 8500),
        ("1500", always(1500), 1452, 0, 8500),
        ("1400 from 2 s on", shrinks(1400), 1380, 1, 10_000),
        ("1280 from 2 s on", shrinks(1280), 1260, 1, 10_000),
        ("1200 from 2 s on", shrinks(1200), 1200, 1, 10_000),
    ];
    for (name, mtu, least, holes, most) in rows {
        let carries = mtu[0].1;
        let (mut network, config) = scene(USUAL, carrying(mtu.clone()), carrying(mtu));
        let took = fetch(&mut network, &config, &[5 * MB, 5 * MB], 60 * SECOND);
        let stats = network.nodes[SERVER].connection().unwrap().stats();
        let most = Duration::from_millis(most);
        assert!(
            took.is_some_and(|took| took <= most),
            "{name}: {took:?} {stats:?}"
        );
        let found = usize::from(stats.mtu);
        assert!((least..=carries).contains(&found), "{name}: {found}");
        assert_eq!(stats.black_holes, holes, "{name}: {stats:?}");
    }
}

#[test]
fn a_bad_link_is_not_taken_for_one_that_carries_less() {
    let lossy = |loss, burst| Link {
        loss,
        burst,
        ..usual()
    };
    let full = Link {
        queue: 6 * 1500,
        ..usual()
    };
    let away = Link {
        outage: Outage::Each(2 * SECOND, SECOND / 2),
        ..usual()
    };
    let reordering = Link {
        reorder: (300, 20 * MS),
        ..usual()
    };
    // (name, the link, bytes to fetch)
    let rows = [
        ("one in ten is lost", lossy(100, 1), MB),
        ("three in ten are lost", lossy(300, 1), MB / 4),
        ("bursts are lost", lossy(20, 8), MB),
        ("long bursts are lost", lossy(8, 20), MB),
        ("a short queue", full, 3 * MB),
        ("outages", away, 3 * MB),
        ("reordering", reordering, 3 * MB),
    ];
    for (name, link, bytes) in rows {
        for seed in 0..2 {
            let tune = Tune { seed, ..USUAL };
            let (mut network, config) = scene(tune, link.clone(), link.clone());
            let took = fetch(&mut network, &config, &[bytes], 300 * SECOND);
            let end = network.nodes[SERVER].ends.values().next();
            let stats = end.map(|end| end.connection.stats()).unwrap();
            assert!(took.is_some(), "{name} {seed}: {stats:?}");
            assert!(stats.congestion_events > 0, "{name} {seed}: {stats:?}");
            assert_eq!((stats.black_holes, stats.mtu), (0, 1452), "{name} {seed}");
        }
    }
}
