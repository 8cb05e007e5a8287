use super::*;

fn pair(data: u64, stream: u64, count: u64) -> (Streams, Streams) {
    (
        streams(Side::Client, data, stream, count),
        streams(Side::Server, data, stream, count),
    )
}

#[test]
fn stream_data_stays_within_both_limits_and_says_where_it_is_blocked() {
    let (mut client, mut server) = pair(1000, 600, 5);
    let (a, b) = (
        client.open(Dir::Uni).unwrap(),
        client.open(Dir::Uni).unwrap(),
    );
    send(&mut client, a, &[1; 700]);
    assert_eq!(said(&mut client), ["2 0+600", "blocked 2 600"]);
    send(&mut client, b, &[2; 700]);
    assert_eq!(said(&mut client), ["6 0+400", "blocked 1000"]);
    // Limits that are no higher change nothing.
    client.on_max_data(v(999));
    client
        .on_max_stream_data(StreamLimit {
            id: a,
            limit: v(600),
        })
        .unwrap();
    assert_eq!(said(&mut client), [""; 0]);
    client.on_max_data(v(1100));
    client.on_max_data(v(1050));
    assert_eq!(said(&mut client), ["6 400+100", "blocked 1100"]);
    client.on_max_data(v(5000));
    assert_eq!(said(&mut client), ["6 500+100", "blocked 6 600"]);
    client
        .on_max_stream_data(StreamLimit {
            id: b,
            limit: v(5000),
        })
        .unwrap();
    client.finish(b).unwrap();
    assert_eq!(said(&mut client), ["6 600+100 fin"]);
    // It is said again if it was lost and still holds, or when nothing has moved for long.
    client.lost(Token::StreamDataBlocked(a));
    assert_eq!(said(&mut client), ["blocked 2 600"]);
    client.repeat_blocked();
    assert_eq!(said(&mut client), ["blocked 2 600"]);
    client.lost(Token::DataBlocked);
    assert_eq!(said(&mut client), [""; 0]);
    assert!(hear(&mut server, &Bytes::from_static(&[0x14, 5, 0x16, 5])).is_ok());
}

#[test]
fn an_end_without_data_is_news_once() {
    let mut server = streams(Side::Server, 1000, 1000, 5);
    let a = id(Side::Client, Dir::Uni, 0);
    // (offset, data, whether the stream ends, whether that is news)
    let rows: [(u64, &[u8], bool, bool); 5] = [
        (0, b"", false, false),
        (0, b"abc", false, true),
        (3, b"", true, true),
        (3, b"", true, false),
        (3, b"", false, false),
    ];
    for (row, (offset, data, fin, news)) in rows.into_iter().enumerate() {
        let said = server.on_stream(a, v(offset), data, fin);
        assert_eq!(said, Ok(news), "row {row}");
    }
}

#[test]
fn an_end_needs_no_credit() {
    let (mut client, _) = pair(10, 10, 5);
    let a = client.open(Dir::Bi).unwrap();
    send(&mut client, a, &[1; 10]);
    assert_eq!(said(&mut client), ["0 0+10"]);
    client.finish(a).unwrap();
    let b = client.open(Dir::Bi).unwrap();
    client.finish(b).unwrap();
    assert_eq!(said(&mut client), ["0 10+0 fin", "4 0+0 fin"]);
    assert_eq!(
        client.send(a, &mut Bytes::from_static(b"x")),
        Err(SendError::Finished)
    );
}

#[test]
fn credit_comes_back_when_the_application_reads_and_not_before() {
    let (mut client, mut server) = pair(1000, 600, 5);
    let a = client.open(Dir::Uni).unwrap();
    send(&mut client, a, &[1; 600]);
    exchange(&mut client, &mut server);
    assert_eq!(said(&mut server), [""; 0]);
    assert_eq!(server.accept(Dir::Uni), Some(a));
    let read = server.read(a, 100, Order::InOrder).unwrap();
    assert!(matches!(
        read,
        Read::Data {
            offset: 0,
            ends: false,
            ..
        }
    ));
    assert_eq!(said(&mut server), ["data of 2 700"]);
    assert_eq!(read_all(&mut server, a), Ok((500, false)));
    assert_eq!(said(&mut server), ["data 1600", "data of 2 1200"]);
    // Lost, they are said again as they stand then.
    for token in [Token::MaxData, Token::MaxStreamData(a)] {
        server.lost(token);
    }
    assert_eq!(said(&mut server), ["data 1600", "data of 2 1200"]);
    // A stream whose size is known needs no credit.
    client
        .on_max_stream_data(StreamLimit {
            id: a,
            limit: v(1200),
        })
        .unwrap();
    send(&mut client, a, &[1; 300]);
    client.finish(a).unwrap();
    exchange(&mut client, &mut server);
    server.lost(Token::MaxStreamData(a));
    let _ = server.read(a, 200, Order::InOrder).unwrap();
    assert_eq!(said(&mut server), [""; 0]);
}

#[test]
fn a_frame_that_finds_no_room_is_written_later() {
    let (mut client, mut server) = pair(1000, 600, 5);
    let a = client.open(Dir::Bi).unwrap();
    send(&mut client, a, &[1; 600]);
    exchange(&mut client, &mut server);
    server.accept(Dir::Bi).unwrap();
    read_all(&mut server, a).unwrap();
    server.reset(a, v(5)).unwrap();
    server.stop(a, v(6)).unwrap();
    let mut frames = Vec::new();
    for room in (0..4).cycle().take(40) {
        let room = if frames.is_empty() { room } else { 4 };
        if let Some((packet, _)) = payload(&mut server, room, CLOCK) {
            frames.extend(words(Side::Server, &[packet]));
        }
    }
    assert_eq!(
        frames,
        ["data 1600", "reset 0 code 5 at 0", "stop 0 code 6"]
    );
}

#[test]
fn streams_are_opened_up_to_the_limit_and_offered_again() {
    let (mut client, mut server) = pair(1000, 600, 2);
    let a = client.open(Dir::Uni).unwrap();
    let b = client.open(Dir::Uni).unwrap();
    assert_eq!((a.get(), b.get()), (2, 6));
    assert_eq!(said(&mut client), [""; 0]);
    assert_eq!(client.open(Dir::Uni), None);
    assert_eq!(client.open(Dir::Uni), None);
    assert!(client.open(Dir::Bi).is_some());
    assert_eq!(said(&mut client), ["blocked Uni 2"]);
    client.on_max_streams(StreamCount {
        dir: Dir::Uni,
        count: v(2),
    });
    client.on_max_streams(StreamCount {
        dir: Dir::Uni,
        count: v(1),
    });
    assert_eq!((client.open(Dir::Uni), events(&mut client)), (None, vec![]));
    // The server reads both to their ends: one is gone, then the other.
    for id in [a, b] {
        send(&mut client, id, b"x");
        client.finish(id).unwrap();
    }
    exchange(&mut client, &mut server);
    assert_eq!(events(&mut server), [StreamEvent::Opened(Dir::Uni)]);
    assert_eq!(server.accept(Dir::Uni), Some(a));
    assert_eq!(said(&mut server), [""; 0]);
    assert_eq!(read_all(&mut server, a), Ok((1, true)));
    assert_eq!(said(&mut server), ["streams Uni 3"]);
    server.lost(Token::MaxStreams(Dir::Uni));
    exchange(&mut server, &mut client);
    assert_eq!(
        events(&mut client),
        [
            StreamEvent::Available(Dir::Uni),
            StreamEvent::Finished(a),
            StreamEvent::Finished(b)
        ]
    );
    assert_eq!(client.open(Dir::Uni).unwrap().get(), 10);
    // Streams that are gone on both sides take no memory, and their ids do not come back.
    assert_eq!(client.map.len(), 2);
    assert_eq!(server.read(a, 1, Order::InOrder), Err(ReadError::Closed));
    assert_eq!(server.map.len(), 1);
}

#[test]
fn lower_streams_are_opened_too_and_cost_nothing_until_they_are_named() {
    let mut server = streams(Side::Server, 1000, 600, 1 << 60);
    let last = id(Side::Client, Dir::Bi, (1 << 60) - 1);
    stream(&mut server, last, 0, 1, false).unwrap();
    assert_eq!(server.map.len(), 1);
    assert_eq!(events(&mut server), [StreamEvent::Opened(Dir::Bi)]);
    let fifth = id(Side::Client, Dir::Bi, 5);
    stream(&mut server, fifth, 0, 1, true).unwrap();
    assert_eq!(server.map.len(), 2);
    assert_eq!(server.theirs.of(Dir::Bi).unnamed.len(), 2);
    for index in 0..10 {
        assert_eq!(
            server.accept(Dir::Bi),
            Some(id(Side::Client, Dir::Bi, index))
        );
    }
    assert_eq!(server.map.len(), 11);
    assert_eq!(read_all(&mut server, fifth), Ok((1, true)));
    // Every stream can be answered on, named or not.
    send(&mut server, id(Side::Client, Dir::Bi, 3), b"x");
    assert_eq!(said(&mut server), ["12 0+1"]);
    assert_eq!(events(&mut server), []);
}

#[test]
fn a_reset_tells_the_final_size_and_takes_back_the_rest() {
    let (mut client, mut server) = pair(1000, 600, 5);
    let a = client.open(Dir::Uni).unwrap();
    send(&mut client, a, &[1; 300]);
    exchange(&mut client, &mut server);
    send(&mut client, a, &[1; 200]);
    client.reset(a, v(7)).unwrap();
    assert_eq!(client.reset(a, v(8)), Err(SendError::Closed));
    let (packets, tokens) = say(&mut client);
    assert_eq!(words(Side::Client, &packets), ["reset 2 code 7 at 300"]);
    client.lost(tokens[0]);
    assert_eq!(said(&mut client), ["reset 2 code 7 at 300"]);
    hear(&mut server, &packets[0]).unwrap();
    hear(&mut server, &packets[0]).unwrap();
    // All of it counts as consumed, though nobody read it.
    assert_eq!(server.account.flow.unconsumed(), 0);
    assert_eq!(server.held(), 0);
    assert_eq!(said(&mut server), ["data 1300"]);
    assert_eq!(server.accept(Dir::Uni), Some(a));
    assert_eq!(read_all(&mut server, a), Err(ReadError::Reset(v(7))));
    assert_eq!(read_all(&mut server, a), Err(ReadError::Closed));
    client.acked(tokens[0]);
    assert!(client.map.is_empty() && server.map.is_empty());
    // After the state is gone, nothing is written for it.
    for token in tokens {
        client.lost(token);
    }
    assert_eq!(said(&mut client), [""; 0]);
}

#[test]
fn what_all_arrived_is_read_though_the_stream_was_reset_then() {
    let mut server = streams(Side::Server, 1000, 600, 5);
    let a = id(Side::Client, Dir::Uni, 0);
    stream(&mut server, a, 0, 10, true).unwrap();
    let reset = ResetStream {
        id: a,
        code: v(1),
        final_size: v(10),
    };
    server.on_reset_stream(reset).unwrap();
    server.accept(Dir::Uni).unwrap();
    assert_eq!(read_all(&mut server, a), Ok((10, true)));
}

#[test]
fn stop_sending_is_answered_by_a_reset_once() {
    let (mut client, mut server) = pair(1000, 600, 5);
    // (name, what the client has done): the states Ready, Send and DataSent.
    type Act = fn(&mut Streams, StreamId);
    let rows: &[(&str, Act, u64)] = &[
        ("ready", |_, _| {}, 0),
        ("send", |s, id| send(s, id, &[1; 30]), 30),
        (
            "data sent",
            |s, id| {
                send(s, id, &[1; 20]);
                s.finish(id).unwrap();
            },
            20,
        ),
    ];
    for (name, act, size) in rows {
        let a = client.open(Dir::Uni).unwrap();
        act(&mut client, a);
        let _ = say(&mut client);
        let stop = StopSending { id: a, code: v(9) };
        client.on_stop_sending(stop).unwrap();
        client
            .on_stop_sending(StopSending { id: a, code: v(8) })
            .unwrap();
        assert_eq!(
            events(&mut client),
            [StreamEvent::Stopped(a, v(9))],
            "{name}"
        );
        assert_eq!(client.finish(a), Err(SendError::Stopped(v(9))), "{name}");
        let want = format!("reset {} code 9 at {size}", a.get());
        let (packets, tokens) = say(&mut client);
        assert_eq!(words(Side::Client, &packets), [want], "{name}");
        client.on_stop_sending(stop).unwrap();
        assert_eq!(
            (said(&mut client), events(&mut client)),
            (vec![], vec![]),
            "{name}"
        );
        tokens.into_iter().for_each(|token| client.acked(token));
        client.on_stop_sending(stop).unwrap();
        assert!(client.map.is_empty(), "{name}");
    }
    // What has all arrived is not reset.
    let a = client.open(Dir::Uni).unwrap();
    client.finish(a).unwrap();
    exchange(&mut client, &mut server);
    client
        .on_stop_sending(StopSending { id: a, code: v(9) })
        .unwrap();
    assert_eq!(said(&mut client), [""; 0]);
    assert_eq!(events(&mut client), [StreamEvent::Finished(a)]);
}

#[test]
fn a_stopped_stream_drops_what_comes_and_still_counts_it() {
    let (mut client, mut server) = pair(1000, 600, 5);
    let a = client.open(Dir::Uni).unwrap();
    send(&mut client, a, &[1; 300]);
    exchange(&mut client, &mut server);
    server.accept(Dir::Uni).unwrap();
    server.stop(a, v(4)).unwrap();
    assert_eq!(server.stop(a, v(4)), Err(Misuse));
    assert_eq!(read_all(&mut server, a), Err(ReadError::Closed));
    let (packets, tokens) = say(&mut server);
    assert_eq!(
        words(Side::Server, &packets),
        ["data 1300", "stop 2 code 4"]
    );
    tokens.into_iter().for_each(|token| server.lost(token));
    assert_eq!(said(&mut server), ["data 1300", "stop 2 code 4"]);
    // More data: dropped, paid back to the connection, not to the stream.
    stream(&mut server, a, 300, 300, false).unwrap();
    assert_eq!(
        (server.held(), said(&mut server)),
        (0, vec!["data 1600".into()])
    );
    assert_eq!(
        stream(&mut server, a, 600, 1, false),
        Err(crate::Fault::StreamFlow)
    );
    hear(&mut client, &packets[0]).unwrap();
    // The end comes by a reset: nobody needs to hear of it.
    let mut server = server;
    server
        .on_reset_stream(ResetStream {
            id: a,
            code: v(4),
            final_size: v(600),
        })
        .unwrap();
    assert!(server.map.is_empty());
    assert_eq!(events(&mut server), [StreamEvent::Opened(Dir::Uni)]);
}

#[test]
fn a_stopped_stream_is_over_when_its_size_and_the_stop_are_known() {
    for stop_acked_first in [false, true] {
        let mut server = streams(Side::Server, 1000, 600, 5);
        let a = id(Side::Client, Dir::Uni, 0);
        stream(&mut server, a, 10, 10, false).unwrap();
        server.accept(Dir::Uni).unwrap();
        server.stop(a, v(4)).unwrap();
        let tokens = say(&mut server).1;
        let acked = |server: &mut Streams| tokens.iter().for_each(|token| server.acked(*token));
        if stop_acked_first {
            acked(&mut server);
        }
        stream(&mut server, a, 20, 5, true).unwrap();
        assert_eq!(server.map.is_empty(), stop_acked_first);
        acked(&mut server);
        assert!(server.map.is_empty());
    }
}

#[test]
fn urgency_decides_and_equals_take_turns() {
    let mut client = streams(Side::Client, 1 << 30, 1 << 30, 10);
    let ids: Vec<_> = (0..4).map(|_| client.open(Dir::Uni).unwrap()).collect();
    for id in &ids {
        send(&mut client, *id, &[0; 2500]);
    }
    client.set_urgency(ids[3], 1).unwrap();
    client.set_urgency(ids[0], 7).unwrap();
    let order: Vec<u64> = said(&mut client)
        .iter()
        .map(|frame| frame.split(' ').next().unwrap().parse().unwrap())
        .collect();
    let place = |id: StreamId| {
        let first = order.iter().position(|other| *other == id.get()).unwrap();
        let last = order.iter().rposition(|other| *other == id.get()).unwrap();
        (first, last)
    };
    let places: Vec<_> = ids.iter().map(|id| place(*id)).collect();
    assert!(
        places[3].1 < places[1].0 && places[3].1 < places[2].0,
        "{order:?}"
    );
    assert!(
        places[1].1 < places[0].0 && places[2].1 < places[0].0,
        "{order:?}"
    );
    assert!(
        places[1].0 < places[2].0 && places[2].0 < places[1].1,
        "in turn: {order:?}"
    );
}

#[test]
fn what_was_lost_waits_for_what_is_more_urgent() {
    let mut client = streams(Side::Client, 1 << 20, 1 << 20, 10);
    let (slow, fast) = (
        client.open(Dir::Uni).unwrap(),
        client.open(Dir::Uni).unwrap(),
    );
    client.set_urgency(slow, 4).unwrap();
    send(&mut client, slow, &[0; 100]);
    let tokens = say(&mut client).1;
    send(&mut client, fast, &[0; 100]);
    send(&mut client, slow, &[0; 50]);
    client.lost(tokens[0]);
    assert_eq!(said(&mut client), ["6 0+100", "2 0+100", "2 100+50"]);
    // An urgency that changes while the stream waits is obeyed at once.
    send(&mut client, fast, &[0; 10]);
    send(&mut client, slow, &[0; 10]);
    client.set_urgency(slow, 0).unwrap();
    assert_eq!(said(&mut client), ["2 150+10", "6 100+10"]);
}

#[test]
fn streams_of_the_same_urgency_get_the_same() {
    let mut client = streams(Side::Client, 1 << 30, 1 << 30, 100);
    let ids: Vec<_> = (0..20).map(|_| client.open(Dir::Bi).unwrap()).collect();
    let mut sent = vec![0; 20];
    for id in &ids {
        send(&mut client, *id, &[0; 200_000]);
    }
    for _ in 0..500 {
        let (packet, _) = payload(&mut client, 1200, CLOCK).unwrap();
        for frame in frame::frames(&packet, PacketType::OneRtt, Side::Server) {
            let Ok(Frame::Stream(frame)) = frame else {
                panic!()
            };
            sent[frame.id.index() as usize] += frame.data.len();
        }
    }
    let (least, most) = (sent.iter().min().unwrap(), sent.iter().max().unwrap());
    assert!(most - least <= 2 * 1200, "{sent:?}");
}

#[test]
fn lost_stream_data_goes_before_new_and_needs_no_credit() {
    let mut client = streams(Side::Client, 2000, 2000, 10);
    let (a, b) = (
        client.open(Dir::Uni).unwrap(),
        client.open(Dir::Uni).unwrap(),
    );
    send(&mut client, a, &[0; 1000]);
    let tokens = say(&mut client).1;
    send(&mut client, b, &[0; 1100]);
    client.lost(tokens[0]);
    assert_eq!(
        said(&mut client),
        ["2 0+1000", "6 0+192", "6 192+808", "blocked 2000"]
    );
    client.lost(tokens[0]);
    client.acked(tokens[0]);
    assert_eq!(said(&mut client), [""; 0], "acknowledged after all");
}

#[test]
fn a_stream_takes_no_more_than_it_can_soon_send() {
    let mut client = streams(Side::Client, 1 << 30, 1 << 30, 10);
    let a = client.open(Dir::Uni).unwrap();
    let mut large = Bytes::from(vec![0; 300_000]);
    let taken = client.send(a, &mut large).unwrap();
    assert_eq!(
        (taken as u64, large.len()),
        (crate::limits::UNSENT, 300_000 - taken)
    );
    assert_eq!(client.send(a, &mut large), Ok(0));
    assert_eq!(events(&mut client), []);
    let mut packets = 0;
    while events(&mut client).is_empty() {
        payload(&mut client, 1200, CLOCK).unwrap();
        packets += 1;
    }
    assert!((100..130).contains(&packets), "{packets}");
    let rest = large.len();
    assert_eq!(client.send(a, &mut large), Ok(rest));
    let _ = say(&mut client);
    assert_eq!(events(&mut client), [], "nothing was refused");
}

#[test]
fn unordered_reads_give_what_came_and_stay_unordered() {
    let mut server = streams(Side::Server, 1000, 600, 5);
    let a = id(Side::Client, Dir::Uni, 0);
    stream(&mut server, a, 100, 50, true).unwrap();
    server.accept(Dir::Uni).unwrap();
    assert_eq!(server.read(a, 99, Order::InOrder), Ok(Read::Blocked));
    let read = |server: &mut Streams| match server.read(a, 99, Order::Unordered).unwrap() {
        Read::Data {
            offset,
            bytes,
            ends,
            ..
        } => (offset, bytes.len(), ends),
        other => panic!("{other:?}"),
    };
    assert_eq!(read(&mut server), (100, 50, false));
    assert_eq!(
        server.read(a, 99, Order::InOrder),
        Err(ReadError::OutOfOrder)
    );
    stream(&mut server, a, 0, 120, false).unwrap();
    assert_eq!(read(&mut server), (0, 99, false));
    assert_eq!(read(&mut server), (99, 1, true));
    assert!(server.map.is_empty());
}

#[test]
fn stream_events_are_told_once_and_to_those_who_know_the_stream() {
    let (mut client, mut server) = pair(1000, 600, 5);
    let a = id(Side::Client, Dir::Bi, 0);
    for offset in 0..100 {
        stream(&mut server, a, offset, 1, false).unwrap();
    }
    server
        .on_stop_sending(StopSending { id: a, code: v(1) })
        .unwrap();
    assert_eq!(events(&mut server), [StreamEvent::Opened(Dir::Bi)]);
    server.accept(Dir::Bi).unwrap();
    assert_eq!(events(&mut server), [StreamEvent::Stopped(a, v(1))]);
    for offset in 100..200 {
        stream(&mut server, a, offset, 1, false).unwrap();
    }
    assert_eq!(events(&mut server), [StreamEvent::Readable(a)]);
    stream(&mut server, a, 150, 10, false).unwrap();
    stream(&mut server, a, 300, 10, false).unwrap();
    assert_eq!(events(&mut server), [], "nothing new to read in order");
    // A stream that the application does not have is not there for it.
    let b = id(Side::Client, Dir::Uni, 0);
    stream(&mut server, b, 0, 5, false).unwrap();
    assert_eq!(read_all(&mut server, b), Err(ReadError::Closed));
    assert_eq!(server.stop(b, v(0)), Err(Misuse));
    assert_eq!(client.send(a, &mut Bytes::new()), Err(SendError::Closed));
}

#[test]
fn both_parts_of_a_stream_end_apart() {
    let (mut client, mut server) = pair(1000, 600, 5);
    let a = client.open(Dir::Bi).unwrap();
    client.reset(a, v(3)).unwrap();
    exchange(&mut client, &mut server);
    server.accept(Dir::Bi).unwrap();
    assert_eq!(read_all(&mut server, a), Err(ReadError::Reset(v(3))));
    send(&mut server, a, &[5; 700]);
    exchange(&mut server, &mut client);
    assert_eq!(read_all(&mut client, a), Ok((600, false)));
    exchange(&mut client, &mut server);
    server.finish(a).unwrap();
    exchange(&mut server, &mut client);
    assert_eq!(read_all(&mut client, a), Ok((100, true)));
    assert!(client.map.is_empty());
    assert_eq!(
        events(&mut server),
        [StreamEvent::Opened(Dir::Bi), StreamEvent::Finished(a)]
    );
    assert!(server.map.is_empty());
    assert_eq!(said(&mut server), ["streams Bi 6"]);
}
