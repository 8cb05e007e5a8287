//! Owners → packets → datagrams (RFC 9000 sections 12.2 and 14).
//!
//! A datagram takes one packet of each space that has something to say, and a batch takes datagrams of one size. Who writes what, and in which order, is
//! one list ([`Connection::write_frames`]). What may be written depends on what stands open: everything, or ACK frames alone where the window or the
//! pace holds the rest back.

use core::time::Duration;

use pith_crypto::aead::TAG_LEN;
use pith_tls::Now;

use super::parameters::ACK_DELAY_EXPONENT;
use super::state::State;
use super::stats::count;
use super::{Connection, local};
use crate::error::{ConnectionError, TransportError};
use crate::limits;
use crate::path::Route;
use crate::protect::Draft;
use crate::recovery::{Ecn, Gate, SentPacket, Tokens};
use crate::streams::Clock;
use crate::wire::header::NewHeader;
use crate::wire::version::LongType;
use crate::wire::{Builder, PacketType, PerSpace, Side, Space};

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

/// What may be written to a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Permit {
    All,
    Acks,
}

/// A packet that is being written.
struct Packet {
    space: Space,
    packet_type: PacketType,
    draft: Draft,
    tokens: Tokens,
    eliciting: bool,
    start: usize,
}

/// A datagram that is being written.
struct Room<'a> {
    builder: Builder<'a>,
    now: Duration,
    ecn: Ecn,
    /// Whether it has to be as long as every path carries.
    expand: bool,
}

impl Connection {
    /// Writes what is to be sent into `buffer`, one datagram or several of the same size. `None` if there is nothing, or not before
    /// [`deadline`](Connection::deadline). To be called until it returns `None`, with a buffer of at least [`limits::DATAGRAM`] bytes.
    pub fn transmit(&mut self, now: Now, buffer: &mut [u8]) -> Option<Transmit> {
        let now = now.monotonic;
        self.paced = None;
        let mut batch: Option<Transmit> = None;
        let mut count = 0;
        while count < limits::BATCH {
            let before = batch.map_or(0, |batch| batch.length);
            let most = batch.map_or_else(|| self.path.mtu.into(), |batch| batch.segment);
            let room = buffer.get_mut(before..before.checked_add(most)?);
            let ecn = self.marks(now);
            if batch.is_some_and(|batch| batch.ecn != ecn) {
                break;
            }
            let Some(length) = room.and_then(|room| self.datagram(room, now, ecn)) else {
                break;
            };
            self.on_datagram_sent(length);
            count = count.saturating_add(1);
            let length_before = before.saturating_add(length);
            let segment = batch.map_or(length, |batch| batch.segment);
            batch = Some(Transmit {
                route: self.path.route,
                ecn,
                segment,
                length: length_before,
            });
            if length < most {
                break;
            }
        }
        if batch.is_some() {
            self.update_blocked(now);
        }
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

    /// Whether the peer's address may be sent a whole datagram (rfc9000#8-1, rfc9000#8.1-1), whatever is in it (rfc9000#10.2.1-1, rfc9000#10.2.1-2).
    pub(super) fn can_send(&self) -> bool {
        self.path.amplification.allowance() >= u64::from(self.path.mtu)
    }

    /// Bytes of the largest frame that a 1-RTT packet holds which holds nothing else.
    pub(super) fn datagram_room(&self) -> usize {
        let overhead = self
            .ids
            .remote
            .current()
            .len()
            .saturating_add(SHORT_OVERHEAD);
        usize::from(self.path.mtu).saturating_sub(overhead)
    }

    fn marks(&self, now: Duration) -> Ecn {
        if self.state.is_open() && self.recovery.marks_ecn(now) {
            Ecn::Ect0
        } else {
            Ecn::NotEct
        }
    }

    fn on_datagram_sent(&mut self, length: usize) {
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        self.path.amplification.on_sent(length);
        count(&mut self.stats.datagrams_sent);
        self.stats.bytes_sent = self.stats.bytes_sent.saturating_add(length);
    }

    /// Tells recovery whether this side waits for the peer's bytes before it can send.
    pub(super) fn update_blocked(&mut self, now: Duration) {
        if !self.path.amplification.is_validated() || self.blocked {
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
            let Some(packet) = self.begin(space, &mut room.builder, room.now)? else {
                continue;
            };
            let packet = self.fill(packet, permit, &mut room);
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
        let application = space == Space::Application
            && (self.wants_signals()
                || received.is_some_and(|received| received.is_due(now) && received.wants_ping())
                || self.path.responses.is_pending()
                || self.ids.local.is_pending()
                || self.ids.remote.is_pending()
                || self.wants_streams());
        application || self.crypto.is_pending(space) || self.recovery.probes_owed(space) > 0
    }

    fn wants_signals(&self) -> bool {
        self.signals.is_pending() && self.spaces.one_rtt.can_send()
    }

    fn wants_streams(&self) -> bool {
        self.may_send_streams()
            && (self.streams.wants_control()
                || self.streams.wants_data()
                || self.datagrams.wants_data())
    }

    /// Before the handshake is complete a server does not know whom it talks to: it sends only where no client need show who it is.
    fn may_send_streams(&self) -> bool {
        self.peer.is_some() && (self.half_rtt || self.state.is_established())
    }

    /// The header of a packet. A token is the client's alone, for a server holds none (rfc9000#8.1.3-1, rfc9000#17.2.2-1), and the spin bit is never set
    /// (rfc9000#17.4-1).
    fn begin(
        &mut self,
        space: Space,
        builder: &mut Builder<'_>,
        now: Duration,
    ) -> Result<Option<Packet>, ConnectionError> {
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
        let dcid = self.ids.remote.current();
        let long = |long_type| NewHeader::Long {
            long_type,
            version: self.version,
            dcid,
            scid: self.ids.own(),
            token: &self.token,
        };
        let header = match packet_type {
            PacketType::Initial => long(LongType::Initial),
            PacketType::ZeroRtt => long(LongType::ZeroRtt),
            PacketType::Handshake => long(LongType::Handshake),
            PacketType::OneRtt => NewHeader::Short { dcid, spin: false },
        };
        let start = builder.len();
        let largest_acked = self.recovery.largest_acked(space);
        let draft = Draft::begin(builder, &header, quic_bit, number, largest_acked);
        Ok(draft.map(|draft| Packet {
            space,
            packet_type,
            draft,
            tokens: Tokens::default(),
            eliciting: false,
            start,
        }))
    }

    /// The second bit of a packet is set, or is anything to a peer that has said so on this connection (rfc9287#3.1-2, rfc9287#3.1-3, rfc9287#3.1-4).
    fn quic_bit(&mut self, packet: PacketType) -> bool {
        let may_clear = packet == PacketType::OneRtt
            && self.peer.as_ref().is_some_and(|peer| peer.grease_quic_bit);
        let [random] = if may_clear {
            self.random.bytes().unwrap_or([1])
        } else {
            [1]
        };
        random & 1 != 0
    }

    /// Writes frames: ACK first, then whatever the permit allows, and a PING if a probe has nothing else.
    fn fill(&mut self, mut packet: Packet, permit: Permit, room: &mut Room<'_>) -> Packet {
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
                received.write(builder, &mut packet.tokens, now, ACK_DELAY_EXPONENT, all);
            }
        }
        let before = builder.len();
        if all {
            self.write_frames(
                packet.packet_type,
                builder,
                &mut packet.tokens,
                now,
                &mut room.expand,
            );
            if builder.len() == before && self.recovery.probes_owed(space) > 0 {
                // rfc9002#6.2.4-2, rfc9000#8.1-5
                let _full = builder.put_ping();
            }
        }
        packet.eliciting = builder.len() > before;
        let initial = packet.packet_type == PacketType::Initial;
        // rfc9000#8.1-3, rfc9000#14.1-1, rfc9000#14.1-2, rfc9001#9.3-1
        room.expand |= initial && (self.side == Side::Client || packet.eliciting);
        packet
    }

    /// The owners of frames, in the order in which they write.
    fn write_frames(
        &mut self,
        packet: PacketType,
        builder: &mut Builder<'_>,
        tokens: &mut Tokens,
        now: Duration,
        expand: &mut bool,
    ) {
        let clock = Clock {
            now,
            rtt: self.recovery.path().rtt().smoothed(),
        };
        if packet != PacketType::ZeroRtt {
            self.crypto.write(packet.space(), builder, tokens);
        }
        if packet == PacketType::OneRtt {
            // rfc9000#8.2.2-2, rfc9000#8.2.2-5
            *expand |= self.path.responses.write(builder, tokens);
            self.signals.write(builder, tokens);
            self.ids.remote.write(builder, tokens);
            self.ids.local.write(builder, tokens);
        }
        if packet.space() == Space::Application && self.may_send_streams() {
            let largest = self.datagram_room();
            self.streams.write_control(builder, tokens, clock);
            self.datagrams.write(builder, tokens, largest);
            self.streams.write_data(builder, tokens);
        }
    }

    /// Seals a packet and tells recovery of it. False if there was nothing in it.
    fn seal(&mut self, packet: Packet, room: &mut Room<'_>) -> Result<bool, ConnectionError> {
        let Packet {
            space,
            packet_type,
            draft,
            tokens,
            eliciting,
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
            path: self.path.id,
            ack_eliciting: eliciting,
            // PADDING counts, ACK and CONNECTION_CLOSE frames do not.
            in_flight: eliciting || room.expand,
            ect0: room.ecn == Ecn::Ect0,
            mtu_probe: false,
            tokens,
        };
        self.recovery.on_sent(space, packet);
        Ok(true)
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

    /// Updates the sending keys if it is time to (rfc9001#5.3-3, rfc9001#6.6-3). A key that can be used no more and not be updated ends the connection.
    fn update_if_due(&mut self, now: Duration) -> Result<(), ConnectionError> {
        let confirmed = self.state == State::Confirmed;
        let one_rtt = &mut self.spaces.one_rtt;
        let (worn, urgent) = (one_rtt.wants_update(), one_rtt.is_nearly_used_up());
        let due = self.updates.is_due(worn, urgent, now);
        if due && one_rtt.update(confirmed).map_err(local)? {
            self.updates.on_update();
            count(&mut self.stats.key_updates);
        }
        // rfc9001#6.6-4
        if self.state.is_open() && one_rtt.is_nearly_used_up() {
            return Err(TransportError::from(pith_crypto::Error::Exhausted).into());
        }
        Ok(())
    }
}

impl<'a> Room<'a> {
    fn new(buffer: &'a mut [u8], now: Duration, ecn: Ecn) -> Self {
        Self {
            builder: Builder::new(buffer),
            now,
            ecn,
            expand: false,
        }
    }

    /// Fills the open packet with PADDING, so that the datagram is as long as every path carries.
    fn expand(&mut self) -> Result<(), ConnectionError> {
        let least = limits::DATAGRAM.saturating_sub(TAG_LEN);
        let padded = self.builder.pad_to(least);
        padded.ok_or_else(|| local(pith_crypto::Error::Length))
    }
}

/// Bytes of a 1-RTT packet beside its frames and its connection id: the first, those of the longest packet number, the tag.
const SHORT_OVERHEAD: usize = 1 + 4 + TAG_LEN;

/// Bytes of room below which no other packet is begun in a datagram.
const LEAST_ROOM: usize = 128;

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
            path: self.path.id,
            ..SentPacket::default()
        };
        self.recovery.on_sent(space, packet);
        let length = room.builder.len();
        buffer.truncate(length);
        buffer
    }
}
