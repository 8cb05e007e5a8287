//! Blocking QUIC over a UDP socket.
//!
//! An [`Endpoint`] is a socket with a thread of its own that receives, sends and keeps the time, for any number of connections. What the handles
//! do they do in the thread that calls, and where they have to wait they wait: without bound, or as long as `set_timeout` of that handle says. A
//! call that has timed out can be repeated, and nothing is lost. All handles can be sent to other threads; clones of an [`Endpoint`] or a
//! [`Connection`] are the same one. A [`SendStream`] is [`Write`](std::io::Write), and a [`RecvStream`] is [`Read`](std::io::Read).
//!
//! Early data (0-RTT) is asked for by name: [`Endpoint::connect_early`] and [`Incoming::accept_early`]. Elsewhere a connection is there when its
//! handshake is complete, and nothing that is read is somebody's copy.
//!
//! A connection's window of what is unread is shared by its streams: read them side by side, in threads. Who reads one to its end while others fill
//! the window may wait until it times out.
//!
//! Handles that are dropped lose nothing: a [`SendStream`] is finished then, and a connection stays until everything has arrived. The last handle of
//! an endpoint, be it the endpoint's, a connection's or a stream's, waits for that when it is dropped, so that a program may end
//! behind it: for 30 seconds after the peer has taken something, ten minutes at the longest. [`Connection::close`] and
//! [`Endpoint::shutdown`] end it earlier.
//!
//! ```no_run
//! use std::io::Write;
//! use pith_io::std::quic::Endpoint;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pin = [7; 32]; // SHA-256 of the server's public key
//! let tls = pith_tls::ClientConfig::new(pith_tls::Trust::pinned_keys([pin])?).alpn(&[b"hq-interop"]).build()?;
//! let config = pith_quic::ClientConfig::new(tls).build()?;
//! let endpoint = Endpoint::client("[::]:0")?;
//! let connection = endpoint.connect(&config, "192.0.2.1:443".parse()?, "example.org")?;
//! let (mut send, mut receive) = connection.open_bi()?;
//! send.write_all(b"GET /\r\n")?;
//! send.finish()?;
//! let page = receive.read_to_end(1 << 20)?;
//! # Ok(())
//! # }
//! ```

mod block;
mod connection;
mod endpoint;
mod incoming;
mod stream;
#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods
)]
mod tests;
mod thread;

use std::time::Duration;

pub use crate::quic::Error;
pub use connection::Connection;
pub use endpoint::Endpoint;
pub use incoming::Incoming;
pub use stream::{RecvStream, SendStream};

/// What `future` gives, or that it has not within `limit`.
fn wait<T, E: From<Error>>(
    thread: &thread::Thread,
    future: impl Future<Output = Result<T, E>>,
    limit: Option<Duration>,
) -> Result<T, E> {
    let timed_out = || Err(Error::TimedOut(limit.unwrap_or_default()).into());
    block::block_on(thread, future, limit).unwrap_or_else(timed_out)
}
