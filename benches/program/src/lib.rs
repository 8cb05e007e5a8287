//! What the programs share that Pith is measured by and beside: the line protocol with `compare`, the scenarios of TLS, and the meters.
//!
//! A program reads commands from standard input, a line each, and answers each with a line. `METER SCENARIO COUNT` does the
//! scenario so many times and answers `ok CLIENT SERVER`, both sums of what the meter showed: `time` in nanoseconds of the thread's
//! processor, `calls` of malloc, `bytes` that are still allocated. What a library cannot do is answered by `skip REASON`, and what
//! fails by `error REASON`. `rate SCENARIO THREADS MILLISECONDS` answers how many handshakes in a second so many threads did. `pin CORE` keeps the program on one processor. The program ends with its input.
//!
//! Both sides of a connection live in one thread and are joined by memory. A side's meter runs only while the side itself does.

#![forbid(unsafe_code)]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

pub mod machine;
mod meter;
#[cfg(feature = "quic")]
pub mod quic;
mod scenario;
mod wire;

use std::io::{self, BufRead, Write};
use std::path::PathBuf;

use rustix::thread::{CpuSet, sched_setaffinity};

pub use meter::{Around, Kind, Meter, Whose, processor_time};
pub use scenario::{Library, Need, Setup, Side, Tls, batch};
pub use wire::{Link, Pipe, Wire};

/// Why something did not work.
pub type Failure = Box<dyn std::error::Error>;

/// The name of the server in its certificate.
pub const NAME: &str = "server.example";

/// Answers commands until the input ends. `answer` gets the words of each.
pub fn serve(mut answer: impl FnMut(&[&str]) -> Result<String, Failure>) -> io::Result<()> {
    let mut output = io::stdout();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let outcome = match words.as_slice() {
            ["pin", core] => pin(core),
            words => answer(words),
        };
        let text = match outcome {
            Ok(text) => text,
            Err(failure) => match failure.downcast_ref::<Unable>() {
                Some(Unable(reason)) => format!("skip {reason}"),
                None => format!("error {}", failure.to_string().replace('\n', " ")),
            },
        };
        writeln!(output, "{text}")?;
        output.flush()?;
    }
    Ok(())
}

/// Keeps this thread, and those that it will start, on one processor.
fn pin(core: &str) -> Result<String, Failure> {
    let mut cores = CpuSet::new();
    cores.set(core.parse()?);
    sched_setaffinity(None, &cores)?;
    Ok("ok 0 0".to_owned())
}

/// A library cannot do what a scenario asks for.
#[derive(Debug)]
pub struct Unable(pub &'static str);

impl std::fmt::Display for Unable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Unable {}

/// The folder with `ca.pem`, `server.pem`, `server.key`, `client.pem` and `client.key`.
#[derive(Debug, Clone)]
pub struct Files(PathBuf);

impl Files {
    /// The one that the first argument of the program names.
    pub fn from_argument() -> Result<Self, Failure> {
        let folder = std::env::args_os().nth(1).ok_or("no folder of files")?;
        Ok(Self(folder.into()))
    }

    /// A folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// The contents of one.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, Failure> {
        Ok(std::fs::read(self.path(name))?)
    }

    /// Where one is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}
