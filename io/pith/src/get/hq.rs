//! HTTP/0.9: one request and one file on each stream.

use pith_io::tokio::quic::{Connection, Error};
use pith_quic::VarInt;

use super::sink::{Sink, Target};
use crate::escape;
use crate::failure::Failure;
use crate::files::find::Refusal;

/// Gets one file.
pub(super) async fn get(
    connection: &Connection,
    server: &str,
    path: &str,
    target: &Target,
) -> Result<(), Failure> {
    let shown = escape::printable(path);
    let failed = |error: Error| match error {
        Error::Reset(code) => {
            let why = refusal(code).map(str::to_owned);
            let why =
                why.unwrap_or_else(|| format!("the server gave it up, with the code {code:?}"));
            Failure::connection(format!("{shown} of {server} did not come: {why}."))
        }
        error => Failure::connection(format!(
            "{shown} of {server} did not come whole: {error}. What came of it was dropped."
        )),
    };
    let (mut send, mut receive) = connection.open_bi().await.map_err(failed)?;
    let request = format!("GET {path}\r\n");
    send.write_all(request.as_bytes()).await.map_err(failed)?;
    send.finish().map_err(failed)?;
    let mut sink = Sink::open(target)?;
    while let Some(part) = receive.read_chunk(PART).await.map_err(failed)? {
        sink.write(&part)?;
    }
    sink.finish()
}

/// What the code of a reset stream means, if it is one of `pith server`.
fn refusal(code: VarInt) -> Option<&'static str> {
    let is = |refusal: &Refusal| VarInt::from(refusal.code()) == code;
    Some(match Refusal::ALL.into_iter().find(is)? {
        Refusal::Request => "the server does not understand the request",
        Refusal::NotFound => "the server has no such file",
        Refusal::Unreadable => "the server cannot read that file",
    })
}

/// Bytes that are taken off a stream at once.
const PART: usize = 1 << 20;
