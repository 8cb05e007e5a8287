//! A client that asks to be let in.

use std::fmt;
use std::future::Ready;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use pith_quic::ServerConfig;
use pith_tls::{Answer, Offered, Question};

use super::connection::{Connection, establish};
use super::error::Error;
use super::hub::Hub;
use super::link::{Hold, Link};

/// A client whose whole hello is there, and nothing else yet: no connection, no keys, and no certainty that it is where it says.
///
/// Awaiting it is [`accept`](Self::accept). One that is dropped is refused.
pub struct Incoming {
    hub: Arc<Hub>,
    /// `None` once it is decided.
    client: Option<Box<pith_quic::Incoming>>,
    remote: SocketAddr,
    config: Option<Box<ServerConfig>>,
}

impl Incoming {
    pub(super) fn new(hub: Arc<Hub>, client: pith_quic::Incoming) -> Self {
        Self {
            hub,
            remote: client.route().remote,
            client: Some(Box::new(client)),
            config: None,
        }
    }

    /// Where the client is, if it is where it says.
    #[must_use]
    pub fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// Whether the client has shown that it receives at its address.
    #[must_use]
    pub fn is_validated(&self) -> bool {
        self.client
            .as_ref()
            .is_some_and(|client| client.is_validated())
    }

    /// The DNS name that the client asks for.
    #[must_use]
    pub fn server_name(&self) -> Option<&str> {
        self.offered()?.server_name.as_deref()
    }

    /// The application protocols that the client offers, most wanted first.
    #[must_use]
    pub fn alpn(&self) -> &[Vec<u8>] {
        self.offered().map_or(&[], |offered| &offered.protocols)
    }

    /// Everything that the client's hello offers; `None` if nobody can read it: a connection would close with the alert that says why.
    #[must_use]
    pub fn offered(&self) -> Option<&Offered> {
        self.client.as_ref()?.offered()
    }

    /// Accepts with this configuration in place of the endpoint's.
    #[must_use]
    pub fn with_config(mut self, config: ServerConfig) -> Self {
        self.config = Some(Box::new(config));
        self
    }

    /// Lets the client in, and waits for its handshake. A future that is dropped gives the connection up.
    ///
    /// # Errors
    /// [`Error::Connection`] says why the handshake failed, [`Error::Question`] that the configuration asks.
    pub async fn accept(self) -> Result<Connection, Error> {
        let hold = self.begin()?;
        establish(hold, None::<fn(Question) -> Ready<Result<Answer, Error>>>).await
    }

    /// Lets the client in without waiting for its handshake, so that its early data can be read and answered. Streams give it at once where they are
    /// [allowed to](super::RecvStream::allow_early); whoever has sent it has not shown that it is there now.
    ///
    /// # Errors
    /// [`Error::NoServerConfig`] and [`Error::ShutDown`], or a failure on this side.
    pub fn accept_early(self) -> Result<Connection, Error> {
        self.begin().map(Connection::new)
    }

    /// As [`accept`](Self::accept), with answers to the configuration's questions: each goes to `answer`, one at a time, and the
    /// handshake waits for what it returns, within its deadline.
    ///
    /// # Errors
    /// As [`accept`](Self::accept). An error of `answer` is handed through, and the connection is closed.
    pub async fn accept_with<F, E>(self, answer: impl FnMut(Question) -> F) -> Result<Connection, E>
    where
        F: Future<Output = Result<Answer, E>>,
        E: From<Error>,
    {
        let hold = self.begin()?;
        establish(hold, Some(answer)).await
    }

    /// Tells the client that it is not let in.
    pub fn refuse(mut self) {
        self.turn_away();
    }

    /// Has the client show that it receives at its address; then it comes again. One that has done so already is given back.
    ///
    /// # Errors
    /// The client, if it has followed a Retry already.
    pub fn retry(mut self) -> Result<(), Self> {
        let Some(client) = self.client.take() else {
            return Ok(());
        };
        let sent = {
            let mut sent = false;
            let now = self.hub.now();
            self.hub.core().reply(client.route(), |endpoint, buffer| {
                let length = endpoint.retry(&client, now, buffer);
                sent = length.is_some();
                length
            });
            sent
        };
        if sent {
            self.hub.nudge();
            return Ok(());
        }
        self.client = Some(client);
        Err(self)
    }

    /// Forgets the client, as if nobody were here. If it sends its hello again it comes again.
    pub fn ignore(mut self) {
        if let Some(client) = self.client.take() {
            self.hub.core().endpoint.ignore(&client);
        }
    }

    fn begin(mut self) -> Result<Hold, Error> {
        let now = self.hub.now();
        let (hold, unread) = {
            let mut core = self.hub.core();
            if let Some(over) = &core.over {
                return Err(over.clone());
            }
            let config = self.config.take().map(|config| *config);
            let config = config.or_else(|| core.config.clone());
            let config = config.ok_or(Error::NoServerConfig)?;
            let client = self.client.take().ok_or(Error::ShutDown)?;
            let accepted = core.endpoint.accept_unread(*client, &config, now);
            let (key, connection, unread) = accepted?;
            let hold = Link::hold(&self.hub, key, connection);
            core.add(&hold);
            (hold, unread)
        };
        // The work of a handshake holds nobody else up.
        let link = hold.link();
        let mut state = link.lock();
        unread.read(&mut state.connection, now);
        link.call(state);
        Ok(hold)
    }

    fn turn_away(&mut self) {
        if let Some(client) = self.client.take() {
            self.hub.core().refuse(&client);
            self.hub.nudge();
        }
    }
}

impl IntoFuture for Incoming {
    type Output = Result<Connection, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.accept())
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.turn_away();
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("remote", &self.remote)
            .field("is_validated", &self.is_validated())
            .finish_non_exhaustive()
    }
}
