//! Variable-length integers (RFC 9000 section 16): 1, 2, 4 or 8 bytes for values below 2^62.

use core::fmt;

use super::{Builder, Reader, Truncated};
use crate::limits;

/// An integer below 2^62: whatever is one of these can be written to a packet.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VarInt(u64);

/// A number is 2^62 or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge;

impl VarInt {
    /// Zero.
    pub const ZERO: Self = Self(0);
    /// The largest: 2^62 - 1.
    pub const MAX: Self = Self(limits::VARINT);

    /// `None` from 2^62 on.
    #[must_use]
    pub const fn new(value: u64) -> Option<Self> {
        if value <= limits::VARINT {
            Some(Self(value))
        } else {
            None
        }
    }

    /// The value, or the largest that there is.
    pub(crate) const fn saturating(value: u64) -> Self {
        if value <= limits::VARINT {
            Self(value)
        } else {
            Self::MAX
        }
    }

    /// The value.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The sum, `None` from 2^62 on.
    pub(crate) fn checked_add(self, other: u64) -> Option<Self> {
        self.0.checked_add(other).and_then(Self::new)
    }

    /// How many bytes its shortest encoding has: 1, 2, 4 or 8.
    pub(crate) const fn size(self) -> usize {
        match self.0 {
            0..=0x3f => 1,
            0x40..=0x3fff => 2,
            0x4000..=0x3fff_ffff => 4,
            _ => 8,
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, Truncated> {
        let first = reader.u8()?;
        let bytes = reader.take((1_usize << (first >> 6)).saturating_sub(1))?;
        let value = bytes.iter().fold(u64::from(first & 0x3f), |value, byte| {
            (value << 8) | u64::from(*byte)
        });
        Ok(Self(value))
    }

    /// Writes the shortest encoding; `None`, and nothing written, where there is no room for it.
    pub(crate) fn encode(self, builder: &mut Builder<'_>) -> Option<()> {
        let log = self.size().trailing_zeros();
        let bytes = (self.0 | u64::from(log) << self.size().saturating_mul(8).saturating_sub(2))
            .to_be_bytes();
        builder.put(bytes.get(bytes.len().saturating_sub(self.size())..)?)
    }

    /// The encoding of two bytes whatever the value, for lengths that are filled in later; `None` from 2^14 on.
    pub(crate) fn two_bytes(self) -> Option<[u8; 2]> {
        let value = u16::try_from(self.0)
            .ok()
            .filter(|value| *value < 1 << 14)?;
        Some((value | 1 << 14).to_be_bytes())
    }
}

impl From<u8> for VarInt {
    fn from(value: u8) -> Self {
        Self(u64::from(value))
    }
}

impl From<u16> for VarInt {
    fn from(value: u16) -> Self {
        Self(u64::from(value))
    }
}

impl From<u32> for VarInt {
    fn from(value: u32) -> Self {
        Self(u64::from(value))
    }
}

impl TryFrom<u64> for VarInt {
    type Error = TooLarge;

    fn try_from(value: u64) -> Result<Self, TooLarge> {
        Self::new(value).ok_or(TooLarge)
    }
}

/// Lengths of what fits in a packet always do.
impl TryFrom<usize> for VarInt {
    type Error = TooLarge;

    fn try_from(value: usize) -> Result<Self, TooLarge> {
        u64::try_from(value).map_err(|_| TooLarge)?.try_into()
    }
}

impl From<VarInt> for u64 {
    fn from(value: VarInt) -> Self {
        value.0
    }
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of 2^62 or more")
    }
}

impl core::error::Error for TooLarge {}

impl fmt::Debug for VarInt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(value: u64) -> Vec<u8> {
        let mut buffer = [0xee; 8];
        let mut builder = Builder::new(&mut buffer);
        VarInt::new(value).unwrap().encode(&mut builder).unwrap();
        builder.written().to_vec()
    }

    fn decoded(bytes: &[u8]) -> Result<u64, Truncated> {
        let mut reader = Reader::new(bytes);
        let value = VarInt::decode(&mut reader)?;
        assert!(reader.is_empty(), "{bytes:x?}");
        Ok(value.get())
    }

    #[test]
    fn varints_of_the_rfc_and_at_the_edges_of_each_length() {
        // (value, encoding): the first four are those of RFC 9000 section A.1.
        let rows: &[(u64, &[u8])] = &[
            (
                151_288_809_941_952_652,
                &[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c],
            ),
            (494_878_333, &[0x9d, 0x7f, 0x3e, 0x7d]),
            (15_293, &[0x7b, 0xbd]),
            (37, &[0x25]),
            (0, &[0]),
            (63, &[0x3f]),
            (64, &[0x40, 0x40]),
            (16_383, &[0x7f, 0xff]),
            (16_384, &[0x80, 0, 0x40, 0]),
            ((1 << 30) - 1, &[0xbf, 0xff, 0xff, 0xff]),
            (1 << 30, &[0xc0, 0, 0, 0, 0x40, 0, 0, 0]),
            (limits::VARINT, &[0xff; 8]),
        ];
        for (value, bytes) in rows {
            assert_eq!(encoded(*value), *bytes, "{value}");
            assert_eq!(VarInt::new(*value).unwrap().size(), bytes.len(), "{value}");
            assert_eq!(decoded(bytes), Ok(*value), "{value}");
            for short in 0..bytes.len() {
                assert_eq!(decoded(&bytes[..short]), Err(Truncated), "{value}");
                let mut buffer = vec![0; short];
                let mut builder = Builder::new(&mut buffer);
                assert_eq!(VarInt(*value).encode(&mut builder), None, "{value}");
                assert!(builder.written().is_empty(), "{value}");
            }
        }
    }

    #[test]
    fn varints_need_not_be_of_minimal_length() {
        for bytes in [
            &[37][..],
            &[0x40, 37],
            &[0x80, 0, 0, 37],
            &[0xc0, 0, 0, 0, 0, 0, 0, 37],
        ] {
            assert_eq!(decoded(bytes), Ok(37), "{bytes:x?}");
        }
    }

    #[test]
    fn values_from_2_to_the_62_are_no_varints() {
        assert_eq!(VarInt::new(limits::VARINT), Some(VarInt::MAX));
        assert_eq!(VarInt::new(limits::VARINT + 1), None);
        assert_eq!(VarInt::saturating(u64::MAX), VarInt::MAX);
        assert_eq!(VarInt::MAX.checked_add(0), Some(VarInt::MAX));
        assert_eq!(VarInt::MAX.checked_add(1), None);
        assert_eq!(VarInt::MAX.checked_add(u64::MAX), None);
    }

    #[test]
    fn two_byte_encodings_hold_14_bits() {
        let two_bytes = |value| VarInt::new(value).unwrap().two_bytes();
        assert_eq!(two_bytes(37), Some([0x40, 37]));
        assert_eq!(two_bytes(16_383), Some([0x7f, 0xff]));
        assert_eq!(two_bytes(16_384), None);
    }
}
