//! HyStart++ (draft-ietf-tcpm-hystartplusplus): leaves the first slow start when the round trip grows, before packets are lost.
//!
//! Samples of the round trip enter; by how much slow start grows the window, and when it is over, leaves. A round ends when a packet is
//! acknowledged that was sent after its start, which is when the last packet sent before has been settled too.

use core::time::Duration;

/// Watches the first slow start of a path.
#[derive(Debug, Clone, Default)]
pub(super) struct HyStart {
    round_start: Option<Duration>,
    last_min: Option<Duration>,
    current_min: Option<Duration>,
    samples: u32,
    conservative: Option<Conservative>,
}

/// Conservative slow start: the round trip has grown, maybe for another reason than a queue of ours.
#[derive(Debug, Clone)]
struct Conservative {
    baseline: Duration,
    rounds: u32,
}

impl HyStart {
    /// By how many bytes slow start grows the window for as many acknowledged.
    pub(super) fn growth(&self, bytes: u64) -> u64 {
        match self.conservative {
            Some(_) => bytes.checked_div(GROWTH_DIVISOR).unwrap_or_default(),
            None => bytes,
        }
    }

    /// Takes a sample. True if slow start is over.
    pub(super) fn on_sample(&mut self, now: Duration, sent_at: Duration, rtt: Duration) -> bool {
        if self.round_start.is_none_or(|start| sent_at > start) && self.end_round(now) {
            return true;
        }
        let current = self.current_min.map_or(rtt, |min| min.min(rtt));
        self.current_min = Some(current);
        self.samples = self.samples.saturating_add(1);
        if self.samples < SAMPLES {
            return false;
        }
        match (&self.conservative, self.last_min) {
            // The growth was no queue: it has gone away by itself.
            (Some(conservative), _) if current < conservative.baseline => self.conservative = None,
            (None, Some(last)) if current >= last.saturating_add(threshold(last)) => {
                self.conservative = Some(Conservative {
                    baseline: current,
                    rounds: 0,
                });
            }
            _ => {}
        }
        false
    }

    fn end_round(&mut self, now: Duration) -> bool {
        self.round_start = Some(now);
        self.last_min = self.current_min.take();
        self.samples = 0;
        self.conservative.as_mut().is_some_and(|conservative| {
            conservative.rounds = conservative.rounds.saturating_add(1);
            conservative.rounds >= ROUNDS
        })
    }
}

/// How much longer than in the last round a round trip has to be.
fn threshold(last: Duration) -> Duration {
    let eighth = last.checked_div(8).unwrap_or_default();
    eighth.clamp(THRESHOLD_MIN, THRESHOLD_MAX)
}

const THRESHOLD_MIN: Duration = Duration::from_millis(4);
const THRESHOLD_MAX: Duration = Duration::from_millis(16);
const SAMPLES: u32 = 8;
const GROWTH_DIVISOR: u64 = 4;
const ROUNDS: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Rounds of so many samples of so many milliseconds; after each, whether growth is conservative, and whether slow start is over.
    type Row = (&'static str, &'static [(u32, u64)], &'static [(bool, bool)]);

    #[test]
    fn recovery_hystart_leaves_slow_start_when_delay_grows_and_stays() {
        const CALM: (bool, bool) = (false, false);
        const CAREFUL: (bool, bool) = (true, false);
        const OVER: (bool, bool) = (true, true);
        let rows: &[Row] = &[
            ("steady", &[(8, 50), (8, 50), (8, 50)], &[CALM; 3]),
            ("too few samples", &[(8, 50), (7, 99)], &[CALM; 2]),
            ("first round has none before it", &[(8, 999)], &[CALM]),
            ("below an eighth", &[(8, 80), (8, 89)], &[CALM; 2]),
            ("an eighth", &[(8, 80), (8, 90)], &[CALM, CAREFUL]),
            ("at least 4 ms", &[(8, 8), (8, 11)], &[CALM; 2]),
            ("4 ms", &[(8, 8), (8, 12)], &[CALM, CAREFUL]),
            ("at most 16 ms", &[(8, 400), (8, 416)], &[CALM, CAREFUL]),
            (
                "slow growth",
                &[(8, 80), (8, 86), (8, 92), (8, 98)],
                &[CALM; 4],
            ),
            (
                "gone again",
                &[(8, 80), (8, 90), (8, 89)],
                &[CALM, CAREFUL, CALM],
            ),
            (
                "gone again, too few samples",
                &[(8, 80), (8, 90), (7, 89)],
                &[CALM, CAREFUL, CAREFUL],
            ),
            (
                "stays",
                &[
                    (8, 80),
                    (8, 90),
                    (8, 90),
                    (8, 90),
                    (8, 90),
                    (8, 90),
                    (8, 90),
                ],
                &[CALM, CAREFUL, CAREFUL, CAREFUL, CAREFUL, CAREFUL, OVER],
            ),
        ];
        for (name, rounds, want) in rows {
            let mut hystart = HyStart::default();
            let mut now = ms(1000);
            let mut over = false;
            for ((samples, rtt), want) in rounds.iter().zip(*want) {
                let sent_at = now;
                for _ in 0..*samples {
                    now += ms(1);
                    over |= hystart.on_sample(now, sent_at, ms(*rtt));
                }
                assert_eq!(
                    (hystart.conservative.is_some(), over),
                    *want,
                    "{name}: {hystart:?}"
                );
                let growth = if want.0 { 300 } else { 1200 };
                assert_eq!(hystart.growth(1200), growth, "{name}");
                now += ms(1);
            }
        }
    }
}
