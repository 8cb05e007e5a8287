//! What `tools/instructions.py` runs, under callgrind for instructions and without it for times.
//!
//! `count` prints a name for each row and runs it: warmed up first, then a number of times that is printed beside the name. Callgrind
//! collects inside [`measured`] alone and writes its sum out after each [`end_of_row`], once for the warm-up and once for the row.
//! `count time` prints the ratio of a record's time to its AEAD's, run in turns so that what else the machine does hits both.

#![forbid(unsafe_code)]
#![allow(clippy::arithmetic_side_effects, clippy::print_stdout)]

use std::hint::black_box;

use pith_benches::{Bare, Configs, Meter, Records, SUITES, timed, unmetered};
use pith_tests::pki::Kind;
use pith_tls::Group;

fn main() {
    if std::env::args().nth(1).as_deref() == Some("time") {
        times();
    } else {
        instructions();
    }
}

fn instructions() {
    let configs = Configs::new(Group::X25519MlKem768, Kind::P256);
    row("handshake client", HANDSHAKES, 1, &mut |meter| {
        drop(configs.handshake(meter, &mut unmetered));
    });
    row("handshake server", HANDSHAKES, 1, &mut |meter| {
        drop(configs.handshake(&mut unmetered, meter));
    });
    for (name, suite, aead) in SUITES {
        let mut records = Records::new(suite, SIZE, BATCH);
        let mut bare = Bare::new(aead, SIZE, BATCH);
        row(&format!("send {name}"), 1, BATCH, &mut |meter| {
            records.batch(meter, &mut unmetered);
        });
        row(&format!("receive {name}"), 1, BATCH, &mut |meter| {
            records.batch(&mut unmetered, meter);
        });
        row(&format!("seal {name}"), 1, BATCH, &mut |meter| {
            bare.batch(meter, &mut unmetered);
        });
        row(&format!("open {name}"), 1, BATCH, &mut |meter| {
            bare.batch(&mut unmetered, meter);
        });
    }
}

/// Runs one row, and prints its name and how many handshakes or records it counts.
fn row(name: &str, runs: usize, batch: usize, run: &mut dyn FnMut(Meter<'_>)) {
    for runs in [1, runs] {
        for _ in 0..runs {
            run(&mut measured);
        }
        end_of_row();
    }
    println!("{name}\t{}", runs * batch);
}

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
const HANDSHAKES: usize = 16;
const PAIRS: usize = 501;
