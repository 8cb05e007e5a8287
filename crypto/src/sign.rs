//! Signature schemes by their IANA number, and private keys that sign.
//!
//! A key is ECDSA over P-256 or P-384, Ed25519 or RSA of 2048 to 8192 bits, and signs with the TLS 1.3 schemes of its kind alone
//! (rfc9846 section 4.3.3): an ECDSA curve has one hash, and RSA signs with PSS. The numbers of RSA PKCS#1 v1.5 stand here since
//! certificates may carry such signatures; no key signs so. Keys come in as DER; wiping the DER is the caller's business.

use core::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    self as sig, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaEncoding, RsaKeyPair,
};
use pki_types::PrivateKeyDer;

use crate::Error;

/// A signature scheme by its number in the IANA registry, known to us or not.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SignatureScheme(pub u16);

/// A private key for CertificateVerify.
pub struct SigningKey(Kind);

enum Kind {
    EcdsaP256(EcdsaKeyPair),
    EcdsaP384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

macro_rules! schemes {
    ($($constant:ident = $number:literal, $name:literal;)+) => {
        impl SignatureScheme {
            $(
                #[doc = concat!("`", $name, "`")]
                pub const $constant: Self = Self($number);
            )+

            /// The name in the IANA registry, if this is one of the constants.
            pub fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$constant => Some($name),)+
                    _ => None,
                }
            }
        }
    };
}
schemes! {
    RSA_PKCS1_SHA256 = 0x0401, "rsa_pkcs1_sha256";
    ECDSA_SECP256R1_SHA256 = 0x0403, "ecdsa_secp256r1_sha256";
    RSA_PKCS1_SHA384 = 0x0501, "rsa_pkcs1_sha384";
    ECDSA_SECP384R1_SHA384 = 0x0503, "ecdsa_secp384r1_sha384";
    RSA_PKCS1_SHA512 = 0x0601, "rsa_pkcs1_sha512";
    ECDSA_SECP521R1_SHA512 = 0x0603, "ecdsa_secp521r1_sha512";
    RSA_PSS_RSAE_SHA256 = 0x0804, "rsa_pss_rsae_sha256";
    RSA_PSS_RSAE_SHA384 = 0x0805, "rsa_pss_rsae_sha384";
    RSA_PSS_RSAE_SHA512 = 0x0806, "rsa_pss_rsae_sha512";
    ED25519 = 0x0807, "ed25519";
}

impl fmt::Display for SignatureScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#06x}", self.0),
        }
    }
}

impl fmt::Debug for SignatureScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl SigningKey {
    /// A key from PKCS#8, SEC1 or PKCS#1 DER, unencrypted. Its public half is computed or checked.
    ///
    /// # Errors
    /// [`Error::Key`] if the DER is malformed, the halves do not belong together, or the key is of another kind or size.
    pub fn from_der(key: &PrivateKeyDer<'_>) -> Result<Self, Error> {
        let kind = match key {
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der())
                .ok()
                .map(Kind::Rsa),
            PrivateKeyDer::Sec1(der) => ecdsa(der.secret_sec1_der()),
            PrivateKeyDer::Pkcs8(der) => {
                let der = der.secret_pkcs8_der();
                ecdsa(der)
                    .or_else(|| Ed25519KeyPair::from_pkcs8(der).ok().map(Kind::Ed25519))
                    .or_else(|| RsaKeyPair::from_pkcs8(der).ok().map(Kind::Rsa))
            }
            _ => None,
        };
        kind.map(Self).ok_or(Error::Key)
    }

    /// The schemes that this key can sign with, best first.
    pub fn schemes(&self) -> &'static [SignatureScheme] {
        match self.0 {
            Kind::EcdsaP256(_) => &[SignatureScheme::ECDSA_SECP256R1_SHA256],
            Kind::EcdsaP384(_) => &[SignatureScheme::ECDSA_SECP384R1_SHA384],
            Kind::Ed25519(_) => &[SignatureScheme::ED25519],
            Kind::Rsa(_) => &[
                SignatureScheme::RSA_PSS_RSAE_SHA256,
                SignatureScheme::RSA_PSS_RSAE_SHA384,
                SignatureScheme::RSA_PSS_RSAE_SHA512,
            ],
        }
    }

    /// The content of subjectPublicKey in the certificate that belongs to this key: an uncompressed point, the 32 bytes of
    /// Ed25519, or the DER of an RSAPublicKey.
    pub fn public_key(&self) -> &[u8] {
        match &self.0 {
            Kind::EcdsaP256(key) | Kind::EcdsaP384(key) => key.public_key().as_ref(),
            Kind::Ed25519(key) => key.public_key().as_ref(),
            Kind::Rsa(key) => key.public_key().as_ref(),
        }
    }

    /// Signs `message`, which is hashed here, into the form that the scheme has in TLS (ECDSA: DER).
    ///
    /// # Errors
    /// [`Error::Scheme`] if `scheme` is not one of [`schemes`](Self::schemes), [`Error::Sign`] if the backend fails.
    pub fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, Error> {
        if !self.schemes().contains(&scheme) {
            return Err(Error::Scheme);
        }
        #[cfg(any(test, pith_test))]
        if crate::fault::is_due() {
            return Err(Error::Sign);
        }
        let random = SystemRandom::new();
        let signature = match &self.0 {
            Kind::EcdsaP256(key) | Kind::EcdsaP384(key) => key.sign(&random, message),
            Kind::Ed25519(key) => key.try_sign(message),
            Kind::Rsa(key) => {
                let encoding: &'static dyn RsaEncoding = match scheme {
                    SignatureScheme::RSA_PSS_RSAE_SHA384 => &sig::RSA_PSS_SHA384,
                    SignatureScheme::RSA_PSS_RSAE_SHA512 => &sig::RSA_PSS_SHA512,
                    _ => &sig::RSA_PSS_SHA256,
                };
                let mut out = vec![0; key.public_modulus_len()];
                return match key.sign(encoding, &random, message, &mut out) {
                    Ok(()) => Ok(out),
                    Err(_) => Err(Error::Sign),
                };
            }
        };
        signature
            .map(|signature| signature.as_ref().to_vec())
            .map_err(|_| Error::Sign)
    }
}

/// An ECDSA key from PKCS#8 or SEC1, whichever curve it is on.
fn ecdsa(der: &[u8]) -> Option<Kind> {
    EcdsaKeyPair::from_private_key_der(&sig::ECDSA_P256_SHA256_ASN1_SIGNING, der)
        .map(Kind::EcdsaP256)
        .or_else(|_| {
            EcdsaKeyPair::from_private_key_der(&sig::ECDSA_P384_SHA384_ASN1_SIGNING, der)
                .map(Kind::EcdsaP384)
        })
        .ok()
}
