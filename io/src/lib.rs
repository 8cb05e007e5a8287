//! Adapters that join Pith to sockets, each behind a feature.
//!
//! The core (`pith-tls` and below) takes bytes and times as arguments and never blocks. An adapter owns a socket, a clock and
//! two buffers, and turns the core into what its callers know: `std::Stream` is `Read` and
//! `Write`, `tokio::Stream` is `AsyncRead` and `AsyncWrite`; with the feature `quic`, `std::quic` and `tokio::quic` have endpoints on UDP sockets; with `h3`,
//! `h3` has their connections run HTTP/3.
//! An adapter adds no protocol of its own, so all of them share one conformance suite: a socket that stalls, splits and
//! fills at every byte.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::as_conversions))]

#[cfg(any(feature = "std", feature = "tokio"))]
mod buffer;
#[cfg(any(feature = "std", feature = "tokio"))]
mod clock;
#[cfg(test)]
#[cfg(any(feature = "std", feature = "tokio"))]
mod conformance;
#[cfg(any(feature = "std", feature = "tokio"))]
mod error;
#[cfg(all(feature = "h3", any(feature = "std", feature = "tokio")))]
pub mod h3;
#[cfg(feature = "qlog")]
pub mod qlog;
#[cfg(all(feature = "quic", any(feature = "std", feature = "tokio")))]
pub mod quic;
#[cfg(feature = "std")]
pub mod std;
#[cfg(feature = "tokio")]
pub mod tokio;
#[cfg(feature = "tracing")]
pub mod tracing;
#[cfg(all(feature = "quic", any(feature = "std", feature = "tokio")))]
mod udp;

/// The examples of the project's README, compiled: it has one of each adapter.
#[cfg(all(doctest, feature = "std", feature = "tokio", feature = "quic"))]
#[doc = include_str!("../../README.md")]
mod readme {}
