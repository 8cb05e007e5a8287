//! What a connection holds under each flood, AWS-LC's memory and its own struct included, against the ceilings of `assurance/ceilings.tsv`. The peer acknowledges
//! nothing and reads nothing, and the application takes nothing that it is not asked for.
#![cfg(all(target_os = "linux", target_env = "gnu"))]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    missing_docs
)]

#[path = "../rogue/bench.rs"]
#[allow(dead_code)]
mod bench;
mod endpoint;
mod quic;
mod tls;
