//! QUIC without sockets: two connections in memory, in a time that the scenario makes.
//!
//! Both sides live in one thread, joined by a path of 50 µs that loses nothing. The commands are `time transfer BYTES` and `time shake COUNT`, answered
//! as those of TLS: sums of client and server.

use std::collections::VecDeque;
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
    /// Asks for so many bytes on a stream.
    fn ask(&mut self, bytes: u64) -> Result<(), Failure>;
    /// Looks after its streams: reads what came, answers what was asked. How many bytes were read.
    fn work(&mut self) -> Result<u64, Failure>;
}

/// Configurations of a library.
pub trait Machines {
    /// Either side of a connection.
    type Machine: Machine;
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

/// Runs `transfer` or `shake`.
pub fn run<M: Machines>(
    machines: &mut M,
    scenario: &str,
    amount: u64,
    meter: &mut Meter,
) -> Result<(), Failure> {
    match scenario {
        "shake" => {
            for _ in 0..amount {
                Pair::new(machines, meter)?;
            }
            Ok(())
        }
        "transfer" => {
            let mut idle = Meter::new(crate::Kind::Time)?;
            let mut pair = Pair::new(machines, &mut idle)?;
            // Windows have grown then.
            pair.transfer(amount.min(16 << 20), &mut idle)?;
            pair.transfer(amount, meter)
        }
        _ => Err("no such scenario".into()),
    }
}

/// Datagrams that arrive at a time.
type Flight = (Duration, usize, Vec<u8>);

struct Pair<M> {
    client: M,
    server: M,
    to_client: VecDeque<Flight>,
    to_server: VecDeque<Flight>,
    buffer: Vec<u8>,
    now: Duration,
}

impl<M: Machine> Pair<M> {
    fn new<C: Machines<Machine = M>>(machines: &mut C, meter: &mut Meter) -> Result<Self, Failure> {
        let mut buffer = vec![0; 1 << 16];
        let mut client = meter.client(|| machines.client())?;
        let sent = meter.client(|| client.transmit(Duration::ZERO, &mut buffer));
        let (segment, length) = sent.ok_or("no hello")?;
        let server = meter.server(|| machines.server(&mut buffer[..length.min(segment)]))?;
        let mut pair = Self {
            client,
            server,
            to_client: VecDeque::new(),
            to_server: VecDeque::from([(DELAY, segment, buffer[..length].to_vec())]),
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

    fn transfer(&mut self, bytes: u64, meter: &mut Meter) -> Result<(), Failure> {
        meter.client(|| self.client.ask(bytes))?;
        let mut got = 0;
        while got < bytes {
            got += self.step(meter)?;
        }
        Ok(())
    }

    /// Sends what there is, goes on to when something happens next, and delivers. How much the client read.
    fn step(&mut self, meter: &mut Meter) -> Result<u64, Failure> {
        let now = self.now;
        loop {
            let sent = meter.client(|| self.client.transmit(now, &mut self.buffer));
            let Some((segment, length)) = sent else { break };
            let flight = (now + DELAY, segment, self.buffer[..length].to_vec());
            self.to_server.push_back(flight);
        }
        loop {
            let sent = meter.server(|| self.server.transmit(now, &mut self.buffer));
            let Some((segment, length)) = sent else { break };
            let flight = (now + DELAY, segment, self.buffer[..length].to_vec());
            self.to_client.push_back(flight);
        }
        let flights = [self.to_client.front(), self.to_server.front()];
        let times = flights.into_iter().flatten().map(|flight| flight.0);
        let timers = [self.client.deadline(), self.server.deadline()];
        let next = times.chain(timers.into_iter().flatten()).min();
        self.now = now.max(next.ok_or("nothing is to happen")?);
        let now = self.now;
        while let Some(mut flight) = due(&mut self.to_client, now) {
            let datagrams = flight.2.chunks_mut(flight.1);
            meter.client(|| datagrams.for_each(|datagram| self.client.receive(now, datagram)));
        }
        while let Some(mut flight) = due(&mut self.to_server, now) {
            let datagrams = flight.2.chunks_mut(flight.1);
            meter.server(|| datagrams.for_each(|datagram| self.server.receive(now, datagram)));
        }
        meter.server(|| {
            self.server.on_deadline(now);
            self.server.work()
        })?;
        meter.client(|| {
            self.client.on_deadline(now);
            self.client.work()
        })
    }
}

fn due(flights: &mut VecDeque<Flight>, now: Duration) -> Option<Flight> {
    match flights.front() {
        Some((at, ..)) if *at <= now => flights.pop_front(),
        _ => None,
    }
}

const DELAY: Duration = Duration::from_micros(50);
