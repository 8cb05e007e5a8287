//! The part of an endpoint's handle that is the same in every adapter.

use std::future::{Ready, poll_fn};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use pith_quic::{ClientConfig, ConnectionError, EndpointStats, Retrying, Route, ServerConfig};
use pith_tls::{Answer, Question};

use super::connection::{Connection, establish};
use super::error::Error;
use super::hub::Hub;
use super::incoming::Incoming;
use super::link::{Hold, Link};
use super::waiting::wait;
use crate::error::server_name;

/// A counted handle to an endpoint.
pub(crate) struct Endpoint {
    pub(super) workers: Arc<Workers>,
}

/// Those that serve one address together; there is at least one.
pub(super) struct Workers {
    pub(super) hubs: Vec<Arc<Hub>>,
    /// Counts what goes to each in turn.
    turn: AtomicUsize,
}

impl Workers {
    /// All of them, each time beginning with the next.
    fn in_turn(&self) -> impl Iterator<Item = &Arc<Hub>> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let first = turn.checked_rem(self.hubs.len()).unwrap_or_default();
        self.hubs.iter().cycle().skip(first).take(self.hubs.len())
    }
}

impl Endpoint {
    pub(super) fn first(hubs: Vec<Arc<Hub>>) -> Self {
        let turn = AtomicUsize::new(0);
        Self {
            workers: Arc::new(Workers { hubs, turn }),
        }
    }

    /// Connects to the server called `name` at `remote`. A future that is dropped gives the connection up.
    pub(crate) async fn connect(
        &self,
        config: &ClientConfig,
        remote: SocketAddr,
        name: &str,
    ) -> Result<Connection, Error> {
        let hold = self.begin(config, remote, name)?;
        establish(hold, None::<fn(Question) -> Ready<Result<Answer, Error>>>).await
    }

    /// As [`connect`](Self::connect), but where a session allows early data the connection is there at once.
    pub(crate) async fn connect_early(
        &self,
        config: &ClientConfig,
        remote: SocketAddr,
        name: &str,
    ) -> Result<Connection, Error> {
        let hold = self.begin(config, remote, name)?;
        let allowed = hold.link().lock().connection.remembered().is_some();
        if allowed {
            return Ok(Connection::new(hold));
        }
        establish(hold, None::<fn(Question) -> Ready<Result<Answer, Error>>>).await
    }

    /// As [`connect`](Self::connect), with answers to the configuration's questions.
    pub(crate) async fn connect_with<F, E>(
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
        let hold = self.begin(config, remote, name)?;
        establish(hold, Some(answer)).await
    }

    /// The next client that asks for a connection; `None` once the endpoint is shut down. A future that is dropped has taken none.
    pub(crate) async fn accept(&self) -> Option<Incoming> {
        let waiting = self.workers.in_turn().map(|hub| Some(Box::pin(next(hub))));
        let mut waiting: Vec<_> = waiting.collect();
        // A worker whose socket has failed leaves the others.
        poll_fn(|cx| {
            let mut over = true;
            for place in &mut waiting {
                match place.as_mut().map(|next| next.as_mut().poll(cx)) {
                    Some(Poll::Ready(Some(incoming))) => return Poll::Ready(Some(incoming)),
                    Some(Poll::Ready(None)) => *place = None,
                    Some(Poll::Pending) => over = false,
                    None => {}
                }
            }
            if over {
                Poll::Ready(None)
            } else {
                Poll::Pending
            }
        })
        .await
    }

    /// Accepts later clients with `config`.
    pub(crate) fn set_server_config(&self, config: &ServerConfig) {
        for hub in &self.workers.hubs {
            let mut core = hub.core();
            core.endpoint.set_versions(config);
            core.config = Some(config.clone());
        }
    }

    pub(crate) fn set_retrying(&self, retrying: Retrying) {
        for hub in &self.workers.hubs {
            hub.core().endpoint.set_retrying(retrying);
        }
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        let first = self.workers.hubs.first();
        first.map_or(NOWHERE, |hub| hub.local())
    }

    /// Whether the endpoint may have another socket, at this address: only one that lets nobody in, and of the same kind.
    ///
    /// # Errors
    /// Says why not.
    pub(crate) fn may_rebind(&self, local: SocketAddr) -> io::Result<()> {
        let refuse = |why| Err(io::Error::new(ErrorKind::InvalidInput, why));
        let hubs = &self.workers.hubs;
        if hubs.iter().any(|hub| hub.core().config.is_some()) {
            return refuse(
                "the endpoint of a server keeps its socket: its clients would not find it at another",
            );
        }
        if hubs.len() > 1 {
            return refuse("an endpoint of several workers keeps its sockets");
        }
        if self.local_addr().is_ipv6() && local.is_ipv4() {
            return refuse(
                "the endpoint's socket speaks IPv6, and connections may need that; bind the other to [::]:0",
            );
        }
        Ok(())
    }

    /// Has the driver take the other socket.
    pub(crate) fn nudge(&self) {
        for hub in &self.workers.hubs {
            hub.nudge();
        }
    }

    pub(crate) fn stats(&self) -> EndpointStats {
        self.worker_stats().into_iter().sum()
    }

    pub(crate) fn worker_stats(&self) -> Vec<EndpointStats> {
        let hubs = self.workers.hubs.iter();
        hubs.map(|hub| hub.core().endpoint.stats()).collect()
    }

    /// Lets nobody in any more, and ends when all connections are over: those that are not within `limit` are closed. It goes on if
    /// the future is dropped.
    pub(crate) async fn shutdown(&self, limit: Duration) {
        let hubs = &self.workers.hubs;
        for hub in hubs {
            shut(hub, hub.now().monotonic.saturating_add(limit));
        }
        for hub in hubs {
            wait(
                hub.core_lock(),
                |core| &mut core.ending,
                |core| core.over.as_ref().map(|_| ()),
            )
            .await;
        }
    }

    /// Makes a connection whose hello the driver will send.
    fn begin(&self, config: &ClientConfig, remote: SocketAddr, name: &str) -> Result<Hold, Error> {
        let remote = self.reachable(remote)?;
        let name = server_name(name).map_err(|_| Error::Name)?;
        let route = Route {
            local: None,
            remote,
        };
        let over = |hub: &&Arc<Hub>| hub.core().over.is_some();
        let hubs = &self.workers.hubs;
        let hub = self.workers.in_turn().find(|hub| !over(hub));
        let hub = hub.or(hubs.first()).ok_or(Error::ShutDown)?;
        let now = hub.now();
        let hold = {
            let mut core = hub.core();
            if let Some(over) = &core.over {
                return Err(over.clone());
            }
            let made = core
                .endpoint
                .connect(config, name, route, Bytes::new(), now);
            let (key, connection) = made.map_err(|error| match error {
                ConnectionError::LocallyClosed => Error::ShutDown,
                error => Error::Connection(error),
            })?;
            let hold = Link::hold(hub, key, connection);
            core.add(&hold);
            hold
        };
        let link = hold.link();
        link.call(link.lock());
        Ok(hold)
    }

    /// The address as datagrams from there show it.
    fn reachable(&self, remote: SocketAddr) -> Result<SocketAddr, Error> {
        let canonical = SocketAddr::new(remote.ip().to_canonical(), remote.port());
        let canonical = match (canonical, remote) {
            (SocketAddr::V6(mut canonical), SocketAddr::V6(remote)) => {
                canonical.set_scope_id(remote.scope_id());
                SocketAddr::V6(canonical)
            }
            (canonical, _) => canonical,
        };
        let refuse = |why| Err(Error::Address(remote, why));
        if canonical.port() == 0 {
            return refuse("port 0 is none");
        }
        if canonical.ip().is_unspecified() {
            return refuse(
                "this is no host's address; a server on this host has a loopback address",
            );
        }
        if canonical.is_ipv6() && self.local_addr().is_ipv4() {
            return refuse("the endpoint's socket speaks IPv4 only; bind it to [::]:0 for both");
        }
        Ok(canonical)
    }
}

/// The next client of one worker.
async fn next(hub: &Arc<Hub>) -> Option<Incoming> {
    let incoming = wait(
        hub.core_lock(),
        |core| &mut core.accepting,
        |core| {
            if core.over.is_some() || core.ends.is_some() {
                return Some(None);
            }
            core.next_incoming(hub.now()).map(Some)
        },
    );
    let incoming = incoming.await?;
    Some(Incoming::new(Arc::clone(hub), incoming))
}

fn shut(hub: &Hub, deadline: Duration) {
    let woken: Vec<_> = {
        let mut core = hub.core();
        core.shut(deadline);
        core.accepting.all().collect()
    };
    woken.into_iter().for_each(Waker::wake);
    hub.nudge();
}

impl Clone for Endpoint {
    fn clone(&self) -> Self {
        for hub in &self.workers.hubs {
            let mut core = hub.core();
            core.handles = core.handles.saturating_add(1);
        }
        Self {
            workers: Arc::clone(&self.workers),
        }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        for hub in &self.workers.hubs {
            let last = {
                let mut core = hub.core();
                core.handles = core.handles.saturating_sub(1);
                core.handles == 0
            };
            if last {
                shut(hub, Duration::MAX);
            }
        }
    }
}

const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);
