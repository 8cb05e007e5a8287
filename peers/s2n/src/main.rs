//! s2n-tls as a peer of Pith's interop tests; `pith-peer` has the rest. `--groups` names one of its policies.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;

use pith_peer::{EXPORTER, Failure, Options, Session, hex};
use s2n_tls::callbacks::VerifyHostNameCallback;
use s2n_tls::config::{Builder, Config};
use s2n_tls::enums::{ClientAuthType, PeerKeyUpdate};
use s2n_tls::security::Policy;
use s2n_tls_tokio::{TlsAcceptor, TlsConnector, TlsStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder as RuntimeBuilder, Runtime};

fn main() -> ExitCode {
    pith_peer::run(open)
}

fn open(options: &Options, tcp: TcpStream) -> Result<Box<dyn Session>, Failure> {
    let config = config(options)?;
    let runtime = RuntimeBuilder::new_current_thread().enable_all().build()?;
    tcp.set_nonblocking(true)?;
    let stream = runtime.block_on(async {
        let tcp = tokio::net::TcpStream::from_std(tcp)?;
        Ok::<_, Failure>(if options.server {
            TlsAcceptor::new(config).accept(tcp).await?
        } else {
            TlsConnector::new(config)
                .connect(options.need("name")?, tcp)
                .await?
        })
    })?;
    Ok(Box::new(S2n {
        runtime,
        stream,
        closed: false,
    }))
}

fn config(options: &Options) -> Result<Config, Failure> {
    let mut builder = Builder::new();
    builder.set_security_policy(&Policy::from_version(
        options.get("groups").unwrap_or("default_pq"),
    )?)?;
    builder.with_system_certs(false)?;
    // It would sleep for up to half a minute after a failure.
    builder.set_max_blinding_delay(0)?;
    if let (Some(chain), Some(key)) = (options.file("cert")?, options.file("key")?) {
        builder.load_pem(&chain, &key)?;
    }
    if let Some(ca) = options.file("ca")? {
        builder.trust_pem(&ca)?;
        if options.server || options.get("cert").is_some() {
            builder.set_client_auth_type(ClientAuthType::Required)?;
        }
        if options.server {
            builder.set_verify_host_callback(AnyClient)?;
        }
    }
    if let Some(name) = options.get("alpn") {
        builder.set_application_protocol_preference([name])?;
    }
    if let Some(staple) = options.file("staple")? {
        builder.set_ocsp_data(&staple)?;
    } else if options.get("status").is_some() {
        builder.enable_ocsp()?;
    }
    Ok(builder.build()?)
}

struct AnyClient;

impl VerifyHostNameCallback for AnyClient {
    fn verify_host_name(&self, _: &str) -> bool {
        true
    }
}

struct S2n {
    runtime: Runtime,
    stream: TlsStream<tokio::net::TcpStream>,
    closed: bool,
}

impl S2n {
    fn wait<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut TlsStream<tokio::net::TcpStream>) -> io::Result<T>,
    ) -> io::Result<T> {
        let Self {
            runtime, stream, ..
        } = self;
        runtime.block_on(work(stream))
    }
}

impl Session for S2n {
    fn facts(&self) -> Vec<(&'static str, String)> {
        let connection = self.stream.as_ref();
        let mut exporter = [0; 32];
        let exported = connection.tls_exporter(EXPORTER.as_bytes(), b"", &mut exporter);
        let group = connection
            .selected_key_exchange_group()
            .unwrap_or("?")
            .to_owned();
        let handshake = connection.handshake_type().unwrap_or_default();
        let mut facts = vec![
            (
                "exporter",
                exported.map_or_else(|error| error.to_string(), |()| hex(&exporter)),
            ),
            ("group", group),
            (
                "retried",
                handshake.contains("HELLO_RETRY_REQUEST").to_string(),
            ),
        ];
        facts.extend(
            connection
                .application_protocol()
                .map(|name| ("alpn", String::from_utf8_lossy(name).into_owned())),
        );
        let leaf = connection.peer_cert_chain().ok().and_then(|chain| {
            let leaf = chain.iter().next()?.ok()?;
            leaf.der().ok().map(hex)
        });
        facts.extend(leaf.map(|leaf| ("peer", leaf)));
        facts
    }

    fn update(&mut self) -> Result<(), Failure> {
        // It is sent with the next data. s2n-tls never asks for an update in return.
        self.stream
            .as_mut()
            .request_key_update(PeerKeyUpdate::KeyUpdateNotRequested)?;
        Ok(())
    }

    fn close(&mut self) -> Result<(), Failure> {
        Ok(self.wait(async |stream| stream.shutdown().await)?)
    }

    fn closed(&mut self) -> bool {
        self.closed
    }
}

impl Read for S2n {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.wait(async |stream| stream.read(buffer).await)?;
        self.closed = count == 0;
        Ok(count)
    }
}

impl Write for S2n {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.wait(async |stream| stream.write(bytes).await)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.wait(async |stream| stream.flush().await)
    }
}
