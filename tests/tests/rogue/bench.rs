//! A connection under test, its rogue peer, and the moments to which both are brought honestly.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pith_quic::{
    Accepted, ClientConfig, ClientConfigBuilder, Connection, ConnectionId, Dir, Ecn, Event, NewId,
    Read, ResetToken, Route, ServerConfig, ServerConfigBuilder, Version,
};
use pith_tests::pair::{NAME, credential, name, trust};
use pith_tests::pki::{Identity, Kind, Pki};
use pith_tests::rogue::wire::{Seen, stream};
use pith_tests::rogue::{Level, Rogue};
use pith_tls::{Group, Now, StrikeRegister, Tickets};

/// The role of the connection under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Client,
    Server,
}
pub(crate) use Role::{Client, Server};

pub(crate) const ROLES: [Role; 2] = [Client, Server];

/// How far both are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Moment {
    /// A client has sent its hello; a server has heard nothing.
    Start,
    /// A client has heard the server's hello; a server has heard the client's, and sent all of its flight.
    Hello,
    /// TLS is complete; a client does not know yet that it is on the other side.
    Complete,
    /// A client has heard HANDSHAKE_DONE.
    Confirmed,
}
pub(crate) use Moment::{Complete, Confirmed, Hello, Start};

/// What comes of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    /// A CONNECTION_CLOSE of the transport with this code, and the type of a frame or 0.
    Close(u64, u64),
    /// Nothing: the handshake goes on to its end, and a byte goes each way.
    Lives,
    /// The same, where what the peer may send is used up.
    Full,
    /// The peer has closed: nothing more is sent.
    Silence,
}
pub(crate) use Want::{Close, Full, Lives, Silence};

/// The close that stands for an alert.
pub(crate) const fn alert(code: u8) -> Want {
    Close(0x100 + code as u64, 0)
}

pub(crate) const FLOW_CONTROL: u64 = 3;
pub(crate) const STREAM_LIMIT: u64 = 4;
pub(crate) const STREAM_STATE: u64 = 5;
pub(crate) const FINAL_SIZE: u64 = 6;
pub(crate) const ENCODING: u64 = 7;
pub(crate) const PARAMETER: u64 = 8;
pub(crate) const ID_LIMIT: u64 = 9;
pub(crate) const VIOLATION: u64 = 0x0a;
pub(crate) const BUFFER: u64 = 0x0d;
pub(crate) const KEY_UPDATE: u64 = 0x0e;

/// What the connections of these tests allow their peers.
pub(crate) const STREAM_WINDOW: u64 = 2000;
pub(crate) const CONNECTION_WINDOW: u64 = 5000;
pub(crate) const STREAMS: u64 = 6;

pub(crate) const ORIGINAL: [u8; 8] = [0x0d; 8];
pub(crate) const PITH: [u8; 8] = [0x50; 8];
pub(crate) const ROGUE: [u8; 8] = [0xa5; 8];

/// A connection under test and its peer.
pub(crate) struct Bench {
    pub(crate) role: Role,
    pub(crate) rogue: Rogue,
    /// A server is there once its client has sent something.
    pub(crate) pith: Option<Connection>,
    pub(crate) now: Duration,
    pub(crate) moment: Moment,
    pub(crate) events: Vec<Event>,
    /// Where the peer's datagrams come from.
    pub(crate) from: Route,
    /// To which port each datagram of the connection went, and how many packets its peer had opened before.
    pub(crate) went: Vec<(u16, usize)>,
    /// How the server knows its client.
    pub(crate) accepted: Accepted,
    config: ServerConfig,
}

pub(crate) const PATH: Route = route(1);

/// The peer on this port.
pub(crate) const fn route(port: u16) -> Route {
    let ip = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    Route {
        local: None,
        remote: SocketAddr::new(ip, port),
    }
}

struct Tls {
    client: Arc<pith_tls::ClientConfig>,
    server: Arc<pith_tls::ServerConfig>,
    identity: Identity,
}

struct Configs {
    client: ClientConfig,
    server: ServerConfig,
}

fn tls() -> &'static Tls {
    static TLS: OnceLock<Tls> = OnceLock::new();
    TLS.get_or_init(|| {
        let pki = Pki::with(Kind::Ed25519, 0);
        let identity = pki.leaf_with(Kind::Ed25519, &[NAME], |_| ());
        let client = pith_tls::ClientConfig::new(trust(&pki))
            .groups(&[Group::X25519])
            .alpn(&[b"test"]);
        let server = pith_tls::ServerConfig::new(credential(&identity))
            .alpn(&[b"test"])
            .tickets(Tickets::rotating())
            .early_data(1, StrikeRegister::new(at(Duration::ZERO)));
        Tls {
            client: client.build().unwrap(),
            server: server.build().unwrap(),
            identity,
        }
    })
}

/// What all connections of these tests allow.
pub(crate) fn builders() -> (ClientConfigBuilder, ServerConfigBuilder) {
    let client = ClientConfig::new(tls().client.clone())
        .versions(&[Version::V1])
        .streams(STREAMS, STREAMS)
        .stream_window(STREAM_WINDOW, STREAM_WINDOW)
        .connection_window(CONNECTION_WINDOW, CONNECTION_WINDOW);
    let server = ServerConfig::new(tls().server.clone())
        .versions(&[Version::V1])
        .streams(STREAMS, STREAMS)
        .stream_window(STREAM_WINDOW, STREAM_WINDOW)
        .connection_window(CONNECTION_WINDOW, CONNECTION_WINDOW);
    (client, server)
}

fn configs() -> &'static Configs {
    static CONFIGS: OnceLock<Configs> = OnceLock::new();
    CONFIGS.get_or_init(|| {
        let (client, server) = builders();
        Configs {
            client: client.build().unwrap(),
            server: server.build().unwrap(),
        }
    })
}

pub(crate) fn identity() -> &'static Identity {
    &tls().identity
}

pub(crate) fn at(now: Duration) -> Now {
    Now {
        monotonic: now,
        unix: Duration::from_secs(1_800_000_000) + now,
    }
}

fn id(bytes: &[u8]) -> ConnectionId {
    ConnectionId::new(bytes).unwrap()
}

impl Bench {
    pub(crate) fn new(role: Role) -> Self {
        Self::later(role, Duration::from_secs(100))
    }

    /// One that begins then.
    pub(crate) fn later(role: Role, now: Duration) -> Self {
        let configs = configs();
        Self::of(
            role,
            now,
            configs.client.clone(),
            configs.server.clone(),
            &ROGUE,
        )
    }

    /// Confirmed, with a peer that has no connection id.
    pub(crate) fn without_id(role: Role) -> Self {
        let configs = configs();
        let now = Duration::from_secs(100);
        let mut bench = Self::of(
            role,
            now,
            configs.client.clone(),
            configs.server.clone(),
            &[],
        );
        bench.go_on(Confirmed);
        bench
    }

    /// Confirmed, where DATAGRAM frames of so many bytes are taken.
    pub(crate) fn taking_datagrams(role: Role, largest: u64) -> Self {
        let (client, server) = builders();
        let client = client.datagrams(largest).build().unwrap();
        let server = server.datagrams(largest).build().unwrap();
        let mut bench = Self::of(role, Duration::from_secs(100), client, server, &ROGUE);
        bench.go_on(Confirmed);
        bench
    }

    pub(crate) fn of(
        role: Role,
        now: Duration,
        client: ClientConfig,
        server: ServerConfig,
        own: &[u8],
    ) -> Self {
        let accepted = Accepted {
            version: Version::V1,
            route: PATH,
            original: id(&ORIGINAL),
            retried: None,
            peer: id(own),
            id: NewId {
                id: id(&PITH),
                reset_token: ResetToken([0x77; 16]),
            },
            validated: false,
        };
        let mut bench = Self {
            role,
            rogue: match role {
                Client => Rogue::server(own),
                Server => Rogue::client(&ORIGINAL, own),
            },
            pith: None,
            now,
            moment: Start,
            events: Vec::new(),
            from: PATH,
            went: Vec::new(),
            accepted,
            config: server,
        };
        if role == Client {
            let own = id(&PITH);
            let now = at(bench.now);
            let client = Connection::client(&client, name(), PATH, own, Bytes::new(), now);
            bench.pith = Some(client.unwrap());
            bench.flush();
        }
        bench
    }

    /// Both at this moment.
    pub(crate) fn at(role: Role, moment: Moment) -> Self {
        let mut bench = Self::new(role);
        bench.go_on(moment);
        bench
    }

    /// The moment at which a peer can first send packets of a level that are opened at once, and the level's keys are not gone.
    pub(crate) fn level(role: Role, level: Level) -> Self {
        match (role, level) {
            (Client, Level::Initial) => Self::at(role, Start),
            (Server, Level::Early) => Self::early(),
            (_, Level::OneRtt) => Self::at(role, Confirmed),
            (_, _) => Self::at(role, Hello),
        }
    }

    /// Brings both honestly to a later moment.
    pub(crate) fn go_on(&mut self, moment: Moment) {
        while self.moment < moment && self.rogue.closed().is_none() {
            match (self.moment, self.role) {
                (Start, Client) => {
                    let hello = self.rogue.server_hello();
                    self.tell(Level::Initial, &hello);
                    self.moment = Hello;
                }
                (Start, Server) => {
                    let hello = self.rogue.client_hello();
                    self.tell(Level::Initial, &hello);
                    self.moment = Hello;
                }
                (Hello, Client) => {
                    let flight = self.rogue.server_flight(identity());
                    self.tell(Level::Handshake, &flight);
                    self.moment = Complete;
                }
                (Hello, Server) => {
                    let finished = self.rogue.finished.clone().expect("the server's flight");
                    self.tell(Level::Handshake, &finished);
                    self.moment = Complete;
                }
                (_, Client) => {
                    if self.rogue.finished.is_none() {
                        // The pace of a client that has sent a lot may hold it back.
                        self.wait(Duration::from_millis(100));
                    }
                    let why = self.pith().error().map(ToString::to_string);
                    assert!(
                        self.rogue.finished.is_some(),
                        "no Finished of the client: {why:?}"
                    );
                    self.send(Level::OneRtt, &[0x1e]);
                    self.moment = Confirmed;
                }
                (_, Server) => self.moment = Confirmed,
            }
        }
    }

    /// A server whose client comes back with a ticket and may send early data.
    pub(crate) fn early() -> Self {
        let (mut bench, hello) = Self::early_unsent();
        bench.tell(Level::Initial, &hello);
        bench.moment = Hello;
        bench
    }

    /// The same before the client's hello was sent, and that hello.
    pub(crate) fn early_unsent() -> (Self, Vec<u8>) {
        let mut first = Self::at(Server, Confirmed);
        let ticket = first.rogue.tickets.pop().expect("a ticket");
        // Lifetime, age_add, nonce, ticket.
        let add = u32::from_be_bytes(ticket[8..12].try_into().unwrap());
        let (nonce, rest) = ticket[13..].split_at(usize::from(ticket[12]));
        let key = {
            let schedule = first.rogue.tls_client().schedule.as_ref().unwrap();
            schedule.resumption(nonce)
        };
        let length = usize::from(rest[0]) << 8 | usize::from(rest[1]);
        let mut bench = Self::later(Server, first.now);
        let hello = bench.rogue.early_hello(&rest[2..2 + length], add, &key);
        (bench, hello)
    }

    pub(crate) fn pith(&mut self) -> &mut Connection {
        self.pith.as_mut().expect("a connection")
    }

    /// Sends TLS bytes in order.
    pub(crate) fn tell(&mut self, level: Level, message: &[u8]) {
        let frame = self.rogue.say(level, message);
        self.send(level, &frame);
    }

    /// Sends a packet with these frames.
    pub(crate) fn send(&mut self, level: Level, payload: &[u8]) {
        let datagram = self.rogue.datagram(level, payload);
        self.deliver(&datagram);
    }

    /// Hands the connection a datagram, and its peer the answers.
    pub(crate) fn deliver(&mut self, datagram: &[u8]) {
        let now = at(self.now);
        if self.pith.is_none() {
            let server = Connection::server(&self.config, &self.accepted, now);
            self.pith = Some(server.unwrap());
        }
        let from = self.from;
        let bytes = BytesMut::from(datagram);
        self.pith().receive(now, from, Ecn::NotEct, bytes);
        self.flush();
    }

    pub(crate) fn flush(&mut self) {
        let now = at(self.now);
        let mut buffer = vec![0; 16_384];
        let Some(pith) = &mut self.pith else {
            return;
        };
        while let Some(batch) = pith.transmit(now, &mut buffer) {
            for datagram in buffer[..batch.length].chunks(batch.segment) {
                let before = self.rogue.opened.len();
                self.went.push((batch.route.remote.port(), before));
                self.rogue.take(datagram);
            }
        }
        while let Some(event) = pith.event() {
            self.events.push(event);
        }
    }

    /// Lets time go by.
    pub(crate) fn wait(&mut self, time: Duration) {
        self.now += time;
        let now = at(self.now);
        self.pith().on_deadline(now);
        self.flush();
    }

    /// What has become of the connection, as its peer sees it.
    pub(crate) fn outcome(&mut self) -> Result<Want, String> {
        if let Some((kind, code, frame)) = self.rogue.closed() {
            assert_eq!(kind, 0x1c, "the transport closes");
            let pith = self.pith();
            assert!(pith.error().is_some() && !pith.is_over());
            return Ok(Close(code, frame));
        }
        if self.pith().error().is_some() {
            let sent = self.rogue.opened.len();
            self.deliver(&[0; 50]);
            let more = self.rogue.opened.len() - sent;
            assert_eq!(more, 0, "nothing is said to a peer that has closed");
            return Ok(Silence);
        }
        self.transfers()
    }

    /// The handshake goes on, and a byte goes each way. An error says what does not.
    fn transfers(&mut self) -> Result<Want, String> {
        self.go_on(Confirmed);
        if let Some(closed) = self.rogue.closed() {
            return Ok(Close(closed.1, closed.2));
        }
        let id = self.pith().open(Dir::Uni).ok_or("no stream to open")?;
        let sent = self.pith().send(id, &mut Bytes::from_static(b"!"));
        sent.map_err(|error| format!("{error:?}"))?;
        let number = self.rogue.next_number(Level::OneRtt);
        // The highest stream that the peer may open.
        let own = 4 * (STREAMS - 1) + u64::from(self.role == Client);
        let frames = [stream(own, 0, b"?", false), vec![0x01]].concat();
        self.send(Level::OneRtt, &frames);
        self.wait(Duration::from_millis(30));
        if let Some(closed) = self.rogue.closed() {
            return match closed {
                (_, FLOW_CONTROL, _) => Ok(Full),
                (_, code, frame) => Err(format!("closed late with {code:#x}, {frame:#x}")),
            };
        }
        if !self.rogue.is_acked(Level::OneRtt, number) {
            return Err("not acknowledged".into());
        }
        let wants = |seen: &Seen| {
            (0x08..=0x0f).contains(&seen.kind) && seen.numbers[0] == id.get() && seen.data == b"!"
        };
        if !self.rogue.seen().any(|(_, seen)| wants(seen)) {
            return Err("the connection's byte did not come".into());
        }
        while let Some(accepted) = self.pith().accept(Dir::Bi) {
            if accepted.get() == own {
                return match self.pith().read(accepted, 9) {
                    Ok(Read::Data { bytes, .. }) if bytes == b"?"[..] => Ok(Lives),
                    other => Err(format!("the peer's byte did not come: {other:?}")),
                };
            }
        }
        Err("the peer's stream did not come".into())
    }
}

/// Runs rows and says at the end which of them failed.
#[derive(Default)]
pub(crate) struct Table {
    tried: usize,
    failed: Vec<String>,
}

/// Names a row whose code panics.
struct Named(String);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("in the row {:?}", self.0);
        }
    }
}

impl Table {
    /// One row: what `act` does to a bench, and what has come of it.
    pub(crate) fn row(
        &mut self,
        name: impl Into<String>,
        mut bench: Bench,
        want: Want,
        act: impl FnOnce(&mut Bench),
    ) {
        let name = Named(format!("{} ({:?})", name.into(), bench.role));
        act(&mut bench);
        let got = bench.outcome();
        self.tried += 1;
        if got != Ok(want) {
            let why = bench.pith().error().map(ToString::to_string);
            self.failed.push(format!(
                "{}: {got:x?} instead of {want:x?}, {why:?}",
                name.0
            ));
        }
    }

    /// A row for each role, with frames in a 1-RTT packet of a confirmed connection.
    pub(crate) fn frames(&mut self, name: &str, want: Want, payload: &[u8]) {
        for role in ROLES {
            self.row(name, Bench::at(role, Confirmed), want, |bench| {
                bench.send(Level::OneRtt, payload);
            });
        }
    }

    /// That `least` rows were tried, and all of them held.
    pub(crate) fn done(self, least: usize) {
        let failed = self.failed.join("\n");
        assert!(
            failed.is_empty(),
            "{} of {}:\n{failed}",
            self.failed.len(),
            self.tried
        );
        assert!(self.tried >= least, "{} rows", self.tried);
    }
}

/// Frames of a type that came.
pub(crate) fn came(bench: &Bench, kind: u64) -> Vec<Seen> {
    let frames = bench.rogue.seen().map(|(_, frame)| frame);
    frames.filter(|frame| frame.kind == kind).cloned().collect()
}
