//! `pith server`: a page that shows what was negotiated, or an echo, for as long as it runs.
//!
//! A client costs one thread and the buffers of one stream; there are at most [`CLIENTS`] at once, and each has a deadline for
//! its handshake, one for its request, and a bound on its silence. No client ends the server: what one does wrong is one line
//! on standard error.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pith_io::std::{Acceptor, HANDSHAKE_LIMIT, Stream};
use pith_tls::{Now, ServerConfig, key_pin};

use crate::cli::ServerOptions;
use crate::failure::{self, Failure};
use crate::{input, page, say};

#[derive(Clone, Copy)]
enum Service {
    Http,
    Echo,
}

pub(crate) fn run(options: &ServerOptions) -> Result<(), Failure> {
    let service = if options.echo {
        Service::Echo
    } else {
        Service::Http
    };
    let credential = input::credential(options)?;
    let unusable = credential.check(now()).err();
    let pin = credential
        .chain()
        .first()
        .and_then(|leaf| key_pin(leaf).ok());
    let mut config = ServerConfig::new(credential);
    if let Service::Http = service {
        config = config.alpn(&[b"http/1.1"]);
    }
    let config = config
        .build()
        .map_err(|error| Failure::input(error.to_string()))?;
    let listener = TcpListener::bind(&options.listen).map_err(|error| {
        Failure::connection(format!(
            "cannot listen on {} ({error}): give an address of this machine as ADDR:PORT, with a free port, 0 for any",
            options.listen
        ))
    })?;
    let address = listener
        .local_addr()
        .map_err(|error| failure::output(&error))?;
    writeln!(io::stdout(), "listening on {address}").map_err(|error| failure::output(&error))?;
    if let Some(error) = unusable {
        say(format_args!(
            "pith: warning: clients that trust a CA will refuse {}: {error}",
            options.cert.display()
        ));
    }
    if let Some(pin) = pin {
        let hex: String = pin.iter().map(|byte| format!("{byte:02x}")).collect();
        say(format_args!(
            "a client that trusts this key alone: pith client {address} --pin {hex}"
        ));
    }
    serve(&listener, &Arc::new(Acceptor::new(config)), service)
}

/// Accepts for ever.
fn serve(
    listener: &TcpListener,
    acceptor: &Arc<Acceptor>,
    service: Service,
) -> Result<(), Failure> {
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
        let acceptor = Arc::clone(acceptor);
        let spawned = thread::Builder::new().spawn(move || {
            let _seat = seat;
            if let Err(error) = attend(&acceptor, tcp, service) {
                report(client, &error);
            }
        });
        if let Err(error) = spawned {
            say(format_args!("pith: no thread for {client}: {error}"));
            thread::sleep(ACCEPT_PAUSE);
        }
    }
}

fn attend(acceptor: &Acceptor, tcp: TcpStream, service: Service) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    tcp.set_write_timeout(Some(SILENCE))?;
    tcp.set_read_timeout(Some(HANDSHAKE_LIMIT))?;
    tcp.peek(&mut [0])?; // the time of the handshake runs from the client's first byte
    tcp.set_read_timeout(Some(SILENCE))?;
    let start = Instant::now();
    let tls = acceptor.accept(tcp)?;
    let handshake = start.elapsed();
    match service {
        Service::Http => http(tls, handshake),
        Service::Echo => echo(tls),
    }
}

fn echo(mut tls: Stream) -> io::Result<()> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let count = tls.read(&mut buffer)?;
        if count == 0 {
            return tls.close();
        }
        tls.write_all(buffer.get(..count).unwrap_or_default())?;
    }
}

/// One request, one page, goodbye.
fn http(mut tls: Stream, handshake: Duration) -> io::Result<()> {
    let response = match request(&mut tls)? {
        Request::Get => match tls.summary() {
            Some(summary) => page::negotiated(summary, handshake, now().unix),
            None => page::refusal("500 Internal Server Error", ""),
        },
        Request::Other => page::refusal("405 Method Not Allowed", "Allow: GET\r\n"),
        Request::TooLong => page::refusal("431 Request Header Fields Too Large", ""),
        Request::Malformed => page::refusal("400 Bad Request", ""),
        Request::None => return tls.close(),
    };
    tls.write_all(response.as_bytes())?;
    tls.close()?;
    linger(&mut tls)
}

enum Request {
    Get,
    Other,
    TooLong,
    Malformed,
    None,
}

/// Reads up to the blank line behind a request's header fields.
fn request(tls: &mut Stream) -> io::Result<Request> {
    let deadline = Instant::now().checked_add(REQUEST_LIMIT);
    let mut head = Vec::new();
    let mut buffer = [0; 4 << 10];
    loop {
        let left = deadline.and_then(|at| at.checked_duration_since(Instant::now()));
        let Some(left) = left.filter(|left| !left.is_zero()) else {
            return Err(io::Error::new(
                ErrorKind::TimedOut,
                "the request did not end in time",
            ));
        };
        tls.socket_mut().set_read_timeout(Some(left))?;
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
        if head.len() > REQUEST_BYTES {
            return Ok(Request::TooLong);
        }
        if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            let line = head.get(..end).unwrap_or_default();
            let line = line.split(|byte| *byte == b'\r').next().unwrap_or_default();
            return Ok(kind(line));
        }
    }
}

/// What a request line asks for.
fn kind(line: &[u8]) -> Request {
    let mut words = line.split(|byte| *byte == b' ');
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some(method), Some([b'/', ..]), Some(version), None)
            if version.starts_with(b"HTTP/1.") =>
        {
            if method == b"GET" {
                Request::Get
            } else {
                Request::Other
            }
        }
        _ => Request::Malformed,
    }
}

/// Waits for the client to close. A socket that is closed with unread bytes in it resets the connection, which can take the
/// page away from a client that has not read it yet.
fn linger(tls: &mut Stream) -> io::Result<()> {
    tls.socket().shutdown(Shutdown::Write)?;
    tls.socket_mut().set_read_timeout(Some(LINGER))?;
    let mut buffer = [0; 4 << 10];
    for _ in 0..LINGER_READS {
        match tls.read(&mut buffer) {
            Ok(0) | Err(_) => break, // whatever it says now, it was served
            Ok(_) => {}
        }
    }
    Ok(())
}

fn report(client: SocketAddr, error: &io::Error) {
    if error.kind() == ErrorKind::WouldBlock {
        say(format_args!("pith: {client}: silent for too long"));
    } else {
        say(format_args!("pith: {client}: {error}"));
    }
}

fn now() -> Now {
    Now {
        monotonic: Duration::ZERO,
        unix: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default(),
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
                Request::Get => "get",
                Request::Other => "other",
                Request::TooLong => "too long",
                Request::Malformed => "malformed",
                Request::None => "none",
            };
            assert_eq!(got, want, "{name}");
        }
    }
}
