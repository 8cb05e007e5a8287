//! Early data (RFC 9846 sections 2.3, 4.3.10 and 8): sent, taken, rejected and replayed; it is never mixed up with other data, and is
//! accepted at most once (T08).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use pith_tests::engine::{Duo, Engine, Event, Outcome, Piece};
use pith_tests::message::{kind, message};
use pith_tests::pair::{NAME, NOW, Pair, Side, credential, trust};
use pith_tests::pki::Pki;
use pith_tls::limits::{EARLY_DATA_SKEW, SKIPPED_EARLY_DATA};
use pith_tls::{
    AlertDescription, Answer, Carrier, CipherSuite, ClientAuth, ClientConfig, ClientConfigBuilder,
    Connection, Direction, EarlyData, Error, ExtensionType, Fault, Flow, Group, Level, MessageKind,
    Now, Observer, Received, ServerConfig, ServerConfigBuilder, SessionStore, StrikeRegister,
    Tickets, Topic,
};

/// What its tickets allow.
const MOST: u32 = 1_000;

/// A client and a server that take early data, and what they share between connections.
struct Sides {
    pki: Pki,
    store: SessionStore,
    tickets: Tickets,
    register: StrikeRegister,
}

impl Sides {
    fn new() -> Self {
        Self {
            pki: Pki::new(),
            store: SessionStore::new(),
            tickets: Tickets::rotating(),
            register: StrikeRegister::new(before(Duration::from_secs(100))),
        }
    }

    fn client(&self) -> ClientConfigBuilder {
        ClientConfig::new(trust(&self.pki))
            .sessions(self.store.clone())
            .early_data(true)
            .alpn(&[b"test", b"other"])
    }

    fn server(&self) -> ServerConfigBuilder {
        ServerConfig::new(credential(&self.pki.leaf(NAME)))
            .tickets(self.tickets.clone())
            .early_data(MOST, self.register.clone())
            .alpn(&[b"test"])
    }

    /// Fills the store by a full handshake.
    fn meet(&self) {
        self.meet_as(self.client(), self.server());
    }

    fn meet_as(&self, client: ClientConfigBuilder, server: ServerConfigBuilder) {
        let mut pair = Pair::connected(&client.build().unwrap(), &server.build().unwrap());
        assert_eq!(early(&pair), [EarlyData::NotOffered; 2]);
        pair.run().unwrap();
        assert!(!self.store.is_empty());
    }

    fn pair(&self, client: ClientConfigBuilder, server: ServerConfigBuilder) -> Pair {
        Pair::new(&client.build().unwrap(), &server.build().unwrap())
    }
}

fn before(time: Duration) -> Now {
    Now {
        monotonic: NOW.monotonic,
        unix: NOW.unix - time,
    }
}

fn after(time: Duration) -> Now {
    Now {
        monotonic: NOW.monotonic,
        unix: NOW.unix + time,
    }
}

fn early(pair: &Pair) -> [EarlyData; 2] {
    [&pair.client, &pair.server].map(|side| side.tls.summary().unwrap().early_data)
}

#[test]
fn early_data_arrives_before_the_servers_first_byte() {
    let sides = Sides::new();
    sides.meet();
    let mut pair = sides.pair(sides.client(), sides.server());
    assert_eq!(pair.client.tls.early_data(), EarlyData::Offered);
    assert_eq!(pair.client.tls.early_data_left(), 1_000);
    let (flight, taken) = pair.client.seal_early(b"GET / early").unwrap();
    assert_eq!(taken, 11);
    assert_eq!(pair.client.tls.early_data_left(), 989);
    pair.server.input(&flight).unwrap();
    assert_eq!(pair.server.early, b"GET / early");
    assert_eq!(pair.server.tls.early_data(), EarlyData::Accepted);
    assert!(pair.server.data.is_empty(), "it is a kind of its own");
    // Half a round trip early: the answer goes with the server's flight.
    assert_eq!(pair.server.tls.status().send, Flow::Open);
    let flight = pair.server.seal(b"the answer").unwrap();
    assert_eq!(pair.client.tls.early_data(), EarlyData::Offered);
    let (more, _) = pair.client.seal_early(b" and more").unwrap();
    pair.server.input(&more).unwrap();
    pair.client.input(&flight).unwrap();
    assert_eq!(pair.client.data, b"the answer");
    assert_eq!(pair.client.tls.early_data(), EarlyData::Accepted);
    assert_eq!(pair.client.tls.early_data_left(), 0);
    pair.run().unwrap();
    assert_eq!(pair.server.early, b"GET / early and more");
    assert_eq!(early(&pair), [EarlyData::Accepted; 2]);
    let records = pair.client.seal(b"later").unwrap();
    pair.server.input(&records).unwrap();
    assert_eq!(pair.server.data, b"later");
}

#[test]
fn early_data_has_to_be_turned_on_in_both_roles() {
    let sides = Sides::new();
    sides.meet();
    let mut pair = sides.pair(sides.client().early_data(false), sides.server());
    assert_eq!(pair.client.tls.early_data(), EarlyData::NotOffered);
    assert!(matches!(
        pair.client.seal_early(b"x"),
        Err(Error::Misuse(_))
    ));
    pair.run().unwrap();
    assert_eq!(early(&pair), [EarlyData::NotOffered; 2]);

    let sides = Sides::new();
    let plain = || {
        ServerConfig::new(credential(&sides.pki.leaf(NAME)))
            .tickets(sides.tickets.clone())
            .alpn(&[b"test"])
    };
    sides.meet_as(sides.client(), plain());
    let pair = sides.pair(sides.client(), plain());
    assert_eq!(pair.client.tls.early_data(), EarlyData::NotOffered);
}

#[test]
fn a_reused_ticket_offers_no_early_data() {
    let sides = Sides::new();
    let store = SessionStore::bounded(1, 10).reuse_last_ticket(true);
    let client = || sides.client().sessions(store.clone());
    let server = || sides.server();
    let mut pair = sides.pair(client(), server());
    pair.run().unwrap();
    let first = sides.pair(client(), server());
    assert_eq!(first.client.tls.early_data(), EarlyData::Offered);
    let second = sides.pair(client(), server());
    assert_eq!(second.client.tls.early_data(), EarlyData::NotOffered);
}

/// A client that sends early data, to a server that is not what it was: the handshake ends well, and the data was not seen.
fn rejected(row: &str, pair: &mut Pair, resumed: bool) {
    assert_eq!(pair.client.tls.early_data(), EarlyData::Offered, "{row}");
    let (flight, _) = pair.client.seal_early(b"early").unwrap();
    pair.server.input(&flight).unwrap();
    pair.run().unwrap();
    assert!(pair.server.early.is_empty(), "{row}");
    assert_eq!(early(pair), [EarlyData::Rejected; 2], "{row}");
    for side in [&pair.client, &pair.server] {
        assert_eq!(side.tls.early_data(), EarlyData::Rejected, "{row}");
        assert_eq!(side.tls.summary().unwrap().resumed(), resumed, "{row}");
    }
    assert!(
        matches!(pair.client.seal_early(b"x"), Err(Error::Misuse(_))),
        "{row}"
    );
    // It is not sent again by itself (rfc9846#4.3.10-12).
    assert!(pair.server.data.is_empty(), "{row}");
    let records = pair.client.seal(b"again").unwrap();
    pair.server.input(&records).unwrap();
    assert_eq!(pair.server.data, b"again", "{row}");
}

#[test]
fn whatever_has_changed_rejects_early_data_alone() {
    type Change = fn(&Sides, ServerConfigBuilder) -> ServerConfigBuilder;
    let rows: [(&str, Change, bool); 9] = [
        ("the protocol", |_, server| server.alpn(&[b"other"]), true),
        (
            "no protocol",
            |sides, _| {
                ServerConfig::new(credential(&sides.pki.leaf(NAME)))
                    .tickets(sides.tickets.clone())
                    .early_data(MOST, sides.register.clone())
            },
            true,
        ),
        (
            "the suite",
            |_, server| server.suites(&[CipherSuite::ChaCha20Poly1305Sha256]),
            true,
        ),
        (
            "the hash",
            |_, server| server.suites(&[CipherSuite::Aes256GcmSha384]),
            false,
        ),
        (
            "the settings",
            |_, server| server.early_data_settings(b"others"),
            true,
        ),
        (
            "less early data",
            |sides, server| server.early_data(MOST - 1, sides.register.clone()),
            true,
        ),
        ("the scope", |_, server| server.ticket_scope("other"), false),
        (
            "client authentication",
            |sides, server| server.client_auth(ClientAuth::Optional(trust(&sides.pki))),
            false,
        ),
        (
            "a retry",
            |_, server| server.groups(&[Group::SecP384r1MlKem1024]),
            true,
        ),
    ];
    for (row, change, resumed) in rows {
        let sides = Sides::new();
        sides.meet();
        let server = change(&sides, sides.server());
        rejected(row, &mut sides.pair(sides.client(), server), resumed);
    }
    // Nothing of all that: it is accepted.
    let sides = Sides::new();
    sides.meet_as(sides.client(), sides.server().early_data_settings(b"same"));
    let mut pair = sides.pair(sides.client(), sides.server().early_data_settings(b"same"));
    let (flight, _) = pair.client.seal_early(b"early").unwrap();
    pair.server.input(&flight).unwrap();
    assert_eq!(pair.server.early, b"early");
    // More early data than before is no reason.
    let more = sides.server().early_data(MOST + 1, sides.register.clone());
    let mut pair = sides.pair(sides.client(), more.early_data_settings(b"same"));
    let (flight, _) = pair.client.seal_early(b"early").unwrap();
    pair.server.input(&flight).unwrap();
    assert_eq!(pair.server.early, b"early");
}

/// A connection that is driven at a time of its own.
fn input_at(side: &mut Side, now: Now, bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let (mut bytes, mut early) = (bytes.to_vec(), Vec::new());
    loop {
        let consumed = match side.tls.receive(now, &mut bytes)? {
            Received::Handled { consumed } => consumed,
            Received::EarlyData { consumed, bytes } => {
                early.extend_from_slice(bytes);
                consumed
            }
            _ => return Ok(early),
        };
        bytes.drain(..consumed);
    }
}

#[test]
fn only_a_fresh_hello_brings_early_data() {
    let skew = EARLY_DATA_SKEW;
    let step = Duration::from_millis(1);
    for (row, now, fresh) in [
        ("at once", NOW, true),
        ("as late as may be", after(skew - step), true),
        ("later", after(skew), false),
        ("as early as may be", before(skew - step), true),
        ("earlier", before(skew), false),
    ] {
        let sides = Sides::new();
        sides.meet();
        let mut pair = sides.pair(sides.client(), sides.server());
        let (flight, _) = pair.client.seal_early(b"early").unwrap();
        let got = input_at(&mut pair.server, now, &flight).unwrap();
        assert_eq!(got == b"early", fresh, "{row}");
    }
}

/// rfc9846#8-2: the first of all copies, and no other, whichever server it comes to and in whatever order.
#[test]
fn a_flight_is_accepted_once_by_all_servers_that_share_a_register() {
    let sides = Sides::new();
    sides.meet();
    let servers = [(); 2].map(|()| sides.server().build().unwrap());
    let mut pair = sides.pair(sides.client(), sides.server());
    let (flight, _) = pair.client.seal_early(b"transfer").unwrap();
    let accepted = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for copy in 0..16 {
            let (servers, flight, accepted) = (&servers, &flight, &accepted);
            scope.spawn(move || {
                let mut server = Side::new(Connection::server(servers[copy % 2].clone()));
                server.input(flight).unwrap();
                let early = server.early.clone();
                assert_eq!(
                    server.tls.early_data() == EarlyData::Accepted,
                    !early.is_empty()
                );
                accepted.lock().unwrap().push(early);
            });
        }
    });
    let accepted = accepted.into_inner().unwrap();
    let seen = accepted.iter().filter(|early| *early == b"transfer");
    assert_eq!((accepted.len(), seen.count()), (16, 1));
    // And not later either, as long as a copy is fresh.
    let mut late = Side::new(Connection::server(servers[0].clone()));
    let got = input_at(
        &mut late,
        after(EARLY_DATA_SKEW - Duration::from_millis(1)),
        &flight,
    )
    .unwrap();
    assert!(got.is_empty());
}

#[test]
fn a_register_that_has_just_begun_accepts_nothing() {
    let sides = Sides {
        register: StrikeRegister::new(NOW),
        ..Sides::new()
    };
    sides.meet();
    rejected(
        "a new register",
        &mut sides.pair(sides.client(), sides.server()),
        true,
    );
}

/// What a fleet answers.
#[test]
fn the_application_may_say_which_hellos_came_before() {
    for first in [true, false] {
        let sides = Sides::new();
        let asking = || sides.server().early_data_asked(MOST);
        sides.meet_as(sides.client(), asking());
        let mut pair = sides.pair(sides.client(), asking());
        let (flight, _) = pair.client.seal_early(b"early").unwrap();
        let hello = pair_hello(&flight);
        pair.server.input(&flight[..hello]).unwrap();
        let question = pair.server.tls.question().unwrap().clone();
        let Topic::EarlyDataReplay { window, .. } = &question.topic else {
            panic!("another question: {question:?}");
        };
        assert_eq!(*window, 4 * EARLY_DATA_SKEW);
        assert_eq!(pair.server.tls.status().receive, Flow::Asking);
        let answer = Answer::early_data(&question, first);
        pair.server.tls.answer(answer, NOW).unwrap();
        pair.server.input(&flight[hello..]).unwrap();
        pair.run().unwrap();
        assert_eq!(pair.server.early == b"early", first);
        let want = if first {
            EarlyData::Accepted
        } else {
            EarlyData::Rejected
        };
        assert_eq!(early(&pair), [want; 2]);
    }
}

/// The length of the first record.
fn pair_hello(flight: &[u8]) -> usize {
    5 + usize::from(u16::from_be_bytes([flight[3], flight[4]]))
}

#[test]
fn a_client_sends_what_the_ticket_allows_and_a_server_takes_no_more() {
    let sides = Sides::new();
    sides.meet();
    let mut pair = sides.pair(sides.client(), sides.server());
    let (flight, taken) = pair.client.seal_early(&[7; 1_001]).unwrap();
    assert_eq!(taken, 1_000);
    assert_eq!(pair.client.seal_early(b"x").unwrap().1, 0);
    pair.server.input(&flight).unwrap();
    assert_eq!(pair.server.early, [7; 1_000]);
    pair.run().unwrap();

    // A client whose ticket says more than the server believes.
    let mut duo = Scripted::new(&sides);
    let piece = duo.early_record(&[7; 1_001]);
    let error = duo.server.input(&piece).unwrap_err();
    assert_eq!(error, Fault::TooMuchEarlyData.into());
    assert_eq!(error.alert(), Some(AlertDescription::UNEXPECTED_MESSAGE));
}

/// A server that has accepted early data, and the early key of its client, with which a test seals what it likes.
struct Scripted {
    server: Side,
    secret: Vec<u8>,
    number: u64,
}

impl Scripted {
    fn new(sides: &Sides) -> Self {
        let mut engine = Engine::client(&sides.client().build().unwrap(), Carrier::Records);
        let hello = engine.take().remove(0).bytes;
        let secret = engine.secret(Level::EarlyData, Direction::Write).unwrap();
        let secret = secret.to_vec();
        let mut server = Side::new(Connection::server(sides.server().build().unwrap()));
        let length = u16::try_from(hello.len()).unwrap().to_be_bytes();
        let record = [&[22, 3, 1], &length[..], &hello].concat();
        server.input(&record).unwrap();
        assert_eq!(server.tls.early_data(), EarlyData::Accepted);
        Self {
            server,
            secret,
            number: 0,
        }
    }

    fn early_record(&mut self, content: &[u8]) -> Vec<u8> {
        self.record(23, content)
    }

    fn record(&mut self, inner: u8, content: &[u8]) -> Vec<u8> {
        use pith_crypto::hkdf::expand_label;
        use pith_crypto::{Aead, Hash, SealingKey, Secret};
        let secret = Secret::new(&self.secret).unwrap();
        let (mut key, mut iv) = ([0; 16], [0; 12]);
        expand_label(Hash::Sha256, &secret, "key", &[], &mut key).unwrap();
        expand_label(Hash::Sha256, &secret, "iv", &[], &mut iv).unwrap();
        let mut sealer = SealingKey::new(Aead::Aes128Gcm, &key, &iv).unwrap();
        for _ in 0..self.number {
            sealer.seal(&[], &[], &[], &mut [0; 16]).unwrap();
        }
        self.number += 1;
        let length = u16::try_from(content.len() + 17).unwrap().to_be_bytes();
        let header = [23, 3, 3, length[0], length[1]];
        let mut body = vec![0; content.len() + 17];
        sealer.seal(&header, content, &[inner], &mut body).unwrap();
        [&header[..], &body].concat()
    }
}

#[test]
fn the_end_of_early_data_stands_where_it_has_to() {
    let end = message(kind::END_OF_EARLY_DATA, &[]);
    let unexpected = |state, message| Fault::UnexpectedMessage { state, message };
    let rows: [(&str, Vec<u8>, Fault); 5] = [
        (
            "bytes behind the end, which belong to other keys",
            [&end[..], &[20]].concat(),
            Fault::MessageAcrossKeyChange,
        ),
        (
            "a Finished in its place",
            message(kind::FINISHED, &[0; 32]),
            unexpected("WAIT_EOED", MessageKind::Finished),
        ),
        (
            "an end that is not empty",
            message(kind::END_OF_EARLY_DATA, &[0]),
            Fault::Malformed {
                message: MessageKind::EndOfEarlyData,
            },
        ),
        (
            "a second hello",
            message(kind::CLIENT_HELLO, &[0; 40]),
            unexpected("WAIT_EOED", MessageKind::ClientHello),
        ),
        (
            "a key update",
            message(kind::KEY_UPDATE, &[0]),
            unexpected("WAIT_EOED", MessageKind::KeyUpdate),
        ),
    ];
    for (row, bytes, want) in rows {
        let sides = Sides::new();
        sides.meet();
        let mut peer = Scripted::new(&sides);
        let record = peer.early_record(b"early");
        peer.server.input(&record).unwrap();
        let record = peer.record(22, &bytes);
        assert_eq!(peer.server.input(&record), Err(want.into()), "{row}");
    }
    // A second end, and early data behind the first, come under keys that are gone.
    for (row, inner, content) in [("a second end", 22, &end[..]), ("late data", 23, b"late")] {
        let sides = Sides::new();
        sides.meet();
        let mut peer = Scripted::new(&sides);
        let record = peer.record(22, &end);
        peer.server.input(&record).unwrap();
        let record = peer.record(inner, content);
        let got = peer.server.input(&record);
        assert_eq!(got, Err(Fault::BadRecordMac.into()), "{row}");
    }
    // Where none was offered, and where it was rejected, there is no end of it.
    for offered in [false, true] {
        let sides = Sides::new();
        sides.meet();
        let client = sides.client().early_data(offered).build().unwrap();
        let server = sides.server().alpn(&[b"other"]).build().unwrap();
        let mut duo = Duo::records(&client, &server);
        let mut sent = Vec::new();
        let outcome = duo.run_with(|mut flight| {
            let client = flight.from == pith_tests::scripted::Role::Client;
            if client && flight.number == 1 {
                sent.extend(flight.pieces.iter().map(|piece| piece.bytes[0]));
                let level = flight.pieces[0].level;
                flight.pieces.insert(
                    0,
                    Piece {
                        level,
                        bytes: end.clone(),
                    },
                );
            }
            flight.pieces
        });
        assert!(!sent.contains(&kind::END_OF_EARLY_DATA));
        let want = unexpected("WAIT_FINISHED", MessageKind::EndOfEarlyData);
        let server = pith_tests::scripted::Role::Server;
        assert_eq!(outcome, Outcome::Failed(server, want.into()), "{offered}");
    }
}

/// rfc9846#4.3.10-10, rfc9846#4.3.10-11
#[test]
fn accepted_early_data_has_to_open() {
    let sides = Sides::new();
    sides.meet();
    let mut peer = Scripted::new(&sides);
    let mut record = peer.early_record(b"early");
    *record.last_mut().unwrap() ^= 1;
    let got = peer.server.input(&record);
    assert_eq!(got, Err(Fault::BadRecordMac.into()));
}

#[test]
fn a_server_skips_what_it_rejects_and_no_more() {
    let most = 100_000_usize;
    let limit = most + most / 8;
    for (own, limit) in [(1_000, SKIPPED_EARLY_DATA), (most, limit)] {
        for (over, want) in [(0, Ok(())), (1, Err(Error::from(Fault::TooMuchEarlyData)))] {
            let sides = Sides::new();
            sides.meet();
            let own = u32::try_from(own).unwrap();
            let server = sides.server().early_data(own, sides.register.clone());
            let mut pair = sides.pair(sides.client(), server.alpn(&[b"other"]));
            let hello = pair.client.output();
            pair.server.input(&hello).unwrap();
            let mut left = limit + over;
            let mut got = Ok(());
            while left > 0 && got.is_ok() {
                // No record is shorter than its header, tag and type.
                let length = if left > 8_100 { 8_000 } else { left };
                let mut record = vec![0x5a; length];
                let body = u16::try_from(length - 5).unwrap().to_be_bytes();
                record[..5].copy_from_slice(&[23, 3, 3, body[0], body[1]]);
                got = pair.server.input(&record);
                left -= length;
            }
            assert_eq!(got, want, "{own} {over}");
        }
    }
}

#[test]
fn a_client_believes_only_a_decision_that_fits() {
    let of_extension = |extension| Fault::UnsolicitedExtension {
        extension,
        message: MessageKind::EncryptedExtensions,
    };
    // (name, what the server's own configuration changes, whether it says accepted nevertheless, want)
    type Change = fn(ServerConfigBuilder) -> ServerConfigBuilder;
    let rows: [(&str, bool, Change, Fault); 4] = [
        (
            "another suite",
            true,
            |server| server.suites(&[CipherSuite::ChaCha20Poly1305Sha256]),
            Fault::EarlyDataKey,
        ),
        (
            "without the key",
            true,
            |server| server.ticket_scope("other"),
            Fault::EarlyDataKey,
        ),
        (
            "another protocol",
            true,
            |server| server.alpn(&[b"other"]),
            Fault::EarlyDataProtocol,
        ),
        (
            "nothing was offered",
            false,
            |server| server,
            of_extension(ExtensionType::EARLY_DATA),
        ),
    ];
    for (row, offered, change, want) in rows {
        let sides = Sides::new();
        sides.meet();
        let client = sides.client().early_data(offered).build().unwrap();
        let server = change(sides.server()).build().unwrap();
        let mut duo = Duo::records(&client, &server);
        let outcome = duo.run_with(|mut flight| {
            for piece in &mut flight.pieces {
                if piece.bytes[0] == kind::ENCRYPTED_EXTENSIONS {
                    let extensions = &piece.bytes[6..];
                    let block = [extensions, &[0, 42, 0, 0]].concat();
                    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
                    let body = [&length[..], &block].concat();
                    piece.bytes = message(kind::ENCRYPTED_EXTENSIONS, &body);
                }
            }
            flight.pieces
        });
        let client = pith_tests::scripted::Role::Client;
        assert_eq!(outcome, Outcome::Failed(client, want.into()), "{row}");
    }
    for fault in [Fault::EarlyDataKey, Fault::EarlyDataProtocol] {
        assert_eq!(fault.alert(), AlertDescription::ILLEGAL_PARAMETER);
    }
}

#[test]
fn a_server_that_requires_certificates_does_not_answer_early() {
    let sides = Sides::new();
    let identity = credential(&sides.pki.leaf("client.example"));
    let client = || sides.client().credential(identity.clone());
    let server = || {
        sides
            .server()
            .client_auth(ClientAuth::Required(trust(&sides.pki)))
    };
    sides.meet_as(client(), server());
    let mut pair = sides.pair(client(), server());
    let (flight, _) = pair.client.seal_early(b"early").unwrap();
    pair.server.input(&flight).unwrap();
    assert_eq!(pair.server.early, b"early");
    assert_eq!(pair.server.tls.status().send, Flow::Handshaking);
    assert!(matches!(pair.server.seal(b"answer"), Err(Error::Misuse(_))));
    pair.run().unwrap();
    assert_eq!(early(&pair), [EarlyData::Accepted; 2]);
    assert!(pair.server.seal(b"answer").is_ok());
}

#[test]
fn what_was_settled_before_is_remembered_for_early_data() {
    let sides = Sides::new();
    let mut pair = sides.pair(sides.client(), sides.server());
    assert!(pair.client.tls.remember(b"too early").is_err());
    // The tickets come behind the handshake, in a flight that is not delivered yet.
    let hello = pair.client.output();
    pair.server.input(&hello).unwrap();
    let flight = pair.server.output();
    pair.client.input(&flight).unwrap();
    assert!(pair.client.tls.remember(&[0; 1_025]).is_err());
    pair.client.tls.remember(b"settings").unwrap();
    pair.run().unwrap();
    let pair = sides.pair(sides.client(), sides.server());
    assert_eq!(pair.client.tls.remembered(), Some(&b"settings"[..]));
}

#[test]
fn quic_orders_its_keys_as_its_packets_need_them() {
    let sides = Sides::new();
    let (client, server) = (
        sides.client().build().unwrap(),
        sides.server().build().unwrap(),
    );
    let run = |accepts| {
        let mut duo = Duo::quic(&client, &server);
        duo.server.takes_early = accepts;
        assert_eq!(duo.run(), Outcome::Complete);
        duo.client.tls.remember_carrier("limits".into()).unwrap();
        duo
    };
    // The tickets of the first connection bring nothing of the carrier, those of the second do.
    run(true);
    let duo = run(true);
    let keys = |events: &[Event]| -> Vec<(Level, Direction)> {
        let keys = events.iter().filter_map(|event| match event {
            Event::Keys(level, direction) => Some((*level, *direction)),
            _ => None,
        });
        keys.collect()
    };
    let [early, handshake, application] = [Level::EarlyData, Level::Handshake, Level::Application];
    let (read, write) = (Direction::Read, Direction::Write);
    assert_eq!(
        keys(&duo.client.events),
        [
            (early, write),
            (handshake, write),
            (handshake, read),
            (application, write),
            (application, read)
        ]
    );
    assert_eq!(
        keys(&duo.server.events),
        [
            (early, read),
            (handshake, write),
            (handshake, read),
            (application, write),
            (application, read)
        ]
    );
    assert!(duo.client.events.contains(&Event::OfferEarlyData(u32::MAX)));
    let ended = duo
        .client
        .events
        .iter()
        .any(|event| matches!(event, Event::Send(_, 5)));
    assert!(!ended, "no EndOfEarlyData");
    assert_eq!(
        duo.client.secret(early, write),
        duo.server.secret(early, read)
    );
    for summary in [&duo.client.summary, &duo.server.summary] {
        assert_eq!(summary.as_ref().unwrap().early_data, EarlyData::Accepted);
    }
    // What the carrier does not take any more.
    let duo = run(false);
    for summary in [&duo.client.summary, &duo.server.summary] {
        assert_eq!(summary.as_ref().unwrap().early_data, EarlyData::Rejected);
    }
}

#[test]
fn a_ticket_of_quic_has_no_limit_of_early_data() {
    for (most, want) in [
        (0, Some(Fault::EarlyDataInQuic)),
        (1_000, Some(Fault::EarlyDataInQuic)),
        (u32::MAX, None),
    ] {
        let sides = Sides::new();
        let server = sides.server().tickets(Tickets::none()).build().unwrap();
        let mut duo = Duo::quic(&sides.client().build().unwrap(), &server);
        assert_eq!(duo.run(), Outcome::Complete);
        let mut body = vec![0, 0, 1, 0, 0, 0, 0, 0, 1, 7, 0, 1, 7, 0, 8, 0, 42, 0, 4];
        body.extend_from_slice(&u32::to_be_bytes(most));
        let ticket = message(kind::NEW_SESSION_TICKET, &body);
        let got = duo.client.read(Level::Application, &ticket).err();
        assert_eq!(got, want.map(Error::from), "{most}");
    }
    assert_eq!(
        Fault::EarlyDataInQuic.alert(),
        AlertDescription::ILLEGAL_PARAMETER
    );
}

/// An observer that notes why early data was rejected.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Observer for Notes {
    fn event(&self, event: &pith_tls::Event<'_>) {
        if matches!(event, pith_tls::Event::EarlyDataRejected(_)) {
            self.0.lock().unwrap().push(event.to_string());
        }
    }
}

#[test]
fn an_observer_is_told_why_early_data_is_rejected() {
    type Change = fn(&Sides, ServerConfigBuilder) -> ServerConfigBuilder;
    let rows: [(&str, Change, bool); 5] = [
        (
            "the application protocol is another",
            |_, server| server.alpn(&[b"other"]),
            true,
        ),
        (
            "the register of hellos is full",
            |_, server| {
                server.early_data(
                    MOST,
                    StrikeRegister::with_capacity(0, before(Duration::from_secs(60))),
                )
            },
            true,
        ),
        (
            "no ticket that this server takes comes first",
            |_, server| server.ticket_scope("other"),
            false,
        ),
        (
            "a HelloRetryRequest is needed",
            |_, server| server.groups(&[Group::SecP384r1MlKem1024]),
            true,
        ),
        (
            "early data is not taken",
            |sides, _| {
                ServerConfig::new(credential(&sides.pki.leaf(NAME)))
                    .tickets(sides.tickets.clone())
                    .alpn(&[b"test"])
            },
            true,
        ),
    ];
    for (why, change, resumed) in rows {
        let sides = Sides::new();
        sides.meet();
        let notes = Arc::new(Notes::default());
        let server = change(&sides, sides.server()).observer(notes.clone());
        rejected(why, &mut sides.pair(sides.client(), server), resumed);
        let want = format!("early data rejected: {why}");
        assert_eq!(*notes.0.lock().unwrap(), [want]);
    }
}

/// rfc8449#4-5: a client sends early data before it can know the limit.
#[test]
fn a_servers_record_limit_does_not_bind_early_data() {
    for accept in [true, false] {
        let sides = Sides::new();
        sides.meet_as(
            sides.client().record_size_limit(16_385),
            sides.server().record_size_limit(500),
        );
        let server = sides.server().record_size_limit(500);
        let server = if accept {
            server
        } else {
            server.alpn(&[b"other"])
        };
        let mut pair = sides.pair(sides.client().record_size_limit(16_385), server);
        let (flight, _) = pair.client.seal_early(&[7; 900]).unwrap();
        let got = pair.server.input(&flight);
        assert_eq!(got, Ok(()), "accept {accept}");
        assert_eq!(pair.server.early.len(), if accept { 900 } else { 0 });
        pair.run().unwrap();
    }
}

#[test]
fn a_late_answer_rejects_early_data() {
    let sides = Sides::new();
    let asking = || sides.server().early_data_asked(MOST);
    sides.meet_as(sides.client(), asking());
    let mut pair = sides.pair(sides.client(), asking());
    let (flight, _) = pair.client.seal_early(b"early").unwrap();
    let hello = pair_hello(&flight);
    pair.server.input(&flight[..hello]).unwrap();
    let question = pair.server.tls.question().unwrap().clone();
    let answer = Answer::early_data(&question, true);
    let late = after(EARLY_DATA_SKEW);
    pair.server.tls.answer(answer, late).unwrap();
    assert_eq!(pair.server.tls.early_data(), EarlyData::Rejected);
}
