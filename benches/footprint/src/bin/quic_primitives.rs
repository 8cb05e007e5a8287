//! A client of UDP that calls the primitives of a QUIC client that shows no certificate.
#![allow(dead_code, reason = "libpith signs too")]

#[path = "../../../../ffi/baseline/src/primitives.rs"]
mod primitives;

use std::io::{self, Write};
use std::net::UdpSocket;

use primitives::{exchange, header_mask, symmetric, verify};

fn main() -> io::Result<()> {
    let udp = UdpSocket::bind("[::]:0")?;
    udp.connect("example.org:443")?;
    udp.send(b"GET /\r\n")?;
    let mut bytes = [0; 256];
    udp.recv(&mut bytes)?;
    let parts = [
        symmetric(&bytes),
        header_mask(&bytes),
        exchange(&bytes),
        verify(&bytes),
    ];
    writeln!(io::stdout(), "{}", parts.iter().flatten().count())
}
