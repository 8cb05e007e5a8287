//! A set of packet numbers as ranges, with a cap on how many there are.
//!
//! Numbers mostly come in order, so the newest range stands last and the common insert is O(1); any other is a binary search over at
//! most [`limits::ACK_RANGES`] ranges. Where a range has to be given up it is always the lowest, and everything up to its end counts as
//! received from then on: a number that was forgotten can never be taken for a new one (rfc9000#13.2.3-1).

use core::ops::RangeInclusive;

use crate::limits;
use crate::wire::PacketNumber;

/// The numbers that were received.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranges {
    /// Ascending; they neither overlap nor touch.
    ranges: Vec<Range>,
    /// Everything below is settled: received, or too old to be.
    floor: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    start: u64,
    end: u64,
}

impl Ranges {
    /// Whether the number stands in a range or below all that are remembered.
    pub(crate) fn contains(&self, number: PacketNumber) -> bool {
        let number = number.get();
        number < self.floor
            || self
                .ranges
                .get(self.position(number))
                .is_some_and(|range| range.start <= number)
    }

    /// Adds a number. False if it was there already.
    pub(crate) fn insert(&mut self, number: PacketNumber) -> bool {
        if self.contains(number) {
            return false;
        }
        let number = number.get();
        let at = self.position(number);
        let follows = |range: &Range| range.end.checked_add(1) == Some(number);
        let below = at
            .checked_sub(1)
            .filter(|below| self.ranges.get(*below).is_some_and(follows));
        let joins_above = self
            .ranges
            .get(at)
            .is_some_and(|range| number.checked_add(1) == Some(range.start));
        match (below, joins_above) {
            (Some(below), true) => {
                let above = self.ranges.remove(at);
                self.change(below, |range| range.end = above.end);
            }
            (Some(below), false) => self.change(below, |range| range.end = number),
            (None, true) => self.change(at, |range| range.start = number),
            (None, false) => {
                let range = Range {
                    start: number,
                    end: number,
                };
                self.ranges.insert(at, range);
                if self.ranges.len() > limits::ACK_RANGES {
                    let lowest = self.ranges.remove(0);
                    self.floor = lowest.end.saturating_add(1);
                }
            }
        }
        true
    }

    /// Forgets everything up to `number`: the peer knows that it has arrived.
    pub(crate) fn settle(&mut self, number: PacketNumber) {
        self.floor = self.floor.max(number.get().saturating_add(1));
        let floor = self.floor;
        let gone = self.ranges.partition_point(|range| range.end < floor);
        drop(self.ranges.drain(..gone));
        self.change(0, |range| range.start = range.start.max(floor));
        if self.ranges.is_empty() {
            // Between two exchanges of an idle connection nothing is held.
            self.ranges.shrink_to(SMALL);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.ranges.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether nothing is missing between `number` and the largest.
    pub(crate) fn reaches(&self, number: u64) -> bool {
        let low = number.max(self.floor);
        self.ranges.last().is_some_and(|range| range.start <= low)
    }

    /// The ranges from the largest down.
    pub(crate) fn descending(
        &self,
    ) -> impl Iterator<Item = RangeInclusive<PacketNumber>> + Clone + '_ {
        let number = |number| PacketNumber::new(number);
        self.ranges
            .iter()
            .rev()
            .filter_map(move |range| Some(number(range.start)?..=number(range.end)?))
    }

    /// Where the range stands that holds `number`, or else the next above.
    fn position(&self, number: u64) -> usize {
        match self.ranges.last() {
            Some(last) if last.end < number => self.ranges.len(),
            Some(last) if last.start <= number => self.ranges.len().saturating_sub(1),
            _ => self.ranges.partition_point(|range| range.end < number),
        }
    }

    fn change(&mut self, at: usize, change: impl FnOnce(&mut Range)) {
        if let Some(range) = self.ranges.get_mut(at) {
            change(range);
        }
    }
}

/// Ranges for which memory is kept where there are none.
const SMALL: usize = 4;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn number(value: u64) -> PacketNumber {
        PacketNumber::new(value).unwrap()
    }

    fn listed(ranges: &Ranges) -> Vec<(u64, u64)> {
        ranges
            .descending()
            .map(|range| (range.start().get(), range.end().get()))
            .collect()
    }

    /// (name, received in this order, ranges from the largest down)
    type Row = (&'static str, &'static [u64], &'static [(u64, u64)]);

    #[test]
    fn recovery_ranges_join_where_they_touch() {
        let rows: &[Row] = &[
            ("none", &[], &[]),
            ("one", &[5], &[(5, 5)]),
            ("in order", &[0, 1, 2, 3], &[(0, 3)]),
            ("backwards", &[3, 2, 1, 0], &[(0, 3)]),
            ("a gap", &[0, 2], &[(2, 2), (0, 0)]),
            ("a gap filled", &[0, 2, 1], &[(0, 2)]),
            ("below all", &[7, 3], &[(7, 7), (3, 3)]),
            ("joins above only", &[0, 5, 4], &[(4, 5), (0, 0)]),
            ("joins below only", &[0, 5, 1], &[(5, 5), (0, 1)]),
            ("twice", &[1, 1, 1], &[(1, 1)]),
            (
                "the largest",
                &[limits::VARINT - 1, limits::VARINT],
                &[(limits::VARINT - 1, limits::VARINT)],
            ),
        ];
        for (name, received, want) in rows {
            let mut ranges = Ranges::default();
            for value in *received {
                ranges.insert(number(*value));
                assert!(ranges.contains(number(*value)), "{name}");
                assert!(!ranges.insert(number(*value)), "{name}");
            }
            assert_eq!(listed(&ranges), *want, "{name}");
            assert_eq!(ranges.is_empty(), want.is_empty(), "{name}");
        }
    }

    #[test]
    fn recovery_ranges_past_the_cap_are_given_up_lowest_first_and_stay_received() {
        let mut ranges = Ranges::default();
        let cap = limits::ACK_RANGES as u64;
        for value in 0..cap {
            assert!(ranges.insert(number(value * 2)), "{value}");
        }
        assert_eq!(ranges.len(), limits::ACK_RANGES);
        assert!(!ranges.contains(number(1)), "at the cap all is known");
        assert!(ranges.insert(number(cap * 2)));
        assert_eq!(ranges.len(), limits::ACK_RANGES);
        assert_eq!(listed(&ranges).last(), Some(&(2, 2)));
        // rfc9000#13.2.3-1: what was forgotten is a duplicate, and not taken as new.
        assert!(!ranges.insert(number(0)));
        assert!(ranges.insert(number(1)), "what was not is new still");
        // A number below all ranges at the cap is itself the one that is given up.
        let mut full = Ranges::default();
        (1..=cap).for_each(|value| assert!(full.insert(number(value * 2))));
        assert!(full.insert(number(0)));
        assert!(!full.insert(number(0)));
        assert_eq!(full.len(), limits::ACK_RANGES);
    }

    #[test]
    fn recovery_ranges_match_a_set_of_numbers() {
        bolero::check!()
            .with_iterations(2000)
            // More steps than there may be ranges.
            .with_generator(
                bolero::produce::<Vec<(u8, bool)>>()
                    .with()
                    .len(..=200_usize),
            )
            .for_each(|steps| {
                let mut ranges = Ranges::default();
                let mut model = BTreeSet::new();
                let mut floor = 0;
                for (value, settle) in steps {
                    let value = u64::from(*value);
                    if *settle {
                        ranges.settle(number(value));
                        floor = floor.max(value + 1);
                    } else {
                        let new = value >= floor && model.insert(value);
                        assert_eq!(ranges.insert(number(value)), new);
                    }
                    // So few numbers are not more runs.
                    while model.len() > limits::ACK_RANGES
                        && runs(&model, floor) > limits::ACK_RANGES
                    {
                        floor = 1 + end_of_first_run(&model, floor);
                    }
                }
                for value in 0..=256 {
                    let want = value < floor || model.contains(&value);
                    assert_eq!(ranges.contains(number(value)), want, "{value}");
                }
                let listed: Vec<_> = listed(&ranges);
                assert!(
                    listed.windows(2).all(|pair| pair[1].1 + 1 < pair[0].0),
                    "{listed:?}"
                );
                let count: u64 = listed.iter().map(|(start, end)| end - start + 1).sum();
                assert_eq!(count, model.range(floor..).count() as u64);
            });
    }

    fn runs(model: &BTreeSet<u64>, floor: u64) -> usize {
        let starts = |value: &&u64| **value == floor || !model.contains(&(**value - 1));
        model.range(floor..).filter(starts).count()
    }

    fn end_of_first_run(model: &BTreeSet<u64>, floor: u64) -> u64 {
        let first = *model.range(floor..).next().unwrap();
        (first..)
            .find(|value| !model.contains(&(value + 1)))
            .unwrap()
    }
}
