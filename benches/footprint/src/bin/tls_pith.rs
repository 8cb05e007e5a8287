//! A TLS client by Pith.

use std::error::Error;
use std::io::{self, Write};
use std::net::TcpStream;

use pith_io::std::Stream;
use pith_tls::{ClientConfig, Trust};

fn main() -> Result<(), Box<dyn Error>> {
    let trust = Trust::roots_from_pem(&std::fs::read("roots.pem")?)?;
    let config = ClientConfig::new(trust).build()?;
    let tcp = TcpStream::connect("example.org:443")?;
    let mut tls = Stream::connect(config, "example.org", tcp)?;
    tls.write_all(b"GET / HTTP/1.0\r\nHost: example.org\r\n\r\n")?;
    io::copy(&mut tls, &mut io::stdout())?;
    Ok(())
}
