//! The clock of a stream: the system's, or one that a test turns by hand; and how long a handshake may take on it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pith_tls::Now;

/// Tells the time. `monotonic` counts from when the clock was made.
#[derive(Debug, Clone)]
pub(crate) enum Clock {
    System(Instant),
    #[cfg(all(test, any(feature = "std", feature = "quic")))]
    Test(std::sync::Arc<std::sync::atomic::AtomicU64>), // milliseconds
}

impl Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "an adapter owns the clock that the core is given"
    )]
    pub(crate) fn system() -> Self {
        Self::System(Instant::now())
    }

    /// A time before 1970 counts as 1970, at which no certificate is valid.
    #[expect(
        clippy::disallowed_methods,
        reason = "an adapter owns the clock that the core is given"
    )]
    pub(crate) fn now(&self) -> Now {
        match self {
            Self::System(start) => Now {
                monotonic: start.elapsed(),
                unix: SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or(Duration::ZERO),
            },
            #[cfg(all(test, any(feature = "std", feature = "quic")))]
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

/// How long a handshake may take where the caller names no deadline: long enough for a phone on a bad link with a few lost
/// packets, short enough that slow clients do not pile up.
pub const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// How long the alert of a failed connection may wait for room in the socket.
pub(crate) const ALERT_LIMIT: Duration = Duration::from_secs(1);
