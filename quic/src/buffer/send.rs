//! What was written and is not acknowledged yet.
//!
//! A [`SendBuffer`] holds the application's own slices, from the first byte that is not acknowledged to the last that was written. A frame is a range
//! of offsets that is copied into a packet; the same range is copied again if it is lost, from where it always lay. Slices go away when all
//! of their bytes are acknowledged, in whatever order that happens. Data is never taken back or changed (rfc9000#2.2-2): a range always reads as
//! what was written there.

use core::ops::Range;
use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::{Ranges, at_most, size};

/// Bytes and an end, waiting to be sent or acknowledged.
#[derive(Debug, Default)]
pub(crate) struct SendBuffer {
    /// In order and without gaps, up to `end`.
    chunks: VecDeque<Written>,
    /// Everything below is acknowledged.
    base: u64,
    /// Everything from here on was never sent.
    next: u64,
    end: u64,
    /// Acknowledged, above `base`.
    acked: Ranges,
    /// Sent, lost and not acknowledged.
    lost: Ranges,
    fin: Fin,
}

/// What is to be sent next: as much of it as fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) offset: u64,
    pub(crate) len: u64,
    /// Whether the end of the stream comes right behind it, and has to be said.
    pub(crate) fin: bool,
    /// Whether it has been sent before, and so counts against no limit.
    pub(crate) again: bool,
}

#[derive(Debug)]
struct Written {
    start: u64,
    len: u64,
    /// Empty once all of it is acknowledged.
    bytes: Bytes,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Fin {
    /// More may be written.
    #[default]
    Open,
    Unsent,
    Sent,
    Acked,
}

impl SendBuffer {
    pub(crate) fn push(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        let len = size(bytes.len());
        let start = self.end;
        self.end = self.end.saturating_add(len);
        if let Some(last) = self.chunks.back_mut() {
            // Somebody who writes byte by byte would pay for bookkeeping many times what he writes.
            let both = last.bytes.len().saturating_add(bytes.len());
            if both <= JOINED && !last.bytes.is_empty() {
                let mut joined = BytesMut::with_capacity(both);
                joined.extend_from_slice(&last.bytes);
                joined.extend_from_slice(&bytes);
                last.bytes = joined.freeze();
                last.len = last.len.saturating_add(len);
                return;
            }
        }
        self.chunks.push_back(Written { start, len, bytes });
    }

    /// Nothing is written after this.
    pub(crate) fn finish(&mut self) {
        if self.fin == Fin::Open {
            self.fin = Fin::Unsent;
        }
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.fin != Fin::Open
    }

    /// How much was written and never sent.
    pub(crate) fn unsent(&self) -> u64 {
        self.end.saturating_sub(self.next)
    }

    /// Where what was never sent begins: the largest offset that was sent.
    pub(crate) fn sent(&self) -> u64 {
        self.next
    }

    /// Whether everything has arrived, and the end too.
    pub(crate) fn is_delivered(&self) -> bool {
        self.fin == Fin::Acked && self.base == self.end
    }

    /// Whether there is something to send again, or an end to say that needs no credit.
    pub(crate) fn owes_without_credit(&self) -> bool {
        !self.lost.is_empty() || (self.fin == Fin::Unsent && self.next == self.end)
    }

    /// How much was written and not acknowledged, the end counted as a byte.
    pub(crate) fn undelivered(&self) -> u64 {
        let fin = matches!(self.fin, Fin::Unsent | Fin::Sent);
        let bytes = self.end.saturating_sub(self.base);
        bytes.saturating_add(fin.into())
    }

    /// What comes next: what was lost, then what is new below `limit`, then the end alone.
    pub(crate) fn pending(&self, limit: u64) -> Option<Piece> {
        let (range, again) = match self.lost.first() {
            Some(lost) => (lost, true),
            None => (self.next..self.end.min(limit).max(self.next), false),
        };
        let fin = self.fin == Fin::Unsent && range.end == self.end;
        let len = range.end.saturating_sub(range.start);
        (len > 0 || fin).then_some(Piece {
            offset: range.start,
            len,
            fin,
            again,
        })
    }

    /// Copies what lies at `offset` on. `None`, with `to` in any state, if not all of it is held.
    pub(crate) fn copy(&self, offset: u64, to: &mut [u8]) -> Option<()> {
        let (mut offset, mut to) = (offset, to);
        let mut chunks = self.chunks.range(self.index(offset)..);
        while !to.is_empty() {
            let chunk = chunks.next()?;
            let skip = usize::try_from(offset.checked_sub(chunk.start)?).ok()?;
            let bytes = chunk.bytes.get(skip..).filter(|bytes| !bytes.is_empty())?;
            let len = bytes.len().min(to.len());
            let (head, tail) = to.split_at_mut_checked(len)?;
            head.copy_from_slice(bytes.get(..len)?);
            offset = offset.checked_add(size(len))?;
            to = tail;
        }
        Some(())
    }

    /// The first `len` bytes of what was [`pending`](Self::pending) are in a packet, and the end if `fin`.
    pub(crate) fn sent_piece(&mut self, piece: Piece, len: u64, fin: bool) {
        let end = piece.offset.saturating_add(len);
        if piece.again {
            self.lost.remove(piece.offset..end);
        } else {
            self.next = self.next.max(end);
        }
        if fin && self.fin == Fin::Unsent {
            self.fin = Fin::Sent;
        }
    }

    pub(crate) fn acked(&mut self, range: Range<u64>, fin: bool) {
        if fin {
            self.fin = Fin::Acked;
        }
        let range = range.start.max(self.base)..range.end.min(self.next);
        if range.is_empty() {
            return;
        }
        self.lost.remove(range.clone());
        // Most of what arrives is what comes next, and needs no set of ranges.
        let touches = |acked: Range<u64>| acked.start <= range.end;
        let is_next = range.start == self.base && !self.acked.first().is_some_and(touches);
        let whole = if is_next {
            range
        } else {
            self.acked.insert(range.clone());
            self.acked.around(range.start).unwrap_or(range)
        };
        if whole.start <= self.base {
            self.base = whole.end;
            if !is_next {
                self.acked.remove(whole);
            }
            while self.chunks.front().is_some_and(|c| c.end() <= self.base) {
                self.chunks.pop_front();
            }
        } else {
            let first = self.index(whole.start);
            self.chunks
                .range_mut(first..)
                .skip_while(|chunk| chunk.start < whole.start)
                .take_while(|chunk| chunk.end() <= whole.end)
                .for_each(|chunk| chunk.bytes = Bytes::new());
        }
        if self.chunks.is_empty() {
            self.chunks = VecDeque::new();
        }
    }

    pub(crate) fn lost(&mut self, range: Range<u64>, fin: bool) {
        if fin && self.fin == Fin::Sent {
            self.fin = Fin::Unsent;
        }
        let mut left = range.start.max(self.base)..range.end.min(self.next);
        while let Some(gap) = self.acked.first_gap(left.clone()) {
            left.start = gap.end;
            self.lost.insert(gap);
        }
    }

    /// Forgets what was written: it will never be sent, or not again.
    pub(crate) fn discard(&mut self) {
        self.chunks = VecDeque::new();
        self.acked.clear();
        self.lost.clear();
        self.end = self.next;
        self.base = self.next;
    }

    /// Bytes of the slices that are held.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.chunks
            .iter()
            .fold(0, |sum, chunk| chunk.bytes.len().saturating_add(sum))
    }

    /// The place of the slice that holds `offset`.
    fn index(&self, offset: u64) -> usize {
        self.chunks.partition_point(|chunk| chunk.end() <= offset)
    }
}

impl Piece {
    /// As many bytes as one frame can name.
    pub(crate) fn available(&self) -> usize {
        at_most(self.len, usize::from(u16::MAX))
    }
}

impl Written {
    fn end(&self) -> u64 {
        self.start.saturating_add(self.len)
    }
}

/// Up to how many bytes small writes are copied together: a packet's worth would be copied too often, less leaves too many pieces.
const JOINED: usize = 512;

#[cfg(test)]
#[path = "send_tests.rs"]
mod tests;
