//! Parts of a QUIC transport (RFC 9000, RFC 9001), without I/O. There is no connection yet.
//!
//! Bytes of packets go in and out in the caller's buffers; time is an argument. What a peer can make this crate do is bounded by the numbers
//! in [`limits`]; how a connection can end is in [`ConnectionError`].

#![forbid(unsafe_code)]
// Until the connection that uses them stands, the parts are used by their tests alone.
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
mod error;
pub mod limits;
mod protect;
mod recovery;
mod streams;
mod wire;

pub use error::{Code, ConnectionError, Fault, TransportError};
