//! NewSessionTicket and KeyUpdate (RFC 9846 sections 4.7.1 and 4.7.3).

use super::extensions::read_requests;
use super::reader::Reader;
use super::registry::MessageKind as M;
use super::writer::Writer;
use crate::error::{Fault, Local};

/// Checks the syntax of a NewSessionTicket; a client that does not resume ignores the rest (rfc9846#4.7.1-1, rfc9846#4.7.1-8).
pub(crate) fn decode_ticket(body: &[u8]) -> Result<(), Fault> {
    let mut reader = Reader::new(body, M::NewSessionTicket);
    let (_lifetime, _age_add) = (reader.u32()?, reader.u32()?);
    reader.vec8(0)?;
    reader.vec16(1)?;
    read_requests(&mut reader)?;
    reader.finish()
}

/// Whether a KeyUpdate asks for one in return.
pub(crate) fn decode_key_update(body: &[u8]) -> Result<bool, Fault> {
    let mut reader = Reader::new(body, M::KeyUpdate);
    let value = reader.u8()?;
    reader.finish()?;
    match value {
        0 => Ok(false),
        1 => Ok(true),
        // rfc9846#4.7.3-4
        _ => Err(Fault::KeyUpdateValue),
    }
}

/// Encodes a KeyUpdate.
pub(crate) fn encode_key_update(request: bool) -> Result<Vec<u8>, Local> {
    let mut writer = Writer::default();
    writer.message(M::KeyUpdate, |w| w.u8(u8::from(request)));
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_updates() {
        for request in [false, true] {
            let bytes = encode_key_update(request).expect("short");
            assert_eq!(bytes, [24, 0, 0, 1, u8::from(request)]);
            assert_eq!(decode_key_update(&bytes[4..]), Ok(request));
        }
        let malformed = Err(Fault::Malformed {
            message: M::KeyUpdate,
        });
        assert_eq!(decode_key_update(&[]), malformed);
        assert_eq!(decode_key_update(&[0, 0]), malformed);
        for value in 2..=255 {
            assert_eq!(
                decode_key_update(&[value]),
                Err(Fault::KeyUpdateValue),
                "{value}"
            );
        }
    }

    #[test]
    fn tickets() {
        let good = [
            0, 0, 0, 1, 0, 0, 0, 2, 1, 9, 0, 2, 7, 7, 0, 8, 0, 42, 0, 4, 0, 0, 0, 1,
        ];
        assert_eq!(decode_ticket(&good), Ok(()));
        for cut in 0..good.len() {
            assert_eq!(
                decode_ticket(&good[..cut]),
                Err(Fault::Malformed {
                    message: M::NewSessionTicket
                }),
                "{cut}"
            );
        }
        assert!(decode_ticket(&[&good[..], &[0]].concat()).is_err());
        let empty = [0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0];
        assert!(decode_ticket(&empty).is_err(), "an empty ticket");
        let misplaced = [0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 1, 7, 0, 4, 0, 51, 0, 0];
        assert!(matches!(
            decode_ticket(&misplaced),
            Err(Fault::MisplacedExtension { .. })
        ));
    }
}
