//! Cipher suites: an AEAD and a hash (RFC 9846 section B.4).

use core::fmt;

use pith_crypto::{Aead, Hash};

/// A cipher suite of TLS 1.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CipherSuite {
    /// `TLS_AES_128_GCM_SHA256`
    Aes128GcmSha256,
    /// `TLS_AES_256_GCM_SHA384`
    Aes256GcmSha384,
    /// `TLS_CHACHA20_POLY1305_SHA256`
    ChaCha20Poly1305Sha256,
}

impl CipherSuite {
    /// Every suite, in the default order of preference: the mandatory ones (rfc9846#9.1-1), and no weak ones
    /// (rfc9846#E.5-1, rfc9846#E.5-2).
    pub const ALL: &'static [Self] = &[
        Self::Aes128GcmSha256,
        Self::Aes256GcmSha384,
        Self::ChaCha20Poly1305Sha256,
    ];

    /// The code point.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::Aes128GcmSha256 => 0x1301,
            Self::Aes256GcmSha384 => 0x1302,
            Self::ChaCha20Poly1305Sha256 => 0x1303,
        }
    }

    /// The suite with this code point, if it is known.
    #[must_use]
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|suite| suite.code() == code)
    }

    /// The name in the registry.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Aes128GcmSha256 => "TLS_AES_128_GCM_SHA256",
            Self::Aes256GcmSha384 => "TLS_AES_256_GCM_SHA384",
            Self::ChaCha20Poly1305Sha256 => "TLS_CHACHA20_POLY1305_SHA256",
        }
    }

    /// The hash of the key schedule and the transcript.
    #[must_use]
    pub fn hash(self) -> Hash {
        match self {
            Self::Aes128GcmSha256 | Self::ChaCha20Poly1305Sha256 => Hash::Sha256,
            Self::Aes256GcmSha384 => Hash::Sha384,
        }
    }

    /// The AEAD that protects records or packets.
    #[must_use]
    pub fn aead(self) -> Aead {
        match self {
            Self::Aes128GcmSha256 => Aead::Aes128Gcm,
            Self::Aes256GcmSha384 => Aead::Aes256Gcm,
            Self::ChaCha20Poly1305Sha256 => Aead::ChaCha20Poly1305,
        }
    }
}

impl fmt::Display for CipherSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
