//! HMAC (RFC 2104) over SHA-256 and SHA-384, for Finished, binders and HKDF-Extract.
//!
//! The result is a [`Secret`], not the library's tag type, which is `Copy` and never wiped. A received MAC is compared with [`Secret::ct_eq`].

use aws_lc_rs::hmac;

use crate::{Error, Hash, Secret};

/// The HMAC of `message` under `key`, as long as the hash's output. An empty key is one of zeros.
///
/// # Errors
/// [`Error::Internal`] if the backend fails.
pub fn hmac(hash: Hash, key: &[u8], message: &[u8]) -> Result<Secret, Error> {
    let algorithm = match hash {
        Hash::Sha256 => hmac::HMAC_SHA256,
        Hash::Sha384 => hmac::HMAC_SHA384,
    };
    let key = hmac::Key::new(algorithm, key);
    Secret::filled(hash.len(), |out| {
        hmac::sign_to_buffer(&key, message, out)
            .map(drop)
            .map_err(|_| Error::Internal("HMAC"))
    })
}
