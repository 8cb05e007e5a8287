//! `pith client`: standard input to the server, the server to standard output.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use pith_io::std::{Reader, Stream, Writer};
use pith_tls::ClientConfig;

use crate::cli::ClientOptions;
use crate::failure::{self, Failure};
use crate::{input, negotiated, say};

pub(crate) fn run(options: &ClientOptions) -> Result<(), Failure> {
    let server = options.server.as_str();
    let host = input::host(server)?;
    let name = options.sni.as_deref().unwrap_or(host);
    let config = ClientConfig::new(input::trust(options)?)
        .build()
        .map_err(|error| Failure::input(error.to_string()))?;
    let tcp = input::dial(server)?;
    let tcp_failed = |error| failure::tcp(server, &error);
    tcp.set_nodelay(true).map_err(tcp_failed)?;
    let second = tcp.try_clone().map_err(tcp_failed)?;
    let mut tls = Stream::client(config, name, tcp).map_err(|error| {
        Failure::input(format!(
            "{name:?} cannot be asked for: {error}; give another with --sni"
        ))
    })?;
    let start = Instant::now();
    tls.handshake()
        .map_err(|error| failure::handshake(server, name, &error))?;
    let handshake = start.elapsed();
    let Some(summary) = tls.summary() else {
        return Err(Failure::connection("the handshake ended without a result"));
    };
    if options.json {
        let line = negotiated::json(server, summary, handshake);
        writeln!(io::stdout(), "{line}").map_err(|error| failure::output(&error))?;
        return tls
            .close()
            .map_err(|error| failure::transfer(server, &error));
    }
    let rows = negotiated::rows(summary);
    let took = [("handshake", negotiated::time(handshake))];
    say(format_args!(
        "connected to {server}\n{}",
        negotiated::table(rows.into_iter().chain(took)).trim_end()
    ));
    let (reader, writer) = tls
        .split(second)
        .map_err(|error| failure::transfer(server, &error))?;
    copy(server, reader, writer)
}

/// Copies both ways until the server has closed. What it did to standard input by then is not waited for.
fn copy(
    server: &str,
    mut reader: Reader<TcpStream>,
    writer: Writer<TcpStream>,
) -> Result<(), Failure> {
    let writer = Arc::new(Mutex::new(writer));
    let sender = Arc::clone(&writer);
    let spawned = thread::Builder::new().spawn(move || {
        if let Err(error) = send(&sender) {
            say(format_args!("pith: sending stopped: {error}"));
        }
    });
    spawned
        .map_err(|error| Failure::connection(format!("no thread for standard input: {error}")))?;
    let mut buffer = [0; 16 << 10];
    let mut out = io::stdout();
    loop {
        let count = reader
            .read(&mut buffer)
            .map_err(|error| failure::transfer(server, &error))?;
        if count == 0 {
            break;
        }
        let received = buffer.get(..count).unwrap_or_default();
        out.write_all(received)
            .and_then(|()| out.flush())
            .map_err(|error| failure::output(&error))?;
    }
    // The server is done. It gets its goodbye unless a write to it is stuck.
    if let Ok(mut writer) = writer.try_lock() {
        let _told = writer.close().is_ok();
    }
    Ok(())
}

/// Standard input to the server, then close_notify, also if it cannot be read to its end.
fn send(writer: &Mutex<Writer<TcpStream>>) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    let mut input = io::stdin().lock();
    loop {
        let read = input.read(&mut buffer);
        let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
        let count = *read.as_ref().unwrap_or(&0);
        if count == 0 {
            writer.close()?;
            return read.map(drop);
        }
        writer.write_all(buffer.get(..count).unwrap_or_default())?;
        writer.flush()?;
    }
}
