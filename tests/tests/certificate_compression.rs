//! Compressed certificates (RFC 8879), in both roles: when they are sent, what they save, and every way in which they are
//! refused (T12).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    missing_docs
)]

use std::sync::Arc;

use pith_tests::engine::{Duo, Event, Outcome, Piece};
use pith_tests::message::{kind, message, vec24};
use pith_tests::pair::{NAME, credential, trust};
use pith_tests::pki::{Identity, Kind, Pki};
use pith_tests::scripted::Role;
use pith_tls::limits::HANDSHAKE_MESSAGE;
use pith_tls::{
    AlertDescription, ClientAuth, ClientConfig, Credential, Error, Fault, Level, MessageKind,
    ServerConfig,
};

const ZLIB: u16 = 1;

fn configs(
    pki: &Pki,
    server: Credential,
    client: Credential,
    [client_allows, server_allows]: [bool; 2],
) -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    let client = ClientConfig::new(trust(pki))
        .alpn(&[b"x"])
        .request_ocsp(true)
        .keep_peer_chain(true)
        .credential(client)
        .certificate_compression(client_allows);
    let server = ServerConfig::new(server)
        .alpn(&[b"x"])
        .keep_peer_chain(true)
        .client_auth(ClientAuth::Required(trust(pki)))
        .certificate_compression(server_allows);
    (client.build().unwrap(), server.build().unwrap())
}

fn kinds(events: &[Event]) -> Vec<u8> {
    let certificates = [kind::CERTIFICATE, kind::COMPRESSED_CERTIFICATE];
    let sent = events.iter().filter_map(|event| match event {
        Event::Send(Level::Handshake, kind) => Some(*kind),
        _ => None,
    });
    sent.filter(|kind| certificates.contains(kind)).collect()
}

#[test]
fn both_sides_compress_for_peers_that_take_it() {
    let pki = Pki::with(Kind::P256, 1);
    let (server, client) = (pki.leaf(NAME), pki.leaf("client.example"));
    let staple = [7; 300];
    let (plain, packed) = (kind::CERTIFICATE, kind::COMPRESSED_CERTIFICATE);
    for (allows, want) in [
        ([true, true], [packed, packed]),
        ([true, false], [plain, plain]),
        ([false, true], [plain, plain]),
        ([false, false], [plain, plain]),
    ] {
        let shown = credential(&server).with_ocsp(&staple);
        let (ours, theirs) = configs(&pki, shown, credential(&client), allows);
        for mut duo in [Duo::records(&ours, &theirs), Duo::quic(&ours, &theirs)] {
            assert_eq!(duo.run(), Outcome::Complete, "{allows:?}");
            assert_eq!(kinds(&duo.server.events), [want[0]], "{allows:?}");
            assert_eq!(kinds(&duo.client.events), [want[1]], "{allows:?}");
            let summary = duo.client.summary.as_ref().unwrap();
            assert_eq!(
                summary.peer_chain.as_ref(),
                Some(&server.chain),
                "{allows:?}"
            );
            let ocsp = summary.ocsp_response.as_deref();
            assert_eq!(ocsp, Some(&staple[..]), "{allows:?}");
            let summary = duo.server.summary.as_ref().unwrap();
            assert_eq!(
                summary.peer_chain.as_ref(),
                Some(&client.chain),
                "{allows:?}"
            );
        }
    }
}

/// The Certificate or CompressedCertificate of a server.
fn shown(pki: &Pki, identity: &Identity, compress: bool) -> Vec<u8> {
    let client = pki.leaf("client.example");
    let (ours, theirs) = configs(
        pki,
        credential(identity),
        credential(&client),
        [compress; 2],
    );
    let mut found = Vec::new();
    let outcome = Duo::records(&ours, &theirs).run_with(|flight| {
        let certificates = [kind::CERTIFICATE, kind::COMPRESSED_CERTIFICATE];
        let own = flight.from == Role::Server;
        let shown = flight.pieces.iter().filter(|_| own);
        let mut shown = shown.filter(|piece| certificates.contains(&piece.bytes[0]));
        found.extend(shown.next().map(|piece| piece.bytes.clone()));
        flight.pieces
    });
    assert_eq!(outcome, Outcome::Complete);
    assert_eq!(found.len(), 1);
    found.remove(0)
}

#[test]
fn an_ml_dsa_chain_of_three_gets_smaller() {
    for kind in [Kind::MlDsa65, Kind::P256] {
        let pki = Pki::with(kind, 2);
        let leaf = pki.leaf_with(kind, &[NAME], |_| ());
        assert_eq!(leaf.chain.len(), 3);
        let (plain, packed) = (shown(&pki, &leaf, false), shown(&pki, &leaf, true));
        println!(
            "{kind:?}, a chain of three: {} bytes, compressed {}, {} saved (algorithm {})",
            plain.len(),
            packed.len(),
            plain.len() - packed.len(),
            packed[5],
        );
        assert!(packed.len() < plain.len());
    }
}

/// A CompressedCertificate by zlib.
fn zlib(length: usize, bytes: &[u8]) -> Vec<u8> {
    compressed(
        ZLIB,
        length,
        &miniz_oxide::deflate::compress_to_vec_zlib(bytes, 6),
    )
}

fn compressed(algorithm: u16, length: usize, bytes: &[u8]) -> Vec<u8> {
    let length = &u32::try_from(length).unwrap().to_be_bytes()[1..];
    let body = [&algorithm.to_be_bytes(), length, &vec24(bytes)].concat();
    message(kind::COMPRESSED_CERTIFICATE, &body)
}

/// What the peer of `from` says to this message in the place of its certificates.
fn answer(from: Role, offered: bool, bytes: &[u8]) -> Outcome {
    let pki = Pki::new();
    let [server, client] = [NAME, "client.example"].map(|name| credential(&pki.leaf(name)));
    // The one whose certificates are replaced goes without them as a rule, so that only this message is compressed.
    let (ours, theirs) = configs(&pki, server, client, [offered, offered]);
    Duo::records(&ours, &theirs).run_with(|mut flight| {
        let certificates = [kind::CERTIFICATE, kind::COMPRESSED_CERTIFICATE];
        if flight.from == from {
            for piece in &mut flight.pieces {
                if certificates.contains(&piece.bytes[0]) {
                    *piece = Piece {
                        level: piece.level,
                        bytes: bytes.to_vec(),
                    };
                }
            }
        }
        flight.pieces
    })
}

#[test]
fn what_does_not_expand_as_announced_is_refused() {
    let certificate = {
        let pki = Pki::new();
        shown(&pki, &pki.leaf(NAME), false)[4..].to_vec()
    };
    let length = certificate.len();
    let behind = {
        let mut packed = miniz_oxide::deflate::compress_to_vec_zlib(&certificate, 6);
        packed.push(0);
        compressed(ZLIB, length, &packed)
    };
    let cut = {
        let packed = miniz_oxide::deflate::compress_to_vec_zlib(&certificate, 6);
        compressed(ZLIB, length, &packed[..packed.len() - 1])
    };
    let bomb = vec![0; 16 << 20];
    let most = HANDSHAKE_MESSAGE - 4;
    let wrong = Fault::CompressedCertificate;
    let too_long = Fault::MessageTooLong {
        limit: HANDSHAKE_MESSAGE,
        announced: HANDSHAKE_MESSAGE + 1,
    };
    let of_syntax = |message| Fault::Malformed { message };
    let rows = [
        (
            "one byte less announced",
            zlib(length - 1, &certificate),
            wrong,
        ),
        (
            "one byte more announced",
            zlib(length + 1, &certificate),
            wrong,
        ),
        ("nothing announced", zlib(0, &certificate), wrong),
        ("bytes behind the stream", behind, wrong),
        ("a stream that is cut", cut, wrong),
        ("no stream", compressed(ZLIB, length, &certificate), wrong),
        ("a bomb that says little", zlib(length, &bomb), wrong),
        ("a bomb at the limit", zlib(most, &bomb), wrong),
        (
            "a length past the limit",
            zlib(most + 1, &bomb[..most + 1]),
            too_long,
        ),
        (
            "an empty stream",
            compressed(ZLIB, length, &[]),
            of_syntax(MessageKind::CompressedCertificate),
        ),
        (
            "a message that is cut",
            message(kind::COMPRESSED_CERTIFICATE, &[0, 1, 0]),
            of_syntax(MessageKind::CompressedCertificate),
        ),
        (
            "bytes behind the message's end",
            message(
                kind::COMPRESSED_CERTIFICATE,
                &[&zlib(length, &certificate)[4..], &[0]].concat(),
            ),
            of_syntax(MessageKind::CompressedCertificate),
        ),
        (
            "zeros that are no certificates, at the limit",
            zlib(most, &bomb[..most]),
            of_syntax(MessageKind::Certificate),
        ),
        (
            "an algorithm that was not offered",
            compressed(9, length, &certificate),
            Fault::CompressionNotOffered,
        ),
        (
            "the reserved algorithm",
            compressed(0, length, &certificate),
            Fault::CompressionNotOffered,
        ),
    ];
    for (name, bytes, want) in rows {
        for (from, to) in [(Role::Server, Role::Client), (Role::Client, Role::Server)] {
            let outcome = answer(from, true, &bytes);
            assert_eq!(outcome, Outcome::Failed(to, want.into()), "{name}");
        }
    }
    assert_eq!(wrong.alert(), AlertDescription::BAD_CERTIFICATE);
    let not_offered = Fault::CompressionNotOffered.alert();
    assert_eq!(not_offered, AlertDescription::ILLEGAL_PARAMETER);
}

/// rfc8879#5-1: what is wrong in the certificates themselves is found as if they had come plain.
#[test]
fn what_is_compressed_is_judged_like_what_is_not() {
    let stranger = Pki::new();
    let plain = shown(&stranger, &stranger.leaf(NAME), false);
    for (from, to) in [(Role::Server, Role::Client), (Role::Client, Role::Server)] {
        let packed = answer(from, true, &zlib(plain.len() - 4, &plain[4..])).error(to);
        assert!(matches!(packed, Error::Certificate(_)), "{packed:?}");
        assert_eq!(packed, answer(from, true, &plain).error(to));
    }
}

#[test]
fn an_unsolicited_compressed_certificate_is_unexpected() {
    let bytes = zlib(3, &[0, 0, 0]);
    for (from, to, state) in [
        (Role::Server, Role::Client, "WAIT_CERT"),
        (Role::Client, Role::Server, "WAIT_CERT"),
    ] {
        let want = Fault::UnexpectedMessage {
            state,
            message: MessageKind::CompressedCertificate,
        };
        let outcome = answer(from, false, &bytes);
        assert_eq!(outcome, Outcome::Failed(to, want.into()));
    }
}
