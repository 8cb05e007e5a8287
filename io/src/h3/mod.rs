//! QUIC connections as what the crates [`h3`] and [`h3_datagram`] run on, for HTTP/3 (RFC 9114) and its datagrams (RFC 9297).
//!
//! ```no_run
//! use pith_io::tokio::quic::Endpoint;
//!
//! # async fn get(endpoint: Endpoint, config: pith_quic::ClientConfig) -> Result<(), Box<dyn std::error::Error>> {
//! // `config` offers the protocol `h3`.
//! let connection = endpoint.connect(&config, "192.0.2.1:443".parse()?, "example.org").await?;
//! let (mut driver, mut requests) = h3::client::new(pith_io::h3::Connection::new(connection)).await?;
//! let driving = tokio::spawn(async move { driver.wait_idle().await });
//! let mut stream = requests.send_request(http::Request::get("https://example.org/").body(())?).await?;
//! stream.finish().await?;
//! println!("{}", stream.recv_response().await?.status());
//! # let _ = driving;
//! # Ok(())
//! # }
//! ```
//!
//! A stream of a request that is dropped before it is finished is reset with `H3_REQUEST_CANCELLED`, so that half a message is never taken for a
//! whole one; what was not read is stopped, by the same code at a client, and at a server by `H3_NO_ERROR`. Nothing is read as early data that a server's
//! application has to know of: what came so is read when the handshake is complete. A client may begin on a connection of early data; if that is rejected,
//! everything here ends with [`Error::EarlyDataRejected`](crate::quic::Error::EarlyDataRejected) but the connection, for a new [`Connection`] on it.

mod connection;
mod datagram;
mod error;
mod stream;
#[cfg(test)]
#[cfg(feature = "tokio")]
mod tests;

pub use connection::{Connection, OpenStreams};
pub use datagram::{ReceiveDatagrams, SendDatagrams};
pub use stream::{BidiStream, RecvStream, SendStream};
