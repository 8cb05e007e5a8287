//! The closing state (RFC 9000 section 10.2): what is said at the end, in packets of which levels, and how often.
//!
//! A closing connection keeps the frame, the keys that seal it, and two numbers. It answers datagrams of the peer at a falling rate, each doubling of
//! their number once, so that two sides that close cannot keep each other busy, and nobody gains by making it talk.

use core::time::Duration;

use bytes::Bytes;

use crate::error::{Code, TransportError};
use crate::wire::frame::Close;
use crate::wire::{Builder, PacketType, VarInt};

/// What this side closes with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Goodbye {
    Transport(TransportError),
    Application { code: VarInt, reason: Bytes },
}

/// A connection that this side has closed.
#[derive(Debug)]
pub(crate) struct Closing {
    goodbye: Goodbye,
    owed: bool,
    /// Datagrams that came since, and how many of them bring the next answer.
    received: u64,
    answers_at: u64,
    until: Duration,
}

impl Closing {
    /// Until then stragglers of the peer are answered.
    pub(crate) fn new(goodbye: Goodbye, until: Duration) -> Self {
        Self {
            goodbye,
            owed: true,
            received: 0,
            answers_at: 1,
            until,
        }
    }

    /// What the application closed with; zero where it did not.
    pub(crate) fn code(&self) -> u64 {
        match &self.goodbye {
            Goodbye::Application { code, .. } => code.get(),
            Goodbye::Transport(_) => 0,
        }
    }

    pub(crate) fn until(&self) -> Duration {
        self.until
    }

    /// A datagram of the peer came.
    pub(crate) fn on_datagram(&mut self) {
        self.received = self.received.saturating_add(1);
        if self.received >= self.answers_at {
            self.received = 0;
            self.answers_at = self.answers_at.saturating_mul(2);
            self.owed = true;
        }
    }

    /// Whether the frame is to be sent.
    pub(crate) fn is_owed(&self) -> bool {
        self.owed
    }

    pub(crate) fn on_sent(&mut self) {
        self.owed = false;
    }

    /// Writes the frame for a packet of this type.
    pub(crate) fn write(&self, packet: PacketType, builder: &mut Builder<'_>) -> Option<()> {
        builder.put_connection_close(self.goodbye.in_packet(packet))
    }
}

impl Goodbye {
    fn in_packet(&self, packet: PacketType) -> Close<'_> {
        match (self, packet) {
            (Self::Transport(error), _) => Close::Transport {
                code: VarInt::saturating(error.code.0),
                frame: VarInt::saturating(error.frame.unwrap_or_default()),
                reason: error.reason.as_bytes(),
            },
            (Self::Application { code, reason }, PacketType::OneRtt | PacketType::ZeroRtt) => {
                Close::Application {
                    code: *code,
                    reason,
                }
            }
            // What the application says is not for those who may not be the peer (rfc9000#10.2.3-2, rfc9000#10.2.3-3).
            (Self::Application { .. }, PacketType::Initial | PacketType::Handshake) => {
                Close::Transport {
                    code: VarInt::saturating(Code::APPLICATION_ERROR.0),
                    frame: VarInt::ZERO,
                    reason: &[],
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Fault;

    fn written(goodbye: Goodbye, packet: PacketType) -> Vec<u8> {
        let mut buffer = [0; 300];
        let mut builder = Builder::new(&mut buffer);
        let closing = Closing::new(goodbye, Duration::ZERO);
        closing.write(packet, &mut builder).unwrap();
        builder.written().to_vec()
    }

    #[test]
    fn an_applications_words_are_only_for_the_peer() {
        let goodbye = Goodbye::Application {
            code: VarInt::from(7_u8),
            reason: Bytes::from_static(b"bye"),
        };
        for packet in [PacketType::OneRtt, PacketType::ZeroRtt] {
            assert_eq!(written(goodbye.clone(), packet), b"\x1d\x07\x03bye");
        }
        for packet in [PacketType::Initial, PacketType::Handshake] {
            assert_eq!(written(goodbye.clone(), packet), [0x1c, 0x0c, 0, 0]);
        }
        let error = TransportError::from(Fault::UnknownFrame).in_frame(0x21);
        let text = error.reason.as_bytes();
        for packet in PacketType::ALL {
            let frame = written(Goodbye::Transport(error), packet);
            assert_eq!(frame.get(..4).unwrap(), [0x1c, 7, 0x21, text.len() as u8]);
            assert_eq!(frame.get(4..).unwrap(), text);
        }
    }

    #[test]
    fn answers_of_a_closing_connection_grow_rarer() {
        let goodbye = Goodbye::Transport(TransportError::internal("x"));
        let mut closing = Closing::new(goodbye, Duration::ZERO);
        assert!(closing.is_owed());
        closing.on_sent();
        let mut answers = Vec::new();
        for datagram in 1..1000 {
            closing.on_datagram();
            if closing.is_owed() {
                answers.push(datagram);
                closing.on_sent();
            }
        }
        assert_eq!(answers, [1, 3, 7, 15, 31, 63, 127, 255, 511]);
    }
}
