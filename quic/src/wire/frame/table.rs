//! The table of frame types: where each may stand, who sends it, and what a packet that holds it counts as (RFC 9000 section 12.4).

use super::super::PacketType;

/// What a frame is, whatever the flags in its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Padding,
    Ping,
    Ack,
    ResetStream,
    StopSending,
    Crypto,
    NewToken,
    Stream,
    MaxData,
    MaxStreamData,
    MaxStreams,
    DataBlocked,
    StreamDataBlocked,
    StreamsBlocked,
    NewConnectionId,
    RetireConnectionId,
    PathChallenge,
    PathResponse,
    TransportClose,
    ApplicationClose,
    HandshakeDone,
    Datagram,
}

/// What the RFCs say of one kind of frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) kind: Kind,
    first: u8,
    last: u8,
    packets: &'static [PacketType],
    /// Whether a packet that holds one is to be acknowledged.
    pub(crate) ack_eliciting: bool,
    /// Whether a packet with nothing else only probes a path.
    pub(crate) probing: bool,
    /// Whether clients may not send it.
    pub(crate) only_from_server: bool,
}

impl Row {
    /// The row of a frame type; `None` if the type is unknown.
    pub(crate) fn of(frame_type: u64) -> Option<&'static Self> {
        let frame_type = u8::try_from(frame_type).ok()?;
        TABLE
            .iter()
            .find(|row| (row.first..=row.last).contains(&frame_type))
    }

    /// Every row.
    #[cfg(test)]
    pub(crate) fn all() -> &'static [Self] {
        TABLE
    }

    /// The types that are of this kind.
    #[cfg(test)]
    pub(crate) fn types(&self) -> impl Iterator<Item = u64> {
        (self.first..=self.last).map(u64::from)
    }

    /// Whether it may stand in packets of this type.
    pub(crate) fn is_legal_in(&self, packet: PacketType) -> bool {
        self.packets.contains(&packet)
    }
}

use PacketType::{Handshake, Initial, OneRtt, ZeroRtt};

const EVERYWHERE: &[PacketType] = &[Initial, Handshake, ZeroRtt, OneRtt];
const NOT_EARLY: &[PacketType] = &[Initial, Handshake, OneRtt];
const APPLICATION: &[PacketType] = &[ZeroRtt, OneRtt];
const ONE_RTT: &[PacketType] = &[OneRtt];

/// What the last column marks, as in the RFC's table: `N`, not ack-eliciting; `P`, probing; and `S`, sent by servers alone.
#[rustfmt::skip]
const TABLE: &[Row] = &[
    // rfc9000#12.5-1, rfc9000#12.5-2, rfc9001#8.3-2, rfc9221#5-1
    row(Kind::Padding,            0x00, 0x00, EVERYWHERE,  "NP"),
    row(Kind::Ping,               0x01, 0x01, EVERYWHERE,  ""),
    row(Kind::Ack,                0x02, 0x03, NOT_EARLY,   "N"),
    row(Kind::ResetStream,        0x04, 0x04, APPLICATION, ""),
    row(Kind::StopSending,        0x05, 0x05, APPLICATION, ""),
    row(Kind::Crypto,             0x06, 0x06, NOT_EARLY,   ""),
    row(Kind::NewToken,           0x07, 0x07, ONE_RTT,     "S"),
    row(Kind::Stream,             0x08, 0x0f, APPLICATION, ""),
    row(Kind::MaxData,            0x10, 0x10, APPLICATION, ""),
    row(Kind::MaxStreamData,      0x11, 0x11, APPLICATION, ""),
    row(Kind::MaxStreams,         0x12, 0x13, APPLICATION, ""),
    row(Kind::DataBlocked,        0x14, 0x14, APPLICATION, ""),
    row(Kind::StreamDataBlocked,  0x15, 0x15, APPLICATION, ""),
    row(Kind::StreamsBlocked,     0x16, 0x17, APPLICATION, ""),
    row(Kind::NewConnectionId,    0x18, 0x18, APPLICATION, "P"),
    // The RFC's table allows it in 0-RTT packets, its section 12.5 does not; a client has no second id of the server to retire then.
    row(Kind::RetireConnectionId, 0x19, 0x19, ONE_RTT,     ""),
    row(Kind::PathChallenge,      0x1a, 0x1a, APPLICATION, "P"),
    row(Kind::PathResponse,       0x1b, 0x1b, ONE_RTT,     "P"),
    row(Kind::TransportClose,     0x1c, 0x1c, EVERYWHERE,  "N"),
    row(Kind::ApplicationClose,   0x1d, 0x1d, APPLICATION, "N"),
    row(Kind::HandshakeDone,      0x1e, 0x1e, ONE_RTT,     "S"),
    row(Kind::Datagram,           0x30, 0x31, APPLICATION, ""),
];

const fn row(kind: Kind, first: u8, last: u8, packets: &'static [PacketType], marks: &str) -> Row {
    Row {
        kind,
        first,
        last,
        packets,
        ack_eliciting: !marked(marks, b'N'),
        probing: marked(marks, b'P'),
        only_from_server: marked(marks, b'S'),
    }
}

const fn marked(marks: &str, mark: u8) -> bool {
    let mut left = marks.as_bytes();
    while let [first, rest @ ..] = left {
        if *first == mark {
            return true;
        }
        left = rest;
    }
    false
}
