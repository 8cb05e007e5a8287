//! Stateless Resets (RFC 9000 section 10.3), and the bucket that bounds answers without a connection.

use core::time::Duration;

use pith_crypto::hash::Hash;
use pith_crypto::mac::hmac;
use pith_crypto::{Error, Wiped};

use crate::limits;
use crate::random::Random;
use crate::wire::{ConnectionId, ResetToken};

/// Makes the tokens of ids, and resets.
pub(super) struct Resets {
    key: Wiped<32>,
}

/// So many at once, and one more after each [`limits::ANSWER_REFILL`].
#[derive(Debug)]
pub(super) struct Bucket {
    left: u32,
    filled_at: Duration,
}

impl Resets {
    pub(super) fn new(key: Wiped<32>) -> Self {
        Self { key }
    }

    /// The token of an id of this side, all of which are of one length (rfc9000#10.3.2-2) and random, so that none comes again (rfc9000#10.3.2-3,
    /// rfc9000#10.3.2-4): nobody can compute it who has not the key (rfc9000#10.3.2-1, rfc9000#10.3.2-5), and it has no other use.
    pub(super) fn token(&self, id: &ConnectionId) -> Result<ResetToken, Error> {
        let mac = hmac(Hash::Sha256, self.key.expose(), id)?;
        let token = mac.expose().first_chunk().ok_or(Error::Length)?;
        Ok(ResetToken(*token))
    }

    /// Writes the answer to a datagram of `trigger` bytes whose short header names `id`, and says how long it is. `None` if no smaller
    /// one is possible.
    pub(super) fn write(
        &self,
        id: &ConnectionId,
        trigger: usize,
        random: &mut Random,
        out: &mut [u8],
    ) -> Result<Option<usize>, Error> {
        // rfc9000#10.3.3-1, rfc9000#10.3-2
        let length = trigger.saturating_sub(1).min(LARGEST);
        if length < limits::RESET_DATAGRAM {
            return Ok(None);
        }
        let out = out.get_mut(..length).ok_or(Error::Length)?;
        random.fill(out)?;
        if let Some(first) = out.first_mut() {
            // rfc9000#10.3-4
            *first = *first & 0x3f | 0x40;
        }
        *out.last_chunk_mut().ok_or(Error::Length)? = self.token(id)?.0;
        #[cfg(pith_test)]
        pith_crypto::taint::known(out);
        Ok(Some(length))
    }
}

impl Bucket {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            left: limits::ANSWERS,
            filled_at: now,
        }
    }

    /// Takes one, if there is one.
    pub(super) fn take(&mut self, now: Duration) -> bool {
        let passed = now.saturating_sub(self.filled_at).as_micros();
        let more = passed.checked_div(limits::ANSWER_REFILL.as_micros());
        let more = u32::try_from(more.unwrap_or_default()).unwrap_or(u32::MAX);
        if more > 0 {
            self.left = self.left.saturating_add(more).min(limits::ANSWERS);
            self.filled_at = now;
        }
        let taken = self.left.checked_sub(1);
        self.left = taken.unwrap_or_default();
        taken.is_some()
    }
}

/// Long enough that it may be a packet with any connection id.
const LARGEST: usize = 42;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_is_smaller_than_what_it_answers_and_looks_like_a_packet() {
        let resets = Resets::new(Wiped::new(&[1; 32]).unwrap());
        let mut random = Random::seeded(&[1; 32]).unwrap();
        let id = ConnectionId::new(&[5; 8]).unwrap();
        let mut out = [0; 100];
        for (trigger, want) in [
            (0, None),
            (21, None),
            (22, Some(21)),
            (43, Some(42)),
            (44, Some(42)),
            (1200, Some(42)),
        ] {
            let length = resets.write(&id, trigger, &mut random, &mut out).unwrap();
            assert_eq!(length, want, "{trigger}");
            if let Some(length) = length {
                assert_eq!(out[0] & 0xc0, 0x40);
                let token = resets.token(&id).unwrap();
                assert_eq!(out[length - 16..length], token.0);
            }
        }
    }

    #[test]
    fn tokens_depend_on_the_key_and_on_every_byte_of_the_id() {
        let resets = |key| Resets::new(Wiped::new(&[key; 32]).unwrap());
        let id = ConnectionId::new(&[5; 8]).unwrap();
        let token = resets(1).token(&id).unwrap();
        assert_eq!(resets(1).token(&id).unwrap(), token);
        assert_ne!(resets(2).token(&id).unwrap(), token);
        for at in 0..8 {
            let mut bytes = [5; 8];
            bytes[at] ^= 1;
            let other = ConnectionId::new(&bytes).unwrap();
            assert_ne!(resets(1).token(&other).unwrap(), token, "byte {at}");
        }
    }

    #[test]
    fn answers_come_in_a_burst_and_then_at_a_rate() {
        let mut bucket = Bucket::new(Duration::from_secs(5));
        let count = |bucket: &mut Bucket, at: u64| {
            let at = Duration::from_millis(at);
            (0..1000).filter(|_| bucket.take(at)).count()
        };
        let burst = usize::try_from(limits::ANSWERS).unwrap();
        let refill = limits::ANSWER_REFILL.as_millis() as u64;
        assert_eq!(count(&mut bucket, 5000), burst);
        assert_eq!(count(&mut bucket, 5000 + refill - 1), 0);
        assert_eq!(count(&mut bucket, 5000 + refill), 1);
        assert_eq!(count(&mut bucket, 5000 + 10 * refill), 9);
        assert_eq!(count(&mut bucket, 99_000), burst);
    }
}
