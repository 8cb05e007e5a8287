//! The shim through which BoringSSL's protocol test runner drives Pith.
//!
//! The runner starts this program once for each test and speaks to it over TCP. It exits with 0 when the connection went as
//! the flags ask, with 1 and a name of BoringSSL's on stderr when it failed, and with 89 when the test needs something
//! that Pith does not have. `run.sh` builds and runs all of it.
#![forbid(unsafe_code)]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "not part of the core; a panic fails the test, as it should"
)]

mod drive;
mod link;
mod names;
mod options;
mod quic;
mod setup;

use std::io::Write;
use std::process::ExitCode;

use drive::Failure;
use options::{Options, Unsupported};

/// The exit code that says "unimplemented" to the runner.
const UNIMPLEMENTED: u8 = 89;

fn main() -> ExitCode {
    // Some tests pass bytes that are no text; none of them is in scope.
    let arguments: Option<Vec<_>> = std::env::args_os()
        .skip(1)
        .map(|argument| argument.into_string().ok())
        .collect();
    let Some(arguments) = arguments else {
        return unimplemented("an argument that is no text");
    };
    if arguments
        .iter()
        .any(|argument| argument == "-is-handshaker-supported")
    {
        println!("No");
        return ExitCode::SUCCESS;
    }
    match Options::parse(&arguments)
        .map_err(Failure::from)
        .and_then(drive::run)
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Unsupported(Unsupported(what))) => unimplemented(&what),
        Err(Failure::Connection(error)) => {
            eprintln!(":{}: {error}", names::name(&error));
            ExitCode::FAILURE
        }
        Err(Failure::Other(what)) => {
            eprintln!("{what}");
            ExitCode::FAILURE
        }
    }
}

/// Says what the test needs, to whoever reads and to the file that `BOGO_REASONS` names, a line a test.
fn unimplemented(what: &str) -> ExitCode {
    eprintln!("unimplemented: {what}");
    if let Some(path) = std::env::var_os("BOGO_REASONS") {
        let mut options = std::fs::OpenOptions::new();
        let file = options.append(true).create(true).open(path);
        // One write, since others write there too.
        let told = file.and_then(|mut file| file.write_all(format!("{what}\n").as_bytes()));
        if let Err(error) = told {
            eprintln!("BOGO_REASONS: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::from(UNIMPLEMENTED)
}
