//! A server's tickets: whose keys seal them, for how long, and how many a client gets (RFC 9846 section 4.7.1, RFC 9149).
//!
//! A ticket is a key's id, 24 random bytes and AES-256-GCM (`seal`). Keys are random and replace themselves, or follow from a
//! fleet's secret and the time, so that servers with one secret accept each other's tickets and change keys in step, without a
//! word between them. There is no default secret (T03). A ticket that does not open is no error: a full handshake follows.

use core::time::Duration;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pith_crypto::hkdf::{derive_secret, expand_label, extract};
use pith_crypto::{Hash, Secret, random};

use super::seal;
use super::state::ServerState;
use crate::Now;
use crate::auth::ConfigError;
use crate::error::{Error, Local};
use crate::limits;

/// How a server issues and accepts tickets. Clones share their keys.
///
/// ```
/// use std::time::Duration;
/// use pith_tls::{ConfigError, Tickets};
///
/// /// `secret`: 32 random bytes or more, the same on each server.
/// fn tickets(secret: &[u8]) -> Result<Tickets, ConfigError> {
///     Tickets::fleet(secret)?.count(2).lifetime(Duration::from_secs(12 * 60 * 60))
/// }
/// assert!(tickets(b"too short").is_err());
/// ```
#[derive(Clone)]
pub struct Tickets {
    source: Source,
    count: u8,
    lifetime: Duration,
}

#[derive(Clone)]
enum Source {
    None,
    Asked,
    Rotating(Arc<Mutex<Vec<Key>>>),
    Fleet(Arc<Mutex<Secret>>),
}

/// A key that seals tickets.
struct Key {
    id: Id,
    secret: Secret,
    /// When it was made, since 1970.
    made: Duration,
}

type Id = [u8; 8];

impl Tickets {
    /// Sealed under random keys, which never leave this process and are replaced by themselves: a new one after half the
    /// lifetime of a ticket, while the older ones only open what they sealed, until that is out of date. The default.
    #[must_use]
    pub fn rotating() -> Self {
        Self::new(Source::Rotating(Arc::new(Mutex::new(Vec::new()))))
    }

    /// Sealed under keys that follow from this secret and the time, a new one with each lifetime of a ticket: servers that are
    /// given the same secret, lifetime and configuration accept each other's tickets. Their clocks may differ by up to a
    /// lifetime.
    ///
    /// **Whoever learns the secret can open every ticket that was ever sealed under it.** The pre-shared keys in them protect
    /// early data alone; what else was sent is safe behind its own key exchange. So early data, and what tickets hold about
    /// clients, have no forward secrecy until [`replace_secret`](Self::replace_secret).
    ///
    /// # Errors
    /// [`ConfigError::Unsupported`] for a secret of fewer than 32 bytes, or one that is a single byte repeated.
    pub fn fleet(secret: &[u8]) -> Result<Self, ConfigError> {
        Ok(Self::new(Source::Fleet(Arc::new(Mutex::new(
            fleet_secret(secret)?,
        )))))
    }

    /// Kept by the application: it is asked to keep each session ([`Topic::KeepSession`](crate::Topic::KeepSession)), after the
    /// handshake, and to find what a client comes back with ([`Topic::FindSession`](crate::Topic::FindSession)).
    #[must_use]
    pub fn asked() -> Self {
        Self::new(Source::Asked)
    }

    /// No tickets: none is issued and none accepted.
    #[must_use]
    pub fn none() -> Self {
        Self::new(Source::None)
    }

    /// How many tickets a client gets after its handshake if it does not say how many it wants (RFC 9149), at most
    /// [`limits::TICKETS`]: 2 by default.
    #[must_use]
    pub fn count(mut self, count: u8) -> Self {
        self.count = count.min(limits::TICKETS);
        self
    }

    /// How long a ticket may be used, in whole seconds: a day by default.
    ///
    /// # Errors
    /// [`ConfigError::Unsupported`] for less than a second, or more than 7 days.
    pub fn lifetime(mut self, lifetime: Duration) -> Result<Self, ConfigError> {
        // rfc9846#4.7.1-5
        let allowed = Duration::from_secs(1)..=limits::TICKET_LIFETIME;
        if !allowed.contains(&lifetime) {
            return Err(ConfigError::Unsupported {
                what: "tickets that live less than a second or more than 7 days",
            });
        }
        self.lifetime = Duration::from_secs(lifetime.as_secs());
        Ok(self)
    }

    /// Puts another secret in the place of a fleet's, in a running server and for all clones. Tickets under the old one do not
    /// open any more: their clients fall back to full handshakes, as do those that meet a server which has the other secret.
    ///
    /// # Errors
    /// As [`fleet`](Self::fleet), and [`ConfigError::Unsupported`] for tickets that are not a fleet's.
    pub fn replace_secret(&self, secret: &[u8]) -> Result<(), ConfigError> {
        let Source::Fleet(shared) = &self.source else {
            return Err(ConfigError::Unsupported {
                what: "a fleet secret for tickets that are not sealed under one",
            });
        };
        let secret = fleet_secret(secret)?;
        *lock(shared) = secret;
        Ok(())
    }

    fn new(source: Source) -> Self {
        Self {
            source,
            count: 2,
            lifetime: Duration::from_secs(24 * 60 * 60),
        }
    }

    /// Whether tickets are issued and accepted at all.
    pub(crate) fn are_issued(&self) -> bool {
        !matches!(self.source, Source::None)
    }

    /// Whether the application keeps the tickets.
    pub(crate) fn are_asked(&self) -> bool {
        matches!(self.source, Source::Asked)
    }

    /// How many tickets to issue to a client that asked for so many, or did not say.
    pub(crate) fn count_for(&self, asked: Option<u8>) -> u8 {
        match self.source {
            Source::None => 0,
            Source::Asked | Source::Rotating(_) | Source::Fleet(_) => {
                asked.unwrap_or(self.count).min(limits::TICKETS)
            }
        }
    }

    /// The lifetime of a ticket of a line that ends `until`, in whole seconds; `None` if it would have none.
    pub(crate) fn lifetime_for(&self, until: Duration, now: Now) -> Option<Duration> {
        let left = until.saturating_sub(now.unix).as_secs();
        let lifetime = self.lifetime.min(Duration::from_secs(left));
        (!lifetime.is_zero()).then_some(lifetime)
    }

    /// The ticket that holds this state.
    pub(crate) fn seal(&self, state: &ServerState, now: Now) -> Result<Vec<u8>, Error> {
        let text = state.encode()?;
        let seal = |key: &Key| seal::seal(&key.secret, LABEL, &key.id, &text, &state.secret);
        match &self.source {
            Source::None | Source::Asked => {
                Err(Local::Internal("a ticket without a key to seal it").into())
            }
            Source::Rotating(keys) => {
                let mut keys = lock(keys);
                Ok(seal(self.newest(&mut keys, now)?)?)
            }
            Source::Fleet(secret) => {
                let window = self.window(now);
                let key = self.window_key(&lock(secret), window)?;
                Ok(seal(&key)?)
            }
        }
    }

    /// What a ticket holds, if it is one of ours that may still be used.
    pub(crate) fn open(&self, ticket: &[u8], now: Now) -> Option<ServerState> {
        if ticket.len() > limits::TICKET {
            return None;
        }
        let (id, sealed) = ticket.split_first_chunk::<{ size_of::<Id>() }>()?;
        let open = |key: &Key| {
            let text = seal::open(&key.secret, LABEL, id, sealed).ok()?;
            ServerState::decode(&text)
        };
        let state = match &self.source {
            Source::None | Source::Asked => None,
            Source::Rotating(keys) => {
                let mut keys = lock(keys);
                self.forget(&mut keys, now);
                open(keys.iter().find(|key| key.id == *id)?)
            }
            Source::Fleet(secret) => {
                let key = {
                    let secret = lock(secret);
                    self.accepted_windows(now)
                        .filter_map(|window| self.window_key(&secret, window).ok())
                        .find(|key| key.id == *id)?
                };
                open(&key)
            }
        };
        state.filter(|state| state.is_current(now))
    }

    /// The key that seals now, made if its time has come.
    fn newest<'a>(&self, keys: &'a mut Vec<Key>, now: Now) -> Result<&'a Key, Error> {
        self.forget(keys, now);
        let half = self.lifetime.checked_div(2).unwrap_or_default();
        let due = |key: &Key| now.unix.saturating_sub(key.made) >= half;
        if keys.first().is_none_or(due) {
            keys.insert(0, Key::random(now)?);
        }
        Ok(keys.first().ok_or(Local::Internal("no ticket key"))?)
    }

    /// Drops the keys of which all tickets are out of date; and every key if the clock went back, since nothing would replace
    /// them until it is where it was.
    fn forget(&self, keys: &mut Vec<Key>, now: Now) {
        let sealing = self.lifetime.checked_div(2).unwrap_or_default();
        let kept = self.lifetime.saturating_add(sealing);
        let went_back = |key: &Key| key.made > now.unix.saturating_add(CLOCK_JITTER);
        if keys.first().is_some_and(went_back) {
            keys.clear();
        }
        keys.retain(|key| now.unix.saturating_sub(key.made) < kept);
    }

    fn window(&self, now: Now) -> u64 {
        let window = now.unix.as_secs().checked_div(self.lifetime.as_secs());
        window.unwrap_or_default()
    }

    /// The current one first, and one to either side: clocks differ, and tickets are used until they are out of date.
    fn accepted_windows(&self, now: Now) -> impl Iterator<Item = u64> + use<> {
        let window = self.window(now);
        [Some(window), window.checked_sub(1), window.checked_add(1)]
            .into_iter()
            .flatten()
    }

    fn window_key(&self, fleet: &Secret, window: u64) -> Result<Key, Error> {
        let place = [self.lifetime.as_secs(), window].map(u64::to_be_bytes);
        let secret = derive_secret(Hash::Sha256, fleet, "ticket window", place.as_flattened())?;
        let mut id = [0; size_of::<Id>()];
        expand_label(Hash::Sha256, &secret, "ticket key id", &[], &mut id)?;
        // It stands in every ticket.
        #[cfg(pith_test)]
        pith_crypto::taint::known(&mut id);
        Ok(Key {
            id,
            secret,
            made: Duration::ZERO,
        })
    }
}

impl Key {
    fn random(now: Now) -> Result<Self, Error> {
        let mut id = [0; size_of::<Id>()];
        random::fill(&mut id)?;
        Ok(Self {
            id,
            secret: Secret::filled(Hash::Sha256.len(), random::fill)?,
            made: now.unix,
        })
    }
}

fn fleet_secret(secret: &[u8]) -> Result<Secret, ConfigError> {
    let unsupported = |what| ConfigError::Unsupported { what };
    if secret.len() < FLEET_SECRET {
        return Err(unsupported("a fleet secret of fewer than 32 bytes"));
    }
    if secret.iter().all(|byte| Some(byte) == secret.first()) {
        return Err(unsupported("a fleet secret that is one byte, repeated"));
    }
    extract(Hash::Sha256, b"pith fleet", secret)
        .map_err(|_| unsupported("a fleet secret that HKDF-Extract does not take"))
}

/// Keys are put in and taken out whole, so a thread that panicked with the lock left nothing half done.
fn lock<T>(keys: &Mutex<T>) -> MutexGuard<'_, T> {
    keys.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes of a fleet's secret at the least.
const FLEET_SECRET: usize = 32;

/// Separates tickets from saved sessions.
const LABEL: &str = "pith ticket";

/// How far the times of two threads may be apart, in a clock that did not go back.
const CLOCK_JITTER: Duration = Duration::from_secs(10);
