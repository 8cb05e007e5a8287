//! The course of the handshake: what TLS orders, who obeys, and when keys go (RFC 9001 sections 4.1 and 4.9).

use core::time::Duration;
use std::sync::Arc;

use pith_tls::{Answer, Direction, Level, Now, Question, Summary, Topic, TrafficSecret};

use super::event::Event;
use super::state::Step;
use super::{Connection, local};
use crate::crypto_stream::Order;
use crate::error::{ConnectionError, TransportError};
use crate::observe::Seen;
use crate::wire::{Side, Space};

impl Connection {
    /// Gives TLS what came for it, and does what it orders. After an error, what it ordered before still counts: the keys that the error is sent under
    /// may be among it.
    pub(super) fn advance(&mut self, now: Now) -> Result<(), ConnectionError> {
        let driven = self.crypto.drive(now);
        self.obey(now)?;
        driven
    }

    fn obey(&mut self, now: Now) -> Result<(), ConnectionError> {
        while let Some(order) = self.crypto.next_order() {
            match order {
                Order::Keys {
                    level,
                    direction,
                    secret,
                } => self.on_keys(level, direction, &secret, now.monotonic)?,
                Order::PeerParameters(bytes) => self.on_peer_parameters(&bytes)?,
                Order::Ask(question) => self.on_question(question, now)?,
                Order::OfferEarlyData {
                    application,
                    carrier,
                } => self.on_early_offer(application, &carrier)?,
                Order::EarlyData { accepted } => self.on_early_decision(accepted, now.monotonic)?,
                Order::Complete(summary) => self.on_complete(summary, now.monotonic)?,
                Order::Unknown => return Err(TransportError::internal("an order of TLS").into()),
            }
        }
        Ok(())
    }

    fn on_keys(
        &mut self,
        level: Level,
        direction: Direction,
        secret: &TrafficSecret,
        now: Duration,
    ) -> Result<(), ConnectionError> {
        let (early, writes) = (level == Level::EarlyData, direction == Direction::Write);
        if early && writes && !self.early.is_offered() {
            return Ok(());
        }
        self.spaces
            .install(level, direction, secret)
            .map_err(local)?;
        if level == Level::Handshake {
            self.recovery.on_handshake_keys(now);
        }
        if level == Level::Application && writes {
            self.on_application_keys()?;
        }
        Ok(())
    }

    /// Its own parameters a server knows how to answer with; everything else is for whoever drives the connection.
    fn on_question(&mut self, question: Question, now: Now) -> Result<(), ConnectionError> {
        match &question.topic {
            Topic::TransportParameters { remembered } => {
                self.on_parameters_question(&question, remembered.as_ref(), now)
            }
            _ => {
                self.question = Some(Box::new(question));
                Ok(())
            }
        }
    }

    /// The answer of whoever drives the connection.
    pub(super) fn on_answer(&mut self, answer: Answer, now: Now) -> Result<(), ConnectionError> {
        let answered = self.crypto.answer(answer, now);
        // TLS may have asked the next by now, which takes this one's place if it is not for this side itself.
        if !matches!(
            &answered,
            Err(ConnectionError::Tls(pith_tls::Error::Misuse(_)))
        ) {
            self.question = None;
        }
        self.obey(now)?;
        answered
    }

    /// TLS is complete: the peer is who it has to be, and an application protocol was agreed on (rfc9000#7-1, rfc9000#7-2).
    fn on_complete(&mut self, summary: Arc<Summary>, now: Duration) -> Result<(), ConnectionError> {
        if !self.enter(Step::Complete) {
            return Ok(());
        }
        self.summary = Some(Arc::clone(&summary));
        let protocol = summary.protocol.as_deref().unwrap_or_default();
        self.watch.tell(|| Seen::Protocol(protocol));
        self.events.push(Event::Connected(summary));
        self.remember_parameters()?;
        if self.side == Side::Server {
            self.events.push_endpoint(super::EndpointEvent::Complete);
            self.limit_early_keys(now);
            // rfc9001#4.1.2-1, rfc9000#19.20-1
            self.signals.owe_handshake_done();
            self.on_confirmed(now);
        }
        Ok(())
    }

    /// Both sides know that the handshake is complete.
    pub(super) fn on_confirmed(&mut self, now: Duration) {
        if self.enter(Step::Confirm) {
            self.events.push(Event::Confirmed);
            self.recovery.on_confirmed(now);
            // rfc9001#4.9.2-1
            self.discard(Space::Handshake, now);
            // The server's round trip begins with its HANDSHAKE_DONE frame, and the client's has ended with it.
            if self.side == Side::Client {
                self.begin_search();
            }
            self.go_to_preferred(now);
        }
    }

    /// Drops the keys of a space and everything that belongs to them (rfc9001#4.9.1-1, rfc9001#4.9.1-2).
    pub(super) fn discard(&mut self, space: Space, now: Duration) {
        if !self.spaces.is_discarded(space) {
            self.spaces.discard(space);
            self.crypto.discard(space);
            self.recovery.discard_space(space, now);
        }
    }
}
