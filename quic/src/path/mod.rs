//! What belongs to a path and not to a connection: addresses, what may be sent there, whether it is the peer's, and the connection ids in use.
//!
//! A connection has one path that packets go out on, and may know a few others ([`Paths`]): where the peer was before, and where it tries whether it
//! could be, or where this side tries to move to. Only who has the keys makes a path known.

mod amplification;
mod challenge;
mod ids;
mod local_ids;
mod mtu;
mod paths;
mod preferred;
mod remote_ids;
mod validate;

use core::net::SocketAddr;
use core::time::Duration;

pub(crate) use amplification::Amplification;
pub(crate) use challenge::Validation;
pub(crate) use ids::Ids;
pub(crate) use local_ids::LocalIds;
pub use local_ids::NewId;
pub(crate) use mtu::{BASE as BASE_MTU, Search};
pub(crate) use paths::{Failed, Paths};
pub(crate) use preferred::Preferred;
pub use preferred::PreferredAddresses;
pub(crate) use remote_ids::{Learned, RemoteIds};
pub(crate) use validate::Responses;

use crate::limits;
use crate::recovery::{self, PathId, Tokens};
use crate::wire::Builder;

/// The addresses between which datagrams go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Route {
    /// This side's address and port, where they are known: a host may have several. Port 0 stands for one that is not known.
    pub local: Option<SocketAddr>,
    /// The peer's address and port.
    pub remote: SocketAddr,
}

impl Route {
    /// Whether both are between the same addresses, as far as they are known.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let like = match (self.local, other.local) {
            (Some(one), Some(other)) => is_same(one, other),
            (None, _) | (_, None) => true,
        };
        self.remote == other.remote && like
    }

    /// The same, where both know this side's address or neither does.
    pub(crate) fn is_exactly(&self, other: &Self) -> bool {
        self.local.is_some() == other.local.is_some() && self.is_like(other)
    }

    /// Whether both are known to end at different addresses of this side.
    pub(crate) fn is_elsewhere(&self, other: &Self) -> bool {
        let both = self.local.zip(other.local);
        both.is_some_and(|(one, other)| !is_same(one, other))
    }
}

/// Whether two addresses are the same, as far as their ports are known. The rest of an IPv6 address is the system's.
fn is_same(one: SocketAddr, other: SocketAddr) -> bool {
    let unknown = one.port() == 0 || other.port() == 0;
    one.ip() == other.ip() && (unknown || one.port() == other.port())
}

/// One path.
#[derive(Debug)]
pub(crate) struct Path {
    pub(crate) id: PathId,
    pub(crate) route: Route,
    pub(crate) amplification: Amplification,
    /// How long datagrams may be.
    pub(crate) search: Search,
    pub(crate) responses: Responses,
    /// Whether datagrams as long as every path carries are known to arrive.
    pub(crate) whole: bool,
    /// Whether the application heard last that the peer is here.
    pub(crate) is_told: bool,
    /// Whether this side moves here once the peer has answered: a client that tries it, or a server whose client has come to another address of it.
    pub(crate) moves: bool,
    /// Counts the answers to challenges, and begins anew after 255: only whether it has changed is asked.
    pub(crate) answers: u8,
    /// What this side asks to find out whether the peer is there, while it wants to know.
    pub(crate) validation: Option<Box<Validation>>,
    /// Names the peer's id that packets here go to; `None` until the peer has issued one for it.
    pub(crate) remote: Option<u64>,
    /// Names this side's id to which the peer sends here.
    pub(crate) local: u64,
    /// What recovery knows of a path that is not in use, where it knows anything.
    pub(crate) recovery: Option<Box<recovery::Path>>,
}

impl Path {
    /// A path that has carried nothing.
    pub(crate) fn new(id: PathId, route: Route, amplification: Amplification) -> Self {
        Self {
            id,
            route,
            amplification,
            search: Search::new(limits::MTU),
            responses: Responses::default(),
            // As those of a handshake are.
            whole: true,
            is_told: true,
            moves: false,
            answers: 0,
            validation: None,
            remote: Some(0),
            local: 0,
            recovery: None,
        }
    }

    /// Bytes that a datagram may have.
    pub(crate) fn mtu(&self) -> u16 {
        self.search.size()
    }

    /// Bytes that the next datagram may have; 0 if none may be sent. Those of a handshake are whole or none, for most have to be expanded; on a path that is
    /// being validated as much goes as may (rfc9000#8-1, rfc9000#8.1-1, rfc9000#9.3-2).
    pub(crate) fn room(&self) -> usize {
        let allowed = self.amplification.allowance().min(self.mtu().into());
        let least = if self.validation.is_some() {
            limits::SMALL_DATAGRAM
        } else {
            self.mtu().into()
        };
        let allowed = usize::try_from(allowed).unwrap_or(usize::MAX);
        if allowed < least { 0 } else { allowed }
    }

    /// Whether a PATH_CHALLENGE or PATH_RESPONSE frame is to be written.
    pub(crate) fn wants_probe(&self) -> bool {
        let asks = self.validation.as_ref().is_some_and(|v| v.is_owed());
        asks || self.responses.is_pending()
    }

    /// Writes what probes the path and answers the peer's probes, and says whether it wrote anything: then a `whole` datagram is to be expanded. `timeout` is
    /// the path's probe timeout.
    pub(crate) fn write(
        &mut self,
        builder: &mut Builder<'_>,
        tokens: &mut Tokens,
        whole: bool,
        now: Duration,
        timeout: Duration,
    ) -> bool {
        let validation = self.validation.as_mut();
        let asked = validation.is_some_and(|v| v.write(builder, tokens, whole, now, timeout));
        self.responses.write(builder, tokens) || asked
    }

    /// Whether the peer has shown at any time that it is there, and that whole datagrams arrive.
    pub(crate) fn is_proven(&self) -> bool {
        self.amplification.is_validated() && self.whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_is_whole_or_on_trial_as_large_as_may_be_and_not_next_to_nothing() {
        let small = u64::try_from(limits::SMALL_DATAGRAM).unwrap();
        let validation = || Box::new(Validation::new([0; 8], Duration::ZERO));
        let route = Route {
            local: None,
            remote: ([10, 0, 0, 1], 443).into(),
        };
        // (received, sent, on trial, room)
        let rows = [
            (400, 0, false, 1200),
            (400, 1, false, 0),
            (400, 1, true, 1199),
            (9000, 0, true, 1200),
            (400, 1200 - small, true, limits::SMALL_DATAGRAM),
            (400, 1201 - small, true, 0),
            (0, 0, true, 0),
        ];
        for (received, sent, on_trial, room) in rows {
            let mut path = Path::new(PathId(0), route, Amplification::new());
            path.validation = on_trial.then(validation);
            path.amplification.on_received(received);
            path.amplification.on_sent(sent);
            assert_eq!(path.room(), room, "{received} {sent} {on_trial}");
        }
    }
}
