//! quinn, on rustls and tokio.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use pith_bench_program::machine::{self, Machine, Machines};
use pith_bench_program::quic::{self, Quic};
use pith_bench_program::{Failure, Files, NAME, serve};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, Connection, Endpoint, Incoming, ServerConfig, TransportConfig};
use quinn_proto as proto;
use rustls::RootCertStore;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

fn main() -> Result<(), Failure> {
    let role = std::env::args().nth(2).ok_or("no role")?;
    let files = Files::from_argument()?;
    if role == "memory" {
        let mut machines = Configs {
            client: client(&files)?,
            server: Arc::new(server(&files)?),
            began: Instant::now(),
            files,
        };
        return Ok(serve(|words| machine::answer(&mut machines, words))?);
    }
    quic::run::<Quinn>(&files, &role)
}

struct Quinn {
    endpoint: Endpoint,
}

impl Quic for Quinn {
    type Connection = Connection;

    async fn serve(files: Files, port: mpsc::Sender<u16>) -> Result<(), Failure> {
        let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let endpoint = Endpoint::server(server(&files)?, local)?;
        port.send(endpoint.local_addr()?.port())?;
        while let Some(incoming) = endpoint.accept().await {
            tokio::spawn(connection(incoming));
        }
        Ok(())
    }

    fn client(files: &Files) -> Result<Self, Failure> {
        let mut endpoint = Endpoint::client(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        endpoint.set_default_client_config(client(files)?);
        Ok(Self { endpoint })
    }

    fn connect(
        &self,
        port: u16,
    ) -> impl Future<Output = Result<Connection, String>> + Send + 'static {
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let endpoint = self.endpoint.clone();
        async move {
            let connecting = endpoint.connect(server, NAME).map_err(|e| e.to_string())?;
            connecting.await.map_err(|e| e.to_string())
        }
    }

    async fn request(connection: Connection, bytes: u64) -> Result<u64, String> {
        ask(&connection, bytes).await.map_err(|e| e.to_string())
    }

    fn close(connection: Connection) {
        connection.close(0_u32.into(), b"");
    }
}

async fn ask(
    connection: &Connection,
    bytes: u64,
) -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
    let (mut send, mut recv) = connection.open_bi().await?;
    send.write_all(&bytes.to_be_bytes()).await?;
    send.finish()?;
    let mut got = 0;
    while let Some(chunk) = recv.read_chunk(usize::MAX, true).await? {
        got += chunk.bytes.len() as u64;
    }
    Ok(got)
}

async fn connection(incoming: Incoming) -> Result<(), quinn::ConnectionError> {
    let connection = incoming.await?;
    loop {
        let (mut send, mut recv) = connection.accept_bi().await?;
        tokio::spawn(async move {
            let mut number = [0; 8];
            let read = recv.read_exact(&mut number).await;
            let mut left = if read.is_ok() {
                u64::from_be_bytes(number)
            } else {
                0
            };
            let block = Bytes::from_static(&BLOCK);
            while left > 0 {
                let part = block.slice(..block.len().min(left as usize));
                left -= part.len() as u64;
                if send.write_chunk(part).await.is_err() {
                    return;
                }
            }
            let _ = send.finish();
        });
    }
}

fn server(files: &Files) -> Result<ServerConfig, Failure> {
    let chain = CertificateDer::from_pem_slice(&files.read("server.pem")?)?;
    let key = PrivateKeyDer::from_pem_slice(&files.read("server.key")?)?;
    let mut tls = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)?;
    tls.alpn_protocols = vec![b"bench".to_vec()];
    let mut config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    config.transport_config(transport()?);
    Ok(config)
}

fn client(files: &Files) -> Result<ClientConfig, Failure> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&files.read("ca.pem")?)?)?;
    let mut tls = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"bench".to_vec()];
    tls.resumption = rustls::client::Resumption::disabled();
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    config.transport_config(transport()?);
    Ok(config)
}

/// For connections without sockets.
struct Configs {
    client: ClientConfig,
    server: Arc<ServerConfig>,
    began: Instant,
    files: Files,
}

impl Machines for Configs {
    type Machine = Side;

    fn widen(&mut self, wide: bool) -> Result<(), Failure> {
        let mut transport = base()?;
        if wide {
            transport
                .max_concurrent_bidi_streams(10_000_u32.into())
                .stream_receive_window((64_u32 << 20).into())
                .receive_window((64_u32 << 20).into())
                .send_window(64 << 20);
        }
        let transport = Arc::new(transport);
        self.client.transport_config(transport.clone());
        let mut server = server(&self.files)?;
        server.transport_config(transport);
        self.server = Arc::new(server);
        Ok(())
    }

    fn client(&mut self) -> Result<Side, Failure> {
        let mut side = Side::new(None, self.began);
        let config = self.client.clone();
        let connected = side.endpoint.connect(self.began, config, PEER, NAME)?;
        side.connection = Some(connected);
        Ok(side)
    }

    fn server(&mut self, _: &mut [u8]) -> Result<Side, Failure> {
        Ok(Side::new(Some(self.server.clone()), self.began))
    }
}

/// A connection, its endpoint, and the streams that it has still to open and to answer on.
struct Side {
    endpoint: proto::Endpoint,
    connection: Option<(proto::ConnectionHandle, proto::Connection)>,
    began: Instant,
    replies: Vec<u8>,
    wanted: VecDeque<u64>,
    answering: VecDeque<(proto::StreamId, u64)>,
    /// Requests of which less than all came: few at any time.
    parts: Vec<(proto::StreamId, Vec<u8>)>,
}

impl Side {
    fn new(server: Option<Arc<ServerConfig>>, began: Instant) -> Self {
        let config = Arc::new(proto::EndpointConfig::default());
        Self {
            endpoint: proto::Endpoint::new(config, server, true, None),
            connection: None,
            began,
            replies: Vec::new(),
            wanted: VecDeque::new(),
            answering: VecDeque::new(),
            parts: Vec::new(),
        }
    }
}

impl Machine for Side {
    fn transmit(&mut self, now: Duration, buffer: &mut Vec<u8>) -> Option<(usize, usize)> {
        let (_, connection) = self.connection.as_mut()?;
        buffer.clear();
        // As many segments as quinn sends at once.
        let batch = connection.poll_transmit(self.began + now, 10, buffer)?;
        Some((batch.segment_size.unwrap_or(batch.size), batch.size))
    }

    fn receive(&mut self, now: Duration, datagram: &mut [u8]) {
        let now = self.began + now;
        let datagram = BytesMut::from(&*datagram);
        let endpoint = &mut self.endpoint;
        self.replies.clear();
        match endpoint.handle(now, PEER, None, None, datagram, &mut self.replies) {
            Some(proto::DatagramEvent::ConnectionEvent(_, event)) => {
                if let Some((_, connection)) = &mut self.connection {
                    connection.handle_event(event);
                }
            }
            Some(proto::DatagramEvent::NewConnection(incoming)) => {
                let accepted = endpoint.accept(incoming, now, &mut self.replies, None);
                self.connection = accepted.ok();
            }
            _ => {}
        }
    }

    fn deadline(&mut self) -> Option<Duration> {
        let (_, connection) = self.connection.as_mut()?;
        let at = connection.poll_timeout()?;
        Some(at.saturating_duration_since(self.began))
    }

    fn on_deadline(&mut self, now: Duration) {
        if self.deadline().is_some_and(|at| at <= now)
            && let Some((_, connection)) = &mut self.connection
        {
            connection.handle_timeout(self.began + now);
        }
    }

    fn is_open(&self) -> bool {
        let connection = self.connection.as_ref();
        connection.is_some_and(|(_, connection)| !connection.is_handshaking())
    }

    fn ask(&mut self, bytes: u64) -> Result<(), Failure> {
        self.wanted.push_back(bytes);
        self.open()
    }

    fn work(&mut self) -> Result<u64, Failure> {
        let Some((handle, connection)) = &mut self.connection else {
            return Ok(0);
        };
        while let Some(event) = connection.poll_endpoint_events() {
            if let Some(event) = self.endpoint.handle_event(*handle, event) {
                connection.handle_event(event);
            }
        }
        let mut got = 0;
        while let Some(event) = connection.poll() {
            match event {
                proto::Event::ConnectionLost { reason } => return Err(reason.into()),
                proto::Event::Stream(proto::StreamEvent::Readable { id }) => {
                    got += take(connection, &mut self.parts, &mut self.answering, id);
                }
                _ => {}
            }
        }
        while let Some(id) = connection.streams().accept(proto::Dir::Bi) {
            self.parts.push((id, Vec::with_capacity(8)));
            take(connection, &mut self.parts, &mut self.answering, id);
        }
        while let Some((id, left)) = self.answering.front_mut() {
            let mut part = [Bytes::from_static(
                &BLOCK[..BLOCK.len().min(*left as usize)],
            )];
            let mut stream = connection.send_stream(*id);
            let Ok(written) = stream.write_chunks(&mut part) else {
                break;
            };
            *left -= written.bytes as u64;
            if *left == 0 {
                stream.finish()?;
                self.answering.pop_front();
            }
        }
        self.open()?;
        Ok(got)
    }
}

impl Side {
    fn open(&mut self) -> Result<(), Failure> {
        let (_, connection) = self.connection.as_mut().ok_or("no connection")?;
        while let Some(bytes) = self.wanted.front() {
            let Some(id) = connection.streams().open(proto::Dir::Bi) else {
                break;
            };
            let mut stream = connection.send_stream(id);
            stream.write(&bytes.to_be_bytes())?;
            stream.finish()?;
            self.wanted.pop_front();
        }
        Ok(())
    }
}

/// Reads what there is of a stream: of an answer, whose bytes are counted, or of a request.
fn take(
    connection: &mut proto::Connection,
    parts: &mut Vec<(proto::StreamId, Vec<u8>)>,
    answering: &mut VecDeque<(proto::StreamId, u64)>,
    id: proto::StreamId,
) -> u64 {
    let mut got = 0;
    let mut stream = connection.recv_stream(id);
    if let Ok(mut chunks) = stream.read(true) {
        while let Ok(Some(chunk)) = chunks.next(usize::MAX) {
            got += chunk.bytes.len() as u64;
            let part = parts.iter().position(|part| part.0 == id);
            if let Some(place) = part {
                let request = &mut parts[place].1;
                request.extend_from_slice(&chunk.bytes);
                if let Ok(number) = request.as_slice().try_into() {
                    parts.swap_remove(place);
                    answering.push_back((id, u64::from_be_bytes(number)));
                }
            }
        }
        let _ = chunks.finalize();
    }
    got
}

const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4433);

/// The defaults, but connections wait for one another's turns.
fn transport() -> Result<Arc<TransportConfig>, Failure> {
    Ok(Arc::new(base()?))
}

fn base() -> Result<TransportConfig, Failure> {
    let mut transport = TransportConfig::default();
    transport.max_idle_timeout(Some(Duration::from_secs(600).try_into()?));
    Ok(transport)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        kx_groups: vec![aws_lc_rs::kx_group::X25519MLKEM768],
        cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256],
        ..aws_lc_rs::default_provider()
    })
}

/// What downloads are made of.
static BLOCK: [u8; 1 << 16] = [7; 1 << 16];
