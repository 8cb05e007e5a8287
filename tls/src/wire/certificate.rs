//! Certificate, CertificateRequest and CertificateVerify (RFC 9846 sections 4.4.2, 4.5.1 and 4.5.2).

use pith_crypto::SignatureScheme;
use pki_types::CertificateDer;

use super::extensions::{read_requests, read_responses};
use super::reader::{Codes, Reader};
use super::registry::{ExtensionType as E, MessageKind as M};
use super::writer::Writer;
use crate::error::Fault;
use crate::limits;

/// Decodes a Certificate message of the main handshake: the certificates, leaf first.
pub(crate) fn decode_certificate<'a>(
    body: &'a [u8],
    offered: &[E],
) -> Result<Vec<CertificateDer<'a>>, Fault> {
    let mut reader = Reader::new(body, M::Certificate);
    // rfc9846#4.5.1-5
    if !reader.vec8(0)?.is_empty() {
        return Err(Fault::CertificateContext);
    }
    let mut list = Reader::new(reader.vec24(0)?, M::Certificate);
    reader.finish()?;
    let mut chain = Vec::new();
    while !list.is_empty() {
        if chain.len() >= limits::CHAIN_CERTIFICATES {
            return Err(Fault::ChainTooLong);
        }
        chain.push(CertificateDer::from(list.vec24(1)?));
        read_responses(&mut list, offered)?;
    }
    Ok(chain)
}

/// Encodes a Certificate message of the main handshake.
pub(crate) fn encode_certificate(writer: &mut Writer, chain: &[CertificateDer<'_>]) {
    writer.message(M::Certificate, |w| {
        w.vec8(|_| {});
        w.vec24(|w| {
            for certificate in chain {
                w.vec24(|w| w.bytes(certificate));
                w.vec16(|_| {});
            }
        });
    });
}

/// Checks a CertificateRequest of the main handshake; this client answers it with an empty Certificate.
pub(crate) fn decode_request(body: &[u8]) -> Result<(), Fault> {
    let mut reader = Reader::new(body, M::CertificateRequest);
    // rfc9846#4.4.2-3
    if !reader.vec8(0)?.is_empty() {
        return Err(Fault::CertificateContext);
    }
    let extensions = read_requests(&mut reader)?;
    reader.finish()?;
    // rfc9846#4.4.2-4
    let schemes = extensions
        .iter()
        .find(|extension| extension.kind == E::SIGNATURE_ALGORITHMS);
    let missing = Fault::MissingExtension {
        extension: E::SIGNATURE_ALGORITHMS,
        message: M::CertificateRequest,
    };
    let mut schemes = Reader::new(schemes.ok_or(missing)?.body, M::CertificateRequest);
    Codes::new(schemes.vec16(2)?, &schemes)?;
    schemes.finish()
}

/// A CertificateVerify as it came.
pub(crate) struct CertificateVerify<'a> {
    pub(crate) scheme: SignatureScheme,
    pub(crate) signature: &'a [u8],
}

impl<'a> CertificateVerify<'a> {
    pub(crate) fn decode(body: &'a [u8]) -> Result<Self, Fault> {
        let mut reader = Reader::new(body, M::CertificateVerify);
        let scheme = SignatureScheme(reader.u16()?);
        let signature = reader.vec16(0)?;
        reader.finish()?;
        Ok(Self { scheme, signature })
    }
}

/// Encodes a CertificateVerify.
pub(crate) fn encode_verify(writer: &mut Writer, scheme: SignatureScheme, signature: &[u8]) {
    writer.message(M::CertificateVerify, |w| {
        w.u16(scheme.0);
        w.vec16(|w| w.bytes(signature));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(count: usize) -> Vec<u8> {
        let mut writer = Writer::default();
        let chain: Vec<CertificateDer<'_>> = (0..count)
            .map(|_| CertificateDer::from(&b"certificate"[..]))
            .collect();
        encode_certificate(&mut writer, &chain);
        writer.finish().expect("short").split_off(4)
    }

    #[test]
    fn chains_come_back_as_they_went_up_to_the_limit() {
        let limit = limits::CHAIN_CERTIFICATES;
        for (count, want) in [
            (0, Ok(0)),
            (1, Ok(1)),
            (limit, Ok(limit)),
            (limit + 1, Err(Fault::ChainTooLong)),
        ] {
            assert_eq!(
                decode_certificate(&chain(count), &[]).map(|chain| chain.len()),
                want,
                "{count} certificates"
            );
        }
        let bytes = chain(2);
        for cut in 0..bytes.len() {
            assert!(
                decode_certificate(&bytes[..cut], &[]).is_err(),
                "cut at {cut}"
            );
        }
        assert!(decode_certificate(&[&bytes[..], &[0]].concat(), &[]).is_err());
        assert_eq!(
            decode_certificate(&[1, 7, 0, 0, 0], &[]),
            Err(Fault::CertificateContext)
        );
        let empty_entry = [0, 0, 0, 5, 0, 0, 0, 0, 0];
        assert_eq!(
            decode_certificate(&empty_entry, &[]),
            Err(Fault::Malformed {
                message: M::Certificate
            })
        );
    }

    #[test]
    fn certificate_requests() {
        let missing = Fault::MissingExtension {
            extension: E::SIGNATURE_ALGORITHMS,
            message: M::CertificateRequest,
        };
        let malformed = Fault::Malformed {
            message: M::CertificateRequest,
        };
        let rows: &[(&str, &[u8], Result<(), Fault>)] = &[
            ("good", &[0, 0, 8, 0, 13, 0, 4, 0, 2, 4, 3], Ok(())),
            (
                "with an unknown extension",
                &[0, 0, 12, 0x77, 0x77, 0, 0, 0, 13, 0, 4, 0, 2, 4, 3],
                Ok(()),
            ),
            ("no schemes", &[0, 0, 0], Err(missing)),
            (
                "an empty list",
                &[0, 0, 6, 0, 13, 0, 2, 0, 0],
                Err(malformed),
            ),
            (
                "a context",
                &[1, 7, 0, 8, 0, 13, 0, 4, 0, 2, 4, 3],
                Err(Fault::CertificateContext),
            ),
            (
                "bytes left over",
                &[0, 0, 8, 0, 13, 0, 4, 0, 2, 4, 3, 0],
                Err(malformed),
            ),
        ];
        for (name, body, want) in rows {
            assert_eq!(decode_request(body), *want, "{name}");
        }
    }

    #[test]
    fn certificate_verify_comes_back_as_it_went() {
        let mut writer = Writer::default();
        encode_verify(&mut writer, SignatureScheme::ED25519, &[5; 64]);
        let bytes = writer.finish().expect("short").split_off(4);
        let got = CertificateVerify::decode(&bytes).expect("well formed");
        assert_eq!(
            (got.scheme, got.signature),
            (SignatureScheme::ED25519, &[5; 64][..])
        );
        for cut in 0..bytes.len() {
            assert!(
                CertificateVerify::decode(&bytes[..cut]).is_err(),
                "cut at {cut}"
            );
        }
        assert!(CertificateVerify::decode(&[&bytes[..], &[0]].concat()).is_err());
    }
}
