//! The server of a test case.

use std::net::{Ipv4Addr, Ipv6Addr};

use pith_io::tokio::quic::Endpoint;
use pith_quic::{Retrying, ServerConfig, Version};
use pith_tls::ServerConfig as TlsConfig;

use super::case::Case;
use super::{COMPRESSION, NEAR, PATIENCE, suit, terms};
use crate::cli::{IdentityOptions, InteropServerOptions};
use crate::failure::{self, Failure};
use crate::{files, input, keys, server};

pub(super) fn run(options: &InteropServerOptions, case: Case) -> Result<(), Failure> {
    let root = files::directory(&options.www, "--www")?;
    let config = config(options, case)?;
    files::runtime()?.block_on(async {
        let endpoint = listen(options, &config)?;
        if case == Case::Retry {
            endpoint.set_retrying(Retrying::Always);
        }
        server::listening(endpoint.local_addr(), false)?;
        files::serve(&endpoint, files::Service::of_files(root)).await;
        Ok(())
    })
}

fn config(options: &InteropServerOptions, case: Case) -> Result<ServerConfig, Failure> {
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
    if let Some(folder) = options.common.qlog() {
        config = config.observers(input::traces(folder)?);
    }
    config.build().map_err(|error| {
        Failure::input(format!("a server cannot be configured like that: {error}"))
    })
}

/// On the address of --listen; without one on port 443 of all addresses, those of IPv6 if this machine has any.
fn listen(options: &InteropServerOptions, config: &ServerConfig) -> Result<Endpoint, Failure> {
    let opened = match &options.listen {
        Some(address) => Endpoint::server(address, config.clone()),
        None => Endpoint::server((Ipv6Addr::UNSPECIFIED, PORT), config.clone())
            .or_else(|_| Endpoint::server((Ipv4Addr::UNSPECIFIED, PORT), config.clone())),
    };
    opened.map_err(|error| {
        let address = options.listen.as_deref().unwrap_or("port 443");
        failure::cannot_listen(address, &error)
    })
}

const PORT: u16 = 443;
/// What a client may send before its handshake is complete: the windows of streams hold in its place.
const EARLY_BYTES: u32 = 1 << 20;
