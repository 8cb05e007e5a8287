//! A QUIC transport (RFC 9000, RFC 9001, RFC 9002) on the handshake of [`pith_tls`], without I/O.
//!
//! [`Connection`] takes datagrams and gives datagrams, in the caller's buffers; time is an argument. There is no endpoint yet: whoever drives a server's
//! connections routes datagrams to them by their connection ids. What a peer can make this crate do is bounded by the numbers
//! in [`limits`]; how a connection can end is in [`ConnectionError`].

#![forbid(unsafe_code)]
// Until there is an endpoint with migration and tokens, some parts are used by their tests alone.
#![allow(dead_code, unused_imports)]
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
mod error;
pub mod limits;
mod path;
mod protect;
mod random;
mod recovery;
mod streams;
mod wire;

pub use config::{
    ClientConfig, ClientConfigBuilder, ConfigError, Congestion, ServerConfig, ServerConfigBuilder,
};
pub use connection::{Accepted, Connection, EndpointEvent, Event, Stats, Transmit};
pub use error::{Code, ConnectionError, Fault, TransportError};
pub use path::{NewId, Route};
pub use recovery::Ecn;
pub use streams::{DatagramError, Misuse, Read, ReadError, SendError, StreamEvent};
pub use wire::{ConnectionId, Dir, ResetToken, StreamId, TooLarge, VarInt};
