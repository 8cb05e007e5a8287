//! Random bytes for what only has to be unpredictable to others: connection ids, skipped packet numbers, reserved values, jitter.
//!
//! The generator is keyed from the system's and replaces its key with each draw of it, so what has been given out cannot be computed from what is
//! left. Keys, nonces, path challenges, tokens and reset tokens never come from here. A test alone may give the seed, so that a run replays.

use pith_crypto::{Aead, Error, SealingKey, Wiped, random};

/// A generator; neither shared nor cloned.
pub(crate) struct Random {
    key: Wiped<KEY>,
    pool: Wiped<POOL>,
    used: usize,
}

const KEY: usize = 32;
const POOL: usize = 64;

impl Random {
    /// Keyed from the system.
    pub(crate) fn new() -> Result<Self, Error> {
        Self::from_key(Wiped::filled(KEY, random::fill)?)
    }

    /// Always the same bytes for the same seed.
    #[cfg(any(test, pith_test))]
    pub(crate) fn seeded(seed: &[u8; 32]) -> Result<Self, Error> {
        Self::from_key(Wiped::new(seed)?)
    }

    fn from_key(key: Wiped<KEY>) -> Result<Self, Error> {
        Ok(Self {
            key,
            pool: Wiped::filled(POOL, |_| Ok(()))?,
            used: POOL,
        })
    }

    /// Fills `out`.
    pub(crate) fn fill(&mut self, out: &mut [u8]) -> Result<(), Error> {
        let mut left = out;
        while !left.is_empty() {
            if self.used >= POOL {
                self.refill()?;
            }
            let fresh = self.pool.expose().get(self.used..).unwrap_or_default();
            let len = fresh.len().min(left.len());
            let (head, tail) = left.split_at_mut_checked(len).ok_or(Error::Length)?;
            head.copy_from_slice(fresh.get(..len).ok_or(Error::Length)?);
            // What has been drawn goes out, or decides what does.
            #[cfg(pith_test)]
            pith_crypto::taint::known(head);
            self.used = self.used.saturating_add(len);
            left = tail;
        }
        Ok(())
    }

    /// The next byte of those that [`fill`](Self::fill) gives.
    pub(crate) fn byte(&mut self) -> Result<u8, Error> {
        if self.used >= POOL {
            self.refill()?;
        }
        let byte = self.pool.expose().get(self.used);
        let byte = *byte.ok_or(Error::Length)?;
        self.used = self.used.saturating_add(1);
        let drawn = [byte];
        // As in `fill`.
        #[cfg(pith_test)]
        let drawn = {
            let mut drawn = drawn;
            pith_crypto::taint::known(&mut drawn);
            drawn
        };
        let [byte] = drawn;
        Ok(byte)
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn refill(&mut self) -> Result<(), Error> {
        let stream = Wiped::<STREAM>::filled(STREAM, |out| {
            let key = self.key.expose();
            let mut cipher = SealingKey::new(Aead::ChaCha20Poly1305, key, &[0; 12])?;
            cipher.seal(&[], &[0; KEY + POOL], &[], out).map(drop)
        })?;
        let (key, rest) = stream.expose().split_at_checked(KEY).ok_or(Error::Length)?;
        let pool = Wiped::new(rest.get(..POOL).ok_or(Error::Length)?)?;
        self.key = Wiped::new(key)?;
        self.pool = pool;
        self.used = 0;
        Ok(())
    }
}

/// Key, pool, and the tag that nobody needs.
const STREAM: usize = KEY + POOL + pith_crypto::aead::TAG_LEN;

pith_crypto::assert_neither_debug_nor_clone!(Random);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_replays_and_draws_do_not_repeat() {
        let draw = |seed: u8, sizes: &[usize]| {
            let mut random = Random::seeded(&[seed; 32]).unwrap();
            let mut all = Vec::new();
            for size in sizes {
                let mut bytes = vec![0; *size];
                random.fill(&mut bytes).unwrap();
                all.extend(bytes);
            }
            all
        };
        let whole = draw(1, &[1000]);
        assert_eq!(draw(1, &[1, 63, 64, 65, 0, 807]), whole);
        let mut random = Random::seeded(&[1; 32]).unwrap();
        let bytes: Vec<_> = (0..1000).map(|_| random.byte().unwrap()).collect();
        assert_eq!(bytes, whole, "byte by byte");
        assert_ne!(draw(2, &[1000]), whole);
        for (at, window) in whole.windows(8).enumerate() {
            let again = whole.windows(8).rposition(|other| other == window);
            assert_eq!(again, Some(at), "eight bytes come twice");
        }
    }
}
