//! The connection ids by which the peer addresses this side (RFC 9000 section 5.1.1).
//!
//! The endpoint mints them, so that it can route them before the peer hears of them; this side numbers them, writes NEW_CONNECTION_ID frames, and
//! hears what the peer retires. There are never more than the peer is willing to hold, nor more than [`limits::ISSUED_IDS`].

use crate::recovery::{Token, Tokens};
use crate::wire::frame::NewConnectionId;
use crate::wire::{Builder, ConnectionId, ResetToken, VarInt};
use crate::{Fault, limits};

/// A connection id that the endpoint has minted and will route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewId {
    /// The id.
    pub id: ConnectionId,
    /// What the endpoint will sign a Stateless Reset for it with.
    pub reset_token: ResetToken,
}

/// The ids that are not retired.
#[derive(Debug)]
pub(crate) struct LocalIds {
    issued: Vec<Issued>,
    next: u64,
    /// How many the peer is willing to hold.
    peer_limit: u64,
}

#[derive(Debug)]
struct Issued {
    sequence: u64,
    id: ConnectionId,
    reset_token: ResetToken,
    /// Whether its NEW_CONNECTION_ID frame is to be written.
    owed: bool,
}

impl LocalIds {
    /// `first` is the id of the handshake; its token, if there is one, is a transport parameter.
    pub(crate) fn new(first: ConnectionId) -> Self {
        Self {
            issued: vec![Issued {
                sequence: 0,
                id: first,
                reset_token: ResetToken([0; limits::RESET_TOKEN]),
                owed: false,
            }],
            next: 1,
            peer_limit: 1,
        }
    }

    /// The id that goes with a server's preferred address: it is number 1, and a transport parameter tells of it (RFC 9000 section 5.1.1). False if
    /// another was issued before.
    pub(crate) fn issue_preferred(&mut self, new: NewId) -> bool {
        let first = self.next == 1 && !self.uses_empty() && !self.contains(&new.id);
        if first {
            self.push(new, false);
        }
        first
    }

    /// The peer's active_connection_id_limit is known.
    pub(crate) fn set_peer_limit(&mut self, limit: u64) {
        self.peer_limit = limit;
    }

    /// How many ids the endpoint should mint (rfc9000#5.1.1-3). None where the peer uses an empty one (rfc9000#19.15-2).
    pub(crate) fn wanted(&self) -> usize {
        if self.uses_empty() {
            return 0;
        }
        let most = usize::try_from(self.peer_limit).unwrap_or(usize::MAX);
        most.min(limits::ISSUED_IDS)
            .saturating_sub(self.issued.len())
    }

    /// Issues an id that the endpoint has minted. False, and not issued, if it is one too many.
    pub(crate) fn issue(&mut self, new: NewId) -> bool {
        // rfc9000#5.1-2
        if self.wanted() == 0 || self.contains(&new.id) {
            return false;
        }
        self.push(new, true);
        true
    }

    /// Whether packets to this id are this connection's (rfc9000#5.1.1-2).
    pub(crate) fn contains(&self, id: &ConnectionId) -> bool {
        self.number(id).is_some()
    }

    /// The number of an id.
    pub(crate) fn number(&self, id: &ConnectionId) -> Option<u64> {
        let issued = self.issued.iter().find(|issued| issued.id == *id);
        issued.map(|issued| issued.sequence)
    }

    /// A RETIRE_CONNECTION_ID frame came in a packet to `dcid`. The id that is gone, if it was not before.
    pub(crate) fn on_retire(
        &mut self,
        sequence: u64,
        dcid: &ConnectionId,
    ) -> Result<Option<ConnectionId>, Fault> {
        if self.uses_empty() {
            return Err(Fault::RetireEmptyId); // rfc9000#19.16-3
        }
        if sequence >= self.next {
            return Err(Fault::RetireUnknownId); // rfc9000#19.16-1
        }
        let at = self.issued.iter().position(|i| i.sequence == sequence);
        let Some(at) = at else {
            return Ok(None);
        };
        let gone = self.issued.remove(at);
        // rfc9000#19.16-2
        if gone.id == *dcid {
            return Err(Fault::RetireOwnId);
        }
        Ok(Some(gone.id))
    }

    /// The ids that the endpoint routes to this connection.
    pub(crate) fn iter(&self) -> impl Iterator<Item = ConnectionId> + '_ {
        self.issued.iter().map(|issued| issued.id)
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.issued.iter().any(|issued| issued.owed)
    }

    /// Writes NEW_CONNECTION_ID frames.
    pub(crate) fn write(&mut self, builder: &mut Builder<'_>, tokens: &mut Tokens) {
        for issued in self.issued.iter_mut().filter(|issued| issued.owed) {
            let frame = NewConnectionId {
                sequence: VarInt::saturating(issued.sequence),
                retire_prior_to: VarInt::ZERO, // rfc9000#19.15-5
                id: issued.id,
                reset_token: issued.reset_token,
            };
            if builder.put_new_connection_id(&frame).is_none() {
                return;
            }
            issued.owed = false;
            tokens.push(Token::NewConnectionId {
                sequence: issued.sequence,
            });
        }
    }

    /// The frame with this id was lost: it is written again, unless the id was retired meanwhile.
    pub(crate) fn lost(&mut self, sequence: u64) {
        let mut issued = self.issued.iter_mut();
        if let Some(issued) = issued.find(|issued| issued.sequence == sequence) {
            issued.owed = true;
        }
    }

    fn push(&mut self, new: NewId, owed: bool) {
        self.issued.push(Issued {
            sequence: self.next,
            id: new.id,
            reset_token: new.reset_token,
            owed,
        });
        // rfc9000#5.1.1-1
        self.next = self.next.saturating_add(1);
    }

    fn uses_empty(&self) -> bool {
        self.issued.iter().any(|issued| issued.id.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(value: u8) -> ConnectionId {
        ConnectionId::new(&[value; 8]).unwrap()
    }

    fn new(value: u8) -> NewId {
        NewId {
            id: id(value),
            reset_token: ResetToken([value; 16]),
        }
    }

    fn written(ids: &mut LocalIds) -> Vec<u64> {
        let mut buffer = [0; 500];
        let mut tokens = Tokens::default();
        ids.write(&mut Builder::new(&mut buffer), &mut tokens);
        let sequence = |token| match token {
            Token::NewConnectionId { sequence } => sequence,
            other => panic!("{other:?}"),
        };
        tokens.iter().map(sequence).collect()
    }

    #[test]
    fn as_many_connection_ids_are_issued_as_the_peer_holds_and_no_more() {
        for (limit, want) in [
            (0, 0),
            (1, 0),
            (2, 1),
            (3, 2),
            (u64::MAX, limits::ISSUED_IDS - 1),
        ] {
            let mut ids = LocalIds::new(id(0));
            assert_eq!(ids.wanted(), 0, "before the limit is known");
            ids.set_peer_limit(limit);
            assert_eq!(ids.wanted(), want, "{limit}");
            let issued = (1..20).filter(|value| ids.issue(new(*value))).count();
            assert_eq!(issued, want, "{limit}");
        }
        let mut ids = LocalIds::new(ConnectionId::default());
        ids.set_peer_limit(8);
        assert!(
            ids.wanted() == 0 && !ids.issue(new(1)),
            "an empty id is the only one"
        );
    }

    #[test]
    fn connection_ids_are_numbered_in_order_and_written_until_they_arrive() {
        let mut ids = LocalIds::new(id(0));
        ids.set_peer_limit(3);
        assert!(
            ids.issue(new(1)) && !ids.issue(new(1)),
            "an id is issued once"
        );
        assert!(ids.issue(new(2)));
        assert!(ids.is_pending());
        assert_eq!(written(&mut ids), [1, 2]);
        assert_eq!(written(&mut ids), []);
        ids.lost(1);
        assert_eq!(written(&mut ids), [1]);
        assert_eq!(ids.on_retire(1, &id(2)), Ok(Some(id(1))));
        ids.lost(1);
        assert_eq!(written(&mut ids), [], "a retired id is not issued again");
        assert!(!ids.contains(&id(1)) && ids.contains(&id(0)));
        assert_eq!(ids.wanted(), 1);
        assert!(ids.issue(new(3)));
        assert_eq!(written(&mut ids), [3]);
    }

    #[test]
    fn the_id_of_a_preferred_address_is_number_one_and_needs_no_frame() {
        let mut ids = LocalIds::new(id(0));
        assert!(!ids.issue_preferred(new(0)), "it is the first");
        assert!(ids.issue_preferred(new(1)));
        assert!(!ids.issue_preferred(new(2)), "twice");
        assert_eq!(ids.number(&id(1)), Some(1));
        assert!(!ids.is_pending());
        assert_eq!(ids.wanted(), 0, "the least limit leaves no room for more");
        ids.set_peer_limit(3);
        assert!(ids.issue(new(2)));
        assert_eq!(written(&mut ids), [2]);
        assert_eq!(ids.on_retire(1, &id(0)), Ok(Some(id(1))));
        let mut late = LocalIds::new(id(0));
        late.set_peer_limit(3);
        late.issue(new(1));
        assert!(!late.issue_preferred(new(2)), "others were issued");
        let mut empty = LocalIds::new(ConnectionId::default());
        assert!(!empty.issue_preferred(new(1)));
    }

    #[test]
    fn wrong_retirements_are_faults() {
        let mut ids = LocalIds::new(id(0));
        ids.set_peer_limit(3);
        ids.issue(new(1));
        assert_eq!(ids.on_retire(2, &id(0)), Err(Fault::RetireUnknownId));
        assert_eq!(ids.on_retire(u64::MAX, &id(0)), Err(Fault::RetireUnknownId));
        assert_eq!(ids.on_retire(0, &id(1)), Ok(Some(id(0))));
        assert_eq!(ids.on_retire(0, &id(1)), Ok(None), "twice is no fault");
        assert_eq!(ids.on_retire(1, &id(1)), Err(Fault::RetireOwnId));
        let mut empty = LocalIds::new(ConnectionId::default());
        let refused = empty.on_retire(0, &ConnectionId::default());
        assert_eq!(refused, Err(Fault::RetireEmptyId));
    }
}
