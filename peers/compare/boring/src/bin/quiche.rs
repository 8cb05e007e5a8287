//! quiche, with an event loop as its examples have it, and GSO and GRO by quinn-udp.
//!
//! Flow control begins as in quiche's own programs, whose library sets nothing; datagrams may have the 1,452 bytes that others find by themselves.

use std::collections::HashMap;
use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use pith_bench_program::machine::{self, Machine, Machines};
use pith_bench_program::quic::{Watch, common};
use pith_bench_program::{Failure, Files, NAME, Unable, serve};
use quiche::{Config, Connection, ConnectionId, Error, RecvInfo, SendInfo};
use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

fn main() -> Result<(), Failure> {
    let files = Files::from_argument()?;
    let role = std::env::args().nth(2);
    if role.as_deref() == Some("memory") {
        let mut machines = Configs::new(&files)?;
        return Ok(serve(|words| machine::answer(&mut machines, words))?);
    }
    if role.as_deref() == Some("server") {
        return Ok(serve(|words| match words {
            ["start"] => start(&files),
            words => common(words),
        })?);
    }
    let mut client = None;
    Ok(serve(|words| match (words, &mut client) {
        (["connect", port], _) => {
            client = Some(Client::new(&files, port.parse()?)?);
            Ok("ok 0 0".to_owned())
        }
        (["streams", count, bytes], Some(client)) => {
            let watch = Watch::new();
            client.streams(count.parse()?, bytes.parse()?)?;
            Ok(watch.stop())
        }
        (["requests", count], Some(client)) => client.requests(count.parse()?),
        (["handshakes", count], Some(client)) => {
            let watch = Watch::new();
            for _ in 0..count.parse()? {
                let mut connection = client.open()?;
                connection.close(true, 0, b"")?;
                client.io.flush(&mut connection)?;
            }
            Ok(watch.stop())
        }
        (["hold", count], Some(client)) => {
            let watch = Watch::new();
            for _ in 0..count.parse()? {
                let opened = client.open()?;
                let before = std::mem::replace(&mut client.connection, opened);
                client.held.push(before);
                client.next = 0;
                client.streams(1, 1)?;
            }
            Ok(watch.stop())
        }
        (words, _) => common(words),
    })?)
}

/// A socket, and buffers that are made once.
struct Io {
    socket: UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Io {
    fn new() -> Result<Self, Failure> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        Ok(Self {
            state: UdpSocketState::new((&socket).into())?,
            local: socket.local_addr()?,
            socket,
            input: vec![0; 1 << 16],
            output: vec![0; 1 << 16],
        })
    }

    /// Waits so long for a datagram, or for ever.
    fn wait(&self, most: Option<Duration>) -> Result<(), Failure> {
        let timeout = most.map(Timespec::try_from).transpose()?;
        poll(
            &mut [PollFd::new(&self.socket, PollFlags::IN)],
            timeout.as_ref(),
        )?;
        Ok(())
    }

    /// Hands over the datagrams that are there.
    fn receive(
        &mut self,
        mut take: impl FnMut(&mut [u8], RecvInfo) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        loop {
            let mut meta = [RecvMeta::default()];
            let mut slices = [IoSliceMut::new(&mut self.input)];
            match self
                .state
                .recv((&self.socket).into(), &mut slices, &mut meta)
            {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                count => count?,
            };
            let [meta] = meta;
            let info = RecvInfo {
                from: meta.addr,
                to: self.local,
            };
            for datagram in self.input[..meta.len].chunks_mut(meta.stride.max(1)) {
                take(datagram, info)?;
            }
        }
    }

    /// Sends what a connection has to send, in batches of equal datagrams.
    fn flush(&mut self, connection: &mut Connection) -> Result<(), Failure> {
        loop {
            let quantum = connection.send_quantum().min(self.output.len());
            let room = connection.max_send_udp_payload_size();
            let (mut length, mut count, mut first) = (0, 0, None);
            while count < self.state.max_gso_segments() && length + room <= quantum.max(room) {
                match connection.send(&mut self.output[length..length + room]) {
                    Ok((written, info)) => {
                        first.get_or_insert(info);
                        length += written;
                        count += 1;
                        // Only the last of a batch may be shorter.
                        if written < room {
                            break;
                        }
                    }
                    Err(Error::Done) => break,
                    Err(error) => return Err(error.into()),
                }
            }
            let Some(SendInfo { to, at, .. }) = first else {
                return Ok(());
            };
            // What is paced waits here, as in the kernel where SO_TXTIME is used.
            std::thread::sleep(at.saturating_duration_since(Instant::now()));
            let transmit = Transmit {
                destination: to,
                ecn: None,
                contents: &self.output[..length],
                segment_size: (count > 1).then_some(room),
                src_ip: None,
            };
            while let Err(error) = self.state.try_send((&self.socket).into(), &transmit) {
                if error.kind() != io::ErrorKind::WouldBlock {
                    return Err(error.into());
                }
                poll(&mut [PollFd::new(&self.socket, PollFlags::OUT)], None)?;
            }
        }
    }
}

fn config() -> Result<Config, Failure> {
    let mut config = Config::new(quiche::PROTOCOL_VERSION)?;
    config.set_application_protos(&[b"bench"])?;
    config.set_curves_list("X25519MLKEM768")?;
    config.set_max_idle_timeout(600_000);
    config.set_max_recv_udp_payload_size(1452);
    config.set_max_send_udp_payload_size(1452);
    config.set_initial_max_data(10_000_000);
    config.set_initial_max_stream_data_bidi_local(1_000_000);
    config.set_initial_max_stream_data_bidi_remote(1_000_000);
    config.set_initial_max_streams_bidi(100);
    Ok(config)
}

/// The path of a file as quiche wants it.
fn path(files: &Files, name: &str) -> Result<String, Failure> {
    let path = files.path(name).into_os_string().into_string();
    path.map_err(|_| "a path that is no text".into())
}

fn start(files: &Files) -> Result<String, Failure> {
    let mut config = config()?;
    config.load_cert_chain_from_pem_file(&path(files, "server.pem")?)?;
    config.load_priv_key_from_pem_file(&path(files, "server.key")?)?;
    let io = Io::new()?;
    let port = io.local.port();
    std::thread::spawn(move || {
        let mut server = Server {
            io,
            config,
            numbers: 0,
            connections: HashMap::new(),
        };
        if let Err(failure) = server.run() {
            println!("error {failure}");
        }
    });
    Ok(format!("ok {port} 0"))
}

struct Server {
    io: Io,
    config: Config,
    /// How many connections there were, for their ids.
    numbers: u128,
    connections: HashMap<ConnectionId<'static>, Served>,
}

struct Served {
    connection: Connection,
    /// Bytes that streams still have to send.
    left: HashMap<u64, usize>,
    /// Whether something came since it was looked after.
    active: bool,
}

impl Server {
    fn run(&mut self) -> Result<(), Failure> {
        loop {
            let timeouts = self.connections.values();
            let timeout = timeouts.filter_map(|served| served.connection.timeout());
            self.io.wait(timeout.min())?;
            let (config, connections) = (&mut self.config, &mut self.connections);
            let numbers = &mut self.numbers;
            self.io.receive(|datagram, info| {
                take(connections, config, numbers, datagram, info);
                Ok(())
            })?;
            for served in self.connections.values_mut() {
                if served.connection.timeout() == Some(Duration::ZERO) {
                    served.connection.on_timeout();
                    served.active = true;
                }
                if std::mem::take(&mut served.active) {
                    served.answer();
                    self.io.flush(&mut served.connection)?;
                }
            }
            self.connections
                .retain(|_, served| !served.connection.is_closed());
        }
    }
}

/// A datagram that a server cannot use is dropped.
fn take(
    connections: &mut HashMap<ConnectionId<'static>, Served>,
    config: &mut Config,
    numbers: &mut u128,
    datagram: &mut [u8],
    info: RecvInfo,
) {
    let Ok(header) = quiche::Header::from_slice(datagram, ID_LEN) else {
        return;
    };
    let known = connections.contains_key(&header.dcid);
    let id = if known {
        header.dcid
    } else {
        if header.ty != quiche::Type::Initial {
            return;
        }
        // Initial packets of one client that come before it knows its server's id.
        let by_first = ConnectionId::from_vec(first_id(&header.dcid));
        if !connections.contains_key(&by_first) {
            *numbers += 1;
            let Ok(connection) = quiche::accept(&by_first, None, info.to, info.from, config) else {
                return;
            };
            let served = Served {
                connection,
                left: HashMap::new(),
                active: true,
            };
            connections.insert(by_first.clone(), served);
        }
        by_first
    };
    if let Some(served) = connections.get_mut(&id) {
        served.active = true;
        let _ = served.connection.recv(datagram, info);
    }
}

/// An id that follows from the one that a client chose, so that all of its Initial packets find one connection.
fn first_id(chosen: &[u8]) -> Vec<u8> {
    let mut id = chosen.to_vec();
    id.resize(ID_LEN, 0);
    id.iter_mut().for_each(|byte| *byte ^= 0x55);
    id
}

impl Served {
    fn answer(&mut self) {
        for id in self.connection.readable() {
            let mut number = [0; 8];
            if let Ok((8, _)) = self.connection.stream_recv(id, &mut number) {
                self.left.insert(id, u64::from_be_bytes(number) as usize);
                self.give(id);
            }
        }
        for id in self.connection.writable() {
            self.give(id);
        }
    }

    fn give(&mut self, id: u64) {
        while let Some(left) = self.left.get_mut(&id) {
            let part = &BLOCK[..BLOCK.len().min(*left)];
            let last = part.len() == *left;
            match self.connection.stream_send(id, part, last) {
                Ok(count) if count > 0 => *left -= count,
                _ => return,
            }
            if *left == 0 {
                self.left.remove(&id);
            }
        }
    }
}

struct Client {
    io: Io,
    config: Config,
    server: SocketAddr,
    numbers: u128,
    connection: Connection,
    /// The next stream.
    next: u64,
    held: Vec<Connection>,
    buffer: Vec<u8>,
}

impl Client {
    fn new(files: &Files, port: u16) -> Result<Self, Failure> {
        let mut config = config()?;
        config.load_verify_locations_from_file(&path(files, "ca.pem")?)?;
        config.verify_peer(true);
        let mut io = Io::new()?;
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let connection = open(&mut io, &mut config, server, 0)?;
        Ok(Self {
            io,
            config,
            server,
            numbers: 0,
            connection,
            next: 0,
            held: Vec::new(),
            buffer: vec![0; 1 << 16],
        })
    }

    fn open(&mut self) -> Result<Connection, Failure> {
        self.numbers += 1;
        open(&mut self.io, &mut self.config, self.server, self.numbers)
    }

    fn streams(&mut self, count: u64, bytes: u64) -> Result<(), Failure> {
        let (mut asked, mut done, mut got) = (0, 0, 0);
        loop {
            while asked < count {
                let request = bytes.to_be_bytes();
                match self.connection.stream_send(self.next, &request, true) {
                    Ok(_) => (asked, self.next) = (asked + 1, self.next + 4),
                    Err(Error::StreamLimit | Error::Done) => break,
                    Err(error) => return Err(error.into()),
                }
            }
            turn(&mut self.io, &mut self.connection)?;
            for id in self.connection.readable() {
                while let Ok((length, last)) = self.connection.stream_recv(id, &mut self.buffer) {
                    got += length as u64;
                    done += u64::from(last);
                }
            }
            if done == count {
                // What acknowledges the last of it.
                self.io.flush(&mut self.connection)?;
                break;
            }
        }
        if got != count * bytes {
            return Err(format!("{got} bytes came").into());
        }
        Ok(())
    }

    fn requests(&mut self, count: usize) -> Result<String, Failure> {
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let start = Instant::now();
            self.streams(1, 1)?;
            times.push(start.elapsed().as_nanos());
        }
        times.sort_unstable();
        Ok(format!(
            "ok {} {}",
            times[count / 2],
            times[count * 99 / 100]
        ))
    }
}

/// A connection whose handshake is complete.
fn open(
    io: &mut Io,
    config: &mut Config,
    server: SocketAddr,
    number: u128,
) -> Result<Connection, Failure> {
    let mut id = [0x7b; ID_LEN];
    id[..16].copy_from_slice(&number.to_be_bytes());
    let id = ConnectionId::from_ref(&id);
    let mut connection = quiche::connect(Some(NAME), &id, io.local, server, config)?;
    while !connection.is_established() {
        turn(io, &mut connection)?;
        if connection.is_closed() {
            return Err(format!("closed: {:?}", connection.peer_error()).into());
        }
    }
    io.flush(&mut connection)?;
    Ok(connection)
}

/// Sends, waits, and takes what came.
fn turn(io: &mut Io, connection: &mut Connection) -> Result<(), Failure> {
    io.flush(connection)?;
    if connection.readable().next().is_none() {
        io.wait(connection.timeout())?;
    }
    io.receive(|datagram, info| {
        // What came for a connection that is gone is dropped.
        let _ = connection.recv(datagram, info);
        Ok(())
    })?;
    if connection.timeout() == Some(Duration::ZERO) {
        connection.on_timeout();
    }
    Ok(())
}

/// For connections without sockets.
struct Configs {
    client: Config,
    server: Config,
}

impl Configs {
    fn new(files: &Files) -> Result<Self, Failure> {
        let [mut client, mut server] = [config()?, config()?];
        client.load_verify_locations_from_file(&path(files, "ca.pem")?)?;
        client.verify_peer(true);
        server.load_cert_chain_from_pem_file(&path(files, "server.pem")?)?;
        server.load_priv_key_from_pem_file(&path(files, "server.key")?)?;
        Ok(Self { client, server })
    }
}

impl Machines for Configs {
    type Machine = InMemory;

    fn widen(&mut self, wide: bool) -> Result<(), Failure> {
        if wide {
            return Err(Unable(
                "quiche asks the clock for the time, so that no path can be played to it",
            )
            .into());
        }
        Ok(())
    }

    fn client(&mut self) -> Result<InMemory, Failure> {
        let id = ConnectionId::from_ref(&[0xc0; ID_LEN]);
        let config = &mut self.client;
        let connection = quiche::connect(Some(NAME), &id, ENDS[0], ENDS[1], config)?;
        Ok(InMemory::new(connection, 0))
    }

    fn server(&mut self, _: &mut [u8]) -> Result<InMemory, Failure> {
        let id = ConnectionId::from_ref(&[0x50; ID_LEN]);
        let connection = quiche::accept(&id, None, ENDS[1], ENDS[0], &mut self.server)?;
        Ok(InMemory::new(connection, 1))
    }
}

/// One of two connections joined by memory. It runs in real time, which the one that is played stays ahead of.
struct InMemory {
    connection: Connection,
    /// Its place in [`ENDS`].
    end: usize,
    next: u64,
    answering: Option<(u64, u64)>,
    buffer: Vec<u8>,
    /// When it wants to be called, in the time that is played.
    deadline: Option<Duration>,
    now: Duration,
}

impl InMemory {
    fn new(connection: Connection, end: usize) -> Self {
        Self {
            connection,
            end,
            next: 0,
            answering: None,
            buffer: vec![0; 1 << 16],
            deadline: None,
            now: Duration::ZERO,
        }
    }
}

impl Machine for InMemory {
    fn transmit(&mut self, _: Duration, buffer: &mut Vec<u8>) -> Option<(usize, usize)> {
        buffer.resize(1 << 16, 0);
        let room = self.connection.max_send_udp_payload_size();
        let quantum = self.connection.send_quantum().min(buffer.len());
        let mut length = 0;
        while length == 0 || length + room <= quantum {
            match self.connection.send(&mut buffer[length..length + room]) {
                Ok((written, _)) => {
                    length += written;
                    // Only the last of a batch may be shorter.
                    if written < room {
                        break;
                    }
                }
                Err(_) => break,
            }
        }
        (length > 0).then_some((room, length))
    }

    fn receive(&mut self, _: Duration, datagram: &mut [u8]) {
        let info = RecvInfo {
            from: ENDS[1 - self.end],
            to: ENDS[self.end],
        };
        // What it cannot use it drops.
        let _ = self.connection.recv(datagram, info);
    }

    fn deadline(&mut self) -> Option<Duration> {
        self.deadline = self.connection.timeout().map(|left| self.now + left);
        self.deadline
    }

    fn on_deadline(&mut self, now: Duration) {
        self.now = now;
        if self.deadline.is_some_and(|at| at <= now) {
            // Nothing else is to happen before: time that is played has gone by, and now real time does.
            std::thread::sleep(self.connection.timeout().unwrap_or_default());
            self.connection.on_timeout();
        }
    }

    fn is_open(&self) -> bool {
        self.connection.is_established()
    }

    fn ask(&mut self, bytes: u64) -> Result<(), Failure> {
        let request = bytes.to_be_bytes();
        self.connection.stream_send(self.next, &request, true)?;
        self.next += 4;
        Ok(())
    }

    fn work(&mut self) -> Result<u64, Failure> {
        if self.connection.is_closed() {
            return Err(format!("closed: {:?}", self.connection.peer_error()).into());
        }
        let mut got = 0;
        for id in self.connection.readable() {
            while let Ok((length, _)) = self.connection.stream_recv(id, &mut self.buffer) {
                if self.end == 0 {
                    got += length as u64;
                } else if length == 8 {
                    let number = self.buffer[..8].try_into()?;
                    self.answering = Some((id, u64::from_be_bytes(number)));
                }
            }
        }
        while let Some((id, left)) = self.answering {
            let part = &BLOCK[..BLOCK.len().min(left as usize)];
            let last = part.len() as u64 == left;
            let sent = match self.connection.stream_send(id, part, last) {
                Ok(sent) if sent > 0 => sent as u64,
                _ => break,
            };
            self.answering = (left > sent).then_some((id, left - sent));
        }
        Ok(got)
    }
}

/// Where client and server say that they are.
const ENDS: [SocketAddr; 2] = [
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 4432),
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 4433),
];

const ID_LEN: usize = quiche::MAX_CONN_ID_LEN;
/// What downloads are made of.
static BLOCK: [u8; 1 << 16] = [7; 1 << 16];
