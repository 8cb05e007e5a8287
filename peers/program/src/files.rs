//! What the peers over QUIC have in common: HTTP/0.9, one request for each stream of the client's.
//!
//! `PEER server --cert FILE --key FILE --root DIR` listens on a free port of this machine, prints `ACCEPT 127.0.0.1:PORT` and answers
//! `GET /PATH` with the file, on any number of connections, until it is killed. `PEER client --port N --ca FILE --name NAME --out DIR
//! --get PATHS` asks for all of the paths, which spaces separate, at once and on one connection, writes the files, and ends with
//! `done`. Both print `KEY VALUE` lines: of a server each with the number of its connection before it.
//!
//! `--host ADDRESS` is this machine, where it is not 127.0.0.1. More options, with `yes` where nothing else is said. Not every library has all of them, and a program refuses one that it lacks:
//! `--alpn NAME` in place of hq-interop, `--groups LIST`, `--suite NAME`; `--retry` of a server; `--session-in FILE` and
//! `--session-out FILE` of a client; `--early`: a client asks in early data, a server takes it; `--update` changes keys when a connection is open;
//! `--migrate`: a client goes on from another port when the first bytes have come.
//!
//! Facts: `group`, `suite`, `resumed`, `early accepted|rejected`, `retried`, `migrated`, each where a library tells it.

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::{Failure, Options};

/// The name of the protocol.
pub const ALPN: &str = "hq-interop";

/// A server's folder.
pub struct Root(PathBuf);

impl Root {
    /// The folder that the options name.
    pub fn new(options: &Options) -> Result<Self, Failure> {
        Ok(Self(options.need("root")?.into()))
    }

    /// The file that this whole request is for.
    pub fn answer(&self, request: &[u8]) -> Result<Vec<u8>, Failure> {
        let request = std::str::from_utf8(request)?;
        let path = request.strip_prefix("GET /").ok_or("not a GET")?;
        self.file(path.trim_end_matches("\r\n"))
    }

    /// The file at this path, without its first slash.
    pub fn file(&self, path: &str) -> Result<Vec<u8>, Failure> {
        let path = Path::new(path);
        let is_name = |part| matches!(part, Component::Normal(_));
        if !path.components().all(is_name) {
            return Err("not a file below the folder".into());
        }
        Ok(fs::read(self.0.join(path))?)
    }
}

/// What a client asks for, and where it puts it.
pub struct Wanted {
    /// Names of files.
    pub names: Vec<String>,
    out: PathBuf,
}

impl Wanted {
    /// What the options say.
    pub fn new(options: &Options) -> Result<Self, Failure> {
        let names = options.need("get")?.split_whitespace();
        Ok(Self {
            names: names.map(str::to_owned).collect(),
            out: options.need("out")?.into(),
        })
    }

    /// Others in their place.
    pub fn instead(self, names: &str) -> Self {
        let names = names.split_whitespace().map(str::to_owned).collect();
        Self { names, ..self }
    }

    /// The request for one of them.
    pub fn request(name: &str) -> Vec<u8> {
        format!("GET /{name}\r\n").into_bytes()
    }

    /// Writes one of them.
    pub fn keep(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        Ok(fs::write(self.out.join(name), bytes)?)
    }
}
