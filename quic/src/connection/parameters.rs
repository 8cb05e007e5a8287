//! Transport parameters of a connection: what this side says, and what follows from what the peer says (RFC 9000 section 7.4).

use core::net::SocketAddr;
use core::time::Duration;

use bytes::Bytes;
use pith_crypto::Error;

use super::event::EndpointEvent;
use super::{Connection, timers};
use crate::config::Transport;
use crate::error::{ConnectionError, TransportError};
use crate::limits;
use crate::observe::{Party, Seen};
use crate::path::Ids;
use crate::random::Random;
use crate::streams::PeerLimits;
use crate::wire::params::{Parameters, PreferredAddress, VersionInformation};
use crate::wire::{ResetToken, Side, VarInt, Version};

/// What is kept of the peer's parameters. The rest is with the owners that heed it.
#[derive(Debug)]
pub(super) struct Peer {
    /// In milliseconds.
    idle_timeout: Option<u64>,
    pub(super) grease_quic_bit: bool,
    /// Whether this side must keep to its address while the server's is that of the handshake.
    pub(super) stays: bool,
    /// Whether the client has gone to the server's preferred address.
    pub(super) acted: bool,
    /// Where a client is to go, until it did not get there; or once it is there, where it came from.
    pub(super) other: Option<Box<SocketAddr>>,
}

impl Transport {
    /// What this side says.
    pub(super) fn values(
        &self,
        ids: &Ids,
        side: Side,
        reset_token: Option<ResetToken>,
        version: Version,
    ) -> Parameters {
        let streams = &self.streams;
        let number = VarInt::saturating;
        let server = side == Side::Server;
        // rfc9000#7.3-1, rfc9000#18.2-1, rfc9000#18.2-6, rfc9000#18.2-8. No id of a server is empty (rfc9000#18.2-3, rfc9000#18.2-4).
        Parameters {
            original_destination_connection_id: server.then(|| ids.original()),
            initial_source_connection_id: Some(ids.own()),
            retry_source_connection_id: ids.retried().filter(|_| server),
            stateless_reset_token: reset_token,
            preferred_address: ids.preferred().map(|new| PreferredAddress {
                v4: self.preferred.v4,
                v6: self.preferred.v6,
                id: new.id,
                reset_token: new.reset_token,
            }),
            // rfc9368#3-1, rfc9368#3-2, rfc9369#4-1: what a server speaks it speaks everywhere.
            version_information: Some(VersionInformation {
                chosen: version.number(),
                available: self.versions.iter().map(Version::number).collect(),
            }),
            grease_quic_bit: true,
            max_idle_timeout: number(self.idle_timeout.map_or(0, milliseconds)),
            max_udp_payload_size: number(limits::UDP_PAYLOAD),
            initial_max_data: number(streams.connection),
            initial_max_stream_data_bidi_local: number(streams.bidi_local),
            initial_max_stream_data_bidi_remote: number(streams.bidi_remote),
            initial_max_stream_data_uni: number(streams.uni),
            initial_max_streams_bidi: number(streams.streams_bidi),
            initial_max_streams_uni: number(streams.streams_uni),
            ack_delay_exponent: VarInt::from(ACK_DELAY_EXPONENT),
            max_ack_delay: number(milliseconds(self.max_ack_delay)),
            disable_active_migration: server && !self.active_migration,
            active_connection_id_limit: number(
                u64::try_from(limits::ACTIVE_IDS).unwrap_or(u64::MAX),
            ),
            max_datagram_frame_size: number(self.datagrams),
        }
    }

    /// The same, encoded in random order, with a version among them that there is not.
    pub(super) fn parameters(
        &self,
        ids: &Ids,
        side: Side,
        version: Version,
        random: &mut Random,
    ) -> Result<Bytes, Error> {
        // Numbers are drawn ahead, so that a failure of the generator is told.
        let mut drawn = [0; DRAWN];
        for number in &mut drawn {
            *number = u64::from_be_bytes(random.bytes()?);
        }
        let mut values = self.values(ids, side, ids.reset_token(), version);
        if let Some(versions) = &mut values.version_information {
            versions.grease(random.bytes()?);
        }
        let mut drawn = drawn.into_iter();
        let encoded = values.encode(|| drawn.next().unwrap_or_default());
        #[cfg(test)]
        let encoded = tests::lied(encoded, self.lie.as_ref());
        Ok(encoded.into())
    }
}

impl Peer {
    pub(super) fn of(parameters: &Parameters) -> Self {
        Self {
            idle_timeout: Some(parameters.max_idle_timeout.get()).filter(|timeout| *timeout > 0),
            grease_quic_bit: parameters.grease_quic_bit,
            stays: parameters.disable_active_migration,
            acted: false,
            other: None,
        }
    }
}

impl Connection {
    /// The peer's parameters came in its first flight. What they say is authentic once the handshake is complete.
    pub(super) fn on_peer_parameters(&mut self, bytes: &[u8]) -> Result<(), ConnectionError> {
        let fault = |fault| ConnectionError::Transport(TransportError::from(fault));
        let parameters = Parameters::decode(bytes, self.side.peer()).map_err(fault)?;
        self.watch
            .tell(|| Seen::Parameters(Party::Remote, (&parameters).into()));
        // rfc9000#7.3-2, rfc9000#7.3-3, rfc9000#7.3-4
        parameters
            .check_ids(self.side.peer(), &self.ids.seen())
            .map_err(fault)?;
        self.on_version_information(parameters.version_information.as_ref())?;
        let exponent = u8::try_from(parameters.ack_delay_exponent.get()).unwrap_or(u8::MAX);
        let delay = Duration::from_millis(parameters.max_ack_delay.get());
        self.recovery.set_peer(delay, exponent);
        let id_limit = parameters.active_connection_id_limit.get();
        self.ids.local.set_peer_limit(id_limit);
        if let Some(token) = parameters.stateless_reset_token {
            self.ids.remote.set_first_token(token);
            self.events.push_endpoint(EndpointEvent::ResetToken(token));
        }
        let payload = parameters.max_udp_payload_size.get();
        let path = &mut self.paths.active;
        path.search
            .limit(u16::try_from(payload).unwrap_or(u16::MAX));
        let mut peer = Peer::of(&parameters);
        if let Some(address) = &parameters.preferred_address {
            let token = address.reset_token;
            let new = self.ids.remote.on_preferred(address.id, token);
            new.map_err(fault)?;
            peer.other = self.preferred_of(address).map(Box::new);
        }
        self.peer = Some(peer);
        self.on_limits(parameters)
    }

    /// What the peer allows.
    pub(super) fn set_limits(&mut self, parameters: &Parameters) -> Result<(), ConnectionError> {
        let datagram = parameters.max_datagram_frame_size.get();
        let limits = self.streams.set_peer(limits_of(parameters));
        limits
            .and_then(|()| self.datagrams.set_peer(datagram))
            .map_err(|fault| TransportError::from(fault).into())
    }

    /// The idle timeout that holds, once the peer has said its own.
    pub(super) fn idle_timeout(&self) -> Option<Duration> {
        let theirs = self.peer.as_ref().and_then(|peer| peer.idle_timeout);
        timers::idle_timeout(self.config.idle_timeout, theirs.map(Duration::from_millis))
    }
}

fn limits_of(parameters: &Parameters) -> PeerLimits {
    PeerLimits {
        data: parameters.initial_max_data.get(),
        bidi_local: parameters.initial_max_stream_data_bidi_local.get(),
        bidi_remote: parameters.initial_max_stream_data_bidi_remote.get(),
        uni: parameters.initial_max_stream_data_uni.get(),
        streams_bidi: parameters.initial_max_streams_bidi.get(),
        streams_uni: parameters.initial_max_streams_uni.get(),
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Of ACK frames that this side writes: the default.
pub(super) const ACK_DELAY_EXPONENT: u8 = 3;

/// More than there are parameters to be shuffled, and those for the reserved one.
const DRAWN: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Lie;
    use crate::limits;
    use crate::wire::{ConnectionId, Reader};

    /// What is said in place of these parameters.
    pub(super) fn lied(encoded: Vec<u8>, lie: Option<&Lie>) -> Vec<u8> {
        let Some(lie) = lie else { return encoded };
        let (mut said, mut reader) = (Vec::new(), Reader::new(&encoded));
        while !reader.is_empty() {
            let start = encoded.len() - reader.remaining();
            let id = reader.varint().unwrap().get();
            reader.vec().unwrap();
            if lie.without != Some(id) {
                said.extend_from_slice(&encoded[start..encoded.len() - reader.remaining()]);
            }
        }
        said.extend_from_slice(&lie.more);
        said.truncate(lie.cut.unwrap_or(usize::MAX));
        said
    }

    #[test]
    fn own_parameters_are_legal_and_say_what_the_configuration_does() {
        let id = |value: u8| ConnectionId::new(&[value; 8]).unwrap();
        let token = Some(ResetToken([5; 16]));
        let client = (Side::Client, Ids::client(id(1), id(2)), None);
        let mut ids = Ids::server(id(3), id(2), Some(id(4)), id(1));
        ids.set_reset_token(ResetToken([5; 16]));
        let server = (Side::Server, ids, token);
        let transport = Transport {
            idle_timeout: Some(Duration::from_millis(1234)),
            datagrams: 777,
            ..Transport::default()
        };
        let mut random = Random::seeded(&[3; 32]).unwrap();
        for (side, ids, token) in [client, server] {
            let bytes = transport
                .parameters(&ids, side, Version::V2, &mut random)
                .unwrap();
            let mut read = Parameters::decode(&bytes, side).unwrap();
            assert_eq!(read.max_idle_timeout.get(), 1234);
            assert_eq!(read.max_datagram_frame_size.get(), 777);
            assert_eq!(read.max_udp_payload_size.get(), limits::UDP_PAYLOAD);
            assert_eq!(read.initial_source_connection_id, Some(ids.own()));
            assert!(read.active_connection_id_limit.get() >= 2 && read.grease_quic_bit);
            assert_eq!(read.initial_max_streams_bidi.get(), limits::OPEN_STREAMS);
            let server = side == Side::Server;
            assert_eq!(
                read.original_destination_connection_id,
                server.then(|| id(2))
            );
            assert_eq!(read.retry_source_connection_id, server.then(|| id(4)));
            assert_eq!(read.stateless_reset_token, token);
            // In another order each time, and with another version that there is not (rfc9368#3-1, rfc9368#3-2, rfc9369#4-1).
            let again = transport
                .parameters(&ids, side, Version::V2, &mut random)
                .unwrap();
            assert_ne!(again, bytes);
            let mut again = Parameters::decode(&again, side).unwrap();
            let mut reserved = Vec::new();
            for parameters in [&mut read, &mut again] {
                let versions = parameters.version_information.as_mut().unwrap();
                assert_eq!(versions.chosen, Version::V2.number());
                versions.available.retain(|number| {
                    let known = Version::from_number(*number).is_some();
                    reserved.extend((!known).then_some(*number));
                    known
                });
                let own = Version::ALL.map(Version::number);
                assert_eq!(versions.available, own, "most wanted first");
            }
            assert!(
                matches!(reserved[..], [one, other] if one != other),
                "{reserved:x?}"
            );
            assert!(reserved.iter().all(|n| n & 0x0f0f_0f0f == 0x0a0a_0a0a));
            assert_eq!(again, read);
        }
        let endless = Transport {
            idle_timeout: None,
            ..Transport::default()
        };
        let ids = Ids::client(id(1), id(2));
        let bytes = endless
            .parameters(&ids, Side::Client, Version::V1, &mut random)
            .unwrap();
        assert_eq!(
            Parameters::decode(&bytes, Side::Client)
                .unwrap()
                .max_idle_timeout
                .get(),
            0
        );
    }
}
