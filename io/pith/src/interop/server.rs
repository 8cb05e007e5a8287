//! The server of a test case.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use pith_io::tokio::quic::Endpoint;
use pith_quic::{Retrying, ServerConfig, Version};
use pith_tls::ServerConfig as TlsConfig;

use super::case::Case;
use super::{COMPRESSION, LEAST, NEAR, PATIENCE, suit, terms};
use crate::cli::{IdentityOptions, InteropServerOptions};
use crate::failure::{self, Failure};
use crate::{files, input, keys, server};

pub(super) fn run(options: &InteropServerOptions, case: Case) -> Result<(), Failure> {
    let root = files::directory(&options.www, "--www")?;
    let preferred = preferred(options, case)?;
    let config = config(options, case, &preferred)?;
    files::runtime()?.block_on(async {
        let endpoint = listen(options, &preferred, &config)?;
        if case == Case::Retry {
            endpoint.set_retrying(Retrying::Always);
        }
        server::listening(endpoint.local_addr(), false)?;
        files::serve(&endpoint, files::Service::of_files(root)).await;
        Ok(())
    })
}

fn config(
    options: &InteropServerOptions,
    case: Case,
    preferred: &[SocketAddr],
) -> Result<ServerConfig, Failure> {
    let certs = &options.common.certs;
    let identity = IdentityOptions {
        cert: vec![certs.join("cert.pem")],
        key: vec![certs.join("priv.key")],
        ..IdentityOptions::default()
    };
    let mut tls = TlsConfig::without_certificate().certificate_compression(COMPRESSION);
    for credential in keys::credentials(&identity)? {
        tls = tls.credential(credential);
    }
    if case == Case::ZeroRtt {
        tls = tls.early_data(EARLY_BYTES, input::own_register());
    }
    let protocols = [files::hq::PROTOCOL, files::h3::PROTOCOL];
    let tls = input::build!(tls, terms(&options.common, case, &protocols)?)?;
    let versions: &[Version] = match case {
        Case::V2 => &[Version::V2, Version::V1],
        _ => &[Version::V1],
    };
    let mut config = suit!(ServerConfig::new(tls).versions(versions), case);
    let v4 = preferred.iter().find_map(|address| match address {
        SocketAddr::V4(v4) => Some(*v4),
        SocketAddr::V6(_) => None,
    });
    let v6 = preferred.iter().find_map(|address| match address {
        SocketAddr::V6(v6) => Some(*v6),
        SocketAddr::V4(_) => None,
    });
    config = config.preferred_address(v4, v6);
    if let Some(folder) = options.common.qlog() {
        config = config.observers(input::traces(folder)?);
    }
    config.build().map_err(|error| {
        Failure::input(format!("a server cannot be configured like that: {error}"))
    })
}

/// On the address of --listen, without one on port 443 of all addresses, those of IPv6 if this machine has any; and where clients are to go.
fn listen(
    options: &InteropServerOptions,
    preferred: &[SocketAddr],
    config: &ServerConfig,
) -> Result<Endpoint, Failure> {
    let open = |first: SocketAddr| {
        let all = [&[first], preferred].concat();
        Endpoint::server_at(&all, config.clone(), 1)
    };
    let opened = match &options.listen {
        Some(address) => open(resolve(address)?),
        None => open((Ipv6Addr::UNSPECIFIED, PORT).into())
            .or_else(|_| open((Ipv4Addr::UNSPECIFIED, PORT).into())),
    };
    opened.map_err(|error| {
        let address = options.listen.as_deref().unwrap_or("port 443");
        failure::cannot_listen(address, &error)
    })
}

/// Where clients are to go, in the case that is about that. The runner's names of the server are known to the server too.
fn preferred(options: &InteropServerOptions, case: Case) -> Result<Vec<SocketAddr>, Failure> {
    match (case, options.preferred.as_slice(), &options.listen) {
        (Case::Migration, [], None) => Ok(OTHERS
            .into_iter()
            .filter_map(|address| resolve(address).ok())
            .collect()),
        (Case::Migration, given, _) => given.iter().map(|address| resolve(address)).collect(),
        _ => Ok(Vec::new()),
    }
}

fn resolve(address: &str) -> Result<SocketAddr, Failure> {
    let none = || io::ErrorKind::AddrNotAvailable.into();
    address
        .to_socket_addrs()
        .and_then(|mut found| found.next().ok_or_else(none))
        .map_err(|error| failure::cannot_listen(address, &error))
}

const PORT: u16 = 443;
/// The runner's server by its names, at a port that nothing else has.
const OTHERS: [&str; 2] = ["server4:4443", "server6:4443"];
/// What a client may send before its handshake is complete: the windows of streams hold in its place.
const EARLY_BYTES: u32 = 1 << 20;
