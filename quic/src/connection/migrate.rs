//! A peer at another address (RFC 9000 section 9.3): which packets make a path known, which move the connection, and what follows from that.
//!
//! Only a server follows its peer. A genuine packet from a new address makes a path, which is asked whether the peer is there; the newest packet that is
//! no probe decides where the server sends from now on, within the factor 3 until the answer comes. The path before is asked too, so that a peer that never
//! left says so, and is returned to if the new one is silent. Servers stay where they are, and clients move when they want to: see `moving`.

use core::time::Duration;

use super::event::{EndpointEvent, Event};
use super::packet::Room;
use super::receive::Way;
use super::state::State;
use super::{Connection, Transmit, local};
use crate::error::{Code, ConnectionError, TransportError};
use crate::path::{Failed, Route, Validation};
use crate::protect::Opened;
use crate::recovery::{Ecn, PathId};
use crate::wire::header::Header;
use crate::wire::{ConnectionId, PacketType, Side, Space};

impl Connection {
    /// Whether a datagram may come from there. A client takes nothing from an unknown address (rfc9000#9-5), and a server nothing before the handshake is
    /// over, for which addresses stay as they are.
    pub(super) fn is_from_path(&self, route: Route) -> Option<PathId> {
        if self.side == Side::Server {
            return self.paths.find(&route);
        }
        // The server answers where it saw this client, whatever this host calls the address.
        let anywhere = Route {
            local: None,
            ..route
        };
        let exact = self.paths.find_exact(&route);
        let found = exact.or_else(|| self.paths.find(&anywhere));
        let active = self.paths.active.id;
        found.or_else(|| self.came_from(route.remote).then_some(active))
    }

    /// Whether the peer may turn up elsewhere.
    pub(super) fn may_follow(&self) -> bool {
        self.side == Side::Server && self.state == State::Confirmed
    }

    /// Whether a packet from an unknown address may be opened. Where active migration was refused, who comes by another id has moved on purpose and
    /// is dropped without an answer, unless he was asked to come there; who keeps to his id has been moved by a NAT (rfc9000#9-3).
    pub(super) fn may_come_from(&self, header: &Header, route: Route) -> bool {
        let same_id = self.ids.local.number(&header.dcid) == Some(self.paths.active.local);
        let may_move = self.config.active_migration || same_id || self.has_invited(&route);
        self.is_from_path(route).is_some() || header.packet == PacketType::OneRtt && may_move
    }

    /// The path that a genuine packet came on. A new one is asked whether the peer is there (rfc9000#9-4).
    pub(super) fn path_of(
        &mut self,
        opened: &Opened,
        way: &Way,
    ) -> Result<PathId, ConnectionError> {
        let path = way.path.or_else(|| self.is_from_path(way.arrival.route));
        if let Some(path) = path {
            return Ok(path);
        }
        let now = way.arrival.at;
        let local = self.number_of(&opened.dcid);
        let remote = self.id_for(local);
        let validation = Validation::new(unpredictable()?, self.fails_at(now));
        let route = way.arrival.route;
        let path = self.paths.add(route, local, remote, validation, now);
        // rfc9000#8.1-2
        let size = u64::try_from(way.arrival.datagram).unwrap_or(u64::MAX);
        self.paths.on_received(path, size, now);
        self.release_ids()?;
        Ok(path)
    }

    /// The number of the peer's id for a new path: a fresh one if the peer came by another id (rfc9000#9.5-2), the same if the peer may not know that it moved.
    fn id_for(&mut self, local: u64) -> Option<u64> {
        if local == self.paths.active.local || self.ids.remote.is_empty() {
            self.paths.active.remote
        } else {
            self.ids.remote.take()
        }
    }

    /// The number of this side's id. It may have been retired by the packet that came to another.
    fn number_of(&self, dcid: &ConnectionId) -> u64 {
        let number = self.ids.local.number(dcid);
        number.unwrap_or(self.paths.active.local)
    }

    /// A packet has been taken whole. The newest that is no probe says where the peer is (rfc9000#9.3-1).
    pub(super) fn on_place(
        &mut self,
        opened: &Opened,
        path: PathId,
        probing: bool,
        now: Duration,
    ) -> Result<(), ConnectionError> {
        let follows = self.side == Side::Server && opened.packet.space() == Space::Application;
        if !follows || probing {
            return Ok(());
        }
        if !self.paths.on_newest(opened.number) {
            return Ok(());
        }
        let local = self.number_of(&opened.dcid);
        if let Some(path) = self.paths.get_mut(path) {
            path.local = local;
        }
        if self.follows_here(path) {
            self.follow(path, now)?;
        }
        Ok(())
    }

    /// Sends on another path than before.
    pub(super) fn on_moved(&mut self, left: PathId, now: Duration) -> Result<(), ConnectionError> {
        super::stats::count_rare(&mut self.stats.moves);
        let fails_at = self.fails_at(now);
        // An attacker may have sent a copy: who was there before is asked too (rfc9000#9.3.3-1).
        if let Some(path) = self.paths.get_mut(left) {
            if path.validation.is_none() {
                let validation = Validation::new(unpredictable()?, fails_at);
                path.validation = Some(Box::new(validation));
            }
        }
        let before = self.paths.get_mut(left).map(|path| path.route);
        let parked = self.take_up(before, now);
        if let Some(path) = self.paths.get_mut(left) {
            path.recovery = parked;
        }
        self.tell_place();
        self.release_ids()?;
        self.on_ids();
        self.update_blocked(now);
        Ok(())
    }

    /// Has recovery send on the path in use, and gives back what it knew of the one before. Another port of the same host is most likely the same
    /// path, if it is this side's same address; on any other, window and round trip begin anew (rfc9000#9.4-2) or go on as they were left.
    pub(super) fn take_up(
        &mut self,
        before: Option<Route>,
        now: Duration,
    ) -> Option<Box<crate::recovery::Path>> {
        let parked = self.switch_to_active(before, now);
        let paths = &self.paths;
        let known = |id| paths.iter().any(|path| path.id == id);
        let settled = self.settled.get_or_insert_default();
        self.recovery.forget_paths(known, now, settled);
        self.settle();
        parked
    }

    fn switch_to_active(
        &mut self,
        before: Option<Route>,
        now: Duration,
    ) -> Option<Box<crate::recovery::Path>> {
        let path = &mut self.paths.active;
        let host = path.route.remote.ip();
        let same_host = before
            .is_some_and(|before| before.remote.ip() == host && !before.is_elsewhere(&path.route));
        let (known, ecn) = (path.recovery.take(), self.config.ecn);
        if same_host && known.is_none() {
            self.recovery.rename_path(path.id, ecn, now);
            self.on_mtu_since(self.recovery.path().datagram_size());
            return None;
        }
        let known = known.map(|known| *known).unwrap_or_else(|| {
            let rtt = self.config.initial_rtt;
            self.recovery.fresh_path(path.id, path.mtu(), rtt, ecn)
        });
        let before = self.recovery.switch_path(known, now);
        self.on_mtu_since(before.datagram_size());
        Some(Box::new(before))
    }

    /// A PATH_CHALLENGE frame came: the answer goes where it came from (rfc9000#8.2.2-3). On the path in use an ACK frame goes with it, which is no probe: a
    /// peer that has heard of this side elsewhere, and not from this side itself, knows by it where this side is (RFC 9000 section 9.3.3).
    pub(super) fn on_path_challenge(&mut self, data: [u8; 8], path: PathId) -> bool {
        let path = self.paths.get_mut(path);
        path.is_some_and(|path| path.responses.on_challenge(data))
    }

    /// A PATH_RESPONSE frame came. Says whether it was asked for.
    pub(super) fn on_path_response(
        &mut self,
        data: [u8; 8],
        now: Duration,
    ) -> Result<bool, ConnectionError> {
        let Some(proven) = self.paths.on_response(&data, now) else {
            return Ok(false);
        };
        let fails_at = self.fails_at(now);
        if !proven.whole {
            if let Some(path) = self.paths.get_mut(proven.path) {
                let validation = path.validation.as_mut();
                let data = unpredictable()?;
                validation
                    .into_iter()
                    .for_each(|v| v.ask_whole(data, fails_at));
            }
        }
        let moves = self
            .paths
            .get_mut(proven.path)
            .is_some_and(|path| path.moves);
        if moves && proven.whole {
            self.on_awaited(proven.path, now)?;
        }
        if proven.path == self.paths.active.id {
            self.recovery.guess_rtt(proven.took);
            self.tell_place();
        }
        self.release_ids()?;
        Ok(true)
    }

    /// What is due on paths: challenges again, the end of those that nobody answered, the end of paths that nobody needs.
    pub(super) fn on_path_timer(&mut self, now: Duration) -> Result<(), ConnectionError> {
        while let Some(failed) = self.paths.failed(now) {
            match failed {
                Failed::Active => self.revert(now),
                Failed::Tried(route) if self.side == Side::Client => {
                    self.on_not_arrived(&route);
                    self.events.push(Event::MigrationFailed(route));
                }
                Failed::Tried(_) | Failed::Aside => {}
            }
        }
        while let Some(path) = self.paths.due(now) {
            let data = unpredictable()?;
            path.validation
                .as_mut()
                .into_iter()
                .for_each(|v| v.ask(data));
        }
        self.paths.expire(now);
        self.release_ids()
    }

    /// The peer was not where it seemed to be: back to where it was last (rfc9000#9.3.2-1).
    fn revert(&mut self, now: Duration) {
        let Some(failed) = self.paths.revert() else {
            // rfc9000#9.3.2-2
            let error = TransportError {
                code: Code::NO_VIABLE_PATH,
                frame: None,
                reason: "the peer is at no address that is known",
            };
            return self.give_up(error.into());
        };
        self.take_up(Some(failed.route), now);
        self.on_ids();
        self.update_blocked(now);
    }

    /// Tells the application and the endpoint where the peer is, once that is certain.
    fn tell_place(&mut self) {
        if let Some(route) = self.paths.news() {
            self.events.push(Event::Moved(route));
            self.events
                .push_endpoint(EndpointEvent::Moved(route.remote));
        }
    }

    /// The endpoint routes the reset token of the id in use.
    pub(super) fn on_ids(&mut self) {
        let number = self.paths.active.remote;
        if let Some(token) = number.and_then(|number| self.ids.remote.token(number)) {
            self.events.push_endpoint(EndpointEvent::ResetToken(token));
        }
    }

    /// Retires the peer's ids that no path uses any more.
    pub(super) fn release_ids(&mut self) -> Result<(), ConnectionError> {
        let released = self.ids.remote.release(|number| self.paths.uses(number));
        released.map_err(|fault| TransportError::from(fault).into())
    }

    /// When a validation that begins now has failed: after three probe timeouts of the slower path, as RFC 9000 section 8.2.4 recommends.
    pub(super) fn fails_at(&self, now: Duration) -> Duration {
        now.saturating_add(self.slow_timeout().saturating_mul(TIMEOUTS))
    }

    /// The probe timeout of a path of which nothing is known, or of the one in use if that is slower.
    fn slow_timeout(&self) -> Duration {
        let first = self.recovery.first_probe_timeout(self.config.initial_rtt);
        first.max(self.recovery.probe_timeout())
    }

    /// A datagram that probes a path which is not in use: it holds nothing that would move the peer's peer.
    pub(super) fn probe(&mut self, buffer: &mut [u8], now: Duration) -> Option<Transmit> {
        if self.state != State::Confirmed {
            return None;
        }
        let (id, room) = self.paths.probing().map(|path| (path.id, path.room()))?;
        let room = Room::new(buffer.get_mut(..room)?, now, Ecn::NotEct);
        let length = self.write_probe(id, room).unwrap_or_else(|error| {
            self.fail(error, now);
            None
        })?;
        let path = self.paths.get_mut(id)?;
        let route = path.route;
        self.on_datagram_sent(id, length);
        Some(Transmit {
            route,
            ecn: Ecn::NotEct,
            segment: length,
            length,
        })
    }

    fn write_probe(
        &mut self,
        id: PathId,
        mut room: Room<'_>,
    ) -> Result<Option<usize>, ConnectionError> {
        let timeout = self.slow_timeout();
        let begun = self.begin_on(id, Space::Application, &mut room.builder, room.now)?;
        let Some(mut packet) = begun else {
            return Ok(None);
        };
        if let Some(path) = self.paths.get_mut(id) {
            let (builder, tokens) = (&mut room.builder, &mut packet.tokens);
            packet.eliciting = path.write(builder, tokens, room.whole, room.now, timeout);
        }
        // rfc9000#8.2.1-2, rfc9000#8.2.2-6
        if packet.eliciting && room.whole {
            room.expand()?;
        }
        let sealed = self.seal(packet, &mut room)?;
        Ok(Some(room.builder.len()).filter(|_| sealed))
    }
}

/// What nobody can guess, from the system's generator (rfc9000#8.2.1-1).
pub(super) fn unpredictable() -> Result<[u8; 8], ConnectionError> {
    let mut data = [0; 8];
    pith_crypto::random::fill(&mut data).map_err(local)?;
    Ok(data)
}

/// Of RFC 9000 section 8.2.4.
const TIMEOUTS: u32 = 3;
