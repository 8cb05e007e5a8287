//! All streams of a connection: which there are, and what the peer's frames do to them.
//!
//! The peer opens streams by naming them, and all lower ones with them (rfc9000#3.2-1); those that no frame has named and the application has
//! not accepted are a range of numbers and no more. A stream of the peer holds its place in the limit until its state is gone, whatever was received on
//! it or done to it (attacks Q10, A29, A30).

use std::collections::{BTreeMap, VecDeque};

use super::event::{Both, Events, Marks, StreamEvent};
use super::flow::{RecvFlow, SendFlow};
use super::recv::{Account, RecvStream};
use super::send::SendStream;
use super::write::Schedule;
use crate::buffer::Ranges;
use crate::wire::frame::{ResetStream, StopSending, StreamCount, StreamLimit};
use crate::wire::{Dir, Side, StreamId, VarInt};
use crate::{Fault, limits};

/// The streams of a connection.
#[derive(Debug)]
pub(crate) struct Streams {
    pub(super) side: Side,
    /// Those that have state. A gone one is never looked for again: ids are not used twice.
    pub(super) map: BTreeMap<StreamId, Box<Stream>>,
    pub(super) local: LocalLimits,
    pub(super) peer: PeerLimits,
    /// How many streams of each kind this side has opened, and may.
    pub(super) ours: Both<SendFlow>,
    pub(super) theirs: Both<Theirs>,
    pub(super) account: Account,
    /// A MAX_DATA frame was lost.
    pub(super) limit_lost: bool,
    pub(super) flow: SendFlow,
    /// Streams that owe a frame other than STREAM.
    pub(super) control: VecDeque<StreamId>,
    pub(super) schedule: Schedule,
    pub(super) events: Events,
}

/// What this side allows, as its transport parameters say and beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LocalLimits {
    /// Bytes of one stream before they are read, of each kind: of its own bidirectional streams, the peer's, and the peer's unidirectional.
    pub(crate) bidi_local: u64,
    pub(crate) bidi_remote: u64,
    pub(crate) uni: u64,
    pub(crate) connection: u64,
    /// To what the two windows grow.
    pub(crate) stream_max: u64,
    pub(crate) connection_max: u64,
    /// Streams that the peer may have open at once.
    pub(crate) streams_bidi: u64,
    pub(crate) streams_uni: u64,
}

/// What the peer's transport parameters allow. The names are theirs: `bidi_local` is for streams that the peer opens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PeerLimits {
    pub(crate) data: u64,
    pub(crate) bidi_local: u64,
    pub(crate) bidi_remote: u64,
    pub(crate) uni: u64,
    pub(crate) streams_bidi: u64,
    pub(crate) streams_uni: u64,
}

/// The peer's streams of one kind.
#[derive(Debug)]
pub(super) struct Theirs {
    /// The limit, how many were opened, and how many are gone.
    pub(super) flow: RecvFlow,
    pub(super) accepted: u64,
    /// Opened without being named.
    pub(super) unnamed: Ranges,
    /// A MAX_STREAMS frame was lost.
    pub(super) limit_lost: bool,
}

/// A stream that has state.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) send: Option<SendStream>,
    pub(super) recv: Option<RecvStream>,
    pub(super) marks: Marks,
    /// Whether it stands in `control`.
    pub(super) in_control: bool,
}

/// What streams share, as far as a change of one needs it.
pub(super) struct Shared<'a> {
    pub(super) account: &'a mut Account,
    pub(super) schedule: &'a mut Schedule,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Send,
    Recv,
}

impl Default for LocalLimits {
    fn default() -> Self {
        Self {
            bidi_local: limits::STREAM_WINDOW,
            bidi_remote: limits::STREAM_WINDOW,
            uni: limits::STREAM_WINDOW,
            connection: limits::CONNECTION_WINDOW,
            stream_max: limits::STREAM_WINDOW_MAX,
            connection_max: limits::CONNECTION_WINDOW_MAX,
            streams_bidi: limits::OPEN_STREAMS,
            streams_uni: limits::OPEN_STREAMS,
        }
    }
}

impl Streams {
    /// Whether the peer has a stream to finish. Walks over all streams: for a moment in which nothing else happens.
    pub(crate) fn expects_data(&self) -> bool {
        let receiving = |stream: &Stream| stream.recv.as_ref().is_some_and(|r| r.is_receiving());
        self.map.values().any(|stream| receiving(stream))
    }

    /// No streams, and nothing allowed by the peer yet.
    pub(crate) fn new(side: Side, local: LocalLimits) -> Self {
        let theirs = |dir| {
            let most = match dir {
                Dir::Bi => local.streams_bidi,
                Dir::Uni => local.streams_uni,
            };
            Theirs {
                flow: RecvFlow::streams(most),
                accepted: 0,
                unnamed: Ranges::default(),
                limit_lost: false,
            }
        };
        Self {
            side,
            map: BTreeMap::new(),
            local,
            peer: PeerLimits::default(),
            ours: Both::default(),
            theirs: Both::new(theirs),
            account: Account {
                flow: RecvFlow::new(local.connection, local.connection_max),
                fragments: 0,
            },
            limit_lost: false,
            flow: SendFlow::default(),
            control: VecDeque::new(),
            schedule: Schedule::default(),
            events: Events::default(),
        }
    }

    /// The peer's transport parameters, remembered for early data or from the handshake. Those of the handshake may raise what was remembered.
    ///
    /// # Errors
    /// [`Fault::ReducedLimit`] if a limit is lower than one that early data was sent under.
    pub(crate) fn set_peer(&mut self, peer: PeerLimits) -> Result<(), Fault> {
        if peer.is_below(&self.peer) {
            return Err(Fault::ReducedLimit);
        }
        self.peer = peer;
        self.on_max_data(VarInt::saturating(peer.data));
        for dir in Dir::ALL {
            self.on_max_streams(StreamCount {
                dir,
                count: VarInt::saturating(peer.streams(dir)),
            });
        }
        let ids: Vec<_> = self.map.keys().copied().collect();
        for id in ids {
            let limit = self.send_limit(id);
            if let Some(send) = self.send_mut(id) {
                send.raise(limit);
            }
            self.settle(id);
        }
        Ok(())
    }

    /// A STREAM frame. Says whether it had data, or told the stream's size before any other.
    pub(crate) fn on_stream(
        &mut self,
        id: StreamId,
        offset: VarInt,
        bytes: &[u8],
        fin: bool,
    ) -> Result<bool, Fault> {
        self.named(id, Part::Recv)?;
        let mut news = !bytes.is_empty();
        let received = self.change(id, |stream, shared| {
            let recv = stream.recv.as_mut()?;
            news |= fin && !recv.knows_size();
            let readable = recv.on_stream(shared.account, offset, bytes, fin);
            Some(readable.map(|readable| stream.marks.readable |= readable))
        });
        received.flatten().transpose().map(|_| news)
    }

    /// What an accepted frame of a 0-RTT packet has brought, up to `end` of the stream.
    pub(crate) fn on_early(&mut self, id: StreamId, end: u64) {
        if let Some((_, recv, _)) = self.receiving(id) {
            recv.on_early(end);
        }
    }

    /// Whether a 0-RTT packet has brought anything of a stream.
    pub(crate) fn has_early(&self, id: StreamId) -> bool {
        let recv = self.map.get(&id).and_then(|stream| stream.recv.as_ref());
        recv.is_some_and(RecvStream::has_early)
    }

    /// What has come early can be read by everybody from now on.
    pub(crate) fn release_early(&mut self) {
        let ids = self.map.keys().copied();
        let ids: Vec<_> = ids.filter(|id| self.has_early(*id)).collect();
        for id in ids {
            if let Some(stream) = self.map.get_mut(&id) {
                stream.marks.readable = true;
            }
            self.settle(id);
        }
    }

    /// This and the three that follow say whether they changed anything.
    pub(crate) fn on_reset_stream(&mut self, frame: ResetStream) -> Result<bool, Fault> {
        self.named(frame.id, Part::Recv)?;
        let mut news = false;
        if let Some((stream, recv, account)) = self.receiving(frame.id) {
            news = recv.is_receiving();
            stream.readable |= recv.on_reset(account, frame.code, frame.final_size)?;
            self.settle(frame.id);
        }
        Ok(news)
    }

    /// Repeats, and what comes for a stream that was reset already, change nothing (attack A15).
    pub(crate) fn on_stop_sending(&mut self, frame: StopSending) -> Result<bool, Fault> {
        self.named(frame.id, Part::Send)?;
        let send = self.send_mut(frame.id);
        let news = send.is_some_and(|send| send.on_stop_sending(frame.code));
        if let Some(stream) = self.map.get_mut(&frame.id) {
            stream.marks.stopped |= news;
        }
        self.settle(frame.id);
        Ok(news)
    }

    pub(crate) fn on_max_data(&mut self, limit: VarInt) -> bool {
        self.flow.raise(limit.get())
    }

    pub(crate) fn on_max_stream_data(&mut self, frame: StreamLimit) -> Result<bool, Fault> {
        self.named(frame.id, Part::Send)?;
        let send = self.send_mut(frame.id);
        let raised = send.is_some_and(|send| send.raise(frame.limit.get()));
        self.settle(frame.id);
        Ok(raised)
    }

    pub(crate) fn on_max_streams(&mut self, frame: StreamCount) -> bool {
        let ours = self.ours.of_mut(frame.dir);
        let wanted = ours.is_wanted();
        if !ours.raise(frame.count.get().min(limits::STREAMS)) {
            return false;
        }
        if wanted {
            self.events.available(frame.dir);
        }
        true
    }

    /// The peer is blocked: this side gives credit without being asked, so only the id is checked.
    pub(crate) fn on_stream_data_blocked(&mut self, frame: StreamLimit) -> Result<(), Fault> {
        self.named(frame.id, Part::Recv) // rfc9000#19.13-1
    }

    /// Something that happened; `None` when all was told.
    pub(crate) fn event(&mut self) -> Option<StreamEvent> {
        if let Some(event) = self.events.take() {
            return Some(event);
        }
        while let Some(&id) = self.events.streams.front() {
            let mut event = None;
            let mut more = false;
            if let Some(stream) = self.map.get_mut(&id) {
                let code = stream.send.as_ref().map(SendStream::stopped);
                event = stream.marks.take(id, code.unwrap_or_default());
                more = !stream.marks.is_empty();
                stream.marks.queued = more;
            }
            if !more {
                self.events.streams.pop_front();
                self.settle(id);
            }
            if event.is_some() {
                return event;
            }
        }
        None
    }

    /// Bytes of memory for data that was received and not read.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.map
            .values()
            .filter_map(|stream| stream.recv.as_ref())
            .fold(0, |sum, recv| recv.held().saturating_add(sum))
    }

    /// How much of the application's the peer does not have yet. Looks at every stream.
    pub(crate) fn undelivered(&self) -> u64 {
        self.map
            .values()
            .filter_map(|stream| stream.send.as_ref())
            .fold(0, |sum, send| send.undelivered().saturating_add(sum))
    }

    /// Checks that the peer may name this stream in a frame for this part of it, and creates it if that is how it opens.
    fn named(&mut self, id: StreamId, part: Part) -> Result<(), Fault> {
        match part {
            // rfc9000#19.4-1, rfc9000#19.8-1, rfc9000#19.13-1
            Part::Recv if !id.can_receive(self.side) => return Err(Fault::SendOnlyStream),
            // rfc9000#19.5-2, rfc9000#19.10-2
            Part::Send if !id.can_send(self.side) => return Err(Fault::ReceiveOnlyStream),
            Part::Send | Part::Recv => {}
        }
        let (dir, index) = (id.dir(), id.index());
        if id.initiator() == self.side {
            // rfc9000#19.5-1, rfc9000#19.8-1, rfc9000#19.10-1
            return if index < self.ours.of(dir).used() {
                Ok(())
            } else {
                Err(Fault::StreamNotOpened)
            };
        }
        let theirs = self.theirs.of_mut(dir);
        let opened = theirs.flow.received();
        if index >= opened {
            let more = index.saturating_sub(opened).saturating_add(1);
            // rfc9000#4.6-3, rfc9000#19.11-4
            theirs.flow.receive(more).map_err(|_| Fault::StreamLimit)?;
            // rfc9000#3.2-1
            theirs.unnamed.insert(opened..index);
            self.events.opened(dir);
        } else if theirs.unnamed.contains(index) {
            theirs.unnamed.remove(index..index.saturating_add(1));
        } else {
            return Ok(());
        }
        self.create(id);
        Ok(())
    }

    pub(super) fn create(&mut self, id: StreamId) {
        let window = match (id.initiator() == self.side, id.dir()) {
            (true, _) => self.local.bidi_local,
            (false, Dir::Bi) => self.local.bidi_remote,
            (false, Dir::Uni) => self.local.uni,
        };
        let flow = || RecvFlow::new(window, self.local.stream_max);
        let stream = Stream {
            send: id
                .can_send(self.side)
                .then(|| SendStream::new(self.send_limit(id))),
            recv: id.can_receive(self.side).then(|| RecvStream::new(flow())),
            marks: Marks::default(),
            in_control: false,
        };
        self.map.insert(id, Box::new(stream));
    }

    /// After anything that changed a stream: puts it in the queues where it belongs, or forgets it if it is over.
    pub(super) fn settle(&mut self, id: StreamId) {
        self.change(id, |_, _| ());
    }

    /// Changes a stream, and does what [`settle`](Self::settle) does: with one search for both.
    pub(super) fn change<T>(
        &mut self,
        id: StreamId,
        change: impl FnOnce(&mut Stream, &mut Shared<'_>) -> T,
    ) -> Option<T> {
        let known = self.is_known(id);
        let stream = self.map.get_mut(&id)?;
        let mut shared = Shared {
            account: &mut self.account,
            schedule: &mut self.schedule,
        };
        let result = change(stream, &mut shared);
        if !known || stream.recv.as_ref().is_none_or(RecvStream::is_terminal) {
            // Whoever accepts it reads at once, and whoever has read it all needs no telling.
            stream.marks.readable = false;
        }
        if let Some(send) = &mut stream.send {
            stream.marks.writable |= send.takes_room();
            self.schedule.add(id, send);
        }
        if known && !stream.marks.is_empty() && !stream.marks.queued {
            stream.marks.queued = true;
            self.events.streams.push_back(id);
        }
        if !stream.in_control && stream.owes_control() {
            stream.in_control = true;
            self.control.push_back(id);
        }
        if known && stream.is_over() {
            self.forget(id);
        }
        Some(result)
    }

    fn forget(&mut self, id: StreamId) {
        self.map.remove(&id);
        if id.initiator() != self.side {
            self.theirs.of_mut(id.dir()).flow.consume(1);
        }
        // Ids of forgotten streams in queues cost little, but not nothing.
        let most = self.map.len().saturating_mul(2).saturating_add(64);
        for queue in [&mut self.control, &mut self.events.streams] {
            if queue.len() > most {
                queue.retain(|id| self.map.contains_key(id));
            }
        }
        self.schedule.trim(most, |id| self.map.contains_key(id));
    }

    /// Whether the application has the stream: it opened or accepted it.
    pub(super) fn is_known(&self, id: StreamId) -> bool {
        id.initiator() == self.side || id.index() < self.theirs.of(id.dir()).accepted
    }

    /// What the peer's parameters allow on a stream at first.
    fn send_limit(&self, id: StreamId) -> u64 {
        match (id.initiator() == self.side, id.dir()) {
            (true, Dir::Bi) => self.peer.bidi_remote,
            (true, Dir::Uni) => self.peer.uni,
            (false, _) => self.peer.bidi_local,
        }
    }

    pub(super) fn send_mut(&mut self, id: StreamId) -> Option<&mut SendStream> {
        self.map.get_mut(&id)?.send.as_mut()
    }

    pub(super) fn receiving(
        &mut self,
        id: StreamId,
    ) -> Option<(&mut Marks, &mut RecvStream, &mut Account)> {
        let stream = self.map.get_mut(&id)?;
        let recv = stream.recv.as_mut()?;
        Some((&mut stream.marks, recv, &mut self.account))
    }
}

impl Stream {
    fn owes_control(&self) -> bool {
        let sends =
            |send: &SendStream| send.owed_reset().is_some() || send.owed_blocked().is_some();
        let receives = |recv: &RecvStream| recv.owed_stop().is_some() || recv.owes_limit();
        self.send.as_ref().is_some_and(sends) || self.recv.as_ref().is_some_and(receives)
    }

    /// Whether nothing will ever happen to it again, and all that happened was told (rfc9000#4.4-1).
    fn is_over(&self) -> bool {
        self.send.as_ref().is_none_or(SendStream::is_terminal)
            && self.recv.as_ref().is_none_or(RecvStream::is_terminal)
            && self.marks.is_empty()
    }
}

impl PeerLimits {
    pub(crate) fn streams(&self, dir: Dir) -> u64 {
        match dir {
            Dir::Bi => self.streams_bidi,
            Dir::Uni => self.streams_uni,
        }
    }

    fn is_below(&self, other: &Self) -> bool {
        let fields = |limits: &Self| {
            [
                limits.data,
                limits.bidi_local,
                limits.bidi_remote,
                limits.uni,
                limits.streams_bidi,
                limits.streams_uni,
            ]
        };
        fields(self)
            .iter()
            .zip(fields(other))
            .any(|(this, other)| *this < other)
    }
}
