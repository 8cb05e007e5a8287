//! When 1-RTT keys are updated (RFC 9001 section 6): the keys themselves say whether they may, time says whether they should.

use core::time::Duration;

/// Which updates are wanted, and what waits for time to pass.
#[derive(Debug, Default)]
pub(crate) struct KeyUpdates {
    /// The application asked for one.
    wanted: bool,
    /// An update that the peer has not confirmed.
    unconfirmed: bool,
    /// Not before then: the peer may hold keys from before the last one for packets that are late.
    not_before: Option<Duration>,
    /// When keys from before the peer's last update go.
    drop_previous: Option<Duration>,
    /// The generation of the peer's packets, and that of this side's.
    generation: u64,
    sending: u64,
}

impl KeyUpdates {
    pub(crate) fn want(&mut self) {
        self.wanted = true;
    }

    /// Whether it is time to update, if the keys allow it: because somebody wants to, or the keys are `worn`. Where it is `urgent` no time is
    /// left to wait.
    pub(crate) fn is_due(&self, worn: bool, urgent: bool, now: Duration) -> bool {
        let waited = urgent || self.not_before.is_none_or(|at| at <= now);
        (self.wanted || worn) && !self.unconfirmed && waited
    }

    /// This side has updated.
    pub(crate) fn on_update(&mut self) {
        self.wanted = false;
        self.unconfirmed = true;
        self.sending = self.sending.saturating_add(1);
    }

    /// The peer has acknowledged a packet under the newest keys.
    pub(crate) fn on_confirmed(&mut self, now: Duration, probe_timeout: Duration) {
        if core::mem::take(&mut self.unconfirmed) {
            self.not_before = Some(now.saturating_add(probe_timeout.saturating_mul(TIMEOUTS)));
        }
    }

    /// A packet of the peer opened that is of this generation. True if the peer has updated first, and this side followed.
    pub(crate) fn on_received(
        &mut self,
        generation: u64,
        now: Duration,
        probe_timeout: Duration,
    ) -> bool {
        if generation <= self.generation {
            return false;
        }
        self.generation = generation;
        self.drop_previous = Some(now.saturating_add(probe_timeout.saturating_mul(TIMEOUTS)));
        let followed = generation > self.sending;
        if followed {
            self.sending = generation;
            self.unconfirmed = true;
        }
        followed
    }

    /// When keys from before the last update are to be dropped.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.drop_previous
    }

    pub(crate) fn on_dropped(&mut self) {
        self.drop_previous = None;
    }
}

/// RFC 9001 section 6.5 has these probe timeouts, twice.
const TIMEOUTS: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn updates_wait_for_the_peer_and_three_timeouts_more() {
        let mut updates = KeyUpdates::default();
        let due = |updates: &KeyUpdates, worn, now| updates.is_due(worn, false, ms(now));
        assert!(!due(&updates, false, 0) && due(&updates, true, 0));
        updates.want();
        assert!(due(&updates, false, 0));
        updates.on_update();
        assert!(!updates.is_due(true, true, ms(9000)));
        updates.on_confirmed(ms(100), ms(10));
        assert!(!due(&updates, true, 129) && due(&updates, true, 130));
        assert!(updates.is_due(true, true, ms(129)), "no time to wait");
        assert!(!due(&updates, false, 130));
        updates.on_confirmed(ms(500), ms(10));
        assert!(
            due(&updates, true, 130),
            "only the first acknowledgment counts"
        );
    }

    #[test]
    fn keys_from_before_the_peers_update_go_after_three_timeouts() {
        let mut updates = KeyUpdates::default();
        assert!(!updates.on_received(0, ms(0), ms(10)) && updates.deadline().is_none());
        assert!(updates.on_received(1, ms(5), ms(10)));
        assert!(!updates.on_received(1, ms(6), ms(10)));
        assert!(!updates.on_received(0, ms(7), ms(10)));
        assert_eq!(updates.deadline(), Some(ms(35)));
        let early = updates.is_due(true, true, ms(9000));
        assert!(!early, "until the peer knows that this side followed");
        updates.on_dropped();
        assert_eq!(updates.deadline(), None);
        // An answer to this side's own update is none that it follows.
        updates.on_confirmed(ms(40), ms(10));
        updates.on_update();
        updates.on_confirmed(ms(90), ms(10));
        assert!(!updates.on_received(2, ms(95), ms(10)));
        assert_eq!(updates.deadline(), Some(ms(125)));
        assert!(updates.is_due(true, false, ms(120)));
    }
}
