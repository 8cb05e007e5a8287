//! `pith demo`: a client and a server in this process, over real sockets, and what happened between them; then the client again, with a
//! ticket and early data; then both over QUIC.
//!
//! All that is shown was measured in this run, and it is shown only after all of it was verified: that both sides negotiated the
//! same and derived the same secret, that every byte came as it was sent, that the early data was accepted, and that each side said goodbye.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use pith_io::std::Stream;
use pith_tls::{ClientConfig, Credential, EarlyData, ServerConfig, SessionStore, Summary, Trust};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::demo_quic::{Crossing, cross};
use crate::failure::{self, Failure};
use crate::flights::{Counted, Way};
use crate::{input, negotiated};

/// What one side saw of a connection.
struct Seen {
    summary: Summary,
    handshake: Duration,
    /// From the beginning to the first byte of the answer to the request; on the server's side, to the request.
    answer: Duration,
    /// What this side received after that.
    transfer: Duration,
    flights: Vec<(Way, usize)>,
    exported: [u8; 32],
}

/// One connection.
struct Meeting {
    connect: Duration,
    client: Seen,
    server: Seen,
}

pub(crate) fn run() -> Result<(), Failure> {
    let start = Instant::now();
    let (client_config, server_config) = configurations()?;
    let preparation = start.elapsed();
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| step("listening", &error))?;
    let address = listener
        .local_addr()
        .map_err(|error| step("listening", &error))?;
    // Made before, so that nothing but the two sides themselves takes time once they talk.
    let data = Arc::new([pattern(DOWNWARDS), pattern(UPWARDS)]);
    let (config, server_data) = (Arc::clone(&server_config), Arc::clone(&data));
    let quic_config = Arc::clone(&server_config);
    let full = meet(
        &listener,
        address,
        |tcp| visit(tcp, Arc::clone(&client_config), &data),
        move |tcp| serve(tcp, config, &server_data),
    )?;
    let resumed = meet(
        &listener,
        address,
        |tcp| revisit(tcp, Arc::clone(&client_config)),
        move |tcp| serve_early(tcp, server_config),
    )?;
    let quic = cross(client_config, quic_config, &data).map_err(|error| step("QUIC", &error))?;
    if !agree(&full) || !agree(&resumed) || !quic.agrees() {
        return Err(Failure::connection(
            "client and server disagree on what they negotiated: this is a bug in Pith, please report it",
        ));
    }
    let sides = [&resumed.client, &resumed.server].map(|seen| &seen.summary);
    if !sides
        .iter()
        .all(|summary| summary.resumed() && summary.early_data == EarlyData::Accepted)
    {
        return Err(Failure::connection(
            "the second connection did not resume the first with early data: this is a bug in Pith, please report it",
        ));
    }
    let report = report(address, preparation, [&full, &resumed], &quic);
    io::stdout()
        .write_all(report.as_bytes())
        .map_err(|error| failure::output(&error))
}

/// Connects a client here with a server in a thread of its own.
fn meet(
    listener: &TcpListener,
    address: SocketAddr,
    client: impl FnOnce(TcpStream) -> io::Result<Seen>,
    server: impl FnOnce(TcpStream) -> io::Result<Seen> + Send + 'static,
) -> Result<Meeting, Failure> {
    let start = Instant::now();
    let tcp = TcpStream::connect(address).map_err(|error| failure::tcp(NAME, &error))?;
    let connect = start.elapsed();
    let (accepted, _) = listener
        .accept()
        .map_err(|error| step("accepting", &error))?;
    let server = thread::Builder::new()
        .spawn(move || server(accepted))
        .map_err(|error| step("starting the server", &error))?;
    // Once the client is done with its socket, well or badly, the server is too; so it is joined in any case.
    let client = client(tcp);
    let server = server
        .join()
        .map_err(|_| Failure::connection("the demonstration's server thread died"))?;
    match (client, server) {
        (Ok(client), Ok(server)) => Ok(Meeting {
            connect,
            client,
            server,
        }),
        (Err(error), _) => Err(step("the client's side", &error)),
        (_, Err(error)) => Err(step("the server's side", &error)),
    }
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
        .sessions(SessionStore::new())
        .early_data(true)
        .build()
        .map_err(built)?;
    let server = ServerConfig::new(credential)
        .alpn(&[PROTOCOL])
        .early_data(EARLY_DATA, input::own_register())
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
    tls.write_all(REQUEST)?;
    tls.flush()?;
    let (answered, transfer) = receive(&mut tls, down)?;
    tls.write_all(up)?; // the server has closed its direction, and reads on
    tls.close()?;
    let answer = answered.duration_since(start);
    seen(&tls, [handshake, answer, transfer], flights)
}

fn serve(tcp: TcpStream, config: Arc<ServerConfig>, [down, up]: &[Vec<u8>; 2]) -> io::Result<Seen> {
    tcp.set_nodelay(true)?;
    let start = Instant::now();
    let mut tls = Stream::accept(config, Counted::new(tcp))?;
    let handshake = start.elapsed();
    let flights = tls.socket().flights().to_vec();
    let mut request = [0; REQUEST.len()];
    tls.read_exact(&mut request)?;
    let answer = start.elapsed();
    same(&request, REQUEST)?;
    tls.write_all(down)?;
    tls.close()?;
    let (_, transfer) = receive(&mut tls, up)?;
    seen(&tls, [handshake, answer, transfer], flights)
}

/// Comes back, and sends the request before the server has said a word.
fn revisit(tcp: TcpStream, config: Arc<ClientConfig>) -> io::Result<Seen> {
    tcp.set_nodelay(true)?;
    let start = Instant::now();
    let mut tls = Stream::client(config, NAME, Counted::new(tcp))?;
    if tls.write_early(REQUEST)? != REQUEST.len() {
        return Err(io::Error::other("the ticket does not allow early data"));
    }
    tls.handshake()?;
    let handshake = start.elapsed();
    let flights = tls.socket().flights().to_vec();
    let (answered, transfer) = receive(&mut tls, ANSWER)?;
    tls.close()?;
    let answer = answered.duration_since(start);
    seen(&tls, [handshake, answer, transfer], flights)
}

/// Answers early data with the first flight.
fn serve_early(tcp: TcpStream, config: Arc<ServerConfig>) -> io::Result<Seen> {
    tcp.set_nodelay(true)?;
    let start = Instant::now();
    let mut tls = Stream::server(config, Counted::new(tcp));
    let mut request = [0; REQUEST.len()];
    let mut rest = &mut request[..];
    while !rest.is_empty() {
        match tls.read_early(rest)? {
            0 => return Err(io::Error::other("the early data did not come")),
            count => rest = rest.get_mut(count..).unwrap_or_default(),
        }
    }
    let answer = start.elapsed();
    same(&request, REQUEST)?;
    let flights = tls.socket().flights().to_vec();
    tls.write_all(ANSWER)?;
    tls.flush()?;
    tls.handshake()?;
    let handshake = start.elapsed();
    tls.close()?;
    let (_, transfer) = (tls.read_to_end(&mut Vec::new())?, Duration::ZERO);
    seen(&tls, [handshake, answer, transfer], flights)
}

/// Takes all that comes until close_notify, and compares it with what was to come. The time runs from its first byte, which came then.
fn receive(
    tls: &mut Stream<Counted<TcpStream>>,
    expected: &[u8],
) -> io::Result<(Instant, Duration)> {
    let mut received = vec![0; 1];
    tls.read_exact(&mut received)?;
    let start = Instant::now();
    tls.read_to_end(&mut received)?;
    let transfer = start.elapsed();
    same(&received, expected)?;
    Ok((start, transfer))
}

pub(crate) fn same(received: &[u8], sent: &[u8]) -> io::Result<()> {
    match received == sent {
        true => Ok(()),
        false => Err(io::Error::other("the data is not what was sent")),
    }
}

fn seen(
    tls: &Stream<Counted<TcpStream>>,
    [handshake, answer, transfer]: [Duration; 3],
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
        answer,
        transfer,
        flights,
        exported,
    })
}

fn agree(Meeting { client, server, .. }: &Meeting) -> bool {
    let (ours, theirs) = (&client.summary, &server.summary);
    // What follows on a flight may have come with it: the request with the last one, an early answer with the server's.
    let alone = if ours.resumed() { 1 } else { 2 };
    let bytes = |seen: &Seen| {
        let flights = seen.flights.iter().take(alone);
        flights.map(|(_, bytes)| *bytes).collect::<Vec<_>>()
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
    preparation: Duration,
    [full, resumed]: [&Meeting; 2],
    quic: &Crossing,
) -> String {
    let size = format!("{} MiB", SIZE >> 20);
    let rate = |time: Duration| {
        let mebibytes = f64::from(SIZE) / f64::from(1 << 20);
        let rate = mebibytes / time.as_secs_f64().max(1e-9);
        format!("{:>9}  {rate:.0} MiB/s", negotiated::time(time))
    };
    let time = |time| format!("{:>9}", negotiated::time(time));
    let mut negotiated = negotiated::rows(&full.server.summary);
    negotiated.push((
        "certificate",
        "made on the spot, and so was its CA".to_owned(),
    ));
    let times = [
        ("random seed, keys, certificates", time(preparation)),
        ("TCP connect", time(full.connect)),
        (
            "handshake, as the server sees it",
            time(full.server.handshake),
        ),
        (
            &*format!("{size} from server to client"),
            rate(full.client.transfer),
        ),
        (
            &*format!("{size} from client to server"),
            rate(full.server.transfer),
        ),
    ];
    let mut text =
        format!("A client and a server of Pith in this process, over TCP on {address}.\n");
    for (title, table) in [
        ("Negotiated", negotiated::table(negotiated)),
        ("Times", negotiated::table(times)),
        (
            "The same client again, with a ticket, and its request as early data",
            negotiated::table(beside(full, resumed)),
        ),
        (
            &*format!("Both over QUIC, on UDP {}", quic.address),
            negotiated::table(over_quic(quic, &size, rate)),
        ),
    ] {
        let _infallible = write!(text, "\n{title}\n{table}").is_ok();
    }
    text.push_str(
        "\nEarly data is replayable: this server takes each hello once, but send by it only what may happen twice.\n\
         \nVerified: both sides negotiated the same and export the same secret, all data came as it was sent, \
         the early data was accepted, and each side of TLS ended with close_notify.\n",
    );
    text
}

fn over_quic(
    Crossing { client, server, .. }: &Crossing,
    size: &str,
    rate: impl Fn(Duration) -> String,
) -> Vec<(&'static str, String)> {
    let time = |time| format!("{:>9}", negotiated::time(time));
    let summary = &client.summary;
    let (there, back) = (client.stats.datagrams_sent, server.stats.datagrams_sent);
    vec![
        (
            "key exchange",
            format!("{} in two Initial packets", summary.group),
        ),
        ("cipher suite", summary.suite.to_string()),
        ("handshake, as the client sees it", time(client.handshake)),
        ("handshake, as the server sees it", time(server.handshake)),
        (
            "from server to client",
            format!("{}  {size}", rate(client.transfer)),
        ),
        (
            "from client to server",
            format!("{}  {size}", rate(server.transfer)),
        ),
        ("datagrams", format!("{there} there, {back} back")),
    ]
}

/// Two connections in two columns.
fn beside(full: &Meeting, resumed: &Meeting) -> Vec<(&'static str, String)> {
    let row = |name, full: String, resumed: String| (name, format!("{full:>24}  {resumed:>24}"));
    let times = |name, of: fn(&Meeting) -> Duration| {
        let [full, resumed] = [full, resumed].map(|meeting| negotiated::time(of(meeting)));
        row(name, full, resumed)
    };
    // A server has sent its flight when it reads early data, and has not answered it yet. What comes of it to the client may hold the answer.
    let bytes = |name, place: usize| {
        let [full, resumed] = [full, resumed].map(|meeting| {
            let seen = match place {
                1 => &meeting.server,
                _ => &meeting.client,
            };
            let flight = seen.flights.get(place);
            let bytes = flight.map_or(0, |(_, bytes)| *bytes);
            format!("{bytes} bytes")
        });
        row(name, full, resumed)
    };
    vec![
        row("", "full".to_owned(), "resumed".to_owned()),
        row(
            "the server's proof",
            negotiated::signature(&full.client.summary),
            "the ticket's key".to_owned(),
        ),
        row(
            "the request goes",
            "after the handshake".to_owned(),
            "with the first flight".to_owned(),
        ),
        times("handshake, as the client sees it", |meeting| {
            meeting.client.handshake
        }),
        times("until the request is with the server", |meeting| {
            meeting.server.answer
        }),
        times("until the answer is with the client", |meeting| {
            meeting.client.answer
        }),
        bytes(FLIGHTS[0], 0),
        bytes(FLIGHTS[1], 1),
        bytes(FLIGHTS[2], 2),
    ]
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

pub(crate) const NAME: &str = "demo.example";
pub(crate) const PROTOCOL: &[u8] = b"pith-demo";
/// Bytes sent each way.
const SIZE: u32 = 1 << 20;
const WORDS: usize = 1 << 18; // of four bytes: SIZE
const UPWARDS: u32 = 0x9e37_79b9;
const DOWNWARDS: u32 = 0x7f4a_7c15;
pub(crate) const REQUEST: &[u8] = b"what time is it?";
const ANSWER: &[u8] = b"it is early";
/// Bytes that the server's tickets allow.
const EARLY_DATA: u32 = 1 << 10;
/// Bytes of each flight, record headers included, and early data.
const FLIGHTS: [&str; 3] = [
    "ClientHello, and early data",
    "ServerHello to Finished",
    "the client's Finished",
];
