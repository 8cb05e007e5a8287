//! Which version a connection has, and how it came to it (RFC 9368, RFC 9369 section 4).
//!
//! A client begins in one version and lists those that its first flight could be read in. A server goes on in the one of them that it wants most; its
//! packets show the client which. What the packets show is checked against what both sides say under TLS's protection, so that nobody on the way
//! chooses for them. A server that cannot read the first flight at all says what it speaks, and the client begins anew, once.

use std::sync::Arc;

use bytes::Bytes;
use pith_tls::{Carrier, Handshake, Now, ServerName};

use super::early::Early;
use super::event::Event;
use super::space::{Spaces, Unopened};
use super::{Connection, local};
use crate::Fault;
use crate::config::Transport;
use crate::crypto_stream::CryptoStream;
use crate::error::{ConnectionError, TransportError};
use crate::limits;
use crate::observe::{DropReason, Seen};
use crate::path::Ids;
use crate::protect::{Opened, Protected};
use crate::random::Random;
use crate::recovery::Recovery;
use crate::streams::{Datagrams, Streams};
use crate::wire::header::VersionNegotiation;
use crate::wire::params::VersionInformation;
use crate::wire::{ConnectionId, PacketType, Side, Version, Versions};

/// Where the negotiation stands.
pub(super) struct Negotiation {
    /// Of the client's first flight.
    original: Version,
    /// Of the connection, once it is known.
    negotiated: Option<Version>,
    /// In which version a client began, if a Version Negotiation packet had it begin anew in another.
    before: Option<Version>,
}

/// Whom a client connects to.
pub(super) struct Attempt {
    tls: Arc<pith_tls::ClientConfig>,
    name: ServerName<'static>,
}

/// What a client's first flight is made of.
pub(super) struct FirstFlight {
    pub(super) ids: Ids,
    pub(super) tls: Handshake,
}

impl Negotiation {
    /// Of a first flight in this version.
    pub(super) fn new(original: Version) -> Self {
        Self {
            original,
            negotiated: None,
            before: None,
        }
    }

    /// The version that packets are written in, but for early data.
    pub(super) fn current(&self) -> Version {
        self.negotiated.unwrap_or(self.original)
    }

    pub(super) fn original(&self) -> Version {
        self.original
    }

    /// The version of packets of this type that are sent: early data never turns (rfc9369#4.1-6, rfc9369#4.1-8).
    pub(super) fn of(&self, packet: PacketType) -> Version {
        match packet {
            PacketType::ZeroRtt => self.original,
            PacketType::Initial | PacketType::Handshake | PacketType::OneRtt => self.current(),
        }
    }

    /// Whether a long header of the peer may have this version (rfc9000#5.2.1-1, rfc9369#4.1-7).
    fn takes(&self, side: Side, own: &Versions, packet: PacketType, version: Version) -> bool {
        match (packet, side, self.negotiated) {
            (PacketType::ZeroRtt, _, _) => version == self.original,
            // What the client sent before it knew (rfc9369#4.1-5).
            (PacketType::Initial, Side::Server, _) => {
                version == self.original || version == self.current()
            }
            (_, Side::Client, None) => own.contains(version),
            (_, Side::Server, None) => version == self.original,
            (_, _, Some(negotiated)) => version == negotiated,
        }
    }

    /// Whether a Version Negotiation packet has made this client begin anew.
    pub(super) fn is_second(&self) -> bool {
        self.before.is_some()
    }
}

impl Attempt {
    /// The version to begin in: the first that there is a session of, for its server speaks it; else the one most wanted.
    pub(super) fn first_version(&self, versions: &Versions, now: Now) -> Version {
        let resumes = |version: &Version| {
            let carrier = carrier(*version, None);
            self.tls.has_session(&self.name, &carrier, now)
        };
        versions.iter().find(resumes).unwrap_or(versions.first())
    }

    pub(super) fn new(tls: &Arc<pith_tls::ClientConfig>, name: ServerName<'static>) -> Self {
        Self {
            tls: Arc::clone(tls),
            name,
        }
    }

    /// A hello to nobody who has been addressed before, with nothing of an earlier one in it (rfc9368#6-2).
    pub(super) fn begin(
        &self,
        transport: &Transport,
        own: ConnectionId,
        version: Version,
        random: &mut Random,
        now: Now,
    ) -> Result<FirstFlight, ConnectionError> {
        let original = random.bytes::<{ limits::FIRST_ID }>().map_err(local)?;
        // rfc9000#7.2-1
        let original = ConnectionId::new(&original).unwrap_or_default();
        let ids = Ids::client(own, original);
        let parameters = transport
            .parameters(&ids, Side::Client, version, random)
            .map_err(local)?;
        let carrier = carrier(version, Some(parameters));
        // rfc9001#4.4-1
        let tls = Handshake::client(Arc::clone(&self.tls), self.name.clone(), carrier, now)
            .map_err(ConnectionError::Tls)?;
        Ok(FirstFlight { ids, tls })
    }
}

/// TLS over this version of QUIC.
pub(super) fn carrier(version: Version, transport_parameters: Option<Bytes>) -> Carrier {
    Carrier::Quic {
        version: version.number(),
        transport_parameters,
    }
}

impl Connection {
    /// The version that the connection has; until a client has heard of its server, that of its first flight.
    #[must_use]
    pub fn version(&self) -> Version {
        self.versions.current()
    }

    pub(super) fn takes_version(&self, packet: PacketType, version: Version) -> bool {
        let own = &self.config.versions;
        self.versions.takes(self.side, own, packet, version)
    }

    /// Opens a packet. The first Initial packet of a server that opens in another version than it was addressed in has a client go on in that.
    pub(super) fn open_packet(&mut self, packet: Protected) -> Result<Opened, Unopened> {
        let header = packet.header();
        let turns = match (header.packet, self.side, header.long) {
            (PacketType::Initial, Side::Client, Some((version, _))) => {
                Some(version).filter(|version| *version != self.versions.current())
            }
            _ => None,
        };
        let Some(version) = turns else {
            return self.spaces.open(packet);
        };
        let opened = self
            .spaces
            .open_turned(version, &self.ids.initial(), packet)?;
        self.negotiated(version);
        Ok(opened)
    }

    /// A CRYPTO frame in a server's Initial packet: the server has chosen, and this is it (RFC 9369 section 4.1).
    pub(super) fn on_first_crypto(&mut self, opened: &Opened) {
        if let (Side::Client, None, Some((version, _))) =
            (self.side, self.versions.negotiated, opened.long)
        {
            self.negotiated(version);
        }
    }

    fn negotiated(&mut self, version: Version) {
        self.versions.negotiated = Some(version);
        self.attempt = None;
        if version != self.versions.original {
            self.crypto.negotiated(version.number());
            self.watch.tell(|| Seen::Version(version.number()));
        }
    }

    /// What the peer says of versions, under TLS's protection (rfc9368#4-3).
    pub(super) fn on_version_information(
        &mut self,
        said: Option<&VersionInformation>,
    ) -> Result<(), ConnectionError> {
        match self.side {
            Side::Client => self.check_server(said).map_err(TransportError::from)?,
            Side::Server => {
                let chosen = self.choose(said).map_err(TransportError::from)?;
                if chosen != self.versions.original {
                    let turned = self.spaces.turn(chosen, &self.ids.initial());
                    turned.map_err(local)?;
                }
                self.negotiated(chosen);
            }
        }
        Ok(())
    }

    /// The version that this server goes on in: of those that the client's first flight can be read in, the one that it wants most (rfc9368#2.3-1). Both
    /// versions that there are can be read as the other (rfc9368#2.2-1, rfc9368#2.3-2).
    fn choose(&self, said: Option<&VersionInformation>) -> Result<Version, Fault> {
        let (own, original) = (&self.config.versions, self.versions.original);
        let listed = match said {
            // rfc9368#4-8, rfc9368#4-9, rfc9368#4-10
            Some(said) if said.chosen != original.number() => {
                return Err(Fault::ChosenVersion);
            }
            Some(said) => own.select(&said.available),
            None => Some(original).filter(|original| own.contains(*original)),
        };
        listed.ok_or(Fault::NoCommonVersion)
    }

    /// Whether the server has gone on in the version that it says, and would have been addressed in the same without what nobody vouches for.
    fn check_server(&self, said: Option<&VersionInformation>) -> Result<(), Fault> {
        let (own, versions) = (&self.config.versions, &self.versions);
        let negotiated = versions.current();
        let assumed = VersionInformation {
            chosen: Version::V1.number(),
            available: vec![Version::V1.number()],
        };
        let said = match said {
            Some(said) => said,
            // rfc9368#8-1
            None if versions.is_second() && versions.original == Version::V1 => &assumed,
            // rfc9368#4-11, rfc9368#4-13. A server that turns knows what it has to say (rfc9369#4-1).
            None if versions.is_second() || negotiated != versions.original => {
                return Err(Fault::NoVersionInformation);
            }
            None => return Ok(()),
        };
        // rfc9368#4-12, rfc9368#4-17: the negotiated version is one of those that this client listed.
        if said.chosen != negotiated.number() {
            return Err(Fault::ChosenVersion);
        }
        let Some(before) = versions.before else {
            return Ok(());
        };
        // rfc9368#4-14, rfc9368#4-15, rfc9368#4-16. A packet that listed the version before would have been ignored (rfc9368#4-1).
        let mut known = said.available.clone();
        known.push(negotiated.number());
        let same = own.select(&known) == Some(versions.original)
            && !known.contains(&before.number())
            && !said.available.is_empty();
        same.then_some(()).ok_or(Fault::VersionDowngrade)
    }

    /// The server says that it cannot read the first flight, and which versions it speaks (RFC 9000 section 6.2, RFC 9368 section 2.1). Of many
    /// such packets one counts (rfc9368#4-2), and it cannot name the version that it answers (rfc9000#6.2-3, rfc9368#4-1).
    pub(super) fn on_version_negotiation(
        &mut self,
        offer: &VersionNegotiation<'_>,
        size: usize,
        now: Now,
    ) -> Result<(), ConnectionError> {
        let answers = offer.ids.dcid == &*self.ids.own() && offer.ids.scid == &*self.ids.original();
        let listed: Vec<u32> = offer.versions().collect();
        let lists_ours = listed.contains(&self.versions.original.number());
        if !answers || lists_ours || self.versions.is_second() {
            self.dropped(DropReason::Unexpected, None, size);
            return Ok(());
        }
        // rfc9368#2.1-2
        match self.config.versions.select(&listed) {
            Some(version) => self.begin_anew(version, now),
            None => {
                // rfc9000#6.2-1, rfc9368#2.1-3
                self.give_up(ConnectionError::NoCommonVersion);
                Ok(())
            }
        }
    }

    /// Addresses the server once more, in another version (rfc9368#2.1-4): of the attempt before nothing is left but its time.
    fn begin_anew(&mut self, version: Version, now: Now) -> Result<(), ConnectionError> {
        let Some(attempt) = self.attempt.take() else {
            return Err(TransportError::internal("no attempt to repeat").into());
        };
        let (own, transport) = (self.ids.own(), Arc::clone(&self.config));
        let FirstFlight { ids, tls } =
            attempt.begin(&transport, own, version, &mut self.random, now)?;
        self.ids = ids;
        self.spaces =
            Spaces::new(self.side, version, &self.ids.initial(), &transport).map_err(local)?;
        self.crypto = CryptoStream::new(self.side, tls).map_err(TransportError::from)?;
        let path = &self.paths.active;
        let path = transport.recovery_path(path.id, path.mtu());
        self.recovery = Recovery::new(self.side, path);
        (self.settled, self.paced, self.blocked) = (None, None, false);
        self.held.clear();
        // rfc9369#5-1: not the token of the version before.
        let shelf = self.shelf.as_ref();
        self.token = shelf.map(|shelf| shelf.take(version)).unwrap_or_default();
        if self.early.is_offered() {
            self.streams = Streams::new(self.side, self.config.streams);
            self.datagrams = Datagrams::new(self.config.datagrams);
            self.events.push(Event::EarlyDataRejected);
        }
        (self.early, self.peer) = (Early::again(&self.early), None);
        let before = Some(self.versions.original);
        self.versions = Negotiation {
            before,
            ..Negotiation::new(version)
        };
        self.watch.tell(|| Seen::Version(version.number()));
        self.advance(now)
    }
}
