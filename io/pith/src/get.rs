//! `pith get --hq`: files over QUIC, all of one server's over one connection, each on a stream of its own.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use pith_io::tokio::quic::{Connection, Endpoint, Error};
use pith_quic::ClientConfig;
use tokio::task::JoinSet;

use crate::cli::GetOptions;
use crate::failure::{self, Failure};
use crate::files::{self, GOODBYE, PROTOCOL, Refusal};
use crate::{escape, input, keys, negotiated, say};

/// What to get, and where from.
#[derive(Debug, PartialEq, Eq)]
struct Url {
    host: String,
    port: u16,
    path: String,
}

/// Where a file goes.
enum Target {
    Output,
    File(PathBuf),
}

/// The files that one server has.
struct Order {
    host: String,
    port: u16,
    files: Vec<(String, Target)>,
}

pub(crate) fn run(options: &GetOptions) -> Result<(), Failure> {
    let orders = orders(options)?;
    let config = keys::client(&options.trust, &options.identity)?;
    let terms = input::terms(&options.terms, &[PROTOCOL])?;
    let tls = input::build!(config, terms)?;
    let mut config = ClientConfig::new(tls);
    if let Some(folder) = &options.qlog {
        config = config.observers(input::traces(folder)?);
    }
    let config = config.build().map_err(|error| {
        Failure::input(format!("these options cannot be used together: {error}"))
    })?;
    files::runtime()?.block_on(async {
        for order in orders {
            fetch(&config, order, options.sni.as_deref()).await?;
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
            Some(order) => order.files.push((path, target)),
            None => orders.push(Order {
                host,
                port,
                files: vec![(path, target)],
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

/// Gets the files of one server.
async fn fetch(config: &ClientConfig, order: Order, sni: Option<&str>) -> Result<(), Failure> {
    let Order { host, port, files } = order;
    let server = match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    };
    let name = input::name(sni.unwrap_or(&host))?;
    let start = Instant::now();
    let (endpoint, connection) = connect(config, &server, (&host, port), name).await?;
    let handshake = start.elapsed();
    show(&connection, &server, handshake);
    let mut streams = JoinSet::new();
    for (path, target) in files {
        let (connection, server) = (connection.clone(), server.clone());
        streams.spawn(async move { file(&connection, &server, &path, &target).await });
    }
    let mut done = Ok(());
    while let Some(ended) = streams.join_next().await {
        let ended = ended.unwrap_or_else(|_| Err(Failure::connection("a transfer died")));
        if let Err(failure) = ended {
            // The first is the one to end with; what else went wrong is said.
            match &done {
                Ok(()) => done = Err(failure),
                Err(_) => say(format_args!("pith: {failure}")),
            }
        }
    }
    connection.close(0_u8.into(), b"");
    endpoint.shutdown(GOODBYE).await;
    done
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
fn show(connection: &Connection, server: &str, handshake: std::time::Duration) {
    let Some(summary) = connection.summary() else {
        return;
    };
    let rows = [("transport", "QUIC v1".to_owned())].into_iter();
    let rows = rows.chain(negotiated::rows(&summary));
    let identity = negotiated::peer_rows(&summary, "server");
    let identity = identity
        .iter()
        .map(|(name, value)| (name.as_str(), value.clone()));
    let rows = rows.chain(identity);
    let rows = rows.chain([("handshake", negotiated::time(handshake))]);
    say(format_args!(
        "connected to {server}\n{}",
        negotiated::table(rows).trim_end()
    ));
}

/// Gets one file.
async fn file(
    connection: &Connection,
    server: &str,
    path: &str,
    target: &Target,
) -> Result<(), Failure> {
    let shown = escape::printable(path);
    let failed = |error: Error| match error {
        Error::Reset(code) => {
            let why = Refusal::of(code).map(|refusal| refusal.text().to_owned());
            let why =
                why.unwrap_or_else(|| format!("the server gave it up, with the code {code:?}"));
            Failure::connection(format!("{shown} of {server} did not come: {why}."))
        }
        error => Failure::connection(format!(
            "{shown} of {server} did not come whole: {error}. What came of it was dropped."
        )),
    };
    let (mut send, mut receive) = connection.open_bi().await.map_err(failed)?;
    let request = format!("GET {path}\r\n");
    send.write_all(request.as_bytes()).await.map_err(failed)?;
    send.finish().map_err(failed)?;
    let mut sink = Sink::open(target)?;
    while let Some(part) = receive.read_chunk(PART).await.map_err(failed)? {
        sink.write(&part)?;
    }
    sink.finish()
}

/// What a file is written to. One that is not finished leaves nothing behind.
enum Sink {
    Output(io::Stdout),
    File {
        file: File,
        part: Part,
        path: Arc<Path>,
    },
}

/// The path of an unfinished file; it is removed when dropped.
struct Part(PathBuf);

impl Sink {
    fn open(target: &Target) -> Result<Self, Failure> {
        let Target::File(path) = target else {
            return Ok(Self::Output(io::stdout()));
        };
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let part = path.with_file_name(name);
        let file = File::create(&part).map_err(|error| unwritable(path, &error))?;
        Ok(Self::File {
            file,
            part: Part(part),
            path: Arc::from(path.as_path()),
        })
    }

    fn write(&mut self, part: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Output(out) => out.write_all(part).map_err(|error| failure::output(&error)),
            Self::File { file, path, .. } => file
                .write_all(part)
                .map_err(|error| unwritable(path, &error)),
        }
    }

    fn finish(self) -> Result<(), Failure> {
        match self {
            Self::Output(mut out) => out.flush().map_err(|error| failure::output(&error)),
            Self::File { file, part, path } => {
                drop(file);
                fs::rename(&part.0, &path).map_err(|error| unwritable(&path, &error))
            }
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // It is not there any more if it was finished.
        let _removed = fs::remove_file(&self.0).is_ok();
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::input(format!(
        "{} cannot be written ({error}): correct --output, or make room",
        path.display()
    ))
}

/// Bytes that are taken off a stream at once.
const PART: usize = 1 << 20;

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
