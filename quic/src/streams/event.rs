//! What the application is told about streams.
//!
//! Each stream stands in the queue at most once and carries its own marks, so that however much happens, the queue is no longer than there are
//! streams. A stream stays until what happened to it has been told.

use std::collections::VecDeque;

use crate::wire::{Dir, StreamId, VarInt};

/// Something that happened to streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamEvent {
    /// The peer has opened streams: accept until there is none, and read each at once.
    Opened(Dir),
    /// The peer allows more streams after one was refused: open again.
    Available(Dir),
    /// There is something new to read on an open or accepted stream: data, the end or a reset. Read until blocked.
    Readable(StreamId),
    /// A stream that took less than it was given takes more.
    Writable(StreamId),
    /// The peer does not want what is sent: the stream has been reset with the code that the peer gave.
    Stopped(StreamId, VarInt),
    /// Everything that was sent has arrived, and the end with it.
    Finished(StreamId),
}

/// What a stream has to tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    pub(crate) stopped: bool,
    pub(crate) finished: bool,
    pub(crate) queued: bool,
}

/// The streams that have something to tell, and what concerns no single one.
#[derive(Debug, Default)]
pub(crate) struct Events {
    pub(crate) streams: VecDeque<StreamId>,
    opened: Both<bool>,
    available: Both<bool>,
}

/// One thing for each kind of stream.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Both<T> {
    bi: T,
    uni: T,
}

impl<T> Both<T> {
    pub(crate) fn new(make: impl Fn(Dir) -> T) -> Self {
        Self {
            bi: make(Dir::Bi),
            uni: make(Dir::Uni),
        }
    }

    pub(crate) fn of(&self, dir: Dir) -> &T {
        match dir {
            Dir::Bi => &self.bi,
            Dir::Uni => &self.uni,
        }
    }

    pub(crate) fn of_mut(&mut self, dir: Dir) -> &mut T {
        match dir {
            Dir::Bi => &mut self.bi,
            Dir::Uni => &mut self.uni,
        }
    }
}

impl Events {
    pub(crate) fn opened(&mut self, dir: Dir) {
        *self.opened.of_mut(dir) = true;
    }

    pub(crate) fn available(&mut self, dir: Dir) {
        *self.available.of_mut(dir) = true;
    }

    /// What concerns no single stream.
    pub(crate) fn take(&mut self) -> Option<StreamEvent> {
        Dir::ALL.into_iter().find_map(|dir| {
            if core::mem::take(self.opened.of_mut(dir)) {
                Some(StreamEvent::Opened(dir))
            } else {
                core::mem::take(self.available.of_mut(dir)).then_some(StreamEvent::Available(dir))
            }
        })
    }
}

impl Marks {
    pub(crate) fn is_empty(self) -> bool {
        !(self.readable || self.writable || self.stopped || self.finished)
    }

    /// The most important thing to tell, once. `code` is what the peer stopped the stream with.
    pub(crate) fn take(&mut self, id: StreamId, code: VarInt) -> Option<StreamEvent> {
        if core::mem::take(&mut self.stopped) {
            self.writable = false;
            Some(StreamEvent::Stopped(id, code))
        } else if core::mem::take(&mut self.finished) {
            Some(StreamEvent::Finished(id))
        } else if core::mem::take(&mut self.readable) {
            Some(StreamEvent::Readable(id))
        } else {
            core::mem::take(&mut self.writable).then_some(StreamEvent::Writable(id))
        }
    }
}
