//! Hellos of clients that also speak older versions, or order their extensions in their own way: a server takes from them what
//! it knows (RFC 9846 section 9.3). Codes that nobody knows are in `negotiation.rs`.
#![allow(clippy::unwrap_used, missing_docs)]

use pith_tests::engine::Engine;
use pith_tests::message::{Hello, codes, vec8, vec16};
use pith_tests::pair::configs;
use pith_tests::script::ScriptedClient;
use pith_tls::{Carrier, CipherSuite, Group, Level};

/// A server must get through with this hello, and choose the same as without the change.
fn accepted(row: &str, change: impl FnOnce(&mut Hello)) {
    let (_, config) = configs();
    let mut client = ScriptedClient::new(&[Group::X25519]);
    change(&mut client.hello);
    let mut server = Engine::server(&config, Carrier::Records);
    let read = server.read(Level::Initial, &client.send());
    assert_eq!(read, Ok(()), "{row}");
    let flight: Vec<_> = server.take().into_iter().map(|piece| piece.bytes).collect();
    let finished = client.finish(&flight);
    assert_eq!(server.read(Level::Handshake, &finished), Ok(()), "{row}");
    let summary = server.summary.unwrap();
    assert_eq!(
        (summary.suite, summary.group),
        (CipherSuite::Aes128GcmSha256, Group::X25519),
        "{row}"
    );
}

#[test]
fn what_older_versions_have_is_ignored() {
    accepted("nothing", |_| ());
    accepted("suites", |hello| {
        hello.suites = vec![0xc02f, 0x00ff, 0x0004, 0x1301, 0x5600];
    });
    accepted(
        "versions, older and newer, and TLS 1.3 in their midst",
        |hello| {
            let versions = [0x0305, 0x7f1c, 0x0304, 0x0303, 0x0302, 0x0301, 0x0300];
            hello.extensions.set(43, vec8(&codes(&versions)));
        },
    );
    accepted("schemes", |hello| {
        let schemes = [0x0101, 0x0201, 0x0203, 0x0402, 0x0403];
        hello.extensions.set(13, vec16(&codes(&schemes)));
    });
    accepted("groups", |hello| {
        let groups = [1, 19, 22, 26, Group::X25519.code(), 0x0100, 0xff01];
        hello.extensions.set(10, vec16(&codes(&groups)));
    });
    accepted("extensions", |hello| {
        for (code, body) in [
            (1, vec![1]),        // max_fragment_length
            (4, vec![]),         // truncated_hmac
            (11, vec![1, 0]),    // ec_point_formats
            (17, vec![0xff; 9]), // status_request_v2
            (18, vec![]),        // signed_certificate_timestamp
            (22, vec![]),        // encrypt_then_mac
            (23, vec![]),        // extended_main_secret
            (35, vec![1; 200]),  // session_ticket
            (0x3374, vec![]),    // next_protocol_negotiation
            (0xff01, vec![0]),   // renegotiation_info
        ] {
            hello.extensions.0.insert(0, (code, body));
        }
    });
}

#[test]
fn extensions_may_stand_in_any_order() {
    accepted("reversed", |hello| hello.extensions.0.reverse());
    for turn in 1..5 {
        accepted("turned", |hello| hello.extensions.0.rotate_left(turn));
    }
}
