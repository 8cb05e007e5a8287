//! Chains that were accepted a short while ago, so that the next connection to the same peer does without their signatures.
//!
//! A configuration has none unless it asks for one, and shares it with no other: all that is in it was judged by the same roots and
//! revocation lists. Kept are successes alone, under a digest of all else that a verdict depends on, each certificate byte for
//! byte. What the peer signs in its CertificateVerify is no part of a verdict and is checked in every connection, and so is what
//! costs no signature: pins. A stapled OCSP response is read by the caller's own verifier alone, which is always asked too.
//!
//! A verdict holds from the second in which it was found, so never before a certificate's dates, and no longer than
//! [`limits::CHAIN_LIFETIME`], the first of the certificates to expire and the first of the lists to be out of date. Whoever fills the
//! cache with chains, which are public, costs others the spared signature and no more: past its bound, the oldest goes.

use core::ops::RangeInclusive;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use pki_types::CertificateDer;

use super::error::CertificateError;
use super::verify::{Peer, Trust, verify_chain};
use crate::Now;
use crate::limits;
use crate::mark::{Mark, mark};
use crate::policy::Policy;

/// The accepted chains of one configuration.
pub(crate) struct ChainCache {
    most: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// The seconds in which each chain is accepted: webpki looks at no smaller parts either.
    chains: BTreeMap<Mark, RangeInclusive<u64>>,
    /// The same chains, the one that came first in front.
    order: VecDeque<Mark>,
}

impl ChainCache {
    /// An empty cache for at most so many chains.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            kept: Mutex::default(),
        }
    }

    /// As [`verify_chain`], without looking where the same was accepted before. All calls have the same `trust`.
    pub(super) fn verify(
        &self,
        trust: &Trust,
        policy: &'static Policy,
        chain: &[CertificateDer<'_>],
        peer: Peer<'_>,
        now: Now,
    ) -> Result<(), CertificateError> {
        let key = key(policy, chain, peer);
        let second = now.unix.as_secs();
        if self.has(&key, second) {
            return Ok(());
        }
        verify_chain(trust, policy, chain, peer, now)?;
        if let Some(last) = trust.last_second(chain, now) {
            let lifetime = limits::CHAIN_LIFETIME.as_secs();
            self.keep(key, second..=second.saturating_add(lifetime).min(last));
        }
        Ok(())
    }

    fn has(&self, key: &Mark, second: u64) -> bool {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = kept.chains.get(key);
        seconds.is_some_and(|seconds| seconds.contains(&second))
    }

    fn keep(&self, key: Mark, seconds: RangeInclusive<u64>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.chains.insert(key, seconds).is_some() {
            return; // out of date, and looked at again
        }
        kept.order.push_back(key);
        while kept.order.len() > self.most {
            if let Some(oldest) = kept.order.pop_front() {
                kept.chains.remove(&oldest);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let kept = self.kept.lock().unwrap();
        assert_eq!(kept.chains.len(), kept.order.len());
        kept.order.len()
    }
}

/// What a verdict depends on besides a configuration's trust and the time.
fn key(policy: &Policy, chain: &[CertificateDer<'_>], peer: Peer<'_>) -> Mark {
    let (role, name) = match peer {
        Peer::Server(name) => ("server", name.to_str()),
        Peer::Client => ("client", "".into()),
    };
    let certificates = chain.iter().map(AsRef::as_ref);
    let whose = [policy.name, role, &name].map(str::as_bytes);
    let parts: Vec<&[u8]> = whose.into_iter().chain(certificates).collect();
    mark("accepted chain", &parts)
}
