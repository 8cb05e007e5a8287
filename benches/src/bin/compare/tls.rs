//! Handshakes and bulk data by TLS, in processor time.
//!
//! All programs run on one processor, one at a time. Each pair of laps, Pith's and the other's, gives one ratio; which of the two goes
//! first changes from pair to pair.

use pith_bench_program::{Failure, batch};

use crate::Setting;
use crate::peers::{self, TLS};
use crate::program::{Answer, Program};
use crate::table::{Row, Table, median};

/// What is done in a lap, which takes about 10 ms.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) command: String,
    pub(crate) sides: [&'static str; 2],
    pub(crate) unit: &'static str,
    /// How many units that is.
    pub(crate) units: f64,
}

fn scenarios() -> [Scenario; 7] {
    [
        handshake("full-hybrid", 24),
        handshake("full-x25519", 24),
        handshake("resumed-hybrid", 32),
        handshake("mutual-hybrid", 20),
        bulk("bulk-16384", 64 * batch(16_384)),
        bulk("bulk-1024", 16 * batch(1024)),
        bulk("bulk-100", 40 * batch(100)),
    ]
}

fn handshake(name: &'static str, count: usize) -> Scenario {
    Scenario {
        name,
        command: format!("time {name} {count}"),
        sides: ["client", "server"],
        unit: "ns/handshake",
        units: count as f64,
    }
}

fn bulk(name: &'static str, count: usize) -> Scenario {
    Scenario {
        sides: ["send", "receive"],
        unit: "ns/write",
        ..handshake(name, count)
    }
}

pub(crate) fn measure(setting: &Setting, table: &mut Table) -> Result<(), Failure> {
    let mut pith = Program::start("pith", &mut peers::own("pith")?)?;
    let mut floor = Program::start("floor", &mut peers::own("floor")?)?;
    let mut others = Vec::new();
    for peer in TLS {
        if let Some(program) = peer.start(setting)? {
            others.push((peer, peer.version()?, program));
        }
    }
    let core = std::thread::available_parallelism()?.get() - 1;
    let programs = others.iter_mut().map(|(_, _, program)| program);
    for program in programs.chain([&mut pith, &mut floor]) {
        program.ask(&format!("pin {core}"))?;
    }
    let turns = if setting.quick { 11 } else { 41 };
    for scenario in &scenarios() {
        let to_floor = pairs(&mut pith, &mut floor, scenario, turns)?;
        let mut rows = Vec::new();
        for (peer, version, program) in &mut others {
            match pairs(&mut pith, program, scenario, turns)? {
                Ok(pairs) => rows.push((*peer, &*version, pairs)),
                Err(reason) => eprintln!("{} in {}: {reason}", peer.name, scenario.name),
            }
        }
        for (place, side) in scenario.sides.iter().enumerate() {
            for (peer, version, pairs) in &rows {
                table.add(&Row {
                    scenario: scenario.name,
                    side,
                    unit: scenario.unit,
                    pith: median(pairs.iter().map(|pair| pair.pith[place])),
                    peer: peer.name,
                    version,
                    ratio: median(pairs.iter().map(|pair| pair.ratio(place))),
                    floor: to_floor.as_ref().ok().map(|pairs| {
                        let floor = median(pairs.iter().map(|pair| pair.other[place]));
                        (floor, median(pairs.iter().map(|pair| pair.ratio(place))))
                    }),
                })?;
            }
        }
    }
    Ok(())
}

/// Two laps: what both sides took, each time.
pub(crate) struct Pair {
    pub(crate) pith: [f64; 2],
    pub(crate) other: [f64; 2],
}

impl Pair {
    pub(crate) fn ratio(&self, side: usize) -> f64 {
        self.pith[side] / self.other[side]
    }
}

/// Laps in turn. The reason, if one of the two cannot do it.
pub(crate) fn pairs(
    pith: &mut Program,
    other: &mut Program,
    scenario: &Scenario,
    turns: usize,
) -> Result<Result<Vec<Pair>, String>, Failure> {
    let units = scenario.units;
    let lap = |program: &mut Program| {
        Ok::<_, Failure>(match program.ask(&scenario.command)? {
            Answer::Sums(client, server) => Ok([client / units, server / units]),
            Answer::Skip(reason) => Err(reason),
        })
    };
    let mut pairs = Vec::new();
    // One more than counts, to warm up.
    for turn in 0..=turns {
        let (own, theirs) = if turn % 2 == 0 {
            let own = lap(pith)?;
            (own, lap(other)?)
        } else {
            let theirs = lap(other)?;
            (lap(pith)?, theirs)
        };
        match (own, theirs) {
            (Ok(pith), Ok(other)) if turn > 0 => pairs.push(Pair { pith, other }),
            (Ok(_), Ok(_)) => {}
            (Err(reason), _) | (_, Err(reason)) => return Ok(Err(reason)),
        }
    }
    Ok(Ok(pairs))
}
