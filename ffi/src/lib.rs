//! libpith: the C interface of Pith.
//!
//! C programs read `include/pith.h`, which cbindgen makes from this crate; what a C programmer has to know stands in the comments
//! here. Rust programs use `pith-tls` instead.
//!
//! Every exported function checks its arguments in `arguments`, runs inside `panic`, and returns a status of `error`. An
//! object that a function can leave half changed is a `handle`: it is poisoned when something panicked inside, and holds the text of its
//! last error. `unsafe` stands only where a pointer of the caller becomes a slice, a string or a callback, and rests on what the header says that
//! the caller owes.

#![allow(non_camel_case_types, reason = "the names are those that C sees")]
#![deny(
    clippy::undocumented_unsafe_blocks,
    clippy::multiple_unsafe_ops_per_block
)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::multiple_unsafe_ops_per_block
    )
)]

#[cfg(pith_test)]
compile_error!("libpith is never built with the hooks of tests");

mod arguments;
pub mod config;
pub mod engine;
pub mod error;
#[cfg(unix)]
pub mod fd;
mod handle;
pub mod info;
pub mod kem;
pub mod packet;
mod panic;
pub mod question;
pub mod quic;
pub mod time;
pub mod tls;
