//! This side moves: a client that goes to another address of its host (RFC 9000 section 9.2), or whose socket is another.
//!
//! A client asks on the new path first, under a connection id of its own, and goes on where it is until the answer has come. A client whose socket has been
//! replaced has no path to ask from any more: it moves at once, and asks then.

use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use pith_tls::Now;

use super::event::Event;
use super::migrate::unpredictable;
use super::state::State;
use super::{Connection, EndpointEvent};
use crate::error::{Code, ConnectionError, TransportError};
use crate::limits;
use crate::path::{Route, Validation};
use crate::recovery::PathId;
use crate::wire::Side;

/// Why a connection does not move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MigrateError {
    /// Servers stay where they are.
    Server,
    /// The handshake is not confirmed yet, or the connection is closed.
    Unconfirmed,
    /// The server has asked its clients not to move (disable_active_migration).
    Refused,
    /// The server has given no other connection id to come by, or its ids are empty.
    NoId,
    /// The connection is there, or on its way.
    Known,
    /// As many moves are tried already as are allowed at once ([`limits::MOVES`]).
    Busy,
    /// The system's random generator has failed.
    Random,
}

impl fmt::Display for MigrateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "only clients move",
            Self::Unconfirmed => {
                "a connection moves once its handshake is confirmed and until it is closed"
            }
            Self::Refused => "the server has asked its clients not to move",
            Self::NoId => {
                "the server has given no connection id to move with; it may give one later"
            }
            Self::Known => "the connection is at this address or about to move there",
            Self::Busy => "other moves have to succeed or fail first",
            Self::Random => "the system's random generator has failed",
        })
    }
}

impl core::error::Error for MigrateError {}

/// Moves of this side.
impl Connection {
    /// Has a client move to another address of this host: it asks from there whether the server answers, and goes on where it is meanwhile.
    /// [`Event::Migrated`] tells that it has moved, [`Event::MigrationFailed`] that it has not. Datagrams whose [route](crate::Transmit::route) names
    /// the address have to leave from it.
    ///
    /// # Errors
    /// [`MigrateError`] says why the connection stays.
    pub fn migrate(&mut self, local: IpAddr, now: Now) -> Result<(), MigrateError> {
        self.watch.at(now.monotonic);
        // The same socket, under another of its addresses.
        let port = self.paths.active.route.local.map_or(0, |own| own.port());
        let route = Route {
            local: Some(SocketAddr::new(local, port)),
            ..self.paths.active.route
        };
        let asked = self.ask_from(route, now.monotonic);
        self.watch_changes();
        asked
    }

    /// The socket of a client has been replaced, and its address with it: the connection moves with it at once. One that must not, for
    /// the reasons of [`migrate`](Connection::migrate), ends without a word, for it must not send any.
    ///
    /// # Errors
    /// [`MigrateError`] says why the connection has ended; with [`MigrateError::Server`] it has not.
    pub fn rebind(&mut self, now: Now) -> Result<(), MigrateError> {
        self.watch.at(now.monotonic);
        let moved = self.move_at_once(now.monotonic);
        if let Err(error) = moved {
            if error != MigrateError::Server {
                self.give_up(ConnectionError::Transport(TransportError {
                    code: Code::NO_VIABLE_PATH,
                    frame: None,
                    reason: "the socket was replaced, and the connection may not move",
                }));
            }
        }
        self.watch_changes();
        moved
    }

    /// Asks from another address of this host, where the server is and where it would rather be, until that is known (RFC 9000 section 9.6.3). Who must not move
    /// may still go there: RFC 9000 section 18.2.
    fn ask_from(&mut self, route: Route, now: Duration) -> Result<(), MigrateError> {
        let allowed = self.may_move();
        let preferred = self
            .wanted_address()
            .map(|remote| Route { remote, ..route });
        let Some(preferred) = preferred else {
            return allowed.and_then(|()| self.try_out(route, now));
        };
        match allowed {
            Ok(()) | Err(MigrateError::Refused) => {}
            Err(other) => return Err(other),
        }
        // The answer there would lead to where this host is no more.
        self.paths.forget_tries(preferred.remote);
        let first = allowed.and_then(|()| self.try_out(route, now));
        first.or(self.try_out(preferred, now))
    }

    /// Whether this side may move to another address of its own (rfc9000#9-1, rfc9000#9-2, rfc9000#18.2-2).
    pub(super) fn may_move(&self) -> Result<(), MigrateError> {
        if self.side == Side::Server {
            return Err(MigrateError::Server);
        }
        if self.state != State::Confirmed {
            return Err(MigrateError::Unconfirmed);
        }
        let peer = self.peer.as_ref();
        if peer.is_none_or(|peer| peer.stays && !peer.acted) {
            return Err(MigrateError::Refused);
        }
        Ok(())
    }

    /// Asks on a path whether the server answers there, to move there if it does.
    pub(super) fn try_out(&mut self, route: Route, now: Duration) -> Result<(), MigrateError> {
        if self.paths.is_there(&route) {
            return Err(MigrateError::Known);
        }
        if self.paths.tried() >= limits::MOVES {
            return Err(MigrateError::Busy);
        }
        let validation = self.new_validation(now)?;
        // rfc9000#9.5-1
        let remote = self.ids.remote.take().ok_or(MigrateError::NoId)?;
        self.expect_from(route.remote);
        self.paths.try_out(route, remote, validation, now);
        Ok(())
    }

    fn move_at_once(&mut self, now: Duration) -> Result<(), MigrateError> {
        self.may_move()?;
        let validation = self.new_validation(now)?;
        let remote = self.ids.remote.take().ok_or(MigrateError::NoId)?;
        let route = Route {
            local: None,
            ..self.paths.active.route
        };
        self.paths.forget_others();
        let id = self.paths.try_out(route, remote, validation, now);
        // The server is known to be at its address: nothing is lost if it takes long to answer (RFC 9000 section 9.2).
        if let Some(path) = self.paths.get_mut(id) {
            path.whole = true;
        }
        self.arrive(id, now);
        self.go_to_preferred(now);
        Ok(())
    }

    fn new_validation(&self, now: Duration) -> Result<Validation, MigrateError> {
        let data = unpredictable().map_err(|_| MigrateError::Random)?;
        Ok(Validation::new(data, self.fails_at(now)))
    }

    /// Moves to a path that was tried. Window and round trip begin anew there (rfc9000#9.4-2), and nobody is asked any more where
    /// this side was.
    pub(super) fn arrive(&mut self, id: PathId, now: Duration) {
        let before = self.paths.active.route;
        let Some(left) = self.paths.activate(id, now) else {
            return;
        };
        super::stats::count_rare(&mut self.stats.moves);
        let parked = self.take_up(None, now);
        if let Some(path) = self.paths.get_mut(left) {
            path.validation = None;
            path.recovery = parked;
        }
        let path = &mut self.paths.active;
        path.moves = false;
        let route = path.route;
        self.on_arrived(&route, &before);
        self.events.push(Event::Migrated(route));
        if route.remote != before.remote {
            self.events
                .push_endpoint(EndpointEvent::Moved(route.remote));
        }
        // What is no probe tells the server where this side is.
        self.signals.owe_ping();
        self.on_ids();
        self.update_blocked(now);
    }
}
