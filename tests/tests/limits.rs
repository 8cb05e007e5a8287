//! The numbers of `pith_tls::limits` that a peer meets on the wire: at each it passes, one past it fails. What counts records
//! or alerts of one kind is tested with them (change_cipher_spec, alerts, key_updates).
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

use std::sync::Arc;

use pith_tests::pair::{NAME, NOW, credential, trust};
use pith_tests::pki::{Identity, Kind, Pki};
use pith_tests::scripted::{Bench, DATA, HANDSHAKE, Role, Stage, message};
use pith_tls::limits::{
    CHAIN_CERTIFICATES, EMPTY_RECORDS, HANDSHAKE_MESSAGE, HANDSHAKE_MESSAGE_WITHOUT_CERTIFICATE,
    RECORD_PLAINTEXT,
};
use pith_tls::{ClientConfig, Error, Fault, MessageKind, Received, ServerConfig};

#[test]
fn a_message_is_refused_by_its_announced_length() {
    for stage in Stage::ALL {
        let limit = if stage.expects_certificate() {
            HANDSHAKE_MESSAGE
        } else {
            HANDSHAKE_MESSAGE_WITHOUT_CERTIFICATE
        };
        let header = |length: usize| {
            let [.., high, middle, low] = (length - 4).to_be_bytes();
            [15, high, middle, low]
        };
        let row = format!("{:?} in {}", stage.role, stage.state);
        let mut bench = Bench::at(stage);
        let wire = bench.peer.record(HANDSHAKE, &header(limit));
        assert_eq!(bench.feed(&wire), Ok(()), "{row}: at the limit");
        for announced in [limit + 1, 0x0100_0003] {
            let too_long = Fault::MessageTooLong { limit, announced };
            let mut bench = Bench::at(stage);
            let wire = bench.peer.record(HANDSHAKE, &header(announced));
            bench.fails(&row, &wire, too_long);
            // The same in single bytes.
            let mut bench = Bench::at(stage);
            let pieces = header(announced).map(|byte| bench.peer.record(HANDSHAKE, &[byte]));
            assert_eq!(bench.feed(&pieces[..3].concat()), Ok(()), "{row}");
            bench.fails(&row, &pieces[3], too_long);
        }
    }
}

#[test]
fn a_message_of_the_longest_length_is_read_to_its_end() {
    for stage in Stage::ALL
        .iter()
        .filter(|stage| !stage.expects_certificate())
    {
        let mut bench = Bench::at(*stage);
        let long = message(99, &[7; HANDSHAKE_MESSAGE_WITHOUT_CERTIFICATE - 4]);
        let wire = bench.peer.record(HANDSHAKE, &long[..9000]);
        assert_eq!(bench.feed(&wire), Ok(()), "{}", stage.state);
        let wire = bench.peer.record(HANDSHAKE, &long[9000..]);
        let want = Fault::UnexpectedMessage {
            state: stage.state,
            message: MessageKind::Unknown(99),
        };
        bench.fails(stage.state, &wire, want);
    }
}

/// Configurations for a server with this chain.
fn configs(pki: &Pki, identity: &Identity) -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    (
        ClientConfig::new(trust(pki))
            .certificate_compression(false)
            .build()
            .unwrap(),
        ServerConfig::new(credential(identity)).build().unwrap(),
    )
}

/// A leaf and certificates that do not belong to it, in all as many bytes as the test wants. Ed25519, so that signatures
/// always have the same length.
fn long_chain(pki: &Pki, bytes: usize) -> Identity {
    let filled = |filler: usize| {
        pki.leaf_with(Kind::Ed25519, &[NAME], |params| {
            let extension =
                rcgen::CustomExtension::from_oid_content(&[1, 3, 9999], vec![0; filler]);
            params.custom_extensions = vec![extension];
        })
    };
    let mut leaf = filled(20_000);
    let second = filled(20_000).chain.remove(0);
    // The third makes up for the rest: serial numbers and lengths of lengths vary a little.
    let missing = bytes - leaf.chain[0].len() - second.len();
    let third = (0..5000)
        .find_map(|try_| {
            let third = filled(missing - 400 + try_ % 100 - 50).chain.remove(0);
            (third.len() == missing).then_some(third)
        })
        .unwrap();
    leaf.chain.extend([second, third]);
    leaf
}

#[test]
fn a_certificate_message_passes_at_the_limit_and_not_past_it() {
    let pki = Pki::with(Kind::Ed25519, 0);
    // Header, empty context, length of the list; length and extensions of each certificate.
    let around = 4 + 1 + 3 + 3 * (3 + 2);
    for (length, passes) in [(HANDSHAKE_MESSAGE, true), (HANDSHAKE_MESSAGE + 1, false)] {
        let (client, server) = configs(&pki, &long_chain(&pki, length - around));
        let mut bench = Bench::with(Role::Client, &client, &server);
        let wire = bench.peer.honest(2);
        bench.feed(&wire).unwrap();
        if passes {
            bench.finish().unwrap();
            bench.assert_works("a certificate message of 64 KiB");
            let mut bench = Bench::with(Role::Server, &client, &server);
            bench.finish().unwrap();
            let sent = bench.peer.seen.iter().map(|record| record.content.len());
            assert_eq!(
                sent.max(),
                Some(RECORD_PLAINTEXT),
                "in records of the longest length"
            );
        } else {
            let wire = bench.peer.honest(1);
            let want = Fault::MessageTooLong {
                limit: HANDSHAKE_MESSAGE,
                announced: length,
            };
            bench.fails("one byte more", &wire, want);
        }
    }
}

#[test]
fn ten_certificates_pass_and_eleven_do_not() {
    let pki = Pki::new();
    let mut identity = pki.leaf(NAME);
    for other in 1..CHAIN_CERTIFICATES {
        let bent = Pki::bent(Kind::P256, 0, |_, params| {
            let name = format!("Unrelated {other}");
            params
                .distinguished_name
                .push(rcgen::DnType::CommonName, name);
        });
        identity.chain.push(bent.root());
    }
    let (client, server) = configs(&pki, &identity);
    let mut bench = Bench::with(Role::Client, &client, &server);
    bench.finish().unwrap();
    bench.assert_works("ten certificates");

    let mut bench = Bench::with(Role::Client, &client, &server);
    let wire = bench.peer.honest(2);
    bench.feed(&wire).unwrap();
    let certificate = bench.peer.next_message().unwrap();
    let mut list = certificate[8..].to_vec();
    let [.., high, middle, low] = identity.chain[1].len().to_be_bytes();
    list.extend([high, middle, low]);
    list.extend_from_slice(&identity.chain[1]);
    list.extend([0, 0]);
    let [.., high, middle, low] = list.len().to_be_bytes();
    let longer = message(11, &[&[0, high, middle, low], &list[..]].concat());
    let wire = bench.peer.record(HANDSHAKE, &longer);
    bench.fails("eleven certificates", &wire, Fault::ChainTooLong);
}

#[test]
fn empty_records_pass_at_the_limit_and_not_past_it() {
    for stage in Stage::CONNECTED {
        for padding in [0, 1, 1000] {
            let mut bench = Bench::at(stage);
            for round in 0..2 {
                for at in 0..EMPTY_RECORDS {
                    let wire = bench.peer.padded(DATA, &[], padding);
                    assert_eq!(bench.feed(&wire), Ok(()), "{at} of round {round}");
                }
                bench.assert_works("data between");
            }
            for _ in 0..EMPTY_RECORDS {
                let wire = bench.peer.padded(DATA, &[], padding);
                bench.feed(&wire).unwrap();
            }
            let wire = bench.peer.padded(DATA, &[], padding);
            bench.fails("one more", &wire, Fault::TooManyEmptyRecords);
        }
    }
}

#[test]
fn unread_input_holds_the_connection_back() {
    // What receive hands out lies in the caller's buffer, and it takes one record a call: nothing piles up inside.
    let mut bench = Bench::at(Stage::SERVER_CONNECTED);
    let mut wire = Vec::new();
    for _ in 0..100 {
        wire.extend(bench.peer.record(DATA, &[7; 1 << 14]));
    }
    let record = wire.len() / 100;
    let received = bench.side.tls.receive(NOW, &mut wire);
    assert!(
        matches!(received, Ok(Received::Data { consumed, bytes }) if consumed == record && bytes == [7; 1 << 14])
    );
}

#[test]
fn a_failure_is_final_in_the_middle_of_input() {
    let mut bench = Bench::at(Stage::CLIENT_CONNECTED);
    let mut wire = bench.peer.record(DATA, b"first");
    wire.extend(bench.peer.record(HANDSHAKE, &[]));
    wire.extend(bench.peer.record(DATA, b"second"));
    assert_eq!(bench.feed(&wire), Err(Error::Fault(Fault::EmptyRecord)));
    assert_eq!(bench.side.data, b"first");
}
