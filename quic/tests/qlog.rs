//! Traces of connections over a bad network, read by a checker that knows the schemas: `tests/qlog/check.py`.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pith_quic::observe::{Observer, Seen, Subject};
use pith_quic::qlog::{Qlog, Schema};
use pith_quic::{
    ClientConfig, Connection, ConnectionKey, Dir, Ecn, Endpoint, EndpointConfig, Read, Retrying,
    Route, Routed, ServerConfig, StreamId, VarInt,
};
use pith_tests::pair::{NAME, NOW, credential, name, trust};
use pith_tests::pki::Pki;
use pith_tls::{EarlyData, KeyLog, Now, SessionStore, StrikeRegister, Tickets};

/// What was written, and is still there once the connection is gone.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<String>>);

impl fmt::Write for Sink {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        assert!(
            text.starts_with('\u{1e}') && text.ends_with('\n'),
            "whole records"
        );
        self.0.lock().unwrap().push_str(text);
        Ok(())
    }
}

impl Sink {
    fn read(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

/// An endpoint with one connection.
struct Side {
    endpoint: Endpoint,
    config: ServerConfig,
    connection: Option<(ConnectionKey, Connection)>,
    got: Vec<u8>,
}

/// Two of them and what is on its way.
struct Net {
    sides: [Side; 2],
    now: Now,
    flying: BTreeMap<(Duration, u64), (usize, Ecn, Vec<u8>)>,
    sent: u64,
    /// Where the client is, as the server sees it.
    port: u16,
    dice: u64,
    traces: [Sink; 3],
}

/// What outlives a connection.
struct Known {
    pki: Pki,
    store: SessionStore,
    tickets: Tickets,
    register: StrikeRegister,
    /// Lines of a key log.
    keys: Arc<Mutex<Vec<String>>>,
}

impl Known {
    fn key_log(&self) -> KeyLog {
        let keys = Arc::clone(&self.keys);
        KeyLog::new(move |line| keys.lock().unwrap().push(line.to_owned()))
    }
}

const CLIENT: usize = 0;
const SERVER: usize = 1;

fn route(to: usize) -> Route {
    Route {
        local: Some(([127, 0, 0, 1], 0).into()),
        remote: ([127, 0, 0, 1], [5000, 443][to]).into(),
    }
}

impl Net {
    fn new(schema: Schema, known: &Known, start: Now) -> Self {
        let traces = [Sink::default(), Sink::default(), Sink::default()];
        let log = |sink: &Sink| {
            let sink = sink.clone();
            move |subject: &Subject| {
                Some(Box::new(Qlog::new(schema, subject, sink.clone())) as Box<_>)
            }
        };
        let tls = pith_tls::ClientConfig::new(trust(&known.pki))
            .alpn(&[b"test"])
            .sessions(known.store.clone())
            .key_log(known.key_log())
            .early_data(true);
        let config = ClientConfig::new(tls.build().unwrap())
            .observers(log(&traces[CLIENT]))
            .stream_window(20_000, 20_000)
            .connection_window(30_000, 30_000)
            .streams(1, 1)
            .datagrams(1000)
            .build()
            .unwrap();
        let tls = pith_tls::ServerConfig::new(credential(&known.pki.leaf(NAME)))
            .alpn(&[b"test"])
            .tickets(known.tickets.clone())
            .early_data(1, known.register.clone());
        let server = ServerConfig::new(tls.build().unwrap())
            .observers(log(&traces[SERVER]))
            .idle_timeout(Some(Duration::from_secs(20)))
            .build()
            .unwrap();
        let of_endpoint = Qlog::endpoint(schema, start, traces[2].clone());
        let serving = EndpointConfig::server()
            .unwrap()
            .retrying(Retrying::Always)
            .observer(Box::new(of_endpoint));
        let mut endpoint = Endpoint::new(EndpointConfig::client().unwrap(), start).unwrap();
        let route = route(SERVER);
        let made = endpoint.connect(&config, name(), route, Bytes::new(), start);
        let side = |endpoint, connection| Side {
            endpoint,
            config: server.clone(),
            connection,
            got: Vec::new(),
        };
        let server = Endpoint::new(serving, start).unwrap();
        Self {
            sides: [side(endpoint, Some(made.unwrap())), side(server, None)],
            now: start,
            flying: BTreeMap::new(),
            sent: 0,
            port: 5000,
            dice: 3,
            traces,
        }
    }

    fn connection(&mut self, side: usize) -> &mut Connection {
        &mut self.sides[side].connection.as_mut().unwrap().1
    }

    fn roll(&mut self) -> u64 {
        self.dice = self
            .dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.dice >> 33
    }

    /// A link that loses, repeats, changes, delays and marks.
    fn fly(&mut self, from: usize, ecn: Ecn, datagram: &[u8]) {
        let established = self.sides[CLIENT]
            .connection
            .as_ref()
            .is_some_and(|(_, connection)| connection.is_established());
        let bad = |chance, roll: u64| established && roll % 100 < chance;
        let mut bytes = datagram.to_vec();
        let (lost, changed, twice) = (self.roll(), self.roll(), self.roll());
        let (late, marked) = (self.roll(), self.roll());
        if bad(4, changed) {
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
        }
        let copies = match (bad(4, lost), bad(4, twice)) {
            (true, _) => 0,
            (false, true) => 2,
            (false, false) => 1,
        };
        let ecn = match ecn {
            Ecn::Ect0 if bad(3, marked) => Ecn::Ce,
            other => other,
        };
        for copy in 0..copies {
            let delay = 10 + 2 * copy + if bad(10, late) { 9 } else { 0 };
            self.sent += 1;
            let at = self.now.monotonic + Duration::from_millis(delay);
            self.flying
                .insert((at, self.sent), (1 - from, ecn, bytes.clone()));
        }
    }

    fn deliver(&mut self, to: usize, ecn: Ecn, bytes: &[u8]) {
        let mut reply = [0; 1200];
        let (now, mut route) = (self.now, route(1 - to));
        if to == SERVER {
            route.remote.set_port(self.port);
        }
        let side = &mut self.sides[to];
        let routed = side
            .endpoint
            .receive(now, route, ecn, BytesMut::from(bytes), &mut reply);
        match routed {
            Routed::Connection(key, bytes) => {
                let (own, connection) = side.connection.as_mut().unwrap();
                assert_eq!(*own, key);
                connection.receive(now, route, ecn, bytes);
            }
            Routed::Incoming(incoming) => {
                let accepted = side.endpoint.accept(incoming, &side.config, now);
                side.connection = Some(accepted.unwrap());
            }
            Routed::Reply(length) => self.fly(to, Ecn::NotEct, &reply[..length]),
            Routed::Forward(..) | Routed::Nothing => {}
        }
    }

    /// One step of ten milliseconds at most.
    fn step(&mut self) {
        for side in [CLIENT, SERVER] {
            let mut buffer = vec![0; 16 * 1200];
            let now = self.now;
            let mut batches = Vec::new();
            let Side {
                endpoint,
                connection,
                got,
                ..
            } = &mut self.sides[side];
            if let Some((key, connection)) = connection {
                connection.on_deadline(now);
                while connection.event().is_some() {}
                while connection.read_datagram().is_some() {}
                for dir in [Dir::Bi, Dir::Uni] {
                    while connection.accept(dir).is_some() {}
                }
                for id in STREAMS {
                    let id = StreamId::from(VarInt::from(id));
                    while let Ok(Read::Data { bytes, .. }) = connection.read(id, 5000) {
                        got.extend_from_slice(&bytes);
                    }
                }
                while let Some(batch) = connection.transmit(now, &mut buffer) {
                    for datagram in buffer[..batch.length].chunks(batch.segment) {
                        batches.push((batch.ecn, datagram.to_vec()));
                    }
                }
                endpoint.settle(*key, connection, now);
            }
            for (ecn, datagram) in batches {
                self.fly(side, ecn, &datagram);
            }
        }
        self.now.monotonic += Duration::from_millis(1);
        self.now.unix += Duration::from_millis(1);
        let later = self.flying.split_off(&(self.now.monotonic, u64::MAX));
        for (to, ecn, bytes) in core::mem::replace(&mut self.flying, later).into_values() {
            self.deliver(to, ecn, &bytes);
        }
    }

    fn run(&mut self, millis: u64) {
        for _ in 0..millis {
            self.step();
        }
    }

    /// A life with a bit of everything.
    fn live(&mut self) {
        self.run(200);
        let data = Bytes::from(vec![7; 150_000]);
        let (bi, uni) = {
            let client = self.connection(CLIENT);
            (
                client.open(Dir::Bi).unwrap(),
                client.open(Dir::Uni).unwrap(),
            )
        };
        let down = self.connection(SERVER).open(Dir::Uni).unwrap();
        assert!(self.connection(SERVER).open(Dir::Uni).is_none());
        let mut left = [data.clone(), data.clone()];
        for round in 0..300 {
            for (side, id) in [(CLIENT, bi), (SERVER, down)] {
                let left = &mut left[side];
                let connection = self.connection(side);
                if !left.is_empty() {
                    connection.send(id, left).unwrap();
                    if left.is_empty() {
                        connection.finish(id).unwrap();
                    }
                }
            }
            if round == 100 {
                // A NAT has forgotten the client.
                self.port = 5001;
            }
            if round == 5 {
                let client = self.connection(CLIENT);
                client
                    .send(uni, &mut Bytes::from_static(b"given up"))
                    .unwrap();
                client.reset(uni, VarInt::from(3_u8)).unwrap();
                client.update_keys();
                self.connection(SERVER).stop(uni, VarInt::from(4_u8)).ok();
                let datagram = Bytes::from_static(b"datagram");
                self.connection(SERVER).send_datagram(datagram).unwrap();
            }
            self.run(20);
        }
        assert!(left.iter().all(Bytes::is_empty), "{left:?}");
        let got = self.sides.each_ref().map(|side| side.got.len());
        assert!(
            got[CLIENT] >= data.len() && got[SERVER] >= data.len(),
            "{got:?}"
        );
        let stats = self.connection(SERVER).stats();
        assert!(stats.packets_lost > 0 && stats.duplicates > 0, "{stats:?}");
        let now = self.now;
        let reason = Bytes::from_static(b"told to nobody but the peer");
        self.connection(CLIENT)
            .close(VarInt::from(7_u8), reason, now);
        self.run(2000);
    }
}

impl Net {
    /// With early data.
    fn come_back(&mut self) {
        let client = self.connection(CLIENT);
        let id = client.open(Dir::Bi).unwrap();
        client.send(id, &mut Bytes::from_static(b"early")).unwrap();
        self.run(200);
        let client = self.connection(CLIENT);
        assert_eq!(client.early_data(), EarlyData::Accepted);
    }
}

/// The streams that are read: the client's first two, the server's first.
const STREAMS: [u8; 3] = [0, 2, 3];

fn check(schema: &str, traces: &[(&str, String)]) -> String {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let mut files = Vec::new();
    for (name, trace) in traces {
        let file = folder.join(format!("{schema}-{name}.sqlog"));
        std::fs::write(&file, trace).unwrap();
        files.push(file);
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/qlog/check.py");
    let run = Command::new("python3")
        .arg(script)
        .arg(schema)
        .args(&files)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&run.stdout).into_owned();
    let wrong = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(run.status.success(), "{told}{wrong}");
    told
}

#[test]
fn traces_of_a_connection_with_a_bit_of_everything_are_what_the_schemas_say() {
    for (schema, word) in [(Schema::V03, "v03"), (Schema::Draft13, "draft13")] {
        let known = Known {
            pki: Pki::new(),
            store: SessionStore::new(),
            tickets: Tickets::rotating(),
            register: StrikeRegister::new(Now {
                monotonic: Duration::ZERO,
                unix: NOW.unix - Duration::from_secs(60),
            }),
            keys: Arc::default(),
        };
        let mut net = Net::new(schema, &known, NOW);
        net.live();
        let mut again = Net::new(schema, &known, net.now);
        again.come_back();
        let [client, server, endpoint] = net.traces.each_ref().map(Sink::read);
        for (trace, words) in [(&client, "datagram\""), (&server, "given up")] {
            assert!(
                !trace.contains("given up") && !trace.contains("told to nobody"),
                "{words}"
            );
        }
        let made = made(schema);
        let traces = [
            ("client", client),
            ("server", server),
            ("endpoint", endpoint),
            ("again", again.traces[CLIENT].read()),
            ("met", again.traces[SERVER].read()),
            ("made", made),
        ];
        let told = check(word, &traces);
        let keys = known.keys.lock().unwrap();
        assert!(keys.len() > 10);
        for line in keys.iter() {
            // A secret, in the way that all bytes are written.
            let part = &line.rsplit(' ').next().unwrap()[..16];
            assert!(traces.iter().all(|(_, trace)| !trace.contains(part)));
        }
        // Whatever the checker knows is there, but for what only some runs have.
        let missing = told.lines().filter_map(|line| line.strip_prefix("never: "));
        let missing: Vec<_> = missing
            .filter(|name| !name.ends_with("packet_buffered"))
            .collect();
        assert!(missing.is_empty(), "{told}");
    }
}

/// Events that this life has none of.
fn made(schema: Schema) -> String {
    let sink = Sink::default();
    let mut log = Qlog::endpoint(schema, NOW, sink.clone());
    let six = Route {
        local: None,
        remote: "[2001:db8::1]:443".parse().unwrap(),
    };
    for seen in [Seen::Mtu(1200), Seen::Mtu(1400), Seen::Path(six)] {
        log.seen(NOW.monotonic, &seen);
    }
    sink.read()
}

#[test]
fn a_sink_that_fails_is_written_to_no_more() {
    struct Full(usize);
    impl fmt::Write for Full {
        fn write_str(&mut self, _: &str) -> fmt::Result {
            self.0 += 1;
            if self.0 > 2 { Err(fmt::Error) } else { Ok(()) }
        }
    }
    let mut log = Qlog::endpoint(Schema::V03, NOW, Full(0));
    let seen = Seen::Mtu(1200);
    log.seen(NOW.monotonic, &seen);
    assert!(log.is_whole());
    for _ in 0..3 {
        log.seen(NOW.monotonic, &seen);
        assert!(!log.is_whole());
    }
    assert_eq!(log.into_inner().0, 3);
}
