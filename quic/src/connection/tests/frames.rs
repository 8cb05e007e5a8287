use super::*;
use crate::error::Code;
use crate::wire::frame::{NewConnectionId, Row};
use crate::wire::{Builder, PacketType, Space};

/// A pair in a state in which `from` can send packets of this type and the other side opens them.
pub(super) fn ready(packet: PacketType, from: Side) -> Pair {
    let mut pair = Pair::new(straight());
    let reached = pair.run_until(Duration::from_secs(1), |pair| {
        if pair.server.is_none() {
            return false;
        }
        let space = packet.space();
        let receiver = from.peer();
        pair.side(from).spaces.sends(space) == Some(packet)
            && pair.side(receiver).spaces.is_settled(packet)
            && pair.side(receiver).spaces.sends(space) == Some(packet)
    });
    assert!(reached, "{packet:?} {from:?}");
    pair
}

/// Sends a packet with this payload to the other side, and returns the code with which that closes.
pub(super) fn answer(
    packet: PacketType,
    from: Side,
    payload: &[u8],
) -> Option<(Code, Option<u64>)> {
    let mut pair = ready(packet, from);
    let now = pair.now;
    let datagram = pair.side(from).forge(packet.space(), payload, now);
    pair.deliver(from.peer(), &datagram);
    code_of(pair.side(from.peer()))
}

pub(super) fn code_of(connection: &Connection) -> Option<(Code, Option<u64>)> {
    match connection.error() {
        None => None,
        Some(ConnectionError::Transport(error)) => {
            assert_eq!(connection.state, State::Closing);
            Some((error.code, error.frame))
        }
        Some(other) => panic!("{other:?}"),
    }
}

pub(super) const PACKETS: [PacketType; 3] = [
    PacketType::Initial,
    PacketType::Handshake,
    PacketType::OneRtt,
];

#[test]
fn every_frame_in_a_packet_where_it_is_illegal_closes_with_protocol_violation() {
    let mut tried = 0;
    for row in Row::all() {
        for frame_type in row.types() {
            for packet in PACKETS {
                for from in [Side::Client, Side::Server] {
                    let server_only = row.only_from_server && from == Side::Client;
                    if row.is_legal_in(packet) && !server_only {
                        continue;
                    }
                    // Whatever follows the type is not looked at.
                    let payload = [u8::try_from(frame_type).unwrap(), 0, 0, 0, 0, 0, 0, 0, 0, 0];
                    let got = answer(packet, from, &payload);
                    let want = Some((Code::PROTOCOL_VIOLATION, Some(frame_type)));
                    assert_eq!(got, want, "{frame_type:#x} in {packet:?} of {from:?}");
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 100, "{tried}");
}

#[test]
fn malformed_frames_close_with_the_code_of_their_fault_and_their_type() {
    let rows: &[(&str, &[u8], Code, Option<u64>)] = &[
        ("unknown", &[0x1f], Code::FRAME_ENCODING_ERROR, Some(0x1f)),
        (
            "unknown and large",
            &[0x80, 0, 0xff, 0xff],
            Code::FRAME_ENCODING_ERROR,
            Some(0xffff),
        ),
        (
            "a long type",
            &[0x40, 0x01],
            Code::PROTOCOL_VIOLATION,
            Some(1),
        ),
        (
            "cut",
            &[0x06, 0x00, 0x05, 0x01],
            Code::FRAME_ENCODING_ERROR,
            Some(6),
        ),
        (
            "ACK below zero",
            &[0x02, 0, 0, 0, 1],
            Code::FRAME_ENCODING_ERROR,
            Some(2),
        ),
        (
            "ACK of the future",
            &[0x02, 0x7f, 0xff, 0, 0, 0],
            Code::PROTOCOL_VIOLATION,
            Some(2),
        ),
        (
            "CRYPTO past the end",
            &[0x06, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0],
            Code::FRAME_ENCODING_ERROR,
            Some(6),
        ),
        (
            "CRYPTO past what is held",
            &[0x06, 0x80, 2, 0, 0, 1, 0],
            Code::CRYPTO_BUFFER_EXCEEDED,
            Some(6),
        ),
    ];
    for packet in PACKETS {
        for from in [Side::Client, Side::Server] {
            for (name, payload, code, frame) in rows {
                // PADDING follows in an Initial packet, which is expanded.
                if packet == PacketType::Initial && *name == "cut" {
                    continue;
                }
                let got = answer(packet, from, payload);
                // By then TLS has read all that it wants of these, and takes nothing more, wherever it lies.
                let read = [
                    (PacketType::Initial, Side::Client),
                    (PacketType::Handshake, Side::Server),
                ];
                let read = read.contains(&(packet, from));
                let code = match *code {
                    Code::CRYPTO_BUFFER_EXCEEDED if read => Code::PROTOCOL_VIOLATION,
                    code => code,
                };
                assert_eq!(
                    got,
                    Some((code, *frame)),
                    "{name} in {packet:?} of {from:?}"
                );
            }
        }
    }
}

#[test]
fn frames_of_streams_and_ids_close_with_their_own_codes() {
    let id = |sequence: u32, prior: u32, value: u8| {
        let mut buffer = [0; 64];
        let mut builder = Builder::new(&mut buffer);
        let frame = NewConnectionId {
            sequence: sequence.into(),
            retire_prior_to: prior.into(),
            id: id(value),
            reset_token: ResetToken([value; 16]),
        };
        builder.put_new_connection_id(&frame).unwrap();
        builder.written().to_vec()
    };
    let many = |count: u32| {
        (1..=count)
            .flat_map(|n| id(n, 0, n as u8))
            .collect::<Vec<u8>>()
    };
    let active = u32::try_from(limits::ACTIVE_IDS).unwrap();
    // From the client to the server, in 1-RTT packets; `None` for what is legal.
    let rows: Vec<(&str, Vec<u8>, Option<(Code, u64)>)> = vec![
        (
            "STREAM of the server's, never opened",
            vec![0x0a, 0x01, 1, 0],
            Some((Code::STREAM_STATE_ERROR, 0x0a)),
        ),
        (
            "STREAM past the limit",
            vec![0x0a, 0x44, 0x00, 1, 0],
            Some((Code::STREAM_LIMIT_ERROR, 0x0a)),
        ),
        (
            "data past the stream's limit",
            vec![0x0e, 0x00, 0x84, 0, 0, 0, 1, 0],
            Some((Code::FLOW_CONTROL_ERROR, 0x0e)),
        ),
        (
            "two final sizes",
            vec![0x0f, 0, 5, 1, 7, 0x0f, 0, 6, 1, 7],
            Some((Code::FINAL_SIZE_ERROR, 0x0f)),
        ),
        (
            "MAX_STREAMS past 2^60",
            vec![0x12, 0xd0, 0, 0, 0, 0, 0, 0, 1],
            Some((Code::FRAME_ENCODING_ERROR, 0x12)),
        ),
        (
            "DATAGRAM not asked for",
            vec![0x31, 1, 0],
            Some((Code::PROTOCOL_VIOLATION, 0x31)),
        ),
        (
            "NEW_CONNECTION_ID without an id",
            vec![
                0x18, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            ],
            Some((Code::FRAME_ENCODING_ERROR, 0x18)),
        ),
        (
            "NEW_CONNECTION_ID that retires itself",
            id(1, 2, 1),
            Some((Code::FRAME_ENCODING_ERROR, 0x18)),
        ),
        ("ids up to the limit", many(active - 1), None),
        (
            "one id more",
            many(active),
            Some((Code::CONNECTION_ID_LIMIT_ERROR, 0x18)),
        ),
        (
            "one number, two ids",
            [id(1, 0, 1), id(1, 0, 2)].concat(),
            Some((Code::PROTOCOL_VIOLATION, 0x18)),
        ),
        (
            "RETIRE_CONNECTION_ID of the future",
            vec![0x19, 1],
            Some((Code::PROTOCOL_VIOLATION, 0x19)),
        ),
        (
            "RETIRE_CONNECTION_ID of its own packet's",
            vec![0x19, 0],
            Some((Code::PROTOCOL_VIOLATION, 0x19)),
        ),
        ("PATH_CHALLENGE", vec![0x1a, 1, 2, 3, 4, 5, 6, 7, 8], None),
        ("PATH_RESPONSE", vec![0x1b, 1, 2, 3, 4, 5, 6, 7, 8], None),
        (
            "CONNECTION_CLOSE of an unknown code is no fault",
            vec![0x02, 0, 0, 0, 0],
            None,
        ),
    ];
    for (name, payload, want) in rows {
        let got = answer(PacketType::OneRtt, Side::Client, &payload);
        let want = want.map(|(code, frame)| (code, Some(frame)));
        assert_eq!(got, want, "{name}");
    }
}

#[test]
fn crypto_data_at_a_level_that_tls_has_left_is_a_violation() {
    // New bytes in a Handshake packet after the server has read the client's Finished cannot come: keys are gone. In an Initial packet, after
    // the hellos, they can.
    let mut pair = Pair::new(straight());
    pair.run_until(Duration::from_secs(1), |pair| pair.server.is_some());
    pair.now += DELAY;
    let now = pair.now;
    for (to, _, ecn, datagram) in core::mem::take(&mut pair.flying).into_values() {
        pair.deliver_marked(to, ecn, &datagram);
    }
    // The server's hello is shorter than this, and nothing of the client has gone out since.
    let datagram = pair
        .server()
        .forge(Space::Initial, &[0x06, 0x50, 0x00, 1, 0], now);
    pair.deliver(Side::Client, &datagram);
    let want = TransportError {
        frame: Some(6),
        ..TransportError::from(crate::Fault::CryptoAfterLevel)
    };
    assert_eq!(want.code, Code::PROTOCOL_VIOLATION);
    assert_eq!(pair.client.error().cloned(), Some(want.into()));

    // Bytes behind a gap when the keys of the next level come.
    let mut pair = Pair::new(straight());
    pair.run_until(Duration::from_secs(1), |pair| pair.server.is_some());
    let now = pair.now;
    let gap = pair
        .server()
        .forge(Space::Initial, &[0x06, 0x50, 0x00, 1, 0], now);
    pair.deliver(Side::Client, &gap);
    assert!(pair.client.state.is_open());
    pair.run(Duration::from_millis(100));
    assert_eq!(
        code_of(&pair.client).map(|(code, _)| code),
        Some(Code::PROTOCOL_VIOLATION)
    );
    assert_eq!(
        pair.client.error().cloned(),
        Some(TransportError::from(crate::Fault::CryptoUnread).into())
    );
}

#[test]
fn a_tls_message_at_a_wrong_level_or_of_a_wrong_kind_is_unexpected() {
    // A KeyUpdate, and a ClientHello, in CRYPTO frames of 1-RTT packets (attack Q12).
    for (name, message) in [
        ("KeyUpdate", [24, 0, 0, 1, 0]),
        ("ClientHello", [1, 0, 0, 1, 0]),
    ] {
        for from in [Side::Client, Side::Server] {
            let mut pair = Pair::connected();
            let now = pair.now;
            let payload = [&[0x06, 0x00, 0x05][..], &message].concat();
            let datagram = pair.side(from).forge(Space::Application, &payload, now);
            pair.deliver(from.peer(), &datagram);
            let error = pair.side(from.peer()).error().cloned();
            let Some(ConnectionError::Tls(error)) = &error else {
                panic!("{name} {error:?}");
            };
            let told = TransportError::from(error);
            assert_eq!(told.code, Code(0x10a), "{name} {from:?}");
        }
    }
}

#[test]
fn a_server_that_asks_for_a_certificate_after_the_handshake_violates_the_protocol() {
    let mut pair = Pair::connected();
    let now = pair.now;
    let payload = [0x06, 0x00, 0x07, 13, 0, 0, 3, 0, 0, 0];
    let datagram = pair.server().forge(Space::Application, &payload, now);
    pair.deliver(Side::Client, &datagram);
    assert_eq!(
        code_of(&pair.client).map(|(code, _)| code),
        Some(Code::PROTOCOL_VIOLATION)
    );
    assert_eq!(
        pair.client.error().cloned(),
        Some(TransportError::from(crate::Fault::LateClientAuth).into())
    );
}

/// rfc9001#4.6.1-2: over TLS a limit is no fault, so the alert of one would be wrong.
#[test]
fn a_ticket_with_a_limit_of_early_data_violates_the_protocol() {
    let mut pair = Pair::connected();
    let now = pair.now;
    let mut payload = vec![0x06, 0x00, 27, 4, 0, 0, 23];
    payload.extend([
        0, 0, 1, 0, 0, 0, 0, 0, 1, 7, 0, 1, 7, 0, 8, 0, 42, 0, 4, 0, 0, 3, 232,
    ]);
    let datagram = pair.server().forge(Space::Application, &payload, now);
    pair.deliver(Side::Client, &datagram);
    let want = TransportError::from(crate::Fault::EarlyDataLimit);
    assert_eq!(pair.client.error().cloned(), Some(want.into()));
}

#[test]
fn a_packet_counts_once_however_often_it_comes() {
    let mut pair = Pair::connected();
    pair.run(Duration::from_millis(200));
    let now = pair.now;
    let datagram = pair
        .client
        .forge(Space::Application, &[0x0b, 0x00, 1, 7], now);
    let before = pair.server().stats();
    for _ in 0..5 {
        pair.deliver(Side::Server, &datagram);
    }
    let after = pair.server().stats();
    assert_eq!(after.packets_received, before.packets_received + 1);
    assert_eq!(after.duplicates, before.duplicates + 4);
    // A forged copy is no duplicate: whether it was there before is asked once it is known to be genuine.
    let mut forged = datagram.clone();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    pair.deliver(Side::Server, &forged);
    let last = pair.server().stats();
    assert_eq!(
        (last.duplicates, last.undecryptable),
        (after.duplicates, after.undecryptable + 1)
    );
}

#[test]
fn a_packet_with_a_fault_is_not_acknowledged() {
    let mut pair = ready(PacketType::OneRtt, Side::Client);
    pair.run(Duration::from_millis(200));
    let now = pair.now;
    let before = pair
        .server()
        .spaces
        .received_ref(Space::Application)
        .unwrap()
        .largest();
    let datagram = pair.client.forge(Space::Application, &[0x01, 0x1f], now);
    pair.deliver(Side::Server, &datagram);
    assert!(code_of(pair.server()).is_some());
    assert_eq!(
        pair.server()
            .spaces
            .received_ref(Space::Application)
            .unwrap()
            .largest(),
        before
    );
}

#[test]
fn frames_that_change_nothing_end_the_connection_when_there_are_too_many() {
    let rows: &[(&str, &[u8])] = &[
        ("PING", &[0x01]),
        ("empty STREAM", &[0x0a, 0x00, 0x00]),
        ("empty end", &[0x0b, 0x00, 0x00]),
        ("RESET_STREAM", &[0x04, 0x00, 0x00, 0x00]),
        ("STOP_SENDING", &[0x05, 0x00, 0x00]),
        (
            "NEW_CONNECTION_ID",
            &[
                0x18, 1, 0, 4, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            ],
        ),
        ("MAX_DATA", &[0x10, 0x00]),
        ("MAX_STREAMS", &[0x12, 0x00]),
        ("DATA_BLOCKED", &[0x14, 0x00]),
        ("STREAMS_BLOCKED", &[0x16, 0x00]),
        ("STREAM_DATA_BLOCKED", &[0x15, 0x00, 0x00]),
        ("PATH_RESPONSE", &[0x1b, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("PATH_CHALLENGE", &[0x1a, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("empty CRYPTO", &[0x06, 0x00, 0x00]),
    ];
    for (name, frame) in rows {
        let mut pair = Pair::connected();
        let now = pair.now;
        let each = 40;
        let most = limits::GLITCHES as usize / each;
        for packet in 0..most + 2 {
            let open = pair.server().state.is_open();
            // The first of some changes something.
            assert!(open || packet >= most, "{name}: {packet}");
            if open {
                let payload = frame.repeat(each);
                let datagram = pair.client.forge(Space::Application, &payload, now);
                pair.deliver(Side::Server, &datagram);
            }
        }
        assert_eq!(
            pair.server().error().cloned(),
            Some(
                TransportError {
                    frame: Some(u64::from(frame[0])),
                    ..TransportError::from(crate::Fault::Glitches)
                }
                .into()
            ),
            "{name}"
        );
        // The same at a pace that a network can explain.
        let mut pair = Pair::connected();
        for _ in 0..3000 {
            pair.now += limits::GLITCH_REFILL;
            let now = pair.now;
            let datagram = pair.client.forge(Space::Application, frame, now);
            pair.deliver(Side::Server, &datagram);
            pair.server().on_deadline(at(now));
        }
        assert!(
            pair.server().state.is_open(),
            "{name}: {:?}",
            pair.server().error
        );
    }
}

#[test]
fn a_path_challenge_is_answered_in_an_expanded_datagram() {
    let mut pair = Pair::connected();
    pair.run(Duration::from_millis(200));
    let now = pair.now;
    let datagram = pair
        .client
        .forge(Space::Application, &[0x1a, 8, 7, 6, 5, 4, 3, 2, 1], now);
    pair.deliver(Side::Server, &datagram);
    let mut buffer = [0; 2000];
    let batch = pair.server().transmit(at(now), &mut buffer).unwrap();
    assert_eq!(batch.length, limits::DATAGRAM);
    assert!(
        pair.server().transmit(at(now), &mut buffer).is_none(),
        "once"
    );
}

#[test]
fn a_token_for_the_next_connection_is_told_of_up_to_a_number_and_a_length() {
    let mut pair = Pair::connected();
    let now = pair.now;
    for length in [limits::TOKEN + 1, limits::TOKEN] {
        let length_field = u16::try_from(length).unwrap() | 0x4000;
        let mut payload = vec![0x07];
        payload.extend(length_field.to_be_bytes());
        payload.resize(3 + length, 5);
        let datagram = pair.server().forge(Space::Application, &payload, now);
        pair.deliver(Side::Client, &datagram);
    }
    for number in 0..20_u8 {
        let datagram = pair
            .server()
            .forge(Space::Application, &[0x07, 2, 9, number], now);
        pair.deliver(Side::Client, &datagram);
    }
    pair.events();
    let tokens: Vec<_> = pair
        .client_events
        .iter()
        .filter_map(|event| match event {
            Event::Token(token) => Some(token.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(tokens.len(), limits::TOKENS);
    assert_eq!(
        tokens[0],
        [5; limits::TOKEN][..],
        "as long as may be, and not longer"
    );
    assert_eq!(tokens[1], [9, 0][..]);
    assert!(pair.client.state.is_open());
}

#[test]
fn an_acknowledgment_of_a_number_that_was_left_out_is_a_violation() {
    let mut pair = Pair::connected();
    let data = pattern(400_000);
    assert_eq!(
        pair.transfer(Side::Server, &data, Duration::from_secs(30)),
        data
    );
    pair.run(Duration::from_secs(1));
    // One range from zero to the last number: it cannot all have been sent.
    let largest = pair
        .server()
        .recovery
        .largest_acked(Space::Application)
        .unwrap();
    assert!(largest.get() > 300, "{largest:?}");
    let mut buffer = [0; 32];
    let mut builder = Builder::new(&mut buffer);
    let all = core::iter::once(crate::wire::PacketNumber::ZERO..=largest);
    builder.put_ack(VarInt::ZERO, all, None).unwrap();
    let payload = builder.written().to_vec();
    let now = pair.now;
    let datagram = pair.client.forge(Space::Application, &payload, now);
    pair.deliver(Side::Server, &datagram);
    assert_eq!(
        code_of(pair.server()),
        Some((Code::PROTOCOL_VIOLATION, Some(2)))
    );
}
