//! What a packet carried, as far as somebody has to hear whether it arrived.
//!
//! Whoever writes a frame that matters leaves a [`Token`] in the packet's [`Tokens`]. When the packet is acknowledged or lost, the tokens go
//! back to their owners, who know what to do: forget the data, or send it again in a new frame (RFC 9000 section 13.3). Tokens hold no data.

use super::path::PathId;
use crate::wire::{Dir, PacketNumber, Space, StreamId};

/// A frame that was written to a packet, named so that its owner knows it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::enum_variant_names)] // NEW_TOKEN is the frame's name.
pub(crate) enum Token {
    Crypto {
        space: Space,
        offset: u64,
        len: u16,
    },
    Stream {
        id: StreamId,
        offset: u64,
        len: u16,
        fin: bool,
    },
    ResetStream(StreamId),
    StopSending(StreamId),
    MaxData,
    MaxStreamData(StreamId),
    MaxStreams(Dir),
    DataBlocked,
    StreamDataBlocked(StreamId),
    StreamsBlocked(Dir),
    NewConnectionId {
        sequence: u64,
    },
    RetireConnectionId {
        sequence: u64,
    },
    NewToken,
    HandshakeDone,
    PathChallenge,
    PathResponse,
    Datagram,
    Ping,
    /// A datagram of this many bytes, sent to find out whether the path carries it.
    MtuProbe {
        path: PathId,
        size: u16,
    },
    /// An ACK frame of this space up to this number: once it has arrived, what it said need not be said again.
    Ack {
        space: Space,
        largest: PacketNumber,
    },
}

impl Token {
    /// One token for two frames of a stream, if the second goes on where the first ends: most of what an ACK frame acknowledges is that.
    pub(crate) fn join(self, next: Self) -> Option<Self> {
        match (self, next) {
            (
                Self::Stream {
                    id,
                    offset,
                    len,
                    fin: false,
                },
                Self::Stream {
                    id: same,
                    offset: behind,
                    len: more,
                    fin,
                },
            ) if id == same && offset.checked_add(len.into()) == Some(behind) => {
                Some(Self::Stream {
                    id,
                    offset,
                    len: len.checked_add(more)?,
                    fin,
                })
            }
            _ => None,
        }
    }
}

/// The tokens of one packet. The first two stand inline, since most packets hold no more: one that only carries a stream's data allocates
/// nothing here.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tokens {
    first: Option<Token>,
    second: Option<Token>,
    rest: Option<Box<Rest>>,
}

/// A type of its own, so that the rare third token costs every other packet one pointer and not three.
#[derive(Debug, Default, PartialEq, Eq)]
struct Rest(Vec<Token>);

impl Tokens {
    pub(crate) fn push(&mut self, token: Token) {
        if self.first.is_none() {
            self.first = Some(token);
        } else if self.second.is_none() {
            self.second = Some(token);
        } else {
            self.rest.get_or_insert_default().0.push(token);
        }
    }

    /// Gives back what it takes memory for.
    pub(super) fn forget(&mut self) {
        self.rest = None;
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// The tokens, in the order in which they came.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Token> + '_ {
        let rest = self.rest.iter().flat_map(|rest| rest.0.iter().copied());
        self.first.into_iter().chain(self.second).chain(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Side;

    #[test]
    fn recovery_tokens_come_back_in_order_and_the_first_two_stand_inline() {
        for count in 0..6_u64 {
            let mut tokens = Tokens::default();
            let all: Vec<_> = (0..count)
                .map(|sequence| Token::RetireConnectionId { sequence })
                .collect();
            all.iter().for_each(|token| tokens.push(*token));
            assert_eq!(tokens.iter().collect::<Vec<_>>(), all);
            assert_eq!(tokens.is_empty(), count == 0);
            assert_eq!(tokens.rest.is_some(), count > 2, "{count}");
        }
    }

    #[test]
    fn recovery_tokens_of_a_stream_join_where_they_touch() {
        let stream = |index, offset, len, fin| Token::Stream {
            id: StreamId::new(Side::Client, Dir::Bi, index).unwrap(),
            offset,
            len,
            fin,
        };
        let first = stream(0, 10, 5, false);
        let rows = [
            (
                "behind",
                stream(0, 15, 3, false),
                Some(stream(0, 10, 8, false)),
            ),
            (
                "the last",
                stream(0, 15, 3, true),
                Some(stream(0, 10, 8, true)),
            ),
            (
                "the end alone",
                stream(0, 15, 0, true),
                Some(stream(0, 10, 5, true)),
            ),
            ("a gap", stream(0, 16, 3, false), None),
            ("before", stream(0, 5, 5, false), None),
            ("another stream", stream(1, 15, 3, false), None),
            ("too long", stream(0, 15, u16::MAX - 4, false), None),
            (
                "as long as can be",
                stream(0, 15, u16::MAX - 5, false),
                Some(stream(0, 10, u16::MAX, false)),
            ),
            ("another frame", Token::Ping, None),
        ];
        for (name, next, want) in rows {
            assert_eq!(first.join(next), want, "{name}");
        }
        assert_eq!(stream(0, 10, 5, true).join(stream(0, 15, 0, true)), None);
        assert_eq!(stream(0, u64::MAX, 5, false).join(first), None);
    }

    #[test]
    fn recovery_tokens_stay_small() {
        // A window of 30 MB is 25,000 packets, and each holds these.
        assert!(size_of::<Token>() <= 24, "{}", size_of::<Token>());
        assert!(size_of::<Tokens>() <= 56, "{}", size_of::<Tokens>());
    }
}
