//! Pith's QUIC endpoints and quinn's over real sockets, both roles, with a proxy between them that loses, delays, repeats and breaks datagrams.
//!
//! Each side sends 20 MB and compares what it gets with what the other has sent, byte for byte. Four connections share that: at such loss one alone
//! has so small a window that the test would take minutes.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::unwrap_used
)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use pith_io::std::quic as pith;
use pith_io::tokio::quic::{Endpoint, RecvStream, SendStream};
use pith_tests::network::proxy::Proxy;
use pith_tests::network::{Dice, Link};
use pith_tests::pair::{NAME, credential, trust};
use pith_tests::pki::Pki;
use pith_tls::Group;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use tokio::task::JoinHandle;

const CONNECTIONS: u64 = 4;

/// Bytes that one connection carries each way.
const BYTES: usize = 5_000_000;

/// How long each test may take, on a machine that is busy with others.
const LIMIT: Duration = Duration::from_secs(600);

#[test]
fn pith_client_and_quinn_server_exchange_twenty_megabytes_over_a_bad_link() {
    let pki = Pki::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = {
        let _inside = runtime.enter();
        quinn::Endpoint::server(quinn_server(&pki), loopback()).unwrap()
    };
    let proxy = Proxy::new(server.local_addr().unwrap(), 1, harm(), harm()).unwrap();
    let serving = runtime.spawn(async move {
        let mut all = Vec::new();
        for _ in 0..CONNECTIONS {
            let connection = server.accept().await.unwrap().await.unwrap();
            all.push(tokio::spawn(async move {
                let (send, receive) = connection.accept_bi().await.unwrap();
                quinn_exchange(send, receive, SERVER, BYTES).await;
                connection
            }));
        }
        finished(all).await
    });

    let tls = pith_tls::ClientConfig::new(trust(&pki)).alpn(&[b"test"]);
    let config = pith_quic::ClientConfig::new(tls.build().unwrap())
        .build()
        .unwrap();
    let endpoint = pith::Endpoint::client(loopback()).unwrap();
    let connect = || {
        let connection = endpoint.connect(&config, proxy.address(), NAME).unwrap();
        let group = connection.summary().unwrap().group;
        assert_eq!(group, Group::X25519MlKem768);
        let (send, receive) = connection.open_bi().unwrap();
        pith_exchange(send, receive, CLIENT);
        connection
    };
    let _open = side_by_side(connect);
    let _theirs = within(&runtime, serving);
    assert_harmed(&proxy);
}

#[test]
fn quinn_client_and_pith_server_exchange_twenty_megabytes_over_a_bad_link() {
    let pki = Pki::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let tls = pith_tls::ServerConfig::new(credential(&pki.leaf(NAME))).alpn(&[b"test"]);
    let config = pith_quic::ServerConfig::new(tls.build().unwrap())
        .build()
        .unwrap();
    let endpoint = pith::Endpoint::server(loopback(), config).unwrap();
    let proxy = Proxy::new(endpoint.local_addr(), 2, harm(), harm()).unwrap();

    let client = {
        let _inside = runtime.enter();
        quinn::Endpoint::client(loopback()).unwrap()
    };
    let (config, address) = (quinn_client(&pki), proxy.address());
    let asking = runtime.spawn(async move {
        let mut all = Vec::new();
        for _ in 0..CONNECTIONS {
            let connecting = client.connect_with(config.clone(), address, NAME).unwrap();
            all.push(tokio::spawn(async move {
                let connection = connecting.await.unwrap();
                let (send, receive) = connection.open_bi().await.unwrap();
                quinn_exchange(send, receive, CLIENT, BYTES).await;
                connection
            }));
        }
        finished(all).await
    });
    let serve = || {
        let connection = endpoint.accept().unwrap().accept().unwrap();
        let (send, receive) = connection.accept_bi().unwrap();
        pith_exchange(send, receive, SERVER);
        connection
    };
    let _open = side_by_side(serve);
    let _theirs = within(&runtime, asking);
    assert_harmed(&proxy);
}

#[test]
fn pith_for_tokio_and_quinn_exchange_over_a_bad_link() {
    const LITTLE: usize = 500_000;
    let pki = Pki::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let both = async {
        let tls = pith_tls::ServerConfig::new(credential(&pki.leaf(NAME))).alpn(&[b"test"]);
        let config = pith_quic::ServerConfig::new(tls.build().unwrap());
        let server = Endpoint::server(loopback(), config.build().unwrap()).unwrap();
        let proxy = Proxy::new(server.local_addr(), 3, harm(), harm()).unwrap();
        let client = quinn::Endpoint::client(loopback()).unwrap();
        let connecting = client.connect_with(quinn_client(&pki), proxy.address(), NAME);
        let asking = async {
            let connection = connecting.unwrap().await.unwrap();
            let (send, receive) = connection.open_bi().await.unwrap();
            quinn_exchange(send, receive, CLIENT, LITTLE).await;
            connection
        };
        let serving = async {
            let connection = server.accept().await.unwrap().await.unwrap();
            let (send, receive) = connection.accept_bi().await.unwrap();
            tokio_exchange(send, receive, SERVER, LITTLE).await;
            connection
        };
        let _open = tokio::join!(asking, serving);

        let server = quinn::Endpoint::server(quinn_server(&pki), loopback()).unwrap();
        let proxy = Proxy::new(server.local_addr().unwrap(), 4, harm(), harm()).unwrap();
        let tls = pith_tls::ClientConfig::new(trust(&pki)).alpn(&[b"test"]);
        let config = pith_quic::ClientConfig::new(tls.build().unwrap());
        let config = config.build().unwrap();
        let client = Endpoint::client(loopback()).unwrap();
        let asking = async {
            let connecting = client.connect(&config, proxy.address(), NAME);
            let connection = connecting.await.unwrap();
            let (send, receive) = connection.open_bi().await.unwrap();
            tokio_exchange(send, receive, CLIENT, LITTLE).await;
            connection
        };
        let serving = async {
            let connection = server.accept().await.unwrap().await.unwrap();
            let (send, receive) = connection.accept_bi().await.unwrap();
            quinn_exchange(send, receive, SERVER, LITTLE).await;
            connection
        };
        let _open = tokio::join!(asking, serving);
    };
    runtime
        .block_on(async { tokio::time::timeout(LIMIT, both).await })
        .unwrap();
}

/// Runs Pith's side of each connection. Connections stay open until both sides have everything, for a close can be lost as well.
fn side_by_side(run: impl Fn() -> pith::Connection + Sync) -> Vec<pith::Connection> {
    thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(&run)).collect();
        let joined = threads.into_iter().map(|thread| thread.join().unwrap());
        joined.collect()
    })
}

/// The same of quinn's side.
async fn finished(all: Vec<JoinHandle<quinn::Connection>>) -> Vec<quinn::Connection> {
    let mut open = Vec::new();
    for connection in all {
        open.push(connection.await.unwrap());
    }
    open
}

/// Waits for quinn's side.
fn within<T>(runtime: &tokio::runtime::Runtime, task: JoinHandle<T>) -> T {
    let limited = async { tokio::time::timeout(LIMIT, task).await };
    runtime.block_on(limited).unwrap().unwrap()
}

fn loopback() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

fn harm() -> Link {
    Link {
        jitter: Duration::from_millis(15),
        loss: 30,
        reorder: (10, Duration::from_millis(5)),
        duplicate: 10,
        corrupt: 5,
        ..Link::default()
    }
}

/// A test of what the proxy lets through alone would test little.
fn assert_harmed(proxy: &Proxy) {
    for (way, stats) in ["there", "back"].iter().zip(proxy.stats()) {
        let harms = [stats.lost, stats.held, stats.doubled, stats.corrupted];
        assert!(harms.iter().all(|count| *count > 10), "{way}: {stats:?}");
    }
}

/// Who sends: what that is depends on it.
const CLIENT: u64 = 1;
const SERVER: u64 = 2;

fn data(sender: u64, length: usize) -> Vec<u8> {
    let mut dice = Dice::new(sender);
    let numbers = std::iter::repeat_with(|| dice.roll().to_le_bytes());
    numbers.take(length / 8).flatten().collect()
}

fn other(side: u64) -> u64 {
    CLIENT + SERVER - side
}

fn pith_exchange(mut send: pith::SendStream, mut receive: pith::RecvStream, side: u64) {
    receive.set_timeout(Some(LIMIT));
    send.set_timeout(Some(LIMIT));
    thread::scope(|scope| {
        scope.spawn(move || {
            send.write_all(&data(side, BYTES)).unwrap();
            send.finish().unwrap();
            assert_eq!(send.stopped().unwrap(), None);
        });
        let mut got = Vec::new();
        Read::read_to_end(&mut receive, &mut got).unwrap();
        assert!(got == data(other(side), BYTES), "not what was sent");
    });
}

async fn quinn_exchange(
    mut send: quinn::SendStream,
    mut receive: quinn::RecvStream,
    side: u64,
    length: usize,
) {
    let writing = async {
        send.write_all(&data(side, length)).await.unwrap();
        send.finish().unwrap();
        assert_eq!(send.stopped().await.unwrap(), None);
    };
    let reading = async {
        let got = receive.read_to_end(length).await.unwrap();
        assert!(got == data(other(side), length), "not what was sent");
    };
    tokio::join!(writing, reading);
}

async fn tokio_exchange(mut send: SendStream, mut receive: RecvStream, side: u64, length: usize) {
    let writing = async {
        send.write_all(&data(side, length)).await.unwrap();
        send.finish().unwrap();
        assert_eq!(send.stopped().await.unwrap(), None);
    };
    let reading = async {
        let got = receive.read_to_end(length).await.unwrap();
        assert!(got == data(other(side), length), "not what was sent");
    };
    tokio::join!(writing, reading);
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
    tls.alpn_protocols = vec![b"test".to_vec()];
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
    tls.alpn_protocols = vec![b"test".to_vec()];
    quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).unwrap()))
}
