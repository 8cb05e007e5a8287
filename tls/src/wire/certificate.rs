//! Certificate, CertificateRequest and CertificateVerify (RFC 9846 sections 4.4.2, 4.5.1 and 4.5.2).

use pith_crypto::SignatureScheme;
use pki_types::CertificateDer;

use super::extensions::{read_requests, read_responses};
use super::reader::{Codes, Reader};
use super::registry::{ExtensionType as E, MessageKind as M};
use super::writer::Writer;
use crate::auth::compress::Algorithm;
use crate::error::Fault;
use crate::limits;

/// A Certificate message of the main handshake as it came.
pub(crate) struct Certificate<'a> {
    /// The certificates, leaf first.
    pub(crate) chain: Vec<CertificateDer<'a>>,
    /// The OCSP response stapled to the leaf. Its contents are the application's business (T13).
    pub(crate) ocsp: Option<&'a [u8]>,
}

impl<'a> Certificate<'a> {
    pub(crate) fn decode(body: &'a [u8], offered: &[E]) -> Result<Self, Fault> {
        let mut reader = Reader::new(body, M::Certificate);
        // rfc9846#4.5.1-5
        if !reader.vec8(0)?.is_empty() {
            return Err(Fault::CertificateContext);
        }
        let mut list = Reader::new(reader.vec24(0)?, M::Certificate);
        reader.finish()?;
        let mut found = Self {
            chain: Vec::new(),
            ocsp: None,
        };
        while !list.is_empty() {
            if found.chain.len() >= limits::CHAIN_CERTIFICATES {
                return Err(Fault::ChainTooLong);
            }
            let leaf = found.chain.is_empty();
            found.chain.push(CertificateDer::from(list.vec24(1)?));
            let extensions = read_responses(&mut list, offered)?;
            let response = extensions.read(E::STATUS_REQUEST, status)?;
            if leaf {
                found.ocsp = response;
            }
        }
        Ok(found)
    }
}

/// A CertificateStatus of RFC 6066 section 8 (rfc9846#4.5.1.1-1): its response.
fn status<'a>(mut reader: Reader<'a>) -> Result<&'a [u8], Fault> {
    if reader.u8()? != OCSP {
        return Err(reader.malformed());
    }
    let response = reader.vec24(1)?;
    reader.finish()?;
    Ok(response)
}

/// The one status type there is.
pub(crate) const OCSP: u8 = 1;

/// Encodes a Certificate message of the main handshake, an OCSP response with the leaf.
pub(crate) fn encode_certificate(
    writer: &mut Writer,
    chain: &[CertificateDer<'_>],
    ocsp: Option<&[u8]>,
) {
    writer.message(M::Certificate, |w| {
        w.vec8(|_| {});
        w.vec24(|w| {
            let mut staple = ocsp;
            for certificate in chain {
                w.vec24(|w| w.bytes(certificate));
                w.vec16(|w| {
                    if let Some(response) = staple.take() {
                        w.u16(E::STATUS_REQUEST.0);
                        w.vec16(|w| {
                            w.u8(OCSP);
                            w.vec24(|w| w.bytes(response));
                        });
                    }
                });
            }
        });
    });
}

/// A CertificateRequest of the main handshake as it came.
pub(crate) struct CertificateRequest<'a> {
    pub(crate) schemes: Codes<'a>,
    /// For chains; the same where the server makes no difference.
    pub(crate) chain_schemes: Codes<'a>,
    pub(crate) authorities: Authorities<'a>,
    /// The algorithms in which the server takes a compressed chain, where it says so.
    pub(crate) compression: Option<Codes<'a>>,
}

impl<'a> CertificateRequest<'a> {
    pub(crate) fn decode(body: &'a [u8]) -> Result<Self, Fault> {
        let mut reader = Reader::new(body, M::CertificateRequest);
        // rfc9846#4.4.2-3
        if !reader.vec8(0)?.is_empty() {
            return Err(Fault::CertificateContext);
        }
        // rfc9846#4.4.2-5: what is not known stands here and is not looked for.
        let extensions = read_requests(&mut reader)?;
        reader.finish()?;
        // rfc9846#4.4.2-4
        let schemes = extensions.require(E::SIGNATURE_ALGORITHMS, Codes::of_body)?;
        let chain_schemes = extensions.read(E::SIGNATURE_ALGORITHMS_CERT, Codes::of_body)?;
        let authorities = extensions.read(E::CERTIFICATE_AUTHORITIES, Authorities::decode)?;
        Ok(Self {
            schemes,
            chain_schemes: chain_schemes.unwrap_or(schemes),
            authorities: authorities.unwrap_or_default(),
            compression: extensions.read(E::COMPRESS_CERTIFICATE, compression_algorithms)?,
        })
    }
}

/// Encodes a CertificateRequest of the main handshake, the only one of a connection (rfc9846#4.4.2-2).
pub(crate) fn encode_request(
    writer: &mut Writer,
    schemes: &[SignatureScheme],
    authorities: &[Vec<u8>],
    compression: &[Algorithm],
) {
    writer.message(M::CertificateRequest, |w| {
        w.vec8(|_| {});
        w.vec16(|w| {
            w.u16(E::SIGNATURE_ALGORITHMS.0);
            w.vec16(|w| w.vec16(|w| schemes.iter().for_each(|scheme| w.u16(scheme.0))));
            if !authorities.is_empty() {
                w.u16(E::CERTIFICATE_AUTHORITIES.0);
                w.vec16(|w| {
                    w.vec16(|w| {
                        authorities
                            .iter()
                            .for_each(|name| w.vec16(|w| w.bytes(name)))
                    });
                });
            }
            if !compression.is_empty() {
                w.u16(E::COMPRESS_CERTIFICATE.0);
                w.vec16(|w| encode_algorithms(w, compression));
            }
        });
    });
}

/// The algorithms of a compress_certificate extension (RFC 8879 section 3).
pub(super) fn compression_algorithms<'a>(mut reader: Reader<'a>) -> Result<Codes<'a>, Fault> {
    // rfc8879#3-2
    let list = Codes::new(reader.vec8(2)?, &reader)?;
    reader.finish()?;
    Ok(list)
}

/// Encodes the algorithms of a compress_certificate extension.
pub(super) fn encode_algorithms(writer: &mut Writer, algorithms: &[Algorithm]) {
    writer.vec8(|w| algorithms.iter().for_each(|one| w.u16(one.code())));
}

/// A CompressedCertificate as it came (RFC 8879 section 4).
pub(crate) struct CompressedCertificate<'a> {
    pub(crate) algorithm: u16,
    /// The announced length of the body of the Certificate.
    pub(crate) length: usize,
    pub(crate) bytes: &'a [u8],
}

impl<'a> CompressedCertificate<'a> {
    pub(crate) fn decode(body: &'a [u8]) -> Result<Self, Fault> {
        let mut reader = Reader::new(body, M::CompressedCertificate);
        let found = Self {
            algorithm: reader.u16()?,
            length: reader.u24()?,
            bytes: reader.vec24(1)?,
        };
        reader.finish()?;
        Ok(found)
    }
}

/// Encodes a CompressedCertificate for a Certificate whose body has `length` bytes.
pub(crate) fn encode_compressed(
    writer: &mut Writer,
    algorithm: Algorithm,
    length: usize,
    bytes: &[u8],
) {
    writer.message(M::CompressedCertificate, |w| {
        w.u16(algorithm.code());
        w.u24(length);
        w.vec24(|w| w.bytes(bytes));
    });
}

/// The distinguished names of acceptable CAs (RFC 9846 section 4.3.4), each in DER; their framing is checked.
#[derive(Clone, Copy, Default)]
pub(crate) struct Authorities<'a>(&'a [u8]);

impl<'a> Authorities<'a> {
    pub(crate) fn decode(mut reader: Reader<'a>) -> Result<Self, Fault> {
        let names = reader.vec16(3)?;
        let mut list = Reader::new(names, reader.message());
        reader.finish()?;
        while !list.is_empty() {
            list.vec16(1)?;
        }
        Ok(Self(names))
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        let mut list = Reader::new(self.0, M::CertificateRequest);
        core::iter::from_fn(move || list.vec16(1).ok())
    }
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
        encode_certificate(&mut writer, &chain, None);
        writer.finish().expect("short").split_off(4)
    }

    fn refusal(body: &[u8]) -> Result<(), Fault> {
        Certificate::decode(body, &[]).map(drop)
    }

    #[test]
    fn a_staple_comes_back_with_the_leaf_alone() {
        let mut writer = Writer::default();
        let certificate = CertificateDer::from(&b"certificate"[..]);
        encode_certificate(
            &mut writer,
            &[certificate.clone(), certificate],
            Some(b"response"),
        );
        let bytes = writer.finish().expect("short").split_off(4);
        let got = Certificate::decode(&bytes, &[E::STATUS_REQUEST]).expect("well formed");
        assert_eq!((got.chain.len(), got.ocsp), (2, Some(&b"response"[..])));
        let unsolicited = Fault::UnsolicitedExtension {
            extension: E::STATUS_REQUEST,
            message: M::Certificate,
        };
        assert_eq!(refusal(&bytes), Err(unsolicited));
        for (name, body) in [
            ("another type", &[2, 0, 0, 1, 7][..]),
            ("empty", &[1, 0, 0, 0]),
            ("more", &[1, 0, 0, 1, 7, 7]),
        ] {
            assert!(status(Reader::new(body, M::Certificate)).is_err(), "{name}");
        }
    }

    #[test]
    fn authorities_come_back_as_they_went() {
        let names = [b"first".to_vec(), b"second".to_vec()];
        let mut writer = Writer::default();
        encode_request(&mut writer, &[SignatureScheme::ED25519], &names, &[]);
        let bytes = writer.finish().expect("short").split_off(4);
        let got = CertificateRequest::decode(&bytes).expect("well formed");
        assert!(got.authorities.iter().eq(names.iter().map(Vec::as_slice)));
        assert!(got.schemes.contains(SignatureScheme::ED25519.0));
        for cut in 0..bytes.len() {
            assert!(
                CertificateRequest::decode(&bytes[..cut]).is_err(),
                "cut at {cut}"
            );
        }
        let authorities = |bytes| Authorities::decode(Reader::new(bytes, M::CertificateRequest));
        for (name, bytes) in [
            ("none", &[0, 0][..]),
            ("an empty name", &[0, 2, 0, 0]),
            ("cut", &[0, 3, 0, 2, 7]),
        ] {
            assert!(authorities(bytes).is_err(), "{name}");
        }
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
                Certificate::decode(&chain(count), &[]).map(|found| found.chain.len()),
                want,
                "{count} certificates"
            );
        }
        let bytes = chain(2);
        for cut in 0..bytes.len() {
            assert!(refusal(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        assert!(refusal(&[&bytes[..], &[0]].concat()).is_err());
        assert_eq!(refusal(&[1, 7, 0, 0, 0]), Err(Fault::CertificateContext));
        let empty_entry = [0, 0, 0, 5, 0, 0, 0, 0, 0];
        assert_eq!(
            refusal(&empty_entry),
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
            assert_eq!(CertificateRequest::decode(body).map(drop), *want, "{name}");
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
