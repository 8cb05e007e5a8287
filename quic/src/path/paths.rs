//! The paths that a connection knows (RFC 9000 section 9): the one in use, the one to return to, and those that were left or only tried.
//!
//! The path in use is proven, or there is one to return to that was, or there is a handshake. Only genuine packets make a path known, and there are never
//! more than [`limits::PATHS`]: an attacker who sends copies of packets from many addresses costs the memory of a few. What follows for congestion,
//! connection ids and the endpoint is for the connection to do.

use core::net::SocketAddr;
use core::time::Duration;

use super::challenge::{Data, Due, Validation};
use super::{Amplification, Path, RemoteIds, Route};
use crate::limits;
use crate::recovery::PathId;
use crate::wire::PacketNumber;

/// The paths.
#[derive(Debug)]
pub(crate) struct Paths {
    pub(crate) active: Path,
    others: Vec<Other>,
    /// The last path that was proven, while the active one is not (rfc9000#9.3.2-1); it is among the others.
    fallback: Option<PathId>,
    /// Names the next path.
    next: u32,
    /// The lowest number that a packet has which is newer than all that were no probes.
    newer: u64,
}

/// A path that is not in use.
#[derive(Debug)]
struct Other {
    path: Path,
    /// When the peer's last datagram came, or the path was left.
    heard: Duration,
}

/// What an answer to a challenge has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Proven {
    pub(crate) path: PathId,
    /// The round trip of the challenge.
    pub(crate) took: Duration,
    /// Whether whole datagrams arrive; otherwise that is to be asked next.
    pub(crate) whole: bool,
}

/// Whose validation has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failed {
    /// A path's that is not in use, or was proven before: nothing is to be done.
    Aside,
    /// That of the path in use.
    Active,
    /// That of a path that this side would have moved to: it stays.
    Tried(Route),
}

impl Paths {
    /// A connection on its first path.
    pub(crate) fn new(active: Path) -> Self {
        Self {
            next: active.id.0.saturating_add(1),
            active,
            others: Vec::new(),
            fallback: None,
            newer: 0,
        }
    }

    /// The path between these addresses.
    pub(crate) fn find(&self, route: &Route) -> Option<PathId> {
        let like = |path: &&Path| path.route.is_like(route);
        self.iter().find(like).map(|path| path.id)
    }

    /// The path between these addresses, where this side's is the same by name.
    pub(crate) fn find_exact(&self, route: &Route) -> Option<PathId> {
        let same = |path: &&Path| path.route.is_exactly(route);
        self.iter().find(same).map(|path| path.id)
    }

    /// Whether this path is in use or tried.
    pub(crate) fn is_there(&self, route: &Route) -> bool {
        let mut paths = self.iter();
        paths.any(|path| path.route.is_exactly(route) && (path.moves || path.id == self.active.id))
    }

    /// How many paths are tried that this side would move to.
    pub(crate) fn tried(&self) -> usize {
        self.iter().filter(|path| path.moves).count()
    }

    pub(crate) fn get_mut(&mut self, id: PathId) -> Option<&mut Path> {
        self.iter_mut().find(|path| path.id == id)
    }

    /// So many bytes were sent on the first path before there was a connection.
    pub(crate) fn on_sent_before(&mut self, bytes: u64) {
        self.active.amplification.on_sent(bytes);
    }

    /// How many bytes may be sent on the path in use.
    #[cfg(test)]
    pub(crate) fn allowance(&self) -> u64 {
        self.active.amplification.allowance()
    }

    /// A datagram of this connection came on a path.
    pub(crate) fn on_received(&mut self, id: PathId, bytes: u64, now: Duration) {
        let other = self.others.iter_mut().find(|other| other.path.id == id);
        let path = match other {
            Some(other) => {
                other.heard = now;
                &mut other.path
            }
            None => &mut self.active,
        };
        path.amplification.on_received(bytes);
    }

    /// Makes a path known that a genuine packet came on, to this side's id number `local`. `remote` names the peer's id for it.
    pub(crate) fn add(
        &mut self,
        route: Route,
        local: u64,
        remote: Option<u64>,
        validation: Validation,
        now: Duration,
    ) -> PathId {
        let id = PathId(self.next);
        self.next = self.next.saturating_add(1);
        let path = Path {
            local,
            remote,
            search: self.active.search.again(),
            whole: false,
            is_told: false,
            validation: Some(Box::new(validation)),
            ..Path::new(id, route, Amplification::new())
        };
        self.keep(path, now);
        id
    }

    /// Makes a path known that this side will move to if the peer answers there, at its id number `remote`.
    pub(crate) fn try_out(
        &mut self,
        route: Route,
        remote: u64,
        validation: Validation,
        now: Duration,
    ) -> PathId {
        let id = PathId(self.next);
        self.next = self.next.saturating_add(1);
        let path = Path {
            local: self.active.local,
            remote: Some(remote),
            search: self.active.search.again(),
            whole: false,
            moves: true,
            validation: Some(Box::new(validation)),
            // The peer has chosen where it is, or was there before.
            ..Path::new(id, route, Amplification::Validated)
        };
        self.keep(path, now);
        id
    }

    /// Whether this side tries to go there.
    pub(crate) fn tries(&self, remote: SocketAddr) -> bool {
        self.iter()
            .any(|path| path.moves && path.route.remote == remote)
    }

    /// Tries to go there no more.
    pub(crate) fn forget_tries(&mut self, remote: SocketAddr) {
        self.others
            .retain(|other| !other.path.moves || other.path.route.remote != remote);
    }

    /// Tries to go nowhere any more.
    pub(crate) fn forget_tried(&mut self) {
        self.others.retain(|other| !other.path.moves);
    }

    /// No move waits any more; what was asked is asked still.
    pub(crate) fn forget_wish(&mut self) {
        self.iter_mut().for_each(|path| path.moves = false);
    }

    /// Forgets all paths but the one in use.
    pub(crate) fn forget_others(&mut self) {
        self.others = Vec::new();
        self.fallback = None;
    }

    /// A packet that is no probe came. Whether it is newer than all before: only such a one moves the peer.
    pub(crate) fn on_newest(&mut self, number: PacketNumber) -> bool {
        let newer = number.get() >= self.newer;
        self.newer = self.newer.max(number.get().saturating_add(1));
        newer
    }

    /// Uses another path from now on, and gives the name of the one before. `None`, and nothing changes, if it is in use already or not known.
    pub(crate) fn activate(&mut self, id: PathId, now: Duration) -> Option<PathId> {
        let path = self.take(id)?;
        let left = core::mem::replace(&mut self.active, path);
        let left_id = left.id;
        if self.active.is_proven() {
            self.fallback = None;
        } else if left.is_proven() {
            self.fallback = Some(left_id);
        }
        self.keep(left, now);
        Some(left_id)
    }

    /// Returns to the last path that was proven, and gives the one that failed for its last use; `None` if there is none to return to.
    pub(crate) fn revert(&mut self) -> Option<Path> {
        let id = self.fallback.take()?;
        let path = self.take(id)?;
        Some(core::mem::replace(&mut self.active, path))
    }

    /// A PATH_RESPONSE frame came, on whichever path (rfc9000#8.2.2-4). Nothing if it answers none of this side's challenges.
    pub(crate) fn on_response(&mut self, data: &Data, now: Duration) -> Option<Proven> {
        let (path, answered) = self.iter_mut().find_map(|path| {
            let answered = path.validation.as_ref()?.on_response(data, now)?;
            Some((path, answered))
        })?;
        path.amplification.validate();
        path.answers = path.answers.wrapping_add(1);
        if answered.whole {
            path.whole = true;
            path.validation = None;
        }
        let proven = Proven {
            path: path.id,
            took: answered.took,
            whole: answered.whole,
        };
        if self.active.is_proven() {
            self.fallback = None;
        }
        Some(proven)
    }

    /// Where the peer is, if that is certain and was not told before.
    pub(crate) fn news(&mut self) -> Option<Route> {
        if !self.active.is_proven() || self.active.is_told {
            return None;
        }
        self.iter_mut().for_each(|path| path.is_told = false);
        self.active.is_told = true;
        Some(self.active.route)
    }

    /// When time makes something due here.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let validations = self.iter().filter_map(|path| path.validation.as_ref());
        let validations = validations.map(|validation| validation.deadline());
        let others = self.others.iter();
        let forgotten = others.filter_map(|other| other.forgotten_at(self.fallback));
        validations.chain(forgotten).min()
    }

    /// A path on which it is time to ask again.
    pub(crate) fn due(&mut self, now: Duration) -> Option<&mut Path> {
        self.with(now, Due::Again)
    }

    /// A validation that has failed. A path that was proven before is not worse than it was; one that never was is forgotten unless it is in use.
    pub(crate) fn failed(&mut self, now: Duration) -> Option<Failed> {
        let path = self.with(now, Due::Failed)?;
        path.validation = None;
        let (id, proven) = (path.id, path.is_proven());
        if proven {
            return Some(Failed::Aside);
        }
        if id == self.active.id {
            return Some(Failed::Active);
        }
        let tried = self.take(id).filter(|path| path.moves);
        Some(tried.map_or(Failed::Aside, |path| Failed::Tried(path.route)))
    }

    /// Forgets paths that are not in use, not on trial, and have been silent for long.
    pub(crate) fn expire(&mut self, now: Duration) {
        let fallback = self.fallback;
        let stays = |other: &Other| other.forgotten_at(fallback).is_none_or(|at| at > now);
        self.others.retain(stays);
        if self.others.is_empty() {
            self.others = Vec::new();
        }
    }

    /// A path that is not in use and has a probe to be sent that may be.
    pub(crate) fn probing(&self) -> Option<&Path> {
        let mut others = self.others.iter().map(|other| &other.path);
        others.find(|path| path.wants_probe() && path.remote.is_some() && path.room() > 0)
    }

    /// The peer has issued ids or wants some retired: paths without one take one that is free, the path in use first.
    pub(crate) fn renew(&mut self, ids: &mut RemoteIds) {
        for path in self.iter_mut() {
            if path.remote.and_then(|number| ids.get(number)).is_none() {
                path.remote = ids.take();
            }
        }
    }

    /// Whether packets of a path go to the peer's id with this number.
    pub(crate) fn uses(&self, number: u64) -> bool {
        self.iter().any(|path| path.remote == Some(number))
    }

    /// The path in use first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Path> {
        let others = self.others.iter().map(|other| &other.path);
        core::iter::once(&self.active).chain(others)
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = &mut Path> {
        let others = self.others.iter_mut().map(|other| &mut other.path);
        core::iter::once(&mut self.active).chain(others)
    }

    fn with(&mut self, now: Duration, due: Due) -> Option<&mut Path> {
        let is = |path: &&mut Path| path.validation.as_ref().is_some_and(|v| v.due(now) == due);
        self.iter_mut().find(is)
    }

    /// A path that is not in use, to be put elsewhere.
    fn take(&mut self, id: PathId) -> Option<Path> {
        let at = self.others.iter().position(|other| other.path.id == id)?;
        Some(self.others.swap_remove(at).path)
    }

    /// Keeps a path beside the one in use. If that is one too many, the one goes that was silent for longest and is not the one to return to.
    fn keep(&mut self, path: Path, heard: Duration) {
        if self.others.len() >= limits::PATHS.saturating_sub(1) {
            let others = self.others.iter();
            let others = others.filter(|other| Some(other.path.id) != self.fallback);
            let silent = others.min_by_key(|other| other.heard);
            let _forgotten = silent
                .map(|other| other.path.id)
                .and_then(|id| self.take(id));
        }
        self.others.push(Other { path, heard });
    }
}

impl Other {
    /// When it has been silent for so long that nobody needs it; never while it is asked or may be returned to.
    fn forgotten_at(&self, fallback: Option<PathId>) -> Option<Duration> {
        let needed = self.path.validation.is_some() || fallback == Some(self.path.id);
        (!needed).then(|| self.heard.saturating_add(limits::PATH_TIME))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(last: u8) -> Route {
        Route {
            local: None,
            remote: ([10, 0, 0, last], 443).into(),
        }
    }

    fn first() -> Path {
        Path::new(PathId(0), route(0), Amplification::Validated)
    }

    fn add(paths: &mut Paths, last: u8, remote: u64, now: Duration) -> PathId {
        let validation = Validation::new([last; 8], now + Duration::from_secs(3));
        paths.add(route(last), last.into(), Some(remote), validation, now)
    }

    /// Sends what is owed on a path, in a whole datagram.
    fn ask(path: &mut Path, now: Duration) {
        let mut buffer = [0; 64];
        let mut builder = crate::wire::Builder::new(&mut buffer);
        let mut tokens = crate::recovery::Tokens::default();
        let timeout = Duration::from_secs(1);
        path.write(&mut builder, &mut tokens, true, now, timeout);
    }

    #[test]
    fn paths_of_one_route_are_one_whether_the_own_address_is_known_or_not() {
        let local_at = |last, port: u16| Route {
            local: Some(([10, 0, 0, last], port).into()),
            ..route(1)
        };
        let local = |last| local_at(last, 443);
        let rows = [
            (route(1), route(1), true),
            (route(1), route(2), false),
            (route(1), local(5), true),
            (local(5), route(1), true),
            (local(5), local(5), true),
            (local(5), local(6), false),
            (local(5), local_at(5, 444), false),
            (local(5), local_at(5, 0), true),
            (local(5), local_at(6, 0), false),
        ];
        for (one, other, same) in rows {
            assert_eq!(one.is_like(&other), same, "{one:?} {other:?}");
        }
    }

    #[test]
    fn without_a_path_that_was_proven_there_is_none_to_return_to() {
        let mut unproven = first();
        unproven.amplification = Amplification::new();
        unproven.validation = Some(Box::new(Validation::new([1; 8], Duration::ZERO)));
        let mut paths = Paths::new(unproven);
        assert_eq!(paths.failed(Duration::ZERO), Some(Failed::Active));
        assert!(paths.revert().is_none());
    }

    #[test]
    fn an_id_is_in_use_until_the_last_path_with_it_is_forgotten() {
        let mut paths = Paths::new(first());
        let late = Duration::from_secs(60);
        let shares = add(&mut paths, 1, 0, Duration::ZERO);
        let own = add(&mut paths, 2, 7, Duration::ZERO);
        assert!(paths.uses(0) && paths.uses(7) && !paths.uses(1));
        assert_eq!(paths.failed(late), Some(Failed::Aside));
        assert_eq!(paths.failed(late), Some(Failed::Aside));
        assert_eq!(paths.failed(late), None);
        assert!(paths.get_mut(shares).is_none() && paths.get_mut(own).is_none());
        assert_eq!((paths.uses(0), paths.uses(7)), (true, false));
    }

    #[test]
    fn a_path_that_was_left_stays_known_while_it_is_asked_or_heard() {
        let mut paths = Paths::new(first());
        let now = Duration::from_secs(10);
        let new = add(&mut paths, 1, 0, now);
        assert_eq!(paths.activate(new, now), Some(PathId(0)));
        ask(&mut paths.active, now);
        let proven = paths.on_response(&[1; 8], now).unwrap();
        assert_eq!((proven.path, proven.whole), (new, true));
        assert_eq!(paths.iter().count(), 2);
        assert_eq!(paths.deadline(), Some(now + limits::PATH_TIME));
        paths.expire(now + limits::PATH_TIME - Duration::from_nanos(1));
        assert_eq!(paths.iter().count(), 2);
        paths.expire(now + limits::PATH_TIME);
        assert_eq!((paths.iter().count(), paths.deadline()), (1, None));
    }

    /// Any order of events: never too many paths, and one to return to whenever the one in use is not proven.
    #[test]
    fn paths_keep_their_invariants_in_any_order_of_events() {
        bolero::check!()
            .with_type::<Vec<(u8, u8)>>()
            .with_iterations(2000)
            .for_each(|steps| {
                let mut paths = Paths::new(first());
                let mut now = Duration::ZERO;
                for (what, which) in steps {
                    now += Duration::from_millis(u64::from(*which) * 4);
                    let last = which % 8;
                    match what % 6 {
                        0 if paths.find(&route(last)).is_none() => {
                            add(&mut paths, last, 0, now);
                        }
                        1 => {
                            let known = paths.find(&route(last));
                            let left = known.and_then(|id| paths.activate(id, now));
                            if let Some(path) = left.and_then(|id| paths.get_mut(id)) {
                                let fails = now + Duration::from_secs(3);
                                path.validation.get_or_insert_with(|| {
                                    Box::new(Validation::new([9; 8], fails))
                                });
                            }
                        }
                        2 => {
                            let known = paths.find(&route(last));
                            if let Some(path) = known.and_then(|id| paths.get_mut(id)) {
                                ask(path, now);
                            }
                        }
                        3 => {
                            let _proven = paths.on_response(&[last; 8], now);
                        }
                        4 => {
                            while let Some(failed) = paths.failed(now) {
                                if failed == Failed::Active {
                                    assert!(paths.revert().is_some());
                                }
                            }
                        }
                        _ => paths.expire(now),
                    }
                    assert!(paths.iter().count() <= limits::PATHS);
                    assert!(paths.active.is_proven() != paths.fallback.is_some());
                    let fallback = paths.fallback.map(|id| paths.get_mut(id).unwrap());
                    assert!(fallback.is_none_or(|path| path.is_proven()));
                }
            });
    }
}
