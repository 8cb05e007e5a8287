//! QUIC without sockets: two connections in memory, in a time that the scenario makes.
//!
//! Both sides live in one thread, joined by a path of 50 µs that loses nothing. The commands, answered as those of TLS with sums of client
//! and server:
//!
//! - `METER transfer BYTES`: a stream, once windows have grown.
//! - `METER shake COUNT`: handshakes.
//! - `METER streams-N ROUNDS`: N streams of 4 KiB at once, so many times.
//! - `METER loses PACKETS`, `METER reverses PACKETS`: a stream of so many packets, in a window of about as many, over a path of 20 ms
//!   that loses each tenth datagram either way, or hands over what it gets in 20 ms last first.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{Failure, Meter};

/// A connection.
pub trait Machine {
    /// Writes datagrams of one size behind one another to the front of the buffer, which it may make longer or shorter; the size, and
    /// how many bytes they are.
    fn transmit(&mut self, now: Duration, buffer: &mut Vec<u8>) -> Option<(usize, usize)>;
    /// Takes a datagram.
    fn receive(&mut self, now: Duration, datagram: &mut [u8]);
    /// When it wants to be called.
    fn deadline(&mut self) -> Option<Duration>;
    /// Time has come.
    fn on_deadline(&mut self, now: Duration);
    /// Whether its handshake is complete.
    fn is_open(&self) -> bool;
    /// Asks for so many bytes on a stream of their own, as soon as one may be opened.
    fn ask(&mut self, bytes: u64) -> Result<(), Failure>;
    /// Looks after its streams: reads what came, answers what was asked. How many bytes were read.
    fn work(&mut self) -> Result<u64, Failure>;
}

/// Configurations of a library.
pub trait Machines {
    /// Either side of a connection.
    type Machine: Machine;
    /// Whether those to come have room for 10,000 streams and 64 MiB at once, or the library's defaults.
    fn widen(&mut self, wide: bool) -> Result<(), Failure>;
    /// A client.
    fn client(&mut self) -> Result<Self::Machine, Failure>;
    /// A server, for a client whose first datagrams these are. It is still to receive them.
    fn server(&mut self, first: &mut [u8]) -> Result<Self::Machine, Failure>;
}

/// Answers a command.
pub fn answer<M: Machines>(machines: &mut M, words: &[&str]) -> Result<String, Failure> {
    let [meter, scenario, amount] = words else {
        return Err("METER SCENARIO AMOUNT".into());
    };
    let mut meter = Meter::new(crate::Kind::named(meter).ok_or("no such meter")?)?;
    run(machines, scenario, amount.parse()?, &mut meter)?;
    let (client, server) = meter.sums();
    Ok(format!("ok {client} {server}"))
}

/// Runs a scenario.
pub fn run<M: Machines>(
    machines: &mut M,
    scenario: &str,
    amount: u64,
    meter: &mut Meter,
) -> Result<(), Failure> {
    let idle = &mut Meter::new(crate::Kind::Time)?;
    match scenario {
        "shake" => {
            machines.widen(false)?;
            for _ in 0..amount {
                Pair::new(machines, Path::Plain, meter)?;
            }
            Ok(())
        }
        "transfer" => {
            machines.widen(false)?;
            let mut pair = Pair::new(machines, Path::Plain, idle)?;
            // Windows have grown then.
            pair.transfer(1, amount.min(16 << 20), idle)?;
            pair.transfer(1, amount, meter)
        }
        "loses" | "reverses" => {
            machines.widen(true)?;
            let mut pair = Pair::new(machines, Path::Slow, idle)?;
            // The congestion window has grown past the packets then.
            pair.transfer(1, 2 * amount * PACKET + (1 << 20), idle)?;
            pair.path = if scenario == "loses" {
                Path::Loses
            } else {
                Path::Reverses
            };
            pair.transfer(1, amount * PACKET, meter)?;
            // What acknowledges the last of it.
            while !(pair.to_client.is_empty() && pair.to_server.is_empty()) {
                pair.step(meter)?;
            }
            Ok(())
        }
        _ => {
            let count = scenario.strip_prefix("streams-");
            let count = count.ok_or("no such scenario")?.parse()?;
            machines.widen(true)?;
            let mut pair = Pair::new(machines, Path::Plain, idle)?;
            pair.transfer(count, STREAM, idle)?;
            for _ in 0..amount {
                pair.transfer(count, STREAM, meter)?;
            }
            Ok(())
        }
    }
}

/// What happens on the way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Path {
    /// All arrives 50 µs later.
    Plain,
    /// What is sent in 20 ms arrives at their end.
    Slow,
    /// The same, but for each tenth datagram.
    Loses,
    /// The same, the last first.
    Reverses,
}

impl Path {
    /// When that arrives which is sent now.
    fn arrival(self, now: Duration) -> Duration {
        if self == Self::Plain {
            return now + DELAY;
        }
        let periods = (now + DELAY).as_micros() / PERIOD.as_micros() + 1;
        PERIOD * u32::try_from(periods).unwrap_or(u32::MAX)
    }
}

/// Datagrams of one size behind one another, by when and in which order they arrive.
#[derive(Default)]
struct Way {
    flights: BTreeMap<(Duration, i64), (usize, Vec<u8>)>,
    count: i64,
}

impl Way {
    fn is_empty(&self) -> bool {
        self.flights.is_empty()
    }

    fn next(&self) -> Option<Duration> {
        Some(self.flights.first_key_value()?.0.0)
    }

    fn send(&mut self, path: Path, now: Duration, segment: usize, bytes: &[u8]) {
        let at = path.arrival(now);
        if path == Path::Plain {
            self.count += 1;
            let flight = (segment, bytes.to_vec());
            self.flights.insert((at, self.count), flight);
            return;
        }
        for datagram in bytes.chunks(segment) {
            self.count += 1;
            if path == Path::Loses && self.count % 10 == 0 {
                continue;
            }
            let order = if path == Path::Reverses {
                -self.count
            } else {
                self.count
            };
            let flight = (segment, datagram.to_vec());
            self.flights.insert((at, order), flight);
        }
    }

    /// What is there by now; on a path that is not plain no more than a receiver takes from its socket at once.
    fn due(&mut self, path: Path, now: Duration) -> Vec<(usize, Vec<u8>)> {
        let most = if path == Path::Plain { usize::MAX } else { 16 };
        let mut due = Vec::new();
        while due.len() < most && self.next().is_some_and(|at| at <= now) {
            due.extend(self.flights.pop_first().map(|(_, flight)| flight));
        }
        due
    }
}

struct Pair<M> {
    client: M,
    server: M,
    to_client: Way,
    to_server: Way,
    path: Path,
    buffer: Vec<u8>,
    now: Duration,
}

impl<M: Machine> Pair<M> {
    fn new<C: Machines<Machine = M>>(
        machines: &mut C,
        path: Path,
        meter: &mut Meter,
    ) -> Result<Self, Failure> {
        let mut buffer = vec![0; 1 << 16];
        let mut client = meter.client(|| machines.client())?;
        let sent = meter.client(|| client.transmit(Duration::ZERO, &mut buffer));
        let (segment, length) = sent.ok_or("no hello")?;
        let server = meter.server(|| machines.server(&mut buffer[..length.min(segment)]))?;
        let mut to_server = Way::default();
        to_server.send(path, Duration::ZERO, segment, &buffer[..length]);
        let mut pair = Self {
            client,
            server,
            to_client: Way::default(),
            to_server,
            path,
            buffer,
            now: Duration::ZERO,
        };
        for _ in 0..100 {
            if pair.client.is_open() && pair.server.is_open() {
                return Ok(pair);
            }
            pair.step(meter)?;
        }
        Err("the handshake does not end".into())
    }

    /// So many bytes on each of so many streams.
    fn transfer(&mut self, streams: u64, bytes: u64, meter: &mut Meter) -> Result<(), Failure> {
        meter.client(|| (0..streams).try_for_each(|_| self.client.ask(bytes)))?;
        let mut got = 0;
        while got < streams * bytes {
            got += self.step(meter)?;
        }
        Ok(())
    }

    /// Sends what there is, goes on to when something happens next, and delivers. How much the client read.
    fn step(&mut self, meter: &mut Meter) -> Result<u64, Failure> {
        let (now, path) = (self.now, self.path);
        while self.send(meter) && path != Path::Plain {
            // There is room for more to send.
            meter.server(|| self.server.work())?;
        }
        let flights = [self.to_client.next(), self.to_server.next()];
        let timers = [self.client.deadline(), self.server.deadline()];
        let next = flights.into_iter().chain(timers).flatten().min();
        self.now = now.max(next.ok_or("nothing is to happen")?);
        let now = self.now;
        let mut flights = self.to_client.due(path, now);
        meter.client(|| deliver(&mut self.client, now, &mut flights));
        let mut flights = self.to_server.due(path, now);
        meter.server(|| deliver(&mut self.server, now, &mut flights));
        meter.server(|| {
            self.server.on_deadline(now);
            self.server.work()
        })?;
        meter.client(|| {
            self.client.on_deadline(now);
            self.client.work()
        })
    }

    /// Whether there was something.
    fn send(&mut self, meter: &mut Meter) -> bool {
        let (now, path, mut any) = (self.now, self.path, false);
        loop {
            let sent = meter.client(|| self.client.transmit(now, &mut self.buffer));
            let Some((segment, length)) = sent else { break };
            self.to_server
                .send(path, now, segment, &self.buffer[..length]);
            any = true;
        }
        loop {
            let sent = meter.server(|| self.server.transmit(now, &mut self.buffer));
            let Some((segment, length)) = sent else { break };
            self.to_client
                .send(path, now, segment, &self.buffer[..length]);
            any = true;
        }
        any
    }
}

fn deliver(machine: &mut impl Machine, now: Duration, flights: &mut [(usize, Vec<u8>)]) {
    for (segment, bytes) in flights {
        for datagram in bytes.chunks_mut(*segment) {
            machine.receive(now, datagram);
        }
    }
}

const DELAY: Duration = Duration::from_micros(50);
const PERIOD: Duration = Duration::from_millis(20);
/// Bytes of a stream in a packet, about.
const PACKET: u64 = 1200;
/// Bytes of each of many streams.
const STREAM: u64 = 4096;
