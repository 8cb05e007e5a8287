//! `pith server`: a page that shows what was negotiated, or an echo, for as long as it runs; and beside `--quic --h3`, its files over TCP.
//!
//! A client costs one thread and the buffers of one stream; there are at most [`CLIENTS`] at once, and each has a deadline for
//! its handshake, one for its request, and a bound on its silence. No client ends the server: what one does wrong is one line
//! on standard error.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use pith_io::std::{HANDSHAKE_LIMIT, Socket, Stream, Timeouts};
use pith_tls::{Credential, Role, ServerConfig, Summary};
use time::OffsetDateTime;

use crate::cli::ServerOptions;
use crate::failure::{self, Failure};
use crate::files::find::{Found, Refusal, find, is_root};
use crate::flights::{Bytes, Counted};
use crate::input::Terms;
use crate::negotiated::Report;
use crate::{escape, input, keys, page, say};

/// What every client gets.
pub(crate) struct Server {
    config: Arc<ServerConfig>,
    service: Service,
    json: bool,
}

#[derive(PartialEq)]
enum Service {
    /// The page.
    Http,
    Echo,
    /// Files, or the page for want of an index. `header` is a header line for every response.
    Files {
        root: Arc<Path>,
        header: String,
    },
}

pub(crate) fn run(options: &ServerOptions) -> Result<(), Failure> {
    let service = if options.echo {
        Service::Echo
    } else {
        Service::Http
    };
    let (server, pins) = prepare(options, service)?;
    let listener = TcpListener::bind(&options.listen)
        .map_err(|error| failure::cannot_listen(&options.listen, &error))?;
    let address = listener
        .local_addr()
        .map_err(|error| failure::output(&error))?;
    announce(options, address, &format!("pith client {address}"), &pins)?;
    serve(&listener, &Arc::new(server));
    Ok(())
}

/// The server, and the pin of each of its keys.
fn prepare(options: &ServerOptions, service: Service) -> Result<(Server, Vec<String>), Failure> {
    let protocols = match service {
        Service::Http | Service::Files { .. } => &["http/1.1"][..],
        Service::Echo => &[],
    };
    let terms = input::terms(&options.terms, protocols)?;
    let foreign = |name: &&Vec<u8>| service == Service::Http && !name.starts_with(b"http/1.");
    if let Some(name) = terms.protocols.iter().find(foreign) {
        return Err(Failure::input(format!(
            "the page is served over HTTP/1.1, and --alpn names \"{}\", which is another protocol: leave it away, or serve with --echo",
            name.escape_ascii()
        )));
    }
    let credentials = keys::credentials(&options.identity)?;
    let pins = pins(&credentials);
    let server = Server {
        config: configuration(options, credentials, terms)?,
        service,
        json: options.json,
    };
    Ok((server, pins))
}

/// A server of files over TCP.
pub(crate) fn files(
    options: &ServerOptions,
    credentials: Vec<Credential>,
    terms: Terms,
    root: Arc<Path>,
) -> Result<Server, Failure> {
    let header = String::new();
    Ok(Server {
        config: configuration(options, credentials, terms)?,
        service: Service::Files { root, header },
        json: options.json,
    })
}

impl Server {
    /// Serves files for ever, with this header line in every response.
    pub(crate) fn serve(mut self, listener: &TcpListener, line: String) {
        if let Service::Files { header, .. } = &mut self.service {
            *header = line;
        }
        serve(listener, &Arc::new(self));
    }
}

/// The pin of each key.
pub(crate) fn pins(credentials: &[Credential]) -> Vec<String> {
    let pins = credentials.iter();
    pins.map(|credential| escape::hex(&credential.key_pin()))
        .collect()
}

/// The configuration of a server on these terms.
pub(crate) fn configuration(
    options: &ServerOptions,
    credentials: Vec<Credential>,
    terms: Terms,
) -> Result<Arc<ServerConfig>, Failure> {
    let psks = keys::psks(&options.identity, Role::Server)?;
    if credentials.is_empty() && psks.is_empty() {
        return Err(Failure::input(
            "a server expects a certificate and its key, --cert FILE --key FILE, and got none: give them, or make some to try with `pith pki`; or give --raw-key or --psk",
        ));
    }
    let mut config = ServerConfig::without_certificate()
        .client_auth(input::client_auth(options)?)
        .tickets(input::tickets(&options.tickets)?);
    if let Some((most, register)) = input::early_data(options)? {
        config = config.early_data(most, register);
    }
    config = credentials
        .into_iter()
        .fold(config, |config, credential| config.credential(credential));
    config = psks.into_iter().fold(config, |config, psk| config.psk(psk));
    input::build!(config, terms)
}

/// Says where the server listens, on standard output, and what to know of it.
pub(crate) fn announce(
    options: &ServerOptions,
    address: SocketAddr,
    client: &str,
    pins: &[String],
) -> Result<(), Failure> {
    listening(address, options.json)?;
    for pin in pins {
        say(format_args!(
            "a client that trusts this key alone: {client} --pin {pin}"
        ));
    }
    if options.early_data.is_some() {
        say(format_args!("pith: warning: {REPLAYABLE}"));
    }
    Ok(())
}

/// Says where a server listens, on standard output.
pub(crate) fn listening(address: SocketAddr, json: bool) -> Result<(), Failure> {
    let first = match json {
        true => format!("{{\"listening\":{}}}", escape::json(&address.to_string())),
        false => format!("listening on {address}"),
    };
    writeln!(io::stdout(), "{first}").map_err(|error| failure::output(&error))
}

/// Accepts for ever.
fn serve(listener: &TcpListener, server: &Arc<Server>) {
    let seats = Arc::new(Seats::default());
    loop {
        let seat = Seats::take(&seats);
        let (tcp, client) = match listener.accept() {
            Ok(accepted) => accepted,
            Err(error) => {
                say(format_args!("pith: no connection accepted: {error}"));
                thread::sleep(ACCEPT_PAUSE); // it may be out of file descriptors
                continue;
            }
        };
        let server = Arc::clone(server);
        let spawned = thread::Builder::new().spawn(move || {
            let _seat = seat;
            attend(&server, tcp, client);
        });
        if let Err(error) = spawned {
            say(format_args!("pith: no thread for {client}: {error}"));
            thread::sleep(ACCEPT_PAUSE);
        }
    }
}

/// What one connection came to.
#[derive(Default)]
struct Visit {
    summary: Option<Summary>,
    times: Vec<(&'static str, Duration)>,
    bytes: Bytes,
}

fn attend(server: &Server, tcp: TcpStream, client: SocketAddr) {
    let mut tls = Stream::server(Arc::clone(&server.config), Counted::new(tcp));
    let mut visit = Visit::default();
    let served = visit.run(server, &mut tls, client);
    let error = served.err().map(|error| wrong(&error));
    if let Some(error) = &error {
        say(format_args!("pith: {client}: {error}"));
    }
    if server.json {
        let report = Report {
            role: Role::Server,
            peer: &client.to_string(),
            summary: visit.summary.as_ref(),
            times: &visit.times,
            bytes: visit.bytes,
            error: error.as_deref(),
        };
        // Nobody there to read it is no reason to stop.
        let _read = writeln!(io::stdout(), "{}", report.json()).is_ok();
    }
    linger(tls.socket().socket());
}

impl Visit {
    fn run(
        &mut self,
        server: &Server,
        tls: &mut Stream<Counted<TcpStream>>,
        client: SocketAddr,
    ) -> io::Result<()> {
        let tcp = tls.socket().socket();
        tcp.set_nodelay(true)?;
        tcp.set_write_timeout(Some(SILENCE))?;
        tcp.set_read_timeout(Some(HANDSHAKE_LIMIT))?;
        tcp.peek(&mut [0])?; // a client that connects and says nothing yet
        tcp.set_read_timeout(Some(SILENCE))?;
        let start = Instant::now();
        let shaken = shake(tls);
        self.bytes = tls.socket().bytes();
        let early = shaken?;
        let handshake = start.elapsed();
        self.times.push(("handshake", handshake));
        self.summary = tls.summary().cloned();
        if !early.is_empty() {
            let count = early.len();
            say(format_args!(
                "pith: {client}: {count} bytes of early data, which is replayable"
            ));
        }
        let served = match &server.service {
            Service::Http => http(tls, early, handshake, None),
            Service::Files { root, header } => http(tls, early, handshake, Some((root, header))),
            Service::Echo => echo(tls, &early),
        };
        self.times.push(("total", start.elapsed()));
        self.bytes = tls.socket().bytes();
        served
    }
}

/// Does the handshake; returns the early data that came before its end, at most what the configuration takes.
fn shake(tls: &mut Stream<Counted<TcpStream>>) -> io::Result<Vec<u8>> {
    let (mut early, mut buffer) = (Vec::new(), [0; 4 << 10]);
    loop {
        match tls.read_early(&mut buffer)? {
            0 => return Ok(early),
            count => early.extend_from_slice(buffer.get(..count).unwrap_or_default()),
        }
    }
}

fn echo(tls: &mut Stream<Counted<TcpStream>>, early: &[u8]) -> io::Result<()> {
    tls.write_all(early)?;
    let mut buffer = vec![0; 16 << 10];
    loop {
        let count = tls.read(&mut buffer)?;
        if count == 0 {
            return tls.close();
        }
        tls.write_all(buffer.get(..count).unwrap_or_default())?;
    }
}

/// One request, one page or file, goodbye. `files` is where they are, and a header line.
fn http(
    tls: &mut Stream<Counted<TcpStream>>,
    early: Vec<u8>,
    handshake: Duration,
    files: Option<(&Path, &str)>,
) -> io::Result<()> {
    let request = request(tls, early)?;
    let header = files.map_or("", |(_, header)| header);
    let refuse = |status| page::refusal(status, header);
    let response = match request {
        Request::Get(target) => match files.map(|(root, _)| find(root, &target)) {
            Some(Ok(found)) => return send(tls, found, header),
            Some(Err(refusal)) if refusal != Refusal::NotFound || !is_root(&target) => {
                refuse(refusal.status())
            }
            _ => match tls.summary() {
                Some(summary) => {
                    page::negotiated(summary, handshake, OffsetDateTime::now_utc(), header)
                }
                None => refuse("500 Internal Server Error"),
            },
        },
        Request::Other => {
            page::refusal("405 Method Not Allowed", &format!("Allow: GET\r\n{header}"))
        }
        Request::TooLong => refuse("431 Request Header Fields Too Large"),
        Request::Malformed => refuse("400 Bad Request"),
        Request::None => return tls.close(),
    };
    tls.write_all(response.as_bytes())?;
    tls.close()
}

/// Sends a file. One that became shorter meanwhile ends without close_notify, so that nobody takes it for whole.
fn send(tls: &mut Stream<Counted<TcpStream>>, found: Found, header: &str) -> io::Result<()> {
    let Found { file, length, kind } = found;
    tls.write_all(page::file(length, kind, header).as_bytes())?;
    if io::copy(&mut file.take(length), tls)? < length {
        return Err(io::Error::new(
            ErrorKind::UnexpectedEof,
            "a file became shorter while it was sent",
        ));
    }
    tls.close()
}

enum Request {
    /// With what is asked for.
    Get(String),
    Other,
    TooLong,
    Malformed,
    None,
}

/// Reads up to the blank line behind a request's header fields, of which `head` has come.
fn request(tls: &mut Stream<Counted<TcpStream>>, mut head: Vec<u8>) -> io::Result<Request> {
    let deadline = Instant::now().checked_add(REQUEST_LIMIT);
    let mut buffer = [0; 4 << 10];
    loop {
        if head.len() > REQUEST_BYTES {
            return Ok(Request::TooLong);
        }
        if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            let line = head.get(..end).unwrap_or_default();
            let line = line.split(|byte| *byte == b'\r').next().unwrap_or_default();
            return Ok(kind(line));
        }
        let left = deadline.and_then(|at| at.checked_duration_since(Instant::now()));
        let Some(left) = left.filter(|left| !left.is_zero()) else {
            return Err(io::Error::new(
                ErrorKind::TimedOut,
                "the request did not end in time",
            ));
        };
        tls.socket_mut().set_timeouts(Timeouts {
            read: Some(left),
            write: Some(SILENCE),
        })?;
        let count = tls.read(&mut buffer)?;
        if count == 0 {
            let nothing = head.is_empty();
            return Ok(if nothing {
                Request::None
            } else {
                Request::Malformed
            });
        }
        head.extend_from_slice(buffer.get(..count).unwrap_or_default());
    }
}

/// What a request line asks for.
fn kind(line: &[u8]) -> Request {
    let mut words = line.split(|byte| *byte == b' ');
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some(method), Some(target @ [b'/', ..]), Some(version), None)
            if version.starts_with(b"HTTP/1.") =>
        {
            match str::from_utf8(target) {
                Ok(target) if method == b"GET" => Request::Get(target.to_owned()),
                Ok(_) => Request::Other,
                Err(_) => Request::Malformed,
            }
        }
        _ => Request::Malformed,
    }
}

/// Waits for the client to close. A socket that is closed with unread bytes in it resets the connection, which can take the
/// page, or the alert, away from a client that has not read it yet.
fn linger(mut tcp: &TcpStream) {
    let limited = tcp
        .shutdown(Shutdown::Write)
        .and_then(|()| tcp.set_read_timeout(Some(LINGER)));
    let mut buffer = [0; 4 << 10];
    for _ in 0..LINGER_READS {
        // Whatever it says now, it was served.
        if limited.is_err() || !tcp.read(&mut buffer).is_ok_and(|count| count > 0) {
            break;
        }
    }
}

fn wrong(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::WouldBlock => "silent for too long".to_owned(),
        _ => error.to_string(),
    }
}

/// How many clients are served now.
#[derive(Default)]
struct Seats {
    taken: Mutex<usize>,
    freed: Condvar,
}

/// One client's place; free again when dropped.
struct Seat(Arc<Seats>);

impl Seats {
    /// Waits for a place. Clients wait in the listener's backlog meanwhile.
    fn take(seats: &Arc<Self>) -> Seat {
        let taken = seats.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = seats
            .freed
            .wait_while(taken, |taken| *taken >= CLIENTS)
            .unwrap_or_else(PoisonError::into_inner);
        *taken = taken.saturating_add(1);
        Seat(Arc::clone(seats))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        *taken = taken.saturating_sub(1);
        self.0.freed.notify_one();
    }
}

const REPLAYABLE: &str = "early data is replayable: this process takes each hello once, and any other server with the same tickets takes it again; serve only what may happen twice";

const CLIENTS: usize = 256;
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long one read or write may wait for a client.
const SILENCE: Duration = Duration::from_secs(60);
const REQUEST_LIMIT: Duration = Duration::from_secs(10);
const REQUEST_BYTES: usize = 16 << 10;
const LINGER: Duration = Duration::from_secs(2);
const LINGER_READS: usize = 4;

#[cfg(test)]
mod tests {
    use super::{Request, kind};

    #[test]
    fn request_lines() {
        for (name, line, want) in [
            ("get", "GET / HTTP/1.1", "get"),
            ("old get", "GET /a?b HTTP/1.0", "get"),
            ("post", "POST / HTTP/1.1", "other"),
            ("no version", "GET /", "malformed"),
            ("absolute", "GET http://a/ HTTP/1.1", "malformed"),
            ("four words", "GET / HTTP/1.1 x", "malformed"),
            ("http/2 preface", "PRI * HTTP/2.0", "malformed"),
            ("empty", "", "malformed"),
        ] {
            let got = match kind(line.as_bytes()) {
                Request::Get(_) => "get",
                Request::Other => "other",
                Request::TooLong => "too long",
                Request::Malformed => "malformed",
                Request::None => "none",
            };
            assert_eq!(got, want, "{name}");
        }
    }
}
