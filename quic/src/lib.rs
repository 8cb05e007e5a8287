//! A QUIC transport (RFC 9000, RFC 9001, RFC 9002) on the handshake of [`pith_tls`], without I/O.
//!
//! [`Connection`] takes datagrams and gives datagrams, in the caller's buffers; time is an argument. [`Endpoint`] shares a socket among
//! connections, routes datagrams to them by connection id, and lets clients in.
//!
//! ```
//! use std::time::Duration;
//! use bytes::Bytes;
//! use pith_quic::{ClientConfig, Connection, ConnectionId, Route};
//! use pith_tls::{Now, ServerName, Trust};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pin = [7; 32]; // SHA-256 of the server's public key
//! let tls = pith_tls::ClientConfig::new(Trust::pinned_keys([pin])?).alpn(&[b"hq-interop"]).build()?;
//! let config = ClientConfig::new(tls).idle_timeout(Some(Duration::from_secs(10))).build()?;
//! let route = Route { local: None, remote: "192.0.2.1:443".parse()? };
//! let id = ConnectionId::new(&[1, 2, 3, 4, 5, 6, 7, 8]).ok_or("too long")?; // random, in a program
//! let now = Now { monotonic: Duration::ZERO, unix: Duration::from_secs(1_800_000_000) };
//! let name = ServerName::try_from("example.org")?.to_owned();
//! let mut client = Connection::client(&config, name, route, id, Bytes::new(), now)?;
//! let mut buffer = [0; 12_000];
//! let batch = client.transmit(now, &mut buffer).ok_or("nothing to send")?;
//! assert_eq!((batch.segment, batch.length), (1200, 2400), "a post-quantum hello takes two datagrams");
//! // Send each `segment` of `buffer[..length]` to `batch.route.remote`, hand what comes back to `receive`, call `on_deadline` when
//! // `deadline` has come, and `transmit` after each of them.
//! # Ok(())
//! # }
//! ```
//!
//! A client whose TLS configuration keeps sessions comes back with a ticket; where both sides turn early data (0-RTT) on there too, it may open streams
//! at once. Early data may be received more than once. It is told from the rest on both sides: [`Event::EarlyDataRejected`] takes a client's
//! streams away, for it to open others, and a server reads it before the handshake is complete by [`Connection::read_early`] alone.
//!
//! What a peer can make this crate do is bounded by the numbers
//! in [`limits`]; how a connection can end is in [`ConnectionError`].

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::wildcard_enum_match_arm
    )
)]

mod buffer;
mod config;
mod connection;
mod crypto_stream;
mod endpoint;
mod error;
pub mod limits;
pub mod observe;
mod path;
mod protect;
#[cfg(feature = "qlog")]
pub mod qlog;
mod random;
mod recovery;
mod streams;
mod token_store;
mod wire;

pub use config::{
    ClientConfig, ClientConfigBuilder, ConfigError, Congestion, ServerConfig, ServerConfigBuilder,
};
pub use connection::{Accepted, Connection, EndpointEvent, Event, MigrateError, Stats, Transmit};
pub use endpoint::{
    ConnectionKey, Endpoint, EndpointConfig, EndpointStats, Incoming, Retrying, Routed, Unread,
};
pub use error::{Code, ConnectionError, Fault, TransportError};
pub use path::{NewId, PreferredAddresses, Route};
pub use recovery::Ecn;
pub use streams::{DatagramError, Misuse, Read, ReadError, SendError, StreamEvent};
pub use token_store::TokenStore;
pub use wire::{ConnectionId, Dir, Labels, ResetToken, StreamId, TooLarge, VarInt, Version};
