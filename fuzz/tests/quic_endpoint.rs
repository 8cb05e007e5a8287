//! Datagrams from anywhere into a QUIC endpoint that has connections and lets clients in: any bytes, what was sent before, changed, joined, cut or
//! from elsewhere, and hellos that nobody goes on with.
//!
//! Whatever comes, a client that was connected before stays so and gets its data through; a stranger is sent at most three times what he sends;
//! nobody is kept busy; and what is held stays within the bounds.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::panic,
    clippy::print_stdout,
    missing_docs
)]

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::LazyLock;
use std::time::Duration;

use bolero::TypeGenerator;
use bytes::{Bytes, BytesMut};
use pith_quic::{
    ClientConfig, Connection, ConnectionId, ConnectionKey, Dir, Ecn, Endpoint, EndpointConfig,
    Incoming, Read, Retrying, Route, Routed, ServerConfig, limits,
};
use pith_tests::heap::{Counter, measured};
use pith_tests::network::Dice;
use pith_tests::pair::{NAME, NOW, credential, name, trust};
use pith_tests::pki::Pki;
use pith_tls::Now;

const SCENES: usize = 300;

/// Handshakes that may be open at once.
const HALF_OPEN: usize = 16;

/// Datagrams that a scene remembers.
const POOL: usize = 64;

static CONFIGS: LazyLock<(ClientConfig, ServerConfig)> = LazyLock::new(|| {
    let pki = Pki::new();
    let client = pith_tls::ClientConfig::new(trust(&pki)).alpn(&[b"test"]);
    let client = ClientConfig::new(client.build().unwrap()).keep_alive(Some(5 * SECOND));
    let server = pith_tls::ServerConfig::new(credential(&pki.leaf(NAME))).alpn(&[b"test"]);
    let server = ServerConfig::new(server.build().unwrap());
    (client.build().unwrap(), server.build().unwrap())
});

/// One thing that somebody does.
#[derive(Debug, TypeGenerator)]
enum Act {
    Bytes {
        from: u8,
        bytes: Vec<u8>,
    },
    /// A header that fits, with any of the ids that were seen in the clear, before any bytes.
    Packet {
        from: u8,
        first: u8,
        version: u8,
        ids: (u8, u8),
        cut: u8,
        fill: u16,
        bytes: Vec<u8>,
    },
    /// What was sent before, changed, from anywhere. An address of 255 is the friend's own.
    Again {
        from: u8,
        pick: u8,
        edits: Vec<(u16, u8)>,
        cut: Option<u16>,
    },
    Joined {
        from: u8,
        picks: (u8, u8),
    },
    /// To the friend, as if from his server.
    ToFriend {
        pick: u8,
        edits: Vec<(u16, u8)>,
        cut: Option<u16>,
    },
    /// Somebody who sees what the friend sends is faster by another way, once or until the next act of this kind.
    Ahead {
        from: u8,
        often: bool,
    },
    /// The friend's address changes on the way.
    Rebind {
        port: u8,
    },
    /// A whole hello, and nothing after it.
    Hello {
        from: u8,
    },
    Wait {
        milliseconds: u16,
    },
    Decide(u8),
}

/// A server, and a client that was connected to it before anything else happened.
struct Scene {
    now: Duration,
    server: Endpoint,
    connections: BTreeMap<ConnectionKey, Connection>,
    client: Endpoint,
    friend: (ConnectionKey, Connection),
    pool: VecDeque<Vec<u8>>,
    ids: Vec<Vec<u8>>,
    /// By a stranger's address: what came, and what was sent there.
    ledger: BTreeMap<IpAddr, (usize, usize)>,
    decision: u8,
    home: SocketAddr,
    ahead: Option<(SocketAddr, bool)>,
    /// What connections send from.
    buffer: Vec<u8>,
}

const FRIEND: ([u8; 4], u16) = ([10, 2, 0, 1], 5000);
const SERVER: ([u8; 4], u16) = ([10, 0, 0, 1], 443);
const SECOND: Duration = Duration::from_secs(1);

fn route(remote: impl Into<SocketAddr>) -> Route {
    Route {
        local: None,
        remote: remote.into(),
    }
}

fn stranger(from: u8) -> SocketAddr {
    match from {
        255 => FRIEND.into(),
        // A service that answers anything.
        254 => ([10, 1, 0, 254], 53).into(),
        _ => ([10, 1, 0, from], 1024 + u16::from(from)).into(),
    }
}

impl Scene {
    fn new() -> Self {
        let now = Duration::from_secs(1000);
        let server = EndpointConfig::server().unwrap().half_open(HALF_OPEN);
        let client = EndpointConfig::client().unwrap();
        let mut client = Endpoint::new(client, at(now)).unwrap();
        let to = route(SERVER);
        let friend = client.connect(&CONFIGS.0, name(), to, Bytes::new(), at(now));
        let mut scene = Self {
            now,
            server: Endpoint::new(server, at(now)).unwrap(),
            connections: BTreeMap::new(),
            friend: friend.unwrap(),
            client,
            pool: VecDeque::new(),
            ids: Vec::new(),
            ledger: BTreeMap::new(),
            decision: 0,
            home: FRIEND.into(),
            ahead: None,
            buffer: vec![0; 12_000],
        };
        scene.run(SECOND);
        assert!(scene.friend.1.is_established());
        assert_eq!(scene.connections.len(), 1);
        scene
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Bytes { from, bytes } => self.arrive(stranger(*from), bytes),
            Act::Packet {
                from,
                first,
                version,
                ids,
                cut,
                fill,
                bytes,
            } => {
                let packet = self.packet(*first, *version, *ids, *cut, *fill, bytes);
                self.arrive(stranger(*from), &packet);
            }
            Act::Again {
                from,
                pick,
                edits,
                cut,
            } => {
                let changed = self.changed(*pick, edits, *cut);
                self.arrive(stranger(*from), &changed);
            }
            Act::Joined { from, picks } => {
                let (first, second) = (self.picked(picks.0), self.picked(picks.1));
                self.arrive(stranger(*from), &[first, second].concat());
            }
            Act::ToFriend { pick, edits, cut } => {
                let changed = self.changed(*pick, edits, *cut);
                self.arrive_at_friend(&changed);
            }
            Act::Ahead { from, often } => self.ahead = Some((stranger(*from), *often)),
            Act::Rebind { port } => self.home.set_port(5000 + u16::from(*port)),
            Act::Hello { from } => {
                let id = ConnectionId::new(&[*from; 8]).unwrap();
                let made = Connection::client(
                    &CONFIGS.0,
                    name(),
                    route(SERVER),
                    id,
                    Bytes::new(),
                    at(self.now),
                );
                for datagram in sent(&mut made.unwrap(), self.now, &mut self.buffer) {
                    self.remember(&datagram.1);
                    self.arrive(stranger(*from), &datagram.1);
                }
            }
            Act::Wait { milliseconds } => {
                self.run(Duration::from_millis((*milliseconds % 4000).into()))
            }
            Act::Decide(decision) => self.decision = *decision,
        }
        self.run(Duration::from_millis(1));
        self.check();
    }

    fn packet(
        &self,
        first: u8,
        version: u8,
        ids: (u8, u8),
        cut: u8,
        fill: u16,
        bytes: &[u8],
    ) -> Vec<u8> {
        let id = |pick: u8| {
            let known = self.ids.get(usize::from(pick) % (self.ids.len() + 1));
            known
                .cloned()
                .unwrap_or_else(|| vec![pick; usize::from(pick % 22)])
        };
        let mut packet = vec![first];
        if first & 0x80 != 0 {
            let versions = [1, 0, 0x6b33_43cf, 0x1a2a_3a4a, 0xff00_001d];
            packet.extend(u32::to_be_bytes(
                versions[usize::from(version) % versions.len()],
            ));
            for id in [id(ids.0), id(ids.1)] {
                packet.push(id.len() as u8);
                packet.extend(id);
            }
        } else {
            packet.extend(id(ids.0));
        }
        packet.extend(bytes);
        packet.resize(packet.len().max(usize::from(fill % 1500)), 0);
        packet.truncate(packet.len() - usize::from(cut % 32).min(packet.len()));
        packet
    }

    fn picked(&self, pick: u8) -> Vec<u8> {
        self.pool[usize::from(pick) % self.pool.len()].clone()
    }

    fn changed(&self, pick: u8, edits: &[(u16, u8)], cut: Option<u16>) -> Vec<u8> {
        let mut datagram = self.picked(pick);
        for (place, value) in edits {
            let place = usize::from(*place) % datagram.len().max(1);
            if let Some(byte) = datagram.get_mut(place) {
                *byte = *value;
            }
        }
        datagram.truncate(cut.map_or(usize::MAX, usize::from));
        datagram
    }

    /// A datagram comes to the server.
    fn arrive(&mut self, from: SocketAddr, bytes: &[u8]) {
        self.ledger.entry(from.ip()).or_default().0 += bytes.len();
        let (now, mut reply) = (at(self.now), [0; 1200]);
        let datagram = BytesMut::from(bytes);
        match self
            .server
            .receive(now, route(from), Ecn::NotEct, datagram, &mut reply)
        {
            Routed::Connection(key, datagram) => {
                let connection = self.connections.get_mut(&key).unwrap();
                connection.receive(now, route(from), Ecn::NotEct, datagram);
                self.server.settle(key, connection, now);
            }
            Routed::Incoming(incoming) => self.decide(incoming),
            Routed::Reply(length) => self.send(from, &reply[..length]),
            Routed::Forward(..) => panic!("one worker"),
            Routed::Nothing => {}
        }
    }

    fn decide(&mut self, incoming: Incoming) {
        let (now, from, mut reply) = (at(self.now), incoming.route().remote, [0; 1200]);
        let length = match self.decision % 8 {
            1 => self.server.refuse(&incoming, &mut reply),
            2 => self.server.retry(&incoming, now, &mut reply),
            3 => {
                self.server.ignore(&incoming);
                None
            }
            4 => None,
            _ => {
                let (key, connection) = self.server.accept(incoming, &CONFIGS.1, now).unwrap();
                self.connections.insert(key, connection);
                None
            }
        };
        if let Some(length) = length {
            self.send(from, &reply[..length]);
        }
    }

    /// The server sends a datagram.
    fn send(&mut self, to: SocketAddr, bytes: &[u8]) {
        assert!(!bytes.is_empty());
        // What a stranger got and hands on to the friend would be answered by him, and then the stranger has shown where he is.
        if to == self.home || bytes[0] & 0x80 != 0 {
            self.remember(bytes);
        }
        self.ledger.entry(to.ip()).or_default().1 += bytes.len();
        if to == self.home {
            self.arrive_at_friend(bytes);
        }
    }

    fn arrive_at_friend(&mut self, bytes: &[u8]) {
        let (now, from) = (at(self.now), route(SERVER));
        let datagram = BytesMut::from(bytes);
        let routed = self
            .client
            .receive(now, from, Ecn::NotEct, datagram, &mut [0; 1200]);
        // He answers nobody else.
        if let Routed::Connection(key, datagram) = routed {
            assert_eq!(key, self.friend.0);
            self.friend.1.receive(now, from, Ecn::NotEct, datagram);
            self.client.settle(key, &mut self.friend.1, now);
        }
    }

    /// What strangers can have seen.
    fn remember(&mut self, datagram: &[u8]) {
        if self.pool.len() == POOL {
            self.pool.pop_front();
        }
        self.pool.push_back(datagram.to_vec());
        let mut rest = datagram
            .get(5..)
            .filter(|_| datagram[0] & 0x80 != 0)
            .unwrap_or_default();
        while let Some((id, more)) = rest
            .split_first()
            .and_then(|(length, rest)| rest.split_at_checked((*length).into()))
        {
            if self.ids.len() == POOL || id.len() > 20 {
                break;
            }
            if !self.ids.iter().any(|known| known == id) {
                self.ids.push(id.to_vec());
            }
            rest = more;
        }
    }

    /// Time passes.
    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        for round in 0.. {
            assert!(round < 10_000, "they never rest");
            self.flush();
            let deadlines = self.connections.values().map(Connection::deadline);
            let own = [
                self.server.deadline(),
                self.client.deadline(),
                self.friend.1.deadline(),
            ];
            let next = deadlines.chain(own).flatten().min();
            match next.filter(|next| *next <= end) {
                Some(next) => self.now = self.now.max(next),
                None => break,
            }
            let now = at(self.now);
            self.server.on_deadline(now);
            self.client.on_deadline(now);
            self.friend.1.on_deadline(now);
            self.connections
                .values_mut()
                .for_each(|connection| connection.on_deadline(now));
        }
        self.now = end;
    }

    fn flush(&mut self) {
        let now = at(self.now);
        loop {
            let from_friend = sent(&mut self.friend.1, self.now, &mut self.buffer);
            self.client.settle(self.friend.0, &mut self.friend.1, now);
            let mut from_server = Vec::new();
            for (key, connection) in &mut self.connections {
                from_server.extend(sent(connection, self.now, &mut self.buffer));
                self.server.settle(*key, connection, now);
                while connection.event().is_some() {}
            }
            self.connections
                .retain(|_, connection| !connection.is_over());
            if from_friend.is_empty() && from_server.is_empty() {
                break;
            }
            for (_, datagram) in from_friend {
                if let Some((from, often)) = self.ahead {
                    self.ahead = self.ahead.filter(|_| often);
                    self.arrive(from, &datagram);
                }
                self.arrive(self.home, &datagram);
                // Only then, for a packet that is new may come from anywhere.
                self.remember(&datagram);
            }
            for (to, datagram) in from_server {
                self.send(to, &datagram);
            }
        }
    }

    fn check(&self) {
        for (address, (received, sent)) in &self.ledger {
            let is_stranger = *address != IpAddr::from(FRIEND.0);
            assert!(
                !is_stranger || *sent <= 3 * received,
                "{address}: {sent} for {received}"
            );
        }
        let listed: Vec<_> = self.server.connections().collect();
        assert!(listed.iter().eq(self.connections.keys()));
        let open = self
            .connections
            .values()
            .filter(|connection| !connection.is_established());
        // Those that are closing count until they are over.
        assert!(open.count() <= HALF_OPEN);
        assert_eq!(self.client.connections().count(), 1);
    }

    /// The friend's data arrives, once nobody is faster.
    fn finish(&mut self) {
        self.ahead = None;
        let data: Bytes = (0..3000).map(|at: u32| (at * 7) as u8).collect();
        let id = self.friend.1.open(Dir::Uni).unwrap();
        self.friend.1.send(id, &mut data.clone()).unwrap();
        self.friend.1.finish(id).unwrap();
        self.run(10 * SECOND);
        assert!(
            self.friend.1.is_established(),
            "{:?}",
            self.friend.1.error()
        );
        let mut got = Vec::new();
        let mut accepted = self.connections.values_mut().filter_map(|connection| {
            let stream = connection.accept(Dir::Uni)?;
            Some((connection, stream))
        });
        let (connection, stream) = accepted.next().unwrap();
        while let Ok(Read::Data { bytes, .. }) = connection.read(stream, usize::MAX) {
            got.extend_from_slice(&bytes);
        }
        assert!(
            accepted.next().is_none() && got == data,
            "{} bytes",
            got.len()
        );
    }
}

/// What a connection has to send, and where to.
fn sent(
    connection: &mut Connection,
    now: Duration,
    buffer: &mut [u8],
) -> Vec<(SocketAddr, Vec<u8>)> {
    let mut all = Vec::new();
    while let Some(batch) = connection.transmit(at(now), buffer) {
        let datagrams = buffer[..batch.length].chunks(batch.segment);
        all.extend(datagrams.map(|datagram| (batch.route.remote, datagram.to_vec())));
        assert!(all.len() < 1000, "a connection that never stops");
    }
    all
}

fn at(now: Duration) -> Now {
    Now {
        monotonic: now,
        unix: NOW.unix + now,
    }
}

#[test]
fn any_datagrams_into_an_endpoint() {
    bolero::check!()
        .with_type::<Vec<Act>>()
        .with_iterations(SCENES)
        .for_each(|acts| {
            let mut scene = Scene::new();
            for act in acts {
                scene.act(act);
            }
            scene.finish();
        });
}

/// The datagrams of a real handshake and what follows stand in the corpora of the parsers that read them. `PITH_WRITE_CORPORA=1` writes them.
#[test]
#[allow(clippy::disallowed_methods, reason = "a test that writes a corpus")]
fn datagrams_of_a_real_handshake_are_in_the_corpora() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for target in ["datagram", "header"] {
        let corpus = root.join(format!(
            "../quic/src/wire/__fuzz__/wire__fuzz__{target}/corpus"
        ));
        if std::env::var_os("PITH_WRITE_CORPORA").is_some() {
            std::fs::create_dir_all(&corpus).unwrap();
            for (at, datagram) in Scene::new().pool.iter().enumerate() {
                std::fs::write(corpus.join(format!("real_{at}")), datagram).unwrap();
            }
        }
        assert!(corpus.join("real_0").exists(), "{target}");
    }
}

/// Two thousand addresses that send hellos, halves of them, what others sent and noise, to a server that asks nobody for a Retry.
#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn a_flood_from_many_addresses_costs_what_the_bounds_allow_and_leaves_nothing() {
    let name = "a_flood_from_many_addresses_costs_what_the_bounds_allow_and_leaves_nothing";
    measured(name, env!("CARGO_TARGET_TMPDIR"), flood);
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn flood(counter: &Counter) {
    let mut scene = Scene::new();
    scene.server.set_retrying(Retrying::From(usize::MAX));
    let addresses: Vec<SocketAddr> = (0..2100_u16)
        .map(|n| ([10, 1, (n >> 8) as u8, n as u8], 1024 + n).into())
        .collect();
    for address in &addresses {
        scene.ledger.entry(address.ip()).or_default();
    }
    let hellos: Vec<Vec<Vec<u8>>> = (0..100_u8)
        .map(|n| {
            let id = ConnectionId::new(&[n; 8]).unwrap();
            let made = Connection::client(
                &CONFIGS.0,
                name(),
                route(SERVER),
                id,
                Bytes::new(),
                at(scene.now),
            );
            let flight = sent(&mut made.unwrap(), scene.now, &mut scene.buffer);
            flight.into_iter().map(|(_, datagram)| datagram).collect()
        })
        .collect();
    while scene.pool.len() < POOL {
        scene.remember(&hellos[scene.pool.len()][0]);
    }
    let before = counter.bytes();
    const HALVES: u32 = 5000;
    let (mut dice, mut most, mut accepted, mut attempts) = (Dice::new(7), 0, 0, 0);
    for round in 0..10_000_u32 {
        let from = addresses[dice.below(2000) as usize];
        let hello = &hellos[dice.below(100) as usize];
        // Halves of hellos first, until attempts are as many as may be; whole ones when those are forgotten.
        if round == HALVES {
            // Who comes when there is no room costs what it takes to read his header: the datagram itself, and no keys.
            let allocations = counter.allocations();
            for (from, hello) in addresses[2000..].iter().zip(&hellos) {
                scene.arrive(*from, &hello[0]);
            }
            let each = (counter.allocations() - allocations) / 100;
            println!("{each} allocations for a client too many");
            assert!(each <= 2, "{each}");
            scene.run(limits::ATTEMPT_TIME);
        }
        let kind = if round < HALVES {
            dice.below(8)
        } else {
            6 + dice.below(4)
        };
        match kind {
            // Far more than there is room for.
            0..=4 => scene.arrive(from, &hello[0]),
            8 | 9 => hello
                .iter()
                .for_each(|datagram| scene.arrive(from, datagram)),
            5 => {
                // 0-RTT packets to wait with a hello that is not complete.
                let mut early = hello[0].clone();
                early[0] = 0xd0;
                scene.arrive(from, &hello[0]);
                (0..20).for_each(|_| scene.arrive(from, &early));
            }
            6 => {
                let again = scene.picked(dice.roll() as u8);
                scene.arrive(from, &again);
            }
            _ => {
                let noise: Vec<u8> = (0..dice.below(1500)).map(|_| dice.roll() as u8).collect();
                scene.arrive(from, &noise);
            }
        }
        if round % 50 == 0 {
            scene.run(Duration::from_millis(20));
            scene.check();
        }
        accepted = accepted.max(scene.connections.len());
        attempts = attempts.max(scene.server.stats().attempts);
        most = most.max(counter.bytes() - before);
    }
    // A datagram is kept as it came, and its part of the hello once more.
    let bound = limits::ATTEMPTS * limits::ATTEMPT_DATAGRAMS * 2 * 1500 + HALF_OPEN * CONNECTION;
    println!(
        "at most {most} bytes more for {attempts} attempts and {accepted} connections; {bound} are allowed"
    );
    assert_eq!(
        (accepted, attempts),
        (HALF_OPEN + 1, limits::ATTEMPTS),
        "the flood reached the bounds"
    );
    assert!((most as usize) < bound, "{most} of {bound}");
    scene.run(120 * SECOND);
    scene.finish();
    let left = counter.bytes() - before;
    println!("{left} bytes are left");
    assert!(left < 64 * 1024, "{left} bytes are left");
}

/// What a server's connection may hold whose client says nothing after its hello: its own flight, with a chain of certificates.
const CONNECTION: usize = 64 * 1024;
