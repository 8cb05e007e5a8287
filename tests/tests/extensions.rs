//! Extensions in every message: where each may stand, those that nobody asked for, repeated ones, bodies that are cut or have
//! bytes left over, and unknown ones that are ignored. Known attacks S08 and S15.
//!
//! The rows are generated from the table of RFC 9846 section 4.3, which stands here once more, independent of the library's.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

use std::sync::{Arc, OnceLock};

use pith_tests::engine::{Engine, Outcome};
use pith_tests::message::{
    Extensions, Hello, certificate, certificate_request, codes, encrypted_extensions, kind,
    messages, ticket, vec8, vec16,
};
use pith_tests::pair::{NAME, credential, trust};
use pith_tests::pki::{Identity, Pki};
use pith_tests::script::{ScriptedServer, entries};
use pith_tests::scripted::{Bench, HANDSHAKE, Role};
use pith_tls::{
    Carrier, ClientConfig, ExtensionType, Fault, Group, Level, MessageKind as M, ServerConfig,
    Trust,
};

const CH: M = M::ClientHello;
const SH: M = M::ServerHello;
const HRR: M = M::HelloRetryRequest;
const EE: M = M::EncryptedExtensions;
const CT: M = M::Certificate;
const CR: M = M::CertificateRequest;
const NST: M = M::NewSessionTicket;

/// Every message that has extensions.
const MESSAGES: [M; 7] = [CH, SH, HRR, EE, CT, CR, NST];

/// RFC 9846 section 4.3: codes and the messages in which they may stand.
const PLACES: [(u16, &[M]); 26] = [
    (0, &[CH, EE, CR]),
    (5, &[CH, CR, CT]),
    (10, &[CH, EE]),
    (13, &[CH, CR]),
    (14, &[CH, EE]),
    (15, &[CH, EE]),
    (16, &[CH, EE]),
    (19, &[CH, EE]),
    (20, &[CH, EE]),
    (21, &[CH]),
    (27, &[CH, CR]),
    (28, &[CH, EE]),
    (34, &[CH, CR, CT]),
    (41, &[CH, SH]),
    (42, &[CH, EE, NST]),
    (43, &[CH, SH, HRR]),
    (44, &[CH, HRR]),
    (45, &[CH]),
    (47, &[CH, CR]),
    (48, &[CR]),
    (49, &[CH]),
    (50, &[CH, CR]),
    (51, &[CH, SH, HRR]),
    (57, &[CH, EE]),
    (58, &[CH, EE]),
    (0xfe0d, &[CH, HRR, EE]),
];

struct Configs {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    retrying: Arc<ServerConfig>,
    trust: Trust,
    leaf: Identity,
}

fn configs() -> &'static Configs {
    static CONFIGS: OnceLock<Configs> = OnceLock::new();
    CONFIGS.get_or_init(|| {
        let pki = Pki::new();
        let leaf = pki.leaf(NAME);
        let client = ClientConfig::new(trust(&pki)).alpn(&[b"h2"]);
        let server = || ServerConfig::new(credential(&leaf)).alpn(&[b"h2"]);
        let retrying = server().groups(&[Group::Secp256r1]).build().unwrap();
        Configs {
            client: client
                .shares(&[Group::X25519])
                .groups(&[Group::X25519, Group::Secp256r1])
                .build()
                .unwrap(),
            server: server().groups(&[Group::X25519]).build().unwrap(),
            retrying,
            trust: trust(&pki),
            leaf,
        }
    })
}

/// A connection whose peer's next message is of this kind, and that message taken apart: its extensions, and a way to put
/// it together again.
struct At {
    bench: Bench,
    extensions: Extensions,
    assemble: Box<dyn Fn(&Extensions) -> Vec<u8>>,
}

impl At {
    fn new(message: M) -> Self {
        let (role, server, number) = match message {
            M::ClientHello => (Role::Server, &configs().server, 0),
            M::HelloRetryRequest => (Role::Client, &configs().retrying, 0),
            M::ServerHello => (Role::Client, &configs().server, 0),
            M::EncryptedExtensions => (Role::Client, &configs().server, 1),
            M::CertificateRequest | M::Certificate => (Role::Client, &configs().server, 2),
            M::NewSessionTicket => (Role::Client, &configs().server, 5),
            other => panic!("{other} has no extensions"),
        };
        let mut bench = Bench::with(role, &configs().client, server);
        let before = bench.peer.honest(number);
        bench.feed(&before).unwrap();
        let next = bench.peer.next_message().unwrap_or_default();
        type Assemble = Box<dyn Fn(&Extensions) -> Vec<u8>>;
        let (extensions, assemble): (_, Assemble) = match message {
            M::ClientHello | M::ServerHello | M::HelloRetryRequest => {
                let hello = Hello::parse(&next);
                let extensions = hello.extensions.clone();
                let assemble = move |extensions: &Extensions| {
                    let extensions = extensions.clone();
                    Hello {
                        extensions,
                        ..hello.clone()
                    }
                    .encode()
                };
                (extensions, Box::new(assemble))
            }
            M::EncryptedExtensions => (
                Extensions::parse(&next[4..]),
                Box::new(encrypted_extensions),
            ),
            M::Certificate => {
                let mut chain = entries(&configs().leaf);
                let assemble = move |extensions: &Extensions| {
                    chain[0].1 = extensions.clone();
                    certificate(&[], &chain)
                };
                let assemble = std::cell::RefCell::new(assemble);
                (
                    Extensions::default(),
                    Box::new(move |extensions| (assemble.borrow_mut())(extensions)),
                )
            }
            M::CertificateRequest => (
                Extensions(vec![(13, vec16(&codes(&[0x0403])))]),
                Box::new(|extensions| certificate_request(&[], extensions)),
            ),
            _ => (Extensions::default(), Box::new(ticket)),
        };
        Self {
            bench,
            extensions,
            assemble,
        }
    }

    fn fails(mut self, row: &str, extensions: &Extensions, want: Fault) {
        let message = (self.assemble)(extensions);
        let wire = self.bench.peer.record(HANDSHAKE, &message);
        self.bench.fails(row, &wire, want);
    }
}

/// rfc9846#4.3-5: a known extension in a message where it may not stand is illegal_parameter, whatever is in it.
#[test]
fn a_known_extension_stands_only_where_the_rfc_allows() {
    let mut rows = 0;
    for (code, places) in PLACES {
        for message in MESSAGES {
            if places.contains(&message) {
                continue;
            }
            for first in [false, true] {
                let at = At::new(message);
                let mut extensions = at.extensions.clone();
                let place = if first { 0 } else { extensions.0.len() };
                extensions.0.insert(place, (code, vec![0, 0]));
                let extension = ExtensionType(code);
                let want = Fault::MisplacedExtension { extension, message };
                at.fails(&format!("{extension} in {message}"), &extensions, want);
                rows += 1;
            }
        }
    }
    assert!(rows > 200, "{rows} rows");
}

/// rfc9846#4.3-4: a response to nothing is unsupported_extension, known or not.
#[test]
fn a_response_that_nobody_asked_for_is_refused() {
    let offered = [0, 43, 10, 13, 16, 51];
    let unknown = [0x0a0a, 0x1234, 18, 55, 0xff01, 0xffff];
    for message in [SH, HRR, EE, CT] {
        let legal = PLACES
            .iter()
            .filter(|(_, places)| places.contains(&message));
        let known = legal.map(|(code, _)| *code).filter(|code| {
            // The one response that needs no request.
            !offered.contains(code) && (*code, message) != (44, HRR)
        });
        for code in known.chain(unknown) {
            let at = At::new(message);
            let mut extensions = at.extensions.clone();
            extensions.push(code, [0, 0]);
            let extension = ExtensionType(code);
            let want = Fault::UnsolicitedExtension { extension, message };
            at.fails(&format!("{extension} in {message}"), &extensions, want);
        }
    }
}

/// rfc9846#4.3-7: no extension stands twice, in any message, known or not.
#[test]
fn no_extension_stands_twice() {
    for message in MESSAGES {
        for (code, body) in At::new(message).extensions.0 {
            let at = At::new(message);
            let mut extensions = at.extensions.clone();
            extensions.0.insert(0, (code, body));
            let extension = ExtensionType(code);
            let want = Fault::RepeatedExtension { extension };
            at.fails(&format!("{extension} in {message}"), &extensions, want);
        }
    }
    for message in [CH, CR, NST] {
        let at = At::new(message);
        let mut extensions = at.extensions.clone();
        extensions.push(0x1234, []);
        extensions.push(0x5678, []);
        extensions.push(0x1234, []);
        let want = Fault::RepeatedExtension {
            extension: ExtensionType(0x1234),
        };
        at.fails(&format!("twice in {message}"), &extensions, want);
    }
}

/// rfc9846#4.3-2: each extension that is read, with its body a byte longer, a byte shorter, and empty.
#[test]
fn a_body_that_does_not_fit_is_a_decode_error() {
    let mut rows = 0;
    for message in MESSAGES {
        for (code, body) in At::new(message).extensions.0 {
            let mut bodies = vec![[&body[..], &[0]].concat(), [&body[..], &[0; 300]].concat()];
            if !body.is_empty() {
                bodies.push(body[..body.len() - 1].to_vec());
                bodies.push(Vec::new());
            }
            for other in bodies {
                let at = At::new(message);
                let mut extensions = at.extensions.clone();
                extensions.set(code, other.clone());
                let row = format!(
                    "{code} in {message}, {} for {} bytes",
                    other.len(),
                    body.len()
                );
                at.fails(&row, &extensions, Fault::Malformed { message });
                rows += 1;
            }
        }
    }
    assert!(rows > 40, "{rows} rows");
    // A cookie stands in no honest HelloRetryRequest of ours.
    for body in [&[][..], &[0], &[0, 0], &[0, 2, 7], &[0, 1, 7, 0]] {
        let at = At::new(HRR);
        let mut extensions = at.extensions.clone();
        extensions.push(44, body);
        at.fails("a cookie", &extensions, Fault::Malformed { message: HRR });
    }
}

/// The same for what may stand there and does not by default: lists of schemes and of authorities.
#[test]
fn an_optional_body_that_does_not_fit_is_a_decode_error() {
    let schemes: &[&[u8]] = &[&[], &[0], &[0, 0], &[0, 1, 4], &[0, 2, 4], &[0, 2, 4, 3, 0]];
    let authorities: &[&[u8]] = &[
        &[],
        &[0, 0],
        &[0, 2, 0, 0],
        &[0, 3, 0, 0, 0],
        &[0, 3, 0, 2, 7],
        &[0, 4, 0, 1, 7, 0],
        &[0, 3, 0, 1, 7, 0],
    ];
    for message in [CH, CR] {
        for (code, bodies) in [(50, schemes), (47, authorities)] {
            for body in bodies {
                let at = At::new(message);
                let mut extensions = at.extensions.clone();
                extensions.push(code, *body);
                let row = format!("{code} in {message}: {body:?}");
                at.fails(&row, &extensions, Fault::Malformed { message });
            }
        }
    }
}

/// A CertificateStatus that was asked for (rfc9846#4.5.1.1-1).
#[test]
fn a_stapled_status_that_does_not_fit_is_a_decode_error() {
    let configs = configs();
    let client = ClientConfig::new(configs.trust.clone()).request_ocsp(true);
    let client = client.build().unwrap();
    let at = |body: &[u8]| {
        let mut bench = Bench::with(Role::Client, &client, &configs.server);
        let before = bench.peer.honest(2);
        bench.feed(&before).unwrap();
        let mut chain = entries(&configs.leaf);
        chain[0].1.push(5, body);
        let wire = bench.peer.record(HANDSHAKE, &certificate(&[], &chain));
        (bench, wire)
    };
    let (mut bench, wire) = at(&[1, 0, 0, 1, 7]);
    assert_eq!(bench.feed(&wire), Ok(()));
    let bodies: &[&[u8]] = &[
        &[],
        &[1],
        &[2, 0, 0, 1, 7],
        &[1, 0, 0, 0],
        &[1, 0, 0, 2, 7],
        &[1, 0, 0, 1, 7, 0],
    ];
    for body in bodies {
        let (mut bench, wire) = at(body);
        bench.fails(
            &format!("{body:?}"),
            &wire,
            Fault::Malformed { message: CT },
        );
    }
}

/// A block whose length says less or more than there is.
#[test]
fn a_block_that_does_not_fit_is_a_decode_error() {
    for message in MESSAGES {
        let extensions = At::new(message).extensions;
        for change in [1_u16, 3, u16::MAX] {
            let mut at = At::new(message);
            let mut bytes = (at.assemble)(&extensions);
            // The block is the message's end, or that of its only entry.
            let block = extensions.encode();
            let from = bytes.len() - block.len();
            let length = u16::from_be_bytes([block[0], block[1]]).wrapping_add(change);
            bytes[from..from + 2].copy_from_slice(&length.to_be_bytes());
            let wire = at.bench.peer.record(HANDSHAKE, &bytes);
            let row = format!("{message}, {change}");
            at.bench.fails(&row, &wire, Fault::Malformed { message });
        }
    }
}

/// S15, rfc9846#4.4.2-7 and #4.7.1-8: what stands in a request and is not known is ignored. A scripted server asks for a certificate
/// and sends tickets; the client has none, says so, and is complete.
#[test]
fn unknown_codes_in_requests_are_ignored() {
    let leaf = &configs().leaf;
    let rows: [(&str, Extensions); 4] = [
        (
            "as usual",
            Extensions(vec![(13, vec16(&codes(&[0x0403, 0x0804])))]),
        ),
        (
            "schemes that nobody knows",
            Extensions(vec![(13, vec16(&codes(&[0x0a0a, 0xfe00, 0xffff])))]),
        ),
        (
            "extensions that nobody knows",
            Extensions(vec![
                (0x1a1a, vec![]),
                (13, vec16(&codes(&[0x0403]))),
                (0xffff, vec![1, 2, 3]),
            ]),
        ),
        (
            "everything that may stand there",
            Extensions(vec![
                (0, vec![]),
                (5, vec![]),
                (50, vec16(&codes(&[0x0401]))),
                (13, vec16(&codes(&[0x0403]))),
                (27, vec8(&codes(&[2]))),
                (34, vec16(&codes(&[0x0403]))),
                (47, vec16(&vec16(b"an issuer"))),
                (48, vec16(&[])),
            ]),
        ),
    ];
    for (row, request) in rows {
        let mut engine = Engine::client(&configs().client, Carrier::Records);
        let mut script = ScriptedServer::new(&engine.take()[0].bytes, 0x1301);
        let hello = script.hello();
        let hello = script.send_hello(&hello);
        engine.read(Level::Initial, &hello).unwrap();
        let flight = [
            script.send(encrypted_extensions(&Extensions::default())),
            script.send(certificate_request(&[], &request)),
            script.certificate(leaf),
            script.verify(leaf),
            script.finished(),
        ];
        for message in flight {
            assert_eq!(engine.read(Level::Handshake, &message), Ok(()), "{row}");
        }
        let answer: Vec<_> = engine.take().into_iter().map(|piece| piece.bytes).collect();
        // rfc9846#4.5.1-3: no suitable certificate is an empty Certificate, and no CertificateVerify.
        assert_eq!(answer[0], certificate(&[], &[]), "{row}");
        assert_eq!(answer.len(), 2, "{row}");
        assert!(script.accepts(&answer), "{row}: the client's Finished");
        assert!(engine.tls.is_complete(), "{row}");

        let tickets = [
            Extensions::default(),
            Extensions(vec![(42, vec![0xff; 4])]),
            Extensions(vec![
                (0x3a3a, vec![]),
                (42, vec![0, 0, 0, 9]),
                (0xffff, vec![7; 99]),
            ]),
        ];
        for extensions in tickets {
            assert_eq!(
                engine.read(Level::Application, &ticket(&extensions)),
                Ok(()),
                "{row}"
            );
        }
        assert!(engine.tls.is_complete() && engine.outbox.is_empty());
    }
}

/// rfc9846#4.5.1-3: without a CertificateRequest a client shows nothing.
#[test]
fn a_client_that_is_not_asked_sends_finished_alone() {
    let mut duo = pith_tests::engine::Duo::records(&configs().client, &configs().server);
    let mut last = Vec::new();
    let outcome = duo.run_with(|flight| {
        last = flight.pieces.iter().map(|piece| piece.bytes[0]).collect();
        flight.pieces
    });
    assert_eq!(outcome, Outcome::Complete);
    assert_eq!(last, [kind::FINISHED]);
}

/// A server's own groups may stand in its EncryptedExtensions and mean nothing yet (rfc9846#4.3.7-2).
#[test]
fn groups_of_the_server_are_read_and_ignored() {
    let leaf = &configs().leaf;
    for groups in [&[29_u16][..], &[0x11ec, 0x0a0a, 0xffff]] {
        let mut engine = Engine::client(&configs().client, Carrier::Records);
        let mut script = ScriptedServer::new(&engine.take()[0].bytes, 0x1302);
        let hello = script.hello();
        let hello = script.send_hello(&hello);
        engine.read(Level::Initial, &hello).unwrap();
        let extensions = Extensions(vec![(10, vec16(&codes(groups)))]);
        let flight = [
            script.send(encrypted_extensions(&extensions)),
            script.certificate(leaf),
            script.verify(leaf),
            script.finished(),
        ];
        engine.read(Level::Handshake, &flight.concat()).unwrap();
        let answer = messages(&engine.take()[0].bytes);
        assert!(script.accepts(&answer));
    }
}
