//! Some of the clients of a crowd.

use std::future::Future;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pith_io::tokio::quic::{Connection, Endpoint};
use pith_io::tokio::{Connector, Stream};
use pith_tests::pair::NAME;
use pith_tls::{ClientConfig, Trust};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{ALPN, Kind, PATIENCE, WORD};

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Says "held" when all are connected, waits for a line, closes them, and says so.
pub(crate) fn run(kind: &str, address: &str, count: &str, folder: &str) -> Result<String, String> {
    let (kind, address) = (kind.parse()?, address.parse().unwrap());
    let count = count.parse().unwrap();
    let root = std::fs::read(Path::new(folder).join("root.pem")).unwrap();
    let tls = ClientConfig::new(Trust::roots_from_pem(&root).unwrap());
    let tls = tls.alpn(&[ALPN]).build().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }.worker_threads(1).enable_all().build().unwrap();
    let done = runtime.block_on(async {
        match kind {
            Kind::Tls => streams(tls, address, count).await,
            Kind::Quic => connections(tls, address, count).await,
        }
    });
    match done {
        Ok(()) => Ok("closed".to_owned()),
        Err(error) => Err(format!("client: {error}")),
    }
}

async fn streams(tls: Arc<ClientConfig>, to: SocketAddr, count: usize) -> Result<(), Failed> {
    let connector = Connector::new(tls).handshake_limit(PATIENCE);
    let held = all(count, || {
        let connector = connector.clone();
        async move {
            let socket = TcpStream::connect(to).await?;
            let mut stream = connector.connect(NAME, socket).await?;
            stream.write_all(WORD).await?;
            stream.flush().await?;
            let mut word = [0; WORD.len()];
            stream.read_exact(&mut word).await?;
            same(&word)?;
            Ok(stream)
        }
    })
    .await?;
    hold().await;
    let mut held: Vec<Stream<TcpStream>> = held;
    for stream in &mut held {
        stream.shutdown().await?;
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await?;
    }
    Ok(())
}

async fn connections(tls: Arc<ClientConfig>, to: SocketAddr, count: usize) -> Result<(), Failed> {
    let endpoint = Endpoint::client("127.0.0.1:0")?;
    let config = pith_quic::ClientConfig::new(tls).idle_timeout(Some(PATIENCE));
    let config = config.handshake_timeout(PATIENCE).build()?;
    let held = all(count, || {
        let (endpoint, config) = (endpoint.clone(), config.clone());
        async move {
            let connection = endpoint.connect(&config, to, NAME).await?;
            let (mut send, mut recv) = connection.open_bi().await?;
            send.write_all(WORD).await?;
            send.finish()?;
            same(&recv.read_to_end(WORD.len()).await?)?;
            Ok(connection)
        }
    })
    .await?;
    hold().await;
    let mut held: Vec<Connection> = held;
    let count = held.len();
    let take = |held: &mut Vec<Connection>| held.pop().unwrap();
    all(count, || leave(take(&mut held))).await?;
    endpoint.shutdown(PATIENCE).await;
    Ok(())
}

/// Says that it goes, until the server knows; the server then closes. A CONNECTION_CLOSE frame is sent once, and where it is lost its peer waits for as long as a
/// connection may be idle.
async fn leave(connection: Connection) -> Result<(), Failed> {
    let mut send = connection.open_uni().await?;
    send.write_all(WORD).await?;
    send.finish()?;
    send.stopped().await.unwrap_or_default();
    // However it ends: the server has closed, and says so once; later it knows of no such connection.
    let closed = tokio::time::timeout(Duration::from_secs(2), connection.closed());
    closed.await.map_or_else(|_| Ok(()), |_| Ok(()))
}

/// So many of these at last, a few at a time.
async fn all<T, F>(count: usize, mut one: impl FnMut() -> F) -> Result<Vec<T>, Failed>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Failed>> + Send + 'static,
{
    let gate = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    for _ in 0..count {
        let (gate, one) = (Arc::clone(&gate), one());
        tasks.spawn(async move {
            let _place = gate.acquire_owned().await?;
            one.await
        });
    }
    let mut held = Vec::with_capacity(count);
    while let Some(done) = tasks.join_next().await {
        held.push(done??);
    }
    Ok(held)
}

fn same(word: &[u8]) -> Result<(), Failed> {
    match word == WORD {
        true => Ok(()),
        false => Err("another word came back".into()),
    }
}

/// Until a line comes.
async fn hold() {
    println!("held");
    std::io::stdout().flush().unwrap();
    let line = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
    line.await.unwrap().unwrap();
}

/// Handshakes at a time.
const AT_ONCE: usize = 32;
