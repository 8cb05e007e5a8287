//! HKDF (RFC 5869) with the labels of TLS 1.3 (rfc9846 section 7.1).
//!
//! Extract is HMAC into a wiped buffer of ours: the library's `Salt` is never wiped, hides its result and extracts again at every
//! expand. Expand starts from the extracted bytes and writes into a buffer that the caller owns and wipes: the library's conversions from
//! an `Okm` into a key leave the key's bytes on the stack. Labels are handed on in pieces, so nothing is allocated as long as label, context
//! and 10 bytes of framing fit in 80 bytes (all of TLS's and QUIC's own labels do; a long exporter label, which is public, does not).

use aws_lc_rs::hkdf;

use crate::{Error, Hash, Secret, mac};

/// HKDF-Extract. An empty `salt` is one of zeros; so is a missing `ikm` in TLS, which the caller gives in full length.
///
/// # Errors
/// [`Error::Internal`] if the backend fails.
pub fn extract(hash: Hash, salt: &[u8], ikm: &[u8]) -> Result<Secret, Error> {
    mac::hmac(hash, salt, ikm)
}

/// HKDF-Expand-Label: fills `out` from `secret`. The prefix "tls13 " is added to `label` here.
///
/// # Errors
/// [`Error::Length`] if `secret` is not as long as the hash's output, `label` is not of 1 to 249 bytes, `context` is longer than 255, or
/// `out` is longer than 255 outputs of the hash.
pub fn expand_label(
    hash: Hash,
    secret: &Secret,
    label: &str,
    context: &[u8],
    out: &mut [u8],
) -> Result<(), Error> {
    const PREFIX: &[u8] = b"tls13 ";
    if label.is_empty() {
        return Err(Error::Length);
    }
    let out_len = u16::try_from(out.len()).map_err(|_| Error::Length)?;
    let label_len = PREFIX.len().saturating_add(label.len());
    let label_len = u8::try_from(label_len).map_err(|_| Error::Length)?;
    let context_len = u8::try_from(context.len()).map_err(|_| Error::Length)?;
    let info: [&[u8]; 6] = [
        &out_len.to_be_bytes(),
        &[label_len],
        PREFIX,
        label.as_bytes(),
        &[context_len],
        context,
    ];
    expand(hash, secret, &info, out)
}

/// Derive-Secret over a transcript hash that the caller has taken already.
///
/// # Errors
/// As [`expand_label`].
pub fn derive_secret(
    hash: Hash,
    secret: &Secret,
    label: &str,
    transcript_hash: &[u8],
) -> Result<Secret, Error> {
    Secret::filled(hash.len(), |out| {
        expand_label(hash, secret, label, transcript_hash, out)
    })
}

/// HKDF-Expand with `info` in pieces.
fn expand(hash: Hash, secret: &Secret, info: &[&[u8]], out: &mut [u8]) -> Result<(), Error> {
    let algorithm = match hash {
        Hash::Sha256 => hkdf::HKDF_SHA256,
        Hash::Sha384 => hkdf::HKDF_SHA384,
    };
    if secret.expose().len() != hash.len() {
        return Err(Error::Length);
    }
    hkdf::Prk::new_less_safe(algorithm, secret.expose())
        .expand(info, OutputLength(out.len()))
        .map_err(|_| Error::Length)?
        .fill(out)
        .map_err(|_| Error::Internal("HKDF-Expand"))
}

struct OutputLength(usize);

impl hkdf::KeyType for OutputLength {
    fn len(&self) -> usize {
        self.0
    }
}
