//! The command line.

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

/// TLS 1.3 and QUIC with post-quantum key exchange.
#[derive(Parser)]
#[command(name = "pith", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Connect a client and a server in this process over TCP, and show what was negotiated, how long it took and how many bytes it took;
    /// then the same client again, with a ticket and early data, and both over QUIC.
    Demo,
    /// Connect to a server: standard input goes to it, what it sends goes to standard output.
    ///
    /// At the end of standard input close_notify is sent, and reading goes on until the server's close_notify. What was negotiated is
    /// shown on standard error.
    #[command(after_help = EXIT_CODES)]
    Client(ClientOptions),
    /// Get files over HTTP/3, all of one server's over one connection, at once.
    ///
    /// A status other than 200 is a failure. A file that was asked for goes to standard output or to where --output says; what was negotiated is shown on standard error.
    #[command(after_help = EXIT_CODES)]
    Get(GetOptions),
    /// Serve: a page that shows what was negotiated, or an echo; or, with --quic, files over HTTP/3.
    ///
    /// The first line on standard output is `listening on ADDR:PORT`. A client that fails is named on standard error; serving goes on.
    #[command(after_help = EXIT_CODES)]
    Server(ServerOptions),
    /// Be an endpoint of the QUIC interop runner, which says by environment variables what to do.
    #[command(subcommand, after_help = INTEROP_EXIT_CODES)]
    Interop(InteropCommand),
    /// Show what the named policies allow, or how two of them differ.
    #[command(subcommand, after_help = EXIT_CODES)]
    Policy(PolicyCommand),
    /// Make a throwaway CA, and certificates that it issued, to try things with.
    ///
    /// Nothing is ever overwritten. The CA's own key is not kept, so nobody can issue more with it.
    #[command(after_help = EXIT_CODES)]
    Pki(PkiOptions),
}

#[derive(Args)]
pub(crate) struct ClientOptions {
    /// The server.
    #[arg(value_name = "HOST:PORT")]
    pub(crate) server: String,
    #[command(flatten)]
    pub(crate) trust: TrustOptions,
    /// The name that the server must prove, and that is sent to it. [default: HOST]
    #[arg(long, value_name = "NAME")]
    pub(crate) sni: Option<String>,
    /// Connect N times, one after the other, and show a line for each and the times of all. No data is sent or shown.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) repeat: Option<u32>,
    /// Connect once, and then N times more, each time with the ticket of the connection before and no older one, and show a line for each. What the
    /// server does not resume is a full handshake, and standard error says why. No data but --early-data is sent, and none shown.
    #[arg(long, value_name = "N", conflicts_with = "repeat", value_parser = clap::value_parser!(u32).range(1..1_000_000))]
    pub(crate) resume: Option<u32>,
    /// Send this file first, at most 64 KiB: as early data (0-RTT) where a ticket of --resume or --session allows it, and what the server does not
    /// take so, after the handshake. Somebody on the way can have early data arrive more than once.
    #[arg(long, value_name = "FILE", conflicts_with = "repeat")]
    pub(crate) early_data: Option<PathBuf>,
    /// Keep sessions in this file, and resume with those in it. It is made if it is not there, readable by its owner alone, and sealed under
    /// --session-key. One that cannot be opened is left as it is. For one `pith` at a time.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "repeat",
        requires = "session_key"
    )]
    pub(crate) session: Option<PathBuf>,
    /// The key of --session, 32 random bytes. It is made if it is not there, readable by its owner alone.
    #[arg(long, value_name = "FILE", requires = "session")]
    pub(crate) session_key: Option<PathBuf>,
    /// Do the handshake, print what was negotiated as one JSON object on standard output, close. No data but --early-data is sent, and none shown.
    ///
    /// Its keys are peer, version, group, post_quantum, suite, signature_scheme, server_name, protocol, hello_retry_request,
    /// resumed, early_data (not_offered, accepted, rejected), psk (an identity of --psk),
    /// client_signature_scheme, peer_key_sha256 (what --pin takes), server_certificate (subject, names, issuer, not_after in seconds since 1970,
    /// key_sha256), milliseconds
    /// (connect, handshake, total), bytes (sent, received) and error. What there is none of is null.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) identity: IdentityOptions,
    #[command(flatten)]
    pub(crate) terms: TermsOptions,
}

#[derive(Args)]
pub(crate) struct GetOptions {
    /// What to get: https://HOST[:PORT]/PATH. The port is 443 if none is given.
    #[arg(value_name = "URL", required = true)]
    pub(crate) urls: Vec<String>,
    /// Over HTTP/0.9 on QUIC streams (ALPN hq-interop), in place of HTTP/3.
    #[arg(long)]
    pub(crate) hq: bool,
    /// Get nothing, but measure how fast the server takes bytes, gives bytes and answers requests, over one connection (ALPN perf,
    /// draft-banks-quic-performance; `pith server --quic --perf`), and print a table on standard output.
    #[arg(long, conflicts_with_all = ["hq", "zero_rtt", "migrate", "keyupdate", "output"])]
    pub(crate) perf: bool,
    /// How many bytes --perf sends, and gets.
    #[arg(
        long,
        value_name = "N",
        requires = "perf",
        default_value_t = 100_000_000
    )]
    pub(crate) perf_bytes: u64,
    /// How many requests --perf makes, 100 at a time, each with an answer of 64 bytes.
    #[arg(long, value_name = "N", requires = "perf", default_value_t = 10_000)]
    pub(crate) perf_requests: u32,
    /// Print what --perf measured as one JSON object in place of the table: peer, handshake_seconds, upload and download (bytes, seconds, megabits_per_second)
    /// and requests (count, seconds, per_second).
    #[arg(long, requires = "perf")]
    pub(crate) json: bool,
    /// Connect to each server twice: the first connection only gets a ticket, and the second asks for the files before its handshake is complete (0-RTT),
    /// or after it where the server does not take that. Somebody on the way can have the server get these requests more than once.
    #[arg(long)]
    pub(crate) zero_rtt: bool,
    /// Speak version 2 of QUIC (RFC 9369) and no other, where otherwise the client begins in version 1 and offers version 2.
    #[arg(long)]
    pub(crate) v2: bool,
    /// Go on from another port of this host while files come, under connection ids that nobody has seen, and say from where to where.
    #[arg(long, conflicts_with = "zero_rtt")]
    pub(crate) migrate: bool,
    /// Change the keys of each connection while files come (RFC 9001 section 6), and say whether the server has followed.
    #[arg(long)]
    pub(crate) keyupdate: bool,
    /// Where the file goes; with several URLs a directory, which is made if it is not there, for a file of the last part of each path. What is there is
    /// replaced once all of the new file has come. [default: standard output, for one URL]
    #[arg(short, long, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,
    /// Keep a trace of each connection in a file of this directory, as qvis reads it (qlog). The directory is made if it is not there.
    #[arg(long, value_name = "DIR")]
    pub(crate) qlog: Option<PathBuf>,
    /// The name that the servers must prove, and that is sent to them. [default: HOST]
    #[arg(long, value_name = "NAME")]
    pub(crate) sni: Option<String>,
    #[command(flatten)]
    pub(crate) trust: TrustOptions,
    #[command(flatten)]
    pub(crate) identity: IdentityOptions,
    #[command(flatten)]
    pub(crate) terms: TermsOptions,
}

/// Whom a client believes.
#[derive(Args)]
pub(crate) struct TrustOptions {
    /// PEM file of the CA certificates to trust. Without this, --pin, --system-roots and --psk: Mozilla's, as this build carries them.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Trust the CA certificates that this machine has (SSL_CERT_FILE and SSL_CERT_DIR name others).
    #[arg(long, conflicts_with = "ca")]
    pub(crate) system_roots: bool,
    /// Trust the server with this key and no other, in a certificate or raw: SHA-256 of its SubjectPublicKeyInfo in hex. May be given again for
    /// more keys.
    #[arg(long, value_name = "HEX", conflicts_with_all = ["ca", "system_roots"])]
    pub(crate) pin: Vec<String>,
}

#[derive(Args)]
pub(crate) struct ServerOptions {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: String,
    /// Whether clients are asked for a certificate: not at all, accepted without one, or refused without one.
    #[arg(long, value_name = "MODE", default_value = "none")]
    pub(crate) client_auth: ClientAuthMode,
    /// PEM file of the CA certificates that a client's certificate must lead to, with --client-auth.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Let in the clients with this key and no other, with --client-auth in the place of --ca: SHA-256 of its SubjectPublicKeyInfo in hex, in a
    /// certificate or raw. May be given again for more keys.
    #[arg(long, value_name = "HEX", conflicts_with = "ca")]
    pub(crate) pin: Vec<String>,
    /// Under what the tickets are sealed by which clients resume: `rotating`, keys of this process that change by themselves; `fleet:FILE`, keys
    /// that follow from the bytes of this file, at least 32 random ones, so that servers which share it take each other's tickets; `none`,
    /// no tickets. Whoever reads FILE can open the tickets.
    #[arg(long, value_name = "WHICH", default_value = "rotating")]
    pub(crate) tickets: String,
    /// Take early data (0-RTT) of clients that resume, at most MAX bytes of each (16,384 if none are given, at most 1 MiB). It can be a copy that somebody
    /// recorded: this process takes each hello once, and so does each other server with the same --tickets fleet:FILE; such a server takes none in its
    /// first 20 seconds.
    #[arg(long, value_name = "MAX", num_args = 0..=1, default_missing_value = "16384",
        value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    pub(crate) early_data: Option<u32>,
    /// Answer each GET with a page that shows what was negotiated (the default).
    #[arg(long, conflicts_with = "echo")]
    pub(crate) http: bool,
    /// Send back whatever comes, until close_notify.
    #[arg(long)]
    pub(crate) echo: bool,
    /// Serve over QUIC, on UDP, by --h3, --hq or --perf, or several of them.
    #[arg(long, conflicts_with_all = ["http", "echo"])]
    pub(crate) quic: bool,
    /// Answer over HTTP/3, and over TCP on the same port by HTTP/1.1, which tells browsers of HTTP/3 (Alt-Svc). Without an index.html `/` is the page that
    /// shows what was negotiated.
    #[arg(long, requires_all = ["quic", "root"])]
    pub(crate) h3: bool,
    /// Answer `GET /PATH` on each stream with the file, as HTTP/0.9 (ALPN hq-interop).
    #[arg(long, requires_all = ["quic", "root"])]
    pub(crate) hq: bool,
    /// Take and give as many bytes as a client of `pith get --perf` likes (ALPN perf): for measuring, and not for the open.
    #[arg(long, requires = "quic")]
    pub(crate) perf: bool,
    /// The directory of the files that are served; none outside of it is, symbolic links included. `/` is its index.html.
    #[arg(long, value_name = "DIR", requires = "quic")]
    pub(crate) root: Option<PathBuf>,
    /// Have each client show that it receives at its address (Retry) before anything is done for it, where QUIC does so under load alone.
    #[arg(long, requires = "quic")]
    pub(crate) retry: bool,
    /// Have clients that offer version 2 of QUIC (RFC 9369) go on in it, where version 1 is the first choice otherwise.
    #[arg(long, requires = "quic")]
    pub(crate) v2: bool,
    /// Keep a trace of each QUIC connection in a file of this directory, as qvis reads it (qlog). The directory is made if it is not there. Whoever
    /// connects makes another file.
    #[arg(long, value_name = "DIR", requires = "quic")]
    pub(crate) qlog: Option<PathBuf>,
    /// Print one JSON object for each connection on standard output when it ends; the first line is {"listening":"ADDR:PORT"}.
    ///
    /// Its keys are those of a client's, but for client_certificate in the place of server_certificate.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) identity: IdentityOptions,
    #[command(flatten)]
    pub(crate) terms: TermsOptions,
}

/// What either side shows of itself, or shares with the other.
#[derive(Args, Default)]
pub(crate) struct IdentityOptions {
    /// PEM file of a certificate chain to show, this side's own first. With several pairs of --cert and --key, each peer is shown the
    /// one that suits it best.
    #[arg(long, value_name = "FILE")]
    pub(crate) cert: Vec<PathBuf>,
    /// PEM file of the private key of the first certificate in --cert, not encrypted.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Vec<PathBuf>,
    /// PEM file of a private key whose public key is shown raw (RFC 7250), with no certificate, to peers that take one: those that pin it. May be
    /// given again, and beside --cert.
    #[arg(long, value_name = "FILE")]
    pub(crate) raw_key: Vec<PathBuf>,
    /// A key that both sides have in FILE (16 random bytes or more, as they are) and call IDENTITY, in the place of certificates: imported (RFC 9258)
    /// for SHA-256, with IDENTITY for the client and `pith` for the server as its context. May be given again; a server with it needs no --cert.
    #[arg(long, value_name = "IDENTITY:FILE")]
    pub(crate) psk: Vec<String>,
}

/// What either side is ready to negotiate.
#[derive(Args)]
pub(crate) struct TermsOptions {
    /// The policy: `pith policy show` names them. [default: V2026_11]
    #[arg(long, value_name = "NAME")]
    pub(crate) policy: Option<String>,
    /// Groups for the key exchange among those of the policy, most wanted first, with commas between.
    #[arg(long, value_name = "LIST")]
    pub(crate) groups: Option<String>,
    /// Cipher suites among those of the policy, most wanted first, with commas between.
    #[arg(long, value_name = "LIST")]
    pub(crate) suites: Option<String>,
    /// Application protocols (ALPN), most wanted first, with commas between. [default: none; http/1.1 for a server's page]
    #[arg(long, value_name = "LIST")]
    pub(crate) alpn: Option<String>,
    /// Refuse every key exchange that is not post-quantum.
    #[arg(long)]
    pub(crate) require_pq: bool,
    /// Append the secrets of all connections to this file, as Wireshark reads them. Whoever has it can decrypt the connections.
    #[arg(long, value_name = "FILE")]
    pub(crate) keylog: Option<PathBuf>,
}

#[derive(Subcommand)]
pub(crate) enum InteropCommand {
    /// Get the files of REQUESTS from one server, as the test case asks.
    #[command(after_help = INTEROP_EXIT_CODES)]
    Client(InteropClientOptions),
    /// Serve files to clients of a test case. The first line on standard output is `listening on ADDR:PORT`.
    #[command(after_help = INTEROP_EXIT_CODES)]
    Server(InteropServerOptions),
}

#[derive(Args)]
pub(crate) struct InteropClientOptions {
    /// What to get: URLs https://HOST[:PORT]/PATH of one server, with blanks between.
    #[arg(long, env = "REQUESTS", value_name = "URLS", default_value = "")]
    pub(crate) requests: String,
    /// Where the files go, each by the last part of its path. The directory is made if it is not there.
    #[arg(long, value_name = "DIR", default_value = "/downloads")]
    pub(crate) downloads: PathBuf,
    #[command(flatten)]
    pub(crate) common: InteropOptions,
}

#[derive(Args)]
pub(crate) struct InteropServerOptions {
    /// The directory of the files that are served.
    #[arg(long, value_name = "DIR", default_value = "/www")]
    pub(crate) www: PathBuf,
    /// Where to listen; port 0 takes a free one. [default: port 443 of all addresses]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<String>,
    /// Where clients are asked to go on in the case connectionmigration: an address of this machine for IPv4, one for IPv6, or both. [default, without
    /// --listen: port 4443 of server4 and server6]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) preferred: Vec<String>,
    #[command(flatten)]
    pub(crate) common: InteropOptions,
}

/// What both endpoints of a test case have.
#[derive(Args)]
pub(crate) struct InteropOptions {
    /// The test case.
    #[arg(long, env = "TESTCASE", value_name = "NAME")]
    pub(crate) testcase: Option<String>,
    /// Append the secrets of all connections to this file, as Wireshark reads them.
    #[arg(long, env = "SSLKEYLOGFILE", value_name = "FILE")]
    pub(crate) keylog: Option<String>,
    /// Keep a trace of each connection in a file of this directory (qlog). The directory is made if it is not there.
    #[arg(long, env = "QLOGDIR", value_name = "DIR")]
    pub(crate) qlog: Option<String>,
    /// The directory with the server's cert.pem and priv.key. A client trusts the CA in its ca.pem, or else the key of the certificate in its cert.pem.
    #[arg(long, value_name = "DIR", default_value = "/certs")]
    pub(crate) certs: PathBuf,
}

impl InteropOptions {
    /// Where traces go. A variable that is empty is as good as none.
    pub(crate) fn qlog(&self) -> Option<&Path> {
        let folder = self.qlog.as_deref().filter(|folder| !folder.is_empty());
        folder.map(Path::new)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ClientAuthMode {
    None,
    Optional,
    Required,
}

#[derive(Subcommand)]
pub(crate) enum PolicyCommand {
    /// Show a policy in full; without a name, what policies there are.
    #[command(after_help = EXIT_CODES)]
    Show {
        /// Such as V2026_11_CNSA2.
        name: Option<String>,
    },
    /// Show what changes from policy A to policy B: what is lost (-), what is gained (+).
    #[command(after_help = EXIT_CODES)]
    Diff {
        /// The old policy.
        a: String,
        /// The new one.
        b: String,
    },
}

#[derive(Args)]
pub(crate) struct PkiOptions {
    /// The directory to write to; it is made if it is not there.
    #[arg(long, value_name = "DIR", default_value = "pith-pki")]
    pub(crate) out: PathBuf,
    /// A DNS name or IP address of the server. May be given again. [default: localhost, 127.0.0.1 and ::1]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Vec<String>,
    /// The kind of all keys.
    #[arg(long, value_name = "KIND", default_value = "ecdsa-p256")]
    pub(crate) key_type: KeyKind,
    /// For how many days the certificates are valid, from now.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub(crate) days: u32,
    /// Make a certificate for a client too, for mutual TLS, in this name (`client` if none is given).
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "client",
        value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) client: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyKind {
    EcdsaP256,
    EcdsaP384,
    EcdsaP521,
    Ed25519,
    #[value(name = "rsa-2048")]
    Rsa2048,
    #[value(name = "rsa-3072")]
    Rsa3072,
    #[value(name = "rsa-4096")]
    Rsa4096,
    #[value(name = "ml-dsa-44")]
    MlDsa44,
    #[value(name = "ml-dsa-65")]
    MlDsa65,
    #[value(name = "ml-dsa-87")]
    MlDsa87,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  all went well
  1  the connection or TLS failed, or standard output cannot be written
  2  the command line, or a file or directory that it names, cannot be used";

const INTEROP_EXIT_CODES: &str = "\
Exit codes:
  0    all went well
  1    the test case failed, or what it needs is not there
  2    the command line cannot be used
  127  the test case is not supported";
