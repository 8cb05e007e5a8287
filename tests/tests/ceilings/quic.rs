//! QUIC connections.

use std::time::Duration;

use bytes::BytesMut;
use pith_quic::{Connection, Ecn, Route, limits};
use pith_tests::ceilings::{Ceiling, ceiling};
use pith_tests::heap::{Counter, measured};
use pith_tests::message;
use pith_tests::rogue::Level;
use pith_tests::rogue::wire::{crypto, frame, kind, new_id, sized, stream};

use crate::bench::{
    Bench, Client, Confirmed, Hello, Moment, PATH, ROGUE, Role, Server, at, builders, route,
};

/// A connection with the windows and the numbers of streams that it has by default.
fn bench(role: Role, moment: Moment) -> Bench {
    let (client, server) = builders();
    let most = limits::OPEN_STREAMS;
    let client = client
        .streams(most, most)
        .stream_window(limits::STREAM_WINDOW, limits::STREAM_WINDOW_MAX)
        .connection_window(limits::CONNECTION_WINDOW, limits::CONNECTION_WINDOW_MAX)
        .datagrams(limits::DATAGRAM_FRAME);
    let server = server
        .streams(most, most)
        .stream_window(limits::STREAM_WINDOW, limits::STREAM_WINDOW_MAX)
        .connection_window(limits::CONNECTION_WINDOW, limits::CONNECTION_WINDOW_MAX)
        .datagrams(limits::DATAGRAM_FRAME);
    let (client, server) = (client.build().unwrap(), server.build().unwrap());
    let mut bench = Bench::of(role, Duration::from_secs(100), client, server, &ROGUE);
    bench.go_on(moment);
    bench
}

/// What comes, and from where.
type Datagrams = Vec<(Route, Vec<u8>)>;

/// The most that a connection holds while these come, and what it does about them is lost.
fn most_held(counter: &Counter, mut bench: Bench, datagrams: &Datagrams, pause: Duration) -> i64 {
    let mut pith = bench.pith.take().unwrap();
    let mut buffer = vec![0; 16_384];
    let mut most = counter.bytes();
    for (from, datagram) in datagrams {
        bench.now += pause;
        let now = at(bench.now);
        pith.on_deadline(now);
        pith.receive(now, *from, Ecn::NotEct, BytesMut::from(&datagram[..]));
        while pith.transmit(now, &mut buffer).is_some() {}
        while pith.endpoint_event().is_some() {}
        most = most.max(counter.bytes());
    }
    drop(pith);
    most - counter.bytes() + size_of::<Connection>() as i64
}

/// Frames come, a packet's worth at a time, and each time later.
fn flood(
    counter: &Counter,
    ceiling: &Ceiling,
    (role, moment): (Role, Moment),
    make: impl Fn(&mut Bench) -> Datagrams,
) {
    let mut held = 0;
    for pause in [0, 10] {
        let mut bench = bench(role, moment);
        let datagrams = make(&mut bench);
        held = held.max(most_held(
            counter,
            bench,
            &datagrams,
            Duration::from_millis(pause),
        ));
    }
    ceiling.holds(held);
}

/// A packet of so many bytes for each of these.
fn padded(bench: &mut Bench, payloads: impl Iterator<Item = Vec<u8>>) -> Datagrams {
    let packet = |mut payload: Vec<u8>| {
        payload.resize(payload.len().max(PAYLOAD), 0);
        (PATH, bench.rogue.datagram(Level::OneRtt, &payload))
    };
    payloads.map(packet).collect()
}

/// A packet for each of these.
fn packets(bench: &mut Bench, payloads: impl Iterator<Item = Vec<u8>>) -> Datagrams {
    let packet = |payload: Vec<u8>| (PATH, bench.rogue.datagram(Level::OneRtt, &payload));
    payloads.map(packet).collect()
}

/// The offsets of bytes with a gap before each.
fn gaps(count: u64) -> impl Iterator<Item = u64> {
    (0..count).map(|at| 2 * at + 1)
}

#[test]
fn floods_over_quic_hold_no_more_than_their_ceilings() {
    let name = "quic::floods_over_quic_hold_no_more_than_their_ceilings";
    measured(name, env!("CARGO_TARGET_TMPDIR"), |counter| {
        // What is made once and for all is made before.
        for role in [Client, Server] {
            drop(bench(role, Confirmed));
        }
        let server = (Server, Confirmed);
        flood(counter, &ceiling("quic-half-open"), (Server, Hello), |_| {
            Vec::new()
        });
        flood(
            counter,
            &ceiling("quic-early-packets"),
            (Server, Hello),
            |bench| padded(bench, (0..1000).map(|_| vec![1])),
        );
        flood(counter, &ceiling("quic-path-challenges"), server, |bench| {
            let challenges =
                |at: u64| frame(kind::PATH_CHALLENGE, &[], &at.to_be_bytes()).repeat(20);
            let mut datagrams = packets(bench, (0..1000).map(challenges));
            for (at, (from, _)) in datagrams.iter_mut().enumerate() {
                *from = route(1 + at as u16 % 8);
            }
            datagrams
        });
        flood(counter, &ceiling("quic-paths"), server, |bench| {
            let mut datagrams = padded(bench, (0..2000).map(|_| vec![1]));
            for (at, (from, _)) in datagrams.iter_mut().enumerate() {
                *from = route(1 + at as u16);
            }
            datagrams
        });
        flood(counter, &ceiling("quic-ids"), server, |bench| {
            let ids = (1..500_u64).map(|at| {
                let id = at.to_be_bytes();
                new_id(at, at, 8, &id, &[id, id].concat())
            });
            packets(bench, ids)
        });
        flood(counter, &ceiling("quic-crypto-gaps"), server, |bench| {
            padded(bench, gaps(1000).map(|at| crypto(at, &[0])))
        });
        flood(counter, &ceiling("quic-stream-gaps"), server, |bench| {
            padded(
                bench,
                gaps(2000).map(|at| stream(4 * (at / 2 % 100), at, &[0], false)),
            )
        });
        flood(counter, &ceiling("quic-streams"), server, |bench| {
            let most = limits::OPEN_STREAMS;
            let streams = (0..2 * most).map(|at| {
                let id = 4 * (at / 2) + 2 * (at % 2);
                let reset = frame(kind::RESET_STREAM, &[id, 7, 1], &[]);
                let stop = frame(kind::STOP_SENDING, &[id, 7], &[]);
                match at % 2 {
                    0 => [stream(id, 0, b"!", false), reset, stop].concat(),
                    _ => [stream(id, 0, b"!", false), reset].concat(),
                }
            });
            packets(bench, streams)
        });
        flood(counter, &ceiling("quic-unread"), server, |bench| {
            let each = 1100_u64;
            let count = limits::CONNECTION_WINDOW / each;
            let data = vec![0x5a; each as usize];
            let half = count / 2;
            packets(
                bench,
                (0..count).map(|at| stream(4 * (at / half).min(1), at % half * each, &data, false)),
            )
        });
        flood(counter, &ceiling("quic-ack-ranges"), server, |bench| {
            let mut datagrams = Vec::new();
            for _ in 0..2000 {
                let next = bench.rogue.next_number(Level::OneRtt);
                bench.rogue.skip_to(Level::OneRtt, next + 1);
                datagrams.push((PATH, bench.rogue.datagram(Level::OneRtt, &[1, 0, 0])));
            }
            datagrams
        });
        flood(counter, &ceiling("quic-no-acks"), server, |bench| {
            packets(bench, (0..2000).map(|_| vec![1]))
        });
        flood(counter, &ceiling("quic-datagrams"), server, |bench| {
            let data = vec![0x5a; 1000];
            packets(
                bench,
                (0..1000).map(|_| frame(kind::DATAGRAM, &[], &sized(&data))),
            )
        });
        flood(counter, &ceiling("quic-nothing"), server, |bench| {
            let nothing = frame(kind::MAX_DATA, &[1], &[]).repeat(100);
            packets(bench, (0..200).map(|_| nothing.clone()))
        });
        let client = (Client, Confirmed);
        flood(counter, &ceiling("quic-tokens"), client, |bench| {
            packets(
                bench,
                (0..1000_u64).map(|at| {
                    let token = at.to_be_bytes().repeat(limits::TOKEN / 8);
                    frame(kind::NEW_TOKEN, &[], &sized(&token))
                }),
            )
        });
        flood(counter, &ceiling("quic-tickets"), client, |bench| {
            let mut datagrams = Vec::new();
            for at in 0..200_u32 {
                let ticket = vec![0x5a; 1000];
                let body = [
                    &[0, 0, 0x0e, 0x10][..],
                    &at.to_be_bytes(),
                    &[1, 0],
                    &1000_u16.to_be_bytes(),
                    &ticket,
                    &[0, 0],
                ];
                let said = message::message(4, &body.concat());
                let payload = bench.rogue.say(Level::OneRtt, &said);
                datagrams.push((PATH, bench.rogue.datagram(Level::OneRtt, &payload)));
            }
            datagrams
        });
    });
}

/// Bytes of frames with which a packet is as long as a path carries.
const PAYLOAD: usize = 1150;
