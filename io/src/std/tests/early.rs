//! Early data over blocking streams.

use pith_tls::{EarlyData, Now};

use super::*;
use crate::conformance::{EarlyConfigs, Stubborn};

const MOST: u32 = 30_000;

const ROWS: [Manners; 4] = [
    EASY,
    // Not even the server's flight fits.
    Manners {
        capacity: 1_000,
        ..EASY
    },
    Manners {
        piece: 1,
        capacity: 3_000,
        ..EASY
    },
    Manners {
        piece: 700,
        stalls: 3,
        capacity: 3_000,
        ..EASY
    },
];

/// Two streams that have not begun, of which the client has a ticket.
fn returning(manners: Manners, taken: bool) -> (Stream<End>, Stream<End>) {
    let (client, server) = acquainted(taken);
    unbegun(manners, &client, &server)
}

/// The configurations of a client that has a ticket, and of a server that takes it, with early data or without.
fn acquainted(taken: bool) -> Configs {
    let configs = EarlyConfigs::new(MOST);
    let (mut first, mut server) = unbegun(EASY, &configs.client, &configs.taking);
    together("first", || first.handshake(), || server.handshake());
    first.remember(b"settled").unwrap();
    server.write_all(b"x").unwrap();
    server.flush().unwrap();
    // The tickets come before it.
    first.read_exact(&mut [0]).unwrap();
    assert_eq!(first.early_data(), EarlyData::NotOffered);
    let server = match taken {
        true => configs.taking,
        false => configs.refusing,
    };
    (configs.client, server)
}

fn unbegun(
    manners: Manners,
    client: &Arc<ClientConfig>,
    server: &Arc<ServerConfig>,
) -> (Stream<End>, Stream<End>) {
    let time = Arc::new(AtomicU64::new(0));
    let clock = Clock::Test(Arc::clone(&time));
    let (ours, theirs) = End::pair(manners, &time);
    let client = Arc::clone(client);
    let client = Stream::client_at(clock.clone(), client, "example.org", ours).unwrap();
    let server = Stream::new(clock, Connection::server(Arc::clone(server)), theirs);
    (client, server)
}

fn write_early(stream: &mut Stream<End>, data: &[u8], at: &mut usize) -> io::Result<()> {
    while *at < data.len() {
        match stream.write_early(&data[*at..])? {
            0 => panic!("an end of early data after {at} bytes"),
            count => *at += count,
        }
    }
    stream.flush()
}

fn read_early(stream: &mut Stream<End>, data: &mut Vec<u8>, len: usize) -> io::Result<()> {
    let mut buffer = [0; 7_000];
    while data.len() < len {
        match stream.read_early(&mut buffer)? {
            0 => panic!("an end of early data after {} bytes", data.len()),
            count => data.extend_from_slice(&buffer[..count]),
        }
    }
    Ok(())
}

#[test]
fn early_data_is_answered_before_the_handshake_is_done() {
    for manners in ROWS {
        let row = format!("{manners:?}");
        let (mut client, mut server) = returning(manners, true);
        assert_eq!(client.early_data(), EarlyData::Offered, "{row}");
        let question = pattern(20_000);
        let (mut sent, mut got) = (0, Vec::new());
        together(
            &row,
            || write_early(&mut client, &question, &mut sent),
            || read_early(&mut server, &mut got, 20_000),
        );
        assert!(got == question, "{row}");
        // A client that had to take the server's flight meanwhile is done with it.
        let took_flight = client.summary().is_some();
        assert_eq!(took_flight, manners.capacity < 20_000, "{row}");
        assert!(server.summary().is_none(), "{row}");
        // The client has not heard of the server yet, whose answer goes with its first flight.
        let answer = pattern(5_000);
        let (mut sent, mut got) = (0, Vec::new());
        together(
            &row,
            || receive(&mut client, &mut got, 5_000),
            || send(&mut server, &answer, &mut sent),
        );
        assert!(got == answer, "{row}");
        assert!(took_flight || server.summary().is_none(), "{row}");
        // Then there is no more of it, and other data is no early data.
        let mut sent = 0;
        together(
            &row,
            || send(&mut client, b"later", &mut sent),
            || {
                assert_eq!(server.read_early(&mut [0; 9])?, 0);
                Ok(())
            },
        );
        let mut got = Vec::new();
        together(&row, || Ok(()), || receive(&mut server, &mut got, 5));
        assert_eq!(got, b"later", "{row}");
        for stream in [&client, &server] {
            assert_eq!(stream.early_data(), EarlyData::Accepted, "{row}");
            assert_eq!(stream.summary().unwrap().early_data, EarlyData::Accepted);
        }
    }
}

#[test]
fn what_came_in_the_handshake_is_kept_and_never_read_as_other_data() {
    for manners in ROWS {
        let row = format!("{manners:?}");
        let (mut client, mut server) = returning(manners, true);
        let early = pattern(20_000);
        let mut sent = 0;
        together(
            &row,
            || {
                write_early(&mut client, &early, &mut sent)?;
                client.handshake()
            },
            || server.handshake(),
        );
        let mut sent = 0;
        together(&row, || send(&mut client, b"later", &mut sent), || Ok(()));
        let error = server.read(&mut [0; 9]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{row}");
        assert!(error.to_string().contains("read_early"), "{error}");
        let mut got = Vec::new();
        read_early(&mut server, &mut got, 20_000).unwrap();
        assert!(got == early, "{row}");
        assert_eq!(server.read_early(&mut [0; 9]).unwrap(), 0, "{row}");
        let mut got = Vec::new();
        together(&row, || Ok(()), || receive(&mut server, &mut got, 5));
        assert_eq!(got, b"later", "{row}");
    }
}

#[test]
fn halves_are_not_made_over_unread_early_data() {
    let (mut client, mut server) = returning(EASY, true);
    write_early(&mut client, b"early", &mut 0).unwrap();
    together("handshake", || client.handshake(), || server.handshake());
    let error = server.split(io::sink()).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("read_early"), "{error}");
}

#[test]
fn rejected_early_data_is_lost_and_said_to_be() {
    for manners in ROWS {
        let row = format!("{manners:?}");
        let (mut client, mut server) = returning(manners, false);
        let mut sent = 0;
        together(
            &row,
            || {
                // A socket that has no room takes it while the server skips it.
                write_early(&mut client, &pattern(9_000), &mut sent)?;
                client.handshake()
            },
            || {
                assert_eq!(server.read_early(&mut [0; 9])?, 0);
                Ok(())
            },
        );
        for stream in [&client, &server] {
            assert_eq!(stream.early_data(), EarlyData::Rejected, "{row}");
        }
        assert_eq!(client.write_early(b"again").unwrap(), 0, "{row}");
        let (mut sent, mut got) = (0, Vec::new());
        together(
            &row,
            || send(&mut client, b"again", &mut sent),
            || receive(&mut server, &mut got, 5),
        );
        assert_eq!(got, b"again", "{row}");
    }
}

#[test]
fn a_stream_sends_as_much_early_data_as_the_ticket_allows() {
    let (mut client, mut server) = returning(EASY, true);
    let most = MOST as usize;
    assert_eq!(client.write_early(&pattern(most + 1)).unwrap(), most);
    assert_eq!(client.write_early(b"x").unwrap(), 0);
    let mut got = Vec::new();
    read_early(&mut server, &mut got, most).unwrap();
    together("handshake", || client.handshake(), || server.handshake());

    // Without a ticket there is none, and nothing is lost.
    let (mut client, mut server) = streams(EASY);
    assert_eq!(client.write_early(b"x").unwrap(), 0);
    together("handshake", || client.handshake(), || server.handshake());
    assert_eq!(server.read_early(&mut [0; 9]).unwrap(), 0);
    assert_eq!(server.early_data(), EarlyData::NotOffered);
}

#[test]
fn what_is_settled_is_remembered_and_early_keys_are_exported() {
    let (mut client, mut server) = returning(EASY, true);
    assert_eq!(client.remembered(), Some(&b"settled"[..]));
    assert!(client.remember(b"too early").is_err());
    let mut keys = [[0; 32]; 2];
    let [ours, theirs] = &mut keys;
    client.early_export(b"label", b"context", ours).unwrap();
    assert!(server.early_export(b"label", b"context", theirs).is_err());
    write_early(&mut client, b"early", &mut 0).unwrap();
    read_early(&mut server, &mut Vec::new(), 5).unwrap();
    server.early_export(b"label", b"context", theirs).unwrap();
    assert!(ours == theirs && *ours != [0; 32]);
    together("handshake", || client.handshake(), || server.handshake());
    for stream in [&client, &server] {
        assert!(stream.early_export(b"label", b"", &mut [0; 32]).is_err());
    }
    client.remember(&[7; 1024]).unwrap();
    assert!(client.remember(&[7; 1025]).is_err());
}

/// A socket that blocks, with a peer at its other end that runs while it does. What has no end panics.
struct Blocks {
    peer: Stubborn,
    /// What the peer has to write before it reads again.
    says: Vec<u8>,
    /// Whether it is there at all.
    runs: bool,
    /// What is on its way to the peer, and from it.
    lanes: [VecDeque<u8>; 2],
    capacity: usize,
    /// None of a socket that cannot be bounded.
    timeouts: Option<Timeouts>,
    time: Arc<AtomicU64>,
    calls: usize,
}

impl Blocks {
    fn new(peer: Stubborn, capacity: usize, time: &Arc<AtomicU64>) -> Self {
        Self {
            peer,
            says: Vec::new(),
            runs: true,
            lanes: [VecDeque::new(), VecDeque::new()],
            capacity,
            timeouts: Some(Timeouts::default()),
            time: Arc::clone(time),
            calls: 0,
        }
    }

    fn run_peer(&mut self) {
        let [to, from] = &mut self.lanes;
        while self.runs {
            let room = self.capacity - from.len();
            from.extend(self.says.drain(..room.min(self.says.len())));
            if !self.says.is_empty() || to.is_empty() {
                break;
            }
            let bytes: Vec<u8> = to.drain(..).collect();
            self.says = self.peer.take(&bytes, now(&self.time));
        }
    }

    fn wait(&self, bound: impl Fn(Timeouts) -> Option<Duration>) -> io::Error {
        let bound = self.timeouts.and_then(bound);
        let bound = bound.expect("a call that blocks for ever");
        let milliseconds = u64::try_from(bound.as_millis()).unwrap().max(1);
        self.time.fetch_add(milliseconds, Ordering::Relaxed);
        ErrorKind::WouldBlock.into()
    }
}

fn now(time: &Arc<AtomicU64>) -> Now {
    Clock::Test(Arc::clone(time)).now()
}

impl Read for Blocks {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.calls += 1;
        self.run_peer();
        match self.lanes[1].read(out)? {
            0 => Err(self.wait(|timeouts| timeouts.read)),
            count => Ok(count),
        }
    }
}

impl Write for Blocks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.calls += 1;
        if self.lanes[0].len() == self.capacity {
            self.run_peer();
        }
        match bytes.len().min(self.capacity - self.lanes[0].len()) {
            0 => Err(self.wait(|timeouts| timeouts.write)),
            count => {
                self.lanes[0].extend(&bytes[..count]);
                Ok(count)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Socket for Blocks {
    fn timeouts(&self) -> io::Result<Timeouts> {
        Ok(self.timeouts.unwrap_or_default())
    }

    fn set_timeouts(&mut self, timeouts: Timeouts) -> io::Result<()> {
        if let Some(own) = &mut self.timeouts {
            *own = timeouts;
        }
        Ok(())
    }
}

/// A client of a server that writes before it reads.
fn blocked_client(taken: bool, capacity: usize) -> (Stream<Blocks>, Arc<AtomicU64>) {
    let (client, server) = acquainted(taken);
    let time = Arc::new(AtomicU64::new(0));
    let peer = Stubborn::new(Who::Server, Connection::server(server));
    let socket = Blocks::new(peer, capacity, &time);
    let clock = Clock::Test(Arc::clone(&time));
    let client = Stream::client_at(clock, client, "example.org", socket).unwrap();
    (client, time)
}

/// Writes as much of it as can be early, and says how much that is.
fn write_most(client: &mut Stream<Blocks>, early: &[u8]) -> usize {
    let mut at = 0;
    while at < early.len() {
        let some = early.len().min(at + 2_000);
        match client.write_early(&early[at..some]).unwrap() {
            0 => break,
            count => at += count,
        }
    }
    at
}

#[test]
fn a_server_that_writes_before_it_reads_is_read_meanwhile() {
    for (capacity, taken) in [(300, true), (300, false), (1, true), (1000, false)] {
        let name = format!("{capacity}, {taken}");
        let early = pattern(9_000);
        let (mut client, time) = blocked_client(taken, capacity);
        let sent = write_most(&mut client, &early);
        assert!(sent > 0, "{name}");
        client.handshake().unwrap();
        client.write_all(b"later").unwrap();
        client.flush().unwrap();
        let socket = client.socket_mut();
        while !socket.peer.read.ends_with(b"later") {
            socket.run_peer();
        }
        let want = if taken { &early[..sent] } else { &[] };
        assert!(socket.peer.read == [want, b"later"].concat(), "{name}");
        assert_eq!(socket.timeouts, Some(Timeouts::default()), "{name}");
        let waited = time.load(Ordering::Relaxed);
        assert!(waited < 5_000, "{name}: {waited}");
    }
}

#[test]
fn a_client_that_writes_before_it_reads_is_read_meanwhile() {
    for (capacity, taken) in [(300, true), (300, false), (1000, true)] {
        let name = format!("{capacity}, {taken}");
        let (client, server) = acquainted(taken);
        let time = Arc::new(AtomicU64::new(0));
        let host = crate::error::server_name("example.org").unwrap();
        let client = Connection::client(client, host, now(&time)).unwrap();
        let early = pattern(9_000);
        let mut peer = Stubborn::new(Who::Client, client);
        let records = early.chunks(1_000).map(|some| peer.ask(some));
        let first = records.collect::<Vec<_>>().concat();
        let mut socket = Blocks::new(peer, capacity, &time);
        socket.says = first;
        let mut server = Stream::new(
            Clock::Test(Arc::clone(&time)),
            Connection::server(server),
            socket,
        );
        // Some of it is given out before all has come.
        let mut got = vec![0; 9_000];
        let some = server.read_early(&mut got).unwrap();
        assert_eq!(some, if taken { 1_000 } else { 0 }, "{name}");
        // It can be answered before the rest of it is read.
        server.write_all(&pattern(2_000)).unwrap();
        server.flush().unwrap();
        assert!(server.summary().is_some() != taken, "{name}");
        server.handshake().unwrap();
        let mut at = some;
        while taken && at < 9_000 {
            at += server.read_early(&mut got[at..]).unwrap();
        }
        assert!(got[..at] == early[..at], "{name}");
        assert_eq!(at, if taken { 9_000 } else { 0 }, "{name}");
        assert_eq!(server.read_early(&mut [0; 9]).unwrap(), 0, "{name}");
        let socket = server.socket_mut();
        while socket.peer.read.len() < 2_000 {
            socket.run_peer();
        }
        assert!(socket.peer.read == pattern(2_000), "{name}");
    }
}

#[test]
fn a_peer_that_does_nothing_is_waited_for_without_haste_and_not_for_ever() {
    let own = |write| Timeouts { read: None, write };
    for (name, timeouts, least, most, kind) in [
        ("deadline", own(None), 9_900, 10_200, ErrorKind::TimedOut),
        (
            "its own bound",
            own(Some(Duration::from_secs(1))),
            1_000,
            1_300,
            ErrorKind::WouldBlock,
        ),
        (
            "a short one of its own",
            own(Some(Duration::from_millis(1))),
            1,
            50,
            ErrorKind::WouldBlock,
        ),
    ] {
        let (mut client, time) = blocked_client(true, 300);
        client.socket_mut().runs = false;
        client.socket_mut().timeouts = Some(timeouts);
        // What is sealed is taken.
        assert_eq!(client.write_early(b"early").unwrap(), 5, "{name}");
        let begun = time.load(Ordering::Relaxed);
        let calls = client.socket().calls;
        let error = client.write_early(b"more").unwrap_err();
        assert_eq!(error.kind(), kind, "{name}: {error}");
        let waited = time.load(Ordering::Relaxed);
        let waited = if name == "deadline" {
            waited
        } else {
            waited - begun
        };
        assert!((least..most).contains(&waited), "{name}: {waited}");
        let calls = client.socket().calls - calls;
        assert!(calls <= 24, "{name}: {calls} calls");
        assert_eq!(client.socket().timeouts, Some(timeouts), "{name}");
    }
}

#[test]
fn a_socket_without_timeouts_takes_what_fits() {
    let (mut client, _) = blocked_client(true, 20_000);
    client.socket_mut().timeouts = None;
    let early = pattern(20_000);
    assert_eq!(write_most(&mut client, &early), 16_384);
    client.handshake().unwrap();
    client.write_all(&early[16_384..]).unwrap();
    client.flush().unwrap();
    let socket = client.socket_mut();
    while socket.peer.read.len() < 20_000 {
        socket.run_peer();
    }
    assert!(socket.peer.read == early);
}
