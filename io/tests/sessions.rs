//! The example of sessions, against a server that takes its early data and one that does not.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

use std::sync::Arc;
use std::time::Duration;

use pith_io::tokio::Stream;
use pith_tests::pair::{NAME, credential, trust};
use pith_tests::pki::Pki;
use pith_tls::{ClientConfig, EarlyData, Now, ServerConfig, SessionKey, StrikeRegister, Tickets};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[allow(dead_code)]
#[path = "../examples/tokio_sessions.rs"]
mod client;

/// Answers one connection: the request as it came, and which part of it came early.
async fn serve(listener: &TcpListener, config: Arc<ServerConfig>) -> std::io::Result<()> {
    let (tcp, _) = listener.accept().await?;
    let mut tls = Stream::server(config, tcp);
    let (mut request, mut buffer) = (Vec::new(), [0; 100]);
    while let count @ 1.. = tls.read_early(&mut buffer).await? {
        request.extend_from_slice(buffer.get(..count).unwrap());
    }
    let early = request.len();
    while !request.ends_with(b"?") {
        request.push(tls.read_u8().await?);
    }
    tls.write_all(&request).await?;
    tls.write_all(format!(" {early} of it early").as_bytes())
        .await?;
    tls.shutdown().await
}

#[tokio::test]
async fn a_client_comes_back_with_what_it_saved() {
    let pki = Pki::new();
    let tickets = Tickets::rotating();
    // It began long ago.
    let register = StrikeRegister::new(Now {
        monotonic: Duration::ZERO,
        unix: Duration::ZERO,
    });
    let config = || ServerConfig::new(credential(&pki.leaf(NAME))).tickets(tickets.clone());
    let taking = config().early_data(7, register).build().unwrap();
    let refusing = config().build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let key = SessionKey::new(&[7; 32]);
    let mut saved = Vec::new();
    for (server, resumed, early, want) in [
        (
            &taking,
            false,
            EarlyData::NotOffered,
            "is it late? 0 of it early",
        ),
        (
            &taking,
            true,
            EarlyData::Accepted,
            "is it late? 7 of it early",
        ),
        (
            &taking,
            true,
            EarlyData::Accepted,
            "is it late? 7 of it early",
        ),
        (
            &refusing,
            true,
            EarlyData::Rejected,
            "is it late? 0 of it early",
        ),
    ] {
        let store = client::load(&saved, &key).unwrap();
        let config = ClientConfig::new(trust(&pki))
            .sessions(store.clone())
            .early_data(true)
            .build()
            .unwrap();
        let asks = async {
            let tcp = TcpStream::connect(address).await?;
            client::ask(&config, tcp, NAME, b"is it late?").await
        };
        let (answer, ()) = tokio::try_join!(asks, serve(&listener, server.clone())).unwrap();
        assert_eq!(String::from_utf8(answer.bytes).unwrap(), want);
        assert_eq!((answer.resumed, answer.early), (resumed, early));
        saved = client::save(&store, &key).unwrap();
        assert!(store.is_empty() && !saved.is_empty());
    }

    // What was altered, cut, or saved under another key does not load.
    let mut altered = saved.clone();
    *altered.last_mut().unwrap() ^= 1;
    assert!(client::load(&altered, &key).is_none());
    let (_, cut) = saved.split_last().unwrap();
    assert!(client::load(cut, &key).is_none());
    assert!(client::load(&saved, &SessionKey::new(&[8; 32])).is_none());
    assert!(client::load(&saved, &key).is_some());
}
