use super::*;
use crate::error::Code;
use crate::wire::Space;

fn updates(pair: &mut Pair) -> (u64, u64) {
    (
        pair.client.stats().key_updates,
        pair.server().stats().key_updates,
    )
}

#[test]
fn either_side_updates_its_keys_and_the_other_follows() {
    for side in [Side::Client, Side::Server] {
        let mut pair = Pair::connected();
        for round in 1..=4 {
            pair.side(side).update_keys();
            let data = pattern(50_000);
            for from in [Side::Client, Side::Server] {
                assert_eq!(pair.transfer(from, &data, Duration::from_secs(9)), data);
            }
            assert_eq!(updates(&mut pair), (round, round), "{side:?}");
            // Three probe timeouts and some, so that the next may follow.
            pair.run(Duration::from_millis(500));
        }
        let stats = pair.client.stats();
        assert_eq!((stats.undecryptable, stats.packets_lost), (0, 0));
    }
}

#[test]
fn both_sides_may_update_at_once_and_over_a_network_that_reorders() {
    let mut dice = 1_u64;
    let fate: Fate = Box::new(move |_, _| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        vec![DELAY + Duration::from_millis((dice >> 33) % 15)]
    });
    let mut pair = Pair::new(fate);
    pair.connect();
    // A straggler of the handshake may still be on its way.
    pair.run(Duration::from_secs(1));
    let before = pair.client.stats().undecryptable;
    for _ in 0..5 {
        pair.client.update_keys();
        pair.server().update_keys();
        let data = pattern(100_000);
        for from in [Side::Client, Side::Server] {
            assert_eq!(pair.transfer(from, &data, Duration::from_secs(9)), data);
        }
        pair.run(Duration::from_secs(1));
    }
    let (client, server) = updates(&mut pair);
    assert!(
        client == server && (5..=10).contains(&client),
        "{client} {server}"
    );
    let after = pair.client.stats().undecryptable;
    assert_eq!(after, before, "old keys open what is late");
}

#[test]
fn keys_are_updated_before_their_limit_and_never_before_the_handshake_is_confirmed() {
    let mut pair = Pair::with(
        straight(),
        |client| client.stream_window(100_000, 100_000),
        |server| server.packets_per_key(400),
    );
    pair.client.update_keys();
    pair.run_until(Duration::from_secs(1), |pair| pair.client.is_established());
    assert_eq!(pair.client.stats().key_updates, 0);
    pair.connect();
    let data = pattern(1_000_000);
    assert_eq!(
        pair.transfer(Side::Server, &data, Duration::from_secs(60)),
        data
    );
    let (client, server) = updates(&mut pair);
    // 840 packets and more, and an update for each 200 as far as time allows.
    assert!(server >= 2 && client == server, "{client} {server}");
    assert_eq!(pair.client.stats().undecryptable, 0);
}

#[test]
fn a_key_that_cannot_be_updated_in_time_ends_the_connection() {
    // The client's packets are lost, so nothing is ever acknowledged that would let the server update.
    let mut pair = Pair::with(
        straight(),
        |client| client,
        |server| server.packets_per_key(limits::CLOSING_PACKETS + 10),
    );
    pair.connect();
    pair.fate = Box::new(|from, _| {
        if from == Side::Client {
            Vec::new()
        } else {
            vec![DELAY]
        }
    });
    let id = pair.server().open(Dir::Uni).unwrap();
    pair.run_until(Duration::from_secs(20), |pair| {
        pair.server().ping();
        let _full = pair.server().send(id, &mut pattern(10_000)).is_err();
        !pair.server().state.is_open()
    });
    let Some(ConnectionError::Transport(error)) = pair.server().error().cloned() else {
        panic!("{:?}", pair.server().error);
    };
    assert_eq!(error.code, Code::AEAD_LIMIT_REACHED);
    pair.run(Duration::from_millis(100));
    let told = matches!(
        pair.client.error().cloned(),
        Some(ConnectionError::PeerClosed {
            code: Code::AEAD_LIMIT_REACHED,
            ..
        })
    );
    assert!(told, "{:?}", pair.client.error);
}

#[test]
fn too_many_packets_that_do_not_open_end_the_connection() {
    let mut pair = Pair::with(straight(), |client| client.forgeries(20), |server| server);
    pair.connect();
    let now = pair.now;
    for forged in 0..=20 {
        assert!(pair.client.state.is_open(), "{forged}");
        let mut datagram = pair.server().forge(Space::Application, &[1], now);
        let last = datagram.len() - 1;
        datagram[last] ^= 1;
        pair.deliver(Side::Client, &datagram);
    }
    let want = TransportError::from(crate::Fault::IntegrityLimit);
    assert_eq!(want.code, Code::AEAD_LIMIT_REACHED);
    assert_eq!(pair.client.error().cloned(), Some(want.into()));
}

#[test]
fn keys_of_the_handshake_go_when_they_have_done_their_work() {
    let mut pair = Pair::new(straight());
    let mut seen = Vec::new();
    pair.run_until(Duration::from_secs(1), |pair| {
        let spaces = |connection: &Connection| {
            [Space::Initial, Space::Handshake].map(|space| connection.spaces.is_discarded(space))
        };
        let server = pair.server.as_ref().map(spaces);
        seen.push((spaces(&pair.client), server));
        pair.client.state == State::Confirmed
    });
    seen.push(([true, true], Some([true, true])));
    seen.dedup();
    // The client drops Initial keys when it first sends a Handshake packet, the server when it opens that; Handshake keys go when it is confirmed.
    let want = [
        ([false, false], None),
        ([false, false], Some([false, false])),
        ([true, false], Some([false, false])),
        ([true, false], Some([true, true])),
        ([true, true], Some([true, true])),
    ];
    assert_eq!(seen, want);
}

#[test]
fn exported_keying_material_is_the_same_on_both_sides() {
    let mut pair = Pair::connected();
    let (mut client, mut server) = ([0; 32], [1; 32]);
    pair.client
        .export(b"EXPORTER-test", b"context", &mut client)
        .unwrap();
    pair.server()
        .export(b"EXPORTER-test", b"context", &mut server)
        .unwrap();
    assert_eq!(client, server);
}

#[test]
fn a_connection_rests_after_a_silence_and_wakes_with_the_next_packet() {
    let mut pair = Pair::connected();
    let data = pattern(5000);
    for round in 0..3 {
        assert_eq!(
            pair.transfer(Side::Server, &data, Duration::from_secs(9)),
            data
        );
        assert!(pair.client.spaces.one_rtt.is_awake());
        pair.run(limits::REST / 2);
        assert!(pair.client.spaces.one_rtt.is_awake(), "{round}");
        pair.run(limits::REST);
        assert!(!pair.client.spaces.one_rtt.is_awake(), "{round}");
        assert!(!pair.server().spaces.one_rtt.is_awake(), "{round}");
        if round == 1 {
            pair.server().update_keys();
        }
    }
    let stats = pair.client.stats();
    assert_eq!(
        (stats.key_updates, stats.undecryptable, stats.packets_lost),
        (1, 0, 0)
    );
}
