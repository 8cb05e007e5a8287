//! `pith client`: standard input to the server, the server to standard output; or connections that only report themselves.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use pith_io::std::{Reader, Socket, Stream, Timeouts, Writer};
use pith_tls::{ClientConfig, Error, Role, SessionStore, Summary};

use crate::cli::ClientOptions;
use crate::failure::{self, Failure};
use crate::flights::{Bytes, Counted};
use crate::negotiated::{self, Report};
use crate::{input, say};

/// Where to, and how.
struct Plan<'a> {
    server: &'a str,
    name: &'a str,
    config: Arc<ClientConfig>,
    /// With --resume, the tickets of the connections before.
    sessions: Option<SessionStore>,
}

pub(crate) fn run(options: &ClientOptions) -> Result<(), Failure> {
    let server = options.server.as_str();
    let host = input::host(server)?;
    let name = input::name(options.sni.as_deref().unwrap_or(host))?;
    let mut config = ClientConfig::new(input::trust(options)?);
    for credential in input::credentials(&options.identity)? {
        config = config.credential(credential);
    }
    let sessions = options.resume.map(|_| SessionStore::new());
    if let Some(sessions) = &sessions {
        config = config.sessions(sessions.clone());
    }
    let count = options.resume.map(|more| more.saturating_add(1));
    let plan = Plan {
        server,
        name,
        config: input::build!(config, input::terms(&options.terms, &[])?)?,
        sessions,
    };
    match (options.repeat.or(count), options.json) {
        (None, false) => converse(&plan),
        (count, json) => probe(&plan, count, json),
    }
}

impl Plan<'_> {
    /// A stream that has not begun.
    fn open(&self, tcp: TcpStream) -> Result<Stream<Counted<TcpStream>>, Failure> {
        let no_delay = tcp.set_nodelay(true);
        no_delay.map_err(|error| failure::tcp(self.server, &error))?;
        let tls = Stream::client(Arc::clone(&self.config), self.name, Counted::new(tcp));
        tls.map_err(|error| failure::handshake(self.server, self.name, &error))
    }
}

fn converse(plan: &Plan<'_>) -> Result<(), Failure> {
    let server = plan.server;
    let tcp = input::dial(server)?;
    let second = tcp.try_clone();
    let second = second.map_err(|error| failure::tcp(server, &error))?;
    let mut tls = plan.open(tcp)?;
    let start = Instant::now();
    tls.handshake()
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
    let identity = negotiated::peer(summary).map(|peer| peer.rows("server"));
    let identity = identity.unwrap_or_default();
    let identity = identity
        .iter()
        .map(|(name, value)| (name.as_str(), value.clone()));
    let rows = negotiated::rows(summary).into_iter().chain(identity);
    say(format_args!(
        "connected to {server}\n{}",
        negotiated::table(rows.chain([("handshake", took)])).trim_end()
    ));
    let (reader, writer) = tls
        .split(second)
        .map_err(|error| failure::transfer(server, &error))?;
    copy(server, reader, writer)
}

/// Copies both ways until the server has closed. What it did to standard input by then is not waited for.
fn copy(
    server: &str,
    mut reader: Reader<Counted<TcpStream>>,
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

/// What one connection came to.
#[derive(Default)]
struct Probe {
    /// Why a handshake that succeeded was a full one, with --resume.
    not_resumed: Option<&'static str>,
    summary: Option<Summary>,
    times: Vec<(&'static str, Duration)>,
    bytes: Bytes,
}

/// Connects again and again, and reports each connection as it ends. One that fails does not keep the next from being tried.
fn probe(plan: &Plan<'_>, count: Option<u32>, json: bool) -> Result<(), Failure> {
    let total = count.unwrap_or(1);
    let width = total.to_string().len();
    let mut handshakes = Vec::new();
    let mut failed = 0_u32;
    for number in 1..=total {
        let mut probe = Probe::default();
        let error = probe.run(plan).err();
        if let Some(why) = probe.not_resumed.filter(|_| number > 1) {
            say(format_args!(
                "pith: connection {number} did not resume: {why}"
            ));
        }
        let line = match (json, &error) {
            (true, _) => probe.json(plan.server, error.as_ref()),
            (false, None) => format!("{number:width$}  {}", probe.line()),
            (false, Some(_)) => format!("{number:width$}  failed"),
        };
        writeln!(io::stdout(), "{line}").map_err(|error| failure::output(&error))?;
        match error {
            Some(error) if count.is_none() => return Err(error),
            Some(error) => {
                failed = failed.saturating_add(1);
                say(format_args!("pith: connection {number}: {error}"));
            }
            None => handshakes.extend(probe.time("handshake")),
        }
    }
    handshakes.sort();
    let middle = handshakes.get(handshakes.len() / 2);
    if let ([first, .., last], Some(middle), false) = (handshakes.as_slice(), middle, json) {
        let [first, middle, last] = [first, middle, last].map(|time| negotiated::time(*time));
        let summary = format!("handshake: fastest {first}, median {middle}, slowest {last}");
        writeln!(io::stdout(), "{summary}").map_err(|error| failure::output(&error))?;
    }
    match failed {
        0 => Ok(()),
        _ => Err(Failure::connection(format!(
            "{failed} of {total} connections failed: each is named above"
        ))),
    }
}

impl Probe {
    fn run(&mut self, plan: &Plan<'_>) -> Result<(), Failure> {
        let had_ticket = plan.sessions.as_ref().map(|sessions| !sessions.is_empty());
        let start = Instant::now();
        let tcp = input::dial(plan.server)?;
        self.times.push(("connect", start.elapsed()));
        let mut tls = plan.open(tcp)?;
        let shaking = Instant::now();
        let shaken = tls.handshake();
        self.bytes = tls.socket().bytes();
        shaken.map_err(|error| failure::handshake(plan.server, plan.name, &error))?;
        self.times.push(("handshake", shaking.elapsed()));
        self.summary = tls.summary().cloned();
        let resumed = self.summary.as_ref().is_some_and(Summary::resumed);
        self.not_resumed = had_ticket.filter(|_| !resumed).map(|had| match had {
            true => "the server did not take the ticket (its keys or its settings may have changed, or another server answered)",
            false => "the connection before got no ticket (the server may send none, or the connection failed)",
        });
        let ended = part(&mut tls);
        self.bytes = tls.socket().bytes();
        self.times.push(("total", start.elapsed()));
        ended.map_err(|error| failure::transfer(plan.server, &error))
    }

    fn time(&self, name: &str) -> Option<Duration> {
        let mut times = self.times.iter().filter(|(this, _)| *this == name);
        times.next().map(|(_, time)| *time)
    }

    fn line(&self) -> String {
        let mut parts = Vec::new();
        if let Some(summary) = &self.summary {
            let retried = if summary.retried {
                " after a retry"
            } else {
                ""
            };
            parts.push(format!("{}{retried}", summary.group));
            parts.push(summary.suite.to_string());
            parts.push(negotiated::signature(summary));
        }
        let time = self.time("handshake").unwrap_or_default();
        let Bytes { sent, received } = self.bytes;
        parts.push(format!("handshake {}", negotiated::time(time)));
        parts.push(format!("{sent} bytes sent, {received} received"));
        parts.join("  ")
    }

    fn json(&self, server: &str, error: Option<&Failure>) -> String {
        Report {
            role: Role::Client,
            peer: server,
            summary: self.summary.as_ref(),
            times: &self.times,
            bytes: self.bytes,
            error: error.map(ToString::to_string).as_deref(),
        }
        .json()
    }
}

/// Says goodbye, and waits for the server to do so: a server that refuses the client's certificate can say that only after the
/// client's handshake is done. A server that says nothing has nothing against it.
fn part(tls: &mut Stream<Counted<TcpStream>>) -> io::Result<()> {
    let told = tls.close();
    tls.socket_mut().set_timeouts(Timeouts {
        read: Some(PARTING),
        write: Some(PARTING),
    })?;
    match tls.read(&mut [0]) {
        Ok(_) => told,
        Err(error) if matches!(failure::tls(&error), Some(Error::Truncated)) => told,
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => told,
        Err(error) => Err(error),
    }
}

/// Long enough for a busy server to look at a chain.
const PARTING: Duration = Duration::from_secs(5);
