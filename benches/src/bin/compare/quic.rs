//! QUIC over the loopback: client and server in processes of their own, each pinned to a processor.
//!
//! Each pair of laps, Pith's and the peer's, gives one ratio. Time by the clock and processor time of both processes are taken; memory
//! in processes of their own, by the malloc counter.

use std::process::Command;

use pith_bench_program::Failure;

use crate::Setting;
use crate::memory::build_counter;
use crate::peers::{self, QUIC};
use crate::program::{Answer, Program, counted};
use crate::table::{Row, Table, median};
use crate::tls;

/// A client and a server of one library.
struct Both {
    client: Program,
    server: Program,
}

/// What a lap shows, one value for each row of the table.
type Shown = Vec<f64>;

struct Scenario {
    name: &'static str,
    /// The client's command.
    command: String,
    /// What is divided by.
    units: f64,
    unit: &'static str,
    turns: usize,
}

pub(crate) fn measure(setting: &Setting, table: &mut Table) -> Result<(), Failure> {
    let mut pith = both("pith-quic", setting, false, &mut |_| {
        peers::own("pith-quic")
    })?;
    let mut blocking = both("pith-quic-blocking", setting, false, &mut |_| {
        peers::own("pith-quic-blocking")
    })?;
    for peer in QUIC {
        if peer.command(setting).is_none() {
            continue;
        }
        let command = &mut |_: &str| peer.command(setting).ok_or_else(|| "not built".into());
        let mut other = both(peer.name, setting, false, command)?;
        let version = peer.version()?;
        for scenario in scenarios(setting.quick) {
            let own = if scenario.name == "quic-request" {
                &mut blocking
            } else {
                &mut pith
            };
            let mut pairs = Vec::new();
            for turn in 0..=scenario.turns {
                let (ours, theirs) = if turn % 2 == 0 {
                    let ours = lap(own, &scenario)?;
                    (ours, lap(&mut other, &scenario)?)
                } else {
                    let theirs = lap(&mut other, &scenario)?;
                    (lap(own, &scenario)?, theirs)
                };
                if turn > 0 {
                    pairs.push((ours, theirs));
                }
            }
            let shown: &[(&str, &str)] = if scenario.is_request() {
                &[("p50", "ns/request"), ("p99", "ns/request")]
            } else {
                &[
                    ("client", scenario.unit),
                    ("server", scenario.unit),
                    ("wall", scenario.unit),
                ]
            };
            for (place, (side, unit)) in shown.iter().enumerate() {
                table.add(&Row {
                    scenario: scenario.name,
                    side,
                    unit,
                    pith: median(pairs.iter().map(|pair| pair.0[place])),
                    peer: peer.name,
                    version: &version,
                    ratio: median(pairs.iter().map(|pair| pair.0[place] / pair.1[place])),
                    floor: None,
                })?;
            }
        }
    }
    drop((pith, blocking));
    without_sockets(setting, table)?;
    memory(setting, table)
}

/// What one costs as their number grows: streams of a connection at once, and connections with a request each at once. Beside quinn.
pub(crate) fn scale(setting: &Setting, table: &mut Table) -> Result<(), Failure> {
    let [peer, ..] = QUIC;
    if peer.command(setting).is_none() {
        return Ok(());
    }
    let mut pith = both("pith-quic", setting, false, &mut |_| {
        peers::own("pith-quic")
    })?;
    let command = &mut |_: &str| peer.command(setting).ok_or_else(|| "not built".into());
    let mut other = both(peer.name, setting, false, command)?;
    let numbers: &[u32] = if setting.quick {
        &[1, 10, 100, 1000]
    } else {
        &[1, 10, 100, 1000, 10_000]
    };
    let mut held = 0;
    for what in ["streams", "connections"] {
        for number in numbers {
            let rounds = (UNITS / number).max(1);
            let command = if what == "streams" {
                format!("rounds {rounds} {number} 4096")
            } else {
                for both in [&mut pith, &mut other] {
                    both.client.ask(&format!("hold {}", number - held))?;
                }
                held = *number;
                format!("each {rounds}")
            };
            let scenario = Scenario {
                name: "scale",
                command,
                units: f64::from(rounds) * f64::from(*number),
                unit: "ns/unit",
                turns: 5,
            };
            let mut pairs = Vec::new();
            for _ in 0..scenario.turns {
                pairs.push((lap(&mut pith, &scenario)?, lap(&mut other, &scenario)?));
            }
            for (place, side) in ["client", "server"].iter().enumerate() {
                table.add(&Row {
                    scenario: &format!("scale-{what}-{number}"),
                    side,
                    unit: scenario.unit,
                    pith: median(pairs.iter().map(|pair| pair.0[place])),
                    peer: peer.name,
                    version: &peer.version()?,
                    ratio: median(pairs.iter().map(|pair| pair.0[place] / pair.1[place])),
                    floor: None,
                })?;
            }
        }
    }
    Ok(())
}

/// Both sides in a process, without sockets, beside quinn.
fn without_sockets(setting: &Setting, table: &mut Table) -> Result<(), Failure> {
    let [peer, ..] = QUIC;
    let Some(mut command) = peer.command(setting) else {
        return Ok(());
    };
    let mut pith = Program::start("pith-quic", peers::own("pith-quic")?.arg("memory"))?;
    let mut other = Program::start(peer.name, command.arg("memory"))?;
    let core = std::thread::available_parallelism()?.get() - 1;
    for program in [&mut pith, &mut other] {
        program.ask(&format!("pin {core}"))?;
    }
    let scenario = tls::Scenario {
        name: "quic-memory-transfer",
        command: format!("time transfer {}", 32 << 20),
        sides: ["client", "server"],
        unit: "ns/GiB",
        units: 1.0 / 32.0,
    };
    let turns = if setting.quick { 5 } else { 21 };
    let pairs = tls::pairs(&mut pith, &mut other, &scenario, turns)?;
    let Ok(pairs) = pairs else {
        return Ok(());
    };
    for (place, side) in scenario.sides.iter().enumerate() {
        table.add(&Row {
            scenario: scenario.name,
            side,
            unit: scenario.unit,
            pith: median(pairs.iter().map(|pair| pair.pith[place])),
            peer: peer.name,
            version: &peer.version()?,
            ratio: median(pairs.iter().map(|pair| pair.ratio(place))),
            floor: None,
        })?;
    }
    Ok(())
}

fn scenarios(quick: bool) -> Vec<Scenario> {
    let turns = if quick { 5 } else { 21 };
    let mebibytes: u32 = if quick { 32 } else { 128 };
    let gibibytes = f64::from(mebibytes) / 1024.0;
    let bytes = u64::from(mebibytes) << 20;
    vec![
        Scenario {
            name: "quic-download",
            command: format!("streams 1 {bytes}"),
            units: gibibytes,
            unit: "ns/GiB",
            turns,
        },
        Scenario {
            name: "quic-100-streams",
            command: format!("streams 100 {}", bytes / 100),
            units: gibibytes,
            unit: "ns/GiB",
            turns,
        },
        Scenario {
            name: "quic-handshake",
            command: "handshakes 50".to_owned(),
            units: 50.0,
            unit: "ns/handshake",
            turns,
        },
        request("quic-request", turns),
        request("quic-request-tokio", turns),
    ]
}

/// Over a connection that is open: of the blocking driver, and of that on tokio.
fn request(name: &'static str, turns: usize) -> Scenario {
    Scenario {
        name,
        command: "requests 2000".to_owned(),
        units: 1.0,
        unit: "ns/request",
        turns,
    }
}

impl Scenario {
    fn is_request(&self) -> bool {
        self.name.starts_with("quic-request")
    }
}

/// Client's processor time, server's, and time by the clock; or what the client answers where that is no time of its own.
fn lap(both: &mut Both, scenario: &Scenario) -> Result<Shown, Failure> {
    let before = both.server.number("cpu")?;
    let Answer::Sums(first, second) = both.client.ask(&scenario.command)? else {
        return Err("it cannot".into());
    };
    let server = both.server.number("cpu")? - before;
    let shown = if scenario.is_request() {
        vec![first, second]
    } else {
        vec![second, server, first]
    };
    Ok(shown.iter().map(|value| value / scenario.units).collect())
}

/// How a program starts, without its role.
type Start<'a> = &'a mut dyn FnMut(&str) -> Result<Command, Failure>;

fn both(name: &str, setting: &Setting, memory: bool, start: Start<'_>) -> Result<Both, Failure> {
    let cores = std::thread::available_parallelism()?.get();
    let mut program = |role: &str, core: usize| -> Result<Program, Failure> {
        let mut command = start(role)?;
        command.arg(role);
        let name = format!("{name} {role}");
        let command = if memory {
            counted(&mut command, &setting.folder, &name.replace(' ', "-"))
        } else {
            &mut command
        };
        let mut program = Program::start(&name, command)?;
        program.ask(&format!("pin {core}"))?;
        Ok(program)
    };
    let mut both = Both {
        server: program("server", cores.saturating_sub(2))?,
        client: program("client", cores - 1)?,
    };
    let port = both.server.number("start")?;
    both.client.ask(&format!("connect {port}"))?;
    Ok(both)
}

/// The heap of an idle connection.
fn memory(setting: &Setting, table: &mut Table) -> Result<(), Failure> {
    build_counter(setting)?;
    let pith = held(&mut both("pith-quic", setting, true, &mut |_| {
        peers::own("pith-quic")
    })?)?;
    for peer in QUIC {
        if peer.command(setting).is_none() {
            continue;
        }
        let command = &mut |_: &str| peer.command(setting).ok_or_else(|| "not built".into());
        let other = held(&mut both(peer.name, setting, true, command)?)?;
        for (place, side) in ["client", "server"].iter().enumerate() {
            table.add(&Row {
                scenario: "quic-memory-idle",
                side,
                unit: "bytes",
                pith: pith[place],
                peer: peer.name,
                version: &peer.version()?,
                ratio: pith[place] / other[place],
                floor: None,
            })?;
        }
    }
    Ok(())
}

/// The heap that connections take which did a request and are idle: client's and server's.
fn held(both: &mut Both) -> Result<[f64; 2], Failure> {
    both.client.ask(&format!("hold {HELD}"))?;
    let before = [both.client.number("heap")?, both.server.number("heap")?];
    both.client.ask(&format!("hold {HELD}"))?;
    let after = [both.client.number("heap")?, both.server.number("heap")?];
    Ok([0, 1].map(|side| (after[side] - before[side]) / f64::from(HELD)))
}

const HELD: u32 = 200;
/// Streams or requests in a lap of [`scale`], or more where there are more at once.
const UNITS: u32 = 1000;
