//! `pith policy`: what the named policies allow.

use std::io::{self, Write};

use pith_tls::policy::{ALL, diff};

use crate::cli::PolicyCommand;
use crate::failure::{self, Failure};
use crate::{input, negotiated};

pub(crate) fn run(command: &PolicyCommand) -> Result<(), Failure> {
    let text = match command {
        PolicyCommand::Show { name: Some(name) } => input::policy(name)?.to_string(),
        PolicyCommand::Show { name: None } => {
            let rows = ALL
                .into_iter()
                .map(|policy| (policy.name, policy.about.to_owned()));
            let table = negotiated::table(rows);
            format!("Policies; `pith policy show NAME` prints one in full:\n{table}")
        }
        PolicyCommand::Diff { a, b } => diff(input::policy(a)?, input::policy(b)?).to_string(),
    };
    let written = io::stdout().write_all(text.as_bytes());
    written.map_err(|error| failure::output(&error))
}
