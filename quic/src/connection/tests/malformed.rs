use super::*;
use crate::protect::retry_tag;
use crate::wire::{Builder, Space};

/// The first datagrams of a handshake by both sides.
pub(super) fn flights() -> (Pair, Vec<Vec<u8>>) {
    let mut pair = Pair::new(straight());
    pair.flush();
    let hello: Vec<_> = pair
        .log
        .iter()
        .map(|(_, datagram)| datagram.clone())
        .collect();
    (pair, hello)
}

/// Goes on to the next arrival, and gives it to `first` before it arrives. False if nothing is on its way.
fn arrive(pair: &mut Pair, first: impl FnOnce(&mut Pair, Side, &[u8])) -> bool {
    pair.flush();
    let Some(((at_time, _), (to, _, ecn, datagram))) = pair.flying.pop_first() else {
        return false;
    };
    pair.now = pair.now.max(at_time);
    first(pair, to, &datagram);
    pair.deliver_marked(to, ecn, &datagram);
    let now = at(pair.now);
    pair.client.on_deadline(now);
    if let Some(server) = &mut pair.server {
        server.on_deadline(now);
    }
    true
}

#[test]
fn every_truncation_of_every_datagram_is_survived() {
    let mut pair = Pair::new(straight());
    let mut cut = 0;
    for round in 0..40 {
        let going = arrive(&mut pair, |pair, to, datagram| {
            // Step by step where headers are; then coarsely.
            let lengths = (0..100).chain((100..datagram.len()).step_by(37));
            for length in lengths.filter(|length| *length < datagram.len()) {
                pair.deliver(to, &datagram[..length]);
                cut += 1;
            }
        });
        if round == 12 {
            let id = pair.client.open(Dir::Bi).unwrap();
            pair.client.send(id, &mut pattern(5000)).unwrap();
        }
        if !going && round > 12 {
            break;
        }
    }
    assert!(cut > 800, "{cut}");
    pair.connect();
    let data = pattern(9000);
    assert_eq!(
        pair.transfer(Side::Server, &data, Duration::from_secs(9)),
        data
    );
}

#[test]
fn bit_flips_and_noise_change_nothing() {
    let (_, hello) = flights();
    let mut dice = 7_u64;
    let mut roll = || {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (dice >> 33) as usize
    };
    let mut pair = Pair::new(straight());
    pair.run(Duration::from_millis(15));
    for round in 0..3000 {
        let mut datagram = hello[roll() % hello.len()].clone();
        let side = if roll() % 2 == 0 {
            Side::Client
        } else {
            Side::Server
        };
        match round % 3 {
            0 => {
                let at = roll() % datagram.len();
                datagram[at] ^= 1 << (roll() % 8);
                // One byte of its own keys' sample would be noise, a flip in the header too.
            }
            1 => datagram.iter_mut().for_each(|byte| *byte = roll() as u8),
            _ => {
                let length = roll() % 60;
                datagram = (0..length).map(|_| roll() as u8).collect();
            }
        }
        pair.deliver(side, &datagram);
    }
    pair.connect();
    for side in [Side::Client, Side::Server] {
        assert!(
            pair.side(side).held.deadline().is_none(),
            "nothing is held after the handshake"
        );
    }
}

#[test]
fn small_initial_datagrams_are_dropped_by_a_server() {
    let mut pair = Pair::new(straight());
    pair.run_until(Duration::from_secs(1), |pair| pair.server.is_some());
    let now = pair.now;
    let before = pair.server().stats();
    let small = pair.client.forge_as(Space::Initial, &[1], false, now);
    assert!(small.len() < 100);
    pair.deliver(Side::Server, &small);
    // One byte less than enough, and enough, behind the packet.
    let mut padded = pair.client.forge_as(Space::Initial, &[1], false, now);
    padded.resize(limits::DATAGRAM - 1, 0);
    pair.deliver(Side::Server, &padded);
    let after = pair.server().stats();
    assert_eq!(after.packets_received, before.packets_received);
    assert_eq!(after.discarded, before.discarded + 2);
    padded.push(0);
    pair.deliver(Side::Server, &padded);
    assert_eq!(
        pair.server().stats().packets_received,
        before.packets_received + 1
    );
    assert!(pair.server().state.is_open());
}

pub(super) fn version_negotiation(
    dcid: &ConnectionId,
    scid: &ConnectionId,
    versions: &[u32],
) -> Vec<u8> {
    let mut buffer = [0; 200];
    let mut builder = Builder::new(&mut buffer);
    let ids = header::Ids {
        dcid: scid,
        scid: dcid,
    };
    builder
        .put_version_negotiation(0x2a, &ids, versions.iter().copied())
        .unwrap();
    builder.written().to_vec()
}

#[test]
fn a_client_believes_version_negotiation_only_where_it_can() {
    let original = |pair: &Pair| pair.client.ids.original();
    let own = id(0xc0);
    let rows: &[(&str, &[u32], bool, bool)] = &[
        ("other versions", &[0x1a2a_3a4a, 7], true, true),
        ("one that lists ours", &[7, 1], true, false),
        ("to another id", &[7], false, false),
    ];
    for (name, versions, ours, ends) in rows {
        let (mut pair, _) = flights();
        let dcid = if *ours { own } else { id(9) };
        let packet = version_negotiation(&dcid, &original(&pair), versions);
        pair.deliver(Side::Client, &packet);
        let want = ends.then_some(ConnectionError::NoCommonVersion);
        assert_eq!(pair.client.error().cloned(), want, "{name}");
    }
    // From another source, and after a packet of the server.
    let (mut pair, _) = flights();
    let packet = version_negotiation(&own, &id(1), &[7]);
    pair.deliver(Side::Client, &packet);
    assert!(pair.client.state.is_open());
    pair.run_until(Duration::from_secs(1), |pair| {
        pair.client.stats.packets_received > 0
    });
    let packet = version_negotiation(&own, &original(&pair), &[7]);
    pair.deliver(Side::Client, &packet);
    pair.connect();
}

pub(super) fn retry(original: &ConnectionId, scid: &ConnectionId, token: &[u8]) -> Vec<u8> {
    let mut buffer = [0; 200];
    let mut builder = Builder::new(&mut buffer);
    builder
        .put_retry(Version::V1, 3, &id(0xc0), scid, token)
        .unwrap();
    let tag = retry_tag(Version::V1, original, builder.written()).unwrap();
    builder.put(&tag).unwrap();
    builder.written().to_vec()
}

#[test]
fn a_client_follows_one_genuine_retry_and_repeats_its_hello_with_the_token() {
    let (mut pair, hello) = flights();
    let original = pair.client.ids.original();
    let mut forged = retry(&original, &id(0x99), b"token");
    let last = forged.len() - 1;
    forged[last] ^= 1;
    for (name, packet) in [
        ("forged", forged),
        ("of another hello", retry(&id(1), &id(0x99), b"token")),
        ("without token", retry(&original, &id(0x99), b"")),
        (
            "that changes nothing",
            retry(&original, &original, b"token"),
        ),
    ] {
        pair.deliver(Side::Client, &packet);
        assert_eq!(pair.client.ids.retried(), None, "{name}");
    }
    pair.flying.clear();
    let sent = pair.log.len();
    pair.deliver(Side::Client, &retry(&original, &id(0x99), b"token"));
    // A second one is late.
    pair.deliver(Side::Client, &retry(&original, &id(0x77), b"other"));
    assert_eq!(pair.client.ids.retried(), Some(id(0x99)));
    pair.flush();
    let again: Vec<_> = pair.log[sent..]
        .iter()
        .map(|(_, datagram)| datagram.clone())
        .collect();
    assert_eq!(again.len(), hello.len());
    for datagram in &again {
        let Ok(Packet::Protected(header)) = header::decode(datagram, 8, QuicBit::Set) else {
            panic!("no packet");
        };
        assert_eq!(header.dcid, id(0x99));
        assert_eq!(datagram.get(header.token), Some(&b"token"[..]));
        assert_eq!(header.long, Some((Version::V1, id(0xc0))));
    }
    // The server goes on from there, with numbers that go on too.
    let accepted = Accepted {
        version: Version::V1,
        route: CLIENT,
        original,
        retried: Some(id(0x99)),
        peer: id(0xc0),
        id: new_id(0x50),
        validated: true,
    };
    let server = Connection::server(&pair.server_config, &accepted, at(pair.now)).unwrap();
    pair.server = Some(server);
    for datagram in again {
        let now = at(pair.now);
        let bytes = BytesMut::from(&datagram[..]);
        pair.server().receive(now, CLIENT, Ecn::NotEct, bytes);
    }
    let largest = pair
        .server()
        .spaces
        .received_ref(Space::Initial)
        .unwrap()
        .largest();
    assert_eq!(
        largest.map(|number| number.get()),
        Some(3),
        "two before the Retry, two after"
    );
    pair.connect();
    let told = |event: &Event| matches!(event, Event::Token(_));
    assert!(
        !pair.client_events.iter().any(told),
        "a Retry's token is for this connection alone"
    );
}

#[test]
fn connection_ids_that_parameters_do_not_name_end_the_handshake() {
    // The server is told of another original id, or of a Retry that was none, or its client of another source id.
    let rows = [
        ("original", Some(id(1)), None, id(0xc0), Side::Client),
        ("retry", None, Some(()), id(0xc0), Side::Client),
    ];
    for (name, original, retried, peer, finds) in rows {
        let (mut pair, _) = flights();
        let real = pair.client.ids.original();
        let accepted = Accepted {
            version: Version::V1,
            route: CLIENT,
            original: original.unwrap_or(real),
            // Keys come from where the client sends.
            retried: (original.is_some() || retried.is_some()).then_some(real),
            peer,
            id: new_id(0x50),
            validated: true,
        };
        pair.server =
            Some(Connection::server(&pair.server_config, &accepted, at(pair.now)).unwrap());
        pair.run(Duration::from_secs(2));
        let Some(ConnectionError::Transport(error)) = pair.side(finds).error().cloned() else {
            panic!("{name}: {:?}", pair.side(finds).error);
        };
        assert_eq!(error.code, Code::TRANSPORT_PARAMETER_ERROR, "{name}");
    }
}

#[test]
fn packets_before_their_keys_are_held_in_number_and_time() {
    // The client's hello comes last: everything else waits, and what is too much is dropped.
    let mut pair = Pair::new(straight());
    pair.run_until(Duration::from_secs(1), |pair| pair.client.is_established());
    let now = pair.now;
    // 1-RTT packets of the client before the server has seen its Finished.
    let mut early = Vec::new();
    for _ in 0..limits::HELD_PACKETS + 5 {
        early.push(pair.client.forge(Space::Application, &[1], now));
    }
    let before = pair.server().stats().undecryptable;
    for datagram in &early {
        pair.deliver(Side::Server, datagram);
    }
    assert_eq!(pair.server().stats().undecryptable, before + 5);
    assert_eq!(pair.server().held.deadline(), Some(now + limits::HELD_TIME));
    let received = pair.server().stats().packets_received;
    pair.connect();
    assert!(pair.server().stats().packets_received >= received + limits::HELD_PACKETS as u64);
    assert_eq!(pair.server().held.deadline(), None);

    let mut pair = Pair::new(straight());
    pair.run_until(Duration::from_secs(1), |pair| pair.client.is_established());
    let now = pair.now;
    let early = pair.client.forge(Space::Application, &[1], now);
    pair.deliver(Side::Server, &early);
    let late = at(now + limits::HELD_TIME);
    pair.server().on_deadline(late);
    assert_eq!(pair.server().held.deadline(), None);
}

#[test]
fn packets_of_other_connections_and_versions_are_dropped() {
    let mut pair = Pair::connected();
    let discarded = pair.client.stats().discarded;
    // A short header to another id, a long header of version 2, and one of a version that nobody knows.
    let mut short = vec![0x40];
    short.extend([9; 60]);
    let long = |version: u32| {
        let mut packet = vec![0xc0];
        packet.extend(version.to_be_bytes());
        packet.push(8);
        packet.extend([0xc0; 8]);
        packet.push(8);
        packet.extend([0x50; 8]);
        packet.extend([0x00, 0x40, 0x40]);
        packet.extend([3; 64]);
        packet
    };
    // 0-RTT packets are for servers.
    let mut early = vec![0xd0, 0, 0, 0, 1, 8];
    early.extend([0xc0; 8]);
    early.push(8);
    early.extend([0x50; 8]);
    early.extend([0x40, 0x40]);
    early.extend([3; 64]);
    let undecryptable = pair.client.stats().undecryptable;
    pair.deliver(Side::Client, &early);
    assert_eq!(pair.client.stats().undecryptable, undecryptable + 1);
    for (name, packet) in [
        ("short", short),
        ("version 2", long(0x6b33_43cf)),
        ("unknown", long(77)),
    ] {
        pair.deliver(Side::Client, &packet);
        assert!(pair.client.state.is_open(), "{name}");
    }
    assert_eq!(pair.client.stats().discarded, discarded + 3);
    let other = Route {
        local: None,
        remote: "127.0.0.1:9".parse().unwrap(),
    };
    let now = pair.now;
    let ping = pair.server().forge(Space::Application, &[1], now);
    pair.client
        .receive(at(now), other, Ecn::NotEct, BytesMut::from(&ping[..]));
    assert_eq!(pair.client.stats().discarded, discarded + 4);
}
