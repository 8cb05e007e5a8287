//! A client of TCP that calls the primitives of a TLS client that shows no certificate.
#![allow(dead_code, reason = "libpith signs too")]

#[path = "../../../../ffi/baseline/src/primitives.rs"]
mod primitives;

use std::io::{self, Read, Write};
use std::net::TcpStream;

use primitives::{exchange, symmetric, verify};

fn main() -> io::Result<()> {
    let mut tcp = TcpStream::connect("example.org:80")?;
    tcp.write_all(b"GET / HTTP/1.0\r\nHost: example.org\r\n\r\n")?;
    let mut bytes = [0; 256];
    tcp.read_exact(&mut bytes)?;
    let parts = [symmetric(&bytes), exchange(&bytes), verify(&bytes)];
    writeln!(io::stdout(), "{}", parts.iter().flatten().count())
}
