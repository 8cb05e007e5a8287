//! The only way in which bytes of a peer are parsed.
//!
//! A [`Reader`] walks over borrowed bytes and can neither panic nor read past the end. It has one error, and whoever calls it
//! says what that means: a packet that is dropped, or a fault with its code.

use super::VarInt;

/// A cursor over bytes.
#[derive(Clone)]
pub(crate) struct Reader<'a>(&'a [u8]);

/// The bytes ended too early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Truncated;

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many bytes are left.
    pub(crate) fn remaining(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Truncated> {
        let (head, tail) = self.0.split_at_checked(length).ok_or(Truncated)?;
        self.0 = tail;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Truncated> {
        let (head, tail) = self.0.split_first_chunk().ok_or(Truncated)?;
        self.0 = tail;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Truncated> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Truncated> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Truncated> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn varint(&mut self) -> Result<VarInt, Truncated> {
        VarInt::decode(self)
    }

    /// As many bytes as the length of one byte before them says.
    pub(crate) fn vec8(&mut self) -> Result<&'a [u8], Truncated> {
        let length = usize::from(self.u8()?);
        self.take(length)
    }

    /// As many bytes as the variable-length integer before them says.
    pub(crate) fn vec(&mut self) -> Result<&'a [u8], Truncated> {
        let length = usize::try_from(self.varint()?.get()).map_err(|_| Truncated)?;
        self.take(length)
    }

    /// Drops leading zeros.
    pub(crate) fn skip_zeros(&mut self) {
        let zeros = self.0.iter().take_while(|byte| **byte == 0).count();
        self.0 = self.0.get(zeros..).unwrap_or_default();
    }

    /// Everything that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.0)
    }

    /// Ends the parse: bytes left over are an error too.
    pub(crate) fn finish(self) -> Result<(), Truncated> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Truncated)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_whole_or_an_error() {
        // (name, input, want of vec8, want of vec)
        type Want = Option<&'static [u8]>;
        let rows: &[(&str, &[u8], Want, Want)] = &[
            ("empty", &[0], Some(&[]), Some(&[])),
            ("whole", &[2, 7, 8], Some(&[7, 8]), Some(&[7, 8])),
            ("one short", &[2, 7], None, None),
            ("no length", &[], None, None),
            ("length of two bytes", &[0x40, 1, 9], None, Some(&[9])),
            ("largest length", &[0xff; 20], None, None),
        ];
        for (name, input, vec8, vec) in rows {
            assert_eq!(Reader::new(input).vec8().ok(), *vec8, "{name}");
            assert_eq!(Reader::new(input).vec().ok(), *vec, "{name}");
        }
    }

    #[test]
    fn fields_are_big_endian_and_bytes_left_over_an_error() {
        let mut reader = Reader::new(&[1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(reader.u8(), Ok(1));
        assert_eq!(reader.u16(), Ok(0x0203));
        assert_eq!(reader.u32(), Ok(0x0405_0607));
        assert_eq!(reader.remaining(), 2);
        assert_eq!(reader.u32(), Err(Truncated));
        assert_eq!(reader.clone().rest(), [8, 9]);
        assert_eq!(reader.finish(), Err(Truncated));
        assert_eq!(Reader::new(&[]).finish(), Ok(()));
    }
}
