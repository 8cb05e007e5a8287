//! The extensions of pre-shared keys: `pre_shared_key` and `psk_key_exchange_modes` of RFC 9846 sections 4.3.9 and 4.3.11, and
//! `ticket_request` of RFC 9149.
//!
//! The offer of a client is the end of its ClientHello, and the binders are the end of the offer. [`OfferedPsks`] knows how many
//! bytes they take, so that whoever checks or fills them in cuts the message there and nowhere else (T05).

use pith_crypto::Hash;

use super::reader::Reader;
use super::registry::MessageKind as M;
use super::writer::Writer;
use crate::error::Fault;

/// A key exchange goes with the pre-shared key. This library has no other mode (S03).
const PSK_DHE_KE: u8 = 1;

/// The keys that a client offers: each with its binder, at least one.
#[derive(Clone)]
pub(crate) struct OfferedPsks<'a> {
    pub(crate) psks: Vec<OfferedPsk<'a>>,
    /// Bytes of the list of binders, its length included: the end of the message that no binder covers.
    pub(crate) binders_len: usize,
}

/// One key that a client offers.
#[derive(Clone, Copy)]
pub(crate) struct OfferedPsk<'a> {
    pub(crate) identity: &'a [u8],
    pub(crate) obfuscated_age: u32,
    pub(crate) binder: &'a [u8],
}

/// How many tickets a client wants (RFC 9149 section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TicketRequest {
    /// After a handshake with certificates.
    pub(crate) new_session: u8,
    /// After a resumption.
    pub(crate) resumption: u8,
}

impl<'a> OfferedPsks<'a> {
    pub(super) fn decode(mut reader: Reader<'a>) -> Result<Self, Fault> {
        let mut list = Reader::new(reader.vec16(7)?, M::ClientHello);
        let mut psks = Vec::new();
        while !list.is_empty() {
            psks.push(OfferedPsk {
                identity: list.vec16(1)?,
                obfuscated_age: list.u32()?,
                binder: &[],
            });
        }
        let binders = reader.vec16(33)?;
        reader.finish()?;
        let mut list = Reader::new(binders, M::ClientHello);
        let mut open = psks.iter_mut();
        while !list.is_empty() {
            let binder = list.vec8(32)?;
            open.next().ok_or(Fault::PskCounts)?.binder = binder;
        }
        match open.next() {
            Some(_) => Err(Fault::PskCounts),
            None => Ok(Self {
                psks,
                binders_len: binders.len().saturating_add(2),
            }),
        }
    }

    /// What of this hello the binders cover.
    pub(crate) fn covered<'m>(&self, whole: &'m [u8]) -> &'m [u8] {
        let end = whole.len().saturating_sub(self.binders_len);
        whole.get(..end).unwrap_or_default()
    }
}

/// A key that this client offers: identity, obfuscated age, and the hash that sets the length of its binder.
pub(crate) struct PskOffer<'a> {
    pub(crate) identity: &'a [u8],
    pub(crate) obfuscated_age: u32,
    pub(crate) hash: Hash,
}

/// Bytes of the list of binders, its length included.
pub(crate) fn binders_len(offers: &[PskOffer<'_>]) -> usize {
    offers.iter().fold(2_usize, |sum, offer| {
        sum.saturating_add(offer.hash.len()).saturating_add(1)
    })
}

/// Writes an offer, with zeros in place of the binders.
pub(super) fn encode_offer(writer: &mut Writer, offers: &[PskOffer<'_>]) {
    writer.vec16(|w| {
        for offer in offers {
            w.vec16(|w| w.bytes(offer.identity));
            w.u32(offer.obfuscated_age);
        }
    });
    writer.vec16(|w| {
        for offer in offers {
            w.vec8(|w| w.bytes([0; 48].get(..offer.hash.len()).unwrap_or_default()));
        }
    });
}

/// The modes that this client offers: one.
pub(super) fn encode_modes(writer: &mut Writer) {
    writer.vec8(|w| w.u8(PSK_DHE_KE));
}

/// Whether the client takes a key exchange with its pre-shared keys; other modes are passed over (rfc9846#4.3.9-4).
pub(super) fn allows_dhe(mut reader: Reader<'_>) -> Result<bool, Fault> {
    let modes = reader.vec8(1)?;
    reader.finish()?;
    Ok(modes.contains(&PSK_DHE_KE))
}

impl TicketRequest {
    pub(super) fn decode(mut reader: Reader<'_>) -> Result<Self, Fault> {
        let request = Self {
            new_session: reader.u8()?,
            resumption: reader.u8()?,
        };
        reader.finish()?;
        Ok(request)
    }

    pub(super) fn encode(self, writer: &mut Writer) {
        writer.bytes(&[self.new_session, self.resumption]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Result<OfferedPsks<'_>, Fault> {
        OfferedPsks::decode(Reader::new(bytes, M::ClientHello))
    }

    /// An offer of these identities, with so many binders of these lengths.
    fn offer(identities: &[&[u8]], binders: &[usize]) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.vec16(|w| {
            for identity in identities {
                w.vec16(|w| w.bytes(identity));
                w.u32(7);
            }
        });
        writer.vec16(|w| {
            for length in binders {
                w.vec8(|w| w.bytes(&vec![9; *length]));
            }
        });
        writer.finish().expect("short")
    }

    const MALFORMED: Fault = Fault::Malformed {
        message: M::ClientHello,
    };

    #[test]
    fn offers_come_back_as_they_went() {
        let offers = [
            PskOffer {
                identity: b"a",
                obfuscated_age: 0xfedc_ba98,
                hash: Hash::Sha256,
            },
            PskOffer {
                identity: b"a\0b",
                obfuscated_age: 0,
                hash: Hash::Sha384,
            },
        ];
        let mut writer = Writer::default();
        encode_offer(&mut writer, &offers);
        let bytes = writer.finish().expect("short");
        let got = decode(&bytes).expect("well formed");
        let facts = |psk: &OfferedPsk<'_>| {
            let OfferedPsk {
                identity,
                obfuscated_age,
                binder,
            } = *psk;
            (identity.to_vec(), obfuscated_age, binder.len())
        };
        let want = [
            (b"a".to_vec(), 0xfedc_ba98, 32),
            // A zero byte is a byte as any other (T07).
            (b"a\0b".to_vec(), 0, 48),
        ];
        assert_eq!(got.psks.iter().map(facts).collect::<Vec<_>>(), want);
        assert_eq!(got.binders_len, binders_len(&offers));
        assert_eq!(got.covered(&bytes).len() + 2 + 33 + 49, bytes.len());
        for cut in 0..bytes.len() {
            assert_eq!(decode(&bytes[..cut]).err(), Some(MALFORMED), "{cut}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(decode(&longer).err(), Some(MALFORMED));
    }

    #[test]
    fn identities_and_binders_are_checked() {
        // (name, identities, lengths of binders, want)
        let rows: &[(&str, &[&[u8]], &[usize], Option<Fault>)] = &[
            ("one", &[b"a"], &[32], None),
            ("longest binder", &[b"a"], &[255], None),
            ("two", &[b"a", b"b"], &[32, 48], None),
            ("no identity", &[], &[32], Some(MALFORMED)),
            ("no binder", &[b"a"], &[], Some(MALFORMED)),
            (
                "an empty identity",
                &[b"", b"a"],
                &[32, 32],
                Some(MALFORMED),
            ),
            ("a short binder", &[b"a", b"b"], &[31, 32], Some(MALFORMED)),
            (
                "a binder too few",
                &[b"a", b"b"],
                &[32],
                Some(Fault::PskCounts),
            ),
            (
                "a binder too many",
                &[b"a"],
                &[32, 32],
                Some(Fault::PskCounts),
            ),
        ];
        for (name, identities, binders, want) in rows {
            assert_eq!(decode(&offer(identities, binders)).err(), *want, "{name}");
        }
    }

    #[test]
    fn modes() {
        let rows: &[(&str, &[u8], Result<bool, Fault>)] = &[
            ("with a key exchange", &[1, 1], Ok(true)),
            ("without one", &[1, 0], Ok(false)),
            ("both", &[2, 0, 1], Ok(true)),
            ("unknown ones", &[2, 7, 0x0b], Ok(false)),
            ("none", &[0], Err(MALFORMED)),
            ("no list", &[], Err(MALFORMED)),
            ("bytes behind it", &[1, 1, 0], Err(MALFORMED)),
        ];
        for (name, bytes, want) in rows {
            let got = allows_dhe(Reader::new(bytes, M::ClientHello));
            assert_eq!(got, *want, "{name}");
        }
        let mut writer = Writer::default();
        encode_modes(&mut writer);
        assert_eq!(writer.finish(), Ok(vec![1, 1]));
    }

    #[test]
    fn requests_for_tickets() {
        let request = TicketRequest {
            new_session: 4,
            resumption: 1,
        };
        let mut writer = Writer::default();
        request.encode(&mut writer);
        let bytes = writer.finish().expect("short");
        let decode = |bytes: &[u8]| TicketRequest::decode(Reader::new(bytes, M::ClientHello));
        assert_eq!(decode(&bytes), Ok(request));
        for other in [&[][..], &[4], &[4, 1, 0]] {
            assert_eq!(decode(other), Err(MALFORMED));
        }
    }
}
