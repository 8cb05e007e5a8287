//! The program that wraps a TLS library into a peer of the interop tests; `peers/node/peer.js` speaks the same language.
//!
//! `PEER server --cert FILE --key FILE` listens on a free port of this machine, prints `ACCEPT 127.0.0.1:PORT` and serves one
//! client. `PEER client --port N --ca FILE --name NAME` connects to such a port. Both print `KEY VALUE` lines of what was
//! negotiated, then `open`, send back every line that comes, and end with `closed` after a close_notify. A line `update` makes
//! them change their keys first, `close` makes them close first. Whatever fails is one line `error ...` and exit code 1.
//!
//! More options: `--ca FILE` of a server demands a client's certificate, `--cert FILE --key FILE` of a client shows one,
//! `--alpn NAME`, `--groups LIST` in the library's own terms, `--staple FILE` to send, `--status yes` to ask for a staple,
//! `--compress NAME` for certificates, with a fact `compressed NAME` where one was sent so and `expanded NAME` where one came so;
//! Node prints a trace of all messages instead.
//!
//! Sessions: a client resumes the one in `--session-in FILE` and writes the newest ticket's to `--session-out FILE`. A server seals
//! its tickets under the 48 bytes of `--tickets FILE`, so that another process can open them. The fact is `resumed true`. A
//! client sends the contents of `--early FILE` as early data; a server takes it with `--early-data yes`. What became of it is
//! `early accepted` or `early rejected`, no fact where none was offered or a server did not look; a server prints the bytes that
//! it took as `early-data`.
//!
//! Raw public keys: `--raw yes` shows the key of `--key` alone, `--raw-peer FILE` takes a peer that shows the key in this file, a
//! SubjectPublicKeyInfo in DER, and no other; the fact is `peer-key`.
//!
//! Keys that were agreed on before: `--psk FILE`, `--psk-identity FILE`, and `--psk-context FILE` where they are imported.

pub mod files;

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

/// The exporter whose 32 bytes, without a context, every peer prints as `exporter`: the channel binding of RFC 9266.
pub const EXPORTER: &str = "EXPORTER-Channel-Binding";

/// The options, without their dashes.
pub struct Options {
    /// The role.
    pub server: bool,
    values: HashMap<String, String>,
}

impl Options {
    /// Those of the command line.
    pub fn new() -> Result<Self, Failure> {
        let mut arguments = std::env::args().skip(1);
        let server = match arguments.next().as_deref() {
            Some("server") => true,
            Some("client") => false,
            _ => return Err("neither server nor client".into()),
        };
        let mut values = HashMap::new();
        while let Some(name) = arguments.next() {
            let name = name
                .strip_prefix("--")
                .ok_or("an option has two dashes")?
                .to_owned();
            values.insert(name, arguments.next().ok_or("an option has a value")?);
        }
        Ok(Self { server, values })
    }

    /// Refuses options that this program does not have.
    pub fn only(&self, known: &[&str]) -> Result<(), Failure> {
        let unknown = self
            .values
            .keys()
            .find(|name| !known.contains(&name.as_str()));
        unknown.map_or(Ok(()), |name| Err(format!("no option --{name}").into()))
    }

    /// Whether it was said.
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// This machine's address that it serves on, or that it finds its server at.
    pub fn host(&self) -> Result<IpAddr, Failure> {
        let host = self.get("host").map(str::parse).transpose()?;
        Ok(host.unwrap_or(Ipv4Addr::LOCALHOST.into()))
    }

    /// The value of an option.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// The value of an option that has to be there.
    pub fn need(&self, name: &str) -> Result<&str, Failure> {
        self.get(name).ok_or_else(|| format!("no --{name}").into())
    }

    /// The name and the two keys in the file that `--tickets` names.
    pub fn tickets(&self) -> Result<Option<[u8; 48]>, Failure> {
        let bytes = self.file("tickets")?;
        let keys = bytes.map(|bytes| bytes.try_into().map_err(|_| "--tickets wants 48 bytes"));
        Ok(keys.transpose()?)
    }

    /// The contents of the file that an option names.
    pub fn file(&self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.get(name).map(std::fs::read).transpose()?)
    }
}

/// Why a peer ends with 1.
pub type Failure = Box<dyn std::error::Error>;

/// An open connection of the library's.
pub trait Session: Read + Write {
    /// What was negotiated. Bytes are in hex.
    fn facts(&self) -> Vec<(&'static str, String)>;
    /// Changes its keys.
    fn update(&mut self) -> Result<(), Failure>;
    /// Sends close_notify.
    fn close(&mut self) -> Result<(), Failure>;
    /// Whether a close_notify came, and not just the end of the connection.
    fn closed(&mut self) -> bool;
}

/// The whole program; `open` does the handshake.
pub fn run(
    open: impl FnOnce(&Options, TcpStream) -> Result<Box<dyn Session>, Failure>,
) -> ExitCode {
    end(Options::new().and_then(|options| {
        let tcp = if options.server {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            println!("ACCEPT {}", listener.local_addr()?);
            listener.accept()?.0
        } else {
            TcpStream::connect((Ipv4Addr::LOCALHOST, options.need("port")?.parse()?))?
        };
        tcp.set_read_timeout(Some(LIMIT))?;
        talk(&mut *open(&options, tcp)?)
    }))
}

/// Says how it ended.
pub fn end(outcome: Result<&str, Failure>) -> ExitCode {
    match outcome {
        Ok(end) => {
            println!("{end}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            println!("error {}", failure.to_string().replace('\n', " "));
            ExitCode::FAILURE
        }
    }
}

fn talk(session: &mut dyn Session) -> Result<&'static str, Failure> {
    for (key, value) in session.facts() {
        println!("{key} {value}");
    }
    println!("open");
    let mut line = Vec::new();
    let mut buffer = vec![0; 65536];
    loop {
        let count = match session.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            other => other?,
        };
        if count == 0 {
            let end = if session.closed() {
                "closed"
            } else {
                "truncated"
            };
            // The other side may be gone.
            drop(session.close());
            return Ok(end);
        }
        for byte in &buffer[..count] {
            line.push(*byte);
            if *byte == b'\n' {
                match line.as_slice() {
                    b"update\n" => session.update()?,
                    b"close\n" => session.close()?,
                    _ => {}
                }
                if line != b"close\n" {
                    session.write_all(&line)?;
                    session.flush()?;
                }
                line.clear();
            }
        }
    }
}

/// As a value of a fact.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How long a peer waits for anything.
pub const LIMIT: Duration = Duration::from_secs(60);
