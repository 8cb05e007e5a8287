//! `pith interop`: the endpoints of the QUIC interop runner, which says by environment variables what to do.
//!
//! The runner runs each side in a container of its own, with a network between that does what the test case is about. A side exits with 0
//! when all went well, with 1 when it did not, and with 127 where it does not know the test case.

use std::path::Path;
use std::time::Duration;

use pith_tls::policy::V2026_11;
use pith_tls::{CertificateDer, CipherSuite, Trust, key_pin};
use x509_parser::pem::Pem;

use crate::cli::{InteropCommand, InteropOptions};
use crate::failure::Failure;
use crate::input::{self, Terms};
use case::Case;

mod case;
mod client;
mod server;

pub(crate) fn run(command: &InteropCommand) -> Result<(), Failure> {
    let done = match command {
        InteropCommand::Client(options) => {
            case(&options.common).and_then(|case| client::run(options, case))
        }
        InteropCommand::Server(options) => {
            case(&options.common).and_then(|case| server::run(options, case))
        }
    };
    done.map_err(|failure| match failure.exit_code() {
        UNSUPPORTED => failure,
        _ => failure.with_exit_code(FAILED),
    })
}

fn case(options: &InteropOptions) -> Result<Case, Failure> {
    let name = options.testcase.as_deref().unwrap_or_default();
    Case::named(name).ok_or_else(|| {
        let names: Vec<_> = Case::NAMES.iter().map(|(name, _)| *name).collect();
        Failure::input(format!(
            "the test case {name:?} is not supported; those are: {}",
            names.join(", ")
        ))
        .with_exit_code(UNSUPPORTED)
    })
}

/// What either side negotiates in a test case.
fn terms(options: &InteropOptions, case: Case, protocols: &[&str]) -> Result<Terms, Failure> {
    let key_log = options.keylog.as_deref().filter(|path| !path.is_empty());
    let key_log = key_log.map(|path| input::key_log(Path::new(path)));
    Ok(Terms {
        policy: &V2026_11,
        groups: None,
        suites: (case == Case::ChaCha20).then(|| vec![CipherSuite::ChaCha20Poly1305Sha256]),
        protocols: protocols.iter().map(|name| (*name).into()).collect(),
        key_log: key_log.transpose()?,
    })
}

/// What the runner gives a client to believe in: its CA in `ca.pem`; and the key of the server's certificate, which is in `cert.pem`, for want of a CA, and where
/// it is so far from the CA that nobody would follow the chain: that of the test case amplificationlimit is of nine certificates.
fn trust(certs: &Path) -> Result<Trust, Failure> {
    let (ca, chain) = (certs.join("ca.pem"), certs.join("cert.pem"));
    let ours = chain.is_file().then(|| certificates(&chain)).transpose()?;
    let ours = ours.unwrap_or_default();
    if ca.is_file() && ours.len() <= FOLLOWED {
        return input::roots(&ca);
    }
    let pin = ours.first().and_then(|leaf| key_pin(leaf).ok());
    let pin = pin.ok_or_else(|| {
        Failure::input(format!(
            "expected ca.pem or cert.pem in {}: give the directory that the server has its certificate from",
            certs.display()
        ))
    })?;
    Trust::pinned_keys([pin])
        .map_err(|error| Failure::input(format!("the server's key cannot be used: {error}")))
}

/// The certificates of a file.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let pem = input::read(path, "a certificate chain in PEM")?;
    let blocks = Pem::iter_from_buffer(&pem).map_while(Result::ok);
    Ok(blocks
        .filter(|block| block.label == "CERTIFICATE")
        .map(|block| CertificateDer::from(block.contents))
        .collect())
}

const FAILED: u8 = 1;
const UNSUPPORTED: u8 = 127;

/// Gives a configuration of either side what a test case needs.
macro_rules! suit {
    ($builder:expr, $case:expr) => {{
        let builder = $builder;
        match $case {
            // Of a hello and its answer, two datagrams each, 30% are lost: it takes many tries.
            Case::Multiconnect => builder
                .initial_rtt(NEAR)
                .handshake_timeout(PATIENCE)
                .idle_timeout(Some(PATIENCE)),
            // The runner counts what does not come early, and would count probes of the path.
            Case::ZeroRtt => builder.mtu(LEAST),
            _ => builder,
        }
    }};
}
use suit;

/// More than the round trip of the runner's network, and less than what is taken for it where nothing is known.
const NEAR: Duration = Duration::from_millis(100);
/// What each path carries.
const LEAST: u16 = 1200;
/// The runner waits for five minutes.
const PATIENCE: Duration = Duration::from_secs(120);

/// Certificates go as they are: the case amplificationlimit is about a chain that is too long for what a server may send at first.
const COMPRESSION: bool = false;

/// Certificates from a server's to the last one below the CA that a client follows.
const FOLLOWED: usize = 7;
