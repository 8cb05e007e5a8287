#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::as_conversions))]

// Shares and replies are the `key_exchange` bytes of a KeyShareEntry (rfc9846 section 4.3.8). What a peer sent is checked for its
// exact length and encoding here, before the backend sees it, since the backend takes more than TLS has.

mod ecdh; // RFC 7748; rfc9846 sections 4.3.8.2 and 7.4.2
mod error;
mod group;
mod hybrid; // draft-ietf-tls-ecdhe-mlkem, draft-ietf-tls-hybrid-design
mod mlkem; // FIPS 203
#[cfg(test)]
mod tests;

pub use error::Error;
pub use group::Group;
pub use hybrid::{Offer, Share, answer, offer};
pub use pith_crypto::SharedSecret;

pith_crypto::assert_neither_debug_nor_clone!(Offer, ecdh::PrivateKey, mlkem::PrivateKey);
