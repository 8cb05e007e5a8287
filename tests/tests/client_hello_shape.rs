//! What a client's hello holds beyond the default offer (`negotiation.rs`) and the second hello (`hello_retry.rs`): shares for
//! other lists of groups, no code that is obsolete, nothing from an earlier connection.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::sync::Arc;

use pith_tests::engine::Engine;
use pith_tests::message::{Hello, vec16};
use pith_tests::pair::trust;
use pith_tests::pki::Pki;
use pith_tests::script::ScriptedServer;
use pith_tls::{Carrier, ClientConfig, ClientConfigBuilder, Group, Level};

const GROUPS: u16 = 10;
const SCHEMES: u16 = 13;
const COOKIE: u16 = 44;
const SHARES: u16 = 51;

fn client() -> ClientConfigBuilder {
    ClientConfig::new(trust(&Pki::new()))
}

fn first_hello(config: &Arc<ClientConfig>) -> Hello {
    let mut engine = Engine::client(config, Carrier::Records);
    let pieces = engine.take();
    assert_eq!(pieces.len(), 1, "the hello comes alone");
    Hello::parse(&pieces[0].bytes)
}

#[test]
fn shares_follow_the_groups() {
    use Group::{
        MlKem768, SecP256r1MlKem768, Secp256r1, Secp384r1, X25519, X25519MlKem768 as Hybrid,
    };
    let rows: [(&str, ClientConfigBuilder, &[Group]); 6] = [
        ("default", client(), &[Hybrid, X25519]),
        (
            "classical first",
            client().groups(&[Secp256r1, X25519, Hybrid]),
            &[Secp256r1, Hybrid],
        ),
        ("one", client().groups(&[Secp384r1]), &[Secp384r1]),
        (
            "pure",
            client().groups(&[MlKem768, X25519]),
            &[MlKem768, X25519],
        ),
        (
            "shares in another order than the groups",
            client().shares(&[X25519, SecP256r1MlKem768]),
            &[SecP256r1MlKem768, X25519],
        ),
        (
            "three",
            client().shares(&[Secp256r1, Hybrid, X25519]),
            &[Hybrid, X25519, Secp256r1],
        ),
    ];
    for (row, config, want) in rows {
        let hello = first_hello(&config.build().unwrap());
        let shares = hello.shares().into_iter();
        let got: Vec<_> = shares.map(|(code, value)| (code, value.len())).collect();
        let want: Vec<_> = want
            .iter()
            .map(|group| (group.code(), group.client_share_len()))
            .collect();
        assert_eq!(got, want, "{row}");
        let groups = hello.list(GROUPS);
        let place = |code| groups.iter().position(|named| *named == code);
        let places: Vec<_> = got.iter().map(|(code, _)| place(*code)).collect();
        assert!(places.iter().all(Option::is_some), "{row}: {places:?}");
        assert!(places.is_sorted(), "{row}: {places:?}");
    }
}

/// Codes of RFC 9846 that are only there to say what they once were: hashes weaker than SHA-256, DSA, groups without a curve
/// of today, suites of TLS 1.2.
#[test]
fn nothing_obsolete_is_offered() {
    let hello = first_hello(&client().build().unwrap());
    for scheme in hello.list(SCHEMES) {
        let (hash, kind) = (scheme >> 8, scheme & 0xff);
        assert!(![1, 2, 3].contains(&hash), "a weak hash: {scheme:#06x}");
        assert!(kind != 2, "DSA: {scheme:#06x}");
    }
    for group in hello.list(GROUPS) {
        let obsolete = [1..=22, 26..=28, 0xff01..=0xff02];
        assert!(
            !obsolete.iter().any(|codes| codes.contains(&group)),
            "{group:#06x}"
        );
    }
    assert!(hello.suites.iter().all(|suite| suite >> 8 == 0x13));
}

#[test]
fn a_cookie_is_for_one_handshake() {
    let config = client().build().unwrap();
    let first = first_hello(&config);
    assert!(!first.extensions.has(COOKIE));
    let mut engine = Engine::client(&config, Carrier::Records);
    let mut script = ScriptedServer::new(&engine.take()[0].bytes, 0x1301);
    let retry = script.retry(&[(COOKIE, vec16(b"a cookie"))]);
    let retry = script.send_hello(&retry);
    engine.read(Level::Initial, &retry).unwrap();
    assert!(Hello::parse(&engine.take()[0].bytes).extensions.has(COOKIE));
    let next = first_hello(&config);
    assert_eq!(next.extensions.codes(), first.extensions.codes());
}

/// RFC 8701 section 3.1. A retry that asks for a share replaces all shares; one with a cookie alone changes none.
#[test]
fn a_reserved_group_has_a_share_until_a_retry_asks_for_another() {
    let reserved = |group: u16| group & 0x0f0f == 0x0a0a;
    let config = client().grease(true).build().unwrap();
    for (extension, stays) in [
        ((COOKIE, vec16(b"a cookie")), true),
        (
            (SHARES, Group::Secp256r1.code().to_be_bytes().to_vec()),
            false,
        ),
    ] {
        let mut engine = Engine::client(&config, Carrier::Records);
        let first = engine.take().remove(0).bytes;
        let hello = Hello::parse(&first);
        let (group, value) = hello.shares().remove(0);
        assert!(reserved(group) && value.len() == 1);
        assert!(hello.list(GROUPS).contains(&group));
        let mut script = ScriptedServer::new(&first, 0x1301);
        let retry = script.retry(&[extension]);
        let retry = script.send_hello(&retry);
        engine.read(Level::Initial, &retry).unwrap();
        let shares = Hello::parse(&engine.take()[0].bytes).shares();
        assert_eq!(shares.iter().any(|share| reserved(share.0)), stays);
    }
}
