//! The frames of a packet as an observer sees them: read from its payload when somebody asks, with their numbers and lengths and without their data.

use core::fmt;
use core::ops::RangeInclusive;
use core::time::Duration;

use crate::recovery::decoded_delay;
use crate::wire::frame::{self, Close};
use crate::wire::{ConnectionId, Dir, PacketType, Side, StreamId};

/// The frames of a packet, up to the first that is none.
#[derive(Clone, Copy)]
pub struct Frames<'a> {
    pub(crate) payload: &'a [u8],
    pub(crate) packet: PacketType,
    pub(crate) receiver: Side,
    /// Of the sender's ACK frames.
    pub(crate) ack_delay_exponent: u8,
}

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields have the names of RFC 9000 section 19")]
pub enum Frame<'a> {
    /// So many PADDING frames in a row.
    Padding {
        length: usize,
    },
    Ping,
    #[non_exhaustive]
    Ack {
        delay: Duration,
        ranges: AckRanges<'a>,
        /// Counts of ECT(0), ECT(1) and ECN-CE.
        ecn: Option<[u64; 3]>,
    },
    ResetStream {
        stream: StreamId,
        code: u64,
        final_size: u64,
    },
    StopSending {
        stream: StreamId,
        code: u64,
    },
    Crypto {
        offset: u64,
        length: usize,
    },
    /// With a token of so many bytes.
    NewToken {
        length: usize,
    },
    Stream {
        stream: StreamId,
        offset: u64,
        length: usize,
        fin: bool,
    },
    MaxData {
        maximum: u64,
    },
    MaxStreamData {
        stream: StreamId,
        maximum: u64,
    },
    MaxStreams {
        dir: Dir,
        maximum: u64,
    },
    DataBlocked {
        limit: u64,
    },
    StreamDataBlocked {
        stream: StreamId,
        limit: u64,
    },
    StreamsBlocked {
        dir: Dir,
        limit: u64,
    },
    NewConnectionId {
        sequence: u64,
        retire_prior_to: u64,
        id: ConnectionId,
    },
    RetireConnectionId {
        sequence: u64,
    },
    PathChallenge,
    PathResponse,
    #[non_exhaustive]
    ConnectionClose {
        /// Whether an application closes.
        application: bool,
        code: u64,
        /// The type of the frame that caused it, if one did.
        frame: Option<u64>,
    },
    HandshakeDone,
    Datagram {
        length: usize,
    },
}

/// What an ACK frame acknowledges, from the largest number down.
#[derive(Clone)]
pub struct AckRanges<'a>(frame::AckRanges<'a>);

impl<'a> Frames<'a> {
    /// The frames.
    pub fn iter(&self) -> impl Iterator<Item = Frame<'a>> + use<'a> {
        let exponent = self.ack_delay_exponent;
        let mut frames = frame::frames(self.payload, self.packet, self.receiver);
        core::iter::from_fn(move || {
            let before = frames.remaining();
            let frame = frames.next()?.ok()?;
            let length = before.saturating_sub(frames.remaining());
            Some(Frame::of(frame, length, exponent))
        })
    }
}

impl<'a> Frame<'a> {
    /// `length` is that of the frame. One arm for each type of frame, as the registry has them.
    fn of(frame: frame::Frame<'a>, length: usize, exponent: u8) -> Self {
        match frame {
            frame::Frame::Padding => Self::Padding { length },
            frame::Frame::Ping => Self::Ping,
            frame::Frame::Ack(ack) => Self::Ack {
                delay: decoded_delay(ack.delay, exponent),
                ranges: AckRanges(ack.ranges()),
                ecn: ack
                    .ecn
                    .map(|ecn| [ecn.ect0.get(), ecn.ect1.get(), ecn.ce.get()]),
            },
            frame::Frame::ResetStream(reset) => Self::ResetStream {
                stream: reset.id,
                code: reset.code.get(),
                final_size: reset.final_size.get(),
            },
            frame::Frame::StopSending(stop) => Self::StopSending {
                stream: stop.id,
                code: stop.code.get(),
            },
            frame::Frame::Crypto(crypto) => Self::Crypto {
                offset: crypto.offset.get(),
                length: crypto.data.len(),
            },
            frame::Frame::NewToken(token) => Self::NewToken {
                length: token.len(),
            },
            frame::Frame::Stream(stream) => Self::Stream {
                stream: stream.id,
                offset: stream.offset.get(),
                length: stream.data.len(),
                fin: stream.fin,
            },
            frame::Frame::MaxData(maximum) => Self::MaxData {
                maximum: maximum.get(),
            },
            frame::Frame::MaxStreamData(limit) => Self::MaxStreamData {
                stream: limit.id,
                maximum: limit.limit.get(),
            },
            frame::Frame::MaxStreams(count) => Self::MaxStreams {
                dir: count.dir,
                maximum: count.count.get(),
            },
            frame::Frame::DataBlocked(limit) => Self::DataBlocked { limit: limit.get() },
            frame::Frame::StreamDataBlocked(limit) => Self::StreamDataBlocked {
                stream: limit.id,
                limit: limit.limit.get(),
            },
            frame::Frame::StreamsBlocked(count) => Self::StreamsBlocked {
                dir: count.dir,
                limit: count.count.get(),
            },
            frame::Frame::NewConnectionId(new) => Self::NewConnectionId {
                sequence: new.sequence.get(),
                retire_prior_to: new.retire_prior_to.get(),
                id: new.id,
            },
            frame::Frame::RetireConnectionId(sequence) => Self::RetireConnectionId {
                sequence: sequence.get(),
            },
            frame::Frame::PathChallenge(_) => Self::PathChallenge,
            frame::Frame::PathResponse(_) => Self::PathResponse,
            frame::Frame::ConnectionClose(close) => {
                let (application, code, frame) = match close {
                    Close::Transport { code, frame, .. } => (false, code, frame.get()),
                    Close::Application { code, .. } => (true, code, 0),
                };
                Self::ConnectionClose {
                    application,
                    code: code.get(),
                    frame: Some(frame).filter(|frame| *frame != 0),
                }
            }
            frame::Frame::HandshakeDone => Self::HandshakeDone,
            frame::Frame::Datagram(datagram) => Self::Datagram {
                length: datagram.data.len(),
            },
        }
    }

    /// The frame's name in RFC 9000, in small letters.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Padding { .. } => "padding",
            Self::Ping => "ping",
            Self::Ack { .. } => "ack",
            Self::ResetStream { .. } => "reset_stream",
            Self::StopSending { .. } => "stop_sending",
            Self::Crypto { .. } => "crypto",
            Self::NewToken { .. } => "new_token",
            Self::Stream { .. } => "stream",
            Self::MaxData { .. } => "max_data",
            Self::MaxStreamData { .. } => "max_stream_data",
            Self::MaxStreams { .. } => "max_streams",
            Self::DataBlocked { .. } => "data_blocked",
            Self::StreamDataBlocked { .. } => "stream_data_blocked",
            Self::StreamsBlocked { .. } => "streams_blocked",
            Self::NewConnectionId { .. } => "new_connection_id",
            Self::RetireConnectionId { .. } => "retire_connection_id",
            Self::PathChallenge => "path_challenge",
            Self::PathResponse => "path_response",
            Self::ConnectionClose { .. } => "connection_close",
            Self::HandshakeDone => "handshake_done",
            Self::Datagram { .. } => "datagram",
        }
    }
}

impl Iterator for AckRanges<'_> {
    type Item = RangeInclusive<u64>;

    fn next(&mut self) -> Option<Self::Item> {
        let range = self.0.next()?;
        Some(range.start().get()..=range.end().get())
    }
}

/// The payload is never shown.
impl fmt::Debug for Frames<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl fmt::Debug for AckRanges<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

impl PartialEq for AckRanges<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.clone().eq(other.clone())
    }
}

impl Eq for AckRanges<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_listed_up_to_the_first_that_is_none() {
        let payload = b"\x00\x00\x00\x02\x0a\x08\x01\x01\x02\x00\x06\x05\x02hi\x21\x01";
        let frames = Frames {
            payload,
            packet: PacketType::Initial,
            receiver: Side::Client,
            ack_delay_exponent: 3,
        };
        assert_eq!(
            format!("{frames:?}"),
            "[Padding { length: 3 }, \
             Ack { delay: 64µs, ranges: [9..=10, 5..=5], ecn: None }, \
             Crypto { offset: 5, length: 2 }]"
        );
        assert_eq!(frames.to_string(), "padding ack crypto");
    }
}
