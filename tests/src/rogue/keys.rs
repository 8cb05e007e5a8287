//! QUIC's packet protection (RFC 9001 section 5), by the primitives alone.

use pith_crypto::hkdf::{derive_secret, expand_label, extract};
use pith_crypto::{Aead, Hash, HeaderKey, PacketOpeningKey, PacketSealingKey, Secret};

/// The keys of one direction and level.
pub struct Keys {
    suite: u16,
    secret: Secret,
    header: HeaderKey,
}

impl Keys {
    /// From a traffic secret of this suite.
    pub fn new(suite: u16, secret: &[u8]) -> Self {
        let secret = Secret::new(secret).unwrap();
        let mut key = vec![0; aead(suite).key_len()];
        expand_label(hash(suite), &secret, "quic hp", &[], &mut key).unwrap();
        Self {
            suite,
            secret,
            header: HeaderKey::new(aead(suite), &key).unwrap(),
        }
    }

    /// Those of Initial packets of version 1: the client's and the server's, from the client's first destination.
    pub fn initial(dcid: &[u8]) -> [Self; 2] {
        let secret = extract(Hash::Sha256, &SALT, dcid).unwrap();
        ["client in", "server in"].map(|label| {
            let secret = derive_secret(Hash::Sha256, &secret, label, &[]).unwrap();
            Self::new(0x1301, secret.expose())
        })
    }

    /// Key and iv after so many updates.
    fn at(&self, generation: u64) -> (Vec<u8>, [u8; 12]) {
        let hash = hash(self.suite);
        let mut secret = Secret::new(self.secret.expose()).unwrap();
        for _ in 0..generation {
            secret = derive_secret(hash, &secret, "quic ku", &[]).unwrap();
        }
        let (mut key, mut iv) = (vec![0; aead(self.suite).key_len()], [0; 12]);
        expand_label(hash, &secret, "quic key", &[], &mut key).unwrap();
        expand_label(hash, &secret, "quic iv", &[], &mut iv).unwrap();
        (key, iv)
    }

    /// Seals and masks a packet: its header with a packet number of four bytes at the end, and its payload.
    pub fn seal(&self, generation: u64, number: u64, header: &[u8], payload: &[u8]) -> Vec<u8> {
        let (key, iv) = self.at(generation);
        let mut key = PacketSealingKey::new(aead(self.suite), &key, &iv, 1).unwrap();
        let mut body = [payload, &[0; 16]].concat();
        key.seal(number, header, &mut body).unwrap();
        let mut packet = [header, &body].concat();
        let at = header.len() - 4;
        let mask = self.mask(&packet, at);
        let bits = if packet[0] & 0x80 == 0 { 0x1f } else { 0x0f };
        packet[0] ^= mask[0] & bits;
        (0..4).for_each(|byte| packet[at + byte] ^= mask[byte + 1]);
        packet
    }

    fn mask(&self, packet: &[u8], at: usize) -> [u8; 5] {
        let sample = packet[at + 4..at + 20].try_into().unwrap();
        self.header.mask(sample).unwrap()
    }

    /// Takes the mask off a packet whose number begins at `at`. Gives the first byte and the number as it was sent, and its length.
    pub fn unmask(&self, packet: &mut [u8], at: usize) -> (u8, u64, usize) {
        let mask = self.mask(packet, at);
        let bits = if packet[0] & 0x80 == 0 { 0x1f } else { 0x0f };
        packet[0] ^= mask[0] & bits;
        let length = usize::from(packet[0] & 3) + 1;
        let mut number = 0;
        for byte in 0..length {
            packet[at + byte] ^= mask[byte + 1];
            number = number << 8 | u64::from(packet[at + byte]);
        }
        (packet[0], number, length)
    }

    /// Opens an unmasked packet whose header has `header` bytes.
    pub fn open(
        &self,
        generation: u64,
        number: u64,
        packet: &[u8],
        header: usize,
    ) -> Option<Vec<u8>> {
        let (key, iv) = self.at(generation);
        let key = PacketOpeningKey::new(aead(self.suite), &key, &iv).unwrap();
        let mut body = packet[header..].to_vec();
        let opened = key.open(number, &packet[..header], &mut body).ok()?;
        Some(opened.to_vec())
    }
}

/// The tag behind a Retry packet of version 1 (RFC 9001 section 5.8).
pub fn retry_tag(original: &[u8], packet: &[u8]) -> [u8; 16] {
    let length = [u8::try_from(original.len()).unwrap()];
    let whole = [&length, original, packet].concat();
    pith_crypto::packet::retry_tag(&RETRY_KEY, &RETRY_NONCE, &whole).unwrap()
}

fn hash(suite: u16) -> Hash {
    if suite == 0x1302 {
        Hash::Sha384
    } else {
        Hash::Sha256
    }
}

fn aead(suite: u16) -> Aead {
    match suite {
        0x1301 => Aead::Aes128Gcm,
        0x1302 => Aead::Aes256Gcm,
        _ => Aead::ChaCha20Poly1305,
    }
}

const SALT: [u8; 20] = [
    0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad,
    0xcc, 0xbb, 0x7f, 0x0a,
];
const RETRY_KEY: [u8; 16] = [
    0xbe, 0x0c, 0x69, 0x0b, 0x9f, 0x66, 0x57, 0x5a, 0x1d, 0x76, 0x6b, 0x54, 0xe3, 0x68, 0xc8, 0x4e,
];
const RETRY_NONCE: [u8; 12] = [
    0x46, 0x15, 0x99, 0xd3, 0x5d, 0x63, 0x2b, 0xf2, 0x23, 0x98, 0x25, 0xbb,
];
