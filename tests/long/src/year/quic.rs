//! Address tokens of NEW_TOKEN frames, at a server that sends all clients without one a Retry.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pith_quic::{
    ClientConfig, Connection, ConnectionId, ConnectionKey, Ecn, Endpoint, EndpointConfig, Retrying,
    Route, Routed, ServerConfig, TokenStore, VarInt, limits,
};
use pith_tests::heap::Counter;
use pith_tests::pair::{NAME, credential, name, trust};
use pith_tests::pki::Pki;
use pith_tls::Now;

use super::{Flat, HOUR};
use crate::join::after;

pub(super) fn run(days: u64, counter: &Counter) -> Result<String, String> {
    let before = counter.bytes();
    let mut year = Year::new();
    let mut flat = Flat::new(counter, SETTLED.min(days / 2));
    for hour in 0..days * 24 {
        year.hour(hour)?;
        if hour.is_multiple_of(24) {
            flat.note(hour / 24);
        }
    }
    let (good, retried, forgotten) = (year.good, year.retried, year.forgotten);
    drop(year);
    let left = counter.bytes() - before;
    let what = format!(
        "{} QUIC handshakes, {good} of them with a token that was good and {retried} that were sent a Retry, as expected, used tokens forgotten {forgotten} times",
        good + retried
    );
    match left {
        0 => flat.result(&what, BOUND),
        _ => Err(format!("{what}, {left} bytes left")),
    }
}

struct Year {
    pki: Pki,
    server: Server,
    /// Comes twice an hour, always with the token that it got the last time.
    guest: Client,
    /// Come for a token, and again a second before it is too old; and then a second after the next one is.
    late: VecDeque<Late>,
    good: u64,
    retried: u64,
    forgotten: u64,
}

struct Late {
    client: Client,
    at: Duration,
    /// Whether it is in time.
    in_time: bool,
}

impl Year {
    fn new() -> Self {
        let pki = Pki::new();
        Self {
            server: Server::new(&pki, 0, Duration::ZERO),
            guest: Client::new(&pki),
            late: VecDeque::new(),
            good: 0,
            retried: 0,
            forgotten: 0,
            pki,
        }
    }

    fn hour(&mut self, hour: u64) -> Result<(), String> {
        let passed = HOUR * u32::try_from(hour).unwrap();
        while self.late.front().is_some_and(|late| late.at <= passed) {
            let Some(late) = self.late.pop_front() else {
                break;
            };
            let Late {
                mut client,
                at,
                in_time,
            } = late;
            self.meet("late", &mut client, at, in_time)?;
            if in_time {
                let at = at + limits::TOKEN_TIME + SECOND;
                let late = Late {
                    client,
                    at,
                    in_time: false,
                };
                let place = self.late.partition_point(|other| other.at < at);
                self.late.insert(place, late);
            }
        }
        if hour > 0 && hour.is_multiple_of(REPLACE) {
            self.server = Server::new(&self.pki, hour, passed);
        }
        for at in [passed, passed + HOUR / 2] {
            let mut guest = core::mem::replace(&mut self.guest, Client::new(&self.pki));
            let met = self.meet("guest", &mut guest, at, true);
            self.guest = guest;
            met?;
        }
        if hour.is_multiple_of(10) {
            let mut client = Client::new(&self.pki);
            let at = passed + HOUR * 3 / 4;
            self.meet("new", &mut client, at, false)?;
            let at = at + limits::TOKEN_TIME - SECOND;
            let place = self.late.partition_point(|other| other.at < at);
            let late = Late {
                client,
                at,
                in_time: true,
            };
            self.late.insert(place, late);
        }
        Ok(())
    }

    /// A handshake, with a token that is good if it is `in_time` and the server has not forgotten it.
    fn meet(
        &mut self,
        who: &str,
        client: &mut Client,
        at: Duration,
        in_time: bool,
    ) -> Result<(), String> {
        let server = &mut self.server;
        let given = client.given.replace(at);
        let good = in_time && given.is_some_and(|given| given >= server.since);
        let retried = server.visit(client, at);
        let retried = retried.ok_or_else(|| format!("{who} at {at:?}: no connection"))?;
        if retried == good {
            return Err(format!("{who} at {at:?}: sent a Retry: {retried}"));
        }
        match good {
            true => {
                self.good += 1;
                server.used += 1;
                if server.used == limits::USED_TOKENS {
                    server.used = 0;
                    server.since = at;
                    self.forgotten += 1;
                }
            }
            false => self.retried += 1,
        }
        Ok(())
    }
}

struct Client {
    config: ClientConfig,
    /// When it came for its token.
    given: Option<Duration>,
}

impl Client {
    fn new(pki: &Pki) -> Self {
        let tls = pith_tls::ClientConfig::new(trust(pki)).alpn(&[b"test"]);
        let config = ClientConfig::new(tls.build().unwrap()).tokens(TokenStore::new());
        Self {
            config: config.build().unwrap(),
            given: None,
        }
    }
}

struct Server {
    endpoint: Endpoint,
    config: ServerConfig,
    open: Vec<(ConnectionKey, Connection)>,
    /// As its endpoint does: tokens from before count for nothing, and so many were used since.
    since: Duration,
    used: usize,
}

impl Server {
    /// With the key of this hour.
    fn new(pki: &Pki, hour: u64, at: Duration) -> Self {
        let tls = pith_tls::ServerConfig::new(credential(&pki.leaf(NAME))).alpn(&[b"test"]);
        let mut key = [7; 32];
        key[..8].copy_from_slice(&hour.to_be_bytes());
        let config = EndpointConfig::server().unwrap().retrying(Retrying::Always);
        let config = config.token_key(&key).unwrap();
        Self {
            endpoint: Endpoint::new(config, after(at)).unwrap(),
            config: ServerConfig::new(tls.build().unwrap()).build().unwrap(),
            open: Vec::new(),
            since: at,
            used: 0,
        }
    }

    /// A client comes, and goes when it is connected and has a token. Says whether it was sent a Retry.
    fn visit(&mut self, client: &Client, at: Duration) -> Option<bool> {
        let (mut at, mut retried) = (at, false);
        let id = ConnectionId::new(&[7; 8])?;
        let made = Connection::client(&client.config, name(), route(), id, Bytes::new(), after(at));
        let mut connection = made.ok()?;
        for _ in 0..ROUNDS {
            at += STEP;
            let now = after(at);
            let sent = sends(&mut connection, now);
            let quiet = sent.is_empty();
            for datagram in sent {
                if let Some(reply) = self.hear(&datagram, now) {
                    retried = true;
                    connection.receive(now, route(), Ecn::NotEct, BytesMut::from(&reply[..]));
                }
            }
            let sent = self.sends(now);
            if quiet && sent.is_empty() && connection.is_established() {
                connection.close(VarInt::from(0_u8), Bytes::new(), now);
                for datagram in sends(&mut connection, now) {
                    self.hear(&datagram, now);
                }
                return Some(retried);
            }
            for datagram in sent {
                connection.receive(now, route(), Ecn::NotEct, BytesMut::from(&datagram[..]));
            }
            while connection.event().is_some() {}
        }
        None
    }

    /// What is said without a connection is given back.
    fn hear(&mut self, datagram: &[u8], now: Now) -> Option<Vec<u8>> {
        let mut reply = [0; 1200];
        let taken = BytesMut::from(datagram);
        let ecn = Ecn::NotEct;
        match self.endpoint.receive(now, route(), ecn, taken, &mut reply) {
            Routed::Connection(key, datagram) => {
                let open = self.open.iter_mut().find(|(own, _)| *own == key)?;
                open.1.receive(now, route(), ecn, datagram);
                None
            }
            Routed::Incoming(incoming) => {
                let accepted = self.endpoint.accept(incoming, &self.config, now);
                self.open.push(accepted.ok()?);
                None
            }
            Routed::Reply(length) => Some(reply[..length].to_vec()),
            _ => None,
        }
    }

    fn sends(&mut self, now: Now) -> Vec<Vec<u8>> {
        self.endpoint.on_deadline(now);
        let mut sent = Vec::new();
        for (key, connection) in &mut self.open {
            sent.extend(sends(connection, now));
            while connection.event().is_some() {}
            self.endpoint.settle(*key, connection, now);
            // What the endpoint had for it, such as a token.
            sent.extend(sends(connection, now));
        }
        self.open.retain(|(_, connection)| !connection.is_over());
        sent
    }
}

fn sends(connection: &mut Connection, now: Now) -> Vec<Vec<u8>> {
    connection.on_deadline(now);
    let (mut sent, mut buffer) = (Vec::new(), [0; 10 * 1500]);
    while let Some(batch) = connection.transmit(now, &mut buffer) {
        let datagrams = buffer[..batch.length].chunks(batch.segment);
        sent.extend(datagrams.map(<[u8]>::to_vec));
    }
    sent
}

fn route() -> Route {
    Route {
        local: None,
        remote: SocketAddr::from(([192, 0, 2, 1], 4433)),
    }
}

const SECOND: Duration = Duration::from_secs(1);

/// Between what one side sends and the next.
const STEP: Duration = Duration::from_millis(5);

/// The most of them for a client.
const ROUNDS: usize = 60;

/// Hours after which the server begins anew, with another key.
const REPLACE: u64 = 120 * 24;

/// Days after which all that is kept has its size but for used tokens.
const SETTLED: u64 = 10;

/// Bytes by which the heap may differ from one day to another: used tokens with the tree that they lie in, and a little.
const BOUND: i64 = (40 * limits::USED_TOKENS + 16 * 1024) as i64;
