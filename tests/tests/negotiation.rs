//! What a client offers by default, and what a server chooses from an offer.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::sync::Arc;

use pith_tests::engine::{Duo, Engine, Outcome, Role};
use pith_tests::message::{Hello, codes, share, vec8, vec16};
use pith_tests::pair::{NAME, NOW, configs, credential, trust};
use pith_tests::pki::{Kind, Pki};
use pith_tests::script::ScriptedClient;
use pith_tls::{
    Carrier, CipherSuite, ClientConfig, Error, Fault, Group, Handshake, Level, ServerConfig,
    ServerName, SignatureScheme,
};

fn first_hello(config: &Arc<ClientConfig>) -> Hello {
    Hello::parse(&Engine::client(config, Carrier::Records).outbox[0].bytes)
}

/// The offer of a client that was told nothing but whom to trust.
#[test]
fn the_default_offer() {
    let hello = first_hello(&configs().0);
    assert_eq!(hello.version, 0x0303);
    assert_eq!(hello.compression, [0]);
    assert_eq!(hello.session_id.len(), 32);
    assert_eq!(hello.suites, [0x1301, 0x1302, 0x1303]);
    // server_name first, key_share last; nothing that this library does not act on.
    assert_eq!(hello.extensions.codes(), [0, 43, 10, 13, 27, 51]);
    let name = vec16(&[&[0][..], &vec16(NAME.as_bytes())].concat());
    assert_eq!(hello.extensions.body(0), name);
    assert_eq!(hello.extensions.body(43), [2, 3, 4], "TLS 1.3 alone");
    assert_eq!(hello.extensions.body(27), [2, 0, 1], "zlib");
    // X25519MLKEM768, SecP256r1MLKEM768, SecP384r1MLKEM1024, X25519, P-256, P-384, P-521.
    let groups = [0x11ec, 0x11eb, 0x11ed, 29, 23, 24, 25];
    assert_eq!(hello.list(10), groups);
    // ML-DSA, then ECDSA, Ed25519 and RSA-PSS; PKCS#1 for chains alone, last. No SHA-1.
    let schemes = [
        0x0904, 0x0905, 0x0906, 0x0403, 0x0503, 0x0603, 0x0807, 0x0804, 0x0805, 0x0806, 0x0401,
        0x0501, 0x0601,
    ];
    assert_eq!(hello.list(13), schemes);
}

/// RFC 9954 lets both shares have the one X25519 key; anything else is fresh, in each hello.
#[test]
fn shares_are_fresh_and_have_x25519_in_common() {
    let config = configs().0;
    let hellos = [first_hello(&config), first_hello(&config)];
    for hello in &hellos {
        let shares = hello.shares();
        let groups: Vec<_> = shares.iter().map(|share| share.0).collect();
        assert_eq!(groups, [0x11ec, 29]);
        assert_eq!(shares[0].1.len(), 1216);
        assert_eq!(shares[0].1[1184..], shares[1].1);
    }
    let [a, b] = &hellos;
    assert_ne!(a.random, b.random);
    assert_ne!(a.session_id, b.session_id);
    assert_ne!(a.shares()[0].1[..1184], b.shares()[0].1[..1184]);
    assert_ne!(a.shares()[1], b.shares()[1]);
}

#[test]
fn an_address_is_no_server_name() {
    for address in ["192.0.2.1", "2001:db8::1"] {
        let name = ServerName::try_from(address).unwrap();
        let tls = Handshake::client(configs().0, name, Carrier::Records, NOW).unwrap();
        let hello = Hello::parse(&Engine::new(tls).outbox[0].bytes);
        assert!(!hello.extensions.has(0), "{address}");
    }
}

/// A server goes by its own order among suites.
#[test]
fn a_server_goes_by_its_own_order_of_suites() {
    use CipherSuite::{
        Aes128GcmSha256 as Aes128, Aes256GcmSha384 as Aes256, ChaCha20Poly1305Sha256 as ChaCha,
    };
    let pki = Pki::new();
    let leaf = pki.leaf(NAME);
    let rows: [(&[CipherSuite], &[CipherSuite], CipherSuite); 5] = [
        (&[Aes128, Aes256, ChaCha], &[Aes128, Aes256, ChaCha], Aes128),
        (&[ChaCha, Aes256, Aes128], &[Aes128, Aes256, ChaCha], Aes128),
        (&[Aes128, ChaCha], &[ChaCha, Aes128], ChaCha),
        (&[Aes256], &[Aes128, ChaCha, Aes256], Aes256),
        (&[Aes128, ChaCha, Aes256], &[ChaCha], ChaCha),
    ];
    for (offered, accepted, want) in rows {
        let client = ClientConfig::new(trust(&pki))
            .suites(offered)
            .build()
            .unwrap();
        let server = ServerConfig::new(credential(&leaf)).suites(accepted);
        let mut duo = Duo::records(&client, &server.build().unwrap());
        assert_eq!(duo.run(), Outcome::Complete);
        assert_eq!(
            duo.client.summary.unwrap().suite,
            want,
            "{offered:?} {accepted:?}"
        );
    }
}

/// Known attack P07: a post-quantum group that the client names is worth a retry, a classical one is not.
#[test]
fn a_post_quantum_group_is_worth_a_retry() {
    use Group::{
        MlKem768, SecP256r1MlKem768 as P256Hybrid, SecP384r1MlKem1024 as P384Hybrid,
        Secp256r1 as P256, Secp384r1 as P384, X25519, X25519MlKem768 as Hybrid,
    };
    let pki = Pki::new();
    let leaf = pki.leaf(NAME);
    // (what the client names, its shares, what the server has, the choice, by a retry)
    type Row<'a> = (&'a [Group], &'a [Group], &'a [Group], Group, bool);
    let rows: &[Row<'_>] = &[
        (
            &[Hybrid, X25519],
            &[Hybrid, X25519],
            &[Hybrid, X25519],
            Hybrid,
            false,
        ),
        (
            &[Hybrid, X25519],
            &[X25519],
            &[Hybrid, X25519],
            Hybrid,
            true,
        ),
        (
            &[X25519, Hybrid],
            &[X25519],
            &[X25519, Hybrid],
            Hybrid,
            true,
        ),
        (
            &[Hybrid, P256Hybrid],
            &[Hybrid],
            &[P256Hybrid, Hybrid],
            Hybrid,
            false,
        ),
        (
            &[Hybrid, P384Hybrid, X25519],
            &[Hybrid, X25519],
            &[P384Hybrid, X25519],
            P384Hybrid,
            true,
        ),
        (
            &[P384Hybrid, P256Hybrid, X25519],
            &[X25519],
            &[P256Hybrid, P384Hybrid],
            P256Hybrid,
            true,
        ),
        (
            &[MlKem768, X25519],
            &[X25519],
            &[X25519, MlKem768],
            MlKem768,
            true,
        ),
        (
            &[X25519, P256],
            &[X25519],
            &[Hybrid, P256, X25519],
            X25519,
            false,
        ),
        (
            &[X25519, P256],
            &[X25519, P256],
            &[P256, X25519],
            P256,
            false,
        ),
        (&[X25519, P256, P384], &[X25519], &[P384, P256], P384, true),
        (
            &[Hybrid, X25519],
            &[Hybrid, X25519],
            &[P256, X25519],
            X25519,
            false,
        ),
        (
            &[Hybrid, X25519, P256],
            &[Hybrid, X25519],
            &[P256],
            P256,
            true,
        ),
    ];
    for (named, shared, accepted, want, retried) in rows {
        let client = ClientConfig::new(trust(&pki)).groups(named).shares(shared);
        let server = ServerConfig::new(credential(&leaf)).groups(accepted);
        let mut duo = Duo::records(&client.build().unwrap(), &server.build().unwrap());
        let row = format!("{named:?} with shares {shared:?}, {accepted:?}");
        assert_eq!(duo.run(), Outcome::Complete, "{row}");
        let summary = duo.client.summary.unwrap();
        assert_eq!((summary.group, summary.retried), (*want, *retried), "{row}");
    }
}

/// A client may send no share at all and let the server choose.
#[test]
fn a_hello_without_shares_takes_a_retry() {
    let server = configs().1;
    for groups in [
        &[Group::X25519][..],
        &[Group::Secp256r1, Group::X25519MlKem768],
    ] {
        let mut script = ScriptedClient::new(groups);
        script.hello.set_shares(&[]);
        let mut engine = Engine::server(&server, Carrier::Records);
        engine.read(Level::Initial, &script.send()).unwrap();
        script.retry(&engine.take()[0].bytes);
        engine.read(Level::Initial, &script.send()).unwrap();
        let flight: Vec<_> = engine.take().into_iter().map(|piece| piece.bytes).collect();
        engine
            .read(Level::Handshake, &script.finish(&flight))
            .unwrap();
        let summary = engine.summary.unwrap();
        assert_eq!(Some(&summary.group), groups.last());
    }
}

#[test]
fn a_scheme_is_one_that_the_client_names() {
    use SignatureScheme as S;
    let rows = [
        (Kind::P256, S::ECDSA_SECP256R1_SHA256),
        (Kind::P384, S::ECDSA_SECP384R1_SHA384),
        (Kind::P521, S::ECDSA_SECP521R1_SHA512),
        (Kind::Ed25519, S::ED25519),
        (Kind::MlDsa65, S::MLDSA65),
        (Kind::Rsa2048, S::RSA_PSS_RSAE_SHA256),
    ];
    for (kind, want) in rows {
        let pki = Pki::new();
        let leaf = pki.leaf_with(kind, &[NAME], |_| ());
        let client = ClientConfig::new(trust(&pki)).build().unwrap();
        let server = ServerConfig::new(credential(&leaf)).build().unwrap();
        let mut duo = Duo::records(&client, &server);
        assert_eq!(duo.run(), Outcome::Complete);
        assert_eq!(duo.client.summary.unwrap().signature_scheme, Some(want));
        // One that the client does not name is not used, whatever else fits (rfc9846#4.5.2-4).
        let mut duo = Duo::records(&client, &server);
        let outcome = duo.run_with(|mut flight| {
            if flight.from == Role::Client {
                let mut hello = Hello::parse(&flight.pieces[0].bytes);
                let mut schemes = hello.list(13);
                schemes.retain(|code| *code != want.0);
                hello.extensions.set(13, vec16(&codes(&schemes)));
                flight.pieces[0].bytes = hello.encode();
            }
            flight.pieces
        });
        let none = Error::Fault(Fault::NoCommonSignatureScheme);
        if kind == Kind::Rsa2048 {
            // It has others. The client's own transcript does not fit any more, of course.
            assert_eq!(
                outcome.error(Role::Client),
                Error::Fault(Fault::CertificateVerifySignature)
            );
        } else {
            assert_eq!(outcome.error(Role::Server), none, "{kind:?}");
        }
    }
}

/// S14, RFC 7301 section 3.2: the server's order counts; names are compared as bytes.
#[test]
fn a_protocol_is_chosen_by_the_servers_order() {
    let pki = Pki::new();
    let leaf = pki.leaf(NAME);
    let long = [b'p'; 255];
    type Row<'a> = (&'a [&'a [u8]], &'a [&'a [u8]], Result<Option<&'a [u8]>, ()>);
    let rows: &[Row<'_>] = &[
        (&[], &[], Ok(None)),
        (&[b"h2"], &[], Ok(None)),
        (&[], &[b"h2"], Ok(None)),
        (&[b"h2"], &[b"h2"], Ok(Some(b"h2"))),
        (&[b"a", b"b"], &[b"b", b"a"], Ok(Some(b"b"))),
        (&[b"a", b"b", b"c"], &[b"x", b"c"], Ok(Some(b"c"))),
        (&[&[0, 0xff]], &[&[0, 0xff]], Ok(Some(&[0, 0xff]))),
        (&[&long], &[&long], Ok(Some(&long))),
        (&[b"h2"], &[b"h3"], Err(())),
        (&[b"h2"], &[b"H2"], Err(())),
        (&[b"h2"], &[b"h"], Err(())),
        (&[b"h"], &[b"h2"], Err(())),
    ];
    for (offered, accepted, want) in rows {
        let client = ClientConfig::new(trust(&pki))
            .alpn(offered)
            .build()
            .unwrap();
        let server = ServerConfig::new(credential(&leaf)).alpn(accepted);
        let mut duo = Duo::records(&client, &server.build().unwrap());
        let row = format!("{offered:?} {accepted:?}");
        match (duo.run(), want) {
            (Outcome::Complete, Ok(want)) => {
                let protocol = duo.client.summary.unwrap().protocol.clone();
                assert_eq!(protocol.as_deref(), *want, "{row}");
            }
            (outcome, Err(())) => {
                let error = outcome.error(Role::Server);
                assert_eq!(error, Error::Fault(Fault::NoCommonProtocol), "{row}");
            }
            (outcome, Ok(_)) => panic!("{row}: {outcome:?}"),
        }
    }
}

/// S15: codes that nobody knows, and those of RFC 8701 that nobody ever will, in every list of a ClientHello.
#[test]
fn unknown_codes_are_ignored() {
    let server = configs().1;
    let greases = (0..16).map(|n: u16| 0x0a0a + 0x1010 * n);
    for unknown in greases.chain([0x0000, 0x00ff, 0x1304, 0x5600, 0xc02b, 0xfefe, 0xffff]) {
        let mut script = ScriptedClient::new(&[Group::X25519]);
        let hello = &mut script.hello;
        hello.suites.insert(0, unknown);
        hello.suites.push(unknown);
        let around = |code: u16| vec16(&codes(&[unknown, code, 0xfffe]));
        hello.extensions.set(10, around(29));
        hello.extensions.set(13, around(0x0403));
        hello
            .extensions
            .set(43, vec8(&codes(&[unknown, 0x0304, 0x0303])));
        let entries = [
            share(unknown, &[0]),
            hello.extensions.body(51)[2..].to_vec(),
        ]
        .concat();
        hello.extensions.set(51, vec16(&entries));
        let protocols = [vec8(&codes(&[unknown])), vec8(b"h2")].concat();
        hello.extensions.set(16, vec16(&protocols));
        // Extensions: the first free code from there, empty and with a body.
        let mut free = (unknown..=0xffff).filter(|code| !pith_tls_knows(*code));
        if let Some(code) = free.next() {
            hello.extensions.0.insert(0, (code, Vec::new()));
        }
        hello
            .extensions
            .push(0x7a7b, [unknown.to_be_bytes(); 20].concat());
        let mut engine = Engine::server(&server, Carrier::Records);
        assert_eq!(
            engine.read(Level::Initial, &script.send()),
            Ok(()),
            "{unknown:#06x}"
        );
        let flight: Vec<_> = engine.take().into_iter().map(|piece| piece.bytes).collect();
        let finished = script.finish(&flight);
        assert_eq!(
            engine.read(Level::Handshake, &finished),
            Ok(()),
            "{unknown:#06x}"
        );
        assert!(engine.tls.is_complete());
        assert_eq!(engine.summary.unwrap().group, Group::X25519);
    }
}

fn pith_tls_knows(code: u16) -> bool {
    pith_tls::ExtensionType(code).name().is_some()
}

/// Known attack P07: whatever comes in a ServerHello or HelloRetryRequest that was not authenticated, the next connection of the
/// same configuration offers what the first did.
#[test]
fn an_unauthenticated_hello_changes_no_later_offer() {
    let pki = Pki::new();
    let client = ClientConfig::new(trust(&pki)).build().unwrap();
    let offer = |hello: Hello| {
        let groups: Vec<u16> = hello.shares().iter().map(|share| share.0).collect();
        (
            hello.suites.clone(),
            hello.list(10),
            groups,
            hello.extensions.codes(),
        )
    };
    let want = offer(first_hello(&client));
    let impostor = Pki::new();
    for group in [Group::X25519, Group::Secp256r1, Group::Secp521r1] {
        let server = ServerConfig::new(credential(&impostor.leaf(NAME))).groups(&[group]);
        let mut duo = Duo::records(&client, &server.build().unwrap());
        let error = duo.run().error(Role::Client);
        assert!(matches!(error, Error::Certificate(_)), "{error}");
        assert_eq!(offer(first_hello(&client)), want, "after {group}");
    }
}
