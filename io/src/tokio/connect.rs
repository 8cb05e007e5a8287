//! Streams from sockets that are connected: one call a handshake.

use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use pith_tls::{Answer, ClientConfig, Question, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{HANDSHAKE_LIMIT, Stream};

/// Makes clients' connections with one configuration.
#[derive(Clone)]
pub struct Connector {
    config: Arc<ClientConfig>,
    limit: Duration,
}

impl Connector {
    /// Handshakes may take [`HANDSHAKE_LIMIT`].
    pub fn new(config: Arc<ClientConfig>) -> Self {
        Self {
            config,
            limit: HANDSHAKE_LIMIT,
        }
    }

    /// Handshakes may take so long, answers to questions included.
    #[must_use]
    pub fn handshake_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Connects to the server called `name`, a DNS name or an IP address, over a socket that is connected.
    ///
    /// # Errors
    /// `InvalidInput` if `name` is neither; as [`Stream::handshake`].
    pub async fn connect<S>(&self, name: &str, socket: S) -> io::Result<Stream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut stream = self.stream(name, socket)?;
        stream.handshake().await?;
        Ok(stream)
    }

    /// As [`connect`](Self::connect), with answers to the configuration's questions.
    ///
    /// # Errors
    /// `InvalidInput` if `name` is no name; as [`Stream::handshake_with`].
    pub async fn connect_with<S, F>(
        &self,
        name: &str,
        socket: S,
        answer: impl FnMut(Question) -> F,
    ) -> io::Result<Stream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
        F: Future<Output = io::Result<Answer>>,
    {
        let mut stream = self.stream(name, socket)?;
        stream.handshake_with(answer).await?;
        Ok(stream)
    }

    fn stream<S>(&self, name: &str, socket: S) -> io::Result<Stream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        Ok(Stream::client(Arc::clone(&self.config), name, socket)?.handshake_limit(self.limit))
    }
}

/// Accepts connections with the configuration of the moment, such as a renewed certificate. Shared between tasks by reference
/// or `Arc`.
pub struct Acceptor {
    config: RwLock<Arc<ServerConfig>>,
    limit: Duration,
}

impl Acceptor {
    /// Starts with `config`. Handshakes may take [`HANDSHAKE_LIMIT`].
    pub fn new(config: Arc<ServerConfig>) -> Self {
        Self {
            config: RwLock::new(config),
            limit: HANDSHAKE_LIMIT,
        }
    }

    /// Handshakes may take so long, answers to questions included.
    #[must_use]
    pub fn handshake_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Accepts later connections with `config`. Those that run, or are in their handshake, keep the one they began with.
    pub fn replace(&self, config: Arc<ServerConfig>) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
    }

    /// The configuration of the moment.
    pub fn config(&self) -> Arc<ServerConfig> {
        let config = self.config.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&config)
    }

    /// Accepts a client over a socket that is connected.
    ///
    /// # Errors
    /// As [`Stream::handshake`].
    pub async fn accept<S>(&self, socket: S) -> io::Result<Stream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut stream = self.stream(socket);
        stream.handshake().await?;
        Ok(stream)
    }

    /// As [`accept`](Self::accept), with answers to the configuration's questions.
    ///
    /// # Errors
    /// As [`Stream::handshake_with`].
    pub async fn accept_with<S, F>(
        &self,
        socket: S,
        answer: impl FnMut(Question) -> F,
    ) -> io::Result<Stream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
        F: Future<Output = io::Result<Answer>>,
    {
        let mut stream = self.stream(socket);
        stream.handshake_with(answer).await?;
        Ok(stream)
    }

    fn stream<S>(&self, socket: S) -> Stream<S>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        Stream::server(self.config(), socket).handshake_limit(self.limit)
    }
}
