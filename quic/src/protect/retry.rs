//! The tag of a Retry packet (RFC 9001 section 5.8): it shows that whoever sent it has seen the client's Initial packet.

use pith_crypto::aead::TAG_LEN;
use pith_crypto::secret::ct_eq;
use pith_crypto::{Error, packet};

use crate::wire::header::Retry;
use crate::wire::{ConnectionId, Version};

/// The tag behind `tagged`, a Retry packet without one, which answers an Initial packet to `original`.
pub(crate) fn retry_tag(
    version: Version,
    original: &ConnectionId,
    tagged: &[u8],
) -> Result<[u8; TAG_LEN], Error> {
    let (key, nonce) = version.retry_key();
    let length = u8::try_from(original.len()).map_err(|_| Error::Length)?;
    packet::retry_tag(key, nonce, &[&[length], &**original, tagged].concat())
}

/// Whether a Retry packet answers an Initial packet to `original` (rfc9000#17.2.5.2-3). One with the id that it should replace does not
/// (rfc9000#17.2.5.1-2).
pub(crate) fn retry_is_genuine(retry: &Retry<'_>, original: &ConnectionId) -> Result<bool, Error> {
    let tag = retry_tag(retry.version, original, retry.tagged)?;
    Ok(ct_eq(&tag, &retry.tag) && retry.scid != *original)
}
