//! What streams write into packets, and what becomes of it.
//!
//! Two queues hold the streams that have data: one for what needs no credit of the connection (data sent before, ends), one for new data. Each serves the lowest
//! urgency first and streams of the same urgency in turn, a frame each. While the connection is out of credit the second queue is not looked at,
//! so a blocked connection costs nothing, and neither does a stream that has nothing to say.

use core::time::Duration;
use std::collections::VecDeque;

use super::send::{SendStream, Wrote};
use super::set::{Stream, Streams};
use crate::recovery::{Token, Tokens};
use crate::wire::frame::{ResetStream, StopSending, StreamCount, StreamLimit};
use crate::wire::{Builder, Dir, StreamId, VarInt};

/// When a packet is written: what windows are tuned by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    pub(crate) now: Duration,
    /// The smoothed round-trip time.
    pub(crate) rtt: Duration,
}

/// The streams that have data to send.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    again: Queue,
    fresh: Queue,
}

/// Streams by urgency, those of the same urgency in turn. Levels stay when they are empty: there are at most as many as an application uses.
#[derive(Debug, Default)]
struct Queue(Vec<Level>);

#[derive(Debug)]
struct Level {
    urgency: u8,
    streams: VecDeque<StreamId>,
}

impl Queue {
    fn push(&mut self, urgency: u8, id: StreamId) {
        let place = self.0.partition_point(|level| level.urgency < urgency);
        match self.0.get_mut(place) {
            Some(level) if level.urgency == urgency => level.streams.push_back(id),
            _ => {
                let streams = VecDeque::from([id]);
                self.0.insert(place, Level { urgency, streams });
            }
        }
    }

    fn first(&self) -> Option<(u8, StreamId)> {
        self.0
            .iter()
            .find_map(|level| Some((level.urgency, *level.streams.front()?)))
    }

    fn pop(&mut self) {
        if let Some(level) = self.0.iter_mut().find(|level| !level.streams.is_empty()) {
            level.streams.pop_front();
        }
    }

    fn remove(&mut self, urgency: u8, id: StreamId) {
        if let Some(level) = self.0.iter_mut().find(|level| level.urgency == urgency) {
            level.streams.retain(|other| *other != id);
        }
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|level| level.streams.is_empty())
    }
}

impl Schedule {
    /// Puts a stream in the queues where it has something to do.
    pub(super) fn add(&mut self, id: StreamId, send: &mut SendStream) {
        if !send.queued.again && send.has_again() {
            send.queued.again = true;
            self.again.push(send.urgency, id);
        }
        if !send.queued.fresh && send.has_fresh() {
            send.queued.fresh = true;
            self.fresh.push(send.urgency, id);
        }
    }

    pub(super) fn set_urgency(&mut self, id: StreamId, send: &mut SendStream, urgency: u8) {
        if core::mem::take(&mut send.queued.again) {
            self.again.remove(send.urgency, id);
        }
        if core::mem::take(&mut send.queued.fresh) {
            self.fresh.remove(send.urgency, id);
        }
        send.urgency = urgency;
    }

    /// Whose turn it is, and whether for data sent before.
    fn next(&self, has_credit: bool) -> Option<(StreamId, bool)> {
        let fresh = self.fresh.first().filter(|_| has_credit);
        match (self.again.first(), fresh) {
            (Some((urgency, _)), Some((lower, id))) if lower < urgency => Some((id, false)),
            (Some((_, id)), _) => Some((id, true)),
            (None, Some((_, id))) => Some((id, false)),
            (None, None) => None,
        }
    }

    fn pop(&mut self, again: bool) {
        if again {
            self.again.pop();
        } else {
            self.fresh.pop();
        }
    }

    /// Drops ids that stand for nothing from levels that have grown past `most`.
    pub(super) fn trim(&mut self, most: usize, keep: impl Fn(&StreamId) -> bool) {
        for level in self.again.0.iter_mut().chain(&mut self.fresh.0) {
            if level.streams.len() > most {
                level.streams.retain(&keep);
            }
        }
    }
}

impl Streams {
    /// Whether [`write_control`](Self::write_control) would write something.
    pub(crate) fn wants_control(&self) -> bool {
        !self.control.is_empty() || self.owes_limit() || self.owes_blocked() || {
            Dir::ALL
                .into_iter()
                .any(|dir| self.owes_streams(dir) || self.owes_streams_blocked(dir))
        }
    }

    /// Whether [`write_data`](Self::write_data) would write something.
    pub(crate) fn wants_data(&self) -> bool {
        self.schedule.next(self.flow.available() > 0).is_some()
    }

    /// Writes frames of flow control, resets and stops, as many as there is room for. What is left is written next time.
    pub(crate) fn write_control(
        &mut self,
        builder: &mut Builder<'_>,
        tokens: &mut Tokens,
        clock: Clock,
    ) {
        // Full: the rest waits.
        let _full = self.control_frames(builder, tokens, clock).is_none();
    }

    fn control_frames(
        &mut self,
        builder: &mut Builder<'_>,
        tokens: &mut Tokens,
        clock: Clock,
    ) -> Option<()> {
        if self.owes_limit() {
            let limit = self.account.flow.update(clock.now, clock.rtt);
            self.limit_lost = true; // until it is written
            builder.put_max_data(VarInt::saturating(limit))?;
            self.limit_lost = false;
            tokens.push(Token::MaxData);
        }
        for dir in Dir::ALL {
            if self.owes_streams(dir) {
                let theirs = self.theirs.of_mut(dir);
                let count = VarInt::saturating(theirs.flow.update(clock.now, Duration::ZERO));
                theirs.limit_lost = true; // until it is written
                builder.put_max_streams(StreamCount { dir, count })?;
                theirs.limit_lost = false;
                tokens.push(Token::MaxStreams(dir));
            }
        }
        while let Some(&id) = self.control.front() {
            if let Some(stream) = self.map.get_mut(&id) {
                stream.write_control(id, builder, tokens, clock)?;
                stream.in_control = false;
            }
            self.control.pop_front();
            self.settle(id);
        }
        if self.owes_blocked() {
            builder.put_data_blocked(VarInt::saturating(self.flow.limit()))?;
            self.flow.tell();
            tokens.push(Token::DataBlocked);
        }
        for dir in Dir::ALL {
            if self.owes_streams_blocked(dir) {
                let ours = self.ours.of_mut(dir);
                let count = VarInt::saturating(ours.limit());
                builder.put_streams_blocked(StreamCount { dir, count })?;
                ours.tell();
                tokens.push(Token::StreamsBlocked(dir));
            }
        }
        Some(())
    }

    /// Fills the packet with STREAM frames.
    pub(crate) fn write_data(&mut self, builder: &mut Builder<'_>, tokens: &mut Tokens) {
        // Most frames fill their packet.
        while builder.remaining() > 0 {
            let credit = self.flow.available();
            let Some((id, again)) = self.schedule.next(credit > 0) else {
                return;
            };
            let wrote = self.change(id, |stream, shared| {
                let send = stream.send.as_mut()?;
                let wrote = send.write(id, builder, tokens, credit);
                if wrote != Wrote::NoRoom {
                    shared.schedule.pop(again);
                    *send.queued.of(again) = false;
                }
                Some(wrote)
            });
            match wrote.flatten() {
                Some(Wrote::Frame { fresh }) => self.flow.spend(fresh),
                Some(Wrote::NoRoom) => return,
                Some(Wrote::Nothing) => {}
                None => self.schedule.pop(again),
            }
        }
    }

    /// A frame has arrived.
    pub(crate) fn acked(&mut self, token: Token) {
        let Some(id) = of_stream(token) else {
            return;
        };
        self.change(id, |stream, _| {
            match (token, &mut stream.send, &mut stream.recv) {
                (
                    Token::Stream {
                        offset, len, fin, ..
                    },
                    Some(send),
                    _,
                ) => stream.marks.finished |= send.acked(offset, len, fin),
                (Token::ResetStream(_), Some(send), _) => send.reset_acked(),
                (Token::StopSending(_), _, Some(recv)) => recv.stop_acked(),
                _ => {}
            }
        });
    }

    /// A frame is lost: what it said is said again if it still holds.
    pub(crate) fn lost(&mut self, token: Token) {
        match token {
            Token::MaxData => self.limit_lost = true,
            Token::MaxStreams(dir) => self.theirs.of_mut(dir).limit_lost = true,
            Token::DataBlocked => self.flow.untell(),
            Token::StreamsBlocked(dir) => self.ours.of_mut(dir).untell(),
            _ => {}
        }
        let Some(id) = of_stream(token) else {
            return;
        };
        self.change(id, |stream, _| {
            match (token, &mut stream.send, &mut stream.recv) {
                (
                    Token::Stream {
                        offset, len, fin, ..
                    },
                    Some(send),
                    _,
                ) => send.lost(offset, len, fin),
                (Token::ResetStream(_), Some(send), _) => send.reset_lost(),
                (Token::StreamDataBlocked(_), Some(send), _) => send.blocked_lost(),
                (Token::StopSending(_), _, Some(recv)) => recv.stop_lost(),
                (Token::MaxStreamData(_), _, Some(recv)) => recv.limit_lost(),
                _ => {}
            }
        });
    }

    /// Says once more that this side is blocked, if it is: to be called now and then while nothing is in flight, so that the peer does not take
    /// the connection for idle (RFC 9000 section 4.1). Looks at every stream.
    pub(crate) fn repeat_blocked(&mut self) {
        self.flow.untell();
        for dir in Dir::ALL {
            self.ours.of_mut(dir).untell();
        }
        let ids: Vec<_> = self.map.keys().copied().collect();
        for id in ids {
            if let Some(send) = self.send_mut(id) {
                send.blocked_lost();
            }
            self.settle(id);
        }
    }

    fn owes_limit(&self) -> bool {
        self.limit_lost || self.account.flow.is_due()
    }

    fn owes_streams(&self, dir: Dir) -> bool {
        let theirs = self.theirs.of(dir);
        theirs.limit_lost || theirs.flow.is_due_for_streams()
    }

    fn owes_streams_blocked(&self, dir: Dir) -> bool {
        let ours = self.ours.of(dir);
        ours.is_wanted() && ours.is_untold()
    }

    fn owes_blocked(&self) -> bool {
        self.flow.is_untold() && !self.schedule.fresh.is_empty()
    }
}

fn of_stream(token: Token) -> Option<StreamId> {
    match token {
        Token::Stream { id, .. }
        | Token::ResetStream(id)
        | Token::StopSending(id)
        | Token::MaxStreamData(id)
        | Token::StreamDataBlocked(id) => Some(id),
        _ => None,
    }
}

impl Stream {
    fn write_control(
        &mut self,
        id: StreamId,
        builder: &mut Builder<'_>,
        tokens: &mut Tokens,
        clock: Clock,
    ) -> Option<()> {
        if let Some(send) = &mut self.send {
            if let Some((code, final_size)) = send.owed_reset() {
                builder.put_reset_stream(ResetStream {
                    id,
                    code,
                    final_size,
                })?;
                send.reset_sent();
                tokens.push(Token::ResetStream(id));
            }
            if let Some(limit) = send.owed_blocked() {
                builder.put_stream_data_blocked(StreamLimit { id, limit })?;
                send.blocked_sent();
                tokens.push(Token::StreamDataBlocked(id));
            }
        }
        if let Some(recv) = &mut self.recv {
            if let Some(code) = recv.owed_stop() {
                builder.put_stop_sending(StopSending { id, code })?;
                recv.stop_sent();
                tokens.push(Token::StopSending(id));
            }
            if recv.owes_limit() {
                let limit = recv.update(clock.now, clock.rtt);
                let limit = VarInt::saturating(limit);
                builder.put_max_stream_data(StreamLimit { id, limit })?;
                recv.limit_sent();
                tokens.push(Token::MaxStreamData(id));
            }
        }
        Some(())
    }
}
