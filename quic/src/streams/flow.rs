//! Flow control of one stream or of a connection, in both directions (RFC 9000 section 4).
//!
//! [`RecvFlow`] is what this side has allowed: it grants credit when the application has consumed what came, never for offsets or ids alone
//! (attack A29), and never waits to be asked for it (rfc9000#4.2-1). Its window doubles while the application consumes half of it in less than two round trips,
//! up to a cap. [`SendFlow`] is what the peer has allowed.

use core::time::Duration;

use crate::limits;

/// What this side has allowed, what came and what was consumed.
#[derive(Debug)]
pub(crate) struct RecvFlow {
    /// What the peer was told.
    limit: u64,
    window: u64,
    cap: u64,
    /// No limit may be higher.
    ceiling: u64,
    /// The largest offset, or the sum of those of all streams.
    received: u64,
    consumed: u64,
    /// Since when, and from how much on, consumption is measured.
    epoch: Option<(Duration, u64)>,
}

/// What the peer has allowed, and what was sent.
#[derive(Debug, Default)]
pub(crate) struct SendFlow {
    limit: u64,
    used: u64,
    /// The limit at which a frame said that this side is blocked.
    told: Option<u64>,
    /// The limit at which the application wanted more: for streams, of which nobody knows otherwise.
    wanted: Option<u64>,
}

/// More came than was allowed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Exceeded;

impl RecvFlow {
    /// Allows `window` at once. Neither it nor `cap`, up to which it grows, exceeds what can be numbered.
    pub(crate) fn new(window: u64, cap: u64) -> Self {
        let window = window.min(limits::VARINT);
        Self {
            limit: window,
            window,
            cap: cap.clamp(window, limits::VARINT),
            ceiling: limits::VARINT,
            received: 0,
            consumed: 0,
            epoch: None,
        }
    }

    /// Allows so many streams at once, for good.
    pub(crate) fn streams(window: u64) -> Self {
        let window = window.min(limits::STREAMS);
        Self {
            ceiling: limits::STREAMS,
            ..Self::new(window, window)
        }
    }

    /// Counts bytes that the peer has sent, whether they came or not.
    pub(crate) fn receive(&mut self, more: u64) -> Result<(), Exceeded> {
        let received = self.received.checked_add(more).ok_or(Exceeded)?;
        if received > self.limit {
            return Err(Exceeded);
        }
        self.received = received;
        Ok(())
    }

    /// Counts bytes that are out of the way: read, or dropped for good.
    pub(crate) fn consume(&mut self, bytes: u64) {
        self.consumed = self.consumed.saturating_add(bytes).min(self.received);
    }

    /// Whether so much was consumed that the peer should hear of it: a quarter of the window, or as much as the peer has left. The latter
    /// matters where others' unread data fills the window.
    pub(crate) fn is_due(&self) -> bool {
        self.is_due_from(self.window >> 4)
    }

    /// The same for a count of streams, of which even one is worth a frame to a peer that has none left, asked for or not (rfc9000#4.6-5).
    pub(crate) fn is_due_for_streams(&self) -> bool {
        self.is_due_from(1)
    }

    fn is_due_from(&self, least: u64) -> bool {
        let raise = self.target().saturating_sub(self.limit);
        let left = self.limit.saturating_sub(self.received);
        raise > 0 && raise >= left.max(least).min(self.window >> 2)
    }

    /// The limit to tell the peer now.
    pub(crate) fn update(&mut self, now: Duration, rtt: Duration) -> u64 {
        match self.epoch {
            Some((since, from)) => {
                let consumed = self.consumed.saturating_sub(from);
                if consumed >= self.window >> 1 {
                    let elapsed = now.saturating_sub(since);
                    if elapsed < rtt.saturating_mul(2) {
                        self.window = self.window.saturating_mul(2).min(self.cap);
                    }
                    self.epoch = Some((now, self.consumed));
                }
            }
            None => self.epoch = Some((now, self.consumed)),
        }
        self.limit = self.limit.max(self.target());
        self.limit
    }

    fn target(&self) -> u64 {
        self.consumed.saturating_add(self.window).min(self.ceiling)
    }

    #[cfg(test)]
    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    pub(crate) fn window(&self) -> u64 {
        self.window
    }

    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// How much came and was not consumed.
    pub(crate) fn unconsumed(&self) -> u64 {
        self.received.saturating_sub(self.consumed)
    }
}

impl SendFlow {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            limit,
            used: 0,
            told: None,
            wanted: None,
        }
    }

    /// How much more may be sent.
    pub(crate) fn available(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    pub(crate) fn spend(&mut self, bytes: u64) {
        self.used = self.used.saturating_add(bytes);
    }

    /// A limit that is no higher changes nothing (rfc9000#4.1-3, rfc9000#4.6-4, rfc9000#19.11-2). Says whether it was higher.
    pub(crate) fn raise(&mut self, limit: u64) -> bool {
        let higher = limit > self.limit;
        self.limit = self.limit.max(limit);
        higher
    }

    /// Whether this side is blocked and has not said so yet.
    pub(crate) fn is_untold(&self) -> bool {
        self.available() == 0 && self.told != Some(self.limit)
    }

    /// A frame says that this side is blocked at this limit.
    pub(crate) fn tell(&mut self) {
        self.told = Some(self.limit);
    }

    /// That frame was lost, or is to be repeated.
    pub(crate) fn untell(&mut self) {
        self.told = None;
    }

    pub(crate) fn used(&self) -> u64 {
        self.used
    }

    /// The application wants more than is allowed.
    pub(crate) fn want(&mut self) {
        self.wanted = Some(self.limit);
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.available() == 0 && self.wanted == Some(self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(100);

    #[test]
    fn more_than_the_flow_limit_is_refused() {
        let mut flow = RecvFlow::new(1000, 1000);
        assert_eq!(flow.receive(1000), Ok(()));
        assert_eq!(flow.receive(1), Err(Exceeded));
        assert_eq!(flow.receive(u64::MAX), Err(Exceeded));
        flow.consume(500);
        assert_eq!(flow.update(Duration::ZERO, RTT), 1500);
        assert_eq!(flow.receive(500), Ok(()));
        assert_eq!(flow.receive(1), Err(Exceeded));
    }

    #[test]
    fn flow_credit_is_due_by_what_was_consumed() {
        // (name, received, consumed, due), of a window of 1600.
        let rows = [
            ("nothing", 0, 0, false),
            ("received alone", 1600, 0, false),
            ("less than a quarter", 399, 399, false),
            ("a quarter", 400, 400, true),
            ("as much as is left", 1500, 100, true),
            ("less than is left", 1400, 150, false),
            ("too little to be worth a frame", 1600, 99, false),
            ("a sixteenth with nothing left", 1600, 100, true),
        ];
        for (name, received, consumed, due) in rows {
            let mut flow = RecvFlow::new(1600, 1600);
            flow.receive(received).unwrap();
            flow.consume(consumed);
            assert_eq!(flow.is_due(), due, "{name}");
        }
        let mut one = RecvFlow::new(1, 1);
        one.receive(1).unwrap();
        one.consume(1);
        assert!(one.is_due());
        let mut none = RecvFlow::new(0, 0);
        none.consume(1);
        assert!(!none.is_due());
    }

    /// A sender that uses all credit and an application that reads at once, in rounds of one round-trip time, `speed` bytes a round.
    fn window_after(rounds: u64, speed: u64) -> u64 {
        let mut flow = RecvFlow::new(limits::STREAM_WINDOW, limits::STREAM_WINDOW_MAX);
        for round in 0..rounds {
            for step in 0..50_u64 {
                let now = RTT * u32::try_from(round).unwrap() + RTT * (step as u32) / 50;
                let bytes = (speed / 50).min(flow.limit() - flow.received());
                flow.receive(bytes).unwrap();
                flow.consume(bytes);
                if flow.is_due() {
                    flow.update(now, RTT);
                }
            }
        }
        flow.window()
    }

    #[test]
    fn the_flow_window_grows_with_speed_to_the_cap_and_no_further() {
        let window = limits::STREAM_WINDOW;
        // Consumption of less than a quarter of the window a round trip leaves it.
        assert_eq!(window_after(100, window / 5), window);
        assert_eq!(window_after(100, window), window * 4);
        // 1 Gbit/s: 12.5 MB each 100 ms.
        let fast = window_after(100, 12_500_000);
        assert!(fast >= 2 * 12_500_000, "{fast}");
        assert_eq!(window_after(100, u64::MAX >> 8), limits::STREAM_WINDOW_MAX);
    }

    #[test]
    fn a_fast_long_path_is_not_bound_by_the_default_flow_windows() {
        // 250 ms and 1 Gbit/s in steps of 1 ms: updates take half a round trip back, data half a round trip there, and slow start
        // doubles until the path is full. From the fifth second on the sender must not once be out of credit.
        const STEPS: usize = 10_000;
        const LINE: u64 = 125_000;
        let rtt = Duration::from_millis(250);
        let mut flow = RecvFlow::new(limits::CONNECTION_WINDOW, limits::STREAM_WINDOW_MAX);
        let mut arrivals = vec![0_u64; STEPS + 400];
        let mut updates = vec![0_u64; STEPS + 400];
        let (mut credit, mut sent, mut speed, mut starved) = (flow.limit(), 0, 1000.0_f64, 0);
        for step in 0..STEPS {
            flow.receive(arrivals[step]).unwrap();
            flow.consume(arrivals[step]);
            if flow.is_due() {
                updates[step + 125] = flow.update(Duration::from_millis(step as u64), rtt);
            }
            credit = credit.max(updates[step]);
            speed = (speed * 2_f64.powf(1.0 / 250.0)).min(LINE as f64);
            let bytes = (speed as u64).min(credit - sent);
            if step > 5_000 && bytes < LINE {
                starved += 1;
            }
            sent += bytes;
            arrivals[step + 125] = bytes;
        }
        assert_eq!(starved, 0);
        assert!(flow.window() <= limits::STREAM_WINDOW_MAX);
    }

    #[test]
    fn being_blocked_is_told_once_for_each_flow_limit() {
        let mut flow = SendFlow::new(10);
        assert!(!flow.is_untold());
        flow.spend(10);
        assert!(flow.is_untold());
        flow.tell();
        assert!(!flow.is_untold());
        assert!(!flow.raise(10) && !flow.raise(9) && !flow.is_untold());
        assert!(flow.raise(11) && !flow.is_untold());
        flow.spend(1);
        assert!(flow.is_untold());
        flow.tell();
        flow.untell();
        assert!(flow.is_untold());
    }
}
