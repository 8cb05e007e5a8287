//! The only way in which messages are encoded.
//!
//! Lengths are written by closures, so that a length and its contents cannot disagree. A value that is too long for its
//! length field is remembered, and [`Writer::finish`] reports it: nothing that is cut short ever leaves.

use super::registry::MessageKind;
use crate::error::Local;

/// Room for a flight with one short chain; a longer one grows.
pub(crate) const FLIGHT: usize = 1024;
/// Room for a Finished of any hash.
pub(crate) const FINISHED: usize = 52;

/// An encoder for one or more handshake messages.
#[derive(Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
    too_long: bool,
}

impl Writer {
    /// An encoder that has room for so many bytes before it has to grow.
    pub(crate) fn with_room(room: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(room),
            too_long: false,
        }
    }

    /// How many bytes are written.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// What is written from this place on.
    pub(crate) fn since(&self, at: usize) -> &[u8] {
        self.bytes.get(at..).unwrap_or_default()
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.bytes(&[value]);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    /// A number of three bytes; a larger one fails in [`Writer::finish`].
    pub(crate) fn u24(&mut self, value: usize) {
        let bytes = u64::try_from(value).unwrap_or(u64::MAX).to_be_bytes();
        if let Some((high, low)) = bytes.split_last_chunk::<3>() {
            self.too_long |= high.iter().any(|byte| *byte != 0);
            self.bytes(low);
        }
    }

    /// Never inlined, as [`Writer::close`]: all that is written passes here, and none of it is in a hurry.
    #[inline(never)]
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Contents behind a length of one byte.
    pub(crate) fn vec8(&mut self, contents: impl FnOnce(&mut Self)) {
        self.nested::<1>(contents);
    }

    /// Contents behind a length of two bytes.
    pub(crate) fn vec16(&mut self, contents: impl FnOnce(&mut Self)) {
        self.nested::<2>(contents);
    }

    /// Contents behind a length of three bytes.
    pub(crate) fn vec24(&mut self, contents: impl FnOnce(&mut Self)) {
        self.nested::<3>(contents);
    }

    /// A list of codes, with a reserved one in front where there is one.
    pub(crate) fn codes(&mut self, grease: Option<u16>, codes: impl IntoIterator<Item = u16>) {
        grease
            .into_iter()
            .chain(codes)
            .for_each(|code| self.u16(code));
    }

    /// One handshake message: its type, its length and its body.
    pub(crate) fn message(&mut self, kind: MessageKind, body: impl FnOnce(&mut Self)) {
        self.u8(kind.code());
        self.vec24(body);
    }

    fn nested<const N: usize>(&mut self, contents: impl FnOnce(&mut Self)) {
        let at = self.bytes.len();
        self.bytes(&[0; N]);
        let start = self.bytes.len();
        contents(self);
        self.close(at, start);
    }

    /// Writes the length of what is behind `start` to the bytes between `at` and there.
    #[inline(never)]
    fn close(&mut self, at: usize, start: usize) {
        let length = u64::try_from(self.bytes.len().saturating_sub(start))
            .unwrap_or(u64::MAX)
            .to_be_bytes();
        let Some(field) = self.bytes.get_mut(at..start) else {
            return;
        };
        let Some((high, low)) = length.split_at_checked(length.len().saturating_sub(field.len()))
        else {
            return;
        };
        self.too_long |= high.iter().any(|byte| *byte != 0);
        field.copy_from_slice(low);
    }

    /// The encoded bytes.
    ///
    /// # Errors
    /// [`Local::TooLong`] when a value did not fit its length field.
    pub(crate) fn finish(self) -> Result<Vec<u8>, Local> {
        if self.too_long {
            Err(Local::TooLong)
        } else {
            Ok(self.bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_nest() {
        let mut writer = Writer::default();
        writer.vec16(|w| {
            w.u8(7);
            w.vec8(|w| w.u16(0x0102));
        });
        assert_eq!(writer.finish(), Ok(vec![0, 4, 7, 2, 1, 2]));
    }

    #[test]
    fn a_value_that_does_not_fit_its_length_is_reported() {
        for (length, want) in [(255, true), (256, false)] {
            let mut writer = Writer::default();
            writer.vec8(|w| w.bytes(&vec![0; length]));
            assert_eq!(writer.finish().is_ok(), want, "{length} bytes");
        }
    }
}
