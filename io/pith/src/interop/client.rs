//! The client of a test case.

use std::fs;
use std::sync::Arc;
use std::time::Instant;

use pith_io::tokio::quic::{Connection, Endpoint};
use pith_quic::{ClientConfig, Version};
use pith_tls::{ClientConfig as TlsConfig, SessionStore};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::case::Case;
use super::{COMPRESSION, LEAST, NEAR, PATIENCE, suit, terms, trust};
use crate::cli::InteropClientOptions;
use crate::failure::{self, Failure};
use crate::files::{self, GOODBYE};
use crate::get::connect::{connect, show};
use crate::get::sink::Target;
use crate::get::transfer::{Protocol, Wanted, early_transfer, transfer};
use crate::get::{migrate, soon, url};
use crate::input;

/// What to get, and how.
#[derive(Clone)]
struct Client {
    case: Case,
    config: ClientConfig,
    sessions: SessionStore,
    host: String,
    port: u16,
}

pub(super) fn run(options: &InteropClientOptions, case: Case) -> Result<(), Failure> {
    let (host, port, files) = requests(options)?;
    let sessions = SessionStore::new();
    let client = Client {
        case,
        config: config(options, case, &sessions)?,
        sessions,
        host,
        port,
    };
    files::runtime()?.block_on(async {
        match case {
            Case::Multiconnect => client.each_by_itself(files).await,
            Case::Resumption | Case::ZeroRtt => client.resume(&files).await,
            _ => client.all(&files).await,
        }
    })
}

/// The server and the files of REQUESTS.
fn requests(options: &InteropClientOptions) -> Result<(String, u16, Vec<Wanted>), Failure> {
    let folder = &options.downloads;
    fs::create_dir_all(folder).map_err(|error| {
        Failure::input(format!(
            "--downloads expects a directory, and {} cannot be one ({error})",
            folder.display()
        ))
    })?;
    let mut server = None;
    let mut files = Vec::new();
    for text in options.requests.split_whitespace() {
        let url::Url { host, port, path } = url::parse(text)?;
        let target = Target::File(folder.join(url::name(text, &path)?));
        files.push(Arc::new((path, target)));
        let here = (host, port);
        if server.get_or_insert_with(|| here.clone()) != &here {
            return Err(Failure::input(
                "REQUESTS expects files of one server, and got two servers: ask each by itself",
            ));
        }
    }
    match server {
        Some((host, port)) => Ok((host, port, files)),
        None => Err(Failure::input(
            "REQUESTS expects the URLs of files with blanks between, and got none",
        )),
    }
}

fn config(
    options: &InteropClientOptions,
    case: Case,
    sessions: &SessionStore,
) -> Result<ClientConfig, Failure> {
    let trusted = trust(&options.common.certs)?;
    let mut tls = TlsConfig::new(trusted).certificate_compression(COMPRESSION);
    if matches!(case, Case::Resumption | Case::ZeroRtt) {
        tls = tls.sessions(sessions.clone());
        tls = tls.early_data(case == Case::ZeroRtt);
    }
    let name = match protocol(case) {
        Protocol::H3 => files::h3::PROTOCOL,
        Protocol::Hq => files::hq::PROTOCOL,
    };
    let tls = input::build!(tls, terms(&options.common, case, &[name])?)?;
    // A server that likes version 2 better must not change to it where the runner looks for version 1.
    let versions: &[Version] = match case {
        Case::V2 => &[Version::V1, Version::V2],
        _ => &[Version::V1],
    };
    let mut config = suit!(ClientConfig::new(tls).versions(versions), case);
    if let Some(folder) = options.common.qlog() {
        config = config.observers(input::traces(folder)?);
    }
    config.build().map_err(|error| {
        Failure::input(format!("a client cannot be configured like that: {error}"))
    })
}

fn protocol(case: Case) -> Protocol {
    match case {
        Case::Http3 => Protocol::H3,
        _ => Protocol::Hq,
    }
}

impl Client {
    fn server(&self) -> String {
        url::authority(&self.host, self.port)
    }

    async fn connect(&self) -> Result<(Endpoint, Connection), Failure> {
        let (start, server) = (Instant::now(), self.server());
        let name = input::name(&self.host)?;
        let (endpoint, connection) =
            connect(&self.config, &server, (&self.host, self.port), name).await?;
        show(&connection, &server, start.elapsed(), None);
        Ok((endpoint, connection))
    }

    /// Gets files over a connection, and closes it.
    async fn get(&self, connection: &Connection, files: &[Wanted]) -> Result<(), Failure> {
        let outcome = transfer(connection, &self.server(), protocol(self.case), files).await;
        let done = outcome.done();
        connection.close(0_u8.into(), b"");
        done
    }

    /// All files over one connection.
    async fn all(&self, files: &[Wanted]) -> Result<(), Failure> {
        let (endpoint, connection) = self.connect().await?;
        if self.case == Case::KeyUpdate {
            connection.update_keys();
        }
        let moves = self.case == Case::Migration;
        let moving = moves.then(|| migrate::begin(&endpoint, &connection));
        let mut done = self.get(&connection, files).await;
        if let Some(moving) = moving {
            done = done.and(moving.end(&endpoint).await);
        }
        endpoint.shutdown(GOODBYE).await;
        done
    }

    /// Each file on a connection of its own, a few of them at once.
    async fn each_by_itself(&self, files: Vec<Wanted>) -> Result<(), Failure> {
        let seats = Arc::new(Semaphore::new(AT_ONCE));
        let mut tasks = JoinSet::new();
        for file in files {
            let (client, seats) = (self.clone(), Arc::clone(&seats));
            tasks.spawn(async move {
                let _seat = seats.acquire_owned().await;
                client.all(&[file]).await
            });
        }
        let mut done = Ok(());
        while let Some(ended) = tasks.join_next().await {
            done = done.and(ended.unwrap_or_else(|_| Err(Failure::connection("a transfer died"))));
        }
        done
    }

    /// The first file on one connection, the others on one that resumes it.
    async fn resume(&self, files: &[Wanted]) -> Result<(), Failure> {
        let Some((first, others)) = files.split_first() else {
            return Ok(());
        };
        let (endpoint, connection) = self.connect().await?;
        let (server, first) = (self.server(), std::slice::from_ref(first));
        let outcome = transfer(&connection, &server, Protocol::Hq, first).await;
        outcome.done()?;
        soon(|| !self.sessions.is_empty() || connection.error().is_some()).await;
        connection.close(0_u8.into(), b"");
        let resumed = self.resumed(&endpoint, &connection, others).await;
        endpoint.shutdown(GOODBYE).await;
        resumed
    }

    async fn resumed(
        &self,
        endpoint: &Endpoint,
        before: &Connection,
        files: &[Wanted],
    ) -> Result<(), Failure> {
        let (server, name, start) = (self.server(), input::name(&self.host)?, Instant::now());
        let failed = |error| failure::quic(&server, name, &error);
        let remote = before.remote();
        let connection = match self.case {
            Case::ZeroRtt => {
                let connecting = endpoint.connect_early(&self.config, remote, name);
                let connection = connecting.await.map_err(failed)?;
                let to = (server.as_str(), name);
                let outcome = early_transfer(&connection, to, Protocol::Hq, files, start).await?;
                outcome.done()?;
                connection
            }
            _ => {
                let connecting = endpoint.connect(&self.config, remote, name);
                let connection = connecting.await.map_err(failed)?;
                show(&connection, &server, start.elapsed(), None);
                let outcome = transfer(&connection, &server, Protocol::Hq, files).await;
                outcome.done()?;
                connection
            }
        };
        let resumed = connection.summary().is_some_and(|it| it.resumed());
        connection.close(0_u8.into(), b"");
        match resumed {
            true => Ok(()),
            false => Err(Failure::connection(format!(
                "{server} did not resume the first connection, so the second was a full handshake"
            ))),
        }
    }
}

/// Connections that are open at once where each file has its own: more hellos than fit in the queue of the runner's network would only lose each other.
const AT_ONCE: usize = 4;
