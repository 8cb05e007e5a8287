//! EncryptedExtensions (RFC 9846 section 4.4.1).

use bytes::Bytes;

use super::client_hello::record_size_limit;
use super::extensions::read_responses;
use super::reader::{Codes, Reader};
use super::registry::{CertificateType, ExtensionType as E, MessageKind as M};
use super::writer::Writer;
use crate::error::Fault;

/// EncryptedExtensions as they came.
pub(crate) struct EncryptedExtensions<'a> {
    pub(crate) protocol: Option<&'a [u8]>,
    pub(crate) transport_parameters: Option<&'a [u8]>,
    pub(crate) record_size_limit: Option<u16>,
    pub(crate) types: NegotiatedTypes,
    pub(crate) early_data: bool,
}

/// The certificate types that a server chose, where it answers an offer of them (RFC 7250 section 4.2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct NegotiatedTypes {
    /// What the client shows.
    pub(crate) client: Option<CertificateType>,
    /// What the server shows.
    pub(crate) server: Option<CertificateType>,
}

impl<'a> EncryptedExtensions<'a> {
    pub(crate) fn decode(body: &'a [u8], offered: &[E]) -> Result<Self, Fault> {
        let mut reader = Reader::new(body, M::EncryptedExtensions);
        let extensions = read_responses(&mut reader, offered)?;
        reader.finish()?;
        let mut found = Self {
            protocol: None,
            transport_parameters: None,
            record_size_limit: None,
            types: NegotiatedTypes::default(),
            early_data: false,
        };
        for extension in extensions.list {
            let mut body = Reader::new(extension.body, M::EncryptedExtensions);
            match extension.kind {
                // RFC 6066 section 3: the answer to a server name is empty.
                E::SERVER_NAME => body.finish()?,
                E::EARLY_DATA => {
                    body.finish()?;
                    found.early_data = true;
                }
                E::ALPN => {
                    found.protocol = Some(one_protocol(body)?);
                }
                E::QUIC_TRANSPORT_PARAMETERS => found.transport_parameters = Some(body.rest()),
                E::RECORD_SIZE_LIMIT => found.record_size_limit = Some(record_size_limit(body)?),
                E::CLIENT_CERTIFICATE_TYPE => found.types.client = Some(one_type(body)?),
                E::SERVER_CERTIFICATE_TYPE => found.types.server = Some(one_type(body)?),
                // The server's own groups: syntax only, nothing may follow from them yet (rfc9846#4.3.7-2).
                E::SUPPORTED_GROUPS => drop(Codes::of_body(body)?),
                // RFC 9149 section 2: how many tickets to expect. They are counted when they come.
                E::TICKET_REQUEST => {
                    body.u8()?;
                    body.finish()?;
                }
                _ => {}
            }
        }
        Ok(found)
    }
}

/// The one name that a server chose (RFC 7301 section 3.1).
fn one_protocol<'a>(mut reader: Reader<'a>) -> Result<&'a [u8], Fault> {
    let mut list = Reader::new(reader.vec16(2)?, M::EncryptedExtensions);
    reader.finish()?;
    let name = list.vec8(1)?;
    if list.is_empty() {
        Ok(name)
    } else {
        Err(Fault::ProtocolNotOffered)
    }
}

/// The one type that a server chose (RFC 7250 section 3); one that this library does not have was not offered.
fn one_type(mut reader: Reader<'_>) -> Result<CertificateType, Fault> {
    let code = reader.u8()?;
    reader.finish()?;
    CertificateType::from_code(code).ok_or(Fault::CertificateTypeNotOffered)
}

/// What a server answers, each where it was offered.
#[derive(Default)]
pub(crate) struct ServerAnswers<'a> {
    pub(crate) acknowledge_name: bool,
    pub(crate) protocol: Option<&'a [u8]>,
    pub(crate) transport_parameters: Option<&'a Bytes>,
    pub(crate) record_size_limit: Option<u16>,
    pub(crate) types: NegotiatedTypes,
    pub(crate) expected_tickets: Option<u8>,
    pub(crate) early_data: bool,
}

/// Encodes EncryptedExtensions: answers to what was offered and nothing else (rfc9846#4.3-3, rfc9846#4.3.6-2, rfc9846#4.3.9-5).
pub(crate) fn encode(writer: &mut Writer, answers: &ServerAnswers<'_>) {
    let ServerAnswers {
        acknowledge_name,
        protocol,
        transport_parameters,
        record_size_limit,
        types,
        expected_tickets,
        early_data,
    } = *answers;
    let put = |w: &mut Writer, kind: E, body: &dyn Fn(&mut Writer)| {
        w.u16(kind.0);
        w.vec16(|w| body(w));
    };
    writer.message(M::EncryptedExtensions, |w| {
        w.vec16(|w| {
            if acknowledge_name {
                put(w, E::SERVER_NAME, &|_| {});
            }
            if let Some(name) = protocol {
                put(w, E::ALPN, &|w| w.vec16(|w| w.vec8(|w| w.bytes(name))));
            }
            if early_data {
                put(w, E::EARLY_DATA, &|_| {});
            }
            if let Some(limit) = record_size_limit {
                put(w, E::RECORD_SIZE_LIMIT, &|w| w.u16(limit));
            }
            for (kind, one) in [
                (E::CLIENT_CERTIFICATE_TYPE, types.client),
                (E::SERVER_CERTIFICATE_TYPE, types.server),
            ] {
                if let Some(one) = one {
                    put(w, kind, &|w| w.u8(one.code()));
                }
            }
            if let Some(count) = expected_tickets {
                put(w, E::TICKET_REQUEST, &|w| w.u8(count));
            }
            if let Some(parameters) = transport_parameters {
                put(w, E::QUIC_TRANSPORT_PARAMETERS, &|w| w.bytes(parameters));
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Local;

    const OFFERED: [E; 9] = [
        E::EARLY_DATA,
        E::TICKET_REQUEST,
        E::CLIENT_CERTIFICATE_TYPE,
        E::SERVER_CERTIFICATE_TYPE,
        E::RECORD_SIZE_LIMIT,
        E::SERVER_NAME,
        E::ALPN,
        E::SUPPORTED_GROUPS,
        E::QUIC_TRANSPORT_PARAMETERS,
    ];

    #[test]
    fn extensions_come_back_as_they_went() -> Result<(), Local> {
        let parameters = Bytes::from_static(b"parameters");
        let types = NegotiatedTypes {
            client: Some(CertificateType::X509),
            server: Some(CertificateType::RawPublicKey),
        };
        let mut writer = Writer::default();
        let answers = ServerAnswers {
            acknowledge_name: true,
            protocol: Some(b"h2"),
            transport_parameters: Some(&parameters),
            record_size_limit: Some(1000),
            types,
            expected_tickets: Some(2),
            early_data: true,
        };
        encode(&mut writer, &answers);
        let bytes = writer.finish()?.split_off(4);
        let got = EncryptedExtensions::decode(&bytes, &OFFERED).expect("well formed");
        assert_eq!(
            (got.protocol, got.transport_parameters),
            (Some(&b"h2"[..]), Some(&parameters[..]))
        );
        assert_eq!(got.types, types);
        assert!(got.early_data);
        for cut in 0..bytes.len() {
            assert!(
                EncryptedExtensions::decode(&bytes[..cut], &OFFERED).is_err(),
                "cut at {cut}"
            );
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(EncryptedExtensions::decode(&longer, &OFFERED).is_err());
        Ok(())
    }

    #[test]
    fn bodies_are_checked() {
        let malformed = Fault::Malformed {
            message: M::EncryptedExtensions,
        };
        let rows: &[(&str, E, &[u8], Option<Fault>)] = &[
            ("a name with a body", E::SERVER_NAME, &[0], Some(malformed)),
            ("no protocol", E::ALPN, &[0, 0], Some(malformed)),
            ("an empty protocol", E::ALPN, &[0, 1, 0], Some(malformed)),
            (
                "two protocols",
                E::ALPN,
                &[0, 4, 1, b'a', 1, b'b'],
                Some(Fault::ProtocolNotOffered),
            ),
            (
                "odd groups",
                E::SUPPORTED_GROUPS,
                &[0, 1, 0],
                Some(malformed),
            ),
            ("the smallest limit", E::RECORD_SIZE_LIMIT, &[0, 64], None),
            (
                "a limit under it",
                E::RECORD_SIZE_LIMIT,
                &[0, 63],
                Some(Fault::RecordSizeLimit),
            ),
            (
                "no count of tickets",
                E::TICKET_REQUEST,
                &[],
                Some(malformed),
            ),
            ("two counts", E::TICKET_REQUEST, &[1, 1], Some(malformed)),
            ("groups", E::SUPPORTED_GROUPS, &[0, 2, 0, 0x1d], None),
            ("a type", E::SERVER_CERTIFICATE_TYPE, &[2], None),
            ("no type", E::SERVER_CERTIFICATE_TYPE, &[], Some(malformed)),
            (
                "two types",
                E::CLIENT_CERTIFICATE_TYPE,
                &[2, 0],
                Some(malformed),
            ),
            (
                "OpenPGP",
                E::CLIENT_CERTIFICATE_TYPE,
                &[1],
                Some(Fault::CertificateTypeNotOffered),
            ),
        ];
        for (name, kind, body, want) in rows {
            let mut writer = Writer::default();
            writer.vec16(|w| {
                w.u16(kind.0);
                w.vec16(|w| w.bytes(body));
            });
            let bytes = writer.finish().expect("short");
            assert_eq!(
                EncryptedExtensions::decode(&bytes, &OFFERED).err(),
                *want,
                "{name}"
            );
        }
    }
}
