//! Packet numbers that are never used, so that a peer gives itself away which acknowledges what it has not received.
//!
//! Such a peer makes a sender go faster than the network carries (RFC 9000 section 21.4). One number in about a window is left out, at random:
//! whoever acknowledges a window blindly hits it. A number stays armed at least until all packets before it and the one after it are settled, so the
//! trap cannot be outwaited. The first packets of a connection are never left out.

use core::ops::RangeInclusive;

use crate::limits;
use crate::wire::PacketNumber;

/// The skipped numbers of a space.
#[derive(Debug, Default)]
pub(crate) struct Skips {
    /// Ascending, the last few.
    armed: Vec<PacketNumber>,
    planned: Option<u64>,
}

impl Skips {
    /// Whether `next` is to be left out; then it is armed from now on. `window` is how many packets fit the congestion window, `settled` whether all
    /// below a number are settled. `random` is drawn once for each skip.
    pub(crate) fn skips(
        &mut self,
        next: PacketNumber,
        window: u64,
        settled: impl Fn(PacketNumber) -> bool,
        random: impl FnOnce() -> u64,
    ) -> bool {
        let planned = *self
            .planned
            .get_or_insert_with(|| next.get().saturating_add(FIRST));
        if next.get() < planned {
            return false;
        }
        let full = self.armed.len() >= limits::SKIPPED_NUMBERS;
        let over = |number: &PacketNumber| {
            number
                .next()
                .and_then(PacketNumber::next)
                .is_some_and(&settled)
        };
        if full && !self.armed.first().is_some_and(over) {
            return false;
        }
        if full {
            self.armed.remove(0);
        }
        self.armed.push(next);
        let spread = window.max(SMALLEST_WINDOW).saturating_mul(2);
        let distance = random().checked_rem(spread).unwrap_or_default();
        self.planned = Some(next.get().saturating_add(2).saturating_add(distance));
        true
    }

    /// Whether a range holds a number that was skipped.
    pub(crate) fn hit(&self, range: &RangeInclusive<PacketNumber>) -> bool {
        self.armed.iter().any(|number| range.contains(number))
    }

    /// How many numbers were skipped between two: they are no packets that a later one could have overtaken.
    pub(crate) fn between(&self, low: PacketNumber, high: PacketNumber) -> u64 {
        let between = |number: &&PacketNumber| low < **number && **number < high;
        u64::try_from(self.armed.iter().filter(between).count()).unwrap_or_default()
    }
}

/// Numbers that are used before the first that may be left out: those of the handshake's first flights.
const FIRST: u64 = 16;

/// Packets of the smallest window to which the distance is scaled.
const SMALLEST_WINDOW: u64 = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn number(value: u64) -> PacketNumber {
        PacketNumber::new(value).unwrap()
    }

    /// Numbers as they are used, and those left out, up to `end`.
    fn skipped(window: u64, end: u64, mut random: impl FnMut() -> u64) -> Vec<u64> {
        let mut skips = Skips::default();
        let mut skipped = Vec::new();
        for value in 0..end {
            if skips.skips(number(value), window, |_| true, &mut random) {
                skipped.push(value);
                assert!(skips.hit(&(number(0)..=number(value))));
                assert!(!skips.hit(&(number(value + 1)..=number(value + 9))));
            }
        }
        skipped
    }

    #[test]
    fn recovery_skips_are_about_one_in_a_window() {
        let mut state = 1_u64;
        let mut random = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state >> 33
        };
        // (window in packets, skips in 100,000 numbers)
        for (window, want) in [
            (2, 3125),
            (32, 3125),
            (100, 1000),
            (1000, 100),
            (10_000, 10),
        ] {
            let all = skipped(window, 100_000, &mut random);
            let count = all.len() as u64;
            assert!(count > want / 2 && count < want * 2, "{window}: {count}");
            assert!(all[0] >= FIRST, "{window}: {}", all[0]);
            assert!(
                all.windows(2).all(|pair| pair[1] - pair[0] >= 2),
                "{window}"
            );
        }
    }

    #[test]
    fn recovery_skips_stay_armed_until_they_are_settled() {
        let mut skips = Skips::default();
        let mut value = 0;
        // Nothing is settled: after as many as may be armed, no more are left out.
        let mut armed = Vec::new();
        while value < 10_000 {
            if skips.skips(number(value), 32, |_| false, || 0) {
                armed.push(value);
            }
            value += 1;
        }
        assert_eq!(armed.len(), limits::SKIPPED_NUMBERS);
        assert!(
            armed
                .iter()
                .all(|value| skips.hit(&(number(*value)..=number(*value))))
        );
        // Settled up to the packet after the first: that one may go.
        let settled = |below: PacketNumber| below <= number(armed[0] + 1);
        assert!(!skips.skips(number(value), 32, settled, || 0));
        let settled = |below: PacketNumber| below <= number(armed[0] + 2);
        assert!(skips.skips(number(value), 32, settled, || 0));
        assert!(!skips.hit(&(number(armed[0])..=number(armed[0]))));
        assert!(skips.hit(&(number(value)..=number(value))));
    }

    #[test]
    fn recovery_skips_between_two_packets_are_counted() {
        let skips = Skips {
            armed: [5, 9].map(number).to_vec(),
            planned: None,
        };
        for (low, high, want) in [
            (0, 4, 0),
            (4, 6, 1),
            (4, 10, 2),
            (5, 9, 0),
            (6, 8, 0),
            (6, 10, 1),
        ] {
            assert_eq!(
                skips.between(number(low), number(high)),
                want,
                "{low} {high}"
            );
        }
    }
}
