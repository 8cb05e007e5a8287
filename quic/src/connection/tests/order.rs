//! What is legal and comes too early, too late, in crumbs, or beside what is not: nothing of it may confuse a connection.

use super::frames::{code_of, ready};
use super::malformed::flights;
use super::*;
use crate::error::Code;
use crate::recovery::Tokens;
use crate::wire::frame::NewConnectionId;
use crate::wire::{Builder, PacketType, Space};

/// A server says that the handshake is confirmed before it can know, and before the client can read it (attack A07).
#[test]
fn a_premature_handshake_done_confirms_what_is_complete_and_nothing_before() {
    let mut pair = Pair::new(straight());
    let mut told = false;
    let confirmed = pair.run_until(Duration::from_secs(2), |pair| {
        let can = pair
            .server
            .as_ref()
            .is_some_and(|server| server.spaces.one_rtt.can_send());
        if can && !told {
            assert!(!pair.server().is_established() && !pair.client.is_established());
            let now = pair.now;
            let early = pair.server().forge(Space::Application, &[0x1e], now);
            pair.deliver(Side::Client, &early);
            assert_eq!(
                pair.client.state,
                State::Handshaking,
                "it waits for its keys"
            );
            told = true;
        }
        pair.client.state == State::Confirmed
    });
    assert!(told && confirmed);
    assert!(pair.client.summary().is_some());
    // The server that lied never hears the client's Finished, and gives up in time.
    pair.run(Duration::from_secs(120));
    assert!(pair.server().is_over() && pair.client.is_over());
    assert!(
        !pair
            .server_events
            .iter()
            .any(|event| matches!(event, Event::Connected(_)))
    );
}

/// The packet that ends a space speaks of it once more behind what ends it (attack A08).
#[test]
fn an_acknowledgment_behind_the_last_crypto_data_of_its_space_is_harmless() {
    let mut pair = Pair::new(straight());
    let reached = pair.run_until(Duration::from_secs(1), |pair| {
        pair.server.is_some() && pair.client.is_established()
    });
    assert!(reached && !pair.server().is_established());
    // What the client has sent is lost; this comes in its place: the Finished, and then two ACK frames of the server's first packet.
    pair.flying.clear();
    let mut buffer = [0; 500];
    let mut builder = Builder::new(&mut buffer);
    let sent: Vec<_> = (0..2000).collect();
    pair.client
        .crypto
        .lost(Space::Handshake, 0, sent.len() as u16);
    pair.client
        .crypto
        .write(Space::Handshake, &mut builder, &mut Tokens::default());
    assert!(builder.len() > 30, "a Finished");
    for _ in 0..2 {
        let first =
            core::iter::once(crate::wire::PacketNumber::ZERO..=crate::wire::PacketNumber::ZERO);
        builder.put_ack(VarInt::ZERO, first, None).unwrap();
    }
    let payload = builder.written().to_vec();
    let now = pair.now;
    let datagram = pair.client.forge(Space::Handshake, &payload, now);
    pair.deliver(Side::Server, &datagram);
    assert_eq!(pair.server().state, State::Confirmed);
    assert!(pair.server().spaces.is_discarded(Space::Handshake));
    // The same again, and an ACK alone, find no keys.
    let before = pair.server().stats().undecryptable;
    pair.deliver(Side::Server, &datagram);
    assert_eq!(pair.server().stats().undecryptable, before + 1);
    pair.connect();
}

/// A message that never ends, and one that is longer than any may be (attack A09).
#[test]
fn a_tls_message_after_the_handshake_is_bounded_and_may_stay_unfinished() {
    for from in [Side::Client, Side::Server] {
        let mut pair = Pair::connected();
        let now = pair.now;
        // The first bytes of a NewSessionTicket of 1000 bytes, and nothing more.
        let begun = [0x06, 0, 6, 4, 0, 3, 0xe8, 0, 0];
        let datagram = pair.side(from).forge(Space::Application, &begun, now);
        pair.deliver(from.peer(), &datagram);
        assert!(pair.side(from.peer()).state.is_open(), "{from:?}");
        let data = pattern(9000);
        for from in [Side::Client, Side::Server] {
            assert_eq!(pair.transfer(from, &data, Duration::from_secs(9)), data);
        }
        let mut pair = Pair::connected();
        let now = pair.now;
        let endless = [0x06, 0, 6, 4, 0xff, 0xff, 0xff, 0, 0];
        let datagram = pair.side(from).forge(Space::Application, &endless, now);
        pair.deliver(from.peer(), &datagram);
        let error = pair.side(from.peer()).error().cloned();
        let Some(ConnectionError::Tls(error)) = error else {
            panic!("{error:?}");
        };
        assert!(error.alert().is_some(), "{error:?}");
    }
}

/// CRYPTO frames of one byte each, last first (attack A17).
#[test]
fn a_hello_of_one_byte_a_frame_is_read() {
    let (mut pair, hello) = flights();
    pair.flying.clear();
    // An ordinary packet makes the server; the first byte of the hello is missing from it.
    let mut hello_bytes = vec![0; 4096];
    let mut builder = Builder::new(&mut hello_bytes);
    pair.client.crypto.lost(Space::Initial, 0, 4000);
    pair.client
        .crypto
        .write(Space::Initial, &mut builder, &mut Tokens::default());
    let frame = builder.written().to_vec();
    assert!(
        frame.len() > 1200 && hello.len() == 2,
        "a hybrid hello: {}",
        frame.len()
    );
    // Type, an offset of one byte, a length of two.
    let message = &frame[4..];
    assert_eq!((frame[0], frame[1], message[0]), (6, 0, 1));
    for at in (0..message.len()).rev() {
        let offset = 0x4000 | u16::try_from(at).unwrap();
        let mut payload = vec![6];
        payload.extend(offset.to_be_bytes());
        payload.extend([1, message[at]]);
        let now = pair.now;
        let datagram = pair.client.forge(Space::Initial, &payload, now);
        pair.deliver(Side::Server, &datagram);
        assert!(
            pair.server().state.is_open(),
            "{at}: {:?}",
            pair.server().error()
        );
    }
    pair.connect();
    let data = pattern(9000);
    assert_eq!(
        pair.transfer(Side::Server, &data, Duration::from_secs(9)),
        data
    );
}

/// Packets to another id behind one of ours (attack A28, rfc9000#12.2-3), and datagrams without a byte (attack A39).
#[test]
fn what_is_coalesced_and_not_ours_is_dropped_and_keeps_nothing() {
    let mut pair = ready(PacketType::Handshake, Side::Server);
    let now = pair.now;
    let ours = pair.server().forge(Space::Handshake, &[1], now);
    let mut other = pair.server().forge(Space::Handshake, &[1], now);
    let dcid_at = 6;
    assert_eq!(other[dcid_at..dcid_at + 8], [0xc0; 8]);
    other[dcid_at..dcid_at + 8].fill(0xc1);
    let last = pair.server().forge(Space::Handshake, &[1], now);
    let before = pair.client.stats();
    pair.deliver(Side::Client, &[&ours[..], &other, &other, &last].concat());
    let after = pair.client.stats();
    assert_eq!(
        after.packets_received,
        before.packets_received + 2,
        "the first and the last"
    );
    assert_eq!(
        after.undecryptable, before.undecryptable,
        "the others were not tried"
    );
    assert_eq!(pair.client.held.deadline(), None);
    for _ in 0..100 {
        pair.deliver(Side::Client, &[]);
    }
    let empty = pair.client.stats();
    assert_eq!(empty.discarded, after.discarded + 100);
    assert_eq!(
        (empty.packets_received, empty.bytes_received),
        (after.packets_received, after.bytes_received)
    );
    pair.connect();
}

/// A peer that takes ids back faster than it acknowledges that they are gone (attacks Q04 and A21).
#[test]
fn a_flood_of_ids_to_retire_ends_the_connection_at_the_cap() {
    let mut pair = Pair::connected();
    pair.run(Duration::from_millis(200));
    let now = pair.now;
    let mut closed = None;
    let mut taken = 0;
    for number in 1..100_u8 {
        let mut buffer = [0; 64];
        let mut builder = Builder::new(&mut buffer);
        let frame = NewConnectionId {
            sequence: number.into(),
            retire_prior_to: number.into(),
            id: id(number),
            reset_token: ResetToken([number; 16]),
        };
        builder.put_new_connection_id(&frame).unwrap();
        let payload = builder.written().to_vec();
        let datagram = pair.server().forge(Space::Application, &payload, now);
        pair.deliver(Side::Client, &datagram);
        closed = code_of(&pair.client);
        if closed.is_some() {
            break;
        }
        taken += 1;
    }
    assert_eq!(closed, Some((Code::CONNECTION_ID_LIMIT_ERROR, Some(0x18))));
    assert_eq!(taken, limits::RETIRING_IDS);
    // One that hears of it can go on.
    let mut pair = Pair::connected();
    for number in 1..100_u8 {
        pair.run(Duration::from_millis(50));
        let minted = pair.server().issue_ids(&[new_id(number)]);
        let now = pair.now;
        let retired = pair.server().ids.local.iter().count();
        let mut buffer = [0; 64];
        let mut builder = Builder::new(&mut buffer);
        let frame = NewConnectionId {
            sequence: number.into(),
            retire_prior_to: number.into(),
            id: id(number),
            reset_token: ResetToken([number; 16]),
        };
        builder.put_new_connection_id(&frame).unwrap();
        let payload = builder.written().to_vec();
        let datagram = pair.server().forge(Space::Application, &payload, now);
        pair.deliver(Side::Client, &datagram);
        assert!(minted == 1 && retired <= limits::ISSUED_IDS);
        assert!(
            pair.client.state.is_open(),
            "{number}: {:?}",
            pair.client.error()
        );
    }
}
