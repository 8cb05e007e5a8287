//! A socket and the connections on it.

use std::fmt;
use std::future::ready;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use pith_quic::{ClientConfig, EndpointConfig, EndpointStats, Retrying, ServerConfig};
use pith_tls::{Answer, Question};

use super::thread::Thread;
use super::{Connection, Error, Incoming, wait};
use crate::clock::Clock;
use crate::quic;
use crate::udp::{at_each, shared};

/// A UDP socket that makes connections, accepts them, or both. Clones are the same endpoint.
///
/// When the last of them is dropped nobody is let in any more, and the connections stay until they are over.
pub struct Endpoint {
    inner: quic::Endpoint,
    timeout: Option<Duration>,
    pub(super) thread: Arc<Thread>,
}

impl Endpoint {
    /// An endpoint for connections to servers, at an address of this host: `[::]:0` has any port and both families.
    ///
    /// # Errors
    /// Those of the socket, and of the system that has no thread.
    pub fn client(local: impl ToSocketAddrs) -> io::Result<Self> {
        let config = EndpointConfig::client().map_err(io::Error::other)?;
        Self::new(config, None, bind(local)?)
    }

    /// An endpoint that also accepts clients, with `config` at first.
    ///
    /// # Errors
    /// As [`client`](Self::client).
    pub fn server(local: impl ToSocketAddrs, config: ServerConfig) -> io::Result<Self> {
        let endpoint = EndpointConfig::server().map_err(io::Error::other)?;
        Self::new(endpoint, Some(config), bind(local)?)
    }

    /// An endpoint with options, on a socket of the caller's. It accepts clients if the options are [`EndpointConfig::server`], and once it has a
    /// configuration for them.
    ///
    /// # Errors
    /// As [`client`](Self::client).
    pub fn new(
        config: EndpointConfig,
        server: Option<ServerConfig>,
        socket: UdpSocket,
    ) -> io::Result<Self> {
        Self::new_workers(config, server, vec![socket])
    }

    /// As [`server`](Self::server), with so many workers, at least one: sockets that share the address by SO_REUSEPORT, each with a thread and its own
    /// part of the connections. The system spreads clients over them; whoever changes its address stays with the worker it has.
    /// [`available_parallelism`](std::thread::available_parallelism) is a good number.
    ///
    /// Other processes of the same user can share the address as well.
    ///
    /// # Errors
    /// As [`client`](Self::client), and `Unsupported` where the system has no SO_REUSEPORT.
    pub fn server_workers(
        local: impl ToSocketAddrs,
        config: ServerConfig,
        workers: u16,
    ) -> io::Result<Self> {
        let endpoint = EndpointConfig::server().map_err(io::Error::other)?;
        Self::new_workers(endpoint, Some(config), shared(local, workers)?)
    }

    /// As [`new`](Self::new), on several sockets that share one address, each with a worker: see [`EndpointConfig::workers`].
    ///
    /// # Errors
    /// As [`client`](Self::client), and `InvalidInput` without a socket.
    pub fn new_workers(
        config: EndpointConfig,
        server: Option<ServerConfig>,
        sockets: Vec<UdpSocket>,
    ) -> io::Result<Self> {
        Self::new_at(
            config,
            server,
            sockets.into_iter().map(|one| vec![one]).collect(),
        )
    }

    /// As [`server_workers`](Self::server_workers), at several addresses: clients connect to any of them, and may be asked to go on at another
    /// ([`preferred_address`](pith_quic::ServerConfigBuilder::preferred_address)). Each worker has a socket at each; one worker shares none of them.
    /// A socket of `0.0.0.0` or `[::]` has all addresses of the host, and needs no other for the same port.
    ///
    /// # Errors
    /// As [`server_workers`](Self::server_workers), and `InvalidInput` without an address.
    pub fn server_at(
        locals: &[SocketAddr],
        config: ServerConfig,
        workers: u16,
    ) -> io::Result<Self> {
        let endpoint = EndpointConfig::server().map_err(io::Error::other)?;
        Self::new_at(endpoint, Some(config), at_each(locals, workers)?)
    }

    /// As [`new_workers`](Self::new_workers), with several sockets for each worker, at the same addresses in the same order.
    ///
    /// # Errors
    /// As [`client`](Self::client), and `InvalidInput` without a worker or for one without a socket.
    pub fn new_at(
        config: EndpointConfig,
        server: Option<ServerConfig>,
        sockets: Vec<Vec<UdpSocket>>,
    ) -> io::Result<Self> {
        let sockets = sockets.into_iter().map(super::thread::sockets);
        let sockets = sockets.collect::<io::Result<Vec<_>>>()?;
        let local = sockets.first().and_then(quic::Sockets::local);
        let local = local.ok_or(io::ErrorKind::InvalidInput)?;
        let clock = Clock::system();
        let (inner, drivers) = quic::endpoint(config, server, (local, sockets.len()), &clock)?;
        let workers = drivers.into_iter().zip(sockets);
        Ok(Self {
            inner,
            timeout: None,
            thread: Thread::start(workers, &clock)?,
        })
    }

    /// Connects to the server called `name`, a DNS name or an IP address, at `remote`. The handshake may take as long as the configuration says.
    ///
    /// # Errors
    /// [`Error::Connection`] says why the handshake failed, [`Error::NoAnswer`] that nothing came at all, [`Error::Question`] that the
    /// configuration asks; [`Error::TimedOut`] if this handle has a shorter timeout, and the connection is given up.
    pub fn connect(
        &self,
        config: &ClientConfig,
        remote: SocketAddr,
        name: &str,
    ) -> Result<Connection, Error> {
        let connection = wait(
            &self.thread,
            self.inner.connect(config, remote, name),
            self.timeout,
        )?;
        Ok(Connection::new(connection, &self.thread))
    }

    /// As [`connect`](Self::connect), with answers to the configuration's questions: each goes to `answer`, one at a time, and the handshake waits
    /// for what it returns.
    ///
    /// # Errors
    /// As [`connect`](Self::connect). An error of `answer` is handed through, and the connection is closed.
    pub fn connect_with<E: From<Error>>(
        &self,
        config: &ClientConfig,
        remote: SocketAddr,
        name: &str,
        mut answer: impl FnMut(Question) -> Result<Answer, E>,
    ) -> Result<Connection, E> {
        let answer = |question| ready(answer(question));
        let connecting = self.inner.connect_with(config, remote, name, answer);
        let connection = wait(&self.thread, connecting, self.timeout)?;
        Ok(Connection::new(connection, &self.thread))
    }

    /// As [`connect`](Self::connect), but where a session of an earlier connection allows early data (0-RTT) the connection is there at once: see
    /// [`Connection::handshake`]. What is sent before that may be received more than once, by whoever sends a copy of it.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn connect_early(
        &self,
        config: &ClientConfig,
        remote: SocketAddr,
        name: &str,
    ) -> Result<Connection, Error> {
        let connecting = self.inner.connect_early(config, remote, name);
        let connection = wait(&self.thread, connecting, self.timeout)?;
        Ok(Connection::new(connection, &self.thread))
    }

    /// The next client that asks for a connection.
    ///
    /// # Errors
    /// [`Error::ShutDown`] once the endpoint is shut down, [`Error::TimedOut`].
    pub fn accept(&self) -> Result<Incoming, Error> {
        let accepting = async { self.inner.accept().await.ok_or(Error::ShutDown) };
        let incoming = wait(&self.thread, accepting, self.timeout)?;
        Ok(Incoming::new(incoming, &self.thread))
    }

    /// How long [`connect`](Self::connect) and [`accept`](Self::accept) of this handle wait; `None`, as at first, is without bound.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// Accepts later clients with `config`, such as one with a renewed certificate. Connections keep the one they began with.
    pub fn set_server_config(&self, config: ServerConfig) {
        self.inner.set_server_config(&config);
    }

    /// Who has to show first that it receives at its address, from now on.
    pub fn set_retrying(&self, retrying: Retrying) {
        self.inner.set_retrying(retrying);
    }

    /// The socket's address.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.inner.local_addr()
    }

    /// What the endpoint has counted.
    #[must_use]
    pub fn stats(&self) -> EndpointStats {
        self.inner.stats()
    }

    /// Goes on with another socket, at another address of this host or on another network: the connections of this client move there, each by a
    /// connection id that was not seen before. One that must not move ends with [`Error::Connection`]: its server has asked for that, has given no id to move
    /// with, or the handshake is not confirmed yet. What is on its way to the old socket is lost, and sent again where it matters.
    ///
    /// # Errors
    /// Those of the socket; [`InvalidInput`](io::ErrorKind::InvalidInput) for the endpoint of a server, and for an IPv4 socket in place of an IPv6 one.
    pub fn rebind(&self, socket: UdpSocket) -> io::Result<()> {
        let local = socket.local_addr()?;
        self.inner.may_rebind(local)?;
        self.thread.rebind(socket, local)?;
        self.inner.nudge();
        Ok(())
    }

    /// What each worker of the endpoint has counted.
    #[must_use]
    pub fn worker_stats(&self) -> Vec<EndpointStats> {
        self.inner.worker_stats()
    }

    /// Lets nobody in any more, and waits until all connections are over. Those that are not within `limit` are closed. The socket is closed when
    /// the last handle has been dropped after that.
    pub fn shutdown(&self, limit: Duration) {
        super::block::block_on(&self.thread, self.inner.shutdown(limit), None);
    }
}

impl Clone for Endpoint {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            timeout: self.timeout,
            thread: Arc::clone(&self.thread),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("local", &self.local_addr())
            .finish_non_exhaustive()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "an adapter owns the socket that the core has none of"
)]
fn bind(local: impl ToSocketAddrs) -> io::Result<UdpSocket> {
    UdpSocket::bind(local)
}
