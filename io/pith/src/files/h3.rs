//! HTTP/3: GET of files, and of the page that shows what was negotiated where the directory has no index.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h3::error::{Code, StreamError};
use h3::server::RequestStream;
use http::{Method, Response, StatusCode, header};
use pith_io::h3::BidiStream;
use pith_io::tokio::quic::{Connection, Error};
use pith_quic::ConnectionError;
use time::OffsetDateTime;

use super::PART;
use super::find::{Found, Refusal, find, is_root};
use crate::page;

/// The application protocol.
pub(crate) const PROTOCOL: &str = "h3";

type Stream = RequestStream<BidiStream<Bytes>, Bytes>;

/// What every request of a connection is answered from.
struct Site {
    root: Arc<Path>,
    connection: Connection,
    handshake: Duration,
}

/// Answers each request of a connection until it is over, and says why it is, as the transport or HTTP/3 does.
pub(super) async fn serve(
    connection: &Connection,
    root: &Arc<Path>,
    handshake: Duration,
) -> Result<Error, String> {
    let site = Arc::new(Site {
        root: Arc::clone(root),
        connection: connection.clone(),
        handshake,
    });
    let transport = pith_io::h3::Connection::new(connection.clone());
    let builder = h3::server::builder();
    let ended = match builder.build::<_, Bytes>(transport).await {
        Ok(mut server) => loop {
            match server.accept().await {
                Ok(Some(resolver)) => {
                    let site = Arc::clone(&site);
                    tokio::spawn(async move {
                        // What goes wrong with one request, the client knows by its stream.
                        let resolved = resolver.resolve_request().await;
                        let Ok((request, stream)) = resolved else {
                            return;
                        };
                        let _told = answer(&site, &request, stream).await.is_ok();
                    });
                }
                // The client goes, and closes when it has all of its responses.
                Ok(None) => return Ok(connection.closed().await),
                Err(error) => break error,
            }
        },
        Err(error) => error,
    };
    match connection.error() {
        Some(Error::Connection(ConnectionError::LocallyClosed)) | None => Err(ended.to_string()),
        Some(error) => Ok(error),
    }
}

async fn answer(
    site: &Site,
    request: &http::Request<()>,
    mut stream: Stream,
) -> Result<(), StreamError> {
    let head = request.method() == Method::HEAD;
    if !head && request.method() != Method::GET {
        let text = "405 Method Not Allowed\n";
        return say(&mut stream, head, 405, "text/plain", text).await;
    }
    let target = request.uri().path();
    match find(&site.root, target) {
        Ok(found) => send(&mut stream, head, found).await,
        Err(Refusal::NotFound) if is_root(target) => {
            let summary = site.connection.summary();
            let page = summary
                .map(|summary| page::body(&summary, site.handshake, OffsetDateTime::now_utc()));
            say(
                &mut stream,
                head,
                200,
                "text/html",
                &page.unwrap_or_default(),
            )
            .await
        }
        Err(refusal) => {
            let text = format!("{}\n", refusal.status());
            say(&mut stream, head, refusal.code(), "text/plain", &text).await
        }
    }
}

/// Answers with a text, or with its `head` alone.
async fn say(
    stream: &mut Stream,
    head: bool,
    status: u16,
    kind: &str,
    text: &str,
) -> Result<(), StreamError> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    let kind = format!("{kind}; charset=utf-8");
    fields(
        &mut response,
        &[
            ("content-type", &kind),
            ("content-security-policy", page::POLICY),
            ("cache-control", "no-store"),
        ],
        length(text),
    );
    if status == 405 {
        fields(&mut response, &[("allow", "GET, HEAD")], length(text));
    }
    stream.send_response(response).await?;
    if !head {
        let text = Bytes::copy_from_slice(text.as_bytes());
        stream.send_data(text).await?;
    }
    stream.finish().await
}

async fn send(stream: &mut Stream, head: bool, found: Found) -> Result<(), StreamError> {
    let Found { file, length, kind } = found;
    let mut response = Response::new(());
    fields(&mut response, &[("content-type", kind)], length);
    stream.send_response(response).await?;
    if head || whole(stream, file, length).await? {
        return stream.finish().await;
    }
    // It became shorter, or cannot be read.
    stream.stop_stream(Code::H3_INTERNAL_ERROR);
    Ok(())
}

/// Sends so much of a file, and says whether there was as much.
async fn whole(stream: &mut Stream, mut file: File, length: u64) -> Result<bool, StreamError> {
    let mut left = length;
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(PART).min(PART);
        let mut part = vec![0; most];
        match file.read(&mut part) {
            Ok(0) | Err(_) => return Ok(false),
            Ok(count) => {
                part.truncate(count);
                left = left.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX));
                stream.send_data(Bytes::from(part)).await?;
            }
        }
    }
    Ok(true)
}

fn length(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}

/// Adds fields to a response. What no field can hold is left out.
fn fields(response: &mut Response<()>, fields: &[(&'static str, &str)], length: u64) {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, length.into());
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        header::HeaderValue::from_static("nosniff"),
    );
    for (name, value) in fields {
        if let Ok(value) = value.parse() {
            headers.insert(*name, value);
        }
    }
}
