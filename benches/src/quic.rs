//! Pith's QUIC without sockets, as [`pith_bench_program::machine`] runs it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pith_bench_program::machine::{Machine, Machines};
use pith_bench_program::{Failure, Files, NAME};
use pith_quic::{
    Accepted, ClientConfig, Connection, ConnectionId, Dir, Ecn, Event, NewId, Read, ResetToken,
    Route, ServerConfig, StreamEvent, StreamId, Version,
};
use pith_tls::{CipherSuite, Group, Now, ServerName, Trust};

use crate::pith::identity;

/// Configurations.
pub struct Pith {
    files: Files,
    client: ClientConfig,
    server: ServerConfig,
    wide: bool,
}

impl Pith {
    /// As [`client`] and [`server`] say.
    pub fn new(files: &Files) -> Result<Self, Failure> {
        Ok(Self {
            files: files.clone(),
            client: client(files)?,
            server: server(files)?,
            wide: false,
        })
    }
}

/// A server's configuration, with the defaults but for suite, group, idle timeout, and certificates that are not compressed.
pub fn server(files: &Files) -> Result<ServerConfig, Failure> {
    server_of(files, false)
}

fn server_of(files: &Files, wide: bool) -> Result<ServerConfig, Failure> {
    let tls = pith_tls::ServerConfig::new(identity(files, "server")?)
        .suites(&[CipherSuite::Aes128GcmSha256])
        .groups(&[Group::X25519MlKem768])
        .certificate_compression(false)
        .alpn(&[b"bench"]);
    let mut config = ServerConfig::new(tls.build()?).idle_timeout(Some(IDLE));
    if wide {
        config = config.streams(STREAMS, 0);
    }
    Ok(config.build()?)
}

/// A client's.
pub fn client(files: &Files) -> Result<ClientConfig, Failure> {
    client_of(files, false)
}

fn client_of(files: &Files, wide: bool) -> Result<ClientConfig, Failure> {
    let trust = Trust::roots_from_pem(&files.read("ca.pem")?)?;
    let tls = pith_tls::ClientConfig::new(trust)
        .suites(&[CipherSuite::Aes128GcmSha256])
        .groups(&[Group::X25519MlKem768])
        .certificate_compression(false)
        .alpn(&[b"bench"]);
    let mut config = ClientConfig::new(tls.build()?).idle_timeout(Some(IDLE));
    if wide {
        config = config
            .stream_window(WINDOW, WINDOW)
            .connection_window(WINDOW, WINDOW);
    }
    Ok(config.build()?)
}

impl Machines for Pith {
    type Machine = Side;

    fn widen(&mut self, wide: bool) -> Result<(), Failure> {
        if self.wide != wide {
            self.client = client_of(&self.files, wide)?;
            self.server = server_of(&self.files, wide)?;
            self.wide = wide;
        }
        Ok(())
    }

    fn client(&mut self) -> Result<Side, Failure> {
        let name = ServerName::try_from(NAME)?;
        let own = id(0xc0).id;
        let now = at(Duration::ZERO);
        let quic = Connection::client(&self.client, name, route(), own, Bytes::new(), now)?;
        Ok(Side::new(quic))
    }

    fn server(&mut self, first: &mut [u8]) -> Result<Side, Failure> {
        let length = usize::from(first[5]);
        let accepted = Accepted {
            version: Version::V1,
            route: route(),
            original: ConnectionId::new(&first[6..6 + length]).ok_or("no id")?,
            retried: None,
            peer: id(0xc0).id,
            id: id(0x50),
            validated: false,
        };
        let quic = Connection::server(&self.server, &accepted, at(Duration::ZERO))?;
        Ok(Side::new(quic))
    }
}

/// A connection, and the streams that it has still to open and to answer on.
pub struct Side {
    quic: Connection,
    wanted: VecDeque<u64>,
    answering: VecDeque<(StreamId, u64)>,
    /// Requests of which less than all came: few at any time.
    parts: Vec<(StreamId, Vec<u8>)>,
}

impl Side {
    fn new(quic: Connection) -> Self {
        Self {
            quic,
            wanted: VecDeque::new(),
            answering: VecDeque::new(),
            parts: Vec::new(),
        }
    }

    fn open(&mut self) -> Result<(), Failure> {
        while let Some(bytes) = self.wanted.front() {
            let Some(id) = self.quic.open(Dir::Bi) else {
                break;
            };
            let mut request = Bytes::copy_from_slice(&bytes.to_be_bytes());
            self.quic.send(id, &mut request).map_err(said)?;
            self.quic.finish(id).map_err(said)?;
            self.wanted.pop_front();
        }
        Ok(())
    }

    fn answer(&mut self) -> Result<(), Failure> {
        while let Some((id, left)) = self.answering.front_mut() {
            let most = usize::try_from(*left).unwrap_or(usize::MAX);
            let mut part = Bytes::from_static(&BLOCK[..BLOCK.len().min(most)]);
            let sent = self.quic.send(*id, &mut part).map_err(said)?;
            *left -= sent as u64;
            if *left == 0 {
                self.quic.finish(*id).map_err(said)?;
                self.answering.pop_front();
            } else if !part.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Reads what there is of a stream: of an answer, whose bytes are counted, or of a request.
    fn take(&mut self, id: StreamId) -> u64 {
        let mut got = 0;
        while let Ok(Read::Data { bytes, ends, .. }) = self.quic.read(id, usize::MAX) {
            got += bytes.len() as u64;
            let part = self.parts.iter().position(|part| part.0 == id);
            if let Some(place) = part {
                let request = &mut self.parts[place].1;
                request.extend_from_slice(&bytes);
                if let Ok(number) = request.as_slice().try_into() {
                    self.parts.swap_remove(place);
                    self.answering.push_back((id, u64::from_be_bytes(number)));
                }
            }
            if ends {
                break;
            }
        }
        got
    }
}

impl Machine for Side {
    fn transmit(&mut self, now: Duration, buffer: &mut Vec<u8>) -> Option<(usize, usize)> {
        let batch = self.quic.transmit(at(now), buffer)?;
        Some((batch.segment, batch.length))
    }

    fn receive(&mut self, now: Duration, datagram: &mut [u8]) {
        let datagram = BytesMut::from(&*datagram);
        self.quic.receive(at(now), route(), Ecn::NotEct, datagram);
    }

    fn deadline(&mut self) -> Option<Duration> {
        self.quic.deadline()
    }

    fn on_deadline(&mut self, now: Duration) {
        self.quic.on_deadline(at(now));
    }

    fn is_open(&self) -> bool {
        self.quic.is_established()
    }

    fn ask(&mut self, bytes: u64) -> Result<(), Failure> {
        self.wanted.push_back(bytes);
        self.open()
    }

    fn work(&mut self) -> Result<u64, Failure> {
        let mut got = 0;
        while let Some(event) = self.quic.event() {
            match event {
                Event::Closed(error) => return Err(error.to_string().into()),
                Event::Stream(StreamEvent::Readable(id)) => got += self.take(id),
                _ => {}
            }
        }
        while self.quic.endpoint_event().is_some() {}
        while let Some(id) = self.quic.accept(Dir::Bi) {
            self.parts.push((id, Vec::with_capacity(8)));
            self.take(id);
        }
        self.open()?;
        self.answer()?;
        Ok(got)
    }
}

fn said(error: impl std::fmt::Debug) -> Failure {
    format!("{error:?}").into()
}

fn id(value: u8) -> NewId {
    NewId {
        id: ConnectionId::new(&[value; 8]).unwrap(),
        reset_token: ResetToken([value; 16]),
    }
}

fn route() -> Route {
    Route {
        local: None,
        remote: SocketAddr::from(([127, 0, 0, 1], 4433)),
    }
}

/// Certificates are valid then.
fn at(monotonic: Duration) -> Now {
    Now {
        monotonic,
        unix: Duration::from_secs(1_800_000_000),
    }
}

/// What downloads are made of.
static BLOCK: [u8; 1 << 16] = [7; 1 << 16];
/// Connections wait for one another's turns.
const IDLE: Duration = Duration::from_secs(600);
/// Streams and bytes at once where there is to be room for many.
const STREAMS: u64 = 10_000;
const WINDOW: u64 = 64 << 20;
