//! The round-trip time of a path (RFC 9002 section 5), and the timeouts that follow from it (sections 6.1.2, 6.2.1 and 7.6.1).
//!
//! Samples enter, an estimate leaves. What the peer says of its delays can lower the estimate no further than the smallest sample that was seen
//! here, so a lie costs the liar. All sums saturate: an absurd delay makes a long timeout, never a short one.

use core::time::Duration;

/// The estimate for one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rtt {
    latest: Duration,
    smoothed: Duration,
    variation: Duration,
    min: Duration,
    /// When the first sample came.
    first_sample: Option<Duration>,
}

/// The estimate before the first sample (RFC 9002 section 6.2.2).
pub(crate) const INITIAL: Duration = Duration::from_millis(333);

/// No timer is set for less than this (RFC 9002 section 6.1.2).
pub(crate) const GRANULARITY: Duration = Duration::from_millis(1);

impl Rtt {
    /// `initial` stands in until there is a sample: [`INITIAL`], or what the last connection to the same peer found.
    pub(crate) fn new(initial: Duration) -> Self {
        Self {
            latest: initial,
            smoothed: initial,
            variation: fraction(initial, 1, 2),
            min: initial,
            first_sample: None,
        }
    }

    /// Takes a sample: `latest` from sending to acknowledgment, of which the peer says that `ack_delay` was its own.
    /// `max_ack_delay` is the peer's promise, or `None` as long as the handshake is not confirmed, when it does not hold yet.
    pub(crate) fn sample(
        &mut self,
        now: Duration,
        latest: Duration,
        ack_delay: Duration,
        max_ack_delay: Option<Duration>,
    ) {
        self.latest = latest;
        if self.first_sample.is_none() {
            self.first_sample = Some(now);
            // rfc9002#5.2-1
            self.min = latest;
            self.smoothed = latest;
            self.variation = fraction(latest, 1, 2);
            return;
        }
        self.min = self.min.min(latest);
        // rfc9002#5.3-1
        let ack_delay = max_ack_delay.map_or(ack_delay, |max| ack_delay.min(max));
        // rfc9002#5.3-2
        let adjusted = latest
            .checked_sub(ack_delay)
            .filter(|adjusted| *adjusted >= self.min)
            .unwrap_or(latest);
        let deviation = self.smoothed.abs_diff(adjusted);
        self.variation = fraction(self.variation, 3, 4).saturating_add(fraction(deviation, 1, 4));
        self.smoothed = fraction(self.smoothed, 7, 8).saturating_add(fraction(adjusted, 1, 8));
    }

    /// After persistent congestion the path may be another one: the smallest sample starts anew (RFC 9002 section 5.2).
    pub(crate) fn forget_min(&mut self) {
        self.min = self.latest;
    }

    /// A guess for a path that has no sample yet, as from a PATH_CHALLENGE or a Retry.
    pub(crate) fn guess(&mut self, initial: Duration) {
        if self.first_sample.is_none() {
            *self = Self::new(initial);
        }
    }

    pub(crate) fn latest(&self) -> Duration {
        self.latest
    }

    pub(crate) fn smoothed(&self) -> Duration {
        self.smoothed
    }

    pub(crate) fn variation(&self) -> Duration {
        self.variation
    }

    /// The smallest sample; the initial guess if there is none yet.
    pub(crate) fn min(&self) -> Duration {
        self.min
    }

    pub(crate) fn first_sample(&self) -> Option<Duration> {
        self.first_sample
    }

    /// The probe timeout without backoff. `max_ack_delay` is zero for the spaces whose packets are not acknowledged late.
    pub(crate) fn probe_timeout(&self, max_ack_delay: Duration) -> Duration {
        // rfc9002#6.2.1-1
        let variation = self.variation.saturating_mul(4).max(GRANULARITY);
        self.smoothed
            .saturating_add(variation)
            .saturating_add(max_ack_delay)
    }

    /// How long after it was sent a packet is lost once a later one has been acknowledged, at `eighths` of a round trip.
    pub(crate) fn loss_delay(&self, eighths: u32) -> Duration {
        // rfc9002#6.1.2-1
        fraction(self.smoothed.max(self.latest), eighths, 8).max(GRANULARITY)
    }

    /// How long nothing must get through before congestion is persistent.
    pub(crate) fn persistent_congestion(&self, max_ack_delay: Duration) -> Duration {
        self.probe_timeout(max_ack_delay)
            .saturating_mul(PERSISTENT_CONGESTION_THRESHOLD)
    }
}

/// Of RFC 9002 section 7.6.1.
const PERSISTENT_CONGESTION_THRESHOLD: u32 = 3;

/// `numerator` / `denominator` of a time; multiplied first, so that nothing is lost but the last nanosecond.
fn fraction(time: Duration, numerator: u32, denominator: u32) -> Duration {
    time.saturating_mul(numerator)
        .checked_div(denominator)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn us(us: u64) -> Duration {
        Duration::from_micros(us)
    }

    /// (name, samples as (latest, delay, max_ack_delay), smoothed, variation, min) in microseconds.
    type Row = (
        &'static str,
        &'static [(u64, u64, Option<u64>)],
        u64,
        u64,
        u64,
    );

    #[test]
    fn recovery_rtt_follows_section_5_3() {
        let rows: &[Row] = &[
            ("no sample", &[], 333_000, 166_500, 333_000),
            (
                "the first is taken whole",
                &[(80_000, 70_000, None)],
                80_000,
                40_000,
                80_000,
            ),
            // adjusted 100: smoothed 80*7/8+100/8, variation 40*3/4+20/4.
            (
                "no delay",
                &[(80_000, 0, None), (100_000, 0, None)],
                82_500,
                35_000,
                80_000,
            ),
            (
                "delay subtracted",
                &[(80_000, 0, None), (104_000, 24_000, None)],
                80_000,
                30_000,
                80_000,
            ),
            (
                "delay down to the smallest",
                &[(80_000, 0, None), (100_000, 20_000, None)],
                80_000,
                30_000,
                80_000,
            ),
            (
                "delay below the smallest",
                &[(80_000, 0, None), (100_000, 20_001, None)],
                82_500,
                35_000,
                80_000,
            ),
            (
                "delay longer than the sample",
                &[(80_000, 0, None), (100_000, 200_000, None)],
                82_500,
                35_000,
                80_000,
            ),
            (
                "no limit before confirmation",
                &[(80_000, 0, None), (180_000, 100_000, None)],
                80_000,
                30_000,
                80_000,
            ),
            (
                "limit after confirmation",
                &[(80_000, 0, None), (180_000, 100_000, Some(20_000))],
                90_000,
                50_000,
                80_000,
            ),
            (
                "smaller sample",
                &[(80_000, 0, None), (40_000, 30_000, None)],
                75_000,
                40_000,
                40_000,
            ),
            (
                "larger, then smaller",
                &[(80_000, 0, None), (160_000, 0, None), (72_000, 0, None)],
                87_750,
                42_000,
                72_000,
            ),
        ];
        for (name, samples, smoothed, variation, min) in rows {
            let mut rtt = Rtt::new(INITIAL);
            for (latest, delay, max) in *samples {
                rtt.sample(ms(1), us(*latest), us(*delay), max.map(us));
                assert_eq!(rtt.latest(), us(*latest), "{name}");
            }
            let got = (rtt.smoothed(), rtt.variation(), rtt.min());
            assert_eq!(got, (us(*smoothed), us(*variation), us(*min)), "{name}");
            assert_eq!(rtt.first_sample().is_some(), !samples.is_empty(), "{name}");
        }
    }

    #[test]
    fn recovery_rtt_timeouts_are_never_below_the_granularity() {
        // (name, constant sample, repeats, timeout without and with 25 ms, loss delay, persistent with 25 ms)
        let rows = [
            (
                "initial",
                0,
                0,
                us(999_000),
                us(1_024_000),
                us(374_625),
                us(3_072_000),
            ),
            (
                "first of 80 ms",
                80_000,
                1,
                us(240_000),
                us(265_000),
                us(90_000),
                us(795_000),
            ),
            (
                "settled at 80 ms",
                80_000,
                60,
                us(81_000),
                us(106_000),
                us(90_000),
                us(318_000),
            ),
            ("zero", 0, 60, us(1000), us(26_000), us(1000), us(78_000)),
            (
                "a loopback",
                80,
                60,
                us(1080),
                us(26_080),
                us(1000),
                us(78_240),
            ),
        ];
        for (name, sample, repeats, short, long, loss, persistent) in rows {
            let mut rtt = Rtt::new(INITIAL);
            for _ in 0..repeats {
                rtt.sample(ms(1), us(sample), us(0), None);
            }
            let near = |got: Duration, want: Duration| got.abs_diff(want) < us(1);
            assert!(near(rtt.probe_timeout(ms(0)), short), "{name}: {rtt:?}");
            assert!(near(rtt.probe_timeout(ms(25)), long), "{name}: {rtt:?}");
            assert!(near(rtt.loss_delay(9), loss), "{name}: {rtt:?}");
            assert!(
                near(rtt.persistent_congestion(ms(25)), persistent),
                "{name}: {rtt:?}"
            );
        }
    }

    #[test]
    fn recovery_rtt_saturates() {
        let mut rtt = Rtt::new(Duration::MAX);
        rtt.sample(ms(0), Duration::MAX, Duration::MAX, None);
        rtt.sample(ms(0), Duration::MAX, Duration::ZERO, Some(Duration::MAX));
        rtt.sample(ms(0), Duration::ZERO, Duration::MAX, None);
        assert!(rtt.probe_timeout(Duration::MAX) > Duration::from_secs(1 << 40));
        assert!(rtt.persistent_congestion(Duration::MAX) > Duration::from_secs(1 << 40));
    }

    #[test]
    fn recovery_rtt_guess_gives_way_to_samples() {
        let mut rtt = Rtt::new(INITIAL);
        rtt.guess(ms(20));
        assert_eq!((rtt.smoothed(), rtt.variation()), (ms(20), ms(10)));
        rtt.sample(ms(9), ms(50), ms(0), None);
        rtt.guess(ms(20));
        assert_eq!((rtt.smoothed(), rtt.min()), (ms(50), ms(50)));
        rtt.sample(ms(9), ms(90), ms(0), None);
        rtt.forget_min();
        assert_eq!(rtt.min(), ms(90));
    }
}
