//! KeyUpdate (RFC 9846 section 4.7.3) in both roles: values and times, which keys hold when, how requests are answered, and
//! what a flood can do (R08).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use pith_tests::scripted::{
    ALERT, Bench, DATA, HANDSHAKE, KEY_UPDATE, KEY_UPDATE_REQUEST, Role, Stage, message,
};
use pith_tls::limits::QUIET_MESSAGES;
use pith_tls::{Fault, MessageKind};

/// A NewSessionTicket of a lifetime of one second.
fn ticket() -> Vec<u8> {
    message(4, &[0, 0, 0, 1, 0, 0, 0, 2, 1, 9, 0, 2, 7, 7, 0, 0])
}

/// What the connection under test sent since the peer had seen so many handshake records.
fn sent(bench: &mut Bench, before: usize) -> Vec<Vec<u8>> {
    bench.flush();
    let handshake = bench.peer.contents(HANDSHAKE);
    handshake[before..]
        .iter()
        .map(|sent| sent.to_vec())
        .collect()
}

#[test]
fn before_finished_it_is_refused() {
    for stage in Stage::ALL.iter().filter(|stage| !stage.is_connected()) {
        for update in [KEY_UPDATE, KEY_UPDATE_REQUEST] {
            let mut bench = Bench::at(*stage);
            let wire = bench.peer.record(HANDSHAKE, &update);
            let want = Fault::UnexpectedMessage {
                state: stage.state,
                message: MessageKind::KeyUpdate,
            };
            bench.fails(stage.state, &wire, want);
        }
    }
}

#[test]
fn other_values_and_lengths_are_refused() {
    let malformed = Fault::Malformed {
        message: MessageKind::KeyUpdate,
    };
    let rows = [
        ("value 2", message(24, &[2]), Fault::KeyUpdateValue),
        ("value 255", message(24, &[255]), Fault::KeyUpdateValue),
        ("empty", message(24, &[]), malformed),
        ("two bytes", message(24, &[0, 0]), malformed),
        ("a kilobyte", message(24, &[1; 1024]), malformed),
    ];
    for stage in Stage::CONNECTED {
        for (name, update, want) in &rows {
            let mut bench = Bench::at(stage);
            let wire = bench.peer.key_update(update);
            bench.fails(name, &wire, *want);
        }
    }
}

#[test]
fn the_update_is_under_the_old_keys_and_the_next_record_under_the_new() {
    for stage in Stage::CONNECTED {
        let mut bench = Bench::at(stage);
        let wire = bench.peer.key_update(&KEY_UPDATE);
        assert_eq!(bench.feed(&wire), Ok(()));
        bench.assert_works("peer updated");
        bench.side.tls.update_keys(false).unwrap();
        // The scripted peer opens the KeyUpdate with the old keys and all that follows with the new.
        bench.flush();
        bench.assert_works("we updated");

        let mut bench = Bench::at(stage);
        bench.peer.update_sealing();
        let wire = bench.peer.key_update(&KEY_UPDATE);
        bench.fails("a KeyUpdate under new keys", &wire, Fault::BadRecordMac);
        let mut bench = Bench::at(stage);
        let mut wire = bench.peer.record(HANDSHAKE, &KEY_UPDATE);
        wire.extend(bench.peer.record(DATA, b"under the old keys"));
        bench.fails("old keys after a KeyUpdate", &wire, Fault::BadRecordMac);
    }
}

#[test]
fn one_answer_for_any_number_of_requests() {
    for stage in Stage::CONNECTED {
        for requests in [1, 2, 20] {
            let mut bench = Bench::at(stage);
            let before = bench.peer.contents(HANDSHAKE).len();
            let idle = bench.side.tls.sealed_len(0);
            for _ in 0..requests {
                let wire = bench.peer.key_update(&KEY_UPDATE_REQUEST);
                assert_eq!(bench.side.input(&wire), Ok(()));
                assert_eq!(
                    bench.side.tls.sealed_len(0),
                    idle,
                    "nothing is written while reading"
                );
            }
            assert_eq!(sent(&mut bench, before), [KEY_UPDATE], "{requests}");
            bench.assert_works("after the answer");
            assert_eq!(sent(&mut bench, before).len(), 1, "answered once");
        }
    }
}

#[test]
fn an_update_without_a_request_takes_none_back() {
    for stage in Stage::CONNECTED {
        let mut bench = Bench::at(stage);
        let before = bench.peer.contents(HANDSHAKE).len();
        let mut wire = bench.peer.key_update(&KEY_UPDATE_REQUEST);
        wire.extend(bench.peer.key_update(&KEY_UPDATE));
        assert_eq!(bench.feed(&wire), Ok(()));
        assert_eq!(sent(&mut bench, before), [KEY_UPDATE]);
    }
}

#[test]
fn requests_in_one_flight_of_records_with_data_between_are_answered_once() {
    for stage in Stage::CONNECTED {
        let mut bench = Bench::at(stage);
        let before = bench.peer.contents(HANDSHAKE).len();
        let mut wire = Vec::new();
        for _ in 0..100 {
            wire.extend(bench.peer.key_update(&KEY_UPDATE_REQUEST));
            wire.extend(bench.peer.record(DATA, b"."));
        }
        assert_eq!(bench.feed(&wire), Ok(()));
        assert_eq!(bench.side.data.len(), 100);
        assert_eq!(sent(&mut bench, before), [KEY_UPDATE]);
    }
}

#[test]
fn the_answer_precedes_the_next_data() {
    for stage in Stage::CONNECTED {
        let mut bench = Bench::at(stage);
        let seen = bench.peer.seen.len();
        let wire = bench.peer.key_update(&KEY_UPDATE_REQUEST);
        assert_eq!(bench.side.input(&wire), Ok(()));
        let wire = bench.side.seal(b"data").unwrap();
        bench.peer.take(&wire);
        let contents: Vec<_> = bench.peer.seen[seen..]
            .iter()
            .map(|sent| &sent.content[..])
            .collect();
        assert_eq!(contents, [&KEY_UPDATE[..], b"data"]);
    }
}

#[test]
fn an_update_of_our_own_is_answer_enough_and_no_request_is_none() {
    for stage in Stage::CONNECTED {
        let mut bench = Bench::at(stage);
        let before = bench.peer.contents(HANDSHAKE).len();
        let wire = bench.peer.key_update(&KEY_UPDATE);
        assert_eq!(bench.feed(&wire), Ok(()));
        assert!(sent(&mut bench, before).is_empty(), "nobody asked");
        let wire = bench.peer.key_update(&KEY_UPDATE_REQUEST);
        assert_eq!(bench.side.input(&wire), Ok(()));
        bench.side.tls.update_keys(false).unwrap();
        assert_eq!(sent(&mut bench, before), [KEY_UPDATE]);
        bench.assert_works("after both");
    }
}

#[test]
fn a_second_request_waits_for_the_peers_update() {
    for stage in Stage::CONNECTED {
        let mut bench = Bench::at(stage);
        let before = bench.peer.contents(HANDSHAKE).len();
        for _ in 0..3 {
            bench.side.tls.update_keys(true).unwrap();
        }
        let want = [KEY_UPDATE_REQUEST, KEY_UPDATE, KEY_UPDATE];
        assert_eq!(sent(&mut bench, before), want);
        let wire = bench.peer.key_update(&KEY_UPDATE);
        assert_eq!(bench.feed(&wire), Ok(()));
        bench.side.tls.update_keys(true).unwrap();
        assert_eq!(
            sent(&mut bench, before).last(),
            Some(&KEY_UPDATE_REQUEST.to_vec())
        );
        bench.assert_works("after all");
    }
}

#[test]
fn a_flood_without_data_ends_at_the_limit_and_data_resets_it() {
    type Message = fn(&mut Bench) -> Vec<u8>;
    let update: Message = |bench| bench.peer.key_update(&KEY_UPDATE);
    let request: Message = |bench| bench.peer.key_update(&KEY_UPDATE_REQUEST);
    let tickets: Message = |bench| bench.peer.record(HANDSHAKE, &ticket());
    // Neither empty records nor user_canceled are data.
    let around: Message = |bench| {
        let empty = bench.peer.record(DATA, &[]);
        [empty, bench.peer.key_update(&KEY_UPDATE)].concat()
    };
    for stage in Stage::CONNECTED {
        for (name, message) in [
            ("updates", update),
            ("requests", request),
            ("tickets", tickets),
            ("updates between empty records", around),
        ] {
            if name == "tickets" && stage.role == Role::Server {
                continue;
            }
            let mut bench = Bench::at(stage);
            for round in 0..3 {
                for at in 0..QUIET_MESSAGES {
                    let wire = message(&mut bench);
                    assert_eq!(bench.feed(&wire), Ok(()), "{name}, {at} of round {round}");
                }
                bench.assert_works(name);
            }
            for _ in 0..QUIET_MESSAGES {
                let wire = message(&mut bench);
                bench.feed(&wire).unwrap();
            }
            let wire = message(&mut bench);
            bench.fails(name, &wire, Fault::TooManyQuietMessages);
        }
    }
}

#[test]
fn many_tickets_in_one_record_are_counted_one_by_one() {
    let mut bench = Bench::at(Stage::CLIENT_CONNECTED);
    let wire = bench
        .peer
        .record(HANDSHAKE, &ticket().repeat(usize::from(QUIET_MESSAGES)));
    assert_eq!(bench.feed(&wire), Ok(()));
    let wire = bench.peer.record(HANDSHAKE, &ticket());
    bench.fails("one more", &wire, Fault::TooManyQuietMessages);
    let mut bench = Bench::at(Stage::SERVER_CONNECTED);
    let wire = bench.peer.record(HANDSHAKE, &ticket());
    let want = Fault::UnexpectedMessage {
        state: "CONNECTED",
        message: MessageKind::NewSessionTicket,
    };
    bench.fails("a ticket to a server", &wire, want);
}

#[test]
fn a_long_session_of_updates_and_data_goes_on() {
    for stage in Stage::CONNECTED {
        let mut bench = Bench::at(stage);
        for round in 0..3000_u32 {
            let mut wire = bench.peer.key_update(&KEY_UPDATE_REQUEST);
            wire.extend(bench.peer.record(DATA, &round.to_be_bytes()));
            assert_eq!(bench.feed(&wire), Ok(()), "{round}");
            if round % 3 == 0 {
                bench.side.tls.update_keys(round % 2 == 0).unwrap();
            }
            let wire = bench.side.seal(b"answer").unwrap();
            bench.peer.take(&wire);
            bench.peer.seen.clear();
        }
        assert_eq!(bench.side.data.len(), 3000 * 4);
        bench.assert_works("after thousands of updates");
        assert!(bench.peer.contents(ALERT).is_empty());
    }
}
