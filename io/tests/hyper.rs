//! The hyper examples, client against server.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

use std::sync::Arc;

use pith_io::tokio::{Acceptor, Connector};
use pith_tests::pair::{NAME, credential, trust};
use pith_tests::pki::Pki;
use pith_tls::{ClientConfig, ServerConfig};
use tokio::net::{TcpListener, TcpStream};

#[allow(dead_code)]
#[path = "../examples/hyper_client.rs"]
mod client;
#[allow(dead_code)]
#[path = "../examples/hyper_server.rs"]
mod server;

#[tokio::test]
async fn hyper_speaks_what_alpn_chose() {
    let pki = Pki::new();
    let config = ServerConfig::new(credential(&pki.leaf(NAME))).alpn(&[b"h2", b"http/1.1"]);
    let acceptor = Arc::new(Acceptor::new(config.build().unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(server::serve(listener, acceptor));
    let rows: [(&[&[u8]], &str); 3] = [
        (&[b"h2", b"http/1.1"], "HTTP/2.0 /page\n"),
        (&[b"http/1.1"], "HTTP/1.1 /page\n"),
        (&[], "HTTP/1.1 /page\n"),
    ];
    for (alpn, want) in rows {
        let config = ClientConfig::new(trust(&pki)).alpn(alpn).build().unwrap();
        let connector = Connector::new(config);
        let tcp = TcpStream::connect(address).await.unwrap();
        let page = client::get(&connector, tcp, NAME, "/page").await.unwrap();
        assert_eq!(page, want, "{alpn:?}");
    }
    server.abort();
}
