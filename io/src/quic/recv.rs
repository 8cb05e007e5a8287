//! A handle to the part of a stream that receives.

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};

use bytes::Bytes;
use pith_quic::{Read, ReadError, StreamId, VarInt};

use super::error::Error;
use super::link::{Hold, State, StreamHold};

/// The part of a stream that receives.
///
/// Dropping it before its end was read tells the peer to send no more, as [`stop`](Self::stop) with code 0.
pub struct RecvStream {
    inner: Inner,
    /// What [`read_to_end`](Self::read_to_end) has read.
    collected: Vec<u8>,
}

struct Inner {
    stream: StreamHold,
    reading: Reading,
}

/// How far reading has come.
struct Reading {
    end: End,
    /// Whether something that was read came as early data, and whether that is read at once.
    is_early: bool,
    allows_early: bool,
}

/// Whether more can come.
#[derive(Debug, Clone, Copy)]
enum End {
    Open,
    Finished,
    Reset(VarInt),
    Stopped,
}

/// What reading once has come to.
enum Next {
    Chunk(Bytes),
    End,
    Nothing,
    Failed(Error),
}

impl RecvStream {
    pub(super) fn new(hold: Hold, state: &State, id: StreamId) -> Self {
        Self {
            inner: Inner {
                stream: StreamHold::new(hold, state, id),
                reading: Reading {
                    end: End::Open,
                    is_early: false,
                    allows_early: false,
                },
            },
            collected: Vec::new(),
        }
    }

    /// The stream's number in its connection.
    #[must_use]
    pub fn id(&self) -> StreamId {
        self.inner.stream.id
    }

    /// Whether anything of the stream came as early data (0-RTT) so far: somebody may have sent a copy of that before, or send one later.
    #[must_use]
    pub fn is_early(&self) -> bool {
        let early = |state: &State| state.connection.has_early_data(self.inner.stream.id);
        self.inner.reading.is_early || self.inner.stream.lock().is_ok_and(|state| early(&state))
    }

    /// Has early data read as soon as it is there, where a server's application reads it only when the handshake is complete otherwise. Until
    /// [`handshake`](super::Connection::handshake) has ended nobody knows whether the client has sent it now: do nothing for it that must not be done twice.
    pub fn allow_early(&mut self) {
        self.inner.reading.allows_early = true;
    }

    /// Reads some bytes into the front of `buffer`, as soon as there are any, and returns how many; 0 at the end. A future that is dropped has
    /// read nothing.
    ///
    /// # Errors
    /// [`Error::Reset`] if the peer has given the stream up, [`Error::Ended`] after [`stop`](Self::stop), or the end of the connection.
    pub async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        poll_fn(|cx| self.poll_read(cx, buffer)).await
    }

    /// Reads at most `most` bytes, as they lie in memory; `None` at the end. A future that is dropped has read nothing.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn read_chunk(&mut self, most: usize) -> Result<Option<Bytes>, Error> {
        poll_fn(|cx| self.poll_chunk(cx, most)).await
    }

    /// Reads everything up to the end, at most `limit` bytes. A future that is dropped loses nothing: what it has read is read by the next call, of
    /// this or any other function.
    ///
    /// # Errors
    /// [`Error::TooLong`] past the limit, where the rest is unread; as [`read`](Self::read).
    pub async fn read_to_end(&mut self, limit: usize) -> Result<Vec<u8>, Error> {
        loop {
            // One byte more shows that there is more.
            let room = limit.saturating_add(1).saturating_sub(self.collected.len());
            if room == 0 {
                return Err(Error::TooLong(limit));
            }
            let read = poll_fn(|cx| {
                self.inner.poll(cx, room, usize::MAX, |chunk| {
                    self.collected.extend_from_slice(&chunk);
                })
            });
            if read.await? == 0 {
                return Ok(std::mem::take(&mut self.collected));
            }
        }
    }

    /// Reads at most `most` bytes; what [`read_chunk`](Self::read_chunk) does.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
    ) -> Poll<Result<Option<Bytes>, Error>> {
        if !self.collected.is_empty() {
            return Poll::Ready(Ok(Some(self.take_collected(most).into())));
        }
        let mut chunk = None;
        let read = self
            .inner
            .poll(cx, most.max(1), 1, |bytes| chunk = Some(bytes));
        read.map_ok(|_| chunk)
    }

    /// Reads some bytes into the front of `buffer`; what [`read`](Self::read) does.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, Error>> {
        let mut filled = 0_usize;
        let most = buffer.len();
        let mut fill = |bytes: &[u8]| {
            let end = filled.saturating_add(bytes.len());
            if let Some(room) = buffer.get_mut(filled..end) {
                room.copy_from_slice(bytes);
            }
            filled = end;
        };
        if self.collected.is_empty() {
            return self.inner.poll(cx, most, usize::MAX, |bytes| fill(&bytes));
        }
        fill(&self.take_collected(most));
        Poll::Ready(Ok(filled))
    }

    /// Reads no more, and asks the peer to send no more, for the reason with this code. Nothing if the end was read.
    pub fn stop(&mut self, code: VarInt) {
        self.collected = Vec::new();
        self.inner.stop(code);
    }

    fn take_collected(&mut self, most: usize) -> Vec<u8> {
        let later = self.collected.split_off(most.min(self.collected.len()));
        std::mem::replace(&mut self.collected, later)
    }
}

impl Inner {
    /// Hands out what is there, in at most so many bytes and chunks, and says how many bytes that are: none at the end, or if none are wanted.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
        chunks: usize,
        mut each: impl FnMut(Bytes),
    ) -> Poll<Result<usize, Error>> {
        match self.reading.end {
            End::Open => {}
            End::Finished => return Poll::Ready(Ok(0)),
            End::Reset(code) => return Poll::Ready(Err(Error::Reset(code))),
            End::Stopped => return Poll::Ready(Err(Error::Ended)),
        }
        let mut state = self.stream.lock()?;
        let (mut read, mut left) = (0_usize, chunks);
        let mut failure = None;
        while read < most && left > 0 && matches!(self.reading.end, End::Open) {
            let room = most.saturating_sub(read);
            match self.reading.next(&mut state, self.stream.id, room) {
                Next::Chunk(bytes) => {
                    read = read.saturating_add(bytes.len());
                    left = left.saturating_sub(1);
                    each(bytes);
                }
                Next::Nothing if read == 0 => {
                    let before = state.wait_to_read(self.stream.id, cx.waker());
                    drop(state);
                    drop(before);
                    return Poll::Pending;
                }
                Next::Nothing | Next::End => break,
                Next::Failed(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        // The peer may have room to send more now. Else there is nothing for the driver to do.
        if state.connection.owes_credit() {
            self.stream.link().call(state);
        } else {
            drop(state);
        }
        Poll::Ready(match failure {
            // What was read comes first: it shows again.
            Some(error) if read == 0 => Err(error),
            _ => Ok(read),
        })
    }

    fn stop(&mut self, code: VarInt) {
        let Ok(mut state) = self.stream.lock() else {
            return;
        };
        let waker = state.remove_reader(self.stream.id);
        let was_open = matches!(self.reading.end, End::Open);
        if was_open {
            self.reading.end = End::Stopped;
        }
        if was_open && state.connection.stop(self.stream.id, code).is_ok() {
            self.stream.link().call(state);
        } else {
            drop(state);
        }
        drop(waker);
    }
}

impl Reading {
    /// Reads once. What came before the end of the connection is read after it all the same.
    fn next(&mut self, state: &mut State, id: StreamId, most: usize) -> Next {
        let read = if self.allows_early {
            state.connection.read_early(id, most)
        } else {
            state.connection.read(id, most)
        };
        match read {
            Ok(Read::Data {
                bytes, ends, early, ..
            }) => {
                self.is_early |= early;
                if ends {
                    self.end = End::Finished;
                }
                Next::Chunk(bytes)
            }
            Ok(Read::Finished) => {
                self.end = End::Finished;
                Next::End
            }
            Ok(Read::Blocked) => state.failure().map_or(Next::Nothing, Next::Failed),
            Err(ReadError::Reset(code)) => {
                self.end = End::Reset(code);
                Next::Failed(Error::Reset(code))
            }
            Err(ReadError::Closed | ReadError::OutOfOrder) => {
                Next::Failed(state.failure().unwrap_or(Error::Ended))
            }
        }
    }
}

impl Drop for RecvStream {
    fn drop(&mut self) {
        self.stop(VarInt::ZERO);
    }
}

impl fmt::Debug for RecvStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RecvStream")
            .field(&self.inner.stream.id)
            .finish()
    }
}
