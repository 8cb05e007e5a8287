//! Files and arguments, turned into what the library takes.

use std::fs;
use std::io::Read;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

use pith_tls::{Credential, Trust};

use crate::cli::{ClientOptions, ServerOptions};
use crate::failure::{self, Failure};

/// What a client trusts.
pub(crate) fn trust(options: &ClientOptions) -> Result<Trust, Failure> {
    if let Some(path) = &options.ca {
        let pem = read(path, "CA certificates in PEM")?;
        return Trust::roots_from_pem(&pem).map_err(|error| {
            Failure::input(format!(
                "{} cannot be used for --ca: {error}",
                path.display()
            ))
        });
    }
    if options.pin.is_empty() {
        return Trust::roots_from_anchors(webpki_roots::TLS_SERVER_ROOTS.to_vec()).map_err(
            |error| Failure::input(format!("the built-in roots cannot be used: {error}")),
        );
    }
    let pins = options.pin.iter().map(|pin| {
        parse_pin(pin).ok_or_else(|| {
            Failure::input(format!(
                "--pin expects 64 hex digits, the SHA-256 of the server's SubjectPublicKeyInfo, and got {pin:?}: `pith server` shows its own when it starts"
            ))
        })
    });
    let pins: Vec<_> = pins.collect::<Result<_, _>>()?;
    Trust::pinned_keys(pins)
        .map_err(|error| Failure::input(format!("the keys of --pin cannot be used: {error}")))
}

/// What a server shows.
pub(crate) fn credential(options: &ServerOptions) -> Result<Credential, Failure> {
    let chain = read(&options.cert, "a certificate chain in PEM")?;
    let key = read(&options.key, "a private key in PEM")?;
    Credential::from_pem(&chain, &key).map_err(|error| {
        Failure::input(format!(
            "{} and {} cannot be used for --cert and --key: {error}",
            options.cert.display(),
            options.key.display()
        ))
    })
}

/// The host of HOST:PORT, without the brackets of an IPv6 address.
pub(crate) fn host(server: &str) -> Result<&str, Failure> {
    let parts = server.rsplit_once(':').filter(|(host, port)| {
        let bare = !host.contains(':') || (host.starts_with('[') && host.ends_with(']'));
        !host.is_empty() && bare && port.parse::<u16>().is_ok()
    });
    match parts {
        Some((host, _)) => Ok(host.trim_start_matches('[').trim_end_matches(']')),
        None => Err(Failure::input(format!(
            "expected HOST:PORT, such as example.org:443 or [::1]:8443, and got {server:?}"
        ))),
    }
}

/// A TCP connection to the first address of `server` that takes one.
pub(crate) fn dial(server: &str) -> Result<TcpStream, Failure> {
    let addresses: Vec<SocketAddr> = server
        .to_socket_addrs()
        .map_err(|error| {
            Failure::connection(format!(
                "the name in {server} has no address ({error}): correct it, or look at this machine's DNS"
            ))
        })?
        .collect();
    let mut last = std::io::ErrorKind::AddrNotAvailable.into();
    for address in addresses {
        match TcpStream::connect_timeout(&address, DIAL_LIMIT) {
            Ok(tcp) => return Ok(tcp),
            Err(error) => last = error,
        }
    }
    Err(failure::tcp(server, &last))
}

/// Reads a file that cannot be large.
fn read(path: &Path, expected: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let done = fs::File::open(path).and_then(|file| file.take(FILE_LIMIT).read_to_end(&mut bytes));
    match done {
        Ok(_) => Ok(bytes),
        Err(error) => Err(Failure::input(format!(
            "expected {expected} in {}, but it cannot be read ({error}): correct the path or its permissions",
            path.display()
        ))),
    }
}

fn parse_pin(text: &str) -> Option<[u8; 32]> {
    let (digits, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let bytes = digits.iter().map(|pair| {
        let pair = str::from_utf8(pair)
            .ok()
            .filter(|pair| !pair.starts_with('+'))?;
        u8::from_str_radix(pair, 16).ok()
    });
    bytes.collect::<Option<Vec<u8>>>()?.try_into().ok()
}

/// Bytes of a PEM file that are read. All of Mozilla's roots are about 200 KiB.
const FILE_LIMIT: u64 = 4 << 20;
const DIAL_LIMIT: Duration = Duration::from_secs(10); // for each address
