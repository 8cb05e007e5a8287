//! Hellos, halves of them and noise come to an endpoint from as many addresses, with tokens and without: it holds no more than for a few of them,
//! computes nothing where it has no room, and clients that are there are served before, meanwhile and afterwards.
//!
//! `PITH_SPOOFED` is how many addresses there are; the gate has 100,000.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pith_quic::{
    ClientConfig, Connection, ConnectionId, ConnectionKey, Ecn, Endpoint, EndpointConfig, Incoming,
    Retrying, Route, Routed, ServerConfig, VarInt, limits,
};
use pith_tests::ceilings::ceiling;
use pith_tests::heap::{Counter, measured};
use pith_tests::pair::{NOW, name};
use pith_tls::Now;

use crate::pair::configs;

#[test]
fn clients_are_served_while_others_send_from_addresses_that_are_not_theirs() {
    let name = "spoofed::clients_are_served_while_others_send_from_addresses_that_are_not_theirs";
    measured(name, env!("CARGO_TARGET_TMPDIR"), attack);
}

#[test]
fn where_there_is_no_room_nothing_is_computed() {
    let name = "spoofed::where_there_is_no_room_nothing_is_computed";
    measured(name, env!("CARGO_TARGET_TMPDIR"), saturate);
}

fn attack(counter: &Counter) {
    let mut server = Server::new(EndpointConfig::server().unwrap());
    let spoofed = Spoofed::new(&mut server);
    server.run(Duration::from_secs(60));
    assert_eq!(server.visit(route(1, 0)), Some(false), "before");
    server.run(Duration::from_secs(60));
    let rest = counter.bytes();
    // A client about which the application takes its time, while all this goes on.
    let mut patient = Client::new(&server.client, route(2, 0), Bytes::new(), server.now);
    let mut waits = server.asked_by(&mut patient).map(|asked| (asked, patient));
    let (many, calls) = (addresses(), Calls::begin());
    let (mut peaks, mut visits) = ([0; 2], 0);
    for at in 0..many {
        for datagram in spoofed.of(at) {
            server.hear(route(3, at), datagram);
        }
        if at % STEP < STEP - 1 {
            continue;
        }
        let step = at / STEP;
        if step.is_multiple_of(many / STEP / VISITS) {
            // By a Retry it shows that it is where it says.
            assert_eq!(server.visit(route(1, at)), Some(true), "meanwhile, {at}");
            visits += 1;
        }
        // In all as long as a handshake may go on, and as long again.
        server.run(2 * limits::HANDSHAKE_TIMEOUT * STEP as u32 / many as u32);
        if step == many / STEP / 16 {
            let (asked, mut patient) = waits.take().unwrap();
            server.accept(asked);
            assert!(server.serve(&mut patient), "who waited is served");
        }
        let half = &mut peaks[usize::from(at > many / 2)];
        *half = counter.bytes().max(*half);
    }
    let calls = calls.end();
    let stats = server.endpoint.stats();
    println!("{stats:?}");
    println!(
        "{rest} bytes at rest, at most {peaks:?} in the first and the second half; {calls:?} calls"
    );
    assert!(visits >= VISITS);
    assert!(stats.retries as usize > many / 2, "nearly all get a Retry");
    let most = limits::RETRY_FROM as i64 * ceiling("quic-spoofed").bytes;
    assert!(peaks.iter().all(|peak| peak - rest < most), "{most}");
    assert!(peaks[1] - peaks[0] < FLAT, "it becomes more and more");
    assert!(calls.is_none_or(|calls| calls < EACH * many as u32));
    server.run(2 * limits::HANDSHAKE_TIMEOUT);
    assert_eq!(server.visit(route(1, 1)), Some(false), "afterwards");
    server.run(2 * limits::HANDSHAKE_TIMEOUT);
    let left = server.endpoint.stats();
    assert_eq!(
        (left.connections, left.attempts, left.attempt_bytes),
        (0, 0, 0)
    );
    server.open = Vec::new();
    let held = counter.bytes() - rest;
    println!("{held} bytes more than before");
    assert!(held < FLAT / 8, "{held}");
}

fn saturate(counter: &Counter) {
    let config = EndpointConfig::server().unwrap().half_open(HALF_OPEN);
    let mut server = Server::new(config);
    let spoofed = Spoofed::new(&mut server);
    // What it costs where there is room.
    let mut roomy = Server::new(EndpointConfig::server().unwrap());
    let (allocations, calls) = roomy.burst(counter, &spoofed, 0);
    drop(roomy);
    server.endpoint.set_retrying(Retrying::From(usize::MAX));
    println!("with room: {allocations} allocations, {calls:?} calls for {BURST}");
    assert!(allocations > BURST as i64);
    assert!(calls.is_none_or(|calls| calls as usize > BURST));
    for at in 0..HALF_OPEN {
        for datagram in &spoofed.wholes[3 * at] {
            server.hear(route(4, at), datagram);
        }
    }
    assert_eq!(server.endpoint.stats().half_open, HALF_OPEN);
    for burst in 1..=addresses() / BURST {
        let (before, bytes) = (server.endpoint.stats(), counter.bytes());
        let (allocations, calls) = server.burst(counter, &spoofed, burst * BURST);
        assert_eq!(allocations, 0, "burst {burst}");
        assert_eq!(calls.unwrap_or(0), 0, "burst {burst}");
        let stats = server.endpoint.stats();
        assert_eq!((stats.full - before.full) as usize, BURST);
        assert_eq!((stats.attempts, stats.connections), (0, HALF_OPEN));
        assert!(counter.bytes() <= bytes);
    }
    println!("{} bytes when there is no room", counter.bytes());
    assert_eq!(server.visit(route(1, 1)), None, "there is no room");
    server.run(2 * limits::HANDSHAKE_TIMEOUT);
    assert_eq!(server.visit(route(1, 2)), Some(false), "afterwards");
}

/// A server of which nobody hears but whoever visits.
struct Server {
    endpoint: Endpoint,
    client: ClientConfig,
    config: ServerConfig,
    open: Vec<(ConnectionKey, Connection)>,
    now: Now,
}

/// What comes back for a datagram.
enum Back {
    Nothing,
    Reply(Vec<u8>),
    Asked(Incoming),
}

impl Server {
    fn new(config: EndpointConfig) -> Self {
        let (client, server) = configs();
        Self {
            endpoint: Endpoint::new(config, NOW).unwrap(),
            client,
            config: server,
            open: Vec::new(),
            now: NOW,
        }
    }

    fn receive(&mut self, from: Route, datagram: &[u8]) -> Back {
        let mut reply = [0; 1200];
        let taken = BytesMut::from(datagram);
        let routed = self
            .endpoint
            .receive(self.now, from, Ecn::NotEct, taken, &mut reply);
        match routed {
            Routed::Connection(key, datagram) => {
                let open = self.open.iter_mut().find(|(own, _)| *own == key);
                let (_, connection) = open.unwrap();
                connection.receive(self.now, from, Ecn::NotEct, datagram);
                Back::Nothing
            }
            Routed::Incoming(incoming) => Back::Asked(incoming),
            Routed::Reply(length) => {
                assert!(length * 3 <= datagram.len().max(600), "{length} bytes");
                Back::Reply(reply[..length].to_vec())
            }
            Routed::Forward(..) => panic!("there is one worker"),
            Routed::Nothing => Back::Nothing,
        }
    }

    /// Receives a datagram, and lets its client in if it is a whole one. What comes back is given back.
    fn hear(&mut self, from: Route, datagram: &[u8]) -> Option<Vec<u8>> {
        match self.receive(from, datagram) {
            Back::Nothing => None,
            Back::Reply(reply) => Some(reply),
            Back::Asked(incoming) => {
                self.accept(incoming);
                None
            }
        }
    }

    fn accept(&mut self, incoming: Incoming) {
        let accepted = self.endpoint.accept(incoming, &self.config, self.now);
        self.open.push(accepted.unwrap());
    }

    /// What the application is asked about this client.
    fn asked_by(&mut self, client: &mut Client) -> Option<Incoming> {
        let backs = client.sends(self.now).into_iter();
        let backs = backs.map(|datagram| self.receive(client.route, &datagram));
        backs
            .filter_map(|back| match back {
                Back::Asked(incoming) => Some(incoming),
                Back::Nothing | Back::Reply(_) => None,
            })
            .next()
    }

    /// Time passes, and connections do what is due. What goes to this route is given back.
    fn run_for(&mut self, time: Duration, to: Option<Route>) -> Vec<Vec<u8>> {
        self.now.monotonic += time;
        self.now.unix += time;
        self.endpoint.on_deadline(self.now);
        let (mut got, mut buffer) = (Vec::new(), [0; 10 * 1500]);
        for (key, connection) in &mut self.open {
            connection.on_deadline(self.now);
            while let Some(batch) = connection.transmit(self.now, &mut buffer) {
                if Some(batch.route) == to {
                    let datagrams = buffer[..batch.length].chunks(batch.segment);
                    got.extend(datagrams.map(<[u8]>::to_vec));
                }
            }
            while connection.event().is_some() {}
            self.endpoint.settle(*key, connection, self.now);
        }
        self.open.retain(|(_, connection)| !connection.is_over());
        got
    }

    fn run(&mut self, time: Duration) {
        // Each timer has its turn.
        for _ in 0..4 {
            self.run_for(time / 4, None);
        }
    }

    /// A client comes, and goes when it is connected. Says whether it took a Retry; `None` if it was not let in.
    fn visit(&mut self, from: Route) -> Option<bool> {
        let mut client = Client::new(&self.client, from, Bytes::new(), self.now);
        self.serve(&mut client).then_some(client.retried)
    }

    /// Says whether the client is connected at last.
    fn serve(&mut self, client: &mut Client) -> bool {
        for _ in 0..20 {
            for datagram in client.sends(self.now) {
                if let Some(reply) = self.hear(client.route, &datagram) {
                    client.retried = true;
                    client.takes(self.now, &reply);
                }
            }
            for datagram in self.run_for(Duration::from_millis(10), Some(client.route)) {
                client.takes(self.now, &datagram);
            }
        }
        let connected = client.connection.is_established();
        client
            .connection
            .close(VarInt::from(0_u8), Bytes::new(), self.now);
        for datagram in client.sends(self.now) {
            self.hear(client.route, &datagram);
        }
        connected
    }

    /// Datagrams of every kind, which lie in memory already. Says how many allocations and calls of the crypto they cost.
    fn burst(&mut self, counter: &Counter, spoofed: &Spoofed, first: usize) -> (i64, Option<u32>) {
        let mut datagrams = Vec::with_capacity(BURST);
        for at in first.. {
            for datagram in spoofed.of(at) {
                datagrams.push((route(3, at), BytesMut::from(&datagram[..])));
            }
            if datagrams.len() >= BURST {
                break;
            }
        }
        datagrams.truncate(BURST);
        let mut incoming = Vec::with_capacity(BURST);
        let (mut reply, calls) = ([0; 1200], Calls::begin());
        let before = counter.allocations();
        for (from, datagram) in datagrams {
            let (now, ecn) = (self.now, Ecn::NotEct);
            incoming.push(self.endpoint.receive(now, from, ecn, datagram, &mut reply));
        }
        (counter.allocations() - before, calls.end())
    }
}

/// A client that is there.
struct Client {
    connection: Connection,
    route: Route,
    retried: bool,
}

impl Client {
    fn new(config: &ClientConfig, route: Route, token: Bytes, now: Now) -> Self {
        let id = ConnectionId::new(&[7; 8]).unwrap();
        let made = Connection::client(config, name(), route, id, token, now);
        Self {
            connection: made.unwrap(),
            route,
            retried: false,
        }
    }

    fn sends(&mut self, now: Now) -> Vec<Vec<u8>> {
        self.connection.on_deadline(now);
        let (mut sent, mut buffer) = (Vec::new(), [0; 10 * 1500]);
        while let Some(batch) = self.connection.transmit(now, &mut buffer) {
            let datagrams = buffer[..batch.length].chunks(batch.segment);
            sent.extend(datagrams.map(<[u8]>::to_vec));
        }
        sent
    }

    fn takes(&mut self, now: Now, datagram: &[u8]) {
        let datagram = BytesMut::from(datagram);
        self.connection
            .receive(now, self.route, Ecn::NotEct, datagram);
        while self.connection.event().is_some() {}
    }
}

/// What is sent from addresses that are not the sender's.
struct Spoofed {
    /// Whole hellos, in two datagrams each: without a token, with noise for one, and with one that was given to the sender.
    wholes: Vec<Vec<Vec<u8>>>,
    noise: Vec<Vec<u8>>,
}

impl Spoofed {
    fn new(server: &mut Server) -> Self {
        server.endpoint.set_retrying(Retrying::Always);
        let own = Client::new(&server.client, route(9, 0), Bytes::new(), server.now);
        let own = { own }.sends(server.now);
        let Back::Reply(retry) = server.receive(route(9, 0), &own[0]) else {
            panic!("no Retry");
        };
        server
            .endpoint
            .set_retrying(Retrying::From(limits::RETRY_FROM));
        // Behind the header with two ids of eight bytes each, and before the tag.
        let given = retry[7 + 8 + 8..retry.len() - 16].to_vec();
        let forged = given.iter().map(|byte| byte ^ 0x55).collect();
        let tokens = [Vec::new(), forged, given];
        let wholes: Vec<_> = (0..3 * EACH_KIND)
            .map(|at| {
                let token = Bytes::from(tokens[at % 3].clone());
                Client::new(&server.client, route(9, 0), token, server.now).sends(server.now)
            })
            .collect();
        let noise = wholes.iter().map(|whole: &Vec<Vec<u8>>| {
            let mut datagram = whole[0].clone();
            datagram[600..].fill(0x5a);
            datagram
        });
        Self {
            noise: noise.collect(),
            wholes,
        }
    }

    /// What comes from one address.
    fn of(&self, at: usize) -> &[Vec<u8>] {
        let which = at % self.wholes.len();
        match at / 3 % 3 {
            0 => &self.wholes[which],
            1 => &self.wholes[which][..1],
            _ => &self.noise[which..=which],
        }
    }
}

/// Counts calls to the crypto, in a build that can: random bytes, sealing, opening and signing.
struct Calls;

impl Calls {
    fn begin() -> Self {
        #[cfg(pith_test)]
        pith_crypto::fault::fail_after(Some(u32::MAX));
        Self
    }

    fn end(self) -> Option<u32> {
        #[cfg(pith_test)]
        return pith_crypto::fault::fail_after(None).map(|left| u32::MAX - left);
        #[cfg(not(pith_test))]
        None
    }
}

fn route(net: u8, at: usize) -> Route {
    let [low, middle, high, ..] = at.to_le_bytes();
    Route {
        local: None,
        remote: SocketAddr::from(([100 + net, high, middle, low], 4433)),
    }
}

fn addresses() -> usize {
    let given = std::env::var("PITH_SPOOFED");
    given.map_or(FEW, |many| many.parse().unwrap())
}

/// Addresses, if nobody says how many.
const FEW: usize = 6400;

/// After so many of them time passes.
const STEP: usize = 200;

/// So many clients come meanwhile.
const VISITS: usize = 8;

/// Hellos with each kind of token.
const EACH_KIND: usize = 16;

const HALF_OPEN: usize = 8;
const BURST: usize = 800;

/// Bytes by which an endpoint may differ at two times.
const FLAT: i64 = 256 * 1024;

/// Calls of the crypto for what comes from one address.
const EACH: u32 = 10;
