//! What the interop tests share: OpenSSL's `s_server` and `s_client` as child processes, and Pith joined to them.
//!
//! The command is named by PITH_OPENSSL, or is the one that `peers/openssl/build.sh` left in the cache. Without it each test
//! says that it was skipped, and with CI=true that fails. Nothing here depends on how fast a machine is: a test waits for what a
//! process prints or a socket brings, and gives up after [`LIMIT`]. Processes end with their value.

#![forbid(unsafe_code)]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout
)]

mod process;
mod session;

use std::time::Duration;

pub use process::{OpenSsl, Process};
pub use session::{Listener, Session, connect, connect_over, tls_error};

/// How long anything may take before a test fails.
pub const LIMIT: Duration = Duration::from_secs(60);
