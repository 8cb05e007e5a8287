//! The `pith` command: a demonstration, a client and a server of TLS 1.3 and QUIC, and what one needs to try them.
//!
//! Each subcommand is a file; [`failure`] turns what went wrong into one paragraph that says what was expected, what came and
//! what to do. Standard output holds what was asked for, standard error all that is said about it.
#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    reason = "a command owns its clock, threads and sockets"
)]

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};

mod cli;
mod client;
mod demo;
mod demo_quic;
mod escape;
mod failure;
mod files;
mod flights;
mod get;
mod identity;
mod input;
mod interop;
mod keys;
mod negotiated;
mod page;
mod pki;
mod policy;
mod probe;
mod server;
mod sessions;

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Demo => demo::run(),
        Command::Client(options) => client::run(&options),
        Command::Get(options) => get::run(&options),
        Command::Server(options) if options.quic => files::run(&options),
        Command::Server(options) => server::run(&options),
        Command::Policy(command) => policy::run(&command),
        Command::Interop(command) => interop::run(&command),
        Command::Pki(options) => pki::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say(format_args!("pith: {failure}"));
            ExitCode::from(failure.exit_code())
        }
    }
}

/// A line on standard error. Nobody there to read it is no reason to fail.
fn say(line: fmt::Arguments<'_>) {
    let _heard = writeln!(io::stderr(), "{line}").is_ok();
}
