//! A connection to a server, and what there is to say of it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use pith_io::tokio::quic::{Connection, Endpoint, Error};
use pith_quic::{ClientConfig, Version};
use pith_tls::EarlyData;

use crate::failure::{self, Failure};
use crate::{negotiated, say};

/// The first address of the server at which a handshake works.
pub(crate) async fn connect(
    config: &ClientConfig,
    server: &str,
    (host, port): (&str, u16),
    name: &str,
) -> Result<(Endpoint, Connection), Failure> {
    let unknown = |error: &io::Error| {
        Failure::connection(format!(
            "{host} has no address ({error}): correct the name, or look at this machine's resolver"
        ))
    };
    let addresses: Vec<SocketAddr> = (host, port)
        .to_socket_addrs()
        .map_err(|error| unknown(&error))?
        .collect();
    let mut last = unknown(&io::ErrorKind::NotFound.into());
    for address in addresses {
        let any = match address.ip() {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let endpoint = match Endpoint::client((any, 0)) {
            Ok(endpoint) => endpoint,
            Err(error) => {
                last = Failure::connection(format!("no UDP socket for {address}: {error}"));
                continue;
            }
        };
        match endpoint.connect(config, address, name).await {
            Ok(connection) => return Ok((endpoint, connection)),
            Err(error @ (Error::NoAnswer(_) | Error::Address(..) | Error::Socket(_))) => {
                last = failure::quic(server, name, &error);
            }
            Err(error) => return Err(failure::quic(server, name, &error)),
        }
    }
    Err(last)
}

/// Says what was negotiated, on standard error.
pub(crate) fn show(
    connection: &Connection,
    server: &str,
    handshake: Duration,
    early: Option<EarlyData>,
) {
    let Some(summary) = connection.summary() else {
        return;
    };
    let transport = match connection.version() {
        Version::V2 => "QUIC v2",
        _ => "QUIC v1",
    };
    let rows = [("transport", transport.to_owned())].into_iter();
    let rows = rows.chain(negotiated::rows(&summary));
    let identity = negotiated::peer_rows(&summary, "server");
    let identity = identity
        .iter()
        .map(|(name, value)| (name.as_str(), value.clone()));
    let early = early.map(|early| ("early data", became(early).to_owned()));
    let rows = rows.chain(identity).chain(early);
    let rows = rows.chain([("handshake", negotiated::time(handshake))]);
    say(format_args!(
        "connected to {server}\n{}",
        negotiated::table(rows).trim_end()
    ));
}

/// What became of the requests that were to be early.
fn became(early: EarlyData) -> &'static str {
    match early {
        EarlyData::Accepted => "accepted",
        EarlyData::Rejected => "rejected, so the requests were sent again after the handshake",
        EarlyData::NotOffered | EarlyData::Offered => {
            "not offered: the server gave no ticket for it"
        }
    }
}
