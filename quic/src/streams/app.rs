//! What the application does with streams.

use bytes::Bytes;

use super::recv::Order;
use super::set::Streams;
use crate::wire::{Dir, StreamId, VarInt};

/// What reading a stream gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// Data, and whether it is the last: nothing comes after it.
    Data {
        /// Where in the stream it belongs.
        offset: u64,
        /// The data. It may share memory with what came before and behind it, 16 KiB of the stream at most.
        bytes: Bytes,
        /// Whether nothing comes after it.
        ends: bool,
        /// Whether it came as early data (0-RTT), all or in part: somebody may have sent a copy of it before, or send one later.
        early: bool,
    },
    /// Nothing is there now.
    Blocked,
    /// The stream has ended, and everything was read.
    Finished,
}

/// Why a stream cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadError {
    /// The peer has given it up with this code. Told once.
    Reset(VarInt),
    /// It was read to its end, stopped, or never there.
    Closed,
    /// It was read out of order before and cannot be read in order.
    OutOfOrder,
}

/// Why a stream takes no data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendError {
    /// The peer does not want it, for this reason.
    Stopped(VarInt),
    /// It was finished before.
    Finished,
    /// It was reset, has arrived, or was never there.
    Closed,
}

/// The application used a stream in a way that it does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Misuse;

impl Streams {
    /// Opens a stream; `None` if the peer allows no more now. Its id is never used again (rfc9000#2.1-1).
    pub(crate) fn open(&mut self, dir: Dir) -> Option<StreamId> {
        let ours = self.ours.of_mut(dir);
        // rfc9000#4.6-2, rfc9000#19.11-3
        if ours.available() == 0 {
            ours.want();
            return None;
        }
        let id = StreamId::new(self.side, dir, ours.used())?;
        ours.spend(1);
        self.create(id);
        Some(id)
    }

    /// The next stream that the peer has opened, in the order of their ids. It may have data already.
    pub(crate) fn accept(&mut self, dir: Dir) -> Option<StreamId> {
        let theirs = self.theirs.of_mut(dir);
        let index = theirs.accepted;
        if index >= theirs.flow.received() {
            return None;
        }
        let id = StreamId::new(self.side.peer(), dir, index)?;
        theirs.accepted = index.saturating_add(1);
        if theirs.unnamed.contains(index) {
            theirs.unnamed.remove(index..index.saturating_add(1));
            self.create(id);
        }
        self.settle(id);
        Some(id)
    }

    /// Reads at most `most` bytes.
    pub(crate) fn read(
        &mut self,
        id: StreamId,
        most: usize,
        order: Order,
    ) -> Result<Read, ReadError> {
        if !self.is_known(id) {
            return Err(ReadError::Closed);
        }
        let read = self.change(id, |stream, shared| {
            let recv = stream.recv.as_mut()?;
            Some(recv.read(shared.account, most, order))
        });
        read.flatten().ok_or(ReadError::Closed)?
    }

    /// Takes as many of `bytes` as there is room for, off their front, and says how many. If not all, [`StreamEvent::Writable`](super::StreamEvent) will say when
    /// there is room again.
    pub(crate) fn send(&mut self, id: StreamId, bytes: &mut Bytes) -> Result<usize, SendError> {
        let result = self.sending(id)?.send(bytes);
        self.settle(id);
        result
    }

    /// Nothing more will be sent: the peer is told where the stream ends.
    pub(crate) fn finish(&mut self, id: StreamId) -> Result<(), SendError> {
        let result = self.sending(id)?.finish();
        self.settle(id);
        result
    }

    /// Gives up sending: what was not sent or has not arrived never will. But for the answer to STOP_SENDING nothing else resets a stream
    /// (rfc9000#11.2-1).
    pub(crate) fn reset(&mut self, id: StreamId, code: VarInt) -> Result<(), SendError> {
        let result = self.sending(id)?.reset(code);
        self.settle(id);
        result
    }

    /// Gives up reading: what comes is dropped, and the peer is asked to send no more.
    pub(crate) fn stop(&mut self, id: StreamId, code: VarInt) -> Result<(), Misuse> {
        if !self.is_known(id) {
            return Err(Misuse);
        }
        let (marks, recv, account) = self.receiving(id).ok_or(Misuse)?;
        let news = recv.stop(account, code);
        marks.readable = false;
        self.settle(id);
        if news { Ok(()) } else { Err(Misuse) }
    }

    /// Whose data goes first: streams of a lower urgency before those of a higher, and streams of the same in turn. New streams have 3.
    pub(crate) fn set_urgency(&mut self, id: StreamId, urgency: u8) -> Result<(), SendError> {
        self.sending(id)?;
        if let Some(stream) = self.map.get_mut(&id) {
            if let Some(send) = &mut stream.send {
                self.schedule.set_urgency(id, send, urgency);
            }
        }
        self.settle(id);
        Ok(())
    }

    fn sending(&mut self, id: StreamId) -> Result<&mut super::send::SendStream, SendError> {
        if !self.is_known(id) {
            return Err(SendError::Closed);
        }
        self.send_mut(id).ok_or(SendError::Closed)
    }
}
