//! What a misbehaving QUIC peer can do, and what comes of it: tables of conditions, each with the exact code and frame type of the
//! CONNECTION_CLOSE frame that the peer then reads, or with a connection that lives on and still transfers a byte each way. The peer shares only the
//! primitives with the library (`pith_tests::rogue`).
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod bench;
mod crypto;
mod early;
mod endpoint;
mod frames;
mod handshake;
mod ids;
mod matrices;
mod packets;
mod parameters;
mod retry;
mod streams;
