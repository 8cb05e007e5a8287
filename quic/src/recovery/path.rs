//! What belongs to a path and not to a packet number space: round trip, congestion, pacing, ECN, and bytes in flight.
//!
//! Packets of one path never count on another (RFC 9002 section 7). A connection that moves gives its path away for a new one, and may take the old one
//! back.

use core::time::Duration;

use super::congestion::{Acked, Controller};
use super::ecn::Validation;
use super::pacer::{Pace, Pacer};
use super::rtt::Rtt;

/// Names a path of a connection for as long as packets that were sent on it are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PathId(pub(crate) u32);

/// A path as its sender knows it.
#[derive(Debug)]
pub(crate) struct Path {
    pub(super) id: PathId,
    pub(super) rtt: Rtt,
    pub(super) ecn: Validation,
    pub(super) in_flight: u64,
    congestion: Box<dyn Controller>,
    pacer: Pacer,
    datagram: u16,
    /// When the window was last used up, or the pace held something back.
    used_at: Option<Duration>,
    last_sent: Option<Duration>,
    /// On entering recovery one packet may go beyond the window (RFC 9002 section 7.3.2).
    extra: bool,
}

/// Whether a packet may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    Open,
    /// Not before an acknowledgment or a timeout.
    Closed,
    /// Not before then.
    Until(Duration),
}

impl Path {
    /// A path on which nothing was sent yet. `datagram` is how many bytes a full datagram has, `initial_rtt` stands in for the round trip, `ecn` says whether
    /// packets can be marked.
    pub(crate) fn new(
        id: PathId,
        congestion: Box<dyn Controller>,
        datagram: u16,
        initial_rtt: Duration,
        ecn: bool,
    ) -> Self {
        Self {
            id,
            rtt: Rtt::new(initial_rtt),
            ecn: Validation::new(ecn),
            in_flight: 0,
            congestion,
            pacer: Pacer::default(),
            datagram,
            used_at: None,
            last_sent: None,
            extra: false,
        }
    }

    /// Another path of the connection, of which nothing is known.
    pub(crate) fn fresh(
        &self,
        id: PathId,
        datagram: u16,
        initial_rtt: Duration,
        ecn: bool,
    ) -> Self {
        let congestion = self.congestion.fresh(datagram);
        Self::new(id, congestion, datagram, initial_rtt, ecn)
    }

    /// The same path by another name: only the peer's port is another.
    pub(super) fn rename(&mut self, id: PathId, ecn: bool) {
        self.id = id;
        self.ecn = Validation::new(ecn);
        self.extra = false;
    }

    #[cfg(test)]
    pub(crate) fn id(&self) -> PathId {
        self.id
    }

    pub(crate) fn rtt(&self) -> &Rtt {
        &self.rtt
    }

    pub(crate) fn ecn(&self) -> &Validation {
        &self.ecn
    }

    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight
    }

    pub(crate) fn window(&self) -> u64 {
        self.congestion.window()
    }

    pub(crate) fn threshold(&self) -> u64 {
        self.congestion.threshold()
    }

    pub(crate) fn datagram_size(&self) -> u16 {
        self.datagram
    }

    /// How many full datagrams the window holds.
    pub(super) fn window_in_packets(&self) -> u64 {
        let packets = self.window().checked_div(self.datagram.into());
        packets.unwrap_or_default()
    }

    /// Datagrams have another size from now on. With `restart` the window begins anew: for a size that was lowered to get a handshake through.
    pub(crate) fn set_datagram_size(&mut self, size: u16, restart: bool) {
        self.datagram = size;
        self.congestion.set_datagram_size(size, restart);
    }

    /// Whether the window and the pace let `bytes` go.
    pub(super) fn gate(&mut self, bytes: u64, now: Duration) -> Gate {
        // rfc9002#7-2
        if self.in_flight.saturating_add(bytes) > self.window() && !self.extra {
            self.used_at = Some(now);
            return Gate::Closed;
        }
        match self.pacer.blocked_until(now) {
            Some(until) => {
                self.used_at = Some(now);
                Gate::Until(until)
            }
            None => Gate::Open,
        }
    }

    /// A packet in flight is sent.
    pub(super) fn on_sent(&mut self, now: Duration, bytes: u64, timeout: Duration) {
        if self.in_flight == 0 {
            let idle = self
                .last_sent
                .map_or(Duration::ZERO, |last| now.saturating_sub(last));
            let timeouts = idle.as_nanos().checked_div(timeout.as_nanos());
            let timeouts = timeouts.and_then(|timeouts| u32::try_from(timeouts).ok());
            self.congestion
                .on_restart(now, timeouts.unwrap_or(u32::MAX));
        }
        self.last_sent = Some(now);
        // rfc9002#7.5-2
        self.in_flight = self.in_flight.saturating_add(bytes);
        self.extra = false;
        if self.in_flight.saturating_add(self.datagram.into()) > self.window() {
            self.used_at = Some(now);
        }
        let pace = Pace {
            window: self.window(),
            rtt: self.rtt.smoothed(),
            slow_start: self.window() < self.threshold(),
            datagram: self.datagram.into(),
        };
        self.pacer.on_sent(now, bytes, &pace);
    }

    /// A packet in flight was acknowledged that was taken out of flight before.
    pub(super) fn on_acked(&mut self, now: Duration, sent_at: Duration, bytes: u64) {
        self.congestion.on_ack(&Acked {
            now,
            sent_at,
            bytes,
            underused: self.used_at.is_none_or(|used| used < sent_at),
            rtt: self.rtt.smoothed(),
        });
    }

    pub(super) fn on_sample(&mut self, now: Duration, sent_at: Duration) {
        let latest = self.rtt.latest();
        self.congestion.on_sample(now, sent_at, latest);
    }

    /// True if a recovery period begins.
    pub(super) fn on_congestion(&mut self, now: Duration, sent_at: Duration) -> bool {
        let begins = self.congestion.on_congestion(now, sent_at);
        self.extra |= begins;
        begins
    }

    pub(super) fn on_persistent_congestion(&mut self) {
        self.congestion.on_persistent_congestion();
        self.rtt.forget_min();
    }

    pub(super) fn on_spurious_congestion(&mut self, now: Duration) {
        self.congestion.on_spurious_congestion(now);
    }

    pub(super) fn leave_flight(&mut self, bytes: u64) {
        self.in_flight = self.in_flight.saturating_sub(bytes);
    }
}
