//! Blocks of extensions: which may stand where, and the checks that every block gets.
//!
//! [`LEGAL`] is the table of RFC 9846 section 4.3: an extension that this library knows and that stands in another message
//! is `illegal_parameter`, a response that was not offered is `unsupported_extension`, and no extension stands twice. What
//! this library does not know passes in requests and is ignored there (rfc9846#4.2.2-14, rfc9846#4.5.1.1-2, rfc9846#4.5.1.1-3,
//! rfc9846#9.3-2, rfc9846#9.3-4, rfc9846#9.3-5).

use super::reader::Reader;
use super::registry::{ExtensionType as E, MessageKind as M};
use super::writer::Writer;
use crate::error::Fault;
use crate::limits;

/// One extension, its body not yet parsed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extension<'a> {
    pub(crate) kind: E,
    pub(crate) body: &'a [u8],
}

/// One block of extensions, in their order.
#[derive(Clone)]
pub(crate) struct Extensions<'a> {
    message: M,
    pub(crate) list: Vec<Extension<'a>>,
}

impl<'a> Extensions<'a> {
    /// The body of an extension, if it is there.
    pub(crate) fn find(&self, kind: E) -> Option<&'a [u8]> {
        let found = self.list.iter().find(|extension| extension.kind == kind);
        found.map(|extension| extension.body)
    }

    /// Decodes an extension, if it is there.
    pub(crate) fn read<T>(
        &self,
        kind: E,
        decode: impl FnOnce(Reader<'a>) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        let body = self.find(kind);
        body.map(|body| decode(Reader::new(body, self.message)))
            .transpose()
    }

    /// Decodes an extension that has to be there.
    pub(crate) fn require<T>(
        &self,
        kind: E,
        decode: impl FnOnce(Reader<'a>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.read(kind, decode)?.ok_or(self.missing(kind))
    }

    pub(crate) fn missing(&self, extension: E) -> Fault {
        Fault::MissingExtension {
            extension,
            message: self.message,
        }
    }
}

/// The extensions of RFC 9846 section 4.3 and the messages in which they may stand.
const LEGAL: &[(E, &[M])] = &[
    (
        E::SERVER_NAME,
        &[
            M::ClientHello,
            M::EncryptedExtensions,
            M::CertificateRequest,
        ],
    ),
    (
        E::STATUS_REQUEST,
        &[M::ClientHello, M::CertificateRequest, M::Certificate],
    ),
    (
        E::SUPPORTED_GROUPS,
        &[M::ClientHello, M::EncryptedExtensions],
    ),
    (
        E::SIGNATURE_ALGORITHMS,
        &[M::ClientHello, M::CertificateRequest],
    ),
    (E::USE_SRTP, &[M::ClientHello, M::EncryptedExtensions]),
    (E::HEARTBEAT, &[M::ClientHello, M::EncryptedExtensions]),
    (E::ALPN, &[M::ClientHello, M::EncryptedExtensions]),
    (
        E::CLIENT_CERTIFICATE_TYPE,
        &[M::ClientHello, M::EncryptedExtensions],
    ),
    (
        E::SERVER_CERTIFICATE_TYPE,
        &[M::ClientHello, M::EncryptedExtensions],
    ),
    (E::PADDING, &[M::ClientHello]),
    (
        E::COMPRESS_CERTIFICATE,
        &[M::ClientHello, M::CertificateRequest],
    ),
    (
        E::RECORD_SIZE_LIMIT,
        &[M::ClientHello, M::EncryptedExtensions],
    ),
    (
        E::DELEGATED_CREDENTIAL,
        &[M::ClientHello, M::CertificateRequest, M::Certificate],
    ),
    (E::PRE_SHARED_KEY, &[M::ClientHello, M::ServerHello]),
    (
        E::EARLY_DATA,
        &[M::ClientHello, M::EncryptedExtensions, M::NewSessionTicket],
    ),
    (
        E::SUPPORTED_VERSIONS,
        &[M::ClientHello, M::ServerHello, M::HelloRetryRequest],
    ),
    (E::COOKIE, &[M::ClientHello, M::HelloRetryRequest]),
    (E::PSK_KEY_EXCHANGE_MODES, &[M::ClientHello]),
    (
        E::CERTIFICATE_AUTHORITIES,
        &[M::ClientHello, M::CertificateRequest],
    ),
    (E::OID_FILTERS, &[M::CertificateRequest]),
    (E::POST_HANDSHAKE_AUTH, &[M::ClientHello]),
    (
        E::SIGNATURE_ALGORITHMS_CERT,
        &[M::ClientHello, M::CertificateRequest],
    ),
    (
        E::KEY_SHARE,
        &[M::ClientHello, M::ServerHello, M::HelloRetryRequest],
    ),
    (
        E::QUIC_TRANSPORT_PARAMETERS,
        &[M::ClientHello, M::EncryptedExtensions],
    ),
    (E::TICKET_REQUEST, &[M::ClientHello, M::EncryptedExtensions]),
    (
        E::ENCRYPTED_CLIENT_HELLO,
        &[M::ClientHello, M::HelloRetryRequest, M::EncryptedExtensions],
    ),
];

/// Reads a block of extensions of a request: a ClientHello, a CertificateRequest or a NewSessionTicket.
pub(crate) fn read_requests<'a>(reader: &mut Reader<'a>) -> Result<Extensions<'a>, Fault> {
    read(reader, |_| true)
}

/// Reads a block of extensions of a response; each must have been offered, apart from a cookie in a HelloRetryRequest
/// (rfc9846#4.3-4, rfc9846#4.2.4-2).
pub(crate) fn read_responses<'a>(
    reader: &mut Reader<'a>,
    offered: &[E],
) -> Result<Extensions<'a>, Fault> {
    let retry = reader.message() == M::HelloRetryRequest;
    read(reader, |kind| {
        offered.contains(&kind) || (retry && kind == E::COOKIE)
    })
}

fn read<'a>(
    reader: &mut Reader<'a>,
    solicited: impl Fn(E) -> bool,
) -> Result<Extensions<'a>, Fault> {
    let message = reader.message();
    let mut block = Reader::new(reader.vec16(0)?, message);
    let mut list: Vec<Extension<'a>> = match block.is_empty() {
        true => Vec::new(),
        false => Vec::with_capacity(16),
    };
    while !block.is_empty() {
        let kind = E(block.u16()?);
        let body = block.vec16(0)?;
        if list.len() >= limits::EXTENSIONS {
            return Err(Fault::TooManyExtensions);
        }
        // rfc9846#4.3-7
        if list.iter().any(|other| other.kind == kind) {
            return Err(Fault::RepeatedExtension { extension: kind });
        }
        // rfc9846#4.3-5, rfc9846#4.4.1-2
        if LEGAL
            .iter()
            .any(|(known, places)| *known == kind && !places.contains(&message))
        {
            return Err(Fault::MisplacedExtension {
                extension: kind,
                message,
            });
        }
        // rfc9846#4.3-4, rfc9846#4.5.1-6
        if !solicited(kind) {
            return Err(Fault::UnsolicitedExtension {
                extension: kind,
                message,
            });
        }
        list.push(Extension { kind, body });
    }
    Ok(Extensions { message, list })
}

/// A writer for a block of extensions that remembers which it wrote.
pub(crate) struct Block<'w> {
    pub(crate) writer: &'w mut Writer,
    pub(crate) written: &'w mut Vec<E>,
}

impl Block<'_> {
    /// The body's length is what was written, so nothing can stand behind it (rfc9846#4.3-1).
    pub(crate) fn put(&mut self, kind: E, body: impl FnOnce(&mut Writer)) {
        self.written.push(kind);
        self.writer.u16(kind.0);
        self.writer.vec16(body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(kinds: &[E]) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.vec16(|w| {
            for kind in kinds {
                w.u16(kind.0);
                w.vec16(|_| {});
            }
        });
        writer.finish().expect("short")
    }

    #[test]
    fn extensions_stand_only_where_the_table_allows() {
        for (kind, places) in LEGAL {
            for message in M::ALL {
                let bytes = block(&[*kind]);
                let got = read_responses(&mut Reader::new(&bytes, message), &[*kind])
                    .map(|found| found.list.len());
                let want = if places.contains(&message) {
                    Ok(1)
                } else {
                    Err(Fault::MisplacedExtension {
                        extension: *kind,
                        message,
                    })
                };
                assert_eq!(got, want, "{kind} in {message}");
            }
        }
    }

    #[test]
    fn an_unoffered_response_is_unsolicited() {
        for (message, kind) in [
            (M::ServerHello, E::KEY_SHARE),
            (M::EncryptedExtensions, E::ALPN),
            (M::EncryptedExtensions, E(1)), // max_fragment_length (rfc8449#5-2)
            (M::EncryptedExtensions, E(0x1234)),
            (M::HelloRetryRequest, E::KEY_SHARE),
            (M::Certificate, E::STATUS_REQUEST),
        ] {
            let bytes = block(&[kind]);
            let got = read_responses(&mut Reader::new(&bytes, message), &[]);
            assert_eq!(
                got.err(),
                Some(Fault::UnsolicitedExtension {
                    extension: kind,
                    message
                }),
                "{kind} in {message}"
            );
        }
        let cookie = block(&[E::COOKIE]);
        assert!(
            read_responses(&mut Reader::new(&cookie, M::HelloRetryRequest), &[]).is_ok(),
            "a cookie needs no offer"
        );
    }

    #[test]
    fn no_extension_stands_twice_and_their_number_is_limited() {
        let twice = block(&[E(0x1234), E::KEY_SHARE, E(0x1234)]);
        let got = read_requests(&mut Reader::new(&twice, M::ClientHello)).err();
        assert_eq!(
            got,
            Some(Fault::RepeatedExtension {
                extension: E(0x1234)
            })
        );
        for (count, want) in [
            (limits::EXTENSIONS, None),
            (limits::EXTENSIONS + 1, Some(Fault::TooManyExtensions)),
        ] {
            let kinds: Vec<E> = (0x4000..).take(count).map(E).collect();
            let got = read_requests(&mut Reader::new(&block(&kinds), M::ClientHello)).err();
            assert_eq!(got, want, "{count} extensions");
        }
    }

    #[test]
    fn a_truncated_block_is_malformed() {
        let bytes = block(&[E::KEY_SHARE, E::COOKIE]);
        for cut in 0..bytes.len() {
            let got = read_requests(&mut Reader::new(&bytes[..cut], M::ClientHello)).err();
            assert_eq!(
                got,
                Some(Fault::Malformed {
                    message: M::ClientHello
                }),
                "cut at {cut}"
            );
        }
    }
}
