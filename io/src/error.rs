//! How failures of TLS look to callers that speak `io::Error`.
//!
//! The TLS error stays inside: `error.get_ref().and_then(|inner| inner.downcast_ref::<pith_tls::Error>())` has it.

use std::io::{self, ErrorKind};
use std::time::Duration;

use pith_tls::{Error, ServerName};

/// Wraps a TLS error; the kind says who ended the connection.
pub(crate) fn wrap(error: Error) -> io::Error {
    let kind = match &error {
        Error::Truncated => ErrorKind::UnexpectedEof,
        Error::Alert(_) => ErrorKind::ConnectionAborted,
        Error::Fault(_) | Error::Certificate(_) => ErrorKind::InvalidData,
        Error::Misuse(_) => ErrorKind::InvalidInput,
        _ => ErrorKind::Other, // a failure on our side
    };
    io::Error::new(kind, error)
}

/// Whether a socket says "not now": the call can be repeated, and nothing is lost.
#[cfg(feature = "std")]
pub(crate) fn is_stall(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

pub(crate) fn past_deadline(limit: Duration) -> io::Error {
    io::Error::new(
        ErrorKind::TimedOut,
        format!(
            "the TLS handshake was not complete within {limit:?}: the peer is too slow, or does not speak TLS"
        ),
    )
}

#[cfg(feature = "std")]
pub(crate) fn question_open() -> io::Error {
    io::Error::new(
        ErrorKind::WouldBlock,
        "the handshake waits for an answer of this program: see Stream::question",
    )
}

#[cfg(feature = "tokio")]
pub(crate) fn question_unanswered() -> io::Error {
    io::Error::new(
        ErrorKind::InvalidInput,
        "the handshake waits for an answer of this program: see Stream::handshake_with",
    )
}

/// Early data comes before all other, and is not to be passed over.
pub(crate) fn early_unread() -> io::Error {
    io::Error::new(
        ErrorKind::InvalidInput,
        "the client's early data is not read yet: see Stream::read_early",
    )
}

/// The name of a server, or why it is none.
pub(crate) fn server_name(name: &str) -> io::Result<ServerName<'static>> {
    ServerName::try_from(name.to_owned()).map_err(|_| {
        io::Error::new(
            ErrorKind::InvalidInput,
            "the server's name is neither a DNS name nor an IP address",
        )
    })
}
