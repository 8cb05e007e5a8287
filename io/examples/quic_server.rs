//! A QUIC server that echoes each stream.
//!
//! ```sh
//! cargo run -p pith-io --features tokio,quic --example quic_server -- 127.0.0.1:4433 chain.pem key.pem
//! ```
#![allow(clippy::print_stderr)]

use std::error::Error;

use pith_io::tokio::quic::{Endpoint, Incoming};
use pith_quic::ServerConfig;
use pith_tls::Credential;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, chain, key] = arguments.as_slice() else {
        return Err("usage: quic_server ADDRESS CHAIN.pem KEY.pem".into());
    };
    let credential = Credential::from_pem(&std::fs::read(chain)?, &std::fs::read(key)?)?;
    let tls = pith_tls::ServerConfig::new(credential).alpn(&[b"echo"]);
    let config = ServerConfig::new(tls.build()?).build()?;
    let endpoint = Endpoint::server(address, config)?; // set_server_config() takes a renewed certificate
    serve(endpoint).await;
    Ok(())
}

/// Serves each client in a task of its own: one that is bad never stops it.
pub async fn serve(endpoint: Endpoint) {
    while let Some(incoming) = endpoint.accept().await {
        tokio::spawn(async move {
            let client = incoming.remote();
            match connection(incoming).await {
                Err(error) if error.closed_by_peer() != Some(0) => eprintln!("{client}: {error}"),
                Ok(()) | Err(_) => {}
            }
        });
    }
}

/// And each stream in one, so that none waits for another to be read.
async fn connection(incoming: Incoming) -> Result<(), pith_io::tokio::quic::Error> {
    let connection = incoming.await?;
    loop {
        let (mut send, mut recv) = connection.accept_bi().await?;
        tokio::spawn(async move { tokio::io::copy(&mut recv, &mut send).await });
    }
}
