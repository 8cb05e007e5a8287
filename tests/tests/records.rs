//! Records that may not come, and those that may (RFC 9846 section 5): types, lengths, padding, keys and the borders of
//! messages, at every stage of the handshake in both roles. The alert is read off the wire.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

use pith_tests::scripted::{
    ALERT, Bench, CHANGE_CIPHER_SPEC, DATA, HANDSHAKE, KEY_UPDATE, Role, Stage, message, plain,
};
use pith_tls::{Error, Fault, MessageKind};

/// A record to send, where it applies, and the fault that it is.
type Row = (
    &'static str,
    fn(&Stage) -> bool,
    fn(&mut Bench) -> Vec<u8>,
    Fault,
);

fn all_fail(rows: &[Row]) {
    for (name, applies, wire, want) in rows {
        let mut ran = 0;
        for stage in Stage::ALL.iter().filter(|stage| applies(stage)) {
            let mut bench = Bench::at(*stage);
            let wire = wire(&mut bench);
            let row = format!("{name}, {:?} in {}", stage.role, stage.state);
            bench.fails(&row, &wire, *want);
            ran += 1;
        }
        assert!(ran > 0, "{name} applies nowhere");
    }
}

fn everywhere(_: &Stage) -> bool {
    true
}

fn unprotected(stage: &Stage) -> bool {
    !stage.is_protected()
}

fn protected(stage: &Stage) -> bool {
    stage.is_protected()
}

fn handshaking(stage: &Stage) -> bool {
    stage.is_protected() && !stage.is_connected()
}

fn connected(stage: &Stage) -> bool {
    stage.is_connected()
}

fn before_key_change(stage: &Stage) -> bool {
    !stage.is_protected() || stage.state == "WAIT_FINISHED"
}

fn unexpected(content_type: u8) -> Fault {
    Fault::UnexpectedRecord { content_type }
}

const LONGEST: usize = 1 << 14;

#[test]
fn every_stage_is_what_it_says() {
    for stage in Stage::ALL {
        let mut bench = Bench::at(stage);
        let wire = bench.peer.record(HANDSHAKE, &message(99, b"unknown"));
        let want = Fault::UnexpectedMessage {
            state: stage.state,
            message: MessageKind::Unknown(99),
        };
        bench.fails(stage.state, &wire, want);
        let mut bench = Bench::at(stage);
        bench.finish().unwrap();
        bench.assert_works(stage.state);
    }
}

#[test]
fn messages_of_the_handshake_do_not_come_after_it() {
    // Every type but KeyUpdate (24) and, for a client, NewSessionTicket (4); a post-handshake CertificateRequest (13) too.
    for stage in Stage::CONNECTED {
        for code in 0..=255 {
            if code == 24 || (code == 4 && stage.role == Role::Client) {
                continue;
            }
            let mut bench = Bench::at(stage);
            let wire = bench.peer.record(HANDSHAKE, &message(code, &[0; 40]));
            let error = bench.feed(&wire).unwrap_err();
            let Error::Fault(Fault::UnexpectedMessage { state, message }) = error else {
                panic!("{code}: {error:?}");
            };
            assert_eq!((state, message.code()), ("CONNECTED", code));
            assert_eq!(bench.peer.contents(ALERT), [[2, 10]]);
        }
    }
}

#[test]
fn records_of_unexpected_types_are_refused() {
    all_fail(&[
        ("type 0", everywhere, |_| plain(0, &[1]), unexpected(0)),
        ("type 19", everywhere, |_| plain(19, &[1]), unexpected(19)),
        (
            "type 24, heartbeat",
            everywhere,
            |_| plain(24, &[1]),
            unexpected(24),
        ),
        ("type 255", everywhere, |_| plain(255, &[]), unexpected(255)),
        (
            "plain data",
            unprotected,
            |_| plain(DATA, b"data"),
            unexpected(23),
        ),
        (
            "plain empty data",
            unprotected,
            |_| plain(DATA, &[]),
            unexpected(23),
        ),
        (
            "plain handshake",
            protected,
            |_| plain(HANDSHAKE, &message(8, &[0, 0])),
            unexpected(22),
        ),
        (
            "sealed, but its header says handshake",
            protected,
            |bench| {
                bench
                    .peer
                    .sealed(HANDSHAKE, &[KEY_UPDATE.as_slice(), &[22]].concat())
            },
            unexpected(22),
        ),
        (
            "plain data where keys are",
            protected,
            |_| plain(DATA, &[7; 40]),
            Fault::BadRecordMac,
        ),
        (
            "sealed type 24",
            protected,
            |bench| bench.peer.record(24, &[1]),
            unexpected(24),
        ),
        (
            "sealed type 255",
            protected,
            |bench| bench.peer.record(255, &[1]),
            unexpected(255),
        ),
        (
            "data before Finished",
            handshaking,
            |bench| bench.peer.record(DATA, b"data"),
            unexpected(23),
        ),
        (
            "empty data before Finished",
            handshaking,
            |bench| bench.peer.record(DATA, &[]),
            unexpected(23),
        ),
    ]);
}

#[test]
fn records_without_content_are_refused() {
    all_fail(&[
        (
            "plain handshake",
            unprotected,
            |_| plain(HANDSHAKE, &[]),
            Fault::EmptyRecord,
        ),
        (
            "plain alert",
            unprotected,
            |_| plain(ALERT, &[]),
            Fault::EmptyRecord,
        ),
        (
            "handshake",
            protected,
            |bench| bench.peer.record(HANDSHAKE, &[]),
            Fault::EmptyRecord,
        ),
        (
            "alert",
            protected,
            |bench| bench.peer.record(ALERT, &[]),
            Fault::EmptyRecord,
        ),
        (
            "padded handshake",
            protected,
            |bench| bench.peer.padded(HANDSHAKE, &[], 100),
            Fault::EmptyRecord,
        ),
        (
            "padded alert",
            protected,
            |bench| bench.peer.padded(ALERT, &[], 2),
            Fault::EmptyRecord,
        ),
        (
            "padding alone",
            protected,
            |bench| bench.peer.sealed(DATA, &[0; 50]),
            Fault::NoContentType,
        ),
        (
            "as much padding as there can be",
            protected,
            |bench| bench.peer.sealed(DATA, &[0; LONGEST + 1]),
            Fault::NoContentType,
        ),
        (
            "not even a type",
            protected,
            |bench| bench.peer.sealed(DATA, &[]),
            Fault::NoContentType,
        ),
    ]);
}

#[test]
fn records_past_the_limits_of_length_are_refused() {
    let overflow = |length| Fault::RecordOverflow { length };
    all_fail(&[
        (
            "plain, one byte",
            unprotected,
            |_| plain(HANDSHAKE, &[1; LONGEST + 1]),
            overflow(LONGEST + 1),
        ),
        // The header is enough.
        (
            "plain, announced",
            unprotected,
            |_| vec![22, 3, 3, 0x40, 1],
            overflow(LONGEST + 1),
        ),
        (
            "plain, the most",
            unprotected,
            |_| vec![22, 3, 3, 255, 255],
            overflow(65_535),
        ),
        (
            "sealed, announced",
            protected,
            |_| vec![23, 3, 3, 0x41, 1],
            overflow(LONGEST + 257),
        ),
        (
            "sealed, the most",
            protected,
            |_| vec![23, 3, 3, 255, 255],
            overflow(65_535),
        ),
        (
            "sealed, one byte",
            protected,
            |bench| bench.peer.sealed(DATA, &[7; LONGEST + 241]),
            overflow(LONGEST + 257),
        ),
        (
            "longest record, content past the limit",
            protected,
            |bench| bench.peer.sealed(DATA, &[7; LONGEST + 240]),
            overflow(LONGEST + 240),
        ),
        (
            "content one byte past the limit",
            protected,
            |bench| bench.peer.record(DATA, &[7; LONGEST + 1]),
            overflow(LONGEST + 2),
        ),
        (
            "padding one byte past the limit",
            protected,
            |bench| bench.peer.padded(HANDSHAKE, &[7], LONGEST),
            overflow(LONGEST + 2),
        ),
    ]);
}

#[test]
fn records_that_do_not_open_are_refused() {
    let rows: [Row; 10] = [
        (
            "a byte of the tag flipped",
            protected,
            |bench| {
                let mut wire = bench.peer.record(HANDSHAKE, b"text");
                *wire.last_mut().unwrap() ^= 1;
                wire
            },
            Fault::BadRecordMac,
        ),
        (
            "a byte of the content flipped",
            protected,
            |bench| {
                let mut wire = bench.peer.record(HANDSHAKE, b"text");
                wire[5] ^= 0x80;
                wire
            },
            Fault::BadRecordMac,
        ),
        (
            "another version in the header",
            protected,
            |bench| {
                let mut wire = bench.peer.record(HANDSHAKE, b"text");
                wire[2] = 1;
                wire
            },
            Fault::BadRecordMac,
        ),
        (
            "nothing",
            protected,
            |_| plain(DATA, &[]),
            Fault::BadRecordMac,
        ),
        (
            "less than a tag",
            protected,
            |_| plain(DATA, &[7; 15]),
            Fault::BadRecordMac,
        ),
        (
            "under keys that no KeyUpdate announced",
            connected,
            |bench| {
                bench.peer.update_sealing();
                bench.peer.record(DATA, b"data")
            },
            Fault::BadRecordMac,
        ),
        (
            "under the old keys after a KeyUpdate",
            connected,
            |bench| {
                let update = bench.peer.record(HANDSHAKE, &KEY_UPDATE);
                [update, bench.peer.record(DATA, b"late")].concat()
            },
            Fault::BadRecordMac,
        ),
        (
            "repeated",
            connected,
            |bench| {
                let wire = bench.peer.record(DATA, b"data");
                bench.feed(&wire).unwrap();
                wire
            },
            Fault::BadRecordMac,
        ),
        (
            "the one before it was dropped",
            connected,
            |bench| {
                bench.peer.record(DATA, b"first");
                bench.peer.record(DATA, b"second")
            },
            Fault::BadRecordMac,
        ),
        (
            "under the keys of the handshake after it",
            |stage| stage.role == Role::Client && stage.state == "WAIT_FINISHED",
            |bench| {
                let finished = bench.peer.next_message().unwrap();
                let finished = bench.peer.record(HANDSHAKE, &finished);
                [finished, bench.peer.record(HANDSHAKE, &KEY_UPDATE)].concat()
            },
            Fault::BadRecordMac,
        ),
    ];
    all_fail(&rows);
}

#[test]
fn protected_change_cipher_spec_is_refused() {
    all_fail(&[
        (
            "sealed, the one legal value",
            protected,
            |bench| bench.peer.record(CHANGE_CIPHER_SPEC, &[1]),
            Fault::ChangeCipherSpecBody,
        ),
        (
            "sealed, another value",
            protected,
            |bench| bench.peer.record(CHANGE_CIPHER_SPEC, &[2]),
            Fault::ChangeCipherSpecBody,
        ),
        (
            "sealed, empty",
            protected,
            |bench| bench.peer.record(CHANGE_CIPHER_SPEC, &[]),
            Fault::EmptyRecord,
        ),
        (
            "sealed, the header says so",
            handshaking,
            |bench| bench.peer.sealed(CHANGE_CIPHER_SPEC, &[1, 20]),
            Fault::ChangeCipherSpecBody,
        ),
    ]);
}

/// The first half of the next message, or of a KeyUpdate; then what `next` makes.
fn inside_a_message(bench: &mut Bench, next: impl Fn(&mut Bench) -> Vec<u8>) -> Vec<u8> {
    let message = bench.peer.next_message().unwrap_or(KEY_UPDATE.to_vec());
    let half = bench.peer.record(HANDSHAKE, &message[..message.len() / 2]);
    assert_eq!(bench.feed(&half), Ok(()));
    next(bench)
}

#[test]
fn records_inside_a_handshake_message_are_refused() {
    all_fail(&[
        (
            "fatal alert",
            everywhere,
            |bench| inside_a_message(bench, |bench| bench.peer.record(ALERT, &[2, 40])),
            Fault::InterleavedRecord,
        ),
        (
            "close_notify",
            everywhere,
            |bench| inside_a_message(bench, |bench| bench.peer.record(ALERT, &[1, 0])),
            Fault::InterleavedRecord,
        ),
        (
            "user_canceled",
            everywhere,
            |bench| inside_a_message(bench, |bench| bench.peer.record(ALERT, &[1, 90])),
            Fault::InterleavedRecord,
        ),
        (
            "data",
            protected,
            |bench| inside_a_message(bench, |bench| bench.peer.record(DATA, b"data")),
            Fault::InterleavedRecord,
        ),
        (
            "empty data",
            protected,
            |bench| inside_a_message(bench, |bench| bench.peer.record(DATA, &[])),
            Fault::InterleavedRecord,
        ),
        (
            "nothing of the message",
            everywhere,
            |bench| inside_a_message(bench, |bench| bench.peer.record(HANDSHAKE, &[])),
            Fault::EmptyRecord,
        ),
    ]);
}

/// The next message or a KeyUpdate, and `more` in the same record.
fn with_more(bench: &mut Bench, more: &[u8]) -> Vec<u8> {
    let message = bench.peer.next_message().unwrap_or(KEY_UPDATE.to_vec());
    bench.peer.record(HANDSHAKE, &[&message, more].concat())
}

#[test]
fn handshake_bytes_across_a_key_change_are_refused() {
    let across = Fault::MessageAcrossKeyChange;
    all_fail(&[
        (
            "one byte",
            before_key_change,
            |bench| with_more(bench, &[0]),
            across,
        ),
        (
            "a header",
            before_key_change,
            |bench| with_more(bench, &[8, 0, 0, 9]),
            across,
        ),
        (
            "ServerHello and EncryptedExtensions in one plain record",
            |stage| stage.state == "WAIT_SH",
            |bench| {
                let hello = bench.peer.next_message().unwrap();
                // Not yet under the keys that follow.
                let extensions = message(8, &[0, 0]);
                bench.peer.record(HANDSHAKE, &[hello, extensions].concat())
            },
            across,
        ),
        (
            "Finished and a KeyUpdate",
            |stage| stage.state == "WAIT_FINISHED",
            |bench| with_more(bench, &KEY_UPDATE),
            across,
        ),
        (
            "Finished and a ticket",
            |stage| stage.state == "WAIT_FINISHED",
            |bench| with_more(bench, &message(4, &[0; 13])),
            across,
        ),
        (
            "KeyUpdate and a byte",
            connected,
            |bench| with_more(bench, &[0]),
            across,
        ),
        (
            "two KeyUpdates",
            connected,
            |bench| with_more(bench, &KEY_UPDATE),
            across,
        ),
        (
            "KeyUpdate in pieces, the second with a byte too many",
            connected,
            |bench| inside_a_message(bench, |bench| bench.peer.record(HANDSHAKE, &[0, 1, 0, 9])),
            across,
        ),
    ]);
}

#[test]
fn records_at_the_limits_of_length_and_padding_pass() {
    for stage in Stage::CONNECTED {
        let mut bench = Bench::at(stage);
        // (content, padding)
        for (content, padding) in [
            (LONGEST, 0),
            (LONGEST - 1, 1),
            (1, LONGEST - 1),
            (0, LONGEST),
            (1, 0),
            (100, 1),
            (255, 255),
        ] {
            bench.side.data.clear();
            let wire = bench.peer.padded(DATA, &vec![7; content], padding);
            assert_eq!(bench.feed(&wire), Ok(()), "{content} and {padding} padding");
            assert_eq!(
                bench.side.data.len(),
                content,
                "{content} and {padding} padding"
            );
        }
        let wire = bench.peer.padded(HANDSHAKE, &KEY_UPDATE, LONGEST - 5);
        bench.peer.update_sealing();
        assert_eq!(bench.feed(&wire), Ok(()), "a padded KeyUpdate");
        bench.assert_works("after padding");
    }
}

#[test]
fn legacy_version_of_a_record_is_ignored() {
    for stage in Stage::ALL.iter().filter(|stage| unprotected(stage)) {
        for version in [[0, 0], [2, 0], [3, 0], [3, 1], [3, 4], [255, 255]] {
            let mut bench = Bench::at(*stage);
            let mut wire = bench.peer.honest(1);
            wire[1..3].copy_from_slice(&version);
            assert_eq!(bench.feed(&wire), Ok(()), "{version:?} in {}", stage.state);
            bench.finish().unwrap();
            bench.assert_works("after an odd version");
        }
    }
}

#[test]
fn what_is_sent_keeps_the_rules_of_records() {
    let ends = |content: &[u8]| {
        // The messages that may precede a key change stand last in their record (all are whole in these flights).
        let mut rest = content;
        while let [kind, high, middle, low, ..] = *rest {
            let length = u32::from_be_bytes([0, high, middle, low]);
            rest = &rest[4 + usize::try_from(length).unwrap()..];
            assert!(
                ![1, 2, 5, 20, 24].contains(&kind) || rest.is_empty(),
                "type {kind}"
            );
        }
    };
    for stage in [
        Stage::CLIENT_CONNECTED,
        Stage::CLIENT_RETRIED,
        Stage::SERVER_CONNECTED,
        Stage::SERVER_RETRIED,
    ] {
        let mut bench = Bench::at(stage);
        bench.finish().unwrap();
        bench.side.tls.update_keys(true).unwrap();
        let wire = bench.side.seal(&[7; 100_000]).unwrap();
        bench.peer.take(&wire);
        bench.side.tls.close();
        bench.flush();
        let mut hellos = 0;
        for record in &bench.peer.seen {
            assert!(
                (CHANGE_CIPHER_SPEC..=DATA).contains(&record.outer),
                "{record:?}"
            );
            let first = record.inner == HANDSHAKE && record.content[0] == 1 && hellos == 0;
            hellos += usize::from(first);
            let version = if first { [3, 1] } else { [3, 3] };
            assert_eq!(record.version, version, "{record:?}");
            assert!(
                !record.content.is_empty(),
                "an empty record of type {}",
                record.inner
            );
            assert!(record.content.len() <= LONGEST);
            assert_eq!(record.padding, 0, "padding is never sent");
            assert!(
                record.inner != DATA || record.outer == DATA,
                "data goes out sealed"
            );
            match record.inner {
                HANDSHAKE => ends(&record.content),
                ALERT => assert_eq!(record.content, [1, 0]),
                CHANGE_CIPHER_SPEC => {
                    assert_eq!((record.outer, &record.content[..]), (20, &[1][..]))
                }
                _ => {}
            }
        }
        let data: usize = bench
            .peer
            .contents(DATA)
            .iter()
            .map(|data| data.len())
            .sum();
        assert_eq!(data, 100_000);
    }
}
