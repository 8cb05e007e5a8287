//! A server that does not accept early data skips it, so that a client with a ticket of another server still gets through.
//!
//! Pith's client offers none, so these hellos get the extension on the way; BoGo has the handshakes that end well.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

use pith_tests::pair::{NAME, Pair, configs, credential, trust};
use pith_tests::pki::Pki;
use pith_tls::{AlertDescription, ClientConfig, Error, Fault, Group, ServerConfig, limits};

/// A record with a ClientHello, and `early_data` behind its other extensions.
fn with_early_data(hello: &[u8]) -> Vec<u8> {
    let mut hello = hello.to_vec();
    let suites = 44 + usize::from(hello[43]);
    let compression =
        suites + 2 + usize::from(u16::from_be_bytes([hello[suites], hello[suites + 1]]));
    let extensions = compression + 1 + usize::from(hello[compression]);
    // The lengths of the record, of the message and of the extensions.
    for at in [3, 7, extensions] {
        let length = u16::from_be_bytes([hello[at], hello[at + 1]]) + 4;
        hello[at..at + 2].copy_from_slice(&length.to_be_bytes());
    }
    hello.extend_from_slice(&[0, 42, 0, 0]);
    hello
}

/// A record of early data, `length` bytes long with its header: no key opens it.
fn early_data(length: usize) -> Vec<u8> {
    let mut record = vec![0x5a; length];
    let body = u16::try_from(length - 5).unwrap().to_be_bytes();
    record[..5].copy_from_slice(&[23, 3, 3, body[0], body[1]]);
    record
}

/// A server that has answered a client's hello, with early data offered or not, and with a retry or not.
fn server(offered: bool, retry: bool) -> Pair {
    let pki = Pki::new();
    let server = ServerConfig::new(credential(&pki.leaf(NAME)));
    let group = if retry {
        Group::Secp384r1
    } else {
        Group::X25519
    };
    let server = server.groups(&[group]).build().unwrap();
    let client = ClientConfig::new(trust(&pki)).build().unwrap();
    let mut pair = Pair::new(&client, &server);
    let hello = pair.client.output();
    let hello = if offered {
        with_early_data(&hello)
    } else {
        hello
    };
    pair.server.input(&hello).unwrap();
    pair
}

#[test]
fn early_data_is_skipped_up_to_the_limit() {
    for retry in [false, true] {
        let mut pair = server(true, retry);
        let whole = limits::SKIPPED_EARLY_DATA;
        for length in [5, 6, 1_000, whole - 1_011] {
            assert_eq!(pair.server.input(&early_data(length)), Ok(()), "{retry}");
        }
        pair.server.output();
        let fault = Fault::TooMuchEarlyData;
        assert_eq!(pair.server.input(&early_data(5)), Err(Error::Fault(fault)));
        assert_eq!(fault.alert(), AlertDescription::UNEXPECTED_MESSAGE);
        assert!(!pair.server.output().is_empty(), "the alert");
    }
}

#[test]
fn nothing_is_skipped_that_was_not_offered() {
    for (retry, want) in [
        (false, Fault::BadRecordMac),
        (true, Fault::UnexpectedRecord { content_type: 23 }),
    ] {
        let mut pair = server(false, retry);
        assert_eq!(pair.server.input(&early_data(50)), Err(Error::Fault(want)));
    }
    let (client, config) = configs();
    let mut pair = Pair::connected(&client, &config);
    let want = Fault::BadRecordMac;
    assert_eq!(pair.server.input(&early_data(50)), Err(Error::Fault(want)));
}

#[test]
fn a_second_hello_offers_no_early_data() {
    let mut pair = server(false, true);
    let retry = pair.server.output();
    pair.client.input(&retry).unwrap();
    let hello = pair.client.output();
    // The client's ChangeCipherSpec stands before its second hello.
    let (change, hello) = hello.split_at(6);
    pair.server.input(change).unwrap();
    assert_eq!(
        pair.server.input(&with_early_data(hello)),
        Err(Error::Fault(Fault::SecondHelloChanged))
    );
}
