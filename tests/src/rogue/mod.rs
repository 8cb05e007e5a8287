//! A QUIC peer that a test has do anything: any frame, packet, parameter or flight at any time, under the right keys or wrong ones.
//!
//! It shares the primitives alone with the library: bytes are written and read by [`wire`], packets protected by [`keys`], and the handshake is
//! [`script`](crate::script)'s. [`Rogue::datagram`] makes what an honest peer could send; a [`Draft`] is what a test bends. What the library sends is
//! opened and kept: [`Rogue::seen`] has the frames, its CONNECTION_CLOSE among them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

pub mod keys;
pub mod wire;

use std::collections::BTreeMap;

use pith_pq::Group;

use self::keys::Keys;
use self::wire::{Header, Parameters, Seen, kind, long_varint, sized, varint};
use crate::message::{self, Extensions, encrypted_extensions, vec8, vec16};
use crate::pki::Identity;
use crate::script::{ScriptedClient, ScriptedServer};

/// Which keys protect a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Level {
    Initial,
    Early,
    Handshake,
    OneRtt,
}

/// A packet before it is sealed, to be bent.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Whose keys seal it, and whose type it has.
    pub level: Level,
    /// The version of a long header.
    pub version: u32,
    /// The destination.
    pub dcid: Vec<u8>,
    /// The source of a long header.
    pub scid: Vec<u8>,
    /// The token of an Initial packet.
    pub token: Vec<u8>,
    /// The packet number, sent in four bytes.
    pub number: u64,
    /// How many key updates came before; the lowest bit is the key phase.
    pub generation: u64,
    /// Bits of the first byte that are turned before it is sealed.
    pub flip: u8,
    /// The frames.
    pub payload: Vec<u8>,
}

/// A packet that came, opened.
#[derive(Debug, Clone)]
pub struct Opened {
    /// Its level.
    pub level: Level,
    /// Its number.
    pub number: u64,
    /// Its key generation.
    pub generation: u64,
    /// Its header.
    pub header: Header,
    /// Its frames, PADDING left out.
    pub frames: Vec<Seen>,
}

/// One packet number space.
#[derive(Default)]
struct Space {
    /// The next number to send.
    next: u64,
    /// The largest that came.
    largest: Option<u64>,
    /// Bytes of CRYPTO frames that were sent.
    said: u64,
    /// Those that came, by offset, and how many of them TLS has.
    heard: BTreeMap<u64, Vec<u8>>,
    taken: u64,
    messages: Vec<u8>,
}

/// Own keys and the library's, of one level.
type Pair = Option<(Keys, Keys)>;

/// The TLS of a rogue.
#[allow(clippy::large_enum_variant)]
pub enum Tls {
    /// Of a client.
    Client(ScriptedClient),
    /// Of a server that has not heard of its client yet.
    Waiting,
    /// Of a server.
    Server(ScriptedServer),
}

/// The peer.
pub struct Rogue {
    /// What it says of itself.
    pub parameters: Parameters,
    /// The application protocol that it names.
    pub alpn: Option<Vec<u8>>,
    /// The destination of its packets.
    pub dcid: Vec<u8>,
    /// Its own id.
    pub scid: Vec<u8>,
    /// The token of its Initial packets.
    pub token: Vec<u8>,
    /// Its key updates so far.
    pub generation: u64,
    /// What came.
    pub opened: Vec<Opened>,
    /// Datagrams that came which are Retry or Version Negotiation.
    pub others: Vec<Vec<u8>>,
    /// Its handshake.
    pub tls: Tls,
    /// A client's Finished, once the server's flight is there; a server's check of the client's.
    pub finished: Option<Vec<u8>>,
    /// Messages that came under 1-RTT keys.
    pub tickets: Vec<Vec<u8>>,
    keys: [Pair; 4],
    spaces: [Space; 3],
    theirs: u64,
}

const SUITE: u16 = 0x1301;

impl Rogue {
    /// A client whose first packets go to `original`.
    pub fn client(original: &[u8], scid: &[u8]) -> Self {
        let mut tls = ScriptedClient::new(&[Group::X25519]);
        tls.hello.session_id = Vec::new();
        tls.hello.suites = vec![SUITE];
        let [own, other] = Keys::initial(original);
        let mut rogue = Self::new(Tls::Client(tls), scid);
        rogue.dcid = original.to_vec();
        rogue.keys[0] = Some((own, other));
        rogue
    }

    /// A server that waits for its client.
    pub fn server(scid: &[u8]) -> Self {
        Self::new(Tls::Waiting, scid)
    }

    fn new(tls: Tls, scid: &[u8]) -> Self {
        let mut parameters = Parameters::default();
        parameters.set(0x0f, scid);
        parameters.set(0x04, varint(1 << 20));
        [5, 6, 7]
            .into_iter()
            .for_each(|id| parameters.set(id, varint(100_000)));
        [8, 9]
            .into_iter()
            .for_each(|id| parameters.set(id, varint(100)));
        Self {
            parameters,
            alpn: Some(b"test".to_vec()),
            dcid: Vec::new(),
            scid: scid.to_vec(),
            token: Vec::new(),
            generation: 0,
            opened: Vec::new(),
            others: Vec::new(),
            tls,
            finished: None,
            tickets: Vec::new(),
            keys: [None, None, None, None],
            spaces: Default::default(),
            theirs: 0,
        }
    }

    /// Whether it is a client.
    pub fn is_client(&self) -> bool {
        matches!(self.tls, Tls::Client(_))
    }

    /// Its TLS, of a client.
    pub fn tls_client(&mut self) -> &mut ScriptedClient {
        match &mut self.tls {
            Tls::Client(client) => client,
            _ => panic!("no client"),
        }
    }

    /// Its TLS, of a server that has its client's hello.
    pub fn tls_server(&mut self) -> &mut ScriptedServer {
        match &mut self.tls {
            Tls::Server(server) => server,
            _ => panic!("no server with a client"),
        }
    }

    /// Puts what is said of the transport into a client's hello.
    pub fn fill_hello(&mut self) {
        let (alpn, parameters) = (self.alpn.clone(), self.parameters.encode());
        let extensions = &mut self.tls_client().hello.extensions;
        if let Some(alpn) = alpn {
            extensions.set(16, vec16(&vec8(&alpn)));
        }
        extensions.set(57, parameters);
        extensions.set(45, vec8(&[1]));
    }

    /// A client's hello.
    pub fn client_hello(&mut self) -> Vec<u8> {
        self.fill_hello();
        self.tls_client().send()
    }

    /// A client's hello with a ticket and early data, whose keys it has from then on.
    pub fn early_hello(&mut self, ticket: &[u8], age: u32, key: &[u8]) -> Vec<u8> {
        self.fill_hello();
        let (hello, secret) = self.tls_client().send_early(ticket, age, key);
        let keys = || Keys::new(SUITE, secret.expose());
        self.keys[Level::Early as usize] = Some((keys(), keys()));
        hello
    }

    /// Initial keys for packets to another destination, as after a Retry.
    pub fn initial_keys(&mut self, dcid: &[u8]) {
        let [client, server] = Keys::initial(dcid);
        self.keys[0] = Some(if self.is_client() {
            (client, server)
        } else {
            (server, client)
        });
    }

    /// A server's hello; from then on it has Handshake keys.
    pub fn server_hello(&mut self) -> Vec<u8> {
        let hello = self.tls_server().hello();
        self.send_hello(&hello)
    }

    /// This hello of a server.
    pub fn send_hello(&mut self, hello: &message::Hello) -> Vec<u8> {
        let bytes = self.tls_server().send_hello(hello);
        if hello.random != message::RETRY_RANDOM {
            self.install(Level::Handshake);
        }
        bytes
    }

    /// A server's EncryptedExtensions.
    pub fn extensions(&self) -> Extensions {
        let mut extensions = Extensions::default();
        if let Some(alpn) = &self.alpn {
            extensions.push(16, vec16(&vec8(alpn)));
        }
        extensions.push(57, self.parameters.encode());
        extensions
    }

    /// The rest of a server's flight behind its hello; from then on it has 1-RTT keys.
    pub fn server_flight(&mut self, identity: &Identity) -> Vec<u8> {
        let extensions = encrypted_extensions(&self.extensions());
        self.server_flight_with(extensions, identity)
    }

    /// The same with this message for EncryptedExtensions.
    pub fn server_flight_with(&mut self, extensions: Vec<u8>, identity: &Identity) -> Vec<u8> {
        let tls = self.tls_server();
        let flight = [
            tls.send(extensions),
            tls.certificate(identity),
            tls.verify(identity),
            tls.finished(),
        ];
        self.install(Level::OneRtt);
        flight.concat()
    }

    fn install(&mut self, level: Level) {
        let stage = usize::from(level == Level::OneRtt);
        let schedule = match &self.tls {
            Tls::Client(tls) => tls.schedule.as_ref().unwrap(),
            Tls::Server(tls) => &tls.schedule,
            Tls::Waiting => panic!("no secrets yet"),
        };
        let [client, server] = schedule.traffic()[stage].map(|secret| Keys::new(SUITE, secret));
        self.keys[level as usize] = Some(if self.is_client() {
            (client, server)
        } else {
            (server, client)
        });
    }

    /// Whether it can send at this level.
    pub fn has_keys(&self, level: Level) -> bool {
        self.keys[level as usize].is_some()
    }

    /// The number that its next packet of this level has.
    pub fn next_number(&self, level: Level) -> u64 {
        self.spaces[space(level)].next
    }

    /// Goes on to this number.
    pub fn skip_to(&mut self, level: Level, number: u64) {
        self.spaces[space(level)].next = number;
    }

    /// The largest number that came at this level.
    pub fn largest(&self, level: Level) -> Option<u64> {
        self.spaces[space(level)].largest
    }

    /// A CRYPTO frame with what TLS says next at this level.
    pub fn say(&mut self, level: Level, message: &[u8]) -> Vec<u8> {
        let space = &mut self.spaces[space(level)];
        let offset = space.said;
        space.said += message.len() as u64;
        wire::crypto(offset, message)
    }

    /// Bytes of CRYPTO frames that it has sent at this level.
    pub fn said(&self, level: Level) -> u64 {
        self.spaces[space(level)].said
    }

    /// A packet as it should be, with the next number.
    pub fn draft(&mut self, level: Level, payload: &[u8]) -> Draft {
        let space = &mut self.spaces[space(level)];
        space.next += 1;
        Draft {
            level,
            version: 1,
            dcid: self.dcid.clone(),
            scid: self.scid.clone(),
            token: self.token.clone(),
            number: space.next - 1,
            generation: if level == Level::OneRtt {
                self.generation
            } else {
                0
            },
            flip: 0,
            payload: payload.to_vec(),
        }
    }

    /// Seals a packet.
    pub fn seal(&self, draft: &Draft) -> Vec<u8> {
        let number = u32::try_from(draft.number & 0xffff_ffff).unwrap();
        let kind = draft.level as u8;
        let mut header = match draft.level {
            Level::OneRtt => {
                let phase = u8::try_from(draft.generation & 1).unwrap() << 2;
                [&[0x43 | phase][..], &draft.dcid].concat()
            }
            _ => {
                let mut header = vec![0xc3 | kind << 4];
                header.extend(draft.version.to_be_bytes());
                header.extend(vec8(&draft.dcid));
                header.extend(vec8(&draft.scid));
                if draft.level == Level::Initial {
                    header.extend(sized(&draft.token));
                }
                header.extend(long_varint(draft.payload.len() as u64 + 20, 1));
                header
            }
        };
        header[0] ^= draft.flip;
        header.extend(number.to_be_bytes());
        let (own, _) = self.keys[draft.level as usize].as_ref().expect("keys");
        own.seal(draft.generation, draft.number, &header, &draft.payload)
    }

    /// A packet as it should be.
    pub fn packet(&mut self, level: Level, payload: &[u8]) -> Vec<u8> {
        let draft = self.draft(level, payload);
        self.seal(&draft)
    }

    /// A datagram with one packet, expanded if it has to be.
    pub fn datagram(&mut self, level: Level, payload: &[u8]) -> Vec<u8> {
        let draft = self.draft(level, payload);
        self.expanded(draft)
    }

    /// Seals a packet, and expands one of the level Initial to what is asked of its datagram.
    pub fn expanded(&self, mut draft: Draft) -> Vec<u8> {
        let length = self.seal(&draft).len();
        if draft.level == Level::Initial && length < 1200 {
            draft.payload.resize(draft.payload.len() + 1200 - length, 0);
        }
        self.seal(&draft)
    }

    /// Takes a datagram of the library's.
    pub fn take(&mut self, datagram: &[u8]) {
        let mut rest = datagram;
        while !rest.is_empty() {
            let header = Header::parse(rest, self.scid.len());
            if header.version == Some(0) || header.first & 0xb0 == 0xb0 {
                self.others.push(rest.to_vec());
                return;
            }
            let (packet, behind) = rest.split_at(header.end);
            rest = behind;
            self.open(packet.to_vec(), header);
        }
    }

    fn open(&mut self, mut packet: Vec<u8>, header: Header) {
        let level = match (header.version.is_some(), header.first >> 4 & 3) {
            (false, _) => Level::OneRtt,
            (true, 0) => Level::Initial,
            (true, 1) => Level::Early,
            (true, _) => Level::Handshake,
        };
        if level == Level::Initial && !self.is_client() && self.keys[0].is_none() {
            self.initial_keys(&header.dcid);
            self.parameters.set(0x00, header.dcid.clone());
            self.dcid = header.scid.clone();
        }
        if level != Level::OneRtt && self.is_client() {
            self.dcid = header.scid.clone();
        }
        let Some((_, keys)) = &self.keys[level as usize] else {
            return;
        };
        let (first, low, length) = keys.unmask(&mut packet, header.number);
        let largest = self.spaces[space(level)].largest;
        let number = expand(largest.map_or(0, |largest| largest + 1), low, length);
        let behind = header.number + length;
        let mut generation = 0;
        if level == Level::OneRtt {
            let phase = u64::from(first >> 2 & 1);
            generation = self.theirs + u64::from(self.theirs & 1 != phase);
        }
        let payload = keys.open(generation, number, &packet, behind);
        let payload = payload.expect("the library's packet does not open");
        self.theirs = self.theirs.max(generation);
        let space = &mut self.spaces[space(level)];
        space.largest = space.largest.max(Some(number));
        let frames = wire::frames(&payload);
        for frame in &frames {
            if frame.kind == kind::CRYPTO {
                space.heard.insert(frame.numbers[0], frame.data.clone());
            }
        }
        self.opened.push(Opened {
            level,
            number,
            generation,
            header,
            frames,
        });
        self.listen(level);
    }

    /// Takes the messages that are whole.
    fn listen(&mut self, level: Level) {
        let space = &mut self.spaces[space(level)];
        for (offset, data) in &space.heard {
            let skip = space.taken.checked_sub(*offset);
            if let Some(new) = skip.and_then(|skip| data.get(skip as usize..)) {
                space.messages.extend_from_slice(new);
                space.taken += new.len() as u64;
            }
        }
        let bytes = space.messages.clone();
        let last = if matches!(level, Level::Handshake) {
            20
        } else {
            0
        };
        let Some(messages) = whole(&bytes, last) else {
            return;
        };
        self.spaces[self::space(level)].messages.clear();
        match (&mut self.tls, level) {
            (_, Level::OneRtt) => self.tickets.extend(messages),
            (Tls::Client(tls), Level::Initial) if !message::is_retry(&messages[0]) => {
                tls.begin(&messages[0]);
                self.install(Level::Handshake);
            }
            (Tls::Client(tls), Level::Initial) => tls.retry(&messages[0]),
            (Tls::Client(tls), _) => {
                let finished = tls.end(&messages);
                let schedule = tls.schedule.as_mut().unwrap();
                self.finished = Some(schedule.add(finished));
                self.install(Level::OneRtt);
            }
            (Tls::Waiting, _) => self.tls = Tls::Server(ScriptedServer::new(&messages[0], SUITE)),
            (Tls::Server(tls), Level::Initial) => tls.second(&messages[0]),
            (Tls::Server(tls), _) => {
                assert!(tls.accepts(&messages), "the client's Finished");
                self.finished = messages.last().cloned();
            }
        }
    }

    /// All frames that came.
    pub fn seen(&self) -> impl Iterator<Item = (Level, &Seen)> {
        let each = |packet: &'_ Opened| packet.level;
        self.opened
            .iter()
            .flat_map(move |packet| packet.frames.iter().map(move |frame| (each(packet), frame)))
    }

    /// The library's CONNECTION_CLOSE: its type, the code and the frame type.
    pub fn closed(&self) -> Option<(u64, u64, u64)> {
        let close = |frame: &&Seen| [kind::CLOSE, kind::CLOSE_APPLICATION].contains(&frame.kind);
        let frame = self.seen().map(|(_, frame)| frame).find(close)?;
        let cause = frame.numbers.get(1).copied();
        Some((frame.kind, frame.numbers[0], cause.unwrap_or(0)))
    }

    /// An ACK frame for all that came at this level, and nothing else.
    pub fn ack(&self, level: Level) -> Vec<u8> {
        let packets = self
            .opened
            .iter()
            .filter(|packet| space(packet.level) == space(level));
        let mut numbers: Vec<u64> = packets.map(|packet| packet.number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for number in numbers.into_iter().rev() {
            match runs.last_mut() {
                Some((low, _)) if *low == number + 1 => *low = number,
                _ => runs.push((number, number)),
            }
        }
        let gaps = runs
            .windows(2)
            .map(|pair| (pair[0].0 - pair[1].1 - 2, pair[1].1 - pair[1].0));
        let (low, high) = runs[0];
        wire::ack(high, high - low, &gaps.collect::<Vec<_>>())
    }

    /// Whether a number of this level was acknowledged.
    pub fn is_acked(&self, level: Level, number: u64) -> bool {
        let acks = self
            .opened
            .iter()
            .filter(|packet| space(packet.level) == space(level));
        let mut frames = acks.flat_map(|packet| &packet.frames);
        frames.any(|frame| frame.kind & !1 == kind::ACK && covers(&frame.numbers, number))
    }
}

/// Whether the ranges of an ACK frame have this number.
fn covers(numbers: &[u64], number: u64) -> bool {
    let mut high = numbers[0];
    let mut low = high - numbers[3];
    let pairs = numbers[4..].chunks_exact(2).take(numbers[2] as usize);
    for pair in pairs {
        if (low..=high).contains(&number) {
            return true;
        }
        high = low - pair[0] - 2;
        low = high - pair[1];
    }
    (low..=high).contains(&number)
}

/// The messages in `bytes`, if they are whole and the last is of this type, where one is named.
fn whole(bytes: &[u8], last: u8) -> Option<Vec<Vec<u8>>> {
    let mut rest = bytes;
    while rest.len() >= 4 {
        let length = usize::from(rest[1]) << 16 | usize::from(rest[2]) << 8 | usize::from(rest[3]);
        rest = rest.get(4 + length..)?;
    }
    let messages = rest.is_empty().then(|| message::messages(bytes))?;
    let found = messages.last()?[0];
    (last == 0 || found == last).then_some(messages)
}

fn space(level: Level) -> usize {
    match level {
        Level::Initial => 0,
        Level::Handshake => 1,
        Level::Early | Level::OneRtt => 2,
    }
}

/// The packet number closest to `expected` that ends in `low`, of so many bytes (RFC 9000 section A.3).
fn expand(expected: u64, low: u64, length: usize) -> u64 {
    let window = 1_u64 << (8 * length);
    let near = expected & !(window - 1) | low;
    if near + window / 2 <= expected {
        near + window
    } else if near > expected + window / 2 && near >= window {
        near - window
    } else {
        near
    }
}

/// A Retry packet of version 1 with a tag that fits `original`.
pub fn retry(dcid: &[u8], scid: &[u8], token: &[u8], original: &[u8]) -> Vec<u8> {
    let mut packet = vec![0xf0, 0, 0, 0, 1];
    packet.extend(vec8(dcid));
    packet.extend(vec8(scid));
    packet.extend_from_slice(token);
    let tag = keys::retry_tag(original, &packet);
    packet.extend(tag);
    packet
}

/// A Version Negotiation packet.
pub fn version_negotiation(dcid: &[u8], scid: &[u8], versions: &[u32]) -> Vec<u8> {
    let mut packet = vec![0x80, 0, 0, 0, 0];
    packet.extend(vec8(dcid));
    packet.extend(vec8(scid));
    packet.extend(versions.iter().flat_map(|version| version.to_be_bytes()));
    packet
}
