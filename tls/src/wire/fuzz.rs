//! A fuzz target for each parser: any bytes give a value or a fault, and what is accepted is what it says.

use super::certificate::{
    Certificate, CertificateRequest, CertificateVerify, CompressedCertificate, encode_verify,
};
use super::client_hello::ClientHello;
use super::encrypted_extensions::EncryptedExtensions;
use super::extensions::read_requests;
use super::post_handshake::{NewSessionTicket, decode_key_update, encode_key_update};
use super::pre_shared_key::OfferedPsks;
use super::reader::Reader;
use super::registry::{ExtensionType as E, MessageKind as M};
use super::server_hello::{HelloRetryRequest, ServerHello};
use super::writer::Writer;
use crate::limits;

const ITERATIONS: usize = 5000;
const OFFERED: [E; 7] = [
    E::STATUS_REQUEST,
    E::SERVER_NAME,
    E::SUPPORTED_VERSIONS,
    E::KEY_SHARE,
    E::ALPN,
    E::SUPPORTED_GROUPS,
    E::QUIC_TRANSPORT_PARAMETERS,
];

/// Takes a byte for a length, and as many bytes as it says, or all that are left.
fn part<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first()?;
    let (part, rest) = rest.split_at(usize::from(*length).min(rest.len()));
    *bytes = rest;
    Some(part)
}

/// Hangs up to 16 extensions, made of any bytes, behind fixed fields: random bytes alone hardly ever pass a hello's lengths.
fn with_extensions(fields: &[u8], mut bytes: &[u8]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.bytes(fields);
    writer.vec16(|w| {
        for _ in 0..16 {
            let Some((kind, rest)) = bytes.split_first() else {
                return;
            };
            bytes = rest;
            w.u16(u16::from(*kind) % 64);
            w.vec16(|w| w.bytes(part(&mut bytes).unwrap_or_default()));
        }
    });
    writer.finish().unwrap_or_default()
}

#[test]
fn client_hello() {
    bolero::check!()
        .with_iterations(ITERATIONS)
        .for_each(|bytes: &[u8]| {
            let fields = [&[3, 3][..], &[7; 32], &[0, 0, 2, 0x13, 1, 1, 0]].concat();
            for body in [bytes, &with_extensions(&fields, bytes)] {
                if let Ok(hello) = ClientHello::decode(body) {
                    assert!(hello.shares.len() <= limits::KEY_SHARES);
                    assert!(hello.protocols.iter().all(|name| !name.is_empty()));
                    assert!(hello.offers(E::EARLY_DATA) || hello.is_retry_of(&hello));
                }
            }
        });
}

#[test]
fn server_hello() {
    bolero::check!()
        .with_iterations(ITERATIONS)
        .for_each(|bytes: &[u8]| {
            let fields = [&[3, 3][..], &[7; 32], &[0, 0x13, 1, 0]].concat();
            for body in [bytes, &with_extensions(&fields, bytes)] {
                if let Ok(hello) = ServerHello::decode(body, &OFFERED) {
                    assert!(!hello.share.is_empty());
                }
                if let Ok(retry) = HelloRetryRequest::decode(body, &OFFERED) {
                    assert!(retry.cookie.is_none_or(|cookie| !cookie.is_empty()));
                }
            }
        });
}

#[test]
fn encrypted_extensions() {
    bolero::check!()
        .with_iterations(ITERATIONS)
        .for_each(|bytes: &[u8]| {
            for body in [bytes, &with_extensions(&[], bytes)] {
                if let Ok(found) = EncryptedExtensions::decode(body, &OFFERED) {
                    assert!(found.protocol.is_none_or(|name| !name.is_empty()));
                }
            }
        });
}

#[test]
fn extensions() {
    bolero::check!()
        .with_iterations(ITERATIONS)
        .for_each(|bytes: &[u8]| {
            for message in M::ALL {
                let mut reader = Reader::new(bytes, message);
                if let Ok(found) = read_requests(&mut reader) {
                    assert!(found.list.len() <= limits::EXTENSIONS);
                }
            }
        });
}

#[test]
fn certificate() {
    bolero::check!()
        .with_iterations(ITERATIONS)
        .for_each(|bytes: &[u8]| {
            if let Ok(Certificate { chain, ocsp }) = Certificate::decode(bytes, &OFFERED) {
                assert!(ocsp.is_none_or(|response| !response.is_empty()));
                assert!(chain.len() <= limits::CHAIN_CERTIFICATES);
                assert!(chain.iter().all(|certificate| !certificate.is_empty()));
            }
            if let Ok(request) = CertificateRequest::decode(bytes) {
                assert!(request.authorities.iter().all(|name| !name.is_empty()));
            }
            if let Ok(compressed) = CompressedCertificate::decode(bytes) {
                assert_eq!(compressed.bytes.len() + 8, bytes.len());
            }
        });
}

#[test]
fn certificate_verify() {
    bolero::check!()
        .with_iterations(ITERATIONS)
        .for_each(|bytes: &[u8]| {
            if let Ok(verify) = CertificateVerify::decode(bytes) {
                let mut writer = Writer::default();
                encode_verify(&mut writer, verify.scheme, verify.signature);
                assert_eq!(writer.finish().unwrap()[4..], *bytes, "one encoding");
            }
        });
}

#[test]
fn pre_shared_keys() {
    bolero::check!()
        .with_iterations(ITERATIONS)
        .for_each(|bytes: &[u8]| {
            // A count of identities and one of binders, and what each holds.
            let (counts, mut rest) = bytes.split_at(bytes.len().min(2));
            let count = |at: usize| counts.get(at).map_or(0, |count| count % 4);
            let mut writer = Writer::default();
            writer.vec16(|w| {
                for age in 0..count(0) {
                    w.vec16(|w| w.bytes(part(&mut rest).unwrap_or_default()));
                    w.u32(age.into());
                }
            });
            writer.vec16(|w| {
                for _ in 0..count(1) {
                    let binder = part(&mut rest).unwrap_or_default();
                    w.vec8(|w| w.bytes(&[binder, &[0; 32][..]].concat()));
                }
            });
            let offer = writer.finish().unwrap_or_default();
            for body in [bytes, &offer, &[&offer[..], rest].concat()] {
                if let Ok(offered) = OfferedPsks::decode(Reader::new(body, M::ClientHello)) {
                    let covered = offered.covered(body).len();
                    assert_eq!(covered + offered.binders_len, body.len());
                    assert!(!offered.psks.is_empty());
                    for psk in &offered.psks {
                        assert!(!psk.identity.is_empty() && psk.binder.len() >= 32);
                    }
                }
            }
        });
}

#[test]
fn post_handshake() {
    bolero::check!()
        .with_iterations(ITERATIONS)
        .for_each(|bytes: &[u8]| {
            if let Ok(ticket) = NewSessionTicket::decode(bytes) {
                assert!(!ticket.ticket.is_empty());
                assert!(ticket.encode().unwrap().len() <= bytes.len() + 4);
            }
            if let Ok(request) = decode_key_update(bytes) {
                assert_eq!(
                    encode_key_update(request).unwrap()[4..],
                    *bytes,
                    "one encoding"
                );
            }
        });
}
