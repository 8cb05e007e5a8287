//! What the application and its endpoint do with a connection. Everything here is handed on to an owner.

use std::sync::Arc;

use bytes::Bytes;
use pith_tls::{Answer, EarlyData, Now, Question, Summary};

use super::close::Goodbye;
use super::event::{EndpointEvent, Event};
use super::{Connection, Stats};
use crate::error::ConnectionError;
use crate::path::{NewId, Route};
use crate::streams::{DatagramError, Misuse, Order, Read, ReadError, SendError};
use crate::wire::{ConnectionId, Dir, Side, StreamId, VarInt};

/// Streams (RFC 9000 section 2).
impl Connection {
    /// Opens a stream; `None` if the peer allows no more now, and then [`Event::Stream`] tells when it does. Before a client's handshake is complete, that
    /// is for early data (0-RTT), if its [configuration](pith_tls::ClientConfigBuilder::early_data) asks for it and a session allows it: what is
    /// sent may be received more than once, and [`Event::EarlyDataRejected`] tells if it was not received.
    pub fn open(&mut self, dir: Dir) -> Option<StreamId> {
        // An id that the application still takes for that of early data must not come to mean something else.
        let open = self.state.is_open() && !self.events.owes_rejection();
        open.then(|| self.streams.open(dir)).flatten()
    }

    /// The next stream that the peer has opened. It may have data already.
    pub fn accept(&mut self, dir: Dir) -> Option<StreamId> {
        self.streams.accept(dir)
    }

    /// Reads at most `most` bytes of a stream, in order. A server has nothing to read before its client has completed the handshake, which nobody
    /// can who repeats what he has heard: so what was early data was sent to this server by this client, if maybe not to it alone.
    ///
    /// # Errors
    /// [`ReadError`] says that the peer has given the stream up, or that there is nothing more to read.
    pub fn read(&mut self, id: StreamId, most: usize) -> Result<Read, ReadError> {
        if self.holds_early(id) {
            return Ok(Read::Blocked);
        }
        self.streams.read(id, most, Order::InOrder)
    }

    /// As [`read`](Connection::read), and gives early data (0-RTT) as soon as it is there. Until [`Event::Connected`] nobody knows
    /// whether the client has sent it now: to be acted upon only where it may happen twice (RFC 8470).
    ///
    /// # Errors
    /// As [`read`](Connection::read).
    pub fn read_early(&mut self, id: StreamId, most: usize) -> Result<Read, ReadError> {
        self.streams.read(id, most, Order::InOrder)
    }

    /// Reads at most `most` bytes of a stream as they came, gaps or not. Such a stream cannot be read in order any more.
    ///
    /// # Errors
    /// As [`read`](Connection::read).
    pub fn read_unordered(&mut self, id: StreamId, most: usize) -> Result<Read, ReadError> {
        if self.holds_early(id) {
            return Ok(Read::Blocked);
        }
        self.streams.read(id, most, Order::Unordered)
    }

    /// Whether there is news for the peer that reading can bring: it may send more, or open more streams. [`transmit`](Connection::transmit) tells it.
    #[must_use]
    pub fn owes_credit(&self) -> bool {
        self.streams.wants_control()
    }

    /// Takes as many of `bytes` as there is room for, off their front, and says how many. If not all, [`Event::Stream`] tells when there is
    /// room again.
    ///
    /// # Errors
    /// [`SendError`] says why the stream takes nothing.
    pub fn send(&mut self, id: StreamId, bytes: &mut Bytes) -> Result<usize, SendError> {
        self.check_open()?;
        self.streams.send(id, bytes)
    }

    /// Ends a stream behind what was sent.
    ///
    /// # Errors
    /// [`SendError`] if it has ended already.
    pub fn finish(&mut self, id: StreamId) -> Result<(), SendError> {
        self.check_open()?;
        self.streams.finish(id)
    }

    /// Gives up sending on a stream: what has not arrived never will.
    ///
    /// # Errors
    /// [`SendError`] if it has ended already.
    pub fn reset(&mut self, id: StreamId, code: VarInt) -> Result<(), SendError> {
        self.check_open()?;
        self.streams.reset(id, code)
    }

    /// Whether anything of a stream came as early data (0-RTT): its opening, its end or data, of which each piece tells for itself
    /// ([`Read::Data`]). False once the stream is over and all of it was told.
    #[must_use]
    pub fn has_early_data(&self, id: StreamId) -> bool {
        self.streams.has_early(id)
    }

    /// Gives up reading a stream, and asks the peer to send no more.
    ///
    /// # Errors
    /// [`Misuse`] if there is nothing to stop.
    pub fn stop(&mut self, id: StreamId, code: VarInt) -> Result<(), Misuse> {
        self.streams.stop(id, code)
    }

    /// Whose data goes first: streams of a lower urgency before those of a higher, and streams of the same in turn. New streams have 3.
    ///
    /// # Errors
    /// [`SendError`] if there is nothing to send.
    pub fn set_urgency(&mut self, id: StreamId, urgency: u8) -> Result<(), SendError> {
        self.check_open()?;
        self.streams.set_urgency(id, urgency)
    }

    /// Nothing is taken that could not be sent. What the peer sent before it closed can still be read.
    fn check_open(&self) -> Result<(), SendError> {
        if self.state.is_open() {
            Ok(())
        } else {
            Err(SendError::Closed)
        }
    }
}

/// Datagrams (RFC 9221).
impl Connection {
    /// Sends a datagram, once. Where too many wait, the oldest is dropped.
    ///
    /// # Errors
    /// [`DatagramError`] if the peer takes none, or none of this size, or no packet holds it.
    pub fn send_datagram(&mut self, bytes: Bytes) -> Result<(), DatagramError> {
        if !self.state.is_open() {
            return Err(DatagramError::NotTaken);
        }
        let largest = self.largest_datagram();
        if largest.is_some_and(|largest| bytes.len() > largest) {
            return Err(DatagramError::TooLarge);
        }
        self.datagrams.send(bytes).map(drop)
    }

    /// The oldest datagram that came.
    pub fn read_datagram(&mut self) -> Option<Bytes> {
        self.datagrams.read()
    }

    /// The oldest datagram that came as early data: somebody may have sent a copy of it before, or send one later.
    pub fn read_early_datagram(&mut self) -> Option<Bytes> {
        self.datagrams.read_early()
    }

    /// The most bytes that a datagram may have now; `None` if the peer takes none.
    #[must_use]
    pub fn largest_datagram(&self) -> Option<usize> {
        let fits = self.datagram_room().saturating_sub(DATAGRAM_HEAD);
        self.datagrams.largest().map(|largest| largest.min(fits))
    }
}

/// The connection as a whole.
impl Connection {
    /// The next thing that happened; `None` when all was told.
    pub fn event(&mut self) -> Option<Event> {
        if let Some(event) = self.events.pop() {
            return Some(event);
        }
        if let Some(event) = self.events.take_datagram() {
            return Some(event);
        }
        self.streams.event().map(Event::Stream)
    }

    /// The next thing that the endpoint has to know.
    pub fn endpoint_event(&mut self) -> Option<EndpointEvent> {
        if let Some(event) = self.events.pop_endpoint() {
            return Some(event);
        }
        let wanted = self.ids.local.wanted();
        let asks = self.state.is_established() && wanted > 0 && !self.asked_ids;
        self.asked_ids |= asks;
        asks.then_some(EndpointEvent::WantsIds(wanted))
    }

    /// Takes connection ids that the endpoint has minted and routes from now on. Says how many: the others are to be forgotten.
    pub fn issue_ids(&mut self, ids: &[NewId]) -> usize {
        self.asked_ids = false;
        let issued = ids.iter().take_while(|id| self.ids.local.issue(**id));
        issued.count()
    }

    /// The connection ids by which the peer may address this side.
    pub fn ids(&self) -> impl Iterator<Item = ConnectionId> + '_ {
        self.ids.local.iter()
    }

    /// The question that waits for an answer.
    #[must_use]
    pub fn question(&self) -> Option<&Question> {
        self.question.as_deref()
    }

    /// Answers the open question.
    ///
    /// # Errors
    /// [`ConnectionError::Tls`] with [`Misuse`](pith_tls::Error::Misuse) for an answer to another question, which changes nothing. Other errors end the connection.
    pub fn answer(&mut self, answer: Answer, now: Now) -> Result<(), ConnectionError> {
        if let Some(error) = &self.error {
            return Err((**error).clone());
        }
        self.watch.at(now.monotonic);
        let answered = self.on_answer(answer, now).and_then(|()| self.release(now));
        match &answered {
            Ok(()) | Err(ConnectionError::Tls(pith_tls::Error::Misuse(_))) => {}
            Err(error) => self.fail(error.clone(), now.monotonic),
        }
        self.watch_changes();
        answered
    }

    /// Gives a client a token that it may show at its next connection: a NEW_TOKEN frame, until it has arrived. One at a time; nothing on a client.
    pub fn give_token(&mut self, token: Bytes) {
        // rfc9000#19.7-3
        if self.side == Side::Server {
            self.signals.owe_token(token);
        }
    }

    /// Closes the connection with a code and a reason of the application. What was not sent or has not arrived never will.
    pub fn close(&mut self, code: VarInt, reason: Bytes, now: Now) {
        self.watch.at(now.monotonic);
        let goodbye = Goodbye::Application { code, reason };
        self.close_with(goodbye, ConnectionError::LocallyClosed, now.monotonic);
    }

    /// How much would be lost if the connection closed now: bytes, ends and resets of streams that have not arrived, and datagrams that were
    /// not sent. Zero once it is closed. Looks at every stream.
    #[must_use]
    pub fn undelivered(&self) -> u64 {
        if !self.state.is_open() {
            return 0;
        }
        let datagrams = u64::try_from(self.datagrams.unsent()).unwrap_or(u64::MAX);
        self.streams.undelivered().saturating_add(datagrams)
    }

    /// Asks the peer for a sign of life.
    pub fn ping(&mut self) {
        self.signals.owe_ping();
    }

    /// Updates the keys that this side sends with, as soon as the last update is done (RFC 9001 section 6).
    pub fn update_keys(&mut self) {
        self.updates.want();
    }

    /// Fills `out` with keying material for this label and context (RFC 9846 section 7.5).
    ///
    /// # Errors
    /// As [`Handshake::export`](pith_tls::Handshake::export).
    pub fn export(
        &self,
        label: &[u8],
        context: &[u8],
        out: &mut [u8],
    ) -> Result<(), pith_tls::Error> {
        self.crypto.export(label, context, out)
    }

    /// Fills `out` with keying material of the early exporter, which is no better protected against replay than early data.
    ///
    /// # Errors
    /// As [`Handshake::early_export`](pith_tls::Handshake::early_export).
    pub fn early_export(
        &self,
        label: &[u8],
        context: &[u8],
        out: &mut [u8],
    ) -> Result<(), pith_tls::Error> {
        self.crypto.early_export(label, context, out)
    }

    /// What became of early data, or becomes of it.
    #[must_use]
    pub fn early_data(&self) -> EarlyData {
        self.early.status()
    }

    /// What a client's application told [`remember`](Connection::remember) on the connection that this one would resume: what was settled
    /// there, and early data goes by. `None` if there is no early data to send (any more).
    #[must_use]
    pub fn remembered(&self) -> Option<&Bytes> {
        self.early.application()
    }

    /// Remembers these bytes with a client's sessions that come from now on, for early data under them.
    ///
    /// # Errors
    /// As [`Handshake::remember`](pith_tls::Handshake::remember).
    pub fn remember(&mut self, application: Bytes) -> Result<(), pith_tls::Error> {
        self.crypto.remember(application)
    }

    /// What was negotiated, once the handshake is complete.
    #[must_use]
    pub fn summary(&self) -> Option<&Arc<Summary>> {
        self.summary.as_ref()
    }

    /// Why the connection is over, if it is.
    #[must_use]
    pub fn error(&self) -> Option<&ConnectionError> {
        self.error.as_deref()
    }

    /// Whether all state may go.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.state == super::State::Over
    }

    /// Whether the handshake is complete and the connection is not closed.
    #[must_use]
    pub fn is_established(&self) -> bool {
        self.state.is_established()
    }

    /// The path in use.
    #[must_use]
    pub fn route(&self) -> Route {
        self.paths.active.route
    }

    /// What the connection has counted, and what is known of its path now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let ecn = self.recovery.path().ecn().state();
        self.stats
            .with(&self.metrics(), self.paths.active.mtu(), ecn)
    }
}

/// Bytes of a DATAGRAM frame beside its data: type and length.
const DATAGRAM_HEAD: usize = 3;
