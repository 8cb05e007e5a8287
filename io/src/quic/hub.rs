//! What an endpoint's handles and its driver share: the routing of datagrams, the connections, and clients that wait to be let in.

use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};
use std::task::Waker;
use std::time::Duration;

use bytes::BytesMut;
use pith_quic::{ConnectionKey, Ecn, EndpointConfig, Incoming, Route, ServerConfig, limits};
use pith_tls::Now;

use super::driver::Driver;
use super::endpoint::Endpoint;
use super::error::Error;
use super::link::{Hold, Link};
use super::waiting::{Line, lock};
use crate::clock::Clock;

/// The middle of an endpoint.
pub(super) struct Hub {
    core: Mutex<Core>,
    /// Whether the driver was woken and has not begun a turn since.
    nudged: AtomicBool,
    clock: Clock,
    /// The socket's own address.
    local: Mutex<SocketAddr>,
    /// All workers of the service, this one among them, by their numbers.
    workers: OnceLock<Vec<Weak<Hub>>>,
    /// What other workers received for this one.
    letters: Mutex<Letters>,
}

/// A datagram that came to another worker's socket.
pub(super) type Letter = (Route, Ecn, BytesMut);

#[derive(Default)]
struct Letters {
    queue: VecDeque<Letter>,
    bytes: usize,
}

/// What the lock guards.
pub(super) struct Core {
    pub(super) endpoint: pith_quic::Endpoint,
    pub(super) links: HashMap<ConnectionKey, Arc<Link>>,
    /// Connections that the driver is to look at.
    pub(super) called: VecDeque<Arc<Link>>,
    pub(super) config: Option<ServerConfig>,
    /// Clients that were not handed out yet, and since when.
    incoming: VecDeque<(Duration, Incoming)>,
    pub(super) accepting: Line,
    /// Those that wait for the end.
    pub(super) ending: Line,
    /// Answers that need no connection. They may be lost, like any datagram.
    pub(super) replies: VecDeque<(Route, Vec<u8>)>,
    pub(super) driver: Option<Waker>,
    pub(super) handles: usize,
    /// When connections are closed that have not ended by themselves after a shutdown.
    pub(super) ends: Option<Duration>,
    /// Why the endpoint is over.
    pub(super) over: Option<Error>,
}

/// Makes an endpoint of so many workers, each with a socket of its own at `local`, and what drives them.
///
/// # Errors
/// If the random generator fails, or with no worker.
pub(crate) fn endpoint(
    config: EndpointConfig,
    server: Option<ServerConfig>,
    (local, workers): (SocketAddr, usize),
    clock: &Clock,
) -> io::Result<(Endpoint, Vec<Driver>)> {
    let workers = u16::try_from(workers).ok().filter(|workers| *workers > 0);
    let workers = workers.ok_or_else(|| {
        let why = "an endpoint has at least one socket, and at most 65,535";
        io::Error::new(ErrorKind::InvalidInput, why)
    })?;
    let configs = config.workers(workers).map_err(io::Error::other)?;
    let hubs = configs
        .into_iter()
        .map(|config| hub(config, server.clone(), local, clock.clone()))
        .collect::<io::Result<Vec<_>>>()?;
    for hub in &hubs {
        let all = || hubs.iter().map(Arc::downgrade).collect();
        hub.workers.get_or_init(all);
    }
    let drivers = hubs.iter().map(|hub| Driver::new(Arc::clone(hub)));
    let drivers = drivers.collect();
    Ok((Endpoint::first(hubs), drivers))
}

fn hub(
    config: EndpointConfig,
    server: Option<ServerConfig>,
    local: SocketAddr,
    clock: Clock,
) -> io::Result<Arc<Hub>> {
    let mut endpoint = pith_quic::Endpoint::new(config, clock.now()).map_err(io::Error::other)?;
    if let Some(server) = &server {
        endpoint.set_versions(server);
    }
    let core = Core {
        endpoint,
        links: HashMap::new(),
        called: VecDeque::new(),
        config: server,
        incoming: VecDeque::new(),
        accepting: Line::default(),
        ending: Line::default(),
        replies: VecDeque::new(),
        driver: None,
        handles: 1,
        ends: None,
        over: None,
    };
    Ok(Arc::new(Hub {
        core: Mutex::new(core),
        nudged: AtomicBool::new(false),
        clock,
        local: Mutex::new(local),
        workers: OnceLock::new(),
        letters: Mutex::default(),
    }))
}

impl Hub {
    pub(super) fn core(&self) -> MutexGuard<'_, Core> {
        lock(&self.core)
    }

    pub(super) fn core_lock(&self) -> &Mutex<Core> {
        &self.core
    }

    pub(super) fn now(&self) -> Now {
        self.clock.now()
    }

    pub(super) fn local(&self) -> SocketAddr {
        *lock(&self.local)
    }

    /// The socket is another from now on.
    pub(super) fn set_local(&self, local: SocketAddr) {
        *lock(&self.local) = local;
    }

    /// Has the driver take a turn.
    pub(super) fn nudge(&self) {
        if !self.nudged.swap(true, Ordering::AcqRel) {
            let driver = self.core().driver.clone();
            driver.into_iter().for_each(Waker::wake);
        }
    }

    /// A turn begins. Whoever nudges after this is not overlooked: what he did before may be seen in this turn, and the next follows.
    pub(super) fn begin_turn(&self) {
        self.nudged.swap(false, Ordering::AcqRel);
    }

    /// Hands a datagram to the worker whose it is. It may be lost, like any datagram.
    pub(super) fn forward(&self, worker: u16, letter: Letter) {
        let workers = self.workers.get();
        let worker = workers.and_then(|workers| workers.get(usize::from(worker)));
        if let Some(other) = worker.and_then(Weak::upgrade) {
            other.post(letter);
        }
    }

    fn post(&self, letter: Letter) {
        let mut letters = lock(&self.letters);
        let bytes = letters.bytes.saturating_add(letter.2.len());
        if letters.queue.len() >= LETTERS || bytes > LETTER_BYTES {
            return;
        }
        letters.bytes = bytes;
        letters.queue.push_back(letter);
        drop(letters);
        self.nudge();
    }

    /// Takes what other workers have received for this one.
    pub(super) fn letters(&self) -> VecDeque<Letter> {
        std::mem::take(&mut *lock(&self.letters)).queue
    }

    /// Nothing drives the endpoint any more: everybody who waits hears why.
    pub(super) fn end(&self, error: &Error) {
        let mut woken = Vec::new();
        let links = {
            let mut core = self.core();
            if core.over.is_some() {
                return;
            }
            core.over = Some(error.clone());
            core.incoming.clear();
            woken.extend(core.accepting.all());
            woken.extend(core.ending.all());
            core.called.clear();
            std::mem::take(&mut core.links)
        };
        for link in links.values() {
            link.lose(error, &mut woken);
        }
        woken.into_iter().for_each(Waker::wake);
    }
}

impl Core {
    /// Has the driver look at a connection, if there is one still.
    pub(super) fn call(&mut self, link: &Arc<Link>) {
        if self.over.is_none() {
            self.called.push_back(Arc::clone(link));
        }
    }

    /// Adds a connection that was made.
    pub(super) fn add(&mut self, hold: &Hold) {
        let link = hold.link();
        self.links.insert(link.key, Arc::clone(link));
    }

    /// A client's hello is complete.
    pub(super) fn on_incoming(&mut self, incoming: Incoming, now: Now) -> Option<Waker> {
        self.incoming.retain(|(at, _)| !is_stale(*at, now));
        if self.incoming.len() >= limits::ATTEMPTS {
            self.endpoint.ignore(&incoming);
            return None;
        }
        self.incoming.push_back((now.monotonic, incoming));
        self.accepting.first()
    }

    /// The next client that is still there.
    pub(super) fn next_incoming(&mut self, now: Now) -> Option<Incoming> {
        loop {
            let (at, incoming) = self.incoming.pop_front()?;
            if !is_stale(at, now) {
                return Some(incoming);
            }
        }
    }

    /// Writes an answer by `write`, to be sent by the driver.
    pub(super) fn reply(
        &mut self,
        route: Route,
        write: impl FnOnce(&mut pith_quic::Endpoint, &mut [u8]) -> Option<usize>,
    ) {
        let mut buffer = vec![0; limits::DATAGRAM];
        if let Some(length) = write(&mut self.endpoint, &mut buffer) {
            buffer.truncate(length);
            self.queue_reply(route, buffer);
        }
    }

    pub(super) fn queue_reply(&mut self, route: Route, datagram: Vec<u8>) {
        if self.replies.len() < REPLIES {
            self.replies.push_back((route, datagram));
        }
    }

    /// Lets nobody in any more. Connections may go on until `deadline`.
    pub(super) fn shut(&mut self, deadline: Duration) {
        self.ends = Some(self.ends.map_or(deadline, |ends| ends.min(deadline)));
        for (_, incoming) in std::mem::take(&mut self.incoming) {
            self.refuse(&incoming);
        }
        self.endpoint.shutdown(deadline);
    }

    pub(super) fn refuse(&mut self, incoming: &Incoming) {
        self.reply(incoming.route(), |endpoint, buffer| {
            endpoint.refuse(incoming, buffer)
        });
    }
}

/// Who has waited for so long has given up or asks again, and the endpoint has forgotten it.
fn is_stale(since: Duration, now: Now) -> bool {
    since.saturating_add(limits::ATTEMPT_TIME) <= now.monotonic
}

/// Answers that wait for the socket at once: as many as there can be for what one turn receives, or a client that is to show its address would not
/// hear of it while others send.
const REPLIES: usize = 512;

/// Datagrams of one worker that others have received and it has not taken yet, and their bytes.
pub(super) const LETTERS: usize = 1024;
pub(super) const LETTER_BYTES: usize = 2 * 1024 * 1024;
