//! Frames (RFC 9000 section 19, RFC 9221).
//!
//! [`Frames`] walks over the payload of a packet and yields borrowed frames; it ends at the first fault. A frame that it yields has a legal type for
//! its packet and its sender, and holds only values that the RFCs allow. What that depends on state (limits, stream states, negotiated extensions)
//! is its owner's to check. The encoders are methods of [`Builder`](super::Builder).

mod ack;
mod decode;
mod encode;
mod table;

use super::{ConnectionId, Dir, PacketType, ResetToken, Side, StreamId, VarInt};
use crate::error::TransportError;

pub(crate) use ack::{Ack, AckRanges, EcnCounts};
pub(crate) use decode::Frames;
pub(crate) use encode::datagram_size;
pub(crate) use table::{Kind, Row};

/// A frame, decoded. Data is a part of the packet's payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// A run of PADDING frames.
    Padding,
    Ping,
    Ack(Ack<'a>),
    ResetStream(ResetStream),
    StopSending(StopSending),
    Crypto(Crypto<'a>),
    /// A token, not empty.
    NewToken(&'a [u8]),
    Stream(Stream<'a>),
    MaxData(VarInt),
    MaxStreamData(StreamLimit),
    MaxStreams(StreamCount),
    DataBlocked(VarInt),
    StreamDataBlocked(StreamLimit),
    StreamsBlocked(StreamCount),
    NewConnectionId(NewConnectionId),
    /// A sequence number.
    RetireConnectionId(VarInt),
    PathChallenge([u8; 8]),
    PathResponse([u8; 8]),
    ConnectionClose(Close<'a>),
    HandshakeDone,
    Datagram(Datagram<'a>),
}

/// The sender gives a stream up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ResetStream {
    pub(crate) id: StreamId,
    pub(crate) code: VarInt,
    pub(crate) final_size: VarInt,
}

/// The receiver asks for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StopSending {
    pub(crate) id: StreamId,
    pub(crate) code: VarInt,
}

/// Bytes of the handshake. `offset` and the length together are below 2^62.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Crypto<'a> {
    pub(crate) offset: VarInt,
    pub(crate) data: &'a [u8],
}

/// Bytes of a stream. `offset` and the length together are below 2^62.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stream<'a> {
    pub(crate) id: StreamId,
    pub(crate) offset: VarInt,
    pub(crate) data: &'a [u8],
    pub(crate) fin: bool,
}

/// Bytes that are sent once (RFC 9221).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Datagram<'a> {
    pub(crate) data: &'a [u8],
    /// The size of the frame as it came, type and length included: what max_datagram_frame_size is about.
    pub(crate) frame: usize,
}

/// A limit in bytes of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamLimit {
    pub(crate) id: StreamId,
    pub(crate) limit: VarInt,
}

/// A number of streams, at most 2^60.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamCount {
    pub(crate) dir: Dir,
    pub(crate) count: VarInt,
}

/// A connection id, not empty, that the peer may be addressed by. `retire_prior_to` is not above `sequence`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NewConnectionId {
    pub(crate) sequence: VarInt,
    pub(crate) retire_prior_to: VarInt,
    pub(crate) id: ConnectionId,
    pub(crate) reset_token: ResetToken,
}

/// Why the peer closes the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Close<'a> {
    Transport {
        code: VarInt,
        /// Zero where the peer named none.
        frame: VarInt,
        reason: &'a [u8],
    },
    Application {
        code: VarInt,
        reason: &'a [u8],
    },
}

/// The frames of a packet's payload, as they came to `receiver` in a packet of type `packet`.
pub(crate) fn frames(payload: &[u8], packet: PacketType, receiver: Side) -> Frames<'_> {
    Frames::new(payload, packet, receiver)
}

/// The error and the frame type that it came from.
fn fault_in(fault: crate::Fault, frame: u64) -> TransportError {
    TransportError::from(fault).in_frame(frame)
}

#[cfg(test)]
pub(crate) mod tests;
