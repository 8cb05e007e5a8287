//! Every frame: what it decodes to, where it may stand, cut short, and through the encoders and back.

use super::super::{Builder, PacketNumber};
use super::*;
use crate::{Code, Fault};

const ID: &[u8] = &[0xc0; 8];
const TOKEN: [u8; 16] = [0x70; 16];

fn varint(value: u64) -> VarInt {
    VarInt::new(value).unwrap()
}

fn id(value: u64) -> StreamId {
    StreamId::from(varint(value))
}

fn decode(payload: &[u8]) -> Result<Vec<Frame<'_>>, TransportError> {
    frames(payload, PacketType::OneRtt, Side::Client).collect()
}

fn fault_of(payload: &[u8]) -> Option<(Code, &'static str)> {
    decode(payload)
        .err()
        .map(|error| (error.code, error.reason))
}

fn told(fault: Fault) -> Option<(Code, &'static str)> {
    let error = TransportError::from(fault);
    Some((error.code, error.reason))
}

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// Name, encoding, what it is (`None`: an ACK, compared elsewhere), packets as in RFC 9000's table 3 with the note of its section 12.5, marks as
/// there, `S` for what only servers send.
pub(crate) fn samples() -> Vec<(
    &'static str,
    Vec<u8>,
    Option<Frame<'static>>,
    &'static str,
    &'static str,
)> {
    let limit = |limit| StreamLimit {
        id: id(5),
        limit: varint(limit),
    };
    let count = |dir, count| StreamCount {
        dir,
        count: varint(count),
    };
    let stream = |offset, fin| {
        Some(Frame::Stream(Stream {
            id: id(4),
            offset: varint(offset),
            data: b"data",
            fin,
        }))
    };
    let new_id = NewConnectionId {
        sequence: varint(3),
        retire_prior_to: varint(3),
        id: ConnectionId::new(ID).unwrap(),
        reset_token: ResetToken(TOKEN),
    };
    let (ih01, ih1, o1, one) = ("IH01", "IH1", "01", "1");
    vec![
        ("PADDING", vec![0], Some(Frame::Padding), ih01, "NP"),
        ("PING", vec![1], Some(Frame::Ping), ih01, ""),
        ("ACK", vec![2, 0x14, 1, 1, 2, 3, 4], None, ih1, "N"),
        ("ACK with ECN", vec![3, 9, 1, 0, 2, 7, 8, 9], None, ih1, "N"),
        (
            "RESET_STREAM",
            vec![4, 8, 0x40, 0x99, 7],
            Some(Frame::ResetStream(ResetStream {
                id: id(8),
                code: varint(0x99),
                final_size: varint(7),
            })),
            o1,
            "",
        ),
        (
            "STOP_SENDING",
            vec![5, 8, 7],
            Some(Frame::StopSending(StopSending {
                id: id(8),
                code: varint(7),
            })),
            o1,
            "",
        ),
        (
            "CRYPTO",
            joined(&[&[6, 9, 4], b"data"]),
            Some(Frame::Crypto(Crypto {
                offset: varint(9),
                data: b"data",
            })),
            ih1,
            "",
        ),
        (
            "NEW_TOKEN",
            joined(&[&[7, 5], b"token"]),
            Some(Frame::NewToken(b"token")),
            one,
            "S",
        ),
        (
            "STREAM 08",
            joined(&[&[8, 4], b"data"]),
            stream(0, false),
            o1,
            "",
        ),
        (
            "STREAM 09",
            joined(&[&[9, 4], b"data"]),
            stream(0, true),
            o1,
            "",
        ),
        (
            "STREAM 0a",
            joined(&[&[0x0a, 4, 4], b"data"]),
            stream(0, false),
            o1,
            "",
        ),
        (
            "STREAM 0b",
            joined(&[&[0x0b, 4, 4], b"data"]),
            stream(0, true),
            o1,
            "",
        ),
        (
            "STREAM 0c",
            joined(&[&[0x0c, 4, 9], b"data"]),
            stream(9, false),
            o1,
            "",
        ),
        (
            "STREAM 0d",
            joined(&[&[0x0d, 4, 9], b"data"]),
            stream(9, true),
            o1,
            "",
        ),
        (
            "STREAM 0e",
            joined(&[&[0x0e, 4, 9, 4], b"data"]),
            stream(9, false),
            o1,
            "",
        ),
        (
            "STREAM 0f",
            joined(&[&[0x0f, 4, 9, 4], b"data"]),
            stream(9, true),
            o1,
            "",
        ),
        (
            "MAX_DATA",
            vec![0x10, 9],
            Some(Frame::MaxData(varint(9))),
            o1,
            "",
        ),
        (
            "MAX_STREAM_DATA",
            vec![0x11, 5, 9],
            Some(Frame::MaxStreamData(limit(9))),
            o1,
            "",
        ),
        (
            "MAX_STREAMS of both directions",
            vec![0x12, 9],
            Some(Frame::MaxStreams(count(Dir::Bi, 9))),
            o1,
            "",
        ),
        (
            "MAX_STREAMS of one direction",
            vec![0x13, 9],
            Some(Frame::MaxStreams(count(Dir::Uni, 9))),
            o1,
            "",
        ),
        (
            "DATA_BLOCKED",
            vec![0x14, 9],
            Some(Frame::DataBlocked(varint(9))),
            o1,
            "",
        ),
        (
            "STREAM_DATA_BLOCKED",
            vec![0x15, 5, 9],
            Some(Frame::StreamDataBlocked(limit(9))),
            o1,
            "",
        ),
        (
            "STREAMS_BLOCKED of both directions",
            vec![0x16, 9],
            Some(Frame::StreamsBlocked(count(Dir::Bi, 9))),
            o1,
            "",
        ),
        (
            "STREAMS_BLOCKED of one direction",
            vec![0x17, 9],
            Some(Frame::StreamsBlocked(count(Dir::Uni, 9))),
            o1,
            "",
        ),
        (
            "NEW_CONNECTION_ID",
            joined(&[&[0x18, 3, 3, 8], ID, &TOKEN]),
            Some(Frame::NewConnectionId(new_id)),
            o1,
            "P",
        ),
        (
            "RETIRE_CONNECTION_ID",
            vec![0x19, 3],
            Some(Frame::RetireConnectionId(varint(3))),
            one,
            "",
        ),
        (
            "PATH_CHALLENGE",
            vec![0x1a, 1, 2, 3, 4, 5, 6, 7, 8],
            Some(Frame::PathChallenge([1, 2, 3, 4, 5, 6, 7, 8])),
            o1,
            "P",
        ),
        (
            "PATH_RESPONSE",
            vec![0x1b, 1, 2, 3, 4, 5, 6, 7, 8],
            Some(Frame::PathResponse([1, 2, 3, 4, 5, 6, 7, 8])),
            one,
            "P",
        ),
        (
            "CONNECTION_CLOSE of the transport",
            joined(&[&[0x1c, 0x0a, 6, 3], b"why"]),
            Some(Frame::ConnectionClose(Close::Transport {
                code: varint(0x0a),
                frame: varint(6),
                reason: b"why",
            })),
            ih01,
            "N",
        ),
        (
            "CONNECTION_CLOSE of the application",
            joined(&[&[0x1d, 0x0a, 3], b"why"]),
            Some(Frame::ConnectionClose(Close::Application {
                code: varint(0x0a),
                reason: b"why",
            })),
            o1,
            "N",
        ),
        (
            "HANDSHAKE_DONE",
            vec![0x1e],
            Some(Frame::HandshakeDone),
            one,
            "S",
        ),
        (
            "DATAGRAM 30",
            joined(&[&[0x30], b"data"]),
            Some(Frame::Datagram(Datagram {
                data: b"data",
                frame: 5,
            })),
            o1,
            "",
        ),
        (
            "DATAGRAM 31",
            joined(&[&[0x31, 4], b"data"]),
            Some(Frame::Datagram(Datagram {
                data: b"data",
                frame: 6,
            })),
            o1,
            "",
        ),
    ]
}

#[test]
fn every_frame_decodes_to_what_it_says() {
    let mut types = Vec::new();
    for (name, bytes, want, ..) in samples() {
        let got = decode(&bytes).unwrap();
        assert_eq!(got.len(), 1, "{name}");
        assert!(want.is_none_or(|want| got == [want]), "{name}: {got:?}");
        types.push(u64::from(bytes[0]));
    }
    let known: Vec<u64> = Row::all().iter().flat_map(Row::types).collect();
    assert_eq!(types, known, "a sample for each type of the table");
}

#[test]
fn every_frame_in_every_type_of_packet_and_from_each_side() {
    let letters = [
        (PacketType::Initial, 'I'),
        (PacketType::Handshake, 'H'),
        (PacketType::ZeroRtt, '0'),
        (PacketType::OneRtt, '1'),
    ];
    for (name, bytes, _, packets, marks) in samples() {
        for (packet, letter) in letters {
            for receiver in [Side::Client, Side::Server] {
                let mut walk = frames(&bytes, packet, receiver);
                let got = walk.next().unwrap();
                let want = if !packets.contains(letter) {
                    Some(Fault::MisplacedFrame)
                } else if marks.contains('S') && receiver == Side::Server {
                    Some(Fault::ServerFrame)
                } else {
                    None
                };
                let want = want.map(|fault| fault_in(fault, u64::from(bytes[0])));
                assert_eq!(got.err(), want, "{name} in {packet:?} to {receiver:?}");
                assert_eq!(walk.next(), None, "{name}");
            }
        }
        let mut walk = frames(&bytes, PacketType::OneRtt, Side::Client);
        walk.by_ref().for_each(drop);
        assert_eq!(walk.ack_eliciting(), !marks.contains('N'), "{name}");
        assert_eq!(walk.probing(), marks.contains('P'), "{name}");
    }
}

#[test]
fn misplaced_frames_close_with_protocol_violation() {
    for fault in [Fault::MisplacedFrame, Fault::ServerFrame, Fault::NoFrames] {
        assert_eq!(fault.code(), Code::PROTOCOL_VIOLATION, "{fault:?}");
    }
    assert_eq!(fault_of(&[]), told(Fault::NoFrames));
}

#[test]
fn every_frame_cut_short_is_an_encoding_error_or_another_frame() {
    for (name, bytes, ..) in samples() {
        for short in 1..bytes.len() {
            let got = decode(&bytes[..short]);
            // What has no length of its own ends where the packet does, once its fields are there.
            let open = matches!(bytes[0], 8 | 9 | 0x0c | 0x0d | 0x30);
            let fields = match bytes[0] {
                0x30 => 1,
                8 | 9 => 2,
                _ => 3,
            };
            if open && short >= fields {
                assert_eq!(got.map(|frames| frames.len()), Ok(1), "{name} {short}");
                continue;
            }
            let want = fault_in(Fault::TruncatedFrame, u64::from(bytes[0]));
            assert_eq!(got.err(), Some(want), "{name} cut to {short} bytes");
            assert_eq!(want.code, Code::FRAME_ENCODING_ERROR);
        }
        // The type too, where it would have more bytes than there are.
        assert_eq!(fault_of(&[0x40]), told(Fault::TruncatedFrame));
    }
}

#[test]
fn types_unknown_or_longer_than_they_need_be() {
    for unknown in (0x1f..0x30).chain(0x32..0x40) {
        assert_eq!(
            fault_of(&[unknown]),
            told(Fault::UnknownFrame),
            "{unknown:#x}"
        );
    }
    for unknown in [&[0x40, 0x40][..], &[0x52, 0x34], &[0xff; 8]] {
        assert_eq!(fault_of(unknown), told(Fault::UnknownFrame), "{unknown:x?}");
    }
    for (name, bytes, ..) in samples() {
        for long in [
            joined(&[&[0x40], &bytes]),
            joined(&[&[0x80, 0, 0], &bytes]),
            joined(&[&[0xc0, 0, 0, 0, 0, 0, 0], &bytes]),
        ] {
            assert_eq!(fault_of(&long), told(Fault::LongFrameType), "{name}");
        }
    }
    assert_eq!(Fault::UnknownFrame.code(), Code::FRAME_ENCODING_ERROR);
    assert_eq!(Fault::LongFrameType.code(), Code::PROTOCOL_VIOLATION);
}

#[test]
fn values_at_their_limit_and_one_past_it() {
    const MAX: [u8; 8] = [0xff; 8];
    const MAX_LESS_4: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfb];
    const STREAMS: [u8; 8] = [0xd0, 0, 0, 0, 0, 0, 0, 0];
    const STREAMS_AND_1: [u8; 8] = [0xd0, 0, 0, 0, 0, 0, 0, 1];
    let new_id = |sequence: &[u8], retire: &[u8], length: u8| {
        let id = vec![1; usize::from(length)];
        joined(&[&[0x18], sequence, retire, &[length], &id, &TOKEN])
    };
    let rows: Vec<(&str, Vec<u8>, Option<Fault>)> = vec![
        (
            "CRYPTO to the end",
            joined(&[&[6], &MAX_LESS_4, &[4], b"data"]),
            None,
        ),
        (
            "CRYPTO past it",
            joined(&[&[6], &MAX_LESS_4, &[5], b"data!"]),
            Some(Fault::CryptoOffset),
        ),
        ("empty CRYPTO at the end", joined(&[&[6], &MAX, &[0]]), None),
        (
            "STREAM to the end",
            joined(&[&[0x0e, 0], &MAX_LESS_4, &[4], b"data"]),
            None,
        ),
        (
            "STREAM past it",
            joined(&[&[0x0e, 0], &MAX_LESS_4, &[5], b"data!"]),
            Some(Fault::StreamOffset),
        ),
        (
            "STREAM without a length past it",
            joined(&[&[0x0d, 0], &MAX_LESS_4, b"data!"]),
            Some(Fault::StreamOffset),
        ),
        ("MAX_STREAMS of 2^60", joined(&[&[0x12], &STREAMS]), None),
        (
            "MAX_STREAMS past it",
            joined(&[&[0x12], &STREAMS_AND_1]),
            Some(Fault::StreamCount),
        ),
        (
            "MAX_STREAMS uni past it",
            joined(&[&[0x13], &MAX]),
            Some(Fault::StreamCount),
        ),
        (
            "STREAMS_BLOCKED of 2^60",
            joined(&[&[0x17], &STREAMS]),
            None,
        ),
        (
            "STREAMS_BLOCKED past it",
            joined(&[&[0x16], &STREAMS_AND_1]),
            Some(Fault::StreamCount),
        ),
        (
            "STREAMS_BLOCKED uni past it",
            joined(&[&[0x17], &STREAMS_AND_1]),
            Some(Fault::StreamCount),
        ),
        ("empty token", vec![7, 0], Some(Fault::EmptyToken)),
        ("token of one byte", vec![7, 1, 0], None),
        ("connection id of 1 byte", new_id(&[3], &[0], 1), None),
        ("connection id of 20 bytes", new_id(&[3], &[0], 20), None),
        (
            "connection id of no byte",
            new_id(&[3], &[0], 0),
            Some(Fault::NewConnectionIdLength),
        ),
        (
            "connection id of 21 bytes",
            new_id(&[3], &[0], 21),
            Some(Fault::NewConnectionIdLength),
        ),
        (
            "connection id of 255",
            new_id(&[3], &[0], 255),
            Some(Fault::NewConnectionIdLength),
        ),
        ("retires up to itself", new_id(&[3], &[3], 8), None),
        (
            "retires itself",
            new_id(&[3], &[4], 8),
            Some(Fault::RetirePriorTo),
        ),
        ("largest final size", joined(&[&[4, 0, 0], &MAX]), None),
        ("largest limit", joined(&[&[0x10], &MAX]), None),
    ];
    for (name, bytes, want) in rows {
        assert_eq!(fault_of(&bytes), want.and_then(told), "{name}");
    }
    for fault in [
        Fault::CryptoOffset,
        Fault::StreamOffset,
        Fault::StreamCount,
        Fault::EmptyToken,
        Fault::NewConnectionIdLength,
        Fault::RetirePriorTo,
        Fault::AckRange,
    ] {
        assert_eq!(fault.code(), Code::FRAME_ENCODING_ERROR, "{fault:?}");
    }
}

fn ranges_of(ack: &Ack<'_>) -> Vec<(u64, u64)> {
    ack.ranges()
        .map(|range| (range.start().get(), range.end().get()))
        .collect()
}

#[test]
fn ranges_of_an_ack_descend_and_never_fall_below_zero() {
    // (name, fields behind the type, ranges or fault)
    type Want = Result<&'static [(u64, u64)], Fault>;
    let rows: &[(&str, &[u8], Want)] = &[
        ("one number", &[7, 0, 0, 0], Ok(&[(7, 7)])),
        ("down to zero", &[7, 0, 0, 7], Ok(&[(0, 7)])),
        (
            "first range below zero",
            &[7, 0, 0, 8],
            Err(Fault::AckRange),
        ),
        ("two ranges", &[20, 0, 1, 2, 3, 4], Ok(&[(18, 20), (9, 13)])),
        ("smallest gap", &[7, 0, 1, 0, 0, 5], Ok(&[(7, 7), (0, 5)])),
        (
            "second range below zero",
            &[7, 0, 1, 0, 0, 6],
            Err(Fault::AckRange),
        ),
        ("gap below zero", &[7, 0, 1, 0, 6, 0], Err(Fault::AckRange)),
        ("gap from zero", &[7, 0, 1, 7, 0, 0], Err(Fault::AckRange)),
        ("zero itself", &[2, 0, 1, 0, 0, 0], Ok(&[(2, 2), (0, 0)])),
        (
            "fewer ranges than it says",
            &[20, 0, 2, 2, 3, 4],
            Err(Fault::TruncatedFrame),
        ),
        (
            "2^62-1 ranges",
            &[20, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0],
            Err(Fault::TruncatedFrame),
        ),
        (
            "largest gap",
            &[
                20, 0, 1, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0,
            ],
            Err(Fault::AckRange),
        ),
    ];
    for (name, fields, want) in rows {
        for ecn in [false, true] {
            let counts: &[u8] = if ecn { &[1, 2, 3] } else { &[] };
            let bytes = joined(&[&[if ecn { 3 } else { 2 }], fields, counts]);
            // The numbers of the counts would be the ranges that are missing.
            if ecn && *want == Err(Fault::TruncatedFrame) {
                continue;
            }
            match (decode(&bytes), want) {
                (Ok(frames), Ok(want)) => {
                    let [Frame::Ack(ack)] = &frames[..] else {
                        panic!("{name}: {frames:?}");
                    };
                    assert_eq!(ranges_of(ack), *want, "{name}");
                    assert_eq!(ack.largest.get(), u64::from(fields[0]), "{name}");
                    let counts = ack.ecn.map(|ecn| (ecn.ect0, ecn.ect1, ecn.ce));
                    let want = ecn.then(|| (varint(1), varint(2), varint(3)));
                    assert_eq!(counts, want, "{name}");
                }
                (got, want) => {
                    let want = want.err().and_then(told);
                    assert_eq!(got.err().map(|e| (e.code, e.reason)), want, "{name}");
                }
            }
        }
    }
}

#[test]
fn an_ack_holds_as_many_ranges_as_there_is_room_for() {
    let number = |value| PacketNumber::new(value).unwrap();
    let all: Vec<_> = (0..200)
        .rev()
        .map(|n| number(100 * n)..=number(100 * n + n % 90))
        .collect();
    let ecn = Some(EcnCounts {
        ect0: varint(70),
        ect1: varint(0),
        ce: VarInt::MAX,
    });
    let mut most = 0;
    for room in 0..700 {
        let mut buffer = vec![0xee; room];
        let mut builder = Builder::new(&mut buffer);
        let Some(written) = builder.put_ack(varint(5), all.iter().cloned(), ecn) else {
            assert!(builder.is_empty() && room < 22, "{room}");
            continue;
        };
        assert!((most..=200).contains(&written), "{room}: {written}");
        most = written;
        let frames = decode(builder.written()).unwrap();
        let [Frame::Ack(ack)] = &frames[..] else {
            panic!("{frames:?}");
        };
        assert_eq!((ack.delay, ack.ecn), (varint(5), ecn));
        let got: Vec<_> = ack.ranges().collect();
        assert_eq!(got, all[..written], "{room}");
    }
    assert_eq!(most, 200);
    let mut buffer = [0; 100];
    let mut builder = Builder::new(&mut buffer);
    for (name, ranges) in [
        ("none", vec![]),
        (
            "ascending",
            vec![number(1)..=number(2), number(5)..=number(6)],
        ),
        (
            "touching",
            vec![number(5)..=number(6), number(3)..=number(4)],
        ),
        ("upside down", vec![number(6)..=number(5)]),
    ] {
        let written = builder.put_ack(varint(0), ranges.into_iter(), None);
        assert!(written.is_none_or(|written| written == 1), "{name}");
    }
}

/// Writes it again; streams come out as 0x0a, 0x0b, 0x0e or 0x0f, and DATAGRAM as 0x31.
fn encode(builder: &mut Builder<'_>, frame: &Frame<'_>) -> Option<()> {
    let copy = |data: &[u8], room: &mut [u8]| {
        room.copy_from_slice(data.get(..room.len())?);
        Some(())
    };
    match frame {
        Frame::Padding => builder.pad_to(builder.len() + 1),
        Frame::Ping => builder.put_ping(),
        Frame::Ack(ack) => builder.put_ack(ack.delay, ack.ranges(), ack.ecn).map(drop),
        Frame::ResetStream(frame) => builder.put_reset_stream(*frame),
        Frame::StopSending(frame) => builder.put_stop_sending(*frame),
        Frame::Crypto(Crypto { offset, data }) => builder
            .put_crypto(*offset, data.len(), |room| copy(data, room))
            .map(drop),
        Frame::NewToken(token) => builder.put_new_token(token),
        Frame::Stream(Stream {
            id,
            offset,
            data,
            fin,
        }) => builder
            .put_stream(*id, *offset, data.len(), *fin, |room| copy(data, room))
            .map(drop),
        Frame::MaxData(limit) => builder.put_max_data(*limit),
        Frame::MaxStreamData(frame) => builder.put_max_stream_data(*frame),
        Frame::MaxStreams(frame) => builder.put_max_streams(*frame),
        Frame::DataBlocked(limit) => builder.put_data_blocked(*limit),
        Frame::StreamDataBlocked(frame) => builder.put_stream_data_blocked(*frame),
        Frame::StreamsBlocked(frame) => builder.put_streams_blocked(*frame),
        Frame::NewConnectionId(frame) => builder.put_new_connection_id(frame),
        Frame::RetireConnectionId(sequence) => builder.put_retire_connection_id(*sequence),
        Frame::PathChallenge(data) => builder.put_path_challenge(*data),
        Frame::PathResponse(data) => builder.put_path_response(*data),
        Frame::ConnectionClose(close) => builder.put_connection_close(*close),
        Frame::HandshakeDone => builder.put_handshake_done(),
        Frame::Datagram(datagram) => builder.put_datagram(datagram.data),
    }
}

#[test]
fn every_frame_through_its_encoder_and_back() {
    for (name, bytes, ..) in samples() {
        // Written with its length, which makes it larger.
        if name == "DATAGRAM 30" {
            continue;
        }
        let frames = decode(&bytes).unwrap();
        let [frame] = &frames[..] else {
            panic!("{name}");
        };
        let mut buffer = [0xee; 64];
        let mut builder = Builder::new(&mut buffer);
        assert_eq!(encode(&mut builder, frame), Some(()), "{name}");
        let mut written = builder.written().to_vec();
        assert_eq!(decode(&written).as_ref(), Ok(&frames), "{name}");
        // PADDING may follow any frame.
        written.push(0);
        assert_eq!(
            decode(&written).unwrap().len(),
            if bytes[0] == 0 { 1 } else { 2 },
            "{name}"
        );
        let one_encoding = !matches!(bytes[0], 8 | 9 | 0x0c | 0x0d | 0x30);
        if one_encoding {
            assert_eq!(written[..bytes.len()], bytes, "{name}");
        }
    }
}

#[test]
fn data_takes_the_room_that_there_is() {
    let data = vec![7; 40_000];
    for (available, room) in [
        (0, 10),
        (1, 10),
        (63, 66),
        (64, 66),
        (64, 67),
        (64, 68),
        (40_000, 5),
        (40_000, 1200),
        (16_383, 16_388),
        (16_384, 16_388),
        (40_000, 16_390),
        (40_000, 50_000),
    ] {
        for fin in [false, true] {
            let name = format!("{available} in {room}, {fin}");
            let fill = |room: &mut [u8]| {
                room.copy_from_slice(&data[..room.len()]);
                Some(())
            };
            let mut buffer = vec![0xee; room];
            let mut builder = Builder::new(&mut buffer);
            let Some(written) = builder.put_stream(id(4), varint(9), available, fin, fill) else {
                assert!(builder.is_empty() && available == 0 && !fin, "{name}");
                continue;
            };
            // Type, id, offset and length; one byte can stay free where the length would grow.
            let overhead = 3 + varint(u64::try_from(written).unwrap()).size();
            assert!(
                written == available || written + overhead + 2 >= room,
                "{name}"
            );
            let frames = decode(builder.written()).unwrap();
            let want = Frame::Stream(Stream {
                id: id(4),
                offset: varint(9),
                data: &data[..written],
                fin: fin && written == available,
            });
            assert_eq!(frames, [want], "{name}");
        }
    }
    let mut buffer = [0; 4];
    let mut builder = Builder::new(&mut buffer);
    assert_eq!(
        builder.put_stream(id(4), varint(9), 9, true, |_| Some(())),
        None
    );
    assert_eq!(builder.put_crypto(varint(0), 0, |_| Some(())), None);
    assert_eq!(builder.put_crypto(varint(900), 9, |_| Some(())), None);
    assert!(builder.is_empty());
    assert_eq!(datagram_size(63), 65);
    assert_eq!(datagram_size(64), 67);
}

#[test]
fn a_closing_reason_is_cut_to_its_packet() {
    let mut buffer = [0; 10];
    let mut builder = Builder::new(&mut buffer);
    let close = Close::Transport {
        code: varint(1),
        frame: varint(0),
        reason: b"a reason of some length",
    };
    assert_eq!(builder.put_connection_close(close), Some(()));
    let want = Close::Transport {
        code: varint(1),
        frame: varint(0),
        reason: b"a reas",
    };
    assert_eq!(
        decode(builder.written()),
        Ok(vec![Frame::ConnectionClose(want)])
    );
}

#[test]
fn what_a_packet_counts_as_is_known_from_all_its_frames() {
    // (name, payload, frames, ack-eliciting, probing)
    let rows: &[(&str, &[u8], usize, bool, bool)] = &[
        ("PADDING is one run", &[0, 0, 0], 1, false, true),
        ("ACK and PADDING", &[2, 7, 0, 0, 0, 0, 0], 2, false, false),
        (
            "challenge and PADDING",
            &[0x1a, 1, 2, 3, 4, 5, 6, 7, 8, 0],
            2,
            true,
            true,
        ),
        (
            "challenge and PING",
            &[0x1a, 1, 2, 3, 4, 5, 6, 7, 8, 1],
            2,
            true,
            false,
        ),
        ("PING behind PADDING", &[0, 1, 0], 3, true, false),
    ];
    for (name, payload, count, ack_eliciting, probing) in rows {
        let mut walk = frames(payload, PacketType::OneRtt, Side::Client);
        assert_eq!(
            walk.by_ref().filter(Result::is_ok).count(),
            *count,
            "{name}"
        );
        assert_eq!(walk.ack_eliciting(), *ack_eliciting, "{name}");
        assert_eq!(walk.probing(), *probing, "{name}");
    }
}

#[test]
fn nothing_follows_a_fault() {
    let mut walk = frames(&[1, 0x1f, 1], PacketType::OneRtt, Side::Client);
    assert_eq!(walk.next(), Some(Ok(Frame::Ping)));
    assert_eq!(walk.next(), Some(Err(fault_in(Fault::UnknownFrame, 0x1f))));
    assert_eq!(walk.frame_type(), 0x1f);
    assert_eq!(walk.next(), None);
    assert_eq!(walk.next(), None);
}
