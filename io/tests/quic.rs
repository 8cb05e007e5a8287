//! The QUIC examples, client against server.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

use std::time::Duration;

use pith_io::tokio::quic::Endpoint;
use pith_quic::{ClientConfig, ServerConfig};
use pith_tests::pair::{NAME, credential, trust};
use pith_tests::pki::Pki;

#[allow(dead_code)]
#[path = "../examples/quic_client.rs"]
mod client;
#[allow(dead_code)]
#[path = "../examples/quic_server.rs"]
mod server;

#[tokio::test]
async fn an_example_asks_and_the_other_answers() {
    let pki = Pki::new();
    let tls = pith_tls::ServerConfig::new(credential(&pki.leaf(NAME))).alpn(&[b"echo"]);
    let config = ServerConfig::new(tls.build().unwrap()).build().unwrap();
    let endpoint = Endpoint::server("127.0.0.1:0", config).unwrap();
    let address = endpoint.local_addr();
    let serving = tokio::spawn(server::serve(endpoint.clone()));
    let tls = pith_tls::ClientConfig::new(trust(&pki)).alpn(&[b"echo"]);
    let config = ClientConfig::new(tls.build().unwrap()).build().unwrap();
    for line in ["hello", ""] {
        let answer = client::say(&config, address, NAME, line.as_bytes()).await;
        assert_eq!(answer.unwrap(), line.as_bytes());
    }
    endpoint.shutdown(Duration::from_secs(9)).await;
    serving.await.unwrap();
}
