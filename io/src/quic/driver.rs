//! What keeps an endpoint going: sockets, deadlines, connections, in turns of bounded work.
//!
//! A turn receives, looks at the connections that something has come for, whose time has come or that a handle has called for, sends what they have,
//! and wakes whoever waits. Connections send in turn, a few batches each, so none holds up the others. While the socket takes nothing, a batch is
//! kept and connections go on but for what they send. When a turn is over it says what to wait for: there is always something that is not true already.

use std::collections::{BTreeSet, VecDeque};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::slice::Chunks;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pith_quic::{ConnectionKey, Ecn, Route, Routed, Transmit, VarInt, limits};
use pith_tls::Now;

use super::error::Error;
use super::hub::{Core, Hub, Letter};
use super::link::{Link, State};
use crate::udp::{Received, Sent};

/// A socket that does not block.
pub(crate) trait Datagrams {
    /// Hands out what one call to the system gives, the datagrams together that came so, and says how many datagrams that are.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] if there is nothing.
    fn receive(&mut self, each: &mut dyn FnMut(Route, Ecn, Chunks<'_, u8>))
    -> io::Result<Received>;

    /// Sends `datagrams`, a batch or what an earlier call left of it, and says how far it came.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] if the socket takes nothing now. With any other error they are lost.
    fn send(&mut self, transmit: &Transmit, datagrams: &[u8]) -> io::Result<Sent>;
}

/// Drives an endpoint. If it is dropped before the endpoint is over, everybody who waits hears of it.
pub(crate) struct Driver {
    hub: Arc<Hub>,
    /// Connections to look at, in turn.
    ready: VecDeque<Arc<Link>>,
    /// Those that wait for the socket.
    stalled: VecDeque<Arc<Link>>,
    deadlines: BTreeSet<(Duration, ConnectionKey)>,
    buffer: Box<[u8]>,
    /// What lies in `buffer` from some byte on and the socket did not take.
    kept: Option<(Transmit, usize)>,
    reply: Box<[u8]>,
    /// Errors of the socket in a row, and until when it is left alone after one.
    errors: u32,
    pause: Option<Duration>,
    woken: Vec<Waker>,
    /// Whose the datagrams of a message are: so many after another are one connection's, or nobody's any more.
    sorted: Vec<(Option<Arc<Link>>, usize)>,
    /// Datagrams of other workers.
    away: Vec<(u16, Letter)>,
}

/// What there is to wait for after a turn, whatever comes first. A nudge ends every wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// For nothing: there is more to do.
    Again,
    /// If `gives`, for the socket to give something; if `takes`, for it to take something; and for the deadline, on the clock of the endpoint.
    Wait {
        gives: bool,
        takes: bool,
        deadline: Option<Duration>,
    },
    /// The endpoint is over.
    Over,
}

impl Driver {
    pub(super) fn new(hub: Arc<Hub>) -> Self {
        Self {
            hub,
            ready: VecDeque::new(),
            stalled: VecDeque::new(),
            deadlines: BTreeSet::new(),
            buffer: vec![0; BUFFER].into(),
            kept: None,
            reply: vec![0; limits::DATAGRAM].into(),
            errors: 0,
            pause: None,
            woken: Vec::new(),
            sorted: Vec::new(),
            away: Vec::new(),
        }
    }

    /// Who is woken by a nudge.
    pub(crate) fn set_waker(&self, waker: &Waker) {
        let mut core = self.hub.core();
        match &mut core.driver {
            Some(driver) => driver.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    /// Whether whoever had handles can go: there are none, every connection is closed, and the peers were told. What is left is to answer those that
    /// were not reached.
    #[cfg(feature = "std")]
    pub(crate) fn has_delivered(&self) -> bool {
        let links: Vec<_> = {
            let core = self.hub.core();
            if core.handles > 0 || !core.called.is_empty() || !core.replies.is_empty() {
                return false;
            }
            core.links.values().cloned().collect()
        };
        let waits = !self.ready.is_empty() || !self.stalled.is_empty() || self.kept.is_some();
        !waits && links.iter().all(|link| link.lock().failure().is_some())
    }

    /// The socket is another now, at this address. What the one before did not take is lost, and connections move, or end if they must not.
    pub(crate) fn on_rebound(&mut self, local: SocketAddr) {
        let now = self.hub.now();
        self.hub.set_local(local);
        (self.kept, self.errors, self.pause) = (None, 0, None);
        let links: Vec<_> = self.hub.core().links.values().cloned().collect();
        for link in links {
            let mut state = link.lock();
            // Whoever may not move hears of it as of any other end.
            let _moved = state.connection.rebind(now);
            if !std::mem::replace(&mut state.is_called, true) {
                drop(state);
                self.ready.push_back(link);
            }
        }
    }

    /// Does what there is to do, within bounds.
    pub(crate) fn turn(&mut self, socket: &mut impl Datagrams) -> Turn {
        let now = self.hub.now();
        self.hub.begin_turn();
        let drained = match self.receive(now, socket) {
            Ok(drained) => drained,
            Err(error) => {
                self.hub.end(&Error::Socket(Arc::new(error)));
                return Turn::Over;
            }
        };
        self.gather(now);
        self.flush(socket);
        for _ in 0..self.ready.len().min(SERVED) {
            if let Some(link) = self.ready.pop_front() {
                self.serve(&link, now, socket);
            }
        }
        self.send_replies(socket);
        self.woken.drain(..).for_each(Waker::wake);
        if self.is_over() {
            self.hub.end(&Error::ShutDown);
            return Turn::Over;
        }
        if !drained || !self.ready.is_empty() {
            return Turn::Again;
        }
        Turn::Wait {
            gives: self.pause.is_none(),
            takes: self.kept.is_some(),
            deadline: self.deadline(),
        }
    }

    /// Receives at most so much. Says whether nothing is left.
    fn receive(&mut self, now: Now, socket: &mut impl Datagrams) -> io::Result<bool> {
        for (route, ecn, datagram) in self.hub.letters() {
            self.on_message(now, route, ecn, datagram.chunks(usize::MAX));
        }
        if self.pause.is_some_and(|until| now.monotonic < until) {
            return Ok(true);
        }
        self.pause = None;
        let mut received = 0_usize;
        for _ in 0..RECEIVES {
            let got = socket.receive(&mut |route, ecn, datagrams| {
                self.on_message(now, route, ecn, datagrams);
            });
            match got {
                Ok(got) => {
                    self.errors = 0;
                    received = received.saturating_add(got.datagrams);
                    if got.is_drained {
                        return Ok(true);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Out of memory, for instance: that may pass.
                Err(error) => {
                    self.errors = self.errors.saturating_add(1);
                    if self.errors >= ERRORS {
                        return Err(error);
                    }
                    self.pause = Some(now.monotonic.saturating_add(PAUSE));
                    return Ok(true);
                }
            }
            if received >= RECEIVED {
                break;
            }
        }
        Ok(false)
    }

    /// Takes datagrams that came together from one address. Each lock is taken once for those of one connection, which nearly always all of them are.
    fn on_message(&mut self, now: Now, route: Route, ecn: Ecn, mut datagrams: Chunks<'_, u8>) {
        let hub = Arc::clone(&self.hub);
        let mut sorted = std::mem::take(&mut self.sorted);
        let mut before = None;
        let mut core = hub.core();
        for datagram in datagrams.clone() {
            let key = core.endpoint.find(datagram);
            let key = key.or_else(|| self.route(&mut core, now, route, ecn, datagram));
            match sorted.last_mut() {
                Some((_, count)) if before == Some(key) => *count = count.saturating_add(1),
                _ => {
                    let link = key.and_then(|key| core.links.get(&key).cloned());
                    sorted.push((link, 1));
                }
            }
            before = Some(key);
        }
        drop(core);
        for (worker, letter) in self.away.drain(..) {
            hub.forward(worker, letter);
        }
        for (link, count) in sorted.drain(..) {
            let own = datagrams.by_ref().take(count);
            let Some(link) = link else {
                own.for_each(drop);
                continue;
            };
            let mut state = link.lock();
            // Each has its own allocation: a part of the message that somebody keeps would keep all of it alive, 64 KiB for a datagram.
            for datagram in own {
                let datagram = BytesMut::from(datagram);
                state.connection.receive(now, route, ecn, datagram);
            }
            if !std::mem::replace(&mut state.is_called, true) {
                drop(state);
                self.ready.push_back(link);
            }
        }
        self.sorted = sorted;
    }

    /// The connection of a datagram that its id alone does not tell. If it has none the endpoint has judged what becomes of it.
    fn route(
        &mut self,
        core: &mut Core,
        now: Now,
        route: Route,
        ecn: Ecn,
        datagram: &[u8],
    ) -> Option<ConnectionKey> {
        let endpoint = &mut core.endpoint;
        match endpoint.receive(now, route, ecn, datagram.into(), &mut self.reply) {
            Routed::Connection(key, _) => return Some(key),
            Routed::Incoming(incoming) => self.woken.extend(core.on_incoming(incoming, now)),
            Routed::Reply(length) => {
                let reply = self.reply.get(..length).unwrap_or_default();
                core.queue_reply(route, reply.to_vec());
            }
            Routed::Forward(worker, datagram) => self.away.push((worker, (route, ecn, datagram))),
            Routed::Nothing => {}
        }
        None
    }

    /// Finds the connections that are to be looked at beside those that got something.
    fn gather(&mut self, now: Now) {
        let (due, overdue) = {
            let mut core = self.hub.core();
            core.endpoint.on_deadline(now);
            self.ready.append(&mut core.called);
            let mut due = Vec::new();
            while let Some((at, key)) = self.deadlines.first().copied() {
                if at > now.monotonic {
                    break;
                }
                self.deadlines.pop_first();
                due.extend(core.links.get(&key).cloned());
            }
            let ends = core.ends.is_some_and(|ends| ends <= now.monotonic);
            if ends {
                // Once is enough.
                core.ends = Some(Duration::MAX);
                due.extend(core.links.values().cloned());
            }
            (due, ends)
        };
        for link in due {
            let mut state = link.lock();
            if overdue {
                state.connection.close(VarInt::ZERO, Bytes::new(), now);
            }
            if !std::mem::replace(&mut state.is_called, true) {
                drop(state);
                self.ready.push_back(link);
            }
        }
    }

    /// Lets a connection do what is due and send, a few batches.
    fn serve(&mut self, link: &Arc<Link>, now: Now, socket: &mut impl Datagrams) {
        let mut state = link.lock();
        state.is_called = false;
        state.connection.on_deadline(now);
        self.settle(link, &mut state, now);
        let mut batches = 0_u32;
        let rest = loop {
            if self.kept.is_some() {
                break Rest::Stalled;
            }
            if batches == BATCHES {
                break Rest::More;
            }
            match state.connection.transmit(now, &mut self.buffer) {
                Some(transmit) => {
                    batches = batches.saturating_add(1);
                    drop(state);
                    let too_large = self.send(socket, transmit, 0);
                    state = link.lock();
                    if let Some(size) = too_large {
                        state.connection.on_too_large(transmit.route, size, now);
                    }
                }
                None if state.leave(now) => {} // and says so
                None => break Rest::Quiet,
            }
        };
        state.tell(&mut self.woken);
        self.arm(link, &mut state, now, rest);
        match rest {
            Rest::More if !std::mem::replace(&mut state.is_called, true) => {
                self.ready.push_back(Arc::clone(link));
            }
            Rest::Stalled if !std::mem::replace(&mut state.is_stalled, true) => {
                self.stalled.push_back(Arc::clone(link));
            }
            Rest::More | Rest::Stalled | Rest::Quiet => {}
        }
        if state.connection.is_over() {
            self.settle(link, &mut state, now);
            let links = &mut self.hub.core().links;
            links.remove(&link.key);
            // What a crowd needed is given back, but not at each step.
            let (room, left) = (links.capacity(), links.len());
            if room > SLIM && left <= room.checked_div(8).unwrap_or_default() {
                links.shrink_to(left.saturating_mul(2));
            }
        }
    }

    fn settle(&self, link: &Link, state: &mut State, now: Now) {
        let mut core = self.hub.core();
        core.endpoint.settle(link.key, &mut state.connection, now);
    }

    /// Notes when a connection is to be looked at next. That is never now: what is due and cannot be done, for the socket takes nothing, is not
    /// to be tried again and again.
    fn arm(&mut self, link: &Link, state: &mut State, now: Now, rest: Rest) {
        let least = match rest {
            Rest::Stalled => PAUSE,
            Rest::More | Rest::Quiet => TICK,
        };
        let least = now.monotonic.saturating_add(least);
        let at = state.deadline().map(|at| at.max(least));
        let before = std::mem::replace(&mut state.armed, at);
        if let Some(before) = before {
            self.deadlines.remove(&(before, link.key));
        }
        if let Some(at) = at {
            self.deadlines.insert((at, link.key));
        }
    }

    /// Sends what the socket did not take before. If it takes it now, those that waited go on.
    fn flush(&mut self, socket: &mut impl Datagrams) {
        if let Some((transmit, from)) = self.kept.take() {
            // Whose it was is not known any more. That nothing arrives will tell.
            let _too_large = self.send(socket, transmit, from);
        }
        if self.kept.is_some() {
            return;
        }
        while let Some(link) = self.stalled.pop_front() {
            let mut state = link.lock();
            state.is_stalled = false;
            if !std::mem::replace(&mut state.is_called, true) {
                drop(state);
                self.ready.push_back(link);
            }
        }
    }

    /// Sends what lies in the buffer from byte `from` on, and keeps what the socket does not take. Gives the bytes of a datagram that was too large.
    fn send(
        &mut self,
        socket: &mut impl Datagrams,
        transmit: Transmit,
        mut from: usize,
    ) -> Option<usize> {
        let mut too_large = None;
        while from < transmit.length {
            let left = self.buffer.get(from..transmit.length).unwrap_or_default();
            match socket.send(&transmit, left) {
                Ok(sent) if sent.bytes > 0 => {
                    too_large = sent.too_large.or(too_large);
                    from = from.saturating_add(sent.bytes);
                }
                Err(error) if error.kind() != ErrorKind::WouldBlock => break,
                Ok(_) | Err(_) => {
                    self.kept = Some((transmit, from));
                    break;
                }
            }
        }
        too_large
    }

    fn send_replies(&mut self, socket: &mut impl Datagrams) {
        let replies = std::mem::take(&mut self.hub.core().replies);
        for (route, datagram) in replies {
            let transmit = Transmit {
                route,
                ecn: Ecn::NotEct,
                segment: datagram.len(),
                length: datagram.len(),
            };
            if socket.send(&transmit, &datagram).is_err() {
                break;
            }
        }
    }

    fn deadline(&self) -> Option<Duration> {
        let core = self.hub.core();
        let first = self.deadlines.first().map(|(at, _)| *at);
        [first, core.endpoint.deadline(), core.ends, self.pause]
            .into_iter()
            .flatten()
            .min()
            .filter(|at| *at < Duration::MAX)
    }

    fn is_over(&self) -> bool {
        let core = self.hub.core();
        core.endpoint.is_over()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.hub.end(&Error::NotDriven);
    }
}

/// Why a connection does not send any more in a turn.
#[derive(Debug, Clone, Copy)]
enum Rest {
    /// It has nothing to send, or not now.
    Quiet,
    /// It is the others' turn.
    More,
    /// The socket takes nothing.
    Stalled,
}

/// Calls to the socket in a turn, and about how many datagrams they may give.
const RECEIVES: usize = 16;
const RECEIVED: usize = 256;

/// Connections that are looked at in a turn.
const SERVED: usize = 64;

/// Batches that a connection sends before it is others' turn.
const BATCHES: u32 = 2;

/// Bytes of a batch: what one call to the system takes, and so the longest datagram.
const BUFFER: usize = 1 << 16;

/// Connections for which there is always room in the table of links.
const SLIM: usize = 1024;

/// How finely connections are looked at by the clock.
const TICK: Duration = Duration::from_millis(1);

/// How long a socket that failed is left alone, and how often it may fail in a row.
const PAUSE: Duration = Duration::from_millis(10);
const ERRORS: u32 = 100;
