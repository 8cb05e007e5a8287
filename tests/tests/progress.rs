//! Each call of `receive` consumes, hands out, or says what is missing, so that no driver loops in vain (R03): the number of
//! calls is linear in the input, however it comes.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

use pith_tests::pair::NOW;
use pith_tests::scripted::{ALERT, Bench, CHANGE_CIPHER_SPEC, DATA, HANDSHAKE, Stage, plain};
use pith_tls::{Connection, Error, Received};

/// Calls that this input took, all of it there from the start, and what they ended with.
fn calls(tls: &mut Connection, input: &mut [u8]) -> (usize, Result<usize, Error>) {
    let (mut at, mut calls) = (0, 0);
    loop {
        calls += 1;
        let consumed = match tls.receive(NOW, &mut input[at..]) {
            Ok(Received::NeedMore { at_least }) => return (calls, Ok(at_least)),
            Ok(Received::Handled { consumed } | Received::Data { consumed, .. }) => consumed,
            Ok(_) => return (calls, Ok(0)),
            Err(error) => return (calls, Err(error)),
        };
        assert!(consumed >= 5, "a record is at least a header");
        at += consumed;
    }
}

#[test]
fn one_call_for_each_record_and_one_that_wants_more() {
    for stage in Stage::ALL {
        let mut bench = Bench::at(stage);
        let mut wire = Vec::new();
        let records = if stage.is_connected() { 10_000 } else { 3 };
        for at in 0..records {
            wire.extend(match stage.state {
                "CONNECTED" => bench.peer.record(DATA, &[7; 1][..at % 2]),
                "START" => bench.peer.record(ALERT, &[1, 90]),
                _ if at == 2 => bench.peer.record(ALERT, &[1, 90]),
                _ => plain(CHANGE_CIPHER_SPEC, &[1]),
            });
        }
        assert_eq!(
            calls(&mut bench.side.tls, &mut wire),
            (records + 1, Ok(5)),
            "{}",
            stage.state
        );
    }
}

/// Reads as a driver would that takes `at_least` bytes at a time and no more.
#[test]
fn what_is_missing_is_said_exactly() {
    for stage in Stage::ALL.iter().filter(|stage| !stage.is_connected()) {
        let mut bench = Bench::at(*stage);
        let message = bench.peer.next_message().unwrap();
        let pieces = message.chunks(100);
        let records = pieces.len();
        let wire: Vec<u8> = pieces
            .flat_map(|piece| bench.peer.record(HANDSHAKE, piece))
            .collect();
        let (mut rest, mut buffer, mut waits) = (&wire[..], Vec::new(), 0);
        loop {
            match bench.side.tls.receive(NOW, &mut buffer).unwrap() {
                Received::NeedMore { .. } if rest.is_empty() => break,
                Received::NeedMore { at_least } => {
                    waits += 1;
                    buffer.extend_from_slice(&rest[..at_least]);
                    rest = &rest[at_least..];
                }
                Received::Handled { consumed } => {
                    assert_eq!(consumed, buffer.len());
                    buffer.clear();
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(
            waits,
            2 * records,
            "{}: a header and a body for each record",
            stage.state
        );
    }
}

#[test]
fn half_a_record_is_never_acted_on() {
    for stage in Stage::ALL {
        let mut bench = Bench::at(stage);
        let wire = bench.peer.record(ALERT, &[2, 40]);
        for length in 0..wire.len() {
            let mut part = wire[..length].to_vec();
            let received = bench.side.tls.receive(NOW, &mut part);
            let at_least = if length < 5 {
                5 - length
            } else {
                wire.len() - length
            };
            assert_eq!(received, Ok(Received::NeedMore { at_least }), "{length}");
        }
        bench.feed(&wire).unwrap_err();
    }
}

#[test]
fn input_of_chance_fails_in_as_many_calls_as_it_has_records() {
    // Bytes of a small generator, so that a failure can be repeated.
    let mut state = 1_u32;
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    for round in 0..2000 {
        let mut bench = Bench::at(Stage::ALL[round % Stage::ALL.len()]);
        let mut input: Vec<u8> = (0..200).map(|_| byte()).collect();
        if round % 2 == 0 {
            // A header that passes.
            let header = [20 + input[0] % 4, 3, 3, 0, input[4] % 64];
            input[..5].copy_from_slice(&header);
        }
        let (calls, result) = calls(&mut bench.side.tls, &mut input);
        assert!(calls <= 1 + 200 / 5, "{round}: {calls} calls");
        assert!(result != Ok(0) || round % 2 == 0, "{round}");
    }
}
