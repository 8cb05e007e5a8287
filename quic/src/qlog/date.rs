//! Dates as RFC 3339 has them.

use core::fmt;
use core::time::Duration;

/// A time since 1970-01-01 UTC, to the millisecond.
pub(super) struct Date(pub(super) Duration);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (year, month, day) = civil(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        let millis = self.0.subsec_millis();
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z"
        )
    }
}

/// Year, month and day of a day since 1970-01-01. Whole spans of 400, 100, 4 and 1 years are taken off a calendar whose years begin in March, so
/// that the day that leap years add is the last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days.saturating_add(DAYS_BEFORE);
    let (eras, days) = (days / DAYS_400, days % DAYS_400);
    // The last century and the last year of their spans are longer by a day.
    let centuries = (days / DAYS_100).min(3);
    let days = days.saturating_sub(centuries.saturating_mul(DAYS_100));
    let (fours, days) = (days / DAYS_4, days % DAYS_4);
    let years = (days / 365).min(3);
    let mut day = days.saturating_sub(years.saturating_mul(365));
    let mut month: u64 = 3;
    for length in MONTHS {
        if day < length {
            break;
        }
        day = day.saturating_sub(length);
        month = month.saturating_add(1);
    }
    let year = [(eras, 400), (centuries, 100), (fours, 4), (years, 1)]
        .into_iter()
        .fold(0, |sum: u64, (count, of)| {
            sum.saturating_add(count.saturating_mul(of))
        });
    match month.checked_sub(12) {
        Some(month) if month > 0 => (year.saturating_add(1), month, day.saturating_add(1)),
        _ => (year, month, day.saturating_add(1)),
    }
}

/// From March of the year 0 to 1970-01-01.
const DAYS_BEFORE: u64 = 719_468;

const DAYS_400: u64 = 146_097;
const DAYS_100: u64 = 36_524;
const DAYS_4: u64 = 1_461;

/// From March to January; what is left is February.
const MONTHS: [u64; 11] = [31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 31];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, want) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_800, "2000-03-01T00:00:00.000Z"),
            (978_307_199, "2000-12-31T23:59:59.000Z"),
            (1_709_164_800, "2024-02-29T00:00:00.000Z"),
            (1_798_761_599, "2026-12-31T23:59:59.000Z"),
            (1_800_000_000, "2027-01-15T08:00:00.000Z"),
            (4_107_542_399, "2100-02-28T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(Date(Duration::from_secs(seconds)).to_string(), want);
        }
        let date = Date(Duration::from_millis(1_800_000_000_007)).to_string();
        assert_eq!(date, "2027-01-15T08:00:00.007Z");
        // Forever is a date too.
        assert!(!Date(Duration::MAX).to_string().is_empty());
    }

    #[test]
    fn days_follow_each_other_through_four_centuries() {
        let mut before = civil(0);
        for day in 1..=DAYS_400 {
            let (year, month, of_month) = civil(day);
            let next_day = (before.0, before.1, before.2 + 1);
            let next_month = (before.0, before.1 + 1, 1);
            let next_year = (before.0 + 1, 1, 1);
            let now = (year, month, of_month);
            assert!(
                [next_day, next_month, next_year].contains(&now),
                "{before:?} {now:?}"
            );
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            if month == 3 && of_month == 1 {
                assert_eq!(before.2, if leap { 29 } else { 28 }, "{year}");
            }
            before = now;
        }
        assert_eq!(before, (2370, 1, 1));
    }
}
