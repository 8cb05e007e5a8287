//! Frames of streams: each on every kind of stream in every state, against the golden file `streams.tsv` and a model of the rules; limits of streams and of
//! flow control, each at the limit and one past it.

use std::fmt::Write as _;

use bytes::Bytes;
use pith_quic::{Dir, Read, StreamId, VarInt};
use pith_tests::rogue::Level;
use pith_tests::rogue::wire::{frame, stream};

use super::bench::*;

/// Whose stream it is, and how far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The connection under test has not opened it.
    NotOpened,
    /// It has, and sent nothing.
    Opened,
    /// It has sent a byte.
    Sending,
    /// It has sent the end.
    Finished,
    /// And that was acknowledged.
    Arrived,
    /// It has reset it.
    Reset,
    /// Of the peer: nothing came.
    New,
    /// Ten bytes came.
    Receiving,
    /// Ten of twenty bytes came, and the end.
    SizeKnown,
    /// All of twenty bytes came.
    Whole,
    /// And were read.
    AllRead,
    /// The peer has reset it at twenty.
    ResetByPeer,
    /// And the application has heard of it.
    ResetRead,
    /// The application wants no more after ten bytes.
    Stopped,
    /// The last that the limit allows, new.
    Last,
    /// The one behind it.
    PastLimit,
    /// The last number.
    Largest,
}
use State::*;

const OWN: [State; 6] = [NotOpened, Opened, Sending, Finished, Arrived, Reset];
const PEERS: [State; 11] = [
    New,
    Receiving,
    SizeKnown,
    Whole,
    AllRead,
    ResetByPeer,
    ResetRead,
    Stopped,
    Last,
    PastLimit,
    Largest,
];

/// What comes: its name, and whether a sender sends it.
const FRAMES: [(&str, bool); 12] = [
    ("STREAM 0 to 5", true),
    ("STREAM 15 to 20", true),
    ("STREAM 16 to 21", true),
    ("end at 5", true),
    ("end at 20", true),
    ("end at 21", true),
    ("RESET at 5", true),
    ("RESET at 20", true),
    ("RESET at 21", true),
    ("STREAM_DATA_BLOCKED", true),
    ("STOP_SENDING", false),
    ("MAX_STREAM_DATA", false),
];

fn bytes_of(name: &str, id: u64) -> Vec<u8> {
    match name {
        "STREAM 0 to 5" => stream(id, 0, &[1; 5], false),
        "STREAM 15 to 20" => stream(id, 15, &[1; 5], false),
        "STREAM 16 to 21" => stream(id, 16, &[1; 5], false),
        "end at 5" => stream(id, 5, &[], true),
        "end at 20" => stream(id, 20, &[], true),
        "end at 21" => stream(id, 21, &[], true),
        "RESET at 5" => frame(4, &[id, 7, 5], &[]),
        "RESET at 20" => frame(4, &[id, 7, 20], &[]),
        "RESET at 21" => frame(4, &[id, 7, 21], &[]),
        "STREAM_DATA_BLOCKED" => frame(0x15, &[id, 9], &[]),
        "STOP_SENDING" => frame(5, &[id, 7], &[]),
        _ => frame(0x11, &[id, 1 << 20], &[]),
    }
}

/// A stream in this state, and its id.
fn prepare(bench: &mut Bench, dir: Dir, state: State) -> u64 {
    let own = u64::from(bench.role == Server);
    let kind = if dir == Dir::Uni { 2 } else { 0 };
    if OWN.contains(&state) {
        let index = match state {
            NotOpened => 0,
            _ => {
                let id = bench.pith().open(dir).unwrap();
                if state != Opened {
                    let sent = bench.pith().send(id, &mut Bytes::from_static(b"x"));
                    assert_eq!(sent, Ok(1));
                }
                if matches!(state, Finished | Arrived) {
                    bench.pith().finish(id).unwrap();
                }
                bench.flush();
                if state == Reset {
                    bench.pith().reset(id, VarInt::from(3_u8)).unwrap();
                }
                bench.flush();
                if state == Arrived {
                    let ack = bench.rogue.ack(Level::OneRtt);
                    bench.send(Level::OneRtt, &ack);
                }
                id.get() / 4
            }
        };
        return index * 4 + kind + own;
    }
    let index = match state {
        Last => STREAMS - 1,
        PastLimit => STREAMS,
        Largest => (1 << 60) - 1,
        _ => 0,
    };
    let id = index * 4 + kind + (1 - own);
    match state {
        Receiving | Stopped => bench.send(Level::OneRtt, &stream(id, 0, &[1; 10], false)),
        SizeKnown => {
            bench.send(Level::OneRtt, &stream(id, 0, &[1; 10], false));
            bench.send(Level::OneRtt, &stream(id, 20, &[], true));
        }
        Whole | AllRead => bench.send(Level::OneRtt, &stream(id, 0, &[1; 20], true)),
        ResetByPeer | ResetRead => bench.send(Level::OneRtt, &frame(4, &[id, 7, 20], &[])),
        _ => {}
    }
    if matches!(state, AllRead | ResetRead | Stopped) {
        let accepted: StreamId = bench.pith().accept(dir).unwrap();
        match state {
            Stopped => bench.pith().stop(accepted, VarInt::from(4_u8)).unwrap(),
            AllRead => {
                let read = bench.pith().read(accepted, 100);
                assert!(
                    matches!(read, Ok(Read::Data { ends: true, .. })),
                    "{read:?}"
                );
            }
            _ => assert!(bench.pith().read(accepted, 100).is_err()),
        }
        bench.flush();
    }
    id
}

/// What the rules say.
fn model(dir: Dir, state: State, name: &str, of_sender: bool, kind: u64) -> Want {
    let own = OWN.contains(&state);
    if matches!(state, PastLimit | Largest) {
        return match (dir, of_sender) {
            // It cannot be named at all, whichever is seen first.
            (Dir::Uni, false) => Close(STREAM_STATE, kind),
            _ => Close(STREAM_LIMIT, kind),
        };
    }
    if dir == Dir::Uni && own == of_sender || state == NotOpened {
        return Close(STREAM_STATE, kind);
    }
    if !of_sender || name == "STREAM_DATA_BLOCKED" {
        return Lives;
    }
    // A stream of which nothing is left has no final size to compare with.
    let gone = dir == Dir::Uni && matches!(state, AllRead | ResetRead);
    let (highest, known) = match state {
        SizeKnown | Whole | AllRead | ResetByPeer | ResetRead => (20, true),
        Receiving | Stopped => (10, false),
        _ => (0, false),
    };
    let end: u64 = name.rsplit(' ').next().unwrap().parse().unwrap();
    let last = name.starts_with("end") || name.starts_with("RESET");
    let wrong = match known {
        true => end > highest || last && end != highest,
        false => last && end < highest,
    };
    if wrong && !gone {
        Close(FINAL_SIZE, kind)
    } else {
        Lives
    }
}

#[test]
fn every_frame_on_every_stream_in_every_state_does_what_the_golden_matrix_says() {
    let mut matrix = String::from("# role\tdir\tstate");
    for (name, _) in FRAMES {
        write!(matrix, "\t{name}").unwrap();
    }
    let mut wrong = Vec::new();
    let mut cells = 0;
    for role in ROLES {
        for (dir, state) in [Dir::Bi, Dir::Uni]
            .into_iter()
            .flat_map(|dir| OWN.into_iter().chain(PEERS).map(move |state| (dir, state)))
        {
            write!(matrix, "\n{role:?}\t{dir:?}\t{state:?}").unwrap();
            for (name, of_sender) in FRAMES {
                let mut bench = Bench::at(role, Confirmed);
                let id = prepare(&mut bench, dir, state);
                let bytes = bytes_of(name, id);
                bench.send(Level::OneRtt, &bytes);
                let got = if state == Last && dir == Dir::Bi && bench.rogue.closed().is_none() {
                    // The stream by which a byte would come is this one.
                    Ok(Lives)
                } else {
                    bench.outcome()
                };
                let want = model(dir, state, name, of_sender, u64::from(bytes[0]));
                if got != Ok(want) {
                    wrong.push(format!(
                        "{role:?} {dir:?} {state:?} {name}: {got:x?}, not {want:x?}"
                    ));
                }
                match got {
                    Ok(Close(code, _)) => write!(matrix, "\t{code:x}"),
                    Ok(other) => write!(matrix, "\t{}", format!("{other:?}").to_lowercase()),
                    Err(error) => write!(matrix, "\t{error}"),
                }
                .unwrap();
                cells += 1;
            }
        }
    }
    matrix.push('\n');
    assert!(wrong.is_empty(), "{} of {cells}: {wrong:#?}", wrong.len());
    assert_eq!(cells, 2 * 2 * 17 * 12);
    assert!(
        matrix == include_str!("streams.tsv"),
        "the matrix is now:\n{matrix}"
    );
}

/// The peer's first streams: bidirectional and unidirectional.
fn first(role: Role) -> (u64, u64) {
    let of_server = u64::from(role == Client);
    (of_server, of_server + 2)
}

#[test]
fn limits_of_flow_control_hold_at_and_one_past_them() {
    let mut table = Table::default();
    for role in ROLES {
        let (bidi, uni) = first(role);
        for (kind, id) in [("bidi", bidi), ("uni", uni)] {
            let end = STREAM_WINDOW;
            let rows: [(&str, Want, Vec<u8>); 12] = [
                (
                    "data up to the limit",
                    Lives,
                    stream(id, end - 9, &[1; 9], false),
                ),
                (
                    "data one past it",
                    Close(FLOW_CONTROL, 0x0e),
                    stream(id, end - 8, &[1; 9], false),
                ),
                ("no data at the limit", Lives, stream(id, end, &[], false)),
                (
                    "no data one past it",
                    Close(FLOW_CONTROL, 0x0e),
                    stream(id, end + 1, &[], false),
                ),
                ("the end at the limit", Lives, stream(id, end, &[], true)),
                (
                    "the end one past it",
                    Close(FLOW_CONTROL, 0x0f),
                    stream(id, end + 1, &[], true),
                ),
                ("a reset at the limit", Lives, frame(4, &[id, 0, end], &[])),
                (
                    "a reset one past it",
                    Close(FLOW_CONTROL, 4),
                    frame(4, &[id, 0, end + 1], &[]),
                ),
                (
                    "data that ends at 2^62 - 1",
                    Close(FLOW_CONTROL, 0x0e),
                    stream(id, (1 << 62) - 2, b"x", false),
                ),
                (
                    "data that ends at 2^62",
                    Close(ENCODING, 0x0e),
                    stream(id, (1 << 62) - 1, b"x", false),
                ),
                (
                    "a reset at 2^62 - 1",
                    Close(FLOW_CONTROL, 4),
                    frame(4, &[id, 0, (1 << 62) - 1], &[]),
                ),
                (
                    "the same byte a hundred times",
                    Lives,
                    stream(id, 7, b"x", false).repeat(40),
                ),
            ];
            for (name, want, payload) in rows {
                table.row(
                    format!("{kind}: {name}"),
                    Bench::at(role, Confirmed),
                    want,
                    |bench| {
                        bench.send(Level::OneRtt, &payload);
                    },
                );
            }
        }
        // The whole connection: two streams to their limits, and a third to the connection's.
        let fill = |bench: &mut Bench, last: u64, reset: bool| {
            for index in 0..2 {
                let id = uni + 4 * index;
                bench.send(Level::OneRtt, &stream(id, STREAM_WINDOW, &[], index == 0));
            }
            let id = uni + 8;
            let left = CONNECTION_WINDOW - 2 * STREAM_WINDOW + last;
            let payload = match reset {
                true => frame(4, &[id, 0, left], &[]),
                false => stream(id, left - 1, b"x", false),
            };
            bench.send(Level::OneRtt, &payload);
        };
        // A reset is read by nobody, so what it took comes back.
        let rows = [
            ("data", 0, false, Full),
            ("data", 1, false, Close(FLOW_CONTROL, 0x0e)),
            ("a reset", 0, true, Lives),
            ("a reset", 1, true, Close(FLOW_CONTROL, 4)),
        ];
        for (name, past, reset, want) in rows {
            let name = format!("the connection's limit, {name} {past} past it");
            table.row(name, Bench::at(role, Confirmed), want, |bench| {
                fill(bench, past, reset)
            });
        }
    }
    table.done(56);
}

#[test]
fn limits_of_streams_hold_at_and_one_past_them() {
    let mut table = Table::default();
    for role in ROLES {
        let (bidi, uni) = first(role);
        for (kind, id) in [("bidi", bidi), ("uni", uni)] {
            for (past, index) in [("the last", STREAMS - 1), ("one past the last", STREAMS)] {
                let id = id + 4 * index;
                for (name, payload) in [
                    ("STREAM", stream(id, 0, b"x", false)),
                    ("empty STREAM", stream(id, 0, &[], true)),
                    ("RESET_STREAM", frame(4, &[id, 0, 0], &[])),
                    ("STREAM_DATA_BLOCKED", frame(0x15, &[id, 0], &[])),
                ] {
                    let want = if index == STREAMS {
                        Close(STREAM_LIMIT, u64::from(payload[0]))
                    } else {
                        Lives
                    };
                    let name = format!("{name} on {past} {kind}");
                    let mut bench = Bench::at(role, Confirmed);
                    if index < STREAMS && kind == "bidi" {
                        // The stream of the byte that comes at the end.
                        bench.send(Level::OneRtt, &payload);
                        assert!(bench.pith().error().is_none(), "{name}");
                        continue;
                    }
                    table.row(name, bench, want, |bench| {
                        bench.send(Level::OneRtt, &payload)
                    });
                }
            }
        }
        // The limit grows when streams are over, and by that alone.
        let over = |bench: &mut Bench, more: u64| {
            for index in 0..STREAMS {
                bench.send(Level::OneRtt, &frame(4, &[uni + 4 * index, 0, 0], &[]));
            }
            while let Some(id) = bench.pith().accept(Dir::Uni) {
                assert!(bench.pith().read(id, 1).is_err());
            }
            bench.flush();
            bench.wait(std::time::Duration::from_millis(30));
            let told = came(bench, 0x13).pop().expect("MAX_STREAMS").numbers[0];
            let id = uni + 4 * (told - 1 + more);
            bench.send(Level::OneRtt, &stream(id, 0, b"x", false));
        };
        for (more, want) in [(0, Lives), (1, Close(STREAM_LIMIT, 0x0e))] {
            let name = format!("a stream {more} past the limit after others");
            table.row(name, Bench::at(role, Confirmed), want, |bench| {
                over(bench, more)
            });
        }
    }
    table.done(20);
}

#[test]
fn frames_that_take_back_or_repeat_what_was_said_of_streams() {
    let mut table = Table::default();
    for role in ROLES {
        let (bidi, uni) = first(role);
        let rows: Vec<(&str, Want, Vec<u8>)> = vec![
            (
                "two ends at the same size",
                Lives,
                [stream(uni, 0, b"abc", true), stream(uni, 3, &[], true)].concat(),
            ),
            (
                "two ends at two sizes",
                Close(FINAL_SIZE, 0x0f),
                [stream(uni, 0, b"abc", true), stream(uni, 4, &[], true)].concat(),
            ),
            (
                "two resets with two codes",
                Lives,
                [frame(4, &[uni, 1, 0], &[]), frame(4, &[uni, 2, 0], &[])].concat(),
            ),
            (
                "two resets with two sizes",
                Close(FINAL_SIZE, 4),
                [frame(4, &[uni, 1, 0], &[]), frame(4, &[uni, 1, 1], &[])].concat(),
            ),
            (
                "a reset behind the end",
                Lives,
                [stream(uni, 9, b"abc", true), frame(4, &[uni, 1, 12], &[])].concat(),
            ),
            (
                "a reset below data",
                Close(FINAL_SIZE, 4),
                [stream(uni, 9, b"abc", false), frame(4, &[uni, 1, 11], &[])].concat(),
            ),
            (
                "data behind a reset, below its size",
                Lives,
                [frame(4, &[uni, 1, 12], &[]), stream(uni, 9, b"abc", false)].concat(),
            ),
            (
                "data behind a reset, past its size",
                Close(FINAL_SIZE, 0x0e),
                [frame(4, &[uni, 1, 12], &[]), stream(uni, 10, b"abc", false)].concat(),
            ),
            (
                "an end behind a reset with another size",
                Close(FINAL_SIZE, 0x0f),
                [frame(4, &[uni, 1, 12], &[]), stream(uni, 11, &[], true)].concat(),
            ),
            (
                "two STOP_SENDING",
                Lives,
                frame(5, &[bidi, 1], &[]).repeat(2),
            ),
            (
                "STOP_SENDING and RESET_STREAM in one packet",
                Lives,
                [frame(5, &[bidi, 1], &[]), frame(4, &[bidi, 1, 0], &[])].concat(),
            ),
            (
                "MAX_STREAM_DATA behind STOP_SENDING",
                Lives,
                [
                    frame(5, &[bidi, 1], &[]),
                    frame(0x11, &[bidi, 1 << 30], &[]),
                ]
                .concat(),
            ),
            (
                "MAX_STREAM_DATA that goes back",
                Lives,
                [
                    frame(0x11, &[bidi, 1 << 30], &[]),
                    frame(0x11, &[bidi, 0], &[]),
                ]
                .concat(),
            ),
            (
                "two data for one place",
                Lives,
                [stream(uni, 0, b"abc", false), stream(uni, 0, b"xyz", false)].concat(),
            ),
            (
                "STREAM_DATA_BLOCKED past every limit",
                Lives,
                frame(0x15, &[uni, (1 << 62) - 1], &[]),
            ),
            (
                "STREAMS_BLOCKED below the limit",
                Lives,
                frame(0x17, &[0], &[]),
            ),
            (
                "a code of 2^62 - 1",
                Lives,
                frame(4, &[uni, (1 << 62) - 1, 0], &[]),
            ),
        ];
        for (name, want, payload) in rows {
            table.row(name, Bench::at(role, Confirmed), want, |bench| {
                bench.send(Level::OneRtt, &payload);
            });
        }
    }
    table.done(34);
}
