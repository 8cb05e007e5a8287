//! What an observer of a connection is told, put together from the state that others own.

use pith_tls::{EarlyData, Now, Role};

use super::Connection;
use super::packet::{Packet, Room};
use super::parameters::ACK_DELAY_EXPONENT;
use super::state::State;
use super::stats::count;
use crate::limits;
use crate::observe::{
    self, Congestion, CongestionCause, DropReason, Frames, KnownPath, Metrics, Party, Seen,
    Standing, Subject, Watch,
};
use crate::protect::Opened;
use crate::recovery::{Ecn, Outcome};
use crate::wire::{PacketType, Side};

impl Connection {
    /// Asks the configuration who observes this connection, and tells what it begins with.
    pub(super) fn begin_watch(&mut self, now: Now) {
        let Some(observers) = &self.config.observers else {
            return;
        };
        let subject = Subject {
            role: match self.side {
                Side::Client => Role::Client,
                Side::Server => Role::Server,
            },
            original: self.ids.original(),
            own: self.ids.own(),
            route: self.paths.active.route,
            version: self.versions.original().number(),
            began: now,
        };
        let known = Standing {
            route: Some(self.paths.active.route),
            mtu: self.paths.active.mtu(),
            ..Standing::default()
        };
        self.watch = Watch::new(observers.choose(&subject), now.monotonic, known);
        if !self.watch.is_some() {
            return;
        }
        self.recovery.tell_losses();
        let own = self
            .config
            .values(&self.ids, self.side, None, self.versions.current());
        self.watch.tell(|| Seen::Started(subject));
        self.watch
            .tell(|| Seen::Parameters(Party::Local, (&own).into()));
        self.watch_changes();
    }

    /// Tells of what has changed since the last time.
    pub(super) fn watch_changes(&mut self) {
        if self.watch.is_some() {
            for lost in self.recovery.take_losses() {
                self.watch.tell(|| Seen::Lost(lost));
            }
            let arrived = self.recovery.newest_arrival();
            self.watch.compare(arrived, self.standing());
        }
    }

    fn standing(&self) -> Standing {
        let path = self.recovery.path();
        let congestion = if path.window() < path.threshold() {
            Congestion::SlowStart
        } else {
            Congestion::Avoidance
        };
        let mut paths = [None; limits::PATHS];
        for (known, path) in paths.iter_mut().zip(self.paths.iter()) {
            *known = Some(KnownPath {
                id: path.id,
                route: path.route,
                asked: path.validation.is_some(),
                answers: path.answers,
            });
        }
        Standing {
            keys: self.spaces.keys(),
            early: Some(self.early.status()).filter(|status| *status != EarlyData::NotOffered),
            ecn: Some(path.ecn().state()),
            congestion: Some(congestion),
            metrics: Some(self.metrics()),
            timer: self.recovery.deadline(),
            route: Some(self.paths.active.route),
            mtu: self.paths.active.mtu(),
            paths,
        }
    }

    pub(super) fn metrics(&self) -> Metrics {
        let path = self.recovery.path();
        let rtt = path.rtt();
        Metrics {
            smoothed_rtt: rtt.smoothed(),
            latest_rtt: rtt.latest(),
            min_rtt: rtt.min(),
            rtt_variation: rtt.variation(),
            probe_timeouts: self.recovery.probe_count(),
            window: path.window(),
            in_flight: path.in_flight(),
            threshold: Some(path.threshold()).filter(|bytes| *bytes != u64::MAX),
        }
    }

    /// Tells of a packet before it is sealed.
    pub(super) fn watch_sent(&mut self, packet: &Packet, room: &mut Room<'_>) {
        if !self.watch.is_some() || packet.draft.pad(&mut room.builder).is_none() {
            return;
        }
        let generation = match packet.packet_type {
            PacketType::OneRtt => self.spaces.one_rtt.generations().0,
            _ => 0,
        };
        let receiver = self.side.peer();
        self.watch.tell(|| {
            let draft = &packet.draft;
            let sent = observe::Packet {
                packet: packet.packet_type,
                number: draft.number().get(),
                size: draft.sealed_size(&room.builder),
                generation,
                ecn: room.ecn,
            };
            let frames = Frames {
                payload: draft.payload(&room.builder),
                packet: packet.packet_type,
                receiver,
                ack_delay_exponent: ACK_DELAY_EXPONENT,
            };
            Seen::Sent(sent, frames)
        });
    }

    /// Tells of a packet that has opened.
    pub(super) fn watch_received(&mut self, opened: &Opened, ecn: Ecn) {
        let (receiver, ack_delay_exponent) = (self.side, self.recovery.ack_delay_exponent());
        self.watch.tell(|| {
            let received = observe::Packet {
                packet: opened.packet,
                number: opened.number.get(),
                size: opened.size,
                generation: opened.generation,
                ecn,
            };
            let frames = Frames {
                payload: &opened.payload,
                packet: opened.packet,
                receiver,
                ack_delay_exponent,
            };
            Seen::Received(received, frames)
        });
    }

    /// Counts what came and is dropped, and tells of it.
    pub(super) fn dropped(&mut self, why: DropReason, packet: Option<PacketType>, size: usize) {
        let stats = &mut self.stats;
        count(match why {
            DropReason::Duplicate => &mut stats.duplicates,
            DropReason::NoKeys | DropReason::HeldEnough | DropReason::Forged => {
                &mut stats.undecryptable
            }
            DropReason::Path
            | DropReason::Malformed
            | DropReason::Foreign
            | DropReason::Unexpected => &mut stats.discarded,
        });
        self.watch.tell(|| Seen::Dropped { packet, size, why });
    }

    /// Tells of the new state of the connection.
    pub(super) fn watch_state(&mut self) {
        let state = match self.state {
            State::Handshaking => return,
            State::Complete => observe::State::Complete,
            State::Confirmed => observe::State::Confirmed,
            State::Closing => observe::State::Closing,
            State::Draining => observe::State::Draining,
            State::Over => observe::State::Over,
        };
        self.watch.tell(|| Seen::State(state));
    }

    /// Counts what became of the congestion window, and tells of it.
    pub(super) fn watch_outcome(&mut self, outcome: &Outcome) {
        for (happened, counter) in [
            (outcome.congestion, &mut self.stats.congestion_events),
            (outcome.undone, &mut self.stats.congestion_undone),
            (
                outcome.persistent_congestion,
                &mut self.stats.persistent_congestion,
            ),
        ] {
            if happened {
                *counter = counter.saturating_add(1);
            }
        }
        let cause = if outcome.undone {
            CongestionCause::Spurious
        } else if outcome.persistent_congestion {
            CongestionCause::Persistent
        } else if !outcome.congestion {
            return;
        } else if outcome.lost_packets > 0 {
            CongestionCause::Loss
        } else {
            CongestionCause::Marks
        };
        self.watch.on_congestion(cause);
    }
}
