//! The server of a crowd, which tells how it is.

use std::io::{BufRead, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pith_io::tokio::quic::{Endpoint, Error, Incoming};
use pith_io::tokio::{Acceptor, Stream};
use pith_quic::VarInt;
use pith_tests::heap::Counter;
use pith_tls::{Credential, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Handle};

use super::{ALPN, Kind, PATIENCE, Report, WORD};

/// Prints its address, and then an answer to each line that it reads.
pub(crate) fn run(kind: &str, folder: &str, counter: &Counter) -> Result<String, String> {
    let kind = kind.parse()?;
    let read = |name| std::fs::read(Path::new(folder).join(name)).unwrap();
    let credential = Credential::from_pem(&read("chain.pem"), &read("key.pem")).unwrap();
    let tls = ServerConfig::new(credential).alpn(&[ALPN]).build().unwrap();
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let _entered = runtime.enter();
    let open = Arc::new(AtomicUsize::new(0));
    let (address, endpoint) = match kind {
        Kind::Tls => (runtime.block_on(listen(tls, Arc::clone(&open))), None),
        Kind::Quic => {
            let config = pith_quic::ServerConfig::new(tls).idle_timeout(Some(PATIENCE));
            let endpoint = Endpoint::server("127.0.0.1:0", config.build().unwrap()).unwrap();
            runtime.spawn(serve(endpoint.clone(), Arc::clone(&open)));
            (endpoint.local_addr(), Some(endpoint))
        }
    };
    say(&address);
    for line in std::io::stdin().lock().lines() {
        let report = || Report {
            open: open.load(Ordering::SeqCst),
            heap: counter.bytes(),
            rss: rss(),
        };
        match line.as_deref() {
            Ok("report") => say(&report()),
            Ok("drained") => {
                let held = || {
                    let endpoint = endpoint.as_ref();
                    let connections = endpoint.map_or(0, |endpoint| endpoint.stats().connections);
                    report().open + connections + runtime.metrics().num_alive_tasks()
                };
                // Until nothing changes any more.
                let (mut before, mut same) = ((held(), counter.bytes()), 0);
                for _ in 0..3000 {
                    std::thread::sleep(Duration::from_millis(100));
                    let now = (held(), counter.bytes());
                    same = if now == before { same + 1 } else { 0 };
                    before = now;
                    if same == 3 && now.0 <= TASKS {
                        break;
                    }
                }
                say(&report());
            }
            _ => break,
        }
    }
    Ok("over".to_owned())
}

async fn listen(config: Arc<ServerConfig>, open: Arc<AtomicUsize>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = Arc::new(Acceptor::new(config).handshake_limit(PATIENCE));
    Handle::current().spawn(async move {
        loop {
            match listener.accept().await {
                Ok((socket, _)) => {
                    let (acceptor, open) = (Arc::clone(&acceptor), Arc::clone(&open));
                    tokio::spawn(async move {
                        if let Err(error) = answer(&acceptor, socket, &open).await {
                            eprintln!("server: {error}");
                        }
                    });
                }
                Err(error) => {
                    eprintln!("server: {error}; `ulimit -n` has to be above the connections");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    });
    address
}

async fn answer(
    acceptor: &Acceptor,
    socket: TcpStream,
    open: &AtomicUsize,
) -> Result<(), std::io::Error> {
    let mut stream: Stream<TcpStream> = acceptor.accept(socket).await?;
    let mut word = *WORD;
    stream.read_exact(&mut word).await?;
    stream.write_all(&word).await?;
    stream.flush().await?;
    let _guest = Guest::new(open);
    // Until it closes.
    stream.read_exact(&mut [0]).await.map_or_else(
        |error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Ok(()),
            _ => Err(error),
        },
        |_| Err(std::io::Error::other("a second word")),
    )?;
    stream.shutdown().await
}

async fn serve(endpoint: Endpoint, open: Arc<AtomicUsize>) {
    while let Some(incoming) = endpoint.accept().await {
        let open = Arc::clone(&open);
        tokio::spawn(async move {
            match converse(incoming, &open).await {
                Err(error) if error.closed_by_peer() != Some(0) => eprintln!("server: {error}"),
                Ok(()) | Err(_) => {}
            }
        });
    }
}

async fn converse(incoming: Incoming, open: &AtomicUsize) -> Result<(), Error> {
    let connection = incoming.await?;
    let (mut send, mut recv) = connection.accept_bi().await?;
    let word = recv.read_to_end(WORD.len()).await?;
    send.write_all(&word).await?;
    send.finish()?;
    drop((send, recv));
    let _guest = Guest::new(open);
    connection
        .accept_uni()
        .await?
        .read_to_end(WORD.len())
        .await?;
    connection.close(VarInt::from(0_u8), b"");
    Ok(())
}

/// Counts a connection as long as it lives.
struct Guest<'a>(&'a AtomicUsize);

impl<'a> Guest<'a> {
    fn new(open: &'a AtomicUsize) -> Self {
        open.fetch_add(1, Ordering::SeqCst);
        Self(open)
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn say(line: &impl std::fmt::Display) {
    println!("{line}");
    std::io::stdout().flush().unwrap();
}

/// Resident memory in kB.
fn rss() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap()
}

/// Tasks without a connection: who accepts, and the endpoint's.
const TASKS: usize = 2;
