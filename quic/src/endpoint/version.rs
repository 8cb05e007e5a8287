//! Version Negotiation by a server (RFC 9000 section 6.1).

use crate::limits;
use crate::wire::header::Ids;
use crate::wire::{Builder, Version};

/// The versions that connections have.
const SPOKEN: [Version; 1] = [Version::V1];

pub(super) fn is_spoken(version: Version) -> bool {
    SPOKEN.contains(&version)
}

/// Writes the answer to a packet of an unknown version in a datagram of `trigger` bytes, and says how long it is. `None` for a small one
/// (rfc9000#5.2.2-1), so that an answer is always shorter than what it answers.
pub(super) fn negotiate(
    ids: &Ids<'_>,
    trigger: usize,
    random: [u8; 5],
    out: &mut [u8],
) -> Option<usize> {
    if trigger < limits::DATAGRAM {
        return None;
    }
    let [unused, reserved @ ..] = random;
    // A reserved version keeps clients able to live with any (RFC 9000 section 6.3).
    let reserved = reserved.map(|byte| byte & 0xf0 | 0x0a);
    let versions = SPOKEN.map(Version::number);
    let versions = versions.into_iter().chain([u32::from_be_bytes(reserved)]);
    let mut builder = Builder::new(out);
    builder.put_version_negotiation(unused, ids, versions)?;
    Some(builder.len()).filter(|length| *length < trigger)
}
