//! Frames for streams that their receiver cannot have meant, and past its limits: every such frame for every kind of stream, by each side.

use super::frames::{code_of, ready};
use super::*;
use crate::error::Code;
use crate::wire::{Builder, PacketType, Space};

/// Whose part of a stream a frame speaks for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Of {
    Sender,
    Receiver,
}

/// Type, whose it is, and the varints between the stream's id and the data.
const FRAMES: [(u8, Of, &[u8]); 12] = [
    (0x04, Of::Sender, &[0, 0]),
    (0x05, Of::Receiver, &[0]),
    (0x08, Of::Sender, &[]),
    (0x09, Of::Sender, &[]),
    (0x0a, Of::Sender, &[0]),
    (0x0b, Of::Sender, &[0]),
    (0x0c, Of::Sender, &[0]),
    (0x0d, Of::Sender, &[0]),
    (0x0e, Of::Sender, &[0, 0]),
    (0x0f, Of::Sender, &[0, 0]),
    (0x11, Of::Receiver, &[9]),
    (0x15, Of::Sender, &[9]),
];

#[test]
fn every_frame_of_every_kind_of_stream_is_taken_or_has_its_code() {
    let state = Some(Code::STREAM_STATE_ERROR);
    let limit = Some(Code::STREAM_LIMIT_ERROR);
    let past = limits::OPEN_STREAMS;
    // (name, whether the sender of the frame opens it, kind, index, want for a sender's frame, and for a receiver's)
    let streams = [
        ("own", true, Dir::Bi, 0, None, None),
        ("own, the last", true, Dir::Bi, past - 1, None, None),
        ("own, past the limit", true, Dir::Bi, past, limit, limit),
        ("own, one way", true, Dir::Uni, 0, None, state),
        (
            "own, one way, the last",
            true,
            Dir::Uni,
            past - 1,
            None,
            state,
        ),
        (
            "own, one way, past the limit",
            true,
            Dir::Uni,
            past,
            limit,
            state,
        ),
        ("the other's, open", false, Dir::Bi, 0, None, None),
        ("the other's, not open", false, Dir::Bi, 1, state, state),
        (
            "the other's, one way, open",
            false,
            Dir::Uni,
            0,
            state,
            None,
        ),
        (
            "the other's, one way, not open",
            false,
            Dir::Uni,
            1,
            state,
            state,
        ),
    ];
    for from in [Side::Client, Side::Server] {
        for (frame, of, fields) in FRAMES {
            for (name, own, dir, index, senders, receivers) in streams {
                let initiator = if own { from } else { from.peer() };
                let id = StreamId::new(initiator, dir, index).unwrap();
                let want = if of == Of::Sender { senders } else { receivers };
                let mut pair = ready(PacketType::OneRtt, from);
                for dir in Dir::ALL {
                    pair.side(from.peer()).open(dir).unwrap();
                }
                let got = sent(&mut pair, from, &payload(frame, id.get(), fields));
                let want = want.map(|code| (code, Some(u64::from(frame))));
                assert_eq!(got, want, "{frame:#x} of {from:?}: {name}");
            }
        }
    }
}

fn payload(frame: u8, id: u64, fields: &[u8]) -> Vec<u8> {
    let mut buffer = [0; 32];
    let mut builder = Builder::new(&mut buffer);
    builder.put_u8(frame).unwrap();
    builder.put_varint(VarInt::new(id).unwrap()).unwrap();
    builder.put(fields).unwrap();
    builder.written().to_vec()
}

fn sent(pair: &mut Pair, from: Side, payload: &[u8]) -> Option<(Code, Option<u64>)> {
    let now = pair.now;
    let datagram = pair.side(from).forge(Space::Application, payload, now);
    pair.deliver(from.peer(), &datagram);
    code_of(pair.side(from.peer()))
}

/// Sizes and credit, over packets of their own so that the first of two has been taken.
#[test]
fn sizes_and_credit_that_are_exceeded_close_with_their_codes() {
    let size = |frame: u64| Some((Code::FINAL_SIZE_ERROR, Some(frame)));
    let credit = |frame: u64| Some((Code::FLOW_CONTROL_ERROR, Some(frame)));
    // Both windows are 1000 bytes. (name, payloads, want from the last)
    type Row = (
        &'static str,
        &'static [&'static [u8]],
        Option<(Code, Option<u64>)>,
    );
    let rows: [Row; 17] = [
        (
            "the same end again",
            &[&[0x0f, 0, 4, 1, 7], &[0x0f, 0, 4, 1, 7]],
            None,
        ),
        (
            "an end further on",
            &[&[0x0f, 0, 4, 1, 7], &[0x0f, 0, 5, 1, 7]],
            size(0x0f),
        ),
        (
            "an end before",
            &[&[0x0f, 0, 4, 1, 7], &[0x0f, 0, 3, 1, 7]],
            size(0x0f),
        ),
        (
            "an end below data",
            &[&[0x0e, 0, 9, 1, 7], &[0x0b, 0, 1, 7]],
            size(0x0b),
        ),
        (
            "data past the end",
            &[&[0x0f, 0, 4, 1, 7], &[0x0e, 0, 5, 1, 7]],
            size(0x0e),
        ),
        (
            "a reset at the end",
            &[&[0x0f, 0, 4, 1, 7], &[4, 0, 0, 5]],
            None,
        ),
        (
            "a reset past the end",
            &[&[0x0f, 0, 4, 1, 7], &[4, 0, 0, 6]],
            size(4),
        ),
        (
            "a reset below data",
            &[&[0x0e, 0, 9, 1, 7], &[4, 0, 0, 9]],
            size(4),
        ),
        ("two resets", &[&[4, 0, 0, 9], &[4, 0, 1, 9]], None),
        (
            "two resets of two sizes",
            &[&[4, 0, 0, 9], &[4, 0, 0, 8]],
            size(4),
        ),
        (
            "data past a reset",
            &[&[4, 0, 0, 9], &[0x0e, 0, 9, 1, 7]],
            size(0x0e),
        ),
        (
            "the last byte of a stream",
            &[&[0x0e, 0, 0x43, 0xe7, 1, 7]],
            None,
        ),
        (
            "one byte past it",
            &[&[0x0e, 0, 0x43, 0xe8, 1, 7]],
            credit(0x0e),
        ),
        ("an end past it", &[&[0x0f, 0, 0x43, 0xe9, 0]], credit(0x0f)),
        ("a reset past it", &[&[4, 0, 0, 0x43, 0xe9]], credit(4)),
        (
            "the last byte of the connection",
            &[&[0x0e, 0, 0x42, 0x57, 1, 7], &[4, 4, 0, 0x41, 0x90]],
            None,
        ),
        (
            "one past it, by a reset",
            &[&[0x0e, 0, 0x42, 0x57, 1, 7], &[4, 4, 0, 0x41, 0x91]],
            credit(4),
        ),
    ];
    for (name, payloads, want) in rows {
        let mut pair = Pair::with(
            straight(),
            |client| client,
            |server| {
                let server = server.stream_window(1000, 1000);
                server.connection_window(1000, 1000)
            },
        );
        pair.connect();
        let mut got = None;
        for payload in payloads {
            assert_eq!(got, None, "{name}");
            got = sent(&mut pair, Side::Client, payload);
        }
        assert_eq!(got, want, "{name}");
    }
}

/// A stream is given up by both sides in one packet, in either order and twice (attack A15).
#[test]
fn a_reset_and_a_stop_in_one_packet_change_a_stream_once() {
    let (stop, reset): (&[u8], &[u8]) = (&[5, 0, 7], &[4, 0, 8, 1]);
    for frames in [
        [stop, reset, stop, reset],
        [reset, stop, reset, stop],
        [stop, stop, reset, reset],
    ] {
        let mut pair = Pair::connected();
        let id = pair.client.open(Dir::Bi).unwrap();
        pair.client.send(id, &mut Bytes::from_static(b"x")).unwrap();
        pair.run(Duration::from_millis(100));
        assert_eq!(pair.server().accept(Dir::Bi), Some(id));
        pair.events();
        pair.server_events.clear();
        assert_eq!(sent(&mut pair, Side::Client, &frames.concat()), None);
        let seven = VarInt::from(7_u8);
        let told: Vec<_> = core::iter::from_fn(|| pair.server().event()).collect();
        let stopped = |event: &&Event| matches!(event, Event::Stream(StreamEvent::Stopped(stream, code)) if *stream == id && *code == seven);
        assert_eq!(told.iter().filter(stopped).count(), 1, "{told:?}");
        let read = pair.server().read(id, 10);
        assert_eq!(read, Err(crate::ReadError::Reset(VarInt::from(8_u8))));
        pair.run(Duration::from_secs(1));
        assert!(pair.client.state.is_open() && pair.server().state.is_open());
    }
}
