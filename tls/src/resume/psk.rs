//! External pre-shared keys, which enter TLS only as imported ones (RFC 9258).
//!
//! An [`ExternalPsk`] belongs to one role of this side (RFC 9257): a node that takes the same key as client and as server could be
//! talked into a handshake with itself (T07). Importing derives, for each hash of a key schedule, an [`ImportedPsk`] whose
//! identity names the protocol and that hash. Identities are bytes, zeros and all.

use pith_crypto::hkdf::{expand_label, extract};
use pith_crypto::{Hash, Secret};

use crate::auth::ConfigError;
use crate::error::Local;
use crate::event::Role;
use crate::limits;
use crate::wire::MessageKind;
use crate::wire::reader::Reader;
use crate::wire::writer::Writer;

/// A pre-shared key that was agreed on outside of TLS: an identity, a context, a key and a hash. It can be moved, and neither
/// copied nor printed.
///
/// ```
/// use pith_tls::{ConfigError, ExternalPsk, Hash, Role, role_context};
///
/// /// `key`: 16 random bytes or more, which this device and its server were given, and nobody else.
/// fn of_device(name: &[u8], key: &[u8]) -> Result<ExternalPsk, ConfigError> {
///     let context = role_context(name, b"server.example.org")?;
///     ExternalPsk::new(Role::Client, name, &context, key, Hash::Sha256)
/// }
/// assert!(of_device(b"device 7", &[7; 32]).is_ok());
/// ```
pub struct ExternalPsk {
    pub(crate) role: Role,
    identity: Box<[u8]>,
    context: Box<[u8]>,
    /// The only one (rfc9258#4-2, rfc9846#4.3.11-2).
    hash: Hash,
    /// The key after HKDF-Extract; the key itself is not kept.
    extracted: Secret,
}

/// The identity of an imported key, as it stands in a ClientHello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportedIdentity<'a> {
    /// Which external key it is of.
    pub external_identity: &'a [u8],
    /// What the two sides agreed the key is for.
    pub context: &'a [u8],
    target: Hash,
}

/// A pre-shared key for one role, TLS 1.3 and one hash.
pub struct ImportedPsk {
    pub(crate) role: Role,
    pub(crate) identity: Box<[u8]>,
    pub(crate) hash: Hash,
    pub(crate) secret: Secret,
}

/// A context that names who is client and who is server, so that no side can be made to talk to itself (RFC 9258 appendix A).
/// Both sides have to give the same names; each is of at most 255 bytes.
///
/// # Errors
/// [`ConfigError::TooMany`] for a longer one.
pub fn role_context(client: &[u8], server: &[u8]) -> Result<Vec<u8>, ConfigError> {
    let mut w = Writer::default();
    for name in [client, server] {
        w.vec8(|w| w.bytes(name));
    }
    w.finish().map_err(|_| ConfigError::TooMany {
        what: "bytes in the name of a side of a pre-shared key",
        limit: 255,
        got: client.len().max(server.len()),
    })
}

impl ExternalPsk {
    /// A key of at least 16 bytes (RFC 9257), for this side in the one role. `context` says what it is for, best by
    /// [`role_context`]; both it and the identity can be read by anybody on the way. `hash` belongs to the key: SHA-256, unless
    /// the two sides agreed on another.
    ///
    /// # Errors
    /// [`ConfigError::Unsupported`] for a shorter key, `Empty` without an identity, `TooMany` if identity and context are
    /// together of over [`limits::PSK_IDENTITY`] bytes.
    pub fn new(
        role: Role,
        identity: &[u8],
        context: &[u8],
        key: &[u8],
        hash: Hash,
    ) -> Result<Self, ConfigError> {
        if identity.is_empty() {
            return Err(ConfigError::Empty {
                what: "the identity of a pre-shared key",
            });
        }
        let got = identity.len().saturating_add(context.len());
        if got > limits::PSK_IDENTITY {
            return Err(ConfigError::TooMany {
                what: "bytes in the identity and context of a pre-shared key",
                limit: limits::PSK_IDENTITY,
                got,
            });
        }
        if key.len() < SHORTEST_KEY {
            return Err(ConfigError::Unsupported {
                what: "a pre-shared key of fewer than 16 bytes",
            });
        }
        let extracted = extract(hash, &[], key).map_err(|_| ConfigError::Unsupported {
            what: "a pre-shared key that HKDF-Extract does not take",
        })?;
        Ok(Self {
            role,
            identity: identity.into(),
            context: context.into(),
            hash,
            extracted,
        })
    }

    /// Derives the key for the cipher suites of this hash (RFC 9258 section 5.1).
    ///
    /// # Errors
    /// [`ConfigError::Unsupported`] if a primitive fails.
    pub fn import(&self, target: Hash) -> Result<ImportedPsk, ConfigError> {
        self.derive(target).map_err(|_| ConfigError::Unsupported {
            what: "a pre-shared key that cannot be imported",
        })
    }

    /// The key that a client names by this identity, if it is imported from this one.
    #[must_use]
    pub fn import_for(&self, identity: &ImportedIdentity<'_>) -> Option<ImportedPsk> {
        let same =
            *identity.external_identity == *self.identity && *identity.context == *self.context;
        same.then(|| self.derive(identity.target).ok()).flatten()
    }

    fn derive(&self, target: Hash) -> Result<ImportedPsk, crate::error::Error> {
        let identity = ImportedIdentity {
            external_identity: &self.identity,
            context: &self.context,
            target,
        }
        .encode()?;
        let digest = self.hash.digest(&identity);
        let secret = Secret::filled(target.len(), |out| {
            expand_label(
                self.hash,
                &self.extracted,
                "derived psk",
                digest.as_ref(),
                out,
            )
        })?;
        Ok(ImportedPsk {
            role: self.role,
            identity: identity.into(),
            hash: target,
            secret,
        })
    }
}

impl<'a> ImportedIdentity<'a> {
    /// Reads an identity as a client sent it; `None` if it is not one of an imported key for TLS 1.3 and a hash that is known.
    #[must_use]
    pub fn parse(identity: &'a [u8]) -> Option<Self> {
        let mut r = Reader::new(identity, MessageKind::ClientHello);
        let external_identity = r.vec16(1).ok()?;
        let context = r.vec16(0).ok()?;
        let protocol = r.u16().ok()?;
        let target = hash_of_kdf(r.u16().ok()?)?;
        r.finish().ok()?;
        (protocol == TLS13).then_some(Self {
            external_identity,
            context,
            target,
        })
    }

    /// The hash that it is for.
    #[must_use]
    pub fn target(&self) -> Hash {
        self.target
    }

    fn encode(&self) -> Result<Vec<u8>, Local> {
        let mut w = Writer::default();
        w.vec16(|w| w.bytes(self.external_identity));
        w.vec16(|w| w.bytes(self.context));
        w.u16(TLS13); // rfc9258#5.1-1, rfc9258#5.1-4
        w.u16(kdf_of_hash(self.target));
        w.finish()
    }
}

impl ImportedPsk {
    /// The identity, as it stands in a ClientHello.
    #[must_use]
    pub fn identity(&self) -> &[u8] {
        &self.identity
    }
}

fn kdf_of_hash(hash: Hash) -> u16 {
    match hash {
        Hash::Sha256 => 0x0001,
        Hash::Sha384 => 0x0002,
    }
}

fn hash_of_kdf(code: u16) -> Option<Hash> {
    [Hash::Sha256, Hash::Sha384]
        .into_iter()
        .find(|hash| kdf_of_hash(*hash) == code)
}

/// TLS 1.3, over records and over QUIC.
const TLS13: u16 = 0x0304;

/// RFC 9257 section 6.
const SHORTEST_KEY: usize = 16;

pith_crypto::assert_neither_debug_nor_clone!(ExternalPsk, ImportedPsk);
