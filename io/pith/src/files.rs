//! `pith server --quic --hq`: the files of a directory over QUIC, each `GET /PATH` on a stream answered with a file on that stream.
//!
//! HTTP/0.9 has no status: what cannot be served is a stream that is reset, with a code of [`Refusal`], which `pith get` reads. There are
//! at most [`CLIENTS`] connections at once, each with its limit of open streams; more are refused. No client ends the server.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use pith_io::tokio::quic::{Connection, Endpoint, Error, Incoming, RecvStream, SendStream};
use pith_quic::{ServerConfig, VarInt};
use pith_tls::Role;
use tokio::sync::Semaphore;

use crate::cli::ServerOptions;
use crate::failure::Failure;
use crate::flights;
use crate::negotiated::Report;
use crate::{input, say, server};

/// The application protocol.
pub(crate) const PROTOCOL: &str = "hq-interop";

/// Why a file is not sent: the code that its stream is reset with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The request is no `GET /PATH`.
    Request,
    /// There is no such file.
    NotFound,
    /// It is there, and cannot be read.
    Unreadable,
}

impl Refusal {
    const ALL: [Self; 3] = [Self::Request, Self::NotFound, Self::Unreadable];

    fn code(self) -> u16 {
        match self {
            Self::Request => 400,
            Self::NotFound => 404,
            Self::Unreadable => 500,
        }
    }

    /// What a code of a reset stream means, if it is one of these.
    pub(crate) fn of(code: VarInt) -> Option<Self> {
        let is = |refusal: &Self| VarInt::from(refusal.code()) == code;
        Self::ALL.into_iter().find(is)
    }

    /// In words, of a file.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Request => "the server does not understand the request",
            Self::NotFound => "the server has no such file",
            Self::Unreadable => "the server cannot read that file",
        }
    }
}

pub(crate) fn run(options: &ServerOptions) -> Result<(), Failure> {
    let root = options.root.as_deref().unwrap_or(Path::new("."));
    let root = fs::canonicalize(root)
        .and_then(|path| fs::read_dir(&path).map(|_| path))
        .map_err(|error| {
            Failure::input(format!(
                "--root expects a directory of files to serve, and {} is none ({error}): correct the path or its permissions",
                root.display()
            ))
        })?;
    let terms = input::terms(&options.terms, &[PROTOCOL])?;
    let (tls, pins) = server::configuration(options, terms)?;
    let mut config = ServerConfig::new(tls);
    if let Some(folder) = &options.qlog {
        config = config.observers(input::traces(folder)?);
    }
    let config = config.build().map_err(|error| {
        Failure::input(format!("these options cannot be used together: {error}"))
    })?;
    runtime()?.block_on(async {
        let endpoint = Endpoint::server(&options.listen, config)
            .map_err(|error| server::cannot_listen(options, &error))?;
        let address = endpoint.local_addr();
        let client = format!("pith get --hq https://{address}/FILE");
        server::announce(options, address, &client, &pins)?;
        serve(&endpoint, Arc::from(root), options.json).await;
        Ok(())
    })
}

/// What drives endpoints and their streams.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder
        .enable_all()
        .build()
        .map_err(|error| Failure::connection(format!("no threads for QUIC: {error}")))
}

/// Accepts until the endpoint is over.
async fn serve(endpoint: &Endpoint, root: Arc<Path>, json: bool) {
    let seats = Arc::new(Semaphore::new(CLIENTS));
    while let Some(incoming) = endpoint.accept().await {
        let Ok(seat) = Arc::clone(&seats).try_acquire_owned() else {
            say(format_args!(
                "pith: {} refused: {CLIENTS} clients are here",
                incoming.remote()
            ));
            incoming.refuse();
            continue;
        };
        let root = Arc::clone(&root);
        tokio::spawn(async move {
            let _seat = seat;
            attend(incoming, root, json).await;
        });
    }
}

async fn attend(incoming: Incoming, root: Arc<Path>, json: bool) {
    let (client, start) = (incoming.remote(), Instant::now());
    let accepted = incoming.accept().await;
    let mut times = vec![("handshake", start.elapsed())];
    let (connection, error) = match accepted {
        Ok(connection) => {
            let over = streams(&connection, &root).await;
            (Some(connection), over)
        }
        Err(error) => (None, error),
    };
    times.push(("total", start.elapsed()));
    // A client that closes, or goes to sleep, was served.
    let error = match &error {
        Error::Connection(
            pith_quic::ConnectionError::ApplicationClosed { .. }
            | pith_quic::ConnectionError::IdleTimeout,
        ) if connection.is_some() => None,
        other => Some(other.to_string()),
    };
    if let Some(error) = &error {
        say(format_args!("pith: {client}: {error}"));
    }
    if json {
        let summary = connection.as_ref().and_then(Connection::summary);
        let report = Report {
            role: Role::Server,
            peer: &client.to_string(),
            summary: summary.as_deref(),
            times: &times,
            bytes: connection
                .as_ref()
                .map_or_else(flights::Bytes::default, bytes),
            error: error.as_deref(),
        };
        // Nobody there to read it is no reason to stop.
        let _read = writeln!(io::stdout(), "{}", report.json()).is_ok();
    }
}

/// Bytes of datagrams.
pub(crate) fn bytes(connection: &Connection) -> flights::Bytes {
    let stats = connection.stats();
    let count = |bytes| usize::try_from(bytes).unwrap_or(usize::MAX);
    flights::Bytes {
        sent: count(stats.bytes_sent),
        received: count(stats.bytes_received),
    }
}

/// Answers on each stream of a connection until it is over, and says why it is.
async fn streams(connection: &Connection, root: &Arc<Path>) -> Error {
    loop {
        match connection.accept_bi().await {
            Ok((send, receive)) => {
                let root = Arc::clone(root);
                tokio::spawn(async move {
                    // What goes wrong with one stream, the client knows by it.
                    let _told = answer(send, receive, &root).await.is_ok();
                });
            }
            Err(error) => return error,
        }
    }
}

async fn answer(mut send: SendStream, mut receive: RecvStream, root: &Path) -> Result<(), Error> {
    let request = match receive.read_to_end(REQUEST_BYTES).await {
        Ok(request) => request,
        Err(Error::TooLong(_)) => Vec::new(),
        Err(error) => return Err(error),
    };
    let mut file = match find(root, &request) {
        Ok(file) => file,
        Err(refusal) => {
            send.reset(refusal.code().into());
            return Ok(());
        }
    };
    loop {
        let mut part = vec![0; PART];
        let count = match file.read(&mut part) {
            Ok(count) => count,
            Err(_) => {
                send.reset(Refusal::Unreadable.code().into());
                return Ok(());
            }
        };
        if count == 0 {
            return send.finish();
        }
        part.truncate(count);
        send.write_bytes(&mut Bytes::from(part)).await?;
    }
}

/// The file that a request asks for.
fn find(root: &Path, request: &[u8]) -> Result<File, Refusal> {
    let path = path(request).ok_or(Refusal::Request)?;
    let path = fs::canonicalize(root.join(path)).map_err(|_| Refusal::NotFound)?;
    if !path.starts_with(root) || !path.is_file() {
        return Err(Refusal::NotFound);
    }
    File::open(path).map_err(|_| Refusal::Unreadable)
}

/// The path of a request, relative, with nothing in it that leads upwards or elsewhere.
fn path(request: &[u8]) -> Option<PathBuf> {
    let line = str::from_utf8(request).ok()?;
    let target = line.strip_prefix("GET /")?;
    let target = target.strip_suffix('\n').unwrap_or(target);
    let target = target.strip_suffix('\r').unwrap_or(target);
    let target = target.split('?').next().unwrap_or_default();
    if target.is_empty() {
        return Some(PathBuf::from("index.html"));
    }
    let plain = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && !part.contains(['\\', '\0', '\r', '\n', ' '])
    };
    target.split('/').all(plain).then(|| PathBuf::from(target))
}

const CLIENTS: usize = 1024;
const REQUEST_BYTES: usize = 4 << 10;
/// Bytes of a file that are read at once.
const PART: usize = 128 << 10;

/// How long the end of a connection may take.
pub(crate) const GOODBYE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_nowhere_else() {
        for (request, want) in [
            ("GET /a\r\n", Some("a")),
            ("GET /a", Some("a")),
            ("GET /a\n", Some("a")),
            ("GET /a/b.txt\r\n", Some("a/b.txt")),
            ("GET /a?b=c\r\n", Some("a")),
            ("GET /\r\n", Some("index.html")),
            ("GET /..\r\n", None),
            ("GET /../a\r\n", None),
            ("GET /a/../../b\r\n", None),
            ("GET /a/./b\r\n", None),
            ("GET //etc/passwd\r\n", None),
            ("GET /a//b\r\n", None),
            ("GET /a\\b\r\n", None),
            ("GET /a\0b\r\n", None),
            ("GET /a HTTP/1.1\r\n", None),
            ("GET /a\r\nGET /b\r\n", None),
            ("POST /a\r\n", None),
            ("GET a\r\n", None),
            ("", None),
        ] {
            let got = path(request.as_bytes());
            assert_eq!(got, want.map(PathBuf::from), "{request:?}");
        }
        assert_eq!(path(b"GET /\xff"), None);
    }
}
