//! Anti-replay for early data: each hello at most once, and only while it is fresh (RFC 9846 sections 8.2 and 8.3).
//!
//! The register remembers the binders of accepted hellos for as long as a copy of one could pass for fresh, in two generations
//! of that length. It never forgets one early: full, it refuses. Nor does it say yes where it cannot know: in the first window
//! after its start, or when the clock went back behind what it has forgotten. A refusal rejects early data, not the handshake
//! (rfc9846#8.2-1).

use core::time::Duration;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use crate::Now;
use crate::limits;

/// Remembers which hellos brought early data, so that a copy of one is refused. Clones share one memory; servers that share a
/// ticket key have to share a register too, or ask one ([`Topic`](crate::Topic)).
///
/// In the first 20 seconds after it is made it refuses all early data, since it knows nothing of what came before. It holds at
/// most two times its capacity of 16 bytes each, and some overhead; a full one refuses.
#[derive(Clone)]
pub struct StrikeRegister(Arc<Mutex<Memory>>);

/// Why early data is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// This hello came before.
    Repeated,
    /// There is no room until the next window.
    Full,
    /// A copy may have come at a time of which nothing is known.
    Unknown,
}

impl Refused {
    /// In words, for events.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Repeated => "this hello came before",
            Self::Full => "the register of hellos is full",
            Self::Unknown => "a copy of the hello may have come before the register knows",
        }
    }
}

struct Memory {
    start: Duration,
    capacity: usize,
    /// The number of the window that `current` is of, from the start.
    window: u64,
    current: BTreeSet<Strike>,
    previous: BTreeSet<Strike>,
}

/// The front of a binder. That two agree by chance, or because one client wants it, refuses early data and does no harm.
type Strike = [u8; 16];

impl StrikeRegister {
    /// An empty register that starts now, with room for [`limits::STRIKES`] hellos in each window of 20 seconds.
    #[must_use]
    pub fn new(now: Now) -> Self {
        Self::with_capacity(limits::STRIKES, now)
    }

    /// An empty register that starts now, with room for so many hellos in each window of 20 seconds.
    #[must_use]
    pub fn with_capacity(capacity: usize, now: Now) -> Self {
        Self(Arc::new(Mutex::new(Memory {
            start: now.unix,
            capacity,
            window: 0,
            current: BTreeSet::new(),
            previous: BTreeSet::new(),
        })))
    }

    /// Accepts the hello with this binder, which has been verified, unless one with it was accepted before.
    pub(crate) fn strike(&self, binder: &[u8], now: Now) -> Result<(), Refused> {
        // rfc9846#8.2-2
        let strike = binder.first_chunk().ok_or(Refused::Unknown)?;
        // A thread that panicked here left what it knew in doubt.
        let mut memory = self.0.lock().map_err(|_| Refused::Unknown)?;
        memory.strike(*strike, now.unix)
    }
}

/// Whether a hello that tells this age of its ticket was sent less than the skew from now (rfc9846 section 8.3).
pub(crate) fn is_fresh(issued: Duration, age_add: u32, obfuscated_age: u32, now: Now) -> bool {
    let age = Duration::from_millis(obfuscated_age.wrapping_sub(age_add).into());
    let expected = issued.saturating_add(age);
    expected.abs_diff(now.unix) < limits::EARLY_DATA_SKEW
}

impl Memory {
    fn strike(&mut self, strike: Strike, now: Duration) -> Result<(), Refused> {
        let window = self.turn(now).ok_or(Refused::Unknown)?;
        // Of the first window a part is unknown, of an earlier one all may be forgotten.
        if window == 0 || window < self.window {
            return Err(Refused::Unknown);
        }
        if self.current.contains(&strike) || self.previous.contains(&strike) {
            return Err(Refused::Repeated);
        }
        if self.current.len() >= self.capacity {
            return Err(Refused::Full);
        }
        self.current.insert(strike);
        Ok(())
    }

    /// Begins a new window when its time has come, and says in which one `now` is.
    fn turn(&mut self, now: Duration) -> Option<u64> {
        let window = now
            .checked_sub(self.start)?
            .as_secs()
            .checked_div(WINDOW.as_secs())?;
        if window > self.window {
            let ended = core::mem::take(&mut self.current);
            let adjacent = window == self.window.saturating_add(1);
            self.previous = if adjacent { ended } else { BTreeSet::new() };
            self.window = window;
        }
        Some(window)
    }
}

/// Two arrivals of one hello that are both fresh, one as early, one as late as may be, are less than this apart: so what came before
/// the register began is no longer fresh in its second window.
const WINDOW: Duration = Duration::from_secs(2 * limits::EARLY_DATA_SKEW.as_secs());
