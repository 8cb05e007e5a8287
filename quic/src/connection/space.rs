//! The packet number spaces of a connection: the keys of each level, what was received, and which packets can be sent.
//!
//! 0-RTT and 1-RTT packets share a space and have keys of their own. Keys come once and go for good; what comes under keys that may still come is
//! the caller's to hold. Which of its packets the peer protected badly is counted here over all keys.

use pith_crypto::Error;
use pith_tls::{Direction, Level, TrafficSecret};

use crate::config::Transport;
use crate::protect::{
    Draft, Forgeries, Keys, OneRtt, Opened, Opener, PacketSecret, Protected, Refused, Sealer,
};
use crate::recovery::Received;
use crate::wire::{Builder, ConnectionId, PacketType, PerSpace, Side, Space, Version};
use crate::{Fault, observe};

/// Keys and received numbers.
pub(crate) struct Spaces {
    side: Side,
    /// Of early data.
    original: Version,
    /// Of everything else.
    version: Version,
    /// Gone when they have done their work.
    initial: Option<Box<InitialKeys>>,
    handshake: LevelKeys,
    /// Of a server alone: clients send 0-RTT packets, and nobody else does.
    early_opener: Keys<Box<Opener>>,
    /// Of a client alone.
    early_sealer: Keys<Box<Sealer>>,
    pub(crate) one_rtt: OneRtt,
    /// Those of a space that has done its work go with its keys.
    received: PerSpace<Option<Box<Received>>>,
    forgeries: Forgeries,
}

/// The keys of both directions of a level that has no key updates.
struct LevelKeys {
    opener: Keys<Box<Opener>>,
    sealer: Keys<Box<Sealer>>,
}

/// The keys of Initial packets, which come of an id.
struct InitialKeys {
    opener: Opener,
    sealer: Sealer,
    /// Of a server that has turned to another version: what opens Initial packets of the client's first.
    first: Option<Opener>,
}

/// Why there is nothing to process in a packet.
pub(crate) enum Unopened {
    /// Its keys may still come.
    Early(Protected),
    /// Its keys are gone or never come.
    Dropped,
    /// It came before.
    Duplicate,
    /// It is not the peer's.
    Forged,
    Fault(Fault),
    Local(Error),
}

impl Spaces {
    /// With keys for Initial packets, from the client's first destination connection id.
    pub(crate) fn new(
        side: Side,
        version: Version,
        dcid: &ConnectionId,
        config: &Transport,
    ) -> Result<Self, Error> {
        Ok(Self {
            side,
            original: version,
            version,
            initial: Some(InitialKeys::new(side, version, dcid)?),
            handshake: LevelKeys::absent(),
            early_opener: Keys::Absent,
            early_sealer: Keys::Absent,
            one_rtt: OneRtt::new(config.packets_per_key),
            received: PerSpace::new(|space| Some(Box::new(Received::new(space)))),
            forgeries: Forgeries::new(config.forgeries),
        })
    }

    /// Keys for Initial packets, from the id of a Retry; these replace the ones before.
    pub(crate) fn install_initial(&mut self, dcid: &ConnectionId) -> Result<(), Error> {
        self.initial = Some(InitialKeys::new(self.side, self.version, dcid)?);
        Ok(())
    }

    /// A server goes on in another version, and still opens what its client sends before it knows (rfc9369#4.1-5).
    pub(crate) fn turn(&mut self, version: Version, dcid: &ConnectionId) -> Result<(), Error> {
        let mut keys = InitialKeys::new(self.side, version, dcid)?;
        keys.first = self.initial.take().map(|before| before.opener);
        self.initial = Some(keys);
        self.version = version;
        Ok(())
    }

    /// Opens an Initial packet of another version, and has a client go on in that if it opens; else nothing has changed.
    pub(crate) fn open_turned(
        &mut self,
        version: Version,
        dcid: &ConnectionId,
        packet: Protected,
    ) -> Result<Opened, Unopened> {
        let keys = InitialKeys::new(self.side, version, dcid).map_err(Unopened::Local)?;
        let before = self.initial.replace(keys);
        let opened = self.open(packet);
        match &opened {
            Ok(_) => self.version = version,
            Err(_) => self.initial = before,
        }
        opened
    }

    /// Keys from TLS.
    pub(crate) fn install(
        &mut self,
        level: Level,
        direction: Direction,
        secret: &TrafficSecret,
    ) -> Result<(), Error> {
        let version = match level {
            Level::EarlyData => self.original,
            _ => self.version,
        };
        let secret = PacketSecret::new(version, secret)?;
        self.forgeries.restrict(secret.aead());
        match (level, direction) {
            (Level::Handshake, Direction::Read) => {
                self.handshake.opener.install(Box::new(secret.opener()?));
            }
            (Level::Handshake, Direction::Write) => {
                let sealer = secret.sealer(u64::MAX)?;
                self.handshake.sealer.install(Box::new(sealer));
                // Keys of early data that have not come before these never will: it is rejected, or not offered (rfc9001#4.6.2-1).
                if self.early_opener.ready().is_none() {
                    self.early_opener.discard();
                }
            }
            (Level::Application, Direction::Read) => self.one_rtt.install_receiving(secret)?,
            (Level::Application, Direction::Write) => {
                self.one_rtt.install_sending(secret)?;
                // rfc9001#5.6-5, rfc9000#17.2.3-2
                self.early_sealer.discard();
            }
            // rfc9001#5.6-3: there is no other way to these keys.
            (Level::EarlyData, Direction::Write) if self.side == Side::Client => {
                let sealer = secret.sealer(u64::MAX)?;
                self.early_sealer.install(Box::new(sealer));
            }
            (Level::EarlyData, Direction::Read) if self.side == Side::Server => {
                self.early_opener.install(Box::new(secret.opener()?));
            }
            (_, Direction::Read | Direction::Write) => {
                return Err(Error::Internal("TLS has no such secrets"));
            }
        }
        Ok(())
    }

    /// Drops the keys of a space that has done its work.
    pub(crate) fn discard(&mut self, space: Space) {
        match space {
            Space::Initial => self.initial = None,
            Space::Handshake => self.handshake.discard(),
            Space::Application => return,
        }
        *self.received.get_mut(space) = None;
    }

    /// Drops the keys of early data, which never come back.
    pub(crate) fn discard_early(&mut self) {
        self.early_opener.discard();
        self.early_sealer.discard();
    }

    /// Whether packets of early data can be opened.
    pub(crate) fn opens_early(&self) -> bool {
        self.early_opener.ready().is_some()
    }

    /// Which keys there are, by type of packet, for an observer.
    pub(crate) fn keys(&self) -> observe::Keys {
        let level = |level: &LevelKeys| {
            let sealer = level.sealer.ready().is_some();
            (sealer, level.opener.ready().is_some())
        };
        let early = (
            self.early_sealer.ready().is_some(),
            self.early_opener.ready().is_some(),
        );
        let one_rtt = &self.one_rtt;
        observe::Keys {
            present: PacketType::ALL.map(|packet| match packet {
                PacketType::Initial => (self.initial.is_some(), self.initial.is_some()),
                PacketType::ZeroRtt => early,
                PacketType::Handshake => level(&self.handshake),
                PacketType::OneRtt => (one_rtt.can_send(), one_rtt.can_receive()),
            }),
            generations: one_rtt.generations(),
            previous: one_rtt.has_previous(),
        }
    }

    pub(crate) fn is_discarded(&self, space: Space) -> bool {
        match space {
            Space::Initial => self.initial.is_none(),
            Space::Handshake => self.handshake.sealer.is_discarded(),
            Space::Application => false,
        }
    }

    /// The type of the packets that can be sent in a space, the best there is (rfc9001#4.9-2).
    pub(crate) fn sends(&self, space: Space) -> Option<PacketType> {
        let (can, packet) = match space {
            Space::Initial => (self.initial.is_some(), PacketType::Initial),
            Space::Handshake => (
                self.handshake.sealer.ready().is_some(),
                PacketType::Handshake,
            ),
            Space::Application if self.one_rtt.can_send() => (true, PacketType::OneRtt),
            Space::Application => (self.early_sealer.ready().is_some(), PacketType::ZeroRtt),
        };
        can.then_some(packet)
    }

    /// Whether packets of this type can be opened, or never will be.
    pub(crate) fn is_settled(&self, packet: PacketType) -> bool {
        match packet {
            PacketType::Initial => true,
            PacketType::Handshake => !matches!(self.handshake.opener, Keys::Absent),
            PacketType::ZeroRtt => !matches!(self.early_opener, Keys::Absent),
            PacketType::OneRtt => self.one_rtt.can_receive(),
        }
    }

    /// Opens a packet. One that came before is dropped.
    pub(crate) fn open(&mut self, packet: Protected) -> Result<Opened, Unopened> {
        let packet_type = packet.header().packet;
        let space = packet_type.space();
        let received = self.received.get(space).as_deref();
        let largest = received.and_then(Received::largest);
        let side = self.side;
        let opened = match packet_type {
            PacketType::OneRtt if self.one_rtt.can_receive() => {
                self.one_rtt.open(packet, largest, side)
            }
            // TLS gives these keys when it is complete (rfc9001#5.7-1, rfc9001#5.7-2, rfc9001#5.7-3).
            PacketType::OneRtt => return Err(Unopened::Early(packet)),
            PacketType::Initial => {
                let keys = self.initial.as_deref().ok_or(Unopened::Dropped)?;
                let long = packet.header().long;
                let original = long.is_some_and(|(version, _)| version == self.original);
                let first = keys.first.as_ref().filter(|_| original);
                packet.open(first.unwrap_or(&keys.opener), largest, side)
            }
            PacketType::Handshake => open(&self.handshake.opener, packet, largest, side)?,
            // rfc9001#5.6-4
            PacketType::ZeroRtt if side == Side::Client => return Err(Unopened::Dropped),
            PacketType::ZeroRtt => open(&self.early_opener, packet, largest, side)?,
        };
        let opened = opened.map_err(|refused| self.refused(refused))?;
        let received = self.received.get(space).as_deref();
        // rfc9000#12.3-4, rfc9000#12.3-5
        if received.is_none_or(|received| received.is_duplicate(opened.number)) {
            return Err(Unopened::Duplicate);
        }
        Ok(opened)
    }

    /// What was received in a space, if it is not discarded.
    pub(crate) fn received(&mut self, space: Space) -> Option<&mut Received> {
        self.received.get_mut(space).as_deref_mut()
    }

    pub(crate) fn received_ref(&self, space: Space) -> Option<&Received> {
        self.received.get(space).as_deref()
    }

    /// Seals a packet of the type that [`Spaces::sends`] gave.
    pub(crate) fn seal(
        &mut self,
        draft: Draft,
        packet: PacketType,
        builder: &mut Builder<'_>,
    ) -> Result<usize, Error> {
        let sealer = match packet {
            PacketType::OneRtt => return self.one_rtt.seal(draft, builder),
            PacketType::Initial => {
                let keys = self.initial.as_deref_mut();
                let keys = keys.ok_or(Error::Internal("a packet without keys"))?;
                return draft.seal(builder, &mut keys.sealer);
            }
            PacketType::Handshake => &mut self.handshake.sealer,
            PacketType::ZeroRtt => &mut self.early_sealer,
        };
        let sealer = sealer
            .ready_mut()
            .ok_or(Error::Internal("a packet without keys"))?;
        draft.seal(builder, sealer)
    }

    fn refused(&mut self, refused: Refused) -> Unopened {
        match refused {
            // rfc9001#6.6-5, rfc9001#6.6-6
            Refused::Forged => match self.forgeries.count() {
                Ok(()) => Unopened::Forged,
                Err(fault) => Unopened::Fault(fault),
            },
            Refused::Fault(fault) => Unopened::Fault(fault),
            Refused::Local(error) => Unopened::Local(error),
        }
    }
}

impl InitialKeys {
    fn new(side: Side, version: Version, dcid: &ConnectionId) -> Result<Box<Self>, Error> {
        let (client, server) = PacketSecret::initial(version, dcid)?;
        let (own, peer) = match side {
            Side::Client => (client, server),
            Side::Server => (server, client),
        };
        Ok(Box::new(Self {
            opener: peer.opener()?,
            sealer: own.sealer(u64::MAX)?,
            first: None,
        }))
    }
}

impl LevelKeys {
    fn absent() -> Self {
        Self {
            opener: Keys::Absent,
            sealer: Keys::Absent,
        }
    }

    fn discard(&mut self) {
        self.opener.discard();
        self.sealer.discard();
    }
}

/// Opens a packet with the keys of its level, if they are there.
fn open(
    keys: &Keys<Box<Opener>>,
    packet: Protected,
    largest: Option<crate::wire::PacketNumber>,
    side: Side,
) -> Result<Result<Opened, Refused>, Unopened> {
    match keys {
        Keys::Absent => Err(Unopened::Early(packet)),
        Keys::Ready(opener) => Ok(packet.open(opener, largest, side)),
        Keys::Discarded => Err(Unopened::Dropped),
    }
}

pith_crypto::assert_neither_debug_nor_clone!(Spaces);
