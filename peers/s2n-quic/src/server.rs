//! A server of files.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use pith_peer::files::Root;
use pith_peer::{Failure, Options};
use s2n_quic::provider::endpoint_limits;
use s2n_quic::provider::tls::s2n_tls as provider;
use s2n_quic::stream::BidirectionalStream;
use s2n_quic::{Connection, Server};

pub async fn run(options: &Options) -> Result<&'static str, Failure> {
    let mut tls = provider::Server::builder();
    let config = tls.config_mut();
    crate::configure(config, options)?;
    let chain = options.file("cert")?.ok_or("no --cert")?;
    config.load_pem(&chain, &options.file("key")?.ok_or("no --key")?)?;
    // Zero stands for now. It is nobody's secret here.
    config.add_session_ticket_key(b"pith", &[7; 16], SystemTime::UNIX_EPOCH)?;
    let mut admission = endpoint_limits::Default::builder();
    if options.has("retry") {
        // Above this many handshakes it makes clients prove their address.
        admission = admission.with_inflight_handshake_limit(0)?;
    }
    let mut server = Server::builder()
        .with_tls(tls.build()?)?
        .with_event(crate::facts::Facts { server: true })?
        .with_limits(crate::limits()?)?
        .with_endpoint_limits(admission.build()?)?
        .with_io(SocketAddr::from((options.host()?, 0)))?
        .start()?;
    println!("ACCEPT {}", server.local_addr()?);
    let root = Arc::new(Root::new(options)?);
    while let Some(connection) = server.accept().await {
        tokio::spawn(serve(connection, Arc::clone(&root)));
    }
    Err("no more connections".into())
}

async fn serve(mut connection: Connection, root: Arc<Root>) {
    let number = connection.id();
    let end = loop {
        match connection.accept_bidirectional_stream().await {
            Ok(Some(stream)) => {
                let root = Arc::clone(&root);
                tokio::spawn(async move {
                    if let Err(error) = answer(stream, &root).await {
                        println!("{number} error {error}");
                    }
                });
            }
            Ok(None) => break "None".to_owned(),
            Err(error) => break error.to_string(),
        }
    };
    println!("{number} closed {end}");
}

/// With a failure that can be sent to another thread.
async fn answer(mut stream: BidirectionalStream, root: &Root) -> Result<(), String> {
    let text = |error: s2n_quic::stream::Error| error.to_string();
    let mut request = Vec::new();
    while let Some(part) = stream.receive().await.map_err(text)? {
        request.extend_from_slice(&part);
    }
    let file = root
        .answer(&request)
        .map_err(|failure| failure.to_string())?;
    stream.send(Bytes::from(file)).await.map_err(text)?;
    stream.close().await.map_err(text)
}
