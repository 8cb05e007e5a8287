//! Endpoints in memory: clients with connections, and datagrams made by hand.

mod again;
mod early;
mod empty;
mod observer;
mod strangers;
mod versions;

use core::net::SocketAddr;
use std::sync::Arc;

use pith_tests::pair::{NAME, credential, name, trust};
use pith_tests::pki::{Kind, Pki};

use super::*;
use crate::connection::Event;
use crate::protect::{Datagram, Incoming as Part, PacketSecret};
use crate::wire::frame::{Close, Frame, frames};
use crate::wire::{Side, VarInt, Version};

const START: Duration = Duration::from_secs(100);

fn at(monotonic: Duration) -> Now {
    Now {
        monotonic,
        unix: Duration::from_secs(1_800_000_000) + monotonic,
    }
}

fn from(last: u8, port: u16) -> Route {
    Route {
        local: None,
        remote: SocketAddr::from(([192, 0, 2, last], port)),
    }
}

const CLIENT: (u8, u16) = (1, 50_000);
const SERVER: (u8, u16) = (9, 4433);

/// A server's endpoint, a client's, and the connections of each.
struct Net {
    now: Duration,
    client: Endpoint,
    server: Endpoint,
    client_config: ClientConfig,
    server_config: ServerConfig,
    client_connection: Option<(ConnectionKey, Connection)>,
    server_connection: Option<(ConnectionKey, Connection)>,
    token: Bytes,
    /// What the last datagrams from client and server were.
    log: Vec<(Side, Vec<u8>)>,
    asked: usize,
}

impl Net {
    fn new(config: EndpointConfig) -> Self {
        let pki = Pki::with(Kind::Ed25519, 0);
        let client_tls = pith_tls::ClientConfig::new(trust(&pki))
            .alpn(&[b"test"])
            .build()
            .unwrap();
        let identity = pki.leaf_with(Kind::Ed25519, &[NAME], |_| ());
        let server_tls = pith_tls::ServerConfig::new(credential(&identity))
            .alpn(&[b"test"])
            .build()
            .unwrap();
        let client = EndpointConfig::client().unwrap().seed([1; 32]);
        Self {
            now: START,
            client: Endpoint::new(client, at(START)).unwrap(),
            server: Endpoint::new(config.seed([2; 32]), at(START)).unwrap(),
            client_config: ClientConfig::new(Arc::clone(&client_tls)).build().unwrap(),
            server_config: ServerConfig::new(server_tls).build().unwrap(),
            client_connection: None,
            server_connection: None,
            token: Bytes::new(),
            log: Vec::new(),
            asked: 0,
        }
    }

    fn connect(&mut self) {
        let token = core::mem::take(&mut self.token);
        let route = from(SERVER.0, SERVER.1);
        let now = at(self.now);
        let made = self
            .client
            .connect(&self.client_config, name(), route, token, now);
        self.client_connection = Some(made.unwrap());
    }

    /// The datagrams that a side's connection has to send.
    fn flights(&mut self, side: Side) -> Vec<Vec<u8>> {
        let connection = match side {
            Side::Client => &mut self.client_connection,
            Side::Server => &mut self.server_connection,
        };
        let mut all = Vec::new();
        if let Some((_, connection)) = connection {
            let mut buffer = vec![0; 16 * 1500];
            while let Some(batch) = connection.transmit(at(self.now), &mut buffer) {
                for datagram in buffer[..batch.length].chunks(batch.segment) {
                    all.push(datagram.to_vec());
                }
            }
        }
        all
    }

    /// Hands a datagram to the server; what comes back goes to the client.
    fn server_receives(&mut self, datagram: &[u8]) {
        self.log.push((Side::Client, datagram.to_vec()));
        let mut reply = [0; 1200];
        let now = at(self.now);
        let route = from(CLIENT.0, CLIENT.1);
        let bytes = BytesMut::from(datagram);
        match self
            .server
            .receive(now, route, Ecn::NotEct, bytes, &mut reply)
        {
            Routed::Connection(key, bytes) => {
                let (own, connection) = self.server_connection.as_mut().unwrap();
                assert_eq!(*own, key);
                connection.receive(now, route, Ecn::NotEct, bytes);
                self.server.settle(key, connection, now);
            }
            Routed::Incoming(incoming) => {
                self.asked += 1;
                let offered = incoming.offered().unwrap();
                assert_eq!(offered.server_name.as_deref(), Some(NAME));
                assert_eq!(offered.protocols, [b"test".to_vec()]);
                assert!(offered.groups.contains(&0x11ec), "a hybrid group");
                let accepted = self.server.accept(incoming, &self.server_config, now);
                self.server_connection = Some(accepted.unwrap());
            }
            Routed::Reply(length) => self.client_receives(&reply[..length]),
            Routed::Forward(..) => panic!("one worker"),
            Routed::Nothing => {}
        }
    }

    fn client_receives(&mut self, datagram: &[u8]) {
        self.log.push((Side::Server, datagram.to_vec()));
        let now = at(self.now);
        let route = from(SERVER.0, SERVER.1);
        let bytes = BytesMut::from(datagram);
        let routed = self
            .client
            .receive(now, route, Ecn::NotEct, bytes, &mut [0; 1200]);
        if let Routed::Connection(key, bytes) = routed {
            let (own, connection) = self.client_connection.as_mut().unwrap();
            assert_eq!(*own, key);
            connection.receive(now, route, Ecn::NotEct, bytes);
            self.client.settle(key, connection, now);
        }
    }

    /// Runs until nothing is left to send.
    fn run(&mut self) {
        for _ in 0..50 {
            self.now += Duration::from_millis(30);
            let (to_server, to_client) = (self.flights(Side::Client), self.flights(Side::Server));
            for datagram in to_server {
                self.server_receives(&datagram);
            }
            for datagram in to_client {
                self.client_receives(&datagram);
            }
            let now = at(self.now);
            if let Some((key, connection)) = &mut self.server_connection {
                connection.on_deadline(now);
                self.server.settle(*key, connection, now);
            }
            if let Some((key, connection)) = &mut self.client_connection {
                connection.on_deadline(now);
                self.client.settle(*key, connection, now);
            }
            if let Some((_, connection)) = &mut self.client_connection {
                while let Some(event) = connection.event() {
                    if let Event::Token(token) = event {
                        self.token = token;
                    }
                }
            }
        }
    }

    fn is_connected(&self) -> bool {
        let established = |end: &Option<(ConnectionKey, Connection)>| {
            end.as_ref().is_some_and(|(_, c)| c.is_established())
        };
        established(&self.client_connection) && established(&self.server_connection)
    }

    fn client_error(&self) -> Option<ConnectionError> {
        let (_, connection) = self.client_connection.as_ref()?;
        connection.error().cloned()
    }

    /// The datagrams of a client's first flight.
    fn hello(&mut self) -> Vec<Vec<u8>> {
        self.connect();
        self.flights(Side::Client)
    }

    /// Hands a datagram from anywhere to the server, and says what became of it.
    fn server_takes(&mut self, route: Route, datagram: &[u8]) -> (Routed, Vec<u8>) {
        let mut reply = [0; 1200];
        let bytes = BytesMut::from(datagram);
        let now = at(self.now);
        let routed = self
            .server
            .receive(now, route, Ecn::NotEct, bytes, &mut reply);
        let length = match routed {
            Routed::Reply(length) => length,
            _ => 0,
        };
        (routed, reply[..length].to_vec())
    }
}

fn serving() -> EndpointConfig {
    EndpointConfig::server().unwrap()
}

fn kind(routed: &Routed) -> &'static str {
    match routed {
        Routed::Connection(..) => "connection",
        Routed::Incoming(_) => "incoming",
        Routed::Reply(_) => "reply",
        Routed::Forward(..) => "forward",
        Routed::Nothing => "nothing",
    }
}

/// The code of the CONNECTION_CLOSE frame in a server's Initial packet that answers `hello`.
fn close_code(hello: &[u8], reply: &[u8]) -> Code {
    let Ok(Packet::Protected(header)) = header::decode(hello, 8, QuicBit::Any) else {
        panic!("no hello");
    };
    let (_, server) = PacketSecret::initial(Version::V1, &header.dcid).unwrap();
    let opener = server.opener().unwrap();
    let mut datagram = Datagram::new(BytesMut::from(reply), 8, QuicBit::Any);
    let Some(Ok(Part::Protected(packet))) = datagram.next() else {
        panic!("no packet");
    };
    let opened = packet.open(&opener, None, Side::Client).unwrap();
    for frame in frames(&opened.payload, PacketType::Initial, Side::Client) {
        if let Frame::ConnectionClose(Close::Transport { code, .. }) = frame.unwrap() {
            return Code(code.get());
        }
    }
    panic!("no CONNECTION_CLOSE frame");
}

#[test]
fn a_client_is_let_in_and_its_ids_are_routed_until_it_is_over() {
    let mut net = Net::new(serving());
    net.connect();
    net.run();
    assert!(net.is_connected(), "{:?}", net.client_error());
    assert_eq!((net.asked, net.server.table.half_open()), (1, 0));
    assert_eq!(net.server.connections().count(), 1);
    let (key, connection) = net.server_connection.as_ref().unwrap();
    assert_eq!(connection.ids().count(), limits::ISSUED_IDS);
    let (key, ids) = (*key, connection.ids().collect::<Vec<_>>());
    let short = |id: &ConnectionId| [&[0x40], &id[..], &[0; 20]].concat();
    let received = net.server.stats().received;
    for id in &ids {
        assert_eq!(net.server.table.find(id), Some(key));
        let mut datagram = short(id);
        assert_eq!(net.server.find(&datagram), Some(key));
        assert_eq!(net.server.find(&datagram[..28]), None, "too short");
        datagram[0] |= 0x80;
        assert_eq!(net.server.find(&datagram), None, "a long header");
    }
    assert_eq!(net.server.find(&short(&ConnectionId::default())), None);
    let counted = net.server.stats().received;
    assert_eq!(counted - received, u64::try_from(ids.len()).unwrap());
    // Late Initial packets of the same client make no second connection.
    let hello = net.log.first().unwrap().1.clone();
    let (late, _) = net.server_takes(from(CLIENT.0, CLIENT.1), &hello);
    assert_eq!(kind(&late), "connection");
    let now = at(net.now);
    for end in [&mut net.client_connection, &mut net.server_connection] {
        let (_, connection) = end.as_mut().unwrap();
        connection.close(VarInt::ZERO, Bytes::new(), now);
    }
    assert_eq!(net.server.find(&short(&ids[0])), Some(key));
    net.now += Duration::from_secs(60);
    net.run();
    assert_eq!(net.server.find(&short(&ids[0])), None, "it is forgotten");
    for table in [&net.client.table, &net.server.table] {
        assert!(table.is_empty() && table.is_bare());
    }
}

#[test]
fn a_hello_in_two_datagrams_in_any_order_is_asked_about_once_and_nothing_is_sent_before() {
    for order in [[0, 1], [1, 0]] {
        let mut net = Net::new(serving());
        let hello = net.hello();
        assert_eq!(hello.len(), 2, "a hybrid hello");
        net.server_receives(&hello[order[0]]);
        assert_eq!((net.asked, net.log.len()), (0, 1), "{order:?}");
        // A repeat takes no room.
        net.server_receives(&hello[order[0]]);
        let held = net.server.table.attempts();
        assert_eq!((held, net.asked), (1, 0));
        net.server_receives(&hello[order[1]]);
        assert_eq!((net.asked, net.server.table.attempts()), (1, 0));
        net.run();
        assert!(net.is_connected(), "{order:?}");
    }
}

#[test]
fn attempts_are_bounded_in_datagrams_bytes_time_and_number() {
    let mut net = Net::new(serving().retrying(Retrying::From(usize::MAX)));
    let hello = net.hello();
    let route = from(CLIENT.0, CLIENT.1);
    drop(net.server_takes(route, &hello[0]));
    let dcid = first_id(&hello[0]);
    // Early data comes with it, up to the bound.
    let early = zero_rtt(&hello[0], 1200);
    for _ in 0..10 {
        assert_eq!(kind(&net.server_takes(route, &early).0), "nothing");
    }
    let attempt = net.server.table.attempt(route.remote, dcid).unwrap();
    assert!(attempt.bytes() <= limits::ATTEMPT_DATAGRAMS * 1200);
    assert_eq!(
        attempt.bytes(),
        hello[0].len() + early.len() * (limits::ATTEMPT_DATAGRAMS - 1)
    );
    // One byte too many, though few datagrams.
    let mut other = Net::new(serving());
    let first = other.hello();
    drop(other.server_takes(route, &first[0]));
    let large = zero_rtt(&first[0], limits::ATTEMPT_BYTES - first[0].len() + 1);
    drop(other.server_takes(route, &large));
    let attempt = other
        .server
        .table
        .attempt(route.remote, first_id(&first[0]));
    assert_eq!(attempt.unwrap().bytes(), first[0].len());
    let fits = &large[..large.len() - 1];
    drop(other.server_takes(route, &zero_rtt(&first[0], fits.len())));
    let attempt = other
        .server
        .table
        .attempt(route.remote, first_id(&first[0]));
    assert_eq!(attempt.unwrap().bytes(), limits::ATTEMPT_BYTES);
    // Time.
    let ends = net.now + limits::CALM_ATTEMPT_TIME;
    assert_eq!(net.server.deadline(), Some(ends));
    net.server.on_deadline(at(ends - Duration::from_nanos(1)));
    assert_eq!(net.server.table.attempts(), 1);
    net.server.on_deadline(at(ends));
    assert_eq!(
        (net.server.table.attempts(), net.server.deadline()),
        (0, None)
    );
    assert_eq!(net.server.stats().expired, 1);
    // Number: a flood from many ports. Once there are many, time is short.
    for port in 1..=limits::ATTEMPTS + 50 {
        let from = from(7, 20_000 + u16::try_from(port).unwrap());
        drop(net.server_takes(from, &hello[0]));
        let time = if port < limits::CALM_ATTEMPTS {
            limits::CALM_ATTEMPT_TIME
        } else {
            limits::ATTEMPT_TIME
        };
        assert_eq!(net.server.deadline(), Some(net.now + time), "{port}");
    }
    assert_eq!(net.server.table.attempts(), limits::ATTEMPTS);
    assert_eq!(net.server.stats().dropped, 50);
}

fn first_id(hello: &[u8]) -> ConnectionId {
    match header::decode(hello, 8, QuicBit::Any) {
        Ok(Packet::Protected(header)) => header.dcid,
        other => panic!("{other:?}"),
    }
}

/// A 0-RTT packet of `hello`'s client that nobody can open.
fn zero_rtt(hello: &[u8], length: usize) -> Vec<u8> {
    let Ok(Packet::Protected(header)) = header::decode(hello, 8, QuicBit::Any) else {
        panic!("no hello");
    };
    let mut packet = vec![0xd0, 0, 0, 0, 1];
    for id in [header.dcid, header.long.unwrap().1] {
        packet.push(u8::try_from(id.len()).unwrap());
        packet.extend_from_slice(&id);
    }
    let rest = length - packet.len() - 4;
    packet.extend_from_slice(&(0x8000_0000 | u32::try_from(rest).unwrap()).to_be_bytes());
    packet.resize(length, 0x5a);
    packet
}

#[test]
fn what_does_not_open_leaves_nothing_behind() {
    let mut net = Net::new(serving());
    let mut hello = net.hello()[0].clone();
    for at in [100, 600, 1199] {
        hello[at] ^= 1;
        for port in 1..200 {
            let (routed, _) = net.server_takes(from(3, 10_000 + port), &hello);
            assert_eq!(kind(&routed), "nothing");
        }
    }
    assert!(net.server.table.is_bare());
}

#[test]
fn first_datagrams_that_are_no_hello_are_dropped() {
    let mut net = Net::new(serving());
    let hello = net.hello()[0].clone();
    let change = |at: usize, value: u8| {
        let mut changed = hello.clone();
        changed[at] = value;
        changed
    };
    let rows = [
        ("small", from(1, 50_000), hello[..1199].to_vec()),
        ("a blocked port", from(1, 53), hello.clone()),
        ("no port", from(1, 0), hello.clone()),
        (
            "a Handshake packet",
            from(1, 50_000),
            change(0, hello[0] | 0x20),
        ),
        ("a short id", from(1, 50_000), short_id(&hello)),
    ];
    for (row, route, datagram) in rows {
        let (routed, _) = net.server_takes(route, &datagram);
        assert_eq!(kind(&routed), "nothing", "{row}");
        assert!(net.server.table.is_bare(), "{row}");
    }
    for length in 0..hello.len() {
        let (routed, _) = net.server_takes(from(1, 50_000), &hello[..length]);
        assert_eq!(kind(&routed), "nothing", "{length} bytes");
    }
    assert_eq!(net.server.stats().empty, 1);
    let mut client = Net::new(EndpointConfig::client().unwrap());
    let (routed, _) = client.server_takes(from(1, 50_000), &hello);
    assert_eq!(kind(&routed), "nothing", "an endpoint that does not serve");
}

/// The same Initial packet to an id of 7 bytes.
fn short_id(hello: &[u8]) -> Vec<u8> {
    let mut short = hello.to_vec();
    let length = usize::from(short[5]);
    short[5] = 7;
    short.drain(6..6 + length - 7);
    short.resize(hello.len(), 0);
    short
}

#[test]
fn a_retry_is_followed_and_its_token_lets_in() {
    let mut net = Net::new(serving().retrying(Retrying::Always));
    net.connect();
    net.run();
    assert!(net.is_connected(), "{:?}", net.client_error());
    assert!((1..=2).contains(&net.server.stats().retries));
    let answer = net.log.iter().find(|(side, _)| *side == Side::Server);
    assert_eq!(answer.unwrap().1[0] & 0xf0, 0xf0, "a Retry comes first");
    // The next time there is a token of the connection, and no Retry.
    assert!(!net.token.is_empty());
    let token = net.token.clone();
    let before = net.server.stats().retries;
    let again = |net: &mut Net| {
        (net.client_connection, net.server_connection) = (None, None);
        net.connect();
        net.run();
        assert!(net.is_connected(), "{:?}", net.client_error());
    };
    again(&mut net);
    assert_eq!(net.server.stats().retries, before);
    // It is good once.
    net.token = token;
    again(&mut net);
    assert!(net.server.stats().retries > before);
}

#[test]
fn a_retry_token_of_another_attempt_closes_with_its_code() {
    let mut net = Net::new(serving().retrying(Retrying::Always));
    let first = net.hello()[0].clone();
    net.server_receives(&first);
    let answered = net.flights(Side::Client);
    let hello = answered.first().unwrap().clone();
    let rows = [
        ("good", CLIENT, Duration::ZERO, None),
        ("at the limit", CLIENT, limits::RETRY_TIME, None),
        (
            "late",
            CLIENT,
            limits::RETRY_TIME + Duration::from_millis(1),
            Some(Code::INVALID_TOKEN),
        ),
        (
            "from another port",
            (1, 50_001),
            Duration::ZERO,
            Some(Code::INVALID_TOKEN),
        ),
        (
            "from another address",
            (2, 50_000),
            Duration::ZERO,
            Some(Code::INVALID_TOKEN),
        ),
    ];
    let start = net.now;
    for (row, (last, port), later, want) in rows {
        net.now = start + later;
        let (routed, reply) = net.server_takes(from(last, port), &hello);
        let got = match routed {
            Routed::Reply(_) => Some(close_code(&hello, &reply)),
            _ => None,
        };
        assert_eq!(got, want, "{row}");
        assert!(reply.len() < hello.len(), "{row}");
        net.server
            .on_deadline(at(net.now + limits::CALM_ATTEMPT_TIME));
        assert!(net.server.table.is_bare());
    }
}

#[test]
fn clients_show_their_address_from_so_many_attempts_on_and_half_open_ones_have_a_cap() {
    let mut net = Net::new(serving().retrying(Retrying::From(5)).half_open(2));
    let hello = net.hello()[0].clone();
    for port in 0..10 {
        let (routed, reply) = net.server_takes(from(4, 30_000 + port), &hello);
        assert_eq!(
            kind(&routed),
            if port < 5 { "nothing" } else { "reply" },
            "{port}"
        );
        assert!(reply.len() < hello.len() / 3);
    }
    assert_eq!(
        (net.server.table.attempts(), net.server.stats().retries),
        (5, 5)
    );
    // Accepted connections whose clients never answer.
    net.server.set_retrying(Retrying::From(usize::MAX));
    let mut accepted = 0;
    for port in 0..5 {
        (net.client_connection, net.now) = (None, net.now + Duration::from_secs(2));
        let hello = net.hello();
        for datagram in &hello {
            let (routed, _) = net.server_takes(from(4, 40_000 + port), datagram);
            if let Routed::Incoming(incoming) = routed {
                let now = at(net.now);
                let _ = net
                    .server
                    .accept(incoming, &net.server_config, now)
                    .unwrap();
                accepted += 1;
            }
        }
    }
    assert_eq!((accepted, net.server.table.half_open()), (2, 2));
}

#[test]
fn the_application_refuses_retries_and_ignores() {
    for (row, want) in [
        ("refuse", "reply"),
        ("retry", "reply"),
        ("ignore", "nothing"),
    ] {
        let mut net = Net::new(serving());
        let hello = net.hello();
        let route = from(CLIENT.0, CLIENT.1);
        drop(net.server_takes(route, &hello[0]));
        let (routed, _) = net.server_takes(route, &hello[1]);
        let Routed::Incoming(incoming) = routed else {
            panic!("{row}: no client")
        };
        assert!(!incoming.is_validated() && incoming.route() == route);
        // While the application decides, repeats are not asked about.
        assert_eq!(kind(&net.server_takes(route, &hello[1]).0), "nothing");
        let mut reply = [0; 1200];
        let now = at(net.now);
        let length = match row {
            "refuse" => net.server.refuse(&incoming, &mut reply),
            "retry" => net.server.retry(&incoming, now, &mut reply),
            _ => {
                net.server.ignore(&incoming);
                None
            }
        };
        assert_eq!(length.is_some(), want == "reply", "{row}");
        assert!(net.server.table.is_bare(), "{row}");
        if let Some(length) = length {
            net.client_receives(&reply[..length]);
        }
        match row {
            "refuse" => {
                let error = net.client_error();
                let refused = matches!(
                    error,
                    Some(ConnectionError::PeerClosed {
                        code: Code::CONNECTION_REFUSED,
                        ..
                    })
                );
                assert!(refused, "{error:?}");
            }
            // The client goes on.
            _ => {
                net.run();
                assert!(net.is_connected(), "{row}");
            }
        }
    }
}

#[test]
fn unknown_versions_are_answered_if_the_answer_is_shorter_and_answers_never_are() {
    let mut net = Net::new(serving());
    let hello = net.hello()[0].clone();
    let mut unknown = hello.clone();
    unknown[1..5].copy_from_slice(&[0xba, 0xba, 0xba, 0xba]);
    let mut two = hello.clone();
    // The Initial type of version 2.
    two[0] |= 0x10;
    two[1..5].copy_from_slice(&Version::V2.number().to_be_bytes());
    let only = |version| {
        let config = ServerConfig::new(Arc::clone(&net.server_config.tls));
        config.versions(&[version]).build().unwrap()
    };
    let one = only(Version::V1);
    net.server.set_versions(&one);
    for datagram in [&unknown, &two] {
        let (routed, reply) = net.server_takes(from(1, 50_000), datagram);
        assert_eq!(kind(&routed), "reply");
        assert!(reply.len() < 100);
        let Ok(Packet::VersionNegotiation(offer)) = header::decode(&reply, 8, QuicBit::Any) else {
            panic!("{reply:?}")
        };
        let versions: Vec<_> = offer.versions().collect();
        assert_eq!(versions[0], Version::V1.number());
        assert_eq!(versions[1] & 0x0f0f_0f0f, 0x0a0a_0a0a);
        // Its echo stops here.
        assert_eq!(
            kind(&net.server_takes(from(1, 50_000), &reply).0),
            "nothing"
        );
    }
    let small = net.server_takes(from(1, 50_000), &unknown[..1199]);
    assert_eq!(kind(&small.0), "nothing");
    assert_eq!(kind(&net.server_takes(from(1, 19), &unknown).0), "nothing");
    let mut own = hello.clone();
    own[1..5].copy_from_slice(&[0; 4]);
    assert_eq!(kind(&net.server_takes(from(1, 50_000), &own).0), "nothing");
    // At a rate.
    let answered = (0..1000)
        .filter(|_| kind(&net.server_takes(from(1, 50_000), &unknown).0) == "reply")
        .count();
    assert_eq!(answered, usize::try_from(limits::ANSWERS).unwrap() - 2);
}

#[test]
fn packets_to_unknown_ids_are_reset_at_a_rate_and_resets_do_not_loop() {
    let mut net = Net::new(serving());
    let mut datagram = vec![0x41; 1200];
    let mut bounces = 0;
    let mut other = Net::new(serving());
    // Two servers with no connection answer each other's resets until nothing smaller can be written.
    loop {
        let (routed, reply) = net.server_takes(from(1, 50_000), &datagram);
        if kind(&routed) != "reply" {
            break;
        }
        assert!(reply.len() < datagram.len() && reply.len() >= limits::RESET_DATAGRAM);
        datagram = reply;
        bounces += 1;
        core::mem::swap(&mut net, &mut other);
    }
    // From 42 bytes down to 28, which hold no packet with an id of ours.
    assert_eq!(bounces, 15);
    let mut net = Net::new(serving());
    let answered = (0..1000)
        .filter(|_| kind(&net.server_takes(from(1, 50_000), &[0x41; 100]).0) == "reply")
        .count();
    assert_eq!(answered, usize::try_from(limits::ANSWERS).unwrap());
    net.now += Duration::from_secs(10);
    let long = [&[0xe1, 0, 0, 0, 1, 8][..], &[7; 1194]].concat();
    for (row, route, datagram) in [
        ("a long header", from(1, 50_000), long),
        ("too short", from(1, 50_000), vec![0x41; 28]),
        ("a blocked port", from(1, 123), vec![0x41; 100]),
    ] {
        let (routed, _) = net.server_takes(route, &datagram);
        assert_eq!(kind(&routed), "nothing", "{row}");
    }
    let mut off = Net::new(serving().resets(false));
    let (routed, _) = off.server_takes(from(1, 50_000), &[0x41; 100]);
    assert_eq!(kind(&routed), "nothing", "resets are off");
}

#[test]
fn a_server_that_was_started_again_resets_the_connections_from_before() {
    let key = [7; 32];
    let mut net = Net::new(serving().reset_key(&key).unwrap());
    net.connect();
    net.run();
    assert!(net.is_connected());
    net.server = Endpoint::new(serving().reset_key(&key).unwrap(), at(net.now)).unwrap();
    net.server_connection = None;
    let (_, connection) = net.client_connection.as_mut().unwrap();
    connection.ping();
    let sent = net.flights(Side::Client);
    // A stranger's reset, and one from elsewhere, do nothing.
    net.client_receives(&[0x41; 40]);
    assert_eq!(net.client_error(), None);
    net.server_receives(&sent[0]);
    assert_eq!(net.server.stats().resets, 1);
    assert_eq!(net.client_error(), Some(ConnectionError::Reset));
}

#[test]
fn a_reset_token_counts_only_from_the_peers_address_and_only_while_it_is_in_use() {
    let mut net = Net::new(serving());
    net.connect();
    net.run();
    let (key, _) = net.client_connection.as_ref().unwrap();
    let key = *key;
    let token = crate::wire::ResetToken([0x77; 16]);
    net.client.on_event(key, EndpointEvent::ResetToken(token));
    let mut reset = vec![0x41; 30];
    reset.extend_from_slice(&token.0);
    let take = |net: &mut Net, route: Route, bytes: &[u8]| {
        let bytes = BytesMut::from(bytes);
        let now = at(net.now);
        let routed = net
            .client
            .receive(now, route, Ecn::NotEct, bytes, &mut [0; 1200]);
        kind(&routed)
    };
    let server = from(SERVER.0, SERVER.1);
    assert_eq!(take(&mut net, server, &reset), "connection");
    assert_eq!(take(&mut net, server, &reset[26..]), "nothing", "20 bytes");
    assert_ne!(take(&mut net, from(8, 1234), &reset), "connection");
    // No token is not a token of zeros (Q06).
    let zeros = [&[0x41; 30][..], &[0; 16]].concat();
    assert_ne!(take(&mut net, server, &zeros), "connection");
    // Where the peer has moved, and nowhere else.
    let there = from(8, 1234);
    net.client.on_event(key, EndpointEvent::Moved(there.remote));
    assert_eq!(take(&mut net, there, &reset), "connection");
    assert_ne!(take(&mut net, server, &reset), "connection", "moved");
    net.client
        .on_event(key, EndpointEvent::Moved(server.remote));
    let next = crate::wire::ResetToken([0x78; 16]);
    net.client.on_event(key, EndpointEvent::ResetToken(next));
    assert_ne!(take(&mut net, server, &reset), "connection", "replaced");
    net.client.on_event(key, EndpointEvent::Over);
    assert!(net.client.table.is_bare());
}

#[test]
fn a_datagram_of_another_worker_is_forwarded_and_never_reset() {
    let key = [3; 32];
    let config = |worker| serving().worker(&key, worker, 4).unwrap();
    let mut net = Net::new(config(2));
    for worker in 0..4 {
        let mut other = Endpoint::new(config(worker), at(START)).unwrap();
        let id = other.mint().unwrap().id;
        let datagram = [&[0x41][..], &id, &[9; 60]].concat();
        let (routed, _) = net.server_takes(from(1, 50_000), &datagram);
        match routed {
            Routed::Forward(to, _) => assert_eq!((to, worker != 2), (worker, true)),
            other => assert_eq!((kind(&other), worker), ("reply", 2)),
        }
    }
}

/// Its handshake packets and what a server answers to its own clients go to the worker who has the connection, and clients' own ids nowhere.
#[test]
fn long_headers_are_forwarded_too_unless_the_id_is_the_clients() {
    let mut all = serving().workers(2).unwrap().into_iter();
    let first = all.next().unwrap();
    let mut second = Endpoint::new(all.next().unwrap(), at(START)).unwrap();
    assert!(all.next().is_none());
    let mut net = Net::new(first);
    net.connect();
    let hello = net.hello();
    let (route, now) = (from(CLIENT.0, CLIENT.1), at(net.now));
    let hear = |endpoint: &mut Endpoint, datagram: &[u8]| {
        let datagram = BytesMut::from(datagram);
        endpoint.receive(now, route, Ecn::NotEct, datagram, &mut [0; 1200])
    };
    let own = second.mint().unwrap().id;
    // (name, the first byte, the destination, whether it is for the second)
    for (name, first, dcid, forwards) in [
        ("initial", 0xc3, &own[..], true),
        ("0-RTT", 0xd3, &own[..], true),
        ("handshake", 0xe3, &own[..], true),
        ("retry", 0xf3, &own[..], true),
        ("handshake to another length", 0xe3, &hello[0][6..22], false),
        ("initial to a client's id", 0xc3, &hello[0][6..22], false),
    ] {
        let length = u8::try_from(dcid.len()).unwrap();
        let mut datagram = [&[first, 0, 0, 0, 1, length][..], dcid, &[0]].concat();
        if first == 0xc3 {
            datagram.push(0);
        }
        datagram.extend_from_slice(&[0x44, 0x00]);
        datagram.resize(1200, 7);
        match hear(&mut net.server, &datagram) {
            Routed::Forward(worker, _) => assert_eq!((worker, forwards), (1, true), "{name}"),
            other => assert!(!forwards, "{name}: {}", kind(&other)),
        }
        let there = hear(&mut second, &datagram);
        assert!(!matches!(there, Routed::Forward(..)), "{name}");
    }
}

/// Bounds of a service are shared by its workers.
#[test]
fn workers_share_what_may_be_unfinished() {
    let configs = serving().retrying(Retrying::From(5)).workers(2).unwrap();
    for config in configs {
        let mut net = Net::new(config);
        let hello = net.hello();
        for port in 0..4 {
            let (routed, _) = net.server_takes(from(4, 30_000 + port), &hello[0]);
            let want = if port < 3 { "nothing" } else { "reply" };
            assert_eq!(kind(&routed), want, "{port}");
        }
    }
}

#[test]
fn a_shutdown_lets_nobody_in_and_connections_finish_until_its_deadline() {
    let mut net = Net::new(serving());
    net.connect();
    net.run();
    assert!(net.is_connected() && !net.server.is_over());
    let end = net.now + Duration::from_secs(5);
    net.server.shutdown(end);
    net.server.shutdown(end + Duration::from_secs(5));
    let mut other = Net::new(serving());
    let hello = other.hello()[0].clone();
    let (routed, reply) = net.server_takes(from(6, 50_000), &hello);
    assert_eq!(kind(&routed), "reply");
    assert_eq!(close_code(&hello, &reply), Code::CONNECTION_REFUSED);
    let (_, connection) = net.client_connection.as_mut().unwrap();
    connection.ping();
    net.run();
    assert!(net.is_connected(), "old connections go on");
    let before = end - Duration::from_nanos(1);
    assert!(!net.server.is_overdue(at(before)) && net.server.is_overdue(at(end)));
    let keys: Vec<_> = net.server.connections().collect();
    net.server.on_event(keys[0], EndpointEvent::Over);
    assert!(net.server.is_over() && !net.server.is_overdue(at(end)));
    let now = at(net.now);
    let more = net
        .server
        .connect(&net.client_config, name(), from(1, 1), Bytes::new(), now);
    assert!(matches!(more, Err(ConnectionError::LocallyClosed)));
}
