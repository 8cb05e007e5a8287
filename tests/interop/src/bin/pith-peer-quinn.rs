//! quinn, with rustls, as a peer of Pith over QUIC; `pith-peer` says what it is told and what it says. A program beside the tests, since it is built with them anyway.
//!
//! Sessions of rustls cannot be written to a file: a client asks for the paths of `--then` on a second connection, which resumes the first.
#![forbid(unsafe_code)]
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

use std::net::{SocketAddr, UdpSocket};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pith_peer::files::{ALPN, Root, Wanted};
use pith_peer::{Failure, LIMIT, Options, end};
use pki_types::pem::PemObject;
use pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{Connection, Endpoint, Incoming, RecvStream, SendStream, TransportConfig, VarInt};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{DigitallySignedStruct, SignatureScheme};
use tokio::task::JoinSet;

fn main() -> ExitCode {
    end(run())
}

#[tokio::main(flavor = "current_thread")]
async fn run() -> Result<&'static str, Failure> {
    let options = Options::new()?;
    if options.server {
        options.only(&["host", "cert", "key", "root", "retry", "early"])?;
        serve(&options).await
    } else {
        options.only(&[
            "host", "port", "ca", "name", "out", "get", "then", "early", "update", "migrate",
        ])?;
        tokio::time::timeout(LIMIT, fetch(&options)).await?
    }
}

/// Of one group alone, since quinn does not tell which was negotiated.
fn provider() -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = vec![aws_lc_rs::kx_group::X25519MLKEM768];
    Arc::new(provider)
}

/// Little room, so that it has to be made in time.
fn transport() -> Arc<TransportConfig> {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(20))
        .stream_receive_window(VarInt::from_u32(1 << 18))
        .receive_window(VarInt::from_u32(1 << 20));
    Arc::new(transport)
}

/// What was negotiated, as facts.
fn tell(number: &str) {
    for group in &provider().kx_groups {
        println!("{number}group {:?}", group.name());
    }
}

async fn serve(options: &Options) -> Result<&'static str, Failure> {
    let chain = CertificateDer::pem_file_iter(options.need("cert")?)?;
    let chain = chain.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(options.need("key")?)?;
    let mut tls = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    tls.alpn_protocols = vec![ALPN.into()];
    if options.has("early") {
        tls.max_early_data_size = u32::MAX;
    }
    let crypto = Arc::new(QuicServerConfig::try_from(tls)?);
    let mut config = quinn::ServerConfig::with_crypto(crypto);
    config.transport_config(transport());
    let endpoint = Endpoint::server(config, SocketAddr::new(options.host()?, 0))?;
    println!("ACCEPT {}", endpoint.local_addr()?);
    let root = Arc::new(Root::new(options)?);
    let numbers = AtomicUsize::new(0);
    while let Some(incoming) = endpoint.accept().await {
        if options.has("retry") && !incoming.remote_address_validated() {
            incoming.retry()?;
            continue;
        }
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        if options.has("retry") {
            println!("{number} retried true");
        }
        let root = Arc::clone(&root);
        tokio::spawn(async move {
            let ended = attend(incoming, number, root).await;
            println!("{number} closed {}", ended.err().unwrap_or_default());
        });
    }
    Err("no more clients".into())
}

async fn attend(incoming: Incoming, number: usize, root: Arc<Root>) -> Result<(), String> {
    let connecting = incoming.accept().map_err(|error| error.to_string())?;
    // Streams can be had before the handshake is complete; a server always takes that.
    let (connection, complete) = match connecting.into_0rtt() {
        Ok(early) => early,
        Err(_) => return Err("no connection yet".into()),
    };
    tokio::spawn(async move {
        if complete.await {
            tell(&format!("{number} "));
        }
    });
    let from = connection.remote_address();
    loop {
        let accepted = connection.accept_bi().await;
        let (send, receive) = accepted.map_err(|error| error.to_string())?;
        let (root, connection) = (Arc::clone(&root), connection.clone());
        tokio::spawn(async move {
            if let Err(failure) = answer(send, receive, &root).await {
                println!("{number} error {failure}");
            }
            let now = connection.remote_address();
            if now != from {
                println!("{number} migrated {now}");
            }
        });
    }
}

async fn answer(mut send: SendStream, mut receive: RecvStream, root: &Root) -> Result<(), String> {
    let request = receive.read_to_end(4_096).await.map_err(text)?;
    let file = root.answer(&request).map_err(text)?;
    send.write_all(&file).await.map_err(text)?;
    send.finish().map_err(text)?;
    send.stopped().await.map_err(text)?;
    Ok(())
}

async fn fetch(options: &Options) -> Result<&'static str, Failure> {
    let mut roots = rustls::RootCertStore::empty();
    for root in CertificateDer::pem_file_iter(options.need("ca")?)? {
        roots.add(root?)?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider());
    let verifier = Arc::new(Counting {
        verifier: verifier.build()?,
        chains: AtomicUsize::new(0),
    });
    let mut tls = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier.clone())
        .with_no_client_auth();
    tls.alpn_protocols = vec![ALPN.into()];
    tls.enable_early_data = options.has("early");
    let mut config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    config.transport_config(transport());
    let mut endpoint = Endpoint::client(SocketAddr::new(options.host()?, 0))?;
    endpoint.set_default_client_config(config);
    let server = SocketAddr::new(options.host()?, options.need("port")?.parse()?);
    let name = options.need("name")?;

    let connection = endpoint.connect(server, name)?.await?;
    tell("");
    if options.has("update") {
        connection.force_key_update();
    }
    let wanted = Wanted::new(options)?;
    get(&endpoint, &connection, &wanted, options.has("migrate")).await?;
    if options.has("then") {
        // For a ticket that is late.
        tokio::time::sleep(Duration::from_millis(200)).await;
        connection.close(VarInt::from_u32(0), b"");
        let connecting = endpoint.connect(server, name)?;
        let wanted = wanted.instead(options.need("then")?);
        let connection = if options.has("early") {
            let early = connecting.into_0rtt();
            let (connection, accepted) = early.map_err(|_| "there is no session")?;
            get(&endpoint, &connection, &wanted, false).await?;
            let accepted = match accepted.await {
                true => "accepted",
                false => "rejected",
            };
            println!("early {accepted}");
            connection
        } else {
            let connection = connecting.await?;
            get(&endpoint, &connection, &wanted, false).await?;
            connection
        };
        // A server that is resumed shows no certificate.
        let resumed = verifier.chains.load(Ordering::Relaxed) == 1;
        println!("resumed {resumed}");
        connection.close(VarInt::from_u32(0), b"");
    } else {
        connection.close(VarInt::from_u32(0), b"");
    }
    endpoint.wait_idle().await;
    Ok("done")
}

async fn get(
    endpoint: &Endpoint,
    connection: &Connection,
    wanted: &Wanted,
    moves: bool,
) -> Result<(), Failure> {
    let mut all = JoinSet::new();
    for (at, name) in wanted.names.iter().enumerate() {
        // Waits until the server lets it.
        let (mut send, mut receive) = connection.open_bi().await?;
        send.write_all(&Wanted::request(name)).await?;
        send.finish()?;
        let moving = (moves && at == 0).then(|| endpoint.clone());
        let name = name.clone();
        all.spawn(async move {
            let mut bytes = Vec::new();
            while let Some(part) = receive.read_chunk(1 << 16, true).await.map_err(text)? {
                if let Some(endpoint) = moving.as_ref().filter(|_| bytes.is_empty()) {
                    let local = endpoint.local_addr().map_err(text)?;
                    let socket = UdpSocket::bind((local.ip(), 0)).map_err(text)?;
                    endpoint.rebind(socket).map_err(text)?;
                    println!("migrated");
                }
                bytes.extend_from_slice(&part.bytes);
            }
            Ok::<_, String>((name, bytes))
        });
    }
    while let Some(got) = all.join_next().await {
        let (name, bytes) = got??;
        wanted.keep(&name, &bytes)?;
    }
    Ok(())
}

/// Counts the chains that it has seen.
#[derive(Debug)]
struct Counting {
    verifier: Arc<WebPkiServerVerifier>,
    chains: AtomicUsize,
}

impl ServerCertVerifier for Counting {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        staple: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.chains.fetch_add(1, Ordering::Relaxed);
        self.verifier
            .verify_server_cert(leaf, others, name, staple, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// That can be sent to another thread.
fn text(error: impl ToString) -> String {
    error.to_string()
}
