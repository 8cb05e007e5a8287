//! The primitives of Pith: secrets, hashes, HMAC, HKDF, AEAD, signing keys and random bytes.
//!
//! With `pith-pq` this is the only crate that names aws-lc-rs, so that a reviewer finds every use of it, and every trap of it, here.
//! Bytes go in as slices and come out in the caller's buffers or in types that are wiped on drop; nothing is kept in
//! globals and nothing is chosen at run time. No primitive is implemented here: what this crate adds is the shape (who owns a
//! secret, which lengths are legal, how often a key may be used) and errors that say what failed without saying why it failed to a peer.
//!
//! Signatures of certificates and of CertificateVerify are checked by rustls-webpki above this crate.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::as_conversions))]

pub mod aead;
mod error;
#[cfg(any(test, pith_test))]
pub mod fault;
pub mod hash;
pub mod header_mask;
pub mod hkdf;
pub mod mac;
pub mod packet;
pub mod random;
pub mod secret;
pub mod sign;
#[cfg(any(test, pith_test))]
pub mod taint;

pub use aead::{Aead, OpeningKey, SealingKey};
pub use error::Error;
pub use hash::{Digest, Hash, Hasher};
pub use header_mask::HeaderKey;
pub use packet::{PacketOpeningKey, PacketSealingKey};
pub use secret::{Secret, SharedSecret, Wiped};
pub use sign::{SignatureScheme, SigningKey};

/// Fails to compile if a type is `Debug` or `Clone`: `probe` then has two candidates and cannot be inferred. Every crate asserts
/// it for its key-holding types, so that no later derive lets a secret be printed or doubled.
///
/// ```
/// struct Key([u8; 32]);
/// pith_crypto::assert_neither_debug_nor_clone!(Key);
/// ```
/// ```compile_fail
/// #[derive(Clone)]
/// struct Key([u8; 32]);
/// pith_crypto::assert_neither_debug_nor_clone!(Key);
/// ```
/// ```compile_fail
/// #[derive(Debug)]
/// struct Key([u8; 32]);
/// pith_crypto::assert_neither_debug_nor_clone!(Key);
/// ```
#[macro_export]
macro_rules! assert_neither_debug_nor_clone {
    ($($kind:ty),+) => {$(
        const _: fn() = || {
            trait Probe<Marker> {
                fn probe() {}
            }
            impl<T: ?Sized> Probe<()> for T {}
            impl<T: ?Sized + ::core::fmt::Debug> Probe<u8> for T {}
            impl<T: Clone> Probe<u16> for T {}
            let _ = <$kind as Probe<_>>::probe;
        };
    )+};
}
assert_neither_debug_nor_clone!(Secret, SharedSecret, SealingKey, OpeningKey, SigningKey);
assert_neither_debug_nor_clone!(PacketSealingKey, PacketOpeningKey, HeaderKey);
