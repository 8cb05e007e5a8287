//! However a flight is cut into records or pieces, and however messages are joined, the result is the same.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

use std::sync::Arc;

use pith_tests::engine::{Duo, Flight, Outcome, Piece, Role};
use pith_tests::pair::{NAME, Pair, Side, configs, credential, trust};
use pith_tests::pki::{Kind, Pki};
use pith_tests::scripted::{Bench, HANDSHAKE, RawPeer, Step};
use pith_tls::{ClientConfig, Error, Fault, Group, ServerConfig};

type Configs = (Arc<ClientConfig>, Arc<ServerConfig>);

/// Configurations whose handshakes have messages of the same length in every run, with and without a retry.
fn scenarios() -> [(&'static str, Configs); 2] {
    let pki = Pki::with(Kind::Ed25519, 1);
    let leaf = pki.leaf_with(Kind::Ed25519, &[NAME], |_| ());
    let client = ClientConfig::new(trust(&pki))
        .alpn(&[b"h2"])
        .build()
        .unwrap();
    let server = || ServerConfig::new(credential(&leaf)).alpn(&[b"h2"]);
    let retrying = server().groups(&[Group::SecP256r1MlKem768]);
    [
        ("plain", (client.clone(), server().build().unwrap())),
        ("retried", (client, retrying.build().unwrap())),
    ]
}

/// What both sides know alike; the peer is another for each.
fn facts(side: &Side) -> String {
    let mut summary = side.tls.summary().unwrap().clone();
    summary.peer_key = None;
    format!("{summary:?}")
}

/// Runs a connection of `role` against a scripted peer, each of whose flights goes through `frame`; then data flows both
/// ways. What was negotiated comes back.
fn check(
    row: &str,
    role: Role,
    (client, server): &Configs,
    mut frame: impl FnMut(&mut RawPeer) -> Vec<u8>,
) -> String {
    let mut bench = Bench::with(role, client, server);
    while !bench.peer.steps.is_empty() {
        let records = frame(&mut bench.peer);
        assert_eq!(bench.feed(&records), Ok(()), "{row}");
    }
    assert_eq!(bench.peer.error, None, "{row}");
    bench.assert_works(row);
    facts(&bench.side)
}

/// The next messages of the peer that go out under the same keys, joined. Empty when there are none.
fn next_joined(peer: &mut RawPeer) -> Vec<u8> {
    peer.settle();
    let mut joined = Vec::new();
    while let Some(Step::Message(_)) = peer.steps.front() {
        joined.extend(peer.next_message().unwrap());
        if let Some(Step::Keys(_)) = peer.steps.front() {
            break;
        }
    }
    joined
}

/// A whole flight in records of at most `size` bytes; messages share records where they fit.
fn in_records_of(size: usize) -> impl FnMut(&mut RawPeer) -> Vec<u8> {
    move |peer| {
        let mut records = Vec::new();
        loop {
            let joined = next_joined(peer);
            if joined.is_empty() {
                return records;
            }
            for part in joined.chunks(size) {
                records.extend(peer.record(HANDSHAKE, part));
            }
        }
    }
}

/// Known attacks R02 and P08: the ClientHello of 1.7 kB and every other flight in records of every size that matters.
#[test]
fn flights_in_records_of_any_size_give_the_same_result() {
    for (name, configs) in scenarios() {
        for role in [Role::Client, Role::Server] {
            let whole = check(name, role, &configs, |peer| peer.honest(1));
            for size in [
                1, 2, 3, 4, 5, 7, 16, 100, 255, 256, 257, 512, 1000, 1200, 16_384,
            ] {
                let row = format!("{name}, {role:?}, {size} bytes a record");
                assert_eq!(
                    check(&row, role, &configs, in_records_of(size)),
                    whole,
                    "{row}"
                );
            }
        }
    }
}

/// Each flight, the hellos in the clear and the protected ones, split into two records at every byte.
#[test]
fn flights_split_at_every_byte_give_the_same_result() {
    for (name, configs) in scenarios() {
        for role in [Role::Client, Role::Server] {
            // What goes out under the same keys is one part; its records are cut.
            let mut lengths = Vec::new();
            let whole = check(name, role, &configs, |peer| {
                let joined = next_joined(peer);
                lengths.push(joined.len());
                in_two(peer, &joined, 0)
            });
            assert!(lengths.iter().sum::<usize>() > 1_300, "{lengths:?}");
            for (number, length) in lengths.into_iter().enumerate() {
                for at in 1..length {
                    let row = format!("{name}, {role:?}, part {number}, byte {at}");
                    let mut seen = 0;
                    let got = check(&row, role, &configs, |peer| {
                        seen += 1;
                        let joined = next_joined(peer);
                        in_two(peer, &joined, if seen - 1 == number { at } else { 0 })
                    });
                    assert_eq!(got, whole, "{row}");
                }
            }
        }
    }
}

/// Two records, or one with `at` zero.
fn in_two(peer: &mut RawPeer, bytes: &[u8], at: usize) -> Vec<u8> {
    let (head, tail) = bytes.split_at(at);
    let parts = [head, tail].into_iter().filter(|part| !part.is_empty());
    parts
        .flat_map(|part| peer.record(HANDSHAKE, part))
        .collect()
}

/// What goes over the wire in any pieces: here between two connections, a byte at a time, and all at once.
#[test]
fn a_stream_in_any_pieces_gives_the_same_result() {
    for (name, (client, server)) in scenarios() {
        for size in [1, 2, 5, 6, 100, 1448] {
            let mut pair = Pair::new(&client, &server);
            loop {
                let (out, back) = (pair.client.output(), pair.server.output());
                for part in out.chunks(size) {
                    pair.server.input(part).unwrap();
                }
                for part in back.chunks(size) {
                    pair.client.input(part).unwrap();
                }
                if out.is_empty() && back.is_empty() {
                    break;
                }
            }
            assert_eq!(facts(&pair.client), facts(&pair.server), "{name}, {size}");
        }
    }
}

/// P08: the default hello does not fit one packet, and a reader that asks for what it is told to never reads too far.
#[test]
fn the_default_hello_is_long_and_says_how_much_is_missing() {
    let (client, server) = configs();
    let mut pair = Pair::new(&client, &server);
    let hello = pair.client.output();
    assert!(
        (1_300..2_000).contains(&hello.len()),
        "{} bytes",
        hello.len()
    );
    let mut at = 0;
    let mut buffer = Vec::new();
    let mut steps = 0;
    while at < hello.len() {
        match pair
            .server
            .tls
            .receive(pith_tests::pair::NOW, &mut buffer)
            .unwrap()
        {
            pith_tls::Received::NeedMore { at_least } => {
                buffer.extend_from_slice(&hello[at..at + at_least]);
                at += at_least;
            }
            other => panic!("{other:?}"),
        }
        steps += 1;
    }
    assert_eq!((at, steps), (hello.len(), 2), "a header, then a record");
    pair.server.input(&buffer).unwrap();
    assert!(!pair.server.output().is_empty());
}

/// At the engine, without records: both carriers, every flight split at every byte, or joined as far as a level goes.
#[test]
fn an_engine_takes_pieces_of_any_size() {
    for (name, (client, server)) in scenarios() {
        for quic in [false, true] {
            let duo = || {
                if quic {
                    Duo::quic(&client, &server)
                } else {
                    Duo::records(&client, &server)
                }
            };
            let mut lengths = Vec::new();
            let whole = duo().run_with(|flight| {
                let joined = join(flight);
                lengths.push(joined.iter().map(|piece| piece.bytes.len()).sum::<usize>());
                joined
            });
            assert_eq!(whole, Outcome::Complete, "{name}, joined");
            for (number, length) in lengths.into_iter().enumerate() {
                for at in 1..length {
                    let mut seen = 0;
                    let outcome = duo().run_with(|flight| {
                        seen += 1;
                        let joined = join(flight);
                        if seen - 1 == number {
                            cut(joined, at)
                        } else {
                            joined
                        }
                    });
                    assert_eq!(outcome, Outcome::Complete, "{name}, flight {number}, {at}");
                }
            }
        }
    }
}

fn join(flight: Flight) -> Vec<Piece> {
    flight
        .pieces
        .chunk_by(|a, b| a.level == b.level)
        .map(|group| Piece {
            level: group[0].level,
            bytes: group.iter().flat_map(|piece| piece.bytes.clone()).collect(),
        })
        .collect()
}

/// Cuts the flight into two at a byte.
fn cut(pieces: Vec<Piece>, at: usize) -> Vec<Piece> {
    let (mut all, mut before) = (Vec::new(), 0);
    for piece in pieces {
        let cut = at.saturating_sub(before).min(piece.bytes.len());
        before += piece.bytes.len();
        let (head, tail) = piece.bytes.split_at(cut);
        for part in [head, tail] {
            if !part.is_empty() {
                all.push(Piece {
                    level: piece.level,
                    bytes: part.to_vec(),
                });
            }
        }
    }
    all
}

/// Known attack R01, rfc9846#5.1-4 to #5.1-6: what stands behind the last message of a level belongs to no keys.
#[test]
fn nothing_may_follow_a_message_that_changes_keys() {
    let [_, (_, retried)] = scenarios();
    let [(_, plain), _] = scenarios();
    let rows = [
        ("behind the ClientHello", Role::Server, &plain, 0, 0),
        (
            "behind the second ClientHello",
            Role::Server,
            &retried,
            1,
            0,
        ),
        ("behind the client's Finished", Role::Server, &plain, 1, 0),
        ("behind the HelloRetryRequest", Role::Client, &retried, 0, 0),
        ("behind the ServerHello", Role::Client, &plain, 0, 0),
        ("behind the server's Finished", Role::Client, &plain, 0, 4),
    ];
    for (row, role, (client, server), number, at) in rows {
        for tail in [&[8][..], &[8, 0, 0, 2, 0, 0], &[0; 3]] {
            let mut duo = Duo::records(client, server);
            let outcome = duo.run_with(|mut flight| {
                if flight.from != role && flight.number == number {
                    flight.pieces[at].bytes.extend_from_slice(tail);
                }
                flight.pieces
            });
            let want = Error::Fault(Fault::MessageAcrossKeyChange);
            assert_eq!(outcome, Outcome::Failed(role, want), "{row}, {tail:?}");
        }
    }
}
