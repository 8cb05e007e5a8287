//! A client that comes back: it keeps its sessions in a file from one run to the next, sealed under a key in another, and sends its request as
//! early data where the server takes that.
//!
//! ```sh
//! (umask 077; head -c 32 /dev/urandom > key)
//! cargo run -p pith-io --features tokio --example tokio_sessions -- example.org 443 roots.pem sessions key
//! ```
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use pith_io::tokio::Stream;
use pith_tls::{ClientConfig, EarlyData, Session, SessionKey, SessionStore, Trust};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, port, roots, sessions, key] = arguments.as_slice() else {
        return Err("usage: tokio_sessions NAME PORT ROOTS.pem SESSIONS KEY".into());
    };
    let key = <[u8; 32]>::try_from(std::fs::read(key)?);
    let key = SessionKey::new(&key.map_err(|_| "the key is not of 32 bytes")?);
    let store = match std::fs::read(sessions) {
        Ok(saved) => load(&saved, &key).ok_or("these are no sessions under this key")?,
        Err(error) if error.kind() == ErrorKind::NotFound => SessionStore::new(),
        Err(error) => return Err(error.into()),
    };
    let trust = Trust::roots_from_pem(&std::fs::read(roots)?)?;
    let config = ClientConfig::new(trust)
        .sessions(store.clone())
        .early_data(true) // this request can come twice and do no harm
        .build()?;
    let tcp = TcpStream::connect((name.as_str(), port.parse()?)).await?;
    let request = format!("HEAD / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n");
    let answer = ask(&config, tcp, name, request.as_bytes()).await;
    // Also after a failure: the ticket that it took out of the store must not come back.
    std::fs::write(sessions, save(&store, &key)?)?;
    let answer = answer?;
    println!(
        "resumed: {}, early data: {:?}",
        answer.resumed, answer.early
    );
    print!("{}", String::from_utf8_lossy(&answer.bytes));
    Ok(())
}

/// What came of a request.
pub struct Answer {
    /// All that the server said.
    pub bytes: Vec<u8>,
    /// Whether the connection resumed one before it.
    pub resumed: bool,
    /// What became of the early data.
    pub early: EarlyData,
}

/// Sends one request to the server called `name`, at the other end of `tcp`, as early as that can be.
pub async fn ask(
    config: &Arc<ClientConfig>,
    tcp: TcpStream,
    name: &str,
    request: &[u8],
) -> io::Result<Answer> {
    tcp.set_nodelay(true)?;
    let mut tls = Stream::client(Arc::clone(config), name, tcp)?;
    let mut rest = request;
    // Only to a server that spoke like this one the last time.
    while !rest.is_empty() && tls.remembered() == Some(SETTLED) {
        match tls.write_early(rest).await? {
            0 => break, // the ticket allows no more
            count => rest = rest.get(count..).unwrap_or_default(),
        }
    }
    tls.handshake().await?;
    // Before anything is read, with which the next tickets may come.
    tls.remember(SETTLED)?;
    if tls.early_data() != EarlyData::Accepted {
        rest = request; // the server has seen none of it
    }
    tls.write_all(rest).await?;
    tls.flush().await?;
    let mut bytes = Vec::new();
    tls.read_to_end(&mut bytes).await?; // to close_notify: an answer that may be cut short is an error
    Ok(Answer {
        bytes,
        resumed: tls.summary().is_some_and(|summary| summary.resumed()),
        early: tls.early_data(),
    })
}

/// All sessions of a store, each sealed and behind its length.
pub fn save(store: &SessionStore, key: &SessionKey) -> io::Result<Vec<u8>> {
    let mut saved = Vec::new();
    for session in store.drain() {
        let sealed = session.seal(key).map_err(io::Error::other)?;
        let length = u32::try_from(sealed.len()).map_err(io::Error::other)?;
        saved.extend(length.to_be_bytes());
        saved.extend(sealed);
    }
    Ok(saved)
}

/// What [`save`] gave; `None` if it was altered, or saved under another key.
pub fn load(mut saved: &[u8], key: &SessionKey) -> Option<SessionStore> {
    let store = SessionStore::new();
    while let Some((length, rest)) = saved.split_first_chunk() {
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (sealed, rest) = rest.split_at_checked(length)?;
        store.insert(Session::open(key, sealed).ok()?);
        saved = rest;
    }
    saved.is_empty().then_some(store)
}

/// What early data needs to be understood, such as the settings of HTTP/3. Here it is only that there was a connection of this program.
const SETTLED: &[u8] = b"tokio_sessions 1";
