//! Which run is meant by which words.

use std::process::{Command, ExitCode};

use pith_tests::heap::{Counter, count};

use crate::{crowd, handshakes, year};

/// Does what the words of the command line say.
pub(crate) fn run() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let counter = Counter::of_process();
    let result = match (words.as_slice(), &counter) {
        (["handshakes", rest @ ..], Some(counter)) => {
            handshakes::run(number(rest, 1_000_000), counter)
        }
        (["year", rest @ ..], Some(counter)) => year::run(number(rest, 365), counter),
        (["handshakes" | "year", ..], None) => return counted(&arguments),
        (["crowd", kind, rest @ ..], _) => crowd::run(kind, number(rest, 10_000) as usize),
        (["crowd-server", kind, folder], Some(counter)) => {
            crowd::server::run(kind, folder, counter)
        }
        (["crowd-client", kind, address, count, folder], _) => {
            crowd::client::run(kind, address, count, folder)
        }
        _ => Err(USAGE.to_owned()),
    };
    match result {
        Ok(result) => {
            println!("{result}");
            ExitCode::SUCCESS
        }
        Err(result) => {
            println!("FAILED: {result}");
            ExitCode::FAILURE
        }
    }
}

/// The number that is given, or else another.
fn number(given: &[&str], default: u64) -> u64 {
    given
        .first()
        .map_or(default, |given| given.parse().unwrap())
}

/// Runs this program again, with a heap that is counted.
fn counted(arguments: &[String]) -> ExitCode {
    let folder = std::env::temp_dir().join(format!("pith-long-{}", std::process::id()));
    let mut again = Command::new(std::env::current_exe().unwrap());
    count(again.args(arguments), &folder);
    let status = again.status().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    match status.success() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

const USAGE: &str = "usage: long handshakes [COUNT] | year [DAYS] | crowd tls|quic [COUNT]";
