//! Data that came in any order, and is read in order or as it came.
//!
//! A [`Reassembly`] copies what comes out of its packets: so a packet's memory is used again at once, while it is in the cache, and what comes in order
//! lies together and is read in few pieces. What lies without a gap from the start stands in a queue, whose last piece has room for what comes next; what
//! lies beyond a gap stands in a tree. The first copy of a byte wins, and no byte is handed out twice, in either way of reading.
//!
//! The invariant is about memory (attack A23): each piece is counted with all the memory that it has and with its bookkeeping. A new piece has room for
//! at most half of what is held already, and when what is held beyond the data itself grows past half of the data,
//! small pieces that touch are copied together. What cannot be joined, since it has gaps between, is told by
//! [`fragments`](Reassembly::fragments): the owner refuses a peer that makes this grow past its window. All work is linear in what came.

use core::ops::Range;
use std::collections::{BTreeMap, VecDeque};

use bytes::{Bytes, BytesMut};

use super::{Ranges, at_most, size};
use crate::{Fault, limits};

/// What came and was not read.
#[derive(Debug, Default)]
pub(crate) struct Reassembly {
    /// Not handed out, and all below `joined`; without gaps as long as it is read in order alone.
    ready: VecDeque<Segment>,
    /// Every byte below came.
    joined: u64,
    /// Not handed out, above `joined`: start → slice. They do not overlap.
    apart: BTreeMap<u64, Segment>,
    /// Handed out, above `joined`.
    taken: Ranges,
    /// Bytes of data that are held.
    buffered: usize,
    /// Bytes of memory that are held.
    held: usize,
    /// What the last compaction could not get rid of.
    stubborn: usize,
}

/// Some bytes of a stream and where they belong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) offset: u64,
    pub(crate) bytes: Bytes,
}

#[derive(Debug)]
struct Segment {
    offset: u64,
    bytes: BytesMut,
    /// Bytes of memory that `bytes` keeps alive.
    pinned: usize,
}

impl Reassembly {
    /// Takes in what came at `offset`.
    pub(crate) fn insert(&mut self, offset: u64, bytes: &[u8]) {
        if offset == self.joined && self.apart.is_empty() && self.taken.is_empty() {
            self.append(bytes);
        } else {
            let end = offset.saturating_add(size(bytes.len()));
            let mut at = offset;
            while let Some(gap) = self.first_gap(at..end) {
                at = gap.end;
                let skip = at_most(gap.start.saturating_sub(offset), bytes.len());
                let upto = at_most(gap.end.saturating_sub(offset), bytes.len());
                self.place(gap.start, bytes.get(skip..upto).unwrap_or_default());
            }
        }
        let grown = self.stubborn.saturating_add(self.stubborn >> 1);
        let bound = grown.max(self.buffered >> 1).saturating_add(SLACK);
        if self.overhead() > bound {
            self.compact();
        }
    }

    /// The next bytes in order, at most `most`. Only while nothing was read out of order.
    pub(crate) fn read(&mut self, most: usize) -> Option<Chunk> {
        let front = self.ready.front_mut()?;
        if front.bytes.len() > most {
            let chunk = front.split(most);
            self.buffered = self.buffered.saturating_sub(most);
            // Little that is left shall not keep much alive.
            if front.pinned > front.bytes.len().saturating_mul(limits::PINNED) {
                self.held = self.held.saturating_sub(front.cost());
                *front = Segment::copied(front.offset, &front.bytes);
                self.held = self.held.saturating_add(front.cost());
            }
            return Some(chunk);
        }
        let segment = self.ready.pop_front()?;
        if self.ready.is_empty() && self.ready.capacity() > KEPT_CAPACITY {
            self.ready = VecDeque::new();
        }
        Some(self.release(segment))
    }

    /// Any bytes, at most `most`: the lowest that came.
    pub(crate) fn read_unordered(&mut self, most: usize) -> Option<Chunk> {
        if let Some(chunk) = self.read(most) {
            return Some(chunk);
        }
        let (offset, mut segment) = self.apart.pop_first()?;
        let len = segment.bytes.len().min(most);
        let end = offset.saturating_add(size(len));
        self.taken.insert(offset..end);
        if segment.bytes.len() == len {
            return Some(self.release(segment));
        }
        let chunk = segment.split(len);
        self.buffered = self.buffered.saturating_sub(len);
        self.apart.insert(end, segment);
        Some(chunk)
    }

    /// The offset below which every byte came.
    pub(crate) fn joined(&self) -> u64 {
        self.joined
    }

    /// Bytes of data that are held.
    pub(crate) fn buffered(&self) -> usize {
        self.buffered
    }

    /// Bytes of memory beyond the data itself.
    pub(crate) fn overhead(&self) -> usize {
        let taken = self.taken.len().saturating_mul(limits::SEGMENT_OVERHEAD);
        self.held
            .saturating_sub(self.buffered)
            .saturating_add(taken)
    }

    /// The part of the overhead that gaps cause: no copying makes it smaller.
    pub(crate) fn fragments(&self) -> usize {
        let pieces = self.apart.len().saturating_add(self.taken.len());
        pieces.saturating_mul(limits::SEGMENT_OVERHEAD)
    }

    /// Copies small slices that touch together.
    pub(crate) fn compact(&mut self) {
        let ready = core::mem::take(&mut self.ready);
        let apart = core::mem::take(&mut self.apart);
        self.held = 0;
        for segment in compacted(ready.into_iter()) {
            self.held = self.held.saturating_add(segment.cost());
            self.ready.push_back(segment);
        }
        for segment in compacted(apart.into_values()) {
            self.held = self.held.saturating_add(segment.cost());
            self.apart.insert(segment.offset, segment);
        }
        self.stubborn = self.overhead();
    }

    /// The first part of `within` that never came.
    fn first_gap(&self, within: Range<u64>) -> Option<Range<u64>> {
        let mut start = within.start.max(self.joined);
        loop {
            let held = self.apart.range(..=start).next_back().map(|(_, s)| s.end());
            let covered = held.filter(|end| *end > start);
            match covered.or(self.taken.around(start).map(|range| range.end)) {
                Some(end) if start < within.end => start = end,
                _ => break,
            }
        }
        let held = self.apart.range(start..).next().map(|(start, _)| *start);
        let taken = self.taken.from(start).map(|range| range.start);
        let end = [held, taken]
            .into_iter()
            .flatten()
            .fold(within.end, u64::min);
        (start < end).then_some(start..end)
    }

    fn place(&mut self, offset: u64, bytes: &[u8]) {
        if offset == self.joined {
            self.append(bytes);
            self.join();
        } else {
            let segment = Segment::copied(offset, bytes);
            self.buffered = self.buffered.saturating_add(bytes.len());
            self.held = self.held.saturating_add(segment.cost());
            self.apart.insert(offset, segment);
        }
    }

    /// Takes in what belongs at `joined`: the last piece takes what it has room for.
    fn append(&mut self, bytes: &[u8]) {
        let offset = self.joined;
        self.joined = offset.saturating_add(size(bytes.len()));
        let mut left = bytes;
        if let Some(last) = self.ready.back_mut().filter(|last| last.end() == offset) {
            let spare = last.bytes.capacity().saturating_sub(last.bytes.len());
            let (head, tail) = left.split_at_checked(spare).unwrap_or((left, &[]));
            last.bytes.extend_from_slice(head);
            left = tail;
        }
        if !left.is_empty() {
            let room = (self.buffered >> 1).min(ROOM).max(left.len());
            let mut bytes = BytesMut::with_capacity(room);
            bytes.extend_from_slice(left);
            let segment = Segment {
                offset: self.joined.saturating_sub(size(left.len())),
                pinned: bytes.capacity(),
                bytes,
            };
            self.held = self.held.saturating_add(segment.cost());
            self.ready.push_back(segment);
        }
        self.buffered = self.buffered.saturating_add(bytes.len());
    }

    /// Takes in everything at `joined` up to the next gap.
    fn join(&mut self) {
        loop {
            if let Some(taken) = self.taken.around(self.joined) {
                self.joined = taken.end;
                self.taken.remove(taken);
            }
            let Some(segment) = self.apart.remove(&self.joined) else {
                break;
            };
            self.joined = segment.end();
            self.ready.push_back(segment);
        }
    }

    fn release(&mut self, segment: Segment) -> Chunk {
        self.held = self.held.saturating_sub(segment.cost());
        self.buffered = self.buffered.saturating_sub(segment.bytes.len());
        Chunk {
            offset: segment.offset,
            bytes: segment.bytes.freeze(),
        }
    }
}

impl Segment {
    fn copied(offset: u64, bytes: &[u8]) -> Self {
        let bytes = BytesMut::from(bytes);
        Self {
            offset,
            pinned: bytes.capacity(),
            bytes,
        }
    }

    /// The first `len` bytes, which are no more than there are.
    fn split(&mut self, len: usize) -> Chunk {
        let offset = self.offset;
        self.offset = offset.saturating_add(size(len));
        let bytes = self.bytes.split_to(len).freeze();
        Chunk { offset, bytes }
    }

    fn end(&self) -> u64 {
        self.offset.saturating_add(size(self.bytes.len()))
    }

    fn cost(&self) -> usize {
        self.pinned.saturating_add(limits::SEGMENT_OVERHEAD)
    }

    /// Whether it costs more than one and a half times what it holds.
    fn is_wasteful(&self) -> bool {
        let len = self.bytes.len();
        self.cost() > len.saturating_add(len >> 1)
    }
}

/// The same bytes in fewer segments: runs of wasteful ones that touch are copied into one of at most [`JOINED`] bytes.
fn compacted(segments: impl Iterator<Item = Segment>) -> Vec<Segment> {
    let mut whole = Vec::new();
    let mut run: Vec<Segment> = Vec::new();
    let mut length = 0_usize;
    for segment in segments {
        let touches = run.last().is_some_and(|last| last.end() == segment.offset);
        let joined = segment.bytes.len().saturating_add(length);
        if !touches || !segment.is_wasteful() || joined > JOINED {
            whole.extend(one(&mut run));
            length = 0;
        }
        length = segment.bytes.len().saturating_add(length);
        if segment.is_wasteful() {
            run.push(segment);
        } else {
            length = 0;
            whole.push(segment);
        }
    }
    whole.extend(one(&mut run));
    whole
}

/// A run as one segment of its own memory; a run of one that has nothing to gain stays as it is.
fn one(run: &mut Vec<Segment>) -> Option<Segment> {
    let offset = run.first()?.offset;
    if run.len() == 1 && run.iter().all(|s| s.pinned == s.bytes.len()) {
        return run.pop();
    }
    let length = run
        .iter()
        .fold(0, |sum: usize, s| s.bytes.len().saturating_add(sum));
    let mut bytes = BytesMut::with_capacity(length);
    for segment in run.drain(..) {
        bytes.extend_from_slice(&segment.bytes);
    }
    Some(Segment {
        offset,
        pinned: bytes.capacity(),
        bytes,
    })
}

/// What came in CRYPTO frames of one packet number space: no flow control bounds it, so it has a cap of its own (attack A22).
#[derive(Debug, Default)]
pub(crate) struct CryptoReceive {
    data: Reassembly,
    read: u64,
}

impl CryptoReceive {
    /// Takes in what a CRYPTO frame holds.
    ///
    /// # Errors
    /// [`Fault::CryptoBuffer`] if it ends too far beyond what was read, or more has gaps than is worth holding.
    pub(crate) fn insert(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Fault> {
        let end = offset.saturating_add(size(bytes.len()));
        if end.saturating_sub(self.read) > size(limits::CRYPTO_BUFFER) {
            return Err(Fault::CryptoBuffer);
        }
        self.data.insert(offset, bytes);
        if self.data.fragments() > limits::CRYPTO_BUFFER {
            self.data.compact();
            if self.data.fragments() > limits::CRYPTO_BUFFER {
                return Err(Fault::CryptoBuffer);
            }
        }
        Ok(())
    }

    /// The next bytes in order.
    pub(crate) fn read(&mut self) -> Option<Bytes> {
        let chunk = self.data.read(usize::MAX)?;
        self.read = chunk.offset.saturating_add(size(chunk.bytes.len()));
        Some(chunk.bytes)
    }

    /// Whether bytes wait that cannot be read yet, or were not.
    pub(crate) fn is_empty(&self) -> bool {
        self.data.buffered() == 0
    }
}

/// How much may be wasted before anybody looks.
const SLACK: usize = 4096;

/// Bytes that are copied together at most, so that no copy needs much memory at once.
const JOINED: usize = 65_536;

/// Bytes of a piece that has room for what comes next: ten packets of the largest usual size.
const ROOM: usize = 16_384;

/// For how many pieces an empty queue keeps its memory.
const KEPT_CAPACITY: usize = 16;

#[cfg(test)]
#[path = "reassemble_tests.rs"]
mod tests;
