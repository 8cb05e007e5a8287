//! Files over QUIC by the examples in C, from Pith's endpoint and from one of another make (quinn): over libpith's own QUIC, and over Debian's ngtcp2 with the TLS of
//! libpith. `PITH_VALGRIND` and `PITH_ASAN` as for the other tests in C.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test"
)]

mod compiler;

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;

use pith_io::std::quic::Endpoint;
use pith_tests::pair::credential;
use quinn::crypto::rustls::QuicServerConfig;

use compiler::{C99, Files, command, compile_all};

const ALPN: &[u8] = b"hq-interop";
const REQUEST: &[u8] = b"GET /content\r\n";

#[test]
fn quic_get_fetches_from_pith() {
    fetches("pith", "quic_get", &[], pith);
}

#[test]
fn quic_get_fetches_from_quinn() {
    fetches("quinn", "quic_get", &[], quinn);
}

#[test]
#[ignore = "needs ngtcp2, as the stage c has it"]
fn ngtcp2_fetches_from_pith() {
    fetches("pith", "ngtcp2_get", &["-lngtcp2"], pith);
}

#[test]
#[ignore = "needs ngtcp2, as the stage c has it"]
fn ngtcp2_fetches_from_quinn() {
    fetches("quinn", "ngtcp2_get", &["-lngtcp2"], quinn);
}

/// A server that answers as many clients, and what it serves.
type Serve = fn(&Files, Arc<[u8]>) -> SocketAddr;

fn fetches(server: &str, client: &str, libraries: &[&str], serve: Serve) {
    let files = Files::new(&format!("{client}_{server}"));
    let source = format!("examples/{client}.c");
    let client = compile_all(&files, &[&source], C99, libraries).unwrap();
    // valgrind takes long for each byte.
    let slow = std::env::var_os("PITH_VALGRIND").is_some();
    let length: u32 = if slow { 200_000 } else { 5_000_000 };
    let content = Arc::from_iter((0..length).map(|i| (i * 7 + i / 251).to_le_bytes()[0]));
    let address = serve(&files, Arc::clone(&content));
    let output = get(&client, address, &files.path("ca.pem"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(output.stdout == *content, "another content");
    assert_eq!(said, "X25519MLKEM768\n");
    // Nothing comes of a server that is not believed, but a reason.
    let output = get(&client, address, &files.path("other.pem"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("leads to no trusted root"), "{said}");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(output.stdout.is_empty());
}

fn get(client: &Path, address: SocketAddr, ca: &str) -> Output {
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    let mut get = command(client);
    get.args([&ip, &port, "/content", ca]).stdin(Stdio::null());
    get.output().unwrap()
}

fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

fn pith(files: &Files, content: Arc<[u8]>) -> SocketAddr {
    let tls = pith_tls::ServerConfig::new(credential(files.server())).alpn(&[ALPN]);
    let config = pith_quic::ServerConfig::new(tls.build().unwrap());
    let endpoint = Endpoint::server(loopback(), config.build().unwrap()).unwrap();
    let address = endpoint.local_addr();
    std::thread::spawn(move || {
        // A client that does not believe this server is passed over.
        while let Ok(incoming) = endpoint.accept() {
            let Ok(connection) = incoming.accept() else {
                continue;
            };
            let Ok((mut send, mut receive)) = connection.accept_bi() else {
                continue;
            };
            assert_eq!(receive.read_to_end(1024).unwrap(), REQUEST);
            send.write_all(&content).unwrap();
            send.finish().unwrap();
        }
    });
    address
}

fn quinn(files: &Files, content: Arc<[u8]>) -> SocketAddr {
    let server = files.server();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let mut tls = rustls::ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(server.chain.clone(), server.key.clone_key())
        .unwrap();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let config = QuicServerConfig::try_from(tls).unwrap();
    let config = quinn::ServerConfig::with_crypto(Arc::new(config));
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let endpoint = quinn::Endpoint::server(config, loopback()).unwrap();
            tell.send(endpoint.local_addr().unwrap()).unwrap();
            while let Some(incoming) = endpoint.accept().await {
                let Ok(connection) = incoming.await else {
                    continue;
                };
                let Ok((mut send, mut receive)) = connection.accept_bi().await else {
                    continue;
                };
                assert_eq!(receive.read_to_end(1024).await.unwrap(), REQUEST);
                send.write_all(&content).await.unwrap();
                send.finish().unwrap();
                connection.closed().await;
            }
        });
    });
    told.recv().unwrap()
}
