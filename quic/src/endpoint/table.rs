//! Which datagram belongs to whom: ids, first ids, reset tokens, and clients whose hello is on its way.

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::{BTreeMap, HashMap, btree_map};

use bytes::BytesMut;

use super::incoming::{Attempt, Progress};
use crate::limits;
use crate::path::NewId;
use crate::recovery::Ecn;
use crate::wire::{ConnectionId, ResetToken};

/// Names a connection of an endpoint, and never another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionKey(u64);

/// The tables.
#[derive(Default)]
pub(super) struct Table {
    connections: BTreeMap<ConnectionKey, Entry>,
    next: u64,
    /// Ids that this endpoint minted.
    ids: HashMap<ConnectionId, ConnectionKey>,
    /// The one of them that was asked for last: many datagrams of a connection come together.
    last: Option<(ConnectionId, ConnectionKey)>,
    /// Connections without ids, by where their servers are.
    remotes: BTreeMap<SocketAddr, ConnectionKey>,
    /// By where a client is, and where its Initial packets go, which it has chosen.
    first: BTreeMap<(SocketAddr, ConnectionId), ConnectionKey>,
    /// Clients without a connection, by the same: at most [`limits::ATTEMPTS`], so that they can be looked through (attack A41).
    waiting: BTreeMap<(SocketAddr, ConnectionId), Waiting>,
    /// The ids under which some of them were sent an acknowledgement, and send from then on.
    aliases: BTreeMap<ConnectionId, (SocketAddr, ConnectionId)>,
    /// Those of them about which the application decides.
    asked: usize,
    /// Bytes of datagrams that are kept for them.
    bytes: usize,
    half_open: usize,
    /// Only tokens that peers have issued stand here: none is none, and not zeros (attack Q06). The hash has a random key.
    resets: HashMap<(SocketAddr, ResetToken), ConnectionKey>,
}

/// A client that is not let in yet.
enum Waiting {
    /// Its hello is not complete.
    Attempt(Box<Attempt>),
    /// The application decides, and holds so many bytes.
    Asked { since: Duration, bytes: usize },
}

struct Entry {
    remote: SocketAddr,
    known: By,
    first: Option<(SocketAddr, ConnectionId)>,
    reset: Option<ResetToken>,
    half_open: bool,
}

/// By what datagrams are known to be a connection's.
enum By {
    Ids(Vec<ConnectionId>),
    /// It has no ids, but where they come from.
    Remotes(Vec<SocketAddr>),
}

/// Connections.
impl Table {
    /// A new connection; without an id, to where no other such is. `first` is where Initial packets go of a client that was let in.
    pub(super) fn add(
        &mut self,
        remote: SocketAddr,
        id: ConnectionId,
        first: Option<(SocketAddr, ConnectionId)>,
    ) -> ConnectionKey {
        let key = ConnectionKey(self.next);
        self.next = self.next.saturating_add(1);
        let half_open = first.is_some();
        if let Some((remote, dcid)) = first {
            self.forget_attempt(remote, dcid);
            self.first.insert((remote, dcid), key);
            self.half_open = self.half_open.saturating_add(1);
        }
        let known = if id.is_empty() {
            self.remotes.insert(remote, key);
            By::Remotes(vec![remote])
        } else {
            self.ids.insert(id, key);
            By::Ids(vec![id])
        };
        let entry = Entry {
            remote,
            known,
            first,
            reset: None,
            half_open,
        };
        self.connections.insert(key, entry);
        key
    }

    /// The connection whose id this is (rfc9000#5.1.1-2).
    pub(super) fn find(&mut self, id: &ConnectionId) -> Option<ConnectionKey> {
        if let Some((_, key)) = self.last.filter(|(last, _)| last == id) {
            return Some(key);
        }
        let key = *self.ids.get(id)?;
        self.last = Some((*id, key));
        Some(key)
    }

    /// The connection without ids whose server is there.
    pub(super) fn find_remote(&self, remote: SocketAddr) -> Option<ConnectionKey> {
        self.remotes.get(&remote).copied()
    }

    /// A connection without ids may hear from there too, unless another such does.
    pub(super) fn expect(&mut self, key: ConnectionKey, remote: SocketAddr) {
        let Some(Entry {
            known: By::Remotes(own),
            ..
        }) = self.connections.get_mut(&key)
        else {
            return;
        };
        if let btree_map::Entry::Vacant(place) = self.remotes.entry(remote) {
            place.insert(key);
            own.push(remote);
        }
    }

    /// The connection that a datagram resets, if it ends in a token that its peer has issued. Only the token of the id in use stands here (rfc9000#10.3.1-2).
    pub(super) fn find_reset(&self, remote: SocketAddr, datagram: &[u8]) -> Option<ConnectionKey> {
        if datagram.len() < limits::RESET_DATAGRAM {
            return None;
        }
        let token = ResetToken(*datagram.last_chunk()?);
        self.resets.get(&(remote, token)).copied()
    }

    /// False if there is no such connection.
    pub(super) fn route(&mut self, key: ConnectionKey, id: ConnectionId) -> bool {
        let Some(Entry {
            known: By::Ids(own),
            ..
        }) = self.connections.get_mut(&key)
        else {
            return false;
        };
        own.push(id);
        self.ids.insert(id, key);
        true
    }

    /// Another connection's ids are not for this one to give up.
    pub(super) fn retire(&mut self, key: ConnectionKey, id: &ConnectionId) {
        if let Some(Entry {
            known: By::Ids(ids),
            ..
        }) = self.connections.get_mut(&key)
        {
            if let Some(at) = ids.iter().position(|own| own == id) {
                ids.swap_remove(at);
                self.ids.remove(id);
                self.last = None;
            }
        }
    }

    pub(super) fn set_reset_token(&mut self, key: ConnectionKey, token: ResetToken) {
        #[cfg(pith_test)]
        let token = {
            let mut token = token;
            pith_crypto::taint::secret(&mut token.0);
            token
        };
        if let Some(entry) = self.connections.get_mut(&key) {
            if let Some(old) = entry.reset.replace(token) {
                self.resets.remove(&(entry.remote, old));
            }
            self.resets.insert((entry.remote, token), key);
        }
    }

    /// The peer is elsewhere: its Stateless Resets come from there.
    pub(super) fn set_remote(&mut self, key: ConnectionKey, remote: SocketAddr) {
        if let Some(entry) = self.connections.get_mut(&key) {
            let before = core::mem::replace(&mut entry.remote, remote);
            if let Some(token) = entry.reset {
                self.resets.remove(&(before, token));
                self.resets.insert((remote, token), key);
            }
        }
    }

    /// The handshake is complete.
    pub(super) fn complete(&mut self, key: ConnectionKey) {
        if let Some(entry) = self.connections.get_mut(&key) {
            if core::mem::take(&mut entry.half_open) {
                self.half_open = self.half_open.saturating_sub(1);
            }
        }
    }

    pub(super) fn remove(&mut self, key: ConnectionKey) {
        self.complete(key);
        let Some(entry) = self.connections.remove(&key) else {
            return;
        };
        match &entry.known {
            By::Ids(ids) => {
                for id in ids {
                    self.ids.remove(id);
                }
                self.last = None;
            }
            By::Remotes(remotes) => {
                for remote in remotes {
                    self.remotes.remove(remote);
                }
            }
        }
        if let Some(first) = entry.first {
            // Who let the same client in twice has another connection there.
            if self.first.get(&first) == Some(&key) {
                self.first.remove(&first);
            }
        }
        if let Some(token) = entry.reset {
            self.resets.remove(&(entry.remote, token));
        }
        slim(&mut self.ids);
        slim(&mut self.resets);
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = ConnectionKey> + '_ {
        self.connections.keys().copied()
    }

    pub(super) fn len(&self) -> usize {
        self.connections.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// Whether nothing at all is held.
    #[cfg(test)]
    pub(super) fn is_bare(&self) -> bool {
        self.is_empty()
            && self.ids.is_empty()
            && self.remotes.is_empty()
            && self.first.is_empty()
            && self.resets.is_empty()
            && self.waiting.is_empty()
            && self.aliases.is_empty()
            && (self.asked, self.bytes, self.half_open) == (0, 0, 0)
    }

    pub(super) fn half_open(&self) -> usize {
        self.half_open
    }
}

/// Clients by their first id.
impl Table {
    /// The connection of a client that was let in.
    pub(super) fn find_first(
        &self,
        remote: SocketAddr,
        dcid: ConnectionId,
    ) -> Option<ConnectionKey> {
        self.first.get(&(remote, dcid)).copied()
    }

    /// Where the Initial packets of a client went at first that go to this id now.
    pub(super) fn first_id(&self, remote: SocketAddr, dcid: ConnectionId) -> ConnectionId {
        match self.aliases.get(&dcid) {
            Some((of, first)) if *of == remote => *first,
            _ => dcid,
        }
    }

    /// Whether an attempt was acknowledged before, so that it has an id of this side.
    pub(super) fn has_own_id(&self, remote: SocketAddr, dcid: ConnectionId) -> bool {
        let waiting = self.waiting.get(&(remote, dcid));
        matches!(waiting, Some(Waiting::Attempt(attempt)) if attempt.own().is_some())
    }

    /// Has an attempt acknowledge what is kept, from `id` if it is the first time. Says how long that is.
    pub(super) fn acknowledge(
        &mut self,
        remote: SocketAddr,
        dcid: ConnectionId,
        id: Option<NewId>,
        reply: &mut [u8],
    ) -> Option<usize> {
        let Some(Waiting::Attempt(attempt)) = self.waiting.get_mut(&(remote, dcid)) else {
            return None;
        };
        let (length, id) = attempt.acknowledge(id, reply)?;
        self.aliases.insert(id, (remote, dcid));
        Some(length)
    }

    /// Whether a client waits, for the rest of its hello or for the application.
    pub(super) fn waits(&self, remote: SocketAddr, dcid: ConnectionId) -> bool {
        self.waiting.contains_key(&(remote, dcid))
    }

    /// Gives an attempt a datagram of its client. `None` if there is no attempt.
    pub(super) fn feed(
        &mut self,
        remote: SocketAddr,
        dcid: ConnectionId,
        ecn: Ecn,
        datagram: BytesMut,
    ) -> Option<Progress> {
        let fits = self.has_room(datagram.len());
        let Some(Waiting::Attempt(attempt)) = self.waiting.get_mut(&(remote, dcid)) else {
            return None;
        };
        if !fits {
            return Some(Progress::Nothing);
        }
        let before = attempt.bytes();
        let progress = attempt.receive(ecn, datagram);
        let more = attempt.bytes().saturating_sub(before);
        self.bytes = self.bytes.saturating_add(more);
        Some(progress)
    }

    #[cfg(test)]
    pub(super) fn attempt(&self, remote: SocketAddr, dcid: ConnectionId) -> Option<&Attempt> {
        match self.waiting.get(&(remote, dcid)) {
            Some(Waiting::Attempt(attempt)) => Some(attempt),
            Some(Waiting::Asked { .. }) | None => None,
        }
    }

    /// Whether the rest of a client's hello is waited for.
    pub(super) fn is_attempt(&self, remote: SocketAddr, dcid: ConnectionId) -> bool {
        let waiting = self.waiting.get(&(remote, dcid));
        matches!(waiting, Some(Waiting::Attempt(_)))
    }

    /// Those that wait.
    pub(super) fn attempts(&self) -> usize {
        self.waiting.len()
    }

    /// Whether a datagram of this length may be kept for a client that waits.
    pub(super) fn has_room(&self, length: usize) -> bool {
        self.bytes.saturating_add(length) <= limits::ADMISSION_BYTES
    }

    /// Bytes of datagrams of those that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Handshakes that are open, and those that will be if the application lets everybody in.
    pub(super) fn may_be_half_open(&self) -> usize {
        self.half_open.saturating_add(self.asked)
    }

    /// False, and not kept, if there are too many.
    pub(super) fn keep(
        &mut self,
        remote: SocketAddr,
        dcid: ConnectionId,
        attempt: Attempt,
    ) -> bool {
        self.insert(remote, dcid, Waiting::Attempt(Box::new(attempt)))
    }

    /// Notes that the application decides about a client of which so much came. False if there are too many.
    pub(super) fn ask(
        &mut self,
        remote: SocketAddr,
        dcid: ConnectionId,
        since: Duration,
        bytes: usize,
    ) -> bool {
        self.insert(remote, dcid, Waiting::Asked { since, bytes })
    }

    /// Takes an attempt that is complete, and notes that the application decides about it.
    pub(super) fn take_attempt(
        &mut self,
        remote: SocketAddr,
        dcid: ConnectionId,
        since: Duration,
    ) -> Option<Attempt> {
        let waiting = self.waiting.get_mut(&(remote, dcid))?;
        let Waiting::Attempt(attempt) = waiting else {
            return None;
        };
        let bytes = attempt.bytes();
        match core::mem::replace(waiting, Waiting::Asked { since, bytes }) {
            Waiting::Attempt(attempt) => {
                self.asked = self.asked.saturating_add(1);
                Some(*attempt)
            }
            Waiting::Asked { .. } => None,
        }
    }

    pub(super) fn forget_attempt(&mut self, remote: SocketAddr, dcid: ConnectionId) {
        if let Some(waiting) = self.waiting.remove(&(remote, dcid)) {
            self.forgotten(&waiting);
            self.aliases.retain(|_, of| *of != (remote, dcid));
        }
    }

    pub(super) fn forget_attempts(&mut self) {
        self.waiting.clear();
        self.aliases.clear();
        (self.asked, self.bytes) = (0, 0);
    }

    /// Forgets those that have taken too long, and says how many.
    pub(super) fn expire(&mut self, now: Duration) -> u64 {
        let before = self.waiting.len();
        let patience = self.patience();
        let mut waiting = core::mem::take(&mut self.waiting);
        waiting.retain(|_, waiting| {
            let stays = waiting.expires(patience) > now;
            if !stays {
                self.forgotten(waiting);
            }
            stays
        });
        self.aliases.retain(|_, of| waiting.contains_key(of));
        self.waiting = waiting;
        let expired = before.saturating_sub(self.waiting.len());
        u64::try_from(expired).unwrap_or(u64::MAX)
    }

    pub(super) fn next_expiry(&self) -> Option<Duration> {
        let patience = self.patience();
        let all = self.waiting.values();
        all.map(|waiting| waiting.expires(patience)).min()
    }

    /// For how long the pieces of a hello wait for the others.
    fn patience(&self) -> Duration {
        let calm = self.waiting.len() < limits::CALM_ATTEMPTS;
        if calm && self.bytes < limits::CALM_BYTES {
            limits::CALM_ATTEMPT_TIME
        } else {
            limits::ATTEMPT_TIME
        }
    }

    fn insert(&mut self, remote: SocketAddr, dcid: ConnectionId, waiting: Waiting) -> bool {
        let fits = self.waiting.len() < limits::ATTEMPTS && self.has_room(waiting.bytes());
        if fits {
            self.bytes = self.bytes.saturating_add(waiting.bytes());
            self.asked = self.asked.saturating_add(waiting.asked());
            if let Some(before) = self.waiting.insert((remote, dcid), waiting) {
                self.forgotten(&before);
            }
        }
        fits
    }

    fn forgotten(&mut self, waiting: &Waiting) {
        self.bytes = self.bytes.saturating_sub(waiting.bytes());
        self.asked = self.asked.saturating_sub(waiting.asked());
    }
}

impl Waiting {
    fn expires(&self, patience: Duration) -> Duration {
        match self {
            Self::Attempt(attempt) => attempt.began.saturating_add(patience),
            Self::Asked { since, .. } => since.saturating_add(limits::ATTEMPT_TIME),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Attempt(attempt) => attempt.bytes(),
            Self::Asked { bytes, .. } => *bytes,
        }
    }

    fn asked(&self) -> usize {
        usize::from(matches!(self, Self::Asked { .. }))
    }
}

/// Gives back the most of what a crowd needed that is gone. Seldom, so that it costs each of those who come and go next to nothing.
fn slim<K: Eq + core::hash::Hash, V>(map: &mut HashMap<K, V>) {
    let room = map.capacity();
    if room > SLIM && map.len() <= room.checked_div(8).unwrap_or_default() {
        map.shrink_to(map.len().saturating_mul(2));
    }
}

/// Entries for which room is always kept.
const SLIM: usize = 1024;

#[cfg(test)]
mod tests {
    use core::hash::BuildHasher;

    use super::*;

    /// Whoever finds ids that collide in one table has found none that do in another (attack A36).
    #[test]
    fn tables_hash_the_same_id_to_different_places() {
        let id = ConnectionId::new(&[7; 8]).unwrap();
        let remote: SocketAddr = "192.0.2.1:443".parse().unwrap();
        let tables: Vec<_> = (0..8).map(|_| Table::default()).collect();
        let ids = tables.iter().map(|table| table.ids.hasher().hash_one(id));
        let resets = tables.iter().map(|table| {
            let reset = (remote, ResetToken([7; 16]));
            table.resets.hasher().hash_one(reset)
        });
        let hashes: std::collections::BTreeSet<u64> = ids.chain(resets).collect();
        assert_eq!(hashes.len(), 16);
    }

    #[test]
    fn tables_give_back_what_a_crowd_needed() {
        let mut map: HashMap<u32, u32> = (0..50_000).map(|at| (at, at)).collect();
        let crowded = map.capacity();
        let mut moved = 0;
        for at in (10..50_000).rev() {
            map.remove(&at);
            let before = map.capacity();
            slim(&mut map);
            moved += usize::from(map.capacity() < before);
        }
        assert!(map.capacity() <= SLIM && crowded > 8 * SLIM);
        assert!(moved <= 8, "{moved} times");
        assert!((0..10).all(|at| map[&at] == at));
    }
}
