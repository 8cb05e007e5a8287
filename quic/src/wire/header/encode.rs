//! Headers → packet, not protected yet.

use super::super::version::{LongType, Version};
use super::super::{Builder, ConnectionId, TruncatedNumber, VarInt};
use super::{LONG, QUIC_BIT, SPIN};

/// The header of a packet with frames that is to be written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum NewHeader<'a> {
    Long {
        /// Not Retry, which [`Builder::put_retry`] writes.
        long_type: LongType,
        version: Version,
        dcid: ConnectionId,
        scid: ConnectionId,
        /// Of an Initial packet alone.
        token: &'a [u8],
    },
    /// The key phase is put in when the packet is sealed.
    Short { dcid: ConnectionId, spin: bool },
}

/// Where things stand in a packet that is being written, counted from the front of its builder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marks {
    pub(crate) start: usize,
    /// Two bytes for the length, to be filled in when it is known.
    pub(crate) length_at: Option<usize>,
    pub(crate) number_at: usize,
    /// Where the payload begins.
    pub(crate) payload_at: usize,
}

impl Builder<'_> {
    /// A header up to the packet number. `quic_bit` is false only to a peer that has said it may be anything (rfc9287#3.1-4).
    #[must_use]
    pub(crate) fn put_header(
        &mut self,
        header: &NewHeader<'_>,
        quic_bit: bool,
        number: TruncatedNumber,
    ) -> Option<Marks> {
        let start = self.len();
        let size_bits = u8::try_from(number.size().checked_sub(1)?).ok()?;
        let bit = |set: bool, bit: u8| if set { bit } else { 0 };
        // The reserved bits stay zero (rfc9000#17.2-6, rfc9000#17.3.1-2).
        let first = bit(quic_bit, QUIC_BIT) | size_bits;
        self.whole(|b| {
            let length_at = match *header {
                NewHeader::Long {
                    long_type,
                    version,
                    dcid,
                    scid,
                    token,
                } => {
                    b.put_u8(first | LONG | version.type_bits(long_type) << 4)?;
                    b.put_ids(version.number(), &dcid, &scid)?;
                    if long_type == LongType::Initial {
                        b.put_vec(token)?;
                    }
                    let length_at = b.len();
                    b.put(&VarInt::ZERO.two_bytes()?)?;
                    Some(length_at)
                }
                NewHeader::Short { dcid, spin } => {
                    b.put_u8(first | bit(spin, SPIN))?;
                    b.put(&dcid)?;
                    None
                }
            };
            let number_at = b.len();
            let bytes = number.to_bytes();
            b.put(bytes.get(bytes.len().checked_sub(number.size())?..)?)?;
            Some(Marks {
                start,
                length_at,
                number_at,
                payload_at: b.len(),
            })
        })
    }

    /// A Retry packet up to its tag; the low four bits of `unused` go into the first byte.
    #[must_use]
    pub(crate) fn put_retry(
        &mut self,
        version: Version,
        unused: u8,
        dcid: &ConnectionId,
        scid: &ConnectionId,
        token: &[u8],
    ) -> Option<()> {
        self.whole(|b| {
            let bits = version.type_bits(LongType::Retry) << 4;
            b.put_u8(LONG | QUIC_BIT | bits | unused & 0x0f)?;
            b.put_ids(version.number(), dcid, scid)?;
            b.put(token)
        })
    }

    /// A Version Negotiation packet that answers one with these ids (rfc9000#17.2.1-2, rfc9000#17.2.1-3, rfc9000#17.2.1-4, rfc8999#6-3, rfc8999#6-4).
    #[must_use]
    pub(crate) fn put_version_negotiation(
        &mut self,
        unused: u8,
        answered: &super::Ids<'_>,
        versions: impl Iterator<Item = u32>,
    ) -> Option<()> {
        self.whole(|b| {
            b.put_u8(LONG | QUIC_BIT | unused)?;
            b.put_ids(0, answered.scid, answered.dcid)?;
            for version in versions {
                b.put_u32(version)?;
            }
            Some(())
        })
    }

    fn put_ids(&mut self, version: u32, dcid: &[u8], scid: &[u8]) -> Option<()> {
        self.put_u32(version)?;
        self.put_vec8(dcid)?;
        self.put_vec8(scid)
    }
}
