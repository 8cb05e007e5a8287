//! QUIC's carrier of the TLS handshake (RFC 9001 section 4): CRYPTO frames in and out, one flow for each packet number space.
//!
//! Bytes of CRYPTO frames enter in any order, and reach [`Handshake`] in order and at their own level. What the engine wants sent waits
//! here until it is acknowledged, for as long as its space exists; everything else that it orders leaves by [`CryptoStream::next`].
//! What a peer can make this hold is [`limits::CRYPTO_BUFFER`](crate::limits::CRYPTO_BUFFER) a space, for no flow control bounds CRYPTO frames.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use pith_tls::{
    Answer, Direction, Handshake, Level, MessageKind, Now, Output, Question, Summary, TrafficSecret,
};

use crate::Fault;
use crate::buffer::{CryptoReceive, SendBuffer, size};
use crate::error::ConnectionError;
use crate::recovery::{Token, Tokens};
use crate::wire::{Builder, PerSpace, Side, Space, VarInt};

/// The engine and its flows.
pub(crate) struct CryptoStream {
    side: Side,
    tls: Handshake,
    /// `None` once a space is discarded.
    flows: PerSpace<Option<Box<Flow>>>,
    /// The space whose bytes TLS waits for.
    reads: Space,
    /// Whether anything came since TLS was given what there was.
    has_news: bool,
    orders: VecDeque<Order>,
}

/// What the engine wants done by others.
pub(crate) enum Order {
    Keys {
        level: Level,
        direction: Direction,
        secret: TrafficSecret,
    },
    /// The peer's transport parameters, not authenticated before the handshake is complete.
    PeerParameters(Bytes),
    Ask(Question),
    /// This client may send early data: what its application and it remember.
    OfferEarlyData {
        application: Bytes,
        carrier: Bytes,
    },
    /// The decision on early data.
    EarlyData {
        accepted: bool,
    },
    Complete(Arc<Summary>),
    /// An order of TLS over records, which no engine gives to this carrier.
    Unknown,
}

#[derive(Default)]
struct Flow {
    receive: CryptoReceive,
    /// Where the last byte ends that came.
    end: u64,
    send: SendBuffer,
}

impl CryptoStream {
    pub(crate) fn new(side: Side, tls: Handshake) -> Result<Self, Fault> {
        let mut stream = Self {
            side,
            tls,
            flows: PerSpace::new(|_| Some(Box::default())),
            reads: Space::Initial,
            has_news: false,
            orders: VecDeque::new(),
        };
        // A client's hello is there from the start.
        stream.collect()?;
        Ok(stream)
    }

    /// A CRYPTO frame came.
    pub(crate) fn receive(
        &mut self,
        space: Space,
        offset: VarInt,
        data: &[u8],
    ) -> Result<(), Fault> {
        let reads = self.reads;
        let Some(flow) = self.flows.get_mut(space) else {
            return Ok(());
        };
        let end = offset.get().saturating_add(size(data.len()));
        // rfc9001#4.1.3-1, rfc9001#4.1.3-2
        if space < reads && end > flow.end {
            return Err(Fault::CryptoAfterLevel);
        }
        flow.end = flow.end.max(end);
        // rfc9000#7.5-1, rfc9000#7.5-2
        self.has_news = true;
        flow.receive.insert(offset.get(), data)
    }

    /// Whether anything came that TLS was not given yet.
    pub(crate) fn has_news(&self) -> bool {
        self.has_news
    }

    /// Gives TLS what is in order, as far as it takes it: nothing behind an open question.
    pub(crate) fn drive(&mut self, now: Now) -> Result<(), ConnectionError> {
        self.has_news = false;
        while !self.tls.is_asking() {
            let flow = self.flows.get_mut(self.reads).as_mut();
            let Some(bytes) = flow.and_then(|flow| flow.receive.read()) else {
                break;
            };
            let read = self.tls.read(level_of(self.reads), &bytes, now);
            self.settle(read)?;
        }
        Ok(())
    }

    /// Answers the open question and goes on.
    pub(crate) fn answer(&mut self, answer: Answer, now: Now) -> Result<(), ConnectionError> {
        let answered = self.tls.answer(answer, now);
        self.settle(answered)?;
        self.drive(now)
    }

    /// The next order.
    pub(crate) fn next_order(&mut self) -> Option<Order> {
        let order = self.orders.pop_front()?;
        if self.orders.is_empty() {
            self.orders = VecDeque::new();
        }
        Some(order)
    }

    /// Whether CRYPTO frames of this space are to be written.
    pub(crate) fn is_pending(&self, space: Space) -> bool {
        let flow = self.flows.get(space).as_ref();
        flow.is_some_and(|flow| flow.send.pending(u64::MAX).is_some())
    }

    /// Writes CRYPTO frames of this space as far as there is room (rfc9001#4-1, rfc9001#4.9-1).
    pub(crate) fn write(&mut self, space: Space, builder: &mut Builder<'_>, tokens: &mut Tokens) {
        let Some(flow) = self.flows.get_mut(space) else {
            return;
        };
        while let Some(token) = flow.write(space, builder) {
            tokens.push(token);
        }
    }

    pub(crate) fn acked(&mut self, space: Space, offset: u64, len: u16) {
        if let Some(flow) = self.flows.get_mut(space) {
            flow.send.acked(range(offset, len), false);
        }
    }

    pub(crate) fn lost(&mut self, space: Space, offset: u64, len: u16) {
        if let Some(flow) = self.flows.get_mut(space) {
            flow.send.lost(range(offset, len), false);
        }
    }

    /// The keys of this space are gone.
    pub(crate) fn discard(&mut self, space: Space) {
        *self.flows.get_mut(space) = None;
    }

    /// Keying material (RFC 9846 section 7.5).
    pub(crate) fn export(
        &self,
        label: &[u8],
        context: &[u8],
        out: &mut [u8],
    ) -> Result<(), pith_tls::Error> {
        self.tls.export(label, context, out)
    }

    /// As [`Handshake::early_export`].
    pub(crate) fn early_export(
        &self,
        label: &[u8],
        context: &[u8],
        out: &mut [u8],
    ) -> Result<(), pith_tls::Error> {
        self.tls.early_export(label, context, out)
    }

    /// As [`Handshake::negotiated`].
    pub(crate) fn negotiated(&mut self, version: u32) {
        self.tls.negotiated(version);
    }

    /// Whether a server may answer early data before the handshake is complete.
    pub(crate) fn sends_early(&self) -> bool {
        self.tls.sends_early()
    }

    /// As [`Handshake::remember`].
    pub(crate) fn remember(&mut self, application: Bytes) -> Result<(), pith_tls::Error> {
        self.tls.remember(application)
    }

    /// What the transport remembers with the tickets that come from now on.
    pub(crate) fn remember_carrier(&mut self, carrier: Bytes) -> Result<(), pith_tls::Error> {
        self.tls.remember_carrier(carrier)
    }

    /// The connection failed: no secret of the handshake stays.
    pub(crate) fn abandon(&mut self) {
        self.tls
            .abandon(&pith_tls::Error::Misuse("the QUIC connection is closed"));
        self.flows = PerSpace::new(|_| None);
        self.orders = VecDeque::new();
    }

    /// Takes what a call of the engine queued, also where it failed: what was queued before is still to be sent.
    fn settle(&mut self, result: Result<(), pith_tls::Error>) -> Result<(), ConnectionError> {
        let collected = self.collect();
        result.map_err(|error| failed(self.side, error))?;
        collected.map_err(|fault| ConnectionError::Transport(fault.into()))
    }

    fn collect(&mut self) -> Result<(), Fault> {
        while let Some(output) = self.tls.next() {
            let order = match output {
                Output::Send { level, bytes } => {
                    if let Some(flow) = self.flows.get_mut(space_of(level)) {
                        flow.send.push(bytes);
                    }
                    continue;
                }
                Output::Keys {
                    level,
                    direction,
                    secret,
                } => {
                    if direction == Direction::Read {
                        self.read_at(space_of(level))?;
                    }
                    Order::Keys {
                        level,
                        direction,
                        secret,
                    }
                }
                Output::PeerTransportParameters(bytes) => Order::PeerParameters(bytes),
                Output::Ask(question) => Order::Ask(question),
                Output::Complete(summary) => Order::Complete(summary),
                Output::OfferEarlyData {
                    application,
                    carrier,
                    ..
                } => Order::OfferEarlyData {
                    application,
                    carrier,
                },
                Output::EarlyData { accepted } => Order::EarlyData {
                    accepted: accepted.is_some(),
                },
                // The packets do not open, for want of keys.
                Output::SkipEarlyData { .. } => Order::EarlyData { accepted: false },
                _ => Order::Unknown,
            };
            self.orders.push_back(order);
        }
        Ok(())
    }

    /// TLS has taken all that it wants below this space.
    fn read_at(&mut self, space: Space) -> Result<(), Fault> {
        let flow = self.flows.get(self.reads).as_ref();
        let is_read = flow.is_none_or(|flow| flow.receive.is_empty());
        self.reads = space;
        // rfc9001#4.1.3-3
        if is_read {
            Ok(())
        } else {
            Err(Fault::CryptoUnread)
        }
    }
}

impl Flow {
    fn write(&mut self, space: Space, builder: &mut Builder<'_>) -> Option<Token> {
        let piece = self.send.pending(u64::MAX)?;
        let offset = VarInt::new(piece.offset)?;
        let written = builder.put_crypto(offset, piece.available(), |to| {
            self.send.copy(piece.offset, to)
        })?;
        self.send.sent_piece(piece, size(written), false);
        Some(Token::Crypto {
            space,
            offset: piece.offset,
            len: u16::try_from(written).ok()?,
        })
    }
}

/// An error of TLS on this side. Its alert says the code (rfc9001#6-2, rfc9001#8.1-2, rfc9001#8.1-5) but for three, of which one is a server's alone to
/// make (rfc9001#4.4-3).
fn failed(side: Side, error: pith_tls::Error) -> ConnectionError {
    match error {
        pith_tls::Error::Fault(pith_tls::Fault::UnexpectedMessage {
            state: "CONNECTED",
            message: MessageKind::CertificateRequest,
        }) if side == Side::Client => ConnectionError::Transport(Fault::LateClientAuth.into()),
        // rfc9001#4.6.1-2
        pith_tls::Error::Fault(pith_tls::Fault::EarlyDataInQuic) => {
            ConnectionError::Transport(Fault::EarlyDataLimit.into())
        }
        // RFC 9001 section 8.4
        pith_tls::Error::Fault(pith_tls::Fault::CompatibilityModeInQuic) => {
            ConnectionError::Transport(Fault::CompatibilityMode.into())
        }
        error => ConnectionError::Tls(error),
    }
}

fn range(offset: u64, len: u16) -> core::ops::Range<u64> {
    offset..offset.saturating_add(u64::from(len))
}

fn level_of(space: Space) -> Level {
    match space {
        Space::Initial => Level::Initial,
        Space::Handshake => Level::Handshake,
        Space::Application => Level::Application,
    }
}

/// The space of a level's packets: 0-RTT and 1-RTT share one.
pub(crate) fn space_of(level: Level) -> Space {
    if level == Level::Initial {
        Space::Initial
    } else if level == Level::Handshake {
        Space::Handshake
    } else {
        Space::Application
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Code, TransportError};

    #[test]
    fn errors_of_tls_that_quic_names_itself_have_its_codes() {
        use pith_tls::Fault as T;
        let late = T::UnexpectedMessage {
            state: "CONNECTED",
            message: MessageKind::CertificateRequest,
        };
        let early = T::UnexpectedMessage {
            state: "WAIT_EE",
            message: MessageKind::CertificateRequest,
        };
        let rows = [
            (Side::Client, late, Some(Fault::LateClientAuth)),
            (Side::Server, late, None),
            (Side::Client, early, None),
            (
                Side::Client,
                T::EarlyDataInQuic,
                Some(Fault::EarlyDataLimit),
            ),
            (
                Side::Server,
                T::CompatibilityModeInQuic,
                Some(Fault::CompatibilityMode),
            ),
        ];
        for (side, fault, want) in rows {
            let error = pith_tls::Error::Fault(fault);
            let got = failed(side, error.clone());
            let want = match want {
                Some(fault) => {
                    assert_eq!(fault.code(), Code::PROTOCOL_VIOLATION, "{fault:?}");
                    ConnectionError::Transport(TransportError::from(fault))
                }
                None => ConnectionError::Tls(error),
            };
            assert_eq!(got, want, "{side:?} {fault:?}");
        }
    }
}
