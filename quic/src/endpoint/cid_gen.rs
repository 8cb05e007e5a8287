//! Connection ids of this side: six random bytes N, and two that hold `worker xor HMAC(k, N)`.
//!
//! Whoever has the key finds the worker that a datagram is for; for everybody else two ids of a connection have nothing in common.

use pith_crypto::hash::Hash;
use pith_crypto::mac::hmac;
use pith_crypto::{Error, Wiped};

use crate::limits;
use crate::random::Random;
use crate::wire::ConnectionId;

/// Makes ids for one worker, none of them empty (rfc9000#5.1-3), and reads those of all that share the key.
pub(super) struct IdGenerator {
    key: Wiped<32>,
    worker: u16,
}

const NONCE: usize = limits::ENDPOINT_ID - 2;

impl IdGenerator {
    pub(super) fn new(key: Wiped<32>, worker: u16) -> Self {
        Self { key, worker }
    }

    pub(super) fn mint(&self, random: &mut Random) -> Result<ConnectionId, Error> {
        let nonce: [u8; NONCE] = random.bytes()?;
        let [high, low] = (self.worker ^ self.mask(&nonce)?).to_be_bytes();
        let [a, b, c, d, e, f] = nonce;
        // rfc9000#5.1-1
        ConnectionId::new(&[a, b, c, d, e, f, high, low]).ok_or(Error::Length)
    }

    /// The worker that made `id`, if one of them did. `None` for an id of another length.
    pub(super) fn worker(&self, id: &ConnectionId) -> Result<Option<u16>, Error> {
        match **id {
            [a, b, c, d, e, f, high, low] => {
                let mask = self.mask(&[a, b, c, d, e, f])?;
                Ok(Some(u16::from_be_bytes([high, low]) ^ mask))
            }
            _ => Ok(None),
        }
    }

    fn mask(&self, nonce: &[u8; NONCE]) -> Result<u16, Error> {
        let mac = hmac(Hash::Sha256, self.key.expose(), nonce)?;
        let first = *mac.expose().first_chunk().ok_or(Error::Length)?;
        // An id is seen by all.
        #[cfg(pith_test)]
        let first = {
            let mut first = first;
            pith_crypto::taint::known(&mut first);
            first
        };
        Ok(u16::from_be_bytes(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_tell_their_worker_to_holders_of_the_key_alone() {
        let mut random = Random::seeded(&[1; 32]).unwrap();
        let with = |key: u8, worker| IdGenerator::new(Wiped::new(&[key; 32]).unwrap(), worker);
        let mut strangers = 0;
        let mut tails = std::collections::BTreeSet::new();
        for worker in [0, 1, 7, u16::MAX] {
            for _ in 0..50 {
                let id = with(1, worker).mint(&mut random).unwrap();
                assert_eq!(with(1, 0).worker(&id).unwrap(), Some(worker));
                let other = with(2, 0).worker(&id).unwrap();
                strangers += u32::from(other == Some(worker));
                tails.insert(id[NONCE..].to_vec());
            }
        }
        assert!(strangers < 3, "{strangers}");
        assert!(
            tails.len() > 190,
            "ids of one worker have nothing in common"
        );
        let short = ConnectionId::new(&[1; 7]).unwrap();
        assert_eq!(with(1, 0).worker(&short).unwrap(), None);
    }
}
