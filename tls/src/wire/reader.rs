//! The only way in which bytes of a peer are parsed.
//!
//! A [`Reader`] walks over borrowed bytes and can neither panic nor read past the end: whatever does not follow the
//! syntax is [`Fault::Malformed`] with the message's name. Each parser ends in [`Reader::finish`], so that bytes left over
//! are a fault too (rfc9846#4.3-2, rfc9846#6-5).

use super::registry::MessageKind;
use crate::error::Fault;

/// A cursor over the bytes of one message.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    message: MessageKind,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8], message: MessageKind) -> Self {
        Self { bytes, message }
    }

    /// The message that this reader reads, for errors.
    pub(crate) fn message(&self) -> MessageKind {
        self.message
    }

    /// The fault that stands for any breach of the syntax.
    pub(crate) fn malformed(&self) -> Fault {
        Fault::Malformed {
            message: self.message,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let (head, tail) = self
            .bytes
            .split_at_checked(length)
            .ok_or(self.malformed())?;
        self.bytes = tail;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (head, tail) = self.bytes.split_first_chunk().ok_or(self.malformed())?;
        self.bytes = tail;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Fault> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Fault> {
        self.array().map(u16::from_be_bytes)
    }

    /// A number of three bytes, which are all that lengths in handshake messages have.
    pub(crate) fn u24(&mut self) -> Result<usize, Fault> {
        let high = usize::from(self.u8()?);
        let low = usize::from(self.u16()?);
        Ok((high << 16) | low)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Fault> {
        self.array().map(u32::from_be_bytes)
    }

    /// A vector with a length of one byte that holds at least `least` bytes.
    pub(crate) fn vec8(&mut self, least: usize) -> Result<&'a [u8], Fault> {
        let length = usize::from(self.u8()?);
        self.vector(length, least)
    }

    /// A vector with a length of two bytes that holds at least `least` bytes.
    pub(crate) fn vec16(&mut self, least: usize) -> Result<&'a [u8], Fault> {
        let length = usize::from(self.u16()?);
        self.vector(length, least)
    }

    /// A vector with a length of three bytes that holds at least `least` bytes.
    pub(crate) fn vec24(&mut self, least: usize) -> Result<&'a [u8], Fault> {
        let length = self.u24()?;
        self.vector(length, least)
    }

    fn vector(&mut self, length: usize, least: usize) -> Result<&'a [u8], Fault> {
        if length < least {
            return Err(self.malformed());
        }
        self.take(length)
    }

    /// Everything that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.bytes)
    }

    /// A second reader at the same place.
    pub(crate) fn fork(&self) -> Self {
        Self {
            bytes: self.bytes,
            message: self.message,
        }
    }

    /// All that is left, as what `parse` makes of it.
    pub(crate) fn only<T>(
        mut self,
        parse: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let parsed = parse(&mut self)?;
        self.finish()?;
        Ok(parsed)
    }

    /// Ends the parse: bytes left over are a fault.
    pub(crate) fn finish(self) -> Result<(), Fault> {
        if self.bytes.is_empty() {
            Ok(())
        } else {
            Err(self.malformed())
        }
    }
}

/// A list of 16-bit codes, its length already checked to be even. Only the default, for one that is not there, is empty.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Codes<'a>(&'a [u8]);

impl<'a> Codes<'a> {
    pub(crate) fn new(bytes: &'a [u8], reader: &Reader<'_>) -> Result<Self, Fault> {
        if bytes.is_empty() || bytes.len() % 2 != 0 {
            return Err(reader.malformed());
        }
        Ok(Self(bytes))
    }

    /// The list, with a length of two bytes, that is all of an extension's body.
    pub(crate) fn of_body(mut body: Reader<'a>) -> Result<Self, Fault> {
        let list = Self::new(body.vec16(2)?, &body)?;
        body.finish()?;
        Ok(list)
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = u16> + 'a {
        self.0
            .chunks_exact(2)
            .filter_map(|pair| Some(u16::from_be_bytes(*pair.first_chunk()?)))
    }

    pub(crate) fn contains(self, code: u16) -> bool {
        self.iter().any(|candidate| candidate == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: MessageKind = MessageKind::ClientHello;

    #[test]
    fn vectors_at_the_edges_of_their_length() {
        // (name, input, least, want)
        let rows: &[(&str, &[u8], usize, Option<usize>)] = &[
            ("empty allowed", &[0, 0], 0, Some(0)),
            ("empty refused", &[0, 0], 1, None),
            ("whole", &[0, 2, 1, 2], 2, Some(2)),
            ("one short", &[0, 3, 1, 2], 0, None),
            ("no length", &[0], 0, None),
            ("nothing", &[], 0, None),
            ("largest length without bytes", &[0xff, 0xff], 0, None),
        ];
        for (name, input, least, want) in rows {
            let got = Reader::new(input, MESSAGE)
                .vec16(*least)
                .ok()
                .map(<[u8]>::len);
            assert_eq!(got, *want, "{name}");
        }
        let long = [&[0xff, 0xff][..], &[7; 65_535]].concat();
        assert_eq!(
            Reader::new(&long, MESSAGE).vec16(0).map(<[u8]>::len),
            Ok(65_535)
        );
        assert_eq!(
            Reader::new(&[1, 0, 0], MESSAGE).vec24(0),
            Err(Fault::Malformed { message: MESSAGE })
        );
        assert_eq!(Reader::new(&[1, 9], MESSAGE).vec8(1), Ok(&[9][..]));
    }

    #[test]
    fn bytes_left_over_are_a_fault() {
        let mut reader = Reader::new(&[1, 2, 3], MESSAGE);
        assert_eq!(reader.u16(), Ok(0x0102));
        assert_eq!(reader.finish(), Err(Fault::Malformed { message: MESSAGE }));
    }

    #[test]
    fn lists_of_codes_are_whole_and_not_empty() {
        let reader = Reader::new(&[], MESSAGE);
        assert!(Codes::new(&[], &reader).is_err());
        assert!(Codes::new(&[1], &reader).is_err());
        assert!(Codes::new(&[1, 2, 3], &reader).is_err());
        let codes = Codes::new(&[0, 1, 0, 2], &reader).expect("even");
        assert_eq!(codes.iter().collect::<Vec<_>>(), [1, 2]);
        assert!(codes.contains(2) && !codes.contains(3));
    }
}
