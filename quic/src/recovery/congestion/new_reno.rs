//! NewReno as RFC 9002 section 7.3 has it: doubling in slow start, one datagram for each window after that, half on congestion.

use core::time::Duration;

use super::{Acked, Controller, Window};

/// The controller of RFC 9002.
#[derive(Debug)]
pub(crate) struct NewReno {
    pub(super) window: Window,
    /// Bytes acknowledged since congestion avoidance last grew the window.
    acked: u64,
    /// The window before the last recovery period, and its threshold.
    before: Option<(u64, u64)>,
}

impl NewReno {
    pub(crate) fn new(datagram: u16) -> Self {
        Self {
            window: Window::new(datagram),
            acked: 0,
            before: None,
        }
    }
}

impl Controller for NewReno {
    fn window(&self) -> u64 {
        self.window.bytes
    }

    fn threshold(&self) -> u64 {
        self.window.threshold
    }

    fn on_ack(&mut self, acked: &Acked) {
        if self.window.in_recovery(acked.sent_at) || acked.underused {
            return;
        }
        if self.window.is_slow_start() {
            self.window.grow(acked.bytes);
            return;
        }
        self.acked = self.acked.saturating_add(acked.bytes);
        // rfc9002#7.3.3-1
        if let Some(rest) = self.acked.checked_sub(self.window.bytes) {
            self.acked = rest;
            self.window.grow(self.window.datagram);
        }
    }

    fn on_sample(&mut self, _now: Duration, _sent_at: Duration, _rtt: Duration) {}

    fn on_congestion(&mut self, now: Duration, sent_at: Duration) -> bool {
        if self.window.in_recovery(sent_at) {
            return false;
        }
        self.before = Some((self.window.bytes, self.window.threshold));
        self.acked = 0;
        // rfc9002#7.3.2-1
        self.window.reduce(now, 1, 2);
        true
    }

    fn on_persistent_congestion(&mut self) {
        self.before = None;
        self.acked = 0;
        self.window.collapse();
    }

    fn on_spurious_congestion(&mut self, _now: Duration) {
        if let Some((bytes, threshold)) = self.before.take() {
            self.window.bytes = self.window.bytes.max(bytes);
            self.window.threshold = threshold;
            self.window.recovery_start = None;
        }
    }

    fn on_restart(&mut self, _now: Duration, timeouts: u32) {
        if self.window.wear(timeouts) {
            self.before = None;
        }
    }

    fn set_datagram_size(&mut self, size: u16, restart: bool) {
        self.window.set_datagram_size(size, restart);
    }

    fn fresh(&self, size: u16) -> Box<dyn Controller> {
        Box::new(Self::new(size))
    }
}
