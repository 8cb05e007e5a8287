use super::*;
use crate::streams::{ReadError, SendError};

#[test]
fn streams_of_both_kinds_carry_data_both_ways_at_once() {
    let mut pair = Pair::connected();
    let mut open = Vec::new();
    for side in [Side::Client, Side::Server] {
        for index in 0..10_usize {
            let dir = if index % 2 == 0 { Dir::Bi } else { Dir::Uni };
            let id = pair.side(side).open(dir).unwrap();
            let data = pattern(1000 * index + 1);
            pair.side(side).send(id, &mut data.clone()).unwrap();
            pair.side(side).finish(id).unwrap();
            open.push((side, id, data, Vec::new(), false));
        }
    }
    let done = pair.run_until(Duration::from_secs(9), |pair| {
        for dir in Dir::ALL {
            while pair.client.accept(dir).is_some() {}
            while pair.server().accept(dir).is_some() {}
        }
        for (from, id, _, got, ended) in &mut open {
            let receiver = pair.side(from.peer());
            let accepted = receiver.read(*id, 0) != Err(ReadError::Closed);
            if accepted && !*ended {
                *ended = read(receiver, *id, got);
            }
        }
        open.iter().all(|(.., ended)| *ended)
    });
    assert!(done);
    for (from, id, data, got, _) in open {
        assert_eq!(got, data, "{from:?} {id:?}");
    }
}

#[test]
fn what_is_read_is_told_once_it_is_worth_a_frame() {
    let mut pair = Pair::connected();
    let id = pair.client.open(Dir::Bi).unwrap();
    let window = usize::try_from(limits::STREAM_WINDOW).unwrap();
    pair.client.send(id, &mut pattern(window)).unwrap();
    pair.run(Duration::from_secs(2));
    assert_eq!(pair.server().accept(Dir::Bi), Some(id));
    assert!(!pair.server().owes_credit());
    let mut got = Vec::new();
    pair.server().read(id, 1).unwrap();
    assert!(!pair.server().owes_credit(), "a byte is no news");
    read(pair.server(), id, &mut got);
    assert_eq!(got.len(), window - 1);
    assert!(pair.server().owes_credit());
    pair.run(Duration::from_secs(2));
    assert!(!pair.server().owes_credit(), "the client knows");
}

#[test]
fn a_reset_and_a_stop_reach_the_other_side() {
    let mut pair = Pair::connected();
    let seven = VarInt::from(7_u8);
    let id = pair.client.open(Dir::Bi).unwrap();
    pair.client
        .send(id, &mut Bytes::from_static(b"half"))
        .unwrap();
    pair.run(Duration::from_millis(100));
    assert_eq!(pair.server().accept(Dir::Bi), Some(id));
    pair.client.reset(id, seven).unwrap();
    pair.client.stop(id, VarInt::from(8_u8)).unwrap();
    pair.run(Duration::from_millis(100));
    let refused = pair.server().send(id, &mut Bytes::from_static(b"x"));
    assert_eq!(refused, Err(SendError::Stopped(VarInt::from(8_u8))));
    assert_eq!(pair.server().read(id, 99), Err(ReadError::Reset(seven)));
    let stopped = |event: &Event| matches!(event, Event::Stream(StreamEvent::Stopped(which, _)) if *which == id);
    assert!(
        pair.server_events.iter().any(stopped),
        "{:?}",
        pair.server_events
    );
}

#[test]
fn what_the_peer_does_not_have_yet_is_counted_until_it_arrives() {
    let mut pair = Pair::with(straight(), |client| client, |server| server.datagrams(1000));
    pair.connect();
    assert_eq!(pair.client.undelivered(), 0);
    let [id, other] = [(); 2].map(|()| pair.client.open(Dir::Bi).unwrap());
    pair.client.send(id, &mut pattern(10)).unwrap();
    assert_eq!(pair.client.undelivered(), 10);
    pair.client.finish(id).unwrap();
    assert_eq!(pair.client.undelivered(), 11);
    pair.client.reset(other, VarInt::ZERO).unwrap();
    pair.client.send_datagram(pattern(1)).unwrap();
    assert_eq!(pair.client.undelivered(), 13);
    pair.run(Duration::from_millis(100));
    assert_eq!(pair.client.undelivered(), 0);
    let third = pair.client.open(Dir::Uni).unwrap();
    pair.client.send(third, &mut pattern(5)).unwrap();
    assert_eq!(pair.client.undelivered(), 5);
    let now = at(pair.now);
    pair.client.close(VarInt::ZERO, Bytes::new(), now);
    assert_eq!(pair.client.undelivered(), 0, "nobody will get it");
}

#[test]
fn more_streams_may_be_opened_as_others_end() {
    let mut pair = Pair::with(straight(), |client| client, |server| server.streams(2, 0));
    pair.connect();
    assert!(pair.client.open(Dir::Uni).is_none());
    let mut seen = 0;
    for round in 0..20 {
        let ids: Vec<_> = core::iter::from_fn(|| pair.client.open(Dir::Bi)).collect();
        assert_eq!(ids.len(), 2, "{round}");
        for id in &ids {
            pair.client.send(*id, &mut pattern(10)).unwrap();
            pair.client.finish(*id).unwrap();
        }
        pair.run(Duration::from_millis(100));
        while let Some(id) = pair.server().accept(Dir::Bi) {
            assert!(read(pair.server(), id, &mut Vec::new()));
            pair.server().finish(id).unwrap();
            seen += 1;
        }
        pair.run(Duration::from_millis(100));
        for id in &ids {
            assert!(read(&mut pair.client, *id, &mut Vec::new()));
        }
        pair.run(Duration::from_millis(100));
    }
    assert_eq!(seen, 40);
}

#[test]
fn datagrams_arrive_once_and_only_where_they_are_taken() {
    let mut pair = Pair::with(
        straight(),
        |client| client.datagrams(1000),
        |server| server.datagrams(500),
    );
    pair.connect();
    assert_eq!(pair.client.largest_datagram(), Some(497));
    assert!(pair.client.send_datagram(pattern(498)).is_err());
    for length in [0, 1, 497] {
        pair.client.send_datagram(pattern(length)).unwrap();
    }
    pair.run(Duration::from_millis(100));
    assert!(
        pair.server_events
            .iter()
            .any(|event| matches!(event, Event::Datagram))
    );
    for length in [0, 1, 497] {
        assert_eq!(pair.server().read_datagram(), Some(pattern(length)));
    }
    assert_eq!(pair.server().read_datagram(), None);
    // What fits into no packet is not offered.
    let mut pair = Pair::with(straight(), |client| client, |server| server.datagrams(9000));
    pair.connect();
    let largest = pair.client.largest_datagram().unwrap();
    assert!(largest > 1100 && largest < 1200, "{largest}");
    pair.client.send_datagram(pattern(largest)).unwrap();
    pair.run(Duration::from_millis(100));
    assert_eq!(pair.server().read_datagram(), Some(pattern(largest)));
    assert!(pair.client.send_datagram(pattern(largest + 1)).is_err());
}

#[test]
fn a_batch_holds_datagrams_of_one_size() {
    // Marks would change within the batch, which ends it.
    let unmarked = || {
        let mut pair = Pair::with(straight(), |client| client.ecn(false), |server| server);
        pair.connect();
        pair
    };
    let mut pair = unmarked();
    let data = pattern(300_000);
    let id = pair.client.open(Dir::Uni).unwrap();
    pair.client.send(id, &mut data.clone()).unwrap();
    let mut buffer = vec![0; 64 * 1024];
    let now = at(pair.now);
    let batch = pair.client.transmit(now, &mut buffer).unwrap();
    let most = limits::BURST as usize * 1200;
    assert_eq!((batch.segment, batch.length), (1200, most));
    // A buffer for three and a half.
    let mut pair = unmarked();
    let id = pair.client.open(Dir::Uni).unwrap();
    pair.client.send(id, &mut data.clone()).unwrap();
    let now = at(pair.now);
    let batch = pair.client.transmit(now, &mut buffer[..4200]).unwrap();
    assert_eq!((batch.segment, batch.length), (1200, 3600));
    assert!(
        pair.client.transmit(now, &mut buffer[..1199]).is_none(),
        "no room for one"
    );
}

#[test]
fn a_batch_is_what_one_call_takes_where_nothing_is_spread() {
    let mut pair = Pair::with(
        Box::new(|_, _| vec![Duration::from_micros(50)]),
        |client| client.ecn(false),
        |server| server,
    );
    pair.connect();
    let data = pattern(300_000);
    let got = pair.transfer(Side::Client, &data, Duration::from_secs(9));
    assert_eq!(got, data);
    let id = pair.client.open(Dir::Uni).unwrap();
    pair.client.send(id, &mut data.clone()).unwrap();
    let mut buffer = vec![0; 64 * 1024];
    let batch = pair.client.transmit(at(pair.now), &mut buffer).unwrap();
    let most = limits::BATCH as usize * 1200;
    assert_eq!((batch.segment, batch.length), (1200, most));
}

#[test]
fn a_megabyte_crosses_a_long_fat_path_in_few_round_trips() {
    let far: Fate = Box::new(|_, _| vec![Duration::from_millis(100)]);
    let mut pair = Pair::new(far);
    pair.connect();
    let from = pair.now;
    let data = pattern(1_000_000);
    assert_eq!(
        pair.transfer(Side::Server, &data, Duration::from_secs(60)),
        data
    );
    // Slow start from 12 KB doubles each 200 ms: 84 times that is there after seven.
    assert!(
        pair.now - from < Duration::from_millis(2200),
        "{:?}",
        pair.now - from
    );
    let stats = pair.server().stats();
    assert!(
        stats.packets_lost == 0 && stats.rtt > Duration::from_millis(190),
        "{stats:?}"
    );
}

#[test]
fn marks_of_congestion_are_reported_and_heeded() {
    let mut pair = Pair::connected();
    let data = pattern(200_000);
    let id = pair.server().open(Dir::Uni).unwrap();
    let mut left = data.clone();
    pair.server().send(id, &mut left).unwrap();
    pair.server().finish(id).unwrap();
    let mut marked = 0;
    let mut got = Vec::new();
    let mut accepted = false;
    let mut largest = 0;
    for _ in 0..2000 {
        let now = at(pair.now);
        let mut buffer = vec![0; 16 * 1500];
        while let Some(batch) = pair.server().transmit(now, &mut buffer) {
            for datagram in buffer[..batch.length].chunks(batch.segment) {
                let ecn = if batch.ecn == Ecn::Ect0 {
                    Ecn::Ce
                } else {
                    batch.ecn
                };
                marked += u32::from(ecn == Ecn::Ce && largest > 0);
                let ecn = if largest > 0 { ecn } else { batch.ecn };
                pair.client
                    .receive(now, CLIENT, ecn, BytesMut::from(datagram));
            }
        }
        largest = largest.max(pair.server().stats().window);
        while let Some(batch) = pair.client.transmit(now, &mut buffer) {
            for datagram in buffer[..batch.length].chunks(batch.segment) {
                pair.server()
                    .receive(now, CLIENT, Ecn::NotEct, BytesMut::from(datagram));
            }
        }
        accepted = accepted || pair.client.accept(Dir::Uni).is_some();
        if accepted && read(&mut pair.client, id, &mut got) {
            break;
        }
        pair.now += Duration::from_millis(5);
        let now = at(pair.now);
        pair.server().on_deadline(now);
        pair.client.on_deadline(now);
    }
    assert_eq!(got, data);
    assert!(marked > 0);
    let stats = pair.server().stats();
    assert!(stats.window < largest, "{stats:?} {largest}");
    assert_eq!(stats.packets_lost, 0);
}

#[test]
fn the_quic_bit_is_anything_to_a_peer_that_takes_it_and_only_in_1_rtt_packets() {
    let mut pair = Pair::connected();
    let data = pattern(100_000);
    assert_eq!(
        pair.transfer(Side::Server, &data, Duration::from_secs(9)),
        data
    );
    let mut seen = [0; 2];
    for (_, datagram) in &pair.log {
        let (long, set) = (datagram[0] & 0x80 != 0, datagram[0] & 0x40 != 0);
        assert!(!long || set);
        if !long {
            seen[usize::from(set)] += 1;
        }
    }
    assert!(seen[0] > 20 && seen[1] > 20, "{seen:?}");
}
