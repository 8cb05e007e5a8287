//! An endpoint, and the task that drives it.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::slice::Chunks;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use pith_quic::{
    ClientConfig, Ecn, EndpointConfig, EndpointStats, Retrying, Route, ServerConfig, Transmit,
};
use pith_tls::{Answer, Question};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::clock::Clock;
use crate::quic::{self, Connection, Datagrams, Driver, Error, Incoming, Sockets, Turn};
use crate::udp::{Received, Sent, Udp, at_each, shared};

/// A UDP socket, and all QUIC connections that share it. Clones are the same endpoint.
///
/// When the last of them is dropped no more clients are let in, and connections go on in the background until their own handles are gone.
#[derive(Clone)]
pub struct Endpoint {
    inner: quic::Endpoint,
    next: Next,
}

/// A socket that the driver is to take in place of its own.
type Next = Arc<Mutex<Option<(Socket, SocketAddr)>>>;

/// What makes an endpoint needs a runtime around it, with its time and I/O enabled: without them tokio panics.
impl Endpoint {
    /// An endpoint that connects to servers, on a new socket. `"[::]:0"` is any port, for IPv6 and IPv4.
    ///
    /// # Errors
    /// Those of the socket, and `Other` outside of a runtime.
    pub fn client(local: impl ToSocketAddrs) -> io::Result<Self> {
        let config = EndpointConfig::client().map_err(io::Error::other)?;
        Self::new(config, None, bind(local)?)
    }

    /// An endpoint that lets clients in, with this configuration at first, on a new socket. It can connect as well.
    ///
    /// # Errors
    /// Those of the socket, and `Other` outside of a runtime.
    pub fn server(local: impl ToSocketAddrs, config: ServerConfig) -> io::Result<Self> {
        let endpoint = EndpointConfig::server().map_err(io::Error::other)?;
        Self::new(endpoint, Some(config), bind(local)?)
    }

    /// An endpoint with options of its own, on this socket.
    ///
    /// # Errors
    /// Those of the socket, and `Other` outside of a runtime.
    pub fn new(
        config: EndpointConfig,
        server: Option<ServerConfig>,
        socket: std::net::UdpSocket,
    ) -> io::Result<Self> {
        let runtime = Handle::try_current().map_err(io::Error::other)?;
        Self::on(&runtime, config, server, vec![Socket::all(vec![socket])?])
    }

    /// As [`server`](Self::server), with so many workers, at least one: sockets that share the address by SO_REUSEPORT, each with a task and its own
    /// part of the connections, so that a runtime of several threads serves on as many cores. The system spreads clients over them; whoever
    /// changes its address stays with the worker it has. [`available_parallelism`](std::thread::available_parallelism) is a good number.
    ///
    /// Other processes of the same user can share the address as well.
    ///
    /// # Errors
    /// Those of the sockets, `Unsupported` where the system has no SO_REUSEPORT, and `Other` outside of a runtime.
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
    /// As [`new`](Self::new), and `InvalidInput` without a socket.
    pub fn new_workers(
        config: EndpointConfig,
        server: Option<ServerConfig>,
        sockets: Vec<std::net::UdpSocket>,
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
    /// As [`new`](Self::new), and `InvalidInput` without a worker or for one without a socket.
    pub fn new_at(
        config: EndpointConfig,
        server: Option<ServerConfig>,
        sockets: Vec<Vec<std::net::UdpSocket>>,
    ) -> io::Result<Self> {
        let runtime = Handle::try_current().map_err(io::Error::other)?;
        let sockets = sockets.into_iter().map(Socket::all);
        Self::on(
            &runtime,
            config,
            server,
            sockets.collect::<io::Result<_>>()?,
        )
    }

    fn on(
        runtime: &Handle,
        config: EndpointConfig,
        server: Option<ServerConfig>,
        sockets: Vec<Sockets<Socket>>,
    ) -> io::Result<Self> {
        let local = sockets.first().and_then(Sockets::local);
        let local = local.ok_or(io::ErrorKind::InvalidInput)?;
        let (began, clock) = (Instant::now(), Clock::system());
        let (inner, drivers) = quic::endpoint(config, server, (local, sockets.len()), &clock)?;
        let next = Next::default();
        for (driver, sockets) in drivers.into_iter().zip(sockets) {
            runtime.spawn(Drive {
                driver,
                sockets,
                next: Arc::clone(&next),
                began,
                alarm: None,
            });
        }
        Ok(Self { inner, next })
    }
}

/// Connections.
impl Endpoint {
    /// Connects to the server called `name`, a DNS name or an IP address, at this address, and waits for the handshake, for as long as
    /// [`handshake_timeout`](pith_quic::ClientConfigBuilder::handshake_timeout) says. A future that is dropped gives the connection up.
    ///
    /// # Errors
    /// [`Error::Connection`] says why the handshake failed, [`Error::NoAnswer`] that nothing came at all; [`Error::Address`],
    /// [`Error::Name`], [`Error::Question`] and [`Error::ShutDown`].
    pub async fn connect(
        &self,
        config: &ClientConfig,
        remote: SocketAddr,
        name: &str,
    ) -> Result<Connection, Error> {
        self.inner.connect(config, remote, name).await
    }

    /// As [`connect`](Self::connect), but where a session of an earlier connection allows early data (0-RTT) the connection is there at once: see
    /// [`Connection::handshake`]. What is sent before that may be received more than once, by whoever sends a copy of it.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_early(
        &self,
        config: &ClientConfig,
        remote: SocketAddr,
        name: &str,
    ) -> Result<Connection, Error> {
        self.inner.connect_early(config, remote, name).await
    }

    /// As [`connect`](Self::connect), with answers to the configuration's questions: each goes to `answer`, one at a time, and the
    /// handshake waits for what it returns, within its deadline.
    ///
    /// # Errors
    /// As [`connect`](Self::connect). An error of `answer` is handed through, and the connection is closed.
    pub async fn connect_with<F, E>(
        &self,
        config: &ClientConfig,
        remote: SocketAddr,
        name: &str,
        answer: impl FnMut(Question) -> F,
    ) -> Result<Connection, E>
    where
        F: Future<Output = Result<Answer, E>>,
        E: From<Error>,
    {
        self.inner.connect_with(config, remote, name, answer).await
    }

    /// The next client that asks for a connection; `None` once the endpoint is shut down. A future that is dropped has taken none.
    pub async fn accept(&self) -> Option<Incoming> {
        self.inner.accept().await
    }

    /// Accepts clients from now on with this configuration, such as a renewed certificate. Connections keep the one they began with.
    pub fn set_server_config(&self, config: ServerConfig) {
        self.inner.set_server_config(&config);
    }

    /// Who is sent a Retry, from now on.
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
    pub fn rebind(&self, socket: std::net::UdpSocket) -> io::Result<()> {
        let local = socket.local_addr()?;
        self.inner.may_rebind(local)?;
        let socket = Socket::new(socket)?;
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some((socket, local));
        self.inner.nudge();
        Ok(())
    }

    /// What each worker of the endpoint has counted.
    #[must_use]
    pub fn worker_stats(&self) -> Vec<EndpointStats> {
        self.inner.worker_stats()
    }

    /// Lets nobody in any more, and waits until all connections are over; those that are not within `limit` are closed with code 0. Connections
    /// whose handles are dropped end when what was sent has arrived. The shutdown goes on if the future is dropped.
    pub async fn shutdown(&self, limit: Duration) {
        self.inner.shutdown(limit).await;
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
    reason = "an adapter owns the socket that the core is without"
)]
pub(super) fn bind(local: impl ToSocketAddrs) -> io::Result<std::net::UdpSocket> {
    std::net::UdpSocket::bind(local)
}

/// The task that drives an endpoint: a turn each time that something happens.
struct Drive {
    driver: Driver,
    sockets: Sockets<Socket>,
    next: Next,
    /// When the driver's clock was at zero.
    began: Instant,
    /// When it goes off, as the driver's deadline was.
    alarm: Option<(Duration, Pin<Box<Sleep>>)>,
}

struct Socket {
    udp: Udp,
    io: UdpSocket,
    /// Whether every other call to send says that the socket is full.
    #[cfg(test)]
    stalls: bool,
    #[cfg(test)]
    stalled: bool,
}

impl Socket {
    /// The sockets of one worker.
    fn all(sockets: Vec<std::net::UdpSocket>) -> io::Result<Sockets<Self>> {
        let made = sockets.into_iter().map(|socket| {
            let local = socket.local_addr()?;
            Ok((local, Self::new(socket)?))
        });
        Sockets::new(made.collect::<io::Result<_>>()?)
    }

    fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
        Ok(Self {
            udp: Udp::new(&socket, socket.local_addr()?)?,
            io: UdpSocket::from_std(socket)?,
            #[cfg(test)]
            stalls: false,
            #[cfg(test)]
            stalled: false,
        })
    }
}

#[cfg(test)]
impl Endpoint {
    /// A server on loopback whose socket is full at every other call.
    pub(super) fn stalling(config: ServerConfig) -> Self {
        let mut sockets = Socket::all(vec![bind("127.0.0.1:0").unwrap()]).unwrap();
        sockets.iter_mut().for_each(|socket| socket.stalls = true);
        let endpoint = EndpointConfig::server().unwrap();
        Self::on(&Handle::current(), endpoint, Some(config), vec![sockets]).unwrap()
    }
}

impl Future for Drive {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.driver.set_waker(cx.waker());
        let next = this
            .next
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let next = next.map(|(socket, local)| (Sockets::new(vec![(local, socket)]), local));
        if let Some((Ok(sockets), local)) = next {
            this.sockets = sockets;
            this.driver.on_rebound(local);
        }
        let again = match this.driver.turn(&mut this.sockets) {
            Turn::Over => return Poll::Ready(()),
            Turn::Again => true,
            Turn::Wait {
                gives,
                takes,
                deadline,
            } => {
                // All are asked, for whichever is first has to wake the task.
                let ready = |socket: &&mut Socket| socket.io.poll_recv_ready(cx).is_ready();
                let gives = gives && this.sockets.iter_mut().filter(ready).count() > 0;
                let full = this.sockets.full().filter(|_| takes);
                let takes = full.is_some_and(|(_, full)| full.io.poll_send_ready(cx).is_ready());
                let due = deadline.is_some_and(|at| this.poll_alarm(at, cx).is_ready());
                gives || takes || due
            }
        };
        if again {
            // Other tasks have their turn first.
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl Drive {
    fn poll_alarm(&mut self, at: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let Some(instant) = self.began.checked_add(at) else {
            return Poll::Pending;
        };
        let (set, sleep) = self
            .alarm
            .get_or_insert_with(|| (at, Box::pin(sleep_until(instant))));
        if *set != at {
            *set = at;
            sleep.as_mut().reset(instant);
        }
        sleep.as_mut().poll(cx)
    }
}

impl Datagrams for Socket {
    fn receive(
        &mut self,
        each: &mut dyn FnMut(Route, Ecn, Chunks<'_, u8>),
    ) -> io::Result<Received> {
        let Self { udp, io, .. } = self;
        let mut got = Received::default();
        let received = io.try_io(Interest::READABLE, || {
            got = udp.receive(io, &mut *each)?;
            // So the runtime knows it too, and the call is spared that would give nothing.
            if got.is_drained {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(())
        });
        if got.is_drained {
            return Ok(got);
        }
        received.map(|()| got)
    }

    fn send(&mut self, transmit: &Transmit, datagrams: &[u8]) -> io::Result<Sent> {
        #[cfg(test)]
        {
            self.stalled = self.stalls && !self.stalled;
            if self.stalled {
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
        let Self { udp, io, .. } = self;
        io.try_io(Interest::WRITABLE, || udp.send(io, transmit, datagrams))
    }
}
