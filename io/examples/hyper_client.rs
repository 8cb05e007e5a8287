//! An HTTP client for hyper's users: HTTP/2 or HTTP/1.1, as ALPN has it, over TLS 1.3.
//!
//! ```sh
//! cargo run -p pith-io --features tokio --example hyper_client -- example.org 443 roots.pem /
//! ```
#![allow(clippy::print_stdout)]

use std::error::Error;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use pith_io::tokio::Connector;
use pith_tls::{ClientConfig, Trust};
use tokio::net::TcpStream;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, port, roots, path] = arguments.as_slice() else {
        return Err("usage: hyper_client NAME PORT ROOTS.pem PATH".into());
    };
    let trust = Trust::roots_from_pem(&std::fs::read(roots)?)?;
    let config = ClientConfig::new(trust).alpn(&[b"h2", b"http/1.1"]);
    let connector = Connector::new(config.build()?);
    let tcp = TcpStream::connect((name.as_str(), port.parse()?)).await?;
    print!("{}", get(&connector, tcp, name, path).await?);
    Ok(())
}

/// Fetches one page from the server called `name`, at the other end of `tcp`.
pub async fn get(
    connector: &Connector,
    tcp: TcpStream,
    name: &str,
    path: &str,
) -> Result<String, Box<dyn Error + Send + Sync>> {
    tcp.set_nodelay(true)?;
    let tls = connector.connect(name, tcp).await?;
    let is_h2 = tls
        .summary()
        .and_then(|summary| summary.protocol.as_deref())
        == Some(b"h2");
    let response: Response<Incoming> = if is_h2 {
        let (mut client, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(tls)).await?;
        tokio::spawn(connection);
        let request = Request::get(format!("https://{name}{path}"));
        client
            .send_request(request.body(Empty::<Bytes>::new())?)
            .await?
    } else {
        let (mut client, connection) = http1::handshake(TokioIo::new(tls)).await?;
        tokio::spawn(connection);
        let request = Request::get(path).header("host", name);
        client
            .send_request(request.body(Empty::<Bytes>::new())?)
            .await?
    };
    let body = response.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8_lossy(&body).into_owned())
}
