//! TLS for tokio, over a `TcpStream` or whatever else is `AsyncRead` and `AsyncWrite`.
//!
//! [`Connector`] and [`Acceptor`] do handshakes within a time; the second holds a configuration that can be replaced while
//! connections run. Both have a form that asks: `connect_with` and `accept_with` hand each question of the handshake (which
//! configuration, is this chain accepted, sign this) to an async function. [`Stream`] is one connection, which
//! `tokio::io::split` takes apart for two tasks.
//!
//! Every future can be dropped at any await: all that has begun lies in the stream, and the next call goes on with it.
//! Nothing is read from the socket while plaintext lies unread, and a write that is pending has taken nothing. Timers are
//! tokio's, so these futures need a runtime with its time enabled.

mod connect;
#[cfg(feature = "quic")]
pub mod quic;
mod stream;
mod waiting;

#[cfg(test)]
mod tests;

pub use crate::clock::HANDSHAKE_LIMIT;
pub use connect::{Acceptor, Connector};
#[cfg(feature = "quic")]
pub use quic::Endpoint;
pub use stream::Stream;
