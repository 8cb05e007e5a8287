//! One connection behind its lock, and who waits for what happens to it.
//!
//! Handles act on the connection themselves, under its lock, and call the driver, which sends what came of it. The driver takes what the connection
//! tells and wakes whoever waits for it. Nothing is lost because handles are dropped: the last one leaves the connection to the driver, which closes it
//! once everything that was sent has arrived, or the peer takes nothing any more.
//!
//! Of the two locks, a connection's is taken before the hub's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use pith_quic::{Connection, ConnectionKey, Dir, Event, StreamEvent, StreamId, VarInt};
use pith_tls::{EarlyData, Now};

use super::error::Error;
use super::hub::Hub;
use super::waiting::{Line, lock, wait};

/// A connection of an endpoint.
pub(super) struct Link {
    pub(super) hub: Arc<Hub>,
    pub(super) key: ConnectionKey,
    pub(super) state: Mutex<State>,
}

/// What the lock guards.
pub(super) struct State {
    pub(super) connection: Connection,
    /// Whether it stands among those that the driver looks at next.
    pub(super) is_called: bool,
    /// Whether it stands among those that wait for the socket.
    pub(super) is_stalled: bool,
    /// When the driver looks at it next.
    pub(super) armed: Option<Duration>,
    handles: usize,
    leaving: Option<Leaving>,
    /// The endpoint has ended before the connection.
    lost: Option<Error>,
    lines: BTreeMap<For, Line>,
    /// Those that poll by hand, and so may never come again: all of them are woken, for nobody's turn may depend on one.
    polling: BTreeMap<For, Line>,
    senders: BTreeMap<StreamId, Sender>,
    readers: BTreeMap<StreamId, Waker>,
}

/// What several tasks can wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum For {
    /// Progress of the handshake, or the end.
    Whole,
    Datagram,
    /// The peer's next stream: bidirectional or not.
    Accept(bool),
    /// Leave to open a stream.
    Open(bool),
    /// The fate of a stream that is sent on.
    Fate(StreamId),
}

/// A stream that somebody sends on.
#[derive(Default)]
struct Sender {
    writer: Option<Waker>,
    fate: Option<Fate>,
}

/// How sending on a stream has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Arrived,
    Stopped(VarInt),
}

/// A connection that nobody holds.
struct Leaving {
    /// How much was not delivered when it was last looked at.
    left: u64,
    /// By when less has to be left.
    look: Duration,
    /// When it ends, whatever is left.
    end: Duration,
}

/// A counted handle.
pub(super) struct Hold(Arc<Link>);

/// A handle to one part of a stream.
pub(super) struct StreamHold {
    pub(super) hold: Hold,
    pub(super) id: StreamId,
    /// Whether it was opened after the server had rejected early data.
    is_late: bool,
}

impl StreamHold {
    pub(super) fn new(hold: Hold, state: &State, id: StreamId) -> Self {
        Self {
            hold,
            id,
            is_late: state.is_rejected(),
        }
    }

    pub(super) fn link(&self) -> &Arc<Link> {
        self.hold.link()
    }

    /// The connection, unless the stream is gone from it.
    pub(super) fn lock(&self) -> Result<MutexGuard<'_, State>, Error> {
        let state = self.link().lock();
        self.check(&state)?;
        Ok(state)
    }

    pub(super) fn check(&self, state: &State) -> Result<(), Error> {
        if state.is_rejected() && !self.is_late {
            return Err(Error::EarlyDataRejected);
        }
        Ok(())
    }
}

impl Link {
    /// A connection, and its first handle.
    pub(super) fn hold(hub: &Arc<Hub>, key: ConnectionKey, connection: Connection) -> Hold {
        let state = State {
            connection,
            is_called: false,
            is_stalled: false,
            armed: None,
            handles: 1,
            leaving: None,
            lost: None,
            lines: BTreeMap::new(),
            polling: BTreeMap::new(),
            senders: BTreeMap::new(),
            readers: BTreeMap::new(),
        };
        Hold(Arc::new(Self {
            hub: Arc::clone(hub),
            key,
            state: Mutex::new(state),
        }))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Has the driver look at the connection.
    pub(super) fn call(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        if !std::mem::replace(&mut state.is_called, true) {
            self.hub.core().call(self);
        }
        drop(state);
        self.hub.nudge();
    }

    /// Waits until `attempt` gives something.
    pub(super) async fn wait<T>(
        &self,
        what: For,
        attempt: impl FnMut(&mut State) -> Option<T>,
    ) -> T {
        wait(
            &self.state,
            |state| state.lines.entry(what).or_default(),
            attempt,
        )
        .await
    }

    /// The endpoint has ended before the connection.
    pub(super) fn lose(&self, error: &Error, woken: &mut Vec<Waker>) {
        let mut state = self.lock();
        state.lost.get_or_insert_with(|| error.clone());
        state.everybody(woken);
    }
}

impl State {
    /// Why nothing goes any more, if that is so.
    pub(super) fn failure(&self) -> Option<Error> {
        let over = || self.connection.error().cloned().map(Error::Connection);
        self.lost.clone().or_else(over)
    }

    /// Whether the server has not taken what was sent before the handshake was complete: streams from then are gone.
    pub(super) fn is_rejected(&self) -> bool {
        self.connection.early_data() == EarlyData::Rejected
    }

    /// When the driver has to look at the connection.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let looks = self.leaving.as_ref().map(|leaving| leaving.look);
        self.connection.deadline().into_iter().chain(looks).min()
    }

    /// Takes what the connection tells, and adds whoever waits for it to `woken`.
    pub(super) fn tell(&mut self, woken: &mut Vec<Waker>) {
        while let Some(event) = self.connection.event() {
            match event {
                Event::Connected(_) | Event::Confirmed => self.all(For::Whole, woken),
                Event::Stream(event) => self.on_stream_event(event, woken),
                Event::Datagram | Event::EarlyDatagram => self.first(For::Datagram, woken),
                Event::EarlyDataRejected => {
                    // Ids of streams that are gone will be those of others.
                    self.everybody(woken);
                    self.senders.clear();
                }
                Event::Closed(_) => self.everybody(woken),
                _ => {}
            }
        }
        if self.connection.question().is_some() {
            self.all(For::Whole, woken);
        }
    }

    /// Closes the connection if nobody holds it and nothing is to be waited for. Says whether it did.
    pub(super) fn leave(&mut self, now: Now) -> bool {
        if self.connection.error().is_some() {
            self.leaving = None;
        }
        let Some(leaving) = &mut self.leaving else {
            return false;
        };
        let left = self.connection.undelivered();
        if left > 0 && now.monotonic < leaving.look {
            return false;
        }
        if left > 0 && left < leaving.left && now.monotonic < leaving.end {
            leaving.left = left;
            leaving.look = now.monotonic.saturating_add(PATIENCE);
            return false;
        }
        self.leaving = None;
        self.connection.close(VarInt::ZERO, Bytes::new(), now);
        true
    }

    pub(super) fn add_sender(&mut self, id: StreamId) {
        self.senders.insert(id, Sender::default());
    }

    /// What these four take out is for the caller to drop, without the lock.
    #[must_use]
    pub(super) fn remove_sender(&mut self, id: StreamId) -> Option<Waker> {
        self.lines.remove(&For::Fate(id));
        self.senders.remove(&id)?.writer
    }

    #[must_use]
    pub(super) fn remove_reader(&mut self, id: StreamId) -> Option<Waker> {
        self.readers.remove(&id)
    }

    #[must_use]
    pub(super) fn wait_to_write(&mut self, id: StreamId, waker: &Waker) -> Option<Waker> {
        self.senders.get_mut(&id)?.writer.replace(waker.clone())
    }

    #[must_use]
    pub(super) fn wait_to_read(&mut self, id: StreamId, waker: &Waker) -> Option<Waker> {
        self.readers.insert(id, waker.clone())
    }

    /// Stands in the place of this ticket until something happens that a poll waits for.
    #[must_use]
    #[cfg(feature = "h3")]
    pub(super) fn wait_by_polls(
        &mut self,
        what: For,
        ticket: &mut Option<u64>,
        waker: &Waker,
    ) -> Option<Waker> {
        self.polling.entry(what).or_default().stand(ticket, waker)
    }

    #[must_use]
    #[cfg(feature = "h3")]
    pub(super) fn leave_polls(&mut self, what: For, ticket: u64) -> Option<Waker> {
        self.polling.get_mut(&what)?.leave(ticket)
    }

    pub(super) fn fate(&self, id: StreamId) -> Option<Fate> {
        self.senders.get(&id)?.fate
    }

    fn on_stream_event(&mut self, event: StreamEvent, woken: &mut Vec<Waker>) {
        match event {
            StreamEvent::Opened(dir) => self.first(For::Accept(dir == Dir::Bi), woken),
            StreamEvent::Available(dir) => self.first(For::Open(dir == Dir::Bi), woken),
            StreamEvent::Readable(id) => woken.extend(self.readers.remove(&id)),
            StreamEvent::Writable(id) => {
                let sender = self.senders.get_mut(&id);
                woken.extend(sender.and_then(|sender| sender.writer.take()));
            }
            StreamEvent::Stopped(id, code) => self.on_fate(id, Fate::Stopped(code), woken),
            StreamEvent::Finished(id) => self.on_fate(id, Fate::Arrived, woken),
        }
    }

    fn on_fate(&mut self, id: StreamId, fate: Fate, woken: &mut Vec<Waker>) {
        if let Some(sender) = self.senders.get_mut(&id) {
            sender.fate = Some(fate);
            woken.extend(sender.writer.take());
            self.all(For::Fate(id), woken);
        }
    }

    fn first(&mut self, what: For, woken: &mut Vec<Waker>) {
        let line = self.lines.get_mut(&what);
        woken.extend(line.and_then(Line::first));
        let polling = self.polling.get_mut(&what);
        woken.extend(polling.into_iter().flat_map(Line::all));
    }

    fn all(&mut self, what: For, woken: &mut Vec<Waker>) {
        let line = self.lines.get_mut(&what);
        woken.extend(line.into_iter().flat_map(Line::all));
    }

    fn everybody(&mut self, woken: &mut Vec<Waker>) {
        let lines = self.lines.values_mut().chain(self.polling.values_mut());
        woken.extend(lines.flat_map(Line::all));
        let writers = self.senders.values_mut();
        woken.extend(writers.filter_map(|sender| sender.writer.take()));
        woken.extend(std::mem::take(&mut self.readers).into_values());
    }
}

impl Hold {
    pub(super) fn link(&self) -> &Arc<Link> {
        &self.0
    }

    /// Another handle, for who has the lock already.
    pub(super) fn another(&self, state: &mut State) -> Self {
        state.handles = state.handles.saturating_add(1);
        Self(Arc::clone(&self.0))
    }
}

impl Clone for Hold {
    fn clone(&self) -> Self {
        self.another(&mut self.0.lock())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.handles = state.handles.saturating_sub(1);
        if state.handles == 0 {
            let now = self.0.hub.now().monotonic;
            let left = state.connection.undelivered();
            state.leaving = Some(Leaving {
                left,
                look: now.saturating_add(PATIENCE),
                end: now.saturating_add(LONGEST),
            });
            self.0.call(state);
        }
    }
}

/// How long a connection that nobody holds may take to deliver anything at all of what is left: as long as a connection may be idle.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// How long it may take in all: a peer that takes a byte now and then is not waited for forever.
pub(super) const LONGEST: Duration = Duration::from_secs(600);
