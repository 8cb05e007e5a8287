//! A handle to the part of a stream that receives.

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};

use bytes::Bytes;
use pith_quic::{Read, ReadError, StreamId, VarInt};

use super::error::Error;
use super::link::Hold;

/// The part of a stream that receives.
///
/// Dropping it before its end was read tells the peer to send no more, as [`stop`](Self::stop) with code 0.
pub struct RecvStream {
    hold: Hold,
    id: StreamId,
    end: End,
    /// What [`read_to_end`](Self::read_to_end) has read.
    collected: Vec<u8>,
}

/// Whether more can come.
#[derive(Debug, Clone, Copy)]
enum End {
    Open,
    Finished,
    Reset(VarInt),
    Stopped,
}

impl RecvStream {
    pub(super) fn new(hold: Hold, id: StreamId) -> Self {
        Self {
            hold,
            id,
            end: End::Open,
            collected: Vec::new(),
        }
    }

    /// The stream's number in its connection.
    #[must_use]
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// Reads some bytes into the front of `buffer`, as soon as there are any, and returns how many; 0 at the end. A future that is dropped has
    /// read nothing.
    ///
    /// # Errors
    /// [`Error::Reset`] if the peer has given the stream up, [`Error::Ended`] after [`stop`](Self::stop), or the end of the connection.
    pub async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let chunk = self.read_chunk(buffer.len()).await?.unwrap_or_default();
        if let Some(front) = buffer.get_mut(..chunk.len()) {
            front.copy_from_slice(&chunk);
        }
        Ok(chunk.len())
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
            let chunk = poll_fn(|cx| self.poll_fresh(cx, room)).await?;
            match chunk {
                Some(chunk) => self.collected.extend_from_slice(&chunk),
                None => return Ok(std::mem::take(&mut self.collected)),
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
        if self.collected.is_empty() {
            return self.poll_fresh(cx, most);
        }
        let mut chunk = Bytes::from(std::mem::take(&mut self.collected));
        self.collected = chunk.split_off(most.min(chunk.len())).into();
        Poll::Ready(Ok(Some(chunk)))
    }

    /// Reads no more, and asks the peer to send no more, for the reason with this code. Nothing if the end was read.
    pub fn stop(&mut self, code: VarInt) {
        self.collected = Vec::new();
        let link = self.hold.link();
        let mut state = link.lock();
        state.remove_reader(self.id);
        if let End::Open = self.end {
            self.end = End::Stopped;
            if state.connection.stop(self.id, code).is_ok() {
                link.call(state);
            }
        }
    }

    fn poll_fresh(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
    ) -> Poll<Result<Option<Bytes>, Error>> {
        match self.end {
            End::Open => {}
            End::Finished => return Poll::Ready(Ok(None)),
            End::Reset(code) => return Poll::Ready(Err(Error::Reset(code))),
            End::Stopped => return Poll::Ready(Err(Error::Ended)),
        }
        if most == 0 {
            return Poll::Ready(Ok(Some(Bytes::new())));
        }
        let link = self.hold.link();
        let mut state = link.lock();
        // What came before the end of the connection can be read after it.
        let read = match state.connection.read(self.id, most) {
            Ok(Read::Data { bytes, ends, .. }) => {
                if ends {
                    self.end = End::Finished;
                }
                Ok(Some(bytes))
            }
            Ok(Read::Finished) => {
                self.end = End::Finished;
                Ok(None)
            }
            Ok(Read::Blocked) => match state.failure() {
                Some(failure) => return Poll::Ready(Err(failure)),
                None => {
                    state.wait_to_read(self.id, cx.waker());
                    return Poll::Pending;
                }
            },
            Err(ReadError::Reset(code)) => {
                self.end = End::Reset(code);
                Err(Error::Reset(code))
            }
            Err(ReadError::Closed | ReadError::OutOfOrder) => {
                Err(state.failure().unwrap_or(Error::Ended))
            }
        };
        // The peer may have room to send more now.
        link.call(state);
        Poll::Ready(read)
    }
}

impl Drop for RecvStream {
    fn drop(&mut self) {
        self.stop(VarInt::ZERO);
    }
}

impl fmt::Debug for RecvStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RecvStream").field(&self.id).finish()
    }
}
