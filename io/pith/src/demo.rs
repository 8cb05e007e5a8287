//! `pith demo`: a client and a server in this process, over real sockets, and what happened between them.
//!
//! All that is shown was measured in this run, and it is shown only after all of it was verified: that both sides negotiated the
//! same and derived the same secret, that every byte came as it was sent, and that each side said goodbye.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use pith_io::std::Stream;
use pith_tls::{ClientConfig, Credential, ServerConfig, Summary, Trust};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::failure::{self, Failure};
use crate::flights::{Counted, Way};
use crate::negotiated;

/// What one side saw.
struct Seen {
    summary: Summary,
    handshake: Duration,
    /// What this side received.
    transfer: Duration,
    flights: Vec<(Way, usize)>,
    exported: [u8; 32],
}

pub(crate) fn run() -> Result<(), Failure> {
    let start = Instant::now();
    let (client_config, server_config) = configurations()?;
    let preparation = start.elapsed();
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| step("listening", &error))?;
    let address = listener
        .local_addr()
        .map_err(|error| step("listening", &error))?;
    let start = Instant::now();
    let tcp = TcpStream::connect(address).map_err(|error| failure::tcp(NAME, &error))?;
    let connect = start.elapsed();
    let (accepted, _) = listener
        .accept()
        .map_err(|error| step("accepting", &error))?;
    // Made before, so that nothing but the two sides themselves takes time once they talk.
    let data = Arc::new([pattern(DOWNWARDS), pattern(UPWARDS)]);
    let server_data = Arc::clone(&data);
    let server = thread::Builder::new()
        .spawn(move || serve(accepted, server_config, &server_data))
        .map_err(|error| step("starting the server", &error))?;
    // Once the client is done with its socket, well or badly, the server is too; so it is joined in any case.
    let client = visit(tcp, client_config, &data);
    let server = server
        .join()
        .map_err(|_| Failure::connection("the demonstration's server thread died"))?;
    let (client, server) = match (client, server) {
        (Ok(client), Ok(server)) => (client, server),
        (Err(error), _) => return Err(step("the client's side", &error)),
        (_, Err(error)) => return Err(step("the server's side", &error)),
    };
    if !agree(&client, &server) {
        return Err(Failure::connection(
            "client and server disagree on what they negotiated: this is a bug in Pith, please report it",
        ));
    }
    let report = report(address, (preparation, connect), &client, &server);
    io::stdout()
        .write_all(report.as_bytes())
        .map_err(|error| failure::output(&error))
}

/// A CA and a certificate made on the spot, a client that trusts the one, and a server that shows the other.
fn configurations() -> Result<(Arc<ClientConfig>, Arc<ServerConfig>), Failure> {
    let made = |error: rcgen::Error| step("making certificates", &io::Error::other(error));
    let built = |error| step("building the configurations", &io::Error::other(error));
    let mut ca = CertificateParams::default();
    ca.distinguished_name
        .push(DnType::CommonName, "Pith Demo CA");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().map_err(made)?).map_err(made)?;
    let key = KeyPair::generate().map_err(made)?;
    let leaf = CertificateParams::new([NAME.to_owned()])
        .and_then(|params| params.signed_by(&key, &ca))
        .map_err(made)?;
    let trust = Trust::roots_from_pem(ca.pem().as_bytes()).map_err(built)?;
    let credential = Credential::from_pem(leaf.pem().as_bytes(), key.serialize_pem().as_bytes())
        .map_err(built)?;
    let client = ClientConfig::new(trust)
        .alpn(&[PROTOCOL])
        .build()
        .map_err(built)?;
    let server = ServerConfig::new(credential)
        .alpn(&[PROTOCOL])
        .build()
        .map_err(built)?;
    Ok((client, server))
}

fn visit(tcp: TcpStream, config: Arc<ClientConfig>, [down, up]: &[Vec<u8>; 2]) -> io::Result<Seen> {
    tcp.set_nodelay(true)?;
    let start = Instant::now();
    let mut tls = Stream::connect(config, NAME, Counted::new(tcp))?;
    let handshake = start.elapsed();
    let flights = tls.socket().flights().to_vec();
    let transfer = receive(&mut tls, down)?;
    tls.write_all(up)?; // the server has closed its direction, and reads on
    tls.close()?;
    seen(&tls, (handshake, transfer), flights)
}

fn serve(tcp: TcpStream, config: Arc<ServerConfig>, [down, up]: &[Vec<u8>; 2]) -> io::Result<Seen> {
    tcp.set_nodelay(true)?;
    let start = Instant::now();
    let mut tls = Stream::accept(config, Counted::new(tcp))?;
    let handshake = start.elapsed();
    let flights = tls.socket().flights().to_vec();
    tls.write_all(down)?;
    tls.close()?;
    let transfer = receive(&mut tls, up)?;
    seen(&tls, (handshake, transfer), flights)
}

/// Takes all that comes until close_notify, and compares it with what was to come. The time runs from its first byte.
fn receive(tls: &mut Stream<Counted<TcpStream>>, expected: &[u8]) -> io::Result<Duration> {
    let mut received = vec![0; 1];
    tls.read_exact(&mut received)?;
    let start = Instant::now();
    tls.read_to_end(&mut received)?;
    let transfer = start.elapsed();
    if received != expected {
        return Err(io::Error::other("the data is not what was sent"));
    }
    Ok(transfer)
}

fn seen(
    tls: &Stream<Counted<TcpStream>>,
    (handshake, transfer): (Duration, Duration),
    flights: Vec<(Way, usize)>,
) -> io::Result<Seen> {
    let mut exported = [0; 32];
    tls.export(b"EXPORTER-pith-demo", b"", &mut exported)
        .map_err(io::Error::other)?;
    let summary = tls.summary().cloned();
    let summary = summary.ok_or_else(|| io::Error::other("no result of the handshake"))?;
    Ok(Seen {
        summary,
        handshake,
        transfer,
        flights,
        exported,
    })
}

fn agree(client: &Seen, server: &Seen) -> bool {
    let (ours, theirs) = (&client.summary, &server.summary);
    let bytes = |seen: &Seen| {
        let bytes = seen.flights.iter().map(|(_, bytes)| *bytes);
        bytes.collect::<Vec<_>>()
    };
    ours.suite == theirs.suite
        && ours.group == theirs.group
        && ours.signature_scheme == theirs.signature_scheme
        && ours.protocol.as_deref() == Some(PROTOCOL)
        && theirs.protocol.as_deref() == Some(PROTOCOL)
        && theirs.server_name.as_deref() == Some(NAME)
        && client.exported == server.exported
        && bytes(client) == bytes(server)
}

fn report(
    address: SocketAddr,
    (preparation, connect): (Duration, Duration),
    client: &Seen,
    server: &Seen,
) -> String {
    let size = format!("{} MiB", SIZE >> 20);
    let rate = |time: Duration| {
        let mebibytes = f64::from(SIZE) / f64::from(1 << 20);
        let rate = mebibytes / time.as_secs_f64().max(1e-9);
        format!("{:>9}  {rate:.0} MiB/s", negotiated::time(time))
    };
    let time = |time| format!("{:>9}", negotiated::time(time));
    let mut negotiated = negotiated::rows(&server.summary);
    negotiated.push((
        "certificate",
        "made on the spot, and so was its CA".to_owned(),
    ));
    let times = [
        ("random seed, keys, certificates", time(preparation)),
        ("TCP connect", time(connect)),
        ("handshake, as the client sees it", time(client.handshake)),
        ("handshake, as the server sees it", time(server.handshake)),
        (
            &*format!("{size} from server to client"),
            rate(client.transfer),
        ),
        (
            &*format!("{size} from client to server"),
            rate(server.transfer),
        ),
    ];
    let flights = client
        .flights
        .iter()
        .zip(FLIGHTS)
        .map(|((way, bytes), name)| {
            let arrow = match way {
                Way::Sent => "client to server",
                Way::Received => "server to client",
            };
            (name, format!("{bytes:>6}  {arrow}"))
        });
    let mut text =
        format!("A client and a server of Pith in this process, over TCP on {address}.\n");
    for (title, table) in [
        ("Negotiated", negotiated::table(negotiated)),
        ("Times", negotiated::table(times)),
        (
            "Bytes of each flight, record headers included",
            negotiated::table(flights),
        ),
    ] {
        let _infallible = write!(text, "\n{title}\n{table}").is_ok();
    }
    text.push_str(
        "\nVerified: both sides negotiated the same and export the same secret, all data came as it was sent, \
         and each side ended with close_notify.\n",
    );
    text
}

fn step(what: &str, error: &io::Error) -> Failure {
    Failure::connection(format!("the demonstration failed at {what}: {error}"))
}

/// Bytes that look random (xorshift), the same for the same seed.
fn pattern(seed: u32) -> Vec<u8> {
    let mut state = seed;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()
    };
    std::iter::repeat_with(next).take(WORDS).flatten().collect()
}

const NAME: &str = "demo.example";
const PROTOCOL: &[u8] = b"pith-demo";
/// Bytes sent each way.
const SIZE: u32 = 1 << 20;
const WORDS: usize = 1 << 18; // of four bytes: SIZE
const UPWARDS: u32 = 0x9e37_79b9;
const DOWNWARDS: u32 = 0x7f4a_7c15;
const FLIGHTS: [&str; 3] = [
    "ClientHello",
    "ServerHello to Finished",
    "the client's Finished",
];
