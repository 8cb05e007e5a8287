//! Two connections in memory, joined by a link with a virtual clock that can lose, delay, repeat and change datagrams.

mod close;
mod cuts;
mod data;
mod early;
mod frames;
mod fuzz;
mod handshake;
mod ids;
mod keys;
mod loss;
mod malformed;
mod migrate;
mod moving;
mod mtu;
mod numbers;
mod observers;
mod order;
mod parameters;
mod preferred;
mod questions;
mod rules;
mod streams;
mod versions;

use core::net::{IpAddr, SocketAddr};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pith_tests::pair::{NAME, credential, name, trust};
use pith_tests::pki::{Kind, Pki};
use pith_tls::{CipherSuite, Now};

use super::*;
use crate::config::{ClientConfigBuilder, ServerConfigBuilder};
use crate::limits;
use crate::recovery::Ecn;
use crate::streams::{Read, StreamEvent};
use crate::wire::header::{self, Packet, QuicBit};
use crate::wire::{Dir, ResetToken, StreamId, VarInt};

const CLIENT: Route = Route {
    local: None,
    remote: SocketAddr::new(IpAddr::V4(core::net::Ipv4Addr::LOCALHOST), 4433),
};
const START: Duration = Duration::from_secs(100);

/// What becomes of a datagram: the delays after which copies of it arrive, none if it is lost. May change it.
type Fate = Box<dyn FnMut(Side, &mut Vec<u8>) -> Vec<Duration>>;

/// Two connections and what is on its way between them.
struct Pair {
    client: Connection,
    server: Option<Connection>,
    server_config: ServerConfig,
    now: Duration,
    fate: Fate,
    /// By arrival and a number: to whom, from where, and what.
    flying: BTreeMap<(Duration, u64), (Side, Route, Ecn, Vec<u8>)>,
    /// Where the server sees the client: a NAT may change it. What goes anywhere else is lost.
    seen_at: Route,
    /// Other addresses of the client's host.
    homes: Vec<IpAddr>,
    /// The server's address, where a test wants it to know it, and another one of it.
    server_at: Option<SocketAddr>,
    preferred: Option<SocketAddr>,
    /// The server's id of the handshake.
    server_id: NewId,
    sent: u64,
    client_events: Vec<Event>,
    server_events: Vec<Event>,
    /// Every datagram that was sent, by whom.
    log: Vec<(Side, Vec<u8>)>,
    /// Where each of the server's went.
    went: Vec<(Duration, Route, usize)>,
    /// What datagrams are written to.
    buffer: Vec<u8>,
}

const DELAY: Duration = Duration::from_millis(10);

fn straight() -> Fate {
    Box::new(|_, _| vec![DELAY])
}

/// TLS configurations that fit each other.
fn tls(suites: &[CipherSuite]) -> (Arc<pith_tls::ClientConfig>, Arc<pith_tls::ServerConfig>) {
    tls_with(Kind::Ed25519, 0, suites)
}

fn tls_with(
    kind: Kind,
    intermediates: usize,
    suites: &[CipherSuite],
) -> (Arc<pith_tls::ClientConfig>, Arc<pith_tls::ServerConfig>) {
    let pki = Pki::with(kind, intermediates);
    let client = pith_tls::ClientConfig::new(trust(&pki))
        .alpn(&[b"test"])
        .suites(suites)
        .build()
        .unwrap();
    let identity = pki.leaf_with(kind, &[NAME], |_| ());
    let server = pith_tls::ServerConfig::new(credential(&identity))
        .alpn(&[b"test"])
        .build()
        .unwrap();
    (client, server)
}

fn id(value: u8) -> ConnectionId {
    ConnectionId::new(&[value; 8]).unwrap()
}

fn new_id(value: u8) -> NewId {
    NewId {
        id: id(value),
        reset_token: ResetToken([value; 16]),
    }
}

impl Pair {
    fn new(fate: Fate) -> Self {
        Self::with(fate, |client| client, |server| server)
    }

    fn with(
        fate: Fate,
        client: impl FnOnce(ClientConfigBuilder) -> ClientConfigBuilder,
        server: impl FnOnce(ServerConfigBuilder) -> ServerConfigBuilder,
    ) -> Self {
        let (client_tls, server_tls) = tls(CipherSuite::ALL);
        let client = client(ClientConfig::new(client_tls).seed([1; 32]).mtu(1200));
        let server = server(ServerConfig::new(server_tls).seed([2; 32]).mtu(1200));
        Self::of(fate, &client.build().unwrap(), server.build().unwrap())
    }

    fn of(fate: Fate, client: &ClientConfig, server_config: ServerConfig) -> Self {
        Self::begun(START, fate, client, server_config)
    }

    fn begun(
        start: Duration,
        fate: Fate,
        client: &ClientConfig,
        server_config: ServerConfig,
    ) -> Self {
        let now = at(start);
        let client =
            Connection::client(client, name(), CLIENT, id(0xc0), Bytes::new(), now).unwrap();
        Self {
            client,
            server: None,
            server_config,
            now: start,
            fate,
            flying: BTreeMap::new(),
            seen_at: CLIENT,
            homes: Vec::new(),
            server_at: None,
            preferred: None,
            server_id: new_id(0x50),
            went: Vec::new(),
            sent: 0,
            client_events: Vec::new(),
            server_events: Vec::new(),
            log: Vec::new(),
            buffer: vec![0; 16 * 1500],
        }
    }

    /// A pair whose handshake is confirmed on both sides.
    fn connected() -> Self {
        let mut pair = Self::new(straight());
        pair.connect();
        pair
    }

    fn connect(&mut self) {
        let confirmed = self.run_until(Duration::from_secs(60), |pair| {
            pair.client.state == State::Confirmed
        });
        let errors = (self.client.error().cloned(), self.server().error().cloned());
        assert!(confirmed, "{errors:?}");
        assert_eq!(self.server().state, State::Confirmed);
    }

    fn server(&mut self) -> &mut Connection {
        self.server.as_mut().unwrap()
    }

    fn side(&mut self, side: Side) -> &mut Connection {
        match side {
            Side::Client => &mut self.client,
            Side::Server => self.server.as_mut().unwrap(),
        }
    }

    /// Sends what both sides have to send.
    fn flush(&mut self) {
        let mut buffer = core::mem::take(&mut self.buffer);
        for side in [Side::Client, Side::Server] {
            if side == Side::Server && self.server.is_none() {
                continue;
            }
            let now = at(self.now);
            while let Some(batch) = self.side(side).transmit(now, &mut buffer) {
                assert!(batch.segment > 0 && batch.length > 0);
                for datagram in buffer[..batch.length].chunks(batch.segment) {
                    if side == Side::Server {
                        self.went.push((self.now, batch.route, datagram.len()));
                    }
                    if let Some(route) = self.carried(side, batch.route) {
                        self.fly_by(side, route, batch.ecn, datagram.to_vec());
                    }
                }
            }
        }
        self.buffer = buffer;
    }

    /// Hands a datagram of `from` to the link.
    fn fly(&mut self, from: Side, datagram: Vec<u8>) {
        self.fly_marked(from, Ecn::NotEct, datagram);
    }

    fn fly_marked(&mut self, from: Side, ecn: Ecn, datagram: Vec<u8>) {
        let route = match from {
            Side::Client => self.seen_at,
            Side::Server => CLIENT,
        };
        self.fly_by(from, route, ecn, datagram);
    }

    /// How a datagram that is sent on `route` is received, if it is.
    fn carried(&self, from: Side, route: Route) -> Option<Route> {
        match from {
            Side::Client => {
                let to_first = route.remote == CLIENT.remote;
                assert!(to_first || Some(route.remote) == self.preferred);
                let home = route.local.map(|own| own.ip());
                let home = home.filter(|ip| self.homes.contains(ip));
                Some(Route {
                    local: if to_first {
                        self.server_at
                    } else {
                        Some(route.remote)
                    },
                    remote: home.map_or(self.seen_at.remote, |ip| (ip, 4433).into()),
                })
            }
            Side::Server => {
                let preferred = self.preferred.filter(|at| route.local == Some(*at));
                let home = Some(route.remote.ip()).filter(|ip| self.homes.contains(ip));
                let arrives = home.is_some() || route.remote == self.seen_at.remote;
                arrives.then(|| Route {
                    local: home.map(|ip| (ip, 4433).into()),
                    remote: preferred.unwrap_or(CLIENT.remote),
                })
            }
        }
    }

    fn fly_by(&mut self, from: Side, route: Route, ecn: Ecn, mut datagram: Vec<u8>) {
        self.log.push((from, datagram.clone()));
        for delay in (self.fate)(from, &mut datagram) {
            self.sent += 1;
            let key = (self.now + delay, self.sent);
            self.flying
                .insert(key, (from.peer(), route, ecn, datagram.clone()));
        }
    }

    fn deliver(&mut self, to: Side, datagram: &[u8]) {
        self.deliver_marked(to, Ecn::NotEct, datagram);
    }

    fn deliver_marked(&mut self, to: Side, ecn: Ecn, datagram: &[u8]) {
        let route = match to {
            Side::Client => CLIENT,
            Side::Server => self.seen_at,
        };
        self.deliver_from(to, route, ecn, datagram);
    }

    fn deliver_from(&mut self, to: Side, route: Route, ecn: Ecn, datagram: &[u8]) {
        let now = at(self.now);
        let bytes = BytesMut::from(datagram);
        if to == Side::Server && self.server.is_none() {
            self.accept(datagram);
        }
        if to == Side::Client || self.server.is_some() {
            self.side(to).receive(now, route, ecn, bytes);
        }
        // Nobody is accepted before a packet of his has opened.
        let opened = |server: &Connection| server.stats.packets_received > 0;
        self.server = self.server.take().filter(opened);
    }

    /// What an endpoint does with the first datagram of a client.
    fn accept(&mut self, datagram: &[u8]) {
        let Ok(Packet::Protected(header)) = header::decode(datagram, 8, QuicBit::Any) else {
            return;
        };
        let Some((version, peer)) = header.long else {
            return;
        };
        let accepted = Accepted {
            version,
            route: Route {
                local: self.server_at,
                ..CLIENT
            },
            original: header.dcid,
            retried: None,
            peer,
            id: self.server_id,
            validated: false,
        };
        let server = Connection::server(&self.server_config, &accepted, at(self.now));
        let mut server = server.unwrap();
        let prefers = !self.server_config.transport.preferred.is_none();
        assert_eq!(server.issue_preferred_id(new_id(0x5f)), prefers);
        self.server = Some(server);
    }

    /// Goes on to the next thing that happens, or to `end`. False if nothing happens until then.
    fn step(&mut self, end: Duration) -> bool {
        self.flush();
        let server = self.server.as_ref();
        let next = [
            self.flying.keys().next().map(|(at, _)| *at),
            self.client.deadline(),
            server.and_then(Connection::deadline),
        ];
        let next = next.into_iter().flatten().min();
        let Some(next) = next.filter(|next| *next <= end) else {
            self.now = self.now.max(end);
            return false;
        };
        self.now = self.now.max(next);
        let later = self.flying.split_off(&(self.now, u64::MAX));
        let arrived = core::mem::replace(&mut self.flying, later);
        for (to, route, ecn, datagram) in arrived.into_values() {
            self.deliver_from(to, route, ecn, &datagram);
        }
        let now = at(self.now);
        self.client.on_deadline(now);
        if let Some(server) = &mut self.server {
            server.on_deadline(now);
        }
        self.flush();
        self.events();
        self.check_rest();
        true
    }

    /// A connection that has been looked at and has sent all waits for later: one whose deadline does not move would keep its driver busy.
    fn check_rest(&mut self) {
        let now = at(self.now);
        self.client.on_deadline(now);
        if let Some(server) = &mut self.server {
            server.on_deadline(now);
        }
        self.flush();
        for connection in core::iter::once(&self.client).chain(&self.server) {
            let waits = connection.deadline().is_none_or(|at| at > now.monotonic);
            assert!(waits, "{:?} {:?}", connection.state, connection.stats());
        }
    }

    fn events(&mut self) {
        while let Some(event) = self.client.event() {
            self.client_events.push(event);
        }
        if let Some(server) = &mut self.server {
            while let Some(event) = server.event() {
                self.server_events.push(event);
            }
        }
    }

    /// Runs until `done`, for `time` at the longest.
    fn run_until(&mut self, time: Duration, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let end = self.now + time;
        let mut steps = 0;
        while !done(self) {
            steps += 1;
            assert!(steps < 200_000, "the connections never rest");
            if !self.step(end) {
                return false;
            }
        }
        true
    }

    /// Runs for `time`, or until nothing more happens.
    fn run(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    /// Sends `data` on a new stream of `from` and reads what arrives at the other side, to the end.
    fn transfer(&mut self, from: Side, data: &Bytes, time: Duration) -> Vec<u8> {
        let id = self.side(from).open(Dir::Uni).unwrap();
        let (mut left, mut got) = (data.clone(), Vec::new());
        let (mut accepted, mut finished) = (false, false);
        let done = self.run_until(time, |pair| {
            let sender = pair.side(from);
            if !finished {
                sender.send(id, &mut left).unwrap();
                if left.is_empty() {
                    sender.finish(id).unwrap();
                    finished = true;
                }
            }
            if pair.server.is_none() {
                return false;
            }
            let receiver = pair.side(from.peer());
            accepted = accepted || receiver.accept(Dir::Uni) == Some(id);
            accepted && read(receiver, id, &mut got)
        });
        assert!(done, "{} of {} bytes", got.len(), data.len());
        got
    }
}

/// Reads what is there; says whether that was all.
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

fn at(now: Duration) -> Now {
    Now {
        monotonic: now,
        unix: Duration::from_secs(1_800_000_000) + now,
    }
}

/// Bytes that say where they stand.
fn pattern(length: usize) -> Bytes {
    (0..length).map(|at| (at * 7 + at / 251) as u8).collect()
}
