//! The server's protected flight, the client's Finished, and what comes after them.

use pith_tests::message::{
    Extensions, certificate, certificate_request, certificate_verify, codes, encrypted_extensions,
    share,
};

use super::*;

const EE: MessageKind = MessageKind::EncryptedExtensions;
const CT: MessageKind = MessageKind::Certificate;
const CR: MessageKind = MessageKind::CertificateRequest;

#[test]
fn encrypted_extensions_with_a_wrong_field() {
    use ExtensionType as E;
    type Edit = fn(&mut Extensions);
    let rows: &[(&str, Edit, Fault)] = &[
        (
            "a protocol that is not offered",
            |x| x.set(16, vec16(&vec8(b"h3"))),
            Fault::ProtocolNotOffered,
        ),
        (
            "two protocols",
            |x| x.set(16, vec16(&[vec8(b"h2"), vec8(b"http/1.1")].concat())),
            Fault::ProtocolNotOffered,
        ),
        (
            "no protocol in the list",
            |x| x.set(16, vec16(&[])),
            malformed(EE),
        ),
        (
            "an empty protocol",
            |x| x.set(16, vec16(&[0])),
            malformed(EE),
        ),
        (
            "a server name with a body",
            |x| x.set(0, [0]),
            malformed(EE),
        ),
        (
            "an empty list of groups",
            |x| x.push(10, vec16(&[])),
            malformed(EE),
        ),
        (
            "the server name twice",
            |x| x.push(0, []),
            Fault::RepeatedExtension {
                extension: E::SERVER_NAME,
            },
        ),
        (
            "early data",
            |x| x.push(42, []),
            Fault::UnsolicitedExtension {
                extension: E::EARLY_DATA,
                message: EE,
            },
        ),
        (
            "an unknown extension",
            |x| x.push(GREASE, []),
            Fault::UnsolicitedExtension {
                extension: E(GREASE),
                message: EE,
            },
        ),
        (
            "transport parameters",
            |x| x.push(57, []),
            Fault::UnsolicitedExtension {
                extension: E::QUIC_TRANSPORT_PARAMETERS,
                message: EE,
            },
        ),
        (
            "a key share",
            |x| x.push(51, share(29, &[9; 32])),
            Fault::MisplacedExtension {
                extension: E::KEY_SHARE,
                message: EE,
            },
        ),
        (
            "a version",
            |x| x.push(43, [3, 4]),
            Fault::MisplacedExtension {
                extension: E::SUPPORTED_VERSIONS,
                message: EE,
            },
        ),
    ];
    for (row, edit, want) in rows {
        let by_fields = |bytes: &[u8]| {
            let mut extensions = Extensions::parse(&bytes[4..]);
            edit(&mut extensions);
            encrypted_extensions(&extensions)
        };
        provoke(row, Role::Client, &configs().server, 1, by_fields, *want);
    }
}

#[test]
fn a_certificate_request_with_a_wrong_field() {
    use ExtensionType as E;
    let schemes = || Extensions(vec![(13, vec16(&codes(&[0x0403])))]);
    let with = |code: u16, body: Vec<u8>| {
        let mut extensions = schemes();
        extensions.set(code, body);
        extensions
    };
    let rows = [
        ("a context", vec![7], schemes(), Fault::CertificateContext),
        (
            "no schemes",
            vec![],
            Extensions::default(),
            missing(E::SIGNATURE_ALGORITHMS, CR),
        ),
        (
            "an empty list of schemes",
            vec![],
            with(13, vec16(&[])),
            malformed(CR),
        ),
        (
            "half a scheme",
            vec![],
            with(13, vec16(&[4])),
            malformed(CR),
        ),
        (
            "a key share",
            vec![],
            with(51, vec![0, 29]),
            Fault::MisplacedExtension {
                extension: E::KEY_SHARE,
                message: CR,
            },
        ),
        (
            "schemes twice",
            vec![],
            Extensions([schemes().0, schemes().0].concat()),
            Fault::RepeatedExtension {
                extension: E::SIGNATURE_ALGORITHMS,
            },
        ),
    ];
    for (row, context, extensions, want) in rows {
        // The request stands in the place of the Certificate.
        let request = certificate_request(&context, &extensions);
        provoke(row, Role::Client, &configs().server, 2, |_| request, want);
    }
    let request = certificate_request(&[], &schemes());
    let twice = [&request[..], &request].concat();
    let want = Fault::UnexpectedMessage {
        state: "WAIT_CERT",
        message: CR,
    };
    provoke(
        "two requests",
        Role::Client,
        &configs().server,
        2,
        |_| twice,
        want,
    );
}

#[test]
fn a_certificate_message_with_a_wrong_field() {
    use ExtensionType as E;
    let der = |bytes: &[u8]| {
        let length = usize::from(bytes[9]) << 8 | usize::from(bytes[10]);
        bytes[11..11 + length].to_vec()
    };
    let entry = |bytes: &[u8], code: u16, body: &[u8]| {
        vec![(der(bytes), Extensions(vec![(code, body.to_vec())]))]
    };
    type Rewrite<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;
    let rows: [(&str, Rewrite<'_>, Fault); 8] = [
        (
            "a context",
            &|bytes| certificate(&[7], &[(der(bytes), Extensions::default())]),
            Fault::CertificateContext,
        ),
        (
            "no certificate",
            &|_| certificate(&[], &[]),
            Fault::EmptyCertificate,
        ),
        (
            "an empty certificate",
            &|_| certificate(&[], &[(Vec::new(), Extensions::default())]),
            malformed(CT),
        ),
        (
            "too many certificates",
            &|bytes| {
                let one = (der(bytes), Extensions::default());
                certificate(&[], &vec![one; limits::CHAIN_CERTIFICATES + 1])
            },
            Fault::ChainTooLong,
        ),
        (
            "an OCSP response that was not asked for",
            &|bytes| certificate(&[], &entry(bytes, 5, &[1, 0, 0, 1, 0])),
            Fault::UnsolicitedExtension {
                extension: E::STATUS_REQUEST,
                message: CT,
            },
        ),
        (
            "an unknown extension",
            &|bytes| certificate(&[], &entry(bytes, GREASE, &[])),
            Fault::UnsolicitedExtension {
                extension: E(GREASE),
                message: CT,
            },
        ),
        (
            "a key share",
            &|bytes| certificate(&[], &entry(bytes, 51, &[])),
            Fault::MisplacedExtension {
                extension: E::KEY_SHARE,
                message: CT,
            },
        ),
        (
            "a longer chain than a message may have",
            &|_| vec![kind::CERTIFICATE, 1, 0, 0],
            Fault::MessageTooLong {
                limit: limits::HANDSHAKE_MESSAGE,
                announced: 65_540,
            },
        ),
    ];
    for (row, rewrite, want) in rows {
        provoke(row, Role::Client, &configs().server, 2, rewrite, want);
    }
}

/// Known attack S02: every scheme's code, over every kind of key, signed as well as can be.
#[test]
fn a_certificate_verify_with_another_scheme() {
    let offered = [
        0x0403, 0x0503, 0x0603, 0x0807, 0x0804, 0x0805, 0x0806, 0x0904, 0x0905, 0x0906,
    ];
    let codes = [
        0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080a, 0x080b,
        0x0401, 0x0501, 0x0601, 0x0201, 0x0203, 0x0202, 0x0402, 0x0904, 0x0905, 0x0906, 0x0000,
        GREASE, 0xffff,
    ];
    for kind in Kind::ALL {
        let pki = Pki::with(Kind::P256, 0);
        let leaf = pki.leaf_with(kind, &[NAME], |_| ());
        let client = ClientConfig::new(trust(&pki)).build().unwrap();
        let server = ServerConfig::new(credential(&leaf)).build().unwrap();
        let fitting: &[u16] = match kind {
            Kind::P256 => &[0x0403],
            Kind::P384 => &[0x0503],
            Kind::P521 => &[0x0603],
            Kind::Ed25519 | Kind::Fixed(_) => &[0x0807],
            Kind::MlDsa44 => &[0x0904],
            Kind::MlDsa65 => &[0x0905],
            Kind::MlDsa87 => &[0x0906],
            Kind::Rsa2048 | Kind::Rsa8192 => &[0x0804, 0x0805, 0x0806],
        };
        for code in codes {
            let mut bench = Bench::with(Role::Client, &client, &server);
            let before = bench.peer.honest(3);
            bench.feed(&before).unwrap();
            let honest = bench.peer.next_message().unwrap();
            let own = u16::from_be_bytes([honest[4], honest[5]]);
            if code == own {
                continue;
            }
            let changed = certificate_verify(code, &honest[8..]);
            let wire = bench.peer.record(HANDSHAKE, &changed);
            let want = match (fitting.contains(&code), offered.contains(&code)) {
                // Another hash of the same key: the code fits, the signature is over something else.
                (true, _) => Fault::CertificateVerifySignature,
                (false, true) => Fault::CertificateKeyMismatch,
                (false, false) => Fault::CertificateVerifyScheme,
            };
            bench.fails(&format!("{kind:?} {code:#06x}"), &wire, want);
        }
    }
}

#[test]
fn a_certificate_verify_or_finished_that_does_not_verify() {
    let flip = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        bytes
    };
    let server = &configs().server;
    let signature = Fault::CertificateVerifySignature;
    let (cv, fin) = (MessageKind::CertificateVerify, MessageKind::Finished);
    provoke("a signature", Role::Client, server, 3, flip, signature);
    let empty = |bytes: &[u8]| certificate_verify(u16::from_be_bytes([bytes[4], bytes[5]]), &[]);
    provoke("no signature", Role::Client, server, 3, empty, signature);
    let short = |_: &[u8]| message(kind::CERTIFICATE_VERIFY, &[4]);
    provoke(
        "half a scheme",
        Role::Client,
        server,
        3,
        short,
        malformed(cv),
    );
    for (role, number) in [(Role::Client, 4), (Role::Server, 1)] {
        provoke("a Finished", role, server, number, flip, Fault::Finished);
        let zero = |bytes: &[u8]| message(kind::FINISHED, &vec![0; bytes.len() - 4]);
        provoke("zeros", role, server, number, zero, Fault::Finished);
        for length in [0, 1, 31, 33, 48] {
            let other = |_: &[u8]| message(kind::FINISHED, &vec![0; length]);
            provoke(
                "of another length",
                role,
                server,
                number,
                other,
                malformed(fin),
            );
        }
    }
}

/// A server that asks for a certificate: what it makes of the client's messages.
#[test]
fn a_client_certificate_with_a_wrong_field() {
    use ExtensionType as E;
    let pki = Pki::new();
    let client = ClientConfig::new(trust(&pki)).credential(credential(&pki.leaf("client.example")));
    let client = client.build().unwrap();
    let server = ServerConfig::new(credential(&pki.leaf(NAME)));
    let server = server
        .client_auth(ClientAuth::Required(trust(&pki)))
        .build()
        .unwrap();
    let der = |bytes: &[u8]| {
        let length = usize::from(bytes[9]) << 8 | usize::from(bytes[10]);
        bytes[11..11 + length].to_vec()
    };
    let flipped = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        bytes
    };
    type Rewrite<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;
    let rows: [(&str, usize, Rewrite<'_>, Fault); 9] = [
        (
            "a context",
            1,
            &|bytes| certificate(&[7], &[(der(bytes), Extensions::default())]),
            Fault::CertificateContext,
        ),
        (
            "no certificate",
            1,
            &|_| certificate(&[], &[]),
            Fault::NoClientCertificate,
        ),
        (
            "an extension that was not asked for",
            1,
            &|bytes| certificate(&[], &[(der(bytes), Extensions(vec![(GREASE, vec![])]))]),
            Fault::UnsolicitedExtension {
                extension: E(GREASE),
                message: CT,
            },
        ),
        (
            "too many certificates",
            1,
            &|bytes| {
                let one = (der(bytes), Extensions::default());
                certificate(&[], &vec![one; limits::CHAIN_CERTIFICATES + 1])
            },
            Fault::ChainTooLong,
        ),
        (
            "a longer chain than a message may have",
            1,
            &|_| vec![kind::CERTIFICATE, 1, 0, 0],
            Fault::MessageTooLong {
                limit: limits::HANDSHAKE_MESSAGE,
                announced: 65_540,
            },
        ),
        (
            "a scheme of another key",
            2,
            &|bytes| certificate_verify(0x0807, &bytes[8..]),
            Fault::CertificateKeyMismatch,
        ),
        (
            "a scheme for chains alone",
            2,
            &|bytes| certificate_verify(0x0401, &bytes[8..]),
            Fault::CertificateVerifyScheme,
        ),
        (
            "a signature",
            2,
            &flipped,
            Fault::CertificateVerifySignature,
        ),
        ("a Finished", 3, &flipped, Fault::Finished),
    ];
    for (row, number, rewrite, want) in rows {
        let mut bench = Bench::with(Role::Server, &client, &server);
        for _ in 0..number {
            let before = bench.peer.honest(1);
            bench.feed(&before).unwrap();
        }
        let more = bench.peer.next_message().unwrap_or_default();
        let wire = bench.peer.record(HANDSHAKE, &rewrite(&more));
        bench.fails(row, &wire, want);
    }
}

#[test]
fn a_message_after_the_handshake_with_a_wrong_field() {
    let rows = [
        (
            "a KeyUpdate of 2",
            vec![24, 0, 0, 1, 2],
            Fault::KeyUpdateValue,
        ),
        (
            "a KeyUpdate of 255",
            vec![24, 0, 0, 1, 255],
            Fault::KeyUpdateValue,
        ),
        (
            "an empty KeyUpdate",
            vec![24, 0, 0, 0],
            malformed(MessageKind::KeyUpdate),
        ),
        (
            "a long KeyUpdate",
            vec![24, 0, 0, 2, 0, 0],
            malformed(MessageKind::KeyUpdate),
        ),
    ];
    for role in [Role::Client, Role::Server] {
        for (row, bytes, want) in &rows {
            let mut bench = Bench::with(role, &configs().client, &configs().server);
            bench.finish().unwrap();
            let wire = bench.peer.record(HANDSHAKE, bytes);
            bench.fails(row, &wire, *want);
        }
        let mut bench = Bench::with(role, &configs().client, &configs().server);
        bench.finish().unwrap();
        let mut wire = Vec::new();
        for _ in 0..=limits::QUIET_MESSAGES {
            wire.extend(bench.peer.key_update(&[24, 0, 0, 1, 0]));
        }
        bench.fails("too many KeyUpdates", &wire, Fault::TooManyQuietMessages);
    }
}
