//! What the functions of a connection that wait do, for who polls by hand: in one place that outlives each poll.
//!
//! A future stands in a line until it is dropped, so that a line can count on it. Who polls by hand may never poll again, and keeps the place all the
//! same; so whatever happens wakes everyone who stands so, in the order in which they came.

use std::task::{Context, Poll};

use bytes::Bytes;

use super::connection::Connection;
use super::error::Error;
use super::link::{For, State};
use super::recv::RecvStream;
use super::send::SendStream;

/// Something that a connection gives again and again, and a place among those who wait for it.
pub(crate) struct Polling<T> {
    connection: Connection,
    what: For,
    take: fn(&Connection, &mut State) -> Option<T>,
    ticket: Option<u64>,
    /// Whether it is from after the server had rejected early data.
    is_late: bool,
}

impl Polling<(SendStream, RecvStream)> {
    pub(crate) fn open_bi(connection: &Connection) -> Self {
        Self::new(connection, For::Open(true), Connection::opened_bi)
    }

    pub(crate) fn accept_bi(connection: &Connection) -> Self {
        Self::new(connection, For::Accept(true), Connection::accepted_bi)
    }
}

impl Polling<SendStream> {
    pub(crate) fn open_uni(connection: &Connection) -> Self {
        Self::new(connection, For::Open(false), Connection::opened_uni)
    }
}

impl Polling<RecvStream> {
    pub(crate) fn accept_uni(connection: &Connection) -> Self {
        Self::new(connection, For::Accept(false), Connection::accepted_uni)
    }
}

impl Polling<Bytes> {
    pub(crate) fn datagrams(connection: &Connection) -> Self {
        Self::new(connection, For::Datagram, Connection::datagram)
    }
}

impl<T> Polling<T> {
    fn new(
        connection: &Connection,
        what: For,
        take: fn(&Connection, &mut State) -> Option<T>,
    ) -> Self {
        Self {
            connection: connection.clone(),
            what,
            take,
            ticket: None,
            is_late: connection.hold().link().lock().is_rejected(),
        }
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Whether what began with it was early data that the server has rejected.
    pub(crate) fn is_gone(&self) -> bool {
        self.is_gone_by(&self.connection.hold().link().lock())
    }

    fn is_gone_by(&self, state: &State) -> bool {
        !self.is_late && state.is_rejected()
    }

    /// The next one, or the end of the connection when there is nothing before it.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Error>> {
        let link = self.connection.hold().link();
        let mut state = link.lock();
        if self.is_gone_by(&state) {
            return Poll::Ready(Err(Error::EarlyDataRejected));
        }
        if let Some(found) = (self.take)(&self.connection, &mut state) {
            return Poll::Ready(Ok(found));
        }
        if let Some(failure) = state.failure() {
            return Poll::Ready(Err(failure));
        }
        let before = state.wait_by_polls(self.what, &mut self.ticket, cx.waker());
        drop(state);
        drop(before);
        Poll::Pending
    }
}

/// Another place, behind the others.
impl<T> Clone for Polling<T> {
    fn clone(&self) -> Self {
        Self {
            connection: self.connection.clone(),
            what: self.what,
            take: self.take,
            ticket: None,
            is_late: self.is_late,
        }
    }
}

impl<T> Drop for Polling<T> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else {
            return;
        };
        let own = {
            let mut state = self.connection.hold().link().lock();
            state.leave_polls(self.what, ticket)
        };
        drop(own);
    }
}
