//! The AEAD limit (RFC 9846 section 5.5, R12): the sending key is updated before it is used up, and past the limit nothing is
//! sealed. Runs under `--cfg pith_test`, which lets a test lower the limit of a key.
#![cfg(pith_test)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use pith_tests::scripted::{ALERT, Bench, DATA, HANDSHAKE, KEY_UPDATE, KEY_UPDATE_REQUEST, Stage};
use pith_tls::{Error, Local};

#[test]
fn the_key_is_updated_before_its_limit() {
    for stage in Stage::CONNECTED {
        for limit in 2..20 {
            let mut bench = Bench::at(stage);
            bench.side.tls.limit_sending_key(limit);
            let seen = bench.peer.seen.len();
            for _ in 0..30 {
                let wire = bench.side.seal(b"data").unwrap();
                // Every record opens: those before the KeyUpdate under the old key, those after it under the new.
                bench.peer.take(&wire);
            }
            let kinds: Vec<_> = bench.peer.seen[seen..]
                .iter()
                .map(|sent| sent.inner)
                .collect();
            let at = kinds.iter().position(|kind| *kind == HANDSHAKE).unwrap();
            let left = usize::try_from(limit).unwrap() - at;
            assert_eq!(left, 2, "for the KeyUpdate and an alert");
            assert_eq!(bench.peer.seen[seen + at].content, KEY_UPDATE);
            assert_eq!(kinds.iter().filter(|kind| **kind == DATA).count(), 30);
            assert_eq!(kinds.len(), 31, "one update is enough");
            bench.assert_works("after the update");
        }
    }
}

#[test]
fn the_key_is_updated_within_one_call_of_send() {
    for stage in Stage::CONNECTED {
        let mut bench = Bench::at(stage);
        bench.side.tls.limit_sending_key(4);
        let wire = bench.side.seal(&[7; 100_000]).unwrap();
        bench.peer.take(&wire);
        let data: usize = bench
            .peer
            .contents(DATA)
            .iter()
            .map(|data| data.len())
            .sum();
        assert_eq!(data, 100_000);
        assert_eq!(
            bench.peer.contents(HANDSHAKE).last(),
            Some(&&KEY_UPDATE[..])
        );
    }
}

#[test]
fn answers_to_requests_keep_the_limit() {
    for stage in Stage::CONNECTED {
        let mut bench = Bench::at(stage);
        bench.side.tls.limit_sending_key(1);
        let wire = bench.peer.key_update(&KEY_UPDATE_REQUEST);
        assert_eq!(bench.feed(&wire), Ok(()));
        bench.assert_works("the last record of the old key was the KeyUpdate");
    }
}

#[test]
fn past_the_limit_nothing_is_sealed() {
    for stage in Stage::CONNECTED {
        let mut bench = Bench::at(stage);
        bench.side.tls.limit_sending_key(0);
        let seen = bench.peer.seen.len();
        let mut output = vec![0; 200];
        let want = Error::Local(Local::Exhausted);
        let sent = bench.side.tls.send(b"data", &mut output);
        assert_eq!(sent, Err(want.clone()));
        assert_eq!(output, [0; 200], "something was written");
        bench.flush();
        assert_eq!(bench.peer.seen.len(), seen, "not even an alert");
        bench.is_over("past the limit", &want);

        // One record is left: the KeyUpdate is sealed with it.
        let mut bench = Bench::at(stage);
        bench.side.tls.limit_sending_key(1);
        let wire = bench.side.seal(b"data").unwrap();
        bench.peer.take(&wire);
        bench.assert_works("the last record");
        assert!(bench.peer.contents(ALERT).is_empty());
    }
}
