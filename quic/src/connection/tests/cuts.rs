//! Packets and frames that end too early. A cut packet is nobody's: nothing that a connection knows changes. A cut frame is its sender's fault.

use super::early::Sides;
use super::frames::{PACKETS, code_of, ready};
use super::malformed::{flights, retry, version_negotiation};
use super::*;
use crate::error::Code;
use crate::wire::frame::Row;
use crate::wire::frame::tests::samples;
use crate::wire::{PacketType, Space};

/// What a connection knows, without what it has counted of packets that were none.
fn known(connection: &Connection) -> String {
    let received = Space::ALL.map(|space| {
        let received = connection.spaces.received_ref(space);
        received.map(|received| (received.largest(), received.deadline()))
    });
    let stats = Stats {
        datagrams_received: 0,
        bytes_received: 0,
        undecryptable: 0,
        discarded: 0,
        ..connection.stats()
    };
    let state = (connection.state, &connection.error, &connection.ids);
    let spent = (
        &connection.activity,
        &connection.glitches,
        &connection.updates,
    );
    let rest = (
        connection.deadline(),
        &connection.token,
        connection.question.is_some(),
    );
    format!("{state:?} {received:?} {stats:?} {spent:?} {rest:?}")
}

/// Delivers every cut of a datagram, as it is and filled up with zeros, and then some of it from behind.
fn cut_everywhere(pair: &mut Pair, to: Side, name: &str, datagram: &[u8]) {
    let before = known(pair.side(to));
    let mut cuts = 0;
    for length in 0..datagram.len() {
        let mut filled = datagram[..length].to_vec();
        filled.resize(datagram.len(), 0);
        for cut in [&datagram[..length], &filled, &datagram[length + 1..]] {
            if cut != datagram {
                pair.deliver(to, cut);
                cuts += 1;
            }
        }
        assert_eq!(known(pair.side(to)), before, "{name} cut to {length}");
    }
    assert!(cuts > 60, "{name}");
}

#[test]
fn every_cut_of_a_protected_packet_changes_nothing() {
    for packet in PACKETS {
        for from in [Side::Client, Side::Server] {
            let mut pair = ready(packet, from);
            let (now, to) = (pair.now, from.peer());
            let datagram = pair.side(from).forge(packet.space(), &[1], now);
            cut_everywhere(&mut pair, to, &format!("{packet:?} of {from:?}"), &datagram);
            let before = pair.side(to).stats().packets_received;
            pair.deliver(to, &datagram);
            let after = pair.side(to).stats().packets_received;
            assert_eq!(
                after,
                before + 1,
                "{packet:?} of {from:?}: the whole packet counts"
            );
        }
    }
}

#[test]
fn every_cut_of_a_0_rtt_packet_changes_nothing() {
    let mut pair = ready(PacketType::Handshake, Side::Client);
    let initial = pair.server().ids.initial();
    let mut early = vec![0xd0, 0, 0, 0, 1];
    for id in [initial, id(0xc0)] {
        early.push(id.len() as u8);
        early.extend_from_slice(&id);
    }
    early.extend([0x40, 0x40]);
    early.extend([3; 64]);
    let whole = header::decode(&early, 8, QuicBit::Set);
    assert!(matches!(whole, Ok(Packet::Protected(header)) if header.packet == PacketType::ZeroRtt));
    // Cut off at the end alone: who sends no early data has no keys for what would be whole.
    let before = known(pair.server());
    for length in 0..early.len() {
        pair.deliver(Side::Server, &early[..length]);
        assert_eq!(known(pair.server()), before, "{length}");
    }
}

/// The same with keys that open them.
#[test]
fn every_cut_of_early_data_changes_nothing() {
    let sides = Sides::met();
    let mut pair = sides.again(straight(), sides.server());
    let reads = |pair: &mut Pair| {
        let server = pair.server.as_ref();
        let settled = server.is_some_and(|server| server.spaces.is_settled(PacketType::ZeroRtt));
        settled && pair.client.spaces.sends(Space::Application) == Some(PacketType::ZeroRtt)
    };
    assert!(pair.run_until(Duration::from_secs(1), reads));
    let now = pair.now;
    let early = pair.client.forge(Space::Application, &[0x0a, 0, 1, 7], now);
    cut_everywhere(&mut pair, Side::Server, "0-RTT", &early);
    let before = pair.server().stats().packets_received;
    pair.deliver(Side::Server, &early);
    assert_eq!(pair.server().stats().packets_received, before + 1);
    let stream = pair.server().accept(Dir::Bi).unwrap();
    let read = pair.server().read_early(stream, 10);
    assert!(
        matches!(read, Ok(Read::Data { early: true, .. })),
        "{read:?}"
    );
}

#[test]
fn every_cut_of_a_retry_changes_nothing() {
    let (mut pair, _) = flights();
    let original = pair.client.ids.original();
    let packet = retry(&original, &id(0x99), b"token");
    cut_everywhere(&mut pair, Side::Client, "Retry", &packet);
    pair.deliver(Side::Client, &packet);
    assert_eq!(pair.client.ids.retried(), Some(id(0x99)));
    // A server has no use for a whole one.
    let mut pair = ready(PacketType::Handshake, Side::Client);
    let before = known(pair.server());
    pair.deliver(Side::Server, &packet);
    assert_eq!(known(pair.server()), before);
}

#[test]
fn every_cut_of_a_version_negotiation_changes_nothing() {
    let (mut pair, _) = flights();
    let original = pair.client.ids.original();
    let packet = version_negotiation(&id(0xc0), &original, &[7]);
    let before = known(&pair.client);
    for length in 0..packet.len() {
        pair.deliver(Side::Client, &packet[..length]);
        assert_eq!(known(&pair.client), before, "{length}");
    }
    pair.deliver(Side::Client, &packet);
    assert_eq!(
        pair.client.error().cloned(),
        Some(ConnectionError::NoCommonVersion)
    );
    let mut pair = ready(PacketType::Handshake, Side::Client);
    let before = known(pair.server());
    pair.deliver(Side::Server, &packet);
    assert_eq!(known(pair.server()), before);
}

#[test]
fn every_cut_of_a_stateless_reset_changes_nothing() {
    let mut pair = Pair::connected();
    let token = ResetToken([0x50; 16]);
    assert!(
        pair.client.ids.remote.is_reset(&token.0),
        "the server's first"
    );
    let packet = [&[0x41; 40][..], &token.0].concat();
    let before = known(&pair.client);
    for length in 0..packet.len() {
        pair.deliver(Side::Client, &packet[..length]);
        assert_eq!(known(&pair.client), before, "{length}");
    }
    // From the front what is left ends in the token, and counts as long as it could be a packet (rfc9000#10.3-3).
    for length in 0..limits::RESET_DATAGRAM {
        pair.deliver(Side::Client, &packet[packet.len() - length..]);
        assert_eq!(known(&pair.client), before, "the last {length}");
    }
    pair.deliver(
        Side::Client,
        &packet[packet.len() - limits::RESET_DATAGRAM..],
    );
    assert_eq!(pair.client.error().cloned(), Some(ConnectionError::Reset));
}

#[test]
fn every_cut_of_every_frame_closes_with_frame_encoding_error() {
    let mut tried = 0;
    for (name, frame, ..) in samples() {
        let row = Row::of(frame[0].into()).unwrap();
        for packet in PACKETS {
            for from in [Side::Client, Side::Server] {
                // A client's Initial packet is expanded, which makes a cut frame whole.
                let padded = packet == PacketType::Initial && from == Side::Client;
                let legal =
                    row.is_legal_in(packet) && (!row.only_from_server || from == Side::Server);
                if !legal || padded {
                    continue;
                }
                for cut in 1..frame.len() {
                    // What has no length of its own is whole once its fields are there.
                    let fields = match frame[0] {
                        0x30 => 1,
                        8 | 9 => 2,
                        0x0c | 0x0d => 3,
                        _ => frame.len(),
                    };
                    if cut >= fields {
                        continue;
                    }
                    let mut pair = ready(packet, from);
                    let now = pair.now;
                    // PADDING before it, so that the packet is long enough to need none behind.
                    let payload = [&[0; 4][..], &frame[..cut]].concat();
                    let datagram = pair
                        .side(from)
                        .forge_as(packet.space(), &payload, false, now);
                    pair.deliver(from.peer(), &datagram);
                    let got = code_of(pair.side(from.peer()));
                    let want = Some((Code::FRAME_ENCODING_ERROR, Some(frame[0].into())));
                    assert_eq!(got, want, "{name} cut to {cut} in {packet:?} of {from:?}");
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 300, "{tried}");
}
