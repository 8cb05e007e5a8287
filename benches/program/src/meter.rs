//! What is measured while a side runs.
#![allow(clippy::disallowed_methods)] // the environment names the counter's file

use std::fs::File;
use std::os::unix::fs::FileExt;

use rustix::time::{ClockId, clock_gettime};

use crate::Failure;

/// What a meter shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nanoseconds of the thread on a processor.
    Time,
    /// Calls of malloc.
    Calls,
    /// Bytes that are allocated.
    Bytes,
}

impl Kind {
    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "time" => Some(Self::Time),
            "calls" => Some(Self::Calls),
            "bytes" => Some(Self::Bytes),
            _ => None,
        }
    }
}

/// Sums for the two sides.
pub struct Meter {
    kind: Kind,
    counter: Option<File>,
    /// What reading the clock twice costs by itself.
    cost: i64,
    client: i64,
    server: i64,
    around: Option<(Whose, Around)>,
}

/// A side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The one that began.
    Client,
    /// The other.
    Server,
}

/// Runs a step, for a tool that watches the function.
pub type Around = fn(&mut dyn FnMut());

impl Meter {
    /// A meter at zero. That of memory needs the malloc counter preloaded, which leaves its numbers in a file.
    pub fn new(kind: Kind) -> Result<Self, Failure> {
        let counter = match kind {
            Kind::Time => None,
            Kind::Calls | Kind::Bytes => {
                let file = std::env::var_os("PITH_HEAP_COUNTER").ok_or("no malloc counter")?;
                Some(File::open(file)?)
            }
        };
        let mut meter = Self {
            kind,
            counter,
            cost: 0,
            client: 0,
            server: 0,
            around: None,
        };
        if kind == Kind::Time {
            let mut costs: Vec<i64> = (0..51)
                .map(|_| {
                    let before = meter.now();
                    meter.now() - before
                })
                .collect();
            costs.sort_unstable();
            meter.cost = costs[costs.len() / 2];
        }
        Ok(meter)
    }

    /// A meter that shows nothing: it has the steps of one side run by `around`.
    pub fn watched(whose: Whose, around: Around) -> Self {
        Self {
            kind: Kind::Time,
            counter: None,
            cost: 0,
            client: 0,
            server: 0,
            around: Some((whose, around)),
        }
    }

    /// Runs a step of the client.
    pub fn client<T>(&mut self, step: impl FnOnce() -> T) -> T {
        if let Some((whose, around)) = self.around {
            return run(whose == Whose::Client, around, step);
        }
        let before = self.now();
        let outcome = step();
        self.client += self.now() - before - self.cost;
        outcome
    }

    /// Runs a step of the server.
    pub fn server<T>(&mut self, step: impl FnOnce() -> T) -> T {
        if let Some((whose, around)) = self.around {
            return run(whose == Whose::Server, around, step);
        }
        let before = self.now();
        let outcome = step();
        self.server += self.now() - before - self.cost;
        outcome
    }

    /// The sums: client and server.
    pub fn sums(&self) -> (i64, i64) {
        (self.client, self.server)
    }

    /// What it shows now.
    pub fn shows(&self) -> i64 {
        self.now()
    }

    fn now(&self) -> i64 {
        match (&self.counter, self.kind) {
            (Some(counter), Kind::Bytes) => read(counter, 0),
            (Some(counter), _) => read(counter, 8),
            (None, _) => nanoseconds(ClockId::ThreadCPUTime),
        }
    }
}

fn run<T>(watched: bool, around: Around, step: impl FnOnce() -> T) -> T {
    let (mut step, mut outcome) = (Some(step), None);
    let mut run = || outcome = step.take().map(|step| step());
    if watched {
        around(&mut run);
    } else {
        run();
    }
    // `around` runs the step, or the measurement is worth nothing.
    outcome.unwrap_or_else(|| std::process::abort())
}

/// Nanoseconds that all threads of this process have had of a processor.
pub fn processor_time() -> i64 {
    nanoseconds(ClockId::ProcessCPUTime)
}

fn nanoseconds(clock: ClockId) -> i64 {
    let time = clock_gettime(clock);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// Allocates nothing. A counter that cannot be read shows in the sums.
fn read(counter: &File, offset: u64) -> i64 {
    let mut number = [0; 8];
    match counter.read_exact_at(&mut number, offset) {
        Ok(()) => i64::from_ne_bytes(number),
        Err(_) => 0,
    }
}
