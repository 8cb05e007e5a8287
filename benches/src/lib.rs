//! What the benchmarks and the instruction counts share: handshakes and records between two connections in memory, each side's
//! steps handed to whoever times or counts them.
//!
//! Chains have a leaf and one intermediate, all keys of one kind; no session is resumed and no name is looked up. Buffers are made
//! beforehand, as a program makes them once.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::disallowed_methods
)]

pub mod floor;
pub mod pith;
pub mod quic;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pith_crypto::{Aead, OpeningKey, SealingKey};
use pith_tests::pair::{NAME, NOW, credential, name, trust};
use pith_tests::pki::{Kind, Pki};
use pith_tls::{CipherSuite, ClientConfig, Connection, Group, Received, ServerConfig};

/// The folder of certificates and keys that are always the same.
pub fn keys() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/keys"))
}

/// The suites by name, with their AEADs.
pub const SUITES: [(&str, CipherSuite, Aead); 3] = [
    ("AES_128_GCM", CipherSuite::Aes128GcmSha256, Aead::Aes128Gcm),
    ("AES_256_GCM", CipherSuite::Aes256GcmSha384, Aead::Aes256Gcm),
    (
        "CHACHA20_POLY1305",
        CipherSuite::ChaCha20Poly1305Sha256,
        Aead::ChaCha20Poly1305,
    ),
];

/// Runs a step of one side, and times or counts it on the way.
pub type Meter<'a> = &'a mut dyn FnMut(&mut dyn FnMut());

/// A meter that only runs.
pub fn unmetered(step: &mut dyn FnMut()) {
    step();
}

/// The time that `run` has its meter spend.
pub fn timed(run: impl FnOnce(Meter<'_>)) -> Duration {
    let mut sum = Duration::ZERO;
    run(&mut |step| {
        let start = Instant::now();
        step();
        sum += start.elapsed();
    });
    sum
}

/// Configurations that meet in one group, and a server whose chain has one kind of key.
pub struct Configs {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

impl Configs {
    /// The default suites, this group, and keys of this kind.
    pub fn new(group: Group, kind: Kind) -> Self {
        Self::with_suites(CipherSuite::ALL, group, kind)
    }

    fn with_suites(suites: &[CipherSuite], group: Group, kind: Kind) -> Self {
        let pki = Pki::with(kind, 1);
        let client = ClientConfig::new(trust(&pki)).groups(&[group]);
        let server = ServerConfig::new(credential(&pki.leaf_with(kind, &[NAME], |_| ())));
        Self {
            client: client.suites(suites).build().unwrap(),
            server: server.groups(&[group]).build().unwrap(),
        }
    }

    /// One whole handshake: the client and the server that come of it.
    pub fn handshake(&self, client: Meter<'_>, server: Meter<'_>) -> (Connection, Connection) {
        let (mut to_server, mut to_client) = (vec![0; 1 << 16], vec![0; 1 << 16]);
        let (mut sent, mut answered) = (0, 0);
        let mut sides = (None, None);
        client(&mut || {
            let tls = Connection::client(self.client.clone(), name(), NOW).unwrap();
            sent = sides.0.insert(tls).transmit(&mut to_server);
        });
        server(&mut || {
            let tls = sides.1.insert(Connection::server(self.server.clone()));
            receive(tls, &mut to_server[..sent]);
            answered = tls.transmit(&mut to_client);
        });
        let (mut one, mut other) = (sides.0.unwrap(), sides.1.unwrap());
        client(&mut || {
            receive(&mut one, &mut to_client[..answered]);
            sent = one.transmit(&mut to_server);
        });
        server(&mut || receive(&mut other, &mut to_server[..sent]));
        assert!(one.summary().is_some() && other.summary().is_some());
        (one, other)
    }
}

/// A connection over which records of one size go, from the client to the server.
pub struct Records {
    sender: Connection,
    receiver: Connection,
    plaintext: Vec<u8>,
    records: Vec<Vec<u8>>,
}

impl Records {
    /// As many records as `batch` at a time, each with `size` bytes of data.
    pub fn new(suite: CipherSuite, size: usize, batch: usize) -> Self {
        let configs = Configs::with_suites(&[suite], Group::X25519, Kind::P256);
        let (sender, receiver) = configs.handshake(&mut unmetered, &mut unmetered);
        let records = vec![vec![0; sender.sealed_len(size)]; batch];
        Self {
            sender,
            receiver,
            plaintext: vec![7; size],
            records,
        }
    }

    /// Seals a batch, and opens it.
    pub fn batch(&mut self, send: Meter<'_>, receive_: Meter<'_>) {
        let mut written = vec![0; self.records.len()];
        send(&mut || {
            for (record, written) in self.records.iter_mut().zip(&mut written) {
                *written = self.sender.send(&self.plaintext, record).unwrap().written;
            }
        });
        receive_(&mut || {
            for (record, written) in self.records.iter_mut().zip(&written) {
                receive(&mut self.receiver, &mut record[..*written]);
            }
        });
    }
}

/// The AEAD of a suite by itself, called as the record layer calls it: the least that a record can cost.
pub struct Bare {
    sealing: SealingKey,
    opening: OpeningKey,
    plaintext: Vec<u8>,
    records: Vec<Vec<u8>>,
}

impl Bare {
    /// As [`Records::new`].
    pub fn new(aead: Aead, size: usize, batch: usize) -> Self {
        let (key, iv) = ([1; 32], [2; 12]);
        let key = &key[..aead.key_len()];
        Self {
            sealing: SealingKey::new(aead, key, &iv).unwrap(),
            opening: OpeningKey::new(aead, key, &iv).unwrap(),
            plaintext: vec![7; size],
            records: vec![vec![0; size + 17]; batch],
        }
    }

    /// As [`Records::batch`].
    pub fn batch(&mut self, send: Meter<'_>, receive: Meter<'_>) {
        const HEADER: [u8; 5] = [23, 3, 3, 0x40, 0x11];
        send(&mut || {
            for record in &mut self.records {
                self.sealing
                    .seal(&HEADER, &self.plaintext, &[23], record)
                    .unwrap();
            }
        });
        receive(&mut || {
            for record in &mut self.records {
                self.opening.open(&HEADER, record).unwrap();
            }
        });
    }
}

/// Takes every record of `input`.
fn receive(tls: &mut Connection, mut input: &mut [u8]) {
    while !input.is_empty() {
        let consumed = match tls.receive(NOW, input).unwrap() {
            Received::Handled { consumed } | Received::Data { consumed, .. } => consumed,
            other => panic!("{other:?}"),
        };
        input = &mut input[consumed..];
    }
}
