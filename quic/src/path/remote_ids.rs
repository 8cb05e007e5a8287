//! The connection ids by which this side addresses the peer (RFC 9000 section 5.1.2), and the tokens by which the peer may reset the connection.
//!
//! What the peer makes this side hold is bounded twice (attack Q04): active ids by the limit that was advertised, ids to be retired by twice that. A
//! token counts for as long as its id is in use, and an id without one has none that could match (attack Q06).

use crate::recovery::{Token, Tokens};
use crate::wire::frame::NewConnectionId;
use crate::wire::{Builder, ConnectionId, ResetToken, VarInt};
use crate::{Fault, limits};

/// The ids that the peer has issued and this side has not retired. Who uses one names it by its number.
#[derive(Debug)]
pub(crate) struct RemoteIds {
    /// In the order in which they came.
    known: Vec<Known>,
    /// Every id below is retired or about to be.
    retire_prior_to: u64,
    retiring: Vec<Retiring>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    sequence: u64,
    id: ConnectionId,
    reset_token: Option<ResetToken>,
    /// Whether packets went to it.
    used: bool,
}

/// An id whose RETIRE_CONNECTION_ID frame has not been acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Retiring {
    sequence: u64,
    owed: bool,
}

/// What a NEW_CONNECTION_ID frame changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Learned {
    /// Nothing.
    Nothing,
    /// There is another id to use.
    Spare,
    /// An id in use was retired: who used it takes another.
    Retired,
}

impl RemoteIds {
    /// `first` is what the first packets are sent to.
    pub(crate) fn new(first: ConnectionId) -> Self {
        Self {
            known: vec![Known {
                sequence: 0,
                id: first,
                reset_token: None,
                used: true,
            }],
            retire_prior_to: 0,
            retiring: Vec::new(),
        }
    }

    /// The id with this number, if it is in use.
    pub(crate) fn get(&self, sequence: u64) -> Option<ConnectionId> {
        self.in_use(sequence).map(|known| known.id)
    }

    /// The token for the id with this number, if it is in use.
    pub(crate) fn token(&self, sequence: u64) -> Option<ResetToken> {
        self.in_use(sequence)?.reset_token
    }

    /// Whether the peer is addressed without an id: then there is never another.
    pub(crate) fn is_empty(&self) -> bool {
        self.known.iter().any(|known| known.id.is_empty())
    }

    /// How many ids no packet has gone to.
    #[cfg(test)]
    pub(crate) fn spare(&self) -> usize {
        self.known.iter().filter(|known| !known.used).count()
    }

    /// Takes an id into use that no packet has gone to (rfc9000#9.5-1, rfc9000#9.5-2).
    pub(crate) fn take(&mut self) -> Option<u64> {
        let known = self.known.iter_mut().find(|known| !known.used)?;
        known.used = true;
        Some(known.sequence)
    }

    /// The peer has chosen its id of the handshake, by a Retry or its first Initial packet (rfc9000#7.2-4, rfc9000#7.2-5).
    pub(crate) fn replace_first(&mut self, id: ConnectionId) {
        if let Some(first) = self.first() {
            first.id = id;
        }
    }

    /// The server's parameters hold a token for its first id.
    pub(crate) fn set_first_token(&mut self, token: ResetToken) {
        if let Some(first) = self.first() {
            first.reset_token = Some(token);
        }
    }

    /// The server's parameters hold an id for its preferred address: it is number 1 (RFC 9000 section 5.1.1), and another than the first.
    pub(crate) fn on_preferred(
        &mut self,
        id: ConnectionId,
        token: ResetToken,
    ) -> Result<(), Fault> {
        let new = Known {
            sequence: 1,
            id,
            reset_token: Some(token),
            used: false,
        };
        if self.is_empty() || self.is_known(&new) != Ok(false) {
            return Err(Fault::PreferredAddress);
        }
        self.known.push(new);
        Ok(())
    }

    /// A NEW_CONNECTION_ID frame came.
    pub(crate) fn on_new(&mut self, frame: &NewConnectionId) -> Result<Learned, Fault> {
        // rfc9000#19.15-3
        if self.is_empty() {
            return Err(Fault::IdBesideEmptyId);
        }
        let new = Known {
            sequence: frame.sequence.get(),
            id: frame.id,
            reset_token: Some(frame.reset_token),
            used: false,
        };
        let mut learned = Learned::Nothing;
        // rfc9000#19.15-4
        if !self.is_known(&new)? {
            // rfc9000#19.15-8
            if new.sequence < self.retire_prior_to {
                return self.retire(new.sequence).map(|()| Learned::Nothing);
            }
            self.known.push(new);
            learned = Learned::Spare;
        }
        // rfc9000#19.15-7
        let end = frame.retire_prior_to.get();
        if end > self.retire_prior_to && self.retire_below(end)? {
            learned = Learned::Retired;
        }
        // rfc9000#5.1.1-4
        if self.known.len() > limits::ACTIVE_IDS {
            return Err(Fault::TooManyIds);
        }
        Ok(learned)
    }

    /// Retires the ids in use that are used no more.
    pub(crate) fn release(&mut self, is_used: impl Fn(u64) -> bool) -> Result<(), Fault> {
        let released = |known: &Known| known.used && !is_used(known.sequence);
        self.retire_those(released).map(drop)
    }

    /// Whether a datagram that ends in this is a Stateless Reset. Only the token of an id in use counts (rfc9000#10.3.1-2).
    pub(crate) fn is_reset(&self, tail: &[u8; limits::RESET_TOKEN]) -> bool {
        let token = Some(ResetToken(*tail));
        let mut used = self.known.iter().filter(|known| known.used);
        used.any(|known| known.reset_token == token)
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.retiring.iter().any(|retiring| retiring.owed)
    }

    /// Writes RETIRE_CONNECTION_ID frames.
    pub(crate) fn write(&mut self, builder: &mut Builder<'_>, tokens: &mut Tokens) {
        for retiring in self.retiring.iter_mut().filter(|retiring| retiring.owed) {
            let sequence = retiring.sequence;
            let frame = builder.put_retire_connection_id(VarInt::saturating(sequence));
            if frame.is_none() {
                return;
            }
            retiring.owed = false;
            tokens.push(Token::RetireConnectionId { sequence });
        }
    }

    pub(crate) fn acked(&mut self, sequence: u64) {
        self.retiring
            .retain(|retiring| retiring.sequence != sequence);
    }

    pub(crate) fn lost(&mut self, sequence: u64) {
        let mut retiring = self.retiring.iter_mut();
        if let Some(retiring) = retiring.find(|retiring| retiring.sequence == sequence) {
            retiring.owed = true;
        }
    }

    /// Whether the id is there already. A number or an id that means two things is a fault.
    fn is_known(&self, new: &Known) -> Result<bool, Fault> {
        let mut all = self.known.iter();
        let clash = all.find(|known| known.sequence == new.sequence || known.id == new.id);
        match clash {
            Some(known) if known.is_same(new) => Ok(true),
            Some(_) => Err(Fault::IdReused),
            None => Ok(false),
        }
    }

    /// Stops using every id below `end`, and says whether one was in use (rfc9000#5.1.2-1).
    fn retire_below(&mut self, end: u64) -> Result<bool, Fault> {
        let was_used = self.retire_those(|known| known.sequence < end)?;
        self.retire_prior_to = end;
        Ok(was_used)
    }

    /// Says whether one of them was in use. All of them or none: what closes the connection still has to reach the peer by the id in use.
    fn retire_those(&mut self, those: impl Fn(&Known) -> bool) -> Result<bool, Fault> {
        let many = self.known.iter().filter(|known| those(known)).count();
        // rfc9000#5.1.2-2
        if self.retiring.len().saturating_add(many) > limits::RETIRING_IDS {
            return Err(Fault::TooManyRetirements);
        }
        let mut was_used = false;
        while let Some(at) = self.known.iter().position(&those) {
            let known = self.known.remove(at);
            was_used |= known.used;
            self.retire(known.sequence)?;
        }
        Ok(was_used)
    }

    fn in_use(&self, sequence: u64) -> Option<&Known> {
        let mut used = self.known.iter().filter(|known| known.used);
        used.find(|known| known.sequence == sequence)
    }

    fn first(&mut self) -> Option<&mut Known> {
        self.known.iter_mut().find(|known| known.sequence == 0)
    }

    fn retire(&mut self, sequence: u64) -> Result<(), Fault> {
        if self
            .retiring
            .iter()
            .any(|retiring| retiring.sequence == sequence)
        {
            return Ok(());
        }
        // rfc9000#5.1.2-2
        if self.retiring.len() >= limits::RETIRING_IDS {
            return Err(Fault::TooManyRetirements);
        }
        self.retiring.push(Retiring {
            sequence,
            owed: true,
        });
        Ok(())
    }
}

impl Known {
    /// Whether a frame that came again says the same.
    fn is_same(&self, other: &Self) -> bool {
        (self.sequence, self.id, self.reset_token) == (other.sequence, other.id, other.reset_token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(value: u8) -> ConnectionId {
        ConnectionId::new(&[value; 8]).unwrap()
    }

    fn frame(sequence: u32, retire_prior_to: u32) -> NewConnectionId {
        let value = u8::try_from(sequence).unwrap();
        NewConnectionId {
            sequence: sequence.into(),
            retire_prior_to: retire_prior_to.into(),
            id: id(value),
            reset_token: ResetToken([value; 16]),
        }
    }

    fn written(ids: &mut RemoteIds) -> Vec<u64> {
        let mut buffer = [0; 500];
        let mut tokens = Tokens::default();
        ids.write(&mut Builder::new(&mut buffer), &mut tokens);
        let sequence = |token| match token {
            Token::RetireConnectionId { sequence } => sequence,
            other => panic!("{other:?}"),
        };
        tokens.iter().map(sequence).collect()
    }

    #[test]
    fn the_peers_ids_are_held_up_to_the_limit() {
        let mut ids = RemoteIds::new(id(0));
        let most = u32::try_from(limits::ACTIVE_IDS).unwrap();
        for sequence in 1..most {
            assert_eq!(ids.on_new(&frame(sequence, 0)), Ok(Learned::Spare));
            assert_eq!(ids.on_new(&frame(sequence, 0)), Ok(Learned::Nothing));
        }
        assert_eq!(ids.on_new(&frame(most, 1)), Ok(Learned::Retired));
        assert_eq!(
            (ids.take(), ids.get(0), ids.get(1)),
            (Some(1), None, Some(id(1)))
        );
        assert_eq!(ids.on_new(&frame(most + 1, 1)), Err(Fault::TooManyIds));
    }

    #[test]
    fn what_the_peer_wants_retired_is_retired_until_it_knows() {
        let mut ids = RemoteIds::new(id(0));
        ids.on_new(&frame(1, 0)).unwrap();
        assert_eq!(ids.on_new(&frame(3, 2)), Ok(Learned::Retired));
        assert_eq!((ids.take(), ids.take()), (Some(3), None));
        assert_eq!(written(&mut ids), [0, 1]);
        assert_eq!(written(&mut ids), []);
        ids.lost(0);
        assert_eq!(written(&mut ids), [0]);
        ids.acked(0);
        ids.lost(0);
        assert!(!ids.is_pending());
        // Late frames: a number below is retired at once, a lower field changes nothing.
        assert_eq!(ids.on_new(&frame(1, 1)), Ok(Learned::Nothing));
        assert!(!ids.is_pending(), "1 is on its way");
        ids.acked(1);
        assert_eq!(ids.on_new(&frame(1, 0)), Ok(Learned::Nothing));
        assert_eq!(written(&mut ids), [1]);
        assert_eq!(ids.on_new(&frame(2, 0)), Ok(Learned::Spare));
        assert_eq!(ids.get(3), Some(id(3)));
    }

    #[test]
    fn an_id_is_taken_into_use_once_and_retired_when_it_is_released() {
        let mut ids = RemoteIds::new(id(0));
        for sequence in 1..=3 {
            ids.on_new(&frame(sequence, 0)).unwrap();
        }
        assert_eq!((ids.take(), ids.take()), (Some(1), Some(2)));
        assert_eq!(ids.get(3), None, "nobody uses it");
        ids.release(|number| number != 0 && number != 3).unwrap();
        assert_eq!(written(&mut ids), [0], "a spare id stays");
        // What was released makes room for another.
        ids.on_new(&frame(4, 0)).unwrap();
        ids.on_new(&frame(5, 0)).unwrap();
        assert_eq!(ids.on_new(&frame(6, 0)), Err(Fault::TooManyIds));
    }

    #[test]
    fn pending_retirements_have_a_cap() {
        let mut ids = RemoteIds::new(id(0));
        let most = u32::try_from(limits::RETIRING_IDS).unwrap();
        for sequence in 1..=most {
            let learned = ids.on_new(&frame(sequence, sequence));
            assert_eq!(
                (learned, ids.take()),
                (Ok(Learned::Retired), Some(sequence.into()))
            );
        }
        let refused = ids.on_new(&frame(most + 1, most + 1));
        assert_eq!(refused, Err(Fault::TooManyRetirements));
        let in_use = ids.get(most.into());
        assert!(in_use.is_some(), "the peer is still to be told");
    }

    #[test]
    fn ids_that_mean_two_things_are_faults() {
        let mut ids = RemoteIds::new(id(0));
        ids.on_new(&frame(1, 0)).unwrap();
        let rows = [
            (
                "another id",
                NewConnectionId {
                    id: id(9),
                    ..frame(1, 0)
                },
            ),
            (
                "another number",
                NewConnectionId {
                    sequence: 2_u8.into(),
                    ..frame(1, 0)
                },
            ),
            (
                "another token",
                NewConnectionId {
                    reset_token: ResetToken([0; 16]),
                    ..frame(1, 0)
                },
            ),
            (
                "the first id again",
                NewConnectionId {
                    id: id(0),
                    ..frame(2, 0)
                },
            ),
            ("the first number again", frame(0, 0)),
        ];
        for (name, frame) in rows {
            assert_eq!(ids.on_new(&frame), Err(Fault::IdReused), "{name}");
        }
        let mut empty = RemoteIds::new(ConnectionId::default());
        assert_eq!(empty.on_new(&frame(1, 0)), Err(Fault::IdBesideEmptyId));
    }

    #[test]
    fn only_the_token_of_the_id_in_use_resets() {
        let mut ids = RemoteIds::new(id(0));
        assert!(!ids.is_reset(&[0; 16]), "without a token nothing matches");
        ids.on_new(&frame(1, 0)).unwrap();
        assert!(!ids.is_reset(&[1; 16]), "an id that is not used");
        ids.set_first_token(ResetToken([7; 16]));
        assert!(ids.is_reset(&[7; 16]));
        ids.on_new(&frame(2, 1)).unwrap();
        assert!(!ids.is_reset(&[7; 16]), "an id that is retired");
        ids.take().unwrap();
        assert!(ids.is_reset(&[1; 16]) && !ids.is_reset(&[2; 16]));
        ids.take().unwrap();
        assert!(ids.is_reset(&[1; 16]) && ids.is_reset(&[2; 16]));
        ids.set_first_token(ResetToken([8; 16]));
        assert!(!ids.is_reset(&[8; 16]), "too late");
    }
}
