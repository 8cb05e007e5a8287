//! QUIC over simulated networks: the interop runner's scenarios, with the virtual time that they may take as the pass mark, and random
//! networks by seed. Replays to the byte count only under `--cfg pith_test`, which lets the connections' own chance come from the seed.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

#[cfg(pith_test)]
mod constant_time;
mod handshakes;
mod paths;
mod preferred;
mod random;
mod returning;
mod scenarios;

use std::collections::BTreeMap;
use std::net::{SocketAddr, SocketAddrV4};
use std::sync::OnceLock;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pith_quic::{
    ClientConfig, Connection, ConnectionError, ConnectionKey, Dir, Ecn, Endpoint, EndpointConfig,
    Event, Read, Retrying, Route, Routed, ServerConfig, StreamEvent, StreamId, Version,
};
use pith_tests::network::{
    Datagram, Dice, Fate, Link, Mark, Marking, Network, Node, Outage, for_each_seed,
};
use pith_tests::pair::{NAME, NOW, credential, name, trust};
use pith_tests::pki::{Kind, Pki};
use pith_tls::{EarlyData, Now, SessionStore, StrikeRegister, Trust};

/// An endpoint with its connections and their application: a client asks on each stream for a number of bytes, and a server sends them.
struct Host {
    endpoint: Endpoint,
    home: SocketAddr,
    /// Whether it tells its addresses apart.
    knows: bool,
    config: Option<ServerConfig>,
    ends: BTreeMap<ConnectionKey, End>,
    replies: Vec<(SocketAddr, Vec<u8>)>,
    data: Bytes,
    ask: usize,
}

struct End {
    connection: Connection,
    /// What is still to be asked for, the next one last.
    asks: Vec<usize>,
    streams: BTreeMap<StreamId, Stream>,
    answered: usize,
    /// Bytes of asks that came as early data, and of all.
    early: usize,
    heard: usize,
    closed: Option<ConnectionError>,
    confirmed: bool,
    /// Where the peer was said to be, each time.
    moves: Vec<Route>,
    /// Where this side went, and where it could not.
    went: Vec<Route>,
    failed: Vec<Route>,
}

#[derive(Default)]
struct Stream {
    /// What a server was asked, or how much a client wants.
    asked: Vec<u8>,
    want: usize,
    got: usize,
    left: Bytes,
    sending: bool,
}

/// What differs from the usual.
#[derive(Clone, Copy)]
struct Tune {
    seed: u64,
    /// What client and server speak, most wanted first.
    versions: [&'static [Version]; 2],
    retry: bool,
    intermediates: usize,
    /// Bytes of the leaf that no compression takes off.
    bulk: u64,
    /// Whether the client knows the server by its key, and not by a root.
    pinned: bool,
    streams: u64,
    timeout: Duration,
    /// Bytes of an ask.
    ask: usize,
    /// Whether clients that come back resume.
    sessions: bool,
    /// Whether they send early data then, and the server takes it.
    early: bool,
    /// Where the server would rather be, and whether its clients may move by themselves.
    preferred: Option<SocketAddrV4>,
    moves: bool,
    /// Whether clients have no ids.
    empty: bool,
}

const USUAL: Tune = Tune {
    seed: 1,
    versions: [&[Version::V1, Version::V2]; 2],
    retry: false,
    intermediates: 0,
    bulk: 0,
    pinned: false,
    streams: 100,
    timeout: Duration::from_secs(30),
    ask: 4,
    sessions: false,
    early: false,
    preferred: None,
    moves: true,
    empty: false,
};
const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const CLIENT: usize = 0;
const SERVER: usize = 1;

fn clock(now: Duration) -> Now {
    Now {
        monotonic: NOW.monotonic + now,
        unix: NOW.unix + now,
    }
}

fn address(last: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], port))
}

fn route(remote: SocketAddr) -> Route {
    Route {
        local: None,
        remote,
    }
}

/// The connections' own chance, where a test may choose it.
fn seed(tune: &Tune, role: u8) -> [u8; 32] {
    let mut seed = [role; 32];
    seed[..8].copy_from_slice(&tune.seed.to_be_bytes());
    seed
}

/// A client with its configuration, and a server, on a network.
fn scene(tune: Tune, there: Link, back: Link) -> (Network<Host>, ClientConfig) {
    let pki = Pki::with(Kind::Fixed(1), tune.intermediates);
    let identity = pki.leaf_with(Kind::Fixed(2), &[NAME], |params| {
        let mut dice = Dice::new(1);
        let bulk: Vec<u8> = (0..tune.bulk).map(|_| dice.roll() as u8).collect();
        let extension =
            rcgen::CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 32473, 1], bulk);
        params.custom_extensions = vec![extension];
    });
    let trust = if tune.pinned {
        Trust::pinned_keys([credential(&identity).key_pin()]).unwrap()
    } else {
        trust(&pki)
    };
    let mut tls = pith_tls::ClientConfig::new(trust).alpn(&[b"test"]);
    if tune.sessions {
        tls = tls.sessions(SessionStore::new()).early_data(tune.early);
    }
    let client = ClientConfig::new(tls.build().unwrap())
        .versions(tune.versions[0])
        .empty_ids(tune.empty)
        .idle_timeout(Some(tune.timeout))
        .handshake_timeout(tune.timeout);
    let mut tls = pith_tls::ServerConfig::new(credential(&identity)).alpn(&[b"test"]);
    if tune.early {
        let before = Now {
            unix: NOW.unix - 100 * SECOND,
            ..NOW
        };
        tls = tls.early_data(1, StrikeRegister::new(before));
    }
    let server = ServerConfig::new(tls.build().unwrap())
        .versions(tune.versions[1])
        .preferred_address(tune.preferred, None)
        .active_migration(tune.moves)
        .idle_timeout(Some(tune.timeout))
        .handshake_timeout(tune.timeout)
        .streams(tune.streams, tune.streams);
    let mut ends = [EndpointConfig::client(), EndpointConfig::server()].map(Result::unwrap);
    if tune.retry {
        ends = ends.map(|end| end.retrying(Retrying::Always));
    }
    #[cfg(pith_test)]
    let (client, server, ends) = {
        let [first, second] = ends;
        (
            client.seed(seed(&tune, 1)),
            server.seed(seed(&tune, 2)),
            [first.seed(seed(&tune, 3)), second.seed(seed(&tune, 4))],
        )
    };
    let _unused_without_the_cfg = seed(&tune, 0);
    let mut config = Some(server.build().unwrap());
    let data = data();
    let mut port = 50_000;
    let hosts = ends.map(|end| {
        let mut endpoint = Endpoint::new(end, clock(Duration::ZERO)).unwrap();
        config
            .iter()
            .for_each(|server| endpoint.set_versions(server));
        let host = Host {
            endpoint,
            home: address(if port == 50_000 { 1 } else { 2 }, port),
            knows: port == 443 && tune.preferred.is_some(),
            config: if port == 443 { config.take() } else { None },
            ends: BTreeMap::new(),
            replies: Vec::new(),
            data: data.clone(),
            ask: tune.ask,
        };
        port = 443;
        (host.home, host)
    });
    let mut network = Network::new(tune.seed, hosts.into());
    network.join(CLIENT, SERVER, there, back);
    if let Some(preferred) = tune.preferred {
        network.also_at(SERVER, preferred.into());
    }
    (network, client.build().unwrap())
}

/// As many bytes as the interop runner asks for.
const DATA: usize = 10_000_000;

fn data() -> Bytes {
    static DATA_ONCE: OnceLock<Bytes> = OnceLock::new();
    let data = || (0..DATA).map(|at| (at * 7 + at / 251) as u8).collect();
    DATA_ONCE.get_or_init(data).clone()
}

/// Connects, asks for so many bytes on as many streams, and says how long it took until all were there.
fn fetch(
    network: &mut Network<Host>,
    config: &ClientConfig,
    asks: &[usize],
    time: Duration,
) -> Option<Duration> {
    let began = network.now();
    let key = network.nodes[CLIENT].connect(config, asks, began);
    let done = network.run(time, |nodes, _| {
        let end = &nodes[CLIENT].ends[&key];
        end.answered == asks.len() || end.closed.is_some()
    });
    let end = &network.nodes[CLIENT].ends[&key];
    (end.answered == asks.len()).then(|| done.unwrap() - began)
}

impl Host {
    fn connect(&mut self, config: &ClientConfig, asks: &[usize], now: Duration) -> ConnectionKey {
        let to = route(address(2, 443));
        let made = self
            .endpoint
            .connect(config, name(), to, Bytes::new(), clock(now));
        let (key, connection) = made.unwrap();
        let asks = asks.iter().rev().copied().collect();
        self.ends.insert(key, End::new(connection, asks));
        self.work(key, now);
        key
    }

    /// The first connection.
    fn connection(&self) -> Option<&Connection> {
        self.ends.values().next().map(|end| &end.connection)
    }

    /// Why it ended.
    fn closed(&self) -> Option<&ConnectionError> {
        self.connection()?.error()
    }

    fn work(&mut self, key: ConnectionKey, now: Duration) {
        let end = self.ends.get_mut(&key).unwrap();
        end.work(&self.data, self.ask);
        self.endpoint.settle(key, &mut end.connection, clock(now));
    }
}

impl End {
    fn new(connection: Connection, asks: Vec<usize>) -> Self {
        Self {
            connection,
            asks,
            streams: BTreeMap::new(),
            answered: 0,
            early: 0,
            heard: 0,
            closed: None,
            confirmed: false,
            moves: Vec::new(),
            went: Vec::new(),
            failed: Vec::new(),
        }
    }

    fn work(&mut self, data: &Bytes, ask: usize) {
        while let Some(event) = self.connection.event() {
            match event {
                Event::Stream(StreamEvent::Opened(Dir::Bi)) => {
                    while let Some(id) = self.connection.accept(Dir::Bi) {
                        self.streams.insert(id, Stream::default());
                        self.read(id, data);
                    }
                }
                Event::Stream(StreamEvent::Readable(id)) => self.read(id, data),
                Event::Stream(StreamEvent::Writable(id)) => self.write(id),
                // Nobody has heard of them: all may be asked for again.
                Event::EarlyDataRejected => {
                    let gone = std::mem::take(&mut self.streams);
                    self.asks
                        .extend(gone.values().rev().map(|stream| stream.want));
                }
                Event::Closed(error) => self.closed = Some(error),
                Event::Confirmed => self.confirmed = true,
                Event::Moved(route) => self.moves.push(route),
                Event::Migrated(route) => self.went.push(route),
                Event::MigrationFailed(route) => self.failed.push(route),
                _ => {}
            }
        }
        while let Some(want) = self.asks.last().copied() {
            let Some(id) = self.connection.open(Dir::Bi) else {
                break;
            };
            self.asks.pop();
            let mut left = (want as u32).to_be_bytes().to_vec();
            left.resize(ask, b'x');
            let left = Bytes::from(left);
            let stream = Stream {
                want,
                left,
                sending: true,
                ..Stream::default()
            };
            self.streams.insert(id, stream);
            self.write(id);
        }
    }

    fn write(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id).filter(|stream| stream.sending) else {
            return;
        };
        let sent = self.connection.send(id, &mut stream.left);
        if sent.is_ok() && stream.left.is_empty() {
            stream.sending = false;
            self.connection.finish(id).unwrap();
        }
    }

    fn read(&mut self, id: StreamId, data: &Bytes) {
        let is_client = id.get() & 1 == 0 && self.streams.get(&id).is_some_and(|s| s.want > 0);
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        loop {
            let ends = match self.connection.read_early(id, usize::MAX) {
                Ok(Read::Data {
                    bytes, ends, early, ..
                }) => {
                    if is_client {
                        let end = stream.got + bytes.len();
                        assert!(end <= stream.want, "too much on {id:?}");
                        assert!(data[stream.got..end] == bytes, "other bytes on {id:?}");
                        stream.got = end;
                    } else {
                        self.early += if early { bytes.len() } else { 0 };
                        self.heard += bytes.len();
                        stream.asked.extend_from_slice(&bytes);
                    }
                    ends
                }
                Ok(Read::Finished) => true,
                Ok(Read::Blocked) => return,
                Err(_) => {
                    assert!(self.connection.error().is_some(), "nobody resets a stream");
                    return;
                }
            };
            if ends {
                break;
            }
        }
        if is_client {
            assert_eq!(stream.got, stream.want, "too little on {id:?}");
            self.answered += 1;
            self.streams.remove(&id);
            return;
        }
        let asked = u32::from_be_bytes(stream.asked[..4].try_into().unwrap());
        stream.left = data.slice(..asked as usize);
        stream.sending = true;
        self.write(id);
    }
}

impl Node for Host {
    fn receive(&mut self, now: Duration, datagram: Datagram) {
        let ecn = match datagram.ecn {
            Mark::NotEct => Ecn::NotEct,
            Mark::Ect0 => Ecn::Ect0,
            Mark::Ect1 => Ecn::Ect1,
            Mark::Ce => Ecn::Ce,
        };
        let (mut route, mut reply) = (route(datagram.from), [0; 1200]);
        route.local = self.knows.then_some(datagram.to);
        let bytes = BytesMut::from(&datagram.bytes[..]);
        let routed = self
            .endpoint
            .receive(clock(now), route, ecn, bytes, &mut reply);
        match routed {
            Routed::Connection(key, bytes) => {
                if let Some(end) = self.ends.get_mut(&key) {
                    end.connection.receive(clock(now), route, ecn, bytes);
                    self.work(key, now);
                }
            }
            Routed::Incoming(incoming) => {
                let config = self.config.as_ref().unwrap();
                if let Ok((key, connection)) = self.endpoint.accept(incoming, config, clock(now)) {
                    self.ends.insert(key, End::new(connection, Vec::new()));
                    self.work(key, now);
                }
            }
            Routed::Reply(length) => {
                let reply = reply[..length].to_vec();
                self.replies.push((datagram.from, reply));
            }
            Routed::Forward(..) => panic!("one worker"),
            Routed::Nothing => {}
        }
    }

    fn transmit(&mut self, now: Duration) -> Vec<Datagram> {
        let from = self.home;
        let mut all: Vec<_> = std::mem::take(&mut self.replies)
            .into_iter()
            .map(|(to, bytes)| Datagram {
                from,
                to,
                ecn: Mark::NotEct,
                bytes,
            })
            .collect();
        let mut buffer = [0; 16 * 1500];
        for end in self.ends.values_mut() {
            while let Some(batch) = end.connection.transmit(clock(now), &mut buffer) {
                let ecn = match batch.ecn {
                    Ecn::Ect0 => Mark::Ect0,
                    Ecn::Ect1 => Mark::Ect1,
                    Ecn::Ce => Mark::Ce,
                    Ecn::NotEct => Mark::NotEct,
                };
                let to = batch.route.remote;
                let from = batch.route.local.unwrap_or(from);
                for datagram in buffer[..batch.length].chunks(batch.segment) {
                    let bytes = datagram.to_vec();
                    all.push(Datagram {
                        from,
                        to,
                        ecn,
                        bytes,
                    });
                }
            }
        }
        all
    }

    fn deadline(&self) -> Option<Duration> {
        let ends = self.ends.values();
        let ends = ends.filter_map(|end| end.connection.deadline());
        ends.chain(self.endpoint.deadline()).min()
    }

    fn on_deadline(&mut self, now: Duration) {
        self.endpoint.on_deadline(clock(now));
        let due = |end: &End| end.connection.deadline().is_some_and(|at| at <= now);
        let due: Vec<_> = self
            .ends
            .iter()
            .filter(|(_, end)| due(end))
            .map(|(key, _)| *key)
            .collect();
        for key in due {
            self.ends
                .get_mut(&key)
                .unwrap()
                .connection
                .on_deadline(clock(now));
            self.work(key, now);
        }
    }
}

/// 10 Mbit/s, 15 ms each way, 25 packets of queue, as the interop runner has it.
fn usual() -> Link {
    Link {
        rate: Some(1_250_000),
        queue: 25 * 1500,
        ..Link::of(15 * MS)
    }
}
