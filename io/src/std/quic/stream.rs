//! The two parts of a stream, each for one thread.

use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pith_quic::{StreamId, VarInt};

use super::thread::Thread;
use super::{Error, wait};
use crate::quic;

/// The part of a stream that sends: a [`Write`].
///
/// What a write has taken is sent whatever becomes of this handle. Dropping it finishes the stream; [`reset`](Self::reset) gives it up.
/// Nothing has to be flushed.
pub struct SendStream {
    inner: quic::SendStream,
    timeout: Option<Duration>,
    /// Behind the stream: the last handle that goes waits for what was sent.
    thread: Arc<Thread>,
}

/// The part of a stream that receives: a [`Read`], which gives 0 at the end that the peer has sent and an error if there is none.
///
/// Dropping it before its end was read tells the peer to send no more, as [`stop`](Self::stop) with code 0.
pub struct RecvStream {
    inner: quic::RecvStream,
    timeout: Option<Duration>,
    thread: Arc<Thread>,
}

impl SendStream {
    pub(super) fn new(
        inner: quic::SendStream,
        timeout: Option<Duration>,
        thread: &Arc<Thread>,
    ) -> Self {
        Self {
            inner,
            timeout,
            thread: Arc::clone(thread),
        }
    }

    /// The stream's number in its connection.
    #[must_use]
    pub fn id(&self) -> StreamId {
        self.inner.id()
    }

    /// How long each call waits; `None` is without bound.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// Sends all of `data` without a copy. What was taken is no longer in it, also after an error. The timeout holds for all of it.
    ///
    /// # Errors
    /// [`Error::Stopped`] if the peer does not want it, [`Error::Ended`] after the end, the end of the connection, or [`Error::TimedOut`].
    pub fn write_bytes(&mut self, data: &mut Bytes) -> Result<(), Error> {
        wait(&self.thread, self.inner.write_bytes(data), self.timeout)
    }

    /// Ends the stream behind what was sent. It arrives whatever becomes of this handle.
    ///
    /// # Errors
    /// [`Error::Stopped`], [`Error::Ended`] or the end of the connection.
    pub fn finish(&mut self) -> Result<(), Error> {
        self.inner.finish()?;
        self.thread.send();
        Ok(())
    }

    /// Gives up sending, for the reason with this code: what was not sent or has not arrived never will. Nothing if it has ended already.
    pub fn reset(&mut self, code: VarInt) {
        self.inner.reset(code);
    }

    /// Waits for the fate of the stream: `None` once everything has arrived, and the end with it, or the code for which the peer does not want
    /// it. After a [`reset`](Self::reset) it waits for the end of the connection.
    ///
    /// # Errors
    /// The end of the connection, or [`Error::TimedOut`].
    pub fn stopped(&self) -> Result<Option<VarInt>, Error> {
        wait(&self.thread, self.inner.stopped(), self.timeout)
    }

    /// Whose data goes first: streams of a lower urgency before those of a higher, and streams of the same in turn. It is 3 at first.
    pub fn set_priority(&mut self, urgency: u8) {
        self.inner.set_priority(urgency);
    }
}

impl Write for SendStream {
    /// Takes some of `data`, as soon as there is room.
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        Ok(wait(&self.thread, self.inner.write(data), self.timeout)?)
    }

    /// Sends what was written now, as far as the network takes it. Without it, and without a call behind it that waits, that takes up to two milliseconds.
    fn flush(&mut self) -> io::Result<()> {
        self.thread.send();
        Ok(())
    }
}

impl RecvStream {
    pub(super) fn new(
        inner: quic::RecvStream,
        timeout: Option<Duration>,
        thread: &Arc<Thread>,
    ) -> Self {
        Self {
            inner,
            timeout,
            thread: Arc::clone(thread),
        }
    }

    /// The stream's number in its connection.
    #[must_use]
    pub fn id(&self) -> StreamId {
        self.inner.id()
    }

    /// How long each call waits; `None` is without bound.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// Whether anything of the stream came as early data (0-RTT) so far. Somebody may have sent a copy of that before, or send one later: until
    /// [`handshake`](super::Connection::handshake) has ended, do nothing for it that must not be done twice.
    #[must_use]
    pub fn is_early(&self) -> bool {
        self.inner.is_early()
    }

    /// Reads at most `most` bytes, as they lie in memory; `None` at the end.
    ///
    /// # Errors
    /// [`Error::Reset`] if the peer has given the stream up, [`Error::Ended`] after [`stop`](Self::stop), the end of the connection, or
    /// [`Error::TimedOut`].
    pub fn read_chunk(&mut self, most: usize) -> Result<Option<Bytes>, Error> {
        wait(&self.thread, self.inner.read_chunk(most), self.timeout)
    }

    /// Reads everything up to the end, at most `limit` bytes. The timeout holds for all of it. After an error, what was read is read by the next call, of
    /// this or any other function.
    ///
    /// # Errors
    /// [`Error::TooLong`] past the limit, where the rest is unread; as [`read_chunk`](Self::read_chunk).
    pub fn read_to_end(&mut self, limit: usize) -> Result<Vec<u8>, Error> {
        wait(&self.thread, self.inner.read_to_end(limit), self.timeout)
    }

    /// Reads no more, and asks the peer to send no more, for the reason with this code. Nothing if the end was read.
    pub fn stop(&mut self, code: VarInt) {
        self.inner.stop(code);
    }
}

impl Read for RecvStream {
    /// Reads some bytes, as soon as there are any.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(wait(&self.thread, self.inner.read(buffer), self.timeout)?)
    }
}

impl fmt::Debug for SendStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl fmt::Debug for RecvStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
