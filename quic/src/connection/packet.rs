//! One packet: its header, the frames that its owners write, its seal (RFC 9000 section 12, RFC 9001 section 5).
//!
//! Who writes what, and in which order, is one list ([`Connection::write_frames`]). A packet in which nobody wrote anything is taken back, and
//! its number with it.

use core::time::Duration;

use pith_crypto::aead::TAG_LEN;

use super::parameters::ACK_DELAY_EXPONENT;
use super::state::State;
use super::stats::{count, count_rare};
use super::{Connection, local};
use crate::error::{ConnectionError, TransportError};
use crate::limits;
use crate::protect::Draft;
use crate::recovery::{Ecn, PathId, SentPacket, Tokens};
use crate::streams::Clock;
use crate::wire::header::NewHeader;
use crate::wire::version::LongType;
use crate::wire::{Builder, PacketType, Side, Space};

/// What may be written to a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permit {
    All,
    Acks,
}

/// A packet that is being written.
pub(super) struct Packet {
    pub(super) space: Space,
    pub(super) packet_type: PacketType,
    path: PathId,
    pub(super) draft: Draft,
    pub(super) tokens: Tokens,
    pub(super) eliciting: bool,
    /// Whether it is longer than what the path is known to carry.
    pub(super) mtu_probe: bool,
    start: usize,
}

/// A datagram that is being written.
pub(super) struct Room<'a> {
    pub(super) builder: Builder<'a>,
    pub(super) now: Duration,
    pub(super) ecn: Ecn,
    /// Whether it can be as long as every path carries.
    pub(super) whole: bool,
    /// Whether it has to be as long as every path carries.
    pub(super) expand: bool,
}

impl Connection {
    /// The header of a packet on the path in use.
    pub(super) fn begin(
        &mut self,
        space: Space,
        builder: &mut Builder<'_>,
        now: Duration,
    ) -> Result<Option<Packet>, ConnectionError> {
        self.begin_on(self.paths.active.id, space, builder, now)
    }

    /// The header of a packet on any path; none without an id of the peer for it. A token is the client's alone, for a server holds none (rfc9000#8.1.3-1, rfc9000#17.2.2-1), and the spin bit is never set
    /// (rfc9000#17.4-1).
    pub(super) fn begin_on(
        &mut self,
        path: PathId,
        space: Space,
        builder: &mut Builder<'_>,
        now: Duration,
    ) -> Result<Option<Packet>, ConnectionError> {
        let number = self.paths.get_mut(path).and_then(|path| path.remote);
        let Some(dcid) = self.dcid(number) else {
            return Ok(None);
        };
        let Some(packet_type) = self.spaces.sends(space) else {
            return Ok(None);
        };
        if packet_type == PacketType::OneRtt {
            self.update_if_due(now)?;
        }
        let random = &mut self.random;
        let draw = || random.bytes().map(u64::from_be_bytes).unwrap_or_default();
        let Some(number) = self.recovery.next_number(space, draw) else {
            // rfc9000#12.3-3
            let error = TransportError::internal("all packet numbers are used");
            self.give_up(error.into());
            return Ok(None);
        };
        let quic_bit = self.quic_bit(packet_type);
        let header = match LongType::of(packet_type) {
            Some(long_type) => NewHeader::Long {
                long_type,
                version: self.versions.of(packet_type),
                dcid,
                scid: self.ids.own(),
                token: &self.token,
            },
            None => NewHeader::Short { dcid, spin: false },
        };
        let start = builder.len();
        let largest_acked = self.recovery.largest_acked(space);
        let draft = Draft::begin(builder, &header, quic_bit, number, largest_acked);
        Ok(draft.map(|draft| Packet {
            space,
            packet_type,
            path,
            draft,
            tokens: Tokens::default(),
            eliciting: false,
            mtu_probe: false,
            start,
        }))
    }

    /// The second bit of a packet is set, or is anything to a peer that has said so on this connection (rfc9287#3.1-1,
    /// rfc9287#3.1-2, rfc9287#3.1-3, rfc9287#3.1-4).
    fn quic_bit(&mut self, packet: PacketType) -> bool {
        let may_clear = packet == PacketType::OneRtt
            && self.peer.as_ref().is_some_and(|peer| peer.grease_quic_bit);
        !may_clear || self.random.byte().unwrap_or(1) & 1 != 0
    }

    /// Writes frames: ACK first, then whatever the permit allows, and a PING if a probe has nothing else.
    pub(super) fn fill(&mut self, packet: &mut Packet, permit: Permit, room: &mut Room<'_>) {
        let space = packet.space;
        let all = permit == Permit::All;
        let (builder, now) = (&mut room.builder, room.now);
        let acknowledges = self.may_acknowledge(space);
        let received = self.spaces.received(space).filter(|_| acknowledges);
        if let Some(received) = received {
            if received.is_due(now) || all && received.is_wanted() {
                if all && space == Space::Application && received.wants_ping() {
                    self.signals.owe_ping();
                }
                // rfc9000#13.2.6-1, rfc9000#13.2.6-2, rfc9000#17.2.3-3
                received.write(builder, &mut packet.tokens, now, ACK_DELAY_EXPONENT, all);
            }
        }
        let before = builder.len();
        if all {
            self.write_frames(packet.packet_type, room, &mut packet.tokens);
            let builder = &mut room.builder;
            if builder.len() == before && self.recovery.probes_owed(space) > 0 {
                // rfc9002#6.2.4-2, rfc9000#8.1-5
                let _full = builder.put_ping();
            }
        }
        packet.eliciting = room.builder.len() > before;
        let initial = packet.packet_type == PacketType::Initial;
        // rfc9000#8.1-3, rfc9000#14-1, rfc9000#14.1-1, rfc9000#14.1-2, rfc9001#9.3-1
        room.expand |= initial && (self.side == Side::Client || packet.eliciting);
    }

    /// The owners of frames, in the order in which they write.
    fn write_frames(&mut self, packet: PacketType, room: &mut Room<'_>, tokens: &mut Tokens) {
        let (builder, now) = (&mut room.builder, room.now);
        let clock = Clock {
            now,
            rtt: self.recovery.path().rtt().smoothed(),
        };
        if packet != PacketType::ZeroRtt {
            self.crypto.write(packet.space(), builder, tokens);
        }
        if packet == PacketType::OneRtt {
            let (path, timeout) = (&mut self.paths.active, self.recovery.probe_timeout());
            let probes = path.write(builder, tokens, room.whole, now, timeout);
            // rfc9000#8.2.1-2, rfc9000#8.2.2-2, rfc9000#8.2.2-5, rfc9000#8.2.2-6
            room.expand |= probes && room.whole;
            self.signals.write(builder, tokens);
            self.ids.remote.write(builder, tokens);
            self.ids.local.write(builder, tokens);
        }
        if packet.space() == Space::Application && self.may_send_streams() {
            self.streams.write_control(builder, tokens, clock);
            if self.datagrams.wants_data() {
                let largest = self.datagram_room();
                self.datagrams.write(builder, tokens, largest);
            }
            self.streams.write_data(builder, tokens);
        }
    }

    /// Seals a packet and tells recovery of it. False if there was nothing in it.
    pub(super) fn seal(
        &mut self,
        packet: Packet,
        room: &mut Room<'_>,
    ) -> Result<bool, ConnectionError> {
        if !packet.draft.is_empty(&room.builder) {
            self.watch_sent(&packet, room);
        }
        let Packet {
            space,
            packet_type,
            path,
            draft,
            tokens,
            eliciting,
            mtu_probe,
            start,
        } = packet;
        if draft.is_empty(&room.builder) {
            draft.cancel(&mut room.builder);
            return Ok(false);
        }
        let number = draft.number();
        self.spaces
            .seal(draft, packet_type, &mut room.builder)
            .map_err(local)?;
        count(&mut self.stats.packets_sent);
        if eliciting {
            self.activity.on_sent(room.now);
        }
        let size = room.builder.len().saturating_sub(start);
        let packet = SentPacket {
            number,
            sent_at: room.now,
            size: u16::try_from(size).unwrap_or(u16::MAX),
            path,
            ack_eliciting: eliciting,
            // PADDING counts, ACK and CONNECTION_CLOSE frames do not.
            in_flight: eliciting || room.expand,
            ect0: room.ecn == Ecn::Ect0,
            mtu_probe,
            tokens,
        };
        self.recovery.on_sent(space, packet);
        Ok(true)
    }

    /// Updates the sending keys if it is time to (rfc9001#5.3-3, rfc9001#6.6-3). A key that can be used no more and not be updated ends the connection.
    fn update_if_due(&mut self, now: Duration) -> Result<(), ConnectionError> {
        let confirmed = self.state == State::Confirmed;
        let one_rtt = &mut self.spaces.one_rtt;
        let (worn, urgent) = (one_rtt.wants_update(), one_rtt.is_nearly_used_up());
        let due = self.updates.is_due(worn, urgent, now);
        if due && one_rtt.update(confirmed).map_err(local)? {
            self.updates.on_update();
            count_rare(&mut self.stats.key_updates);
        }
        // rfc9001#6.6-4
        if self.state.is_open() && one_rtt.is_nearly_used_up() {
            return Err(TransportError::from(pith_crypto::Error::Exhausted).into());
        }
        Ok(())
    }
}

impl<'a> Room<'a> {
    pub(super) fn new(buffer: &'a mut [u8], now: Duration, ecn: Ecn) -> Self {
        Self {
            whole: buffer.len() >= limits::DATAGRAM,
            builder: Builder::new(buffer),
            now,
            ecn,
            expand: false,
        }
    }

    /// Fills the open packet with PADDING, so that the datagram is as long as every path carries.
    pub(super) fn expand(&mut self) -> Result<(), ConnectionError> {
        let least = limits::DATAGRAM.saturating_sub(TAG_LEN);
        let padded = self.builder.pad_to(least);
        padded.ok_or_else(|| local(pith_crypto::Error::Length))
    }
}

#[cfg(test)]
impl Connection {
    /// A datagram with one packet of this payload, expanded if it is an Initial packet: what a peer could send that does not keep to the rules.
    pub(super) fn forge(&mut self, space: Space, payload: &[u8], now: Duration) -> Vec<u8> {
        self.forge_as(space, payload, space == Space::Initial, now)
    }

    /// The same, expanded or not.
    pub(super) fn forge_as(
        &mut self,
        space: Space,
        payload: &[u8],
        expand: bool,
        now: Duration,
    ) -> Vec<u8> {
        let mut buffer = vec![0; 1500];
        let mut room = Room {
            builder: Builder::new(&mut buffer),
            now,
            ecn: Ecn::NotEct,
            whole: true,
            expand,
        };
        let packet = self.begin(space, &mut room.builder, now).unwrap().unwrap();
        room.builder.put(payload).unwrap();
        if room.expand {
            room.expand().unwrap();
        }
        let number = packet.draft.number();
        let (draft, packet_type) = (packet.draft, packet.packet_type);
        self.spaces
            .seal(draft, packet_type, &mut room.builder)
            .unwrap();
        let packet = SentPacket {
            number,
            sent_at: now,
            path: self.paths.active.id,
            ..SentPacket::default()
        };
        self.recovery.on_sent(space, packet);
        let length = room.builder.len();
        buffer.truncate(length);
        buffer
    }
}
