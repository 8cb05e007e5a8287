//! Sessions resume by a ticket, and only where a full handshake would have led to the same (RFC 9846 sections 2.2 and 4.3.11).
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pith_tests::engine::{Duo, Engine, Outcome};
use pith_tests::message::{Extensions, Hello, kind, message, offered_psks, vec8, vec16};
use pith_tests::pair::{NAME, NOW, Pair, credential, name, trust};
use pith_tests::pki::Pki;
use pith_tests::script::ScriptedClient;
use pith_tests::scripted::{Bench, HANDSHAKE, Role};
use pith_tls::{
    Answer, Carrier, ChainVerifier, CipherSuite, ClientAuth, ClientConfig, ClientConfigBuilder,
    Error, ExternalPsk, Fault, Group, Handshake, Hash, KeyLog, Level, Local, MessageKind, Now,
    Output, PeerChain, ServerConfig, ServerConfigBuilder, SessionStore, Tickets, Verdict, limits,
};

/// A client and a server that would resume, before anything was changed.
struct Sides {
    pki: Pki,
    store: SessionStore,
    tickets: Tickets,
}

impl Sides {
    fn new() -> Self {
        Self {
            pki: Pki::new(),
            store: SessionStore::new(),
            tickets: Tickets::rotating(),
        }
    }

    fn client(&self) -> ClientConfigBuilder {
        ClientConfig::new(trust(&self.pki))
            .sessions(self.store.clone())
            .alpn(&[b"test"])
    }

    fn server(&self) -> ServerConfigBuilder {
        ServerConfig::new(credential(&self.pki.leaf(NAME)))
            .tickets(self.tickets.clone())
            .alpn(&[b"test"])
    }
}

fn duo(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>, quic: bool) -> Duo {
    match quic {
        true => Duo::quic(client, server),
        false => Duo::records(client, server),
    }
}

#[test]
fn the_second_connection_resumes_over_both_carriers() {
    for quic in [false, true] {
        let sides = Sides::new();
        let (client, server) = (
            sides.client().build().unwrap(),
            sides.server().build().unwrap(),
        );
        for number in 0..4 {
            let mut duo = duo(&client, &server, quic);
            assert_eq!(duo.run(), Outcome::Complete);
            let (ours, theirs) = (duo.client.summary.unwrap(), duo.server.summary.unwrap());
            assert_eq!(
                ours.resumed(),
                number > 0,
                "connection {number}, QUIC: {quic}"
            );
            assert_eq!(theirs.resumed(), ours.resumed());
            assert_eq!(ours.signature_scheme.is_none(), ours.resumed());
            assert_eq!(ours.group, Group::X25519MlKem768);
        }
    }
}

#[test]
fn data_flows_on_a_resumed_connection() {
    let sides = Sides::new();
    let (client, server) = (
        sides.client().build().unwrap(),
        sides.server().build().unwrap(),
    );
    Pair::connected(&client, &server);
    let mut pair = Pair::connected(&client, &server);
    assert!(pair.client.tls.summary().unwrap().resumed());
    let sealed = pair.client.seal(b"ping").unwrap();
    pair.server.input(&sealed).unwrap();
    assert_eq!(pair.server.data, b"ping");
    let sealed = pair.server.seal(b"pong").unwrap();
    pair.client.input(&sealed).unwrap();
    assert_eq!(pair.client.data, b"pong");
}

/// RFC 6066 section 3: the name is answered where it was looked at, and a resumption only compares it.
#[test]
fn a_server_that_resumes_does_not_acknowledge_the_name() {
    let sides = Sides::new();
    let (client, server) = (
        sides.client().build().unwrap(),
        sides.server().build().unwrap(),
    );
    for resumes in [false, true] {
        let mut duo = Duo::records(&client, &server);
        let mut answers = Vec::new();
        let outcome = duo.run_with(|flight| {
            for piece in &flight.pieces {
                if piece.bytes[0] == kind::ENCRYPTED_EXTENSIONS {
                    answers = Extensions::parse(&piece.bytes[4..]).codes();
                }
            }
            flight.pieces
        });
        assert_eq!(outcome, Outcome::Complete);
        let summary = duo.server.summary.unwrap();
        assert_eq!(summary.resumed(), resumes);
        assert_eq!(summary.server_name.as_deref(), Some(NAME));
        assert!(answers.contains(&16), "the protocol is answered always");
        assert_eq!(answers.contains(&0), !resumes, "resumed: {resumes}");
    }
}

/// A client that has a session of this server, and a server whose group takes a HelloRetryRequest and shares its tickets.
fn retrying() -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    let sides = Sides::new();
    let client = sides.client().build().unwrap();
    let server = sides.server().build().unwrap();
    assert_eq!(Duo::records(&client, &server).run(), Outcome::Complete);
    let other = sides.server().groups(&[Group::SecP256r1MlKem768]);
    (client, other.build().unwrap())
}

/// The binder is made anew over both hellos and the HelloRetryRequest (rfc9846#4.2.2-2).
#[test]
fn a_retry_keeps_the_ticket() {
    for quic in [false, true] {
        let sides = Sides::new();
        let client = sides.client().build().unwrap();
        let server = sides.server().build().unwrap();
        assert_eq!(duo(&client, &server, quic).run(), Outcome::Complete);
        let other = sides.server().groups(&[Group::SecP256r1MlKem768]);
        let mut duo = duo(&client, &other.build().unwrap(), quic);
        assert_eq!(duo.run(), Outcome::Complete);
        let summary = duo.server.summary.unwrap();
        assert!(summary.resumed() && summary.retried);
        assert_eq!(summary.group, Group::SecP256r1MlKem768);
    }
}

/// A second hello whose key is gone, or whose binder is not over all that went before (S05, T05).
#[test]
fn a_second_hello_has_the_key_of_the_first() {
    type Edit = fn(&mut Hello);
    let rows: &[(&str, Edit, Fault)] = &[
        (
            "the key is gone",
            |h| h.extensions.remove(41),
            Fault::SecondHelloChanged,
        ),
        (
            "another key",
            |h| {
                h.extensions.set(41, offered_psks(&[b"other"], &[[9; 32]]));
            },
            Fault::SecondHelloChanged,
        ),
        (
            "a key besides",
            |h| {
                let body = h.extensions.body(41).to_vec();
                let length = usize::from(u16::from_be_bytes([body[0], body[1]]));
                let (identities, binders) = body[2..].split_at(length);
                let identities = [identities, &[0, 1, 7, 0, 0, 0, 0]].concat();
                let binders = [&binders[2..], &vec8(&[9; 32])].concat();
                h.extensions
                    .set(41, [vec16(&identities), vec16(&binders)].concat());
            },
            Fault::SecondHelloChanged,
        ),
        (
            "a bit of the binder",
            |h| *h.extensions.0.last_mut().unwrap().1.last_mut().unwrap() ^= 1,
            Fault::Binder,
        ),
    ];
    for (row, edit, want) in rows {
        let (client, server) = retrying();
        let mut duo = Duo::records(&client, &server);
        let outcome = duo.run_with(|mut flight| {
            if (flight.from, flight.number) == (Role::Client, 1) {
                let mut hello = Hello::parse(&flight.pieces[0].bytes);
                edit(&mut hello);
                flight.pieces[0].bytes = hello.encode();
            }
            flight.pieces
        });
        assert_eq!(outcome.error(Role::Server), (*want).into(), "{row}");
    }
    // The binder of the first hello is no binder of the second.
    let (client, server) = retrying();
    let mut first = Vec::new();
    let outcome = Duo::records(&client, &server).run_with(|mut flight| {
        if flight.from == Role::Client {
            let mut hello = Hello::parse(&flight.pieces[0].bytes);
            let offer = &mut hello.extensions.0.last_mut().unwrap().1;
            let at = offer.len() - 32;
            match flight.number {
                0 => first = offer[at..].to_vec(),
                _ => offer[at..].copy_from_slice(&first),
            }
            flight.pieces[0].bytes = hello.encode();
        }
        flight.pieces
    });
    assert_eq!(outcome.error(Role::Server), Fault::Binder.into());
}

/// A ticket of another hash is of no use once the suite is known, and leaves the hello (RFC 9846 section 4.2.2).
#[test]
fn a_ticket_of_another_hash_leads_to_a_full_handshake() {
    for retried in [false, true] {
        let sides = Sides::new();
        let client = sides.client().build().unwrap();
        let server = sides.server().build().unwrap();
        assert_eq!(Duo::records(&client, &server).run(), Outcome::Complete);
        let mut other = sides.server().suites(&[CipherSuite::Aes256GcmSha384]);
        if retried {
            other = other.groups(&[Group::SecP256r1MlKem768]);
        }
        let mut duo = Duo::records(&client, &other.build().unwrap());
        let mut offered = Vec::new();
        let outcome = duo.run_with(|flight| {
            for piece in &flight.pieces {
                if piece.bytes[0] == kind::CLIENT_HELLO {
                    offered.push(Hello::parse(&piece.bytes).extensions.has(41));
                }
            }
            flight.pieces
        });
        assert_eq!(outcome, Outcome::Complete);
        let summary = duo.client.summary.unwrap();
        assert_eq!((summary.resumed(), summary.retried), (false, retried));
        let want: &[bool] = if retried { &[true, false] } else { &[true] };
        assert_eq!(offered, want);
    }
}

/// Each connection shows a ticket of its own, until there is none; then the last one stays only where that is wanted.
#[test]
fn a_ticket_is_shown_once() {
    for (reuse, want) in [(false, [true, true, false, false]), (true, [true; 4])] {
        let sides = Sides {
            store: SessionStore::bounded(2, 2).reuse_last_ticket(reuse),
            ..Sides::new()
        };
        let (client, server) = (
            sides.client().build().unwrap(),
            sides.server().build().unwrap(),
        );
        Pair::connected(&client, &server);
        let mut identities = Vec::new();
        // All begin before the first has got new tickets.
        let mut pairs: Vec<Pair> = (0..4).map(|_| Pair::new(&client, &server)).collect();
        for (pair, want) in pairs.iter_mut().zip(want) {
            let hello = pair.client.output();
            let parsed = Hello::parse(&hello[5..]);
            assert_eq!(parsed.extensions.has(41), want);
            if want {
                identities.push(parsed.extensions.body(41).to_vec());
            }
            pair.server.input(&hello).unwrap();
            pair.run().unwrap();
            assert_eq!(pair.client.tls.summary().unwrap().resumed(), want);
        }
        let ticket = |offer: &Vec<u8>| offer[4..100].to_vec();
        let tickets: BTreeSet<_> = identities.iter().map(ticket).collect();
        assert_eq!(tickets.len(), 2, "reuse: {reuse}");
    }
}

/// How many tickets come: two by default, as many as are asked for up to a limit (RFC 9149), none to those that cannot use them.
#[test]
fn as_many_tickets_as_are_wanted() {
    type Edit = fn(&mut Hello);
    let rows: &[(&str, u8, Edit, usize)] = &[
        ("not said", 2, |_| (), 2),
        ("the server's number", 3, |_| (), 3),
        ("one", 2, |h| h.extensions.push(58, [1, 7]), 1),
        ("none", 2, |h| h.extensions.push(58, [0, 7]), 0),
        (
            "at the limit",
            2,
            |h| h.extensions.push(58, [limits::TICKETS, 0]),
            8,
        ),
        ("past the limit", 2, |h| h.extensions.push(58, [9, 0]), 8),
        ("most", 2, |h| h.extensions.push(58, [255, 0]), 8),
        ("no modes", 2, |h| h.extensions.remove(45), 0),
        ("another mode", 2, |h| h.extensions.set(45, [1, 0]), 0),
        (
            "another mode and a number",
            2,
            |h| {
                h.extensions.set(45, [1, 0]);
                h.extensions.push(58, [4, 4]);
            },
            0,
        ),
    ];
    for (row, count, edit, want) in rows {
        let sides = Sides {
            tickets: Tickets::rotating().count(*count),
            ..Sides::new()
        };
        let server = sides.server().build().unwrap();
        let mut engine = Engine::server(&server, Carrier::Records);
        let mut script = ScriptedClient::new(&[Group::X25519]);
        script.hello.extensions.push(45, [1, 1]);
        edit(&mut script.hello);
        engine.read(Level::Initial, &script.send()).unwrap();
        let flight: Vec<_> = engine.take().into_iter().map(|piece| piece.bytes).collect();
        let finished = script.finish(&flight);
        engine.read(Level::Handshake, &finished).unwrap();
        let tickets = engine.take();
        assert_eq!(tickets.len(), *want, "{row}");
        assert!(
            tickets.iter().all(|piece| piece.level == Level::Application
                && piece.bytes[0] == kind::NEW_SESSION_TICKET),
            "{row}"
        );
        // More of them on demand, but none to a client that cannot use them.
        engine.tls.issue_tickets(200, NOW).unwrap();
        engine.obey();
        let usable = script.hello.extensions.has(45) && script.hello.extensions.body(45) == [1, 1];
        let want = if usable { 8 } else { 0 };
        assert_eq!(engine.take().len(), want, "{row}: on demand");
    }
}

#[test]
fn tickets_on_demand_are_for_a_server_after_the_handshake() {
    let sides = Sides::new();
    let (client, server) = (
        sides.client().build().unwrap(),
        sides.server().build().unwrap(),
    );
    let mut pair = Pair::new(&client, &server);
    let misuse = |result: Result<(), Error>| matches!(result, Err(Error::Misuse(_)));
    assert!(misuse(pair.server.tls.issue_tickets(1, NOW)), "too early");
    pair.run().unwrap();
    assert_eq!(sides.store.len(), 4, "as many as the store holds");
    assert!(misuse(pair.client.tls.issue_tickets(1, NOW)), "a client");
    drop(sides.store.drain());
    pair.server.tls.issue_tickets(3, NOW).unwrap();
    pair.run().unwrap();
    assert_eq!(sides.store.len(), 3);
    pair.server.tls.close();
    assert!(misuse(pair.server.tls.issue_tickets(1, NOW)), "after close");
}

/// Of the client's keys a server looks at so many: here it knows the last one alone, which has a ticket before it or not.
#[test]
fn a_server_looks_at_a_number_of_keys() {
    let most = limits::PSK_IDENTITIES / 2;
    let external = |role, number: usize| {
        ExternalPsk::new(role, &number.to_be_bytes(), b"", &[7; 32], Hash::Sha256).unwrap()
    };
    for (offered, known) in [
        (limits::PSK_IDENTITIES, true),
        (limits::PSK_IDENTITIES + 1, false),
    ] {
        let sides = Sides::new();
        let of_others = sides.server().tickets(Tickets::rotating());
        let client = (0..most).fold(sides.client(), |client, number| {
            client.psk(external(pith_tls::Role::Client, number))
        });
        let client = client.build().unwrap();
        if offered > limits::PSK_IDENTITIES {
            Pair::connected(&client, &of_others.build().unwrap());
        }
        // The last of all is the last key for SHA-384.
        let server = sides
            .server()
            .psk(external(pith_tls::Role::Server, most - 1))
            .suites(&[CipherSuite::Aes256GcmSha384]);
        let pair = Pair::connected(&client, &server.build().unwrap());
        let psk = &pair.server.tls.summary().unwrap().psk;
        assert_eq!(psk.is_some(), known, "{offered} keys");
    }
}

/// RFC 9846 section 7.5, as long as there can be early data.
#[test]
fn both_sides_export_early() {
    let export = |engine: &Engine| {
        let mut out = [0; 32];
        let result = engine.tls.early_export(b"EXPORTER-early", b"", &mut out);
        result.map(|()| out)
    };
    let misuse = |engine: &Engine| matches!(export(engine), Err(Error::Misuse(_)));
    let sides = Sides::new();
    let (client, server) = (
        sides.client().build().unwrap(),
        sides.server().build().unwrap(),
    );
    let mut first = Duo::records(&client, &server);
    assert!(misuse(&first.client), "nothing to resume");
    assert_eq!(first.run(), Outcome::Complete);
    let mut duo = Duo::records(&client, &server);
    let ours = export(&duo.client).unwrap();
    assert!(misuse(&duo.server), "no hello yet");
    for piece in duo.client.take() {
        duo.server.read(piece.level, &piece.bytes).unwrap();
    }
    assert_eq!(export(&duo.server), Ok(ours));
    assert_ne!(ours, [0; 32]);
    let mut other = [0; 32];
    duo.client
        .tls
        .early_export(b"EXPORTER-other", b"", &mut other)
        .unwrap();
    assert_ne!(other, ours);
    assert_eq!(duo.run(), Outcome::Complete);
    assert_ne!(duo.client.exported(), ours);
    assert!(misuse(&duo.client) && misuse(&duo.server), "too late");
    // Neither after a retry, nor where the key was not taken.
    let (client, server) = retrying();
    let mut duo = Duo::records(&client, &server);
    let mut seen = Vec::new();
    for _ in 0..2 {
        for piece in duo.client.take() {
            duo.server.read(piece.level, &piece.bytes).unwrap();
        }
        for piece in duo.server.take() {
            duo.client.read(piece.level, &piece.bytes).unwrap();
            seen.push(misuse(&duo.client) && misuse(&duo.server));
        }
    }
    assert!(seen.len() >= 3 && seen.iter().all(|misused| *misused));
}

/// Who the peer is, is known on a resumed connection too; what its certificates were, is not (RFC 9846 section 4.5.1).
#[test]
fn a_resumed_connection_knows_its_peer() {
    for optional in [false, true] {
        let sides = Sides::new();
        let own = credential(&sides.pki.leaf("client.example"));
        let client = sides.client().credential(own).keep_peer_chain(true);
        let auth = match optional {
            true => ClientAuth::Optional(trust(&sides.pki)),
            false => ClientAuth::Required(trust(&sides.pki)),
        };
        let server = sides.server().client_auth(auth).keep_peer_chain(true);
        let (client, server) = (client.build().unwrap(), server.build().unwrap());
        let mut keys = Vec::new();
        for resumed in [false, true, true] {
            let pair = Pair::connected(&client, &server);
            for side in [&pair.client, &pair.server] {
                let summary = side.tls.summary().unwrap();
                assert_eq!(summary.resumed(), resumed);
                assert_eq!(summary.peer_chain.is_none(), resumed);
                assert_eq!(summary.client_signature_scheme.is_none(), resumed);
                keys.push(summary.peer_key.unwrap());
            }
        }
        assert_ne!(keys[0], keys[1]);
        assert_eq!(keys[..2], keys[2..4]);
        assert_eq!(keys[..2], keys[4..]);
    }
}

/// Says at once or later what it knows its peer as.
struct Accounts {
    later: bool,
    account: Box<[u8]>,
}

impl ChainVerifier for Accounts {
    fn verify(&self, _: &PeerChain<'_>) -> Verdict {
        match self.later {
            true => Verdict::Later,
            false => Verdict::Known(self.account.clone()),
        }
    }
}

#[test]
fn a_resumed_connection_knows_what_the_application_knows_its_peer_as() {
    for (row, length, later, fits) in [
        ("short", 9, false, true),
        ("short, and later", 9, true, true),
        ("no bytes", 0, false, true),
        ("as long as may be", limits::IDENTITY, false, true),
        ("as long as may be, and later", limits::IDENTITY, true, true),
        ("too long", limits::IDENTITY + 1, false, false),
        ("too long, and later", limits::IDENTITY + 1, true, false),
    ] {
        for server_asks in [false, true] {
            let sides = Sides::new();
            let account: Box<[u8]> = vec![7; length].into();
            let accounts = Arc::new(Accounts {
                later,
                account: account.clone(),
            });
            let (mut client, mut server) = (sides.client(), sides.server());
            if server_asks {
                let own = credential(&sides.pki.leaf("client.example"));
                client = client.credential(own);
                server = server
                    .client_auth(ClientAuth::Required(trust(&sides.pki)))
                    .verifier(accounts);
            } else {
                client = client.verifier(accounts);
            }
            let (client, server) = (client.build().unwrap(), server.build().unwrap());
            for resumed in [false, true, true] {
                let mut pair = Pair::new(&client, &server);
                let mut ran = pair.run();
                let asker = match server_asks {
                    true => &mut pair.server,
                    false => &mut pair.client,
                };
                if let Some(question) = asker.tls.question().cloned() {
                    assert!(later && !resumed, "{row}");
                    let answer = Answer::known(&question, account.clone());
                    ran = asker.tls.answer(answer, NOW).and_then(|()| pair.run());
                }
                if !fits {
                    assert_eq!(ran, Err(Error::Local(Local::TooLong)), "{row}");
                    break;
                }
                assert_eq!(ran, Ok(()), "{row}");
                for (side, asks) in [(&pair.client, !server_asks), (&pair.server, server_asks)] {
                    let summary = side.tls.summary().unwrap();
                    assert_eq!(summary.resumed(), resumed, "{row}");
                    let known = asks.then_some(&account);
                    assert_eq!(summary.peer_identity.as_ref(), known, "{row}");
                }
            }
        }
    }
}

/// Each name of a ticket's secrets, and no other, goes to the key log of a resumed connection (RFC 9850).
#[test]
fn the_key_log_has_the_early_secrets() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let log = {
        let lines = lines.clone();
        KeyLog::new(move |line| lines.lock().unwrap().push(line.to_owned()))
    };
    let sides = Sides::new();
    let client = sides.client().key_log(log.clone()).build().unwrap();
    let server = sides.server().key_log(log).build().unwrap();
    for resumed in [false, true] {
        lines.lock().unwrap().clear();
        Pair::connected(&client, &server);
        let lines = lines.lock().unwrap();
        let early: Vec<_> = lines
            .iter()
            .filter(|line| line.starts_with("EARLY_EXPORTER_SECRET "))
            .collect();
        assert_eq!(early.len(), if resumed { 2 } else { 0 });
        assert!(early.iter().all(|line| line == &early[0]), "both agree");
        assert_eq!(lines.len(), if resumed { 12 } else { 10 });
    }
}

/// The extensions of a client's hello: modes where tickets are taken, a key and its binder at the end where there is one.
#[test]
fn what_a_hello_says_of_keys() {
    let sides = Sides::new();
    let without = ClientConfig::new(trust(&sides.pki)).build().unwrap();
    let (client, server) = (
        sides.client().build().unwrap(),
        sides.server().build().unwrap(),
    );
    let hello = |config: &Arc<ClientConfig>| {
        let engine = Engine::client(config, Carrier::Records);
        Hello::parse(&engine.outbox[0].bytes).extensions
    };
    let none = hello(&without);
    assert!(!none.has(41) && !none.has(45) && !none.has(58));
    let first = hello(&client);
    assert!(!first.has(41) && first.has(51));
    assert_eq!((first.body(45), first.body(58)), (&[1, 1][..], &[4, 1][..]));
    Pair::connected(&client, &server);
    let second = hello(&client);
    assert_eq!(second.codes().last(), Some(&41));
    assert_eq!(second.body(45), [1, 1], "with a key exchange, and only so");
    assert!(second.has(51) && second.has(13));
}

/// Neither side shows or asks for a certificate where a key stands for it, and a server that does is refused.
#[test]
fn a_resumption_has_no_certificates() {
    let sides = Sides::new();
    let own = credential(&sides.pki.leaf("client.example"));
    let client = sides.client().credential(own).build().unwrap();
    let auth = ClientAuth::Required(trust(&sides.pki));
    let server = sides.server().client_auth(auth).build().unwrap();
    Pair::connected(&client, &server);
    let mut messages = Vec::new();
    let outcome = Duo::records(&client, &server).run_with(|flight| {
        messages.extend(flight.pieces.iter().map(|piece| piece.bytes[0]));
        flight.pieces
    });
    assert_eq!(outcome, Outcome::Complete);
    let want = [
        kind::CLIENT_HELLO,
        kind::SERVER_HELLO,
        kind::ENCRYPTED_EXTENSIONS,
        kind::FINISHED,
        kind::FINISHED,
        kind::NEW_SESSION_TICKET,
    ];
    assert_eq!(messages, want);
    for unexpected in [
        kind::CERTIFICATE_REQUEST,
        kind::CERTIFICATE,
        kind::CERTIFICATE_VERIFY,
        kind::NEW_SESSION_TICKET,
    ] {
        let mut bench = Bench::with(Role::Client, &client, &server);
        let before = bench.peer.honest(2);
        bench.feed(&before).unwrap();
        let wire = bench.peer.record(HANDSHAKE, &[unexpected, 0, 0, 0]);
        let want = Fault::UnexpectedMessage {
            state: "WAIT_FINISHED",
            message: match unexpected {
                kind::CERTIFICATE_REQUEST => MessageKind::CertificateRequest,
                kind::CERTIFICATE => MessageKind::Certificate,
                kind::CERTIFICATE_VERIFY => MessageKind::CertificateVerify,
                _ => MessageKind::NewSessionTicket,
            },
        };
        bench.fails("in place of Finished", &wire, want);
    }
    // The Finished is what proves that the server holds the key.
    Pair::connected(&client, &server);
    let mut bench = Bench::with(Role::Client, &client, &server);
    let before = bench.peer.honest(2);
    bench.feed(&before).unwrap();
    let mut finished = bench.peer.next_message().unwrap();
    *finished.last_mut().unwrap() ^= 1;
    let wire = bench.peer.record(HANDSHAKE, &finished);
    bench.fails("another Finished", &wire, Fault::Finished);
}

/// Runs a handshake in which each side has a clock of its own, and says whether it resumed.
fn resumes_at(
    (client, server): (&Arc<ClientConfig>, &Arc<ServerConfig>),
    ours: Now,
    theirs: Now,
) -> bool {
    let mut client = Handshake::client(client.clone(), name(), Carrier::Records, ours).unwrap();
    let mut server = Handshake::server(server.clone(), Carrier::Records);
    let mut resumed = None;
    loop {
        let mut idle = true;
        while let Some(output) = client.next() {
            match output {
                Output::Send { level, bytes } => {
                    server.read(level, &bytes, theirs).unwrap();
                    idle = false;
                }
                Output::Complete(summary) => resumed = Some(summary.resumed()),
                _ => {}
            }
        }
        while let Some(output) = server.next() {
            if let Output::Send { level, bytes } = output {
                client.read(level, &bytes, ours).unwrap();
                idle = false;
            }
        }
        if idle {
            return resumed.unwrap();
        }
    }
}

/// However often it is resumed, a line of sessions ends a week after its full handshake. Each side sees to that by itself, so here
/// the clock of the other stands still.
#[test]
fn a_line_of_sessions_ends() {
    let day = |number: u64| Now {
        unix: NOW.unix + Duration::from_secs(number * 24 * 60 * 60),
        ..NOW
    };
    for clients_clock in [false, true] {
        let sides = Sides {
            tickets: Tickets::rotating()
                .lifetime(limits::TICKET_LIFETIME)
                .unwrap(),
            ..Sides::new()
        };
        let (client, server) = (
            sides.client().build().unwrap(),
            sides.server().build().unwrap(),
        );
        let at = |number| match clients_clock {
            true => resumes_at((&client, &server), day(number), NOW),
            false => resumes_at((&client, &server), NOW, day(number)),
        };
        let got = [0, 3, 6, 8, 9].map(at);
        let want = [false, true, true, false, true];
        assert_eq!(got, want, "the client's clock: {clients_clock}");
    }
}

/// A ticket that is to be thrown away at once, or that is too long, is not kept, and is no fault.
#[test]
fn a_ticket_that_is_worth_nothing_is_not_kept() {
    let rows = [
        ("no lifetime", 0_u32, 100, false),
        ("a second", 1, 100, true),
        ("longer than a week", u32::MAX, 100, true),
        ("the longest", 1, limits::SESSION_TICKET, true),
        ("too long", 1, limits::SESSION_TICKET + 1, false),
    ];
    for (row, lifetime, length, kept) in rows {
        let sides = Sides {
            tickets: Tickets::none(),
            ..Sides::new()
        };
        let (client, server) = (
            sides.client().build().unwrap(),
            sides.server().build().unwrap(),
        );
        let mut bench = Bench::with(Role::Client, &client, &server);
        bench.finish().unwrap();
        let ticket = [
            &lifetime.to_be_bytes()[..],
            &[1, 2, 3, 4],
            &vec8(b"nonce"),
            &vec16(&vec![9; length]),
            &vec16(&[]),
        ]
        .concat();
        let wire = bench
            .peer
            .record(HANDSHAKE, &message(kind::NEW_SESSION_TICKET, &ticket));
        assert_eq!(bench.feed(&wire), Ok(()), "{row}");
        assert_eq!(sides.store.len(), usize::from(kept), "{row}");
        bench.assert_works(row);
    }
}
