//! Alerts (RFC 9846 section 6): what each does at every stage of the handshake in both roles, and what is sent for an error.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use pith_tests::scripted::{ALERT, Bench, DATA, HANDSHAKE, KEY_UPDATE, Stage, plain};
use pith_tls::{AlertDescription, Error, Fault, Flow};

const CLOSE_NOTIFY: u8 = 0;
const USER_CANCELED: u8 = 90;

#[test]
fn error_alerts_end_the_connection_whatever_their_level_and_are_not_answered() {
    for stage in Stage::ALL {
        for (level, code) in [
            (2, 40),
            (1, 40),
            (0, 80),
            (255, 48),
            (1, 10),
            (2, 255),
            (1, 100),
        ] {
            let row = format!("{level} {code}, {:?} in {}", stage.role, stage.state);
            let mut bench = Bench::at(stage);
            let wire = bench.peer.record(ALERT, &[level, code]);
            bench.fails(&row, &wire, Error::Alert(AlertDescription(code)));
        }
    }
}

#[test]
fn every_code_but_two_is_an_error_alert_unknown_ones_too() {
    for stage in Stage::CONNECTED {
        for code in 0..=255 {
            let mut bench = Bench::at(stage);
            let wire = bench.peer.record(ALERT, &[1, code]);
            if [CLOSE_NOTIFY, USER_CANCELED].contains(&code) {
                assert_eq!(bench.feed(&wire), Ok(()), "{code}");
            } else {
                let want = Error::Alert(AlertDescription(code));
                bench.fails(&format!("code {code}"), &wire, want);
            }
        }
    }
}

#[test]
fn alerts_that_are_not_two_bytes_long_are_refused() {
    let bodies: [&[u8]; 7] = [
        &[2],
        &[1],
        &[2, 40, 0],
        &[1, 0, 0],
        &[2, 40, 2, 40],
        &[1, 90, 1, 0],
        &[0; 1000],
    ];
    for stage in Stage::ALL {
        for body in bodies {
            let mut bench = Bench::at(stage);
            let wire = bench.peer.record(ALERT, body);
            bench.fails(
                &format!("{body:?} in {}", stage.state),
                &wire,
                Fault::MalformedAlert,
            );
        }
    }
}

#[test]
fn four_user_canceled_pass_and_a_fifth_is_refused() {
    for stage in Stage::ALL {
        for level in [1, 2] {
            let row = format!("{:?} in {}", stage.role, stage.state);
            let mut bench = Bench::at(stage);
            for _ in 0..4 {
                let wire = bench.peer.record(ALERT, &[level, USER_CANCELED]);
                assert_eq!(bench.feed(&wire), Ok(()), "{row}");
            }
            bench.finish().unwrap();
            bench.assert_works(&row);
            let wire = bench.peer.record(ALERT, &[level, USER_CANCELED]);
            bench.fails(&row, &wire, Fault::TooManyUserCanceled);
        }
    }
}

#[test]
fn reading_goes_on_from_user_canceled_to_close_notify() {
    for stage in Stage::ALL {
        let mut bench = Bench::at(stage);
        let mut wire = bench.peer.record(ALERT, &[1, USER_CANCELED]);
        wire.extend(bench.peer.record(ALERT, &[1, CLOSE_NOTIFY]));
        if !stage.is_connected() {
            let want = Error::Alert(AlertDescription::CLOSE_NOTIFY);
            bench.fails(stage.state, &wire, want);
            continue;
        }
        assert_eq!(bench.feed(&wire), Ok(()));
        assert!(bench.side.closed, "{}", stage.state);
        assert_eq!(bench.side.tls.status().receive, Flow::PeerClosed);
    }
}

#[test]
fn an_alert_ends_what_waits_to_be_sent() {
    for stage in Stage::CONNECTED {
        let mut bench = Bench::at(stage);
        bench.side.tls.update_keys(true).unwrap();
        let seen = bench.peer.seen.len();
        let wire = bench.peer.record(ALERT, &[2, 80]);
        bench.fails(
            "KeyUpdate queued",
            &wire,
            Error::Alert(AlertDescription::INTERNAL_ERROR),
        );
        assert_eq!(
            bench.peer.seen.len(),
            seen,
            "the KeyUpdate went out after all"
        );
    }
}

#[test]
fn a_plain_alert_is_named_only_while_the_peer_may_have_no_keys() {
    for stage in Stage::ALL.iter().filter(|stage| stage.is_protected()) {
        let row = format!("{:?} in {}", stage.role, stage.state);
        // Nothing protected has come yet.
        let may = stage.messages == 1;
        let unexpected = Error::Fault(Fault::UnexpectedRecord { content_type: 21 });
        // (body, whether it is an error alert)
        for (body, error) in [
            (&[2, 40][..], true),
            (&[1, 40], true),
            (&[1, CLOSE_NOTIFY], false),
            (&[1, USER_CANCELED], false),
            (&[2], false),
            (&[], false),
        ] {
            let want = if may && error {
                Error::Alert(AlertDescription::HANDSHAKE_FAILURE)
            } else {
                unexpected.clone()
            };
            Bench::at(*stage).fails(&format!("{body:?}, {row}"), &plain(ALERT, body), want);
        }
    }
    // New keys do not make it legal again.
    for stage in Stage::CONNECTED {
        let mut bench = Bench::at(stage);
        let wire = bench.peer.record(DATA, b"data");
        bench.feed(&wire).unwrap();
        let wire = bench.peer.key_update(&KEY_UPDATE);
        bench.feed(&wire).unwrap();
        let want = Fault::UnexpectedRecord { content_type: 21 };
        bench.fails("after a KeyUpdate", &plain(ALERT, &[2, 40]), want);
    }
}

#[test]
fn no_alert_follows_our_close_notify() {
    for stage in Stage::ALL {
        let mut bench = Bench::at(stage);
        bench.side.tls.close();
        bench.flush();
        assert_eq!(
            bench.peer.contents(ALERT),
            [[1, CLOSE_NOTIFY]],
            "{}",
            stage.state
        );
        let seen = bench.peer.seen.len();
        let wire = bench.peer.record(HANDSHAKE, &[]);
        assert_eq!(bench.feed(&wire), Err(Fault::EmptyRecord.into()));
        assert_eq!(bench.peer.seen.len(), seen, "{}", stage.state);
    }
}
