//! The time, which the caller gives or leaves to the system.

use core::time::Duration;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use pith_tls::Now;

/// A time. Functions that need one take a pointer to it; NULL stands for the system's clocks, where the function says so. Do not mix the two
/// on one object.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct pith_time {
    /// Microseconds since any fixed moment; never goes back (CLOCK_MONOTONIC).
    pub monotonic_us: u64,
    /// Microseconds since 1970-01-01 00:00 UTC (CLOCK_REALTIME), for the dates of certificates and tickets.
    pub unix_us: u64,
}

impl pith_time {
    pub(crate) fn now(self) -> Now {
        Now {
            monotonic: Duration::from_micros(self.monotonic_us),
            unix: Duration::from_micros(self.unix_us),
        }
    }
}

/// The system's clocks, for callers that give no time.
pub(crate) struct Clock(Instant);

impl Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "an adapter owns the clock that the core is given"
    )]
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }

    /// What the caller gives, or else the system's time. A time before 1970 counts as 1970, at which no certificate is valid.
    #[expect(
        clippy::disallowed_methods,
        reason = "an adapter owns the clock that the core is given"
    )]
    pub(crate) fn now(&self, given: Option<&pith_time>) -> Now {
        match given {
            Some(time) => time.now(),
            None => Now {
                monotonic: self.0.elapsed(),
                unix: SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or(Duration::ZERO),
            },
        }
    }
}
