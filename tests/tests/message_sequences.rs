//! Every sequence of up to seven well-formed handshake messages, sent to a client and to a server: depth first, and a message that is refused ends its
//! branch. What is accepted up to the end of the handshake is the golden file `message_sequences.tsv`; behind it nothing is but what may follow.
//!
//! Messages are those of a peer who knows what was said so far: a CertificateVerify signs it and a Finished covers it, whatever came before, so that order alone decides.
//! Each sequence is played from the start against an engine without records, under the keys of its time.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use pith_crypto::SigningKey;
use pith_tests::engine::{Engine, Event, Role, quic, quic_server};
use pith_tests::message::{
    Extensions, Hello, certificate, certificate_request, certificate_verify, codes,
    encrypted_extensions, is_retry, kind, message, ticket, vec8, vec16, vec24,
};
use pith_tests::pair::{NAME, NOW, credential, trust};
use pith_tests::pki::{Identity, Kind, Pki};
use pith_tests::script::{ScriptedClient, ScriptedServer, entries};
use pith_tls::{
    Carrier, ClientAuth, ClientConfig, Direction, Group, Level, Now, ServerConfig, Session,
    SessionKey, SessionStore, StrikeRegister, Tickets,
};

/// The longest sequence.
const LENGTH: usize = 7;

/// What a server may say. Names of HelloRetryRequest and ServerHello say what is in them.
const OF_SERVERS: [&str; 20] = [
    "ServerHello",
    "ServerHello+psk",
    "Retry(group)",
    "Retry(cookie)",
    "EncryptedExtensions",
    "EncryptedExtensions+early",
    "CertificateRequest",
    "Certificate",
    "Certificate(empty)",
    "CompressedCertificate",
    "CertificateVerify",
    "Finished",
    "NewSessionTicket",
    "KeyUpdate",
    "KeyUpdate(request)",
    "EndOfEarlyData",
    "ClientHello",
    "hello_request",
    "message_hash",
    "unknown",
];

/// What a client may say.
const OF_CLIENTS: [&str; 20] = [
    "ClientHello",
    "ClientHello(no share)",
    "ClientHello(no share)+psk",
    "ClientHello+psk",
    "ClientHello+psk+early",
    "EndOfEarlyData",
    "Certificate",
    "Certificate(empty)",
    "CompressedCertificate",
    "CertificateVerify",
    "Finished",
    "KeyUpdate",
    "KeyUpdate(request)",
    "NewSessionTicket",
    "ServerHello",
    "EncryptedExtensions",
    "CertificateRequest",
    "hello_request",
    "message_hash",
    "unknown",
];

/// What both sides of these handshakes are made of.
struct World {
    pki: Pki,
    identity: Identity,
    key: SigningKey,
}

impl World {
    fn new() -> Self {
        let pki = Pki::with(Kind::Ed25519, 0);
        let identity = pki.leaf_with(Kind::Ed25519, &[NAME], |_| ());
        let key = SigningKey::from_der(&identity.key).unwrap();
        Self { pki, identity, key }
    }

    fn compressed(&self) -> Vec<u8> {
        let plain = certificate(&[], &entries(&self.identity));
        let packed = miniz_oxide::deflate::compress_to_vec_zlib(&plain[4..], 6);
        let length = vec24(&plain[4..]);
        let body = [&codes(&[1])[..], &length[..3], &vec24(&packed)].concat();
        message(kind::COMPRESSED_CERTIFICATE, &body)
    }

    fn sign(&self, content: &[u8]) -> Vec<u8> {
        let scheme = self.key.schemes()[0];
        certificate_verify(scheme.0, &self.key.sign(scheme, content).unwrap())
    }
}

/// Which handshakes there are besides the carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    /// Certificates alone.
    Plain,
    /// A server that asks for a certificate and goes on without one.
    Optional,
    /// A server that asks for a certificate and must have one.
    Required,
    /// A client with a ticket, and early data where its peer takes it.
    Ticket,
}

fn carrier(role: Role, over_quic: bool) -> Carrier {
    match (over_quic, role) {
        (false, _) => Carrier::Records,
        (true, Role::Client) => quic(b"client's"),
        (true, Role::Server) => quic_server(),
    }
}

/// The level at which an engine reads.
fn level(engine: &Engine) -> Level {
    let read = |event: &&Event| matches!(event, Event::Keys(_, Direction::Read));
    match engine.events.iter().rev().find(read) {
        Some(Event::Keys(level, _)) => *level,
        _ => Level::Initial,
    }
}

/// A ticket and the key that goes with it: what a client keeps, and what a server gave.
#[derive(Default)]
struct Met {
    session: Vec<u8>,
    ticket: Vec<u8>,
    age: u32,
    key: Vec<u8>,
}

const KEY: [u8; 32] = [6; 32];

/// Plays sequences against one role under one configuration.
trait Play {
    /// From the start: whether all of it was accepted, and whether the handshake is complete then.
    fn play(&self, sequence: &[&'static str]) -> (bool, bool);
}

/// A client under test.
struct AgainstClient<'a> {
    world: &'a World,
    over_quic: bool,
    config: Arc<ClientConfig>,
    store: SessionStore,
    met: Met,
}

impl<'a> AgainstClient<'a> {
    fn new(world: &'a World, course: Course, over_quic: bool) -> Self {
        let store = SessionStore::new();
        let config = ClientConfig::new(trust(&world.pki))
            .groups(&[Group::X25519, Group::Secp256r1])
            .alpn(&[b"test"])
            .sessions(store.clone())
            .early_data(true)
            .build();
        let mut play = Self {
            world,
            over_quic,
            config: config.unwrap(),
            store,
            met: Met::default(),
        };
        if course == Course::Ticket {
            play.meet();
        }
        play
    }

    /// The client gets a ticket.
    fn meet(&mut self) {
        let honest = [
            "ServerHello",
            "EncryptedExtensions",
            "Certificate",
            "CertificateVerify",
            "Finished",
        ];
        let mut run = ClientRun::new(self);
        for name in honest {
            assert!(run.say(name), "{name}");
        }
        let limit = if self.over_quic { u32::MAX } else { 1000 };
        let early = Extensions(vec![(42, limit.to_be_bytes().to_vec())]);
        let key = run.script.schedule.resumption(b"n");
        let ticket = ticket(&early);
        run.engine.read(Level::Application, &ticket).unwrap();
        let session = self.store.drain().pop().unwrap();
        self.met = Met {
            session: session.seal(&SessionKey::new(&KEY)).unwrap(),
            key,
            ..Met::default()
        };
    }
}

struct ClientRun<'a> {
    play: &'a AgainstClient<'a>,
    engine: Engine,
    script: ScriptedServer,
}

impl<'a> ClientRun<'a> {
    fn new(play: &'a AgainstClient<'a>) -> Self {
        // A ticket is used once, so each run gets its own; those of the run before are gone.
        drop(play.store.drain());
        if !play.met.session.is_empty() {
            let session = Session::open(&SessionKey::new(&KEY), &play.met.session);
            play.store.insert(session.unwrap());
        }
        let mut engine = Engine::client(&play.config, carrier(Role::Client, play.over_quic));
        let hello = engine.take().remove(0).bytes;
        Self {
            play,
            engine,
            script: ScriptedServer::new(&hello, 0x1301),
        }
    }

    fn extensions(&self, early: bool) -> Vec<u8> {
        let mut extensions = Extensions::default();
        extensions.push(16, vec16(&vec8(b"test")));
        if self.play.over_quic {
            extensions.push(57, *b"server's");
        }
        if early {
            extensions.push(42, []);
        }
        encrypted_extensions(&extensions)
    }

    fn message(&mut self, name: &str) -> Vec<u8> {
        let world = self.play.world;
        let script = &mut self.script;
        match name {
            "ServerHello" | "ServerHello+psk" => {
                let mut hello = script.hello();
                let key = &self.play.met.key;
                script.schedule.set_psk(None);
                if name == "ServerHello+psk" {
                    hello.extensions.push(41, [0, 0]);
                    script
                        .schedule
                        .set_psk(Some(key).filter(|key| !key.is_empty()).map(|key| &key[..]));
                }
                script.send_hello(&hello)
            }
            "Retry(group)" => {
                let retry = script.retry(&[(51, vec![0, 23])]);
                script.send_hello(&retry)
            }
            "Retry(cookie)" => {
                let retry = script.retry(&[(44, vec16(b"cookie"))]);
                script.send_hello(&retry)
            }
            "EncryptedExtensions" => {
                let message = self.extensions(false);
                self.script.send(message)
            }
            "EncryptedExtensions+early" => {
                let message = self.extensions(true);
                self.script.send(message)
            }
            "CertificateRequest" => {
                let schemes = Extensions(vec![(13, vec16(&codes(&[0x0807])))]);
                script.send(certificate_request(&[], &schemes))
            }
            "Certificate" => script.certificate(&world.identity),
            "Certificate(empty)" => script.send(certificate(&[], &[])),
            "CompressedCertificate" => script.send(world.compressed()),
            "CertificateVerify" => {
                let message = world.sign(&script.schedule.content());
                script.send(message)
            }
            "Finished" => script.finished(),
            "ClientHello" => {
                let hello = script.client.encode();
                script.send(hello)
            }
            other => script.send(either(other)),
        }
    }

    /// Whether it was accepted. Then the client's answer is taken.
    fn say(&mut self, name: &str) -> bool {
        let at = level(&self.engine);
        let message = self.message(name);
        if self.engine.read(at, &message).is_err() {
            return false;
        }
        let answer: Vec<_> = self
            .engine
            .take()
            .into_iter()
            .map(|piece| piece.bytes)
            .collect();
        if name.starts_with("Retry") {
            self.script.second(&answer[0]);
        }
        if name == "Finished" {
            assert!(self.script.accepts(&answer), "the client's Finished");
            self.script.send(answer.last().unwrap().clone());
        }
        true
    }
}

impl Play for AgainstClient<'_> {
    fn play(&self, sequence: &[&'static str]) -> (bool, bool) {
        let mut run = ClientRun::new(self);
        let accepted = sequence.iter().all(|name| run.say(name));
        (accepted, run.engine.tls.is_complete())
    }
}

/// A server under test.
struct AgainstServer<'a> {
    world: &'a World,
    over_quic: bool,
    config: Arc<ServerConfig>,
    met: Met,
}

impl<'a> AgainstServer<'a> {
    fn new(world: &'a World, course: Course, over_quic: bool) -> Self {
        let auth = match course {
            Course::Optional => ClientAuth::Optional(trust(&world.pki)),
            Course::Required => ClientAuth::Required(trust(&world.pki)),
            Course::Plain | Course::Ticket => ClientAuth::None,
        };
        let before = Now {
            unix: NOW.unix - Duration::from_secs(100),
            ..NOW
        };
        let config = ServerConfig::new(credential(&world.identity))
            .groups(&[Group::X25519])
            .alpn(&[b"test"])
            .client_auth(auth)
            .tickets(Tickets::rotating())
            .early_data(1000, StrikeRegister::new(before))
            .build();
        let mut play = Self {
            world,
            over_quic,
            config: config.unwrap(),
            met: Met::default(),
        };
        if course == Course::Ticket {
            play.meet();
        }
        play
    }

    fn meet(&mut self) {
        let mut run = ServerRun::new(self);
        for name in ["ClientHello", "Finished"] {
            assert!(run.say(name), "{name}");
        }
        let ticket = run.tickets.pop().unwrap();
        let (nonce, rest) = ticket[13..].split_at(usize::from(ticket[12]));
        let schedule = run.script.schedule.as_ref().unwrap();
        let length = usize::from(rest[0]) << 8 | usize::from(rest[1]);
        self.met = Met {
            key: schedule.resumption(nonce),
            ticket: rest[2..2 + length].to_vec(),
            age: u32::from_be_bytes(ticket[8..12].try_into().unwrap()),
            ..Met::default()
        };
    }
}

struct ServerRun<'a> {
    play: &'a AgainstServer<'a>,
    engine: Engine,
    script: ScriptedClient,
    tickets: Vec<Vec<u8>>,
}

impl<'a> ServerRun<'a> {
    fn new(play: &'a AgainstServer<'a>) -> Self {
        let mut engine = Engine::server(&play.config, carrier(Role::Server, play.over_quic));
        engine.takes_early = true;
        let mut script = ScriptedClient::new(&[Group::X25519]);
        script.hello.session_id = Vec::new();
        script.hello.suites = vec![0x1301];
        let extensions = &mut script.hello.extensions;
        extensions.set(13, vec16(&codes(&[0x0807])));
        extensions.push(16, vec16(&vec8(b"test")));
        extensions.push(27, vec8(&codes(&[1])));
        extensions.push(45, vec8(&[1]));
        if play.over_quic {
            extensions.push(57, *b"client's");
        }
        Self {
            play,
            engine,
            script,
            tickets: Vec::new(),
        }
    }

    fn add(&mut self, message: Vec<u8>) -> Vec<u8> {
        if let Some(schedule) = &mut self.script.schedule {
            schedule.add(message.clone());
        }
        message
    }

    fn message(&mut self, name: &str) -> Vec<u8> {
        let world = self.play.world;
        let met = &self.play.met;
        // A ticket that no server gave, where there is none.
        let (ticket, key) = match &met.ticket[..] {
            [] => (&[9; 60][..], &[9; 32][..]),
            ticket => (ticket, &met.key[..]),
        };
        let script = &mut self.script;
        if name.starts_with("ClientHello") {
            let extensions = &mut script.hello.extensions.0;
            extensions.retain(|(code, _)| ![41, 42].contains(code));
        }
        let schedule = script.schedule.as_ref();
        match name {
            "ClientHello" => script.send(),
            "ClientHello(no share)" | "ClientHello(no share)+psk" => {
                let shares = script.hello.shares();
                script.hello.set_shares(&[]);
                let hello = match name {
                    "ClientHello(no share)" => script.send(),
                    _ => script.send_ticket(ticket, met.age, key),
                };
                script.hello.set_shares(&shares);
                hello
            }
            "ClientHello+psk" => script.send_ticket(ticket, met.age, key),
            "ClientHello+psk+early" => script.send_early(ticket, met.age, key).0,
            "Certificate" => self.add(certificate(&[], &entries(&world.identity))),
            "Certificate(empty)" => self.add(certificate(&[], &[])),
            "CompressedCertificate" => self.add(world.compressed()),
            "CertificateVerify" => {
                let content = schedule.map_or(vec![0; 130], |schedule| schedule.client_content());
                let message = world.sign(&content);
                self.add(message)
            }
            "Finished" => {
                let zeros = || message(kind::FINISHED, &[0; 32]);
                let message = schedule.map_or_else(zeros, |schedule| schedule.finished(false));
                self.add(message)
            }
            "ServerHello" => {
                let hello = Hello {
                    kind: kind::SERVER_HELLO,
                    suites: vec![0x1301],
                    compression: vec![0],
                    extensions: Extensions(vec![(43, vec![3, 4])]),
                    ..script.hello.clone()
                };
                hello.encode()
            }
            "EncryptedExtensions" => encrypted_extensions(&Extensions::default()),
            "CertificateRequest" => {
                let schemes = Extensions(vec![(13, vec16(&codes(&[0x0807])))]);
                certificate_request(&[], &schemes)
            }
            "EndOfEarlyData" => self.add(either(name)),
            other => either(other),
        }
    }

    fn say(&mut self, name: &str) -> bool {
        let at = level(&self.engine);
        let message = self.message(name);
        if self.engine.read(at, &message).is_err() {
            return false;
        }
        let answer: Vec<_> = self
            .engine
            .take()
            .into_iter()
            .map(|piece| piece.bytes)
            .collect();
        match name {
            "Finished" => self.tickets = answer,
            _ if name.starts_with("ClientHello") => self.heard(&answer),
            _ => {}
        }
        true
    }

    /// Takes the server's hello, of whatever kind, and all that follows it. Its Finished has to fit.
    fn heard(&mut self, answer: &[Vec<u8>]) {
        let last = kind::FINISHED;
        if is_retry(&answer[0]) {
            self.script.retry(&answer[0]);
        } else {
            self.script.begin(&answer[0]);
            assert_eq!(answer.last().unwrap()[0], last);
            self.script.end(&answer[1..]);
        }
    }
}

impl Play for AgainstServer<'_> {
    fn play(&self, sequence: &[&'static str]) -> (bool, bool) {
        let mut run = ServerRun::new(self);
        let accepted = sequence.iter().all(|name| run.say(name));
        (accepted, run.engine.tls.is_complete())
    }
}

/// Messages that are the same whoever sends them.
fn either(name: &str) -> Vec<u8> {
    match name {
        "NewSessionTicket" => ticket(&Extensions::default()),
        "KeyUpdate" => message(kind::KEY_UPDATE, &[0]),
        "KeyUpdate(request)" => message(kind::KEY_UPDATE, &[1]),
        "EndOfEarlyData" => message(kind::END_OF_EARLY_DATA, &[]),
        "hello_request" => message(0, &[]),
        "message_hash" => message(kind::MESSAGE_HASH, &[7; 32]),
        "unknown" => message(99, &[]),
        other => panic!("{other}"),
    }
}

/// What was found under one configuration.
#[derive(Default)]
struct Found {
    tried: usize,
    /// Accepted sequences up to the end of the handshake, and whether that is reached.
    accepted: Vec<(Vec<&'static str>, bool)>,
    /// How often each message was accepted after that end.
    behind: Vec<(&'static str, usize)>,
}

fn search(
    play: &dyn Play,
    alphabet: &[&'static str],
    prefix: &mut Vec<&'static str>,
    complete: bool,
    found: &mut Found,
) {
    if prefix.len() == LENGTH {
        return;
    }
    for name in alphabet {
        prefix.push(name);
        found.tried += 1;
        let (accepted, now) = play.play(prefix);
        if accepted {
            if complete {
                match found.behind.iter_mut().find(|(found, _)| found == name) {
                    Some((_, count)) => *count += 1,
                    None => found.behind.push((name, 1)),
                }
            } else {
                found.accepted.push((prefix.clone(), now));
            }
            search(play, alphabet, prefix, now, found);
        }
        prefix.pop();
    }
}

/// The lines of one configuration, and how many sequences were tried.
fn lines(world: &World, role: Role, over_quic: bool, course: Course) -> (String, usize) {
    let mut found = Found::default();
    let (play, alphabet): (Box<dyn Play>, &[&str]) = match role {
        Role::Client => {
            let play = AgainstClient::new(world, course, over_quic);
            (Box::new(play), &OF_SERVERS)
        }
        Role::Server => {
            let play = AgainstServer::new(world, course, over_quic);
            (Box::new(play), &OF_CLIENTS)
        }
    };
    search(&*play, alphabet, &mut Vec::new(), false, &mut found);
    let carrier = if over_quic { "QUIC" } else { "records" };
    let head = format!("{role:?}\t{carrier}\t{course:?}");
    let mut lines = String::new();
    for (sequence, complete) in found.accepted {
        // Whatever the file says: who ends a handshake has shown who he is, where he has to.
        let signed = sequence.contains(&"CertificateVerify");
        let has_to = match role {
            Role::Client => !sequence.contains(&"ServerHello+psk"),
            Role::Server => course == Course::Required,
        };
        let ends = sequence.last() == Some(&"Finished");
        assert_eq!(complete, ends, "{head} {sequence:?}");
        assert!(!complete || signed || !has_to, "{head} {sequence:?}");
        let then = if complete { "complete" } else { "waits" };
        writeln!(lines, "{head}\t{}\t{then}", sequence.join(" ")).unwrap();
    }
    for (name, count) in found.behind {
        let line = format!("{head}\tbehind the end, {count} times: {name}\tcomplete");
        writeln!(lines, "{line}").unwrap();
    }
    (lines, found.tried)
}

#[test]
fn only_the_legal_sequences_of_messages_are_accepted() {
    let world = World::new();
    let mut rows = Vec::new();
    for over_quic in [false, true] {
        for course in [Course::Plain, Course::Ticket] {
            rows.push((Role::Client, over_quic, course));
        }
        for course in [
            Course::Plain,
            Course::Optional,
            Course::Required,
            Course::Ticket,
        ] {
            rows.push((Role::Server, over_quic, course));
        }
    }
    let mut all = String::from("# role\tcarrier\tcourse\taccepted\tthen\n");
    let mut tried = 0;
    std::thread::scope(|scope| {
        let world = &world;
        let runs = rows.into_iter().map(|(role, over_quic, course)| {
            scope.spawn(move || lines(world, role, over_quic, course))
        });
        for run in runs.collect::<Vec<_>>() {
            let (lines, count) = run.join().unwrap();
            all.push_str(&lines);
            tried += count;
        }
    });
    assert!(tried > 19_000, "{tried} sequences");
    let golden = include_str!("message_sequences.tsv");
    assert!(
        all == golden,
        "{tried} sequences were tried; the file should hold:\n{all}"
    );
}
