//! NewSessionTicket and KeyUpdate (RFC 9846 sections 4.7.1 and 4.7.3).

use super::extensions::read_requests;
use super::reader::Reader;
use super::registry::{ExtensionType as E, MessageKind as M};
use super::writer::Writer;
use crate::error::{Fault, Local};

/// A NewSessionTicket.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NewSessionTicket<'a> {
    /// In seconds.
    pub(crate) lifetime: u32,
    pub(crate) age_add: u32,
    pub(crate) nonce: &'a [u8],
    pub(crate) ticket: &'a [u8],
    /// Bytes of early data that the server takes.
    pub(crate) max_early_data: Option<u32>,
}

impl<'a> NewSessionTicket<'a> {
    /// Unknown extensions are passed over (rfc9846#4.7.1-8).
    pub(crate) fn decode(body: &'a [u8]) -> Result<Self, Fault> {
        let mut reader = Reader::new(body, M::NewSessionTicket);
        let mut ticket = Self {
            lifetime: reader.u32()?,
            age_add: reader.u32()?,
            nonce: reader.vec8(0)?,
            ticket: reader.vec16(1)?,
            max_early_data: None,
        };
        let extensions = read_requests(&mut reader)?;
        ticket.max_early_data = extensions.read(E::EARLY_DATA, |body| body.only(Reader::u32))?;
        reader.finish()?;
        Ok(ticket)
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, Local> {
        let mut writer = Writer::default();
        writer.message(M::NewSessionTicket, |w| {
            w.u32(self.lifetime);
            w.u32(self.age_add);
            w.vec8(|w| w.bytes(self.nonce));
            w.vec16(|w| w.bytes(self.ticket));
            w.vec16(|w| {
                if let Some(most) = self.max_early_data {
                    w.u16(E::EARLY_DATA.0);
                    w.vec16(|w| w.u32(most));
                }
            });
        });
        writer.finish()
    }
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
        fn decode(bytes: &[u8]) -> Result<NewSessionTicket<'_>, Fault> {
            NewSessionTicket::decode(bytes)
        }
        let malformed = Some(Fault::Malformed {
            message: M::NewSessionTicket,
        });
        for max_early_data in [None, Some(0), Some(u32::MAX)] {
            let ticket = NewSessionTicket {
                lifetime: 604_800,
                age_add: 0xfedc_ba98,
                nonce: &[9],
                ticket: &[7, 7],
                max_early_data,
            };
            let bytes = ticket.encode().expect("short");
            let bytes = &bytes[4..];
            assert_eq!(decode(bytes), Ok(ticket));
            for cut in 0..bytes.len() {
                assert_eq!(decode(&bytes[..cut]).err(), malformed, "{cut}");
            }
            let longer = [bytes, &[0]].concat();
            assert_eq!(decode(&longer).err(), malformed);
        }
        // (name, nonce and all that follows, want)
        let misplaced = Some(Fault::MisplacedExtension {
            extension: E::KEY_SHARE,
            message: M::NewSessionTicket,
        });
        let rows: &[(&str, &[u8], Option<Fault>)] = &[
            ("no nonce", &[0, 0, 1, 7, 0, 0], None),
            ("an empty ticket", &[0, 0, 0, 0, 0], malformed),
            (
                "an unknown extension",
                &[0, 0, 1, 7, 0, 4, 0x12, 0x34, 0, 0],
                None,
            ),
            ("a share", &[0, 0, 1, 7, 0, 4, 0, 51, 0, 0], misplaced),
            ("no size", &[0, 0, 1, 7, 0, 4, 0, 42, 0, 0], malformed),
            (
                "a longer size",
                &[0, 0, 1, 7, 0, 9, 0, 42, 0, 5, 0, 0, 0, 0, 0],
                malformed,
            ),
        ];
        for (name, rest, want) in rows {
            let bytes = [&[0, 0, 0, 1, 0, 0, 0, 2][..], rest].concat();
            assert_eq!(decode(&bytes).err(), *want, "{name}");
        }
    }
}
