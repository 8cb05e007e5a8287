//! How long datagrams are: probes, what became of them, and what the socket says (RFC 9000 section 14, RFC 8899).
//!
//! A search begins once the handshake has been confirmed for a round trip, so that no probe goes before what a client waits for, and goes on in turn
//! with what else there is to send. A lost probe is no sign of congestion. What the path in use is found to carry goes to recovery, which counts windows
//! in datagrams, and to the application.

use core::time::Duration;

use pith_crypto::aead::TAG_LEN;
use pith_tls::Now;

use super::event::Event;
use super::packet::Room;
use super::state::State;
use super::{Connection, Transmit, local};
use crate::error::{Code, ConnectionError, TransportError};
use crate::path::{BASE_MTU, Route};
use crate::recovery::{Ecn, Gate, Outcome, PathId, Token};
use crate::wire::Space;

impl Connection {
    /// The socket refused to send a datagram of so many bytes on this route, as what is larger than the interface takes (`EMSGSIZE`). The datagram is lost,
    /// and none as long goes out there after this. If the path in use does not even carry 1,200 bytes the connection is over, without a word
    /// (rfc9000#14.2-1). Nothing that came from the network may lead here, as an ICMP message would: to tell is not needed, for what is lost shows by itself.
    pub fn on_too_large(&mut self, route: Route, size: usize, now: Now) {
        self.watch.at(now.monotonic);
        let size = u16::try_from(size).unwrap_or(u16::MAX);
        let id = self.paths.find(&route);
        let is_active = id == Some(self.paths.active.id);
        let path = id.and_then(|id| self.paths.get_mut(id));
        if is_active && size <= BASE_MTU {
            self.give_up(ConnectionError::Transport(TransportError {
                code: Code::NO_VIABLE_PATH,
                frame: None,
                reason: "the path carries no datagrams of 1200 bytes",
            }));
        } else if path.is_some_and(|path| path.search.on_too_large(size)) && is_active {
            self.on_mtu();
        }
        self.watch_changes();
    }

    /// A datagram that finds out whether the path carries longer ones, where one is due and the window lets it go. Other data goes on by the size
    /// that is known.
    pub(super) fn mtu_probe(&mut self, buffer: &mut [u8], now: Duration) -> Option<Transmit> {
        let path = &mut self.paths.active;
        let quiet = self.recovery.probes_owed(Space::Application) == 0
            && self.recovery.probe_count() == 0
            && path.validation.is_none();
        if self.state != State::Confirmed || !quiet || !path.is_proven() {
            return None;
        }
        let most = u16::try_from(buffer.len()).unwrap_or(u16::MAX);
        let size = path.search.wanted(now)?.min(most);
        let (id, route) = (path.id, path.route);
        // A caller's buffer may be shorter than what the path might carry.
        let room = buffer
            .get_mut(..size.into())
            .filter(|_| size > path.mtu())?;
        let gate = self.recovery.can_send(Space::Application, size.into(), now);
        if gate != Gate::Open {
            return None;
        }
        let written = self.write_mtu_probe(id, size, Room::new(room, now, Ecn::NotEct));
        let length = written.unwrap_or_else(|error| {
            self.fail(error, now);
            None
        })?;
        self.paths.active.search.on_sent(size);
        self.on_datagram_sent(id, length);
        Some(Transmit {
            route,
            ecn: Ecn::NotEct,
            segment: length,
            length,
        })
    }

    fn write_mtu_probe(
        &mut self,
        path: PathId,
        size: u16,
        mut room: Room<'_>,
    ) -> Result<Option<usize>, ConnectionError> {
        let begun = self.begin_on(path, Space::Application, &mut room.builder, room.now)?;
        let Some(mut packet) = begun else {
            return Ok(None);
        };
        let _full = room.builder.put_ping();
        let padded = room
            .builder
            .pad_to(usize::from(size).saturating_sub(TAG_LEN));
        padded.ok_or_else(|| local(pith_crypto::Error::Length))?;
        packet.tokens.push(Token::MtuProbe { path, size });
        (packet.eliciting, packet.mtu_probe) = (true, true);
        let sealed = self.seal(packet, &mut room)?;
        Ok(Some(room.builder.len()).filter(|_| sealed))
    }

    /// What the peer waits for is on its way: a search may begin.
    pub(super) fn begin_search(&mut self) {
        self.paths.active.search.begin();
    }

    /// A probe has arrived or is lost.
    pub(super) fn on_mtu_probe(&mut self, path: PathId, size: u16, arrived: bool) {
        let Some(known) = self.paths.get_mut(path) else {
            return;
        };
        if !arrived {
            known.search.on_lost(size);
        } else if known.search.on_acked(size) && path == self.paths.active.id {
            self.on_mtu();
        }
    }

    /// What became of packets may say that the path carries less than it did.
    pub(super) fn on_sizes(&mut self, outcome: &Outcome) {
        let search = &mut self.paths.active.search;
        if search.on_outcome(outcome.largest_acked_size, outcome.smallest_lost_size) {
            self.stats.black_holes = self.stats.black_holes.saturating_add(1);
            self.on_mtu();
        }
    }

    /// Datagrams on the path in use may have another size than recovery goes by.
    fn on_mtu(&mut self) {
        self.on_mtu_since(self.recovery.path().datagram_size());
    }

    /// Datagrams on the path in use may have another size than before.
    pub(super) fn on_mtu_since(&mut self, before: u16) {
        let size = self.paths.active.mtu();
        if self.recovery.path().datagram_size() != size {
            self.recovery.set_datagram_size(size, false);
        }
        if before != size {
            self.events.push(Event::Mtu(size));
        }
    }
}
