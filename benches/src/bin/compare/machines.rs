//! QUIC without sockets: both sides in a process and joined by memory, in processor time, beside the libraries that can be run so.

use pith_bench_program::Failure;

use crate::Setting;
use crate::peers::{self, Peer, QUIC};
use crate::program::Program;
use crate::table::{Pairs, Row, Table, Turns};

/// What is done in a lap.
struct Scenario {
    name: String,
    command: String,
    /// What is divided by.
    units: f64,
    unit: &'static str,
}

/// A transfer, beside quinn and quiche; and what rough paths cost, beside quinn (which gives up at a thousand gaps). Of these, the larger number is that
/// of windows ten times as large: where the cost of a packet is the same, work grows as the packets do.
pub(crate) fn measure(setting: &Setting, table: &mut Table) -> Result<(), Failure> {
    let [quinn, _, quiche] = QUIC;
    for peer in [quinn, quiche] {
        let transfer = Scenario {
            name: "machine-transfer".to_owned(),
            command: format!("time transfer {}", 32 << 20),
            units: 1.0 / 32.0,
            unit: "ns/GiB",
        };
        add(&transfer, peer, setting, table);
    }
    for kind in ["loses", "reverses"] {
        for packets in [500, 5000] {
            let scenario = Scenario {
                name: format!("machine-{kind}-{packets}"),
                command: format!("time {kind} {packets}"),
                units: f64::from(packets),
                unit: "ns/packet",
            };
            add(&scenario, quinn, setting, table);
        }
    }
    Ok(())
}

/// What a stream of 4 KiB costs as the number of those that are open at once grows.
pub(crate) fn streams(setting: &Setting, table: &mut Table) -> Result<(), Failure> {
    let [quinn, ..] = QUIC;
    for count in [1, 10, 100, 1000, 10_000] {
        let rounds = (STREAMS / count).max(1);
        let scenario = Scenario {
            name: format!("scale-streams-{count}"),
            command: format!("time streams-{count} {rounds}"),
            units: f64::from(count * rounds),
            unit: "ns/stream",
        };
        add(&scenario, quinn, setting, table);
    }
    Ok(())
}

fn add(scenario: &Scenario, peer: Peer, setting: &Setting, table: &mut Table) {
    table.attempt(&format!("{}, {}", peer.name, scenario.name), |table| {
        let mut pith = Program::start("pith-machine", &mut peers::own("pith-machine")?)?;
        let mut other = Program::start(peer.name, peer.command(setting)?.arg("memory"))?;
        let core = std::thread::available_parallelism()?.get() - 1;
        for program in [&mut pith, &mut other] {
            program.ask(&format!("pin {core}"))?;
        }
        let lap = |program: &mut Program| {
            let mut sums = program.lap(&scenario.command, scenario.units)?;
            sums.push(sums.iter().sum());
            Ok(sums)
        };
        let turns = if setting.quick {
            Turns {
                most: 5,
                seconds: 2,
            }
        } else {
            Turns {
                most: 21,
                seconds: 10,
            }
        };
        let pairs = Pairs::run(turns, (&mut pith, &mut other), lap, lap)?;
        for (place, side) in ["client", "server", "both"].iter().enumerate() {
            table.add(&Row {
                scenario: &scenario.name,
                side,
                unit: scenario.unit,
                pith: pairs.pith(place),
                peer: peer.name,
                version: &peer.version()?,
                ratio: pairs.ratio(place),
                floor: None,
            })?;
        }
        Ok(())
    });
}

/// Streams in a lap, or more where there are more at once.
const STREAMS: u32 = 2000;
