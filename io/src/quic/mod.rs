//! QUIC connections, streams and clients that ask, as handles that every adapter shares.
//!
//! Nothing here needs a runtime: functions that wait are futures that any executor can poll, and all of them can be dropped at any await. What
//! needs one, sockets and timers, is in the adapter that an endpoint comes from.
//!
//! Handles act on a connection under its own lock. What is to be sent goes out by the adapter's driver, which takes turns of bounded work and gives
//! each connection its part of it. Handles that are dropped lose nothing: see [`Connection`] and [`SendStream`].

mod connection;
mod driver;
mod endpoint;
mod error;
mod hub;
mod incoming;
mod link;
#[cfg(feature = "h3")]
mod polling;
mod recv;
mod send;
mod sockets;
#[cfg(test)]
mod tests;
mod waiting;

pub use connection::Connection;
pub(crate) use driver::{Datagrams, Driver, Turn};
pub(crate) use endpoint::Endpoint;
pub use error::Error;
pub(crate) use hub::endpoint;
pub use incoming::Incoming;
#[cfg(feature = "h3")]
pub(crate) use polling::Polling;
pub use recv::RecvStream;
pub use send::SendStream;
pub(crate) use sockets::Sockets;
