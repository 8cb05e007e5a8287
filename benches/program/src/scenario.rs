//! The scenarios of TLS, the same for every library.
//!
//! Every handshake has TLS_AES_128_GCM_SHA256, keys of ECDSA over P-256, and a leaf that the trusted root itself signed. Tickets are off
//! but where sessions are resumed: there the server issues one in each handshake, and the client takes it.

#![allow(clippy::disallowed_methods)] // it reads the clock

use std::collections::HashMap;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use crate::{Failure, Files, Kind, Link, Meter, Unable, Whose, pin};

/// What a library's configurations have to be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Setup {
    /// X25519MLKEM768, and not X25519.
    pub hybrid: bool,
    /// The client shows a certificate.
    pub mutual: bool,
    /// The server issues one ticket in each handshake, which the client keeps for its next one.
    pub resume: bool,
    /// Each side remembers the chains that it accepted, where the library can.
    pub known_chain: bool,
}

/// Configurations of a library: makes connections.
pub trait Library: Sized + Sync {
    /// A client's connection.
    type Client: Side;
    /// A server's connection.
    type Server: Side;
    /// Configurations as `setup` says.
    fn new(files: &Files, setup: Setup) -> Result<Self, Failure>;
    /// A new client.
    fn client(&self, link: Link) -> Result<Self::Client, Failure>;
    /// A new server.
    fn server(&self, link: Link) -> Result<Self::Server, Failure>;
}

/// A connection.
pub trait Side {
    /// Takes what came and writes what there is to say; whether the handshake is complete.
    fn shake(&mut self) -> Result<Need, Failure>;
    /// Whether it resumed a session, once it is complete.
    fn resumed(&self) -> bool;
    /// The name of its group, where the library tells.
    fn group(&self) -> Option<String>;
    /// Sends all of `plaintext`.
    fn send(&mut self, plaintext: &[u8]) -> Result<(), Failure>;
    /// Takes all that came, by way of `buffer` if the library needs one; how many bytes of data there were.
    fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, Failure>;
}

/// What a handshake needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// More from the peer.
    More,
    /// Nothing.
    Nothing,
}

/// The program of a library of TLS.
pub struct Tls<L: Library> {
    files: Files,
    libraries: HashMap<Setup, L>,
    bulk: HashMap<usize, Bulk<L>>,
}

impl<L: Library> Tls<L> {
    /// Nothing is made yet.
    pub fn new(files: Files) -> Self {
        Self {
            files,
            libraries: HashMap::new(),
            bulk: HashMap::new(),
        }
    }

    /// Answers a command.
    pub fn answer(&mut self, words: &[&str]) -> Result<String, Failure> {
        if let ["rate", scenario, threads, milliseconds] = words {
            let time = Duration::from_millis(milliseconds.parse()?);
            let rate = self.rate(scenario, threads.parse()?, time)?;
            return Ok(format!("ok {rate:.1} 0"));
        }
        let [meter, scenario, count] = words else {
            return Err("METER SCENARIO COUNT".into());
        };
        let mut meter = Meter::new(Kind::named(meter).ok_or("no such meter")?)?;
        self.run(scenario, count.parse()?, &mut meter)?;
        let (client, server) = meter.sums();
        Ok(format!("ok {client} {server}"))
    }

    /// Does a scenario so many times.
    pub fn run(&mut self, scenario: &str, count: usize, meter: &mut Meter) -> Result<(), Failure> {
        if let Some(size) = scenario.strip_prefix("bulk-") {
            let size = size.parse()?;
            if !self.bulk.contains_key(&size) {
                let bulk = Bulk::new(self.library(DEFAULT)?, size)?;
                self.bulk.insert(size, bulk);
            }
            let bulk = self.bulk.get_mut(&size).ok_or("no bulk")?;
            return bulk.run(count, meter);
        }
        let (setup, after) = setup(scenario).ok_or("no such scenario")?;
        let library = self.library(setup)?;
        let (client, server) = Link::pair(1 << 16);
        let mut kept = Vec::with_capacity(count);
        for _ in 0..count {
            // Connections that are kept have wires of their own only as long as they shake hands.
            let links = match after {
                After::Drop => (client.clone(), server.clone()),
                After::Keep | After::Use => Link::pair(1 << 16),
            };
            let pair = handshake(library, setup, links, meter)?;
            match after {
                After::Drop => {
                    let (client, server) = pair;
                    meter.client(|| drop(client));
                    meter.server(|| drop(server));
                }
                After::Keep => kept.push(pair),
                After::Use => kept.push(used(pair, meter)?),
            }
        }
        Ok(())
    }

    /// Handshakes in a second of so many threads with one library, each on a processor of its own and doing both sides.
    fn rate(&mut self, scenario: &str, threads: usize, time: Duration) -> Result<f64, Failure> {
        let (setup, _) = setup(scenario).ok_or("no such scenario")?;
        let library = self.library(setup)?;
        let start = Barrier::new(threads);
        let rate_of = |core: usize| {
            pin(&core.to_string())?;
            let (client, server) = Link::pair(1 << 16);
            let mut none = Meter::watched(Whose::Client, |step| step());
            start.wait();
            let (began, mut count) = (Instant::now(), 0.0);
            while began.elapsed() < time {
                let links = (client.clone(), server.clone());
                handshake(library, setup, links, &mut none)?;
                count += 1.0;
            }
            Ok::<f64, Failure>(count / began.elapsed().as_secs_f64())
        };
        let rate_of = &|core| rate_of(core).map_err(|failure| failure.to_string());
        std::thread::scope(|scope| {
            let started: Vec<_> = (0..threads)
                .map(|core| scope.spawn(move || rate_of(core)))
                .collect();
            let mut sum = 0.0;
            for thread in started {
                sum += thread.join().map_err(|_| "a thread ended")??;
            }
            Ok(sum)
        })
    }

    fn library(&mut self, setup: Setup) -> Result<&L, Failure> {
        if !self.libraries.contains_key(&setup) {
            let library = L::new(&self.files, setup)?;
            // One that is not measured: it warms up, leaves a session, and shows that the library does what is asked for.
            let mut idle = Meter::new(Kind::Time)?;
            for _ in 0..2 {
                let mut unchecked = setup;
                unchecked.resume = false;
                handshake_of(&library, unchecked, setup, Link::pair(1 << 16), &mut idle)?;
            }
            self.libraries.insert(setup, library);
        }
        self.libraries
            .get(&setup)
            .ok_or_else(|| "no library".into())
    }
}

/// What a scenario's configurations are like, and what comes after its handshakes.
fn setup(scenario: &str) -> Option<(Setup, After)> {
    let known = Setup {
        known_chain: true,
        ..DEFAULT
    };
    let x25519 = Setup {
        hybrid: false,
        ..DEFAULT
    };
    let mutual = Setup {
        mutual: true,
        ..DEFAULT
    };
    let resume = Setup {
        resume: true,
        ..DEFAULT
    };
    Some(match scenario {
        "full-hybrid" => (DEFAULT, After::Drop),
        "full-hybrid-known-chain" => (known, After::Drop),
        "full-x25519" => (x25519, After::Drop),
        "mutual-hybrid" => (mutual, After::Drop),
        "mutual-hybrid-known-chain" => {
            let known_chain = true;
            let both = Setup {
                known_chain,
                ..mutual
            };
            (both, After::Drop)
        }
        "resumed-hybrid" => (resume, After::Drop),
        "idle" => (DEFAULT, After::Keep),
        "idle-used" => (DEFAULT, After::Use),
        _ => return None,
    })
}

#[derive(Clone, Copy)]
enum After {
    Drop,
    Keep,
    Use,
}

const DEFAULT: Setup = Setup {
    hybrid: true,
    mutual: false,
    resume: false,
    known_chain: false,
};

type Pair<L> = (<L as Library>::Client, <L as Library>::Server);

fn handshake<L: Library>(
    library: &L,
    setup: Setup,
    links: (Link, Link),
    meter: &mut Meter,
) -> Result<Pair<L>, Failure> {
    handshake_of(library, setup, setup, links, meter)
}

/// `checked` is what the outcome is held against.
fn handshake_of<L: Library>(
    library: &L,
    checked: Setup,
    setup: Setup,
    links: (Link, Link),
    meter: &mut Meter,
) -> Result<Pair<L>, Failure> {
    for link in [&links.0, &links.1] {
        link.outgoing().clear();
    }
    let (mut client, mut first) = meter.client(|| {
        let mut client = library.client(links.0)?;
        let need = client.shake()?;
        Ok::<_, Failure>((client, need))
    })?;
    let (mut server, mut second) = meter.server(|| {
        let mut server = library.server(links.1)?;
        let need = server.shake()?;
        Ok::<_, Failure>((server, need))
    })?;
    for _ in 0..4 {
        if first == Need::Nothing && second == Need::Nothing {
            break;
        }
        first = meter.client(|| client.shake())?;
        if second == Need::More {
            second = meter.server(|| server.shake())?;
        }
    }
    if setup.resume {
        meter.client(|| client.receive(&mut [0; 64]))?;
    }
    if (first, second) != (Need::Nothing, Need::Nothing) {
        return Err("the handshake does not end".into());
    }
    if checked.resume && !(client.resumed() && server.resumed()) {
        let (client, server) = (client.resumed(), server.resumed());
        return Err(format!("resumed: client {client}, server {server}").into());
    }
    let want = if setup.hybrid {
        "X25519MLKEM768"
    } else {
        "X25519"
    };
    match client.group() {
        Some(group) if !group.eq_ignore_ascii_case(want) => {
            Err(format!("its group is {group}").into())
        }
        _ => Ok((client, server)),
    }
}

/// After 16 KiB each way.
fn used<C: Side, S: Side>(mut pair: (C, S), meter: &mut Meter) -> Result<(C, S), Failure> {
    let data = [7; 16_384];
    let mut buffer = vec![0; 1 << 15];
    meter.client(|| pair.0.send(&data))?;
    let forth = meter.server(|| pair.1.receive(&mut buffer))?;
    meter.server(|| pair.1.send(&data))?;
    let back = meter.client(|| pair.0.receive(&mut buffer))?;
    if (forth, back) != (data.len(), data.len()) {
        return Err("the data did not come".into());
    }
    Ok(pair)
}

/// A connection over which writes of one size go, from the client to the server.
struct Bulk<L: Library> {
    client: L::Client,
    server: L::Server,
    plaintext: Vec<u8>,
    buffer: Vec<u8>,
}

impl<L: Library> Bulk<L> {
    fn new(library: &L, size: usize) -> Result<Self, Failure> {
        let links = Link::pair(WORKING_SET * 2);
        let mut idle = Meter::new(Kind::Time)?;
        let (client, server) = handshake(library, DEFAULT, links, &mut idle)?;
        let mut bulk = Self {
            client,
            server,
            plaintext: vec![7; size],
            buffer: vec![0; 1 << 15],
        };
        // Records that a library sends shorter at first are over.
        bulk.run((1 << 20) / size, &mut idle)?;
        Ok(bulk)
    }

    fn run(&mut self, count: usize, meter: &mut Meter) -> Result<(), Failure> {
        let size = self.plaintext.len();
        let batch = batch(size);
        let mut left = count;
        while left > 0 {
            let batch = batch.min(left);
            left -= batch;
            meter.client(|| (0..batch).try_for_each(|_| self.client.send(&self.plaintext)))?;
            let got = meter.server(|| self.server.receive(&mut self.buffer))?;
            if got != size * batch {
                return Err(Unable("the data does not come at once").into());
            }
        }
        Ok(())
    }
}

/// Writes of this size that are sent before they are received: a quarter of a megabyte or 256 of them.
pub fn batch(size: usize) -> usize {
    (WORKING_SET / size).clamp(1, 256)
}

/// Bytes of plaintext in a batch of large records.
const WORKING_SET: usize = 1 << 18;
