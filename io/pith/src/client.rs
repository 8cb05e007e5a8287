//! `pith client`: standard input to the server, the server to standard output. Connections that only report themselves are in `probe`.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use pith_io::std::{Reader, Stream, Writer};
use pith_tls::{ClientConfig, EarlyData, Summary};

use crate::cli::ClientOptions;
use crate::failure::{self, Failure};
use crate::flights::{Bytes, Counted};
use crate::sessions::Sessions;
use crate::{input, keys, negotiated, probe, say};

/// Where to, and how.
pub(crate) struct Plan<'a> {
    pub(crate) server: &'a str,
    pub(crate) name: &'a str,
    config: Arc<ClientConfig>,
    /// With --resume or --session.
    pub(crate) sessions: Option<Sessions>,
    /// With --early-data, what is sent first.
    first: Option<Vec<u8>>,
}

pub(crate) fn run(options: &ClientOptions) -> Result<(), Failure> {
    let server = options.server.as_str();
    let host = input::host(server)?;
    let name = input::name(options.sni.as_deref().unwrap_or(host))?;
    let mut config = keys::client(&options.trust, &options.identity)?;
    let first = options.early_data.as_deref().map(input::first_data);
    let first = first.transpose()?;
    config = config.early_data(first.is_some());
    let terms = input::terms(&options.terms, &[])?;
    let sessions = Sessions::open(options)?;
    if let Some(sessions) = &sessions {
        config = config.sessions(sessions.store());
    }
    let plan = Plan {
        server,
        name,
        config: input::build!(config, terms)?,
        sessions,
        first,
    };
    let count = options.resume.map(|more| more.saturating_add(1));
    let done = match (options.repeat.or(count), options.json) {
        (None, false) => converse(&plan),
        (count, json) => probe::run(&plan, count, json),
    };
    // What came until then may be used, whatever happened after it.
    let saved = plan.sessions.as_ref().map_or(Ok(()), Sessions::finish);
    done.and(saved)
}

impl Plan<'_> {
    /// A stream that has not begun.
    pub(crate) fn open(&self, tcp: TcpStream) -> Result<Stream<Counted<TcpStream>>, Failure> {
        let no_delay = tcp.set_nodelay(true);
        no_delay.map_err(|error| failure::tcp(self.server, &error))?;
        let tls = Stream::client(Arc::clone(&self.config), self.name, Counted::new(tcp));
        tls.map_err(|error| failure::handshake(self.server, self.name, &error))
    }

    /// Does the handshake, and sends before it of --early-data what the session allows; returns what is left to be sent.
    pub(crate) fn shake(&self, tls: &mut Stream<Counted<TcpStream>>) -> io::Result<&[u8]> {
        let first = self.first.as_deref().unwrap_or_default();
        let mut rest = first;
        while !rest.is_empty() {
            match tls.write_early(rest)? {
                0 => break,
                count => rest = rest.get(count..).unwrap_or_default(),
            }
        }
        tls.handshake()?;
        Ok(match tls.early_data() {
            EarlyData::Accepted => rest,
            _ => first,
        })
    }

    /// What became of --early-data, in words.
    pub(crate) fn first_data(&self, summary: &Summary, rest: &[u8]) -> Option<String> {
        let first = self.first.as_ref()?;
        let early = first.len().saturating_sub(rest.len());
        Some(match summary.early_data {
            EarlyData::Accepted if rest.is_empty() => format!("accepted, {early} bytes"),
            EarlyData::Accepted => format!(
                "accepted, {early} bytes, which is what the ticket allows; {} followed after the handshake",
                rest.len()
            ),
            EarlyData::Rejected => "rejected, so it was sent after the handshake".to_owned(),
            _ => "not offered, so it was sent after the handshake".to_owned(),
        })
    }
}

fn converse(plan: &Plan<'_>) -> Result<(), Failure> {
    let server = plan.server;
    let tcp = input::dial(server)?;
    let second = tcp.try_clone();
    let second = second.map_err(|error| failure::tcp(server, &error))?;
    let mut tls = plan.open(tcp)?;
    // The ticket that this hello shows is used.
    plan.sessions.as_ref().map_or(Ok(()), Sessions::save)?;
    let start = Instant::now();
    let rest = plan
        .shake(&mut tls)
        .map_err(|error| failure::handshake(server, plan.name, &error))?;
    let handshake = start.elapsed();
    let Some(summary) = tls.summary() else {
        return Err(Failure::connection("the handshake ended without a result"));
    };
    let Bytes { sent, received } = tls.socket().bytes();
    let took = format!(
        "{}, {sent} bytes sent, {received} received",
        negotiated::time(handshake)
    );
    let early = plan.first_data(summary, rest);
    let rows = negotiated::rows(summary).into_iter();
    let identity = negotiated::peer_rows(summary, "server");
    let identity = identity
        .iter()
        .map(|(name, value)| (name.as_str(), value.clone()));
    let early = early.map(|early| ("early data", early));
    let rows = rows.chain(early).chain(identity);
    say(format_args!(
        "connected to {server}\n{}",
        negotiated::table(rows.chain([("handshake", took)])).trim_end()
    ));
    let rest = rest.to_vec();
    let (reader, writer) = tls
        .split(second)
        .map_err(|error| failure::transfer(server, &error))?;
    copy(server, reader, writer, rest)
}

/// Copies both ways until the server has closed; `first` goes before standard input. What it did to standard input by then is not waited for.
fn copy(
    server: &str,
    mut reader: Reader<Counted<TcpStream>>,
    writer: Writer<TcpStream>,
    first: Vec<u8>,
) -> Result<(), Failure> {
    let writer = Arc::new(Mutex::new(writer));
    let sender = Arc::clone(&writer);
    let spawned = thread::Builder::new().spawn(move || {
        if let Err(error) = send(&sender, &first) {
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

/// This and standard input to the server, then close_notify, also if it cannot be read to its end.
fn send(writer: &Mutex<Writer<TcpStream>>, first: &[u8]) -> io::Result<()> {
    if !first.is_empty() {
        let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.write_all(first)?;
        writer.flush()?;
    }
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
