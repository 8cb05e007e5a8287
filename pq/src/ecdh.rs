//! X25519 and ECDH over P-256, P-384 and P-521, as TLS 1.3 wants them (rfc9846 sections 4.3.8.2 and 7.4.2).
//!
//! The backend's parser takes compressed and hybrid points and whole SubjectPublicKeyInfos too; TLS has one form for each group, so
//! length and first byte are checked here. That the point lies on the curve, and that X25519 did not give zero, the backend checks.
//! A secret keeps its leading zeros and so has a fixed length (rfc9846#7.4.2-1).

use aws_lc_rs::agreement::{self, UnparsedPublicKey};
use pith_crypto::SharedSecret;

use crate::Error;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Curve {
    X25519,
    P256,
    P384,
    P521,
}

/// A key pair for one exchange. The part that X25519MLKEM768 and X25519 have in common serves both in one offer, so it is not consumed here.
pub(crate) struct PrivateKey {
    curve: Curve,
    key: agreement::PrivateKey,
}

impl Curve {
    /// The length of a share in bytes: an X25519 value, or 0x04 and two coordinates.
    pub(crate) fn share_len(self) -> usize {
        match self {
            Self::X25519 => 32,
            Self::P256 => 65,
            Self::P384 => 97,
            Self::P521 => 133,
        }
    }

    fn algorithm(self) -> &'static agreement::Algorithm {
        match self {
            Self::X25519 => &agreement::X25519,
            Self::P256 => &agreement::ECDH_P256,
            Self::P384 => &agreement::ECDH_P384,
            Self::P521 => &agreement::ECDH_P521,
        }
    }
}

impl PrivateKey {
    pub(crate) fn generate(curve: Curve) -> Result<Self, Error> {
        let key = agreement::PrivateKey::generate(curve.algorithm())
            .map_err(|_| Error::internal("ECDH key generation"))?;
        Ok(Self { curve, key })
    }

    /// Adds our share to `out`.
    pub(crate) fn write_share(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        let public = self
            .key
            .compute_public_key()
            .map_err(|_| Error::internal("ECDH public key"))?;
        out.extend_from_slice(public.as_ref());
        Ok(())
    }

    /// Adds what we share with the owner of `peer` to `secret`.
    pub(crate) fn agree(&self, peer: &[u8], secret: &mut SharedSecret) -> Result<(), Error> {
        Error::unless_len(peer, self.curve.share_len())?;
        if self.curve != Curve::X25519 && peer.first() != Some(&0x04) {
            return Err(Error::Encoding);
        }
        // rfc9846#4.3.8.2-1 and rfc9846#7.4.2-2: the backend refuses points off the curve and a result of zero.
        let peer = UnparsedPublicKey::new(self.curve.algorithm(), peer);
        agreement::agree(&self.key, peer, Error::Share, |bytes| {
            Ok(secret.append(bytes)?)
        })
    }
}

#[cfg(test)]
impl PrivateKey {
    pub(crate) fn from_raw(curve: Curve, bytes: &[u8]) -> Self {
        let key = agreement::PrivateKey::from_private_key(curve.algorithm(), bytes).unwrap();
        Self { curve, key }
    }

    /// What the backend alone makes of `peer`.
    pub(crate) fn backend_agrees(&self, peer: &[u8]) -> bool {
        let peer = UnparsedPublicKey::new(self.curve.algorithm(), peer);
        agreement::agree(&self.key, peer, (), |_| Ok(())).is_ok()
    }
}
