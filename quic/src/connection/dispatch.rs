//! Frame → owner, and token → owner: two matches without a rule of their own.

use core::time::Duration;

use super::Connection;
use super::receive::From;
use crate::Fault;
use crate::buffer::size;
use crate::error::{Code, ConnectionError, TransportError};
use crate::path::Learned;
use crate::recovery::{Outcome, Token};
use crate::wire::frame::{Ack, Close, Frame};
use crate::wire::{PacketType, Space};

impl Connection {
    /// Hands a frame to its owner, one arm a frame and nothing in it but the call, so that who takes what reads in one place. Says whether it was of any use (attacks on floods of legal frames).
    pub(super) fn dispatch(
        &mut self,
        frame: Frame<'_>,
        from: &From<'_>,
    ) -> Result<bool, ConnectionError> {
        let early = from.opened.packet == PacketType::ZeroRtt;
        let dispatched = match frame {
            Frame::Padding => Ok(true),
            Frame::Ping => Ok(false),
            Frame::Ack(ack) => self.on_ack(&ack, from).map(|()| true),
            Frame::Crypto(crypto) => {
                self.on_first_crypto(from.opened);
                self.crypto
                    .receive(from.space, crypto.offset, crypto.data)
                    .map(|()| !crypto.data.is_empty())
            }
            Frame::Stream(stream) => {
                let end = stream.offset.get().saturating_add(size(stream.data.len()));
                self.streams
                    .on_stream(stream.id, stream.offset, stream.data, stream.fin)
                    .inspect(|_| {
                        if early {
                            self.streams.on_early(stream.id, end);
                        }
                    })
            }
            Frame::ResetStream(frame) => self.streams.on_reset_stream(frame).inspect(|_| {
                if early {
                    self.streams.on_early(frame.id, 0);
                }
            }),
            Frame::StopSending(frame) => self.streams.on_stop_sending(frame),
            // rfc9000#13.3-3
            Frame::MaxData(limit) => Ok(self.streams.on_max_data(limit)),
            Frame::MaxStreamData(frame) => self.streams.on_max_stream_data(frame),
            Frame::MaxStreams(frame) => Ok(self.streams.on_max_streams(frame)),
            Frame::DataBlocked(_) | Frame::StreamsBlocked(_) => Ok(false),
            Frame::StreamDataBlocked(frame) => {
                self.streams.on_stream_data_blocked(frame).map(|()| false)
            }
            Frame::NewConnectionId(frame) => self
                .ids
                .remote
                .on_new(&frame)
                .map(|learned| self.on_learned(learned, from.now.monotonic)),
            Frame::RetireConnectionId(sequence) => self
                .ids
                .local
                .on_retire(sequence.get(), &from.opened.dcid)
                .map(|gone| self.on_retired(gone)),
            Frame::PathChallenge(data) => Ok(self.on_path_challenge(data, from.path)),
            Frame::PathResponse(data) => {
                return self.on_path_response(data, from.now.monotonic);
            }
            Frame::NewToken(token) => Ok(self.on_new_token(token)),
            Frame::Datagram(datagram) => {
                self.events.on_datagram(early);
                self.datagrams
                    .on_datagram(datagram.data, datagram.frame, early)
                    .map(|()| true)
            }
            Frame::HandshakeDone => {
                self.on_confirmed(from.now.monotonic);
                Ok(true)
            }
            Frame::ConnectionClose(close) => {
                self.drain(closed_by(close), from.now.monotonic);
                Ok(true)
            }
        };
        dispatched.map_err(|fault| TransportError::from(fault).into())
    }

    fn on_ack(&mut self, ack: &Ack<'_>, from: &From<'_>) -> Result<(), Fault> {
        let now = from.now.monotonic;
        self.check_acked(from.space, ack)?;
        let outcome =
            self.recovery
                .on_ack(from.space, ack, now, self.settled.get_or_insert_default())?;
        self.on_outcome(&outcome);
        self.settle();
        if from.opened.packet == PacketType::OneRtt {
            let one_rtt = &mut self.spaces.one_rtt;
            one_rtt.acked(ack.largest, from.opened.generation)?;
            if one_rtt.may_update(true) {
                self.updates
                    .on_confirmed(now, self.recovery.probe_timeout());
            }
        }
        Ok(())
    }

    pub(super) fn on_outcome(&mut self, outcome: &Outcome) {
        let stats = &mut self.stats;
        stats.packets_lost = stats
            .packets_lost
            .saturating_add(outcome.lost_packets.into());
        stats.packets_late = stats
            .packets_late
            .saturating_add(outcome.late_packets.into());
        if outcome.probe.is_some() {
            super::stats::count(&mut stats.probe_timeouts);
        }
        self.watch_outcome(outcome);
        self.on_sizes(outcome);
    }

    /// Tells owners what became of their frames.
    pub(super) fn settle(&mut self) {
        let Some(mut settled) = self.settled.take() else {
            return;
        };
        settled
            .acked
            .drain(..)
            .for_each(|token| self.on_acked(token));
        settled.lost.drain(..).for_each(|token| self.on_lost(token));
        settled
            .resend
            .drain(..)
            .for_each(|token| self.on_lost(token));
        // The lists of a connection that has nothing on its way need not be kept.
        let busy = self.recovery.path().in_flight() > 0;
        self.settled = Some(settled).filter(|_| busy);
    }

    fn on_acked(&mut self, token: Token) {
        match token {
            Token::Crypto { space, offset, len } => self.crypto.acked(space, offset, len),
            Token::Ack { space, largest } => {
                let received = self.spaces.received(space);
                received
                    .into_iter()
                    .for_each(|received| received.on_ack_acked(largest));
            }
            Token::RetireConnectionId { sequence } => self.ids.remote.acked(sequence),
            Token::Stream { .. }
            | Token::ResetStream(_)
            | Token::StopSending(_)
            | Token::MaxData
            | Token::MaxStreamData(_)
            | Token::MaxStreams(_)
            | Token::DataBlocked
            | Token::StreamDataBlocked(_)
            | Token::StreamsBlocked(_) => self.streams.acked(token),
            Token::HandshakeDone => {
                self.signals.acked(token);
                self.begin_search();
            }
            Token::NewToken => self.signals.acked(token),
            Token::NewConnectionId { .. }
            | Token::PathChallenge
            | Token::PathResponse
            | Token::Datagram
            | Token::Ping => {}
            Token::MtuProbe { path, size } => self.on_mtu_probe(path, size, true),
        }
    }

    fn on_lost(&mut self, token: Token) {
        match token {
            Token::Crypto { space, offset, len } => self.crypto.lost(space, offset, len),
            Token::RetireConnectionId { sequence } => self.ids.remote.lost(sequence),
            Token::NewConnectionId { sequence } => self.ids.local.lost(sequence),
            Token::HandshakeDone | Token::NewToken => self.signals.lost(token),
            Token::Stream { .. }
            | Token::ResetStream(_)
            | Token::StopSending(_)
            | Token::MaxData
            | Token::MaxStreamData(_)
            | Token::MaxStreams(_)
            | Token::DataBlocked
            | Token::StreamDataBlocked(_)
            | Token::StreamsBlocked(_) => self.streams.lost(token),
            Token::Ack { .. }
            | Token::PathChallenge
            | Token::PathResponse
            | Token::Datagram
            | Token::Ping => {}
            Token::MtuProbe { path, size } => self.on_mtu_probe(path, size, false),
        }
    }

    /// A token for another connection. Says whether it was news.
    fn on_new_token(&mut self, token: &[u8]) -> bool {
        let Some(token) = self.events.on_token(token) else {
            return false;
        };
        match &self.shelf {
            Some(shelf) => shelf.put(self.versions.current(), token),
            None => self.events.push(super::Event::Token(token)),
        }
        true
    }

    fn on_learned(&mut self, learned: Learned, now: Duration) -> bool {
        if learned != Learned::Nothing {
            self.paths.renew(&mut self.ids.remote);
        }
        if learned == Learned::Retired {
            self.on_ids();
        }
        if learned != Learned::Nothing {
            self.go_to_preferred(now);
        }
        learned != Learned::Nothing
    }

    fn on_retired(&mut self, gone: Option<crate::wire::ConnectionId>) -> bool {
        if let Some(id) = gone {
            self.asked_ids = false;
            self.events.push_endpoint(super::EndpointEvent::Retired(id));
        }
        gone.is_some()
    }

    /// Whether packets of a space can be acknowledged: those with 1-RTT keys never in 0-RTT packets (rfc9000#17.2.3-3,
    /// rfc9000#13.2.6-3).
    pub(super) fn may_acknowledge(&self, space: Space) -> bool {
        self.spaces.sends(space) != Some(PacketType::ZeroRtt)
    }
}

/// Why the peer says that it closes.
fn closed_by(close: Close<'_>) -> ConnectionError {
    match close {
        Close::Transport {
            code,
            frame,
            reason,
        } => ConnectionError::PeerClosed {
            code: Code(code.get()),
            frame: Some(frame.get()).filter(|frame| *frame != 0),
            reason: bytes::Bytes::copy_from_slice(reason),
        },
        Close::Application { code, reason } => ConnectionError::ApplicationClosed {
            code: code.get(),
            reason: bytes::Bytes::copy_from_slice(reason),
        },
    }
}
