//! The only way in which packets are written: into a buffer of fixed size, without allocation.
//!
//! Each `put_…` writes whole or not at all, and says so by an `Option`, so that the writer of a frame ends in `?` where the
//! packet is full; [`Builder::whole`] makes several of them one.

use super::VarInt;

/// Writes from the front of a buffer.
pub(crate) struct Builder<'a> {
    buffer: &'a mut [u8],
    len: usize,
    /// Bytes at the end of the buffer that are kept free.
    kept: usize,
}

impl<'a> Builder<'a> {
    pub(crate) fn new(buffer: &'a mut [u8]) -> Self {
        Self {
            buffer,
            len: 0,
            kept: 0,
        }
    }

    /// How many bytes have been written.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// For how many bytes there is room.
    pub(crate) fn remaining(&self) -> usize {
        self.end().saturating_sub(self.len)
    }

    pub(crate) fn written(&self) -> &[u8] {
        self.buffer.get(..self.len).unwrap_or_default()
    }

    /// What has been written, to be changed in place.
    pub(crate) fn written_mut(&mut self) -> &mut [u8] {
        self.buffer.get_mut(..self.len).unwrap_or_default()
    }

    #[must_use]
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Option<()> {
        self.room(bytes.len())?.copy_from_slice(bytes);
        Some(())
    }

    #[must_use]
    pub(crate) fn put_u8(&mut self, value: u8) -> Option<()> {
        self.put(&[value])
    }

    #[must_use]
    pub(crate) fn put_u16(&mut self, value: u16) -> Option<()> {
        self.put(&value.to_be_bytes())
    }

    #[must_use]
    pub(crate) fn put_u32(&mut self, value: u32) -> Option<()> {
        self.put(&value.to_be_bytes())
    }

    #[must_use]
    pub(crate) fn put_varint(&mut self, value: VarInt) -> Option<()> {
        value.encode(self)
    }

    /// Bytes behind their length in one byte.
    #[must_use]
    pub(crate) fn put_vec8(&mut self, bytes: &[u8]) -> Option<()> {
        let length = u8::try_from(bytes.len()).ok()?;
        self.whole(|b| {
            b.put_u8(length)?;
            b.put(bytes)
        })
    }

    /// Bytes behind their length as a variable-length integer.
    #[must_use]
    pub(crate) fn put_vec(&mut self, bytes: &[u8]) -> Option<()> {
        let length = VarInt::try_from(bytes.len()).ok()?;
        self.whole(|b| {
            b.put_varint(length)?;
            b.put(bytes)
        })
    }

    /// The next `length` bytes of the buffer, as written, for the caller to fill: they hold whatever the buffer held.
    #[must_use]
    pub(crate) fn room(&mut self, length: usize) -> Option<&mut [u8]> {
        let end = self.len.checked_add(length)?;
        if end > self.end() {
            return None;
        }
        let room = self.buffer.get_mut(self.len..end)?;
        self.len = end;
        Some(room)
    }

    /// Keeps `length` bytes behind all that is written free until [`Builder::release`]; `None` if there are not so many left.
    #[must_use]
    pub(crate) fn keep(&mut self, length: usize) -> Option<()> {
        if length > self.remaining() {
            return None;
        }
        self.kept = self.kept.checked_add(length)?;
        Some(())
    }

    /// Gives back what was kept.
    pub(crate) fn release(&mut self, length: usize) {
        self.kept = self.kept.saturating_sub(length);
    }

    /// Takes back all that was written behind the first `length` bytes.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.len = self.len.min(length);
    }

    /// Runs `write`, and takes back what it wrote if it returns `None`.
    #[must_use]
    pub(crate) fn whole<T>(&mut self, write: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let before = self.len;
        let result = write(self);
        if result.is_none() {
            self.len = before;
        }
        result
    }

    fn end(&self) -> usize {
        self.buffer.len().saturating_sub(self.kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_not_written() {
        let mut buffer = [0xee; 6];
        let mut builder = Builder::new(&mut buffer);
        assert_eq!(builder.put_u32(0x0102_0304), Some(()));
        assert_eq!(builder.put(&[5, 6, 7]), None);
        assert_eq!(builder.put_vec8(&[5, 6]), None);
        assert_eq!(builder.put_vec(&[5, 6]), None);
        assert_eq!((builder.len(), builder.remaining()), (4, 2));
        assert_eq!(builder.put_vec(&[9]), Some(()));
        assert_eq!(builder.written(), [1, 2, 3, 4, 1, 9]);
        assert_eq!(builder.put_u8(0), None);
        assert_eq!(builder.put(&[]), Some(()));
        assert_eq!(builder.room(usize::MAX), None);
    }

    #[test]
    fn several_puts_are_one_in_whole() {
        let mut buffer = [0xee; 3];
        let mut builder = Builder::new(&mut buffer);
        let both = |b: &mut Builder<'_>| {
            b.whole(|b| {
                b.put_u8(1)?;
                b.put_u8(2)
            })
        };
        assert_eq!(both(&mut builder), Some(()));
        assert_eq!(both(&mut builder), None);
        assert_eq!(builder.written(), [1, 2]);
    }

    #[test]
    fn what_is_kept_stays_free_until_it_is_released() {
        let mut buffer = [0; 6];
        let mut builder = Builder::new(&mut buffer);
        assert_eq!(builder.put_u8(1), Some(()));
        assert_eq!(builder.keep(6), None);
        assert_eq!(builder.keep(3), Some(()));
        assert_eq!(builder.remaining(), 2);
        assert_eq!(builder.put(&[2, 3, 4]), None);
        assert_eq!(builder.put(&[2, 3]), Some(()));
        assert_eq!(builder.put_u8(4), None);
        builder.release(3);
        assert_eq!(builder.put(&[4, 5, 6]), Some(()));
        assert_eq!(builder.written(), [1, 2, 3, 4, 5, 6]);
        builder.truncate(2);
        builder.truncate(5);
        assert_eq!(builder.written(), [1, 2]);
    }
}
