//! Adapters that join Pith to sockets, each behind a feature.
//!
//! The core (`pith-tls` and below) takes bytes and times as arguments and never blocks. An adapter owns a socket, a clock and
//! two buffers, and turns the core into what its callers know: here [`std::Stream`], which is `Read` and
//! `Write`. An adapter adds no protocol of its own, so all of them share one conformance suite: a socket that stalls, splits and
//! fills at every byte.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::as_conversions))]

#[cfg(feature = "std")]
mod buffer;
#[cfg(feature = "std")]
mod clock;
#[cfg(feature = "std")]
mod error;
#[cfg(feature = "std")]
pub mod std;
#[cfg(feature = "tracing")]
pub mod tracing;

/// The examples of the project's README, compiled.
#[cfg(all(doctest, feature = "std"))]
#[doc = include_str!("../../README.md")]
mod readme {}
