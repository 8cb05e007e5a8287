//! HTTP/3 between Pith's QUIC and quinn's, both roles, each with the crate `h3` on it: what differs is the transport alone.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used
)]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use h3::client::SendRequest;
use h3::error::{Code, ConnectionError, StreamError};
use h3::quic::{BidiStream, Connection, OpenStreams};
use h3::server::RequestStream;
use http::{Method, Request, Response};
use pith_io::tokio::quic::Endpoint;
use pith_tests::pair::{NAME, credential, trust};
use pith_tests::pki::Pki;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use tokio::runtime::Builder;
use tokio::task::{JoinHandle, JoinSet, LocalSet, spawn_local};

const LIMIT: Duration = Duration::from_secs(300);

/// Requests that are made at once, on connections that take fewer at a time.
const REQUESTS: usize = 150;

#[test]
fn pith_client_and_quinn_server() {
    run(from_pith());
}

#[test]
fn quinn_client_and_pith_server() {
    run(from_quinn());
}

/// In one thread, since nobody says of every transport that its streams may leave one.
fn run(test: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let test = async { tokio::time::timeout(LIMIT, test).await };
    LocalSet::new().block_on(&runtime, test).unwrap();
}

async fn from_pith() {
    let pki = Pki::new();
    let server = quinn::Endpoint::server(quinn_server(&pki), loopback()).unwrap();
    let address = server.local_addr().unwrap();
    let serving = spawn_local(async move {
        let connection = server.accept().await.unwrap().await.unwrap();
        serve(h3_quinn::Connection::new(connection)).await
    });
    let tls = pith_tls::ClientConfig::new(trust(&pki)).alpn(&[b"h3"]);
    let config = pith_quic::ClientConfig::new(tls.build().unwrap());
    let endpoint = Endpoint::client(loopback()).unwrap();
    let connection = endpoint
        .connect(&config.build().unwrap(), address, NAME)
        .await
        .unwrap();
    assert!(connection.summary().unwrap().group.is_post_quantum());
    talk(pith_io::h3::Connection::new(connection), serving).await;
}

async fn from_quinn() {
    let pki = Pki::new();
    let tls = pith_tls::ServerConfig::new(credential(&pki.leaf(NAME))).alpn(&[b"h3"]);
    let config = pith_quic::ServerConfig::new(tls.build().unwrap());
    let server = Endpoint::server(loopback(), config.build().unwrap()).unwrap();
    let address = server.local_addr();
    let serving = spawn_local(async move {
        let connection = server.accept().await.unwrap().await.unwrap();
        serve(pith_io::h3::Connection::new(connection)).await
    });
    let client = quinn::Endpoint::client(loopback()).unwrap();
    let connecting = client.connect_with(quinn_client(&pki), address, NAME);
    let connection = connecting.unwrap().await.unwrap();
    talk(h3_quinn::Connection::new(connection), serving).await;
}

/// What a client asks of a server, and how both end.
async fn talk<C>(connection: C, serving: JoinHandle<ConnectionError>)
where
    C: Connection<Bytes> + 'static,
    <C as OpenStreams<Bytes>>::BidiStream: BidiStream<Bytes> + 'static,
    C::OpenStreams: Clone + 'static,
{
    let (mut driver, mut requests) = h3::client::new(connection).await.unwrap();
    let driving = spawn_local(async move { driver.wait_idle().await });
    let body = pattern(4_000_000, 0);
    let got = ask(&mut requests, "/echo", body.clone()).await.unwrap();
    assert!(got == body, "not what was sent");
    let mut all = JoinSet::new();
    for number in 0..REQUESTS {
        let mut requests = requests.clone();
        all.spawn_local(async move {
            let body = pattern(5_000, number);
            let got = ask(&mut requests, "/echo", body.clone()).await.unwrap();
            assert!(got == body, "not what was sent in {number}");
        });
    }
    while let Some(done) = all.join_next().await {
        done.unwrap();
    }
    match ask(&mut requests, "/reset", Bytes::new()).await {
        Err(StreamError::RemoteTerminate { code, .. }) => {
            assert_eq!(code, Code::H3_INTERNAL_ERROR);
        }
        other => panic!("{other:?}"),
    }
    drop(requests);
    assert!(driving.await.unwrap().is_h3_no_error());
    let end = serving.await.unwrap();
    assert!(end.is_h3_no_error(), "{end:?}");
}

/// Sends back what it is sent, until the end of the connection.
async fn serve<C>(connection: C) -> ConnectionError
where
    C: Connection<Bytes> + 'static,
    <C as OpenStreams<Bytes>>::BidiStream: BidiStream<Bytes> + 'static,
{
    let server = h3::server::Connection::<_, Bytes>::new(connection).await;
    let mut server = server.unwrap();
    loop {
        let resolver = match server.accept().await {
            Ok(resolver) => resolver.unwrap(),
            Err(end) => return end,
        };
        spawn_local(async move {
            let (request, stream) = resolver.resolve_request().await.unwrap();
            answer(&request, stream).await.unwrap();
        });
    }
}

async fn answer<S: BidiStream<Bytes>>(
    request: &Request<()>,
    mut stream: RequestStream<S, Bytes>,
) -> Result<(), StreamError> {
    if request.uri().path() == "/reset" {
        stream.stop_stream(Code::H3_INTERNAL_ERROR);
        return Ok(());
    }
    stream.send_response(Response::new(())).await?;
    while let Some(mut part) = stream.recv_data().await? {
        let part = part.copy_to_bytes(part.remaining());
        stream.send_data(part).await?;
    }
    stream.finish().await
}

async fn ask<O>(
    requests: &mut SendRequest<O, Bytes>,
    path: &str,
    body: Bytes,
) -> Result<Vec<u8>, StreamError>
where
    O: OpenStreams<Bytes>,
    O::BidiStream: BidiStream<Bytes>,
{
    let request = Request::builder().method(Method::POST);
    let request = request.uri(format!("https://{NAME}{path}")).body(());
    let (mut send, mut receive) = requests.send_request(request.unwrap()).await?.split();
    let writing = async {
        send.send_data(body).await?;
        send.finish().await
    };
    let reading = async {
        let mut got = Vec::new();
        assert_eq!(receive.recv_response().await?.status(), 200);
        while let Some(mut part) = receive.recv_data().await? {
            got.extend_from_slice(&part.copy_to_bytes(part.remaining()));
        }
        Ok(got)
    };
    let (written, read) = tokio::join!(writing, reading);
    read.and_then(|got| written.map(|()| got))
}

fn pattern(length: usize, seed: usize) -> Bytes {
    let bytes = (0..length).map(|at| (at ^ (at >> 8) ^ (at >> 16) ^ seed) as u8);
    bytes.collect()
}

fn loopback() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn quinn_client(pki: &Pki) -> quinn::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(pki.root()).unwrap();
    let mut tls = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()))
}

fn quinn_server(pki: &Pki) -> quinn::ServerConfig {
    let identity = pki.leaf(NAME);
    let mut tls = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(identity.chain, identity.key)
        .unwrap();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).unwrap()))
}
