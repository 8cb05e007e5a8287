//! Packet headers (RFC 9000 section 17, RFC 8999), before protection is removed and after it is put on.
//!
//! [`decode`] says what stands at the front of a datagram and where it ends; of the first byte it reads only what is not protected. What cannot be read
//! is a [`Discard`] and never an error of the connection: anybody may have sent it. The encoders are methods of [`Builder`](super::Builder).

mod decode;
mod encode;

use core::ops::Range;

use super::version::Version;
use super::{ConnectionId, PacketType};

pub(crate) use decode::{decode, short_dcid};
pub(crate) use encode::{Marks, NewHeader};

/// What stands at the front of a datagram.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Packet<'a> {
    /// A packet with frames, of which more may follow in the datagram.
    Protected(Header),
    Retry(Retry<'a>),
    VersionNegotiation(VersionNegotiation<'a>),
    /// A long header of a version that is not known; nothing else about it is.
    UnknownVersion(Ids<'a>, u32),
}

/// What is not protected in the header of a packet with frames. Positions are counted from the front of the packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) packet: PacketType,
    /// The version and the source connection id, which short headers do not have.
    pub(crate) long: Option<(Version, ConnectionId)>,
    pub(crate) dcid: ConnectionId,
    /// The token of an Initial packet.
    pub(crate) token: Range<usize>,
    /// Where the packet number begins. From here on at least [`SAMPLED`] bytes follow.
    pub(crate) number_at: usize,
    /// Where the packet ends.
    pub(crate) end: usize,
}

/// A Retry packet, with a token that is not empty.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Retry<'a> {
    pub(crate) version: Version,
    pub(crate) dcid: ConnectionId,
    pub(crate) scid: ConnectionId,
    pub(crate) token: &'a [u8],
    /// All of the packet but its tag.
    pub(crate) tagged: &'a [u8],
    pub(crate) tag: [u8; 16],
}

/// A Version Negotiation packet, with one version at least.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct VersionNegotiation<'a> {
    pub(crate) ids: Ids<'a>,
    versions: &'a [u8],
}

/// Connection ids as any version may have them: up to 255 bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ids<'a> {
    pub(crate) dcid: &'a [u8],
    pub(crate) scid: &'a [u8],
}

/// Whether the second bit of a packet has to be set (RFC 9287): not to a side that has said that it may be anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QuicBit {
    Set,
    Any,
}

/// Why a datagram, or what is left of it, is dropped without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Discard {
    /// It ends too early.
    Truncated,
    /// The second bit is not set.
    QuicBit,
    /// A connection id is longer than 20 bytes.
    IdLength,
    /// There is nothing to sample for header protection.
    NoSample,
    /// A Retry packet without a token.
    EmptyToken,
    /// A Version Negotiation packet that names no versions, or half of one.
    Versions,
}

/// Bytes from the packet number on that header protection needs: four for the longest number, and the sample.
pub(crate) const SAMPLED: usize = 20;

impl VersionNegotiation<'_> {
    /// The versions that the server speaks.
    pub(crate) fn versions(&self) -> impl Iterator<Item = u32> + '_ {
        self.versions
            .chunks_exact(4)
            .filter_map(|number| Some(u32::from_be_bytes(*number.first_chunk()?)))
    }
}

const LONG: u8 = 0x80;
const QUIC_BIT: u8 = 0x40;
const SPIN: u8 = 0x20;
/// The bit of a short header that tells the key phase.
pub(crate) const KEY_PHASE: u8 = 0x04;

/// The bits of the first byte that are protected, and among them those that are reserved.
pub(crate) fn protected_bits(first: u8) -> (u8, u8) {
    if first & LONG == 0 {
        (0x1f, 0x18)
    } else {
        (0x0f, 0x0c)
    }
}

/// The length of the packet number that an unprotected first byte tells, 1 to 4.
pub(crate) fn number_size(first: u8) -> usize {
    usize::from(first & 3).saturating_add(1)
}

/// The key phase that the unprotected first byte of a short header tells.
pub(crate) fn key_phase(first: u8) -> bool {
    first & KEY_PHASE != 0
}

#[cfg(test)]
mod tests;
