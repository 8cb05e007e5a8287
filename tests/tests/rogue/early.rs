//! 0-RTT packets to a server: what they may hold, what follows them, and those of clients who may send none (RFC 9000 section 17.2.3, RFC 9001 section 4.6).

use pith_quic::{Dir, Read};
use pith_tests::message::message;
use pith_tests::rogue::Level;
use pith_tests::rogue::wire::{crypto, frame, stream};

use super::bench::*;

const EARLY: Level = Level::Early;

#[test]
fn early_data_arrives_before_the_handshake_is_complete_and_is_told_apart() {
    let mut bench = Bench::early();
    bench.send(EARLY, &stream(0, 0, b"early", false));
    let id = bench.pith().accept(Dir::Bi).expect("a stream");
    assert!(matches!(bench.pith().read(id, 9), Ok(Read::Blocked)));
    let read = bench.pith().read_early(id, 9);
    assert!(
        matches!(&read, Ok(Read::Data { bytes, early: true, .. }) if bytes == &b"early"[..]),
        "{read:?}"
    );
    assert_eq!(bench.outcome(), Ok(Lives));
}

#[test]
fn conditions_of_early_data() {
    let mut table = Table::default();
    let fatal = [0x21];
    table.row(
        "an unknown frame",
        Bench::early(),
        Close(ENCODING, 0x21),
        |b| b.send(EARLY, &fatal),
    );
    table.row("no frames", Bench::early(), Close(VIOLATION, 0), |b| {
        b.send(EARLY, &[])
    });
    table.row("PADDING alone", Bench::early(), Lives, |b| {
        b.send(EARLY, &[0; 99])
    });
    table.row(
        "an empty CRYPTO frame",
        Bench::early(),
        Close(VIOLATION, 6),
        |b| b.send(EARLY, &crypto(0, &[])),
    );
    table.row(
        "EndOfEarlyData",
        Bench::early(),
        Close(VIOLATION, 6),
        |bench| {
            bench.send(EARLY, &crypto(0, &message(5, &[])));
        },
    );
    table.row(
        "EndOfEarlyData in Handshake",
        Bench::early(),
        alert(10),
        |bench| {
            bench.tell(Level::Handshake, &message(5, &[]));
        },
    );
    table.row(
        "data past the stream's limit",
        Bench::early(),
        Close(FLOW_CONTROL, 0x0e),
        |bench| {
            bench.send(EARLY, &stream(0, STREAM_WINDOW, b"x", false));
        },
    );
    table.row(
        "data at the stream's limit",
        Bench::early(),
        Lives,
        |bench| {
            bench.send(EARLY, &stream(0, STREAM_WINDOW - 1, b"x", false));
        },
    );
    table.row(
        "a stream past the limit",
        Bench::early(),
        Close(STREAM_LIMIT, 0x0e),
        |bench| {
            bench.send(EARLY, &stream(4 * STREAMS, 0, b"x", false));
        },
    );
    table.row(
        "the server's stream",
        Bench::early(),
        Close(STREAM_STATE, 0x0e),
        |bench| {
            bench.send(EARLY, &stream(1, 0, b"x", false));
        },
    );
    table.row(
        "two final sizes",
        Bench::early(),
        Close(FINAL_SIZE, 0x0f),
        |bench| {
            bench.send(
                EARLY,
                &[stream(0, 3, &[], true), stream(0, 4, &[], true)].concat(),
            );
        },
    );
    table.row(
        "a final size that 1-RTT changes",
        Bench::early(),
        Close(FINAL_SIZE, 0x0f),
        |bench| {
            bench.send(EARLY, &stream(0, 3, &[], true));
            bench.go_on(Complete);
            bench.send(Level::OneRtt, &stream(0, 4, &[], true));
        },
    );
    table.row("DATAGRAM", Bench::early(), Close(VIOLATION, 0x30), |b| {
        b.send(EARLY, &[0x30, 1])
    });
    table.row(
        "a second token for a number",
        Bench::early(),
        Close(VIOLATION, 0x18),
        |bench| {
            let id = |token: u8| pith_tests::rogue::wire::new_id(1, 0, 8, &[9; 8], &[token; 16]);
            bench.send(EARLY, &[id(1), id(2)].concat());
        },
    );
    for bits in [0x04, 0x08, 0x0c] {
        let name = format!("reserved bits {bits:#x}");
        table.row(name, Bench::early(), Close(VIOLATION, 0), |bench| {
            let mut draft = bench.rogue.draft(EARLY, &[1]);
            draft.flip = bits;
            let packet = bench.rogue.seal(&draft);
            bench.deliver(&packet);
        });
    }
    table.row("a broken packet", Bench::early(), Lives, |bench| {
        let mut packet = bench.rogue.packet(EARLY, &fatal);
        packet[30] ^= 1;
        bench.deliver(&packet);
    });
    table.row("after a 1-RTT packet", Bench::early(), Lives, |bench| {
        bench.go_on(Confirmed);
        bench.send(Level::OneRtt, &[1]);
        bench.send(EARLY, &stream(0, 0, b"late", false));
    });
    table.row(
        "a number used in 1-RTT before",
        Bench::early(),
        Lives,
        |bench| {
            let mut draft = bench.rogue.draft(EARLY, &fatal);
            bench.send(EARLY, &[1]);
            draft.number = bench.rogue.next_number(EARLY) - 1;
            let packet = bench.rogue.seal(&draft);
            bench.deliver(&packet);
        },
    );
    table.row(
        "an acknowledgment in 0-RTT of its Initial",
        Bench::early(),
        Close(VIOLATION, 2),
        |bench| {
            bench.send(EARLY, &[2, 0, 0, 0, 0]);
        },
    );
    table.row(
        "STOP_SENDING on its own stream",
        Bench::early(),
        Lives,
        |bench| {
            bench.send(
                EARLY,
                &[stream(0, 0, b"x", true), frame(5, &[0, 9], &[])].concat(),
            );
        },
    );
    table.row(
        "two packets, the second first",
        Bench::early(),
        Lives,
        |bench| {
            let first = bench.rogue.packet(EARLY, &stream(0, 0, b"ab", false));
            let second = bench.rogue.packet(EARLY, &stream(0, 2, b"cd", true));
            bench.deliver(&second);
            bench.deliver(&first);
        },
    );
    table.done(22);
}

#[test]
fn early_data_of_clients_without_a_ticket_is_dropped() {
    // Keys that nobody else has: those of another handshake.
    let mut other = Bench::early();
    let packet = other.rogue.packet(EARLY, &[0x21]);
    let mut table = Table::default();
    for (role, moment) in [
        (Server, Hello),
        (Server, Confirmed),
        (Client, Start),
        (Client, Confirmed),
    ] {
        table.row(
            format!("at {moment:?}"),
            Bench::at(role, moment),
            Lives,
            |bench| {
                let mut packet = packet.clone();
                packet[6..14].copy_from_slice(&PITH);
                bench.deliver(&packet);
            },
        );
    }
    table.done(4);
}

/// What a server sends before its client has shown who it is goes nowhere near what is asked of it by early data that is altered: a binder that does not fit.
#[test]
fn a_ticket_whose_binder_does_not_fit_ends_the_handshake() {
    let mut table = Table::default();
    for (name, want, place) in [("binder", alert(51), 3_usize), ("random", alert(51), 0)] {
        let mut bench = Bench::early_unsent();
        let mut hello = std::mem::take(&mut bench.1);
        let at = if place == 0 { 10 } else { hello.len() - place };
        hello[at] ^= 1;
        table.row(
            format!("a bit turned in the {name}"),
            bench.0,
            want,
            |bench| {
                bench.tell(Level::Initial, &hello);
            },
        );
    }
    let (bench, hello) = Bench::early_unsent();
    table.row("another version in front", bench, alert(70), |bench| {
        let mut hello = hello.clone();
        hello[5] = 4;
        bench.tell(Level::Initial, &hello);
    });
    // The ticket itself: it is as if there were none, and early data is not taken.
    let (bench, hello) = Bench::early_unsent();
    table.row("a bit turned in the ticket", bench, Lives, |bench| {
        let mut hello = hello.clone();
        let at = hello.len() - 80;
        hello[at] ^= 1;
        let tls = bench.rogue.tls_client();
        tls.schedule = None;
        tls.replace(&hello);
        bench.tell(Level::Initial, &hello);
        bench.send(EARLY, &[0x21]);
        assert!(bench.rogue.closed().is_none());
        bench.moment = Hello;
    });
    table.done(4);
}
