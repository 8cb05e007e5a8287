//! The named groups: code points, names, sizes, security level.
//!
//! One table row a group says which parts it has and in which order, and how long the client's share, the server's share and the
//! secret are. Everything that splits or joins bytes reads that row, so share and secret cannot disagree about the order. The three
//! hybrids differ: X25519MLKEM768 has ML-KEM first, the SecP pair has ECDH first (draft-ietf-tls-ecdhe-mlkem section 3.1).

use core::fmt;

use crate::ecdh::Curve;
use crate::mlkem::Kem;

/// A key-exchange group of the TLS registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// ML-KEM-768 and X25519, the common post-quantum group.
    X25519MlKem768,
    /// P-256 and ML-KEM-768.
    SecP256r1MlKem768,
    /// P-384 and ML-KEM-1024.
    SecP384r1MlKem1024,
    /// X25519 alone.
    X25519,
    /// P-256 alone.
    Secp256r1,
    /// P-384 alone.
    Secp384r1,
    /// P-521 alone.
    Secp521r1,
    /// ML-KEM-512 alone.
    MlKem512,
    /// ML-KEM-768 alone.
    MlKem768,
    /// ML-KEM-1024 alone.
    MlKem1024,
}

/// What a group is made of.
pub(crate) struct Row {
    code: u16,
    name: &'static str,
    /// In the order of share and secret alike.
    pub(crate) parts: &'static [Part],
    pub(crate) client_share: usize,
    pub(crate) server_share: usize,
    secret: usize,
}

/// One key exchange in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Ecdh(Curve),
    MlKem(Kem),
}

impl Group {
    /// All groups, in our order of preference: hybrids, classic curves, ML-KEM alone.
    pub const ALL: &'static [Self] = &[
        Self::X25519MlKem768,
        Self::SecP256r1MlKem768,
        Self::SecP384r1MlKem1024,
        Self::X25519,
        Self::Secp256r1,
        Self::Secp384r1,
        Self::Secp521r1,
        Self::MlKem512,
        Self::MlKem768,
        Self::MlKem1024,
    ];

    /// The number in the IANA registry.
    pub fn code(self) -> u16 {
        self.row().code
    }

    /// The group with this number.
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|group| group.code() == code)
    }

    /// The name in the IANA registry.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The length of a client's share in bytes.
    pub fn client_share_len(self) -> usize {
        self.row().client_share
    }

    /// The length of a server's share in bytes.
    pub fn server_share_len(self) -> usize {
        self.row().server_share
    }

    /// The length of the shared secret in bytes.
    pub fn secret_len(self) -> usize {
        self.row().secret
    }

    /// Whether recorded traffic stays secret from a quantum computer.
    pub fn is_post_quantum(self) -> bool {
        self.security_category().is_some()
    }

    /// NIST's security category of the ML-KEM part (1, 3 or 5), against quantum computers too; `None` if there is no such part.
    pub fn security_category(self) -> Option<u8> {
        self.row().parts.iter().find_map(|part| match part {
            Part::MlKem(kem) => Some(kem.security_category()),
            Part::Ecdh(_) => None,
        })
    }

    /// The table. Lengths are of the client's share, the server's share and the secret, in bytes.
    #[rustfmt::skip]
    pub(crate) fn row(self) -> Row {
        use {Curve::{P256, P384, P521}, Kem::{MlKem512, MlKem768, MlKem1024}, Part::{Ecdh, MlKem}};
        let (code, name, parts, (client_share, server_share, secret)): (_, _, &'static [Part], _) = match self {
            Self::X25519MlKem768     => (0x11ec, "X25519MLKEM768",     &[MlKem(MlKem768), Ecdh(Curve::X25519)], (1216, 1120, 64)),
            Self::SecP256r1MlKem768  => (0x11eb, "SecP256r1MLKEM768",  &[Ecdh(P256), MlKem(MlKem768)],          (1249, 1153, 64)),
            Self::SecP384r1MlKem1024 => (0x11ed, "SecP384r1MLKEM1024", &[Ecdh(P384), MlKem(MlKem1024)],         (1665, 1665, 80)),
            Self::X25519             => (0x001d, "x25519",             &[Ecdh(Curve::X25519)],                  (32, 32, 32)),
            // rfc9846#9.1-3
            Self::Secp256r1          => (0x0017, "secp256r1",          &[Ecdh(P256)],                           (65, 65, 32)),
            Self::Secp384r1          => (0x0018, "secp384r1",          &[Ecdh(P384)],                           (97, 97, 48)),
            Self::Secp521r1          => (0x0019, "secp521r1",          &[Ecdh(P521)],                           (133, 133, 66)),
            Self::MlKem512           => (0x0200, "MLKEM512",           &[MlKem(MlKem512)],                      (800, 768, 32)),
            Self::MlKem768           => (0x0201, "MLKEM768",           &[MlKem(MlKem768)],                      (1184, 1088, 32)),
            Self::MlKem1024          => (0x0202, "MLKEM1024",          &[MlKem(MlKem1024)],                     (1568, 1568, 32)),
        };
        Row { code, name, parts, client_share, server_share, secret }
    }
}

impl Part {
    pub(crate) fn client_share_len(self) -> usize {
        match self {
            Self::Ecdh(curve) => curve.share_len(),
            Self::MlKem(kem) => kem.client_share_len(),
        }
    }

    pub(crate) fn server_share_len(self) -> usize {
        match self {
            Self::Ecdh(curve) => curve.share_len(),
            Self::MlKem(kem) => kem.server_share_len(),
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
