//! The test cases of the QUIC interop runner, Pith to Pith: each side is the command in a process of its own, and between them is a proxy that does what
//! the runner's network does. What is checked is what the runner checks, by what went by the proxy and by the traces that both sides keep.
//!
//! Files are smaller than the runner's and faults come faster, so that all of it takes less than a minute; no case depends on how fast it is.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::as_conversions,
    clippy::arithmetic_side_effects
)]

mod cases;
mod header;
mod paths;
mod play;
#[path = "../command/process.rs"]
#[allow(dead_code, reason = "what the tests of the command need beside")]
mod process;
