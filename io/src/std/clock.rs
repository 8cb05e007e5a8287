//! The clock of a stream: the system's, or one that a test turns by hand.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pith_tls::Now;

/// Tells the time. `monotonic` counts from when the clock was made.
#[derive(Debug, Clone)]
pub(super) enum Clock {
    System(Instant),
    #[cfg(test)]
    Test(std::sync::Arc<std::sync::atomic::AtomicU64>), // milliseconds
}

impl Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "an adapter owns the clock that the core is given"
    )]
    pub(super) fn system() -> Self {
        Self::System(Instant::now())
    }

    /// A time before 1970 counts as 1970, at which no certificate is valid.
    #[expect(
        clippy::disallowed_methods,
        reason = "an adapter owns the clock that the core is given"
    )]
    pub(super) fn now(&self) -> Now {
        match self {
            Self::System(start) => Now {
                monotonic: start.elapsed(),
                unix: SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or(Duration::ZERO),
            },
            #[cfg(test)]
            Self::Test(milliseconds) => {
                let monotonic =
                    Duration::from_millis(milliseconds.load(std::sync::atomic::Ordering::Relaxed));
                Now {
                    monotonic,
                    unix: Duration::from_secs(1_800_000_000) + monotonic,
                }
            }
        }
    }
}
