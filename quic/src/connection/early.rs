//! Early data (RFC 9001 sections 4.5, 4.6 and 4.9.3, RFC 9000 section 7.4.1): sent by a client before it hears of the server again, by what it
//! remembers of it; taken by a server once.
//!
//! Whether early data is offered and accepted is decided by TLS, which asks a server's parameters whether they keep what its ticket remembers.
//! Here a client's 0-RTT packets are bound to what it remembers until there are 1-RTT keys, and what was rejected is as if it had never been: no
//! stream of it stays, and nothing of it is sent again but by the application.

use core::time::Duration;

use bytes::Bytes;
use pith_tls::{Answer, EarlyData, Now, Question};

use super::event::Event;
use super::parameters::Peer;
use super::{Connection, local};
use crate::Fault;
use crate::error::{ConnectionError, TransportError};
use crate::observe::Seen;
use crate::recovery::Settled;
use crate::streams::{Datagrams, Streams};
use crate::wire::frame::Ack;
use crate::wire::params::{Parameters, Remembered};
use crate::wire::{PacketNumber, Side, Space, StreamId};

/// What became of early data, and what follows from it.
#[derive(Debug)]
pub(super) struct Early {
    status: EarlyData,
    /// Of a client that has offered early data, until it has 1-RTT keys.
    offer: Option<Box<Offer>>,
    /// Of a client whose handshake is not complete: what it remembers for the next.
    remember: Bytes,
    /// Below this number a client's packets were rejected.
    rejected: Option<PacketNumber>,
    /// When a server drops the keys.
    keys_until: Option<Duration>,
}

/// What a client sends early data by.
#[derive(Debug)]
struct Offer {
    remembered: Remembered,
    application: Bytes,
    /// Of this handshake: not to be heeded in 0-RTT packets.
    parameters: Option<Box<Parameters>>,
}

impl Early {
    pub(super) fn new() -> Self {
        Self {
            status: EarlyData::NotOffered,
            offer: None,
            remember: Bytes::new(),
            rejected: None,
            keys_until: None,
        }
    }

    /// Of a client that begins anew.
    pub(super) fn again(before: &Self) -> Self {
        let status = match before.status {
            EarlyData::NotOffered => EarlyData::NotOffered,
            EarlyData::Offered | EarlyData::Accepted | EarlyData::Rejected => EarlyData::Rejected,
        };
        Self {
            status,
            ..Self::new()
        }
    }

    pub(super) fn status(&self) -> EarlyData {
        self.status
    }

    pub(super) fn application(&self) -> Option<&Bytes> {
        self.offer.as_ref().map(|offer| &offer.application)
    }

    /// Whether 0-RTT packets can be sent, if there are keys: TLS offers early data, and there is something to send it by.
    pub(super) fn is_offered(&self) -> bool {
        self.offer.is_some()
    }

    pub(super) fn keys_deadline(&self) -> Option<Duration> {
        self.keys_until
    }
}

/// The client.
impl Connection {
    /// TLS offers early data in this client's hello, because its application has asked for it (rfc9001#5.6-1). What another version of this library
    /// remembered is of no use: then none is sent.
    pub(super) fn on_early_offer(
        &mut self,
        application: Bytes,
        carrier: &[u8],
    ) -> Result<(), ConnectionError> {
        // Of a second attempt none is sent: what was rejected is not to go out again as what may come twice.
        if self.versions.is_second() {
            return Ok(());
        }
        self.early.status = EarlyData::Offered;
        let Some(remembered) = Remembered::decode(carrier) else {
            return Ok(());
        };
        let parameters = remembered.parameters();
        self.watch.tell(|| Seen::Restored((&parameters).into()));
        self.set_limits(&parameters)?;
        self.peer = Some(Peer::of(&parameters));
        self.early.offer = Some(Box::new(Offer {
            remembered,
            application,
            parameters: None,
        }));
        Ok(())
    }

    /// Heeds the server's parameters of this handshake, or keeps them until 0-RTT packets are over (rfc9000#7.4.1-8).
    pub(super) fn on_limits(&mut self, parameters: Parameters) -> Result<(), ConnectionError> {
        if self.side == Side::Client {
            self.early.remember = Remembered::of(&parameters).encode().into();
        }
        match &mut self.early.offer {
            Some(offer) => offer.parameters = Some(Box::new(parameters)),
            None => self.set_limits(&parameters)?,
        }
        Ok(())
    }

    /// The decision on early data, in either role.
    pub(super) fn on_early_decision(
        &mut self,
        accepted: bool,
        now: Duration,
    ) -> Result<(), ConnectionError> {
        if self.versions.is_second() {
            return Ok(());
        }
        self.early.status = if accepted {
            EarlyData::Accepted
        } else {
            EarlyData::Rejected
        };
        match (self.side, accepted) {
            (Side::Server, _) => Ok(()),
            (Side::Client, true) => self.on_early_accepted(),
            (Side::Client, false) => self.on_early_rejected(now),
        }
    }

    fn on_early_accepted(&mut self) -> Result<(), ConnectionError> {
        if let Some(offer) = &self.early.offer {
            // rfc9221#3-6
            let checked = offer
                .parameters
                .as_ref()
                .map_or(Ok(()), |parameters| offer.remembered.check(parameters));
            checked.map_err(TransportError::from)?;
        }
        self.events.push(Event::EarlyDataAccepted);
        Ok(())
    }

    /// Whatever was assumed may have been wrong: no stream keeps its state (rfc9001#4.6.2-2).
    fn on_early_rejected(&mut self, now: Duration) -> Result<(), ConnectionError> {
        self.spaces.discard_early();
        self.early.rejected = self.recovery.next_number(Space::Application, || 0);
        // What was sent goes with its streams.
        let mut gone = Settled::default();
        self.recovery.on_early_data_rejected(now, &mut gone);
        self.streams = Streams::new(self.side, self.config.streams);
        self.datagrams = Datagrams::new(self.config.datagrams);
        if let Some(offer) = self.early.offer.take() {
            match offer.parameters {
                Some(parameters) => self.set_limits(&parameters)?,
                None => self.peer = None,
            }
        }
        self.events.push(Event::EarlyDataRejected);
        Ok(())
    }

    /// There are 1-RTT keys to send with: 0-RTT packets are over, and so is what bound them.
    pub(super) fn on_application_keys(&mut self) -> Result<(), ConnectionError> {
        let offer = self.early.offer.take();
        match offer.and_then(|offer| offer.parameters) {
            Some(parameters) => self.set_limits(&parameters),
            None => Ok(()),
        }
    }

    /// The handshake is complete: what the server said is authentic, and worth remembering with its tickets (rfc9000#7.4.1-4).
    pub(super) fn remember_parameters(&mut self) -> Result<(), ConnectionError> {
        let remember = core::mem::take(&mut self.early.remember);
        if self.side == Side::Server {
            return Ok(());
        }
        let remembered = self.crypto.remember_carrier(remember);
        remembered.map_err(ConnectionError::Tls)
    }

    /// A server acknowledges only what it has taken (RFC 9001 section 4.6.2).
    pub(super) fn check_acked(&self, space: Space, ack: &Ack<'_>) -> Result<(), Fault> {
        match self.early.rejected {
            Some(first) if space == Space::Application => {
                let smallest = ack.ranges().last().map(|range| *range.start());
                if smallest.is_some_and(|smallest| smallest < first) {
                    return Err(Fault::RejectedAcked);
                }
                Ok(())
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// The server.
impl Connection {
    /// Answers with this server's parameters; early data may come if none of its limits is lower than what the client's ticket remembers, for
    /// the client sends by that (rfc9000#7.4.1-5, rfc9000#7.4.1-6, rfc9000#7.4.1-7, rfc9221#3-5).
    pub(super) fn on_parameters_question(
        &mut self,
        question: &Question,
        remembered: Option<&Bytes>,
        now: Now,
    ) -> Result<(), ConnectionError> {
        let version = self.versions.current();
        let own = self
            .config
            .values(&self.ids, self.side, self.ids.reset_token(), version);
        let encoded = self
            .config
            .parameters(&self.ids, self.side, version, &mut self.random)
            .map_err(local)?;
        let remembered = remembered.and_then(|bytes| Remembered::decode(bytes));
        let kept = remembered.is_some_and(|remembered| remembered.check(&own).is_ok());
        let remember = Remembered::of(&own).encode().into();
        let answer = Answer::remembered_parameters(question, encoded, remember, kept);
        self.crypto.answer(answer, now)
    }

    /// Whether what has come of a stream waits for the end of the handshake, unless it is read as early data. If the handshake has failed, that never
    /// comes.
    pub(super) fn holds_early(&self, id: StreamId) -> bool {
        self.summary.is_none() && self.streams.has_early(id)
    }

    /// TLS is complete: 0-RTT packets that come from now on were overtaken by others (rfc9001#4.9.3-1).
    pub(super) fn limit_early_keys(&mut self, now: Duration) {
        if self.spaces.opens_early() {
            self.streams.release_early();
            let time = self.recovery.probe_timeout().saturating_mul(KEPT_TIMEOUTS);
            self.early.keys_until = Some(now.saturating_add(time));
        }
    }

    pub(super) fn drop_early_keys(&mut self) {
        self.early.keys_until = None;
        self.spaces.discard_early();
    }
}

/// A server keeps the keys of early data for so many probe timeouts behind the handshake, as RFC 9001 section 4.9.3 recommends.
const KEPT_TIMEOUTS: u32 = 3;

#[cfg(test)]
impl Early {
    pub(super) fn rejected_below(&self) -> Option<u64> {
        self.rejected.map(PacketNumber::get)
    }
}
