//! What goes wrong, in the words of the traits.

use std::sync::Arc;

use h3::quic::{ConnectionErrorIncoming, StreamErrorIncoming};
use h3_datagram::quic_traits::SendDatagramErrorIncoming;
use pith_quic::{ConnectionError, DatagramError, VarInt};

use crate::quic::Error;

/// The end of a connection.
pub(super) fn connection(error: Error) -> ConnectionErrorIncoming {
    match error {
        Error::Connection(ConnectionError::ApplicationClosed { code, .. }) => {
            ConnectionErrorIncoming::ApplicationClose { error_code: code }
        }
        Error::Connection(ConnectionError::IdleTimeout | ConnectionError::HandshakeTimeout)
        | Error::NoAnswer(_)
        | Error::TimedOut(_) => ConnectionErrorIncoming::Timeout,
        other => ConnectionErrorIncoming::Undefined(Arc::new(other)),
    }
}

/// The end of a stream, by itself or with its connection.
pub(super) fn stream(error: Error) -> StreamErrorIncoming {
    match error {
        Error::Stopped(code) | Error::Reset(code) => StreamErrorIncoming::StreamTerminated {
            error_code: code.get(),
        },
        Error::Connection(_)
        | Error::NoAnswer(_)
        | Error::TimedOut(_)
        | Error::ShutDown
        | Error::NotDriven
        | Error::Socket(_) => StreamErrorIncoming::ConnectionErrorIncoming {
            connection_error: connection(error),
        },
        other => StreamErrorIncoming::Unknown(Box::new(other)),
    }
}

pub(super) fn datagram(error: Error) -> SendDatagramErrorIncoming {
    match error {
        Error::Datagram(DatagramError::NotTaken) => SendDatagramErrorIncoming::NotAvailable,
        Error::Datagram(DatagramError::TooLarge) => SendDatagramErrorIncoming::TooLarge,
        other => SendDatagramErrorIncoming::ConnectionError(connection(other)),
    }
}

/// A code for the wire. Larger ones than the wire has are nobody's.
pub(super) fn code(code: u64) -> VarInt {
    VarInt::new(code).unwrap_or(VarInt::MAX)
}
