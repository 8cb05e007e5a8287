//! Congestion control (RFC 9002 section 7): how many bytes may be in flight on a path.
//!
//! A [`Controller`] hears what became of packets and answers with a window. It counts nothing in flight and sets no timer; the path does
//! ([`super::path`]). What all controllers share is the [`Window`]: its bounds, the recovery period, and what an idle path or another
//! datagram size does to it.

mod cubic;
mod hystart;
mod new_reno;
#[cfg(test)]
mod tests;

use core::fmt;
use core::time::Duration;

pub(crate) use cubic::Cubic;
pub(crate) use new_reno::NewReno;

/// Decides how many bytes may be in flight.
pub(crate) trait Controller: fmt::Debug + Send {
    /// The congestion window in bytes, never below two datagrams.
    fn window(&self) -> u64;

    /// The slow start threshold in bytes; `u64::MAX` until there is one. Slow start is when the window is below.
    fn threshold(&self) -> u64;

    /// A packet was acknowledged.
    fn on_ack(&mut self, acked: &Acked);

    /// The round trip of the largest packet that an ACK frame acknowledged, which was sent at `sent_at`.
    fn on_sample(&mut self, now: Duration, sent_at: Duration, rtt: Duration);

    /// A packet that was sent at `sent_at` is lost, or the peer reports more ECN-CE marks. True if that starts a recovery period.
    fn on_congestion(&mut self, now: Duration, sent_at: Duration) -> bool;

    /// Nothing got through for a long time.
    fn on_persistent_congestion(&mut self);

    /// All the losses that started the last recovery period were none: the packets had arrived.
    fn on_spurious_congestion(&mut self, now: Duration);

    /// A packet is sent while nothing is in flight, and nothing was sent for this many probe timeouts.
    fn on_restart(&mut self, now: Duration, timeouts: u32);

    /// Datagrams have another size from now on. With `restart` the window begins anew, since nothing has got through with the old one.
    #[allow(dead_code, reason = "for path MTU discovery, which is to come")]
    fn set_datagram_size(&mut self, size: u16, restart: bool);

    /// A controller of the same kind for a new path.
    fn fresh(&self, size: u16) -> Box<dyn Controller>;
}

/// A packet that was acknowledged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Acked {
    pub(crate) now: Duration,
    pub(crate) sent_at: Duration,
    pub(crate) bytes: u64,
    /// Whether the window was not in use: then it does not grow (RFC 9002 section 7.8).
    pub(crate) underused: bool,
    /// The smoothed round trip.
    pub(crate) rtt: Duration,
}

/// A congestion window and the state of Figure 1 of RFC 9002: slow start below the threshold, a recovery period for what was sent before its
/// start, else congestion avoidance.
#[derive(Debug, Clone)]
struct Window {
    bytes: u64,
    threshold: u64,
    /// Bytes of a full datagram.
    datagram: u64,
    recovery_start: Option<Duration>,
}

impl Window {
    fn new(datagram: u16) -> Self {
        let datagram = u64::from(datagram);
        Self {
            bytes: initial(datagram),
            threshold: u64::MAX,
            datagram,
            recovery_start: None,
        }
    }

    fn minimum(&self) -> u64 {
        self.datagram.saturating_mul(MINIMUM_DATAGRAMS)
    }

    fn is_slow_start(&self) -> bool {
        self.bytes < self.threshold
    }

    /// Whether a packet was sent before the recovery period began.
    fn in_recovery(&self, sent_at: Duration) -> bool {
        self.recovery_start.is_some_and(|start| sent_at <= start)
    }

    fn grow(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Starts a recovery period and leaves `numerator / denominator` of the window.
    fn reduce(&mut self, now: Duration, numerator: u64, denominator: u64) {
        // rfc9002#7.3.1-1, rfc9002#7.3.2-2: at once, not gradually.
        self.recovery_start = Some(now);
        self.bytes = scaled(self.bytes, numerator, denominator).max(self.minimum());
        self.threshold = self.bytes;
    }

    /// Nothing but the smallest window; slow start up to the threshold of the last loss.
    fn collapse(&mut self) {
        // rfc9002#7.6.2-2
        self.bytes = self.minimum();
        self.recovery_start = None;
    }

    /// Halves the window for each timeout that the path was idle, down to the initial one: what was known of the path wears out. Slow start leads back to
    /// three quarters of it. True if anything changed.
    fn wear(&mut self, timeouts: u32) -> bool {
        let before = self.bytes;
        let floor = before.min(initial(self.datagram));
        self.bytes = before.checked_shr(timeouts).unwrap_or(0).max(floor);
        let changed = self.bytes < before;
        if changed && self.threshold != u64::MAX {
            self.threshold = self.threshold.max(scaled(before, 3, 4));
        }
        changed
    }

    #[allow(dead_code, reason = "for path MTU discovery, which is to come")]
    fn set_datagram_size(&mut self, size: u16, restart: bool) {
        let untouched = self.bytes == initial(self.datagram) && self.threshold == u64::MAX;
        self.datagram = u64::from(size);
        if untouched || restart {
            self.bytes = initial(self.datagram);
        }
        self.bytes = self.bytes.max(self.minimum());
    }
}

/// The initial window (RFC 9002 section 7.2): ten datagrams, but no more than 14,720 bytes unless that is less than two.
pub(crate) fn initial(datagram: u64) -> u64 {
    let limit = datagram
        .saturating_mul(MINIMUM_DATAGRAMS)
        .max(INITIAL_BYTES);
    datagram.saturating_mul(INITIAL_DATAGRAMS).min(limit)
}

/// `value * numerator / denominator`, without overflow on the way.
fn scaled(value: u64, numerator: u64, denominator: u64) -> u64 {
    let product = u128::from(value).saturating_mul(u128::from(numerator));
    let quotient = product.checked_div(u128::from(denominator));
    quotient.map_or(u64::MAX, |quotient| {
        u64::try_from(quotient).unwrap_or(u64::MAX)
    })
}

const INITIAL_DATAGRAMS: u64 = 10;
const INITIAL_BYTES: u64 = 14_720;
const MINIMUM_DATAGRAMS: u64 = 2;
