//! Connection ids: what NEW_CONNECTION_ID and RETIRE_CONNECTION_ID may not say (RFC 9000 sections 5.1, 19.15 and 19.16).

use pith_quic::limits::{ACTIVE_IDS, RETIRING_IDS};
use pith_quic::{ConnectionId, NewId, ResetToken};
use pith_tests::rogue::Level;
use pith_tests::rogue::wire::{frame, kind, new_id};

use super::bench::*;

const NEW: u64 = kind::NEW_CONNECTION_ID;
const RETIRE: u64 = kind::RETIRE_CONNECTION_ID;

/// An honest id of this number.
fn id(sequence: u64, prior: u64) -> Vec<u8> {
    let byte = 0x10 + sequence as u8;
    new_id(sequence, prior, 8, &[byte; 8], &[byte; 16])
}

fn ids(sequences: impl IntoIterator<Item = u64>) -> Vec<u8> {
    sequences
        .into_iter()
        .flat_map(|sequence| id(sequence, 0))
        .collect()
}

#[test]
fn new_connection_ids() {
    let largest = (1 << 62) - 1;
    let active = ACTIVE_IDS as u64;
    let other = |id: u8, token: u8| new_id(1, 0, 8, &[id; 8], &[token; 16]);
    let rows: Vec<(&str, Want, Vec<u8>)> = vec![
        (
            "of length 0",
            Close(ENCODING, NEW),
            new_id(1, 0, 0, &[], &[7; 16]),
        ),
        ("of length 1", Lives, new_id(1, 0, 1, &[7], &[7; 16])),
        ("of length 20", Lives, new_id(1, 0, 20, &[7; 20], &[7; 16])),
        (
            "of length 21",
            Close(ENCODING, NEW),
            new_id(1, 0, 21, &[7; 21], &[7; 16]),
        ),
        (
            "of length 255",
            Close(ENCODING, NEW),
            new_id(1, 0, 255, &[7; 255], &[7; 16]),
        ),
        ("retiring itself", Close(ENCODING, NEW), id(1, 2)),
        ("retiring all before it", Lives, id(1, 1)),
        (
            "retiring far beyond itself",
            Close(ENCODING, NEW),
            id(1, largest),
        ),
        ("twice the same", Lives, id(1, 0).repeat(2)),
        (
            "one number, two ids",
            Close(VIOLATION, NEW),
            [other(1, 1), other(2, 1)].concat(),
        ),
        (
            "one number, two tokens",
            Close(VIOLATION, NEW),
            [other(1, 1), other(1, 2)].concat(),
        ),
        (
            "one id, two numbers",
            Close(VIOLATION, NEW),
            [
                new_id(1, 0, 8, &[7; 8], &[7; 16]),
                new_id(2, 0, 8, &[7; 8], &[7; 16]),
            ]
            .concat(),
        ),
        (
            "number 0 with another id",
            Close(VIOLATION, NEW),
            new_id(0, 0, 8, &[7; 8], &[7; 16]),
        ),
        (
            "the id of the handshake under another number",
            Close(VIOLATION, NEW),
            new_id(1, 0, 8, &ROGUE, &[7; 16]),
        ),
        ("as many as may be", Lives, ids(1..active)),
        ("one more", Close(ID_LIMIT, NEW), ids(1..=active)),
        (
            "one more that retires one",
            Lives,
            [ids(1..active), id(active, 1)].concat(),
        ),
        (
            "as many again that retire all",
            Lives,
            [
                ids(1..active),
                id(active, active),
                ids(active + 1..2 * active),
            ]
            .concat(),
        ),
        (
            "of a number that was retired",
            Lives,
            [id(3, 3), id(1, 0)].concat(),
        ),
        ("of the largest number", Lives, {
            new_id(largest, 0, 8, &[7; 8], &[7; 16])
        }),
        ("of the largest number, retiring all", Lives, {
            new_id(largest, largest, 8, &[7; 8], &[7; 16])
        }),
        (
            "that retires less than before",
            Lives,
            [id(2, 2), id(3, 1)].concat(),
        ),
        ("with gaps between numbers", Lives, ids([5, 9, 3, 7])),
    ];
    let mut table = Table::default();
    for (name, want, payload) in rows {
        table.frames(&format!("NEW_CONNECTION_ID {name}"), want, &payload);
    }
    // Retirements that are never acknowledged (attack A21).
    let churn = |count: u64| -> Vec<u8> {
        (1..=count)
            .flat_map(|sequence| id(sequence, sequence))
            .collect()
    };
    let most = RETIRING_IDS as u64;
    table.frames("as many retired as may wait", Lives, &churn(most));
    table.frames("one more", Close(ID_LIMIT, NEW), &churn(most + 1));
    for role in ROLES {
        table.row(
            "many retired, and each acknowledged",
            Bench::at(role, Confirmed),
            Lives,
            |bench| {
                for sequence in 1..60 {
                    bench.send(Level::OneRtt, &id(sequence, sequence));
                    let ack = bench.rogue.ack(Level::OneRtt);
                    bench.send(Level::OneRtt, &ack);
                }
                assert_eq!(came(bench, RETIRE).len(), 59);
            },
        );
    }
    table.done(50);
}

/// What an id leads to on the connection's side, as its peer sees it.
#[test]
fn ids_that_are_to_be_retired_are_and_packets_go_to_others() {
    for role in ROLES {
        let mut bench = Bench::at(role, Confirmed);
        bench.send(Level::OneRtt, &id(1, 0));
        assert!(came(&bench, RETIRE).is_empty());
        bench.send(Level::OneRtt, &[id(2, 1), vec![1]].concat());
        let retired = came(&bench, RETIRE);
        assert_eq!(retired.len(), 1);
        assert_eq!(retired[0].numbers, [0]);
        let last = &bench.rogue.opened.last().unwrap().header.dcid;
        assert!([vec![0x11; 8], vec![0x12; 8]].contains(last), "{last:x?}");
        assert_eq!(bench.outcome(), Ok(Lives));
    }
}

#[test]
fn retired_connection_ids() {
    let mut table = Table::default();
    let issue = |bench: &mut Bench, many: u8| {
        let new = |byte: u8| NewId {
            id: ConnectionId::new(&[0x50 + byte; 8]).unwrap(),
            reset_token: ResetToken([byte; 16]),
        };
        let new: Vec<_> = (1..=many).map(new).collect();
        bench.pith().issue_ids(&new);
        bench.flush();
    };
    let retire = |sequence: u64| frame(RETIRE, &[sequence], &[]);
    let rows: Vec<(&str, Want, u8, Vec<u8>)> = vec![
        ("its own", Close(VIOLATION, RETIRE), 0, retire(0)),
        (
            "its own, where there are others",
            Close(VIOLATION, RETIRE),
            1,
            retire(0),
        ),
        (
            "one that was not issued",
            Close(VIOLATION, RETIRE),
            0,
            retire(1),
        ),
        (
            "one past those that were issued",
            Close(VIOLATION, RETIRE),
            1,
            retire(2),
        ),
        (
            "the last of all numbers",
            Close(VIOLATION, RETIRE),
            1,
            retire((1 << 62) - 1),
        ),
        ("another", Lives, 1, retire(1)),
        ("another twice", Lives, 1, retire(1).repeat(2)),
    ];
    for (name, want, issued, payload) in rows {
        for role in ROLES {
            let name = format!("RETIRE_CONNECTION_ID of {name}");
            table.row(name, Bench::at(role, Confirmed), want, |bench| {
                issue(bench, issued);
                bench.send(Level::OneRtt, &payload);
            });
        }
    }
    for role in ROLES {
        table.row(
            "the first, in a packet to another",
            Bench::at(role, Confirmed),
            Lives,
            |bench| {
                issue(bench, 1);
                bench.rogue.dcid = vec![0x51; 8];
                bench.send(Level::OneRtt, &retire(0));
            },
        );
        table.row(
            "an id in use after it was retired",
            Bench::at(role, Confirmed),
            Lives,
            |bench| {
                issue(bench, 1);
                bench.rogue.dcid = vec![0x51; 8];
                bench.send(Level::OneRtt, &retire(0));
                let mut late = bench.rogue.draft(Level::OneRtt, &[0x21]);
                late.dcid = PITH.to_vec();
                let late = bench.rogue.seal(&late);
                bench.deliver(&late);
            },
        );
    }
    table.done(18);
}

/// Peers without an id of their own: nothing can be issued to or retired by them.
#[test]
fn ids_of_peers_that_have_none() {
    let mut table = Table::default();
    for role in ROLES {
        for (name, want, payload) in [
            (
                "NEW_CONNECTION_ID beside an empty one",
                Close(VIOLATION, NEW),
                id(1, 0),
            ),
            ("PING", Lives, vec![1]),
        ] {
            let bench = Bench::without_id(role);
            table.row(name, bench, want, |bench| {
                bench.send(Level::OneRtt, &payload)
            });
        }
    }
    table.done(4);
}
