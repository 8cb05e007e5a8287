//! What QUIC holds in heap: idle connections, an endpoint without any and one under attack, a long transfer over a lossy path.
#![cfg(all(target_os = "linux", target_env = "gnu"))]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs
)]

mod endpoint;
mod idle;
mod pair;
mod spoofed;
mod transfer;
