//! A peer that a test scripts record by record, against a real connection.
//!
//! [`RawPeer`] has an honest handshake engine for a brain, and frames and seals by itself, under keys that it derives from
//! the engine's traffic secrets. So a test can send any record at any time under the right keys (or wrong ones), hold back,
//! alter, drop or swap what the engine wants sent, and read what the connection under test puts on the wire, its alert
//! included. [`Bench`] joins one with the connection under test, which may be the client or the server, and brings both to
//! any [`Stage`] of the handshake. [`Bench::fails`] holds what is true after every fault.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::collections::VecDeque;
use std::sync::{Arc, Once, OnceLock};
use std::time::Duration;

use pith_crypto::hkdf::{derive_secret, expand_label};
use pith_crypto::{Aead, OpeningKey, SealingKey, Secret};
use pith_tls::{
    Carrier, CipherSuite, ClientAuth, ClientConfig, Connection, Direction, Error, Flow, Group,
    Handshake, Level, Now, Output, ServerConfig, SessionStore, StrikeRegister, TrafficSecret,
};

use crate::pair::{NAME, NOW, Pair, Side, credential, name, trust};
use crate::pki::Pki;

/// Content types.
pub const CHANGE_CIPHER_SPEC: u8 = 20;
/// An alert.
pub const ALERT: u8 = 21;
/// Handshake bytes.
pub const HANDSHAKE: u8 = 22;
/// Application data, and the outer type of all protected records.
pub const DATA: u8 = 23;

/// A KeyUpdate that asks for one in return.
pub const KEY_UPDATE_REQUEST: [u8; 5] = [24, 0, 0, 1, 1];
/// A KeyUpdate that asks for nothing.
pub const KEY_UPDATE: [u8; 5] = [24, 0, 0, 1, 0];

/// The role of the connection under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It is the client; the scripted peer is the server.
    Client,
    /// It is the server.
    Server,
}

/// Which handshake it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// The shortest: the server takes a share that the client sent, and asks for no certificate.
    Straight,
    /// The server asks for another share.
    Retry,
    /// The server asks for a certificate, and the client has one.
    ClientAuth,
    /// The client has a ticket, which the server takes.
    Resumed,
    /// And it offers early data, which the server takes.
    Early,
}

/// A moment of a handshake.
#[derive(Debug, Clone, Copy)]
pub struct Stage {
    /// The role of the connection under test.
    pub role: Role,
    /// Which handshake it is.
    pub course: Course,
    /// Messages that the connection under test has received.
    pub messages: usize,
    /// The state of the connection under test, by its name in the RFC.
    pub state: &'static str,
}

impl Stage {
    /// Every state of both roles.
    pub const ALL: [Self; 14] = [
        Self::CLIENT_START,
        Self::CLIENT_RETRIED,
        Self::new(Role::Client, Course::Straight, 1, "WAIT_EE"),
        Self::new(Role::Client, Course::Straight, 2, "WAIT_CERT_CR"),
        Self::new(Role::Client, Course::ClientAuth, 3, "WAIT_CERT"),
        Self::new(Role::Client, Course::Straight, 3, "WAIT_CV"),
        Self::new(Role::Client, Course::Straight, 4, "WAIT_FINISHED"),
        Self::CLIENT_CONNECTED,
        Self::SERVER_START,
        Self::SERVER_RETRIED,
        Self::new(Role::Server, Course::ClientAuth, 1, "WAIT_CERT"),
        Self::new(Role::Server, Course::ClientAuth, 2, "WAIT_CV"),
        Self::new(Role::Server, Course::Straight, 1, "WAIT_FINISHED"),
        Self::SERVER_CONNECTED,
    ];
    /// A client that has sent its hello.
    pub const CLIENT_START: Self = Self::new(Role::Client, Course::Straight, 0, "WAIT_SH");
    /// A client that has sent its second hello.
    pub const CLIENT_RETRIED: Self =
        Self::new(Role::Client, Course::Retry, 1, "WAIT_SH after a retry");
    /// A client with a complete handshake.
    pub const CLIENT_CONNECTED: Self = Self::new(Role::Client, Course::Straight, 5, "CONNECTED");
    /// A server that has received nothing.
    pub const SERVER_START: Self = Self::new(Role::Server, Course::Straight, 0, "START");
    /// A server that has asked for another share.
    pub const SERVER_RETRIED: Self =
        Self::new(Role::Server, Course::Retry, 1, "START after a retry");
    /// A server with a complete handshake.
    pub const SERVER_CONNECTED: Self = Self::new(Role::Server, Course::Straight, 2, "CONNECTED");
    /// Both, for what is the same in both roles.
    pub const CONNECTED: [Self; 2] = [Self::CLIENT_CONNECTED, Self::SERVER_CONNECTED];

    const fn new(role: Role, course: Course, messages: usize, state: &'static str) -> Self {
        Self {
            role,
            course,
            messages,
            state,
        }
    }

    /// Whether the handshake is complete.
    pub fn is_connected(&self) -> bool {
        self.state == "CONNECTED"
    }

    /// Whether what the connection under test receives is protected.
    pub fn is_protected(&self) -> bool {
        self.messages > usize::from(self.course == Course::Retry)
    }

    /// Whether the peer's certificates may come next.
    pub fn expects_certificate(&self) -> bool {
        ["WAIT_CERT_CR", "WAIT_CERT"].contains(&self.state)
    }
}

/// What the engine wants done on the sending side.
pub enum Step {
    /// Send this handshake message.
    Message(Vec<u8>),
    /// Send under this secret from now on.
    Keys(TrafficSecret),
    /// Send under the next generation of keys.
    Update,
}

/// A record that the connection under test sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The type in the header.
    pub outer: u8,
    /// The version in the header.
    pub version: [u8; 2],
    /// The type inside; the outer one where the record was plain.
    pub inner: u8,
    /// The content.
    pub content: Vec<u8>,
    /// Bytes of padding.
    pub padding: usize,
}

/// A scripted peer.
pub struct RawPeer {
    /// What the engine wants done, in order; a test may alter it. ChangeCipherSpec is left out: a test sends its own.
    pub steps: VecDeque<Step>,
    /// Every record that came.
    pub seen: Vec<Record>,
    /// How the engine failed, if it did.
    pub error: Option<Error>,
    engine: Handshake,
    sealing: Option<(Keys, SealingKey)>,
    opening: Option<(Keys, OpeningKey)>,
    level: Level,
    input: Vec<u8>,
}

/// A traffic secret that can go on to the next generation.
struct Keys {
    suite: CipherSuite,
    secret: Secret,
}

impl Keys {
    fn new(secret: &TrafficSecret) -> Self {
        Self {
            suite: secret.suite(),
            secret: Secret::new(secret.expose()).unwrap(),
        }
    }

    fn next(&self) -> Self {
        Self {
            suite: self.suite,
            secret: derive_secret(self.suite.hash(), &self.secret, "traffic upd", &[]).unwrap(),
        }
    }

    /// A key with its number at 0.
    fn key<K>(self, new: fn(Aead, &[u8], &[u8]) -> Result<K, pith_crypto::Error>) -> (Self, K) {
        let (hash, aead) = (self.suite.hash(), self.suite.aead());
        let (mut key, mut iv) = (vec![0; aead.key_len()], [0; 12]);
        expand_label(hash, &self.secret, "key", &[], &mut key).unwrap();
        expand_label(hash, &self.secret, "iv", &[], &mut iv).unwrap();
        let key = new(aead, &key, &iv).unwrap();
        (self, key)
    }
}

/// A record without protection.
pub fn plain(outer: u8, body: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&[outer, 3, 3, high, low], body].concat()
}

/// A handshake message of this type.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let [_, high, middle, low] = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind, high, middle, low], body].concat()
}

impl RawPeer {
    /// A scripted client.
    pub fn client(config: &Arc<ClientConfig>) -> Self {
        let engine = Handshake::client(config.clone(), name(), Carrier::Records, NOW).unwrap();
        Self::new(engine)
    }

    /// A scripted server.
    pub fn server(config: &Arc<ServerConfig>) -> Self {
        Self::new(Handshake::server(config.clone(), Carrier::Records))
    }

    fn new(engine: Handshake) -> Self {
        let mut peer = Self {
            steps: VecDeque::new(),
            seen: Vec::new(),
            error: None,
            engine,
            sealing: None,
            opening: None,
            level: Level::Initial,
            input: Vec::new(),
        };
        peer.drain();
        peer
    }

    /// Takes bytes that the connection under test sent.
    pub fn take(&mut self, wire: &[u8]) {
        self.input.extend_from_slice(wire);
        while self.input.len() >= 5 {
            let length = 5 + usize::from(u16::from_be_bytes([self.input[3], self.input[4]]));
            if self.input.len() < length {
                return;
            }
            let bytes: Vec<u8> = self.input.drain(..length).collect();
            let record = self.open(bytes);
            if record.inner == HANDSHAKE && self.error.is_none() {
                self.error = self.engine.read(self.level, &record.content, NOW).err();
                self.drain();
            }
            if record.inner == DATA {
                self.engine.saw_application_data();
            }
            self.seen.push(record);
        }
    }

    fn open(&mut self, mut bytes: Vec<u8>) -> Record {
        let (header, body) = bytes.split_at_mut(5);
        let (outer, version) = (header[0], [header[1], header[2]]);
        let (inner, content, padding) = match &mut self.opening {
            // A connection that fails before it has keys sends its alert plain.
            Some((_, key)) if outer == DATA => {
                #[cfg(pith_test)]
                skip_lost_numbers(key, header, body);
                let all = key.open(header, body).expect("what came does not open");
                let at = all.iter().rposition(|byte| *byte != 0).unwrap();
                (all[at], all[..at].to_vec(), all.len() - at - 1)
            }
            _ => (outer, body.to_vec(), 0),
        };
        Record {
            outer,
            version,
            inner,
            content,
            padding,
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.engine.next() {
            match output {
                Output::Send { mut bytes, .. } => {
                    while !bytes.is_empty() {
                        let length = u32::from_be_bytes([0, bytes[1], bytes[2], bytes[3]]);
                        let message = bytes.split_to(4 + usize::try_from(length).unwrap());
                        self.steps.push_back(Step::Message(message.to_vec()));
                    }
                }
                Output::Keys {
                    direction: Direction::Write,
                    secret,
                    ..
                } => self.steps.push_back(Step::Keys(secret)),
                Output::Keys { level, secret, .. } => {
                    self.level = level;
                    self.opening = Some(Keys::new(&secret).key(OpeningKey::new));
                }
                Output::UpdateKeys(Direction::Write) => self.steps.push_back(Step::Update),
                Output::UpdateKeys(Direction::Read) => {
                    let (keys, _) = self.opening.take().unwrap();
                    self.opening = Some(keys.next().key(OpeningKey::new));
                }
                Output::ChangeCipherSpec
                | Output::OfferEarlyData { .. }
                | Output::EarlyData { .. }
                | Output::Complete(_) => {}
                _ => panic!("an output that the scripted peer does not know"),
            }
        }
    }

    /// Obeys what the engine wants done before its next message.
    pub fn settle(&mut self) {
        while let Some(Step::Keys(_) | Step::Update) = self.steps.front() {
            match self.steps.pop_front() {
                Some(Step::Keys(secret)) => {
                    self.sealing = Some(Keys::new(&secret).key(SealingKey::new));
                }
                _ => self.update_sealing(),
            }
        }
    }

    /// The next message that the engine wants sent, under the keys that are in use then.
    pub fn next_message(&mut self) -> Option<Vec<u8>> {
        self.settle();
        match self.steps.pop_front()? {
            Step::Message(message) => Some(message),
            Step::Keys(_) | Step::Update => None,
        }
    }

    /// The next `count` messages of the engine, each in records of its own. Then the keys for what follows are in use.
    pub fn honest(&mut self, count: usize) -> Vec<u8> {
        let mut wire = Vec::new();
        for _ in 0..count {
            let message = self.next_message().expect("the engine has a message");
            for fragment in message.chunks(1 << 14) {
                wire.extend(self.record(HANDSHAKE, fragment));
            }
        }
        self.settle();
        wire
    }

    /// A record under the keys in use.
    pub fn record(&mut self, inner: u8, content: &[u8]) -> Vec<u8> {
        self.padded(inner, content, 0)
    }

    /// A record with so many bytes of padding. Without keys it is plain.
    pub fn padded(&mut self, inner: u8, content: &[u8], padding: usize) -> Vec<u8> {
        if self.sealing.is_none() {
            assert_eq!(padding, 0, "a plain record has no padding");
            return plain(inner, content);
        }
        self.sealed(DATA, &[content, &[inner], &vec![0; padding]].concat())
    }

    /// A protected record of this outer type around `inner`, which has content, type and padding as the test wants them.
    pub fn sealed(&mut self, outer: u8, inner: &[u8]) -> Vec<u8> {
        let (_, key) = self.sealing.as_mut().expect("keys");
        let [high, low] = u16::try_from(inner.len() + 16).unwrap().to_be_bytes();
        let header = [outer, 3, 3, high, low];
        let mut body = vec![0; inner.len() + 16];
        key.seal(&header, inner, &[], &mut body).unwrap();
        [&header[..], &body].concat()
    }

    /// A KeyUpdate with these bytes, and the keys after it.
    pub fn key_update(&mut self, message: &[u8]) -> Vec<u8> {
        let wire = self.record(HANDSHAKE, message);
        self.update_sealing();
        wire
    }

    /// Goes on to the next keys without a word.
    pub fn update_sealing(&mut self) {
        let (keys, _) = self.sealing.take().expect("keys");
        self.sealing = Some(keys.next().key(SealingKey::new));
    }

    /// The contents of all records of this type that came.
    pub fn contents(&self, inner: u8) -> Vec<&[u8]> {
        let records = self.seen.iter().filter(|record| record.inner == inner);
        records.map(|record| &record.content[..]).collect()
    }
}

/// A connection under test and its scripted peer.
pub struct Bench {
    /// The connection under test.
    pub side: Side,
    /// The other end.
    pub peer: RawPeer,
}

impl Bench {
    /// The connection under test in this role, with default configurations.
    pub fn new(role: Role) -> Self {
        let (client, server) = configs(Course::Straight);
        Self::with(role, client, server)
    }

    /// The same with these configurations. A client's hello is at the peer already.
    pub fn with(role: Role, client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> Self {
        let (tls, peer) = match role {
            Role::Client => {
                let tls = Connection::client(client.clone(), name(), NOW).unwrap();
                (tls, RawPeer::server(server))
            }
            Role::Server => (Connection::server(server.clone()), RawPeer::client(client)),
        };
        let side = Side::new(tls);
        let mut bench = Self { side, peer };
        bench.flush();
        bench
    }

    /// A bench brought honestly to this stage.
    pub fn at(stage: Stage) -> Self {
        let (client, server) = configs(stage.course);
        let mut bench = Self::with(stage.role, client, server);
        for _ in 0..stage.messages {
            let wire = bench.peer.honest(1);
            bench.feed(&wire).expect("an honest handshake");
        }
        bench.peer.settle();
        bench
    }

    /// Brings the handshake honestly to its end.
    ///
    /// # Errors
    /// The error of the connection under test.
    pub fn finish(&mut self) -> Result<(), Error> {
        while !self.peer.steps.is_empty() {
            let message = matches!(self.peer.steps.front(), Some(Step::Message(_)));
            let wire = self.peer.honest(usize::from(message));
            self.feed(&wire)?;
        }
        Ok(())
    }

    /// Gives bytes to the connection under test, and what it has to send to the peer.
    ///
    /// # Errors
    /// The error of the connection under test; the peer has its alert then.
    pub fn feed(&mut self, wire: &[u8]) -> Result<(), Error> {
        let result = self.side.input(wire);
        self.flush();
        result
    }

    /// Gives the peer what the connection under test has to send.
    pub fn flush(&mut self) {
        let wire = self.side.output();
        self.peer.take(&wire);
    }

    /// Whether data gets through both ways.
    pub fn assert_works(&mut self, row: &str) {
        let before = self.side.data.len();
        let wire = self.peer.record(DATA, b"to the connection");
        assert_eq!(self.feed(&wire), Ok(()), "{row}");
        assert_eq!(&self.side.data[before..], b"to the connection", "{row}");
        let wire = self.side.seal(b"to the peer").unwrap();
        self.peer.take(&wire);
        let seen = self.peer.contents(DATA);
        assert_eq!(seen.last(), Some(&&b"to the peer"[..]), "{row}");
    }

    /// Gives bytes to the connection under test, which must fail with this error, and holds what is true after every error:
    /// its alert goes out once and is fatal, no more data comes out, and nothing is received or sent any more.
    pub fn fails(&mut self, row: &str, wire: &[u8], want: impl Into<Error>) {
        let (want, data) = (want.into(), self.side.data.len());
        let (alerts, closed) = (self.peer.contents(ALERT).len(), self.side.closed);
        assert_eq!(self.feed(wire), Err(want.clone()), "{row}");
        let alert: Vec<_> = want
            .alert()
            .map(|alert| vec![2, alert.0])
            .into_iter()
            .collect();
        assert_eq!(
            self.peer.contents(ALERT)[alerts..],
            alert,
            "{row}: the alert"
        );
        assert_eq!(self.side.data.len(), data, "{row}: data came out");
        self.is_over(row, &want);
        assert_eq!(self.side.closed, closed, "{row}: a failure is no close");
    }

    /// Holds what is true once this error was returned and its alert was sent: the error stays, and nothing comes or goes.
    pub fn is_over(&mut self, row: &str, want: &Error) {
        let (seen, data) = (self.peer.seen.len(), self.side.data.len());
        for _ in 0..2 {
            assert_eq!(
                self.side.input(b"more"),
                Err(want.clone()),
                "{row}: receive"
            );
            assert_eq!(self.side.seal(b"data"), Err(want.clone()), "{row}: send");
            let tls = &mut self.side.tls;
            assert_eq!(tls.update_keys(true), Err(want.clone()), "{row}");
            assert_eq!(
                tls.export(b"label", b"", &mut [0; 8]),
                Err(want.clone()),
                "{row}"
            );
            assert_eq!(tls.eof(), Err(want.clone()), "{row}: eof");
            assert_eq!(tls.status().receive, Flow::Failed, "{row}");
            assert_eq!(tls.status().send, Flow::Failed, "{row}");
            tls.close();
            self.flush();
            assert_eq!(self.peer.seen.len(), seen, "{row}: sent after the end");
            assert_eq!(self.side.data.len(), data, "{row}: received after the end");
        }
    }
}

/// A record that could not be sealed has used up its number: goes on to the one that opens this record.
#[cfg(pith_test)]
fn skip_lost_numbers(key: &mut OpeningKey, header: &[u8], body: &[u8]) {
    let next = key.used();
    let opens = |number: &u64| {
        key.set_counter(*number);
        key.open(header, &mut body.to_vec()).is_ok()
    };
    let number = (next..next + 4).find(opens);
    key.set_counter(number.unwrap_or(next));
}

/// A client and a server for this course, without compressed certificates. The same all through a test binary.
pub fn configs(course: Course) -> &'static (Arc<ClientConfig>, Arc<ServerConfig>) {
    static CONFIGS: OnceLock<[(Arc<ClientConfig>, Arc<ServerConfig>); 5]> = OnceLock::new();
    let [straight, retry, client_auth, resumed, early] = CONFIGS.get_or_init(|| {
        let pki = Pki::new();
        let client = || ClientConfig::new(trust(&pki));
        let server = || ServerConfig::new(credential(&pki.leaf(NAME)));
        let knowing = client().credential(credential(&pki.leaf("client.example")));
        let reused = SessionStore::new().reuse_last_ticket(true);
        let register = StrikeRegister::new(Now {
            unix: NOW.unix - Duration::from_secs(60),
            ..NOW
        });
        let early = client().sessions(SessionStore::new()).early_data(true);
        let asking = server().client_auth(ClientAuth::Required(trust(&pki)));
        [
            (client(), server()),
            (client(), server().groups(&[Group::Secp384r1])),
            (knowing, asking),
            (client().sessions(reused), server()),
            (early, server().early_data(1 << 14, register)),
        ]
        .map(|(client, server)| {
            (
                client.certificate_compression(false).build().unwrap(),
                server.certificate_compression(false).build().unwrap(),
            )
        })
    });
    // The first connection of that course brings the ticket.
    static FIRST: Once = Once::new();
    if course == Course::Resumed {
        FIRST.call_once(|| drop(Pair::connected(&resumed.0, &resumed.1)));
    }
    // Every one of this course needs a ticket of its own.
    if course == Course::Early {
        drop(Pair::connected(&early.0, &early.1));
    }
    match course {
        Course::Straight => straight,
        Course::Retry => retry,
        Course::ClientAuth => client_auth,
        Course::Resumed => resumed,
        Course::Early => early,
    }
}
