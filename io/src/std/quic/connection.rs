//! A connection and what it carries.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pith_quic::{Stats, VarInt, Version};
use pith_tls::{EarlyData, Summary};

use super::block::block_on;
use super::thread::Thread;
use super::{Error, RecvStream, SendStream, wait};
use crate::quic;

/// A connection, whose handshake is complete unless it was made for early data. Clones are the same connection, and each has a timeout of its own.
///
/// When the last of them is dropped, and all of the connection's streams, it is closed with code 0: not before everything that was
/// sent has arrived, unless the peer takes nothing for 30 seconds (or not all of it in ten minutes). [`close`](Self::close) closes at once.
#[derive(Clone)]
pub struct Connection {
    inner: quic::Connection,
    timeout: Option<Duration>,
    thread: Arc<Thread>,
}

/// Streams and datagrams. Streams begin with the timeout of the handle that they come from.
impl Connection {
    pub(super) fn new(inner: quic::Connection, thread: &Arc<Thread>) -> Self {
        Self {
            inner,
            timeout: None,
            thread: Arc::clone(thread),
        }
    }

    /// Opens a stream in both directions, as soon as the peer allows one more. The peer learns of it when something is sent.
    ///
    /// # Errors
    /// The end of the connection, or [`Error::TimedOut`].
    pub fn open_bi(&self) -> Result<(SendStream, RecvStream), Error> {
        let (send, receive) = wait(&self.thread, self.inner.open_bi(), self.timeout)?;
        Ok((self.sender(send), self.receiver(receive)))
    }

    /// Opens a stream to the peer, as soon as the peer allows one more.
    ///
    /// # Errors
    /// As [`open_bi`](Self::open_bi).
    pub fn open_uni(&self) -> Result<SendStream, Error> {
        Ok(self.sender(wait(&self.thread, self.inner.open_uni(), self.timeout)?))
    }

    /// The next stream in both directions that the peer opens.
    ///
    /// # Errors
    /// The end of the connection, when all streams that came before it are taken; [`Error::TimedOut`].
    pub fn accept_bi(&self) -> Result<(SendStream, RecvStream), Error> {
        let (send, receive) = wait(&self.thread, self.inner.accept_bi(), self.timeout)?;
        Ok((self.sender(send), self.receiver(receive)))
    }

    /// The next stream that the peer opens to this side.
    ///
    /// # Errors
    /// As [`accept_bi`](Self::accept_bi).
    pub fn accept_uni(&self) -> Result<RecvStream, Error> {
        Ok(self.receiver(wait(&self.thread, self.inner.accept_uni(), self.timeout)?))
    }

    /// Sends a datagram (RFC 9221): once, and maybe in vain. Where too many wait, the oldest is dropped. It waits for nothing.
    ///
    /// # Errors
    /// [`Error::Datagram`] if the peer takes none, or none of this size; the end of the connection.
    pub fn send_datagram(&self, bytes: Bytes) -> Result<(), Error> {
        self.inner.send_datagram(bytes)
    }

    /// The most bytes that a datagram may have now; `None` if the peer takes none.
    #[must_use]
    pub fn largest_datagram(&self) -> Option<usize> {
        self.inner.largest_datagram()
    }

    /// The oldest datagram that came and was not read. One that came as early data waits for the handshake.
    ///
    /// # Errors
    /// The end of the connection, or [`Error::TimedOut`].
    pub fn read_datagram(&self) -> Result<Bytes, Error> {
        wait(&self.thread, self.inner.read_datagram(), self.timeout)
    }

    fn sender(&self, inner: quic::SendStream) -> SendStream {
        SendStream::new(inner, self.timeout, &self.thread)
    }

    fn receiver(&self, inner: quic::RecvStream) -> RecvStream {
        RecvStream::new(inner, self.timeout, &self.thread)
    }
}

/// Early data (0-RTT), for connections that were made by `connect_early` or `accept_early`.
impl Connection {
    /// Waits until the handshake is complete, and says what became of early data. Where a server has rejected it, what was opened before is gone: see
    /// [`Error::EarlyDataRejected`].
    ///
    /// # Errors
    /// [`Error::Connection`] and [`Error::NoAnswer`] say why it failed, [`Error::Question`] that the configuration asks, [`Error::TimedOut`] that it is
    /// not complete.
    pub fn handshake(&self) -> Result<EarlyData, Error> {
        wait(&self.thread, self.inner.handshake(), self.timeout)
    }

    /// What a client's application [remembered](Self::remember) on the connection whose session this one resumes: what was settled there, and early
    /// data goes by. `None` if no early data can be sent, or no more.
    #[must_use]
    pub fn remembered(&self) -> Option<Bytes> {
        self.inner.remembered()
    }

    /// Remembers these bytes with a client's sessions that come from now on, for early data under them.
    ///
    /// # Errors
    /// [`Error::Connection`] with what TLS says of it, such as that they are too long.
    pub fn remember(&self, application: Bytes) -> Result<(), Error> {
        self.inner.remember(application)
    }
}

/// The connection as a whole.
impl Connection {
    /// How long the functions of this handle wait; `None`, as at first, is without bound.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// Closes the connection at once, with a code and a reason that the peer's application is told. What was not sent or has not
    /// arrived never will.
    pub fn close(&self, code: VarInt, reason: &[u8]) {
        self.inner.close(code, reason);
    }

    /// Waits for the end of the connection, and says why it is over: [`Error::TimedOut`] says that it is not.
    pub fn closed(&self) -> Error {
        let timeout = self.timeout.unwrap_or_default();
        block_on(&self.thread, self.inner.closed(), self.timeout)
            .unwrap_or(Error::TimedOut(timeout))
    }

    /// Why the connection is over, if it is.
    #[must_use]
    pub fn error(&self) -> Option<Error> {
        self.inner.error()
    }

    /// What was negotiated.
    #[must_use]
    pub fn summary(&self) -> Option<Arc<Summary>> {
        self.inner.summary()
    }

    /// The version of QUIC.
    #[must_use]
    pub fn version(&self) -> Version {
        self.inner.version()
    }

    /// Fills `out` with keying material for this label and context (RFC 9846 section 7.5).
    ///
    /// # Errors
    /// [`Error::Connection`] with what TLS says of it, such as too long an output.
    pub fn export(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), Error> {
        self.inner.export(label, context, out)
    }

    /// Updates the keys that this side sends with (RFC 9001 section 6).
    pub fn update_keys(&self) {
        self.inner.update_keys();
    }

    /// What the connection has counted.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.inner.stats()
    }

    /// The peer's address and port.
    #[must_use]
    pub fn remote(&self) -> SocketAddr {
        self.inner.remote()
    }

    /// This side's address, where it is known.
    #[must_use]
    pub fn local_ip(&self) -> Option<IpAddr> {
        self.inner.local_ip()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
