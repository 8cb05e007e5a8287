//! A handle to the part of a stream that sends.

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};

use bytes::Bytes;
use pith_quic::{SendError, StreamId, VarInt};

use super::error::Error;
use super::link::{Fate, For, Hold, State, StreamHold};

/// The part of a stream that sends.
///
/// What a write has taken is sent whatever becomes of this handle. Dropping it finishes the stream; [`reset`](Self::reset) gives it up.
/// Nothing has to be flushed.
pub struct SendStream {
    stream: StreamHold,
    /// Finished or reset by this handle.
    is_ended: bool,
}

impl SendStream {
    pub(super) fn new(hold: Hold, state: &mut State, id: StreamId) -> Self {
        state.add_sender(id);
        Self {
            stream: StreamHold::new(hold, state, id),
            is_ended: false,
        }
    }

    /// The stream's number in its connection.
    #[must_use]
    pub fn id(&self) -> StreamId {
        self.stream.id
    }

    /// Sends some of `data`, as soon as there is room, and returns how much. A future that is dropped has taken nothing.
    ///
    /// # Errors
    /// [`Error::Stopped`] if the peer does not want it, [`Error::Ended`] after the end, or the end of the connection.
    pub async fn write(&mut self, data: &[u8]) -> Result<usize, Error> {
        poll_fn(|cx| self.poll_write(cx, data)).await
    }

    /// Sends all of `data`. A future that is dropped may have taken a part: where that matters use [`write`](Self::write), or
    /// [`write_bytes`](Self::write_bytes), which says what is left.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn write_all(&mut self, mut data: &[u8]) -> Result<(), Error> {
        while !data.is_empty() {
            let taken = self.write(data).await?;
            data = data.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// Sends all of `data` without a copy. What was taken is no longer in it, also when the future is dropped.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn write_bytes(&mut self, data: &mut Bytes) -> Result<(), Error> {
        while !data.is_empty() {
            poll_fn(|cx| self.poll_write_bytes(cx, data)).await?;
        }
        Ok(())
    }

    /// Sends some of `data`; what [`write`](Self::write) does.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, Error>> {
        let data = data.get(..COPIED).unwrap_or(data);
        self.poll_write_bytes(cx, &mut Bytes::copy_from_slice(data))
    }

    /// Takes some of `data` off its front, and says how much.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn poll_write_bytes(
        &mut self,
        cx: &mut Context<'_>,
        data: &mut Bytes,
    ) -> Poll<Result<usize, Error>> {
        let mut state = self.stream.lock()?;
        if let Some(failure) = state.failure() {
            return Poll::Ready(Err(failure));
        }
        match state.connection.send(self.stream.id, data) {
            Ok(0) if !data.is_empty() => {
                let before = state.wait_to_write(self.stream.id, cx.waker());
                drop(state);
                drop(before);
                Poll::Pending
            }
            Ok(taken) => {
                self.stream.link().call(state);
                Poll::Ready(Ok(taken))
            }
            Err(error) => Poll::Ready(Err(self.refused(&state, error))),
        }
    }

    /// Ends the stream behind what was sent. It arrives whatever becomes of this handle.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn finish(&mut self) -> Result<(), Error> {
        let mut state = self.stream.lock()?;
        if let Some(failure) = state.failure() {
            return Err(failure);
        }
        self.is_ended = true;
        let finished = state.connection.finish(self.stream.id);
        finished.map_err(|error| self.refused(&state, error))?;
        self.stream.link().call(state);
        Ok(())
    }

    /// Gives up sending, for the reason with this code: what was not sent or has not arrived never will. Nothing if it has ended already.
    pub fn reset(&mut self, code: VarInt) {
        self.is_ended = true;
        if let Ok(mut state) = self.stream.lock()
            && state.connection.reset(self.stream.id, code).is_ok()
        {
            self.stream.link().call(state);
        }
    }

    /// Waits for the fate of the stream: `None` once everything has arrived, and the end with it, or the code for which the peer does not want
    /// it. The future can be dropped and asked again. After a [`reset`](Self::reset) it waits for the end of the connection.
    ///
    /// # Errors
    /// The end of the connection.
    pub async fn stopped(&self) -> Result<Option<VarInt>, Error> {
        let id = self.stream.id;
        let fate = |state: &mut State| {
            if let Err(error) = self.stream.check(state) {
                return Some(Err(error));
            }
            match state.fate(id) {
                Some(Fate::Arrived) => Some(Ok(None)),
                Some(Fate::Stopped(code)) => Some(Ok(Some(code))),
                None => state.failure().map(Err),
            }
        };
        self.stream.link().wait(For::Fate(id), fate).await
    }

    /// Whose data goes first: streams of a lower urgency before those of a higher, and streams of the same in turn. It is 3 at first.
    pub fn set_priority(&mut self, urgency: u8) {
        let id = self.stream.id;
        if let Ok(mut state) = self.stream.lock()
            && state.connection.set_urgency(id, urgency).is_ok()
        {
            self.stream.link().call(state);
        }
    }

    /// Why the stream took nothing.
    fn refused(&self, state: &State, error: SendError) -> Error {
        match (error, state.fate(self.stream.id)) {
            (SendError::Stopped(code), _) | (_, Some(Fate::Stopped(code))) => Error::Stopped(code),
            (SendError::Finished | SendError::Closed, _) => Error::Ended,
        }
    }
}

impl Drop for SendStream {
    fn drop(&mut self) {
        let Ok(mut state) = self.stream.lock() else {
            return;
        };
        let waker = state.remove_sender(self.stream.id);
        if !self.is_ended && state.connection.finish(self.stream.id).is_ok() {
            self.stream.link().call(state);
        } else {
            drop(state);
        }
        drop(waker);
    }
}

impl fmt::Debug for SendStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SendStream").field(&self.stream.id).finish()
    }
}

/// The most bytes that one write copies. What does not fit is copied in vain, so it is less than a stream's room.
const COPIED: usize = 64 * 1024;
