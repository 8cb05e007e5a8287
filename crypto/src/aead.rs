//! AEAD keys that count: AES-128-GCM, AES-256-GCM and ChaCha20-Poly1305.
//!
//! A key owns its iv and its counter, and the nonce is iv xor counter (rfc9846 section 5.3), so a caller cannot repeat one. The counter
//! is checked, never wraps, and ends in [`Error::Exhausted`]: a sealing key at the AEAD's limit (rfc9846 section 5.5), an opening
//! key, for which the peer keeps that limit, at the last u64. Sealing reads the plaintext and writes the record; opening is in
//! place. Neither allocates. Key bytes come in by slice: derive them into a [`Wiped`](crate::Wiped) buffer and pass that.

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::Error;

/// The length of an authentication tag in bytes, the same for all.
pub const TAG_LEN: usize = 16;

/// The length of an iv in bytes, the same for all.
pub const IV_LEN: usize = 12;

/// An AEAD of a TLS 1.3 cipher suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Aead {
    /// AES in Galois/counter mode with a key of 16 bytes.
    Aes128Gcm,
    /// AES in Galois/counter mode with a key of 32 bytes.
    Aes256Gcm,
    /// ChaCha20 and Poly1305 (RFC 8439).
    ChaCha20Poly1305,
}

/// Protects what one side sends.
pub struct SealingKey(Key);

/// Opens what the peer sent.
pub struct OpeningKey(Key);

struct Key {
    key: LessSafeKey,
    iv: Zeroizing<[u8; IV_LEN]>,
    counter: u64,
    limit: u64,
}

impl Aead {
    /// The length of a key in bytes, 16 or 32.
    pub fn key_len(self) -> usize {
        self.algorithm().key_len()
    }

    /// How many records of full size one key may protect (rfc9846 section 5.5).
    pub fn record_limit(self) -> u64 {
        match self {
            // 2^24.5, rounded down.
            Self::Aes128Gcm | Self::Aes256Gcm => 23_726_566,
            // ChaCha20-Poly1305's own limit lies past the 2^64 records that can be numbered. This number, which no connection
            // reaches either, keeps the counter away from its end and fits in the 62 bits of a QUIC packet number.
            Self::ChaCha20Poly1305 => 1 << 62,
        }
    }

    fn algorithm(self) -> &'static aead::Algorithm {
        match self {
            Self::Aes128Gcm => &aead::AES_128_GCM,
            Self::Aes256Gcm => &aead::AES_256_GCM,
            Self::ChaCha20Poly1305 => &aead::CHACHA20_POLY1305,
        }
    }
}

impl SealingKey {
    /// A key that has protected nothing yet. `key` and `iv` are copied; wiping the originals is the caller's business.
    ///
    /// # Errors
    /// [`Error::Length`] if `key` is not of [`Aead::key_len`] or `iv` not of [`IV_LEN`] bytes.
    pub fn new(aead: Aead, key: &[u8], iv: &[u8]) -> Result<Self, Error> {
        Key::new(aead, key, iv, aead.record_limit()).map(Self)
    }

    /// Seals `plaintext` and then `trailer` into the front of `out`, with the tag behind them, and says how many bytes that
    /// is: both lengths and [`TAG_LEN`]. A TLS 1.3 record's trailer is its content type and padding.
    ///
    /// # Errors
    /// [`Error::Exhausted`] at the limit, and [`Error::Length`] if `out` is too short, both before anything is written or counted;
    /// [`Error::Internal`] if the backend fails, after which `out` holds nothing to send and the counter has moved on.
    pub fn seal(
        &mut self,
        aad: &[u8],
        plaintext: &[u8],
        trailer: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Error> {
        let tail_len = trailer.len().checked_add(TAG_LEN).ok_or(Error::Length)?;
        let (body, rest) = out
            .split_at_mut_checked(plaintext.len())
            .ok_or(Error::Length)?;
        let tail = rest.get_mut(..tail_len).ok_or(Error::Length)?;
        let (nonce, next) = self.0.nonce()?;
        // Counted before use: a nonce that may have met a plaintext is never used again.
        self.0.counter = next;
        self.0
            .key
            .seal_out_of_place_scatter(nonce, Aad::from(aad), plaintext, body, trailer, tail)
            .map_err(|_| Error::Internal("AEAD seal"))?;
        body.len().checked_add(tail_len).ok_or(Error::Length)
    }

    /// How often this key has been used.
    pub fn used(&self) -> u64 {
        self.0.counter
    }

    /// How often this key may be used: [`Aead::record_limit`].
    pub fn limit(&self) -> u64 {
        self.0.limit
    }

    /// Pretends that the key was used `counter` times.
    #[cfg(any(test, pith_test))]
    pub fn set_counter(&mut self, counter: u64) {
        self.0.counter = counter;
    }

    /// Lowers or raises the limit.
    #[cfg(any(test, pith_test))]
    pub fn set_limit(&mut self, limit: u64) {
        self.0.limit = limit;
    }
}

impl OpeningKey {
    /// A key that has opened nothing yet. `key` and `iv` are copied; wiping the originals is the caller's business.
    ///
    /// # Errors
    /// [`Error::Length`] if `key` is not of [`Aead::key_len`] or `iv` not of [`IV_LEN`] bytes.
    pub fn new(aead: Aead, key: &[u8], iv: &[u8]) -> Result<Self, Error> {
        Key::new(aead, key, iv, u64::MAX).map(Self)
    }

    /// Opens `bytes`, ciphertext and tag, in place and returns the plaintext at their front. Only success counts, so that
    /// rejected 0-RTT records can be tried and skipped.
    ///
    /// # Errors
    /// [`Error::Open`] if they do not authenticate, after which `bytes` hold nothing of use; [`Error::Exhausted`] at the last u64.
    pub fn open<'a>(&mut self, aad: &[u8], bytes: &'a mut [u8]) -> Result<&'a mut [u8], Error> {
        let (nonce, next) = self.0.nonce()?;
        let plaintext = self
            .0
            .key
            .open_in_place(nonce, Aad::from(aad), bytes)
            .map_err(|_| Error::Open)?;
        self.0.counter = next;
        Ok(plaintext)
    }

    /// How many times this key has opened something.
    pub fn used(&self) -> u64 {
        self.0.counter
    }

    /// Pretends that the key has opened `counter` records.
    #[cfg(any(test, pith_test))]
    pub fn set_counter(&mut self, counter: u64) {
        self.0.counter = counter;
    }
}

impl Key {
    fn new(aead: Aead, key: &[u8], iv: &[u8], limit: u64) -> Result<Self, Error> {
        let key = UnboundKey::new(aead.algorithm(), key).map_err(|_| Error::Length)?;
        Ok(Self {
            key: LessSafeKey::new(key),
            iv: Zeroizing::new(iv.try_into().map_err(|_| Error::Length)?),
            counter: 0,
            limit,
        })
    }

    /// The nonce of this use and the counter of the next, unless this use is one too many.
    fn nonce(&self) -> Result<(Nonce, u64), Error> {
        if self.counter >= self.limit {
            return Err(Error::Exhausted);
        }
        let next = self.counter.checked_add(1).ok_or(Error::Exhausted)?;
        let mut nonce = *self.iv;
        // The counter is big-endian and padded on the left.
        for (byte, count) in nonce.iter_mut().rev().zip(self.counter.to_le_bytes()) {
            *byte ^= count;
        }
        Ok((Nonce::assume_unique_for_key(nonce), next))
    }
}
