//! `pith server --quic`: the files of a directory over QUIC, by HTTP/3 or HTTP/0.9; and measurements.
//!
//! There are at most [`CLIENTS`] connections at once, each with its limit of open streams; more are refused. No client ends the server.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use pith_io::tokio::quic::{Connection, Endpoint, Error, Incoming};
use pith_quic::{Code, ConnectionError, Retrying, ServerConfig, Version};
use pith_tls::Role;
use tokio::sync::Semaphore;

use crate::cli::ServerOptions;
use crate::failure::{self, Failure};
use crate::flights;
use crate::negotiated::Report;
use crate::{input, keys, say, server};

pub(crate) mod find;
pub(crate) mod h3;
pub(crate) mod hq;
pub(crate) mod perf;

/// What every client gets.
pub(crate) struct Service {
    root: Arc<Path>,
    h3: bool,
    hq: bool,
    perf: bool,
    json: bool,
}

pub(crate) fn run(options: &ServerOptions) -> Result<(), Failure> {
    let root = directory(options.root.as_deref().unwrap_or(Path::new(".")), "--root")?;
    let protocols: Vec<_> = [
        (options.h3, h3::PROTOCOL),
        (options.hq, hq::PROTOCOL),
        (options.perf, perf::PROTOCOL),
    ]
    .into_iter()
    .filter_map(|(wanted, protocol)| wanted.then_some(protocol))
    .collect();
    if protocols.is_empty() {
        return Err(Failure::input(
            "--quic expects --h3 (HTTP/3), --hq (HTTP/0.9) or --perf (measurements), and got none: add one",
        ));
    }
    let terms = input::terms(&options.terms, &protocols)?;
    let credentials = keys::credentials(&options.identity)?;
    let web = options.h3.then(|| {
        let terms = input::Terms {
            protocols: vec![b"http/1.1".to_vec()],
            ..terms.clone()
        };
        server::files(options, credentials.clone(), terms, Arc::clone(&root))
    });
    let web = web.transpose()?;
    let pins = server::pins(&credentials);
    let tls = server::configuration(options, credentials, terms)?;
    let mut config = ServerConfig::new(tls);
    if options.v2 {
        config = config.versions(&[Version::V2, Version::V1]);
    }
    if let Some(folder) = &options.qlog {
        config = config.observers(input::traces(folder)?);
    }
    let config = config.build().map_err(|error| {
        Failure::input(format!("these options cannot be used together: {error}"))
    })?;
    runtime()?.block_on(async {
        let (endpoint, listener) = listen(options, &config)
            .map_err(|error| failure::cannot_listen(&options.listen, &error))?;
        let address = endpoint.local_addr();
        if options.retry {
            endpoint.set_retrying(Retrying::Always);
        }
        if let (Some(listener), Some(web)) = (listener, web) {
            let alternative = format!("Alt-Svc: h3=\":{}\"\r\n", address.port());
            let serving = move || web.serve(&listener, alternative);
            let spawned = thread::Builder::new().spawn(serving);
            spawned.map_err(|error| Failure::connection(format!("no thread for TCP: {error}")))?;
        }
        let client = match (options.h3, options.hq) {
            (true, _) => format!("pith get https://{address}/FILE"),
            (false, true) => format!("pith get --hq https://{address}/FILE"),
            (false, false) => format!("pith get --perf https://{address}"),
        };
        server::announce(options, address, &client, &pins)?;
        let service = Service {
            root,
            h3: options.h3,
            hq: options.hq,
            perf: options.perf,
            json: options.json,
        };
        serve(&endpoint, Arc::new(service)).await;
        Ok(())
    })
}

/// The directory of the files, with no link in its path.
pub(crate) fn directory(path: &Path, option: &str) -> Result<Arc<Path>, Failure> {
    let root = fs::canonicalize(path)
        .and_then(|path| fs::read_dir(&path).map(|_| path))
        .map_err(|error| {
            Failure::input(format!(
                "{option} expects a directory of files to serve, and {} is none ({error}): correct the path or its permissions",
                path.display()
            ))
        })?;
    Ok(Arc::from(root))
}

/// A socket for QUIC, and with HTTP/3 one for TCP with the same port.
fn listen(
    options: &ServerOptions,
    config: &ServerConfig,
) -> io::Result<(Endpoint, Option<TcpListener>)> {
    let any = options.listen.ends_with(":0");
    let mut tries = if any { PORTS } else { 1 };
    loop {
        let endpoint = Endpoint::server(&options.listen, config.clone())?;
        if !options.h3 {
            return Ok((endpoint, None));
        }
        tries = tries.saturating_sub(1);
        match TcpListener::bind(endpoint.local_addr()) {
            Ok(listener) => return Ok((endpoint, Some(listener))),
            // Another program has that port of TCP.
            Err(error) if error.kind() == ErrorKind::AddrInUse && tries > 0 => {}
            Err(error) => return Err(error),
        }
    }
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
pub(crate) async fn serve(endpoint: &Endpoint, service: Arc<Service>) {
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
        let service = Arc::clone(&service);
        tokio::spawn(async move {
            let _seat = seat;
            service.attend(incoming).await;
        });
    }
}

impl Service {
    /// Files, by either protocol.
    pub(crate) fn of_files(root: Arc<Path>) -> Arc<Self> {
        Arc::new(Self {
            root,
            h3: true,
            hq: true,
            perf: false,
            json: false,
        })
    }

    async fn attend(&self, incoming: Incoming) {
        let (client, start) = (incoming.remote(), Instant::now());
        let accepted = incoming.accept().await;
        let handshake = start.elapsed();
        let (connection, error) = match accepted {
            Ok(connection) => {
                let over = self.answer(&connection, handshake).await;
                (Some(connection), over)
            }
            Err(error) => (None, Some(error.to_string())),
        };
        if let Some(error) = &error {
            say(format_args!("pith: {client}: {error}"));
        }
        if self.json {
            let summary = connection.as_ref().and_then(Connection::summary);
            let report = Report {
                role: Role::Server,
                peer: &client.to_string(),
                summary: summary.as_deref(),
                times: &[("handshake", handshake), ("total", start.elapsed())],
                bytes: connection
                    .as_ref()
                    .map_or_else(flights::Bytes::default, bytes),
                error: error.as_deref(),
            };
            // Nobody there to read it is no reason to stop.
            let _read = writeln!(io::stdout(), "{}", report.json()).is_ok();
        }
    }

    /// Serves a client until the end of its connection; says what was wrong, if anything was.
    async fn answer(&self, connection: &Connection, handshake: Duration) -> Option<String> {
        let protocol = connection.summary().and_then(|it| it.protocol.clone());
        let spoken = |name: &str| protocol.as_deref() == Some(name.as_bytes());
        let files = self.h3 || self.hq;
        let over = if !files || self.perf && spoken(perf::PROTOCOL) {
            perf::serve(connection).await
        } else if !self.h3 || self.hq && spoken(hq::PROTOCOL) {
            hq::serve(connection, &self.root).await
        } else {
            match h3::serve(connection, &self.root, handshake).await {
                Ok(over) => over,
                Err(error) => return Some(error),
            }
        };
        // A client that closes, or goes to sleep, was served.
        match over {
            Error::Connection(
                ConnectionError::ApplicationClosed { .. }
                | ConnectionError::IdleTimeout
                | ConnectionError::PeerClosed {
                    code: Code::NO_ERROR,
                    ..
                },
            ) => None,
            other => Some(other.to_string()),
        }
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

const CLIENTS: usize = 1024;
/// Bytes of a file that are read at once.
const PART: usize = 128 << 10;
/// How many free ports of UDP are tried for one that is free for TCP too.
const PORTS: u32 = 16;

/// How long the end of a connection may take.
pub(crate) const GOODBYE: Duration = Duration::from_secs(10);
