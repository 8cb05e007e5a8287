//! Says a line to a QUIC server, and prints what it answers.
//!
//! ```sh
//! cargo run -p pith-io --features tokio,quic --example quic_client -- 127.0.0.1:4433 localhost root.pem hello
//! ```
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use pith_io::tokio::quic::{Connection, Endpoint};
use pith_quic::ClientConfig;
use pith_tls::Trust;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, name, roots, line] = arguments.as_slice() else {
        return Err("usage: quic_client ADDRESS NAME ROOTS.pem LINE".into());
    };
    let tls = pith_tls::ClientConfig::new(Trust::roots_from_pem(&std::fs::read(roots)?)?);
    let config = ClientConfig::new(tls.alpn(&[b"echo"]).build()?).build()?;
    let answer = say(&config, address.parse()?, name, line.as_bytes()).await?;
    println!("{}", answer.escape_ascii());
    Ok(())
}

/// What the server answers.
pub async fn say(
    config: &ClientConfig,
    server: SocketAddr,
    name: &str,
    line: &[u8],
) -> Result<Vec<u8>, Box<dyn Error>> {
    let endpoint = Endpoint::client("0.0.0.0:0")?;
    let connection = endpoint.connect(config, server, name).await?;
    let answer = ask(connection, line).await?;
    // A runtime that ends takes what is unsent along, such as the word that the connection is closed.
    endpoint.shutdown(Duration::from_secs(3)).await;
    Ok(answer)
}

async fn ask(connection: Connection, line: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let (mut send, mut recv) = connection.open_bi().await?;
    send.write_all(line).await?;
    send.finish()?;
    Ok(recv.read_to_end(64 * 1024).await?)
}
