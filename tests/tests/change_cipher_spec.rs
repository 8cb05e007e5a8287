//! ChangeCipherSpec records, which mean nothing and pass where middleboxes want them (RFC 9846 section 5): at most two, only
//! between the first ClientHello and the peer's Finished, and only with the one body (R05).
#![allow(clippy::unwrap_used, missing_docs)]

use pith_tests::pair::{Pair, configs};
use pith_tests::scripted::{Bench, CHANGE_CIPHER_SPEC, HANDSHAKE, Stage, plain};
use pith_tls::{Error, Fault};

fn legal() -> Vec<u8> {
    plain(CHANGE_CIPHER_SPEC, &[1])
}

/// Whether the first ClientHello was sent or received, and Finished not received.
fn allows(stage: &Stage) -> bool {
    stage.state != "START" && !stage.is_connected()
}

#[test]
fn two_are_dropped_and_a_third_is_refused() {
    for stage in Stage::ALL.iter().filter(|stage| allows(stage)) {
        let row = format!("{:?} in {}", stage.role, stage.state);
        let mut bench = Bench::at(*stage);
        let seen = bench.peer.seen.len();
        assert_eq!(bench.feed(&[legal(), legal()].concat()), Ok(()), "{row}");
        assert_eq!(bench.peer.seen.len(), seen, "{row}: nothing is answered");
        bench.finish().unwrap();
        bench.assert_works(&row);

        let mut bench = Bench::at(*stage);
        assert_eq!(bench.feed(&[legal(), legal()].concat()), Ok(()), "{row}");
        bench.fails(&row, &legal(), Fault::TooManyChangeCipherSpecs);
    }
}

#[test]
fn the_count_is_for_the_whole_handshake() {
    let mut bench = Bench::at(Stage::CLIENT_START);
    for _ in 0..2 {
        assert_eq!(bench.feed(&legal()), Ok(()));
        let wire = bench.peer.honest(2);
        assert_eq!(bench.feed(&wire), Ok(()));
    }
    bench.fails("third", &legal(), Fault::TooManyChangeCipherSpecs);
}

#[test]
fn other_bodies_are_refused() {
    let bodies: [&[u8]; 6] = [&[], &[0], &[2], &[255], &[1, 1], &[1; 300]];
    for stage in Stage::ALL.iter().filter(|stage| allows(stage)) {
        for body in bodies {
            let row = format!("{body:?} in {}", stage.state);
            let wire = plain(CHANGE_CIPHER_SPEC, body);
            Bench::at(*stage).fails(&row, &wire, Fault::ChangeCipherSpecBody);
        }
    }
}

#[test]
fn before_the_first_hello_and_after_finished_it_is_refused() {
    let mut ran = 0;
    for stage in Stage::ALL.iter().filter(|stage| !allows(stage)) {
        for body in [&[1][..], &[2], &[]] {
            let wire = plain(CHANGE_CIPHER_SPEC, body);
            Bench::at(*stage).fails(stage.state, &wire, Fault::ChangeCipherSpecMisplaced);
            ran += 1;
        }
    }
    assert_eq!(ran, 3 * 3, "START and CONNECTED twice");
}

#[test]
fn inside_a_first_hello_it_is_refused_and_inside_a_later_message_dropped() {
    for stage in Stage::ALL.iter().filter(|stage| !stage.is_connected()) {
        let mut bench = Bench::at(*stage);
        let message = bench.peer.next_message().unwrap();
        let (first, second) = message.split_at(message.len() / 2);
        let half = bench.peer.record(HANDSHAKE, first);
        assert_eq!(bench.feed(&half), Ok(()));
        if stage.state == "START" {
            bench.fails("inside", &legal(), Fault::ChangeCipherSpecMisplaced);
            continue;
        }
        assert_eq!(bench.feed(&legal()), Ok(()), "{}", stage.state);
        let half = bench.peer.record(HANDSHAKE, second);
        assert_eq!(bench.feed(&half), Ok(()), "{}", stage.state);
        bench.peer.settle();
        bench.finish().unwrap();
        bench.assert_works(stage.state);
    }
}

#[test]
fn an_alert_in_place_of_the_second_flight_stands_behind_one_too() {
    let (client, server) = configs();
    let mut pair = Pair::new(&client, &server);
    let hello = pair.client.output();
    pair.server.input(&hello).unwrap();
    let mut flight = pair.server.output();
    *flight.last_mut().unwrap() ^= 1;
    let want = Err(Error::Fault(Fault::BadRecordMac));
    assert_eq!(pair.client.input(&flight), want);
    let sent = pair.client.output();
    let (first, alert) = sent.split_at(6);
    assert_eq!(first, legal());
    let error = pair.server.input(alert).unwrap_err();
    assert_eq!(error, Error::Alert(Fault::BadRecordMac.alert()));
}
