//! s2n-quic, with s2n-tls, as a peer of Pith's interop tests; `pith-peer` says what it is told and what it says. `--groups` names one of the policies of s2n-tls.

mod client;
mod facts;
mod server;

use std::process::ExitCode;
use std::time::Duration;

use pith_peer::files::ALPN;
use pith_peer::{Failure, LIMIT, Options};
use s2n_quic::provider::limits::Limits;
use s2n_tls::config::Builder;
use s2n_tls::security::Policy;

fn main() -> ExitCode {
    pith_peer::end(run())
}

#[tokio::main(flavor = "current_thread")]
async fn run() -> Result<&'static str, Failure> {
    let options = Options::new()?;
    if options.server {
        options.only(&["host", "cert", "key", "root", "alpn", "groups", "retry"])?;
        server::run(&options).await
    } else {
        options.only(&[
            "host",
            "port",
            "ca",
            "name",
            "out",
            "get",
            "alpn",
            "groups",
            "session-in",
            "session-out",
        ])?;
        tokio::time::timeout(LIMIT, client::run(&options)).await?
    }
}

/// What both roles have in common. Without a policy's name it is one that has the hybrid, which s2n-quic leaves out by default.
fn configure(builder: &mut Builder, options: &Options) -> Result<(), Failure> {
    let policy = options.get("groups").unwrap_or("default_pq");
    builder.set_security_policy(&Policy::from_version(policy)?)?;
    builder.set_application_protocol_preference([options.get("alpn").unwrap_or(ALPN)])?;
    // It would sleep for up to half a minute after a failure.
    builder.set_max_blinding_delay(0)?;
    Ok(())
}

/// Little room, so that it has to be made in time.
fn limits() -> Result<Limits, Failure> {
    Ok(Limits::new()
        .with_max_idle_timeout(Duration::from_secs(30))?
        .with_max_handshake_duration(LIMIT)?
        .with_data_window(1 << 20)?
        .with_bidirectional_local_data_window(1 << 18)?
        .with_bidirectional_remote_data_window(1 << 18)?
        .with_max_open_remote_bidirectional_streams(20)?)
}
