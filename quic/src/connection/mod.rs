//! A QUIC connection (RFC 9000) without I/O: datagrams in, datagrams out, time as an argument.
//!
//! [`Connection`] joins components that own their parts: TLS and its CRYPTO frames, packet number spaces and keys, loss recovery, streams,
//! paths and connection ids. It has no rules of its own but their order. [`receive`](Connection::receive) takes a datagram apart and hands each frame to one
//! owner; [`transmit`](Connection::transmit) asks owners in one order what they have to say. Outputs are computed from state when somebody asks, so any order of
//! calls is legal.
//!
//! A connection that fails closes: it says why in a CONNECTION_CLOSE frame, answers stragglers for a while, and is over.

mod api;
mod close;
mod deadline;
mod dispatch;
mod early;
mod event;
mod glitch;
mod handshake;
mod held;
mod key_update;
mod migrate;
mod moving;
mod mtu;
mod packet;
mod parameters;
mod preferred;
mod receive;
mod signal;
mod space;
mod state;
mod stats;
#[cfg(test)]
mod tests;
mod timers;
mod transmit;
mod version;
mod watch;

use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;
use pith_tls::{Handshake, Now, Question, ServerName, Summary};

use self::close::{Closing, Goodbye};
use self::early::Early;
use self::event::Events;
use self::glitch::Glitches;
use self::held::Held;
use self::key_update::KeyUpdates;
use self::parameters::Peer;
use self::signal::Signals;
use self::space::Spaces;
use self::state::{State, Step};
use self::stats::Counts;
use self::timers::Activity;
use self::version::{Attempt, FirstFlight, Negotiation, carrier};
use crate::config::{ClientConfig, Congestion, ServerConfig, Transport};
use crate::crypto_stream::CryptoStream;
use crate::error::{Code, ConnectionError, TransportError};
use crate::observe::{End, Seen, Watch};
use crate::path::{Amplification, Ids, NewId, Path, Paths, Route, Search};
use crate::random::Random;
use crate::recovery::{self, Cubic, NewReno, PathId, Recovery, Settled};
use crate::streams::{Datagrams, Streams};
use crate::token_store::Shelf;
use crate::wire::{ConnectionId, Side, Version};

pub use event::{EndpointEvent, Event};
pub use moving::MigrateError;
pub use stats::Stats;
pub use transmit::Transmit;

/// One end of a connection.
pub struct Connection {
    side: Side,
    config: Arc<Transport>,
    versions: Negotiation,
    /// With what a client begins anew, until it hears of its server.
    attempt: Option<Box<Attempt>>,
    state: State,
    error: Option<Box<ConnectionError>>,
    closing: Option<Box<Closing>>,
    /// When draining ends.
    drained_at: Option<Duration>,
    began: Duration,
    /// Whether streams may be sent before the handshake is complete.
    half_rtt: bool,
    spaces: Spaces,
    crypto: CryptoStream,
    question: Option<Box<Question>>,
    summary: Option<Arc<Summary>>,
    recovery: Recovery,
    settled: Option<Box<Settled>>,
    /// Until then the pace holds packets back.
    paced: Option<Duration>,
    /// Whether nothing can be sent before the peer has sent more.
    blocked: bool,
    streams: Streams,
    datagrams: Datagrams,
    signals: Signals,
    paths: Paths,
    ids: Ids,
    /// Whether the endpoint has been asked for ids.
    asked_ids: bool,
    peer: Option<Peer>,
    early: Early,
    /// What Initial packets carry: of a Retry, or of an earlier connection.
    token: Bytes,
    /// Where a client's tokens for later go.
    shelf: Option<Box<Shelf>>,
    updates: KeyUpdates,
    held: Held,
    activity: Activity,
    glitches: Glitches,
    random: Random,
    events: Events,
    stats: Counts,
    watch: Watch,
}

/// What a server knows of a client when it accepts it.
#[derive(Debug, Clone, Copy)]
pub struct Accepted {
    /// The version of the client's first flight.
    pub version: Version,
    /// Where the client is.
    pub route: Route,
    /// The destination of the client's first Initial packet, before any Retry.
    pub original: ConnectionId,
    /// The source of this server's Retry packet, if it sent one: where the client's Initial packets go now.
    pub retried: Option<ConnectionId>,
    /// The source of the client's Initial packets.
    pub peer: ConnectionId,
    /// The server's own id, and the token to reset it with.
    pub id: NewId,
    /// Whether a token has shown that the client receives at its address.
    pub validated: bool,
}

impl Connection {
    /// Connects to the server of this name. `id` is by what the server will address this client; `token` is one that a connection to the same
    /// server gave which had the [version](Connection::version) that this one begins in, or empty, and then one of the [store](crate::ClientConfigBuilder::tokens) is taken.
    ///
    /// # Errors
    /// [`ConnectionError::Tls`] if the configuration names no application protocol, or the random generator fails.
    pub fn client(
        config: &ClientConfig,
        name: ServerName<'static>,
        route: Route,
        id: ConnectionId,
        token: Bytes,
        now: Now,
    ) -> Result<Self, ConnectionError> {
        let mut random = config.transport.random(&id).map_err(local)?;
        let shelf = config
            .tokens
            .as_ref()
            .map(|store| Shelf::new(store, &name, route));
        let attempt = Attempt::new(&config.tls, name);
        let version = attempt.first_version(&config.transport.versions, now);
        let FirstFlight { ids, tls } =
            attempt.begin(&config.transport, id, version, &mut random, now)?;
        let path = config.transport.first_path(route, Amplification::Validated);
        let shelf = shelf.map(Box::new);
        let token = match &shelf {
            Some(shelf) if token.is_empty() => shelf.take(version),
            Some(_) | None => token,
        };
        let parts = Parts {
            versions: Negotiation::new(version),
            attempt: Some(Box::new(attempt)),
            ids,
            path,
            random,
            tls,
            token,
            shelf,
            // A client that can send streams then has 0-RTT keys.
            half_rtt: true,
        };
        Self::new(Side::Client, &config.transport, parts, now)
    }

    /// Takes a client in. Its first datagram is to be handed to [`receive`](Connection::receive) next.
    ///
    /// # Errors
    /// [`ConnectionError::Transport`] if the random generator fails.
    pub fn server(
        config: &ServerConfig,
        accepted: &Accepted,
        now: Now,
    ) -> Result<Self, ConnectionError> {
        let own = accepted.id.id;
        let random = config.transport.random(&own).map_err(local)?;
        let mut ids = Ids::server(own, accepted.original, accepted.retried, accepted.peer);
        ids.set_reset_token(accepted.id.reset_token);
        let carrier = carrier(accepted.version, None);
        let tls = Handshake::server(Arc::clone(&config.tls), carrier);
        let amplification = if accepted.validated {
            Amplification::Validated
        } else {
            Amplification::new()
        };
        let path = config.transport.first_path(accepted.route, amplification);
        let parts = Parts {
            versions: Negotiation::new(accepted.version),
            attempt: None,
            ids,
            path,
            random,
            tls,
            token: Bytes::new(),
            shelf: None,
            half_rtt: !config.tls.may_ask_client(),
        };
        Self::new(Side::Server, &config.transport, parts, now)
    }

    /// Goes on from what the endpoint has sent of Initial packets to acknowledge a piece of the hello.
    pub(crate) fn begin_after(&mut self, packets: u64, bytes: u64) {
        self.recovery.begin_after(packets);
        self.paths.on_sent_before(bytes);
    }

    /// How many bytes may be sent before the client has shown where it is.
    #[cfg(test)]
    pub(crate) fn allowance(&self) -> u64 {
        self.paths.allowance()
    }

    fn new(
        side: Side,
        config: &Arc<Transport>,
        parts: Parts,
        now: Now,
    ) -> Result<Self, ConnectionError> {
        let began = now;
        let now = now.monotonic;
        let version = parts.versions.original();
        let spaces = Spaces::new(side, version, &parts.ids.initial(), config).map_err(local)?;
        let crypto = CryptoStream::new(side, parts.tls).map_err(TransportError::from)?;
        let mut connection = Self {
            side,
            versions: parts.versions,
            attempt: parts.attempt,
            state: State::Handshaking,
            error: None,
            closing: None,
            drained_at: None,
            began: now,
            half_rtt: parts.half_rtt,
            spaces,
            crypto,
            question: None,
            summary: None,
            recovery: Recovery::new(side, config.recovery_path(parts.path.id, parts.path.mtu())),
            settled: None,
            paced: None,
            blocked: false,
            streams: Streams::new(side, config.streams),
            datagrams: Datagrams::new(config.datagrams),
            signals: Signals::default(),
            paths: Paths::new(parts.path),
            ids: parts.ids,
            asked_ids: false,
            peer: None,
            early: Early::new(),
            token: parts.token,
            shelf: parts.shelf,
            updates: KeyUpdates::default(),
            held: Held::default(),
            activity: Activity::new(now),
            glitches: Glitches::new(now),
            random: parts.random,
            events: Events::default(),
            stats: Counts::default(),
            watch: Watch::default(),
            config: Arc::clone(config),
        };
        connection.begin_watch(began);
        // A client may have early data to offer.
        connection.advance(began)?;
        connection.watch_changes();
        Ok(connection)
    }

    /// The peer's id with this number.
    fn dcid(&self, number: Option<u64>) -> Option<ConnectionId> {
        self.ids.remote.get(number?)
    }

    /// Ends the connection with an error of its own, and says so to the peer (rfc9000#10.3-1, rfc9000#11.1-1).
    fn fail(&mut self, error: ConnectionError, now: Duration) {
        let told = match &error {
            ConnectionError::Transport(error) => *error,
            ConnectionError::Tls(error) => error.into(),
            ConnectionError::HandshakeTimeout => TransportError {
                code: Code::NO_ERROR,
                frame: None,
                reason: "the handshake took too long",
            },
            _ => TransportError::internal("closed"),
        };
        self.close_with(Goodbye::Transport(told), error, now);
    }

    fn close_with(&mut self, goodbye: Goodbye, error: ConnectionError, now: Duration) {
        if self.enter(Step::Close) {
            let until = now.saturating_add(self.closing_time());
            self.closing = Some(Box::new(Closing::new(goodbye, until)));
            self.streams = Streams::new(self.side, self.config.streams);
            self.datagrams = Datagrams::new(self.config.datagrams);
            self.end(error);
        }
    }

    /// The peer has closed. What came and was not read can still be read.
    fn drain(&mut self, error: ConnectionError, now: Duration) {
        if self.enter(Step::PeerClosed) {
            // The time of stragglers does not begin anew for who was closing already (RFC 9000 section 10.2.2).
            let until = self.closing.take().map(|closing| closing.until());
            self.drained_at = until.or(Some(now.saturating_add(self.closing_time())));
            self.end(error);
        }
    }

    /// Ends without a word: nobody would hear it.
    fn give_up(&mut self, error: ConnectionError) {
        if self.enter(Step::GiveUp) {
            self.end(error);
        }
    }

    /// What a connection tells and drops when it ends, once.
    fn end(&mut self, error: ConnectionError) {
        if self.error.is_none() {
            let code = self.closing.as_ref().map_or(0, |closing| closing.code());
            self.watch.tell(|| Seen::Closed(End::of(&error, code)));
            self.error = Some(Box::new(error.clone()));
            self.events.push(Event::Closed(error));
        }
        self.crypto.abandon();
        self.held.clear();
        self.question = None;
    }

    /// Takes a step in the life of the connection; false if it is none from here.
    fn enter(&mut self, step: Step) -> bool {
        let next = self.state.step(step);
        self.state = next.unwrap_or(self.state);
        if next.is_some() {
            self.watch_state();
        }
        if next == Some(State::Over) {
            self.events.push_endpoint(EndpointEvent::Over);
        }
        next.is_some()
    }

    fn closing_time(&self) -> Duration {
        self.recovery
            .probe_timeout()
            .saturating_mul(CLOSING_TIMEOUTS)
    }
}

/// What differs between the roles at the start.
struct Parts {
    versions: Negotiation,
    attempt: Option<Box<Attempt>>,
    ids: Ids,
    path: Path,
    random: Random,
    tls: Handshake,
    token: Bytes,
    shelf: Option<Box<Shelf>>,
    half_rtt: bool,
}

impl Transport {
    /// For the connection with this id of its own.
    #[cfg_attr(not(any(test, pith_test)), expect(unused_variables))]
    fn random(&self, id: &ConnectionId) -> Result<Random, pith_crypto::Error> {
        #[cfg(any(test, pith_test))]
        if let Some(seed) = &self.seed {
            let mut seed = *seed;
            // What an endpoint's ids end in comes from a key that nobody seeds.
            let drawn = crate::limits::ENDPOINT_ID.saturating_sub(2);
            let id = id.iter().take(drawn).zip(&mut seed);
            id.for_each(|(id, byte)| *byte ^= id);
            return Random::seeded(&seed);
        }
        Random::new()
    }

    fn first_path(&self, route: Route, amplification: Amplification) -> Path {
        Path {
            search: Search::new(self.mtu),
            ..Path::new(PathId(0), route, amplification)
        }
    }

    fn recovery_path(&self, id: PathId, mtu: u16) -> recovery::Path {
        let congestion: Box<dyn recovery::Controller> = match self.congestion {
            Congestion::Cubic => Box::new(Cubic::new(mtu)),
            Congestion::NewReno => Box::new(NewReno::new(mtu)),
        };
        recovery::Path::new(id, congestion, mtu, self.initial_rtt, self.ecn)
    }
}

/// A failure of a primitive on this side.
fn local(error: pith_crypto::Error) -> ConnectionError {
    ConnectionError::Transport(error.into())
}

/// Closing and draining last so many probe timeouts.
const CLOSING_TIMEOUTS: u32 = 3;
