//! ACK frames (RFC 9000 section 19.3): the ranges stay encoded, and were checked once.

use core::ops::RangeInclusive;

use super::super::{Builder, PacketNumber, Reader, Truncated, VarInt};
use crate::Fault;

/// An ACK frame. No number in it is negative.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ack<'a> {
    pub(crate) largest: PacketNumber,
    /// As it stands in the frame: to be scaled by the peer's ack_delay_exponent.
    pub(crate) delay: VarInt,
    pub(crate) ecn: Option<EcnCounts>,
    first: VarInt,
    ranges: &'a [u8],
}

/// How many packets came with each mark.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct EcnCounts {
    pub(crate) ect0: VarInt,
    pub(crate) ect1: VarInt,
    pub(crate) ce: VarInt,
}

/// Ranges of acknowledged numbers, from the largest down; they neither overlap nor touch.
#[derive(Clone)]
pub(crate) struct AckRanges<'a> {
    next: Option<RangeInclusive<PacketNumber>>,
    rest: Reader<'a>,
}

impl<'a> Ack<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>, with_ecn: bool) -> Result<Self, Fault> {
        let truncated = |Truncated| Fault::TruncatedFrame;
        let largest = PacketNumber::from(reader.varint().map_err(truncated)?);
        let delay = reader.varint().map_err(truncated)?;
        let count = reader.varint().map_err(truncated)?.get();
        let first = reader.varint().map_err(truncated)?;
        let start = reader.clone();
        let mut smallest = below(largest, first.get()).ok_or(Fault::AckRange)?;
        // At most as many rounds as there are bytes, whatever the count says.
        for _ in 0..count {
            smallest = *next_range(reader, smallest)?.start();
        }
        let length = start.remaining().saturating_sub(reader.remaining());
        let ranges = start.clone().take(length).map_err(truncated)?;
        let ecn = if with_ecn {
            Some(EcnCounts {
                ect0: reader.varint().map_err(truncated)?,
                ect1: reader.varint().map_err(truncated)?,
                ce: reader.varint().map_err(truncated)?,
            })
        } else {
            None
        };
        Ok(Self {
            largest,
            delay,
            ecn,
            first,
            ranges,
        })
    }

    /// What is acknowledged.
    pub(crate) fn ranges(&self) -> AckRanges<'a> {
        AckRanges {
            next: below(self.largest, self.first.get()).map(|smallest| smallest..=self.largest),
            rest: Reader::new(self.ranges),
        }
    }
}

impl Iterator for AckRanges<'_> {
    type Item = RangeInclusive<PacketNumber>;

    fn next(&mut self) -> Option<Self::Item> {
        let range = self.next.take()?;
        self.next = next_range(&mut self.rest, *range.start()).ok();
        Some(range)
    }
}

/// The range below one that ends in `smallest`.
fn next_range(
    reader: &mut Reader<'_>,
    smallest: PacketNumber,
) -> Result<RangeInclusive<PacketNumber>, Fault> {
    let gap = reader.varint().map_err(|_| Fault::TruncatedFrame)?.get();
    let length = reader.varint().map_err(|_| Fault::TruncatedFrame)?.get();
    // rfc9000#19.3.1-1
    let largest = gap
        .checked_add(2)
        .and_then(|gap| below(smallest, gap))
        .ok_or(Fault::AckRange)?;
    let smallest = below(largest, length).ok_or(Fault::AckRange)?;
    Ok(smallest..=largest)
}

fn below(number: PacketNumber, distance: u64) -> Option<PacketNumber> {
    number
        .get()
        .checked_sub(distance)
        .and_then(PacketNumber::new)
}

impl Builder<'_> {
    /// An ACK frame over as many of `ranges` as there is room for, and says how many those are. They come from the largest down and neither
    /// overlap nor touch: the first that does not ends the frame. `None`, and nothing written, if there is none to write.
    #[must_use]
    pub(crate) fn put_ack(
        &mut self,
        delay: VarInt,
        ranges: impl Iterator<Item = RangeInclusive<PacketNumber>> + Clone,
        ecn: Option<EcnCounts>,
    ) -> Option<usize> {
        let largest = *ranges.clone().next()?.end();
        let ecn_size = ecn.map_or(0, EcnCounts::size);
        self.whole(|b| {
            b.put_u8(if ecn.is_some() { 3 } else { 2 })?;
            b.put_varint(largest.into())?;
            b.put_varint(delay)?;
            // Two bytes for the count do for more ranges than any packet holds.
            let room = b.remaining().checked_sub(ecn_size)?.checked_sub(2)?;
            let written = fitting(ranges.clone(), room);
            b.put_varint(VarInt::try_from(written.checked_sub(1)?).ok()?)?;
            let mut above: Option<PacketNumber> = None;
            for range in ranges.take(written) {
                for field in fields(above, &range)?.into_iter().flatten() {
                    b.put_varint(field)?;
                }
                above = Some(*range.start());
            }
            if let Some(ecn) = ecn {
                b.put_varint(ecn.ect0)?;
                b.put_varint(ecn.ect1)?;
                b.put_varint(ecn.ce)?;
            }
            Some(written)
        })
    }
}

impl EcnCounts {
    fn size(self) -> usize {
        [self.ect0, self.ect1, self.ce]
            .iter()
            .fold(0, |sum, count| count.size().saturating_add(sum))
    }
}

/// How many of the ranges, from the first on, are encoded in at most `room` bytes.
fn fitting(ranges: impl Iterator<Item = RangeInclusive<PacketNumber>>, room: usize) -> usize {
    let mut left = Some(room);
    let mut above = None;
    ranges
        .take_while(|range| {
            let size = fields(above, range).map(|fields| {
                fields
                    .iter()
                    .flatten()
                    .fold(0, |sum: usize, field| sum.saturating_add(field.size()))
            });
            above = Some(*range.start());
            left = size.and_then(|size| left?.checked_sub(size));
            left.is_some()
        })
        .count()
}

/// The gap to the range above, if there is one, and the length.
fn fields(
    above: Option<PacketNumber>,
    range: &RangeInclusive<PacketNumber>,
) -> Option<[Option<VarInt>; 2]> {
    let length = range.end().get().checked_sub(range.start().get())?;
    let gap = match above {
        Some(above) => Some(VarInt::new(
            above.get().checked_sub(range.end().get())?.checked_sub(2)?,
        )?),
        None => None,
    };
    Some([gap, Some(VarInt::new(length)?)])
}
