//! AEAD keys for QUIC packets, whose nonces come from packet numbers (RFC 9001 section 5.3), and the tag of a Retry packet.
//!
//! Unlike a record's, a packet's number is given: packets are lost and overtake each other. A sealing key takes each number at most once, since it
//! takes them only in ascending order, and counts against the confidentiality limit. Opening counts nothing here: forged packets are
//! counted over all keys of a connection, against [`Aead::forgery_limit`]. Both work in place and allocate nothing.

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};
use zeroize::Zeroizing;

use crate::aead::{Aead, IV_LEN, TAG_LEN};
use crate::{Error, SealingKey};

/// Protects the packets that one side sends at one level, until the next key update.
pub struct PacketSealingKey {
    key: Key,
    /// The lowest packet number that has not been used.
    next: u64,
    used: u64,
    limit: u64,
}

/// Opens the packets that the peer sent.
pub struct PacketOpeningKey(Key);

struct Key {
    key: LessSafeKey,
    iv: Zeroizing<[u8; IV_LEN]>,
}

impl Aead {
    /// How many packets one key may protect (rfc9001#6.6-7).
    #[must_use]
    pub fn packet_limit(self) -> u64 {
        match self {
            Self::Aes128Gcm | Self::Aes256Gcm => 1 << 23,
            // Its own limit lies past the 2^62 packets that can be numbered.
            Self::ChaCha20Poly1305 => 1 << 62,
        }
    }

    /// How many packets may fail to open over the life of a connection (rfc9001#6.6-8).
    #[must_use]
    pub fn forgery_limit(self) -> u64 {
        match self {
            Self::Aes128Gcm | Self::Aes256Gcm => 1 << 52,
            Self::ChaCha20Poly1305 => 1 << 36,
        }
    }
}

impl PacketSealingKey {
    /// A key that has protected nothing yet and protects at most `limit` packets, and never more than [`Aead::packet_limit`]. `key` and `iv`
    /// are copied; wiping the originals is the caller's business.
    ///
    /// # Errors
    /// [`Error::Length`] if `key` is not of [`Aead::key_len`] or `iv` not of [`IV_LEN`] bytes.
    pub fn new(aead: Aead, key: &[u8], iv: &[u8], limit: u64) -> Result<Self, Error> {
        Ok(Self {
            key: Key::new(aead, key, iv)?,
            next: 0,
            used: 0,
            limit: limit.min(aead.packet_limit()),
        })
    }

    /// Seals `bytes` in place as the packet with this number: all but the last [`TAG_LEN`] of them are plaintext, and the tag replaces those.
    ///
    /// # Errors
    /// [`Error::Exhausted`] at the limit or the last u64, [`Error::Length`] if there is no room for a tag, and [`Error::Internal`] if the number is not above the one
    /// before, all three before anything is written or counted; [`Error::Internal`] if the backend fails, after which `bytes` hold nothing to send.
    pub fn seal(&mut self, number: u64, aad: &[u8], bytes: &mut [u8]) -> Result<(), Error> {
        if self.used >= self.limit {
            return Err(Error::Exhausted); // rfc9001#6.6-2
        }
        if number < self.next {
            return Err(Error::Internal("packet number used before"));
        }
        let (plaintext, tag) = bytes
            .split_last_chunk_mut::<TAG_LEN>()
            .ok_or(Error::Length)?;
        // Counted before use: a nonce that may have met a plaintext is never used again.
        self.next = number.checked_add(1).ok_or(Error::Exhausted)?;
        self.used = self.used.checked_add(1).ok_or(Error::Exhausted)?; // rfc9001#6.6-1
        #[cfg(any(test, pith_test))]
        if crate::fault::is_due() {
            return Err(Error::Internal("AEAD seal"));
        }
        let sealed = self
            .key
            .key
            .seal_in_place_separate_tag(self.key.nonce(number), Aad::from(aad), plaintext)
            .map_err(|_| Error::Internal("AEAD seal"))?;
        *tag = sealed
            .as_ref()
            .try_into()
            .map_err(|_| Error::Internal("AEAD tag"))?;
        #[cfg(any(test, pith_test))]
        crate::taint::known(bytes);
        Ok(())
    }

    /// How many packets this key has protected.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used
    }

    /// How many packets this key may protect.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }
}

impl PacketOpeningKey {
    /// `key` and `iv` are copied; wiping the originals is the caller's business.
    ///
    /// # Errors
    /// [`Error::Length`] if `key` is not of [`Aead::key_len`] or `iv` not of [`IV_LEN`] bytes.
    pub fn new(aead: Aead, key: &[u8], iv: &[u8]) -> Result<Self, Error> {
        Key::new(aead, key, iv).map(Self)
    }

    /// Opens `bytes`, ciphertext and tag, in place as the packet with this number, and returns the plaintext at their front.
    ///
    /// # Errors
    /// [`Error::Open`] if they do not authenticate, after which `bytes` hold nothing of use.
    pub fn open<'a>(
        &self,
        number: u64,
        aad: &[u8],
        bytes: &'a mut [u8],
    ) -> Result<&'a mut [u8], Error> {
        #[cfg(any(test, pith_test))]
        if crate::fault::is_due() {
            return Err(Error::Open);
        }
        let plaintext = self
            .0
            .key
            .open_in_place(self.0.nonce(number), Aad::from(aad), bytes)
            .map_err(|_| Error::Open)?;
        #[cfg(any(test, pith_test))]
        crate::taint::opened(plaintext);
        Ok(plaintext)
    }
}

impl Key {
    fn new(aead: Aead, key: &[u8], iv: &[u8]) -> Result<Self, Error> {
        #[cfg(any(test, pith_test))]
        let iv = &*crate::taint::released(iv);
        Ok(Self {
            key: aead.key(key)?,
            iv: Zeroizing::new(iv.try_into().map_err(|_| Error::Length)?),
        })
    }

    fn nonce(&self, number: u64) -> Nonce {
        let mut nonce = *self.iv;
        for (byte, count) in nonce.iter_mut().rev().zip(number.to_le_bytes()) {
            *byte ^= count;
        }
        Nonce::assume_unique_for_key(nonce)
    }
}

/// The tag over `aad` alone of AES-128-GCM with a key and a nonce that anybody knows: how QUIC tells a Retry packet from noise
/// (RFC 9001 section 5.8). It protects nothing, so the nonce may repeat.
///
/// # Errors
/// [`Error::Internal`] if the backend fails.
pub fn retry_tag(key: &[u8; 16], nonce: &[u8; IV_LEN], aad: &[u8]) -> Result<[u8; TAG_LEN], Error> {
    let mut key = SealingKey::new(Aead::Aes128Gcm, key, nonce)?;
    let mut tag = [0; TAG_LEN];
    key.seal(aad, &[], &[], &mut tag)?;
    Ok(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Aead; 3] = [Aead::Aes128Gcm, Aead::Aes256Gcm, Aead::ChaCha20Poly1305];
    const IV: [u8; IV_LEN] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

    fn pair(aead: Aead, limit: u64) -> (PacketSealingKey, PacketOpeningKey) {
        let key = &[7; 32][..aead.key_len()];
        (
            PacketSealingKey::new(aead, key, &IV, limit).unwrap(),
            PacketOpeningKey::new(aead, key, &IV).unwrap(),
        )
    }

    fn sealed(key: &mut PacketSealingKey, number: u64) -> Result<[u8; 20], Error> {
        let mut bytes = *b"text----------------";
        key.seal(number, b"aad", &mut bytes).map(|()| bytes)
    }

    #[test]
    fn packets_open_with_their_own_number_and_header_alone() {
        for aead in ALL {
            for number in [0, 1, 0x1234_5678, (1 << 62) - 1] {
                let (mut sealing, opening) = pair(aead, u64::MAX);
                let packet = sealed(&mut sealing, number).unwrap();
                // The nonce is iv xor number, as a record's: a record key that has counted so far agrees.
                let mut record = SealingKey::new(aead, &[7; 32][..aead.key_len()], &IV).unwrap();
                record.set_counter(number);
                record.set_limit(u64::MAX);
                let mut same = [0; 20];
                record.seal(b"aad", b"text", &[], &mut same).unwrap();
                assert_eq!(packet, same, "{aead:?} {number}");
                let opened = |number, aad: &[u8], mut bytes: [u8; 20]| {
                    opening
                        .open(number, aad, &mut bytes)
                        .map(|text| text.to_vec())
                };
                assert_eq!(opened(number, b"aad", packet), Ok(b"text".to_vec()));
                assert_eq!(opened(number ^ 1, b"aad", packet), Err(Error::Open));
                assert_eq!(opened(number, b"dad", packet), Err(Error::Open));
                for at in 0..packet.len() {
                    let mut forged = packet;
                    forged[at] ^= 1;
                    assert_eq!(opened(number, b"aad", forged), Err(Error::Open), "{at}");
                }
                for short in 0..TAG_LEN {
                    let mut cut = packet[..short].to_vec();
                    let refused = opening.open(number, b"aad", &mut cut);
                    assert_eq!(refused.err(), Some(Error::Open), "{aead:?} {short}");
                }
            }
        }
    }

    #[test]
    fn a_packet_number_is_sealed_once() {
        for aead in ALL {
            let (mut key, _) = pair(aead, u64::MAX);
            assert!(sealed(&mut key, 5).is_ok());
            for number in [5, 4, 0] {
                let refused = sealed(&mut key, number);
                assert_eq!(refused, Err(Error::Internal("packet number used before")));
            }
            assert_eq!(key.used(), 1);
            assert!(sealed(&mut key, 9).is_ok(), "numbers may be skipped");
            assert_eq!(sealed(&mut key, u64::MAX), Err(Error::Exhausted));
            let mut short = [0; TAG_LEN - 1];
            assert_eq!(key.seal(10, &[], &mut short), Err(Error::Length));
            assert_eq!(key.used(), 2);
        }
    }

    #[test]
    fn sealing_stops_at_the_confidentiality_limit() {
        for aead in ALL {
            let (mut key, _) = pair(aead, 3);
            for number in 0..3 {
                assert!(sealed(&mut key, number).is_ok(), "{aead:?} {number}");
            }
            for number in 3..5 {
                let mut bytes = *b"text----------------";
                assert_eq!(key.seal(number, &[], &mut bytes), Err(Error::Exhausted));
                assert_eq!(&bytes, b"text----------------");
                assert_eq!((key.used(), key.limit()), (3, 3), "{aead:?}");
            }
            let (key, _) = pair(aead, u64::MAX);
            assert_eq!(
                key.limit(),
                aead.packet_limit(),
                "never above the AEAD's own"
            );
        }
    }

    #[test]
    fn limits_of_packets_and_forgeries_are_those_of_the_rfc() {
        let limits = ALL.map(|aead| (aead.packet_limit(), aead.forgery_limit()));
        assert_eq!(
            limits,
            [(1 << 23, 1 << 52), (1 << 23, 1 << 52), (1 << 62, 1 << 36)]
        );
    }

    #[test]
    fn packet_keys_and_ivs_of_another_length_are_refused() {
        for aead in ALL {
            for (key, iv) in [(0, 12), (15, 12), (24, 12), (33, 12)]
                .into_iter()
                .chain([0, 8, 11, 13].map(|iv| (aead.key_len(), iv)))
            {
                let (bytes, iv) = (vec![0; key], vec![0; iv]);
                let sealing = PacketSealingKey::new(aead, &bytes, &iv, 9).err();
                let opening = PacketOpeningKey::new(aead, &bytes, &iv).err();
                assert_eq!(sealing, Some(Error::Length), "{aead:?} {key}");
                assert_eq!(opening, Some(Error::Length), "{aead:?} {key}");
            }
        }
    }

    #[test]
    fn failed_calls_of_packet_keys_say_so() {
        let (mut sealing, opening) = pair(Aead::Aes128Gcm, 9);
        crate::fault::fail_after(Some(0));
        assert_eq!(sealed(&mut sealing, 0), Err(Error::Internal("AEAD seal")));
        assert_eq!(sealing.used(), 1, "what failed counts");
        let mut packet = sealed(&mut sealing, 1).unwrap();
        crate::fault::fail_after(Some(0));
        assert_eq!(
            opening.open(1, b"aad", &mut packet).err(),
            Some(Error::Open)
        );
        assert_eq!(crate::fault::fail_after(None), None);
        assert_eq!(opening.open(1, b"aad", &mut packet).unwrap(), b"text");
    }
}
