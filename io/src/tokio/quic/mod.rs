//! QUIC for tokio: an [`Endpoint`] on a UDP socket, its connections and their streams.
//!
//! ```no_run
//! use pith_io::tokio::quic::Endpoint;
//! use pith_tls::{ClientConfig, Trust};
//!
//! # async fn fetch(server: std::net::SocketAddr) -> Result<(), Box<dyn std::error::Error>> {
//! let tls = ClientConfig::new(Trust::roots_from_pem(&std::fs::read("root.pem")?)?).alpn(&[b"echo"]).build()?;
//! let config = pith_quic::ClientConfig::new(tls).build()?;
//! let endpoint = Endpoint::client("[::]:0")?;
//! let connection = endpoint.connect(&config, server, "example.org").await?;
//! let (mut send, mut recv) = connection.open_bi().await?;
//! send.write_all(b"hello").await?;
//! send.finish()?;
//! println!("{:?}", recv.read_to_end(64 * 1024).await?);
//! drop((connection, send, recv));
//! endpoint.shutdown(std::time::Duration::from_secs(5)).await;
//! # Ok(())
//! # }
//! ```
//!
//! A server takes clients by [`Endpoint::accept`], as the example `quic_server` shows. Every future can be dropped at any await; where
//! that means more than to stop waiting, its documentation says so. Nothing is lost because a handle is dropped: what was written is
//! sent, and [`Endpoint::shutdown`] waits for it. A task of the runtime drives each endpoint, so the runtime has to live as long.
//!
//! Early data (0-RTT) is asked for by name: [`Endpoint::connect_early`], [`Incoming::accept_early`] and [`RecvStream::allow_early`]. Elsewhere a connection is there when its
//! handshake is complete, and nothing that is read is somebody's copy.
//!
//! A connection's window of what is unread is shared by its streams: read them side by side. Who reads one to its end while others fill the
//! window may wait forever.
//!
//! Streams are [`AsyncRead`](::tokio::io::AsyncRead) and [`AsyncWrite`](::tokio::io::AsyncWrite) too. `shutdown` of the latter finishes
//! a stream; nothing has to be flushed.

mod endpoint;
mod stream;
#[cfg(test)]
mod tests;

pub use crate::quic::{Connection, Error, Incoming, RecvStream, SendStream};
pub use endpoint::Endpoint;
