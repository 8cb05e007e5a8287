//! The secrets of both roles against a key schedule of the tests' own (RFC 9846 sections 7.1 and 7.5): traffic secrets of both
//! levels and exported keying material, for every suite and kind of group, with and without a retry.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

use std::sync::Arc;

use pith_tests::engine::Engine;
use pith_tests::message::{Extensions, codes, encrypted_extensions, vec16};
use pith_tests::pair::{NAME, credential, trust};
use pith_tests::pki::{Identity, Pki};
use pith_tests::script::{Schedule, ScriptedClient, ScriptedServer};
use pith_tls::{Carrier, CipherSuite, ClientConfig, Direction, Group, Level, ServerConfig};

const GROUPS: [Group; 5] = [
    Group::X25519,
    Group::Secp521r1,
    Group::MlKem768,
    Group::X25519MlKem768,
    Group::SecP384r1MlKem1024,
];

/// Compares all that a complete engine handed out. `read` is the place of the peer's secret in a pair of client and server.
fn compare(row: &str, engine: &Engine, schedule: &Schedule, read: usize) {
    let stages = schedule.traffic();
    assert_eq!(stages.len(), 2, "{row}");
    for (level, secrets) in [Level::Handshake, Level::Application]
        .into_iter()
        .zip(stages)
    {
        let of = |direction| engine.secret(level, direction).unwrap();
        assert_eq!(of(Direction::Read), secrets[read], "{row}, {level:?}");
        assert_eq!(of(Direction::Write), secrets[1 - read], "{row}, {level:?}");
    }
    for (label, context, length) in [
        ("EXPORTER-Channel-Binding", &b""[..], 32),
        ("EXPERIMENTAL pith", b"context", 1),
        ("EXPERIMENTAL pith", b"context", 48),
        ("EXPERIMENTAL pith", b"another", 300),
        (&"l".repeat(249), &[7; 1000], 64),
    ] {
        let mut out = vec![0; length];
        engine
            .tls
            .export(label.as_bytes(), context, &mut out)
            .unwrap();
        assert_eq!(
            out,
            schedule.export(label, context, length),
            "{row}, {label}"
        );
    }
}

fn rows() -> impl Iterator<Item = (CipherSuite, Group, bool)> {
    let with_group = |suite| GROUPS.into_iter().map(move |group| (suite, group));
    let pairs = CipherSuite::ALL.iter().copied().flat_map(with_group);
    pairs.flat_map(|(suite, group)| [(suite, group, false), (suite, group, true)])
}

#[test]
fn a_server_has_the_secrets_of_the_rfc() {
    let pki = Pki::new();
    let leaf = pki.leaf(NAME);
    for (suite, group, retried) in rows() {
        let row = format!("{suite:?}, {group}, retried: {retried}");
        let server = ServerConfig::new(credential(&leaf))
            .suites(&[suite])
            .groups(&[group]);
        let mut engine = Engine::server(&server.build().unwrap(), Carrier::Records);
        let mut script = ScriptedClient::new(&[group]);
        if retried {
            script.hello.set_shares(&[]);
        }
        engine.read(Level::Initial, &script.send()).unwrap();
        if retried {
            script.retry(&engine.take()[0].bytes);
            engine.read(Level::Initial, &script.send()).unwrap();
        }
        let flight: Vec<_> = engine.take().into_iter().map(|piece| piece.bytes).collect();
        engine
            .read(Level::Handshake, &script.finish(&flight))
            .unwrap();
        compare(&row, &engine, script.schedule.as_ref().unwrap(), 0);
    }
}

#[test]
fn a_client_has_the_secrets_of_the_rfc() {
    let pki = Pki::new();
    let leaf = pki.leaf(NAME);
    for (suite, group, retried) in rows() {
        let row = format!("{suite:?}, {group}, retried: {retried}");
        let shared = if retried { Group::Secp256r1 } else { group };
        let client = ClientConfig::new(trust(&pki)).groups(&[Group::Secp256r1, group]);
        let client = client.shares(&[shared]).build().unwrap();
        let (engine, script) = accepted(&client, &leaf, suite, retried.then_some(group));
        compare(&row, &engine, &script.schedule, 1);
    }
}

/// A client whose handshake with a scripted server is complete.
fn accepted(
    client: &Arc<ClientConfig>,
    leaf: &Identity,
    suite: CipherSuite,
    retry: Option<Group>,
) -> (Engine, ScriptedServer) {
    let mut engine = Engine::client(client, Carrier::Records);
    let mut script = ScriptedServer::new(&engine.take()[0].bytes, suite.code());
    if let Some(group) = retry {
        let retry = script.retry(&[(44, vec16(b"cookie")), (51, codes(&[group.code()]))]);
        let retry = script.send_hello(&retry);
        engine.read(Level::Initial, &retry).unwrap();
        script.second(&engine.take()[0].bytes);
    }
    let hello = script.hello();
    let hello = script.send_hello(&hello);
    engine.read(Level::Initial, &hello).unwrap();
    let flight = [
        script.send(encrypted_extensions(&Extensions::default())),
        script.certificate(leaf),
        script.verify(leaf),
        script.finished(),
    ];
    engine.read(Level::Handshake, &flight.concat()).unwrap();
    let answer: Vec<_> = engine.take().into_iter().map(|piece| piece.bytes).collect();
    assert!(script.accepts(&answer), "the client's Finished");
    (engine, script)
}
