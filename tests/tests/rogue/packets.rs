//! Packets and datagrams: headers that cannot be, numbers, key phases, sizes, what is coalesced, what does not open (RFC 9000 sections 12, 14 and 17, RFC 9001 section 6).

use std::time::Duration;

use pith_tests::rogue::wire::{frame, sized, stream};
use pith_tests::rogue::{Draft, Level};

use super::bench::*;

type Bend = fn(&mut Draft);

const LEVELS: [Level; 3] = [Level::Initial, Level::Handshake, Level::OneRtt];

/// Sends a packet that holds what closes a connection, bent: that it lives shows that the packet was dropped.
fn bent(bench: &mut Bench, level: Level, payload: &[u8], bend: impl FnOnce(&mut Draft)) {
    let mut draft = bench.rogue.draft(level, payload);
    bend(&mut draft);
    let datagram = bench.rogue.expanded(draft);
    bench.deliver(&datagram);
}

/// Unknown, so that it cannot be overlooked.
const FATAL: [u8; 1] = [0x21];

#[test]
fn headers_bent_bit_by_bit() {
    // (name, levels of the header form, bits, what comes of a fatal frame, what comes of a PING)
    let long = [Level::Initial, Level::Handshake];
    let short = [Level::OneRtt];
    let rows: [(&str, &[Level], u8, Want, Want); 9] = [
        ("nothing", &LEVELS, 0, Close(ENCODING, 0x21), Lives),
        (
            "reserved bits 1 of a long header",
            &long,
            0x04,
            Close(VIOLATION, 0),
            Close(VIOLATION, 0),
        ),
        (
            "reserved bits 2 of a long header",
            &long,
            0x08,
            Close(VIOLATION, 0),
            Close(VIOLATION, 0),
        ),
        (
            "reserved bits 3 of a long header",
            &long,
            0x0c,
            Close(VIOLATION, 0),
            Close(VIOLATION, 0),
        ),
        (
            "reserved bits 1 of a short header",
            &short,
            0x08,
            Close(VIOLATION, 0),
            Close(VIOLATION, 0),
        ),
        (
            "reserved bits 2 of a short header",
            &short,
            0x10,
            Close(VIOLATION, 0),
            Close(VIOLATION, 0),
        ),
        (
            "reserved bits 3 of a short header",
            &short,
            0x18,
            Close(VIOLATION, 0),
            Close(VIOLATION, 0),
        ),
        // Said to be let through by this side's parameters (RFC 9287).
        ("the fixed bit", &LEVELS, 0x40, Close(ENCODING, 0x21), Lives),
        ("the spin bit", &short, 0x20, Close(ENCODING, 0x21), Lives),
    ];
    let mut table = Table::default();
    for role in ROLES {
        for (name, levels, bits, fatal, ping) in rows {
            for level in levels {
                for (payload, want) in [(&FATAL, fatal), (&[0x01], ping)] {
                    let name = format!("{name} turned in {level:?}, {payload:x?}");
                    table.row(name, Bench::level(role, *level), want, |bench| {
                        bent(bench, *level, payload, |draft| draft.flip = bits);
                    });
                }
            }
        }
    }
    table.done(50);
}

#[test]
fn packets_that_are_not_the_connections_are_dropped() {
    let rows: [(&str, &[Level], Bend); 12] = [
        ("to another id", &LEVELS, |d| d.dcid = vec![9; 8]),
        ("to a longer id", &LEVELS, |d| d.dcid.push(9)),
        ("to a shorter id", &LEVELS, |d| {
            d.dcid.pop();
        }),
        ("from another id", &LEVELS[1..2], |d| d.scid = vec![9; 8]),
        ("from no id", &LEVELS[1..2], |d| d.scid = vec![]),
        ("to an id of 21 bytes", &LEVELS[..2], |d| {
            d.dcid = vec![9; 21]
        }),
        ("from an id of 21 bytes", &LEVELS[..2], |d| {
            d.scid = vec![9; 21]
        }),
        ("of an unknown version", &LEVELS[..2], |d| {
            d.version = 0x1a2a_3a4a
        }),
        ("of version 2", &LEVELS[..2], |d| d.version = 0x6b33_43cf),
        ("of a draft's version", &LEVELS[..2], |d| {
            d.version = 0xff00_001d
        }),
        ("with a key phase that cannot be", &LEVELS[2..], |d| {
            d.generation = 3
        }),
        ("with keys of the far future", &LEVELS[2..], |d| {
            d.generation = 2
        }),
    ];
    let mut table = Table::default();
    for role in ROLES {
        for (name, levels, bend) in rows {
            for level in levels {
                let name = format!("{level:?} {name}");
                table.row(name, Bench::level(role, *level), Lives, |bench| {
                    bent(bench, *level, &FATAL, bend);
                });
            }
        }
        // Of another sender, where a source has been seen.
        if role == Server {
            table.row(
                "Initial from another id",
                Bench::level(role, Level::Initial),
                Lives,
                |bench| {
                    bent(bench, Level::Initial, &FATAL, |d| d.scid = vec![9; 8]);
                },
            );
        }
    }
    table.done(36);
}

#[test]
fn packets_that_do_not_open_are_dropped_wherever_they_are_broken() {
    let mut table = Table::default();
    for role in ROLES {
        for level in LEVELS {
            // Every bit of header, number and sample, and some of the rest.
            let length = {
                let mut bench = Bench::level(role, level);
                bench.rogue.datagram(level, &[0x21, 0, 0, 0]).len()
            };
            let places = (0..length.min(60))
                .chain((60..length).step_by(97))
                .chain([length - 1]);
            let mut bench = Bench::level(role, level);
            for place in places {
                for bit in 0..8 {
                    let mut datagram = bench.rogue.datagram(level, &[0x21, 0, 0, 0]);
                    datagram[place] ^= 1 << bit;
                    // RFC 9287: the bit is protected by nothing but the tag over the header, which this turns too.
                    bench.deliver(&datagram);
                    assert!(
                        bench.rogue.closed().is_none(),
                        "{role:?} {level:?} {place} {bit}"
                    );
                }
            }
            table.row(
                format!("{level:?} with each bit turned"),
                bench,
                Lives,
                |_| (),
            );
            let mut bench = Bench::level(role, level);
            for cut in 0..length.min(70) {
                let datagram = bench.rogue.datagram(level, &[0x21, 0, 0, 0]);
                bench.deliver(&datagram[..cut]);
                assert!(bench.rogue.closed().is_none(), "{role:?} {level:?} {cut}");
            }
            table.row(format!("{level:?} cut at each byte"), bench, Lives, |_| ());
        }
    }
    table.done(12);
}

#[test]
fn numbers_of_packets() {
    let mut table = Table::default();
    for role in ROLES {
        for level in LEVELS {
            let fatal = |bench: &mut Bench, number: u64| {
                bent(bench, level, &FATAL, |draft| draft.number = number);
            };
            let next = |bench: &Bench| bench.rogue.next_number(level);
            let name = |what: &str| format!("{level:?} {what}");
            table.row(
                name("far ahead"),
                Bench::level(role, level),
                Close(ENCODING, 0x21),
                |b| {
                    let number = next(b) + 100_000;
                    fatal(b, number);
                },
            );
            table.row(
                name("whose number came before"),
                Bench::level(role, level),
                Lives,
                |b| {
                    b.send(level, &[1]);
                    let number = next(b) - 1;
                    fatal(b, number);
                },
            );
            table.row(
                name("overtaken"),
                Bench::level(role, level),
                Close(ENCODING, 0x21),
                |b| {
                    let number = next(b);
                    b.rogue.skip_to(level, number + 1);
                    b.send(level, &[1]);
                    fatal(b, number);
                },
            );
            // What is older than all ranges that are kept is as good as a repeated one (attack A56).
            table.row(
                name("below what is remembered"),
                Bench::level(role, level),
                Lives,
                |bench| {
                    let first = next(bench);
                    for packet in 1..=pith_quic::limits::ACK_RANGES as u64 + 2 {
                        bench.rogue.skip_to(level, first + 2 * packet);
                        bench.send(level, &[1]);
                    }
                    fatal(bench, first + 1);
                    let ack = bench.rogue.ack(level);
                    bench.send(level, &ack);
                },
            );
        }
    }
    table.done(24);
}

#[test]
fn initial_packets_of_each_role() {
    let mut table = Table::default();
    table.row(
        "a server's Initial with a token",
        Bench::at(Client, Start),
        Close(VIOLATION, 0),
        |b| {
            bent(b, Level::Initial, &[1], |draft| draft.token = vec![7; 9]);
        },
    );
    table.row(
        "a server's Initial of 300 bytes",
        Bench::at(Client, Start),
        Lives,
        |bench| {
            let hello = bench.rogue.server_hello();
            let payload = bench.rogue.say(Level::Initial, &hello);
            let packet = bench.rogue.packet(Level::Initial, &payload);
            assert!(packet.len() < 300);
            bench.deliver(&packet);
            bench.moment = Hello;
        },
    );
    table.row(
        "a client's Initial with a token",
        Bench::at(Server, Hello),
        Lives,
        |bench| {
            bent(bench, Level::Initial, &[1], |draft| {
                draft.token = vec![7; 9]
            });
        },
    );
    for (name, length, want) in [
        ("1199 bytes", 1199, Lives),
        ("1200 bytes", 1200, Close(ENCODING, 0x21)),
    ] {
        for padding in [false, true] {
            let name = format!("a client's Initial in {name}, padding inside: {padding}");
            table.row(name, Bench::at(Server, Hello), want, |bench| {
                let mut draft = bench.rogue.draft(Level::Initial, &FATAL);
                let short = bench.rogue.seal(&draft).len();
                if padding {
                    draft.payload.resize(1 + length - short, 0);
                }
                let mut datagram = bench.rogue.seal(&draft);
                datagram.resize(length, 0);
                bench.deliver(&datagram);
            });
        }
    }
    // Handshake and 1-RTT packets may be as small as they like.
    for level in [Level::Handshake, Level::OneRtt] {
        for role in ROLES {
            let name = format!("the smallest {level:?} packet");
            table.row(
                name,
                Bench::level(role, level),
                Close(ENCODING, 0x21),
                |bench| {
                    let draft = bench.rogue.draft(level, &FATAL);
                    let packet = bench.rogue.seal(&draft);
                    bench.deliver(&packet);
                },
            );
        }
    }
    table.done(11);
}

#[test]
fn packets_of_levels_whose_keys_are_gone_or_not_there_yet() {
    let mut table = Table::default();
    // Initial keys go with the first Handshake packet, Handshake keys when the handshake is confirmed.
    for (role, moment, level) in [
        (Server, Complete, Level::Initial),
        (Server, Complete, Level::Handshake),
        (Client, Complete, Level::Initial),
        (Client, Confirmed, Level::Initial),
        (Client, Confirmed, Level::Handshake),
    ] {
        let name = format!("{level:?} at {moment:?}");
        table.row(name, Bench::at(role, moment), Lives, |bench| {
            bent(bench, level, &FATAL, |_| ())
        });
    }
    table.row(
        "Handshake at Complete",
        Bench::at(Client, Complete),
        Close(ENCODING, 0x21),
        |bench| {
            bent(bench, Level::Handshake, &FATAL, |_| ());
        },
    );
    // 1-RTT packets before the client's Finished wait for it, and then count.
    table.row(
        "1-RTT at Hello",
        Bench::at(Server, Hello),
        Close(ENCODING, 0x21),
        |bench| {
            bent(bench, Level::OneRtt, &FATAL, |_| ());
            assert!(bench.rogue.closed().is_none(), "not before");
            bench.go_on(Complete);
        },
    );
    table.row(
        "1-RTT data at Hello",
        Bench::at(Server, Hello),
        Lives,
        |bench| {
            bench.send(Level::OneRtt, &stream(0, 0, b"early", false));
            let id = bench.pith().accept(pith_quic::Dir::Bi);
            assert!(id.is_none(), "nobody hears of it before");
            bench.go_on(Complete);
            assert_eq!(
                bench
                    .pith()
                    .accept(pith_quic::Dir::Bi)
                    .map(pith_quic::StreamId::get),
                Some(0)
            );
        },
    );
    // Before the client has seen the server's certificate.
    table.row(
        "1-RTT at Hello",
        Bench::at(Client, Hello),
        Close(ENCODING, 0x21),
        |bench| {
            let flight = bench.rogue.server_flight(identity());
            bent(bench, Level::OneRtt, &FATAL, |_| ());
            assert!(bench.rogue.closed().is_none(), "not before");
            bench.tell(Level::Handshake, &flight);
        },
    );
    table.row(
        "HANDSHAKE_DONE before the server's flight",
        Bench::at(Client, Hello),
        Lives,
        |bench| {
            let flight = bench.rogue.server_flight(identity());
            bench.send(Level::OneRtt, &[0x1e]);
            assert!(!bench.pith().is_established());
            bench.tell(Level::Handshake, &flight);
            // It takes the server's word for it that it has the Finished, which goes with the keys.
            assert!(bench.pith().is_established());
            bench.moment = Confirmed;
        },
    );
    table.row(
        "Handshake at Start",
        Bench::at(Client, Start),
        Lives,
        |bench| {
            let hello = bench.rogue.server_hello();
            bent(bench, Level::Handshake, &[1], |_| ());
            bench.tell(Level::Initial, &hello);
            bench.moment = Hello;
        },
    );
    table.done(11);
}

#[test]
fn packets_that_share_a_datagram() {
    let mut table = Table::default();
    for role in ROLES {
        let start = |bench: &mut Bench| {
            let hello = match bench.role {
                Client => bench.rogue.server_hello(),
                Server => bench.rogue.client_hello(),
            };
            bench.moment = Hello;
            let payload = bench.rogue.say(Level::Initial, &hello);
            bench.rogue.draft(Level::Initial, &payload)
        };
        table.row("noise behind a packet", Bench::new(role), Lives, |bench| {
            let draft = start(bench);
            let packet = bench.rogue.expanded(draft);
            bench.deliver(&[&packet[..], &[0x55; 40]].concat());
        });
        table.row("zeros behind a packet", Bench::new(role), Lives, |bench| {
            let draft = start(bench);
            let mut packet = bench.rogue.seal(&draft);
            packet.resize(1300, 0);
            bench.deliver(&packet);
        });
        table.row("the same packet twice", Bench::new(role), Lives, |bench| {
            let draft = start(bench);
            let packet = bench.rogue.expanded(draft);
            bench.deliver(&packet.repeat(2));
        });
        table.row(
            "another id in the second packet",
            Bench::new(role),
            Lives,
            |bench| {
                let draft = start(bench);
                let first = bench.rogue.expanded(draft);
                let mut other = bench.rogue.draft(Level::Initial, &FATAL);
                other.dcid = vec![9; 8];
                let other = bench.rogue.expanded(other);
                bench.deliver(&[first, other].concat());
            },
        );
        table.row(
            "a fatal second packet",
            Bench::new(role),
            Close(ENCODING, 0x21),
            |bench| {
                let draft = start(bench);
                let first = bench.rogue.expanded(draft);
                let other = bench.rogue.datagram(Level::Initial, &FATAL);
                bench.deliver(&[first, other].concat());
            },
        );
        table.row(
            "a broken first packet",
            Bench::new(role),
            Close(ENCODING, 0x21),
            |bench| {
                if bench.role == Client {
                    // Its keys come with the client's first packet, which was there.
                    let mut first = bench.rogue.datagram(Level::Initial, &[1]);
                    let last = first.len() - 1;
                    first[last] ^= 1;
                    let other = bench.rogue.datagram(Level::Initial, &FATAL);
                    bench.deliver(&[first, other].concat());
                    return;
                }
                bench.go_on(Hello);
                let mut first = bench.rogue.datagram(Level::Initial, &[1]);
                let last = first.len() - 1;
                first[last] ^= 1;
                let other = bench.rogue.datagram(Level::Initial, &FATAL);
                bench.deliver(&[first, other].concat());
            },
        );
        table.row(
            "an unknown version behind a packet",
            Bench::new(role),
            Lives,
            |bench| {
                let draft = start(bench);
                let first = bench.rogue.expanded(draft);
                let mut other = bench.rogue.draft(Level::Initial, &FATAL);
                other.version = 0x7a7a_7a7a;
                let other = bench.rogue.expanded(other);
                bench.deliver(&[first, other].concat());
            },
        );
        table.row(
            "a short header behind a long one",
            Bench::at(role, Complete),
            Close(ENCODING, 0x21),
            |b| {
                let first = b.rogue.packet(Level::Handshake, &[1]);
                let second = b.rogue.packet(Level::OneRtt, &FATAL);
                b.deliver(&[first, second].concat());
            },
        );
        table.row(
            "a packet behind a short header",
            Bench::at(role, Confirmed),
            Lives,
            |bench| {
                // All of a datagram is the payload of a short header: this does not open.
                let first = bench.rogue.packet(Level::OneRtt, &FATAL);
                let second = bench.rogue.packet(Level::OneRtt, &FATAL);
                bench.deliver(&[first, second].concat());
            },
        );
        table.row(
            "an empty datagram",
            Bench::at(role, Confirmed),
            Lives,
            |b| b.deliver(&[]),
        );
        table.row("one byte", Bench::at(role, Confirmed), Lives, |b| {
            b.deliver(&[0x40])
        });
    }
    table.done(22);
}

#[test]
fn closes_of_the_peer_in_each_state() {
    let mut table = Table::default();
    for role in ROLES {
        for level in LEVELS {
            for (name, payload) in [
                ("no error", frame(0x1c, &[0, 0], &sized(&[]))),
                ("an alert", frame(0x1c, &[0x128, 0], &sized(b"x"))),
                ("a frame's", frame(0x1c, &[7, 0x21], &sized(b"x"))),
                (
                    "an unknown code",
                    frame(0x1c, &[0xffff, 9], &sized(&[0; 600])),
                ),
            ] {
                let name = format!("{name} in {level:?}");
                table.row(name, Bench::level(role, level), Silence, |bench| {
                    bench.send(level, &payload);
                    // Nothing of what follows counts.
                    bench.send(level, &FATAL);
                });
            }
        }
        // After this side's close the peer's only ends the answers.
        let mut bench = Bench::at(role, Confirmed);
        bench.send(Level::OneRtt, &FATAL);
        assert!(bench.rogue.closed().is_some());
        let said = bench.rogue.opened.len();
        bench.send(Level::OneRtt, &[1]);
        assert!(bench.rogue.opened.len() > said, "a straggler is answered");
    }
    table.done(24);
}

#[test]
fn key_updates_of_the_peer() {
    let mut table = Table::default();
    for role in ROLES {
        let confirmed = || Bench::at(role, Confirmed);
        table.row("one", confirmed(), Lives, |bench| {
            bench.rogue.generation = 1;
            bench.send(Level::OneRtt, &[1]);
            bench.wait(Duration::from_millis(30));
            let last = bench.rogue.opened.last().unwrap();
            assert_eq!(last.generation, 1, "it follows");
        });
        table.row(
            "three, each after an acknowledgment",
            confirmed(),
            Lives,
            |bench| {
                for generation in 1..=3 {
                    bench.rogue.generation = generation;
                    bench.send(Level::OneRtt, &[1]);
                    bench.wait(Duration::from_millis(30));
                    let ack = bench.rogue.ack(Level::OneRtt);
                    bench.send(Level::OneRtt, &ack);
                    bench.wait(Duration::from_secs(4));
                }
            },
        );
        table.row(
            "a fatal frame under new keys",
            confirmed(),
            Close(ENCODING, 0x21),
            |bench| {
                bench.rogue.generation = 1;
                bench.send(Level::OneRtt, &FATAL);
            },
        );
        table.row(
            "old keys for a lower number",
            confirmed(),
            Close(ENCODING, 0x21),
            |bench| {
                let late = bench.rogue.draft(Level::OneRtt, &FATAL);
                bench.rogue.generation = 1;
                bench.send(Level::OneRtt, &[1]);
                let late = bench.rogue.seal(&late);
                bench.deliver(&late);
            },
        );
        // A higher number of the old phase is taken for the next keys, and does not open under them.
        table.row(
            "old keys for a higher number",
            confirmed(),
            Lives,
            |bench| {
                bench.rogue.generation = 1;
                bench.send(Level::OneRtt, &[1]);
                bench.rogue.generation = 0;
                bench.send(Level::OneRtt, &FATAL);
                bench.rogue.generation = 1;
            },
        );
        table.row(
            "new keys for a lower number than old ones",
            confirmed(),
            Close(KEY_UPDATE, 0),
            |b| {
                let mut early = b.rogue.draft(Level::OneRtt, &[1]);
                b.send(Level::OneRtt, &[1]);
                early.generation = 1;
                let early = b.rogue.seal(&early);
                b.deliver(&early);
            },
        );
        table.row(
            "an acknowledgment of new keys under old ones",
            confirmed(),
            Close(KEY_UPDATE, 2),
            |b| {
                let ping = [vec![1], stream(u64::from(b.role == Client), 0, b"x", false)].concat();
                b.send(Level::OneRtt, &ping);
                b.wait(Duration::from_millis(30));
                let ack = b.rogue.ack(Level::OneRtt);
                b.send(Level::OneRtt, &ack);
                b.pith().update_keys();
                b.pith().ping();
                b.wait(Duration::from_millis(30));
                assert_eq!(b.rogue.opened.last().unwrap().generation, 1, "it updates");
                let ack = b.rogue.ack(Level::OneRtt);
                b.send(Level::OneRtt, &ack);
            },
        );
        table.row("the same under new ones", confirmed(), Lives, |b| {
            b.send(Level::OneRtt, &[1]);
            b.wait(Duration::from_millis(30));
            let ack = b.rogue.ack(Level::OneRtt);
            b.send(Level::OneRtt, &ack);
            b.pith().update_keys();
            b.pith().ping();
            b.wait(Duration::from_millis(30));
            b.rogue.generation = 1;
            let ack = b.rogue.ack(Level::OneRtt);
            b.send(Level::OneRtt, &ack);
        });
        table.row("two at once", confirmed(), Lives, |bench| {
            // The second set of keys is not there before this side has sent under the first.
            bench.rogue.generation = 2;
            bench.send(Level::OneRtt, &FATAL);
            bench.rogue.generation = 0;
        });
    }
    // A server that updates before it has said that the handshake is confirmed breaks its own rule, and nothing of the client's.
    table.row(
        "before HANDSHAKE_DONE",
        Bench::at(Client, Complete),
        Lives,
        |bench| {
            bench.rogue.generation = 1;
            bench.send(Level::OneRtt, &[1]);
        },
    );
    table.row(
        "beside HANDSHAKE_DONE",
        Bench::at(Client, Complete),
        Lives,
        |bench| {
            bench.rogue.generation = 1;
            bench.send(Level::OneRtt, &[0x1e]);
        },
    );
    // A message of TLS that asks for one (attack Q12) has its rows beside the other messages.
    table.done(20);
}

/// Nothing that does not open costs more than a count, whatever it says of itself (attack Q08).
#[test]
fn packets_of_nobody_leave_no_trace() {
    for role in ROLES {
        let mut bench = Bench::at(role, Confirmed);
        let before = bench.pith().stats().packets_received;
        for round in 0..500_u32 {
            let mut noise: Vec<u8> = (0..60 + round % 40)
                .map(|at| (at * 7 + round * 13) as u8)
                .collect();
            noise[0] = noise[0] & 0x3f | 0x40;
            noise[1..9].copy_from_slice(&PITH);
            bench.deliver(&noise);
        }
        assert_eq!(bench.pith().stats().packets_received, before);
        assert_eq!(bench.pith().stats().undecryptable, 500);
        assert_eq!(bench.outcome(), Ok(Lives));
    }
}
