use super::*;
use crate::error::Code;

fn closed(events: &[Event]) -> Option<&ConnectionError> {
    match events.last() {
        Some(Event::Closed(error)) => Some(error),
        _ => None,
    }
}

fn code(value: u32) -> VarInt {
    VarInt::from(value)
}

#[test]
fn an_application_close_reaches_the_peer_with_code_and_reason() {
    for side in [Side::Client, Side::Server] {
        let mut pair = Pair::connected();
        let now = at(pair.now);
        pair.side(side)
            .close(code(77), Bytes::from_static(b"enough"), now);
        pair.run(Duration::from_secs(5));
        let (own, peer) = match side {
            Side::Client => (&pair.client_events, &pair.server_events),
            Side::Server => (&pair.server_events, &pair.client_events),
        };
        assert_eq!(closed(own), Some(&ConnectionError::LocallyClosed));
        let want = ConnectionError::ApplicationClosed {
            code: 77,
            reason: Bytes::from_static(b"enough"),
        };
        assert_eq!(closed(peer), Some(&want));
        for side in [Side::Client, Side::Server] {
            assert!(pair.side(side).is_over(), "{side:?}");
            assert_eq!(pair.side(side).deadline(), None);
            let told: Vec<_> = core::iter::from_fn(|| pair.side(side).endpoint_event()).collect();
            assert_eq!(told.last(), Some(&EndpointEvent::Over), "{side:?}");
        }
    }
}

#[test]
fn what_came_before_the_peer_closed_is_read_and_nothing_more_is_taken() {
    let mut pair = Pair::connected();
    let id = pair.client.open(Dir::Bi).unwrap();
    pair.client
        .send(id, &mut Bytes::from_static(b"last words"))
        .unwrap();
    pair.client.finish(id).unwrap();
    pair.run(Duration::from_millis(100));
    let now = at(pair.now);
    pair.client.close(code(0), Bytes::new(), now);
    pair.run(Duration::from_millis(100));
    assert_eq!(pair.server().state, State::Draining);
    let server = pair.server();
    assert_eq!(server.accept(Dir::Bi), Some(id));
    let mut got = Vec::new();
    assert!(read(server, id, &mut got));
    assert_eq!(got, b"last words");
    let closed = Err(crate::SendError::Closed);
    assert_eq!(
        server.send(id, &mut Bytes::from_static(b"late")).map(drop),
        closed
    );
    assert_eq!(
        (server.finish(id), server.reset(id, code(1))),
        (closed, closed)
    );
    assert!(server.send_datagram(Bytes::new()).is_err() && server.open(Dir::Uni).is_none());
    pair.run(Duration::from_secs(5));
    assert!(pair.server().is_over());
}

#[test]
fn a_close_during_the_handshake_hides_what_the_application_says() {
    let mut pair = Pair::new(straight());
    pair.run_until(Duration::from_secs(1), |pair| pair.server.is_some());
    let now = at(pair.now);
    pair.client
        .close(code(77), Bytes::from_static(b"secret"), now);
    pair.run(Duration::from_secs(30));
    let want = ConnectionError::PeerClosed {
        code: Code::APPLICATION_ERROR,
        frame: None,
        reason: Bytes::new(),
    };
    assert_eq!(closed(&pair.server_events), Some(&want));
    // Before anything was heard, the server's answer included.
    let mut pair = Pair::new(straight());
    pair.flush();
    let now = at(pair.now);
    pair.client
        .close(code(77), Bytes::from_static(b"secret"), now);
    pair.run(Duration::from_secs(30));
    assert_eq!(closed(&pair.server_events), Some(&want));
}

#[test]
fn a_failed_tls_handshake_closes_with_its_alert() {
    let (_, server) = tls(CipherSuite::ALL);
    let (stranger, _) = tls(CipherSuite::ALL);
    let client = ClientConfig::new(stranger).build().unwrap();
    let mut pair = Pair::of(
        straight(),
        &client,
        ServerConfig::new(server).build().unwrap(),
    );
    pair.run(Duration::from_secs(5));
    assert!(
        matches!(closed(&pair.client_events), Some(ConnectionError::Tls(_))),
        "{:?}",
        pair.client_events
    );
    let Some(ConnectionError::PeerClosed { code, .. }) = closed(&pair.server_events) else {
        panic!("{:?}", pair.server_events);
    };
    assert_eq!(
        code.alert(),
        Some(pith_tls::AlertDescription(48)),
        "unknown_ca"
    );
}

#[test]
fn no_common_protocol_is_error_178() {
    let pki = Pki::new();
    let client = pith_tls::ClientConfig::new(trust(&pki))
        .alpn(&[b"other"])
        .build()
        .unwrap();
    let server = pith_tls::ServerConfig::new(credential(&pki.leaf(NAME)))
        .alpn(&[b"test"])
        .build()
        .unwrap();
    let client = ClientConfig::new(client).build().unwrap();
    let mut pair = Pair::of(
        straight(),
        &client,
        ServerConfig::new(server).build().unwrap(),
    );
    pair.run(Duration::from_secs(5));
    let Some(ConnectionError::PeerClosed { code, .. }) = closed(&pair.client_events) else {
        panic!("{:?}", pair.client_events);
    };
    assert_eq!(*code, Code(0x178));
}

#[test]
fn an_idle_connection_ends_without_a_word() {
    for (client, server, want) in [
        (Some(5), Some(9), Some(5)),
        (Some(9), Some(4), Some(4)),
        (None, Some(7), Some(7)),
        (Some(3), None, Some(3)),
        (None, None, None),
    ] {
        let seconds = |time: Option<u64>| time.map(Duration::from_secs);
        let mut pair = Pair::with(
            straight(),
            |config| config.idle_timeout(seconds(client)),
            |config| config.idle_timeout(seconds(server)),
        );
        pair.connect();
        pair.run(Duration::from_millis(200));
        let (from, sent) = (pair.now, pair.log.len());
        pair.run_until(Duration::from_secs(60), |pair| {
            pair.client.is_over() && pair.server().is_over()
        });
        assert_eq!(pair.log.len(), sent, "nobody is told");
        let Some(want) = want else {
            assert!(pair.client.state.is_open() && pair.server().state.is_open());
            continue;
        };
        assert_eq!(
            closed(&pair.client_events),
            Some(&ConnectionError::IdleTimeout)
        );
        assert_eq!(
            closed(&pair.server_events),
            Some(&ConnectionError::IdleTimeout)
        );
        let took = pair.now - from;
        let want = Duration::from_secs(want);
        assert!(
            took <= want && took + Duration::from_millis(300) > want,
            "{took:?} of {want:?}"
        );
    }
}

#[test]
fn a_keep_alive_prevents_the_idle_timeout() {
    let mut pair = Pair::with(
        straight(),
        |config| {
            config
                .idle_timeout(Some(Duration::from_secs(5)))
                .keep_alive(Some(Duration::from_secs(2)))
        },
        |config| config,
    );
    pair.connect();
    let sent = pair.log.len();
    pair.run(Duration::from_secs(60));
    assert!(pair.client.state.is_open() && pair.server().state.is_open());
    let sent = pair.log.len() - sent;
    assert!(
        (50..70).contains(&sent),
        "a PING and an answer each 2 seconds: {sent}"
    );
}

#[test]
fn a_handshake_has_a_deadline_that_nothing_moves() {
    // The server's Handshake packets never arrive, but all that keeps a connection busy does.
    let fate: Fate = Box::new(|from, datagram| {
        let handshake = datagram[0] & 0xb0 == 0xa0;
        if from == Side::Server && (handshake || datagram[0] & 0x80 == 0) {
            return Vec::new();
        }
        if from == Side::Server {
            // Coalesced behind an Initial packet: cut off by breaking it.
            let last = datagram.len() - 1;
            datagram[last] ^= 1;
        }
        vec![DELAY]
    });
    let mut pair = Pair::with(
        fate,
        |config| {
            config
                .handshake_timeout(Duration::from_secs(7))
                .idle_timeout(None)
        },
        |config| {
            config
                .handshake_timeout(Duration::from_secs(8))
                .idle_timeout(None)
        },
    );
    let over = pair.run_until(Duration::from_secs(60), |pair| {
        let now = pair.now;
        pair.client.ping();
        if pair.client.state.is_open() && pair.server.is_some() {
            let ping = pair.client.forge(crate::wire::Space::Initial, &[1], now);
            pair.fly(Side::Client, ping);
        }
        pair.now += Duration::from_millis(50);
        !pair.client.state.is_open()
    });
    assert!(over);
    assert_eq!(
        pair.client.error().cloned(),
        Some(ConnectionError::HandshakeTimeout)
    );
    let took = pair.now - START;
    assert!(
        took > Duration::from_secs(7) && took < Duration::from_millis(7200),
        "{took:?}"
    );
    pair.run(Duration::from_secs(30));
    let error = pair.server().error().cloned();
    let told = matches!(
        error,
        Some(ConnectionError::PeerClosed {
            code: Code::NO_ERROR,
            ..
        })
    );
    assert!(told, "{error:?}");
}

#[test]
fn a_closing_connection_answers_ever_less_and_a_draining_one_never() {
    let mut pair = Pair::connected();
    let now = pair.now;
    pair.client.close(code(1), Bytes::new(), at(now));
    let mut buffer = [0; 2000];
    assert!(pair.client.transmit(at(now), &mut buffer).is_some());
    assert!(pair.client.transmit(at(now), &mut buffer).is_none());
    let mut answers = 0;
    for _ in 0..100 {
        let ping = pair
            .server()
            .forge(crate::wire::Space::Application, &[1], now);
        pair.deliver(Side::Client, &ping);
        answers += usize::from(pair.client.transmit(at(now), &mut buffer).is_some());
    }
    assert_eq!(answers, 6, "at 1, 3, 7, 15, 31 and 63");
    let batch = pair.client.transmit(at(now), &mut buffer);
    assert!(batch.is_none());
    // The peer hears one of them and is silent from then on.
    let close = pair
        .client
        .forge(crate::wire::Space::Application, &[0x1d, 1, 0], now);
    pair.deliver(Side::Server, &close);
    assert_eq!(pair.server().state, State::Draining);
    for _ in 0..10 {
        let ping = pair
            .client
            .forge(crate::wire::Space::Application, &[1], now);
        pair.deliver(Side::Server, &ping);
        assert!(pair.server().transmit(at(now), &mut buffer).is_none());
    }
}

#[test]
fn a_stateless_reset_ends_a_connection_that_knows_its_token() {
    let mut pair = Pair::connected();
    let now = pair.now;
    let reset = |length: usize, token: u8| {
        let mut datagram = vec![0x5a; length];
        let at = length - 16;
        datagram[at..].fill(token);
        datagram
    };
    for (name, length, token) in [
        ("another token", 60, 9),
        ("zeros", 60, 0),
        ("too short", 20, 0x50),
    ] {
        pair.deliver(Side::Client, &reset(length, token));
        assert!(pair.client.state.is_open(), "{name}");
    }
    // A server has no token of a client that issued no ids.
    pair.deliver(Side::Server, &reset(60, 0));
    assert!(pair.server().state.is_open());
    pair.deliver(Side::Client, &reset(21, 0x50));
    assert_eq!(pair.client.state, State::Draining);
    assert_eq!(pair.client.error().cloned(), Some(ConnectionError::Reset));
    let mut buffer = [0; 2000];
    assert!(pair.client.transmit(at(now), &mut buffer).is_none());
}

#[test]
fn any_call_is_legal_on_a_connection_that_is_over() {
    let mut pair = Pair::connected();
    let stream = pair.client.open(Dir::Bi).unwrap();
    let now = at(pair.now);
    pair.client.close(code(0), Bytes::new(), now);
    pair.run(Duration::from_secs(5));
    let client = &mut pair.client;
    assert!(
        client.is_over() && client.open(Dir::Bi).is_none() && client.accept(Dir::Uni).is_none()
    );
    assert!(
        client
            .send(stream, &mut Bytes::from_static(b"late"))
            .is_err()
    );
    assert!(client.finish(stream).is_err() && client.reset(stream, code(0)).is_err());
    assert!(client.stop(stream, code(0)).is_err() && client.read(stream, 9).is_err());
    client.close(code(5), Bytes::new(), now);
    client.ping();
    client.update_keys();
    client.on_deadline(now);
    assert!(client.send_datagram(Bytes::new()).is_err() && client.read_datagram().is_none());
    assert!(client.event().is_none() && client.question().is_none());
    assert!(client.transmit(now, &mut [0; 1500]).is_none());
    assert!(client.export(b"label", b"", &mut [0; 8]).is_err());
    client.receive(now, CLIENT, Ecn::NotEct, BytesMut::from(&[0x40; 50][..]));
    assert_eq!(client.error(), Some(&ConnectionError::LocallyClosed));
}
