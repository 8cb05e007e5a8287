//! What a peer must prove: that its certificate is trusted for the name asked for, and that it holds the key.
//!
//! In: the certificates as they came, the name that the caller gave to the constructor, the time, and later the signature of
//! a CertificateVerify. Out: one verdict, and a [`PeerProof`] that a handshake cannot end without (RFC 9846 section 4.5).
//! A caller may refuse more by a [`ChainVerifier`], never less.

use core::time::Duration;

use pith_crypto::SignatureScheme;
use pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, TrustAnchor};

use super::credential::items_from_pem;
use super::crl::Crls;
use super::der;
use super::error::{CertificateError, ConfigError, Reason, Which};
use super::raw_key::{self, check_pin};
use super::webpki;
use crate::Now;
use crate::error::Error;
use crate::mark::{Mark, mark, mark_of_set};
use crate::policy::Policy;
use crate::schedule::early::{BinderVerified, PskInUse};
use crate::schedule::secrets::FinishedVerified;
use crate::wire::registry::CertificateType;

/// What one side trusts of the other. There is no way to trust everything: a self-signed peer is pinned (rfc9846#C.5-1).
#[derive(Debug, Clone)]
pub enum Trust {
    /// Certificates that lead to one of these roots, for the name asked for, at the time given.
    Roots(Roots),
    /// Keys, each known in advance.
    PinnedKeys(PinnedKeys),
    /// No certificate and no public key at all: the peer has to hold a pre-shared key that the configuration is given.
    PreSharedKeys,
}

/// Trusted CAs: at least one, perhaps with the lists of what they and the CAs below them have revoked.
#[derive(Debug, Clone)]
pub struct Roots {
    anchors: Vec<TrustAnchor<'static>>,
    crls: Option<Crls>,
}

/// Trusted keys: at least one, each as the SHA-256 of a leaf's DER-encoded SubjectPublicKeyInfo.
///
/// The key is the identity. Name, dates and issuer of the certificate around it carry no meaning and are not looked at; with
/// raw public keys (RFC 7250) there is none.
#[derive(Debug, Clone)]
pub struct PinnedKeys(pub(super) Vec<[u8; 32]>);

/// A peer's certificates or its raw public key, after [`Trust`] has accepted them.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct PeerChain<'a> {
    /// The leaf, then what came with it, in the peer's order. Empty where a raw public key came.
    pub certificates: &'a [CertificateDer<'a>],
    /// The key of a peer that shows one in place of certificates (RFC 7250). It is pinned.
    pub raw_key: Option<&'a SubjectPublicKeyInfoDer<'a>>,
    /// The name that a server was to prove; a client has none.
    pub name: Option<&'a ServerName<'a>>,
    /// The OCSP response that was stapled to the leaf, if one was asked for and came. Nobody has looked into it.
    pub ocsp_response: Option<&'a [u8]>,
    /// The time of the check.
    pub now: Now,
}

/// The caller's own check of a chain. It is asked after [`Trust`] has accepted the chain, so it can only refuse.
pub trait ChainVerifier: Send + Sync {
    /// Accepts or refuses the chain, or says that the answer comes later.
    fn verify(&self, peer: &PeerChain<'_>) -> Verdict;
}

/// A [`ChainVerifier`]'s answer.
#[derive(Debug)]
pub enum Verdict {
    /// Accepted, or refused with the reason. [`CertificateError::new`] makes one.
    Now(Result<(), CertificateError>),
    /// Accepted, and known to the application as these bytes: an account, say. [`Summary::peer_identity`](crate::Summary::peer_identity) has them
    /// in this connection and in those that resume it. More than [`limits::IDENTITY`](crate::limits::IDENTITY) bytes end the connection.
    Known(Box<[u8]>),
    /// The connection asks its owner and waits.
    Later,
}

/// The SHA-256 of a SubjectPublicKeyInfo.
pub(crate) type Pin = [u8; 32];

/// What the application knows an accepted peer as, if it said so.
pub(crate) type Known = Option<Box<[u8]>>;

/// That the peer proved who it is, by a certificate or a pre-shared key, or did not have to. Made only here, and a handshake cannot complete without one (known
/// attack: a state machine that reaches Finished without a CertificateVerify).
#[must_use]
#[derive(Debug)]
pub(crate) struct PeerProof(());

impl Trust {
    /// The distinguished names of the roots, in DER, as a CertificateRequest names them.
    pub(crate) fn authorities(&self) -> Vec<Vec<u8>> {
        match self {
            Self::Roots(roots) => roots
                .anchors
                .iter()
                .map(|anchor| der::sequence(&anchor.subject))
                .collect(),
            Self::PinnedKeys(_) | Self::PreSharedKeys => Vec::new(),
        }
    }

    /// Stands for what is trusted, alike on each machine that trusts the same: names, keys and constraints of the roots and
    /// their revocation lists, or the pins, in any order.
    pub(crate) fn mark(&self) -> Mark {
        match self {
            Self::Roots(Roots { anchors, crls }) => {
                let anchor = |anchor: &TrustAnchor<'_>| {
                    let constraints = anchor.name_constraints.as_deref().unwrap_or_default();
                    mark(
                        "root",
                        &[
                            &anchor.subject,
                            &anchor.subject_public_key_info,
                            constraints,
                        ],
                    )
                };
                let roots = mark_of_set("roots", anchors.iter().map(anchor));
                let lists = crls.as_ref().map_or([0; 32], Crls::mark);
                mark("roots and lists", &[&roots, &lists])
            }
            Self::PinnedKeys(PinnedKeys(pins)) => mark_of_set("pins", pins.iter().copied()),
            Self::PreSharedKeys => mark("pre-shared keys", &[]),
        }
    }

    /// When this chain, which is accepted now, will be no more: with the first of its certificates to expire, as it came, since
    /// any may be on the path. Those that have expired already are not. A pinned key does not expire.
    pub(crate) fn expiry(&self, chain: &[CertificateDer<'_>], now: Now) -> Option<Duration> {
        match self {
            Self::Roots(_) => {
                let mut dates = chain.iter().map(webpki::not_after);
                let leaf = dates.next().flatten().unwrap_or_default();
                // A certificate is good to the end of the second of its notAfter.
                let second = Duration::from_secs(now.unix.as_secs());
                let others = dates.flatten().filter(|date| *date >= second);
                Some(others.fold(leaf, Duration::min))
            }
            Self::PinnedKeys(_) | Self::PreSharedKeys => None,
        }
    }

    /// The last second in which this chain, which is accepted now, is accepted for sure; `None` where it takes no signature to say so.
    pub(super) fn last_second(&self, chain: &[CertificateDer<'_>], now: Now) -> Option<u64> {
        let Self::Roots(Roots { crls, .. }) = self else {
            return None;
        };
        let expiry = self.expiry(chain, now)?.as_secs();
        let update = crls.as_ref().and_then(|crls| crls.next_update(now.unix));
        // A list is out of date in the second of its nextUpdate.
        let lists = update.map_or(u64::MAX, |update| update.as_secs().saturating_sub(1));
        Some(expiry.min(lists))
    }

    /// What can be judged by this trust: a raw public key by pins alone.
    pub(crate) fn certificate_types(&self) -> &'static [CertificateType] {
        match self {
            Self::Roots(_) => &[CertificateType::X509],
            Self::PinnedKeys(_) => &[CertificateType::RawPublicKey, CertificateType::X509],
            Self::PreSharedKeys => &[],
        }
    }

    /// Trusts the CA certificates of a PEM file. Sections of other kinds are passed over.
    ///
    /// # Errors
    /// [`ConfigError::Missing`] without any certificate, `Pem` for a damaged one, `Certificate` for one that does not parse.
    pub fn roots_from_pem(pem: &[u8]) -> Result<Self, ConfigError> {
        Self::roots_from_der(&items_from_pem::<CertificateDer<'_>>(
            pem,
            "CA certificates in PEM",
        )?)
    }

    /// Trusts these CA certificates.
    ///
    /// # Errors
    /// [`ConfigError::Empty`] without any, `Certificate` for one that does not parse.
    pub fn roots_from_der(certificates: &[CertificateDer<'_>]) -> Result<Self, ConfigError> {
        let anchor = |(place, certificate)| {
            webpki::anchor(certificate)
                .map_err(|reason| refused_certificate("the trusted roots", place, reason))
        };
        Self::roots_from_anchors(
            certificates
                .iter()
                .enumerate()
                .map(anchor)
                .collect::<Result<_, _>>()?,
        )
    }

    /// Trusts these anchors, such as a list that is built into a program.
    ///
    /// # Errors
    /// [`ConfigError::Empty`] without any.
    pub fn roots_from_anchors(anchors: Vec<TrustAnchor<'static>>) -> Result<Self, ConfigError> {
        match anchors.is_empty() {
            true => Err(ConfigError::Empty {
                what: "trusted root",
            }),
            false => Ok(Self::Roots(Roots {
                anchors,
                crls: None,
            })),
        }
    }

    /// Refuses certificates that these lists revoke, or leave in doubt; they take the place of earlier ones. Each connection
    /// checks the signature of each list that it needs.
    ///
    /// # Errors
    /// [`ConfigError::Unsupported`] for pinned keys, which have no issuer: leave out the pin of a key that was revoked.
    pub fn with_crls(self, crls: Crls) -> Result<Self, ConfigError> {
        match self {
            Self::Roots(Roots { anchors, .. }) => Ok(Self::Roots(Roots {
                anchors,
                crls: Some(crls),
            })),
            Self::PinnedKeys(_) | Self::PreSharedKeys => Err(ConfigError::Unsupported {
                what: "a revocation list beside pinned keys",
            }),
        }
    }

    /// Trusts keys, each given by its pin; see [`key_pin`].
    ///
    /// # Errors
    /// [`ConfigError::Empty`] without any.
    pub fn pinned_keys(
        sha256_of_spki: impl IntoIterator<Item = [u8; 32]>,
    ) -> Result<Self, ConfigError> {
        let pins: Vec<_> = sha256_of_spki.into_iter().collect();
        match pins.is_empty() {
            true => Err(ConfigError::Empty { what: "pinned key" }),
            false => Ok(Self::PinnedKeys(PinnedKeys(pins))),
        }
    }
}

/// The pin of a certificate's key: the SHA-256 of its DER-encoded SubjectPublicKeyInfo, as in RFC 7469 section 2.4.
///
/// # Errors
/// [`ConfigError::Certificate`] if it does not parse.
pub fn key_pin(certificate: &CertificateDer<'_>) -> Result<[u8; 32], ConfigError> {
    pin_of(certificate).map_err(|reason| refused_certificate("those to pin", 0, reason))
}

/// Who shows a chain, and so what it must be good for.
#[derive(Clone, Copy)]
pub(crate) enum Peer<'a> {
    /// A server, for this name.
    Server(&'a ServerName<'a>),
    /// A client. Which one it is, is the application's business.
    Client,
}

/// Decides whether a peer's `chain` is trusted, with signatures that `policy` allows.
pub(crate) fn verify_chain(
    trust: &Trust,
    policy: &'static Policy,
    chain: &[CertificateDer<'_>],
    peer: Peer<'_>,
    now: Now,
) -> Result<(), CertificateError> {
    let at_leaf = |reason| CertificateError::new(Which::Leaf, reason);
    let leaf = chain.first().ok_or(at_leaf(Reason::Absent))?;
    match trust {
        Trust::Roots(Roots { anchors, crls }) => {
            webpki::verify_peer(anchors, crls.as_ref(), policy, chain, peer, now.unix)?;
        }
        Trust::PinnedKeys(pins) => {
            let key = pin_of(leaf).map_err(at_leaf)?;
            check_pin(pins, key).map_err(at_leaf)?;
        }
        Trust::PreSharedKeys => {
            return Err(at_leaf(Reason::Unsupported(
                "a certificate in place of a pre-shared key",
            )));
        }
    }
    // A rule of TLS 1.3 that webpki leaves to us, for a pinned key too, as it says what the key may do.
    match der::allows_signing(leaf) {
        Some(true) => Ok(()), // rfc9846#4.5.1.2-3
        Some(false) => Err(at_leaf(Reason::NotForSigning)),
        None => Err(at_leaf(Reason::Malformed("its Key Usage"))),
    }
}

/// Checks a CertificateVerify: `message` is the whole content that is signed, context string and transcript hash included. With the proof
/// comes the pin of the key that made it.
///
/// The caller has checked that it offered `scheme`; here it must be one for CertificateVerify and fit the leaf's key.
pub(crate) fn verify_signature(
    leaf: &CertificateDer<'_>,
    scheme: SignatureScheme,
    message: &[u8],
    signature: &[u8],
) -> Result<(PeerProof, Option<Pin>), Error> {
    match webpki::verify_signature(leaf, scheme, message, signature) {
        Ok(key) => Ok((PeerProof(()), raw_key::pin(&key).ok())), // rfc9846#4.5.2-8
        Err(fault) => Err(Error::Fault(fault)),
    }
}

/// As [`verify_signature`], with a raw public key.
pub(crate) fn verify_raw_signature(
    key: &SubjectPublicKeyInfoDer<'_>,
    scheme: SignatureScheme,
    message: &[u8],
    signature: &[u8],
) -> Result<(PeerProof, Option<Pin>), Error> {
    match webpki::verify_raw_signature(key, scheme, message, signature) {
        Ok(()) => Ok((PeerProof(()), raw_key::pin(key).ok())), // rfc9846#4.5.2-8
        Err(fault) => Err(Error::Fault(fault)),
    }
}

impl PeerProof {
    /// For a server that asked its client for no certificate, or allows it to have none. A client has no use for this: its
    /// peer always proves itself.
    pub(crate) fn not_required() -> Self {
        Self(())
    }

    /// For a server: the client holds the pre-shared key that this server accepted.
    pub(crate) fn of_binder(_: BinderVerified) -> Self {
        Self(())
    }

    /// For a client: the server holds the pre-shared key that it selected.
    pub(crate) fn of_finished(_: PskInUse, _: FinishedVerified) -> Self {
        Self(())
    }
}

pub(super) fn refused_certificate(list: &'static str, place: usize, reason: Reason) -> ConfigError {
    ConfigError::Certificate {
        list,
        number: place.saturating_add(1),
        reason,
    }
}

fn pin_of(certificate: &CertificateDer<'_>) -> Result<[u8; 32], Reason> {
    raw_key::pin(&webpki::public_key_info(certificate)?)
}
