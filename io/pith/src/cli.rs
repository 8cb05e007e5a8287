//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// TLS 1.3 with post-quantum key exchange.
#[derive(Parser)]
#[command(name = "pith", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Connect a client and a server in this process over TCP, and show what was negotiated, how long it took and how many bytes it took.
    Demo,
    /// Connect to a server: standard input goes to it, what it sends goes to standard output.
    ///
    /// At the end of standard input close_notify is sent, and reading goes on until the server's close_notify. What was negotiated is
    /// shown on standard error.
    #[command(after_help = EXIT_CODES)]
    Client(ClientOptions),
    /// Serve: a page that shows what was negotiated, or an echo.
    ///
    /// The first line on standard output is `listening on ADDR:PORT`. A client that fails is named on standard error; serving goes on.
    #[command(after_help = EXIT_CODES)]
    Server(ServerOptions),
}

#[derive(Args)]
pub(crate) struct ClientOptions {
    /// The server.
    #[arg(value_name = "HOST:PORT")]
    pub(crate) server: String,
    /// PEM file of the CA certificates to trust. Without this and --pin: Mozilla's, as this build carries them.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Trust the server with this key and no other: SHA-256 of its SubjectPublicKeyInfo in hex. May be given again for more keys.
    #[arg(long, value_name = "HEX", conflicts_with = "ca")]
    pub(crate) pin: Vec<String>,
    /// The name that the server must prove, and that is sent to it. [default: HOST]
    #[arg(long, value_name = "NAME")]
    pub(crate) sni: Option<String>,
    /// Do the handshake, print what was negotiated as one JSON object on standard output, close. No data is sent or shown.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct ServerOptions {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: String,
    /// PEM file of the certificate chain, the server's own first.
    #[arg(long, value_name = "FILE")]
    pub(crate) cert: PathBuf,
    /// PEM file of the private key of the first certificate, not encrypted.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// Answer each GET with a page that shows what was negotiated (the default).
    #[arg(long, conflicts_with = "echo")]
    pub(crate) http: bool,
    /// Send back whatever comes, until close_notify.
    #[arg(long)]
    pub(crate) echo: bool,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  all went well
  1  the connection or TLS failed
  2  the command line, or a file that it names, cannot be used";
