//! A server's preferred address (RFC 9000 section 9.6): a client that goes there, and a server that it comes to.
//!
//! A client asks there once its handshake is confirmed, moves with the answer, and stays where it is without one. A server answers and asks from the address
//! that it was reached at, and sends nothing else from there before the client has shown both that it has moved and that it is where it
//! seems to be.

use core::net::SocketAddr;
use core::time::Duration;

use super::{Connection, EndpointEvent, MigrateError};
use crate::error::ConnectionError;
use crate::path::{NewId, Preferred, Route};
use crate::recovery::PathId;
use crate::wire::Side;
use crate::wire::params::PreferredAddress;

impl Connection {
    /// Gives a server the connection id that goes with its [preferred address](crate::ServerConfigBuilder::preferred_address), before anything is received;
    /// an [`Endpoint`](crate::Endpoint) does it by itself. False, and the id is to be forgotten, if the configuration names no such address, or it is too late.
    pub fn issue_preferred_id(&mut self, id: NewId) -> bool {
        !self.config.preferred.is_none() && self.peer.is_none() && self.ids.issue_preferred(id)
    }

    /// Where a client is to go that was offered this. For this connection only (rfc9000#9.6.2-4).
    pub(super) fn preferred_of(&self, offered: &PreferredAddress) -> Option<SocketAddr> {
        let offered = Preferred {
            v4: offered.v4,
            v6: offered.v6,
        };
        let server = self.paths.active.route.remote;
        self.config.follows.choose(&offered, server)
    }

    /// Where a client still wants to go.
    pub(super) fn wanted_address(&self) -> Option<SocketAddr> {
        let peer = self.peer.as_ref().filter(|peer| !peer.acted)?;
        peer.other.as_deref().copied()
    }

    /// Whether a client came to the preferred address from there. Some servers go on sending from where they were first.
    pub(super) fn came_from(&self, remote: SocketAddr) -> bool {
        let peer = self.peer.as_ref().filter(|peer| peer.acted);
        peer.is_some_and(|peer| peer.other.as_deref() == Some(&remote))
    }

    /// Asks at the server's preferred address whether it is there (rfc9000#9.6.2-1), if that is not asked already and there is an id for it.
    pub(super) fn go_to_preferred(&mut self, now: Duration) {
        let route = Route {
            remote: match self.wanted_address() {
                Some(preferred) => preferred,
                None => return,
            },
            ..self.paths.active.route
        };
        let moves = matches!(self.may_move(), Ok(()) | Err(MigrateError::Refused));
        if !moves || self.paths.tries(route.remote) {
            return;
        }
        // Without an id the server's next one begins it, and without chance nothing is lost.
        let _asked = self.try_out(route, now);
    }

    /// A client has arrived somewhere. At the preferred address nothing else is asked any more (rfc9000#9.6.3-1), and it may move as it likes.
    pub(super) fn on_arrived(&mut self, route: &Route, before: &Route) {
        if self.wanted_address() != Some(route.remote) {
            return;
        }
        if let Some(peer) = &mut self.peer {
            peer.other = Some(Box::new(before.remote));
            peer.acted = true;
        }
        self.paths.forget_tried();
    }

    /// A client has no answer from somewhere. What is to go to the server goes where it went before (rfc9000#9.6.1-1).
    pub(super) fn on_not_arrived(&mut self, route: &Route) {
        let given_up =
            self.wanted_address() == Some(route.remote) && !self.paths.tries(route.remote);
        let peer = self.peer.as_mut().filter(|_| given_up);
        if let Some(peer) = peer {
            peer.other = None;
        }
    }

    /// The endpoint of a client without ids knows it by where its datagrams come from.
    pub(super) fn expect_from(&mut self, remote: SocketAddr) {
        let new = self.paths.active.route.remote != remote;
        if new && self.ids.own().is_empty() {
            self.events.push_endpoint(EndpointEvent::Expects(remote));
        }
    }

    /// Whether this server's client was asked to come to another address, and this may be it. Such a path is a path like any other: what nobody has proven is asked
    /// from where it was reached (rfc9000#9.6.2-3), and has three times what came (rfc9000#9.6.3-2).
    pub(super) fn has_invited(&self, route: &Route) -> bool {
        let acted = self.peer.as_ref().is_some_and(|peer| peer.acted);
        let elsewhere = route.is_elsewhere(&self.paths.active.route);
        !self.config.preferred.is_none() && (acted || elsewhere)
    }

    /// The newest packet that is no probe came at another address of this server than those before. Says whether it sends there from now on: once the client is
    /// proven to be there (rfc9000#9.6.2-2), and never back at the first address, which its client has left.
    pub(super) fn follows_here(&mut self, path: PathId) -> bool {
        let active = self.paths.active.route;
        let acted = self.peer.as_ref().is_some_and(|peer| peer.acted);
        let Some(path) = self.paths.get_mut(path) else {
            return false;
        };
        if !path.route.is_elsewhere(&active) {
            self.paths.forget_wish();
            return true;
        }
        let (id, proven) = (path.id, path.is_proven());
        let waits = !acted && !proven;
        self.paths.forget_wish();
        if waits {
            if let Some(path) = self.paths.get_mut(id) {
                path.moves = true;
            }
        }
        !acted && proven
    }

    /// A path is proven at which a move waited.
    pub(super) fn on_awaited(
        &mut self,
        path: PathId,
        now: Duration,
    ) -> Result<(), ConnectionError> {
        if self.side == Side::Client {
            self.arrive(path, now);
            return Ok(());
        }
        self.paths.forget_wish();
        self.follow(path, now)
    }

    /// Sends on this path from now on, as a server.
    pub(super) fn follow(&mut self, path: PathId, now: Duration) -> Result<(), ConnectionError> {
        let before = self.paths.active.route;
        let Some(left) = self.paths.activate(path, now) else {
            return Ok(());
        };
        let elsewhere = self.paths.active.route.is_elsewhere(&before);
        let invited = elsewhere && !self.config.preferred.is_none();
        if let Some(peer) = self.peer.as_mut() {
            peer.acted |= invited;
        }
        self.on_moved(left, now)
    }
}
