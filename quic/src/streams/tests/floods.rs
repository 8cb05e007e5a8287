use super::*;
use crate::{Fault, limits as most};

/// Bytes that a server holds for a peer's streams, bookkeeping included, as counted here and not by what it counts itself.
fn memory(server: &Streams) -> usize {
    let streams = server.map.len() * (size_of::<set::Stream>() + 32);
    let queues = server.control.capacity() + server.events.streams.capacity();
    let unnamed: usize = Dir::ALL
        .iter()
        .map(|dir| server.theirs.of(*dir).unnamed.len() * 32)
        .sum();
    streams + queues * 8 + unnamed + server.held()
}

#[test]
fn opening_and_resetting_streams_earns_no_credit_until_they_are_gone() {
    let mut server = Streams::new(Side::Server, LocalLimits::default());
    let reset = |id| ResetStream {
        id,
        code: v(0),
        final_size: v(0),
    };
    for index in 0..most::OPEN_STREAMS {
        let id = id(Side::Client, Dir::Uni, index);
        stream(&mut server, id, 0, 0, false).unwrap();
        server.on_reset_stream(reset(id)).unwrap();
    }
    assert_eq!(said(&mut server), [""; 0]);
    let next = id(Side::Client, Dir::Uni, most::OPEN_STREAMS);
    assert_eq!(server.on_reset_stream(reset(next)), Err(Fault::StreamLimit));
    assert!(memory(&server) < 100 * 1024, "{}", memory(&server));
    // Hearing of the reset is what ends them.
    for _ in 0..most::OPEN_STREAMS {
        let id = server.accept(Dir::Uni).unwrap();
        assert_eq!(read_all(&mut server, id), Err(ReadError::Reset(v(0))));
    }
    assert!(server.map.is_empty());
    assert_eq!(said(&mut server), ["streams Uni 200"]);
}

#[test]
fn a_stream_whose_reset_is_not_acknowledged_earns_no_credit() {
    // The peer asks to stop and never acknowledges: its streams stay, and so does their place in the limit.
    let mut server = streams(Side::Server, 1 << 20, 1 << 20, 10);
    for round in 0..10 {
        let id = id(Side::Client, Dir::Bi, round);
        server
            .on_stop_sending(StopSending { id, code: v(1) })
            .map(drop)
            .unwrap();
        stream(&mut server, id, 0, 0, true).unwrap();
        assert_eq!(server.accept(Dir::Bi), Some(id));
        assert_eq!(read_all(&mut server, id), Ok((0, true)));
        events(&mut server);
        let said = said(&mut server);
        assert_eq!(said, [format!("reset {} code 1 at 0", id.get())]);
    }
    assert_eq!(server.map.len(), 10);
}

#[test]
fn a_flood_of_stream_frames_leaves_memory_bounded() {
    for seed in 0..6 {
        let mut dice = Dice(seed);
        let mut server = Streams::new(Side::Server, LocalLimits::default());
        server.set_peer(limits(1 << 20, 1 << 20, 100)).unwrap();
        let window = most::CONNECTION_WINDOW as usize;
        let reads = seed % 2 == 1;
        let mut ended = None;
        for _ in 0..40_000 {
            let dir = Dir::ALL[dice.below(2) as usize];
            let limit = server.theirs.of(dir).flow.limit();
            let id = id(Side::Client, dir, limit - 1 - dice.below(100.min(limit)));
            let offset = dice.below(most::STREAM_WINDOW - 8) & !1;
            let result = match dice.below(20) {
                0 => server.on_stream_data_blocked(StreamLimit {
                    id,
                    limit: v(offset),
                }),
                1 if dir == Dir::Bi => server
                    .on_stop_sending(StopSending { id, code: v(0) })
                    .map(drop),
                2 if dir == Dir::Bi => server
                    .on_max_stream_data(StreamLimit {
                        id,
                        limit: v(offset),
                    })
                    .map(drop),
                _ => {
                    let bytes = Bytes::from_static(b"1234");
                    server
                        .on_stream(id, v(offset / 64), &bytes[..1], false)
                        .map(drop)
                }
            };
            if reads && dice.chance(10) {
                let accepted = server.accept(dir);
                accepted.map(|id| server.read(id, 1000, Order::Unordered));
                events(&mut server);
            }
            let held = memory(&server);
            assert!(held < 4 * window + 200 * 1024, "seed {seed}: {held}");
            if let Err(fault) = result {
                ended = Some(fault);
                break;
            }
        }
        assert!(
            matches!(ended, None | Some(Fault::ConnectionFlow | Fault::Fragments)),
            "{ended:?}"
        );
    }
}

#[test]
fn pieces_with_gaps_are_held_up_to_the_window_and_no_further() {
    let mut server = streams(Side::Server, 64 * 1024, 64 * 1024, 5);
    let fits = 64 * 1024 / most::SEGMENT_OVERHEAD as u64;
    for index in 0..fits {
        // Two streams share one account.
        let id = id(Side::Client, Dir::Uni, index % 2);
        stream(&mut server, id, 1 + 2 * (index / 2), 1, false).unwrap();
    }
    let a = id(Side::Client, Dir::Uni, 0);
    assert!(server.held() <= 2 * 64 * 1024);
    let mut filled = server;
    assert_eq!(
        stream(&mut filled, a, 10_001, 1, false),
        Err(Fault::Fragments)
    );
    assert_eq!(Fault::Fragments.code(), crate::Code::PROTOCOL_VIOLATION);
}

#[test]
fn pieces_that_touch_are_joined_before_a_peer_is_refused_for_its_gaps() {
    let mut server = streams(Side::Server, 64 * 1024, 64 * 1024, 5);
    let a = id(Side::Client, Dir::Uni, 0);
    let fits = 64 * 1024 / most::SEGMENT_OVERHEAD as u64;
    for index in 0..fits {
        stream(&mut server, a, 1 + 20 * index, 1, false).unwrap();
    }
    // Each of them is one piece too many until it is joined to the one before it.
    for index in 0..fits {
        stream(&mut server, a, 2 + 20 * index, 1, false).unwrap();
    }
    let apart = stream(&mut server, a, 20 * fits, 1, false);
    assert_eq!(apart, Err(Fault::Fragments));
}

#[test]
fn ids_of_streams_that_are_gone_do_not_fill_the_queues() {
    let mut server = streams(Side::Server, 1 << 20, 1 << 20, 1000);
    for index in 0..1000 {
        // Accepted, written to, stopped and reset, while the application asks for no events and nothing can be sent.
        let id = id(Side::Client, Dir::Uni, index);
        stream(&mut server, id, 0, 1, false).unwrap();
        assert_eq!(server.accept(Dir::Uni), Some(id));
        stream(&mut server, id, 1, 1, false).unwrap();
        server.stop(id, v(0)).unwrap();
        let reset = ResetStream {
            id,
            code: v(0),
            final_size: v(2),
        };
        server.on_reset_stream(reset).unwrap();
        assert!(server.map.is_empty());
        let queued = [server.control.len(), server.events.streams.len()];
        assert!(queued.iter().all(|queued| *queued <= 65), "{queued:?}");
    }
}

#[test]
fn a_fast_path_with_loss_has_room_for_its_gaps() {
    // Every second packet of a full window is lost: the worst that honest loss can do.
    let mut server = streams(Side::Server, 1 << 20, 1 << 20, 5);
    let a = id(Side::Client, Dir::Uni, 0);
    for packet in (1..(1 << 20) / 1170).step_by(2) {
        stream(&mut server, a, packet * 1170, 1170, false).unwrap();
    }
    assert!(server.held() < (1 << 20), "{}", server.held());
}

#[test]
fn idle_streams_cost_a_write_nothing() {
    // 10,000 streams with nothing to say stand in no queue, whatever they said before.
    let mut client = streams(Side::Client, 1 << 30, 1 << 20, 20_000);
    let ids: Vec<_> = (0..10_000)
        .map(|_| client.open(Dir::Uni).unwrap())
        .collect();
    for id in &ids {
        send(&mut client, *id, b"hello");
    }
    let (_, tokens) = say(&mut client);
    assert!(!client.wants_data() && client.control.is_empty());
    tokens.into_iter().for_each(|token| client.acked(token));
    assert!(!client.wants_data() && client.control.is_empty());
    send(&mut client, ids[77], b"x");
    assert_eq!(said(&mut client), [format!("{} 5+1", ids[77].get())]);
}

#[test]
fn events_nobody_takes_stand_once_for_each_stream() {
    let mut server = Streams::new(Side::Server, LocalLimits::default());
    for round in 0..50 {
        for index in 0..most::OPEN_STREAMS {
            let id = id(Side::Client, Dir::Bi, index);
            stream(&mut server, id, round, 1, false).unwrap();
            server.accept(Dir::Bi);
        }
    }
    assert!(server.events.streams.len() <= most::OPEN_STREAMS as usize);
    let told = events(&mut server);
    assert_eq!(told.len(), 1 + most::OPEN_STREAMS as usize);
}

#[test]
fn streams_take_little_memory_while_they_are_idle() {
    // (what, bytes, at most): an idle connection has 6 KiB in all.
    let rows = [
        ("the set", size_of::<Streams>(), 1024),
        ("a stream", size_of::<set::Stream>(), 768),
        ("datagrams", size_of::<Datagrams>(), 160),
    ];
    for (what, bytes, most) in rows {
        assert!(bytes <= most, "{what}: {bytes}");
    }
}
