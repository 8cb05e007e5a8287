//! Authentication: who the peer is, and how we prove who we are (RFC 9846 sections 4.5.1 and 4.5.2, RFC 7250).
//!
//! [`Trust`] is what a client believes, a constructor argument without a default; [`Credential`] is what a server shows.
//! Chains are verified by rustls-webpki, behind three files; a CertificateVerify only here, and its result is the proof that a
//! handshake cannot complete without. What fails gives a [`CertificateError`] or, in a constructor, a [`ConfigError`].

mod chain_cache;
pub(crate) mod compress;
mod credential;
mod crl;
mod der;
mod error;
mod failure;
mod raw_key;
mod verify;
mod webpki;

#[cfg(test)]
mod tests;

pub(crate) use chain_cache::ChainCache;
pub use credential::{Credential, Signature, Signer};
pub use crl::Crls;
pub use error::{CertificateError, ConfigError, PeerText, Reason, Which};
pub use raw_key::raw_key_pin;
pub(crate) use verify::Known;
pub use verify::{ChainVerifier, PeerChain, PinnedKeys, Roots, Trust, Verdict, key_pin};

pub(crate) use credential::Wanted;
pub(crate) use raw_key::{Presented, verify_presented};
#[cfg(test)]
pub(crate) use verify::verify_chain;
pub(crate) use verify::{Peer, PeerProof, Pin, verify_raw_signature, verify_signature};
