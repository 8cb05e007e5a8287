//! Version Negotiation by a server (RFC 9000 section 6.1, RFC 9368 section 2.1).

use crate::limits;
use crate::wire::header::Ids;
use crate::wire::version::reserved;
use crate::wire::{Builder, Version, Versions};

/// Writes the answer to a packet of a version that is not spoken in a datagram of `trigger` bytes, and says how long it is. `None` for a small one
/// (rfc9000#5.2.2-1), so that an answer is always shorter than what it answers.
pub(super) fn negotiate(
    spoken: &Versions,
    ids: &Ids<'_>,
    trigger: usize,
    random: [u8; 5],
    out: &mut [u8],
) -> Option<usize> {
    if trigger < limits::DATAGRAM {
        return None;
    }
    let [unused, random @ ..] = random;
    // All of them (rfc9368#2.1-1), and a reserved one, which keeps clients able to live with any (RFC 9000 section 6.3).
    let versions = spoken.iter().map(Version::number);
    let versions = versions.chain([reserved(random)]);
    let mut builder = Builder::new(out);
    builder.put_version_negotiation(unused, ids, versions)?;
    Some(builder.len()).filter(|length| *length < trigger)
}
