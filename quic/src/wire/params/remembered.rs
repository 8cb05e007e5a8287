//! What a client remembers of a server's parameters for 0-RTT (RFC 9000 section 7.4.1), and a server in its ticket.

use super::super::{Builder, Reader, VarInt};
use super::Parameters;
use crate::Fault;

/// The parameters that early data is sent by. All others are not remembered: they are the new connection's, or their default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Remembered {
    max_idle_timeout: VarInt,
    max_udp_payload_size: VarInt,
    disable_active_migration: bool,
    /// Those that a server which accepts early data may not lower, in the order of their ids.
    limits: [VarInt; 8],
}

impl Remembered {
    /// What is to be remembered of a server's parameters (rfc9000#7.4.1-4).
    pub(crate) fn of(server: &Parameters) -> Self {
        Self {
            max_idle_timeout: server.max_idle_timeout,
            max_udp_payload_size: server.max_udp_payload_size,
            disable_active_migration: server.disable_active_migration,
            limits: [
                server.initial_max_data,
                server.initial_max_stream_data_bidi_local,
                server.initial_max_stream_data_bidi_remote,
                server.initial_max_stream_data_uni,
                server.initial_max_streams_bidi,
                server.initial_max_streams_uni,
                server.active_connection_id_limit,
                server.max_datagram_frame_size,
            ],
        }
    }

    /// The parameters by which early data is sent, until the handshake brings the server's (rfc9000#7.4.1-2, rfc9000#7.4.1-3).
    pub(crate) fn parameters(&self) -> Parameters {
        let [
            initial_max_data,
            initial_max_stream_data_bidi_local,
            initial_max_stream_data_bidi_remote,
            initial_max_stream_data_uni,
            initial_max_streams_bidi,
            initial_max_streams_uni,
            active_connection_id_limit,
            max_datagram_frame_size,
        ] = self.limits;
        Parameters {
            max_idle_timeout: self.max_idle_timeout,
            max_udp_payload_size: self.max_udp_payload_size,
            disable_active_migration: self.disable_active_migration,
            initial_max_data,
            initial_max_stream_data_bidi_local,
            initial_max_stream_data_bidi_remote,
            initial_max_stream_data_uni,
            initial_max_streams_bidi,
            initial_max_streams_uni,
            active_connection_id_limit,
            max_datagram_frame_size,
            ..Parameters::default()
        }
    }

    /// Compares the limits with those of the handshake now. A server rejects early data on an error (rfc9000#7.4.1-7); to a client
    /// whose early data was accepted nevertheless it is the server's fault.
    ///
    /// # Errors
    /// [`Fault::ReducedLimit`] if one is lower (rfc9000#7.4.1-5, rfc9000#7.4.1-6, rfc9221#3-5, rfc9221#3-6).
    pub(crate) fn check(&self, now: &Parameters) -> Result<(), Fault> {
        let now = Self::of(now).limits;
        if self.limits.iter().zip(now).any(|(then, now)| now < *then) {
            return Err(Fault::ReducedLimit);
        }
        Ok(())
    }

    /// As it is kept beside a ticket or in one.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut buffer = [0; 1 + 8 * 10];
        let mut builder = Builder::new(&mut buffer);
        let written = builder
            .put_u8(FORMAT | u8::from(self.disable_active_migration))
            .and_then(|()| builder.put_varint(self.max_idle_timeout))
            .and_then(|()| builder.put_varint(self.max_udp_payload_size))
            .and_then(|()| {
                let mut limits = self.limits.iter();
                limits.try_for_each(|limit| builder.put_varint(*limit))
            });
        match written {
            Some(()) => builder.written().to_vec(),
            None => Vec::new(),
        }
    }

    /// `None` if it was not written by [`Remembered::encode`] of this version of the crate.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let first = reader.u8().ok().filter(|first| first & !1 == FORMAT)?;
        let max_idle_timeout = reader.varint().ok()?;
        let max_udp_payload_size = reader.varint().ok()?;
        let mut limits = [VarInt::ZERO; 8];
        for limit in &mut limits {
            *limit = reader.varint().ok()?;
        }
        reader.finish().ok()?;
        Some(Self {
            max_idle_timeout,
            max_udp_payload_size,
            disable_active_migration: first & 1 == 1,
            limits,
        })
    }
}

/// The version of this encoding, in the bits above the flag.
const FORMAT: u8 = 1 << 1;
