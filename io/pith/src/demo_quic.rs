//! The part of `pith demo` over QUIC: the same two sides over UDP, and the same data each way on one stream.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use pith_io::std::quic::{Connection, Endpoint, RecvStream};
use pith_quic::Stats;
use pith_tls::Summary;

use crate::demo::{NAME, PROTOCOL, REQUEST, same};

/// What one side saw.
pub(crate) struct Side {
    pub(crate) summary: Arc<Summary>,
    pub(crate) handshake: Duration,
    /// What this side received.
    pub(crate) transfer: Duration,
    pub(crate) stats: Stats,
    exported: [u8; 32],
}

/// A connection over QUIC.
pub(crate) struct Crossing {
    pub(crate) address: SocketAddr,
    pub(crate) client: Side,
    pub(crate) server: Side,
}

impl Crossing {
    /// Whether both sides saw the same.
    pub(crate) fn agrees(&self) -> bool {
        let (ours, theirs) = (&self.client, &self.server);
        ours.exported == theirs.exported
            && ours.summary.suite == theirs.summary.suite
            && ours.summary.group == theirs.summary.group
            && ours.summary.signature_scheme == theirs.summary.signature_scheme
            && ours.summary.protocol.as_deref() == Some(PROTOCOL)
            && theirs.summary.protocol.as_deref() == Some(PROTOCOL)
    }
}

/// Connects a client here with a server in a thread of its own; `data` goes down and up.
pub(crate) fn cross(
    client: Arc<pith_tls::ClientConfig>,
    server: Arc<pith_tls::ServerConfig>,
    data: &Arc<[Vec<u8>; 2]>,
) -> io::Result<Crossing> {
    let client = pith_quic::ClientConfig::new(client)
        .build()
        .map_err(io::Error::other)?;
    let server = pith_quic::ServerConfig::new(server)
        .build()
        .map_err(io::Error::other)?;
    let listening = Endpoint::server("127.0.0.1:0", server)?;
    let address = listening.local_addr();
    let theirs = Arc::clone(data);
    let serving = thread::Builder::new().spawn(move || serve(&listening, &theirs))?;
    let client = visit(&client, address, data);
    // A client that failed is gone, and its server hears of that.
    let server = serving.join();
    Ok(Crossing {
        address,
        client: client?,
        server: server.map_err(|_| io::Error::other("the server's thread died"))??,
    })
}

fn visit(
    config: &pith_quic::ClientConfig,
    address: SocketAddr,
    [down, up]: &[Vec<u8>; 2],
) -> io::Result<Side> {
    let endpoint = Endpoint::client("127.0.0.1:0")?;
    let start = Instant::now();
    let connection = endpoint.connect(config, address, NAME)?;
    let mut seen = side(&connection, start.elapsed())?;
    let (mut send, mut receive) = connection.open_bi()?;
    send.write_all(REQUEST)?;
    seen.transfer = take(&mut receive, down)?;
    send.write_all(up)?;
    send.finish()?;
    // None of it is lost: this waits until all has arrived.
    if send.stopped()?.is_some() {
        return Err(io::Error::other("the server did not want the data"));
    }
    seen.stats = connection.stats();
    connection.close(0_u8.into(), b"");
    Ok(seen)
}

fn serve(endpoint: &Endpoint, [down, up]: &[Vec<u8>; 2]) -> io::Result<Side> {
    let incoming = endpoint.accept()?;
    let start = Instant::now();
    let connection = incoming.accept()?;
    let mut seen = side(&connection, start.elapsed())?;
    let (mut send, mut receive) = connection.accept_bi()?;
    let mut request = [0; REQUEST.len()];
    receive.read_exact(&mut request)?;
    same(&request, REQUEST)?;
    send.write_all(down)?;
    send.finish()?;
    seen.transfer = take(&mut receive, up)?;
    connection.closed();
    seen.stats = connection.stats();
    Ok(seen)
}

/// Takes all of a stream and compares it; the time runs from its first byte.
fn take(receive: &mut RecvStream, expected: &[u8]) -> io::Result<Duration> {
    let mut received = vec![0; 1];
    receive.read_exact(&mut received)?;
    let start = Instant::now();
    Read::read_to_end(receive, &mut received)?;
    let transfer = start.elapsed();
    same(&received, expected)?;
    Ok(transfer)
}

/// What a side knows when the handshake is over. The peer may close at any time after that.
fn side(connection: &Connection, handshake: Duration) -> io::Result<Side> {
    let mut exported = [0; 32];
    connection.export(b"EXPORTER-pith-demo", b"", &mut exported)?;
    let summary = connection.summary();
    Ok(Side {
        summary: summary.ok_or_else(|| io::Error::other("no result of the handshake"))?,
        handshake,
        transfer: Duration::ZERO,
        stats: connection.stats(),
        exported,
    })
}
