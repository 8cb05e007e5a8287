//! Runs that take long, one a name. Each prints what it found in a line, and fails where a bound is broken.
//!
//! ```sh
//! cargo run --release -p pith-long -- handshakes [COUNT]
//! cargo run --release -p pith-long -- year [DAYS]
//! ulimit -n 12000; cargo run --release -p pith-long -- crowd tls|quic [COUNT]
//! ```
//!
//! The heap that they tell of is that of the process with AWS-LC's memory (`tests/heap/count.c`, built by `cc`), so they run on Linux with glibc alone.

#![deny(unsafe_code)]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used
)]

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod commands;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod crowd;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod handshakes;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod join;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod year;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn main() -> std::process::ExitCode {
    commands::run()
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn main() -> std::process::ExitCode {
    eprintln!("the heap is counted on Linux with glibc alone");
    std::process::ExitCode::FAILURE
}
