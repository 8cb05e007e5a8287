//! A year of keys, in simulated time: tickets under rotating keys and those of a fleet, a client's sessions, and QUIC's address tokens are good exactly as long as
//! they should be, and nothing of a day that is over is held.

mod quic;
mod tls;

use std::time::Duration;

use pith_tests::heap::Counter;

/// Each simulated hour has a few handshakes.
pub(crate) fn run(days: u64, counter: &Counter) -> Result<String, String> {
    let tls = tls::run(days, counter)?;
    let quic = quic::run(days, counter)?;
    Ok(format!("{days} days: {tls}; {quic}"))
}

/// Notes the heap once a day, and says whether it stays as it was.
struct Flat<'a> {
    counter: &'a Counter,
    /// Days until everything that is kept has its size.
    settled: u64,
    least: i64,
    most: i64,
}

impl<'a> Flat<'a> {
    fn new(counter: &'a Counter, settled: u64) -> Self {
        Self {
            counter,
            settled,
            least: i64::MAX,
            most: 0,
        }
    }

    fn note(&mut self, day: u64) {
        if day >= self.settled {
            let bytes = self.counter.bytes();
            self.least = self.least.min(bytes);
            self.most = self.most.max(bytes);
        }
    }

    /// What was found, if the heap did not differ by more than so many bytes.
    fn result(&self, what: &str, bound: i64) -> Result<String, String> {
        let (settled, least, most) = (self.settled, self.least, self.most);
        let result = format!("{what}, heap {least} to {most} bytes from day {settled} on");
        match most - least {
            0.. if most - least <= bound => Ok(result),
            _ => Err(result),
        }
    }
}

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
