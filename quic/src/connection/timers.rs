//! The timers of a connection that are no component's own: idle timeout, handshake deadline, keep-alive, and when old keys go.
//!
//! Nothing is armed or cancelled: each timer is computed from state when somebody asks for it.

use core::time::Duration;

/// Everything that waits for a moment, in the order in which it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timer {
    /// The end of closing and draining.
    Close,
    Handshake,
    Idle,
    KeepAlive,
    /// A server from which more is to come has fallen silent.
    Silence,
    /// Loss detection and probe timeouts.
    Recovery,
    /// An ACK frame is due.
    Ack,
    /// The pace lets the next packet go.
    Pace,
    /// A path is asked again whether the peer is there, was asked in vain, or is needed no more.
    Path,
    /// Keys from before a key update go.
    OldKeys,
    /// Keys of early data go.
    EarlyKeys,
    /// Packets that came before their keys go.
    Held,
    /// What a connection can do without in which nothing happens goes.
    Rest,
}

impl Timer {
    pub(crate) const ALL: [Self; 13] = [
        Self::Close,
        Self::Handshake,
        Self::Idle,
        Self::KeepAlive,
        Self::Silence,
        Self::Recovery,
        Self::Ack,
        Self::Pace,
        Self::Path,
        Self::OldKeys,
        Self::EarlyKeys,
        Self::Held,
        Self::Rest,
    ];
}

/// When something last happened (RFC 9000 section 10.1).
#[derive(Debug)]
pub(crate) struct Activity {
    /// When the idle timeout begins to run.
    since: Duration,
    /// Whether something that elicits an acknowledgment was sent since the last packet came.
    sent: bool,
    last_sent: Duration,
    received: Duration,
    /// How often the peer was asked for a sign of life since it spoke last; [`NOTHING`] if nothing is to come.
    asks: u8,
}

impl Activity {
    pub(crate) fn new(now: Duration) -> Self {
        Self {
            since: now,
            sent: false,
            last_sent: now,
            received: now,
            asks: NOTHING,
        }
    }

    /// A packet of the peer was processed.
    pub(crate) fn on_received(&mut self, now: Duration, eliciting: bool) {
        self.since = now;
        self.received = now;
        self.sent = false;
        if eliciting {
            self.asks = 0;
        }
    }

    /// A packet that elicits an acknowledgment was sent: the first since one came counts, or an idle connection would never time out on
    /// probes that nobody answers.
    pub(crate) fn on_sent(&mut self, now: Duration) {
        if !self.sent {
            self.since = now;
        }
        self.sent = true;
        self.last_sent = now;
        if self.asks == NOTHING {
            self.asks = 0;
        }
    }

    /// When nothing has happened for so long that the peer's own probes, if there are any, do not arrive. Whoever waits for data has nothing in flight
    /// that would time out: behind a NAT that has forgotten it, it would wait until the end. Four times as long each time, so that this keeps nothing alive.
    pub(crate) fn silence_deadline(&self, probe_timeout: Duration) -> Option<Duration> {
        let longer = 4_u32.saturating_pow(self.asks.into());
        let silence = probe_timeout.saturating_mul(PROBES).saturating_mul(longer);
        (self.asks != NOTHING).then(|| self.last().saturating_add(silence))
    }

    /// The time has come: the peer is asked, if there is something to come.
    pub(crate) fn on_silence(&mut self, asks: bool) {
        self.asks = if asks {
            self.asks.saturating_add(1).min(MOST_ASKS)
        } else {
            NOTHING
        };
    }

    /// When the connection is idle for too long (rfc9000#10.1-1): `probe_timeout` makes short timeouts longer.
    pub(crate) fn idle_deadline(
        &self,
        timeout: Option<Duration>,
        probe_timeout: Duration,
    ) -> Option<Duration> {
        let timeout = timeout?.max(probe_timeout.saturating_mul(PROBES));
        Some(self.since.saturating_add(timeout))
    }

    /// When a connection in which nothing happens shall send something.
    pub(crate) fn keep_alive_deadline(&self, interval: Option<Duration>) -> Option<Duration> {
        Some(self.last().saturating_add(interval?))
    }

    /// When nothing has happened for so long.
    pub(crate) fn quiet_since(&self, time: Duration) -> Duration {
        self.last().saturating_add(time)
    }

    fn last(&self) -> Duration {
        self.last_sent.max(self.received)
    }
}

/// The idle timeout that holds on both sides: the lower of two, or the one that there is (RFC 9000 section 10.1).
pub(crate) fn idle_timeout(ours: Option<Duration>, theirs: Option<Duration>) -> Option<Duration> {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
        (one, other) => one.or(other),
    }
}

/// So many probes fit into any idle timeout.
const PROBES: u32 = 3;

/// Nobody is asked.
const NOTHING: u8 = u8::MAX;

/// From then on the time between two stays: days at the least.
const MOST_ASKS: u8 = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_lower_idle_timeout_holds() {
        let rows = [
            (None, None, None),
            (Some(5), None, Some(5)),
            (None, Some(6), Some(6)),
            (Some(5), Some(6), Some(5)),
            (Some(7), Some(6), Some(6)),
        ];
        for (ours, theirs, want) in rows {
            let got = idle_timeout(ours.map(s), theirs.map(s));
            assert_eq!(got, want.map(s), "{ours:?} {theirs:?}");
        }
    }

    #[test]
    fn idleness_counts_from_what_came_and_the_first_that_was_sent_after() {
        let mut activity = Activity::new(s(0));
        let idle = |activity: &Activity| activity.idle_deadline(Some(s(30)), s(1)).unwrap();
        assert_eq!(idle(&activity), s(30));
        activity.on_sent(s(5));
        assert_eq!(idle(&activity), s(35));
        activity.on_sent(s(6));
        assert_eq!(idle(&activity), s(35), "a probe changes nothing");
        activity.on_received(s(7), false);
        assert_eq!(idle(&activity), s(37));
        activity.on_sent(s(8));
        assert_eq!(idle(&activity), s(38));
        assert_eq!(activity.idle_deadline(Some(s(30)), s(11)), Some(s(41)));
        assert_eq!(activity.idle_deadline(None, s(11)), None);
    }

    #[test]
    fn who_waits_for_data_asks_ever_more_rarely() {
        let mut activity = Activity::new(s(0));
        let silence = |activity: &Activity| activity.silence_deadline(s(2));
        assert_eq!(silence(&activity), None, "nothing was said");
        activity.on_sent(s(1));
        activity.on_received(s(2), false);
        assert_eq!(silence(&activity), Some(s(8)), "a request was acknowledged");
        activity.on_silence(true);
        activity.on_sent(s(8));
        activity.on_received(s(9), false);
        assert_eq!(silence(&activity), Some(s(9 + 24)));
        activity.on_silence(true);
        assert_eq!(silence(&activity), Some(s(9 + 96)));
        activity.on_received(s(10), true);
        assert_eq!(silence(&activity), Some(s(16)));
        activity.on_silence(false);
        activity.on_received(s(17), false);
        assert_eq!(silence(&activity), None, "nothing is to come");
        for _ in 0..300 {
            activity.on_silence(true);
        }
        assert!(silence(&activity) > Some(s(1 << 20)));
    }

    #[test]
    fn a_connection_is_kept_alive_after_silence() {
        let mut activity = Activity::new(s(0));
        assert_eq!(activity.keep_alive_deadline(Some(s(10))), Some(s(10)));
        activity.on_received(s(4), true);
        assert_eq!(activity.keep_alive_deadline(Some(s(10))), Some(s(14)));
        activity.on_sent(s(6));
        activity.on_sent(s(9));
        assert_eq!(activity.keep_alive_deadline(Some(s(10))), Some(s(19)));
        assert_eq!(activity.keep_alive_deadline(None), None);
    }
}
