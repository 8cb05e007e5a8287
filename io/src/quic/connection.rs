//! A handle to a connection.

use std::fmt;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use pith_quic::{ConnectionError, Dir, Stats, StreamId, VarInt, Version};
use pith_tls::{Answer, EarlyData, Question, Summary};

use super::error::Error;
use super::link::{For, Hold, State};
use super::recv::RecvStream;
use super::send::SendStream;

/// A connection, whose handshake is complete unless it was made for early data. Clones are the same connection.
///
/// When the last of them is dropped, and all of the connection's streams, it is closed with code 0: not before everything that was
/// sent has arrived, unless the peer takes nothing for 30 seconds (or not all of it in ten minutes). [`close`](Self::close) closes at once.
#[derive(Clone)]
pub struct Connection {
    hold: Hold,
}

/// Streams and datagrams. All futures can be dropped at any await: a stream that was not returned was not taken.
impl Connection {
    /// Opens a stream in both directions, as soon as the peer allows one more. The peer learns of it when something is sent.
    ///
    /// # Errors
    /// The end of the connection.
    pub async fn open_bi(&self) -> Result<(SendStream, RecvStream), Error> {
        self.until(For::Open(true), |state| self.opened_bi(state))
            .await
    }

    /// Opens a stream to the peer, as soon as the peer allows one more.
    ///
    /// # Errors
    /// The end of the connection.
    pub async fn open_uni(&self) -> Result<SendStream, Error> {
        self.until(For::Open(false), |state| self.opened_uni(state))
            .await
    }

    /// The next stream in both directions that the peer opens.
    ///
    /// # Errors
    /// The end of the connection, when all streams that came before it are taken.
    pub async fn accept_bi(&self) -> Result<(SendStream, RecvStream), Error> {
        self.until(For::Accept(true), |state| self.accepted_bi(state))
            .await
    }

    /// The next stream that the peer opens to this side.
    ///
    /// # Errors
    /// The end of the connection, when all streams that came before it are taken.
    pub async fn accept_uni(&self) -> Result<RecvStream, Error> {
        self.until(For::Accept(false), |state| self.accepted_uni(state))
            .await
    }

    /// Sends a datagram (RFC 9221): once, and maybe in vain. Where too many wait, the oldest is dropped.
    ///
    /// # Errors
    /// [`Error::Datagram`] if the peer takes none, or none of this size; the end of the connection.
    pub fn send_datagram(&self, bytes: Bytes) -> Result<(), Error> {
        let link = self.hold.link();
        let mut state = link.lock();
        if let Some(failure) = state.failure() {
            return Err(failure);
        }
        state
            .connection
            .send_datagram(bytes)
            .map_err(Error::Datagram)?;
        link.call(state);
        Ok(())
    }

    /// The most bytes that a datagram may have now; `None` if the peer takes none.
    #[must_use]
    pub fn largest_datagram(&self) -> Option<usize> {
        self.hold.link().lock().connection.largest_datagram()
    }

    /// The oldest datagram that came and was not read. One that came as early data waits for the handshake.
    ///
    /// # Errors
    /// The end of the connection.
    pub async fn read_datagram(&self) -> Result<Bytes, Error> {
        self.until(For::Datagram, |state| self.datagram(state))
            .await
    }
}

/// Early data (0-RTT), for connections that were made by `connect_early` or `accept_early`.
impl Connection {
    pub(super) fn new(hold: Hold) -> Self {
        Self { hold }
    }

    /// Waits until the handshake is complete, and says what became of early data. Where a server has rejected it, what was opened before is gone: see
    /// [`Error::EarlyDataRejected`].
    ///
    /// # Errors
    /// [`Error::Connection`] and [`Error::NoAnswer`] say why it failed, [`Error::Question`] that the configuration asks.
    pub async fn handshake(&self) -> Result<EarlyData, Error> {
        match self.hold.link().wait(For::Whole, stage).await {
            Stage::Connected => Ok(self.hold.link().lock().connection.early_data()),
            Stage::Asking(_) => Err(Error::Question),
            Stage::Failed(error) => Err(error),
        }
    }

    /// What a client's application [remembered](Self::remember) on the connection whose session this one resumes: what was settled there, and early
    /// data goes by. `None` if no early data can be sent, or no more.
    #[must_use]
    pub fn remembered(&self) -> Option<Bytes> {
        self.hold.link().lock().connection.remembered().cloned()
    }

    /// Remembers these bytes with a client's sessions that come from now on, for early data under them.
    ///
    /// # Errors
    /// [`Error::Connection`] with what TLS says of it, such as that they are too long.
    pub fn remember(&self, application: Bytes) -> Result<(), Error> {
        let mut state = self.hold.link().lock();
        let remembered = state.connection.remember(application);
        remembered.map_err(|error| Error::Connection(ConnectionError::Tls(error)))
    }
}

/// The connection as a whole.
impl Connection {
    /// Closes the connection at once, with a code and a reason that the peer's application is told. What was not sent or has not
    /// arrived never will.
    pub fn close(&self, code: VarInt, reason: &[u8]) {
        let link = self.hold.link();
        let now = link.hub.now();
        let mut state = link.lock();
        let reason = Bytes::copy_from_slice(reason);
        state.connection.close(code, reason, now);
        link.call(state);
    }

    /// Waits for the end of the connection, and says why it is over.
    pub async fn closed(&self) -> Error {
        let link = self.hold.link();
        link.wait(For::Whole, |state| state.failure()).await
    }

    /// Why the connection is over, if it is.
    #[must_use]
    pub fn error(&self) -> Option<Error> {
        self.hold.link().lock().failure()
    }

    /// What was negotiated.
    #[must_use]
    pub fn summary(&self) -> Option<Arc<Summary>> {
        self.hold.link().lock().connection.summary().cloned()
    }

    /// The version of QUIC.
    #[must_use]
    pub fn version(&self) -> Version {
        self.hold.link().lock().connection.version()
    }

    /// Fills `out` with keying material for this label and context (RFC 9846 section 7.5).
    ///
    /// # Errors
    /// [`Error::Connection`] with what TLS says of it, such as too long an output.
    pub fn export(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let state = self.hold.link().lock();
        let exported = state.connection.export(label, context, out);
        exported.map_err(|error| Error::Connection(ConnectionError::Tls(error)))
    }

    /// Updates the keys that this side sends with (RFC 9001 section 6).
    pub fn update_keys(&self) {
        let link = self.hold.link();
        let mut state = link.lock();
        state.connection.update_keys();
        link.call(state);
    }

    /// What the connection has counted.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.hold.link().lock().connection.stats()
    }

    /// The peer's address and port.
    #[must_use]
    pub fn remote(&self) -> SocketAddr {
        self.hold.link().lock().connection.route().remote
    }

    /// This side's address, where it is known.
    #[must_use]
    pub fn local_ip(&self) -> Option<IpAddr> {
        self.hold
            .link()
            .lock()
            .connection
            .route()
            .local?
            .ip()
            .into()
    }

    /// Waits until `attempt` gives something, or the connection has ended and there is nothing more for it.
    async fn until<T>(
        &self,
        what: For,
        mut attempt: impl FnMut(&mut State) -> Option<T>,
    ) -> Result<T, Error> {
        let link = self.hold.link();
        let either = |state: &mut State| match attempt(state) {
            Some(found) => Some(Ok(found)),
            None => state.failure().map(Err),
        };
        link.wait(what, either).await
    }

    #[cfg(feature = "h3")]
    pub(super) fn hold(&self) -> &Hold {
        &self.hold
    }

    pub(super) fn opened_bi(&self, state: &mut State) -> Option<(SendStream, RecvStream)> {
        let id = state.connection.open(Dir::Bi)?;
        Some((self.sender(state, id), self.receiver(state, id)))
    }

    pub(super) fn opened_uni(&self, state: &mut State) -> Option<SendStream> {
        let id = state.connection.open(Dir::Uni)?;
        Some(self.sender(state, id))
    }

    pub(super) fn accepted_bi(&self, state: &mut State) -> Option<(SendStream, RecvStream)> {
        let id = state.connection.accept(Dir::Bi)?;
        Some((self.sender(state, id), self.receiver(state, id)))
    }

    pub(super) fn accepted_uni(&self, state: &mut State) -> Option<RecvStream> {
        let id = state.connection.accept(Dir::Uni)?;
        Some(self.receiver(state, id))
    }

    pub(super) fn datagram(&self, state: &mut State) -> Option<Bytes> {
        let connection = &mut state.connection;
        let early = connection.summary().is_some();
        let early = early.then(|| connection.read_early_datagram()).flatten();
        early.or_else(|| connection.read_datagram())
    }

    fn sender(&self, state: &mut State, id: StreamId) -> SendStream {
        SendStream::new(self.hold.another(state), state, id)
    }

    fn receiver(&self, state: &mut State, id: StreamId) -> RecvStream {
        RecvStream::new(self.hold.another(state), state, id)
    }
}

/// What a handshake has come to.
enum Stage {
    Connected,
    Asking(Question),
    Failed(Error),
}

/// Waits for a handshake, and answers its questions.
pub(super) async fn establish<F, E>(
    hold: Hold,
    mut answer: Option<impl FnMut(Question) -> F>,
) -> Result<Connection, E>
where
    F: Future<Output = Result<Answer, E>>,
    E: From<Error>,
{
    let link = Arc::clone(hold.link());
    loop {
        let question = match link.wait(For::Whole, stage).await {
            Stage::Connected => return Ok(Connection::new(hold)),
            Stage::Failed(error) => return Err(error.into()),
            Stage::Asking(question) => question,
        };
        let Some(answer) = &mut answer else {
            return Err(Error::Question.into());
        };
        // The deadline of the handshake holds for the answer too.
        let mut answering = pin!(answer(question));
        let mut failing = pin!(link.wait(For::Whole, |state| state.failure()));
        let answer = poll_fn(|cx| {
            if let Poll::Ready(answer) = answering.as_mut().poll(cx) {
                return Poll::Ready(Ok(answer));
            }
            failing.as_mut().poll(cx).map(Err)
        });
        let answer = answer.await.map_err(E::from)??;
        let now = link.hub.now();
        let mut state = link.lock();
        // Misuse changes nothing and is nobody's to see but the caller's; other errors are seen in the next stage.
        let answered = state.connection.answer(answer, now);
        let open = state.connection.error().is_none();
        link.call(state);
        if let (Err(error), true) = (answered, open) {
            return Err(Error::Connection(error).into());
        }
    }
}

fn stage(state: &mut State) -> Option<Stage> {
    let failure = state.failure().filter(|error| {
        // What came is there to be read, however late somebody looks who was let in.
        let completed = state.connection.summary().is_some();
        !(completed && leaves_data(error))
    });
    let stage = if let Some(failure) = failure {
        Stage::Failed(match failure {
            Error::Connection(ConnectionError::HandshakeTimeout) if state.heard_nothing() => {
                Error::NoAnswer(state.connection.route().remote)
            }
            failure => failure,
        })
    } else if let Some(question) = state.connection.question() {
        Stage::Asking(question.clone())
    } else if state.connection.summary().is_some() {
        Stage::Connected
    } else {
        return None;
    };
    Some(stage)
}

/// Whether a connection that ended so may have brought all that it was to bring.
fn leaves_data(error: &Error) -> bool {
    matches!(
        error,
        Error::Connection(
            ConnectionError::ApplicationClosed { .. }
                | ConnectionError::IdleTimeout
                | ConnectionError::Reset
        )
    )
}

impl State {
    fn heard_nothing(&self) -> bool {
        self.connection.stats().datagrams_received == 0
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("remote", &self.remote())
            .field("error", &self.error())
            .finish_non_exhaustive()
    }
}
