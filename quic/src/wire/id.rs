//! Connection ids, their reset tokens, and stream ids (RFC 9000 sections 5.1, 10.3 and 2.1).

use core::fmt;
use core::ops::Deref;

use pith_crypto::secret::ct_eq;

use super::VarInt;
use crate::limits;

/// A connection id, 0 to 20 bytes.
#[derive(Clone, Copy, Default)]
pub struct ConnectionId {
    bytes: [u8; limits::CONNECTION_ID],
    len: u8,
}

/// What proves that a Stateless Reset comes from whoever issued a connection id. It is compared in constant time (rfc9000#10.3.1-3), and
/// not shown.
#[derive(Clone, Copy)]
pub struct ResetToken(pub [u8; limits::RESET_TOKEN]);

/// An end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    Client,
    Server,
}

/// In how many directions a stream carries data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dir {
    /// In both.
    Bi,
    /// From its initiator to the peer.
    Uni,
}

/// A stream id, below 2^62: the index among the streams of its kind, and the kind in the two lowest bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(VarInt);

impl ConnectionId {
    /// `None` if there are more than 20 bytes.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut id = Self {
            bytes: [0; limits::CONNECTION_ID],
            len: u8::try_from(bytes.len()).ok()?,
        };
        id.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(id)
    }
}

impl Deref for ConnectionId {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl PartialEq for ConnectionId {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for ConnectionId {}

impl core::hash::Hash for ConnectionId {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl PartialOrd for ConnectionId {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ConnectionId {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        (**self).cmp(&**other)
    }
}

impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl PartialEq for ResetToken {
    fn eq(&self, other: &Self) -> bool {
        ct_eq(&self.0, &other.0)
    }
}

impl Eq for ResetToken {}

/// Only for tables whose hash has a key that nobody knows: what it takes to look a token up says nothing of those that stand there.
impl core::hash::Hash for ResetToken {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        #[cfg(pith_test)]
        pith_crypto::taint::released(&self.0).hash(state);
        #[cfg(not(pith_test))]
        self.0.hash(state);
    }
}

impl fmt::Debug for ResetToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResetToken")
    }
}

impl Side {
    /// The other end.
    pub(crate) fn peer(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

impl Dir {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::Bi, Self::Uni];
}

impl StreamId {
    /// The stream with this index, from 0, among those that `initiator` opens in `dir`. `None` from 2^60 on.
    pub(crate) fn new(initiator: Side, dir: Dir, index: u64) -> Option<Self> {
        let initiator = match initiator {
            Side::Client => 0,
            Side::Server => 1,
        };
        let dir = match dir {
            Dir::Bi => 0,
            Dir::Uni => 2,
        };
        let value = index.checked_mul(4)? | dir | initiator;
        VarInt::new(value).map(Self)
    }

    /// Who opens it.
    pub(crate) fn initiator(self) -> Side {
        if self.0.get() & 1 == 0 {
            Side::Client
        } else {
            Side::Server
        }
    }

    /// Whether it carries data in both directions.
    #[must_use]
    pub fn dir(self) -> Dir {
        if self.0.get() & 2 == 0 {
            Dir::Bi
        } else {
            Dir::Uni
        }
    }

    /// Its place among the streams of its kind, below 2^60.
    pub(crate) fn index(self) -> u64 {
        self.0.get() >> 2
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0.get()
    }

    /// Whether `side` can send on it.
    pub(crate) fn can_send(self, side: Side) -> bool {
        self.dir() == Dir::Bi || self.initiator() == side
    }

    /// Whether `side` can receive on it.
    pub(crate) fn can_receive(self, side: Side) -> bool {
        self.can_send(side.peer())
    }
}

impl From<VarInt> for StreamId {
    fn from(value: VarInt) -> Self {
        Self(value)
    }
}

impl From<StreamId> for VarInt {
    fn from(id: StreamId) -> Self {
        id.0
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} {:?} {}",
            self.initiator(),
            self.dir(),
            self.index()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_ids_hold_20_bytes_and_no_more() {
        for len in [0, 1, 19, limits::CONNECTION_ID] {
            let id = ConnectionId::new(&vec![0xab; len]).unwrap();
            assert_eq!(*id, vec![0xab; len], "{len}");
            assert_eq!(format!("{id:?}"), "ab".repeat(len));
        }
        assert_eq!(ConnectionId::new(&[0; limits::CONNECTION_ID + 1]), None);
        assert_eq!(limits::CONNECTION_ID, 20);
        assert_eq!(ConnectionId::new(&[0; 300]), None);
        assert_ne!(ConnectionId::new(&[]), ConnectionId::new(&[0]));
    }

    #[test]
    fn reset_tokens_compare_every_byte_and_are_not_shown() {
        let token = ResetToken([7; 16]);
        assert_eq!(token, ResetToken([7; 16]));
        for at in 0..limits::RESET_TOKEN {
            let mut other = token;
            other.0[at] ^= 1;
            assert_ne!(token, other, "byte {at}");
        }
        assert_eq!(format!("{token:?}"), "ResetToken");
    }

    #[test]
    fn stream_ids_say_who_opened_them_and_how_they_flow() {
        // (id, initiator, dir, index): RFC 9000 table 1.
        let rows = [
            (0, Side::Client, Dir::Bi, 0),
            (1, Side::Server, Dir::Bi, 0),
            (2, Side::Client, Dir::Uni, 0),
            (3, Side::Server, Dir::Uni, 0),
            (4, Side::Client, Dir::Bi, 1),
            (limits::VARINT, Side::Server, Dir::Uni, limits::STREAMS - 1),
        ];
        for (value, initiator, dir, index) in rows {
            let id = StreamId::new(initiator, dir, index).unwrap();
            assert_eq!(id.get(), value);
            assert_eq!(id, StreamId::from(VarInt::new(value).unwrap()));
            assert_eq!(
                (id.initiator(), id.dir(), id.index()),
                (initiator, dir, index)
            );
            assert!(id.can_send(initiator) && id.can_receive(initiator.peer()));
            let both = dir == Dir::Bi;
            assert_eq!(id.can_send(initiator.peer()), both, "{value}");
            assert_eq!(id.can_receive(initiator), both, "{value}");
        }
        assert_eq!(StreamId::new(Side::Client, Dir::Bi, limits::STREAMS), None);
        assert_eq!(StreamId::new(Side::Client, Dir::Bi, u64::MAX), None);
    }
}
