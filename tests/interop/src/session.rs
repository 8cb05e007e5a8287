//! Pith at one end of a socket and OpenSSL at the other.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use pith_io::std::{Socket, Stream};
use pith_tests::pair::NAME;
use pith_tests::pki::Identity;
use pith_tls::{ClientConfigBuilder, Error, ServerConfigBuilder};

use crate::{LIMIT, OpenSsl, Process};

/// A connection that is open, and the process at its other end.
pub struct Session<S = TcpStream> {
    /// Pith's end.
    pub pith: Stream<S>,
    /// OpenSSL's end.
    pub peer: Process,
}

impl Session {
    /// Pith is the client of an `s_server`.
    ///
    /// # Panics
    /// If the handshake fails.
    pub fn with_server(
        openssl: &OpenSsl,
        config: ClientConfigBuilder,
        identity: &Identity,
        args: &[&str],
    ) -> Self {
        let peer = openssl.server(identity, args);
        Self::new(connect(peer.port(), config), peer, args)
    }

    /// Pith is the server of an `s_client`.
    ///
    /// # Panics
    /// If the handshake fails.
    pub fn with_client(
        openssl: &OpenSsl,
        config: ServerConfigBuilder,
        root_pem: &str,
        args: &[&str],
    ) -> Self {
        let listener = Listener::new();
        let peer = openssl.client(listener.port(), root_pem, args);
        Self::new(listener.accept(config), peer, args)
    }

    fn new(pith: io::Result<Stream>, peer: Process, args: &[&str]) -> Self {
        match pith {
            Ok(pith) => Self { pith, peer },
            Err(error) => panic!("{args:?}: {error}\n{}", peer.printed()),
        }
    }
}

impl<S: Socket> Session<S> {
    /// A line each way; `count` is how many times that was done before.
    ///
    /// # Panics
    /// If one does not arrive.
    pub fn exchange(&mut self, count: usize) {
        self.pith.write_all(b"from Pith\n").unwrap();
        self.pith.flush().unwrap();
        self.peer.wait_for("from Pith\n", count + 1);
        self.peer.type_in("from OpenSSL\n");
        let mut line = [0; 13];
        self.pith.read_exact(&mut line).unwrap();
        assert_eq!(&line, b"from OpenSSL\n");
    }

    /// Pith closes, and so does OpenSSL then. Returns what OpenSSL printed.
    ///
    /// # Panics
    /// If OpenSSL does not close in return.
    pub fn close(mut self) -> String {
        self.pith.close().unwrap();
        assert_eq!(self.pith.read(&mut [0; 1]).unwrap(), 0, "close_notify");
        drop(self.pith); // an `s_server` waits half a second for the end of the connection
        self.peer.finish()
    }
}

/// Connects to the server at this port of this machine, and does the handshake.
///
/// # Errors
/// As `Stream::connect`.
pub fn connect(port: u16, config: ClientConfigBuilder) -> io::Result<Stream> {
    connect_over(
        config,
        bounded(TcpStream::connect((Ipv4Addr::LOCALHOST, port))?)?,
    )
}

/// Does a client's handshake over this socket.
///
/// # Errors
/// As `Stream::connect`.
pub fn connect_over<S: Socket>(config: ClientConfigBuilder, socket: S) -> io::Result<Stream<S>> {
    let config = config.build().unwrap();
    Stream::connect_by(config, NAME, socket, Instant::now() + LIMIT)
}

/// A port of this machine, for one connection.
pub struct Listener(TcpListener);

impl Listener {
    /// Listens.
    ///
    /// # Panics
    /// If no port is free.
    pub fn new() -> Self {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        tcp.set_nonblocking(true).unwrap();
        Self(tcp)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// Waits for a client.
    ///
    /// # Panics
    /// If none comes.
    pub fn accept_tcp(&self) -> TcpStream {
        let start = Instant::now();
        loop {
            match self.0.accept() {
                Ok((tcp, _)) => {
                    tcp.set_nonblocking(false).unwrap();
                    return bounded(tcp).unwrap();
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            assert!(start.elapsed() < LIMIT, "no client came");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits for a client, and does the handshake.
    ///
    /// # Errors
    /// As `Stream::accept`.
    pub fn accept(&self, config: ServerConfigBuilder) -> io::Result<Stream> {
        let config = config.build().unwrap();
        Stream::accept_by(config, self.accept_tcp(), Instant::now() + LIMIT)
    }
}

impl Default for Listener {
    fn default() -> Self {
        Self::new()
    }
}

/// The error of TLS inside one of a stream.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn tls_error(error: io::Error) -> Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(error) => Error::clone(error),
        None => panic!("not an error of TLS: {error}"),
    }
}

fn bounded(tcp: TcpStream) -> io::Result<TcpStream> {
    tcp.set_read_timeout(Some(LIMIT))?;
    tcp.set_write_timeout(Some(LIMIT))?;
    Ok(tcp)
}
