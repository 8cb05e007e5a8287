//! The connection ids of both sides, and those of the handshake that transport parameters authenticate (RFC 9000 section 7.3).

use super::{LocalIds, NewId, RemoteIds};
use crate::wire::params::SeenIds;
use crate::wire::{ConnectionId, ResetToken, Side};

/// The ids of a connection.
#[derive(Debug)]
pub(crate) struct Ids {
    side: Side,
    pub(crate) local: LocalIds,
    pub(crate) remote: RemoteIds,
    /// This side's id of the handshake.
    own: ConnectionId,
    /// Until nobody asks for them any more.
    first: Option<Box<First>>,
}

/// The other ids of the handshake.
#[derive(Debug)]
struct First {
    /// Where the client's first Initial packet went.
    original: ConnectionId,
    /// Where the server's Retry sent it.
    retried: Option<ConnectionId>,
    /// The peer's id of the handshake, once there is a packet of the peer.
    peer: Option<ConnectionId>,
    /// The token of this server's own id.
    reset_token: Option<ResetToken>,
    /// What goes with this server's preferred address.
    preferred: Option<NewId>,
}

impl Ids {
    /// Of a client, which has chosen `original` at random and sends there until the server answers.
    pub(crate) fn client(own: ConnectionId, original: ConnectionId) -> Self {
        let first = First {
            original,
            retried: None,
            peer: None,
            reset_token: None,
            preferred: None,
        };
        Self {
            side: Side::Client,
            local: LocalIds::new(own),
            remote: RemoteIds::new(original),
            own,
            first: Some(Box::new(first)),
        }
    }

    /// Of a server, which sends to the source of the first Initial packet (rfc9000#7.2-5). `retried` is the id in its Retry packet, if it sent one.
    pub(crate) fn server(
        own: ConnectionId,
        original: ConnectionId,
        retried: Option<ConnectionId>,
        peer: ConnectionId,
    ) -> Self {
        let first = First {
            original,
            retried,
            peer: Some(peer),
            reset_token: None,
            preferred: None,
        };
        Self {
            side: Side::Server,
            local: LocalIds::new(own),
            remote: RemoteIds::new(peer),
            own,
            first: Some(Box::new(first)),
        }
    }

    /// What this server's own id may be reset with: a transport parameter.
    pub(crate) fn set_reset_token(&mut self, token: ResetToken) {
        if let Some(first) = &mut self.first {
            first.reset_token = Some(token);
        }
    }

    pub(crate) fn reset_token(&self) -> Option<ResetToken> {
        self.first.as_ref()?.reset_token
    }

    /// Issues a server's id number 1, for its preferred address. False if it is too late for that.
    pub(crate) fn issue_preferred(&mut self, new: NewId) -> bool {
        let Some(first) = &mut self.first else {
            return false;
        };
        let issued = self.side == Side::Server && self.local.issue_preferred(new);
        if issued {
            first.preferred = Some(new);
        }
        issued
    }

    pub(crate) fn preferred(&self) -> Option<NewId> {
        self.first.as_ref()?.preferred
    }

    pub(crate) fn own(&self) -> ConnectionId {
        self.own
    }

    pub(crate) fn original(&self) -> ConnectionId {
        let first = self.first.as_ref();
        first.map(|first| first.original).unwrap_or_default()
    }

    pub(crate) fn retried(&self) -> Option<ConnectionId> {
        self.first.as_ref()?.retried
    }

    /// Where Initial packets of the client go, whose keys come from it.
    pub(crate) fn initial(&self) -> ConnectionId {
        self.retried().unwrap_or(self.original())
    }

    /// Whether a packet to `dcid` is this connection's. Until a client knows the server's own id it sends to the one that it chose.
    pub(crate) fn is_ours(&self, dcid: &ConnectionId) -> bool {
        let is_initial = self.side == Side::Server && self.first.is_some();
        self.local.contains(dcid) || is_initial && *dcid == self.initial()
    }

    /// Whether a long header may have this source id: any, until a packet has told the peer's (rfc9000#7.2-3, rfc9000#7.2-6).
    pub(crate) fn is_from_peer(&self, scid: &ConnectionId) -> bool {
        let first = self.first.as_ref();
        first.is_none_or(|first| first.peer.is_none_or(|peer| peer == *scid))
    }

    /// A genuine Initial packet of the peer came: a client sends to its source id from now on (rfc9000#7.2-2, rfc9000#7.2-4).
    pub(crate) fn on_initial(&mut self, scid: ConnectionId) {
        if let Some(first) = self.first.as_mut().filter(|first| first.peer.is_none()) {
            first.peer = Some(scid);
            self.remote.replace_first(scid);
        }
    }

    /// A genuine Retry packet came. False if a client has no use for one (any more): only the first counts, and none after an Initial
    /// packet (rfc9000#17.2.5.2-1, rfc9000#17.2.5.2-2).
    pub(crate) fn on_retry(&mut self, scid: ConnectionId) -> bool {
        if self.side == Side::Server || self.has_answer() {
            return false;
        }
        if let Some(first) = &mut self.first {
            first.retried = Some(scid);
        }
        // rfc9000#17.2.5.1-3; its own id stays (rfc9000#17.2.5.2-5).
        self.remote.replace_first(scid);
        true
    }

    /// Whether the server has answered with anything.
    pub(crate) fn has_answer(&self) -> bool {
        let unheard = |first: &First| first.peer.is_none() && first.retried.is_none();
        !self.first.as_deref().is_some_and(unheard)
    }

    /// What the packets of the handshake carried, for the peer's transport parameters to name.
    pub(crate) fn seen(&self) -> SeenIds {
        let client = self.side == Side::Client;
        let peer = self.first.as_ref().and_then(|first| first.peer);
        SeenIds {
            initial_source: peer.unwrap_or_default(),
            original_destination: client.then_some(self.original()),
            retry_source: self.retried().filter(|_| client),
        }
    }

    /// The handshake is long over, and so are its stragglers.
    pub(crate) fn rest(&mut self) {
        self.first = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(value: u8) -> ConnectionId {
        ConnectionId::new(&[value; 8]).unwrap()
    }

    #[test]
    fn seen_ids_are_those_of_the_packets() {
        let seen = |initial, original: Option<u8>, retry: Option<u8>| SeenIds {
            initial_source: id(initial),
            original_destination: original.map(id),
            retry_source: retry.map(id),
        };
        let mut plain = Ids::client(id(1), id(2));
        plain.on_initial(id(3));
        assert_eq!(plain.seen(), seen(3, Some(2), None));
        let mut retried = Ids::client(id(1), id(2));
        assert!(retried.on_retry(id(4)));
        retried.on_initial(id(3));
        assert_eq!(retried.seen(), seen(3, Some(2), Some(4)));
        for retried in [None, Some(id(4))] {
            let server = Ids::server(id(3), id(2), retried, id(1));
            assert_eq!(server.seen(), seen(1, None, None));
        }
    }

    #[test]
    fn a_client_follows_the_first_retry_and_the_first_initial_alone() {
        let mut ids = Ids::client(id(1), id(2));
        assert!(!ids.has_answer() && ids.is_from_peer(&id(7)));
        assert!(ids.on_retry(id(4)));
        assert_eq!((ids.remote.get(0), ids.initial()), (Some(id(4)), id(4)));
        assert!(!ids.on_retry(id(5)));
        ids.on_initial(id(3));
        ids.on_initial(id(6));
        assert_eq!((ids.remote.get(0), ids.original()), (Some(id(3)), id(2)));
        assert!(ids.is_from_peer(&id(3)) && !ids.is_from_peer(&id(6)));
        let mut answered = Ids::client(id(1), id(2));
        answered.on_initial(id(3));
        assert!(!answered.on_retry(id(4)), "too late");
        assert!(answered.is_ours(&id(1)) && !answered.is_ours(&id(2)));
        let server = Ids::server(id(3), id(2), None, id(1));
        assert!(server.is_ours(&id(2)) && server.is_ours(&id(3)) && !server.is_ours(&id(1)));
        let retried = Ids::server(id(3), id(2), Some(id(4)), id(1));
        assert!(retried.is_ours(&id(4)) && !retried.is_ours(&id(2)));
    }

    #[test]
    fn ids_that_rest_know_only_those_in_use() {
        let mut server = Ids::server(id(3), id(2), Some(id(4)), id(1));
        server.rest();
        assert!(server.is_ours(&id(3)) && !server.is_ours(&id(2)) && !server.is_ours(&id(4)));
        assert!(!server.is_ours(&ConnectionId::default()));
        let mut client = Ids::client(id(1), id(2));
        client.on_initial(id(3));
        client.rest();
        assert!(client.has_answer() && !client.on_retry(id(5)));
        client.on_initial(id(6));
        assert_eq!(client.remote.get(0), Some(id(3)));
    }
}
