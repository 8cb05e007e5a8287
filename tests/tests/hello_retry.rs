//! HelloRetryRequest where it goes well: what the second ClientHello has, what it may change, cookies, and every group. What must
//! not happen is in `faults/hellos.rs`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use pith_tests::engine::{Duo, Engine, Event, Outcome, Role};
use pith_tests::message::{
    Extensions, Hello, codes, encrypted_extensions, kind, offered_psks, vec8, vec16,
};
use pith_tests::pair::{NAME, credential, trust};
use pith_tests::pki::{Identity, Pki};
use pith_tests::script::{ScriptedClient, ScriptedServer};
use pith_tls::{Carrier, CipherSuite, ClientConfig, Group, Level, ServerConfig};

/// Every group by a retry, from a share of another, with both hashes and over both carriers.
#[test]
fn every_group_can_be_asked_for() {
    let pki = Pki::new();
    let leaf = pki.leaf(NAME);
    for suite in CipherSuite::ALL {
        for group in Group::ALL {
            let shared = if *group == Group::X25519 {
                Group::Secp256r1
            } else {
                Group::X25519
            };
            let client = ClientConfig::new(trust(&pki))
                .alpn(&[b"x"])
                .suites(&[*suite]);
            let client = client.groups(Group::ALL).shares(&[shared]).build().unwrap();
            let server = ServerConfig::new(credential(&leaf)).alpn(&[b"x"]);
            let server = server.groups(&[*group]).build().unwrap();
            for mut duo in [Duo::records(&client, &server), Duo::quic(&client, &server)] {
                let outcome = duo.run_with(|flight| {
                    let first = &flight.pieces[0].bytes;
                    if (flight.from, flight.number) == (Role::Server, 0) {
                        let retry = Hello::parse(first);
                        assert_eq!(retry.extensions.codes(), [43, 51], "no cookie");
                        assert_eq!(retry.extensions.body(51), codes(&[group.code()]));
                        assert_eq!(retry.suites, [suite.code()]);
                    }
                    if (flight.from, flight.number) == (Role::Client, 1) {
                        let shares = Hello::parse(first).shares();
                        let lengths: Vec<_> = shares
                            .iter()
                            .map(|(code, value)| (*code, value.len()))
                            .collect();
                        assert_eq!(lengths, [(group.code(), group.client_share_len())]);
                    }
                    flight.pieces
                });
                assert_eq!(outcome, Outcome::Complete, "{group} {suite:?}");
                let summary = duo.client.summary.unwrap();
                assert_eq!((summary.group, summary.retried), (*group, true));
            }
        }
    }
}

/// rfc9846#4.2.2-2: nothing but the share differs, and it is a new one (rfc9846#4.3.8-9).
#[test]
fn the_second_hello_is_the_first_with_another_share() {
    let pki = Pki::new();
    let client = ClientConfig::new(trust(&pki))
        .shares(&[Group::X25519])
        .alpn(&[b"x"]);
    let server = ServerConfig::new(credential(&pki.leaf(NAME)))
        .build()
        .unwrap();
    let mut duo = Duo::records(&client.build().unwrap(), &server);
    let mut hellos = Vec::new();
    let outcome = duo.run_with(|flight| {
        if flight.pieces[0].level == Level::Initial && flight.from == Role::Client {
            hellos.push(Hello::parse(&flight.pieces[0].bytes));
        }
        flight.pieces
    });
    assert_eq!(outcome, Outcome::Complete);
    let [first, second] = &hellos[..] else {
        panic!("{} hellos", hellos.len())
    };
    let (old, new) = (first.shares(), second.shares());
    assert_eq!(new[0].0, Group::X25519MlKem768.code());
    assert_ne!(
        &new[0].1[1184..],
        old[0].1,
        "the X25519 part is not used again"
    );
    let mut same = second.clone();
    same.set_shares(&old);
    assert_eq!(same, *first);
}

/// In compatibility mode a ChangeCipherSpec goes out once on each side (rfc9846#E.4-1).
#[test]
fn one_change_cipher_spec_a_side() {
    let pki = Pki::new();
    let client = ClientConfig::new(trust(&pki)).build().unwrap();
    for groups in [&[Group::X25519][..], &[Group::Secp521r1]] {
        let server = ServerConfig::new(credential(&pki.leaf(NAME))).groups(groups);
        let mut duo = Duo::records(&client, &server.build().unwrap());
        assert_eq!(duo.run(), Outcome::Complete);
        for engine in [&duo.client, &duo.server] {
            let is_ccs = |event: &&Event| **event == Event::ChangeCipherSpec;
            assert_eq!(engine.events.iter().filter(is_ccs).count(), 1);
            // Behind the first message of the side.
            let mut order = engine
                .events
                .iter()
                .filter(|event| !matches!(event, Event::Keys(..)));
            assert!(matches!(order.next(), Some(Event::Send(Level::Initial, _))));
            assert_eq!(order.next(), Some(&Event::ChangeCipherSpec));
        }
    }
}

/// Runs the rest of a scripted server's handshake behind its ServerHello.
fn finish(script: &mut ScriptedServer, engine: &mut Engine, leaf: &Identity) {
    let hello = script.hello();
    let hello = script.send_hello(&hello);
    engine.read(Level::Initial, &hello).unwrap();
    let flight = [
        script.send(encrypted_extensions(&Extensions::default())),
        script.certificate(leaf),
        script.verify(leaf),
        script.finished(),
    ];
    engine.read(Level::Handshake, &flight.concat()).unwrap();
    assert!(engine.tls.is_complete());
    let answer: Vec<_> = engine.take().into_iter().map(|piece| piece.bytes).collect();
    assert!(script.accepts(&answer), "the client's Finished");
}

/// rfc9846#4.3.2-1: a cookie comes back as it went, alone or with a group.
#[test]
fn a_cookie_is_echoed() {
    let pki = Pki::new();
    let leaf = pki.leaf(NAME);
    let config = ClientConfig::new(trust(&pki)).build().unwrap();
    for suite in [0x1301, 0x1302, 0x1303] {
        for length in [1, 32, 255, 256, 16_000] {
            for group in [None, Some(Group::Secp384r1)] {
                let row = format!("{length} bytes, {group:?}");
                let mut engine = Engine::client(&config, Carrier::Records);
                let first = engine.take().remove(0).bytes;
                let mut script = ScriptedServer::new(&first, suite);
                let cookie = vec![7; length];
                let mut asked = vec![(44, vec16(&cookie))];
                if let Some(group) = group {
                    asked.push((51, codes(&[group.code()])));
                }
                let retry = script.retry(&asked);
                let retry = script.send_hello(&retry);
                engine.read(Level::Initial, &retry).unwrap();
                let second = engine.take().remove(0).bytes;
                script.second(&second);

                let (first, mut second) = (Hello::parse(&first), Hello::parse(&second));
                assert_eq!(second.extensions.body(44), vec16(&cookie), "{row}");
                second.extensions.remove(44);
                let named: Vec<u16> = second.shares().iter().map(|share| share.0).collect();
                match group {
                    // Only what was asked for changes: the shares stay.
                    None => assert_eq!(second, first, "{row}"),
                    Some(group) => {
                        assert_eq!(named, [group.code()], "{row}");
                        second.set_shares(&first.shares());
                        assert_eq!(second, first, "{row}");
                    }
                }
                finish(&mut script, &mut engine, &leaf);
                assert!(engine.summary.unwrap().retried, "{row}");
            }
        }
    }
}

/// What a second ClientHello may change (rfc9846#4.2.2-2), and what a server takes in a first one without a word.
#[test]
fn a_second_hello_may_change_what_the_rfc_names() {
    let pki = Pki::new();
    let server = ServerConfig::new(credential(&pki.leaf(NAME)));
    let server = server.groups(&[Group::Secp256r1]).build().unwrap();
    type Edit = fn(&mut Hello);
    let rows: [(&str, Edit, Edit); 8] = [
        ("nothing", |_| (), |_| ()),
        ("padding added", |_| (), |h| h.extensions.push(21, [0; 100])),
        (
            "padding removed",
            |h| h.extensions.push(21, [0; 100]),
            |h| h.extensions.remove(21),
        ),
        (
            "padding of another length",
            |h| h.extensions.push(21, [0; 100]),
            |h| h.extensions.set(21, [0; 7]),
        ),
        (
            "early data removed",
            |h| h.extensions.push(42, []),
            |h| h.extensions.remove(42),
        ),
        (
            "another binder of a pre-shared key",
            |h| {
                h.extensions.push(45, vec8(&[1]));
                h.extensions.push(41, offered_psks(&[b"key"], &[[9; 32]]));
            },
            |h| h.extensions.set(41, offered_psks(&[b"key"], &[[7; 32]])),
        ),
        (
            "the pre-shared key removed",
            |h| {
                h.extensions.push(45, vec8(&[1]));
                h.extensions.push(41, offered_psks(&[b"key"], &[[9; 32]]));
            },
            |h| h.extensions.remove(41),
        ),
        (
            "a share of an unknown group replaced",
            |h| {
                h.extensions.set(10, vec16(&codes(&[0x2a2a, 29, 23])));
                let mut shares = h.shares();
                shares.insert(0, (0x2a2a, vec![0]));
                h.set_shares(&shares);
            },
            |_| (),
        ),
    ];
    for (row, first, second) in rows {
        let mut engine = Engine::server(&server, Carrier::Records);
        let mut script = ScriptedClient::new(&[Group::X25519]);
        script.hello.extensions.set(10, vec16(&codes(&[29, 23])));
        first(&mut script.hello);
        assert_eq!(engine.read(Level::Initial, &script.send()), Ok(()), "{row}");
        let retry = engine.take().remove(0).bytes;
        script.retry(&retry);
        second(&mut script.hello);
        assert_eq!(engine.read(Level::Initial, &script.send()), Ok(()), "{row}");
        let flight: Vec<_> = engine.take().into_iter().map(|piece| piece.bytes).collect();
        assert_eq!(flight[0][0], kind::SERVER_HELLO, "{row}");
        let finished = script.finish(&flight);
        assert_eq!(engine.read(Level::Handshake, &finished), Ok(()), "{row}");
        assert!(
            engine.tls.is_complete() && engine.summary.unwrap().retried,
            "{row}"
        );
    }
}
