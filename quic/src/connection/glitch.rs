//! A bucket that ends connections which only send what is legal and of no use (RFC 9000 section 21.9, attack A-rows on floods of frames).
//!
//! Each frame that changed nothing takes one from the bucket, and time fills it again. Losses and reordering make some frames useless on any
//! path; a peer that keeps up hundreds a second does nothing else.

use core::time::Duration;

use crate::{Fault, limits};

/// The bucket.
#[derive(Debug)]
pub(crate) struct Glitches {
    left: u32,
    filled_at: Duration,
}

impl Glitches {
    pub(crate) fn new(now: Duration) -> Self {
        Self {
            left: limits::GLITCHES,
            filled_at: now,
        }
    }

    /// Takes one.
    ///
    /// # Errors
    /// [`Fault::Glitches`] if none is left.
    pub(crate) fn spend(&mut self, now: Duration) -> Result<(), Fault> {
        self.fill(now);
        self.left = self.left.checked_sub(1).ok_or(Fault::Glitches)?;
        Ok(())
    }

    /// Puts in what belongs to the time since; the fraction of one that is left over counts next time.
    fn fill(&mut self, now: Duration) {
        let since = now.saturating_sub(self.filled_at);
        let fresh = since
            .as_nanos()
            .checked_div(limits::GLITCH_REFILL.as_nanos());
        let fresh = fresh
            .and_then(|fresh| u32::try_from(fresh).ok())
            .unwrap_or(u32::MAX);
        if self.left.saturating_add(fresh) >= limits::GLITCHES {
            self.left = limits::GLITCHES;
            self.filled_at = now;
        } else {
            self.left = self.left.saturating_add(fresh);
            self.filled_at = self
                .filled_at
                .saturating_add(limits::GLITCH_REFILL.saturating_mul(fresh));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_holds_its_number_and_fills_with_time() {
        let mut glitches = Glitches::new(Duration::from_secs(9));
        let start = Duration::from_secs(9);
        for _ in 0..limits::GLITCHES {
            assert_eq!(glitches.spend(start), Ok(()));
        }
        assert_eq!(glitches.spend(start), Err(Fault::Glitches));
        let almost = start + limits::GLITCH_REFILL - Duration::from_nanos(1);
        assert_eq!(glitches.spend(almost), Err(Fault::Glitches));
        let one = start + limits::GLITCH_REFILL;
        assert_eq!(glitches.spend(one), Ok(()));
        assert_eq!(glitches.spend(one), Err(Fault::Glitches));
        // Steps shorter than the refill add up.
        for half in 3..9_u32 {
            let got = glitches.spend(start + limits::GLITCH_REFILL * half / 2);
            assert_eq!(got.is_ok(), half % 2 == 0, "{half}");
        }
        let late = Duration::MAX;
        for _ in 0..limits::GLITCHES {
            assert_eq!(glitches.spend(late), Ok(()));
        }
        assert_eq!(
            glitches.spend(late),
            Err(Fault::Glitches),
            "never more than the bucket"
        );
    }
}
