//! Transfers of nothing in particular (ALPN `perf`, draft-banks-quic-performance): each stream begins with how many bytes the client wants in 8 bytes, and
//! goes on with as many of its own as it likes; when they are all here that many are sent.

use bytes::Bytes;
use pith_io::tokio::quic::{Connection, Error, RecvStream, SendStream};

/// The application protocol.
pub(crate) const PROTOCOL: &str = "perf";

/// Serves the streams of a connection until it is over, and says why it is.
pub(super) async fn serve(connection: &Connection) -> Error {
    loop {
        match connection.accept_bi().await {
            Ok((send, receive)) => {
                tokio::spawn(async move {
                    // What goes wrong with one stream, the client knows by it.
                    let _told = answer(send, receive).await.is_ok();
                });
            }
            Err(error) => return error,
        }
    }
}

async fn answer(mut send: SendStream, mut receive: RecvStream) -> Result<(), Error> {
    let mut wanted = Vec::new();
    while let Some(part) = receive.read_chunk(PART).await? {
        let missing = NUMBER.saturating_sub(wanted.len());
        wanted.extend(part.iter().take(missing));
    }
    match <[u8; NUMBER]>::try_from(wanted) {
        Ok(wanted) => fill(&mut send, u64::from_be_bytes(wanted)).await,
        Err(_) => {
            send.reset(NO_NUMBER.into());
            Ok(())
        }
    }
}

/// Sends so many bytes, and the end.
pub(crate) async fn fill(send: &mut SendStream, mut left: u64) -> Result<(), Error> {
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(ZEROS.len());
        let mut part = Bytes::from_static(ZEROS).split_to(length);
        send.write_bytes(&mut part).await?;
        left = left.saturating_sub(u64::try_from(length).unwrap_or(left));
    }
    send.finish()
}

static ZEROS: &[u8] = &[0; 128 << 10];
/// Bytes that are taken off a stream at once.
pub(crate) const PART: usize = 1 << 20;
/// Bytes of the number at the start of a stream.
const NUMBER: usize = 8;
/// The code of a stream that ends before its number does.
const NO_NUMBER: u8 = 1;
