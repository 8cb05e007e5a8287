//! Masks for QUIC's header protection (RFC 9001 section 5.4): AES or ChaCha20 over a sample of the ciphertext.
//!
//! A mask says nothing about whether a packet is genuine: what it uncovers is trusted only after the packet itself has opened.

use aws_lc_rs::aead::quic::{AES_128, AES_256, Algorithm, CHACHA20, HeaderProtectionKey};

use crate::{Aead, Error};

/// The length of a sample in bytes, the same for all.
pub const SAMPLE_LEN: usize = 16;

/// The length of a mask in bytes: one for the first byte of a header, four for its packet number.
pub const MASK_LEN: usize = 5;

/// Masks the headers of one direction and level; key updates leave it as it is.
pub struct HeaderKey(HeaderProtectionKey);

impl HeaderKey {
    /// A key for packets that `aead` protects, of [`Aead::key_len`] bytes. It is copied; wiping the original is the caller's business.
    ///
    /// # Errors
    /// [`Error::Length`] if `key` has another length.
    pub fn new(aead: Aead, key: &[u8]) -> Result<Self, Error> {
        #[cfg(any(test, pith_test))]
        let key = &*crate::taint::released(key);
        HeaderProtectionKey::new(algorithm(aead), key)
            .map(Self)
            .map_err(|_| Error::Length)
    }

    /// The mask that goes with `sample`.
    ///
    /// # Errors
    /// [`Error::Internal`] if the backend fails.
    pub fn mask(&self, sample: &[u8; SAMPLE_LEN]) -> Result<[u8; MASK_LEN], Error> {
        self.0
            .new_mask(sample)
            .map_err(|_| Error::Internal("header mask"))
    }
}

fn algorithm(aead: Aead) -> &'static Algorithm {
    match aead {
        Aead::Aes128Gcm => &AES_128,
        Aead::Aes256Gcm => &AES_256,
        Aead::ChaCha20Poly1305 => &CHACHA20,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex<const N: usize>(text: &str) -> [u8; N] {
        let bytes: Vec<u8> = (0..text.len() / 2)
            .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        bytes.try_into().unwrap()
    }

    #[test]
    fn masks_are_those_of_the_rfcs() {
        // RFC 9001 sections A.2, A.3 and A.5; RFC 9369 sections A.2, A.3 and A.5; for AES-256 the second block of FIPS 197 section C.3.
        for (name, aead, key, sample, mask) in [
            (
                "client",
                Aead::Aes128Gcm,
                "9f50449e04a0e810283a1e9933adedd2",
                "d1b1c98dd7689fb8ec11d242b123dc9b",
                "437b9aec36",
            ),
            (
                "server",
                Aead::Aes128Gcm,
                "c206b8d9b9f0f37644430b490eeaa314",
                "2cd0991cd25b0aac406a5816b6394100",
                "2ec0d8356a",
            ),
            (
                "client, version 2",
                Aead::Aes128Gcm,
                "45b95e15235d6f45a6b19cbcb0294ba9",
                "ffe67b6abcdb4298b485dd04de806071",
                "94a0c95e80",
            ),
            (
                "AES-256",
                Aead::Aes256Gcm,
                "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
                "00112233445566778899aabbccddeeff",
                "8ea2b7ca51",
            ),
            (
                "ChaCha20",
                Aead::ChaCha20Poly1305,
                "25a282b9e82f06f21f488917a4fc8f1b73573685608597d0efcb076b0ab7a7a4",
                "5e5cd55c41f69080575d7999c25a5bfb",
                "aefefe7d03",
            ),
            (
                "ChaCha20, version 2",
                Aead::ChaCha20Poly1305,
                "d659760d2ba434a226fd37b35c69e2da8211d10c4f12538787d65645d5d1b8e2",
                "e7b6b932bc27d786f4bc2bb20f2162ba",
                "97580e32bf",
            ),
        ] {
            let key = if aead.key_len() == 16 {
                HeaderKey::new(aead, &hex::<16>(key))
            } else {
                HeaderKey::new(aead, &hex::<32>(key))
            };
            let got = key.unwrap().mask(&hex(sample)).unwrap();
            assert_eq!(got, hex::<MASK_LEN>(mask), "{name}");
        }
    }

    #[test]
    fn header_keys_of_another_length_are_refused() {
        for aead in [Aead::Aes128Gcm, Aead::Aes256Gcm, Aead::ChaCha20Poly1305] {
            for len in [0, 15, 17, 24, 31, 33, 48 - aead.key_len()] {
                let refused = HeaderKey::new(aead, &vec![0; len]).err();
                assert_eq!(refused, Some(Error::Length), "{aead:?} {len}");
            }
            assert!(HeaderKey::new(aead, &vec![0; aead.key_len()]).is_ok());
        }
    }
}
