//! Early data: accepted, rejected, lowered, lost, overtaken, repeated.

use pith_tls::{EarlyData, Group, SessionStore, StrikeRegister, Tickets};

use super::malformed::version_negotiation;
use super::*;
use crate::Fault;
use crate::error::Code;
use crate::streams::SendError;
use crate::wire::params::Parameters;
use crate::wire::{Builder, PacketType, Space};

/// What a client and a server share between connections.
pub(super) struct Sides {
    pki: Pki,
    store: SessionStore,
    tickets: Tickets,
    register: StrikeRegister,
}

/// When a client comes back.
const LATER: Duration = Duration::from_secs(200);
const SECOND: Duration = Duration::from_secs(1);
const BEFORE: Duration = Duration::from_millis(1);

type ServerTls = pith_tls::ServerConfigBuilder;
type Change = fn(&Sides, ServerTls) -> ServerTls;

impl Sides {
    fn new() -> Self {
        Self {
            pki: Pki::with(Kind::Ed25519, 0),
            store: SessionStore::new(),
            tickets: Tickets::rotating(),
            register: StrikeRegister::new(at(Duration::ZERO)),
        }
    }

    /// Two that have met: the client has tickets.
    pub(super) fn met() -> Self {
        let sides = Self::new();
        sides.meet(|server| server);
        sides
    }

    fn meet(&self, change: impl FnOnce(ServerTls) -> ServerTls) {
        let mut pair = Pair::of(
            straight(),
            &self.client(true),
            self.server_of(change(self.server_tls())),
        );
        assert_eq!(pair.client.early_data(), EarlyData::NotOffered);
        assert!(pair.run_until(SECOND, |pair| pair.client.is_established()));
        // Before the tickets come.
        let settled = Bytes::from_static(b"settled");
        pair.client.remember(settled).unwrap();
        pair.run(SECOND);
        assert!(!self.store.is_empty());
    }

    fn client(&self, early: bool) -> ClientConfig {
        let tls = pith_tls::ClientConfig::new(trust(&self.pki))
            .alpn(&[b"test", b"other"])
            .sessions(self.store.clone())
            .early_data(early);
        let client = ClientConfig::new(tls.build().unwrap()).datagrams(1200);
        client.seed([1; 32]).build().unwrap()
    }

    fn server_tls(&self) -> ServerTls {
        let identity = self.pki.leaf_with(Kind::Ed25519, &[NAME], |_| ());
        pith_tls::ServerConfig::new(credential(&identity))
            .alpn(&[b"test"])
            .tickets(self.tickets.clone())
            .early_data(1, self.register.clone())
    }

    fn server_of(&self, tls: ServerTls) -> ServerConfig {
        let server = ServerConfig::new(tls.build().unwrap()).datagrams(1200);
        server.seed([2; 32]).build().unwrap()
    }

    pub(super) fn server(&self) -> ServerConfig {
        self.server_of(self.server_tls())
    }

    /// The client comes back.
    pub(super) fn again(&self, fate: Fate, server: ServerConfig) -> Pair {
        Pair::begun(LATER, fate, &self.client(true), server)
    }
}

impl Pair {
    /// The client sends this on a new stream, and ends it.
    fn say(&mut self, data: &Bytes) -> StreamId {
        let id = self.client.open(Dir::Bi).unwrap();
        let mut left = data.clone();
        assert_eq!(self.client.send(id, &mut left), Ok(data.len()));
        self.client.finish(id).unwrap();
        id
    }

    fn heard(&mut self) -> Option<(StreamId, Vec<u8>, bool)> {
        let server = self.server.as_mut()?;
        let id = server.accept(Dir::Bi)?;
        Some(self.hear(id))
    }

    /// What has come of a stream, and whether all of it is early data.
    fn hear(&mut self, id: StreamId) -> (StreamId, Vec<u8>, bool) {
        let (mut got, mut all) = (Vec::new(), true);
        while let Ok(Read::Data { bytes, early, .. }) = self.server().read_early(id, usize::MAX) {
            got.extend_from_slice(&bytes);
            all &= early;
        }
        (id, got, all)
    }

    /// What the client was told, by the names of events.
    fn told(&mut self) -> Vec<&'static str> {
        self.events();
        let names = self
            .client_events
            .drain(..)
            .filter_map(|event| match event {
                Event::Connected(_) => Some("connected"),
                Event::EarlyDataAccepted => Some("accepted"),
                Event::EarlyDataRejected => Some("rejected"),
                Event::Closed(_) => Some("closed"),
                _ => None,
            });
        names.collect()
    }

    /// The datagrams that the client has sent so far.
    fn sent(&self) -> Vec<Vec<u8>> {
        let own = self.log.iter().filter(|(from, _)| *from == Side::Client);
        own.map(|(_, datagram)| datagram.clone()).collect()
    }
}

/// The types of the packets in a client's datagram, as far as their headers are long.
fn types(datagram: &[u8]) -> Vec<PacketType> {
    let mut parts = crate::protect::Datagram::new(BytesMut::from(datagram), 8, QuicBit::Any);
    let mut types = Vec::new();
    while let Some(Ok(crate::protect::Incoming::Protected(packet))) = parts.next() {
        types.push(packet.header().packet);
    }
    types
}

fn is_early(datagram: &[u8]) -> bool {
    types(datagram) == [PacketType::ZeroRtt]
}

#[test]
fn early_data_arrives_with_the_first_flight_and_is_answered_at_once() {
    let sides = Sides::met();
    let mut pair = sides.again(straight(), sides.server());
    assert_eq!(pair.client.early_data(), EarlyData::Offered);
    assert_eq!(pair.client.remembered().unwrap(), &b"settled"[..]);
    let id = pair.say(&pattern(3000));
    // The largest that an early packet holds.
    let largest = pair.client.largest_datagram().unwrap();
    pair.client.send_datagram(pattern(largest)).unwrap();
    let more = pair.client.send_datagram(pattern(largest + 1));
    assert_eq!(more, Err(crate::DatagramError::TooLarge));
    let mut export = [[0; 32]; 2];
    pair.client.early_export(b"x", b"", &mut export[0]).unwrap();
    pair.run(DELAY);
    assert_eq!(pair.heard(), Some((id, pattern(3000).to_vec(), true)));
    assert!(pair.server().has_early_data(id) && !pair.server().is_established());
    assert_eq!(pair.server().read_datagram(), None);
    assert_eq!(pair.server().read_early_datagram(), Some(pattern(largest)));
    assert_eq!(pair.server().early_data(), EarlyData::Accepted);
    let early = pair.server_events.iter();
    let early = early.filter(|event| matches!(event, Event::EarlyDatagram));
    assert_eq!(early.count(), 1);
    pair.server()
        .early_export(b"x", b"", &mut export[1])
        .unwrap();
    assert!(export[0] == export[1] && export[0] != [0; 32]);
    // Half a round trip later the answer is there, with the server's own flight.
    let mut answer = Bytes::from_static(b"answer");
    pair.server().send(id, &mut answer).unwrap();
    pair.server().finish(id).unwrap();
    assert!(pair.run_until(DELAY, |pair| pair.client.is_established()));
    let mut got = Vec::new();
    assert!(read(&mut pair.client, id, &mut got));
    assert_eq!((&got[..], pair.now), (&b"answer"[..], LATER + 2 * DELAY));
    assert_eq!(pair.told(), ["accepted", "connected"]);
    assert_eq!(pair.client.early_data(), EarlyData::Accepted);
    assert!(pair.client.summary().unwrap().resumed());
    pair.connect();
    let sent: Vec<_> = pair.sent().iter().flat_map(|sent| types(sent)).collect();
    assert_eq!(
        sent[..3],
        [
            PacketType::Initial,
            PacketType::Initial,
            PacketType::ZeroRtt
        ]
    );
    // 0-RTT packets are the client's alone, and end when it has other keys.
    let kinds: Vec<_> = pair
        .log
        .iter()
        .flat_map(|(from, sent)| types(sent).into_iter().map(|kind| (*from, kind)))
        .collect();
    let last = kinds
        .iter()
        .rposition(|(_, kind)| *kind == PacketType::ZeroRtt);
    let protected = (Side::Client, PacketType::OneRtt);
    let first = kinds.iter().position(|kind| *kind == protected);
    assert!(last < first, "{kinds:?}");
    assert!(!kinds.contains(&(Side::Server, PacketType::ZeroRtt)));
    // What comes after the handshake is no early data.
    let id = pair.say(&pattern(100));
    pair.run(SECOND);
    assert_eq!(pair.heard(), Some((id, pattern(100).to_vec(), false)));
    assert!(!pair.server().has_early_data(id));
    assert_eq!(pair.server().stats().packets_lost, 0);
    assert_eq!(pair.client.stats().packets_lost, 0);
}

#[test]
fn early_data_is_read_before_the_handshake_is_complete_by_who_asks_for_it_alone() {
    for completes in [true, false] {
        let sides = Sides::met();
        let mut pair = sides.again(straight(), sides.server());
        let id = pair.say(&pattern(3000));
        let empty = pair.client.open(Dir::Bi).unwrap();
        pair.client.finish(empty).unwrap();
        pair.run(DELAY);
        for id in [id, empty] {
            assert_eq!(pair.server().accept(Dir::Bi), Some(id));
            let server = pair.server();
            assert!(server.has_early_data(id) && !server.is_established());
            assert_eq!(server.read(id, 10), Ok(Read::Blocked));
            assert_eq!(server.read_unordered(id, 10), Ok(Read::Blocked));
        }
        let first = pair.server().read_early(id, 10);
        let want = Read::Data {
            offset: 0,
            bytes: pattern(10),
            ends: false,
            early: true,
        };
        assert_eq!(first, Ok(want));
        pair.server_events.clear();
        if completes {
            pair.connect();
        } else {
            // Who only repeats a flight gets no further, and may close by a packet of it.
            pair.flying.clear();
            let now = pair.now;
            let close = [0x1d, 0, 0];
            let goodbye = pair.client.forge(Space::Application, &close, now);
            pair.deliver(Side::Server, &goodbye);
            assert!(pair.server().error().is_some());
        }
        pair.events();
        let readable = |id| {
            let event = StreamEvent::Readable(id);
            let told = |told: &Event| matches!(told, Event::Stream(told) if *told == event);
            pair.server_events.iter().any(told)
        };
        assert_eq!([readable(id), readable(empty)], [completes; 2]);
        let mut rest = Vec::new();
        let all = loop {
            match pair.server().read(id, usize::MAX).unwrap() {
                Read::Data {
                    bytes, ends, early, ..
                } => {
                    rest.extend_from_slice(&bytes);
                    assert!(early, "it is what it was");
                    if ends {
                        break true;
                    }
                }
                Read::Blocked => break false,
                Read::Finished => break true,
            }
        };
        assert_eq!(
            (all, rest.len()),
            if completes { (true, 2990) } else { (false, 0) }
        );
        let end = pair.server().read(empty, 1);
        assert_eq!(
            end,
            Ok(if completes {
                Read::Finished
            } else {
                Read::Blocked
            })
        );
    }
}

#[test]
fn early_data_is_answered_at_once_unless_clients_have_to_show_who_they_are() {
    use pith_tls::ClientAuth;
    type Ask = fn(pith_tls::Trust) -> ClientAuth;
    // (name, whom the server asks, when the answer is there)
    let rows: [(&str, Ask, u32); 3] = [
        ("nobody", |_| ClientAuth::None, 2),
        ("who likes", ClientAuth::Optional, 2),
        ("everybody", ClientAuth::Required, 4),
    ];
    for (row, ask, delays) in rows {
        let sides = Sides::new();
        let tls = || sides.server_tls().client_auth(ask(trust(&sides.pki)));
        let identity = sides.pki.leaf_with(Kind::Ed25519, &["client"], |_| ());
        let client = pith_tls::ClientConfig::new(trust(&sides.pki))
            .alpn(&[b"test"])
            .sessions(sides.store.clone())
            .early_data(true)
            .credential(credential(&identity));
        let client = ClientConfig::new(client.build().unwrap()).build().unwrap();
        let mut first = Pair::of(straight(), &client, sides.server_of(tls()));
        first.connect();
        first.run(SECOND);
        let mut pair = Pair::begun(LATER, straight(), &client, sides.server_of(tls()));
        let id = pair.say(&pattern(10));
        pair.run(DELAY);
        assert_eq!(
            pair.heard(),
            Some((id, pattern(10).to_vec(), true)),
            "{row}"
        );
        pair.server().send(id, &mut pattern(20)).unwrap();
        pair.server().finish(id).unwrap();
        let mut got = Vec::new();
        let answered = pair.run_until(SECOND, |pair| read(&mut pair.client, id, &mut got));
        assert!(answered && got == pattern(20), "{row}");
        assert_eq!(pair.now, LATER + delays * DELAY, "{row}");
        assert_eq!(pair.client.early_data(), EarlyData::Accepted, "{row}");
    }
}

#[test]
fn early_data_waits_until_somebody_says_whether_its_hello_came_before() {
    for is_first in [true, false] {
        let sides = Sides::new();
        sides.meet(|server| server.early_data_asked(1));
        let server = sides.server_of(sides.server_tls().early_data_asked(1));
        let mut pair = sides.again(straight(), server);
        let id = pair.say(&pattern(3000));
        pair.run(DELAY);
        let question = pair.server().question().unwrap().clone();
        let pith_tls::Topic::EarlyDataReplay { .. } = question.topic else {
            panic!("{question:?}");
        };
        assert!(pair.server().held.len() > 0 && pair.heard().is_none());
        let answer = pith_tls::Answer::early_data(&question, is_first);
        let now = at(pair.now);
        pair.server().answer(answer, now).unwrap();
        assert_eq!(pair.server().held.len(), 0);
        let want = Some((id, pattern(3000).to_vec(), true)).filter(|_| is_first);
        assert_eq!(pair.heard(), want);
        pair.connect();
        let told = if is_first { "accepted" } else { "rejected" };
        assert_eq!(pair.told(), [told, "connected"]);
    }
}

#[test]
fn early_data_is_for_clients_that_ask_for_it_and_have_a_ticket_that_allows_it() {
    let sides = Sides::met();
    let none = Sides::new();
    let plain = Sides::new();
    plain.meet(|_| {
        let identity = plain.pki.leaf_with(Kind::Ed25519, &[NAME], |_| ());
        pith_tls::ServerConfig::new(credential(&identity))
            .alpn(&[b"test"])
            .tickets(plain.tickets.clone())
    });
    for (row, sides, asks) in [
        ("not asked for", &sides, false),
        ("no ticket", &none, true),
        ("a server that takes none", &plain, true),
    ] {
        let mut pair = Pair::begun(LATER, straight(), &sides.client(asks), sides.server());
        assert_eq!(pair.client.early_data(), EarlyData::NotOffered, "{row}");
        assert_eq!(pair.client.open(Dir::Bi), None, "{row}");
        assert_eq!(
            pair.client.send_datagram(pattern(5)),
            Err(crate::DatagramError::NotTaken),
            "{row}"
        );
        pair.connect();
        let early = pair.sent().iter().any(|datagram| {
            let types = types(datagram);
            types.contains(&PacketType::ZeroRtt)
        });
        assert!(!early, "{row}");
        assert_eq!(pair.told(), ["connected"], "{row}");
    }
}

/// Early data to a server that is not what it was: the handshake ends well, and nothing of the data was seen or is sent again.
fn rejected(row: &str, mut pair: Pair, resumed: bool) {
    assert_eq!(pair.client.early_data(), EarlyData::Offered, "{row}");
    let id = pair.say(&pattern(3000));
    let other = pair.client.open(Dir::Bi).unwrap();
    pair.client.send(other, &mut pattern(10)).unwrap();
    pair.client.send_datagram(pattern(100)).unwrap();
    // The application has not heard of it yet: it opens nothing that could be taken for what it had.
    let decided = pair.run_until(SECOND, |pair| {
        pair.client.events.owes_rejection() || {
            pair.client_events
                .iter()
                .any(|event| matches!(event, Event::EarlyDataRejected))
        }
    });
    assert!(decided, "{row}");
    let mut told = pair.told();
    for id in [id, other] {
        let sent = pair.client.send(id, &mut pattern(5));
        assert_eq!(sent, Err(SendError::Closed), "{row}");
        assert_eq!(
            pair.client.read(id, 1),
            Err(crate::ReadError::Closed),
            "{row}"
        );
    }
    pair.connect();
    assert_eq!(pair.server().held.len(), 0, "{row}: waits for nothing");
    pair.run(SECOND);
    for side in [Side::Client, Side::Server] {
        assert_eq!(pair.side(side).early_data(), EarlyData::Rejected, "{row}");
        let summary = pair.side(side).summary().unwrap().clone();
        assert_eq!(summary.early_data, EarlyData::Rejected, "{row}");
        assert_eq!(summary.resumed(), resumed, "{row}");
    }
    let server = pair.server();
    assert_eq!(server.accept(Dir::Bi), None, "{row}");
    assert_eq!(server.read_early_datagram(), None, "{row}");
    assert_eq!(server.read_datagram(), None, "{row}");
    let stats = pair.client.stats();
    assert_eq!((stats.in_flight, stats.packets_lost), (0, 0), "{row}");
    // The application sends it again: the first stream of all, as if nothing had been.
    let again = pair.say(&pattern(2000));
    assert_eq!(again, id, "{row}");
    pair.run(SECOND);
    assert_eq!(
        pair.heard(),
        Some((id, pattern(2000).to_vec(), false)),
        "{row}"
    );
    told.extend(pair.told());
    assert_eq!(told, ["rejected", "connected"], "{row}");
}

#[test]
fn what_has_changed_rejects_early_data_alone() {
    let rows: [(&str, Change, bool); 7] = [
        ("the protocol", |_, server| server.alpn(&[b"other"]), true),
        (
            "the settings",
            |_, server| server.early_data_settings(b"other"),
            true,
        ),
        (
            "no early data",
            |sides, _| {
                let identity = sides.pki.leaf_with(Kind::Ed25519, &[NAME], |_| ());
                pith_tls::ServerConfig::new(credential(&identity))
                    .alpn(&[b"test"])
                    .tickets(sides.tickets.clone())
            },
            true,
        ),
        (
            "a register that knows nothing yet",
            |_, server| server.early_data(1, StrikeRegister::new(at(LATER))),
            true,
        ),
        (
            "another key for tickets",
            |_, server| server.tickets(Tickets::rotating()),
            false,
        ),
        (
            "a retry of the hello",
            |_, server| server.groups(&[Group::SecP384r1MlKem1024]),
            true,
        ),
        (
            "the suite",
            |_, server| server.suites(&[CipherSuite::ChaCha20Poly1305Sha256]),
            true,
        ),
    ];
    for (row, change, resumed) in rows {
        let sides = Sides::met();
        let server = sides.server_of(change(&sides, sides.server_tls()));
        rejected(row, sides.again(straight(), server), resumed);
    }
}

#[test]
fn a_lowered_limit_rejects_early_data_and_a_raised_one_does_not() {
    type Limit = fn(&mut Transport) -> &mut u64;
    let rows: [(&str, Limit); 7] = [
        ("data", |t| &mut t.streams.connection),
        ("streams of the server", |t| &mut t.streams.bidi_local),
        ("streams of the client", |t| &mut t.streams.bidi_remote),
        ("unidirectional", |t| &mut t.streams.uni),
        ("bidirectional streams", |t| &mut t.streams.streams_bidi),
        ("unidirectional streams", |t| &mut t.streams.streams_uni),
        ("datagrams", |t| &mut t.datagrams),
    ];
    for (row, limit) in rows {
        let sides = Sides::met();
        let mut server = sides.server();
        *limit(Arc::make_mut(&mut server.transport)) -= 1;
        rejected(row, sides.again(straight(), server), true);
        // The same ticket's sisters are as good.
        let mut server = sides.server();
        *limit(Arc::make_mut(&mut server.transport)) += 1;
        let mut pair = sides.again(straight(), server);
        pair.say(&pattern(100));
        pair.connect();
        assert_eq!(pair.told(), ["accepted", "connected"], "{row}");
        let heard = pair.heard().map(|(_, heard, early)| (heard.len(), early));
        assert_eq!(heard, Some((100, true)), "{row}");
    }
}

/// The parameters of a server that this client has not answered yet, as they were remembered.
fn as_remembered(pair: &Pair) -> Parameters {
    let transport = &pair.server_config.transport;
    let ids = Ids::server(
        ConnectionId::default(),
        pair.client.ids.original(),
        None,
        id(1),
    );
    transport.values(&ids, Side::Server, None, Version::V1)
}

fn encoded(parameters: &Parameters) -> Vec<u8> {
    parameters.encode(|| 7)
}

#[test]
fn a_server_that_takes_early_data_and_lowers_a_limit_has_broken_the_protocol() {
    type Field = fn(&mut Parameters) -> &mut VarInt;
    let rows: [(&str, Field); 8] = [
        ("data", |p| &mut p.initial_max_data),
        ("streams of the server", |p| {
            &mut p.initial_max_stream_data_bidi_local
        }),
        ("streams of the client", |p| {
            &mut p.initial_max_stream_data_bidi_remote
        }),
        ("unidirectional", |p| &mut p.initial_max_stream_data_uni),
        ("bidirectional streams", |p| &mut p.initial_max_streams_bidi),
        ("unidirectional streams", |p| &mut p.initial_max_streams_uni),
        ("ids", |p| &mut p.active_connection_id_limit),
        ("datagrams", |p| &mut p.max_datagram_frame_size),
    ];
    for (row, field) in rows {
        for (less, accepted) in [(0, true), (1, true), (1, false)] {
            let sides = Sides::met();
            let mut pair = sides.again(straight(), sides.server());
            let mut parameters = as_remembered(&pair);
            let field = field(&mut parameters);
            *field = VarInt::new(field.get() - less).unwrap();
            let client = &mut pair.client;
            client.on_peer_parameters(&encoded(&parameters)).unwrap();
            let got = client.on_early_decision(accepted, LATER);
            let want = if less > 0 && accepted {
                Err(ConnectionError::Transport(Fault::ReducedLimit.into()))
            } else {
                Ok(())
            };
            assert_eq!(got, want, "{row} {less} {accepted}");
        }
    }
}

#[test]
fn early_data_goes_by_what_was_remembered_until_it_is_over() {
    let sides = Sides::new();
    let mut server = sides.server();
    let transport = Arc::make_mut(&mut server.transport);
    (transport.streams.streams_bidi, transport.streams.connection) = (1, 1000);
    let mut first = Pair::of(straight(), &sides.client(true), server.clone());
    first.connect();
    first.run(SECOND);
    for accepted in [true, false] {
        let mut pair = sides.again(straight(), server.clone());
        let client = &mut pair.client;
        let id = client.open(Dir::Bi).unwrap();
        client.send(id, &mut pattern(5000)).unwrap();
        assert_eq!(client.open(Dir::Bi), None);
        // The server has become more generous.
        let mut parameters = as_remembered(&pair);
        parameters.initial_max_data = VarInt::from(4000_u16);
        parameters.initial_max_streams_bidi = VarInt::from(9_u8);
        pair.client
            .on_peer_parameters(&encoded(&parameters))
            .unwrap();
        pair.client.on_early_decision(accepted, LATER).unwrap();
        // What was rejected has to be told first.
        assert_eq!(pair.client.open(Dir::Bi), None);
        pair.told();
        assert_eq!(pair.client.open(Dir::Bi).is_some(), !accepted);
        pair.flush();
        let early = pair.sent();
        assert!(
            early
                .iter()
                .all(|datagram| !types(datagram).contains(&PacketType::OneRtt))
        );
        let bytes: usize = early.iter().skip(1).map(Vec::len).sum();
        assert!(bytes < 1200 + 1000 + 300, "{bytes}");
        pair.client.on_application_keys().unwrap();
        assert!(pair.client.open(Dir::Bi).is_some());
    }
}

#[test]
fn what_was_remembered_by_another_version_brings_no_early_data() {
    let sides = Sides::met();
    let mut pair = sides.again(straight(), sides.server());
    let fresh = Sides::new();
    let mut client = Pair::begun(LATER, straight(), &fresh.client(true), fresh.server()).client;
    client.on_early_offer(Bytes::new(), b"\x07junk").unwrap();
    assert_eq!(client.early_data(), EarlyData::Offered);
    assert!(!client.early.is_offered() && client.open(Dir::Bi).is_none());
    assert_eq!(
        pair.client.spaces.sends(Space::Application),
        Some(PacketType::ZeroRtt)
    );
    pair.say(&pattern(1));
    pair.connect();
}

#[test]
fn early_packets_that_are_lost_are_sent_again_with_the_keys_of_the_handshake() {
    type Lost = fn(usize, &[u8]) -> bool;
    let rows: [(&str, Lost); 4] = [
        ("one", |at, datagram| at == 3 && is_early(datagram)),
        ("all of early data alone", |_, datagram| is_early(datagram)),
        ("all of the first flight", |at, _| at < 7),
        ("the hello alone", |_, datagram| {
            types(datagram) == [PacketType::Initial]
        }),
    ];
    for (row, lost) in rows {
        let sides = Sides::met();
        let mut at = 0;
        let fate: Fate = Box::new(move |from, datagram| {
            if from == Side::Server {
                return vec![DELAY];
            }
            at += 1;
            let is_lost = at < 8 && lost(at - 1, datagram);
            if is_lost { vec![] } else { vec![DELAY] }
        });
        let mut pair = sides.again(fate, sides.server());
        let id = pair.say(&pattern(5000));
        pair.connect();
        pair.run(SECOND);
        assert_eq!(pair.told(), ["accepted", "connected"], "{row}");
        let (got, bytes, _) = pair.heard().unwrap();
        assert!(got == id && bytes == pattern(5000), "{row}");
        // But for a question whether the server is there, since it does not answer.
        let settled = |pair: &mut Pair| pair.client.stats().in_flight == 0;
        assert!(pair.run_until(SECOND, settled), "{row}");
    }
}

#[test]
fn early_packets_before_the_hello_is_whole_wait_for_their_keys_within_bounds() {
    for (row, more, held) in [
        ("few", 1, 1),
        (
            "more than are held",
            limits::HELD_PACKETS + 5,
            limits::HELD_PACKETS,
        ),
    ] {
        let sides = Sides::met();
        let late = DELAY + DELAY / 2;
        let mut seen = 0;
        let fate: Fate = Box::new(move |from, _| {
            seen += usize::from(from == Side::Client);
            let second = from == Side::Client && seen == 2;
            vec![if second { late } else { DELAY }]
        });
        let mut pair = sides.again(fate, sides.server());
        let id = pair.say(&pattern(1400));
        pair.run(DELAY);
        assert_eq!(pair.heard(), None, "{row}");
        // One came by itself, behind the first datagram of the hello.
        let now = pair.now;
        for _ in 1..more {
            let packet = pair.client.forge(Space::Application, &[1], now);
            pair.deliver(Side::Server, &packet);
        }
        assert_eq!(pair.server().held.len(), held, "{row}");
        let dropped = pair.server().stats().undecryptable;
        assert_eq!(dropped, (more - held) as u64, "{row}");
        let taken = pair.run_until(late, |pair| {
            pair.server().early_data() == EarlyData::Accepted
        });
        assert!(taken && pair.now == LATER + late, "{row}");
        assert_eq!(
            pair.heard(),
            Some((id, pattern(1400).to_vec(), true)),
            "{row}"
        );
        assert_eq!(pair.server().held.len(), 0, "{row}");
        pair.connect();
    }
}

#[test]
fn a_flight_that_comes_again_brings_no_early_data_again() {
    let sides = Sides::met();
    let mut pair = sides.again(straight(), sides.server());
    pair.say(&pattern(3000));
    pair.flush();
    let flight = pair.sent();
    pair.connect();
    assert_eq!(pair.heard().map(|(_, heard, _)| heard.len()), Some(3000));
    // To the same server, once it has no such connection any more; and to another that shares its register and tickets.
    for server in [pair.server_config.clone(), sides.server()] {
        let mut copy = sides.again(straight(), server);
        for datagram in &flight {
            copy.deliver(Side::Server, datagram);
        }
        assert_eq!(copy.server().early_data(), EarlyData::Rejected);
        assert_eq!(copy.heard(), None);
        // And it cannot finish: nothing comes of it.
        copy.server().send_datagram(pattern(1)).unwrap();
        copy.flying.clear();
        copy.run(SECOND);
        assert!(!copy.server().is_established());
    }
}

#[test]
fn keys_of_early_data_go_three_probe_timeouts_after_the_handshake() {
    for (row, wait, opens) in [("before", true, true), ("after", false, false)] {
        let sides = Sides::met();
        let mut seen = 0;
        let fate: Fate = Box::new(move |from, datagram| {
            seen += usize::from(from == Side::Client && is_early(datagram));
            let withheld = from == Side::Client && seen == 1 && is_early(datagram);
            if withheld { vec![] } else { vec![DELAY] }
        });
        let mut pair = sides.again(fate, sides.server());
        pair.say(&pattern(5000));
        pair.flush();
        let late = pair.sent().into_iter().find(|sent| is_early(sent)).unwrap();
        assert!(pair.run_until(SECOND, |pair| {
            pair.server.as_ref().is_some_and(Connection::is_established)
        }));
        let until = pair.server().early.keys_deadline().unwrap();
        let timeout = pair.server().recovery.probe_timeout();
        assert_eq!(until, pair.now + 3 * timeout, "{row}");
        assert!(pair.client.spaces.sends(Space::Application) == Some(PacketType::OneRtt));
        let now = at(if wait { until - BEFORE } else { until });
        pair.server().on_deadline(now);
        let before = pair.server().stats();
        pair.now = now.monotonic;
        pair.deliver(Side::Server, &late);
        let after = pair.server().stats();
        assert_eq!(
            after.packets_received > before.packets_received,
            opens,
            "{row}"
        );
        assert_eq!(after.undecryptable > before.undecryptable, !opens, "{row}");
    }
}

#[test]
fn frames_that_have_no_place_in_early_data_close_the_connection() {
    let mut buffer = [0; 64];
    let mut builder = Builder::new(&mut buffer);
    builder
        .put_crypto(VarInt::ZERO, 3, |to| {
            to.fill(1);
            Some(())
        })
        .unwrap();
    let crypto = builder.written().to_vec();
    let rows: [(&str, &[u8], bool); 8] = [
        ("PING", &[0x01], true),
        ("DATA_BLOCKED", &[0x14, 0], true),
        ("ACK", &[0x02, 0, 0, 0, 0], false),
        ("CRYPTO", &crypto, false),
        ("NEW_TOKEN", &[0x07, 1, 7], false),
        ("RETIRE_CONNECTION_ID", &[0x19, 0], false),
        ("PATH_RESPONSE", &[0x1b, 0, 0, 0, 0, 0, 0, 0, 0], false),
        ("HANDSHAKE_DONE", &[0x1e], false),
    ];
    for (row, payload, good) in rows {
        let sides = Sides::met();
        let mut pair = sides.again(straight(), sides.server());
        pair.run(DELAY);
        let now = pair.now;
        let datagram = pair.client.forge(Space::Application, payload, now);
        assert!(is_early(&datagram), "{row}");
        pair.deliver(Side::Server, &datagram);
        let code = match pair.server().error() {
            Some(ConnectionError::Transport(error)) => Some(error.code),
            None => None,
            other => panic!("{row} {other:?}"),
        };
        assert_eq!(code, (!good).then_some(Code::PROTOCOL_VIOLATION), "{row}");
    }
}

#[test]
fn early_data_that_was_rejected_must_not_be_acknowledged() {
    for (row, first, fault) in [("early", true, true), ("not early", false, false)] {
        let sides = Sides::met();
        let server = sides.server_of(sides.server_tls().early_data_settings(b"other"));
        let mut pair = sides.again(straight(), server);
        pair.say(&pattern(3000));
        pair.connect();
        pair.say(&pattern(10));
        pair.run(SECOND);
        let number = pair.client.early.rejected_below().unwrap();
        assert!(number > 0);
        let acked = if first { number - 1 } else { number };
        let now = pair.now;
        let ack = [0x02, u8::try_from(acked).unwrap(), 0, 0, 0];
        let datagram = pair.server().forge(Space::Application, &ack, now);
        pair.deliver(Side::Client, &datagram);
        let want =
            ConnectionError::Transport(TransportError::from(Fault::RejectedAcked).in_frame(2));
        assert_eq!(pair.client.error(), Some(&want).filter(|_| fault), "{row}");
    }
}

#[test]
fn an_observer_is_told_by_what_early_data_goes_and_what_becomes_of_it() {
    let sides = Sides::met();
    let observed = |server: ServerConfig| {
        let book = observers::Notebook::default();
        let mut client = sides.client(true);
        let transport = Arc::make_mut(&mut client.transport);
        transport.observers = Some(crate::observe::Observers::new(book.choose()));
        let mut pair = Pair::begun(LATER, straight(), &client, server);
        pair.say(&pattern(1000));
        pair.connect();
        assert!(book.with(&["earlier"])[0].contains("datagram_frame: 1200"));
        book.with(&["0-RTT keys", "early data", "sent 0-RTT"])
    };
    let told = observed(sides.server());
    assert_eq!(
        told[..2],
        ["0-RTT keys of this side installed", "early data offered"]
    );
    assert!(told[2].starts_with("sent 0-RTT 0, "), "{told:?}");
    assert!(told.contains(&"early data accepted".into()));
    assert!(told.contains(&"0-RTT keys of this side dropped".into()));
    let server = sides.server_of(sides.server_tls().alpn(&[b"other"]));
    let told = observed(server);
    assert!(told.contains(&"early data rejected".into()), "{told:?}");
}

/// The versions of the packets of one type in these datagrams, each as often as it follows another.
fn versions_of(datagrams: &[Vec<u8>], wanted: PacketType) -> Vec<Version> {
    let mut versions = Vec::new();
    for datagram in datagrams {
        let mut parts = crate::protect::Datagram::new(datagram[..].into(), 8, QuicBit::Any);
        while let Some(Ok(crate::protect::Incoming::Protected(packet))) = parts.next() {
            let header = packet.header();
            let version = header.long.map(|(version, _)| version);
            versions.extend(version.filter(|_| header.packet == wanted));
        }
    }
    versions.dedup();
    versions
}

/// A server that goes on in version 2 where it can.
fn turning(sides: &Sides) -> ServerConfig {
    let server = ServerConfig::new(sides.server_tls().build().unwrap());
    let server = server.versions(&[Version::V2, Version::V1]);
    server.datagrams(1200).seed([2; 32]).build().unwrap()
}

/// rfc9369#4.1-8
#[test]
fn early_data_of_a_client_that_has_turned_is_still_of_the_version_of_its_first_flight() {
    let sides = Sides::met();
    let mut pair = sides.again(straight(), turning(&sides));
    pair.run_until(SECOND, |pair| pair.server.is_some());
    // Of the server's flight nothing arrives but that it has turned.
    pair.flush();
    pair.flying.clear();
    let now = pair.now;
    let first = pair.server().forge(Space::Initial, &[1], now);
    pair.deliver(Side::Client, &first);
    assert_eq!(pair.client.version(), Version::V2);
    assert!(!pair.client.is_established());
    let sent = pair.sent().len();
    let id = pair.say(&pattern(300));
    pair.flush();
    let early = versions_of(&pair.sent()[sent..], PacketType::ZeroRtt);
    assert_eq!(early, [Version::V1]);
    pair.run(DELAY);
    assert_eq!(pair.heard(), Some((id, pattern(300).to_vec(), true)));
    pair.connect();
}

/// The version that a session had it begin in is not the one that the client wants most: that the server speaks it shows nevertheless.
#[test]
fn a_client_that_a_session_had_begin_in_another_version_finds_out_who_sent_it_away() {
    let sides = Sides::new();
    let client = sides.client(true);
    let mut pair = Pair::of(straight(), &client, turning(&sides));
    assert!(pair.run_until(SECOND, |pair| pair.client.is_established()));
    pair.run(SECOND);
    let mut pair = sides.again(straight(), sides.server());
    assert_eq!(pair.client.version(), Version::V2);
    pair.say(&pattern(300));
    pair.flush();
    pair.flying.clear();
    let original = pair.client.ids.original();
    let forged = version_negotiation(&id(0xc0), &original, &[1]);
    pair.deliver(Side::Client, &forged);
    assert_eq!(pair.client.version(), Version::V1);
    assert_eq!(pair.told(), ["rejected"]);
    pair.run(SECOND);
    let error = TransportError::from(Fault::VersionDowngrade);
    assert_eq!(
        pair.client.error(),
        Some(&ConnectionError::Transport(error))
    );
}

/// rfc9369#4.1-8, rfc9369#5-1, rfc9369#5-2
#[test]
fn early_data_stays_in_the_version_of_the_first_flight_and_tickets_are_of_the_version_behind_it() {
    let sides = Sides::met();
    let mut pair = sides.again(straight(), turning(&sides));
    let id = pair.say(&pattern(3000));
    pair.connect();
    pair.run(SECOND);
    assert_eq!(pair.told(), ["accepted", "connected"]);
    assert_eq!(pair.heard(), Some((id, pattern(3000).to_vec(), true)));
    assert_eq!(pair.client.version(), Version::V2);
    assert_eq!(
        versions_of(&pair.sent(), PacketType::ZeroRtt),
        [Version::V1]
    );
    assert_eq!(
        versions_of(&pair.sent(), PacketType::Handshake),
        [Version::V2]
    );
    // Tickets of version 1 that are left, then those of version 2.
    let mut begun = Vec::new();
    for _ in 0..6 {
        let client = sides.client(true);
        let mut pair = Pair::begun(2 * LATER, straight(), &client, sides.server());
        assert_eq!(pair.client.early_data(), EarlyData::Offered);
        begun.push(pair.client.version());
        let id = pair.say(&pattern(300));
        let cut = |pair: &mut Pair| pair.client.is_established();
        assert!(pair.run_until(SECOND, cut), "without its new tickets");
        assert_eq!(pair.told(), ["accepted", "connected"]);
        assert_eq!(pair.heard(), Some((id, pattern(300).to_vec(), true)));
        if sides.store.is_empty() {
            break;
        }
    }
    begun.dedup();
    assert_eq!(begun, [Version::V1, Version::V2]);
}
