//! Datagram → [`Protected`] → unmasked → [`Opened`], and [`Draft`] → sealed packet.
//!
//! A datagram is cut into its packets without a copy, each is opened where it lies, and its payload is handed out as a part of the same memory.
//! A packet is written into the output buffer and sealed there.

use bytes::{Buf, BytesMut};
use pith_crypto::aead::TAG_LEN;
use pith_crypto::header_mask::{MASK_LEN, SAMPLE_LEN};
use pith_crypto::{Error, HeaderKey, PacketOpeningKey};

use super::keys::{Opener, Sealer};
use crate::Fault;
use crate::wire::header::{
    self, Discard, Header, KEY_PHASE, Marks, NewHeader, Packet, QuicBit, key_phase, number_size,
    protected_bits,
};
use crate::wire::{
    Builder, ConnectionId, PacketNumber, PacketType, ResetToken, Side, TruncatedNumber, VarInt,
    Version,
};

/// A datagram that is cut into the packets that it holds.
pub(crate) struct Datagram {
    rest: BytesMut,
    id_length: usize,
    quic_bit: QuicBit,
    dcid: Option<ConnectionId>,
    reset_token: Option<ResetToken>,
}

/// A packet of a datagram.
pub(crate) enum Incoming {
    Protected(Protected),
    /// One without frames, which is all of its datagram: Retry, Version Negotiation, or of an unknown version. [`header::decode`] reads it.
    Other(BytesMut),
}

/// A packet as it came.
pub(crate) struct Protected {
    bytes: BytesMut,
    header: Header,
}

/// A packet without its header protection. Nothing that it says is to be trusted yet, and nothing but the key may depend on it.
pub(super) struct Unmasked {
    bytes: BytesMut,
    header: Header,
    first: u8,
    number: TruncatedNumber,
}

/// A packet that the peer sent.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) packet: PacketType,
    /// The version and the source connection id, which short headers do not have.
    pub(crate) long: Option<(Version, ConnectionId)>,
    pub(crate) dcid: ConnectionId,
    pub(crate) number: PacketNumber,
    /// How many key updates of the peer came before it; zero for all but 1-RTT packets.
    pub(crate) generation: u64,
    /// Bytes of the packet in its datagram.
    pub(crate) size: usize,
    pub(crate) payload: BytesMut,
}

/// Why a packet did not open.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It is not the peer's, or not under these keys: to be dropped, and to be counted by [`Forgeries`](super::Forgeries).
    Forged,
    /// It is the peer's, and breaks the protocol.
    Fault(Fault),
    /// Something failed on this side.
    Local(Error),
}

/// A packet that is being written. Frames go into the builder that it was begun in, which keeps room for its tag.
#[derive(Debug)]
pub(crate) struct Draft {
    marks: Marks,
    number: PacketNumber,
}

impl Datagram {
    /// Short headers in it have destination connection ids of `id_length` bytes.
    pub(crate) fn new(bytes: BytesMut, id_length: usize, quic_bit: QuicBit) -> Self {
        let long_enough = bytes.len() >= RESET_LEAST;
        let reset_token = bytes.last_chunk().filter(|_| long_enough).copied();
        Self {
            rest: bytes,
            id_length,
            quic_bit,
            dcid: None,
            reset_token: reset_token.map(ResetToken),
        }
    }

    /// Its last 16 bytes as they came, in case it is a Stateless Reset: opening packets changes them. `None` if it is too short for one
    /// (rfc9000#10.3-3).
    pub(crate) fn reset_token(&self) -> Option<ResetToken> {
        self.reset_token
    }

    /// The next packet. `Err` is the last: where the one after that begins, nobody knows.
    pub(crate) fn next(&mut self) -> Option<Result<Incoming, Discard>> {
        while !self.rest.is_empty() {
            let packet = header::decode(&self.rest, self.id_length, self.quic_bit);
            let header = match packet {
                Ok(Packet::Protected(header)) => header,
                Ok(_) if self.dcid.is_none() => {
                    return Some(Ok(Incoming::Other(core::mem::take(&mut self.rest))));
                }
                // These fill a datagram and never follow another packet.
                Ok(_) => {
                    self.rest.clear();
                    return None;
                }
                Err(discard) => {
                    self.rest.clear();
                    return Some(Err(discard));
                }
            };
            let bytes = if header.end < self.rest.len() {
                self.rest.split_to(header.end)
            } else {
                core::mem::take(&mut self.rest)
            };
            // rfc9000#12.2-3: a packet to somebody else among them is not ours, and says nothing of the next.
            if *self.dcid.get_or_insert(header.dcid) == header.dcid {
                return Some(Ok(Incoming::Protected(Protected { bytes, header })));
            }
        }
        None
    }
}

impl Protected {
    /// What is not protected of its header.
    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// Bytes of the packet in its datagram.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Opens a packet other than 1-RTT. `largest` is the largest number of its space that was opened so far.
    pub(crate) fn open(
        self,
        keys: &Opener,
        largest: Option<PacketNumber>,
        receiver: Side,
    ) -> Result<Opened, Refused> {
        let unmasked = self.unmask(&keys.header)?;
        let number = unmasked.expand(largest)?;
        unmasked.open(&keys.packet, number, receiver)
    }

    pub(super) fn unmask(mut self, key: &HeaderKey) -> Result<Unmasked, Refused> {
        let mask = mask(&self.bytes, self.header.number_at, key)?;
        let first = apply(&mut self.bytes, self.header.number_at, mask, number_size)?;
        let number_at = self.header.number_at;
        let number = self
            .bytes
            .get(number_at..number_at.saturating_add(number_size(first)))
            .and_then(TruncatedNumber::from_bytes)
            .ok_or(Refused::Forged)?;
        Ok(Unmasked {
            bytes: self.bytes,
            header: self.header,
            first,
            number,
        })
    }
}

impl Unmasked {
    /// The whole packet number.
    pub(super) fn expand(&self, largest: Option<PacketNumber>) -> Result<PacketNumber, Refused> {
        self.number.expand(largest).ok_or(Refused::Forged)
    }

    /// The key phase that a 1-RTT packet claims.
    pub(super) fn phase(&self) -> bool {
        key_phase(self.first)
    }

    pub(super) fn open(
        self,
        key: &PacketOpeningKey,
        number: PacketNumber,
        receiver: Side,
    ) -> Result<Opened, Refused> {
        let Self {
            mut bytes,
            header,
            first,
            ..
        } = self;
        let size = bytes.len();
        let payload_at = header.number_at.saturating_add(self.number.size());
        let (aad, body) = bytes
            .split_at_mut_checked(payload_at)
            .ok_or(Refused::Forged)?;
        let length = key
            .open(number.get(), aad, body)
            .map_err(|_| Refused::Forged)?
            .len();
        // Only now: what is judged before tells an attacker what header protection hid (rfc9000#17.2-7, rfc9000#17.3.1-3).
        if first & protected_bits(first).1 != 0 {
            return Err(Refused::Fault(Fault::ReservedBits));
        }
        // rfc9000#17.2.2-1
        if receiver == Side::Client && !header.token.is_empty() {
            return Err(Refused::Fault(Fault::ServerToken));
        }
        bytes.advance(payload_at);
        bytes.truncate(length);
        Ok(Opened {
            packet: header.packet,
            long: header.long,
            dcid: header.dcid,
            number,
            generation: 0,
            size,
            payload: bytes,
        })
    }
}

impl Draft {
    /// Writes a header into `builder` and keeps room there for a tag. The number is as short as `largest_acked` allows. `None`, and
    /// nothing written, if there is no room for a packet, or the number is so far past what was acknowledged that none can be sent.
    pub(crate) fn begin(
        builder: &mut Builder<'_>,
        header: &NewHeader<'_>,
        quic_bit: bool,
        number: PacketNumber,
        largest_acked: Option<PacketNumber>,
    ) -> Option<Self> {
        let truncated = number.truncate(largest_acked)?;
        builder.whole(|b| {
            let marks = b.put_header(header, quic_bit, truncated)?;
            // With the tag there is enough to sample, and a frame at the least.
            let least = SAMPLE_AFTER.saturating_sub(truncated.size()).max(1);
            if b.remaining() < TAG_LEN.saturating_add(least) {
                return None;
            }
            b.keep(TAG_LEN)?;
            Some(Self { marks, number })
        })
    }

    pub(crate) fn number(&self) -> PacketNumber {
        self.number
    }

    /// Whether no frame has been written yet.
    pub(crate) fn is_empty(&self, builder: &Builder<'_>) -> bool {
        builder.len() <= self.marks.payload_at
    }

    /// What has been written of its payload.
    pub(crate) fn payload<'b>(&self, builder: &'b Builder<'_>) -> &'b [u8] {
        let written = builder.written();
        written.get(self.marks.payload_at..).unwrap_or_default()
    }

    /// Adds PADDING if it holds no frame or is too short to be sampled.
    pub(crate) fn pad(&self, builder: &mut Builder<'_>) -> Option<()> {
        let marks = &self.marks;
        // rfc9000#12.4-1
        let least = marks
            .number_at
            .saturating_add(SAMPLE_AFTER)
            .max(marks.payload_at.saturating_add(1));
        builder.pad_to(least)
    }

    /// How many bytes it has once it is sealed, if it needs no more PADDING.
    pub(crate) fn sealed_size(&self, builder: &Builder<'_>) -> usize {
        let written = builder.len().saturating_sub(self.marks.start);
        written.saturating_add(TAG_LEN)
    }

    /// Takes the packet back: nothing of it stays in the builder, and its number has not been used.
    pub(crate) fn cancel(self, builder: &mut Builder<'_>) {
        builder.release(TAG_LEN);
        builder.truncate(self.marks.start);
    }

    /// Seals and masks the packet where it lies, with PADDING if it holds no frame or is too short to be sampled, and says how many bytes it has.
    ///
    /// # Errors
    /// [`Error::Exhausted`] if the key is used up; others are failures on this side. The packet must not be sent then.
    pub(crate) fn seal(self, builder: &mut Builder<'_>, keys: &mut Sealer) -> Result<usize, Error> {
        self.seal_in_phase(builder, keys, false)
    }

    pub(super) fn seal_in_phase(
        self,
        builder: &mut Builder<'_>,
        keys: &mut Sealer,
        phase: bool,
    ) -> Result<usize, Error> {
        self.pad(builder).ok_or(Error::Length)?;
        let marks = self.marks;
        builder.release(TAG_LEN);
        builder.room(TAG_LEN).ok_or(Error::Length)?;
        let length = builder.len().saturating_sub(marks.number_at);
        let bytes = builder.written_mut();
        if let Some(at) = marks.length_at {
            let length = VarInt::try_from(length).map_err(|_| Error::Length)?;
            let field = bytes
                .get_mut(at..)
                .and_then(<[u8]>::first_chunk_mut)
                .ok_or(Error::Length)?;
            *field = length.two_bytes().ok_or(Error::Length)?;
        }
        let packet = bytes.get_mut(marks.start..).ok_or(Error::Length)?;
        if phase {
            *packet.first_mut().ok_or(Error::Length)? |= KEY_PHASE;
        }
        let (aad, body) = packet
            .split_at_mut_checked(marks.payload_at.saturating_sub(marks.start))
            .ok_or(Error::Length)?;
        keys.packet.seal(self.number.get(), aad, body)?;
        let size = number_size(aad.first().copied().ok_or(Error::Length)?);
        let number_at = marks.number_at.saturating_sub(marks.start);
        let internal = |_| Error::Internal("header protection");
        let mask = mask(packet, number_at, keys.header.key()?).map_err(internal)?;
        apply(packet, number_at, mask, |_| size).map_err(internal)?;
        Ok(packet.len())
    }
}

/// Bytes of the smallest Stateless Reset: it looks like the smallest packet with a short header (RFC 9000 section 10.3).
const RESET_LEAST: usize = 21;

/// The sample is taken as if the packet number had four bytes.
const SAMPLE_AFTER: usize = 4;

/// The mask for a packet's header.
fn mask(packet: &[u8], number_at: usize, key: &HeaderKey) -> Result<[u8; MASK_LEN], Refused> {
    let sample = packet
        .get(number_at.saturating_add(SAMPLE_AFTER)..)
        .and_then(<[u8]>::first_chunk::<SAMPLE_LEN>)
        .ok_or(Refused::Forged)?;
    key.mask(sample).map_err(Refused::Local)
}

/// Puts a mask on or takes it off, and returns the first byte. `size` says from that how many bytes the packet number has.
fn apply(
    packet: &mut [u8],
    number_at: usize,
    mask: [u8; MASK_LEN],
    size: impl FnOnce(u8) -> usize,
) -> Result<u8, Refused> {
    let [mask_first, mask_number @ ..] = mask;
    let first = packet.first_mut().ok_or(Refused::Forged)?;
    *first ^= mask_first & protected_bits(*first).0;
    let first = *first;
    let number = packet.get_mut(number_at..).ok_or(Refused::Forged)?;
    let size = size(first);
    // All four bytes in the same steps, however many are the number's (rfc9001#9.5-2). Behind it there is a sample at least.
    for (at, (byte, mask)) in number.iter_mut().zip(mask_number).enumerate() {
        let covers = 0_u8.wrapping_sub(u8::from(at < size));
        *byte ^= mask & covers;
    }
    Ok(first)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
