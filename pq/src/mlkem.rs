//! ML-KEM-512, -768 and -1024 (FIPS 203).
//!
//! The backend takes an encapsulation key whose coefficients are not reduced and only fails when it is used; both cases are one fault of
//! the peer here. A tampered ciphertext is no error by design (implicit rejection): it gives another secret, and the handshake fails at
//! its Finished. The backend's shared secret is wiped when dropped.

use aws_lc_rs::kem::{self, Ciphertext, DecapsulationKey, EncapsulationKey};
use pith_crypto::SharedSecret;

use crate::Error;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kem {
    MlKem512,
    MlKem768,
    MlKem1024,
}

/// The decapsulation key of one offer.
pub(crate) struct PrivateKey(DecapsulationKey);

impl Kem {
    /// The length of a client's share, an encapsulation key, in bytes.
    pub(crate) fn client_share_len(self) -> usize {
        match self {
            Self::MlKem512 => 800,
            Self::MlKem768 => 1184,
            Self::MlKem1024 => 1568,
        }
    }

    /// The length of a server's share, a ciphertext, in bytes.
    pub(crate) fn server_share_len(self) -> usize {
        match self {
            Self::MlKem512 => 768,
            Self::MlKem768 => 1088,
            Self::MlKem1024 => 1568,
        }
    }

    pub(crate) fn security_category(self) -> u8 {
        match self {
            Self::MlKem512 => 1,
            Self::MlKem768 => 3,
            Self::MlKem1024 => 5,
        }
    }

    fn algorithm(self) -> &'static kem::Algorithm {
        match self {
            Self::MlKem512 => &kem::ML_KEM_512,
            Self::MlKem768 => &kem::ML_KEM_768,
            Self::MlKem1024 => &kem::ML_KEM_1024,
        }
    }

    /// The server's half: adds a ciphertext for the client's `key` to `out` and what it holds to `secret`.
    pub(crate) fn encapsulate(
        self,
        key: &[u8],
        out: &mut Vec<u8>,
        secret: &mut SharedSecret,
    ) -> Result<(), Error> {
        let key = EncapsulationKey::new(self.algorithm(), key).map_err(|_| Error::Share)?;
        // draft-ietf-tls-ecdhe-mlkem#3.1.2-1: the check of the key's coefficients happens here.
        let (ciphertext, shared) = key.encapsulate().map_err(|_| Error::Share)?;
        out.extend_from_slice(ciphertext.as_ref());
        Ok(secret.append(shared.as_ref())?)
    }
}

impl PrivateKey {
    pub(crate) fn generate(kem: Kem) -> Result<Self, Error> {
        DecapsulationKey::generate(kem.algorithm())
            .map(Self)
            .map_err(|_| Error::internal("ML-KEM key generation"))
    }

    /// Adds our share to `out`.
    pub(crate) fn write_share(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        let bytes = self
            .0
            .encapsulation_key()
            .and_then(|key| key.key_bytes())
            .map_err(|_| Error::internal("ML-KEM public key"))?;
        out.extend_from_slice(bytes.as_ref());
        Ok(())
    }

    /// Adds what `ciphertext` holds to `secret`. Its length has been checked, so a failure is ours (draft-ietf-tls-ecdhe-mlkem#3.1.2-3).
    pub(crate) fn decapsulate(
        &self,
        ciphertext: &[u8],
        secret: &mut SharedSecret,
    ) -> Result<(), Error> {
        let shared = self
            .0
            .decapsulate(Ciphertext::from(ciphertext))
            .map_err(|_| Error::internal("ML-KEM decapsulation"))?;
        Ok(secret.append(shared.as_ref())?)
    }
}

#[cfg(test)]
impl PrivateKey {
    /// `None` if the backend does not take the bytes.
    pub(crate) fn from_raw(kem: Kem, bytes: &[u8]) -> Option<Self> {
        DecapsulationKey::new(kem.algorithm(), bytes).ok().map(Self)
    }
}

#[cfg(test)]
impl Kem {
    /// Whether the backend parses `key`, used or not.
    pub(crate) fn backend_parses(self, key: &[u8]) -> bool {
        EncapsulationKey::new(self.algorithm(), key).is_ok()
    }
}
