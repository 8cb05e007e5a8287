//! A connection, and what opens streams on it.

use std::task::{Context, Poll};

use bytes::Buf;
use h3::error::Code;
use h3::quic::{self, ConnectionErrorIncoming, StreamErrorIncoming};

use super::error;
use super::stream::{BidiStream, RecvStream, SendStream};
use crate::quic::{self as pith, Polling};

/// A QUIC connection for HTTP/3. It keeps the connection alive as any other handle does.
pub struct Connection {
    open: OpenStreams,
    bidirectional: Polling<(pith::SendStream, pith::RecvStream)>,
    unidirectional: Polling<pith::RecvStream>,
}

/// Opens streams. Each clone waits for itself.
#[derive(Clone)]
pub struct OpenStreams {
    bidirectional: Polling<(pith::SendStream, pith::RecvStream)>,
    unidirectional: Polling<pith::SendStream>,
}

impl Connection {
    /// Begins HTTP/3 on a connection, whose streams are taken from now on by nobody else.
    #[must_use]
    pub fn new(connection: pith::Connection) -> Self {
        Self {
            open: OpenStreams {
                bidirectional: Polling::open_bi(&connection),
                unidirectional: Polling::open_uni(&connection),
            },
            bidirectional: Polling::accept_bi(&connection),
            unidirectional: Polling::accept_uni(&connection),
        }
    }

    pub(super) fn inner(&self) -> &pith::Connection {
        self.open.bidirectional.connection()
    }
}

impl<B: Buf> quic::Connection<B> for Connection {
    type RecvStream = RecvStream;
    type OpenStreams = OpenStreams;

    fn poll_accept_recv(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<RecvStream, ConnectionErrorIncoming>> {
        let polled = self.unidirectional.poll(cx);
        polled
            .map_ok(RecvStream::unidirectional)
            .map_err(error::connection)
    }

    fn poll_accept_bidi(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<BidiStream<B>, ConnectionErrorIncoming>> {
        let polled = self.bidirectional.poll(cx);
        polled
            .map_ok(BidiStream::accepted)
            .map_err(error::connection)
    }

    fn opener(&self) -> OpenStreams {
        self.open.clone()
    }
}

impl<B: Buf> quic::OpenStreams<B> for Connection {
    type BidiStream = BidiStream<B>;
    type SendStream = SendStream<B>;

    fn poll_open_bidi(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<BidiStream<B>, StreamErrorIncoming>> {
        self.open.poll_open_bidi(cx)
    }

    fn poll_open_send(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<SendStream<B>, StreamErrorIncoming>> {
        self.open.poll_open_send(cx)
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        quic::OpenStreams::<B>::close(&mut self.open, code, reason);
    }
}

impl<B: Buf> quic::OpenStreams<B> for OpenStreams {
    type BidiStream = BidiStream<B>;
    type SendStream = SendStream<B>;

    fn poll_open_bidi(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<BidiStream<B>, StreamErrorIncoming>> {
        let polled = self.bidirectional.poll(cx);
        polled.map_ok(BidiStream::opened).map_err(error::stream)
    }

    fn poll_open_send(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<SendStream<B>, StreamErrorIncoming>> {
        let polled = self.unidirectional.poll(cx);
        polled
            .map_ok(SendStream::unidirectional)
            .map_err(error::stream)
    }

    /// What was begun in early data that was rejected has no connection any more that it could close.
    fn close(&mut self, code: Code, reason: &[u8]) {
        if !self.bidirectional.is_gone() {
            let connection = self.bidirectional.connection();
            connection.close(error::code(code.value()), reason);
        }
    }
}
