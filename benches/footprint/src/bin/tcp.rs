//! A client of TCP alone: what Rust's own library takes.

use std::io::{self, Write};
use std::net::TcpStream;

fn main() -> io::Result<()> {
    let mut tcp = TcpStream::connect("example.org:80")?;
    tcp.write_all(b"GET / HTTP/1.0\r\nHost: example.org\r\n\r\n")?;
    io::copy(&mut tcp, &mut io::stdout())?;
    Ok(())
}
