//! HTTP/3: requests side by side on one connection.

use bytes::{Buf, Bytes};
use h3::client::SendRequest;
use h3::error::{Code, StreamError};
use http::{Request, header};
use pith_io::h3::OpenStreams;
use pith_io::tokio::quic::Connection;

use super::sink::{Sink, Target};
use crate::escape;
use crate::failure::Failure;

/// HTTP/3 on a connection, which its last clone closes.
#[derive(Clone)]
pub(super) struct Requests {
    requests: SendRequest<OpenStreams, Bytes>,
    connection: Connection,
    authority: String,
    is_early: bool,
}

/// Begins HTTP/3 on a connection with a server.
pub(super) async fn begin(connection: &Connection, server: &str) -> Result<Requests, Failure> {
    let mut transport = pith_io::h3::Connection::new(connection.clone());
    let is_early = connection.remembered().is_some();
    if !is_early {
        // The server may have turned early data down between the two: what begins now has nothing to do with it.
        transport = pith_io::h3::Connection::new(connection.clone());
    }
    let begun = h3::client::new(transport).await;
    let (mut driver, requests) = begun.map_err(|error| {
        let why = connection.error().map(|error| error.to_string());
        let why = why.unwrap_or_else(|| error.to_string());
        Failure::connection(format!("no HTTP/3 with {server}: {why}."))
    })?;
    // Whoever waits for a response hears of the end too.
    tokio::spawn(async move { driver.wait_idle().await });
    Ok(Requests {
        requests,
        connection: connection.clone(),
        authority: server.strip_suffix(":443").unwrap_or(server).to_owned(),
        is_early,
    })
}

impl Requests {
    /// Whether it began as early data, and so is gone if the server takes none.
    pub(super) fn is_early(&self) -> bool {
        self.is_early
    }

    /// Gets one file.
    pub(super) async fn get(
        &mut self,
        server: &str,
        path: &str,
        target: &Target,
    ) -> Result<(), Failure> {
        let shown = escape::printable(path);
        let uri = format!("https://{}{path}", self.authority);
        let request = Request::get(uri)
            .header(header::USER_AGENT, AGENT)
            .body(())
            .map_err(|error| {
                Failure::input(format!("{shown} of {server} cannot be asked for: {error}"))
            })?;
        let connection = self.connection.clone();
        let failed = |error: StreamError| match error {
            StreamError::RemoteTerminate { code, .. } => Failure::connection(format!(
                "{shown} of {server} did not come: the server gave it up, with the code {code}. What came of it was dropped."
            )),
            error => {
                let why = connection.error().map(|error| error.to_string());
                let why = why.unwrap_or_else(|| error.to_string());
                Failure::connection(format!(
                    "{shown} of {server} did not come whole: {why}. What came of it was dropped."
                ))
            }
        };
        let mut stream = self.requests.send_request(request).await.map_err(&failed)?;
        match stream.finish().await {
            // The answer came without waiting for the end of the request, and is no less whole for it (RFC 9114 section 4.1).
            Err(StreamError::RemoteTerminate { code, .. }) if code == Code::H3_NO_ERROR => {}
            finished => finished.map_err(&failed)?,
        }
        let response = stream.recv_response().await.map_err(&failed)?;
        let status = response.status();
        if status != 200 {
            return Err(Failure::connection(format!(
                "{shown} of {server} did not come: the server answered with {status}."
            )));
        }
        let length = response.headers().get(header::CONTENT_LENGTH);
        let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        let mut sink = Sink::open(target)?;
        let mut came = 0_u64;
        while let Some(mut part) = stream.recv_data().await.map_err(&failed)? {
            let part = part.copy_to_bytes(part.remaining());
            came = came.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
            sink.write(&part)?;
        }
        match length.filter(|length| *length != came) {
            Some(length) => Err(Failure::connection(format!(
                "{shown} of {server} did not come whole: {came} bytes of {length}. What came of it was dropped."
            ))),
            None => sink.finish(),
        }
    }
}

const AGENT: &str = concat!("pith/", env!("CARGO_PKG_VERSION"));
