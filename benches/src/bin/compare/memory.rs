//! Allocations of a handshake and memory of an idle connection, by a malloc that counts: exact, but for what differs by chance.
//!
//! The counter (`tests/heap/count.c`) is preloaded, so that memory of C libraries is seen. The memory of a connection is its struct and
//! its heap. Pith's clients do not keep the server's chain unless they are told to, so its DER is taken off what the others' hold.

use std::process::Command;

use pith_bench_program::Failure;
use pith_benches::keys;

use crate::Setting;
use crate::peers::{self, TLS};
use crate::program::{Program, counted};
use crate::table::{Row, Table};

struct Scenario {
    name: &'static str,
    /// The command, and how often it does what it says.
    meter: &'static str,
    of: &'static str,
    unit: &'static str,
}

const SCENARIOS: [Scenario; 3] = [
    Scenario {
        name: "allocations-hybrid",
        meter: "calls",
        of: "full-hybrid",
        unit: "allocations",
    },
    Scenario {
        name: "memory-idle",
        meter: "bytes",
        of: "idle",
        unit: "bytes",
    },
    Scenario {
        name: "memory-used",
        meter: "bytes",
        of: "idle-used",
        unit: "bytes",
    },
];

pub(crate) fn measure(setting: &Setting, table: &mut Table) -> Result<(), Failure> {
    build_counter(setting)?;
    let chain = chain_len()?;
    for scenario in &SCENARIOS {
        let ask = |name: &str, command: Result<Command, Failure>, chain, table: &mut Table| {
            table.attempt(&format!("{name}, {}", scenario.name), |_| {
                let mut command = command?;
                let command = counted(&mut command, &setting.folder, name);
                ask(&mut Program::start(name, command)?, scenario, chain)
            })
        };
        let Some(own) = ask("pith", peers::own("pith"), 0, table) else {
            continue;
        };
        let floor = if scenario.meter == "calls" {
            ask("floor", peers::own("floor"), 0, table)
        } else {
            None
        };
        let mut rows = Vec::new();
        for peer in TLS {
            if let Some(sums) = ask(peer.name, peer.command(setting), chain, table) {
                rows.push((peer.name, peer.version()?, sums));
            }
        }
        for (place, side) in ["client", "server"].iter().enumerate() {
            for (peer, version, sums) in &rows {
                table.add(&Row {
                    scenario: scenario.name,
                    side,
                    unit: scenario.unit,
                    pith: own[place],
                    peer,
                    version,
                    ratio: own[place] / sums[place],
                    floor: floor.map(|floor| (floor[place], own[place] / floor[place])),
                })?;
            }
        }
    }
    Ok(())
}

fn ask(program: &mut Program, scenario: &Scenario, chain: usize) -> Result<[f64; 2], Failure> {
    let command = format!("{} {} {COUNT}", scenario.meter, scenario.of);
    // The first time leaves behind what a program makes once.
    program.ask(&command)?;
    let mut sums = program.ask(&command)?.map(|sum| sum / COUNT as f64);
    if scenario.meter == "bytes" {
        sums[0] -= chain as f64;
    }
    Ok(sums)
}

pub(crate) fn build_counter(setting: &Setting) -> Result<(), Failure> {
    let built = Command::new("cc")
        .args(["-O2", "-shared", "-fPIC", "-o"])
        .arg(setting.folder.join("count.so"))
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../tests/heap/count.c"
        ))
        .status()?;
    built
        .success()
        .then_some(())
        .ok_or_else(|| "cc cannot build the malloc counter".into())
}

/// Bytes of the server's certificate in DER.
fn chain_len() -> Result<usize, Failure> {
    let pem = std::fs::read_to_string(keys().join("server.pem"))?;
    let lines = pem.lines().filter(|line| !line.starts_with('-'));
    let letters: usize = lines.map(|line| line.trim_end_matches('=').len()).sum();
    Ok(letters * 3 / 4)
}

const COUNT: usize = 32;
