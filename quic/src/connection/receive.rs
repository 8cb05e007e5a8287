//! Datagram → packets → frames (RFC 9000 section 12.2, RFC 9001 section 5.5).
//!
//! A packet that cannot be read, or is not the peer's, is dropped without a word; one that the peer has broken the protocol with ends the
//! connection. Nothing of a packet counts before it has opened.

use core::time::Duration;

use bytes::BytesMut;
use pith_tls::Now;

use super::held::{Arrival, HeldPacket};
use super::space::Unopened;
use super::stats::{count, count_rare};
use super::{Connection, local};
use crate::error::{ConnectionError, TransportError};
use crate::limits;
use crate::observe::{DropReason, Seen};
use crate::path::Route;
use crate::protect::{Datagram, Incoming, Opened, Protected, retry_is_genuine};
use crate::recovery::{Ecn, PathId};
use crate::wire::frame::{Frame, frames};
use crate::wire::header::{self, Packet, QuicBit, Retry};
use crate::wire::{PacketType, ResetToken, Side, Space};

/// What a frame's owner may have to know of the packet that it came in.
pub(super) struct From<'a> {
    pub(super) now: Now,
    pub(super) space: Space,
    pub(super) path: PathId,
    pub(super) opened: &'a Opened,
}

/// How a datagram came, before it is taken apart.
#[derive(Clone, Copy)]
pub(super) struct Way {
    pub(super) now: Now,
    pub(super) arrival: Arrival,
    /// The path that leads there, if it was known.
    pub(super) path: Option<PathId>,
}

impl Connection {
    /// Takes a datagram that came on `route`, marked `ecn`. What of it is not for this connection is dropped.
    pub fn receive(&mut self, now: Now, route: Route, ecn: Ecn, datagram: BytesMut) {
        self.watch.at(now.monotonic);
        count(&mut self.stats.datagrams_received);
        let size = u64::try_from(datagram.len()).unwrap_or(u64::MAX);
        self.stats.bytes_received = self.stats.bytes_received.saturating_add(size);
        let path = self.is_from_path(route);
        if datagram.is_empty() || path.is_none() && !self.may_follow() {
            self.dropped(DropReason::Path, None, datagram.len());
            return;
        }
        if let Some(path) = path {
            self.paths.on_received(path, size, now.monotonic);
        }
        if let Some(closing) = &mut self.closing {
            closing.on_datagram();
        }
        if self.state.is_open() {
            let result = self.packets(now, path, route, ecn, datagram);
            if let Err(error) = result {
                self.fail(error, now.monotonic);
            }
            self.update_blocked(now.monotonic);
        }
        self.watch_changes();
    }

    fn packets(
        &mut self,
        now: Now,
        path: Option<PathId>,
        route: Route,
        ecn: Ecn,
        bytes: BytesMut,
    ) -> Result<(), ConnectionError> {
        let way = Way {
            now,
            // What waits for its keys counts from here: a delay of this side's, and of no other's (rfc9000#13.2.5-1).
            arrival: Arrival {
                at: now.monotonic,
                route,
                ecn,
                datagram: bytes.len(),
            },
            path,
        };
        let id_length = self.ids.own().len();
        let mut datagram = Datagram::new(bytes, id_length, QuicBit::Any);
        let token = datagram.reset_token();
        let mut opened = false;
        while let Some(packet) = datagram.next() {
            // Each on its own, whatever became of the one before (rfc9000#12.2-3), and never a reason to close (rfc9000#14-4).
            match packet {
                Ok(Incoming::Protected(packet)) => opened |= self.packet(packet, way)?,
                Ok(Incoming::Other(bytes)) => self.on_other(&bytes, now)?,
                Err(_) => self.dropped(DropReason::Malformed, None, way.arrival.datagram),
            }
            if !self.state.is_open() {
                return Ok(());
            }
        }
        // rfc9000#10.3.1-1
        if !opened {
            self.on_reset_token(token, way.arrival);
        }
        Ok(())
    }

    /// A datagram of which nothing opened may be a Stateless Reset (rfc9000#10.3-5, rfc9000#10.3.1-4).
    fn on_reset_token(&mut self, token: Option<ResetToken>, arrival: Arrival) {
        let known = self.is_from_path(arrival.route).is_some();
        let is_reset = known && token.is_some_and(|token| self.ids.remote.is_reset(&token.0));
        // rfc9000#10.3-3
        if is_reset && arrival.datagram >= limits::RESET_DATAGRAM {
            self.drain(ConnectionError::Reset, arrival.at);
        }
    }

    /// Opens a packet and hands out its frames. Says whether it was the peer's.
    fn packet(&mut self, packet: Protected, way: Way) -> Result<bool, ConnectionError> {
        let (kind, size) = (packet.header().packet, packet.size());
        if way.path.is_none() && !self.may_come_from(packet.header(), way.arrival.route) {
            self.dropped(DropReason::Path, Some(kind), size);
            return Ok(false);
        }
        if !self.is_wanted(&packet, way.arrival) {
            self.dropped(DropReason::Foreign, Some(kind), size);
            return Ok(false);
        }
        let opened = match self.open_packet(packet) {
            Ok(opened) => opened,
            Err(Unopened::Fault(fault)) => return Err(TransportError::from(fault).into()),
            Err(Unopened::Local(error)) => return Err(local(error)),
            Err(Unopened::Duplicate) => {
                self.dropped(DropReason::Duplicate, Some(kind), size);
                return Ok(true);
            }
            Err(Unopened::Early(packet)) => {
                if self.held.push(packet, way.arrival) {
                    self.watch.tell(|| Seen::Held { packet: kind, size });
                } else {
                    self.dropped(DropReason::HeldEnough, Some(kind), size);
                }
                return Ok(false);
            }
            Err(Unopened::Dropped) => {
                self.dropped(DropReason::NoKeys, Some(kind), size);
                return Ok(false);
            }
            Err(Unopened::Forged) => {
                self.dropped(DropReason::Forged, Some(kind), size);
                return Ok(false);
            }
        };
        self.opened(&opened, way)?;
        if self.crypto.has_news() {
            self.advance(way.now)?;
        }
        self.watch_changes();
        self.release(way.now)?;
        Ok(true)
    }

    /// Whether a packet can be this connection's at all, as far as its header tells.
    fn is_wanted(&self, packet: &Protected, arrival: Arrival) -> bool {
        let header = packet.header();
        // rfc9000#14.1-3
        let small = self.side == Side::Server
            && header.packet == PacketType::Initial
            && arrival.datagram < limits::DATAGRAM;
        let from_peer = header.long.as_ref().is_none_or(|(version, scid)| {
            self.takes_version(header.packet, *version) && self.ids.is_from_peer(scid)
        });
        from_peer && !small && self.ids.is_ours(&header.dcid)
    }

    /// A packet of the peer.
    fn opened(&mut self, opened: &Opened, way: Way) -> Result<(), ConnectionError> {
        let now = way.arrival.at;
        count(&mut self.stats.packets_received);
        self.watch_received(opened, way.arrival.ecn);
        let path = self.path_of(opened, &way)?;
        self.on_level(opened, now);
        let space = opened.packet.space();
        let from = From {
            now: way.now,
            space,
            path,
            opened,
        };
        // A fault ends the connection, so what frames before it have done need not be undone (rfc9000#5.2-1). No frame is refused for the size of its
        // datagram (rfc9000#8.2.1-4).
        let mut frames = frames(&opened.payload, opened.packet, self.side);
        while let Some(frame) = frames.next() {
            let handled = frame
                .map_err(ConnectionError::Transport)
                .and_then(|frame| self.frame(frame, &from));
            handled.map_err(|error| in_frame(error, frames.frame_type()))?;
            if !self.state.is_open() {
                return Ok(());
            }
        }
        // rfc9000#13.1-1
        let delay = self.config.max_ack_delay;
        let (eliciting, probing) = (frames.ack_eliciting(), frames.probing());
        if let Some(received) = self.spaces.received(space) {
            received.on_packet(opened.number, eliciting, way.arrival.ecn, now, delay);
        }
        self.activity.on_received(now, eliciting);
        self.on_place(opened, path, probing, now)
    }

    fn frame(&mut self, frame: Frame<'_>, from: &From<'_>) -> Result<(), ConnectionError> {
        let is_useful = self.dispatch(frame, from)?;
        if !is_useful {
            let spent = self.glitches.spend(from.now.monotonic);
            spent.map_err(TransportError::from)?;
        }
        Ok(())
    }

    /// What follows from the level of a packet that has opened.
    fn on_level(&mut self, opened: &Opened, now: Duration) {
        match (opened.packet, self.side) {
            (PacketType::Initial, _) => {
                if let Some((_, scid)) = opened.long {
                    self.ids.on_initial(scid);
                }
            }
            (PacketType::Handshake, Side::Server) => {
                // Whoever can write one has received what was sent to his address (RFC 9000 section 8.1).
                self.paths.active.amplification.validate();
                // rfc9001#4.9.1-1
                self.discard(Space::Initial, now);
            }
            (PacketType::Handshake | PacketType::ZeroRtt, _) => {}
            (PacketType::OneRtt, _) => {
                let timeout = self.recovery.probe_timeout();
                if self.updates.on_received(opened.generation, now, timeout) {
                    count_rare(&mut self.stats.key_updates);
                }
            }
        }
    }

    /// Takes up the packets whose keys have come meanwhile, and drops those whose keys never will.
    pub(super) fn release(&mut self, now: Now) -> Result<(), ConnectionError> {
        let settled = self.held.take(|packet| self.spaces.is_settled(packet));
        for HeldPacket { packet, arrival } in settled {
            if self.state.is_open() {
                let path = self.is_from_path(arrival.route);
                self.packet(packet, Way { now, arrival, path })?;
            }
        }
        Ok(())
    }

    /// A packet without frames: all of its datagram. Only a client that has heard nothing yet has a use for one.
    fn on_other(&mut self, bytes: &[u8], now: Now) -> Result<(), ConnectionError> {
        let packet = header::decode(bytes, self.ids.own().len(), QuicBit::Any);
        // rfc9000#6.2-2
        if self.side == Side::Client && !self.ids.has_answer() {
            match packet {
                Ok(Packet::Retry(retry)) => return self.on_retry(&retry, bytes.len(), now),
                Ok(Packet::VersionNegotiation(offer)) => {
                    return self.on_version_negotiation(&offer, bytes.len(), now);
                }
                Ok(Packet::UnknownVersion(..) | Packet::Protected(_)) | Err(_) => {}
            }
        }
        self.dropped(DropReason::Unexpected, None, bytes.len());
        Ok(())
    }

    /// The server wants to see that this client receives at its address (RFC 9000 section 17.2.5).
    fn on_retry(
        &mut self,
        retry: &Retry<'_>,
        size: usize,
        now: Now,
    ) -> Result<(), ConnectionError> {
        // Of the version that it answers (RFC 9369 section 4.1).
        let ours = retry.version == self.versions.original();
        let to_us = ours && retry.dcid == self.ids.own();
        // rfc9000#17.2.5.2-3
        let genuine = to_us && retry_is_genuine(retry, &self.ids.original()).map_err(local)?;
        if !genuine || !self.ids.on_retry(retry.scid) {
            self.dropped(DropReason::Unexpected, None, size);
            return Ok(());
        }
        // rfc9000#8.1.2-1. Nobody hears of it who could use it later (rfc9000#8.1.3-2, rfc9000#8.1.3-6).
        self.token = bytes::Bytes::copy_from_slice(retry.token);
        self.spaces.install_initial(&retry.scid).map_err(local)?;
        // rfc9000#17.2.5.3-1, rfc9000#17.2.5.3-2, rfc9000#17.2.3-1: numbers go on, and the same hello goes out again.
        self.recovery
            .on_retry(now.monotonic, self.settled.get_or_insert_default());
        self.settle();
        Ok(())
    }
}

/// The error of a frame names its type, unless TLS found it.
fn in_frame(error: ConnectionError, frame: u64) -> ConnectionError {
    match error {
        ConnectionError::Transport(error) if error.frame.is_none() => {
            ConnectionError::Transport(error.in_frame(frame))
        }
        other => other,
    }
}
