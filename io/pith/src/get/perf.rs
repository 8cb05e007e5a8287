//! `pith get --perf`: how fast a server takes bytes, gives bytes and answers requests, over one connection (ALPN `perf`).

use std::io::{self, Write};
use std::time::{Duration, Instant};

use pith_io::tokio::quic::{Connection, Error};
use pith_quic::ClientConfig;
use tokio::task::JoinSet;

use super::connect::{connect, show};
use super::url::{self, Url};
use crate::cli::GetOptions;
use crate::failure::{self, Failure};
use crate::files::{GOODBYE, perf};
use crate::{escape, input};

/// What was measured.
struct Measured {
    bytes: u64,
    requests: u32,
    handshake: Duration,
    upload: Duration,
    download: Duration,
    answers: Duration,
}

/// Measures, and says what came out on standard output.
pub(super) async fn run(options: &GetOptions, config: &ClientConfig) -> Result<(), Failure> {
    let [server] = options.urls.as_slice() else {
        return Err(Failure::input(
            "--perf expects one URL, that of the server: measure one after the other",
        ));
    };
    let Url { host, port, .. } = url::parse(server)?;
    let server = url::authority(&host, port);
    let name = input::name(options.sni.as_deref().unwrap_or(&host))?;
    let start = Instant::now();
    let (endpoint, connection) = connect(config, &server, (&host, port), name).await?;
    let handshake = start.elapsed();
    show(&connection, &server, handshake, None);
    let failed = |error| Failure::connection(format!("{server} could not be measured: {error}."));
    let (bytes, requests) = (options.perf_bytes, options.perf_requests);
    let measured = Measured {
        bytes,
        requests,
        handshake,
        upload: exchange(&connection, bytes, 0).await.map_err(failed)?,
        download: exchange(&connection, 0, bytes).await.map_err(failed)?,
        answers: ask(&connection, requests).await.map_err(failed)?,
    };
    let text = match options.json {
        true => measured.json(&server),
        false => measured.table(),
    };
    write!(io::stdout(), "{text}").map_err(|error| failure::output(&error))?;
    connection.close(0_u8.into(), b"");
    endpoint.shutdown(GOODBYE).await;
    Ok(())
}

/// Sends so many bytes and asks for so many; says how long it took until all were there.
async fn exchange(connection: &Connection, sent: u64, wanted: u64) -> Result<Duration, Wrong> {
    let start = Instant::now();
    let (mut send, mut receive) = connection.open_bi().await?;
    send.write_all(&wanted.to_be_bytes()).await?;
    perf::fill(&mut send, sent).await?;
    let mut came = 0_u64;
    while let Some(part) = receive.read_chunk(perf::PART).await? {
        came = came.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
    }
    match came == wanted {
        true => Ok(start.elapsed()),
        false => Err(Wrong(format!("{came} bytes came of {wanted}"))),
    }
}

/// Asks for a little so many times, [`AT_ONCE`] at a time.
async fn ask(connection: &Connection, requests: u32) -> Result<Duration, Wrong> {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    let mut left = requests;
    loop {
        while left > 0 && tasks.len() < AT_ONCE {
            left = left.saturating_sub(1);
            let connection = connection.clone();
            tasks.spawn(async move { exchange(&connection, 0, ANSWER).await });
        }
        match tasks.join_next().await {
            Some(Ok(done)) => done?,
            Some(Err(_)) => return Err(Wrong("a request died".to_owned())),
            None => return Ok(start.elapsed()),
        };
    }
}

/// What went wrong, as text.
struct Wrong(String);

impl From<Error> for Wrong {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Measured {
    fn table(&self) -> String {
        let transfer = |name: &str, took: Duration| {
            let rate = megabits(self.bytes, took);
            let (bytes, seconds) = (self.bytes, took.as_secs_f64());
            format!("{name:10}{bytes:>14} bytes     {seconds:>9.3} s  {rate:>12.1} Mbit/s\n")
        };
        let (requests, seconds) = (self.requests, self.answers.as_secs_f64());
        let rate = per_second(self.requests, self.answers);
        [
            transfer("upload", self.upload),
            transfer("download", self.download),
            format!(
                "{:10}{requests:>14} requests  {seconds:>9.3} s  {rate:>12.0} /s\n",
                "requests"
            ),
        ]
        .concat()
    }

    fn json(&self, server: &str) -> String {
        let transfer = |took: Duration| {
            format!(
                "{{\"bytes\":{},\"seconds\":{:.6},\"megabits_per_second\":{:.3}}}",
                self.bytes,
                took.as_secs_f64(),
                megabits(self.bytes, took)
            )
        };
        format!(
            "{{\"peer\":{},\"handshake_seconds\":{:.6},\"upload\":{},\"download\":{},\"requests\":{{\"count\":{},\"seconds\":{:.6},\"per_second\":{:.3}}}}}\n",
            escape::json(server),
            self.handshake.as_secs_f64(),
            transfer(self.upload),
            transfer(self.download),
            self.requests,
            self.answers.as_secs_f64(),
            per_second(self.requests, self.answers)
        )
    }
}

/// Megabits a second.
fn megabits(bytes: u64, took: Duration) -> f64 {
    // Above 2^53 a number of bytes may be off by a few.
    #[allow(clippy::as_conversions)]
    let bytes = bytes as f64;
    bytes * 8.0 / 1e6 / took.as_secs_f64()
}

fn per_second(requests: u32, took: Duration) -> f64 {
    f64::from(requests) / took.as_secs_f64()
}

/// Requests that are under way at once: as many as a server lets clients have open, as a rule.
const AT_ONCE: usize = 100;
/// Bytes of an answer.
const ANSWER: u64 = 64;
