//! Streams: what is written in pieces of a bounded size, and what a dropped one tells the peer.

use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h3::error::Code;
use h3::quic::{self, StreamErrorIncoming, StreamId, WriteBuf};

use super::error;
use crate::quic as pith;

/// A stream in both directions: a request and its response.
pub struct BidiStream<B: Buf> {
    send: SendStream<B>,
    receive: RecvStream,
}

/// The part of a stream that sends.
pub struct SendStream<B: Buf> {
    inner: pith::SendStream,
    /// What is to be sent, and the piece of it that is being sent.
    writing: Option<WriteBuf<B>>,
    piece: Bytes,
    /// The code for the peer when it is dropped unfinished.
    unfinished: Option<Code>,
}

/// The part of a stream that receives.
pub struct RecvStream {
    inner: pith::RecvStream,
    /// The code for the peer when it is dropped unread.
    unread: Code,
}

impl<B: Buf> BidiStream<B> {
    pub(super) fn opened(halves: (pith::SendStream, pith::RecvStream)) -> Self {
        Self::new(halves, Code::H3_REQUEST_CANCELLED)
    }

    /// A server that has answered need not read all of a request.
    pub(super) fn accepted(halves: (pith::SendStream, pith::RecvStream)) -> Self {
        Self::new(halves, Code::H3_NO_ERROR)
    }

    fn new((send, receive): (pith::SendStream, pith::RecvStream), unread: Code) -> Self {
        Self {
            send: SendStream::new(send, Some(Code::H3_REQUEST_CANCELLED)),
            receive: RecvStream {
                inner: receive,
                unread,
            },
        }
    }
}

impl<B: Buf> SendStream<B> {
    pub(super) fn unidirectional(inner: pith::SendStream) -> Self {
        Self::new(inner, None)
    }

    fn new(inner: pith::SendStream, unfinished: Option<Code>) -> Self {
        Self {
            inner,
            writing: None,
            piece: Bytes::new(),
            unfinished,
        }
    }
}

impl RecvStream {
    pub(super) fn unidirectional(inner: pith::RecvStream) -> Self {
        Self {
            inner,
            unread: Code::H3_NO_ERROR,
        }
    }
}

impl<B: Buf> quic::SendStream<B> for SendStream<B> {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        loop {
            while !self.piece.is_empty() {
                let sent = self.inner.poll_write_bytes(cx, &mut self.piece);
                if let Err(error) = ready!(sent) {
                    (self.writing, self.piece) = (None, Bytes::new());
                    return Poll::Ready(Err(error::stream(error)));
                }
            }
            match &mut self.writing {
                Some(writing) if writing.has_remaining() => {
                    self.piece = writing.copy_to_bytes(writing.remaining().min(PIECE));
                }
                _ => break,
            }
        }
        self.writing = None;
        Poll::Ready(Ok(()))
    }

    fn send_data<T: Into<WriteBuf<B>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        if self.writing.is_some() {
            // A future that was dropped has left it: what comes now would stand behind it unseen.
            return Err(StreamErrorIncoming::Unknown(
                "what was to be sent before is not sent yet".into(),
            ));
        }
        self.writing = Some(data.into());
        Ok(())
    }

    /// Ends the stream behind all that was to be sent.
    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        ready!(self.poll_ready(cx))?;
        self.inner.finish().map_err(error::stream)?;
        self.unfinished = None;
        Poll::Ready(Ok(()))
    }

    fn reset(&mut self, reset_code: u64) {
        self.unfinished = None;
        self.inner.reset(error::code(reset_code));
    }

    fn send_id(&self) -> StreamId {
        id(self.inner.id())
    }
}

impl<B: Buf> quic::SendStreamUnframed<B> for SendStream<B> {
    fn poll_send<D: Buf>(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut D,
    ) -> Poll<Result<usize, StreamErrorIncoming>> {
        ready!(quic::SendStream::<B>::poll_ready(self, cx))?;
        if !buf.has_remaining() {
            return Poll::Ready(Ok(0));
        }
        let sent = ready!(self.inner.poll_write(cx, buf.chunk())).map_err(error::stream)?;
        buf.advance(sent);
        Poll::Ready(Ok(sent))
    }
}

impl quic::RecvStream for RecvStream {
    type Buf = Bytes;

    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        self.inner.poll_chunk(cx, usize::MAX).map_err(error::stream)
    }

    fn stop_sending(&mut self, error_code: u64) {
        self.inner.stop(error::code(error_code));
    }

    fn recv_id(&self) -> StreamId {
        id(self.inner.id())
    }
}

impl<B: Buf> quic::SendStream<B> for BidiStream<B> {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_ready(cx)
    }

    fn send_data<T: Into<WriteBuf<B>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        self.send.send_data(data)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_finish(cx)
    }

    fn reset(&mut self, reset_code: u64) {
        self.send.reset(reset_code);
    }

    fn send_id(&self) -> StreamId {
        self.send.send_id()
    }
}

impl<B: Buf> quic::SendStreamUnframed<B> for BidiStream<B> {
    fn poll_send<D: Buf>(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut D,
    ) -> Poll<Result<usize, StreamErrorIncoming>> {
        self.send.poll_send(cx, buf)
    }
}

impl<B: Buf> quic::RecvStream for BidiStream<B> {
    type Buf = Bytes;

    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        self.receive.poll_data(cx)
    }

    fn stop_sending(&mut self, error_code: u64) {
        self.receive.stop_sending(error_code);
    }

    fn recv_id(&self) -> StreamId {
        self.receive.recv_id()
    }
}

impl<B: Buf> quic::BidiStream<B> for BidiStream<B> {
    type SendStream = SendStream<B>;
    type RecvStream = RecvStream;

    fn split(self) -> (SendStream<B>, RecvStream) {
        (self.send, self.receive)
    }
}

impl<B: Buf> Drop for SendStream<B> {
    fn drop(&mut self) {
        if let Some(code) = self.unfinished {
            self.inner.reset(error::code(code.value()));
        }
    }
}

impl Drop for RecvStream {
    fn drop(&mut self) {
        self.inner.stop(error::code(self.unread.value()));
    }
}

/// Both have numbers below 2^62, so the conversion does not fail.
fn id(id: pith_quic::StreamId) -> StreamId {
    StreamId::try_from(id.get()).unwrap_or_else(|_| StreamId::from(h3::proto::varint::VarInt::MAX))
}

/// The most bytes that are copied at once, as many as a write takes.
const PIECE: usize = 64 * 1024;
