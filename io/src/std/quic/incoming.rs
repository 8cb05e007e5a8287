//! A client that asks to be let in.

use std::fmt;
use std::future::ready;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pith_quic::ServerConfig;
use pith_tls::{Answer, Offered, Question};

use super::thread::Thread;
use super::{Connection, Error, wait};
use crate::quic;

/// A client whose whole hello is there, and nothing else yet: no connection, no keys, and no certainty that it is where it says.
///
/// One that is dropped is refused. The handshake need not hold up the next client: accept it in another thread.
pub struct Incoming {
    inner: quic::Incoming,
    timeout: Option<Duration>,
    thread: Arc<Thread>,
}

impl Incoming {
    pub(super) fn new(inner: quic::Incoming, thread: &Arc<Thread>) -> Self {
        Self {
            inner,
            timeout: None,
            thread: Arc::clone(thread),
        }
    }

    /// Where the client is, if it is where it says.
    #[must_use]
    pub fn remote(&self) -> SocketAddr {
        self.inner.remote()
    }

    /// Whether the client has shown that it receives at its address.
    #[must_use]
    pub fn is_validated(&self) -> bool {
        self.inner.is_validated()
    }

    /// The DNS name that the client asks for.
    #[must_use]
    pub fn server_name(&self) -> Option<&str> {
        self.inner.server_name()
    }

    /// The application protocols that the client offers, most wanted first.
    #[must_use]
    pub fn alpn(&self) -> &[Vec<u8>] {
        self.inner.alpn()
    }

    /// Everything that the client's hello offers; `None` if nobody can read it: a connection would close with the alert that says why.
    #[must_use]
    pub fn offered(&self) -> Option<&Offered> {
        self.inner.offered()
    }

    /// How long [`accept`](Self::accept) waits for the handshake, if not as long as the configuration says.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// Accepts with this configuration in place of the endpoint's.
    #[must_use]
    pub fn with_config(mut self, config: ServerConfig) -> Self {
        self.inner = self.inner.with_config(config);
        self
    }

    /// Lets the client in, and waits for its handshake.
    ///
    /// # Errors
    /// [`Error::Connection`] says why the handshake failed, [`Error::Question`] that the configuration asks, [`Error::TimedOut`] that the
    /// connection was given up.
    pub fn accept(self) -> Result<Connection, Error> {
        let connection = wait(&self.thread, self.inner.accept(), self.timeout)?;
        Ok(Connection::new(connection, &self.thread))
    }

    /// As [`accept`](Self::accept), with answers to the configuration's questions: each goes to `answer`, one at a time, and the
    /// handshake waits for what it returns.
    ///
    /// # Errors
    /// As [`accept`](Self::accept). An error of `answer` is handed through, and the connection is closed.
    pub fn accept_with<E: From<Error>>(
        self,
        mut answer: impl FnMut(Question) -> Result<Answer, E>,
    ) -> Result<Connection, E> {
        let answer = |question| ready(answer(question));
        let connection = wait(&self.thread, self.inner.accept_with(answer), self.timeout)?;
        Ok(Connection::new(connection, &self.thread))
    }

    /// Lets the client in without waiting for its handshake, so that its early data can be read and answered. Whoever it is has not shown that it is
    /// there now: see [`RecvStream::is_early`](super::RecvStream::is_early), and wait for [`Connection::handshake`] where that matters.
    ///
    /// # Errors
    /// [`Error::NoServerConfig`] and [`Error::ShutDown`], or a failure on this side.
    pub fn accept_early(self) -> Result<Connection, Error> {
        Ok(Connection::new(self.inner.accept_early()?, &self.thread))
    }

    /// Tells the client that it is not let in.
    pub fn refuse(self) {
        self.inner.refuse();
    }

    /// Has the client show that it receives at its address; then it comes again. One that has done so already is given back.
    ///
    /// # Errors
    /// The client, if it has followed a Retry already.
    pub fn retry(self) -> Result<(), Self> {
        let Self {
            inner,
            timeout,
            thread,
        } = self;
        inner.retry().map_err(|inner| Self {
            inner,
            timeout,
            thread,
        })
    }

    /// Forgets the client, as if nobody were here. If it sends its hello again it comes again.
    pub fn ignore(self) {
        self.inner.ignore();
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
