//! `pith get`: files over QUIC, all of one server's over one connection, each on a stream of its own.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pith_io::tokio::quic::Connection;
use pith_quic::{ClientConfig, Version};
use pith_tls::SessionStore;

use crate::cli::GetOptions;
use crate::failure::{self, Failure};
use crate::files::{self, GOODBYE};
use crate::{input, keys, say};
use connect::{connect, show};
use sink::Target;
use transfer::{Outcome, Protocol, Wanted, early_transfer, transfer};
use url::Url;

pub(crate) mod connect;
mod h3;
mod hq;
pub(crate) mod migrate;
mod perf;
pub(crate) mod sink;
pub(crate) mod transfer;
pub(crate) mod url;

/// The files that one server has.
struct Order {
    host: String,
    port: u16,
    files: Vec<Wanted>,
}

/// How to get them.
struct Client<'a> {
    config: ClientConfig,
    /// Where tickets are, for early data.
    sessions: Option<SessionStore>,
    options: &'a GetOptions,
}

pub(crate) fn run(options: &GetOptions) -> Result<(), Failure> {
    let orders = match options.perf {
        true => Vec::new(),
        false => orders(options)?,
    };
    let mut config = keys::client(&options.trust, &options.identity)?;
    let sessions = options.zero_rtt.then(SessionStore::new);
    if let Some(store) = &sessions {
        config = config.sessions(store.clone()).early_data(true);
    }
    let protocol = match (options.perf, options.hq) {
        (true, _) => files::perf::PROTOCOL,
        (false, true) => files::hq::PROTOCOL,
        (false, false) => files::h3::PROTOCOL,
    };
    let terms = input::terms(&options.terms, &[protocol])?;
    let tls = input::build!(config, terms)?;
    let mut config = ClientConfig::new(tls);
    if options.v2 {
        config = config.versions(&[Version::V2]);
    }
    if let Some(folder) = &options.qlog {
        config = config.observers(input::traces(folder)?);
    }
    let config = config.build().map_err(|error| {
        Failure::input(format!("these options cannot be used together: {error}"))
    })?;
    let client = Client {
        config,
        sessions,
        options,
    };
    files::runtime()?.block_on(async {
        if options.perf {
            return perf::run(options, &client.config).await;
        }
        for order in orders {
            client.fetch(order).await?;
        }
        Ok(())
    })
}

/// The files by server, in the order of the command line.
fn orders(options: &GetOptions) -> Result<Vec<Order>, Failure> {
    let mut orders: Vec<Order> = Vec::new();
    let several = options.urls.len() > 1;
    if let (true, Some(folder)) = (several, &options.output) {
        fs::create_dir_all(folder).map_err(|error| {
            Failure::input(format!(
                "--output expects a directory for several files, and {} cannot be one ({error})",
                folder.display()
            ))
        })?;
    }
    for url in &options.urls {
        let Url { host, port, path } = url::parse(url)?;
        let target = match (&options.output, several) {
            (None, false) => Target::Output,
            (None, true) => {
                return Err(Failure::input(
                    "several URLs expect --output DIR, where their files go: add it, or get one at a time",
                ));
            }
            (Some(file), false) => Target::File(file.clone()),
            (Some(folder), true) => Target::File(folder.join(url::name(url, &path)?)),
        };
        let same = |order: &&mut Order| order.host == host && order.port == port;
        match orders.iter_mut().find(same) {
            Some(order) => order.files.push(Arc::new((path, target))),
            None => orders.push(Order {
                host,
                port,
                files: vec![Arc::new((path, target))],
            }),
        }
    }
    Ok(orders)
}

impl Client<'_> {
    /// Gets the files of one server.
    async fn fetch(&self, order: Order) -> Result<(), Failure> {
        let Order { host, port, files } = order;
        let server = url::authority(&host, port);
        let name = input::name(self.options.sni.as_deref().unwrap_or(&host))?;
        let start = Instant::now();
        let (endpoint, connection) = connect(&self.config, &server, (&host, port), name).await?;
        if self.options.keyupdate && !self.options.zero_rtt {
            connection.update_keys();
        }
        let done = if let Some(sessions) = &self.sessions {
            soon(|| !sessions.is_empty() || connection.error().is_some()).await;
            connection.close(0_u8.into(), b"");
            let start = Instant::now();
            let connecting = endpoint.connect_early(&self.config, connection.remote(), name);
            match connecting.await {
                Ok(connection) => {
                    if self.options.keyupdate {
                        connection.update_keys();
                    }
                    let to = (server.as_str(), name);
                    let outcome =
                        early_transfer(&connection, to, self.protocol(), &files, start).await;
                    self.end(&connection, &server, outcome).await
                }
                Err(error) => Err(failure::quic(&server, name, &error)),
            }
        } else {
            show(&connection, &server, start.elapsed(), None);
            let moving = self
                .options
                .migrate
                .then(|| migrate::begin(&endpoint, &connection));
            let outcome = transfer(&connection, &server, self.protocol(), &files).await;
            let done = self.end(&connection, &server, Ok(outcome)).await;
            match moving {
                Some(moving) => done.and(moving.end(&endpoint).await),
                None => done,
            }
        };
        endpoint.shutdown(GOODBYE).await;
        done
    }

    fn protocol(&self) -> Protocol {
        match self.options.hq {
            true => Protocol::Hq,
            false => Protocol::H3,
        }
    }

    /// Says what is left to say of a connection, and closes it.
    async fn end(
        &self,
        connection: &Connection,
        server: &str,
        outcome: Result<Outcome, Failure>,
    ) -> Result<(), Failure> {
        let outcome = outcome?;
        if self.options.keyupdate {
            let updated = || connection.stats().key_updates > 0;
            soon(|| updated() || connection.error().is_some()).await;
            let said = if updated() { "updated" } else { "not updated" };
            say(format_args!("keys of the connection to {server}: {said}"));
        }
        let done = outcome.done();
        connection.close(0_u8.into(), b"");
        done
    }
}

/// Waits for what comes behind the handshake, if it does.
pub(crate) async fn soon(it_came: impl Fn() -> bool) {
    let until = Instant::now().checked_add(SOON);
    while !it_came() && until.is_some_and(|until| Instant::now() < until) {
        tokio::time::sleep(PAUSE).await;
    }
}

/// How long what comes behind a handshake may take.
const SOON: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(5);
