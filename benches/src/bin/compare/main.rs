//! Pith and its peers, doing the same work in turn.
//!
//! `compare` builds the peers (`peers/compare/build.sh`), runs each scenario with each peer and Pith in turn (A B A B), prints a table of
//! the medians of the paired ratios, and writes it to `compare.tsv`. `--quick` takes fewer turns, `--only PART,PART` measures these parts
//! (`tls`, `memory`, `quic`, `machine`, `quic-memory`, `scale`) and leaves the rows of the others as the file has them, `--output FILE` writes
//! elsewhere, `--built FOLDER` builds nothing and takes peers from there. What fails leaves its rows out, says so, and has `compare` fail once
//! all else is measured.
//!
//! In the table a ratio is Pith's to the peer's of the same moment, or the peer's to Pith's of what is better the more it is, so that under 1 means
//! that Pith is better, whatever the unit. `pith` and `floor` are medians by themselves, `to_floor` again one of paired ratios.
#![forbid(unsafe_code)]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout
)]

mod machines;
mod memory;
mod peers;
mod pith_quic;
mod pith_quic_blocking;
mod program;
mod quic;
mod table;
mod tls;

use std::path::PathBuf;

use pith_bench_program::{Failure, Files, Tls, machine, serve};

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["program", "pith", folder] => {
            let mut tls = Tls::<pith_benches::pith::Pith>::new(Files::new(*folder));
            Ok(serve(|words| tls.answer(words))?)
        }
        ["program", "floor", _] => {
            let mut floor = pith_benches::floor::Floor::new()?;
            Ok(serve(|words| floor.answer(words))?)
        }
        ["program", "pith-machine", folder] => {
            let mut machines = pith_benches::quic::Pith::new(&Files::new(*folder))?;
            Ok(serve(|words| machine::answer(&mut machines, words))?)
        }
        ["program", "pith-quic", folder, role] => {
            pith_bench_program::quic::run::<pith_quic::Pith>(&Files::new(*folder), role)
        }
        ["program", "pith-quic-blocking", folder, role] => {
            pith_quic_blocking::run(&Files::new(*folder), role)
        }
        words => compare(&Options::parse(words)?),
    }
}

/// What the command line says.
struct Options {
    quick: bool,
    parts: Vec<&'static str>,
    output: PathBuf,
    built: Option<PathBuf>,
}

impl Options {
    fn parse(mut words: &[&str]) -> Result<Self, Failure> {
        let mut options = Self {
            quick: false,
            parts: PARTS.to_vec(),
            output: "compare.tsv".into(),
            built: None,
        };
        loop {
            words = match words {
                [] => return Ok(options),
                ["--quick", rest @ ..] => {
                    options.quick = true;
                    rest
                }
                ["--only", parts, rest @ ..] => {
                    let known = |name| PARTS.into_iter().find(|part| *part == name);
                    let parts: Option<Vec<_>> = parts.split(',').map(known).collect();
                    options.parts = parts.ok_or_else(|| format!("parts are {PARTS:?}"))?;
                    rest
                }
                ["--output", file, rest @ ..] => {
                    options.output = file.into();
                    rest
                }
                ["--built", folder, rest @ ..] => {
                    options.built = Some(folder.into());
                    rest
                }
                [word, ..] => return Err(format!("what is {word}?").into()),
            };
        }
    }
}

/// What is measured, in the order of the table.
const PARTS: [&str; 6] = ["tls", "memory", "quic", "machine", "quic-memory", "scale"];

/// The part to which a row belongs.
fn part(row: &str) -> &'static str {
    let starts = [
        ("allocations-", "memory"),
        ("memory-", "memory"),
        ("machine-", "machine"),
        ("quic-memory-", "quic-memory"),
        ("quic-", "quic"),
        ("scale-", "scale"),
    ];
    let found = starts.iter().find(|(start, _)| row.starts_with(start));
    found.map_or("tls", |(_, part)| part)
}

/// Where things are that all parts need.
struct Setting {
    /// What programs leave.
    folder: PathBuf,
    /// The peers' programs.
    peers: PathBuf,
    quick: bool,
}

fn compare(options: &Options) -> Result<(), Failure> {
    let peers = match &options.built {
        Some(folder) => folder.clone(),
        None => peers::build()?,
    };
    let folder = std::env::temp_dir().join(format!("pith-compare-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let setting = Setting {
        folder: folder.clone(),
        peers,
        quick: options.quick,
    };
    let outcome = measure(options, &setting);
    std::fs::remove_dir_all(folder)?;
    outcome
}

fn measure(options: &Options, setting: &Setting) -> Result<(), Failure> {
    let mut table = table::Table::new();
    for part in &options.parts {
        table.attempt(part, |table| match *part {
            "tls" => tls::measure(setting, table),
            "memory" => memory::measure(setting, table),
            "quic" => quic::measure(setting, table),
            "machine" => machines::measure(setting, table),
            "quic-memory" => quic::memory(setting, table),
            _ => {
                tls::rates(setting, table)?;
                machines::streams(setting, table)?;
                quic::connections(setting, table)
            }
        });
    }
    table.write(&options.output, &options.parts)
}
