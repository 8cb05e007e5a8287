//! An HTTP server for hyper's users: HTTP/2 or HTTP/1.1, as ALPN has it, over TLS 1.3.
//!
//! ```sh
//! cargo run -p pith-io --features tokio --example hyper_server -- 127.0.0.1:8443 chain.pem key.pem
//! ```
#![allow(clippy::print_stderr)]

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use pith_io::tokio::Acceptor;
use pith_tls::{Credential, ServerConfig};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, chain, key] = arguments.as_slice() else {
        return Err("usage: hyper_server ADDRESS CHAIN.pem KEY.pem".into());
    };
    let credential = Credential::from_pem(&std::fs::read(chain)?, &std::fs::read(key)?)?;
    let config = ServerConfig::new(credential).alpn(&[b"h2", b"http/1.1"]);
    let acceptor = Arc::new(Acceptor::new(config.build()?)); // replace() takes a renewed certificate
    let listener = TcpListener::bind(address).await?;
    serve(listener, acceptor).await
}

/// Serves each connection in a task of its own: one bad client never stops it.
pub async fn serve(
    listener: TcpListener,
    acceptor: Arc<Acceptor>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    loop {
        let (tcp, peer) = listener.accept().await?;
        let acceptor = Arc::clone(&acceptor);
        tokio::spawn(async move {
            if let Err(error) = connection(tcp, &acceptor).await {
                eprintln!("{peer}: {error}");
            }
        });
    }
}

async fn connection(
    tcp: TcpStream,
    acceptor: &Acceptor,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    tcp.set_nodelay(true)?;
    let tls = acceptor.accept(tcp).await?;
    let is_h2 = tls
        .summary()
        .and_then(|summary| summary.protocol.as_deref())
        == Some(b"h2");
    let service = service_fn(hello);
    if is_h2 {
        let server = http2::Builder::new(TokioExecutor::new());
        server.serve_connection(TokioIo::new(tls), service).await?;
    } else {
        let server = http1::Builder::new();
        server.serve_connection(TokioIo::new(tls), service).await?;
    }
    Ok(())
}

async fn hello(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = format!("{:?} {}\n", request.version(), request.uri().path());
    Ok(Response::new(Full::from(body)))
}
