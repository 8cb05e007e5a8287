//! One TLS connection over a blocking socket, owned by one thread.
//!
//! [`Stream::connect`] and [`Stream::accept`] return when the handshake is done; after that a stream is read and written like
//! the socket under it. The first failure of TLS is final: its alert goes out, and every later call repeats it. A failure of
//! the socket is not: what returns `WouldBlock`, `TimedOut` or `Interrupted` can be called again, and nothing is lost.
//!
//! A stream keeps its two buffers (16 KiB for records that come, up to 64 KiB for what goes) as long as it lives. Dropping it
//! sends nothing and blocks nowhere: [`Stream::close`] says goodbye.

use std::io::{self, BufRead, ErrorKind, IoSlice, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pith_tls::{
    AlertDescription, Answer, ClientConfig, Connection, EarlyData, Error, Flow, Local, Question,
    ServerConfig, Summary,
};

use super::socket::{fill, push, push_alert, push_all};
use super::split::{self, Reader, Writer};
use super::{HANDSHAKE_LIMIT, Socket, Timeouts};
use crate::buffer::{Early, Input, Output, Step};
use crate::clock::Clock;
use crate::error::{early_unread, is_stall, past_deadline, question_open, server_name, wrap};

mod early;

/// A TLS 1.3 connection that reads and writes like its socket.
///
/// Reading gives `Ok(0)` only after the peer's close_notify; a transport that ends without one is `UnexpectedEof`, since what
/// came may be cut short by somebody on the way. After the peer's close_notify writing still works, and after
/// [`close`](Self::close) reading does.
///
/// Errors of TLS are `io::Error`s around a [`pith_tls::Error`], which `io::Error::get_ref` and a downcast give back.
pub struct Stream<S = TcpStream> {
    tls: Connection,
    pub(super) socket: S,
    input: Input,
    early: Early,
    /// Bytes of early data that were written.
    early_sent: usize,
    /// Whether the last that happened beside early data was that something came.
    came_last: bool,
    output: Output,
    clock: Clock,
    /// `None` once the handshake is done, and its last flight sent.
    deadline: Option<Deadline>,
    failed: Option<Error>,
}

/// When the handshake must be done.
#[derive(Clone, Copy)]
struct Deadline {
    /// What the caller gave, for the error.
    limit: Duration,
    /// On the stream's own clock.
    at: Duration,
}

impl<S: Socket> Stream<S> {
    /// Connects as a client to the server called `name`, a DNS name or an IP address, over a socket that is connected.
    /// The handshake may take [`HANDSHAKE_LIMIT`].
    ///
    /// # Errors
    /// `InvalidInput` if `name` is neither; as [`handshake`](Self::handshake).
    pub fn connect(config: Arc<ClientConfig>, name: &str, socket: S) -> io::Result<Self> {
        Self::client(config, name, socket)?.shaken()
    }

    /// As [`connect`](Self::connect), but the handshake must be done by `deadline`.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn connect_by(
        config: Arc<ClientConfig>,
        name: &str,
        socket: S,
        deadline: Instant,
    ) -> io::Result<Self> {
        Self::client(config, name, socket)?.by(deadline).shaken()
    }

    /// Accepts a client over a socket that is connected. The handshake may take [`HANDSHAKE_LIMIT`], however slowly the client
    /// sends.
    ///
    /// # Errors
    /// As [`handshake`](Self::handshake).
    pub fn accept(config: Arc<ServerConfig>, socket: S) -> io::Result<Self> {
        Self::server(config, socket).shaken()
    }

    /// As [`accept`](Self::accept), but the handshake must be done by `deadline`.
    ///
    /// # Errors
    /// As [`accept`](Self::accept).
    pub fn accept_by(config: Arc<ServerConfig>, socket: S, deadline: Instant) -> io::Result<Self> {
        Self::server(config, socket).by(deadline).shaken()
    }

    /// A client that has not begun: [`handshake`](Self::handshake), or the first read or write, does the handshake. For sockets
    /// that do not block, and for configurations that ask questions.
    ///
    /// # Errors
    /// `InvalidInput` if `name` is neither a DNS name nor an IP address; a wrapped error if no hello can be made.
    pub fn client(config: Arc<ClientConfig>, name: &str, socket: S) -> io::Result<Self> {
        Self::client_at(Clock::system(), config, name, socket)
    }

    /// A server that has not begun; see [`client`](Self::client).
    pub fn server(config: Arc<ServerConfig>, socket: S) -> Self {
        Self::new(Clock::system(), Connection::server(config), socket)
    }

    /// Does the handshake, or goes on with it; does nothing once it is done.
    ///
    /// # Errors
    /// - What the socket says. `WouldBlock` and its like can be called again.
    /// - `TimedOut` once the deadline has passed.
    /// - `WouldBlock` while a [`question`](Self::question) is open.
    /// - A wrapped [`pith_tls::Error`], final.
    pub fn handshake(&mut self) -> io::Result<()> {
        self.shake(false)
    }

    /// Does the handshake, or a part of it: until there is early data, if that is what its caller is after.
    fn shake(&mut self, for_early: bool) -> io::Result<()> {
        self.check()?;
        let Some(deadline) = self.deadline else {
            return Ok(());
        };
        let own = self.socket.timeouts()?;
        let result = loop {
            match self.drive(own, deadline, for_early) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_stall(&error) && error.get_ref().is_none() => {
                    break self.time_left(deadline).map_or_else(Err, |_| Err(error));
                }
                other => break other,
            }
        };
        if result.is_ok() && self.is_shaken() {
            self.deadline = None;
        }
        let restored = self.socket.set_timeouts(own);
        result.and(restored)
    }

    /// Sends close_notify, and what was left unsent before it. Nothing can be written after; reading goes on until the peer closes
    /// too. The socket itself stays open.
    ///
    /// # Errors
    /// What the socket says; after `WouldBlock` and its like, call it again. A wrapped [`pith_tls::Error`] if the stream has failed.
    pub fn close(&mut self) -> io::Result<()> {
        self.check()?;
        self.tls.close();
        self.flush()
    }

    /// Replaces the sending key, and asks the peer to replace its own if `request_peer`. What is queued for that goes out with the
    /// next write, flush or close. It happens by itself before a key is used up.
    ///
    /// # Errors
    /// A wrapped [`pith_tls::Error`]: `Misuse` before the handshake is done or after [`close`](Self::close).
    pub fn update_keys(&mut self, request_peer: bool) -> io::Result<()> {
        self.check()?;
        self.tls.update_keys(request_peer).map_err(wrap)
    }

    /// Fills `out` with key material that both sides can derive and nobody else (rfc9846 section 7.5).
    ///
    /// # Errors
    /// `Misuse` before the handshake is done.
    pub fn export(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), Error> {
        self.tls.export(label, context, out)
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

    /// What the handshake waits for, if the configuration asks questions.
    pub fn question(&self) -> Option<&Question> {
        self.tls.question()
    }

    /// Answers the open question; [`handshake`](Self::handshake) then goes on.
    ///
    /// # Errors
    /// A wrapped [`pith_tls::Error`]: `Misuse` if the answer fits no open question.
    pub fn answer(&mut self, answer: Answer) -> io::Result<()> {
        self.check()?;
        let now = self.clock.now();
        match self.tls.answer(answer, now) {
            Ok(()) => Ok(()),
            Err(error @ Error::Misuse(_)) => Err(wrap(error)),
            Err(error) => Err(self.fail(error)),
        }
    }

    /// Makes two halves that two threads can use at once. `writer` is a second handle on the same socket, such as
    /// `TcpStream::try_clone` gives.
    ///
    /// # Errors
    /// As [`handshake`](Self::handshake), which must be done, and is if it is not. `InvalidInput` while early data is unread.
    pub fn split<W: Write>(mut self, writer: W) -> io::Result<(Reader<S>, Writer<W>)> {
        self.handshake()?;
        if !self.early.is_empty() {
            return Err(early_unread());
        }
        Ok(split::halves(
            self.tls,
            self.clock,
            (self.socket, self.input),
            (writer, self.output),
        ))
    }

    /// The socket under the stream.
    pub fn socket(&self) -> &S {
        &self.socket
    }

    /// The socket under the stream, to set its options. Whoever reads or writes it breaks the stream.
    pub fn socket_mut(&mut self) -> &mut S {
        &mut self.socket
    }

    pub(super) fn client_at(
        clock: Clock,
        config: Arc<ClientConfig>,
        name: &str,
        socket: S,
    ) -> io::Result<Self> {
        let tls = Connection::client(config, server_name(name)?, clock.now()).map_err(wrap)?;
        Ok(Self::new(clock, tls, socket))
    }

    pub(super) fn new(clock: Clock, tls: Connection, socket: S) -> Self {
        let at = clock.now().monotonic.saturating_add(HANDSHAKE_LIMIT);
        Self {
            tls,
            socket,
            input: Input::new(),
            early: Early::default(),
            early_sent: 0,
            came_last: false,
            output: Output::new(),
            clock,
            deadline: Some(Deadline {
                limit: HANDSHAKE_LIMIT,
                at,
            }),
            failed: None,
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a deadline is a time of the system's clock"
    )]
    fn by(mut self, deadline: Instant) -> Self {
        let limit = deadline.saturating_duration_since(Instant::now());
        let at = self.clock.now().monotonic.saturating_add(limit);
        self.deadline = Some(Deadline { limit, at });
        self
    }

    fn shaken(mut self) -> io::Result<Self> {
        self.handshake()?;
        Ok(self)
    }

    /// Goes on with the handshake until it is done or the socket stalls. All that is at hand is handled before anything is written
    /// or read, so that a flight goes out in one write if the socket takes it.
    fn drive(&mut self, own: Timeouts, deadline: Deadline, for_early: bool) -> io::Result<()> {
        while !self.is_shaken() && (!for_early || self.early.is_empty()) {
            match self.step()? {
                Step::Again => {}
                Step::Early => self.early.keep(&mut self.input),
                Step::NeedMore if self.tls.early_data() != EarlyData::NotOffered => {
                    self.output.queue(&mut self.tls);
                    self.exchange(own, deadline)?;
                }
                Step::NeedMore => {
                    self.push_flight(own, deadline)?;
                    self.bound(own, deadline, Duration::MAX)?;
                    self.fill()?;
                }
                Step::Blocked => {
                    self.push_flight(own, deadline)?;
                    return Err(question_open());
                }
                // A peer that says goodbye in the handshake gets no further chance (known as CVE-2024-32650 elsewhere).
                Step::Closed => {
                    return Err(self.fail(Error::Alert(AlertDescription::CLOSE_NOTIFY)));
                }
                Step::Plaintext => {
                    return Err(self.fail(Local::Internal("data before the handshake").into()));
                }
            }
        }
        if self.is_shaken() {
            return self.push_flight(own, deadline);
        }
        // Early data is at hand, and its client may not read before all of it is taken: hardly worth a wait.
        self.output.queue(&mut self.tls);
        self.bound(own, deadline, PATIENCE)?;
        match push_all(&mut self.output, &mut self.socket) {
            Err(error) if is_stall(&error) => Ok(()),
            other => other,
        }
    }

    /// Bounds the next calls of the socket by this, by the caller's own timeouts and by the deadline.
    fn bound(&mut self, own: Timeouts, deadline: Deadline, bound: Duration) -> io::Result<()> {
        let bound = self.time_left(deadline)?.min(bound);
        self.socket.set_timeouts(own.within(bound))
    }

    /// Whether nothing of the handshake is left to be read. What a server's application is asked about its tickets comes right behind it.
    fn is_shaken(&self) -> bool {
        self.tls.summary().is_some() && self.tls.question().is_none()
    }

    /// Whether this is a server that may answer early data before its handshake is done.
    fn answers_early(&self) -> bool {
        self.tls.summary().is_none() && self.tls.status().send == Flow::Open
    }

    /// Writes all that is queued, within the deadline.
    fn push_flight(&mut self, own: Timeouts, deadline: Deadline) -> io::Result<()> {
        loop {
            self.output.queue(&mut self.tls);
            if self.output.is_empty() {
                return self.socket.flush();
            }
            self.bound(own, deadline, Duration::MAX)?;
            push(&mut self.output, &mut self.socket)?;
        }
    }

    /// What is left until the deadline, and a little more: the system counts in ticks, and may wake one early.
    fn time_left(&self, deadline: Deadline) -> io::Result<Duration> {
        match deadline.at.checked_sub(self.clock.now().monotonic) {
            None | Some(Duration::ZERO) => Err(past_deadline(deadline.limit)),
            Some(left) => Ok(left.saturating_add(TICK)),
        }
    }

    fn step(&mut self) -> io::Result<Step> {
        let now = self.clock.now();
        self.input
            .step(&mut self.tls, now)
            .map_err(|error| self.fail(error))
    }

    fn fill(&mut self) -> io::Result<()> {
        if fill(&mut self.input, &mut self.socket)? == 0 {
            let error = self.tls.eof().err().unwrap_or(Error::Truncated);
            return Err(self.fail(error));
        }
        Ok(())
    }

    /// Writes all that is ready to go; what the socket does not take stays for the next call.
    fn push_all(&mut self) -> io::Result<()> {
        let both = self.tls.early_data() != EarlyData::NotOffered;
        if let Some(deadline) = self.deadline.filter(|_| both) {
            let own = self.socket.timeouts()?;
            let result = self.push_early(own, deadline);
            result.and(self.socket.set_timeouts(own))?;
        }
        push_all(&mut self.output, &mut self.socket)
    }

    /// Writes what was sealed of `consumed` bytes; if the socket stalls in the middle, they count as written.
    fn push_sealed(&mut self, consumed: usize) -> io::Result<usize> {
        match self.push_all() {
            Err(error) if is_stall(&error) && consumed > 0 => Ok(consumed),
            other => other.map(|()| consumed),
        }
    }

    fn check(&self) -> io::Result<()> {
        match &self.failed {
            Some(error) => Err(wrap(error.clone())),
            None => Ok(()),
        }
    }

    /// Makes a failure of TLS final. Its alert goes out if the socket takes it soon; whether it arrives changes nothing here.
    fn fail(&mut self, error: Error) -> io::Error {
        self.output.queue(&mut self.tls);
        push_alert(&mut self.output, &mut self.socket);
        self.failed = Some(error.clone());
        wrap(error)
    }
}

impl<S: Socket> Read for Stream<S> {
    /// Reads what the peer sent: from one record, so often less than fits.
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        let count = self.fill_buf()?.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

/// The plaintext of one record, in the stream's own buffer.
impl<S: Socket> BufRead for Stream<S> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.input.plaintext().is_empty() {
            self.check()?;
            self.handshake()?;
            if !self.early.is_empty() {
                return Err(early_unread());
            }
            loop {
                match self.step()? {
                    Step::Again => {}
                    Step::Early => {
                        return Err(self.fail(Local::Internal("early data after all").into()));
                    }
                    Step::NeedMore => self.fill()?,
                    Step::Plaintext | Step::Closed => break,
                    Step::Blocked => return Err(question_open()),
                }
            }
        }
        Ok(self.input.plaintext())
    }

    fn consume(&mut self, count: usize) {
        self.input.take(count);
    }
}

impl<S: Socket> Write for Stream<S> {
    /// Seals from `plaintext` as much as goes in one write, at most 64 KiB, and writes it. If the socket stalls in the middle, what
    /// is sealed counts as written and goes out with the next call; [`flush`](Self::flush) before you wait for an answer.
    fn write(&mut self, plaintext: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(plaintext)])
    }

    /// As [`write`](Self::write), of the slices one behind the other: small ones share a record.
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if !self.answers_early() {
            self.handshake()?;
        }
        self.check()?;
        self.push_all()?;
        let consumed = match self.output.seal(&mut self.tls, slices) {
            Ok(consumed) => consumed,
            Err(error @ Error::Misuse(_)) => return Err(wrap(error)),
            Err(error) => return Err(self.fail(error)),
        };
        self.push_sealed(consumed)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.check()?;
        loop {
            self.output.queue(&mut self.tls);
            if self.output.is_empty() {
                return self.socket.flush();
            }
            self.push_all()?;
        }
    }
}

const TICK: Duration = Duration::from_millis(10); // of a kernel that counts 100 a second

/// How long a write may keep a read waiting where both sides may write, and the other way round, at first.
const PATIENCE: Duration = Duration::from_millis(20);
