//! One TLS connection over a socket of tokio.
//!
//! Four phases: the handshake, which whoever reads or writes drives; open, where reading and writing go apart; failing, while
//! an alert is on its way, for a second at most; failed. The first failure of TLS is final and repeated by every later call. Each `poll_` function
//! keeps what it has done in the stream, so no future holds anything that is lost with it.
//!
//! A stream keeps its two buffers (16 KiB for records that come, up to 64 KiB for what goes, twice that where slices are
//! written) as long as it lives. Dropping it sends nothing: `shutdown` says goodbye.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use pith_tls::{
    AlertDescription, Answer, ClientConfig, Connection, EarlyData, Error, Flow, Local, Question,
    ServerConfig, Summary,
};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

use super::HANDSHAKE_LIMIT;
use super::waiting::{Side, Waiting};
use crate::buffer::{Early, Input, Output, Step};
use crate::clock::{ALERT_LIMIT, Clock};
use crate::error::{early_unread, past_deadline, question_unanswered, server_name, wrap};

/// A TLS 1.3 connection that reads and writes like its socket.
///
/// Reading ends only after the peer's close_notify; a transport that ends without one is `UnexpectedEof`, since what came may
/// be cut short by somebody on the way. `shutdown` sends close_notify and shuts the socket's sending side; reading goes on
/// after it, as writing does after the peer's.
///
/// What a write has taken goes out with it as far as the socket takes it, and the rest with the next write or flush: flush
/// before you wait for an answer.
///
/// Errors of TLS are `io::Error`s around a [`pith_tls::Error`], which `io::Error::get_ref` and a downcast give back.
pub struct Stream<S> {
    tls: Connection,
    socket: S,
    input: Input,
    early: Early,
    output: Output,
    clock: Clock,
    phase: Phase,
    waiting: Arc<Waiting>,
}

/// Where a stream stands.
enum Phase {
    /// The handshake is not done, or its last flight not sent.
    Handshake { limit: Duration, deadline: Timer },
    /// Data may flow.
    Open,
    /// The alert is on its way.
    Failing { error: Error, patience: Timer },
    /// Every call gives this error.
    Failed(Error),
}

/// What became of a handshake that does not wait for the socket.
enum Turn {
    /// The phase is another.
    Over,
    /// A question is open.
    Asking,
    /// Early data has come.
    Early,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream<S> {
    /// A client that has not begun: [`handshake`](Self::handshake), or the first read, write or flush, does the handshake. It
    /// may take [`HANDSHAKE_LIMIT`] from now on.
    ///
    /// # Errors
    /// `InvalidInput` if `name` is neither a DNS name nor an IP address; a wrapped error if no hello can be made.
    pub fn client(config: Arc<ClientConfig>, name: &str, socket: S) -> io::Result<Self> {
        let clock = Clock::system();
        let tls = Connection::client(config, server_name(name)?, clock.now()).map_err(wrap)?;
        Ok(Self::new(clock, tls, socket))
    }

    /// A server that has not begun; see [`client`](Self::client).
    pub fn server(config: Arc<ServerConfig>, socket: S) -> Self {
        Self::new(Clock::system(), Connection::server(config), socket)
    }

    /// The handshake may take so long from now on, if it is not done.
    #[must_use]
    pub fn handshake_limit(mut self, limit: Duration) -> Self {
        if let Phase::Handshake { .. } = self.phase {
            self.phase = Phase::handshake(limit);
        }
        self
    }

    /// Does the handshake, or goes on with it; does nothing once it is done.
    ///
    /// # Errors
    /// - What the socket says.
    /// - `TimedOut` once the deadline has passed.
    /// - `InvalidInput` where the configuration asks a question; use [`handshake_with`](Self::handshake_with).
    /// - A wrapped [`pith_tls::Error`], final.
    pub async fn handshake(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_open(Side::Write, cx)).await
    }

    /// As [`handshake`](Self::handshake), with answers to the configuration's questions: each goes to `answer`, one at a time, and
    /// the handshake waits for what it returns, within its deadline. A question whose future was dropped is asked again.
    ///
    /// ```
    /// # async fn serve<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(
    /// #     stream: &mut pith_io::tokio::Stream<S>,
    /// # ) -> std::io::Result<()> {
    /// use pith_tls::{Answer, Topic};
    /// # async fn look_up(_: Option<&str>) -> Option<std::sync::Arc<pith_tls::ServerConfig>> { None }
    /// # async fn sign(_: pith_tls::SignatureScheme, _: &[u8]) -> Option<Vec<u8>> { None }
    ///
    /// stream.handshake_with(|question| async move { match &question.topic {
    ///     Topic::Config(hello) => {
    ///         let config = look_up(hello.server_name.as_deref()).await;
    ///         Ok(Answer::config(&question, config))
    ///     }
    ///     Topic::Sign { scheme, message } => Ok(Answer::signature(&question, sign(*scheme, message).await)),
    ///     _ => Err(std::io::ErrorKind::Unsupported.into()),
    /// }}).await
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`handshake`](Self::handshake). An error of `answer` is handed through; the question stays open and the peer learns
    /// nothing, so refuse a peer by an answer that says no. A wrapped [`pith_tls::Error`]: `Misuse` if the answer fits
    /// no open question.
    pub async fn handshake_with<F>(
        &mut self,
        mut answer: impl FnMut(Question) -> F,
    ) -> io::Result<()>
    where
        F: Future<Output = io::Result<Answer>>,
    {
        while let Phase::Handshake { .. } = self.phase {
            match poll_fn(|cx| self.poll_shared(Side::Write, cx)).await? {
                Turn::Over => break,
                Turn::Early => continue,
                Turn::Asking => {}
            }
            let (Phase::Handshake { limit, deadline }, Some(question)) =
                (&self.phase, self.tls.question().cloned())
            else {
                break;
            };
            let answer = match deadline.at {
                None => answer(question).await,
                Some(at) => timeout_at(at, answer(question))
                    .await
                    .unwrap_or_else(|_| Err(past_deadline(*limit))),
            }?;
            match self.tls.answer(answer, self.clock.now()) {
                Ok(()) => {}
                Err(error @ Error::Misuse(_)) => return Err(wrap(error)),
                Err(error) => self.fail(error),
            }
        }
        self.handshake().await
    }

    /// Writes from a client's early data (0-RTT) as much as goes in one write and the server's ticket allows, with the client's hello
    /// before it, and returns how much that is. Call it on a [`client`](Self::client) that has not begun its handshake. `Ok(0)` means that
    /// this connection takes no early data, or no more: the rest is to be written after the handshake. A future that is dropped has taken
    /// nothing.
    ///
    /// A server may send its flight before it has read all, and wait until it is taken. So while the socket takes nothing, that flight is read, and
    /// after it there is no more early data. What the server answers behind it is read only after the handshake, so where that and
    /// the data are more than the transport holds, write the rest then.
    ///
    /// Early data may arrive more than once, or not at all: see [`Connection::send_early`] for what it is good for, and after the handshake
    /// [`early_data`](Self::early_data) for what became of it. What was rejected is not sent again by itself.
    ///
    /// # Errors
    /// What the socket says; `TimedOut` once the handshake's deadline has passed. A wrapped [`pith_tls::Error`], final.
    pub async fn write_early(&mut self, early: &[u8]) -> io::Result<usize> {
        poll_fn(|cx| self.poll_write_early(early, cx)).await
    }

    /// Reads early data that a server has accepted; `Ok(0)` means that there is none, or no more, and the handshake is done. Early data is
    /// never among what reading the stream gives, which fails while some is unread. What came in a handshake is kept for this call,
    /// as much as the configuration takes; called in its place, it returns what there is before the handshake is done, and
    /// the answer can be written at once, half a round trip early. Where the configuration asks questions,
    /// [`handshake_with`](Self::handshake_with) goes first.
    ///
    /// Early data may be a copy of what came to another server, and its sender may be gone: do nothing by it that must not happen twice
    /// ([`ServerConfigBuilder::early_data`](pith_tls::ServerConfigBuilder::early_data)).
    ///
    /// # Errors
    /// As [`handshake`](Self::handshake), which goes on where no early data is at hand.
    pub async fn read_early(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        poll_fn(|cx| self.poll_early(cx)).await?;
        self.early.read(out)
    }

    /// What became of early data. A client knows it once the handshake is done.
    pub fn early_data(&self) -> EarlyData {
        self.tls.early_data()
    }

    /// What the application told [`remember`](Self::remember) on the connection that this client would resume: for early data, what was settled
    /// there.
    pub fn remembered(&self) -> Option<&[u8]> {
        self.tls.remembered()
    }

    /// Has a client remember these bytes with the sessions that come from now on, for early data under them. Tickets often come with the first
    /// that is read, so call it right after the handshake, or after what has to be known has come.
    ///
    /// # Errors
    /// A wrapped [`pith_tls::Error`]: `Misuse` before the handshake is done, or for more than
    /// [`limits::SESSION_DATA`](pith_tls::limits::SESSION_DATA) bytes.
    pub fn remember(&mut self, application: &[u8]) -> io::Result<()> {
        self.tls.remember(application).map_err(wrap)
    }

    /// Replaces the sending key, and asks the peer to replace its own if `request_peer`. What is queued for that goes out with the
    /// next write, flush or shutdown. It happens by itself before a key is used up.
    ///
    /// # Errors
    /// A wrapped [`pith_tls::Error`]: `Misuse` before the handshake is done or after the shutdown.
    pub fn update_keys(&mut self, request_peer: bool) -> io::Result<()> {
        self.tls.update_keys(request_peer).map_err(wrap)
    }

    /// Fills `out` with key material that both sides can derive and nobody else (rfc9846 section 7.5).
    ///
    /// # Errors
    /// `Misuse` before the handshake is done.
    pub fn export(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), Error> {
        self.tls.export(label, context, out)
    }

    /// As [`export`](Self::export), before the handshake is done and for early data alone, with which it shares the danger of copies
    /// (rfc9846 section 7.5): for a client that has a ticket before its handshake, for a server once [`read_early`](Self::read_early) gave some.
    ///
    /// # Errors
    /// `Misuse` at any other time.
    pub fn early_export(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), Error> {
        self.tls.early_export(label, context, out)
    }

    /// The channel binding `tls-exporter` (RFC 9266): the same on both sides of this connection, and on no other.
    ///
    /// # Errors
    /// `Misuse` before the handshake is done.
    pub fn channel_binding(&self) -> Result<[u8; 32], Error> {
        self.tls.channel_binding()
    }

    /// What was negotiated; `None` until the handshake is done.
    pub fn summary(&self) -> Option<&Summary> {
        self.tls.summary()
    }

    /// The socket under the stream.
    pub fn socket(&self) -> &S {
        &self.socket
    }

    /// The socket under the stream, to set its options. Whoever reads or writes it breaks the stream.
    pub fn socket_mut(&mut self) -> &mut S {
        &mut self.socket
    }

    fn new(clock: Clock, tls: Connection, socket: S) -> Self {
        Self {
            tls,
            socket,
            input: Input::new(),
            early: Early::default(),
            output: Output::new(),
            clock,
            phase: Phase::handshake(HANDSHAKE_LIMIT),
            waiting: Arc::default(),
        }
    }

    /// Waits until data may flow. Called for either side before all it does, since a failure of the other shows here.
    fn poll_open(&mut self, side: Side, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.waiting.set(side, cx.waker());
        while !matches!(self.phase, Phase::Open) {
            if let Turn::Asking = ready!(self.poll_shared(side, cx))? {
                return Poll::Ready(Err(question_unanswered()));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Waits until there is early data, or none will come.
    fn poll_early(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.early.is_empty() && !matches!(self.phase, Phase::Open) {
            if let Turn::Asking = ready!(self.poll_shared(Side::Read, cx))? {
                return Poll::Ready(Err(question_unanswered()));
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_early(&mut self, early: &[u8], cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        loop {
            match &mut self.phase {
                Phase::Open => return Poll::Ready(Ok(0)),
                Phase::Handshake { limit, deadline } => {
                    if deadline.poll(cx).is_ready() {
                        return Poll::Ready(Err(past_deadline(*limit)));
                    }
                }
                Phase::Failing { .. } | Phase::Failed(_) => return self.poll_failed(cx).map(Err),
            }
            if self.tls.summary().is_some() {
                return Poll::Ready(Ok(0));
            }
            if !ready!(self.poll_push_early(cx))? {
                continue;
            }
            match self.output.seal_early(&mut self.tls, early) {
                Ok(consumed) => {
                    // Taken: what the socket has no room for goes with the next call.
                    let _pushed: Poll<()> = self.poll_push(cx)?;
                    return Poll::Ready(Ok(consumed));
                }
                Err(error) => self.fail(error),
            }
        }
    }

    /// Whether this is a server that may answer early data before its handshake is done.
    fn answers_early(&self) -> bool {
        matches!(self.phase, Phase::Handshake { .. })
            && self.tls.summary().is_none()
            && self.tls.status().send == Flow::Open
    }

    /// Writes all that is sealed before the handshake is done. Both sides of early data may write at once, and neither has to read before it
    /// has written all; so what comes is read while the socket takes nothing. `false`: something came, and the phase may be another.
    fn poll_push_early(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if self.poll_push(cx)?.is_ready() {
            return Poll::Ready(Ok(true));
        }
        match self.step() {
            Ok(Step::Again) => {}
            Ok(Step::Early) => self.early.keep(&mut self.input),
            Ok(Step::NeedMore) => ready!(self.poll_fill(cx))?,
            Ok(Step::Blocked) => return Poll::Ready(Err(question_unanswered())),
            Ok(Step::Closed) => self.fail(Error::Alert(AlertDescription::CLOSE_NOTIFY)),
            Ok(Step::Plaintext) => self.fail(Local::Internal("data before the handshake").into()),
            Err(error) => self.fail(error),
        }
        Poll::Ready(Ok(false))
    }

    /// Writes before the handshake is done, while another task may read what is left of it. `None`: it is done, or has failed.
    fn poll_answer(
        &mut self,
        slices: &[IoSlice<'_>],
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<usize>>> {
        if !ready!(self.poll_push_answer(cx))? {
            return Poll::Ready(Ok(None));
        }
        match self.output.seal(&mut self.tls, slices) {
            Ok(consumed) => {
                let both = self.both(Side::Write, cx);
                let _pushed: Poll<()> = self.poll_push(&mut Context::from_waker(&both))?;
                Poll::Ready(Ok(Some(consumed)))
            }
            Err(error) => Poll::Ready(Err(wrap(error))),
        }
    }

    /// Writes all that is sealed, unless that is no answer to early data any more.
    fn poll_push_answer(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let both = self.both(Side::Write, cx);
        let both = &mut Context::from_waker(&both);
        while self.answers_early() {
            if ready!(self.poll_push_early(both))? {
                return Poll::Ready(Ok(true));
            }
            // What came may be what it waits for. Being woken, it asks anew.
            self.waiting.wake_other(Side::Write);
        }
        Poll::Ready(Ok(false))
    }

    /// A waker for both tasks of this stream, of which this is one.
    fn both(&self, side: Side, cx: &Context<'_>) -> Waker {
        self.waiting.set(side, cx.waker());
        Waker::from(Arc::clone(&self.waiting))
    }

    /// Goes on with what both sides do: handshake and alert. What one of them finds, the other has to look at too.
    fn poll_shared(&mut self, side: Side, cx: &mut Context<'_>) -> Poll<io::Result<Turn>> {
        let both = self.both(side, cx);
        let both = &mut Context::from_waker(&both);
        let turn = ready!(match &mut self.phase {
            Phase::Open => Poll::Ready(Ok(Turn::Over)),
            Phase::Handshake { limit, deadline } => {
                if deadline.poll(both).is_ready() {
                    Poll::Ready(Err(past_deadline(*limit)))
                } else {
                    self.poll_handshake(both)
                }
            }
            Phase::Failing { .. } | Phase::Failed(_) => self.poll_failed(both).map(Err),
        });
        self.waiting.wake_other(side);
        Poll::Ready(turn)
    }

    /// Goes on with the handshake until the socket stalls. All that is at hand is handled before anything is written or read,
    /// so that a flight goes out in one write if the socket takes it.
    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Turn>> {
        while let Phase::Handshake { .. } = self.phase {
            // What a server's application is asked about its tickets comes right behind the handshake.
            if self.tls.summary().is_some() && self.tls.question().is_none() {
                ready!(self.poll_drain(cx))?;
                self.phase = Phase::Open;
                break;
            }
            match self.step() {
                Ok(Step::Again) => {}
                Ok(Step::Early) => {
                    self.early.keep(&mut self.input);
                    let _drained: Poll<()> = self.poll_drain(cx)?;
                    return Poll::Ready(Ok(Turn::Early));
                }
                Ok(Step::NeedMore) => {
                    // Both sides of early data may write at once, and neither has to read before it has written all.
                    let drained = self.poll_drain(cx)?;
                    if self.tls.early_data() == EarlyData::NotOffered {
                        ready!(drained);
                    }
                    ready!(self.poll_fill(cx))?;
                }
                Ok(Step::Blocked) => {
                    ready!(self.poll_drain(cx))?;
                    return Poll::Ready(Ok(Turn::Asking));
                }
                // A peer that says goodbye in the handshake gets no further chance (known as CVE-2024-32650 elsewhere).
                Ok(Step::Closed) => self.fail(Error::Alert(AlertDescription::CLOSE_NOTIFY)),
                Ok(Step::Plaintext) => {
                    self.fail(Local::Internal("data before the handshake").into());
                }
                Err(error) => self.fail(error),
            }
        }
        Poll::Ready(Ok(Turn::Over))
    }

    /// Gives the error of the stream once its alert is gone, or nobody takes it.
    fn poll_failed(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let drained = match self.phase {
            Phase::Failing { .. } => self.poll_drain(cx).is_ready(),
            _ => true,
        };
        if let Phase::Failing { error, patience } = &mut self.phase {
            if !drained {
                ready!(patience.poll(cx));
            }
            self.phase = Phase::Failed(error.clone());
        }
        match &self.phase {
            Phase::Failed(error) => Poll::Ready(wrap(error.clone())),
            _ => Poll::Ready(wrap(Local::Internal("no failure to report").into())),
        }
    }

    fn step(&mut self) -> Result<Step, Error> {
        let now = self.clock.now();
        self.input.step(&mut self.tls, now)
    }

    /// Makes a failure of TLS final; [`poll_open`](Self::poll_open) reports it.
    fn fail(&mut self, error: Error) {
        self.phase = match error.alert() {
            Some(_) => Phase::Failing {
                error,
                patience: Timer::after(ALERT_LIMIT),
            },
            None => Phase::Failed(error), // the peer knows, or is gone
        };
    }

    /// Reads from the socket once. Its end is a failure, as it is only read while the peer has not closed.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut room = ReadBuf::new(self.input.room()?);
        ready!(Pin::new(&mut self.socket).poll_read(cx, &mut room))?;
        let count = room.filled().len();
        self.input.filled(count);
        if count == 0 {
            let error = self.tls.eof().err().unwrap_or(Error::Truncated);
            self.fail(error);
        }
        Poll::Ready(Ok(()))
    }

    /// Writes all that is sealed.
    fn poll_push(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.output.is_empty() {
            let socket = Pin::new(&mut self.socket);
            let count = ready!(socket.poll_write(cx, self.output.unsent()))?;
            self.output.sent(count)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes all that is sealed or queued, and flushes the socket.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_push(cx))?;
            self.output.queue(&mut self.tls);
            if self.output.is_empty() {
                return Pin::new(&mut self.socket).poll_flush(cx);
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<S> {
    /// Reads what the peer sent: from one record, so often less than fits.
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let plaintext = ready!(self.as_mut().poll_fill_buf(cx))?;
        let count = plaintext.len().min(out.remaining());
        out.put_slice(plaintext.get(..count).unwrap_or_default());
        self.consume(count);
        Poll::Ready(Ok(()))
    }
}

/// The plaintext of one record, in the stream's own buffer.
impl<S: AsyncRead + AsyncWrite + Unpin> AsyncBufRead for Stream<S> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        while this.input.plaintext().is_empty() {
            ready!(this.poll_open(Side::Read, cx))?;
            if !this.early.is_empty() {
                return Poll::Ready(Err(early_unread()));
            }
            match this.step() {
                Ok(Step::Again | Step::Plaintext) => {}
                Ok(Step::NeedMore) => ready!(this.poll_fill(cx))?,
                Ok(Step::Closed) => break,
                Ok(Step::Early) => this.fail(Local::Internal("early data after all").into()),
                Ok(Step::Blocked) => this.fail(Local::Internal("a question after all").into()),
                Err(error) => this.fail(error),
            }
        }
        Poll::Ready(Ok(this.input.plaintext()))
    }

    fn consume(mut self: Pin<&mut Self>, count: usize) {
        self.input.take(count);
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        plaintext: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(plaintext)])
    }

    /// Seals as much as goes in one write, at most 64 KiB, and writes it; small slices share a record. Nothing is taken while
    /// what was taken before waits for the socket.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        loop {
            if let Some(consumed) = ready!(this.poll_answer(slices, cx))? {
                return Poll::Ready(Ok(consumed));
            }
            ready!(this.poll_open(Side::Write, cx))?;
            ready!(this.poll_push(cx))?;
            match this.output.seal(&mut this.tls, slices) {
                Ok(consumed) => {
                    // Taken: what the socket has no room for goes with the next call.
                    let _pushed: Poll<()> = this.poll_push(cx)?;
                    return Poll::Ready(Ok(consumed));
                }
                Err(error @ Error::Misuse(_)) => return Poll::Ready(Err(wrap(error))),
                Err(error) => this.fail(error),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while ready!(this.poll_push_answer(cx))? {
            this.output.queue(&mut this.tls);
            if this.output.is_empty() {
                return Pin::new(&mut this.socket).poll_flush(cx);
            }
        }
        ready!(this.poll_open(Side::Write, cx))?;
        this.poll_drain(cx)
    }

    /// Sends close_notify, and what was left unsent before it, and shuts the socket's sending side. Reading goes on.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // A handshake is not gone through with for the sake of its end.
        if !matches!(this.phase, Phase::Handshake { .. }) {
            ready!(this.poll_open(Side::Write, cx))?;
        }
        this.tls.close();
        ready!(this.poll_drain(cx))?;
        Pin::new(&mut this.socket).poll_shutdown(cx)
    }
}

impl Phase {
    fn handshake(limit: Duration) -> Self {
        Self::Handshake {
            limit,
            deadline: Timer::after(limit),
        }
    }
}

/// A moment to wait for. The runtime is asked for it when it is first waited for.
struct Timer {
    /// `None` is past what the clock can count.
    at: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    fn after(limit: Duration) -> Self {
        Self {
            at: Instant::now().checked_add(limit),
            sleep: None,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else {
            return Poll::Pending;
        };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(at)));
        sleep.as_mut().poll(cx)
    }
}
