//! Finds one record in the caller's bytes.
//!
//! Nothing is copied and nothing is kept: a record is whole or more bytes are needed. The length is judged as soon as the
//! header is there. `legacy_record_version` is ignored (rfc9846#5.1-11, rfc9846#E-1, rfc9846#E.2-4).

use super::HEADER;
use crate::error::Fault;
use crate::limits;
use crate::wire::registry::ContentType;

/// What stands at the beginning of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// At least so many more bytes are needed.
    NeedMore(usize),
    /// A record of this outer type, header and body together `length` bytes.
    Record { outer: ContentType, length: usize },
}

/// Finds the first record in `bytes`.
///
/// `protected` says whether records are protected by now, as application data always is: a plain one has 256 bytes less at
/// the most.
pub(crate) fn deframe(bytes: &[u8], protected: bool) -> Result<Frame, Fault> {
    let Some(first) = bytes.first() else {
        return Ok(Frame::NeedMore(HEADER));
    };
    let Some(outer) = ContentType::from_code(*first) else {
        return not_tls(*first, bytes);
    };
    let Some((header, body)) = bytes.split_first_chunk::<HEADER>() else {
        return Ok(Frame::NeedMore(HEADER.saturating_sub(bytes.len())));
    };
    let [_, _, _, high, low] = *header;
    let length = usize::from(u16::from_be_bytes([high, low]));
    let expansion = if protected || outer == ContentType::ApplicationData {
        limits::RECORD_EXPANSION
    } else {
        0
    };
    // rfc9846#5.1-13, rfc9846#5.2-2, rfc9846#5.2-5
    if length > limits::RECORD_PLAINTEXT.saturating_add(expansion) {
        return Err(Fault::RecordOverflow { length });
    }
    match length.checked_sub(body.len()) {
        None | Some(0) => Ok(Frame::Record {
            outer,
            length: length.saturating_add(HEADER),
        }),
        Some(missing) => Ok(Frame::NeedMore(missing)),
    }
}

/// What no record begins with (rfc9846#5-5): plain HTTP is named as such, once there is enough of it to be sure, however it
/// was cut on the way. A hello of SSL 2.0 is a record of an unknown type (rfc9846#E.5-5).
fn not_tls(content_type: u8, bytes: &[u8]) -> Result<Frame, Fault> {
    // What requests and answers begin with. Some servers answer what they do not understand with a page and nothing before it.
    const HTTP: [&[u8]; 11] = [
        b"GET ", b"POST", b"HEAD", b"PUT ", b"HTTP", b"OPTI", b"CONN", b"PRI ", b"<!DO", b"<htm",
        b"<HTM",
    ];
    if HTTP.iter().any(|word| bytes.starts_with(word)) {
        return Err(Fault::PlainHttp);
    }
    match HTTP.iter().find(|word| word.starts_with(bytes)) {
        Some(word) => Ok(Frame::NeedMore(word.len().saturating_sub(bytes.len()))),
        None => Err(Fault::UnexpectedRecord { content_type }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(length: u16, body: usize) -> Vec<u8> {
        let [high, low] = length.to_be_bytes();
        [&[22, 3, 3, high, low][..], &vec![0; body]].concat()
    }

    #[test]
    fn records_at_the_edges_of_their_length() {
        let whole = |length| {
            Ok(Frame::Record {
                outer: ContentType::Handshake,
                length,
            })
        };
        let overflow = |length| Err(Fault::RecordOverflow { length });
        // (name, bytes, protected, want)
        let rows: &[(&str, Vec<u8>, bool, Result<Frame, Fault>)] = &[
            ("nothing", vec![], false, Ok(Frame::NeedMore(5))),
            ("half a header", vec![22, 3], false, Ok(Frame::NeedMore(3))),
            ("empty", record(0, 0), false, whole(5)),
            (
                "one byte short",
                record(10, 9),
                false,
                Ok(Frame::NeedMore(1)),
            ),
            ("whole", record(10, 10), false, whole(15)),
            ("more than one", record(10, 50), false, whole(15)),
            (
                "largest plain",
                record(16_384, 16_384),
                false,
                whole(16_389),
            ),
            (
                "too long, plain",
                record(16_385, 0),
                false,
                overflow(16_385),
            ),
            (
                "largest protected",
                record(16_640, 16_640),
                true,
                whole(16_645),
            ),
            (
                "too long, protected",
                record(16_641, 0),
                true,
                overflow(16_641),
            ),
            ("longest", record(65_535, 0), true, overflow(65_535)),
            (
                "protected, before this side has keys",
                [&[23][..], &record(16_640, 16_640)[1..]].concat(),
                false,
                Ok(Frame::Record {
                    outer: ContentType::ApplicationData,
                    length: 16_645,
                }),
            ),
        ];
        for (name, bytes, protected, want) in rows {
            assert_eq!(deframe(bytes, *protected), *want, "{name}");
        }
    }

    #[test]
    fn any_version_passes_and_other_types_do_not() {
        for version in [[0, 0], [3, 1], [3, 4], [0xff, 0xff]] {
            let bytes = [22, version[0], version[1], 0, 0];
            assert!(
                matches!(deframe(&bytes, false), Ok(Frame::Record { .. })),
                "{version:?}"
            );
        }
        let rows: &[(&[u8], Fault)] = &[
            (b"GET / HTTP/1.1\r\n", Fault::PlainHttp),
            (b"HTTP/1.0 400 Bad Request", Fault::PlainHttp),
            (b"POST /", Fault::PlainHttp),
            (b"<!DOCTYPE HTML>", Fault::PlainHttp),
            (b"GEM", Fault::UnexpectedRecord { content_type: b'G' }),
            (b"<ht>", Fault::UnexpectedRecord { content_type: b'<' }),
            (b"SSH-2.0-x", Fault::UnexpectedRecord { content_type: b'S' }),
            (
                &[24, 3, 3, 0, 0],
                Fault::UnexpectedRecord { content_type: 24 },
            ),
            (
                &[0x80, 0x2e, 1, 3, 1],
                Fault::UnexpectedRecord { content_type: 0x80 },
            ),
        ];
        for (bytes, want) in rows {
            assert_eq!(deframe(bytes, false), Err(*want), "{bytes:?}");
        }
    }

    /// How the bytes were cut on the way must not change what is said about them.
    #[test]
    fn the_beginning_of_a_word_of_http_is_waited_for() {
        for (bytes, missing) in [
            (&b"G"[..], 3),
            (b"GET", 1),
            (b"HT", 2),
            (b"<", 3),
            (b"<h", 2),
        ] {
            assert_eq!(
                deframe(bytes, false),
                Ok(Frame::NeedMore(missing)),
                "{bytes:?}"
            );
        }
    }
}
