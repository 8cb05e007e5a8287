//! Blocking TLS over `std::net`, or over whatever else can read and write.
//!
//! [`Stream`] is one connection, owned by one thread; [`Stream::split`] makes two halves for two threads. [`Acceptor`] holds a
//! server's configuration, which can be replaced while connections run. [`Socket`] is what a transport must be able to do.
//!
//! Bytes go one way each: the socket's into one buffer of one record, opened in place there and handed out of it; the
//! caller's sealed straight into one output buffer. Nothing is read from the socket while plaintext lies unread, so a peer
//! cannot make a stream grow. Every step consumes, hands out or blocks.

mod acceptor;
#[cfg(feature = "quic")]
pub mod quic;
mod socket;
mod split;
mod stream;

#[cfg(test)]
mod tests;

pub use crate::clock::HANDSHAKE_LIMIT;
pub use acceptor::Acceptor;
pub use socket::{Socket, Timeouts};
pub use split::{Reader, Writer};
pub use stream::Stream;
