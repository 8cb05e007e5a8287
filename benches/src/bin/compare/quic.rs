//! QUIC over the loopback: client and server in processes of their own, each pinned to a processor, for each scenario anew.
//!
//! Each pair of laps, Pith's and the peer's, gives one ratio. Time by the clock and processor time of both processes are taken; memory
//! by the malloc counter, and what the system says is resident.

use std::process::Command;

use pith_bench_program::Failure;

use crate::Setting;
use crate::memory::build_counter;
use crate::peers::{self, Peer, QUIC};
use crate::program::{Program, counted};
use crate::table::{Pairs, Row, Table, Turns};

/// A client and a server of one library.
struct Both {
    client: Program,
    server: Program,
}

struct Scenario {
    name: &'static str,
    /// The client's command.
    command: String,
    /// What is divided by.
    units: f64,
    unit: &'static str,
}

pub(crate) fn measure(setting: &Setting, table: &mut Table) -> Result<(), Failure> {
    for peer in QUIC {
        for scenario in scenarios(setting.quick) {
            table.attempt(&format!("{}, {}", peer.name, scenario.name), |table| {
                let mut pith = Both::of_pith(scenario.pith(), setting, Memory::Any)?;
                let mut other = Both::of(peer, setting, Memory::Any)?;
                let turns = if setting.quick { (5, 5) } else { (21, 18) };
                let turns = Turns {
                    most: turns.0,
                    seconds: turns.1,
                };
                let lap = |both: &mut Both| both.lap(&scenario);
                let pairs = Pairs::run(turns, (&mut pith, &mut other), lap, lap)?;
                let sides: &[&str] = if scenario.is_request() {
                    &["p50", "p99"]
                } else {
                    &["client", "server", "wall"]
                };
                add(table, scenario.name, sides, scenario.unit, peer, &pairs)
            });
        }
    }
    Ok(())
}

fn add(
    table: &mut Table,
    scenario: &str,
    sides: &[&str],
    unit: &str,
    peer: Peer,
    pairs: &Pairs,
) -> Result<(), Failure> {
    for (place, side) in sides.iter().enumerate() {
        table.add(&Row {
            scenario,
            side,
            unit,
            pith: pairs.pith(place),
            peer: peer.name,
            version: &peer.version()?,
            ratio: pairs.ratio(place),
            floor: None,
        })?;
    }
    Ok(())
}

/// What a connection costs, from its handshake to its end, and what a request on one costs, as the number of those grows that are open at
/// the same time. Beside quinn; each number in processes of its own.
pub(crate) fn connections(setting: &Setting, table: &mut Table) -> Result<(), Failure> {
    let [peer, ..] = QUIC;
    let (connections, requests) = if setting.quick {
        (100, 500)
    } else {
        (300, 3000)
    };
    for count in [1, 10, 100, 1000, 10_000_u32] {
        if setting.quick && count > 1000 {
            println!("left out: {count} connections: it is to be quick");
            break;
        }
        let rounds = (connections / count).max(1);
        let live = Scenario {
            name: "connections",
            command: format!("lives {rounds} {count}"),
            units: f64::from(rounds * count),
            unit: "ns/connection",
        };
        let rounds = (requests / count).max(1);
        let each = Scenario {
            name: "requests",
            command: format!("each {rounds}"),
            units: f64::from(rounds * count),
            unit: "ns/request",
        };
        for scenario in [live, each] {
            let name = format!("scale-{}-{count}", scenario.name);
            table.attempt(&format!("{}, {name}", peer.name), |table| {
                let mut pith = Both::of_pith("pith-quic", setting, Memory::Any)?;
                let mut other = Both::of(peer, setting, Memory::Any)?;
                if scenario.name == "requests" {
                    for both in [&mut pith, &mut other] {
                        both.client.ask(&format!("hold {count}"))?;
                    }
                }
                let turns = Turns {
                    most: if setting.quick { 3 } else { 7 },
                    seconds: if setting.quick { 4 } else { 15 },
                };
                let lap = |both: &mut Both| both.lap(&scenario);
                let pairs = Pairs::run(turns, (&mut pith, &mut other), lap, lap)?;
                let sides = ["client", "server"];
                add(table, &name, &sides, scenario.unit, peer, &pairs)
            });
        }
    }
    Ok(())
}

fn scenarios(quick: bool) -> Vec<Scenario> {
    let mebibytes: u32 = if quick { 32 } else { 128 };
    let gibibytes = f64::from(mebibytes) / 1024.0;
    let bytes = u64::from(mebibytes) << 20;
    vec![
        Scenario {
            name: "quic-download",
            command: format!("streams 1 {bytes}"),
            units: gibibytes,
            unit: "ns/GiB",
        },
        Scenario {
            name: "quic-100-streams",
            command: format!("streams 100 {}", bytes / 100),
            units: gibibytes,
            unit: "ns/GiB",
        },
        Scenario {
            name: "quic-handshake",
            command: "handshakes 50".to_owned(),
            units: 50.0,
            unit: "ns/handshake",
        },
        request("quic-request"),
        request("quic-request-tokio"),
    ]
}

/// Over a connection that is open: of the blocking driver, and of that on tokio.
fn request(name: &'static str) -> Scenario {
    Scenario {
        name,
        command: "requests 1000".to_owned(),
        units: 1.0,
        unit: "ns/request",
    }
}

impl Scenario {
    fn is_request(&self) -> bool {
        self.name.starts_with("quic-request")
    }

    /// The program of Pith that it is run with.
    fn pith(&self) -> &'static str {
        match self.name {
            "quic-request" => "pith-quic-blocking",
            _ => "pith-quic",
        }
    }
}

/// Whether memory is counted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Memory {
    Counted,
    Any,
}

impl Both {
    fn of_pith(name: &str, setting: &Setting, memory: Memory) -> Result<Self, Failure> {
        Self::start(name, setting, memory, || peers::own(name))
    }

    fn of(peer: Peer, setting: &Setting, memory: Memory) -> Result<Self, Failure> {
        Self::start(peer.name, setting, memory, || peer.command(setting))
    }

    fn start(
        name: &str,
        setting: &Setting,
        memory: Memory,
        command: impl Fn() -> Result<Command, Failure>,
    ) -> Result<Self, Failure> {
        let cores = std::thread::available_parallelism()?.get();
        let program = |role: &str, core: usize| -> Result<Program, Failure> {
            let mut command = command()?;
            command.arg(role);
            let command = match memory {
                Memory::Counted => {
                    counted(&mut command, &setting.folder, &format!("{name}-{role}"))
                }
                Memory::Any => &mut command,
            };
            let mut program = Program::start(&format!("{name} {role}"), command)?;
            program.ask(&format!("pin {core}"))?;
            Ok(program)
        };
        let mut both = Self {
            server: program("server", cores.saturating_sub(2))?,
            client: program("client", cores - 1)?,
        };
        let port = both.server.number("start")?;
        both.client.ask(&format!("connect {port}"))?;
        Ok(both)
    }

    /// Client's processor time, server's, and time by the clock; or what the client answers where that is no time of its own.
    fn lap(&mut self, scenario: &Scenario) -> Result<Vec<f64>, Failure> {
        let before = self.server.number("cpu")?;
        let [first, second] = self.client.ask(&scenario.command)?;
        let server = self.server.number("cpu")? - before;
        let shown = if scenario.is_request() {
            vec![first, second]
        } else {
            vec![second, server, first]
        };
        Ok(shown.iter().map(|value| value / scenario.units).collect())
    }

    /// What a connection takes that did a request and is idle: client's and server's.
    fn held(&mut self, meter: &str, count: u32) -> Result<[f64; 2], Failure> {
        let mut now = || -> Result<[f64; 2], Failure> {
            self.client.ask(&format!("hold {count}"))?;
            Ok([self.client.number(meter)?, self.server.number(meter)?])
        };
        let (before, after) = (now()?, now()?);
        Ok([0, 1].map(|side| (after[side] - before[side]) / f64::from(count)))
    }
}

/// An idle connection: its heap, and what more of the process is resident for each.
pub(crate) fn memory(setting: &Setting, table: &mut Table) -> Result<(), Failure> {
    build_counter(setting)?;
    for (scenario, meter, kind, count) in [
        ("quic-memory-idle", "heap", Memory::Counted, 200),
        ("quic-memory-resident", "resident", Memory::Any, 1000),
    ] {
        let pith = table.attempt(&format!("pith, {scenario}"), |_| {
            Both::of_pith("pith-quic", setting, kind)?.held(meter, count)
        });
        let Some(pith) = pith else { continue };
        for peer in QUIC {
            table.attempt(&format!("{}, {scenario}", peer.name), |table| {
                let other = Both::of(peer, setting, kind)?.held(meter, count)?;
                for (place, side) in ["client", "server"].iter().enumerate() {
                    table.add(&Row {
                        scenario,
                        side,
                        unit: "bytes",
                        pith: pith[place],
                        peer: peer.name,
                        version: &peer.version()?,
                        ratio: pith[place] / other[place],
                        floor: None,
                    })?;
                }
                Ok(())
            });
        }
    }
    Ok(())
}
