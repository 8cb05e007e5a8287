//! Pacing (RFC 9002 section 7.7): spreads a window over a round trip, in bursts that are worth a system call.
//!
//! A leaky bucket, kept as time: each packet adds the time it would take at the pace, and time takes it away again. No rate is stored, so a change
//! of the window or the round trip counts from the next packet on, and there is nothing that could drift. Once the bucket is full, packets wait until a
//! whole burst may go. The bucket holds at least what the pace lets through in two milliseconds, for timers fire no more finely than that; so where
//! the round trip is shorter than about two milliseconds, it holds more than the window and never fills.

use core::time::Duration;

use crate::limits;

/// The bucket of one path.
#[derive(Debug, Default)]
pub(crate) struct Pacer {
    /// How much time the bucket holds, at `counted`: nanoseconds, which cost far less to reckon with than a `Duration`.
    held: u64,
    counted: Duration,
    release: Duration,
}

/// From what the pace follows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) window: u64,
    pub(crate) rtt: Duration,
    pub(crate) slow_start: bool,
    /// Bytes of a full datagram.
    pub(crate) datagram: u64,
}

impl Pacer {
    /// Until when no packet may be sent, if that is later than `now`.
    pub(crate) fn blocked_until(&self, now: Duration) -> Option<Duration> {
        Some(self.release).filter(|release| *release > now)
    }

    /// A packet of `bytes` is sent.
    pub(crate) fn on_sent(&mut self, now: Duration, bytes: u64, pace: &Pace) {
        let passed = nanos(now.saturating_sub(self.counted));
        self.counted = self.counted.max(now);
        // A division for each packet is what can be afforded: the rest follows from it.
        let datagram = pace.time(pace.datagram);
        let capacity = datagram
            .saturating_mul(limits::BURST.into())
            .max(nanos(TIMER).saturating_mul(2));
        let added = if bytes == pace.datagram {
            datagram
        } else {
            pace.time(bytes)
        };
        // What was sent at the pace of a guess, before the first round trip, is no debt at a faster one.
        let held = self.held.saturating_sub(passed).min(capacity);
        self.held = held.saturating_add(added);
        let next = self.held.saturating_add(datagram);
        // rfc9002#7.7-1
        if next > capacity {
            let quantum = pace.time(pace.quantum());
            let wait = self.held.saturating_add(quantum).saturating_sub(capacity);
            self.release = now.saturating_add(Duration::from_nanos(wait));
        }
    }
}

impl Pace {
    /// How many nanoseconds so many bytes take.
    fn time(&self, bytes: u64) -> u64 {
        let (numerator, denominator) = self.gain();
        let work = nanos(self.rtt)
            .checked_mul(bytes)
            .and_then(|work| work.checked_mul(denominator));
        let pace = self.window.checked_mul(numerator);
        if let (Some(work), Some(pace)) = (work, pace) {
            return work.checked_div(pace).unwrap_or_default();
        }
        // Some hours of round trip, or as many bytes as nobody sends at once.
        let time = self
            .rtt
            .as_nanos()
            .saturating_mul(bytes.into())
            .saturating_mul(denominator.into())
            .checked_div(u128::from(self.window).saturating_mul(numerator.into()))
            .unwrap_or_default();
        u64::try_from(time).unwrap_or(u64::MAX)
    }

    /// How many bytes go in so much time.
    fn bytes(&self, time: Duration) -> u64 {
        let (numerator, denominator) = self.gain();
        let bytes = time
            .as_nanos()
            .saturating_mul(self.window.into())
            .saturating_mul(numerator.into())
            .checked_div(self.rtt.as_nanos().saturating_mul(denominator.into()));
        bytes.map_or(u64::MAX, |bytes| u64::try_from(bytes).unwrap_or(u64::MAX))
    }

    /// Slow start doubles the window within a round trip, so it is paced at twice the window.
    fn gain(&self) -> (u64, u64) {
        if self.slow_start { (2, 1) } else { (5, 4) }
    }

    /// The longest burst.
    fn capacity(&self) -> u64 {
        self.burst().max(self.bytes(TIMER.saturating_mul(2)))
    }

    /// What a full bucket waits for: a burst, but a quarter of a small window, and as much as a timer's tick lets through.
    fn quantum(&self) -> u64 {
        let quarter = self.window.checked_div(4).unwrap_or_default();
        let quantum = self.burst().min(quarter).max(self.bytes(TIMER));
        quantum.clamp(self.datagram, self.capacity())
    }

    fn burst(&self) -> u64 {
        self.datagram.saturating_mul(limits::BURST.into())
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// How finely a timer fires.
const TIMER: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn pace(window: u64, rtt: Duration, slow_start: bool) -> Pace {
        Pace {
            window,
            rtt,
            slow_start,
            datagram: 1200,
        }
    }

    /// Sends as fast as it may for a time; the bursts as (when, datagrams).
    fn bursts(
        pacer: &mut Pacer,
        pace: &Pace,
        from: Duration,
        until: Duration,
    ) -> Vec<(Duration, u64)> {
        let mut now = from;
        let mut bursts = Vec::new();
        while now < until {
            let mut count = 0;
            while pacer.blocked_until(now).is_none() {
                pacer.on_sent(now, 1200, pace);
                count += 1;
                assert!(count <= 100_000, "no end");
            }
            bursts.push((now, count));
            now = pacer.blocked_until(now).unwrap();
        }
        bursts
    }

    #[test]
    fn recovery_pacer_sends_batches_at_the_pace() {
        // (name, window in datagrams, round trip, slow start, first burst, later bursts at most, datagrams in ten round trips)
        let rows = [
            ("small window", 10, ms(100), false, 10, 2, 125),
            ("small window in slow start", 10, ms(100), true, 10, 2, 200),
            ("batches", 100, ms(100), false, 10, 10, 1250),
            ("batches in slow start", 100, ms(100), true, 10, 10, 2000),
            (
                "a gigabit at 100 ms",
                10_000,
                ms(100),
                false,
                250,
                125,
                125_000,
            ),
            ("a short path", 20, ms(10), false, 10, 5, 250),
        ];
        for (name, window, rtt, slow_start, first, later, total) in rows {
            let pace = pace(window * 1200, rtt, slow_start);
            let bursts = bursts(&mut Pacer::default(), &pace, ms(1000), ms(1000) + rtt * 10);
            assert_eq!(bursts[0].1, first, "{name}");
            let most = bursts[1..].iter().map(|(_, count)| *count).max().unwrap();
            assert!(most <= later + 1, "{name}: {most}");
            let sum: u64 = bursts.iter().map(|(_, count)| count).sum();
            assert!(
                sum >= total && sum <= total + first + later,
                "{name}: {sum}"
            );
        }
    }

    #[test]
    fn recovery_pacer_does_not_drift() {
        // A thousand round trips of an odd length, at an odd window.
        let rtt = Duration::from_nanos(33_333_337);
        let pace = pace(99_991, rtt, false);
        let bursts = bursts(
            &mut Pacer::default(),
            &pace,
            ms(1000),
            ms(1000) + rtt * 1000,
        );
        let sum: u64 = bursts.iter().map(|(_, count)| count).sum();
        let want = 99_991 * 1000 * 5 / 4 / 1200;
        assert!(sum.abs_diff(want) <= 25, "{sum}, not {want}");
    }

    #[test]
    fn recovery_pacer_stays_out_of_the_way_of_short_round_trips() {
        for rtt in [
            Duration::ZERO,
            Duration::from_micros(50),
            ms(1),
            Duration::from_micros(1999),
        ] {
            let pace = pace(100 * 1200, rtt, false);
            let mut pacer = Pacer::default();
            for sent in 0..100 {
                assert_eq!(pacer.blocked_until(ms(5)), None, "{rtt:?}: {sent}");
                pacer.on_sent(ms(5), 1200, &pace);
            }
        }
    }

    #[test]
    fn recovery_pacer_after_a_pause_allows_one_burst() {
        let pace = pace(100 * 1200, ms(100), false);
        let mut pacer = Pacer::default();
        bursts(&mut pacer, &pace, ms(0), ms(500));
        let after = bursts(&mut pacer, &pace, ms(60_000), ms(60_001));
        assert_eq!(after, [(ms(60_000), 10)]);
    }

    #[test]
    fn recovery_pacer_owes_nothing_for_what_it_sent_by_a_guess() {
        let mut pacer = Pacer::default();
        let guess = pace(10 * 1200, ms(333), true);
        while pacer.blocked_until(ms(0)).is_none() {
            pacer.on_sent(ms(0), 1200, &guess);
        }
        // The round trip turns out to be a tenth: from then on it counts.
        let known = pace(10 * 1200, ms(33), true);
        let sent = bursts(&mut pacer, &known, ms(50), ms(50) + 3 * ms(33));
        let sent: u64 = sent.iter().map(|(_, count)| count).sum();
        assert!((50..=70).contains(&sent), "{sent}");
    }

    #[test]
    fn recovery_pacer_survives_extremes() {
        for window in [0, 1, u64::MAX] {
            for rtt in [Duration::ZERO, Duration::MAX] {
                let pace = pace(window, rtt, true);
                let mut pacer = Pacer::default();
                pacer.on_sent(Duration::MAX, u64::MAX, &pace);
                pacer.on_sent(Duration::ZERO, u64::MAX, &pace);
                pacer.blocked_until(Duration::ZERO);
            }
        }
    }

    #[test]
    fn a_pace_is_exact_however_slow_the_path() {
        // (name, window, round trip in ms, bytes, nanoseconds)
        let rows = [
            ("usual", 12_000, 50, 1200, 4_000_000),
            ("an hour", 12_000, 3_600_000, 1200, 288_000_000_000),
            ("a day", 12_000, 86_400_000, 65_535, 377_481_600_000_000),
            ("no window", 0, 50, 1200, 0),
            (
                "more than can be said",
                1,
                u64::MAX >> 20,
                u64::MAX,
                u64::MAX,
            ),
        ];
        for (name, window, rtt, bytes, want) in rows {
            assert_eq!(pace(window, ms(rtt), false).time(bytes), want, "{name}");
        }
    }
}
