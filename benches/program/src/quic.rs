//! The scenarios of QUIC over sockets, the same for every library that runs on tokio: a program is a client or a server.
//!
//! A client opens a stream and sends eight bytes on it, a number; the server answers with so many bytes. Commands of a server: `start`
//! (answers its port), `cpu` (nanoseconds so far, of all threads), `heap` (bytes that are allocated, by the malloc counter). Commands of a
//! client: those but `start`, and `connect PORT`, `streams COUNT BYTES`, `requests COUNT`, `handshakes COUNT`, `hold COUNT` (connections, until the process ends),
//! `each ROUNDS` (a request on each connection that is held), `lives ROUNDS COUNT` (so many connections that are open at the same time, a request
//! on each, and their end). Both have `resident` (bytes in memory, by the system). A client's own commands answer with the
//! nanoseconds that they took by the clock and on the processor, but `requests` with its median and its 99th percentile.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::future::Future;
use std::sync::mpsc;
use std::time::Instant;

use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::{Failure, Files, Kind, Meter, processor_time, serve};

/// A library's client, and what its server does.
pub trait Quic: Sized + 'static {
    /// A connection of the client.
    type Connection: Clone + Send + 'static;
    /// Listens, tells its port, and serves until the process ends.
    fn serve(files: Files, port: mpsc::Sender<u16>) -> impl Future<Output = Result<(), Failure>>;
    /// A client, in a runtime.
    fn client(files: &Files) -> Result<Self, Failure>;
    /// A connection whose handshake is complete.
    fn connect(
        &self,
        port: u16,
    ) -> impl Future<Output = Result<Self::Connection, String>> + Send + 'static;
    /// Asks for so many bytes, and says how many came.
    fn request(
        connection: Self::Connection,
        bytes: u64,
    ) -> impl Future<Output = Result<u64, String>> + Send + 'static;
    /// Closes a connection.
    fn close(connection: Self::Connection);
}

/// The program.
pub fn run<Q: Quic>(files: &Files, role: &str) -> Result<(), Failure> {
    if role == "server" {
        return Ok(serve(|words| match words {
            ["start"] => start::<Q>(files.clone()),
            words => common(words),
        })?);
    }
    let mut client = None;
    Ok(serve(|words| {
        if client.is_none() && words.first() == Some(&"connect") {
            client = Some(Client::<Q>::new(files)?);
        }
        match (words, &mut client) {
            (["connect", port], Some(client)) => client.connect(port.parse()?),
            (["streams", count, bytes], Some(client)) => {
                client.streams(count.parse()?, bytes.parse()?)
            }
            (["lives", rounds, count], Some(client)) => {
                client.lives(rounds.parse()?, count.parse()?)
            }
            (["each", rounds], Some(client)) => client.each(rounds.parse()?),
            (["requests", count], Some(client)) => client.requests(count.parse()?),
            (["handshakes", count], Some(client)) => client.handshakes(count.parse()?),
            (["hold", count], Some(client)) => client.hold(count.parse()?),
            (words, _) => common(words),
        }
    })?)
}

/// What every program answers: `cpu`, `heap` and `resident`.
pub fn common(words: &[&str]) -> Result<String, Failure> {
    match words {
        ["cpu"] => Ok(format!("ok {} 0", processor_time())),
        ["heap"] => Ok(format!("ok {} 0", Meter::new(Kind::Bytes)?.shows())),
        ["resident"] => {
            let status = std::fs::read_to_string("/proc/self/status")?;
            let words = status.split_whitespace();
            let mut size = words.skip_while(|word| *word != "VmRSS:").skip(1);
            let kibibytes: u64 = size.next().ok_or("no size")?.parse()?;
            Ok(format!("ok {} 0", kibibytes * 1024))
        }
        _ => Err("no such command".into()),
    }
}

/// The runtime of a program: one thread.
pub fn runtime() -> Result<Runtime, Failure> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    Ok(builder.enable_all().build()?)
}

fn start<Q: Quic>(files: Files) -> Result<String, Failure> {
    let (port, told) = mpsc::channel();
    std::thread::spawn(move || {
        let served = runtime().and_then(|runtime| runtime.block_on(Q::serve(files, port)));
        if let Err(failure) = served {
            println!("error {failure}");
        }
    });
    Ok(format!("ok {} 0", told.recv()?))
}

struct Client<Q: Quic> {
    runtime: Runtime,
    quic: Q,
    port: u16,
    connection: Option<Q::Connection>,
    held: Vec<Q::Connection>,
}

impl<Q: Quic> Client<Q> {
    fn new(files: &Files) -> Result<Self, Failure> {
        let runtime = runtime()?;
        let quic = {
            let _entered = runtime.enter();
            Q::client(files)?
        };
        Ok(Self {
            runtime,
            quic,
            port: 0,
            connection: None,
            held: Vec::new(),
        })
    }

    fn connect(&mut self, port: u16) -> Result<String, Failure> {
        self.port = port;
        let connection = self.runtime.block_on(self.quic.connect(port))?;
        self.connection = Some(connection);
        Ok("ok 0 0".to_owned())
    }

    fn current(&self) -> Result<Q::Connection, Failure> {
        self.connection
            .clone()
            .ok_or_else(|| "no connection".into())
    }

    fn streams(&mut self, count: usize, bytes: u64) -> Result<String, Failure> {
        let connection = self.current()?;
        let watch = Watch::new();
        self.runtime.block_on(async {
            let mut requests = JoinSet::new();
            for _ in 0..count {
                requests.spawn(Q::request(connection.clone(), bytes));
            }
            while let Some(got) = requests.join_next().await {
                check(got??, bytes)?;
            }
            Ok::<_, Failure>(())
        })?;
        Ok(watch.stop())
    }

    /// Asks each connection that is held for a byte, so many times.
    fn each(&mut self, rounds: usize) -> Result<String, Failure> {
        let watch = Watch::new();
        for _ in 0..rounds {
            self.runtime.block_on(async {
                let mut requests = JoinSet::new();
                for connection in &self.held {
                    if requests.len() == AT_ONCE {
                        check(requests.join_next().await.ok_or("none")???, 1)?;
                    }
                    requests.spawn(Q::request(connection.clone(), 1));
                }
                while let Some(got) = requests.join_next().await {
                    check(got??, 1)?;
                }
                Ok::<_, Failure>(())
            })?;
        }
        Ok(watch.stop())
    }

    fn lives(&mut self, rounds: usize, count: usize) -> Result<String, Failure> {
        let watch = Watch::new();
        for _ in 0..rounds {
            for connection in self.open(count)? {
                Q::close(connection);
            }
        }
        Ok(watch.stop())
    }

    /// Connections, each of which was asked for a byte, so that its handshake is confirmed.
    fn open(&mut self, count: usize) -> Result<Vec<Q::Connection>, Failure> {
        let mut connections = Vec::with_capacity(count);
        self.runtime.block_on(async {
            let mut opening = JoinSet::new();
            for _ in 0..count {
                if opening.len() == AT_ONCE {
                    connections.push(opening.join_next().await.ok_or("none")???);
                }
                let opened = self.quic.connect(self.port);
                opening.spawn(async {
                    let connection = opened.await?;
                    let got = Q::request(connection.clone(), 1).await?;
                    check(got, 1).map_err(|failure| failure.to_string())?;
                    Ok::<_, String>(connection)
                });
            }
            while let Some(opened) = opening.join_next().await {
                connections.push(opened??);
            }
            Ok::<_, Failure>(connections)
        })
    }

    fn requests(&mut self, count: usize) -> Result<String, Failure> {
        let connection = self.current()?;
        let mut times = Vec::with_capacity(count);
        self.runtime.block_on(async {
            for _ in 0..count {
                let start = Instant::now();
                check(Q::request(connection.clone(), 1).await?, 1)?;
                times.push(start.elapsed().as_nanos());
            }
            Ok::<_, Failure>(())
        })?;
        times.sort_unstable();
        Ok(format!(
            "ok {} {}",
            times[count / 2],
            times[count * 99 / 100]
        ))
    }

    fn handshakes(&mut self, count: usize) -> Result<String, Failure> {
        let watch = Watch::new();
        for _ in 0..count {
            let connection = self.runtime.block_on(self.quic.connect(self.port))?;
            Q::close(connection);
        }
        Ok(watch.stop())
    }

    fn hold(&mut self, count: usize) -> Result<String, Failure> {
        let watch = Watch::new();
        let opened = self.open(count)?;
        self.held.extend(opened);
        let pause = tokio::time::Duration::from_millis(300);
        self.runtime
            .block_on(async { tokio::time::sleep(pause).await });
        Ok(watch.stop())
    }
}

/// Handshakes or requests that are under way at one time, where there are many: what comes at once fits into a socket's buffer.
const AT_ONCE: usize = 16;

fn check(got: u64, want: u64) -> Result<(), Failure> {
    if got == want {
        return Ok(());
    }
    Err(format!("{got} bytes came of {want}").into())
}

/// Measures a command by both clocks.
pub struct Watch {
    start: Instant,
    processor: i64,
}

impl Watch {
    /// From now.
    #[allow(clippy::new_without_default)] // it reads clocks
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            processor: processor_time(),
        }
    }

    /// What to answer.
    pub fn stop(self) -> String {
        let processor = processor_time() - self.processor;
        format!("ok {} {processor}", self.start.elapsed().as_nanos())
    }
}
