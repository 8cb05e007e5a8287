//! Raw public keys in place of certificates (RFC 7250): what a peer presents, and whether it is trusted.
//!
//! A raw key says nothing but itself: no name, no dates, no issuer. So it is trusted by the caller's pins alone, and a key that
//! is not pinned ends the connection, whether the peer had to authenticate or was only asked to (known attack: a client that
//! goes on after a raw key that it could not verify). In: the entries of a Certificate message and the type that was
//! negotiated. Out: [`Presented`], in which the two kinds cannot be taken for each other.

use pith_crypto::{Hash, SigningKey};
use pki_types::{CertificateDer, SubjectPublicKeyInfoDer};

use super::chain_cache::ChainCache;
use super::error::{CertificateError, ConfigError, Reason, Which};
use super::verify::{Peer, PinnedKeys, Trust, refused_certificate, verify_chain};
use super::{der, webpki};
use crate::Now;
use crate::error::Fault;
use crate::policy::Policy;
use crate::wire::registry::CertificateType;

/// The pin of a raw public key, given as its DER-encoded SubjectPublicKeyInfo: the same as [`key_pin`](super::key_pin) of a
/// certificate with that key.
///
/// # Errors
/// [`ConfigError::Certificate`] if it does not parse.
pub fn raw_key_pin(key: &SubjectPublicKeyInfoDer<'_>) -> Result<[u8; 32], ConfigError> {
    webpki::check_raw_key(key)
        .and_then(|()| pin(key))
        .map_err(|reason| refused_certificate("the keys to pin", 0, reason))
}

/// What a peer shows of itself.
#[derive(Debug, Clone)]
pub(crate) enum Presented<'a> {
    /// Certificates, the leaf first. None of a client that has none.
    Chain(Vec<CertificateDer<'a>>),
    /// A key alone.
    RawKey(SubjectPublicKeyInfoDer<'a>),
}

impl<'a> Presented<'a> {
    /// The entries of a Certificate message, by the type that was negotiated.
    pub(crate) fn new(
        kind: CertificateType,
        mut entries: Vec<CertificateDer<'a>>,
    ) -> Result<Self, Fault> {
        if kind == CertificateType::X509 {
            return Ok(Self::Chain(entries));
        }
        let key = entries.pop();
        // rfc9846#4.5.1-10
        if !entries.is_empty() {
            return Err(Fault::RawKeyList);
        }
        Ok(match key {
            Some(key) => Self::RawKey(SubjectPublicKeyInfoDer::from(key.to_vec())),
            None => Self::Chain(Vec::new()),
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Chain(chain) if chain.is_empty())
    }

    /// Empty for a raw key.
    pub(crate) fn chain(&self) -> &[CertificateDer<'a>] {
        match self {
            Self::Chain(chain) => chain,
            Self::RawKey(_) => &[],
        }
    }

    pub(crate) fn raw_key(&self) -> Option<&SubjectPublicKeyInfoDer<'a>> {
        match self {
            Self::Chain(_) => None,
            Self::RawKey(key) => Some(key),
        }
    }

    pub(crate) fn into_owned(self) -> Presented<'static> {
        match self {
            Self::Chain(chain) => {
                Presented::Chain(chain.into_iter().map(CertificateDer::into_owned).collect())
            }
            Self::RawKey(key) => Presented::RawKey(key.into_owned()),
        }
    }
}

/// Decides whether what a peer presents is trusted, with signatures that `policy` allows. `chains` are those that `trust` accepted a
/// short while ago.
pub(crate) fn verify_presented(
    trust: &Trust,
    policy: &'static Policy,
    chains: Option<&ChainCache>,
    presented: &Presented<'_>,
    peer: Peer<'_>,
    now: Now,
) -> Result<(), CertificateError> {
    match presented {
        Presented::Chain(chain) => match chains {
            Some(chains) => chains.verify(trust, policy, chain, peer, now),
            None => verify_chain(trust, policy, chain, peer, now),
        },
        Presented::RawKey(key) => verify_raw_key(trust, key)
            .map_err(|reason| CertificateError::new(Which::RawKey, reason)),
    }
}

fn verify_raw_key(trust: &Trust, key: &SubjectPublicKeyInfoDer<'_>) -> Result<(), Reason> {
    webpki::check_raw_key(key)?;
    match trust {
        // Never agreed upon: neither role offers or takes a raw key where it trusts roots.
        Trust::Roots(_) | Trust::PreSharedKeys => {
            Err(Reason::Unsupported("a key without a certificate"))
        }
        Trust::PinnedKeys(pins) => check_pin(pins, pin(key)?),
    }
}

/// Whether a key is one of those that are pinned.
pub(super) fn check_pin(PinnedKeys(pins): &PinnedKeys, key: [u8; 32]) -> Result<(), Reason> {
    match pins.contains(&key) {
        true => Ok(()),
        false => Err(Reason::KeyNotPinned {
            key,
            pins: pins.len(),
        }),
    }
}

/// The SHA-256 of a SubjectPublicKeyInfo.
pub(super) fn pin(info: &[u8]) -> Result<[u8; 32], Reason> {
    let digest = Hash::Sha256.digest(info);
    digest
        .as_ref()
        .try_into()
        .map_err(|_| Reason::Malformed("its key"))
}

/// The SubjectPublicKeyInfo of a private key (rfc7250#3-1).
pub(super) fn public_key_info(key: &SigningKey) -> Option<SubjectPublicKeyInfoDer<'static>> {
    let algorithm = webpki::key_algorithm(*key.schemes().first()?)?;
    let bits = [&[0], key.public_key()].concat();
    let fields = [der::sequence(&algorithm), der::bit_string(&bits)].concat();
    Some(der::sequence(&fields).into())
}
