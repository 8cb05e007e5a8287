use super::migrate::{PING, moved_to, quiet, short_dcid};
use super::*;
use crate::path::PreferredAddresses;
use crate::wire::frame::NewConnectionId;
use crate::wire::{Builder, Space};

const HOME: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(10, 0, 0, 7));
const SECOND: Duration = Duration::from_secs(1);

fn loopback(host: u8, port: u16) -> SocketAddr {
    ([127, 0, 0, host], port).into()
}

/// Where a client goes that goes to the preferred address.
fn there(address: SocketAddr) -> Route {
    Route {
        local: None,
        remote: address,
    }
}

/// How the server sees it there.
fn from_there(address: SocketAddr) -> Route {
    Route {
        local: Some(address),
        ..CLIENT
    }
}

fn prefers(server: ServerConfigBuilder, address: SocketAddr) -> ServerConfigBuilder {
    match address {
        SocketAddr::V4(v4) => server.preferred_address(Some(v4), None),
        SocketAddr::V6(v6) => server.preferred_address(None, Some(v6)),
    }
}

/// A pair whose server knows its addresses and prefers this one; the handshake is to come.
fn preferring(
    address: SocketAddr,
    client: impl FnOnce(ClientConfigBuilder) -> ClientConfigBuilder,
    server: impl FnOnce(ServerConfigBuilder) -> ServerConfigBuilder,
) -> Pair {
    let mut pair = Pair::with(straight(), client, |config| {
        server(prefers(config, address))
    });
    pair.server_at = Some(CLIENT.remote);
    pair.preferred = Some(address);
    pair
}

fn migrations(events: &[Event]) -> (Vec<Route>, Vec<Route>) {
    let (mut went, mut failed) = (Vec::new(), Vec::new());
    for event in events {
        match event {
            Event::Migrated(route) => went.push(*route),
            Event::MigrationFailed(route) => failed.push(*route),
            _ => {}
        }
    }
    (went, failed)
}

#[test]
fn a_client_goes_to_the_preferred_address_when_it_has_an_answer_from_there() {
    type Change = fn(ServerConfigBuilder) -> ServerConfigBuilder;
    let rows: [(&str, SocketAddr, Change); 3] = [
        ("another host", loopback(2, 4433), |server| server),
        ("another port", loopback(1, 4434), |server| server),
        ("clients are to stay", loopback(2, 443), |server| {
            server.active_migration(false)
        }),
    ];
    for (name, address, change) in rows {
        let mut pair = preferring(address, |client| client, change);
        let confirmed = |pair: &mut Pair| pair.client.state == State::Confirmed;
        assert!(pair.run_until(SECOND, confirmed), "{name}");
        assert_eq!(pair.client.route(), CLIENT, "{name}: asks first");
        quiet(&mut pair);
        let (went, failed) = migrations(&pair.client_events);
        assert_eq!((went, failed), (vec![there(address)], vec![]), "{name}");
        assert_eq!(pair.client.route(), there(address), "{name}");
        let dcid = pair.client.dcid(pair.client.paths.active.remote);
        assert_eq!(dcid, Some(id(0x5f)), "{name}");
        assert_eq!(
            moved_to(&pair.server_events),
            [from_there(address)],
            "{name}"
        );
        assert_eq!(pair.server().route(), from_there(address), "{name}");
        let (client, server) = (pair.client.stats(), pair.server().stats());
        assert_eq!((client.moves, server.moves), (1, 1), "{name}");
        let data = pattern(200_000);
        for from in [Side::Server, Side::Client] {
            assert_eq!(pair.transfer(from, &data, 9 * SECOND), data, "{name}");
        }
        let elsewhere = pair
            .went
            .iter()
            .any(|(_, to, _)| *to != from_there(address));
        assert!(!elsewhere, "{name}: {:?}", pair.went);
        pair.run(20 * SECOND);
        let paths = (
            pair.client.paths.iter().count(),
            pair.server().paths.iter().count(),
        );
        assert_eq!(paths, (1, 1), "{name}");
        // What a server still sends from where it was first is its own.
        let before = pair.client.stats().packets_received;
        let now = pair.now;
        let ping = pair.server().forge(Space::Application, PING, now);
        for (from, more) in [(loopback(9, 9), 0), (CLIENT.remote, 1)] {
            pair.deliver_from(Side::Client, there(from), Ecn::NotEct, &ping);
            let received = pair.client.stats().packets_received;
            assert_eq!(received, before + more, "{name} {from}");
        }
        assert!(
            !pair.server().ids.local.contains(&id(0x50)),
            "{name}: retired"
        );
        // The client is free to move from here, whatever the server said of its first address.
        pair.homes = vec![HOME];
        let now = at(pair.now);
        pair.server().issue_ids(&[new_id(0x61), new_id(0x62)]);
        pair.client.issue_ids(&[new_id(0xd1), new_id(0xd2)]);
        pair.run(SECOND);
        assert_eq!(pair.client.migrate(HOME, now), Ok(()), "{name}");
        pair.run(SECOND);
        let seen = Route {
            local: Some(address),
            remote: (HOME, 4433).into(),
        };
        assert_eq!(pair.server().route(), seen, "{name}");
        assert_eq!(
            pair.transfer(Side::Server, &data, 9 * SECOND),
            data,
            "{name}"
        );
    }
}

#[test]
fn the_preferred_address_has_a_window_and_a_round_trip_of_its_own() {
    let address = loopback(1, 4434);
    let mut pair = preferring(address, |client| client, |server| server);
    let no_probe: Fate = Box::new(move |from, datagram| {
        let probe = from == Side::Client && datagram.get(1..9) == Some(&[0x5f; 8]);
        if probe { Vec::new() } else { vec![DELAY] }
    });
    pair.fate = no_probe;
    pair.connect();
    pair.client.issue_ids(&[new_id(0xc1), new_id(0xc2)]);
    let data = pattern(300_000);
    pair.transfer(Side::Server, &data, 9 * SECOND);
    let before = (pair.client.stats(), pair.server().stats());
    assert_eq!((before.0.moves, before.1.moves), (0, 0));
    pair.fate = straight();
    let moved = |pair: &mut Pair| pair.server().stats().moves == 1;
    assert!(pair.run_until(5 * SECOND, moved));
    let after = (pair.client.stats(), pair.server().stats());
    let first = pair.server().config.recovery_path(PathId(0), 1200);
    assert!(before.1.window > first.window(), "it has grown");
    assert_eq!(after.1.window, first.window());
    assert!(after.0.window <= before.0.window);
}

#[test]
fn a_client_stays_where_nobody_answers_at_the_preferred_address() {
    let address = loopback(2, 4433);
    for stays in [false, true] {
        let mut pair = preferring(
            address,
            |client| client,
            |server| server.active_migration(!stays),
        );
        // Every datagram by the id of the preferred address is lost.
        pair.fate = Box::new(|from, datagram| {
            let lost = from == Side::Client && datagram.get(1..9) == Some(&[0x5f; 8]);
            if lost { Vec::new() } else { vec![DELAY] }
        });
        quiet(&mut pair);
        let data = pattern(50_000);
        for from in [Side::Server, Side::Client] {
            assert_eq!(pair.transfer(from, &data, 9 * SECOND), data);
        }
        pair.run(5 * SECOND);
        let (went, failed) = migrations(&pair.client_events);
        assert_eq!((went, failed), (vec![], vec![there(address)]));
        assert_eq!(pair.client.route(), CLIENT);
        assert_eq!(pair.server().route(), from_there(CLIENT.remote));
        // It asked a few times, and never again.
        let asked = |pair: &Pair| {
            let to = |datagram: &Vec<u8>| datagram.get(1..9) == Some(&[0x5f; 8]);
            let log = pair.log.iter();
            log.filter(|(from, bytes)| *from == Side::Client && to(bytes))
                .count()
        };
        let before = asked(&pair);
        assert!(before <= 4, "{before}");
        pair.run(10 * SECOND);
        assert_eq!(asked(&pair), before);
        // Its id is retired, and with it what a server could still say of it.
        assert_eq!(pair.client.paths.iter().count(), 1);
        assert!(!pair.server().ids.local.contains(&id(0x5f)));
        let want = if stays {
            Err(MigrateError::Refused)
        } else {
            Ok(())
        };
        let now = at(pair.now);
        assert_eq!(pair.client.migrate(HOME, now), want);
    }
}

/// How many datagrams the server sends from elsewhere, and from the preferred address.
fn kinds(pair: &mut Pair, address: SocketAddr) -> (usize, usize) {
    let (mut here, mut there) = (0, 0);
    for (route, _) in pair.server_sends() {
        if route.local == Some(address) {
            there += 1;
        } else {
            here += 1;
        }
    }
    (here, there)
}

/// A pair that is quiet, whose client does not go by itself.
fn waiting(address: SocketAddr) -> Pair {
    let refuses =
        |client: ClientConfigBuilder| client.preferred_addresses(PreferredAddresses::Refused);
    let mut pair = preferring(address, refuses, |server| server);
    quiet(&mut pair);
    pair
}

#[test]
fn a_server_sends_only_probes_from_the_preferred_address_until_its_client_is_there_and_proven() {
    let address = loopback(2, 4433);
    let mut pair = waiting(address);
    let route = from_there(address);
    let data = pattern(3000);
    let stream = pair.server().open(Dir::Uni).unwrap();
    // A probe is answered from there, and the client is asked from there.
    let probe = [&[0x1a, 1, 2, 3, 4, 5, 6, 7, 8][..], &[0; 1100]].concat();
    pair.come(route, &probe);
    assert_eq!(kinds(&mut pair, address), (0, 1));
    pair.server().send(stream, &mut data.clone()).unwrap();
    let (here, elsewhere) = kinds(&mut pair, address);
    assert!(here > 0 && elsewhere == 0, "{here} {elsewhere}");
    // A newer packet that is no probe: still not proven, so data goes from the first address.
    pair.come(route, &[PING, &[0; 1100]].concat());
    assert_eq!(pair.server().route().local, Some(CLIENT.remote));
    pair.server().send(stream, &mut data.clone()).unwrap();
    let (here, elsewhere) = kinds(&mut pair, address);
    assert!(here > 0 && elsewhere == 0, "{here} {elsewhere}");
    // The answer moves it.
    let asked = challenge(&mut pair, address);
    pair.come(route, &[&[0x1b][..], &asked, &[0; 1100]].concat());
    assert_eq!(pair.server().route(), route);
    assert!(pair.server().paths.active.is_proven());
    pair.server().send(stream, &mut data.clone()).unwrap();
    let sent = pair.server_sends();
    assert!(sent.iter().any(|(to, _)| *to == route));
    let data_from_first = sent.iter().filter(|(to, _)| *to != route).count();
    assert!(
        data_from_first <= 1,
        "one asks whether the client is gone from there"
    );
}

#[test]
fn a_proof_alone_moves_no_server_and_an_older_packet_neither() {
    let address = loopback(2, 4433);
    let mut pair = waiting(address);
    let route = from_there(address);
    let older = pair.client.forge(Space::Application, PING, pair.now);
    let probe = [&[0x1a, 1, 2, 3, 4, 5, 6, 7, 8][..], &[0; 1100]].concat();
    pair.come(route, &probe);
    assert_eq!(kinds(&mut pair, address).1, 1);
    let asked = challenge(&mut pair, address);
    pair.come(route, &[&[0x1b][..], &asked, &[0; 1100]].concat());
    assert_eq!(
        pair.server().route().local,
        Some(CLIENT.remote),
        "probes only"
    );
    pair.come(from_there(CLIENT.remote), PING);
    pair.deliver_from(Side::Server, route, Ecn::NotEct, &older);
    assert_eq!(
        pair.server().route().local,
        Some(CLIENT.remote),
        "overtaken"
    );
    pair.come(route, PING);
    assert_eq!(pair.server().route(), route);
    // Who copies packets to the first address takes the connection back to nobody.
    pair.come(from_there(CLIENT.remote), PING);
    assert_eq!(pair.server().route(), route);
}

#[test]
fn a_move_that_a_client_has_given_up_does_not_wait_for_its_proof() {
    let address = loopback(2, 4433);
    let mut pair = waiting(address);
    let route = from_there(address);
    pair.come(route, &[PING, &[0; 1100]].concat());
    assert_eq!(kinds(&mut pair, address).1, 1);
    let asked = challenge(&mut pair, address);
    assert!(pair.server().paths.tries(route.remote));
    pair.come(from_there(CLIENT.remote), PING);
    assert!(!pair.server().paths.tries(route.remote), "back again");
    pair.come(route, &[&[0x1b][..], &asked, &[0; 1100]].concat());
    assert_eq!(pair.server().route(), from_there(CLIENT.remote));
}

/// The data of the server's challenge that would prove the path there.
fn challenge(pair: &mut Pair, address: SocketAddr) -> [u8; 8] {
    let paths = pair.server().paths.iter();
    let mut there = paths.filter(|path| path.route.local == Some(address));
    there
        .next()
        .unwrap()
        .validation
        .as_ref()
        .unwrap()
        .newest()
        .unwrap()
}

#[test]
fn another_source_at_the_preferred_address_gets_three_times_what_it_sent() {
    let address = loopback(2, 4433);
    let mut pair = waiting(address);
    let stranger = Route {
        local: Some(address),
        remote: ([203, 0, 113, 9], 99).into(),
    };
    let data = pattern(100_000);
    let stream = pair.server().open(Dir::Uni).unwrap();
    pair.server().send(stream, &mut data.clone()).unwrap();
    let came = pair.come(stranger, &[PING, &[0; 400]].concat());
    let mut went = 0;
    for _ in 0..40 {
        let sent = pair.server_sends().into_iter();
        went += sent
            .filter(|(to, _)| *to == stranger)
            .map(|(_, bytes)| bytes.len())
            .sum::<usize>();
        pair.now += Duration::from_millis(100);
        let now = at(pair.now);
        pair.server().on_deadline(now);
    }
    assert!(went > 0 && went <= 3 * came, "{went} for {came}");
    assert_eq!(pair.server().route(), from_there(CLIENT.remote));
    assert_eq!(pair.server().paths.iter().count(), 1, "and is forgotten");
    assert_eq!(moved_to(&pair.server_events), []);
}

#[test]
fn a_client_that_moves_at_the_same_time_asks_at_both_and_prefers_what_its_server_does() {
    let address = loopback(2, 4433);
    let seen = Route {
        local: Some(address),
        remote: (HOME, 4433).into(),
    };
    for stays in [false, true] {
        let mut pair = preferring(
            address,
            |client| client,
            |server| server.active_migration(!stays),
        );
        pair.homes = vec![HOME];
        // What answers from the first address comes late.
        pair.fate = Box::new(|from, datagram| {
            let late = from == Side::Server && datagram.get(1..9) == Some(&[0xc2; 8]);
            if late { vec![DELAY * 20] } else { vec![DELAY] }
        });
        pair.connect();
        pair.client.issue_ids(&[0xc1, 0xc2, 0xc3].map(new_id));
        pair.server().issue_ids(&[0x51, 0x52, 0x53].map(new_id));
        let has_ids = |pair: &mut Pair| {
            pair.client.ids.remote.get(0).is_some() && pair.client.ids.remote.spare() >= 2
        };
        assert!(pair.run_until(SECOND, has_ids));
        let now = at(pair.now);
        assert_eq!(pair.client.migrate(HOME, now), Ok(()), "{stays}");
        let want = if stays { 1 } else { 2 };
        assert_eq!(
            pair.client.paths.tried(),
            want,
            "both, from the new address"
        );
        pair.run(3 * SECOND);
        let last = Route {
            local: Some((HOME, 0).into()),
            remote: address,
        };
        let (went, failed) = migrations(&pair.client_events);
        assert_eq!(
            (went.last(), &failed[..]),
            (Some(&last), &[][..]),
            "{stays}"
        );
        assert_eq!(pair.client.paths.tried(), 0);
        assert_eq!(pair.client.route(), last);
        assert_eq!(pair.server().route(), seen, "{stays}");
        let data = pattern(100_000);
        for from in [Side::Server, Side::Client] {
            assert_eq!(pair.transfer(from, &data, 9 * SECOND), data, "{stays}");
        }
    }
}

#[test]
fn a_client_at_the_preferred_address_asks_nowhere_else_any_more() {
    let address = loopback(2, 4433);
    let mut pair = preferring(address, |client| client, |server| server);
    pair.homes = vec![HOME];
    pair.connect();
    pair.client.issue_ids(&[0xc1, 0xc2, 0xc3].map(new_id));
    pair.server().issue_ids(&[0x51, 0x52, 0x53].map(new_id));
    assert!(pair.run_until(SECOND, |pair| pair.client.ids.remote.spare() >= 2));
    let now = at(pair.now);
    pair.client.migrate(HOME, now).unwrap();
    let at_first = |pair: &Pair| {
        let mut paths = pair.client.paths.iter();
        paths.any(|path| path.moves && path.route.remote == CLIENT.remote)
    };
    assert!(at_first(&pair));
    // The preferred address answers first: its answer is made here.
    let mut buffer = [0; 1500];
    while pair.client.transmit(now, &mut buffer).is_some() {}
    let data = {
        let mut paths = pair.client.paths.iter();
        let path = paths.find(|path| path.route.remote == address).unwrap();
        path.validation.as_ref().and_then(|v| v.newest()).unwrap()
    };
    let now = pair.now;
    let response = [&[0x1b][..], &data].concat();
    let answer = pair.server().forge(Space::Application, &response, now);
    let route = Route {
        local: Some((HOME, 4433).into()),
        remote: address,
    };
    pair.deliver_from(Side::Client, route, Ecn::NotEct, &answer);
    assert_eq!(pair.client.route().remote, address);
    assert!(!at_first(&pair), "abandoned");
    assert!(pair.client.wanted_address().is_none());
}

#[test]
fn a_client_whose_socket_is_replaced_on_the_way_gets_there_from_the_new_one() {
    let address = loopback(2, 4433);
    let mut pair = preferring(address, |client| client, |server| server);
    pair.connect();
    pair.client.issue_ids(&[0xc1, 0xc2, 0xc3].map(new_id));
    pair.server().issue_ids(&[0x51, 0x52, 0x53].map(new_id));
    assert!(pair.run_until(SECOND, |pair| pair.client.ids.remote.spare() >= 2));
    pair.seen_at.remote = (HOME, 4433).into();
    let now = at(pair.now);
    assert_eq!(pair.client.rebind(now), Ok(()));
    pair.run(3 * SECOND);
    assert_eq!(pair.client.route(), there(address));
    let seen = Route {
        local: Some(address),
        remote: (HOME, 4433).into(),
    };
    assert_eq!(pair.server().route(), seen);
    let data = pattern(100_000);
    assert_eq!(pair.transfer(Side::Server, &data, 9 * SECOND), data);
}

#[test]
fn ids_beside_the_preferred_one_count_from_two() {
    let frame = |sequence: u32, end: u32, value: u8| {
        let mut buffer = [0; 64];
        let mut builder = Builder::new(&mut buffer);
        let frame = NewConnectionId {
            sequence: sequence.into(),
            retire_prior_to: end.into(),
            id: id(value),
            reset_token: ResetToken([value; 16]),
        };
        builder.put_new_connection_id(&frame).unwrap();
        builder.written().to_vec()
    };
    let reused = Some(crate::Fault::IdReused);
    // (name, number, retire prior to, id, fault)
    let rows = [
        ("said again", 1, 0, 0x5f, None),
        ("another id", 1, 0, 0x77, reused),
        ("another number", 2, 0, 0x5f, reused),
        ("the next", 2, 0, 0x77, None),
        ("the next, in place of both", 2, 2, 0x77, None),
    ];
    for (name, sequence, end, value, fault) in rows {
        let refuses =
            |client: ClientConfigBuilder| client.preferred_addresses(PreferredAddresses::Refused);
        let mut pair = preferring(loopback(2, 4433), refuses, |server| server);
        pair.connect();
        let now = pair.now;
        let payload = frame(sequence, end, value);
        let datagram = pair.server().forge(Space::Application, &payload, now);
        pair.deliver(Side::Client, &datagram);
        let want = fault.map(|fault| TransportError::from(fault).in_frame(0x18).into());
        assert_eq!(pair.client.error().cloned(), want, "{name}");
    }
    // A client that holds two ids is sent no third.
    let mut pair = preferring(loopback(2, 4433), |client| client, |server| server);
    pair.connect();
    pair.server().ids.local.set_peer_limit(2);
    let events: Vec<_> = core::iter::from_fn(|| pair.server().endpoint_event()).collect();
    assert_eq!(events, [EndpointEvent::Complete]);
    assert_eq!(pair.server().issue_ids(&[new_id(0x51)]), 0);
}

#[test]
fn an_id_for_a_preferred_address_is_taken_once_and_in_time_by_a_server_that_has_one() {
    let mut plain = Pair::connected();
    assert!(
        !plain.server().issue_preferred_id(new_id(0x60)),
        "no address"
    );
    assert!(!plain.client.issue_preferred_id(new_id(0x60)), "a client");
    let mut pair = preferring(loopback(2, 4433), |client| client, |server| server);
    pair.connect();
    assert!(!pair.server().issue_preferred_id(new_id(0x60)), "too late");
    assert_eq!(pair.server().ids().count(), 2);
    let dcid = {
        let now = at(pair.now);
        let mut buffer = [0; 1500];
        pair.run(SECOND);
        pair.client.ping();
        let sent = pair.client.transmit(now, &mut buffer).unwrap();
        short_dcid(&buffer[..sent.length])
    };
    assert!([id(0x50), id(0x5f)].contains(&dcid));
}
