//! Wireshark reads QUIC connections of Pith by their key log: early data, both directions, from before and after key updates, in each suite.
//!
//! The connection runs in memory, with a clock of its own; what goes over the link is written into a capture file.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pith_interop::{folder, program};
use pith_quic::{
    Accepted, ClientConfig, Connection, ConnectionId, Dir, Ecn, NewId, Read, ResetToken, Route,
    ServerConfig, StreamId,
};
use pith_tests::pair::{NAME, NOW, credential, name, trust};
use pith_tests::pki::Pki;
use pith_tls::{CipherSuite, EarlyData, KeyLog, Now, SessionStore, StrikeRegister, Tickets};

#[test]
fn wireshark_reads_quic_by_its_key_log() {
    let tshark = program("PITH_TSHARK", "/usr/bin/tshark", "apt-get install tshark");
    let Some(tshark) = tshark else { return };
    for suite in CipherSuite::ALL {
        let life = Life::new(*suite);
        let mut first = life.connect(NOW);
        first.exchange(&["first", "of two"]);
        first.client.update_keys();
        first.exchange(&["after an update", "of the client"]);
        first.server.update_keys();
        first.exchange(&["after an update", "of the server"]);
        let mut second = life.connect(first.now);
        second.exchange(&["early", "late"]);
        assert_eq!(second.client.early_data(), EarlyData::Accepted, "{suite}");

        let home = folder();
        let logs = life.logs.each_ref().map(|log| log.lock().unwrap().clone());
        assert_eq!(
            sorted(&logs[0]),
            sorted(&logs[1]),
            "{suite}: one for each side"
        );
        fs::write(home.join("keys.log"), logs[0].join("\n")).unwrap();
        fs::write(home.join("none.log"), "").unwrap();
        for (number, run) in [(1, &first), (2, &second)] {
            let row = format!("{suite}, connection {number}");
            let capture = home.join(format!("{number}.pcap"));
            fs::write(&capture, run.capture()).unwrap();
            let told = Told::by(&tshark, &home.join("keys.log"), &capture);
            let early = told.count("quic.long.packet_type", ZERO_RTT);
            assert_eq!(early > 0, number == 2, "{row}");
            // It does not try ChaCha20-Poly1305 on what comes before the ServerHello.
            let blind = early > 0 && *suite == CipherSuite::ChaCha20Poly1305Sha256;
            let mut want = run.said.clone();
            if blind {
                want.insert(0, "earlylatelate".into());
            }
            assert_eq!(told.streams(), want, "{row}");
            let failed = told.values("quic.decryption_failed").count();
            assert_eq!(failed, if blind { early } else { 0 }, "{row}");
            let packets = u64::try_from(told.values("quic.packet_number").count());
            let stats = [run.client.stats(), run.server.stats()];
            let sent = stats.iter().map(|stats| stats.packets_sent).sum::<u64>();
            assert_eq!(packets.unwrap(), sent, "{row}: packets");
            for phase in ["0", "1"] {
                let found = told.count("quic.key_phase", phase) > 0;
                assert_eq!(found, phase == "0" || number == 1, "{row}: phase {phase}");
            }
        }
        let hidden = Told::by(&tshark, &home.join("none.log"), &home.join("1.pcap"));
        assert!(hidden.streams().is_empty(), "{suite}: without the keys");
        assert!(hidden.values("quic.decryption_failed").count() > 0);
    }
}

fn sorted(log: &[String]) -> Vec<&String> {
    let mut lines: Vec<_> = log.iter().collect();
    lines.sort();
    lines
}

/// What is asked of each datagram.
const FIELDS: [&str; 6] = [
    "quic.stream.stream_id",
    "quic.stream_data",
    "quic.long.packet_type",
    "quic.packet_number",
    "quic.key_phase",
    "quic.decryption_failed",
];

/// The answers: a line for each datagram.
struct Told(String);

impl Told {
    fn by(tshark: &Path, keys: &Path, capture: &Path) -> Self {
        let mut command = Command::new(tshark);
        command.arg("-r").arg(capture).arg("-o");
        command.arg(format!("tls.keylog_file:{}", keys.display()));
        command.args(["-T", "fields", "-E", "occurrence=a", "-E", "aggregator=,"]);
        command.args(FIELDS.iter().flat_map(|field| ["-e", field]));
        let output = command.output().unwrap();
        let wrong = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{wrong}");
        Self(String::from_utf8(output.stdout).unwrap())
    }

    /// All values of a field.
    fn values(&self, field: &str) -> impl Iterator<Item = &str> {
        let at = FIELDS.iter().position(|name| *name == field).unwrap();
        let lines = self.0.lines();
        let values = lines.flat_map(move |line| line.split('\t').nth(at).unwrap().split(','));
        values.filter(|value| !value.is_empty())
    }

    fn count(&self, field: &str, value: &str) -> usize {
        self.values(field).filter(|found| *found == value).count()
    }

    /// What was read of each stream, in the order in which it was sent. The protocol in streams is of no kind that it knows, so this is raw.
    fn streams(&self) -> BTreeMap<u64, String> {
        let mut streams: BTreeMap<u64, String> = BTreeMap::new();
        let data = self.values("quic.stream_data");
        for (id, data) in self.values("quic.stream.stream_id").zip(data) {
            let bytes = data.as_bytes().chunks(2);
            let bytes = bytes.map(|hex| std::str::from_utf8(hex).unwrap());
            let bytes = bytes.map(|hex| u8::from_str_radix(hex, 16).unwrap());
            let text = String::from_utf8(bytes.collect()).unwrap();
            streams.entry(parse(id)).or_default().push_str(&text);
        }
        streams
    }
}

fn parse(number: &str) -> u64 {
    match number.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).unwrap(),
        None => number.parse().unwrap(),
    }
}

type Log = Arc<Mutex<Vec<String>>>;

/// What outlives a connection.
struct Life {
    client: ClientConfig,
    server: ServerConfig,
    /// The key logs of client and server.
    logs: [Log; 2],
}

impl Life {
    fn new(suite: CipherSuite) -> Self {
        let pki = Pki::new();
        let logs = [Log::default(), Log::default()];
        let log = |log: &Log| {
            let log = Arc::clone(log);
            KeyLog::new(move |line| log.lock().unwrap().push(line.to_owned()))
        };
        let client = pith_tls::ClientConfig::new(trust(&pki))
            .alpn(&[b"test"])
            .suites(&[suite])
            .sessions(SessionStore::new())
            .early_data(true)
            .key_log(log(&logs[0]));
        let began = Now {
            unix: NOW.unix - Duration::from_secs(60),
            monotonic: Duration::ZERO,
        };
        let server = pith_tls::ServerConfig::new(credential(&pki.leaf(NAME)))
            .alpn(&[b"test"])
            .tickets(Tickets::rotating())
            .early_data(1, StrikeRegister::new(began))
            .key_log(log(&logs[1]));
        Self {
            client: ClientConfig::new(client.build().unwrap()).build().unwrap(),
            server: ServerConfig::new(server.build().unwrap()).build().unwrap(),
            logs,
        }
    }

    fn connect(&self, now: Now) -> Run {
        let own = ConnectionId::new(&[0xc0; 8]).unwrap();
        let client = Connection::client(&self.client, name(), route(), own, Bytes::new(), now);
        let mut client = client.unwrap();
        let early = (client.early_data() == EarlyData::Offered).then(|| {
            let id = client.open(Dir::Bi).unwrap();
            client.send(id, &mut Bytes::from_static(b"early")).unwrap();
            id
        });
        let mut buffer = vec![0; 16 * 1500];
        let hello = client.transmit(now, &mut buffer).unwrap();
        let length = usize::from(buffer[5]);
        let accepted = Accepted {
            version: pith_quic::Version::V1,
            route: route(),
            original: ConnectionId::new(&buffer[6..6 + length]).unwrap(),
            retried: None,
            peer: own,
            id: NewId {
                id: ConnectionId::new(&[0x50; 8]).unwrap(),
                reset_token: ResetToken([0x50; 16]),
            },
            validated: false,
        };
        let mut server = Connection::server(&self.server, &accepted, now).unwrap();
        let mut sent = Vec::new();
        for datagram in buffer[..hello.length].chunks(hello.segment) {
            sent.push((now.unix, true, datagram.to_vec()));
            server.receive(now, route(), Ecn::NotEct, BytesMut::from(datagram));
        }
        let mut run = Run {
            client,
            server,
            now,
            sent,
            said: BTreeMap::new(),
            early,
        };
        run.settle();
        run
    }
}

/// A connection and all that it sent.
struct Run {
    client: Connection,
    server: Connection,
    now: Now,
    /// When, whether by the client, and what.
    sent: Vec<(Duration, bool, Vec<u8>)>,
    said: BTreeMap<u64, String>,
    /// A stream on which the first word is said already.
    early: Option<StreamId>,
}

impl Run {
    /// The client says two words on a stream, one after the other, and the server repeats each.
    fn exchange(&mut self, words: &[&str; 2]) {
        let early = self.early.take();
        let id = early.unwrap_or_else(|| self.client.open(Dir::Bi).unwrap());
        for (at, word) in words.iter().enumerate() {
            if at > 0 || early.is_none() {
                let mut bytes = Bytes::copy_from_slice(word.as_bytes());
                self.client.send(id, &mut bytes).unwrap();
                self.settle();
            }
            self.server.accept(Dir::Bi);
            let Ok(Read::Data { mut bytes, .. }) = self.server.read(id, 99) else {
                panic!("nothing to read")
            };
            assert_eq!(bytes, word.as_bytes());
            self.server.send(id, &mut bytes).unwrap();
            self.settle();
            // Time for the keys of the peer's last update to go.
            self.now.monotonic += Duration::from_secs(1);
            self.now.unix += Duration::from_secs(1);
            self.settle();
            self.said
                .entry(id.get())
                .or_default()
                .push_str(&format!("{word}{word}"));
        }
    }

    /// Runs until both have nothing to do but to wait.
    fn settle(&mut self) {
        let mut buffer = vec![0; 16 * 1500];
        for _ in 0..20 {
            self.now.monotonic += Duration::from_millis(5);
            self.now.unix += Duration::from_millis(5);
            for by_client in [true, false] {
                let (from, to) = match by_client {
                    true => (&mut self.client, &mut self.server),
                    false => (&mut self.server, &mut self.client),
                };
                from.on_deadline(self.now);
                while let Some(batch) = from.transmit(self.now, &mut buffer) {
                    for datagram in buffer[..batch.length].chunks(batch.segment) {
                        let unix = self.now.unix;
                        self.sent.push((unix, by_client, datagram.to_vec()));
                        to.receive(self.now, route(), Ecn::NotEct, BytesMut::from(datagram));
                    }
                }
                while from.event().is_some() {}
                while from.endpoint_event().is_some() {}
            }
        }
    }

    /// What was sent, as a capture of IP packets.
    fn capture(&self) -> Vec<u8> {
        let mut file = Vec::new();
        for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, RAW_IP] {
            file.extend_from_slice(&word.to_le_bytes());
        }
        for (at, by_client, datagram) in &self.sent {
            let length = u16::try_from(datagram.len()).unwrap();
            let seconds = u32::try_from(at.as_secs()).unwrap();
            let whole = u32::from(length) + 28;
            for word in [seconds, at.subsec_micros(), whole, whole] {
                file.extend_from_slice(&word.to_le_bytes());
            }
            let ends = [([127, 0, 0, 1], 50_000_u16), ([127, 0, 0, 2], 443)];
            let [from, to] = match by_client {
                true => ends,
                false => [ends[1], ends[0]],
            };
            file.extend_from_slice(&[0x45, 0]);
            file.extend_from_slice(&(length + 28).to_be_bytes());
            file.extend_from_slice(&[0, 0, 0, 0, 64, UDP, 0, 0]);
            file.extend_from_slice(&from.0);
            file.extend_from_slice(&to.0);
            for half in [from.1, to.1, length + 8, 0] {
                file.extend_from_slice(&half.to_be_bytes());
            }
            file.extend_from_slice(datagram);
        }
        file
    }
}

fn route() -> Route {
    Route {
        local: None,
        remote: ([127, 0, 0, 1], 443).into(),
    }
}

/// Of the type of a long header.
const ZERO_RTT: &str = "1";

/// The kind of link of a capture file.
const RAW_IP: u32 = 101;

/// The number of the protocol.
const UDP: u8 = 17;
