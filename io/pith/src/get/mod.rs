//! `pith get`: files over QUIC, all of one server's over one connection, each on a stream of its own.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pith_io::tokio::quic::{Connection, Endpoint, Error};
use pith_quic::ClientConfig;
use pith_tls::{EarlyData, SessionStore};
use tokio::task::JoinSet;

use crate::cli::GetOptions;
use crate::failure::{self, Failure};
use crate::files::{self, GOODBYE};
use crate::{escape, input, keys, negotiated, say};
use sink::Target;

mod h3;
mod hq;
mod sink;

/// What to get, and where from.
#[derive(Debug, PartialEq, Eq)]
struct Url {
    host: String,
    port: u16,
    path: String,
}

/// The files that one server has.
struct Order {
    host: String,
    port: u16,
    files: Vec<Wanted>,
}

/// A file of a server, and where it goes.
type Wanted = Arc<(String, Target)>;

/// How to get them.
struct Client<'a> {
    config: ClientConfig,
    /// Where tickets are, for early data.
    sessions: Option<SessionStore>,
    options: &'a GetOptions,
}

pub(crate) fn run(options: &GetOptions) -> Result<(), Failure> {
    let orders = orders(options)?;
    let mut config = keys::client(&options.trust, &options.identity)?;
    let sessions = options.zero_rtt.then(SessionStore::new);
    if let Some(store) = &sessions {
        config = config.sessions(store.clone()).early_data(true);
    }
    let protocol = if options.hq {
        files::hq::PROTOCOL
    } else {
        files::h3::PROTOCOL
    };
    let terms = input::terms(&options.terms, &[protocol])?;
    let tls = input::build!(config, terms)?;
    let mut config = ClientConfig::new(tls);
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
        let Url { host, port, path } = parse(url)?;
        let target = match (&options.output, several) {
            (None, false) => Target::Output,
            (None, true) => {
                return Err(Failure::input(
                    "several URLs expect --output DIR, where their files go: add it, or get one at a time",
                ));
            }
            (Some(file), false) => Target::File(file.clone()),
            (Some(folder), true) => Target::File(folder.join(name(url, &path)?)),
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

/// The name of a file on this side: the last part of its path.
fn name<'a>(url: &str, path: &'a str) -> Result<&'a str, Failure> {
    let path = path.split('?').next().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    match name {
        "" | "." | ".." => Err(Failure::input(format!(
            "{url} names no file, so it has no name in --output: get it by itself, with --output FILE"
        ))),
        name => Ok(name),
    }
}

fn parse(url: &str) -> Result<Url, Failure> {
    let wrong = |why: &str| {
        Failure::input(format!(
            "expected https://HOST[:PORT]/PATH, and got {}: {why}",
            escape::printable(url)
        ))
    };
    let Some(rest) = url.strip_prefix("https://") else {
        return Err(wrong("QUIC is for https alone"));
    };
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    if path.contains([' ', '#']) || path.chars().any(char::is_control) {
        return Err(wrong("a path has no blank, # or control character in it"));
    }
    let (host, port) = match (authority.strip_prefix('['), authority.rsplit_once(':')) {
        (Some(rest), _) => {
            let (host, port) = rest.split_once(']').ok_or(wrong("no ] behind the ["))?;
            (
                host,
                port.strip_prefix(':')
                    .or((port.is_empty()).then_some("443")),
            )
        }
        (None, Some((host, port))) => (host, Some(port)),
        (None, None) => (authority, Some("443")),
    };
    let port = port.and_then(|port| port.parse().ok().filter(|port| *port != 0));
    let port = port.ok_or(wrong("a port is a number from 1 to 65535"))?;
    if host.is_empty() || host.contains(['@', ':']) && host.parse::<Ipv6Addr>().is_err() {
        return Err(wrong("the host is no name and no address"));
    }
    Ok(Url {
        host: host.to_owned(),
        port,
        path: path.to_owned(),
    })
}

impl Client<'_> {
    /// Gets the files of one server.
    async fn fetch(&self, order: Order) -> Result<(), Failure> {
        let Order { host, port, files } = order;
        let server = match host.contains(':') {
            true => format!("[{host}]:{port}"),
            false => format!("{host}:{port}"),
        };
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
                Ok(connection) => self.early(&connection, &server, name, start, &files).await,
                Err(error) => Err(failure::quic(&server, name, &error)),
            }
        } else {
            show(&connection, &server, start.elapsed(), None);
            let (failed, http) = self.transfer(&connection, &server, &files).await;
            self.end(&connection, http, &server).await;
            one(failed.into_iter().map(|(_, failure)| failure))
        };
        endpoint.shutdown(GOODBYE).await;
        done
    }

    /// Gets files before the handshake is complete, and again after it what the server did not take then.
    async fn early(
        &self,
        connection: &Connection,
        server: &str,
        name: &str,
        start: Instant,
        files: &[Wanted],
    ) -> Result<(), Failure> {
        if self.options.keyupdate {
            connection.update_keys();
        }
        let shaking = connection.clone();
        let shaking = async move { (shaking.handshake().await, start.elapsed()) };
        let shaking = tokio::spawn(shaking);
        let (mut failed, mut http) = self.transfer(connection, server, files).await;
        let (early, handshake) = shaking
            .await
            .map_err(|_| Failure::connection("a handshake died"))?;
        let early = early.map_err(|error| failure::quic(server, name, &error))?;
        show(connection, server, handshake, Some(early));
        let began_late = http.as_ref().is_some_and(|http| !http.is_early());
        if early == EarlyData::Rejected && !began_late {
            // Nothing was asked for where HTTP/3 had not even begun.
            let again: Vec<_> = match http {
                None if !self.options.hq => files.to_vec(),
                _ => failed.into_iter().map(|(file, _)| file).collect(),
            };
            (failed, http) = self.transfer(connection, server, &again).await;
        }
        self.end(connection, http, server).await;
        one(failed.into_iter().map(|(_, failure)| failure))
    }

    /// Gets files all at once, and returns those that did not come, and what keeps HTTP/3 from closing the connection.
    async fn transfer(
        &self,
        connection: &Connection,
        server: &str,
        files: &[Wanted],
    ) -> (Vec<(Wanted, Failure)>, Option<h3::Requests>) {
        let http = match self.options.hq {
            true => None,
            false => match h3::begin(connection, server).await {
                Ok(begun) => Some(begun),
                Err(failure) => {
                    // For each the same: one is shown.
                    let first = files.first().map(Arc::clone);
                    return (
                        first.map(|file| (file, failure)).into_iter().collect(),
                        None,
                    );
                }
            },
        };
        let mut streams = JoinSet::new();
        for file in files {
            let (connection, server) = (connection.clone(), server.to_owned());
            let (file, http) = (Arc::clone(file), http.clone());
            streams.spawn(async move {
                let (path, target) = &*file;
                let got = match http {
                    Some(mut http) => http.get(&server, path, target).await,
                    None => hq::get(&connection, &server, path, target).await,
                };
                got.map_err(|failure| (Arc::clone(&file), failure))
            });
        }
        let mut failed = Vec::new();
        while let Some(ended) = streams.join_next().await {
            match ended {
                Ok(done) => failed.extend(done.err()),
                // It cannot be told which: the first stands for it.
                Err(_) => failed.extend(files.first().map(|file| {
                    let failure = Failure::connection("a transfer died");
                    (Arc::clone(file), failure)
                })),
            }
        }
        (failed, http)
    }

    /// Closes a connection, and says what is left to say of it.
    async fn end(&self, connection: &Connection, http: Option<h3::Requests>, server: &str) {
        if self.options.keyupdate {
            let updated = || connection.stats().key_updates > 0;
            soon(|| updated() || connection.error().is_some()).await;
            let said = if updated() { "updated" } else { "not updated" };
            say(format_args!("keys of the connection to {server}: {said}"));
        }
        drop(http);
        connection.close(0_u8.into(), b"");
    }
}

/// The first failure is the one to end with; what else went wrong is said.
fn one(failures: impl Iterator<Item = Failure>) -> Result<(), Failure> {
    let mut done = Ok(());
    for failure in failures {
        match &done {
            Ok(()) => done = Err(failure),
            Err(_) => say(format_args!("pith: {failure}")),
        }
    }
    done
}

/// Waits for what comes behind the handshake, if it does.
async fn soon(it_came: impl Fn() -> bool) {
    let until = Instant::now().checked_add(SOON);
    while !it_came() && until.is_some_and(|until| Instant::now() < until) {
        tokio::time::sleep(PAUSE).await;
    }
}

/// The first address of the server at which a handshake works.
async fn connect(
    config: &ClientConfig,
    server: &str,
    (host, port): (&str, u16),
    name: &str,
) -> Result<(Endpoint, Connection), Failure> {
    let unknown = |error: &io::Error| {
        Failure::connection(format!(
            "{host} has no address ({error}): correct the name, or look at this machine's resolver"
        ))
    };
    let addresses: Vec<SocketAddr> = (host, port)
        .to_socket_addrs()
        .map_err(|error| unknown(&error))?
        .collect();
    let mut last = unknown(&io::ErrorKind::NotFound.into());
    for address in addresses {
        let any = match address.ip() {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let endpoint = match Endpoint::client((any, 0)) {
            Ok(endpoint) => endpoint,
            Err(error) => {
                last = Failure::connection(format!("no UDP socket for {address}: {error}"));
                continue;
            }
        };
        match endpoint.connect(config, address, name).await {
            Ok(connection) => return Ok((endpoint, connection)),
            Err(error @ (Error::NoAnswer(_) | Error::Address(..) | Error::Socket(_))) => {
                last = failure::quic(server, name, &error);
            }
            Err(error) => return Err(failure::quic(server, name, &error)),
        }
    }
    Err(last)
}

/// Says what was negotiated, on standard error.
fn show(connection: &Connection, server: &str, handshake: Duration, early: Option<EarlyData>) {
    let Some(summary) = connection.summary() else {
        return;
    };
    let rows = [("transport", "QUIC v1".to_owned())].into_iter();
    let rows = rows.chain(negotiated::rows(&summary));
    let identity = negotiated::peer_rows(&summary, "server");
    let identity = identity
        .iter()
        .map(|(name, value)| (name.as_str(), value.clone()));
    let early = early.map(|early| ("early data", became(early).to_owned()));
    let rows = rows.chain(identity).chain(early);
    let rows = rows.chain([("handshake", negotiated::time(handshake))]);
    say(format_args!(
        "connected to {server}\n{}",
        negotiated::table(rows).trim_end()
    ));
}

/// What became of the requests that were to be early.
fn became(early: EarlyData) -> &'static str {
    match early {
        EarlyData::Accepted => "accepted",
        EarlyData::Rejected => "rejected, so the requests were sent again after the handshake",
        EarlyData::NotOffered | EarlyData::Offered => {
            "not offered: the server gave no ticket for it"
        }
    }
}

/// How long what comes behind a handshake may take.
const SOON: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let url = |host: &str, port, path: &str| {
            Some(Url {
                host: host.to_owned(),
                port,
                path: path.to_owned(),
            })
        };
        for (text, want) in [
            ("https://a.example/b", url("a.example", 443, "/b")),
            ("https://a.example", url("a.example", 443, "/")),
            (
                "https://a.example:4433/b/c?d",
                url("a.example", 4433, "/b/c?d"),
            ),
            ("https://192.0.2.1:1/", url("192.0.2.1", 1, "/")),
            ("https://[2001:db8::1]/a", url("2001:db8::1", 443, "/a")),
            (
                "https://[2001:db8::1]:8443/a",
                url("2001:db8::1", 8443, "/a"),
            ),
            ("https://[2001:db8::1/a", None),
            ("https://[2001:db8::1]x/a", None),
            ("https://2001:db8::1/a", None),
            ("https://a.example:0/", None),
            ("https://a.example:65536/", None),
            ("https://a.example:/", None),
            ("https://user@a.example/", None),
            ("https:///a", None),
            ("http://a.example/", None),
            ("a.example/b", None),
            ("https://a.example/b c", None),
            ("https://a.example/b\nGET", None),
            ("https://a.example/b#c", None),
        ] {
            assert_eq!(parse(text).ok(), want, "{text:?}");
        }
    }
}
