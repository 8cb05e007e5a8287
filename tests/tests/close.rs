//! The end of a connection (RFC 9846 section 6.1): close_notify and the end of the transport, at every stage of the
//! handshake in both roles. Nothing hangs, whoever ends (R03), and a truncated stream is never taken for a whole one.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use pith_tests::pair::NOW;
use pith_tests::scripted::{ALERT, Bench, DATA, HANDSHAKE, KEY_UPDATE_REQUEST, Stage};
use pith_tls::{AlertDescription, Error, Flow, Received};

#[test]
fn the_end_of_the_transport_is_reported_at_every_stage() {
    for stage in Stage::ALL {
        let row = format!("{:?} in {}", stage.role, stage.state);
        let mut bench = Bench::at(stage);
        let seen = bench.peer.seen.len();
        for _ in 0..2 {
            assert_eq!(bench.side.tls.eof(), Err(Error::Truncated), "{row}");
        }
        assert_eq!(bench.side.input(b"more"), Err(Error::Truncated), "{row}");
        bench.flush();
        assert_eq!(
            bench.peer.seen.len(),
            seen,
            "{row}: nobody is there to read an alert"
        );

        // In the middle of a record, too.
        let mut bench = Bench::at(stage);
        let wire = bench.peer.record(HANDSHAKE, &KEY_UPDATE_REQUEST);
        assert_eq!(bench.feed(&wire[..wire.len() - 1]), Ok(()), "{row}");
        assert_eq!(bench.side.tls.eof(), Err(Error::Truncated), "{row}");
    }
}

#[test]
fn close_notify_in_the_handshake_ends_it() {
    for stage in Stage::ALL.iter().filter(|stage| !stage.is_connected()) {
        for level in [1, 2] {
            let mut bench = Bench::at(*stage);
            let wire = bench.peer.record(ALERT, &[level, 0]);
            let want = Error::Alert(AlertDescription::CLOSE_NOTIFY);
            bench.fails(stage.state, &wire, want);
        }
    }
}

#[test]
fn close_notify_ends_receiving_and_leaves_sending_as_it_was() {
    for stage in Stage::CONNECTED {
        for level in [1, 2] {
            let row = format!("{:?} in {}", stage.role, stage.state);
            let mut bench = Bench::at(stage);
            let send = bench.side.tls.status().send;
            let wire = bench.peer.record(ALERT, &[level, 0]);
            assert_eq!(bench.feed(&wire), Ok(()), "{row}");
            assert!(bench.side.closed, "{row}");
            assert_eq!(bench.side.tls.status().receive, Flow::PeerClosed, "{row}");
            assert_eq!(
                bench.side.tls.status().send,
                send,
                "{row}: our half is as it was"
            );
            // Nothing waits for the peer any more: each call says so at once.
            for input in [&b""[..], b"more"] {
                let mut bytes = input.to_vec();
                let received = bench.side.tls.receive(NOW, &mut bytes);
                let consumed = input.len();
                assert_eq!(received, Ok(Received::Closed { consumed }), "{row}");
            }
            assert_eq!(bench.side.tls.eof(), Ok(()), "{row}: not truncated");
            bench.side.tls.close();
            bench.flush();
            assert_eq!(
                bench.peer.contents(ALERT),
                [[1, 0]],
                "{row}: our close_notify"
            );
        }
    }
}

#[test]
fn what_follows_close_notify_is_ignored() {
    for stage in Stage::CONNECTED {
        let mut bench = Bench::at(stage);
        let mut wire = bench.peer.record(DATA, b"last");
        wire.extend(bench.peer.record(ALERT, &[1, 0]));
        wire.extend(bench.peer.record(DATA, b"ignored"));
        wire.extend(bench.peer.record(ALERT, &[2, 40]));
        wire.extend([0xff; 70_000]);
        assert_eq!(bench.feed(&wire), Ok(()));
        assert_eq!(bench.side.data, b"last");
        assert!(bench.side.closed);
        let sent = bench.side.seal(b"half-open").unwrap();
        bench.peer.take(&sent);
        assert_eq!(bench.peer.contents(DATA), [b"half-open"]);
    }
}

#[test]
fn our_close_is_a_warning_and_the_last_that_is_sent() {
    for stage in Stage::ALL {
        let row = format!("{:?} in {}", stage.role, stage.state);
        let mut bench = Bench::at(stage);
        for _ in 0..2 {
            bench.side.tls.close();
            bench.flush();
            assert_eq!(bench.peer.contents(ALERT), [[1, 0]], "{row}");
        }
        let seen = bench.peer.seen.len();
        assert_eq!(bench.side.tls.status().send, Flow::Closed, "{row}");
        assert!(
            matches!(bench.side.seal(b"data"), Err(Error::Misuse(_))),
            "{row}"
        );
        let updated = bench.side.tls.update_keys(false);
        assert!(matches!(updated, Err(Error::Misuse(_))), "{row}");
        // Receiving goes on: the handshake, and data where it is complete.
        while bench.peer.next_message().is_some_and(|message| {
            let wire = bench.peer.record(HANDSHAKE, &message);
            assert_eq!(bench.feed(&wire), Ok(()), "{row}");
            true
        }) {}
        if bench.side.tls.status().receive == Flow::Open {
            let wire = bench.peer.key_update(&KEY_UPDATE_REQUEST);
            assert_eq!(bench.feed(&wire), Ok(()), "{row}");
            let wire = bench.peer.record(DATA, b"data");
            assert_eq!(bench.feed(&wire), Ok(()), "{row}");
            assert_eq!(bench.side.data, b"data", "{row}");
        }
        assert_eq!(
            bench.peer.seen.len(),
            seen,
            "{row}: sent after close_notify"
        );
    }
}

#[test]
fn close_goes_out_behind_what_was_sent_before() {
    for stage in Stage::CONNECTED {
        let mut bench = Bench::at(stage);
        bench.side.tls.update_keys(false).unwrap();
        bench.side.tls.close();
        bench.flush();
        assert_eq!(
            bench.peer.contents(HANDSHAKE).last(),
            Some(&&[24, 0, 0, 1, 0][..])
        );
        assert_eq!(bench.peer.seen.last().unwrap().content, [1, 0]);
    }
}
