//! What `tools/instructions.py` runs, under callgrind for instructions and with a malloc counter for allocations.
//!
//! `count` prints a name for each row and runs it: warmed up first, then a number of times that is printed beside the name. Callgrind
//! collects inside [`measured`] alone and writes its sum out after each [`end_of_row`], once for the warm-up and once for the row.
//! `count allocations` prints the calls of malloc by row instead, `count only SCENARIO SIDE` runs one row, for a profile, `count floor
//! SCENARIO SIDE` the primitives of one, and `count time` prints the ratio of a record's time to its AEAD's, run in turns so that what
//! else the machine does hits both.
//!
//! Keys of certificates are those of `benches/keys`; those of key exchanges and signatures are fresh.

#![forbid(unsafe_code)]
#![allow(clippy::arithmetic_side_effects, clippy::print_stdout)]

use std::hint::black_box;

use pith_bench_program::{Failure, Files, Kind, Meter as Sums, Tls, Whose, batch, machine};
use pith_benches::floor::Floor;
use pith_benches::pith::Pith;
use pith_benches::{Bare, Meter, Records, SUITES, keys, quic, timed, unmetered};

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => instructions(),
        ["allocations"] => allocations(),
        ["only", scenario, side] => {
            if let Some((_, scenario, amount, _)) = QUIC.iter().find(|row| row.0 == *scenario) {
                let mut quic = quic::Pith::new(&Files::new(keys()))?;
                let mut meter = Sums::watched(whose(side), measured);
                return machine::run(&mut quic, scenario, *amount, &mut meter);
            }
            let mut tls = Tls::<Pith>::new(Files::new(keys()));
            only(scenario, side, &mut |runs, meter| {
                tls.run(scenario, runs, meter)
            })
        }
        ["floor", scenario, side] => {
            let mut floor = Floor::new()?;
            only(scenario, side, &mut |runs, meter| {
                floor.run(scenario, runs, meter)
            })
        }
        ["time"] => {
            times();
            Ok(())
        }
        _ => Err("count [allocations | time | only SCENARIO SIDE | floor SCENARIO SIDE]".into()),
    }
}

/// What is counted of the scenarios that `compare` has: sides by name, and how often in a row.
fn scenarios() -> [(&'static str, [&'static str; 2], usize); 8] {
    const HANDSHAKE: [&str; 2] = ["client", "server"];
    const BULK: [&str; 2] = ["send", "receive"];
    [
        ("full-hybrid", HANDSHAKE, HANDSHAKES),
        ("full-hybrid-known-chain", HANDSHAKE, HANDSHAKES),
        ("full-x25519", HANDSHAKE, HANDSHAKES),
        ("resumed-hybrid", HANDSHAKE, HANDSHAKES),
        ("mutual-hybrid", HANDSHAKE, HANDSHAKES),
        ("bulk-16384", BULK, batch(16_384)),
        ("bulk-1024", BULK, batch(1024)),
        ("bulk-100", BULK, batch(100)),
    ]
}

fn instructions() -> Result<(), Failure> {
    let mut tls = Tls::<Pith>::new(Files::new(keys()));
    both_sides("", &mut |scenario, runs, meter| {
        tls.run(scenario, runs, meter)
    })?;
    let mut floor = Floor::new()?;
    both_sides("floor ", &mut |scenario, runs, meter| {
        floor.run(scenario, runs, meter)
    })?;
    let mut quic = quic::Pith::new(&Files::new(keys()))?;
    for (name, scenario, amount, units) in QUIC {
        for (side, whose) in [("client", Whose::Client), ("server", Whose::Server)] {
            for amount in [1, amount] {
                let mut meter = Sums::watched(whose, measured);
                machine::run(&mut quic, scenario, amount, &mut meter)?;
                end_of_row();
            }
            println!("{name} {side}\t{units}");
        }
    }
    for (name, suite, aead) in SUITES {
        let mut records = Records::new(suite, SIZE, BATCH);
        let mut bare = Bare::new(aead, SIZE, BATCH);
        row(&format!("send {name}"), &mut |meter| {
            records.batch(meter, &mut unmetered);
        });
        row(&format!("receive {name}"), &mut |meter| {
            records.batch(&mut unmetered, meter);
        });
        row(&format!("seal {name}"), &mut |meter| {
            bare.batch(meter, &mut unmetered);
        });
        row(&format!("open {name}"), &mut |meter| {
            bare.batch(&mut unmetered, meter);
        });
    }
    Ok(())
}

/// The scenarios, in rows whose names begin so.
fn both_sides(
    whose: &str,
    run: &mut dyn FnMut(&str, usize, &mut Sums) -> Result<(), Failure>,
) -> Result<(), Failure> {
    for (scenario, names, runs) in scenarios() {
        for (name, side) in names.iter().zip([Whose::Client, Whose::Server]) {
            for runs in [1, runs] {
                run(scenario, runs, &mut Sums::watched(side, measured))?;
                end_of_row();
            }
            println!("{whose}{scenario} {name}\t{runs}");
        }
    }
    Ok(())
}

fn row(name: &str, run: &mut dyn FnMut(Meter<'_>)) {
    for _ in 0..2 {
        run(&mut measured);
        end_of_row();
    }
    println!("{name}\t{BATCH}");
}

fn allocations() -> Result<(), Failure> {
    let mut tls = Tls::<Pith>::new(Files::new(keys()));
    calls("", &mut |scenario, runs, meter| {
        tls.run(scenario, runs, meter)
    })?;
    let mut floor = Floor::new()?;
    calls("floor ", &mut |scenario, runs, meter| {
        floor.run(scenario, runs, meter)
    })?;
    let mut quic = quic::Pith::new(&Files::new(keys()))?;
    for (name, scenario, amount, units) in QUIC {
        let mut sums = Sums::new(Kind::Calls)?;
        machine::run(&mut quic, scenario, amount, &mut sums)?;
        let (client, server) = sums.sums();
        println!("{name} client\t{client}\t{units}");
        println!("{name} server\t{server}\t{units}");
    }
    Ok(())
}

fn calls(
    whose: &str,
    run: &mut dyn FnMut(&str, usize, &mut Sums) -> Result<(), Failure>,
) -> Result<(), Failure> {
    for (scenario, names, runs) in scenarios() {
        run(scenario, runs, &mut Sums::new(Kind::Calls)?)?;
        let mut sums = Sums::new(Kind::Calls)?;
        run(scenario, runs, &mut sums)?;
        let (client, server) = sums.sums();
        for (name, calls) in names.iter().zip([client, server]) {
            println!("{whose}{scenario} {name}\t{calls}\t{runs}");
        }
    }
    Ok(())
}

/// QUIC without sockets: names of rows, scenarios, how much of each, and of how many units that is. Those that end in a number show what a unit
/// costs as their number grows: a packet that may be lost, or that comes in the worst order, and a stream among others.
const QUIC: [(&str, &str, u64, u64); 8] = [
    ("quic-handshake", "shake", 64, 64),
    ("quic-transfer-mib", "transfer", 16 << 20, 16),
    ("quic-loses-400", "loses", 400, 400),
    ("quic-loses-4000", "loses", 4000, 4000),
    ("quic-reverses-400", "reverses", 400, 400),
    ("quic-reverses-4000", "reverses", 4000, 4000),
    ("quic-streams-10", "streams-10", 100, 1000),
    ("quic-streams-1000", "streams-1000", 1, 1000),
];

fn only(
    scenario: &str,
    side: &str,
    run: &mut dyn FnMut(usize, &mut Sums) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let whose = whose(side);
    let runs = scenarios()
        .iter()
        .find(|row| row.0 == scenario)
        .map(|row| row.2);
    let runs = runs.ok_or("no such scenario")?;
    // As a row, with its warm-up.
    run(1, &mut Sums::watched(whose, |step| step()))?;
    run(runs, &mut Sums::watched(whose, measured))
}

fn whose(side: &str) -> Whose {
    match side {
        "client" | "send" => Whose::Client,
        _ => Whose::Server,
    }
}

/// What callgrind is told to look at.
#[inline(never)]
fn measured(step: &mut dyn FnMut()) {
    black_box(step)();
}

#[inline(never)]
fn end_of_row() {
    black_box(());
}

fn times() {
    for (name, suite, aead) in SUITES {
        let mut records = Records::new(suite, SIZE, BATCH);
        let mut bare = Bare::new(aead, SIZE, BATCH);
        let mut ratios = [Vec::new(), Vec::new()];
        for _ in 0..PAIRS {
            let [mut send, mut receive] = [[0.0; 2]; 2];
            send[0] = timed(|meter| records.batch(meter, &mut unmetered)).as_secs_f64();
            send[1] = timed(|meter| bare.batch(meter, &mut unmetered)).as_secs_f64();
            receive[0] = timed(|meter| records.batch(&mut unmetered, meter)).as_secs_f64();
            receive[1] = timed(|meter| bare.batch(&mut unmetered, meter)).as_secs_f64();
            for (ratios, [record, bare]) in ratios.iter_mut().zip([send, receive]) {
                ratios.push(record / bare);
            }
        }
        let [send, receive] = ratios.map(median);
        println!("{name}\t{send:.3}\t{receive:.3}");
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Bytes of data in a record.
const SIZE: usize = 16_384;
const BATCH: usize = 16;
/// A signature and a key of ML-KEM take more or less work by chance; this many average it out.
const HANDSHAKES: usize = 64;
const PAIRS: usize = 501;
