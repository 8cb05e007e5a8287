//! Packet numbers, whole and truncated (RFC 9000 sections 12.3, 17.1 and A.2 to A.3).

use core::fmt;

use super::VarInt;
use crate::limits;

/// A whole packet number, below 2^62 (RFC 9000 section 12.3).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PacketNumber(u64);

/// The last 1 to 4 bytes of a packet number, as a header carries them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TruncatedNumber {
    value: u32,
    size: usize,
}

impl PacketNumber {
    pub(crate) const ZERO: Self = Self(0);

    /// `None` from 2^62 on.
    pub(crate) const fn new(value: u64) -> Option<Self> {
        if value <= limits::VARINT {
            Some(Self(value))
        } else {
            None
        }
    }

    pub(crate) const fn get(self) -> u64 {
        self.0
    }

    /// The number after this one; `None` when none is left (rfc9000#12.3-3).
    pub(crate) fn next(self) -> Option<Self> {
        self.0.checked_add(1).and_then(Self::new)
    }

    /// The shortest form that a peer can expand which has acknowledged `largest_acked`, or nothing yet. `None` if this number is so far
    /// past it that 4 bytes do not do: then the peer has to acknowledge something before more is sent.
    pub(crate) fn truncate(self, largest_acked: Option<Self>) -> Option<TruncatedNumber> {
        // rfc9000#17.1-1, rfc9000#17.1-2
        let unacked = match largest_acked {
            Some(largest) => self.0.checked_sub(largest.0)?,
            None => self.0.checked_add(1)?,
        };
        // More than twice as many values as are unacknowledged.
        let (size, mask) = match unacked {
            0..=0x7f => (1, 0xff),
            0x80..=0x7fff => (2, 0xffff),
            0x8000..=0x7f_ffff => (3, 0xff_ffff),
            0x80_0000..=0x7fff_ffff => (4, 0xffff_ffff),
            _ => return None,
        };
        Some(TruncatedNumber {
            value: u32::try_from(self.0 & mask).ok()?,
            size,
        })
    }
}

impl TruncatedNumber {
    /// From the bytes of a header, 1 to 4.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if !(1..=4).contains(&bytes.len()) {
            return None;
        }
        Some(Self {
            value: bytes
                .iter()
                .fold(0, |value, byte| (value << 8) | u32::from(*byte)),
            size: bytes.len(),
        })
    }

    /// How many bytes it has, 1 to 4.
    pub(crate) fn size(self) -> usize {
        self.size
    }

    /// Its bytes are the last [`TruncatedNumber::size`] of these.
    pub(crate) fn to_bytes(self) -> [u8; 4] {
        self.value.to_be_bytes()
    }

    /// The whole number: that which is closest to the one after `largest`, the largest number of the space that was opened
    /// so far (RFC 9000 section A.3). `None` if that is no packet number.
    pub(crate) fn expand(self, largest: Option<PacketNumber>) -> Option<PacketNumber> {
        let expected = match largest {
            Some(largest) => largest.0.checked_add(1)?,
            None => 0,
        };
        let bits = u32::try_from(self.size).ok()?.checked_mul(8)?;
        let window = 1_u64.checked_shl(bits)?;
        let half = window >> 1;
        let candidate = (expected & !(window.checked_sub(1)?)) | u64::from(self.value);
        let above = candidate.checked_add(window).and_then(PacketNumber::new);
        if candidate.checked_add(half)? <= expected && above.is_some() {
            return above;
        }
        if candidate > expected.checked_add(half)? && candidate >= window {
            return PacketNumber::new(candidate.checked_sub(window)?);
        }
        PacketNumber::new(candidate)
    }
}

impl From<PacketNumber> for VarInt {
    fn from(number: PacketNumber) -> Self {
        Self::saturating(number.0)
    }
}

impl From<VarInt> for PacketNumber {
    fn from(value: VarInt) -> Self {
        Self(value.get())
    }
}

impl fmt::Debug for PacketNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(value: u64) -> PacketNumber {
        PacketNumber::new(value).unwrap()
    }

    #[test]
    fn numbers_are_as_short_as_the_unacknowledged_range_allows() {
        // (number, largest acknowledged, bytes)
        let rows: &[(u64, Option<u64>, Option<&[u8]>)] = &[
            // RFC 9000 section A.2.
            (0xac_5c02, Some(0xab_e8b3), Some(&[0x5c, 0x02])),
            (0xac_e8fe, Some(0xab_e8b3), Some(&[0xac, 0xe8, 0xfe])),
            (0, None, Some(&[0])),
            (126, None, Some(&[126])),
            (127, None, Some(&[0, 127])),
            (127, Some(0), Some(&[127])),
            (128, Some(0), Some(&[0, 128])),
            (0x7fff, Some(0), Some(&[0x7f, 0xff])),
            (0x8000, Some(0), Some(&[0, 0x80, 0])),
            (0x80_0000, Some(0), Some(&[0, 0x80, 0, 0])),
            (0x7fff_ffff, Some(0), Some(&[0x7f, 0xff, 0xff, 0xff])),
            (0x8000_0000, Some(0), None),
            (limits::VARINT, Some(limits::VARINT - 1), Some(&[0xff])),
            // Below what is acknowledged already.
            (98, Some(99), None),
        ];
        for (value, acked, want) in rows {
            let got = number(*value).truncate(acked.map(number));
            let bytes = got.map(|got| got.to_bytes()[4 - got.size()..].to_vec());
            assert_eq!(bytes.as_deref(), *want, "{value:#x} after {acked:?}");
        }
    }

    #[test]
    fn numbers_expand_to_the_closest_to_the_expected() {
        // (largest opened, bytes, number)
        let rows: &[(Option<u64>, &[u8], u64)] = &[
            // RFC 9000 section A.3.
            (Some(0xa82f_30ea), &[0x9b, 0x32], 0xa82f_9b32),
            (None, &[0], 0),
            (None, &[0xff], 0xff),
            (Some(0xff), &[0], 0x100),
            (Some(0x100), &[0xff], 0xff),
            (Some(0x17e), &[0xff], 0x1ff),
            (Some(0x17f), &[0], 0x200),
            (Some(0x17e), &[0], 0x100),
            (Some(limits::VARINT - 1), &[0xff], limits::VARINT),
            (Some(limits::VARINT - 1), &[0], limits::VARINT - 255),
            (Some(limits::VARINT), &[0xff], limits::VARINT),
        ];
        for (largest, bytes, want) in rows {
            let got = TruncatedNumber::from_bytes(bytes)
                .unwrap()
                .expand(largest.map(number));
            assert_eq!(got, Some(number(*want)), "{largest:x?} {bytes:x?}");
        }
        assert_eq!(TruncatedNumber::from_bytes(&[]), None);
        assert_eq!(TruncatedNumber::from_bytes(&[0; 5]), None);
    }

    #[test]
    fn what_is_truncated_expands_to_itself() {
        bolero::check!()
            .with_type::<(u64, u64, u8)>()
            .with_iterations(2000)
            .for_each(|(acked, distance, received)| {
                let acked = acked & (limits::VARINT >> 1);
                let distance = 1 + (distance & 0x7fff_fffe);
                let sent = number(acked + distance);
                let truncated = sent.truncate(Some(number(acked))).unwrap();
                // The peer has opened what it acknowledged, and maybe more.
                let opened = acked + (distance - 1) * u64::from(*received) / 255;
                assert_eq!(truncated.expand(Some(number(opened))), Some(sent));
            });
    }

    #[test]
    fn packet_numbers_end_at_2_to_the_62() {
        assert_eq!(PacketNumber::new(limits::VARINT + 1), None);
        assert_eq!(
            number(limits::VARINT - 1).next(),
            Some(number(limits::VARINT))
        );
        assert_eq!(number(limits::VARINT).next(), None);
    }
}
