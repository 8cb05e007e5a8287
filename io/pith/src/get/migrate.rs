//! A client that changes its port while files come.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use pith_io::tokio::quic::{Connection, Endpoint};
use tokio::task::JoinHandle;

use crate::failure::Failure;
use crate::say;

/// A move that waits for its time, or is over.
pub(crate) struct Moving(JoinHandle<Result<Option<SocketAddr>, Failure>>);

/// Moves once some of the data is there.
pub(crate) fn begin(endpoint: &Endpoint, connection: &Connection) -> Moving {
    let (endpoint, connection) = (endpoint.clone(), connection.clone());
    Moving(tokio::spawn(
        async move { midway(&endpoint, &connection).await },
    ))
}

impl Moving {
    /// Says what became of it, once the connection is over.
    pub(crate) async fn end(self, endpoint: &Endpoint) -> Result<(), Failure> {
        let moved = self.0.await;
        match moved.map_err(|_| Failure::connection("a move died"))?? {
            Some(before) => say(format_args!(
                "moved from port {} to port {}",
                before.port(),
                endpoint.local_addr().port()
            )),
            None => say(format_args!(
                "not moved: everything was there before {} KiB had come",
                MIDWAY >> 10
            )),
        }
        Ok(())
    }
}

/// Where the client was; `None` if the connection is over before it moves.
async fn midway(
    endpoint: &Endpoint,
    connection: &Connection,
) -> Result<Option<SocketAddr>, Failure> {
    let came = || connection.stats().bytes_received;
    let begun = came();
    while came().saturating_sub(begun) < MIDWAY {
        if connection.error().is_some() {
            return Ok(None);
        }
        tokio::time::sleep(PAUSE).await;
    }
    let before = endpoint.local_addr();
    let any: IpAddr = match before {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    UdpSocket::bind((any, 0))
        .and_then(|socket| endpoint.rebind(socket))
        .map_err(|error| Failure::connection(format!("no socket to move to: {error}")))?;
    Ok(Some(before))
}

/// Bytes after which the client moves: enough that data is under way, few enough that much is still to come.
const MIDWAY: u64 = 64 << 10;
const PAUSE: Duration = Duration::from_millis(1);
