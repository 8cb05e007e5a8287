//! Connections: what arrives, what does not, and who hears of it.

use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use pith_quic::{ConnectionError, VarInt};
use pith_tests::pair::NAME;

use super::world::{Manners, SERVER, World, pattern};
use crate::quic::link::{LONGEST, PATIENCE};
use crate::quic::{Connection, Error, RecvStream, SendStream};

const NETWORKS: [(&str, Manners); 5] = [
    (
        "straight",
        Manners {
            loses: 0,
            stalls: 0,
            takes: 0,
        },
    ),
    (
        "every other call would block",
        Manners {
            loses: 0,
            stalls: 2,
            takes: 0,
        },
    ),
    (
        "a datagram at a time, and every third call would block",
        Manners {
            loses: 0,
            stalls: 3,
            takes: 1,
        },
    ),
    (
        "one of nine lost",
        Manners {
            loses: 9,
            stalls: 0,
            takes: 0,
        },
    ),
    (
        "all of it",
        Manners {
            loses: 13,
            stalls: 2,
            takes: 3,
        },
    ),
];

/// Echoes every stream until the connection ends.
async fn echo(connection: Connection) -> Error {
    let mut all = Vec::new();
    loop {
        match connection.accept_bi().await {
            Ok(stream) => all.push(stream),
            Err(error) => return error,
        }
        let (mut send, mut recv) = all.pop().unwrap();
        while let Some(mut chunk) = recv.read_chunk(usize::MAX).await.unwrap() {
            send.write_bytes(&mut chunk).await.unwrap();
        }
    }
}

/// Whether a connection ended as its peer said, or as it ends where that is lost.
fn is_end(end: &Error, code: u64, reason: &'static [u8], manners: Manners) -> bool {
    let reason = Bytes::from_static(reason);
    let closed = ConnectionError::ApplicationClosed { code, reason };
    match end {
        Error::Connection(ConnectionError::IdleTimeout) => manners.loses > 0,
        Error::Connection(error) => *error == closed,
        _ => false,
    }
}

async fn there_and_back(
    (mut send, mut recv): (SendStream, RecvStream),
    data: Bytes,
) -> Result<Vec<u8>, Error> {
    let write = async {
        send.write_all(&data).await?;
        send.finish()
    };
    let (written, read) = tokio::join!(write, recv.read_to_end(data.len()));
    written?;
    read
}

#[test]
fn an_echo_comes_back_over_every_network() {
    for (name, manners) in NETWORKS {
        let mut world = World::new(manners);
        let (client, server) = world.connect();
        let data = pattern(500_000);
        let got = world.run(async {
            let work = async {
                let stream = client.open_bi().await.unwrap();
                let got = there_and_back(stream, data.clone()).await;
                client.close(VarInt::from(7_u8), b"done");
                got
            };
            let (got, end) = tokio::join!(work, echo(server));
            assert!(is_end(&end, 7, b"done", manners), "{name}: {end:?}");
            got
        });
        assert!(got.unwrap() == data, "{name}");
    }
}

#[test]
fn handles_that_are_dropped_lose_nothing() {
    for (name, manners) in NETWORKS {
        let mut world = World::new(manners);
        let (client, server) = world.connect();
        let data = pattern(200_000);
        world.run(async {
            // The client keeps nothing of what it sends.
            let (mut both, _) = client.open_bi().await.unwrap();
            let mut one = client.open_uni().await.unwrap();
            both.write_all(&data).await.unwrap();
            one.write_bytes(&mut data.clone()).await.unwrap();
        });
        drop(client);
        world.client.endpoint = None;
        let (both, one, end) = world.run(async {
            let (_, mut both) = server.accept_bi().await.unwrap();
            let mut one = server.accept_uni().await.unwrap();
            let both = both.read_to_end(200_000).await.unwrap();
            let one = one.read_to_end(200_000).await.unwrap();
            (both, one, server.closed().await)
        });
        assert!(both == data && one == data, "{name}");
        assert!(is_end(&end, 0, b"", manners), "{name}: {end:?}");
        world.pass(Duration::from_secs(9));
        assert!(
            world.client.driver.is_none(),
            "{name}: the driver has ended"
        );
    }
}

#[test]
fn what_came_is_read_after_its_sender_has_closed() {
    let mut world = World::new(Manners::default());
    let (client, server) = world.connect();
    world.run(async {
        let mut send = client.open_uni().await.unwrap();
        send.write_all(b"last words").await.unwrap();
    });
    drop(client);
    let end = world.run(server.closed());
    assert_eq!(end.closed_by_peer(), Some(0));
    let read = world.run(async {
        let mut recv = server.accept_uni().await?;
        recv.read_to_end(99).await
    });
    assert_eq!(read.unwrap(), b"last words");
    let none = world.run(server.accept_uni()).unwrap_err();
    assert!(matches!(
        none,
        Error::Connection(ConnectionError::ApplicationClosed { .. })
    ));
}

#[test]
fn a_peer_that_takes_nothing_is_left_in_the_end() {
    // What the peer takes of what it was sent, and when the connection that nobody holds closes.
    for (name, trickle, least, most) in [
        (
            "nothing",
            false,
            PATIENCE,
            PATIENCE + Duration::from_secs(5),
        ),
        (
            "a little now and then",
            true,
            LONGEST,
            LONGEST + PATIENCE * 2,
        ),
    ] {
        let mut world = World::with(Manners::default(), |client, server| {
            let keep_alive = Some(Duration::from_secs(5));
            (
                client.keep_alive(keep_alive),
                server.stream_window(1000, 1000),
            )
        });
        let (client, server) = world.connect();
        world.run(async {
            let mut send = client.open_uni().await.unwrap();
            send.write_all(&pattern(100_000)).await.unwrap();
        });
        let mut recv = world.run(server.accept_uni()).unwrap();
        world.pass(Duration::from_secs(1));
        let began = world.now();
        drop(client);
        while server.error().is_none() {
            world.pass(Duration::from_secs(4));
            if trickle && server.error().is_none() {
                world.run(recv.read_chunk(600)).unwrap();
            }
        }
        let took = world.now() - began;
        assert!(took >= least && took <= most, "{name}: {took:?}");
    }
}

#[test]
fn a_server_that_is_not_there_shows_at_the_deadline_of_the_handshake() {
    let mut world = World::with(Manners::default(), |client, server| {
        (client.handshake_timeout(Duration::from_secs(3)), server)
    });
    let began = world.now();
    let config = world.client_config.clone();
    let client = world.client();
    let nobody = "192.0.2.77:443".parse().unwrap();
    let error = world
        .run(client.connect(&config, nobody, NAME))
        .unwrap_err();
    assert!(
        matches!(error, Error::NoAnswer(remote) if remote == nobody),
        "{error:?}"
    );
    assert_eq!(
        error.to_string(),
        "nothing came from 192.0.2.77:443 in the time for a handshake: is a QUIC server listening there, and does UDP pass on the way?"
    );
    let took = world.now() - began;
    assert!(
        took >= Duration::from_secs(3) && took < Duration::from_secs(4),
        "{took:?}"
    );
    for (remote, why) in [
        (
            "0.0.0.0:443",
            "this is no host's address; a server on this host has a loopback address",
        ),
        (
            "[::]:443",
            "this is no host's address; a server on this host has a loopback address",
        ),
        ("192.0.2.9:0", "port 0 is none"),
        (
            "[2001:db8::1]:443",
            "the endpoint's socket speaks IPv4 only; bind it to [::]:0 for both",
        ),
    ] {
        let remote = remote.parse().unwrap();
        let error = world
            .run(client.connect(&config, remote, NAME))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("cannot connect to {remote}: {why}")
        );
    }
    let error = world
        .run(client.connect(&config, SERVER, "no name"))
        .unwrap_err();
    assert!(matches!(error, Error::Name));
    // As somebody writes it who has an IPv6 socket.
    let server = world.server();
    let (client, _) = world.run(async {
        let accept = async { server.accept().await.unwrap().await };
        let mapped = "[::ffff:192.0.2.9]:4433".parse().unwrap();
        tokio::join!(client.connect(&config, mapped, NAME), accept)
    });
    assert_eq!(client.unwrap().remote(), SERVER);
}

#[test]
fn resets_and_stops_show_their_codes() {
    let mut world = World::new(Manners::default());
    let (client, server) = world.connect();
    world.run(async {
        let (mut send, mut recv) = client.open_bi().await.unwrap();
        send.write_all(b"half").await.unwrap();
        let (mut answer, mut asked) = server.accept_bi().await.unwrap();
        assert_eq!(asked.read_chunk(99).await.unwrap().unwrap(), "half");
        send.reset(VarInt::from(70_u8));
        recv.stop(VarInt::from(80_u8));
        for _ in 0..2 {
            let reset = asked.read(&mut [0; 9]).await;
            assert!(matches!(reset, Err(Error::Reset(code)) if code.get() == 70));
        }
        assert_eq!(answer.stopped().await.unwrap(), Some(VarInt::from(80_u8)));
        for _ in 0..2 {
            let stopped = answer.write(b"x").await;
            assert!(matches!(stopped, Err(Error::Stopped(code)) if code.get() == 80));
        }
        // On this side nothing more can be done with them.
        assert!(matches!(recv.read_chunk(9).await, Err(Error::Ended)));
        assert!(matches!(send.write(b"x").await, Err(Error::Ended)));
        assert!(matches!(send.finish(), Err(Error::Ended)));
        // A stream that has arrived.
        let mut send = client.open_uni().await.unwrap();
        send.write_all(b"all").await.unwrap();
        send.finish().unwrap();
        let mut recv = server.accept_uni().await.unwrap();
        assert_eq!(recv.read_to_end(3).await.unwrap(), b"all");
        assert_eq!(recv.read(&mut [0; 9]).await.unwrap(), 0);
        assert_eq!(send.stopped().await.unwrap(), None);
        assert!(matches!(send.write(b"x").await, Err(Error::Ended)));
        // A handle that is dropped before the end tells the peer to stop.
        let mut send = client.open_uni().await.unwrap();
        send.write_all(b"unread").await.unwrap();
        drop(server.accept_uni().await.unwrap());
        assert_eq!(send.stopped().await.unwrap(), Some(VarInt::ZERO));
    });
}

#[test]
fn reading_to_the_end_stops_at_its_limit_and_loses_nothing_when_it_is_dropped() {
    let mut world = World::new(Manners::default());
    let (client, server) = world.connect();
    let (mut send, mut recv) = world.run(async {
        let mut send = client.open_uni().await.unwrap();
        send.write_all(b"abc").await.unwrap();
        (send, server.accept_uni().await.unwrap())
    });
    assert!(
        world
            .run_for(Duration::from_secs(1), recv.read_to_end(9))
            .is_none()
    );
    let part = world.run(recv.read_chunk(2)).unwrap().unwrap();
    assert_eq!(part, "ab");
    world.run(send.write_all(b"defg")).unwrap();
    send.finish().unwrap();
    assert!(matches!(
        world.run(recv.read_to_end(4)),
        Err(Error::TooLong(4))
    ));
    assert_eq!(world.run(recv.read_to_end(5)).unwrap(), b"cdefg");
}

#[test]
fn datagrams_arrive_or_are_refused() {
    let mut world = World::with(Manners::default(), |client, server| {
        (client.datagrams(1000), server.datagrams(500))
    });
    let (client, server) = world.connect();
    assert_eq!(client.largest_datagram(), Some(497));
    let refused = client.send_datagram(pattern(498));
    assert!(matches!(refused, Err(Error::Datagram(_))));
    for length in [1, 497] {
        client.send_datagram(pattern(length)).unwrap();
    }
    server.send_datagram(pattern(900)).unwrap();
    // It has gone out before the connection that nobody holds is closed.
    drop(client);
    world.run(async {
        for length in [1, 497] {
            assert_eq!(server.read_datagram().await.unwrap(), pattern(length));
        }
        assert!(server.read_datagram().await.is_err());
        assert!(server.send_datagram(Bytes::new()).is_err());
    });
}

#[test]
fn streams_are_opened_in_turn_as_the_peer_allows() {
    let mut world = World::with(Manners::default(), |client, server| {
        (client, server.streams(0, 2))
    });
    let (client, server) = world.connect();
    let order = std::cell::RefCell::new(Vec::new());
    let open = |number: u32| {
        let (client, order) = (&client, &order);
        async move {
            let mut stream = client.open_uni().await.unwrap();
            order.borrow_mut().push(number);
            stream.write_all(&number.to_be_bytes()).await.unwrap();
        }
    };
    let all = async {
        // One that gives up takes nobody's turn along.
        let mut gives_up = Box::pin(client.open_uni());
        let work = async {
            tokio::join!(
                open(0),
                open(1),
                open(2),
                async {
                    let polled = std::future::poll_fn(|cx| {
                        std::task::Poll::Ready(gives_up.as_mut().poll(cx).is_ready())
                    });
                    assert!(!polled.await);
                },
                open(3),
                open(4),
                open(5)
            );
        };
        work.await;
    };
    let accept = async {
        for number in 0..6_u32 {
            let mut stream = server.accept_uni().await.unwrap();
            assert_eq!(stream.read_to_end(4).await.unwrap(), number.to_be_bytes());
        }
    };
    let sleeper = async { tokio::join!(all, accept) };
    world.run(sleeper);
    assert_eq!(*order.borrow(), [0, 1, 2, 3, 4, 5]);
    let never = client.open_bi();
    assert!(world.run_for(Duration::from_secs(5), never).is_none());
}

/// A waker that holds a handle, as that of a task does whose last trace is its waker.
struct Task(Mutex<Option<(Connection, SendStream)>>);

impl Wake for Task {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn a_waker_may_take_handles_of_its_own_connection_along() {
    let mut world = World::new(Manners::default());
    let (client, server) = world.connect();
    let with_handles = |world: &mut World| {
        let stream = world.run(client.open_uni()).unwrap();
        let task = Task(Mutex::new(Some((client.clone(), stream))));
        assert!(task.0.lock().unwrap().is_some());
        Waker::from(Arc::new(task))
    };
    let (mut send, mut recv) = world.run(client.open_bi()).unwrap();
    world.run(send.write_all(b"x")).unwrap();
    let mut accept = Box::pin(client.accept_uni());
    let full = vec![0; 1 << 20];
    // Each takes the place of another's waker, and is dropped where it stands.
    for _ in 0..2 {
        let wakers = [(); 3].map(|()| with_handles(&mut world));
        let [mut one, mut two, mut three] = wakers.each_ref().map(Context::from_waker);
        assert!(recv.poll_chunk(&mut one, 9).is_pending());
        assert!(accept.as_mut().poll(&mut two).is_pending());
        while send.poll_write(&mut three, &full).is_ready() {}
    }
    drop(accept);
    drop(recv);
    drop(send);
    drop(client);
    world.run(server.closed());
}
