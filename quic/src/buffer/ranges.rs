//! A set of offsets, as half-open ranges that neither touch nor overlap.

use core::ops::Range;
use std::collections::BTreeMap;

/// Start → end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    pub(crate) fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let Range { mut start, mut end } = range;
        if let Some((&before, &its_end)) = self.0.range(..=start).next_back() {
            if its_end >= start {
                start = before;
                end = end.max(its_end);
            }
        }
        while let Some((&touched, &its_end)) = self.0.range(start..=end).next() {
            self.0.remove(&touched);
            end = end.max(its_end);
        }
        self.0.insert(start, end);
    }

    pub(crate) fn remove(&mut self, range: Range<u64>) {
        if range.is_empty() || self.0.is_empty() {
            return;
        }
        if let Some((&before, &its_end)) = self.0.range(..range.start).next_back() {
            if its_end > range.start {
                self.0.insert(before, range.start);
            }
            if its_end > range.end {
                self.0.insert(range.end, its_end);
            }
        }
        while let Some((&inside, &its_end)) = self.0.range(range.clone()).next() {
            self.0.remove(&inside);
            if its_end > range.end {
                self.0.insert(range.end, its_end);
            }
        }
    }

    pub(crate) fn contains(&self, offset: u64) -> bool {
        self.around(offset).is_some()
    }

    /// The range that holds `offset`.
    pub(crate) fn around(&self, offset: u64) -> Option<Range<u64>> {
        let (&start, &end) = self.0.range(..=offset).next_back()?;
        (offset < end).then_some(start..end)
    }

    /// The first range that begins at `offset` or above.
    pub(crate) fn from(&self, offset: u64) -> Option<Range<u64>> {
        let (&start, &end) = self.0.range(offset..).next()?;
        Some(start..end)
    }

    pub(crate) fn first(&self) -> Option<Range<u64>> {
        self.from(0)
    }

    /// The first part of `within` of which nothing is in the set.
    pub(crate) fn first_gap(&self, within: Range<u64>) -> Option<Range<u64>> {
        let start = self.around(within.start).map_or(within.start, |r| r.end);
        let end = self.from(start).map_or(within.end, |r| r.start);
        let gap = start..end.min(within.end);
        (!gap.is_empty()).then_some(gap)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many ranges there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(ranges: &Ranges) -> Vec<(u64, u64)> {
        ranges.0.iter().map(|(s, e)| (*s, *e)).collect()
    }

    #[test]
    fn ranges_that_touch_become_one() {
        let mut ranges = Ranges::default();
        for range in [4..6, 8..9, 0..1, 3..3] {
            ranges.insert(range);
        }
        assert_eq!(all(&ranges), [(0, 1), (4, 6), (8, 9)]);
        ranges.insert(6..8);
        assert_eq!(all(&ranges), [(0, 1), (4, 9)]);
        ranges.remove(5..7);
        assert_eq!(all(&ranges), [(0, 1), (4, 5), (7, 9)]);
        assert_eq!(ranges.first_gap(0..9), Some(1..4));
        assert_eq!(ranges.first_gap(7..9), None);
        assert_eq!(ranges.first_gap(8..12), Some(9..12));
        assert_eq!(ranges.around(8), Some(7..9));
        assert!(ranges.contains(4) && !ranges.contains(5) && !ranges.contains(9));
    }

    #[test]
    fn ranges_are_a_set() {
        bolero::check!()
            .with_type::<Vec<(bool, u8, u8)>>()
            .with_iterations(2000)
            .for_each(|steps| {
                let (mut ranges, mut model) = (Ranges::default(), [false; 300]);
                for (insert, start, len) in steps {
                    let range = u64::from(*start)..u64::from(*start) + u64::from(len % 32);
                    model[range.start as usize..range.end as usize].fill(*insert);
                    if *insert {
                        ranges.insert(range);
                    } else {
                        ranges.remove(range);
                    }
                }
                let mut want = Vec::new();
                let mut left = 0;
                while let Some(length) = model[left..].iter().position(|within| *within) {
                    let start = left + length;
                    let length = model[start..].iter().position(|within| !within).unwrap();
                    left = start + length;
                    want.push((start as u64, left as u64));
                }
                assert_eq!(all(&ranges), want);
                for (start, end) in want {
                    assert!(ranges.contains(start) && ranges.contains(end - 1));
                    assert!(!ranges.contains(end) && (start == 0 || !ranges.contains(start - 1)));
                }
                let within = |offset: &u64| model[*offset as usize];
                let gap = (10..200).find(|offset| !within(offset)).map(|start| {
                    let end = (start..200).find(within);
                    start..end.unwrap_or(200)
                });
                assert_eq!(ranges.first_gap(10..200), gap);
            });
    }
}
