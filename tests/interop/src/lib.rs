//! What the interop tests share: other libraries of TLS as child processes, and Pith joined to them.
//!
//! OpenSSL has commands of its own; BoringSSL, s2n-tls and Node are wrapped into programs by `peers/`. PITH_OPENSSL,
//! PITH_BORING, PITH_S2N and PITH_NODE name them, or they are where the scripts in `peers/` left them in the cache. Without one
//! the test says that it was skipped, and with CI=true that fails. Nothing here depends on how fast a machine is: a test waits for what a
//! process prints or a socket brings, and gives up after [`LIMIT`]. Processes end with their value.
//!
//! What each peer has no part in, because it has none itself: early data Node; imported keys (RFC 9258) OpenSSL, s2n-tls and Node;
//! compressed certificates s2n-tls, and for clients BoringSSL; raw public keys s2n-tls, Node and Chromium. `tests/psk.rs` shows it of the keys.
//!
//! Over QUIC they are quiche, s2n-quic, OpenSSL by a program of its own, which PITH_QUICHE, PITH_S2N_QUIC and PITH_OPENSSL_QUIC name, and quinn, whose program
//! is built with these tests; `tests/runner.rs` has the table of what each lacks.

#![forbid(unsafe_code)]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout
)]

mod peer;
mod process;
mod quic;
mod session;

use std::time::Duration;

pub use peer::{Conversation, EXPORTER, Library, Peer, hex};
pub use process::{OpenSsl, Process, folder, program};
pub use quic::{LOCALHOST, QuicLibrary, QuicPeer, Site};
pub use session::{Listener, Session, connect, connect_over, tls_error};

/// How long anything may take before a test fails.
pub const LIMIT: Duration = Duration::from_secs(60);
