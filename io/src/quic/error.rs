//! What goes wrong with a connection, a stream or an endpoint.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pith_quic::{ConnectionError, DatagramError, VarInt};

/// Why something did not work. It becomes an [`io::Error`] by `?`, and stays inside:
/// `error.get_ref().and_then(|inner| inner.downcast_ref::<Error>())` has it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Error {
    /// The connection is over.
    Connection(ConnectionError),
    /// Nothing at all came from the server before the handshake had to be complete.
    NoAnswer(SocketAddr),
    /// The peer does not want what is sent on the stream, for the reason with this code. What had not arrived never will.
    Stopped(VarInt),
    /// The peer has given up sending on the stream, for the reason with this code. What was not read is gone.
    Reset(VarInt),
    /// The server has not taken what was sent before the handshake was complete, and nothing of it is sent again. Streams from then are gone: open others,
    /// and send again what may be sent.
    EarlyDataRejected,
    /// This side has finished, reset or stopped the stream before.
    Ended,
    /// The stream is longer than so many bytes, which was the limit.
    TooLong(usize),
    /// The datagram was not sent.
    Datagram(DatagramError),
    /// The handshake waits for an answer of this program, which none was given for.
    Question,
    /// No server can be at this address, or none that the endpoint's socket reaches.
    Address(SocketAddr, &'static str),
    /// The server's name is neither a DNS name nor an IP address.
    Name,
    /// It has not happened within this time, which the caller set. It can be tried again, and nothing is lost.
    TimedOut(Duration),
    /// The endpoint has no configuration to accept clients with.
    NoServerConfig,
    /// The endpoint is shut down, or was dropped.
    ShutDown,
    /// Nothing drives the endpoint any more: its runtime has ended, or its thread.
    NotDriven,
    /// The endpoint's socket is of no use any more.
    Socket(Arc<io::Error>),
}

impl Error {
    /// The code with which the peer's application closed the connection, if it did. Where its handles were dropped that is 0: no more will come, and
    /// nothing is wrong.
    #[must_use]
    pub fn closed_by_peer(&self) -> Option<u64> {
        match self {
            Self::Connection(ConnectionError::ApplicationClosed { code, .. }) => Some(*code),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(error) => write!(f, "{error}"),
            Self::NoAnswer(remote) => write!(
                f,
                "nothing came from {remote} in the time for a handshake: is a QUIC server listening there, and does UDP pass on the way?"
            ),
            Self::Stopped(code) => write!(
                f,
                "the peer does not want what is sent on this stream: code {code:?}"
            ),
            Self::Reset(code) => {
                write!(
                    f,
                    "the peer has given up sending on this stream: code {code:?}"
                )
            }
            Self::EarlyDataRejected => f.write_str(
                "the server did not take early data, with which this stream was opened: open another, and send again what may be sent",
            ),
            Self::Ended => f.write_str("the stream was finished, reset or stopped here before"),
            Self::TooLong(limit) => {
                write!(f, "the stream is longer than the limit of {limit} bytes")
            }
            Self::Datagram(DatagramError::NotTaken) => {
                f.write_str("the peer takes no datagrams, or the connection is closed")
            }
            Self::Datagram(DatagramError::TooLarge) => f.write_str(
                "the datagram is larger than the peer takes or a packet holds: see Connection::largest_datagram",
            ),
            Self::Question => f.write_str(
                "the handshake waits for an answer of this program: see connect_with and accept_with",
            ),
            Self::Address(remote, why) => write!(f, "cannot connect to {remote}: {why}"),
            Self::Name => {
                f.write_str("the server's name is neither a DNS name nor an IP address")
            }
            Self::TimedOut(limit) => write!(
                f,
                "it has not happened within {limit:?}, which set_timeout allows: try again, nothing is lost"
            ),
            Self::NoServerConfig => f.write_str(
                "the endpoint has no configuration for clients that connect: see set_server_config",
            ),
            Self::ShutDown => f.write_str("the endpoint is shut down"),
            Self::NotDriven => f.write_str(
                "nothing drives the endpoint any more: wait for its shutdown before its runtime ends",
            ),
            Self::Socket(error) => write!(f, "the endpoint's socket failed: {error}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<ConnectionError> for Error {
    fn from(error: ConnectionError) -> Self {
        Self::Connection(error)
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Connection(error) => of_connection(error),
            Error::NoAnswer(_) | Error::TimedOut(_) => ErrorKind::TimedOut,
            Error::Stopped(_) => ErrorKind::BrokenPipe,
            Error::Reset(_) | Error::EarlyDataRejected => ErrorKind::ConnectionReset,
            Error::TooLong(_) => ErrorKind::InvalidData,
            Error::Ended
            | Error::Datagram(_)
            | Error::Question
            | Error::Address(..)
            | Error::Name
            | Error::NoServerConfig => ErrorKind::InvalidInput,
            Error::ShutDown | Error::NotDriven => ErrorKind::NotConnected,
            Error::Socket(error) => error.kind(),
        };
        Self::new(kind, error)
    }
}

/// Who ended the connection, as far as a kind can say.
fn of_connection(error: &ConnectionError) -> ErrorKind {
    match error {
        ConnectionError::LocallyClosed => ErrorKind::NotConnected,
        ConnectionError::PeerClosed { .. } | ConnectionError::ApplicationClosed { .. } => {
            ErrorKind::ConnectionAborted
        }
        ConnectionError::IdleTimeout | ConnectionError::HandshakeTimeout => ErrorKind::TimedOut,
        ConnectionError::Reset => ErrorKind::ConnectionReset,
        ConnectionError::NoCommonVersion => ErrorKind::Unsupported,
        ConnectionError::Ambiguous => ErrorKind::AddrInUse,
        ConnectionError::Transport(_) | ConnectionError::Tls(_) => ErrorKind::InvalidData,
        _ => ErrorKind::Other,
    }
}
