//! A QUIC client by Pith.

use std::error::Error;
use std::io::{self, Write};

use pith_io::std::quic::Endpoint;
use pith_quic::ClientConfig;
use pith_tls::Trust;

fn main() -> Result<(), Box<dyn Error>> {
    let trust = Trust::roots_from_pem(&std::fs::read("roots.pem")?)?;
    let tls = pith_tls::ClientConfig::new(trust).alpn(&[b"hq-interop"]);
    let config = ClientConfig::new(tls.build()?).build()?;
    let endpoint = Endpoint::client("[::]:0")?;
    let connection = endpoint.connect(&config, "[2001:db8::1]:443".parse()?, "example.org")?;
    let (mut send, mut receive) = connection.open_bi()?;
    send.write_all(b"GET /\r\n")?;
    send.finish()?;
    io::copy(&mut receive, &mut io::stdout())?;
    Ok(())
}
