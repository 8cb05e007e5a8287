//! Pith's QUIC connection and quinn's, both roles, joined in memory by a link with a virtual clock that loses, repeats, reorders and breaks
//! datagrams.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod early;
mod paths;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use pith_quic::{
    Accepted, ClientConfig, Code, Connection, ConnectionError, ConnectionId, Dir, Ecn, Event,
    NewId, Read, ResetToken, Route, ServerConfig, StreamId, VarInt,
};
use pith_tests::pair::{NAME, NOW, credential, name, trust};
use pith_tests::pki::Pki;
use pith_tls::{CipherSuite, Group, Now};
use quinn_proto as quinn;

/// The two ends, of which Pith is a client or a server.
struct Pair {
    pith: Option<Connection>,
    is_server: bool,
    config: ServerConfig,
    endpoint: quinn::Endpoint,
    quinn: Option<(quinn::ConnectionHandle, quinn::Connection)>,
    began: Instant,
    now: Duration,
    /// By arrival and a number: whether it goes to Pith, its mark, and what.
    flying: BTreeMap<(Duration, u64), (bool, bool, Vec<u8>)>,
    sent: u64,
    bad: Bad,
    dice: u64,
    events: Vec<Event>,
    quinn_events: Vec<quinn::Event>,
    /// Whether quinn's endpoint sends its clients a Retry.
    retry: bool,
    /// Where Pith sees quinn.
    seen_at: Route,
}

/// What the link does.
#[derive(Debug, Clone, Copy, Default)]
struct Bad {
    /// In percent, as the next three.
    loss: u64,
    reorder: u64,
    repeat: u64,
    corrupt: u64,
    /// Bytes that a datagram may have on the way; 0 for any number.
    carries: usize,
}

const DELAY: Duration = Duration::from_millis(10);

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn route() -> Route {
    Route {
        local: None,
        remote: address(1),
    }
}

fn provider(suite: CipherSuite) -> Arc<rustls::crypto::CryptoProvider> {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    let initial = rustls::CipherSuite::TLS13_AES_128_GCM_SHA256;
    // Initial packets are protected by the first suite of QUIC, whatever is negotiated.
    provider
        .cipher_suites
        .retain(|theirs| u16::from(theirs.suite()) == suite.code() || theirs.suite() == initial);
    provider
        .cipher_suites
        .sort_by_key(|theirs| u16::from(theirs.suite()) != suite.code());
    Arc::new(provider)
}

fn quinn_client(pki: &Pki, suite: CipherSuite) -> quinn::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(pki.root()).unwrap();
    let mut tls = rustls::ClientConfig::builder_with_provider(provider(suite))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"test".to_vec()];
    let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(tls).unwrap();
    quinn::ClientConfig::new(Arc::new(crypto))
}

fn quinn_server(pki: &Pki, suite: CipherSuite) -> Arc<quinn::ServerConfig> {
    let identity = pki.leaf(NAME);
    let mut tls = rustls::ServerConfig::builder_with_provider(provider(suite))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(identity.chain, identity.key)
        .unwrap();
    tls.alpn_protocols = vec![b"test".to_vec()];
    let crypto = quinn::crypto::rustls::QuicServerConfig::try_from(tls).unwrap();
    Arc::new(quinn::ServerConfig::with_crypto(Arc::new(crypto)))
}

fn id(value: u8) -> NewId {
    NewId {
        id: ConnectionId::new(&[value; 8]).unwrap(),
        reset_token: ResetToken([value; 16]),
    }
}

fn pith_server(pki: &Pki, suite: CipherSuite) -> ServerConfig {
    let tls = pith_tls::ServerConfig::new(credential(&pki.leaf(NAME)))
        .alpn(&[b"test"])
        .suites(&[suite])
        .build()
        .unwrap();
    ServerConfig::new(tls).datagrams(1200).build().unwrap()
}

impl Pair {
    fn pith_client(suite: CipherSuite, bad: Bad, seed: u64) -> Self {
        let pki = Pki::new();
        let tls = pith_tls::ClientConfig::new(trust(&pki))
            .alpn(&[b"test"])
            .suites(&[suite])
            .build()
            .unwrap();
        let config = ClientConfig::new(tls).datagrams(1200).build().unwrap();
        let own = id(0xc0).id;
        let pith = Connection::client(&config, name(), route(), own, Bytes::new(), NOW).unwrap();
        let mut pair = Self::new(&pki, suite, Some(quinn_server(&pki, suite)), (bad, seed));
        pair.pith = Some(pith);
        pair
    }

    fn pith_server(suite: CipherSuite, bad: Bad, seed: u64) -> Self {
        let pki = Pki::new();
        let mut pair = Self::new(&pki, suite, None, (bad, seed));
        let config = quinn_client(&pki, suite);
        let quinn = pair.endpoint.connect(pair.began, config, address(2), NAME);
        pair.quinn = Some(quinn.unwrap());
        pair
    }

    fn new(
        pki: &Pki,
        suite: CipherSuite,
        server: Option<Arc<quinn::ServerConfig>>,
        (bad, seed): (Bad, u64),
    ) -> Self {
        let endpoint = Arc::new(quinn::EndpointConfig::default());
        Self {
            pith: None,
            is_server: server.is_none(),
            config: pith_server(pki, suite),
            endpoint: quinn::Endpoint::new(endpoint, server, true, Some([7; 32])),
            quinn: None,
            began: Instant::now(),
            now: Duration::ZERO,
            flying: BTreeMap::new(),
            sent: 0,
            bad,
            dice: seed,
            events: Vec::new(),
            quinn_events: Vec::new(),
            retry: false,
            seen_at: route(),
        }
    }

    fn clock(&self) -> Now {
        Now {
            monotonic: NOW.monotonic + self.now,
            unix: NOW.unix + self.now,
        }
    }

    fn instant(&self) -> Instant {
        self.began + self.now
    }

    fn percent(&mut self, chance: u64) -> bool {
        self.roll() % 100 < chance
    }

    fn roll(&mut self) -> u64 {
        self.dice = self
            .dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.dice >> 33
    }

    fn fly(&mut self, to_pith: bool, marked: bool, mut datagram: Vec<u8>) {
        let fits = self.bad.carries == 0 || datagram.len() <= self.bad.carries;
        if self.percent(self.bad.loss) || !fits {
            return;
        }
        if self.percent(self.bad.corrupt) {
            let at = self.roll() as usize % datagram.len();
            datagram[at] ^= 1 << (self.roll() % 8);
        }
        let copies = 1 + u32::from(self.percent(self.bad.repeat));
        for copy in 0..copies {
            let extra = if self.percent(self.bad.reorder) {
                self.roll() % 30
            } else {
                0
            };
            let delay = DELAY * (copy + 1) + Duration::from_millis(extra);
            self.sent += 1;
            let arrival = (self.now + delay, self.sent);
            self.flying
                .insert(arrival, (to_pith, marked, datagram.clone()));
        }
    }

    fn flush(&mut self) {
        let mut buffer = vec![0; 16 * 1500];
        let now = self.clock();
        while let Some(batch) = self
            .pith
            .as_mut()
            .and_then(|pith| pith.transmit(now, &mut buffer))
        {
            let marked = batch.ecn == Ecn::Ect0;
            for datagram in buffer[..batch.length].chunks(batch.segment) {
                self.fly(false, marked, datagram.to_vec());
            }
        }
        let instant = self.instant();
        loop {
            let mut buffer = Vec::new();
            let Some((_, quinn)) = &mut self.quinn else {
                break;
            };
            let Some(batch) = quinn.poll_transmit(instant, 10, &mut buffer) else {
                break;
            };
            self.quinn_sent(&batch, &buffer);
        }
    }

    fn quinn_sent(&mut self, batch: &quinn::Transmit, buffer: &[u8]) {
        let segment = batch.segment_size.unwrap_or(batch.size);
        for datagram in buffer[..batch.size].chunks(segment) {
            self.fly(true, batch.ecn.is_some(), datagram.to_vec());
        }
    }

    fn deliver(&mut self, to_pith: bool, marked: bool, datagram: &[u8]) {
        let bytes = BytesMut::from(datagram);
        if to_pith {
            let now = self.clock();
            if self.pith.is_none() {
                self.accept(datagram);
            }
            let ecn = if marked { Ecn::Ect0 } else { Ecn::NotEct };
            if let Some(pith) = &mut self.pith {
                pith.receive(now, self.seen_at, ecn, bytes);
            }
            // Nobody is accepted before a packet of his has opened.
            let opened = |pith: &Connection| pith.stats().packets_received > 0;
            let is_server = self.is_server;
            self.pith = self.pith.take().filter(|pith| !is_server || opened(pith));
            return;
        }
        let mut buffer = Vec::new();
        let ecn = marked.then_some(quinn::EcnCodepoint::Ect0);
        let instant = self.instant();
        let event = self
            .endpoint
            .handle(instant, address(2), None, ecn, bytes, &mut buffer);
        match event {
            Some(quinn::DatagramEvent::ConnectionEvent(handle, event)) => {
                // One of before may still be spoken to.
                if let Some((_, quinn)) = self.quinn.as_mut().filter(|(own, _)| *own == handle) {
                    quinn.handle_event(event);
                }
            }
            Some(quinn::DatagramEvent::NewConnection(incoming))
                if self.retry && incoming.may_retry() =>
            {
                let batch = self.endpoint.retry(incoming, &mut buffer).unwrap();
                self.quinn_sent(&batch, &buffer);
            }
            Some(quinn::DatagramEvent::NewConnection(incoming)) => {
                if let Ok(quinn) = self.endpoint.accept(incoming, instant, &mut buffer, None) {
                    self.quinn = Some(quinn);
                }
            }
            Some(quinn::DatagramEvent::Response(batch)) => self.quinn_sent(&batch, &buffer),
            None => {}
        }
    }

    /// Takes quinn's client in, by the ids in its first packet.
    fn accept(&mut self, datagram: &[u8]) {
        let long = datagram.first().is_some_and(|first| first & 0xb0 == 0x80);
        if !long || datagram.get(1..5) != Some(&[0, 0, 0, 1]) {
            return;
        }
        let ids = |at: usize| {
            let length = usize::from(*datagram.get(at)?);
            let end = at + 1 + length;
            Some((ConnectionId::new(datagram.get(at + 1..end)?)?, end))
        };
        let both = ids(5).and_then(|(original, next)| Some((original, ids(next)?.0)));
        let Some((original, peer)) = both else {
            return;
        };
        let accepted = Accepted {
            version: pith_quic::Version::V1,
            route: route(),
            original,
            retried: None,
            peer,
            id: id(0x50),
            validated: false,
        };
        let mut pith = Connection::server(&self.config, &accepted, self.clock()).unwrap();
        pith.issue_preferred_id(id(0x5f));
        self.pith = Some(pith);
    }

    fn step(&mut self, end: Duration) -> bool {
        self.flush();
        let pith = self.pith.as_ref().and_then(Connection::deadline);
        let quinn = self
            .quinn
            .as_mut()
            .and_then(|(_, quinn)| quinn.poll_timeout());
        let next = [
            self.flying.keys().next().map(|(at, _)| *at),
            pith.map(|at| at.saturating_sub(NOW.monotonic)),
            quinn.map(|at| at.saturating_duration_since(self.began)),
        ];
        let Some(next) = next.into_iter().flatten().min().filter(|next| *next <= end) else {
            self.now = end;
            return false;
        };
        self.now = self.now.max(next);
        let later = self.flying.split_off(&(self.now, u64::MAX));
        for (to_pith, marked, datagram) in std::mem::replace(&mut self.flying, later).into_values()
        {
            self.deliver(to_pith, marked, &datagram);
        }
        let (now, instant) = (self.clock(), self.instant());
        if let Some(pith) = &mut self.pith {
            pith.on_deadline(now);
            while let Some(event) = pith.event() {
                self.events.push(event);
            }
        }
        if let Some((handle, quinn)) = &mut self.quinn {
            if quinn.poll_timeout().is_some_and(|at| at <= instant) {
                quinn.handle_timeout(instant);
            }
            while let Some(event) = quinn.poll_endpoint_events() {
                if let Some(event) = self.endpoint.handle_event(*handle, event) {
                    quinn.handle_event(event);
                }
            }
            while let Some(event) = quinn.poll() {
                self.quinn_events.push(event);
            }
        }
        true
    }

    fn run_until(&mut self, time: Duration, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let end = self.now + time;
        for _ in 0..1_000_000 {
            if done(self) {
                return true;
            }
            if !self.step(end) {
                return false;
            }
        }
        panic!("no rest");
    }

    fn connect(&mut self) {
        let connected = self.run_until(Duration::from_secs(60), |pair| {
            let quinn = pair
                .quinn
                .as_ref()
                .is_some_and(|(_, quinn)| !quinn.is_handshaking());
            quinn && pair.pith.as_ref().is_some_and(Connection::is_established)
        });
        let error = self.pith.as_ref().and_then(|pith| pith.error().cloned());
        let stats = self.pith.as_ref().map(Connection::stats);
        assert!(
            connected,
            "server {}: {error:?} {:?} at {:?}, {stats:?}",
            self.is_server, self.quinn_events, self.now
        );
    }

    fn pith(&mut self) -> &mut Connection {
        self.pith.as_mut().unwrap()
    }

    fn quinn(&mut self) -> &mut quinn::Connection {
        &mut self.quinn.as_mut().unwrap().1
    }

    /// Pith opens a stream, sends on it and reads what quinn sends back, both of this length at once.
    fn exchange(&mut self, length: usize) {
        let data = pattern(length);
        let id = self.pith().open(Dir::Bi).unwrap();
        let theirs = quinn::StreamId::new(
            if id.get() & 1 == 0 {
                quinn::Side::Client
            } else {
                quinn::Side::Server
            },
            quinn::Dir::Bi,
            id.get() >> 2,
        );
        let (mut left, mut written) = (data.clone(), 0);
        let (mut got, mut theirs_got) = (Vec::new(), Vec::new());
        let (mut finished, mut ended, mut theirs_ended) = (false, false, false);
        let (mut accepted, mut theirs_finished) = (false, false);
        let done = self.run_until(Duration::from_secs(200), |pair| {
            if !finished {
                let pith = pair.pith();
                pith.send(id, &mut left).unwrap();
                if left.is_empty() {
                    pith.finish(id).unwrap();
                    finished = true;
                }
            }
            ended = ended || read(pair.pith(), id, &mut got);
            let quinn = pair.quinn();
            accepted = accepted || quinn.streams().accept(quinn::Dir::Bi).is_some();
            if accepted {
                while written < length {
                    match quinn.send_stream(theirs).write(&data[written..]) {
                        Ok(more) => written += more,
                        Err(quinn::WriteError::Blocked) => break,
                        Err(error) => panic!("{error}"),
                    }
                }
                if written == length && !theirs_finished {
                    quinn.send_stream(theirs).finish().unwrap();
                    theirs_finished = true;
                }
                if !theirs_ended {
                    let mut stream = quinn.recv_stream(theirs);
                    let mut chunks = stream.read(true).unwrap();
                    loop {
                        match chunks.next(usize::MAX) {
                            Ok(Some(chunk)) => theirs_got.extend_from_slice(&chunk.bytes),
                            Ok(None) => theirs_ended = true,
                            Err(quinn::ReadError::Blocked) => {}
                            Err(error) => panic!("{error}"),
                        }
                        if theirs_ended || theirs_got.len() > length {
                            break;
                        }
                        if chunks.next(0).is_err() {
                            break;
                        }
                    }
                    let _transmit = chunks.finalize().should_transmit();
                }
            }
            ended && theirs_ended
        });
        let error = self.pith().error().cloned();
        assert!(
            done,
            "{} and {} of {length}: {error:?} {:?}",
            got.len(),
            theirs_got.len(),
            self.quinn_events.last()
        );
        assert!(got == data && theirs_got == data);
    }
}

fn read(connection: &mut Connection, id: StreamId, into: &mut Vec<u8>) -> bool {
    loop {
        match connection.read(id, usize::MAX) {
            Ok(Read::Data { bytes, ends, .. }) => {
                into.extend_from_slice(&bytes);
                if ends {
                    return true;
                }
            }
            Ok(Read::Finished) => return true,
            Ok(Read::Blocked) => return false,
            Err(error) => panic!("{error:?}"),
        }
    }
}

fn pattern(length: usize) -> Bytes {
    (0..length).map(|at| (at * 7 + at / 251) as u8).collect()
}

type Make = fn(CipherSuite, Bad, u64) -> Pair;

const BOTH: [(&str, Make); 2] = [("client", Pair::pith_client), ("server", Pair::pith_server)];

#[test]
fn quinn_connects_in_every_suite_and_moves_data_both_ways() {
    for (role, make) in BOTH {
        for suite in CipherSuite::ALL {
            let mut pair = make(*suite, Bad::default(), 1);
            pair.connect();
            let summary = pair.pith().summary().unwrap().clone();
            assert_eq!(
                (summary.suite, summary.group),
                (*suite, Group::X25519MlKem768),
                "{role}"
            );
            pair.exchange(1_000_000);
            let stats = pair.pith().stats();
            assert_eq!(
                (stats.packets_lost, stats.undecryptable),
                (0, 0),
                "{role} {stats:?}"
            );
        }
    }
}

#[test]
fn quinn_and_pith_survive_a_bad_network() {
    let bad = Bad {
        loss: 5,
        reorder: 10,
        repeat: 5,
        corrupt: 3,
        carries: 0,
    };
    for (role, make) in BOTH {
        for seed in 0..4 {
            let mut pair = make(CipherSuite::Aes128GcmSha256, bad, seed);
            pair.connect();
            pair.exchange(200_000);
            assert!(pair.pith().stats().packets_lost > 0, "{role} {seed}");
        }
    }
}

#[test]
fn quinn_and_pith_find_what_their_path_carries_and_that_it_carries_less() {
    for (role, make) in BOTH {
        // What the path carries at first and then, and the least that is found.
        for (carries, later, least) in [
            (1200, 1200, 1200),
            (1350, 1350, 1326),
            (1500, 1500, 1452),
            (1500, 1350, 1326),
            (1500, 1200, 1200),
        ] {
            let bad = Bad {
                carries,
                ..Bad::default()
            };
            let name = format!("{role} {carries} {later}");
            let mut pair = make(CipherSuite::Aes128GcmSha256, bad, 1);
            pair.connect();
            pair.exchange(1_000_000);
            pair.bad.carries = later;
            pair.exchange(1_000_000);
            pair.exchange(1_000_000);
            let stats = pair.pith().stats();
            let found = usize::from(stats.mtu);
            assert!((least..=later).contains(&found), "{name}: {found}");
            // It searches again a minute after it has found less.
            let (theirs, shrinks) = (pair.quinn().current_mtu(), later < carries);
            let least = if shrinks { 1200 } else { least };
            assert!((least..=later).contains(&theirs.into()), "{name}: {theirs}");
            let holes = pair.quinn().stats().path.black_holes_detected;
            let holes = (stats.black_holes, holes);
            assert_eq!(holes, (shrinks.into(), shrinks.into()), "{name}");
        }
    }
}

#[test]
fn quinn_follows_key_updates_and_asks_for_them() {
    for (role, make) in BOTH {
        let mut pair = make(CipherSuite::ChaCha20Poly1305Sha256, Bad::default(), 1);
        pair.connect();
        pair.exchange(10_000);
        for round in 1..=3 {
            pair.pith().update_keys();
            pair.exchange(50_000);
            pair.run_until(Duration::from_secs(1), |_| false);
            pair.quinn().force_key_update();
            pair.exchange(50_000);
            pair.run_until(Duration::from_secs(1), |_| false);
            assert_eq!(pair.pith().stats().key_updates, 2 * round, "{role}");
        }
        assert_eq!(pair.pith().stats().undecryptable, 0, "{role}");
    }
}

#[test]
fn quinn_sees_why_pith_closes_and_the_other_way_round() {
    for (role, make) in BOTH {
        let mut pair = make(CipherSuite::Aes256GcmSha384, Bad::default(), 1);
        pair.connect();
        pair.run_until(Duration::from_secs(1), |_| false);
        let now = pair.clock();
        pair.pith()
            .close(VarInt::from(77_u8), Bytes::from_static(b"enough"), now);
        pair.run_until(Duration::from_secs(2), |_| false);
        let closed = pair.quinn_events.iter().any(|event| {
            let quinn::Event::ConnectionLost {
                reason: quinn::ConnectionError::ApplicationClosed(close),
            } = event
            else {
                return false;
            };
            close.error_code.into_inner() == 77 && close.reason == b"enough"[..]
        });
        assert!(closed, "{role} {:?}", pair.quinn_events);

        let mut pair = make(CipherSuite::Aes256GcmSha384, Bad::default(), 1);
        pair.connect();
        pair.run_until(Duration::from_secs(1), |_| false);
        let instant = pair.instant();
        pair.quinn().close(
            instant,
            quinn::VarInt::from_u32(88),
            Bytes::from_static(b"done"),
        );
        pair.run_until(Duration::from_secs(2), |_| false);
        let want = ConnectionError::ApplicationClosed {
            code: 88,
            reason: Bytes::from_static(b"done"),
        };
        assert_eq!(pair.pith().error(), Some(&want), "{role}");
        assert!(pair.pith().is_over(), "{role}");
    }
}

#[test]
fn quinn_and_pith_exchange_datagrams() {
    for (role, make) in BOTH {
        let mut pair = make(CipherSuite::Aes128GcmSha256, Bad::default(), 1);
        pair.connect();
        pair.pith().send_datagram(pattern(900)).unwrap();
        pair.quinn().datagrams().send(pattern(800), true).unwrap();
        pair.run_until(Duration::from_secs(1), |_| false);
        assert_eq!(
            pair.quinn().datagrams().recv(),
            Some(pattern(900)),
            "{role}"
        );
        assert_eq!(pair.pith().read_datagram(), Some(pattern(800)), "{role}");
    }
}

#[test]
fn quinn_is_refused_without_a_common_protocol() {
    let mut pair = Pair::pith_client(CipherSuite::Aes128GcmSha256, Bad::default(), 1);
    let pki = Pki::new();
    let tls = pith_tls::ClientConfig::new(trust(&pki))
        .alpn(&[b"other"])
        .build()
        .unwrap();
    let config = ClientConfig::new(tls).build().unwrap();
    let own = id(0xc0).id;
    let pith = Connection::client(&config, name(), route(), own, Bytes::new(), NOW).unwrap();
    pair.pith = Some(pith);
    pair.run_until(Duration::from_secs(3), |_| false);
    let Some(ConnectionError::PeerClosed { code, .. }) = pair.pith().error() else {
        panic!("{:?}", pair.pith().error());
    };
    assert_eq!(*code, Code(0x178));
}
