//! HTTP/0.9 (ALPN hq-interop): each `GET /PATH` on a stream is answered with the file on that stream.
//!
//! It has no status: what cannot be served is a stream that is reset, with the code of a [`Refusal`], which `pith get` reads.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use pith_io::tokio::quic::{Connection, Error, RecvStream, SendStream};

use super::PART;
use super::find::{Found, Refusal, find};

/// The application protocol.
pub(crate) const PROTOCOL: &str = "hq-interop";

/// Answers on each stream of a connection until it is over, and says why it is.
pub(super) async fn serve(connection: &Connection, root: &Arc<Path>) -> Error {
    loop {
        match connection.accept_bi().await {
            Ok((send, receive)) => {
                let root = Arc::clone(root);
                tokio::spawn(async move {
                    // What goes wrong with one stream, the client knows by it.
                    let _told = answer(send, receive, &root).await.is_ok();
                });
            }
            Err(error) => return error,
        }
    }
}

async fn answer(mut send: SendStream, mut receive: RecvStream, root: &Path) -> Result<(), Error> {
    let request = match receive.read_to_end(REQUEST_BYTES).await {
        Ok(request) => request,
        Err(Error::TooLong(_)) => Vec::new(),
        Err(error) => return Err(error),
    };
    let target = target(&request).ok_or(Refusal::Request);
    let mut file = match target.and_then(|target| find(root, target)) {
        Ok(Found { file, .. }) => file,
        Err(refusal) => {
            send.reset(refusal.code().into());
            return Ok(());
        }
    };
    loop {
        let mut part = vec![0; PART];
        let count = match file.read(&mut part) {
            Ok(count) => count,
            Err(_) => {
                send.reset(Refusal::Unreadable.code().into());
                return Ok(());
            }
        };
        if count == 0 {
            return send.finish();
        }
        part.truncate(count);
        send.write_bytes(&mut Bytes::from(part)).await?;
    }
}

/// What a request asks for.
fn target(request: &[u8]) -> Option<&str> {
    let target = str::from_utf8(request).ok()?.strip_prefix("GET ")?;
    let target = target.strip_suffix('\n').unwrap_or(target);
    Some(target.strip_suffix('\r').unwrap_or(target))
}

const REQUEST_BYTES: usize = 4 << 10;

#[cfg(test)]
mod tests {
    use super::target;

    #[test]
    fn requests() {
        for (request, want) in [
            ("GET /a\r\n", Some("/a")),
            ("GET /a", Some("/a")),
            ("GET /a\n", Some("/a")),
            ("GET /\r\n", Some("/")),
            ("GET /a HTTP/1.1", Some("/a HTTP/1.1")),
            ("POST /a\r\n", None),
            ("", None),
        ] {
            assert_eq!(target(request.as_bytes()), want, "{request:?}");
        }
        assert_eq!(target(b"GET /\xff"), None);
    }
}
