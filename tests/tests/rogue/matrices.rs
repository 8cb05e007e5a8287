//! What comes to a connection in each of its states, against golden files: `connection.tsv` (packets and events), `path.tsv` (packets by where they come from)
//! and `key_phase.tsv` (packets by their keys).

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use pith_quic::{ConnectionError, Event, VarInt};
use pith_tests::rogue::wire::{frame, kind, new_id, sized};
use pith_tests::rogue::{Level, retry, version_negotiation};

use super::bench::*;

const PING: [u8; 1] = [0x01];
const FATAL: [u8; 1] = [0x21];
const TOKEN: [u8; 16] = [0x0e; 16];

/// The state that a peer can tell, and `+` where something was sent since.
fn state(bench: &mut Bench, sent: usize) -> String {
    let confirmed = bench
        .events
        .iter()
        .any(|event| matches!(event, Event::Confirmed));
    let more = if bench.went.len() > sent { " +" } else { "" };
    let Some(pith) = &bench.pith else {
        return "none".into();
    };
    let name = match pith.error() {
        None if pith.is_established() && confirmed => "confirmed",
        None if pith.is_established() => "complete",
        None => "handshaking",
        Some(ConnectionError::IdleTimeout) => "over, idle",
        Some(ConnectionError::HandshakeTimeout) => "closing, handshake timeout",
        Some(ConnectionError::NoCommonVersion) => "over, version",
        Some(ConnectionError::Reset) => "draining, reset",
        Some(ConnectionError::PeerClosed { .. } | ConnectionError::ApplicationClosed { .. }) => {
            "draining"
        }
        Some(ConnectionError::LocallyClosed) => "closing, by the application",
        Some(ConnectionError::Transport(_)) => "closing",
        Some(ConnectionError::Tls(_)) => "closing, TLS",
        Some(other) => panic!("{other:?}"),
    };
    let over = if pith.is_over() && !name.starts_with("over") {
        ", over"
    } else {
        ""
    };
    format!("{name}{over}{more}")
}

const STATES: [&str; 7] = [
    "start",
    "hello",
    "complete",
    "confirmed",
    "closing",
    "draining",
    "over",
];

fn prepared(role: Role, name: &str) -> Bench {
    let mut bench = Bench::new(role);
    if role == Client {
        bench.rogue.parameters.set(0x02, TOKEN);
    }
    let moment = match name {
        "start" => Start,
        "hello" => Hello,
        "complete" => Complete,
        _ => Confirmed,
    };
    bench.go_on(moment);
    match name {
        "closing" => bench.send(Level::OneRtt, &FATAL),
        "draining" => bench.send(Level::OneRtt, &frame(kind::CLOSE, &[0, 0], &sized(&[]))),
        "over" => {
            bench.send(Level::OneRtt, &frame(kind::CLOSE, &[0, 0], &sized(&[])));
            bench.wait(Duration::from_secs(60));
        }
        _ => {}
    }
    bench
}

/// Events by name; `None` where a peer has no keys for them.
fn happen(bench: &mut Bench, event: &str) -> Option<()> {
    let level = [
        ("Initial", Level::Initial),
        ("Handshake", Level::Handshake),
        ("1-RTT", Level::OneRtt),
    ]
    .into_iter()
    .find(|(name, _)| event.ends_with(name))
    .map(|(_, level)| level);
    if let Some(level) = level {
        if !bench.rogue.has_keys(level) {
            return None;
        }
        let close = frame(kind::CLOSE, &[0, 0], &sized(&[]));
        let payload = match event.split(' ').next().unwrap() {
            "PING" => &PING[..],
            "fault" => &FATAL,
            "close" => &close,
            _ => &[0x1e],
        };
        bench.send(level, payload);
        return Some(());
    }
    match event {
        "reset" => bench.deliver(&[&[0x41; 30][..], &TOKEN].concat()),
        "reset, another token" => bench.deliver(&[0x41; 46]),
        "reset of 20 bytes" => bench.deliver(&[&[0x41; 4][..], &TOKEN].concat()),
        "noise" => bench.deliver(&[0xc5; 1200]),
        "Retry" => {
            let original = bench.rogue.parameters.get(0)?.to_vec();
            if bench.moment == Start {
                bench.rogue.initial_keys(&[9; 8]);
            }
            bench.deliver(&retry(&PITH, &[9; 8], b"t", &original));
        }
        "Version Negotiation" => {
            let original = bench.rogue.parameters.get(0)?.to_vec();
            bench.deliver(&version_negotiation(&PITH, &original, &[7]));
        }
        "application closes" => {
            let now = at(bench.now);
            bench
                .pith
                .as_mut()?
                .close(VarInt::from(9_u8), Bytes::new(), now);
            bench.flush();
        }
        "29 seconds" | "61 seconds" => {
            bench.pith.as_ref()?;
            bench.wait(Duration::from_secs(event[..2].parse().unwrap()));
        }
        other => panic!("{other}"),
    }
    Some(())
}

const EVENTS: [&str; 18] = [
    "PING Initial",
    "PING Handshake",
    "PING 1-RTT",
    "fault Initial",
    "fault Handshake",
    "fault 1-RTT",
    "close Initial",
    "close Handshake",
    "close 1-RTT",
    "HANDSHAKE_DONE 1-RTT",
    "reset",
    "reset, another token",
    "reset of 20 bytes",
    "noise",
    "Retry",
    "Version Negotiation",
    "application closes",
    "29 seconds",
];

#[test]
fn every_event_in_every_state_of_a_connection_is_the_golden_one() {
    let mut matrix = String::from("# role\tstate");
    let events = EVENTS.into_iter().chain(["61 seconds"]);
    for event in events.clone() {
        write!(matrix, "\t{event}").unwrap();
    }
    for role in ROLES {
        for name in STATES {
            write!(matrix, "\n{role:?}\t{name}").unwrap();
            for event in events.clone() {
                let mut bench = prepared(role, name);
                let sent = bench.went.len();
                let cell = match happen(&mut bench, event) {
                    Some(()) => state(&mut bench, sent),
                    None => "-".to_owned(),
                };
                write!(matrix, "\t{cell}").unwrap();
            }
        }
    }
    matrix.push('\n');
    assert!(
        matrix == include_str!("connection.tsv"),
        "the matrix is now:\n{matrix}"
    );
}

/// A server whose client's packets come from port 1, and what it knows of port 2.
const PATHS: [&str; 5] = ["hello", "home", "probed", "moved", "proven"];

/// What of a path the server has said since: to which port and what.
fn said(bench: &Bench, since: usize) -> String {
    let mut out: Vec<String> = Vec::new();
    for (at, (port, first)) in bench.went.iter().enumerate().skip(since) {
        let end = bench
            .went
            .get(at + 1)
            .map_or(bench.rogue.opened.len(), |(_, first)| *first);
        for packet in &bench.rogue.opened[*first..end] {
            for frame in &packet.frames {
                let name = match frame.kind {
                    kind::PATH_CHALLENGE => "asks",
                    kind::PATH_RESPONSE => "answers",
                    kind::CLOSE => "closes to",
                    _ => continue,
                };
                out.push(format!("{name} {port}"));
            }
        }
    }
    out.dedup();
    out.join(", ")
}

fn from(bench: &mut Bench, port: u16, payload: &[u8]) {
    bench.from = route(port);
    bench.send(Level::OneRtt, payload);
    bench.from = PATH;
}

/// The challenge that went to a port last.
fn challenge(bench: &Bench, to: u16) -> Vec<u8> {
    let mut found = vec![0; 8];
    for (at, (port, first)) in bench.went.iter().enumerate() {
        let end = bench
            .went
            .get(at + 1)
            .map_or(bench.rogue.opened.len(), |(_, first)| *first);
        let frames = bench.rogue.opened[*first..end]
            .iter()
            .flat_map(|packet| &packet.frames);
        for frame in frames.filter(|frame| frame.kind == kind::PATH_CHALLENGE && *port == to) {
            found.clone_from(&frame.data);
        }
    }
    found
}

fn on_path(name: &str) -> Bench {
    let mut bench = Bench::at(Server, if name == "hello" { Hello } else { Confirmed });
    // The client's first packet of this level, whose number is 0, comes from elsewhere in some rows.
    match name {
        "probed" => from(&mut bench, 2, &frame(kind::PATH_CHALLENGE, &[], &[5; 8])),
        "moved" | "proven" => from(&mut bench, 2, &PING),
        _ => {}
    }
    if name == "proven" {
        let answer = frame(kind::PATH_RESPONSE, &[], &challenge(&bench, 2));
        from(&mut bench, 2, &answer);
    }
    bench
}

const ON_PATH: [&str; 16] = [
    "PING 1",
    "PING 2",
    "PING 3",
    "late PING 2",
    "PADDING 2",
    "PATH_CHALLENGE 1",
    "PATH_CHALLENGE 2",
    "PATH_CHALLENGE 3",
    "NEW_CONNECTION_ID 3",
    "right answer 1",
    "right answer 2",
    "right answer 3",
    "wrong answer 2",
    "noise 2",
    "fault 2",
    "fault 3",
];

#[test]
fn every_packet_on_every_path_is_the_golden_one() {
    let mut matrix = String::from("# path");
    for name in ON_PATH {
        write!(matrix, "\t{name}").unwrap();
    }
    for path in PATHS {
        write!(matrix, "\n{path}").unwrap();
        for name in ON_PATH {
            let mut bench = on_path(path);
            let since = bench.went.len();
            let (what, port) = name.rsplit_once(' ').unwrap();
            let port = port.parse().unwrap();
            match what {
                "noise" => {
                    bench.from = route(port);
                    bench.deliver(&[&[0x42][..], &PITH, &[7; 60]].concat());
                    bench.from = PATH;
                }
                "late PING" => {
                    let draft = bench.rogue.draft(Level::OneRtt, &PING);
                    bench.send(Level::OneRtt, &PING);
                    let packet = bench.rogue.seal(&draft);
                    bench.from = route(port);
                    bench.deliver(&packet);
                    bench.from = PATH;
                }
                _ => {
                    let payload = match what {
                        "PING" => PING.to_vec(),
                        "PADDING" => vec![0; 1100],
                        "PATH_CHALLENGE" => frame(kind::PATH_CHALLENGE, &[], &[6; 8]),
                        "NEW_CONNECTION_ID" => new_id(1, 0, 8, &[3; 8], &[3; 16]),
                        "right answer" => frame(kind::PATH_RESPONSE, &[], &challenge(&bench, 2)),
                        "wrong answer" => frame(kind::PATH_RESPONSE, &[], &[8; 8]),
                        _ => FATAL.to_vec(),
                    };
                    from(&mut bench, port, &payload);
                }
            }
            let said = said(&bench, since);
            let gap = if said.is_empty() { "" } else { "; " };
            write!(
                matrix,
                "\tat {}{gap}{said}",
                bench.pith().route().remote.port()
            )
            .unwrap();
        }
    }
    matrix.push('\n');
    assert!(
        matrix == include_str!("path.tsv"),
        "the matrix is now:\n{matrix}"
    );
}

/// A client takes nothing from elsewhere, whatever it is.
#[test]
fn a_client_hears_nobody_but_its_server() {
    let mut table = Table::default();
    for moment in [Start, Hello, Complete, Confirmed] {
        let level = match moment {
            Start => Level::Initial,
            Hello => Level::Handshake,
            _ => Level::OneRtt,
        };
        table.row(
            format!("a fault from elsewhere at {moment:?}"),
            Bench::at(Client, moment),
            Lives,
            |bench| {
                let datagram = bench.rogue.datagram(level, &FATAL);
                bench.from = route(7);
                bench.deliver(&datagram);
                bench.from = PATH;
            },
        );
    }
    table.done(4);
}

/// How far both sides are with their keys: how often the peer has updated, and this side by itself.
const PHASES: [&str; 5] = [
    "first",
    "peer updated",
    "peer updated twice",
    "updated",
    "updated and acknowledged",
];

fn in_phase(role: Role, name: &str) -> Bench {
    let mut bench = Bench::at(role, Confirmed);
    // One packet of each side has arrived.
    bench.send(Level::OneRtt, &PING);
    bench.wait(Duration::from_millis(30));
    let acknowledge = |bench: &mut Bench| {
        let ack = [bench.rogue.ack(Level::OneRtt), PING.to_vec()].concat();
        bench.send(Level::OneRtt, &ack);
        bench.wait(Duration::from_millis(30));
    };
    acknowledge(&mut bench);
    match name {
        "peer updated" | "peer updated twice" => {
            for generation in 1..=if name == "peer updated" { 1 } else { 2 } {
                bench.rogue.generation = generation;
                acknowledge(&mut bench);
            }
        }
        "updated" | "updated and acknowledged" => {
            bench.pith().update_keys();
            bench.pith().ping();
            bench.wait(Duration::from_millis(30));
            assert_eq!(bench.rogue.opened.last().unwrap().generation, 1);
        }
        _ => {}
    }
    if name == "updated and acknowledged" {
        bench.rogue.generation = 1;
        acknowledge(&mut bench);
    }
    bench
}

#[test]
fn every_key_phase_of_a_packet_is_the_golden_one() {
    // The generation beside that of the connection's last packet, and whether the number is below all that came.
    let packets: [(i64, bool, bool); 11] = [
        (-2, false, false),
        (-1, false, false),
        (-1, true, false),
        (-1, false, true),
        (0, false, false),
        (0, true, false),
        (0, false, true),
        (1, false, false),
        (1, true, false),
        (1, false, true),
        (2, false, false),
    ];
    let mut matrix = String::from("# role\tkeys");
    for (keys, late, acks) in packets {
        let late = if late { ", late" } else { "" };
        let acks = if acks { ", acknowledging all" } else { "" };
        write!(matrix, "\t{keys:+}{late}{acks}").unwrap();
    }
    for role in ROLES {
        for phase in PHASES {
            write!(matrix, "\n{role:?}\t{phase}").unwrap();
            for (keys, late, acks) in packets {
                let mut bench = in_phase(role, phase);
                let last = bench.rogue.opened.last().unwrap().generation;
                let Some(generation) = last.checked_add_signed(keys) else {
                    matrix.push_str("\t-");
                    continue;
                };
                let payload = if acks {
                    bench.rogue.ack(Level::OneRtt)
                } else {
                    PING.to_vec()
                };
                let mut draft = bench.rogue.draft(Level::OneRtt, &payload);
                draft.generation = generation;
                if late {
                    // Left out by those that came.
                    let after = bench.rogue.draft(Level::OneRtt, &PING);
                    let after = bench.rogue.seal(&after);
                    bench.deliver(&after);
                }
                let before = bench.pith().stats().packets_received;
                let packet = bench.rogue.seal(&draft);
                bench.deliver(&packet);
                let opened = bench.pith().stats().packets_received > before;
                bench.pith().ping();
                bench.wait(Duration::from_millis(30));
                let sends = bench.rogue.opened.last().unwrap().generation;
                let closed = bench.rogue.closed();
                match (closed, opened) {
                    (Some((_, code, _)), _) => write!(matrix, "\tcloses {code:#x}"),
                    (None, true) => write!(matrix, "\topens, sends {sends}"),
                    (None, false) => write!(matrix, "\tdropped, sends {sends}"),
                }
                .unwrap();
            }
        }
    }
    matrix.push('\n');
    assert!(
        matrix == include_str!("key_phase.tsv"),
        "the matrix is now:\n{matrix}"
    );
}
