use super::*;

/// What becomes of datagrams on a path that carries so many bytes.
fn carries(most: usize) -> Fate {
    Box::new(move |_, datagram| {
        if datagram.len() > most {
            Vec::new()
        } else {
            vec![DELAY]
        }
    })
}

fn searching(fate: Fate) -> Pair {
    let mut pair = Pair::with(
        fate,
        |client| client.mtu(1452).datagrams(2000),
        |server| server.mtu(1452).datagrams(2000),
    );
    pair.connect();
    pair
}

fn mtus(events: &[Event]) -> Vec<u16> {
    let mtus = events.iter().filter_map(|event| match event {
        Event::Mtu(size) => Some(*size),
        _ => None,
    });
    mtus.collect()
}

#[test]
fn both_sides_find_what_their_path_carries() {
    for (most, least) in [(1200, 1200), (1280, 1260), (1400, 1380), (1500, 1452)] {
        let mut pair = searching(carries(most));
        let before = pair.client.largest_datagram().unwrap();
        pair.run(Duration::from_secs(10));
        for side in [Side::Client, Side::Server] {
            let stats = pair.side(side).stats();
            let found = usize::from(stats.mtu);
            assert!((least..=most).contains(&found), "{side:?} {most}: {found}");
            assert_eq!(stats.congestion_events, 0, "a lost probe is no congestion");
            assert_eq!(stats.black_holes, 0);
        }
        let found = pair.client.stats().mtu;
        let largest = pair.client.largest_datagram().unwrap();
        assert_eq!(largest - before, usize::from(found) - 1200);
        assert_eq!(
            mtus(&pair.client_events).last().copied().unwrap_or(1200),
            found
        );
        // Data goes in datagrams of that size.
        pair.log.clear();
        let data = pattern(300_000);
        for from in [Side::Server, Side::Client] {
            let got = pair.transfer(from, &data, Duration::from_secs(20));
            assert_eq!(got, data, "{most}");
        }
        let longest = pair.log.iter().map(|(_, datagram)| datagram.len()).max();
        assert_eq!(longest, Some(found.into()), "{most}");
        // The search is over: a quiet connection sends nothing.
        pair.run(Duration::from_secs(5));
        let sent = pair.log.len();
        pair.run(Duration::from_secs(15));
        assert_eq!(pair.log.len(), sent, "{most}");
    }
}

#[test]
fn no_probe_goes_out_before_the_handshake_has_been_confirmed_for_a_round_trip() {
    let mut pair = searching(straight());
    let data = pattern(100_000);
    let is_long = |side: Side| {
        move |sent: &(Side, Vec<u8>)| sent.0 == side && sent.1.len() > limits::DATAGRAM
    };
    let id = pair.server().open(Dir::Uni).unwrap();
    pair.server().send(id, &mut data.clone()).unwrap();
    pair.log.clear();
    let began = pair.now;
    let probed = |pair: &mut Pair| pair.log.iter().any(is_long(Side::Server));
    assert!(pair.run_until(Duration::from_secs(1), probed));
    let waited = pair.now - began;
    assert!(waited >= DELAY, "{waited:?}");
    let before = pair.log.iter().filter(|(from, _)| *from == Side::Server);
    assert!(before.count() > 5, "what there was to say went first");
}

#[test]
fn a_path_that_carries_less_than_it_did_is_noticed_and_all_data_arrives() {
    for most in [1400, 1280, 1200] {
        let mut pair = searching(carries(1500));
        pair.run(Duration::from_secs(2));
        assert_eq!(pair.server().stats().mtu, 1452);
        pair.fate = carries(most);
        let data = pattern(200_000);
        let began = pair.now;
        let got = pair.transfer(Side::Server, &data, Duration::from_secs(30));
        assert_eq!(got, data, "{most}");
        let took = pair.now - began;
        assert!(took < Duration::from_secs(15), "{most}: {took:?}");
        pair.run(Duration::from_secs(5));
        let stats = pair.server().stats();
        assert_eq!(stats.black_holes, 1, "{most}");
        assert!(usize::from(stats.mtu) <= most, "{most}: {}", stats.mtu);
        assert!(usize::from(stats.mtu) + 20 >= most, "{most}: {}", stats.mtu);
        let sizes = mtus(&pair.server_events);
        assert_eq!(sizes.get(..2), Some(&[1452, 1200][..]), "{sizes:?}");
    }
}

#[test]
fn congestion_is_no_black_hole() {
    // One of so many is lost, whatever its size; and for a while nothing arrives at all.
    for (one_in, outage) in [(10, false), (5, false), (3, false), (20, true)] {
        let mut pair = searching(carries(1500));
        pair.run(Duration::from_secs(2));
        let (mut count, mut left) = (0_u32, if outage { 12 } else { 0 });
        pair.fate = Box::new(move |_, _| {
            count += 1;
            if count > 100 && left > 0 {
                left -= 1;
                return Vec::new();
            }
            let dice = count.wrapping_mul(2_654_435_761) >> 16;
            if dice % one_in == 0 {
                Vec::new()
            } else {
                vec![DELAY]
            }
        });
        let data = pattern(600_000);
        let id = pair.server().open(Dir::Uni).unwrap();
        let (mut left, mut got, mut accepted) = (data.clone(), Vec::new(), false);
        pair.run_until(Duration::from_secs(300), |pair| {
            let sent = pair.server().send(id, &mut left);
            accepted = accepted || pair.client.accept(Dir::Uni).is_some();
            if accepted {
                read(&mut pair.client, id, &mut got);
            }
            sent.is_err() || got.len() == data.len()
        });
        let stats = pair.server().stats();
        let error = pair.server().error();
        assert_eq!(error, None, "{one_in} {} {stats:?}", got.len());
        assert!(got == data, "{one_in}");
        let stats = pair.server().stats();
        assert!(stats.congestion_events > 0, "{one_in}");
        assert_eq!((stats.black_holes, stats.mtu), (0, 1452), "{one_in}");
    }
}

#[test]
fn what_the_socket_refuses_is_not_sent_again_and_less_than_a_path_has_to_carry_ends_the_connection()
{
    let mut pair = searching(carries(1440));
    pair.client.ping();
    pair.run(Duration::from_millis(100));
    let mut buffer = [0; 1500];
    let now = at(pair.now);
    let probed =
        |(from, datagram): &(Side, Vec<u8>)| *from == Side::Client && datagram.len() == 1452;
    assert!(pair.log.iter().any(probed));
    let route = pair.client.route();
    pair.client.on_too_large(route, 1452, now);
    pair.log.clear();
    pair.run(Duration::from_secs(10));
    let stats = pair.client.stats();
    assert!((1420..1452).contains(&stats.mtu), "{}", stats.mtu);
    let longest = pair.log.iter().filter(|(from, _)| *from == Side::Client);
    assert!(longest.map(|(_, datagram)| datagram.len()).max() < Some(1452));
    // What another path does not carry says nothing of this one.
    let now = at(pair.now);
    let other = Route {
        remote: SocketAddr::new(route.remote.ip(), 1),
        ..route
    };
    for size in [1200, 1201, stats.mtu.into()] {
        pair.client.on_too_large(other, size, now);
    }
    assert_eq!(pair.client.stats().mtu, stats.mtu);
    // An interface that became smaller, and one that is too small.
    pair.client.on_too_large(route, stats.mtu.into(), now);
    assert_eq!(pair.client.stats().mtu, 1200);
    assert!(pair.client.error().is_none());
    pair.client.on_too_large(route, 1201, now);
    assert!(pair.client.error().is_none());
    pair.client.ping();
    pair.client.on_too_large(route, 1200, now);
    assert!(
        matches!(pair.client.error(), Some(ConnectionError::Transport(error)) if error.code == Code::NO_VIABLE_PATH)
    );
    assert!(pair.client.transmit(now, &mut buffer).is_none());
}

#[test]
fn a_buffer_that_is_shorter_than_the_path_allows_is_filled_all_the_same() {
    let mut pair = searching(straight());
    pair.run(Duration::from_secs(2));
    assert_eq!(pair.client.stats().mtu, 1452);
    let stream = pair.client.open(Dir::Uni).unwrap();
    pair.client.send(stream, &mut pattern(5000)).unwrap();
    let mut buffer = [0; limits::DATAGRAM];
    let sent = pair.client.transmit(at(pair.now), &mut buffer).unwrap();
    assert_eq!(sent.length, limits::DATAGRAM);
}

#[test]
fn a_new_path_is_searched_anew() {
    let mut pair = Pair::with(
        straight(),
        |client| client.mtu(1452),
        |server| server.mtu(1452),
    );
    migrate::quiet(&mut pair);
    assert_eq!(pair.client.stats().mtu, 1452);
    let home = IpAddr::from([10, 0, 0, 7]);
    pair.homes = vec![home];
    pair.client_events.clear();
    pair.client.migrate(home, at(pair.now)).unwrap();
    let moved = |pair: &mut Pair| pair.client.stats().moves == 1;
    assert!(pair.run_until(Duration::from_secs(1), moved));
    pair.run(Duration::from_secs(2));
    assert_eq!(mtus(&pair.client_events), [1200, 1452]);
}
