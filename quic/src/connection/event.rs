//! What a connection tells the application and its endpoint, each when it is asked.

use core::net::SocketAddr;
use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use pith_tls::Summary;

use crate::error::ConnectionError;
use crate::limits;
use crate::path::Route;
use crate::streams::StreamEvent;
use crate::wire::{ConnectionId, ResetToken};

/// Something that the application wants to know.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// The handshake is complete: the peer is who it has to be.
    Connected(Arc<Summary>),
    /// Both sides know that the handshake is complete.
    Confirmed,
    /// Something happened to streams.
    Stream(StreamEvent),
    /// There are datagrams to read.
    Datagram,
    /// A client may show this token at its next connection to the same server, once. Not where its configuration has a
    /// [store](crate::ClientConfigBuilder::tokens), which keeps it.
    Token(Bytes),
    /// There are datagrams to read that came as early data: [`read_early_datagram`](crate::Connection::read_early_datagram).
    EarlyDatagram,
    /// The server has accepted this client's early data.
    EarlyDataAccepted,
    /// The server has not seen this client's early data. All streams and datagrams so far are gone, and nothing of them is sent again: the application, which
    /// alone knows whether it may be, opens streams anew, from when it has heard of this.
    EarlyDataRejected,
    /// The peer's address has changed, and it has shown that it receives at the new one. Only clients move.
    Moved(Route),
    /// This client has moved: packets go out on this path now.
    Migrated(Route),
    /// The server did not answer on this path: the connection stays where it is.
    MigrationFailed(Route),
    /// Datagrams may have so many bytes now, for that is what the path carries; [`largest_datagram`](crate::Connection::largest_datagram) follows.
    Mtu(u16),
    /// The connection is over. Nothing is told after this.
    Closed(ConnectionError),
}

/// Something that the endpoint has to know, since it routes datagrams to connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndpointEvent {
    /// The connection wants so many connection ids: [`Connection::issue_ids`](crate::Connection::issue_ids).
    WantsIds(usize),
    /// The peer has retired this id: packets to it are no longer this connection's.
    Retired(ConnectionId),
    /// A datagram that ends in this token resets the connection. It replaces the one before.
    ResetToken(ResetToken),
    /// The peer is addressed there now: its Stateless Resets come from there.
    Moved(SocketAddr),
    /// A connection without ids of its own may hear from there too.
    Expects(SocketAddr),
    /// A server's handshake is complete.
    Complete,
    /// All state of the connection may go.
    Over,
}

/// What waits to be told. Streams and datagrams keep their own.
#[derive(Debug, Default)]
pub(crate) struct Events {
    queue: VecDeque<Event>,
    endpoint: VecDeque<EndpointEvent>,
    datagram: bool,
    early_datagram: bool,
    tokens: usize,
    /// One frame may come several times.
    last_token: Bytes,
}

impl Events {
    pub(crate) fn push(&mut self, event: Event) {
        self.queue.push_back(event);
    }

    pub(crate) fn pop(&mut self) -> Option<Event> {
        let event = self.queue.pop_front();
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
        }
        event
    }

    /// A NEW_TOKEN frame came. `None` if it is the same as the last, there were as many as are worth it, or the token is longer than what is worth
    /// keeping.
    pub(crate) fn on_token(&mut self, token: &[u8]) -> Option<Bytes> {
        let fits = token.len() <= limits::TOKEN && self.tokens < limits::TOKENS;
        if !fits || self.last_token == token {
            return None;
        }
        self.tokens = self.tokens.saturating_add(1);
        self.last_token = Bytes::copy_from_slice(token);
        Some(self.last_token.clone())
    }

    /// A datagram came: told once until the application has been here.
    pub(crate) fn on_datagram(&mut self, early: bool) {
        if early {
            self.early_datagram = true;
        } else {
            self.datagram = true;
        }
    }

    /// What came of datagrams.
    pub(crate) fn take_datagram(&mut self) -> Option<Event> {
        if core::mem::take(&mut self.early_datagram) {
            return Some(Event::EarlyDatagram);
        }
        core::mem::take(&mut self.datagram).then_some(Event::Datagram)
    }

    /// Whether the application has not heard yet that its streams are gone.
    pub(crate) fn owes_rejection(&self) -> bool {
        let mut queued = self.queue.iter();
        queued.any(|event| matches!(event, Event::EarlyDataRejected))
    }

    pub(crate) fn push_endpoint(&mut self, event: EndpointEvent) {
        self.endpoint.push_back(event);
    }

    pub(crate) fn pop_endpoint(&mut self) -> Option<EndpointEvent> {
        let event = self.endpoint.pop_front();
        if self.endpoint.is_empty() {
            self.endpoint = VecDeque::new();
        }
        event
    }
}
