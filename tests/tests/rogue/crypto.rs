//! CRYPTO frames: the buffer of each level, levels that TLS has left, and TLS messages where they cannot be (RFC 9000 section 7.5, RFC 9001 sections 4, 6 and 8.3).

use pith_quic::limits::CRYPTO_BUFFER;
use pith_tests::message::{Extensions, message, ticket};
use pith_tests::rogue::Level;
use pith_tests::rogue::wire::crypto;

use super::bench::*;

/// Messages that are well formed as far as their header goes.
const MESSAGES: [(&str, u8, &[u8]); 19] = [
    ("hello_request", 0, &[]),
    ("ClientHello", 1, &[0]),
    ("ServerHello", 2, &[0]),
    ("hello_verify_request", 3, &[0]),
    ("NewSessionTicket", 4, &[0]),
    ("EndOfEarlyData", 5, &[]),
    ("HelloRetryRequest of drafts", 6, &[0]),
    ("EncryptedExtensions", 8, &[0, 0]),
    ("Certificate", 11, &[0, 0, 0, 0]),
    ("server_key_exchange", 12, &[0]),
    ("CertificateRequest", 13, &[0, 0, 3, 0, 0, 0]),
    ("server_hello_done", 14, &[]),
    ("CertificateVerify", 15, &[8, 7, 0, 0]),
    ("client_key_exchange", 16, &[0]),
    ("Finished", 20, &[0; 32]),
    ("KeyUpdate", 24, &[0]),
    ("KeyUpdate that asks for one", 24, &[1]),
    ("CompressedCertificate", 25, &[0]),
    ("message_hash", 254, &[0; 32]),
];

const UNEXPECTED: Want = alert(10);
const DECODE: Want = alert(50);

#[test]
fn messages_where_they_cannot_be_are_unexpected() {
    let mut table = Table::default();
    for (name, kind, body) in MESSAGES {
        let message = message(kind, body);
        // What is legal there as to its type has rows of its own.
        let moments = [
            (Server, Start, Level::Initial, [1, 1]),
            (Server, Hello, Level::Handshake, [20, 20]),
            (Server, Confirmed, Level::OneRtt, [99, 99]),
            (Client, Start, Level::Initial, [2, 2]),
            (Client, Hello, Level::Handshake, [8, 8]),
            (Client, Complete, Level::OneRtt, [4, 13]),
            (Client, Confirmed, Level::OneRtt, [4, 13]),
        ];
        for (role, moment, level, legal) in moments {
            if legal.contains(&kind) {
                continue;
            }
            let name = format!("{name} at {moment:?} in {level:?}");
            table.row(name, Bench::at(role, moment), UNEXPECTED, |bench| {
                bench.tell(level, &message);
            });
        }
    }
    for kind in [7, 9, 10, 17, 18, 19, 21, 22, 23, 26, 100, 253, 255] {
        for (role, moment) in [(Server, Confirmed), (Client, Confirmed)] {
            let name = format!("unknown message {kind}");
            table.row(name, Bench::at(role, moment), UNEXPECTED, |bench| {
                bench.tell(Level::OneRtt, &message(kind, &[]));
            });
        }
    }
    table.done(140);
}

/// A client in the middle of a server's flight: each message that does not come next.
#[test]
fn a_flight_out_of_order_is_unexpected() {
    let mut table = Table::default();
    for skipped in 0..3 {
        for (name, kind, body) in MESSAGES {
            let next = [8, 11, 15, 20][skipped + 1];
            let request = skipped == 0 && kind == 13;
            if kind == next || request || skipped == 0 && kind == 25 {
                continue;
            }
            let name = format!("{name} behind {} messages", skipped + 1);
            table.row(name, Bench::at(Client, Hello), UNEXPECTED, |bench| {
                let flight = bench.rogue.server_flight(identity());
                let all = pith_tests::message::messages(&flight);
                let before = all[..=skipped].concat();
                bench.tell(Level::Handshake, &before);
                assert!(bench.rogue.closed().is_none());
                bench.tell(Level::Handshake, &message(kind, body));
            });
        }
    }
    table.done(50);
}

#[test]
fn messages_after_the_handshake_that_are_malformed() {
    let mut table = Table::default();
    let early = |limit: u32| Extensions(vec![(42, limit.to_be_bytes().to_vec())]);
    let whole = ticket(&Extensions::default());
    let rows: Vec<(&str, Want, Vec<u8>)> = vec![
        ("a ticket", Lives, whole.clone()),
        ("two tickets", Lives, whole.repeat(2)),
        ("half a ticket", Lives, whole[..9].to_vec()),
        ("half a header", Lives, whole[..2].to_vec()),
        (
            "a ticket with QUIC's limit",
            Lives,
            ticket(&early(u32::MAX)),
        ),
        (
            "a ticket with another limit",
            Close(VIOLATION, 0),
            ticket(&early(u32::MAX - 1)),
        ),
        (
            "a ticket with no early data",
            Close(VIOLATION, 0),
            ticket(&early(0)),
        ),
        ("an empty ticket message", DECODE, message(4, &[])),
        ("a ticket cut within", DECODE, message(4, &whole[4..12])),
        (
            "a ticket with bytes behind it",
            DECODE,
            message(4, &[&whole[4..], &[0]].concat()),
        ),
        (
            "a request for a certificate",
            Close(VIOLATION, 0),
            message(13, &[0, 0, 8, 0, 13, 0, 4, 0, 2, 8, 7]),
        ),
    ];
    for (name, want, bytes) in rows {
        table.row(name, Bench::at(Client, Confirmed), want, |bench| {
            bench.tell(Level::OneRtt, &bytes);
        });
    }
    // A message's length is checked as soon as it is told.
    for role in ROLES {
        table.row(
            "a message of 16 MB",
            Bench::at(role, Confirmed),
            alert(47),
            |bench| {
                bench.tell(Level::OneRtt, &[4, 0xff, 0xff, 0xff]);
            },
        );
    }
    table.done(13);
}

#[test]
fn crypto_buffers_hold_what_they_say_and_not_a_byte_more() {
    let mut table = Table::default();
    let most = CRYPTO_BUFFER as u64;
    for role in ROLES {
        for (level, moment) in [(Level::Handshake, Hello), (Level::OneRtt, Confirmed)] {
            for (name, past, want) in [("up to", 0, Lives), ("past", 1, Close(BUFFER, 6))] {
                let name = format!("a byte {name} the end of the buffer in {level:?}");
                // What lies behind a gap when a level ends could not be read any more.
                let want = match (level, want) {
                    (Level::Handshake, Lives) => Close(VIOLATION, 0),
                    (_, want) => want,
                };
                table.row(name, Bench::at(role, moment), want, |bench| {
                    let from = bench.rogue.said(level);
                    bench.send(level, &crypto(from + most - 1 + past, b"x"));
                    if past == 0 {
                        assert!(bench.rogue.closed().is_none());
                    }
                });
            }
        }
        // Of Initial packets while TLS reads them.
        for (past, want) in [(0, None), (1, Some(BUFFER))] {
            let mut bench = Bench::new(role);
            bench.send(Level::Initial, &crypto(most - 1 + past, b"x"));
            let closed = bench.rogue.closed().map(|(_, code, _)| code);
            assert_eq!(closed, want, "{role:?} Initial {past}");
        }
        table.row(
            "many pieces with gaps",
            Bench::at(role, Confirmed),
            Close(BUFFER, 6),
            |bench| {
                let from = bench.rogue.said(Level::OneRtt) + 1;
                for packet in 0..20 {
                    let pieces: Vec<u8> = (0..60)
                        .flat_map(|piece| crypto(from + 2 * (60 * packet + piece), b"x"))
                        .collect();
                    if bench.rogue.closed().is_none() {
                        bench.send(Level::OneRtt, &pieces);
                    }
                }
            },
        );
    }
    table.done(10);
}

#[test]
fn crypto_data_of_a_level_that_tls_has_left() {
    let mut table = Table::default();
    let new = |bench: &mut Bench, level, ahead: u64| {
        let from = bench.rogue.said(level);
        bench.send(level, &crypto(from + ahead, b"x"));
    };
    table.row(
        "behind the ClientHello",
        Bench::at(Server, Hello),
        Close(VIOLATION, 6),
        |bench| {
            new(bench, Level::Initial, 0);
        },
    );
    table.row(
        "far behind the ClientHello",
        Bench::at(Server, Hello),
        Close(VIOLATION, 6),
        |b| {
            new(b, Level::Initial, 90_000);
        },
    );
    // A client has no Initial keys any more when it has answered by a Handshake packet; until then it is the same.
    for ahead in [0, 9] {
        table.row(
            "beside the ServerHello",
            Bench::at(Client, Start),
            Close(VIOLATION, 0),
            |bench| {
                let hello = bench.rogue.server_hello();
                let frame = bench.rogue.say(Level::Initial, &hello);
                let more = crypto(hello.len() as u64 + ahead, b"x");
                bench.send(Level::Initial, &[frame, more].concat());
            },
        );
        table.row(
            "in front of the ServerHello",
            Bench::at(Client, Start),
            Close(VIOLATION, 0),
            |bench| {
                let hello = bench.rogue.server_hello();
                let more = crypto(hello.len() as u64 + ahead, b"x");
                bench.send(Level::Initial, &more);
                bench.tell(Level::Initial, &hello);
            },
        );
        table.row(
            "in front of the ClientHello",
            Bench::at(Server, Start),
            Close(VIOLATION, 0),
            |bench| {
                let hello = bench.rogue.client_hello();
                let more = crypto(hello.len() as u64 + ahead, b"x");
                bench.send(Level::Initial, &more);
                bench.tell(Level::Initial, &hello);
            },
        );
    }
    // A second message in the frame of the hello, and a Handshake message beside the last of the flight (attack R01).
    for role in ROLES {
        table.row(
            "a second hello in one frame",
            Bench::at(role, Start),
            UNEXPECTED,
            |bench| {
                let hello = match bench.role {
                    Client => bench.rogue.server_hello(),
                    Server => bench.rogue.client_hello(),
                };
                bench.tell(Level::Initial, &hello.repeat(2));
            },
        );
        table.row(
            "a message behind Finished",
            Bench::at(role, Hello),
            UNEXPECTED,
            |bench| {
                let flight = match bench.role {
                    Client => bench.rogue.server_flight(identity()),
                    Server => bench.rogue.finished.clone().unwrap(),
                };
                bench.tell(Level::Handshake, &[flight, message(24, &[0])].concat());
            },
        );
        // Everything once more is nothing new, whatever it says.
        for other in [false, true] {
            table.row(
                "all CRYPTO data twice",
                Bench::at(role, Start),
                Lives,
                |bench| {
                    let hello = match bench.role {
                        Client => bench.rogue.server_hello(),
                        Server => bench.rogue.client_hello(),
                    };
                    let again = if other {
                        vec![7; hello.len()]
                    } else {
                        hello.clone()
                    };
                    let frame = bench.rogue.say(Level::Initial, &hello);
                    bench.send(Level::Initial, &[frame, crypto(0, &again)].concat());
                    bench.send(Level::Initial, &crypto(0, &again));
                    bench.moment = Hello;
                },
            );
        }
        table.row(
            "a hello byte by byte, the last first",
            Bench::at(role, Start),
            Lives,
            |bench| {
                let hello = match bench.role {
                    Client => bench.rogue.server_hello(),
                    Server => bench.rogue.client_hello(),
                };
                let whole = bench.rogue.say(Level::Initial, &hello);
                assert!(whole.len() > hello.len());
                for (at, byte) in hello.iter().enumerate().rev() {
                    let mut frames = crypto(at as u64, &[*byte]);
                    // A client's answers are expanded, and fill its window.
                    if bench.role == Client {
                        frames.extend(bench.rogue.ack(Level::Initial));
                    }
                    bench.send(Level::Initial, &frames);
                }
                bench.moment = Hello;
            },
        );
        table.row(
            "an empty frame behind the end",
            Bench::at(role, Hello),
            Lives,
            |bench| {
                let from = bench.rogue.said(Level::Initial);
                bench.send(Level::Initial, &crypto(from, &[]));
            },
        );
    }
    table.done(18);
}
