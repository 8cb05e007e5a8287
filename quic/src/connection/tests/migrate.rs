use super::*;
use crate::wire::Space;
use crate::wire::frame::NewConnectionId;
use crate::wire::{Builder, PacketType};

fn elsewhere(host: u8, port: u16) -> Route {
    Route {
        local: None,
        remote: ([127, 0, 0, host], port).into(),
    }
}

pub(super) const PING: &[u8] = &[1];
const CHALLENGE: &[u8] = &[0x1a, 8, 7, 6, 5, 4, 3, 2, 1];

/// A pair that is connected and quiet, with ids to spare on both sides.
pub(super) fn quiet(pair: &mut Pair) {
    pair.connect();
    let minted = |first: u8| (first..first + 3).map(new_id).collect::<Vec<_>>();
    pair.client.issue_ids(&minted(0xc1));
    pair.server().issue_ids(&minted(0x51));
    let data = pattern(50_000);
    assert_eq!(
        pair.transfer(Side::Server, &data, Duration::from_secs(9)),
        data
    );
    pair.run(Duration::from_secs(1));
    pair.went.clear();
    pair.log.clear();
}

pub(super) fn moving() -> Pair {
    let mut pair = Pair::new(straight());
    quiet(&mut pair);
    pair
}

impl Pair {
    /// A packet of the client with this payload, which the server sees come from there.
    pub(super) fn come(&mut self, route: Route, payload: &[u8]) -> usize {
        let now = self.now;
        let datagram = self.client.forge(Space::Application, payload, now);
        self.deliver_from(Side::Server, route, Ecn::NotEct, &datagram);
        datagram.len()
    }

    /// What the server sends now, and where; nothing of it arrives.
    pub(super) fn server_sends(&mut self) -> Vec<(Route, Vec<u8>)> {
        let now = at(self.now);
        let mut buffer = vec![0; 16 * 1500];
        let mut all = Vec::new();
        while let Some(batch) = self.server().transmit(now, &mut buffer) {
            let datagrams = buffer[..batch.length].chunks(batch.segment);
            all.extend(datagrams.map(|datagram| (batch.route, datagram.to_vec())));
        }
        all
    }

    fn moves(events: &[Event]) -> Vec<Route> {
        moved_to(events)
    }

    pub(super) fn sent_to(&self, route: Route) -> usize {
        let there = self.went.iter().filter(|(_, to, _)| *to == route);
        there.map(|(_, _, length)| length).sum()
    }
}

/// Where the server's client has gone, as the application heard it.
pub(super) fn moved_to(events: &[Event]) -> Vec<Route> {
    let moved = events.iter().filter_map(|event| match event {
        Event::Moved(route) => Some(*route),
        _ => None,
    });
    moved.collect()
}

pub(super) fn short_dcid(datagram: &[u8]) -> ConnectionId {
    match header::decode(datagram, 8, QuicBit::Any) {
        Ok(Packet::Protected(header)) if header.packet == PacketType::OneRtt => header.dcid,
        _ => panic!("no short header"),
    }
}

#[test]
fn a_client_that_a_nat_moves_is_asked_at_once_and_followed() {
    let rows = [
        ("another port", elsewhere(1, 9999), true),
        ("another host", elsewhere(2, 4433), false),
        ("another host and port", elsewhere(2, 9999), false),
    ];
    for (name, there, keeps) in rows {
        let mut pair = moving();
        let before = pair.server().stats();
        assert!(before.window > 20_000 && before.rtt < DELAY * 3, "{name}");
        pair.seen_at = there;
        pair.client.ping();
        let there_first = |pair: &mut Pair| pair.went.iter().any(|(_, to, _)| *to == there);
        assert!(
            pair.run_until(Duration::from_secs(1), there_first),
            "{name}"
        );
        let moved = pair.server().stats();
        let initial = pair.server_config.transport.initial_rtt;
        let want = if keeps { before.rtt } else { initial };
        assert_eq!(moved.rtt, want, "{name}");
        // The first datagram to there asks already, and one to where the client was asks too.
        let first: Vec<_> = pair.went.iter().map(|(_, to, _)| *to).collect();
        assert!(
            first.contains(&there) && first.contains(&CLIENT),
            "{name}: {first:?}"
        );
        assert_eq!(pair.server().route(), there, "{name}");
        assert!(!pair.server().paths.active.is_proven(), "{name}");
        pair.run(Duration::from_millis(200));
        assert!(pair.server().paths.active.is_proven(), "{name}");
        assert_eq!(Pair::moves(&pair.server_events), [there], "{name}");
        let after = pair.server().stats();
        assert_eq!(after.moves, 1, "{name}");
        let data = pattern(100_000);
        for from in [Side::Server, Side::Client] {
            let got = pair.transfer(from, &data, Duration::from_secs(9));
            assert_eq!(got, data, "{name}");
        }
        // Nobody answers where the client was.
        let old = pair.sent_to(CLIENT);
        assert!(
            (limits::DATAGRAM..=4 * limits::DATAGRAM).contains(&old),
            "{name}: {old}"
        );
        pair.run(Duration::from_secs(20));
        assert_eq!(pair.server().paths.iter().count(), 1, "{name}");
        assert_eq!(pair.server().stats().moves, 1, "{name}");
    }
}

#[test]
fn a_true_move_begins_with_a_first_window_and_round_trip_and_the_way_back_with_the_old() {
    let mut pair = moving();
    let there = elsewhere(2, 4433);
    let before = pair.server().stats();
    pair.come(there, PING);
    let moved = pair.server().stats();
    let initial = pair.server_config.transport.initial_rtt;
    assert_eq!((moved.rtt, moved.in_flight), (initial, 0));
    assert!(moved.window < before.window, "{moved:?}");
    pair.come(CLIENT, PING);
    let back = pair.server().stats();
    assert_eq!((back.rtt, back.window), (before.rtt, before.window));
    assert_eq!((back.moves, pair.server().route()), (2, CLIENT));
}

#[test]
fn no_more_than_three_times_what_came_goes_to_an_address_that_nobody_proves() {
    for payload in [PING, &[0; 300][..], &[1; 500][..]] {
        let mut pair = moving();
        let there = elsewhere(6, 666);
        let stream = pair.server().open(Dir::Uni).unwrap();
        let mut data = pattern(200_000);
        pair.server().send(stream, &mut data).unwrap();
        let came = pair.come(there, &[payload, PING].concat());
        assert_eq!(pair.server().route(), there);
        // The client hears nothing for a while, and says nothing: its own address is not asked in vain, but the answer is lost.
        pair.fate = Box::new(|_, _| Vec::new());
        let before = pair.server().stats().bytes_sent;
        pair.run(Duration::from_millis(2900));
        let sent = pair.sent_to(there);
        assert!(sent > 0 && sent <= 3 * came, "{sent} for {came}");
        assert!(pair.server().stats().bytes_sent > before);
        assert_eq!(pair.server().route(), there);
        // In vain: back to where the client was last.
        pair.run(Duration::from_millis(400));
        assert_eq!(pair.server().route(), CLIENT);
        pair.fate = straight();
        let (mut got, mut accepted) = (Vec::new(), false);
        let done = pair.run_until(Duration::from_secs(30), |pair| {
            accepted = accepted || pair.client.accept(Dir::Uni) == Some(stream);
            accepted && read(&mut pair.client, stream, &mut got) || got.len() == 200_000
        });
        assert!(done && got == pattern(200_000), "{}", got.len());
        assert_eq!(pair.sent_to(there), sent, "nothing more");
        assert!(
            Pair::moves(&pair.server_events).is_empty(),
            "the application never heard of it"
        );
    }
}

#[test]
fn a_challenge_that_was_too_small_is_followed_by_a_whole_one() {
    let mut pair = moving();
    let there = elsewhere(3, 4433);
    pair.seen_at = there;
    let came = pair.come(there, PING);
    assert!(came < 100);
    let first = pair.server_sends();
    let (route, small) = first.iter().find(|(route, _)| *route == there).unwrap();
    assert!(small.len() <= 3 * came && *route == there);
    pair.deliver(Side::Client, small);
    assert!(pair.client.paths.active.responses.is_pending());
    let mut buffer = [0; 1500];
    let answer = pair.client.transmit(at(pair.now), &mut buffer).unwrap();
    assert_eq!(answer.length, limits::DATAGRAM);
    pair.deliver_from(Side::Server, there, Ecn::NotEct, &buffer[..answer.length]);
    let path = &pair.server().paths.active;
    assert!(path.amplification.is_validated() && !path.is_proven());
    let second = pair.server_sends();
    assert_eq!(
        second.iter().map(|(_, d)| d.len()).max(),
        Some(limits::DATAGRAM)
    );
    for (_, datagram) in second.iter().filter(|(route, _)| *route == there) {
        pair.deliver(Side::Client, datagram);
    }
    let answer = pair.client.transmit(at(pair.now), &mut buffer).unwrap();
    pair.deliver_from(Side::Server, there, Ecn::NotEct, &buffer[..answer.length]);
    assert!(pair.server().paths.active.is_proven());
}

#[test]
fn a_path_that_carries_no_whole_datagrams_is_left_again() {
    let mut pair = moving();
    let there = elsewhere(3, 4433);
    pair.seen_at = there;
    pair.client.ping();
    // Only the server's are too large.
    pair.fate = Box::new(|from, datagram| {
        let lost = from == Side::Server && datagram.len() >= 1200;
        if lost { Vec::new() } else { vec![DELAY] }
    });
    pair.run(Duration::from_millis(500));
    let path = &pair.server().paths.active;
    assert!(path.route == there && path.amplification.is_validated() && !path.is_proven());
    pair.run(Duration::from_secs(6));
    assert_eq!(pair.server().route(), CLIENT);
}

#[test]
fn an_answer_counts_whichever_way_it_comes_and_no_other_does() {
    let mut pair = moving();
    let there = elsewhere(4, 4433);
    pair.come(there, &[&[1; 400][..], PING].concat());
    let sent = pair.server_sends();
    let wrong = [0x1b, 9, 9, 9, 9, 9, 9, 9, 9];
    pair.come(there, &wrong);
    assert!(!pair.server().paths.active.amplification.is_validated());
    let (_, asked) = sent.iter().find(|(route, _)| *route == there).unwrap();
    pair.deliver(Side::Client, asked);
    let mut buffer = [0; 1500];
    let answer = pair.client.transmit(at(pair.now), &mut buffer).unwrap();
    pair.deliver_from(Side::Server, CLIENT, Ecn::NotEct, &buffer[..answer.length]);
    let path = pair.server().paths.find(&there).unwrap();
    assert!(pair.server().paths.get_mut(path).unwrap().is_proven());
}

#[test]
fn only_the_newest_packet_that_is_no_probe_moves_the_peer() {
    let mut pair = moving();
    let there = elsewhere(5, 4433);
    let now = pair.now;
    let older = pair.client.forge(Space::Application, PING, now);
    let probe = pair.come(there, CHALLENGE);
    assert_eq!(pair.server().route(), CLIENT, "a probe");
    // It is answered where it came from, and that path is asked too.
    let sent = pair.server_sends();
    let answer: Vec<_> = sent.iter().filter(|(route, _)| *route == there).collect();
    assert_eq!(answer.len(), 1);
    assert!(answer[0].1.len() <= 3 * probe, "as much as may be sent");
    pair.deliver(Side::Client, &answer[0].1);
    assert!(pair.client.paths.active.responses.is_pending());
    pair.come(there, PING);
    assert_eq!(
        (pair.server().route(), pair.server().stats().moves),
        (there, 1)
    );
    pair.deliver_from(Side::Server, CLIENT, Ecn::NotEct, &older);
    assert_eq!(pair.server().route(), there, "an older packet");
    pair.come(CLIENT, PING);
    assert_eq!(pair.server().route(), CLIENT, "a newer one");
    // The same packet again, from wherever: a copy.
    let ping = pair.client.forge(Space::Application, PING, now);
    pair.deliver_from(Side::Server, CLIENT, Ecn::NotEct, &ping);
    let paths = pair.server().paths.iter().count();
    pair.deliver_from(Side::Server, elsewhere(7, 7), Ecn::NotEct, &ping);
    assert_eq!(pair.server().route(), CLIENT);
    assert_eq!(
        pair.server().paths.iter().count(),
        paths,
        "a copy makes no path"
    );
}

#[test]
fn a_client_that_never_left_takes_the_connection_back() {
    let mut pair = moving();
    let there = elsewhere(6, 666);
    // An attacker's copy comes first, and the client's own packet is a duplicate.
    pair.come(there, PING);
    assert_eq!(pair.server().route(), there);
    pair.run(Duration::from_millis(100));
    // Asked on the path that it sends on, the client has answered with more than a probe.
    assert_eq!(pair.server().route(), CLIENT);
    assert!(Pair::moves(&pair.server_events).is_empty());
    pair.run(Duration::from_secs(20));
    assert_eq!(pair.server().paths.iter().count(), 1);
    let data = pattern(50_000);
    assert_eq!(
        pair.transfer(Side::Server, &data, Duration::from_secs(9)),
        data
    );
}

#[test]
fn paths_are_bounded_whatever_addresses_packets_come_from() {
    let mut pair = moving();
    let mut most = 0;
    for number in 0..300_u16 {
        pair.come(elsewhere(9, 1000 + number), PING);
        let sent = pair.server_sends();
        most = most.max(pair.server().paths.iter().count());
        assert!(sent.len() <= limits::PATHS, "{number}: {}", sent.len());
        pair.now += Duration::from_millis(1);
    }
    assert_eq!(most, limits::PATHS);
    assert!(pair.server().state.is_open());
    // The last that was proven is still known.
    let old = pair.server().paths.find(&CLIENT).unwrap();
    assert!(pair.server().paths.get_mut(old).unwrap().is_proven());
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.server().route(), CLIENT);
}

#[test]
fn a_peer_that_comes_by_another_id_is_met_by_another() {
    let mut pair = moving();
    let there = elsewhere(2, 4433);
    let old = pair.server().dcid(Some(0)).unwrap();
    // Kept to its id: so does the server.
    let mut rebound = moving();
    rebound.come(there, PING);
    let sent = rebound.server_sends();
    assert!(sent.iter().all(|(_, datagram)| short_dcid(datagram) == old));
    // Another id of the server: another of the client, and the old one where the client was.
    pair.client.paths.active.remote = pair.client.ids.remote.take();
    pair.seen_at = there;
    pair.come(there, &[&[1; 400][..], PING].concat());
    let sent = pair.server_sends();
    assert!(sent.len() >= 2);
    for (route, datagram) in &sent {
        let want = if *route == there { id(0xc1) } else { old };
        assert_eq!(short_dcid(datagram), want, "{route:?}");
        pair.deliver(Side::Client, datagram);
    }
    let tokens: Vec<_> = core::iter::from_fn(|| pair.server().endpoint_event()).collect();
    assert!(tokens.contains(&EndpointEvent::ResetToken(ResetToken([0xc1; 16]))));
    // Where the client was is forgotten after a while, and its id goes.
    pair.run(Duration::from_secs(20));
    assert_eq!(pair.server().paths.iter().count(), 1);
    let told: Vec<_> = core::iter::from_fn(|| pair.client.endpoint_event()).collect();
    assert!(told.contains(&EndpointEvent::Retired(old)), "{told:?}");
    let moved = EndpointEvent::Moved(there.remote);
    let told: Vec<_> = core::iter::from_fn(|| pair.server().endpoint_event()).collect();
    assert!(told.contains(&moved), "{told:?}");
}

#[test]
fn without_an_id_to_spare_nothing_goes_to_a_peer_that_came_by_another() {
    let mut pair = Pair::connected();
    pair.server().issue_ids(&[new_id(0x51)]);
    pair.run(Duration::from_secs(1));
    let there = elsewhere(2, 4433);
    pair.client.paths.active.remote = pair.client.ids.remote.take();
    let now = pair.now;
    pair.come(there, &[&[1; 400][..], PING].concat());
    assert_eq!(pair.server().route(), there);
    let sent = pair.server_sends();
    assert!(
        sent.iter().all(|(route, _)| *route == CLIENT),
        "only the old path is asked"
    );
    let mut buffer = [0; 64];
    let mut builder = Builder::new(&mut buffer);
    let frame = NewConnectionId {
        sequence: 1_u8.into(),
        retire_prior_to: 0_u8.into(),
        id: id(0xc1),
        reset_token: ResetToken([0xc1; 16]),
    };
    builder.put_new_connection_id(&frame).unwrap();
    let payload = builder.written().to_vec();
    let datagram = pair.client.forge(Space::Application, &payload, now);
    pair.deliver_from(Side::Server, there, Ecn::NotEct, &datagram);
    let sent = pair.server_sends();
    let first = sent.iter().find(|(route, _)| *route == there).unwrap();
    assert_eq!(short_dcid(&first.1), id(0xc1));
}

#[test]
fn where_active_migration_is_refused_only_a_nat_moves_a_client() {
    let mut pair = Pair::with(
        straight(),
        |client| client,
        |server| server.active_migration(false),
    );
    quiet(&mut pair);
    let there = elsewhere(2, 4433);
    let first = pair.client.paths.active.remote;
    pair.client.paths.active.remote = pair.client.ids.remote.take();
    let (sent, received) = (
        pair.server().stats().packets_sent,
        pair.server().stats().packets_received,
    );
    pair.come(there, PING);
    assert!(pair.server_sends().is_empty(), "no reset, no answer");
    let after = pair.server().stats();
    assert_eq!(
        (after.packets_sent, after.packets_received, after.discarded),
        (sent, received, 1)
    );
    assert_eq!(pair.server().route(), CLIENT);
    pair.client.paths.active.remote = first;
    pair.seen_at = there;
    pair.client.ping();
    pair.run(Duration::from_millis(200));
    assert_eq!(Pair::moves(&pair.server_events), [there]);
}

/// rfc9368#2.3-4: whether the server goes on in the version of the first flight or in another.
#[test]
fn nobody_is_followed_before_the_handshake_is_over() {
    for versions in [[Version::V1, Version::V2], [Version::V2, Version::V1]] {
        let mut pair = Pair::with(straight(), |client| client, |it| it.versions(&versions));
        let there = elsewhere(2, 4433);
        pair.run_until(Duration::from_secs(1), |pair| pair.server.is_some());
        assert_eq!(pair.server().state, State::Handshaking);
        pair.seen_at = there;
        pair.run(Duration::from_secs(2));
        assert_eq!(
            (pair.server().route(), pair.server().stats().moves),
            (CLIENT, 0)
        );
        assert!(pair.server().stats().discarded > 0);
        pair.seen_at = CLIENT;
        pair.connect();
        assert_eq!(pair.client.version(), versions[0]);
    }
}

/// Whoever only acknowledges has nothing in flight: behind a NAT that forgets it, it has to speak first.
#[test]
fn a_client_that_only_listens_asks_a_silent_server_for_a_sign_of_life() {
    for (name, finishes) in [("more is to come", false), ("all has come", true)] {
        let mut pair = moving();
        let stream = pair.server().open(Dir::Uni).unwrap();
        let mut data = pattern(1000);
        pair.server().send(stream, &mut data).unwrap();
        if finishes {
            pair.server().finish(stream).unwrap();
        }
        pair.run(Duration::from_millis(60));
        assert_eq!(pair.client.accept(Dir::Uni), Some(stream));
        let mut got = Vec::new();
        assert_eq!(read(&mut pair.client, stream, &mut got), finishes, "{name}");
        pair.log.clear();
        let there = elsewhere(2, 4433);
        pair.seen_at = there;
        pair.run(Duration::from_secs(20));
        let spoke = pair.log.iter().filter(|(from, _)| *from == Side::Client);
        if finishes {
            assert_eq!(spoke.count(), 0, "{name}");
        } else {
            // Its questions, four times as long apart each time, and answers to challenges.
            assert!((4..12).contains(&spoke.count()), "{name}");
            assert_eq!(Pair::moves(&pair.server_events), [there], "{name}");
        }
    }
}

/// The server is done and takes no Handshake packet from there: what moves it is the data that the client sends along.
#[test]
fn a_client_that_a_nat_moves_before_it_knows_that_all_is_confirmed_is_followed() {
    let mut pair = Pair::new(straight());
    let complete = |pair: &mut Pair| pair.client.state == State::Complete;
    assert!(pair.run_until(Duration::from_secs(1), complete));
    let stream = pair.client.open(Dir::Uni).unwrap();
    pair.client.send(stream, &mut pattern(100)).unwrap();
    let confirmed = |pair: &mut Pair| pair.server().state == State::Confirmed;
    assert!(pair.run_until(Duration::from_secs(1), confirmed));
    let there = elsewhere(2, 4433);
    pair.seen_at = there;
    pair.flying.clear();
    let confirmed = |pair: &mut Pair| pair.client.state == State::Confirmed;
    assert!(pair.run_until(Duration::from_secs(2), confirmed));
    assert_eq!(pair.server().route(), there);
}
