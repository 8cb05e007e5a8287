//! Where a client keeps its sessions: in memory, bounded, by name and by what they were made under.
//!
//! A session is found under its server's name, the mark of the client's trust, policy and credentials, and its carrier, so that
//! one client configuration never resumes what another would not have accepted (T01, client side). Taking it removes it: a
//! ticket that two connections show lets an observer link them (RFC 9846 appendix C.4). The newest comes first; what is out
//! of date is dropped; past a bound, the oldest goes (T06).

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use pki_types::ServerName;

use super::binding::mark_of_name;
use super::session::{ClientState, Session, Side};
use super::state::code_of_carrier;
use crate::Now;
use crate::handshake::carrier::Rules;
use crate::limits;
use crate::mark::{Mark, mark};

/// A client's sessions, to resume them. Clones share one memory, and so may configurations: each finds its own alone.
///
/// A program that ends can save them, sealed under a key of its own:
///
/// ```
/// use pith_tls::{Session, SessionKey, SessionStore};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (store, key) = (SessionStore::new(), SessionKey::new(&[7; 32])); // 32 random bytes, kept safe
/// let saved = store.drain().into_iter().map(|session| session.seal(&key));
/// let saved = saved.collect::<Result<Vec<Vec<u8>>, _>>()?;
///
/// let restored = SessionStore::new();
/// let sessions = saved.iter().filter_map(|sealed| Session::open(&key, sealed).ok());
/// sessions.for_each(|session| restored.insert(session));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SessionStore {
    shared: Arc<Mutex<Shelves>>,
    per_name: usize,
    total: usize,
    reuse_last_ticket: bool,
}

#[derive(Default)]
struct Shelves {
    /// Of each key, the newest first; none is empty.
    sessions: BTreeMap<Mark, VecDeque<(u64, Box<ClientState>)>>,
    /// Which key each number is under, the oldest first.
    ages: BTreeMap<u64, Mark>,
    next: u64,
}

impl SessionStore {
    /// An empty store for [`limits::SESSIONS_OF_A_NAME`] sessions of a name and [`limits::SESSIONS`] in all.
    #[must_use]
    pub fn new() -> Self {
        Self::bounded(limits::SESSIONS_OF_A_NAME, limits::SESSIONS)
    }

    /// An empty store for so many sessions of a name, which is how many tickets servers are asked for, and in all. Past
    /// either, the oldest goes.
    #[must_use]
    pub fn bounded(per_name: u8, total: usize) -> Self {
        Self {
            shared: Arc::default(),
            per_name: per_name.into(),
            total,
            reuse_last_ticket: false,
        }
    }

    /// Whether the last session of a name stays, so that many connections at once can resume from it; never for early data. An
    /// observer can then tell that they are of one client, so it is off by default.
    #[must_use]
    pub fn reuse_last_ticket(mut self, reuse: bool) -> Self {
        self.reuse_last_ticket = reuse;
        self
    }

    /// Puts a session in, such as one that was saved. One of a server, or whose ticket is of over
    /// [`limits::SESSION_TICKET`] bytes, is dropped.
    pub fn insert(&self, session: Session) {
        match session.0 {
            Side::Client(state) => self.put(state),
            Side::Server(_) => {}
        }
    }

    /// Takes all sessions out, the oldest first, such as to save them.
    #[must_use]
    pub fn drain(&self) -> Vec<Session> {
        let shelves = core::mem::take(&mut *self.lock());
        let mut sessions: Vec<_> = shelves.sessions.into_values().flatten().collect();
        sessions.sort_by_key(|(number, _)| *number);
        let session = |(_, state)| Session(Side::Client(state));
        sessions.into_iter().map(session).collect()
    }

    /// How many sessions it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().ages.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many tickets to ask a server for.
    pub(crate) fn per_name(&self) -> u8 {
        u8::try_from(self.per_name).unwrap_or(u8::MAX)
    }

    pub(crate) fn put(&self, state: Box<ClientState>) {
        if state.ticket.len() > limits::SESSION_TICKET {
            return;
        }
        let key = key(&state.server_name, &state.owner, state.carrier);
        let mut shelves = self.lock();
        shelves.add(key, state);
        if shelves.sessions.get(&key).map_or(0, VecDeque::len) > self.per_name {
            shelves.drop_oldest_of(&key);
        }
        while shelves.ages.len() > self.total {
            let Some((_, oldest)) = shelves.ages.first_key_value() else {
                break;
            };
            let oldest = *oldest;
            shelves.drop_oldest_of(&oldest);
        }
    }

    /// Takes the newest session for this server that can be used now.
    pub(crate) fn take(
        &self,
        server_name: &ServerName<'_>,
        owner: &Mark,
        carrier: Rules,
        now: Now,
    ) -> Option<Box<ClientState>> {
        let key = key(server_name, owner, carrier);
        let mut shelves = self.lock();
        let taken = shelves.take(&key, now)?;
        if self.reuse_last_ticket && !shelves.sessions.contains_key(&key) {
            if let Ok(again) = taken.again() {
                shelves.add(key, Box::new(again));
            }
        }
        Some(taken)
    }

    /// Whether [`take`](Self::take) would find one.
    pub(crate) fn holds(
        &self,
        server_name: &ServerName<'_>,
        owner: &Mark,
        carrier: Rules,
        now: Now,
    ) -> bool {
        let shelves = self.lock();
        let shelf = shelves.sessions.get(&key(server_name, owner, carrier));
        shelf.is_some_and(|shelf| shelf.iter().any(|(_, state)| state.is_current(now)))
    }

    /// A thread that panicked while it held the lock leaves at worst a session that no number leads to, which is no danger.
    fn lock(&self) -> std::sync::MutexGuard<'_, Shelves> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for SessionStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Shelves {
    fn add(&mut self, key: Mark, state: Box<ClientState>) {
        let number = self.next;
        self.next = self.next.saturating_add(1);
        self.ages.insert(number, key);
        let shelf = self.sessions.entry(key).or_default();
        shelf.push_front((number, state));
    }

    /// The newest that is current; those that are not are dropped.
    fn take(&mut self, key: &Mark, now: Now) -> Option<Box<ClientState>> {
        let shelf = self.sessions.get_mut(key)?;
        let ages = &mut self.ages;
        shelf.retain(|(number, state)| {
            let current = state.is_current(now);
            if !current {
                ages.remove(number);
            }
            current
        });
        let newest = shelf.pop_front();
        if shelf.is_empty() {
            self.sessions.remove(key);
        }
        let (number, state) = newest?;
        self.ages.remove(&number);
        Some(state)
    }

    fn drop_oldest_of(&mut self, key: &Mark) {
        let Some(shelf) = self.sessions.get_mut(key) else {
            return;
        };
        if let Some((number, _)) = shelf.pop_back() {
            self.ages.remove(&number);
        }
        if shelf.is_empty() {
            self.sessions.remove(key);
        }
    }
}

fn key(server_name: &ServerName<'_>, owner: &Mark, carrier: Rules) -> Mark {
    // rfc9846#4.7.1-3
    let name = mark_of_name(Some(&server_name.to_str()));
    let carrier = code_of_carrier(carrier).to_be_bytes();
    mark("session", &[&name, owner, &carrier])
}
