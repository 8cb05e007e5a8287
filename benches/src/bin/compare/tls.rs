//! Handshakes and bulk data by TLS, in processor time.
//!
//! All programs run on one processor, one at a time. Each pair of laps, Pith's and the other's, gives one ratio; which of the two goes
//! first changes from pair to pair.

use std::process::Command;

use pith_bench_program::{Failure, batch};

use crate::Setting;
use crate::peers::{self, TLS};
use crate::program::Program;
use crate::table::{Pairs, Row, Table, Turns};

/// What is done in a lap, which takes about 10 ms.
struct Scenario {
    name: &'static str,
    command: String,
    sides: [&'static str; 2],
    unit: &'static str,
    /// How many units that is.
    units: f64,
}

fn scenarios() -> [Scenario; 9] {
    [
        handshake("full-hybrid", 24),
        handshake("full-x25519", 24),
        handshake("resumed-hybrid", 32),
        handshake("mutual-hybrid", 20),
        handshake("full-hybrid-known-chain", 24),
        handshake("mutual-hybrid-known-chain", 20),
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
    for scenario in &scenarios() {
        let pairs_with = |name: &str, command: Result<Command, Failure>, table: &mut Table| {
            table.attempt(&format!("{name}, {}", scenario.name), |_| {
                pairs(name, command?, scenario, setting)
            })
        };
        let to_floor = pairs_with("floor", peers::own("floor"), table);
        let mut rows = Vec::new();
        for peer in TLS {
            if let Some(pairs) = pairs_with(peer.name, peer.command(setting), table) {
                rows.push((peer, peer.version()?, pairs));
            }
        }
        for (place, side) in scenario.sides.iter().enumerate() {
            for (peer, version, pairs) in &rows {
                table.add(&Row {
                    scenario: scenario.name,
                    side,
                    unit: scenario.unit,
                    pith: pairs.pith(place),
                    peer: peer.name,
                    version,
                    ratio: pairs.ratio(place),
                    floor: to_floor
                        .as_ref()
                        .map(|pairs| (pairs.other(place), pairs.ratio(place))),
                })?;
            }
        }
    }
    Ok(())
}

fn pairs(
    name: &str,
    mut command: Command,
    scenario: &Scenario,
    setting: &Setting,
) -> Result<Pairs, Failure> {
    let mut pith = Program::start("pith", &mut peers::own("pith")?)?;
    let mut other = Program::start(name, &mut command)?;
    let core = std::thread::available_parallelism()?.get() - 1;
    for program in [&mut pith, &mut other] {
        program.ask(&format!("pin {core}"))?;
    }
    let turns = if setting.quick { (11, 3) } else { (41, 10) };
    let lap = |program: &mut Program| program.lap(&scenario.command, scenario.units);
    let turns = Turns {
        most: turns.0,
        seconds: turns.1,
    };
    Pairs::run(turns, (&mut pith, &mut other), lap, lap)
}

/// Handshakes in a second of threads that have a processor each, one and as many as there are: what connections share must not
/// hold them up.
pub(crate) fn rates(setting: &Setting, table: &mut Table) -> Result<(), Failure> {
    let cores = std::thread::available_parallelism()?.get();
    let (turns, milliseconds) = if setting.quick { (3, 300) } else { (7, 600) };
    for threads in [1, cores] {
        for peer in TLS {
            let scenario = format!("scale-cores-{threads}");
            table.attempt(&format!("{}, {scenario}", peer.name), |table| {
                let mut pith = Program::start("pith", &mut peers::own("pith")?)?;
                let mut other = Program::start(peer.name, &mut peer.command(setting)?)?;
                let command = format!("rate full-hybrid {threads} {milliseconds}");
                let lap = |program: &mut Program| program.lap(&command, 1.0);
                let turns = Turns {
                    most: turns,
                    seconds: 30,
                };
                let pairs = Pairs::run(turns, (&mut pith, &mut other), lap, lap)?;
                table.add(&Row {
                    scenario: &scenario,
                    side: "both",
                    unit: "handshakes/s",
                    pith: pairs.pith(0),
                    peer: peer.name,
                    version: &peer.version()?,
                    // More is better.
                    ratio: 1.0 / pairs.ratio(0),
                    floor: None,
                })
            });
        }
        if cores == 1 {
            break;
        }
    }
    Ok(())
}
