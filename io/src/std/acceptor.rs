//! A server's configuration that can change while it serves.

use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use pith_tls::ServerConfig;

use super::{Socket, Stream};

/// Accepts connections with the configuration of the moment, such as a renewed certificate. Shared between threads by reference
/// or `Arc`.
pub struct Acceptor {
    config: RwLock<Arc<ServerConfig>>,
}

impl Acceptor {
    /// Starts with `config`.
    pub fn new(config: Arc<ServerConfig>) -> Self {
        Self {
            config: RwLock::new(config),
        }
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

    /// As [`Stream::accept`].
    ///
    /// # Errors
    /// As [`Stream::accept`].
    pub fn accept<S: Socket>(&self, socket: S) -> io::Result<Stream<S>> {
        Stream::accept(self.config(), socket)
    }
}
