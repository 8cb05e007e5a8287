//! quiche as a peer of Pith's interop tests over QUIC; `pith-peer` says what it is told and what it says.

mod client;
mod server;
mod sockets;

use std::process::ExitCode;

use boring::ssl::SslRef;
use pith_peer::files::ALPN;
use pith_peer::{Failure, Options};
use quiche::{Config, Connection, PROTOCOL_VERSION};

fn main() -> ExitCode {
    let outcome = Options::new().and_then(|options| {
        if options.server {
            options.only(&[
                "host", "cert", "key", "root", "alpn", "groups", "retry", "early",
            ])?;
            server::run(&options)
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
                "early",
                "migrate",
            ])?;
            client::run(&options)
        }
    });
    pith_peer::end(outcome)
}

/// Whether it is HTTP/3 on a connection, and not HTTP/0.9.
fn is_http3(connection: &Connection) -> bool {
    connection.application_proto() == b"h3"
}

/// What both roles have in common.
fn config(options: &Options) -> Result<Config, Failure> {
    let mut config = Config::new(PROTOCOL_VERSION)?;
    config.set_application_protos(&[options.get("alpn").unwrap_or(ALPN).as_bytes()])?;
    // Its bundled BoringSSL would leave the hybrid out.
    config.set_curves_list(options.get("groups").unwrap_or("X25519MLKEM768:X25519"))?;
    if let (Some(chain), Some(key)) = (options.get("cert"), options.get("key")) {
        config.load_cert_chain_from_pem_file(chain)?;
        config.load_priv_key_from_pem_file(key)?;
    }
    if let Some(ca) = options.get("ca") {
        config.load_verify_locations_from_file(ca)?;
        config.verify_peer(true);
    }
    if options.has("early") {
        config.enable_early_data();
    }
    config.set_max_idle_timeout(30_000);
    config.set_max_recv_udp_payload_size(1_500);
    config.set_max_send_udp_payload_size(1_350);
    config.set_initial_max_data(1 << 20);
    config.set_initial_max_stream_data_bidi_local(1 << 18);
    config.set_initial_max_stream_data_bidi_remote(1 << 18);
    config.set_initial_max_streams_bidi(20);
    // Those of HTTP/3, for settings and headers.
    config.set_initial_max_streams_uni(3);
    config.set_initial_max_stream_data_uni(1 << 14);
    config.set_active_connection_id_limit(4);
    Ok(config)
}

/// What was negotiated, as facts.
fn facts(connection: &mut Connection) -> Vec<(&'static str, String)> {
    let early = match connection.early_data_reason() {
        EARLY_ACCEPTED => Some("accepted"),
        _ => None,
    };
    let resumed = connection.is_resumed();
    let ssl: &mut SslRef = connection.as_mut();
    let mut facts = vec![
        ("group", ssl.curve_name().unwrap_or("?").to_owned()),
        ("resumed", resumed.to_string()),
    ];
    let suite = ssl.current_cipher().map(|suite| suite.name().to_owned());
    facts.extend(suite.map(|suite| ("suite", suite)));
    facts.extend(early.map(|early| ("early", early.to_owned())));
    facts
}

/// BoringSSL's number of that.
const EARLY_ACCEPTED: u32 = 2;
