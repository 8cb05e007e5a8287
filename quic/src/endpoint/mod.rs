//! What a socket serves: many connections, and those that want one.
//!
//! [`Endpoint`] routes datagrams to connections by connection id, lets clients in, and answers for connections that are not (or no longer) there. It owns
//! ids, tokens and their keys, and no connection: those may live on other threads. [`settle`](Endpoint::settle) takes what a connection has for it.
//!
//! Admission has two stages. From its first datagram a client is dropped, sent a Retry, or kept within narrow bounds; once its hello is complete it is
//! handed out as an [`Incoming`]. The file is long because the endpoint's whole interface is here; what it does stands in files of its own. Ids that are minted here lie in a table whose hash has a random key; what a client has chosen lies in a tree, which nobody can
//! make slow.

mod admit;
mod answer;
mod cid_gen;
mod config;
mod incoming;
mod reset;
mod stray;
mod table;
#[cfg(test)]
mod tests;
mod token;
mod version;

use core::net::SocketAddr;
use core::time::Duration;

use bytes::{Bytes, BytesMut};
use pith_tls::{Now, ServerName};

use self::admit::{Admitted, First};
use self::cid_gen::IdGenerator;
use self::reset::{Bucket, Resets};
use self::stray::Strays;
use self::table::Table;
use self::token::Tokens;
use crate::config::{ClientConfig, ServerConfig};
use crate::connection::{Accepted, Connection, EndpointEvent};
use crate::error::{Code, ConnectionError, TransportError};
use crate::limits;
use crate::observe::{Decision, Seen, Standing, Watch};
use crate::path::{NewId, Route};
use crate::random::Random;
use crate::recovery::Ecn;
use crate::wire::header::{self, Header, Packet, QuicBit};
use crate::wire::{ConnectionId, PacketType, Versions};

pub use config::{EndpointConfig, Retrying};
pub use incoming::{Incoming, Unread};
pub use table::ConnectionKey;

/// The end of a socket.
pub struct Endpoint {
    config: EndpointConfig,
    ids: IdGenerator,
    resets: Resets,
    tokens: Tokens,
    random: Random,
    table: Table,
    strays: Strays,
    reset_bucket: Bucket,
    version_bucket: Bucket,
    close_bucket: Bucket,
    versions: Versions,
    /// Until when connections may finish, once no more are let in.
    ends: Option<Duration>,
    stats: EndpointStats,
    watch: Watch,
}

/// Where a datagram belongs.
#[must_use]
pub enum Routed {
    /// To this connection: [`Connection::receive`] takes it.
    Connection(ConnectionKey, BytesMut),
    /// A client's hello is complete.
    Incoming(Incoming),
    /// So many bytes of `reply` are the answer to it, to where it came from.
    Reply(usize),
    /// To the worker with this number.
    Forward(u16, BytesMut),
    /// It is dropped, or kept.
    Nothing,
}

/// What an endpoint has counted since it began, and what it holds now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndpointStats {
    /// Datagrams that came.
    pub received: u64,
    /// Those of them that went to connections.
    pub routed: u64,
    /// Those that another worker has to have.
    pub forwarded: u64,
    /// Datagrams without a byte.
    pub empty: u64,
    /// Datagrams that belong nowhere and were not answered.
    pub dropped: u64,
    /// Stateless Resets sent.
    pub resets: u64,
    /// Version Negotiation packets sent.
    pub negotiations: u64,
    /// Retry packets sent.
    pub retries: u64,
    /// Connections that were made to servers.
    pub connected: u64,
    /// Clients about which the application was asked.
    pub asked: u64,
    /// Clients let in.
    pub accepted: u64,
    /// Clients refused.
    pub refused: u64,
    /// Clients whose token was one for a Retry, and wrong.
    pub invalid_tokens: u64,
    /// Clients that the application ignored.
    pub ignored: u64,
    /// First datagrams of clients, dropped since too many handshakes were unfinished.
    pub full: u64,
    /// Attempts whose hello was not complete in time.
    pub expired: u64,
    /// Connections that are not over, now.
    pub connections: usize,
    /// Those of them that were let in and whose handshake is not complete.
    pub half_open: usize,
    /// Clients whose hello is on its way, or about which the application has not decided.
    pub attempts: usize,
    /// Bytes of datagrams that are kept for them.
    pub attempt_bytes: usize,
}

/// What several workers have counted together.
impl core::iter::Sum for EndpointStats {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            received: sum.received.saturating_add(one.received),
            routed: sum.routed.saturating_add(one.routed),
            forwarded: sum.forwarded.saturating_add(one.forwarded),
            empty: sum.empty.saturating_add(one.empty),
            dropped: sum.dropped.saturating_add(one.dropped),
            resets: sum.resets.saturating_add(one.resets),
            negotiations: sum.negotiations.saturating_add(one.negotiations),
            retries: sum.retries.saturating_add(one.retries),
            connected: sum.connected.saturating_add(one.connected),
            asked: sum.asked.saturating_add(one.asked),
            accepted: sum.accepted.saturating_add(one.accepted),
            refused: sum.refused.saturating_add(one.refused),
            invalid_tokens: sum.invalid_tokens.saturating_add(one.invalid_tokens),
            ignored: sum.ignored.saturating_add(one.ignored),
            full: sum.full.saturating_add(one.full),
            expired: sum.expired.saturating_add(one.expired),
            connections: sum.connections.saturating_add(one.connections),
            half_open: sum.half_open.saturating_add(one.half_open),
            attempts: sum.attempts.saturating_add(one.attempts),
            attempt_bytes: sum.attempt_bytes.saturating_add(one.attempt_bytes),
        })
    }
}

impl Endpoint {
    /// An endpoint with no connections.
    ///
    /// # Errors
    /// If the random generator fails.
    pub fn new(mut config: EndpointConfig, now: Now) -> Result<Self, pith_crypto::Error> {
        let key = |key: &pith_crypto::Wiped<32>| pith_crypto::Wiped::new(key.expose());
        let random = Random::new()?;
        #[cfg(any(test, pith_test))]
        let random = match &config.seed {
            Some(seed) => Random::seeded(seed)?,
            None => random,
        };
        Ok(Self {
            ids: IdGenerator::new(key(&config.id_key)?, config.worker),
            resets: Resets::new(key(&config.reset_key)?),
            tokens: Tokens::new(config.token_key.expose(), now.unix)?,
            random,
            table: Table::default(),
            strays: Strays::default(),
            reset_bucket: Bucket::new(now.monotonic),
            version_bucket: Bucket::new(now.monotonic),
            close_bucket: Bucket::new(now.monotonic),
            versions: Versions::default(),
            ends: None,
            stats: EndpointStats::default(),
            watch: Watch::new(config.observer.take(), now.monotonic, Standing::default()),
            config,
        })
    }

    /// The connection of a datagram that only its id tells of: of nearly all but the first ones. `None` says nothing; [`receive`](Self::receive) judges
    /// it, and takes its bytes where it keeps them.
    pub fn find(&mut self, datagram: &[u8]) -> Option<ConnectionKey> {
        let dcid = header::short_dcid(datagram, limits::ENDPOINT_ID)?;
        let key = self.table.find(&dcid)?;
        count(&mut self.stats.received);
        count(&mut self.stats.routed);
        Some(key)
    }

    /// Says where a datagram belongs that came on `route`. An answer is written into `reply`, which has room for 1,200 bytes.
    pub fn receive(
        &mut self,
        now: Now,
        route: Route,
        ecn: Ecn,
        datagram: BytesMut,
        reply: &mut [u8],
    ) -> Routed {
        self.watch.at(now.monotonic);
        count(&mut self.stats.received);
        let routed = self.sort(now, route, ecn, datagram, reply);
        match &routed {
            Routed::Connection(..) => count(&mut self.stats.routed),
            Routed::Forward(worker, _) => {
                let worker = *worker;
                self.decided(Some(route.remote), Decision::Forwarded(worker));
            }
            Routed::Incoming(incoming) => {
                let validated = incoming.is_validated();
                self.decided(Some(route.remote), Decision::Asked { validated });
            }
            Routed::Reply(_) | Routed::Nothing => {}
        }
        routed
    }

    fn sort(
        &mut self,
        now: Now,
        route: Route,
        ecn: Ecn,
        datagram: BytesMut,
        reply: &mut [u8],
    ) -> Routed {
        if datagram.is_empty() {
            count(&mut self.stats.empty);
            return Routed::Nothing;
        }
        let answered = match header::decode(&datagram, limits::ENDPOINT_ID, QuicBit::Any) {
            Ok(Packet::Protected(header)) => {
                return self.on_packet(now, route, ecn, &header, datagram, reply);
            }
            Ok(Packet::UnknownVersion(ids, _)) if self.may_answer(route) => {
                self.negotiate(now.monotonic, route, &ids, datagram.len(), reply)
            }
            // A client's connection judges these (rfc9000#6.1-1: no answer).
            Ok(Packet::Retry(header::Retry { dcid, .. })) => {
                return self.hand_over(&dcid, route, datagram);
            }
            Ok(Packet::VersionNegotiation(offer)) => {
                let dcid = ConnectionId::new(offer.ids.dcid).unwrap_or_default();
                return self.hand_over(&dcid, route, datagram);
            }
            // Shorter than any packet to an id of this endpoint's.
            Err(_) if datagram.first().is_some_and(|first| first & LONG == 0) => {
                return match self.table.find_remote(route.remote) {
                    Some(key) => Routed::Connection(key, datagram),
                    None => self.unknown(route, datagram),
                };
            }
            Ok(Packet::UnknownVersion(..)) | Err(_) => None,
        };
        match answered {
            Some(length) => Routed::Reply(length),
            None => self.unknown(route, datagram),
        }
    }

    /// Makes a connection to the server of this name. `token` is one that a connection to the same server gave, or empty.
    ///
    /// # Errors
    /// As [`Connection::client`], and if no id could be minted.
    pub fn connect(
        &mut self,
        config: &ClientConfig,
        name: ServerName<'static>,
        route: Route,
        token: Bytes,
        now: Now,
    ) -> Result<(ConnectionKey, Connection), ConnectionError> {
        if self.ends.is_some() {
            return Err(ConnectionError::LocallyClosed);
        }
        let id = if config.empty_ids {
            // rfc9000#5.1-3
            let alone = self.config.workers < 2 && self.table.find_remote(route.remote).is_none();
            if !alone {
                return Err(ConnectionError::Ambiguous);
            }
            ConnectionId::default()
        } else {
            self.mint().map_err(local)?.id
        };
        let connection = Connection::client(config, name, route, id, token, now)?;
        let key = self.table.add(route.remote, id, None);
        count(&mut self.stats.connected);
        Ok((key, connection))
    }

    /// Lets a client in. What came of it so far is given to the connection.
    ///
    /// # Errors
    /// As [`Connection::server`], and if no id could be minted.
    pub fn accept(
        &mut self,
        incoming: Incoming,
        config: &ServerConfig,
        now: Now,
    ) -> Result<(ConnectionKey, Connection), ConnectionError> {
        let (key, mut connection, unread) = self.accept_unread(incoming, config, now)?;
        unread.read(&mut connection, now);
        Ok((key, connection))
    }

    /// As [`accept`](Endpoint::accept), but what came of the client is yet to be given to the connection. That is nearly all the work of accepting
    /// a client, and needs no endpoint: so several threads that share one can do it at once.
    ///
    /// # Errors
    /// As [`accept`](Endpoint::accept).
    pub fn accept_unread(
        &mut self,
        incoming: Incoming,
        config: &ServerConfig,
        now: Now,
    ) -> Result<(ConnectionKey, Connection, Unread), ConnectionError> {
        let admission = incoming.admission;
        let id = match &incoming.acknowledged {
            Some(sent) => sent.id,
            None => self.mint().map_err(local)?,
        };
        let prefers = !config.transport.preferred.is_none();
        let second = prefers.then(|| self.mint()).transpose().map_err(local)?;
        let accepted = Accepted {
            version: admission.version,
            route: admission.route,
            original: admission.original,
            retried: admission.retried.then_some(admission.dcid),
            peer: incoming.peer,
            id,
            validated: admission.validated,
        };
        let mut connection = Connection::server(config, &accepted, now)?;
        if let Some(sent) = incoming.acknowledged {
            connection.begin_after(sent.packets, sent.bytes);
        }
        self.watch.at(now.monotonic);
        self.decided(Some(admission.route.remote), Decision::Accepted);
        let initial = (admission.route.remote, admission.dcid);
        let key = self.table.add(admission.route.remote, id.id, Some(initial));
        if let Some(second) = second.filter(|second| connection.issue_preferred_id(*second)) {
            self.table.route(key, second.id);
        }
        let mut datagrams = incoming.datagrams;
        datagrams.extend(self.strays.take(admission.route.remote, admission.dcid));
        let unread = Unread::new(admission.route, datagrams);
        Ok((key, connection, unread))
    }

    /// Tells a client that it is not let in, and says how many bytes of `reply` that are.
    pub fn refuse(&mut self, incoming: &Incoming, reply: &mut [u8]) -> Option<usize> {
        self.forget(incoming);
        let length = self.close(
            &incoming.admission,
            incoming.peer,
            incoming.acknowledged.as_deref(),
            Code::CONNECTION_REFUSED,
            reply,
        );
        if length.is_some() {
            self.decided(Some(incoming.route().remote), Decision::Refused);
        }
        length
    }

    /// Has a client show that it receives at its address, and says how many bytes of `reply` that takes. `None` if it has followed a Retry already, or
    /// would take none any more, since it was sent an acknowledgement (RFC 9000 section 17.2.5.2).
    pub fn retry(&mut self, incoming: &Incoming, now: Now, reply: &mut [u8]) -> Option<usize> {
        if incoming.admission.retried || incoming.acknowledged.is_some() {
            return None;
        }
        self.watch.at(now.monotonic);
        self.forget(incoming);
        self.send_retry(&incoming.admission, incoming.peer, now, reply)
    }

    /// Forgets a client. If it sends its hello again it is asked about again.
    pub fn ignore(&mut self, incoming: &Incoming) {
        self.forget(incoming);
        self.decided(Some(incoming.route().remote), Decision::Ignored);
    }

    fn forget(&mut self, incoming: &Incoming) {
        let admission = &incoming.admission;
        self.table
            .forget_attempt(admission.route.remote, admission.dcid);
    }

    /// Takes what a connection has for its endpoint, and gives it the ids that it wants and, to a new client, a token for its next connection. To be called
    /// after anything else was done with the connection.
    pub fn settle(&mut self, key: ConnectionKey, connection: &mut Connection, now: Now) {
        while let Some(event) = connection.endpoint_event() {
            let minted = self.on_event(key, event);
            if !minted.is_empty() {
                let issued = connection.issue_ids(&minted);
                self.forget_ids(key, minted.get(issued..).unwrap_or_default());
            }
            // A token of another host is good for nothing where the client is now (RFC 9000 section 9.3).
            if matches!(event, EndpointEvent::Complete | EndpointEvent::Moved(_)) {
                let remote = connection.route().remote.ip();
                let token = self.tokens.later(remote, connection.version(), now.unix);
                if let Ok(token) = token {
                    connection.give_token(token);
                }
            }
        }
    }

    /// The same for a connection that lives elsewhere: the ids are for its [`issue_ids`](Connection::issue_ids), and are routed already.
    pub fn on_event(&mut self, key: ConnectionKey, event: EndpointEvent) -> Vec<NewId> {
        match event {
            EndpointEvent::WantsIds(count) => {
                let mut minted = Vec::new();
                for _ in 0..count.min(limits::ISSUED_IDS) {
                    if let Ok(new) = self.mint() {
                        if self.table.route(key, new.id) {
                            minted.push(new);
                        }
                    }
                }
                return minted;
            }
            EndpointEvent::Retired(id) => self.table.retire(key, &id),
            EndpointEvent::ResetToken(token) => self.table.set_reset_token(key, token),
            EndpointEvent::Moved(remote) => self.table.set_remote(key, remote),
            EndpointEvent::Expects(remote) => self.table.expect(key, remote),
            EndpointEvent::Complete => self.table.complete(key),
            EndpointEvent::Over => self.table.remove(key),
        }
        Vec::new()
    }

    /// Routes these ids no more: the connection did not take them.
    pub fn forget_ids(&mut self, key: ConnectionKey, ids: &[NewId]) {
        for new in ids {
            self.table.retire(key, &new.id);
        }
    }

    /// Lets no more clients in. Connections may finish until `deadline`; then [`is_overdue`](Endpoint::is_overdue) says to close them.
    pub fn shutdown(&mut self, deadline: Duration) {
        self.ends = Some(self.ends.map_or(deadline, |ends| ends.min(deadline)));
        self.table.forget_attempts();
    }

    /// Whether connections that are still there after [`shutdown`](Endpoint::shutdown) are to be closed now.
    #[must_use]
    pub fn is_overdue(&self, now: Now) -> bool {
        self.ends.is_some_and(|ends| ends <= now.monotonic) && !self.table.is_empty()
    }

    /// Whether nothing is left after [`shutdown`](Endpoint::shutdown).
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.ends.is_some() && self.table.is_empty()
    }

    /// The connections that are not over.
    pub fn connections(&self) -> impl Iterator<Item = ConnectionKey> + '_ {
        self.table.keys()
    }

    /// Lets clients in from now on that begin in a version of this configuration; of both versions, until then. Others are told which these are.
    pub fn set_versions(&mut self, config: &ServerConfig) {
        self.versions = config.transport.versions.clone();
    }

    /// Who is sent a Retry, from now on.
    pub fn set_retrying(&mut self, retrying: Retrying) {
        self.config.retrying = retrying;
    }

    /// When [`on_deadline`](Endpoint::on_deadline) has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let deadlines = [self.table.next_expiry(), self.strays.deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// Forgets clients whose hello did not come in time, and what came of them before it.
    pub fn on_deadline(&mut self, now: Now) {
        self.watch.at(now.monotonic);
        let expired = self.table.expire(now.monotonic);
        if expired > 0 {
            self.decided(None, Decision::Expired(expired));
        }
        for _ in 0..self.strays.expire(now.monotonic) {
            self.decided(None, Decision::Dropped);
        }
    }

    /// What was counted, and what is held now.
    #[must_use]
    pub fn stats(&self) -> EndpointStats {
        EndpointStats {
            connections: self.table.len(),
            half_open: self.table.half_open(),
            attempts: self.table.attempts(),
            attempt_bytes: self.table.bytes(),
            ..self.stats
        }
    }

    /// A packet of a version that is known: to its connection, or to admission, in the order in which they may have it.
    fn on_packet(
        &mut self,
        now: Now,
        route: Route,
        ecn: Ecn,
        header: &Header,
        datagram: BytesMut,
        reply: &mut [u8],
    ) -> Routed {
        // What has no id, as far as this endpoint can see, is told by where it comes from.
        let bare = header.long.is_none() || header.dcid.is_empty();
        let bare = bare.then_some(route.remote);
        let found = self.table.find(&header.dcid);
        if let Some(key) = found.or_else(|| self.table.find_remote(bare?)) {
            return Routed::Connection(key, datagram);
        }
        let Some((version, scid)) = header.long else {
            return self.on_unknown_short(now.monotonic, route, &header.dcid, datagram, reply);
        };
        if let Some(key) = self.table.find_first(route.remote, header.dcid) {
            return Routed::Connection(key, datagram);
        }
        if !self.versions.contains(version) {
            let ids = header::Ids {
                dcid: &header.dcid,
                scid: &scid,
            };
            let length = datagram.len();
            let may = self.may_answer(route);
            let answer = may.then(|| self.negotiate(now.monotonic, route, &ids, length, reply));
            return match answer.flatten() {
                Some(length) => Routed::Reply(length),
                None => self.dropped(route),
            };
        }
        let dcid = self.table.first_id(route.remote, header.dcid);
        // A client's first id is its own, and is looked at where the client is let in.
        let is_first = header.packet == PacketType::Initial && self.config.serves;
        if !is_first && !self.table.waits(route.remote, dcid) {
            if let Ok(Some(worker)) = self.other_worker(&header.dcid) {
                return Routed::Forward(worker, datagram);
            }
        }
        match header.packet {
            PacketType::Initial => {
                let token = datagram.get(header.token.clone()).unwrap_or_default();
                let first = First {
                    route,
                    version,
                    dcid,
                    scid,
                    token,
                    length: datagram.len(),
                };
                match self.admit(&first, now, reply) {
                    Admitted::Yes(admission) => {
                        self.on_attempt(now, ecn, admission, datagram, reply)
                    }
                    Admitted::Reply(length) => Routed::Reply(length),
                    Admitted::Elsewhere(worker) => Routed::Forward(worker, datagram),
                    Admitted::No => self.unknown(route, datagram),
                }
            }
            PacketType::ZeroRtt if self.table.is_attempt(route.remote, dcid) => {
                let _ = self.table.feed(route.remote, dcid, ecn, datagram);
                Routed::Nothing
            }
            PacketType::ZeroRtt => self.on_stray(now.monotonic, route, ecn, header.dcid, datagram),
            // rfc9000#5.2.2-2
            PacketType::Handshake | PacketType::OneRtt => self.unknown(route, datagram),
        }
    }

    /// Early data of a client that nobody has let in yet.
    fn on_stray(
        &mut self,
        now: Duration,
        route: Route,
        ecn: Ecn,
        dcid: ConnectionId,
        datagram: BytesMut,
    ) -> Routed {
        if !self.config.serves || self.ends.is_some() || !self.may_answer(route) {
            return self.unknown(route, datagram);
        }
        let dropped = self.strays.keep(now, (route.remote, dcid), ecn, datagram);
        for _ in 0..dropped {
            self.decided(None, Decision::Dropped);
        }
        Routed::Nothing
    }

    fn hand_over(&mut self, dcid: &ConnectionId, route: Route, datagram: BytesMut) -> Routed {
        let bare = dcid.is_empty().then_some(route.remote);
        let found = self.table.find(dcid);
        let found = found.or_else(|| self.table.find_remote(bare?));
        match (found, self.other_worker(dcid)) {
            (Some(key), _) => Routed::Connection(key, datagram),
            (None, Ok(Some(worker))) => Routed::Forward(worker, datagram),
            (None, _) => self.unknown(route, datagram),
        }
    }

    /// A datagram to nobody may end in a connection's reset token (rfc9000#10.3.1-1).
    fn unknown(&mut self, route: Route, datagram: BytesMut) -> Routed {
        match self.table.find_reset(route.remote, &datagram) {
            Some(key) => Routed::Connection(key, datagram),
            None => self.dropped(route),
        }
    }

    fn dropped(&mut self, route: Route) -> Routed {
        self.decided(Some(route.remote), Decision::Dropped);
        Routed::Nothing
    }

    /// Counts a decision, and tells of it.
    fn decided(&mut self, remote: Option<SocketAddr>, decision: Decision) {
        let stats = &mut self.stats;
        match decision {
            Decision::Asked { .. } => count(&mut stats.asked),
            Decision::Accepted => count(&mut stats.accepted),
            Decision::Refused => count(&mut stats.refused),
            Decision::InvalidToken => count(&mut stats.invalid_tokens),
            Decision::Retry => count(&mut stats.retries),
            Decision::Ignored => count(&mut stats.ignored),
            Decision::Full => count(&mut stats.full),
            Decision::Expired(clients) => stats.expired = stats.expired.saturating_add(clients),
            Decision::VersionNegotiation => count(&mut stats.negotiations),
            Decision::Reset => count(&mut stats.resets),
            Decision::Forwarded(_) => count(&mut stats.forwarded),
            Decision::Dropped => count(&mut stats.dropped),
        }
        self.watch.tell(|| Seen::Admission { remote, decision });
    }

    /// An id that is new to the table, and its reset token.
    fn mint(&mut self) -> Result<NewId, pith_crypto::Error> {
        let id = self.mint_id()?;
        let reset_token = self.resets.token(&id)?;
        Ok(NewId { id, reset_token })
    }

    fn mint_id(&mut self) -> Result<ConnectionId, pith_crypto::Error> {
        for _ in 0..MINTED {
            let id = self.ids.mint(&mut self.random)?;
            if self.table.find(&id).is_none() {
                return Ok(id);
            }
        }
        Err(pith_crypto::Error::Internal("no new connection id"))
    }
}

fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}

fn local(error: pith_crypto::Error) -> ConnectionError {
    ConnectionError::Transport(TransportError::from(error))
}

/// Of the first byte of a packet with a long header.
const LONG: u8 = 0x80;

/// How often an id is minted anew that was there already: with a million connections two such in a row are not seen in a lifetime.
const MINTED: usize = 4;
