//! Transport parameters (RFC 9000 sections 7.4 and 18, RFC 9221, RFC 9287, RFC 9368).
//!
//! Integers are a table: id, default, range, field; what reads it writes it too. [`Parameters::decode`] takes a peer's, all of them checked; what
//! is unknown is ignored. [`Parameters::encode`] writes them in random order with a reserved one among them, so that nobody comes to rely on an order or
//! a set. [`Remembered`] is what a client keeps of a server's for 0-RTT.

mod decode;
mod encode;
mod remembered;

use core::net::{SocketAddrV4, SocketAddrV6};

use super::version::reserved;
use super::{ConnectionId, ResetToken, Side, VarInt};
use crate::Fault;
use crate::limits;

pub(crate) use remembered::Remembered;

/// The parameters of one side. Those that integers stand for hold their default if they were absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameters {
    pub(crate) original_destination_connection_id: Option<ConnectionId>,
    pub(crate) initial_source_connection_id: Option<ConnectionId>,
    pub(crate) retry_source_connection_id: Option<ConnectionId>,
    pub(crate) stateless_reset_token: Option<ResetToken>,
    pub(crate) preferred_address: Option<PreferredAddress>,
    pub(crate) version_information: Option<VersionInformation>,
    pub(crate) disable_active_migration: bool,
    pub(crate) grease_quic_bit: bool,
    /// In milliseconds; zero is none.
    pub(crate) max_idle_timeout: VarInt,
    pub(crate) max_udp_payload_size: VarInt,
    pub(crate) initial_max_data: VarInt,
    pub(crate) initial_max_stream_data_bidi_local: VarInt,
    pub(crate) initial_max_stream_data_bidi_remote: VarInt,
    pub(crate) initial_max_stream_data_uni: VarInt,
    pub(crate) initial_max_streams_bidi: VarInt,
    pub(crate) initial_max_streams_uni: VarInt,
    pub(crate) ack_delay_exponent: VarInt,
    /// In milliseconds.
    pub(crate) max_ack_delay: VarInt,
    pub(crate) active_connection_id_limit: VarInt,
    /// Of a whole frame; zero is no support.
    pub(crate) max_datagram_frame_size: VarInt,
}

/// Where else a server can be reached, by connection id number 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PreferredAddress {
    pub(crate) v4: Option<SocketAddrV4>,
    pub(crate) v6: Option<SocketAddrV6>,
    /// Not empty.
    pub(crate) id: ConnectionId,
    pub(crate) reset_token: ResetToken,
}

/// The version of the connection and those that could have been (RFC 9368 section 3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VersionInformation {
    pub(crate) chosen: u32,
    /// At most [`limits::VERSIONS`].
    pub(crate) available: Vec<u32>,
}

/// Which connection ids the packets of the handshake carried, to be compared with what the peer says they carried (RFC 9000 section 7.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SeenIds {
    /// The source of the peer's first Initial packet.
    pub(crate) initial_source: ConnectionId,
    /// On a client: the destination of its own first Initial packet.
    pub(crate) original_destination: Option<ConnectionId>,
    /// On a client: the source of the Retry packet, if there was one.
    pub(crate) retry_source: Option<ConnectionId>,
}

impl VersionInformation {
    /// Puts in the number of no version, anywhere, for a peer has to live with it (RFC 9368 section 3).
    pub(crate) fn grease(&mut self, [place, random @ ..]: [u8; 5]) {
        let places = self.available.len().saturating_add(1);
        let place = usize::from(place).checked_rem(places).unwrap_or(0);
        self.available.insert(place, reserved(random));
    }
}

impl Default for Parameters {
    fn default() -> Self {
        let mut parameters = Self {
            original_destination_connection_id: None,
            initial_source_connection_id: None,
            retry_source_connection_id: None,
            stateless_reset_token: None,
            preferred_address: None,
            version_information: None,
            disable_active_migration: false,
            grease_quic_bit: false,
            max_idle_timeout: VarInt::ZERO,
            max_udp_payload_size: VarInt::ZERO,
            initial_max_data: VarInt::ZERO,
            initial_max_stream_data_bidi_local: VarInt::ZERO,
            initial_max_stream_data_bidi_remote: VarInt::ZERO,
            initial_max_stream_data_uni: VarInt::ZERO,
            initial_max_streams_bidi: VarInt::ZERO,
            initial_max_streams_uni: VarInt::ZERO,
            ack_delay_exponent: VarInt::ZERO,
            max_ack_delay: VarInt::ZERO,
            active_connection_id_limit: VarInt::ZERO,
            max_datagram_frame_size: VarInt::ZERO,
        };
        for row in INTEGERS {
            *(row.field)(&mut parameters) = VarInt::saturating(row.default);
        }
        parameters
    }
}

impl Parameters {
    /// Compares what `sender` says about connection ids with what was seen: whoever changed a packet's ids on the way is found out here
    /// (rfc9000#7.3-1, rfc9000#7.3-2).
    ///
    /// # Errors
    /// [`Fault::MissingId`] if one is absent that has to be there (rfc9000#7.3-3), [`Fault::WrongId`] if one is another, or is there and should not be
    /// (rfc9000#7.3-4).
    pub(crate) fn check_ids(&self, sender: Side, seen: &SeenIds) -> Result<(), Fault> {
        check_id(self.initial_source_connection_id, Some(seen.initial_source))?;
        if sender == Side::Server {
            check_id(
                self.original_destination_connection_id,
                seen.original_destination,
            )?;
            check_id(self.retry_source_connection_id, seen.retry_source)?;
        }
        Ok(())
    }
}

fn check_id(said: Option<ConnectionId>, seen: Option<ConnectionId>) -> Result<(), Fault> {
    match (said, seen) {
        (said, seen) if said == seen => Ok(()),
        (None, Some(_)) => Err(Fault::MissingId),
        (Some(_), _) | (None, None) => Err(Fault::WrongId),
    }
}

/// A parameter that is an integer.
struct Integer {
    id: u64,
    default: u64,
    least: u64,
    most: u64,
    field: fn(&mut Parameters) -> &mut VarInt,
}

const ANY: (u64, u64) = (0, limits::VARINT);

/// rfc9000#4.6-1, rfc9000#18.2-6, rfc9000#18.2-7
const INTEGERS: &[Integer] = &[
    integer(0x01, 0, ANY, |p| &mut p.max_idle_timeout),
    integer(0x03, 65_527, (1200, limits::VARINT), |p| {
        &mut p.max_udp_payload_size
    }),
    integer(0x04, 0, ANY, |p| &mut p.initial_max_data),
    integer(0x05, 0, ANY, |p| &mut p.initial_max_stream_data_bidi_local),
    integer(0x06, 0, ANY, |p| &mut p.initial_max_stream_data_bidi_remote),
    integer(0x07, 0, ANY, |p| &mut p.initial_max_stream_data_uni),
    integer(0x08, 0, (0, limits::STREAMS), |p| {
        &mut p.initial_max_streams_bidi
    }),
    integer(0x09, 0, (0, limits::STREAMS), |p| {
        &mut p.initial_max_streams_uni
    }),
    integer(0x0a, 3, (0, 20), |p| &mut p.ack_delay_exponent),
    integer(0x0b, 25, (0, (1 << 14) - 1), |p| &mut p.max_ack_delay),
    integer(0x0e, 2, (2, limits::VARINT), |p| {
        &mut p.active_connection_id_limit
    }),
    integer(0x20, 0, ANY, |p| &mut p.max_datagram_frame_size),
];

const fn integer(
    id: u64,
    default: u64,
    (least, most): (u64, u64),
    field: fn(&mut Parameters) -> &mut VarInt,
) -> Integer {
    Integer {
        id,
        default,
        least,
        most,
        field,
    }
}

/// The ids of those that are no integers.
mod ids {
    pub(super) const ORIGINAL_DESTINATION: u64 = 0x00;
    pub(super) const RESET_TOKEN: u64 = 0x02;
    pub(super) const DISABLE_MIGRATION: u64 = 0x0c;
    pub(super) const PREFERRED_ADDRESS: u64 = 0x0d;
    pub(super) const INITIAL_SOURCE: u64 = 0x0f;
    pub(super) const RETRY_SOURCE: u64 = 0x10;
    pub(super) const VERSION_INFORMATION: u64 = 0x11;
    pub(super) const GREASE_QUIC_BIT: u64 = 0x2ab2;

    /// Those that only servers send.
    pub(super) const OF_SERVERS: [u64; 4] = [
        ORIGINAL_DESTINATION,
        RESET_TOKEN,
        PREFERRED_ADDRESS,
        RETRY_SOURCE,
    ];
}

#[cfg(test)]
mod tests;
