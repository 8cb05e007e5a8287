//! A server's share that was altered on the way (P04): ML-KEM has no error for a ciphertext that is not the one for this key,
//! so the client goes on with another secret, and what fails is the first protected record, always with the same alert.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

use pith_tests::scripted::{ALERT, Bench, HANDSHAKE, Stage};
use pith_tls::{Fault, Flow};

#[test]
fn an_altered_ciphertext_fails_at_the_first_protected_record() {
    // X25519MLKEM768: 1088 bytes of ciphertext, then 32 of X25519.
    let share = [0x11, 0xec, 0x04, 0x60];
    for (name, at) in [
        ("first byte of the ciphertext", 0),
        ("in its middle", 500),
        ("its last byte", 1087),
        ("first byte of X25519", 1088),
        ("last but one of X25519", 1118),
    ] {
        let mut bench = Bench::at(Stage::CLIENT_START);
        let mut hello = bench.peer.next_message().unwrap();
        let start = hello.windows(4).position(|found| found == share).unwrap() + 4;
        hello[start + at] ^= 1;
        let wire = bench.peer.record(HANDSHAKE, &hello);
        assert_eq!(bench.side.input(&wire), Ok(()), "{name}: no difference yet");
        assert_eq!(bench.side.tls.status().receive, Flow::Handshaking);
        assert!(bench.side.output().is_empty(), "{name}");
        let wire = bench.peer.honest(1);
        assert_eq!(
            bench.side.input(&wire),
            Err(Fault::BadRecordMac.into()),
            "{name}"
        );
        // Behind a ChangeCipherSpec, an alert under keys that the peer does not have.
        let end = bench.side.output();
        let (change, alert) = end.split_at(6);
        assert_eq!(change, [20, 3, 3, 0, 1, 1], "{name}");
        assert_eq!((alert[0], alert.len()), (23, 5 + 2 + 1 + 16), "{name}");
        assert!(bench.peer.contents(ALERT).is_empty());
    }
}
