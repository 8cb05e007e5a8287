//! Signature schemes by their IANA number, and private keys that sign.
//!
//! A key is ECDSA over P-256, P-384 or P-521, Ed25519, ML-DSA or RSA of 2048 to 8192 bits, and signs with the TLS 1.3 schemes of
//! its kind alone (rfc9846 section 4.3.3, draft-ietf-tls-mldsa): an ECDSA curve has one hash, RSA signs with PSS, and ML-DSA
//! with an empty context. The numbers of RSA PKCS#1 v1.5 stand here since certificates may carry such signatures; no key signs
//! so. An RSA key is one of rsaEncryption: id-RSASSA-PSS keys are not taken. Keys come in as DER; wiping the DER is the
//! caller's business.

use core::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    self as sig, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, PqdsaKeyPair,
    PqdsaSigningAlgorithm, RsaEncoding, RsaKeyPair,
};
use pki_types::PrivateKeyDer;

use crate::Error;

/// A signature scheme by its number in the IANA registry, known to us or not.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SignatureScheme(pub u16);

/// A private key for CertificateVerify.
pub struct SigningKey {
    kind: Kind,
    schemes: &'static [SignatureScheme],
}

enum Kind {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    MlDsa(PqdsaKeyPair),
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
    MLDSA44 = 0x0904, "mldsa44";
    MLDSA65 = 0x0905, "mldsa65";
    MLDSA87 = 0x0906, "mldsa87";
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
    /// A key from PKCS#8, SEC1 or PKCS#1 DER, unencrypted. Its public half is computed or checked. ML-DSA comes as a seed, as
    /// the expanded key or as both (RFC 9881 section 6).
    ///
    /// # Errors
    /// [`Error::Key`] if the DER is malformed, the halves do not belong together, or the key is of another kind or size.
    pub fn from_der(key: &PrivateKeyDer<'_>) -> Result<Self, Error> {
        let key = match key {
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der())
                .ok()
                .map(Self::rsa),
            PrivateKeyDer::Sec1(der) => Self::ecdsa(der.secret_sec1_der()),
            PrivateKeyDer::Pkcs8(der) => {
                let der = der.secret_pkcs8_der();
                Self::ecdsa(der)
                    .or_else(|| Ed25519KeyPair::from_pkcs8(der).ok().map(Self::ed25519))
                    .or_else(|| RsaKeyPair::from_pkcs8(der).ok().map(Self::rsa))
                    .or_else(|| Self::ml_dsa(der))
            }
            _ => None,
        };
        key.ok_or(Error::Key)
    }

    /// The schemes that this key can sign with, best first.
    pub fn schemes(&self) -> &'static [SignatureScheme] {
        self.schemes
    }

    /// The content of subjectPublicKey in the certificate that belongs to this key: an uncompressed point, the 32 bytes of
    /// Ed25519, the encoded key of ML-DSA, or the DER of an RSAPublicKey.
    pub fn public_key(&self) -> &[u8] {
        match &self.kind {
            Kind::Ecdsa(key) => key.public_key().as_ref(),
            Kind::Ed25519(key) => key.public_key().as_ref(),
            Kind::MlDsa(key) => key.public_key().as_ref(),
            Kind::Rsa(key) => key.public_key().as_ref(),
        }
    }

    /// Signs `message`, which is hashed here, into the form that the scheme has in TLS (ECDSA: DER).
    ///
    /// # Errors
    /// [`Error::Scheme`] if `scheme` is not one of [`schemes`](Self::schemes), [`Error::Sign`] if the backend fails.
    pub fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, Error> {
        if !self.schemes.contains(&scheme) {
            return Err(Error::Scheme);
        }
        #[cfg(any(test, pith_test))]
        if crate::fault::is_due() {
            return Err(Error::Sign);
        }
        let random = SystemRandom::new();
        let signature = match &self.kind {
            Kind::Ecdsa(key) => key
                .sign(&random, message)
                .map(|signature| signature.as_ref().to_vec()),
            Kind::Ed25519(key) => key
                .try_sign(message)
                .map(|signature| signature.as_ref().to_vec()),
            Kind::MlDsa(key) => {
                let mut out = vec![0; key.algorithm().signature_len()];
                key.sign(message, &mut out).map(|_| out)
            }
            Kind::Rsa(key) => {
                let encoding: &'static dyn RsaEncoding = match scheme {
                    // rfc9846#4.3.3-4: these algorithms salt with as many bytes as the hash has.
                    SignatureScheme::RSA_PSS_RSAE_SHA384 => &sig::RSA_PSS_SHA384,
                    SignatureScheme::RSA_PSS_RSAE_SHA512 => &sig::RSA_PSS_SHA512,
                    _ => &sig::RSA_PSS_SHA256,
                };
                let mut out = vec![0; key.public_modulus_len()];
                key.sign(encoding, &random, message, &mut out).map(|()| out)
            }
        };
        signature.map_err(|_| Error::Sign)
    }

    /// An ECDSA key from PKCS#8 or SEC1, whichever curve it is on.
    fn ecdsa(der: &[u8]) -> Option<Self> {
        ECDSA.iter().find_map(|(algorithm, schemes)| {
            let key = EcdsaKeyPair::from_private_key_der(algorithm, der).ok()?;
            Some(Self {
                kind: Kind::Ecdsa(key),
                schemes,
            })
        })
    }

    /// An ML-DSA key from PKCS#8, whichever parameter set it has.
    fn ml_dsa(der: &[u8]) -> Option<Self> {
        ML_DSA.iter().find_map(|(algorithm, schemes)| {
            let key = PqdsaKeyPair::from_pkcs8(algorithm, der).ok()?;
            Some(Self {
                kind: Kind::MlDsa(key),
                schemes,
            })
        })
    }

    fn ed25519(key: Ed25519KeyPair) -> Self {
        Self {
            kind: Kind::Ed25519(key),
            schemes: &[SignatureScheme::ED25519],
        }
    }

    fn rsa(key: RsaKeyPair) -> Self {
        Self {
            kind: Kind::Rsa(key),
            schemes: &[
                SignatureScheme::RSA_PSS_RSAE_SHA256,
                SignatureScheme::RSA_PSS_RSAE_SHA384,
                SignatureScheme::RSA_PSS_RSAE_SHA512,
            ],
        }
    }
}

type Table<Algorithm> = [(&'static Algorithm, &'static [SignatureScheme]); 3];

static ECDSA: Table<EcdsaSigningAlgorithm> = [
    (
        &sig::ECDSA_P256_SHA256_ASN1_SIGNING,
        &[SignatureScheme::ECDSA_SECP256R1_SHA256],
    ),
    (
        &sig::ECDSA_P384_SHA384_ASN1_SIGNING,
        &[SignatureScheme::ECDSA_SECP384R1_SHA384],
    ),
    (
        &sig::ECDSA_P521_SHA512_ASN1_SIGNING,
        &[SignatureScheme::ECDSA_SECP521R1_SHA512],
    ),
];

static ML_DSA: Table<PqdsaSigningAlgorithm> = [
    (&sig::ML_DSA_44_SIGNING, &[SignatureScheme::MLDSA44]),
    (&sig::ML_DSA_65_SIGNING, &[SignatureScheme::MLDSA65]),
    (&sig::ML_DSA_87_SIGNING, &[SignatureScheme::MLDSA87]),
];
