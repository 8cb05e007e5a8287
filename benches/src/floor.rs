//! The floor: the primitives that no implementation of a scenario can do without, called on AWS-LC directly.
//!
//! Of a handshake these are key generation, agreement, ML-KEM, signature, verifications, the steps of HKDF, four AEAD keys, the
//! transcript's hash and three small records; of records, the AEAD over the same buffers. A lap does them once, in order, as a
//! handshake does, and not each in a loop.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk};
use aws_lc_rs::kem::{DecapsulationKey, EncapsulationKey, ML_KEM_768};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _, Signature,
    UnparsedPublicKey as VerifyingKey,
};
use pith_bench_program::{Failure, Kind, Meter, Unable, Wire, batch};
use std::hint::black_box;

/// The program, and what it needs.
pub struct Floor {
    random: SystemRandom,
    key: EcdsaKeyPair,
    /// Of [`CERTIFIED`].
    certificate: Vec<u8>,
    messages: Vec<u8>,
    bulk: Option<Bulk>,
}

/// What a scenario takes beyond keys, hash and records.
#[derive(Clone, Copy)]
struct Work {
    hybrid: bool,
    /// Who shows a certificate and signs: nobody, the server, or both.
    shown: Shown,
    /// The peer's chain was verified before.
    known: bool,
    /// Steps of HKDF on each side.
    steps: usize,
    /// Bytes of all handshake messages, as Pith has them.
    transcript: usize,
    /// The server opens one ticket and seals another.
    ticket: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Shown {
    Nothing,
    Server,
    Both,
}

impl Floor {
    /// With a key of its own.
    pub fn new() -> Result<Self, Failure> {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)?;
        let certificate = key.sign(&random, &CERTIFIED)?.as_ref().to_vec();
        Ok(Self {
            random,
            key,
            certificate,
            messages: vec![0; 4096],
            bulk: None,
        })
    }

    /// As `Tls::answer`.
    pub fn answer(&mut self, words: &[&str]) -> Result<String, Failure> {
        let [meter, scenario, count] = words else {
            return Err("METER SCENARIO COUNT".into());
        };
        let mut meter = Meter::new(Kind::named(meter).ok_or("no such meter")?)?;
        self.run(scenario, count.parse()?, &mut meter)?;
        let (client, server) = meter.sums();
        Ok(format!("ok {client} {server}"))
    }

    /// Does a scenario so many times.
    pub fn run(&mut self, scenario: &str, count: usize, meter: &mut Meter) -> Result<(), Failure> {
        if let Some(size) = scenario.strip_prefix("bulk-") {
            let size = size.parse()?;
            let bulk = match self.bulk.take() {
                Some(bulk) if bulk.plaintext.len() == size => bulk,
                _ => Bulk::new(size)?,
            };
            self.bulk.insert(bulk).run(count, meter)?;
        } else {
            let work = work(scenario).ok_or(Unable("it has no floor"))?;
            for _ in 0..count {
                self.handshake(work, meter)?;
            }
        }
        Ok(())
    }

    fn handshake(&self, work: Work, meter: &mut Meter) -> Result<(), Failure> {
        let (own, hello) = meter.client(|| self.offer(work.hybrid))?;
        let reply = meter.server(|| self.accept(&hello))?;
        let signature = meter.server(|| self.sign(work.shown != Shown::Nothing))?;
        meter.server(|| self.rest(work, work.ticket))?;
        meter.client(|| finish(own, &reply))?;
        meter.client(|| self.verify(work, signature))?;
        let signature = meter.client(|| self.sign(work.shown == Shown::Both))?;
        meter.client(|| self.rest(work, false))?;
        meter.server(|| self.verify(work, signature))?;
        Ok(())
    }

    fn offer(&self, hybrid: bool) -> Result<(Own, Share), Unspecified> {
        let ecdh = EphemeralPrivateKey::generate(&X25519, &self.random)?;
        let mut share = Share {
            ecdh: ecdh.compute_public_key()?.as_ref().to_vec(),
            kem: None,
        };
        let mut kem = None;
        if hybrid {
            let key = kem.insert(DecapsulationKey::generate(&ML_KEM_768)?);
            share.kem = Some(key.encapsulation_key()?.key_bytes()?.as_ref().to_vec());
        }
        Ok((Own { ecdh, kem }, share))
    }

    fn accept(&self, hello: &Share) -> Result<Share, Failure> {
        let ecdh = EphemeralPrivateKey::generate(&X25519, &self.random)?;
        let mut reply = Share {
            ecdh: ecdh.compute_public_key()?.as_ref().to_vec(),
            kem: None,
        };
        agree(ecdh, &hello.ecdh)?;
        if let Some(key) = &hello.kem {
            let (ciphertext, secret) = EncapsulationKey::new(&ML_KEM_768, key)?.encapsulate()?;
            black_box(secret.as_ref());
            reply.kem = Some(ciphertext.as_ref().to_vec());
        }
        Ok(reply)
    }

    fn sign(&self, signs: bool) -> Result<Option<Signature>, Unspecified> {
        let sign = || self.key.sign(&self.random, black_box(&SIGNED));
        signs.then(sign).transpose()
    }

    /// The peer's chain, which is the same each time, and its signature, which is not: branches that a processor has learnt by heart
    /// would make it cheap.
    fn verify(&self, work: Work, signature: Option<Signature>) -> Result<(), Unspecified> {
        let Some(signature) = signature else {
            return Ok(());
        };
        let key = || VerifyingKey::new(&ECDSA_P256_SHA256_ASN1, self.key.public_key().as_ref());
        if !work.known {
            key().verify(&CERTIFIED, &self.certificate)?;
        }
        key().verify(&SIGNED, signature.as_ref())
    }

    /// What stands behind the key exchange and is no signature.
    fn rest(&self, work: Work, ticket: bool) -> Result<(), Unspecified> {
        for _ in 0..work.steps {
            let mut out = [0; 32];
            Prk::new_less_safe(HKDF_SHA256, black_box(&[1; 32]))
                .expand(&[LABEL], Length(out.len()))?
                .fill(&mut out)?;
            black_box(out);
        }
        let mut hash = Context::new(&SHA256);
        for _ in 0..HASHES {
            hash.update(black_box(&self.messages[..work.transcript / HASHES]));
            black_box(hash.clone().finish());
        }
        let keys = [key(0)?, key(1)?, key(2)?, key(3)?];
        for size in [36, 543, 36] {
            seal(&keys[0], 0, &mut [0; 700][..size])?;
        }
        if ticket {
            for key in [key(0)?, key(1)?] {
                seal(&key, 0, &mut [0; 200])?;
            }
        }
        black_box(&keys);
        Ok(())
    }
}

/// A side's keys.
struct Own {
    ecdh: EphemeralPrivateKey,
    kem: Option<DecapsulationKey>,
}

/// What goes to the peer.
struct Share {
    ecdh: Vec<u8>,
    kem: Option<Vec<u8>>,
}

fn finish(own: Own, reply: &Share) -> Result<(), Failure> {
    agree(own.ecdh, &reply.ecdh)?;
    if let (Some(key), Some(ciphertext)) = (own.kem, &reply.kem) {
        black_box(key.decapsulate(ciphertext.as_slice().into())?.as_ref());
    }
    Ok(())
}

fn agree(own: EphemeralPrivateKey, peer: &[u8]) -> Result<(), Failure> {
    let peer = UnparsedPublicKey::new(&X25519, peer);
    agree_ephemeral(own, peer, Failure::from("no agreement"), |secret| {
        black_box(secret);
        Ok(())
    })
}

fn work(scenario: &str) -> Option<Work> {
    let full = Work {
        hybrid: true,
        shown: Shown::Server,
        known: false,
        steps: 24,
        transcript: 3170,
        ticket: false,
    };
    match scenario {
        "full-hybrid" => Some(full),
        "full-x25519" => Some(Work {
            hybrid: false,
            transcript: 900,
            ..full
        }),
        "mutual-hybrid" => Some(Work {
            shown: Shown::Both,
            transcript: 3740,
            ..full
        }),
        // Of a chain that is known only the CertificateVerify is checked.
        "full-hybrid-known-chain" => Some(Work {
            known: true,
            ..full
        }),
        "mutual-hybrid-known-chain" => Some(Work {
            shown: Shown::Both,
            known: true,
            transcript: 3740,
            ..full
        }),
        // Four steps more: the pre-shared key of the ticket, its binder and the resumption secret; and a ticket each way.
        "resumed-hybrid" => Some(Work {
            shown: Shown::Nothing,
            steps: 28,
            transcript: 3030,
            ticket: true,
            ..full
        }),
        _ => None,
    }
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn key(number: u8) -> Result<LessSafeKey, Unspecified> {
    let key = UnboundKey::new(&AES_128_GCM, black_box(&[number; 16]))?;
    Ok(LessSafeKey::new(key))
}

fn seal(key: &LessSafeKey, number: u64, bytes: &mut [u8]) -> Result<(), Unspecified> {
    let tag = key.seal_in_place_separate_tag(nonce(number), Aad::from(HEADER), bytes)?;
    black_box(tag.as_ref());
    Ok(())
}

fn nonce(number: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

/// The AEAD over the buffers of the scenario of the same name, records behind one another.
struct Bulk {
    key: LessSafeKey,
    number: u64,
    plaintext: Vec<u8>,
    wire: Wire,
}

impl Bulk {
    fn new(size: usize) -> Result<Self, Failure> {
        Ok(Self {
            key: key(1)?,
            number: 0,
            plaintext: vec![7; size],
            wire: Wire::new(1 << 19),
        })
    }

    fn run(&mut self, count: usize, meter: &mut Meter) -> Result<(), Failure> {
        let size = self.plaintext.len();
        let mut left = count;
        while left > 0 {
            let batch = batch(size).min(left);
            left -= batch;
            let first = self.number;
            self.wire.clear();
            meter.client(|| (0..batch).try_for_each(|_| self.seal()))?;
            self.number = first;
            meter.server(|| (0..batch).try_for_each(|_| self.open()))?;
        }
        Ok(())
    }

    fn seal(&mut self) -> Result<(), Unspecified> {
        let size = self.plaintext.len();
        let (header, rest) = self.wire.space().split_at_mut(HEADER.len());
        header.copy_from_slice(&HEADER);
        let (body, tail) = rest[..size + 17].split_at_mut(size);
        self.key.seal_out_of_place_scatter(
            nonce(self.number),
            Aad::from(HEADER),
            &self.plaintext,
            body,
            &[23],
            tail,
        )?;
        self.number += 1;
        self.wire.written(HEADER.len() + size + 17);
        Ok(())
    }

    fn open(&mut self) -> Result<(), Unspecified> {
        let length = HEADER.len() + self.plaintext.len() + 17;
        let record = &mut self.wire.waiting()[HEADER.len()..length];
        black_box(
            self.key
                .open_in_place(nonce(self.number), Aad::from(HEADER), record)?,
        );
        self.number += 1;
        self.wire.taken(length);
        Ok(())
    }
}

/// As long as what a CertificateVerify signs.
const SIGNED: [u8; 130] = [32; 130];
/// As long as what the root signed of the leaf.
const CERTIFIED: [u8; 315] = [48; 315];
/// As long as an encoded HkdfLabel with a hash.
const LABEL: &[u8] = &[0; 54];
/// How often a transcript is read.
const HASHES: usize = 4;
const HEADER: [u8; 5] = [23, 3, 3, 1, 0];
