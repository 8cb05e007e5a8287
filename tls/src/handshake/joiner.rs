//! Joins handshake bytes into messages.
//!
//! Bytes come in pieces of any size. A message that is whole in the caller's bytes is used there; only what is left of an
//! unfinished one is copied and held. The announced length is judged as soon as it is known, before more is held for it
//! (R10).

use crate::error::Fault;
use crate::wire::{MESSAGE_HEADER, MessageKind};

/// One whole handshake message.
#[derive(Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) kind: MessageKind,
    pub(crate) body: &'a [u8],
    /// Header and body: what the transcript takes.
    pub(crate) whole: &'a [u8],
}

/// The first message in `bytes`, if it is all there.
pub(crate) fn first_message(bytes: &[u8], limit: usize) -> Result<Option<Message<'_>>, Fault> {
    let Some((header, _)) = bytes.split_first_chunk::<MESSAGE_HEADER>() else {
        return Ok(None);
    };
    let [code, high, middle, low] = *header;
    let length = (usize::from(high) << 16) | (usize::from(middle) << 8) | usize::from(low);
    let announced = length.saturating_add(MESSAGE_HEADER);
    if announced > limit {
        return Err(Fault::MessageTooLong { limit, announced });
    }
    let Some(whole) = bytes.get(..announced) else {
        return Ok(None);
    };
    let body = whole.get(MESSAGE_HEADER..).unwrap_or_default();
    Ok(Some(Message {
        kind: MessageKind::of(code, body),
        body,
        whole,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_at_the_edges_of_their_length() {
        // (name, bytes, limit, want: length of the body, nothing yet, or a fault)
        let long = Fault::MessageTooLong {
            limit: 8,
            announced: 9,
        };
        let rows: &[(&str, &[u8], usize, Result<Option<usize>, Fault>)] = &[
            ("nothing", &[], 8, Ok(None)),
            ("half a header", &[20, 0, 0], 8, Ok(None)),
            ("header only", &[20, 0, 0, 4], 8, Ok(None)),
            ("one byte short", &[20, 0, 0, 4, 1, 2, 3], 8, Ok(None)),
            (
                "whole, at the limit",
                &[20, 0, 0, 4, 1, 2, 3, 4],
                8,
                Ok(Some(4)),
            ),
            (
                "whole, and more",
                &[20, 0, 0, 1, 1, 2, 3, 4],
                8,
                Ok(Some(1)),
            ),
            ("empty", &[5, 0, 0, 0], 8, Ok(Some(0))),
            (
                "past the limit, announced only",
                &[20, 0, 0, 5],
                8,
                Err(long),
            ),
        ];
        for (name, bytes, limit, want) in rows {
            let got =
                first_message(bytes, *limit).map(|message| message.map(|found| found.body.len()));
            assert_eq!(got, *want, "{name}");
        }
        let longest = first_message(&[20, 0xff, 0xff, 0xff], 65_536).err();
        assert_eq!(
            longest,
            Some(Fault::MessageTooLong {
                limit: 65_536,
                announced: 0x0100_0003
            })
        );
    }
}
