//! Every frame at every level to both roles, against the golden file `frames.tsv`; and frames that are malformed.

use std::fmt::Write as _;

use pith_quic::{ConnectionId, NewId, ResetToken};
use pith_tests::rogue::Level;
use pith_tests::rogue::wire::{
    ack, crypto, frame, kind, long_varint, new_id, sized, stream, varint,
};

use super::bench::*;

/// The columns: who is under test, and the level.
const COLUMNS: [(Role, Level); 7] = [
    (Server, Level::Initial),
    (Server, Level::Early),
    (Server, Level::Handshake),
    (Server, Level::OneRtt),
    (Client, Level::Initial),
    (Client, Level::Handshake),
    (Client, Level::OneRtt),
];

/// All types that the RFCs define, with the levels where section 12.4 of RFC 9000 allows them and RFC 9001 section 8.3 does not take that back, and
/// some that nobody knows. `S` is a frame of servers alone.
const TYPES: [(u64, &str, &str); 45] = [
    (0x00, "PADDING", "IH01"),
    (0x01, "PING", "IH01"),
    (0x02, "ACK", "IH1"),
    (0x03, "ACK with ECN", "IH1"),
    (0x04, "RESET_STREAM", "01"),
    (0x05, "STOP_SENDING", "01"),
    (0x06, "CRYPTO", "IH1"),
    (0x07, "NEW_TOKEN", "1S"),
    (0x08, "STREAM", "01"),
    (0x09, "STREAM F", "01"),
    (0x0a, "STREAM L", "01"),
    (0x0b, "STREAM LF", "01"),
    (0x0c, "STREAM O", "01"),
    (0x0d, "STREAM OF", "01"),
    (0x0e, "STREAM OL", "01"),
    (0x0f, "STREAM OLF", "01"),
    (0x10, "MAX_DATA", "01"),
    (0x11, "MAX_STREAM_DATA", "01"),
    (0x12, "MAX_STREAMS bidi", "01"),
    (0x13, "MAX_STREAMS uni", "01"),
    (0x14, "DATA_BLOCKED", "01"),
    (0x15, "STREAM_DATA_BLOCKED", "01"),
    (0x16, "STREAMS_BLOCKED bidi", "01"),
    (0x17, "STREAMS_BLOCKED uni", "01"),
    (0x18, "NEW_CONNECTION_ID", "01"),
    (0x19, "RETIRE_CONNECTION_ID", "1"),
    (0x1a, "PATH_CHALLENGE", "01"),
    (0x1b, "PATH_RESPONSE", "1"),
    (0x1c, "CONNECTION_CLOSE", "IH01"),
    (0x1d, "CONNECTION_CLOSE app", "01"),
    (0x1e, "HANDSHAKE_DONE", "1S"),
    (0x30, "DATAGRAM, not asked for", "01"),
    (0x31, "DATAGRAM L, not asked for", "01"),
    (0x1f, "IMMEDIATE_ACK, not negotiated", "?"),
    (0x20, "unknown", "?"),
    (0x21, "unknown", "?"),
    (0x24, "RESET_STREAM_AT, not negotiated", "?"),
    (0x2f, "unknown", "?"),
    (0x32, "unknown", "?"),
    (0x3f, "unknown", "?"),
    (0x40, "unknown of two bytes", "?"),
    (0xaf, "ACK_FREQUENCY, not negotiated", "?"),
    (0x3fff, "unknown", "?"),
    (0x4000, "unknown of four bytes", "?"),
    ((1 << 62) - 1, "the last type", "?"),
];

/// A frame of this type with which nothing else is wrong.
fn legal(bench: &mut Bench, level: Level, kind: u64) -> Vec<u8> {
    // The peer's first streams.
    let bidi = u64::from(bench.role == Client);
    let uni = bidi + 2;
    match kind {
        0x02 | 0x03 => {
            if level != Level::Early && bench.rogue.largest(level).is_none() {
                bench.send(level, &[0x01]);
                bench.wait(std::time::Duration::from_millis(30));
            }
            let largest = bench.rogue.largest(level).unwrap_or_default();
            let mut frame = ack(largest, 0, &[]);
            frame[0] = kind as u8;
            frame.extend_from_slice(&[0; 3][..3 * usize::from(kind == 3)]);
            frame
        }
        0x04 => frame(kind, &[uni, 7, 0], &[]),
        0x05 => frame(kind, &[bidi, 7], &[]),
        0x06 => crypto(0, &[]),
        0x07 => frame(kind, &[], &sized(b"token")),
        0x08 | 0x09 => frame(kind, &[bidi], b"data"),
        0x0a | 0x0b => frame(kind, &[bidi], &sized(b"data")),
        0x0c | 0x0d => frame(kind, &[bidi, 3], b"data"),
        0x0e | 0x0f => frame(kind, &[bidi, 3], &sized(b"data")),
        0x10 => frame(kind, &[1 << 20], &[]),
        0x11 => frame(kind, &[bidi, 1 << 20], &[]),
        0x12 | 0x13 => frame(kind, &[1000], &[]),
        0x14 => frame(kind, &[500], &[]),
        0x15 => frame(kind, &[bidi, 500], &[]),
        0x16 | 0x17 => frame(kind, &[5], &[]),
        0x18 => new_id(1, 0, 8, &[0x11; 8], &[0x22; 16]),
        0x19 if level == Level::OneRtt => {
            let id = ConnectionId::new(&[0x51; 8]).unwrap();
            let reset_token = ResetToken([9; 16]);
            let issued = bench.pith().issue_ids(&[NewId { id, reset_token }]);
            assert_eq!(issued, 1);
            bench.flush();
            frame(kind, &[1], &[])
        }
        0x19 => frame(kind, &[0], &[]),
        0x1a | 0x1b => frame(kind, &[], &[7; 8]),
        0x31 => frame(kind, &[], &sized(b"datagram")),
        0x1c => frame(kind, &[0x0a, 0], &sized(b"why")),
        0x1d => frame(kind, &[0x0a], &sized(b"why")),
        _ => frame(kind, &[], &[]),
    }
}

fn cell(role: Role, level: Level, kind: u64) -> Result<Want, String> {
    let mut bench = Bench::level(role, level);
    let frame = legal(&mut bench, level, kind);
    bench.send(level, &frame);
    bench.outcome()
}

#[test]
fn every_frame_at_every_level_does_what_the_golden_matrix_says() {
    let mut matrix = String::from("# type\tframe");
    for (role, level) in COLUMNS {
        write!(matrix, "\t{role:?} {level:?}").unwrap();
    }
    let mut wrong = Vec::new();
    for (kind, name, levels) in TYPES {
        write!(matrix, "\n{kind:#x}\t{name}").unwrap();
        for (role, level) in COLUMNS {
            let got = cell(role, level, kind);
            let letter = ["I", "0", "H", "1"][level as usize];
            let by_client = levels.contains('S') && role == Server;
            let want = match levels {
                "?" => Some(Close(ENCODING, kind)),
                levels if !levels.contains(letter) || by_client => Some(Close(VIOLATION, kind)),
                _ => None,
            };
            if want.is_some_and(|want| got != Ok(want)) {
                wrong.push(format!("{name} {role:?} {level:?}: {got:x?}"));
            }
            match got {
                Ok(Close(code, frame)) => write!(matrix, "\t{code:#x} {frame:#x}"),
                Ok(other) => write!(matrix, "\t{}", format!("{other:?}").to_lowercase()),
                Err(error) => write!(matrix, "\t{error}"),
            }
            .unwrap();
        }
    }
    matrix.push('\n');
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(
        matrix == include_str!("frames.tsv"),
        "the matrix is now:\n{matrix}"
    );
}

#[test]
fn malformed_frames_close_with_their_code_and_type() {
    let largest = (1 << 62) - 1;
    let rows: Vec<(&str, Want, Vec<u8>)> = vec![
        ("no frames", Close(VIOLATION, 0), vec![]),
        (
            "a PING in two bytes",
            Close(VIOLATION, 1),
            long_varint(1, 1),
        ),
        (
            "a PING in four bytes",
            Close(VIOLATION, 1),
            long_varint(1, 2),
        ),
        (
            "a PING in eight bytes",
            Close(VIOLATION, 1),
            long_varint(1, 3),
        ),
        (
            "PADDING in two bytes",
            Close(VIOLATION, 0),
            long_varint(0, 1),
        ),
        (
            "HANDSHAKE_DONE in two bytes",
            Close(VIOLATION, 0x1e),
            long_varint(0x1e, 1),
        ),
        (
            "an unknown type in more bytes than it needs",
            Close(VIOLATION, 0x21),
            long_varint(0x21, 2),
        ),
        ("half a type", Close(ENCODING, 0), vec![0x40]),
        (
            "half a type behind a PING",
            Close(ENCODING, 1),
            vec![1, 0x80, 0],
        ),
        ("an integer longer than it has to be", Lives, {
            [&[0x10][..], &long_varint(5, 3)].concat()
        }),
        (
            "MAX_DATA of the largest",
            Lives,
            frame(0x10, &[largest], &[]),
        ),
        ("MAX_DATA that goes back", Lives, frame(0x10, &[0], &[])),
        (
            "DATA_BLOCKED of the largest",
            Lives,
            frame(0x14, &[largest], &[]),
        ),
        (
            "MAX_STREAMS bidi at 2^60",
            Lives,
            frame(0x12, &[1 << 60], &[]),
        ),
        (
            "MAX_STREAMS bidi past 2^60",
            Close(ENCODING, 0x12),
            frame(0x12, &[(1 << 60) + 1], &[]),
        ),
        (
            "MAX_STREAMS uni at 2^60",
            Lives,
            frame(0x13, &[1 << 60], &[]),
        ),
        (
            "MAX_STREAMS uni past 2^60",
            Close(ENCODING, 0x13),
            frame(0x13, &[(1 << 60) + 1], &[]),
        ),
        (
            "STREAMS_BLOCKED bidi at 2^60",
            Lives,
            frame(0x16, &[1 << 60], &[]),
        ),
        (
            "STREAMS_BLOCKED bidi past 2^60",
            Close(ENCODING, 0x16),
            frame(0x16, &[(1 << 60) + 1], &[]),
        ),
        (
            "STREAMS_BLOCKED uni past 2^60",
            Close(ENCODING, 0x17),
            frame(0x17, &[largest], &[]),
        ),
        (
            "CRYPTO that ends past 2^62",
            Close(ENCODING, 6),
            crypto(largest, b"x"),
        ),
        (
            "ACK, first range below zero",
            Close(ENCODING, 2),
            ack(0, 1, &[]),
        ),
        (
            "ACK, gap below zero",
            Close(ENCODING, 2),
            ack(1, 0, &[(0, 0)]),
        ),
        (
            "ACK, gap far below zero",
            Close(ENCODING, 2),
            ack(1, 0, &[(largest, 0)]),
        ),
        (
            "ACK, range below zero",
            Close(ENCODING, 2),
            ack(2, 0, &[(0, 1)]),
        ),
        (
            "ACK with fewer ranges than it says",
            Close(ENCODING, 2),
            vec![2, 0, 0, 1, 0],
        ),
        (
            "ACK with more ranges than can be",
            Close(ENCODING, 2),
            frame(2, &[0, 0, largest, 0], &[]),
        ),
        (
            "ACK with ECN without counts",
            Close(ENCODING, 3),
            vec![3, 0, 0, 0, 0],
        ),
        (
            "ACK of a packet never sent",
            Close(VIOLATION, 2),
            ack(9000, 0, &[]),
        ),
        (
            "ACK of the last number",
            Close(VIOLATION, 2),
            ack(largest, 0, &[]),
        ),
        (
            "ACK with the longest delay",
            Lives,
            frame(2, &[0, largest, 0, 0], &[]),
        ),
        ("NEW_TOKEN without one", Close(ENCODING, 7), vec![7, 0]),
        (
            "NEW_TOKEN twice the same",
            Lives,
            frame(7, &[], &sized(b"token")).repeat(2),
        ),
        (
            "NEW_TOKEN of a thousand bytes",
            Lives,
            frame(7, &[], &sized(&[7; 1000])),
        ),
        (
            "NEW_TOKEN longer than its packet",
            Close(ENCODING, 7),
            vec![7, 9, 1],
        ),
        (
            "PATH_CHALLENGE of seven bytes",
            Close(ENCODING, 0x1a),
            frame(0x1a, &[], &[1; 7]),
        ),
        (
            "PATH_RESPONSE of seven bytes",
            Close(ENCODING, 0x1b),
            frame(0x1b, &[], &[1; 7]),
        ),
        ("PATH_RESPONSE to nothing", Lives, frame(0x1b, &[], &[1; 8])),
        (
            "CONNECTION_CLOSE whose reason is cut",
            Close(ENCODING, 0x1c),
            frame(0x1c, &[0, 0, 9], b"why"),
        ),
        (
            "CONNECTION_CLOSE of an unknown code and frame",
            Silence,
            frame(0x1c, &[largest, largest], &sized(&[0xff; 200])),
        ),
        (
            "CONNECTION_CLOSE of the application with the largest code",
            Silence,
            frame(0x1d, &[largest], &sized(&[])),
        ),
        (
            "frames behind CONNECTION_CLOSE",
            Silence,
            [frame(0x1c, &[0, 0], &sized(&[])), vec![0x21]].concat(),
        ),
        (
            "a fault in front of CONNECTION_CLOSE",
            Close(ENCODING, 0x21),
            [vec![0x21], frame(0x1c, &[0, 0], &sized(&[]))].concat(),
        ),
        (
            "DATAGRAM longer than its packet",
            Close(ENCODING, 0x31),
            vec![0x31, 9, 1],
        ),
        ("a thousand bytes of PADDING", Lives, vec![0; 1000]),
    ];
    let mut table = Table::default();
    for (name, want, payload) in &rows {
        let of_role = match *name {
            _ if name.starts_with("NEW_TOKEN") => Some(Client),
            // A client has sent no 1-RTT packet yet.
            "ACK with the longest delay" => Some(Server),
            _ => None,
        };
        if let Some(role) = of_role {
            let bench = Bench::at(role, Confirmed);
            table.row(*name, bench, *want, |bench| {
                bench.send(Level::OneRtt, payload)
            });
            continue;
        }
        table.frames(name, *want, payload);
    }
    // The same where keys are those of the handshake. PADDING behind a frame that is cut would make it whole.
    for (name, want, payload) in &rows {
        let first = payload.first().copied().unwrap_or(0xff);
        let short = [
            "fewer ranges",
            "half a type",
            "cut",
            "without counts",
            "longest delay",
        ];
        if !matches!(first, 0x02 | 0x03 | 0x06 | 0x1c | 0x21 | 0x40 | 0x80)
            || short.iter().any(|part| name.contains(part))
        {
            continue;
        }
        for role in ROLES {
            for level in [Level::Initial, Level::Handshake] {
                let name = format!("{name} in {level:?}");
                table.row(name, Bench::level(role, level), *want, |bench| {
                    bench.send(level, payload);
                });
            }
        }
    }
    table.done(140);
}

/// Every integer field of every frame cut in the middle, and every frame cut behind each byte.
#[test]
fn frames_cut_at_every_byte_are_encoding_errors_or_whole() {
    let frames = [
        frame(0x04, &[3, 7, 200], &[]),
        frame(0x05, &[1, 700], &[]),
        crypto(200, b"abc"),
        frame(0x10, &[1 << 20], &[]),
        frame(0x11, &[1, 1 << 20], &[]),
        frame(0x12, &[1 << 20], &[]),
        frame(0x14, &[1 << 20], &[]),
        frame(0x15, &[1, 1 << 20], &[]),
        frame(0x16, &[1 << 20], &[]),
        new_id(1, 0, 8, &[0x11; 8], &[0x22; 16]),
        frame(0x19, &[1 << 20], &[]),
        frame(0x1a, &[], &[7; 8]),
        frame(0x1b, &[], &[7; 8]),
        frame(0x1c, &[700, 700], &sized(b"why")),
        frame(0x1d, &[700], &sized(b"why")),
        stream(1, 70, b"abc", true),
        ack(0, 0, &[]),
        frame(0x31, &[], &sized(b"abc")),
        frame(0x07, &[], &sized(b"abc")),
    ];
    let mut table = Table::default();
    for whole in &frames {
        let kind = u64::from(whole[0]);
        for length in 1..whole.len() {
            let name = format!("{kind:#x} cut to {length}");
            table.row(
                name,
                Bench::at(Client, Confirmed),
                Close(ENCODING, kind),
                |bench| {
                    bench.send(Level::OneRtt, &whole[..length]);
                },
            );
        }
    }
    table.done(90);
}

#[test]
fn acknowledgments_of_numbers_that_were_never_sent_are_violations_in_every_space() {
    let mut table = Table::default();
    for role in ROLES {
        for level in [Level::Initial, Level::Handshake, Level::OneRtt] {
            let mut bench = Bench::level(role, level);
            let next = bench.rogue.largest(level).map_or(0, |largest| largest + 1);
            // One above what was sent.
            let name = format!("ACK of the next number in {level:?}");
            table.row(name, bench, Close(VIOLATION, kind::ACK), |bench| {
                bench.send(level, &ack(next, 0, &[]));
            });
            bench = Bench::level(role, level);
            if let Some(largest) = bench.rogue.largest(level) {
                let name = format!("ACK of the last number twice in {level:?}");
                table.row(name, bench, Lives, |bench| {
                    bench.send(level, &ack(largest, 0, &[]).repeat(2));
                });
            }
        }
    }
    // Packet numbers of one space do not count in another.
    table.row(
        "ACK of an Initial number in Handshake",
        Bench::at(Client, Hello),
        Close(VIOLATION, kind::ACK),
        |bench| bench.send(Level::Handshake, &ack(1, 1, &[])),
    );
    table.done(8);
}

/// A server leaves numbers out to find out who acknowledges what he has not seen (attacks Q05 and A47).
#[test]
fn an_acknowledgment_of_a_number_that_was_left_out_closes() {
    let mut bench = Bench::at(Server, Confirmed);
    let (mut hole, mut low) = (None, 0);
    for _ in 0..40 {
        let id = bench.pith().open(pith_quic::Dir::Uni).unwrap();
        let mut data = bytes::Bytes::from(vec![7; 15_000]);
        bench.pith().send(id, &mut data).unwrap();
        bench.pith().finish(id).unwrap();
        for _ in 0..3 {
            bench.wait(std::time::Duration::from_millis(20));
        }
        let of_level = bench
            .rogue
            .opened
            .iter()
            .filter(|packet| packet.level == Level::OneRtt);
        let numbers: Vec<u64> = of_level.map(|packet| packet.number).collect();
        let largest = *numbers.last().unwrap();
        hole = (low..largest).find(|number| !numbers.contains(number));
        if hole.is_some() {
            break;
        }
        low = largest;
        let credit = frame(0x10, &[1 << 30], &[]);
        let ack = [bench.rogue.ack(Level::OneRtt), credit].concat();
        bench.send(Level::OneRtt, &ack);
    }
    let hole = hole.expect("a number that was left out");
    bench.send(Level::OneRtt, &ack(hole, 0, &[]));
    assert_eq!(bench.outcome(), Ok(Close(VIOLATION, kind::ACK)));
}

#[test]
fn a_type_and_what_follows_of_any_length_never_hurts() {
    // Types by themselves and with varints of each length: whatever comes of it, it is a close with a code of the encoding or the protocol, or nothing.
    for first in (0..=0x3f_u8).chain([0x40, 0x80, 0xc0, 0xff]) {
        for fill in [0x00, 0x3f, 0x40, 0x7f, 0x80, 0xbf, 0xc0, 0xff] {
            let mut bench = Bench::at(Client, Confirmed);
            let payload = [vec![first], vec![fill; 24]].concat();
            bench.send(Level::OneRtt, &payload);
            if let Some((kind, code, _)) = bench.rogue.closed() {
                assert_eq!(kind, 0x1c);
                assert!(
                    (FLOW_CONTROL..=BUFFER).contains(&code),
                    "{first:#x} {fill:#x}: {code:#x}"
                );
            }
        }
    }
    assert_eq!(varint(0x3f).len(), 1);
}
