//! Owners → packets → datagrams (RFC 9000 sections 12.2 and 14).
//!
//! A datagram takes one packet of each space that has something to say, and a batch takes datagrams of one size. What may be written depends
//! on what stands open: everything, or ACK frames alone where the window or the pace holds the rest back.

use core::time::Duration;

use pith_crypto::aead::TAG_LEN;
use pith_tls::Now;

use super::Connection;
use super::packet::{Permit, Room};
use super::state::State;
use super::stats::count;
use crate::error::ConnectionError;
use crate::limits;
use crate::path::Route;
use crate::recovery::{Ecn, Gate, PathId, Tokens};
use crate::wire::{PacketType, PerSpace, Side, Space};

/// A batch of datagrams that lie one behind the other at the front of the caller's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transmit {
    /// Where they go.
    pub route: Route,
    /// How they are to be marked.
    pub ecn: Ecn,
    /// Bytes of each datagram but the last, which may have fewer.
    pub segment: usize,
    /// Bytes of all.
    pub length: usize,
}

impl Connection {
    /// Writes what is to be sent into `buffer`, one datagram or several of the same size. `None` if there is nothing, or not before
    /// [`deadline`](Connection::deadline). To be called until it returns `None`, with a buffer of at least [`limits::DATAGRAM`] bytes.
    pub fn transmit(&mut self, now: Now, buffer: &mut [u8]) -> Option<Transmit> {
        let now = now.monotonic;
        self.watch.at(now);
        if let Some(probe) = self.probe(buffer, now) {
            self.watch_changes();
            return Some(probe);
        }
        // In turn with the rest, for a search neither delays what there is to say nor is held up by a long transfer.
        if self.paths.active.search.is_next {
            if let Some(probe) = self.mtu_probe(buffer, now) {
                self.watch_changes();
                return Some(probe);
            }
        }
        self.paced = None;
        let mut batch: Option<Transmit> = None;
        let mut count = 0;
        while count < limits::BATCH {
            let before = batch.map_or(0, |batch| batch.length);
            let rest = buffer.len().saturating_sub(before);
            let allowed = match self.room() {
                // A caller's buffer may be shorter than what the path carries.
                allowed if rest >= limits::DATAGRAM => allowed.min(rest),
                allowed => allowed,
            };
            let most = batch.map_or(allowed, |batch| batch.segment);
            if most > allowed {
                break;
            }
            let room = buffer.get_mut(before..before.saturating_add(most));
            let ecn = self.marks(now);
            if batch.is_some_and(|batch| batch.ecn != ecn) {
                break;
            }
            let Some(length) = room.and_then(|room| self.datagram(room, now, ecn)) else {
                break;
            };
            self.on_datagram_sent(self.paths.active.id, length);
            count = count.saturating_add(1);
            let length_before = before.saturating_add(length);
            let segment = batch.map_or(length, |batch| batch.segment);
            batch = Some(Transmit {
                route: self.paths.active.route,
                ecn,
                segment,
                length: length_before,
            });
            if length < most {
                break;
            }
        }
        if batch.is_some() {
            self.paths.active.search.is_next = true;
            self.update_blocked(now);
        } else {
            batch = self.mtu_probe(buffer, now);
        }
        self.watch_changes();
        batch
    }

    /// One datagram, and how many bytes it has.
    fn datagram(&mut self, buffer: &mut [u8], now: Duration, ecn: Ecn) -> Option<usize> {
        if !self.can_send() {
            return None;
        }
        let written = self.write_datagram(Room::new(buffer, now, ecn));
        let written = written.or_else(|error| {
            // What was written is overwritten by what is to be said of it.
            self.fail(error, now);
            self.write_datagram(Room::new(buffer, now, ecn))
        });
        written.ok().filter(|length| *length > 0)
    }

    fn write_datagram(&mut self, room: Room<'_>) -> Result<usize, ConnectionError> {
        match self.state {
            State::Closing => self.goodbye(room),
            state if state.is_open() => self.packets_of(room),
            // rfc9000#10.2.2-1, rfc9000#10.2.2-2
            _ => Ok(0),
        }
    }

    /// Whether the peer's address may be sent a datagram, whatever is in it (rfc9000#10.2.1-1, rfc9000#10.2.1-2).
    pub(super) fn can_send(&self) -> bool {
        self.paths.active.room() > 0
    }

    /// Bytes of the largest frame that a packet of the application's holds which holds nothing else.
    pub(super) fn datagram_room(&self) -> usize {
        let early = self.spaces.sends(Space::Application) == Some(PacketType::ZeroRtt);
        let long = if early {
            LONG_OVERHEAD.saturating_add(self.ids.own().len())
        } else {
            0
        };
        let dcid = self.dcid(self.paths.active.remote);
        let overhead = dcid
            .map_or(limits::CONNECTION_ID, |dcid| dcid.len())
            .saturating_add(SHORT_OVERHEAD)
            .saturating_add(long);
        usize::from(self.paths.active.mtu()).saturating_sub(overhead)
    }

    fn marks(&self, now: Duration) -> Ecn {
        if self.state.is_open() && self.recovery.marks_ecn(now) {
            Ecn::Ect0
        } else {
            Ecn::NotEct
        }
    }

    pub(super) fn on_datagram_sent(&mut self, path: PathId, length: usize) {
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        if let Some(path) = self.paths.get_mut(path) {
            path.amplification.on_sent(length);
        }
        count(&mut self.stats.datagrams_sent);
        self.stats.bytes_sent = self.stats.bytes_sent.saturating_add(length);
    }

    /// Bytes that the next datagram may have. Once the path may carry less than it did, what goes out after a probe timeout is short: only that may arrive,
    /// and its acknowledgment tells of the losses (RFC 8899 section 4.3).
    fn room(&self) -> usize {
        let path = &self.paths.active;
        let owed = Space::ALL
            .into_iter()
            .any(|space| self.recovery.probes_owed(space) > 0);
        let room = path.room();
        if owed && (path.search.is_in_doubt() || self.recovery.probe_count() >= DOUBTFUL_TIMEOUTS) {
            room.min(limits::DATAGRAM)
        } else {
            room
        }
    }

    /// Tells recovery whether this side waits for the peer's bytes before it can send.
    pub(super) fn update_blocked(&mut self, now: Duration) {
        if !self.paths.active.amplification.is_validated() || self.blocked {
            self.blocked = !self.can_send();
            self.recovery.set_amplification_limited(self.blocked, now);
        }
    }

    /// A packet of each space that has something to say (rfc9000#12.2-2).
    fn packets_of(&mut self, mut room: Room<'_>) -> Result<usize, ConnectionError> {
        // Asked once, for the first packet changes the window; what was promised follows, if with PADDING alone.
        let permits = PerSpace::new(|space| self.permit(space, &room));
        let mut sent_handshake = false;
        for space in Space::ALL {
            let Some(permit) = *permits.get(space) else {
                continue;
            };
            let Some(mut packet) = self.begin(space, &mut room.builder, room.now)? else {
                continue;
            };
            self.fill(&mut packet, permit, &mut room);
            let follows = room.builder.remaining() >= LEAST_ROOM
                && Space::ALL
                    .into_iter()
                    .any(|next| next > space && permits.get(next).is_some());
            if room.expand && !follows {
                room.expand()?;
            }
            sent_handshake |= self.seal(packet, &mut room)? && space == Space::Handshake;
            if !follows {
                break;
            }
        }
        // rfc9001#4.9.1-1
        if sent_handshake && self.side == Side::Client {
            self.discard(Space::Initial, room.now);
        }
        Ok(room.builder.len())
    }

    /// What may be sent in a space now; `None` if there is nothing.
    fn permit(&mut self, space: Space, room: &Room<'_>) -> Option<Permit> {
        self.spaces.sends(space)?;
        let received = self.spaces.received_ref(space);
        let acks = received.is_some_and(|received| received.is_due(room.now));
        if self.wants(space, room.now) {
            let bytes = room.builder.remaining();
            match self.recovery.can_send(space, bytes, room.now) {
                Gate::Open => return Some(Permit::All),
                Gate::Until(at) => self.paced = Some(at),
                Gate::Closed => {}
            }
        }
        (acks && self.may_acknowledge(space)).then_some(Permit::Acks)
    }

    /// Whether anybody has something to say in a space but an ACK frame.
    fn wants(&self, space: Space, now: Duration) -> bool {
        let received = self.spaces.received_ref(space);
        // What most packets are sent for is asked first.
        let application = space == Space::Application
            && (self.wants_streams()
                || self.wants_signals()
                || received.is_some_and(|received| received.is_due(now) && received.wants_ping())
                || self.paths.active.wants_probe()
                || self.ids.local.is_pending()
                || self.ids.remote.is_pending());
        application || self.crypto.is_pending(space) || self.recovery.probes_owed(space) > 0
    }

    fn wants_signals(&self) -> bool {
        self.signals.is_pending() && self.spaces.one_rtt.can_send()
    }

    fn wants_streams(&self) -> bool {
        self.may_send_streams()
            && (self.streams.wants_data()
                || self.streams.wants_control()
                || self.datagrams.wants_data())
    }

    /// Before the handshake is complete a server does not know whom it talks to: it sends only where no client need show who it is.
    pub(super) fn may_send_streams(&self) -> bool {
        self.peer.is_some()
            && (self.half_rtt || self.state.is_established() || self.crypto.sends_early())
    }

    /// CONNECTION_CLOSE in a packet of each space that has keys: the peer may not have all of them (rfc9000#10.2.3-1).
    fn goodbye(&mut self, mut room: Room<'_>) -> Result<usize, ConnectionError> {
        if !self
            .closing
            .as_ref()
            .is_some_and(|closing| closing.is_owed())
        {
            return Ok(0);
        }
        for space in Space::ALL {
            let Some(mut packet) = self.begin(space, &mut room.builder, room.now)? else {
                continue;
            };
            if let Some(closing) = &self.closing {
                let _full = closing.write(packet.packet_type, &mut room.builder);
            }
            packet.tokens = Tokens::default();
            let initial = packet.packet_type == PacketType::Initial;
            room.expand |= initial && self.side == Side::Client;
            let last = Space::ALL
                .into_iter()
                .all(|next| next <= space || self.spaces.sends(next).is_none());
            if room.expand && last {
                room.expand()?;
            }
            self.seal(packet, &mut room)?;
        }
        if let Some(closing) = &mut self.closing {
            closing.on_sent();
        }
        Ok(room.builder.len())
    }
}

/// Bytes of a 1-RTT packet beside its frames and its connection id: the first, those of the longest packet number, the tag.
const SHORT_OVERHEAD: usize = 1 + 4 + TAG_LEN;

/// What a 0-RTT packet has more, and its source id: a version, two lengths of ids, its own length.
const LONG_OVERHEAD: usize = 4 + 1 + 1 + 2;

/// Probe timeouts in a row after which the path may carry less than it did.
const DOUBTFUL_TIMEOUTS: u32 = 2;

/// Bytes of room below which no other packet is begun in a datagram.
const LEAST_ROOM: usize = 128;
