//! Pith's QUIC in blocking programs, for what a request takes. The same commands as of programs on tokio, as far as that needs them.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use bytes::Bytes;
use pith_bench_program::{Failure, Files, NAME, serve};
use pith_benches::quic::{client, server};
use pith_io::std::quic::{Connection, Endpoint, Error};

pub(crate) fn run(files: &Files, role: &str) -> Result<(), Failure> {
    if role == "server" {
        return Ok(serve(|words| match words {
            ["start"] => start(files),
            _ => Ok("ok 0 0".to_owned()),
        })?);
    }
    let mut connection = None;
    Ok(serve(|words| match (words, &connection) {
        (["connect", port], _) => {
            connection = Some(connect(files, port.parse()?)?);
            Ok("ok 0 0".to_owned())
        }
        (["requests", count], Some((_, connection))) => requests(connection, count.parse()?),
        _ => Err("no such command".into()),
    })?)
}

fn start(files: &Files) -> Result<String, Failure> {
    let endpoint = Endpoint::server((Ipv4Addr::LOCALHOST, 0), server(files)?)?;
    let port = endpoint.local_addr().port();
    std::thread::spawn(move || {
        while let Ok(incoming) = endpoint.accept() {
            let serving = || answer(&incoming.accept()?);
            // A client that is gone ends its connection alone.
            drop(serving());
        }
    });
    Ok(format!("ok {port} 0"))
}

/// A byte for each stream.
fn answer(connection: &Connection) -> Result<(), Error> {
    loop {
        let (mut send, mut recv) = connection.accept_bi()?;
        recv.read_to_end(8)?;
        send.write_bytes(&mut Bytes::from_static(&[7]))?;
        send.finish()?;
    }
}

fn connect(files: &Files, port: u16) -> Result<(Endpoint, Connection), Failure> {
    let endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0))?;
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let connection = endpoint.connect(&client(files)?, server, NAME)?;
    Ok((endpoint, connection))
}

fn requests(connection: &Connection, count: usize) -> Result<String, Failure> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let start = Instant::now();
        let (mut send, mut recv) = connection.open_bi()?;
        send.write_bytes(&mut Bytes::from_static(&[0, 0, 0, 0, 0, 0, 0, 1]))?;
        send.finish()?;
        if recv.read_to_end(8)?.len() != 1 {
            return Err("no answer".into());
        }
        times.push(start.elapsed().as_nanos());
    }
    times.sort_unstable();
    Ok(format!(
        "ok {} {}",
        times[count / 2],
        times[count * 99 / 100]
    ))
}
